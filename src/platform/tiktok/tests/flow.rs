//! Staging and publishing, against a server that answers as told.

use serde_json::json;

use super::support::{Media, Scene, chunk, creator, grant, ok, refused, status};
use crate::domain::project::Mode::{Direct, Draft};
use crate::domain::publication::Checkpoint;
use crate::domain::retry::ErrorKind::{self, *};
use crate::platform::testing::Answer;
use crate::platform::{Error, Platform, Sent, Staged};

const DIRECT: &str = "id: p\nmedia:\n  - file: a.mp4\nto:\n  brand:\n    privacy: public\ntext: Hello\n";
const DRAFT: &str = "id: p\nmedia:\n  - file: a.mp4\nto:\n  brand: {}\ntext: Hello\n";

/// Seven chunks, the last one of 10,000,123 bytes.
const SIZE: usize = 70_000_123;
/// One chunk.
const SMALL: usize = 10_000;
/// Steps after which a test gives up.
const STEPS_MAX: usize = 20;

impl Scene {
    async fn stage(&mut self) -> Result<Staged, Error> {
        let staged = self.tiktok.stage(&self.job, &grant()).await;
        if let Ok(Staged::More(checkpoint) | Staged::Ready(checkpoint)) = &staged {
            self.keep(&checkpoint.clone());
        }
        staged
    }

    /// Stages to the end; errors are answered by another try, as the executor does.
    async fn ready(&mut self) -> Vec<Error> {
        let mut errors = Vec::new();
        for _ in 0..STEPS_MAX {
            match self.stage().await {
                Ok(Staged::Ready(_)) => return errors,
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        panic!("not ready after {STEPS_MAX} steps: {errors:?} {:?}", self.requests());
    }

    async fn publish(&mut self) -> Result<Sent, Error> {
        self.intend();
        self.tiktok.publish(&self.job, &grant()).await
    }

    fn checkpoint(&self) -> Checkpoint {
        self.job.checkpoint.clone().expect("a checkpoint")
    }

    fn ranges(&self) -> Vec<String> {
        self.server.seen().iter().filter_map(|seen| seen.header("content-range").map(str::to_owned)).collect()
    }
}

fn partly(to: u64) -> Answer {
    let ranges: [&'static str; 7] = [
        "content-range: bytes 0-9999999/70000123\r\n",
        "content-range: bytes 0-19999999/70000123\r\n",
        "content-range: bytes 0-29999999/70000123\r\n",
        "content-range: bytes 0-39999999/70000123\r\n",
        "content-range: bytes 0-49999999/70000123\r\n",
        "content-range: bytes 0-59999999/70000123\r\n",
        "content-range: bytes 0-70000122/70000123\r\n",
    ];
    Answer::Plain(206, ranges[(to - 1) as usize], String::new())
}

fn kind(result: Result<Sent, Error>) -> (ErrorKind, String) {
    let error = result.expect_err("an error");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    (error.kind, error.code)
}

#[tokio::test]
async fn a_direct_video_goes_up_in_chunks_and_the_last_one_publishes() {
    let mut scene = Scene::new(Direct, DIRECT, Media::Upload(SIZE)).await;
    scene.server.then([creator(), scene.init("v_pub_file~1")]);
    scene.server.then((1..=6).map(partly));
    scene.server.then([chunk(201)]);
    assert_eq!(scene.ready().await, []);
    assert_eq!(scene.requests().len(), 8, "the last chunk is not sent yet");
    assert!(matches!(scene.publish().await, Ok(Sent::Accepted(..))));

    let seen = scene.server.seen();
    assert_eq!(seen[0].target, "/v2/post/publish/creator_info/query/");
    assert_eq!(seen[1].target, "/v2/post/publish/video/init/");
    let source = json!({ "source": "FILE_UPLOAD", "video_size": SIZE, "chunk_size": 10_000_000, "total_chunk_count": 7 });
    assert_eq!(seen[1].json()["source_info"], source);
    assert_eq!(seen[1].json()["post_info"]["privacy_level"], "PUBLIC_TO_EVERYONE");
    assert!(seen[..2].iter().all(|seen| seen.header("authorization") == Some("Bearer act.canary")));
    assert!(seen[2..].iter().all(|seen| seen.header("authorization").is_none()));
    assert!(seen[2..].iter().all(|seen| seen.target == "/upload/?upload_id=1&upload_token=canary"));
    assert!(seen[2..].iter().all(|seen| seen.header("content-type") == Some("video/mp4")));
    assert_eq!(scene.ranges()[0], "bytes 0-9999999/70000123");
    assert_eq!(scene.ranges()[6], "bytes 60000000-70000122/70000123");
    let bytes: Vec<u8> = seen[2..].iter().flat_map(|seen| seen.body.iter().copied()).collect();
    assert!(bytes == std::fs::read(scene.job.content.join("a.mp4")).expect("read"));
    assert_eq!(scene.job.progress.get(), SIZE as u64);
    let operations: Vec<_> = scene.job.log.take().into_iter().map(|request| request.operation).collect();
    assert_eq!(operations[..3], ["creator_info/query", "video/init", "upload"]);
}

#[tokio::test]
async fn a_draft_asks_for_no_creator_and_sends_no_text() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SMALL)).await;
    scene.server.then([scene.init("v_inbox_file~1"), chunk(201)]);
    assert_eq!(scene.ready().await, []);
    assert!(matches!(scene.publish().await, Ok(Sent::Accepted(..))));
    let seen = scene.server.seen();
    assert_eq!(seen[0].target, "/v2/post/publish/inbox/video/init/");
    assert_eq!(seen[0].json().as_object().expect("object").keys().collect::<Vec<_>>(), ["source_info"]);
    assert_eq!(seen[0].json()["source_info"]["chunk_size"], SMALL);
}

#[tokio::test]
async fn what_tiktok_fetches_is_published_by_the_init() {
    for (mode, yaml, media, target) in [
        (Direct, DIRECT, Media::Pull, "/v2/post/publish/video/init/"),
        (Draft, DRAFT, Media::Pull, "/v2/post/publish/inbox/video/init/"),
        (Direct, DIRECT, Media::Photos, "/v2/post/publish/content/init/"),
        (Draft, DRAFT, Media::Photos, "/v2/post/publish/content/init/"),
    ] {
        let mut scene = Scene::new(mode, yaml, media).await;
        if mode == Direct {
            scene.server.then([creator()]);
        }
        assert_eq!(scene.ready().await, []);
        let before = scene.requests().len();
        scene.server.then([ok(json!({ "publish_id": "p_pub_url~1" }))]);
        let Ok(Sent::Accepted(checkpoint, _)) = scene.publish().await else { panic!("not accepted") };
        assert_eq!(checkpoint["publish_id"], "p_pub_url~1");
        assert_eq!(scene.requests()[before..], [format!("POST {target}")]);
    }
}

#[tokio::test]
async fn an_init_that_publishes_is_ambiguous_unless_tiktok_says_no() {
    let table = [
        (refused(400, "invalid_params"), Rejected),
        (refused(403, "spam_risk_too_many_posts"), RateLimited),
        (refused(403, "url_ownership_unverified"), Permission),
        (refused(401, "access_token_invalid"), Auth),
        (refused(429, "rate_limit_exceeded"), RateLimited),
        (refused(400, "brand_new_code"), Ambiguous),
        (refused(500, "internal_error"), Ambiguous),
        (Answer::Plain(200, "", "{".into()), Ambiguous),
        (Answer::Plain(502, "", "<html>".into()), Ambiguous),
        (ok(json!({})), Ambiguous),
        (Answer::Cut, Ambiguous),
    ];
    for (answer, expected) in table {
        let mut scene = Scene::new(Draft, DRAFT, Media::Photos).await;
        assert_eq!(scene.ready().await, []);
        scene.server.then([answer.clone()]);
        assert_eq!(kind(scene.publish().await).0, expected, "{answer:?}");
        assert_eq!(scene.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_last_chunk_is_ambiguous_unless_it_was_clearly_refused() {
    let table = [
        (chunk(400), Rejected, "chunk-refused"),
        (chunk(403), Ambiguous, "upload-gone"),
        (chunk(404), Ambiguous, "upload-gone"),
        (chunk(416), Ambiguous, "upload-out-of-step"),
        (partly(3), Ambiguous, "upload-incomplete"),
        (chunk(500), Ambiguous, "http-500"),
        (chunk(302), Ambiguous, "http-302"),
        (Answer::Cut, Ambiguous, "connection-lost"),
        (Answer::CutAfter(5_000), Ambiguous, "connection-lost"),
    ];
    for (answer, expected, code) in table {
        let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SMALL)).await;
        scene.server.then([scene.init("v~1"), answer.clone()]);
        assert_eq!(scene.ready().await, []);
        assert_eq!(kind(scene.publish().await), (expected, code.to_owned()), "{answer:?}");
        assert_eq!(scene.requests().len(), 2, "sent once");
    }
}

#[tokio::test]
async fn a_lost_chunk_is_sent_again_from_where_tiktok_is() {
    for (answer, received, next) in [
        (chunk(503), 10_000_000, "bytes 10000000-19999999/70000123"),
        (Answer::CutAfter(1_000), 10_000_000, "bytes 10000000-19999999/70000123"),
        (Answer::CutAfter(1_000), 12_345_678, "bytes 10000000-19999999/70000123"),
        (Answer::Cut, 20_000_000, "bytes 20000000-29999999/70000123"),
        (chunk(500), 0, "bytes 0-9999999/70000123"),
    ] {
        let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
        scene.server.then([scene.init("v~1"), partly(1), answer]);
        for _ in 0..2 {
            scene.stage().await.expect("init and first chunk");
        }
        assert_eq!(scene.stage().await.expect_err("lost").kind, Transient);
        scene.server.then([status("PROCESSING_UPLOAD", json!({ "uploaded_bytes": received })), partly(2)]);
        scene.stage().await.expect("status");
        let _ = scene.stage().await;
        assert_eq!(scene.requests()[3], "POST /v2/post/publish/status/fetch/");
        assert_eq!(scene.ranges().last().map(String::as_str), Some(next));
    }
}

#[tokio::test]
async fn another_process_asks_where_the_upload_is() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
    scene.server.then([scene.init("v~1"), partly(1)]);
    for _ in 0..2 {
        scene.stage().await.expect("init and first chunk");
    }
    scene.restart();
    scene.server.then([status("PROCESSING_UPLOAD", json!({ "uploaded_bytes": "60000000" }))]);
    assert!(matches!(scene.stage().await, Ok(Staged::Ready(_))), "only the last chunk is left");
    scene.server.then([chunk(201)]);
    assert!(matches!(scene.publish().await, Ok(Sent::Accepted(..))));
    assert_eq!(scene.ranges().last().expect("a range"), "bytes 60000000-70000122/70000123");
}

#[tokio::test]
async fn an_upload_out_of_step_follows_tiktok_and_gives_up_in_the_end() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
    scene.server.then([scene.init("v~1"), chunk(416)]);
    scene.server.then([status("PROCESSING_UPLOAD", json!({ "uploaded_bytes": 20_000_000 }))]);
    for _ in 0..3 {
        scene.stage().await.expect("init, chunk, status");
    }
    assert_eq!(scene.checkpoint()["upload"]["offset"], 20_000_000);

    // One that is never satisfied: each init gets a few corrections, and there are a few inits.
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
    for _ in 0..100 {
        scene.server.then([scene.init("v~1")]);
        for _ in 0..4 {
            scene.server.then([chunk(416), status("PROCESSING_UPLOAD", json!({ "uploaded_bytes": 0 }))]);
        }
        scene.server.then([chunk(416)]);
    }
    let mut last = None;
    for _ in 0..100 {
        match scene.stage().await {
            Ok(_) => {}
            Err(error) => {
                last = Some(error);
                break;
            }
        }
    }
    let error = last.expect("an end");
    assert_eq!((error.kind, error.code.as_str()), (Rejected, "upload-lost"));
}

#[tokio::test]
async fn an_expired_upload_begins_anew() {
    for answer in [chunk(403), chunk(404)] {
        let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
        scene.server.then([scene.init("v~1"), answer, scene.init("v~2")]);
        for _ in 0..3 {
            scene.stage().await.expect("init, chunk, init");
        }
        assert_eq!(scene.checkpoint()["publish_id"], "v~2");
        assert_eq!(scene.checkpoint()["upload"]["offset"], 0);
    }
    // By the clock: an hour after the init, without asking.
    let mut scene = Scene::new(Direct, DIRECT, Media::Upload(SIZE)).await;
    scene.server.then([creator(), scene.init("v~1"), partly(1), creator(), scene.init("v~2")]);
    for _ in 0..3 {
        scene.stage().await.expect("creator, init, chunk");
    }
    scene.wait(3_601);
    for _ in 0..2 {
        scene.stage().await.expect("creator, init");
    }
    assert_eq!(scene.requests()[3], "POST /v2/post/publish/creator_info/query/");
    assert_eq!(scene.checkpoint()["publish_id"], "v~2");
}

#[tokio::test]
async fn an_upload_unknown_to_tiktok_begins_anew() {
    for answer in [refused(400, "invalid_publish_id"), status("FAILED", json!({ "fail_reason": "internal" }))]
    {
        let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SIZE)).await;
        scene.server.then([scene.init("v~1"), answer, scene.init("v~2")]);
        scene.stage().await.expect("init");
        scene.restart();
        for _ in 0..2 {
            scene.stage().await.expect("status, init");
        }
        assert_eq!(scene.checkpoint()["publish_id"], "v~2");
    }
}

#[tokio::test]
async fn what_was_staged_too_long_ago_is_not_published() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SMALL)).await;
    scene.server.then([scene.init("v~1")]);
    scene.ready().await;
    scene.wait(3_601);
    assert!(matches!(scene.publish().await, Ok(Sent::Stale(_, reason)) if reason.code == "upload-expired"));
    let mut scene = Scene::new(Direct, DIRECT, Media::Photos).await;
    scene.server.then([creator()]);
    scene.ready().await;
    scene.wait(600);
    assert!(matches!(scene.publish().await, Ok(Sent::Stale(_, reason)) if reason.code == "creator-info-old"));
    assert_eq!(scene.requests().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn the_creators_settings_are_respected_before_any_byte_is_sent() {
    let with = |levels: &[&str], seconds: i64| {
        ok(
            json!({ "creator_username": "u", "privacy_level_options": levels, "max_video_post_duration_sec": seconds }),
        )
    };
    let table = [
        (with(&["SELF_ONLY", "NEW_LEVEL"], 300), Rejected, "privacy_level_option_mismatch"),
        (with(&["PUBLIC_TO_EVERYONE"], 9), Rejected, "duration-over-creators-maximum"),
        (refused(200, "spam_risk_too_many_posts"), RateLimited, "spam_risk_too_many_posts"),
        (
            refused(200, "spam_risk_user_banned_from_posting"),
            Permission,
            "spam_risk_user_banned_from_posting",
        ),
        (refused(200, "reached_active_user_cap"), RateLimited, "reached_active_user_cap"),
    ];
    for (answer, kind, code) in table {
        let mut scene = Scene::new(Direct, DIRECT, Media::Upload(SMALL)).await;
        scene.server.then([answer]);
        let error = scene.stage().await.expect_err("refused");
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
        assert_eq!(scene.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_foreign_upload_host_gets_nothing() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SMALL)).await;
    let url = "https://evil.example/?upload_token=canary";
    scene.server.then([ok(json!({ "publish_id": "v~1", "upload_url": url }))]);
    let error = scene.stage().await.expect_err("refused");
    assert_eq!((error.kind, error.code.as_str()), (Protocol, "foreign-upload-host"));
    assert!(!error.to_string().contains("canary"));
}

#[tokio::test]
async fn a_changed_file_is_not_published() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SMALL)).await;
    scene.server.then([scene.init("v~1")]);
    scene.ready().await;
    std::fs::write(scene.job.content.join("a.mp4"), vec![0; SMALL]).expect("write");
    assert_eq!(kind(scene.publish().await), (Local, "media-changed".to_owned()));
    assert_eq!(scene.requests().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn recorded_state_of_another_version_is_refused() {
    let mut scene = Scene::new(Draft, DRAFT, Media::Upload(SMALL)).await;
    scene.keep(&json!({ "v": 99 }));
    assert_eq!(scene.stage().await.expect_err("foreign").code, "foreign-checkpoint");
    let payload = std::sync::Arc::make_mut(&mut scene.job.payload);
    let mut body = payload.body.value();
    body["v"] = 99.into();
    payload.body = body.into();
    assert_eq!(scene.stage().await.expect_err("foreign").code, "foreign-payload");
}
