//! Somebody who is told by a webhook: a server that notes what arrives and answers as it is asked to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What it shares with the sender.
pub(crate) const HOOK_SECRET: &str = "whsec_Y2FuYXJ5LWhvb2stc2VjcmV0LWNhbmFyeQ==";
const KEY: &[u8] = b"canary-hook-secret-canary";

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Status(u16),
    /// With this status and the address of another place here.
    Redirect,
    /// Never.
    Silence,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) is_signed: bool,
    pub(crate) text: String,
}

impl Delivery {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// What it tells, as `kind post@account`; of an account as `kind account`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (document, mut lines) = (self.json(), Vec::new());
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        for group in document["groups"].as_array().expect("groups") {
            let (kind, posts) = (text(&group["kind"]), group["posts"].as_array().expect("posts"));
            lines
                .extend(posts.iter().map(|p| format!("{kind} {}@{}", text(&p["post"]), text(&p["account"]))));
            if posts.is_empty() {
                lines.extend(
                    group["accounts"]
                        .as_array()
                        .expect("accounts")
                        .iter()
                        .map(|a| format!("{kind} {}", text(a))),
                );
            }
        }
        lines
    }
}

#[derive(Default)]
struct State {
    deliveries: Vec<Delivery>,
    answers: VecDeque<Answer>,
}

pub(crate) struct Receiver {
    url: String,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        let runtime = Runtime::new().expect("runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}/hooks/canary-path", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Receiver { url, state, _runtime: runtime }
    }

    /// Where it listens; the path is one that nobody may tell.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next answers; then everything is taken.
    pub(crate) fn will_answer(&self, answers: &[Answer]) {
        self.state.lock().expect("state").answers.extend(answers);
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.state.lock().expect("state").deliveries.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().expect("state").deliveries.len()
    }

    /// What was told, each message once by its id.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut seen = std::collections::BTreeMap::new();
        let mut lines = Vec::new();
        for delivery in self.deliveries() {
            match seen.insert(delivery.id.clone(), delivery.text.clone()) {
                Some(before) => assert_eq!(before, delivery.text, "the same id, and another message"),
                None => lines.extend(delivery.lines()),
            }
        }
        lines
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned()
    };
    let (id, second, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    let now = jiff::Timestamp::now().as_second();
    let is_fresh = second.parse::<i64>().is_ok_and(|second| (now - second).abs() < 300);
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key");
    mac.update(format!("{id}.{second}.{text}").as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let answer = {
        let mut state = state.lock().expect("state");
        state.deliveries.push(Delivery { path, id, is_signed: is_fresh && signature == expected, text });
        state.answers.pop_front().unwrap_or(Answer::Status(200))
    };
    let status = match answer {
        Answer::Status(status) => status,
        Answer::Redirect => 307,
        Answer::Silence => std::future::pending().await,
    };
    let response = Response::builder().status(status).header("location", "/elsewhere");
    Ok(response
        .body(Full::new(Bytes::from("an answer that nobody reads".repeat(100_000))))
        .expect("a response"))
}
