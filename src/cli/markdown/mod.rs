//! A plan as Markdown: for a comment on a pull request, and for the summary of a CI run. Pure.
//!
//! # Guarantees
//!
//! Never longer than [`UNITS_MAX`]. What does not fit is left out in whole blocks, a row or a post, and counted. What
//! others wrote stands in code only, so that it notifies nobody, refers to nothing, loads nothing and looks like nothing
//! of ours. The same plan is the same bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::notices::Notice;
use super::text::{code, code_cell, fenced};
use super::{plan as planning, render, ui};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::plan::{Action, Plan, Planned};
use crate::domain::preview::Preview;
use crate::domain::resolution;
use crate::reconcile::desired::Loaded;

pub(super) mod file;
mod page;
mod post;
mod proposal;

use page::Page;
pub(super) use proposal::{Proposal, proposal};

/// The first line, which is not shown: a workflow finds the comment that it wrote before by it.
const MARKER: &str = "<!-- gitcast -->";
/// GitHub takes comments of 65,536 characters. (Its reply to a longer one: "Body is too long (maximum is 65536
/// characters)", as quoted in telia-oss/github-pr-resource, issue 259, read 2026-11-26.) Counted in UTF-16 units, as no
/// way to count characters finds more of them.
pub(super) const UNITS_MAX: usize = 65_536;
/// The most that each kind of block may take, so that none crowds out the others. Posts get what is left.
const CHANGES_UNITS_MAX: usize = 24_000;
const DECISIONS_UNITS_MAX: usize = 4_000;
const LOGINS_UNITS_MAX: usize = 4_000;
const PROBLEMS_UNITS_MAX: usize = 12_000;
/// What says how much was left out.
const LEFT_OUT_UNITS_MAX: usize = 400;
/// The longest reason, message or path.
const WORDS_CHARS_MAX: usize = 300;

/// The longest command that is shown.
const COMMAND_BYTES_MAX: usize = 1_000;

/// In this order; whatever is as desired is only counted.
const GROUPS: [(&str, &[Action]); 10] = [
    ("To publish", &[Action::Publish, Action::Replace]),
    ("To continue", &[Action::Continue]),
    ("To edit", &[Action::Edit]),
    ("To delete", &[Action::Delete]),
    ("Refused", &[Action::Refuse]),
    ("Held: a person must decide", &[Action::Hold]),
    ("Failed", &[Action::Failed]),
    ("Waiting", &[Action::Wait]),
    ("Diverged", &[Action::Diverged, Action::Undeletable]),
    ("Skipped", &[Action::Skip]),
];

/// What there is to show.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub plan: &'a Plan,
    /// What the plan was made from.
    pub loaded: &'a Loaded,
    pub decisions: &'a [resolution::Note],
    pub logins: &'a [Notice],
    /// The command that carries out this plan and no other, but for `--expect`.
    pub apply: &'a str,
}

/// The plan, with its digest and the command that carries it out at the end.
pub(super) fn plan(source: &Source<'_>) -> String {
    let Source { plan, loaded, decisions, logins, apply } = *source;
    let zone = &planning::zone(loaded);
    let digest = plan.digest();
    let command = match apply.len() {
        0..=COMMAND_BYTES_MAX => fenced(&format!("{apply} --expect {digest}")),
        _ => format!("`gitcast apply --expect {digest}`, with the options of this plan\n"),
    };
    let foot = format!("\nDigest of this plan: `{digest}`. To carry out this one and no other:\n\n{command}");
    let mut page = Page::new(UNITS_MAX - LEFT_OUT_UNITS_MAX, &foot);
    let mut counts = planning::counts(plan);
    if plan.acting().next().is_none() {
        counts =
            if counts.is_empty() { "nothing to do".to_owned() } else { format!("nothing to do: {counts}") };
    }
    page.head(&format!("{MARKER}\n## gitcast: {counts}\n\n{}\n", problem_count(&loaded.diagnostics)));
    page.fill(CHANGES_UNITS_MAX, "changes", rows(plan, zone));
    page.fill(DECISIONS_UNITS_MAX, "decisions", list("Decisions", decisions.iter().map(decision)));
    page.fill(LOGINS_UNITS_MAX, "logins", list("Logins", logins.iter().map(login)));
    page.fill(PROBLEMS_UNITS_MAX, "problems", problems(&loaded.diagnostics));
    page.fill(UNITS_MAX, "posts", posts(plan, loaded));
    page.finish(&foot)
}

/// What is wrong with content, without a plan.
pub(super) fn check(loaded: &Loaded) -> String {
    let s = if loaded.manifests == 1 { "" } else { "s" };
    let mut page = Page::new(UNITS_MAX - LEFT_OUT_UNITS_MAX, "");
    let count = problem_count(&loaded.diagnostics);
    page.head(&format!("{MARKER}\n## gitcast: {} manifest{s}\n\n{count}\n", loaded.manifests));
    page.fill(UNITS_MAX, "problems", problems(&loaded.diagnostics));
    page.finish("")
}

fn problem_count(diagnostics: &[Diagnostic]) -> String {
    format!("Content: {}.", render::summary(diagnostics))
}

/// A block, below a heading that is written before the first of its blocks.
type Block<'a> = (Cow<'a, str>, String);

fn list<'a>(heading: &'a str, lines: impl Iterator<Item = String> + 'a) -> impl Iterator<Item = Block<'a>> {
    lines.map(move |line| (format!("### {heading}\n\n").into(), format!("- {line}\n")))
}

fn rows(plan: &Plan, zone: &TimeZone) -> impl Iterator<Item = Block<'static>> {
    GROUPS.iter().flat_map(move |(name, actions)| {
        let heading = format!(
            "### {name}\n\n| post | account | what | why | when |\n| --- | --- | --- | --- | --- |\n"
        );
        let changes = plan.changes.iter().filter(|change| actions.contains(&change.action));
        changes.map(|change| (heading.clone().into(), row(change, zone))).collect::<Vec<_>>()
    })
}

fn row(change: &Planned, zone: &TimeZone) -> String {
    let cell = |text: &str| code_cell(text, WORDS_CHARS_MAX);
    let (post, account) = (cell(change.post.as_str()), cell(change.account.as_str()));
    let what = cell(change.what.as_deref().unwrap_or_default());
    let why = match change.message.as_str() {
        "" => cell(&change.reason),
        message => format!("{} {}", cell(&change.reason), cell(message)),
    };
    let when = change.next_at.map_or_else(String::new, |at| ui::time(at, zone));
    format!("| {post} | {account} ({}) | {what} | {why} | {when} |\n", change.platform)
}

fn decision(note: &resolution::Note) -> String {
    let because = note.because.as_ref().map(|why| format!(": {}", code(why, WORDS_CHARS_MAX)));
    let (place, scope) = (code(&note.place, WORDS_CHARS_MAX), code(&note.scope.to_string(), WORDS_CHARS_MAX));
    let says = code(&note.says, WORDS_CHARS_MAX);
    format!("{place} {scope}: {says} ({}{})", note.outcome, because.unwrap_or_default())
}

fn login(notice: &Notice) -> String {
    format!("{}: {}", code(notice.account.as_str(), WORDS_CHARS_MAX), code(&notice.message, WORDS_CHARS_MAX))
}

/// Errors first.
fn problems(diagnostics: &[Diagnostic]) -> impl Iterator<Item = Block<'_>> {
    let (errors, warnings): (Vec<_>, Vec<_>) = diagnostics.iter().partition(|found| found.is_error());
    list("Problems", errors.into_iter().chain(warnings).map(problem).collect::<Vec<_>>().into_iter())
}

fn problem(found: &Diagnostic) -> String {
    let word = if found.is_error() { "**error**" } else { "warning" };
    let place =
        found.span.map_or(found.path.clone(), |span| format!("{}:{}:{}", found.path, span.line, span.column));
    let (place, message) = (code(&place, WORDS_CHARS_MAX), code(&found.message, WORDS_CHARS_MAX));
    let help = found.help.as_ref().map(|help| format!("; help: {}", code(help, WORDS_CHARS_MAX)));
    format!("{word} {place} {}: {message}{}", code(&found.code, WORDS_CHARS_MAX), help.unwrap_or_default())
}

/// What is to be sent, at once or later, in the plan's order.
fn posts<'a>(plan: &'a Plan, loaded: &'a Loaded) -> impl Iterator<Item = Block<'a>> {
    use Action::*;
    let shown =
        |change: &&Planned| matches!(change.action, Publish | Replace | Continue | Edit | Wait | Refuse);
    let payloads = loaded.desired.iter().filter_map(|d| Some(((&d.post, &d.account), d.payload.as_ref()?)));
    let wanted: HashMap<_, _> = payloads.collect();
    plan.changes.iter().filter(shown).filter_map(move |change| {
        let payload = wanted.get(&(&change.post, &change.account)).copied()?;
        let platform = loaded.platforms.get(&change.account);
        let preview = platform.map_or_else(|| Preview::plain(payload), |platform| platform.preview(payload));
        Some(("### Posts\n\n".into(), post::block(change, payload, &preview)))
    })
}

#[cfg(test)]
mod tests;
