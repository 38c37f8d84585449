//! `gitcast new`: a manifest to begin with, valid as it is.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::plan::{FORMAT_VERSION, report, zone};
use super::scaffold::{Outcome, VIDEO, create};
use super::workspace::{Book, Workspace};
use super::{moment, ui};
use crate::domain;
use crate::domain::capability;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::manifest::write;
use crate::domain::project::Account;
use crate::ledger::{self, Ledger};
use crate::platform::{self, Starter};
use crate::reconcile::desired::Loaded;

/// Where editors find the schema, from `content/`: a folder that is no content, as its name begins with a dot.
const SCHEMA: &str = ".schema/manifest.json";
/// Far away, for a post that nobody gave a time: without one it would go out with the next `apply`.
const SOMETIME: &str = "2099-01-01T09:00";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The post's permanent name, which becomes its file's name, too
    #[arg(value_name = "ID")]
    id: PostId,
    /// For this account; may be repeated; for all of them unless given
    #[arg(long = "account", value_name = "NAME")]
    accounts: Vec<AccountName>,
    /// When it is published: 2026-12-01T09:00, in the project's time zone, or with an offset
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let Arguments { id, accounts, at } = arguments;
    let loaded = workspace.load(None)?;
    refuse_known(workspace, &loaded, id)?;
    let accounts = chosen(workspace, &loaded, accounts)?;
    if let Some(at) = at {
        moment::read("--at", at, &zone(&loaded))?;
    }
    let name = format!("{id}.yaml");
    if name == capability::FILE {
        return Err(Failure::usage(format!("{name} is a file of another kind: choose another id")));
    }
    let starters: Vec<(&Account, Starter)> = accounts.iter().map(|a| (*a, platform::starter(a))).collect();
    let needs_video = starters.iter().any(|(_, starter)| starter.needs_media);
    let text = manifest(id, at.as_deref(), &starters);
    let schema = domain::schema::manifest(platform::option_schemas());
    let schema = serde_json::to_string_pretty(&schema).map_err(std::io::Error::other)? + "\n";

    let path = workspace.content.join(&name);
    if create(&path, text.as_bytes())? == Outcome::Kept {
        let failure = Failure::usage(format!("{} is there already, and was left as it is", path.display()));
        return Err(failure.hint("choose another id, or move that file: a file's name means nothing"));
    }
    let mut files = vec![(path.clone(), Outcome::Created)];
    for (name, bytes, is_wanted) in
        [(format!("{id}.mp4"), VIDEO, needs_video), (SCHEMA.to_owned(), schema.as_bytes(), true)]
    {
        let path = workspace.content.join(name);
        if is_wanted {
            let outcome = create(&path, bytes)?;
            files.push((path, outcome));
        }
    }
    tell(workspace, &files);
    let mut loaded = workspace.load(None)?;
    if loaded.desired.iter().any(|desired| desired.post == *id) {
        return Ok(Exit::Converged);
    }
    loaded.diagnostics.retain(|found| found.path.ends_with(&name));
    report(workspace, &loaded.diagnostics)?;
    Ok(Exit::Error)
}

fn tell(workspace: &Workspace, files: &[(PathBuf, Outcome)]) {
    if workspace.global.json {
        let file = |(path, outcome): &(PathBuf, Outcome)| json!({ "path": path.display().to_string(), "outcome": outcome.as_str() });
        let files: Vec<_> = files.iter().map(file).collect();
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "files": files }));
    } else {
        files
            .iter()
            .for_each(|(path, outcome)| ui::tell(&format!("  {:<8} {}", outcome.as_str(), path.display())));
    }
}

/// An id is permanent: one that was used is not used again, whether its manifest is still there or not.
pub(super) fn refuse_known(workspace: &Workspace, loaded: &Loaded, id: &PostId) -> Result<(), Failure> {
    let known = |place: String| {
        let failure = Failure::usage(format!("there is a post {id} already, {place}"));
        Err(failure.hint("an id is never used twice: choose another one"))
    };
    if let Some(desired) = loaded.desired.iter().find(|desired| desired.post == *id) {
        return known(format!("in {}", desired.path));
    }
    if loaded.broken.contains(id) {
        return known("in a manifest with errors; see `gitcast validate`".to_owned());
    }
    // A checkout has no ledger, and needs none for this.
    let recorded = match Ledger::open_read(&workspace.ledger_path(Book::Real)) {
        Ok(ledger) => ledger.publications()?,
        Err(ledger::Error::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    match recorded.iter().find(|publication| publication.post == *id) {
        Some(publication) => known(format!("recorded from {}", publication.path)),
        None => Ok(()),
    }
}

fn chosen<'a>(
    workspace: &Workspace,
    loaded: &'a Loaded,
    names: &[AccountName],
) -> Result<Vec<&'a Account>, Failure> {
    let Some(project) = &loaded.project else {
        report(workspace, &workspace.project().diagnostics)?;
        let failure =
            Failure::error("gitcast.yaml is missing or not valid, and says which accounts there are");
        return Err(failure.hint("mend it, or set a project up with `gitcast init`"));
    };
    let all: Vec<&str> = project.accounts.iter().map(|account| account.name.value.as_str()).collect();
    for name in names {
        if project.account(name).is_none() {
            let failure = Failure::usage(format!("gitcast.yaml has no account {name}"));
            return Err(failure.hint(format!("it has: {}", all.join(", "))));
        }
    }
    let is_chosen = |account: &&Account| names.is_empty() || names.contains(&account.name.value);
    Ok(project.accounts.iter().filter(is_chosen).collect())
}

fn manifest(id: &PostId, at: Option<&str>, starters: &[(&Account, Starter)]) -> String {
    let mut text = format!(
        "# yaml-language-server: $schema={SCHEMA}\n\n# Permanent: this file may be renamed, the id may not.\nid: {}\n\n",
        write::name(id.as_str())
    );
    text += &match at {
        Some(at) => format!("publish_at: {at}\n\n"),
        None => format!(
            "# Far away, so that nothing goes out before you say when. Without this line it goes out as soon as it is applied.\npublish_at: {SOMETIME}\n\n"
        ),
    };
    text += "# For all accounts.\ntext: |\n  The text of this post.\n\n";
    text += &if starters.iter().any(|(_, starter)| starter.needs_media) {
        format!(
            "# Relative to this file. The video is an example, unless yours was there: put yours in its place.\nmedia:\n  - file: {id}.mp4\n    # For those who cannot see it.\n    alt: What the video shows\n\n"
        )
    } else {
        "# media:\n#   - file: photo.jpg    # relative to this file\n#     alt: What it shows, for those who cannot see it\n\n"
            .to_owned()
    };
    text += "to:\n";
    for (account, starter) in starters {
        text += &format!("  {}:\n", write::name(account.name.value.as_str()));
        starter.lines.iter().for_each(|line| text += &format!("    {line}\n"));
    }
    text
}
