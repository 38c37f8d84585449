//! TikTok docs `ui`, `vl`, `vq`: the Display API; and the pages for people.

use super::*;

impl World {
    async fn get(&self, path: &str) -> Answer {
        answer(self.http.get(self.url(path)).bearer_auth(&self.token).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn user_info_answers_the_fields_asked_for() {
    let world = world(private()).await;
    let (status, body) = world.get("/v2/user/info/?fields=open_id,username").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["user"]["username"], "brand");
    assert_eq!(body["data"]["user"].as_object().unwrap().len(), 2);
    assert_eq!(refusal(&world.get("/v2/user/info/").await), (400, "invalid_params"));
    assert_eq!(refusal(&world.get("/v2/user/info/?fields=secret").await), (400, "invalid_params"));
}

#[tokio::test]
async fn user_fields_need_their_scope() {
    let world = world(AccountSetup { scopes: vec!["user.info.basic".to_owned()], ..private() }).await;
    assert_eq!(world.get("/v2/user/info/?fields=display_name").await.0, 200);
    assert_eq!(refusal(&world.get("/v2/user/info/?fields=username").await), (400, "scope_permission_missed"));
}

#[tokio::test]
async fn videos_are_listed_newest_first_page_by_page() {
    let world = world(audited()).await;
    for number in 0..5 {
        world.pass(60_000);
        world
            .post_video(json!({ "title": format!("post {number}"), "privacy_level": "PUBLIC_TO_EVERYONE" }))
            .await;
    }
    world.post_video(self_only()).await;
    world.pass(PROCESSING + 500);
    let (mut cursor, mut titles) = (0, Vec::new());
    for more in [true, true, false] {
        let body = json!({ "cursor": cursor, "max_count": 2 });
        let (_, page) = world.post("/v2/video/list/?fields=id,title,create_time", body).await;
        assert_eq!(page["data"]["has_more"], more);
        cursor = page["data"]["cursor"].as_i64().unwrap();
        let videos = page["data"]["videos"].as_array().unwrap();
        titles.extend(videos.iter().map(|video| video["title"].as_str().unwrap().to_owned()));
    }
    assert_eq!(titles, ["post 4", "post 3", "post 2", "post 1", "post 0"]);
    let too_many = world.post("/v2/video/list/?fields=id", json!({ "max_count": 21 })).await;
    assert_eq!(refusal(&too_many), (400, "invalid_params"));
    assert_eq!(
        refusal(&world.post("/v2/video/list/?fields=secret", json!({})).await),
        (400, "invalid_params")
    );
}

#[tokio::test]
async fn videos_are_found_by_id_and_have_a_page() {
    let world = world(audited()).await;
    let title = "\u{1F980}".repeat(200);
    world.post_video(json!({ "title": title, "privacy_level": "PUBLIC_TO_EVERYONE" })).await;
    world.pass(PROCESSING + 500);
    let id = world.rehearsal.publications()[0].post_ids[0].to_string();
    let filters = |ids: Value| json!({ "filters": { "video_ids": ids } });
    let path = "/v2/video/query/?fields=id,share_url,title";
    let (_, body) = world.post(path, filters(json!([id, "1"]))).await;
    let videos = body["data"]["videos"].as_array().unwrap();
    assert_eq!((videos.len(), &videos[0]["id"]), (1, &json!(id)));
    assert_eq!(videos[0]["title"].as_str().unwrap().chars().count(), 150);
    let page = world.http.get(videos[0]["share_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(refusal(&world.post(path, filters(json!([]))).await), (400, "invalid_params"));
    assert_eq!(refusal(&world.post(path, filters(json!(vec!["1"; 21]))).await), (400, "invalid_params"));
}

#[tokio::test]
async fn feed_shows_posts_and_escapes_them() {
    let world = world(private()).await;
    let hostile = "</p><script>alert(1)</script><img src=x onerror=alert(1)>";
    world.post_video(json!({ "title": hostile, "privacy_level": "SELF_ONLY" })).await;
    let (_, url) = begun(&world.inbox(single(64)).await);
    world.put(&url, 0, &video(64), 64).await;
    world.pass(PROCESSING);
    let reply = world.http.get(world.url("/")).send().await.unwrap();
    let policy = reply.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'nonce-") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = reply.text().await.unwrap();
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("<img src=x"),
        "{page}"
    );
    assert!(page.contains("Only me") && page.contains("Drafts in the inbox") && page.contains("/media/1/0"));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
}

#[tokio::test]
async fn media_play_from_any_place() {
    let world = world(private()).await;
    world.post_video(self_only()).await;
    let part = world.http.get(world.url("/media/1/0")).header("range", "bytes=4-7").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), &part.headers()["content-range"]),
        (206, &HeaderValue::from_static("bytes 4-7/64"))
    );
    assert_eq!(part.text().await.unwrap(), "ftyp");
    assert_eq!(world.http.get(world.url("/media/1/1")).send().await.unwrap().status(), 404);
    assert_eq!(world.http.get(world.url("/media/../x")).send().await.unwrap().status(), 404);
}
