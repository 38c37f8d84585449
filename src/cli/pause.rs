//! `gitcast pause` and `gitcast resume`: stop what would be sent, and let it go again.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::moment;
use super::plan::{FORMAT_VERSION, report_diagnostics, zone};
use super::ui;
use super::workspace::{Book, Workspace};
use crate::domain::event::Event;
use crate::domain::ids::{AccountName, PlatformId, PostId};
use crate::domain::pause::Scope;
use crate::domain::resolution::WHY_CHARS_MAX;
use crate::ledger::Ledger;

#[derive(Debug, Args)]
pub(super) struct Pause {
    #[command(flatten)]
    what: What,
    /// When it ends by itself: 2026-12-01T09:00, in the project's time zone unless it has its own
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct What {
    /// A post, on all of its accounts
    #[arg(value_name = "ID", conflicts_with = "post")]
    id: Option<PostId>,
    /// That post on this account only
    #[arg(value_name = "ACCOUNT", conflicts_with = "account")]
    on: Option<AccountName>,
    /// A post, on all of its accounts or, with --account, on that one
    #[arg(long, value_name = "ID")]
    post: Option<PostId>,
    /// All posts on this account
    #[arg(long, value_name = "NAME")]
    account: Option<AccountName>,
    /// All accounts of this platform
    #[arg(long, value_name = "NAME", value_parser = platform, conflicts_with_all = ["id", "post", "account"])]
    platform: Option<PlatformId>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// In the rehearsal's ledger
    #[arg(long)]
    rehearse: bool,
}

fn platform(text: &str) -> Result<PlatformId, String> {
    let known = PlatformId::ALL.map(PlatformId::as_str).join(", ");
    text.parse().map_err(|()| format!("possible here: {known}"))
}

impl What {
    fn scope(&self) -> Result<Scope, Failure> {
        let post = self.id.clone().or_else(|| self.post.clone());
        let account = self.on.clone().or_else(|| self.account.clone());
        Scope::of(post, account, self.platform)
            .ok_or_else(|| Failure::usage("say what: ID, ID ACCOUNT, --account NAME or --platform NAME"))
    }

    fn checked_why(&self) -> Result<&str, Failure> {
        match self.why.chars().count() {
            0..=WHY_CHARS_MAX => Ok(&self.why),
            _ => Err(Failure::usage(format!("--why is longer than {WHY_CHARS_MAX} characters"))),
        }
    }
}

pub(super) fn pause(workspace: &Workspace, arguments: &Pause) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    let what = &arguments.what;
    let (scope, why) = (what.scope()?, what.checked_why()?.to_owned());
    let loaded = workspace.project();
    let (zone, now) = (zone(&loaded), workspace.clock.now());
    if loaded.project.is_none() {
        report_diagnostics(workspace, &loaded)?;
        return Err(Failure::error("there is no project here to pause anything of"));
    }
    let until = arguments.until.as_deref().map(|until| moment::read("--until", until, &zone)).transpose()?;
    if until.is_some_and(|until| until <= now) {
        return Err(Failure::usage("--until: this time has passed"));
    }
    if let Scope::Publication { account, .. } | Scope::Account { account } = &scope
        && loaded.project.as_ref().is_some_and(|project| project.account(account).is_none())
    {
        ui::tell(&format!("Note: gitcast.yaml has no account {account}."));
    }
    let book = Book::of(what.rehearse);
    let mut ledger = workspace.write_ledger(book, loaded.project.as_ref(), "pause", false)?;
    record_pause(workspace, &mut ledger, "pause", (scope.clone(), why, until))?;
    let end = until.map_or("until it is resumed".to_owned(), |at| format!("until {}", ui::time(at, &zone)));
    ui::tell(&format!("Paused {end}: {scope}. What may be live already is still found out."));
    print_pauses(workspace, &ledger)?;
    Ok(Exit::Converged)
}

pub(super) fn resume(workspace: &Workspace, arguments: &Resume) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    let what = &arguments.what;
    let (scope, why) = (what.scope()?, what.checked_why()?.to_owned());
    let loaded = workspace.project();
    let book = Book::of(what.rehearse);
    let mut ledger = workspace.existing_ledger(book, loaded.project.as_ref(), "resume")?;
    let now = workspace.clock.now();
    let pauses: Vec<_> = ledger.pauses()?.into_iter().filter(|pause| pause.is_on(now)).collect();
    if !pauses.iter().any(|pause| pause.scope == scope) {
        let on: Vec<_> = pauses.iter().map(|pause| pause.scope.to_string()).collect();
        let failure = Failure::error(format!("{scope} is not paused"));
        return Err(match on.is_empty() {
            true => failure.hint("nothing is"),
            false => failure.hint(format!("this is: {}", on.join(", "))),
        });
    }
    record_resume(workspace, &mut ledger, "resume", (scope.clone(), why))?;
    ui::tell(&format!("Resumed: {scope}."));
    print_pauses(workspace, &ledger)?;
    Ok(Exit::Converged)
}

/// Records it as done by `command`.
pub(super) fn record_pause(
    workspace: &Workspace,
    ledger: &mut Ledger,
    command: &str,
    (scope, why, until): (Scope, String, Option<Timestamp>),
) -> Result<(), Failure> {
    let event = Event::Paused { scope, why, until };
    ledger.append(workspace.clock.now(), &workspace.actor(command), &[event])?;
    Ok(())
}

/// Records it as done by `command`.
pub(super) fn record_resume(
    workspace: &Workspace,
    ledger: &mut Ledger,
    command: &str,
    (scope, why): (Scope, String),
) -> Result<(), Failure> {
    let event = Event::Resumed { scope, why };
    ledger.append(workspace.clock.now(), &workspace.actor(command), &[event])?;
    Ok(())
}

/// With `--json`, the document of what is paused now.
fn print_pauses(workspace: &Workspace, ledger: &Ledger) -> Result<(), Failure> {
    if workspace.global.json {
        let now = workspace.clock.now();
        let pauses: Vec<_> = ledger.pauses()?.into_iter().filter(|pause| pause.is_on(now)).collect();
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "pauses": pauses }));
    }
    Ok(())
}
