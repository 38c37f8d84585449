//! What a person, another program and the next process see of it; and the faults.

use super::*;
use crate::rehearsal::{Action, Fault};

async fn page(world: &World, path: &str) -> String {
    world.http.get(world.url(path)).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_feed_shows_edits_and_what_was_deleted() {
    let world = world().await;
    let (_, media) = world.upload(PNG, &[("description", "a cat")]).await;
    let (_, first) = world.post(json!({ "status": "<i>before", "media_ids": [id(&media)] })).await;
    let path = format!("/api/v1/statuses/{}", id(&first));
    let body = json!({ "status": "after", "media_ids": [id(&media)], "spoiler_text": "beware" });
    world.put(&path, body).await;
    let gone = world.posted("regretted").await;
    world.delete(&format!("/api/v1/statuses/{gone}")).await;
    world.post(json!({ "status": "later", "scheduled_at": at(START + HOUR) })).await;
    let feed = page(&world, "/").await;
    for expected in
        ["after", "beware", "· edited", "alt=\"a cat\"", "Deleted", "regretted", "Scheduled", "later"]
    {
        assert!(feed.contains(expected), "{expected}: {feed}");
    }
    assert!(!feed.contains("before"));
    let own =
        page(&world, first["url"].as_str().unwrap().strip_prefix(world.rehearsal.base_url()).unwrap()).await;
    assert!(own.contains("after") && !own.contains("regretted"), "{own}");
}

#[tokio::test]
async fn another_program_changes_the_setup() {
    let world = world().await;
    let change = |body: Value| world.send(world.http.post(world.url("/rehearsal/mastodon")).json(&body));
    assert_eq!(change(json!({ "max_characters": 3, "replay": "fails" })).await.0, 200);
    assert_eq!(world.post(json!({ "status": "four" })).await.0, 422);
    assert_eq!(change(json!({ "unknown": 1 })).await.0, 400);
    let (_, grant) = world.send(world.http.post(world.url("/rehearsal/grants/brand"))).await;
    assert_eq!(grant["token_type"], "Bearer");
    world.posted("abc").await;
    let (_, listed) = world.send(world.http.get(world.url("/rehearsal/publications"))).await;
    assert_eq!(listed["publications"][0]["record"]["content"], "<p>abc</p>");
}

#[tokio::test]
async fn faults_happen_where_they_were_asked_for() {
    let world = world().await;
    let faults = world.rehearsal.faults();
    let body = || json!({ "status": "a" });
    faults.add(Fault::next("status_create", Action::Status { code: 503, body: None }));
    assert_eq!(error(&world.post_with("k", body()).await), (503, "a fault was asked for"));
    assert_eq!(world.live(), 0);
    faults.add(Fault::next("status_create", Action::EffectThenCut));
    let request = world.request("POST", "/api/v1/statuses").header("idempotency-key", "k");
    assert!(request.json(&body()).send().await.is_err());
    assert_eq!(world.live(), 1);
    assert_eq!(world.post_with("k", body()).await.0, 200);
    assert_eq!(world.live(), 1, "the key finds what nobody heard of");
    faults.add(Fault::next("media_upload", Action::CutMidRequestBody { after: 10 }));
    let upload =
        world.request("POST", "/api/v2/media").header("content-type", "multipart/form-data; boundary=XX");
    assert!(upload.body(form(&[0; 100_000], &[])).send().await.is_err());
    faults.add(Fault::next("status_get", Action::ExpireAccessToken));
    assert_eq!(error(&world.get("/api/v1/statuses/1").await), (401, "The access token was revoked"));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let accounts = vec![AccountSetup::mastodon("brand", "brand")];
        Rehearsal::start(Options { accounts, dir: Some(dir.path().to_owned()), ..Options::default() })
    };
    let rehearsal = start().await.unwrap();
    let token = token_of(&rehearsal, "brand");
    rehearsal.stop().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut found = Vec::new();
    for _ in 0..2 {
        let rehearsal = start().await.unwrap();
        let request = http.post(format!("{}/api/v1/statuses", rehearsal.base_url()));
        let request =
            request.bearer_auth(&token).header("idempotency-key", "k").json(&json!({ "status": "a" }));
        let reply: Value = request.send().await.unwrap().json().await.unwrap();
        found.push(id(&reply));
        assert_eq!(rehearsal.publications().len(), 1);
        rehearsal.stop().await;
    }
    assert_eq!(found[0], found[1], "the key outlives the process");
}
