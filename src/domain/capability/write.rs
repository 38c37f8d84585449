//! The file as it is written: the same facts make the same bytes, one line for each, so that a diff can be read.

use std::collections::BTreeMap;

use super::{Capabilities, ServerFacts};
use crate::domain::ids::AccountName;

const HEAD: &str = "\
# What platforms say about this project's accounts. It holds no secret: commit it.
# Written by `gitcast auth status --write` and `gitcast auth audit`; `validate` and `plan` read it, offline.
# Addresses that you have verified with a platform belong under `media_prefixes`: they are kept.
version: 1
";

/// The whole file. Accounts of which nothing is known are left out.
pub fn write(accounts: &BTreeMap<AccountName, Capabilities>) -> String {
    let known: Vec<_> = accounts.iter().filter(|(_, facts)| facts.has_facts()).collect();
    let mut out = HEAD.to_owned();
    out += if known.is_empty() { "accounts: {}\n" } else { "accounts:\n" };
    for (name, facts) in known {
        out += &format!("  {}:\n", scalar(name.as_str()));
        account(facts, &mut out);
    }
    out
}

fn account(facts: &Capabilities, out: &mut String) {
    let mut value = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            *out += &format!("    {key}: {value}\n");
        }
    };
    value("read_on", facts.read_on.map(|day| day.to_string()));
    value("username", facts.username.as_deref().map(quoted));
    value("nickname", facts.nickname.as_deref().map(quoted));
    value("audited", facts.audited.map(|audited| audited.to_string()));
    value("video_seconds_max", facts.video_seconds_max.map(|seconds| seconds.to_string()));
    let mut items = |key: &str, items: Option<Vec<String>>| match items {
        None => {}
        Some(items) if items.is_empty() => *out += &format!("    {key}: []\n"),
        Some(items) => {
            *out += &format!("    {key}:\n");
            items.iter().for_each(|item| *out += &format!("      - {item}\n"));
        }
    };
    items("privacy", facts.privacy.as_ref().map(|all| all.iter().map(|p| p.word().to_owned()).collect()));
    items("disabled", facts.disabled.as_ref().map(|all| all.iter().map(|a| a.word().to_owned()).collect()));
    items("scopes", facts.scopes.as_ref().map(|all| all.iter().map(|scope| scalar(scope)).collect()));
    let prefixes = facts.media_prefixes.iter().map(|prefix| scalar(prefix)).collect::<Vec<_>>();
    items("media_prefixes", Some(prefixes).filter(|prefixes| !prefixes.is_empty()));
    if let Some(facts) = &facts.server {
        server(facts, out);
    }
}

fn server(facts: &ServerFacts, out: &mut String) {
    if *facts == ServerFacts::default() {
        *out += "    server: {}\n";
        return;
    }
    *out += "    server:\n";
    for (key, name) in [("software", &facts.software), ("version", &facts.version)] {
        if let Some(name) = name {
            *out += &format!("      {key}: {}\n", quoted(name));
        }
    }
    for (key, number) in facts.numbers() {
        if let Some(number) = number {
            *out += &format!("      {key}: {number}\n");
        }
    }
    match &facts.media_types {
        None => {}
        Some(types) if types.is_empty() => *out += "      media_types: []\n",
        Some(types) => {
            *out += "      media_types:\n";
            types.iter().for_each(|one| *out += &format!("        - {}\n", scalar(one)));
        }
    }
}

/// As it is where nobody can read it as something else, else in quotes.
fn scalar(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let rest = text.strip_prefix("https://").unwrap_or(text);
    let is_word = matches!(text, "null" | "Null" | "NULL" | "true" | "false");
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) && rest.bytes().all(plain);
    if is_plain && !is_word { text.to_owned() } else { quoted(text) }
}

/// In double quotes. What is not seen, or changes what is seen, is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\'' => out.push(c),
            c if c.escape_debug().len() == 1 => out.push(c),
            c => out += &format!("\\U{:08X}", u32::from(c)),
        }
    }
    out.push('"');
    out
}
