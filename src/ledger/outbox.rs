//! The outbox: what others are to be told, and how far they have been.
//!
//! It is no view, since the events do not say what somebody else knows; and it is in the ledger's file, so that a letter
//! is put in and the last entry that it tells of is noted in one transaction. What it loses costs a message, never a
//! post: nothing here is read to decide what is published.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{Error, Ledger, rows};
use crate::crash::{self, Point};

/// Of one hook. Beyond it the oldest are dropped.
const LETTERS_MAX: u32 = 1_000;

/// How far a hook has been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The last entry that was told of, or is told of by a letter in the outbox.
    pub seq: u64,
    /// What is no event and was told; only its writer reads it.
    pub standing: String,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The same however often it is sent.
    pub id: String,
    pub at: Timestamp,
    pub body: String,
    /// Attempts that failed.
    pub attempts: u32,
}

/// What a hook's outbox comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub hook: String,
    pub letters: u64,
    pub oldest: Option<Timestamp>,
    /// Letters that were given up, ever.
    pub dropped: u64,
}

impl Ledger {
    /// How far `hook` has been told. One that is new begins at the present head: what happened before is no news.
    pub fn begin_telling(&mut self, hook: &str) -> Result<Told, Error> {
        let head = self.writing.as_ref().ok_or(Error::ReadOnly)?.head;
        let sql = "SELECT seq, standing FROM told WHERE hook = ?1";
        let read = |row: &Row<'_>| Ok(Told { seq: rows::number(row, 0)?, standing: row.get(1)? });
        if let Some(told) = self.db.prepare_cached(sql)?.query_row([hook], read).optional()? {
            return Ok(told);
        }
        let told = Told { seq: head.seq, standing: String::new() };
        let sql = "INSERT INTO told (hook, seq, standing, dropped) VALUES (?1, ?2, ?3, 0)";
        self.db.prepare_cached(sql)?.execute(params![hook, rows::integer(told.seq), told.standing])?;
        Ok(told)
    }

    /// Notes what `hook` is told from here on, with the letter that tells it, in one transaction.
    pub fn tell(&mut self, hook: &str, told: &Told, letter: Option<&Letter>) -> Result<(), Error> {
        self.writing.as_ref().ok_or(Error::ReadOnly)?;
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "UPDATE told SET seq = ?2, standing = ?3 WHERE hook = ?1",
            params![hook, rows::integer(told.seq), told.standing],
        )?;
        if let Some(letter) = letter {
            transaction.execute(
                "INSERT INTO outbox (hook, id, at, body, attempts) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![hook, letter.id, rows::time_text(letter.at), letter.body, letter.attempts],
            )?;
            let dropped = transaction.execute(
                "DELETE FROM outbox WHERE hook = ?1 AND number NOT IN
                 (SELECT number FROM outbox WHERE hook = ?1 ORDER BY number DESC LIMIT ?2)",
                params![hook, LETTERS_MAX],
            )?;
            count_dropped(&transaction, hook, dropped)?;
        }
        crash::at(Point::BeforeCommit);
        transaction.commit()?;
        crash::at(Point::AfterCommit);
        Ok(())
    }

    /// The letter to send next, none of `but`: one with the fewest attempts, so that a letter that is never taken holds
    /// up no other, and of these the oldest.
    pub fn next_letter(&self, hook: &str, but: &[String]) -> Result<Option<Letter>, Error> {
        let sql = "SELECT id, at, body, attempts FROM outbox WHERE hook = ?1 ORDER BY attempts, number";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = statement.query([hook])?;
        while let Some(row) = found.next()? {
            let id: String = row.get(0)?;
            if !but.contains(&id) {
                let (at, body, attempts) = (rows::time(row, 1)?, row.get(2)?, row.get(3)?);
                return Ok(Some(Letter { id, at, body, attempts }));
            }
        }
        Ok(None)
    }

    /// Records how letters fared: `true` was taken. Gives up those that failed `attempts_max` times or are from before
    /// `oldest`, and says how many.
    pub fn settle_letters(
        &mut self,
        hook: &str,
        fared: &[(String, bool)],
        (attempts_max, oldest): (u32, Timestamp),
    ) -> Result<usize, Error> {
        self.writing.as_ref().ok_or(Error::ReadOnly)?;
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, is_taken) in fared {
            let sql = match is_taken {
                true => "DELETE FROM outbox WHERE hook = ?1 AND id = ?2",
                false => "UPDATE outbox SET attempts = attempts + 1 WHERE hook = ?1 AND id = ?2",
            };
            transaction.execute(sql, [hook, id])?;
        }
        let dropped = transaction.execute(
            "DELETE FROM outbox WHERE hook = ?1 AND (attempts >= ?2 OR at < ?3)",
            params![hook, attempts_max, rows::time_text(oldest)],
        )?;
        count_dropped(&transaction, hook, dropped)?;
        transaction.commit()?;
        Ok(dropped)
    }

    /// Every hook that was ever told anything.
    pub fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let sql = "SELECT hook, dropped FROM told ORDER BY hook";
        let mut statement = self.db.prepare_cached(sql)?;
        let hooks = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, rows::number(row, 1)?)))?;
        let hooks = hooks.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut statement =
            self.db.prepare_cached("SELECT at FROM outbox WHERE hook = ?1 ORDER BY at LIMIT 1")?;
        let mut count = self.db.prepare_cached("SELECT count(*) FROM outbox WHERE hook = ?1")?;
        let mut waiting = Vec::new();
        for (hook, dropped) in hooks {
            let oldest = statement.query_row([&hook], |row| rows::time(row, 0)).optional()?;
            let letters = count.query_row([&hook], |row| rows::number(row, 0))?;
            waiting.push(Waiting { hook, letters, oldest, dropped });
        }
        Ok(waiting)
    }
}

fn count_dropped(db: &Connection, hook: &str, dropped: usize) -> Result<(), Error> {
    if dropped > 0 {
        let sql = "UPDATE told SET dropped = dropped + ?2 WHERE hook = ?1";
        db.execute(sql, params![hook, rows::integer(dropped as u64)])?;
    }
    Ok(())
}
