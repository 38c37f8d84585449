//! What Mastodon makes of a text: which pieces are links, hashtags and mentions, how long it counts, and the HTML that
//! other servers get (lib text_formatter.rs, extractor.rs, status_length_validator.rs; read 2026-11-22).

use unicode_segmentation::UnicodeSegmentation;

/// How much of an address is shown.
const SHOWN_MAX: usize = 30;
/// The longest address, in bytes (twitter-text).
const URL_MAX: usize = 4_096;

/// A piece of the text that means something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) kind: Kind,
    /// Bytes in the text.
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Url,
    Hashtag,
    Mention,
}

pub(super) fn entities(text: &str) -> Vec<Entity> {
    let (mut found, mut at) = (Vec::new(), 0);
    let mut before = None;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let is_free = before.is_none_or(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '/' | '='));
        let length = match letter {
            _ if !is_free => None,
            'h' | 'H' => url(rest).map(|length| (Kind::Url, length)),
            '#' => hashtag(rest).map(|length| (Kind::Hashtag, length)),
            '@' => mention(rest).map(|length| (Kind::Mention, length)),
            _ => None,
        };
        let step = match length {
            Some((kind, length)) => {
                found.push(Entity { kind, start: at, end: at + length });
                length
            }
            None => letter.len_utf8(),
        };
        before = text[at..at + step].chars().next_back();
        at += step;
    }
    found
}

/// `http://` or `https://`, a host with a dot, and what follows up to a blank; closing punctuation is not part of it.
fn url(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let ends = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '|' | '\\' | '^')
    };
    let text = &text[..text.floor_char_boundary(URL_MAX)];
    let mut address = &text[..text.find(ends).unwrap_or(text.len())];
    loop {
        let last = address.chars().next_back()?;
        let is_unbalanced = last == ')' && address.matches('(').count() < address.matches(')').count();
        if !is_unbalanced && !matches!(last, '.' | ',' | ':' | ';' | '!' | '?' | '\'' | ']' | '…' | '”' | '»')
        {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    let rest = address.get(scheme.len()..)?;
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let (name, top) = host.rsplit_once('.')?;
    let is_host = !name.is_empty() && top.len() >= 2 && top.chars().all(char::is_alphabetic);
    is_host.then_some(address.len())
}

/// Digits alone are none.
fn hashtag(text: &str) -> Option<usize> {
    let name: &str = text[1..].split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    name.chars().any(|c| c.is_alphabetic()).then_some(1 + name.len())
}

/// `@user` or `@user@host.example`.
fn mention(text: &str) -> Option<usize> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let word = |text: &str| {
        let word = &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())];
        word.trim_end_matches(['.', '-']).len()
    };
    let user = word(&text[1..]);
    if user == 0 || text[1..].starts_with(['.', '-']) {
        return None;
    }
    let rest = &text[1 + user..];
    let host = rest.strip_prefix('@').map_or(0, word);
    let is_followed = rest[if host > 0 { 1 + host } else { 0 }..].starts_with(['/', '@']) && host == 0;
    (!is_followed).then_some(1 + user + if host > 0 { 1 + host } else { 0 })
}

/// In characters as people see them: each address counts `per_url`, and a mention without its host.
pub(super) fn length(spoiler: &str, text: &str, per_url: usize) -> usize {
    let mut counted = spoiler.to_owned();
    let mut from = 0;
    for entity in entities(text) {
        counted.push_str(&text[from..entity.start]);
        let piece = &text[entity.start..entity.end];
        match entity.kind {
            Kind::Url => counted.push_str(&"x".repeat(per_url)),
            Kind::Mention => {
                counted.push_str(&piece[..piece[1..].find('@').map_or(piece.len(), |at| at + 1)])
            }
            Kind::Hashtag => counted.push_str(piece),
        }
        from = entity.end;
    }
    counted.push_str(&text[from..]);
    counted.graphemes(true).count()
}

/// Paragraphs, line breaks and links. `address_of` knows where those who are mentioned live, if they exist.
pub(super) fn render(text: &str, base_url: &str, address_of: impl Fn(&str) -> Option<String>) -> String {
    let text = text.trim_end().replace("\r\n", "\n");
    let (mut html, mut from) = (String::new(), 0);
    for entity in entities(&text) {
        let piece = &text[entity.start..entity.end];
        let linked = match entity.kind {
            Kind::Url => Some(link(piece)),
            Kind::Hashtag => {
                let name = &piece[1..];
                Some(format!(
                    "<a href=\"{base_url}/tags/{name}\" class=\"mention hashtag\" rel=\"tag\">#<span>{name}</span></a>"
                ))
            }
            Kind::Mention => address_of(&piece[1..]).map(|address| {
                let name = escape(piece[1..].split('@').next().unwrap_or_default());
                let address = escape(&address);
                format!(
                    "<span class=\"h-card\" translate=\"no\"><a href=\"{address}\" class=\"u-url mention\">@<span>{name}</span></a></span>"
                )
            }),
        };
        html.push_str(&escape(&text[from..entity.start]));
        html.push_str(&linked.unwrap_or_else(|| escape(piece)));
        from = entity.end;
    }
    html.push_str(&escape(&text[from..]));
    paragraphs(&html)
}

fn link(address: &str) -> String {
    let scheme = address.find("://").map_or(0, |at| at + 3);
    let hidden = match address[scheme..].starts_with("www.") {
        true => scheme + 4,
        false => scheme,
    };
    let (prefix, rest) = address.split_at(hidden);
    let cut = rest.char_indices().nth(SHOWN_MAX).map_or(rest.len(), |(at, _)| at);
    let (shown, suffix) = rest.split_at(cut);
    let class = if suffix.is_empty() { "" } else { "ellipsis" };
    let [address, prefix, shown, suffix] = [address, prefix, shown, suffix].map(escape);
    format!(
        "<a href=\"{address}\" target=\"_blank\" rel=\"nofollow noopener\" translate=\"no\"><span class=\"invisible\">{prefix}</span><span class=\"{class}\">{shown}</span><span class=\"invisible\">{suffix}</span></a>"
    )
}

/// Two line breaks or more part paragraphs; one is a break.
fn paragraphs(html: &str) -> String {
    let parts = html.split("\n\n").map(|part| part.trim_matches('\n')).filter(|part| !part.is_empty());
    parts.map(|part| format!("<p>{}</p>", part.replace('\n', "<br />"))).collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_text() {
        for (text, expected) in [
            ("see https://a.example/x?y=1.", vec!["https://a.example/x?y=1"]),
            ("(https://a.example/b_(c))", vec!["https://a.example/b_(c)"]),
            ("http://127.0.0.1:4010/ and http://x", vec![]),
            ("#rust #2026 #год2026 a#b x/#c", vec!["#rust", "#год2026"]),
            ("@me, @you@host.example. me@mail.example", vec!["@me", "@you@host.example"]),
            ("https://a.example/@you#x", vec!["https://a.example/@you#x"]),
            ("# @ h hhttps://a.example @@ @.a @-", vec![]),
        ] {
            let found: Vec<_> = entities(text).iter().map(|found| &text[found.start..found.end]).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn addresses_and_hosts_do_not_count_in_full() {
        for (spoiler, text, expected) in [
            ("", "äé🎉👩‍👩‍👧", 4),
            ("cw", "text", 6),
            ("", "https://a.example", 23),
            ("", "x https://a.example/a/very/long/address/indeed/it/is", 25),
            ("", "@you@host.example hi", 7),
        ] {
            assert_eq!(length(spoiler, text, 23), expected, "{text}");
        }
    }

    #[test]
    fn text_becomes_html_that_holds_no_other() {
        let nobody = |_: &str| None;
        for (text, expected) in [
            ("a\nb\n\nc", "<p>a<br />b</p><p>c</p>"),
            ("<b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#39;</p>"),
            ("@a@b.example", "<p>@a@b.example</p>"),
            ("", ""),
        ] {
            assert_eq!(render(text, "http://h", nobody), expected);
        }
        let tag = render("#ab", "http://h", nobody);
        assert_eq!(
            tag,
            "<p><a href=\"http://h/tags/ab\" class=\"mention hashtag\" rel=\"tag\">#<span>ab</span></a></p>"
        );
        let link = render("https://www.a.example/0123456789012345678901234567", "http://h", nobody);
        assert!(
            link.contains("<span class=\"invisible\">https://www.</span><span class=\"ellipsis\">a.example/"),
            "{link}"
        );
        let known = render("@me", "http://h", |name| (name == "me").then(|| "http://h/@me".to_owned()));
        assert!(
            known.contains("<a href=\"http://h/@me\" class=\"u-url mention\">@<span>me</span></a>"),
            "{known}"
        );
    }
}
