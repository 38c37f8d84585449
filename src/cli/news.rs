//! What platforms tell a watch, from the port where it comes in to the pass that takes it.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::error::Failure;
use super::events::Events;
use super::plan;
use super::serve::{Heard, Webhooks};
use super::ui::{self, Reporter};
use super::workspace::Workspace;
use crate::domain::project::Project;
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::Notice;
use crate::reconcile::lane::Platforms;
use crate::reconcile::news::{Hints, take_in};

/// What waits for the next pass.
pub(super) struct News {
    webhooks: Arc<Webhooks>,
    heard: mpsc::Receiver<Heard>,
    /// Whether it was told that nothing can be heard.
    is_deaf: bool,
}

impl News {
    /// `asked` counts when there is something to take.
    pub(super) fn new(workspace: &Workspace, asked: watch::Sender<u64>) -> News {
        let (webhooks, heard) = Webhooks::new(workspace.clock.clone(), asked);
        News { webhooks: Arc::new(webhooks), heard, is_deaf: false }
    }

    pub(super) fn webhooks(&self) -> Arc<Webhooks> {
        Arc::clone(&self.webhooks)
    }

    /// From now on these accounts are told of.
    pub(super) fn listen_for(&mut self, workspace: &Workspace, project: &Project, platforms: &Platforms) {
        self.webhooks.listen_for(project, platforms);
        let hears = |p: &Arc<dyn Platform>| p.webhooks().is_some() && p.login().check_keys().is_ok();
        let is_deaf = !platforms.values().any(hears);
        if is_deaf && !self.is_deaf {
            ui::tell(&format!(
                "{} --webhooks: there is no account whose app's keys are here, so that no delivery can be checked",
                workspace.palette.notable("warning:"),
            ));
        }
        self.is_deaf = is_deaf;
    }

    /// Records what must be remembered; gives what is to be looked at now. What is not recorded as the ledger fails is
    /// told again.
    pub(super) fn take(
        &mut self,
        workspace: &Workspace,
        (ledger, loaded): (&mut Ledger, &Loaded),
        events: &Events,
    ) -> Result<Hints, Failure> {
        let mut hints = Hints::default();
        let (now, actor) = (workspace.clock.now(), workspace.actor("watch"));
        let mut reporter = Reporter::new(workspace.palette, plan::zone(loaded));
        let mut notify = |notice: Notice<'_>| {
            events.note(&notice, now);
            reporter.notice(&notice);
        };
        // No more than are waiting now: others come meanwhile.
        for _ in 0..self.heard.len() {
            let Ok(Heard { told, recorded }) = self.heard.try_recv() else { break };
            let target = (&mut *ledger, &loaded.platforms);
            let is_done = take_in(&told, &mut hints, target, (now, &actor), &mut notify)?;
            if let Some(recorded) = recorded.filter(|_| is_done) {
                // Whoever asked may have gone by now, and asks again.
                let _ = recorded.send(());
            }
        }
        Ok(hints)
    }
}
