//! Webhooks: what TikTok tells on its own, to one address for each app. Deliveries are repeated until they are answered
//! with 200, for up to 72 hours, and may come more than once (TikTok docs `webhooks-overview`, `webhooks-events`,
//! `webhooks-verification`, read 2026-11-22).

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::Sha256;

use super::{Tiktok, checkpoint, oauth};
use crate::domain::ids::unhex;
use crate::domain::news::News;
use crate::domain::publication::Checkpoint;
use crate::platform::webhooks::{Delivery, NotAuthentic, Webhooks};
use crate::secret::Secret;

/// `t=<unix seconds>,s=<hex>`, where `s` is the HMAC-SHA256 of `t`, a dot and the body, under the client secret.
const SIGNATURE: &str = "tiktok-signature";
/// So far may the time of a signature be from now. TikTok names no bound; its clients use this one.
const AGE_MAX: SignedDuration = SignedDuration::from_secs(300);
/// No documented id is nearly as long.
const NAME_BYTES_MAX: usize = 512;

/// The body. Other fields, such as `client_key`, say nothing that the signature does not.
#[derive(Deserialize)]
struct Body {
    event: String,
    create_time: Option<i64>,
    user_openid: Option<String>,
    /// JSON once more, in a text.
    content: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    publish_id: Option<String>,
}

impl Webhooks for Tiktok {
    fn hear(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<Option<News>, NotAuthentic> {
        let mut signatures = delivery.headers.get_all(SIGNATURE).into_iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err(NotAuthentic);
        };
        let signature = signature.to_str().map_err(|_| NotAuthentic)?;
        let signature = Signature::read(signature, now)?;
        let app = oauth::app_keys(&self.account, &self.keys).map_err(|_| NotAuthentic)?;
        signature.verify(delivery.body, &app.secret)?;
        Ok(read(delivery.body, now))
    }

    fn name_of(&self, checkpoint: &Checkpoint) -> Option<String> {
        checkpoint::Checkpoint::read(Some(checkpoint)).ok()?.publish_id
    }
}

/// A signature of now.
struct Signature<'a> {
    at: &'a str,
    mac: Vec<u8>,
}

impl Signature<'_> {
    fn read(text: &str, now: Timestamp) -> Result<Signature<'_>, NotAuthentic> {
        let (at, mac) = text.split_once(',').ok_or(NotAuthentic)?;
        let at = at.trim().strip_prefix("t=").ok_or(NotAuthentic)?;
        let signed_at = at.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        if now.duration_since(signed_at.ok_or(NotAuthentic)?).abs() > AGE_MAX {
            return Err(NotAuthentic);
        }
        let mac = mac.trim().strip_prefix("s=").and_then(unhex).ok_or(NotAuthentic)?;
        Ok(Signature { at, mac })
    }

    fn verify(&self, body: &[u8], secret: &Secret) -> Result<(), NotAuthentic> {
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
        let mut mac = mac.map_err(|_| NotAuthentic)?;
        mac.update(self.at.as_bytes());
        mac.update(b".");
        mac.update(body);
        // Compared in constant time.
        mac.verify_slice(&self.mac).map_err(|_| NotAuthentic)
    }
}

/// What an authentic body says.
fn read(body: &[u8], now: Timestamp) -> Option<News> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let fits = |name: &String| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    let name = || {
        let content: Content = serde_json::from_str(body.content.as_deref()?).ok()?;
        content.publish_id.filter(fits)
    };
    match body.event.as_str() {
        "post.publish.failed"
        | "post.publish.complete"
        | "post.publish.inbox_delivered"
        | "post.publish.publicly_available" => Some(News::Moved { name: name()? }),
        // TikTok's own spelling.
        "post.publish.no_longer_publicaly_available" => {
            let told_at = body.create_time.and_then(|second| Timestamp::from_second(second).ok());
            Some(News::Hidden { name: name()?, at: told_at.unwrap_or(now).min(now) })
        }
        "authorization.removed" => Some(News::LoginEnded { subject: body.user_openid.clone().filter(fits)? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_700_000_001;
    const BODY: &str = r#"{"client_key":"ck","event":"post.publish.complete","create_time":1700000000,"user_openid":"act.u","content":"{\"publish_id\":\"v_pub_file~v2.1\",\"publish_type\":\"DIRECT_PUBLISH\"}"}"#;
    const SIGNED: &str = "4156bde9ead35d110f2f49b8e312e409e667d906571439559f96448200a9aa90";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a second")
    }

    #[test]
    fn a_signature_counts_for_these_bytes_this_secret_and_five_minutes() {
        let good = format!("t={AT},s={SIGNED}");
        let changed = BODY.replace("v2.1", "v2.2");
        let (early, late) = (format!("t={},s={SIGNED}", AT - 1), format!("t={},s={SIGNED}", AT + 1));
        let padded = format!("t=0{AT},s={SIGNED}");
        for (signature, body, secret, now, is_good) in [
            (good.as_str(), BODY, "test_secret", AT, true),
            (&good, BODY, "test_secret", AT + 300, true),
            (&good, BODY, "test_secret", AT - 300, true),
            (&good, BODY, "test_secret", AT + 301, false),
            (&good, BODY, "test_secret", AT - 301, false),
            (&good, &changed, "test_secret", AT, false),
            (&good, &BODY[1..], "test_secret", AT, false),
            (&good, BODY, "other_secret", AT, false),
            (&early, BODY, "test_secret", AT, false),
            (&late, BODY, "test_secret", AT, false),
            (&padded, BODY, "test_secret", AT, false),
            (&good[..good.len() - 2], BODY, "test_secret", AT, false),
            ("", BODY, "test_secret", AT, false),
            ("t=,s=", BODY, "test_secret", AT, false),
            ("t=1700000001,s=", BODY, "test_secret", AT, false),
            ("t=99999999999999999999,s=00", BODY, "test_secret", AT, false),
            ("t=-9223372036854775808,s=00", BODY, "test_secret", AT, false),
        ] {
            let verified = Signature::read(signature, at(now))
                .and_then(|signature| signature.verify(body.as_bytes(), &Secret::new(secret)));
            assert_eq!(verified.is_ok(), is_good, "{signature} {secret} {now}");
        }
    }

    #[test]
    fn events_are_hints_and_what_is_not_known_is_nothing() {
        let moved = Some(News::Moved { name: "p~1".into() });
        let hidden = |second| Some(News::Hidden { name: "p~1".into(), at: at(second) });
        let body = |event: &str, content: &str| {
            serde_json::json!({ "event": event, "create_time": 5, "user_openid": "u", "content": content })
                .to_string()
        };
        let content = r#"{"publish_id":"p~1","post_id":"7"}"#;
        let long = format!(r#"{{"publish_id":"{}"}}"#, "x".repeat(NAME_BYTES_MAX + 1));
        for (text, expected) in [
            (body("post.publish.failed", content), moved.clone()),
            (body("post.publish.complete", content), moved.clone()),
            (body("post.publish.inbox_delivered", content), moved.clone()),
            (body("post.publish.publicly_available", content), moved),
            (body("post.publish.no_longer_publicaly_available", content), hidden(5)),
            (body("post.publish.no_longer_publicaly_available", content).replace(":5", ":500"), hidden(100)),
            (body("authorization.removed", "{}"), Some(News::LoginEnded { subject: "u".into() })),
            (body("video.publish.completed", r#"{"share_id":"s"}"#), None),
            (body("post.publish.complete", "{}"), None),
            (body("post.publish.complete", "not JSON"), None),
            (body("post.publish.complete", r#"{"publish_id":""}"#), None),
            (body("post.publish.complete", &long), None),
            (body("authorization.removed", "{}").replace("\"u\"", "7"), None),
            ("[]".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(read(text.as_bytes(), at(100)), expected, "{text}");
        }
    }
}
