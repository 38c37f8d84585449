//! What a proposal changes, from two commits alone.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use super::page::Page;
use super::{
    Block, CHANGES_UNITS_MAX, LEFT_OUT_UNITS_MAX, MARKER, PROBLEMS_UNITS_MAX, UNITS_MAX, WORDS_CHARS_MAX,
    list, posts, problem, problem_count,
};
use crate::cli::text::code_cell;
use crate::cli::{plan as planning, ui};
use crate::domain::comparison::{Difference, Kind};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::plan::{Action, Plan};
use crate::reconcile::desired::Loaded;

/// What there is to show.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Proposal<'a> {
    pub differences: &'a [Difference],
    /// What the head's posts come to.
    pub plan: &'a Plan,
    pub loaded: &'a Loaded,
    /// Problems that the base did not have.
    pub new: &'a [Diagnostic],
    pub known: &'a [Diagnostic],
    /// What is compared, for people; hashes.
    pub commits: (&'a str, &'a str),
    /// How many there are of each kind.
    pub totals: &'a str,
}

/// In this order.
const GROUPS: [(&str, Kind); 7] = [
    ("New", Kind::New),
    ("Changed", Kind::Changed),
    ("Mended", Kind::Mended),
    ("Broken", Kind::Broken),
    ("To be deleted", Kind::Tombstoned),
    ("Removed: nothing is deleted", Kind::Removed),
    ("Renamed: no effect", Kind::Renamed),
];

/// The differences, what is wrong, and the posts as they will look.
pub(in crate::cli) fn proposal(proposal: &Proposal<'_>) -> String {
    let Proposal { differences, plan, loaded, new, known, commits: (base, head), totals } = *proposal;
    let zone = &planning::zone(loaded);
    let foot = format!(
        "\nCompared: `{base}` with `{head}`, without a ledger: what the base has and is due counts as published.\n"
    );
    let mut page = Page::new(UNITS_MAX - LEFT_OUT_UNITS_MAX, &foot);
    let count = problem_count(&loaded.diagnostics);
    page.head(&format!("{MARKER}\n## gitcast: {totals}\n\n{count}\n"));
    page.fill(CHANGES_UNITS_MAX, "changes", rows(differences, zone));
    let problems = |heading, found: &[Diagnostic]| {
        list(heading, found.iter().map(problem).collect::<Vec<_>>().into_iter())
    };
    page.fill(PROBLEMS_UNITS_MAX, "problems", problems("Problems that are new", new));
    page.fill(PROBLEMS_UNITS_MAX, "problems", problems("Problems that were there before", known));
    let shows = |d: &&Difference| matches!(d.change, Kind::New | Kind::Changed | Kind::Mended);
    let shown: BTreeSet<_> = differences.iter().filter(shows).map(|d| (&d.post, &d.account)).collect();
    let changes = plan.changes.iter().filter(|c| shown.contains(&(&c.post, &c.account))).cloned().collect();
    let plan = Plan { changes };
    page.fill(UNITS_MAX, "posts", posts(&plan, loaded));
    page.finish(&foot)
}

fn rows(differences: &[Difference], zone: &TimeZone) -> impl Iterator<Item = Block<'static>> {
    GROUPS.iter().flat_map(move |(name, kind)| {
        let heading = format!(
            "### {name}\n\n| post | account | what | why | when | manifest |\n| --- | --- | --- | --- | --- | --- |\n"
        );
        let of_kind = differences.iter().filter(|d| d.change == *kind);
        of_kind.map(|d| (heading.clone().into(), row(d, zone))).collect::<Vec<_>>()
    })
}

fn row(difference: &Difference, zone: &TimeZone) -> String {
    let cell = |text: &str| code_cell(text, WORDS_CHARS_MAX);
    let what = match difference.fields.is_empty() {
        true => cell(difference.what.as_deref().unwrap_or_default()),
        false => cell(&difference.fields.join(", ")),
    };
    let waits = difference.action == Action::Wait;
    let why = match difference.message.as_str() {
        _ if waits => cell(&difference.reason),
        "" => cell(&difference.reason),
        message => format!("{} {}", cell(&difference.reason), cell(message)),
    };
    let when = difference.next_at.map_or_else(String::new, |at| ui::time(at, zone));
    let from = difference.path_before.as_ref().map(|path| format!(", before {}", cell(path)));
    format!(
        "| {} | {} ({}) | {what} | {why} | {when} | {}{} |\n",
        cell(difference.post.as_str()),
        cell(difference.account.as_str()),
        difference.platform,
        cell(&difference.path),
        from.unwrap_or_default()
    )
}
