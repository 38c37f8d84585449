//! Names of people and posts: handles, DIDs, and the two ways to write the address of a post.

use serde::{Deserialize, Serialize};

pub(super) use crate::domain::ids::is_handle;

/// The longest DID that is taken (atproto.com/specs/did, read 2026-11-22: 2 KB).
const DID_BYTES_MAX: usize = 2_048;
/// The longest record key (atproto.com/specs/record-key, read 2026-11-22).
const RKEY_BYTES_MAX: usize = 512;

pub(super) const POST: &str = "app.bsky.feed.post";

/// A post, as its author's name and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reference {
    /// A handle or a DID.
    pub(super) who: String,
    pub(super) rkey: String,
}

impl Reference {
    /// `at://WHO/app.bsky.feed.post/KEY` or `https://bsky.app/profile/WHO/post/KEY`.
    pub(super) fn parse(text: &str) -> Option<Reference> {
        let in_app = text.strip_prefix("https://bsky.app/profile/").map(|rest| (rest, "post"));
        let (rest, middle) = in_app.or_else(|| text.strip_prefix("at://").map(|rest| (rest, POST)))?;
        let rest = rest.split(['?', '#']).next()?;
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let [who, given, rkey] = parts[..] else { return None };
        let who = if is_did(who) { who.to_owned() } else { who.to_ascii_lowercase() };
        let is_good = given == middle && (is_did(&who) || is_handle(&who)) && is_rkey(rkey);
        is_good.then(|| Reference { who, rkey: rkey.to_owned() })
    }

    /// The handle that has to be looked up, if it is one.
    pub(super) fn handle(&self) -> Option<&str> {
        (!is_did(&self.who)).then_some(self.who.as_str())
    }
}

/// A post in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Strong {
    pub(super) uri: String,
    pub(super) cid: String,
}

pub(super) fn uri(did: &str, rkey: &str) -> String {
    format!("at://{did}/{POST}/{rkey}")
}

/// `did:METHOD:ID` of the documented characters.
pub(super) fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (did, method, id) =
        (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'%' | b'-');
    did == Some("did")
        && text.len() <= DID_BYTES_MAX
        && !method.is_empty()
        && method.bytes().all(|b| b.is_ascii_lowercase())
        && !id.is_empty()
        && id.bytes().all(allowed)
        && !id.ends_with([':', '%'])
}

fn is_rkey(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'~' | b'-');
    (1..=RKEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_has_two_addresses() {
        for (text, expected) in [
            ("at://did:plc:abc/app.bsky.feed.post/3k2", Some(("did:plc:abc", "3k2"))),
            ("at://Alice.example/app.bsky.feed.post/3k2", Some(("alice.example", "3k2"))),
            ("https://bsky.app/profile/alice.example/post/3k2", Some(("alice.example", "3k2"))),
            (
                "https://bsky.app/profile/did:web:a.example/post/3k2/?ref=x",
                Some(("did:web:a.example", "3k2")),
            ),
            ("https://bsky.app/profile/alice.example", None),
            ("https://bsky.app/profile/alice.example/feed/3k2", None),
            ("at://did:plc:abc/app.bsky.feed.like/3k2", None),
            ("https://other.example/profile/alice.example/post/3k2", None),
            ("at://alice/app.bsky.feed.post/3k2", None),
            ("at://did:plc:abc/app.bsky.feed.post/", None),
            ("at://did:plc:abc/app.bsky.feed.post/..", None),
            ("", None),
        ] {
            let read = Reference::parse(text);
            assert_eq!(read.as_ref().map(|r| (r.who.as_str(), r.rkey.as_str())), expected, "{text}");
        }
        for bad in ["did", "did:plc", "did:plc:", "did:PLC:a", "did:plc:a b", "did:plc:a/b", "DID:plc:a"] {
            assert!(!is_did(bad), "{bad}");
        }
    }
}
