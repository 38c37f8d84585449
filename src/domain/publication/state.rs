//! The states of a publication, and what each means to the rest.

use serde::{Deserialize, Serialize};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Planned,
    Staging,
    Staged,
    Publishing,
    /// Some of several parts are live.
    Partial,
    Accepted,
    Published,
    Delivered,
    Editing,
    Deleting,
    Deleted,
    Failed,
    Unresolved,
    Held,
}

impl State {
    pub const ALL: [State; 14] = [
        State::Planned,
        State::Staging,
        State::Staged,
        State::Publishing,
        State::Partial,
        State::Accepted,
        State::Published,
        State::Delivered,
        State::Editing,
        State::Deleting,
        State::Deleted,
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
            State::Partial => "partial",
            State::Accepted => "accepted",
            State::Published => "published",
            State::Delivered => "delivered",
            State::Editing => "editing",
            State::Deleting => "deleting",
            State::Deleted => "deleted",
            State::Failed => "failed",
            State::Unresolved => "unresolved",
            State::Held => "held",
        }
    }

    /// Whether the platform has it, or may have it: a changed manifest starts no other attempt by itself any more.
    pub fn is_beyond_recall(self) -> bool {
        use State::*;
        match self {
            Publishing | Partial | Accepted | Published | Delivered | Editing | Deleting | Unresolved
            | Held => true,
            Planned | Staging | Staged | Deleted | Failed => false,
        }
    }

    /// Whether there is a next step that gitcast takes on its own.
    pub fn is_in_flight(self) -> bool {
        use State::*;
        match self {
            Staging | Staged | Publishing | Partial | Accepted | Editing | Deleting | Unresolved => true,
            Planned | Published | Delivered | Deleted | Failed | Held => false,
        }
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
