//! What the owners of logins should be told: in good time before a login ends, and when it has.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::error::Failure;
use super::{text, ui};
use crate::domain::ids::AccountName;
use crate::domain::plan::Plan;
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;

/// One for an account at most, whatever its login is needed for.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    pub account: AccountName,
    pub message: String,
    /// Nothing is published there until somebody logs in.
    pub is_blocking: bool,
    /// When the login ends, if it has not.
    pub ends_at: Option<Timestamp>,
}

/// What there is to tell about the declared accounts, and until when that stays as it is.
pub(super) fn notices(
    ledger: Option<&Ledger>,
    loaded: &Loaded,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<(Vec<Notice>, Timestamp), Failure> {
    let (mut notices, mut holds_until) = (Vec::new(), Timestamp::MAX);
    let mut grants = ledger.map(Ledger::grants).transpose()?.unwrap_or_default();
    grants.retain(|record| loaded.platforms.contains_key(&record.account));
    for record in grants {
        holds_until = holds_until.min(record.holds_until(now));
        let account = record.account.clone();
        let way_out = format!("gitcast auth login {account}");
        if let Some(reason) = record.needs_login(now) {
            let message = format!("{reason}; log in again: {way_out}");
            notices.push(Notice { account, message, is_blocking: true, ends_at: None });
        } else if let Some((end, days)) = record.ends_soon(now) {
            let days = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
            let message = format!(
                "the login ends within {days}, at {}; log in before that: {way_out}",
                ui::time(end, zone)
            );
            notices.push(Notice { account, message, is_blocking: false, ends_at: Some(end) });
        }
    }
    Ok((notices, holds_until))
}

impl Notice {
    pub(super) fn line(&self, palette: ui::Palette) -> String {
        let word = if self.is_blocking { palette.bad("login") } else { palette.notable("login") };
        format!("{word} {}: {}", self.account, text::one_line(&self.message, 400))
    }

    /// Whether it keeps the plan from being carried out.
    pub(super) fn hinders(&self, plan: &Plan) -> bool {
        self.is_blocking && plan.acting().any(|change| change.account == self.account)
    }
}
