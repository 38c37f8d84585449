//! Finding out what became of a post, tokens, and the smaller calls.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{Media, Scene, account, adapter, creator, grant, ok, refused, start, status};
use crate::domain::project::Mode::{self, Direct, Draft};
use crate::domain::publication::Remote;
use crate::domain::retry::ErrorKind::{self, *};
use crate::platform::testing::{Answer, Server};
use crate::platform::tiktok::client::Session;
use crate::platform::{Error, Observation, Platform, RequestLog};
use crate::secret::Secret;

const PUBLIC: &str = "id: p\nmedia:\n  - file: a.mp4\nto:\n  brand:\n    privacy: public\ntext: We shipped\n";
const SELF_ONLY: &str =
    "id: p\nmedia:\n  - file: a.mp4\nto:\n  brand:\n    privacy: self_only\ntext: We shipped\n";
const DRAFT: &str = "id: p\nmedia:\n  - file: a.mp4\nto:\n  brand: {}\ntext: We shipped\n";
const SIZE: usize = 10_000;

impl Scene {
    async fn look(&mut self, answer: Answer) -> Result<Observation, Error> {
        self.server.then([answer]);
        self.tiktok.observe(&self.job, &grant()).await
    }

    /// A post that TikTok has accepted.
    async fn accepted(mode: Mode, yaml: &str) -> Scene {
        let mut scene = Scene::new(mode, yaml, Media::Upload(SIZE)).await;
        scene.keep(&json!({
            "v": 1, "publish_id": "v~1", "accepted": true,
            "creator": { "username": "brand.official", "queried_at": "2026-11-22T10:00:00Z" },
        }));
        scene.intend();
        scene.wait(1);
        scene
    }

    /// A post whose last chunk nobody answered.
    async fn in_doubt() -> Scene {
        let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
        let url = format!("{}/upload/", scene.server.endpoint);
        scene.keep(&json!({
            "v": 1, "publish_id": "v~1",
            "upload": { "url": url, "issued_at": "2026-11-22T10:00:00Z", "total": SIZE, "offset": 0 },
        }));
        scene.intend();
        scene
    }

    /// A public photo post whose init nobody answered.
    async fn lost(yaml: &str, mode: Mode) -> Scene {
        let mut scene = Scene::new(mode, yaml, Media::Photos).await;
        scene.keep(
            &json!({ "v": 1, "creator": { "username": "brand", "queried_at": "2026-11-22T10:00:00Z" } }),
        );
        scene.intend();
        scene
    }
}

fn uploading(bytes: usize) -> Answer {
    status("PROCESSING_UPLOAD", json!({ "uploaded_bytes": bytes }))
}

#[tokio::test]
async fn a_post_is_published_when_tiktok_says_so() {
    let mut scene = Scene::accepted(Direct, PUBLIC).await;
    for word in ["PROCESSING_UPLOAD", "PROCESSING_DOWNLOAD", "SOMETHING_NEW"] {
        let seen = scene.look(status(word, json!({}))).await.expect("a look");
        assert!(matches!(seen, Observation::Working(..)), "{word}: {seen:?}");
    }
    let complete = status("PUBLISH_COMPLETE", json!({}));
    let Ok(Observation::Published { remote, checkpoint: Some(checkpoint), again: Some(_) }) =
        scene.look(complete).await
    else {
        panic!("not published, or no later look")
    };
    assert_eq!(remote, Remote::default());
    scene.keep(&checkpoint);

    let late = status(
        "PUBLISH_COMPLETE",
        json!({ "publicaly_available_post_id": [7_400_000_000_000_000_001_i64, "74002"] }),
    );
    let Ok(Observation::Published { remote, checkpoint: Some(checkpoint), again: None }) =
        scene.look(late).await
    else {
        panic!("not published")
    };
    let url = format!("{}/@brand.official/video/7400000000000000001", scene.server.endpoint);
    assert_eq!(remote, Remote { id: Some("7400000000000000001".into()), url: Some(url) });
    assert_eq!(checkpoint["post_ids"], json!(["7400000000000000001", "74002"]));

    // Whatever comes later, it stays published.
    scene.keep(&checkpoint);
    for answer in [
        refused(400, "invalid_publish_id"),
        status("FAILED", json!({})),
        status("PROCESSING_UPLOAD", json!({})),
    ] {
        let Ok(Observation::Published { remote, again: None, .. }) = scene.look(answer).await else {
            panic!("lost")
        };
        assert_eq!(remote.id.as_deref(), Some("7400000000000000001"));
    }
}

#[tokio::test]
async fn what_only_the_creator_sees_never_gets_an_id() {
    let mut scene = Scene::accepted(Direct, SELF_ONLY).await;
    let seen = scene.look(status("PUBLISH_COMPLETE", json!({}))).await;
    assert!(matches!(seen, Ok(Observation::Published { again: None, .. })), "{seen:?}");
}

#[tokio::test]
async fn a_draft_is_delivered_and_perhaps_published_later() {
    let mut scene = Scene::accepted(Draft, DRAFT).await;
    let inbox = scene.look(status("SEND_TO_USER_INBOX", json!({}))).await.expect("a look");
    let Observation::Delivered { checkpoint: Some(checkpoint), again: Some(_) } = inbox else {
        panic!("{inbox:?}")
    };
    scene.keep(&checkpoint);
    let gone = scene.look(refused(400, "invalid_publish_id")).await;
    assert!(matches!(gone, Ok(Observation::Delivered { again: None, .. })), "{gone:?}");
    scene.wait(25 * 60 * 60);
    let old = scene.look(status("SEND_TO_USER_INBOX", json!({}))).await;
    assert!(matches!(old, Ok(Observation::Delivered { again: None, .. })), "{old:?}");
    let posted =
        scene.look(status("PUBLISH_COMPLETE", json!({ "publicaly_available_post_id": 74_001 }))).await;
    assert!(
        matches!(posted, Ok(Observation::Published { remote: Remote { id: Some(_), .. }, .. })),
        "{posted:?}"
    );
}

#[tokio::test]
async fn without_a_username_the_link_is_asked_for() {
    for (scopes, answer, expected) in [
        (
            vec!["video.list"],
            ok(
                json!({ "videos": [{ "id": "74001", "share_url": "https://www.tiktok.com/@x/video/74001?u=1" }] }),
            ),
            Some("https://www.tiktok.com/@x/video/74001?u=1".to_owned()),
        ),
        (
            vec!["video.list"],
            ok(json!({ "videos": [{ "id": "74001", "share_url": "javascript:alert(1)" }] })),
            None,
        ),
        (vec!["video.list"], refused(500, "internal_error"), None),
        (
            vec!["user.info.profile"],
            ok(json!({ "user": { "username": "brand" } })),
            Some("/@brand/video/74001".to_owned()),
        ),
        (vec!["user.info.profile"], ok(json!({ "user": { "username": "a/../b" } })), None),
        (vec![], refused(500, "internal_error"), None),
    ] {
        let mut scene = Scene::accepted(Draft, DRAFT).await;
        scene.keep(&json!({ "v": 1, "publish_id": "v~1", "accepted": true }));
        scene
            .server
            .then([status("PUBLISH_COMPLETE", json!({ "publicaly_available_post_id": ["74001"] })), answer]);
        let grant = crate::domain::grant::Grant {
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            ..grant()
        };
        let Ok(Observation::Published { remote, .. }) = scene.tiktok.observe(&scene.job, &grant).await else {
            panic!("not published")
        };
        let url = remote.url.map(|url| url.replace(&scene.server.endpoint, ""));
        assert_eq!((remote.id.as_deref(), url), (Some("74001"), expected), "{scopes:?}");
    }
}

#[tokio::test]
async fn a_failed_post_tells_what_to_do() {
    let mut scene = Scene::accepted(Direct, PUBLIC).await;
    let failed = status("FAILED", json!({ "fail_reason": "picture_size_check_failed" }));
    let Ok(Observation::Rejected(reason)) = scene.look(failed).await else { panic!("not rejected") };
    assert_eq!(reason.code, "picture_size_check_failed");
}

#[tokio::test]
async fn an_error_while_looking_says_nothing_about_the_post() {
    let table: [(Answer, ErrorKind); 7] = [
        (refused(401, "access_token_invalid"), Auth),
        (refused(401, "scope_not_authorized"), Permission),
        (refused(429, "rate_limit_exceeded"), RateLimited),
        (refused(500, "internal_error"), Transient),
        (refused(400, "invalid_params"), Transient),
        (Answer::Plain(200, "", "{".into()), Transient),
        (Answer::Cut, Transient),
    ];
    for (answer, kind) in table {
        let mut scene = Scene::accepted(Direct, PUBLIC).await;
        assert_eq!(scene.look(answer.clone()).await.expect_err("an error").kind, kind, "{answer:?}");
    }
}

#[tokio::test]
async fn an_unanswered_last_chunk_is_sent_again_only_if_it_did_not_arrive() {
    let mut scene = Scene::in_doubt().await;
    scene.wait(1);
    let early = scene.look(uploading(0)).await;
    assert!(matches!(early, Ok(Observation::Unknown(_))), "its bytes may still arrive: {early:?}");

    scene.wait(60);
    let whole = scene.look(uploading(SIZE)).await;
    assert!(matches!(whole, Ok(Observation::Working(..))), "{whole:?}");
    let done = scene.look(status("SEND_TO_USER_INBOX", json!({}))).await;
    assert!(matches!(done, Ok(Observation::Delivered { .. })), "{done:?}");
    let silent = scene.look(status("PROCESSING_UPLOAD", json!({}))).await;
    assert!(matches!(silent, Ok(Observation::CannotTell(_))), "{silent:?}");
    let unknown = scene.look(refused(400, "invalid_publish_id")).await;
    assert!(matches!(unknown, Ok(Observation::CannotTell(_))), "{unknown:?}");

    let moved = scene.look(uploading(5_000)).await;
    assert!(matches!(moved, Ok(Observation::Unknown(_))), "its bytes do arrive: {moved:?}");
    scene.pass(3).await;
    let absent = scene.look(uploading(5_000)).await;
    let Ok(Observation::Absent(Some(checkpoint), _)) = absent else { panic!("{absent:?}") };
    assert_eq!(checkpoint["upload"]["offset"], 0);
    scene.wait(3_600);
    let expired = scene.look(uploading(5_000)).await;
    assert!(matches!(expired, Ok(Observation::Lost(..))), "{expired:?}");
}

#[tokio::test]
async fn no_clock_that_is_set_makes_a_cut_upload_absent() {
    let hour = 3_600;
    for set in [0, hour, 48 * hour, -48 * hour] {
        let mut scene = Scene::in_doubt().await;
        scene.wait(set);
        for process in 0..2 {
            for look in 0..2 {
                let seen = scene.look(uploading(0)).await;
                assert!(matches!(seen, Ok(Observation::Unknown(_))), "{set} {process} {look}: {seen:?}");
                scene.wait(set);
            }
            scene.restart();
        }
        let seen = scene.look(uploading(0)).await;
        assert!(matches!(seen, Ok(Observation::Unknown(_))), "{set}: {seen:?}");
        scene.pass(3).await;
        let seen = scene.look(uploading(0)).await;
        let is_resumed = matches!(seen, Ok(Observation::Absent(Some(_), _)));
        assert_eq!(is_resumed, set <= 0, "{set}: {seen:?}");
        assert!(is_resumed || matches!(seen, Ok(Observation::Lost(..))), "{set}: {seen:?}");
    }
}

#[tokio::test]
async fn an_upload_that_is_sent_again_is_waited_for_again() {
    let mut scene = Scene::in_doubt().await;
    for _ in 0..2 {
        let early = scene.look(uploading(0)).await;
        assert!(matches!(early, Ok(Observation::Unknown(_))), "{early:?}");
        scene.pass(3).await;
        let absent = scene.look(uploading(0)).await;
        let Ok(Observation::Absent(Some(checkpoint), _)) = absent else { panic!("{absent:?}") };
        scene.keep(&checkpoint);
        scene.intend();
        scene.server.then([Answer::Cut]);
        assert_eq!(scene.tiktok.publish(&scene.job, &grant()).await.expect_err("cut").kind, Ambiguous);
    }
}

/// TikTok's clock may be far ahead of ours.
#[tokio::test]
async fn an_address_that_takes_nothing_is_given_up() {
    let mut scene = Scene::in_doubt().await;
    let mut checkpoint = scene.job.checkpoint.clone().expect("in doubt");
    checkpoint["inits"] = 4.into();
    scene.keep(&checkpoint);
    let mut sent = 0;
    let reason = loop {
        let early = scene.look(uploading(0)).await;
        assert!(matches!(early, Ok(Observation::Unknown(_))), "{early:?}");
        scene.pass(3).await;
        match scene.look(uploading(0)).await {
            Ok(Observation::Absent(Some(checkpoint), _)) => scene.keep(&checkpoint),
            Ok(Observation::Lost(checkpoint, reason)) => {
                scene.keep(&checkpoint);
                break reason;
            }
            seen => panic!("{seen:?}"),
        }
        scene.intend();
        scene.server.then([super::support::chunk(403)]);
        let error = scene.tiktok.publish(&scene.job, &grant()).await.expect_err("refused");
        assert_eq!((error.kind, error.code.as_str()), (Ambiguous, "upload-gone"));
        scene.job.reason = Some(error.code);
        sent += 1;
        assert!(sent < 10, "no end");
    };
    assert_eq!((reason.code.as_str(), sent), ("upload-incomplete", 3));

    // Neither is it tried for ever at one address after the other.
    let requests = scene.requests().len();
    let error = scene.tiktok.stage(&scene.job, &grant()).await.expect_err("no more");
    assert_eq!((error.kind, error.code.as_str()), (Rejected, "upload-lost"));
    assert_eq!(scene.requests().len(), requests);
}

/// Another process may be in the middle of the same chunk, suspended: its upload can still become a post.
#[tokio::test]
async fn an_upload_that_only_is_out_of_step_is_never_given_up_for_a_new_one() {
    let mut scene = Scene::in_doubt().await;
    for _ in 0..12 {
        assert!(matches!(scene.look(uploading(0)).await, Ok(Observation::Unknown(_))));
        scene.pass(3).await;
        match scene.look(uploading(0)).await {
            Ok(Observation::Absent(Some(checkpoint), _)) => scene.keep(&checkpoint),
            seen => panic!("{seen:?}"),
        }
        scene.intend();
        scene.server.then([super::support::chunk(416)]);
        let error = scene.tiktok.publish(&scene.job, &grant()).await.expect_err("refused");
        assert_eq!((error.kind, error.code.as_str()), (Ambiguous, "upload-out-of-step"));
        scene.job.reason = Some(error.code);
    }
}

#[tokio::test]
async fn an_address_that_expires_before_a_chunk_is_sent_again_leaves_the_doubt() {
    let mut scene = Scene::in_doubt().await;
    for (resends, kind) in [(0, None), (1, Some(Ambiguous))] {
        let mut checkpoint = scene.job.checkpoint.clone().expect("in doubt");
        checkpoint["resends"] = resends.into();
        scene.keep(&checkpoint);
        scene.wait(3_600);
        let sent = scene.tiktok.publish(&scene.job, &grant()).await;
        assert_eq!(sent.as_ref().err().map(|error| error.kind), kind, "{sent:?}");
    }
    assert!(scene.requests().is_empty());
}

#[tokio::test]
async fn what_tiktok_does_not_list_nobody_can_tell() {
    for (yaml, mode) in [(DRAFT, Draft), (SELF_ONLY, Direct)] {
        let scene = Scene::lost(yaml, mode).await;
        let seen = scene.tiktok.observe(&scene.job, &grant()).await;
        assert!(matches!(seen, Ok(Observation::CannotTell(_))), "{seen:?}");
        assert!(scene.requests().is_empty());
    }
    let scene = Scene::lost(PUBLIC, Direct).await;
    let without = crate::domain::grant::Grant { scopes: Vec::new(), ..grant() };
    let seen = scene.tiktok.observe(&scene.job, &without).await;
    assert!(matches!(seen, Ok(Observation::CannotTell(_))), "{seen:?}");
}

#[tokio::test]
async fn an_unanswered_public_init_is_looked_for_among_the_newest_posts() {
    let now = start().as_second();
    let post =
        |id: &str, at: i64, text: &str| json!({ "id": id, "create_time": at, "video_description": text });
    let page =
        |videos: Vec<Value>, more: bool| ok(json!({ "videos": videos, "cursor": 1, "has_more": more }));
    let ours = || post("74001", now - 59, "We  shipped");

    let table = [
        (
            vec![page(vec![ours()], true), page(vec![post("1", now - 9_000, "We shipped")], true)],
            Some("74001"),
        ),
        (vec![page(vec![post("2", now, "Other"), ours()], false)], Some("74001")),
        (vec![page(vec![post("1", now - 61, "We shipped")], true)], None),
        (vec![page(vec![post("taken", now, "We shipped")], false)], None),
        (vec![page(vec![ours(), post("74002", now, "We shipped")], false)], None),
        (vec![page(vec![], false)], None),
    ];
    for (pages, expected) in table {
        let mut scene = Scene::lost(PUBLIC, Direct).await;
        scene.job.taken = Arc::new(vec!["taken".to_owned()]);
        scene.server.then(pages.clone());
        let seen = scene.tiktok.observe(&scene.job, &grant()).await.expect("a look");
        assert_eq!(scene.requests().len(), pages.len());
        match (expected, seen) {
            (Some(id), Observation::Published { remote, .. }) => {
                assert_eq!(remote.id.as_deref(), Some(id));
                assert_eq!(remote.url, Some(format!("{}/@brand/photo/{id}", scene.server.endpoint)));
            }
            (None, Observation::Unknown(_)) => {
                scene.wait(600);
                scene.server.then(pages);
                let later = scene.tiktok.observe(&scene.job, &grant()).await;
                assert!(matches!(later, Ok(Observation::CannotTell(_))), "{later:?}");
            }
            (expected, seen) => panic!("{expected:?}: {seen:?}"),
        }
    }
}

#[tokio::test]
async fn next_operations_are_those_that_come() {
    use crate::domain::publication::State::*;
    let mut scene = Scene::new(Direct, PUBLIC, Media::Upload(SIZE)).await;
    let mut publication = publication();
    assert_eq!(scene.tiktok.next_operation(&publication, &scene.job), "creator_info/query");
    scene.server.then([creator(), scene.init("v~1")]);
    for next in ["video/init", "nothing"] {
        let staged = scene.tiktok.stage(&scene.job, &grant()).await.expect("a step");
        let (crate::platform::Staged::More(checkpoint) | crate::platform::Staged::Ready(checkpoint)) = staged
        else {
            panic!("a wait")
        };
        scene.keep(&checkpoint);
        assert_eq!(scene.tiktok.next_operation(&publication, &scene.job), next);
    }
    for (state, next) in [(Staged, "upload"), (Unresolved, "status/fetch"), (Accepted, "status/fetch")] {
        publication.state = state;
        assert_eq!(scene.tiktok.next_operation(&publication, &scene.job), next);
    }
    publication.state = Staged;
    for (mode, yaml, media, next) in [
        (Draft, DRAFT, Media::Pull, "inbox/video/init"),
        (Direct, PUBLIC, Media::Pull, "video/init"),
        (Draft, DRAFT, Media::Photos, "content/init"),
    ] {
        let scene = Scene::new(mode, yaml, media).await;
        assert_eq!(scene.tiktok.next_operation(&publication, &scene.job), next);
    }
}

fn publication() -> crate::domain::publication::Publication {
    crate::domain::publication::Publication {
        post: "p".parse().expect("id"),
        account: "brand".parse().expect("name"),
        platform: crate::domain::ids::PlatformId::Tiktok,
        state: crate::domain::publication::State::Staging,
        digest: crate::domain::ids::ContentDigest([0; 32]),
        revision: 1,
        attempts: 1,
        tries: 0,
        sends: 0,
        remote: Remote::default(),
        reason: None,
        next_at: None,
        intended_at: None,
        updated_at: start(),
        path: "content/a.yaml".into(),
        fixed: None,
        due_again: None,
        amendment: None,
    }
}

#[tokio::test]
async fn a_refresh_is_one_form_and_gives_a_new_pair() {
    let reply = json!({ "access_token": "act.2", "expires_in": 7200, "refresh_token": "rft.2", "refresh_expires_in": 1,
        "open_id": "open-id", "scope": "video.upload" });
    let server = Server::start([Answer::Json(200, reply)]).await;
    let tiktok = adapter(account(Draft, false, Some(&server.endpoint)));
    let fresh = tiktok.refresh(&grant(), &RequestLog::default()).await.expect("a grant");
    assert_eq!((fresh.access, fresh.refresh), (Secret::new("act.2"), Some(Secret::new("rft.2"))));
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v2/oauth/token/"));
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form =
        "client_key=app-key&client_secret=app-secret&grant_type=refresh_token&refresh_token=rft.canary";
    assert_eq!(String::from_utf8_lossy(&seen.body), form);
}

#[tokio::test]
async fn a_refresh_without_a_clear_answer_is_unknown_and_without_keys_is_not_sent() {
    let refusal = json!({ "error": "invalid_grant", "error_description": "x", "log_id": "L" });
    for (answer, kind) in [
        (Answer::Cut, Ambiguous),
        (Answer::Plain(503, "", String::new()), Ambiguous),
        (Answer::Json(200, refusal.clone()), Auth),
        (Answer::Json(400, refusal.clone()), Auth),
    ] {
        let server = Server::start([answer.clone()]).await;
        let tiktok = adapter(account(Draft, false, Some(&server.endpoint)));
        let error = tiktok.refresh(&grant(), &RequestLog::default()).await.expect_err("an error");
        assert_eq!(error.kind, kind, "{answer:?}");
        assert!(!format!("{error:?}").contains("canary") && !format!("{error:?}").contains("app-secret"));
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::start([]).await;
    let mut account = account(Draft, false, Some(&server.endpoint));
    account.client_key_env = Some("UNSET_KEY".into());
    let error = adapter(account).refresh(&grant(), &RequestLog::default()).await.expect_err("no keys");
    assert_eq!((error.kind, error.code.as_str()), (Permission, "keys-missing"));
    assert!(error.message.contains("UNSET_KEY") && server.seen().is_empty());
}

#[tokio::test]
async fn lists_are_paged_and_cancelling_is_a_request() {
    let mut scene = Scene::accepted(Direct, PUBLIC).await;
    let (grant, log) = (grant(), RequestLog::default());
    let session = Session { grant: &grant, log: &log };
    scene
        .server
        .then([ok(json!({ "videos": [{ "id": 74_001 }], "cursor": "1700000000000", "has_more": true }))]);
    let page = scene.tiktok.client.video_list(session, Some(5)).await.expect("a page");
    assert_eq!(
        (page.videos[0].id.as_str(), page.cursor, page.has_more),
        ("74001", Some(1_700_000_000_000), true)
    );
    scene.server.then([ok(json!({ "user": { "open_id": "o", "follower_count": 3 } }))]);
    assert_eq!(scene.tiktok.client.user_info(session).await.expect("a user").follower_count, Some(3));
    scene.server.then([ok(json!({})), refused(400, "publish_not_cancellable")]);
    scene.tiktok.cancel(&scene.job, &grant).await.expect("cancelled");
    assert_eq!(scene.tiktok.cancel(&scene.job, &grant).await.expect_err("too late").kind, Rejected);
    scene.wait(1);
    let seen = scene.server.seen();
    assert_eq!(seen[0].json(), json!({ "max_count": 20, "cursor": 5 }));
    assert!(seen[0].target.starts_with("/v2/video/list/?fields=id%2C"));
    assert_eq!(
        (seen[1].method.as_str(), seen[1].target.as_str()),
        ("GET", "/v2/user/info/?fields=open_id%2Cdisplay_name")
    );
    assert_eq!(seen[2].target, "/v2/post/publish/cancel/");
}
