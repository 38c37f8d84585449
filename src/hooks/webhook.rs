//! A message as an HTTP request, signed after the Standard Webhooks specification, so that its libraries verify it.
//! (github.com/standard-webhooks, `spec/standard-webhooks.md`, version 1.0.0, read 2026-11-26.)
//!
//! # Guarantees
//!
//! TLS, except to this machine. No redirect is followed, nothing is sent again by itself, and nothing of an answer but its
//! head is read. Neither the key nor the address, which may hold a secret of its own, is ever told: only scheme and host.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{Client, Url, header};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{ATTEMPT_TIMEOUT, Fault};
use crate::domain::url;
use crate::ledger::Letter;
use crate::platform::http;
use crate::secret::Secret;

/// A receiver that asks for more than this waits no longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// A signing key has this many bytes, as the specification wants it.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where messages are sent.
#[derive(Debug)]
pub struct Webhook {
    url: Secret,
    key: Option<SigningKey>,
    /// Built on first use: that loads the trusted roots.
    client: OnceLock<Result<Client, String>>,
}

/// What messages are signed with.
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads the form in which such keys are handed over: base64, behind `whsec_` or alone.
    ///
    /// # Errors
    ///
    /// What is wrong, as a fragment that completes "it"; nothing of the key is in it.
    pub fn read(text: &Secret) -> Result<SigningKey, String> {
        let digits = text.expose().trim();
        let bytes = STANDARD.decode(digits.strip_prefix("whsec_").unwrap_or(digits));
        let key = Zeroizing::new(bytes.map_err(|_| "is not base64, with or without `whsec_` before it")?);
        if !KEY_BYTES.contains(&key.len()) {
            return Err(format!("must stand for {} to {} bytes", KEY_BYTES.start(), KEY_BYTES.end()));
        }
        Ok(SigningKey(key))
    }

    /// The value of `webhook-signature`.
    fn sign(&self, id: &str, second: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in [id, ".", &second.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl Webhook {
    /// # Errors
    ///
    /// Why the address cannot be used, as a fragment that completes "it"; nothing of the address is in it.
    pub fn new(url: Secret, key: Option<SigningKey>) -> Result<Webhook, String> {
        url::check_page(url.expose()).map_err(|error| error.to_string())?;
        let is_https = url.expose().get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        if !is_https && !url::is_loopback(url.expose()) {
            return Err("must begin with `https://`; plain http goes to this machine only".to_owned());
        }
        Ok(Webhook { url, key, client: OnceLock::new() })
    }

    /// Scheme and host.
    pub fn site(&self) -> String {
        url::site(self.url.expose()).unwrap_or_default()
    }

    /// Sends it once. It is taken if the answer is a success.
    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        // The time of this attempt, by which receivers tell one that is replayed: never a rehearsal's.
        let second = Timestamp::now().as_second();
        let url = Url::parse(self.url.expose()).map_err(|_| Fault::new("its address cannot be read"))?;
        let client = self.client.get_or_init(|| http::client_to(&url)).as_ref();
        let client = client.map_err(|why| Fault::new(format!("HTTP cannot be set up: {why}")))?;
        let mut request = client
            .post(url)
            .timeout(ATTEMPT_TIMEOUT)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &letter.id)
            .header("webhook-timestamp", second);
        if let Some(key) = &self.key {
            let signature = key.sign(&letter.id, second, &letter.body);
            request = request.header("webhook-signature", signature);
        }
        let answer = request.body(letter.body.clone()).send().await;
        let answer = answer.map_err(|error| Fault::new(http::describe(error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let hint = if status.is_redirection() { ", and a redirect is not followed" } else { "" };
        let seconds =
            answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        Err(Fault { message: format!("it answered HTTP {}{hint}", status.as_u16()), retry_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SigningKey, String> {
        SigningKey::read(&Secret::new(text))
    }

    /// The vector of the specification's own library (`libraries/javascript/src/webhook.test.ts`, read 2026-11-26).
    #[test]
    fn signatures_are_those_of_the_specification() {
        let (id, second, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        for text in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", " MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"] {
            let signature = key(text).expect("a key").sign(id, second, body);
            assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_never_shown() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "%canary%",
            &"A".repeat(100),
            "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            let error = key(text).expect_err(text);
            assert!(text.len() < 7 || !error.contains(text), "{error}");
        }
        let shown = format!("{:?}", key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key"));
        assert_eq!(shown, "SigningKey(…)");
    }

    #[test]
    fn addresses_are_https_or_on_this_machine() {
        let of = |text: &str| Webhook::new(Secret::new(text), None);
        for (text, site) in [
            ("https://hooks.example.com/services/T0/B0/token?x=y", "https://hooks.example.com/"),
            ("HTTPS://Example.com:8443", "https://example.com:8443/"),
            ("http://127.0.0.1:9/a", "http://127.0.0.1:9/"),
            ("http://localhost/a", "http://localhost/"),
        ] {
            let webhook = of(text).expect(text);
            assert_eq!(webhook.site(), site);
            assert!(!format!("{webhook:?}").contains("hooks.example.com"), "{webhook:?}");
        }
        for text in [
            "",
            "example.com/hook",
            "ftp://example.com/",
            "http://example.com/",
            "http://127.0.0.1.example.com/",
            "https://user:word@example.com/",
            "https://exa mple.com/",
            "https:///hook",
        ] {
            let error = of(text).expect_err(text);
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
