//! The shared HTTP client: builds connections late, bounds every wait and every reply, keeps secrets out of errors,
//! and never sends anything twice by itself.
//!
//! # Guarantees
//!
//! A request with [`Effect::Once`] leaves at most once. HTTP/2, which re-sends after a GOAWAY, is not compiled in;
//! reqwest's own retries and redirects are off. What is left is hyper-util, which takes another connection when an
//! idle one turns out to be closed before the request was written. reqwest 0.13.5 does not expose the switch
//! (`retry_canceled_requests`), and it only acts on connections that were used before: so these requests go through
//! a client that keeps no idle connections, each on a connection of its own.
//!
//! # Errors
//!
//! No connection: `Transient`, nothing was sent. Later: `Ambiguous` for [`Effect::Once`], else `Transient`.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{self, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use zeroize::Zeroize;

use super::error::{Error, foreign};
use super::multipart::Form;
use super::{RequestLog, upload};
use crate::clock::Clock;
use crate::domain::event::Request;
use crate::domain::retry::ErrorKind;
use crate::secret::Secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole request without an upload.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// For an upload: this, and the time its bytes take at the slowest speed that is worth waiting for.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
const UPLOAD_BYTES_PER_S_MIN: u64 = 100_000;
/// Idle connections are closed before the servers usually do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Idle connections to one host: a few accounts may be busy at a time.
const IDLE_MAX: usize = 4;
/// Replies are small JSON documents; more is not read.
const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// No platform is waited for longer than this at its word: the longest window of a limit.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const JSON: &str = "application/json; charset=UTF-8";

const USER_AGENT: &str = concat!("gitcast/", env!("CARGO_PKG_VERSION"));

/// A handle to the process's HTTP clients. They are built on first use: that loads the trusted roots, which commands
/// that send nothing need not pay for.
#[derive(Debug, Clone)]
pub struct Http {
    clock: Clock,
    request_timeout: Duration,
    /// Whether a connection may be used for a second request.
    reuses: bool,
    clients: Arc<Clients>,
}

impl Default for Http {
    fn default() -> Http {
        Http::new(Clock::system())
    }
}

/// One for each [`Place`], with idle connections and without.
#[derive(Debug, Default)]
struct Clients([OnceLock<Result<Client, String>>; 6]);

/// Where a request goes, as far as a client has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Remote,
    /// This machine, which no proxy of the environment can reach for us.
    Local,
    /// The same without TLS: there is no need to load the trusted roots.
    LocalPlain,
}

/// What a request does that must not be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; or nothing that repeating it would make worse.
    Harmless,
    /// It may make something public, or use up a token.
    Once,
}

/// One request.
#[derive(Debug)]
pub struct Call<'a> {
    /// The platform's name of it: `video/init`.
    pub operation: &'static str,
    pub effect: Effect,
    pub method: Method,
    pub url: Url,
    pub token: Option<Token<'a>>,
    pub body: Body<'a>,
}

/// What says who asks.
#[derive(Debug, Clone, Copy)]
pub enum Token<'a> {
    Bearer(&'a Secret),
    /// Alone in a header of this name.
    Header(&'static str, &'a Secret),
}

#[derive(Debug)]
pub enum Body<'a> {
    None,
    Json(serde_json::Value),
    /// The same under an `Idempotency-Key` of printable ASCII.
    Keyed(serde_json::Value, &'a str),
    Form(Vec<(&'static str, &'a str)>),
    /// Bytes of a file; `content_range` where they are a part of what is uploaded.
    Upload {
        part: upload::Part,
        content_type: &'static str,
        content_range: Option<String>,
    },
    Multipart(Form),
}

/// An answer, whatever its status. Wiped from memory when dropped: it may hold tokens. (What the libraries below buffer on
/// its way is out of reach.)
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Of the `Content-Range` header.
    pub content_range: Option<String>,
    /// How long the platform wants to be left alone, if it says so: `Retry-After`, `RateLimit-Reset` or
    /// `X-RateLimit-Reset`.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

/// What an adapter makes of a reply.
#[derive(Debug)]
pub struct Decoded<T> {
    pub result: Result<T, Error>,
    /// The platform's own id of the request.
    pub log_id: Option<String>,
}

impl Http {
    pub fn new(clock: Clock) -> Http {
        Http { clock, request_timeout: REQUEST_TIMEOUT, reuses: true, clients: Arc::default() }
    }

    /// The same with a connection for each request: for servers that close it behind each answer without saying so
    /// (snac 2.75), so that the next request on it is lost.
    pub fn without_reuse(&self) -> Http {
        Http { reuses: false, ..self.clone() }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends `call`, once, and writes down in `log` how it ended.
    pub async fn send<T>(
        &self,
        call: Call<'_>,
        log: &RequestLog,
        decode: impl FnOnce(&Reply) -> Decoded<T>,
    ) -> Result<T, Error> {
        let (operation, sent_at, begun) = (call.operation, self.clock.now(), Instant::now());
        let (status, decoded) = match self.exchange(call).await {
            Ok(reply) => (Some(reply.status), decode(&reply)),
            Err(error) => (None, Decoded { log_id: None, result: Err(error) }),
        };
        let Decoded { result, log_id } = decoded;
        let error = result.as_ref().err();
        log.push(Request {
            operation: operation.to_owned(),
            sent_at,
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            status,
            error: error.map(|e| e.kind),
            code: error.map(|e| e.code.clone()),
            log_id,
        });
        result
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Reply, Error> {
        let (operation, effect) = (call.operation, call.effect);
        let client = self.clients.get(&call, self.reuses).map_err(|why| {
            Error::new(operation, ErrorKind::Local, "http-client", format!("set up HTTP: {why}"))
        })?;
        let mut request = client.request(call.method, call.url).timeout(self.request_timeout);
        match call.token {
            None => {}
            Some(Token::Bearer(token)) => request = request.bearer_auth(token.expose()),
            Some(Token::Header(name, token)) => {
                request = request.header(name, header_value(operation, token)?)
            }
        }
        let mut fault = None;
        let request = match call.body {
            Body::None => request,
            Body::Json(value) => request.header(header::CONTENT_TYPE, JSON).body(value.to_string()),
            Body::Keyed(value, key) => request
                .header(header::CONTENT_TYPE, JSON)
                .header("idempotency-key", key)
                .body(value.to_string()),
            Body::Form(fields) => request.header(header::CACHE_CONTROL, "no-cache").form(&fields),
            Body::Upload { part, content_type, content_range } => {
                let timeout = upload_timeout(part.length());
                let (body, watch) = part.stream();
                fault = Some(watch);
                let request = match content_range {
                    Some(range) => request.header(header::CONTENT_RANGE, range),
                    None => request,
                };
                request.timeout(timeout).header(header::CONTENT_TYPE, content_type).body(body)
            }
            Body::Multipart(form) => {
                let timeout = upload_timeout(form.part.length());
                let (body, content_type, watch) = form.stream(operation)?;
                fault = Some(watch);
                request.timeout(timeout).header(header::CONTENT_TYPE, content_type).body(body)
            }
        };
        let reply = match request.send().await {
            Ok(response) => read(response, self.clock.now()).await,
            Err(error) => Err(Trouble::Http(error)),
        };
        reply.map_err(|trouble| match fault.and_then(|watch| watch.take(operation)) {
            Some(local) => local,
            None => trouble.classify(operation, effect),
        })
    }
}

/// A token as a header, which nothing prints.
fn header_value(operation: &'static str, token: &Secret) -> Result<HeaderValue, Error> {
    let value = HeaderValue::from_str(token.expose());
    let mut value = value.map_err(|_| {
        Error::new(operation, ErrorKind::Local, "bad-token", "the token holds what no header can")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Clients {
    fn get(&self, call: &Call<'_>, reuses: bool) -> Result<&Client, String> {
        let (place, keeps_idle) = (Place::of(&call.url), reuses && call.effect == Effect::Harmless);
        let cell = &self.0[place as usize * 2 + usize::from(!keeps_idle)];
        cell.get_or_init(|| build(place, keeps_idle)).as_ref().map_err(Clone::clone)
    }
}

impl Place {
    fn of(url: &Url) -> Place {
        match (is_loopback(url), url.scheme()) {
            (false, _) => Place::Remote,
            (true, "http") => Place::LocalPlain,
            (true, _) => Place::Local,
        }
    }
}

/// A client for what is no platform's: it follows no redirect, sends nothing twice and keeps no connection.
///
/// # Errors
///
/// Why HTTP cannot be set up, for people.
pub fn client_to(url: &Url) -> Result<Client, String> {
    build(Place::of(url), false)
}

fn build(place: Place, keeps_idle: bool) -> Result<Client, String> {
    // An error means that a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(if keeps_idle { IDLE_MAX } else { 0 });
    let builder = match place {
        Place::Remote => builder,
        Place::Local => builder.no_proxy(),
        Place::LocalPlain => builder.no_proxy().tls_certs_only([]),
    };
    builder.build().map_err(|error| foreign(&error.to_string()))
}

/// Whether `url` names this machine's loopback.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

fn upload_timeout(bytes: u64) -> Duration {
    UPLOAD_TIMEOUT + Duration::from_secs(bytes / UPLOAD_BYTES_PER_S_MIN)
}

/// Why there is no reply to look at.
enum Trouble {
    Http(reqwest::Error),
    TooLong(StatusCode),
}

async fn read(mut response: reqwest::Response, now: Timestamp) -> Result<Reply, Trouble> {
    let status = response.status();
    let retry_after = retry_after(response.headers(), now);
    let content_range = response.headers().get(header::CONTENT_RANGE);
    let content_range = content_range.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Trouble::Http)? {
        if body.len() + chunk.len() > REPLY_BYTES_MAX {
            return Err(Trouble::TooLong(status));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status: status.as_u16(), content_range, retry_after, body })
}

/// Seconds to wait; or the moment to wait for, as a second of the epoch (the IETF's draft for `RateLimit` headers in its
/// older form) or in RFC 3339 (docs.joinmastodon.org, rate limits, read 2026-11-22).
fn retry_after(headers: &header::HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let until = |second: u64| second.saturating_sub(u64::try_from(now.as_second()).unwrap_or_default());
    let moment = |name: &str| u64::try_from(text(name)?.parse::<Timestamp>().ok()?.as_second()).ok();
    let reset = || {
        ["ratelimit-reset", "x-ratelimit-reset"]
            .into_iter()
            .find_map(|name| number(name).or_else(|| moment(name)))
    };
    let seconds = number("retry-after").or_else(|| reset().map(until))?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

impl Trouble {
    fn classify(self, operation: &'static str, effect: Effect) -> Error {
        let later = |harmless| if effect == Effect::Once { ErrorKind::Ambiguous } else { harmless };
        match self {
            Trouble::TooLong(status) => {
                let message = format!("a reply of more than {REPLY_BYTES_MAX} bytes (HTTP {status})");
                Error::new(operation, later(ErrorKind::Protocol), "unreadable-reply", message)
            }
            Trouble::Http(error) if error.is_builder() => {
                Error::new(operation, ErrorKind::Local, "http-request", describe(error))
            }
            Trouble::Http(error) if error.is_connect() => {
                Error::new(operation, ErrorKind::Transient, "no-connection", describe(error))
            }
            Trouble::Http(error) => {
                let code = if error.is_timeout() { "timeout" } else { "connection-lost" };
                Error::new(operation, later(ErrorKind::Transient), code, describe(error))
            }
        }
    }
}

/// The error and its innermost cause. URLs are left out: an upload's carries a token.
pub fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(|c| c.source()) {
        cause = Some(deeper);
    }
    match cause {
        Some(cause) => foreign(&format!("{error}: {cause}")),
        None => foreign(&error.to_string()),
    }
}

#[cfg(test)]
mod tests;
