//! The pages as they are now: built when they are asked for, and something may have changed.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch::Receiver;

use super::metrics::Tally;
use crate::cli::error::Failure;
use crate::cli::site::{View, Wanted, media_name};
use crate::cli::workspace::Workspace;
use crate::domain::ids::hex;
use crate::domain::media::Medium;
use crate::ledger::Ledger;
use crate::pages::{Page, Picture, Source};

/// Not more often, however often they are asked for.
const BUILD_EVERY: Duration = Duration::from_secs(1);
/// Changes may go unnoticed, and time passes: after so long they are built whether or not anything has happened.
const BUILD_AFTER: Duration = Duration::from_secs(10);

/// After so long without a question they are forgotten, as they may be large.
pub(super) const REST_AFTER: Duration = Duration::from_secs(30);

pub(super) struct Builder {
    workspace: Workspace,
    wanted: Wanted,
    /// Count what happens to content and to the ledger.
    events: Vec<Receiver<u64>>,
    built: Option<(Instant, Result<Built, String>)>,
    /// The last time.
    asked_at: Instant,
    tally: Tally,
}

pub(super) struct Built {
    pub view: View,
    /// Another one where the pages are others.
    pub version: String,
}

impl Builder {
    pub(super) fn new(workspace: Workspace, wanted: Wanted, events: Vec<Receiver<u64>>) -> Builder {
        // What happens from now on is counted.
        let ledger = Ledger::open_read(&workspace.ledger_path(wanted.book)).and_then(|ledger| ledger.head());
        if let Some(tree) = &wanted.tree {
            workspace.read_from(tree.clone());
        }
        let tally = Tally::after(ledger.map_or(0, |head| head.seq));
        Builder { workspace, wanted, events, built: None, asked_at: Instant::now(), tally }
    }

    /// The pages, and the counters.
    pub(super) fn now(&mut self) -> Result<(&Built, &mut Tally), String> {
        self.asked_at = Instant::now();
        let age = self.built.as_ref().map_or(Duration::MAX, |(at, _)| at.elapsed());
        // Where nobody sends any more, the watch is ending.
        let has_changed = || self.events.iter().any(|events| events.has_changed().unwrap_or(false));
        if age >= BUILD_AFTER || (age >= BUILD_EVERY && has_changed()) {
            self.events.iter_mut().for_each(|events| drop(events.borrow_and_update()));
            // Not both at a time: each is as large as the project.
            self.built = None;
            let built = View::read(&self.workspace, &self.wanted).map(Built::of);
            self.built = Some((Instant::now(), built.map_err(|failure| told(&failure))));
        }
        match &self.built {
            Some((_, Ok(built))) => Ok((built, &mut self.tally)),
            Some((_, Err(why))) => Err(why.clone()),
            None => Err("nothing has been read yet".to_owned()),
        }
    }

    /// Has the pages made anew when they are asked for next.
    pub(super) fn forget(&mut self) {
        self.built = None;
    }

    /// Lets go of the pages once nobody asks for them.
    pub(super) fn rest(&mut self) {
        if self.asked_at.elapsed() > REST_AFTER {
            self.built = None;
        }
    }

    /// That the ledger cannot be used, if so. Anybody may hear it: no path, no cause.
    pub(super) fn hindrance(&self) -> Option<String> {
        let ledger =
            Ledger::open_read(&self.workspace.ledger_path(self.wanted.book)).and_then(|ledger| ledger.head());
        ledger.err().map(|_| "the ledger does not open".to_owned())
    }

    pub(super) fn content(&self) -> PathBuf {
        self.workspace.place().1.to_owned()
    }
}

fn told(failure: &Failure) -> String {
    let causes: String = failure.causes.iter().map(|cause| format!(": {cause}")).collect();
    failure.message.clone() + &causes
}

/// Takes text without keeping it.
struct Hash(Sha256);

impl std::fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

impl Built {
    fn of(view: View) -> Built {
        let site = &view.site;
        let day = site.now.to_zoned(site.zone.clone()).date();
        let mut hash = Hash(Sha256::new());
        // What is written to a hash always fits.
        let _ = write!(
            hash,
            "{day} {:?} {:?} {:?} {:?} {:?}",
            site.notes,
            site.items,
            site.findings,
            site.accounts,
            site.log.last()
        );
        let version = hex(&hash.0.finalize()[..6]);
        Built { view, version }
    }

    pub(super) fn page(&self, page: &Page) -> Result<Option<String>, String> {
        let source = |medium: &Medium| {
            let name = media_name(medium).filter(|name| self.view.medium(name).is_some());
            name.map_or(Source::Named, Source::Here)
        };
        match page {
            Page::Post(id) => self.view.post(id, source).map_err(|failure| told(&failure)),
            page => Ok(self.view.site.render(page)),
        }
    }

    /// Where a medium of this name lies, below `content/`, and its type.
    pub(super) fn medium(&self, name: &str) -> Option<(String, &'static str)> {
        let medium = self.view.medium(name)?;
        let Medium::File { path, .. } = medium else { return None };
        let (_, _, content_type) = Picture::of(medium)?;
        Some((path.clone(), content_type))
    }
}
