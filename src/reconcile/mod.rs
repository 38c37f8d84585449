//! The reconcile: scan, plan, execute one step, record, next action. Knows platforms by their trait only.

pub mod credentials;
pub mod desired;
pub mod execute;
pub mod inquiry;
pub mod lane;
pub mod listing;
pub mod news;
pub mod outcome;
mod pace;
pub mod survey;
pub mod wake;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A random number for jitter.
pub(crate) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// From one instant to a later one; zero if it has passed.
pub(crate) fn wait_between(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now).max(SignedDuration::ZERO)).unwrap_or(Duration::ZERO)
}
