//! The copy: which ref the file is tied to, and taking over what that holds beyond it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::remote::{Place, Tip};
use super::sending::lines_of;
use super::{Base, Shared, segment};
use crate::domain::commit::CommitId;
use crate::domain::event::Event;
use crate::domain::ids::hex;
use crate::ledger::chain::{self, GENESIS};
use crate::ledger::migrations::{self, MIGRATIONS};
use crate::ledger::{Error, Ledger, fold, no_first_entry, open, rows};

/// Behind the name of the ledger: entries that were put aside.
pub(super) const ASIDE: &str = ".aside.jsonl";

/// The row that ties the file to a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) id: String,
    pub(super) place: String,
    pub(super) commit: Option<String>,
    pub(super) seq: u64,
}

impl Ledger {
    /// Looks at the ref again.
    pub(super) fn take_over(&mut self) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let tip = shared.place.tip()?;
        self.join(tip)?;
        if let Some(shared) = &mut self.shared {
            shared.is_over = false;
        }
        Ok(())
    }

    /// Takes over what the ref holds beyond the copy.
    pub(super) fn join(&mut self, tip: Option<Tip>) -> Result<(), Error> {
        let (Some(shared), Some(writing)) = (&mut self.shared, &mut self.writing) else {
            return Err(Error::ReadOnly);
        };
        let tie = tie(&self.db)?;
        let known = tie.as_ref().map_or(0, |tie| tie.seq);
        let Some(tip) = tip else {
            // A ledger that was only just started may be shared as it is; one with a history is a person's decision.
            let was_shared = tie.is_some_and(|tie| tie.commit.is_some());
            let place = shared.place.name();
            return match writing.head.seq {
                _ if was_shared => Err(Error::Rewritten { place, why: "the ref is gone".into() }),
                1 => Ok(()),
                _ => Err(Error::NotShared { place }),
            };
        };
        if tip.note.lineage != self.lineage {
            let (expected, found) = (self.lineage.clone(), tip.note.lineage);
            return Err(Error::OtherLineage { expected, found });
        }
        if tip.note.seq < known {
            let why = format!("it ends with entry {}, and entry {known} was there before", tip.note.seq);
            return Err(Error::Rewritten { place: shared.place.name(), why });
        }
        if tie.is_none_or(|tie| tie.commit.as_deref() != Some(tip.commit.as_str())) {
            let path = self.db.path().map(PathBuf::from);
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let put_aside = take(&transaction, known, &tip, &shared.place)?;
            if known == 0 && !put_aside.is_empty() && writing.head.seq > 1 {
                // Never shared: whatever it is, it is no copy.
                return Err(Error::NotShared { place: shared.place.name() });
            }
            if known > 0 && !put_aside.is_empty() {
                keep_aside(path.as_deref().ok_or(Error::ReadOnly)?, &put_aside)?;
            }
            store_tie(&transaction, shared, Some(&tip.commit), tip.note.seq)?;
            transaction.commit()?;
        }
        writing.head = rows::head(&self.db)?.ok_or_else(no_first_entry)?;
        shared.base =
            Base { commit: Some(tip.commit), seq: tip.note.seq, segments: tip.segments, lease: tip.lease };
        Ok(())
    }
}

/// Takes over the entries after `known` of what the ref holds, and gives the lines of those that stood in their place.
pub(super) fn take(db: &Connection, known: u64, tip: &Tip, place: &Place) -> Result<Vec<u8>, Error> {
    let version = MIGRATIONS.len() as i64;
    if tip.note.version > version {
        return Err(Error::Newer { found: tip.note.version, known: version });
    }
    let mut previous = match rows::find_entry(db, known)? {
        Some(entry) => entry.hash,
        None if known == 0 => GENESIS,
        None => return Err(Error::Corrupt(format!("entry {known} is missing"))),
    };
    let other = |seq: u64| Error::Rewritten {
        place: place.name(),
        why: format!("its entry {seq} is another one than was there before"),
    };
    let mut aside = Vec::new();
    for segment in tip.segments.iter().filter(|segment| segment.last > known) {
        let text = place.segment(segment)?;
        segment::read_lines(segment, &text, |link, hash| {
            if link.seq <= known {
                return Ok(());
            }
            if chain::hash(&previous, link) != hash {
                return Err(other(link.seq - 1));
            }
            previous = hash;
            match rows::find_entry(db, link.seq)? {
                Some(entry) if entry.hash == hash => return Ok(()),
                Some(_) => aside = cut(db, link.seq)?,
                None => {}
            }
            let event: Event = serde_json::from_str(link.event).map_err(|error| {
                Error::Corrupt(format!("entry {} of {} cannot be read: {error}", link.seq, place.name()))
            })?;
            let at = link.at.parse().map_err(|_| {
                Error::Corrupt(format!("the time of entry {} of {} is none", link.seq, place.name()))
            })?;
            rows::store_link(db, link, hash)?;
            fold::fold(db, link.seq, (at, link.actor), &event)
        })?;
    }
    if hex(&previous) == tip.note.hash { Ok(aside) } else { Err(other(tip.note.seq)) }
}

/// Takes away the entries from `seq` on and gives their lines. Nothing that followed from them is lost: what must not be
/// is in the ref before it counts.
pub(super) fn cut(db: &Connection, seq: u64) -> Result<Vec<u8>, Error> {
    let head = rows::head(db)?.ok_or_else(no_first_entry)?;
    let lines = lines_of(db, seq, head.seq)?;
    db.execute_batch("DROP TRIGGER events_never_go")?;
    db.execute("DELETE FROM events WHERE seq >= ?1", [rows::integer(seq)])?;
    db.execute_batch(migrations::NEVER_GO)?;
    db.execute("UPDATE told SET seq = ?1 WHERE seq > ?1", [rows::integer(seq - 1)])?;
    migrations::rebuild(db)?;
    Ok(lines)
}

/// For people: what was recorded here and is not in the ledger any more.
pub(super) fn keep_aside(ledger: &Path, lines: &[u8]) -> Result<(), Error> {
    let path = open::beside(ledger, ASIDE);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    open::owner_only(&mut options);
    let written = options.open(&path).and_then(|mut file| {
        file.write_all(lines)?;
        file.sync_all()
    });
    written.map_err(|error| Error::io(&path, error))
}

pub(super) fn tie(db: &Connection) -> Result<Option<Tie>, Error> {
    let sql = "SELECT id, place, tip, seq FROM shared";
    let tie = db.query_row(sql, [], |row| {
        Ok(Tie { id: row.get(0)?, place: row.get(1)?, commit: row.get(2)?, seq: rows::number(row, 3)? })
    });
    Ok(tie.optional()?)
}

pub(super) fn store_tie(
    db: &Connection,
    shared: &Shared,
    commit: Option<&CommitId>,
    seq: u64,
) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO shared (one, id, place, tip, seq) VALUES (1, ?1, ?2, ?3, ?4)";
    let commit = commit.map(CommitId::as_str);
    db.prepare_cached(sql)?.execute(params![shared.id, shared.place.name(), commit, rows::integer(seq)])?;
    Ok(())
}
