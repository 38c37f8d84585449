//! Media that may still be half there.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::later;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::media::Medium;
use crate::domain::plan::{Action, Plan, Planned};
use crate::reconcile::desired::Loaded;

/// A medium that changed later than this ago may be half there: large files take their time.
const MEDIA_QUIET: Duration = Duration::from_secs(2);

/// Takes out of the plan what would send a file that may still be written. Tells when it may be looked at again.
pub(super) fn leave_unsettled(plan: &mut Plan, loaded: &Loaded) -> Option<Timestamp> {
    let now = SystemTime::now();
    let starts = |c: &Planned| matches!(c.action, Action::Publish | Action::Replace | Action::Edit);
    let mut young: BTreeMap<(PostId, AccountName), Duration> = BTreeMap::new();
    for desired in &loaded.desired {
        let media = desired.payload.iter().flat_map(|payload| &payload.media);
        let left = media.filter_map(|medium| unsettled_for(medium, now)).max();
        if let Some(left) = left {
            young.insert((desired.post.clone(), desired.account.clone()), left);
        }
    }
    if young.is_empty() {
        return None;
    }
    let mut wait = None;
    plan.changes.retain(|change| {
        let left = young.get(&(change.post.clone(), change.account.clone())).filter(|_| starts(change));
        wait = wait.max(left.copied());
        left.is_none()
    });
    wait.map(|wait| later(Timestamp::now(), wait))
}

/// How long until the medium counts as whole, if it does not yet.
fn unsettled_for(medium: &Medium, now: SystemTime) -> Option<Duration> {
    let Medium::File { stamp, .. } = medium else { return None };
    let changed = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(stamp.mtime_ns).ok()?);
    // A file from the future is as old as it will ever be known to be.
    let age = now.duration_since(changed).ok()?;
    MEDIA_QUIET.checked_sub(age).filter(|left| !left.is_zero())
}
