//! What a watch waits for between passes: files, branches, other processes, signals and the time of day.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::{Receiver, Sender};

use super::Watching;
use crate::cli::branch::Branch;
use crate::cli::ui;
use crate::cli::workspace::Book;
use crate::content::watch::{Watch, git_lock};
use crate::ledger::Ledger;
use crate::reconcile::wait_between;

/// Content is read once nothing has changed for this long, so that a file that is being saved is whole.
const QUIET: Duration = Duration::from_millis(100);
/// Where it never is quiet, it is read all the same after this long; and where git never ends.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// How long the time of day is not looked at.
const NAP_MAX: Duration = Duration::from_secs(20);
/// Below `state/`: asks for a pass, as SIGHUP does.
pub(super) const RECONCILE_NOW: &str = "reconcile-now";

/// The marker of the ledger, which each process leaves that has recorded something: as it was before the last pass, and
/// as that pass leaves it. What somebody else leaves is neither.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) before: Option<Vec<u8>>,
    pub(super) left: Option<Vec<u8>>,
}

impl Marks {
    fn are_news(&self, found: &Option<Vec<u8>>) -> bool {
        found != &self.before && found != &self.left
    }
}

impl Watching<'_> {
    /// SIGHUP asks for a pass.
    pub(super) fn listen_for_hangup(&self) {
        let asked = self.content.0.clone();
        if let Ok(mut hangup) = signal(SignalKind::hangup()) {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    asked.send_modify(|count| *count += 1);
                }
            });
        }
    }

    /// Watches the folders that are there now. Without, a pass is made now and then.
    pub(super) fn watch_folders(&mut self) {
        if self.watches.len() == 2 && self.watches.iter().all(Watch::is_current) {
            return;
        }
        self.watches.clear();
        let places = self.branch.as_ref().map(Branch::places);
        let events = if places.is_some() { &self.refs.0 } else { &self.content.0 };
        for (folder, events) in [(&self.workspace.content, events), (&self.workspace.state, &self.state.0)] {
            let events = events.clone();
            let changed = move || events.send_modify(|count| *count += 1);
            let watch = match &places {
                Some(places) if folder == &self.workspace.content => Watch::of_branches(places, changed),
                // A ledger's folder comes with the ledger.
                _ if !folder.exists() => continue,
                _ => Watch::start(folder, changed),
            };
            match watch {
                Ok(watch) => self.watches.push(watch),
                Err(why) if self.told.unwatched != why => {
                    let every = self.arguments.resync.as_secs();
                    ui::tell(&format!(
                        "{} {} cannot be watched ({why}): looking every {every} s",
                        self.workspace.palette.notable("warning:"),
                        folder.display(),
                    ));
                    self.told.unwatched = why;
                }
                Err(_) => {}
            }
        }
    }

    /// Until there is something to do. The time of day is looked at now and then, as the machine may have slept.
    pub(super) async fn wait(&mut self, next_at: Timestamp) {
        loop {
            let wait = wait_between(self.workspace.clock.now(), next_at);
            if wait.is_zero() {
                return;
            }
            tokio::select! {
                _ = self.stop.changed() => return,
                _ = self.content.1.changed() => {
                    // Git may take its time, and a stop does not wait for it.
                    tokio::select! {
                        () = quiet(&self.content.0, &self.workspace.content, self.branch.is_none()) => return,
                        _ = self.stop.changed() => return,
                    }
                }
                () = left(self.branch.as_ref(), self.refs.1.clone()) => return,
                _ = self.state.1.changed() => {
                    if self.is_asked() { return; }
                }
                () = self.supervisor.pause(wait.min(NAP_MAX)) => {}
            }
        }
    }

    /// Whether another process has recorded something, or a file asks for a pass.
    pub(super) fn is_asked(&self) -> bool {
        self.workspace.state.join(RECONCILE_NOW).exists() || self.marks.are_news(&self.read_marker())
    }

    pub(super) fn read_marker(&self) -> Option<Vec<u8>> {
        let ledger = self.workspace.ledger_path(Book::of(self.arguments.rehearse));
        std::fs::read(Ledger::marker_path(&ledger)).ok()
    }
}

/// Ends the work once content has changed and is quiet, or `due` has passed.
pub(super) async fn interrupt(
    enough: Sender<bool>,
    (mut changes, left): (Receiver<u64>, impl Future<Output = ()>),
    due: Duration,
) {
    tokio::select! {
        _ = changes.changed() => tokio::time::sleep(QUIET).await,
        () = left => {}
        () = tokio::time::sleep(due) => {}
    }
    // Where nobody listens any more, the work is done.
    let _ = enough.send(true);
}

/// Until the branch points at another commit than the one that is worked on.
pub(super) async fn left(branch: Option<&Branch>, mut refs: Receiver<u64>) {
    let Some(branch) = branch else { return std::future::pending().await };
    // Where nobody sends any more, nothing will be noticed.
    while refs.changed().await.is_ok() {
        tokio::time::sleep(QUIET).await;
        refs.borrow_and_update();
        let (pointer, known) =
            (branch.pointer.clone(), branch.tree.hold().as_ref().map(|head| head.id.clone()));
        let asked = tokio::task::spawn_blocking(move || pointer.has_left(known.as_ref()));
        if asked.await.unwrap_or(true) {
            return;
        }
    }
    std::future::pending().await
}

/// Until nothing changes any more, and git is done with the work tree, if that counts.
async fn quiet(events: &Sender<u64>, content: &Path, is_work_tree: bool) {
    let end = tokio::time::Instant::now() + QUIET_MAX;
    let mut changes = events.subscribe();
    while tokio::time::Instant::now() < end {
        let changed = tokio::time::timeout(QUIET, changes.changed()).await.is_ok();
        let is_git_done = !is_work_tree || git_lock(content).is_none();
        if !changed && is_git_done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also what somebody records after a pass has let the ledger go and before anybody looks.
    #[test]
    fn what_others_leave_is_news() {
        let mark = |text: &str| Some(text.as_bytes().to_vec());
        let marks = Marks { before: mark("1"), left: mark("2") };
        for (found, are_news) in [(mark("2"), false), (mark("1"), false), (mark("3"), true), (None, true)] {
            assert_eq!(marks.are_news(&found), are_news, "{found:?}");
        }
    }
}
