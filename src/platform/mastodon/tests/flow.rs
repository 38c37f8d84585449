//! The steps of a post, request by request.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::support::*;
use crate::domain::publication::State;
use crate::domain::retry::ErrorKind;
use crate::platform::testing::Answer;
use crate::platform::{Platform, Sent, Staged};

const TEXT: &str = "id: a\ntext: Hello\nto:\n  toot:\n";
const IMAGE: &str = "id: a\ntext: Hello\nmedia:\n  - file: a.png\n    alt: A sea\nto:\n  toot:\n";

#[tokio::test]
async fn a_post_leaves_as_json_under_a_key_that_was_recorded_before() {
    let yaml = "id: a\ntext: Hello\nto:\n  toot:\n    visibility: unlisted\n    language: de\n    warning: cw\n    reply: '7'\n    quote: '8'\n    poll: {options: [a, b], expires_in: 1d}\n";
    let mut scene = Scene::new(yaml, &[], None).await;
    scene.staged(vec![ok(status("7", "x")), ok(status("8", "x"))]).await;
    let key = scene.saved()["key"].as_str().expect("a key").to_owned();
    assert_eq!(key, format!("gitcast-{}", "07".repeat(16)));
    let reply = with(
        status("9", "Hello"),
        json!({ "visibility": "unlisted", "in_reply_to_id": "7", "poll": { "expires_at": "2026-11-23T10:00:00Z" } }),
    );
    scene.server.then([ok(reply)]);
    let Sent::Published(remote, Some(after)) = scene.publish().await.expect("published") else { panic!() };
    assert_eq!(remote.id.as_deref(), Some("9"));
    assert_eq!(remote.url.as_deref(), Some("https://example.social/@brand/9"));
    assert_eq!(after["poll_ends_at"], "2026-11-23T10:00:00Z");
    assert_eq!(after["live"][0]["differs"], serde_json::Value::Null);
    assert_eq!(scene.asked(), ["GET /api/v1/statuses/7", "GET /api/v1/statuses/8", "POST /api/v1/statuses"]);
    let seen = scene.server.seen();
    let last = seen.last().expect("a request");
    assert_eq!(last.header("idempotency-key"), Some(format!("{key}-0").as_str()));
    assert_eq!(last.header("authorization"), Some("Bearer access.canary"));
    let expected = json!({
        "status": "Hello", "visibility": "unlisted", "language": "de", "spoiler_text": "cw", "in_reply_to_id": "7",
        "quoted_status_id": "8",
        "poll": { "options": ["a", "b"], "expires_in": 86_400, "multiple": false, "hide_totals": false },
    });
    assert_eq!(last.json(), expected);
}

#[tokio::test]
async fn media_go_up_as_forms_and_are_waited_for() {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.server.then([
        Answer::Json(202, json!({ "id": "m1", "url": null })),
        Answer::Json(206, json!({ "id": "m1", "url": null })),
        ok(json!({ "id": "m1", "url": "x" })),
    ]);
    assert!(matches!(scene.stage().await, Ok(Staged::More(_))));
    assert!(matches!(scene.stage().await, Ok(Staged::More(_))));
    let Ok(Staged::Wait(_, wait)) = scene.stage().await else { panic!("ready too early") };
    assert!(wait >= Duration::from_millis(100), "{wait:?}");
    assert!(matches!(scene.stage().await, Ok(Staged::Ready(_))));
    let seen = scene.server.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/api/v2/media"));
    let body = String::from_utf8_lossy(&seen[0].body).into_owned();
    let name = crate::domain::ids::hex(&crate::domain::ids::ContentDigest::of(b"bytes").0);
    for part in [
        "name=\"description\"\r\n\r\nA sea\r\n",
        &format!("filename=\"{name}.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n"),
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let reply = with(status("9", "Hello"), json!({ "media_attachments": [{ "id": "m1" }] }));
    scene.server.then([ok(reply)]);
    scene.publish().await.expect("published");
    assert_eq!(scene.server.seen().last().expect("one").json()["media_ids"], json!(["m1"]));
}

#[tokio::test]
async fn media_that_are_lost_go_up_again_and_not_for_ever() {
    let uploaded = |id: &str| Answer::Json(202, json!({ "id": id }));
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.server.then([uploaded("m1"), refused(404, "gone"), uploaded("m2"), ok(json!({ "id": "m2" }))]);
    scene.staged(vec![]).await;
    assert_eq!(scene.saved()["media"][0]["id"], "m2");
    // For a day they are kept.
    let sent = scene.job.clone();
    scene.job.now += SignedDuration::from_hours(21);
    assert!(matches!(scene.publish().await.expect("no request"), Sent::Stale(..)));
    assert_eq!(scene.saved()["losses"], 2);
    assert_eq!(scene.server.seen().len(), 4);
    scene.job = sent;
    // Never processed.
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.server.then([uploaded("m1"), Answer::Json(206, json!({ "id": "m1" }))]);
    scene.stage().await.expect("the owner");
    scene.stage().await.expect("an upload");
    scene.job.now += SignedDuration::from_hours(2);
    assert!(matches!(scene.stage().await, Ok(Staged::More(_))));
    assert_eq!(scene.saved()["media"], serde_json::Value::Null);
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.stage().await.expect("the owner");
    for _ in 0..4 {
        scene.server.then([uploaded("m1"), refused(404, "gone")]);
        scene.stage().await.expect("an upload");
        let Err(error) = scene.stage().await else { continue };
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Rejected, "media-lost"));
        return;
    }
    panic!("uploaded for ever");
}

#[tokio::test]
async fn what_a_medium_is_refused_for_is_final() {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.server.then([Answer::Json(202, json!({ "id": "m1" })), refused(422, "Error processing")]);
    scene.stage().await.expect("the owner");
    scene.stage().await.expect("an upload");
    assert_eq!(scene.stage().await.expect_err("refused").code, "media-not-processed");
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.server.then([refused(422, "File type not supported")]);
    scene.stage().await.expect("the owner");
    assert_eq!(scene.stage().await.expect_err("refused").kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn a_thread_is_one_request_for_each_post_with_a_key_of_its_own() {
    let yaml = "id: a\ntext: One\nto:\n  toot:\n    warning: cw\n    parts: [Two, Three]\n";
    let mut scene = Scene::new(yaml, &[], None).await;
    scene.staged(vec![]).await;
    let answer = |id: &str, parent: Option<&str>| {
        ok(with(status(id, "x"), json!({ "in_reply_to_id": parent, "spoiler_text": "cw" })))
    };
    scene.server.then([answer("1", None), answer("2", Some("1")), answer("3", Some("2"))]);
    for n in 0..3 {
        let sent = scene.publish().await.expect("sent");
        let remote = match sent {
            Sent::Partly(remote, _) if n < 2 => remote,
            Sent::Published(remote, _) if n == 2 => remote,
            other => panic!("{n}: {other:?}"),
        };
        assert_eq!(remote.id.as_deref(), Some("1"), "the first post");
    }
    let seen = scene.server.seen();
    let parents: Vec<_> = seen.iter().map(|seen| seen.json()["in_reply_to_id"].clone()).collect();
    assert_eq!(parents, [json!(null), json!("1"), json!("2")]);
    let keys: Vec<_> =
        seen.iter().map(|seen| seen.header("idempotency-key").expect("a key").to_owned()).collect();
    assert!(keys[0].ends_with("-0") && keys[1].ends_with("-1") && keys[2].ends_with("-2"), "{keys:?}");
    assert!(seen.iter().all(|seen| seen.json()["spoiler_text"] == "cw"));
}

#[tokio::test]
async fn nobody_knows_what_an_unclear_answer_means() {
    for (answer, kind) in [
        (Answer::Cut, ErrorKind::Ambiguous),
        (refused(500, "x"), ErrorKind::Ambiguous),
        (refused(503, "temporary problem"), ErrorKind::Ambiguous),
        (refused(400, "Duplicate idempotency key."), ErrorKind::Ambiguous),
        (ok(json!({})), ErrorKind::Ambiguous),
        (ok(json!({ "id": "1", "scheduled_at": "x", "params": {} })), ErrorKind::Ambiguous),
        (Answer::Plain(200, "", "<html>".into()), ErrorKind::Ambiguous),
        (refused(302, ""), ErrorKind::Protocol),
        (refused(401, "revoked"), ErrorKind::Auth),
        (refused(403, "suspended"), ErrorKind::Permission),
        (refused(422, "too long"), ErrorKind::Rejected),
        (refused(404, "no parent"), ErrorKind::Rejected),
    ] {
        let mut scene = Scene::new(TEXT, &[], None).await;
        scene.staged(vec![]).await;
        scene.server.then([answer.clone()]);
        let error = scene.publish().await.expect_err("no answer");
        assert_eq!(error.kind, kind, "{answer:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let mut scene = Scene::new(TEXT, &[], None).await;
    scene.staged(vec![]).await;
    let header = "x-ratelimit-reset: 2999-01-01T00:00:00.000000Z\r\n";
    scene.server.then([Answer::Plain(429, header, r#"{"error":"Too many requests"}"#.into())]);
    let error = scene.publish().await.expect_err("too many");
    assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimited, Some(Duration::from_secs(86_400))));
}

#[tokio::test]
async fn a_no_with_media_has_them_asked_for_once() {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.staged(vec![ok(json!({ "id": "m1" })), ok(json!({ "id": "m1" }))]).await;
    // In whatever language: it may be about media that are not ready.
    scene.server.then([refused(422, "Noch nicht verarbeitet")]);
    assert!(matches!(scene.publish().await.expect("again"), Sent::Stale(..)));
    scene.staged(vec![Answer::Json(206, json!({ "id": "m1" })), ok(json!({ "id": "m1" }))]).await;
    scene.server.then([refused(422, "too long")]);
    assert_eq!(scene.publish().await.expect_err("final").kind, ErrorKind::Rejected);
    // After an earlier request it may be that one which used them up.
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.staged(vec![ok(json!({ "id": "m1" })), ok(json!({ "id": "m1" }))]).await;
    scene.job.checkpoint.as_mut().expect("one")["resends"] = json!(1);
    scene.server.then([refused(422, "already attached")]);
    assert_eq!(scene.publish().await.expect_err("unknown").kind, ErrorKind::Ambiguous);
}

#[tokio::test]
async fn what_is_not_as_it_was_sent_is_written_down() {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.staged(vec![ok(json!({ "id": "m1" })), ok(json!({ "id": "m1" }))]).await;
    scene
        .server
        .then([ok(with(status("9", "Hello"), json!({ "visibility": "unlisted", "in_reply_to_id": "5" })))]);
    assert!(matches!(scene.publish().await.expect("live"), Sent::Published(..)));
    assert_eq!(scene.saved()["live"][0]["differs"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn an_imported_login_is_asked_whose_it_is_and_another_owners_sends_nothing() {
    let mut scene = Scene::new(TEXT, &[], None).await;
    scene.grant.subject.clear();
    scene.server.then([ok(json!({ "id": "42", "username": "someone" }))]);
    let error = scene.stage().await.expect_err("another");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Permission, "other-handle"));
    scene.staged(vec![ok(json!({ "id": "42", "username": "Brand" }))]).await;
    assert_eq!(scene.saved()["account"], "42");
    scene.grant.subject = "43".into();
    assert_eq!(scene.publish().await.expect_err("another").code, "other-owner");
    assert_eq!(scene.asked().iter().filter(|asked| asked.starts_with("POST")).count(), 0);
}

#[tokio::test]
async fn what_is_answered_must_be_there_and_has_the_id_that_it_has_now() {
    let mut scene = Scene::new("id: a\ntext: x\nto:\n  toot:\n    reply: '7'\n", &[], None).await;
    scene.staged(vec![ok(with(status("7", "x"), json!({ "reblog": status("5", "x") })))]).await;
    scene.server.then([ok(with(status("9", "x"), json!({ "in_reply_to_id": "5" })))]);
    scene.publish().await.expect("live");
    assert_eq!(scene.server.seen().last().expect("one").json()["in_reply_to_id"], "5");
    let mut scene = Scene::new("id: a\ntext: x\nto:\n  toot:\n    reply: '7'\n", &[], None).await;
    scene.stage().await.expect("the owner");
    scene.server.then([refused(404, "Record not found")]);
    assert_eq!(scene.stage().await.expect_err("nothing there").code, "no-such-post");
}

#[tokio::test]
async fn the_next_operation_is_the_one_that_is_sent() {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    let mut publication = crate::domain::publication::Publication::apply(
        None,
        (&"a".parse().expect("id"), &"toot".parse().expect("name")),
        &crate::domain::publication::Change::Adopted {
            platform: crate::domain::ids::PlatformId::Mastodon,
            digest: scene.job.payload.digest(),
            revision: 1,
            path: String::new(),
            remote: Default::default(),
            reason: crate::domain::publication::Reason::new("x", "x"),
            payload: None,
        },
        start(),
    )
    .expect("legal")
    .0;
    scene.stage().await.expect("the owner");
    scene.server.then([Answer::Json(202, json!({ "id": "m1" }))]);
    let mut names = Vec::new();
    scene.job.remote.id = Some("9".into());
    for state in
        [State::Staging, State::Staged, State::Partial, State::Unresolved, State::Editing, State::Deleting]
    {
        publication.state = state;
        names.push(scene.toot.next_operation(&publication, &scene.job));
    }
    assert_eq!(names, ["media", "statuses", "statuses", "accounts/statuses", "media", "statuses/delete"]);
    scene.stage().await.expect("an upload");
    publication.state = State::Staging;
    assert_eq!(scene.toot.next_operation(&publication, &scene.job), "media/state");
}
