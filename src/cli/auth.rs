//! `gitcast auth`: accounts and their logins.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::plan::{FORMAT_VERSION, zone};
use super::workspace::{Book, Workspace};
use super::{text, ui};
use crate::domain::event::Event;
use crate::domain::grant::GrantRecord;
use crate::domain::ids::AccountName;
use crate::ledger::Ledger;
use crate::secret::Secret;

/// A token reply is not larger than this.
const REPLY_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Store the platform's own token reply, a JSON document, as an account's login
    Import(Import),
    /// Show what is stored for each account, and until when
    Status,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The account, as gitcast.yaml names it
    account: AccountName,
    /// The file with the reply; - for standard input
    file: PathBuf,
}

pub(super) fn run(workspace: &Workspace, command: &Command) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    match command {
        Command::Import(import) => self::import(workspace, import),
        Command::Status => status(workspace),
    }
}

fn import(workspace: &Workspace, import: &Import) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let name = &import.account;
    let platform = loaded.platforms.get(name).ok_or_else(|| {
        let known: Vec<_> = loaded.platforms.keys().map(ToString::to_string).collect();
        Failure::error(format!("gitcast.yaml has no account {name}")).hint(format!(
            "it has these: {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })?;
    if !workspace.may_send(&loaded, name) {
        return Err(workspace.endpoint_refused(name, &loaded));
    }
    let reply = read_reply(&workspace.root, &import.file)?;
    let now = workspace.clock.now();
    // serde_json's message tells line and column, not the text.
    let reply: serde_json::Value = serde_json::from_str(reply.expose())
        .map_err(|error| Failure::error("the token reply is no JSON").cause(&error))?;
    let grant = platform
        .read_grant(&reply, now)
        .map_err(|error| Failure::error("the token reply cannot be used").cause(&error))?;
    let actor = workspace.actor("auth import");
    let mut ledger = workspace.write_ledger(Book::Real, loaded.project.as_ref(), "auth import", false)?;
    let vault = workspace.vault(Book::Real, &ledger)?;
    let generation = ledger.grant(name)?.map_or(0, |grant| grant.generation) + 1;
    let change = vault.stored(name, generation, &grant, platform.origin(), "import")?;
    ledger.append(now, &actor, &[Event::Grant { account: name.clone(), change }])?;
    let record = ledger.grant(name)?;
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

fn status(workspace: &Workspace) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    if loaded.project.is_none() {
        super::plan::report_diagnostics(workspace, &loaded)?;
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
            Some(record) => vault.as_ref().is_some_and(|vault| vault.open(record).is_ok()),
            None => true,
        };
        accounts.push((name, platform.origin(), record, opens));
    }
    if workspace.global.json {
        let accounts: Vec<_> = accounts
            .iter()
            .map(|(name, origin, record, opens)| document(name, origin, record.as_ref(), now, *opens))
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
                None => format!("no login; run `gitcast auth import {name} FILE`"),
            };
            ui::print(&format!("{name}: {}\n", text::one_line(&line, 400)));
        }
    }
    let verdict = |(_, origin, record, opens): &(_, String, Option<GrantRecord>, bool)| match record {
        Some(_) if !opens => Exit::Ledger,
        Some(record) if record.origin == *origin && record.needs_login(now).is_none() => Exit::Converged,
        Some(_) | None => Exit::LoginNeeded,
    };
    Ok(Exit::of(accounts.iter().map(verdict)))
}

fn document(
    name: &AccountName,
    origin: &str,
    record: Option<&GrantRecord>,
    now: Timestamp,
    opens: bool,
) -> serde_json::Value {
    let state = match record {
        None => "missing",
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

fn describe(record: &GrantRecord, now: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    if let Some(reason) = record.needs_login(now) {
        return format!("{reason}; log in again");
    }
    let access = if record.expires_at > now {
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
