//! Text that others wrote, made harmless for a page.

use jiff::Timestamp;
use maud::{Markup, PreEscaped, Render, html};

use super::Site;
use crate::domain::telling;
use crate::domain::unseen::is_hidden;
use crate::domain::url;

/// No text on a page is longer, in characters: what a post may say on any platform, and more.
const CHARS_MAX: usize = 20_000;

/// The text as it is, with what cannot be seen in it shown as an escape.
pub(super) fn visible(text: &str) -> Markup {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut previous, mut plain) = ('\n', String::new());
    let mut chars = text.chars().peekable();
    for _ in 0..CHARS_MAX {
        let Some(c) = chars.next() else { break };
        if is_hidden(previous, c, chars.peek().copied().unwrap_or('\n')) {
            plain.render_to(&mut out);
            plain.clear();
            html! { span.unseen title="a character that cannot be seen" { (c.escape_unicode().to_string()) } }
                .render_to(&mut out);
        } else {
            plain.push(c);
        }
        previous = c;
    }
    if chars.peek().is_some() {
        plain.push('…');
    }
    plain.render_to(&mut out);
    PreEscaped(out)
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
        let long = visible(&"x".repeat(CHARS_MAX + 1)).into_string();
        assert_eq!(long.chars().count(), CHARS_MAX + 1);
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
