//! Rate limits, scopes and tokens.

use super::*;

async fn headers(world: &World, request: reqwest::RequestBuilder) -> (u16, Vec<String>) {
    let reply = world.http.execute(request.build().unwrap()).await.unwrap();
    assert!(!reply.headers().contains_key("retry-after"));
    let header = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
    let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    (reply.status().as_u16(), names.map(header).to_vec())
}

#[tokio::test]
async fn the_headers_tell_the_closest_limit_and_a_date() {
    let setup = MastodonSetup { uploads_max: 2, requests_max: 4, ..MastodonSetup::default() };
    let world = world_as(setup).await;
    let (_, shown) = headers(&world, world.request("GET", "/api/v1/accounts/verify_credentials")).await;
    let reset = super::super::time(START + 5 * MINUTE).replace(".000Z", ".000000Z");
    assert_eq!(shown, ["4", "3", reset.as_str()]);
    let upload = || {
        let request =
            world.request("POST", "/api/v2/media").header("content-type", "multipart/form-data; boundary=XX");
        headers(&world, request.body(form(PNG, &[])))
    };
    let reset = super::super::time(START + 30 * MINUTE).replace(".000Z", ".000000Z");
    assert_eq!(upload().await, (200, vec!["2".to_owned(), "1".to_owned(), reset.clone()]));
    assert_eq!(upload().await.0, 200);
    assert_eq!(upload().await, (429, vec!["2".to_owned(), "0".to_owned(), reset]));
    let refused = world.get("/api/v1/accounts/verify_credentials").await;
    assert_eq!(error(&refused), (429, "Too many requests"));
    world.pass(5 * MINUTE);
    assert_eq!(world.get("/api/v1/accounts/verify_credentials").await.0, 200);
    world.pass(25 * MINUTE);
    assert_eq!(upload().await.0, 200);
}

#[tokio::test]
async fn posts_and_edits_count_together_and_refused_ones_do_not() {
    let setup = MastodonSetup { posts_max: 2, ..MastodonSetup::default() };
    let world = world_as(setup).await;
    assert_eq!(world.post(json!({ "status": "" })).await.0, 422);
    let (_, first) = world.post_with("k", json!({ "status": "a" })).await;
    assert_eq!(world.post_with("k", json!({ "status": "a" })).await.0, 200, "a replay is no post");
    let path = format!("/api/v1/statuses/{}", id(&first));
    let (status, shown) = headers(&world, world.request("PUT", &path).json(&json!({ "status": "b" }))).await;
    assert_eq!((status, shown[1].as_str()), (200, "0"));
    assert_eq!(world.post(json!({ "status": "c" })).await.0, 429);
    assert_eq!(world.put(&path, json!({ "status": "c" })).await.0, 429);
    assert_eq!(world.live(), 1);
    world.pass(3 * HOUR);
    assert_eq!(world.post(json!({ "status": "c" })).await.0, 200);
}

#[tokio::test]
async fn deletions_pages_and_new_apps_are_limited() {
    let setup = MastodonSetup { deletions_max: 1, pages_max: 1, ..MastodonSetup::default() };
    let world = world_as(setup).await;
    for expected in [200, 429] {
        let path = format!("/api/v1/statuses/{}", world.posted("a").await);
        assert_eq!(world.delete(&path).await.0, expected);
        assert_eq!(world.get(&format!("{}?min_id=1", world.statuses_of_brand())).await.0, expected);
    }
    let register = || {
        let body = json!({ "client_name": "app", "redirect_uris": "https://a.example/" });
        world.send(world.http.post(world.url("/api/v1/apps")).json(&body))
    };
    for _ in 0..5 {
        assert_eq!(register().await.0, 200);
    }
    assert_eq!(register().await.0, 429);
}

#[tokio::test]
async fn scopes_and_tokens_are_checked() {
    let mut world = world().await;
    for (scope, allowed) in [
        ("profile", "GET /api/v1/accounts/verify_credentials"),
        ("read:statuses", "GET /api/v1/scheduled_statuses"),
        ("write:media", "DELETE /api/v1/media/1"),
        ("write:statuses", "DELETE /api/v1/statuses/1"),
    ] {
        world.rehearsal.update_account("brand", |account| account.scopes = vec![scope.to_owned()]);
        world.token = token_of(&world.rehearsal, "brand");
        for asked in [
            "GET /api/v1/accounts/verify_credentials",
            "GET /api/v1/scheduled_statuses",
            "DELETE /api/v1/media/1",
            "DELETE /api/v1/statuses/1",
        ] {
            let (method, path) = asked.split_once(' ').unwrap();
            let answer = world.send(world.request(method, path)).await;
            assert_eq!(answer.0 != 403, asked == allowed, "{scope} {asked}");
        }
    }
    world.rehearsal.update_account("brand", |account| account.barred = Some("suspended".to_owned()));
    let barred = world.post(json!({ "status": "a" })).await;
    assert_eq!(error(&barred), (403, "Your login is currently disabled"));
    world.token = "unknown".to_owned();
    let large = world.upload(&vec![0; 8 * 1_024 * 1_024], &[]).await;
    assert_eq!(error(&large), (401, "The access token is invalid"), "heard by whoever sends much");
    assert_eq!(error(&world.post(json!({ "status": "a" })).await), (401, "The access token is invalid"));
    let (_, instance) = world.send(world.http.get(world.url("/api/v2/instance"))).await;
    assert_eq!(instance["version"], "4.6.3");
    assert_eq!(error(&world.get("/api/v1/timelines/home").await), (404, "Record not found"));
}
