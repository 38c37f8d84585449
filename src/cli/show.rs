//! `gitcast show ID`: where a post is, why, and what happens next.

use clap::Args;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::plan::{self, FORMAT_VERSION, Gates, zone};
use super::workspace::{Book, Workspace};
use super::{decisions, explain, log, status, text, ui};
use crate::domain::ids::PostId;
use crate::domain::pause::pause_of;
use crate::domain::plan::{Action, Planned};
use crate::domain::publication::{Publication, State};
use crate::domain::telling;
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The post's id
    id: PostId,
    /// Of the rehearsal instead
    #[arg(long)]
    rehearse: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let stand_in = if arguments.rehearse { Some(workspace.planned_stand_in()) } else { None };
    let mut loaded = workspace.load(stand_in)?;
    let ledger = workspace.read_ledger(Book::of(arguments.rehearse), loaded.project.as_ref())?;
    let recorded = ledger.as_ref().map(Ledger::publications).transpose()?.unwrap_or_default();
    let (now, actor) = (workspace.clock.now(), workspace.actor("apply"));
    let decided = decisions::make(workspace, &mut loaded, ledger.as_ref(), (now, &actor))?;
    let mut plan = plan::make(workspace, &loaded, ledger.as_ref(), &decided, &Gates::default())?;
    plan.changes.retain(|change| change.post == arguments.id);
    if plan.changes.is_empty() {
        return Err(unknown(arguments, &loaded));
    }
    let pauses = decided.pauses;
    let entries = log::of_post(ledger.as_ref(), &arguments.id)?;
    let of =
        |change: &Planned| recorded.iter().find(|p| p.post == change.post && p.account == change.account);
    if workspace.global.json {
        let publications: Vec<_> = plan
            .changes
            .iter()
            .map(|c| match of(c) {
                Some(publication) => status::publication(publication, &pauses, now),
                None => plan::planned_publication(c, None),
            })
            .collect();
        let history = explain::document(&entries, usize::MAX);
        let entries: Vec<_> = entries.iter().map(log::document).collect();
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "publications": publications,
            "changes": plan.changes,
            "history": history,
            "entries": entries,
        }));
        return Ok(Exit::Converged);
    }
    let (palette, zone) = (workspace.palette, zone(&loaded));
    for change in &plan.changes {
        let place = palette.strong(&format!("{} → {}", change.post, change.account));
        let state = of(change).map_or(State::Planned, |p| p.state);
        let state = status::state(state, state.as_str(), palette);
        ui::print(&format!("{place} ({}): {state}\n", change.platform));
        let facts = match of(change) {
            Some(publication) => facts(publication, change, &zone),
            None => planned(change, &zone),
        };
        for (label, value) in facts {
            ui::print(&format!("  {label:<10} {}\n", text::one_line(&value, 500)));
        }
        let place = (&change.post, &change.account, change.platform);
        if let Some(pause) = pause_of(&pauses, place, now) {
            ui::print(&format!("  {}", decisions::describe_pauses(&[pause], palette, &zone)));
        }
        if let Some(publication) = of(change).filter(|p| p.state == State::Held) {
            ui::print(&status::ways_out(publication));
        }
    }
    if !entries.is_empty() {
        ui::print("\n");
    }
    ui::print(&explain::describe(&entries, usize::MAX, palette, &zone));
    Ok(Exit::Converged)
}

fn unknown(arguments: &Arguments, loaded: &Loaded) -> Failure {
    let id = &arguments.id;
    if loaded.broken.contains(id) {
        return Failure::error(format!("nothing is recorded of {id}, and its manifest holds errors"))
            .hint("`gitcast validate` tells which");
    }
    Failure::error(format!("no manifest has the id {id}, and nothing is recorded of it"))
        .hint("`gitcast plan` and `gitcast status` list all posts")
}

/// A publication that nothing was done for yet.
fn planned(change: &Planned, zone: &jiff::tz::TimeZone) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("manifest", change.path.clone()),
        ("content", format!("{}, revision {}", change.digest, change.revision)),
        ("why", format!("{} ({})", change.message, change.reason)),
    ];
    facts.push(("next", telling::next(None, change, zone)));
    facts
}

fn facts(p: &Publication, change: &Planned, zone: &jiff::tz::TimeZone) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("manifest", p.path.clone()),
        ("content", format!("{}, revision {}", p.digest, p.revision)),
        ("attempts", p.attempts.to_string()),
    ];
    facts.extend(p.intended_at.map(|at| ("sent", ui::time(at, zone))));
    facts.extend(p.remote.url.clone().map(|url| ("link", url)));
    facts.extend(p.remote.id.clone().map(|id| ("id", id)));
    facts.extend(p.reason.as_ref().map(|r| ("why", format!("{} ({})", r.message, r.code))));
    if matches!(change.action, Action::Diverged | Action::Undeletable | Action::Orphaned) {
        facts.push(("change", format!("{} ({})", change.message, change.reason)));
    }
    facts.push(("next", telling::next(Some(p), change, zone)));
    facts
}
