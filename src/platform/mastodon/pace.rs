//! How often to look, and for how long.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// The first look at media being processed; later ones are half as far apart again each time.
    pub(super) poll_first: Duration,
    pub(super) poll_max: Duration,
    /// Media that are not ready after so long are uploaded again.
    pub(super) processing_max: Duration,
    /// So long after a look that did not find a post its request may still be at work: longer than a server's gateway
    /// waits for the server, and less than a run waits by default.
    pub(super) absent_grace: Duration,
    pub(super) look_every: Duration,
}

/// At a server that others use too: 300 requests in five minutes are allowed (docs.joinmastodon.org, read 2026-11-22).
const REAL: Pace = Pace {
    poll_first: Duration::from_secs(2),
    poll_max: Duration::from_secs(30),
    processing_max: Duration::from_secs(60 * 60),
    absent_grace: Duration::from_secs(120),
    look_every: Duration::from_secs(20),
};

/// At a server on this machine, which is a rehearsal or a test: nothing there takes long, and somebody is waiting.
const LOOPBACK: Pace = Pace {
    poll_first: Duration::from_millis(100),
    poll_max: Duration::from_secs(2),
    processing_max: Duration::from_secs(60),
    absent_grace: Duration::from_secs(2),
    look_every: Duration::from_millis(500),
};

impl Pace {
    /// The one place that tells a rehearsal from the real thing.
    pub(super) fn of(loopback: bool) -> Pace {
        if loopback { LOOPBACK } else { REAL }
    }

    /// The wait before the next look at media being processed for `elapsed`.
    pub(super) fn poll(&self, elapsed: Duration) -> Duration {
        (self.poll_first + elapsed / 2).min(self.poll_max)
    }
}
