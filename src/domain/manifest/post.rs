//! From a manifest's tree to a post: a function of path, bytes and the project's time zone, and of nothing else.

use std::fmt::Display;
use std::str::FromStr;

use jiff::tz::TimeZone;

use super::decode::{Mapping, integer, list, one_of, suggestion, text};
use super::node::{Node, Value};
use super::report::{Report, quote};
use super::time::instant;
use super::{DesiredState, MediaItem, MediaSource, Post, Target};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::project::Project;
use crate::domain::span::{Located, Span};
use crate::domain::url;

/// The largest `revision`.
pub const REVISION_MAX: u64 = 1_000_000;

/// The most media in one post, whatever the platform: a bound on work, far above any platform's own.
pub const MEDIA_MAX: usize = 100;

/// The most accounts that one post can go to.
pub const TARGETS_MAX: usize = 100;

/// The way out of a bad name.
pub const NAME_HELP: &str = "choose a short name of letters, digits, `.`, `_` and `-`, such as launch-2026";

/// What a manifest comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Readable even when the rest is not, so that a broken manifest is never taken for a removed one.
    pub id: Option<Located<PostId>>,
    /// There when no diagnostic is an error.
    pub post: Option<Post>,
    /// There when one is, and enough could be read to look for others. Never to be published.
    pub suspect: Option<Post>,
}

impl Decoded {
    /// Nothing could be read.
    pub fn nothing() -> Decoded {
        Decoded { id: None, post: None, suspect: None }
    }
}

/// Reads the manifest in `node`.
pub fn post(node: &Node, zone: &TimeZone, report: &Report) -> Decoded {
    let Some(mut m) = Mapping::new(node, report) else { return Decoded::nothing() };
    let id = m.required("id", name::<PostId>("id"));
    let publish_at = m.optional("publish_at", instant(zone));
    let state = m.optional("state", one_of::<DesiredState>).map(|s| s.value);
    let written = m.optional("text", text);
    let media = m.optional("media", media);
    let targets = m.required("to", targets).unwrap_or_default();
    let revision = m.optional("revision", integer(1..=REVISION_MAX));
    let is_empty = state.unwrap_or_default() == DesiredState::Present
        && node.get("text").or(node.get("media")).is_none();
    if is_empty {
        let place = id.as_ref().map_or(node.span, |id| id.span);
        report.error("missing-key", place, "there is nothing to publish").help("add `media:` or `text:`");
    }
    m.finish();
    // A part that could not be read must not be taken for one that is not there.
    let can_be_judged = has_all(node.get("media"), media.as_ref().map_or(0, Vec::len))
        && state.is_some() == node.get("state").is_some()
        && !is_empty;
    let post = id.clone().map(|id| Post {
        path: report.path().to_owned(),
        id,
        publish_at,
        text: written,
        media: media.unwrap_or_default(),
        targets,
        state: state.unwrap_or_default(),
        revision: revision.and_then(|n| u32::try_from(n.value).ok()).unwrap_or(1),
    });
    match report.has_errors() {
        true => Decoded { id, post: None, suspect: post.filter(|_| can_be_judged) },
        false => Decoded { id, post, suspect: None },
    }
}

/// Whether `read` is the number of the list's items.
fn has_all(list: Option<&Node>, read: usize) -> bool {
    match list.map(|node| &node.value) {
        Some(Value::Sequence(items)) => items.len() == read,
        other => other.is_none(),
    }
}

/// A post id, an account name: anything that is parsed from text and says what is wrong with it.
pub fn name<T>(what: &'static str) -> impl FnOnce(&Node, &Report) -> Option<Located<T>>
where
    T: FromStr<Err: Display>,
{
    move |node, report| {
        let written = text(node, report)?;
        match written.value.parse() {
            Ok(name) => Some(Located::new(name, written.span)),
            Err(why) => {
                let message = format!("the {what} {} {why}", quote(&written.value));
                report.error("invalid-value", written.span, message).help(NAME_HELP);
                None
            }
        }
    }
}

fn media(node: &Node, report: &Report) -> Option<Vec<MediaItem>> {
    let items = list(item, "write `- file: NAME` on a line below, for each medium")(node, report)?;
    if items.len() > MEDIA_MAX {
        report
            .error("invalid-value", items[MEDIA_MAX].span, format!("more than {MEDIA_MAX} media"))
            .help("make several posts");
        return None;
    }
    Some(items)
}

fn item(node: &Node, report: &Report) -> Option<MediaItem> {
    let mut m = Mapping::or_help(node, report, "write `file: NAME` or `url: ADDRESS`")?;
    let both = (m.entry("file"), m.entry("url"));
    let source = match both {
        (Some((_, node)), None) => file(node, report).map(MediaSource::File),
        (None, Some((_, node))) => media_url(node, report).map(MediaSource::Url),
        (Some((first, _)), Some((second, _))) => {
            let later = if first.span.start < second.span.start { second } else { first };
            report
                .error("invalid-value", later.span, "`file` and `url` exclude each other")
                .help("keep one of them");
            None
        }
        (None, None) => {
            report.error("missing-key", node.span, "a medium needs `file` or `url`").help("add `file: NAME`");
            None
        }
    };
    let alt = m.optional("alt", text);
    m.finish();
    Some(MediaItem { source: source?, alt, span: node.span })
}

fn file(node: &Node, report: &Report) -> Option<Located<String>> {
    let path = text(node, report)?;
    let why = match path.value.as_str() {
        "" => "is empty",
        name if name.chars().any(char::is_control) => "holds a control character",
        _ => return Some(path),
    };
    report
        .error("invalid-value", path.span, format!("the file name {} {why}", quote(&path.value)))
        .help("name a file, relative to the manifest");
    None
}

fn media_url(node: &Node, report: &Report) -> Option<Located<String>> {
    let address = text(node, report)?;
    if let Err(why) = url::check_media(&address.value) {
        let finding = report.error("invalid-url", address.span, format!("{} {why}", quote(&address.value)));
        finding.help("the platform fetches it from there: https and a host name are needed");
        return None;
    }
    Some(address)
}

fn targets(node: &Node, report: &Report) -> Option<Vec<Target>> {
    Mapping::or_help(node, report, "name the accounts below it, each as `ACCOUNT:` on a line of its own")?;
    let Value::Mapping(entries) = &node.value else { return None };
    if entries.is_empty() {
        report
            .error("invalid-value", node.span, "`to` is empty")
            .help("name at least one account of gitcast.yaml");
    }
    if let Some((key, _)) = entries.get(TARGETS_MAX) {
        report
            .error("invalid-value", key.span, format!("more than {TARGETS_MAX} accounts"))
            .help("make several posts");
        return None;
    }
    Some(entries.iter().filter_map(|(key, options)| target(key, options, report)).collect())
}

/// A key that names an account.
pub fn account_name(key: &Located<String>, report: &Report) -> Option<Located<AccountName>> {
    match key.value.parse::<AccountName>() {
        Ok(name) => Some(Located::new(name, key.span)),
        Err(why) => {
            report
                .error("invalid-value", key.span, format!("the account name {} {why}", quote(&key.value)))
                .help(NAME_HELP);
            None
        }
    }
}

fn target(key: &Located<String>, options: &Node, report: &Report) -> Option<Target> {
    let account = account_name(key, report);
    let options = match &options.value {
        Value::Null => Node::empty(key.span),
        _ => options.clone(),
    };
    let mut m = Mapping::or_help(&options, report, "write the options below it, or nothing")?;
    let text = m.optional("text", text);
    let Value::Mapping(mut entries) = options.value else { return None };
    entries.retain(|(key, _)| key.value != "text");
    Some(Target { account: account?, text, options: Located::new(Value::Mapping(entries), options.span) })
}

/// Accounts that the post names and the project does not have.
pub fn check_accounts(post: &Post, project: &Project) -> Vec<Diagnostic> {
    let unknown = post.targets.iter().filter(|target| project.account(&target.account.value).is_none());
    unknown.map(|target| unknown_account(post, &target.account.value, target.account.span, project)).collect()
}

fn unknown_account(post: &Post, name: &AccountName, span: Span, project: &Project) -> Diagnostic {
    let message = format!("{} has no account {}", project.path, quote(name.as_str()));
    let known = project.accounts.iter().map(|account| account.name.value.as_str());
    let help = match project.accounts.is_empty() {
        true => format!("declare it under `accounts` in {}", project.path),
        false => suggestion(name.as_str(), known),
    };
    Diagnostic::error("unknown-account", &post.path, span, message).help(help)
}
