//! A plan that somebody has looked at, held against the plan of now.
//!
//! Each change stands for itself: what was reviewed is done if it is still what would be done, whatever else has come
//! since; and what has come since is not done, as nobody has looked at it.

use std::collections::{HashMap, HashSet};

use super::{Action, Plan, Planned};
use crate::domain::ids::{AccountName, PostId};

/// A change that was reviewed and would not be made any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{post} on {account}: the plan says {reviewed}, and now it is {now}")]
pub struct Stale {
    pub post: PostId,
    pub account: AccountName,
    pub reviewed: String,
    pub now: String,
}

impl Plan {
    /// Keeps of what would be done what `reviewed` would do, and nothing else.
    ///
    /// # Errors
    ///
    /// The first change of `reviewed` that is another one now; the plan is of no use then.
    pub fn narrow(&mut self, reviewed: &Plan) -> Result<(), Stale> {
        let now: HashMap<_, _> = self.changes.iter().map(|c| ((&c.post, &c.account), c)).collect();
        for change in reviewed.acting() {
            let found = now.get(&(&change.post, &change.account)).copied();
            if found.is_none_or(|found| !is_same(found, change)) {
                return Err(Stale {
                    post: change.post.clone(),
                    account: change.account.clone(),
                    reviewed: word(change.action),
                    now: match found {
                        None => "not there".to_owned(),
                        Some(found) if found.action == change.action => "of other content".to_owned(),
                        Some(found) => format!("{} ({})", word(found.action), found.reason),
                    },
                });
            }
        }
        let kept: HashSet<_> = reviewed.acting().map(|c| (&c.post, &c.account)).collect();
        self.changes.retain(|c| !c.action.acts() || kept.contains(&(&c.post, &c.account)));
        Ok(())
    }
}

fn is_same(a: &Planned, b: &Planned) -> bool {
    (a.action, a.digest, a.revision) == (b.action, b.digest, b.revision)
}

/// As the plan's document has it.
fn word(action: Action) -> String {
    serde_json::to_value(action).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
