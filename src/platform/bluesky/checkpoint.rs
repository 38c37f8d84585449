//! What makes an unfinished post resumable: written to the ledger as JSON, read by this adapter only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reference::Strong;
use super::video::Way;
use crate::domain::publication::Checkpoint as Stored;
use crate::platform::{Error, stored};

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoint {
    pub(super) v: u32,
    /// The server that holds the account's posts; empty where it is the account's origin. Absent: not asked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    /// Whether the account was found not to show this post already.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) looked_back: bool,
    /// Whom each handle belongs to, or that it belongs to nobody.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) people: BTreeMap<String, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quote: Option<Strong>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Parents>,
    /// Of the media uploaded so far, as the server named them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) blobs: Vec<Value>,
    /// How the video gets there, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) video: Option<Way>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frozen: Option<Frozen>,
    /// How often the server has thrown the blobs away.
    pub(super) losses: u32,
    /// Records that are taken away.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) deleted: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a reply answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parents {
    pub(super) root: Strong,
    pub(super) parent: Strong,
}

/// The post to the last byte, under its key: sent as often as needed, it is one post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Frozen {
    pub(super) did: String,
    pub(super) rkey: String,
    pub(super) at: Timestamp,
    pub(super) record: Value,
    /// The thread's other posts, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
    /// Who may reply to and quote it, under the same key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gates: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) rkey: String,
    pub(super) record: Value,
}

impl Default for Checkpoint {
    fn default() -> Checkpoint {
        Checkpoint {
            v: VERSION,
            server: None,
            looked_back: false,
            people: BTreeMap::new(),
            quote: None,
            reply: None,
            blobs: Vec::new(),
            video: None,
            frozen: None,
            losses: 0,
            deleted: 0,
        }
    }
}

impl Frozen {
    /// Whether there is more than one record.
    pub(super) fn is_several(&self) -> bool {
        !self.gates.is_empty() || !self.parts.is_empty()
    }
}

impl Checkpoint {
    pub(super) fn read(from: Option<&Stored>) -> Result<Checkpoint, Error> {
        stored::checkpoint(from, VERSION)
    }

    pub(super) fn store(&self) -> Stored {
        serde_json::to_value(self).expect("a checkpoint is made of texts, maps and lists")
    }

    /// Where calls about posts go; the account's origin if there is none.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref().filter(|server| !server.is_empty())
    }
}
