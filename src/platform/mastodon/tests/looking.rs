//! What became of a request that nobody answered.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::*;
use crate::domain::retry::ErrorKind;
use crate::platform::testing::Answer;
use crate::platform::{Observation, Platform, Staged};

const TEXT: &str = "id: a\ntext: Hello @friend@remote.example\nto:\n  toot:\n";
const IMAGE: &str = "id: a\ntext: Hello\nmedia:\n  - file: a.png\n    alt: A sea\nto:\n  toot:\n";
const SHOWN: &str = "Hello <a href=\"https://remote.example/@friend\">@<span>friend</span></a>";

fn mastodon() -> Option<crate::domain::capability::Known> {
    Some(known("{software: mastodon}"))
}

/// A post whose request was cut.
async fn unanswered(yaml: &str, files: &[&str], known: Option<crate::domain::capability::Known>) -> Scene {
    let is_known = known.is_some();
    let mut scene = Scene::new(yaml, files, known).await;
    let uploads = files.iter().enumerate().map(|(n, _)| ok(json!({ "id": format!("m{n}") })));
    // Of a server that nothing is known of, whether it tells the state of media.
    let probe = (!is_known && !files.is_empty()).then(|| ok(json!({ "id": "m0" })));
    scene.staged(uploads.chain(probe).collect()).await;
    scene.server.then([Answer::Cut]);
    assert_eq!(scene.publish().await.expect_err("cut").kind, ErrorKind::Ambiguous);
    scene
}

fn list(statuses: Vec<Value>) -> Answer {
    Answer::Json(200, json!(statuses))
}

/// An old post, so that the list is known to reach back.
fn old() -> Value {
    with(status("1", "old"), json!({ "created_at": "2026-11-22T08:00:00.000Z" }))
}

async fn look(scene: &Scene, answers: Vec<Answer>) -> String {
    scene.server.then(answers);
    match scene.toot.observe(&scene.job, &scene.grant).await {
        Ok(Observation::Published { remote, .. }) => format!("published {}", remote.id.unwrap_or_default()),
        Ok(Observation::Partly(remote, _)) => format!("partly {}", remote.id.unwrap_or_default()),
        Ok(Observation::Unknown(_)) => "unknown".to_owned(),
        Ok(Observation::Absent(Some(_), _)) => "absent".to_owned(),
        Ok(Observation::CannotTell(reason)) => reason.code,
        Ok(other) => panic!("{other:?}"),
        Err(error) => format!("{:?}", error.kind),
    }
}

#[tokio::test]
async fn one_post_that_fits_is_it() {
    let shown = || status("9", SHOWN);
    let source = |text: &str| ok(json!({ "id": "9", "text": text, "spoiler_text": "" }));
    for (what, answers, expected) in [
        ("by its HTML", vec![list(vec![shown(), old()])], "published 9"),
        (
            "by what it was written as",
            vec![list(vec![
                with(status("9", "x"), json!({ "text": "Hello @friend@remote.example" })),
                old(),
            ])],
            "published 9",
        ),
        (
            "by its source",
            vec![
                list(vec![status("9", "<b>Hello</b>, friend"), old()]),
                source("Hello @friend@remote.example"),
            ],
            "published 9",
        ),
        ("another's source", vec![list(vec![status("9", "other"), old()]), source("other")], "unknown"),
        (
            "an answer to another",
            vec![list(vec![with(shown(), json!({ "in_reply_to_id": "5" })), old()])],
            "unknown",
        ),
        (
            "with media",
            vec![list(vec![with(shown(), json!({ "media_attachments": [{ "id": "x" }] })), old()])],
            "unknown",
        ),
        ("passed on", vec![list(vec![with(shown(), json!({ "reblog": {} })), old()])], "unknown"),
        (
            "behind a warning",
            vec![list(vec![
                with(shown(), json!({ "spoiler_text": "cw", "text": "Hello @friend@remote.example" })),
                old(),
            ])],
            "unknown",
        ),
        (
            "of another publication",
            vec![list(vec![with(shown(), json!({ "id": "taken" })), old()])],
            "unknown",
        ),
        (
            "too old",
            vec![list(vec![with(shown(), json!({ "created_at": "2026-11-22T09:50:00Z" }))])],
            "unknown",
        ),
        ("twice", vec![list(vec![shown(), with(shown(), json!({ "id": "8" })), old()])], "several-found"),
        (
            "once by this app",
            vec![list(vec![
                shown(),
                with(shown(), json!({ "id": "8", "application": { "name": "Web" } })),
                old(),
            ])],
            "published 9",
        ),
        ("down", vec![refused(502, "x")], "Transient"),
        ("gone", vec![refused(404, "x")], "Transient"),
        ("not allowed", vec![refused(403, "x")], "Permission"),
        ("no list", vec![ok(json!({}))], "Transient"),
    ] {
        let mut scene = unanswered(TEXT, &[], mastodon()).await;
        scene.job.taken = std::sync::Arc::new(vec!["taken".into()]);
        assert_eq!(look(&scene, answers).await, expected, "{what}");
    }
}

/// Server time goes on while the clock of the tests is advanced, so that all the scripted answers are there before.
async fn after_the_grace(scene: &Scene, answers: impl Fn() -> Vec<Answer>) -> String {
    assert_eq!(look(scene, answers()).await, "unknown", "not at once");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    look(scene, answers()).await
}

#[tokio::test]
async fn absent_needs_a_list_that_would_show_it_and_a_while() {
    let unlisted = "id: a\ntext: Hello\nto:\n  toot:\n    visibility: unlisted\n";
    let direct = "id: a\ntext: Hello\nto:\n  toot:\n    visibility: direct\n";
    for (what, yaml, facts, expected) in [
        ("public", TEXT, None, "absent"),
        ("unlisted", unlisted, None, "absent"),
        ("direct", direct, None, "not-listed"),
        ("direct at Mastodon", direct, mastodon(), "absent"),
        ("direct elsewhere", direct, Some(known("{software: snac}")), "not-listed"),
    ] {
        let scene = unanswered(yaml, &[], facts).await;
        assert_eq!(after_the_grace(&scene, || vec![list(vec![old()])]).await, expected, "{what}");
    }
    // Another process begins anew, as what it knows is not written down.
    let scene = unanswered(TEXT, &[], None).await;
    assert_eq!(look(&scene, vec![list(vec![old()])]).await, "unknown");
    // A new post that cannot be read may be it.
    let scene = unanswered(TEXT, &[], None).await;
    let answers = || vec![list(vec![status("9", "<i>what</i>"), old()]), refused(404, "no source")];
    assert_eq!(after_the_grace(&scene, answers).await, "not-readable");
    // A page that is full of new posts says nothing about what is behind it.
    let scene = unanswered(TEXT, &[], None).await;
    let page = |n: u32| list(vec![with(status(&n.to_string(), "other"), json!({ "text": "other" }))]);
    let turning = || (0..5).map(page).collect::<Vec<_>>();
    assert_eq!(after_the_grace(&scene, turning).await, "too-many");
}

/// A page that comes again is no end: what is behind it was not shown.
#[tokio::test]
async fn where_the_list_is_cut_the_home_timeline_tells_if_it_goes_on() {
    let own = |status: Value| with(status, json!({ "account": { "id": OWNER } }));
    let other = |n: u32| with(status(&n.to_string(), "other"), json!({ "text": "other" }));
    let edited = || with(old(), json!({ "edited_at": "2026-11-22T10:00:02Z" }));
    let page = || list(vec![own(other(1))]);
    let home = |statuses: Vec<Value>| vec![page(), page(), list(statuses)];
    let then = |mut answers: Vec<Answer>, more: Vec<Answer>| {
        answers.extend(more);
        answers
    };
    for (what, answers, expected) in [
        ("it reaches back", home(vec![other(2), own(old())]), "absent"),
        ("it has an end", then(home(vec![own(other(1))]), vec![list(vec![])]), "absent"),
        ("it is cut as well", then(home(vec![other(2)]), vec![list(vec![other(2)])]), "too-many"),
        (
            "others' posts are older than they look",
            then(home(vec![old()]), vec![list(vec![old()])]),
            "too-many",
        ),
        (
            "an edited post comes anew",
            then(home(vec![own(edited())]), vec![list(vec![own(edited())])]),
            "too-many",
        ),
    ] {
        let scene = unanswered(TEXT, &[], None).await;
        assert_eq!(after_the_grace(&scene, || answers.clone()).await, expected, "{what}");
    }
    let scene = unanswered(TEXT, &[], None).await;
    assert_eq!(look(&scene, home(vec![own(status("9", SHOWN)), own(old())])).await, "published 9");
    // Somebody else's with the same words is not it.
    let scene = unanswered(TEXT, &[], None).await;
    assert_eq!(look(&scene, home(vec![status("9", SHOWN), own(old())])).await, "unknown");
    // An edited post does not show that the account's own list reaches back.
    let scene = unanswered(TEXT, &[], None).await;
    let answers = || then(vec![list(vec![own(edited())]); 2], vec![list(vec![other(2)]); 2]);
    assert_eq!(after_the_grace(&scene, answers).await, "too-many");
}

#[tokio::test]
async fn media_tell_a_post_apart_and_those_that_are_gone_prove_nothing() {
    let listed = |id: &str| with(status("9", "Hello"), json!({ "media_attachments": [{ "id": id }] }));
    let unused = || ok(json!({ "id": "m0", "url": "x" }));
    for (what, facts, found, state, expected) in [
        ("its own", mastodon(), Some("m0"), None, "published 9"),
        ("others at Mastodon", mastodon(), Some("zz"), Some(unused()), "absent"),
        ("others elsewhere", None, Some("zz"), None, "published 9"),
        ("unused", mastodon(), None, Some(unused()), "absent"),
        ("gone", mastodon(), None, Some(refused(404, "x")), "media-gone"),
        ("not known", mastodon(), None, Some(refused(503, "x")), "Transient"),
    ] {
        let scene = unanswered(IMAGE, &["bytes"], facts).await;
        let page = || list(found.map(listed).into_iter().chain([old()]).collect());
        let told = match state {
            None => look(&scene, vec![page()]).await,
            Some(state) => {
                assert_eq!(look(&scene, vec![page()]).await, "unknown", "{what}");
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(3)).await;
                tokio::time::resume();
                look(&scene, vec![page(), state]).await
            }
        };
        assert_eq!(told, expected, "{what}");
    }
}

/// Where media are never shown, not even right after they were taken, that they are not shown proves nothing: the list
/// alone decides.
#[tokio::test]
async fn a_server_that_shows_no_media_is_known_before_the_post_leaves() {
    let mut scene = Scene::new(IMAGE, &["bytes"], None).await;
    scene.staged(vec![ok(json!({ "id": "m0" })), refused(404, "no such path")]).await;
    assert_eq!(scene.saved()["shows_media"], false);
    scene.server.then([refused(422, "no")]);
    assert_eq!(scene.publish().await.expect_err("final").kind, ErrorKind::Rejected);
    scene.server.then([Answer::Cut]);
    assert_eq!(scene.publish().await.expect_err("cut").kind, ErrorKind::Ambiguous);
    assert_eq!(look(&scene, vec![list(vec![old()])]).await, "unknown");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    assert_eq!(look(&scene, vec![list(vec![old()])]).await, "absent");
    assert!(scene.asked().iter().filter(|asked| asked.contains("/media/m0")).count() == 1);
    // Of Mastodon it is known.
    let mut scene = Scene::new(IMAGE, &["bytes"], mastodon()).await;
    scene.staged(vec![ok(json!({ "id": "m0" }))]).await;
    assert_eq!(scene.saved()["shows_media"], true);
}

#[tokio::test]
async fn of_a_thread_exactly_the_next_post_is_looked_for() {
    let yaml = "id: a\ntext: One\nto:\n  toot:\n    parts: [Two, Three]\n";
    let mut scene = Scene::new(yaml, &[], None).await;
    scene.staged(vec![]).await;
    scene.server.then([ok(status("1", "One")), Answer::Cut]);
    scene.publish().await.expect("the first");
    scene.publish().await.expect_err("cut");
    let two = |parent: &str| with(status("2", "Two"), json!({ "in_reply_to_id": parent }));
    assert_eq!(look(&scene, vec![list(vec![two("7"), status("1", "One"), old()])]).await, "unknown");
    assert_eq!(look(&scene, vec![list(vec![two("1"), status("1", "One"), old()])]).await, "partly 1");
    scene.job.checkpoint.as_mut().expect("one")["live"] = json!([{ "id": "1" }, { "id": "2" }]);
    let three = with(status("3", "Three"), json!({ "in_reply_to_id": "2" }));
    assert_eq!(look(&scene, vec![list(vec![three, two("1"), old()])]).await, "published 1");
}

#[tokio::test]
async fn what_the_account_shows_already_is_not_posted_once_more() {
    for (found, is_there) in [
        (status("9", SHOWN), true),
        (status("9", "another"), false),
        (with(status("9", SHOWN), json!({ "created_at": "2026-11-01T09:00:00Z" })), false),
        (with(status("9", SHOWN), json!({ "id": "taken" })), false),
        (with(status("9", SHOWN), json!({ "in_reply_to_id": "3" })), false),
    ] {
        let mut scene = Scene::new(TEXT, &[], None).await;
        scene.job.look_back_to = Some(scene.job.now - SignedDuration::from_hours(24));
        scene.job.taken = std::sync::Arc::new(vec!["taken".into()]);
        scene.stage().await.expect("the owner");
        scene.server.then([list(vec![found.clone()]), list(vec![])]);
        match scene.stage().await {
            Err(error) => assert!(is_there && error.code == "already-there", "{found}: {error}"),
            Ok(staged) => assert!(!is_there && matches!(staged, Staged::Ready(_)), "{found}: {staged:?}"),
        }
    }
}
