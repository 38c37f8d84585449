//! `gitcast auth status`: what is stored for each account, and until when.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::facts;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::{self, FORMAT_VERSION, zone};
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{text, ui};
use crate::domain::grant::GrantRecord;
use crate::domain::ids::AccountName;
use crate::ledger::Ledger;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Ask the platforms what each account may do, and write it to content/accounts.lock.yaml
    #[arg(long)]
    write: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let renewed = if arguments.write { facts::renew(workspace)? } else { facts::Renewed::default() };
    let loaded = workspace.project();
    if loaded.project.is_none() {
        plan::report_diagnostics(workspace, &loaded)?;
        return Err(Failure::error("without a valid gitcast.yaml there are no accounts"));
    }
    let ledger = workspace.read_ledger(Book::Real, loaded.project.as_ref())?;
    // Without a key, none of the logins opens.
    let vault = ledger.as_ref().and_then(|ledger| workspace.existing_vault(Book::Real, ledger).ok());
    let now = workspace.clock.now();
    let mut accounts = Vec::new();
    for (name, platform) in &loaded.platforms {
        let record = ledger.as_ref().map(|ledger: &Ledger| ledger.grant(name)).transpose()?.flatten();
        let opens = match &record {
            Some(record) if record.has_tokens() => {
                vault.as_ref().is_some_and(|vault| vault.open(record).is_ok())
            }
            _ => true,
        };
        accounts.push((name, platform.origin(), record, opens));
    }
    if workspace.global.json {
        let accounts: Vec<_> = accounts
            .iter()
            .map(|(name, origin, record, opens)| {
                facts::add(document(name, origin, record.as_ref(), now, *opens), &loaded, name, &renewed)
            })
            .collect();
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "accounts": accounts }));
    } else {
        for (name, origin, record, opens) in &accounts {
            let line = match record {
                Some(_) if !opens => {
                    "its login cannot be opened with this key; restore state/key or GITCAST_KEY, or log in again".to_owned()
                }
                Some(record) if record.origin != *origin => {
                    format!("granted for {}, but the account points at {origin}: log in again", record.origin)
                }
                Some(record) => describe(record, now, &zone(&loaded)),
                None => no_login(name),
            };
            ui::print(&format!("{name}: {}\n", text::one_line(&line, 400)));
            let barred = renewed.barred.get(*name).map(|why| format!("cannot post at present: {why}"));
            for line in barred.into_iter().chain(facts::describe(&loaded, name, record.as_ref())) {
                ui::print(&format!("  {}\n", text::one_line(&line, 400)));
            }
        }
    }
    let verdict = |(_, origin, record, opens): &(_, String, Option<GrantRecord>, bool)| match record {
        Some(_) if !opens => Exit::Ledger,
        Some(record) if record.origin == *origin && record.needs_login(now).is_none() => Exit::Converged,
        Some(_) | None => Exit::LoginNeeded,
    };
    Ok(Exit::of(accounts.iter().map(verdict).chain(renewed.exits)))
}

pub(in crate::cli) fn no_login(name: &AccountName) -> String {
    format!("no login; run `gitcast auth login {name}`")
}

pub(super) fn document(
    name: &AccountName,
    origin: &str,
    record: Option<&GrantRecord>,
    now: Timestamp,
    opens: bool,
) -> serde_json::Value {
    let state = match record {
        None => "missing",
        Some(record) if record.is_logged_out() => "logged-out",
        Some(_) if !opens => "sealed",
        Some(record) if record.origin != origin => "other-origin",
        Some(record) if record.needs_login(now).is_some() => "needs-login",
        Some(_) => "ready",
    };
    json!({
        "account": name,
        "state": state,
        "origin": origin,
        "generation": record.map(|r| r.generation),
        "scopes": record.map(|r| &r.scopes),
        "subject": record.map(|r| &r.subject),
        "stored_at": record.map(|r| r.stored_at),
        "expires_at": record.map(|r| r.expires_at),
        "refresh_expires_at": record.and_then(|r| r.refresh_expires_at),
        "reason": record.and_then(|r| r.needs_login(now)),
    })
}

pub(super) fn describe(record: &GrantRecord, now: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    if let Some(reason) = record.needs_login(now) {
        return format!("{reason}; log in again: gitcast auth login {}", record.account);
    }
    let access = if record.expires_at == Timestamp::MAX {
        "access likewise".to_owned()
    } else if record.expires_at > now {
        format!("access until {}", ui::time(record.expires_at, zone))
    } else {
        "access expired, refreshed in the next run".to_owned()
    };
    let end = record.refresh_expires_at.map_or("without an end".to_owned(), |end| {
        let left: SignedDuration = end.duration_since(now);
        format!("until {} ({} days)", ui::time(end, zone), left.as_hours() / 24)
    });
    format!("logged in {end}, {access}; may: {}", record.scopes.join(", "))
}
