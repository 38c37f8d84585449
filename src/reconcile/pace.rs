//! The platform's rate limits, counted in the ledger.

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::AccountName;
use crate::domain::limits::RateLimit;
use crate::ledger::{self, Ledger};

/// When there is room for the operation, if there is none now.
pub(super) fn room_at(
    ledger: &Ledger,
    rates: &[RateLimit],
    account: &AccountName,
    operation: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, ledger::Error> {
    let mut at = None;
    for rate in rates.iter().filter(|rate| rate.operations.contains(&operation)) {
        let window = SignedDuration::try_from(rate.window).unwrap_or(SignedDuration::MAX);
        let since = now.saturating_sub(window).unwrap_or(Timestamp::MIN);
        let mut sent = ledger.requests_since(account, rate.operations, since)?;
        // What was sent in the future was sent before the clock went back.
        sent.retain(|at| *at <= now);
        let max = usize::try_from(rate.max).unwrap_or(usize::MAX);
        if sent.len() >= max {
            let free = sent[sent.len() - max].saturating_add(window).unwrap_or(Timestamp::MAX);
            at = at.max(Some(free.max(now + SignedDuration::from_millis(1))));
        }
    }
    Ok(at)
}
