//! `gitcast resolve` and `gitcast retry`: what a person decides, recorded with who and why.

use clap::Args;

use super::error::Failure;
use super::exit::Exit;
use super::text;
use super::ui;
use super::workspace::{Book, Workspace};
use crate::domain::event::Event;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::publication::{Change, Reason, Remote, Settlement};
use crate::domain::url;
use crate::ledger::Ledger;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("settlement").required(true))]
pub(super) struct Resolve {
    #[command(flatten)]
    which: Which,
    /// It is live, at this address
    #[arg(long, value_name = "URL", group = "settlement")]
    published: Option<String>,
    /// It is not there; the next apply may publish it
    #[arg(long, group = "settlement")]
    not_published: bool,
    /// Leave it
    #[arg(long, group = "settlement")]
    abandon: bool,
}

#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The post's id
    id: PostId,
    /// The account
    account: AccountName,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// In the rehearsal's ledger
    #[arg(long)]
    rehearse: bool,
}

pub(super) fn resolve(workspace: &Workspace, arguments: &Resolve) -> Result<Exit, Failure> {
    let (settlement, says) = match &arguments.published {
        Some(url) => {
            let remote = Remote { id: None, url: Some(checked_url(url)?) };
            (Settlement::Published { remote }, "it is published")
        }
        None if arguments.not_published => (Settlement::NotPublished, "it is not published"),
        None => (Settlement::Abandoned, "it is abandoned"),
    };
    let words = ("settled-by-hand", says);
    record(workspace, &arguments.which, "resolve", &words, |reason| Change::Settled { settlement, reason })
}

pub(super) fn retry(workspace: &Workspace, arguments: &Retry) -> Result<Exit, Failure> {
    record(workspace, &arguments.which, "retry", &RETRIED, |reason| Change::Retried { reason })
}

/// Records it as done by `command`.
pub(super) fn record_retry(
    workspace: &Workspace,
    ledger: &mut Ledger,
    command: &str,
    of: (&PostId, &AccountName),
    why: &str,
) -> Result<(), Failure> {
    append(workspace, ledger, (command, &RETRIED), (of, why), |reason| Change::Retried { reason })
}

/// How a decision is recorded: its code, and what it says.
type Words = (&'static str, &'static str);

const RETRIED: Words = ("retried-by-hand", "try again");

fn record(
    workspace: &Workspace,
    which: &Which,
    command: &str,
    words: &Words,
    change: impl FnOnce(Reason) -> Change,
) -> Result<Exit, Failure> {
    workspace.refuse_now()?;
    let book = Book::of(which.rehearse);
    let project = workspace.project().project;
    let mut ledger = workspace.existing_ledger(book, project.as_ref(), command)?;
    append(workspace, &mut ledger, (command, words), ((&which.id, &which.account), &which.why), change)?;
    ui::tell(&format!("Recorded: {} on {}: {}.", which.id, which.account, words.1));
    print_publication(workspace, &ledger, &which.id, &which.account)?;
    Ok(Exit::Converged)
}

fn append(
    workspace: &Workspace,
    ledger: &mut Ledger,
    (command, (code, says)): (&str, &Words),
    ((post, account), why): ((&PostId, &AccountName), &str),
    change: impl FnOnce(Reason) -> Change,
) -> Result<(), Failure> {
    let Some(publication) = ledger.publication(post, account)? else {
        return Err(Failure::error(format!("nothing is recorded of {post} on {account}")));
    };
    let actor = workspace.actor(command);
    let change = change(Reason::new(*code, format!("{actor}: {says}{}", because(why))));
    let event = Event::Publication { post: post.clone(), account: account.clone(), change };
    match ledger.append(workspace.clock.now(), &actor, &[event]) {
        Ok(_) => Ok(()),
        Err(crate::ledger::Error::Illegal(_)) => Err(Failure::error(format!(
            "{post} on {account} is {}: there is nothing to {command}",
            publication.state
        ))),
        Err(error) => Err(error.into()),
    }
}

/// With `--json`, the document of what a person has decided about.
pub(super) fn print_publication(
    workspace: &Workspace,
    ledger: &Ledger,
    id: &PostId,
    account: &AccountName,
) -> Result<(), Failure> {
    if workspace.global.json {
        let (pauses, now) = (ledger.pauses()?, workspace.clock.now());
        let found = ledger.publication(id, account)?;
        let publications: Vec<_> =
            found.iter().map(|p| super::status::publication(p, &pauses, now)).collect();
        ui::print_json(&serde_json::json!({
            "format_version": super::plan::FORMAT_VERSION,
            "publications": publications,
        }));
    }
    Ok(())
}

/// A person's reason, behind what was recorded.
pub(super) fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({})", text::one_line(why, 400)) }
}

pub(super) fn checked_url(address: &str) -> Result<String, Failure> {
    let wanted = "--published wants the address of the post: https://…";
    url::check_page(address).map_err(|error| Failure::usage(wanted).cause(&error))?;
    Ok(address.to_owned())
}
