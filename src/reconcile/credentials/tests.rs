//! The models of the platforms that there are and that are to come, by their documented figures: TikTok's two hours
//! (docs `oat`, 2026-11-05) and one day before that, X's two hours without an announced end, LinkedIn's sixty days with
//! a refresh token of a year or with none, Instagram's sixty days that extend after one.

use std::fmt::Write;
use std::time::Duration;

use super::*;
use crate::domain::grant::TokenModel;
use crate::ledger::vault::{Key, KeySource};
use crate::secret::Secret;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An account on a platform whose tokens live so long.
struct Account {
    credentials: Credentials,
    vault: Vault,
    record: GrantRecord,
    access_s: i64,
    refresh_s: Option<i64>,
    has_refresh: bool,
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY as u64)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("in range")
}

impl Account {
    fn new(care: TokenCare, access_s: i64, refresh_s: Option<i64>, has_refresh: bool) -> Account {
        let name: AccountName = "brand".parse().expect("name");
        let key = Key::parse(&"ab".repeat(32), KeySource::Variable).expect("key");
        let vault = Vault::new(key, "lineage");
        let origin = "https://example.com".to_owned();
        let record = GrantRecord {
            account: name.clone(),
            generation: 0,
            sealed: String::new(),
            origin: origin.clone(),
            scopes: Vec::new(),
            subject: String::new(),
            stored_at: at(0),
            expires_at: at(0),
            refresh_expires_at: None,
            presented_at: None,
            refused: None,
        };
        let credentials = Credentials::new(name, (care, origin), None);
        let mut account = Account { credentials, vault, record, access_s, refresh_s, has_refresh };
        let first = account.grant(0);
        let change =
            account.vault.stored(&account.record.account, 1, &first, account.record.origin.clone(), "login");
        account.record(&change.expect("sealed"), 0);
        account
    }

    /// What the platform gives at `second`.
    fn grant(&self, second: i64) -> Grant {
        Grant {
            access: Secret::new(format!("access {second}")),
            refresh: self.has_refresh.then(|| Secret::new(format!("refresh {second}"))),
            app: None,
            expires_at: at(second + self.access_s),
            refresh_expires_at: self.refresh_s.map(|life| at(second + life)),
            scopes: Vec::new(),
            subject: String::new(),
        }
    }

    fn record(&mut self, change: &GrantChange, second: i64) {
        let before = Some(&self.record).filter(|record| record.generation > 0);
        self.record = GrantRecord::apply(before, &self.record.account, change, at(second)).expect("legal");
        self.credentials.reread(Some(self.record.clone()));
    }

    /// One reconcile: whether it refreshed, or what stands in the way.
    fn reconcile(&mut self, second: i64) -> Result<bool, String> {
        match self.credentials.access(&self.vault, at(second)) {
            Access::Ready(grant) => {
                assert!(grant.expires_at > at(second), "a dead token is handed out at {second} s");
                Ok(false)
            }
            Access::Refresh(_) => {
                let fresh = self.grant(second);
                let change =
                    self.credentials.refreshed(Ok(fresh), &self.vault, at(second), 0).expect("stored");
                self.record(&change.expect("a new pair"), second);
                Ok(true)
            }
            Access::WaitUntil(_) => Ok(false),
            Access::Blocked(reason) => Err(reason),
        }
    }

    /// Refreshes in so long, with a reconcile each minute; and what ended it.
    fn live(&mut self, seconds: i64) -> (u32, Option<String>) {
        let mut refreshed = 0;
        for second in (MINUTE..=seconds).step_by(MINUTE as usize) {
            match self.reconcile(second) {
                Ok(is_refresh) => refreshed += u32::from(is_refresh),
                Err(reason) => return (refreshed, Some(format!("day {}: {reason}", second / DAY))),
            }
        }
        (refreshed, None)
    }
}

#[test]
fn each_model_is_refreshed_as_often_as_its_life_requires() {
    use TokenModel::*;
    let care = |model, window| TokenCare { model, window };
    let extending = Extending { age_min: days(1) };
    let table = [
        ("TikTok, 2 h and 180 days", care(Rotating, days(1)), 2 * HOUR, Some(180 * DAY), true),
        ("TikTok, 1 day and 365 days", care(Rotating, days(1)), DAY, Some(365 * DAY), true),
        ("a token of 365 days", care(Rotating, days(1)), 365 * DAY, None, true),
        ("X, 2 h", care(Rotating, days(1)), 2 * HOUR, None, true),
        ("LinkedIn, 60 days and 365 days", care(Stable, days(7)), 60 * DAY, Some(365 * DAY), true),
        ("LinkedIn without a refresh token", care(Stable, days(7)), 60 * DAY, Some(60 * DAY), false),
        ("Instagram, 60 days, extending", care(extending, days(7)), 60 * DAY, Some(60 * DAY), false),
        ("an extending token of 1 h", care(extending, days(7)), HOUR, Some(HOUR), false),
    ];
    let mut told = String::new();
    for (what, care, access_s, refresh_s, has_refresh) in table {
        let account = || Account::new(care, access_s, refresh_s, has_refresh);
        let (week, _) = account().live(7 * DAY);
        let (season, end) = account().live(100 * DAY);
        let least = 7 * DAY / access_s.max(1);
        assert!(i64::from(week) <= least * 3 / 2 + 1, "{what}: {week} refreshes for {least} lives");
        let end = end.map(|end| format!("; {end}")).unwrap_or_default();
        let _ = writeln!(told, "{what}: {week} in a week, {season} in 100 days{end}");
    }
    insta::assert_snapshot!(told, @r"
    TikTok, 2 h and 180 days: 126 in a week, 1800 in 100 days
    TikTok, 1 day and 365 days: 10 in a week, 150 in 100 days
    a token of 365 days: 0 in a week, 0 in 100 days
    X, 2 h: 126 in a week, 1800 in 100 days
    LinkedIn, 60 days and 365 days: 0 in a week, 1 in 100 days
    LinkedIn without a refresh token: 0 in a week, 0 in 100 days; day 59: the access token has expired and there is no refresh token
    Instagram, 60 days, extending: 0 in a week, 1 in 100 days
    an extending token of 1 h: 0 in a week, 0 in 100 days; day 0: the stored login expired at 2026-09-21T15:13:20Z
    ");
}

/// Lives are told as so many seconds from now, so that what a clock shows does not matter. One that is set in between is
/// found out by the platform, which turns the token down.
#[test]
fn a_clock_that_is_set_costs_a_refresh_at_most() {
    let care = TokenCare { model: TokenModel::Rotating, window: days(1) };
    let week = |clock: fn(i64) -> i64| {
        let mut account = Account::new(care, 2 * HOUR, None, true);
        let (mut refreshed, mut dies_at) = (0, 2 * HOUR);
        for second in (MINUTE..=7 * DAY).step_by(MINUTE as usize) {
            if second >= dies_at {
                assert!(account.credentials.turned_down().is_none(), "a person must log in at {second} s");
            }
            if account.reconcile(clock(second)).expect("no person is needed") {
                (refreshed, dies_at) = (refreshed + 1, second + 2 * HOUR);
                account.credentials.accepted();
            }
        }
        refreshed
    };
    let set_forward = |second| if second > 3 * DAY { second + 5 * HOUR } else { second };
    let set_back = |second| if second > 3 * DAY { second - 5 * HOUR } else { second };
    assert_eq!([week(|second| second), week(set_forward), week(set_back)], [126, 126, 125]);
}

#[test]
fn a_network_error_ends_no_login_and_is_not_repeated_at_once() {
    let care = TokenCare { model: TokenModel::Rotating, window: days(1) };
    let mut account = Account::new(care, 2 * HOUR, None, true);
    let error = |kind| Err(Error::new("oauth/token", kind, "code", "message"));
    for kind in [ErrorKind::Transient, ErrorKind::Ambiguous, ErrorKind::Protocol, ErrorKind::RateLimited] {
        assert!(matches!(account.credentials.access(&account.vault, at(100 * MINUTE)), Access::Refresh(_)));
        let refreshed =
            account.credentials.refreshed(error(kind), &account.vault, at(100 * MINUTE), u32::MAX);
        assert!(refreshed.is_err(), "{kind:?} is recorded as {refreshed:?}");
        // The token has life left, so that work goes on meanwhile.
        assert!(matches!(account.credentials.access(&account.vault, at(100 * MINUTE)), Access::Ready(_)));
        account.credentials.reread(Some(account.record.clone()));
        account.credentials.retry_at = None;
    }
    let refused = account.credentials.refreshed(error(ErrorKind::Auth), &account.vault, at(100 * MINUTE), 0);
    assert!(matches!(refused, Ok(Some(GrantChange::Refused { generation: 1, .. }))), "{refused:?}");
}

#[test]
fn a_token_that_was_turned_down_is_the_end_where_no_other_follows() {
    for (has_refresh, is_refused) in [(true, false), (false, true)] {
        let care = TokenCare { model: TokenModel::Stable, window: days(1) };
        let mut account = Account::new(care, 60 * DAY, None, has_refresh);
        assert!(matches!(account.credentials.access(&account.vault, at(0)), Access::Ready(_)));
        let change = account.credentials.turned_down();
        let refused = matches!(change, Some(GrantChange::Refused { generation: 1, .. }));
        assert_eq!(refused, is_refused, "{change:?}");
        let access = account.credentials.access(&account.vault, at(0));
        assert_eq!(matches!(access, Access::Blocked(_)), is_refused, "{access:?}");
    }
}

#[test]
fn a_refusal_does_not_count_once_somebody_else_has_a_newer_login() {
    let care = TokenCare { model: TokenModel::Rotating, window: days(1) };
    let mut account = Account::new(care, 2 * HOUR, None, true);
    assert!(!account.credentials.overtaken(Some(account.record.clone())), "the same is no newer one");
    let refused = Error::new("oauth/token", ErrorKind::Auth, "invalid_grant", "message");
    let _ = account.credentials.refreshed(Err(refused), &account.vault, at(0), 0);
    assert!(matches!(account.credentials.access(&account.vault, at(0)), Access::Blocked(_)));
    let fresh = account.grant(0);
    let change =
        account.vault.stored(&account.record.account, 2, &fresh, account.record.origin.clone(), "refresh");
    let newer =
        GrantRecord::apply(Some(&account.record), &account.record.account, &change.expect("sealed"), at(0));
    assert!(account.credentials.overtaken(newer.ok()));
    assert!(matches!(account.credentials.access(&account.vault, at(0)), Access::Ready(_)));
}
