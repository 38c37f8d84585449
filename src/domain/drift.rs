//! Drift: a live post is other than recorded. What a look found stands, and is told, until another look finds it gone. It
//! leads to no step: nothing is posted again for it, unless a project asks for that (`policy.on_missing`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::publication::{Publication, Reason};

/// The platform has told that the post is not public any more.
pub const NO_LONGER_PUBLIC: &str = "no-longer-public";
/// The platform does not list it among the account's public posts.
pub const MISSING: &str = "missing";
/// Of several public posts that came of one, it lists some.
pub const PARTLY_MISSING: &str = "partly-missing";
/// It shows another text than was sent.
pub const CAPTION_DIFFERS: &str = "caption-differs";
/// Nothing of the above any more.
pub const AS_RECORDED: &str = "as-recorded";

/// What follows once a post has been missing for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    #[default]
    Report,
    /// What is recorded counts no more: it may be published anew, if its time allows it.
    Forget,
    /// Likewise, and its time is counted from then.
    Repost,
}

/// The code of why a post was forgotten by that.
pub const GONE: &str = "gone";

/// For so long a post must have been missing before anything but telling follows: most of what hides a post for a moment,
/// such as another look of moderation, is over by then.
pub const MISSING_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How the account's other posts are, as far as they were looked at since this one was found missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Others {
    pub shown: usize,
    pub missing: usize,
}

/// Whether a post that is missing still, `now`, has gone for good: for long enough, and on an account that shows more posts
/// than it misses. One that shows fewer was made private or was banned, and its posts may come back all at once.
pub fn has_gone(publication: &Publication, others: Others, now: Timestamp) -> bool {
    let is_missing = publication.finding().is_some_and(|reason| reason.code == MISSING);
    is_missing
        && now.duration_since(publication.updated_at) >= MISSING_FOR
        && others.shown > others.missing + 1
}

/// Whether a reason with this code says how a live post differs.
pub fn is_finding(code: &str) -> bool {
    matches!(code, NO_LONGER_PUBLIC | MISSING | PARTLY_MISSING | CAPTION_DIFFERS)
}

/// What is to be recorded once a look has come to `found`, `None` being as recorded, while `standing` is why the
/// publication is where it is.
pub fn to_record(standing: Option<&Reason>, found: Option<Reason>) -> Option<Reason> {
    let standing = standing.filter(|reason| is_finding(&reason.code));
    match (standing, found) {
        (None, None) => None,
        (Some(_), None) => Some(Reason::new(AS_RECORDED, "it is as recorded again")),
        // That it is not listed follows from what the platform has told, which says more.
        (Some(told), Some(found))
            if told.code == NO_LONGER_PUBLIC && matches!(found.code.as_str(), MISSING | PARTLY_MISSING) =>
        {
            None
        }
        (standing, found) => found.filter(|found| standing != Some(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::publication::State;

    #[test]
    fn a_post_has_gone_when_others_are_there_and_it_was_missing_for_a_day() {
        let noticed_at: Timestamp = "2026-11-26T10:00:00Z".parse().expect("time");
        let missing = |code: &str, state| Publication {
            reason: Some(Reason::new(code, "seen")),
            updated_at: noticed_at,
            ..crate::domain::publication::tests::publication(state)
        };
        for (code, state, hours, (shown, others), gone) in [
            (MISSING, State::Published, 24, (2, 0), true),
            (MISSING, State::Published, 23, (2, 0), false),
            (MISSING, State::Published, -24, (2, 0), false),
            // More are there than are missing.
            (MISSING, State::Published, 24, (1, 0), false),
            (MISSING, State::Published, 24, (0, 0), false),
            (MISSING, State::Published, 24, (3, 1), true),
            (MISSING, State::Published, 24, (2, 1), false),
            (PARTLY_MISSING, State::Published, 24, (9, 0), false),
            (NO_LONGER_PUBLIC, State::Published, 24, (9, 0), false),
            (CAPTION_DIFFERS, State::Published, 24, (9, 0), false),
            (MISSING, State::Failed, 24, (9, 0), false),
        ] {
            let now = noticed_at + SignedDuration::from_hours(hours);
            let found = has_gone(&missing(code, state), Others { shown, missing: others }, now);
            assert_eq!(found, gone, "{code} {state} {hours} h, {shown} shown, {others} missing");
        }
    }

    #[test]
    fn a_finding_is_recorded_once_and_taken_back_once() {
        let reason = |code: &str| Some(Reason::new(code, code));
        for (standing, found, recorded) in [
            (None, None, None),
            (None, Some(MISSING), Some(MISSING)),
            (Some(MISSING), Some(MISSING), None),
            (Some(MISSING), Some(CAPTION_DIFFERS), Some(CAPTION_DIFFERS)),
            (Some(MISSING), None, Some(AS_RECORDED)),
            (Some(NO_LONGER_PUBLIC), Some(MISSING), None),
            (Some(NO_LONGER_PUBLIC), Some(PARTLY_MISSING), None),
            (Some(NO_LONGER_PUBLIC), Some(CAPTION_DIFFERS), Some(CAPTION_DIFFERS)),
            (Some(NO_LONGER_PUBLIC), None, Some(AS_RECORDED)),
            (Some(AS_RECORDED), None, None),
            // How an adoption or a slow look was explained is no finding.
            (Some("adopted"), None, None),
            (Some("timeout"), Some(MISSING), Some(MISSING)),
        ] {
            let code = to_record(standing.and_then(reason).as_ref(), found.and_then(reason));
            assert_eq!(code.map(|r| r.code).as_deref(), recorded, "{standing:?}, then {found:?}");
        }
        let other = Reason::new(PARTLY_MISSING, "1 of 3");
        assert_eq!(to_record(reason(PARTLY_MISSING).as_ref(), Some(other.clone())), Some(other));
    }
}
