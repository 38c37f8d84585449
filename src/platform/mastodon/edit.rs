//! Making a live post what the manifest says now: media that are new go up, then each post of the thread is replaced whole.
//!
//! What a request leaves out is taken away (docs.joinmastodon.org, methods/statuses, read 2026-11-22), so that each says
//! everything: it leads to the same post however often it is sent.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Mastodon;
use super::body::Body;
use super::checkpoint::{Checkpoint, Edit, Live, Uploaded};
use super::client::{Session, operation};
use super::limits::{MEDIA_LIFE, POLL_SECONDS_MIN};
use super::stage::{Processed, lost};
use super::text;
use super::types::{NOT_FOUND, Status, rejected};
use crate::domain::grant::Grant;
use crate::domain::media::Medium;
use crate::domain::publication::Remote;
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::http::Effect;
use crate::platform::{BoxFuture, Edited, Edits, Error, Job};

/// What comes next in an edit.
enum Step {
    Upload(usize),
    /// Of the media that were uploaded for the edit.
    Await(usize),
    /// With these media, of which the live post has some already.
    Replace(Vec<Uploaded>),
}

impl Edits for Mastodon {
    fn edit<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Edited, Error>> {
        Box::pin(self.edit_step(job, grant))
    }
}

impl Mastodon {
    pub(super) fn edit_operation(&self, job: &Job) -> &'static str {
        let Ok(checkpoint) = begun(job) else { return operation::NOTHING };
        let edit = checkpoint.edit.clone().unwrap_or_else(|| started(job));
        match next_step(job, &checkpoint, &edit) {
            Step::Upload(_) => operation::UPLOAD,
            Step::Await(_) => operation::MEDIA,
            Step::Replace(_) => operation::EDIT,
        }
    }

    async fn edit_step(&self, job: &Job, grant: &Grant) -> Result<Edited, Error> {
        let body = Body::read(&job.payload)?;
        let mut checkpoint = begun(job)?;
        let mut edit = checkpoint.edit.take().unwrap_or_else(|| started(job));
        let session = Session { grant, log: &job.log };
        let texts: Vec<&str> = body.texts().collect();
        if checkpoint.live.len() != texts.len() {
            let message = format!(
                "{} posts are live, and the manifest has {}: a thread can only be edited post by post",
                checkpoint.live.len(),
                texts.len()
            );
            return Err(rejected(operation::EDIT, "other-thread", message));
        }
        match next_step(job, &checkpoint, &edit) {
            Step::Upload(n) => {
                let alt = body.alts.get(n).map_or("", String::as_str);
                edit.media.push(self.upload(job, session, (n, alt)).await?);
            }
            Step::Await(n) => match self.processed(job, session, &edit.media[n]).await? {
                Processed::Done => edit.media[n].is_ready = true,
                Processed::Pending(wait) => {
                    checkpoint.edit = Some(edit);
                    return Ok(Edited::Wait(checkpoint.store(), wait));
                }
                Processed::Lost => {
                    edit.losses = lost(edit.losses)?;
                    edit.media.remove(n);
                }
            },
            Step::Replace(media) => {
                let n = edit.done;
                let request = request(&body, (n, texts[n]), &media, remaining(&body, &checkpoint, job.now)?);
                let status = self.replace(session, &checkpoint.live[n].id, request).await?;
                if n == 0 && status.media.len() != media.len() && !edit.media.is_empty() {
                    // Some that were new are not there: they had been thrown away.
                    edit.losses = lost(edit.losses)?;
                    edit.media.clear();
                } else {
                    check(&body, (n, media.len()), &status)?;
                    // There are servers that give an edited post another id.
                    let url = status.url.or(checkpoint.live[n].url.take());
                    checkpoint.live[n] = Live { id: status.id, url, differs: Vec::new() };
                    edit.done += 1;
                }
                if edit.done == texts.len() {
                    checkpoint.media = media;
                    return Ok(Edited::Done(checkpoint.remote(), Some(checkpoint.store())));
                }
            }
        }
        checkpoint.edit = Some(edit);
        Ok(Edited::More(checkpoint.store()))
    }

    async fn replace(&self, session: Session<'_>, id: &str, request: Value) -> Result<Status, Error> {
        match self.client.edit(session, id, request).await {
            Ok(reply) => Status::of(operation::EDIT, Effect::Harmless, &reply),
            Err(error) if error.code == NOT_FOUND => {
                let message = format!("the post is gone, or its server does not edit: {}", error.message);
                Err(rejected(operation::EDIT, "no-such-post", message))
            }
            Err(error) => Err(error),
        }
    }
}

/// The live posts, and how far an edit to this payload has come.
fn begun(job: &Job) -> Result<Checkpoint, Error> {
    let mut checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
    let digest = job.payload.digest();
    checkpoint.edit = checkpoint.edit.filter(|edit| edit.digest == digest);
    if checkpoint.live.is_empty() {
        checkpoint.live.push(pointed_to(&job.remote, operation::EDIT)?);
    }
    Ok(checkpoint)
}

fn started(job: &Job) -> Edit {
    Edit { digest: job.payload.digest(), media: Vec::new(), done: 0, losses: 0 }
}

/// A post that a person pointed to.
pub(super) fn pointed_to(remote: &Remote, operation: &'static str) -> Result<Live, Error> {
    let id = remote
        .id
        .as_deref()
        .or(remote.url.as_deref().and_then(|url| url.trim_end_matches('/').rsplit('/').next()));
    match id.filter(|id| super::reference::is_id(id)) {
        Some(id) => Ok(Live { id: id.to_owned(), url: remote.url.clone(), differs: Vec::new() }),
        None => {
            let shown = foreign(remote.url.as_deref().or(remote.id.as_deref()).unwrap_or_default());
            let message = format!("the post's id at the server is not known (`{shown}`): do it in an app");
            Err(rejected(operation, "no-such-post", message))
        }
    }
}

/// A medium with the same bytes is the same; its description can be changed where it is.
fn next_step(job: &Job, checkpoint: &Checkpoint, edit: &Edit) -> Step {
    let is_old = |medium: &Uploaded| job.now.duration_since(medium.at) > MEDIA_LIFE;
    let fresh = edit.media.iter().enumerate().filter(|(_, medium)| edit.done > 0 || !is_old(medium));
    let mut pool: Vec<(Option<usize>, &Uploaded)> = checkpoint
        .media
        .iter()
        .map(|medium| (None, medium))
        .chain(fresh.map(|(n, m)| (Some(n), m)))
        .collect();
    let mut media = Vec::new();
    for (n, wanted) in job.payload.media.iter().enumerate() {
        let Medium::File { digest, .. } = wanted else { return Step::Upload(n) };
        let Some(at) = pool.iter().position(|(_, medium)| medium.digest == *digest) else {
            return Step::Upload(n);
        };
        let (new, medium) = pool.remove(at);
        if let Some(n) = new.filter(|_| !medium.is_ready) {
            return Step::Await(n);
        }
        media.push(medium.clone());
    }
    Step::Replace(media)
}

/// Seconds that the poll is still open: it must be said, and what is said counts from now on.
fn remaining(body: &Body, checkpoint: &Checkpoint, now: Timestamp) -> Result<u64, Error> {
    if body.poll.is_none() {
        return Ok(0);
    }
    let left = checkpoint.poll_ends_at.map_or(0, |end| end.duration_since(now).as_secs());
    match u64::try_from(left) {
        Ok(left) if left >= POLL_SECONDS_MIN => Ok(left),
        _ => {
            let message = "the poll is over, or nearly, or not known here, and an edit would open it again";
            Err(rejected(operation::EDIT, "poll-over", message))
        }
    }
}

fn request(body: &Body, (n, text): (usize, &str), media: &[Uploaded], poll_seconds: u64) -> Value {
    let mut request = json!({ "status": text, "spoiler_text": body.warning, "media_ids": [] });
    if let Some(language) = &body.language {
        request["language"] = language.as_str().into();
    }
    if n > 0 {
        request["sensitive"] = (!body.warning.is_empty()).into();
        return request;
    }
    request["sensitive"] = (body.sensitive || !body.warning.is_empty()).into();
    request["media_ids"] = media.iter().map(|medium| medium.id.as_str()).collect();
    let described = media.iter().zip(&body.alts);
    request["media_attributes"] =
        described.map(|(medium, alt)| json!({ "id": medium.id, "description": alt })).collect();
    if let Some(poll) = &body.poll {
        request["poll"] = json!({
            "options": poll.options, "expires_in": poll_seconds,
            "multiple": poll.multiple, "hide_totals": poll.hide_totals,
        });
    }
    request
}

/// Whether the server took all of it: some take the text alone, without a word.
fn check(body: &Body, (n, media): (usize, usize), status: &Status) -> Result<(), Error> {
    let media = if n == 0 { media } else { 0 };
    let lacks = if status.media.len() != media {
        "media"
    } else if !text::is_same(&status.warning, &body.warning) {
        "warning"
    } else {
        return Ok(());
    };
    let message = format!("the server has changed the post, but not its {lacks}: look at it in an app");
    Err(Error::new(operation::EDIT, ErrorKind::Rejected, "edited-in-part", message))
}
