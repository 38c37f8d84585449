//! What an author may write under a TikTok account, read strictly, and the schema that editors check it by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use crate::domain::capability::{Allow, Privacy};
use crate::domain::manifest::decode::{Mapping, boolean, integer, one_of, set_of, text};
use crate::domain::manifest::node::Node;
use crate::domain::manifest::report::Report;
use crate::domain::project::Mode;
use crate::domain::span::{Located, Span};
use crate::platform::Starter;

/// The latest frame that can be asked for; longer videos are not accepted anyway.
const COVER_MS_MAX: u64 = super::limits::VIDEO_DURATION_MS_MAX;

impl Privacy {
    /// As TikTok spells it (TikTok docs `ci`, read 2026-11-22).
    pub(super) fn level(self) -> &'static str {
        match self {
            Privacy::Public => "PUBLIC_TO_EVERYONE",
            Privacy::Friends => "MUTUAL_FOLLOW_FRIENDS",
            Privacy::Followers => "FOLLOWER_OF_CREATOR",
            Privacy::SelfOnly => "SELF_ONLY",
        }
    }

    pub(super) fn from_level(level: &str) -> Option<Privacy> {
        Privacy::ALL.into_iter().find(|privacy| privacy.level() == level)
    }
}

/// What is advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Disclosure {
    /// The creator's own business: TikTok shows "Promotional content".
    OwnBrand,
    /// A third party pays: TikTok shows "Paid partnership". Not possible with `self_only`.
    PaidPartnership,
}

/// Options as written, each with its place. The key's place is kept where the option as a whole may be wrong.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) privacy: Option<Keyed<Located<Privacy>>>,
    pub(super) allow: Option<Keyed<Vec<Located<Allow>>>>,
    pub(super) disclosure: Option<Keyed<Vec<Located<Disclosure>>>>,
    pub(super) ai_generated: Option<Keyed<Located<bool>>>,
    pub(super) cover_ms: Option<Keyed<Located<u64>>>,
    pub(super) cover: Option<Keyed<Located<u64>>>,
    pub(super) title: Option<Keyed<Located<String>>>,
    pub(super) auto_music: Option<Keyed<Located<bool>>>,
}

/// A value and the place of its key.
#[derive(Debug)]
pub(super) struct Keyed<T> {
    pub(super) value: T,
    pub(super) key: Span,
}

/// Reads the options; everything wrong with them goes to `report`.
pub(super) fn read(node: &Node, report: &Report) -> Options {
    let Some(mut m) = Mapping::new(node, report) else { return Options::default() };
    let options = Options {
        privacy: keyed(&mut m, report, "privacy", one_of),
        allow: keyed(&mut m, report, "allow", set_of),
        disclosure: keyed(&mut m, report, "disclosure", set_of),
        ai_generated: keyed(&mut m, report, "ai_generated", boolean),
        cover_ms: keyed(&mut m, report, "cover_ms", |n, r| integer(0..=COVER_MS_MAX)(n, r)),
        cover: keyed(&mut m, report, "cover", |n, r| integer(0..=super::limits::PHOTOS_MAX as u64 - 1)(n, r)),
        title: keyed(&mut m, report, "title", text),
        auto_music: keyed(&mut m, report, "auto_music", boolean),
    };
    // Read already, with the manifest; to be listed among what is possible.
    m.take("text");
    m.take(super::reply::OPTION);
    m.finish();
    options
}

fn keyed<T>(
    m: &mut Mapping<'_>,
    report: &Report,
    key: &'static str,
    read: impl FnOnce(&Node, &Report) -> Option<T>,
) -> Option<Keyed<T>> {
    let (key, node) = m.entry(key)?;
    read(node, report).map(|value| Keyed { value, key: key.span })
}

/// The options' form, for `gitcast schema`. `text` is read by the manifest's own reader.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "TikTok options")]
#[expect(dead_code, reason = "only its schema is used; values are read with their places by `read`")]
struct Schema {
    /// The text just for this account; it replaces the post's.
    text: Option<String>,
    /// Who may see the post. Required in direct mode, where TikTok allows no default; without effect in a draft.
    privacy: Option<Privacy>,
    /// What others may do with the post; everything is off unless listed. Photos allow `comment` only.
    #[serde(default)]
    allow: Vec<Allow>,
    /// What is advertised: nothing unless listed.
    #[serde(default)]
    disclosure: Vec<Disclosure>,
    /// Adds TikTok's label for AI-generated content.
    #[serde(default)]
    ai_generated: bool,
    /// Videos: the frame to use as cover, in milliseconds from the start.
    #[schemars(range(max = COVER_MS_MAX))]
    cover_ms: Option<u64>,
    /// Photos: which one is the cover, counted from 0.
    #[schemars(range(max = 34))]
    cover: Option<u64>,
    /// Photos: the title, at most 90 UTF-16 units.
    title: Option<String>,
    /// Photos: let TikTok add music.
    #[serde(default)]
    auto_music: bool,
    /// Makes it an answer to a comment below a video of the account: of a text alone, with no other option. It goes
    /// through TikTok's API for Business, and needs the account's `business_id`.
    reply_to: Option<super::reply::ReplyTo>,
}

/// The JSON Schema of what may stand under a TikTok account.
pub fn options_schema() -> schemars::Schema {
    schemars::schema_for!(Schema)
}

/// What a new manifest says under an account in this mode. `self_only` hides what somebody forgot to think of.
pub fn starter(mode: Mode) -> Starter {
    let lines: &[&str] = match mode {
        Mode::Draft => &["# A draft: what TikTok asks for, its creator chooses in the app."],
        Mode::Direct => &[
            "# Required, who may see it: public, friends, followers or self_only.",
            "privacy: self_only",
            "# What others may do: nothing unless listed.",
            "# allow: [comment, duet, stitch]",
            "# What is advertised.",
            "# disclosure: [own_brand]",
        ],
    };
    Starter { lines, needs_media: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privacy_has_one_spelling_here_and_one_at_tiktok() {
        for privacy in [Privacy::Public, Privacy::Friends, Privacy::Followers, Privacy::SelfOnly] {
            assert_eq!(Privacy::from_level(privacy.level()), Some(privacy));
            assert_eq!(serde_json::to_value(privacy).expect("json"), privacy.word());
        }
        assert_eq!(Privacy::from_level("SOMETHING_NEW"), None);
    }

    #[test]
    fn the_schema_knows_each_option_and_refuses_others() {
        let schema = serde_json::to_value(options_schema()).expect("json");
        let keys: Vec<_> = schema["properties"].as_object().expect("object").keys().cloned().collect();
        let expected = [
            "text",
            "privacy",
            "allow",
            "disclosure",
            "ai_generated",
            "cover_ms",
            "cover",
            "title",
            "auto_music",
            "reply_to",
        ];
        assert_eq!(keys, expected);
        assert_eq!(schema["additionalProperties"], false);
    }
}
