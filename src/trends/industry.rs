//! What TikTok sorts hashtags and videos by, and how gitcast names it.
//!
//! Source: public clients of the Creative Center, two for each table, read 2026-11-26. TikTok documents neither; numbers that
//! are not here are shown as numbers.

use super::query::Kind;

/// An industry of hashtags (`industryID`), or a topic of videos (`contentLabelIDs`).
#[derive(Debug, PartialEq, Eq)]
pub struct Industry {
    /// As an option takes it.
    pub name: &'static str,
    pub id: u64,
}

const fn industry(name: &'static str, number: u64) -> Industry {
    Industry { name, id: number * 1_000_000_000 }
}

const fn topic(name: &'static str, id: u64) -> Industry {
    Industry { name, id }
}

static HASHTAGS: [Industry; 21] = [
    industry("education", 10),
    industry("vehicles", 11),
    industry("baby", 12),
    industry("finance", 13),
    industry("beauty", 14),
    industry("tech", 15),
    industry("appliances", 16),
    industry("travel", 17),
    industry("household", 18),
    industry("pets", 19),
    industry("apps", 20),
    industry("home-improvement", 21),
    industry("apparel", 22),
    industry("news-entertainment", 23),
    industry("business-services", 24),
    industry("games", 25),
    industry("life-services", 26),
    industry("food", 27),
    industry("sports", 28),
    industry("health", 29),
    industry("e-commerce", 30),
];

static VIDEOS: [Industry; 14] = [
    topic("nature-animals", 11_001),
    topic("beauty", 11_002),
    topic("fashion", 11_003),
    topic("music-entertainment", 11_004),
    topic("games", 11_005),
    topic("sports", 11_007),
    topic("creativity", 11_008),
    topic("family", 11_009),
    topic("food", 11_010),
    topic("vlog", 11_011),
    topic("society", 11_012),
    topic("lifestyle", 11_013),
    topic("vehicles", 11_014),
    topic("tech-finance", 11_015),
];

/// All of a kind.
pub fn of(kind: Kind) -> &'static [Industry] {
    match kind {
        Kind::Hashtags => &HASHTAGS,
        Kind::Videos => &VIDEOS,
    }
}

/// The name of an industry of hashtags; of one that is not known, its number.
pub(super) fn name(id: u64) -> String {
    HASHTAGS.iter().find(|one| one.id == id).map_or_else(|| id.to_string(), |one| one.name.to_owned())
}
