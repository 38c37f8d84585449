//! Insights: how a live post does, as its platform counts it, read now and then. Nothing follows from them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, PostId};

/// What readers have done with a live post so far. `None`: the platform does not tell, or does not show the post.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insight {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
}

/// An insight and when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub at: Timestamp,
    pub insight: Insight,
}

/// What was read of each live post, oldest first.
pub type Insights = BTreeMap<(PostId, AccountName), Vec<Reading>>;

impl Insight {
    /// In the order in which they are told, with their names.
    pub fn counts(&self) -> [(&'static str, Option<u64>); 4] {
        [("views", self.views), ("likes", self.likes), ("comments", self.comments), ("shares", self.shares)]
    }

    pub fn tells_nothing(&self) -> bool {
        *self == Insight::default()
    }

    /// Of several posts that came of one.
    pub fn plus(self, other: Insight) -> Insight {
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Insight {
            views: add(self.views, other.views),
            likes: add(self.likes, other.likes),
            comments: add(self.comments, other.comments),
            shares: add(self.shares, other.shares),
        }
    }
}

/// A post that went out longer ago is left alone: it is old news, and each costs a part of a request.
pub const READ_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The shortest and the longest time from one reading to the next.
pub const EVERY_MIN: SignedDuration = SignedDuration::from_hours(1);
const EVERY_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When a post that went out then, and was last looked at then, is to be looked at again: the older it is, the later. Half
/// of its age passes between two looks, which makes some 25 of them in all. `None`: never again.
pub fn next_at(went_out: Timestamp, last: Option<Timestamp>) -> Option<Timestamp> {
    let Some(last) = last else { return went_out.checked_add(EVERY_MIN).ok() };
    let age = last.duration_since(went_out);
    let next = last.checked_add((age / 2).clamp(EVERY_MIN, EVERY_MAX)).ok()?;
    (next.duration_since(went_out) <= READ_FOR).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_a_post_is_the_later_it_is_looked_at_and_in_the_end_never() {
        let went_out: Timestamp = "2026-11-26T10:00:00Z".parse().expect("time");
        let (mut hours, mut last) = (Vec::new(), None);
        while let Some(next) = next_at(went_out, last) {
            assert!(last.is_none_or(|last| next >= last + EVERY_MIN && next <= last + EVERY_MAX));
            hours.push(next.duration_since(went_out).as_hours());
            last = Some(next);
        }
        assert_eq!(hours[..8], [1, 2, 3, 4, 6, 10, 15, 22]);
        assert_eq!((hours.len(), hours.last()), (25, Some(&2_069)));
        // A clock that went back makes it no sooner than the shortest time.
        let before = went_out - SignedDuration::from_hours(5);
        assert_eq!(next_at(went_out, Some(before)), Some(before + EVERY_MIN));
        assert_eq!(next_at(Timestamp::MAX, None), None);
    }

    #[test]
    fn counts_of_several_posts_are_added_and_what_is_not_told_stays_so() {
        let one = Insight { views: Some(3), likes: Some(u64::MAX), ..Insight::default() };
        let two = Insight { views: Some(4), likes: Some(1), comments: Some(5), shares: None };
        let both = Insight { views: Some(7), likes: Some(u64::MAX), comments: Some(5), shares: None };
        assert_eq!(one.plus(two), both);
        assert!(Insight::default().plus(Insight::default()).tells_nothing() && !both.tells_nothing());
    }
}
