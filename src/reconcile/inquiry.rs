//! Asks a platform what an account may do, within its rate limits, and writes the requests down.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::pace::room_at;
use crate::crash::{self, Point};
use crate::domain::capability::{Capabilities, decode::LISTED_MAX};
use crate::domain::event::Event;
use crate::domain::grant::Grant;
use crate::domain::ids::AccountName;
use crate::domain::limits::RateLimit;
use crate::domain::publication::State;
use crate::domain::retry::ErrorKind;
use crate::domain::url;
use crate::ledger::{self, Ledger};
use crate::platform::inquiry::Answer;
use crate::platform::{Error, Platform, RequestLog};

/// What the platform answers, after its requests were recorded. Where a rate limit has no room nothing is sent.
pub async fn inquire(
    ledger: &mut Ledger,
    platform: &dyn Platform,
    (account, grant): (&AccountName, &Grant),
    (now, actor): (Timestamp, &str),
) -> Result<Result<Answer, Error>, ledger::Error> {
    for operation in platform.inquiry().operations(grant) {
        if let Some(at) = room_at(ledger, platform.rates(), account, operation, now)? {
            return Ok(Err(no_room(operation, now, at)));
        }
    }
    let log = RequestLog::default();
    let answer = platform.inquiry().capabilities(grant, &log).await;
    record(ledger, account, &log, (now, actor))?;
    Ok(answer)
}

/// Asks something that is about no post of ours in one request, and writes that down. Where a rate limit has no room
/// nothing is sent.
pub(super) async fn ask<T>(
    ledger: &mut Ledger,
    rates: &[RateLimit],
    (account, operation): (&AccountName, &'static str),
    (now, actor): (Timestamp, &str),
    request: impl AsyncFnOnce(&RequestLog) -> Result<T, Error>,
) -> Result<Result<T, Error>, ledger::Error> {
    if let Some(at) = room_at(ledger, rates, account, operation, now)? {
        return Ok(Err(no_room(operation, now, at)));
    }
    let log = RequestLog::default();
    crash::at(Point::BeforeRequest);
    let answer = request(&log).await;
    crash::at(Point::AfterAnswer);
    record(ledger, account, &log, (now, actor))?;
    Ok(answer)
}

/// Writes requests down that are about no post of ours.
pub(super) fn record(
    ledger: &mut Ledger,
    account: &AccountName,
    log: &RequestLog,
    (now, actor): (Timestamp, &str),
) -> Result<(), ledger::Error> {
    let event = |request| Event::Request { account: account.clone(), post: None, request };
    let events: Vec<_> = log.take().into_iter().map(event).collect();
    if !events.is_empty() {
        ledger.append(now, actor, &events)?;
    }
    Ok(())
}

pub(super) fn no_room(operation: &'static str, now: Timestamp, at: Timestamp) -> Error {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let message = format!("the platform's rate limit has no room: run again in {} s", wait.as_secs() + 1);
    Error {
        retry_after: Some(wait),
        ..Error::new(operation, ErrorKind::RateLimited, "rate-limited", message)
    }
}

/// Address prefixes that the platform must have verified, as it pulled posts of the account from below them: what it
/// has not verified it refuses before it accepts. `base` where that is one of them, else the whole site.
pub fn proven_prefixes(
    ledger: &Ledger,
    platform: &dyn Platform,
    account: &AccountName,
    base: Option<&str>,
) -> Result<BTreeSet<String>, ledger::Error> {
    let mut proven = BTreeSet::new();
    let proves = |state| matches!(state, State::Accepted | State::Published | State::Delivered);
    let publications = ledger.publications()?;
    for publication in publications.iter().filter(|p| p.account == *account && proves(p.state)) {
        let Some(work) = ledger.work(&publication.post, account)? else { continue };
        for address in platform.inquiry().pulled(&work.payload) {
            let base = base.filter(|base| url::covers(base, address)).map(str::to_owned);
            proven.extend(base.or_else(|| url::site(address)));
        }
        if proven.len() >= LISTED_MAX {
            break;
        }
    }
    Ok(proven.into_iter().take(LISTED_MAX).collect())
}

/// What is recorded of the account from now on.
pub fn renewed(
    before: &Capabilities,
    answer: &Answer,
    proven: BTreeSet<String>,
    now: Timestamp,
) -> Capabilities {
    let read = Capabilities {
        read_on: Some(crate::domain::capability::today(now)),
        media_prefixes: proven,
        ..answer.capabilities.clone()
    };
    before.renewed(read, answer.bars.is_some())
}
