//! `gitcast status`: what is recorded.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::decisions;
use super::error::Failure;
use super::exit::Exit;
use super::moment;
use super::notices;
use super::plan::{FORMAT_VERSION, zone};
use super::survey;
use super::text;
use super::ui::{self, Palette};
use super::workspace::{Book, Workspace};
use crate::domain::pause::{Pause, pause_of};
use crate::domain::publication::{Publication, State};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Of the rehearsal instead
    #[arg(long)]
    rehearse: bool,
    /// First ask the platforms whether what was published is as recorded, and record how it differs
    #[arg(long, conflicts_with_all = ["rehearse", "at"])]
    refresh: bool,
    /// As it was then: 2026-12-01T09:00, in the project's time zone unless it has its own
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let refreshed =
        arguments.refresh.then(|| survey::refresh(workspace, "status --refresh", None)).transpose()?;
    let loaded = workspace.project();
    let ledger = workspace.read_ledger(Book::of(arguments.rehearse), loaded.project.as_ref())?;
    let zone = zone(&loaded);
    let at = arguments.at.as_deref().map(|at| moment::read("--at", at, &zone)).transpose()?;
    let (mut publications, pauses) = match (&ledger, at) {
        (Some(ledger), Some(at)) => ledger.at(at)?,
        (Some(ledger), None) => (ledger.publications()?, ledger.pauses()?),
        (None, _) => (Vec::new(), Vec::new()),
    };
    let now = at.unwrap_or_else(|| workspace.clock.now());
    let on: Vec<&Pause> = pauses.iter().filter(|pause| pause.is_on(now)).collect();
    publications.retain(|p| workspace.selects(&p.post, &p.account, p.platform, &p.path));
    // How a login stood in the past is of no use to anybody.
    let ledger_now = ledger.as_ref().filter(|_| at.is_none() && !arguments.rehearse);
    let (notices, _) = notices::notices(ledger_now, &loaded, now, &zone)?;
    if workspace.global.json {
        let publications: Vec<Value> = publications.iter().map(|p| publication(p, &pauses, now)).collect();
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "at": at,
            "publications": publications,
            "pauses": on,
            "logins": notices,
            "refreshed": refreshed.as_ref().map(|refreshed| &refreshed.accounts),
        }));
    } else {
        let palette = workspace.palette;
        ui::print(&describe(&publications, palette, &zone));
        ui::print(&decisions::describe_pauses(&on, palette, &zone));
        notices.iter().for_each(|notice| ui::print(&format!("{}\n", notice.line(palette))));
        for account in refreshed.iter().flat_map(|refreshed| &refreshed.accounts) {
            ui::print(&format!("{}\n", account.line()));
        }
    }
    Ok(refreshed.map_or(Exit::Converged, |refreshed| refreshed.exit()))
}

/// A publication as scripts see it.
pub(super) fn publication(p: &Publication, pauses: &[Pause], now: Timestamp) -> Value {
    json!({
        "post": p.post,
        "account": p.account,
        "platform": p.platform,
        "state": p.state,
        "reason": p.reason.as_ref().map(|r| &r.code),
        "message": p.reason.as_ref().map(|r| &r.message),
        "digest": p.digest,
        "revision": p.revision,
        "remote_id": p.remote.id,
        "remote_url": p.remote.url,
        "next_at": p.next_at,
        "attempts": p.attempts,
        "updated_at": p.updated_at,
        "path": p.path,
        "paused": pause_of(pauses, (&p.post, &p.account, p.platform), now),
    })
}

fn describe(publications: &[Publication], palette: Palette, zone: &TimeZone) -> String {
    if publications.is_empty() {
        return "Nothing is recorded yet.\n".to_owned();
    }
    let width = |f: fn(&Publication) -> usize| publications.iter().map(f).max().unwrap_or(0);
    let (posts, accounts) = (width(|p| p.post.as_str().len()), width(|p| p.account.as_str().len()));
    let mut out = String::new();
    for p in publications {
        let padded = format!("{:<10}", p.state.as_str());
        out += &format!(
            "{} {:posts$}  {:accounts$}  {}  {}\n",
            state(p.state, &padded, palette),
            p.post.as_str(),
            p.account.as_str(),
            ui::time(p.updated_at, zone),
            detail(p, zone),
        );
        if p.state == State::Held {
            out += &ways_out(p);
        }
    }
    out
}

/// A state in its colour.
pub(super) fn state(state: State, shown: &str, palette: Palette) -> String {
    match state {
        State::Published | State::Delivered | State::Deleted => palette.good(shown),
        State::Failed | State::Held => palette.bad(shown),
        _ => palette.notable(shown),
    }
}

fn detail(p: &Publication, zone: &TimeZone) -> String {
    let why = p.reason.as_ref().map(|r| text::one_line(&r.message, 200));
    let next =
        p.next_at.filter(|_| p.state.is_in_flight()).map(|at| format!("next look at {}", ui::time(at, zone)));
    let url = p.remote.url.as_deref().map(|url| text::one_line(url, 300)).or(match p.state {
        State::Published => Some("without a public link".to_owned()),
        State::Delivered => Some("in the creator's inbox".to_owned()),
        _ => None,
    });
    [url, why, next].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The commands that settle what nobody could find out.
pub(super) fn ways_out(p: &Publication) -> String {
    let (post, account) = (&p.post, &p.account);
    format!(
        "    it is there:      gitcast resolve {post} {account} --published URL\n    it is not there:  gitcast resolve {post} {account} --not-published\n    leave it:         gitcast resolve {post} {account} --abandon\n"
    )
}
