//! What a watch tells people: news, and nothing twice.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Watching;
use crate::cli::error::Failure;
use crate::cli::pass::Pass;
use crate::cli::{decisions, notices, plan, ui};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::plan::{Action, Planned};
use crate::reconcile::desired::Loaded;

/// How many changes are told one by one in a pass.
const TOLD_MAX: usize = 20;

/// What was told already, and is told again only when it changes.
#[derive(Default)]
pub(super) struct Told {
    diagnostics: Vec<Diagnostic>,
    changes: BTreeMap<(PostId, AccountName), (Action, String)>,
    totals: String,
    logins: Vec<String>,
    pub(super) failure: String,
    pub(super) unwatched: String,
}

impl Watching<'_> {
    pub(super) fn tell_diagnostics(&mut self, loaded: &Loaded) -> Result<(), Failure> {
        if loaded.diagnostics != self.told.diagnostics {
            plan::report_diagnostics(self.workspace, loaded)?;
            if loaded.diagnostics.is_empty() {
                ui::tell("All manifests are valid again.");
            }
            self.told.diagnostics.clone_from(&loaded.diagnostics);
        }
        Ok(())
    }

    /// What needs somebody, and how much there is to do: where it is something else than in the pass before.
    pub(super) fn tell_plan(&mut self, pass: &Pass, loaded: &Loaded) -> Result<(), Failure> {
        let (palette, zone) = (self.workspace.palette, plan::zone(loaded));
        let decided = decisions::describe(&pass.decided, palette);
        if !pass.decided.events.is_empty() && !decided.is_empty() {
            ui::tell(decided.trim_end());
        }
        let (notices, _) = notices::notices(Some(&pass.ledger), loaded, pass.now, &zone)?;
        let logins: Vec<String> = match self.rehearsing {
            Some(_) => Vec::new(),
            None => notices.iter().map(|notice| notice.line(palette)).collect(),
        };
        logins.iter().filter(|line| !self.told.logins.contains(line)).for_each(|line| ui::tell(line));
        self.told.logins = logins;
        let open: Vec<&Planned> = pass.plan.changes.iter().filter(|c| needs_somebody(c.action)).collect();
        let key = |c: &Planned| (c.post.clone(), c.account.clone());
        let state = |c: &Planned| (c.action, c.reason.clone());
        let news: Vec<_> =
            open.iter().filter(|c| self.told.changes.get(&key(c)) != Some(&state(c))).collect();
        for change in news.iter().take(TOLD_MAX) {
            ui::tell(plan::describe_change(change, palette, &zone).trim_end());
        }
        if news.len() > TOLD_MAX {
            ui::tell(&format!("  and {} more: `gitcast plan` shows them", news.len() - TOLD_MAX));
        }
        self.told.changes = open.iter().map(|c| (key(c), state(c))).collect();
        let totals = plan::totals(&pass.plan);
        if totals != self.told.totals {
            ui::tell(&totals);
            self.told.totals = totals;
        }
        Ok(())
    }

    pub(super) fn tell_failure(&mut self, failure: &Failure, retry_after: Duration) {
        if failure.message != self.told.failure {
            failure.report(self.workspace.palette, false);
            ui::tell(&format!("Trying again every {} s.", retry_after.as_secs()));
            self.told.failure.clone_from(&failure.message);
        }
    }
}

fn needs_somebody(action: Action) -> bool {
    use Action::*;
    matches!(action, Refuse | Hold | Failed | Diverged | Undeletable)
}
