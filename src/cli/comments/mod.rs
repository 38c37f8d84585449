//! `gitcast comments`: what people say below a live post, and answers to it.

use std::sync::Arc;

use clap::Subcommand;

use super::auth;
use super::error::Failure;
use super::exit::Exit;
use super::plan;
use super::workspace::{Book, Workspace};
use crate::domain::ids::{AccountName, PostId};
use crate::domain::publication::Publication;
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::reconcile::desired::Loaded;

mod list;
mod reply;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the comments below a live post
    List(list::Arguments),
    /// Write a manifest that answers a comment; `apply` sends it
    Reply(reply::Arguments),
}

pub(super) fn run(workspace: &Workspace, command: &Command) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    match command {
        Command::List(arguments) => list::run(workspace, arguments),
        Command::Reply(arguments) => reply::run(workspace, arguments),
    }
}

/// A live post, and where it is.
struct Live {
    account: AccountName,
    platform: Arc<dyn Platform>,
    remote_id: String,
}

/// The post on the account, or on the only one that comments are read of.
fn live(
    workspace: &Workspace,
    loaded: &Loaded,
    id: &PostId,
    account: Option<&AccountName>,
) -> Result<Live, Failure> {
    if loaded.project.is_none() {
        plan::report_diagnostics(workspace, loaded)?;
        return Err(Failure::error("without a valid gitcast.yaml there are no accounts"));
    }
    let ledger = workspace.read_ledger(Book::Real, loaded.project.as_ref())?;
    let mut publications = ledger.as_ref().map(Ledger::publications).transpose()?.unwrap_or_default();
    publications.retain(|p| p.post == *id && account.is_none_or(|account| *account == p.account));
    if publications.is_empty() {
        return Err(
            Failure::error(format!("nothing is recorded of {id}")).hint("`gitcast status` lists what is")
        );
    }
    let has_comments = |p: &Publication| {
        loaded.platforms.get(&p.account).is_some_and(|platform| platform.comments().is_some())
    };
    publications.retain(has_comments);
    let publication = match &publications[..] {
        [one] => one,
        [] => {
            return Err(Failure::error(
                "gitcast reads comments on TikTok only, and the post is on no account there",
            ));
        }
        several => {
            let names: Vec<_> = several.iter().map(|p| p.account.as_str()).collect();
            let message = format!("{id} is on several accounts: {}", names.join(", "));
            return Err(Failure::usage(message).hint("say which: --account NAME"));
        }
    };
    let Some(remote_id) = publication.remote.id.clone() else {
        let message = format!(
            "{id} on {} is {}, and its public id is not known",
            publication.account, publication.state
        );
        return Err(Failure::error(message).hint("`gitcast status --refresh` asks for it"));
    };
    let platform = Arc::clone(auth::account(workspace, loaded, &publication.account)?);
    Ok(Live { account: publication.account.clone(), platform, remote_id })
}
