//! Towards a post: whose login it is, other posts, media; and the request that publishes, one for each post of a thread.
//!
//! # Flow
//!
//! ```text
//! verify_credentials (where the login does not tell) → accounts/statuses (where asked for) → statuses/get (reply, quote)
//!   → media … → media/state … (once in any case) → [statuses] … one for each part
//! ```
//!
//! # Once
//!
//! Each publish request carries a key, fixed before it leaves. Mastodon answers the same key for an hour with the same
//! post; other software ignores it (GoToSocial), refuses it (Pixelfed) or fails at it (mastodon#40399). So nothing is
//! built on it: what was not answered is looked for, and the same key is sent again only after that.

use std::time::Duration;

use serde_json::{Value, json};

use super::Mastodon;
use super::body::Body;
use super::checkpoint::{Checkpoint, Live, Uploaded};
use super::client::{Session, operation};
use super::limits::MEDIA_LIFE;
use super::types::{self, NOT_FOUND, Status, rejected, unreadable};
use crate::domain::grant::Grant;
use crate::domain::ids::hex;
use crate::domain::publication::Reason;
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::http::Effect;
use crate::platform::{Error, Job, Sent, Staged};

/// How often media are uploaded again in one attempt because the server does not have them any more.
pub(super) const LOSSES_MAX: u32 = 3;

/// What comes next in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Owner,
    LookBack,
    Reply(String),
    Quote(String),
    Upload(usize),
    Await(usize),
    /// Whether the server tells the state of media at all.
    Probe,
    Ready,
}

impl Step {
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Step::Owner => operation::VERIFY,
            Step::LookBack => operation::LIST,
            Step::Reply(_) | Step::Quote(_) => operation::STATUS,
            Step::Upload(_) => operation::UPLOAD,
            Step::Await(_) | Step::Probe => operation::MEDIA,
            Step::Ready => operation::NOTHING,
        }
    }
}

pub(super) fn next_step(job: &Job, body: &Body, checkpoint: &Checkpoint) -> Step {
    if checkpoint.account.is_none() {
        return Step::Owner;
    }
    if job.look_back_to.is_some() && !checkpoint.looked_back && !body.text.is_empty() {
        return Step::LookBack;
    }
    if let Some(id) = body.reply.clone().filter(|_| checkpoint.reply.is_none()) {
        return Step::Reply(id);
    }
    if let Some(id) = body.quote.clone().filter(|_| checkpoint.quote.is_none()) {
        return Step::Quote(id);
    }
    if checkpoint.media.len() < job.payload.media.len() {
        return Step::Upload(checkpoint.media.len());
    }
    let pending = checkpoint.media.iter().position(|medium| !medium.is_ready);
    match (pending, checkpoint.shows_media) {
        (Some(n), _) => Step::Await(n),
        (None, None) if !checkpoint.media.is_empty() => Step::Probe,
        (None, _) => Step::Ready,
    }
}

/// How processing a medium has gone.
pub(super) enum Processed {
    Done,
    Pending(Duration),
    /// The server does not have it, or has not come to an end with it.
    Lost,
}

impl Mastodon {
    pub(super) async fn stage_step(&self, job: &Job, grant: &Grant) -> Result<Staged, Error> {
        let body = Body::read(&job.payload)?;
        let mut after = Checkpoint::read(job.checkpoint.as_ref())?;
        let session = Session { grant, log: &job.log };
        if self.is_mastodon() {
            after.shows_media = Some(true);
        }
        match next_step(job, &body, &after) {
            // A login by browser has told it; one that was imported has not.
            Step::Owner if !grant.subject.is_empty() => after.account = Some(grant.subject.clone()),
            Step::Owner => after.account = Some(self.owner(&grant.access, &job.log).await?),
            Step::LookBack => {
                self.look_back(job, &body, &after, session).await?;
                after.looked_back = true;
            }
            Step::Reply(id) => after.reply = Some(self.find(session, &id, "answered").await?),
            Step::Quote(id) => after.quote = Some(self.find(session, &id, "quoted").await?),
            Step::Upload(n) => {
                let alt = body.alts.get(n).map_or("", String::as_str);
                after.media.push(self.upload(job, session, (n, alt)).await?);
            }
            Step::Await(n) => match self.processed(job, session, &after.media[n]).await? {
                Processed::Done => {
                    after.media[n].is_ready = true;
                    after.shows_media = Some(true);
                }
                Processed::Pending(wait) => return Ok(Staged::Wait(after.store(), wait)),
                Processed::Lost => {
                    after.losses = lost(after.losses)?;
                    // Those behind it go up again as well: they are in order.
                    after.media.truncate(n);
                }
            },
            Step::Probe => {
                let answer = self.client.media_state(session, &after.media[0].id).await;
                after.shows_media = match answer {
                    Ok(_) => Some(true),
                    Err(error) if error.code == NOT_FOUND => Some(false),
                    Err(error) => return Err(error),
                };
            }
            Step::Ready => {}
        }
        if next_step(job, &body, &after) != Step::Ready {
            return Ok(Staged::More(after.store()));
        }
        if after.key.is_empty() {
            after.key = format!("gitcast-{}", hex(&job.key.0[..16]));
        }
        Ok(Staged::Ready(after.store()))
    }

    /// A post that is not there would be left out silently by some servers. Of one that was only passed on it is the
    /// original that is meant.
    async fn find(&self, session: Session<'_>, id: &str, what: &str) -> Result<String, Error> {
        match self.client.status(session, id).await {
            Ok(reply) => {
                let original = if reply["reblog"].is_object() { &reply["reblog"] } else { &reply };
                types::id(operation::STATUS, Effect::Harmless, original)
            }
            Err(error) if error.code == NOT_FOUND => {
                let message =
                    format!("the post that is {what} is not there, or not for this account: {}", foreign(id));
                Err(rejected(operation::STATUS, "no-such-post", message))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn processed(
        &self,
        job: &Job,
        session: Session<'_>,
        medium: &Uploaded,
    ) -> Result<Processed, Error> {
        /// While it is being processed (methods/media, read 2026-11-22).
        const PARTIAL: u16 = 206;
        let elapsed: Duration = job.now.duration_since(medium.at).try_into().unwrap_or_default();
        match self.client.media_state(session, &medium.id).await {
            Ok(answer) if answer.status != PARTIAL => Ok(Processed::Done),
            Ok(_) if elapsed > self.pace().processing_max => Ok(Processed::Lost),
            Ok(_) => Ok(Processed::Pending(self.pace().poll(elapsed))),
            Err(error) if error.code == NOT_FOUND => Ok(Processed::Lost),
            Err(error) if error.code == "http-422" => {
                let message = format!("the server cannot process a medium: {}", error.message);
                Err(rejected(operation::MEDIA, "media-not-processed", message))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn publish_once(&self, job: &Job, grant: &Grant) -> Result<Sent, Error> {
        let body = Body::read(&job.payload)?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let local =
            |code: &'static str, message: &str| Error::new(operation::POST, ErrorKind::Local, code, message);
        if checkpoint.key.is_empty() {
            return Err(local("foreign-checkpoint", "the recorded checkpoint has no key"));
        }
        if checkpoint.account.as_ref().is_some_and(|id| !grant.subject.is_empty() && *id != grant.subject) {
            return Err(local("other-owner", "another account has been logged in since the post was staged"));
        }
        let is_first = checkpoint.live.is_empty();
        let is_old = |medium: &Uploaded| job.now.duration_since(medium.at) > MEDIA_LIFE;
        // What was sent may hold its media; what was not has them only as long as the server keeps them.
        if is_first && checkpoint.resends == 0 && checkpoint.media.iter().any(is_old) {
            let reason = Reason::new("stale", "it was staged so long ago that its media may be gone");
            let losses = lost(checkpoint.losses)?;
            let anew = Checkpoint { media: Vec::new(), losses, ..checkpoint };
            return Ok(Sent::Stale(anew.store(), reason));
        }
        let session = Session { grant, log: &job.log };
        let (request, key) = (request(&body, &checkpoint)?, checkpoint.next_key());
        match self.client.post(session, request, &key).await {
            Ok(reply) => self.sent(&body, checkpoint, &reply),
            Err(error) => refused(checkpoint, error),
        }
    }

    fn sent(&self, body: &Body, checkpoint: Checkpoint, reply: &Value) -> Result<Sent, Error> {
        let status = Status::of(operation::POST, Effect::Once, reply)?;
        if reply["params"].is_object() || status.is_reblog {
            return Err(unreadable(operation::POST, Effect::Once, "it is no post"));
        }
        let after = arrived(body, checkpoint, &status);
        Ok(match is_whole(body, &after) {
            true => Sent::Published(after.remote(), Some(after.store())),
            false => Sent::Partly(after.remote(), after.store()),
        })
    }
}

pub(super) fn is_whole(body: &Body, checkpoint: &Checkpoint) -> bool {
    checkpoint.live.len() > body.parts.len()
}

/// One more loss, while there may be.
pub(super) fn lost(losses: u32) -> Result<u32, Error> {
    if losses < LOSSES_MAX {
        return Ok(losses + 1);
    }
    let message = format!("the server has lost media {losses} times: `gitcast retry` uploads them again");
    Err(rejected(operation::MEDIA, "media-lost", message))
}

/// The next post is live as `status` tells. In what it is not as it was sent is written down: a server may let a silenced
/// account's posts be unlisted only, or leave out media, without a word.
pub(super) fn arrived(body: &Body, checkpoint: Checkpoint, status: &Status) -> Checkpoint {
    let mut after = checkpoint;
    let is_first = after.live.is_empty();
    let mut differs = Vec::new();
    if status.visibility != body.visibility.word() {
        let seen = foreign(&status.visibility);
        differs.push(format!("its visibility is {seen}, not {}", body.visibility.word()));
    }
    let media = if is_first { after.media.len() } else { 0 };
    if status.media.len() != media {
        differs.push(format!("it has {} media, not {media}", status.media.len()));
    }
    if status.reply_to.as_deref() != parent(&after) {
        differs.push("it answers another post, or none".to_owned());
    }
    for difference in &differs {
        tracing::warn!("Mastodon post {}: {difference}", status.id);
    }
    if is_first {
        after.poll_ends_at = status.poll_ends_at;
    }
    after.live.push(Live { id: status.id.clone(), url: status.url.clone(), differs });
    after.resends = 0;
    after
}

/// The post that the next one answers.
pub(super) fn parent(checkpoint: &Checkpoint) -> Option<&str> {
    checkpoint.live.last().map(|live| live.id.as_str()).or(checkpoint.reply.as_deref())
}

/// A no. It may be about an earlier request with the same key, or about media that an earlier one has used up: only a look
/// tells then.
fn refused(checkpoint: Checkpoint, error: Error) -> Result<Sent, Error> {
    let is_first = checkpoint.live.is_empty();
    if error.kind != ErrorKind::Rejected {
        return Err(error);
    }
    let has_media = is_first && !checkpoint.media.is_empty();
    if checkpoint.resends > 0 && (has_media || error.code == NOT_FOUND) {
        return Err(Error { kind: ErrorKind::Ambiguous, ..error });
    }
    // Not processed yet, or thrown away: texts of errors come in any language, so the media are asked for.
    if has_media && !checkpoint.rechecked && checkpoint.shows_media != Some(false) {
        let media = checkpoint.media.iter().map(|medium| Uploaded { is_ready: false, ..medium.clone() });
        let anew = Checkpoint { media: media.collect(), rechecked: true, ..checkpoint };
        return Ok(Sent::Stale(anew.store(), error.reason()));
    }
    Err(error)
}

/// The request that makes the next post.
fn request(body: &Body, checkpoint: &Checkpoint) -> Result<Value, Error> {
    let n = checkpoint.live.len();
    let text = body.texts().nth(n).ok_or_else(|| {
        let message = "all posts of the thread are live";
        Error::new(operation::POST, ErrorKind::Local, "foreign-checkpoint", message)
    })?;
    let mut request = json!({ "status": text, "visibility": body.visibility.word() });
    if let Some(parent) = parent(checkpoint) {
        request["in_reply_to_id"] = parent.into();
    }
    if let Some(language) = &body.language {
        request["language"] = language.as_str().into();
    }
    if !body.warning.is_empty() {
        request["spoiler_text"] = body.warning.as_str().into();
    }
    if n == 0 {
        if body.sensitive {
            request["sensitive"] = true.into();
        }
        if !checkpoint.media.is_empty() {
            request["media_ids"] = checkpoint.media.iter().map(|medium| medium.id.as_str()).collect();
        }
        if let Some(poll) = &body.poll {
            request["poll"] = json!(poll);
            request["poll"]["multiple"] = poll.multiple.into();
            request["poll"]["hide_totals"] = poll.hide_totals.into();
        }
        if let Some(quote) = &checkpoint.quote {
            request["quoted_status_id"] = quote.as_str().into();
        }
    }
    Ok(request)
}
