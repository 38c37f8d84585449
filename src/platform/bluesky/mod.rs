//! Bluesky: posts with text, images, a video or a link card, as records of the account's own repository (AT Protocol).
//!
//! `prepare` judges a post offline; `stage` leads to the one request that publishes, and tells why it can only ever make
//! one post; `observe` finds out what became of it. What a text holds is told in `facets`, what a post is in `record`.

use jiff::Timestamp;
use serde_json::Value;

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

mod body;
mod checkpoint;
mod cid;
mod client;
mod delete;
mod facets;
mod inquiry;
mod limits;
mod media;
mod oauth;
mod observe;
mod options;
mod prepare;
mod preview;
mod record;
mod reference;
mod stage;
#[cfg(test)]
mod tests;
mod tid;
mod types;
mod video;

pub use options::{STARTER, options_schema};

use checkpoint::Checkpoint;
use client::{Client, operation};

/// One Bluesky account.
pub struct Bluesky {
    account: Account,
    client: Client,
    files: upload::Files,
    tickets: video::Tickets,
}

impl Bluesky {
    pub fn new(account: Account, http: Http) -> Bluesky {
        let client = Client::new(http, account.endpoint.as_ref().map(|url| url.value.as_str()));
        Bluesky { account, client, files: upload::Files::default(), tickets: video::Tickets::default() }
    }

    fn handle(&self) -> &str {
        self.account.handle.as_ref().map_or("", |handle| handle.value.as_str())
    }

    fn stage_operation(&self, job: &Job) -> Option<&'static str> {
        let body = body::Body::read(&job.payload).ok()?;
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref()).ok()?;
        Some(self.step(job, &body, &checkpoint).operation())
    }
}

impl Platform for Bluesky {
    fn token_care(&self) -> TokenCare {
        TokenCare { model: TokenModel::Rotating, window: limits::REFRESH_WINDOW }
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
        prepare::prepare(&self.account, (post, target), media)
    }

    fn preview(&self, payload: &Payload) -> Preview {
        preview::preview(payload)
    }

    fn read_grant(&self, reply: &Value, now: Timestamp) -> Result<Grant, Error> {
        oauth::read_grant(reply, Some(self.handle()), now)
    }

    fn refresh<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(oauth::refresh(&self.client, grant, log))
    }

    fn login(&self) -> &dyn crate::platform::oauth::Login {
        self
    }

    fn inquiry(&self) -> &dyn crate::platform::inquiry::Inquiry {
        self
    }

    fn edits(&self) -> Option<&dyn crate::platform::Edits> {
        None
    }

    fn deletes(&self) -> Option<&dyn crate::platform::Deletes> {
        Some(self)
    }

    fn next_operation(&self, publication: &Publication, job: &Job) -> &'static str {
        match publication.state {
            State::Planned | State::Staging => self.stage_operation(job).unwrap_or(operation::NOTHING),
            State::Staged => Checkpoint::read(job.checkpoint.as_ref())
                .map_or(operation::PUT_RECORD, |checkpoint| stage::publish_operation(&checkpoint)),
            State::Deleting => self.delete_operation(job),
            _ => operation::GET_RECORD,
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
