//! The model over HTTP: one test for each documented rule.

mod feed;
mod keys;
mod limits;
mod media;
mod oauth;
mod scheduled;
mod statuses;
mod timeline;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use super::model::account_id;
use crate::rehearsal::{AccountSetup, MastodonSetup, Options, PerformedPublication, Rehearsal};

/// At the start of a window of three hours, so that no test runs into its end.
const START: i64 = 165_740 * 3 * HOUR;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand more";
const MP4: &[u8] = b"\0\0\0\x20ftypisomand more";

/// A stand-in whose clock the test moves, with `brand` and `other` logged in.
struct World {
    rehearsal: Rehearsal,
    clock: Arc<AtomicI64>,
    http: reqwest::Client,
    token: String,
}

/// HTTP status and body.
type Answer = (u16, Value);

async fn world() -> World {
    world_as(MastodonSetup::default()).await
}

async fn world_as(mastodon: MastodonSetup) -> World {
    // Plain HTTP only, but the client insists on having a provider for TLS. A second install does nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(AtomicI64::new(START));
    let read = Arc::clone(&clock);
    let accounts =
        vec![AccountSetup::mastodon("brand", "brand_name"), AccountSetup::mastodon("other", "other")];
    let clock_of = Arc::new(move || read.load(Ordering::SeqCst));
    let options = Options { accounts, clock: clock_of, mastodon, ..Options::default() };
    let rehearsal = Rehearsal::start(options).await.unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let token = token_of(&rehearsal, "brand");
    World { rehearsal, clock, http, token }
}

fn token_of(rehearsal: &Rehearsal, account: &str) -> String {
    rehearsal.issue_grant(account).unwrap()["access_token"].as_str().unwrap().to_owned()
}

impl World {
    fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.rehearsal.base_url())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, self.url(path)).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PUT", path).json(&body)).await
    }

    async fn post(&self, body: Value) -> Answer {
        self.send(self.request("POST", "/api/v1/statuses").json(&body)).await
    }

    async fn post_with(&self, key: &str, body: Value) -> Answer {
        let request = self.request("POST", "/api/v1/statuses").header("idempotency-key", key);
        self.send(request.json(&body)).await
    }

    /// A status with this text; its id.
    async fn posted(&self, text: &str) -> String {
        let (status, body) = self.post(json!({ "status": text })).await;
        assert_eq!(status, 200, "{body}");
        id(&body)
    }

    async fn upload(&self, bytes: &[u8], fields: &[(&str, &str)]) -> Answer {
        self.upload_form(&form(bytes, fields)).await
    }

    async fn upload_form(&self, form: &[u8]) -> Answer {
        let request = self.request("POST", "/api/v2/media");
        let request = request.header("content-type", "multipart/form-data; boundary=XX");
        self.send(request.body(form.to_vec())).await
    }

    /// A picture; its id.
    async fn picture(&self) -> String {
        let (status, body) = self.upload(PNG, &[]).await;
        assert_eq!(status, 200, "{body}");
        id(&body)
    }

    fn publications(&self) -> Vec<PerformedPublication> {
        self.rehearsal.publications()
    }

    fn live(&self) -> usize {
        self.publications().iter().filter(|publication| publication.is_live()).count()
    }

    fn statuses_of_brand(&self) -> String {
        format!("/api/v1/accounts/{}/statuses", account_id("brand"))
    }
}

fn form(bytes: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| {
        let file = if *name == "thumbnail" { "; filename=\"t\"" } else { "" };
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    });
    let head = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: image/png\r\n\r\n";
    [fields.collect::<String>().as_bytes(), head.as_bytes(), bytes, b"\r\n--XX--\r\n"].concat()
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}

fn ids(body: &Value) -> Vec<String> {
    body.as_array().unwrap().iter().map(id).collect()
}

fn error(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

/// In seconds from now, as a client writes it.
fn at(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}
