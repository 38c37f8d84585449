//! What platforms said about a project's accounts, kept in `content/accounts.lock.yaml`, so that what would be refused
//! is told offline and without a login.
//!
//! The facts may be old: they warn, and change neither a payload nor its digest. One of them is no fact but a decision:
//! whether the platform has audited the app, where `gitcast.yaml` does not say it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::ids::AccountName;
use super::manifest::decode::suggestion;
use super::manifest::report::quote;
use super::project::Project;
use super::span::Span;

pub mod decode;
pub mod server;
#[cfg(test)]
mod tests;
mod write;

pub use server::ServerFacts;
pub use write::write;

/// The file's name, at the top of `content/`.
pub const FILE: &str = "accounts.lock.yaml";

/// The command that reads the facts anew.
pub const RENEW: &str = "`gitcast auth status --write`";

/// Facts that were read longer ago than this are told to be old: settings of an account change in a season.
pub const FRESH_DAYS: i64 = 90;

/// By so much the clock of the machine that asked may have been ahead.
const AHEAD_DAYS: i64 = 1;

/// Who may see a post, in the words of manifests.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// Everyone. TikTok offers it to public accounts whose app it has audited.
    Public,
    /// Followers that the creator follows back.
    Friends,
    /// Followers. TikTok offers it to private accounts.
    Followers,
    /// Only the creator.
    SelfOnly,
}

impl Privacy {
    pub const ALL: [Privacy; 4] = [Privacy::Public, Privacy::Friends, Privacy::Followers, Privacy::SelfOnly];

    pub fn word(self) -> &'static str {
        match self {
            Privacy::Public => "public",
            Privacy::Friends => "friends",
            Privacy::Followers => "followers",
            Privacy::SelfOnly => "self_only",
        }
    }
}

/// What others may do with a post, likewise.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    Comment,
    Duet,
    Stitch,
}

impl Allow {
    pub const ALL: [Allow; 3] = [Allow::Comment, Allow::Duet, Allow::Stitch];

    pub fn word(self) -> &'static str {
        match self {
            Allow::Comment => "comment",
            Allow::Duet => "duet",
            Allow::Stitch => "stitch",
        }
    }
}

/// What is known of one account. What the platform did not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The day, in UTC, on which the platform was asked. There whenever one of the next seven is.
    pub read_on: Option<Date>,
    pub username: Option<String>,
    pub nickname: Option<String>,
    /// What the login was granted.
    pub scopes: Option<BTreeSet<String>>,
    /// Who may be let see a post.
    pub privacy: Option<BTreeSet<Privacy>>,
    /// What the creator has turned off for all posts.
    pub disabled: Option<BTreeSet<Allow>>,
    pub video_seconds_max: Option<u64>,
    /// What the account's server says of itself, on platforms that are made of many.
    pub server: Option<ServerFacts>,
    /// Whether the platform has audited the app: said by a person, as no platform tells.
    pub audited: Option<bool>,
    /// Addresses from which the platform may pull media: each ends in a slash.
    pub media_prefixes: BTreeSet<String>,
}

impl Capabilities {
    /// These facts after the platform was asked again. What people say stays. Where the platform `bars` the account from
    /// posting at present, it does not tell what posts may be: that stays as it was, with its day.
    pub fn renewed(&self, read: Capabilities, bars: bool) -> Capabilities {
        let mut media_prefixes = self.media_prefixes.clone();
        let room = decode::LISTED_MAX.saturating_sub(media_prefixes.len());
        let more: Vec<_> = read.media_prefixes.difference(&media_prefixes).take(room).cloned().collect();
        media_prefixes.extend(more);
        let mut renewed = Capabilities { audited: self.audited, media_prefixes, ..read };
        if bars && self.read_on.is_some() {
            renewed.read_on = self.read_on;
            renewed.privacy = self.privacy.clone();
            renewed.disabled = self.disabled.clone();
            renewed.video_seconds_max = self.video_seconds_max;
        }
        renewed
    }

    /// Whether the platform may pull from `url`, as far as is known: where no prefix is known, nothing is.
    pub fn may_pull(&self, url: &str) -> bool {
        self.media_prefixes.is_empty()
            || self.media_prefixes.iter().any(|prefix| super::url::covers(prefix, url))
    }

    pub fn has_facts(&self) -> bool {
        *self != Capabilities::default()
    }
}

/// What the file says about one account, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub facts: Capabilities,
    /// The file, relative to the project's root.
    pub path: String,
    /// Of the account's name.
    pub span: Span,
    places: BTreeMap<&'static str, Span>,
}

impl Known {
    /// Where the file says it; the account's name where it does not.
    pub fn place(&self, key: &str) -> Span {
        self.places.get(key).copied().unwrap_or(self.span)
    }

    /// When the platform was asked, for a message: `read on 2026-11-26`.
    pub fn when(&self) -> String {
        self.facts.read_on.map_or("written by hand".to_owned(), |day| format!("read on {day}"))
    }

    /// A warning if the facts are old.
    fn age(&self, name: &AccountName, now: Timestamp) -> Option<Diagnostic> {
        let read_on = self.facts.read_on?;
        let days = days_between(read_on, today(now));
        let message = match days {
            days if days < -AHEAD_DAYS => format!("{read_on} is in the future"),
            days if days > FRESH_DAYS => {
                format!("what is known of {} was read {days} days ago", quote(name.as_str()))
            }
            _ => return None,
        };
        let found = Diagnostic::warning("account-facts-old", &self.path, self.place("read_on"), message);
        Some(found.help(format!("{RENEW} reads them anew")))
    }
}

/// The day in UTC.
pub fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

/// What the whole file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountsFile {
    pub accounts: BTreeMap<AccountName, Known>,
}

/// What an account knows from the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Knowledge {
    #[default]
    Nothing,
    /// There is a file, and it has an error.
    Unreadable,
    Facts(Box<Known>),
}

impl Knowledge {
    pub fn known(&self) -> Option<&Known> {
        match self {
            Knowledge::Facts(known) => Some(known),
            Knowledge::Nothing | Knowledge::Unreadable => None,
        }
    }
}

/// What there is of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    Missing,
    /// The report says why.
    Unreadable,
    File(AccountsFile),
}

/// Tells each account of the project what the file says about it; what it says about others is a warning.
pub fn join(project: &mut Project, read: Read) -> Vec<Diagnostic> {
    let mut file = match read {
        Read::Missing => return Vec::new(),
        Read::Unreadable => {
            project.accounts.iter_mut().for_each(|account| account.known = Knowledge::Unreadable);
            return Vec::new();
        }
        Read::File(file) => file,
    };
    for account in &mut project.accounts {
        if let Some(known) = file.accounts.remove(&account.name.value) {
            account.known = Knowledge::Facts(Box::new(known));
        }
    }
    file.accounts.iter().map(|(name, known)| undeclared(name, known, project)).collect()
}

fn undeclared(name: &AccountName, known: &Known, project: &Project) -> Diagnostic {
    let message = format!("{} has no account {}", project.path, quote(name.as_str()));
    let names = project.accounts.iter().map(|account| account.name.value.as_str());
    let help = format!("remove it, or rename it: {}", suggestion(name.as_str(), names));
    Diagnostic::warning("unknown-account", &known.path, known.span, message).help(help)
}

/// Warnings about facts that are old by `now`.
pub fn old_facts(project: &Project, now: Timestamp) -> Vec<Diagnostic> {
    let known = |account: &super::project::Account| account.known.known()?.age(&account.name.value, now);
    project.accounts.iter().filter_map(known).collect()
}

/// Until when [`old_facts`] says the same, where it says nothing now.
pub fn fresh_until(project: &Project) -> Timestamp {
    let old_from = |day: Date| {
        let day = day.checked_add((FRESH_DAYS + 1).days()).ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let days = project.accounts.iter().filter_map(|account| account.known.known()?.facts.read_on);
    days.filter_map(old_from).min().unwrap_or(Timestamp::MAX)
}
