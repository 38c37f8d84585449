//! Names of things: posts, accounts, platforms, content digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest post id and account name, in bytes.
pub const NAME_LENGTH_MAX: usize = 128;

/// Why a text is no valid post id or account name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("must not be empty")]
    Empty,
    #[error("is longer than {NAME_LENGTH_MAX} bytes")]
    TooLong,
    #[error("must begin with a letter or digit and hold only letters, digits, `.`, `_` and `-`")]
    Characters,
    #[error("must not contain `..`")]
    DoubleDot,
}

fn check_name(text: &str) -> Result<(), InvalidName> {
    let first = *text.as_bytes().first().ok_or(InvalidName::Empty)?;
    if text.len() > NAME_LENGTH_MAX {
        return Err(InvalidName::TooLong);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !first.is_ascii_alphanumeric() || !text.bytes().all(allowed) {
        return Err(InvalidName::Characters);
    }
    if text.contains("..") { Err(InvalidName::DoubleDot) } else { Ok(()) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                check_name(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                check_name(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A post's permanent name, unique under `content/`: `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 128 bytes, no `..`.
    PostId
}

name! {
    /// An account's name in `gitcast.yaml`, of the user's choosing; same form as a post id.
    AccountName
}

name! {
    /// Whose key opens the logins, under a name of the user's choosing; same form as a post id.
    RecipientName
}

/// The platforms that have an adapter.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PlatformId {
    Tiktok,
    Bluesky,
    Mastodon,
}

impl PlatformId {
    pub const ALL: [PlatformId; 3] = [PlatformId::Tiktok, PlatformId::Bluesky, PlatformId::Mastodon];

    pub fn as_str(self) -> &'static str {
        match self {
            PlatformId::Tiktok => "tiktok",
            PlatformId::Bluesky => "bluesky",
            PlatformId::Mastodon => "mastodon",
        }
    }

    /// Whether a post can wait as a draft for its creator; elsewhere every post is published directly.
    pub fn has_drafts(self) -> bool {
        matches!(self, PlatformId::Tiktok)
    }

    /// Whether we are known there as an app, with keys of its own that may be audited; elsewhere an account is declared
    /// by its handle.
    pub fn has_apps(self) -> bool {
        matches!(self, PlatformId::Tiktok)
    }

    /// Whether it is made of many servers, one of which a handle names: `alice@example.social`.
    pub fn has_servers(self) -> bool {
        matches!(self, PlatformId::Mastodon)
    }
}

impl fmt::Display for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PlatformId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or(())
    }
}

/// The longest handle: a DNS name.
const HANDLE_LENGTH_MAX: usize = 253;

/// Whether this is a handle, as platforms have them that name people by domains: at least two labels, in ASCII.
pub fn is_handle(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= HANDLE_LENGTH_MAX
        && name.contains('.')
        && name.split('.').all(label)
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The longest name before the `@` of a handle; a server's own limit is lower (Mastodon: 30).
const USER_LENGTH_MAX: usize = 64;

/// Whether this is a handle, as platforms have them that are made of many servers: `alice@example.social`.
pub fn is_handle_at_server(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    name.split_once('@').is_some_and(|(user, host)| {
        (1..=USER_LENGTH_MAX).contains(&user.len()) && user.bytes().all(allowed) && is_handle(host)
    })
}

/// SHA-256 that decides "unchanged": of a medium's bytes, or of the effective payload for one account.
/// Shown and stored as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest(pub [u8; 32]);

impl ContentDigest {
    pub fn of(bytes: &[u8]) -> ContentDigest {
        ContentDigest(Sha256::digest(bytes).into())
    }

    /// Of what is not to be published: a tombstone, or a post that was live before.
    pub fn of_nothing() -> ContentDigest {
        ContentDigest::of(b"")
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex(&self.0[..6])
    }
}

/// Lowercase hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that an even number of hexadecimal digits stand for.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `sha256:` and 64 hexadecimal digits")]
pub struct InvalidDigest;

impl FromStr for ContentDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidDigest)?;
        unhex(digits).and_then(|bytes| bytes.try_into().ok()).map(ContentDigest).ok_or(InvalidDigest)
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet() {
        for good in ["a", "launch-2026", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(good.parse::<PostId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", InvalidName::Empty),
            (".a", InvalidName::Characters),
            ("-a", InvalidName::Characters),
            ("a/b", InvalidName::Characters),
            ("a b", InvalidName::Characters),
            ("ä", InvalidName::Characters),
            ("a..b", InvalidName::DoubleDot),
            (&"x".repeat(129), InvalidName::TooLong),
        ] {
            assert_eq!(bad.parse::<PostId>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn digests_survive_their_text_form() {
        let digest = ContentDigest::of(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(
            digest.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!("sha256:zz".parse::<ContentDigest>().is_err());
        assert!("ba78".parse::<ContentDigest>().is_err());
    }
}
