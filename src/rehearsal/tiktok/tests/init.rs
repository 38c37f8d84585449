//! TikTok docs `dp`, `up`, `ph`, `csg`: what an init needs, and the caps.

use super::*;

#[tokio::test]
async fn direct_and_inbox_answer_an_id_and_an_address() {
    let world = world(private()).await;
    for (answer, prefix) in [
        (world.direct(self_only(), single(64)).await, "v_pub_file~"),
        (world.inbox(single(64)).await, "v_inbox_file~"),
    ] {
        let (publish_id, url) = begun(&answer);
        assert!(publish_id.starts_with(prefix) && publish_id.len() <= 64, "{publish_id}");
        assert!(url.starts_with(world.rehearsal.base_url()) && url.len() <= 256, "{url}");
    }
}

#[tokio::test]
async fn malformed_inits_are_invalid_params() {
    let world = world(audited()).await;
    let post = |changes: Value| {
        let mut post = public();
        post.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        post
    };
    for (post, source) in [
        (json!({}), single(64)),
        (json!({ "title": "no privacy" }), single(64)),
        (post(json!({ "privacy_level": 3 })), single(64)),
        (post(json!({ "title": 3 })), single(64)),
        (post(json!({ "disable_duet": "true" })), single(64)),
        (post(json!({ "is_aigc": 1 })), single(64)),
        (post(json!({ "video_cover_timestamp_ms": "1" })), single(64)),
        (post(json!({ "title": "a".repeat(2201) })), single(64)),
        (post(json!({ "title": "\u{1F980}".repeat(1101) })), single(64)),
        (post(json!({ "privacy_level": "SELF_ONLY", "brand_content_toggle": true })), single(64)),
        (public(), json!({})),
        (public(), json!({ "source": "FILE_UPLOAD", "video_size": 64 })),
        (
            public(),
            json!({ "source": "FILE_UPLOAD", "video_size": "64", "chunk_size": 64, "total_chunk_count": 1 }),
        ),
        (public(), json!({ "source": "BYTES" })),
        (public(), json!({ "source": "PULL_FROM_URL" })),
        (public(), chunked(15_000_000, 10_000_000, 2)),
        (public(), chunked(15_000_000, 10_000_000, 1)),
    ] {
        world.pass(60_000);
        let told = format!("{post} {source}").chars().take(120).collect::<String>();
        assert_eq!(refusal(&world.direct(post, source).await), (400, "invalid_params"), "{told}");
    }
}

#[tokio::test]
async fn title_limit_counts_utf16_units() {
    let world = world(audited()).await;
    for title in ["a".repeat(2200), "\u{1F980}".repeat(1100)] {
        let post = json!({ "title": title, "privacy_level": "PUBLIC_TO_EVERYONE" });
        begun(&world.direct(post, single(64)).await);
    }
}

#[tokio::test]
async fn unaudited_apps_post_for_themselves_to_private_accounts() {
    const CODE: (u16, &str) = (403, "unaudited_client_can_only_post_to_private_accounts");
    let world = world(private()).await;
    let followers = json!({ "privacy_level": "FOLLOWER_OF_CREATOR" });
    assert_eq!(refusal(&world.direct(followers, single(64)).await), CODE);
    begun(&world.direct(self_only(), single(64)).await);
    world.rehearsal.update_account("brand", |account| account.private = false);
    assert_eq!(refusal(&world.direct(self_only(), single(64)).await), CODE);
    begun(&world.inbox(single(64)).await);
}

#[tokio::test]
async fn privacy_must_be_among_the_options() {
    let world = world(audited()).await;
    for level in ["FOLLOWER_OF_CREATOR", "", "EVERYONE"] {
        let answer = world.direct(json!({ "privacy_level": level }), single(64)).await;
        assert_eq!(refusal(&answer), (403, "privacy_level_option_mismatch"), "{level}");
    }
    world.rehearsal.update_account("brand", |account| account.private = true);
    assert_eq!(refusal(&world.direct(public(), single(64)).await), (403, "privacy_level_option_mismatch"));
}

#[tokio::test]
async fn scopes_are_needed_for_each_mode() {
    const REFUSED: (u16, &str) = (401, "scope_not_authorized");
    let world = world(AccountSetup { scopes: vec!["video.upload".to_owned()], ..audited() }).await;
    assert_eq!(refusal(&world.direct(public(), single(64)).await), REFUSED);
    assert_eq!(refusal(&world.post("/v2/post/publish/creator_info/query/", json!({})).await), REFUSED);
    assert_eq!(refusal(&world.post("/v2/video/list/?fields=id", json!({})).await), REFUSED);
    let photo = json!({ "media_type": "PHOTO", "post_mode": "DIRECT_POST" });
    assert_eq!(refusal(&world.post("/v2/post/publish/content/init/", photo).await), REFUSED);
    begun(&world.inbox(single(64)).await);
}

#[tokio::test]
async fn tokens_are_checked() {
    let world = world(private()).await;
    let refused = world.post_as("act.unknown", "/v2/post/publish/status/fetch/", json!({})).await;
    assert_eq!(refusal(&refused), (401, "access_token_invalid"));
    let none = world.http.get(world.url("/v2/user/info/?fields=open_id")).send().await.unwrap();
    assert_eq!(refusal(&answer(none).await), (401, "access_token_invalid"));
}

#[tokio::test]
async fn bodies_are_json_of_bounded_size() {
    let world = world(private()).await;
    let url = world.url("/v2/post/publish/inbox/video/init/");
    for (content_type, body) in [
        ("text/plain", "{}".to_owned()),
        ("application/json", "[]".to_owned()),
        ("application/json", " ".repeat(1 << 21)),
    ] {
        let request =
            world.http.post(&url).bearer_auth(&world.token).header("content-type", content_type).body(body);
        assert_eq!(refusal(&answer(request.send().await.unwrap()).await), (400, "invalid_params"));
    }
}

#[tokio::test]
async fn rate_limits_are_per_minute_and_endpoint() {
    let world = world(audited()).await;
    let info = "/v2/post/publish/creator_info/query/";
    let status = "/v2/post/publish/status/fetch/";
    for (path, limit) in
        [("/v2/post/publish/video/init/", 6), ("/v2/post/publish/content/init/", 6), (info, 20), (status, 30)]
    {
        for _ in 0..limit {
            assert_ne!(world.post(path, json!({})).await.0, 429, "{path}");
        }
        assert_eq!(refusal(&world.post(path, json!({})).await), (429, "rate_limit_exceeded"), "{path}");
    }
    world.pass(60_000);
    assert_eq!(refusal(&world.post(info, json!({})).await), (200, "ok"));
}

#[tokio::test]
async fn about_fifteen_posts_a_day() {
    const CODE: &str = "spam_risk_too_many_posts";
    let world = world(audited()).await;
    for _ in 0..15 {
        world.pass(60_000);
        world.post_video(public()).await;
    }
    world.pass(60_000);
    assert_eq!(refusal(&world.direct(public(), single(64)).await), (403, CODE));
    assert_eq!(refusal(&world.post("/v2/post/publish/creator_info/query/", json!({})).await), (200, CODE));
    world.pass(24 * HOUR);
    let token = world.rehearsal.issue_grant("brand").unwrap()["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "post_info": public(), "source_info": single(64) });
    begun(&world.post_as(&token, "/v2/post/publish/video/init/", body).await);
}

#[tokio::test]
async fn five_drafts_may_be_pending() {
    let world = world(private()).await;
    let mut first = String::new();
    for _ in 0..5 {
        let (publish_id, url) = begun(&world.inbox(single(64)).await);
        assert_eq!(world.put(&url, 0, &video(64), 64).await.status(), 201);
        world.settled(&publish_id).await;
        first = publish_id;
    }
    world.pass(60_000);
    assert_eq!(refusal(&world.inbox(single(64)).await), (403, "spam_risk_too_many_pending_share"));
    assert!(world.rehearsal.finish_draft(&first) && !world.rehearsal.finish_draft(&first));
    begun(&world.inbox(single(64)).await);
}

#[tokio::test]
async fn unaudited_apps_have_five_users_a_day() {
    let names = ["a", "b", "c", "d", "e", "brand"];
    let accounts = names.map(AccountSetup::new).to_vec();
    let world = world_with(Options { accounts, ..Options::default() }).await;
    for name in &names[..5] {
        let token = world.rehearsal.issue_grant(name).unwrap()["access_token"].as_str().unwrap().to_owned();
        let body = json!({ "post_info": self_only(), "source_info": single(64) });
        let (_, url) = begun(&world.post_as(&token, "/v2/post/publish/video/init/", body).await);
        assert_eq!(world.put(&url, 0, &video(64), 64).await.status(), 201);
    }
    let token = world.rehearsal.issue_grant("brand").unwrap()["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "post_info": self_only(), "source_info": single(64) });
    let sixth = world.post_as(&token, "/v2/post/publish/video/init/", body).await;
    assert_eq!(refusal(&sixth), (403, "reached_active_user_cap"));
}

#[tokio::test]
async fn barred_creators_get_403_here_and_200_from_creator_info() {
    for code in ["spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap"]
    {
        let world = world(AccountSetup { barred: Some(code.to_owned()), ..audited() }).await;
        assert_eq!(refusal(&world.direct(public(), single(64)).await), (403, code));
        assert_eq!(
            refusal(&world.post("/v2/post/publish/creator_info/query/", json!({})).await),
            (200, code)
        );
    }
}

#[tokio::test]
async fn creator_info_tells_the_options() {
    let world = world(AccountSetup { duet_disabled: true, ..private() }).await;
    let (_, body) = world.post("/v2/post/publish/creator_info/query/", json!({})).await;
    let options = json!(["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]);
    assert_eq!(body["data"]["privacy_level_options"], options);
    assert_eq!(
        (&body["data"]["duet_disabled"], &body["data"]["stitch_disabled"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(body["data"]["max_video_post_duration_sec"], 600);
}

#[tokio::test]
async fn two_inits_and_two_uploads_are_two_posts() {
    let world = world(private()).await;
    let (first, second) = (world.post_video(self_only()).await, world.post_video(self_only()).await);
    assert_ne!(first, second);
    begun(&world.direct(self_only(), single(64)).await);
    assert_eq!(world.rehearsal.publications().len(), 2);
    assert_eq!(world.rehearsal.uploads_in_progress().len(), 1);
}
