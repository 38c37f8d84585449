//! Exit codes: what the process tells the script that started it.

use std::process::ExitCode;

/// How a run ended. In the order of precedence: of several outcomes the first listed here is reported.
///
/// The first two come alone: they end the run before or in the middle of its work. A bad manifest is an [`Error`]
/// only where nothing more urgent happened, since it never stops the good ones.
///
/// [`Error`]: Exit::Error
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    Interrupted,
    Usage,
    Ledger,
    Locked,
    StalePlan,
    Refused,
    Unknown,
    LoginNeeded,
    SomeFailed,
    Temporary,
    Error,
    ChangesPending,
    Converged,
}

impl Exit {
    pub const ALL: [Exit; 13] = [
        Exit::Interrupted,
        Exit::Usage,
        Exit::Ledger,
        Exit::Locked,
        Exit::StalePlan,
        Exit::Refused,
        Exit::Unknown,
        Exit::LoginNeeded,
        Exit::SomeFailed,
        Exit::Temporary,
        Exit::Error,
        Exit::ChangesPending,
        Exit::Converged,
    ];

    /// What a run with these outcomes reports: the one of highest precedence, or converged if there is none.
    pub fn of(outcomes: impl IntoIterator<Item = Exit>) -> Exit {
        outcomes.into_iter().min().unwrap_or(Exit::Converged)
    }

    pub fn code(self) -> u8 {
        match self {
            Exit::Converged => 0,
            Exit::Error => 1,
            Exit::ChangesPending => 2,
            Exit::SomeFailed => 3,
            Exit::Unknown => 4,
            Exit::Temporary => 5,
            Exit::LoginNeeded => 6,
            Exit::Refused => 7,
            Exit::StalePlan => 10,
            Exit::Locked => 11,
            Exit::Ledger => 12,
            Exit::Usage => 64,
            Exit::Interrupted => 130,
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Converged => "converged, or nothing to do",
            Exit::Error => "error, such as a manifest that is not valid",
            Exit::ChangesPending => "changes are pending (only with `--detailed-exitcode`)",
            Exit::SomeFailed => "some publications failed",
            Exit::Unknown => "an outcome is unknown and a person must decide",
            Exit::Temporary => "temporary: run again",
            Exit::LoginNeeded => "an account must log in again",
            Exit::Refused => "refused by a gate",
            Exit::StalePlan => "the plan is stale",
            Exit::Locked => "the ledger is locked by another process",
            Exit::Ledger => "the ledger is missing, foreign or cannot be decrypted",
            Exit::Usage => "wrong usage",
            Exit::Interrupted => "interrupted",
        }
    }

    /// The table of all codes in Markdown, which the README repeats.
    pub fn table() -> String {
        let mut all = Self::ALL;
        all.sort_by_key(|exit| exit.code());
        let rows = all.map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()));
        format!("| code | meaning |\n| --- | --- |\n{}", rows.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_outcome_decides() {
        for (outcomes, expected) in [
            (&[][..], 0),
            (&[Exit::Converged, Exit::ChangesPending], 2),
            (&[Exit::ChangesPending, Exit::Error], 1),
            (&[Exit::Error, Exit::Temporary], 5),
            (&[Exit::Temporary, Exit::SomeFailed, Exit::Error], 3),
            (&[Exit::SomeFailed, Exit::LoginNeeded], 6),
            (&[Exit::LoginNeeded, Exit::Unknown], 4),
            (&[Exit::Unknown, Exit::Refused], 7),
            (&[Exit::Refused, Exit::StalePlan], 10),
            (&[Exit::StalePlan, Exit::Locked], 11),
            (&[Exit::Locked, Exit::Ledger], 12),
            (&[Exit::Ledger, Exit::Interrupted], 130),
        ] {
            assert_eq!(Exit::of(outcomes.iter().copied()).code(), expected, "{outcomes:?}");
            assert_eq!(Exit::of(outcomes.iter().rev().copied()).code(), expected, "{outcomes:?} reversed");
        }
    }

    #[test]
    fn all_codes_are_listed_in_order_of_precedence_and_differ() {
        assert!(Exit::ALL.is_sorted());
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [130, 64, 12, 11, 10, 7, 4, 6, 3, 5, 1, 2, 0]);
    }

    #[test]
    fn the_readme_repeats_the_table() {
        assert!(include_str!("../../README.md").contains(&Exit::table()), "expected:\n{}", Exit::table());
    }
}
