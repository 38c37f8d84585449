//! `gitcast forget`: what is recorded of a publication does not count any more. Its history stays.

use clap::Args;

use super::error::Failure;
use super::exit::Exit;
use super::workspace::{Book, Workspace};
use super::{resolve, ui};
use crate::domain::event::Event;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::publication::{Change, Reason};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The post's id
    id: PostId,
    /// The account
    account: AccountName,
    /// Although it is under way, or nobody knows whether it is public
    #[arg(long)]
    force: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// In the rehearsal's ledger
    #[arg(long)]
    rehearse: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    let (id, account) = (&arguments.id, &arguments.account);
    let loaded = workspace.project();
    let book = Book::of(arguments.rehearse);
    let mut ledger = workspace.existing_ledger(book, loaded.project.as_ref(), "forget")?;
    let publication = ledger
        .publication(id, account)?
        .ok_or_else(|| Failure::error(format!("nothing is recorded of {id} on {account}")))?;
    let actor = workspace.actor("forget");
    let was =
        publication.remote.url.or(publication.remote.id).map_or(String::new(), |live| format!(", {live}"));
    let why = resolve::because(&arguments.why);
    let message = format!("{actor}: that it was {}{was} does not count any more{why}", publication.state);
    let reason = Reason::new("forgotten-by-hand", message);
    let change = Change::Forgotten { forced: arguments.force, reason, again: false };
    let event = Event::Publication { post: id.clone(), account: account.clone(), change };
    match ledger.append(workspace.clock.now(), &actor, &[event]) {
        Ok(_) => {
            ui::tell(&format!(
                "Forgotten: {id} on {account} was {}. The next apply publishes it again if its manifest still wants it, and nothing at the platform is deleted.",
                publication.state
            ));
            resolve::print_publication(workspace, &ledger, id, account)?;
        }
        Err(crate::ledger::Error::Illegal(_)) => {
            let refused = format!("{id} on {account} is {}", publication.state);
            return Err(match publication.state.is_in_flight() || publication.state.is_beyond_recall() {
                true => Failure::error(format!("{refused}: forgetting it could publish it twice"))
                    .hint("find out first: `gitcast apply`, or `gitcast resolve` when it is held")
                    .hint("--force forgets it all the same"),
                false => Failure::error(format!("{refused}: there is nothing to forget")),
            });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Converged)
}
