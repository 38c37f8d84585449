//! Towards a post: creator_info, init, chunks; and the one request that publishes.
//!
//! # Flow
//!
//! ```text
//! video, direct     creator_info → video/init → chunks … → [last chunk]
//! video, draft                inbox/video/init → chunks … → [last chunk]
//! video by URL      creator_info (direct only)            → [init]
//! photos            creator_info (direct only)            → [content/init]
//! ```
//!
//! A direct post for the public looks first among the account's posts for itself: a ledger that was put back as a whole
//! does not know what it published since. The request in brackets publishes. The others may be repeated: an init whose upload is never finished makes nothing
//! public.
//!
//! # Resuming
//!
//! Where an upload stands is known for sure only while this process alone has sent its chunks and each was answered.
//! In any other case the platform is asked first, and its count decides.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Tiktok;
use super::body::{Body, Kind};
use super::checkpoint::{Checkpoint, Creator, Upload, UploadUrl};
use super::client::{Session, operation};
use super::media::{self, Stored};
use super::types::{Progress, unreadable};
use crate::domain::grant::Grant;
use crate::domain::media::{Medium, Probe};
use crate::domain::payload::Payload;
use crate::domain::publication::Reason;
use crate::domain::retry::ErrorKind;
use crate::platform::http::Effect;
use crate::platform::upload::Expected;
use crate::platform::{Error, Job, Sent, Staged};

/// Inits in one attempt: each loses what was uploaded before it.
const INITS_MAX: u32 = 4;
/// Corrections of an upload's offset before it is given up for a new one.
const RESYNCS_MAX: u32 = 4;
/// Uploads whose offset is remembered; the others cost one more status request.
const KNOWN_MAX: usize = 1_024;

/// The platform says that it takes nothing at the upload's address any more (TikTok docs `mt`, read 2026-11-22: 403, 404).
pub(super) const UPLOAD_GONE: &str = "upload-gone";

/// What comes next in staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    LookBack,
    CreatorInfo,
    Init,
    Resync,
    Chunk,
    Ready,
}

/// Offsets that are certain, by publish id.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, u64>>);

impl Known {
    fn is(&self, id: &str, offset: u64) -> bool {
        self.lock().get(id) == Some(&offset)
    }

    fn set(&self, id: &str, offset: u64) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(id.to_owned(), offset);
    }

    fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tiktok {
    pub(super) fn step(&self, job: &Job, body: &Body, checkpoint: &Checkpoint) -> Step {
        if job.look_back_to.is_some() && !checkpoint.looked_back && self.can_be_found(body) {
            return Step::LookBack;
        }
        let asks_creator = body.is_direct() && checkpoint.fresh_creator(job.now).is_none();
        if !is_upload(body, &job.payload) {
            return if asks_creator { Step::CreatorInfo } else { Step::Ready };
        }
        match checkpoint.live_upload(job.now) {
            None if asks_creator => Step::CreatorInfo,
            None => Step::Init,
            Some((id, upload)) if !self.known.is(id, upload.offset) => Step::Resync,
            Some((_, upload)) if upload.is_at_last() => Step::Ready,
            Some(_) => Step::Chunk,
        }
    }

    pub(super) async fn stage_step(&self, job: &Job, grant: &Grant) -> Result<Staged, Error> {
        let body = Body::read(&job.payload)?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let session = Session { grant, log: &job.log };
        let after = match self.step(job, &body, &checkpoint) {
            Step::LookBack => self.look_back(job, &body, checkpoint, session).await?,
            Step::CreatorInfo => self.ask_creator(job, &body, checkpoint, session).await?,
            Step::Init => self.begin_upload(job, &body, checkpoint, session).await?,
            Step::Resync => self.resync(checkpoint, session).await?,
            Step::Chunk => self.send_chunk(job, checkpoint).await?,
            Step::Ready => checkpoint,
        };
        Ok(match self.step(job, &body, &after) {
            Step::Ready => Staged::Ready(after.store()),
            _ => Staged::More(after.store()),
        })
    }

    async fn ask_creator(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: Checkpoint,
        session: Session<'_>,
    ) -> Result<Checkpoint, Error> {
        let creator = Creator::new(self.client.creator_info(session).await?, job.now);
        check_creator(body, job, &creator)?;
        Ok(Checkpoint { creator: Some(creator), ..checkpoint })
    }

    async fn begin_upload(
        &self,
        job: &Job,
        body: &Body,
        checkpoint: Checkpoint,
        session: Session<'_>,
    ) -> Result<Checkpoint, Error> {
        let operation = video_init(body);
        if checkpoint.inits >= INITS_MAX {
            let message = format!(
                "TikTok lost the upload {INITS_MAX} times, or it took longer than the hour that its address lasts"
            );
            return Err(Error::new(operation, ErrorKind::Rejected, "upload-lost", message));
        }
        let medium = medium(job)?;
        let request = body.video_request(medium, checkpoint.fresh_creator(job.now));
        let init = self.client.video_init(session, operation, request, Effect::Harmless).await?;
        let url = init
            .upload_url
            .ok_or_else(|| unreadable(operation, Effect::Harmless, "it lacks the upload_url"))?;
        self.client.check_upload_url(&url)?;
        self.known.set(&init.publish_id, 0);
        let total = size(medium);
        Ok(Checkpoint {
            publish_id: Some(init.publish_id),
            upload: Some(Upload { url: UploadUrl(url), issued_at: job.now, total, offset: 0 }),
            inits: checkpoint.inits + 1,
            resyncs: 0,
            resends: 0,
            ..checkpoint
        })
    }

    /// Asks the platform how many bytes it has.
    async fn resync(&self, checkpoint: Checkpoint, session: Session<'_>) -> Result<Checkpoint, Error> {
        let (Some(id), Some(upload)) = (checkpoint.publish_id.clone(), checkpoint.upload.clone()) else {
            return Ok(checkpoint.without_upload());
        };
        let status = match self.client.status(session, &id).await {
            Ok(status) => status,
            Err(error) if is_unknown_id(&error) => return Ok(checkpoint.without_upload()),
            Err(error) => return Err(error),
        };
        match status.progress() {
            Progress::Uploading => {}
            // The last chunk was never sent, so what failed is an upload that could not have become a post.
            Progress::Failed => return Ok(checkpoint.without_upload()),
            Progress::Working | Progress::Inbox | Progress::Complete => {
                let message = "TikTok goes on with an upload whose last chunk was never sent";
                return Err(Error::new(operation::STATUS, ErrorKind::Protocol, "unexpected-status", message));
            }
        }
        let offset = media::resume_at(upload.total, status.uploaded().unwrap_or(upload.offset));
        self.known.set(&id, offset);
        Ok(checkpoint.at_offset(offset))
    }

    /// Sends a chunk that is not the last.
    async fn send_chunk(&self, job: &Job, checkpoint: Checkpoint) -> Result<Checkpoint, Error> {
        let Some((id, upload)) = checkpoint.live_upload(job.now) else {
            return Ok(checkpoint.without_upload());
        };
        let (id, end) = (id.to_owned(), upload.offset + media::range(upload.total, upload.offset).1);
        let stored = self.put(job, upload, &id, Effect::Harmless).await?;
        Ok(match stored {
            Stored::Partly(mark) if mark.is_none_or(|mark| mark.is_at(end)) => {
                self.known.set(&id, end);
                checkpoint.at_offset(end)
            }
            Stored::Gone => checkpoint.without_upload(),
            Stored::Partly(_) | Stored::Whole | Stored::OutOfStep if checkpoint.resyncs >= RESYNCS_MAX => {
                checkpoint.without_upload()
            }
            // The platform counts differently: the next step asks it.
            Stored::Partly(_) | Stored::Whole | Stored::OutOfStep => {
                Checkpoint { resyncs: checkpoint.resyncs + 1, ..checkpoint }
            }
        })
    }

    async fn put(&self, job: &Job, upload: &Upload, id: &str, effect: Effect) -> Result<Stored, Error> {
        let url = self.client.check_upload_url(&upload.url.0)?;
        let range = media::range(upload.total, upload.offset);
        let medium = medium(job)?;
        let Medium::File { path, stamp, digest, .. } = medium else {
            return Err(Error::new(
                operation::UPLOAD,
                ErrorKind::Local,
                "foreign-payload",
                "no file to upload",
            ));
        };
        let expected = Expected { path: job.content.join(path), stamp: *stamp, digest: *digest };
        let part = self.files.open(operation::UPLOAD, expected, range, job.progress.clone()).await?;
        // From here on only the platform knows how far it got, until it answers.
        self.known.forget(id);
        self.doubts.end(id);
        let headers = (media::content_type(medium), media::content_range(upload.total, range));
        self.client.put(url, part, headers, effect, &job.log, |reply| media::judge(effect, reply)).await
    }

    pub(super) fn publish_operation(&self, job: &Job) -> &'static str {
        match Body::read(&job.payload) {
            Ok(body) if is_upload(&body, &job.payload) => operation::UPLOAD,
            Ok(body) if body.kind == Kind::Video => video_init(&body),
            _ => operation::CONTENT_INIT,
        }
    }

    pub(super) async fn publish_once(&self, job: &Job, grant: &Grant) -> Result<Sent, Error> {
        let body = Body::read(&job.payload)?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        if is_upload(&body, &job.payload) {
            return self.send_last_chunk(job, checkpoint).await;
        }
        if body.is_direct() && checkpoint.fresh_creator(job.now).is_none() {
            let old = ("creator-info-old", "the creator's settings were asked for too long ago");
            return Ok(stale(&checkpoint, old));
        }
        let session = Session { grant, log: &job.log };
        let creator = checkpoint.creator.as_ref();
        let init = match body.kind {
            Kind::Video => {
                let request = body.video_request(medium(job)?, creator);
                self.client.video_init(session, video_init(&body), request, Effect::Once).await?
            }
            Kind::Photos => {
                let urls = photo_urls(job)?;
                self.client.content_init(session, body.photo_request(&urls, creator)).await?
            }
        };
        Ok(self.accepted(Checkpoint { publish_id: Some(init.publish_id), ..checkpoint }))
    }

    async fn send_last_chunk(&self, job: &Job, checkpoint: Checkpoint) -> Result<Sent, Error> {
        let unclear = |code: &str, message: &str| {
            Err(Error::new(operation::UPLOAD, ErrorKind::Ambiguous, code, message))
        };
        let Some((id, upload)) = checkpoint.live_upload(job.now).filter(|(_, upload)| upload.is_at_last())
        else {
            let expired = ("upload-expired", "the upload's address has expired");
            // What was sent before may be on its way for longer than it takes to send the same again.
            let is_clear = checkpoint.resends == 0;
            return if is_clear { Ok(stale(&checkpoint, expired)) } else { unclear(expired.0, expired.1) };
        };
        match self.put(job, upload, id, Effect::Once).await? {
            Stored::Whole => Ok(self.accepted(checkpoint)),
            Stored::Partly(Some(mark)) if mark.is_at(upload.total) => Ok(self.accepted(checkpoint)),
            Stored::Partly(_) => unclear("upload-incomplete", "TikTok wants more after the last chunk"),
            Stored::OutOfStep => unclear("upload-out-of-step", "TikTok has other bytes than we know of"),
            Stored::Gone => unclear(UPLOAD_GONE, "TikTok does not know the upload any more"),
        }
    }

    fn accepted(&self, checkpoint: Checkpoint) -> Sent {
        let checkpoint = Checkpoint { accepted: true, ..checkpoint };
        Sent::Accepted(checkpoint.store(), self.pace().poll(Duration::ZERO))
    }
}

fn stale(checkpoint: &Checkpoint, (code, message): (&str, &str)) -> Sent {
    Sent::Stale(checkpoint.anew().store(), Reason::new(code, message))
}

/// Errors of `status/fetch` that say that TikTok does not know the upload.
pub(super) fn is_unknown_id(error: &Error) -> bool {
    matches!(error.code.as_str(), "invalid_publish_id" | "token_not_authorized_for_specified_publish_id")
}

/// Whether bytes are sent from here; otherwise TikTok fetches them.
fn is_upload(body: &Body, payload: &Payload) -> bool {
    body.kind == Kind::Video && matches!(payload.media.first(), Some(Medium::File { .. }))
}

/// The addresses that TikTok fetches from.
pub(super) fn pulled<'a>(body: &Body, payload: &'a Payload) -> Vec<&'a str> {
    let url = |medium: &'a Medium| match medium {
        Medium::Url { url } | Medium::File { url: Some(url), .. } => Some(url.as_str()),
        Medium::File { url: None, .. } => None,
    };
    let media = if is_upload(body, payload) { &[][..] } else { &payload.media[..] };
    media.iter().filter_map(url).collect()
}

fn video_init(body: &Body) -> &'static str {
    if body.is_direct() { operation::VIDEO_INIT } else { operation::INBOX_INIT }
}

fn medium(job: &Job) -> Result<&Medium, Error> {
    let missing = || Error::new("prepare", ErrorKind::Local, "foreign-payload", "the payload has no medium");
    job.payload.media.first().ok_or_else(missing)
}

fn size(medium: &Medium) -> u64 {
    if let Medium::File { size, .. } = medium { *size } else { 0 }
}

fn photo_urls(job: &Job) -> Result<Vec<&str>, Error> {
    let url = |medium| match medium {
        &Medium::Url { ref url } | &Medium::File { url: Some(ref url), .. } => Ok(url.as_str()),
        &Medium::File { url: None, ref path, .. } => {
            let path = crate::platform::error::foreign(path);
            let message = format!("nothing says where {path} is served; set `media_base_url`");
            Err(Error::new(operation::CONTENT_INIT, ErrorKind::Local, "media-unreachable", message))
        }
    };
    job.payload.media.iter().map(url).collect()
}

/// What only the creator's account decides, before any byte is sent (TikTok docs `csg`, 2026-08-04).
fn check_creator(body: &Body, job: &Job, creator: &Creator) -> Result<(), Error> {
    let refuse = |code: &str, message: String| {
        Err(Error::new(operation::CREATOR_INFO, ErrorKind::Rejected, code, message))
    };
    let privacy = body.privacy.unwrap_or(super::options::Privacy::SelfOnly);
    if !creator.privacy_levels.iter().any(|level| level == privacy.level()) {
        let message = format!(
            "the account does not offer `privacy: {}` at present, only: {}",
            privacy.word(),
            creator.privacy_words()
        );
        return refuse("privacy_level_option_mismatch", message);
    }
    if let Some(Medium::File { probe: Probe::Video(video), .. }) = job.payload.media.first()
        && let Some(max) = creator.duration_s_max.and_then(|s| u64::try_from(s).ok()).filter(|max| *max > 0)
        && let Some(lasts_ms) = video.duration_ms.filter(|ms| *ms > max.saturating_mul(1_000))
    {
        let lasts = lasts_ms.div_ceil(1_000);
        return refuse(
            "duration-over-creators-maximum",
            format!("the video lasts {lasts} s, the account may post {max} s"),
        );
    }
    Ok(())
}
