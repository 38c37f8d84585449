//! TikTok's wire format, read leniently: unknown fields and values are tolerated, numbers may come as texts, one value
//! may come in place of a list (TikTok docs `st`, `vo`, `eh`, read 2026-11-22). These types never leave this folder.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::errors;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Decoded, Effect, Reply};

/// The error object of each reply; success is the code `ok`.
#[derive(Debug, Deserialize)]
struct ApiError {
    #[serde(default)]
    code: String,
    #[serde(default, deserialize_with = "text")]
    message: String,
    #[serde(default, alias = "logid", deserialize_with = "optional_text")]
    log_id: Option<String>,
}

/// Reads a reply of the form `{"data": …, "error": {"code": "ok", …}}`.
pub(super) fn decode<T: DeserializeOwned>(
    operation: &'static str,
    effect: Effect,
    reply: &Reply,
) -> Decoded<T> {
    let refuse = |code: &str, message: &str, log_id: Option<String>| {
        let error = errors::classify(operation, effect, reply.status, code, message, log_id.clone());
        Decoded { result: Err(error), log_id }
    };
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(&reply.body) else {
        return refuse("", &foreign(&String::from_utf8_lossy(&reply.body)), None);
    };
    let error = match body.remove("error") {
        Some(Value::String(code)) => {
            // The form of OAuth errors, which the API answers in places too.
            let message = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
            let log_id = body.get("log_id").or(body.get("logid")).and_then(Value::as_str).map(foreign);
            return refuse(&code, message, log_id);
        }
        Some(object) => serde_json::from_value::<ApiError>(object).ok(),
        None => None,
    };
    let Some(error) = error else { return refuse("", "a reply without an error object", None) };
    let log_id = error.log_id.as_deref().map(foreign).filter(|id| !id.is_empty());
    if error.code != "ok" || !(200..300).contains(&reply.status) {
        return refuse(&error.code, &error.message, log_id);
    }
    let data = body.remove("data").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let result = serde_json::from_value(data)
        .map_err(|why| Error { log_id: log_id.clone(), ..unreadable(operation, effect, &why.to_string()) });
    Decoded { result, log_id }
}

/// A reply that says `ok` and lacks what it should hold.
pub(super) fn unreadable(operation: &'static str, effect: Effect, what: &str) -> Error {
    let kind = if effect == Effect::Once { ErrorKind::Ambiguous } else { ErrorKind::Protocol };
    Error::new(operation, kind, "unreadable-reply", format!("a reply that cannot be read: {}", foreign(what)))
}

/// What `creator_info/query` tells (TikTok docs `ci`, read 2026-11-22).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct CreatorInfo {
    #[serde(deserialize_with = "text")]
    pub(super) creator_username: String,
    #[serde(deserialize_with = "text")]
    pub(super) creator_nickname: String,
    #[serde(deserialize_with = "texts")]
    pub(super) privacy_level_options: Vec<String>,
    #[serde(deserialize_with = "flag")]
    pub(super) comment_disabled: bool,
    #[serde(deserialize_with = "flag")]
    pub(super) duet_disabled: bool,
    #[serde(deserialize_with = "flag")]
    pub(super) stitch_disabled: bool,
    #[serde(deserialize_with = "number")]
    pub(super) max_video_post_duration_sec: Option<i64>,
}

/// The reply to each of the three inits (TikTok docs `dp`, `up`, `ph`, read 2026-11-22).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Init {
    #[serde(deserialize_with = "text")]
    pub(super) publish_id: String,
    #[serde(deserialize_with = "optional_text")]
    pub(super) upload_url: Option<String>,
}

/// What `status/fetch` tells (TikTok docs `st`, read 2026-11-22).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    #[serde(deserialize_with = "text")]
    pub(super) status: String,
    #[serde(deserialize_with = "text")]
    pub(super) fail_reason: String,
    /// The platform's spelling; the right one is accepted should it ever come.
    #[serde(rename = "publicaly_available_post_id", alias = "publicly_available_post_id")]
    #[serde(deserialize_with = "texts")]
    pub(super) post_ids: Vec<String>,
    #[serde(deserialize_with = "number")]
    pub(super) uploaded_bytes: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) downloaded_bytes: Option<i64>,
}

/// Where a post is, by its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Uploading,
    /// Downloading, or anything else that is no end: new names for it must not stop us.
    Working,
    Inbox,
    Complete,
    Failed,
}

impl Status {
    pub(super) fn progress(&self) -> Progress {
        match self.status.as_str() {
            "PROCESSING_UPLOAD" => Progress::Uploading,
            "SEND_TO_USER_INBOX" => Progress::Inbox,
            "PUBLISH_COMPLETE" => Progress::Complete,
            "FAILED" => Progress::Failed,
            _ => Progress::Working,
        }
    }

    pub(super) fn uploaded(&self) -> Option<u64> {
        self.uploaded_bytes.and_then(|bytes| u64::try_from(bytes).ok())
    }
}

/// `user/info` wraps the user (TikTok docs `ui`, read 2026-11-22).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserInfo {
    pub(super) user: User,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct User {
    #[serde(deserialize_with = "text")]
    pub(super) open_id: String,
    #[serde(deserialize_with = "text")]
    pub(super) display_name: String,
    #[serde(deserialize_with = "text")]
    pub(super) username: String,
    #[serde(deserialize_with = "number")]
    pub(super) follower_count: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) video_count: Option<i64>,
}

/// The answer of `video/query` (TikTok docs `vq`, read 2026-11-22).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    /// Absent where it was not answered, which is no empty list.
    pub(super) videos: Option<Vec<Video>>,
}

/// A page of `video/list`, newest first (TikTok docs `vl`, read 2026-11-22).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Videos {
    pub(super) videos: Vec<Video>,
    #[serde(deserialize_with = "number")]
    pub(super) cursor: Option<i64>,
    #[serde(deserialize_with = "flag")]
    pub(super) has_more: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Video {
    #[serde(deserialize_with = "text")]
    pub(super) id: String,
    /// Unix seconds.
    #[serde(deserialize_with = "number")]
    pub(super) create_time: Option<i64>,
    #[serde(deserialize_with = "optional_text")]
    pub(super) share_url: Option<String>,
    /// At most 150 characters of it.
    #[serde(deserialize_with = "text")]
    pub(super) video_description: String,
    /// At most 150 characters of it.
    #[serde(deserialize_with = "text")]
    pub(super) title: String,
    #[serde(deserialize_with = "number")]
    pub(super) view_count: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) like_count: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) comment_count: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) share_count: Option<i64>,
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    optional_text(deserializer).map(Option::unwrap_or_default)
}

fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text_of(Value::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        single => vec![single],
    };
    Ok(values.into_iter().filter_map(text_of).filter(|text| !text.is_empty() && text != "0").collect())
}

/// A number that came with a fraction of nothing.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9.0e15).then_some(value as i64)
}

pub(super) fn number_of(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| whole(value.as_f64()?))
        .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(number_of(&Value::deserialize(deserializer)?))
}

pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_bool().unwrap_or_else(|| matches!(&value, Value::String(text) if text == "true")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, content_range: None, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn post_ids_come_in_four_shapes() {
        for ids in [
            "7400000000000000001",
            r#""7400000000000000001""#,
            "[7400000000000000001]",
            r#"["7400000000000000001"]"#,
        ] {
            let body = format!(
                r#"{{"data":{{"status":"PUBLISH_COMPLETE","publicaly_available_post_id":{ids},"new":1}},"error":{{"code":"ok"}}}}"#
            );
            let status: Status =
                decode("status/fetch", Effect::Harmless, &reply(200, &body)).result.expect("status");
            assert_eq!(status.post_ids, ["7400000000000000001"], "{ids}");
            assert_eq!(status.progress(), Progress::Complete);
        }
        for none in ["[]", "null", "0", "\"\""] {
            let body =
                format!(r#"{{"data":{{"publicaly_available_post_id":{none}}},"error":{{"code":"ok"}}}}"#);
            let status: Status =
                decode("status/fetch", Effect::Harmless, &reply(200, &body)).result.expect("status");
            assert!(status.post_ids.is_empty(), "{none}");
        }
    }

    #[test]
    fn success_is_the_code_ok_and_nothing_else() {
        let cases = [
            (
                200,
                r#"{"data":{},"error":{"code":"spam_risk_too_many_posts","logid":"L"}}"#,
                ErrorKind::RateLimited,
                "spam_risk_too_many_posts",
            ),
            (
                200,
                r#"{"error":"invalid_grant","error_description":"d","log_id":"L"}"#,
                ErrorKind::Protocol,
                "invalid_grant",
            ),
            (200, r#"{"data":{}}"#, ErrorKind::Protocol, "http-200"),
            (200, "not json", ErrorKind::Protocol, "http-200"),
            (502, "<html>", ErrorKind::Transient, "http-502"),
            (500, r#"{"data":{},"error":{"code":"ok"}}"#, ErrorKind::Transient, "http-500"),
            (404, "no", ErrorKind::Protocol, "http-404"),
            (429, "slow down", ErrorKind::RateLimited, "http-429"),
        ];
        for (status, body, kind, code) in cases {
            let decoded = decode::<Status>("status/fetch", Effect::Harmless, &reply(status, body));
            let error = decoded.result.expect_err(body);
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{status} {body}");
        }
    }

    #[test]
    fn both_spellings_of_the_log_id_are_kept() {
        for key in ["log_id", "logid"] {
            let body = format!(r#"{{"data":{{}},"error":{{"code":"ok","{key}":"20261122"}}}}"#);
            let decoded = decode::<Status>("status/fetch", Effect::Harmless, &reply(200, &body));
            assert_eq!(decoded.log_id.as_deref(), Some("20261122"));
        }
    }

    #[test]
    fn without_a_clear_answer_a_publish_request_is_ambiguous() {
        for (status, body) in [
            (200, "garbage"),
            (500, r#"{"error":{"code":"internal_error"}}"#),
            (400, r#"{"error":{"code":"something_new"}}"#),
            (503, r#"{"error":{"code":"invalid_params"}}"#),
            (429, ""),
        ] {
            let error =
                decode::<Init>("content/init", Effect::Once, &reply(status, body)).result.expect_err(body);
            assert_eq!(error.kind, ErrorKind::Ambiguous, "{status} {body}");
        }
        let refused = reply(400, r#"{"error":{"code":"invalid_params","message":"chunk size is invalid"}}"#);
        let error = decode::<Init>("content/init", Effect::Once, &refused).result.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Rejected);
    }
}
