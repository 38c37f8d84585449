//! Mastodon's client interface: apps and tokens, media, statuses, what is scheduled (its documentation at 2903485 and the
//! source that follows it; read 2026-11-22).
//!
//! Where another kind of server answers differently, [`MastodonSetup`] says so.

mod consent;
mod html;
mod instance;
mod limits;
mod model;
mod multipart;
mod oauth;
mod params;
mod performed;
mod rules;
mod scheduled;
mod setup;
mod status;
mod statuses;
#[cfg(test)]
mod tests;
mod timeline;
mod upload;

use std::io;
use std::sync::{Arc, MutexGuard};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, LINK};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use self::params::Params;
use super::http::{self, Reply};
use super::settings::AccountSetup;
use super::{Server, random};

pub(super) use self::model::{App, Model};
pub(super) use self::oauth::issue_grant;
pub(super) use self::performed::performed;
pub use self::setup::{MastodonSetup, Replay};
pub(super) use self::upload::serve as serve_media;

/// Whether a path is one of Mastodon's.
pub(super) fn serves(path: &str) -> bool {
    ["/api/", "/oauth/", "/.well-known/", "/nodeinfo/"].iter().any(|start| path.starts_with(start))
}

/// The operation's name, which faults and the list of requests go by.
pub(super) fn operation(method: &Method, path: &str) -> &'static str {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), &parts[..]) {
        ("GET", [".well-known", "oauth-authorization-server"]) => "discover",
        ("GET", [".well-known", "nodeinfo"]) => "nodeinfo_links",
        ("GET", ["nodeinfo", "2.0"]) => "nodeinfo",
        ("POST", ["api", "v1", "apps"]) => "app_register",
        ("GET", ["oauth", "authorize"]) => "oauth_authorize",
        ("POST", ["oauth", "authorize"]) => "oauth_consent",
        ("POST", ["oauth", "token"]) => "oauth_token",
        ("POST", ["oauth", "revoke"]) => "oauth_revoke",
        ("GET", ["api", "v1", "instance"]) => "instance_v1",
        ("GET", ["api", "v2", "instance"]) => "instance",
        ("GET", ["api", "v1", "accounts", "verify_credentials"]) => "verify_credentials",
        ("GET", ["api", "v1", "accounts", _, "statuses"]) => "account_statuses",
        ("POST", ["api", "v2", "media"]) => "media_upload",
        ("GET", ["api", "v1", "media", _]) => "media_get",
        ("PUT", ["api", "v1", "media", _]) => "media_update",
        ("DELETE", ["api", "v1", "media", _]) => "media_delete",
        ("POST", ["api", "v1", "statuses"]) => "status_create",
        ("GET", ["api", "v1", "statuses", _]) => "status_get",
        ("PUT", ["api", "v1", "statuses", _]) => "status_edit",
        ("DELETE", ["api", "v1", "statuses", _]) => "status_delete",
        ("GET", ["api", "v1", "statuses", _, "source"]) => "status_source",
        ("GET", ["api", "v1", "statuses", _, "context"]) => "status_context",
        ("GET", ["api", "v1", "statuses", _, "history"]) => "status_history",
        ("GET", ["api", "v1", "scheduled_statuses"]) => "scheduled_list",
        ("GET", ["api", "v1", "scheduled_statuses", _]) => "scheduled_get",
        ("PUT", ["api", "v1", "scheduled_statuses", _]) => "scheduled_move",
        ("DELETE", ["api", "v1", "scheduled_statuses", _]) => "scheduled_cancel",
        _ => "unknown_endpoint",
    }
}

/// One of these is needed (docs api/oauth-scopes).
fn scopes_for(operation: &str) -> &'static [&'static str] {
    match operation {
        "verify_credentials" => &["profile", "read", "read:accounts"],
        "account_statuses" | "status_get" | "status_source" | "status_context" | "status_history"
        | "scheduled_list" | "scheduled_get" => &["read", "read:statuses"],
        "media_upload" | "media_get" | "media_update" | "media_delete" => &["write", "write:media"],
        "status_create" | "status_edit" | "status_delete" | "scheduled_move" | "scheduled_cancel" => {
            &["write", "write:statuses"]
        }
        _ => &[],
    }
}

/// What is public needs no token, but a token that is there must be good.
fn is_public(operation: &str) -> bool {
    matches!(operation, "account_statuses" | "status_get" | "status_context" | "status_history")
}

/// A refusal: HTTP status, what is said, and sometimes more.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: String,
    more: Map<String, Value>,
}

impl Refusal {
    fn new(status: u16, error: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refusal { status, error: error.to_owned(), more: Map::new() }
    }

    fn with(mut self, name: &str, value: Value) -> Refusal {
        self.more.insert(name.to_owned(), value);
        self
    }

    fn invalid(what: &str) -> Refusal {
        Refusal::new(422, &format!("Validation failed: {what}"))
    }

    fn not_found() -> Refusal {
        Refusal::new(404, "Record not found")
    }

    fn reply(self) -> Reply {
        let mut body = self.more;
        body.insert("error".to_owned(), self.error.into());
        http::json(self.status, &Value::Object(body))
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        tracing::warn!(%error, "rehearsal state was not stored");
        Refusal::new(500, "Internal Server Error")
    }
}

pub(super) fn error_reply(status: StatusCode, message: &str) -> Reply {
    http::json(status, &json!({ "error": message }))
}

/// What is answered with success.
struct Success {
    status: StatusCode,
    body: Value,
    /// Where the next and the previous page are.
    link: Option<String>,
}

impl From<Value> for Success {
    fn from(body: Value) -> Success {
        Success { status: StatusCode::OK, body, link: None }
    }
}

type Answer = Result<Success, Refusal>;

/// Who calls, once the token was good.
#[derive(Clone)]
struct Caller {
    account: AccountSetup,
    client_id: String,
}

/// A request that was read and may be answered.
struct Call {
    server: Arc<Server>,
    caller: Option<Caller>,
    params: Params,
    /// What the path names.
    id: String,
    /// The header `Idempotency-Key`.
    key: Option<String>,
}

impl Call {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.server.mastodon()
    }

    fn now(&self) -> i64 {
        self.server.now()
    }

    /// The caller of an operation that nobody may call without a token.
    fn caller(&self) -> Result<&Caller, Refusal> {
        self.caller.as_ref().ok_or_else(invalid_token)
    }

    /// The number in the path; one that is none is found nowhere.
    fn id(&self) -> Result<i64, Refusal> {
        self.id.parse().map_err(|_| Refusal::not_found())
    }
}

pub(super) async fn handle(
    server: &Arc<Server>,
    operation: &'static str,
    parts: &Parts,
    body: &mut Incoming,
) -> Reply {
    match operation {
        "oauth_authorize" => return consent::show(server, parts),
        "oauth_consent" => return consent::decide(server, body).await,
        _ => {}
    }
    let limited = limits::take(server, operation, parts);
    let answer = match limited.is_some_and(|window| !window.is_allowed) {
        true => Err(Refusal::new(429, "Too many requests")),
        false => answer(server, operation, parts, body).await,
    };
    let is_too_large = answer.as_ref().is_err_and(|refusal| refusal.status == StatusCode::PAYLOAD_TOO_LARGE);
    if !is_too_large {
        // The proxy in front takes in the whole request first, so that whoever is refused hears it.
        http::drain_refused(body).await;
    }
    let mut reply = match answer {
        Ok(success) => {
            let mut reply = http::json(success.status, &success.body);
            if let Some(link) = success.link.and_then(|link| HeaderValue::try_from(link).ok()) {
                reply.headers_mut().insert(LINK, link);
            }
            reply
        }
        Err(refusal) => refusal.reply(),
    };
    if let Some(window) = limits::closest(server, operation, parts, limited) {
        limits::show(window, reply.headers_mut());
    }
    if is_too_large {
        // This one it answers at once, and hangs up on whoever goes on sending.
        reply.headers_mut().insert("connection", HeaderValue::from_static("close"));
    }
    reply
}

async fn answer(server: &Arc<Server>, operation: &'static str, parts: &Parts, body: &mut Incoming) -> Answer {
    let caller = admit(server, operation, &parts.headers);
    if operation == "media_upload" {
        let Some(caller) = caller? else { return Err(invalid_token()) };
        return upload::create(server, &caller, &parts.headers, body).await;
    }
    let caller = caller?;
    let bytes = http::collect(body).await;
    let bytes = bytes.ok_or_else(|| Refusal::new(413, "Payload Too Large"))?;
    let params = Params::of(parts.uri.query(), &parts.headers, &bytes)?;
    let id = parts.uri.path().split('/').nth(4).unwrap_or_default().to_owned();
    let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.filter(|key| !key.trim().is_empty()).map(str::to_owned);
    let call = Call { server: Arc::clone(server), caller, params, id, key };
    match operation {
        "discover" => oauth::discover(&call),
        "nodeinfo_links" => instance::links(&call),
        "nodeinfo" => instance::software(&call),
        "app_register" => oauth::register(&call),
        "oauth_token" => oauth::token(&call),
        "oauth_revoke" => oauth::revoke(&call),
        "instance_v1" => instance::show_v1(&call),
        "instance" => instance::show(&call),
        "verify_credentials" => timeline::who(&call),
        "account_statuses" => timeline::of_account(&call),
        "media_get" => upload::get(&call),
        "media_update" => upload::update(&call),
        "media_delete" => upload::delete(&call),
        "status_create" => statuses::create(call).await,
        "status_get" => statuses::get(&call),
        "status_edit" => statuses::edit(&call),
        "status_delete" => statuses::delete(&call),
        "status_source" => statuses::source(&call),
        "status_context" => timeline::context(&call),
        "status_history" => statuses::history(&call),
        "scheduled_list" => scheduled::list(&call),
        "scheduled_get" => scheduled::get(&call),
        "scheduled_move" => scheduled::reschedule(&call),
        "scheduled_cancel" => scheduled::cancel(&call),
        _ => Err(Refusal::not_found()),
    }
}

fn invalid_token() -> Refusal {
    Refusal::new(401, "The access token is invalid")
}

/// Token, then scope, then person. Nobody, where nobody has to be.
fn admit(server: &Server, operation: &str, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
    let scopes = scopes_for(operation);
    if scopes.is_empty() || (is_public(operation) && !headers.contains_key(AUTHORIZATION)) {
        return Ok(None);
    }
    let model = server.mastodon();
    let digest = bearer_digest(headers).ok_or_else(invalid_token)?;
    let token = model.kept.tokens.iter().find(|token| token.sha256 == digest).ok_or_else(invalid_token)?;
    if token.is_revoked {
        return Err(Refusal::new(401, "The access token was revoked"));
    }
    if !token.scopes.iter().any(|scope| scopes.contains(&scope.as_str())) {
        return Err(Refusal::new(403, "This action is outside the authorized scopes"));
    }
    let account = token.account.as_ref().and_then(|name| model.account(name)).cloned();
    let account = account.ok_or_else(|| Refusal::new(422, "This method requires an authenticated user"))?;
    match account.barred {
        Some(_) => Err(Refusal::new(403, "Your login is currently disabled")),
        None => Ok(Some(Caller { account, client_id: token.client_id.clone() })),
    }
}

fn bearer_digest(headers: &HeaderMap) -> Option<String> {
    let token = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    Some(random::sha256_hex(token))
}

/// There is no expiry; whoever has taken the app from the list of authorized ones ends a token like this.
pub(super) fn expire_access_token(server: &Server, parts: &Parts) {
    let digest = bearer_digest(&parts.headers);
    let mut model = server.mastodon();
    model.kept.tokens.iter_mut().filter(|token| Some(&token.sha256) == digest.as_ref()).for_each(|token| {
        token.is_revoked = true;
    });
    if let Err(error) = model.save(&server.store) {
        tracing::warn!(%error, "rehearsal state was not stored");
    }
}

/// As it is written in replies: UTC, with milliseconds.
fn time(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
