//! Collects what is wrong with one file.

use std::cell::RefCell;

use crate::domain::diagnostic::{Diagnostic, Severity};
use crate::domain::span::Span;

/// The most diagnostics kept for one file, so that a hostile one cannot drown the others.
pub const DIAGNOSTICS_MAX: usize = 100;

/// The longest quotation of content in a message, in characters.
const QUOTE_MAX: usize = 80;

/// The diagnostics of one file, in the order in which they were found.
pub struct Report {
    path: String,
    found: RefCell<Vec<Diagnostic>>,
}

impl Report {
    /// `path` as it is shown: relative to the project's root.
    pub fn new(path: impl Into<String>) -> Report {
        Report { path: path.into(), found: RefCell::default() }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Records an error. What is returned takes help and related places: `report.error(…).help(…);`
    pub fn error(
        &self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Finding<'_> {
        Finding { report: self, diagnostic: Some(Diagnostic::error(code, &self.path, span, message)) }
    }

    /// Records a warning, likewise.
    pub fn warning(
        &self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Finding<'_> {
        Finding { report: self, diagnostic: Some(Diagnostic::warning(code, &self.path, span, message)) }
    }

    pub fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(Diagnostic::is_error)
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// What was found, in the order of the file; what concerns the whole file comes first.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|d| d.span.map(|span| span.start));
        found
    }

    /// Over the bound, an error still replaces a warning: whether a file is good must not depend on the bound.
    fn push(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if found.len() < DIAGNOSTICS_MAX {
            found.push(diagnostic);
        } else if diagnostic.is_error()
            && let Some(warning) = found.iter().position(|d| d.severity == Severity::Warning)
        {
            found[warning] = diagnostic;
        }
    }
}

/// A diagnostic that is recorded when it goes out of scope.
pub struct Finding<'a> {
    report: &'a Report,
    /// There until dropped.
    diagnostic: Option<Diagnostic>,
}

impl Finding<'_> {
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.take().map(|d| d.help(help));
        self
    }

    /// A place in another file.
    pub fn elsewhere(mut self, message: impl Into<String>, path: &str, span: Span) -> Self {
        self.diagnostic = self.diagnostic.take().map(|d| d.related(message, path, span));
        self
    }

    /// Another place in the same file.
    pub fn related(mut self, message: impl Into<String>, span: Span) -> Self {
        let path = &self.report.path;
        self.diagnostic = self.diagnostic.take().map(|d| d.related(message, path, span));
        self
    }
}

impl Drop for Finding<'_> {
    fn drop(&mut self) {
        if let Some(diagnostic) = self.diagnostic.take() {
            self.report.push(diagnostic);
        }
    }
}

/// Text from content as it may stand in a message: in quotes, escaped, and cut.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        if n == QUOTE_MAX {
            quoted.push('…');
            break;
        }
        quoted.extend(c.escape_debug());
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_carry_no_control_characters_and_are_cut() {
        assert_eq!(quote("a\u{1b}[31m\n\u{202e}\u{9b}é🎉"), r#""a\u{1b}[31m\n\u{202e}\u{9b}é🎉""#);
        assert_eq!(quote(&"x".repeat(500)).chars().count(), QUOTE_MAX + 3);
    }

    #[test]
    fn errors_are_never_crowded_out_by_warnings() {
        let report = Report::new("a.yaml");
        for _ in 0..2 * DIAGNOSTICS_MAX {
            report.warning("w", None, "w");
        }
        report.error("e", None, "e").help("h");
        assert!(report.has_errors());
        assert_eq!(report.into_diagnostics().len(), DIAGNOSTICS_MAX);
    }
}
