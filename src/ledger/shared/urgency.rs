//! Which events others must know of before anything follows from them.
//!
//! Each exchange with a server takes as long as some requests to a platform do. What a run that dies at once may take
//! with it, as the next run finds it out at the platform, goes out together with the next event that must not be lost,
//! and at the end.

use crate::domain::event::Event;
use crate::domain::publication::Change;

/// Whether nothing that could not be done again or found out again depends on it. `has_step`: of the publication, a step
/// was recorded before.
pub(super) fn may_wait(event: &Event, has_step: bool) -> bool {
    let change = match event {
        // What was sent counts for rate limits; another run that does not know is told by the platform.
        Event::Request { .. } => return true,
        // It is looked at again.
        Event::Insight { .. } => return true,
        Event::Publication { change, .. } => change,
        Event::Created { .. }
        | Event::Grant { .. }
        | Event::Recipients(_)
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::Decided { .. } => return false,
    };
    match change {
        // The first one tells where an upload goes on; how far it is the platform tells.
        Change::Stepped { .. } => has_step,
        // The next request is announced on its own.
        Change::Staged { .. } | Change::Advanced { .. } => true,
        // What became of an announced request: the platform is asked where nobody knows.
        Change::Accepted { .. }
        | Change::Published { .. }
        | Change::Delivered { .. }
        | Change::Looked { .. }
        | Change::Refused { .. }
        | Change::Unanswered { .. }
        | Change::Absent { .. }
        | Change::Edited { .. }
        | Change::Deleted
        | Change::Noticed { .. }
        | Change::Delayed { .. } => true,
        // Claims: whoever is first works on it.
        Change::Started { .. }
        | Change::Intended { .. }
        | Change::EditStarted { .. }
        | Change::DeleteStarted { .. } => false,
        // Decisions, of people and of the plan.
        Change::Held { .. }
        | Change::TurnedDown { .. }
        | Change::Superseded { .. }
        | Change::Retried { .. }
        | Change::Settled { .. }
        | Change::Adopted { .. }
        | Change::Forgotten { .. } => false,
    }
}
