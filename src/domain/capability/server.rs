//! What a server says of itself, on platforms that are made of many servers with limits of their own.

use std::collections::BTreeSet;

use serde::Serialize;

use super::decode::{LISTED_MAX, NAME_CHARS_MAX, SCOPE_BYTES_MAX, bounded, person};
use crate::domain::manifest::decode::{Mapping, integer, list, text};
use crate::domain::manifest::node::Node;
use crate::domain::manifest::report::{Report, quote};

/// No limit of a server is larger than this; it stands for none.
pub const NUMBER_MAX: u64 = 1_000_000_000_000;

/// What the server did not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerFacts {
    /// Its own name: `mastodon`. In small letters.
    pub software: Option<String>,
    pub version: Option<String>,
    /// Characters of a text.
    pub text_chars_max: Option<u64>,
    /// Characters that any link counts for.
    pub link_chars: Option<u64>,
    /// Media in a post.
    pub media_max: Option<u64>,
    /// What media may be: `image/png`.
    pub media_types: Option<BTreeSet<String>>,
    pub image_bytes_max: Option<u64>,
    pub video_bytes_max: Option<u64>,
    /// Characters of a medium's description.
    pub alt_chars_max: Option<u64>,
    pub poll_options_max: Option<u64>,
    pub poll_option_chars_max: Option<u64>,
    /// How long a poll is open, in seconds.
    pub poll_seconds_min: Option<u64>,
    pub poll_seconds_max: Option<u64>,
}

impl ServerFacts {
    /// The same within the bounds of the file.
    pub fn bounded(self) -> ServerFacts {
        let name = |name: Option<String>| {
            let name = name?.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect::<String>();
            (!name.is_empty()).then_some(name)
        };
        let number = |number: Option<u64>| number.filter(|n| (1..=NUMBER_MAX).contains(n));
        ServerFacts {
            software: name(self.software),
            version: name(self.version),
            text_chars_max: number(self.text_chars_max),
            link_chars: number(self.link_chars),
            media_max: number(self.media_max),
            media_types: self
                .media_types
                .map(|types| types.into_iter().filter(|t| is_media_type(t)).take(LISTED_MAX).collect()),
            image_bytes_max: number(self.image_bytes_max),
            video_bytes_max: number(self.video_bytes_max),
            alt_chars_max: number(self.alt_chars_max),
            poll_options_max: number(self.poll_options_max),
            poll_option_chars_max: number(self.poll_option_chars_max),
            poll_seconds_min: number(self.poll_seconds_min),
            poll_seconds_max: number(self.poll_seconds_max),
        }
    }

    /// The numbers by their keys, in the order in which they are written.
    pub(super) fn numbers(&self) -> [(&'static str, Option<u64>); 10] {
        [
            ("text_chars_max", self.text_chars_max),
            ("link_chars", self.link_chars),
            ("media_max", self.media_max),
            ("image_bytes_max", self.image_bytes_max),
            ("video_bytes_max", self.video_bytes_max),
            ("alt_chars_max", self.alt_chars_max),
            ("poll_options_max", self.poll_options_max),
            ("poll_option_chars_max", self.poll_option_chars_max),
            ("poll_seconds_min", self.poll_seconds_min),
            ("poll_seconds_max", self.poll_seconds_max),
        ]
    }
}

pub(super) fn read(node: &Node, report: &Report) -> Option<ServerFacts> {
    let mut m = Mapping::new(node, report)?;
    let (software, version) = (m.optional("software", person), m.optional("version", person));
    let media_types = m.optional("media_types", media_types);
    let mut number = |key| m.optional(key, integer(1..=NUMBER_MAX)).map(|number| number.value);
    let facts = ServerFacts {
        software,
        version,
        media_types,
        text_chars_max: number("text_chars_max"),
        link_chars: number("link_chars"),
        media_max: number("media_max"),
        image_bytes_max: number("image_bytes_max"),
        video_bytes_max: number("video_bytes_max"),
        alt_chars_max: number("alt_chars_max"),
        poll_options_max: number("poll_options_max"),
        poll_option_chars_max: number("poll_option_chars_max"),
        poll_seconds_min: number("poll_seconds_min"),
        poll_seconds_max: number("poll_seconds_max"),
    };
    m.finish();
    Some(facts)
}

fn media_types(node: &Node, report: &Report) -> Option<BTreeSet<String>> {
    let types = list(media_type, "write each on a line of its own, behind `- `")(node, report)?;
    bounded(node, report, types)
}

fn media_type(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    if is_media_type(&written.value) {
        return Some(written.value);
    }
    let message = format!("{} is no media type", quote(&written.value));
    report.error("invalid-value", written.span, message).help("write it like image/png");
    None
}

/// `type/subtype` (RFC 6838, section 4.2).
fn is_media_type(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_');
    let part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    text.len() <= SCOPE_BYTES_MAX
        && text.split_once('/').is_some_and(|(kind, subtype)| part(kind) && part(subtype))
}
