//! `gitcast auth`: accounts and their logins.

use std::sync::Arc;

use clap::Subcommand;

use super::error::Failure;
use super::exit::Exit;
use super::workspace::{Book, Workspace};
use crate::domain::event::Event;
use crate::domain::grant::{Grant, GrantRecord};
use crate::domain::ids::AccountName;
use crate::platform::Platform;
use crate::reconcile::desired::Loaded;

mod audit;
mod facts;
mod import;
mod key;
mod login;
mod logout;
mod loopback;
mod recipients;
mod refresh;
mod rekey;
mod status;

pub(super) use status::no_login;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask an account's owner for a login: in a browser, by a pasted address, or by a code for a phone
    Login(login::Arguments),
    /// Store the platform's own token reply, a JSON document, as an account's login
    Import(import::Arguments),
    /// Show what is stored for each account, and until when
    Status(status::Arguments),
    /// Refresh the logins that are due, as each run does
    Refresh(refresh::Arguments),
    /// End an account's login, at the platform too
    Logout(logout::Arguments),
    /// Print the public half of the key in use, or make a key file
    Key(key::Arguments),
    /// Show, add and remove the keys that open the stored logins
    Recipients(recipients::Arguments),
    /// Replace the key in use and seal all logins anew
    Rekey(rekey::Arguments),
    /// Note whether the platform has audited the app, and tell what that means
    Audit(audit::Arguments),
}

pub(super) fn run(workspace: &Workspace, command: &Command) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    match command {
        Command::Login(arguments) => login::run(workspace, arguments),
        Command::Import(arguments) => import::run(workspace, arguments),
        Command::Status(arguments) => status::run(workspace, arguments),
        Command::Refresh(arguments) => refresh::run(workspace, arguments),
        Command::Logout(arguments) => logout::run(workspace, arguments),
        Command::Key(arguments) => key::run(workspace, arguments),
        Command::Recipients(arguments) => recipients::run(workspace, arguments),
        Command::Rekey(arguments) => rekey::run(workspace, arguments),
        Command::Audit(arguments) => audit::run(workspace, arguments),
    }
}

/// The adapter of a declared account, if its tokens may go where it points.
pub(super) fn account<'a>(
    workspace: &Workspace,
    loaded: &'a Loaded,
    name: &AccountName,
) -> Result<&'a Arc<dyn Platform>, Failure> {
    let platform = declared(loaded, name)?;
    if !workspace.may_send(loaded, name) {
        return Err(workspace.endpoint_refused(name, loaded));
    }
    Ok(platform)
}

fn declared<'a>(loaded: &'a Loaded, name: &AccountName) -> Result<&'a Arc<dyn Platform>, Failure> {
    loaded.platforms.get(name).ok_or_else(|| {
        let known: Vec<_> = loaded.platforms.keys().map(ToString::to_string).collect();
        Failure::error(format!("gitcast.yaml has no account {name}")).hint(format!(
            "it has these: {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })
}

/// Records a new login, in place of any before it.
fn store(
    workspace: &Workspace,
    loaded: &Loaded,
    name: &AccountName,
    grant: &Grant,
    how: &str,
) -> Result<Option<GrantRecord>, Failure> {
    let command = format!("auth {how}");
    let platform = account(workspace, loaded, name)?;
    let mut ledger = workspace.write_ledger(Book::Real, loaded.project.as_ref(), &command, false)?;
    let vault = workspace.vault(Book::Real, &ledger)?;
    let generation = ledger.grant(name)?.map_or(0, |grant| grant.generation) + 1;
    let change = vault.stored(name, generation, grant, platform.origin(), how)?;
    let (now, actor) = (workspace.clock.now(), workspace.actor(&command));
    ledger.append(now, &actor, &[Event::Grant { account: name.clone(), change }])?;
    Ok(ledger.grant(name)?)
}
