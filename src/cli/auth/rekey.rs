//! `gitcast auth rekey`: another key in place of the one in use.
//!
//! # Flow
//!
//! The new key is on the disk before the ledger names it, and moved to its place after that. So whenever the process
//! dies, the key that the ledger names is there: in its place, or beside it as `key.next`.

use std::path::PathBuf;

use clap::Args;

use super::recipients::{HISTORY, open, record, show};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::ui;
use crate::cli::workspace::{Book, Workspace};
use crate::domain::recipient;
use crate::ledger::vault::{KEY_VARIABLE, Key, KeyPlace};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Where to write the new key, which must not be there yet: needed when the key comes from GITCAST_KEY
    #[arg(long, value_name = "FILE")]
    write_key: Option<PathBuf>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let command = "auth rekey";
    let place = workspace.key_place(Book::Real);
    check(&place, arguments)?;
    let (mut ledger, vault) = open(workspace, command)?;
    let grants = ledger.grants()?;
    // Before there is a new key that would lie about in vain.
    grants.iter().try_for_each(|grant| vault.open(grant).map(drop))?;
    let new = match &arguments.write_key {
        Some(file) => Key::create(&workspace.root.join(file))?,
        None => place.prepare_next(&vault.members())?,
    };
    let members = recipient::with_key_changed(&vault.members(), &vault.public(), new.public());
    let events = vault.sealed_anew(Some(&new), &members, &grants)?;
    record(workspace, &mut ledger, command, &events)?;
    let new = place.settled(new)?;
    ui::tell(&format!(
        "The key in {} is in force now; {} login(s) are sealed anew. {HISTORY}",
        new.source(),
        grants.len()
    ));
    if place.variable.is_some() {
        ui::tell(&format!(
            "Put its content into {KEY_VARIABLE}, wherever that is set, and delete the file: the old key opens nothing more."
        ));
    }
    show(workspace, &members, Some(new.public()));
    Ok(Exit::Converged)
}

/// A key from the environment cannot be replaced from in here, only written for whoever sets it.
fn check(place: &KeyPlace, arguments: &Arguments) -> Result<(), Failure> {
    match (&place.variable, &arguments.write_key) {
        (Some(_), None) => Err(Failure::usage(format!("the key comes from {KEY_VARIABLE}"))
            .hint("say where the new one goes: --write-key FILE; then put its content into the variable")),
        (None, Some(_)) => Err(Failure::usage(format!(
            "--write-key is for a key from {KEY_VARIABLE}; this one is in {}",
            place.file.display()
        ))),
        _ => Ok(()),
    }
}
