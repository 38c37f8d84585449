//! `gitcast comments list`: the comments below a live post, the newest first.

use clap::Args;
use serde_json::{Value, json};

use super::{Live, live};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::{FORMAT_VERSION, zone};
use crate::cli::table::{self, Column, count};
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{runtime, text, ui};
use crate::domain::ids::{AccountName, PostId};
use crate::domain::retry::ErrorKind;
use crate::platform::Error;
use crate::platform::comments::Comment;
use crate::reconcile::listing::comments;

const COMMAND: &str = "comments list";
/// However few are on each.
const PAGES_MAX: usize = 50;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The post's id
    id: PostId,
    /// The account, if the post is on several
    #[arg(long, value_name = "NAME")]
    account: Option<AccountName>,
    /// At most so many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let Live { account, platform, remote_id } =
        live(workspace, &loaded, &arguments.id, arguments.account.as_ref())?;
    let Some(source) = platform.comments() else {
        return Err(Failure::error("gitcast reads no comments there"));
    };
    let mut ledger = workspace.existing_ledger(Book::Real, loaded.project.as_ref(), COMMAND)?;
    let (limit, actor) = (arguments.limit as usize, workspace.actor(COMMAND));
    let mut found: Vec<Comment> = Vec::new();
    let mut cursor: Option<String> = None;
    let ended: Result<bool, Failure> = runtime::start()?.block_on(async {
        let stop = runtime::listen_for_stop();
        for _ in 0..PAGES_MAX {
            if *stop.borrow() {
                return Err(Failure::new(Exit::Interrupted, "interrupted"));
            }
            let moment = (workspace.clock.now(), actor.as_str());
            let whose = (&account, remote_id.as_str());
            let page =
                comments(&mut ledger, (source, platform.rates()), whose, cursor.as_deref(), moment).await?;
            let page = page.map_err(|error| refused(&error))?;
            // One that was written meanwhile moves others to the next page.
            let is_new = |comment: &Comment| !found.iter().any(|known| known.id == comment.id);
            let new: Vec<_> = page.comments.into_iter().filter(is_new).collect();
            found.extend(new);
            cursor = page.next.filter(|next| cursor.as_ref() != Some(next));
            if cursor.is_none() || found.len() >= limit {
                break;
            }
        }
        Ok(cursor.is_none() && found.len() <= limit)
    });
    found.sort_by_key(|comment| std::cmp::Reverse(comment.at));
    found.truncate(limit);
    if workspace.global.json {
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "post": arguments.id,
            "account": account,
            "remote_id": remote_id,
            "comments": found.iter().map(document).collect::<Vec<_>>(),
            "complete": ended.as_ref().is_ok_and(|complete| *complete),
        }));
    } else if found.is_empty() && ended.is_ok() {
        ui::tell("Nobody has commented.");
    } else {
        let zone = zone(&loaded);
        let day = |comment: &Comment| comment.at.map_or(String::new(), |at| ui::time(at, &zone));
        ui::print(&describe(&found, &day, workspace.palette));
    }
    ended.map(|_| Exit::Converged)
}

fn refused(error: &Error) -> Failure {
    let exit = match error.kind {
        ErrorKind::RateLimited | ErrorKind::Transient => Exit::Temporary,
        _ => Exit::Error,
    };
    Failure::new(exit, "the comments cannot be read").cause(error)
}

fn document(comment: &Comment) -> Value {
    json!({
        "id": comment.id,
        "text": comment.text,
        "by": comment.by,
        "at": comment.at,
        "likes": comment.likes,
        "replies": comment.replies,
        "own": comment.is_own,
        "hidden": comment.is_hidden,
    })
}

fn describe(comments: &[Comment], day: &dyn Fn(&Comment) -> String, palette: ui::Palette) -> String {
    let column = |head, is_number, least, cell: &dyn Fn(&Comment) -> String| Column {
        head,
        is_number,
        least,
        cells: comments.iter().map(cell).collect(),
    };
    let by = |comment: &Comment| match (comment.is_own, comment.is_hidden) {
        (true, _) => "yourself".to_owned(),
        (false, true) => format!("{} (hidden)", comment.by),
        (false, false) => comment.by.clone(),
    };
    let columns = vec![
        column("id", false, None, &|comment| comment.id.clone()),
        column("text", false, Some(20), &|comment| text::one_line(&comment.text, 120)),
        column("by", false, Some(8), &by),
        column("likes", true, None, &|comment| count(comment.likes)),
        column("answers", true, None, &|comment| count(comment.replies)),
        column("when", false, None, day),
    ];
    let table = table::table(columns, table::width());
    let mut out = format!("{}\n", palette.faint(&table.head));
    table.rows.iter().for_each(|row| out += &format!("{row}\n"));
    out
}
