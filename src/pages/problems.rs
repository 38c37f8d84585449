//! What is wrong with content, at its place.

use maud::{Markup, html};

use super::text::{short, visible};
use super::{Finding, Site};

/// More are counted.
const FINDINGS_MAX: usize = 500;
const MESSAGE_CHARS: usize = 1_000;

pub(super) fn problems(site: &Site) -> Markup {
    html! {
        h1 { "Problems" }
        @if site.findings.is_empty() { p.empty { "All manifests are valid." } }
        @for finding in site.findings.iter().take(FINDINGS_MAX) { (self::finding(finding)) }
        @if site.findings.len() > FINDINGS_MAX { p { "and " (site.findings.len() - FINDINGS_MAX) " more" } }
    }
}

pub(super) fn finding(finding: &Finding) -> Markup {
    let found = &finding.diagnostic;
    let (class, word) = if found.is_error() { ("error", "Error") } else { ("caution", "Warning") };
    html! {
        article.finding.(class) {
            p { strong { (word) ": " (short(&found.message, MESSAGE_CHARS)) } " " code { (visible(&found.code)) } }
            p.quiet {
                (visible(&found.path))
                @if let Some(span) = found.span { ":" (span.line) ":" (span.column) }
            }
            @if !finding.excerpt.is_empty() { pre tabindex="0" { (visible(&finding.excerpt)) } }
            @if let Some(help) = &found.help { p { "Way out: " (short(help, MESSAGE_CHARS)) } }
        }
    }
}
