//! `gitcast init`: a project to begin with.

use clap::Args;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::plan::FORMAT_VERSION;
use super::scaffold::{Ci, scaffold};
use super::ui;
use super::workspace::{self, Book, Workspace};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whose CI is set up: github or gitlab
    #[arg(long, value_name = "SERVICE", default_value = "github", hide_possible_values = true)]
    ci: Ci,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let fresh = workspace::fresh_lineage();
    let written = scaffold(&workspace.root, &workspace.content, &workspace.state, &fresh, arguments.ci)?;
    for (path, outcome) in &written {
        ui::tell(&format!("  {:<8} {}", outcome.as_str(), path.display()));
    }
    let recorded = workspace.read_ledger(Book::Real, None)?.map(|ledger| ledger.lineage().to_owned());
    pin(workspace, recorded.as_deref().unwrap_or(&fresh))?;
    let loaded = workspace.project();
    let lineage = loaded.project.as_ref().and_then(|p| p.lineage.clone());
    match (&recorded, &lineage) {
        (None, Some(lineage)) if *lineage == fresh => {
            let ledger = workspace.write_ledger(Book::Real, loaded.project.as_ref(), "init", true)?;
            workspace.vault(Book::Real, &ledger)?;
            ui::tell("Next: gitcast validate, then gitcast apply --rehearse");
        }
        (None, Some(lineage)) => ui::tell(&format!(
            "gitcast.yaml names the lineage {lineage}, so there is a ledger somewhere: bring its state/ here"
        )),
        (None, None) => ui::tell("gitcast.yaml was there already and is not valid; no ledger was started"),
        (Some(_), _) => ui::tell("There is a ledger already; nothing of it was changed"),
    }
    if workspace.global.json {
        let files: Vec<_> = written
            .iter()
            .map(|(path, outcome)| json!({ "path": path.display().to_string(), "outcome": outcome.as_str() }))
            .collect();
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "lineage": lineage, "files": files }));
    }
    Ok(Exit::Converged)
}

/// Adds the lineage to a `gitcast.yaml` that has none. A file that is not valid, or would not be then, stays as it is.
fn pin(workspace: &Workspace, lineage: &str) -> Result<(), Failure> {
    let names = || workspace.project().project.map(|project| project.lineage);
    if names() != Some(None) {
        return Ok(());
    }
    let path = workspace.content.join("gitcast.yaml");
    let before = std::fs::read_to_string(&path)?;
    let gap = if before.ends_with('\n') { "" } else { "\n" };
    std::fs::write(&path, format!("{before}{gap}lineage: {lineage}\n"))?;
    if names() == Some(Some(lineage.to_owned())) {
        ui::tell(&format!("  appended `lineage: {lineage}` to {}", path.display()));
    } else {
        std::fs::write(&path, before)?;
    }
    Ok(())
}
