//! Videos by way of the video service, which makes them ready to be played before the post is there; or as a plain blob
//! where the account's server offers none (lexicons `app.bsky.video.*`, docs.bsky.app's video tutorial, read 2026-11-22).
//!
//! # Flow
//!
//! ```text
//! getServiceAuth → getUploadLimits → getServiceAuth → uploadVideo → getJobStatus …
//!                  └ no such method → uploadBlob
//! ```
//!
//! The service gets no token of the account, but tickets: good for one method at one audience, for minutes. They are
//! secrets, so that they stay in memory; a process that has lost one asks for another.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Bluesky;
use super::checkpoint::Checkpoint;
use super::client::{Session, operation};
use super::stage::{Step, did_of};
use super::types::{self, unreadable};
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::http::{Decoded, Effect, Reply};
use crate::platform::{Error, Job, Staged};
use crate::secret::Secret;

/// Where Bluesky's video service is, and who it is.
pub(super) const SERVICE: &str = "https://video.bsky.app";
const SERVICE_DID: &str = "did:web:video.bsky.app";
/// A ticket for one method is given for 30 minutes at most by the tutorial; an upload must begin within it.
const TICKET_LIFE: SignedDuration = SignedDuration::from_mins(25);
/// The first look at a job; each later one waits a little longer, up to the second.
const LOOK_AFTER: Duration = Duration::from_secs(2);
const LOOK_AFTER_MAX: Duration = Duration::from_secs(15);
/// A service on this machine is nobody's who would mind.
const LOOK_AFTER_LOCAL: Duration = Duration::from_millis(100);
/// Looks at one job: more than an hour.
const LOOKS_MAX: u32 = 300;
/// Who answers so has no such method.
const NO_SERVICE: [&str; 5] =
    ["MethodNotImplemented", "XRPCNotSupported", "UpstreamFailure", "http-404", "http-501"];
/// An account's server without it takes the ticket for a token of the account (PDS 0.5.35, tried 2026-11-26).
const TOKEN_EXPECTED: &str = "InvalidToken";

/// How the video gets there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub(super) enum Way {
    Blob,
    Service {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        #[serde(default)]
        looks: u32,
    },
}

/// What a ticket is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Limits,
    Upload,
}

/// The one ticket that is open, if one is.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Option<Ticket>>);

#[derive(Debug)]
struct Ticket {
    purpose: Purpose,
    did: String,
    until: Timestamp,
    token: Secret,
}

impl Tickets {
    fn has(&self, purpose: Purpose, now: Timestamp) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().is_some_and(|ticket| ticket.purpose == purpose && ticket.until > now)
    }

    fn put(&self, ticket: Ticket) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket);
    }

    /// Another one is asked for only where this one is of no use, so that a service that is down is not asked in vain
    /// for ever at the first pace.
    fn get(&self, purpose: Purpose, did: &str) -> Option<Secret> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = open.as_ref().filter(|ticket| ticket.purpose == purpose && ticket.did == did);
        ticket.map(|ticket| ticket.token.clone())
    }

    fn drop_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A job of the service, as far as it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VideoJob {
    id: String,
    state: String,
    blob: Option<Value>,
    why: String,
}

impl Bluesky {
    /// What is next for the post's video, which is not there yet.
    pub(super) fn video_step(&self, checkpoint: &Checkpoint, now: Timestamp) -> Step {
        let with_ticket = |purpose, step| match self.tickets.has(purpose, now) {
            true => step,
            false => Step::Ticket(purpose),
        };
        match &checkpoint.video {
            Some(Way::Blob) => Step::Blob(0),
            None if self.client.audience(checkpoint.server()).is_none() => Step::Blob(0),
            None => with_ticket(Purpose::Limits, Step::VideoLimits),
            Some(Way::Service { job: None, .. }) => with_ticket(Purpose::Upload, Step::VideoUpload),
            Some(Way::Service { job: Some(_), .. }) => Step::VideoJob,
        }
    }

    pub(super) async fn ask_ticket(
        &self,
        job: &Job,
        session: Session<'_>,
        purpose: Purpose,
    ) -> Result<(), Error> {
        let own = self.client.audience(session.server).unwrap_or_default();
        let (audience, method) = match purpose {
            Purpose::Limits => (SERVICE_DID, "app.bsky.video.getUploadLimits"),
            // The service stores the video at the account's server in the account's name.
            Purpose::Upload => (own.as_str(), "com.atproto.repo.uploadBlob"),
        };
        let until = job.now.saturating_add(TICKET_LIFE).unwrap_or(Timestamp::MAX);
        let mut reply = self.client.get_service_auth(session, (audience, method), until).await?;
        let token =
            types::text(operation::GET_SERVICE_AUTH, Effect::Harmless, &reply, "token").map(Secret::new);
        crate::secret::wipe(&mut reply);
        let did = did_of(session.grant)?.to_owned();
        self.tickets.put(Ticket { purpose, did, until, token: token? });
        Ok(())
    }

    /// The way that the video takes.
    pub(super) async fn ask_video_limits(&self, job: &Job, session: Session<'_>) -> Result<Way, Error> {
        let operation = operation::GET_UPLOAD_LIMITS;
        let ticket = self.ticket(Purpose::Limits, session)?;
        let has_none = |code: &str| {
            NO_SERVICE.contains(&code) || (!self.client.has_entryway() && code == TOKEN_EXPECTED)
        };
        let reply = match self.client.get_upload_limits(session, &ticket).await {
            Err(error) if has_none(&error.code) => return Ok(Way::Blob),
            reply => self.admitted(reply)?,
        };
        let size = job.payload.estimate.bytes;
        let bytes = reply["remainingDailyBytes"].as_u64().unwrap_or(u64::MAX);
        if reply["canUpload"] == Value::Bool(true) && size <= bytes {
            return Ok(Way::Service { job: None, looks: 0 });
        }
        let why =
            ["message", "error"].into_iter().find_map(|name| reply[name].as_str()).unwrap_or("not today");
        let kind = match reply["error"].as_str() {
            Some("unconfirmed_email") => ErrorKind::Permission,
            _ => ErrorKind::RateLimited,
        };
        let message = format!("Bluesky takes no more videos of this account at present: {}", foreign(why));
        Err(Error::new(operation, kind, "video-quota", message))
    }

    /// Sends the file; the same file again is the same job.
    pub(super) async fn upload_video(
        &self,
        job: &Job,
        session: Session<'_>,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), Error> {
        let ticket = self.ticket(Purpose::Upload, session)?;
        let (part, _, name) = self.part(operation::UPLOAD_VIDEO, job, 0).await?;
        let did = did_of(session.grant)?;
        let found = self.client.upload_video(session, &ticket, (did, &name), part).await;
        self.take_in(self.admitted(found)?, checkpoint)
    }

    /// A fresh ticket that is turned down says nothing about the account's login.
    fn admitted<T>(&self, reply: Result<T, Error>) -> Result<T, Error> {
        reply.map_err(|error| match error.kind {
            ErrorKind::Auth => {
                self.tickets.drop_all();
                Error { kind: ErrorKind::Permission, ..error }
            }
            _ => error,
        })
    }

    pub(super) async fn look_at_job(
        &self,
        session: Session<'_>,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), Error> {
        let Some(Way::Service { job: Some(id), looks }) = checkpoint.video.clone() else { return Ok(()) };
        if looks >= LOOKS_MAX {
            let message = "the video service has not finished: `gitcast retry` sends the video again";
            return Err(Error::new(operation::GET_JOB_STATUS, ErrorKind::Rejected, "video-stuck", message));
        }
        let found = self.client.get_job_status(session, &id).await?;
        checkpoint.video = Some(Way::Service { job: Some(id), looks: looks + 1 });
        self.take_in(found, checkpoint)
    }

    /// The blob of a job that is done goes into the record to the letter: it need not be what was sent.
    fn take_in(&self, found: VideoJob, checkpoint: &mut Checkpoint) -> Result<(), Error> {
        let operation = operation::GET_JOB_STATUS;
        if let Some(blob) = found.blob {
            checkpoint.blobs.push(blob);
            return Ok(());
        }
        if found.state == "JOB_STATE_FAILED" {
            let message = format!("the video service does not take the video: {}", foreign(&found.why));
            return Err(Error::new(operation, ErrorKind::Rejected, "video-failed", message));
        }
        // Which job is looked at is ours to say: a reply that names none, or another one, is about the one asked for.
        let known = match checkpoint.video.take() {
            Some(Way::Service { job: Some(id), looks }) => (id, looks),
            _ => (found.id, 0),
        };
        checkpoint.video = Some(Way::Service { job: Some(known.0), looks: known.1 });
        Ok(())
    }

    /// After a step of staging: a job that is under way is left alone for a while.
    pub(super) fn staged(&self, checkpoint: Checkpoint) -> Staged {
        let looks = match &checkpoint.video {
            Some(Way::Service { job: Some(_), looks }) if checkpoint.blobs.is_empty() => *looks,
            _ => return Staged::More(checkpoint.store()),
        };
        let wait = match self.client.is_local() {
            true => LOOK_AFTER_LOCAL,
            false => (LOOK_AFTER + Duration::from_secs(u64::from(looks / 2))).min(LOOK_AFTER_MAX),
        };
        Staged::Wait(checkpoint.store(), wait)
    }

    fn ticket(&self, purpose: Purpose, session: Session<'_>) -> Result<Secret, Error> {
        let gone = || {
            let message = "the ticket for the video service is gone: another one is asked for";
            Error::new(operation::GET_SERVICE_AUTH, ErrorKind::Transient, "no-ticket", message)
        };
        self.tickets.get(purpose, did_of(session.grant)?).ok_or_else(gone)
    }
}

/// A job's status. The wrapper that the lexicon has is not always there (atproto#3026, #3097), and a video that was sent
/// before is answered with status 409 and its job (bsky-docs#367).
pub(super) fn decode(operation: &'static str, reply: &Reply) -> Decoded<VideoJob> {
    let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    let status = if body["jobStatus"].is_object() { &body["jobStatus"] } else { &body };
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    let is_known = text("error") == "already_exists";
    if !(200..300).contains(&reply.status) && !is_known {
        let refused = types::decode(operation, Effect::Harmless, reply);
        let unclear = || Err(unreadable(operation, Effect::Harmless, "it is no job"));
        return Decoded { result: refused.result.map_or_else(Err, |_| unclear()), log_id: None };
    }
    let blob =
        Some(&status["blob"]).filter(|blob| blob["$type"] == "blob" && blob["ref"]["$link"].is_string());
    let job = VideoJob {
        id: text("jobId"),
        state: text("state"),
        blob: blob.cloned(),
        why: [text("error"), text("message")].join(" ").trim().to_owned(),
    };
    let result = match job.id.is_empty() && job.blob.is_none() {
        true => Err(unreadable(operation, Effect::Harmless, "it lacks `jobId`")),
        false => Ok(job),
    };
    Decoded { result, log_id: None }
}

/// The DID of the server at `origin` (atproto.com/specs/did, did:web).
pub(super) fn did_of_server(origin: &Url) -> Option<String> {
    let host = origin.host_str()?;
    Some(match origin.port() {
        Some(port) => format!("did:web:{host}%3A{port}"),
        None => format!("did:web:{host}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &Value) -> Result<VideoJob, ErrorKind> {
        let body = body.to_string().into_bytes();
        let reply = Reply { status, content_range: None, retry_after: None, body };
        decode(operation::UPLOAD_VIDEO, &reply).result.map_err(|error| error.kind)
    }

    #[test]
    fn a_job_is_read_with_its_wrapper_and_without_and_when_it_was_there_before() {
        let blob =
            json!({ "$type": "blob", "ref": { "$link": "bafkx" }, "mimeType": "video/mp4", "size": 3 });
        let bare = json!({ "jobId": "j", "state": "JOB_STATE_ENCODING", "new": 1 });
        let encoding =
            VideoJob { id: "j".into(), state: "JOB_STATE_ENCODING".into(), blob: None, why: String::new() };
        assert_eq!(read(200, &bare), Ok(encoding.clone()));
        assert_eq!(read(200, &json!({ "jobStatus": bare })), Ok(encoding));
        let done =
            json!({ "jobId": "j", "state": "JOB_STATE_COMPLETED", "blob": blob, "error": "already_exists" });
        for status in [200, 409] {
            assert_eq!(read(status, &done).expect("a job").blob, Some(blob.clone()));
        }
        for (status, body, kind) in [
            (200, json!({ "state": "JOB_STATE_CREATED" }), ErrorKind::Protocol),
            (200, json!([]), ErrorKind::Protocol),
            (409, json!({ "error": "Conflict" }), ErrorKind::Protocol),
            (401, json!({ "error": "BadToken" }), ErrorKind::Auth),
            (400, json!({ "error": "InvalidRequest" }), ErrorKind::Rejected),
            (502, Value::Null, ErrorKind::Transient),
        ] {
            assert_eq!(read(status, &body), Err(kind), "{status} {body}");
        }
    }

    #[test]
    fn a_server_is_known_by_its_host_and_port() {
        for (origin, did) in [
            ("https://morel.us-east.host.bsky.network", "did:web:morel.us-east.host.bsky.network"),
            ("http://127.0.0.1:2583/x", "did:web:127.0.0.1%3A2583"),
        ] {
            assert_eq!(did_of_server(&Url::parse(origin).expect("a URL")).as_deref(), Some(did));
        }
    }

    #[test]
    fn a_ticket_is_good_for_one_thing_one_account_and_some_time() {
        let tickets = Tickets::default();
        let now = Timestamp::UNIX_EPOCH;
        let until = now + SignedDuration::from_mins(1);
        assert!(!tickets.has(Purpose::Limits, now));
        tickets.put(Ticket { purpose: Purpose::Limits, did: "a".into(), until, token: Secret::new("t") });
        assert!(tickets.has(Purpose::Limits, now) && !tickets.has(Purpose::Limits, until));
        assert!(!tickets.has(Purpose::Upload, now) && tickets.get(Purpose::Upload, "a").is_none());
        assert!(tickets.get(Purpose::Limits, "b").is_none());
        assert_eq!(tickets.get(Purpose::Limits, "a").expect("it is").expose(), "t");
        assert!(!format!("{tickets:?}").contains("\"t\""));
        tickets.drop_all();
        assert!(!tickets.has(Purpose::Limits, now));
    }
}
