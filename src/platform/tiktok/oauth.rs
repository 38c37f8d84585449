//! Tokens: reading TikTok's token replies, exchanging a code or an old pair for a new one, and ending a login.
//!
//! Lives come from the reply and never from a constant: two hours and 180 days at present, other values before (TikTok
//! docs `oat`, `oref`, 2026-11-05). Each refresh gives a new refresh token and ends the old one.

use jiff::Timestamp;
use serde_json::Value;

use super::client::{Client, operation};
use super::types::number_of;
use crate::domain::grant::Grant;
use crate::domain::project::Account;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Decoded, Effect, Reply};
use crate::platform::oauth::ends_at;
use crate::platform::{Keys, RequestLog};
use crate::secret::{Secret, wipe};

const CLIENT_KEY_ENV: &str = "TIKTOK_CLIENT_KEY";
const CLIENT_SECRET_ENV: &str = "TIKTOK_CLIENT_SECRET";

/// The documented error codes that a token request can meet (TikTok docs `oerr`, read 2026-11-22), and the two of the
/// OAuth standard for faults of the server.
const CODES: &[(&str, ErrorKind, &str)] = &[
    ("invalid_grant", ErrorKind::Auth, "the login is not valid any more: log in again"),
    ("access_denied", ErrorKind::Permission, "the creator refused the login"),
    ("invalid_client", ErrorKind::Permission, "the app's key or secret is wrong"),
    ("unauthorized_client", ErrorKind::Permission, "the app may not do this"),
    ("invalid_scope", ErrorKind::Permission, "the app lacks a scope"),
    ("invalid_request", ErrorKind::Rejected, "the request was found wrong"),
    ("unsupported_grant_type", ErrorKind::Rejected, "the request was found wrong"),
    ("unsupported_response_type", ErrorKind::Rejected, "the request was found wrong"),
    ("server_error", ErrorKind::Ambiguous, "a fault at TikTok's"),
    ("temporarily_unavailable", ErrorKind::Ambiguous, "a fault at TikTok's"),
];

/// The app's key and secret, from the environment or wherever `keys` looks.
pub(super) struct AppKeys {
    pub(super) key: Secret,
    pub(super) secret: Secret,
}

/// The names of the environment variables that hold the app's key and secret.
pub(super) fn key_names(account: &Account) -> (&str, &str) {
    let (key, secret) = (account.client_key_env.as_deref(), account.client_secret_env.as_deref());
    (key.unwrap_or(CLIENT_KEY_ENV), secret.unwrap_or(CLIENT_SECRET_ENV))
}

pub(super) fn app_keys(account: &Account, keys: &Keys) -> Result<AppKeys, Error> {
    let find = |name: &str| {
        keys(name).filter(|key| !key.is_empty()).ok_or_else(|| {
            let message = format!(
                "the app's keys are missing: set {} in the environment or in keys.env, as TikTok's developer portal shows it",
                foreign(name)
            );
            Error::new(operation::TOKEN, ErrorKind::Permission, "keys-missing", message)
        })
    };
    let (key, secret) = key_names(account);
    Ok(AppKeys { key: find(key)?, secret: find(secret)? })
}

impl AppKeys {
    fn form<'a, const N: usize>(
        &'a self,
        fields: [(&'static str, &'a str); N],
    ) -> Vec<(&'static str, &'a str)> {
        let app = [("client_key", self.key.expose()), ("client_secret", self.secret.expose())];
        app.into_iter().chain(fields).collect()
    }
}

/// A login for the code of a callback or a scan (TikTok docs `oget`, `lkd`, 2026-11-02). `verifier` only where a challenge
/// was sent.
pub(super) async fn exchange(
    client: &Client,
    app: &AppKeys,
    code: &Secret,
    redirect_uri: Option<&str>,
    verifier: Option<&Secret>,
    log: &RequestLog,
) -> Result<Grant, Error> {
    let mut form = app.form([("grant_type", "authorization_code"), ("code", code.expose())]);
    form.extend(redirect_uri.map(|uri| ("redirect_uri", uri)));
    form.extend(verifier.map(|verifier| ("code_verifier", verifier.expose())));
    let mut reply = client.oauth((operation::TOKEN, Effect::Once), form, log).await?;
    let grant = read_grant(&reply, client.http().clock().now());
    wipe(&mut reply);
    grant
}

/// Ends the login at TikTok; success has an empty body (TikTok docs `oat`, 2026-11-05).
pub(super) async fn revoke(
    client: &Client,
    app: &AppKeys,
    grant: &Grant,
    log: &RequestLog,
) -> Result<(), Error> {
    let form = app.form([("token", grant.access.expose())]);
    client.oauth((operation::REVOKE, Effect::Harmless), form, log).await.map(drop)
}

/// New tokens for old. What the reply leaves out stays as it was.
pub(super) async fn refresh(
    client: &Client,
    app: &AppKeys,
    grant: &Grant,
    log: &RequestLog,
) -> Result<Grant, Error> {
    let Some(old) = grant.refresh.as_ref().filter(|token| !token.is_empty()) else {
        let message = "there is no refresh token: log in again";
        return Err(Error::new(operation::TOKEN, ErrorKind::Auth, "no-refresh-token", message));
    };
    let form = app.form([("grant_type", "refresh_token"), ("refresh_token", old.expose())]);
    let mut reply = client.oauth((operation::TOKEN, Effect::Once), form, log).await?;
    // A pair without a life is a pair all the same, and the old one is dead: keep it, and ask again soon.
    if let Some(fields) = reply.as_object_mut().filter(|fields| fields.contains_key("access_token")) {
        fields.entry("expires_in").or_insert(Value::from(0));
    }
    let fresh = read_grant(&reply, client.http().clock().now());
    wipe(&mut reply);
    Ok(merge(grant, fresh?))
}

/// An empty refresh token in a reply never overwrites a good one.
fn merge(old: &Grant, fresh: Grant) -> Grant {
    let keeps = fresh.refresh.is_none();
    Grant {
        refresh: fresh.refresh.or_else(|| old.refresh.clone()),
        refresh_expires_at: if keeps { old.refresh_expires_at } else { fresh.refresh_expires_at },
        scopes: if fresh.scopes.is_empty() { old.scopes.clone() } else { fresh.scopes },
        subject: if fresh.subject.is_empty() { old.subject.clone() } else { fresh.subject },
        ..fresh
    }
}

/// TikTok's own token reply: flat JSON (TikTok docs `oget`, `oref`, 2026-11-02). An error may come with HTTP 200.
pub(super) fn read_grant(reply: &Value, now: Timestamp) -> Result<Grant, Error> {
    // Replies of TikTok's older interface come wrapped.
    let reply = match reply.get("data") {
        Some(data) if data.is_object() && reply.get("access_token").is_none() => data,
        _ => reply,
    };
    if let Some(error) = refusal(operation::TOKEN, reply, 200) {
        return Err(error);
    }
    let text = |name: &str| reply.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let life = |name: &str| reply.get(name).and_then(number_of).map(|seconds| ends_at(now, seconds));
    let lacks = |name: &str| {
        Error::new(
            operation::TOKEN,
            ErrorKind::Protocol,
            "unreadable-reply",
            format!("the token reply lacks `{name}`"),
        )
    };
    let scopes =
        text("scope").unwrap_or_default().split(',').map(str::trim).filter(|scope| !scope.is_empty());
    Ok(Grant {
        access: Secret::new(text("access_token").ok_or_else(|| lacks("access_token"))?),
        refresh: text("refresh_token").map(Secret::new),
        app: None,
        expires_at: life("expires_in").ok_or_else(|| lacks("expires_in"))?,
        refresh_expires_at: life("refresh_expires_in"),
        scopes: scopes.map(str::to_owned).collect(),
        subject: text("open_id").unwrap_or_default().to_owned(),
    })
}

/// A reply of an OAuth endpoint as JSON. Without a readable one nobody knows whether a token or code is used up.
pub(super) fn decode(operation: &'static str, effect: Effect, reply: &Reply) -> Decoded<Value> {
    let says_nothing = operation == operation::REVOKE && reply.body.iter().all(u8::is_ascii_whitespace);
    let body = match says_nothing && (200..300).contains(&reply.status) {
        true => Some(Value::Object(serde_json::Map::new())),
        false => serde_json::from_slice::<Value>(&reply.body).ok().filter(Value::is_object),
    };
    let log_id = body.as_ref().and_then(|body| body.get("log_id").or(body.get("logid")));
    let log_id = log_id.and_then(Value::as_str).map(foreign);
    let result = match body {
        Some(body) => match refusal(operation, &body, reply.status) {
            Some(error) => Err(Error { log_id: log_id.clone(), ..error }),
            None => Ok(body),
        },
        None => Err(unreadable(operation, reply.status)),
    };
    // What nobody knows of a request that may be repeated is no riddle: it is sent again.
    let result = result.map_err(|error| match (error.kind, effect) {
        (ErrorKind::Ambiguous, Effect::Harmless) => Error { kind: ErrorKind::Transient, ..error },
        _ => error,
    });
    Decoded { result, log_id }
}

/// The error that a reply holds, if it holds one.
fn refusal(operation: &'static str, body: &Value, status: u16) -> Option<Error> {
    let code = match body.get("error") {
        Some(Value::String(code)) => code.as_str(),
        Some(Value::Object(error)) => {
            error.get("code").and_then(Value::as_str).filter(|code| *code != "ok")?
        }
        _ if (200..300).contains(&status) => return None,
        _ => return Some(unreadable(operation, status)),
    };
    let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
    let known = CODES.iter().find(|(known, ..)| *known == code);
    let (kind, advice) =
        known.map_or((ErrorKind::Protocol, "an unknown error"), |(_, kind, advice)| (*kind, *advice));
    let (kind, advice) =
        if status >= 500 { (ErrorKind::Ambiguous, "a fault at TikTok's") } else { (kind, advice) };
    let described = format!("{advice}: {}", foreign(description));
    let message = format!("{} ({})", described.trim_end_matches([':', ' ']), foreign(code));
    Some(Error::new(operation, kind, foreign(code), message))
}

fn unreadable(operation: &'static str, status: u16) -> Error {
    let message = format!("a reply that cannot be read (HTTP {status})");
    Error::new(operation, ErrorKind::Ambiguous, format!("http-{status}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().expect("timestamp")
    }

    fn full() -> Value {
        json!({"access_token": "act.new", "expires_in": 7200, "open_id": "o-1", "refresh_token": "rft.new",
               "refresh_expires_in": 15552000, "scope": "user.info.basic,video.upload", "token_type": "Bearer"})
    }

    #[test]
    fn lives_come_from_the_reply_as_numbers_or_texts() {
        for reply in [full(), {
            let mut reply = full();
            reply["expires_in"] = "7200".into();
            reply["refresh_expires_in"] = "15552000".into();
            reply
        }] {
            let grant = read_grant(&reply, now()).expect("grant");
            assert_eq!(grant.expires_at, now() + SignedDuration::from_secs(7_200));
            assert_eq!(grant.refresh_expires_at, Some(now() + SignedDuration::from_secs(15_552_000)));
            assert_eq!(grant.scopes, ["user.info.basic", "video.upload"]);
            assert_eq!(grant.subject, "o-1");
        }
        let mut huge = full();
        huge["expires_in"] = i64::MAX.into();
        assert_eq!(read_grant(&huge, now()).expect("grant").expires_at, Timestamp::MAX);
    }

    #[test]
    fn what_a_grant_needs_must_be_there() {
        for name in ["access_token", "expires_in"] {
            let mut reply = full();
            reply[name] = Value::Null;
            let error = read_grant(&reply, now()).expect_err(name);
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Protocol, "unreadable-reply"));
        }
    }

    #[test]
    fn an_empty_refresh_token_leaves_the_old_one() {
        let old = read_grant(&full(), now()).expect("grant");
        for left_out in [json!(""), Value::Null] {
            let mut reply = full();
            reply["refresh_token"] = left_out.clone();
            reply["scope"] = left_out;
            reply["refresh_expires_in"] = 0.into();
            let merged = merge(&old, read_grant(&reply, now()).expect("grant"));
            assert_eq!(merged.refresh, old.refresh);
            assert_eq!(merged.refresh_expires_at, old.refresh_expires_at);
            assert_eq!(merged.scopes, old.scopes);
        }
    }

    #[test]
    fn errors_are_found_under_any_status() {
        let table = [
            (
                200,
                r#"{"error":"invalid_grant","error_description":"x","log_id":"L"}"#,
                ErrorKind::Auth,
                "invalid_grant",
            ),
            (400, r#"{"error":"invalid_grant"}"#, ErrorKind::Auth, "invalid_grant"),
            (401, r#"{"error":"invalid_client"}"#, ErrorKind::Permission, "invalid_client"),
            (400, r#"{"error":"invalid_request"}"#, ErrorKind::Rejected, "invalid_request"),
            (400, r#"{"error":"brand_new"}"#, ErrorKind::Protocol, "brand_new"),
            (200, r#"{"error":{"code":"rate_limit_exceeded"}}"#, ErrorKind::Protocol, "rate_limit_exceeded"),
            (503, r#"{"error":"invalid_grant"}"#, ErrorKind::Ambiguous, "invalid_grant"),
            (503, "<html>", ErrorKind::Ambiguous, "http-503"),
            (200, "cut off {", ErrorKind::Ambiguous, "http-200"),
            (404, "{}", ErrorKind::Ambiguous, "http-404"),
        ];
        for (status, body, kind, code) in table {
            let reply = Reply { status, content_range: None, retry_after: None, body: body.into() };
            let error = decode(operation::TOKEN, Effect::Once, &reply).result.expect_err(body);
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{status} {body}");
        }
    }
}
