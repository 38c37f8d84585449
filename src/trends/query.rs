//! What is asked for.

use super::industry::{self, Industry};

/// The longest keyword, in characters: longer than any hashtag.
const KEYWORD_CHARS_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hashtags,
    Videos,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Hashtags => "hashtags",
            Kind::Videos => "videos",
        }
    }
}

/// How far back a list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Week,
    Month,
}

impl Period {
    pub fn days(self) -> u16 {
        match self {
            Period::Week => 7,
            Period::Month => 30,
        }
    }
}

/// Two letters of ISO 3166-1, as all sources name countries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// # Errors
    /// What is wrong, as a fragment that completes "it".
    pub fn read(text: &str) -> Result<Country, String> {
        let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
        if is_code {
            Ok(Country(text.to_ascii_uppercase()))
        } else {
            Err("must be two letters: US, DE, JP".into())
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The overall list.
    Whole,
    /// One industry of hashtags, or one topic of videos.
    One(&'static Industry),
    /// The overall list and that of each industry, put together.
    Each,
}

impl Scope {
    /// # Errors
    /// That there is no such industry, with the names of all.
    pub fn read(kind: Kind, text: &str) -> Result<Scope, String> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Scope::Each);
        }
        let known = industry::of(kind);
        known.iter().find(|one| one.name.eq_ignore_ascii_case(text)).map(Scope::One).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|one| one.name).collect();
            format!("of {} must be `all` or one of {}", kind.as_str(), names.join(", "))
        })
    }

    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Scope::Whole => None,
            Scope::One(industry) => Some(industry.name),
            Scope::Each => Some("all"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub kind: Kind,
    pub country: Country,
    pub period: Period,
    pub scope: Scope,
    /// Without a `#`.
    pub keyword: Option<String>,
}

/// A keyword on one line, without its `#`.
///
/// # Errors
/// What is wrong, as a fragment that completes "it".
pub fn keyword(text: &str) -> Result<String, String> {
    let word = text.trim().trim_start_matches('#');
    match word.chars().count() {
        0 => Err("must not be empty".into()),
        1..=KEYWORD_CHARS_MAX if !word.chars().any(char::is_control) => Ok(word.to_owned()),
        _ => Err(format!("must be a word of at most {KEYWORD_CHARS_MAX} characters on one line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_checked_first() {
        assert_eq!(Country::read("de").expect("a country").as_str(), "DE");
        for text in ["", "D", "DEU", "d1", "ÄÖ", "..", "a&"] {
            Country::read(text).expect_err(text);
        }
        assert_eq!(keyword(" #Rust ").as_deref(), Ok("Rust"));
        for text in ["", " # ", "a\nb", "a\u{1b}[0m", &"x".repeat(101)] {
            keyword(text).expect_err(text);
        }
        assert_eq!(Scope::read(Kind::Hashtags, "ALL"), Ok(Scope::Each));
        let pets = Scope::read(Kind::Hashtags, "Pets").expect("an industry");
        assert_eq!(pets.as_str(), Some("pets"));
        let why = Scope::read(Kind::Videos, "pets").expect_err("a topic of hashtags");
        assert!(why.contains("`all`") && why.contains("beauty"), "{why}");
    }
}
