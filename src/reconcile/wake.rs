//! When there is something to do again, if nothing changes until then.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::grant::{GrantRecord, TokenCare};
use crate::domain::ids::AccountName;
use crate::domain::plan::{Action, Plan, Planned};
use crate::domain::publication::Publication;

/// What was due in a pass and is still due after it, as its account is blocked or a server does not answer, is tried
/// again after this long.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// The next appointment of what a pass has left that was planned at `now`: due times, waits for a platform, looks, and
/// ends of tokens. What has come due since then was not tried, and is an appointment that has passed. At `latest` if
/// there is none before.
pub fn wake_at(
    now: Timestamp,
    (plan, recorded): (&Plan, &[Publication]),
    grants: &BTreeMap<AccountName, (GrantRecord, TokenCare)>,
    latest: Timestamp,
) -> Timestamp {
    let is_due =
        |change: &&Planned| change.action == Action::Wait || change.next_at.is_some_and(|at| at > now);
    let due = plan.changes.iter().filter(is_due).filter_map(|change| change.next_at);
    let in_flight = recorded.iter().filter(|p| p.state.is_in_flight() || p.state.is_success());
    let looks = in_flight.filter_map(|p| p.ready_at(now));
    let tokens = grants.values().filter(|(grant, _)| grant.needs_login(now).is_none());
    let refreshes = tokens.map(|(grant, care)| grant.refresh_due_at(care));
    soonest(now, due.chain(looks).chain(refreshes), latest)
}

fn soonest(now: Timestamp, appointments: impl Iterator<Item = Timestamp>, latest: Timestamp) -> Timestamp {
    appointments.fold(latest, |soonest, at| {
        let at = if at > now { at } else { now.saturating_add(RETRY_AFTER).unwrap_or(Timestamp::MAX) };
        soonest.min(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_appointment_counts_and_a_missed_one_is_tried_again_in_a_minute() {
        let at = |second: i64| Timestamp::from_second(second).expect("a second");
        for (appointments, expected) in [
            (vec![], 1_000),
            (vec![500, 300, 2_000], 300),
            (vec![100], 160),
            (vec![50, 130], 130),
            (vec![50, 500], 160),
        ] {
            let found = soonest(at(100), appointments.iter().map(|second| at(*second)), at(1_000));
            assert_eq!(found, at(expected), "{appointments:?}");
        }
    }
}
