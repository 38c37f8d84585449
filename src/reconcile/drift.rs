//! Compares live posts with what is recorded, within the platform's rate limits, and records how they differ. It looks and
//! writes down; what is found leads to no step.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::execute::Engine;
use super::inquiry::no_room;
use super::pace::room_at;
use crate::domain::drift::to_record;
use crate::domain::event::Event;
use crate::domain::grant::Grant;
use crate::domain::ids::AccountName;
use crate::domain::publication::{Change, Publication, State};
use crate::ledger;
use crate::platform::drift::{Drift, Recorded};
use crate::platform::{Error, Platform, RequestLog};

/// Posts that went out longer ago are left alone: it is old news, and each costs a part of a request.
pub const COMPARED_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How comparing an account went.
#[derive(Debug, Default)]
pub struct Compared {
    /// Posts that the platform answered for, and those of them that differ.
    pub posts: usize,
    pub differing: usize,
    /// Why it ended before all were compared.
    pub error: Option<Error>,
    pub interrupted: bool,
}

/// A published post with what its adapter compares it by.
pub type Live = (Publication, Recorded);

/// The account's published posts among `publications` that can be compared, the latest first.
///
/// # Errors
///
/// Of the ledger.
pub fn live(
    ledger: &ledger::Ledger,
    drift: &dyn Drift,
    (account, publications): (&AccountName, &[Publication]),
    now: Timestamp,
) -> Result<Vec<Live>, ledger::Error> {
    let since = now.saturating_sub(COMPARED_FOR).unwrap_or(Timestamp::MIN);
    let went_out = |p: &Publication| p.intended_at.unwrap_or(p.updated_at);
    let mut live = Vec::new();
    for p in publications.iter().filter(|p| p.account == *account && p.state == State::Published) {
        if went_out(p) < since {
            continue;
        }
        let recorded = Recorded { remote: p.remote.clone(), work: ledger.work(&p.post, account)? };
        if !drift.ids(&recorded).is_empty() {
            live.push((p.clone(), recorded));
        }
    }
    live.sort_by_key(|(p, _)| std::cmp::Reverse(went_out(p)));
    Ok(live)
}

/// Asks for `live` in as few requests as may be, one after the other, each recorded with what it showed before the next
/// leaves. What cannot be asked ends it.
///
/// # Errors
///
/// Of the ledger. A platform's are part of what is returned.
pub async fn compare(
    engine: &mut Engine,
    (platform, drift): (&dyn Platform, &dyn Drift),
    (account, grant): (&AccountName, &Grant),
    live: &[Live],
    stop: &watch::Receiver<bool>,
) -> Result<Compared, ledger::Error> {
    let mut compared = Compared::default();
    let mut rest = live;
    while !rest.is_empty() {
        if *stop.borrow() {
            compared.interrupted = true;
            break;
        }
        let now = engine.clock.now();
        if let Some(at) = room_at(&engine.ledger, platform.rates(), account, drift.operation(), now)? {
            compared.error = Some(no_room(drift.operation(), now, at));
            break;
        }
        let (batch, others) = rest.split_at(fitting(drift, rest));
        rest = others;
        let recorded: Vec<_> = batch.iter().map(|(_, recorded)| recorded.clone()).collect();
        let log = RequestLog::default();
        let answer = drift.compare(&recorded, grant, &log).await;
        let request = |request| Event::Request { account: account.clone(), post: None, request };
        let mut events: Vec<_> = log.take().into_iter().map(request).collect();
        match answer {
            Ok(found) => {
                compared.posts += batch.len();
                compared.differing += found.iter().flatten().count();
                for ((p, _), found) in batch.iter().zip(found) {
                    let reason = to_record(p.reason.as_ref(), found);
                    events.extend(reason.map(|reason| Event::Publication {
                        post: p.post.clone(),
                        account: account.clone(),
                        change: Change::Noticed { reason },
                    }));
                }
            }
            Err(error) => compared.error = Some(error),
        }
        engine.ledger.append(engine.clock.now(), &engine.actor, &events)?;
        if compared.error.is_some() {
            break;
        }
    }
    Ok(compared)
}

/// How many of `live`, from the first on, fit one request: at least one.
fn fitting(drift: &dyn Drift, live: &[Live]) -> usize {
    let mut ids = 0;
    let fits = |(_, recorded): &&Live| {
        ids += drift.ids(recorded).len();
        ids <= drift.ids_max()
    };
    live.iter().take_while(fits).count().max(1)
}
