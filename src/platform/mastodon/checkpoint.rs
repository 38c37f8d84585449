//! What makes an unfinished post resumable, and a live one editable: written to the ledger as JSON, read by this adapter
//! only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::ids::ContentDigest;
use crate::domain::publication::{Checkpoint as Stored, Remote};
use crate::platform::{Error, stored};

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoint {
    pub(super) v: u32,
    /// The server's id of the account that all of this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// Whether the account was found not to show this post already.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) looked_back: bool,
    /// The posts that are answered and quoted, under the ids that the server gives them at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quote: Option<String>,
    /// In the payload's order; of a live post those that it has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) media: Vec<Uploaded>,
    /// Whether the server tells the state of media: asked once, after the first upload. Where it does not, nothing can be
    /// concluded from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shows_media: Option<bool>,
    /// How often the server has lost media.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) losses: u32,
    /// Whether the state of all media was asked for once more, as the server did not take them.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) rechecked: bool,
    /// What the keys of the publish requests are made of. There before the first of them leaves.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) key: String,
    /// How often the next part was found absent after its request had left.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) resends: u32,
    /// The posts that are live, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) live: Vec<Live>,
    /// When the poll ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) poll_ends_at: Option<Timestamp>,
    /// An edit under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edit: Option<Edit>,
    /// A deletion under way: whether the last post that is there must be looked for, as the server did not find it.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) is_doubtful: bool,
    /// Whether posts have been taken away; `live` holds those that are left.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) is_going: bool,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A medium at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uploaded {
    pub(super) id: String,
    pub(super) digest: ContentDigest,
    pub(super) at: Timestamp,
    /// Whether it has been processed.
    pub(super) is_ready: bool,
}

/// A post at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    /// In what it is not as it was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) differs: Vec<String>,
}

/// How far an edit has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edit {
    /// Of the payload that it leads to: another edit begins anew.
    pub(super) digest: ContentDigest,
    /// Uploaded for it.
    #[serde(default)]
    pub(super) media: Vec<Uploaded>,
    /// Posts that are as they should be.
    #[serde(default)]
    pub(super) done: usize,
    #[serde(default)]
    pub(super) losses: u32,
}

impl Default for Checkpoint {
    fn default() -> Checkpoint {
        Checkpoint {
            v: VERSION,
            account: None,
            looked_back: false,
            reply: None,
            quote: None,
            media: Vec::new(),
            shows_media: None,
            losses: 0,
            rechecked: false,
            key: String::new(),
            resends: 0,
            live: Vec::new(),
            poll_ends_at: None,
            edit: None,
            is_doubtful: false,
            is_going: false,
        }
    }
}

impl Checkpoint {
    pub(super) fn read(from: Option<&Stored>) -> Result<Checkpoint, Error> {
        stored::checkpoint(from, VERSION)
    }

    pub(super) fn store(&self) -> Stored {
        serde_json::to_value(self).expect("a checkpoint is made of texts, flags and lists")
    }

    /// The key of the next publish request: the same whenever it is sent, and no other post's.
    pub(super) fn next_key(&self) -> String {
        format!("{}-{}", self.key, self.live.len())
    }

    /// The thread's first post.
    pub(super) fn remote(&self) -> Remote {
        let first = self.live.first();
        Remote { id: first.map(|live| live.id.clone()), url: first.and_then(|live| live.url.clone()) }
    }
}
