//! The one error of all adapters, sorted by `domain::retry::ErrorKind`.

use std::time::Duration;

use crate::domain::publication::Reason;
use crate::domain::retry::ErrorKind;

/// More of a foreign text than this, in characters, is no use to anybody.
const FOREIGN_CHARS_MAX: usize = 400;

/// Why a request came to nothing, or to something unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}{}", log_id.as_deref().map(|id| format!(" (log id {id})")).unwrap_or_default())]
pub struct Error {
    pub operation: &'static str,
    pub kind: ErrorKind,
    /// The platform's own code, or ours: `timeout`, `connection-lost`, `unreadable-reply`.
    pub code: String,
    /// A lowercase fragment for people; holds no secret.
    pub message: String,
    pub retry_after: Option<Duration>,
    pub log_id: Option<String>,
}

impl Error {
    pub fn new(
        operation: &'static str,
        kind: ErrorKind,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Error {
        Error { operation, kind, code: code.into(), message: message.into(), retry_after: None, log_id: None }
    }

    pub fn reason(&self) -> Reason {
        Reason::new(&self.code, self.to_string())
    }
}

/// A text from outside, made fit for a message: cut, on one line, without control characters or changes of
/// direction.
pub fn foreign(text: &str) -> String {
    let unsafe_char = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !unsafe_char(*c))
        .take(FOREIGN_CHARS_MAX + 1)
        .collect();
    if clean.chars().count() > FOREIGN_CHARS_MAX {
        clean = clean.chars().take(FOREIGN_CHARS_MAX).chain(['…']).collect();
    }
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_keeps_to_one_plain_line() {
        assert_eq!(foreign("a\r\nb\u{1b}[31mc\u{202e}d\u{7}"), "a  b[31mcd");
        assert_eq!(foreign(&"é".repeat(1_000)).chars().count(), FOREIGN_CHARS_MAX + 1);
    }
}
