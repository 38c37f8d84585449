//! `--with-trends` of `plan` and `preview`: which hashtags of a post were trending when `trends` was asked last. Reads what was
//! kept, asks nobody, and changes nothing of a plan.

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::super::error::Failure;
use super::super::text;
use super::super::ui::Palette;
use super::super::workspace::Workspace;
use crate::domain::ids::{AccountName, PlatformId, PostId};
use crate::domain::plan::{Action, Plan, Planned};
use crate::trends::known::{Known, Place};
use crate::trends::query::Country;

/// The longest hashtag that is shown, in characters.
const TAG_CHARS_MAX: usize = 60;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Wanted {
    /// Also tell which hashtags of TikTok posts were trending when `trends` was asked within the last day; asks nobody
    #[arg(long)]
    with_trends: bool,
    /// Where, for --with-trends: two letters
    #[arg(long, value_name = "CODE", requires = "with_trends", default_value = "US", value_parser = Country::read)]
    country: Country,
}

/// What is known of the hashtags of a country.
#[derive(Debug)]
pub(in crate::cli) struct Trending {
    country: Country,
    now: Timestamp,
    known: Option<Known>,
}

/// A post with hashtags that were trending.
#[derive(Debug, Serialize)]
struct Hit<'a> {
    post: &'a PostId,
    account: &'a AccountName,
    hashtags: Vec<&'a Place>,
}

impl Wanted {
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.with_trends
    }

    /// What was kept, if it is asked for.
    ///
    /// # Errors
    /// Wrong usage, where the variable for tests names no server.
    pub(in crate::cli) fn read(&self, workspace: &Workspace) -> Result<Option<Trending>, Failure> {
        if !self.with_trends {
            return Ok(None);
        }
        // It sends nothing: it says whose answers count.
        let (now, client) = (workspace.clock.now(), super::client(Duration::ZERO)?);
        let cache = super::cache(workspace, &client);
        let known = cache.and_then(|cache| Known::read(&cache, &self.country, now));
        Ok(Some(Trending { country: self.country.clone(), now, known }))
    }
}

impl Trending {
    /// Of which country, how old, or what to do.
    pub(in crate::cli) fn origin(&self) -> String {
        let country = self.country.as_str();
        match &self.known {
            Some(known) => {
                let age = age(self.now.duration_since(known.asked_at));
                format!("{} hashtags were trending on TikTok in {country}, as asked {age}", known.count())
            }
            None => format!(
                "what is trending in {country} was not asked for within a day: `gitcast trends hashtags --country {country}` does"
            ),
        }
    }

    /// The hashtags of a post's text that were trending, for people; nothing if there are none.
    pub(in crate::cli) fn of_post(&self, change: &Planned, text: &str) -> Option<String> {
        let places = self.known.as_ref().filter(|_| is_to_come(change))?.among(text);
        (!places.is_empty()).then(|| told(places))
    }

    /// What `plan` adds for people.
    pub(in crate::cli) fn report(&self, plan: &Plan, palette: Palette) -> String {
        let mut out = format!("\n{}\n", palette.faint(&format!("Trends: {}.", self.origin())));
        for hit in self.hits(plan) {
            out += &format!("  {} → {}: {}\n", hit.post, hit.account, palette.good(&told(hit.hashtags)));
        }
        out
    }

    /// The same for scripts.
    pub(in crate::cli) fn document(&self, plan: &Plan) -> serde_json::Value {
        serde_json::json!({
            "country": self.country.as_str(),
            "asked_at": self.known.as_ref().map(|known| known.asked_at),
            "posts": self.hits(plan),
        })
    }

    fn hits<'a>(&'a self, plan: &'a Plan) -> Vec<Hit<'a>> {
        let known = self.known.as_ref();
        let hits = plan.changes.iter().filter(|change| is_to_come(change)).filter_map(|change| {
            let hashtags = known?.among(change.text.as_deref()?);
            (!hashtags.is_empty()).then_some(Hit { post: &change.post, account: &change.account, hashtags })
        });
        hits.collect()
    }
}

/// Whether it is about a post on TikTok whose text can still be changed.
fn is_to_come(change: &Planned) -> bool {
    let waits = matches!(change.action, Action::Wait | Action::Refuse);
    change.platform == PlatformId::Tiktok && (waits || change.action.acts())
}

fn told(places: Vec<&Place>) -> String {
    places.into_iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn describe(place: &Place) -> String {
    let name = text::one_line(&format!("#{}", place.name), TAG_CHARS_MAX);
    let list = match place.industry {
        None => String::new(),
        Some("all") => " of all industries".to_owned(),
        Some(industry) => format!(" of {industry}"),
    };
    format!("{name} (place {}{list}, {} days)", place.rank, place.period_days)
}

fn age(age: SignedDuration) -> String {
    match (age.as_hours(), age.as_mins()) {
        (0, 0) => "less than a minute ago".to_owned(),
        (0, minutes) => format!("{minutes} min ago"),
        (hours, _) => format!("{hours} h ago"),
    }
}
