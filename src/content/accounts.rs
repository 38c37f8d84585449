//! Reads `content/accounts.lock.yaml`: what platforms said about accounts. Writing it is the edge's business.

use std::io;
use std::path::Path;

use super::scan::{read, unreadable};
use super::walk::{prefix, shown};
use crate::domain::capability::{FILE, Read, decode};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::manifest::parse::parse;
use crate::domain::manifest::report::Report;

/// What the file says. Paths in the result are relative to `root`.
pub fn accounts(root: &Path, content: &Path) -> (Read, Vec<Diagnostic>) {
    accounts_in(content, &prefix(root, content))
}

pub(super) fn accounts_in(content: &Path, prefix: &str) -> (Read, Vec<Diagnostic>) {
    let report = Report::new(shown(prefix, FILE));
    let file = match read(&content.join(FILE)) {
        Ok((_, bytes)) => parse(&bytes, &report).and_then(|node| decode::read(&node, &report)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Read::Missing, Vec::new()),
        Err(error) => {
            unreadable(&error, &report);
            None
        }
    };
    (file.map_or(Read::Unreadable, Read::File), report.into_diagnostics())
}
