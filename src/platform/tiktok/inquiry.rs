//! What TikTok says about an account, and what its audit of the app means.

use std::collections::BTreeSet;

use super::client::{Session, operation};
use super::limits::{self, Said};
use super::types::{CreatorInfo, User};
use super::{Tiktok, body, stage};
use crate::domain::capability::decode::{LISTED_MAX, NAME_CHARS_MAX, VIDEO_SECONDS_MAX, is_scope};
use crate::domain::capability::{Allow, Capabilities, Privacy};
use crate::domain::grant::Grant;
use crate::domain::limits::Counts;
use crate::domain::payload::Payload;
use crate::domain::project::Mode;
use crate::platform::error::{Error, foreign};
use crate::platform::inquiry::{Answer, Claim, Inquiry};
use crate::platform::{BoxFuture, RequestLog};

/// With HTTP 200 these say that the creator cannot post at present, and nothing else (TikTok docs `ci`, read
/// 2026-11-22).
const BARS: [&str; 3] =
    ["spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap"];

/// The scope without which nothing is posted in this mode (TikTok docs `sc`, read 2026-11-22).
pub(super) fn posting_scope(mode: Mode) -> &'static str {
    match mode {
        Mode::Direct => "video.publish",
        Mode::Draft => "video.upload",
    }
}

impl Inquiry for Tiktok {
    fn operations(&self, grant: &Grant) -> Vec<&'static str> {
        let tells_creator = has(grant, "video.publish").then_some(operation::CREATOR_INFO);
        let tells_user = has(grant, "user.info.basic").then_some(operation::USER_INFO);
        tells_user.into_iter().chain(tells_creator).collect()
    }

    fn capabilities<'a>(
        &'a self,
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let session = Session { grant, log };
            let operations = self.operations(grant);
            let user = match operations.contains(&operation::USER_INFO) {
                true => self.client.user_info(session).await?,
                false => User::default(),
            };
            let (creator, bars) = match operations.contains(&operation::CREATOR_INFO) {
                false => (None, None),
                true => match self.client.creator_info(session).await {
                    Ok(creator) => (Some(creator), None),
                    Err(error) if BARS.contains(&error.code.as_str()) => (None, Some(error)),
                    Err(error) => return Err(error),
                },
            };
            Ok(Answer { capabilities: capabilities(grant, &user, creator.as_ref()), bars })
        })
    }

    fn pulled<'a>(&self, payload: &'a Payload) -> Vec<&'a str> {
        body::Body::read(payload).map_or_else(|_| Vec::new(), |body| stage::pulled(&body, payload))
    }

    fn audit_means(&self, is_audited: bool) -> Vec<Claim> {
        let said = if is_audited { limits::AUDITED } else { limits::UNAUDITED };
        let said = said.iter().chain(limits::EITHER);
        let claim = |Said { text, source }: &Said| Claim { text: (*text).to_owned(), source };
        let answers = self.account.business_id.is_some();
        let caps = limits::CAPS.iter().filter(|cap| answers || cap.counts != Counts::Replies);
        said.map(claim).chain(caps.map(cap)).collect()
    }
}

fn cap(cap: &crate::domain::limits::Cap) -> Claim {
    let hours = cap.window.as_secs() / 3_600;
    let (text, source) = match cap.counts {
        Counts::Posts => (
            format!("A creator may post about {} times in {hours} hours, over all apps.", cap.max),
            "content-sharing-guidelines, revised 2026-08-04",
        ),
        Counts::Drafts => (
            format!("At most {} drafts wait in a creator's inbox in {hours} hours.", cap.max),
            "content-posting-api-reference-upload-video, read 2026-11-22",
        ),
        Counts::Replies => (
            format!(
                "gitcast answers at most {} comments in {hours} hours: many at once are taken for spam.",
                cap.max
            ),
            "public clients of TikTok's API for Business, read 2026-11-26",
        ),
    };
    Claim { text, source }
}

fn has(grant: &Grant, scope: &str) -> bool {
    grant.scopes.iter().any(|granted| granted == scope)
}

/// What TikTok calls by words that manifests do not have is left out.
fn capabilities(grant: &Grant, user: &User, creator: Option<&CreatorInfo>) -> Capabilities {
    let either = |of_user: &str, of_creator: Option<&str>| {
        let name: String = foreign(match of_user {
            "" => of_creator.unwrap_or_default(),
            name => name,
        });
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    let seconds = |creator: &CreatorInfo| {
        let seconds = u64::try_from(creator.max_video_post_duration_sec?).ok()?;
        (1..=VIDEO_SECONDS_MAX).contains(&seconds).then_some(seconds)
    };
    Capabilities {
        read_on: None,
        username: either(&user.username, creator.map(|c| c.creator_username.as_str())),
        nickname: either(&user.display_name, creator.map(|c| c.creator_nickname.as_str())),
        scopes: Some(grant.scopes.iter().filter(|scope| is_scope(scope)).take(LISTED_MAX).cloned().collect()),
        privacy: creator
            .map(|c| c.privacy_level_options.iter().filter_map(|level| Privacy::from_level(level)).collect()),
        disabled: creator.map(disabled),
        video_seconds_max: creator.and_then(seconds),
        server: None,
        audited: None,
        media_prefixes: BTreeSet::new(),
    }
}

fn disabled(creator: &CreatorInfo) -> BTreeSet<Allow> {
    [
        (creator.comment_disabled, Allow::Comment),
        (creator.duet_disabled, Allow::Duet),
        (creator.stitch_disabled, Allow::Stitch),
    ]
    .into_iter()
    .filter_map(|(is_disabled, what)| is_disabled.then_some(what))
    .collect()
}
