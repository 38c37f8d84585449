//! What a person may have done about a publication or an account, as it stands: for whoever shows a button.

use super::ids::{AccountName, PostId};
use super::pause::Scope;
use super::publication::{ALREADY_THERE, Publication, State};

/// Each is a command as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A pass at once.
    Reconcile,
    Retry,
    Pause,
    Resume,
}

impl Act {
    pub const ALL: [Act; 4] = [Act::Reconcile, Act::Retry, Act::Pause, Act::Resume];

    pub fn as_str(self) -> &'static str {
        match self {
            Act::Reconcile => "reconcile",
            Act::Retry => "retry",
            Act::Pause => "pause",
            Act::Resume => "resume",
        }
    }
}

impl std::str::FromStr for Act {
    type Err = ();

    fn from_str(text: &str) -> Result<Act, ()> {
        Act::ALL.into_iter().find(|act| act.as_str() == text).ok_or(())
    }
}

/// What fits a post on an account; `paused` are the scopes that are paused now.
pub fn of_publication(
    (post, account): (&PostId, &AccountName),
    recorded: Option<&Publication>,
    paused: &[Scope],
) -> Vec<Act> {
    let scope = Scope::Publication { post: post.clone(), account: account.clone() };
    let mut acts = Vec::new();
    if recorded.is_some_and(|p| (p.state == State::Failed && !may_be_live(p)) || p.is_turned_down()) {
        acts.push(Act::Retry);
    }
    if paused.contains(&scope) {
        acts.push(Act::Resume);
    } else if recorded.is_none_or(|p| !is_over(p.state)) {
        acts.push(Act::Pause);
    }
    acts
}

pub fn of_account(account: &AccountName, paused: &[Scope]) -> Act {
    let scope = Scope::Account { account: account.clone() };
    if paused.contains(&scope) { Act::Resume } else { Act::Pause }
}

/// What a person has given up without knowing, or what was found at the platform already: whoever wants it sent all the
/// same types a command.
fn may_be_live(publication: &Publication) -> bool {
    publication.is_abandoned()
        || publication.reason.as_ref().is_some_and(|reason| reason.code == ALREADY_THERE)
}

/// Nothing more is sent by itself.
fn is_over(state: State) -> bool {
    state.is_success() || matches!(state, State::Failed | State::Deleted)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::ids::{ContentDigest, PlatformId};
    use crate::domain::publication::{ABANDONED, Change, Reason, Remote};

    fn names() -> (PostId, AccountName) {
        ("one".parse().expect("id"), "brand".parse().expect("name"))
    }

    fn publication(state: State) -> Publication {
        let (post, account) = names();
        Publication {
            post,
            account,
            platform: PlatformId::Tiktok,
            state,
            digest: ContentDigest::of(b"x"),
            revision: 1,
            attempts: 1,
            tries: 0,
            sends: 1,
            remote: Remote::default(),
            reason: None,
            next_at: None,
            intended_at: None,
            updated_at: Timestamp::UNIX_EPOCH,
            path: String::new(),
            fixed: None,
            due_again: None,
            amendment: None,
        }
    }

    /// One click never sends what may be there.
    #[test]
    fn retry_is_no_button_where_it_may_be_live() {
        let (post, account) = names();
        for (code, fits) in [("spam_risk", true), (ABANDONED, false), (ALREADY_THERE, false)] {
            let reason = Some(Reason::new(code, "why"));
            let recorded = Publication { reason, ..publication(State::Failed) };
            let acts = of_publication((&post, &account), Some(&recorded), &[]);
            assert_eq!(acts.contains(&Act::Retry), fits, "{code}");
        }
    }

    /// No button that would be refused, and none missing.
    #[test]
    fn retry_fits_where_it_can_be_recorded() {
        let (post, account) = names();
        for state in State::ALL {
            let recorded = publication(state);
            let retried = Change::Retried { reason: Reason::new("a", "b") };
            let is_legal =
                Publication::apply(Some(&recorded), (&post, &account), &retried, Timestamp::UNIX_EPOCH)
                    .is_ok();
            let acts = of_publication((&post, &account), Some(&recorded), &[]);
            assert_eq!(acts.contains(&Act::Retry), is_legal, "{state}");
        }
    }

    #[test]
    fn a_pause_ends_where_it_began() {
        let (post, account) = names();
        let own = Scope::Publication { post: post.clone(), account: account.clone() };
        let whole = Scope::Account { account: account.clone() };
        let acts = |state, paused: &[Scope]| {
            of_publication((&post, &account), Option::map(state, publication).as_ref(), paused)
        };
        assert_eq!(acts(None, &[]), [Act::Pause]);
        assert_eq!(acts(Some(State::Staging), &[]), [Act::Pause]);
        assert_eq!(acts(Some(State::Staging), std::slice::from_ref(&own)), [Act::Resume]);
        assert_eq!(acts(Some(State::Staging), std::slice::from_ref(&whole)), [Act::Pause]);
        assert_eq!(acts(Some(State::Published), &[]), []);
        assert_eq!(acts(Some(State::Published), &[own]), [Act::Resume]);
        assert_eq!(of_account(&account, &[]), Act::Pause);
        assert_eq!(of_account(&account, &[whole]), Act::Resume);
        for act in Act::ALL {
            assert_eq!(act.as_str().parse(), Ok(act));
        }
    }
}
