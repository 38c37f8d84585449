//! The client against a server that answers as told.

use serde_json::json;

use super::*;
use crate::platform::testing::{Answer, Server};

async fn post(http: &Http, server: &Server, effect: Effect, log: &RequestLog) -> Result<u16, Error> {
    let call = Call {
        operation: "op",
        effect,
        method: Method::POST,
        url: Url::parse(&format!("{}/path/?upload_token=hidden", server.endpoint)).expect("url"),
        token: Some(Token::Bearer(&Secret::new("act.hidden"))),
        body: Body::Json(json!({ "a": 1 })),
    };
    let decode = |reply: &Reply| Decoded { result: Ok(reply.status), log_id: Some("L".into()) };
    http.send(call, log, decode).await
}

#[tokio::test]
async fn a_request_says_who_sends_it_and_is_written_down() {
    let server = Server::start([Answer::Json(200, json!({}))]).await;
    let (http, log) = (Http::default(), RequestLog::default());
    assert_eq!(post(&http, &server, Effect::Harmless, &log).await, Ok(200));
    let seen = &server.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Bearer act.hidden"));
    assert_eq!(seen.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(seen.header("user-agent"), Some(USER_AGENT));
    let written = log.take();
    assert_eq!((written.len(), written[0].status, written[0].log_id.as_deref()), (1, Some(200), Some("L")));
}

#[tokio::test]
async fn a_cut_request_is_sent_once_and_unknown_only_if_it_has_an_effect() {
    for (effect, kind) in [(Effect::Once, ErrorKind::Ambiguous), (Effect::Harmless, ErrorKind::Transient)] {
        let server = Server::start([Answer::Cut]).await;
        let log = RequestLog::default();
        let error = post(&Http::default(), &server, effect, &log).await.expect_err("cut");
        assert_eq!((error.kind, error.code.as_str()), (kind, "connection-lost"));
        assert_eq!(server.seen().len(), 1);
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        assert_eq!(log.take()[0].error, Some(kind));
    }
}

#[tokio::test]
async fn a_publish_request_never_meets_an_old_connection() {
    let ok = || Answer::Json(200, json!({}));
    let server = Server::start([ok(), ok(), ok(), ok()]).await;
    let (http, log) = (Http::default(), RequestLog::default());
    for effect in [Effect::Harmless, Effect::Harmless, Effect::Once, Effect::Once] {
        post(&http, &server, effect, &log).await.expect("a reply");
    }
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1, 2]);
    // Nor does any other where that was asked for.
    let server = Server::start([ok(), ok()]).await;
    for _ in 0..2 {
        post(&http.without_reuse(), &server, Effect::Harmless, &log).await.expect("a reply");
    }
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1]);
}

#[tokio::test]
async fn no_connection_means_that_nothing_was_sent() {
    let server = Server::start([]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let endpoint = format!("http://{}", free.local_addr().expect("address"));
    drop(free);
    let nobody = Server { endpoint, ..server };
    let error =
        post(&Http::default(), &nobody, Effect::Once, &RequestLog::default()).await.expect_err("nobody");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "no-connection"));
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_a_huge_reply_is_an_error() {
    let moved = Answer::Plain(302, "location: http://127.0.0.1:1/\r\n", String::new());
    let huge = Answer::Plain(200, "", "x".repeat(REPLY_BYTES_MAX + 1));
    let server = Server::start([moved, huge]).await;
    let (http, log) = (Http::default(), RequestLog::default());
    assert_eq!(post(&http, &server, Effect::Once, &log).await, Ok(302));
    let error = post(&http, &server, Effect::Once, &log).await.expect_err("huge");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Ambiguous, "unreadable-reply"));
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for_for_ever() {
    let server = Server::start([Answer::Hang]).await;
    let http = Http { request_timeout: Duration::from_millis(100), ..Http::default() };
    let error = post(&http, &server, Effect::Once, &RequestLog::default()).await.expect_err("time-out");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Ambiguous, "timeout"));
}

#[test]
fn loopback_is_told_by_host() {
    let table = [
        ("http://127.0.0.1:80/", true),
        ("http://127.9.9.9/", true),
        ("http://[::1]:1/", true),
        ("http://localhost/", true),
        ("https://open.tiktokapis.com/", false),
        ("http://127.0.0.1.example/", false),
    ];
    for (url, local) in table {
        assert_eq!(is_loopback(&Url::parse(url).expect("url")), local, "{url}");
    }
    assert_eq!(upload_timeout(64_000_000), Duration::from_secs(120 + 640));
}

#[test]
fn how_long_to_wait_is_read_in_either_form_and_bounded() {
    let now = Timestamp::from_second(1_000).expect("timestamp");
    for (name, value, seconds) in [
        ("retry-after", "7", Some(7)),
        ("retry-after", "99999999", Some(86_400)),
        ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("ratelimit-reset", "1030", Some(30)),
        ("ratelimit-reset", "3", Some(0)),
        ("ratelimit-reset", "-1", None),
        ("x-ratelimit-reset", "1970-01-01T00:17:10.123456Z", Some(30)),
        ("x-ratelimit-reset", "1970-01-01T00:00:01Z", Some(0)),
        ("x-ratelimit-reset", "9999-01-01T00:00:00Z", Some(86_400)),
        ("x-ratelimit-reset", "1030", Some(30)),
        ("x-ratelimit-reset", "soon", None),
        ("x-other", "7", None),
    ] {
        let mut headers = header::HeaderMap::new();
        headers.insert(header::HeaderName::from_static(name), value.parse().expect("a value"));
        assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{name}: {value}");
    }
}
