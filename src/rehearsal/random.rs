//! Tokens, codes and ids that cannot be guessed, and the digest under which secrets are kept.

use std::fmt::Write;
use std::io;

use sha2::{Digest, Sha256};

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
