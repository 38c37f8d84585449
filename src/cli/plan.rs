//! `gitcast plan`: what would happen, and why. Writes nothing, asks nobody.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::compare::{self, Wanted};
use super::error::Failure;
use super::exit::Exit;
use super::github::Step;
use super::markdown::file::Target;
use super::notices::{self, Notice};
use super::render::{self, Format};
use super::settled::Situation;
use super::ui::{self, Palette};
use super::workspace::{Book, Workspace};
use super::{Global, decisions, markdown, text, trends};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::plan::{self, Action, Input, Overrides, Plan, Planned};
use crate::domain::publication::{Publication, State};
use crate::domain::resolution::Decided;
use crate::domain::telling;
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;

/// Version of the JSON documents that this program prints.
pub(super) const FORMAT_VERSION: u32 = 1;
/// The planner's reason for a post that is due and waits for one of the platform's caps.
pub(super) const CAP: &str = "cap";
/// How much of a text a plan shows.
const PREVIEW_CHARS: usize = 72;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Plan against the stand-in platforms and their own ledger
    #[arg(long)]
    rehearse: bool,
    /// Exit with 2 when changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also write the plan to this file, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write the plan to this file as Markdown, for a comment on a pull request
    #[arg(long, value_name = "FILE")]
    markdown_into: Option<PathBuf>,
    /// In GitHub Actions: add the plan to the step's summary, and set its outputs
    #[arg(long)]
    github: bool,
    /// Plan what --head changes since it left this branch or commit, from commits alone, without ledger, keys or network
    #[arg(long, value_name = "REF", conflicts_with_all = ["rehearse", "out", "with_trends"])]
    base: Option<String>,
    /// The branch or commit that is compared with --base
    #[arg(long, value_name = "REF", requires = "base", default_value = "HEAD")]
    head: String,
    #[command(flatten)]
    trends: trends::known::Wanted,
    #[command(flatten)]
    gates: Gates,
}

/// Gates that a person opens for one run.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Gates {
    /// Let this many new posts out on an account, whatever the policy says
    #[arg(long, value_name = "N")]
    max_new_posts: Option<u32>,
    /// Publish what is later than the policy's grace
    #[arg(long)]
    publish_late: bool,
    /// Publish what is older than the policy's `max_age`
    #[arg(long)]
    ignore_max_age: bool,
    /// Publish content that the account has already
    #[arg(long)]
    allow_duplicates: bool,
    /// Delete the live posts whose manifests say `state: deleted`
    #[arg(long)]
    allow_delete: bool,
}

impl Arguments {
    pub(super) fn book(&self) -> Book {
        Book::of(self.rehearse)
    }

    /// Whether it is about more than the plan on a terminal.
    pub(super) fn wants_more(&self) -> bool {
        self.out.is_some() || self.markdown_into.is_some() || self.github || self.trends.is_asked()
    }

    /// The command that makes the same plan, and carries it out.
    fn apply(&self, global: &Global) -> String {
        let selectors = |flag: &str, all: &[String]| -> String {
            all.iter().map(|one| format!(" {flag} '{}'", one.replace('\'', r"'\''"))).collect()
        };
        let (rehearse, gates) = (if self.rehearse { " --rehearse" } else { "" }, self.gates.flags());
        let (only, exclude) = (selectors("--only", &global.only), selectors("--exclude", &global.exclude));
        format!("gitcast apply{rehearse}{gates}{only}{exclude}")
    }
}

impl Gates {
    fn flags(&self) -> String {
        let flags = [
            (self.publish_late, "publish-late"),
            (self.ignore_max_age, "ignore-max-age"),
            (self.allow_duplicates, "allow-duplicates"),
            (self.allow_delete, "allow-delete"),
        ];
        let set: String =
            flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| format!(" --{name}")).collect();
        set + &self.max_new_posts.map(|n| format!(" --max-new-posts {n}")).unwrap_or_default()
    }

    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            max_new_posts: self.max_new_posts,
            publish_late: self.publish_late,
            allow_duplicates: self.allow_duplicates,
            ignore_max_age: self.ignore_max_age,
            allow_delete: self.allow_delete,
        }
    }
}

/// A plan as `--out` writes it and `--plan` reads it: the digest of its actions decides, the rest is for people.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PlanFile {
    pub format_version: u32,
    pub digest: String,
    pub changes: Vec<Planned>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let step = arguments.github.then(|| Step::of(|name| std::env::var_os(name))).transpose()?;
    let result = show(workspace, arguments, step.as_ref());
    let noted = step.map_or(Ok(()), |step| step.note_exit(&result));
    result.and_then(|exit| noted.map(|()| exit))
}

fn show(workspace: &Workspace, arguments: &Arguments, step: Option<&Step>) -> Result<Exit, Failure> {
    let markdown_into =
        arguments.markdown_into.as_deref().map(|path| Target::of(workspace, path)).transpose()?;
    if let Some(base) = &arguments.base {
        let (head, gates) = (&*arguments.head, &arguments.gates);
        let wanted = Wanted {
            base,
            head,
            gates,
            detailed_exitcode: arguments.detailed_exitcode,
            markdown_into: markdown_into.as_ref(),
            step,
        };
        return compare::run(workspace, &wanted);
    }
    let out = arguments.out.as_deref().map(|path| Target::of(workspace, path)).transpose()?;
    let cache = workspace.cache();
    let situation = || cache.as_ref().and_then(|cache| Situation::of(workspace, arguments, cache));
    let before = situation();
    if let Some((situation, cache)) = before.as_ref().zip(cache.as_ref())
        && let Some(text) = situation.recall(cache, workspace.clock.now())
    {
        ui::print(&text);
        return Ok(Exit::Converged);
    }
    let stand_in = if arguments.rehearse { Some(workspace.planned_stand_in()) } else { None };
    let mut loaded = workspace.load_with(cache.as_ref(), stand_in)?;
    let book = arguments.book();
    workspace.check_selectors(&loaded, book)?;
    let mut ledger = workspace.read_ledger(book, loaded.project.as_ref())?;
    match &mut ledger {
        Some(ledger) => workspace.expect_latest(book, ledger)?,
        None => workspace.refuse_lost_ledger(book)?,
    }
    let moment = (workspace.clock.now(), workspace.actor("apply"));
    let decided = decisions::make(workspace, &mut loaded, ledger.as_ref(), (moment.0, &moment.1))?;
    let recorded = &decided.recorded;
    let plan = make(workspace, &loaded, ledger.as_ref(), &decided, &arguments.gates)?;
    let real = ledger.as_ref().filter(|_| book == Book::Real);
    let (notices, notices_hold) = notices::notices(real, &loaded, moment.0, &zone(&loaded))?;
    if let Some(target) = &out {
        let file = PlanFile {
            format_version: FORMAT_VERSION,
            digest: plan.digest().to_string(),
            changes: plan.changes.clone(),
        };
        target.write(&serde_json::to_string_pretty(&file).map_err(std::io::Error::other)?)?;
    }
    if markdown_into.is_some() || step.is_some() {
        let apply = arguments.apply(&workspace.global);
        let (decisions, logins) = (&decided.notes[..], &notices[..]);
        let text = markdown::plan(&markdown::Source {
            plan: &plan,
            loaded: &loaded,
            decisions,
            logins,
            apply: &apply,
        });
        markdown_into.iter().try_for_each(|target| target.write(&text))?;
        step.iter().try_for_each(|step| step.summarize(&text))?;
    }
    let has_changes = plan.acting().next().is_some() || !decided.events.is_empty();
    if let Some(step) = step {
        step.set(&[
            ("changes", plan.acting().count().to_string()),
            ("has-changes", has_changes.to_string()),
            ("digest", plan.digest().to_string()),
        ])?;
    }
    let trending = arguments.trends.read(workspace)?;
    if workspace.global.json {
        let mut document = document(&plan, recorded, &loaded, &decided, &notices);
        document["trending"] = json!(trending.map(|trending| trending.document(&plan)));
        ui::print_json(&document);
    } else {
        report_diagnostics(workspace, &loaded)?;
        notices.iter().for_each(|notice| ui::tell(&notice.line(workspace.palette)));
        ui::print(&decisions::describe(&decided, workspace.palette));
        let text = describe(&plan, workspace.palette, &zone(&loaded));
        ui::print(&text);
        trending.iter().for_each(|trending| ui::print(&trending.report(&plan, workspace.palette)));
        // If something changed meanwhile, nobody knows whether it was read before or after.
        if let Some((situation, cache)) =
            before.filter(|before| situation().as_ref() == Some(before)).zip(cache.as_ref())
            && loaded.complete
            && loaded.diagnostics.is_empty()
            && notices.is_empty()
        {
            situation.keep(cache, &plan, notices_hold.min(loaded.holds_until()), &text);
        }
    }
    Ok(Exit::of([
        workspace.verdict(&loaded.diagnostics),
        gates(&plan),
        if notices.iter().any(|notice| notice.hinders(&plan)) { Exit::LoginNeeded } else { Exit::Converged },
        if arguments.detailed_exitcode && has_changes { Exit::ChangesPending } else { Exit::Converged },
    ]))
}

/// The plan for what is selected; the rest of the ledger still stands behind its fences.
pub(super) fn make(
    workspace: &Workspace,
    loaded: &Loaded,
    ledger: Option<&Ledger>,
    decided: &Decided,
    gates: &Gates,
) -> Result<Plan, Failure> {
    let recorded = &decided.recorded[..];
    let now = workspace.clock.now();
    let spent = ledger.map(|ledger| loaded.spent(ledger, now)).transpose()?.unwrap_or_default();
    let by_path = recorded.iter().filter(|p| loaded.broken_paths.contains(&p.path)).map(|p| p.post.clone());
    let broken = loaded.broken.iter().cloned().chain(by_path).collect();
    let mut plan = plan::plan(&Input {
        desired: &loaded.desired,
        recorded,
        broken: &broken,
        complete: loaded.complete,
        caps: &loaded.caps,
        spent: &spent,
        policy: loaded.project.as_ref().map(|p| p.policy).unwrap_or_default(),
        overrides: gates.overrides(),
        pauses: &decided.pauses,
        now,
    });
    plan.changes.retain(|c| workspace.selects(&c.post, &c.account, c.platform, &c.path));
    Ok(plan)
}

pub(super) fn gates(plan: &Plan) -> Exit {
    if plan.changes.iter().any(|c| c.action == Action::Refuse) { Exit::Refused } else { Exit::Converged }
}

pub(super) fn zone(loaded: &Loaded) -> TimeZone {
    loaded.project.as_ref().map_or(TimeZone::UTC, |project| project.timezone.clone())
}

pub(super) fn report_diagnostics(workspace: &Workspace, loaded: &Loaded) -> Result<(), Failure> {
    report(workspace, &loaded.diagnostics)
}

pub(super) fn report(workspace: &Workspace, diagnostics: &[Diagnostic]) -> Result<(), Failure> {
    let mut out = std::io::stderr().lock();
    let palette = workspace.palette.is_on();
    Ok(render::diagnostics(Format::Text, diagnostics, &workspace.source(), palette, &mut out)?)
}

fn document(
    plan: &Plan,
    recorded: &[Publication],
    loaded: &Loaded,
    decided: &Decided,
    notices: &[Notice],
) -> serde_json::Value {
    let recorded: HashMap<_, _> = recorded.iter().map(|p| ((&p.post, &p.account), p)).collect();
    let publications: Vec<_> = plan
        .changes
        .iter()
        .map(|change| planned_publication(change, recorded.get(&(&change.post, &change.account)).copied()))
        .collect();
    json!({
        "format_version": FORMAT_VERSION,
        "digest": plan.digest(),
        "changes": plan.changes,
        "publications": publications,
        "decisions": decided.notes,
        "logins": notices,
        "diagnostics": render::json_diagnostics(&loaded.diagnostics),
    })
}

pub(super) fn planned_publication(change: &Planned, recorded: Option<&Publication>) -> serde_json::Value {
    json!({
        "post": change.post,
        "account": change.account,
        "platform": change.platform,
        "state": recorded.map_or(State::Planned, |p| p.state),
        "reason": change.reason,
        "message": change.message,
        "digest": change.digest,
        "remote_id": recorded.and_then(|p| p.remote.id.clone()),
        "remote_url": recorded.and_then(|p| p.remote.url.clone()),
        "next_at": change.next_at,
        "attempts": recorded.map_or(0, |p| p.attempts),
        "path": change.path,
    })
}

/// The plan for people, account by account.
pub(super) fn describe(plan: &Plan, palette: Palette, zone: &TimeZone) -> String {
    let mut out = String::new();
    let mut accounts: BTreeMap<_, Vec<&Planned>> = BTreeMap::new();
    for change in plan.changes.iter().filter(|c| !matches!(c.action, Action::Unchanged | Action::Orphaned)) {
        accounts.entry(&change.account).or_default().push(change);
    }
    for (account, changes) in accounts {
        let platform = changes.first().map_or("", |c| c.platform.as_str());
        out += &format!("{} ({platform})\n", palette.strong(account.as_str()));
        changes.iter().for_each(|change| out += &describe_change(change, palette, zone));
        out.push('\n');
    }
    out + &totals(plan) + "\n"
}

pub(super) fn describe_change(change: &Planned, palette: Palette, zone: &TimeZone) -> String {
    let sigil = change.action.sigil().to_string();
    let sigil = match change.action {
        Action::Publish | Action::Replace | Action::Continue | Action::Edit => palette.good(&sigil),
        Action::Refuse | Action::Hold | Action::Failed | Action::Delete => palette.bad(&sigil),
        _ => palette.notable(&sigil),
    };
    let mut what: Vec<String> = change.what.iter().map(|what| text::one_line(what, PREVIEW_CHARS)).collect();
    if let Some(estimate) = change.estimate.as_ref().filter(|_| change.action.acts()) {
        what.extend(telling::cost(estimate));
    }
    let mut out = format!("  {sigil} {}  {}\n", palette.strong(change.post.as_str()), what.join(", "));
    let mut why = text::one_line(&change.message, 400);
    if let Some(at) = change.next_at.filter(|_| change.action == Action::Wait) {
        why = match change.reason.as_str() {
            "scheduled" => format!("due at {}", ui::time(at, zone)),
            _ => format!("{why} ({})", ui::time(at, zone)),
        };
    }
    out += &format!("      {}: {why}\n", change.reason);
    if let Some(preview) =
        change.text.as_deref().filter(|text| !text.trim().is_empty() && change.action.acts())
    {
        out +=
            &format!("      {}\n", palette.faint(&format!("“{}”", text::one_line(preview, PREVIEW_CHARS))));
    }
    out
}

pub(super) fn totals(plan: &Plan) -> String {
    let counts = counts(plan);
    match (plan.acting().count(), counts.is_empty()) {
        (0, true) => "Nothing to do.".to_owned(),
        (0, false) => format!("Nothing to do: {counts}."),
        _ => format!("Plan: {counts}. Digest {}", plan.digest()),
    }
}

/// `2 to publish, 1 waiting`; empty if there is nothing at all.
pub(super) fn counts(plan: &Plan) -> String {
    const WORDS: [(&str, &[Action]); 11] = [
        ("to publish", &[Action::Publish, Action::Replace]),
        ("to continue", &[Action::Continue]),
        ("to edit", &[Action::Edit]),
        ("to delete", &[Action::Delete]),
        ("waiting", &[Action::Wait]),
        ("refused", &[Action::Refuse]),
        ("held", &[Action::Hold]),
        ("failed", &[Action::Failed]),
        ("diverged", &[Action::Diverged, Action::Undeletable]),
        ("skipped", &[Action::Skip]),
        ("unchanged", &[Action::Unchanged, Action::Orphaned]),
    ];
    let count = |actions: &[Action]| plan.changes.iter().filter(|c| actions.contains(&c.action)).count();
    let counted = WORDS.iter().map(|(word, actions)| (word, count(actions))).filter(|(_, count)| *count > 0);
    counted.map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
