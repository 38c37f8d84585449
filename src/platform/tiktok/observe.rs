//! What became of a post: by its status where TikTok gave it an id, else by looking for it among the creator's posts.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use super::Tiktok;
use super::body::{Body, Kind};
use super::checkpoint::{Checkpoint, Seen};
use super::client::{Session, operation};
use super::errors;
use super::media;
use super::stage::{UPLOAD_GONE, is_unknown_id};
use super::types::{Progress, Status, Video};
use crate::domain::grant::Grant;
use crate::domain::publication::{ALREADY_THERE, Reason, Remote};
use crate::domain::retry::ErrorKind;
use crate::platform::{Error, Job, Observation};

/// TikTok's clock may be behind ours by so much.
pub(super) const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// An address that takes the last chunk no more, whatever our clock says of its life, is given up after so many tries.
const RESENDS_MAX: u32 = 3;
/// Pages of the creator's newest posts to look through: 60 posts.
const LIST_PAGES_MAX: u32 = 3;
/// Characters of a text that `video/list` tells (TikTok docs `vo`, read 2026-11-22).
pub(super) const LISTED_CHARS_MAX: usize = 150;
/// The site of permalinks.
const SITE: &str = "https://www.tiktok.com";
const URL_BYTES_MAX: usize = 2_048;

impl Tiktok {
    pub(super) fn observe_operation(&self, job: &Job) -> &'static str {
        let id = Checkpoint::read(job.checkpoint.as_ref()).ok().and_then(|checkpoint| checkpoint.publish_id);
        if id.is_some() { operation::STATUS } else { operation::VIDEO_LIST }
    }

    pub(super) async fn look(&self, job: &Job, grant: &Grant) -> Result<Observation, Error> {
        let body = Body::read(&job.payload)?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let session = Session { grant, log: &job.log };
        let Some(id) = checkpoint.publish_id.clone() else {
            return self.search(job, &body, checkpoint, session).await.map_err(inconclusive);
        };
        match self.client.status(session, &id).await {
            Ok(status) => self.judge(job, &body, checkpoint, status, session).await,
            Err(error) if is_unknown_id(&error) => Ok(forgotten(checkpoint, &error)),
            Err(error) => Err(inconclusive(error)),
        }
    }

    async fn judge(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: Checkpoint,
        status: Status,
        session: Session<'_>,
    ) -> Result<Observation, Error> {
        let elapsed = elapsed(job);
        let progress = status.progress();
        Ok(match (progress, checkpoint.seen) {
            (Progress::Complete, _) => self.published(job, body, checkpoint, status.post_ids, session).await,
            (_, Some(Seen::Complete)) => settled(checkpoint),
            (Progress::Inbox, _) | (_, Some(Seen::Inbox)) => {
                let checkpoint = Checkpoint { seen: Some(Seen::Inbox), accepted: true, ..checkpoint };
                Observation::Delivered {
                    checkpoint: Some(checkpoint.store()),
                    again: self.pace().look(elapsed),
                }
            }
            (Progress::Failed, None) => Observation::Rejected(errors::fail_reason(&status.fail_reason)),
            (Progress::Uploading, None) if !checkpoint.accepted && checkpoint.upload.is_some() => {
                self.unfinished(job, checkpoint, &status)
            }
            (Progress::Uploading | Progress::Working, None) => self.working(checkpoint, elapsed),
        })
    }

    fn working(&self, checkpoint: Checkpoint, elapsed: Duration) -> Observation {
        let checkpoint = Checkpoint { accepted: true, ..checkpoint };
        Observation::Working(checkpoint.store(), self.pace().poll(elapsed))
    }

    /// The last chunk was sent and nobody answered. If it did not arrive, it can be sent again: the same bytes to the
    /// same upload make one post at most. Another upload could make another post, so that is waited for much longer.
    fn unfinished(&self, job: &Job, checkpoint: Checkpoint, status: &Status) -> Observation {
        let (elapsed, pace) = (elapsed(job), self.pace());
        let total = checkpoint.upload.as_ref().map_or(0, |upload| upload.total);
        let received = match status.uploaded() {
            Some(bytes) if bytes >= total => return self.working(checkpoint, elapsed),
            Some(bytes) => bytes,
            None if elapsed < pace.search_until => return Observation::Unknown(pace.search_every),
            None => {
                return Observation::CannotTell(Reason::new(
                    "no-byte-count",
                    "TikTok does not say how much of the upload it has",
                ));
            }
        };
        let reason = Reason::new("upload-incomplete", format!("TikTok has {received} of {total} bytes"));
        let offset = media::resume_at(total, received);
        // Only the platform's word that nothing goes there any more ends an upload that it still lists. A refusal for any
        // other reason may come of another process that is in the middle of the same chunk.
        let is_gone = job.reason.as_deref() == Some(UPLOAD_GONE);
        let resumable = offset == media::last_start(total)
            && checkpoint.live_upload(job.now).is_some()
            && (checkpoint.resends < RESENDS_MAX || !is_gone);
        let grace = if resumable { pace.absent_grace } else { pace.lost_grace };
        let standing = self.doubts.standing(checkpoint.publish_id.as_deref().unwrap_or_default(), received);
        if standing < grace {
            return Observation::Unknown((grace - standing).min(pace.poll_max));
        }
        if !resumable {
            return Observation::Lost(checkpoint.anew().store(), reason);
        }
        let resends = checkpoint.resends.saturating_add(1);
        let checkpoint = Checkpoint { resends, ..checkpoint.at_offset(offset) };
        Observation::Absent(Some(checkpoint.store()), reason)
    }

    async fn published(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: Checkpoint,
        ids: Vec<String>,
        session: Session<'_>,
    ) -> Observation {
        let mut post_ids = checkpoint.post_ids.clone();
        post_ids.extend(ids.into_iter().filter(|id| is_id(id) && !checkpoint.post_ids.contains(id)));
        let url = match (checkpoint.url.clone(), post_ids.first()) {
            (None, Some(id)) => self.permalink(body, &checkpoint, id, session).await,
            (url, _) => url,
        };
        // Only public posts ever get an id; what a creator made of a draft is not ours to know.
        let expected = post_ids.is_empty() && (body.is_public() || !body.is_direct());
        let again = self.pace().look(elapsed(job)).filter(|_| expected);
        let checkpoint =
            Checkpoint { seen: Some(Seen::Complete), accepted: true, post_ids, url, ..checkpoint };
        Observation::Published { remote: remote(&checkpoint), checkpoint: Some(checkpoint.store()), again }
    }

    /// The post's address: made of username and id where the username is known, else what TikTok calls its share URL. A
    /// failure costs the link only.
    async fn permalink(
        &self,
        body: &Body,
        checkpoint: &Checkpoint,
        id: &str,
        session: Session<'_>,
    ) -> Option<String> {
        let username = checkpoint.creator.as_ref().map(|creator| creator.username.clone());
        if let Some(link) = username.and_then(|name| self.link(body.kind, &name, id)) {
            return Some(link);
        }
        let granted = |scope: &str| session.grant.scopes.iter().any(|s| s == scope);
        if granted("video.list") {
            let ids = [id.to_owned()];
            let videos = self.client.video_query(session, &ids).await.unwrap_or_default();
            return videos.into_iter().find(|video| video.id == id).and_then(|video| share_url(&video));
        }
        if granted("user.info.profile") {
            let user = self.client.user_info(session).await.ok()?;
            return self.link(body.kind, &user.username, id);
        }
        None
    }

    /// `https://www.tiktok.com/@{username}/video/{id}`, photos under `/photo/`. An account's endpoint replaces the site.
    fn link(&self, kind: Kind, username: &str, id: &str) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if username.is_empty() || !username.chars().all(plain) || !is_id(id) {
            return None;
        }
        let site = if self.account.endpoint.is_some() { self.client.origin() } else { SITE.to_owned() };
        let kind = if kind == Kind::Video { "video" } else { "photo" };
        Some(format!("{site}/@{username}/{kind}/{id}"))
    }

    /// Looks for a post whose init nobody answered, so that there is no id to ask for. Possible for public posts with a
    /// text only: nothing else is listed, or can be told apart.
    async fn search(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: Checkpoint,
        session: Session<'_>,
    ) -> Result<Observation, Error> {
        let listed = may_list(session);
        if !self.can_be_found(body) || !listed {
            let why = match (body.is_public(), listed) {
                (false, _) => "TikTok lists neither drafts nor posts that are not public",
                (true, false) => "the login lacks the scope video.list",
                (true, true) => "a post without a text cannot be told from others",
            };
            return Ok(Observation::CannotTell(Reason::new("not-listed", why)));
        }
        let since = job.intended_at.unwrap_or(job.now).saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        let found = self.find(job, body, since, session).await?;
        if let [video] = found.as_slice() {
            let username = checkpoint.creator.as_ref().map(|creator| creator.username.clone());
            let link = username.and_then(|name| self.link(body.kind, &name, &video.id));
            let checkpoint = Checkpoint {
                seen: Some(Seen::Complete),
                accepted: true,
                post_ids: vec![video.id.clone()],
                url: link.or_else(|| share_url(video)),
                ..checkpoint
            };
            return Ok(settled(checkpoint));
        }
        if elapsed(job) < self.pace().search_until {
            return Ok(Observation::Unknown(self.pace().search_every));
        }
        let reason = match found.len() {
            0 => Reason::new("not-found", "the account's public posts do not show it, which proves nothing"),
            n => Reason::new("several-found", format!("{n} new posts have this text")),
        };
        Ok(Observation::CannotTell(reason))
    }

    /// Whether a list of the creator's posts would show this one, told apart from others.
    pub(super) fn can_be_found(&self, body: &Body) -> bool {
        body.is_public() && !normalized(&body.text).is_empty()
    }

    /// Refuses a post that the account shows already and that is not from here: whoever published it, once more would be
    /// twice.
    pub(super) async fn look_back(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: Checkpoint,
        session: Session<'_>,
    ) -> Result<Checkpoint, Error> {
        let found = match job.look_back_to.filter(|_| may_list(session)) {
            Some(since) => self.find(job, body, since, session).await?,
            None => Vec::new(),
        };
        let Some(video) = found.first() else { return Ok(Checkpoint { looked_back: true, ..checkpoint }) };
        let shown = share_url(video).unwrap_or_else(|| format!("id {}", video.id));
        let message = format!(
            "the account shows a post with this text that was not published from here: {shown}; bind it with `gitcast adopt`, or `gitcast retry` it and apply with --allow-duplicates"
        );
        Err(Error::new(operation::VIDEO_LIST, ErrorKind::Rejected, ALREADY_THERE, message))
    }

    /// The creator's posts since then that have this text and belong to no other publication.
    async fn find(
        &self,
        job: &Job,
        body: &Body,
        since: Timestamp,
        session: Session<'_>,
    ) -> Result<Vec<Video>, Error> {
        let (mut found, mut cursor) = (Vec::new(), None);
        for _ in 0..LIST_PAGES_MAX {
            let page = self.client.video_list(session, cursor).await?;
            let recent = |video: &Video| video.create_time.is_some_and(|at| at >= since.as_second());
            let goes_on = page.has_more && page.videos.iter().all(recent);
            let wanted = |video: &Video| {
                recent(video) && !job.taken.contains(&video.id) && is_id(&video.id) && has_text(video, body)
            };
            found.extend(page.videos.into_iter().filter(wanted));
            cursor = page.cursor;
            if !goes_on || cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

pub(super) fn may_list(session: Session<'_>) -> bool {
    session.grant.scopes.iter().any(|scope| scope == "video.list")
}

/// Time since the publish request left, by the time of day: enough to tell when to look, too little to tell that
/// nothing is on its way any more.
fn elapsed(job: &Job) -> Duration {
    let since = job.now.duration_since(job.intended_at.unwrap_or(job.now));
    since.try_into().unwrap_or_default()
}

/// An error while looking says nothing about the post: whatever it is, it must not end the publication.
fn inconclusive(error: Error) -> Error {
    use ErrorKind::*;
    match error.kind {
        Auth | Permission | RateLimited | Transient | Local => error,
        Rejected | Ambiguous | Protocol => Error { kind: Transient, ..error },
    }
}

/// TikTok knows the id no more; how long it does is not documented.
fn forgotten(checkpoint: Checkpoint, error: &Error) -> Observation {
    match checkpoint.seen {
        Some(_) => settled(checkpoint),
        None => Observation::CannotTell(error.reason()),
    }
}

/// What was seen before, with nothing more to look for.
fn settled(checkpoint: Checkpoint) -> Observation {
    let stored = Some(checkpoint.store());
    match checkpoint.seen {
        Some(Seen::Inbox) => Observation::Delivered { checkpoint: stored, again: None },
        _ => Observation::Published { remote: remote(&checkpoint), checkpoint: stored, again: None },
    }
}

fn remote(checkpoint: &Checkpoint) -> Remote {
    Remote { id: checkpoint.post_ids.first().cloned(), url: checkpoint.url.clone() }
}

pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

pub(super) fn share_url(video: &Video) -> Option<String> {
    let text = video.share_url.as_deref().filter(|url| url.len() <= URL_BYTES_MAX)?;
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.to_string())
}

fn has_text(video: &Video, body: &Body) -> bool {
    [&video.video_description, &video.title].into_iter().any(|listed| is_same_text(&body.text, listed))
}

/// Whether `listed` is `text`, which the list cuts.
fn is_same_text(text: &str, listed: &str) -> bool {
    let text = normalized(text);
    let listed = normalized(listed);
    let cut = listed.trim_end_matches(['.', '…', ' ']);
    let is_cut = text.chars().count() > LISTED_CHARS_MAX - 10 && cut.chars().count() >= LISTED_CHARS_MAX - 20;
    !listed.is_empty() && (text == listed || is_cut && text.starts_with(cut))
}

pub(super) fn normalized(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_by_what_the_list_tells() {
        let long = "word ".repeat(60);
        let cut: String = long.chars().take(150).collect();
        let table = [
            ("We shipped. #rust", "We shipped. #rust", true),
            ("We  shipped.\n#rust\n", "We shipped. #rust", true),
            ("We shipped. #rust", "We shipped.", false),
            ("We shipped. #rust", "", false),
            ("", "", false),
            (&long, &cut, true),
            (&long, &format!("{}...", &cut[..147]), true),
            (&long, "word word", false),
        ];
        for (text, listed, same) in table {
            assert_eq!(is_same_text(text, listed), same, "{listed:?}");
        }
    }
}
