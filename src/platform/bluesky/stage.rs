//! Towards a post: the server, people, other posts, media, and the record; and the one request that publishes.
//!
//! # Flow
//!
//! ```text
//! getSession (without an endpoint) → listRecords (where asked for) → resolveHandle … → getRecord (quote, reply) → uploadBlob … or a
//! video's own way → frozen → [putRecord]
//! ```
//!
//! # Once, by construction
//!
//! A repository is a map from keys to records, and the key is ours: it and the whole record are in the ledger before the
//! request leaves. `putRecord` with `swapRecord: null` makes the record or finds it made; it never makes a second one.
//! A post with gates, and a thread, take `applyWrites` instead, which makes all of it or nothing: no post is public for a
//! moment without its gates, and no thread is half there. An existing key is an error there, and the look that follows finds
//! the record.

use serde_json::{Value, json};

use super::Bluesky;
use super::body::{Body, Kind};
use super::checkpoint::{Checkpoint, Frozen, Parents};
use super::client::{Session, operation, server_of};
use super::limits::FROZEN_LIFE;
use super::reference::{POST, Reference, Strong, is_did, uri};
use super::types::{BLOB_NOT_FOUND, HANDLE_NOT_FOUND, text, unreadable};
use super::video::Purpose;
use super::{facets, media, record};
use crate::domain::grant::Grant;
use crate::domain::media::Medium;
use crate::domain::publication::{Reason, Remote};
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::http::Effect;
use crate::platform::upload::Expected;
use crate::platform::{Error, Job, Sent, Staged, upload};

/// How often media are uploaded again in one attempt because the server has thrown them away.
const LOSSES_MAX: u32 = 2;

/// What comes next in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Server,
    LookBack,
    Person(String),
    Quote,
    Reply,
    Blob(usize),
    Ticket(Purpose),
    VideoLimits,
    VideoUpload,
    VideoJob,
    Freeze,
    Ready,
}

impl Step {
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Step::Server => operation::GET_SESSION,
            Step::LookBack => operation::LIST_RECORDS,
            Step::Person(_) => operation::RESOLVE_HANDLE,
            Step::Quote | Step::Reply => operation::GET_RECORD,
            Step::Blob(_) => operation::UPLOAD_BLOB,
            Step::Ticket(_) => operation::GET_SERVICE_AUTH,
            Step::VideoLimits => operation::GET_UPLOAD_LIMITS,
            Step::VideoUpload => operation::UPLOAD_VIDEO,
            Step::VideoJob => operation::GET_JOB_STATUS,
            Step::Freeze | Step::Ready => operation::NOTHING,
        }
    }
}

impl Bluesky {
    pub(super) fn step(&self, job: &Job, body: &Body, checkpoint: &Checkpoint) -> Step {
        let uploaded = checkpoint.blobs.len();
        let upload = || match body.kind {
            Kind::Video => self.video_step(checkpoint, job.now),
            Kind::Text | Kind::Images => Step::Blob(uploaded),
        };
        let is_whole = uploaded >= job.payload.media.len();
        if checkpoint.frozen.is_some() {
            return if is_whole { Step::Ready } else { upload() };
        }
        if self.client.has_entryway() && checkpoint.server.is_none() {
            return Step::Server;
        }
        if job.look_back_to.is_some() && !checkpoint.looked_back && !body.text.is_empty() {
            return Step::LookBack;
        }
        if let Some(handle) = people(body).into_iter().find(|name| !checkpoint.people.contains_key(name)) {
            return Step::Person(handle);
        }
        if body.quote.is_some() && checkpoint.quote.is_none() {
            return Step::Quote;
        }
        if body.reply.is_some() && checkpoint.reply.is_none() {
            return Step::Reply;
        }
        if is_whole { Step::Freeze } else { upload() }
    }

    pub(super) async fn stage_step(&self, job: &Job, grant: &Grant) -> Result<Staged, Error> {
        let body = Body::read(&job.payload)?;
        let mut after = Checkpoint::read(job.checkpoint.as_ref())?;
        let server = after.server.clone().filter(|server| !server.is_empty());
        let session = Session { grant, server: server.as_deref(), log: &job.log };
        match self.step(job, &body, &after) {
            Step::Server => after.server = Some(self.ask_server(session).await?),
            Step::LookBack => {
                self.look_back(job, &body, session).await?;
                after.looked_back = true;
            }
            Step::Person(handle) => {
                let did = self.ask_person(session, &handle).await?;
                after.people.insert(handle, did);
            }
            Step::Quote => after.quote = Some(self.ask_post(session, &body.quote, &after).await?.0),
            Step::Reply => after.reply = Some(self.ask_parents(session, &body.reply, &after).await?),
            Step::Blob(n) => after.blobs.push(self.upload(job, session, n).await?),
            Step::Ticket(purpose) => self.ask_ticket(job, session, purpose).await?,
            Step::VideoLimits => after.video = Some(self.ask_video_limits(job, session).await?),
            Step::VideoUpload => self.upload_video(job, session, &mut after).await?,
            Step::VideoJob => self.look_at_job(session, &mut after).await?,
            Step::Freeze | Step::Ready => {}
        }
        if self.step(job, &body, &after) == Step::Freeze {
            // A post bears the time at which it is published.
            let clock = (job.publish_at.unwrap_or(job.now), random_clock()?);
            let frozen = record::freeze(&body, &job.payload.media, &after, did_of(grant)?, clock);
            after.frozen = Some(frozen.ok_or_else(|| {
                let message = "the record holds what the data model does not know";
                Error::new("freeze", ErrorKind::Rejected, "no-identifier", message)
            })?);
        }
        Ok(match self.step(job, &body, &after) {
            Step::Ready => Staged::Ready(after.store()),
            _ => self.staged(after),
        })
    }

    /// The server that the DID document names; empty where the entryway names none.
    pub(super) async fn ask_server(&self, session: Session<'_>) -> Result<String, Error> {
        let reply = self.client.get_session(&session.grant.access, session.log).await?;
        Ok(server_of(&reply)?.unwrap_or_default())
    }

    /// Nobody's handle is no error: the mention stays plain text.
    async fn ask_person(&self, session: Session<'_>, handle: &str) -> Result<Option<String>, Error> {
        let operation = operation::RESOLVE_HANDLE;
        match self.client.resolve_handle(session, handle).await {
            Ok(reply) => {
                let did = text(operation, Effect::Harmless, &reply, "did")?;
                match is_did(did) {
                    true => Ok(Some(did.to_owned())),
                    false => Err(unreadable(operation, Effect::Harmless, "its `did` is none")),
                }
            }
            // The lexicon has a name of its own for it, which the reference server does not use (packages/pds).
            Err(error) if error.code == HANDLE_NOT_FOUND || error.code == "InvalidRequest" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The post in its present version, and the whole reply.
    async fn ask_post(
        &self,
        session: Session<'_>,
        reference: &Option<Reference>,
        checkpoint: &Checkpoint,
    ) -> Result<(Strong, Value), Error> {
        let operation = operation::GET_RECORD;
        let gone = |what: &str| Error::new(operation, ErrorKind::Rejected, "no-such-post", what);
        let reference = reference.as_ref().ok_or_else(|| gone("there is no post to look for"))?;
        let did = match reference.handle() {
            None => reference.who.clone(),
            Some(handle) => checkpoint.people.get(handle).cloned().flatten().ok_or_else(|| {
                gone(&format!(
                    "nobody has the handle {}, whose post is quoted or replied to",
                    foreign(handle)
                ))
            })?,
        };
        let reply = self.client.get_record(session, (&did, POST, &reference.rkey)).await?;
        let cid = text(operation, Effect::Harmless, &reply, "cid")?.to_owned();
        Ok((Strong { uri: uri(&did, &reference.rkey), cid }, reply))
    }

    /// A reply names the post that it answers and the one that the thread begins with.
    async fn ask_parents(
        &self,
        session: Session<'_>,
        reference: &Option<Reference>,
        checkpoint: &Checkpoint,
    ) -> Result<Parents, Error> {
        let (parent, reply) = self.ask_post(session, reference, checkpoint).await?;
        let root = match &reply["value"]["reply"]["root"] {
            Value::Null => parent.clone(),
            root => serde_json::from_value(root.clone()).map_err(|_| {
                unreadable(operation::GET_RECORD, Effect::Harmless, "the thread's first post is not named")
            })?,
        };
        Ok(Parents { root, parent })
    }

    /// What the server calls the blob goes into the record to the letter.
    async fn upload(&self, job: &Job, session: Session<'_>, n: usize) -> Result<Value, Error> {
        let operation = operation::UPLOAD_BLOB;
        let (part, content_type, _) = self.part(operation, job, n).await?;
        let size = part.length();
        let reply = self.client.upload_blob(session, part, content_type).await?;
        let blob = &reply["blob"];
        if blob["$type"] != "blob" || !blob["ref"]["$link"].is_string() || blob["size"] != size {
            return Err(unreadable(operation, Effect::Harmless, "it lacks the blob of this size"));
        }
        Ok(blob.clone())
    }

    /// A medium's bytes, their type, and a name that is theirs alone.
    pub(super) async fn part(
        &self,
        operation: &'static str,
        job: &Job,
        n: usize,
    ) -> Result<(upload::Part, &'static str, String), Error> {
        let Some(medium @ Medium::File { path, size, digest, stamp, .. }) = job.payload.media.get(n) else {
            let message = "the payload's medium is no file";
            return Err(Error::new(operation, ErrorKind::Local, "foreign-payload", message));
        };
        let expected = Expected { path: job.content.join(path), stamp: *stamp, digest: *digest };
        let part = self.files.open(operation, expected, (0, *size), job.progress.clone()).await?;
        Ok((part, media::content_type(medium), format!("{}.mp4", digest.short())))
    }

    pub(super) async fn publish_once(&self, job: &Job, grant: &Grant) -> Result<Sent, Error> {
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let frozen = frozen(&checkpoint)?;
        if frozen.did != did_of(grant)? {
            let message = "another account has been logged in since the post was staged";
            return Err(Error::new(operation::PUT_RECORD, ErrorKind::Local, "other-owner", message));
        }
        // What was never sent may be made anew; what was sent keeps its key for ever.
        if job.intended_at.is_none() && job.now.duration_since(frozen.at) > FROZEN_LIFE {
            let message = "it was staged so long ago that its media may be gone and its time is past";
            let anew = Checkpoint { blobs: Vec::new(), video: None, frozen: None, ..checkpoint };
            return Ok(Sent::Stale(anew.store(), Reason::new("stale", message)));
        }
        let session = Session { grant, server: checkpoint.server(), log: &job.log };
        let (operation, request) = request(frozen);
        let reply = match self.client.publish(session, operation, request).await {
            // The same bytes are the same blobs, so that the record stays as it is.
            Err(error) if error.code == BLOB_NOT_FOUND && checkpoint.losses < LOSSES_MAX => {
                let losses = checkpoint.losses + 1;
                let anew = Checkpoint { blobs: Vec::new(), video: None, losses, ..checkpoint.clone() };
                return Ok(Sent::Stale(anew.store(), error.reason()));
            }
            reply => reply?,
        };
        let uri = uri(&frozen.did, &frozen.rkey);
        if operation == operation::PUT_RECORD && reply["uri"] != uri.as_str() {
            return Err(unreadable(operation, Effect::Once, "it names another record"));
        }
        Ok(Sent::Published(self.remote(frozen), None))
    }

    pub(super) fn remote(&self, frozen: &Frozen) -> Remote {
        Remote {
            id: Some(uri(&frozen.did, &frozen.rkey)),
            url: Some(self.client.post_url(&frozen.did, &frozen.rkey)),
        }
    }
}

/// The request that makes it public.
fn request(frozen: &Frozen) -> (&'static str, Value) {
    let Frozen { did, rkey, record, parts, gates, .. } = frozen;
    if !frozen.is_several() {
        // `null`, written out: nothing may be there yet. Left out, it would overwrite what is there.
        let body =
            json!({ "repo": did, "collection": POST, "rkey": rkey, "record": record, "swapRecord": null });
        return (operation::PUT_RECORD, body);
    }
    let create = |rkey: &String, value: &Value| json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": value["$type"], "rkey": rkey, "value": value });
    let mut writes = vec![create(rkey, record)];
    writes.extend(parts.iter().map(|part| create(&part.rkey, &part.record)));
    writes.extend(gates.iter().map(|gate| create(rkey, gate)));
    (operation::APPLY_WRITES, json!({ "repo": did, "writes": writes }))
}

pub(super) fn publish_operation(checkpoint: &Checkpoint) -> &'static str {
    match &checkpoint.frozen {
        Some(frozen) if frozen.is_several() => operation::APPLY_WRITES,
        _ => operation::PUT_RECORD,
    }
}

pub(super) fn frozen(checkpoint: &Checkpoint) -> Result<&Frozen, Error> {
    checkpoint.frozen.as_ref().ok_or_else(|| {
        let message = "the recorded checkpoint has no record";
        Error::new("resume", ErrorKind::Local, "foreign-checkpoint", message)
    })
}

/// Everybody who has to be looked up: those mentioned, and the authors of other posts.
fn people(body: &Body) -> Vec<String> {
    let mut people: Vec<_> = body.texts().flat_map(facets::mentions).collect();
    let others = [&body.quote, &body.reply].into_iter().flatten().filter_map(Reference::handle);
    people.extend(others.map(str::to_owned));
    people
}

pub(super) fn did_of(grant: &Grant) -> Result<&str, Error> {
    let message = "the login does not tell whose it is: log in again";
    let unknown = || Error::new("resume", ErrorKind::Permission, "no-subject", message);
    Some(grant.subject.as_str()).filter(|did| is_did(did)).ok_or_else(unknown)
}

fn random_clock() -> Result<u16, Error> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new("freeze", ErrorKind::Local, "no-random", error.to_string()))?;
    Ok(u16::from_le_bytes(bytes))
}
