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
    /// The keys of the app that it was granted to, where each login registers one of its own: the adapter's business.
    pub app: Option<Secret>,
    pub expires_at: Timestamp,
    /// When the owner must log in again at the latest, as far as that is known: the end of the refresh token, or of the
    /// access token where there is no other.
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
    /// The refresh token stays; there may be none.
    Stable,
    /// There is no refresh token; the access token itself is extended, once it is this old.
    Extending { age_min: Duration },
}

/// What it takes to keep an account's tokens alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCare {
    pub model: TokenModel,
    /// How long before their end the platform wants tokens refreshed, at most.
    pub window: Duration,
}

impl TokenCare {
    /// Whether there is a way to new tokens that needs no person.
    pub fn can_renew(&self, grant: &Grant) -> bool {
        grant.refresh.is_some() || matches!(self.model, TokenModel::Extending { .. })
    }
}

/// The part of the announced life that is left when a refresh is due, at most: a third.
const WINDOW_FRACTION: i32 = 3;

/// Days before the end of a login at which its owner is told, most urgent first.
const WARN_DAYS: [i64; 3] = [1, 3, 7];

/// Why a grant is refused when its owner has logged out.
const LOGGED_OUT: &str = "logged out";

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
            GrantChange::Resealed { generation, sealed } => {
                GrantRecord { sealed: sealed.clone(), ..current("resealed", *generation)? }
            }
            GrantChange::Presented { generation } => {
                GrantRecord { presented_at: Some(at), ..current("presented", *generation)? }
            }
            GrantChange::Refused { generation, reason } => {
                GrantRecord { refused: Some(reason.clone()), ..current("refused", *generation)? }
            }
            GrantChange::LoggedOut { generation, .. } => GrantRecord {
                refused: Some(LOGGED_OUT.to_owned()),
                sealed: String::new(),
                presented_at: None,
                ..current("logged-out", *generation)?
            },
        })
    }

    /// When to refresh: the platform's window before the end, or at two thirds of the announced life, whichever is
    /// later; and not before the platform allows it.
    pub fn refresh_due_at(&self, care: &TokenCare) -> Timestamp {
        let life = self.expires_at.duration_since(self.stored_at).max(SignedDuration::ZERO);
        let window =
            SignedDuration::try_from(care.window).unwrap_or(SignedDuration::MAX).min(life / WINDOW_FRACTION);
        let due = self.expires_at.saturating_sub(window).unwrap_or(Timestamp::MIN);
        let TokenModel::Extending { age_min } = care.model else { return due };
        due.max(self.stored_at.saturating_add(age_min).unwrap_or(Timestamp::MAX))
    }

    /// Whether a person must log in: the platform refused it, or its last token has expired.
    pub fn needs_login(&self, now: Timestamp) -> Option<String> {
        match self.refused.as_deref() {
            Some(LOGGED_OUT) => return Some("it is logged out".to_owned()),
            Some(reason) => return Some(format!("the platform refused the stored login: {reason}")),
            None => {}
        }
        let end = self.refresh_expires_at.unwrap_or(Timestamp::MAX);
        (end <= now).then(|| format!("the stored login expired at {end}"))
    }

    pub fn is_logged_out(&self) -> bool {
        self.refused.as_deref() == Some(LOGGED_OUT)
    }

    /// Whether there are tokens to open.
    pub fn has_tokens(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// When the login ends and within how many days that is, if it is time to tell its owner.
    pub fn ends_soon(&self, now: Timestamp) -> Option<(Timestamp, i64)> {
        let end = self.refresh_expires_at.filter(|end| self.refused.is_none() && *end > now)?;
        let days = WARN_DAYS.into_iter().find(|days| end.duration_since(now).as_hours() < days * 24)?;
        Some((end, days))
    }

    /// When [`ends_soon`](Self::ends_soon) or [`needs_login`](Self::needs_login) will say something else than now.
    pub fn holds_until(&self, now: Timestamp) -> Timestamp {
        let Some(end) = self.refresh_expires_at.filter(|_| self.refused.is_none()) else {
            return Timestamp::MAX;
        };
        let before =
            |days: i64| end.saturating_sub(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MIN);
        let turns = WARN_DAYS.map(before).into_iter().chain([end]);
        turns.filter(|turn| *turn > now).min().unwrap_or(Timestamp::MAX)
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
        let care = TokenCare { model: TokenModel::Rotating, window: Duration::from_secs(86_400) };
        for (life_s, due_s) in [(7_200, 4_800), (86_400, 57_600), (365 * 86_400, 364 * 86_400), (-5, -5)] {
            assert_eq!(grant(life_s).refresh_due_at(&care).as_second(), due_s, "life {life_s}");
        }
        // Not before the platform allows it, even if the life is short.
        let age_min = Duration::from_secs(86_400);
        let extending = TokenCare { model: TokenModel::Extending { age_min }, ..care };
        assert_eq!(grant(2 * 3_600).refresh_due_at(&extending).as_second(), 86_400);
        assert_eq!(grant(60 * 86_400).refresh_due_at(&extending).as_second(), 59 * 86_400);
    }

    #[test]
    fn owners_are_told_seven_three_and_one_days_before_the_end() {
        let end = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(180 * 24);
        let record = GrantRecord { refresh_expires_at: Some(end), ..grant(7_200) };
        let told =
            |hours_left: i64| record.ends_soon(end - SignedDuration::from_hours(hours_left)).map(|t| t.1);
        let table = [(200, None), (168, None), (167, Some(7)), (72, Some(7)), (71, Some(3)), (24, Some(3))];
        for (hours, days) in table.into_iter().chain([(23, Some(1)), (1, Some(1)), (0, None), (-1, None)]) {
            assert_eq!(told(hours), days, "{hours} hours before the end");
        }
        // Between the turns that are announced, nothing changes.
        let mut now = end - SignedDuration::from_hours(200);
        for days in [7, 3, 1, 0] {
            now = record.holds_until(now);
            assert_eq!(now, end - SignedDuration::from_hours(days * 24));
        }
        assert_eq!(record.holds_until(now), Timestamp::MAX);
        assert_eq!(grant(7_200).holds_until(now), Timestamp::MAX);
    }

    #[test]
    fn a_login_that_was_ended_keeps_nothing_to_open() {
        let account: AccountName = "a".parse().expect("name");
        let before = GrantRecord { sealed: "00".into(), ..grant(7_200) };
        let change = GrantChange::LoggedOut { generation: 1, at_platform: true };
        let after =
            GrantRecord::apply(Some(&before), &account, &change, Timestamp::UNIX_EPOCH).expect("legal");
        assert!(after.is_logged_out() && after.sealed.is_empty());
        assert_eq!(after.needs_login(Timestamp::UNIX_EPOCH).as_deref(), Some("it is logged out"));
        assert!(GrantRecord::apply(None, &account, &change, Timestamp::UNIX_EPOCH).is_err());
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
        let resealed = |generation| GrantChange::Resealed { generation, sealed: "02".into() };
        for generation in [0, 2] {
            assert!(apply(Some(&presented), resealed(generation)).is_err());
        }
        assert!(apply(None, resealed(1)).is_err());
        let sealed = GrantRecord { sealed: "02".into(), ..presented.clone() };
        assert_eq!(apply(Some(&presented), resealed(1)), Ok(sealed), "and nothing else");
        let reason = "invalid_grant".to_owned();
        let refused =
            apply(Some(&presented), GrantChange::Refused { generation: 1, reason }).expect("refused");
        assert!(refused.needs_login(at).is_some());
        let two = apply(Some(&refused), stored(2)).expect("second");
        assert_eq!((two.presented_at, two.refused), (None, None));
    }
}
