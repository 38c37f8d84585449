//! From events to views: the one function through which every view comes to be, on append and on rebuilding alike.
//!
//! What the views forget is decided by the events too, never by a clock, so that folding anew gives the same rows.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::Error;
use super::rows::{self, time_text};
use crate::domain::event::{Entry, Event, GrantChange, Request};
use crate::domain::grant::GrantRecord;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::pause::Pause;
use crate::domain::publication::{Change, Keep, Publication, State};

/// How long the views remember requests and intents: twice the longest window that a platform counts in.
pub(super) const REMEMBERED: SignedDuration = SignedDuration::from_hours(48);

/// Records what an event means.
pub(super) fn fold(
    db: &Connection,
    seq: u64,
    (at, actor): (Timestamp, &str),
    event: &Event,
) -> Result<(), Error> {
    match event {
        Event::Created { .. } if seq == 1 => Ok(()),
        _ if seq == 1 => Err(Error::Corrupt("the first entry does not name the lineage".into())),
        Event::Created { .. } => Err(Error::Corrupt(format!("entry {seq} names a lineage again"))),
        Event::Publication { post, account, change } => publication(db, seq, at, (post, account), change),
        Event::Grant { account, change } => grant(db, at, account, change),
        Event::Recipients(list) => {
            list.check(rows::recipients(db)?.as_ref())?;
            rows::store_recipients(db, list)
        }
        Event::Request { account, request, .. } => remember_request(db, account, request),
        Event::Insight { post, account, insight } => rows::store_insight(db, (post, account), at, insight),
        Event::Paused { scope, why, until } => {
            let (scope, why, by) = (scope.clone(), why.clone(), actor.to_owned());
            rows::store_pause(db, &Pause { scope, why, until: *until, by, at })
        }
        Event::Resumed { scope, .. } => rows::remove_pause(db, scope),
        Event::Decided { digest, .. } => rows::store_decision(db, digest),
    }
}

/// Folds all events of `from` into the empty views of `to`.
pub(super) fn fold_all(from: &Connection, to: &Connection) -> Result<(), Error> {
    fold_until(from, to, u64::MAX)
}

/// Folds the events of `from` up to the entry `last` into the empty views of `to`.
pub(super) fn fold_until(from: &Connection, to: &Connection, last: u64) -> Result<(), Error> {
    let sql = format!("SELECT {} FROM events WHERE seq <= ?1 ORDER BY seq", rows::EVENT_COLUMNS);
    let mut statement = from.prepare(&sql)?;
    let mut found = statement.query([rows::integer(last)])?;
    while let Some(row) = found.next()? {
        let Entry { seq, at, actor, event, .. } = rows::entry(row)?;
        fold(to, seq, (at, &actor), &event)?;
    }
    Ok(())
}

fn publication(
    db: &Connection,
    seq: u64,
    at: Timestamp,
    name: (&PostId, &AccountName),
    change: &Change,
) -> Result<(), Error> {
    let before = rows::find_publication(db, name.0, name.1)?;
    let (after, keep) = Publication::apply(before.as_ref(), name, change, at)?;
    rows::store_publication(db, &after)?;
    match change {
        Change::Started { .. } | Change::Adopted { payload: Some(_), .. } => start_work(db, seq, name)?,
        Change::EditStarted { .. } => continue_work(db, seq, name)?,
        Change::Intended { .. } => remember_intent(db, at, name)?,
        // Nothing came of it, so that it takes no room of the platform's daily limits.
        Change::Absent { .. } if has_left(before.as_ref()) => forget_intent(db, name)?,
        _ => {}
    }
    if matches!(change, Change::Started { .. } | Change::Adopted { .. } | Change::Forgotten { .. }) {
        rows::remove_insights(db, name)?;
    }
    if let Some(id) = &after.remote.id {
        let sql = "INSERT OR IGNORE INTO remotes (account, remote_id) VALUES (?1, ?2)";
        db.prepare_cached(sql)?.execute([name.1.as_str(), id])?;
    }
    keep_checkpoint(db, name, &keep)
}

fn start_work(db: &Connection, seq: u64, (post, account): (&PostId, &AccountName)) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO work (post, account, started) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![post.as_str(), account.as_str(), rows::integer(seq)])?;
    Ok(())
}

/// Another payload, and the checkpoint of what is live.
fn continue_work(db: &Connection, seq: u64, (post, account): (&PostId, &AccountName)) -> Result<(), Error> {
    let sql = "INSERT INTO work (post, account, started) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET started = excluded.started";
    db.prepare_cached(sql)?.execute(params![post.as_str(), account.as_str(), rows::integer(seq)])?;
    Ok(())
}

fn keep_checkpoint(
    db: &Connection,
    (post, account): (&PostId, &AccountName),
    keep: &Keep,
) -> Result<(), Error> {
    let checkpoint = match keep {
        Keep::Unchanged => return Ok(()),
        Keep::Checkpoint(checkpoint) => Some(checkpoint.to_string()),
        Keep::Nothing => None,
    };
    let sql = "UPDATE work SET checkpoint = ?3 WHERE post = ?1 AND account = ?2";
    db.prepare_cached(sql)?.execute(params![post.as_str(), account.as_str(), checkpoint])?;
    Ok(())
}

fn remember_intent(
    db: &Connection,
    at: Timestamp,
    (post, account): (&PostId, &AccountName),
) -> Result<(), Error> {
    let forget = "DELETE FROM intents WHERE account = ?1 AND at < ?2";
    db.prepare_cached(forget)?.execute(params![account.as_str(), oldest(at)])?;
    let sql = "INSERT INTO intents (account, at, post, started)
               SELECT account, ?3, post, started FROM work WHERE post = ?1 AND account = ?2";
    db.prepare_cached(sql)?.execute(params![post.as_str(), account.as_str(), time_text(at)])?;
    Ok(())
}

/// Whether the publish request of this attempt was announced.
fn has_left(publication: Option<&Publication>) -> bool {
    publication.is_some_and(|p| matches!(p.state, State::Publishing | State::Unresolved | State::Accepted))
}

fn forget_intent(db: &Connection, (post, account): (&PostId, &AccountName)) -> Result<(), Error> {
    let sql = "DELETE FROM intents WHERE rowid =
               (SELECT max(rowid) FROM intents WHERE account = ?1 AND post = ?2)";
    db.prepare_cached(sql)?.execute([account.as_str(), post.as_str()])?;
    Ok(())
}

fn remember_request(db: &Connection, account: &AccountName, request: &Request) -> Result<(), Error> {
    let forget = "DELETE FROM requests WHERE account = ?1 AND sent_at < ?2";
    db.prepare_cached(forget)?.execute(params![account.as_str(), oldest(request.sent_at)])?;
    let sql = "INSERT INTO requests (account, sent_at, operation) VALUES (?1, ?2, ?3)";
    let sent_at = time_text(request.sent_at);
    db.prepare_cached(sql)?.execute(params![account.as_str(), sent_at, request.operation])?;
    Ok(())
}

fn oldest(at: Timestamp) -> String {
    time_text(at.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN))
}

fn grant(db: &Connection, at: Timestamp, account: &AccountName, change: &GrantChange) -> Result<(), Error> {
    let before = rows::find_grant(db, account)?;
    rows::store_grant(db, &GrantRecord::apply(before.as_ref(), account, change, at)?)
}
