//! TikTok docs `st`: processing, moderation, ids; and cancelling.

use super::*;
use crate::rehearsal::IdStyle;

#[tokio::test]
async fn direct_post_goes_from_upload_to_published() {
    let world = world(audited()).await;
    let (publish_id, url) = begun(&world.direct(public(), single(64)).await);
    assert_eq!(
        world.status(&publish_id).await.1["data"],
        json!({ "status": "PROCESSING_UPLOAD", "uploaded_bytes": 0 })
    );
    world.put(&url, 0, &video(64), 64).await;
    assert_eq!(
        world.status(&publish_id).await.1["data"],
        json!({ "status": "PROCESSING_UPLOAD", "uploaded_bytes": 64 })
    );
    world.pass(PROCESSING);
    assert_eq!(
        world.status(&publish_id).await.1["data"],
        json!({ "status": "PUBLISH_COMPLETE", "uploaded_bytes": 64 })
    );
    world.pass(500);
    let (_, body) = world.status(&publish_id).await;
    let id = body["data"]["publicaly_available_post_id"][0].as_i64().unwrap();
    assert!(id > 1 << 53 && id.to_string().len() == 19, "{id}");
}

#[tokio::test]
async fn ids_come_in_every_shape_seen() {
    for (style, is_right) in [
        (IdStyle::Integers, (|id| id[0].is_i64()) as fn(&Value) -> bool),
        (IdStyle::Strings, |id| id[0].is_string()),
        (IdStyle::Integer, Value::is_i64),
        (IdStyle::String, Value::is_string),
    ] {
        let world = world(AccountSetup { id_style: style, ..audited() }).await;
        let publish_id = world.post_video(public()).await;
        world.pass(PROCESSING + 500);
        let (_, body) = world.status(&publish_id).await;
        assert!(is_right(&body["data"]["publicaly_available_post_id"]), "{style:?}: {body}");
    }
}

#[tokio::test]
async fn self_only_posts_never_show_an_id() {
    let world = world(private()).await;
    let publish_id = world.post_video(self_only()).await;
    world.pass(HOUR);
    assert_eq!(
        world.status(&publish_id).await.1["data"],
        json!({ "status": "PUBLISH_COMPLETE", "uploaded_bytes": 64 })
    );
}

#[tokio::test]
async fn draft_is_delivered_and_the_creator_may_post_it() {
    let world = world(private()).await;
    let (publish_id, url) = begun(&world.inbox(single(64)).await);
    world.put(&url, 0, &video(64), 64).await;
    assert!(!world.rehearsal.finish_draft(&publish_id), "still processing");
    world.pass(PROCESSING);
    assert_eq!(world.status(&publish_id).await.1["data"]["status"], "SEND_TO_USER_INBOX");
    assert!(world.rehearsal.finish_draft(&publish_id));
    world.pass(500);
    let (_, body) = world.status(&publish_id).await;
    assert_eq!(body["data"]["status"], "PUBLISH_COMPLETE");
    assert!(body["data"]["publicaly_available_post_id"][0].is_i64());
}

#[tokio::test]
async fn what_is_no_video_fails_the_format_check() {
    let world = world(private()).await;
    let (publish_id, url) = begun(&world.direct(self_only(), single(64)).await);
    assert_eq!(world.put(&url, 0, &[b'x'; 64], 64).await.status(), 201);
    world.pass(PROCESSING);
    let (_, body) = world.status(&publish_id).await;
    assert_eq!(
        (&body["data"]["status"], &body["data"]["fail_reason"]),
        (&json!("FAILED"), &json!("file_format_check_failed"))
    );
}

#[tokio::test]
async fn any_fail_reason_can_be_asked_for() {
    let world =
        world(AccountSetup { fail_reason: Some("frame_rate_check_failed".to_owned()), ..private() }).await;
    let publish_id = world.post_video(self_only()).await;
    world.pass(PROCESSING);
    assert_eq!(world.status(&publish_id).await.1["data"]["fail_reason"], "frame_rate_check_failed");
}

#[tokio::test]
async fn ids_of_nobody_and_of_others_are_told_apart() {
    let accounts = vec![private(), AccountSetup::new("other")];
    let world = world_with(Options { accounts, ..Options::default() }).await;
    let publish_id = world.post_video(self_only()).await;
    let other = world.rehearsal.issue_grant("other").unwrap()["access_token"].as_str().unwrap().to_owned();
    for path in ["/v2/post/publish/status/fetch/", "/v2/post/publish/cancel/"] {
        let unknown = world.post(path, json!({ "publish_id": "v_pub_file~1" })).await;
        assert_eq!(refusal(&unknown), (400, "invalid_publish_id"));
        let foreign = world.post_as(&other, path, json!({ "publish_id": publish_id })).await;
        assert_eq!(refusal(&foreign), (400, "token_not_authorized_for_specified_publish_id"));
        assert_eq!(refusal(&world.post(path, json!({})).await), (400, "invalid_params"));
    }
}

#[tokio::test]
async fn uploads_cannot_be_cancelled() {
    let world = world(private()).await;
    let (publish_id, _) = begun(&world.direct(self_only(), single(64)).await);
    let answer = world.post("/v2/post/publish/cancel/", json!({ "publish_id": publish_id })).await;
    assert_eq!(refusal(&answer), (400, "publish_not_cancellable"));
}
