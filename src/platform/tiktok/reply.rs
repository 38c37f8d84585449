//! Answers to comments: posts of a text alone, through TikTok's API for Business.
//!
//! # Guarantees
//!
//! The one request that answers is sent once. It has no key, and the list of answers may leave some out, so that what is
//! not in it may be there all the same: an answer whose request got none is found, or a person decides.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tiktok;
use super::business::{self, Session, operation};
use super::observe::{CLOCK_SKEW, is_id, normalized};
use super::research;
use crate::domain::ids::PlatformId;
use crate::domain::limits::Counts;
use crate::domain::manifest::decode::{Mapping, text};
use crate::domain::manifest::node::Node;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::{Post, Target};
use crate::domain::payload::{Estimate, Payload};
use crate::domain::preview::{Preview, marked};
use crate::domain::project::Account;
use crate::domain::publication::{Reason, Remote};
use crate::domain::retry::ErrorKind;
use crate::platform::{
    BoxFuture, Error, Job, Observation, Prepared, RequestLog, Sent, Staged, comments, stored,
};
use crate::secret::Secret;

/// The option that makes a post an answer.
pub(super) const OPTION: &str = "reply_to";
/// The form of [`Reply`]; another one gets another number.
const VERSION: u32 = 1;
/// Characters of an answer, as UTF-16 has them: the smaller reading of "150" (see `business`).
const TEXT_UNITS_MAX: usize = 150;
/// Pages of 30 answers to look through, the newest first.
const PAGES_MAX: u32 = 4;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Reply,
}

/// Which comment is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyTo {
    /// The id of the video.
    video: String,
    /// The id of the comment.
    comment: String,
}

/// What a payload holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    v: u32,
    kind: Kind,
    reply_to: ReplyTo,
    text: String,
}

impl Reply {
    /// `None`: the payload is none of an answer.
    pub(super) fn read(payload: &Payload) -> Option<Reply> {
        stored::body(payload, VERSION).ok()
    }
}

/// Whether a target says that it is an answer.
pub(super) fn is_meant(target: &Target) -> bool {
    target.options.get(OPTION).is_some()
}

pub(super) fn prepare(account: &Account, (post, target): (&Post, &Target)) -> Prepared {
    let report = Report::new(&post.path);
    let reply = read(account, (post, target), &report);
    let payload = reply.filter(|_| !report.has_errors()).map(|reply| Payload {
        platform: PlatformId::Tiktok,
        body: serde_json::to_value(&reply).expect("a reply is made of texts and numbers").into(),
        media: Vec::new(),
        what: format!("answer to comment {}", reply.reply_to.comment),
        text: Some(reply.text),
        estimate: Estimate { requests: 1, bytes: 0, chunks: None },
        counts: Counts::Replies,
        fixed: None,
    });
    Prepared { payload, diagnostics: report.into_diagnostics() }
}

fn read(account: &Account, (post, target): (&Post, &Target), report: &Report) -> Option<Reply> {
    let mut m = Mapping::new(&target.options, report)?;
    let reply_to = m.required(OPTION, reply_to);
    m.take("text");
    m.finish();
    let place = target.account.span;
    if let Some(medium) = post.media.first() {
        let finding =
            report.error("reply-with-media", medium.source.span(), "an answer to a comment is a text alone");
        finding.help("remove `media:`, or make it a post of its own");
    }
    if account.business_id.is_none() {
        let message =
            "answering comments goes through TikTok's API for Business, and the account has no `business_id`";
        let finding = report.error("business-account-missing", place, message);
        finding.help(format!("add `business_id:` to `{}` in gitcast.yaml", account.name.value));
    }
    let Some(text) = target.text(post).filter(|text| !text.value.trim().is_empty()) else {
        report.error("missing-key", place, "an answer needs a text").help("add `text:`");
        return None;
    };
    let units = text.value.encode_utf16().count();
    if units > TEXT_UNITS_MAX {
        let message =
            format!("the text has {units} UTF-16 units, TikTok takes {TEXT_UNITS_MAX} in an answer");
        let finding = report.error("text-too-long", text.span, message);
        finding.help(format!("make it shorter by {}; an emoji counts two or more", units - TEXT_UNITS_MAX));
    }
    Some(Reply { v: VERSION, kind: Kind::Reply, reply_to: reply_to?, text: text.value.clone() })
}

fn reply_to(node: &Node, report: &Report) -> Option<ReplyTo> {
    let mut m = Mapping::new(node, report)?;
    let (video, comment) = (m.required("video", id), m.required("comment", id));
    m.finish();
    Some(ReplyTo { video: video?, comment: comment? })
}

fn id(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    if is_id(&written.value) {
        return Some(written.value);
    }
    let finding = report.error("invalid-value", written.span, format!("{} is no id", quote(&written.value)));
    finding.help("`gitcast comments list ID` shows the ids");
    None
}

pub(super) fn preview(reply: &Reply) -> Preview {
    let mut preview = Preview { parts: vec![marked(&reply.text)], ..Preview::default() };
    preview.badges.push("Answer".to_owned());
    preview
        .note("Answers", format!("comment {} below video {}", reply.reply_to.comment, reply.reply_to.video));
    preview
}

impl Tiktok {
    /// What it takes to ask about comments.
    pub(super) fn business(&self, operation: &'static str) -> Result<(Secret, &str), Error> {
        let id = self.account.business_id.as_deref().ok_or_else(|| {
            let message = format!(
                "TikTok's interface for developers offers no comments to anybody. Its API for Business does, to accounts that \
                 logged in to an app there: write their `business_id` to the account in gitcast.yaml, and set {}. Its \
                 Research API shows them to approved researchers: set {} and {}.",
                business::TOKEN_VARIABLE,
                research::KEY_VARIABLE,
                research::SECRET_VARIABLE
            );
            Error::new(operation, ErrorKind::Permission, "no-comments", message)
        })?;
        Ok((business::token(&self.keys, self.account.business_token_env.as_deref(), operation)?, id))
    }

    /// Nothing is to be staged, but what is missing is told before anything is announced.
    pub(super) fn stage_reply(&self, job: &Job) -> Result<Staged, Error> {
        self.business(operation::REPLY)?;
        Ok(Staged::Ready(job.checkpoint.clone().unwrap_or_else(|| serde_json::json!({}))))
    }

    pub(super) async fn publish_reply(&self, job: &Job, reply: &Reply) -> Result<Sent, Error> {
        let (token, business_id) = self.business(operation::REPLY)?;
        let session = Session { token: &token, business_id, log: &job.log };
        let ReplyTo { video, comment } = &reply.reply_to;
        let id = self.client.reply(session, (video, comment), &reply.text).await?;
        Ok(Sent::Published(Remote { id: Some(id), url: None }, None))
    }

    /// Looks for an answer whose request nobody answered.
    pub(super) async fn look_for_reply(&self, job: &Job, reply: &Reply) -> Result<Observation, Error> {
        if job.remote.id.is_some() {
            return Ok(Observation::Published { remote: job.remote.clone(), checkpoint: None, again: None });
        }
        let (token, business_id) = self.business(operation::REPLIES)?;
        let session = Session { token: &token, business_id, log: &job.log };
        let ReplyTo { video, comment } = &reply.reply_to;
        let since = job.intended_at.map_or(Timestamp::MIN, |at| at.saturating_sub(CLOCK_SKEW).unwrap_or(at));
        let is_it = |found: &comments::Comment| {
            found.is_own
                && normalized(&found.text) == normalized(&reply.text)
                && !job.taken.contains(&found.id)
                && found.at.is_none_or(|at| at >= since)
        };
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = business::listed(self.client.comments(session, video, Some(comment), cursor).await?);
            if let Some(found) = page.comments.into_iter().find(is_it) {
                let remote = Remote { id: Some(found.id), url: None };
                return Ok(Observation::Published { remote, checkpoint: None, again: None });
            }
            cursor = page.next.and_then(|next| next.parse().ok());
            if cursor.is_none() {
                break;
            }
        }
        let elapsed = job.intended_at.map_or(SignedDuration::ZERO, |at| job.now.duration_since(at));
        let (elapsed, pace) = (Duration::try_from(elapsed).unwrap_or_default(), self.pace());
        if elapsed < pace.search_until {
            return Ok(Observation::Unknown(pace.search_every));
        }
        let message = "it is not among the answers that TikTok lists, which may leave some out: look at the comment in the app";
        Ok(Observation::CannotTell(Reason::new("answer-not-listed", message)))
    }
}

impl Tiktok {
    /// One that is still good, or a new one.
    async fn research_access(
        &self,
        app: &research::App,
        log: &RequestLog,
    ) -> Result<research::Access, Error> {
        let now = self.client.http().clock().now();
        let known = self.research.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(access) = known.filter(|access| access.is_good(now)) {
            return Ok(access);
        }
        let access = self.client.research_access(app, now, log).await?;
        *self.research.lock().unwrap_or_else(PoisonError::into_inner) = Some(access.clone());
        Ok(access)
    }
}

impl comments::Comments for Tiktok {
    fn operation(&self) -> &'static str {
        if self.account.business_id.is_some() { operation::COMMENTS } else { research::OPERATION }
    }

    fn page<'a>(
        &'a self,
        post: &'a str,
        cursor: Option<&'a str>,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<comments::Page, Error>> {
        Box::pin(async move {
            let cursor = cursor.and_then(|cursor| cursor.parse().ok());
            let app = research::App::of(&self.keys).filter(|_| self.account.business_id.is_none());
            if let Some(app) = app {
                let access = self.research_access(&app, log).await?;
                return self.client.research_comments(&access, post, cursor.unwrap_or_default(), log).await;
            }
            let (token, business_id) = self.business(operation::COMMENTS)?;
            let session = Session { token: &token, business_id, log };
            Ok(business::listed(self.client.comments(session, post, None, cursor).await?))
        })
    }

    fn reply_to(&self, post: &str, comment: &str) -> (&'static str, Vec<String>) {
        (OPTION, vec![format!("video: \"{post}\""), format!("comment: \"{comment}\"")])
    }
}

#[cfg(test)]
mod tests;
