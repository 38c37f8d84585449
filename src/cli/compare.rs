//! `gitcast plan --base`: what a change of content comes to, from two commits alone. For reviews of what others propose:
//! no ledger, no secrets, no network, no checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::branch::{below, failure, trees_failure};
use super::error::Failure;
use super::exit::Exit;
use super::github::Step;
use super::markdown::file::Target;
use super::markdown::{self, Proposal};
use super::plan::{self, FORMAT_VERSION, Gates, zone};
use super::render::{self, Format};
use super::text;
use super::ui::{self, Palette};
use super::workspace::{Workspace, source_of};
use crate::content::scan::Threads;
use crate::content::tree::{Listing, Repository, TreeError};
use crate::content::trees::{Sheet, differing, is_for_all, manifests_of, scratch};
use crate::domain::comparison::{Difference, Kind, Side, compare};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::PostId;
use crate::domain::media::Medium;
use crate::domain::plan::{Action, Desired};
use crate::platform::Keys;
use crate::platform::http::Http;
use crate::reconcile::desired::{self, Loaded, Source};

/// How much of a hash is told.
const ID_CHARS: usize = 12;
/// How much of a name, a message and a list of fields.
const LINE_CHARS: usize = 400;

/// What is compared.
pub(super) struct Wanted<'a> {
    pub base: &'a str,
    pub head: &'a str,
    pub gates: &'a Gates,
    pub detailed_exitcode: bool,
    pub markdown_into: Option<&'a Target>,
    pub step: Option<&'a Step>,
}

pub(super) fn run(workspace: &Workspace, wanted: &Wanted) -> Result<Exit, Failure> {
    let variable = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    let below = below(workspace)?;
    let repository = Repository::of(&workspace.content, &variable).map_err(|error| failure(&error))?;
    let commit = |name: &str| repository.commit(name).map_err(|error| failure(&error));
    let head = commit(wanted.head)?;
    // What the base got after the head left it is no change of the head's.
    let base = repository.merge_base(&commit(wanted.base)?, &head).map_err(|error| failure(&error))?;
    let after = repository.listing(&head).map_err(|error| failure(&error))?;
    let before = match repository.listing(&base) {
        Err(TreeError::NoContent { .. }) => Listing::default(),
        other => other.map_err(|error| failure(&error))?,
    };
    let scratch = scratch(variable).ok_or_else(|| {
        Failure::error("there is no cache folder to unpack commits in").hint("set XDG_CACHE_HOME or HOME")
    })?;
    let here = Sheet::write(&repository, &after, scratch.path().join("head"), &below, None);
    let here = here.map_err(trees_failure)?;
    let theirs = load(workspace, &here);
    let touched = Touched::of(&theirs, (&before, &after), &below);
    let kept = before.only(|path| touched.is_in_base(path));
    let there = Sheet::write(&repository, &kept, scratch.path().join("base"), &below, Some((&here, &after)));
    let there = there.map_err(trees_failure)?;
    let ours = touched.complete(load(workspace, &there), &theirs);
    let (before, after) = (broken(&ours, &theirs), broken(&theirs, &ours));
    let policy = theirs.project.as_ref().map(|project| project.policy).unwrap_or_default();
    let (mut differences, mut plan) = compare(
        Side { desired: &ours.desired, broken: &before },
        Side { desired: &theirs.desired, broken: &after },
        theirs.complete,
        (policy, wanted.gates.overrides()),
        workspace.clock.now(),
    );
    differences.retain(|d| workspace.selects(&d.post, &d.account, d.platform, &d.path));
    plan.changes.retain(|c| workspace.selects(&c.post, &c.account, c.platform, &c.path));
    let (new, known): (Vec<_>, Vec<_>) =
        theirs.diagnostics.iter().cloned().partition(|found| is_new(found, &ours.diagnostics));
    let counts = counts(&differences);
    if wanted.markdown_into.is_some() || wanted.step.is_some() {
        let text = markdown::proposal(&Proposal {
            differences: &differences,
            plan: &plan,
            loaded: &theirs,
            new: &new,
            known: &known,
            commits: (&base.as_str()[..ID_CHARS], &head.as_str()[..ID_CHARS]),
            totals: &counts,
        });
        wanted.markdown_into.iter().try_for_each(|target| target.write(&text))?;
        wanted.step.iter().try_for_each(|step| step.summarize(&text))?;
    }
    if let Some(step) = wanted.step {
        step.set(&[
            ("changes", differences.len().to_string()),
            ("has-changes", (!differences.is_empty()).to_string()),
        ])?;
    }
    if workspace.global.json {
        let diagnostics = [rows(&known, false), rows(&new, true)].concat();
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "base": base,
            "head": head,
            "changes": differences,
            "diagnostics": diagnostics,
        }));
    } else {
        let (on_disk, content) = (source_of(here.root(), &here.content()), below.clone());
        let source = |path: &str| {
            let name = Path::new(path).strip_prefix(&content).ok().and_then(Path::to_str);
            name.and_then(|name| here.held.text(name)).or_else(|| on_disk(path))
        };
        let (base, head) = (&base.as_str()[..ID_CHARS], &head.as_str()[..ID_CHARS]);
        report(workspace, &known, &source)?;
        if !new.is_empty() {
            ui::tell(&format!("New since {base}:"));
        }
        report(workspace, &new, &source)?;
        ui::tell(&format!(
            "From {base}, where {} and {} part, to {head}. What is in it and due counts as published.",
            text::one_line(wanted.base, LINE_CHARS),
            text::one_line(wanted.head, LINE_CHARS)
        ));
        ui::print(&describe(&differences, &theirs, workspace.palette));
        ui::print(&format!(
            "{counts}; {}, {} of them new.\n",
            render::summary(&theirs.diagnostics),
            new.len()
        ));
    }
    Ok(Exit::of([
        workspace.verdict(&theirs.diagnostics),
        plan::gates(&plan),
        match wanted.detailed_exitcode && !differences.is_empty() {
            true => Exit::ChangesPending,
            false => Exit::Converged,
        },
    ]))
}

/// Posts whose manifests hold errors here. Where no id could be read, the manifest of the same path tells it.
fn broken(here: &Loaded, there: &Loaded) -> BTreeSet<PostId> {
    let paths: BTreeSet<&String> = here.broken_paths.iter().collect();
    let by_path = there.desired.iter().filter(|desired| paths.contains(&desired.path));
    here.broken.iter().cloned().chain(by_path.map(|desired| desired.post.clone())).collect()
}

/// Reads and judges what was unpacked. No key is looked up: what others propose is not judged with secrets at hand.
fn load(workspace: &Workspace, sheet: &Sheet) -> Loaded {
    let content = sheet.content();
    let source = Source {
        root: sheet.root(),
        content: &content,
        stand_in: None,
        threads: Threads::Many,
        held: Some(&sheet.held),
    };
    let keys: Keys = Arc::new(|_: &str| None);
    desired::load(&source, None, &Http::new(workspace.clock.clone()), &keys)
}

/// Manifests that the head says something else of than the base, and those with problems. All others are read once.
struct Touched {
    /// As diagnostics name them.
    paths: BTreeSet<String>,
    /// The same, below `content/`.
    manifests: BTreeSet<OsString>,
    /// Something that all posts depend on has changed.
    all: bool,
}

impl Touched {
    fn of(theirs: &Loaded, (before, after): (&Listing, &Listing), below: &Path) -> Touched {
        let differing = differing(before, after);
        let by_media = theirs.desired.iter().filter(|desired| {
            let media = desired.payload.iter().flat_map(|payload| &payload.media);
            media.into_iter().any(|medium| match medium {
                Medium::File { path, .. } => differing.contains(Path::new(path).as_os_str()),
                Medium::Url { .. } => false,
            })
        });
        let mut manifests: BTreeSet<OsString> = manifests_of(&differing);
        let name =
            |path: &str| Path::new(path).strip_prefix(below).ok().map(|path| path.as_os_str().to_owned());
        manifests.extend(by_media.filter_map(|desired| name(&desired.path)));
        let found = theirs.diagnostics.iter();
        let places = found.flat_map(|d| std::iter::once(&d.path).chain(d.related.iter().map(|r| &r.path)));
        manifests.extend(places.filter_map(|path| name(path)));
        let shown = |path: &OsString| below.join(path).to_string_lossy().into_owned();
        let paths = manifests.iter().map(shown).collect();
        Touched { paths, all: is_for_all(&differing), manifests }
    }

    /// Whether this file of the base has to be read.
    fn is_in_base(&self, path: &std::ffi::OsStr) -> bool {
        let is_manifest = !manifests_of(&BTreeSet::from([path])).is_empty();
        self.all || !is_manifest || self.manifests.contains(path)
    }

    /// The base with the posts that are the same in the head.
    fn complete(&self, mut ours: Loaded, theirs: &Loaded) -> Loaded {
        let same = |desired: &&Desired| !self.all && !self.paths.contains(&desired.path);
        let same: Vec<Desired> = theirs.desired.iter().filter(same).cloned().collect();
        let ids: BTreeSet<_> = same.iter().map(|desired| &desired.post).collect();
        // Two manifests of one id, one of which was not read.
        let twice: BTreeSet<_> =
            ours.desired.iter().map(|d| &d.post).filter(|post| ids.contains(post)).cloned().collect();
        ours.desired.retain(|desired| !twice.contains(&desired.post));
        ours.desired.extend(same.into_iter().filter(|desired| !twice.contains(&desired.post)));
        ours.broken.extend(twice);
        ours
    }
}

/// Whether the base had no such problem. Its place in the file does not count.
fn is_new(found: &Diagnostic, before: &[Diagnostic]) -> bool {
    !before.iter().any(|b| (&b.code, &b.path, &b.message) == (&found.code, &found.path, &found.message))
}

fn rows(diagnostics: &[Diagnostic], is_new: bool) -> Vec<serde_json::Value> {
    let row = |row| {
        let mut row = json!(row);
        row["new"] = is_new.into();
        row
    };
    render::json_diagnostics(diagnostics).into_iter().map(row).collect()
}

fn report(
    workspace: &Workspace,
    diagnostics: &[Diagnostic],
    source: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Failure> {
    let mut out = std::io::stderr().lock();
    Ok(render::diagnostics(Format::Text, diagnostics, source, workspace.palette.is_on(), &mut out)?)
}

/// The differences for people, account by account.
fn describe(differences: &[Difference], theirs: &Loaded, palette: Palette) -> String {
    let mut accounts: BTreeMap<_, Vec<&Difference>> = BTreeMap::new();
    differences.iter().for_each(|d| accounts.entry(&d.account).or_default().push(d));
    let mut out = String::new();
    for (account, differences) in accounts {
        let platform = differences.first().map_or("", |d| d.platform.as_str());
        out += &format!("{} ({platform})\n", palette.strong(account.as_str()));
        for difference in differences {
            out += &line(difference, theirs, palette);
        }
        out.push('\n');
    }
    out
}

fn line(difference: &Difference, theirs: &Loaded, palette: Palette) -> String {
    let sigil = difference.action.sigil().to_string();
    let sigil = match difference.action {
        Action::Publish | Action::Edit => palette.good(&sigil),
        Action::Refuse | Action::Diverged | Action::Undeletable => palette.bad(&sigil),
        _ => palette.notable(&sigil),
    };
    let mut about = word(difference.change).to_owned();
    if !difference.fields.is_empty() {
        about += &format!(" ({})", text::one_line(&difference.fields.join(", "), LINE_CHARS));
    }
    let why = match difference.next_at.filter(|_| difference.action == Action::Wait) {
        Some(at) => format!("due at {}", ui::time(at, &zone(theirs))),
        None => text::one_line(&difference.message, LINE_CHARS),
    };
    let from = difference.path_before.as_ref().map_or(String::new(), |path| format!(", before {path}"));
    let place = text::one_line(&format!("{}{from}", difference.path), LINE_CHARS);
    format!(
        "  {sigil} {}  {about}\n      {}: {why}\n      {}\n",
        palette.strong(difference.post.as_str()),
        difference.reason,
        palette.faint(&place)
    )
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::New => "new",
        Kind::Changed => "changed",
        Kind::Mended => "mended",
        Kind::Broken => "broken",
        Kind::Renamed => "renamed",
        Kind::Tombstoned => "tombstoned",
        Kind::Removed => "removed",
    }
}

fn counts(differences: &[Difference]) -> String {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    differences.iter().for_each(|d| *counts.entry(d.change).or_default() += 1);
    let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {}", word(*kind))).collect();
    if counts.is_empty() { "No post differs".to_owned() } else { counts.join(", ") }
}
