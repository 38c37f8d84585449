//! What a restart with the same directory keeps.

use std::path::Path;

use super::*;

async fn started(dir: &Path, accounts: Vec<AccountSetup>) -> World {
    world_with(Options { dir: Some(dir.to_owned()), accounts, ..Options::default() }).await
}

#[tokio::test]
async fn publications_offsets_and_grants_survive() {
    const CHUNK: usize = 5 * 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let world = started(dir.path(), vec![private()]).await;
    let grant = world.rehearsal.issue_grant("brand").unwrap();
    let published = world.post_video(self_only()).await;
    let (publish_id, url) =
        begun(&world.direct(self_only(), chunked(2 * CHUNK as u64, CHUNK as u64, 2)).await);
    assert_eq!(world.put(&url, 0, &video(2 * CHUNK)[..CHUNK], 2 * CHUNK).await.status(), 206);
    let (old, token) = (world.rehearsal.base_url().to_owned(), world.token.clone());
    world.rehearsal.stop().await;

    let world = started(dir.path(), vec![private()]).await;
    let status = json!({ "publish_id": publish_id });
    let (_, told) = world.post_as(&token, "/v2/post/publish/status/fetch/", status).await;
    assert_eq!(told["data"]["uploaded_bytes"], CHUNK);
    let url = url.replace(&old, world.rehearsal.base_url());
    assert_eq!(world.put(&url, CHUNK, &video(2 * CHUNK)[CHUNK..], 2 * CHUNK).await.status(), 201);
    world.pass(PROCESSING);
    let ids: Vec<_> = world.rehearsal.publications().into_iter().map(|p| (p.publish_id, p.status)).collect();
    assert_eq!(ids, [(published, "PUBLISH_COMPLETE"), (publish_id, "PUBLISH_COMPLETE")]);
    assert_eq!(world.refresh(grant["refresh_token"].as_str().unwrap()).await.0, 200);
    assert_eq!(world.refresh(grant["refresh_token"].as_str().unwrap()).await.0, 400);
}

#[tokio::test]
async fn nothing_is_left_of_a_temporary_rehearsal() {
    let world = world(private()).await;
    world.post_video(self_only()).await;
    let path = world.rehearsal.publications()[0].media[0].path.clone();
    assert!(path.exists());
    let World { rehearsal, http, .. } = world;
    drop(http);
    rehearsal.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn tokens_are_not_kept_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let world = started(dir.path(), vec![private()]).await;
    let kept = std::fs::read_to_string(dir.path().join("grants.json")).unwrap();
    assert!(kept.contains("brand") && !kept.contains(&world.token));
}
