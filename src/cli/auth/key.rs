//! `gitcast auth key`: the half of a key that may be shown.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::FORMAT_VERSION;
use crate::cli::ui;
use crate::cli::workspace::{Book, Workspace};
use crate::ledger::vault::{KEY_VARIABLE, Key, KeySource, VaultError};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Make a key in this file instead, which must not be there yet
    #[arg(long, value_name = "FILE")]
    new: Option<PathBuf>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let key = match &arguments.new {
        Some(file) => Key::create(&workspace.root.join(file))?,
        None => in_use(workspace)?,
    };
    if workspace.global.json {
        let source = match key.source() {
            KeySource::Variable => KEY_VARIABLE.to_owned(),
            KeySource::File(path) => path.display().to_string(),
        };
        ui::print_json(
            &json!({ "format_version": FORMAT_VERSION, "public_key": key.public(), "source": source }),
        );
    } else {
        ui::print(&format!("{}\n", key.public()));
    }
    if arguments.new.is_some() {
        ui::tell(&format!(
            "Made a key in {}. Whoever has that file opens what is sealed for it.",
            key.source()
        ));
    }
    Ok(Exit::Converged)
}

/// The key may be one that opens nothing yet: its holder prints it to be added.
fn in_use(workspace: &Workspace) -> Result<Key, Failure> {
    let recipients = match workspace.read_ledger(Book::Real, None) {
        Ok(ledger) => ledger.map(|ledger| ledger.recipients()).transpose()?.flatten(),
        // The key is no worse for a ledger that cannot be read.
        Err(_) => None,
    };
    let place = workspace.key_place(Book::Real);
    place.load(recipients.as_ref()).map_err(|error| match error {
        VaultError::NoKey { .. } => Failure::from(error)
            .hint(format!("to make one: `gitcast auth key --new {}`", place.file.display())),
        _ => error.into(),
    })
}
