//! TikTok: videos and photos, published directly or as drafts in the creator's inbox, over the Content Posting API.
//!
//! `prepare` judges a post offline; `stage` leads to the one request that publishes; `observe` finds out what became of
//! it. Which request comes when is told in `stage`, what a reply means in `types`, `errors` and `media`.

use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::Value;

use super::doubt::Doubts;
use super::http::Http;
use super::{BoxFuture, Error, Job, Keys, Observation, Platform, Prepared, RequestLog, Sent, Staged, upload};
use crate::domain::grant::{Grant, TokenCare, TokenModel};
use crate::domain::limits::{Cap, RateLimit};
use crate::domain::manifest::{Post, Target};
use crate::domain::media::Medium;
use crate::domain::payload::Payload;
use crate::domain::preview::Preview;
use crate::domain::project::Account;
use crate::domain::publication::{Publication, State};

mod body;
pub mod business;
mod checkpoint;
mod client;
mod errors;
mod inquiry;
mod known;
mod limits;
mod listing;
mod login;
mod media;
mod oauth;
mod observe;
mod options;
mod pace;
mod prepare;
mod preview;
pub mod replies;
mod reply;
mod research;
mod rules;
mod stage;
mod survey;
#[cfg(test)]
mod tests;
mod types;
mod webhooks;

pub use options::{options_schema, starter};

use client::{Client, Session, operation};
use pace::Pace;
use reply::Reply;
use stage::{Known, Step};

/// One TikTok account. It remembers where uploads stand, so keep it for as long as the process runs; a new one costs
/// an extra status request for each upload that is under way.
pub struct Tiktok {
    account: Account,
    client: Client,
    keys: Keys,
    known: Known,
    doubts: Doubts,
    files: upload::Files,
    /// To the Research API.
    research: Mutex<Option<research::Access>>,
}

impl Tiktok {
    pub fn new(account: Account, http: Http, keys: Keys) -> Tiktok {
        let client = Client::new(http, account.endpoint.as_ref().map(|url| url.value.as_str()));
        let (known, doubts, files) = (Known::default(), Doubts::default(), upload::Files::default());
        Tiktok { account, client, keys, known, doubts, files, research: Mutex::default() }
    }

    fn pace(&self) -> Pace {
        Pace::of(self.client.is_loopback())
    }

    /// Asks TikTok to stop pulling a post's media: best effort, and in vain once they have been pulled. What became of
    /// the post, only `observe` tells.
    pub async fn cancel(&self, job: &Job, grant: &Grant) -> Result<(), Error> {
        let checkpoint = checkpoint::Checkpoint::read(job.checkpoint.as_ref())?;
        let Some(id) = checkpoint.publish_id else { return Ok(()) };
        self.client.cancel(Session { grant, log: &job.log }, &id).await
    }

    fn stage_operation(&self, job: &Job) -> Option<&'static str> {
        let body = body::Body::read(&job.payload).ok()?;
        let checkpoint = checkpoint::Checkpoint::read(job.checkpoint.as_ref()).ok()?;
        match self.step(job, &body, &checkpoint) {
            Step::LookBack => Some(operation::VIDEO_LIST),
            Step::CreatorInfo => Some(operation::CREATOR_INFO),
            Step::Init if body.is_direct() => Some(operation::VIDEO_INIT),
            Step::Init => Some(operation::INBOX_INIT),
            Step::Resync => Some(operation::STATUS),
            Step::Chunk => Some(operation::UPLOAD),
            Step::Ready => None,
        }
    }
}

impl Platform for Tiktok {
    fn token_care(&self) -> TokenCare {
        TokenCare { model: TokenModel::Rotating, window: limits::REFRESH_WINDOW }
    }

    fn rates(&self) -> &'static [RateLimit] {
        limits::RATES
    }

    fn caps(&self) -> &'static [Cap] {
        limits::CAPS
    }

    fn origin(&self) -> String {
        self.client.origin()
    }

    fn prepare(&self, post: &Post, target: &Target, media: &[Medium]) -> Prepared {
        match reply::is_meant(target) {
            true => reply::prepare(&self.account, (post, target)),
            false => prepare::prepare(&self.account, self.client.is_loopback(), (post, target), media),
        }
    }

    fn preview(&self, payload: &Payload) -> Preview {
        Reply::read(payload).map_or_else(|| preview::preview(payload), |reply| reply::preview(&reply))
    }

    fn read_grant(&self, reply: &Value, now: Timestamp) -> Result<Grant, Error> {
        oauth::read_grant(reply, now)
    }

    fn refresh<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            let app = oauth::app_keys(&self.account, &self.keys)?;
            oauth::refresh(&self.client, &app, grant, log).await
        })
    }

    fn login(&self) -> &dyn crate::platform::oauth::Login {
        self
    }

    fn inquiry(&self) -> &dyn crate::platform::inquiry::Inquiry {
        self
    }

    fn listing(&self) -> Option<&dyn crate::platform::listing::Listing> {
        Some(self)
    }

    fn edits(&self) -> Option<&dyn crate::platform::Edits> {
        None
    }

    fn deletes(&self) -> Option<&dyn crate::platform::Deletes> {
        None
    }

    fn webhooks(&self) -> Option<&dyn crate::platform::webhooks::Webhooks> {
        Some(self)
    }

    fn comments(&self) -> Option<&dyn crate::platform::comments::Comments> {
        Some(self)
    }

    fn survey(&self) -> Option<&dyn crate::platform::survey::Survey> {
        Some(self)
    }

    fn next_operation(&self, publication: &Publication, job: &Job) -> &'static str {
        if Reply::read(&job.payload).is_some() {
            return match publication.state {
                State::Planned | State::Staging => operation::NOTHING,
                State::Staged => business::operation::REPLY,
                _ => business::operation::REPLIES,
            };
        }
        match publication.state {
            State::Planned | State::Staging => self.stage_operation(job).unwrap_or(operation::NOTHING),
            State::Staged => self.publish_operation(job),
            _ => self.observe_operation(job),
        }
    }

    fn stage<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Staged, Error>> {
        Box::pin(async move {
            match Reply::read(&job.payload) {
                Some(_) => self.stage_reply(job),
                None => self.stage_step(job, grant).await,
            }
        })
    }

    fn publish<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Sent, Error>> {
        Box::pin(async move {
            match Reply::read(&job.payload) {
                Some(reply) => self.publish_reply(job, &reply).await,
                None => self.publish_once(job, grant).await,
            }
        })
    }

    fn observe<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Observation, Error>> {
        Box::pin(async move {
            match Reply::read(&job.payload) {
                Some(reply) => self.look_for_reply(job, &reply).await,
                None => self.look(job, grant).await,
            }
        })
    }
}
