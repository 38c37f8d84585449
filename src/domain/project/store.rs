//! Where a project's ledger is kept: `ledger:` of `gitcast.yaml`.
//!
//! Content is what anybody may propose, and must not choose which server is sent the ledger, or which branch of people's
//! work is written over. So a remote is named as the repository's own settings know it, never by an address, and the
//! ref is one of a few.

use jiff::SignedDuration;

use crate::domain::manifest::decode::{Mapping, one_of, text};
use crate::domain::manifest::node::{Node, Value};
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::time::duration;

/// The remote that a clone has.
const REMOTE: &str = "origin";
const REF: &str = "refs/gitcast/ledger";
/// Refs are below one of these: the second is for servers that take nothing but branches.
const PREFIXES: [&str; 2] = ["refs/gitcast/", "refs/heads/gitcast/"];
/// The longest name of a remote or a ref, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longer than a push takes, shorter than the pause between two scheduled runs.
const LEASE: SignedDuration = SignedDuration::from_mins(5);
const LEASE_MAX: SignedDuration = SignedDuration::from_hours(6);

/// Where the ledger is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Store {
    /// In `state/` alone.
    #[default]
    Sqlite,
    /// In a git repository, for machines that forget; `state/` holds a copy.
    Git(GitStore),
}

/// A ref of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitStore {
    /// As the repository that holds `content/` names it.
    pub remote: String,
    /// In full.
    pub reference: String,
    /// How long a run that is not heard of any more keeps others waiting.
    pub lease: SignedDuration,
}

impl Default for GitStore {
    fn default() -> GitStore {
        GitStore { remote: REMOTE.to_owned(), reference: REF.to_owned(), lease: LEASE }
    }
}

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::domain) enum Kind {
    Sqlite,
    Git,
}

/// `git`, or the same with particulars.
pub(super) fn store(node: &Node, report: &Report) -> Option<Store> {
    let default = GitStore::default();
    if let Value::Plain(_) | Value::Text(_) = &node.value {
        let kind = one_of::<Kind>(node, report)?;
        return Some(match kind.value {
            Kind::Sqlite => Store::Sqlite,
            Kind::Git => Store::Git(default),
        });
    }
    let mut m = Mapping::new(node, report)?;
    let kind = m.required("store", one_of::<Kind>)?;
    if kind.value == Kind::Sqlite {
        m.finish();
        return Some(Store::Sqlite);
    }
    let remote = m.optional("remote", remote).unwrap_or(default.remote);
    let reference = m.optional("ref", reference).unwrap_or(default.reference);
    let lease = m.optional("lease", lease).unwrap_or(default.lease);
    m.finish();
    Some(Store::Git(GitStore { remote, reference, lease }))
}

fn remote(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    if is_name(&written.value) {
        return Some(written.value);
    }
    let message = format!("{} is no name of a remote", quote(&written.value));
    report
        .error("invalid-value", written.span, message)
        .help("write a name that `git remote` lists; `git remote add NAME ADDRESS` makes one");
    None
}

fn reference(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    let rest = PREFIXES.iter().find_map(|prefix| written.value.strip_prefix(prefix));
    if rest.is_some_and(|rest| rest.split('/').all(is_name)) && written.value.len() <= NAME_BYTES_MAX {
        return Some(written.value);
    }
    let message = format!("{} is no ref for a ledger", quote(&written.value));
    report
        .error("invalid-value", written.span, message)
        .help("write a full name below refs/gitcast/ or refs/heads/gitcast/, such as refs/gitcast/ledger");
    None
}

/// A part of a ref's name: stricter than git is.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !name.contains("..")
        && !name.ends_with('.')
        && !name.ends_with(".lock")
}

fn lease(node: &Node, report: &Report) -> Option<SignedDuration> {
    let lease = duration(node, report)?;
    if lease.is_zero() || lease > LEASE_MAX {
        report.error("out-of-range", node.span, "a lease lasts at least 1s and at most 6h");
        return None;
    }
    Some(lease)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::parse::parse;

    fn read(yaml: &str) -> Option<Store> {
        let report = Report::new("content/gitcast.yaml");
        let node = parse(format!("ledger: {yaml}").as_bytes(), &report).expect("a tree");
        let store = Mapping::new(&node, &report).and_then(|mut m| m.optional("ledger", store));
        store.filter(|_| !report.has_errors())
    }

    #[test]
    fn content_names_remotes_and_refs_that_are_the_ledgers_alone() {
        assert_eq!(read("sqlite"), Some(Store::Sqlite));
        assert_eq!(read("{store: sqlite}"), Some(Store::Sqlite));
        assert_eq!(read("git"), Some(Store::Git(GitStore::default())));
        let full = "{store: git, remote: ledger, ref: refs/heads/gitcast/books, lease: 90s}";
        let store = GitStore {
            remote: "ledger".into(),
            reference: "refs/heads/gitcast/books".into(),
            lease: SignedDuration::from_secs(90),
        };
        assert_eq!(read(full), Some(Store::Git(store)));
        for bad in [
            "postgres",
            "{}",
            "{store: sqlite, remote: origin}",
            "{store: git, remote: https://example.com/x.git}",
            "{store: git, remote: 'ext::sh -c id'}",
            "{store: git, remote: ../other}",
            "{store: git, remote: --upload-pack=id}",
            "{store: git, remote: .}",
            "{store: git, ref: refs/heads/main}",
            "{store: git, ref: refs/gitcast/}",
            "{store: git, ref: refs/gitcast/../heads/main}",
            "{store: git, ref: 'refs/gitcast/a:refs/heads/main'}",
            "{store: git, ref: refs/gitcast/a.lock}",
            "{store: git, ref: ledger}",
            "{store: git, lease: 0s}",
            "{store: git, lease: 7h}",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
