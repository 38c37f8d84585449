//! The ledgers of a project: where they are, opening them with all that stands in the way of a wrong one, and the keys of
//! their logins.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::{Book, Workspace, variable};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::{text, ui};
use crate::domain::project::Project;
use crate::domain::project::store::Store;
use crate::ledger::vault::{KEY_VARIABLE, KeyPlace, Vault, VaultError};
use crate::ledger::{Ledger, Place, exposures};
use crate::secret::Secret;

impl Workspace {
    pub(in crate::cli) fn ledger_path(&self, book: Book) -> PathBuf {
        self.state.join(match book {
            Book::Real => "ledger.db",
            Book::Rehearsal => "rehearsal.db",
        })
    }

    /// Where the ledger is shared, if it is.
    pub(in crate::cli) fn shared_place(&self, book: Book, project: Option<&Project>) -> Option<Place> {
        match project.filter(|_| book == Book::Real).map(|project| &project.store) {
            Some(Store::Git(git)) => Some(Place {
                // Where there is no such path, git says so.
                folder: std::path::absolute(&self.content).unwrap_or_else(|_| self.content.clone()),
                remote: git.remote.clone(),
                reference: git.reference.clone(),
                lease: git.lease,
                variable: |name| std::env::var_os(name),
            }),
            _ => None,
        }
    }

    /// Opens the ledger, locked, and takes over what others have written to it.
    fn open_ledger(&self, book: Book, project: Option<&Project>, command: &str) -> Result<Ledger, Failure> {
        let path = self.ledger_path(book);
        let (timeout, holder) = (self.global.lock_timeout, self.holder(command));
        let place = self.shared_place(book, project);
        let mut ledger = match &place {
            Some(place) => Ledger::open_shared(&path, place, timeout, &holder)?,
            None => Ledger::open_write(&path, timeout, &holder)?,
        };
        check_store(&ledger, place.as_ref(), project)?;
        check_lineage(&ledger, book, project)?;
        self.expect_latest(book, &mut ledger)?;
        self.take_rescued(&mut ledger, command)?;
        Ok(ledger)
    }

    /// The ledger, for reading. `None`: there is none yet, and the project does not say that there must be.
    pub(in crate::cli) fn read_ledger(
        &self,
        book: Book,
        project: Option<&Project>,
    ) -> Result<Option<Ledger>, Failure> {
        match Ledger::open_read(&self.ledger_path(book)) {
            Ok(ledger) => {
                check_lineage(&ledger, book, project)?;
                Ok(Some(ledger))
            }
            Err(crate::ledger::Error::Missing { .. }) => {
                if let Some(place) = self.shared_place(book, project) {
                    let message =
                        format!("there is no copy of the ledger here yet; it is kept in {}", place.name());
                    return Err(Failure::new(Exit::Ledger, message).hint(
                        "`gitcast ledger pull` fetches it; where nothing was ever published, `gitcast apply` starts one",
                    ));
                }
                no_ledger_needed(book, project)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The ledger, locked, for writing. Starts one where the project does not say that there must be one already,
    /// or where `start_new` allows it.
    pub(in crate::cli) fn write_ledger(
        &self,
        book: Book,
        project: Option<&Project>,
        command: &str,
        start_new: bool,
    ) -> Result<Ledger, Failure> {
        self.tell_exposures();
        let path = self.ledger_path(book);
        let (timeout, holder) = (self.global.lock_timeout, self.holder(command));
        match self.open_ledger(book, project, command) {
            Ok(ledger) => Ok(ledger),
            Err(failure) if failure.is_missing => {
                if !start_new {
                    no_ledger_needed(book, project)?;
                    self.refuse_lost_ledger(book)?;
                }
                let pinned = project.and_then(|p| p.lineage.clone()).filter(|_| book == Book::Real);
                let lineage = pinned.clone().unwrap_or_else(fresh_lineage);
                let (stamp, actor) = (self.clock.now(), self.actor(command));
                let mut ledger = match &self.shared_place(book, project) {
                    Some(place) => {
                        Ledger::create_shared(&path, place, &lineage, (stamp, &actor), (timeout, &holder))?
                    }
                    None => Ledger::create(&path, &lineage, (stamp, &actor), timeout, &holder)?,
                };
                ledger.expect_latest(&path, true)?;
                if pinned.is_none() && book == Book::Real {
                    ui::tell(&format!(
                        "Started a ledger at {}. Pin it: write `lineage: {lineage}` into {}/gitcast.yaml, so that losing it cannot publish everything again.",
                        path.display(),
                        self.content.display()
                    ));
                }
                Ok(ledger)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The ledger, locked, for a command that only makes sense where there is one.
    pub(in crate::cli) fn existing_ledger(
        &self,
        book: Book,
        project: Option<&Project>,
        command: &str,
    ) -> Result<Ledger, Failure> {
        self.tell_exposures();
        self.open_ledger(book, project, command)
    }

    /// Takes up the logins that an earlier process could not record.
    fn take_rescued(&self, ledger: &mut Ledger, command: &str) -> Result<(), Failure> {
        for account in ledger.take_rescued(self.clock.now(), &self.actor(command))? {
            ui::tell(&format!("Took up the login of {account} that an earlier run could not record."));
        }
        Ok(())
    }

    /// Warns, once, where others can get at what is about to be written.
    fn tell_exposures(&self) {
        if !self.told_exposures.swap(true, Ordering::Relaxed) {
            for exposure in exposures(&self.state) {
                ui::tell(&format!(
                    "{} {}",
                    self.palette.notable("warning:"),
                    text::terminal(&exposure.to_string())
                ));
            }
        }
    }

    /// Refuses a ledger that has forgotten what was recorded here, unless it is accepted. The rehearsal's may.
    pub(in crate::cli) fn expect_latest(&self, book: Book, ledger: &mut Ledger) -> Result<(), Failure> {
        match book {
            Book::Real => {
                // Of a copy, what it is a copy of has been compared.
                let accept = self.global.accept_older_ledger || ledger.standing()?.is_some();
                Ok(ledger.expect_latest(&self.ledger_path(book), accept)?)
            }
            // It may have forgotten anything; a watch still has to see what others record.
            Book::Rehearsal => Ok(ledger.expect_latest(&self.ledger_path(book), true)?),
        }
    }

    /// Where a ledger was before, a missing one is lost, not new.
    pub(in crate::cli) fn refuse_lost_ledger(&self, book: Book) -> Result<(), Failure> {
        let path = self.ledger_path(book);
        if book == Book::Rehearsal || !Ledger::was_seen(&path) {
            return Ok(());
        }
        let message = format!(
            "there was a ledger at {}, and it is gone: publishing without it could publish everything again",
            path.display()
        );
        Err(Failure::new(Exit::Ledger, message)
            .hint("restore it")
            .hint("if nothing was ever published from here: `gitcast apply --new-ledger`"))
    }

    /// Where the key of a ledger's logins is.
    pub(in crate::cli) fn key_place(&self, book: Book) -> KeyPlace {
        match book {
            Book::Real => {
                KeyPlace { variable: variable(KEY_VARIABLE).map(Secret::new), file: self.state.join("key") }
            }
            Book::Rehearsal => KeyPlace { variable: None, file: self.state.join("rehearsal.key") },
        }
    }

    /// What opens the logins of a ledger that is open for writing; makes a key where there never was one.
    pub(in crate::cli) fn vault(&self, book: Book, ledger: &Ledger) -> Result<Vault, Failure> {
        let recipients = ledger.recipients()?;
        let key = self.key_place(book).load_or_create(recipients.as_ref());
        Ok(key.and_then(|key| Vault::of(key, ledger.lineage(), recipients))?)
    }

    /// As [`vault`](Self::vault), and writes nothing.
    pub(in crate::cli) fn existing_vault(&self, book: Book, ledger: &Ledger) -> Result<Vault, Failure> {
        let open = || -> Result<Result<Vault, VaultError>, Failure> {
            let recipients = ledger.recipients()?;
            let key = self.key_place(book).load(recipients.as_ref());
            Ok(key.and_then(|key| Vault::of(key, ledger.lineage(), recipients)))
        };
        Ok(match open()? {
            // Another process may have changed the key between our two looks.
            Err(VaultError::NotARecipient { .. }) => open()?,
            other => other,
        }?)
    }
}

/// The lineage of a project that is only now set up.
pub(in crate::cli) fn fresh_lineage() -> String {
    let mut bytes = [0; 16];
    // Without randomness the lineage would still be told apart by its ledger's path; it is no secret.
    let _ = getrandom::fill(&mut bytes);
    crate::domain::ids::hex(&bytes)
}

/// Refuses a ledger of another project.
pub(in crate::cli) fn check_lineage(
    ledger: &Ledger,
    book: Book,
    project: Option<&Project>,
) -> Result<(), Failure> {
    let pinned = project.and_then(|p| p.lineage.as_deref()).filter(|_| book == Book::Real);
    Ok(pinned.map_or(Ok(()), |lineage| ledger.expect_lineage(lineage))?)
}

/// Refuses a copy of a shared ledger as a ledger of its own: what others write would be missed.
fn check_store(ledger: &Ledger, place: Option<&Place>, project: Option<&Project>) -> Result<(), Failure> {
    let Some(standing) = ledger.standing()?.filter(|_| place.is_none()) else { return Ok(()) };
    let message = format!("the ledger here is a copy of the one in {}", standing.place);
    let failure = Failure::new(Exit::Ledger, message);
    Err(match project {
        None => failure.hint("mend content/gitcast.yaml, which says where the ledger is kept"),
        Some(_) => failure
            .hint("write `ledger:` into content/gitcast.yaml as it was")
            .hint("or, with it as it was, make this copy the ledger: `gitcast ledger migrate --to sqlite`"),
    })
}

fn no_ledger_needed(book: Book, project: Option<&Project>) -> Result<(), Failure> {
    match project.and_then(|p| p.lineage.as_deref()).filter(|_| book == Book::Real) {
        None => Ok(()),
        Some(lineage) => Err(Failure::new(
            Exit::Ledger,
            format!("gitcast.yaml names the lineage {lineage}, but there is no ledger: publishing without it could publish everything again"),
        )
        .hint("restore state/, or point --state at it")
        .hint("if nothing was ever published from here: `gitcast apply --new-ledger`")),
    }
}
