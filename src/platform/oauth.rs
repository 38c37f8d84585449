//! Logging in: what an account's owner is asked for, how the answer is read, and the trait behind which each platform
//! keeps its own endpoints and quirks.
//!
//! # Flow
//!
//! ```text
//! Asked::new ─▶ register ─▶ authorize_url ─▶ the owner's browser ─▶ callback ─▶ Asked::read_callback ─▶ exchange ─▶ Grant
//! ask_by_qr ─▶ the owner's phone ─▶ poll_qr … ─▶ exchange_qr ─▶ Grant
//! ```
//!
//! # Guarantees
//!
//! An answer counts only with the state that was asked with, compared in constant time. A code is exchanged once.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use subtle::ConstantTimeEq;

use super::error::{Error, foreign};
use super::http::is_loopback;
use super::{BoxFuture, RequestLog};
use crate::domain::grant::Grant;
use crate::domain::ids::hex;
use crate::domain::retry::ErrorKind;
use crate::secret::Secret;

/// The name under which all of this is told.
const OPERATION: &str = "login";
/// Bytes of randomness in a state and in a verifier; twice as many characters.
const RANDOM_BYTES: usize = 32;
/// A callback is not longer than this: codes have no documented length.
const CALLBACK_BYTES_MAX: usize = 16 * 1024;

/// How an owner grants a login. Nothing here touches a ledger.
pub trait Login: Send + Sync {
    /// What to ask for on this account, and what each scope is good for.
    fn scopes(&self) -> Vec<Scope>;

    /// What to do at the platform until there are app keys, step by step. `redirect_uri` is the one to register.
    fn setup(&self, redirect_uri: &str) -> Vec<String>;

    /// Whether the app's keys are there.
    ///
    /// # Errors
    ///
    /// `Permission`, telling where the keys are looked for.
    fn check_keys(&self) -> Result<(), Error>;

    /// Ends the login at the platform. Repeating it does no harm.
    fn revoke<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<(), Error>>;

    /// The way by a page of the platform's that the owner opens in a browser, where the platform has it.
    fn by_browser(&self) -> Option<&dyn BrowserLogin>;

    /// The way by a code that a phone scans, likewise.
    fn by_qr(&self) -> Option<&dyn QrLogin>;

    /// The way by a password that the owner makes for this program alone, likewise.
    fn by_password(&self) -> Option<&dyn PasswordLogin>;
}

/// Logging in on a page of the platform's.
pub trait BrowserLogin: Send + Sync {
    /// Makes the app known to the platform, where each login has one of its own, and gives its keys. Comes first.
    fn register<'a>(
        &'a self,
        _asked: &'a Asked,
        _log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Option<Secret>, Error>> {
        Box::pin(async { Ok(None) })
    }

    /// The redirect address with which the platform shows the code to its owner, if there is one.
    fn shows_code_at(&self) -> Option<&'static str> {
        None
    }

    /// The page on which the owner grants.
    fn authorize_url(&self, asked: &Asked) -> Result<String, Error>;

    /// A login for the code that a callback brought. Sent once: a code is good for one use.
    fn exchange<'a>(
        &'a self,
        code: &'a Secret,
        asked: &'a Asked,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>>;
}

/// Logging in with a password that can be revoked alone, such as Bluesky's app passwords.
pub trait PasswordLogin: Send + Sync {
    /// Whose password is asked for, and where it goes: `alice.example at https://example.com`.
    fn owner(&self) -> String;

    /// A login for the password. Sent once: platforms count tries.
    fn exchange<'a>(
        &'a self,
        password: &'a Secret,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>>;
}

/// Logging in with a phone, for machines without a browser.
pub trait QrLogin: Send + Sync {
    /// How long to leave between two polls.
    fn pace(&self) -> Duration;

    /// Asks for an address that a phone turns into consent.
    fn ask<'a>(&'a self, asked: &'a Asked, log: &'a RequestLog) -> BoxFuture<'a, Result<QrAsked, Error>>;

    /// How far the owner has come. Changes nothing.
    fn poll<'a>(&'a self, qr: &'a QrAsked, log: &'a RequestLog) -> BoxFuture<'a, Result<QrAnswer, Error>>;

    /// A login for the code of a confirmed scan. Sent once.
    fn exchange<'a>(
        &'a self,
        confirmed: &'a QrConfirmed,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Grant, Error>>;
}

/// One scope of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    pub name: &'static str,
    /// What does not work without it, as a fragment: `publishing`.
    pub gives: &'static str,
    /// Whether nothing works on the account without it.
    pub is_needed: bool,
}

/// A login that was asked for and is not answered yet.
#[derive(Debug)]
pub struct Asked {
    pub redirect_uri: String,
    pub state: String,
    /// Proof Key for Code Exchange (RFC 7636): 64 unreserved characters.
    pub verifier: Secret,
    pub scopes: Vec<String>,
    /// The app's keys, as [`BrowserLogin::register`] gave them.
    pub app: Option<Secret>,
}

/// What a code for a phone leads to.
#[derive(Debug)]
pub struct QrAsked {
    /// What the code shows.
    pub url: String,
    /// The platform's name of this request.
    pub token: Secret,
    /// Ours, which must come back.
    pub ticket: String,
}

#[derive(Debug)]
pub enum QrAnswer {
    Waiting,
    Scanned,
    Confirmed(QrConfirmed),
    Expired,
}

#[derive(Debug)]
pub struct QrConfirmed {
    pub code: Secret,
    /// Where the platform would have sent a browser, if it says so.
    pub redirect_uri: Option<String>,
}

impl Asked {
    /// # Errors
    ///
    /// `Local` when the system has no random numbers, or `redirect_uri` is none.
    pub fn new(redirect_uri: &str, scopes: Vec<String>) -> Result<Asked, Error> {
        let url = Url::parse(redirect_uri).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
        });
        if url.is_none() {
            let message = "the redirect address must be https, without query and fragment";
            return Err(Error::new(OPERATION, ErrorKind::Local, "bad-redirect", message));
        }
        Asked::to(redirect_uri, scopes)
    }

    /// The platform shows the code to its owner, who copies it. `redirect_uri` is the platform's word for that.
    ///
    /// # Errors
    ///
    /// `Local` when the system has no random numbers.
    pub fn out_of_band(redirect_uri: &'static str, scopes: Vec<String>) -> Result<Asked, Error> {
        Asked::to(redirect_uri, scopes)
    }

    fn to(redirect_uri: &str, scopes: Vec<String>) -> Result<Asked, Error> {
        Ok(Asked {
            redirect_uri: redirect_uri.to_owned(),
            state: random()?,
            verifier: Secret::new(random()?),
            scopes,
            app: None,
        })
    }

    /// Whether the owner's browser comes back to this machine.
    pub fn is_on_loopback(&self) -> bool {
        Url::parse(&self.redirect_uri).is_ok_and(|url| is_loopback(&url))
    }

    /// Whether `callback` is an address that this request leads to, whatever it answers.
    pub fn leads_to(&self, callback: &str) -> bool {
        let at = |text: &str| Url::parse(text).ok().map(|url| (url.origin(), url.path().to_owned()));
        callback.len() <= CALLBACK_BYTES_MAX
            && at(callback).is_some_and(|at_| Some(at_) == at(&self.redirect_uri))
    }

    /// The code that the owner copied. Some servers show the state behind it; then it must be the right one.
    ///
    /// # Errors
    ///
    /// `Rejected` for what is no code, or the answer to something else. It does not hold the code.
    pub fn read_code(&self, line: &str) -> Result<Secret, Error> {
        let rejected =
            |code: &'static str, message: &str| Error::new(OPERATION, ErrorKind::Rejected, code, message);
        let (code, state) =
            line.split_once("&state=").map_or((line, None), |(code, state)| (code, Some(state)));
        if state.is_some_and(|state| !bool::from(state.as_bytes().ct_eq(self.state.as_bytes()))) {
            return Err(rejected("other-state", "this is the answer to another request to log in"));
        }
        let is_code = |text: &str| {
            (1..=CALLBACK_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if is_code(code) { Ok(Secret::new(code)) } else { Err(rejected("no-code", "this is no code")) }
    }

    /// The code that the callback's address brings.
    ///
    /// # Errors
    ///
    /// `Rejected` for an answer to something else, `Permission` if the owner or the platform said no. Neither holds the
    /// code.
    pub fn read_callback(&self, callback: &str) -> Result<Secret, Error> {
        let rejected =
            |code: &'static str, message: &str| Error::new(OPERATION, ErrorKind::Rejected, code, message);
        if !self.leads_to(callback) {
            return Err(rejected(
                "other-address",
                "this is not the address that the platform was told to answer to",
            ));
        }
        let Ok(url) = Url::parse(callback) else {
            return Err(rejected("other-address", "this is no address"));
        };
        let field = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        if !bool::from(field("state").as_bytes().ct_eq(self.state.as_bytes())) {
            return Err(rejected("other-state", "this is the answer to another request to log in"));
        }
        let refused = field("error");
        if !refused.is_empty() {
            let message =
                format!("not granted: {} ({})", foreign(&field("error_description")), foreign(&refused));
            return Err(Error::new(OPERATION, ErrorKind::Permission, foreign(&refused), message));
        }
        match field("code") {
            code if code.is_empty() => Err(rejected("no-code", "the answer brings no code")),
            code => Ok(Secret::new(code)),
        }
    }
}

/// What was asked for and is not granted: owners may untick scopes, and platforms leave out what the app lacks.
pub fn missing<'a>(scopes: &'a [Scope], granted: &[String]) -> Vec<&'a Scope> {
    scopes.iter().filter(|scope| !granted.iter().any(|name| name == scope.name)).collect()
}

/// An unguessable text of unreserved characters.
pub fn random() -> Result<String, Error> {
    let mut bytes = zeroize::Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(bytes.as_mut())
        .map_err(|error| Error::new(OPERATION, ErrorKind::Local, "no-random", error.to_string()))?;
    Ok(hex(bytes.as_ref()))
}

/// When an announced life ends; a life that cannot be is none.
pub fn ends_at(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(jiff::SignedDuration::from_secs(seconds.max(0))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            redirect_uri: "http://127.0.0.1:5555/callback/".into(),
            state: "s t&1".into(),
            verifier: Secret::new("v"),
            scopes: Vec::new(),
            app: None,
        }
    }

    #[test]
    fn a_copied_code_counts_alone_or_with_its_state() {
        let long = "a".repeat(CALLBACK_BYTES_MAX + 1);
        for (line, expected) in [
            ("a*1!", Ok("a*1!")),
            ("abc&state=s t&1", Ok("abc")),
            ("abc&state=other", Err("other-state")),
            ("abc&state=", Err("other-state")),
            ("", Err("no-code")),
            ("&state=s t&1", Err("no-code")),
            ("two words", Err("no-code")),
            ("äöü", Err("no-code")),
            (&long, Err("no-code")),
        ] {
            let read = asked().read_code(line);
            let read = read.as_ref().map(Secret::expose).map_err(|error| error.code.as_str());
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn a_callback_counts_only_at_its_address_and_with_its_state() {
        let table = [
            ("http://127.0.0.1:5555/callback/?code=a%2A1%21&state=s%20t%261&scopes=x", Ok("a*1!")),
            ("http://127.0.0.1:5555/callback/?code=a+b&state=s+t%261", Ok("a b")),
            ("http://127.0.0.1:5555/callback/?code=a&state=other", Err("other-state")),
            ("http://127.0.0.1:5555/callback/?code=a", Err("other-state")),
            ("http://127.0.0.1:5555/callback/?state=s%20t%261", Err("no-code")),
            ("http://127.0.0.1:5556/callback/?code=a&state=s%20t%261", Err("other-address")),
            ("http://127.0.0.1:5555/other/?code=a&state=s%20t%261", Err("other-address")),
            ("https://127.0.0.1:5555/callback/?code=a&state=s%20t%261", Err("other-address")),
            ("a*1!", Err("other-address")),
            ("", Err("other-address")),
            (
                "http://127.0.0.1:5555/callback/?error=access_denied&error_description=no%0A&state=s%20t%261",
                Err("access_denied"),
            ),
            ("http://127.0.0.1:5555/callback/?error=access_denied&state=x", Err("other-state")),
        ];
        for (callback, expected) in table {
            let read = asked().read_callback(callback);
            let read = read.as_ref().map(Secret::expose).map_err(|error| error.code.as_str());
            assert_eq!(read, expected, "{callback}");
        }
        let long = format!(
            "http://127.0.0.1:5555/callback/?code={}&state=s%20t%261",
            "a".repeat(CALLBACK_BYTES_MAX)
        );
        assert_eq!(asked().read_callback(&long).expect_err("long").code, "other-address");
    }

    #[test]
    fn a_redirect_is_https_or_on_this_machine() {
        for (redirect, good) in [
            ("https://example.com/callback", true),
            ("http://127.0.0.1:5555/callback/", true),
            ("http://localhost:5555/callback/", true),
            ("http://example.com/callback", false),
            ("https://example.com/callback?x=1", false),
            ("https://example.com/callback#x", false),
            ("https://user@example.com/callback", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            assert_eq!(Asked::new(redirect, Vec::new()).is_ok(), good, "{redirect}");
        }
        let (one, two) =
            (Asked::new("https://a.example/", Vec::new()), Asked::new("https://a.example/", Vec::new()));
        let (one, two) = (one.expect("asked"), two.expect("asked"));
        assert!(one.state != two.state && one.verifier != two.verifier && one.state != one.verifier.expose());
        assert_eq!(one.verifier.expose().len(), 64);
    }
}
