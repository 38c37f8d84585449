//! Links, mentions and hashtags in a text: found here, since the server finds none (lexicon `app.bsky.richtext.facet`).
//!
//! They are counted in bytes of UTF-8, on the text as it is sent: whatever changes the text comes before.

use std::ops::Range;

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use super::limits::TAG_GRAPHEMES_MAX;
use super::reference::is_handle;

/// What stands before a link or a name without being a part of it.
const OPENERS: &[char] = &['(', '[', '{', '"', '\'', '“', '„', '«', '‘'];
/// What stands behind one, likewise.
const CLOSERS: &[char] =
    &['.', ',', ';', ':', '!', '?', '"', '\'', '”', '“', '»', '’', '…', ']', '}', '،', '؛', '؟', '。', '、'];
/// Characters of no width that some keyboards put around names.
const INVISIBLE: &[char] =
    &['\u{200b}', '\u{200e}', '\u{200f}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'];

/// Something in a text that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Link(String),
    /// A handle in small letters, without the `@`.
    Mention(String),
    /// Without the `#`.
    Tag(String),
}

/// All of them, in order; they do not overlap, as each lies within its own word.
pub(super) fn find(text: &str) -> Vec<Found> {
    words(text).filter_map(|(at, word)| found(at, word)).collect()
}

/// The handles that the text mentions, each once.
pub(super) fn mentions(text: &str) -> Vec<String> {
    let mut handles = Vec::new();
    for found in find(text) {
        if let What::Mention(handle) = found.what
            && !handles.contains(&handle)
        {
            handles.push(handle);
        }
    }
    handles
}

/// The facets of the text. `did` knows whom a handle belongs to; a mention of nobody stays plain text.
pub(super) fn facets(text: &str, did: impl Fn(&str) -> Option<String>) -> Vec<Value> {
    let facet = |found: Found| {
        let feature = match found.what {
            What::Link(uri) => json!({ "$type": "app.bsky.richtext.facet#link", "uri": uri }),
            What::Mention(handle) => {
                json!({ "$type": "app.bsky.richtext.facet#mention", "did": did(&handle)? })
            }
            What::Tag(tag) => json!({ "$type": "app.bsky.richtext.facet#tag", "tag": tag }),
        };
        let index = json!({ "byteStart": found.range.start, "byteEnd": found.range.end });
        Some(json!({ "index": index, "features": [feature] }))
    };
    find(text).into_iter().filter_map(facet).collect()
}

/// The words of the text, each with its place, without what opens and closes them.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(char::is_whitespace).filter(|word| !word.is_empty()).map(|word| {
        let outer = |c: char| OPENERS.contains(&c) || INVISIBLE.contains(&c);
        let inner = word.trim_start_matches(outer);
        (inner.as_ptr() as usize - text.as_ptr() as usize, inner)
    })
}

fn found(at: usize, word: &str) -> Option<Found> {
    let (length, what) = link(word).or_else(|| mention(word)).or_else(|| tag(word))?;
    Some(Found { range: at..at + length, what })
}

fn link(word: &str) -> Option<(usize, What)> {
    let lower = word.get(..8).or(word.get(..7)).unwrap_or_default().to_ascii_lowercase();
    let scheme = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme))?;
    let uri = without_closers(word);
    let host = uri.get(scheme.len()..)?.split(['/', '?', '#']).next().unwrap_or_default();
    let is_host = host.contains('.') && !host.starts_with('.') && !host.contains('@') || host == "localhost";
    is_host.then(|| (uri.len(), What::Link(uri.to_owned())))
}

fn mention(word: &str) -> Option<(usize, What)> {
    let rest = word.strip_prefix('@')?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).unwrap_or(rest.len());
    // A letter of another script goes on with the word: it is no handle then.
    if rest[end..].starts_with(char::is_alphanumeric) || rest[end..].starts_with(['@', '_', '/']) {
        return None;
    }
    let handle = rest[..end].trim_end_matches(['.', '-']);
    is_handle(handle).then(|| (1 + handle.len(), What::Mention(handle.to_ascii_lowercase())))
}

fn tag(word: &str) -> Option<(usize, What)> {
    let sign = word.chars().next().filter(|c| matches!(c, '#' | '＃'))?;
    let tag = without_closers(&word[sign.len_utf8()..]);
    let tag = tag.split(['#', '＃']).next().unwrap_or_default();
    let has_letter = tag.chars().any(|c| !c.is_ascii_digit() && !c.is_ascii_punctuation());
    // `#️⃣` is an emoji of a sign and a selector.
    let is_tag =
        has_letter && !tag.starts_with('\u{fe0f}') && tag.graphemes(true).count() <= TAG_GRAPHEMES_MAX;
    is_tag.then(|| (sign.len_utf8() + tag.len(), What::Tag(tag.to_owned())))
}

/// Without what ends a sentence; a bracket stays where it was opened inside.
fn without_closers(word: &str) -> &str {
    let mut rest = word;
    loop {
        let unbalanced = rest.ends_with(')') && rest.matches(')').count() > rest.matches('(').count();
        let shorter = match unbalanced {
            true => &rest[..rest.len() - 1],
            false => rest.trim_end_matches(|c| CLOSERS.contains(&c) || INVISIBLE.contains(&c)),
        };
        if shorter.len() == rest.len() {
            return rest;
        }
        rest = shorter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, What)> {
        find(text).into_iter().map(|found| (text[found.range].to_owned(), found.what)).collect()
    }

    fn link(text: &str) -> (String, What) {
        (text.to_owned(), What::Link(text.to_owned()))
    }

    fn mention(text: &str) -> (String, What) {
        (text.to_owned(), What::Mention(text[1..].to_lowercase()))
    }

    fn tag(text: &str) -> (String, What) {
        (text.to_owned(), What::Tag(text.trim_start_matches(['#', '＃']).to_owned()))
    }

    #[test]
    fn links_mentions_and_tags_are_found_whatever_stands_before_them() {
        for (text, expected) in [
            ("see https://a.example/x?y=1#z.", vec![link("https://a.example/x?y=1#z")]),
            ("👩‍👩‍👧‍👦 https://a.example", vec![link("https://a.example")]),
            ("e\u{301}a\u{308} é https://a.example/é, x", vec![link("https://a.example/é")]),
            ("שלום עולם https://a.example مرحبا #وسم، x", vec![link("https://a.example"), tag("#وسم")]),
            ("\u{200f}https://a.example\u{200f}", vec![link("https://a.example")]),
            (
                "(https://a.example/b_(c)) (see https://a.example/d)",
                vec![link("https://a.example/b_(c)"), link("https://a.example/d")],
            ),
            ("HTTPS://A.example http://b.example", vec![link("HTTPS://A.example"), link("http://b.example")]),
            ("https:// http://x xhttps://a.example a@b.example https://u@a.example", vec![]),
            (
                "@alice.example, @Bob.Example. (@c-d.example)",
                vec![mention("@alice.example"), mention("@Bob.Example"), mention("@c-d.example")],
            ),
            ("@alice @a.b.1 @.a.b @-a.b @a.example/x @é.example @a.exämple", vec![]),
            (
                "#rust #日本語 #a_b-c! ＃全角 #1st",
                vec![
                    tag("#rust"),
                    tag("#日本語"),
                    tag("#a_b-c"),
                    ("＃全角".to_owned(), What::Tag("全角".to_owned())),
                    tag("#1st"),
                ],
            ),
            ("# #1 #️⃣ ## a#b", vec![]),
            ("#a#b", vec![tag("#a")]),
            ("", vec![]),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        assert_eq!(shown(&format!("#{}", "a".repeat(64))).len(), 1);
        assert_eq!(shown(&format!("#{}", "a".repeat(65))).len(), 0);
    }

    #[test]
    fn facets_count_bytes_and_leave_unknown_people_out() {
        let text = "🎉 ü @a.example @b.example https://c.example";
        let facets = facets(text, |handle| (handle == "a.example").then(|| "did:plc:a".to_owned()));
        let expected = json!([
            { "index": { "byteStart": 8, "byteEnd": 18 },
              "features": [{ "$type": "app.bsky.richtext.facet#mention", "did": "did:plc:a" }] },
            { "index": { "byteStart": 30, "byteEnd": 47 },
              "features": [{ "$type": "app.bsky.richtext.facet#link", "uri": "https://c.example" }] },
        ]);
        assert_eq!(Value::from(facets), expected);
        assert_eq!(mentions("@a.example @A.example @b.example"), ["a.example", "b.example"]);
    }

    proptest::proptest! {
        /// Whatever the text, ranges lie on characters, in order, and do not overlap.
        #[test]
        fn ranges_are_sound(text in "[#＃@a-c.:/ ()\u{301}\u{200f}é🎉ا]{0,60}", more in "\\PC{0,20}") {
            let text = format!("{text} https://{more} {more}");
            let mut end = 0;
            for found in find(&text) {
                proptest::prop_assert!(found.range.start >= end && found.range.start < found.range.end);
                proptest::prop_assert!(text.get(found.range.clone()).is_some());
                end = found.range.end;
            }
        }
    }
}
