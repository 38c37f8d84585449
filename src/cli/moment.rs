//! Times on the command line, read as in a manifest.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::Failure;
use crate::domain::manifest::node::Value;
use crate::domain::manifest::report::Report;
use crate::domain::manifest::time::instant;
use crate::domain::span::{Located, Span};

/// The instant that `text` names: with an offset, or local to `zone`. `option` is named in a failure.
pub(super) fn read(option: &str, text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let report = Report::new(option);
    let node = Located::new(Value::Plain(text.to_owned()), Span::default());
    if let Some(at) = instant(zone)(&node, &report) {
        return Ok(at.value);
    }
    let found = report.into_diagnostics().pop();
    let (message, help) = found.map(|d| (d.message, d.help)).unwrap_or_default();
    let failure = Failure::usage(format!("{option}: {message}"));
    Err(help.into_iter().fold(failure, Failure::hint))
}
