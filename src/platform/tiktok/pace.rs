//! How often to look, and for how long.

use std::time::Duration;

/// Waits between looks at the platform, counted from the moment when the publish request left. The graces are counted
/// by [`Doubts`](crate::platform::doubt::Doubts) instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// The first look at a post being processed; later ones are half as far apart again each time.
    pub(super) poll_first: Duration,
    pub(super) poll_max: Duration,
    /// For what is still being processed after `LONG`.
    pub(super) poll_long: Duration,
    /// For a late public id, or a draft that the creator may publish.
    pub(super) look_every: Duration,
    pub(super) look_until: Duration,
    /// So long after a look that found a cut request incomplete its bytes may still arrive.
    pub(super) absent_grace: Duration,
    /// The same where the upload cannot be gone on with, so that what follows would be another post. Less than a run
    /// waits by default: each process begins anew, and must be able to come to an end.
    pub(super) lost_grace: Duration,
    /// For a post whose request nobody answered, in the list of the creator's posts.
    pub(super) search_every: Duration,
    pub(super) search_until: Duration,
}

/// Processing takes a minute or two, moderation a few hours at worst (TikTok docs `st`, read 2026-11-22).
const LONG: Duration = Duration::from_secs(60 * 60);

/// At TikTok, where 30 status requests a minute are allowed for all of an account's posts (TikTok docs `st`, read
/// 2026-11-22).
const REAL: Pace = Pace {
    poll_first: Duration::from_secs(5),
    poll_max: Duration::from_secs(60),
    poll_long: Duration::from_secs(15 * 60),
    look_every: Duration::from_secs(60 * 60),
    look_until: Duration::from_secs(24 * 60 * 60),
    absent_grace: Duration::from_secs(30),
    lost_grace: Duration::from_secs(5 * 60),
    search_every: Duration::from_secs(60),
    search_until: Duration::from_secs(10 * 60),
};

/// At a server on this machine, which is a rehearsal or a test: nothing there takes long, and somebody is waiting.
const LOOPBACK: Pace = Pace {
    poll_first: Duration::from_millis(100),
    poll_max: Duration::from_secs(5),
    poll_long: Duration::from_secs(60),
    look_every: Duration::from_millis(500),
    look_until: Duration::from_secs(5),
    absent_grace: Duration::from_secs(2),
    lost_grace: Duration::from_secs(2),
    search_every: Duration::from_millis(500),
    search_until: Duration::from_secs(5),
};

impl Pace {
    /// The one place that tells a rehearsal from the real thing.
    pub(super) fn of(loopback: bool) -> Pace {
        if loopback { LOOPBACK } else { REAL }
    }

    /// The wait before the next look at something being processed for `elapsed`. From `a` on, growing by half each time,
    /// the looks come at `2a(1.5ⁿ − 1)`: the wait is `a` and half of what has passed.
    pub(super) fn poll(&self, elapsed: Duration) -> Duration {
        if elapsed >= LONG {
            return self.poll_long;
        }
        (self.poll_first + elapsed / 2).min(self.poll_max)
    }

    /// The wait before the next look for something late, while there is hope.
    pub(super) fn look(&self, elapsed: Duration) -> Option<Duration> {
        (elapsed < self.look_until).then_some(self.look_every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_get_rarer_and_stay_below_the_rate_limit() {
        let (mut at, mut waits) = (Duration::ZERO, Vec::new());
        for _ in 0..8 {
            waits.push(REAL.poll(at).as_millis());
            at += REAL.poll(at);
        }
        assert_eq!(waits, [5_000, 7_500, 11_250, 16_875, 25_312, 37_968, 56_953, 60_000]);
        assert_eq!(REAL.poll(LONG), REAL.poll_long);
        assert_eq!(REAL.look(LONG), Some(LONG));
        assert_eq!(REAL.look(24 * LONG), None);
    }
}
