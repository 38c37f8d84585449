//! An adapter that is watched: it holds back the paused clock while a request is under way, dies where it is told to,
//! and looks at the ledger before each request.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use gitcast::domain::grant::{Grant, GrantRecord, TokenCare};
use gitcast::domain::ids::AccountName;
use gitcast::domain::limits::{Cap, RateLimit};
use gitcast::domain::manifest::{Post, Target};
use gitcast::domain::media::Medium;
use gitcast::domain::publication::{Publication, State};
use gitcast::ledger::Ledger;
use gitcast::ledger::vault::Vault;
use gitcast::platform::{BoxFuture, Error, Job, Observation, Platform, Prepared, RequestLog, Sent, Staged};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;

use super::ops::Place;

/// More than any apply sends: beyond it, something goes round in circles.
const STEPS_MAX: u32 = 1_500;

/// What all adapters of one apply share.
pub(super) struct Watch {
    ledger: PathBuf,
    vault: Vault,
    /// Where to die, and how many passings are left.
    order: Mutex<Option<(Place, u32)>>,
    died: Notify,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    steps: u32,
    /// Refresh tokens by their text, and whether their answer was taken in.
    presented: HashMap<String, bool>,
    wrong: Vec<String>,
}

impl Watch {
    pub(super) fn new(ledger: PathBuf, vault: Vault) -> Watch {
        Watch { ledger, vault, order: Mutex::default(), died: Notify::new(), seen: Mutex::default() }
    }

    pub(super) fn begin(&self, order: Option<(Place, u32)>) {
        *lock(&self.order) = order;
        lock(&self.seen).steps = 0;
    }

    /// After a process died: what it was told and could not record, the next one does not know.
    pub(super) fn forget_unrecorded(&self) {
        let Ok(ledger) = Ledger::open_read(&self.ledger) else { return };
        let stored: Vec<GrantRecord> = ledger.grants().unwrap_or_default();
        let mut seen = lock(&self.seen);
        for grant in stored.iter().filter_map(|record| self.vault.open(record).ok()) {
            if let Some(taken_in) = grant.refresh.and_then(|token| seen.presented.get_mut(token.expose())) {
                *taken_in = false;
            }
        }
    }

    /// Whether this passing of the place is the last.
    pub(super) fn passes(&self, place: Place) -> bool {
        let mut order = lock(&self.order);
        match &mut *order {
            Some((at, left)) if *at == place => {
                *left -= 1;
                let due = *left == 0;
                if due {
                    *order = None;
                }
                due
            }
            _ => false,
        }
    }

    pub(super) async fn death(&self) {
        self.died.notified().await;
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        lock(&self.seen).wrong.clone()
    }

    fn object(&self, what: String) {
        lock(&self.seen).wrong.push(what);
    }

    async fn die(&self) {
        self.died.notify_one();
        std::future::pending().await
    }

    async fn before(&self) {
        let steps = {
            let mut seen = lock(&self.seen);
            seen.steps += 1;
            seen.steps
        };
        if steps > STEPS_MAX {
            self.object("an apply goes round in circles".to_owned());
            self.die().await;
        }
        if self.passes(Place::BeforeRequest) {
            self.die().await;
        }
    }

    async fn after(&self) {
        if self.passes(Place::AfterAnswer) {
            self.die().await;
        }
    }

    /// Tokens are stored before they are used.
    fn check_grant(&self, account: &AccountName, grant: &Grant) {
        let stored = Ledger::open_read(&self.ledger).and_then(|ledger| ledger.grant(account));
        let stored = stored.ok().flatten().and_then(|record| self.vault.open(&record).ok());
        if stored.is_none_or(|stored| stored.access != grant.access) {
            self.object(format!("{account}: an access token was used that is not stored"));
        }
    }

    fn check_intent(&self, account: &AccountName) {
        let recorded = Ledger::open_read(&self.ledger).and_then(|ledger| ledger.publications());
        let publishing = |p: &Publication| p.account == *account && p.state == State::Publishing;
        if !recorded.is_ok_and(|recorded| recorded.iter().any(publishing)) {
            self.object(format!("{account}: a publish request left without its intent"));
        }
    }

    fn check_presented(&self, account: &AccountName, grant: &Grant) {
        let marked = Ledger::open_read(&self.ledger).and_then(|ledger| ledger.grant(account));
        if marked.ok().flatten().is_none_or(|record| record.presented_at.is_none()) {
            self.object(format!("{account}: a refresh token was presented and not marked"));
        }
        let token = grant.refresh.as_ref().map_or("", |token| token.expose()).to_owned();
        if lock(&self.seen).presented.insert(token, false) == Some(true) {
            self.object(format!("{account}: a refresh token was presented again after its answer"));
        }
    }

    fn taken_in(&self, grant: &Grant) {
        if let Some(token) = &grant.refresh {
            lock(&self.seen).presented.insert(token.expose().to_owned(), true);
        }
    }
}

/// Keeps the paused clock where it is: it goes on by itself only while nothing runs on a thread of its own.
struct Hold(Option<mpsc::Sender<()>>);

impl Hold {
    fn new() -> Hold {
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Hold(Some(sender))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// Another adapter, watched.
pub(super) struct Watched {
    pub(super) account: AccountName,
    pub(super) inner: Arc<dyn Platform>,
    pub(super) watch: Arc<Watch>,
}

impl Watched {
    async fn step<T>(&self, request: BoxFuture<'_, T>) -> T {
        self.watch.before().await;
        let hold = Hold::new();
        let result = request.await;
        drop(hold);
        self.watch.after().await;
        result
    }
}

impl Platform for Watched {
    fn token_care(&self) -> TokenCare {
        self.inner.token_care()
    }
    fn login(&self) -> &dyn gitcast::platform::oauth::Login {
        self.inner.login()
    }
    fn inquiry(&self) -> &dyn gitcast::platform::inquiry::Inquiry {
        self.inner.inquiry()
    }
    fn rates(&self) -> &'static [RateLimit] {
        self.inner.rates()
    }
    fn caps(&self) -> &'static [Cap] {
        self.inner.caps()
    }
    fn origin(&self) -> String {
        self.inner.origin()
    }
    fn prepare(&self, post: &Post, target: &Target, media: &[Medium]) -> Prepared {
        self.inner.prepare(post, target, media)
    }
    fn read_grant(&self, reply: &Value, now: Timestamp) -> Result<Grant, Error> {
        self.inner.read_grant(reply, now)
    }
    fn refresh<'a>(&'a self, grant: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            self.watch.before().await;
            self.watch.check_presented(&self.account, grant);
            let hold = Hold::new();
            let result = self.inner.refresh(grant, log).await;
            drop(hold);
            self.watch.after().await;
            if result.is_ok() {
                self.watch.taken_in(grant);
            }
            result
        })
    }
    fn edits(&self) -> Option<&dyn gitcast::platform::Edits> {
        self.inner.edits()
    }
    fn deletes(&self) -> Option<&dyn gitcast::platform::Deletes> {
        self.inner.deletes()
    }
    fn next_operation(&self, publication: &Publication, job: &Job) -> &'static str {
        self.inner.next_operation(publication, job)
    }
    fn stage<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Staged, Error>> {
        self.watch.check_grant(&self.account, grant);
        Box::pin(self.step(self.inner.stage(job, grant)))
    }
    fn publish<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Sent, Error>> {
        self.watch.check_grant(&self.account, grant);
        self.watch.check_intent(&self.account);
        Box::pin(self.step(self.inner.publish(job, grant)))
    }
    fn observe<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Observation, Error>> {
        self.watch.check_grant(&self.account, grant);
        Box::pin(self.step(self.inner.observe(job, grant)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
