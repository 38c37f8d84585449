//! From the file to the ref: what goes out, when, and as which segments.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::copy::store_tie;
use super::lease::Lease;
use super::remote::{Draft, Note};
use super::segment::{self, Segment};
use super::{Base, Shared, urgency};
use crate::crash::{self, Point};
use crate::domain::event::Event;
use crate::domain::ids::hex;
use crate::ledger::migrations::MIGRATIONS;
use crate::ledger::{Error, Head, Ledger, lineage, no_first_entry, rows};

/// What waits goes out with the next entry after this time.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// How often a lease is renewed in its term, at the most.
const RENEWALS_MAX: i32 = 8;
/// The most bytes of entries that become one segment. More becomes several, as when a long ledger is first shared.
const SEGMENT_BYTES: u64 = 8 << 20;

impl Ledger {
    /// Sends what waits, and goes on working.
    pub fn share(&mut self, now: Timestamp) -> Result<(), Error> {
        self.send(Some(now))
    }

    /// How long until [`renew`](Self::renew) is due, for whoever waits without recording anything. `None`: others are not
    /// kept waiting.
    pub fn renewal(&self, now: Timestamp) -> Option<Duration> {
        let shared = self.shared.as_ref().filter(|shared| shared.is_ours())?;
        let (term, lease) = (shared.place.lease, shared.base.lease.as_ref()?);
        let left = lease.until.duration_since(now) - term / 2;
        // Where the remote is away, it is not asked without a pause.
        Duration::try_from(left.max(term / RENEWALS_MAX)).ok()
    }

    /// Keeps the lease for another term.
    ///
    /// # Errors
    ///
    /// [`Error::Moved`]: another run works now. A remote that is away for a moment is none.
    pub fn renew(&mut self, now: Timestamp) -> Result<(), Error> {
        match self.share(now) {
            Err(Error::Unreachable { .. }) => {
                self.shared.iter_mut().for_each(|shared| shared.is_over = false);
                Ok(())
            }
            other => other,
        }
    }

    /// Sends what waits, and lets others work. Where others have written meanwhile, what they wrote is taken over, and
    /// what waited is put aside: whoever works next finds it out anew.
    pub fn leave(&mut self) -> Result<(), Error> {
        match self.send(None) {
            Err(Error::Moved { .. }) => self.take_over(),
            other => other,
        }
    }

    fn send(&mut self, keep: Option<Timestamp>) -> Result<(), Error> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let base = shared.send(&transaction, keep)?;
        transaction.commit()?;
        shared.sent(base);
        Ok(())
    }

    /// At the end of a process: what waits goes out, unless that failed before. What does not is in the file, and goes
    /// out with the next run of this machine.
    pub(in crate::ledger) fn leave_quietly(&mut self) {
        if self.shared.as_ref().is_some_and(|shared| !shared.is_over)
            && let Err(error) = self.leave()
        {
            tracing::warn!(%error, "what was recorded last is not shared yet");
        }
    }
}

impl Shared {
    /// Whether these must be in the ref before anything follows from them.
    pub(in crate::ledger) fn is_urgent(
        &mut self,
        db: &Connection,
        now: Timestamp,
        events: &[Event],
    ) -> Result<bool, Error> {
        for event in events {
            let has_step = match event {
                Event::Publication { post, account, .. } => has_step(db, (post.as_str(), account.as_str()))?,
                _ => false,
            };
            if !urgency::may_wait(event, has_step) {
                return Ok(true);
            }
        }
        let waited = self.waiting.get_or_insert_with(Instant::now).elapsed();
        Ok(waited >= WAIT_MAX || self.is_ours() && self.ages(now))
    }

    fn is_ours(&self) -> bool {
        self.base.lease.as_ref().is_some_and(|lease| lease.id == self.id)
    }

    fn ages(&self, now: Timestamp) -> bool {
        self.base.lease.as_ref().is_none_or(|lease| lease.is_aging(self.place.lease, now))
    }

    /// Replaces the tip by one that holds all entries of `db`, and gives what the ref is then. `keep`: the lease is held
    /// from then on; else it ends.
    pub(in crate::ledger) fn send(
        &mut self,
        db: &Connection,
        keep: Option<Timestamp>,
    ) -> Result<Base, Error> {
        let head = rows::head(db)?.ok_or_else(no_first_entry)?;
        let is_settled = match keep {
            Some(now) => self.is_ours() && !self.ages(now) && head.seq == self.base.seq,
            // Where somebody else works, nothing is put into their way.
            None => !self.is_ours() && (head.seq == self.base.seq || self.base.lease.is_some()),
        };
        if is_settled {
            return Ok(self.base.clone());
        }
        if self.is_over {
            return Err(Error::Moved { place: self.place.name() });
        }
        let base = self.replace(db, head, keep);
        // What others have written must be read first, and a remote that is away is not asked again at the end.
        self.is_over = base.is_err();
        base
    }

    fn replace(&self, db: &Connection, head: Head, keep: Option<Timestamp>) -> Result<Base, Error> {
        let segments = self.segments(db, head.seq)?;
        let lease = keep.map(|now| Lease {
            id: self.id.clone(),
            holder: self.holder.clone(),
            until: now.saturating_add(self.place.lease).unwrap_or(Timestamp::MAX),
        });
        let note = Note {
            version: MIGRATIONS.len() as i64,
            lineage: lineage(db)?,
            seq: head.seq,
            hash: hex(&head.hash),
        };
        let draft = Draft { note: &note, lease: lease.as_ref(), segments: &segments };
        let what = match head.seq - self.base.seq {
            0 => "lease".to_owned(),
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        };
        let message = format!("{what} from {}\n\nCopy: {}\n", self.holder, self.id);
        let commit = self.place.commit(&draft, self.base.commit.as_ref(), &message)?;
        crash::at(Point::BeforePush);
        self.place.push(&commit, self.base.commit.as_ref())?;
        crash::at(Point::AfterPush);
        store_tie(db, self, Some(&commit), head.seq)?;
        Ok(Base { commit: Some(commit), seq: head.seq, segments, lease })
    }

    /// The segments of a tree that ends with entry `last`.
    fn segments(&self, db: &Connection, last: u64) -> Result<Vec<Segment>, Error> {
        let mut segments = self.base.segments.clone();
        let mut first = self.base.seq + 1;
        while first <= last {
            let (text, end) = lines(db, first, last)?;
            let bytes = text.len() as u64;
            let mut new = Segment { first, last: end, id: String::new(), bytes };
            let kept = segments.len() - segment::merged(&segments, &new);
            let merged = segments.split_off(kept);
            let text = match merged.first() {
                None => text,
                Some(earliest) => {
                    new.first = earliest.first;
                    let mut whole = Vec::new();
                    for segment in &merged {
                        whole.extend(lines_of(db, segment.first, segment.last)?);
                    }
                    whole.extend(text);
                    whole
                }
            };
            new.bytes = text.len() as u64;
            new.id = self.place.keep(text)?;
            segments.push(new);
            first = end + 1;
        }
        Ok(segments)
    }

    /// After the transaction in which it was sent.
    pub(in crate::ledger) fn sent(&mut self, base: Base) {
        self.base = base;
        self.waiting = None;
    }
}

/// Lines of entries from `first` on, up to `last` or until they are enough for a segment, and the last one of them.
pub(super) fn lines(db: &Connection, first: u64, last: u64) -> Result<(Vec<u8>, u64), Error> {
    let sql = format!("SELECT {} FROM events WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq", rows::EVENT_COLUMNS);
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params![rows::integer(first), rows::integer(last)])?;
    let (mut text, mut end) = (Vec::new(), first);
    while let Some(row) = found.next()? {
        end = rows::with_link(row, |link, hash| {
            segment::write_line(&mut text, link, &hash).map(|()| link.seq)
        })??;
        if text.len() as u64 >= SEGMENT_BYTES {
            break;
        }
    }
    Ok((text, end))
}

pub(super) fn lines_of(db: &Connection, first: u64, last: u64) -> Result<Vec<u8>, Error> {
    let (mut text, mut next) = (Vec::new(), first);
    while next <= last {
        let (more, end) = lines(db, next, last)?;
        text.extend(more);
        next = end + 1;
    }
    Ok(text)
}

pub(super) fn has_step(db: &Connection, (post, account): (&str, &str)) -> Result<bool, Error> {
    let sql = "SELECT checkpoint IS NOT NULL FROM work WHERE post = ?1 AND account = ?2";
    let found = db.prepare_cached(sql)?.query_row([post, account], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(false))
}
