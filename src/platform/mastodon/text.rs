//! Texts as servers count them, and as they come back: turned into HTML, which only comparing looks into.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// What a link does not hold, and what stands behind one that ends a sentence.
const BREAKS: &[char] = &['<', '>', '"', '“', '”', '«', '»', '。', '、', '）', '」'];
const CLOSERS: &[char] = &['.', ',', ';', ':', '!', '?', '\'', ')', ']', '}', '…'];
/// The longest name of a character in HTML that is looked for.
const ENTITY_BYTES_MAX: usize = 10;

/// Characters (grapheme clusters) that a text counts for: a link counts for `link_chars`, and of `@user@host` only the
/// user counts (docs.joinmastodon.org, user/posting, read 2026-11-22).
pub(super) fn count(text: &str, link_chars: u64) -> u64 {
    let plain = |text: &str| without_hosts(text).graphemes(true).count() as u64;
    let (mut chars, mut rest) = (0_u64, text);
    while let Some(link) = next_link(rest) {
        chars = chars.saturating_add(plain(&rest[..link.start])).saturating_add(link_chars);
        rest = &rest[link.end..];
    }
    chars.saturating_add(plain(rest))
}

/// The first link that begins a word.
pub(super) fn next_link(text: &str) -> Option<Range<usize>> {
    let begins = |at: usize| {
        let scheme = ["https://", "http://"].into_iter().find(|scheme| {
            text.get(at..at + scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        })?;
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '#' | '$');
        let is_word = !text[..at].ends_with(is_inner);
        let rest = &text[at..];
        let end = rest.find(|c: char| c.is_whitespace() || BREAKS.contains(&c)).unwrap_or(rest.len());
        let link = rest[..end].trim_end_matches(CLOSERS);
        let host = link.get(scheme.len()..)?.split(['/', '?', '#']).next()?;
        (is_word && host.contains('.') && !host.starts_with('.')).then(|| at..at + link.len())
    };
    text.match_indices(['h', 'H']).find_map(|(at, _)| begins(at))
}

/// The text with `@user` for each `@user@host`.
fn without_hosts(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('@') {
        let begins = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '='));
        let name = &rest[at + 1..];
        let end = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
        let after = &name[end..];
        let host = after.strip_prefix('@').map_or(0, |host| {
            let host = &host[..host
                .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
                .unwrap_or(host.len())];
            host.trim_end_matches(['.', '-']).len()
        });
        out += &rest[..at + 1 + end];
        rest = if begins && end > 0 && host > 0 { &after[1 + host..] } else { after };
    }
    out + rest
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Whether a server's HTML shows `text`: letter by letter, but for white space and the hosts of mentions, which servers
/// set as they like.
pub(super) fn is_shown(text: &str, html: &str) -> bool {
    normal(text) == normal(&plain(html))
}

/// Whether two texts are the same but for white space around and between words.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

fn normal(text: &str) -> String {
    let is_seen = |c: &char| !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}');
    without_hosts(text).chars().filter(is_seen).collect()
}

/// What a person reads of a piece of HTML: without tags, with characters instead of their names.
fn plain(html: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(html.len()), html);
    while let Some(at) = rest.find(['<', '&']) {
        out += &rest[..at];
        rest = &rest[at..];
        let (read, length) = if rest.starts_with('<') { tag(rest) } else { entity(rest) };
        out.extend(read);
        rest = &rest[length..];
    }
    out + rest
}

/// A tag reads as a space where it ends a line.
fn tag(html: &str) -> (Option<char>, usize) {
    let Some(end) = html.find('>') else { return (Some('<'), 1) };
    let name = html[1..end].trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
    let ends_line = matches!(name, "br" | "p" | "div" | "li" | "blockquote" | "pre");
    (ends_line.then_some('\n'), end + 1)
}

fn entity(html: &str) -> (Option<char>, usize) {
    let end = html.bytes().take(ENTITY_BYTES_MAX).position(|b| b == b';');
    let character = end.and_then(|end| match &html[1..end] {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        name => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => digits.parse(),
            };
            char::from_u32(number.ok()?)
        }
    });
    match (character, end) {
        (Some(character), Some(end)) => (Some(character), end + 1),
        _ => (Some('&'), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_count_for_a_number_and_hosts_of_people_for_nothing() {
        let long = format!("https://example.com/{}", "a".repeat(400));
        for (text, chars) in [
            ("", 0),
            ("Größe 👩‍👩‍👧", 7),
            (long.as_str(), 23),
            (&format!("a {long} b {long}."), 23 + 23 + 6),
            ("http://a.b", 23),
            ("HTTPS://A.example/x", 23),
            ("(https://a.example/x).", 23 + 3),
            ("xhttps://a.example/x", 20),
            ("https://localhost/x", 19),
            ("https://", 8),
            ("@alice@example.social hi", 9),
            ("@alice@example.social. hi", 10),
            ("me@example.com", 14),
            ("@alice", 6),
            ("@@", 2),
            ("@a@b@c", 4),
            ("h", 1),
            ("日本https://a.example/日本。", 23 + 3),
        ] {
            assert_eq!(count(text, 23), chars, "{text}");
        }
        assert_eq!(count("https://a.example https://b.example", u64::MAX), u64::MAX);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn whatever_a_text_or_its_html_is_it_is_read(
            text in "[-a-z@./:<>&#;xX0-9 \u{200b}é👩\u{200d}]{0,60}",
            other in ".{0,40}",
        ) {
            for text in [&text, &other] {
                count(text, 23);
                let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                proptest::prop_assert!(is_shown(text, &html) && is_same(text, text));
                plain(text);
            }
        }
    }

    #[test]
    fn a_text_is_found_again_in_the_html_that_servers_make_of_it() {
        let mastodon = concat!(
            r#"<p>Hi <span class="h-card" translate="no"><a href="https://b.example/@bob" class="u-url mention">@<span>bob</span></a></span>"#,
            r#" 1 &lt; 2 &amp; &quot;x&quot; &#39;y&#39;<br />see <a href="https://example.com/a?b=1&amp;c=2" rel="nofollow"><span class="invisible">https://</span>"#,
            r#"<span class="ellipsis">example.com/a?b=</span><span class="invisible">1&amp;c=2</span></a></p><p><a href="x" class="mention hashtag">#<span>rust</span></a></p>"#
        );
        let text = "Hi @bob@b.example 1 < 2 & \"x\" 'y'\nsee https://example.com/a?b=1&c=2\n\n#rust\n";
        assert!(is_shown(text, mastodon));
        assert!(!is_shown("Hi", mastodon));
        for (text, html, same) in [
            ("", "", true),
            ("", "<p></p>", true),
            ("a", "", false),
            ("a b", "<p>a<br>b</p>", true),
            ("<b>", "&lt;b&gt;", true),
            ("é&", "&#xe9;&", true),
            ("&amp;", "&amp;amp;", true),
            ("a<", "a<", true),
            ("&bogus;", "&bogus;", true),
            ("&#x110000;", "&#x110000;", true),
            ("ü&ü", "ü&üüüüüüüüüü;", false),
            ("one", "two", false),
        ] {
            assert_eq!(is_shown(text, html), same, "{text} {html}");
        }
        assert!(is_same(" a\n b ", "a b") && !is_same("a", "b"));
    }
}
