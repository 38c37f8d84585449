//! The seal itself: XChaCha20-Poly1305, bound to the place that the tokens belong to.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KEY_BYTES, VaultError};
use crate::domain::grant::Grant;
use crate::domain::ids::{AccountName, hex, unhex};
use crate::secret::Secret;

const NONCE_BYTES: usize = 24;
/// The most bytes that JSON makes of one: `\u0001`.
const JSON_BYTES_MAX: usize = 6;
/// What stands around the tokens in JSON, and more.
const JSON_FRAME_BYTES: usize = 64;

/// First byte of what is sealed: tells what it was sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Format {
    /// The holder's own key: there are no recipients.
    OwnKey = 1,
    /// The data key that is wrapped for each recipient.
    DataKey = 2,
}

/// All of a grant that is secret.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ledger) struct Tokens<T> {
    pub(in crate::ledger) access: T,
    pub(in crate::ledger) refresh: Option<T>,
    /// Left out where there is none, as it was before there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ledger) app: Option<T>,
}

impl<'a> Tokens<&'a Secret> {
    pub(in crate::ledger) fn of(grant: &'a Grant) -> Tokens<&'a Secret> {
        Tokens { access: &grant.access, refresh: grant.refresh.as_ref(), app: grant.app.as_ref() }
    }
}

impl<T> Tokens<T> {
    fn map<U>(self, change: impl Fn(T) -> U) -> Tokens<U> {
        Tokens { access: change(self.access), refresh: self.refresh.map(&change), app: self.app.map(&change) }
    }
}

/// What sealed tokens belong to.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Place<'a> {
    pub(in crate::ledger) lineage: &'a str,
    pub(in crate::ledger) account: &'a AccountName,
    pub(in crate::ledger) generation: u64,
}

impl Place<'_> {
    /// As JSON, in which no two places look the same.
    fn bytes(&self) -> Vec<u8> {
        let place = ("gitcast tokens", self.lineage, self.account.as_str(), self.generation);
        serde_json::to_vec(&place).expect("texts and a number")
    }
}

/// Seals and opens with one key in one format.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Sealer<'a> {
    pub(in crate::ledger) format: Format,
    pub(in crate::ledger) key: &'a [u8; KEY_BYTES],
}

impl Sealer<'_> {
    /// Ciphertext of the tokens, in hexadecimal digits: format, nonce, sealed bytes.
    pub(in crate::ledger) fn seal(
        self,
        place: Place<'_>,
        tokens: Tokens<&Secret>,
    ) -> Result<String, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(VaultError::Random)?;
        let text = clear(&tokens.map(Secret::expose));
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: &text, aad: &place.bytes() })
            .expect("tokens are far below the cipher's limit of 256 GiB");
        Ok(hex(&[&[self.format as u8], nonce.as_slice(), &sealed].concat()))
    }

    /// The tokens again. `None`: another key, another format, another place, or a changed byte.
    pub(in crate::ledger) fn open(self, place: Place<'_>, sealed: &str) -> Option<Tokens<Secret>> {
        let bytes = unhex(sealed)?;
        let (&format, rest) = bytes.split_first()?;
        let (nonce, msg) = rest.split_first_chunk::<NONCE_BYTES>().filter(|_| format == self.format as u8)?;
        let text = self.cipher().decrypt(&XNonce::from(*nonce), Payload { msg, aad: &place.bytes() }).ok()?;
        let text = Zeroizing::new(text);
        let tokens: Tokens<String> = serde_json::from_slice(&text).ok()?;
        Some(tokens.map(Secret::new))
    }

    fn cipher(self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.into())
    }
}

/// The tokens in clear, wiped when dropped. The room is made beforehand: a buffer that grows leaves its beginnings in
/// memory that nobody wipes.
fn clear(tokens: &Tokens<&str>) -> Zeroizing<Vec<u8>> {
    let bytes =
        tokens.access.len() + [tokens.refresh, tokens.app].into_iter().flatten().map(str::len).sum::<usize>();
    let room = bytes.saturating_mul(JSON_BYTES_MAX).saturating_add(JSON_FRAME_BYTES);
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *text, tokens).expect("texts, into memory");
    debug_assert!(text.capacity() == room, "it grew");
    text
}
