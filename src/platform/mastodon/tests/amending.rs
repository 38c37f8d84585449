//! Edits and deletions, request by request.

use jiff::SignedDuration;
use serde_json::json;

use super::support::*;
use crate::domain::publication::Remote;
use crate::domain::retry::ErrorKind;
use crate::platform::mastodon::Mastodon;
use crate::platform::testing::Answer;
use crate::platform::{Deleted, Deletes, Edited, Edits, Error};

const IMAGE: &str = "id: a\ntext: Hello\nmedia:\n  - file: a.png\n    alt: A sea\nto:\n  toot:\n";

async fn edit(scene: &mut Scene) -> Result<Edited, Error> {
    let edits: &Mastodon = &scene.toot;
    let edited = edits.edit(&scene.job, &scene.grant).await?;
    match &edited {
        Edited::More(checkpoint) | Edited::Wait(checkpoint, _) | Edited::Done(_, Some(checkpoint)) => {
            scene.job.checkpoint = Some(checkpoint.clone());
        }
        Edited::Done(_, None) => {}
    }
    Ok(edited)
}

async fn delete(scene: &mut Scene) -> Result<Deleted, Error> {
    let deletes: &Mastodon = &scene.toot;
    let deleted = deletes.delete(&scene.job, &scene.grant).await?;
    if let Deleted::More(checkpoint) = &deleted {
        scene.job.checkpoint = Some(checkpoint.clone());
    }
    Ok(deleted)
}

/// A live post with one image.
async fn live() -> Scene {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.staged(vec![ok(json!({ "id": "m1" })), ok(json!({ "id": "m1" }))]).await;
    scene.server.then([ok(with(status("9", "Hello"), json!({ "media_attachments": [{ "id": "m1" }] })))]);
    scene.publish().await.expect("live");
    scene
}

fn answer(id: &str, fields: serde_json::Value) -> Answer {
    ok(with(status(id, "x"), fields))
}

#[tokio::test]
async fn an_edit_says_everything_and_keeps_the_media_that_stay() {
    let mut scene = live().await;
    let yaml = "id: a\ntext: Changed\nmedia:\n  - file: b.png\n    alt: New\n  - file: a.png\n    alt: Other words\nto:\n  toot:\n    warning: cw\n    language: de\n";
    scene.rewrite(yaml, &["other bytes", "bytes"]);
    let media = json!([{ "id": "m2" }, { "id": "m1" }]);
    scene.server.then([
        Answer::Json(202, json!({ "id": "m2" })),
        Answer::Json(206, json!({ "id": "m2" })),
        ok(json!({ "id": "m2" })),
        answer("9", json!({ "spoiler_text": "cw", "media_attachments": media })),
    ]);
    assert!(matches!(edit(&mut scene).await, Ok(Edited::More(_))));
    assert!(matches!(edit(&mut scene).await, Ok(Edited::Wait(..))));
    assert!(matches!(edit(&mut scene).await, Ok(Edited::More(_))));
    let Ok(Edited::Done(remote, _)) = edit(&mut scene).await else { panic!("not done") };
    assert_eq!(remote.id.as_deref(), Some("9"));
    let seen = scene.server.seen();
    let last = seen.last().expect("a request");
    assert_eq!((last.method.as_str(), last.target.as_str()), ("PUT", "/api/v1/statuses/9"));
    let expected = json!({
        "status": "Changed", "spoiler_text": "cw", "sensitive": true, "language": "de", "media_ids": ["m2", "m1"],
        "media_attributes": [
            { "id": "m2", "description": "New" }, { "id": "m1", "description": "Other words" },
        ],
    });
    assert_eq!(last.json(), expected);
    assert_eq!(scene.saved()["edit"], json!(null));
    // The next edit knows what is there now.
    scene.rewrite("id: a\ntext: Again\nto:\n  toot:\n", &[]);
    scene.server.then([answer("9", json!({}))]);
    assert!(matches!(edit(&mut scene).await, Ok(Edited::Done(..))));
    let last = scene.server.seen().last().expect("a request").json();
    assert_eq!(
        (&last["media_ids"], &last["spoiler_text"], &last["sensitive"]),
        (&json!([]), &json!(""), &json!(false))
    );
}

#[tokio::test]
async fn another_edit_begins_anew_and_lost_media_go_up_again() {
    let mut scene = live().await;
    scene.rewrite(IMAGE, &["other bytes"]);
    scene.server.then([ok(json!({ "id": "m2" }))]);
    edit(&mut scene).await.expect("an upload");
    assert_eq!(scene.saved()["edit"]["media"][0]["id"], "m2");
    scene.rewrite(&IMAGE.replace("Hello", "Changed"), &["third bytes!"]);
    // The server threw it away before it was attached.
    scene.server.then([ok(json!({ "id": "m3" })), answer("9", json!({})), ok(json!({ "id": "m4" }))]);
    edit(&mut scene).await.expect("an upload");
    assert_eq!(scene.saved()["edit"]["media"][0]["id"], "m3");
    edit(&mut scene).await.expect("not taken");
    edit(&mut scene).await.expect("an upload");
    // A day later it is not tried with them.
    scene.job.now += SignedDuration::from_hours(30);
    let media = json!([{ "id": "m5" }]);
    scene.server.then([ok(json!({ "id": "m5" })), answer("9", json!({ "media_attachments": media }))]);
    edit(&mut scene).await.expect("an upload");
    assert!(matches!(edit(&mut scene).await, Ok(Edited::Done(..))));
}

#[tokio::test]
async fn each_post_of_a_thread_is_edited() {
    let yaml = |two: &str| format!("id: a\ntext: One\nto:\n  toot:\n    parts: ['{two}']\n");
    let mut scene = Scene::new(&yaml("Two"), &[], None).await;
    scene.staged(vec![]).await;
    let reply = json!({ "in_reply_to_id": "1" });
    scene.server.then([answer("1", json!({})), answer("2", reply.clone())]);
    scene.publish().await.expect("the first");
    scene.publish().await.expect("the second");
    scene.rewrite(&yaml("Second"), &[]);
    scene.server.then([answer("1", json!({})), Answer::Cut, answer("2b", reply)]);
    assert!(matches!(edit(&mut scene).await, Ok(Edited::More(_))));
    assert_eq!(edit(&mut scene).await.expect_err("cut").kind, ErrorKind::Transient, "it may be repeated");
    assert!(matches!(edit(&mut scene).await, Ok(Edited::Done(..))));
    assert_eq!(
        scene.asked()[2..],
        ["PUT /api/v1/statuses/1", "PUT /api/v1/statuses/2", "PUT /api/v1/statuses/2"]
    );
    assert_eq!(scene.saved()["live"][1]["id"], "2b", "some servers give it another id");
}

#[tokio::test]
async fn an_edit_that_cannot_be_is_told() {
    for (reply, code) in [
        (refused(404, "Record not found"), "no-such-post"),
        (refused(422, "too long"), "http-422"),
        // The text alone was changed.
        (
            answer("9", json!({ "spoiler_text": "old", "media_attachments": [{ "id": "m1" }] })),
            "edited-in-part",
        ),
        (answer("9", json!({})), "edited-in-part"),
    ] {
        let mut scene = live().await;
        scene.rewrite(&IMAGE.replace("Hello", "Changed"), &["bytes"]);
        scene.server.then([reply]);
        let error = edit(&mut scene).await.expect_err("refused");
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Rejected, code));
    }
    // A post that a person pointed to has no thread that is known.
    let mut scene = Scene::new("id: a\ntext: x\nto:\n  toot:\n    parts: [y]\n", &[], None).await;
    scene.job.remote = Remote { id: Some("5".into()), url: None };
    assert_eq!(edit(&mut scene).await.expect_err("refused").code, "other-thread");
    scene.rewrite("id: a\ntext: x\nto:\n  toot:\n", &[]);
    scene.server.then([answer("5", json!({}))]);
    assert!(matches!(edit(&mut scene).await, Ok(Edited::Done(..))));
}

#[tokio::test]
async fn a_poll_stays_open_as_long_as_it_was_to_be_and_is_not_opened_again() {
    let yaml = |text: &str| {
        format!("id: a\ntext: {text}\nto:\n  toot:\n    poll: {{options: [a, b], expires_in: 1h}}\n")
    };
    let mut scene = Scene::new(&yaml("x"), &[], None).await;
    scene.staged(vec![]).await;
    let poll = json!({ "poll": { "expires_at": "2026-11-22T11:00:00Z" } });
    scene.server.then([answer("9", poll)]);
    scene.publish().await.expect("live");
    scene.rewrite(&yaml("y"), &[]);
    scene.job.now += SignedDuration::from_mins(20);
    scene.server.then([answer("9", json!({}))]);
    edit(&mut scene).await.expect("edited");
    assert_eq!(scene.server.seen().last().expect("one").json()["poll"]["expires_in"], 40 * 60);
    scene.job.now += SignedDuration::from_mins(36);
    assert_eq!(edit(&mut scene).await.expect_err("over").code, "poll-over");
}

#[tokio::test]
async fn a_thread_goes_from_its_end_and_what_is_not_found_is_looked_for() {
    let mut scene = Scene::new("id: a\ntext: One\nto:\n  toot:\n    parts: [Two]\n", &[], None).await;
    scene.staged(vec![]).await;
    scene.server.then([answer("1", json!({})), answer("2", json!({ "in_reply_to_id": "1" }))]);
    scene.publish().await.expect("the first");
    scene.publish().await.expect("the second");
    scene.server.then([ok(json!({})), Answer::Cut, refused(404, "x"), refused(404, "x")]);
    assert!(matches!(delete(&mut scene).await, Ok(Deleted::More(_))));
    assert_eq!(delete(&mut scene).await.expect_err("cut").kind, ErrorKind::Transient, "it may be repeated");
    assert!(matches!(delete(&mut scene).await, Ok(Deleted::More(_))));
    assert!(matches!(delete(&mut scene).await, Ok(Deleted::Done)));
    let expected = [
        "DELETE /api/v1/statuses/2",
        "DELETE /api/v1/statuses/1",
        "DELETE /api/v1/statuses/1",
        "GET /api/v1/statuses/1",
    ];
    assert_eq!(scene.asked()[2..], expected);
    assert!(scene.server.seen()[2].target.ends_with("?delete_media=true"));
}

#[tokio::test]
async fn a_server_that_cannot_delete_is_not_believed() {
    let mut scene = Scene::new("id: a\ntext: One\nto:\n  toot:\n", &[], None).await;
    scene.job.remote = Remote { id: None, url: Some("https://example.social/@brand/9".into()) };
    scene.server.then([
        ok(status("9", "One")),
        Answer::Plain(404, "", "<html>".into()),
        ok(status("9", "One")),
    ]);
    assert!(matches!(delete(&mut scene).await, Ok(Deleted::More(_))), "the address ends in its id");
    assert!(matches!(delete(&mut scene).await, Ok(Deleted::More(_))));
    let error = delete(&mut scene).await.expect_err("still there");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Rejected, "not-deleted"));
    // An address that ends in something else proves nothing.
    let mut scene = Scene::new("id: a\ntext: One\nto:\n  toot:\n", &[], None).await;
    scene.job.remote = Remote { id: None, url: Some("https://example.social/brand/p/1795.42".into()) };
    scene.server.then([refused(404, "x")]);
    assert_eq!(delete(&mut scene).await.expect_err("not known").code, "no-such-post");
    assert_eq!(scene.asked(), ["GET /api/v1/statuses/1795.42"]);
    for (remote, code) in [
        (Remote { id: None, url: None }, "no-such-post"),
        (Remote { id: None, url: Some("https://example.social/?x=a b".into()) }, "no-such-post"),
    ] {
        let mut scene = Scene::new("id: a\ntext: One\nto:\n  toot:\n", &[], None).await;
        scene.job.remote = remote;
        assert_eq!(delete(&mut scene).await.expect_err("not known").code, code);
        assert!(scene.server.seen().is_empty());
    }
}
