//! Faults, the list of requests, and the rehearsal's own endpoints.

use super::*;
use crate::rehearsal::{Action, Fault, Outcome};

const INIT: &str = "/v2/post/publish/inbox/video/init/";

impl World {
    fn fault(&self, operation: &str, action: Action) {
        assert!(self.rehearsal.faults().add(Fault::next(operation, action)));
    }

    async fn try_init(&self) -> reqwest::Result<reqwest::Response> {
        let body = json!({ "source_info": single(64) });
        self.http.post(self.url(INIT)).bearer_auth(&self.token).json(&body).send().await
    }
}

#[tokio::test]
async fn effects_happen_or_not_as_asked() {
    let body = || Some("busy".to_owned());
    for (action, status, effects) in [
        (Action::Status { code: 503, body: body() }, Some(503), 0),
        (Action::CutBeforeRead, None, 0),
        (Action::CutMidRequestBody { after: 3 }, None, 0),
        (Action::EffectThenCut, None, 1),
        (Action::EffectThenStatus { code: 502, body: None }, Some(502), 1),
        (Action::GarbageBody, Some(200), 1),
        (Action::UnknownFields, Some(200), 1),
        (Action::Delay { ms: 1 }, Some(200), 1),
        (Action::ExpireAccessToken, Some(401), 0),
        (Action::Pass, Some(200), 1),
    ] {
        let world = world(private()).await;
        world.fault("inbox_init", action.clone());
        let reply = world.try_init().await.ok();
        assert_eq!(reply.map(|reply| reply.status().as_u16()), status, "{action:?}");
        assert_eq!(world.rehearsal.uploads_in_progress().len(), effects, "{action:?}");
        assert!(world.rehearsal.faults().pending().is_empty());
    }
}

#[tokio::test]
async fn unknown_fields_come_beside_what_is_documented() {
    let world = world(private()).await;
    world.fault("inbox_init", Action::UnknownFields);
    let reply: Value = world.try_init().await.unwrap().json().await.unwrap();
    assert!(reply["data"]["publish_id"].is_string() && reply["error"]["code"] == "ok", "{reply}");
    for object in [&reply, &reply["data"], &reply["error"]] {
        assert!(object["x_unknown"].is_object(), "{reply}");
    }
}

#[tokio::test]
async fn faults_wait_for_the_nth_request_and_repeat() {
    let world = world(private()).await;
    let fault = Fault { times: 2, ..Fault::nth("inbox_init", 2, Action::Status { code: 500, body: None }) };
    world.rehearsal.faults().add(fault);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(world.try_init().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
}

#[tokio::test]
async fn chunk_that_breaks_off_leaves_the_offset() {
    let world = world(private()).await;
    let (publish_id, url) = begun(&world.inbox(single(1 << 20)).await);
    let (bytes, total) = (video(1 << 20), 1 << 20);
    world.fault("upload", Action::CutMidRequestBody { after: 1_000 });
    let range = ("content-range", "bytes 0-1048575/1048576");
    assert!(world.put_with(&url, &bytes, &[("content-type", "video/mp4"), range]).await.is_err());
    assert_eq!(world.status(&publish_id).await.1["data"]["uploaded_bytes"], 0);
    assert_eq!(world.put(&url, 0, &bytes, total).await.status(), 201);
}

#[tokio::test]
async fn lost_reply_to_the_last_chunk_still_publishes() {
    let world = world(private()).await;
    let (publish_id, url) = begun(&world.direct(self_only(), single(64)).await);
    world.fault("upload", Action::EffectThenCut);
    let headers = [("content-type", "video/mp4"), ("content-range", "bytes 0-63/64")];
    assert!(world.put_with(&url, &video(64), &headers).await.is_err());
    world.pass(PROCESSING);
    assert_eq!(world.status(&publish_id).await.1["data"]["status"], "PUBLISH_COMPLETE");
}

#[tokio::test]
async fn requests_are_listed_without_secrets() {
    let world = world(private()).await;
    world.fault("inbox_init", Action::EffectThenCut);
    let _ = world.try_init().await;
    world.post_video(self_only()).await;
    let seen = world.rehearsal.requests();
    let told: Vec<_> = seen.iter().map(|request| (request.operation, request.outcome)).collect();
    let replied = Outcome::Replied;
    assert_eq!(told, [("inbox_init", Outcome::Cut), ("video_init", replied(200)), ("upload", replied(201))]);
    let listed = serde_json::to_string(&seen).unwrap();
    assert!(!listed.contains("token") && !listed.contains(&world.token), "{listed}");
}

#[tokio::test]
async fn other_processes_can_ask_for_everything() {
    let world = world(private()).await;
    let (status, grant) = world.post("/rehearsal/grants/brand", json!({})).await;
    assert_eq!((status, &grant["token_type"]), (200, &json!("Bearer")));
    assert_eq!(world.post("/rehearsal/grants/nobody", json!({})).await.0, 400);
    let fault = json!({ "operation": "inbox_init", "action": { "kind": "status", "code": 503 } });
    assert_eq!(world.post("/rehearsal/faults", fault).await.0, 200);
    assert_eq!(world.try_init().await.unwrap().status(), 503);
    assert_eq!(
        world.post("/rehearsal/faults", json!({ "operation": "x", "action": { "kind": "?" } })).await.0,
        400
    );
    assert_eq!(world.post("/rehearsal/accounts/brand", json!({ "private": false })).await.0, 200);
    assert_eq!(world.post("/rehearsal/accounts/brand", json!({ "privat": false })).await.0, 400);
    assert_eq!(world.direct(self_only(), single(64)).await.0, 403);
    let (_, url) = begun(&world.inbox(single(64)).await);
    world.put(&url, 0, &video(64), 64).await;
    let listed = world.http.get(world.url("/rehearsal/publications?digests=1")).send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    let digest = world.rehearsal.publications()[0].media[0].digest().unwrap();
    assert_eq!(listed["publications"][0]["media"][0]["sha256"], digest);
    world.pass(PROCESSING);
    let path = format!("/rehearsal/drafts/{}", listed["publications"][0]["publish_id"].as_str().unwrap());
    assert_eq!(world.post(&path, json!({})).await.0, 200);
    let requests: Value =
        world.http.get(world.url("/rehearsal/requests")).send().await.unwrap().json().await.unwrap();
    assert_eq!(requests["requests"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn answers_on_loopback_names_only() {
    let world = world(private()).await;
    let reply = world.http.get(world.url("/")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(reply.status(), 421);
    let listen = "0.0.0.0:0".parse().unwrap();
    assert!(Rehearsal::start(Options { listen, ..Options::default() }).await.is_err());
}
