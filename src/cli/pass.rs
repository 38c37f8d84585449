//! One pass of the reconcile: the ledger opened for writing, what is decided and planned, and the engine that executes
//! it. `apply` makes one, `watch` one after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::decisions;
use super::error::Failure;
use super::plan::{self, Gates};
use super::rehearsal::Rehearsing;
use super::workspace::{Book, Workspace};
use crate::content::commit;
use crate::domain::commit::Commit;
use crate::domain::grant::GrantRecord;
use crate::domain::plan::{Action, Plan};
use crate::domain::resolution::Decided;
use crate::ledger::Ledger;
use crate::ledger::vault::Vault;
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::Engine;

/// What is to be done, with the ledger locked.
pub(super) struct Pass {
    pub ledger: Ledger,
    pub vault: Vault,
    pub decided: Decided,
    pub plan: Plan,
    pub actor: String,
    /// When it was planned.
    pub now: Timestamp,
}

impl Pass {
    /// Plans what `loaded` wants. Decisions from files are made and not yet recorded.
    pub(super) fn plan(
        workspace: &Workspace,
        loaded: &mut Loaded,
        (mut ledger, book): (Ledger, Book),
        (command, gates): (&str, &Gates),
        rehearsing: Option<&Rehearsing>,
    ) -> Result<Pass, Failure> {
        let (actor, now) = (workspace.actor(command), workspace.clock.now());
        let vault = workspace.vault(book, &ledger)?;
        if let Some(rehearsing) = rehearsing {
            rehearsing.log_in(&mut ledger, &vault, loaded, now, &actor)?;
        }
        let decided = decisions::make(workspace, loaded, Some(&ledger), (now, &actor))?;
        let plan = plan::make(workspace, loaded, Some(&ledger), &decided, gates)?;
        Ok(Pass { ledger, vault, decided, plan, actor, now })
    }

    /// The commits of what is about to start. Where nothing is, git is not asked: its start would take as long as the
    /// plan.
    pub(super) fn commits(&self, workspace: &Workspace) -> BTreeMap<String, Commit> {
        let starts = self.plan.acting().filter(|c| c.action != Action::Continue);
        let manifests: BTreeSet<&str> = starts.map(|change| change.path.as_str()).collect();
        if manifests.is_empty() {
            return BTreeMap::new();
        }
        if let Some(commit) = workspace.commit() {
            return manifests.into_iter().map(|path| (path.to_owned(), commit.clone())).collect();
        }
        let manifests: Vec<&str> = manifests.into_iter().collect();
        commit::commits((&workspace.root, &workspace.content), &manifests, |name| std::env::var_os(name))
    }

    /// Records the decisions, and gives what it takes to execute the plan.
    pub(super) fn begin(
        self,
        workspace: &Workspace,
        loaded: &Loaded,
        gates: &Gates,
        commits: BTreeMap<String, Commit>,
    ) -> Result<(Engine, Plan, Decided), Failure> {
        let Pass { mut ledger, vault, decided, plan, actor, now } = self;
        can_open_logins(&ledger, &vault, &plan)?;
        ledger.append(now, &actor, &decided.events)?;
        let allowed = loaded.platforms.iter().filter(|(name, _)| workspace.may_send(loaded, name));
        let engine = Engine {
            ledger,
            vault,
            clock: workspace.clock.clone(),
            actor,
            content: workspace.place().1.to_owned(),
            look_back: look_back(loaded, gates),
            pauses: decided.pauses.clone(),
            platforms: allowed.map(|(name, platform)| (name.clone(), Arc::clone(platform))).collect(),
            hints: crate::reconcile::news::Hints::default(),
            commits,
        };
        Ok((engine, plan, decided))
    }
}

/// A post that was due longer ago than `max_age` is never published, so that nothing older can be one of ours.
fn look_back(loaded: &Loaded, gates: &Gates) -> Option<SignedDuration> {
    let policy = loaded.project.as_ref().map(|project| project.policy).unwrap_or_default();
    (!gates.overrides().allow_duplicates).then_some(policy.max_age)
}

/// A login that is there and does not open means another key or a changed ledger: nothing is published then.
fn can_open_logins(ledger: &Ledger, vault: &Vault, plan: &Plan) -> Result<(), Failure> {
    let accounts: BTreeSet<_> = plan.acting().map(|change| &change.account).collect();
    for account in accounts {
        if let Some(record) = ledger.grant(account)?.filter(GrantRecord::has_tokens) {
            vault.open(&record).map_err(|error| {
                Failure::from(error)
                    .hint("restore state/key, or set GITCAST_KEY to the key that sealed them")
                    .hint(format!("or log in again: gitcast auth import {account} FILE"))
            })?;
        }
    }
    Ok(())
}
