//! One post on one account: its states, what may happen to it, and the one transition function.
//!
//! # Flow
//!
//! ```text
//! planned → staging → staged → publishing → accepted → published → editing → published
//!                         partial ↔ ↗  ↘ delivered (draft in the creator's inbox; may become published)
//! published → deleting → deleted
//! failed: the platform said no · unresolved: nobody answered · held: a person must decide
//! partial: some of several parts are live, and the next request publishes the next one
//! ```
//!
//! # Guarantees
//!
//! A publication leaves `staged` for `publishing` before the one request that could make something public, and only
//! an answer, or proof that nothing happened, brings it back. Nothing that happens after `published` or `delivered`
//! leads to another attempt, except a higher revision or a person who has it forgotten. Requests that edit or delete make
//! nothing that is not there, so that they are repeated until they are answered; a no leaves the post as it is, published.
//! Of a post in several parts, nothing that is live is sent again: what the platform refuses then is held.
//!
//! # Errors
//!
//! [`IllegalTransition`], naming the state and the change. It means a bug of ours or a ledger written by another
//! version; nothing is changed then.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::Commit;
use super::drift::{self, AS_RECORDED, GONE, NO_LONGER_PUBLIC};
use super::ids::{AccountName, ContentDigest, PlatformId, PostId};
use super::payload::Payload;
use super::retry::ErrorKind;

mod state;

pub use state::State;

/// Adapter state that makes a step resumable: versioned and read by its adapter only.
pub type Checkpoint = serde_json::Value;

/// The post at the platform. Both are absent for a post that only its creator sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    pub id: Option<String>,
    pub url: Option<String>,
}

/// Why a publication is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable: the platform's own code where it gave one.
    pub code: String,
    pub message: String,
}

/// The code of a publication that a person gave up without knowing whether it is public.
pub const ABANDONED: &str = "abandoned";
/// A post that the ledger does not know was found at the platform before anything was sent.
pub const ALREADY_THERE: &str = "already-there";

impl Reason {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Reason {
        Reason { code: code.into(), message: message.into() }
    }
}

/// What can happen to a publication. Recorded as events; see [`Publication::apply`] for what is legal when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// An attempt begins, with all that is needed to finish it.
    Started {
        platform: PlatformId,
        digest: ContentDigest,
        revision: u32,
        /// The manifest it came from, for people.
        path: String,
        /// The commit that the manifest was taken from, where there is one. Ledgers of earlier versions have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<Commit>,
        payload: Box<Payload>,
    },
    /// One more step towards ready is done.
    Stepped { checkpoint: Checkpoint, next_at: Option<Timestamp> },
    /// All is in place; the next request makes it public.
    Staged { checkpoint: Checkpoint },
    /// The request that could make it public is about to leave.
    Intended { checkpoint: Checkpoint },
    /// The platform has it and works on it.
    Accepted { checkpoint: Checkpoint, next_at: Timestamp },
    /// It is live. `next_at`: when to look for a late public id.
    Published { checkpoint: Option<Checkpoint>, remote: Remote, next_at: Option<Timestamp> },
    /// It is a draft in the creator's inbox. `next_at`: when to look whether it was published.
    Delivered { checkpoint: Option<Checkpoint>, next_at: Option<Timestamp> },
    /// A later look at something published or delivered.
    Looked { checkpoint: Option<Checkpoint>, remote: Remote, next_at: Option<Timestamp> },
    /// The platform said no; nothing is public.
    Refused { reason: Reason },
    /// The publish request left and nobody answered.
    Unanswered { reason: Reason, next_at: Timestamp },
    /// Provably nothing happened. With a checkpoint: ready to publish again. Without: begin the staging anew.
    Absent { checkpoint: Option<Checkpoint>, reason: Reason },
    /// Nobody can tell: a person must decide.
    Held { reason: Reason },
    /// One of several parts is live; the next is still to be sent. `remote` is the first one.
    Advanced { checkpoint: Checkpoint, remote: Remote },
    /// What is live is to be changed into this. The checkpoint of what is live stays.
    EditStarted {
        digest: ContentDigest,
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<Commit>,
        payload: Box<Payload>,
    },
    /// What is live is what was asked for.
    Edited { checkpoint: Option<Checkpoint>, remote: Remote },
    /// What is live is to be taken away.
    DeleteStarted {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<Commit>,
    },
    /// It is not there any more.
    Deleted,
    /// The platform does not edit or delete it; it stays as it is.
    TurnedDown { reason: Reason },
    /// The platform told something about a published or delivered post that no look would show, or it was compared with
    /// what is recorded: one of the codes of [`drift`](super::drift).
    Noticed { reason: Reason },
    /// No progress this time.
    Delayed { kind: ErrorKind, reason: Reason, next_at: Timestamp },
    /// Given up before anything could become public, because the manifest says something else now.
    Superseded { reason: Reason },
    /// A person asks for another attempt at what failed, or at the edit or deletion that was turned down.
    Retried { reason: Reason },
    /// A person settles it.
    Settled { settlement: Settlement, reason: Reason },
    /// A person says that this live post is what the manifest wants. Nothing was sent for it.
    Adopted {
        platform: PlatformId,
        digest: ContentDigest,
        revision: u32,
        path: String,
        remote: Remote,
        reason: Reason,
        /// As the manifest wants it. Ledgers of earlier versions have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Box<Payload>>,
    },
    /// A person wants what is recorded not to count any more: it may be published anew. `forced`: although it may be
    /// under way, or its outcome is unknown. `again`: its time, which has passed, is counted from now.
    Forgotten {
        forced: bool,
        reason: Reason,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
}

/// How a person settles an unknown outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Settlement {
    Published { remote: Remote },
    NotPublished,
    Abandoned,
}

impl Change {
    pub fn name(&self) -> &'static str {
        match self {
            Change::Started { .. } => "started",
            Change::Stepped { .. } => "stepped",
            Change::Staged { .. } => "staged",
            Change::Intended { .. } => "intended",
            Change::Accepted { .. } => "accepted",
            Change::Published { .. } => "published",
            Change::Delivered { .. } => "delivered",
            Change::Looked { .. } => "looked",
            Change::Refused { .. } => "refused",
            Change::Unanswered { .. } => "unanswered",
            Change::Absent { .. } => "absent",
            Change::Held { .. } => "held",
            Change::Advanced { .. } => "advanced",
            Change::EditStarted { .. } => "edit-started",
            Change::Edited { .. } => "edited",
            Change::DeleteStarted { .. } => "delete-started",
            Change::Deleted => "deleted",
            Change::TurnedDown { .. } => "turned-down",
            Change::Noticed { .. } => "noticed",
            Change::Delayed { .. } => "delayed",
            Change::Superseded { .. } => "superseded",
            Change::Retried { .. } => "retried",
            Change::Settled { .. } => "settled",
            Change::Adopted { .. } => "adopted",
            Change::Forgotten { .. } => "forgotten",
        }
    }
}

/// A publication as recorded: what folding its events gives. Payload and checkpoint are kept beside it, since
/// planning does not read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub post: PostId,
    pub account: AccountName,
    pub platform: PlatformId,
    pub state: State,
    pub digest: ContentDigest,
    pub revision: u32,
    /// Attempts begun, over all revisions.
    pub attempts: u32,
    /// Steps in a row that made no progress.
    pub tries: u32,
    /// Publish requests of this attempt that left.
    pub sends: u32,
    pub remote: Remote,
    pub reason: Option<Reason>,
    pub next_at: Option<Timestamp>,
    /// When the publish request of this attempt left.
    pub intended_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    /// The manifest that the attempt came from.
    pub path: String,
    /// What an edit cannot change; `None`: nothing of it can be edited.
    pub fixed: Option<ContentDigest>,
    /// There once it was forgotten as gone: from when its time is counted, if that is later than what is written. The epoch
    /// is never later.
    pub due_again: Option<Timestamp>,
    /// What was last asked for after it was published: under way in `editing` and `deleting`, turned down in `published`.
    pub amendment: Option<Amendment>,
}

/// What may be asked for of a live post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amendment {
    /// That it becomes the content of this digest.
    Edit(ContentDigest),
    Delete,
}

impl std::fmt::Display for Amendment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Amendment::Edit(digest) => write!(f, "edit {digest}"),
            Amendment::Delete => f.write_str("delete"),
        }
    }
}

impl std::str::FromStr for Amendment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digest = || text.strip_prefix("edit ")?.parse().ok();
        match text {
            "delete" => Ok(Amendment::Delete),
            _ => digest().map(Amendment::Edit).ok_or_else(|| format!("no such amendment: {text}")),
        }
    }
}

/// What goes with a publication into the next step.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    pub payload: Box<Payload>,
    pub checkpoint: Option<Checkpoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{post} on {account}: `{change}` cannot follow the state `{}`", state.map_or("absent", State::as_str))]
pub struct IllegalTransition {
    pub post: PostId,
    pub account: AccountName,
    pub state: Option<State>,
    pub change: &'static str,
}

/// What a change does to the checkpoint that is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    Unchanged,
    Checkpoint(Checkpoint),
    Nothing,
}

impl Publication {
    /// The publication after `change`, and what becomes of its checkpoint. The one place where a state changes.
    pub fn apply(
        before: Option<&Publication>,
        (post, account): (&PostId, &AccountName),
        change: &Change,
        at: Timestamp,
    ) -> Result<(Publication, Keep), IllegalTransition> {
        let illegal = || IllegalTransition {
            post: post.clone(),
            account: account.clone(),
            state: before.map(|p| p.state),
            change: change.name(),
        };
        if let Change::Started { platform, digest, revision, path, payload, .. } = change {
            if !may_start(before, *revision) {
                return Err(illegal());
            }
            let publication = Publication {
                post: post.clone(),
                account: account.clone(),
                platform: *platform,
                state: State::Staging,
                digest: *digest,
                revision: *revision,
                attempts: before.map_or(0, |p| p.attempts) + 1,
                tries: 0,
                sends: 0,
                remote: Remote::default(),
                reason: None,
                next_at: None,
                intended_at: None,
                updated_at: at,
                path: path.clone(),
                fixed: payload.fixed,
                due_again: before.filter(|p| p.revision == *revision).and_then(|p| p.due_again),
                amendment: None,
            };
            return Ok((publication, Keep::Nothing));
        }
        if let Change::Adopted { platform, digest, revision, path, remote, reason, payload } = change {
            if !may_adopt(before) {
                return Err(illegal());
            }
            let publication = Publication {
                post: post.clone(),
                account: account.clone(),
                platform: *platform,
                state: State::Published,
                digest: *digest,
                // Never lower than what was published: that would let an old revision out again.
                revision: before.map_or(*revision, |p| p.revision.max(*revision)),
                attempts: before.map_or(0, |p| p.attempts),
                tries: 0,
                sends: 0,
                remote: remote.clone(),
                reason: Some(reason.clone()),
                next_at: None,
                intended_at: before.and_then(|p| p.intended_at),
                updated_at: at,
                path: path.clone(),
                fixed: payload.as_ref().and_then(|payload| payload.fixed),
                due_again: None,
                amendment: None,
            };
            return Ok((publication, Keep::Nothing));
        }
        let before = before.ok_or_else(illegal)?;
        let (state, keep) = next(before, change).ok_or_else(illegal)?;
        let mut after = Publication { state, updated_at: at, ..before.clone() };
        after.note(change, at);
        Ok((after, keep))
    }

    /// When the next step may be taken. A clock that went back since then makes no wait longer than it was meant to be.
    pub fn ready_at(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.next_at?;
        let latest = now.saturating_add(at.duration_since(self.updated_at)).unwrap_or(Timestamp::MAX);
        Some(at.min(latest.max(now)))
    }

    /// Whether a person gave it up without knowing whether it is public: changed content must not be sent then.
    pub fn is_abandoned(&self) -> bool {
        self.state == State::Failed && self.reason.as_ref().is_some_and(|reason| reason.code == ABANDONED)
    }

    /// Whether some of several parts are live, and others are not or may not be.
    pub fn is_partly_live(&self) -> bool {
        use State::*;
        self.remote.id.is_some() && matches!(self.state, Publishing | Accepted | Unresolved | Partial | Held)
    }

    /// Whether the platform does not do to the live post what was asked for.
    pub fn is_turned_down(&self) -> bool {
        self.state == State::Published && self.amendment.is_some()
    }

    /// When it went out, as far as it is recorded.
    pub fn live_since(&self) -> Timestamp {
        self.intended_at.unwrap_or(self.updated_at)
    }

    /// Whether the platform has told that it is not public any more.
    pub fn is_no_longer_public(&self) -> bool {
        self.finding().is_some_and(|reason| reason.code == NO_LONGER_PUBLIC)
    }

    /// How it was found to differ from what is recorded, and may still.
    pub fn finding(&self) -> Option<&Reason> {
        self.reason.as_ref().filter(|reason| self.state.is_success() && drift::is_finding(&reason.code))
    }

    fn note(&mut self, change: &Change, at: Timestamp) {
        let mut abandoned = None;
        let noticed;
        let (reason, next_at) = match change {
            Change::Started { .. } | Change::Staged { .. } | Change::Adopted { .. } => (None, None),
            Change::Advanced { remote, .. } => {
                self.remote = remote.clone();
                self.sends = 0;
                (None, None)
            }
            Change::EditStarted { digest, path, .. } => {
                self.amendment = Some(Amendment::Edit(*digest));
                self.path = path.clone();
                (None, None)
            }
            Change::DeleteStarted { path, .. } => {
                self.amendment = Some(Amendment::Delete);
                self.path = path.clone();
                (None, None)
            }
            Change::Edited { remote, .. } => {
                if let Some(Amendment::Edit(digest)) = self.amendment.take() {
                    self.digest = digest;
                }
                self.remote = remote.clone();
                (None, None)
            }
            Change::Deleted => {
                self.amendment = None;
                (None, None)
            }
            Change::Intended { .. } => {
                self.intended_at = Some(at);
                self.sends += 1;
                (None, None)
            }
            Change::Stepped { next_at, .. } | Change::Delivered { next_at, .. } => (None, *next_at),
            Change::Accepted { next_at, .. } => (None, Some(*next_at)),
            Change::Published { remote, next_at, .. } => {
                self.remote = remote.clone();
                (None, *next_at)
            }
            Change::Looked { remote, next_at, .. } => {
                self.remote = remote.clone();
                noticed = self.reason.take().filter(|reason| drift::is_finding(&reason.code));
                (noticed.as_ref(), *next_at)
            }
            Change::Noticed { reason } => {
                self.reason = Some(reason.clone()).filter(|reason| reason.code != AS_RECORDED);
                return;
            }
            Change::Unanswered { reason, next_at } => (Some(reason), Some(*next_at)),
            Change::Delayed { reason, next_at, .. } => {
                self.tries += 1;
                if self.finding().is_none() {
                    self.reason = Some(reason.clone());
                }
                self.next_at = Some(*next_at);
                return;
            }
            Change::Settled { settlement, reason } => {
                match settlement {
                    Settlement::Published { remote } => self.remote = remote.clone(),
                    Settlement::NotPublished => {}
                    Settlement::Abandoned => abandoned = Some(Reason::new(ABANDONED, &reason.message)),
                }
                (abandoned.as_ref().or(Some(reason)), None)
            }
            Change::Forgotten { reason, again, .. } => {
                (self.remote, self.amendment) = (Remote::default(), None);
                let from = if *again { at } else { Timestamp::UNIX_EPOCH };
                self.due_again = (*again || reason.code == GONE).then_some(from);
                (Some(reason), None)
            }
            Change::Superseded { reason } | Change::Retried { reason } => {
                self.amendment = None;
                (Some(reason), None)
            }
            Change::Refused { reason }
            | Change::Absent { reason, .. }
            | Change::Held { reason }
            | Change::TurnedDown { reason } => (Some(reason), None),
        };
        self.tries = 0;
        self.reason = reason.cloned();
        self.next_at = next_at;
    }
}

/// An attempt may begin where nothing of an earlier one can be, or become, public; or when the author asks for the
/// post again by a higher revision.
fn may_start(before: Option<&Publication>, revision: u32) -> bool {
    use State::*;
    before.is_none_or(|p| match p.state {
        Failed if p.is_abandoned() => revision > p.revision,
        Planned | Failed => true,
        Published | Delivered | Deleted => revision > p.revision,
        Staging | Staged | Publishing | Partial | Accepted | Editing | Deleting | Unresolved | Held => false,
    })
}

/// A live post may be bound where nothing is known to be under way that would bring another one.
fn may_adopt(before: Option<&Publication>) -> bool {
    use State::*;
    before.is_none_or(|p| !matches!(p.state, Publishing | Partial | Accepted | Editing | Deleting))
}

fn next(before: &Publication, change: &Change) -> Option<(State, Keep)> {
    use State::*;
    let kept = |checkpoint: &Checkpoint| Keep::Checkpoint(checkpoint.clone());
    let maybe = |checkpoint: &Option<Checkpoint>| checkpoint.as_ref().map_or(Keep::Unchanged, kept);
    let (state, partly) = (before.state, before.is_partly_live());
    Some(match (change, state) {
        (Change::Stepped { checkpoint, .. }, Staging | Editing | Deleting) => (state, kept(checkpoint)),
        (Change::Staged { checkpoint }, Staging) => (Staged, kept(checkpoint)),
        (Change::Intended { checkpoint }, Staged | Partial) => (Publishing, kept(checkpoint)),
        (Change::Accepted { checkpoint, .. }, Publishing | Unresolved | Accepted) => {
            (Accepted, kept(checkpoint))
        }
        (Change::Advanced { checkpoint, .. }, Publishing | Unresolved | Accepted) => {
            (Partial, kept(checkpoint))
        }
        (Change::Published { checkpoint, .. }, Publishing | Unresolved | Accepted | Delivered) => {
            (Published, maybe(checkpoint))
        }
        (Change::Delivered { checkpoint, .. }, Publishing | Unresolved | Accepted) => {
            (Delivered, maybe(checkpoint))
        }
        (Change::Looked { checkpoint, .. }, Published | Delivered) => (state, maybe(checkpoint)),
        (Change::Noticed { .. }, Published | Delivered) => (state, Keep::Unchanged),
        (Change::Refused { .. }, Staging | Staged | Publishing | Accepted | Unresolved) if !partly => {
            (Failed, Keep::Unchanged)
        }
        (Change::Unanswered { .. }, Publishing) => (Unresolved, Keep::Unchanged),
        (Change::Absent { checkpoint: Some(checkpoint), .. }, Publishing | Unresolved | Accepted) => {
            (if partly { Partial } else { Staged }, kept(checkpoint))
        }
        (Change::Absent { checkpoint: None, .. }, Staging | Staged | Publishing | Unresolved | Accepted)
            if !partly =>
        {
            (Staging, Keep::Nothing)
        }
        (Change::Held { .. }, Unresolved | Accepted) => (Held, Keep::Unchanged),
        (Change::Held { .. }, Publishing) if partly => (Held, Keep::Unchanged),
        (
            Change::Delayed { .. },
            Staging | Staged | Partial | Accepted | Unresolved | Published | Delivered | Editing | Deleting,
        ) => (state, Keep::Unchanged),
        (Change::Superseded { .. }, Staging | Staged | Failed) => (Planned, Keep::Nothing),
        (Change::Retried { .. }, Failed) => (Planned, Keep::Nothing),
        (Change::Retried { .. }, Published) if before.is_turned_down() => (Published, Keep::Unchanged),
        (Change::EditStarted { .. }, Published | Editing) => (Editing, Keep::Unchanged),
        (Change::Edited { checkpoint, .. }, Editing) => (Published, maybe(checkpoint)),
        (Change::DeleteStarted { .. }, Published | Partial | Editing) => (Deleting, Keep::Unchanged),
        (Change::Deleted, Deleting) => (Deleted, Keep::Nothing),
        (Change::TurnedDown { .. }, Editing | Deleting) => (Published, Keep::Unchanged),
        (Change::Forgotten { .. }, Published | Delivered | Deleted | Failed) => (Planned, Keep::Nothing),
        (
            Change::Forgotten { forced: true, .. },
            Staging | Staged | Publishing | Partial | Accepted | Editing | Deleting | Unresolved | Held,
        ) => (Planned, Keep::Nothing),
        (Change::Settled { settlement, .. }, Unresolved | Held) => match settlement {
            Settlement::Published { .. } => (Published, Keep::Unchanged),
            Settlement::NotPublished if partly => (Partial, Keep::Unchanged),
            Settlement::NotPublished => (Planned, Keep::Nothing),
            Settlement::Abandoned => (Failed, Keep::Unchanged),
        },
        _ => return None,
    })
}

#[cfg(test)]
pub(in crate::domain) mod tests;
