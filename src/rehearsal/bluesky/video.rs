//! The video service (lexicons `app.bsky.video.*`, docs.bsky.app's video tutorial, read 2026-11-22): tickets instead of
//! tokens, a job for each file, and a blob once the job is done. What it makes of a file is the file.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Server;
use super::super::http::{self, Reply};
use super::super::random;
use super::{Answer, Caller, MINUTE_MS, Query, Refusal, bearer, blob, id, jwt};

const SERVICE_DID: &str = "did:web:video.bsky.app";
/// A ticket for one method lives for an hour at most, one for all of them for a minute (packages/pds).
const TICKET_LIFE_MAX_S: i64 = 60 * 60;
const WIDE_TICKET_LIFE_MAX_S: i64 = 60;
/// Videos of an account in a day (docs.bsky.app, August 2026).
const VIDEOS_MAX: u32 = 25;
const VIDEOS_WINDOW_MS: i64 = 24 * 60 * MINUTE_MS;
/// Bytes of one (lexicon `app.bsky.embed.video`).
const BYTES_MAX: u64 = 300_000_000;

/// A file that was sent to the service.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) did: String,
    pub(super) cid: String,
    pub(super) at: i64,
    /// No MP4.
    pub(super) is_foreign: bool,
}

pub(super) fn service_auth(caller: &Caller, query: &Query) -> Answer {
    let (audience, now) = (query.required("aud")?, caller.server.now() / 1_000);
    let method = query.get("lxm");
    let life_max = if method.is_some() { TICKET_LIFE_MAX_S } else { WIDE_TICKET_LIFE_MAX_S };
    let end = query.get("exp").map_or(Some(now + 60), |exp| exp.parse().ok());
    let end = end.filter(|end| (now..=now + life_max).contains(end));
    let end = end.ok_or_else(|| Refusal::new(400, "BadExpiration", "cannot request a token that long"))?;
    let claims = json!({
        "iss": caller.did, "aud": audience, "lxm": method, "exp": end, "jti": random::hex(8)?,
    });
    Ok(json!({ "token": jwt::issue(&caller.server.bluesky().kept.key, "JWT", &claims) }))
}

/// Whose ticket it is.
fn admit(server: &Server, parts: &Parts, audience: &str, method: &str) -> Result<String, Refusal> {
    let refused = |why: &str| Refusal::new(401, "AuthenticationRequired", why);
    let claims = jwt::verify(&server.bluesky().kept.key, bearer(&parts.headers)?);
    let claims = claims.ok_or_else(|| refused("the token is not the account's"))?;
    if claims["aud"] != audience {
        return Err(refused("bad token audience"));
    }
    if claims["lxm"] != method {
        return Err(refused("bad token method"));
    }
    if claims["exp"].as_i64().unwrap_or_default() <= server.now() / 1_000 {
        return Err(refused("the token has expired"));
    }
    Ok(claims["iss"].as_str().unwrap_or_default().to_owned())
}

pub(super) fn limits(server: &Server, parts: &Parts) -> Answer {
    let did = admit(server, parts, SERVICE_DID, "app.bsky.video.getUploadLimits")?;
    let left = server.bluesky().left(&format!("videos {did}"), VIDEOS_MAX, VIDEOS_WINDOW_MS, server.now());
    let mut answer = json!({
        "canUpload": left > 0, "remainingDailyVideos": left, "remainingDailyBytes": u64::from(left) * BYTES_MAX,
    });
    if left == 0 {
        answer["error"] = "daily_limit_reached".into();
        answer["message"] = "You have reached the daily limit".into();
    }
    Ok(answer)
}

pub(super) async fn upload(
    server: &Arc<Server>,
    parts: &Parts,
    body: &mut Incoming,
) -> Result<Reply, Refusal> {
    let own = format!("did:web:{}", server.base_url.trim_start_matches("http://").replace(':', "%3A"));
    let signer = admit(server, parts, &own, "com.atproto.repo.uploadBlob")?;
    let query = Query::of(parts);
    let (did, _name) = (query.required("did")?.to_owned(), query.required("name")?);
    if did != signer {
        return Err(Refusal::new(401, "AuthenticationRequired", "the token is somebody else's"));
    }
    if parts.headers.get("content-type").is_none_or(|given| given != "video/mp4") {
        return Err(Refusal::invalid("only video/mp4 is taken"));
    }
    let received = blob::keep(server, (&parts.headers, "video/mp4"), body, BYTES_MAX).await?;
    let mut model = server.bluesky();
    let known = model.kept.videos.iter().find(|job| job.did == did && job.cid == received.cid).cloned();
    if let Some(job) = known.filter(|job| !job.is_foreign) {
        let mut answer = described(server, &model, &job);
        answer["error"] = "already_exists".into();
        answer["message"] = "Video already processed".into();
        return Ok(http::json(StatusCode::CONFLICT, &answer));
    }
    if !model.take(&format!("videos {did}"), 1, VIDEOS_MAX, VIDEOS_WINDOW_MS, server.now()).0 {
        return Err(Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded"));
    }
    let (id, at) = (random::hex(8)?, server.now());
    let job = Job { id, did, cid: received.cid, at, is_foreign: !received.is_mp4 };
    model.kept.videos.push(job.clone());
    model.save(&server.store)?;
    // Without the wrapper that the lexicon has, as has been seen (atproto#3026).
    Ok(http::json(StatusCode::OK, &described(server, &model, &job)))
}

pub(super) fn status(server: &Server, query: &Query) -> Answer {
    let wanted = query.required("jobId")?;
    let model = server.bluesky();
    let job = model.kept.videos.iter().find(|job| job.id == wanted);
    let job = job.ok_or_else(|| Refusal::invalid("There is no such job"))?;
    Ok(json!({ "jobStatus": described(server, &model, job) }))
}

fn described(server: &Server, model: &super::Model, job: &Job) -> Value {
    let is_done = server.now() >= job.at + server.processing_ms;
    let state = match (is_done, job.is_foreign) {
        (false, _) => "JOB_STATE_ENCODING",
        (true, true) => "JOB_STATE_FAILED",
        (true, false) => "JOB_STATE_COMPLETED",
    };
    let mut status = json!({ "jobId": job.id, "did": job.did, "state": state });
    match (is_done, job.is_foreign) {
        (false, _) => status["progress"] = 50.into(),
        (true, true) => {
            status["error"] = "validation_failure".into();
            status["message"] = "this is no video".into();
        }
        (true, false) => {
            let size = model.kept.blobs.get(&job.cid).map_or(0, |blob| blob.size);
            status["blob"] = id::blob(&job.cid, "video/mp4", size);
        }
    }
    status
}
