//! What a post comes to on one account: the effective payload, frozen in the ledger when an attempt starts.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::ids::{ContentDigest, PlatformId};
use super::limits::Counts;
use super::media::Medium;

/// All that an adapter needs to publish, without the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    pub platform: PlatformId,
    /// The adapter's own, versioned by it. Options at their default are left out, so that a new option
    /// does not change the digest of what is published already.
    pub body: Body,
    pub media: Vec<Medium>,
    /// For people: `video, draft in the inbox`.
    pub what: String,
    /// The text as the platform will show it, if it shows one.
    pub text: Option<String>,
    /// Which caps it counts against.
    pub counts: Counts,
    pub estimate: Estimate,
    /// What an edit cannot change: a live post is edited only into what is equal here. `None`: it cannot be edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<ContentDigest>,
}

/// A value of the adapter's own, as canonical JSON text: a tenth of what it takes as a tree, and all posts of a project
/// are in memory at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Box<str>);

impl From<Value> for Body {
    fn from(value: Value) -> Body {
        Body(canonical(&value).into())
    }
}

impl Body {
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).expect("it is the text of a value")
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        Value::deserialize(deserializer).map(Body::from)
    }
}

/// What publishing will cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Requests, status polls not counted.
    pub requests: u32,
    /// Bytes that leave this machine.
    pub bytes: u64,
    /// Sizes of the upload's chunks: `(chunk, count, last)`.
    pub chunks: Option<Chunks>,
}

/// How an upload is cut: `count` chunks of `size` bytes, the last one of `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunks {
    pub size: u64,
    pub count: u64,
    pub last: u64,
}

impl Payload {
    /// Digest of what the platform would publish: body and media by content, keys sorted, so that neither a renamed
    /// file nor the order of fields in our code makes a difference.
    pub fn digest(&self) -> ContentDigest {
        let media: Vec<String> = self.media.iter().map(Medium::identity).collect();
        let rest = serde_json::json!({ "platform": self.platform, "media": media });
        // `body` is the first of the keys.
        let whole = canonical(&rest).replacen('{', &format!("{{\"body\":{},", self.body.0), 1);
        ContentDigest::of(whole.as_bytes())
    }
}

/// JSON text with the keys of every object sorted.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (n, (key, value)) in entries.into_iter().enumerate() {
                out.push(if n == 0 { '{' } else { ',' });
                *out += &Value::from(key.as_str()).to_string();
                out.push(':');
                write_canonical(value, out);
            }
            *out += if map.is_empty() { "{}" } else { "}" };
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                out.push(if n == 0 { '[' } else { ',' });
                write_canonical(item, out);
            }
            *out += if items.is_empty() { "[]" } else { "]" };
        }
        other => *out += &other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_does_not_depend_on_the_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"b":{"y":1,"x":[{"d":0,"c":0}]},"a":2}"#).expect("json");
        assert_eq!(canonical(&one), r#"{"a":2,"b":{"x":[{"c":0,"d":0}],"y":1}}"#);
        let odd = r#"{"":[],"\"\n":[{},[null,1.5]],"ü":"\u0007"}"#;
        assert_eq!(canonical(&serde_json::from_str(odd).expect("json")), odd);
    }

    #[test]
    fn the_digest_is_of_the_whole_as_canonical_text() {
        let body = serde_json::json!({ "z": "{", "a": [1, { "y": null, "b": "ü\n" }] });
        let payload = Payload {
            platform: PlatformId::Tiktok,
            body: body.clone().into(),
            media: Vec::new(),
            what: String::new(),
            text: None,
            counts: Counts::Posts,
            estimate: Estimate::default(),
            fixed: None,
        };
        let whole = serde_json::json!({ "platform": "tiktok", "body": body, "media": [] });
        assert_eq!(payload.digest(), ContentDigest::of(canonical(&whole).as_bytes()));
        let stored = serde_json::to_string(&payload).expect("JSON");
        assert_eq!(serde_json::from_str::<Payload>(&stored).expect("a payload"), payload);
        assert_eq!(payload.body.value(), body);
    }
}
