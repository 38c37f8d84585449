//! What becomes of live posts: whether they can be edited, and what a tombstone or an adoption leads to.

use super::{Action, Desired, Planner, Verdict, continues, verdict};
use crate::domain::publication::{Amendment, Publication, State};

impl Planner<'_> {
    pub(super) fn tombstone(&self, desired: &Desired, recorded: Option<&Publication>) -> Verdict {
        let Some(recorded) = recorded else {
            return verdict(Action::Skip, "deleted", "`state: deleted`, and nothing was published");
        };
        match recorded.state {
            State::Planned | State::Failed | State::Staging | State::Staged => {
                verdict(Action::Skip, "deleted", "`state: deleted`, and nothing was published")
            }
            State::Publishing | State::Accepted | State::Unresolved => verdict(
                Action::Continue,
                "deleted",
                "`state: deleted`, but the platform may have it: finding out",
            ),
            State::Held => verdict(Action::Hold, "held", "nobody can tell whether it was published"),
            State::Deleted => verdict(Action::Unchanged, "deleted", "deleted"),
            State::Published if recorded.amendment == Some(Amendment::Delete) => {
                let why = recorded.reason.as_ref().map_or("", |reason| reason.message.as_str());
                verdict(Action::Failed, "delete-refused", why)
            }
            State::Published | State::Partial | State::Editing | State::Deleting if desired.can_delete => {
                self.deletion(desired, recorded)
            }
            State::Published | State::Delivered | State::Partial | State::Editing | State::Deleting => {
                verdict(
                    Action::Undeletable,
                    "delete-unsupported",
                    "`state: deleted`, but the platform offers no deletion: delete it in the platform's app",
                )
            }
        }
    }

    fn deletion(&self, desired: &Desired, recorded: &Publication) -> Verdict {
        if let Some(verdict) = self.paused(desired) {
            return verdict;
        }
        if recorded.state == State::Deleting {
            let why = recorded.reason.as_ref().map_or(continues(State::Deleting), |r| r.message.as_str());
            return (Action::Continue, "deleting", why.to_owned(), recorded.next_at);
        }
        if !self.input.overrides.allow_delete {
            let message = "`state: deleted`, and a live post is deleted only if you say --allow-delete";
            return verdict(Action::Refuse, "delete-not-allowed", message);
        }
        verdict(Action::Delete, "deleted", "`state: deleted`")
    }
}

/// `state: adopted` never leads to a request that makes or changes something, whatever is recorded: only what the
/// platform may have already is found out.
pub(super) fn adopted(recorded: Option<&Publication>) -> Verdict {
    let Some(recorded) = recorded else {
        let message =
            "`state: adopted`, and not recorded as live: nothing is sent; record it with `gitcast adopt`";
        return verdict(Action::Skip, "adopted", message);
    };
    match recorded.state {
        State::Published => verdict(Action::Unchanged, "adopted", "live, and left as it is"),
        State::Delivered => verdict(Action::Unchanged, "delivered", "delivered to the creator's inbox"),
        State::Deleted => verdict(Action::Skip, "deleted", "it was deleted"),
        State::Planned | State::Failed | State::Staging | State::Staged => {
            verdict(Action::Skip, "adopted", "`state: adopted`, and nothing was published: nothing is sent")
        }
        State::Publishing | State::Accepted | State::Unresolved => verdict(
            Action::Continue,
            "adopted",
            "`state: adopted`, but the platform may have it: finding out",
        ),
        State::Partial | State::Editing | State::Deleting => verdict(
            Action::Hold,
            "adopted",
            "`state: adopted`, but it is under way: write the manifest as it was, to let it end",
        ),
        State::Held => verdict(Action::Hold, "held", "nobody can tell whether it was published"),
    }
}

/// Whether the live post is, or may be, something else than what is desired: an edit that was turned down in the end may
/// have arrived in part.
pub(super) fn differs(desired: &Desired, recorded: &Publication) -> bool {
    recorded.digest != desired.digest || matches!(recorded.amendment, Some(Amendment::Edit(_)))
}

/// Whether the live post can be made into what is desired.
pub(super) fn is_editable(desired: &Desired, recorded: &Publication) -> bool {
    let wanted = desired.payload.as_ref().and_then(|payload| payload.fixed);
    wanted.is_some() && wanted == recorded.fixed
}
