//! `gitcast auth audit`: whether the platform has audited the app, and what that means.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{declared, facts};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::FORMAT_VERSION;
use crate::cli::ui;
use crate::cli::workspace::Workspace;
use crate::domain::capability::FILE;
use crate::domain::ids::AccountName;
use crate::domain::project::Account;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The account, as gitcast.yaml names it
    account: AccountName,
    /// audited or unaudited
    #[arg(value_name = "AUDIT", hide_possible_values = true)]
    audit: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Audited,
    Unaudited,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let name = &arguments.account;
    let platform = declared(&loaded, name)?;
    let audited = arguments.audit == State::Audited;
    let mut known = facts::read(workspace, &loaded)?;
    known.entry(name.clone()).or_default().audited = Some(audited);
    facts::save(workspace, &known)?;
    let path = workspace.content.join(FILE);
    ui::tell(&format!("Noted in {}: the app of {name} is {}audited.", path.display(), not(audited)));
    let account = loaded.project.as_ref().and_then(|project| project.account(name));
    let written = account.and_then(|account| account.audited.as_ref()).map(|written| written.value);
    if let Some(contradiction) = account.and_then(|account| contradiction(account, audited)) {
        ui::tell(&contradiction);
    }
    let counts = written.unwrap_or(audited);
    let claims = platform.inquiry().audit_means(counts);
    if workspace.global.json {
        let claims: Vec<_> = claims.iter().map(|c| json!({ "text": c.text, "source": c.source })).collect();
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION, "account": name, "recorded": audited, "audited": counts,
            "claims": claims,
        }));
        return Ok(Exit::Converged);
    }
    ui::print(&format!("What it means that the app is {}audited:\n", not(counts)));
    for claim in &claims {
        ui::print(&format!("- {}\n  ({})\n", claim.text, claim.source));
    }
    Ok(Exit::Converged)
}

fn not(is: bool) -> &'static str {
    if is { "" } else { "not " }
}

/// `gitcast.yaml` goes first, so what was just noted would be without effect.
fn contradiction(account: &Account, audited: bool) -> Option<String> {
    let written = account.audited.as_ref().filter(|written| written.value != audited)?;
    Some(format!(
        "But gitcast.yaml says `audited: {}` for it in line {}, and that counts: change or remove it there.",
        written.value, written.span.line
    ))
}
