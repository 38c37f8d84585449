//! What an account's owner granted: tokens, and what is known of them without opening the seal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::event::GrantChange;
use super::ids::AccountName;
use crate::secret::Secret;

/// Tokens in the clear, as an adapter needs them.
#[derive(Debug, Clone)]
pub struct Grant {
    pub access: Secret,
    pub refresh: Option<Secret>,
    pub expires_at: Timestamp,
    pub refresh_expires_at: Option<Timestamp>,
    pub scopes: Vec<String>,
    /// The platform's own id of the account; empty where it gave none.
    pub subject: String,
}

/// A grant as recorded: everything but the tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantRecord {
    pub account: AccountName,
    /// From 1; one more with each new pair of tokens.
    pub generation: u64,
    /// Ciphertext, in hexadecimal digits.
    pub sealed: String,
    pub origin: String,
    pub scopes: Vec<String>,
    pub subject: String,
    pub stored_at: Timestamp,
    pub expires_at: Timestamp,
    pub refresh_expires_at: Option<Timestamp>,
    /// When this generation's refresh token was sent and nobody has answered yet.
    pub presented_at: Option<Timestamp>,
    /// Why the platform does not accept it any more.
    pub refused: Option<String>,
}

/// How a platform's tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenModel {
    /// Each refresh gives a new refresh token and kills the old one.
    Rotating,
    /// The refresh token stays.
    Stable,
    /// There is no refresh token; the access token itself is extended.
    Extending,
}

/// The part of the announced life that is left when a refresh is due, at most: a third.
const WINDOW_FRACTION: i32 = 3;

/// A change that does not belong to the grant as recorded: a bug of ours, or two processes with one grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{account}: `{change}` of generation {generation} does not fit the recorded generation {recorded}")]
pub struct IllegalGrantChange {
    pub account: AccountName,
    pub change: &'static str,
    pub generation: u64,
    /// 0 when there is no grant.
    pub recorded: u64,
}

impl GrantRecord {
    /// The grant after `change`. A new pair of tokens is the next generation; everything else is about the recorded one.
    pub fn apply(
        before: Option<&GrantRecord>,
        account: &AccountName,
        change: &GrantChange,
        at: Timestamp,
    ) -> Result<GrantRecord, IllegalGrantChange> {
        let recorded = before.map_or(0, |grant| grant.generation);
        let illegal = |change, generation| IllegalGrantChange {
            account: account.clone(),
            change,
            generation,
            recorded,
        };
        let current = |change, generation| {
            before.filter(|grant| grant.generation == generation).cloned().ok_or(illegal(change, generation))
        };
        Ok(match change {
            GrantChange::Stored { generation, .. } if *generation != recorded + 1 => {
                return Err(illegal("stored", *generation));
            }
            GrantChange::Stored {
                generation,
                sealed,
                origin,
                scopes,
                subject,
                expires_at,
                refresh_expires_at,
                how: _,
            } => GrantRecord {
                account: account.clone(),
                generation: *generation,
                sealed: sealed.clone(),
                origin: origin.clone(),
                scopes: scopes.clone(),
                subject: subject.clone(),
                stored_at: at,
                expires_at: *expires_at,
                refresh_expires_at: *refresh_expires_at,
                presented_at: None,
                refused: None,
            },
            GrantChange::Presented { generation } => {
                GrantRecord { presented_at: Some(at), ..current("presented", *generation)? }
            }
            GrantChange::Refused { generation, reason } => {
                GrantRecord { refused: Some(reason.clone()), ..current("refused", *generation)? }
            }
        })
    }

    /// When to refresh: `window` before the end, or at two thirds of the announced life, whichever is later.
    pub fn refresh_due_at(&self, window: Duration) -> Timestamp {
        let life = self.expires_at.duration_since(self.stored_at).max(SignedDuration::ZERO);
        let window =
            SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX).min(life / WINDOW_FRACTION);
        self.expires_at.saturating_sub(window).unwrap_or(Timestamp::MIN)
    }

    /// Whether a person must log in: the platform refused it, or its last token has expired.
    pub fn needs_login(&self, now: Timestamp) -> Option<String> {
        if let Some(reason) = &self.refused {
            return Some(format!("the platform refused the stored login: {reason}"));
        }
        let end = self.refresh_expires_at.unwrap_or(Timestamp::MAX);
        (end <= now).then(|| format!("the stored login expired at {end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(life_s: i64) -> GrantRecord {
        let at = Timestamp::UNIX_EPOCH;
        GrantRecord {
            account: "a".parse().expect("name"),
            generation: 1,
            sealed: String::new(),
            origin: String::new(),
            scopes: Vec::new(),
            subject: String::new(),
            stored_at: at,
            expires_at: at + SignedDuration::from_secs(life_s),
            refresh_expires_at: None,
            presented_at: None,
            refused: None,
        }
    }

    #[test]
    fn the_refresh_window_is_the_smaller_of_the_platforms_and_a_third_of_life() {
        let day = Duration::from_secs(86_400);
        for (life_s, due_s) in [(7_200, 4_800), (86_400, 57_600), (365 * 86_400, 364 * 86_400), (-5, -5)] {
            assert_eq!(grant(life_s).refresh_due_at(day).as_second(), due_s, "life {life_s}");
        }
    }

    #[test]
    fn a_new_pair_is_the_next_generation_and_the_rest_is_about_the_recorded_one() {
        let account: AccountName = "a".parse().expect("name");
        let at = Timestamp::UNIX_EPOCH;
        let apply = |before: Option<&GrantRecord>, change| GrantRecord::apply(before, &account, &change, at);
        let stored = |generation| GrantChange::Stored {
            generation,
            sealed: "00".into(),
            origin: "https://example.com".into(),
            scopes: vec!["x".into()],
            subject: "s".into(),
            expires_at: at,
            refresh_expires_at: None,
            how: "import".into(),
        };
        assert!(apply(None, GrantChange::Presented { generation: 0 }).is_err());
        assert!(apply(None, stored(2)).is_err());
        let one = apply(None, stored(1)).expect("first");
        assert_eq!(apply(Some(&one), stored(1)).expect_err("same again").recorded, 1);
        assert!(apply(Some(&one), GrantChange::Presented { generation: 2 }).is_err());
        let presented = apply(Some(&one), GrantChange::Presented { generation: 1 }).expect("presented");
        assert_eq!(presented.presented_at, Some(at));
        let reason = "invalid_grant".to_owned();
        let refused =
            apply(Some(&presented), GrantChange::Refused { generation: 1, reason }).expect("refused");
        assert!(refused.needs_login(at).is_some());
        let two = apply(Some(&refused), stored(2)).expect("second");
        assert_eq!((two.presented_at, two.refused), (None, None));
    }
}
