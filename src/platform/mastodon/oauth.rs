//! Logging in: at the account's own server, with an app that each login registers there (docs.joinmastodon.org,
//! methods/apps and methods/oauth, read 2026-11-22).
//!
//! Tokens have no end and are never refreshed; a server that names an end is believed. A token that a server does not take
//! any more is made good by logging in again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Mastodon;
use super::client::operation;
use super::reference::id_of;
use super::types::unreadable;
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::Effect;
use crate::platform::oauth::{Asked, BrowserLogin, Login, PasswordLogin, QrLogin, Scope, ends_at};
use crate::platform::{BoxFuture, RequestLog};
use crate::secret::{Secret, wipe};

/// What the app is called at the server, and below each post.
pub(super) const APP_NAME: &str = "gitcast";
/// The redirect address with which the server shows the code (RFC 8252 has let go of it; Mastodon keeps it).
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
/// A token, and a key, is not longer than this.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Scopes of a reply that are looked at.
const SCOPES_MAX: usize = 64;

/// Knows whose token it is, and nothing else of the account; since 4.3.
const PROFILE: &str = "profile";
/// The same on older servers, and on other software.
const ACCOUNTS: &str = "read:accounts";
const READ: &str = "read:statuses";
const WRITE: &str = "write:statuses";
const MEDIA: &str = "write:media";

/// The keys of the app that a login registered.
#[derive(Serialize, Deserialize)]
struct App {
    client_id: String,
    client_secret: String,
}

impl App {
    fn read(secret: Option<&Secret>) -> Result<App, Error> {
        let app = secret.and_then(|secret| serde_json::from_str(secret.expose()).ok());
        app.ok_or_else(|| {
            let message =
                "the keys of the app that this login was granted to are not known: end it in the account's settings at the server";
            Error::new(operation::REVOKE, ErrorKind::Permission, "no-app", message)
        })
    }

    fn of(reply: &Value) -> Option<App> {
        let text = |name: &str| {
            reply[name].as_str().filter(|t| (1..=TOKEN_BYTES_MAX).contains(&t.len())).map(str::to_owned)
        };
        Some(App { client_id: text("client_id")?, client_secret: text("client_secret")? })
    }

    fn seal(&self) -> Option<Secret> {
        serde_json::to_string(self).ok().map(Secret::new)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.client_id.zeroize();
        self.client_secret.zeroize();
    }
}

/// A token reply. It does not tell whose token it is. The app's keys are kept where they stand beside the token.
pub(super) fn read_grant(reply: &Value, asked: &[String], now: Timestamp) -> Result<Grant, Error> {
    let (operation, effect) = (operation::TOKEN, Effect::Harmless);
    if let Some(code) = reply.get("error").and_then(Value::as_str) {
        let message = format!("the reply is an error: {}", foreign(code));
        return Err(Error::new(operation, ErrorKind::Permission, "refused", message));
    }
    let token = reply["access_token"].as_str().filter(|token| {
        (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
    });
    let token = token.ok_or_else(|| unreadable(operation, effect, "it lacks an `access_token`"))?;
    let end = reply["expires_in"].as_i64().filter(|seconds| *seconds > 0).map(|s| ends_at(now, s));
    Ok(Grant {
        access: Secret::new(token),
        refresh: None,
        app: App::of(reply).and_then(|app| app.seal()),
        expires_at: end.unwrap_or(Timestamp::MAX),
        refresh_expires_at: end,
        scopes: scopes(reply["scope"].as_str(), asked),
        subject: String::new(),
    })
}

/// What was granted, with what that holds by its parts; what was asked for where the reply does not say (RFC 6749,
/// section 5.1).
fn scopes(told: Option<&str>, asked: &[String]) -> Vec<String> {
    let mut scopes: Vec<String> = match told {
        Some(told) => told.split_whitespace().take(SCOPES_MAX).map(foreign).collect(),
        None => asked.to_vec(),
    };
    for (part, wholes) in
        [(PROFILE, &[ACCOUNTS, "read"][..]), (READ, &["read"]), (WRITE, &["write"]), (MEDIA, &["write"])]
    {
        let has = |name: &str| scopes.iter().any(|scope| scope == name);
        if !has(part) && wholes.iter().any(|whole| has(whole)) {
            scopes.push(part.to_owned());
        }
    }
    scopes
}

impl Mastodon {
    /// The account's id, of a token that is this account's.
    pub(super) async fn owner(&self, token: &Secret, log: &RequestLog) -> Result<String, Error> {
        let reply = self.client.verify(token, log).await?;
        let username = reply["username"].as_str().unwrap_or_default();
        if !username.eq_ignore_ascii_case(self.user()) {
            let message =
                format!("this login is of @{}, and the account is @{}", foreign(username), self.handle());
            return Err(Error::new(operation::VERIFY, ErrorKind::Permission, "other-handle", message));
        }
        id_of(&reply, "id")
            .ok_or_else(|| unreadable(operation::VERIFY, Effect::Harmless, "it lacks the account's `id`"))
    }

    async fn end(&self, access: &Secret, app: &App, log: &RequestLog) -> Result<(), Error> {
        let fields = vec![
            ("client_id", app.client_id.as_str()),
            ("client_secret", app.client_secret.as_str()),
            ("token", access.expose()),
        ];
        self.client.revoke(fields, log).await
    }
}

impl Login for Mastodon {
    fn scopes(&self) -> Vec<Scope> {
        let scope = |name, gives, is_needed| Scope { name, gives, is_needed };
        vec![
            scope(PROFILE, "way to tell whose login it is", true),
            scope(READ, "finding posts again", true),
            scope(WRITE, "publishing", true),
            scope(MEDIA, "images and videos", false),
        ]
    }

    fn setup(&self, _redirect_uri: &str) -> Vec<String> {
        Vec::new()
    }

    /// Each login registers its own.
    fn check_keys(&self) -> Result<(), Error> {
        Ok(())
    }

    fn revoke<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.end(&grant.access, &App::read(grant.app.as_ref())?, log).await })
    }

    fn by_browser(&self) -> Option<&dyn BrowserLogin> {
        Some(self)
    }

    fn by_qr(&self) -> Option<&dyn QrLogin> {
        None
    }

    fn by_password(&self) -> Option<&dyn PasswordLogin> {
        None
    }
}

impl BrowserLogin for Mastodon {
    /// Servers before 4.3 do not know `profile`, and do not say what they know.
    fn register<'a>(
        &'a self,
        asked: &'a Asked,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Option<Secret>, Error>> {
        Box::pin(async move {
            let scopes = self.known_scopes(asked, log).await.join(" ");
            let fields = vec![
                ("client_name", APP_NAME),
                ("redirect_uris", asked.redirect_uri.as_str()),
                ("scopes", scopes.as_str()),
            ];
            let mut reply = self.client.register(fields, log).await?;
            let app = App::of(&reply);
            wipe(&mut reply);
            let app = app.ok_or_else(|| {
                unreadable(operation::REGISTER, Effect::Harmless, "it lacks the app's keys")
            })?;
            let mut sealed = serde_json::json!({
                "client_id": app.client_id, "client_secret": app.client_secret, "scopes": scopes,
            });
            let secret = Secret::new(sealed.to_string());
            wipe(&mut sealed);
            Ok(Some(secret))
        })
    }

    fn shows_code_at(&self) -> Option<&'static str> {
        Some(OUT_OF_BAND)
    }

    fn authorize_url(&self, asked: &Asked) -> Result<String, Error> {
        let (app, scopes) = registered(asked)?;
        let challenge = base64url(&Sha256::digest(asked.verifier.expose().as_bytes()));
        self.client.authorize_url(&[
            ("response_type", "code"),
            ("client_id", &app.client_id),
            ("redirect_uri", &asked.redirect_uri),
            ("scope", &scopes),
            ("state", &asked.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])
    }

    fn exchange<'a>(
        &'a self,
        code: &'a Secret,
        asked: &'a Asked,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            let (app, scopes) = registered(asked)?;
            let fields = vec![
                ("grant_type", "authorization_code"),
                ("code", code.expose()),
                ("client_id", app.client_id.as_str()),
                ("client_secret", app.client_secret.as_str()),
                ("redirect_uri", asked.redirect_uri.as_str()),
                ("code_verifier", asked.verifier.expose()),
            ];
            let mut reply = self.client.token(fields, log).await?;
            let asked: Vec<String> = scopes.split(' ').map(str::to_owned).collect();
            let grant = read_grant(&reply, &asked, self.client.http().clock().now());
            wipe(&mut reply);
            let grant = grant?;
            match self.owner(&grant.access, log).await {
                Ok(subject) => Ok(Grant { app: app.seal(), subject, ..grant }),
                Err(error) => {
                    // Nobody keeps it, so it should not stay good. Whether that works out changes nothing here.
                    let _ = self.end(&grant.access, &app, log).await;
                    Err(error)
                }
            }
        })
    }
}

impl Mastodon {
    /// The scopes that are asked for, in words that the server knows.
    async fn known_scopes(&self, asked: &Asked, log: &RequestLog) -> Vec<String> {
        let told = self.client.discover(log).await.unwrap_or_default();
        let knows_profile =
            told["scopes_supported"].as_array().is_some_and(|all| all.iter().any(|s| s == PROFILE));
        let word = |scope: &String| {
            if scope == PROFILE && !knows_profile { ACCOUNTS.to_owned() } else { scope.clone() }
        };
        asked.scopes.iter().map(word).collect()
    }
}

/// The app that a login registered, and the scopes that it may ask for.
fn registered(asked: &Asked) -> Result<(App, String), Error> {
    #[derive(Deserialize)]
    struct Scopes {
        scopes: String,
    }
    let app = App::read(asked.app.as_ref())?;
    let read = asked.app.as_ref().and_then(|app| serde_json::from_str::<Scopes>(app.expose()).ok());
    Ok((app, read.map_or_else(|| asked.scopes.join(" "), |read| read.scopes)))
}

/// base64url without padding (RFC 4648, section 5).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        text.extend((0..=group.len()).map(|n| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63])));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().expect("timestamp")
    }

    #[test]
    fn a_challenge_is_the_standards() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = base64url(&Sha256::digest(verifier.as_bytes()));
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xff, 0xef]), "_-8");
    }

    #[test]
    fn a_token_without_an_end_has_none_and_one_with_an_end_is_believed() {
        let reply = json!({ "access_token": "t", "token_type": "Bearer", "scope": "read write:statuses", "created_at": 1 });
        let grant = read_grant(&reply, &[], now()).expect("a grant");
        assert_eq!((grant.expires_at, grant.refresh_expires_at), (Timestamp::MAX, None));
        assert_eq!((grant.subject.as_str(), grant.refresh, grant.app), ("", None, None));
        assert_eq!(grant.scopes, ["read", "write:statuses", PROFILE, READ]);
        let ends = json!({ "access_token": "t", "expires_in": 60, "client_id": "i", "client_secret": "s" });
        let grant = read_grant(&ends, &[WRITE.to_owned()], now()).expect("a grant");
        assert_eq!(grant.refresh_expires_at, Some(now() + jiff::SignedDuration::from_secs(60)));
        assert_eq!((grant.scopes, grant.app.is_some()), (vec![WRITE.to_owned()], true));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for reply in [
            json!({ "error": "invalid_grant" }),
            json!({}),
            json!([]),
            json!({ "access_token": "" }),
            json!({ "access_token": "a\r\nb" }),
            json!({ "access_token": "x".repeat(TOKEN_BYTES_MAX + 1) }),
        ] {
            assert!(read_grant(&reply, &[], now()).is_err(), "{reply}");
        }
    }
}
