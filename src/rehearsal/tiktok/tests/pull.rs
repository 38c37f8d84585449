//! TikTok docs `mt`, `ph`: PULL_FROM_URL and photos.

use std::collections::BTreeMap;

use super::*;
use crate::rehearsal::{Action, Fault};

/// A JPEG as far as its header goes.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xC0, 0x00, 0x0B, 0x08];
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([0x01, 0x01, 0x11, 0x00, 0xFF, 0xD9]);
    bytes
}

async fn hosting(account: AccountSetup) -> (World, tempfile::TempDir) {
    let content = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.jpg", jpeg(1080, 1920)),
        ("b.jpg", jpeg(1920, 1080)),
        ("large.jpg", jpeg(1254, 1254)),
        ("a.png", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("text.jpg", b"<html>".to_vec()),
        ("a.mp4", video(4096)),
        ("text.mp4", vec![b'x'; 64]),
    ] {
        std::fs::write(content.path().join(name), bytes).unwrap();
    }
    let options =
        Options { accounts: vec![account], content: Some(content.path().to_owned()), ..Options::default() };
    (world_with(options).await, content)
}

impl World {
    fn media(&self, name: &str) -> String {
        self.url(&format!("/content/{name}"))
    }

    async fn photos(&self, mode: &str, changes: Value, names: &[&str]) -> Answer {
        let urls: Vec<_> = names.iter().map(|name| self.media(name)).collect();
        let mut post = json!({ "title": "T", "description": "D", "privacy_level": "SELF_ONLY" });
        post.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let source = json!({ "source": "PULL_FROM_URL", "photo_images": urls, "photo_cover_index": 0 });
        let body =
            json!({ "media_type": "PHOTO", "post_mode": mode, "post_info": post, "source_info": source });
        self.post("/v2/post/publish/content/init/", body).await
    }

    async fn pull(&self, url: &str) -> Answer {
        self.direct(self_only(), json!({ "source": "PULL_FROM_URL", "video_url": url })).await
    }
}

#[tokio::test]
async fn photos_are_pulled_in_order_in_both_modes() {
    let (world, _content) = hosting(private()).await;
    for (mode, status, prefix) in [
        ("DIRECT_POST", "PUBLISH_COMPLETE", "p_pub_url~"),
        ("MEDIA_UPLOAD", "SEND_TO_USER_INBOX", "p_inbox_url~"),
    ] {
        let (publish_id, _) = begun(&world.photos(mode, json!({}), &["a.jpg", "b.jpg"]).await);
        assert!(publish_id.starts_with(prefix));
        let done = world.settled(&publish_id).await;
        assert_eq!((&done["status"], &done["kind"]), (&json!(status), &json!("photo")), "{done}");
        let path = done["media"][1]["path"].as_str().unwrap();
        assert_eq!(std::fs::read(path).unwrap(), jpeg(1920, 1080));
        let told = world.status(&publish_id).await.1;
        assert_eq!(told["data"]["downloaded_bytes"], 2 * jpeg(1, 1).len());
    }
}

#[tokio::test]
async fn videos_are_pulled() {
    let (world, _content) = hosting(private()).await;
    let (publish_id, url) = begun(&world.pull(&world.media("a.mp4")).await);
    assert!(publish_id.starts_with("v_pub_url~") && url.is_empty());
    assert_eq!(world.settled(&publish_id).await["status"], "PUBLISH_COMPLETE");
}

#[tokio::test]
async fn only_the_own_media_host_is_verified() {
    let (world, _content) = hosting(private()).await;
    let https = world.media("a.mp4").replace("http:", "https:");
    let other = format!("{}@evil.example/content/a.mp4", world.rehearsal.base_url());
    let up = world.url("/content/../rehearsal/requests");
    for url in [
        "https://cdn.example.com/a.mp4",
        "http://127.0.0.1:1/content/a.mp4",
        "file:///a.mp4",
        "",
        &https,
        &other,
        &up,
    ] {
        world.pass(60_000);
        assert_eq!(refusal(&world.pull(url).await), (403, "url_ownership_unverified"), "{url}");
    }
}

#[tokio::test]
async fn bad_media_fail_after_the_init() {
    let (world, _content) = hosting(private()).await;
    for (names, reason) in [
        (&["a.jpg", "a.png"][..], "file_format_check_failed"),
        (&["text.jpg"], "file_format_check_failed"),
        (&["a.jpg", "large.jpg"], "picture_size_check_failed"),
        (&["missing.jpg"], "photo_pull_failed"),
    ] {
        let (publish_id, _) = begun(&world.photos("DIRECT_POST", json!({}), names).await);
        let done = world.settled(&publish_id).await;
        assert_eq!((&done["status"], &done["fail_reason"]), (&json!("FAILED"), &json!(reason)), "{names:?}");
    }
    for (name, reason) in [("text.mp4", "file_format_check_failed"), ("missing.mp4", "video_pull_failed")] {
        let (publish_id, _) = begun(&world.pull(&world.media(name)).await);
        assert_eq!(world.settled(&publish_id).await["fail_reason"], reason, "{name}");
    }
}

#[tokio::test]
async fn redirects_and_broken_downloads_fail() {
    let (world, _content) = hosting(private()).await;
    let redirect = Fault {
        headers: BTreeMap::from([("location".to_owned(), world.media("a.mp4"))]),
        ..Fault::next("content", Action::Status { code: 302, body: None })
    };
    for fault in [redirect, Fault::next("content", Action::CutBeforeRead)] {
        world.rehearsal.faults().add(fault);
        let (publish_id, _) = begun(&world.pull(&world.media("a.mp4")).await);
        assert_eq!(world.settled(&publish_id).await["fail_reason"], "video_pull_failed");
    }
}

#[tokio::test]
async fn download_in_progress_can_be_cancelled() {
    let (world, _content) = hosting(private()).await;
    world.rehearsal.faults().add(Fault::next("content", Action::Delay { ms: 60_000 }));
    let (publish_id, _) = begun(&world.pull(&world.media("a.mp4")).await);
    assert_eq!(world.status(&publish_id).await.1["data"]["status"], "PROCESSING_DOWNLOAD");
    let cancelled = world.post("/v2/post/publish/cancel/", json!({ "publish_id": publish_id })).await;
    assert_eq!(refusal(&cancelled), (200, "ok"));
    assert_eq!(world.status(&publish_id).await.1["data"]["fail_reason"], "publish_cancelled");
    let again = world.post("/v2/post/publish/cancel/", json!({ "publish_id": publish_id })).await;
    assert_eq!(refusal(&again), (400, "publish_not_cancellable"));
}

#[tokio::test]
async fn malformed_photo_posts_are_invalid_params() {
    let (world, _content) = hosting(private()).await;
    let many = vec!["a.jpg"; 36];
    for (changes, names) in [
        (json!({ "title": "a".repeat(91) }), &["a.jpg"][..]),
        (json!({ "description": "a".repeat(4001) }), &["a.jpg"]),
        (json!({ "auto_add_music": "no" }), &["a.jpg"]),
        (json!({}), &[]),
        (json!({}), &many),
    ] {
        world.pass(60_000);
        let answer = world.photos("DIRECT_POST", changes, names).await;
        assert_eq!(refusal(&answer), (400, "invalid_params"));
    }
    world.pass(60_000);
    assert_eq!(refusal(&world.photos("DIRECT POST", json!({}), &["a.jpg"]).await), (400, "invalid_params"));
    for (name, value) in [
        ("media_type", json!("VIDEO")),
        ("post_info", json!({ "title": "no privacy" })),
        ("source_info", json!({ "source": "FILE_UPLOAD" })),
        ("source_info", json!({ "source": "PULL_FROM_URL", "photo_images": [world.media("a.jpg")] })),
        (
            "source_info",
            json!({ "source": "PULL_FROM_URL", "photo_images": [world.media("a.jpg")], "photo_cover_index": 1 }),
        ),
    ] {
        world.pass(60_000);
        let source = json!({ "source": "PULL_FROM_URL", "photo_images": [world.media("a.jpg")], "photo_cover_index": 0 });
        let mut body = json!({ "media_type": "PHOTO", "post_mode": "DIRECT_POST", "post_info": self_only(), "source_info": source });
        body[name] = value;
        assert_eq!(
            refusal(&world.post("/v2/post/publish/content/init/", body).await),
            (400, "invalid_params"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn photo_drafts_need_a_recent_app() {
    let (world, _content) = hosting(AccountSetup { app_outdated: true, ..private() }).await;
    let answer = world.photos("MEDIA_UPLOAD", json!({}), &["a.jpg"]).await;
    assert_eq!(refusal(&answer), (400, "app_version_check_failed"));
}
