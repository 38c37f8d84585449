//! The state behind TikTok's API: grants, publications, windows of rate limits; and time passing over them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::random;
use super::super::settings::AccountSetup;
use super::super::store::Store;
use super::comments::Answers;
use super::oauth::Code;
use super::qr::Scan;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// More than anybody rehearses; beyond it the stand-in answers `internal_error`.
const PUBLICATIONS_MAX: usize = 20_000;
/// Older grants are forgotten first.
const GRANTS_MAX: usize = 1_000;
/// Post ids have 19 digits, beyond what a 64-bit float can hold.
const POST_ID_BASE: i64 = 7_500_000_000_000_000_001;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::rehearsal) enum Mode {
    Direct,
    Inbox,
}

impl Mode {
    pub(in crate::rehearsal) fn as_str(self) -> &'static str {
        if self == Mode::Direct { "direct" } else { "inbox" }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::rehearsal) enum Kind {
    Video,
    Photo,
}

impl Kind {
    pub(in crate::rehearsal) fn as_str(self) -> &'static str {
        if self == Kind::Video { "video" } else { "photo" }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::rehearsal) enum Phase {
    Receiving,
    Downloading,
    Processing,
    Delivered,
    Complete,
    Failed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::rehearsal) enum Source {
    Upload {
        size: u64,
        chunk_size: u64,
        chunk_count: u64,
        token_sha256: String,
        expires_at: i64,
        received: u64,
    },
    Pull {
        urls: Vec<String>,
        downloaded: u64,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::rehearsal) struct Media {
    pub(in crate::rehearsal) file: String,
    pub(in crate::rehearsal) content_type: String,
    pub(in crate::rehearsal) size: u64,
}

/// What the creator will see.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::rehearsal) struct Post {
    pub(in crate::rehearsal) title: String,
    pub(in crate::rehearsal) description: String,
    pub(in crate::rehearsal) privacy: Option<String>,
    pub(in crate::rehearsal) toggles: BTreeMap<String, bool>,
    pub(in crate::rehearsal) cover: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::rehearsal) struct Publication {
    pub(in crate::rehearsal) number: u64,
    pub(in crate::rehearsal) publish_id: String,
    pub(in crate::rehearsal) account: String,
    /// The grant that it was made with.
    pub(in crate::rehearsal) family: u64,
    pub(in crate::rehearsal) mode: Mode,
    pub(in crate::rehearsal) kind: Kind,
    pub(in crate::rehearsal) post: Post,
    pub(in crate::rehearsal) source: Source,
    pub(in crate::rehearsal) media: Vec<Media>,
    pub(in crate::rehearsal) phase: Phase,
    pub(in crate::rehearsal) fail_reason: Option<String>,
    /// What the checks of the media found; it comes out when processing ends.
    pub(in crate::rehearsal) verdict: Option<String>,
    pub(in crate::rehearsal) created_at: i64,
    pub(in crate::rehearsal) received_at: Option<i64>,
    pub(in crate::rehearsal) published_at: Option<i64>,
    pub(in crate::rehearsal) post_id: Option<i64>,
    /// Public no more: the creator took it back, or moderation did.
    #[serde(default)]
    pub(in crate::rehearsal) hidden: bool,
    /// Of a public post, so far.
    #[serde(default)]
    pub(in crate::rehearsal) views: u64,
    /// The draft of which the creator has made this post as well.
    #[serde(default)]
    pub(in crate::rehearsal) draft: Option<String>,
}

impl Publication {
    pub(in crate::rehearsal) fn size(&self) -> u64 {
        match self.source {
            Source::Upload { size, .. } => size,
            Source::Pull { .. } => self.media.iter().map(|media| media.size).sum(),
        }
    }

    pub(in crate::rehearsal) fn bytes_so_far(&self) -> u64 {
        match self.source {
            Source::Upload { received, .. } => received,
            Source::Pull { downloaded, .. } => downloaded,
        }
    }

    /// As `status/fetch` names it (TikTok docs `st`, read 2026-11-22).
    pub(in crate::rehearsal) fn status(&self) -> &'static str {
        match (self.phase, &self.source) {
            (Phase::Receiving, _) | (Phase::Processing, Source::Upload { .. }) => "PROCESSING_UPLOAD",
            (Phase::Downloading, _) | (Phase::Processing, Source::Pull { .. }) => "PROCESSING_DOWNLOAD",
            (Phase::Delivered, _) => "SEND_TO_USER_INBOX",
            (Phase::Complete, _) => "PUBLISH_COMPLETE",
            (Phase::Failed, _) => "FAILED",
        }
    }

    pub(in crate::rehearsal) fn is_public(&self) -> bool {
        self.post.privacy.as_deref() == Some("PUBLIC_TO_EVERYONE")
    }

    pub(super) fn save(&self, store: &Store) -> io::Result<()> {
        store.save(&format!("publications/{:06}.json", self.number), self)
    }

    pub(super) fn fail(&mut self, reason: &str) {
        self.phase = Phase::Failed;
        self.fail_reason = Some(reason.to_owned());
    }

    /// All bytes are there; processing begins.
    pub(super) fn received(&mut self, now: i64, verdict: Option<&str>) {
        self.phase = Phase::Processing;
        self.received_at = Some(now);
        self.verdict = verdict.map(str::to_owned);
    }
}

/// One login: the tokens that descend from it. Only their digests are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) family: u64,
    pub(super) account: String,
    pub(super) scopes: Vec<String>,
    pub(super) access_sha256: String,
    pub(super) access_expires_at: i64,
    pub(super) refresh_sha256: String,
    pub(super) refresh_expires_at: i64,
    pub(super) revoked: bool,
}

#[derive(Default)]
pub(in crate::rehearsal) struct Model {
    accounts: Vec<AccountSetup>,
    publications: Vec<Publication>,
    pub(super) grants: Vec<Grant>,
    /// Authorization codes not exchanged yet. A restart forgets them: they are good for minutes only.
    pub(super) codes: Vec<Code>,
    /// Codes for phones, likewise.
    pub(super) scans: Vec<Scan>,
    windows: HashMap<(u64, &'static str), VecDeque<i64>>,
    receiving: HashMap<u64, Arc<tokio::sync::Mutex<()>>>,
    published_last: i64,
    pub(super) answers: Answers,
}

impl Model {
    pub(in crate::rehearsal) fn load(store: &Store, accounts: Vec<AccountSetup>) -> io::Result<Model> {
        let publications: Vec<Publication> = store.load_all("publications")?;
        let published_last = publications.iter().filter_map(|publication| publication.published_at).max();
        Ok(Model {
            accounts,
            grants: store.load("grants.json")?.unwrap_or_default(),
            published_last: published_last.unwrap_or_default(),
            publications,
            answers: Answers::load(store)?,
            ..Model::default()
        })
    }

    pub(in crate::rehearsal) fn account(&self, name: &str) -> Option<&AccountSetup> {
        self.accounts.iter().find(|account| account.name == name)
    }

    pub(in crate::rehearsal) fn account_mut(&mut self, name: &str) -> Option<&mut AccountSetup> {
        self.accounts.iter_mut().find(|account| account.name == name)
    }

    pub(super) fn accounts(&self) -> &[AccountSetup] {
        &self.accounts
    }

    /// A publication outlives the account that it was made with, when a restart no longer lists that.
    pub(in crate::rehearsal) fn username(&self, account: &str) -> String {
        self.account(account).map_or(account, |setup| &setup.username).to_owned()
    }

    pub(in crate::rehearsal) fn publications(&self) -> &[Publication] {
        &self.publications
    }

    pub(super) fn find(&self, publish_id: &str) -> Option<&Publication> {
        self.publications.iter().find(|publication| publication.publish_id == publish_id)
    }

    /// By its number, which counts from 1.
    pub(super) fn by_number(&mut self, number: u64) -> Option<&mut Publication> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.publications.get_mut(index)
    }

    pub(super) fn number_next(&self) -> Option<u64> {
        (self.publications.len() < PUBLICATIONS_MAX).then_some(self.publications.len() as u64 + 1)
    }

    pub(super) fn insert(&mut self, store: &Store, publication: Publication) -> io::Result<()> {
        publication.save(store)?;
        self.publications.push(publication);
        Ok(())
    }

    pub(super) fn save_grants(&mut self, store: &Store) -> io::Result<()> {
        let surplus = self.grants.len().saturating_sub(GRANTS_MAX);
        self.grants.drain(..surplus);
        let oldest = self.grants.first().map_or(0, |grant| grant.family);
        self.windows.retain(|(family, _), _| *family >= oldest);
        store.save("grants.json", &self.grants)
    }

    /// Holds back a second writer of one upload.
    pub(super) fn receiving_lock(&mut self, number: u64) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.receiving.entry(number).or_default())
    }

    pub(super) fn receiving_done(&mut self, number: u64) {
        self.receiving.remove(&number);
    }

    /// Takes a place in the last minute's window, if there is one left.
    pub(super) fn take(&mut self, family: u64, operation: &'static str, limit: usize, now: i64) -> bool {
        let window = self.windows.entry((family, operation)).or_default();
        while window.front().is_some_and(|&at| at <= now - MINUTE_MS) {
            window.pop_front();
        }
        let free = window.len() < limit;
        if free {
            window.push_back(now);
        }
        free
    }

    /// Direct posts of the last 24 hours that are out or on their way.
    pub(super) fn posts_today(&self, account: &str, now: i64) -> usize {
        self.today(now)
            .filter(|publication| publication.account == account && is_direct_post(publication))
            .count()
    }

    /// Drafts of the last 24 hours that still wait. An upload counts from its init while its address is valid.
    pub(super) fn drafts_pending(&self, account: &str, now: i64) -> usize {
        let pending = |publication: &&Publication| {
            publication.account == account && publication.mode == Mode::Inbox && is_pending(publication, now)
        };
        self.today(now).filter(pending).count()
    }

    /// Creators other than `account` who posted through the unaudited app in the last 24 hours.
    pub(super) fn other_creators_today(&self, account: &str, now: i64) -> usize {
        let posts = self.today(now).filter(|publication| is_direct_post(publication));
        let mut others: Vec<_> =
            posts.map(|publication| &publication.account).filter(|name| *name != account).collect();
        others.sort();
        others.dedup();
        others.len()
    }

    fn today(&self, now: i64) -> impl Iterator<Item = &Publication> {
        self.publications.iter().filter(move |publication| publication.created_at > now - DAY_MS)
    }

    /// Lets time pass: whatever has been processed long enough comes to its end.
    pub(in crate::rehearsal) fn settle(&mut self, store: &Store, processing_ms: i64, now: i64) {
        for index in 0..self.publications.len() {
            let publication = &self.publications[index];
            let ready = publication.received_at.map(|received| received.saturating_add(processing_ms));
            match ready {
                Some(ready) if publication.phase == Phase::Processing && ready <= now => {
                    self.finish(index, ready)
                }
                _ => continue,
            }
            if let Err(error) = self.publications[index].save(store) {
                tracing::warn!(%error, "rehearsal state was not stored");
            }
        }
    }

    fn finish(&mut self, index: usize, ready: i64) {
        let refused = self.refusal(&self.publications[index], ready);
        let published_at = ready.max(self.published_last + 1);
        let publication = &mut self.publications[index];
        if let Some(reason) = refused {
            publication.fail(&reason);
        } else if publication.mode == Mode::Inbox {
            publication.phase = Phase::Delivered;
        } else {
            publish(publication, published_at);
            self.published_last = published_at;
        }
    }

    fn refusal(&self, publication: &Publication, now: i64) -> Option<String> {
        let account = self.account(&publication.account);
        let revoked = self.grants.iter().any(|grant| grant.family == publication.family && grant.revoked);
        let cap = account.map_or(usize::MAX, |account| account.posts_per_day);
        let asked_for = account.and_then(|account| account.fail_reason.clone());
        if revoked {
            return Some("auth_removed".to_owned());
        }
        let capped =
            publication.mode == Mode::Direct && self.completed_today(&publication.account, now) >= cap;
        let capped = capped.then(|| "spam_risk_too_many_posts".to_owned());
        publication.verdict.clone().or(asked_for).or(capped)
    }

    fn completed_today(&self, account: &str, now: i64) -> usize {
        let complete = |publication: &&Publication| {
            publication.account == account
                && publication.mode == Mode::Direct
                && publication.phase == Phase::Complete
        };
        self.today(now).filter(complete).count()
    }

    /// The creator finishes a draft in the app and makes it public.
    pub(super) fn finish_draft(&mut self, store: &Store, publish_id: &str, now: i64) -> bool {
        let published_at = now.max(self.published_last + 1);
        let draft = self.publications.iter_mut().find(|publication| publication.publish_id == publish_id);
        let Some(draft) = draft.filter(|publication| publication.phase == Phase::Delivered) else {
            return false;
        };
        draft.post.privacy = Some("PUBLIC_TO_EVERYONE".to_owned());
        publish(draft, published_at);
        self.published_last = published_at;
        draft.save(store).is_ok()
    }

    /// The creator makes another post of a draft that they have published already.
    pub(super) fn finish_draft_again(
        &mut self,
        store: &Store,
        publish_id: &str,
        now: i64,
    ) -> io::Result<bool> {
        let Some(number) = self.number_next() else { return Ok(false) };
        let first = self.publications.iter().find(|publication| publication.publish_id == publish_id);
        let is_published = |first: &&Publication| first.mode == Mode::Inbox && first.published_at.is_some();
        let Some(first) = first.filter(is_published) else { return Ok(false) };
        let mut other = first.clone();
        other.number = number;
        other.publish_id = self::publish_id(first.mode, first.kind, false)?;
        other.draft = Some(publish_id.to_owned());
        let published_at = now.max(self.published_last + 1);
        publish(&mut other, published_at);
        self.published_last = published_at;
        self.insert(store, other)?;
        Ok(true)
    }

    /// All public ids of what was made of it.
    pub(super) fn public_ids(&self, publication: &Publication, now: i64) -> Vec<i64> {
        let of_it = |other: &&Publication| {
            other.publish_id == publication.publish_id
                || other.draft.as_deref() == Some(publication.publish_id.as_str())
        };
        self.publications.iter().filter(of_it).filter_map(|other| self.public_id(other, now)).collect()
    }

    /// The creator makes a post in the app, of which no program of ours knows.
    pub(super) fn post_in_app(
        &mut self,
        store: &Store,
        account: &str,
        text: &str,
        at: i64,
    ) -> io::Result<i64> {
        let number = self.number_next().filter(|_| self.account(account).is_some());
        let number = number.ok_or_else(|| io::Error::other("no such account, or too many posts"))?;
        let mut made = Publication {
            number,
            publish_id: publish_id(Mode::Direct, Kind::Video, false)?,
            account: account.to_owned(),
            family: 0,
            mode: Mode::Direct,
            kind: Kind::Video,
            post: Post {
                title: text.to_owned(),
                privacy: Some("PUBLIC_TO_EVERYONE".to_owned()),
                ..Post::default()
            },
            source: Source::Pull { urls: Vec::new(), downloaded: 0 },
            media: Vec::new(),
            phase: Phase::Complete,
            fail_reason: None,
            verdict: None,
            created_at: at,
            received_at: Some(at),
            published_at: None,
            post_id: None,
            hidden: false,
            views: 0,
            draft: None,
        };
        publish(&mut made, at);
        self.published_last = self.published_last.max(at);
        let id = made.post_id.unwrap_or_default();
        self.insert(store, made)?;
        Ok(id)
    }

    /// When moderation is through with a public post, its id shows (TikTok docs `st`, read 2026-11-22).
    pub(in crate::rehearsal) fn public_id(&self, publication: &Publication, now: i64) -> Option<i64> {
        let moderation = self.account(&publication.account).map_or(0, |account| account.moderation_ms);
        let visible = publication.published_at?.saturating_add(moderation) <= now;
        publication.post_id.filter(|_| visible && !publication.hidden)
    }

    /// The creator does something to a post that has come out in public.
    pub(super) fn change(
        &mut self,
        store: &Store,
        publish_id: &str,
        change: impl FnOnce(&mut Publication),
    ) -> bool {
        let post = self.publications.iter_mut().find(|publication| publication.publish_id == publish_id);
        let Some(post) = post.filter(|publication| publication.post_id.is_some()) else { return false };
        change(post);
        post.save(store).is_ok()
    }
}

fn publish(publication: &mut Publication, at: i64) {
    publication.phase = Phase::Complete;
    publication.published_at = Some(at);
    // Other people's ids lie between ours.
    let gap = i64::try_from(publication.number).unwrap_or_default().wrapping_mul(1_000_003);
    publication.post_id = publication.is_public().then_some(POST_ID_BASE.saturating_add(gap));
}

fn is_direct_post(publication: &Publication) -> bool {
    publication.mode == Mode::Direct && !matches!(publication.phase, Phase::Receiving | Phase::Failed)
}

fn is_pending(publication: &Publication, now: i64) -> bool {
    match (publication.phase, &publication.source) {
        (Phase::Receiving, Source::Upload { expires_at, .. }) => now <= *expires_at,
        (phase, _) => !matches!(phase, Phase::Complete | Phase::Failed),
    }
}

pub(super) fn publish_id(mode: Mode, kind: Kind, pulled: bool) -> io::Result<String> {
    let prefix = match (kind, mode, pulled) {
        (Kind::Photo, Mode::Direct, _) => "p_pub_url",
        (Kind::Photo, Mode::Inbox, _) => "p_inbox_url",
        (Kind::Video, Mode::Direct, false) => "v_pub_file",
        (Kind::Video, Mode::Direct, true) => "v_pub_url",
        (Kind::Video, Mode::Inbox, false) => "v_inbox_file",
        (Kind::Video, Mode::Inbox, true) => "v_inbox_url",
    };
    Ok(format!("{prefix}~v2-1.{}", random::number()?))
}
