//! The port on this machine that a browser comes back to after its owner has granted a login.
//!
//! Bound to 127.0.0.1 and open until the right answer comes, once. What comes with another state, to another path or
//! under another name is told so and changes nothing: any page in the browser can send requests here.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use maud::{DOCTYPE, PreEscaped, html};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::cli::error::Failure;
use crate::platform::oauth::{Asked, random};
use crate::secret::Secret;

const PATH: &str = "/callback/";
/// Answers that are not ours, until somebody is taken to be at play.
const WRONG_MAX: u32 = 50;
/// Connections at once; a browser opens a few.
const CONNECTIONS_MAX: usize = 16;
/// Between attempts when the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request's head is not larger, and not slower, than this.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last page may take to reach the browser.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}";

type Page = Response<Full<Bytes>>;

/// A callback, and where its page goes.
struct Callback {
    /// Path and query.
    target: Secret,
    page: oneshot::Sender<Page>,
}

pub(super) struct Listener {
    listener: TcpListener,
    port: u16,
}

/// The owner waits at the browser for how it ends.
pub(super) struct Verdict {
    page: oneshot::Sender<Page>,
    connections: JoinSet<()>,
}

impl Listener {
    /// On `port`, or any free one for 0.
    pub(super) async fn bind(port: u16) -> Result<Listener, Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::error(format!("cannot listen on {address}"))
                .cause(&error)
                .hint("choose another --port, or use --paste or --qr")
        })?;
        let port = listener.local_addr()?.port();
        Ok(Listener { listener, port })
    }

    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// The code that the right answer brings.
    pub(super) async fn wait(self, asked: &Asked) -> Result<(Secret, Verdict), Failure> {
        let (sender, mut callbacks) = mpsc::channel(CONNECTIONS_MAX);
        let mut connections = JoinSet::new();
        let mut wrong = 0;
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    match accepted {
                        Ok((stream, _)) => drop(connections.spawn(serve(stream, self.port, sender.clone()))),
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    }
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                Some(Callback { target, page }) = callbacks.recv() => {
                    let callback = Secret::new(format!("http://127.0.0.1:{}{}", self.port, target.expose()));
                    match asked.read_callback(callback.expose()) {
                        Ok(code) => return Ok((code, Verdict { page, connections })),
                        Err(error) if error.kind == crate::domain::retry::ErrorKind::Permission => {
                            Verdict { page, connections }.tell(Err(&error.message)).await;
                            return Err(Failure::error("the login was not granted").cause(&error));
                        }
                        Err(error) => {
                            wrong += 1;
                            let _ = page.send(render(StatusCode::BAD_REQUEST, "This is not the answer", &error.message));
                            if wrong == WRONG_MAX {
                                return Err(Failure::error("too many wrong answers came to the port").cause(&error));
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Verdict {
    /// Shows the owner how it ended, and waits until the browser has it.
    pub(super) async fn tell(mut self, outcome: Result<(), &str>) {
        let page = match outcome {
            Ok(()) => {
                render(StatusCode::OK, "You are logged in", "gitcast has the login. You can close this page.")
            }
            Err(why) => render(StatusCode::BAD_REQUEST, "The login came to nothing", why),
        };
        // A browser that went away needs no page.
        let _ = self.page.send(page);
        let sent = async { while self.connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(PAGE_TIMEOUT, sent).await;
    }
}

async fn serve(stream: TcpStream, port: u16, sender: mpsc::Sender<Callback>) {
    let service = service_fn(move |request| answer(request, port, sender.clone()));
    // A connection that breaks off is the browser's business.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer<B>(
    request: Request<B>,
    port: u16,
    sender: mpsc::Sender<Callback>,
) -> Result<Page, Infallible> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_ours = host == format!("127.0.0.1:{port}") && request.uri().path() == PATH;
    if !is_ours || request.method() != Method::GET {
        return Ok(render(
            StatusCode::NOT_FOUND,
            "Nothing is here",
            "gitcast waits for a login on another address.",
        ));
    }
    let target = request.uri().path_and_query().map_or(PATH, |target| target.as_str());
    let (page, answered) = oneshot::channel();
    let gone = || render(StatusCode::GONE, "Nobody waits any more", "Start `gitcast auth login` again.");
    if sender.send(Callback { target: Secret::new(target), page }).await.is_err() {
        return Ok(gone());
    }
    Ok(answered.await.unwrap_or_else(|_| gone()))
}

/// A page that loads nothing, runs nothing, and is kept nowhere: its own address holds the code.
fn render(status: StatusCode, title: &str, message: &str) -> Page {
    let nonce = random().unwrap_or_default();
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) " · gitcast" }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } p { (message) } } }
        }
    };
    let mut page = Response::new(Full::from(body.into_string()));
    *page.status_mut() = status;
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.extend(HeaderValue::try_from(policy).ok().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    page
}
