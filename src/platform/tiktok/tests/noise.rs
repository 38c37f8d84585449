//! Whatever comes back, nothing panics, and a publish request is only taken back by a documented refusal.

use proptest::prelude::*;
use serde_json::Value;

use crate::domain::retry::ErrorKind::{Ambiguous, Transient};
use crate::platform::http::{Effect, Reply};
use crate::platform::tiktok::{media, oauth, operation, types};

/// Keys and values that mean something, among others that do not.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "ok|internal_error|invalid_grant|PUBLISH_COMPLETE|FAILED|-?[0-9]{0,20}|\\PC{0,8}"
            .prop_map(Value::from),
    ];
    let key = "data|error|code|message|log_id|logid|publish_id|status|videos|user|id|uploaded_bytes|\
               publicaly_available_post_id|privacy_level_options|access_token|expires_in|scope|[a-z]{0,3}";
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        json().prop_map(|value| value.to_string().into_bytes()),
        json().prop_map(|data| serde_json::json!({ "data": data, "error": { "code": "ok" } })
            .to_string()
            .into()),
    ]
}

proptest! {
    #[test]
    fn replies_of_any_kind_are_read_or_refused(status in 100_u16..600, body in body(), range in "\\PC{0,24}") {
        let reply = Reply { status, content_range: Some(range), retry_after: None, body };
        let init = types::decode::<types::Init>("content/init", Effect::Once, &reply).result;
        if let Err(error) = init {
            prop_assert!(error.kind != Transient);
            prop_assert!(error.kind == Ambiguous || status < 500, "{error:?}");
            prop_assert!(!error.to_string().contains(|c: char| c.is_control()));
        }
        let _ = types::decode::<types::Status>("status/fetch", Effect::Harmless, &reply);
        let _ = types::decode::<types::CreatorInfo>("creator_info/query", Effect::Harmless, &reply);
        let _ = types::decode::<types::UserInfo>("user/info", Effect::Harmless, &reply);
        let _ = types::decode::<types::Videos>("video/list", Effect::Harmless, &reply);
        if let Ok(value) = oauth::decode(operation::TOKEN, Effect::Once, &reply).result {
            let _ = oauth::read_grant(&value, super::support::start());
        }
        if let Err(error) = media::judge(Effect::Once, &reply) {
            prop_assert!(error.kind == Ambiguous || status == 400);
        }
    }

    #[test]
    fn chunks_cover_any_file(size in 1_u64..=4_000_000_000, received in any::<u64>()) {
        let chunks = media::chunks(size);
        prop_assert_eq!(chunks.size * (chunks.count - 1) + chunks.last, size);
        prop_assert!((1..=1_000).contains(&chunks.count));
        let offset = media::resume_at(size, received);
        let (first, length) = media::range(size, offset);
        prop_assert!(offset <= received && first == offset && length > 0 && first + length <= size);
        prop_assert_eq!(first + length == size, offset == media::last_start(size));
    }
}
