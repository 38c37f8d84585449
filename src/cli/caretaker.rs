//! An engine that publishes nothing: it keeps logins fresh, and asks platforms.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::Failure;
use super::exit::Exit;
use super::workspace::{Book, Workspace};
use crate::domain::grant::Grant;
use crate::domain::ids::AccountName;
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::reconcile::credentials::{Access, Credentials};
use crate::reconcile::execute::Engine;
use crate::reconcile::lane::Platforms;
use crate::reconcile::news::Hints;

pub(super) fn engine(
    workspace: &Workspace,
    ledger: Ledger,
    command: &str,
    platforms: Platforms,
) -> Result<Engine, Failure> {
    Ok(Engine {
        vault: workspace.existing_vault(Book::Real, &ledger)?,
        ledger,
        clock: workspace.clock.clone(),
        actor: workspace.actor(command),
        content: workspace.content.clone(),
        hints: Hints::default(),
        commits: BTreeMap::new(),
        look_back: None,
        pauses: Vec::new(),
        platforms,
    })
}

/// The account's tokens, which were refreshed if that was due.
pub(super) fn live_grant(
    engine: &Engine,
    name: &AccountName,
    platform: &dyn Platform,
    now: Timestamp,
) -> Result<Arc<Grant>, Failure> {
    let issued = (platform.token_care(), platform.origin());
    match Credentials::new(name.clone(), issued, engine.ledger.grant(name)?).access(&engine.vault, now) {
        Access::Ready(grant) => Ok(grant),
        Access::Refresh(grant) if grant.expires_at > now => Ok(grant),
        Access::Refresh(_) | Access::WaitUntil(_) => {
            Err(Failure::new(Exit::Temporary, "the access token has expired").hint("run again"))
        }
        Access::Blocked(reason) => Err(Failure::new(Exit::LoginNeeded, reason)),
    }
}
