//! `gitcast schema`: JSON Schema, so that editors complete and check.

use clap::{Args, ValueEnum};

use super::error::Failure;
use super::exit::Exit;
use super::ui;
use super::workspace::Workspace;
use crate::{domain, platform};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Of which file: manifest, project (gitcast.yaml), resolutions, accounts (accounts.lock.yaml); or of what `plan --json` prints: plan
    #[arg(value_name = "FILE", default_value = "manifest", hide_possible_values = true)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    Manifest,
    Project,
    Resolutions,
    Accounts,
    Plan,
}

pub(super) fn run(_workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let schema = match arguments.of {
        Of::Manifest => domain::schema::manifest(platform::option_schemas()),
        Of::Project => domain::schema::project(),
        Of::Resolutions => domain::schema::resolutions(),
        Of::Accounts => domain::schema::accounts(),
        Of::Plan => domain::schema::plan(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(std::io::Error::other)?;
    ui::print(&(text + "\n"));
    Ok(Exit::Converged)
}
