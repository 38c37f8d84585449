//! The rehearsal: stand-ins for the platforms, served over real HTTP on loopback.
//!
//! It is a stateful model of the documented rules and refusals, not an echo. It knows nothing of the adapter: the
//! wire format is written here once more, from the documentation, so that a misreading on one side shows.
//!
//! # Guarantees
//! - Everything acknowledged is on disk before the reply leaves, and a restart with the same directory goes on
//!   from there: publications, upload offsets, grants. Rate-limit windows and faults start afresh.
//! - A publication is never merged with another: two inits and two uploads are two posts, so that posting twice shows.
//! - Media go to disk as they arrive; memory does not grow with their size.
//! - It binds loopback only and fetches from its own media host only.

pub mod bluesky;
mod control;
mod faults;
mod feed;
mod fetch;
pub(crate) mod files;
mod http;
pub mod mastodon;
mod publication;
mod random;
mod requests;
mod settings;
mod store;
pub mod tiktok;
pub mod trends;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use self::faults::{Action, Fault, Faults};
pub use self::mastodon::{MastodonSetup, Replay};
pub use self::publication::{PerformedPublication, UploadInProgress};
pub use self::requests::{Outcome, RequestSeen};
pub use self::settings::{AccountSetup, Clock, IdStyle, Network, Options, SCOPES, system_clock};
pub use self::tiktok::Answer;

use self::requests::Requests;
use self::store::Store;
use self::tiktok::Model;

/// A running stand-in. Dropping it stops it at once.
pub struct Rehearsal {
    server: Arc<Server>,
    serving: JoinHandle<()>,
}

/// What all requests share.
struct Server {
    base_url: String,
    clock: Clock,
    processing_ms: i64,
    client_key: String,
    client_secret: String,
    redirect_uris: Vec<String>,
    oauth_errors_with_200: bool,
    /// Canonical, so that a path can be checked to lie inside.
    content: Option<PathBuf>,
    store: Store,
    model: Mutex<Model>,
    bluesky: Mutex<bluesky::Model>,
    mastodon: Mutex<mastodon::Model>,
    faults: Faults,
    requests: Requests,
    pulls: Mutex<JoinSet<()>>,
}

impl Server {
    fn now(&self) -> i64 {
        (self.clock)()
    }

    /// The model, brought up to the present moment.
    fn model(&self) -> MutexGuard<'_, Model> {
        let mut model = lock(&self.model);
        model.settle(&self.store, self.processing_ms, self.now());
        model
    }

    fn bluesky(&self) -> MutexGuard<'_, bluesky::Model> {
        lock(&self.bluesky)
    }

    /// The model, brought up to the present moment.
    fn mastodon(&self) -> MutexGuard<'_, mastodon::Model> {
        let mut model = lock(&self.mastodon);
        model.settle(&self.store, self.now());
        model
    }

    /// The reply with which an account's own platform logs it in.
    fn issue_grant(&self, account: &str) -> io::Result<Value> {
        bluesky::issue_grant(self, account)
            .or_else(|| mastodon::issue_grant(self, account))
            .unwrap_or_else(|| tiktok::issue_grant(self, account))
    }
}

impl Rehearsal {
    /// Binds, takes up what the directory holds, and serves.
    ///
    /// # Errors
    /// When the address is not loopback or taken, the directory cannot be used, or `content` is not there.
    pub async fn start(options: Options) -> io::Result<Rehearsal> {
        if !options.listen.ip().is_loopback() {
            let message = format!("{} is not a loopback address", options.listen);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let store = Store::open(options.dir.as_deref())?;
        let (skies, others) = options.accounts.into_iter().partition(|a| a.network == Network::Bluesky);
        let (elephants, toks) = Vec::into_iter(others).partition(|a| a.network == Network::Mastodon);
        let (model, bluesky) = (Model::load(&store, toks)?, bluesky::Model::load(&store, skies)?);
        let app =
            mastodon::App::built_in(&options.client_key, &options.client_secret, &options.redirect_uris);
        let mastodon = mastodon::Model::load(&store, elephants, options.mastodon, app)?;
        let listener = TcpListener::bind(options.listen).await?;
        let server = Arc::new(Server {
            base_url: format!("http://{}", listener.local_addr()?),
            clock: options.clock,
            processing_ms: i64::try_from(options.processing.as_millis()).unwrap_or(i64::MAX),
            client_key: options.client_key,
            client_secret: options.client_secret,
            redirect_uris: options.redirect_uris,
            oauth_errors_with_200: options.oauth_errors_with_200,
            content: options.content.map(std::fs::canonicalize).transpose()?,
            store,
            model: Mutex::new(model),
            bluesky: Mutex::new(bluesky),
            mastodon: Mutex::new(mastodon),
            faults: Faults::default(),
            requests: Requests::default(),
            pulls: Mutex::default(),
        });
        tiktok::resume_pulls(&server);
        let serving = tokio::spawn(http::serve(listener, Arc::clone(&server)));
        Ok(Rehearsal { server, serving })
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.server.base_url
    }

    /// Logs an account in: the reply with both tokens, as its platform gives it.
    ///
    /// # Errors
    /// When there is no such account, or the grant cannot be stored.
    pub fn issue_grant(&self, account: &str) -> io::Result<Value> {
        self.server.issue_grant(account)
    }

    /// Changes how an account is treated from now on. False when there is no such account.
    pub fn update_account(&self, name: &str, change: impl FnOnce(&mut AccountSetup)) -> bool {
        let mut sky = self.server.bluesky();
        if let Some(account) = sky.account_mut(name) {
            change(account);
            return true;
        }
        let mut elephant = self.server.mastodon();
        if let Some(account) = elephant.account_mut(name) {
            change(account);
            return true;
        }
        self.server.model().account_mut(name).map(change).is_some()
    }

    /// Changes how the Mastodon server is configured from now on.
    pub fn update_mastodon(&self, change: impl FnOnce(&mut MastodonSetup)) {
        change(self.server.mastodon().setup_mut());
    }

    /// The creator posts a delivered draft from the app. False when it is not waiting in the inbox.
    pub fn finish_draft(&self, publish_id: &str) -> bool {
        tiktok::finish_draft(&self.server, publish_id)
    }

    /// Answers to comments below TikTok videos, in the order in which they came.
    pub fn answers(&self) -> Vec<Answer> {
        tiktok::answers(&self.server)
    }

    /// The creator makes another post of a draft that they have posted before. False when they have not.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn finish_draft_again(&self, publish_id: &str) -> io::Result<bool> {
        tiktok::finish_draft_again(&self.server, publish_id)
    }

    /// The creator posts a public video from TikTok's own app, at this time in Unix milliseconds. Its id.
    ///
    /// # Errors
    /// When there is no such account, or it cannot be stored.
    pub fn post_in_app(&self, account: &str, text: &str, at: i64) -> io::Result<i64> {
        tiktok::post_in_app(&self.server, account, text, at)
    }

    /// The creator takes a public TikTok post back. False when there is none that is public.
    pub fn hide(&self, publish_id: &str) -> bool {
        tiktok::hide(&self.server, publish_id)
    }

    /// The creator makes a TikTok post that was taken back public again. False when it never was.
    pub fn show(&self, publish_id: &str) -> bool {
        tiktok::show(&self.server, publish_id)
    }

    /// So many more people watch a TikTok video, and some of them do more. False when it never was public.
    pub fn watch(&self, publish_id: &str, views: u64) -> bool {
        tiktok::watch(&self.server, publish_id, views)
    }

    /// The creator changes the caption of a TikTok video in the app. False when it never was public.
    pub fn reword(&self, publish_id: &str, text: &str) -> bool {
        tiktok::reword(&self.server, publish_id, text)
    }

    /// The creator ends all logins of a TikTok account, in the app's settings.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub fn disconnect(&self, account: &str) -> io::Result<()> {
        tiktok::disconnect(&self.server, account)
    }

    /// Sends TikTok's webhooks of what happens from now on to `http://ADDRESS/path`. Within the runtime it was started in.
    pub fn deliver_to(&self, url: &str) {
        tiktok::deliver_to(&self.server, url.to_owned());
    }

    /// What TikTok's `TikTok-Signature` header says of a webhook's body that is sent at this Unix second.
    pub fn signature(&self, second: i64, body: &str) -> String {
        tiktok::signature(&self.server, second, body)
    }

    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Every publication ever performed, oldest first: all whose effect cannot be taken back by not going on.
    /// An upload that is still receiving is not one.
    pub fn publications(&self) -> Vec<PerformedPublication> {
        publication::performed(&self.server)
    }

    pub fn uploads_in_progress(&self) -> Vec<UploadInProgress> {
        publication::uploads(&self.server)
    }

    /// The latest requests, oldest first; those to `/rehearsal/` are not among them.
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.server.requests.list()
    }

    /// Closes every connection and waits until nothing is served any more.
    pub async fn stop(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.serving.abort();
        lock(&self.server.pulls).abort_all();
        self.server.store.discard();
    }
}

/// A panic while the lock was held is a bug that a test reports; the data behind it is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
