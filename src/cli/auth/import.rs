//! `gitcast auth import`: a login from the platform's own token reply.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::status::{describe, document};
use super::{account, store};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::{FORMAT_VERSION, zone};
use crate::cli::ui;
use crate::cli::workspace::Workspace;
use crate::domain::ids::AccountName;
use crate::secret::{Secret, wipe};

/// A token reply is not larger than this.
const REPLY_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The account, as gitcast.yaml names it
    account: AccountName,
    /// The file with the reply; - for standard input
    file: PathBuf,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let name = &arguments.account;
    let platform = account(workspace, &loaded, name)?;
    let reply = read_reply(&workspace.root, &arguments.file)?;
    let now = workspace.clock.now();
    // serde_json's message tells line and column, not the text.
    let mut reply: serde_json::Value = serde_json::from_str(reply.expose())
        .map_err(|error| Failure::error("the token reply is no JSON").cause(&error))?;
    let grant = platform.read_grant(&reply, now);
    wipe(&mut reply);
    let grant = grant.map_err(|error| Failure::error("the token reply cannot be used").cause(&error))?;
    let record = store(workspace, &loaded, name, &grant, "import")?;
    ui::tell(&format!("Stored the login of {name}."));
    if let Some(record) = &record {
        ui::tell(&format!("  {}", describe(record, now, &zone(&loaded))));
    }
    if workspace.global.json {
        let account = document(name, &platform.origin(), record.as_ref(), now, true);
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "accounts": [account] }));
    }
    Ok(Exit::Converged)
}

fn read_reply(root: &Path, file: &Path) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(REPLY_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(root.join(file))
            .and_then(|file| file.take(REPLY_BYTES_MAX).read_to_string(&mut text))
    };
    let secret = Secret::new(text);
    read.map_err(|error| Failure::error("the token reply cannot be read").cause(&error))?;
    Ok(secret)
}
