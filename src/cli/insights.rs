//! `gitcast insights`: how live posts do, as it was read of them, and how that came about.

use std::fmt::Write;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::error::Failure;
use super::exit::Exit;
use super::plan::{FORMAT_VERSION, zone};
use super::table::{self, Column, count, curve};
use super::ui::{self, Palette};
use super::workspace::{Book, Workspace};
use super::{survey, text};
use crate::domain::ids::PostId;
use crate::domain::insight::Reading;
use crate::domain::publication::Publication;
use crate::ledger::Ledger;

const NOTHING: &str = "Nothing has been read of live posts yet: `gitcast insights --refresh` asks TikTok.";

#[derive(Debug, Args)]
#[command(after_help = "\
TikTok counts views, likes, comments and shares of public posts. `watch` reads them an hour after a post went out and then \
ever more seldom, for 90 days; --refresh reads them now. It takes a login with the scope video.list.")]
pub(super) struct Arguments {
    /// All that was read of this post, instead of the latest of each
    id: Option<PostId>,
    /// First ask the platforms, and record what they say
    #[arg(long, conflicts_with = "rehearse")]
    refresh: bool,
    /// All that was read, a line each, for a spreadsheet
    #[arg(long)]
    csv: bool,
    /// Of the rehearsal instead
    #[arg(long)]
    rehearse: bool,
}

/// A live post and what was read of it, oldest first.
struct Post {
    publication: Publication,
    readings: Vec<Reading>,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let is_json = workspace.global.json;
    if arguments.csv && is_json {
        return Err(Failure::usage("--csv and --json are two forms of the same: choose one"));
    }
    let id = arguments.id.as_ref();
    let refreshed =
        arguments.refresh.then(|| survey::refresh(workspace, "insights --refresh", id)).transpose()?;
    let loaded = workspace.project();
    let ledger = workspace.read_ledger(Book::of(arguments.rehearse), loaded.project.as_ref())?;
    let mut posts = ledger.as_ref().map(read).transpose()?.unwrap_or_default();
    posts.retain(|Post { publication: p, .. }| {
        id.is_none_or(|id| *id == p.post) && workspace.selects(&p.post, &p.account, p.platform, &p.path)
    });
    if let Some(id) = id.filter(|_| posts.is_empty()) {
        return Err(Failure::error(format!("nothing has been read of {id}")).hint(format!(
            "`gitcast insights {id} --refresh` asks; `gitcast show {id}` tells whether it is live"
        )));
    }
    let (zone, now) = (zone(&loaded), workspace.clock.now());
    if is_json {
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "posts": posts.iter().map(document).collect::<Vec<_>>(),
            "refreshed": refreshed.as_ref().map(|refreshed| &refreshed.accounts),
        }));
    } else if arguments.csv {
        ui::print(&csv(&posts));
    } else {
        let look = (workspace.palette, table::width());
        match id {
            _ if posts.is_empty() => ui::tell(NOTHING),
            None => ui::print(&latest(&posts, (now, &zone), look)),
            Some(_) => posts.iter().for_each(|post| ui::print(&history(post, &zone, look))),
        }
        for account in refreshed.iter().flat_map(|refreshed| &refreshed.accounts) {
            ui::tell(&account.line());
        }
    }
    Ok(refreshed.map_or(Exit::Converged, |refreshed| refreshed.exit()))
}

/// The posts of which something was read, the latest first.
fn read(ledger: &Ledger) -> Result<Vec<Post>, crate::ledger::Error> {
    let mut insights = ledger.insights()?;
    let posts = ledger.publications()?.into_iter().filter_map(|publication| {
        let mut readings = insights.remove(&(publication.post.clone(), publication.account.clone()))?;
        readings.retain(|reading| !reading.insight.tells_nothing());
        (!readings.is_empty()).then_some(Post { publication, readings })
    });
    let mut posts: Vec<Post> = posts.collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.publication.live_since()));
    Ok(posts)
}

fn document(post: &Post) -> Value {
    let p = &post.publication;
    let reading = |reading: &Reading| {
        let mut document = json!({ "at": reading.at });
        for (name, count) in reading.insight.counts() {
            document[name] = json!(count);
        }
        document
    };
    json!({
        "post": p.post,
        "account": p.account,
        "platform": p.platform,
        "remote_id": p.remote.id,
        "remote_url": p.remote.url,
        "live_since": p.live_since(),
        "finding": p.finding().map(|reason| &reason.code),
        "latest": post.readings.last().map(reading),
        "readings": post.readings.iter().map(reading).collect::<Vec<_>>(),
    })
}

/// All readings as RFC 4180 has it, but for lines that end as files here do.
fn csv(posts: &[Post]) -> String {
    let mut out = "post,account,remote_id,live_since,at,views,likes,comments,shares\n".to_owned();
    for Post { publication: p, readings } in posts {
        let id = p.remote.id.as_deref().unwrap_or_default().replace('"', "\"\"");
        for reading in readings {
            let counts =
                reading.insight.counts().map(|(_, count)| count.map_or(String::new(), |n| n.to_string()));
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "{},{},\"{id}\",{},{},{}",
                p.post,
                p.account,
                p.live_since(),
                reading.at,
                counts.join(",")
            );
        }
    }
    out
}

fn column(head: &'static str, is_number: bool, least: Option<usize>, cells: Vec<String>) -> Column {
    Column { head, cells, is_number, least }
}

/// A line for each post: what was read of it last.
fn latest(posts: &[Post], (now, zone): (Timestamp, &TimeZone), (palette, width): (Palette, usize)) -> String {
    let each = |cell: &dyn Fn(&Post, &Reading) -> String| -> Vec<String> {
        let cells = posts.iter().map(|post| post.readings.last().map(|reading| cell(post, reading)));
        cells.map(Option::unwrap_or_default).collect()
    };
    let columns = vec![
        column("post", false, Some(12), each(&|post, _| post.publication.post.to_string())),
        column("views", true, None, each(&|_, reading| count(reading.insight.views))),
        column("likes", true, None, each(&|_, reading| count(reading.insight.likes))),
        column("comments", true, None, each(&|_, reading| count(reading.insight.comments))),
        column("shares", true, None, each(&|_, reading| count(reading.insight.shares))),
        column("growth", false, None, each(&|post, _| growth(post))),
        column("account", false, Some(8), each(&|post, _| post.publication.account.to_string())),
        column("live since", false, None, each(&|post, _| day(post.publication.live_since(), zone))),
        column("read", false, None, each(&|_, reading| ago(now.duration_since(reading.at)))),
    ];
    let table = table::table(columns, width);
    let mut out = format!("{}\n", palette.faint(&table.head));
    table.rows.iter().for_each(|row| out += &format!("{row}\n"));
    out
}

/// All that was read of one post.
fn history(post: &Post, zone: &TimeZone, (palette, width): (Palette, usize)) -> String {
    let p = &post.publication;
    let title = format!("{} → {}", p.post, p.account);
    let live = p.remote.url.as_deref().or(p.remote.id.as_deref()).unwrap_or_default();
    let mut out = format!("{} {}\n", palette.strong(&title), growth(post));
    out += &format!("  {}\n", palette.faint(&text::one_line(live, 500)));
    if let Some(finding) = p.finding() {
        out += &format!("  {}\n", text::one_line(&finding.message, 500));
    }
    let each = |cell: &dyn Fn(&Reading) -> Option<u64>| -> Vec<String> {
        post.readings.iter().map(|reading| cell(reading).map_or(String::new(), |n| n.to_string())).collect()
    };
    let when = post.readings.iter().map(|reading| ui::time(reading.at, zone)).collect();
    let columns = vec![
        column("read at", false, None, when),
        column("views", true, None, each(&|reading| reading.insight.views)),
        column("likes", true, None, each(&|reading| reading.insight.likes)),
        column("comments", true, None, each(&|reading| reading.insight.comments)),
        column("shares", true, None, each(&|reading| reading.insight.shares)),
    ];
    let table = table::table(columns, width.saturating_sub(2));
    out += &format!("  {}\n", palette.faint(&table.head));
    table.rows.iter().for_each(|row| out += &format!("  {row}\n"));
    out
}

/// Views over time, from the moment when nobody had seen it.
#[expect(clippy::cast_precision_loss, reason = "it is drawn in eight steps")]
fn growth(post: &Post) -> String {
    let views = post.readings.iter().filter_map(|reading| reading.insight.views);
    curve(&[0.0].into_iter().chain(views.map(|views| views as f64)).collect::<Vec<_>>())
}

fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

fn ago(age: SignedDuration) -> String {
    match (age.as_hours() / 24, age.as_hours(), age.as_mins()) {
        (days @ 2.., _, _) => format!("{days} days ago"),
        (_, hours @ 2.., _) => format!("{hours} hours ago"),
        (_, _, minutes @ 2..) => format!("{minutes} minutes ago"),
        _ => "just now".to_owned(),
    }
}

#[cfg(test)]
mod tests;
