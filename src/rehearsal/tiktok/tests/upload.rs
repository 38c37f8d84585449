//! TikTok docs `mt`: PUTs to the upload address.

use super::*;

const MIB: usize = 1024 * 1024;
const CHUNK: usize = 5 * MIB;
/// Two chunks, the last of which takes the remainder.
const TOTAL: usize = 2 * CHUNK + 123;

async fn two_chunks(world: &World) -> (String, String) {
    begun(&world.direct(self_only(), chunked(TOTAL as u64, CHUNK as u64, 2)).await)
}

fn progress(reply: &reqwest::Response) -> (u16, String) {
    let range = reply.headers().get("content-range").map(|range| range.to_str().unwrap().to_owned());
    (reply.status().as_u16(), range.unwrap_or_default())
}

#[tokio::test]
async fn chunks_arrive_byte_for_byte() {
    let world = world(private()).await;
    let (publish_id, url) = two_chunks(&world).await;
    let bytes: Vec<u8> = video(8).into_iter().chain((8..TOTAL).map(|i| (i * 31 % 251) as u8)).collect();
    let first = world.put(&url, 0, &bytes[..CHUNK], TOTAL).await;
    assert_eq!(progress(&first), (206, format!("bytes 0-{CHUNK}/{TOTAL}")));
    assert_eq!(world.status(&publish_id).await.1["data"]["uploaded_bytes"], CHUNK);
    let last = world.put(&url, CHUNK, &bytes[CHUNK..], TOTAL).await;
    assert_eq!(progress(&last), (201, format!("bytes 0-{TOTAL}/{TOTAL}")));
    let media = &world.rehearsal.publications()[0].media[0];
    assert_eq!(media.size, TOTAL as u64);
    assert!(std::fs::read(&media.path).unwrap() == bytes);
    assert_eq!(media.digest().unwrap().len(), 64);
}

#[tokio::test]
async fn ranges_out_of_order_are_416_and_tell_the_offset() {
    let world = world(private()).await;
    let (_, url) = two_chunks(&world).await;
    let bytes = video(TOTAL);
    let ahead = world.put(&url, CHUNK, &bytes[CHUNK..], TOTAL).await;
    assert_eq!(progress(&ahead), (416, format!("bytes 0-0/{TOTAL}")));
    assert_eq!(world.put(&url, 0, &bytes[..CHUNK], TOTAL).await.status(), 206);
    let again = world.put(&url, 0, &bytes[..CHUNK], TOTAL).await;
    assert_eq!(progress(&again), (416, format!("bytes 0-{CHUNK}/{TOTAL}")));
    assert_eq!(world.put(&url, CHUNK, &bytes[CHUNK..], TOTAL).await.status(), 201);
    let after = world.put(&url, CHUNK, &bytes[CHUNK..], TOTAL).await;
    assert_eq!(after.status(), 416);
    assert_eq!(world.rehearsal.publications().len(), 1);
}

#[tokio::test]
async fn chunks_in_parallel_are_refused() {
    let world = world(private()).await;
    let (_, url) = two_chunks(&world).await;
    let bytes = video(TOTAL);
    let both = futures_util::future::join(
        world.put(&url, 0, &bytes[..CHUNK], TOTAL),
        world.put(&url, 0, &bytes[..CHUNK], TOTAL),
    );
    let (one, two) = both.await;
    let mut statuses = [one.status().as_u16(), two.status().as_u16()];
    statuses.sort();
    assert_eq!(statuses, [206, 416]);
}

#[tokio::test]
async fn headers_must_agree_with_the_plan() {
    let world = world(private()).await;
    let (_, url) = begun(&world.direct(self_only(), single(64)).await);
    let bytes = video(64);
    let mp4 = ("content-type", "video/mp4");
    let right = ("content-range", "bytes 0-63/64");
    for headers in [
        vec![mp4],
        vec![right],
        vec![right, ("content-type", "application/octet-stream")],
        vec![mp4, right, ("authorization", "Bearer act.x")],
        vec![mp4, ("content-range", "bytes 0-64/64")],
        vec![mp4, ("content-range", "bytes 0-64/65")],
        vec![mp4, ("content-range", "bytes 0-62/64")],
        vec![mp4, ("content-range", "bytes 0-63/*")],
        vec![mp4, ("content-range", "0-63/64")],
        vec![mp4, ("content-range", "bytes 0-18446744073709551615/64")],
    ] {
        let reply = world.put_with(&url, &bytes, &headers).await.unwrap();
        assert_eq!(reply.status(), 400, "{headers:?}");
    }
    assert_eq!(world.put(&url, 0, &bytes[..63], 64).await.status(), 400, "shorter than planned");
    assert_eq!(world.put(&url, 0, &bytes, 64).await.status(), 201);
}

#[tokio::test]
async fn address_expires_after_an_hour() {
    let world = world(private()).await;
    let (_, url) = begun(&world.direct(self_only(), single(64)).await);
    world.pass(HOUR + 1);
    assert_eq!(world.put(&url, 0, &video(64), 64).await.status(), 403);
}

#[tokio::test]
async fn unknown_tasks_are_404() {
    let world = world(private()).await;
    let (_, url) = begun(&world.direct(self_only(), single(64)).await);
    for wrong in [format!("{url}x"), url.replace("upload_id=1", "upload_id=2"), world.url("/upload")] {
        assert_eq!(world.put(&wrong, 0, &video(64), 64).await.status(), 404, "{wrong}");
    }
}

#[tokio::test]
async fn expired_access_token_does_not_stop_an_upload() {
    let world = world(private()).await;
    let (_, url) = begun(&world.direct(self_only(), single(64)).await);
    world
        .rehearsal
        .faults()
        .add(crate::rehearsal::Fault::next("status", crate::rehearsal::Action::ExpireAccessToken));
    assert_eq!(refusal(&world.status("x").await), (401, "access_token_invalid"));
    assert_eq!(world.put(&url, 0, &video(64), 64).await.status(), 201);
}
