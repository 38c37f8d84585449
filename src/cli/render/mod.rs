//! Diagnostics for people and for machines, in four formats. Whatever they quote of a manifest is made harmless here.

use std::io::{self, Write};

use serde::Serialize;

use super::text;
use crate::domain::diagnostic::{Diagnostic, Severity};

mod github;
mod sarif;
mod snippet;

/// The version of the JSON document that `validate` prints.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people: the place, the line, what to do.
    #[default]
    Text,
    /// One document.
    Json,
    /// Annotations of a GitHub Actions run.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// The text of a file by its path, the way a diagnostic names it.
pub type Sources<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Writes `diagnostics` in their order. `sources` and `color` matter to [`Format::Text`] only; a source that is not
/// there costs the quoted line, nothing else.
///
/// # Errors
/// Those of `out`.
pub fn diagnostics(
    format: Format,
    diagnostics: &[Diagnostic],
    sources: Sources<'_>,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Text => snippet::write(diagnostics, sources, color, out),
        Format::Json => document(&Document::of(diagnostics), out),
        Format::Github => github::write(diagnostics, out),
        Format::Sarif => document(&sarif::document(diagnostics), out),
    }
}

fn document(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    text::json_safe(value, out)?;
    out.write_all(b"\n")
}

/// `2 errors, 1 warning`; `no problems` if there is none.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let counts = [(errors, "error"), (diagnostics.len() - errors, "warning")];
    let parts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| count(*n, what)).collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    diagnostics: Vec<Row<'a>>,
}

impl<'a> Document<'a> {
    fn of(diagnostics: &'a [Diagnostic]) -> Document<'a> {
        Document { format_version: FORMAT_VERSION, diagnostics: json_diagnostics(diagnostics) }
    }
}

/// A diagnostic as JSON shows it, in `validate` and in `plan`. Scripts depend on the names.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    pub severity: Severity,
    pub code: &'a str,
    pub message: &'a str,
    pub path: &'a str,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub end_line: Option<u32>,
    pub end_column: Option<u32>,
    pub help: Option<&'a str>,
}

/// The `diagnostics` of a JSON document.
pub fn json_diagnostics(diagnostics: &[Diagnostic]) -> Vec<Row<'_>> {
    diagnostics.iter().map(Row::of).collect()
}

impl<'a> Row<'a> {
    fn of(diagnostic: &'a Diagnostic) -> Row<'a> {
        let span = diagnostic.span;
        Row {
            severity: diagnostic.severity,
            code: &diagnostic.code,
            message: &diagnostic.message,
            path: &diagnostic.path,
            line: span.map(|s| s.line),
            column: span.map(|s| s.column),
            end_line: span.map(|s| s.end_line),
            end_column: span.map(|s| s.end_column),
            help: diagnostic.help.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
