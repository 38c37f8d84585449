//! Hashtags that were trending when somebody asked last: read from what was kept, and nobody is asked.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::cache::{self, Cache};
use super::query::{Country, Kind, Period, Query, Scope};
use super::{SourceId, industry};

/// A list counts here for longer than it is shown as new: it looks back a week at least, and its age is told.
pub const AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// More hashtags of one text are not looked at.
const TAGS_MAX: usize = 30;

/// The lists of one country, put together.
#[derive(Debug)]
pub struct Known {
    /// When the oldest of them was asked for.
    pub asked_at: Timestamp,
    /// By the hashtag in small letters.
    tags: BTreeMap<String, Place>,
}

/// Where a hashtag stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Without its `#`, as the list has it.
    pub name: String,
    pub rank: usize,
    pub period_days: u16,
    /// The industry whose list it is, `all` of them put together, or none: the overall list.
    pub industry: Option<&'static str>,
    pub source: SourceId,
}

impl Known {
    /// What is kept of a country and is not too old at `now`, if anything is.
    pub fn read(cache: &Cache, country: &Country, now: Timestamp) -> Option<Known> {
        let mut known: Option<Known> = None;
        for (source, period, scope) in lists() {
            let query =
                Query { kind: Kind::Hashtags, country: country.clone(), period, scope, keyword: None };
            let Some((asked_at, found)) = cache.get(&cache::key(source, &query, false), now, AGE_MAX) else {
                continue;
            };
            let known = known.get_or_insert_with(|| Known { asked_at, tags: BTreeMap::new() });
            known.asked_at = known.asked_at.min(asked_at);
            for trend in found.trends {
                let (rank, period_days, industry) = (trend.rank, period.days(), scope.as_str());
                let place = Place { name: trend.name, rank, period_days, industry, source };
                known.tags.entry(place.name.to_lowercase()).or_insert(place);
            }
        }
        known
    }

    /// The hashtags of a text that are among them.
    pub fn among(&self, text: &str) -> Vec<&Place> {
        hashtags(text).into_iter().filter_map(|tag| self.tags.get(&tag.to_lowercase())).collect()
    }

    pub fn count(&self) -> usize {
        self.tags.len()
    }
}

/// All lists of hashtags that may be kept, the one that says most about a hashtag first.
fn lists() -> impl Iterator<Item = (SourceId, Period, Scope)> {
    [Period::Week, Period::Month].into_iter().flat_map(|period| {
        let overall = [SourceId::Business, SourceId::CreativeCenter].map(|source| (source, Scope::Whole));
        let single = industry::of(Kind::Hashtags).iter().map(Scope::One);
        let narrow = [Scope::Each].into_iter().chain(single).map(|scope| (SourceId::CreativeCenter, scope));
        overall.into_iter().chain(narrow).map(move |(source, scope)| (source, period, scope))
    })
}

/// The hashtags in a text, each once and without its `#`.
pub(super) fn hashtags(text: &str) -> Vec<&str> {
    let mut seen = std::collections::BTreeSet::new();
    let after = text.split('#').skip(1).take(TAGS_MAX);
    let tags =
        after.map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(""));
    tags.filter(|tag| !tag.is_empty() && seen.insert(tag.to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Trend};
    use super::*;

    fn keep(
        cache: &Cache,
        source: SourceId,
        (period, scope): (Period, Scope),
        at: Timestamp,
        names: &[&str],
    ) {
        let country = Country::read("US").expect("a country");
        let query = Query { kind: Kind::Hashtags, country, period, scope, keyword: None };
        let trends = names.iter().enumerate();
        let trends =
            trends.map(|(at, name)| Trend { rank: at + 1, name: (*name).to_owned(), ..Trend::default() });
        let found = Found { trends: trends.collect(), ..Found::default() };
        cache.put(&cache::key(source, &query, false), at, &found).expect("kept");
    }

    #[test]
    fn the_lists_of_a_day_say_where_a_hashtag_stood() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned(), None);
        let us = Country::read("US").expect("a country");
        let hour = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        assert!(Known::read(&cache, &us, hour(0)).is_none());
        let pets = Scope::One(&industry::of(Kind::Hashtags)[9]);
        keep(&cache, SourceId::CreativeCenter, (Period::Week, pets), hour(2), &["Puppy", "cat"]);
        keep(&cache, SourceId::Business, (Period::Month, Scope::Whole), hour(1), &["soup", "cat", "日本"]);
        keep(&cache, SourceId::CreativeCenter, (Period::Week, Scope::Whole), hour(-50), &["old"]);
        let known = Known::read(&cache, &us, hour(3)).expect("lists");
        assert_eq!((known.count(), known.asked_at), (4, hour(1)));
        let told: Vec<_> = known
            .among("#CAT, #cat #日本! #old #puppies and soup #x")
            .into_iter()
            .map(|place| (place.name.as_str(), place.rank, place.period_days, place.industry))
            .collect();
        assert_eq!(told, [("cat", 2, 7, Some("pets")), ("日本", 3, 30, None)]);
        for elsewhere in [Country::read("DE").expect("a country"), us.clone()] {
            let now = if elsewhere == us { hour(26) } else { hour(3) };
            assert!(Known::read(&cache, &elsewhere, now).is_none());
        }
        // Another server's lists are not these.
        let other = Cache::new(folder.path().to_owned(), Some("http://127.0.0.1:1"));
        assert!(Known::read(&other, &us, hour(3)).is_none());
    }

    #[test]
    fn hashtags_are_found_in_a_text() {
        assert_eq!(hashtags("#One two#three #one, #日本語! # #_x"), ["One", "three", "日本語", "_x"]);
        assert_eq!(hashtags(&"#a1 ".repeat(1000)), ["a1"]);
        assert_eq!(hashtags("no tags"), [""; 0]);
    }
}
