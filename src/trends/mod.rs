//! What is trending on TikTok, asked of whoever tells it: sources behind one trait, one after the other.
//!
//! Nothing here is needed to publish, and nothing runs unless a person asks. A source that fails, refuses or has changed its
//! form is a [`Fault`] and no more; the next one is asked.
//!
//! # Guarantees
//!
//! One request at a time, [`client::PAUSE`] apart and at most [`client::REQUESTS_MAX`] a run; each with a time limit and a
//! largest reply. Nothing is sent again, no redirect is followed. A token goes to its own source only, and is taken out of
//! whatever that source answers. Parsing is pure and takes any JSON: what is not known is passed over.

pub mod business;
pub mod cache;
pub mod client;
pub mod creative_center;
pub mod ensemble;
pub mod industry;
pub mod known;
pub mod query;
mod wire;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::cache::Cache;
use self::client::Client;
use self::query::Query;
use crate::clock::Clock;
use crate::platform::BoxFuture;

/// More of a list is not kept, whatever a source sends.
pub const TRENDS_MAX: usize = 200;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceId {
    CreativeCenter,
    Business,
    #[serde(rename = "ensembledata")]
    EnsembleData,
}

impl SourceId {
    /// The name that people know it by.
    pub fn title(self) -> &'static str {
        match self {
            SourceId::CreativeCenter => "TikTok Creative Center",
            SourceId::Business => "TikTok API for Business",
            SourceId::EnsembleData => "EnsembleData",
        }
    }
}

/// One that knows what is trending.
pub trait Source: Send + Sync {
    fn id(&self) -> SourceId;

    /// Why it has no answer to such a question, if it has none: nothing is sent then.
    fn declines(&self, query: &Query) -> Option<&'static str>;

    /// Whether the keyword is part of the question. For others it narrows what they answer.
    fn searches(&self) -> bool {
        false
    }

    /// Asks.
    ///
    /// # Errors
    /// Why there is no answer to look at. Where there is a part of one, it is told in [`Found::incomplete`].
    fn ask<'a>(&'a self, query: &'a Query, client: &'a mut Client) -> BoxFuture<'a, Result<Found, Fault>>;
}

/// A hashtag or a video. All texts are others' and may hold anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The place in the list, from 1.
    pub rank: usize,
    /// A hashtag without its `#`, or what a video says.
    pub name: String,
    /// The source's own, in digits or as it is.
    pub id: Option<String>,
    /// Whose video it is: the handle without its `@`.
    pub author: Option<String>,
    /// Of a video, built from plain handles and ids only.
    pub url: Option<String>,
    /// Posts within the period.
    pub posts: Option<u64>,
    /// Views within the period.
    pub views: Option<u64>,
    /// Those of them that nobody paid for.
    pub organic_views: Option<u64>,
    /// How popular it was, the oldest first; in a unit of the source.
    pub curve: Vec<f64>,
    /// Names of industries or topics.
    pub industries: Vec<String>,
}

/// What a source has answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub trends: Vec<Trend>,
    /// What a reader should know of them.
    pub notes: Vec<String>,
    /// What the answer has cost at a source that counts.
    pub units: Option<u64>,
    /// Why there is not more, if something went wrong on the way.
    #[serde(skip)]
    pub incomplete: Option<Fault>,
}

/// Why a source has not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// A lowercase fragment for people; holds no secret.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It may work later: nobody answered, too many requests, an error of theirs.
    Temporary,
    /// They said no; the same again will not help.
    Refused,
    /// Not what was known of their form.
    Unreadable,
    /// A bound of ours was reached.
    Bound,
}

impl Fault {
    fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into() }
    }

    fn unreadable(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Unreadable, message)
    }

    pub fn is_temporary(&self) -> bool {
        self.kind == FaultKind::Temporary
    }
}

/// How it went with one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Answered,
    Declined { why: &'static str },
    Failed { fault: Fault },
}

/// The list that counts.
#[derive(Debug, Clone)]
pub struct Answer {
    pub source: SourceId,
    pub asked_at: Timestamp,
    /// Whether it was asked for by an earlier run.
    pub is_cached: bool,
    pub found: Found,
}

/// What came of asking.
#[derive(Debug)]
pub struct Report {
    pub answer: Option<Answer>,
    /// Each source that was tried, in this order.
    pub tried: Vec<(SourceId, Outcome)>,
    /// Why the answer could not be kept for the next run.
    pub unkept: Option<String>,
}

impl Report {
    /// All that went wrong, with who it was.
    pub fn faults(&self) -> impl Iterator<Item = (SourceId, &Fault)> {
        let failed = self.tried.iter().filter_map(|(source, outcome)| match outcome {
            Outcome::Failed { fault } => Some((*source, fault)),
            Outcome::Answered | Outcome::Declined { .. } => None,
        });
        let partial = self.answer.iter().filter_map(|a| Some((a.source, a.found.incomplete.as_ref()?)));
        failed.chain(partial)
    }
}

/// Asks one source after the other until one has something. What an earlier run was told is used while it is fresh.
pub async fn find(
    sources: &[Box<dyn Source>],
    query: &Query,
    client: &mut Client,
    (cache, refresh): (Option<&Cache>, bool),
    clock: &Clock,
) -> Report {
    let mut report = Report { answer: None, tried: Vec::new(), unkept: None };
    for source in sources {
        let id = source.id();
        if let Some(why) = source.declines(query) {
            report.tried.push((id, Outcome::Declined { why }));
            continue;
        }
        let key = cache::key(id, query, source.searches());
        let kept = cache.filter(|_| !refresh).and_then(|cache| cache.get(&key, clock.now(), cache::FRESH));
        let is_cached = kept.is_some();
        let answer = match kept {
            Some((asked_at, found)) => Ok((asked_at, found)),
            None => source.ask(query, client).await.map(|found| (clock.now(), found)),
        };
        match answer {
            Ok((asked_at, mut found)) => {
                report.tried.push((id, Outcome::Answered));
                if let Some(cache) = cache.filter(|_| !is_cached && found.incomplete.is_none()) {
                    report.unkept = cache.put(&key, asked_at, &found).err().map(|error| error.to_string());
                }
                if !source.searches() {
                    narrow(&mut found, query);
                }
                let is_empty = found.trends.is_empty();
                let answer = Answer { source: id, asked_at, is_cached, found };
                // The first one stands, unless another one knows more.
                if !is_empty || report.answer.is_none() {
                    report.answer = Some(answer);
                }
                if !is_empty {
                    break;
                }
            }
            Err(fault) => report.tried.push((id, Outcome::Failed { fault })),
        }
    }
    report
}

/// Keeps what holds the keyword, whatever the case of its letters.
fn narrow(found: &mut Found, query: &Query) {
    let Some(keyword) = &query.keyword else { return };
    let word = keyword.to_lowercase();
    let before = found.trends.len();
    found.trends.retain(|trend| trend.name.to_lowercase().contains(&word));
    found.notes.push(format!("{} of {before} hold the keyword; the others are left out", found.trends.len()));
}

/// The entries of a list, as far as they can be read; a rank that is not told is the place.
///
/// # Errors
/// That it is no list, or one of which nothing can be read: then its form has changed.
fn entries(
    list: Option<&Vec<Value>>,
    name: &str,
    entry: impl Fn(&Value) -> Option<Trend>,
) -> Result<Found, Fault> {
    let list =
        list.ok_or_else(|| Fault::unreadable(format!("answered without `{name}`: its form has changed")))?;
    let all = &list[..list.len().min(TRENDS_MAX)];
    let mut trends: Vec<Trend> =
        all.iter().filter_map(entry).filter(|trend| !trend.name.is_empty()).collect();
    if trends.is_empty() && !all.is_empty() {
        return Err(Fault::unreadable(format!("answered a `{name}` of unknown form")));
    }
    for (at, trend) in trends.iter_mut().enumerate().filter(|(_, trend)| trend.rank == 0) {
        trend.rank = at + 1;
    }
    trends.sort_by_key(|trend| trend.rank);
    let lost = all.len() - trends.len();
    let notes =
        (lost > 0).then(|| format!("{lost} of {} entries could not be read and are left out", all.len()));
    Ok(Found { trends, notes: notes.into_iter().collect(), ..Found::default() })
}

/// The address of a video, if its parts are what they should be: others have written them.
fn link(author: Option<&str>, id: Option<&str>) -> Option<String> {
    let is_handle = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let author = author.filter(|author| (1..=64).contains(&author.len()) && author.chars().all(is_handle))?;
    let id = id.filter(|id| (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()))?;
    Some(format!("https://www.tiktok.com/@{author}/video/{id}"))
}

#[cfg(test)]
mod tests;
