//! What platforms tell on their own, held against the ledger: what must be remembered is recorded, the rest hastens a
//! look. A delivery may come twice and in any order, so that each is taken by its effect.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::execute::Notice;
use super::lane::Platforms;
use crate::domain::drift::NO_LONGER_PUBLIC;
use crate::domain::event::Event;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::news::News;
use crate::domain::publication::{Change, Publication, Reason, State};
use crate::ledger::{Error, Ledger};

/// What was told, and the accounts whose app it was told to: it can be about no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub accounts: Vec<AccountName>,
    pub news: News,
}

/// What does not wait for its appointment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// To be looked at now.
    pub looks: BTreeSet<(PostId, AccountName)>,
    /// Logins to be tried now, by a refresh.
    pub logins: BTreeSet<AccountName>,
}

impl Hints {
    /// When the publication's next step may be taken, in view of the hints. What a platform asked to be left alone, or
    /// what went wrong last time, keeps its appointment.
    pub(super) fn ready_at(&self, publication: &Publication, now: Timestamp) -> Option<Timestamp> {
        let may_be_public = matches!(
            publication.state,
            State::Accepted | State::Unresolved | State::Published | State::Delivered
        );
        let is_hinted = may_be_public
            && publication.tries == 0
            && self.looks.contains(&(publication.post.clone(), publication.account.clone()));
        if is_hinted { Some(now) } else { publication.ready_at(now) }
    }
}

/// Takes in what was told. Whether it is done with: what is about a post whose own outcome is still being looked for
/// is to be told again.
pub fn take_in(
    told: &Told,
    hints: &mut Hints,
    (ledger, platforms): (&mut Ledger, &Platforms),
    (now, actor): (Timestamp, &str),
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<bool, Error> {
    let mut is_done = true;
    for account in &told.accounts {
        let Some(webhooks) = platforms.get(account).and_then(|platform| platform.webhooks()) else {
            continue;
        };
        let name = match &told.news {
            News::LoginEnded { subject } => {
                let is_theirs = ledger.grant(account)?.is_some_and(|grant| grant.subject == *subject);
                hints.logins.extend(is_theirs.then(|| account.clone()));
                continue;
            }
            News::Moved { name } | News::Hidden { name, .. } => name,
        };
        for (post, checkpoint) in ledger.checkpoints(account)? {
            if webhooks.name_of(&checkpoint).as_ref() != Some(name) {
                continue;
            }
            hints.looks.insert((post.clone(), account.clone()));
            let News::Hidden { at, .. } = told.news else { continue };
            let Some(publication) = ledger.publication(&post, account)? else { continue };
            if publication.state.is_in_flight() {
                is_done = false;
            } else if publication.state.is_success() && !publication.is_no_longer_public() {
                let message = format!("the platform told that it is no longer public, as of {at}");
                let reason = Reason::new(NO_LONGER_PUBLIC, message);
                let change = Change::Noticed { reason: reason.clone() };
                let (post, account) = (post.clone(), account.clone());
                let event = Event::Publication { post, account, change: change.clone() };
                ledger.append(now, actor, &[event])?;
                let publication = Publication { reason: Some(reason), ..publication };
                notify(Notice::Changed { publication: &publication, change: &change });
            }
        }
    }
    Ok(is_done)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::ids::{ContentDigest, PlatformId};
    use crate::domain::publication::Remote;

    fn publication(state: State, tries: u32) -> Publication {
        let at = Timestamp::UNIX_EPOCH;
        Publication {
            post: "p".parse().expect("id"),
            account: "a".parse().expect("name"),
            platform: PlatformId::Tiktok,
            state,
            digest: ContentDigest::of(b"x"),
            revision: 1,
            attempts: 1,
            tries,
            sends: 1,
            remote: Remote::default(),
            reason: None,
            next_at: Some(at + SignedDuration::from_hours(1)),
            intended_at: None,
            updated_at: at,
            path: "p.yaml".into(),
            fixed: None,
            due_again: None,
            amendment: None,
        }
    }

    #[test]
    fn a_hint_hastens_looks_and_nothing_that_sends_or_was_told_to_wait() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1);
        let looks = [("p".parse().expect("id"), "a".parse().expect("name"))].into();
        let hints = Hints { looks, ..Hints::default() };
        for state in State::ALL {
            let is_look =
                matches!(state, State::Accepted | State::Unresolved | State::Published | State::Delivered);
            let appointment = publication(state, 0).next_at;
            let expected = if is_look { Some(now) } else { appointment };
            assert_eq!(hints.ready_at(&publication(state, 0), now), expected, "{state}");
            assert_eq!(hints.ready_at(&publication(state, 1), now), appointment, "{state}, after a failure");
            let other = Publication { account: "b".parse().expect("name"), ..publication(state, 0) };
            assert_eq!(hints.ready_at(&other, now), appointment, "{state}, on another account");
        }
        let settled = Publication { next_at: None, ..publication(State::Published, 0) };
        assert_eq!(hints.ready_at(&settled, now), Some(now), "although nothing more was to be looked for");
    }
}
