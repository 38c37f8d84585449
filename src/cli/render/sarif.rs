//! SARIF 2.1.0, which code scanning services read. (OASIS standard of 2020-03-27; sections in brackets.)

use serde_json::{Value, json};

use crate::domain::diagnostic::{Diagnostic, Severity};
use crate::domain::ids::hex;
use crate::domain::span::Span;

pub(super) fn document(diagnostics: &[Diagnostic]) -> Value {
    let rules = rules(diagnostics);
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, &rules)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "gitcast",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rules(diagnostics: &[Diagnostic]) -> Vec<&str> {
    let mut rules: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn result(diagnostic: &Diagnostic, rules: &[&str]) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let related: Vec<Value> =
        diagnostic.related.iter().map(|r| location(&r.path, Some(r.span), Some(&r.message))).collect();
    json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rules.binary_search(&diagnostic.code.as_str()).ok(),
        "level": level,
        "message": message(&format!("{}{help}", diagnostic.message)),
        "locations": [location(&diagnostic.path, diagnostic.span, None)],
        "relatedLocations": related,
    })
}

fn location(path: &str, span: Option<Span>, text: Option<&str>) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(path), "uriBaseId": "%SRCROOT%" } });
    if let Some(span) = span {
        physical["region"] = json!({
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        });
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(text) = text {
        location["message"] = message(text);
    }
    location
}

/// A plain text in which nothing is a link (3.11.6) or a placeholder: there are no arguments (3.11.5).
fn message(text: &str) -> Value {
    let linked = text.contains("](");
    let text = if linked {
        text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
    } else {
        text.to_owned()
    };
    json!({ "text": text })
}

/// A path as a relative reference of RFC 3986: every byte but the unreserved ones and `/` is percent-encoded.
fn uri(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut uri, byte| {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => uri.extend(["%", &hex(&[byte]).to_ascii_uppercase()]),
        }
        uri
    })
}
