//! `gitcast auth logout`: ends an account's login at the platform, and forgets its tokens here.

use clap::Args;
use serde_json::json;

use super::account;
use super::status::document;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::FORMAT_VERSION;
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{runtime, ui};
use crate::domain::event::{Event, GrantChange};
use crate::domain::grant::GrantRecord;
use crate::domain::ids::AccountName;
use crate::domain::retry::ErrorKind;
use crate::ledger::vault::Vault;
use crate::platform::{Error, Platform, RequestLog};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The account, as gitcast.yaml names it
    account: AccountName,
    /// Forget the login here without a word to the platform, where it stays good until it expires
    #[arg(long)]
    local: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let name = &arguments.account;
    let platform = account(workspace, &loaded, name)?;
    let mut ledger = workspace.existing_ledger(Book::Real, loaded.project.as_ref(), "auth logout")?;
    let record = match ledger.grant(name)? {
        Some(record) if !record.is_logged_out() => record,
        _ => {
            ui::tell(&format!("{name} is not logged in."));
            return Ok(Exit::Converged);
        }
    };
    let mut events = Vec::new();
    if !arguments.local {
        let log = RequestLog::default();
        let revoked = revoke(&**platform, &workspace.existing_vault(Book::Real, &ledger)?, &record, &log);
        let request = |request| Event::Request { account: name.clone(), post: None, request };
        events.extend(log.take().into_iter().map(request));
        if let Err(failure) = revoked? {
            ledger.append(workspace.clock.now(), &workspace.actor("auth logout"), &events)?;
            return Err(failure);
        }
    }
    let change = GrantChange::LoggedOut { generation: record.generation, at_platform: !arguments.local };
    events.push(Event::Grant { account: name.clone(), change });
    ledger.append(workspace.clock.now(), &workspace.actor("auth logout"), &events)?;
    ui::tell(&format!("Logged {name} out."));
    if workspace.global.json {
        let (record, now) = (ledger.grant(name)?, workspace.clock.now());
        let account = document(name, &platform.origin(), record.as_ref(), now, true);
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "accounts": [account] }));
    }
    Ok(Exit::Converged)
}

/// Ends the login at the platform. A login that the platform does not know any more is ended as well.
fn revoke(
    platform: &dyn Platform,
    vault: &Vault,
    record: &GrantRecord,
    log: &RequestLog,
) -> Result<Result<(), Failure>, Failure> {
    if record.origin != platform.origin() {
        let message =
            format!("the login was granted for {}, where the account does not point any more", record.origin);
        return Err(Failure::error(message).hint("`--local` forgets it here"));
    }
    let grant = vault.open(record).map_err(|error| Failure::from(error).hint("`--local` forgets it here"))?;
    let revoked = runtime::start()?.block_on(platform.login().revoke(&grant, log));
    Ok(match revoked {
        Err(error) if error.kind != ErrorKind::Auth => Err(not_revoked(&error)),
        _ => Ok(()),
    })
}

fn not_revoked(error: &Error) -> Failure {
    let exit = match error.kind {
        ErrorKind::Transient | ErrorKind::Ambiguous | ErrorKind::RateLimited => Exit::Temporary,
        _ => Exit::Error,
    };
    Failure::new(exit, "the platform did not end the login; it stays as it is")
        .cause(error)
        .hint("run again, or end it in the platform's app and use `--local`")
}
