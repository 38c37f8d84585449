//! What becomes of an `Idempotency-Key`, here and on other servers.

use super::*;
use crate::rehearsal::Replay;

fn with(replay: Replay) -> MastodonSetup {
    MastodonSetup { replay, ..MastodonSetup::default() }
}

#[tokio::test]
async fn a_key_gives_the_same_status_for_an_hour_whatever_the_body() {
    let world = world().await;
    let (_, first) = world.post_with("k", json!({ "status": "a" })).await;
    let (status, again) = world.post_with("k", json!({ "status": "b", "visibility": "nonsense" })).await;
    assert_eq!((status, id(&again), &again["content"]), (200, id(&first), &json!("<p>a</p>")));
    assert_ne!(id(&world.post_with("l", json!({ "status": "a" })).await.1), id(&first), "another key");
    world.pass(HOUR - 1);
    assert_eq!(id(&world.post_with("k", json!({ "status": "a" })).await.1), id(&first));
    world.pass(1);
    assert_ne!(id(&world.post_with("k", json!({ "status": "a" })).await.1), id(&first));
    assert_eq!(world.live(), 3);
}

#[tokio::test]
async fn a_key_belongs_to_one_account() {
    let mut world = world().await;
    let (_, first) = world.post_with("k", json!({ "status": "a" })).await;
    world.token = token_of(&world.rehearsal, "other");
    assert_ne!(id(&world.post_with("k", json!({ "status": "a" })).await.1), id(&first));
}

#[tokio::test]
async fn a_key_is_read_before_the_media_and_after_the_parent() {
    let world = world().await;
    let media = world.picture().await;
    let body = json!({ "status": "a", "media_ids": [media] });
    let (_, first) = world.post_with("k", body.clone()).await;
    assert_eq!(id(&world.post_with("k", body.clone()).await.1), id(&first), "the media are taken by itself");
    let orphan = json!({ "status": "a", "in_reply_to_id": "1" });
    assert_eq!(world.post_with("k", orphan).await.0, 404);
    // Without a key the same media are refused.
    assert_eq!(world.post(body).await.0, 422);
}

#[tokio::test]
async fn a_refused_try_leaves_the_key_free() {
    let world = world().await;
    let (_, video) = world.upload(MP4, &[]).await;
    let body = json!({ "status": "a", "media_ids": [id(&video)] });
    assert_eq!(world.post_with("k", body.clone()).await.0, 422);
    world.pass(MINUTE);
    assert_eq!(world.post_with("k", body).await.0, 200);
    assert_eq!(world.live(), 1);
}

#[tokio::test]
async fn the_key_of_a_deleted_status_finds_nothing() {
    let world = world().await;
    let (_, first) = world.post_with("k", json!({ "status": "a" })).await;
    world.delete(&format!("/api/v1/statuses/{}", id(&first))).await;
    assert_eq!(error(&world.post_with("k", json!({ "status": "a" })).await), (404, "Record not found"));
    assert_eq!(world.publications().len(), 1);
}

#[tokio::test]
async fn other_servers_treat_a_key_in_their_own_way() {
    for (replay, expected, live) in [
        (Replay::Ignored, (200, ""), 2),
        (Replay::Fails, (500, "Internal Server Error"), 1),
        (Replay::Burned, (400, "Duplicate idempotency key."), 1),
    ] {
        let world = world_as(with(replay)).await;
        assert_eq!(world.post_with("k", json!({ "status": "a" })).await.0, 200);
        assert_eq!(error(&world.post_with("k", json!({ "status": "a" })).await), expected, "{replay:?}");
        assert_eq!(world.live(), live, "{replay:?}");
    }
    let world = world_as(with(Replay::Fails)).await;
    let later = || json!({ "status": "a", "scheduled_at": at(START + HOUR) });
    assert_eq!(world.post_with("k", later()).await.0, 200);
    assert_eq!(error(&world.post_with("k", later()).await), (404, "Record not found"));
    let world = world_as(with(Replay::Burned)).await;
    assert_eq!(world.post_with("k", json!({ "status": "" })).await.0, 422);
    assert_eq!(world.post_with("k", json!({ "status": "a" })).await.0, 400, "burned by the first try");
}

/// Both come at once; one of them creates, and the other is told to come again.
#[tokio::test]
async fn the_second_of_two_at_once_is_sent_away() {
    let world = world_as(MastodonSetup { creation_ms: 300, ..MastodonSetup::default() }).await;
    let post = || world.post_with("k", json!({ "status": "a" }));
    let (a, b) = tokio::join!(post(), post());
    let mut statuses = [a.0, b.0];
    statuses.sort();
    assert_eq!(statuses, [200, 503]);
    assert_eq!(post().await.0, 200, "and then finds what there is");
    assert_eq!(world.live(), 1);
}

#[tokio::test]
async fn a_creation_goes_on_when_the_client_hangs_up() {
    let world = world_as(MastodonSetup { creation_ms: 100, ..MastodonSetup::default() }).await;
    let is_creating = || !world.rehearsal.server.mastodon().in_flight.is_empty();
    tokio::select! {
        _ = world.post_with("k", json!({ "status": "a" })) => panic!("it was answered"),
        () = until(is_creating) => {}
    }
    until(|| world.live() == 1).await;
}

/// Gives up after ten seconds.
async fn until(is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), so).await.expect("it never was so");
}
