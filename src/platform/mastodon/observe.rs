//! What became of a post whose request was not answered: it is looked for among the account's own posts. And whether the
//! account shows a post already that the ledger does not know.
//!
//! # What proves what
//!
//! One post that fits, media included, is it. Two may be it, and a person must decide. None proves that nothing is there
//! only if the list shows posts of this visibility, reaches back to before the request, and holds none whose text could
//! not be read; if the media are still unused, where the server tells that; and if it was so for a while. Media that are gone without a post prove
//! nothing: a post may have had them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Mastodon;
use super::body::Body;
use super::checkpoint::Checkpoint;
use super::client::{Session, operation};
use super::oauth::APP_NAME;
use super::options::Visibility;
use super::prepare::is_mastodon;
use super::stage::{arrived, is_whole, parent};
use super::text;
use super::types::{NOT_FOUND, Status, unreadable};
use crate::domain::grant::Grant;
use crate::domain::publication::{ALREADY_THERE, Reason};
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::http::Effect;
use crate::platform::{Error, Job, Observation};

/// The server's clock may be behind ours by so much.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Pages of the account's newest posts to look through: 200 posts.
const LIST_PAGES_MAX: u32 = 5;
/// Posts on a page that are looked at; some servers send more than they are asked for.
const PAGE_POSTS_MAX: usize = 400;
/// Texts that are asked for in one look.
const SOURCES_MAX: usize = 5;

/// Where posts are looked for.
#[derive(Clone, Copy)]
enum Feed {
    /// The account's own list.
    Own,
    Home,
}

/// What the list shows.
struct Listed {
    statuses: Vec<Status>,
    /// Whether it reaches back as far as was asked for, or is all that there is.
    is_whole: bool,
    /// Whether the server sent the same page again.
    is_stuck: bool,
}

/// What speaks for it that a list without the post is one of an account without the post.
struct Proof {
    is_whole: bool,
    /// Posts that may be it, and whose texts cannot be read.
    unread: usize,
}

/// The post that is looked for.
struct Wanted<'a> {
    text: &'a str,
    warning: &'a str,
    reply_to: Option<&'a str>,
    media: Vec<&'a str>,
    /// Whether posts name media by the ids that they were uploaded under.
    names_media: bool,
}

impl Wanted<'_> {
    fn has_media(&self, status: &Status) -> bool {
        match self.names_media {
            true => status.media.iter().map(String::as_str).eq(self.media.iter().copied()),
            false => status.media.len() == self.media.len(),
        }
    }

    /// Whether it may be the post, whatever its text is.
    fn may_be(&self, status: &Status) -> bool {
        status.reply_to.as_deref() == self.reply_to && self.has_media(status)
    }

    fn is_text(&self, text: &str, warning: &str) -> bool {
        text::is_same(self.text, text) && text::is_same(self.warning, warning)
    }

    fn is_shown_by(&self, status: &Status) -> bool {
        let is_text = match &status.source {
            Some(source) => text::is_same(self.text, source),
            None => text::is_shown(self.text, &status.content),
        };
        is_text && text::is_same(self.warning, &status.warning)
    }
}

impl Mastodon {
    pub(super) async fn look(&self, job: &Job, grant: &Grant) -> Result<Observation, Error> {
        self.search(job, grant).await.map_err(inconclusive)
    }

    async fn search(&self, job: &Job, grant: &Grant) -> Result<Observation, Error> {
        let body = Body::read(&job.payload)?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let session = Session { grant, log: &job.log };
        let since = job.intended_at.unwrap_or(job.now).saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        let account = owner(&checkpoint)?;
        let mut listed = self.pages(session, (Feed::Own, account), since).await?;
        let is_first = checkpoint.live.is_empty();
        let wanted = Wanted {
            text: body.texts().nth(checkpoint.live.len()).unwrap_or_default(),
            warning: &body.warning,
            reply_to: parent(&checkpoint),
            media: checkpoint.media.iter().filter(|_| is_first).map(|medium| medium.id.as_str()).collect(),
            names_media: self.is_mastodon(),
        };
        let is_new = |status: &&Status| {
            !job.taken.contains(&status.id) && !checkpoint.live.iter().any(|live| live.id == status.id)
        };
        let candidates = |listed: &Listed| -> Vec<Status> {
            listed.statuses.iter().filter(is_new).filter(|s| wanted.may_be(s)).cloned().collect()
        };
        let (mut found, mut unread) = self.compare(session, &wanted, candidates(&listed)).await?;
        if found.is_empty() && listed.is_stuck {
            listed = self.beside(session, account, since, &listed.statuses).await?;
            let (others, more) = self.compare(session, &wanted, candidates(&listed)).await?;
            (found, unread) = (others, unread + more);
        }
        match (found.as_slice(), unread) {
            ([status], 0) => Ok(self.found(&body, checkpoint, status)),
            ([], unread) => {
                let proof = Proof { is_whole: listed.is_whole, unread };
                self.absent(session, &body, checkpoint, proof).await
            }
            (several, unread) => {
                let message = format!("{} new posts of the account may be it", several.len() + unread);
                Ok(Observation::CannotTell(Reason::new("several-found", message)))
            }
        }
    }

    fn found(&self, body: &Body, checkpoint: Checkpoint, status: &Status) -> Observation {
        self.doubts.end(&checkpoint.next_key());
        let after = arrived(body, checkpoint, status);
        match is_whole(body, &after) {
            true => Observation::Published {
                remote: after.remote(),
                checkpoint: Some(after.store()),
                again: None,
            },
            false => Observation::Partly(after.remote(), after.store()),
        }
    }

    /// Those that have the text, and how many could not be read.
    async fn compare(
        &self,
        session: Session<'_>,
        wanted: &Wanted<'_>,
        candidates: Vec<Status>,
    ) -> Result<(Vec<Status>, usize), Error> {
        let (mut found, rest): (Vec<Status>, Vec<Status>) =
            candidates.into_iter().partition(|status| wanted.is_shown_by(status));
        // Where one is it, what HTML does not show of others does not matter.
        let others = rest.into_iter().filter(|status| status.source.is_none());
        let others: Vec<Status> = if found.is_empty() { others.collect() } else { Vec::new() };
        let mut unread = others.len().saturating_sub(SOURCES_MAX);
        for status in others.into_iter().take(SOURCES_MAX) {
            match self.client.source(session, &status.id).await {
                Ok(source) => {
                    let field = |name: &str| source[name].as_str().unwrap_or_default().to_owned();
                    if wanted.is_text(&field("text"), &field("spoiler_text")) {
                        found.push(status);
                    }
                }
                Err(error) if error.kind == ErrorKind::Rejected => unread += 1,
                Err(error) => return Err(error),
            }
        }
        // Of several, those by this very app.
        let ours = |status: &&Status| status.application.as_deref() == Some(APP_NAME);
        if found.len() > 1 && found.iter().filter(ours).count() == 1 {
            found.retain(|status| ours(&status));
        }
        Ok((found, unread))
    }

    /// Nothing was found. What that proves is judged when it has been so for a while: a server may still be at it.
    async fn absent(
        &self,
        session: Session<'_>,
        body: &Body,
        checkpoint: Checkpoint,
        proof: Proof,
    ) -> Result<Observation, Error> {
        let (key, pace) = (checkpoint.next_key(), self.pace());
        let standing = self.doubts.standing(&key, 0);
        if standing < pace.absent_grace {
            let left = pace.absent_grace.saturating_sub(standing);
            return Ok(Observation::Unknown(left.min(pace.look_every).max(Duration::from_millis(1))));
        }
        let cannot_tell = |code: &str, message: &str| Ok(Observation::CannotTell(Reason::new(code, message)));
        if !proof.is_whole {
            return cannot_tell("too-many", "the account has too many newer posts to look through");
        }
        if proof.unread > 0 {
            let message = format!(
                "{} new posts of the account may be it, and their texts cannot be read",
                proof.unread
            );
            return cannot_tell("not-readable", &message);
        }
        if !self.lists(body.visibility) {
            let message = "its server may list public posts only, which do not show it (where it is Mastodon, `gitcast auth status --write` notes that)";
            return cannot_tell("not-listed", message);
        }
        let is_told = checkpoint.live.is_empty() && checkpoint.shows_media != Some(false);
        if let Some(medium) = checkpoint.media.first().filter(|_| is_told) {
            match self.client.media_state(session, &medium.id).await {
                Ok(_) => {}
                Err(error) if error.code == NOT_FOUND => {
                    return cannot_tell(
                        "media-gone",
                        "its media are used up or gone, and no post shows them",
                    );
                }
                Err(error) => return Err(error),
            }
        }
        self.doubts.end(&key);
        let resends = checkpoint.resends.saturating_add(1);
        let reason = Reason::new("absent", "the account has no such post");
        Ok(Observation::Absent(Some(Checkpoint { resends, ..checkpoint }.store()), reason))
    }

    /// Whether the account's list shows its own posts of this visibility. Only of Mastodon it is known that it shows all
    /// (account_statuses_filter.rb, read 2026-11-22).
    fn lists(&self, visibility: Visibility) -> bool {
        matches!(visibility, Visibility::Public | Visibility::Unlisted) || self.is_mastodon()
    }

    /// Whether the server is known to be one. What is not known is not.
    pub(super) fn is_mastodon(&self) -> bool {
        let server = self.account.known.known().and_then(|known| known.facts.server.as_ref());
        server.and_then(|server| server.software.as_deref()).is_some_and(is_mastodon)
    }

    /// What the account's home timeline shows of its own posts, beside those that are known. Asked where the account's list
    /// is cut: there are servers that turn these pages only.
    async fn beside(
        &self,
        session: Session<'_>,
        account: &str,
        since: Timestamp,
        known: &[Status],
    ) -> Result<Listed, Error> {
        let mut home = self.pages(session, (Feed::Home, account), since).await?;
        home.statuses.retain(|status| !known.iter().any(|other| other.id == status.id));
        Ok(home)
    }

    /// A list is whole if it reaches back, or has an end: a page without posts. That a page comes again says nothing.
    async fn pages(
        &self,
        session: Session<'_>,
        (feed, account): (Feed, &str),
        since: Timestamp,
    ) -> Result<Listed, Error> {
        let mut listed = Listed { statuses: Vec::new(), is_whole: false, is_stuck: false };
        let (mut seen, mut max_id): (Vec<String>, Option<String>) = (Vec::new(), None);
        for _ in 0..LIST_PAGES_MAX {
            let page = match feed {
                Feed::Own => self.client.list(session, account, max_id.as_deref()).await?,
                Feed::Home => self.client.home(session, max_id.as_deref()).await?,
            };
            let page = read_page(&page)?;
            let Some(oldest) = page.last().map(|status| status.id.clone()) else {
                return Ok(Listed { is_whole: true, ..listed });
            };
            // A server that does not turn the page sends the same again.
            let fresh: Vec<Status> = page.into_iter().filter(|status| !seen.contains(&status.id)).collect();
            if fresh.is_empty() {
                return Ok(Listed { is_stuck: true, ..listed });
            }
            seen.extend(fresh.iter().map(|status| status.id.clone()));
            let is_old = |status: &Status| status.created_at.is_some_and(|at| at < since);
            let is_own = |status: &Status| match feed {
                Feed::Own => true,
                Feed::Home => status.account.as_deref() == Some(account),
            };
            // Newer ones come before it. Others' posts bear the time at which they were made and not that at which they
            // arrived, what is passed on that of its original, and what was edited may come anew.
            let is_mark = |status: &Status| is_own(status) && is_old(status) && !status.is_edited;
            let reaches_back = fresh.iter().any(|status| is_mark(status) && !status.is_reblog);
            let new =
                fresh.into_iter().filter(|status| !status.is_reblog && !is_old(status) && is_own(status));
            listed.statuses.extend(new);
            if reaches_back {
                return Ok(Listed { is_whole: true, ..listed });
            }
            max_id = Some(oldest);
        }
        Ok(listed)
    }

    /// Refuses a post that is there already, among the newest of the account, and belongs to no publication: whoever
    /// published it, once more would be twice.
    pub(super) async fn look_back(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: &Checkpoint,
        session: Session<'_>,
    ) -> Result<(), Error> {
        let Some(since) = job.look_back_to else { return Ok(()) };
        let listed = self.pages(session, (Feed::Own, owner(checkpoint)?), since).await?;
        let wanted = Wanted {
            text: &body.text,
            warning: &body.warning,
            reply_to: body.reply.as_deref(),
            media: job.payload.media.iter().map(|_| "").collect(),
            names_media: false,
        };
        let is_it = |status: &&Status| {
            !job.taken.contains(&status.id) && wanted.may_be(status) && wanted.is_shown_by(status)
        };
        let Some(found) = listed.statuses.iter().find(is_it) else { return Ok(()) };
        let shown = foreign(found.url.as_deref().unwrap_or(&found.id));
        let message = format!(
            "the account shows a post with this text that the ledger does not know: {shown}; bind it with `gitcast adopt`, or `gitcast retry` it and apply with --allow-duplicates"
        );
        Err(Error::new(operation::LIST, ErrorKind::Rejected, ALREADY_THERE, message))
    }
}

fn owner(checkpoint: &Checkpoint) -> Result<&str, Error> {
    let unknown = || {
        let message = "the account's id is not known";
        Error::new(operation::LIST, ErrorKind::Local, "foreign-checkpoint", message)
    };
    checkpoint.account.as_deref().ok_or_else(unknown)
}

fn read_page(page: &Value) -> Result<Vec<Status>, Error> {
    let posts = page.as_array();
    let posts = posts.ok_or_else(|| unreadable(operation::LIST, Effect::Harmless, "it is no list"))?;
    Ok(posts.iter().take(PAGE_POSTS_MAX).filter_map(Status::read).collect())
}

/// An error while looking says nothing about the post: whatever it is, it must not end the publication.
fn inconclusive(error: Error) -> Error {
    use ErrorKind::*;
    match error.kind {
        Auth | Permission | RateLimited | Transient | Local => error,
        Rejected | Ambiguous | Protocol => Error { kind: Transient, ..error },
    }
}
