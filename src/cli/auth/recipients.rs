//! `gitcast auth recipients`: whose keys open the stored logins.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::FORMAT_VERSION;
use crate::cli::ui;
use crate::cli::workspace::{Book, Workspace};
use crate::domain::event::Event;
use crate::domain::ids::{RecipientName, unhex};
use crate::domain::recipient::{self, Member, PublicKey};
use crate::ledger::Ledger;
use crate::ledger::vault::Vault;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Let another key open the logins
    Add {
        /// Whose key it is, in your own words: ci, ann
        name: RecipientName,
        /// What `gitcast auth key` prints there
        #[arg(value_name = "PUBLIC-KEY")]
        public_key: String,
    },
    /// Seal the logins anew so that this key opens them no more
    Remove {
        /// As the list names it
        name: RecipientName,
    },
}

/// What an old key opens for good, told wherever a key is taken away.
pub(super) const HISTORY: &str = "\
The old key still opens what the ledger held until now, in its history and in copies of it. If that key leaked, renew the \
tokens too: `gitcast auth refresh --force`.";

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.change {
        None => list(workspace),
        Some(Change::Add { name, public_key }) => add(workspace, name, read_public_key(public_key)?),
        Some(Change::Remove { name }) => remove(workspace, name),
    }
}

fn list(workspace: &Workspace) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let ledger = workspace.read_ledger(Book::Real, loaded.project.as_ref())?;
    let recipients = ledger.map(|ledger| ledger.recipients()).transpose()?.flatten();
    // Whoever has no key may look at the list all the same.
    let own = workspace.key_place(Book::Real).load(recipients.as_ref()).ok().map(|key| key.public());
    show(workspace, &recipients.map(|list| list.members()).unwrap_or_default(), own);
    Ok(Exit::Converged)
}

/// Not by clap, which repeats what it cannot read: it may be a secret key.
fn read_public_key(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error| {
        let failure = Failure::usage("that is no public key").cause(&error);
        match unhex(text.trim()) {
            Some(_) => failure
                .hint("if it is a secret key, it has been seen now: replace it by `gitcast auth rekey`"),
            None => failure,
        }
    })
}

fn add(workspace: &Workspace, name: &RecipientName, key: PublicKey) -> Result<Exit, Failure> {
    let command = "auth recipients add";
    let (mut ledger, vault) = open(workspace, command)?;
    let members = recipient::with(&vault.members(), Member { name: name.clone(), key })?;
    let events = vault.opened_to(&members, &ledger.grants()?)?;
    record(workspace, &mut ledger, command, &events)?;
    ui::tell(&format!("The key of {name} opens the stored logins now."));
    show(workspace, &members, Some(vault.public()));
    Ok(Exit::Converged)
}

fn remove(workspace: &Workspace, name: &RecipientName) -> Result<Exit, Failure> {
    let command = "auth recipients remove";
    let (mut ledger, vault) = open(workspace, command)?;
    let members = recipient::without(&vault.members(), name)?;
    if members.iter().all(|member| member.key != vault.public()) {
        return Err(Failure::error(format!("{name} is the key in use ({})", vault.source()))
            .hint("to replace it: `gitcast auth rekey`")
            .hint("to remove it: let the holder of another key do so, who can open what it seals"));
    }
    let events = vault.sealed_anew(None, &members, &ledger.grants()?)?;
    record(workspace, &mut ledger, command, &events)?;
    ui::tell(&format!("The key of {name} opens no login that is stored from now on. {HISTORY}"));
    show(workspace, &members, Some(vault.public()));
    Ok(Exit::Converged)
}

/// The ledger, locked, and what opens its logins.
pub(super) fn open(workspace: &Workspace, command: &str) -> Result<(Ledger, Vault), Failure> {
    let loaded = workspace.project();
    let ledger = workspace.existing_ledger(Book::Real, loaded.project.as_ref(), command)?;
    let vault = workspace.vault(Book::Real, &ledger)?;
    Ok((ledger, vault))
}

pub(super) fn record(
    workspace: &Workspace,
    ledger: &mut Ledger,
    command: &str,
    events: &[Event],
) -> Result<(), Failure> {
    ledger.append(workspace.clock.now(), &workspace.actor(command), events)?;
    Ok(())
}

/// The list on stdout, with a mark at the key in use.
pub(super) fn show(workspace: &Workspace, members: &[Member], own: Option<PublicKey>) {
    if workspace.global.json {
        let recipients: Vec<_> = members
            .iter()
            .map(|m| json!({ "name": m.name, "public_key": m.key, "in_use": own == Some(m.key) }))
            .collect();
        ui::print_json(
            &json!({ "format_version": FORMAT_VERSION, "public_key": own, "recipients": recipients }),
        );
        return;
    }
    for Member { name, key } in members {
        let mark = if own == Some(*key) { "  (in use here)" } else { "" };
        ui::print(&format!("{name}  {key}{mark}\n"));
    }
    if members.is_empty() {
        ui::tell("There are no recipients: one key opens the logins, wherever it is used.");
    }
}
