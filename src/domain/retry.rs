//! What an error leads to: the kinds that adapters sort errors into, and the wait before another try.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Every error of a platform is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The access token is not accepted: refresh once, then a person must log in.
    Auth,
    /// The app or the account may not do this: a person must change something at the platform.
    Permission,
    /// Too fast or too much: nothing happened; try later.
    RateLimited,
    /// The platform looked at it and said no; the same again will not help.
    Rejected,
    /// Nothing happened, and it may work next time: no connection, a 5xx to a request without effect.
    Transient,
    /// Nobody knows whether it happened.
    Ambiguous,
    /// A reply that we cannot read, to a request without effect.
    Protocol,
    /// Something on this machine is wrong: a file changed or cannot be read.
    Local,
}

/// The first wait after a transient failure.
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// No wait grows beyond this.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);
/// After so many tries in a row without progress, the step waits at `BACKOFF_MAX`.
pub const TRIES_MAX: u32 = 8;

/// Publish requests in one attempt whose post proved absent, each time. Nothing is public then, but the platform does
/// not take it: a person should look before it is tried again.
pub const SENDS_MAX: u32 = 8;

/// The wait before try number `tries` + 1, with full jitter: `random` is uniform in 0..=u32::MAX.
/// What the platform asked for (`retry_after`) is the least.
pub fn backoff(tries: u32, retry_after: Option<Duration>, random: u32) -> Duration {
    let ceiling = BACKOFF_BASE.saturating_mul(1 << tries.min(TRIES_MAX + 1)).min(BACKOFF_MAX);
    let jittered = ceiling.mul_f64(f64::from(random) / f64::from(u32::MAX));
    retry_after.unwrap_or_default() + jittered.max(BACKOFF_BASE / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_is_bounded_and_honours_the_platform() {
        assert_eq!(backoff(0, None, u32::MAX), BACKOFF_BASE);
        assert_eq!(backoff(3, None, u32::MAX), BACKOFF_BASE * 8);
        assert_eq!(backoff(u32::MAX, None, u32::MAX), BACKOFF_MAX);
        assert!(backoff(5, None, 0) < BACKOFF_BASE);
        assert!(backoff(0, Some(Duration::from_secs(60)), 0) >= Duration::from_secs(60));
    }
}
