//! Webhooks: each event goes to the app's callback address, signed, until it is answered with 200 (TikTok docs
//! `webhooks-overview`, `webhooks-events`, `webhooks-verification`, read 2026-11-22).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::{Server, fetch, lock};
use super::model::{Mode, Model, Phase, Publication};
use super::oauth::open_id;

/// How often it is looked whether something has happened.
const TICK: Duration = Duration::from_millis(50);
/// The real one goes on for 72 hours, each time later than before. Here it is half a minute.
const TRIES_MAX: u32 = 8;
const RETRY_FIRST: Duration = Duration::from_millis(125);
/// A callback that does not answer within this has not answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Told once each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Event {
    name: &'static str,
    account: String,
    /// JSON, sent as a text.
    content: String,
}

/// Sends what happens from now on to `url`.
pub(in crate::rehearsal) fn deliver_to(server: &Arc<Server>, url: String) {
    let told: HashSet<Event> = events(&server.model(), server.now()).into_iter().collect();
    lock(&server.pulls).spawn(run(Arc::clone(server), url, told));
}

async fn run(server: Arc<Server>, url: String, mut told: HashSet<Event>) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        let all = events(&server.model(), server.now());
        for event in all {
            if told.insert(event.clone()) {
                deliver(&server, &url, &event).await;
            }
        }
    }
}

async fn deliver(server: &Server, url: &str, event: &Event) {
    let body = json!({
        "client_key": server.client_key,
        "event": event.name,
        "create_time": server.now() / 1_000,
        "user_openid": open_id(&event.account),
        "content": event.content,
    })
    .to_string();
    for attempt in 0..TRIES_MAX {
        let signature = signature(server, server.now() / 1_000, &body);
        let headers = [("Content-Type", "application/json"), ("TikTok-Signature", signature.as_str())];
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, fetch::post(url, &headers, &body)).await;
        match sent {
            Ok(Ok(200)) => return,
            answer => tracing::debug!(?answer, "a webhook was not taken"),
        }
        tokio::time::sleep(RETRY_FIRST * 2_u32.pow(attempt)).await;
    }
}

/// The header's value for a body that is sent at `second`.
pub(in crate::rehearsal) fn signature(server: &Server, second: i64, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(server.client_secret.as_bytes()).expect("a key may have any length");
    mac.update(format!("{second}.{body}").as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={second},s={digits}")
}

/// All that has happened, in the order in which it does to each publication.
fn events(model: &Model, now: i64) -> Vec<Event> {
    let of = |publication: &Publication, name, content: Value| Event {
        name,
        account: publication.account.clone(),
        content: content.to_string(),
    };
    let mut events = Vec::new();
    for publication in model.publications() {
        let id = &publication.publish_id;
        let kind = if publication.mode == Mode::Direct { "DIRECT_PUBLISH" } else { "INBOX_SHARE" };
        if publication.mode == Mode::Inbox && matches!(publication.phase, Phase::Delivered | Phase::Complete)
        {
            let content = json!({ "publish_id": id, "publish_type": kind });
            events.push(of(publication, "post.publish.inbox_delivered", content));
        }
        match publication.phase {
            Phase::Failed => {
                let reason = publication.fail_reason.clone();
                let content = json!({ "publish_id": id, "reason": reason, "publish_type": kind });
                events.push(of(publication, "post.publish.failed", content));
            }
            Phase::Complete => {
                let content = json!({ "publish_id": id, "publish_type": kind });
                events.push(of(publication, "post.publish.complete", content));
            }
            _ => {}
        }
        if publication.hidden {
            let content = json!({ "publish_id": id, "post_id": publication.post_id, "publish_type": kind });
            events.push(of(publication, "post.publish.no_longer_publicaly_available", content));
        } else if let Some(post_id) = model.public_id(publication, now) {
            let content = json!({ "publish_id": id, "post_id": post_id.to_string(), "publish_type": kind });
            events.push(of(publication, "post.publish.publicly_available", content));
        }
    }
    let revoked = model.grants.iter().filter(|grant| grant.revoked);
    // The login's number keeps two of one account apart.
    events.extend(revoked.map(|grant| Event {
        name: "authorization.removed",
        account: grant.account.clone(),
        content: json!({ "reason": 1, "login": grant.family }).to_string(),
    }));
    events
}
