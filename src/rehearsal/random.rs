//! Tokens, codes and ids that cannot be guessed, and the digest under which secrets are kept.

use std::fmt::Write;
use std::io;

use sha2::{Digest, Sha256};

/// Of base 64 for addresses (RFC 4648, section 5).
pub(super) const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `bytes` random bytes in hexadecimal.
pub(super) fn hex(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(io::Error::other)?;
    Ok(to_hex(&buffer))
}

pub(super) fn number() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}

pub(super) fn sha256_hex(text: &str) -> String {
    to_hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Base 64 for addresses, without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        (0..=group.len()).map(move |n| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]))
    };
    bytes.chunks(3).flat_map(group).collect()
}
