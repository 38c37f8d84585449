//! Where something stands in a file: bytes, lines and columns. Knows nothing of rendering.

use serde::{Deserialize, Serialize};

/// A half-open range of bytes of a UTF-8 text, with the line and column (both from 1, columns in characters)
/// of its two ends. The end is the position just behind the last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

impl Span {
    /// The span of `start..end` (bytes; moved back to a character's start where they fall inside one) in `text`.
    pub fn locate(text: &str, start: usize, end: usize) -> Span {
        let start = text.floor_char_boundary(start.min(text.len()));
        let end = text.floor_char_boundary(end.clamp(start, text.len()));
        let (line, column) = position(text, start);
        let (end_line, end_column) = position(text, end);
        Span { start, end, line, column, end_line, end_column }
    }
}

fn position(text: &str, offset: usize) -> (u32, u32) {
    // No editor counts a byte order mark, and neither does the parser.
    let before = &text[..offset];
    let before = before.strip_prefix('\u{feff}').unwrap_or(before);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Located<T> {
    pub fn new(value: T, span: Span) -> Located<T> {
        Located { value, span }
    }

    pub fn as_ref(&self) -> Located<&T> {
        Located { value: &self.value, span: self.span }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: f(self.value), span: self.span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_count_bytes() {
        let span = Span::locate("a: é\nb: ü🎉x", 9, 13);
        assert_eq!((span.line, span.column), (2, 4));
        assert_eq!((span.end_line, span.end_column), (2, 5));
    }

    #[test]
    fn a_byte_order_mark_is_no_character_of_the_first_line() {
        let text = "\u{feff}id: x\nto: y";
        let place = |at: usize| (Span::locate(text, at, at).line, Span::locate(text, at, at).column);
        assert_eq!([0, 3, 4, 9, 10].map(place), [(1, 1), (1, 1), (1, 2), (2, 1), (2, 2)]);
    }

    #[test]
    fn offsets_outside_the_text_or_inside_a_character_are_moved_back() {
        let span = Span::locate("é", 1, 99);
        assert_eq!((span.start, span.end), (0, 2));
    }
}
