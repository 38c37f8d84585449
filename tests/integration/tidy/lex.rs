//! Just enough of Rust's grammar to find the paths in a source.

/// `text` with comments and literals blanked, lines kept.
pub(super) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = skipped(&chars[at..], at.checked_sub(1).map(|before| chars[before]));
        let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
        match length {
            0 => out.push(chars[at]),
            length => out.extend(chars[at..at + length].iter().map(blank)),
        }
        at += length.max(1);
    }
    out
}

/// The length of the comment or literal that begins here; 0 if none does.
fn skipped(rest: &[char], before: Option<char>) -> usize {
    let word_before = before.is_some_and(is_word);
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r', '"' | '#', ..] if !word_before || before == Some('b') => raw_string(rest),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0; // A raw identifier.
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[hashes + 2..];
    let length = body.windows(end.len()).position(|window| window == end).unwrap_or(body.len());
    (hashes + 2 + length + end.len()).min(rest.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// Words, `::`, and every other visible character by itself.
pub(super) fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            tokens.push(Token { text: rest[..length].to_owned(), line: line + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// `tokens` without the items under `#[cfg(test)]`.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let marked = tokens[at..].iter().map(|t| t.text.as_str()).take(marker.len()).eq(marker);
        if marked {
            at += marker.len() + item(&tokens[at + marker.len()..]);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The length of the item that begins here: to its `;`, or to the end of its block.
fn item(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// A path as written, groups taken apart: `use a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let (mut paths, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if starts_path(tokens, at) {
            at = tree(tokens, at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

fn starts_path(tokens: &[Token], at: usize) -> bool {
    let word = tokens[at].text.chars().next().is_some_and(is_word);
    let member = at > 0 && tokens[at - 1].text == ".";
    word && !member && tokens.get(at + 1).is_some_and(|next| next.text == "::")
        || word && at > 0 && tokens[at - 1].text == "use"
}

/// Reads one branch of a tree of paths and returns the place behind it.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], paths: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            return group(tokens, at + 1, &segments, paths);
        }
        if token.text != "*" && !token.text.starts_with(is_word) {
            break; // `::<`
        }
        segments.push(token.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|next| next.text != "::") {
            break;
        }
        at += 1;
    }
    paths.push(Path { segments, line });
    at
}

fn group(tokens: &[Token], mut at: usize, prefix: &[String], paths: &mut Vec<Path>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "}" => return at + 1,
            "," => at += 1,
            "as" => at += 2,
            _ => at = tree(tokens, at, prefix, paths).max(at + 1),
        }
    }
    at
}

/// The modules that a source declares in files of their own.
pub(super) fn declared(tokens: &[Token]) -> Vec<String> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    texts.windows(3).filter(|w| w[0] == "mod" && w[2] == ";").map(|w| w[1].to_owned()).collect()
}

#[test]
fn comments_and_literals_hold_no_code() {
    for (text, expected) in [
        ("a // crate::x\nb", "a            \nb"),
        ("/* a /* b */ c */d", "                 d"),
        (r#"f("a\"::b", 'c', '\'', x)"#, "f(        ,    ,     , x)"),
        (r###"r#"a"b"# r"c" br"d" r#type x"###, "              b     r#type x"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn groups_are_taken_apart() {
    let text =
        "use a::{b, c::{self as s, d::*}};\nlet x = e::f::<g::H>(k.l()); use m;\npub use self::n as o;";
    let found = paths(&tokens(text));
    let found: Vec<String> = found.iter().map(|p| format!("{}:{}", p.line, p.segments.join("::"))).collect();
    assert_eq!(found, ["1:a::b", "1:a::c::self", "1:a::c::d::*", "2:e::f", "2:g::H", "2:m", "3:self::n"]);
}

#[test]
fn test_items_are_left_out() {
    let text =
        "a #[cfg(test)] mod t { b { c } } d #[cfg(test)] mod e; f #[cfg(test)] fn g() -> [u8; 2] { h } i";
    let kept: Vec<String> = without_tests(&tokens(text)).into_iter().map(|token| token.text).collect();
    assert_eq!(kept, ["a", "d", "f", "i"]);
}
