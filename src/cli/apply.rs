//! `gitcast apply`: make the platforms agree with the manifests.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::sync::watch;

use super::decisions;
use super::error::Failure;
use super::events::Events;
use super::exit::Exit;
use super::hooks::{self, Hooks};
use super::notices;
use super::pass::Pass;
use super::plan::{self, Gates, PlanFile};
use super::rehearsal::Rehearsing;
use super::runtime::{self, Stop};
use super::status;
use super::text;
use super::ui::{self, Reporter};
use super::workspace::{Book, Workspace};
use crate::domain::ids::ContentDigest;
use crate::domain::pause::pause_of;
use crate::domain::plan::{Action, Plan, Planned};
use crate::domain::publication::{Publication, State};
use crate::domain::resolution::Decided;
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::{Notice, Summary, Until, execute};

/// A plan file is not larger than this.
const PLAN_BYTES_MAX: u64 = 256 << 20;

const LOOK_AGAIN: &str = "look at `gitcast plan` again, and apply what it shows now";

/// How often it is planned where other runs write to a shared ledger.
const PLANS_MAX: u32 = 3;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run against the stand-in platforms, with accounts logged in and a ledger of its own
    #[arg(long)]
    rehearse: bool,
    /// Do not ask
    #[arg(long)]
    auto_approve: bool,
    /// Do what this file plans and nothing that has come since, or nothing if one of its changes is another one now
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    plan: Option<PathBuf>,
    /// Do the plan with this digest, or nothing if anything else would be done now
    #[arg(long, value_name = "sha256:…")]
    expect: Option<ContentDigest>,
    /// How long to wait for the platforms to finish
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = super::duration)]
    max_wait: Duration,
    /// Add a line of JSON for each thing that happens to this file
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Start a new ledger although gitcast.yaml says that there is one
    #[arg(long)]
    new_ledger: bool,
    #[command(flatten)]
    hooks: hooks::Options,
    #[command(flatten)]
    gates: Gates,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    if !arguments.rehearse {
        workspace.refuse_now()?;
    }
    let runtime = runtime::start()?;
    runtime.block_on(async {
        let stop = runtime::listen_while_preparing(workspace);
        // Without accounts there is nothing to rehearse, and nothing is written.
        if arguments.rehearse && workspace.project().project.is_some() {
            let rehearsing = Rehearsing::start(workspace).await?;
            let exit = reconcile(workspace, arguments, Some(&rehearsing), &stop).await;
            rehearsing.stop().await;
            exit
        } else {
            let mut tries = 1;
            loop {
                match reconcile(workspace, arguments, None, &stop).await {
                    Err(failure) if failure.is_beaten && tries < PLANS_MAX => {
                        ui::tell("Another run has written to the ledger meanwhile: planning anew.");
                        tries += 1;
                    }
                    other => break other,
                }
            }
        }
    })
}

async fn reconcile(
    workspace: &Workspace,
    arguments: &Arguments,
    rehearsing: Option<&Rehearsing>,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let book = Book::of(arguments.rehearse);
    let stand_in = rehearsing.map(Rehearsing::stand_in);
    let mut loaded = tokio::task::block_in_place(|| workspace.load(stand_in))?;
    plan::report_diagnostics(workspace, &loaded)?;
    let project = loaded.project.clone();
    if project.is_none() {
        if workspace.global.json {
            let nothing = Plan { changes: Vec::new() };
            print_document(&nothing, &[], &loaded, &Summary::default(), Exit::Error, None);
        }
        return Ok(Exit::Error);
    }
    workspace.check_selectors(&loaded, book)?;
    let hooks = arguments.hooks.hooks(&workspace.content)?;
    let mut ledger = workspace.write_ledger(book, project.as_ref(), "apply", arguments.new_ledger)?;
    let hooks = Hooks::start(workspace, hooks, (book, "apply"));
    hooks.begin(workspace, &mut ledger);
    let mut stop = stop.begin_work();
    let mut pass =
        Pass::plan(workspace, &mut loaded, (ledger, book), ("apply", &arguments.gates), rehearsing)?;
    if let Some(path) = &arguments.plan {
        pass.plan.narrow(&read_plan(&workspace.root.join(path))?).map_err(|stale| {
            Failure::new(Exit::StalePlan, "the plan is stale; nothing was done")
                .cause(&stale)
                .hint(LOOK_AGAIN)
        })?;
    }
    let (plan, decided, now) = (&pass.plan, &pass.decided, pass.now);
    if !decided.diagnostics.is_empty() {
        plan::report(workspace, &decided.diagnostics)?;
    }
    let zone = plan::zone(&loaded);
    // What is blocking is said by the run itself.
    let (notices, _) = notices::notices(Some(&pass.ledger), &loaded, now, &zone)?;
    let soon = notices.iter().filter(|notice| !notice.is_blocking && rehearsing.is_none());
    soon.for_each(|notice| ui::tell(&notice.line(workspace.palette)));
    let shown =
        decisions::describe(decided, workspace.palette) + &plan::describe(plan, workspace.palette, &zone);
    // With --json stdout carries the document alone, but whoever is asked must see the plan.
    if workspace.global.json {
        ui::tell(&shown)
    } else {
        ui::print(&shown)
    }
    // Before anybody is asked: by the time of the answer something else may be committed.
    let commits = tokio::task::block_in_place(|| pass.commits(workspace));
    if let Some(exit) = approve(arguments, plan, &mut stop).await? {
        if workspace.global.json {
            let (recorded, summary) = (pass.ledger.publications()?, Summary::default());
            print_document(plan, &recorded, &loaded, &summary, exit, Some((decided, now)));
        }
        return Ok(exit);
    }
    let deadline = workspace
        .clock
        .now()
        .checked_add(arguments.max_wait)
        .map_err(|_| Failure::usage("--max-wait is too long"))?;
    let (mut engine, plan, decided) = pass.begin(workspace, &loaded, &arguments.gates, commits)?;
    let mut reporter = Reporter::new(workspace.palette, zone.clone());
    let until = Until::settled(deadline, stop.clone());
    let events = Events::to(arguments.events.as_ref().map(|file| workspace.root.join(file)));
    let clock = workspace.clock.clone();
    let mut notify = |notice: Notice<'_>| {
        events.note(&notice, clock.now());
        reporter.notice(&notice);
    };
    let mut summary = execute(&mut engine, &plan, &loaded.desired, until, &mut notify).await?;
    drop(reporter);
    hooks.note(workspace, &mut engine.ledger, &loaded, &plan);
    let refused = workspace.refused_endpoints(&loaded, &plan);
    summary.blocked.extend(refused.clone());
    let exit = if refused.is_empty() { Exit::Converged } else { Exit::Refused };
    // What others may find out at the platforms, they had better read. The lease ends with it.
    let shared = engine.ledger.leave().map_err(Failure::from);
    let exit =
        Exit::of([exit, shared.map_or_else(|failure| failure.report(workspace.palette, false), |()| exit)]);
    let exit = finish(workspace, &engine.ledger, &plan, &loaded, &summary, exit, &decided)?;
    if let Some(rehearsing) = rehearsing.filter(|_| plan.acting().next().is_some()) {
        ui::tell(&rehearsing.way_to_the_feed());
    }
    // Others may have the ledger while receivers take their time.
    drop(engine);
    hooks.finish(hooks::END_MAX, &mut stop).await;
    Ok(exit)
}

/// Whether to go on. `None`: yes.
async fn approve(
    arguments: &Arguments,
    plan: &Plan,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<Exit>, Failure> {
    let digest = plan.digest();
    if arguments.plan.is_some() {
        return Ok(None);
    }
    if let Some(expected) = arguments.expect {
        if expected != digest {
            return Err(Failure::new(
                Exit::StalePlan,
                format!("the plan is {digest} now, not {expected}; nothing was done"),
            )
            .hint(LOOK_AGAIN));
        }
        return Ok(None);
    }
    if arguments.auto_approve || plan.acting().next().is_none() {
        return Ok(None);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() || std::env::var_os("CI").is_some()
    {
        return Err(Failure::usage("nobody is here to approve the plan; nothing was done")
            .hint("say --auto-approve, or --expect with the digest of a plan that was looked at"));
    }
    ui::tell("Apply this plan? Type yes:");
    let answer = tokio::select! {
        answer = runtime::ask() => answer?,
        _ = stop.changed() => return Ok(Some(Exit::Interrupted)),
    };
    if answer.trim() == "yes" {
        return Ok(None);
    }
    ui::tell("Nothing was done.");
    Ok(Some(Exit::Error))
}

/// What somebody has looked at.
fn read_plan(path: &PathBuf) -> Result<Plan, Failure> {
    let unreadable =
        |error: &dyn std::error::Error| Failure::error(format!("{} is no plan", path.display())).cause(error);
    if std::fs::metadata(path)?.len() > PLAN_BYTES_MAX {
        return Err(Failure::error(format!("{} is too large for a plan", path.display())));
    }
    let file: PlanFile = serde_json::from_slice(&std::fs::read(path)?).map_err(|error| unreadable(&error))?;
    if file.format_version != plan::FORMAT_VERSION {
        return Err(Failure::new(
            Exit::StalePlan,
            format!("{} was written by another version of gitcast", path.display()),
        ));
    }
    let plan = Plan { changes: file.changes };
    if plan.digest().to_string() != file.digest {
        let message = format!("{} has been changed since it was written", path.display());
        return Err(Failure::error(message).hint(LOOK_AGAIN));
    }
    Ok(plan)
}

/// What the ledger says at the end, for people or scripts, and the exit code that it comes to.
fn finish(
    workspace: &Workspace,
    ledger: &Ledger,
    plan: &Plan,
    loaded: &Loaded,
    summary: &Summary,
    refused: Exit,
    decided: &Decided,
) -> Result<Exit, Failure> {
    let recorded = ledger.publications()?;
    let (now, pauses) = (workspace.clock.now(), &decided.pauses[..]);
    let is_paused = |p: &Publication| pause_of(pauses, (&p.post, &p.account, p.platform), now).is_some();
    let exits = outcomes(workspace, plan, &recorded, loaded, summary, refused, &is_paused);
    let exit = Exit::of(exits);
    if workspace.global.json {
        print_document(plan, &recorded, loaded, summary, exit, Some((decided, now)));
    } else {
        ui::print(&describe(workspace, plan, &recorded, summary, &plan::zone(loaded)));
    }
    Ok(exit)
}

fn print_document(
    plan: &Plan,
    recorded: &[Publication],
    loaded: &Loaded,
    summary: &Summary,
    exit: Exit,
    decided: Option<(&Decided, Timestamp)>,
) {
    let (pauses, now) = decided.map_or((&[][..], Timestamp::MIN), |(d, now)| (&d.pauses[..], now));
    ui::print_json(&json!({
        "format_version": plan::FORMAT_VERSION,
        "digest": plan.digest(),
        "publications": recorded.iter().map(|p| status::publication(p, pauses, now)).collect::<Vec<_>>(),
        "decisions": decided.map_or(&[][..], |(d, _)| &d.notes[..]),
        "diagnostics": super::render::json_diagnostics(&loaded.diagnostics),
        "blocked": summary.blocked,
        "exit_code": exit.code(),
    }));
}

fn of_plan<'a>(
    plan: &'a Plan,
    recorded: &'a [Publication],
) -> impl Iterator<Item = (Action, &'a Publication)> {
    plan.changes.iter().filter_map(|c| {
        let publication = recorded.iter().find(|p| p.post == c.post && p.account == c.account)?;
        Some((c.action, publication))
    })
}

fn outcomes(
    workspace: &Workspace,
    plan: &Plan,
    recorded: &[Publication],
    loaded: &Loaded,
    summary: &Summary,
    refused: Exit,
    is_paused: &dyn Fn(&Publication) -> bool,
) -> Vec<Exit> {
    let mut exits = vec![workspace.verdict(&loaded.diagnostics), plan::gates(plan), refused];
    if refused != Exit::Refused && !summary.blocked.is_empty() {
        exits.push(Exit::LoginNeeded);
    }
    if summary.interrupted {
        exits.push(Exit::Interrupted);
    }
    // What is due and not even begun: its account waited for a token or for a limit until the end.
    let begun = |c: &Planned| recorded.iter().any(|p| p.post == c.post && p.account == c.account);
    let is_ahead = |p: &Publication| {
        let desired = loaded.desired.iter().find(|d| d.post == p.post && d.account == p.account);
        desired.is_some_and(|d| d.opens_at(workspace.clock.now()) > workspace.clock.now())
    };
    let waits = |c: &&Planned| c.action.acts() && !summary.blocked.contains_key(&c.account) && !begun(c);
    if plan.changes.iter().any(|c| waits(&c) || c.reason == plan::CAP) {
        exits.push(Exit::Temporary);
    }
    for (action, publication) in of_plan(plan, recorded) {
        exits.push(match publication.state {
            State::Held => Exit::Unknown,
            State::Failed if !matches!(action, Action::Skip | Action::Orphaned | Action::Wait) => {
                Exit::SomeFailed
            }
            State::Planned
            | State::Staging
            | State::Staged
            | State::Partial
            | State::Editing
            | State::Deleting
                if is_paused(publication) =>
            {
                Exit::Converged
            }
            State::Staged if is_ahead(publication) => Exit::Converged,
            State::Published
                if publication.is_turned_down() && (action.acts() || action == Action::Failed) =>
            {
                Exit::SomeFailed
            }
            _ if !action.acts() || summary.blocked.contains_key(&publication.account) => Exit::Converged,
            State::Planned
            | State::Staging
            | State::Staged
            | State::Publishing
            | State::Partial
            | State::Accepted
            | State::Editing
            | State::Deleting
            | State::Unresolved => Exit::Temporary,
            State::Failed | State::Published | State::Delivered | State::Deleted => Exit::Converged,
        });
    }
    exits
}

fn describe(
    workspace: &Workspace,
    plan: &Plan,
    recorded: &[Publication],
    summary: &Summary,
    zone: &TimeZone,
) -> String {
    let palette = workspace.palette;
    let acted: Vec<&Publication> =
        of_plan(plan, recorded).filter(|(a, _)| a.acts()).map(|(_, p)| p).collect();
    let count = |state: State| acted.iter().filter(|p| p.state == state).count();
    if acted.is_empty() && summary.blocked.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    for publication in &acted {
        let place = format!("{} → {}", publication.post, publication.account);
        let why = publication
            .reason
            .as_ref()
            .map_or(String::new(), |r| format!(": {}", text::one_line(&r.message, 400)));
        out += &match publication.state {
            State::Published if publication.is_turned_down() => {
                format!("{} {place}{why}\n", palette.bad("turned down"))
            }
            State::Deleted => format!("{} {place}\n", palette.good("deleted")),
            State::Published => {
                let none = if publication.next_at.is_some() {
                    "(its link is not known yet)"
                } else {
                    "(no public link)"
                };
                let link = publication.remote.url.as_deref().unwrap_or(none);
                format!("{} {place}  {}\n", palette.good("published"), text::one_line(link, 300))
            }
            State::Delivered => {
                format!("{} {place}  finish it in the platform's app\n", palette.good("delivered"))
            }
            State::Failed => format!("{} {place}{why}\n", palette.bad("failed")),
            State::Held => format!("{} {place}{why}\n{}", palette.bad("held"), status::ways_out(publication)),
            state => {
                let next = publication
                    .next_at
                    .map_or(String::new(), |at| format!("; next look at {}", ui::time(at, zone)));
                format!("{} {place}{why}{next}\n", palette.notable(state.as_str()))
            }
        };
    }
    for (account, reason) in &summary.blocked {
        out += &format!("{} {account}: {}\n", palette.bad("blocked"), text::one_line(reason, 400));
        if reason.contains("log in again") {
            out += &format!("    to log in again:  gitcast auth import {account} FILE\n");
        }
    }
    let settled = [State::Published, State::Delivered, State::Deleted, State::Failed, State::Held];
    let counts = settled.map(|state| (count(state), state.as_str()));
    let open = acted.len() - counts.iter().map(|(count, _)| count).sum::<usize>();
    let mut parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if open > 0 {
        let what_next = if summary.blocked.is_empty() { ": run again" } else { "" };
        parts.push(format!("{open} not finished{what_next}"));
    }
    if !parts.is_empty() {
        out += &format!("{}.\n", parts.join(", "));
    }
    out
}
