//! Text that others wrote, made harmless for a page.

use jiff::Timestamp;
use maud::{Markup, PreEscaped, Render, html};

use super::Site;
use crate::domain::telling;
use crate::domain::unseen::is_hidden;
use crate::domain::url;

/// No text on a page is longer, in characters: what a post may say on any platform, and more.
const CHARS_MAX: usize = 20_000;

/// The characters of the text, each with whether it hides; the rest of a text that is too long is `…`.
fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut previous = '\n';
    let mut chars = text.chars().peekable();
    let mut left = CHARS_MAX;
    std::iter::from_fn(move || {
        let c = chars.next()?;
        left = left.checked_sub(1)?;
        if left == 0 && chars.peek().is_some() {
            return Some(('…', false));
        }
        let hides = is_hidden(previous, c, chars.peek().copied().unwrap_or('\n'));
        previous = c;
        Some((c, hides))
    })
}

/// The text as it is, with what cannot be seen in it shown as an escape.
pub(super) fn visible(text: &str) -> Markup {
    let (mut out, mut seen) = (String::with_capacity(text.len() + 16), String::new());
    for (c, hides) in characters(text) {
        if hides {
            seen.render_to(&mut out);
            seen.clear();
            let escape = c.escape_unicode().to_string();
            html! { span.unseen title="a character that cannot be seen" { (escape) } }.render_to(&mut out);
        } else {
            seen.push(c);
        }
    }
    seen.render_to(&mut out);
    PreEscaped(out)
}

/// The same without marks, for the value of an attribute.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (c, hides) in characters(text) {
        if hides { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// At most `max` characters of the text on one line.
pub(super) fn short(text: &str, max: usize) -> Markup {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match folded.char_indices().nth(max) {
        None => visible(&folded),
        Some((at, _)) => visible(&format!("{}…", folded[..at].trim_end())),
    }
}

/// A link where the address is one of a web page, else its text alone.
pub(super) fn link(address: &str, shown: &str) -> Markup {
    match url::check_page(address) {
        Ok(()) => html! { a href=(address) rel="noopener noreferrer nofollow" { (visible(shown)) } },
        Err(_) => visible(shown),
    }
}

/// An instant, to the minute.
pub(super) fn time(at: Timestamp, site: &Site) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (telling::time(at, &site.zone)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup_and_nothing_is_unseen() {
        for (text, shown) in
            [("a <b> & \"c\"", "a &lt;b&gt; &amp; &quot;c&quot;"), ("👩‍👩‍👧", "👩‍👩‍👧"), ("é\nb", "é\nb")]
        {
            assert_eq!(visible(text).into_string(), shown);
        }
        let shown = visible("a\u{202e}b\u{1b}[31m").into_string();
        assert!(shown.contains(r">\u{202e}</span>b<span"), "{shown}");
        assert!(shown.contains(r">\u{1b}</span>[31m"), "{shown}");
        assert!(!shown.contains(['\u{202e}', '\u{1b}']), "{shown}");
        let of = |length: usize| visible(&"x".repeat(length)).into_string();
        assert_eq!(of(CHARS_MAX), "x".repeat(CHARS_MAX));
        assert_eq!(of(CHARS_MAX + 1), "x".repeat(CHARS_MAX - 1) + "…");
        assert_eq!(plain("a\u{202e}b"), r"a\u{202e}b");
        assert_eq!(short("a  b\nc d", 5).into_string(), "a b c…");
    }

    #[test]
    fn only_addresses_of_web_pages_become_links() {
        for address in [
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "//evil.example/x",
            "https://\"onclick=alert(1)",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!link(address, "x").into_string().contains("<a"), "{address}");
        }
        let good = link("https://example.com/?a=1&b=\"<x>", "<x>").into_string();
        assert!(!good.contains("<x>"), "{good}");
        assert!(link("https://example.com/a?b=1&c=2", "x").into_string().contains("b=1&amp;c=2"));
    }
}
