//! The logins of a run: refreshed when they are due, and stored before they are used.

use jiff::Timestamp;

use super::{Done, Finished, Notice, Run};
use crate::crash::{self, Point};
use crate::domain::event::{Event, GrantChange};
use crate::domain::ids::AccountName;
use crate::ledger::{self, Rescue};
use crate::platform::RequestLog;
use crate::reconcile::credentials::Access;
use crate::reconcile::random;

impl Run<'_> {
    /// Refreshes, waits for the next chance to, or gives up on the account.
    pub(super) fn authorize(&mut self, index: usize) -> Result<Option<Timestamp>, ledger::Error> {
        let now = self.engine.clock.now();
        let lane = &mut self.lanes[index];
        match lane.credentials.access(&self.engine.vault, now) {
            Access::Ready(_) => {
                lane.is_asked = false;
                Ok(None)
            }
            Access::WaitUntil(at) => {
                lane.is_asked = false;
                let idle = lane.items.iter().all(|item| item.done);
                Ok((!idle).then_some(at))
            }
            Access::Blocked(reason) => {
                self.give_up(index, reason);
                Ok(None)
            }
            Access::Refresh(grant) => {
                let generation = lane.credentials.generation();
                let (account, platform) = (lane.account.clone(), lane.platform.clone());
                lane.busy = true;
                lane.rescue = Some(self.engine.ledger.make_room(&account)?);
                self.record_grant(&account, GrantChange::Presented { generation }, Vec::new())?;
                let log = RequestLog::default();
                self.tasks.spawn(async move {
                    crash::at(Point::BeforeRequest);
                    let result = platform.refresh(&grant, &log).await;
                    crash::at(Point::AfterAnswer);
                    Finished { account, post: None, log, done: Done::Refreshed(result) }
                });
                Ok(None)
            }
        }
    }

    fn give_up(&mut self, index: usize, reason: String) {
        let lane = &mut self.lanes[index];
        let needed = lane.is_asked || lane.items.iter().any(|item| !item.done && item.action.acts());
        lane.is_asked = false;
        lane.items.iter_mut().for_each(|item| item.done = true);
        if needed {
            (self.notify)(Notice::Login { account: &lane.account, message: &reason });
            self.summary.blocked.insert(lane.account.clone(), reason);
        }
    }

    pub(super) fn finish_refresh(
        &mut self,
        index: usize,
        done: Done,
        requests: Vec<Event>,
    ) -> Result<(), ledger::Error> {
        let Done::Refreshed(result) = done else { return Ok(()) };
        let now = self.engine.clock.now();
        let lane = &mut self.lanes[index];
        let (account, rescue) = (lane.account.clone(), lane.rescue.take());
        // Whoever has stored a newer login meanwhile has used this one's refresh token up: no refusal counts then.
        if result.is_err() && lane.credentials.overtaken(self.engine.ledger.grant(&account)?) {
            return self.append(requests);
        }
        match lane.credentials.refreshed(result, &self.engine.vault, now, random()) {
            Ok(Some(change)) => self.record_login(&account, change, requests, rescue),
            Ok(None) => Ok(()),
            Err(error) => {
                let message = format!("could not refresh the login: {error}");
                (self.notify)(Notice::Login { account: &account, message: &message });
                self.append(requests)
            }
        }
    }

    /// Records what a refresh came to. A new pair that the ledger cannot take is put where the next writer finds it:
    /// the old one is dead.
    fn record_login(
        &mut self,
        account: &AccountName,
        change: GrantChange,
        requests: Vec<Event>,
        rescue: Option<Rescue>,
    ) -> Result<(), ledger::Error> {
        let recorded = self.record_grant(account, change.clone(), requests);
        if let (Err(error), Some(rescue), GrantChange::Stored { .. }) = (&recorded, rescue, &change) {
            let path = rescue.keep(&change)?;
            let message = format!(
                "{error}: the new login is kept, sealed, in {}; the next command that writes takes it up",
                path.display()
            );
            (self.notify)(Notice::Login { account, message: &message });
        }
        recorded
    }

    pub(super) fn record_grant(
        &mut self,
        account: &AccountName,
        change: GrantChange,
        mut events: Vec<Event>,
    ) -> Result<(), ledger::Error> {
        events.push(Event::Grant { account: account.clone(), change });
        self.append(events)?;
        let record = self.engine.ledger.grant(account)?;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.account == *account) {
            lane.credentials.reread(record);
        }
        Ok(())
    }
}
