//! Mastodon, and the servers that speak its language: posts with text, media, polls and warnings, and threads of them.
//!
//! `prepare` judges a post offline; `stage` leads to the requests that publish, one for each post of a thread; `observe`
//! finds out what became of one that was not answered; `edit` and `delete` change what is live. What a reply means is told
//! in `types`.

use jiff::Timestamp;
use serde_json::Value;

use super::doubt::Doubts;
use super::http::Http;
use super::{BoxFuture, Error, Job, Observation, Platform, Prepared, RequestLog, Sent, Staged, upload};
use crate::domain::grant::{Grant, TokenCare, TokenModel};
use crate::domain::limits::{Cap, RateLimit};
use crate::domain::manifest::{Post, Target};
use crate::domain::media::Medium;
use crate::domain::payload::Payload;
use crate::domain::preview::Preview;
use crate::domain::project::Account;
use crate::domain::publication::{Publication, State};
use crate::domain::retry::ErrorKind;

mod body;
mod checkpoint;
mod client;
mod delete;
mod edit;
mod inquiry;
mod limits;
mod media;
mod oauth;
mod observe;
mod options;
mod pace;
mod prepare;
mod preview;
mod reference;
mod stage;
#[cfg(test)]
mod tests;
mod text;
mod types;

pub use options::{STARTER, options_schema};

use body::Body;
use checkpoint::Checkpoint;
use client::{Client, operation};
use pace::Pace;

/// One Mastodon account. It remembers since when posts have not been found, so keep it for as long as the process runs.
pub struct Mastodon {
    account: Account,
    client: Client,
    files: upload::Files,
    doubts: Doubts,
}

impl Mastodon {
    pub fn new(account: Account, http: Http) -> Mastodon {
        let client = Client::new(http.without_reuse(), &account);
        Mastodon { account, client, files: upload::Files::default(), doubts: Doubts::default() }
    }

    /// `alice@example.social`.
    fn handle(&self) -> &str {
        self.account.handle.as_ref().map_or("", |handle| handle.value.as_str())
    }

    fn user(&self) -> &str {
        self.handle().split_once('@').map_or("", |(user, _)| user)
    }

    fn pace(&self) -> Pace {
        Pace::of(self.client.is_loopback())
    }

    fn stage_operation(&self, job: &Job) -> Option<&'static str> {
        let body = Body::read(&job.payload).ok()?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref()).ok()?;
        Some(stage::next_step(job, &body, &checkpoint).operation())
    }
}

impl Platform for Mastodon {
    /// Tokens have no end; what is refused is asked for again by a person.
    fn token_care(&self) -> TokenCare {
        TokenCare { model: TokenModel::Stable, window: std::time::Duration::ZERO }
    }

    fn rates(&self) -> &'static [RateLimit] {
        limits::RATES
    }

    fn caps(&self) -> &'static [Cap] {
        &[]
    }

    fn origin(&self) -> String {
        self.client.origin()
    }

    fn prepare(&self, post: &Post, target: &Target, media: &[Medium]) -> Prepared {
        let (own, host) = (self.client.host(), self.handle().split_once('@').map_or("", |(_, host)| host));
        prepare::prepare(&self.account, &[host, &own], (post, target), media)
    }

    fn preview(&self, payload: &Payload) -> Preview {
        preview::preview(payload)
    }

    fn read_grant(&self, reply: &Value, now: Timestamp) -> Result<Grant, Error> {
        oauth::read_grant(reply, &[], now)
    }

    fn refresh<'a>(&'a self, _grant: &'a Grant, _log: &'a RequestLog) -> BoxFuture<'a, Result<Grant, Error>> {
        let message = "the server's tokens are not refreshed: log in again";
        let error = Error::new(operation::TOKEN, ErrorKind::Auth, "no-refresh-token", message);
        Box::pin(async move { Err(error) })
    }

    fn login(&self) -> &dyn crate::platform::oauth::Login {
        self
    }

    fn inquiry(&self) -> &dyn crate::platform::inquiry::Inquiry {
        self
    }

    fn edits(&self) -> Option<&dyn crate::platform::Edits> {
        Some(self)
    }

    fn deletes(&self) -> Option<&dyn crate::platform::Deletes> {
        Some(self)
    }

    fn next_operation(&self, publication: &Publication, job: &Job) -> &'static str {
        match publication.state {
            State::Planned | State::Staging => self.stage_operation(job).unwrap_or(operation::NOTHING),
            State::Staged | State::Partial => operation::POST,
            State::Editing => self.edit_operation(job),
            State::Deleting => self.delete_operation(job),
            _ => operation::LIST,
        }
    }

    fn stage<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Staged, Error>> {
        Box::pin(self.stage_step(job, grant))
    }

    fn publish<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Sent, Error>> {
        Box::pin(self.publish_once(job, grant))
    }

    fn observe<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Observation, Error>> {
        Box::pin(self.look(job, grant))
    }
}
