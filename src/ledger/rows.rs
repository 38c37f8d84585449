//! Rows of the tables as values, and values as rows: the one place that knows the order of columns.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::chain::{Hash, Link};
use super::{Error, Head};
use crate::domain::event::{Entry, Event};
use crate::domain::grant::GrantRecord;
use crate::domain::ids::{AccountName, ContentDigest, PostId};
use crate::domain::insight::{Insight, Insights, Reading};
use crate::domain::pause::{Pause, Scope};
use crate::domain::publication::{Publication, Reason, Remote};
use crate::domain::recipient::{Recipient, Recipients};

macro_rules! publication_columns {
    () => {
        "post, account, platform, state, digest, revision, attempts, tries, sends, remote_id, remote_url, \
         reason_code, reason_message, next_at, intended_at, updated_at, path, fixed, amendment, due_again"
    };
}

macro_rules! grant_columns {
    () => {
        "account, generation, sealed, origin, scopes, subject, stored_at, expires_at, \
         refresh_expires_at, presented_at, refused"
    };
}

/// The columns that the chain covers, and the hash.
pub(super) const EVENT_COLUMNS: &str = "seq, at, actor, event, hash";

/// A time as stored: always nine decimals, so that the order of texts is the order of times.
pub(super) fn time_text(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// A number as SQLite has it. Ours count things and never come near the end.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let integer: i64 = row.get(column)?;
    u64::try_from(integer).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, integer))
}

/// The value that a text column stands for.
fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| rusqlite::Error::InvalidColumnType(column, text.to_owned(), Type::Text))
}

fn parsed_or_null<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { parsed(row, column).map(Some) }
}

fn reason(code: Option<String>, message: Option<String>) -> Option<Reason> {
    Some(Reason { code: code?, message: message? })
}

fn publication(row: &Row<'_>) -> rusqlite::Result<Publication> {
    Ok(Publication {
        post: parsed(row, 0)?,
        account: parsed(row, 1)?,
        platform: parsed(row, 2)?,
        state: parsed(row, 3)?,
        digest: ContentDigest(row.get(4)?),
        revision: row.get(5)?,
        attempts: row.get(6)?,
        tries: row.get(7)?,
        sends: row.get(8)?,
        remote: Remote { id: row.get(9)?, url: row.get(10)? },
        reason: reason(row.get(11)?, row.get(12)?),
        next_at: parsed_or_null(row, 13)?,
        intended_at: parsed_or_null(row, 14)?,
        updated_at: parsed(row, 15)?,
        path: row.get(16)?,
        fixed: row.get::<_, Option<[u8; 32]>>(17)?.map(ContentDigest),
        amendment: parsed_or_null(row, 18)?,
        due_again: parsed_or_null(row, 19)?,
    })
}

pub(super) fn publications(db: &Connection) -> Result<Vec<Publication>, Error> {
    let sql = concat!("SELECT ", publication_columns!(), " FROM publications ORDER BY post, account");
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], publication)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn find_publication(
    db: &Connection,
    post: &PostId,
    account: &AccountName,
) -> Result<Option<Publication>, Error> {
    let sql =
        concat!("SELECT ", publication_columns!(), " FROM publications WHERE post = ?1 AND account = ?2");
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row([post.as_str(), account.as_str()], publication).optional()?)
}

pub(super) fn store_publication(db: &Connection, p: &Publication) -> Result<(), Error> {
    let sql = concat!(
        "INSERT OR REPLACE INTO publications (",
        publication_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
    );
    db.prepare_cached(sql)?.execute(params![
        p.post.as_str(),
        p.account.as_str(),
        p.platform.as_str(),
        p.state.as_str(),
        p.digest.0,
        p.revision,
        p.attempts,
        p.tries,
        p.sends,
        p.remote.id,
        p.remote.url,
        p.reason.as_ref().map(|r| &r.code),
        p.reason.as_ref().map(|r| &r.message),
        p.next_at.map(time_text),
        p.intended_at.map(time_text),
        time_text(p.updated_at),
        p.path,
        p.fixed.map(|digest| digest.0),
        p.amendment.map(|amendment| amendment.to_string()),
        p.due_again.map(time_text),
    ])?;
    Ok(())
}

fn grant(row: &Row<'_>) -> rusqlite::Result<GrantRecord> {
    let scopes = row.get_ref(4)?.as_str()?;
    let scopes = serde_json::from_str(scopes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))?;
    Ok(GrantRecord {
        account: parsed(row, 0)?,
        generation: number(row, 1)?,
        sealed: row.get(2)?,
        origin: row.get(3)?,
        scopes,
        subject: row.get(5)?,
        stored_at: parsed(row, 6)?,
        expires_at: parsed(row, 7)?,
        refresh_expires_at: parsed_or_null(row, 8)?,
        presented_at: parsed_or_null(row, 9)?,
        refused: row.get(10)?,
    })
}

pub(super) fn grants(db: &Connection) -> Result<Vec<GrantRecord>, Error> {
    let mut statement =
        db.prepare_cached(concat!("SELECT ", grant_columns!(), " FROM grants ORDER BY account"))?;
    let rows = statement.query_map([], grant)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn find_grant(db: &Connection, account: &AccountName) -> Result<Option<GrantRecord>, Error> {
    let sql = concat!("SELECT ", grant_columns!(), " FROM grants WHERE account = ?1");
    Ok(db.prepare_cached(sql)?.query_row([account.as_str()], grant).optional()?)
}

pub(super) fn store_grant(db: &Connection, g: &GrantRecord) -> Result<(), Error> {
    let sql = concat!(
        "INSERT OR REPLACE INTO grants (",
        grant_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    db.prepare_cached(sql)?.execute(params![
        g.account.as_str(),
        integer(g.generation),
        g.sealed,
        g.origin,
        serde_json::Value::from(g.scopes.clone()).to_string(),
        g.subject,
        time_text(g.stored_at),
        time_text(g.expires_at),
        g.refresh_expires_at.map(time_text),
        g.presented_at.map(time_text),
        g.refused,
    ])?;
    Ok(())
}

/// Who can open the logins. `None`: whoever has the one key.
pub(super) fn recipients(db: &Connection) -> Result<Option<Recipients>, Error> {
    let sql = "SELECT name, public_key, wrapped, epoch, author FROM recipients ORDER BY position";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([])?;
    let mut list: Option<Recipients> = None;
    while let Some(row) = found.next()? {
        let recipient =
            Recipient { name: parsed(row, 0)?, public_key: parsed(row, 1)?, wrapped: row.get(2)? };
        match &mut list {
            Some(list) => list.recipients.push(recipient),
            None => {
                let (epoch, by) = (number(row, 3)?, parsed(row, 4)?);
                list = Some(Recipients { epoch, by, recipients: vec![recipient] });
            }
        }
    }
    Ok(list)
}

/// In place of all that were there.
pub(super) fn store_recipients(db: &Connection, list: &Recipients) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM recipients")?.execute([])?;
    let sql = "INSERT INTO recipients (name, position, public_key, wrapped, epoch, author)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = db.prepare_cached(sql)?;
    for (recipient, position) in list.recipients.iter().zip(0i64..) {
        let Recipient { name, public_key, wrapped } = recipient;
        let (key, author) = (public_key.to_string(), list.by.to_string());
        statement.execute(params![name.as_str(), position, key, wrapped, integer(list.epoch), author])?;
    }
    Ok(())
}

fn scope_text(scope: &Scope) -> String {
    serde_json::to_string(scope).expect("a scope has only text keys")
}

fn pause(row: &Row<'_>) -> rusqlite::Result<Pause> {
    let scope = serde_json::from_str(row.get_ref(0)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
    Ok(Pause {
        scope,
        why: row.get(1)?,
        until: parsed_or_null(row, 2)?,
        by: row.get(3)?,
        at: parsed(row, 4)?,
    })
}

/// All pauses, those that are over included, in the order of their scopes.
pub(super) fn pauses(db: &Connection) -> Result<Vec<Pause>, Error> {
    let mut statement =
        db.prepare_cached("SELECT scope, why, until, actor, at FROM pauses ORDER BY scope")?;
    let rows = statement.query_map([], pause)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn store_pause(db: &Connection, p: &Pause) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO pauses (scope, why, until, actor, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let until = p.until.map(time_text);
    db.prepare_cached(sql)?.execute(params![scope_text(&p.scope), p.why, until, p.by, time_text(p.at)])?;
    Ok(())
}

pub(super) fn remove_pause(db: &Connection, scope: &Scope) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM pauses WHERE scope = ?1")?.execute([scope_text(scope)])?;
    Ok(())
}

/// Digests of the decisions from files that were taken note of.
pub(super) fn decisions(db: &Connection) -> Result<Vec<ContentDigest>, Error> {
    let mut statement = db.prepare_cached("SELECT digest FROM decisions ORDER BY digest")?;
    let rows = statement.query_map([], |row| row.get(0).map(ContentDigest))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn store_decision(db: &Connection, digest: &ContentDigest) -> Result<(), Error> {
    db.prepare_cached("INSERT OR IGNORE INTO decisions (digest) VALUES (?1)")?.execute([digest.0])?;
    Ok(())
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let integer: Option<i64> = row.get(column)?;
    let count = |n| u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n));
    integer.map(count).transpose()
}

/// What was read of every post, by post, account and time.
pub(super) fn insights(db: &Connection) -> Result<Insights, Error> {
    let sql = "SELECT post, account, at, views, likes, comments, shares FROM insights
               ORDER BY post, account, at";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([])?;
    let mut insights = Insights::new();
    while let Some(row) = found.next()? {
        let [views, likes, comments, shares] =
            [count(row, 3)?, count(row, 4)?, count(row, 5)?, count(row, 6)?];
        let reading = Reading { at: time(row, 2)?, insight: Insight { views, likes, comments, shares } };
        insights.entry((post(row, 0)?, parsed(row, 1)?)).or_default().push(reading);
    }
    Ok(insights)
}

/// When each post of the account was last looked at, or was last shown with a count.
pub(super) fn last_looks(
    db: &Connection,
    account: &AccountName,
    is_shown: bool,
) -> Result<BTreeMap<PostId, Timestamp>, Error> {
    let sql = match is_shown {
        false => "SELECT post, max(at) FROM insights WHERE account = ?1 GROUP BY post",
        true => {
            "SELECT post, max(at) FROM insights
             WHERE account = ?1 AND coalesce(views, likes, comments, shares) IS NOT NULL GROUP BY post"
        }
    };
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([account.as_str()], |row| Ok((post(row, 0)?, time(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn store_insight(
    db: &Connection,
    (post, account): (&PostId, &AccountName),
    at: Timestamp,
    insight: &Insight,
) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO insights (post, account, at, views, likes, comments, shares)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let [views, likes, comments, shares] = insight.counts().map(|(_, count)| count.map(integer));
    let row = params![post.as_str(), account.as_str(), time_text(at), views, likes, comments, shares];
    db.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// What was read of a post that does not count any more.
pub(super) fn remove_insights(
    db: &Connection,
    (post, account): (&PostId, &AccountName),
) -> Result<(), Error> {
    let sql = "DELETE FROM insights WHERE post = ?1 AND account = ?2";
    db.prepare_cached(sql)?.execute([post.as_str(), account.as_str()])?;
    Ok(())
}

/// The last entry that was made until `at`; what a clock that went back put after it does not count.
pub(super) fn last_until(db: &Connection, at: Timestamp) -> Result<u64, Error> {
    let mut statement = db.prepare_cached("SELECT coalesce(max(seq), 0) FROM events WHERE at <= ?1")?;
    Ok(statement.query_row([time_text(at)], |row| number(row, 0))?)
}

/// An entry as its bytes are stored.
pub(super) fn with_link<T>(row: &Row<'_>, read: impl FnOnce(Link<'_>, Hash) -> T) -> rusqlite::Result<T> {
    let text = |column| -> rusqlite::Result<&str> { Ok(row.get_ref(column)?.as_str()?) };
    let link = Link { seq: number(row, 0)?, at: text(1)?, actor: text(2)?, event: text(3)? };
    Ok(read(link, row.get(4)?))
}

/// An entry with its event read. The message of a failure tells which entry it is.
pub(super) fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    with_link(row, |link, hash| {
        let event: Event = serde_json::from_str(link.event)
            .map_err(|error| Error::Corrupt(format!("entry {} cannot be read: {error}", link.seq)))?;
        let at =
            link.at.parse().map_err(|_| Error::Corrupt(format!("the time of entry {} is none", link.seq)))?;
        Ok(Entry { seq: link.seq, at, actor: link.actor.to_owned(), event, hash })
    })?
}

pub(super) fn find_entry(db: &Connection, seq: u64) -> Result<Option<Entry>, Error> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE seq = ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([integer(seq)])?;
    rows.next()?.map(entry).transpose()
}

pub(super) fn store_link(db: &Connection, link: Link<'_>, hash: Hash) -> Result<(), Error> {
    let sql = format!("INSERT INTO events ({EVENT_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
    db.prepare_cached(&sql)?.execute(params![integer(link.seq), link.at, link.actor, link.event, hash])?;
    Ok(())
}

/// The last entry.
pub(super) fn head(db: &Connection) -> Result<Option<Head>, Error> {
    let mut statement = db.prepare_cached("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")?;
    Ok(statement.query_row([], |row| Ok(Head { seq: number(row, 0)?, hash: row.get(1)? })).optional()?)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    parsed(row, column)
}

pub(super) fn post(row: &Row<'_>, column: usize) -> rusqlite::Result<PostId> {
    parsed(row, column)
}
