//! `gitcast adopt`: bind a manifest to a post that is live already, or write manifests for all that an account has.
//! Nothing is made or changed at the platform.

use clap::Args;

use super::error::Failure;
use super::exit::Exit;
use super::workspace::{Book, Workspace};
use super::{plan, resolve, text, ui};
use crate::domain::event::Event;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::publication::{Reason, Remote};
use crate::domain::resolution::{adoption, is_remote_id};

mod generate;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("live").required(true).multiple(true))]
pub(super) struct Arguments {
    /// The post's id
    #[arg(required_unless_present = "generate", requires = "account")]
    id: Option<PostId>,
    /// The account
    account: Option<AccountName>,
    /// The address of the live post
    #[arg(long, value_name = "URL", group = "live")]
    published: Option<String>,
    /// The platform's own id of the live post
    #[arg(long, value_name = "ID", group = "live")]
    remote_id: Option<String>,
    /// Write a manifest for each public post that this account has and the ledger does not know, and record it as live
    #[arg(long, value_name = "ACCOUNT", group = "live",
          conflicts_with_all = ["id", "published", "remote_id", "rehearse"])]
    generate: Option<AccountName>,
    /// With --generate, at most so many posts, the newest first; run again for more
    #[arg(long, value_name = "N", requires = "generate", conflicts_with = "id",
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// In the rehearsal's ledger
    #[arg(long)]
    rehearse: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    if let Some(account) = &arguments.generate {
        return generate::run(workspace, account, arguments.limit, &arguments.why);
    }
    let (Some(id), Some(account)) = (&arguments.id, &arguments.account) else {
        return Err(Failure::usage(
            "which post on which account is to be adopted: `gitcast adopt ID ACCOUNT`",
        ));
    };
    let url = arguments.published.as_deref().map(resolve::checked_url).transpose()?;
    if arguments.remote_id.as_deref().is_some_and(|id| !is_remote_id(id)) {
        return Err(Failure::usage("--remote-id wants the platform's own id of the post"));
    }
    let remote = Remote { id: arguments.remote_id.clone(), url };
    let stand_in = arguments.rehearse.then(|| workspace.planned_stand_in());
    let loaded = workspace.load(stand_in)?;
    let desired = loaded.desired.iter().find(|d| d.post == *id && d.account == *account);
    if desired.is_none() {
        plan::report_diagnostics(workspace, &loaded)?;
        let message =
            format!("{id} on {account} cannot be adopted: there is no valid manifest of it for this account");
        return Err(Failure::error(message));
    }
    let book = Book::of(arguments.rehearse);
    let mut ledger = workspace.write_ledger(book, loaded.project.as_ref(), "adopt", false)?;
    let actor = workspace.actor("adopt");
    let live = remote.url.clone().or_else(|| remote.id.clone()).unwrap_or_default();
    let why = resolve::because(&arguments.why);
    let reason = Reason::new("adopted-by-hand", format!("{actor}: it is the live post {live}{why}"));
    let change = adoption(desired, &remote, reason, &ledger.publications()?)
        .map_err(|why| Failure::error(format!("{id} on {account} cannot be adopted: {why}")))?;
    let event = Event::Publication { post: id.clone(), account: account.clone(), change };
    match ledger.append(workspace.clock.now(), &actor, &[event]) {
        Ok(_) => {
            let live = text::one_line(&live, 300);
            ui::tell(&format!("Recorded: {id} on {account} is the live post {live}."));
            resolve::print_publication(workspace, &ledger, id, account)?;
        }
        Err(crate::ledger::Error::Illegal(illegal)) => {
            return Err(Failure::error("it cannot be adopted now").cause(&illegal).hint(
                "it is under way, and may bring another post: run `gitcast apply` to find out what becomes of it",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Converged)
}
