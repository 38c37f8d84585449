//! `gitcast log`: what happened, as recorded.

use std::collections::VecDeque;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::explain;
use super::plan::{FORMAT_VERSION, zone};
use super::text;
use super::ui::{self, Palette};
use super::workspace::{Book, Workspace};
use crate::domain::event::Entry;
use crate::domain::ids::{PostId, hex};
use crate::domain::telling;
use crate::ledger::Ledger;

/// Entries shown unless told otherwise.
const ENTRIES: usize = 200;
/// The most that is read of one post. An upload has two entries for each of at most a thousand chunks.
const POST_ENTRIES_MAX: u32 = 50_000;
/// Entries read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only of this post
    id: Option<PostId>,
    /// Of the rehearsal instead
    #[arg(long)]
    rehearse: bool,
    /// At most so many entries, the latest; of one post: attempts on each account [default: 200; of one post: all]
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Also each request to a platform, which are always shown of one post, and each time that counts were read
    #[arg(long)]
    requests: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let ledger = workspace.read_ledger(Book::of(arguments.rehearse), loaded.project.as_ref())?;
    if let Some(id) = &arguments.id {
        return explain(
            workspace,
            ledger.as_ref(),
            id,
            arguments.limit.unwrap_or(usize::MAX),
            &zone(&loaded),
        );
    }
    let entries = ledger.map(|ledger| latest(&ledger, arguments)).transpose()?.unwrap_or_default();
    if workspace.global.json {
        let entries: Vec<_> = entries.iter().map(document).collect();
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "entries": entries }));
    } else {
        let zone = zone(&loaded);
        ui::print(&entries.iter().map(|entry| line(entry, workspace.palette, &zone)).collect::<String>());
    }
    Ok(Exit::Converged)
}

/// One post: not a list of entries, but how one thing led to another.
fn explain(
    workspace: &Workspace,
    ledger: Option<&Ledger>,
    id: &PostId,
    attempts_max: usize,
    zone: &TimeZone,
) -> Result<Exit, Failure> {
    let entries = of_post(ledger, id)?;
    if workspace.global.json {
        let documents: Vec<_> = entries.iter().map(document).collect();
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "history": explain::document(&entries, attempts_max),
            "entries": documents,
        }));
    } else {
        ui::print(&explain::describe(&entries, attempts_max, workspace.palette, zone));
    }
    Ok(Exit::Converged)
}

/// All that is recorded of a post, oldest first.
pub(super) fn of_post(ledger: Option<&Ledger>, id: &PostId) -> Result<Vec<Entry>, crate::ledger::Error> {
    Ok(ledger.map(|ledger| ledger.read(Some(id), 0, POST_ENTRIES_MAX)).transpose()?.unwrap_or_default())
}

/// The latest entries, oldest first, read page by page.
fn latest(ledger: &Ledger, arguments: &Arguments) -> Result<VecDeque<Entry>, crate::ledger::Error> {
    let mut latest = VecDeque::new();
    let mut after = 0;
    loop {
        let page = ledger.read(None, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(latest) };
        after = last.seq;
        latest.extend(page.into_iter().filter(|entry| arguments.requests || !entry.event.is_detail()));
        let excess = latest.len().saturating_sub(arguments.limit.unwrap_or(ENTRIES));
        latest.drain(..excess);
    }
}

/// An entry as scripts see it. What unlocks something at a platform, sealed or not, stays in the ledger.
pub(super) fn document(entry: &Entry) -> serde_json::Value {
    let mut event = serde_json::to_value(&entry.event).unwrap_or_default();
    if let Some(event) = event.as_object_mut() {
        event.remove("checkpoint");
        event.remove("sealed");
        for recipient in event.get_mut("recipients").and_then(|r| r.as_array_mut()).into_iter().flatten() {
            recipient.as_object_mut().map(|recipient| recipient.remove("wrapped"));
        }
    }
    json!({
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "hash": hex(&entry.hash),
        "event": event,
    })
}

/// An entry for people.
pub(super) fn line(entry: &Entry, palette: Palette, zone: &TimeZone) -> String {
    let at = entry.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let (subject, what) = telling::event(&entry.event, zone);
    let faint = palette.faint(&format!("{:>5} {at}", entry.seq));
    let actor = palette.faint(&format!("[{}]", text::one_line(&entry.actor, 100)));
    format!("{faint}  {subject}: {} {actor}\n", text::one_line(&what, 500))
}
