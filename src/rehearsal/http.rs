//! HTTP over loopback: connections, bodies with bounds, replies, and the faults around each request.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::Server;
use super::faults::{Action, Fault};
use super::requests::Outcome;
use super::settings::Network;
use super::{bluesky, control, mastodon, random, tiktok, trends};

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Reply = Response<Body>;

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// One read from a socket. Larger reads save wake-ups in an upload, smaller ones memory.
const READ_BUFFER: usize = 64 * 1024;
/// The largest JSON or form body.
const BODY_MAX: usize = 1024 * 1024;
/// How much of a refused body is read, so that the client gets to see the refusal: one final chunk.
const DRAIN_MAX: u64 = 128 * 1024 * 1024;
/// Between attempts when the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connection is closed without a reply.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Serves until it is aborted; the connections go down with it.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, Arc::clone(&server), permit))),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>, _permit: OwnedSemaphorePermit) {
    // Small replies should leave at once; where that cannot be set, they are only later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(Arc::clone(&server), request));
    let served =
        http1::Builder::new().max_buf_size(READ_BUFFER).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "rehearsal connection ended");
    }
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Reply, Cut> {
    let (parts, mut body) = request.into_parts();
    if !is_loopback_host(&parts) {
        return Ok(text(StatusCode::MISDIRECTED_REQUEST, "the rehearsal answers on loopback only"));
    }
    if parts.uri.path().starts_with(control::PREFIX) {
        return Ok(control::handle(&server, &parts, body).await);
    }
    let operation = trends::operation(parts.uri.path()).unwrap_or_else(|| match network(&parts) {
        Network::Bluesky => bluesky::operation(&parts.method, parts.uri.path()),
        Network::Mastodon => mastodon::operation(&parts.method, parts.uri.path()),
        Network::Tiktok => tiktok::operation(&parts.method, parts.uri.path()),
    });
    let fired = server.faults.fire(operation);
    let seen = server.requests.begin(operation, &parts, server.now());
    let result = perform(&server, operation, &parts, &mut body, &fired).await;
    let outcome = result.as_ref().map_or(Outcome::Cut, |reply| Outcome::Replied(reply.status().as_u16()));
    server.requests.end(seen, outcome);
    result
}

/// Whose interface it is; what nobody else has is TikTok's, and with it the feed.
fn network(parts: &Parts) -> Network {
    match parts.uri.path() {
        path if path.starts_with(bluesky::PREFIX) => Network::Bluesky,
        path if mastodon::serves(path) => Network::Mastodon,
        _ => Network::Tiktok,
    }
}

/// Keeps a page on the internet from reaching the rehearsal through a name that resolves to loopback.
fn is_loopback_host(parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

async fn perform(
    server: &Arc<Server>,
    operation: &'static str,
    parts: &Parts,
    body: &mut Incoming,
    fired: &[Fault],
) -> Result<Reply, Cut> {
    let mut instead = None;
    for fault in fired {
        match &fault.action {
            Action::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Action::CutBeforeRead => return Err(Cut),
            Action::CutMidRequestBody { after } => {
                drain(body, *after).await;
                return Err(Cut);
            }
            Action::Status { code, body } => instead = Some(fault_reply(parts, *code, body.as_deref())),
            Action::ExpireAccessToken => match network(parts) {
                Network::Bluesky => bluesky::expire_access_token(server, parts),
                Network::Mastodon => mastodon::expire_access_token(server, parts),
                Network::Tiktok => tiktok::expire_access_token(server, parts),
            },
            Action::Pass
            | Action::EffectThenCut
            | Action::EffectThenStatus { .. }
            | Action::GarbageBody
            | Action::UnknownFields => {}
        }
    }
    let mut reply = match instead {
        Some(reply) => {
            drain(body, DRAIN_MAX).await;
            reply
        }
        None if trends::operation(parts.uri.path()).is_some() => {
            trends::handle(server, operation, parts, body).await
        }
        None => match network(parts) {
            Network::Bluesky => bluesky::handle(server, operation, parts, body).await,
            Network::Mastodon => mastodon::handle(server, operation, parts, body).await,
            Network::Tiktok => tiktok::handle(server, operation, parts, body).await,
        },
    };
    for fault in fired {
        match &fault.action {
            Action::EffectThenCut => return Err(Cut),
            Action::EffectThenStatus { code, body } => reply = fault_reply(parts, *code, body.as_deref()),
            Action::GarbageBody => reply = text(StatusCode::OK, "{\"data\":<upstream"),
            Action::UnknownFields => reply = with_unknown_fields(reply).await,
            _ => {}
        }
        override_headers(&mut reply, fault);
    }
    Ok(reply)
}

fn fault_reply(parts: &Parts, code: u16, body: Option<&str>) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = "a fault was asked for";
    match (body, network(parts)) {
        (Some(body), _) => with_type(status, "application/json", body.to_owned()),
        (None, Network::Bluesky) => bluesky::error_reply(status, "InternalServerError", message),
        (None, Network::Mastodon) => mastodon::error_reply(status, message),
        (None, Network::Tiktok) => tiktok::error_reply(status, "internal_error", message),
    }
}

/// The reply with more in it than its documentation says; one that is no JSON as it is.
async fn with_unknown_fields(reply: Reply) -> Reply {
    let content_type = reply.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|content_type| content_type.starts_with("application/json")) {
        return reply;
    }
    let (parts, body) = reply.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = match serde_json::from_slice(&bytes) {
        Ok(value) => full(add_unknown_fields(value).to_string()),
        Err(_) => full(bytes),
    };
    Response::from_parts(parts, body)
}

fn add_unknown_fields(value: Value) -> Value {
    match value {
        // What is called by the digest of its content is as its author wrote it (atproto.com, data model).
        Value::Object(fields) if fields.contains_key("$type") => Value::Object(fields),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, add_unknown_fields(value)));
            let unknown = ("x_unknown".to_owned(), json!({ "state": "UNHEARD_OF", "items": [1, null] }));
            Value::Object(fields.chain([unknown]).collect())
        }
        Value::Array(items) => items.into_iter().map(add_unknown_fields).collect(),
        other => other,
    }
}

fn override_headers(reply: &mut Reply, fault: &Fault) {
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            reply.headers_mut().insert(name, value);
        }
    }
}

/// Reads and drops up to `limit` bytes.
pub(super) async fn drain(body: &mut Incoming, limit: u64) {
    let mut read = 0;
    while read < limit && !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => return,
        }
    }
}

/// A refusal is of no use to a client that is still sending: reads the rest of what it sends first.
pub(super) async fn drain_refused(body: &mut Incoming) {
    drain(body, DRAIN_MAX).await;
}

/// The whole body; `None` when it is too large or breaks off.
pub(super) async fn collect(body: &mut Incoming) -> Option<Bytes> {
    Limited::new(body, BODY_MAX).collect().await.ok().map(http_body_util::Collected::to_bytes)
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(full(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    with_type(status, "application/json; charset=utf-8", value.to_string())
}

pub(super) fn text(status: StatusCode, message: &str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", message.to_owned())
}

/// A page that loads nothing from elsewhere and runs nothing; `render` puts the nonce on its one style element.
/// `form_action` is where its forms may lead.
pub(super) fn page(status: StatusCode, form_action: &str, render: impl FnOnce(&str) -> String) -> Reply {
    let nonce = random::hex(16).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self'; media-src 'self'; base-uri 'none'; \
         form-action {form_action}; frame-ancestors 'none'"
    );
    let mut reply = with_type(status, "text/html; charset=utf-8", render(&nonce));
    for (name, value) in [
        ("content-security-policy", policy.as_str()),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        let value = HeaderValue::try_from(value).expect("the policy is plain ASCII");
        reply.headers_mut().insert(HeaderName::from_static(name), value);
    }
    reply
}

pub(super) fn not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "unsupported path")
}

pub(super) fn bad_request(message: &str) -> Reply {
    json(StatusCode::BAD_REQUEST, &json!({ "error": message }))
}
