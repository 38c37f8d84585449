//! One post on one account: its states, what may happen to it, and the one transition function.
//!
//! # Flow
//!
//! ```text
//! planned → staging → staged → publishing → accepted → published
//!                                      ↘ delivered (draft in the creator's inbox; may become published)
//! failed: the platform said no · unresolved: nobody answered · held: a person must decide
//! ```
//!
//! # Guarantees
//!
//! A publication leaves `staged` for `publishing` before the one request that could make something public, and only
//! an answer, or proof that nothing happened, brings it back. Nothing that happens after `published` or `delivered`
//! leads to another attempt, except a higher revision or a person who has it forgotten.
//!
//! # Errors
//!
//! [`IllegalTransition`], naming the state and the change. It means a bug of ours or a ledger written by another
//! version; nothing is changed then.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::Commit;
use super::ids::{AccountName, ContentDigest, PlatformId, PostId};
use super::payload::Payload;
use super::retry::ErrorKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Planned,
    Staging,
    Staged,
    Publishing,
    Accepted,
    Published,
    Delivered,
    Failed,
    Unresolved,
    Held,
}

impl State {
    pub const ALL: [State; 10] = [
        State::Planned,
        State::Staging,
        State::Staged,
        State::Publishing,
        State::Accepted,
        State::Published,
        State::Delivered,
        State::Failed,
        State::Unresolved,
        State::Held,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Planned => "planned",
            State::Staging => "staging",
            State::Staged => "staged",
            State::Publishing => "publishing",
            State::Accepted => "accepted",
            State::Published => "published",
            State::Delivered => "delivered",
            State::Failed => "failed",
            State::Unresolved => "unresolved",
            State::Held => "held",
        }
    }

    /// Whether the platform has it, or may have it: a changed manifest changes nothing by itself any more.
    pub fn is_beyond_recall(self) -> bool {
        use State::*;
        matches!(self, Publishing | Accepted | Published | Delivered | Unresolved | Held)
    }

    /// Whether there is a next step that gitcast takes on its own.
    pub fn is_in_flight(self) -> bool {
        use State::*;
        matches!(self, Staging | Staged | Publishing | Accepted | Unresolved)
    }

    /// Whether the post has reached the platform for good.
    pub fn is_success(self) -> bool {
        matches!(self, State::Published | State::Delivered)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        State::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| format!("no such state: {text}"))
    }
}

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
    /// No progress this time.
    Delayed { kind: ErrorKind, reason: Reason, next_at: Timestamp },
    /// Given up before anything could become public, because the manifest says something else now.
    Superseded { reason: Reason },
    /// A person asks for another attempt at what failed.
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
    },
    /// A person wants what is recorded not to count any more: it may be published anew. `forced`: although it may be
    /// under way, or its outcome is unknown.
    Forgotten { forced: bool, reason: Reason },
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
        if let Change::Started { platform, digest, revision, path, .. } = change {
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
            };
            return Ok((publication, Keep::Nothing));
        }
        if let Change::Adopted { platform, digest, revision, path, remote, reason } = change {
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
            };
            return Ok((publication, Keep::Nothing));
        }
        let before = before.ok_or_else(illegal)?;
        let (state, keep) = next(before.state, change).ok_or_else(illegal)?;
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

    fn note(&mut self, change: &Change, at: Timestamp) {
        let mut abandoned = None;
        let (reason, next_at) = match change {
            Change::Started { .. } | Change::Staged { .. } | Change::Adopted { .. } => (None, None),
            Change::Intended { .. } => {
                self.intended_at = Some(at);
                self.sends += 1;
                (None, None)
            }
            Change::Stepped { next_at, .. } | Change::Delivered { next_at, .. } => (None, *next_at),
            Change::Accepted { next_at, .. } => (None, Some(*next_at)),
            Change::Published { remote, next_at, .. } | Change::Looked { remote, next_at, .. } => {
                self.remote = remote.clone();
                (None, *next_at)
            }
            Change::Unanswered { reason, next_at } => (Some(reason), Some(*next_at)),
            Change::Delayed { reason, next_at, .. } => {
                self.tries += 1;
                self.reason = Some(reason.clone());
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
            Change::Forgotten { reason, .. } => {
                self.remote = Remote::default();
                (Some(reason), None)
            }
            Change::Refused { reason }
            | Change::Absent { reason, .. }
            | Change::Held { reason }
            | Change::Superseded { reason }
            | Change::Retried { reason } => (Some(reason), None),
        };
        self.tries = 0;
        self.reason = reason.cloned();
        self.next_at = next_at;
    }
}

/// An attempt may begin where nothing of an earlier one can be, or become, public; or when the author asks for the
/// post again by a higher revision.
fn may_start(before: Option<&Publication>, revision: u32) -> bool {
    before.is_none_or(|p| match p.state {
        State::Failed if p.is_abandoned() => revision > p.revision,
        State::Planned | State::Failed => true,
        State::Published | State::Delivered => revision > p.revision,
        State::Staging
        | State::Staged
        | State::Publishing
        | State::Accepted
        | State::Unresolved
        | State::Held => false,
    })
}

/// A live post may be bound where nothing is known to be under way that would bring another one.
fn may_adopt(before: Option<&Publication>) -> bool {
    before.is_none_or(|p| !matches!(p.state, State::Publishing | State::Accepted))
}

fn next(state: State, change: &Change) -> Option<(State, Keep)> {
    use State::*;
    let kept = |checkpoint: &Checkpoint| Keep::Checkpoint(checkpoint.clone());
    let maybe = |checkpoint: &Option<Checkpoint>| checkpoint.as_ref().map_or(Keep::Unchanged, kept);
    Some(match (change, state) {
        (Change::Stepped { checkpoint, .. }, Staging) => (Staging, kept(checkpoint)),
        (Change::Staged { checkpoint }, Staging) => (Staged, kept(checkpoint)),
        (Change::Intended { checkpoint }, Staged) => (Publishing, kept(checkpoint)),
        (Change::Accepted { checkpoint, .. }, Publishing | Unresolved | Accepted) => {
            (Accepted, kept(checkpoint))
        }
        (Change::Published { checkpoint, .. }, Publishing | Unresolved | Accepted | Delivered) => {
            (Published, maybe(checkpoint))
        }
        (Change::Delivered { checkpoint, .. }, Publishing | Unresolved | Accepted) => {
            (Delivered, maybe(checkpoint))
        }
        (Change::Looked { checkpoint, .. }, Published | Delivered) => (state, maybe(checkpoint)),
        (Change::Refused { .. }, Staging | Staged | Publishing | Accepted | Unresolved) => {
            (Failed, Keep::Unchanged)
        }
        (Change::Unanswered { .. }, Publishing) => (Unresolved, Keep::Unchanged),
        (Change::Absent { checkpoint: Some(checkpoint), .. }, Publishing | Unresolved | Accepted) => {
            (Staged, kept(checkpoint))
        }
        (Change::Absent { checkpoint: None, .. }, Staging | Staged | Publishing | Unresolved | Accepted) => {
            (Staging, Keep::Nothing)
        }
        (Change::Held { .. }, Unresolved | Accepted) => (Held, Keep::Unchanged),
        (Change::Delayed { .. }, Staging | Staged | Accepted | Unresolved | Published | Delivered) => {
            (state, Keep::Unchanged)
        }
        (Change::Superseded { .. }, Staging | Staged | Failed) => (Planned, Keep::Nothing),
        (Change::Retried { .. }, Failed) => (Planned, Keep::Nothing),
        (Change::Forgotten { .. }, Published | Delivered | Failed) => (Planned, Keep::Nothing),
        (
            Change::Forgotten { forced: true, .. },
            Staging | Staged | Publishing | Accepted | Unresolved | Held,
        ) => (Planned, Keep::Nothing),
        (Change::Settled { settlement, .. }, Unresolved | Held) => match settlement {
            Settlement::Published { .. } => (Published, Keep::Unchanged),
            Settlement::NotPublished => (Planned, Keep::Nothing),
            Settlement::Abandoned => (Failed, Keep::Unchanged),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
