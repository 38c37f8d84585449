//! Logging in at TikTok: Login Kit for desktop and web apps, and by QR code (TikTok docs `lkd`, `lkw`, `lkq`, read
//! 2026-11-22).

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::client::operation;
use super::inquiry::posting_scope;
use super::{Tiktok, oauth};
use crate::domain::grant::Grant;
use crate::domain::ids::hex;
use crate::domain::project::Mode;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::Effect;
use crate::platform::oauth::{
    Asked, BrowserLogin, Login, PasswordLogin, QrAnswer, QrAsked, QrConfirmed, QrLogin, Scope, random,
};
use crate::platform::{BoxFuture, RequestLog};
use crate::secret::Secret;

/// What stands in a scan address where the client's own ticket belongs (TikTok docs `lkq`, read 2026-11-22).
const TICKET_PLACE: &str = "client_ticket=tobefilled";
/// A scan address is not longer than this: more does not fit into a code that a phone reads from a terminal.
const SCAN_URL_BYTES_MAX: usize = 1_024;

/// TikTok does not tell how often to ask; people take some seconds.
const POLL: Duration = Duration::from_secs(3);
/// A server on this machine may be asked more often.
const POLL_LOCAL: Duration = Duration::from_millis(200);

/// TikTok's form of the PKCE challenge: the SHA-256 of the verifier in hexadecimal digits, not in base64url as RFC 7636
/// has it (TikTok docs `lkd`, read 2026-11-22; TikTok's own mobile kits do the same).
pub(super) fn challenge(verifier: &Secret) -> String {
    hex(&Sha256::digest(verifier.expose()))
}

impl Login for Tiktok {
    fn scopes(&self) -> Vec<Scope> {
        let mode = self.account.mode.value;
        let gives = if mode == Mode::Direct { "publishing" } else { "drafts" };
        let publishes = Scope { name: posting_scope(mode), gives, is_needed: true };
        let useful = |name, gives| Scope { name, gives, is_needed: false };
        vec![
            useful("user.info.basic", "showing whose account it is"),
            publishes,
            useful("user.info.profile", "links to posts"),
            useful("video.list", "finding a post whose outcome is unknown"),
        ]
    }

    fn setup(&self, redirect_uri: &str) -> Vec<String> {
        let (key, secret) = oauth::key_names(&self.account);
        let scopes: Vec<_> = self.scopes().iter().map(|scope| scope.name).collect();
        let platform = if redirect_uri.starts_with("https:") { "Web" } else { "Desktop" };
        vec![
            "Open https://developers.tiktok.com/apps and create an app; a sandbox of it needs no review."
                .to_owned(),
            format!("Add the products Login Kit and Content Posting API, and the platform {platform}."),
            format!("Add the scopes {}.", scopes.join(", ")),
            format!("Register the redirect address {redirect_uri}"),
            format!(
                "Put the app's key into {key} and its secret into {secret}: in the environment, or in keys.env beside content/ (`NAME=value` lines; keep it out of git)."
            ),
        ]
    }

    fn check_keys(&self) -> Result<(), Error> {
        oauth::app_keys(&self.account, &self.keys).map(drop)
    }

    fn revoke<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let app = oauth::app_keys(&self.account, &self.keys)?;
            oauth::revoke(&self.client, &app, grant, log).await
        })
    }

    fn by_browser(&self) -> Option<&dyn BrowserLogin> {
        Some(self)
    }

    fn by_qr(&self) -> Option<&dyn QrLogin> {
        Some(self)
    }

    fn by_password(&self) -> Option<&dyn PasswordLogin> {
        None
    }
}

impl BrowserLogin for Tiktok {
    fn authorize_url(&self, asked: &Asked) -> Result<String, Error> {
        let app = oauth::app_keys(&self.account, &self.keys)?;
        let (scopes, challenge) = (asked.scopes.join(","), challenge(&asked.verifier));
        let mut query = vec![
            ("client_key", app.key.expose()),
            ("response_type", "code"),
            ("scope", &scopes),
            ("redirect_uri", &asked.redirect_uri),
            ("state", &asked.state),
        ];
        if has_challenge(asked) {
            query.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        Ok(self.client.authorize_page(&query)?.into())
    }

    fn exchange<'a>(
        &'a self,
        code: &'a Secret,
        asked: &'a Asked,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            let app = oauth::app_keys(&self.account, &self.keys)?;
            let verifier = has_challenge(asked).then_some(&asked.verifier);
            oauth::exchange(&self.client, &app, code, Some(&asked.redirect_uri), verifier, log).await
        })
    }
}

/// TikTok documents PKCE for desktop apps, whose redirects are on loopback, and not for web apps; which form it would
/// check there is unknown (TikTok docs `lkd`, `lkw`, read 2026-11-22). So web apps send none, as most clients do.
fn has_challenge(asked: &Asked) -> bool {
    asked.is_on_loopback()
}

impl QrLogin for Tiktok {
    fn pace(&self) -> Duration {
        if self.client.is_loopback() { POLL_LOCAL } else { POLL }
    }

    fn ask<'a>(&'a self, asked: &'a Asked, log: &'a RequestLog) -> BoxFuture<'a, Result<QrAsked, Error>> {
        Box::pin(async move {
            let app = oauth::app_keys(&self.account, &self.keys)?;
            let scopes = asked.scopes.join(",");
            let form = vec![("client_key", app.key.expose()), ("scope", &scopes), ("state", &asked.state)];
            let reply = self.client.oauth((operation::QR_ASK, Effect::Harmless), form, log).await?;
            let (url, token) = (text(&reply, "scan_qrcode_url"), text(&reply, "token"));
            let ticket = random()?;
            match (url, token) {
                (Some(url), Some(token)) if url.contains(TICKET_PLACE) && url.len() <= SCAN_URL_BYTES_MAX => {
                    let url = url.replace(TICKET_PLACE, &format!("client_ticket={ticket}"));
                    Ok(QrAsked { url, token: Secret::new(token), ticket })
                }
                _ => Err(unreadable(operation::QR_ASK, "it lacks a usable scan_qrcode_url or token")),
            }
        })
    }

    fn poll<'a>(&'a self, qr: &'a QrAsked, log: &'a RequestLog) -> BoxFuture<'a, Result<QrAnswer, Error>> {
        Box::pin(async move {
            let app = oauth::app_keys(&self.account, &self.keys)?;
            let form = vec![
                ("client_key", app.key.expose()),
                ("client_secret", app.secret.expose()),
                ("token", qr.token.expose()),
            ];
            let reply = self.client.oauth((operation::QR_CHECK, Effect::Harmless), form, log).await?;
            match text(&reply, "status") {
                Some("new") => Ok(QrAnswer::Waiting),
                Some("scanned") => Ok(QrAnswer::Scanned),
                Some("confirmed") => confirmed(&reply, qr).map(QrAnswer::Confirmed),
                Some("expired" | "utilised") => Ok(QrAnswer::Expired),
                other => Err(unreadable(operation::QR_CHECK, other.unwrap_or("it lacks the status"))),
            }
        })
    }

    fn exchange<'a>(
        &'a self,
        confirmed: &'a QrConfirmed,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            let app = oauth::app_keys(&self.account, &self.keys)?;
            let redirect = confirmed.redirect_uri.as_deref();
            oauth::exchange(&self.client, &app, &confirmed.code, redirect, None, log).await
        })
    }
}

/// The code stands in the reply itself, or in the query of the address that it names (TikTok docs `lkq`, read
/// 2026-11-22); the ticket must be the one that the scanned address carried.
fn confirmed(reply: &Value, qr: &QrAsked) -> Result<QrConfirmed, Error> {
    if text(reply, "client_ticket").is_some_and(|ticket| ticket != qr.ticket) {
        return Err(unreadable(operation::QR_CHECK, "it answers another scan"));
    }
    let address = text(reply, "redirect_uri");
    let in_address = address.and_then(|uri| {
        let url = reqwest::Url::parse(uri).ok()?;
        url.query_pairs().find(|(key, _)| key == "code").map(|(_, code)| code.into_owned())
    });
    let code = text(reply, "code").map(str::to_owned).or(in_address).filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| unreadable(operation::QR_CHECK, "it is confirmed and brings no code"))?;
    // To the letter: the exchange must name the address as it was registered.
    let redirect_uri = address.and_then(|uri| uri.split(['?', '#']).next()).map(str::to_owned);
    Ok(QrConfirmed { code: Secret::new(code), redirect_uri })
}

fn text<'a>(reply: &'a Value, name: &str) -> Option<&'a str> {
    reply.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn unreadable(operation: &'static str, what: &str) -> Error {
    let message = format!("a reply that cannot be read: {}", foreign(what));
    Error::new(operation, ErrorKind::Protocol, "unreadable-reply", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is in the tests of TikTok's own Android kit, the second is RFC 7636's verifier.
    #[test]
    fn the_challenge_is_in_hexadecimal_digits() {
        for (verifier, expected) in [
            (
                "gaeCq5mVvbhA8Ce6w5O9XBVIKMkySgv-_9A-rnhm9Ns",
                "e6a178b120743d08509508f269652b0bdf91e29332921bc9e9744fd3dd41bfef",
            ),
            (
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                "13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3",
            ),
        ] {
            assert_eq!(challenge(&Secret::new(verifier)), expected);
        }
    }

    #[test]
    fn a_confirmed_scan_brings_its_code_in_either_place_and_our_ticket() {
        let qr = QrAsked { url: String::new(), token: Secret::new("t"), ticket: "ours".into() };
        let read =
            |reply: Value| confirmed(&reply, &qr).map(|c| (c.code.expose().to_owned(), c.redirect_uri));
        let redirect = Some("https://example.com/callback".to_owned());
        for (reply, expected) in [
            (serde_json::json!({"client_ticket": "ours", "code": "c"}), Some(("c".to_owned(), None))),
            (
                serde_json::json!({"client_ticket": "ours", "redirect_uri": "https://example.com/callback?code=a%2A&scopes=x"}),
                Some(("a*".to_owned(), redirect.clone())),
            ),
            (
                serde_json::json!({"code": "c", "redirect_uri": "https://example.com/callback"}),
                Some(("c".to_owned(), redirect)),
            ),
            (serde_json::json!({"client_ticket": "theirs", "code": "c"}), None),
            (serde_json::json!({"client_ticket": "ours"}), None),
        ] {
            assert_eq!(read(reply.clone()).ok(), expected, "{reply}");
        }
    }
}
