//! Problems in content, as data. Rendering is the edge's business.

use serde::{Deserialize, Serialize};

use super::span::Span;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One problem: what, where, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable, in kebab-case: `text-too-long`. Scripts and documentation refer to it.
    pub code: String,
    /// A lowercase fragment without a full stop.
    pub message: String,
    /// Relative to the project's root, with `/`: `content/launch.yaml`.
    pub path: String,
    /// Absent when the file as a whole is meant.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter, such as the first of two equal keys.
    pub related: Vec<Related>,
}

/// Another place that helps to understand a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    pub message: String,
    pub path: String,
    pub span: Span,
}

impl Diagnostic {
    pub fn error(
        code: &'static str,
        path: &str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, path, span.into(), message.into())
    }

    pub fn warning(
        code: &'static str,
        path: &str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, path, span.into(), message.into())
    }

    fn new(severity: Severity, code: &'static str, path: &str, span: Option<Span>, message: String) -> Self {
        let (code, path) = (code.to_owned(), path.to_owned());
        Diagnostic { severity, code, message, path, span, help: None, related: Vec::new() }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn related(mut self, message: impl Into<String>, path: &str, span: Span) -> Self {
        self.related.push(Related { message: message.into(), path: path.to_owned(), span });
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
