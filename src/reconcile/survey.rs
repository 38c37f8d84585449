//! Looks at live posts, within the platform's rate limits, and records how they differ from what is recorded and how they
//! do. It looks and writes down; what is found leads to no step, unless `policy.on_missing` asks for one: then what has gone
//! for good is forgotten, and the next plan decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::sync::watch;

use super::credentials::{Access, Credentials};
use super::execute::{Engine, Notice};
use super::inquiry::no_room;
use super::pace::room_at;
use crate::crash::{self, Point};
use crate::domain::drift::{GONE, MISSING, OnMissing, Others, has_gone, to_record};
use crate::domain::event::Event;
use crate::domain::grant::Grant;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::insight::{EVERY_MIN, READ_FOR, next_at};
use crate::domain::publication::{Change, Publication, Reason, State};
use crate::ledger;
use crate::platform::survey::{Recorded, Survey};
use crate::platform::{Error, Platform, RequestLog};

/// Posts of an account that are looked at in one go while others wait for the ledger: 25 requests. What was left waits for
/// an hour.
const POSTS_MAX: usize = 500;

/// How it went on an account.
#[derive(Debug, Default)]
pub struct Surveyed {
    /// Posts that the platform answered for, and those of them that differ.
    pub posts: usize,
    pub differing: usize,
    /// Why it ended before all were looked at.
    pub error: Option<Error>,
    pub interrupted: bool,
}

/// A published post with what its adapter looks at it by.
pub type Live = (Publication, Recorded);

/// The account's published posts among `publications` that are wanted and can be looked at, the first `max`. What
/// went out longer ago than [`READ_FOR`] is left alone.
///
/// # Errors
///
/// Of the ledger.
pub fn live(
    ledger: &ledger::Ledger,
    survey: &dyn Survey,
    (account, publications): (&AccountName, &[Publication]),
    (now, max): (Timestamp, usize),
    is_wanted: impl Fn(&Publication) -> bool,
) -> Result<Vec<Live>, ledger::Error> {
    let since = now.saturating_sub(READ_FOR).unwrap_or(Timestamp::MIN);
    let mut live = Vec::new();
    for p in publications.iter().filter(|p| p.account == *account && p.state == State::Published) {
        if live.len() == max {
            break;
        }
        if p.live_since() < since || !is_wanted(p) {
            continue;
        }
        let recorded = Recorded { remote: p.remote.clone(), work: ledger.work(&p.post, account)? };
        if !survey.ids(&recorded).is_empty() {
            live.push((p.clone(), recorded));
        }
    }
    Ok(live)
}

/// The account's wanted posts among `publications` whose public id is still to come.
///
/// # Errors
///
/// Of the ledger.
pub fn late(
    ledger: &ledger::Ledger,
    survey: &dyn Survey,
    (account, publications): (&AccountName, &[Publication]),
    now: Timestamp,
    is_wanted: impl Fn(&Publication) -> bool,
) -> Result<Vec<(PostId, AccountName)>, ledger::Error> {
    let since = now.saturating_sub(READ_FOR).unwrap_or(Timestamp::MIN);
    let mut late = Vec::new();
    for p in publications.iter().filter(|p| p.account == *account && p.state.is_success()) {
        if p.remote.id.is_some() || p.live_since() < since || !is_wanted(p) {
            continue;
        }
        let recorded = Recorded { remote: p.remote.clone(), work: ledger.work(&p.post, account)? };
        if survey.is_late(&recorded) {
            late.push((p.post.clone(), account.clone()));
        }
    }
    Ok(late)
}

/// Looks at `live` in as few requests as may be, one after the other, each recorded with what it showed before the next
/// leaves. What cannot be asked ends it.
///
/// # Errors
///
/// Of the ledger. A platform's are part of what is returned.
pub async fn look(
    engine: &mut Engine,
    (platform, survey): (&dyn Platform, &dyn Survey),
    (account, grant): (&AccountName, &Grant),
    live: &[Live],
    (on_missing, stop): (OnMissing, &watch::Receiver<bool>),
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<Surveyed, ledger::Error> {
    let mut surveyed = Surveyed::default();
    let mut still_missing = Vec::new();
    let mut rest = live;
    while !rest.is_empty() {
        if *stop.borrow() {
            surveyed.interrupted = true;
            break;
        }
        let now = engine.clock.now();
        if let Some(at) = room_at(&engine.ledger, platform.rates(), account, survey.operation(), now)? {
            surveyed.error = Some(no_room(survey.operation(), now, at));
            break;
        }
        let (batch, others) = rest.split_at(fitting(survey, rest));
        rest = others;
        let recorded: Vec<_> = batch.iter().map(|(_, recorded)| recorded.clone()).collect();
        let log = RequestLog::default();
        crash::at(Point::BeforeRequest);
        let answer = survey.look(&recorded, grant, &log).await;
        crash::at(Point::AfterAnswer);
        let request = |request| Event::Request { account: account.clone(), post: None, request };
        let mut events: Vec<_> = log.take().into_iter().map(request).collect();
        let mut changed = Vec::new();
        match answer {
            Ok(found) => {
                surveyed.posts += batch.len();
                surveyed.differing += found.iter().filter(|seen| seen.difference.is_some()).count();
                for ((p, _), seen) in batch.iter().zip(found) {
                    let is_missing = |reason: Option<&Reason>| reason.is_some_and(|r| r.code == MISSING);
                    if is_missing(p.finding()) && is_missing(seen.difference.as_ref()) {
                        still_missing.push(p);
                    }
                    let (post, account) = (p.post.clone(), p.account.clone());
                    events.push(Event::Insight { post, account, insight: seen.insight });
                    changed.extend(
                        to_record(p.reason.as_ref(), seen.difference)
                            .map(|reason| (p, Change::Noticed { reason })),
                    );
                }
            }
            Err(error) => surveyed.error = Some(error),
        }
        record(engine, events, changed, notify)?;
        if surveyed.error.is_some() {
            break;
        }
    }
    if on_missing != OnMissing::Report && surveyed.error.is_none() && !surveyed.interrupted {
        give_up(engine, account, still_missing, on_missing, notify)?;
    }
    Ok(surveyed)
}

/// Records what was asked and seen, and then what changed.
fn record(
    engine: &mut Engine,
    mut events: Vec<Event>,
    changed: Vec<(&Publication, Change)>,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<(), ledger::Error> {
    events.extend(changed.iter().map(|(p, change)| Event::Publication {
        post: p.post.clone(),
        account: p.account.clone(),
        change: change.clone(),
    }));
    let now = engine.clock.now();
    engine.ledger.append(now, &engine.actor, &events)?;
    for (p, change) in changed {
        let (after, _) = Publication::apply(Some(p), (&p.post, &p.account), &change, now)?;
        notify(Notice::Changed { publication: &after, change: &change });
    }
    Ok(())
}

/// Forgets what has gone for good.
fn give_up(
    engine: &mut Engine,
    account: &AccountName,
    still_missing: Vec<&Publication>,
    on_missing: OnMissing,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<(), ledger::Error> {
    if still_missing.is_empty() {
        return Ok(());
    }
    let (now, shown) = (engine.clock.now(), engine.ledger.last_shown(account)?);
    let publications = engine.ledger.publications()?;
    let is_missing = |p: &&Publication| p.finding().is_some_and(|reason| reason.code == MISSING);
    let (missing, there): (Vec<_>, Vec<_>) =
        publications.iter().filter(|p| p.account == *account).partition(is_missing);
    let mut changed = Vec::new();
    for p in still_missing {
        let since = |other: &&&Publication| shown.get(&other.post).is_some_and(|at| *at > p.updated_at);
        let others =
            Others { shown: there.iter().filter(since).count(), missing: missing.len().saturating_sub(1) };
        if has_gone(p, others, now) {
            let message =
                format!("not listed since {:.0}: forgotten, as `policy.on_missing` says", p.updated_at);
            let (reason, again) = (Reason::new(GONE, message), on_missing == OnMissing::Repost);
            changed.push((p, Change::Forgotten { forced: false, reason, again }));
        }
    }
    record(engine, Vec::new(), changed, notify)
}

/// How many of `live`, from the first on, fit one request: at least one.
fn fitting(survey: &dyn Survey, live: &[Live]) -> usize {
    let mut ids = 0;
    let fits = |(_, recorded): &&Live| {
        ids += survey.ids(recorded).len();
        ids <= survey.ids_max()
    };
    live.iter().take_while(fits).count().max(1)
}

/// When each account is looked at again, as long as a process goes on: no sooner than an hour after it was, so that those
/// that are due by then share requests, and one that fails is not asked again and again.
#[derive(Debug, Default)]
pub struct Rounds(BTreeMap<AccountName, Timestamp>);

impl Rounds {
    /// Looks at the posts whose time has come, on accounts that can be asked.
    ///
    /// # Errors
    ///
    /// Of the ledger. What a platform answers is recorded, and nothing else comes of it.
    pub async fn make(
        &mut self,
        engine: &mut Engine,
        (on_missing, stop): (OnMissing, &watch::Receiver<bool>),
        notify: &mut (dyn FnMut(Notice<'_>) + Send),
    ) -> Result<(), ledger::Error> {
        for (name, platform) in engine.platforms.clone() {
            let now = engine.clock.now();
            let Some(survey) = platform.survey().filter(|_| self.is_due(&name, now)) else { continue };
            let issued = (platform.token_care(), platform.origin());
            let record = engine.ledger.grant(&name)?;
            let access = Credentials::new(name.clone(), issued, record).access(&engine.vault, now);
            // A run refreshes what is to be refreshed.
            let Access::Ready(grant) = access else { continue };
            if survey.lacks(&grant).is_some() {
                continue;
            }
            self.0.insert(name.clone(), now.saturating_add(EVERY_MIN).unwrap_or(Timestamp::MAX));
            let last = engine.ledger.last_looks(&name)?;
            let is_due = |p: &Publication| {
                next_at(p.live_since(), last.get(&p.post).copied()).is_some_and(|at| at <= now)
            };
            let mut publications = engine.ledger.publications()?;
            // Where not all of them have room, those come first that were looked at the longest ago.
            publications.sort_by_key(|p| last.get(&p.post).copied());
            let live = live(&engine.ledger, survey, (&name, &publications), (now, POSTS_MAX), is_due)?;
            let surveyed =
                look(engine, (&*platform, survey), (&name, &grant), &live, (on_missing, stop), notify)
                    .await?;
            if surveyed.interrupted {
                break;
            }
        }
        Ok(())
    }

    /// A clock that went back makes no wait longer.
    fn is_due(&self, account: &AccountName, now: Timestamp) -> bool {
        self.0.get(account).is_none_or(|at| *at <= now || at.duration_since(now) > EVERY_MIN)
    }
}
