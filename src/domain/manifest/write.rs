//! Manifests as text, such that reading them gives exactly what was meant.

use std::fmt::Write;

use jiff::Timestamp;

use crate::domain::ids::{AccountName, PostId};

/// A post that was live before gitcast knew of it.
#[derive(Debug, Clone, Copy)]
pub struct Adopted<'a> {
    pub id: &'a PostId,
    pub account: &'a AccountName,
    /// When it was published, if the platform tells.
    pub at: Option<Timestamp>,
    /// As far as the platform tells it. It may hold anything.
    pub text: &'a str,
}

/// The manifest of a live post. `state: adopted` is why it can never be published by it.
pub fn adopted(post: &Adopted) -> String {
    let Adopted { id, account, at, text } = *post;
    let mut manifest = format!("id: {}\nstate: adopted\n", name(id.as_str()));
    if let Some(at) = at {
        manifest += &format!("publish_at: {at}\n");
    }
    if !text.is_empty() {
        manifest += &format!("text: {}\n", quoted(text));
    }
    manifest + &format!("to:\n  {}:\n", name(account.as_str()))
}

/// The manifest of an answer: a text for one account, with an option of its platform.
pub fn reply(
    id: &PostId,
    account: &AccountName,
    text: &str,
    (option, lines): &(&str, Vec<String>),
) -> String {
    let (id, account) = (name(id.as_str()), name(account.as_str()));
    let mut manifest = format!("id: {id}\ntext: {}\nto:\n  {account}:\n    {option}:\n", quoted(text));
    lines.iter().for_each(|line| manifest += &format!("      {line}\n"));
    manifest
}

/// A name as YAML reads it as a name: one that is a word of YAML's own stands in quotes.
pub fn name(name: &str) -> String {
    if name.eq_ignore_ascii_case("null") { format!("\"{name}\"") } else { name.to_owned() }
}

/// Any text as a scalar in double quotes, on one line. What cannot be seen, or changes how the rest is seen, is written
/// as an escape: who reviews the file sees what is there.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            c if is_plain(c) => quoted.push(c),
            // Writing to a string cannot fail.
            c => drop(write!(quoted, "\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether it stands for itself in a review. An emoji's joiner and variation selectors do; controls, separators, marks of
/// direction, the byte order mark, tags and what is no character do not.
fn is_plain(c: char) -> bool {
    let is_hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    let is_noncharacter = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    let is_odd_space = c.is_whitespace() && c != ' ';
    !(c.is_control() || is_hidden || is_noncharacter || is_odd_space)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::manifest::parse::parse;
    use crate::domain::manifest::post::post;
    use crate::domain::manifest::report::Report;
    use crate::domain::manifest::{DesiredState, Post};

    fn read(text: &str) -> Post {
        let report = Report::new("content/a.yaml");
        let node = parse(text.as_bytes(), &report);
        let post = node.and_then(|node| post(&node, &TimeZone::UTC, &report).post);
        post.unwrap_or_else(|| panic!("{text:?}: {:?}", report.into_diagnostics()))
    }

    fn written(text: &str) -> String {
        let (id, account) = ("tiktok-7".parse().expect("id"), "null".parse().expect("name"));
        let at = "2026-11-22T10:00:00Z".parse().ok();
        adopted(&Adopted { id: &id, account: &account, at, text })
    }

    #[test]
    fn a_manifest_reads_back_to_exactly_what_was_meant() {
        let long = "\"\\\n: # ".repeat(2_000);
        for text in [
            "We shipped. #rust",
            "",
            " ",
            "\n\n",
            "a\r\nb\rc\n",
            "\"\nstate: present\nto: {other: }\n#",
            "null",
            "- x\n---\n...\n",
            "%YAML 1.1\n&a *a !!str {{ ${HOME} }} <<",
            "\u{202e}drow\u{2066} \u{feff}\u{0}\u{7f}\u{85}\u{2028}\u{fffe}\u{10ffff}",
            "👩‍👩‍👧 ❤️ 日本語 עברית",
            "\\n \\u0041 \\",
            &long,
        ] {
            let post = read(&written(text));
            assert_eq!(post.text.map(|text| text.value).unwrap_or_default(), text);
            assert_eq!((post.id.value.as_str(), post.state), ("tiktok-7", DesiredState::Adopted));
            assert_eq!(post.publish_at.map(|at| at.value.as_second()), Some(1_795_341_600));
            assert_eq!(post.targets[0].account.value.as_str(), "null");
            assert_eq!(post.targets.len(), 1);
        }
    }

    #[test]
    fn every_character_reads_back_and_none_is_hidden() {
        for block in 0..=0x10ff_u32 {
            let text: String = (block << 8..(block + 1) << 8).filter_map(char::from_u32).collect();
            let manifest = written(&text);
            assert_eq!(read(&manifest).text.map(|text| text.value).unwrap_or_default(), text, "{block:x}00");
            let hidden = |c: char| c.is_control() && c != '\n';
            assert!(!manifest.contains(hidden) && !manifest.contains('\u{202e}'), "{block:x}00");
            assert_eq!(manifest.lines().count(), if text.is_empty() { 5 } else { 6 }, "{block:x}00");
        }
    }
}
