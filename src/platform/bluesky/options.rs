//! What an author may write under a Bluesky account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{LANGS_MAX, PARTS_MAX};
use super::reference::Reference;
use crate::domain::manifest::decode::{Mapping, boolean, integer, list, set_of, text};
use crate::domain::manifest::node::Node;
use crate::domain::manifest::post::MEDIA_MAX;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::span::{Located, Span};
use crate::platform::Starter;

/// The longest language tag (RFC 5646, section 4.4.1, has 35 for the longest that is likely).
const LANG_BYTES_MAX: usize = 35;

/// What a post holds that not everybody wants to see (lexicon `com.atproto.label.defs`, read 2026-11-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Label {
    Porn,
    Sexual,
    Nudity,
    GraphicMedia,
}

/// Who may reply (lexicon `app.bsky.feed.threadgate`, read 2026-11-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReplyRule {
    /// Whom the post mentions.
    Mentioned,
    /// Whom the account follows.
    Following,
    /// Who follows the account.
    Followers,
}

impl ReplyRule {
    pub(super) fn type_name(self) -> &'static str {
        match self {
            ReplyRule::Mentioned => "app.bsky.feed.threadgate#mentionRule",
            ReplyRule::Following => "app.bsky.feed.threadgate#followingRule",
            ReplyRule::Followers => "app.bsky.feed.threadgate#followerRule",
        }
    }
}

/// Options as written, each with its place.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) parts: Vec<Located<String>>,
    pub(super) langs: Vec<Located<String>>,
    pub(super) labels: Vec<Located<Label>>,
    pub(super) link: Option<LinkCard>,
    pub(super) quote: Option<Located<Reference>>,
    pub(super) reply: Option<Located<Reference>>,
    pub(super) replies: Option<(Span, Vec<Located<ReplyRule>>)>,
    pub(super) quotes: Option<Located<bool>>,
}

#[derive(Debug)]
pub(super) struct LinkCard {
    pub(super) url: Located<String>,
    pub(super) title: Located<String>,
    pub(super) description: Option<Located<String>>,
    /// Which of the post's media is its picture, counted from 0.
    pub(super) thumb: Option<Located<u64>>,
    pub(super) span: Span,
}

/// Reads the options; everything wrong with them goes to `report`.
pub(super) fn read(node: &Node, report: &Report) -> Options {
    let Some(mut m) = Mapping::new(node, report) else { return Options::default() };
    let options = Options {
        parts: m.optional("parts", parts).unwrap_or_default(),
        langs: m.optional("langs", langs).unwrap_or_default(),
        labels: m.optional("labels", set_of).unwrap_or_default(),
        link: m.optional("link", link),
        quote: m.optional("quote", reference),
        reply: m.optional("reply", reference),
        replies: m
            .entry("replies")
            .and_then(|(key, node)| set_of(node, report).map(|rules| (key.span, rules))),
        quotes: m.optional("quotes", boolean),
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

fn langs(node: &Node, report: &Report) -> Option<Vec<Located<String>>> {
    let langs = list(lang, "put it in brackets: `[en, de]`")(node, report)?;
    if let Some(extra) = langs.get(LANGS_MAX) {
        let message = format!("Bluesky takes at most {LANGS_MAX} languages");
        report.error("invalid-value", extra.span, message).help("keep those that the text is written in");
    }
    Some(langs)
}

fn lang(node: &Node, report: &Report) -> Option<Located<String>> {
    let written = text(node, report)?;
    let mut parts = written.value.split('-');
    let primary = parts.next().unwrap_or_default();
    let is_good = (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && written.value.len() <= LANG_BYTES_MAX;
    if is_good {
        return Some(written);
    }
    report
        .error("invalid-value", written.span, format!("{} is no language tag", quote(&written.value)))
        .help("write tags such as en or pt-BR");
    None
}

fn link(node: &Node, report: &Report) -> Option<LinkCard> {
    let mut m = Mapping::or_help(node, report, "write `url:` and `title:` below it")?;
    let url = m.required("url", web_address);
    let title = m.required("title", text);
    let description = m.optional("description", text);
    let thumb = m.optional("thumb", integer(0..=MEDIA_MAX as u64 - 1));
    m.finish();
    Some(LinkCard { url: url?, title: title?, description, thumb, span: node.span })
}

fn web_address(node: &Node, report: &Report) -> Option<Located<String>> {
    let written = text(node, report)?;
    match crate::domain::url::check_page(&written.value) {
        Ok(()) => Some(written),
        Err(why) => {
            let finding =
                report.error("invalid-url", written.span, format!("{} {why}", quote(&written.value)));
            finding.help("write the address of a page, such as https://example.com/news");
            None
        }
    }
}

fn reference(node: &Node, report: &Report) -> Option<Located<Reference>> {
    let written = text(node, report)?;
    let read = Reference::parse(&written.value);
    if read.is_none() {
        let message = format!("{} is no address of a Bluesky post", quote(&written.value));
        report
            .error("invalid-value", written.span, message)
            .help("write https://bsky.app/profile/NAME/post/KEY or at://NAME/app.bsky.feed.post/KEY");
    }
    read.map(|reference| Located::new(reference, written.span))
}

/// The options' form, for `gitcast schema`. `text` is read by the manifest's own reader.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Bluesky options")]
#[expect(dead_code, reason = "only its schema is used; values are read with their places by `read`")]
struct Schema {
    /// The text just for this account; it replaces the post's. At most 300 characters as people count them.
    text: Option<String>,
    /// The texts of further posts: each answers the one before, and all come at once.
    #[serde(default)]
    #[schemars(length(max = PARTS_MAX))]
    parts: Vec<String>,
    /// The languages that the text is written in, such as en or pt-BR.
    #[serde(default)]
    #[schemars(length(max = LANGS_MAX))]
    langs: Vec<String>,
    /// What not everybody wants to see.
    #[serde(default)]
    labels: Vec<Label>,
    /// A card for a page; a post has this, images, or a video.
    link: Option<LinkSchema>,
    /// The address of a post to quote.
    quote: Option<String>,
    /// The address of a post to reply to.
    reply: Option<String>,
    /// Who may reply: nobody if the list is empty, everybody unless it is there.
    replies: Option<Vec<ReplyRule>>,
    /// Whether others may quote the post; true unless written.
    quotes: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Link")]
#[expect(dead_code, reason = "likewise")]
struct LinkSchema {
    /// The page's address.
    url: String,
    title: String,
    description: Option<String>,
    /// Which of the post's media is the card's picture, counted from 0.
    thumb: Option<u64>,
}

/// The JSON Schema of what may stand under a Bluesky account.
pub fn options_schema() -> schemars::Schema {
    schemars::schema_for!(Schema)
}

/// What a new manifest says under an account: nothing is required.
pub const STARTER: Starter = Starter {
    lines: &[
        "# The languages of the text.",
        "# langs: [en]",
        "# Who may reply: everybody unless listed.",
        "# replies: [mentioned, following, followers]",
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
        assert_eq!(keys, ["text", "parts", "langs", "labels", "link", "quote", "reply", "replies", "quotes"]);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(serde_json::to_value(Label::GraphicMedia).expect("json"), "graphic-media");
    }
}
