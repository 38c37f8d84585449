//! Uploads: what is taken, when it is ready, and that it is attached once.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";
const ANIMATION: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0;";

#[tokio::test]
async fn a_picture_is_ready_at_once_and_attached_once() {
    let world = world().await;
    let (status, media) = world.upload(PNG, &[("description", "alt"), ("focus", "0.1,-0.5")]).await;
    assert_eq!((status, &media["type"], &media["description"]), (200, &json!("image"), &json!("alt")));
    assert_eq!(media["meta"]["focus"], json!({ "x": 0.1, "y": -0.5 }));
    let url = media["url"].as_str().unwrap();
    assert_eq!(world.http.get(url).send().await.unwrap().bytes().await.unwrap(), PNG);
    let path = format!("/api/v1/media/{}", id(&media));
    let (_, changed) = world.put(&path, json!({ "description": "better" })).await;
    assert_eq!((&changed["description"], &changed["meta"]), (&json!("better"), &media["meta"]));
    let body = json!({ "status": "a", "media_ids": [id(&media)] });
    assert_eq!(world.post(body.clone()).await.1["media_attachments"][0]["description"], "better");
    assert_eq!(world.get(&path).await.0, 404, "attached");
    assert_eq!(world.put(&path, json!({ "description": "x" })).await.0, 404);
    assert_eq!(error(&world.delete(&path).await), (422, "Media attachment is currently used by a status"));
    let refused = format!("Media {} not found or already attached to another post", id(&media));
    assert_eq!(error(&world.post(body).await), (422, refused.as_str()));
    let media = &world.publications()[0].media[0];
    assert_eq!((std::fs::read(&media.path).unwrap(), media.size), (PNG.to_vec(), PNG.len() as u64));
}

#[tokio::test]
async fn a_video_is_processed_first_and_stands_alone() {
    let world = world().await;
    for (bytes, kind) in [(MP4, "video"), (ANIMATION, "gifv")] {
        let (status, media) = world.upload(bytes, &[]).await;
        assert_eq!((status, &media["url"], &media["type"]), (202, &Value::Null, &json!(kind)));
        let path = format!("/api/v1/media/{}", id(&media));
        assert_eq!(world.get(&path).await.0, 206);
        let body = json!({ "status": "a", "media_ids": [id(&media)] });
        let early = world.post(body.clone()).await;
        assert_eq!(
            error(&early),
            (422, "Cannot attach files that have not finished processing. Try again in a moment!")
        );
        world.pass(300);
        let (status, ready) = world.get(&path).await;
        assert_eq!((status, ready["url"].is_string()), (200, true));
        let mixed =
            world.post(json!({ "status": "a", "media_ids": [id(&media), world.picture().await] })).await;
        if kind == "video" {
            assert_eq!(error(&mixed), (422, "Cannot attach a video to a post that already contains images"));
            assert_eq!(world.post(body).await.0, 200);
        } else {
            assert_eq!(mixed.0, 200);
        }
    }
}

#[tokio::test]
async fn processing_can_fail() {
    let world = world().await;
    world.rehearsal.update_account("brand", |account| account.fail_reason = Some("codec".to_owned()));
    let (_, media) = world.upload(MP4, &[]).await;
    let path = format!("/api/v1/media/{}", id(&media));
    assert_eq!(world.get(&path).await.0, 206);
    world.pass(300);
    assert_eq!(error(&world.get(&path).await), (422, "Error processing thumbnail for uploaded media"));
    assert_eq!(world.post(json!({ "status": "a", "media_ids": [id(&media)] })).await.0, 422);
}

#[tokio::test]
async fn what_is_no_medium_is_refused() {
    let setup = MastodonSetup {
        image_size_limit: 1_024 * 1_024,
        video_size_limit: 2 * 1_024 * 1_024,
        ..MastodonSetup::default()
    };
    let world = world_as(setup).await;
    let sized = |start: &[u8], size: usize| [start, &vec![0; size - start.len()]].concat();
    let nameless = b"--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--XX--\r\n".to_vec();
    for (body, expected) in [
        (form(b"neither picture nor video", &[]), "File type of uploaded media could not be verified"),
        (form(b"", &[]), "Validation failed: File can't be blank"),
        (nameless, "Validation failed: File can't be blank"),
        (
            form(&sized(PNG, 1_024 * 1_024), &[]),
            "Validation failed: File file size must be less than 1 MB, File must be less than 1 MB",
        ),
        (
            form(&sized(MP4, 2 * 1_024 * 1_024), &[]),
            "Validation failed: File file size must be less than 2 MB, File must be less than 2 MB",
        ),
        (
            form(PNG, &[("description", &"a".repeat(10_001))]),
            "Validation failed: Description is too long (maximum is 10000 characters)",
        ),
        (form(PNG, &[("focus", "2,0")]), "Validation failed: Focus is invalid"),
        (form(PNG, &[("thumbnail", "jpeg")]), "Validation failed: Thumbnail must be blank"),
    ] {
        assert_eq!(error(&world.upload_form(&body).await), (422, expected));
    }
    world.rehearsal.update_mastodon(|setup| setup.mime_types.retain(|name| name != "image/gif"));
    assert_eq!(
        error(&world.upload(GIF, &[]).await),
        (422, "Validation failed: File content type is invalid, File is invalid")
    );
    for broken in [&b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: a/b\r\n\r\nx"[..], b"nothing", b""] {
        assert_eq!(world.upload_form(broken).await.0, 400, "{broken:?}");
    }
    assert_eq!(world.upload(&sized(PNG, 1_024 * 1_024 - 1), &[]).await.0, 200);
    assert_eq!(world.upload(&sized(MP4, 2 * 1_024 * 1_024 - 1), &[("thumbnail", "jpeg")]).await.0, 202);
    assert_eq!(
        std::fs::read_dir(world.rehearsal.server.store.media_path("")).unwrap().count(),
        2,
        "no other file is left"
    );
}

/// The delimiter falls between frames, and what looks like its beginning is part of the file.
#[tokio::test]
async fn a_large_file_arrives_byte_for_byte() {
    let world = world().await;
    let piece = b"\r\n--X\r\n-\r\r\n--XY";
    let bytes = [PNG, &piece.repeat(50_000)].concat();
    let (status, media) = world.upload(&bytes, &[]).await;
    assert_eq!(status, 200, "{media}");
    let url = media["url"].as_str().unwrap();
    assert_eq!(world.http.get(url).send().await.unwrap().bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn media_of_nobody_go_after_a_day() {
    let world = world().await;
    let (kept, lost) = (world.picture().await, world.picture().await);
    assert_eq!(world.delete(&format!("/api/v1/media/{kept}")).await, (200, json!({})));
    assert_eq!(world.delete(&format!("/api/v1/media/{kept}")).await.0, 404);
    assert_eq!(
        world.http.get(world.url(&format!("/media/mastodon/{kept}"))).send().await.unwrap().status(),
        404
    );
    assert!(!world.rehearsal.server.store.media_path(&format!("mastodon-{kept}")).exists());
    world.pass(24 * HOUR - 1);
    assert_eq!(world.get(&format!("/api/v1/media/{lost}")).await.0, 200);
    world.pass(1);
    assert_eq!(world.get(&format!("/api/v1/media/{lost}")).await.0, 404);
    assert_eq!(world.post(json!({ "status": "a", "media_ids": [lost] })).await.0, 422);
}

/// Whoever sends too much is told at once, and before the body.
#[tokio::test]
async fn an_upload_that_is_too_large_is_refused_before_it_is_read() {
    let world = world().await;
    let address = world.rehearsal.base_url().trim_start_matches("http://").to_owned();
    let token = world.token.clone();
    let reply = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = "POST /api/v2/media HTTP/1.1";
        write!(
            stream,
            "{head}\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: 200000000\r\n\r\n"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    });
    let reply = reply.await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
}
