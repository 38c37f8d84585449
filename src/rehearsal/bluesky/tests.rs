//! The model over HTTP: one test for each documented rule.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use super::id;
use crate::rehearsal::{AccountSetup, Options, Rehearsal};

const START: i64 = 1_790_000_000_000;
const HOUR: i64 = 3_600_000;
const POST: &str = "app.bsky.feed.post";
const RKEY: &str = "3jzfcijpj2z2a";

/// A stand-in whose clock the test moves, and the session of `brand`.
struct World {
    rehearsal: Rehearsal,
    clock: Arc<AtomicI64>,
    http: reqwest::Client,
    session: Value,
}

/// HTTP status and body.
type Answer = (u16, Value);

async fn world() -> World {
    // Plain HTTP only, but the client insists on having a provider for TLS. A second install does nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(AtomicI64::new(START));
    let read = Arc::clone(&clock);
    let accounts = vec![AccountSetup::bluesky("brand", "brand.test"), AccountSetup::new("tok")];
    let clock_of = Arc::new(move || read.load(Ordering::SeqCst));
    let rehearsal =
        Rehearsal::start(Options { accounts, clock: clock_of, ..Options::default() }).await.unwrap();
    let session = rehearsal.issue_grant("brand").unwrap();
    let http = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap();
    World { rehearsal, clock, http, session }
}

impl World {
    fn did(&self) -> String {
        id::did("brand")
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        assert!(reply.headers().contains_key("ratelimit-remaining"));
        (status, reply.json().await.unwrap())
    }

    fn url(&self, method: &str) -> String {
        format!("{}/xrpc/com.atproto.{method}", self.rehearsal.base_url())
    }

    async fn post_as(&self, token: &str, method: &str, body: Option<&Value>) -> Answer {
        let request = self.http.post(self.url(method)).bearer_auth(token);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    async fn post(&self, method: &str, body: &Value) -> Answer {
        self.post_as(self.session["accessJwt"].as_str().unwrap(), method, Some(body)).await
    }

    async fn get(&self, method: &str, query: &[(&str, &str)]) -> Answer {
        self.send(self.http.get(self.url(method)).query(query)).await
    }

    async fn refresh(&self, session: &Value) -> Answer {
        self.post_as(session["refreshJwt"].as_str().unwrap(), "server.refreshSession", None).await
    }

    async fn upload(&self, bytes: &'static [u8], content_type: &str) -> Answer {
        let token = self.session["accessJwt"].as_str().unwrap();
        let request = self.http.post(self.url("repo.uploadBlob")).bearer_auth(token);
        self.send(request.header("content-type", content_type).body(bytes)).await
    }

    fn put(&self, rkey: &str, record: Value, swap: Option<Value>) -> Value {
        let mut body = json!({ "repo": self.did(), "collection": POST, "rkey": rkey, "record": record });
        if let Some(swap) = swap {
            body["swapRecord"] = swap;
        }
        body
    }
}

fn record(text: &str) -> Value {
    json!({ "$type": POST, "text": text, "createdAt": "2026-11-22T10:00:00.000Z" })
}

fn error(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_login_takes_the_app_password_and_few_tries() {
    let world = world().await;
    let try_with = |password: &str| {
        let body = json!({ "identifier": "Brand.test", "password": password });
        let request = world.http.post(world.url("server.createSession")).json(&body);
        world.send(request)
    };
    let (status, session) = try_with("abcd-efgh-ijkl-mnop").await;
    assert_eq!((status, &session["did"], &session["active"]), (200, &json!(world.did()), &json!(true)));
    assert_eq!(session["didDoc"]["service"][0]["serviceEndpoint"], world.rehearsal.base_url());
    assert_eq!(error(&try_with("wrong").await), (401, "AuthenticationRequired"));
    for _ in 2..30 {
        try_with("wrong").await;
    }
    assert_eq!(error(&try_with("abcd-efgh-ijkl-mnop").await), (429, "RateLimitExceeded"));
    world.clock.fetch_add(HOUR / 12, Ordering::SeqCst);
    assert_eq!(try_with("abcd-efgh-ijkl-mnop").await.0, 200);
}

#[tokio::test]
async fn an_old_refresh_token_gives_the_same_successor_for_two_hours() {
    let world = world().await;
    let (_, first) = world.refresh(&world.session).await;
    let (status, again) = world.refresh(&world.session).await;
    assert_eq!(status, 200);
    assert_eq!(first["refreshJwt"], again["refreshJwt"], "the successor");
    assert_ne!(first["refreshJwt"], world.session["refreshJwt"]);
    world.clock.fetch_add(2 * HOUR, Ordering::SeqCst);
    assert_eq!(error(&world.refresh(&world.session).await), (400, "ExpiredToken"));
    assert_eq!(world.refresh(&first).await.0, 200);
    // An access token has ended meanwhile, which is told with status 400.
    let body = world.put(RKEY, record("x"), None);
    assert_eq!(error(&world.post("repo.putRecord", &body).await), (400, "ExpiredToken"));
    let access = first["accessJwt"].as_str().unwrap();
    assert_eq!(error(&world.post_as(access, "server.refreshSession", None).await), (400, "InvalidToken"));
    let refresh = again["refreshJwt"].as_str().unwrap();
    assert_eq!(world.post_as(refresh, "server.deleteSession", None).await.0, 200);
    assert_eq!(error(&world.refresh(&again).await), (400, "ExpiredToken"));
    let nobody = world.send(world.http.get(world.url("server.getSession"))).await;
    assert_eq!(error(&nobody), (401, "AuthMissing"));
}

#[tokio::test]
async fn a_key_holds_one_record_and_the_same_one_is_no_second() {
    let world = world().await;
    let put = |text: &str, swap: Option<Value>| world.put(RKEY, record(text), swap);
    let (status, first) = world.post("repo.putRecord", &put("x", Some(Value::Null))).await;
    assert_eq!((status, &first["uri"]), (200, &json!(format!("at://{}/{POST}/{RKEY}", world.did()))));
    let again = world.post("repo.putRecord", &put("x", Some(Value::Null))).await;
    assert_eq!((again.0, &again.1["cid"]), (200, &first["cid"]));
    assert_eq!(world.rehearsal.publications().len(), 1);
    let other = world.post("repo.putRecord", &put("y", Some(Value::Null))).await;
    assert_eq!(error(&other), (400, "InvalidSwap"));
    let create = put("y", None);
    assert_eq!(error(&world.post("repo.createRecord", &create).await), (500, "InternalServerError"));
    let write = json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": POST, "rkey": RKEY, "value": record("y") });
    let fresh = json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": POST, "rkey": "3jzfcijpj2z2b", "value": record("z") });
    let writes = json!({ "repo": world.did(), "writes": [fresh, write] });
    assert_eq!(error(&world.post("repo.applyWrites", &writes).await), (500, "InternalServerError"));
    assert_eq!(world.rehearsal.publications().len(), 1, "all or none");
    // Without the guard it is overwritten, which shows as a second publication.
    assert_eq!(world.post("repo.putRecord", &put("y", None)).await.0, 200);
    assert_eq!(world.rehearsal.publications().len(), 2);
}

#[tokio::test]
async fn records_are_read_listed_and_deleted() {
    let world = world().await;
    for rkey in ["3jzfcijpj2z2a", "3jzfcijpj2z2b", "3jzfcijpj2z2c"] {
        world.post("repo.putRecord", &world.put(rkey, record(rkey), Some(Value::Null))).await;
    }
    let did = world.did();
    let at = |rkey| [("repo", "brand.test"), ("collection", POST), ("rkey", rkey)];
    let found = world.get("repo.getRecord", &at(RKEY)).await;
    assert_eq!((found.0, &found.1["value"]["text"]), (200, &json!(RKEY)));
    assert_eq!(error(&world.get("repo.getRecord", &at("3jzfcijpj2z2z")).await), (400, "RecordNotFound"));
    let (_, page) =
        world.get("repo.listRecords", &[("repo", &did), ("collection", POST), ("limit", "2")]).await;
    let keys = |page: &Value| -> Vec<String> {
        let records = page["records"].as_array().unwrap();
        records.iter().map(|r| r["value"]["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&page), ["3jzfcijpj2z2c", "3jzfcijpj2z2b"]);
    let cursor = page["cursor"].as_str().unwrap();
    let (_, rest) =
        world.get("repo.listRecords", &[("repo", &did), ("collection", POST), ("cursor", cursor)]).await;
    assert_eq!((keys(&rest), rest.get("cursor")), (vec![RKEY.to_owned()], None));
    for _ in 0..2 {
        let gone = json!({ "repo": did, "collection": POST, "rkey": RKEY });
        assert_eq!(world.post("repo.deleteRecord", &gone).await.0, 200);
    }
    assert_eq!(error(&world.get("repo.getRecord", &at(RKEY)).await), (400, "RecordNotFound"));
    let performed = world.rehearsal.publications();
    assert_eq!((performed.len(), performed[0].status, performed[0].is_live()), (3, "DELETED", false));
    let handle = world.get("identity.resolveHandle", &[("handle", "brand.test")]).await;
    assert_eq!(handle, (200, json!({ "did": did })));
    let nobody = world.get("identity.resolveHandle", &[("handle", "nobody.test")]).await;
    assert_eq!(error(&nobody), (400, "InvalidRequest"));
    assert_eq!(world.get("server.describeServer", &[]).await.0, 200);
}

#[tokio::test]
async fn a_blob_is_known_by_its_bytes_and_must_fit_where_it_is_named() {
    let world = world().await;
    let (status, first) = world.upload(b"jpeg bytes", "image/jpeg").await;
    let (_, again) = world.upload(b"jpeg bytes", "image/jpeg").await;
    assert_eq!((status, &first["blob"]), (200, &again["blob"]));
    assert_eq!(first["blob"]["ref"]["$link"].as_str().unwrap().len(), 59);
    let with = |image: Value, alt: Value| {
        let mut record = record("x");
        record["embed"] =
            json!({ "$type": "app.bsky.embed.images", "images": [{ "image": image, "alt": alt }] });
        world.put(RKEY, record, None)
    };
    let mut lost = first["blob"].clone();
    lost["ref"]["$link"] = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".into();
    let mut renamed = first["blob"].clone();
    renamed["mimeType"] = "image/png".into();
    let mut shorter = first["blob"].clone();
    shorter["size"] = 3.into();
    for (image, alt, expected) in [
        (lost, json!("a"), "BlobNotFound"),
        (renamed, json!("a"), "InvalidMimeType"),
        (shorter, json!("a"), "InvalidSize"),
        (first["blob"].clone(), Value::Null, "InvalidRequest"),
    ] {
        let answer = world.post("repo.putRecord", &with(image, alt)).await;
        assert_eq!(error(&answer), (400, expected));
    }
    assert_eq!(world.post("repo.putRecord", &with(first["blob"].clone(), json!(""))).await.0, 200);
    let media = &world.rehearsal.publications()[0].media;
    assert_eq!(std::fs::read(&media[0].path).unwrap(), b"jpeg bytes");
}

#[tokio::test]
async fn a_video_needs_a_ticket_for_its_audience_and_becomes_a_blob_in_time() {
    let world = world().await;
    let base = world.rehearsal.base_url().to_owned();
    let own = format!("did:web:{}", base.trim_start_matches("http://").replace(':', "%3A"));
    let ticket = async |audience: &str, method: &str, exp: i64| {
        let exp = exp.to_string();
        let query = [("aud", audience), ("lxm", method), ("exp", exp.as_str())];
        let url = reqwest::Url::parse_with_params(&world.url("server.getServiceAuth"), query).unwrap();
        world.send(world.http.get(url).bearer_auth(world.session["accessJwt"].as_str().unwrap())).await
    };
    let soon = START / 1_000 + 600;
    assert_eq!(
        error(&ticket(&own, "com.atproto.repo.uploadBlob", soon + HOUR).await),
        (400, "BadExpiration")
    );
    let token = async |audience: &str, method: &str| {
        ticket(audience, method, soon).await.1["token"].as_str().unwrap().to_owned()
    };
    let good = token(&own, "com.atproto.repo.uploadBlob").await;
    let wide = token("did:web:bsky.social", "com.atproto.repo.uploadBlob").await;
    let limits = token("did:web:video.bsky.app", "app.bsky.video.getUploadLimits").await;
    let at = |method: &str| format!("{base}/xrpc/app.bsky.video.{method}");
    let ask = world.http.get(at("getUploadLimits")).bearer_auth(&limits);
    assert_eq!(world.send(ask).await.1["canUpload"], true);
    assert_eq!(world.send(world.http.get(at("getUploadLimits")).bearer_auth(&good)).await.0, 401);
    let upload = async |token: &str, did: &str, bytes: &'static [u8]| {
        let url = format!("{}?did={did}&name=a.mp4", at("uploadVideo"));
        let request = world.http.post(url).bearer_auth(token).header("content-type", "video/mp4");
        world.send(request.body(bytes)).await
    };
    let (did, film) = (world.did(), b"....ftypisom a film");
    for (token, did) in [(&wide, did.as_str()), (&limits, &did), (&good, "did:plc:other")] {
        assert_eq!(error(&upload(token, did, film).await), (401, "AuthenticationRequired"));
    }
    let job = upload(&good, &did, film).await.1;
    let look = async |job: &Value| {
        let url = format!("{}?jobId={}", at("getJobStatus"), job["jobId"].as_str().unwrap());
        world.send(world.http.get(url)).await.1["jobStatus"].clone()
    };
    assert_eq!((&job["state"], &look(&job).await["blob"]), (&json!("JOB_STATE_ENCODING"), &Value::Null));
    let text = upload(&good, &did, b"no film at all").await.1;
    world.clock.fetch_add(1_000, Ordering::SeqCst);
    let done = look(&job).await;
    assert_eq!(
        (&done["state"], &done["blob"]["mimeType"]),
        (&json!("JOB_STATE_COMPLETED"), &json!("video/mp4"))
    );
    assert_eq!(look(&text).await["error"], "validation_failure");
    let again = upload(&good, &did, film).await;
    assert_eq!((error(&again), &again.1["jobId"]), ((409, "already_exists"), &job["jobId"]));
    let mut with_video = record("x");
    with_video["embed"] = json!({ "$type": "app.bsky.embed.video", "video": done["blob"] });
    assert_eq!(world.post("repo.putRecord", &world.put(RKEY, with_video, None)).await.0, 200);
}

/// Whoever sends too much is told at once, and before the body.
#[tokio::test]
async fn a_blob_that_is_too_large_is_refused_before_it_is_read() {
    let world = world().await;
    let address = world.rehearsal.base_url().trim_start_matches("http://").to_owned();
    let token = world.session["accessJwt"].as_str().unwrap().to_owned();
    let reply = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = "POST /xrpc/com.atproto.repo.uploadBlob HTTP/1.1";
        write!(
            stream,
            "{head}\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: video/mp4\r\nContent-Length: 60000000\r\n\r\n"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    });
    let reply = reply.await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("PayloadTooLarge"), "{reply}");
}

#[tokio::test]
async fn what_the_lexicon_does_not_allow_is_refused() {
    let world = world().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut record = record("see https://a.example é");
        change(&mut record);
        record
    };
    let facet = |start: u64, end: u64| {
        json!({ "index": { "byteStart": start, "byteEnd": end },
                "features": [{ "$type": "app.bsky.richtext.facet#link", "uri": "https://a.example" }] })
    };
    let bad: Vec<Value> = vec![
        with(&|r| r["text"] = "a".repeat(301).into()),
        with(&|r| r["text"] = Value::Null),
        with(&|r| r["createdAt"] = "2026-11-22T10:00:00".into()),
        with(&|r| r["$type"] = "app.bsky.feed.like".into()),
        with(&|r| r["unknown"] = 1.into()),
        with(&|r| r["langs"] = json!(["a", "b", "c", "d"])),
        with(&|r| {
            r["labels"] = json!({ "$type": "com.atproto.label.defs#selfLabels", "values": [{ "val": "x" }] })
        }),
        with(&|r| r["facets"] = json!([facet(4, 99)])),
        with(&|r| r["facets"] = json!([facet(22, 23)])),
        with(&|r| r["facets"] = json!([facet(4, 21), facet(10, 21)])),
        with(&|r| r["reply"] = json!({ "parent": { "uri": "at://did:plc:a/x/y", "cid": "bafyx" } })),
        with(&|r| r["embed"] = json!({ "$type": "app.bsky.embed.images", "images": [] })),
        with(&|r| r["embed"] = json!({ "$type": "app.bsky.embed.external", "external": { "uri": "u" } })),
        with(&|r| r["embed"] = json!({ "$type": "app.bsky.embed.poll" })),
    ];
    for record in bad {
        let answer = world.post("repo.putRecord", &world.put(RKEY, record.clone(), None)).await;
        assert_eq!(error(&answer), (400, "InvalidRequest"), "{record}");
    }
    let good = with(&|r| r["facets"] = json!([facet(4, 21)]));
    let wrong_key = world.put("my-own-key", good.clone(), None);
    assert_eq!(error(&world.post("repo.putRecord", &wrong_key).await), (400, "InvalidRequest"));
    assert_eq!(world.post("repo.putRecord", &world.put(RKEY, good, None)).await.0, 200);
    let other = json!({ "repo": "did:plc:other", "collection": POST, "rkey": RKEY, "record": record("x") });
    assert_eq!(world.post("repo.putRecord", &other).await.0, 401);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let accounts = vec![AccountSetup::bluesky("brand", "brand.test")];
        Rehearsal::start(Options { accounts, dir: Some(dir.path().to_owned()), ..Options::default() })
    };
    let rehearsal = start().await.unwrap();
    let session = rehearsal.issue_grant("brand").unwrap();
    rehearsal.stop().await;
    let rehearsal = start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = json!({ "repo": "brand.test", "collection": POST, "rkey": RKEY, "record": record("x") });
    let url = format!("{}/xrpc/com.atproto.repo.putRecord", rehearsal.base_url());
    let token = session["accessJwt"].as_str().unwrap();
    let reply = http.post(url).bearer_auth(token).json(&put).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    rehearsal.stop().await;
    assert_eq!(start().await.unwrap().publications().len(), 1);
}
