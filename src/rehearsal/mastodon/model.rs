//! The state behind the interface: apps, tokens, statuses, media, what is scheduled; and time passing over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::random;
use super::super::settings::AccountSetup;
use super::super::store::Store;
use super::oauth::Code;
use super::setup::MastodonSetup;
use super::status::{Draft, Scheduled, Status};
use super::upload::Media;

const FILE: &str = "mastodon.json";
/// More than anybody rehearses.
const STATUSES_MAX: usize = 20_000;
/// Uploads, and versions of one status, likewise.
pub(super) const MEDIA_MAX: usize = 20_000;
pub(super) const VERSIONS_MAX: usize = 1_000;
/// Older ones are forgotten first.
const DROPPED_MAX: usize = 1_000;
const TOKENS_MAX: usize = 10_000;
const APPS_MAX: usize = 1_000;
/// How long a key is known (post_status_service.rb).
const KEY_LIFE_MS: i64 = 60 * 60_000;
/// Media that belong to nothing go after a day (vacuum of media attachments).
const UNATTACHED_LIFE_MS: i64 = 24 * 60 * 60_000;

pub(in crate::rehearsal) struct Model {
    pub(super) accounts: Vec<AccountSetup>,
    pub(super) setup: MastodonSetup,
    pub(super) kept: Kept,
    /// The app that tests and the rehearsal's own logins use, known from the start.
    pub(super) built_in: App,
    /// Authorization codes not exchanged yet. A restart forgets them.
    pub(super) codes: Vec<Code>,
    /// Keys of statuses that are being created.
    pub(super) in_flight: BTreeSet<String>,
    /// By what they limit: which window it is, and what was taken from it.
    windows: HashMap<String, (i64, u32)>,
}

/// What outlives the process.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) apps: Vec<App>,
    pub(super) tokens: Vec<Token>,
    /// Deleted ones too: what was once published stays known.
    pub(super) statuses: Vec<Status>,
    pub(super) scheduled: Vec<Scheduled>,
    /// What should have been published and was refused when it was due.
    pub(super) dropped: Vec<(Scheduled, String)>,
    pub(super) media: BTreeMap<i64, Media>,
    /// By account and key.
    keys: BTreeMap<String, KeyUse>,
    count: i64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(in crate::rehearsal) struct App {
    pub(super) client_id: String,
    pub(super) secret_sha256: String,
    pub(super) name: String,
    pub(super) website: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: Vec<String>,
}

/// Tokens do not expire.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) sha256: String,
    /// Nothing for a token of the app's own.
    pub(super) account: Option<String>,
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) is_revoked: bool,
}

/// What a key led to; nothing where the first try came to nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeyUse {
    pub(super) id: Option<i64>,
    pub(super) is_scheduled: bool,
    at: i64,
}

/// What is left of a limit.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) is_allowed: bool,
    pub(super) limit: u32,
    pub(super) left: u32,
    /// When it starts anew, in milliseconds.
    pub(super) reset: i64,
}

impl Model {
    pub(in crate::rehearsal) fn load(
        store: &Store,
        accounts: Vec<AccountSetup>,
        setup: MastodonSetup,
        built_in: App,
    ) -> io::Result<Model> {
        let kept = store.load(FILE)?.unwrap_or_default();
        let (codes, in_flight) = (Vec::new(), BTreeSet::new());
        Ok(Model { accounts, setup, kept, built_in, codes, in_flight, windows: HashMap::new() })
    }

    pub(super) fn save(&mut self, store: &Store) -> io::Result<()> {
        let kept = &mut self.kept;
        kept.tokens.drain(..kept.tokens.len().saturating_sub(TOKENS_MAX));
        kept.apps.drain(..kept.apps.len().saturating_sub(APPS_MAX));
        kept.dropped.drain(..kept.dropped.len().saturating_sub(DROPPED_MAX));
        kept.media.retain(|_, media| !media.is_gone || media.was_published);
        store.save(FILE, kept)
    }

    pub(in crate::rehearsal) fn account_mut(&mut self, name: &str) -> Option<&mut AccountSetup> {
        self.accounts.iter_mut().find(|account| account.name == name)
    }

    pub(in crate::rehearsal) fn setup_mut(&mut self) -> &mut MastodonSetup {
        &mut self.setup
    }

    pub(super) fn account(&self, name: &str) -> Option<&AccountSetup> {
        self.accounts.iter().find(|account| account.name == name)
    }

    pub(super) fn by_username(&self, username: &str) -> Option<&AccountSetup> {
        self.accounts.iter().find(|account| account.username.eq_ignore_ascii_case(username))
    }

    pub(super) fn app(&self, client_id: &str) -> Option<&App> {
        self.kept.apps.iter().chain([&self.built_in]).find(|app| app.client_id == client_id)
    }

    /// As the server makes it: milliseconds, and 16 bits more (lib/mastodon/snowflake.rb).
    pub(super) fn snowflake(&mut self, at_ms: i64) -> i64 {
        (at_ms << 16) | (self.count() & 0xffff)
    }

    pub(super) fn count(&mut self) -> i64 {
        self.kept.count += 1;
        self.kept.count
    }

    /// One that was not deleted.
    pub(super) fn status(&self, id: i64) -> Option<&Status> {
        self.kept.statuses.iter().find(|status| status.id == id && status.deleted_at.is_none())
    }

    pub(super) fn status_mut(&mut self, id: i64) -> Option<&mut Status> {
        self.kept.statuses.iter_mut().find(|status| status.id == id && status.deleted_at.is_none())
    }

    /// A medium of the account that is still there.
    pub(super) fn medium(&self, account: &str, id: i64) -> Option<&Media> {
        self.kept.media.get(&id).filter(|media| media.account == account && !media.is_gone)
    }

    pub(super) fn key(&self, account: &str, key: &str) -> Option<&KeyUse> {
        self.kept.keys.get(&format!("{account} {key}"))
    }

    pub(super) fn keep_key(&mut self, account: &str, key: &str, to: Option<(i64, bool)>, at: i64) {
        let (id, is_scheduled) = to.map_or((None, false), |(id, is_scheduled)| (Some(id), is_scheduled));
        self.kept.keys.insert(format!("{account} {key}"), KeyUse { id, is_scheduled, at });
    }

    /// Publishes a draft that was found good. Its media belong to it from now on.
    pub(super) fn publish(&mut self, draft: Draft, at: i64) -> io::Result<i64> {
        if self.kept.statuses.len() >= STATUSES_MAX {
            return Err(full());
        }
        let id = self.snowflake(at);
        for media in &draft.body.media {
            if let Some(media) = self.kept.media.get_mut(media) {
                (media.status, media.was_published) = (Some(id), true);
            }
        }
        let poll_id = draft.body.poll.as_ref().map(|_| self.count());
        self.kept.statuses.push(Status::new(id, poll_id, draft, at));
        Ok(id)
    }

    /// Counts one request; each window begins at a multiple of its length (rack-attack).
    pub(super) fn take(&mut self, name: &str, limit: u32, length: i64, now: i64) -> Window {
        let (number, reset) = (now.div_euclid(length), now - now.rem_euclid(length) + length);
        let window = self.windows.entry(name.to_owned()).or_insert((number, 0));
        if window.0 != number {
            *window = (number, 0);
        }
        let is_allowed = window.1 < limit;
        window.1 = window.1.saturating_add(1).min(limit);
        Window { is_allowed, limit, left: limit - window.1, reset }
    }

    /// What `take` would find, without taking.
    pub(super) fn look(&self, name: &str, limit: u32, length: i64, now: i64) -> Window {
        let (number, reset) = (now.div_euclid(length), now - now.rem_euclid(length) + length);
        let taken = self.windows.get(name).filter(|window| window.0 == number).map_or(0, |window| window.1);
        Window { is_allowed: taken < limit, limit, left: limit.saturating_sub(taken), reset }
    }

    /// Lets time pass: media nobody uses go, keys are forgotten, and what is due is published.
    pub(in crate::rehearsal) fn settle(&mut self, store: &Store, now: i64) {
        let before = (self.kept.keys.len(), self.kept.scheduled.len());
        self.kept.keys.retain(|_, used| now < used.at + KEY_LIFE_MS);
        let mut is_changed = before.0 != self.kept.keys.len();
        for media in self.kept.media.values_mut() {
            let is_unused = media.status.is_none() && media.scheduled.is_none() && !media.is_gone;
            if is_unused && now >= media.unattached_since + UNATTACHED_LIFE_MS {
                media.discard(store);
                is_changed = true;
            }
        }
        self.kept.scheduled.sort_by_key(|scheduled| (scheduled.at, scheduled.id));
        while self.kept.scheduled.first().is_some_and(|scheduled| scheduled.at <= now) {
            let due = self.kept.scheduled.remove(0);
            self.release(due);
            is_changed = true;
        }
        if is_changed && let Err(error) = self.save(store) {
            tracing::warn!(%error, "rehearsal state was not stored");
        }
    }

    /// The entry goes first and the status comes after, so that what is refused now is lost
    /// (publish_scheduled_status_worker.rb).
    fn release(&mut self, due: Scheduled) {
        for id in &due.draft.body.media {
            if let Some(media) = self.kept.media.get_mut(id) {
                media.scheduled = None;
                media.unattached_since = due.at;
            }
        }
        let checked = super::rules::check(self, &due.draft, due.at).map_err(|refusal| refusal.error);
        let published =
            checked.and_then(|()| self.publish(due.draft.clone(), due.at).map_err(|error| error.to_string()));
        if let Err(reason) = published {
            self.kept.dropped.push((due, reason));
        }
    }
}

/// More than this is not kept.
pub(super) fn full() -> io::Error {
    io::Error::other("the rehearsal is full")
}

/// The same for one account each time, with the digits that real ones have.
pub(super) fn account_id(account: &str) -> String {
    let digest = Sha256::digest(account.as_bytes());
    let number = digest[..7].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("1{number:017}")
}

impl App {
    pub(in crate::rehearsal) fn built_in(client_id: &str, secret: &str, redirect_uris: &[String]) -> App {
        let without_port = |uri: &String| uri.replace(":*", "");
        App {
            client_id: client_id.to_owned(),
            secret_sha256: random::sha256_hex(secret),
            name: "gitcast".to_owned(),
            website: None,
            redirect_uris: redirect_uris
                .iter()
                .map(without_port)
                .chain([super::oauth::OOB.to_owned()])
                .collect(),
            scopes: super::oauth::SCOPES.map(str::to_owned).to_vec(),
        }
    }
}
