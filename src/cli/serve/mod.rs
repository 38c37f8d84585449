//! The pages over HTTP, beside a watch: to be looked at, and nothing else unless people may act. It reads the ledger
//! without its lock.
//!
//! # Guarantees
//!
//! Only GET and HEAD, but for webhooks and forms where they are asked for. What is asked for names a page or a medium of
//! the project, never a path. Nothing is loaded from elsewhere, no script but one file of ours runs, and no other site can
//! frame or read the pages. Connections, the size and time of a request's head, and how often pages are built have
//! bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

use super::error::Failure;
use super::plan::FORMAT_VERSION;
use super::site::Wanted;
use super::ui;
use super::workspace::Workspace;
use crate::pages::{ACT, ICON, Page, SCRIPT, STYLE, VERSION, notice};
use crate::rehearsal::files::{self, Reply};
use crate::secret::Secret;

mod actions;
mod builder;
mod guard;
mod metrics;
mod pulse;
mod webhooks;

pub(super) use actions::Actions;
use builder::{Builder, Built, REST_AFTER};
use guard::{Guard, TOKEN_VARIABLE};
use metrics::Tally;
pub(super) use pulse::Pulse;
pub(super) use webhooks::{Heard, Webhooks};

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// A request's head is not larger, and not slower, than this.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may last, whatever it does.
const CONNECTION_MAX: Duration = Duration::from_secs(10 * 60);
/// Between attempts when the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything comes from here, and nothing else may load, run or frame. `$forms`: where forms are sent.
macro_rules! policy {
    ($forms:literal) => {
        concat!(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; \
             connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action ",
            $forms
        )
    };
}

const POLICY: &str = policy!("'none'");
/// Where people may act.
const POLICY_WITH_FORMS: &str = policy!("'self'");

const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// The server. It ends when this is dropped.
pub(super) struct Serving {
    task: JoinHandle<()>,
    pub pulse: Arc<Pulse>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Server {
    guard: Guard,
    webhooks: Option<Arc<Webhooks>>,
    actions: Option<Arc<Actions>>,
    builder: Mutex<Builder>,
    pulse: Arc<Pulse>,
}

/// The token, if the environment has one.
pub(super) fn token() -> Option<Secret> {
    std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new)
}

/// Listens, and says where.
pub(super) async fn start(
    workspace: &Workspace,
    wanted: Wanted,
    (address, token, resync): (SocketAddr, Option<Secret>, Duration),
    (webhooks, actions): (Option<Arc<Webhooks>>, Option<Arc<Actions>>),
    events: Vec<Receiver<u64>>,
) -> Result<Serving, Failure> {
    let guard = Guard::new(address, token)?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::error(format!("cannot listen on {address}"))
            .cause(&error)
            .hint("choose another address by --listen")
    })?;
    let url = format!("http://{}/", listener.local_addr()?);
    if workspace.global.json {
        ui::print_json(&serde_json::json!({ "format_version": FORMAT_VERSION, "url": url }));
    } else {
        ui::print(&format!("{url}\n"));
    }
    if guard.has_token() {
        ui::tell(&format!(
            "To look at the pages, log in at {url}login?token=… with what {TOKEN_VARIABLE} holds."
        ));
    }
    let pulse = Arc::new(Pulse::new(resync));
    let builder = Mutex::new(Builder::new(Workspace::new(&workspace.global)?, wanted, events));
    let server = Arc::new(Server { guard, webhooks, actions, builder, pulse: Arc::clone(&pulse) });
    Ok(Serving { task: tokio::spawn(accept(listener, server)), pulse })
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut tick = tokio::time::interval(REST_AFTER);
    loop {
        while connections.try_join_next().is_some() {}
        tokio::select! {
            (stream, permit) = next(&listener, &room) => {
                drop(connections.spawn(connection(stream, Arc::clone(&server), permit)));
            }
            // Where it is being used, it is not at rest.
            _ = tick.tick() => if let Ok(mut builder) = server.builder.try_lock() { builder.rest() },
        }
    }
}

/// The next connection, once there is room for it.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>, _permit: OwnedSemaphorePermit) {
    let service = service_fn(move |request| answer(Arc::clone(&server), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks off is the browser's business.
    let _ = tokio::time::timeout(CONNECTION_MAX, served).await;
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let heard = server.webhooks.clone().zip(Webhooks::platform_at(request.uri().path()));
    let mut reply = match heard {
        Some((webhooks, platform)) => webhooks.answer(platform, request).await,
        None => respond(Arc::clone(&server), request).await,
    };
    for (name, value) in HEADERS {
        reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let policy = if server.actions.is_some() { POLICY_WITH_FORMS } else { POLICY };
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(reply)
}

async fn respond(server: Arc<Server>, request: Request<Incoming>) -> Reply {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !server.guard.knows(host) {
        let sentence =
            "The pages are not here under this name. Use the address that gitcast was told to listen on.";
        return page(StatusCode::MISDIRECTED_REQUEST, notice("Not here", sentence, None));
    }
    let path = request.uri().path().trim_start_matches('/').to_owned();
    if let Some(actions) = server.actions.clone().filter(|_| *request.method() == Method::POST && path == ACT)
    {
        let reply = actions.answer(&server.guard, request).await;
        if reply.status() == StatusCode::SEE_OTHER
            && let Ok(mut builder) = server.builder.lock()
        {
            // The page that follows shows what was done.
            builder.forget();
        }
        return reply;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, TEXT, "these pages are to be looked at only\n");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return reply;
    }
    match path.as_str() {
        "healthz" => plain(StatusCode::OK, TEXT, "ok\n"),
        "readyz" => server.readiness().await,
        "login" => server.login(request.uri().query().unwrap_or_default()),
        name if name == STYLE.0 => plain(StatusCode::OK, "text/css; charset=utf-8", STYLE.1),
        name if name == ICON.0 => plain(StatusCode::OK, "image/svg+xml", ICON.1),
        _ if !server.guard.admits(request.headers()) => unauthorized(),
        name if name == SCRIPT.0 => plain(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT.1),
        name if name == VERSION => {
            server.built(|built, _| Ok(plain(StatusCode::OK, TEXT, built.version.clone()))).await
        }
        "metrics" => server.metrics().await,
        name if name.starts_with("media/") => server.medium(name.to_owned(), request.headers().clone()).await,
        "" => server.page(Page::Index).await,
        name => match Page::named(name) {
            Some(page) => server.page(page).await,
            None => missing(),
        },
    }
}

impl Server {
    /// Works with what is built, on a thread that may block.
    async fn blocking(
        self: Arc<Server>,
        work: impl FnOnce(&mut Builder) -> Result<Reply, String> + Send + 'static,
    ) -> Reply {
        let done = tokio::task::spawn_blocking(move || {
            work(&mut self.builder.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(why)) => page(
                StatusCode::SERVICE_UNAVAILABLE,
                notice("The pages cannot be made at present", &why, None),
            ),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the page could not be made\n"),
        }
    }

    async fn built(
        self: Arc<Server>,
        work: impl FnOnce(&Built, &mut Tally) -> Result<Reply, String> + Send + 'static,
    ) -> Reply {
        self.blocking(move |builder| builder.now().and_then(|(built, tally)| work(built, tally))).await
    }

    async fn page(self: Arc<Server>, asked: Page) -> Reply {
        self.built(move |built, _| {
            Ok(built.page(&asked)?.map_or_else(missing, |text| page(StatusCode::OK, text)))
        })
        .await
    }

    async fn metrics(self: Arc<Server>) -> Reply {
        let passes = self.pulse.passes();
        self.built(move |built, tally| {
            if let Some(ledger) = &built.view.ledger {
                tally.catch_up(ledger).map_err(|error| error.to_string())?;
            }
            Ok(plain(StatusCode::OK, METRICS, metrics::render(&built.view, tally, passes)))
        })
        .await
    }

    async fn readiness(self: Arc<Server>) -> Reply {
        let hindrance = self.pulse.hindrance();
        self.blocking(move |builder| {
            Ok(match hindrance.or_else(|| builder.hindrance()) {
                None => plain(StatusCode::OK, TEXT, "ready\n"),
                Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {why}\n")),
            })
        })
        .await
    }

    async fn medium(self: Arc<Server>, name: String, headers: HeaderMap) -> Reply {
        let found = tokio::task::spawn_blocking(move || {
            let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
            let content = builder.content();
            let (path, content_type) = builder.now().ok()?.0.medium(&name)?;
            Some((inside(&content, &path)?, content_type))
        });
        match found.await {
            Ok(Some((file, content_type))) => files::serve(&file, content_type, &headers).await,
            _ => missing(),
        }
    }

    /// A link that a person opens once: from then on the browser brings a cookie.
    fn login(&self, query: &str) -> Reply {
        let given = query.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
        let cookie = self.guard.set_cookie().filter(|_| self.guard.is_token(given));
        let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie.expose()).ok()) else {
            return if self.guard.has_token() { unauthorized() } else { missing() };
        };
        // Not by a redirect: a browser that comes from elsewhere would leave out the cookie.
        let mut reply =
            page(StatusCode::OK, notice("You are logged in", "The pages are open now.", Some("index.html")));
        reply.headers_mut().insert(SET_COOKIE, cookie);
        reply
    }
}

/// Where a file below `content` really lies, if that is below it too: links that lead elsewhere are not followed.
fn inside(content: &Path, path: &str) -> Option<std::path::PathBuf> {
    let root = content.canonicalize().ok()?;
    let file = root.join(path).canonicalize().ok()?;
    (file.starts_with(&root) && file.is_file()).then_some(file)
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

fn page(status: StatusCode, text: String) -> Reply {
    plain(status, HTML, text)
}

fn missing() -> Reply {
    page(
        StatusCode::NOT_FOUND,
        notice("There is no such page", "The post may have another name by now.", None),
    )
}

fn unauthorized() -> Reply {
    let sentence =
        format!("Open login?token=… with what {TOKEN_VARIABLE} holds, or send it as a bearer token.");
    let mut reply = page(StatusCode::UNAUTHORIZED, notice("These pages need a token", &sentence, None));
    reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}
