//! Bluesky's replies: what each means, and the few fields that are read from them.

use serde_json::Value;

use super::client::operation;
use crate::domain::retry::ErrorKind::{self, *};
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Decoded, Effect, Reply};

/// The documented error names (lexicons `com.atproto.server.*` and `com.atproto.repo.*`; packages/pds; read 2026-11-22).
/// An access token that has ended is answered with status 400.
const CODES: &[(&str, ErrorKind, &str)] = &[
    ("ExpiredToken", Auth, "the login is not valid any more"),
    ("InvalidToken", Auth, "the login is not valid any more"),
    ("AuthMissing", Auth, "the login is not valid any more"),
    ("AuthenticationRequired", Permission, "handle and app password do not fit"),
    ("AuthFactorTokenRequired", Permission, "use an app password, not the account's own"),
    ("AccountTakedown", Permission, "Bluesky has taken the account down"),
    ("AccountDeactivated", Permission, "the account is deactivated"),
    ("AccountNotFound", Permission, "there is no such account here"),
    ("InvalidRequest", Rejected, "the request was found wrong"),
    ("InvalidMimeType", Rejected, "the server does not take media of this type"),
    ("InvalidSize", Rejected, "a medium is too large"),
    ("BlobTooLarge", Rejected, "a medium is larger than the server takes"),
    ("PayloadTooLarge", Rejected, "a medium is larger than the server takes"),
    (
        BLOB_NOT_FOUND,
        Rejected,
        "the server has thrown an uploaded medium away: `gitcast retry` uploads it again",
    ),
    (HANDLE_NOT_FOUND, Rejected, "nobody has this handle"),
    (RECORD_NOT_FOUND, Rejected, "there is no such post"),
    ("BadExpiration", Rejected, "this machine's clock, or the server's, is wrong"),
    ("RepoNotFound", Rejected, "there is no such account here"),
    // The key is taken: by this very record after a lost answer, or by somebody else. A look tells.
    ("InvalidSwap", Ambiguous, "the record's key is taken"),
    ("RateLimitExceeded", RateLimited, "too many requests"),
];

pub(super) const RECORD_NOT_FOUND: &str = "RecordNotFound";
pub(super) const HANDLE_NOT_FOUND: &str = "HandleNotFound";
pub(super) const BLOB_NOT_FOUND: &str = "BlobNotFound";

/// A reply as JSON, or the error that it holds.
pub(super) fn decode(operation: &'static str, effect: Effect, reply: &Reply) -> Decoded<Value> {
    let body = serde_json::from_slice::<Value>(&reply.body).ok().filter(Value::is_object);
    let says_nothing = operation == operation::DELETE_SESSION && reply.body.is_empty();
    let result = match (reply.status, body) {
        (200..300, Some(body)) => Ok(body),
        (200..300, None) if says_nothing => Ok(Value::Null),
        (200..300, None) => Err(unreadable(operation, effect, "it is no JSON object")),
        (status, body) => Err(refusal(operation, effect, status, body.as_ref(), reply)),
    };
    Decoded { result, log_id: None }
}

fn refusal(
    operation: &'static str,
    effect: Effect,
    status: u16,
    body: Option<&Value>,
    reply: &Reply,
) -> Error {
    let field = |name: &str| body.and_then(|body| body.get(name)).and_then(Value::as_str).unwrap_or_default();
    let code = field("error");
    let known = CODES.iter().find(|(known, ..)| *known == code);
    let (kind, advice) = match (status, known) {
        (429, _) => (RateLimited, "too many requests"),
        // Whatever the body says: a server that fails may have done it, such as `createRecord` of a key that is taken.
        (500.., _) if effect == Effect::Once => (Ambiguous, "a fault of the server"),
        (500.., _) => (Transient, "a fault of the server"),
        (_, Some((_, kind, advice))) => (*kind, *advice),
        (401, None) => (Auth, "the login is not valid any more"),
        (403, None) => (Permission, "the server does not allow it"),
        (413, None) => (Rejected, "a medium is larger than the server takes"),
        _ => (Protocol, "an unknown error"),
    };
    // A question changes nothing, whatever its answer.
    let kind = if kind == Ambiguous && effect == Effect::Harmless { Transient } else { kind };
    let code = if code.is_empty() { format!("http-{status}") } else { foreign(code) };
    let described = format!("{advice}: {}", foreign(field("message")));
    let message = format!("{} ({code})", described.trim_end_matches([':', ' ']));
    let retry_after = reply.retry_after.filter(|_| kind == RateLimited);
    Error { retry_after, ..Error::new(operation, kind, code, message) }
}

/// A reply that says yes and cannot be read.
pub(super) fn unreadable(operation: &'static str, effect: Effect, why: &str) -> Error {
    let kind = if effect == Effect::Once { Ambiguous } else { Protocol };
    Error::new(operation, kind, "unreadable-reply", format!("a reply that cannot be read: {why}"))
}

/// A text of the reply that must be there.
pub(super) fn text<'a>(
    operation: &'static str,
    effect: Effect,
    reply: &'a Value,
    name: &str,
) -> Result<&'a str, Error> {
    let found = reply.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.ok_or_else(|| unreadable(operation, effect, &format!("it lacks `{name}`")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let named = |name: &str| format!(r#"{{"error":"{name}","message":"m\u001b"}}"#);
        for (status, body, once, harmless) in [
            (400, named("ExpiredToken"), Auth, Auth),
            (400, named("InvalidToken"), Auth, Auth),
            (401, named("AuthMissing"), Auth, Auth),
            (401, named("AuthenticationRequired"), Permission, Permission),
            (400, named("InvalidRequest"), Rejected, Rejected),
            (400, named("InvalidSwap"), Ambiguous, Transient),
            (400, named("BlobNotFound"), Rejected, Rejected),
            (400, named("BadExpiration"), Rejected, Rejected),
            (400, named("SomethingNew"), Protocol, Protocol),
            (413, String::new(), Rejected, Rejected),
            (429, named("RateLimitExceeded"), RateLimited, RateLimited),
            (429, "<html>".into(), RateLimited, RateLimited),
            (500, named("InternalServerError"), Ambiguous, Transient),
            (502, named("InvalidRequest"), Ambiguous, Transient),
            (503, "<html>".into(), Ambiguous, Transient),
            (200, "<html>".into(), Ambiguous, Protocol),
            (302, String::new(), Protocol, Protocol),
        ] {
            assert_eq!(kind(operation::PUT_RECORD, Effect::Once, status, &body).0, once, "{status} {body}");
            let asked = kind(operation::GET_RECORD, Effect::Harmless, status, &body).0;
            assert_eq!(asked, harmless, "{status} {body}");
        }
        assert_eq!(kind(operation::GET_RECORD, Effect::Harmless, 404, "").1, "http-404");
    }
}
