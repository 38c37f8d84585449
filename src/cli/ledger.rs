//! `gitcast ledger`: where the ledger is kept, and how its copies stand.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::workspace::{Book, Workspace, check_lineage};
use super::{text, ui};
use crate::domain::project::Project;
use crate::ledger::{Holder, Lease, Ledger, Place};

/// How much of the name of a commit is told.
const COMMIT_CHARS: usize = 12;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show where the ledger is kept, and how the copy here stands
    Status(Status),
    /// Take over what others have written to the shared ledger
    Pull,
    /// Send what is recorded here and not yet in the shared ledger
    Push,
    /// Show who works with the ledger
    Lock(Lock),
    /// End the lease of a run that is gone
    Unlock(Unlock),
    /// Check every entry, here and where it is shared
    Verify,
    /// Share the ledger of this machine, or make its copy the ledger again
    Migrate(Migrate),
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Do not ask the remote
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    /// List leases
    #[arg(long, required = true)]
    list: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unlock {
    /// The lease, as `gitcast ledger lock --list` shows it
    id: String,
}

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Where to
    #[arg(long)]
    to: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Git,
    Sqlite,
}

pub(super) fn run(workspace: &Workspace, command: &Command) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    let project = workspace.project().project;
    let desk = Desk { workspace, project: project.as_ref() };
    match command {
        Command::Status(arguments) => desk.status(arguments),
        Command::Pull => desk.pull(),
        Command::Push => desk.push(),
        Command::Lock(_) => desk.leases(),
        Command::Unlock(arguments) => desk.unlock(&arguments.id),
        Command::Verify => desk.verify(),
        Command::Migrate(Migrate { to: Target::Git }) => desk.share(),
        Command::Migrate(Migrate { to: Target::Sqlite }) => desk.unshare(),
    }
}

struct Desk<'a> {
    workspace: &'a Workspace,
    project: Option<&'a Project>,
}

impl Desk<'_> {
    fn status(&self, arguments: &Status) -> Result<Exit, Failure> {
        let place = self.workspace.shared_place(Book::Real, self.project);
        let path = self.workspace.ledger_path(Book::Real);
        let ledger = match Ledger::open_read(&path) {
            Ok(ledger) => Some(ledger),
            Err(crate::ledger::Error::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let head = ledger.as_ref().map(Ledger::head).transpose()?;
        let standing = ledger.as_ref().map(Ledger::standing).transpose()?.flatten();
        let asked = place.as_ref().filter(|_| !arguments.offline);
        let look = asked.map(Place::look).transpose()?;
        if self.workspace.global.json {
            ui::print_json(&json!({
                "format_version": super::plan::FORMAT_VERSION,
                "store": if place.is_some() { "git" } else { "sqlite" },
                "path": path,
                "lineage": ledger.as_ref().map(Ledger::lineage),
                "entries": head.map(|head| head.seq),
                "place": place.as_ref().map(Place::name),
                "shared": standing.as_ref().map(|standing| standing.shared),
                "remote": look.as_ref().map(|look| look.as_ref().map(|look| json!({
                    "commit": look.commit,
                    "entries": look.entries,
                    "lease": look.lease,
                }))),
            }));
            return Ok(Exit::Converged);
        }
        let mut lines = vec![match (&ledger, head) {
            (Some(ledger), Some(head)) => {
                format!("{}: {} entries of the lineage {}", path.display(), head.seq, ledger.lineage())
            }
            _ => format!("{}: nothing yet", path.display()),
        }];
        match (&place, &standing) {
            (None, None) => lines.push("kept on this machine alone".to_owned()),
            (None, Some(standing)) => {
                lines.push(format!("a copy of {}, which gitcast.yaml does not name", standing.place))
            }
            (Some(place), Some(standing)) => lines.push(match standing.recorded - standing.shared {
                0 => format!("a copy of {}; all of it is shared", place.name()),
                waiting => format!("a copy of {}; {waiting} entries are not shared yet", place.name()),
            }),
            (Some(place), None) => lines.push(format!("shared as {}; there is no copy here", place.name())),
        }
        match &look {
            None => {}
            Some(None) => lines.push("the remote holds no ledger".to_owned()),
            Some(Some(look)) => {
                let commit = &look.commit[..COMMIT_CHARS.min(look.commit.len())];
                lines.push(format!("the remote holds {} entries, at {commit}", look.entries));
                lines.extend(look.lease.as_ref().map(|lease| self.lease(lease)));
            }
        }
        self.tell(&lines);
        Ok(Exit::Converged)
    }

    fn pull(&self) -> Result<Exit, Failure> {
        let (_, ledger) = self.copy("ledger pull")?;
        let head = ledger.head()?;
        check_lineage(&ledger, Book::Real, self.project)?;
        self.tell(&[format!("{} entries", head.seq)]);
        Ok(Exit::Converged)
    }

    fn push(&self) -> Result<Exit, Failure> {
        let place = self.place()?;
        let (path, timeout, holder) = self.access("ledger push");
        let mut ledger = Ledger::open_shared(&path, &place, timeout, &holder)?;
        check_lineage(&ledger, Book::Real, self.project)?;
        let before = ledger.standing()?.map_or(0, |standing| standing.recorded - standing.shared);
        ledger.leave()?;
        self.tell(&[match before {
            0 => "everything was there already".to_owned(),
            entries => format!("sent {entries} entries"),
        }]);
        Ok(Exit::Converged)
    }

    fn leases(&self) -> Result<Exit, Failure> {
        let place = self.place()?;
        let look = place.look()?;
        let lease = look.as_ref().and_then(|look| look.lease.as_ref());
        if self.workspace.global.json {
            ui::print_json(&json!({
                "format_version": super::plan::FORMAT_VERSION,
                "leases": lease.into_iter().collect::<Vec<_>>(),
            }));
        } else {
            self.tell(&[lease.map_or("nobody works with it".to_owned(), |lease| self.lease(lease))]);
        }
        Ok(Exit::Converged)
    }

    fn unlock(&self, id: &str) -> Result<Exit, Failure> {
        let (place, mut ledger) = self.copy("ledger unlock")?;
        if ledger.lease().is_none_or(|lease| lease.id != id) {
            let message = format!("{} has no lease {}", place.name(), text::one_line(id, 80));
            return Err(Failure::error(message).hint("`gitcast ledger lock --list` shows the lease there is"));
        }
        ledger.unlock()?;
        if ledger.lease().is_some_and(|lease| lease.id == id) {
            let message = format!("the lease {id} was renewed just now: its run is alive");
            return Err(Failure::new(Exit::Locked, message).hint("wait until it has finished, or stop it"));
        }
        self.tell(&["unlocked: a run that is alive all the same is refused when it records next".to_owned()]);
        Ok(Exit::Converged)
    }

    fn verify(&self) -> Result<Exit, Failure> {
        let path = self.workspace.ledger_path(Book::Real);
        let ledger = Ledger::open_read(&path)?;
        let problems = ledger.verify()?;
        let mut lines = vec![format!("{}: {} entries", path.display(), ledger.head()?.seq)];
        lines.extend(problems.iter().map(ToString::to_string));
        if let Some(place) = self.workspace.shared_place(Book::Real, self.project) {
            let shared = ledger.standing()?.map_or(0, |standing| standing.shared);
            let head = place.verify()?;
            lines.push(match head {
                Some(head) => format!("{}: {} entries, the copy knows {shared}", place.name(), head.seq),
                None => format!("{}: no ledger", place.name()),
            });
        }
        self.tell(&lines);
        Ok(if problems.is_empty() { Exit::Converged } else { Exit::Ledger })
    }

    fn share(&self) -> Result<Exit, Failure> {
        let place = self.place()?;
        let (path, timeout, holder) = self.access("ledger migrate");
        let now = self.workspace.clock.now();
        let mut ledger = Ledger::migrate(&path, &place, now, (timeout, &holder))?;
        ledger.leave()?;
        self.tell(&[format!("{} holds {} entries", place.name(), ledger.head()?.seq)]);
        Ok(Exit::Converged)
    }

    fn unshare(&self) -> Result<Exit, Failure> {
        let place = self.place()?;
        let (path, timeout, holder) = self.access("ledger migrate");
        let mut ledger = Ledger::open_shared(&path, &place, timeout, &holder)?;
        ledger.unshare()?;
        self.tell(&[
            format!("{} is no more; the ledger is {}", place.name(), path.display()),
            "write `ledger: sqlite` into content/gitcast.yaml, and publish from this machine alone"
                .to_owned(),
        ]);
        Ok(Exit::Converged)
    }

    fn access(&self, command: &str) -> (PathBuf, Duration, Holder) {
        let timeout = self.workspace.global.lock_timeout;
        (self.workspace.ledger_path(Book::Real), timeout, self.workspace.holder(command))
    }

    /// The copy, up to date.
    fn copy(&self, command: &str) -> Result<(Place, Ledger), Failure> {
        let place = self.place()?;
        let (path, timeout, holder) = self.access(command);
        let ledger = Ledger::pull(&path, &place, timeout, &holder)?;
        Ok((place, ledger))
    }

    fn place(&self) -> Result<Place, Failure> {
        let place = self.workspace.shared_place(Book::Real, self.project);
        place.ok_or_else(|| match self.project {
            Some(_) => Failure::usage("the ledger is kept on this machine alone")
                .hint("`ledger: git` in content/gitcast.yaml shares it by way of the repository"),
            None => {
                Failure::error("content/gitcast.yaml cannot be read, and it says where the ledger is kept")
                    .hint("`gitcast validate` shows what is wrong with it")
            }
        })
    }

    fn lease(&self, lease: &Lease) -> String {
        format!("lease {} of {} until {:.0}", lease.id, lease.holder, lease.until)
    }

    fn tell(&self, lines: &[String]) {
        for line in lines {
            ui::print(&format!("{}\n", text::one_line(line, 400)));
        }
    }
}
