//! Which commit a manifest was taken from: so that a live post can be traced back to a review.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most of an author's name or a subject that is recorded, in characters.
pub const NOTE_CHARS_MAX: usize = 200;

/// The full hash of a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no hash of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 40 or 64 lower-case hexadecimal digits")]
pub struct InvalidCommitId;

impl FromStr for CommitId {
    type Err = InvalidCommitId;

    fn from_str(text: &str) -> Result<Self, InvalidCommitId> {
        let is_digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        // SHA-1, SHA-256.
        let is_hash = matches!(text.len(), 40 | 64) && text.bytes().all(is_digit);
        if is_hash { Ok(CommitId(text.to_owned())) } else { Err(InvalidCommitId) }
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidCommitId;

    fn try_from(text: String) -> Result<Self, InvalidCommitId> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> String {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a manifest compares with the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it was committed.
    Committed,
    /// Changed since.
    Changed,
    /// Not in the commit at all.
    Untracked,
}

/// A commit and a manifest beside it. Author and subject are what git told: untrusted text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub id: CommitId,
    pub author: String,
    pub subject: String,
    pub manifest: Standing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_hashes_are_hashes() {
        for good in ["0123456789abcdef0123456789abcdef01234567", &"a".repeat(64)] {
            assert_eq!(good.parse::<CommitId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        let upper = "A".repeat(40);
        for bad in ["", "HEAD", "0123456", &"a".repeat(41), &"g".repeat(40), &upper, &"ä".repeat(20)] {
            assert_eq!(bad.parse::<CommitId>(), Err(InvalidCommitId), "{bad}");
        }
    }
}
