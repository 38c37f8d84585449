//! Makes text that others wrote harmless, one function for each place where it can do harm.
//!
//! Post text, file names and replies of platforms are untrusted. On a terminal they could move the cursor or reverse
//! the order of letters, in the log of a CI job they could be read as commands, in a comment they could notify people.
//! What would do harm is not removed but shown as `\u{1b}`, so that a reader sees that it is there.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::domain::unseen::is_hidden;

/// Text for a terminal or a log, with its lines and tabs kept.
///
/// Besides characters that are not seen, this breaks what CI systems read as a command in a job's output:
/// - GitHub takes a line that begins, after white space, with `::name::`; here the first colon becomes `\u{3a}`;
/// - GitHub's older form `##[name]`, Azure's `##vso[…]` and TeamCity's `##teamcity[…]` count anywhere in a line;
///   here the second `#` becomes `\u{23}`.
///
/// The form is the one that all other characters get: it is plain ASCII, and it says which character was there.
/// (GitHub's runner, `ActionCommand.cs`, read 2026-11-23: a line is trimmed and must begin with `::`; `##[` is searched for.)
pub fn terminal(text: &str) -> Cow<'_, str> {
    replace(text, |c, out| out.extend(c.escape_unicode()))
}

/// Text for a terminal or a log on one line, with white space folded and at most `max_chars` characters.
/// What is cut off is shown as `…`.
pub fn one_line(text: &str, max_chars: usize) -> String {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escapes = Escapes::of(&folded).peekable();
    let (mut out, mut length, mut fits) = (String::new(), 0, 0);
    for (at, c) in folded.char_indices() {
        let start = out.len();
        match escapes.next_if(|(escape, _)| *escape == at) {
            Some(_) => out.extend(c.escape_unicode()),
            None => out.push(c),
        }
        length += out[start..].chars().count();
        if length > max_chars {
            out.truncate(fits);
            out.push('…');
            break;
        }
        if length < max_chars {
            fits = out.len();
        }
    }
    out
}

/// The message of a GitHub workflow command.
pub fn github_data(text: &str) -> String {
    terminal(text).replace('%', "%25").replace('\n', "%0A")
}

/// The value of a property of a GitHub workflow command.
pub fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A code span of Markdown, on one line, with at most `max_chars` characters of `text`. Empty if there are none.
///
/// In code nothing is markup, HTML, an image, a mention, a reference, an emoji or a formula, neither on GitHub nor on
/// GitLab. (Escapes do not do that: GitHub looks for mentions after rendering, in all text that is not code.)
pub fn code(text: &str, max_chars: usize) -> String {
    let text = back_ticks(&one_line(text, max_chars), CODE_TICKS_MAX).into_owned();
    let ticks = "`".repeat(longest_run(&text) + 1);
    // One space at each side is not shown. A `$` beside a back-tick could be read as the edge of a formula.
    let is_edge = |c: char| matches!(c, '`' | '$');
    match text.starts_with(is_edge) || text.ends_with(is_edge) {
        _ if text.is_empty() => text,
        true => format!("{ticks} {text} {ticks}"),
        false => format!("{ticks}{text}{ticks}"),
    }
}

/// The same in a cell of a table, whose cells are told apart before code is looked for.
pub fn code_cell(text: &str, max_chars: usize) -> String {
    code(text, max_chars).replace('|', "\\|")
}

/// A fenced block of Markdown that `text` cannot leave: the fence is longer than any run of back-ticks inside.
///
/// A line that begins with a slash could be a command to GitLab, which looks for them before it looks for fences of
/// other lengths than three; its slash is shown as `\u{2f}`.
pub fn fenced(text: &str) -> String {
    let text = terminal(text.trim_end_matches('\n'));
    let text = back_ticks(&text, FENCE_TICKS_MAX);
    let lines = text.split('\n').map(|line| {
        let rest = line.trim_start();
        match rest.strip_prefix('/').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic())) {
            Some(command) => format!("{}\\u{{2f}}{command}\n", &line[..line.len() - rest.len()]),
            None => format!("{line}\n"),
        }
    });
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    format!("{fence}text\n{}{fence}\n", lines.collect::<String>())
}

/// The longest run of back-ticks that a code span may hold. (GitHub's parser, cmark-gfm, takes no longer marks than 80
/// for a span, `MAXBACKTICKS` in its `inlines.c`; read 2026-11-26.)
const CODE_TICKS_MAX: usize = 8;
/// The same for a fence, whose length cmark-gfm counts up to 255 only (`blocks.c`, read 2026-11-26).
const FENCE_TICKS_MAX: usize = 64;

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Shows all back-ticks as `\u{60}` where a run of them is longer than `max`.
fn back_ticks(text: &str, max: usize) -> Cow<'_, str> {
    if longest_run(text) > max { text.replace('`', "\\u{60}").into() } else { text.into() }
}

/// Writes `value` as indented JSON.
///
/// `serde_json` escapes what JSON wants escaped; this escapes what a terminal or a CI system would act on, too.
///
/// # Errors
/// Those of `out`.
pub fn json_safe(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    Ok(serde_json::to_writer_pretty(JsonSafe(out), value)?)
}

/// Escapes in the JSON text that goes through it. Whole characters must be written at a time, as `serde_json` does.
struct JsonSafe<W: Write>(W);

impl<W: Write> Write for JsonSafe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        // Unseen characters and `##` stand only inside the strings of a JSON text, where an escape is allowed.
        // `::` never begins a line of it.
        self.0.write_all(json_escaped(text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn json_escaped(text: &str) -> Cow<'_, str> {
    replace(text, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn replace(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let mut escapes = Escapes::of(text).peekable();
    if escapes.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut done) = (String::with_capacity(text.len() + 16), 0);
    for (at, c) in escapes {
        out.push_str(&text[done..at]);
        escape(c, &mut out);
        done = at + c.len_utf8();
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// The characters of a text that [`terminal`] does not let through, each with its place in bytes.
pub(super) struct Escapes<'a> {
    text: &'a str,
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    previous: char,
    /// Whether there was only white space in this line so far.
    blank: bool,
}

impl<'a> Escapes<'a> {
    pub(super) fn of(text: &'a str) -> Escapes<'a> {
        Escapes { text, chars: text.char_indices().peekable(), previous: '\n', blank: true }
    }

    fn is_harmful(&mut self, at: usize, c: char) -> bool {
        let next = self.chars.peek().map_or('\n', |(_, next)| *next);
        match c {
            '\n' | '\t' => false,
            ':' => self.blank && next == ':',
            '#' => self.previous == '#' && names_a_command(&self.text[at + 1..]),
            c => is_hidden(self.previous, c, next),
        }
    }
}

impl Iterator for Escapes<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<(usize, char)> {
        while let Some((at, c)) = self.chars.next() {
            let harmful = self.is_harmful(at, c);
            self.blank = c == '\n' || (self.blank && c.is_whitespace() && !harmful);
            self.previous = c;
            if harmful {
                return Some((at, c));
            }
        }
        None
    }
}

/// Whether `##` before this text makes a command of it: `[`, `vso[`, `teamcity[`.
fn names_a_command(rest: &str) -> bool {
    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('[')
}

#[cfg(test)]
mod tests;
