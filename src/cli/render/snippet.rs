//! Diagnostics for people: the only user of the snippet renderer.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Sources;
use crate::cli::text::{self, Escapes};
use crate::domain::diagnostic::{Diagnostic, Severity};
use crate::domain::span::Span;

/// A span of more lines is shown by its first line.
const LINES_MAX: usize = 4;
/// Messages, help and paths are cut here: they may quote what somebody wrote.
const MESSAGE_CHARS_MAX: usize = 1_000;

pub(super) fn write(
    diagnostics: &[Diagnostic],
    sources: Sources<'_>,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // Diagnostics come file by file, so the last file is the one that is needed again.
    let mut last: Option<(String, Option<String>)> = None;
    for diagnostic in diagnostics {
        if last.as_ref().is_none_or(|(path, _)| *path != diagnostic.path) {
            last = Some((diagnostic.path.clone(), sources(&diagnostic.path)));
        }
        let source = last.as_ref().and_then(|(_, source)| source.as_deref());
        write_one(diagnostic, source, sources, &renderer, out)?;
    }
    Ok(())
}

fn write_one(
    diagnostic: &Diagnostic,
    source: Option<&str>,
    sources: Sources<'_>,
    renderer: &Renderer,
    out: &mut dyn Write,
) -> io::Result<()> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(line(&diagnostic.message)).id(line(&diagnostic.code));
    let mut group = place(Group::with_title(title), &diagnostic.path, diagnostic.span, source);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(line(help)));
    }
    let mut report = vec![group];
    for related in &diagnostic.related {
        let title = Level::NOTE.secondary_title(line(&related.message));
        let other = (related.path != diagnostic.path).then(|| sources(&related.path)).flatten();
        let source = if related.path == diagnostic.path { source } else { other.as_deref() };
        report.push(place(Group::with_title(title), &related.path, Some(related.span), source));
    }
    writeln!(out, "{}\n", renderer.render(&report))
}

/// Adds `path:line:column` and, where there is a source, the line.
fn place<'a>(group: Group<'a>, path: &str, span: Option<Span>, source: Option<&str>) -> Group<'a> {
    let path = line(path);
    let Some(span) = span else { return group.element(Origin::path(path)) };
    let Some(quote) = source.and_then(|source| Quote::of(source, span)) else {
        return group.element(Origin::path(path).line(number(span.line)).char_column(number(span.column)));
    };
    // The snippet itself tells the column, counted in the quoted text: so each character is quoted as one.
    let snippet = Snippet::source(quote.text).path(path).line_start(quote.line).fold(false);
    group.element(snippet.annotation(AnnotationKind::Primary.span(quote.span)))
}

fn line(text: &str) -> String {
    text::one_line(text, MESSAGE_CHARS_MAX)
}

fn number(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The lines of a source that a span touches, made harmless, and the span inside them.
struct Quote {
    text: String,
    line: usize,
    span: Range<usize>,
}

impl Quote {
    /// Nothing if the source is not the one that the span belongs to: it has changed meanwhile.
    fn of(source: &str, span: Span) -> Option<Quote> {
        let marked = source.get(span.start..span.end)?;
        let first = source[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let marked = marked.trim_end();
        let marked = if marked.lines().count() > LINES_MAX { marked.lines().next()? } else { marked };
        let end = span.start + marked.len();
        let last = source[end..].find('\n').map_or(source.len(), |newline| end + newline);
        let text = source[first..last].trim_end_matches('\r');
        let quoted = quoted(text);
        let place = |at: usize| {
            let nth = text[..text.floor_char_boundary(at - first)].chars().count();
            quoted.char_indices().nth(nth).map_or(quoted.len(), |(at, _)| at)
        };
        let span = place(span.start)..place(end);
        Some(Quote { text: quoted, line: source[..first].matches('\n').count() + 1, span })
    }
}

/// Text in which each harmful character is replaced by one that is seen, so that columns stay what they are.
fn quoted(text: &str) -> String {
    let mut harmful = Escapes::of(text).map(|(at, _)| at).peekable();
    text.char_indices()
        .map(|(at, c)| if harmful.next_if_eq(&at).is_some() { picture(c) } else { c })
        .collect()
}

fn picture(c: char) -> char {
    match c {
        // The gutter stands before it, so that no line begins with it.
        ':' => ':',
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        _ => char::REPLACEMENT_CHARACTER,
    }
}
