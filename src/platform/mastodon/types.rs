//! Mastodon's replies: what each means, and the few fields that are read from them.

use jiff::Timestamp;
use serde_json::Value;

use super::client::operation;
use super::reference::{id_of, is_id};
use crate::domain::retry::ErrorKind::{self, *};
use crate::domain::url;
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Decoded, Effect, Reply};

/// A post is not there, or not any more.
pub(super) const NOT_FOUND: &str = "http-404";

/// A reply that says yes, with its status.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// A reply as JSON, or the error that it holds.
pub(super) fn decode(operation: &'static str, effect: Effect, reply: &Reply) -> Decoded<Answer> {
    let body = serde_json::from_slice::<Value>(&reply.body).ok().filter(|v| v.is_object() || v.is_array());
    let says_nothing = matches!(operation, operation::REVOKE | operation::DELETE);
    let result = match (reply.status, body) {
        (status @ 200..300, Some(body)) => Ok(Answer { status, body }),
        (status @ 200..300, None) if says_nothing => Ok(Answer { status, body: Value::Null }),
        (200..300, None) => Err(unreadable(operation, effect, "it is no JSON")),
        (status, body) => Err(refusal(operation, effect, status, body.as_ref(), reply)),
    };
    Decoded { result, log_id: None }
}

/// What a status means (docs.joinmastodon.org, and error_handling.rb, read 2026-11-22). Texts of errors are written for
/// people, in the server's language: only one of them decides anything.
fn refusal(
    operation: &'static str,
    effect: Effect,
    status: u16,
    body: Option<&Value>,
    reply: &Reply,
) -> Error {
    let field = |name: &str| body.and_then(|body| body.get(name)).and_then(Value::as_str).unwrap_or_default();
    let is_login = matches!(operation, operation::REGISTER | operation::TOKEN | operation::REVOKE);
    let (kind, advice) = match status {
        429 => (RateLimited, "too many requests"),
        // It may have done it, or, from 4.6.0 to 4.7.1, have done it before (mastodon#40399).
        408 | 500.. if effect == Effect::Once => (Ambiguous, "a fault of the server"),
        408 | 500.. => (Transient, "a fault of the server"),
        // Pixelfed says so of a request that it may have carried out (pixelfed#3581).
        400 if field("error").to_ascii_lowercase().contains("idempotency") => {
            (if effect == Effect::Once { Ambiguous } else { Transient }, "the request was sent before")
        }
        400..500 if is_login => (Permission, "the server does not allow it"),
        401 => (Auth, "the login is not valid any more"),
        403 => (Permission, "the server does not allow it"),
        404 | 410 => (Rejected, "it is not there"),
        400 | 405 | 406 | 409 | 411..=422 => (Rejected, "the server does not take it"),
        _ => (Protocol, "an unknown error"),
    };
    let said: Vec<_> = ["error", "error_description"]
        .map(|name| foreign(field(name)))
        .into_iter()
        .filter(|t| !t.is_empty())
        .collect();
    let code = if status == 410 { NOT_FOUND.to_owned() } else { format!("http-{status}") };
    let message = match said.is_empty() {
        true => format!("{advice} ({code})"),
        false => format!("{advice}: {} ({code})", said.join(": ")),
    };
    let retry_after = reply.retry_after.filter(|_| kind == RateLimited);
    Error { retry_after, ..Error::new(operation, kind, code, message) }
}

/// A reply that says yes and cannot be read.
pub(super) fn unreadable(operation: &'static str, effect: Effect, why: &str) -> Error {
    let kind = if effect == Effect::Once { Ambiguous } else { Protocol };
    Error::new(operation, kind, "unreadable-reply", format!("a reply that cannot be read: {why}"))
}

pub(super) fn rejected(operation: &'static str, code: &'static str, message: impl Into<String>) -> Error {
    Error::new(operation, ErrorKind::Rejected, code, message)
}

/// An id of the reply that must be there.
pub(super) fn id(operation: &'static str, effect: Effect, reply: &Value) -> Result<String, Error> {
    id_of(reply, "id").ok_or_else(|| unreadable(operation, effect, "it lacks an `id`"))
}

/// A post as a server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) id: String,
    /// Whose it is.
    pub(super) account: Option<String>,
    pub(super) url: Option<String>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) reply_to: Option<String>,
    pub(super) visibility: String,
    pub(super) warning: String,
    /// HTML.
    pub(super) content: String,
    /// As it was written: some servers tell it.
    pub(super) source: Option<String>,
    /// Ids of its media.
    pub(super) media: Vec<String>,
    pub(super) application: Option<String>,
    /// Whether it has changed since it was made.
    pub(super) is_edited: bool,
    /// Whether it is only passed on.
    pub(super) is_reblog: bool,
    pub(super) poll_ends_at: Option<Timestamp>,
}

impl Status {
    /// None where it has no id: it could not be asked for.
    pub(super) fn read(value: &Value) -> Option<Status> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let address = |name: &str| {
            value[name].as_str().filter(|address| url::check_page(address).is_ok()).map(str::to_owned)
        };
        let media = value["media_attachments"].as_array().map_or(&[][..], Vec::as_slice);
        Some(Status {
            id: id_of(value, "id")?,
            account: id_of(&value["account"], "id"),
            url: address("url").or_else(|| address("uri")),
            created_at: time(&value["created_at"]),
            reply_to: id_of(value, "in_reply_to_id"),
            visibility: text(&value["visibility"]),
            warning: text(&value["spoiler_text"]),
            content: text(&value["content"]),
            source: value["text"].as_str().map(str::to_owned),
            media: media.iter().map(|medium| text(&medium["id"])).collect(),
            application: value["application"]["name"].as_str().map(str::to_owned),
            is_edited: !value["edited_at"].is_null(),
            is_reblog: value["reblog"].is_object(),
            poll_ends_at: time(&value["poll"]["expires_at"]),
        })
    }

    /// Of a reply that must hold one.
    pub(super) fn of(operation: &'static str, effect: Effect, reply: &Value) -> Result<Status, Error> {
        Status::read(reply).ok_or_else(|| unreadable(operation, effect, "it is no post with an id"))
    }
}

/// The address of a server's own description of itself in `/.well-known/nodeinfo` (nodeinfo 2.x): its path, as it is asked
/// for at the account's own server only.
pub(super) fn nodeinfo_path(reply: &Value) -> Option<String> {
    /// Descriptions that are looked at.
    const LINKS_MAX: usize = 16;
    let links = reply["links"].as_array()?;
    let known = |link: &&Value| {
        link["rel"].as_str().is_some_and(|rel| rel.contains("nodeinfo.diaspora.software/ns/schema/2."))
    };
    let href = links.iter().take(LINKS_MAX).find(known)?["href"].as_str()?;
    let path = href.split_once("://")?.1.split_once('/')?.1;
    let is_plain = path.split('/').all(is_id) && path.split('/').count() <= 4;
    is_plain.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn kind(operation: &'static str, effect: Effect, status: u16, body: &str) -> (ErrorKind, String) {
        let body = body.as_bytes().to_vec();
        let reply = Reply { status, content_range: None, retry_after: Some(Duration::from_secs(9)), body };
        let error = decode(operation, effect, &reply).result.expect_err("a refusal");
        assert_eq!(error.retry_after.is_some(), error.kind == RateLimited, "{error:?}");
        (error.kind, error.code)
    }

    #[test]
    fn each_refusal_has_its_kind() {
        let said = |text: &str| json!({ "error": text }).to_string();
        for (status, body, once, harmless) in [
            (400, said("Invalid"), Rejected, Rejected),
            (400, said("Duplicate idempotency key."), Ambiguous, Transient),
            (401, said("The access token is invalid"), Auth, Auth),
            (401, String::new(), Auth, Auth),
            (403, said("This action is not allowed"), Permission, Permission),
            (404, "<html>".into(), Rejected, Rejected),
            (408, String::new(), Ambiguous, Transient),
            (410, String::new(), Rejected, Rejected),
            (413, "<html>".into(), Rejected, Rejected),
            (422, said("Validation failed: \u{1b}"), Rejected, Rejected),
            (429, said("Too many requests"), RateLimited, RateLimited),
            (418, String::new(), Rejected, Rejected),
            (451, String::new(), Protocol, Protocol),
            (500, said("x"), Ambiguous, Transient),
            (502, "<html>".into(), Ambiguous, Transient),
            (503, said("There was a temporary problem"), Ambiguous, Transient),
            (504, String::new(), Ambiguous, Transient),
            (200, "<html>".into(), Ambiguous, Protocol),
            (200, "7".into(), Ambiguous, Protocol),
            (302, String::new(), Protocol, Protocol),
        ] {
            assert_eq!(kind(operation::POST, Effect::Once, status, &body).0, once, "{status} {body}");
            assert_eq!(
                kind(operation::STATUS, Effect::Harmless, status, &body).0,
                harmless,
                "{status} {body}"
            );
        }
        assert_eq!(kind(operation::STATUS, Effect::Harmless, 410, "").1, NOT_FOUND);
        for status in [400, 401, 403, 422] {
            assert_eq!(kind(operation::TOKEN, Effect::Once, status, "").0, Permission, "{status}");
        }
    }

    #[test]
    fn a_post_is_read_whatever_a_server_makes_of_the_rest() {
        let whole = json!({
            "id": "109", "url": "https://example.social/@alice/109", "created_at": "2026-11-22T10:00:00.000Z",
            "in_reply_to_id": "108", "visibility": "unlisted", "spoiler_text": "cw", "content": "<p>x</p>",
            "media_attachments": [{ "id": "1" }, { "id": "2" }], "application": { "name": "gitcast" }, "reblog": null,
        });
        let read = Status::read(&whole).expect("a post");
        assert_eq!((read.reply_to.as_deref(), read.media.len(), read.is_reblog), (Some("108"), 2, false));
        assert_eq!((read.application.as_deref(), read.source), (Some("gitcast"), None));
        assert_eq!(read.created_at, "2026-11-22T10:00:00Z".parse().ok());
        let bare = Status::read(&json!({ "id": 7, "url": "javascript:x", "uri": "https://a.example/7" }));
        let bare = bare.expect("a post");
        assert_eq!((bare.id.as_str(), bare.url.as_deref()), ("7", Some("https://a.example/7")));
        for none in [json!([]), json!({}), json!({ "id": "../x" }), json!({ "id": "" }), json!(7)] {
            assert_eq!(Status::read(&none), None, "{none}");
        }
    }

    #[test]
    fn a_description_is_asked_for_at_the_own_server_by_a_plain_path() {
        let reply = |href: &str| {
            let rel = "http://nodeinfo.diaspora.software/ns/schema/2.0";
            json!({ "links": [{ "rel": "x", "href": "https://a/b" }, { "rel": rel, "href": href }] })
        };
        for (href, expected) in [
            ("https://example.social/nodeinfo/2.0", Some("nodeinfo/2.0")),
            ("http://localhost:8001/nodeinfo_2_0", Some("nodeinfo_2_0")),
            ("https://example.social/nodeinfo/../admin", None),
            ("https://example.social/nodeinfo?x=1", None),
            ("https://example.social/", None),
            ("nodeinfo", None),
        ] {
            assert_eq!(nodeinfo_path(&reply(href)).as_deref(), expected, "{href}");
        }
        assert_eq!(nodeinfo_path(&json!({})), None);
    }
}
