//! Pages of a project: calendar, board, posts with previews, accounts, log, problems. Pure: from a [`Site`] to HTML.
//!
//! Plain HTML that needs no script; names of pages and media are relative, so that the same pages are served and written
//! to a folder. Whatever others wrote is escaped, what is unseen in it is shown, and only `http` and `https` become links.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::Markup;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Entry;
use crate::domain::ids::{AccountName, PlatformId, PostId};
use crate::domain::media::Medium;
use crate::domain::pause::Scope;
use crate::domain::plan::{Action, Planned};
use crate::domain::preview::Preview;
use crate::domain::project::Mode;
use crate::domain::publication::{Publication, State};

mod accounts;
mod actions;
mod board;
mod calendar;
mod layout;
mod log;
mod media;
mod post;
mod preview;
mod problems;
#[cfg(test)]
mod tests;
mod text;

pub use actions::ACT;
pub use layout::notice;
pub use media::{Picture, Source};

/// The names and contents of the files beside the pages.
pub const STYLE: (&str, &str) = ("style.css", include_str!("style.css"));
pub const SCRIPT: (&str, &str) = ("live.js", include_str!("live.js"));
pub const ICON: (&str, &str) = ("icon.svg", include_str!("icon.svg"));
/// Where a script asks whether a page is still what it was.
pub const VERSION: &str = "version";

/// The most months, and the most weeks, that have pages of their own; those nearest to now.
const SPANS_MAX: usize = 240;

/// All that the pages show, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    pub now: Timestamp,
    pub zone: TimeZone,
    /// Of the project.
    pub name: String,
    /// Whether the pages are served, and change by themselves.
    pub is_live: bool,
    /// What forms carry, where people may act.
    pub form_key: Option<String>,
    /// What is paused now.
    pub paused: Vec<Scope>,
    /// What should be known about all of it, such as that there is no ledger.
    pub notes: Vec<String>,
    /// Sorted by post and account.
    pub items: Vec<Item>,
    /// By path.
    pub findings: Vec<Finding>,
    pub accounts: Vec<Account>,
    /// The latest entries, oldest first.
    pub log: Vec<Entry>,
}

/// A post on one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub change: Planned,
    pub recorded: Option<Publication>,
    /// When it left, else when it is due. Absent: as soon as it is applied.
    pub at: Option<Timestamp>,
    /// What keeps it from being worked on, though the plan would: nobody is logged in.
    pub hindrance: Option<String>,
}

/// A problem in content.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub diagnostic: Diagnostic,
    /// The lines that it is about, as text.
    pub excerpt: String,
}

/// An account and its health.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub name: AccountName,
    pub platform: PlatformId,
    /// The account's name at the platform, as far as it is known.
    pub handle: Option<String>,
    /// Absent where the platform knows no drafts.
    pub mode: Option<Mode>,
    pub login: Login,
    /// What of the platform's caps is used: name, used, allowed.
    pub caps: Vec<(&'static str, u32, u32)>,
    /// When the platform was last asked what the account may do.
    pub read_on: Option<Date>,
    /// Why nothing is sent there at present.
    pub pause: Option<String>,
}

/// How an account's login stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// There is no ledger here, or it is the rehearsal's.
    Unknown,
    Missing,
    /// A person must log in, for this reason.
    Needed(String),
    /// Until the owner must log in again, where that is known; and when it is renewed next.
    Good {
        until: Option<Timestamp>,
        ends_soon: bool,
        renewal_at: Timestamp,
    },
}

/// A post on one account as its readers get to see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub account: AccountName,
    pub preview: Preview,
    pub media: Vec<(Medium, Source)>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The month of now.
    Index,
    /// The month that begins with this day.
    Month(Date),
    /// The week that begins with this Monday.
    Week(Date),
    Board,
    Post(PostId),
    Accounts,
    Log,
    Problems,
}

impl Page {
    /// The page's file name.
    pub fn name(&self) -> String {
        match self {
            Page::Index => "index.html".to_owned(),
            Page::Month(first) => format!("month-{}.html", first.strftime("%Y-%m")),
            Page::Week(monday) => format!("week-{}.html", monday.strftime("%G-W%V")),
            Page::Board => "board.html".to_owned(),
            Page::Post(id) => format!("post-{id}.html"),
            Page::Accounts => "accounts.html".to_owned(),
            Page::Log => "log.html".to_owned(),
            Page::Problems => "problems.html".to_owned(),
        }
    }

    /// The page of this name, if there can be one.
    pub fn named(name: &str) -> Option<Page> {
        let stem = name.strip_suffix(".html")?;
        let fixed = [Page::Index, Page::Board, Page::Accounts, Page::Log, Page::Problems];
        if let Some(page) = fixed.into_iter().find(|page| page.name() == name) {
            return Some(page);
        }
        let page = match stem.split_once('-')? {
            ("post", id) => Page::Post(id.parse().ok()?),
            ("month", month) => Page::Month(format!("{month}-01").parse().ok()?),
            ("week", week) => Page::Week(calendar::monday_of(week)?),
            _ => return None,
        };
        (page.name() == name).then_some(page)
    }
}

impl Site {
    /// All pages there are, each once.
    pub fn pages(&self) -> Vec<Page> {
        let posts: BTreeSet<&PostId> = self.items.iter().map(|item| &item.change.post).collect();
        let mut pages = vec![Page::Index, Page::Board, Page::Accounts, Page::Log, Page::Problems];
        pages.extend(self.spans(calendar::first_of_month).into_iter().map(Page::Month));
        pages.extend(self.spans(calendar::monday).into_iter().map(Page::Week));
        pages.extend(posts.into_iter().cloned().map(Page::Post));
        pages
    }

    /// The page, but for that of a post, which takes more to make.
    pub fn render(&self, page: &Page) -> Option<String> {
        let main = match page {
            Page::Index => calendar::month(self, calendar::first_of_month(self.today())),
            Page::Month(first) => calendar::month(self, *first),
            Page::Week(monday) => calendar::week(self, *monday),
            Page::Board => board::board(self),
            Page::Accounts => accounts::accounts(self),
            Page::Log => log::log(self),
            Page::Problems => problems::problems(self),
            Page::Post(_) => return None,
        };
        Some(self.document(page, main))
    }

    /// The page of one post: `shown` for each of its accounts, as far as it is known, and its entries, oldest first.
    pub fn render_post(&self, id: &PostId, shown: &[Shown], entries: &[Entry]) -> Option<String> {
        let main = post::post(self, id, shown, entries)?;
        Some(self.document(&Page::Post(id.clone()), main))
    }

    fn document(&self, page: &Page, main: Markup) -> String {
        layout::document(self, page, main).into_string()
    }

    /// The post on each of its accounts.
    pub fn of_post(&self, id: &PostId) -> &[Item] {
        let first = self.items.partition_point(|item| item.change.post < *id);
        let length = self.items[first..].partition_point(|item| item.change.post == *id);
        &self.items[first..first + length]
    }

    fn today(&self) -> Date {
        self.day(self.now)
    }

    fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// The spans of days that something happens in, and that of today, in order.
    fn spans(&self, first_of: fn(Date) -> Date) -> Vec<Date> {
        let today = first_of(self.today());
        let days = self.items.iter().filter_map(|item| item.at).map(|at| first_of(self.day(at)));
        let all: BTreeSet<Date> = days.chain([today]).collect();
        let mut spans: Vec<Date> = all.into_iter().collect();
        spans.sort_by_key(|first| (today.duration_since(*first).abs(), *first));
        spans.truncate(SPANS_MAX);
        spans.sort_unstable();
        spans
    }

    fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.diagnostic.is_error()).count()
    }
}

/// Where a publication is, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Attention,
    Next,
    Underway,
    Waiting,
    Live,
    Over,
}

impl Lane {
    const ALL: [Lane; 6] =
        [Lane::Attention, Lane::Next, Lane::Underway, Lane::Waiting, Lane::Live, Lane::Over];

    fn title(self) -> &'static str {
        match self {
            Lane::Attention => "Needs somebody",
            Lane::Next => "In the next run",
            Lane::Underway => "Under way",
            Lane::Waiting => "Waiting",
            Lane::Live => "Published",
            Lane::Over => "Left alone",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Lane::Attention => "attention",
            Lane::Next => "next",
            Lane::Underway => "underway",
            Lane::Waiting => "waiting",
            Lane::Live => "live",
            Lane::Over => "over",
        }
    }
}

impl Item {
    fn state(&self) -> State {
        self.recorded.as_ref().map_or(State::Planned, |p| p.state)
    }

    fn lane(&self) -> Lane {
        match self.change.action {
            _ if self.hindrance.is_some() => Lane::Attention,
            Action::Refuse | Action::Hold | Action::Failed | Action::Diverged | Action::Undeletable => {
                Lane::Attention
            }
            Action::Publish | Action::Replace | Action::Edit | Action::Delete => Lane::Next,
            Action::Continue => Lane::Underway,
            Action::Wait => Lane::Waiting,
            Action::Unchanged | Action::Orphaned if self.state().is_success() => Lane::Live,
            Action::Unchanged | Action::Orphaned | Action::Skip => Lane::Over,
        }
    }

    /// One or two words.
    fn word(&self) -> &str {
        match self.change.action {
            _ if self.hindrance.is_some() => "login needed",
            Action::Publish | Action::Replace => "to publish",
            Action::Edit => "to edit",
            Action::Delete => "to delete",
            Action::Wait => match self.change.reason.as_str() {
                reason @ ("scheduled" | "paused") => reason,
                _ => "waiting",
            },
            Action::Refuse => "refused",
            Action::Hold => "held",
            Action::Failed => "failed",
            Action::Diverged => "diverged",
            Action::Undeletable => "not deletable",
            Action::Skip => "skipped",
            Action::Continue | Action::Unchanged | Action::Orphaned => self.state().as_str(),
        }
    }
}
