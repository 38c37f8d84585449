//! `gitcast comments reply`: the manifest of an answer. An answer is a post like any other: it is reviewed, planned, sent
//! once and recorded. Nothing is asked or sent here.

use clap::Args;
use serde_json::json;

use super::{Live, live};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::files::create_whole;
use crate::cli::new::refuse_known;
use crate::cli::plan::{self, FORMAT_VERSION};
use crate::cli::ui;
use crate::cli::workspace::Workspace;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::manifest::write;
use crate::domain::resolution::is_remote_id;

/// Below `content/`.
const FOLDER: &str = "replies";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The id of the post that was commented on
    id: PostId,
    /// The id of the comment, as `gitcast comments list` shows it
    comment: String,
    /// What is answered
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// The account, if the post is on several
    #[arg(long, value_name = "NAME")]
    account: Option<AccountName>,
    /// The id of the answer [default: reply-COMMENT]
    #[arg(long = "id", value_name = "ID")]
    new_id: Option<PostId>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let comment = &arguments.comment;
    // It becomes a part of a manifest.
    if !is_remote_id(comment) || !comment.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::usage(format!("{comment:?} is no id of a comment"))
            .hint(format!("`gitcast comments list {}` shows the ids", arguments.id)));
    }
    let mut loaded = workspace.load(None)?;
    let Live { account, platform, remote_id } =
        live(workspace, &loaded, &arguments.id, arguments.account.as_ref())?;
    let Some(source) = platform.comments() else {
        return Err(Failure::error("gitcast answers no comments there"));
    };
    let id = match &arguments.new_id {
        Some(id) => id.clone(),
        None => format!("reply-{comment}").parse().map_err(|_| {
            Failure::usage("the comment's id makes no id of a post").hint("choose one: --id ID")
        })?,
    };
    refuse_known(workspace, &loaded, &id)?;
    let manifest = write::reply(&id, &account, &arguments.text, &source.reply_to(&remote_id, comment));
    let (folder, name) = (workspace.content.join(FOLDER), format!("{id}.yaml"));
    let path = folder.join(&name);
    if !create_whole(&folder, &name, manifest.as_bytes())? {
        let failure = Failure::usage(format!("{} is there already, and was left as it is", path.display()));
        return Err(failure.hint("choose another id: --id ID"));
    }
    if workspace.global.json {
        let path = path.display().to_string();
        ui::print_json(&json!({ "format_version": FORMAT_VERSION, "id": id, "path": path }));
    } else {
        ui::tell(&format!("  created  {}", path.display()));
        ui::tell("Nothing is sent yet: `gitcast plan` shows it, `gitcast apply` sends it, once.");
    }
    loaded = workspace.load(None)?;
    if loaded.desired.iter().any(|desired| desired.post == id) {
        return Ok(Exit::Converged);
    }
    loaded.diagnostics.retain(|found| found.path.ends_with(&format!("{FOLDER}/{name}")));
    plan::report_diagnostics(workspace, &loaded)?;
    Ok(Exit::Error)
}
