//! How a post will look on its platform, as far as that can be told offline, in words that fit all platforms.

use super::payload::Payload;

/// A post as its readers get to see it. Its media are the payload's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    pub shape: Shape,
    /// What readers are told before they see it.
    pub warning: Option<String>,
    /// Shown above the text.
    pub title: Option<String>,
    /// The text of each post; more than one is a thread. The media belong to the first.
    pub parts: Vec<Vec<Run>>,
    /// What is told to those who cannot see them, one for each medium; none at all where the platform takes no such texts.
    pub alts: Vec<String>,
    pub card: Option<Card>,
    /// The answers of a poll.
    pub poll: Vec<String>,
    /// Short: who may see it, what is allowed.
    pub badges: Vec<String>,
    /// What else is to be known about it.
    pub notes: Vec<Note>,
}

/// How posts are laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// Text above media, one post below the other.
    #[default]
    Feed,
    /// One tall picture after another, with the text below.
    Portrait,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    Plain(String),
    /// A name or a tag, which the platform makes lead somewhere.
    Name(String),
    /// What is shown, and the address it leads to: as somebody wrote it.
    Link(String, String),
}

/// A card for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub url: String,
    pub title: String,
    pub description: String,
    /// Whether the first medium is its picture.
    pub has_picture: bool,
}

/// Something about a post, by name: `Who can reply`, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub name: &'static str,
    pub text: String,
}

impl Preview {
    /// Text and media, where nothing more is known.
    pub fn plain(payload: &Payload) -> Preview {
        let parts = payload.text.iter().map(|text| marked(text)).collect();
        Preview { parts, ..Preview::default() }
    }

    pub fn note(&mut self, name: &'static str, text: impl Into<String>) {
        self.notes.push(Note { name, text: text.into() });
    }
}

/// The text with what begins with `#` or `@` marked as names.
pub fn marked(text: &str) -> Vec<Run> {
    let is_name = |word: &str| {
        word.strip_prefix(['#', '@']).is_some_and(|name| name.starts_with(|c: char| c.is_alphanumeric()))
    };
    let mut runs: Vec<Run> = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let name = word.trim_end().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"']);
        let (name, rest) = if is_name(name) { word.split_at(name.len()) } else { ("", word) };
        if !name.is_empty() {
            runs.push(Run::Name(name.to_owned()));
        }
        match runs.last_mut() {
            Some(Run::Plain(text)) => text.push_str(rest),
            _ if rest.is_empty() => {}
            _ => runs.push(Run::Plain(rest.to_owned())),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_marked_and_nothing_is_lost() {
        let (plain, name) = (|t: &str| Run::Plain(t.into()), |t: &str| Run::Name(t.into()));
        for (text, runs) in [
            ("", vec![]),
            ("a b\n", vec![plain("a b\n")]),
            ("#a", vec![name("#a")]),
            ("a #b.\n@c d", vec![plain("a "), name("#b"), plain(".\n"), name("@c"), plain(" d")]),
            ("# a #- C# a@b.c", vec![plain("# a #- C# a@b.c")]),
        ] {
            assert_eq!(marked(text), runs, "{text:?}");
        }
    }
}
