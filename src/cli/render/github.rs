//! Workflow commands that GitHub shows as annotations of a pull request. (Escapes as in `ActionCommand.cs`, rules for
//! columns as in `ActionCommandManager.cs` of GitHub's runner, read 2026-11-23.)

use std::io::{self, Write};

use crate::cli::text::{github_data, github_property};
use crate::domain::diagnostic::{Diagnostic, Severity};

pub(super) fn write(diagnostics: &[Diagnostic], out: &mut dyn Write) -> io::Result<()> {
    diagnostics.iter().try_for_each(|diagnostic| writeln!(out, "{}", command(diagnostic)))
}

fn command(diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let message = github_data(&format!("{}{help}", diagnostic.message));
    format!("::{level} {}::{message}", properties(diagnostic))
}

/// Columns are left out where the span has several lines: GitHub accepts them on one line only.
fn properties(diagnostic: &Diagnostic) -> String {
    let mut properties = vec![format!("file={}", github_property(&diagnostic.path))];
    if let Some(span) = diagnostic.span {
        properties.push(format!("line={}", span.line));
        let one_line = span.line == span.end_line;
        properties.extend(one_line.then(|| format!("col={}", span.column)));
        properties.push(format!("endLine={}", span.end_line));
        properties.extend(one_line.then(|| format!("endColumn={}", span.end_column)));
    }
    properties.push(format!("title={}", github_property(&diagnostic.code)));
    properties.join(",")
}
