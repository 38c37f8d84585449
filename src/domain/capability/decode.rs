//! From the tree of `accounts.lock.yaml` to what it says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::de::DeserializeOwned;

use super::{AccountsFile, Capabilities, Known, server};
use crate::domain::ids::AccountName;
use crate::domain::manifest::decode::{Mapping, boolean, integer, list, set_of, text};
use crate::domain::manifest::node::{Node, Value};
use crate::domain::manifest::post::account_name;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::project::decode::{ACCOUNTS_MAX, version};
use crate::domain::span::{Located, Span};
use crate::domain::url;

/// The longest name of a person or an account, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// The longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 128;
/// The most scopes, and the most prefixes, of one account.
pub const LISTED_MAX: usize = 100;
/// The longest video that an account may be allowed, in seconds: a day.
pub const VIDEO_SECONDS_MAX: u64 = 24 * 60 * 60;

/// The keys of what comes from the platform, so that it has a day.
const READ: [&str; 7] =
    ["username", "nickname", "scopes", "privacy", "disabled", "video_seconds_max", "server"];

/// What the file says, unless `report` says why not.
pub fn read(node: &Node, report: &Report) -> Option<AccountsFile> {
    let mut m = Mapping::new(node, report)?;
    m.required("version", version);
    let accounts = m.required("accounts", accounts);
    m.finish();
    accounts.filter(|_| !report.has_errors()).map(|accounts| AccountsFile { accounts })
}

fn accounts(node: &Node, report: &Report) -> Option<BTreeMap<AccountName, Known>> {
    if node.value == Value::Null {
        return Some(BTreeMap::new());
    }
    Mapping::new(node, report)?;
    let Value::Mapping(entries) = &node.value else { return None };
    if entries.len() > ACCOUNTS_MAX {
        let finding = report.error("invalid-value", node.span, format!("more than {ACCOUNTS_MAX} accounts"));
        finding.help("remove those that are not needed");
        return None;
    }
    Some(entries.iter().filter_map(|(key, node)| account(key, node, report)).collect())
}

fn account(key: &Located<String>, node: &Node, report: &Report) -> Option<(AccountName, Known)> {
    let name = account_name(key, report);
    let mut entry = Entry { m: Mapping::new(node, report)?.at(key.span), report, places: BTreeMap::new() };
    let facts = Capabilities {
        read_on: entry.get("read_on", day),
        username: entry.get("username", person),
        nickname: entry.get("nickname", person),
        scopes: entry.get("scopes", scopes),
        privacy: entry.get("privacy", words),
        disabled: entry.get("disabled", words),
        video_seconds_max: entry.get("video_seconds_max", integer(1..=VIDEO_SECONDS_MAX)).map(|n| n.value),
        server: entry.get("server", server::read),
        audited: entry.get("audited", boolean).map(|audited| audited.value),
        media_prefixes: entry.get("media_prefixes", prefixes).unwrap_or_default(),
    };
    let Entry { m, places, .. } = entry;
    m.finish();
    if let Some(read) = READ.iter().find_map(|key| places.get(key))
        && !places.contains_key("read_on")
    {
        let finding = report.error("missing-key", key.span, "the key `read_on` is missing");
        finding.related("this came from the platform", *read).help("add the day: `read_on: 2026-11-26`");
    }
    Some((name?.value, Known { facts, path: report.path().to_owned(), span: key.span, places }))
}

/// A mapping of which is kept where each value stands.
struct Entry<'a> {
    m: Mapping<'a>,
    report: &'a Report,
    places: BTreeMap<&'static str, Span>,
}

impl<'a> Entry<'a> {
    fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a Node, &'a Report) -> Option<T>,
    ) -> Option<T> {
        let node = self.m.take(key)?;
        self.places.insert(key, node.span);
        read(node, self.report)
    }
}

fn day(node: &Node, report: &Report) -> Option<Date> {
    let written = text(node, report)?;
    let day = written.value.parse::<Date>().ok().filter(|day| day.to_string() == written.value);
    if day.is_none() {
        let finding =
            report.error("invalid-value", written.span, format!("{} is no day", quote(&written.value)));
        finding.help("write it like 2026-11-26");
    }
    day
}

/// A name as people see it: one line, whatever its script.
pub(super) fn person(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    let why = match written.value.as_str() {
        name if name.chars().any(char::is_control) => "holds control characters".to_owned(),
        name if name.chars().count() > NAME_CHARS_MAX => {
            format!("is longer than {NAME_CHARS_MAX} characters")
        }
        "" => "is empty".to_owned(),
        _ => return Some(written.value),
    };
    let finding = report.error("invalid-value", written.span, format!("{} {why}", quote(&written.value)));
    finding.help(format!("remove it; {} writes it anew", super::RENEW));
    None
}

fn scopes(node: &Node, report: &Report) -> Option<BTreeSet<String>> {
    let scopes = list(scope, "write each on a line of its own, behind `- `")(node, report)?;
    bounded(node, report, scopes)
}

fn scope(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    if is_scope(&written.value) {
        return Some(written.value);
    }
    let finding =
        report.error("invalid-value", written.span, format!("{} is no scope", quote(&written.value)));
    finding.help("write the platform's own name of it, such as video.publish");
    None
}

/// Whether a platform could have granted this: printable ASCII without spaces (RFC 6749, section 3.3).
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.len() <= SCOPE_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic())
}

fn words<T: DeserializeOwned + Ord>(node: &Node, report: &Report) -> Option<BTreeSet<T>> {
    Some(set_of::<T>(node, report)?.into_iter().map(|word| word.value).collect())
}

fn prefixes(node: &Node, report: &Report) -> Option<BTreeSet<String>> {
    let prefixes = list(prefix, "write each on a line of its own, behind `- `")(node, report)?;
    bounded(node, report, prefixes)
}

fn prefix(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    match url::media_base(&written.value) {
        Ok(prefix) => Some(prefix),
        Err(why) => {
            let message = format!("{} {why}", quote(&written.value));
            let finding = report.error("invalid-url", written.span, message);
            finding.help("write what the platform has verified, such as https://media.example.com/");
            None
        }
    }
}

pub(super) fn bounded(node: &Node, report: &Report, items: Vec<String>) -> Option<BTreeSet<String>> {
    if items.len() > LISTED_MAX {
        let finding = report.error("invalid-value", node.span, format!("more than {LISTED_MAX} items"));
        finding.help("remove those that are not needed");
        return None;
    }
    Some(items.into_iter().collect())
}
