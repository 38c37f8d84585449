//! What waits, and what becomes of it when it is due.

use super::*;

const PATH: &str = "/api/v1/scheduled_statuses";

fn later(world: &World, ms: i64) -> Value {
    json!({ "status": "later", "scheduled_at": at(world.now() + ms) })
}

#[tokio::test]
async fn what_is_scheduled_is_published_when_due() {
    let world = world().await;
    let media = world.picture().await;
    let mut body = later(&world, HOUR);
    body["media_ids"] = json!([media]);
    body["visibility"] = "unlisted".into();
    let (status, entry) = world.post_with("k", body.clone()).await;
    assert_eq!(
        (status, &entry["params"]["text"], &entry["params"]["visibility"]),
        (200, &json!("later"), &json!("unlisted"))
    );
    assert_eq!(entry["scheduled_at"], json!(super::super::time(START + HOUR)));
    assert_eq!(id(&world.post_with("k", body.clone()).await.1), id(&entry), "the key holds here, too");
    assert_eq!(world.get(&format!("/api/v1/media/{media}")).await.0, 200, "still to be seen");
    assert_eq!(world.get(PATH).await.1, json!([entry]));
    assert_eq!(world.get(&format!("{PATH}/{}", id(&entry))).await.1, entry);
    assert_eq!(ids(&world.get(&world.statuses_of_brand()).await.1).len(), 0);
    assert_eq!((world.publications()[0].status, world.live()), ("SCHEDULED", 0));
    world.pass(2 * HOUR);
    let (_, page) = world.get(&world.statuses_of_brand()).await;
    assert_eq!(
        (&page[0]["created_at"], &page[0]["visibility"]),
        (&json!(super::super::time(START + HOUR)), &json!("unlisted"))
    );
    assert_eq!(ids(&page[0]["media_attachments"]), [media]);
    assert_eq!((world.get(PATH).await.1, world.publications().len(), world.live()), (json!([]), 1, 1));
    assert_eq!(world.get(&format!("{PATH}/{}", id(&entry))).await.0, 404);
}

#[tokio::test]
async fn a_time_is_either_past_or_more_than_five_minutes_away() {
    let world = world().await;
    for (ms, is_refused) in [(1, true), (5 * MINUTE, true), (5 * MINUTE + 1, false)] {
        assert_eq!(world.post(later(&world, ms)).await.0 == 422, is_refused, "{ms}");
    }
    assert_eq!(world.live(), 0);
    for ms in [0, -HOUR] {
        let (status, body) = world.post(later(&world, ms)).await;
        assert_eq!((status, &body["content"]), (200, &json!("<p>later</p>")), "at once");
    }
}

#[tokio::test]
async fn what_is_scheduled_can_be_moved_and_cancelled() {
    let world = world().await;
    let media = world.picture().await;
    let mut body = later(&world, HOUR);
    body["media_ids"] = json!([media]);
    let (_, entry) = world.post(body).await;
    let path = format!("{PATH}/{}", id(&entry));
    let (status, moved) = world.put(&path, json!({ "scheduled_at": at(START + 40 * HOUR) })).await;
    assert_eq!((status, &moved["scheduled_at"]), (200, &json!(super::super::time(START + 40 * HOUR))));
    assert_eq!(world.put(&path, json!({ "scheduled_at": at(START + MINUTE) })).await.0, 422);
    let posted = world.posted("x").await;
    let edit = json!({ "status": "x", "media_ids": [media] });
    assert_eq!(world.put(&format!("/api/v1/statuses/{posted}"), edit).await.0, 422, "not for an edit");
    world.pass(39 * HOUR);
    assert_eq!(world.live(), 1);
    assert_eq!(world.delete(&path).await, (200, json!({})));
    assert_eq!(error(&world.delete(&path).await), (404, "Record not found"));
    world.pass(2 * HOUR);
    assert_eq!(world.publications().len(), 1);
    assert_eq!(world.post(json!({ "status": "now", "media_ids": [media] })).await.0, 200);
}

#[tokio::test]
async fn there_is_room_for_25_a_day() {
    let world = world().await;
    for n in 0..25 {
        assert_eq!(world.post(later(&world, HOUR + n)).await.0, 200);
    }
    let (status, body) = world.post(later(&world, HOUR)).await;
    assert_eq!((status, body["error"].as_str().unwrap().contains("25 scheduled posts")), (422, true));
    let (status, entry) = world.post(later(&world, 25 * HOUR)).await;
    assert_eq!(status, 200, "another day");
    let body = json!({ "scheduled_at": at(START + HOUR) });
    assert_eq!(world.put(&format!("{PATH}/{}", id(&entry)), body).await.0, 422, "the day is full");
}

/// The media went with another status meanwhile: nobody is told.
#[tokio::test]
async fn what_is_refused_when_due_is_dropped_silently() {
    let world = world().await;
    let (media, spared) = (world.picture().await, world.picture().await);
    let mut body = later(&world, 30 * HOUR);
    body["media_ids"] = json!([media, spared]);
    world.post(body).await;
    assert_eq!(world.post(json!({ "status": "now", "media_ids": [media] })).await.0, 200);
    world.pass(31 * HOUR);
    assert_eq!(world.get(&format!("/api/v1/media/{spared}")).await.0, 200, "free for another try");
    assert_eq!(ids(&world.get(&world.statuses_of_brand()).await.1).len(), 1);
    assert_eq!(world.get(PATH).await.1, json!([]));
    let failed = world.publications().into_iter().find(|publication| publication.status == "FAILED").unwrap();
    assert!(failed.fail_reason.unwrap().starts_with("Media "));
}
