//! Conformance: one test for each documented rule, over real HTTP on loopback.

mod display;
mod faults;
mod init;
mod oauth;
mod pull;
mod restart;
mod status;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::rehearsal::{AccountSetup, Options, Rehearsal};

const START: i64 = 1_790_000_000_000;
const HOUR: i64 = 3_600_000;
const PROCESSING: i64 = 2_000;
/// Polling for what happens on another task gives up after this many tries.
const TRIES: usize = 500;

/// A rehearsal whose clock the test moves, a client, and an access token of the first account.
struct World {
    rehearsal: Rehearsal,
    clock: Arc<AtomicI64>,
    http: reqwest::Client,
    token: String,
}

fn private() -> AccountSetup {
    AccountSetup::new("brand")
}

fn audited() -> AccountSetup {
    AccountSetup::audited("brand")
}

async fn world(account: AccountSetup) -> World {
    world_with(Options { accounts: vec![account], ..Options::default() }).await
}

async fn world_with(options: Options) -> World {
    // Plain HTTP only, but the client insists on having a provider for TLS. A second install does nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(AtomicI64::new(START));
    let read = Arc::clone(&clock);
    let first = options.accounts[0].name.clone();
    let options = Options {
        clock: Arc::new(move || read.load(Ordering::SeqCst)),
        processing: Duration::from_millis(PROCESSING as u64),
        ..options
    };
    let rehearsal = Rehearsal::start(options).await.unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let token = rehearsal.issue_grant(&first).unwrap()["access_token"].as_str().unwrap().to_owned();
    World { rehearsal, clock, http, token }
}

/// HTTP status and body.
type Answer = (u16, Value);

impl World {
    fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.rehearsal.base_url())
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(&self.token, path, body).await
    }

    async fn post_as(&self, token: &str, path: &str, body: Value) -> Answer {
        let request = self.http.post(self.url(path)).bearer_auth(token).json(&body);
        answer(request.send().await.unwrap()).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        answer(self.http.post(self.url(path)).form(fields).send().await.unwrap()).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        let client = [("client_key", "rehearsal-key"), ("client_secret", "rehearsal-secret")];
        let grant = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.form("/v2/oauth/token/", &[client, grant].concat()).await
    }

    async fn direct(&self, post_info: Value, source_info: Value) -> Answer {
        let body = json!({ "post_info": post_info, "source_info": source_info });
        self.post("/v2/post/publish/video/init/", body).await
    }

    async fn inbox(&self, source_info: Value) -> Answer {
        self.post("/v2/post/publish/inbox/video/init/", json!({ "source_info": source_info })).await
    }

    async fn status(&self, publish_id: &str) -> Answer {
        self.post("/v2/post/publish/status/fetch/", json!({ "publish_id": publish_id })).await
    }

    /// One PUT of `first..first + bytes.len()`.
    async fn put(&self, url: &str, first: usize, bytes: &[u8], total: usize) -> reqwest::Response {
        let range = format!("bytes {first}-{}/{total}", first + bytes.len() - 1);
        self.put_with(url, bytes, &[("content-type", "video/mp4"), ("content-range", &range)]).await.unwrap()
    }

    async fn put_with(
        &self,
        url: &str,
        bytes: &[u8],
        headers: &[(&'static str, &str)],
    ) -> reqwest::Result<reqwest::Response> {
        let headers: HeaderMap =
            headers.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::try_from(*v).unwrap())).collect();
        self.http.put(url).headers(headers).body(bytes.to_vec()).send().await
    }

    /// Posts a small video from init to the last byte; its publish id.
    async fn post_video(&self, post_info: Value) -> String {
        let (publish_id, url) = begun(&self.direct(post_info, single(64)).await);
        assert_eq!(self.put(&url, 0, &video(64), 64).await.status(), 201);
        publish_id
    }

    /// Asks for the status until it is no longer `PROCESSING_…`, time standing still.
    async fn settled(&self, publish_id: &str) -> Value {
        for _ in 0..TRIES {
            let performed = self.rehearsal.publications();
            let found = performed.iter().find(|publication| publication.publish_id == publish_id).unwrap();
            if found.status.starts_with("PROCESSING") {
                self.pass(PROCESSING);
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            return serde_json::to_value(found).unwrap();
        }
        panic!("{publish_id} is still being processed");
    }
}

async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Publish id and upload address of a successful init.
fn begun(answer: &Answer) -> (String, String) {
    assert_eq!(refusal(answer), (200, "ok"));
    let text = |name: &str| answer.1["data"][name].as_str().unwrap_or_default().to_owned();
    (text("publish_id"), text("upload_url"))
}

/// HTTP status and `error.code`.
fn refusal((status, body): &Answer) -> (u16, &str) {
    assert!(body["error"]["log_id"].is_string(), "{body}");
    (*status, body["error"]["code"].as_str().unwrap())
}

fn video(size: usize) -> Vec<u8> {
    let mut bytes = vec![7; size];
    bytes[..8].copy_from_slice(b"\0\0\0\x20ftyp");
    bytes
}

fn single(size: u64) -> Value {
    chunked(size, size, 1)
}

fn chunked(size: u64, chunk: u64, count: u64) -> Value {
    json!({ "source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk, "total_chunk_count": count })
}

fn self_only() -> Value {
    json!({ "title": "Hi #tag", "privacy_level": "SELF_ONLY" })
}

fn public() -> Value {
    json!({ "title": "Hi #tag", "privacy_level": "PUBLIC_TO_EVERYONE" })
}
