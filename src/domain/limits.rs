//! The shape of what a platform allows; the values, each with its source and date, live with each adapter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often something may be asked of a platform, for one account, in any window of the given length.
/// Counted in the ledger, so that a restart does not forget what was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The operations that draw from it, by the names that requests are recorded under.
    pub operations: &'static [&'static str],
    pub max: u32,
    pub window: Duration,
}

/// How many posts an account may make in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Stable name: `posts-per-day`.
    pub name: &'static str,
    pub counts: Counts,
    pub max: u32,
    pub window: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counts {
    /// Whatever was sent to be published directly.
    Posts,
    /// Drafts handed to the creator.
    Drafts,
    /// Answers to comments.
    Replies,
}
