//! The short way of `gitcast plan`: where content and ledger are what they were when a plan found nothing to do, this one
//! finds the same, and says so without reading either.
//!
//! # Guarantees
//!
//! What is printed is what the long way would print. It is taken only where content is known by its stamps to be
//! unchanged and free of findings, the ledger has the same last entry, the arguments are the same, and nothing in the
//! plan depends on the time that has passed.

use jiff::Timestamp;

use super::plan::Arguments;
use super::workspace::Workspace;
use crate::content::cache::Cache;
use crate::content::unchanged::unchanged;
use crate::domain::ids::ContentDigest;
use crate::domain::plan::Plan;
use crate::ledger::Ledger;

/// All that the printed plan comes from, but the time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Situation(ContentDigest);

impl Situation {
    /// `None` where there is no short way: content has changed or was never good, there is no ledger, or more than a
    /// plan for people is asked for.
    pub(super) fn of(workspace: &Workspace, arguments: &Arguments, cache: &Cache) -> Option<Situation> {
        if workspace.global.json || arguments.wants_more() {
            return None;
        }
        let mut ledger = Ledger::open_read(&workspace.ledger_path(arguments.book())).ok()?;
        workspace.expect_latest(arguments.book(), &mut ledger).ok()?;
        let head = ledger.head().ok()?;
        // Last, as it costs the most.
        let content = unchanged(&workspace.root, &workspace.content, cache)?;
        let asked = format!("{:?} {arguments:?} {}", workspace.global, workspace.palette.is_on());
        let all = [&content.0[..], &head.seq.to_be_bytes(), &head.hash, asked.as_bytes()].concat();
        Some(Situation(ContentDigest::of(&all)))
    }

    /// What was printed the last time, if it still holds.
    pub(super) fn recall(&self, cache: &Cache, now: Timestamp) -> Option<String> {
        let note = cache.note(&self.0)?;
        let (until, text) = note.split_once('\n')?;
        (now < until.parse().ok()?).then(|| text.to_owned())
    }

    /// Keeps `text` for the next time, if the plan will be the same then; not beyond `latest`.
    pub(super) fn keep(&self, cache: &Cache, plan: &Plan, latest: Timestamp, text: &str) {
        if let Some(until) = plan.holds_until().map(|until| until.min(latest)) {
            // Without it, the next plan goes the long way.
            let _ = cache.keep_note(&self.0, &format!("{until}\n{text}"));
        }
    }
}
