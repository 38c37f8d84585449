//! Decisions from `content/resolutions/`: `plan` shows what they come to, `apply` records it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::Failure;
use super::text;
use super::ui::{self, Palette};
use super::workspace::Workspace;
use crate::domain::pause::{Pause, Scope};
use crate::domain::resolution::{Decided, Input, Resolution, decide};
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;

/// What the committed decisions come to now. Nothing is recorded yet; what is wrong with them joins the diagnostics.
pub(super) fn make(
    workspace: &Workspace,
    loaded: &mut Loaded,
    ledger: Option<&Ledger>,
    (now, actor): (Timestamp, &str),
) -> Result<Decided, Failure> {
    let recorded = ledger.map(Ledger::publications).transpose()?.unwrap_or_default();
    let known = ledger.map(Ledger::decisions).transpose()?.unwrap_or_default().into_iter().collect();
    let pauses = ledger.map(Ledger::pauses).transpose()?.unwrap_or_default();
    let selected: Vec<Resolution> =
        loaded.resolutions.iter().filter(|r| is_selected(workspace, loaded, &r.scope)).cloned().collect();
    let decided = decide(Input {
        resolutions: &selected,
        doubtful: &loaded.doubtful,
        known,
        recorded,
        pauses,
        desired: &loaded.desired,
        actor,
        now,
    });
    loaded.diagnostics.extend(decided.diagnostics.iter().cloned());
    Ok(decided)
}

/// With `--only` or `--exclude`, decisions about other publications wait, as these do. Pauses always count.
fn is_selected(workspace: &Workspace, loaded: &Loaded, scope: &Scope) -> bool {
    let Scope::Publication { post, account } = scope else { return true };
    let project = loaded.project.as_ref();
    let Some(platform) = project.and_then(|p| p.account(account)).map(|account| account.platform) else {
        return true;
    };
    let wanted = loaded.desired.iter().find(|d| d.post == *post && d.account == *account);
    workspace.selects(post, account, platform, wanted.map_or("", |d| &d.path))
}

/// The decisions for people.
pub(super) fn describe(decided: &Decided, palette: Palette) -> String {
    let mut out = String::new();
    for note in &decided.notes {
        let outcome = match note.outcome {
            "carried-out" => palette.good("*"),
            _ => palette.notable("*"),
        };
        let because = note
            .because
            .as_ref()
            .map_or(String::new(), |why| format!(" ({}: {})", note.outcome, text::one_line(why, 300)));
        out += &format!(
            "  {outcome} {}: {}{because}\n      {}\n",
            palette.strong(&note.scope.to_string()),
            text::one_line(&note.says, 400),
            text::one_line(&note.place, 200)
        );
    }
    if out.is_empty() { out } else { format!("{}\n{out}\n", palette.strong("Decisions")) }
}

/// The pauses that count, for people.
pub(super) fn describe_pauses(on: &[&Pause], palette: Palette, zone: &TimeZone) -> String {
    let line = |pause: &&Pause| {
        let until = pause.until.map_or("resumed".to_owned(), |at| ui::time(at, zone));
        let why = text::one_line(&pause.describe(), 500);
        format!("{} until {until}: {why}\n", palette.notable("paused"))
    };
    on.iter().map(line).collect()
}
