//! Bluesky's server interface: sessions, records, blobs (atproto.com specifications, the lexicons, packages/pds; read
//! 2026-11-22).
//!
//! A repository is a map from collection and key to a record. What was written is listed for ever, also what was
//! overwritten or deleted since, so that posting twice shows.

mod blob;
mod id;
mod jwt;
mod model;
mod repo;
mod rules;
mod session;
#[cfg(test)]
mod tests;
mod video;

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::http::{self, Reply};
use super::settings::AccountSetup;
use super::{Server, files, publication};

pub(super) use self::blob::serve as serve_blob;
pub(super) use self::model::Model;
pub(super) use self::session::issue_grant;

pub(super) const PREFIX: &str = "/xrpc/";

const MINUTE_MS: i64 = 60_000;
/// All requests of an address (docs.bsky.app, rate limits, read 2026-11-22).
const REQUESTS_MAX: u32 = 3_000;
const REQUESTS_WINDOW_MS: i64 = 5 * MINUTE_MS;

/// The operation's name, which faults and the list of requests go by.
pub(super) fn operation(method: &Method, path: &str) -> &'static str {
    match (method.as_str(), path.strip_prefix(PREFIX).unwrap_or_default()) {
        ("POST", "com.atproto.server.createSession") => "createSession",
        ("POST", "com.atproto.server.refreshSession") => "refreshSession",
        ("POST", "com.atproto.server.deleteSession") => "deleteSession",
        ("GET", "com.atproto.server.getSession") => "getSession",
        ("GET", "com.atproto.server.describeServer") => "describeServer",
        ("GET", "com.atproto.identity.resolveHandle") => "resolveHandle",
        ("POST", "com.atproto.repo.uploadBlob") => "uploadBlob",
        ("GET", "com.atproto.repo.getRecord") => "getRecord",
        ("GET", "com.atproto.repo.listRecords") => "listRecords",
        ("POST", "com.atproto.repo.putRecord") => "putRecord",
        ("POST", "com.atproto.repo.createRecord") => "createRecord",
        ("POST", "com.atproto.repo.applyWrites") => "applyWrites",
        ("POST", "com.atproto.repo.deleteRecord") => "deleteRecord",
        ("GET", "com.atproto.server.getServiceAuth") => "getServiceAuth",
        ("GET", "app.bsky.video.getUploadLimits") => "getUploadLimits",
        ("POST", "app.bsky.video.uploadVideo") => "uploadVideo",
        ("GET", "app.bsky.video.getJobStatus") => "getJobStatus",
        _ => "unknownMethod",
    }
}

/// A refusal: HTTP status, error name and message.
#[derive(Debug)]
struct Refusal(StatusCode, String, String);

impl Refusal {
    fn new(status: u16, code: &str, message: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refusal(status, code.to_owned(), message.to_owned())
    }

    /// Also what a lexicon does not allow.
    fn invalid(message: &str) -> Refusal {
        Refusal::new(400, "InvalidRequest", message)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        tracing::warn!(%error, "rehearsal state was not stored");
        Refusal::new(500, "InternalServerError", "Internal Server Error")
    }
}

pub(super) fn error_reply(status: StatusCode, code: &str, message: &str) -> Reply {
    http::json(status, &json!({ "error": code, "message": message }))
}

/// An answer, or the reason why there is none.
type Answer = Result<Value, Refusal>;

pub(super) async fn handle(
    server: &Arc<Server>,
    operation: &'static str,
    parts: &Parts,
    body: &mut Incoming,
) -> Reply {
    let now = server.now();
    let (is_allowed, left, reset) = server.bluesky().take("all", 1, REQUESTS_MAX, REQUESTS_WINDOW_MS, now);
    let answer = match is_allowed {
        true if operation == "uploadVideo" => video::upload(server, parts, body).await,
        true => answer(server, operation, parts, body).await.map(|value| http::json(StatusCode::OK, &value)),
        false => Err(Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded")),
    };
    let mut reply = match answer {
        Ok(reply) => reply,
        Err(Refusal(status, code, message)) => error_reply(status, &code, &message),
    };
    let headers = reply.headers_mut();
    let reset = (reset + 999) / 1_000;
    for (name, value) in [
        ("ratelimit-limit", REQUESTS_MAX.to_string()),
        ("ratelimit-remaining", left.to_string()),
        ("ratelimit-reset", reset.to_string()),
        ("ratelimit-policy", format!("{REQUESTS_MAX};w={}", REQUESTS_WINDOW_MS / 1_000)),
    ] {
        let value = HeaderValue::try_from(value).expect("digits are a header value");
        headers.insert(HeaderName::from_static(name), value);
    }
    if operation == "uploadBlob" && reply.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // As the reference server does: it answers at once and hangs up on whoever goes on sending.
        reply.headers_mut().insert("connection", HeaderValue::from_static("close"));
    }
    reply
}

async fn answer(server: &Arc<Server>, operation: &str, parts: &Parts, body: &mut Incoming) -> Answer {
    if operation == "uploadBlob" {
        return blob::upload(server, &parts.headers, body).await;
    }
    let bytes = http::collect(body).await;
    let bytes = bytes.ok_or_else(|| Refusal::new(413, "PayloadTooLarge", "request entity too large"))?;
    let query = Query::of(parts);
    match operation {
        "createSession" => session::create(server, &input(&parts.headers, &bytes)?),
        "refreshSession" => session::refresh(server, &parts.headers),
        "deleteSession" => session::delete(server, &parts.headers),
        "getSession" => session::who(server, &parts.headers),
        "describeServer" => Ok(json!({
            "did": session::SERVER_DID, "availableUserDomains": [".test"], "inviteCodeRequired": false,
        })),
        "resolveHandle" => session::resolve(server, &query),
        "getRecord" => repo::get(server, &query),
        "listRecords" => repo::list(server, &query),
        "putRecord" => repo::put(&caller(server, parts)?, &input(&parts.headers, &bytes)?),
        "createRecord" => repo::create(&caller(server, parts)?, &input(&parts.headers, &bytes)?),
        "applyWrites" => repo::apply(&caller(server, parts)?, &input(&parts.headers, &bytes)?),
        "getServiceAuth" => video::service_auth(&caller(server, parts)?, &query),
        "getUploadLimits" => video::limits(server, parts),
        "getJobStatus" => video::status(server, &query),
        "deleteRecord" => repo::delete(&caller(server, parts)?, &input(&parts.headers, &bytes)?),
        _ => Err(Refusal::new(501, "MethodNotImplemented", "Method Not Implemented")),
    }
}

/// Who calls, once the access token was good.
struct Caller<'a> {
    server: &'a Arc<Server>,
    account: AccountSetup,
    did: String,
}

fn caller<'a>(server: &'a Arc<Server>, parts: &Parts) -> Result<Caller<'a>, Refusal> {
    let account = session::admit(server, &parts.headers)?;
    let did = id::did(&account.name);
    Ok(Caller { server, account, did })
}

fn input(headers: &HeaderMap, body: &[u8]) -> Answer {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !given.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::invalid("Request encoding (Content-Type) required but not provided"));
    }
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| Refusal::invalid("Input must be an object"))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    token
        .and_then(|token| token.strip_prefix("Bearer "))
        .ok_or_else(|| Refusal::new(401, "AuthMissing", "Authentication Required"))
}

/// The query's pairs, decoded once.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(parts: &Parts) -> Query {
        let decode = |part: &str| files::percent_decode(&part.replace('+', " ")).unwrap_or_default();
        let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Query(pairs.map(|(key, value)| (decode(key), decode(value))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || Refusal::invalid(&format!("Params must have the property \"{name}\""));
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }
}

/// A text of the input that must be there.
fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let missing = || Refusal::invalid(&format!("Input must have the property \"{name}\""));
    input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(missing)
}

pub(super) fn expire_access_token(server: &Server, parts: &Parts) {
    if let Ok(token) = bearer(&parts.headers) {
        server.bluesky().expire(token);
    }
}

/// Everything ever written to `app.bsky.feed.post`, oldest first.
pub(super) fn performed(server: &Server) -> Vec<publication::PerformedPublication> {
    server.bluesky().performed(&server.store)
}
