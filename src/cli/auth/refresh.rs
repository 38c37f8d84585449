//! `gitcast auth refresh`: what each run does for the logins first, on its own.
//!
//! The ledger's lock makes it single-flight: of many processes one refreshes, and the others find that nothing is due.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::status::{describe, document};
use super::{account, status};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::{FORMAT_VERSION, zone};
use crate::cli::ui::{self, Reporter};
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{caretaker, runtime, text};
use crate::domain::ids::AccountName;
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::{Engine, Summary, Until, renew};
use crate::reconcile::lane::Platforms;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only these accounts; all that are logged in unless named
    accounts: Vec<AccountName>,
    /// Refresh whether or not it is due
    #[arg(long)]
    force: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let ledger = workspace.existing_ledger(Book::Real, loaded.project.as_ref(), "auth refresh")?;
    let platforms = wanted(workspace, &loaded, &ledger, arguments)?;
    let before = generations(&ledger, &platforms)?;
    let mut engine = caretaker::engine(workspace, ledger, "auth refresh", platforms)?;
    let summary = runtime::start()?.block_on(async {
        let until = Until::settled(Timestamp::MIN, runtime::listen_for_stop());
        let mut reporter = Reporter::new(workspace.palette, zone(&loaded));
        renew(&mut engine, arguments.force, until, &mut |notice| reporter.notice(&notice)).await
    })?;
    report(workspace, &loaded, &engine, &before, &summary)
}

/// The accounts to care for: those that are named, or those that are logged in and may be.
fn wanted(
    workspace: &Workspace,
    loaded: &Loaded,
    ledger: &Ledger,
    arguments: &Arguments,
) -> Result<Platforms, Failure> {
    let mut platforms = Platforms::new();
    for name in &arguments.accounts {
        platforms.insert(name.clone(), Arc::clone(account(workspace, loaded, name)?));
    }
    if arguments.accounts.is_empty() {
        for (name, platform) in &loaded.platforms {
            let is_logged_in = ledger.grant(name)?.is_some_and(|record| !record.is_logged_out());
            if is_logged_in && workspace.may_send(loaded, name) {
                platforms.insert(name.clone(), Arc::clone(platform));
            }
        }
    }
    Ok(platforms)
}

fn generations(ledger: &Ledger, platforms: &Platforms) -> Result<BTreeMap<AccountName, u64>, Failure> {
    let mut generations = BTreeMap::new();
    for name in platforms.keys() {
        generations.insert(name.clone(), ledger.grant(name)?.map_or(0, |record| record.generation));
    }
    Ok(generations)
}

fn report(
    workspace: &Workspace,
    loaded: &Loaded,
    engine: &Engine,
    before: &BTreeMap<AccountName, u64>,
    summary: &Summary,
) -> Result<Exit, Failure> {
    let (now, zone) = (workspace.clock.now(), zone(loaded));
    let (mut exits, mut documents) = (Vec::new(), Vec::new());
    for (name, platform) in &engine.platforms {
        let record = engine.ledger.grant(name)?;
        let is_new = record.as_ref().map_or(0, |record| record.generation) > before[name];
        let is_unanswered = record.as_ref().is_some_and(|record| record.presented_at.is_some());
        let (line, exit) = match (summary.blocked.get(name), &record) {
            (Some(reason), _) => (reason.clone(), Exit::LoginNeeded),
            (None, Some(record)) if is_new => {
                (format!("refreshed; {}", describe(record, now, &zone)), Exit::Converged)
            }
            (None, Some(_)) if is_unanswered => {
                ("the refresh got no answer; run again".to_owned(), Exit::Temporary)
            }
            (None, Some(record)) => (format!("not due; {}", describe(record, now, &zone)), Exit::Converged),
            (None, None) => (status::no_login(name), Exit::LoginNeeded),
        };
        exits.push(exit);
        if workspace.global.json {
            documents.push(document(name, &platform.origin(), record.as_ref(), now, true));
        } else {
            ui::print(&format!("{name}: {}\n", text::one_line(&line, 400)));
        }
    }
    if workspace.global.json {
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "accounts": documents }));
    }
    if summary.interrupted {
        exits.push(Exit::Interrupted);
    }
    Ok(Exit::of(exits))
}
