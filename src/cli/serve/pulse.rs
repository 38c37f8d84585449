//! How the passes of a watch went, for whoever asks whether it is well.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Ready means that a pass has succeeded within so many resync times.
const RESYNCS: u32 = 3;

#[derive(Debug)]
pub(in crate::cli) struct Pulse {
    ready_within: Duration,
    passes: Mutex<Passes>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Passes {
    pub done: u64,
    pub failed: u64,
    /// When the last one succeeded.
    pub last: Option<(Instant, Timestamp)>,
}

impl Pulse {
    pub(super) fn new(resync: Duration) -> Pulse {
        Pulse { ready_within: resync.saturating_mul(RESYNCS), passes: Mutex::default() }
    }

    /// A pass has ended: when, if it succeeded.
    pub(in crate::cli) fn passed(&self, at: Option<Timestamp>) {
        let mut passes = self.lock();
        match at {
            Some(at) => {
                passes.done += 1;
                passes.last = Some((Instant::now(), at));
            }
            None => passes.failed += 1,
        }
    }

    pub(super) fn passes(&self) -> Passes {
        *self.lock()
    }

    /// Why it is not ready, if it is not.
    pub(super) fn hindrance(&self) -> Option<String> {
        match self.lock().last {
            None => Some("no pass has succeeded yet".to_owned()),
            Some((at, _)) if at.elapsed() > self.ready_within => {
                Some(format!("no pass has succeeded within {} s", self.ready_within.as_secs()))
            }
            Some(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Passes> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_passes_succeed() {
        let pulse = Pulse::new(Duration::from_secs(1));
        pulse.passed(None);
        assert!(pulse.hindrance().is_some_and(|why| why.contains("yet")));
        pulse.passed(Some(Timestamp::UNIX_EPOCH));
        assert_eq!(pulse.hindrance(), None);
        let hasty = Pulse::new(Duration::ZERO);
        hasty.passed(Some(Timestamp::UNIX_EPOCH));
        assert!(hasty.hindrance().is_some_and(|why| why.contains("within")));
    }
}
