//! What a Bluesky payload holds, frozen when an attempt starts.

use serde::{Deserialize, Serialize};

use super::options::{Label, ReplyRule};
use super::reference::Reference;
use crate::domain::payload::Payload;
use crate::platform::{Error, stored};

/// The form of [`Body`]; another one gets another number.
pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Without media.
    Text,
    Images,
    Video,
}

/// All that Bluesky gets to see but the media. Its JSON form decides whether a post has changed: what is at its default
/// is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) v: u32,
    pub(super) kind: Kind,
    /// As it is sent, without white space at its end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    /// The texts of the thread's other posts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<String>,
    /// One for each medium.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) alts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) langs: Vec<String>,
    /// Sorted, each once; `replies` likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<Link>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quote: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Reference>,
    /// Who may reply; everybody unless it is there, nobody if it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replies: Option<Vec<ReplyRule>>,
    /// Whether others may quote it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub(super) quotes: bool,
}

/// A link card. Its picture, if it has one, is the payload's only medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) url: String,
    pub(super) title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
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
}
