//! What an author may write under a Mastodon account.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{PARTS_MAX, POLL_OPTIONS_MIN};
use crate::domain::manifest::decode::{Mapping, boolean, list, one_of, text};
use crate::domain::manifest::node::Node;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::time::duration;
use crate::domain::span::{Located, Span};
use crate::platform::Starter;

/// The longest language tag (RFC 5646, section 4.4.1, has 35 for the longest that is likely).
const LANGUAGE_BYTES_MAX: usize = 35;

/// Who gets to see a post (docs.joinmastodon.org, entities/Status, read 2026-11-22).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Visibility {
    /// Everybody.
    #[default]
    Public,
    /// Everybody, but it is not in public timelines.
    Unlisted,
    /// Followers.
    Private,
    /// Whom it mentions.
    Direct,
}

impl Visibility {
    pub(super) fn word(self) -> &'static str {
        match self {
            Visibility::Public => "public",
            Visibility::Unlisted => "unlisted",
            Visibility::Private => "private",
            Visibility::Direct => "direct",
        }
    }
}

/// Options as written, each with its place.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) parts: Vec<Located<String>>,
    pub(super) visibility: Option<Located<Visibility>>,
    pub(super) language: Option<Located<String>>,
    pub(super) warning: Option<Located<String>>,
    pub(super) sensitive: Option<(Span, Located<bool>)>,
    pub(super) poll: Option<WrittenPoll>,
    pub(super) reply: Option<Located<String>>,
    pub(super) quote: Option<Located<String>>,
}

#[derive(Debug)]
pub(super) struct WrittenPoll {
    pub(super) options: Vec<Located<String>>,
    /// With its place.
    pub(super) expires_in: (SignedDuration, Span),
    pub(super) multiple: bool,
    pub(super) hide_totals: bool,
    /// Of its key.
    pub(super) span: Span,
}

/// Reads the options; everything wrong with them goes to `report`.
pub(super) fn read(node: &Node, report: &Report) -> Options {
    let Some(mut m) = Mapping::new(node, report) else { return Options::default() };
    let options = Options {
        parts: m.optional("parts", parts).unwrap_or_default(),
        visibility: m.optional("visibility", one_of),
        language: m.optional("language", language),
        warning: m.optional("warning", text),
        sensitive: m
            .entry("sensitive")
            .and_then(|(key, node)| boolean(node, report).map(|flag| (key.span, flag))),
        poll: m.entry("poll").and_then(|(key, node)| poll(key.span, node, report)),
        reply: m.optional("reply", text),
        quote: m.optional("quote", text),
    };
    // Read already, with the manifest; to be listed among what is possible.
    m.take("text");
    m.finish();
    options
}

fn parts(node: &Node, report: &Report) -> Option<Vec<Located<String>>> {
    let parts = list(text, "write each text as `- TEXT` on a line below")(node, report)?;
    if let Some(extra) = parts.get(PARTS_MAX) {
        let message = format!("a thread has at most {PARTS_MAX} posts behind the first");
        report.error("invalid-value", extra.span, message).help("make a second thread");
    }
    Some(parts)
}

fn language(node: &Node, report: &Report) -> Option<Located<String>> {
    let written = text(node, report)?;
    let mut parts = written.value.split('-');
    let primary = parts.next().unwrap_or_default();
    let is_good = (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && written.value.len() <= LANGUAGE_BYTES_MAX;
    if is_good {
        return Some(written);
    }
    let finding =
        report.error("invalid-value", written.span, format!("{} is no language", quote(&written.value)));
    finding.help("write its code, such as en or pt-BR");
    None
}

fn poll(span: Span, node: &Node, report: &Report) -> Option<WrittenPoll> {
    let mut m = Mapping::or_help(node, report, "write `options:` and `expires_in:` below it")?.at(span);
    let options = m.required("options", answers);
    let expires_in = m.required("expires_in", |node, report| Some((duration(node, report)?, node.span)));
    let multiple = m.optional("multiple", boolean).is_some_and(|flag| flag.value);
    let hide_totals = m.optional("hide_totals", boolean).is_some_and(|flag| flag.value);
    m.finish();
    Some(WrittenPoll { options: options?, expires_in: expires_in?, multiple, hide_totals, span })
}

fn answers(node: &Node, report: &Report) -> Option<Vec<Located<String>>> {
    let answers = list(text, "write each answer as `- TEXT` on a line below")(node, report)?;
    if answers.len() < POLL_OPTIONS_MIN {
        let message = format!("a poll has at least {POLL_OPTIONS_MIN} answers");
        report.error("invalid-value", node.span, message).help("add one");
    }
    let mut seen = BTreeSet::new();
    for answer in &answers {
        let trimmed = answer.value.trim();
        let what = if trimmed.is_empty() { "this answer is empty" } else { "this answer is there twice" };
        if trimmed.is_empty() || !seen.insert(trimmed) {
            report.error("invalid-value", answer.span, what).help("change it, or remove it");
        }
    }
    Some(answers)
}

/// The options' form, for `gitcast schema`. `text` is read by the manifest's own reader.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Mastodon options")]
#[expect(dead_code, reason = "only its schema is used; values are read with their places by `read`")]
struct Schema {
    /// The text just for this account; it replaces the post's. At most 500 characters on most servers.
    text: Option<String>,
    /// The texts of further posts: each answers the one before. They come one after the other.
    #[serde(default)]
    #[schemars(length(max = PARTS_MAX))]
    parts: Vec<String>,
    /// Who gets to see it; public unless written.
    visibility: Option<Visibility>,
    /// The language that it is written in, such as en or pt-BR.
    language: Option<String>,
    /// What readers are told before they ask for the text.
    warning: Option<String>,
    /// Whether media are hidden until asked for; so they are behind a warning.
    sensitive: Option<bool>,
    poll: Option<PollSchema>,
    /// The post to answer: its id, or its address at the account's own server.
    reply: Option<String>,
    /// The post to quote, likewise. From Mastodon 4.5 on.
    quote: Option<String>,
}

/// A question with answers to choose from; without media.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Poll")]
#[expect(dead_code, reason = "likewise")]
struct PollSchema {
    #[schemars(length(min = POLL_OPTIONS_MIN))]
    options: Vec<String>,
    /// How long it is open, such as 1d.
    expires_in: String,
    /// Whether several answers may be chosen; false unless written.
    multiple: Option<bool>,
    /// Whether numbers are shown only at its end; false unless written.
    hide_totals: Option<bool>,
}

/// The JSON Schema of what may stand under a Mastodon account.
pub fn options_schema() -> schemars::Schema {
    schemars::schema_for!(Schema)
}

/// What a new manifest says under an account: nothing is required.
pub const STARTER: Starter = Starter {
    lines: &[
        "# Who may see it: public unless written.",
        "# visibility: unlisted",
        "# The language of the text.",
        "# language: en",
    ],
    needs_media: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_each_option_and_refuses_others() {
        let schema = serde_json::to_value(options_schema()).expect("json");
        let keys: Vec<_> = schema["properties"].as_object().expect("object").keys().cloned().collect();
        let expected =
            ["text", "parts", "visibility", "language", "warning", "sensitive", "poll", "reply", "quote"];
        assert_eq!(keys, expected);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(serde_json::to_value(Visibility::Unlisted).expect("json"), Visibility::Unlisted.word());
    }
}
