//! One post of a plan: how it will look, as far as words can tell, its media, and what sending it costs.

use crate::cli::text::{code, fenced};
use crate::domain::media::Medium;
use crate::domain::payload::Payload;
use crate::domain::plan::Planned;
use crate::domain::preview::{Preview, Run};
use crate::domain::telling;

/// The longest text of one part that is shown; the longest that a platform takes is a third of it.
const TEXT_CHARS_MAX: usize = 8_000;
/// Texts that are longer, or have more lines, are folded away.
const OPEN_CHARS_MAX: usize = 500;
const OPEN_LINES_MAX: usize = 8;
/// The longest title, description, address or name.
const WORDS_CHARS_MAX: usize = 500;
/// Beyond this many they are counted: a post has at most 35.
const MEDIA_MAX: usize = 40;

pub(super) fn block(change: &Planned, payload: &Payload, preview: &Preview) -> String {
    let parts: Vec<String> = preview.parts.iter().map(|runs| text_of(runs)).collect();
    let texts: String = match &parts[..] {
        [one] => text(one),
        many => {
            many.iter().enumerate().map(|(n, part)| format!("Part {}:\n\n{}", n + 1, text(part))).collect()
        }
    };
    let (chars, lines) = (texts.chars().count(), texts.lines().count());
    let details = notes(change, payload, preview);
    // In HTML of our own `<code>` does what back-ticks do elsewhere; names have letters, digits, `.`, `_` and `-`.
    let (post, account) = (change.post.as_str(), change.account.as_str());
    if parts.len() > 1 || chars > OPEN_CHARS_MAX || lines > OPEN_LINES_MAX {
        let name =
            format!("<code>{post}</code> on <code>{account}</code>: text of {} characters", total(&parts));
        format!("<details><summary>{name}</summary>\n\n{texts}\n</details>\n\n{details}\n")
    } else {
        format!("`{post}` on `{account}`\n\n{texts}{details}\n")
    }
}

fn total(parts: &[String]) -> usize {
    parts.iter().map(|part| part.chars().count()).sum()
}

fn text_of(runs: &[Run]) -> String {
    let shown = |run: &Run| match run {
        Run::Plain(text) | Run::Name(text) | Run::Link(text, _) => text.clone(),
    };
    runs.iter().map(shown).collect()
}

/// One text in a fence, with a blank line behind it.
fn text(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => format!("{}\n", fenced(text)),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!("{}\n… and {more} more characters.\n\n", fenced(&text[..end]))
        }
    }
}

/// What else there is to know, as a list.
fn notes(change: &Planned, payload: &Payload, preview: &Preview) -> String {
    let words = |text: &str| code(text, WORDS_CHARS_MAX);
    let mut lines = vec![format!("manifest: {}", words(&change.path))];
    lines.extend(preview.title.iter().map(|title| format!("title: {}", words(title))));
    lines.extend(preview.warning.iter().map(|warning| format!("warning: {}", words(warning))));
    for (n, medium) in payload.media.iter().enumerate().take(MEDIA_MAX) {
        let alt = preview.alts.get(n).filter(|alt| !alt.trim().is_empty());
        let alt = alt.map(|alt| format!(", alt: {}", words(alt))).unwrap_or_default();
        lines.push(match medium {
            Medium::File { path, .. } => format!("{}: {}{alt}", words(path), telling::facts(medium)),
            Medium::Url { url } => format!("{}{alt}", words(url)),
        });
    }
    if payload.media.len() > MEDIA_MAX {
        lines.push(format!("and {} more media", payload.media.len() - MEDIA_MAX));
    }
    lines
        .extend(preview.card.iter().map(|card| format!("card: {} {}", words(&card.title), words(&card.url))));
    if !preview.poll.is_empty() {
        lines.push(format!("poll: {}", listed(&preview.poll)));
    }
    if !preview.badges.is_empty() {
        lines.push(listed(&preview.badges));
    }
    lines.extend(
        preview.notes.iter().map(|note| format!("{}: {}", note.name.to_lowercase(), words(&note.text))),
    );
    lines.push(format!("to send: {}", telling::cost(&payload.estimate).join(", ")));
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

fn listed(words: &[String]) -> String {
    words.iter().map(|word| code(word, WORDS_CHARS_MAX)).collect::<Vec<_>>().join(", ")
}
