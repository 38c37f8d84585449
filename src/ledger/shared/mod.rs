//! A ledger that several machines share by way of a ref of a git repository.
//!
//! # Flow
//!
//! The ref is the truth, and the ledger's file is a copy of it that grows: opening takes over what others have written,
//! and an append that others must know of replaces the tip of the ref while its transaction is still open. What
//! [`may_wait`] is only in the file at first, and goes out with the next append, or at the end.
//!
//! # Guarantees
//!
//! An entry that could lead to a post, a used refresh token or a decision is in the ref before anything follows from it,
//! or it is nowhere. Two that write at once: one of them is refused and has recorded nothing that matters. What a copy
//! has and the ref does not is put aside where others have written meanwhile: it is never written after their entries.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::chain::{self, GENESIS};
use super::lock::Lock;
use super::migrations::{self, MIGRATIONS};
use super::{Error, Head, Holder, Ledger, fold, lineage, no_first_entry, open, rows};
use crate::crash::{self, Point};
use crate::domain::commit::CommitId;
use crate::domain::event::Event;
use crate::domain::ids::hex;

mod lease;
mod remote;
mod segment;
mod urgency;

#[cfg(test)]
mod tests;

pub use lease::Lease;
pub use remote::Place;

use remote::{Draft, Note, Tip};
use segment::Segment;

/// How often a run that waits for another's lease looks again.
const LEASE_POLL: Duration = Duration::from_secs(1);
/// What waits goes out with the next entry after this time.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// How often a lease is renewed in its term, at the most.
const RENEWALS_MAX: i32 = 8;
/// Behind the name of the ledger: entries that were put aside.
const ASIDE: &str = ".aside.jsonl";
/// The most bytes of entries that become one segment. More becomes several, as when a long ledger is first shared.
const SEGMENT_BYTES: u64 = 8 << 20;

/// What this process knows of the ref.
#[derive(Debug)]
pub(super) struct Shared {
    place: Place,
    /// Of this copy.
    id: String,
    holder: Holder,
    base: Base,
    /// Since when something waits.
    waiting: Option<Instant>,
    /// Set by a failure after which nothing more is sent.
    is_over: bool,
}

/// What was last read from the ref, or written to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Base {
    commit: Option<CommitId>,
    /// The last entry that is in it.
    seq: u64,
    segments: Vec<Segment>,
    lease: Option<Lease>,
}

/// The row that ties the file to a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tie {
    id: String,
    place: String,
    commit: Option<String>,
    seq: u64,
}

/// How a copy and its ref stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where the ledger is shared, for people.
    pub place: String,
    /// The commit that this copy knows.
    pub commit: Option<String>,
    /// Entries that are in the ref as far as is known, and those of this copy.
    pub shared: u64,
    pub recorded: u64,
}

impl Ledger {
    /// As [`open_write`](Ledger::open_write), of a ledger that is kept at `place`: first takes over what others have
    /// written there, and waits up to `lock_timeout` for whoever works with it.
    ///
    /// # Errors
    ///
    /// As [`open_write`](Ledger::open_write). [`Error::Missing`]: neither there nor here. [`Error::NotShared`],
    /// [`Error::Rewritten`]: what is there and what is here do not belong together. [`Error::Unreachable`].
    pub fn open_shared(
        path: &Path,
        place: &Place,
        lock_timeout: Duration,
        holder: &Holder,
    ) -> Result<Ledger, Error> {
        let begun = Instant::now();
        let mut ledger = Ledger::pull(path, place, lock_timeout, holder)?;
        loop {
            let shared = ledger.shared.as_ref().ok_or(Error::ReadOnly)?;
            let now = later(holder.started_at, begun.elapsed());
            match shared.base.lease.clone().filter(|lease| lease.bars((&shared.id, &holder.host), now)) {
                None => {
                    ledger.forget_lease();
                    return Ok(ledger);
                }
                Some(lease) if begun.elapsed() >= lock_timeout => {
                    return Err(Error::Locked { holder: Some(Box::new(lease.holder)) });
                }
                Some(_) => {}
            }
            std::thread::sleep(LEASE_POLL.min(lock_timeout.saturating_sub(begun.elapsed())));
            ledger.take_over()?;
        }
    }

    /// The same, whoever works with it: for what writes nothing, or decides about that one's lease.
    pub fn pull(
        path: &Path,
        place: &Place,
        lock_timeout: Duration,
        holder: &Holder,
    ) -> Result<Ledger, Error> {
        Ledger::attach(path, place, (lock_timeout, holder), false)
    }

    /// Puts the ledger that is here there, where there is none: one that was never shared, or a copy whose ref is gone.
    pub fn migrate(
        path: &Path,
        place: &Place,
        now: Timestamp,
        (lock_timeout, holder): (Duration, &Holder),
    ) -> Result<Ledger, Error> {
        let mut ledger = Ledger::attach(path, place, (lock_timeout, holder), true)?;
        ledger.share(now)?;
        Ok(ledger)
    }

    fn attach(
        path: &Path,
        place: &Place,
        (lock_timeout, holder): (Duration, &Holder),
        may_start: bool,
    ) -> Result<Ledger, Error> {
        let path = &std::path::absolute(path).map_err(|error| Error::io(path, error))?;
        open::make_folder(path.parent().unwrap_or(path))?;
        let lock = Lock::acquire(path, lock_timeout, holder)?;
        let tip = place.tip()?;
        let mut ledger = match (&tip, path.symlink_metadata().is_ok()) {
            (None, false) => return Err(Error::Missing { path: path.clone() }),
            (_, true) => Ledger::write_locked(path, lock)?,
            (Some(tip), false) => {
                open::whole(path, |db| take(db, 0, tip, place).map(|_| ()))?;
                Ledger::write_locked(path, lock)?
            }
        };
        let fresh = Tie { id: fresh_id(), place: place.name(), commit: None, seq: 0 };
        let tie = tie(&ledger.db)?.unwrap_or(fresh);
        if tie.place != place.name() {
            return Err(Error::Rewritten {
                place: place.name(),
                why: format!("the ledger here is a copy of {}", tie.place),
            });
        }
        ledger.shared = Some(Shared {
            place: place.clone(),
            id: tie.id,
            holder: holder.clone(),
            base: Base::default(),
            waiting: None,
            is_over: false,
        });
        if !may_start || tip.is_some() {
            ledger.join(tip)?;
        }
        Ok(ledger)
    }

    /// Starts a ledger here and there. Where somebody was faster, theirs is taken over when it is opened next.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Moved`], [`Error::Unreachable`].
    pub fn create_shared(
        path: &Path,
        place: &Place,
        lineage: &str,
        (at, actor): (Timestamp, &str),
        (lock_timeout, holder): (Duration, &Holder),
    ) -> Result<Ledger, Error> {
        drop(Ledger::create(path, lineage, (at, actor), lock_timeout, holder)?);
        let mut ledger = Ledger::pull(path, place, lock_timeout, holder)?;
        ledger.share(at)?;
        Ok(ledger)
    }

    /// How the copy stands, as far as is known here. `None`: it is no copy.
    pub fn standing(&self) -> Result<Option<Standing>, Error> {
        let Some(Tie { place, commit, seq, .. }) = tie(&self.db)? else { return Ok(None) };
        Ok(Some(Standing { place, commit, shared: seq, recorded: self.head()?.seq }))
    }

    /// Who works with the ledger, as was last read.
    pub fn lease(&self) -> Option<&Lease> {
        self.shared.as_ref()?.base.lease.as_ref()
    }

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

    /// Ends the lease that was read, whoever holds it.
    pub fn unlock(&mut self) -> Result<(), Error> {
        if let Some(shared) = &mut self.shared
            && let Some(lease) = &mut shared.base.lease
        {
            lease.id.clone_from(&shared.id);
        }
        self.leave()
    }

    /// Makes this copy the ledger again, and takes it from the ref.
    pub fn unshare(&mut self) -> Result<(), Error> {
        let Some(shared) = self.shared.take() else { return Ok(()) };
        if let Some(commit) = &shared.base.commit {
            shared.place.remove(commit)?;
        }
        self.db.execute("DELETE FROM shared", [])?;
        Ok(())
    }

    /// What another run left behind is over: the next tip is without it.
    fn forget_lease(&mut self) {
        if let Some(shared) = &mut self.shared {
            shared.base.lease = shared.base.lease.take().filter(|lease| lease.id == shared.id);
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

    /// Looks at the ref again.
    fn take_over(&mut self) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let tip = shared.place.tip()?;
        self.join(tip)?;
        if let Some(shared) = &mut self.shared {
            shared.is_over = false;
        }
        Ok(())
    }

    /// Takes over what the ref holds beyond the copy.
    fn join(&mut self, tip: Option<Tip>) -> Result<(), Error> {
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
            let path = self.db.path().map(std::path::PathBuf::from);
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

/// What the ref holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub commit: String,
    pub lineage: String,
    pub entries: u64,
    /// Who works with it.
    pub lease: Option<Lease>,
}

impl Place {
    /// Looks at the ref. `None`: there is none.
    pub fn look(&self) -> Result<Option<Look>, Error> {
        Ok(self.tip()?.map(|tip| Look {
            commit: tip.commit.to_string(),
            lineage: tip.note.lineage,
            entries: tip.note.seq,
            lease: tip.lease,
        }))
    }

    /// Reads all that the ref holds, and folds it. Gives the head.
    ///
    /// # Errors
    ///
    /// [`Error::Rewritten`], [`Error::Corrupt`] and the like for what is not as it was written.
    pub fn verify(&self) -> Result<Option<Head>, Error> {
        let Some(tip) = self.tip()? else { return Ok(None) };
        let mut db = Connection::open_in_memory()?;
        migrations::migrate(&mut db, MIGRATIONS)?;
        take(&db, 0, &tip, self)?;
        rows::head(&db)
    }
}

impl Shared {
    /// Whether these must be in the ref before anything follows from them.
    pub(super) fn is_urgent(
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
    pub(super) fn send(&mut self, db: &Connection, keep: Option<Timestamp>) -> Result<Base, Error> {
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
    pub(super) fn sent(&mut self, base: Base) {
        self.base = base;
        self.waiting = None;
    }
}

impl Ledger {
    /// At the end of a process: what waits goes out, unless that failed before. What does not is in the file, and goes
    /// out with the next run of this machine.
    pub(super) fn leave_quietly(&mut self) {
        if self.shared.as_ref().is_some_and(|shared| !shared.is_over)
            && let Err(error) = self.leave()
        {
            tracing::warn!(%error, "what was recorded last is not shared yet");
        }
    }
}

/// Lines of entries from `first` on, up to `last` or until they are enough for a segment, and the last one of them.
fn lines(db: &Connection, first: u64, last: u64) -> Result<(Vec<u8>, u64), Error> {
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

fn lines_of(db: &Connection, first: u64, last: u64) -> Result<Vec<u8>, Error> {
    let (mut text, mut next) = (Vec::new(), first);
    while next <= last {
        let (more, end) = lines(db, next, last)?;
        text.extend(more);
        next = end + 1;
    }
    Ok(text)
}

/// Takes over the entries after `known` of what the ref holds, and gives the lines of those that stood in their place.
fn take(db: &Connection, known: u64, tip: &Tip, place: &Place) -> Result<Vec<u8>, Error> {
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
fn cut(db: &Connection, seq: u64) -> Result<Vec<u8>, Error> {
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
fn keep_aside(ledger: &Path, lines: &[u8]) -> Result<(), Error> {
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

fn has_step(db: &Connection, (post, account): (&str, &str)) -> Result<bool, Error> {
    let sql = "SELECT checkpoint IS NOT NULL FROM work WHERE post = ?1 AND account = ?2";
    let found = db.prepare_cached(sql)?.query_row([post, account], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(false))
}

fn tie(db: &Connection) -> Result<Option<Tie>, Error> {
    let sql = "SELECT id, place, tip, seq FROM shared";
    let tie = db.query_row(sql, [], |row| {
        Ok(Tie { id: row.get(0)?, place: row.get(1)?, commit: row.get(2)?, seq: rows::number(row, 3)? })
    });
    Ok(tie.optional()?)
}

fn store_tie(db: &Connection, shared: &Shared, commit: Option<&CommitId>, seq: u64) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO shared (one, id, place, tip, seq) VALUES (1, ?1, ?2, ?3, ?4)";
    let commit = commit.map(CommitId::as_str);
    db.prepare_cached(sql)?.execute(params![shared.id, shared.place.name(), commit, rows::integer(seq)])?;
    Ok(())
}

fn later(start: Timestamp, by: Duration) -> Timestamp {
    start.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn fresh_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness a lease would be told apart by its host.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}
