//! One account's tokens during a run: opened once, refreshed when due, never presented twice after an answer.
//!
//! # Guarantees
//!
//! A refresh token is marked as presented before it is sent, the new pair is stored before it is used, and a network
//! error never marks a grant dead. The caller holds the ledger's lock, so no other process refreshes meanwhile.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::GrantChange;
use crate::domain::grant::{Grant, GrantRecord, TokenCare};
use crate::domain::ids::AccountName;
use crate::domain::retry::{ErrorKind, backoff};
use crate::ledger::vault::{Vault, VaultError};
use crate::platform::Error;

/// An access token with less life left than this is not used for a request.
const LIFE_MIN: SignedDuration = SignedDuration::from_secs(60);
/// A pair so new is used whatever life it was announced with: a platform that announces none must not be asked again
/// and again.
const REST: SignedDuration = SignedDuration::from_secs(30);

/// What an account's tokens allow right now.
#[derive(Debug)]
pub enum Access {
    Ready(Arc<Grant>),
    /// Refresh first, with this grant.
    Refresh(Arc<Grant>),
    /// The last refresh got no answer; try again then.
    WaitUntil(Timestamp),
    /// A person must log in, or give the keys.
    Blocked(String),
}

#[derive(Debug)]
pub struct Credentials {
    account: AccountName,
    care: TokenCare,
    /// Where the account points: the tokens must have been granted for it.
    origin: String,
    record: Option<GrantRecord>,
    grant: Option<Arc<Grant>>,
    /// The generation whose access token the platform turned down.
    turned_down: Option<u64>,
    /// The last refresh was asked for because of that.
    refreshed_because: Option<u64>,
    retry_at: Option<Timestamp>,
    tries: u32,
    blocked: Option<String>,
    is_forced: bool,
}

impl Credentials {
    pub fn new(
        account: AccountName,
        (care, origin): (TokenCare, String),
        record: Option<GrantRecord>,
    ) -> Credentials {
        Credentials {
            account,
            care,
            origin,
            record,
            grant: None,
            turned_down: None,
            refreshed_because: None,
            retry_at: None,
            tries: 0,
            blocked: None,
            is_forced: false,
        }
    }

    pub fn generation(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.generation)
    }

    pub fn access(&mut self, vault: &Vault, now: Timestamp) -> Access {
        if let Some(reason) = &self.blocked {
            return Access::Blocked(reason.clone());
        }
        let grant = match self.open(vault, now) {
            Ok(grant) => grant,
            Err(reason) => return Access::Blocked(self.block(reason)),
        };
        let care = self.care;
        let due = self.is_forced
            || self.record.as_ref().is_some_and(|record| {
                record.refresh_due_at(&care) <= now
                    && record.stored_at.saturating_add(REST).is_ok_and(|rested| rested <= now)
            });
        let turned_down = self.turned_down.is_some();
        if !due && !turned_down {
            return Access::Ready(grant);
        }
        let usable = !turned_down && grant.expires_at.duration_since(now) > LIFE_MIN;
        match self.retry_at {
            Some(at) if at > now && usable => Access::Ready(grant),
            Some(at) if at > now => Access::WaitUntil(at),
            _ if care.can_renew(&grant) => Access::Refresh(grant),
            _ if usable => Access::Ready(grant),
            _ => Access::Blocked(
                self.block("the access token has expired and there is no refresh token".to_owned()),
            ),
        }
    }

    /// Whether a refresh is due although nothing needs the token right now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let due = |r: &GrantRecord| r.needs_login(now).is_none() && r.refresh_due_at(&self.care) <= now;
        let due = self.is_forced || self.record.as_ref().is_some_and(due);
        self.blocked.is_none() && self.retry_at.is_none() && due
    }

    /// Asks for a refresh whether or not it is due.
    pub fn force(&mut self) {
        self.is_forced = true;
    }

    fn block(&mut self, reason: String) -> String {
        self.blocked = Some(reason.clone());
        reason
    }

    fn open(&mut self, vault: &Vault, now: Timestamp) -> Result<Arc<Grant>, String> {
        let account = &self.account;
        let record = self.record.as_ref().ok_or_else(|| {
            format!(
                "no login is stored: run `gitcast auth login {account}`, or `gitcast auth import {account} FILE` with the platform's token reply"
            )
        })?;
        if let Some(reason) = record.needs_login(now) {
            return Err(reason);
        }
        if record.origin != self.origin {
            return Err(format!(
                "the stored login was granted for {}, and the account now points at {}; log in again",
                record.origin, self.origin
            ));
        }
        if self.grant.is_none() {
            self.grant = Some(Arc::new(vault.open(record).map_err(|error| error.to_string())?));
        }
        self.grant.clone().ok_or_else(|| "no token".to_owned())
    }

    /// The platform did not accept the access token of this generation. Refresh once; if the fresh one is turned down
    /// too, or there is no way to a fresh one, a person must log in.
    pub fn turned_down(&mut self) -> Option<GrantChange> {
        let generation = self.generation();
        let is_last = self.grant.as_ref().is_some_and(|grant| !self.care.can_renew(grant));
        let reason = match self.refreshed_because {
            Some(_) => Some("a fresh access token was turned down"),
            None if is_last => Some("the access token was turned down, and there is no refresh token"),
            None => None,
        };
        if let Some(reason) = reason.map(str::to_owned) {
            self.block(reason.clone());
            return Some(GrantChange::Refused { generation, reason });
        }
        self.turned_down = Some(generation);
        self.retry_at = None;
        None
    }

    /// The access token was accepted: a later refusal is a new matter.
    pub fn accepted(&mut self) {
        self.refreshed_because = None;
    }

    /// What to record after a refresh was answered, or not. `seal` makes the stored form of the next generation.
    pub fn refreshed(
        &mut self,
        result: Result<Grant, Error>,
        vault: &Vault,
        now: Timestamp,
        random: u32,
    ) -> Result<Option<GrantChange>, Error> {
        let generation = self.generation();
        match result {
            Ok(grant) => {
                let change = vault
                    .stored(&self.account, generation + 1, &grant, self.origin.clone(), "refresh")
                    .map_err(unsealed)?;
                self.refreshed_because = self.turned_down.take();
                self.is_forced = false;
                self.retry_at = None;
                self.tries = 0;
                self.grant = Some(Arc::new(grant));
                Ok(Some(change))
            }
            Err(error) => match error.kind {
                ErrorKind::Auth => {
                    self.block(format!("the platform refused the stored login: {error}"));
                    Ok(Some(GrantChange::Refused { generation, reason: error.to_string() }))
                }
                ErrorKind::Permission | ErrorKind::Rejected | ErrorKind::Local => {
                    self.block(error.to_string());
                    Err(error)
                }
                ErrorKind::RateLimited
                | ErrorKind::Transient
                | ErrorKind::Ambiguous
                | ErrorKind::Protocol => {
                    let wait = backoff(self.tries, error.retry_after, random);
                    self.tries += 1;
                    self.is_forced = false;
                    self.retry_at = Some(now.checked_add(wait).unwrap_or(Timestamp::MAX));
                    Err(error)
                }
            },
        }
    }

    /// The record as it now stands in the ledger.
    pub fn reread(&mut self, record: Option<GrantRecord>) {
        self.record = record;
    }

    /// Takes over a login that somebody else has stored meanwhile; whether this one's refresh was refused does not
    /// matter any more. Tells whether there was one.
    pub fn overtaken(&mut self, record: Option<GrantRecord>) -> bool {
        let is_newer = record.as_ref().map_or(0, |record| record.generation) > self.generation();
        if is_newer {
            *self = Credentials::new(self.account.clone(), (self.care, self.origin.clone()), record);
        }
        is_newer
    }
}

fn unsealed(error: VaultError) -> Error {
    Error::new("oauth/token", ErrorKind::Local, "not-sealed", error.to_string())
}

#[cfg(test)]
mod tests;
