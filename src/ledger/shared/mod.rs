//! A ledger that several machines share by way of a ref of a git repository.
//!
//! # Flow
//!
//! The ref is the truth, and the ledger's file is a copy of it that grows: opening takes over what others have written,
//! and an append that others must know of replaces the tip of the ref while its transaction is still open. What
//! [`may_wait`](urgency::may_wait) is only in the file at first, and goes out with the next append, or at the end.
//!
//! # Guarantees
//!
//! An entry that could lead to a post, a used refresh token or a decision is in the ref before anything follows from it,
//! or it is nowhere. Two that write at once: one of them is refused and has recorded nothing that matters. What a copy
//! has and the ref does not is put aside where others have written meanwhile: it is never written after their entries.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use super::lock::Lock;
use super::migrations::{self, MIGRATIONS};
use super::{Error, Head, Holder, Ledger, open, rows};
use crate::domain::commit::CommitId;
use crate::domain::ids::hex;

mod copy;
mod lease;
mod remote;
mod segment;
mod sending;
mod urgency;

#[cfg(test)]
mod tests;

pub use lease::Lease;
pub use remote::Place;

use copy::{Tie, take, tie};

use segment::Segment;

/// How often a run that waits for another's lease looks again.
const LEASE_POLL: Duration = Duration::from_secs(1);

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

fn later(start: Timestamp, by: Duration) -> Timestamp {
    start.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn fresh_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness a lease would be told apart by its host.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}
