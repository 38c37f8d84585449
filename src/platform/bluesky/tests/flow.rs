//! The steps of a post, request by request.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::*;
use crate::domain::retry::ErrorKind;
use crate::platform::bluesky::Bluesky;
use crate::platform::bluesky::body::Body;
use crate::platform::bluesky::checkpoint::Checkpoint;
use crate::platform::bluesky::client::Session;
use crate::platform::http::Http;
use crate::platform::testing::Answer;
use crate::platform::{Observation, Platform, RequestLog, Sent, Staged};

const TEXT: &str = "id: a\ntext: Hello @friend.example @nobody.example\nto:\n  sky:\n";

async fn staged(yaml: &str, answers: Vec<Answer>) -> Scene {
    let mut scene = Scene::new(yaml).await;
    let steps = answers.len().max(1);
    scene.server.then(answers);
    for step in 1..=steps {
        let staged = scene.stage().await.expect("a step");
        assert_eq!(matches!(staged, Staged::Ready(_)), step == steps, "step {step}: {staged:?}");
    }
    scene
}

#[tokio::test]
async fn the_record_is_frozen_before_the_request_and_null_is_written_out() {
    let friend = Answer::Json(200, json!({ "did": "did:plc:friend" }));
    let scene = staged(TEXT, vec![friend, refused(400, "InvalidRequest")]).await;
    let frozen = scene.frozen();
    assert_eq!(frozen["record"]["createdAt"], "2026-11-22T10:00:00.000Z");
    assert_eq!(frozen["record"]["facets"].as_array().map(Vec::len), Some(1));
    scene.server.then([Answer::Json(200, json!({ "uri": scene.uri(), "cid": "bafyreix" }))]);
    let sent = scene.publish().await.expect("published");
    let Sent::Published(remote, _) = sent else { panic!("{sent:?}") };
    assert_eq!(remote.id, Some(scene.uri()));
    let seen = scene.server.seen();
    let last = seen.last().expect("a request");
    assert_eq!(last.target, "/xrpc/com.atproto.repo.putRecord");
    assert_eq!(last.header("authorization"), Some("Bearer access.canary"));
    let body = last.json();
    assert!(body.as_object().expect("an object").contains_key("swapRecord") && body["swapRecord"].is_null());
    assert!(String::from_utf8_lossy(&last.body).contains(r#""swapRecord":null"#));
    assert_eq!(body["record"], frozen["record"]);
    // Whoever may be asked without a token is.
    assert!(seen[..2].iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn what_was_never_sent_is_made_anew_when_it_is_old_and_what_was_sent_never() {
    let mut scene = staged("id: a\ntext: x\nto:\n  sky:\n", vec![]).await;
    let sent_at = scene.job.now;
    scene.job.now += SignedDuration::from_mins(51);
    let stale = scene.publish().await.expect("no request");
    assert!(matches!(stale, Sent::Stale(..)) && scene.server.seen().is_empty(), "{stale:?}");
    scene.job.intended_at = Some(sent_at);
    scene.server.then([Answer::Json(200, json!({ "uri": scene.uri(), "cid": "bafyreix" }))]);
    assert!(matches!(scene.publish().await.expect("sent"), Sent::Published(..)));
}

#[tokio::test]
async fn nobody_knows_what_an_unclear_answer_means() {
    for (answer, kind) in [
        (Answer::Cut, ErrorKind::Ambiguous),
        (refused(400, "InvalidSwap"), ErrorKind::Ambiguous),
        (refused(500, "InternalServerError"), ErrorKind::Ambiguous),
        (Answer::Json(200, json!({ "uri": "at://other", "cid": "c" })), ErrorKind::Ambiguous),
        (Answer::Plain(200, "", "<html>".into()), ErrorKind::Ambiguous),
        (refused(400, "SomethingNew"), ErrorKind::Protocol),
        (refused(400, "ExpiredToken"), ErrorKind::Auth),
        (refused(400, "InvalidRequest"), ErrorKind::Rejected),
        (refused(429, "RateLimitExceeded"), ErrorKind::RateLimited),
    ] {
        let scene = staged("id: a\ntext: x\nto:\n  sky:\n", vec![]).await;
        scene.server.then([answer.clone()]);
        let error = scene.publish().await.expect_err("no answer");
        assert_eq!(error.kind, kind, "{answer:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_look_tells_with_authority() {
    for (what, found) in [("same", "published"), ("other", "held"), ("none", "absent"), ("down", "error")] {
        let scene = staged("id: a\ntext: x\nto:\n  sky:\n", vec![]).await;
        let record = scene.frozen()["record"].clone();
        let value = if what == "same" { record } else { json!({ "text": "another" }) };
        scene.server.then([match what {
            "none" => refused(400, "RecordNotFound"),
            "down" => refused(502, "UpstreamFailure"),
            _ => Answer::Json(200, json!({ "uri": scene.uri(), "cid": "c", "value": value })),
        }]);
        let told = match scene.sky.observe(&scene.job, &scene.grant).await {
            Ok(Observation::Published { remote, .. }) => {
                assert_eq!(remote.id, Some(scene.uri()));
                "published"
            }
            Ok(Observation::CannotTell(_)) => "held",
            Ok(Observation::Absent(checkpoint, _)) => {
                // The same record under the same key goes out again.
                assert_eq!(checkpoint.expect("kept")["frozen"], scene.frozen());
                "absent"
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Transient);
                "error"
            }
        };
        assert_eq!(told, found, "{what}");
    }
}

#[tokio::test]
async fn a_reply_and_a_quotation_name_posts_in_their_version() {
    let yaml = "id: a\ntext: x\nto:\n  sky:\n    quote: at://did:plc:q/app.bsky.feed.post/3kq\n    reply: https://bsky.app/profile/friend.example/post/3kr\n";
    let root = json!({ "uri": "at://did:plc:r/app.bsky.feed.post/3ka", "cid": "bafyreiroot" });
    let scene = staged(
        yaml,
        vec![
            Answer::Json(200, json!({ "did": "did:plc:friend" })),
            Answer::Json(200, json!({ "uri": "u", "cid": "bafyreiq", "value": {} })),
            Answer::Json(
                200,
                json!({ "uri": "u", "cid": "bafyreip", "value": { "reply": { "root": root } } }),
            ),
        ],
    )
    .await;
    let record = scene.frozen()["record"].clone();
    let parent = json!({ "uri": "at://did:plc:friend/app.bsky.feed.post/3kr", "cid": "bafyreip" });
    assert_eq!(record["reply"], json!({ "root": root, "parent": parent }));
    assert_eq!(record["embed"]["record"]["cid"], "bafyreiq");
    // Without their author, there is nothing to reply to.
    let mut scene = Scene::new(yaml).await;
    scene.server.then([
        refused(400, "HandleNotFound"),
        Answer::Json(200, json!({ "uri": "u", "cid": "bafyreiq", "value": {} })),
    ]);
    scene.stage().await.expect("nobody");
    scene.stage().await.expect("the quotation");
    assert_eq!(scene.stage().await.expect_err("nobody's post").kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn gates_come_in_the_same_commit() {
    let yaml = "id: a\ntext: x\nto:\n  sky:\n    replies: [mentioned]\n    quotes: false\n";
    let scene = staged(yaml, vec![]).await;
    scene.server.then([Answer::Json(200, json!({ "results": [] }))]);
    scene.publish().await.expect("published");
    let body = scene.server.seen()[0].json();
    let writes = body["writes"].as_array().expect("writes").clone();
    let collections: Vec<_> = writes.iter().map(|write| write["collection"].as_str().expect("one")).collect();
    assert_eq!(collections, ["app.bsky.feed.post", "app.bsky.feed.threadgate", "app.bsky.feed.postgate"]);
    let rkey = scene.frozen()["rkey"].clone();
    assert!(writes.iter().all(|write| write["rkey"] == rkey && rkey != Value::Null));
    assert_eq!(writes[1]["value"]["allow"], json!([{ "$type": "app.bsky.feed.threadgate#mentionRule" }]));
    assert_eq!(writes[2]["value"]["post"], scene.uri());
}

#[tokio::test]
async fn another_owners_login_does_not_send_this_ones_post() {
    let mut scene = staged("id: a\ntext: x\nto:\n  sky:\n", vec![]).await;
    scene.grant.subject = "did:plc:other".into();
    assert_eq!(scene.publish().await.expect_err("refused").code, "other-owner");
    assert!(scene.server.seen().is_empty());
}

#[tokio::test]
async fn a_refresh_shows_the_refresh_token_and_keeps_what_the_reply_leaves_out() {
    let scene = Scene::new("id: a\ntext: x\nto:\n  sky:\n").await;
    let log = RequestLog::default();
    let reply = json!({ "did": DID, "handle": "renamed.example", "accessJwt": "a", "refreshJwt": "r" });
    scene.server.then([Answer::Json(200, reply), refused(400, "ExpiredToken"), Answer::Cut]);
    let fresh = scene.sky.refresh(&scene.grant, &log).await.expect("a pair");
    assert_eq!((fresh.access.expose(), fresh.subject.as_str(), fresh.scopes.len()), ("a", DID, 1));
    let seen = scene.server.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer refresh.canary"));
    assert_eq!(seen[0].target, "/xrpc/com.atproto.server.refreshSession");
    for kind in [ErrorKind::Auth, ErrorKind::Ambiguous] {
        assert_eq!(scene.sky.refresh(&scene.grant, &log).await.expect_err("none").kind, kind);
    }
}

#[tokio::test]
async fn what_the_account_shows_already_is_not_posted_once_more() {
    let listed = |text: &str, at: &str, key: &str| {
        let uri = format!("at://{DID}/app.bsky.feed.post/{key}");
        json!({ "uri": uri, "cid": "c", "value": { "text": text, "createdAt": at } })
    };
    for (record, is_there) in [
        (listed("x", "2026-11-22T09:00:00.000Z", "3ka"), true),
        (listed("y", "2026-11-22T09:00:00.000Z", "3ka"), false),
        (listed("x", "2026-11-01T09:00:00.000Z", "3ka"), false),
        (listed("x", "2026-11-22T09:00:00.000Z", "3known"), false),
        (listed("x", "yesterday", "3ka"), false),
    ] {
        let mut scene = Scene::new("id: a\ntext: x\nto:\n  sky:\n").await;
        scene.job.look_back_to = Some(scene.job.now - SignedDuration::from_hours(24));
        scene.job.taken = std::sync::Arc::new(vec![format!("at://{DID}/app.bsky.feed.post/3known")]);
        scene.server.then([Answer::Json(200, json!({ "records": [record] }))]);
        let code = scene.stage().await.err().map(|error| (error.code, error.kind));
        assert_eq!(code, is_there.then(|| ("already-there".to_owned(), ErrorKind::Rejected)), "{record}");
        assert_eq!(scene.frozen().is_object(), !is_there);
        assert!(scene.server.seen()[0].target.contains("listRecords?repo=did%3Aplc%3Aabc&"));
    }
}

#[tokio::test]
async fn an_account_tells_its_handle() {
    let scene = Scene::new("id: a\ntext: x\nto:\n  sky:\n").await;
    scene.server.then([Answer::Json(200, json!({ "did": DID, "handle": "brand.example" }))]);
    let log = RequestLog::default();
    let answer = scene.sky.inquiry().capabilities(&scene.grant, &log).await.expect("an answer");
    assert_eq!(answer.capabilities.username.as_deref(), Some("brand.example"));
    assert_eq!(scene.sky.inquiry().operations(&scene.grant), ["getSession"]);
}

#[tokio::test]
async fn without_an_endpoint_the_entryway_is_asked_for_the_server_first() {
    let scene = Scene::new("id: a\ntext: x\nto:\n  sky:\n").await;
    let sky = Bluesky::new(account(None), Http::default());
    let first = |checkpoint: Value| {
        let body = Body::read(&scene.job.payload).expect("a body");
        sky.step(&scene.job, &body, &Checkpoint::read(Some(&checkpoint)).expect("a checkpoint")).operation()
    };
    assert_eq!(first(json!({ "v": 1 })), "getSession");
    for server in ["https://pds.example", ""] {
        assert_eq!(first(json!({ "v": 1, "server": server })), "nothing", "{server:?}");
    }
    assert_eq!(sky.origin(), "https://bsky.social");
}

#[tokio::test]
async fn media_that_the_server_threw_away_are_uploaded_again() {
    let mut scene = staged("id: a\ntext: x\nto:\n  sky:\n", vec![]).await;
    scene.server.then((0..3).map(|_| refused(400, "BlobNotFound")));
    let frozen = scene.frozen();
    for _ in 0..2 {
        let Ok(Sent::Stale(checkpoint, _)) = scene.publish().await else { panic!("not stale") };
        assert_eq!(checkpoint["frozen"], frozen, "the same record");
        scene.job.checkpoint = Some(checkpoint);
        scene.job.intended_at = Some(scene.job.now);
    }
    assert_eq!(scene.publish().await.expect_err("no end").kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn a_job_is_asked_for_by_the_id_that_its_upload_was_answered_with() {
    let scene = Scene::new("id: a\ntext: x\nto:\n  sky:\n").await;
    let video = json!({ "by": "service", "job": "ours" });
    for status in [json!({ "jobId": "another", "state": "JOB_STATE_NEW" }), json!({ "jobId": "ours" })] {
        scene.server.then([Answer::Json(200, json!({ "jobStatus": status }))]);
    }
    let mut checkpoint = Checkpoint::read(Some(&json!({ "v": 1, "video": video }))).expect("a checkpoint");
    let session = Session { grant: &scene.grant, server: None, log: &scene.job.log };
    for _ in 0..2 {
        scene.sky.look_at_job(session, &mut checkpoint).await.expect("a job");
    }
    assert!(scene.server.seen().iter().all(|seen| seen.target.ends_with("?jobId=ours")));
}
