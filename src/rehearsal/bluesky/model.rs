//! The state behind the interface: sessions, repositories, blobs, and the list of everything that was written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::publication::{PerformedMedia, PerformedPublication};
use super::super::random;
use super::super::settings::AccountSetup;
use super::super::store::Store;
use super::id;
use super::rules::POST;
use super::video::Job;

const FILE: &str = "bluesky.json";
/// More than anybody rehearses.
const WRITES_MAX: usize = 20_000;
/// Older ones are forgotten first.
const TOKENS_MAX: usize = 10_000;

pub(in crate::rehearsal) struct Model {
    pub(super) accounts: Vec<AccountSetup>,
    pub(super) kept: Kept,
    /// Access tokens that a fault has ended, by their digests.
    expired: BTreeSet<String>,
    /// When each window began, and what was taken from it.
    windows: HashMap<String, (i64, u32)>,
}

/// What outlives the process.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Signs the tokens.
    pub(super) key: String,
    pub(super) refresh_tokens: Vec<RefreshToken>,
    /// By `DID/COLLECTION/KEY`.
    pub(super) records: BTreeMap<String, Value>,
    /// By their CIDs.
    pub(super) blobs: BTreeMap<String, Blob>,
    pub(super) writes: Vec<Write>,
    #[serde(default)]
    pub(super) videos: Vec<Job>,
    pub(super) count: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    /// The one that a refresh gave for it.
    pub(super) next: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Blob {
    pub(super) mime_type: String,
    pub(super) size: u64,
}

/// One post as it was written, whatever became of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Write {
    pub(super) account: String,
    pub(super) uri: String,
    pub(super) record: Value,
    pub(super) at: i64,
    pub(super) deleted: bool,
}

impl Model {
    pub(in crate::rehearsal) fn load(store: &Store, accounts: Vec<AccountSetup>) -> io::Result<Model> {
        let mut kept: Kept = store.load(FILE)?.unwrap_or_default();
        if kept.key.is_empty() {
            kept.key = random::hex(32)?;
        }
        Ok(Model { accounts, kept, expired: BTreeSet::new(), windows: HashMap::new() })
    }

    pub(super) fn save(&mut self, store: &Store) -> io::Result<()> {
        let kept = &mut self.kept;
        kept.refresh_tokens.drain(..kept.refresh_tokens.len().saturating_sub(TOKENS_MAX));
        store.save(FILE, kept)
    }

    pub(in crate::rehearsal) fn account_mut(&mut self, name: &str) -> Option<&mut AccountSetup> {
        self.accounts.iter_mut().find(|account| account.name == name)
    }

    pub(super) fn account(&self, name: &str) -> Option<&AccountSetup> {
        self.accounts.iter().find(|account| account.name == name)
    }

    pub(super) fn by_did(&self, did: &str) -> Option<&AccountSetup> {
        self.accounts.iter().find(|account| id::did(&account.name) == did)
    }

    /// By handle or DID.
    pub(super) fn find(&self, who: &str) -> Option<&AccountSetup> {
        let by_handle = |account: &&AccountSetup| account.username.eq_ignore_ascii_case(who);
        self.accounts.iter().find(by_handle).or_else(|| self.by_did(who))
    }

    pub(super) fn expire(&mut self, token: &str) {
        self.expired.insert(random::sha256_hex(token));
    }

    pub(super) fn is_expired(&self, token: &str) -> bool {
        self.expired.contains(&random::sha256_hex(token))
    }

    /// Takes from a window of fixed length: whether there was enough, what is left, and when it ends.
    pub(super) fn take(
        &mut self,
        name: &str,
        cost: u32,
        max: u32,
        length: i64,
        now: i64,
    ) -> (bool, u32, i64) {
        let window = self.windows.entry(name.to_owned()).or_insert((now, 0));
        if now >= window.0 + length {
            *window = (now, 0);
        }
        let is_enough = window.1 + cost <= max;
        if is_enough {
            window.1 += cost;
        }
        (is_enough, max - window.1, window.0 + length)
    }

    /// What is left of a window.
    pub(super) fn left(&self, name: &str, max: u32, length: i64, now: i64) -> u32 {
        let open = self.windows.get(name).filter(|window| now < window.0 + length);
        max.saturating_sub(open.map_or(0, |window| window.1))
    }

    /// Sets a record, and lists it if it is a post that was not there like this.
    pub(super) fn write(&mut self, account: &str, path: String, record: Value, now: i64) -> io::Result<()> {
        if self.kept.writes.len() >= WRITES_MAX {
            return Err(io::Error::other("the rehearsal is full"));
        }
        if record["$type"] == POST {
            let uri = format!("at://{path}");
            let write =
                Write { account: account.to_owned(), uri, record: record.clone(), at: now, deleted: false };
            self.kept.writes.push(write);
        }
        self.kept.records.insert(path, record);
        self.kept.count += 1;
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.kept.records.remove(path);
        let uri = format!("at://{path}");
        self.kept.writes.iter_mut().filter(|write| write.uri == uri).for_each(|write| write.deleted = true);
    }

    pub(super) fn performed(&self, store: &Store) -> Vec<PerformedPublication> {
        let numbered = (1..).zip(&self.kept.writes);
        numbered.map(|(number, write)| self.view(store, number, write)).collect()
    }

    fn view(&self, store: &Store, number: u64, write: &Write) -> PerformedPublication {
        let media = blobs_of(&write.record).into_iter().filter_map(|cid| {
            let blob = self.kept.blobs.get(&cid)?;
            Some(PerformedMedia {
                path: store.media_path(&cid),
                content_type: blob.mime_type.clone(),
                size: blob.size,
                href: format!("/media/bluesky/{cid}"),
            })
        });
        let embed =
            write.record["embed"]["media"]["$type"].as_str().or(write.record["embed"]["$type"].as_str());
        PerformedPublication {
            number,
            platform: "bluesky",
            publish_id: write.uri.clone(),
            account: write.account.clone(),
            username: self.account(&write.account).map_or_else(String::new, |a| a.username.clone()),
            mode: "direct",
            kind: match embed {
                Some("app.bsky.embed.video") => "video",
                Some("app.bsky.embed.images") => "photo",
                _ => "text",
            },
            title: write.record["text"].as_str().unwrap_or_default().to_owned(),
            description: String::new(),
            privacy: Some("PUBLIC_TO_EVERYONE".to_owned()),
            toggles: BTreeMap::new(),
            cover: None,
            status: if write.deleted { "DELETED" } else { "PUBLISH_COMPLETE" },
            fail_reason: None,
            post_ids: Vec::new(),
            media: media.collect(),
            urls: Vec::new(),
            record: Some(write.record.clone()),
            created_at: write.at,
            published_at: Some(write.at),
        }
    }
}

/// The CIDs of the blobs that a record names, in order.
pub(super) fn blobs_of(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) if fields.get("$type").is_some_and(|kind| kind == "blob") => {
            value["ref"]["$link"].as_str().map(str::to_owned).into_iter().collect()
        }
        Value::Object(fields) => fields.values().flat_map(blobs_of).collect(),
        Value::Array(items) => items.iter().flat_map(blobs_of).collect(),
        _ => Vec::new(),
    }
}
