//! The network: one trait for all platforms, its result types, and the one place that builds an adapter.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Request;
use crate::domain::grant::{Grant, TokenCare};
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::limits::{Cap, RateLimit};
use crate::domain::manifest::{Post, Target};
use crate::domain::media::Medium;
use crate::domain::payload::Payload;
use crate::domain::preview::Preview;
use crate::domain::project::Account;
use crate::domain::publication::{Checkpoint, Publication, Reason, Remote};

pub mod bluesky;
pub mod comments;
pub mod doubt;
pub mod error;
pub mod http;
pub mod inquiry;
pub mod listing;
pub mod mastodon;
pub mod multipart;
pub mod oauth;
pub mod stored;
pub mod survey;
#[cfg(test)]
pub(crate) mod testing;
pub mod tiktok;
pub mod upload;
pub mod webhooks;

pub use error::Error;

/// A future that can be sent to another thread: what a trait object's asynchronous methods return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One account on one platform. Building an adapter is cheap and touches neither network nor secrets.
pub trait Platform: Send + Sync {
    /// How tokens live here.
    fn token_care(&self) -> TokenCare;

    /// Requests in a window.
    fn rates(&self) -> &'static [RateLimit];

    /// Posts in a window.
    fn caps(&self) -> &'static [Cap];

    /// Scheme, host and port that this account's tokens are granted for.
    fn origin(&self) -> String;

    /// What the post comes to on this account. Offline and pure: limits are checked against the facts of `media`, which
    /// are the post's own, each and in order. Where one of them is bad there are none: what can be judged without them
    /// is judged, and there is no payload.
    /// A payload is there whenever no diagnostic is an error.
    fn prepare(&self, post: &Post, target: &Target, media: &[Medium]) -> Prepared;

    /// How the payload will look to readers. Offline and pure.
    fn preview(&self, payload: &Payload) -> Preview {
        Preview::plain(payload)
    }

    /// Reads the platform's own token reply. `now` turns lives into instants.
    fn read_grant(&self, reply: &Value, now: Timestamp) -> Result<Grant, Error>;

    /// New tokens for old. The caller stores them before it uses them. Sent once.
    fn refresh<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<Grant, Error>>;

    /// How the account's owner logs in and out.
    fn login(&self) -> &dyn oauth::Login;

    /// What the account may do.
    fn inquiry(&self) -> &dyn inquiry::Inquiry;

    /// `None`: what posts an account has is not asked for here.
    fn listing(&self) -> Option<&dyn listing::Listing> {
        None
    }

    /// `None`: live posts stay as they are here. Then no payload has a `fixed`.
    fn edits(&self) -> Option<&dyn Edits>;

    /// `None`: live posts are taken away by their owner only.
    fn deletes(&self) -> Option<&dyn Deletes>;

    /// `None`: this platform tells nothing on its own.
    fn webhooks(&self) -> Option<&dyn webhooks::Webhooks> {
        None
    }

    /// `None`: comments are not read here.
    fn comments(&self) -> Option<&dyn comments::Comments> {
        None
    }

    /// `None`: live posts are not looked at here.
    fn survey(&self) -> Option<&dyn survey::Survey> {
        None
    }

    /// The operation that the next call of [`stage`](Self::stage), [`publish`](Self::publish),
    /// [`observe`](Self::observe), [`edit`](Edits::edit) or [`delete`](Deletes::delete), whichever `publication`'s state
    /// calls for, begins with: it must fit its rate limit.
    /// A name without a limit where no request will be needed.
    fn next_operation(&self, publication: &Publication, job: &Job) -> &'static str;

    /// One step towards ready: nothing it does can make something public, so it may be repeated from the last
    /// checkpoint. At most one request.
    fn stage<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Staged, Error>>;

    /// Exactly one request that may make something public, sent once. An error of kind `Ambiguous` or `Protocol`
    /// means that nobody knows; any other that provably nothing became public.
    fn publish<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Sent, Error>>;

    /// What became of it. Changes nothing at the platform.
    fn observe<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Observation, Error>>;
}

/// Changing live posts.
pub trait Edits: Send + Sync {
    /// One step towards the live post being as the job's payload says. At most one request, which may be sent again
    /// whatever became of it. The checkpoint is the published post's, or what an earlier step, perhaps of another edit,
    /// left.
    fn edit<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Edited, Error>>;
}

/// Taking live posts away.
pub trait Deletes: Send + Sync {
    /// One step towards nothing of it being there. At most one request, which may be sent again whatever became of it:
    /// what is gone already is gone.
    fn delete<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Deleted, Error>>;
}

/// A post on an account, judged offline.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub payload: Option<Payload>,
    pub diagnostics: Vec<Diagnostic>,
}

/// What an adapter gets to do one step.
#[derive(Debug, Clone)]
pub struct Job {
    pub payload: Arc<Payload>,
    /// `content/`, where the payload's files lie.
    pub content: PathBuf,
    pub checkpoint: Option<Checkpoint>,
    /// Tells this attempt at this post on this account from every other, the same in each process.
    pub key: ContentDigest,
    /// The live post, or the first of its parts, as far as it is known.
    pub remote: Remote,
    pub now: Timestamp,
    /// When the post is due, if that is yet to come: it is staged before its time.
    pub publish_at: Option<Timestamp>,
    /// The code of why the publication is where it is, such as how the last request ended.
    pub reason: Option<String>,
    /// When the publish request of this attempt left, if it did.
    pub intended_at: Option<Timestamp>,
    /// Ids at the platform that belong to other publications.
    pub taken: Arc<Vec<String>>,
    /// Before anything is staged: the post must not be among the account's posts since then already, unknown to the
    /// ledger. `None`: it may.
    pub look_back_to: Option<Timestamp>,
    pub progress: Progress,
    pub log: RequestLog,
}

/// Bytes uploaded so far, for whoever watches.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    pub fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The requests of one step, written down by the shared HTTP client.
#[derive(Debug, Clone, Default)]
pub struct RequestLog(Arc<Mutex<Vec<Request>>>);

impl RequestLog {
    pub fn push(&self, request: Request) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(request);
    }

    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// What one step of staging leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Staged {
    /// Done; there is another step.
    More(Checkpoint),
    /// Look again after this long.
    Wait(Checkpoint, Duration),
    /// The next request is the one that publishes.
    Ready(Checkpoint),
}

/// The answer to a publish request.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// The platform has it and works on it; observe after this long.
    Accepted(Checkpoint, Duration),
    /// Live. A checkpoint replaces the one it was sent with.
    Published(Remote, Option<Checkpoint>),
    /// One of several parts is live, and `Remote` is the first of them; the next request publishes the next one.
    Partly(Remote, Checkpoint),
    /// Nothing was sent, as what was staged has expired meanwhile: staging begins anew. The checkpoint tells what was
    /// tried, so that what is tried again has a bound; likewise below.
    Stale(Checkpoint, Reason),
}

/// What a look at the platform shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// Live. `again`: look for a public id after this long. A checkpoint replaces the one before, so that later looks
    /// know what was seen; likewise below.
    Published {
        remote: Remote,
        checkpoint: Option<Checkpoint>,
        again: Option<Duration>,
    },
    /// The part that was asked for is live, and `Remote` is the first one; the next request publishes the next one.
    Partly(Remote, Checkpoint),
    /// In the creator's inbox. `again`: look whether it was published after this long.
    Delivered {
        checkpoint: Option<Checkpoint>,
        again: Option<Duration>,
    },
    /// The platform has it and still works on it; look again after this long.
    Working(Checkpoint, Duration),
    /// Not known yet, and nothing says that it is there; look again after this long.
    Unknown(Duration),
    /// Authoritatively not there and cannot come to be there. With a checkpoint: ready to publish again.
    /// Without: staging begins anew.
    Absent(Option<Checkpoint>, Reason),
    /// Absent as well, and what was staged is of no use any more: staging begins anew from this checkpoint.
    Lost(Checkpoint, Reason),
    Rejected(Reason),
    /// The platform offers no way to find out.
    CannotTell(Reason),
}

/// What one step of an edit leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Edited {
    /// Done; there is another step.
    More(Checkpoint),
    /// Look again after this long.
    Wait(Checkpoint, Duration),
    /// The live post is as it should be.
    Done(Remote, Option<Checkpoint>),
}

/// What one step of a deletion leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Deleted {
    /// Done; there is more to take away.
    More(Checkpoint),
    /// Nothing of it is there.
    Done,
}

/// Where the app's keys come from: a look-up by the name of an environment variable.
pub type Keys = Arc<dyn Fn(&str) -> Option<crate::secret::Secret> + Send + Sync>;

/// The adapter of an account. Build it once and keep it: it may remember what it knows of work under way.
pub fn build(account: &Account, http: &http::Http, keys: &Keys) -> Box<dyn Platform> {
    match account.platform {
        PlatformId::Tiktok => Box::new(tiktok::Tiktok::new(account.clone(), http.clone(), keys.clone())),
        PlatformId::Bluesky => Box::new(bluesky::Bluesky::new(account.clone(), http.clone())),
        PlatformId::Mastodon => Box::new(mastodon::Mastodon::new(account.clone(), http.clone())),
    }
}

/// The form of each platform's options in a manifest, for `gitcast schema`.
pub fn option_schemas() -> Vec<(PlatformId, schemars::Schema)> {
    let schema = |platform| match platform {
        PlatformId::Tiktok => tiktok::options_schema(),
        PlatformId::Bluesky => bluesky::options_schema(),
        PlatformId::Mastodon => mastodon::options_schema(),
    };
    PlatformId::ALL.map(|platform| (platform, schema(platform))).to_vec()
}

/// What a manifest begins with for an account: all that its platform asks for, and the way to what it offers.
#[derive(Debug, Clone, Copy)]
pub struct Starter {
    /// YAML, to stand below the account's name.
    pub lines: &'static [&'static str],
    /// There are no posts of text alone.
    pub needs_media: bool,
}

/// With which options a new post begins on this account.
pub fn starter(account: &Account) -> Starter {
    match account.platform {
        PlatformId::Tiktok => tiktok::starter(account.mode.value),
        PlatformId::Bluesky => bluesky::STARTER,
        PlatformId::Mastodon => mastodon::STARTER,
    }
}
