//! What a Mastodon payload holds, frozen when an attempt starts.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::options::Visibility;
use crate::domain::ids::ContentDigest;
use crate::domain::payload::{Payload, canonical};
use crate::platform::{Error, stored};

/// The form of [`Body`]; another one gets another number.
pub(super) const VERSION: u32 = 1;

/// All that a server gets to see but the media. Its JSON form decides whether a post has changed: what is at its default
/// is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) v: u32,
    /// As it is sent, without white space at its end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    /// The texts of the thread's other posts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<String>,
    /// One for each medium.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) alts: Vec<String>,
    #[serde(default, skip_serializing_if = "is_public")]
    pub(super) visibility: Visibility,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<String>,
    /// What readers are told before they see it; of each post of a thread.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) warning: String,
    /// Whether media are hidden until asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) sensitive: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) poll: Option<Poll>,
    /// The id of the post that is answered, and of the one that is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quote: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Poll {
    pub(super) options: Vec<String>,
    /// Seconds.
    pub(super) expires_in: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) multiple: bool,
    /// Whether numbers are shown only at the end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) hide_totals: bool,
}

fn is_public(visibility: &Visibility) -> bool {
    *visibility == Visibility::Public
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Body {
    /// The body of a payload from the ledger.
    pub(super) fn read(payload: &Payload) -> Result<Body, Error> {
        stored::body(payload, VERSION)
    }

    /// Of each post, in order.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.parts.iter().map(String::as_str))
    }

    /// What an edit cannot change (docs.joinmastodon.org, methods/statuses, read 2026-11-22). A poll could be, but its
    /// votes would be lost.
    pub(super) fn fixed(&self) -> ContentDigest {
        let fixed = json!({
            "visibility": self.visibility, "reply": self.reply, "quote": self.quote,
            "parts": self.parts.len(), "poll": self.poll,
        });
        ContentDigest::of(canonical(&fixed).as_bytes())
    }
}
