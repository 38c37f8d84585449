//! `gitcast doctor`: is everything in order?

use super::error::Failure;
use super::exit::Exit;
use super::text;
use super::ui;
use super::workspace::{Book, Workspace};
use crate::domain::grant::GrantRecord;
use crate::ledger::{Ledger, Waiting, exposures};
use crate::reconcile::desired::Loaded;

pub(super) fn run(workspace: &Workspace) -> Result<Exit, Failure> {
    let mut checks = Vec::new();
    let mut exits = Vec::new();
    let loaded = workspace.load(None)?;
    let errors = loaded.diagnostics.iter().filter(|d| d.is_error()).count();
    exits.push(workspace.verdict(&loaded.diagnostics));
    checks.push((errors == 0, format!("content: {} manifest(s), {errors} error(s)", loaded.manifests)));
    for (book, name) in [(Book::Real, "ledger"), (Book::Rehearsal, "rehearsal's ledger")] {
        let (ok, line, exit) = check_ledger(workspace, book, name, &loaded);
        checks.push((ok, line));
        exits.push(exit);
        checks.extend(check_hooks(workspace, book, name, &loaded));
    }
    for exposure in exposures(&workspace.state) {
        checks.push((false, exposure.to_string()));
        exits.push(if workspace.global.deny_warnings { Exit::Error } else { Exit::Converged });
    }
    if workspace.global.json {
        let checks: Vec<_> =
            checks.iter().map(|(ok, line)| serde_json::json!({ "ok": ok, "message": line })).collect();
        ui::print_json(
            &serde_json::json!({ "format_version": super::plan::FORMAT_VERSION, "checks": checks }),
        );
    } else {
        for (ok, line) in &checks {
            let sign = if *ok { workspace.palette.good("ok  ") } else { workspace.palette.bad("bad ") };
            ui::print(&format!("{sign} {}\n", text::one_line(line, 400)));
        }
    }
    Ok(Exit::of(exits))
}

fn check_ledger(workspace: &Workspace, book: Book, name: &str, loaded: &Loaded) -> (bool, String, Exit) {
    let ledger = match workspace.read_ledger(book, loaded.project.as_ref()) {
        Ok(Some(ledger)) => ledger,
        Ok(None) => return (true, format!("{name}: none yet"), Exit::Converged),
        Err(failure) => {
            let causes = failure.causes.join(": ");
            return (false, format!("{name}: {} {causes}", failure.message), failure.exit);
        }
    };
    if let Err(failure) = check_key(workspace, book, &ledger) {
        return (false, format!("{name}: {} {}", failure.message, failure.causes.join(": ")), failure.exit);
    }
    match verify(&ledger) {
        Ok((entries, problems)) if problems.is_empty() => (
            true,
            format!("{name}: {entries} entries, chain and views verified; every stored login opens"),
            Exit::Converged,
        ),
        Ok((_, problems)) => (false, format!("{name}: {}", problems.join("; ")), Exit::Ledger),
        Err(error) => (false, format!("{name}: {error}"), Exit::Ledger),
    }
}

/// What hooks have not been told: for people to see, and no fault of the ledger.
fn check_hooks(workspace: &Workspace, book: Book, name: &str, loaded: &Loaded) -> Vec<(bool, String)> {
    let ledger = workspace.read_ledger(book, loaded.project.as_ref());
    let waiting = ledger.ok().flatten().and_then(|ledger| ledger.waiting().ok()).unwrap_or_default();
    let line = |of: Waiting| {
        let oldest = of.oldest.map_or(String::new(), |at| format!(", the oldest from {at:.0}"));
        let Waiting { hook, letters, dropped, .. } = of;
        format!("{name}: messages to the hook `{hook}`: {letters} waiting{oldest}; {dropped} given up so far")
    };
    let tells = |of: &Waiting| of.letters > 0 || of.dropped > 0;
    waiting.into_iter().filter(tells).map(|of| (of.letters == 0, line(of))).collect()
}

/// Whether the key opens every stored login. Without a login no key is needed.
fn check_key(workspace: &Workspace, book: Book, ledger: &Ledger) -> Result<(), Failure> {
    let mut grants = ledger.grants()?;
    grants.retain(GrantRecord::has_tokens);
    if grants.is_empty() {
        return Ok(());
    }
    let vault = workspace.existing_vault(book, ledger)?;
    grants.iter().try_for_each(|grant| vault.open(grant).map(drop).map_err(Failure::from))
}

fn verify(ledger: &Ledger) -> Result<(u64, Vec<String>), crate::ledger::Error> {
    let problems = ledger.verify()?;
    Ok((ledger.head()?.seq, problems.iter().map(ToString::to_string).collect()))
}
