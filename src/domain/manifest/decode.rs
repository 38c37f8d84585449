//! From nodes to values: readers of scalars, and a mapping that knows which of its keys were asked for.
//!
//! A reader takes a node and gives a value, or reports why there is none. Nothing stops at the first error, so that
//! all problems of a file are seen in one run:
//!
//! ```
//! use gitcast::domain::manifest::{decode::{Mapping, boolean, one_of}, parse::parse, report::Report};
//! use gitcast::domain::project::Mode;
//!
//! let report = Report::new("content/a.yaml");
//! let node = parse(b"mode: direkt\nauditted: true\n", &report).unwrap();
//! let mut m = Mapping::new(&node, &report).unwrap();
//! let mode = m.optional("mode", one_of::<Mode>);
//! let audited = m.optional("audited", boolean);
//! m.finish();
//! let codes: Vec<_> = report.into_diagnostics().into_iter().map(|d| d.code).collect();
//! assert_eq!(codes, ["invalid-value", "unknown-key"]);
//! ```

use std::ops::RangeInclusive;

use serde::de::{DeserializeOwned, IntoDeserializer};

use super::node::{Node, Value};
use super::report::{Report, quote};
use crate::domain::span::{Located, Span};

/// How many possibilities are listed in a help text.
const LISTED_MAX: usize = 20;

/// A mapping being read. Ask for each key once, then [`finish`](Mapping::finish).
pub struct Mapping<'a> {
    entries: &'a [(Located<String>, Node)],
    /// Where a missing key is reported: the first entry, as the whole would be too much to show.
    place: Span,
    asked: Vec<&'static str>,
    report: &'a Report,
}

impl<'a> Mapping<'a> {
    /// Reports a node that is no mapping.
    pub fn new(node: &'a Node, report: &'a Report) -> Option<Mapping<'a>> {
        Mapping::or_help(node, report, "write `key: value` lines below it, indented")
    }

    /// Likewise, with help of the caller's.
    pub fn or_help(node: &'a Node, report: &'a Report, help: &str) -> Option<Mapping<'a>> {
        let Value::Mapping(entries) = &node.value else {
            wrong_type(node, report, "a mapping", help);
            return None;
        };
        let place = entries.first().map_or(node.span, |(key, _)| key.span);
        Some(Mapping { entries, place, asked: Vec::new(), report })
    }

    /// Missing keys are reported at `place` instead of the first entry.
    pub fn at(mut self, place: Span) -> Self {
        self.place = place;
        self
    }

    /// The node under `key`, now counted as known.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Key and node.
    pub fn entry(&mut self, key: &'static str) -> Option<&'a (Located<String>, Node)> {
        self.asked.push(key);
        self.entries.iter().find(|(k, _)| k.value == key)
    }

    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a Node, &'a Report) -> Option<T>,
    ) -> Option<T> {
        self.take(key).and_then(|node| read(node, self.report))
    }

    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a Node, &'a Report) -> Option<T>,
    ) -> Option<T> {
        let Some(node) = self.take(key) else {
            let finding = self.report.error("missing-key", self.place, format!("the key `{key}` is missing"));
            finding.help(format!("add `{key}:`"));
            return None;
        };
        read(node, self.report)
    }

    /// Reports every key that was not asked for.
    pub fn finish(self) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !self.asked.contains(&key.value.as_str())) {
            let finding =
                self.report.error("unknown-key", key.span, format!("unknown key {}", quote(&key.value)));
            finding.help(suggestion(&key.value, self.asked.iter().copied()));
        }
    }
}

/// `did you mean …?` if something is close, and all that is possible.
pub fn suggestion<'a>(wrong: &str, possible: impl Iterator<Item = &'a str>) -> String {
    let mut possible: Vec<&str> = possible.collect();
    let close = closest(wrong, &possible).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
    possible.sort_unstable();
    let more = if possible.len() > LISTED_MAX { ", …" } else { "" };
    match possible.is_empty() {
        true => "remove it".to_owned(),
        false => {
            format!("{close}possible here: {}{more}", possible[..possible.len().min(LISTED_MAX)].join(", "))
        }
    }
}

/// The candidate that a slip or two away from `wrong` leads to.
pub fn closest<'a>(wrong: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let slips_max = if wrong.len() < 5 { 1 } else { 2 };
    let distances = candidates.iter().map(|name| (distance(wrong, name), *name));
    distances.filter(|(d, _)| *d <= slips_max).min_by_key(|(d, _)| *d).map(|(_, name)| name)
}

/// Edit distance in bytes; insertions, deletions, replacements and swaps of neighbours count one each.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let (a, b) = (a.to_ascii_lowercase().into_bytes(), b.to_ascii_lowercase().into_bytes());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let changed = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
            row.push(if swapped { changed.min(before[j - 1] + 1) } else { changed });
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn wrong_type(node: &Node, report: &Report, expected: &str, help: &str) {
    let found = match &node.value {
        Value::Plain(letters) => quote(letters),
        Value::Text(letters) => format!("the text {}", quote(letters)),
        _ => node.kind().to_owned(),
    };
    let finding = report.error("invalid-type", node.span, format!("expected {expected}, found {found}"));
    finding.help(if node.value == Value::Null {
        "give it a value; a key without one is left out"
    } else {
        help
    });
}

/// Text as written: `no`, `017` and `1e3` keep their letters.
pub fn text(node: &Node, report: &Report) -> Option<Located<String>> {
    match &node.value {
        Value::Plain(text) | Value::Text(text) => Some(Located::new(text.clone(), node.span)),
        _ => {
            let help = "write the text behind the key, in quotes, or as a block after `|`";
            wrong_type(node, report, "text", help);
            None
        }
    }
}

/// `true` or `false`, and none of the other spellings that older YAML knows.
pub fn boolean(node: &Node, report: &Report) -> Option<Located<bool>> {
    match &node.value {
        Value::Plain(letters) if letters == "true" => Some(Located::new(true, node.span)),
        Value::Plain(letters) if letters == "false" => Some(Located::new(false, node.span)),
        _ => {
            wrong_type(node, report, "`true` or `false`", "write one of the two, without quotes");
            None
        }
    }
}

/// A whole number in `range`, in decimal digits without a leading zero.
pub fn integer(range: RangeInclusive<u64>) -> impl FnOnce(&Node, &Report) -> Option<Located<u64>> {
    move |node, report| {
        let digits = match &node.value {
            Value::Plain(letters) if is_decimal(letters) => letters,
            _ => {
                let help = "write digits alone, such as 20: no quotes, sign or leading zero";
                wrong_type(node, report, "a whole number", help);
                return None;
            }
        };
        match digits.parse() {
            Ok(number) if range.contains(&number) => Some(Located::new(number, node.span)),
            _ => {
                let finding =
                    report.error("invalid-value", node.span, format!("{} is out of range", quote(digits)));
                finding.help(format!("write a number from {} to {}", range.start(), range.end()));
                None
            }
        }
    }
}

fn is_decimal(letters: &str) -> bool {
    letters.bytes().all(|b| b.is_ascii_digit())
        && !letters.is_empty()
        && (letters == "0" || !letters.starts_with('0'))
}

/// A list, each item read by `read`. Items that cannot be read are left out, and reported. `help` is for what is none.
pub fn list<T>(
    mut read: impl FnMut(&Node, &Report) -> Option<T>,
    help: &'static str,
) -> impl FnOnce(&Node, &Report) -> Option<Vec<T>> {
    move |node, report| match &node.value {
        Value::Sequence(items) => Some(items.iter().filter_map(|item| read(item, report)).collect()),
        _ => {
            wrong_type(node, report, "a list", help);
            None
        }
    }
}

/// One of an enumeration's words. The words are those of its `Deserialize`, so JSON Schema and this agree.
pub fn one_of<T: DeserializeOwned>(node: &Node, report: &Report) -> Option<Located<T>> {
    let word = text(node, report)?;
    match T::deserialize(word.value.as_str().into_deserializer()) {
        Ok(value) => Some(Located::new(value, word.span)),
        Err(Words(words)) => {
            let finding =
                report.error("invalid-value", word.span, format!("unknown value {}", quote(&word.value)));
            finding.help(suggestion(&word.value, words.iter().copied()));
            None
        }
    }
}

/// Words that are each there at most once.
pub fn set_of<T: DeserializeOwned + PartialEq>(node: &Node, report: &Report) -> Option<Vec<Located<T>>> {
    let mut seen: Vec<Located<T>> = Vec::new();
    for item in list(one_of::<T>, "put it in brackets: `[a, b]`")(node, report)? {
        match seen.iter().find(|other| other.value == item.value) {
            Some(first) => {
                report
                    .error("invalid-value", item.span, "this is listed twice")
                    .related("it stands here first", first.span)
                    .help("keep one of the two");
            }
            None => seen.push(item),
        }
    }
    Some(seen)
}

/// What serde says when a word is no variant: the words that are.
#[derive(Debug)]
struct Words(&'static [&'static str]);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not one of the words")
    }
}

impl std::error::Error for Words {}

impl serde::de::Error for Words {
    fn custom<T: std::fmt::Display>(_: T) -> Words {
        Words(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Words {
        Words(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close() {
        assert_eq!(closest("privcy", &["privacy", "allow"]), Some("privacy"));
        assert_eq!(closest("Privacy", &["privacy", "allow"]), Some("privacy"));
        assert_eq!(closest("to", &["id", "to_"]), Some("to_"));
        assert_eq!(closest("txet", &["text", "to"]), Some("text"));
        assert_eq!(closest("fiel", &["url", "file"]), Some("file"));
        assert_eq!(closest("media", &["text", "allow"]), None);
        assert_eq!(closest("", &["text"]), None);
    }
}
