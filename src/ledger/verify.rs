//! Whether the ledger is what it says: SQLite's own check, the chain from its first entry, and the views against
//! views folded anew.

use std::fmt;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::chain::{self, GENESIS, Hash, Link};
use super::{Error, fold, migrations, rows};

/// More than this of one sort are not told one by one.
const PROBLEMS_MAX: usize = 20;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// SQLite's integrity check says so.
    Database(String),
    /// Entries are missing before this one.
    Gap { before: u64 },
    /// The entry is not what its hash was made of, or does not follow the one before it.
    Chain { seq: u64 },
    /// An entry cannot be understood, or cannot follow the ones before it.
    Event(String),
    /// A view does not say what the events say.
    View { name: &'static str },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Database(message) => write!(f, "the database is damaged: {message}"),
            Problem::Gap { before } => write!(f, "entries are missing before entry {before}"),
            Problem::Chain { seq } => write!(f, "entry {seq} is not what was written"),
            Problem::Event(message) => write!(f, "{message}"),
            Problem::View { name } => write!(f, "the table `{name}` does not agree with the events"),
        }
    }
}

/// All that is wrong, read in one snapshot.
pub(super) fn verify(db: &Connection) -> Result<Vec<Problem>, Error> {
    let snapshot = db.unchecked_transaction()?;
    let mut problems = database(&snapshot)?;
    match chain(&snapshot).and_then(|found| Ok((found, views(&snapshot)?))) {
        Ok((chain, views)) => problems.extend(chain.into_iter().chain(views)),
        // SQLite cannot even read it, which its own check has said already.
        Err(Error::Corrupt(message)) if problems.is_empty() => problems.push(Problem::Database(message)),
        Err(Error::Corrupt(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(problems)
}

fn database(db: &Connection) -> Result<Vec<Problem>, Error> {
    let mut statement = db.prepare(&format!("PRAGMA integrity_check({PROBLEMS_MAX})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").map(Problem::Database).collect())
}

fn chain(db: &Connection) -> Result<Vec<Problem>, Error> {
    let mut statement = db.prepare(&format!("SELECT {} FROM events ORDER BY seq", rows::EVENT_COLUMNS))?;
    let mut found = statement.query([])?;
    let (mut problems, mut seq, mut previous) = (Vec::new(), 0, GENESIS);
    while let Some(row) = found.next()? {
        if problems.len() == PROBLEMS_MAX {
            break;
        }
        let (problem, next, hash) =
            rows::with_link(row, |link, hash| (check(seq, &previous, link, &hash), link.seq, hash))?;
        problems.extend(problem);
        (seq, previous) = (next, hash);
    }
    if seq == 0 {
        problems.push(Problem::Gap { before: 1 });
    }
    Ok(problems)
}

/// After a gap the chain cannot be checked; the gap is the finding.
fn check(before: u64, previous: &Hash, link: Link<'_>, hash: &Hash) -> Option<Problem> {
    if link.seq != before + 1 {
        return Some(Problem::Gap { before: link.seq });
    }
    (chain::hash(previous, link) != *hash).then_some(Problem::Chain { seq: link.seq })
}

fn views(db: &Connection) -> Result<Vec<Problem>, Error> {
    let fresh = Connection::open_in_memory()?;
    migrations::create_views(&fresh)?;
    match fold::fold_all(db, &fresh) {
        Ok(()) => {}
        Err(
            error @ (Error::Corrupt(_)
            | Error::Illegal(_)
            | Error::IllegalGrant(_)
            | Error::IllegalRecipients(_)),
        ) => {
            return Ok(vec![Problem::Event(error.to_string())]);
        }
        Err(error) => return Err(error),
    }
    let mut problems = Vec::new();
    for (name, order) in migrations::VIEWS {
        let sql = format!("SELECT * FROM {name} ORDER BY {order}");
        if !same_rows(db, &fresh, &sql)? {
            problems.push(Problem::View { name });
        }
    }
    Ok(problems)
}

fn same_rows(one: &Connection, other: &Connection, sql: &str) -> Result<bool, Error> {
    let (mut one, mut other) = (one.prepare(sql)?, other.prepare(sql)?);
    let columns = other.column_count();
    // A column by another name holds the same, and nobody finds it.
    if !one.column_names().eq(other.column_names()) {
        return Ok(false);
    }
    let (mut one, mut other) = (one.query([])?, other.query([])?);
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|i| row.get(i)).collect::<Result<Vec<Value>, _>>();
    loop {
        match (one.next()?, other.next()?) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) if read(a)? == read(b)? => {}
            _ => return Ok(false),
        }
    }
}
