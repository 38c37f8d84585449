//! Logging in with an app password, and keeping the session (lexicons `com.atproto.server.*`, packages/pds, read
//! 2026-11-22).
//!
//! A session is a pair of tokens, two hours and 90 days long at present; each refresh gives a new pair. The reference
//! server takes an old refresh token once more for two hours, and then answers with the same successor. A session is
//! asked for by a person only, never by a run: tries are counted, and few.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::client::{Client, operation};
use super::limits::{ACCESS_LIFE_MAX, REFRESH_LIFE_MAX};
use super::reference::is_did;
use super::{Bluesky, types};
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::Effect;
use crate::platform::oauth::{BrowserLogin, Login, PasswordLogin, QrLogin, Scope};
use crate::platform::{BoxFuture, RequestLog};
use crate::secret::{Secret, wipe};

/// A token is not longer than this.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A session reply. `handle` is the one that is expected, where one is.
pub(super) fn read_grant(reply: &Value, handle: Option<&str>, now: Timestamp) -> Result<Grant, Error> {
    let (operation, effect) = (operation::CREATE_SESSION, Effect::Harmless);
    if let Some(code) = reply.get("error").and_then(Value::as_str) {
        let message = format!("the reply is an error: {}", foreign(code));
        return Err(Error::new(operation, ErrorKind::Permission, foreign(code), message));
    }
    let text = |name| types::text(operation, effect, reply, name);
    let did = text("did")?;
    let token = |name| {
        let token = text(name)?;
        if token.len() <= TOKEN_BYTES_MAX {
            Ok(token)
        } else {
            Err(types::unreadable(operation, effect, name))
        }
    };
    let (access, refresh) = (token("accessJwt")?, token("refreshJwt")?);
    if !is_did(did) {
        return Err(types::unreadable(operation, effect, "its `did` is none"));
    }
    let given = reply.get("handle").and_then(Value::as_str).unwrap_or_default();
    if let Some(handle) = handle
        && !given.is_empty()
        && !given.eq_ignore_ascii_case(handle)
    {
        let message = format!("this login is of {}, and the account is {handle}", foreign(given));
        return Err(Error::new(operation, ErrorKind::Permission, "other-handle", message));
    }
    let claims = claims(access);
    let scope = claims.as_ref().and_then(|claims| claims["scope"].as_str());
    Ok(Grant {
        access: Secret::new(access),
        refresh: Some(Secret::new(refresh)),
        app: None,
        // A token that tells no end is good until the next run refreshes it.
        expires_at: ends_at(access, now, ACCESS_LIFE_MAX).unwrap_or(now),
        refresh_expires_at: ends_at(refresh, now, REFRESH_LIFE_MAX),
        scopes: scope.map(foreign).into_iter().collect(),
        subject: did.to_owned(),
    })
}

/// When a token ends by its own word, within `life_max` of now. Nothing depends on whether it is true: the server decides.
fn ends_at(token: &str, now: Timestamp, life_max: SignedDuration) -> Option<Timestamp> {
    let end = Timestamp::from_second(claims(token)?["exp"].as_i64()?).ok()?;
    Some(end.clamp(now, now.saturating_add(life_max).unwrap_or(Timestamp::MAX)))
}

/// What a JSON Web Token says, not verified.
fn claims(token: &str) -> Option<Value> {
    let claims = token.split('.').nth(1)?;
    serde_json::from_slice::<Value>(&base64url(claims)?).ok().filter(Value::is_object)
}

/// The bytes of base64url without padding (RFC 4648, section 5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let bits = group.iter().try_fold(0_u32, |bits, b| Some(bits << 6 | u32::from(value(*b)?)))?;
        let bits = bits << (6 * (4 - group.len()));
        let count = group.len().checked_sub(1).filter(|count| *count > 0)?;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=count]);
    }
    Some(bytes)
}

/// The next pair. What the reply leaves out stays as it was.
pub(super) async fn refresh(client: &Client, grant: &Grant, log: &RequestLog) -> Result<Grant, Error> {
    let mut reply = client.refresh_session(refresh_token(grant)?, log).await?;
    let now = client.http().clock().now();
    // Handles change; the account is the DID.
    let fresh = read_grant(&reply, None, now);
    wipe(&mut reply);
    let fresh = fresh.map_err(|error| Error { operation: operation::REFRESH_SESSION, ..error })?;
    Ok(Grant {
        refresh_expires_at: fresh.refresh_expires_at.or(grant.refresh_expires_at),
        scopes: if fresh.scopes.is_empty() { grant.scopes.clone() } else { fresh.scopes },
        subject: if grant.subject.is_empty() { fresh.subject } else { grant.subject.clone() },
        ..fresh
    })
}

fn refresh_token(grant: &Grant) -> Result<&Secret, Error> {
    grant.refresh.as_ref().filter(|token| !token.is_empty()).ok_or_else(|| {
        let message = "there is no refresh token: log in again";
        Error::new(operation::REFRESH_SESSION, ErrorKind::Auth, "no-refresh-token", message)
    })
}

/// `xxxx-xxxx-xxxx-xxxx`: anything else could be the account's own password, which belongs into nobody's program.
fn is_app_password(text: &str) -> bool {
    text.split('-').count() == 4
        && text.split('-').all(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

impl Login for Bluesky {
    /// An app password gives what it gives: there is nothing to ask for.
    fn scopes(&self) -> Vec<Scope> {
        Vec::new()
    }

    fn setup(&self, _redirect_uri: &str) -> Vec<String> {
        vec![
            "In Bluesky's settings, under Privacy and security, make an app password for gitcast.".to_owned(),
        ]
    }

    fn check_keys(&self) -> Result<(), Error> {
        Ok(())
    }

    fn revoke<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.client.delete_session(refresh_token(grant)?, log).await })
    }

    fn by_browser(&self) -> Option<&dyn BrowserLogin> {
        None
    }

    fn by_qr(&self) -> Option<&dyn QrLogin> {
        None
    }

    fn by_password(&self) -> Option<&dyn PasswordLogin> {
        Some(self)
    }
}

impl PasswordLogin for Bluesky {
    fn owner(&self) -> String {
        format!("{} at {}", self.handle(), self.client.origin())
    }

    fn exchange<'a>(
        &'a self,
        password: &'a Secret,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            if !is_app_password(password.expose()) {
                let message = "this is no app password (xxxx-xxxx-xxxx-xxxx), and nothing was sent; make one in Bluesky's settings, under Privacy and security";
                return Err(Error::new(
                    operation::CREATE_SESSION,
                    ErrorKind::Rejected,
                    "no-app-password",
                    message,
                ));
            }
            let mut reply = self.client.create_session(self.handle(), password, log).await?;
            let grant = read_grant(&reply, Some(self.handle()), self.client.http().clock().now());
            wipe(&mut reply);
            grant
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().expect("timestamp")
    }

    /// A token with these claims; the tests write base64url with the letters of the claims' own bytes.
    fn token(claims: &Value) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let encode = |group: &[u8]| {
            let mut bytes = [0; 4];
            bytes[1..=group.len()].copy_from_slice(group);
            let bits = u32::from_be_bytes(bytes);
            let digit = move |n: usize| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]);
            (0..=group.len()).map(digit).collect::<String>()
        };
        let claims: String = claims.to_string().as_bytes().chunks(3).map(encode).collect();
        format!("eyJ0eXAiOiJKV1QifQ.{claims}.c2ln")
    }

    fn reply(access: &Value, refresh: &Value) -> Value {
        json!({ "did": "did:plc:a", "handle": "Alice.example", "accessJwt": token(access),
                "refreshJwt": token(refresh), "active": true })
    }

    #[test]
    fn base64url_is_read_as_the_standard_has_it() {
        for (text, bytes) in [("", ""), ("Zg", "f"), ("Zm8", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")] {
            assert_eq!(base64url(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(base64url("_-8"), Some(vec![0xff, 0xef]));
        for bad in ["Z", "Zm9vY", "Zm+v", "Zm9=", "Ä"] {
            assert_eq!(base64url(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_session_tells_its_lives_itself_within_bounds() {
        let at = |seconds: i64| now().as_second() + seconds;
        let day = 86_400;
        for (access, refresh, expected) in [
            (json!({ "exp": at(7_200) }), json!({ "exp": at(90 * day) }), (7_200, Some(90 * day))),
            (json!({ "exp": at(900 * day) }), json!({ "exp": at(9_000 * day) }), (day, Some(366 * day))),
            (json!({ "exp": at(-5) }), json!({ "exp": "soon" }), (0, None)),
            (json!({ "exp": i64::MAX }), json!({}), (0, None)),
        ] {
            let grant = read_grant(&reply(&access, &refresh), Some("alice.example"), now()).expect("a grant");
            let left = |end: Timestamp| end.as_second() - now().as_second();
            assert_eq!((left(grant.expires_at), grant.refresh_expires_at.map(left)), expected, "{access}");
            assert_eq!(grant.subject, "did:plc:a");
        }
        let scoped = reply(&json!({ "scope": "com.atproto.appPass" }), &json!({}));
        assert_eq!(read_grant(&scoped, None, now()).expect("a grant").scopes, ["com.atproto.appPass"]);
        let opaque = json!({ "did": "did:web:a.example", "accessJwt": "a", "refreshJwt": "b" });
        assert_eq!(read_grant(&opaque, Some("x.example"), now()).expect("a grant").expires_at, now());
    }

    #[test]
    fn what_is_no_login_of_this_account_is_refused() {
        let good = reply(&json!({}), &json!({}));
        for (reply, code) in [
            (json!({ "error": "AuthenticationRequired", "message": "Invalid" }), "AuthenticationRequired"),
            (json!({ "accessJwt": "a", "refreshJwt": "b" }), "unreadable-reply"),
            (json!({ "did": "alice", "accessJwt": "a", "refreshJwt": "b" }), "unreadable-reply"),
            (json!({ "did": "did:plc:a", "accessJwt": "a" }), "unreadable-reply"),
            (json!([]), "unreadable-reply"),
            (good.clone(), "other-handle"),
        ] {
            let error = read_grant(&reply, Some("bob.example"), now()).expect_err("no grant");
            assert_eq!(error.code, code, "{reply}");
        }
        assert!(read_grant(&good, Some("alice.example"), now()).is_ok());
    }

    #[test]
    fn an_app_password_has_a_form_of_its_own() {
        for (text, good) in [
            ("abcd-efgh-ijkl-mnop", true),
            ("ABCD-1234-ijkl-mnop", true),
            ("hunter2hunter2", false),
            ("abcd-efgh-ijkl", false),
            ("abcd-efgh-ijkl-mno", false),
            ("abcd-efgh-ijkl-mnöp", false),
        ] {
            assert_eq!(is_app_password(text), good, "{text}");
        }
    }
}
