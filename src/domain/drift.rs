//! Drift: a live post is other than recorded. What a look found stands, and is told, until another look finds it gone. It
//! leads to no step: nothing is posted again for it.

use super::publication::Reason;

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
