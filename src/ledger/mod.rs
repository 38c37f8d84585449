//! The ledger: what was done, in one SQLite file. It knows nothing of platforms and waits for nobody but its lock.
//!
//! # Flow
//!
//! The truth is the append-only table of events. Each entry's hash covers the entry before it. Every other table is a
//! view, folded from the events by one function in the transaction that appends them, so that a view can always be
//! made anew: by a migration, and by [`Ledger::verify`], which compares. Beside them is the outbox: how far others have
//! been told of the events, and what is still to be told.
//!
//! # Guarantees
//!
//! [`Ledger::append`] records all of its events or none, and what it recorded survives the process and a power cut.
//! There is one writer at a time, held apart by a lock of the operating system. Reading takes no lock, creates no
//! file and works while another process writes.
//!
//! # Assumptions
//!
//! The folder is on a disk of this machine: locks and shared memory on network shares are not to be relied on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::crash::{self, Point};
use crate::domain::event::{Entry, Event};
use crate::domain::grant::GrantRecord;
use crate::domain::ids::{AccountName, ContentDigest, PostId};
use crate::domain::insight::Insights;
use crate::domain::pause::Pause;
use crate::domain::payload::Payload;
use crate::domain::publication::{Change, Checkpoint, Publication, Work};
use crate::domain::recipient::Recipients;

mod chain;
mod error;
mod exposure;
mod fold;
mod lock;
mod marker;
mod migrations;
mod open;
mod outbox;
mod rescue;
mod rows;
mod shared;
pub mod vault;
mod verify;

#[cfg(test)]
mod tests;

pub use error::{Error, Foreign};
pub use exposure::{Exposure, exposures};
pub use lock::{Holder, Lock};
pub use outbox::{Letter, Told, Waiting};
pub use rescue::Rescue;
pub use shared::{Lease, Look, Place, Standing};
pub use verify::Problem;

use chain::{GENESIS, Link};

/// Which entry is the last: two ledgers with the same head say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// 0 before the first entry.
    pub seq: u64,
    pub hash: [u8; 32],
}

/// A publish request that left, for the platform's caps.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    pub post: PostId,
    pub at: Timestamp,
    /// What was published: its adapter knows which cap it counts for.
    pub payload: Box<Payload>,
}

/// An open ledger, for reading or, with the lock, for writing.
#[derive(Debug)]
pub struct Ledger {
    db: Connection,
    lineage: String,
    /// Where to tell, when a writer closes, which entry was the last one.
    marker: Option<PathBuf>,
    /// Where others read and write it, if it is shared.
    shared: Option<shared::Shared>,
    /// After the connection, so that the log is put away before another writer may come.
    writing: Option<Writing>,
}

#[derive(Debug)]
struct Writing {
    head: Head,
    _lock: Lock,
}

impl Ledger {
    /// Opens for reading: no lock, and nothing is created.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is none, [`Error::Foreign`] when something else is there.
    pub fn open_read(path: &Path) -> Result<Ledger, Error> {
        let db = open::reader(path)?;
        Ok(Ledger { lineage: lineage(&db)?, db, marker: None, shared: None, writing: None })
    }

    /// Opens for writing: waits up to `lock_timeout` for the lock, then brings the ledger up to date.
    ///
    /// # Errors
    ///
    /// As [`open_read`](Self::open_read), and [`Error::Locked`] with whoever holds the lock.
    pub fn open_write(path: &Path, lock_timeout: Duration, holder: &Holder) -> Result<Ledger, Error> {
        if !path.exists() {
            return Err(Error::Missing { path: path.to_owned() });
        }
        Ledger::write_locked(path, Lock::acquire(path, lock_timeout, holder)?)
    }

    /// Starts a ledger, and the folder if need be.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] when anything is at `path`; it is left alone.
    pub fn create(
        path: &Path,
        lineage: &str,
        (at, actor): (Timestamp, &str),
        lock_timeout: Duration,
        holder: &Holder,
    ) -> Result<Ledger, Error> {
        let path = &std::path::absolute(path).map_err(|error| Error::io(path, error))?;
        let folder = path.parent().unwrap_or(path);
        open::make_folder(folder)?;
        let lock = Lock::acquire(path, lock_timeout, holder)?;
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.to_owned() });
        }
        let created = Event::Created { lineage: lineage.to_owned() };
        open::whole(path, |db| {
            record(db, Head { seq: 0, hash: GENESIS }, (at, actor), &[created]).map(|_| ())
        })?;
        Ledger::write_locked(path, lock)
    }

    fn write_locked(path: &Path, lock: Lock) -> Result<Ledger, Error> {
        let db = open::writer(path)?;
        let lineage = lineage(&db)?;
        let head = rows::head(&db)?.ok_or_else(no_first_entry)?;
        Ok(Ledger { db, lineage, marker: None, shared: None, writing: Some(Writing { head, _lock: lock }) })
    }

    /// What ties this ledger to its repository.
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// Refuses a ledger that belongs to another repository.
    pub fn expect_lineage(&self, expected: &str) -> Result<(), Error> {
        if self.lineage == expected {
            return Ok(());
        }
        Err(Error::OtherLineage { expected: expected.to_owned(), found: self.lineage.clone() })
    }

    /// The last entry.
    pub fn head(&self) -> Result<Head, Error> {
        rows::head(&self.db)?.ok_or_else(no_first_entry)
    }

    /// Records `events` in one transaction, views included, and gives the new head.
    ///
    /// # Errors
    ///
    /// [`Error::Illegal`] and [`Error::IllegalGrant`] for what cannot follow what is recorded, [`Error::HeadMoved`] if
    /// somebody wrote without the lock, [`Error::FullDisk`]. Nothing is recorded then.
    pub fn append(&mut self, at: Timestamp, actor: &str, events: &[Event]) -> Result<Head, Error> {
        let writing = self.writing.as_mut().ok_or(Error::ReadOnly)?;
        if events.is_empty() {
            return Ok(writing.head);
        }
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Before it is folded: what follows is judged by what was there.
        let is_urgent =
            self.shared.as_mut().map(|shared| shared.is_urgent(&transaction, at, events)).transpose()?;
        let head = record(&transaction, writing.head, (at, actor), events)?;
        let shared = self.shared.as_mut().filter(|_| is_urgent == Some(true));
        let base = shared.map(|shared| shared.send(&transaction, Some(at))).transpose()?;
        crash::at(Point::BeforeCommit);
        transaction.commit()?;
        crash::at(Point::AfterCommit);
        writing.head = head;
        if let (Some(shared), Some(base)) = (&mut self.shared, base) {
            shared.sent(base);
        }
        Ok(head)
    }

    /// Up to `limit` entries after `after`, oldest first; of one post, if there is one.
    pub fn read(&self, post: Option<&PostId>, after: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        let columns = rows::EVENT_COLUMNS;
        let of_post = post.map_or("", |_| "AND post = ?3");
        let sql = format!("SELECT {columns} FROM events WHERE seq > ?1 {of_post} ORDER BY seq LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut found = match post {
            Some(post) => statement.query(params![rows::integer(after), limit, post.as_str()])?,
            None => statement.query(params![rows::integer(after), limit])?,
        };
        let mut entries = Vec::new();
        while let Some(row) = found.next()? {
            entries.push(rows::entry(row)?);
        }
        Ok(entries)
    }

    /// All publications, by post and account.
    pub fn publications(&self) -> Result<Vec<Publication>, Error> {
        rows::publications(&self.db)
    }

    pub fn publication(&self, post: &PostId, account: &AccountName) -> Result<Option<Publication>, Error> {
        rows::find_publication(&self.db, post, account)
    }

    /// Payload and checkpoint of the attempt that is recorded last.
    pub fn work(&self, post: &PostId, account: &AccountName) -> Result<Option<Work>, Error> {
        let sql = "SELECT started, checkpoint FROM work WHERE post = ?1 AND account = ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = statement.query([post.as_str(), account.as_str()])?;
        let Some(row) = found.next()? else { return Ok(None) };
        let checkpoint: Option<String> = row.get(1)?;
        let checkpoint = checkpoint.map(|text| serde_json::from_str(&text)).transpose();
        let checkpoint = checkpoint
            .map_err(|error| Error::Corrupt(format!("the checkpoint of {post} on {account}: {error}")))?;
        Ok(Some(Work { payload: payload(&self.db, rows::number(row, 0)?)?, checkpoint }))
    }

    /// The checkpoint of each post on this account that has one.
    pub fn checkpoints(&self, account: &AccountName) -> Result<Vec<(PostId, Checkpoint)>, Error> {
        let sql = "SELECT post, checkpoint FROM work WHERE account = ?1 AND checkpoint IS NOT NULL";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = statement.query([account.as_str()])?;
        let mut checkpoints = Vec::new();
        while let Some(row) = found.next()? {
            let (post, checkpoint): (String, String) = (row.get(0)?, row.get(1)?);
            let corrupt = |error: &dyn std::fmt::Display| {
                Error::Corrupt(format!("the checkpoint of {post} on {account}: {error}"))
            };
            let checkpoint = serde_json::from_str(&checkpoint).map_err(|error| corrupt(&error))?;
            checkpoints.push((post.parse().map_err(|error| corrupt(&error))?, checkpoint));
        }
        Ok(checkpoints)
    }

    /// When requests of these operations were sent since `since`, oldest first. Two days are remembered.
    pub fn requests_since(
        &self,
        account: &AccountName,
        operations: &[&str],
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, Error> {
        let sql = "SELECT sent_at, operation FROM requests WHERE account = ?1 AND sent_at >= ?2
                   ORDER BY sent_at";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = statement.query(params![account.as_str(), rows::time_text(since)])?;
        let mut times = Vec::new();
        while let Some(row) = found.next()? {
            let operation: String = row.get(1)?;
            if operations.contains(&operation.as_str()) {
                times.push(rows::time(row, 0)?);
            }
        }
        Ok(times)
    }

    /// The publish requests that left since `since`, oldest first. Two days are remembered.
    pub fn intents_since(&self, account: &AccountName, since: Timestamp) -> Result<Vec<Intent>, Error> {
        let sql = "SELECT post, at, started FROM intents WHERE account = ?1 AND at >= ?2 ORDER BY at";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = statement.query(params![account.as_str(), rows::time_text(since)])?;
        let mut intents = Vec::new();
        while let Some(row) = found.next()? {
            let payload = payload(&self.db, rows::number(row, 2)?)?;
            intents.push(Intent { post: rows::post(row, 0)?, at: rows::time(row, 1)?, payload });
        }
        Ok(intents)
    }

    /// Every id at the platform that a post of this account ever had, earlier revisions included: what is found there
    /// under one of these is no answer to the question what became of a new attempt.
    pub fn remote_ids(&self, account: &AccountName) -> Result<Vec<String>, Error> {
        let sql = "SELECT remote_id FROM remotes WHERE account = ?1 ORDER BY remote_id";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([account.as_str()], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Likewise, without the posts that were live before and of which no more than that is recorded: one of them may be
    /// what is about to be published.
    pub fn remote_ids_of_content(&self, account: &AccountName) -> Result<Vec<String>, Error> {
        let sql = "SELECT remote_id FROM remotes WHERE account = ?1 AND remote_id NOT IN
                   (SELECT remote_id FROM publications WHERE account = ?1 AND digest = ?2 AND remote_id IS NOT NULL)
                   ORDER BY remote_id";
        let mut statement = self.db.prepare_cached(sql)?;
        let nothing = ContentDigest::of_nothing().0;
        let rows = statement.query_map(params![account.as_str(), nothing], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Every id at the platform that this very post ever had, forgotten ones included.
    pub fn remote_ids_of_post(&self, post: &PostId, account: &AccountName) -> Result<Vec<String>, Error> {
        let sql = "SELECT DISTINCT event ->> '$.remote.id' FROM events
                   WHERE post = ?1 AND event ->> '$.account' = ?2 AND event ->> '$.remote.id' IS NOT NULL";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([post.as_str(), account.as_str()], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What was read of live posts, over all time.
    pub fn insights(&self) -> Result<Insights, Error> {
        rows::insights(&self.db)
    }

    /// When each live post of the account was last looked at.
    pub fn last_looks(&self, account: &AccountName) -> Result<BTreeMap<PostId, Timestamp>, Error> {
        rows::last_looks(&self.db, account, false)
    }

    /// When each live post of the account was last seen with a count: certainly there.
    pub fn last_shown(&self, account: &AccountName) -> Result<BTreeMap<PostId, Timestamp>, Error> {
        rows::last_looks(&self.db, account, true)
    }

    pub fn grants(&self) -> Result<Vec<GrantRecord>, Error> {
        rows::grants(&self.db)
    }

    pub fn grant(&self, account: &AccountName) -> Result<Option<GrantRecord>, Error> {
        rows::find_grant(&self.db, account)
    }

    /// Who can open the logins; `None` where they are sealed with one key for all.
    pub fn recipients(&self) -> Result<Option<Recipients>, Error> {
        rows::recipients(&self.db)
    }

    /// All pauses, those that are over included.
    pub fn pauses(&self) -> Result<Vec<Pause>, Error> {
        rows::pauses(&self.db)
    }

    /// Digests of the decisions from files that were taken note of.
    pub fn decisions(&self) -> Result<Vec<ContentDigest>, Error> {
        rows::decisions(&self.db)
    }

    /// Publications and pauses as they were recorded at `at`, from the events until then.
    pub fn at(&self, at: Timestamp) -> Result<(Vec<Publication>, Vec<Pause>), Error> {
        let past = Connection::open_in_memory()?;
        migrations::create_views(&past)?;
        fold::fold_until(&self.db, &past, rows::last_until(&self.db, at)?)?;
        Ok((rows::publications(&past)?, rows::pauses(&past)?))
    }

    /// All that is not as it was written; reads everything.
    pub fn verify(&self) -> Result<Vec<Problem>, Error> {
        verify::verify(&self.db)
    }

    /// Makes all views anew from the events.
    pub fn refold(&mut self) -> Result<(), Error> {
        self.writing.as_ref().ok_or(Error::ReadOnly)?;
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrations::rebuild(&transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Drop for Ledger {
    /// What is recorded is safe already; this only makes it one file again, so its failure is nobody's concern.
    fn drop(&mut self) {
        self.leave_quietly();
        if let Some(writing) = &self.writing {
            self.leave_marker(writing.head);
            let _ = open::put_away(&self.db);
        }
    }
}

fn no_first_entry() -> Error {
    Error::Corrupt("it has no first entry".into())
}

fn lineage(db: &Connection) -> Result<String, Error> {
    match rows::find_entry(db, 1)?.ok_or_else(no_first_entry)?.event {
        Event::Created { lineage } => Ok(lineage),
        _ => Err(Error::Corrupt("its first entry names no lineage".into())),
    }
}

/// The payload of the attempt or the edit that entry `started` began.
fn payload(db: &Connection, started: u64) -> Result<Box<Payload>, Error> {
    let change = match rows::find_entry(db, started)?.map(|entry| entry.event) {
        Some(Event::Publication { change, .. }) => Some(change),
        _ => None,
    };
    match change {
        Some(Change::Started { payload, .. } | Change::EditStarted { payload, .. }) => Ok(payload),
        Some(Change::Adopted { payload: Some(payload), .. }) => Ok(payload),
        _ => Err(Error::Corrupt(format!("entry {started} begins no attempt"))),
    }
}

/// Adds entries and folds them, in the transaction that `db` has open.
fn record(
    db: &Connection,
    expected: Head,
    (at, actor): (Timestamp, &str),
    events: &[Event],
) -> Result<Head, Error> {
    let found = rows::head(db)?.unwrap_or(Head { seq: 0, hash: GENESIS });
    if found != expected {
        return Err(Error::HeadMoved { expected, found });
    }
    let at_text = rows::time_text(at);
    let mut head = expected;
    for event in events {
        let text = serde_json::to_string(event).expect("an event has only text keys");
        let link = Link { seq: head.seq + 1, at: &at_text, actor, event: &text };
        head = Head { seq: link.seq, hash: chain::hash(&head.hash, link) };
        rows::store_link(db, link, head.hash)?;
        fold::fold(db, head.seq, (at, actor), event)?;
    }
    Ok(head)
}
