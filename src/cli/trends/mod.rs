//! `gitcast trends`: what is trending, as others tell it. Publishing does not depend on it: whatever goes wrong is a warning.

pub(super) mod known;
mod list;

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::plan::FORMAT_VERSION;
use super::workspace::Workspace;
use super::{duration, table, text, ui};
use crate::rehearsal::{self, Options, Rehearsal};
use crate::secret::Secret;
use crate::trends::business::{self, Business};
use crate::trends::cache::Cache;
use crate::trends::client::{Client, is_token};
use crate::trends::creative_center::CreativeCenter;
use crate::trends::ensemble::{self, Ensemble};
use crate::trends::query::{self, Country, Kind, Period, Query, Scope};
use crate::trends::{self, Fault, Outcome, Report, Source, SourceId};

/// Another server on this machine in the place of all sources: for tests, and told nowhere else.
const ENDPOINT_VARIABLE: &str = "GITCAST_TRENDS_ENDPOINT";
/// Where answers are kept, in `state/`.
const FOLDER: &str = "trends";

/// Shows what is trending on TikTok: hashtags or videos.
#[derive(Debug, Args)]
#[command(after_help = "\
Three may be asked: TikTok's API for Business (TIKTOK_BUSINESS_ACCESS_TOKEN and TIKTOK_BUSINESS_ADVERTISER_ID, hashtags only), \
EnsembleData (ENSEMBLEDATA_TOKEN, with --keyword only; it costs units), and without any key TikTok's Creative Center.

The Creative Center's interface is not documented, and TikTok's terms may forbid to ask it by a program: read them first. It is \
asked when you run this command and at no other time, once a second at most, and what it says is kept for half an hour.")]
pub(super) struct Arguments {
    /// hashtags or videos
    #[arg(value_name = "WHAT", hide_possible_values = true)]
    what: What,
    /// Where: two letters, such as US, DE or JP
    #[arg(long, value_name = "CODE", default_value = "US", value_parser = Country::read)]
    country: Country,
    /// Days to look back: 7 or 30
    #[arg(long, value_name = "DAYS", default_value = "7", hide_possible_values = true)]
    period: Days,
    /// One industry (of videos a topic), or `all` for a list put together from each
    #[arg(long, value_name = "NAME")]
    industry: Option<String>,
    /// What is about this word
    #[arg(long, value_name = "WORD", value_parser = query::keyword)]
    keyword: Option<String>,
    /// Show so many at most, up to 200
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Ask this one only: business, ensembledata or creative-center
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    source: Option<Only>,
    /// Print a table in Markdown
    #[arg(long)]
    markdown: bool,
    /// Exit with 5 where a source may answer later, and with 1 where it refuses or has changed
    #[arg(long)]
    strict: bool,
    /// Ask, even if there is an answer of the last half hour
    #[arg(long)]
    refresh: bool,
    /// How long to wait for one answer, up to a minute
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = timeout)]
    timeout: Duration,
    /// Ask the stand-in: no key, no network
    #[arg(long)]
    rehearse: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Hashtags,
    Videos,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Days {
    #[value(name = "7")]
    Week,
    #[value(name = "30")]
    Month,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    Business,
    #[value(name = "ensembledata")]
    EnsembleData,
    CreativeCenter,
}

impl From<Only> for SourceId {
    fn from(only: Only) -> SourceId {
        match only {
            Only::Business => SourceId::Business,
            Only::EnsembleData => SourceId::EnsembleData,
            Only::CreativeCenter => SourceId::CreativeCenter,
        }
    }
}

/// Nobody waits longer for a list.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

fn timeout(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|timeout| match timeout.is_zero() || timeout > TIMEOUT_MAX {
        true => Err(format!("must be between 1s and {}s", TIMEOUT_MAX.as_secs())),
        false => Ok(timeout),
    })
}

impl Arguments {
    fn query(&self) -> Result<Query, Failure> {
        let kind = match self.what {
            What::Hashtags => Kind::Hashtags,
            What::Videos => Kind::Videos,
        };
        let scope = self.industry.as_deref().map_or(Ok(Scope::Whole), |name| Scope::read(kind, name));
        Ok(Query {
            kind,
            country: self.country.clone(),
            period: match self.period {
                Days::Week => Period::Week,
                Days::Month => Period::Month,
            },
            scope: scope.map_err(|why| Failure::usage(format!("--industry {why}")))?,
            keyword: self.keyword.clone(),
        })
    }

    /// Those that can be asked: who was paid for the word first, then the documented one.
    fn sources(&self, key: impl Fn(&str) -> Option<Secret>) -> Result<Vec<Box<dyn Source>>, Failure> {
        let token = |name: &str| match key(name).filter(|token| !token.is_empty()) {
            Some(token) if !is_token(&token) => Err(Failure::usage(format!("{name} holds no token"))
                .hint("a token is of letters, digits, `-`, `_` and `.`, at least 8 of them")),
            token => Ok(token),
        };
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        if let Some(token) = token(ensemble::TOKEN_VARIABLE)? {
            sources.push(Box::new(Ensemble::new(token)));
        }
        if let Some((token, id)) = token(business::TOKEN_VARIABLE)?.zip(key(business::ADVERTISER_VARIABLE)) {
            sources.push(Box::new(Business::new(token, id.expose())));
        }
        sources.push(Box::new(CreativeCenter));
        if let Some(only) = self.source.map(SourceId::from) {
            sources.retain(|source| source.id() == only);
            if sources.is_empty() {
                let message = format!("{} cannot be asked without its key", only.title());
                return Err(Failure::usage(message).hint(match only {
                    SourceId::EnsembleData => format!("set {}", ensemble::TOKEN_VARIABLE),
                    _ => format!("set {} and {}", business::TOKEN_VARIABLE, business::ADVERTISER_VARIABLE),
                }));
            }
        }
        Ok(sources)
    }
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.markdown && workspace.global.json {
        return Err(Failure::usage("--markdown and --json are two forms of one list: leave one out"));
    }
    if !arguments.rehearse {
        workspace.refuse_now()?;
    }
    let query = arguments.query()?;
    let report = super::runtime::start()?.block_on(async {
        match arguments.rehearse {
            true => rehearse(workspace, arguments, &query).await,
            false => ask(workspace, arguments, &query).await,
        }
    })?;
    if report.answer.is_none() && report.faults().next().is_none() {
        let reasons = report.tried.iter().filter_map(|(source, outcome)| match outcome {
            Outcome::Declined { why } => Some(format!("{}: {why}", source.title())),
            Outcome::Answered | Outcome::Failed { .. } => None,
        });
        return Err(reasons.fold(Failure::usage("nobody answers such a question"), Failure::hint));
    }
    show(workspace, arguments, &query, &report);
    Ok(verdict(workspace, arguments.strict, &report))
}

async fn ask(workspace: &Workspace, arguments: &Arguments, query: &Query) -> Result<Report, Failure> {
    let mut client = client(arguments.timeout)?;
    let sources = arguments.sources(|name| workspace.keys()(name))?;
    if query.scope == Scope::Each {
        ui::tell(
            "This asks for one list after the other, a second apart: some twenty seconds, unless it was asked lately.",
        );
    }
    let cache = cache(workspace, &client);
    let cache = (cache.as_ref(), arguments.refresh);
    Ok(trends::find(&sources, query, &mut client, cache, &workspace.clock).await)
}

fn client(timeout: Duration) -> Result<Client, Failure> {
    let endpoint = std::env::var(ENDPOINT_VARIABLE).ok().filter(|endpoint| !endpoint.is_empty());
    Client::new(endpoint.as_deref(), timeout)
        .map_err(|why| Failure::usage(format!("{ENDPOINT_VARIABLE} {why}")))
}

/// Where answers are kept. Where there is no project, there is no place for what belongs to one.
fn cache(workspace: &Workspace, client: &Client) -> Option<Cache> {
    let is_project = workspace.state.is_dir() || workspace.content.is_dir();
    is_project.then(|| Cache::new(workspace.state.join(FOLDER), client.base()))
}

/// The same with a stand-in that lives as long as the run, and nothing is kept.
async fn rehearse(workspace: &Workspace, arguments: &Arguments, query: &Query) -> Result<Report, Failure> {
    let clock = workspace.clock.clone();
    let options =
        Options { clock: std::sync::Arc::new(move || clock.now().as_millisecond()), ..Options::default() };
    let server = Rehearsal::start(options)
        .await
        .map_err(|error| Failure::error("the rehearsal cannot start").cause(&error))?;
    let mut client = Client::new(Some(server.base_url()), arguments.timeout)
        .map_err(|why| Failure::error(format!("the rehearsal's address {why}")))?;
    let sources = arguments.sources(|name| {
        let value = match name {
            business::TOKEN_VARIABLE => rehearsal::trends::BUSINESS_TOKEN,
            business::ADVERTISER_VARIABLE => rehearsal::trends::ADVERTISER,
            ensemble::TOKEN_VARIABLE => rehearsal::trends::ENSEMBLE_TOKEN,
            _ => return None,
        };
        Some(Secret::new(value))
    })?;
    let report = trends::find(&sources, query, &mut client, (None, false), &workspace.clock).await;
    server.stop().await;
    Ok(report)
}

/// With `--strict` each fault counts, even if another source has answered.
fn verdict(workspace: &Workspace, strict: bool, report: &Report) -> Exit {
    let of = |fault: &Fault| if fault.is_temporary() { Exit::Temporary } else { Exit::Error };
    let strictly = report.faults().filter(|_| strict).map(|(_, fault)| of(fault));
    let denied = workspace.global.deny_warnings && report.faults().next().is_some();
    Exit::of(strictly.chain(denied.then_some(Exit::Error)))
}

fn show(workspace: &Workspace, arguments: &Arguments, query: &Query, report: &Report) {
    let limit = usize::from(arguments.limit);
    if workspace.global.json {
        ui::print_json(&document(workspace, query, report, limit));
    } else if let Some(answer) = &report.answer {
        let list = list::List {
            query,
            source: answer.source,
            asked_at: answer.asked_at,
            age: age(workspace, report),
            trends: &answer.found.trends[..answer.found.trends.len().min(limit)],
        };
        ui::print(&match arguments.markdown {
            true => list::markdown(&list),
            false => list::terminal(&list, workspace.palette, table::width()),
        });
    }
    let warning = workspace.palette.notable("warning:");
    for (source, fault) in report.faults() {
        ui::tell(&format!("{warning} {} {}", source.title(), text::one_line(&fault.message, 600)));
    }
    if let Some(why) = &report.unkept {
        ui::tell(&format!(
            "{warning} the answer was not kept for the next time: {}",
            text::one_line(why, 300)
        ));
    }
    let Some(answer) = &report.answer else { return ui::tell("Nobody has answered.") };
    answer.found.notes.iter().for_each(|note| ui::tell(&format!("note: {}", text::one_line(note, 300))));
    if let Some(units) = answer.found.units.filter(|_| !answer.is_cached) {
        ui::tell(&format!("note: {} has charged {units} units", answer.source.title()));
    }
}

/// How old the answer is, where it was not asked for just now.
fn age(workspace: &Workspace, report: &Report) -> Option<SignedDuration> {
    let answer = report.answer.as_ref().filter(|answer| answer.is_cached)?;
    Some(workspace.clock.now().duration_since(answer.asked_at))
}

/// Everything, also what went wrong. Nothing is left out but what `--limit` cuts.
fn document(workspace: &Workspace, query: &Query, report: &Report, limit: usize) -> serde_json::Value {
    let answer = report.answer.as_ref();
    let found = answer.map(|answer| &answer.found);
    let tried = report.tried.iter().map(|(source, outcome)| {
        let mut entry = json!(outcome);
        entry["source"] = json!(source);
        entry
    });
    json!({
        "format_version": FORMAT_VERSION,
        "kind": query.kind.as_str(),
        "country": query.country.as_str(),
        "period_days": query.period.days(),
        "industry": query.scope.as_str(),
        "keyword": query.keyword,
        "source": answer.map(|answer| answer.source),
        "asked_at": answer.map(|answer| answer.asked_at),
        "age_seconds": age(workspace, report).map_or(0, |age| age.as_secs()),
        "cached": answer.is_some_and(|answer| answer.is_cached),
        "units": found.and_then(|found| found.units).filter(|_| answer.is_some_and(|a| !a.is_cached)),
        "notes": found.map_or(&[][..], |found| &found.notes),
        "incomplete": found.and_then(|found| found.incomplete.as_ref()),
        "tried": tried.collect::<Vec<_>>(),
        "trends": found.map_or(&[][..], |found| &found.trends[..found.trends.len().min(limit)]),
    })
}
