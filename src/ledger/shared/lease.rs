//! Who works with the shared ledger at the moment. It keeps two runs from doing the same work; that nothing is
//! published twice does not depend on it, nor on anybody's clock.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ledger::Holder;

/// Held while it is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Of the copy of the ledger that its holder works with.
    pub id: String,
    pub holder: Holder,
    pub until: Timestamp,
}

impl Lease {
    /// Whether somebody else holds it at `now`. A holder on this machine with this very copy was ours and is dead: the
    /// lock of the operating system is ours now.
    pub(super) fn bars(&self, (id, host): (&str, &str), now: Timestamp) -> bool {
        (self.id != id || self.holder.host != host) && now < self.until
    }

    /// Whether it had better be held for longer: half of it is over.
    pub(super) fn is_aging(&self, term: SignedDuration, now: Timestamp) -> bool {
        self.until.duration_since(now) < term / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bars_others_until_it_is_over() {
        let holder = Holder {
            pid: 1,
            host: "here".into(),
            started_at: Timestamp::UNIX_EPOCH,
            command: "gitcast apply".into(),
            run_url: None,
        };
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let lease = Lease { id: "a".into(), holder, until: at(100) };
        for (ours, now, bars) in [
            (("b", "here"), 99, true),
            (("a", "there"), 99, true),
            (("b", "there"), 100, false),
            (("a", "here"), 99, false),
        ] {
            assert_eq!(lease.bars(ours, at(now)), bars, "{ours:?} at {now}");
        }
        let term = SignedDuration::from_secs(100);
        assert!(!lease.is_aging(term, at(50)) && lease.is_aging(term, at(51)));
    }
}
