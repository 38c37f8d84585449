//! YAML text to a tree of nodes. The only module that knows the YAML parser.
//!
//! Strict on purpose: one document, a mapping at its top, keys that are scalars and unique, no anchors, aliases, merge
//! keys, tags or directives. What a manifest does not need cannot be used to make a short file mean something large.
//! Plain scalars are not resolved: what `no` or `017` means depends on what is expected where it stands. That is why
//! the parser's events are read instead of deserialized values.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_yaml::granit_parser as yaml;
use yaml::StrInput;
use yaml::{ErrorKind, Event, Marker, ScalarStyle, ScanError, StructureStyle};

use super::node::{Node, Value};
use super::report::{Report, quote};
use crate::domain::span::{Located, Span};

/// The largest manifest, in bytes: many times what any platform takes as text.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// How deep collections may be nested. A manifest needs four levels.
pub const NESTING_MAX: usize = 32;

/// The tree of the document in `bytes`, if it is one; everything that is wrong goes to `report`. Of duplicate keys,
/// which are reported, the tree holds the first.
pub fn parse(bytes: &[u8], report: &Report) -> Option<Node> {
    let root = tree(bytes, report)?;
    if matches!(root.value, Value::Mapping(_)) {
        return Some(root);
    }
    let message = format!("expected a mapping at the top of the file, found {}", root.kind());
    report.error("invalid-type", root.span, message).help("begin with a key, such as `id: launch`");
    None
}

/// As [`parse`], whatever stands at the top.
pub fn tree(bytes: &[u8], report: &Report) -> Option<Node> {
    if bytes.len() > FILE_BYTES_MAX {
        report
            .error("file-too-large", None, format!("the file is larger than {} KiB", FILE_BYTES_MAX >> 10))
            .help("a manifest holds text and options; media lie in files of their own");
        return None;
    }
    let text = utf8(bytes, report)?;
    check_characters(text, report)?;
    Builder::new(text, report).document()
}

fn utf8<'a>(bytes: &'a [u8], report: &Report) -> Option<&'a str> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error,
    };
    let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
    let message = format!("the byte 0x{:02X} is not UTF-8", bytes[good.len()]);
    let span = Span::locate(good, good.len(), good.len());
    report.error("not-utf8", span, message).help("save the file as UTF-8");
    None
}

/// YAML allows control characters nowhere, NUL above all; the parser would let some of them through. A carriage return
/// alone ends a line for YAML and not for whoever reviews it: what follows it looks like the end of a comment.
fn check_characters(text: &str, report: &Report) -> Option<()> {
    let forbidden = |at: usize, c: char| match c {
        '\r' => !text[at..].starts_with("\r\n"),
        c => c.is_control() && !matches!(c, '\t' | '\n' | '\u{85}'),
    };
    let Some((at, bad)) = text.char_indices().find(|(at, c)| forbidden(*at, *c)) else { return Some(()) };
    let span = Span::locate(text, at, at + bad.len_utf8());
    let message = format!("the control character U+{:04X} is not allowed", u32::from(bad));
    report.error("control-character", span, message).help(match bad {
        '\r' => "end lines with U+000A, or with both",
        _ => "remove it",
    });
    None
}

/// The document cannot be read on; why is in the report.
struct Stop;

type Step<T> = Result<T, Stop>;

struct Builder<'a> {
    events: yaml::Parser<'a, StrInput<'a>>,
    text: &'a str,
    report: &'a Report,
    /// Set by what makes the tree mean something else than its author may think.
    broken: bool,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, report: &'a Report) -> Self {
        let options = yaml::options! {
            disallow_directives: true,
            emit_unresolved_aliases: true,
            emit_anchor_events: true,
            emit_comments: false,
            flow_nesting_limit: NESTING_MAX,
            block_nesting_limit: NESTING_MAX,
        };
        let events = yaml::Parser::new_from_str_with_options(text, options);
        Builder { events, text, report, broken: false }
    }

    fn document(mut self) -> Option<Node> {
        let root = self.first_document().ok()?;
        let Some(root) = root else {
            let start = Span::locate(self.text, 0, 0);
            self.report
                .error("empty-file", start, "the file is empty")
                .help("begin with a key, or remove the file; `gitcast schema` tells what it may hold");
            return None;
        };
        (!self.broken).then_some(root)
    }

    fn first_document(&mut self) -> Step<Option<Node>> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root.filter(|root: &Node| root.value != Value::Null)),
                (Event::DocumentStart(..), span) if root.is_some() => {
                    let message = "a second document begins here; a file holds one";
                    let finding =
                        self.report.error("multiple-documents", self.span(span.start, span.end), message);
                    finding.help("move it to a file of its own, or remove the `---`");
                    return Err(Stop);
                }
                (Event::DocumentStart(..), _) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => {}
            }
        }
    }

    /// The next event that belongs to the tree. Anchors are reported on the way.
    fn next(&mut self) -> Step<(Event<'a>, yaml::Span)> {
        loop {
            match self.events.next() {
                None => return Ok((Event::StreamEnd, yaml::Span::default())),
                Some(Err(error)) => return Err(self.syntax(&error)),
                Some(Ok((Event::Anchor(_, name), span))) => {
                    self.refuse(
                        "alias",
                        span,
                        format!("anchors are not allowed: {}", quote(&format!("&{name}"))),
                    );
                }
                Some(Ok((event, span))) => {
                    if let Some(tag) = span.tag_span() {
                        let letters = tag.slice(self.text).unwrap_or("!");
                        self.refuse("tag", tag, format!("tags are not allowed: {}", quote(letters)));
                    }
                    return Ok((event, span));
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: yaml::Span, depth: usize) -> Step<Node> {
        let span = self.span(at.start, at.end);
        if depth > NESTING_MAX {
            return Err(self.too_deep(span));
        }
        match event {
            Event::Scalar(letters, style, ..) => Ok(Located::new(scalar(letters, style), span)),
            Event::SequenceStart(style, ..) => self.sequence(style, span, depth),
            Event::MappingStart(style, ..) => self.mapping(style, span, depth),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let letters = at.slice(self.text).unwrap_or("*");
                self.refuse("alias", at, format!("aliases are not allowed: {}", quote(letters)));
                Ok(Located::new(Value::Null, span))
            }
            // The parser's grammar leaves no other event where a node is due.
            _ => {
                self.report
                    .error("yaml-syntax", span, "expected a value")
                    .help("write one, or remove the key");
                Err(Stop)
            }
        }
    }

    fn sequence(&mut self, style: StructureStyle, start: Span, depth: usize) -> Step<Node> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let first = items.first().map(|item: &Node| item.span);
                let last = items.last().map(|item: &Node| item.span);
                let span = self.extent(style, start, at, first, last);
                return Ok(Located::new(Value::Sequence(items), span));
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn mapping(&mut self, style: StructureStyle, start: Span, depth: usize) -> Step<Node> {
        let mut entries: Vec<(Located<String>, Node)> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let first = entries.first().map(|(key, _)| key.span);
                let last = entries.last().map(|(_, value)| value.span);
                let span = self.extent(style, start, at, first, last);
                return Ok(Located::new(Value::Mapping(entries), span));
            }
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.next()?;
            let mut value = self.node(event, at, depth + 1)?;
            if value.value == Value::Null {
                // The parser puts a value that is not there wherever it noticed.
                value.span = if value.span.start == value.span.end { end_of(key.span) } else { value.span };
            }
            if let Some(key) = self.key(key, &mut places) {
                entries.push((key, value));
            }
        }
    }

    /// The key, unless it is none or there already.
    fn key(&mut self, node: Node, places: &mut HashMap<String, Span>) -> Option<Located<String>> {
        let (Value::Plain(name) | Value::Text(name)) = node.value else {
            let finding =
                self.report.error("invalid-key", node.span, format!("expected a key, found {}", node.kind()));
            finding.help("a key is a word");
            self.broken = true;
            return None;
        };
        if name == "<<" {
            self.report
                .error("alias", node.span, "merge keys (`<<`) are not allowed")
                .help("write the keys out");
            self.broken = true;
            return None;
        }
        if let Some(first) = places.get(&name) {
            let finding = self.report.error(
                "duplicate-key",
                node.span,
                format!("the key {} is there twice", quote(&name)),
            );
            finding.related("it stands here first", *first).help("keep one of the two");
            return None;
        }
        places.insert(name.clone(), node.span);
        Some(Located::new(name, node.span))
    }

    /// A flow collection runs from bracket to bracket, a block collection from its first entry to its last.
    fn extent(
        &self,
        style: StructureStyle,
        start: Span,
        end: yaml::Span,
        first: Option<Span>,
        last: Option<Span>,
    ) -> Span {
        match (style, first, last) {
            (StructureStyle::Block, Some(first), Some(last)) => join(first, last),
            _ => join(start, self.span(end.start, end.end)),
        }
    }

    fn refuse(&mut self, code: &'static str, at: yaml::Span, message: String) {
        let span = self.span(at.start, at.end);
        self.report
            .error(code, span, message)
            .help("write the value out; if this is meant as text, put it in quotes");
        self.broken = true;
    }

    fn too_deep(&self, span: Span) -> Stop {
        let finding = self.report.error(
            "nesting-too-deep",
            span,
            format!("nested more than {NESTING_MAX} levels deep"),
        );
        finding.help("if it is meant as text, put the value in quotes");
        Stop
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        let at = *error.marker();
        let span = self.span(at, at);
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return self.too_deep(span);
        }
        let span = if is_tab(error.kind()) { self.next_tab(span) } else { span };
        let finding = self.report.error("yaml-syntax", span, syntax_message(error.kind()));
        finding.help(syntax_help(error.kind()));
        Stop
    }

    /// The parser blames the beginning of the token that the tab broke, or the place behind the tab.
    fn next_tab(&self, span: Span) -> Span {
        let line = self.text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let indentation = self.text[line..span.start].bytes().all(|b| matches!(b, b' ' | b'\t'));
        let from = if indentation { line } else { span.start };
        match self.text.get(from..).and_then(|rest| rest.find('\t')) {
            Some(tab) => Span::locate(self.text, from + tab, from + tab + 1),
            None => span,
        }
    }

    /// Our span for the parser's two positions. Its columns count from zero.
    fn span(&self, start: Marker, end: Marker) -> Span {
        let start_offset = start.byte_offset().unwrap_or_default().min(self.text.len());
        let end_offset = end.byte_offset().unwrap_or_default().clamp(start_offset, self.text.len());
        Span {
            start: start_offset,
            end: end_offset,
            line: count(start.line()),
            column: count(start.col() + 1),
            end_line: count(end.line()),
            end_column: count(end.col() + 1),
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn join(first: Span, last: Span) -> Span {
    Span { end: last.end, end_line: last.end_line, end_column: last.end_column, ..first }
}

fn end_of(span: Span) -> Span {
    Span { start: span.end, line: span.end_line, column: span.end_column, ..span }
}

fn scalar(letters: Cow<'_, str>, style: ScalarStyle) -> Value {
    match style {
        // The four ways in which YAML 1.2's core schema writes null, and its absence.
        ScalarStyle::Plain if matches!(&*letters, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        ScalarStyle::Plain => Value::Plain(letters.into_owned()),
        _ => Value::Text(letters.into_owned()),
    }
}

fn syntax_message(kind: &ErrorKind) -> String {
    let text = match kind {
        tab if is_tab(tab) => "a tab stands where only spaces may".to_owned(),
        ErrorKind::UnexpectedCharacter { character } => {
            format!("no value begins with {}", quote(character.encode_utf8(&mut [0; 4])))
        }
        other => other.to_string().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
    };
    format!("not YAML: {text}")
}

fn is_tab(kind: &ErrorKind) -> bool {
    use ErrorKind as E;
    matches!(
        kind,
        E::TabNotAllowed
            | E::TabInBlockIndentation
            | E::TabInIndentation
            | E::TabAtBlockScalarStart
            | E::TabInPlainScalar
    )
}

fn syntax_help(kind: &ErrorKind) -> &'static str {
    use ErrorKind as E;
    match kind {
        tab if is_tab(tab) => "indent with spaces",
        E::UnexpectedCharacter { .. } => "put the value in quotes",
        E::DirectiveDisallowed => "remove the line",
        E::MappingValueNotAllowed => {
            "put text that holds `: ` in quotes; if this is a key, indent it like the keys above it"
        }
        E::InvalidIndentation | E::MappingKeyNotAllowed | E::BlockSequenceEntryNotAllowed => {
            "indent what belongs together alike"
        }
        E::UnclosedQuotedScalar => "close the quotation mark",
        E::UnclosedFlowCollection { .. } => "close the bracket",
        E::MisplacedFlowCollectionEnd | E::MismatchedFlowCollectionEnd { .. } => {
            "remove the bracket, or open one of its kind before it"
        }
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => {
            "`\\` begins an escape in double quotes: use single quotes, or write it twice"
        }
        _ => "text that holds `: ` or ` #`, or goes over several lines, is best written as a block after `|`",
    }
}
