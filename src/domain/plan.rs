//! The pure planner: what is desired and what is recorded, to an ordered list of changes, each with its reason.
//!
//! Same inputs, same plan, byte for byte. It reads no clock, file or network, and knows no platform by name.
//! Removing a manifest never leads to a change; only a tombstone asks for a deletion.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, ContentDigest, PlatformId, PostId};
use super::limits::{Cap, Counts};
use super::manifest::DesiredState;
use super::pause::Pause;
use super::payload::{Estimate, Payload, canonical};
use super::project::Policy;
use super::publication::{Amendment, Publication, State};
use super::quiet::QuietHours;

mod live;
mod reviewed;
mod slots;
mod timing;

use live::{adopted, differs, is_editable};
use slots::Slots;

/// A post on an account, as the manifests want it.
#[derive(Debug, Clone)]
pub struct Desired {
    pub post: PostId,
    pub account: AccountName,
    pub platform: PlatformId,
    pub path: String,
    pub state: DesiredState,
    pub revision: u32,
    /// As it is written.
    pub publish_at: Option<Timestamp>,
    /// Of its account.
    pub quiet: Option<QuietHours>,
    pub digest: ContentDigest,
    /// There for what is to be present.
    pub payload: Option<Payload>,
    /// Whether its platform takes live posts away.
    pub can_delete: bool,
}

impl Desired {
    /// When it is due: as written, or at the end of the quiet hours in which that lies.
    pub fn due(&self) -> Option<Timestamp> {
        self.publish_at.map(|at| self.after_quiet(at))
    }

    /// When its publish request may leave, from `now` on.
    pub fn opens_at(&self, now: Timestamp) -> Timestamp {
        self.after_quiet(self.publish_at.map_or(now, |at| at.max(now)))
    }

    fn after_quiet(&self, at: Timestamp) -> Timestamp {
        self.quiet.as_ref().map_or(at, |quiet| quiet.after(at))
    }
}

/// All that a plan is made from.
#[derive(Debug)]
pub struct Input<'a> {
    pub desired: &'a [Desired],
    pub recorded: &'a [Publication],
    /// Posts whose manifests hold errors: neither published nor taken for removed.
    pub broken: &'a BTreeSet<PostId>,
    /// Whether all of `content/` was read. If not, nothing counts as removed.
    pub complete: bool,
    pub caps: &'a BTreeMap<AccountName, Vec<Cap>>,
    /// What was sent in the last day or so.
    pub spent: &'a [Spent],
    pub policy: Policy,
    pub overrides: Overrides,
    /// What people have paused; those that are over do not count.
    pub pauses: &'a [Pause],
    pub now: Timestamp,
}

/// A post that was sent to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    pub account: AccountName,
    pub counts: Counts,
    pub at: Timestamp,
}

/// Gates that a person opens for one run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    pub max_new_posts: Option<u32>,
    pub publish_late: bool,
    pub allow_duplicates: bool,
    pub ignore_max_age: bool,
    pub allow_delete: bool,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Begin, and publish.
    Publish,
    /// Drop what was staged of an older version, and publish this one.
    Replace,
    /// Go on with what has begun.
    Continue,
    /// Change the live post into what the manifest says now.
    Edit,
    /// Take the live post away.
    Delete,
    /// Not yet.
    Wait,
    /// Stopped by a gate.
    Refuse,
    /// A person must decide.
    Hold,
    /// The platform said no; the same will not be sent again.
    Failed,
    /// Published, and changed since in a way that cannot be edited there; nothing is sent.
    Diverged,
    /// Published, and no longer desired; this platform offers no deletion.
    Undeletable,
    /// Deliberately not published.
    Skip,
    /// As desired.
    Unchanged,
    /// Recorded, and its manifest is gone; nothing is done.
    Orphaned,
}

impl Action {
    /// Whether applying the plan sends anything for it.
    pub fn acts(self) -> bool {
        use Action::*;
        matches!(self, Publish | Replace | Continue | Edit | Delete)
    }

    /// One character that tells the action at a glance.
    pub fn sigil(self) -> char {
        match self {
            Action::Publish => '+',
            Action::Replace => '±',
            Action::Continue => '~',
            Action::Edit => '*',
            Action::Delete => '∅',
            Action::Wait => '…',
            Action::Refuse => '#',
            Action::Hold => '?',
            Action::Failed => 'x',
            Action::Diverged | Action::Undeletable => '!',
            Action::Skip => '-',
            Action::Unchanged | Action::Orphaned => '=',
        }
    }
}

/// Reason of what waits for its time.
const SCHEDULED: &str = "scheduled";
/// Reason of what waits for the end of quiet hours.
const QUIET: &str = "quiet";
/// Reason of what is skipped because its time has passed.
const LATE: &str = "late";

/// One item of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub post: PostId,
    pub account: AccountName,
    pub platform: PlatformId,
    pub action: Action,
    /// Stable code: why this action.
    pub reason: String,
    /// The same for people.
    pub message: String,
    pub digest: ContentDigest,
    pub revision: u32,
    pub path: String,
    /// When it is due, where that is in the future.
    pub next_at: Option<Timestamp>,
    pub what: Option<String>,
    pub text: Option<String>,
    pub estimate: Option<Estimate>,
}

/// The reason of what a person has paused.
pub const PAUSED: &str = "paused";

/// What would be done, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of execution: due first, then by post and account.
    pub changes: Vec<Planned>,
}

impl Plan {
    pub fn acting(&self) -> impl Iterator<Item = &Planned> {
        self.changes.iter().filter(|change| change.action.acts())
    }

    /// Until when the same manifests and the same ledger make the same plan. `None`: not for a moment, as something
    /// is to be done, or depends on how late it is. What waits for its time holds until then.
    pub fn holds_until(&self) -> Option<Timestamp> {
        self.changes.iter().try_fold(Timestamp::MAX, |until, change| match change.action {
            Action::Unchanged | Action::Orphaned | Action::Diverged | Action::Undeletable => Some(until),
            Action::Hold | Action::Failed => Some(until),
            Action::Skip => (change.reason != LATE).then_some(until),
            Action::Wait if [SCHEDULED, QUIET].contains(&change.reason.as_str()) => {
                change.next_at.map(|due| until.min(due))
            }
            Action::Wait | Action::Refuse => None,
            Action::Publish | Action::Replace | Action::Continue | Action::Edit | Action::Delete => None,
        })
    }

    /// Digest of what would be done: of the actions, not of times or wording.
    pub fn digest(&self) -> ContentDigest {
        let actions: Vec<_> = self
            .acting()
            .map(|c| serde_json::json!([c.post, c.account, c.action, c.digest, c.revision]))
            .collect();
        ContentDigest::of(canonical(&serde_json::Value::Array(actions)).as_bytes())
    }
}

/// Makes the plan. Every desired and every recorded publication is in it exactly once.
pub fn plan(input: &Input) -> Plan {
    let recorded: HashMap<_, _> = input.recorded.iter().map(|p| ((&p.post, &p.account), p)).collect();
    let again =
        input.recorded.iter().filter_map(|p| Some(((&p.post, &p.account), (p.revision, p.due_again?))));
    let mut planner = Planner {
        input,
        slots: Slots::new(input),
        new_posts: BTreeMap::new(),
        seen: fence(input),
        again: again.collect(),
    };
    let mut desired: Vec<&Desired> = input.desired.iter().collect();
    desired.sort_by_key(|d| (d.publish_at.unwrap_or(Timestamp::MIN), &d.post, &d.account));
    let mut changes: Vec<Planned> =
        desired.iter().map(|d| planner.decide(d, recorded.get(&(&d.post, &d.account)).copied())).collect();
    planner.gate_new_posts(&mut changes);
    let wanted: BTreeSet<_> = input.desired.iter().map(|d| (&d.post, &d.account)).collect();
    let mut gone: Vec<_> =
        input.recorded.iter().filter(|p| !wanted.contains(&(&p.post, &p.account))).collect();
    gone.sort_by_key(|p| (&p.post, &p.account));
    changes.extend(gone.into_iter().map(|p| planner.no_longer_desired(p)));
    Plan { changes }
}

/// Digests on each account that are, or may be, at the platform, or are on their way there: the fence
/// against the same content twice.
fn fence<'a>(input: &Input<'a>) -> Fence<'a> {
    let mut fence = Fence::new();
    let wanted: HashSet<_> = input.desired.iter().map(|d| (&d.post, &d.account, d.digest)).collect();
    let begun = |p: &Publication| {
        matches!(p.state, State::Staging | State::Staged) && wanted.contains(&(&p.post, &p.account, p.digest))
    };
    let held = |p: &&Publication| p.state.is_beyond_recall() || p.is_abandoned() || begun(p);
    for p in input.recorded.iter().filter(held) {
        fence.entry((&p.account, p.digest)).or_default().insert(&p.post);
    }
    fence
}

type Fence<'a> = HashMap<(&'a AccountName, ContentDigest), BTreeSet<&'a PostId>>;

struct Planner<'a> {
    input: &'a Input<'a>,
    slots: Slots,
    new_posts: BTreeMap<&'a AccountName, u32>,
    seen: Fence<'a>,
    /// From when the time of posts counts that are to be published again, and of which revision.
    again: HashMap<(&'a PostId, &'a AccountName), (u32, Timestamp)>,
}

type Verdict = (Action, &'static str, String, Option<Timestamp>);

fn verdict(action: Action, reason: &'static str, message: impl Into<String>) -> Verdict {
    (action, reason, message.into(), None)
}

impl<'a> Planner<'a> {
    fn decide(&mut self, desired: &'a Desired, recorded: Option<&'a Publication>) -> Planned {
        let (action, reason, message, next_at) = match (desired.state, recorded) {
            (DesiredState::Deleted, recorded) => self.tombstone(desired, recorded),
            (DesiredState::Adopted, recorded) => adopted(recorded),
            (DesiredState::Present, Some(publication)) => self.known(desired, publication),
            (DesiredState::Present, None) => self.fresh(desired, "new", "not published yet"),
        };
        Planned {
            post: desired.post.clone(),
            account: desired.account.clone(),
            platform: desired.platform,
            action,
            reason: reason.to_owned(),
            message,
            digest: desired.digest,
            revision: desired.revision,
            path: desired.path.clone(),
            next_at,
            what: desired.payload.as_ref().map(|p| p.what.clone()),
            text: desired.payload.as_ref().and_then(|p| p.text.clone()),
            estimate: desired.payload.as_ref().map(|p| p.estimate.clone()),
        }
    }

    fn known(&mut self, desired: &'a Desired, recorded: &'a Publication) -> Verdict {
        let same = recorded.digest == desired.digest && recorded.revision >= desired.revision;
        let why =
            |fallback: &str| recorded.reason.as_ref().map_or(fallback.to_owned(), |r| r.message.clone());
        match recorded.state {
            State::Planned => self.fresh(desired, "again", &why("an earlier attempt was given up")),
            State::Staging | State::Staged if !same => {
                let mut verdict = self.fresh(desired, "changed", "changed before anything was published");
                if verdict.0 == Action::Publish {
                    verdict.0 = Action::Replace;
                }
                verdict
            }
            State::Editing if recorded.amendment != Some(Amendment::Edit(desired.digest)) => {
                // What is under way may have arrived: it is made good by a later edit, and by nothing else.
                match self.paused(desired) {
                    Some(verdict) => verdict,
                    None if is_editable(desired, recorded) => {
                        verdict(Action::Edit, "changed", "changed again before it was edited")
                    }
                    None => (Action::Continue, "editing", why(continues(State::Editing)), recorded.next_at),
                }
            }
            State::Staging
            | State::Staged
            | State::Publishing
            | State::Partial
            | State::Accepted
            | State::Editing
            | State::Deleting
            | State::Unresolved => {
                let hindrance = match recorded.state {
                    State::Staging | State::Staged => {
                        self.untimely(desired, Some(desired.opens_at(self.input.now)))
                    }
                    // A thread that has begun does not stop in the middle for the night.
                    State::Partial => self.untimely(desired, desired.publish_at),
                    State::Editing | State::Deleting => self.paused(desired),
                    _ => None,
                };
                if let Some(verdict) = hindrance {
                    return verdict;
                }
                let reason = match recorded.state {
                    State::Accepted => "processing",
                    State::Publishing | State::Unresolved => "unresolved",
                    State::Partial => "partial",
                    State::Editing => "editing",
                    State::Deleting => "deleting",
                    _ => "resume",
                };
                (Action::Continue, reason, why(continues(recorded.state)), recorded.next_at)
            }
            State::Failed if recorded.is_abandoned() && desired.revision <= recorded.revision => {
                verdict(Action::Skip, "abandoned", why("given up"))
            }
            State::Failed if same => verdict(Action::Failed, "failed", why("the platform refused it")),
            State::Failed => self.fresh(desired, "changed", "changed since the platform refused it"),
            State::Held => verdict(Action::Hold, "held", why("nobody can tell whether it was published")),
            State::Published | State::Delivered | State::Deleted if desired.revision > recorded.revision => {
                let message = format!("revision {} follows revision {}", desired.revision, recorded.revision);
                self.fresh(desired, "revision", &message)
            }
            State::Published if recorded.amendment == Some(Amendment::Edit(desired.digest)) => {
                verdict(Action::Failed, "edit-refused", why("the platform does not take the edit"))
            }
            State::Published if differs(desired, recorded) && is_editable(desired, recorded) => {
                let change = || verdict(Action::Edit, "changed", "changed after it was published");
                self.paused(desired).unwrap_or_else(change)
            }
            State::Published | State::Delivered if recorded.digest != desired.digest => {
                let how = match recorded.fixed {
                    Some(_) => " in what cannot be edited there",
                    None => "",
                };
                let message = format!(
                    "changed{how} after it was {}; raise `revision:` to publish it again",
                    recorded.state
                );
                verdict(Action::Diverged, "diverged", message)
            }
            State::Published => verdict(Action::Unchanged, "published", "published"),
            State::Delivered => verdict(Action::Unchanged, "delivered", "delivered to the creator's inbox"),
            State::Deleted => {
                verdict(Action::Skip, "deleted", "it was deleted; raise `revision:` to publish it again")
            }
        }
    }

    /// Nothing of it is at the platform: is it time, and may it go?
    fn fresh(&mut self, desired: &'a Desired, reason: &'static str, message: &str) -> Verdict {
        let now = self.input.now;
        let opens_at = desired.opens_at(now);
        let hindrance = match self.untimely(desired, Some(opens_at)) {
            // That it is too late then, somebody may want to know at once.
            Some(quiet) if quiet.1 == QUIET => self.late(desired).or(Some(quiet)),
            other => other.or_else(|| self.late(desired)),
        };
        if let Some(verdict) = hindrance {
            return verdict;
        }
        if let Some(other) = self.duplicate_of(desired) {
            return verdict(
                Action::Refuse,
                "duplicate-content",
                format!(
                    "post {other} has the same content on this account; change one, or say --allow-duplicates"
                ),
            );
        }
        if let Some((cap, free_at)) = self.slots.take(desired, now) {
            let free_at = desired.opens_at(free_at);
            return (
                Action::Wait,
                "cap",
                format!("{cap} is reached; the next slot is at {free_at}"),
                Some(free_at),
            );
        }
        *self.new_posts.entry(&desired.account).or_default() += 1;
        if opens_at > now {
            let message = format!("due at {opens_at}; what can be done before is done now");
            return (Action::Publish, reason, message, Some(opens_at));
        }
        verdict(Action::Publish, reason, message)
    }

    /// The post that has this content on this account, if there is one; else this one claims it.
    fn duplicate_of(&mut self, desired: &'a Desired) -> Option<&'a PostId> {
        if self.input.overrides.allow_duplicates {
            return None;
        }
        let holders = self.seen.entry((&desired.account, desired.digest)).or_default();
        let other = holders.iter().find(|holder| ***holder != desired.post).copied();
        if other.is_none() {
            holders.insert(&desired.post);
        }
        other
    }

    /// More new posts on an account than the policy allows stops all new posts there: it looks like a lost ledger.
    fn gate_new_posts(&self, changes: &mut [Planned]) {
        let limit = self.input.overrides.max_new_posts.unwrap_or(self.input.policy.max_new_posts);
        for change in changes.iter_mut().filter(|c| matches!(c.action, Action::Publish | Action::Replace)) {
            let new = self.new_posts.get(&change.account).copied().unwrap_or(0);
            if new > limit {
                change.action = Action::Refuse;
                change.reason = "max-new-posts".to_owned();
                change.message = format!(
                    "{new} new posts on this account are more than `policy.max_new_posts` ({limit}); raise it, or say --max-new-posts {new}"
                );
            }
        }
    }

    fn no_longer_desired(&self, recorded: &Publication) -> Planned {
        let in_flight = recorded.state.is_in_flight()
            && recorded.state.is_beyond_recall()
            // What is not out yet waits for its manifest.
            && recorded.state != State::Partial;
        let broken = self.input.broken.contains(&recorded.post);
        let (action, reason, message) = if in_flight && (broken || !self.input.complete) {
            let reason = if broken { "manifest-broken" } else { "scan-incomplete" };
            (
                Action::Continue,
                reason,
                "its manifest cannot be read, but the platform may have it: finding out",
            )
        } else if broken {
            (Action::Unchanged, "manifest-broken", "its manifest holds errors; left as it is")
        } else if !self.input.complete {
            (Action::Unchanged, "scan-incomplete", "not all of content/ could be read; left as it is")
        } else if in_flight {
            (
                Action::Continue,
                "manifest-removed",
                "its manifest is gone, but the platform may have it: finding out",
            )
        } else {
            (
                Action::Orphaned,
                "manifest-removed",
                "its manifest is gone; nothing is deleted without `state: deleted`",
            )
        };
        Planned {
            post: recorded.post.clone(),
            account: recorded.account.clone(),
            platform: recorded.platform,
            action,
            reason: reason.to_owned(),
            message: message.to_owned(),
            digest: recorded.digest,
            revision: recorded.revision,
            path: recorded.path.clone(),
            next_at: recorded.next_at,
            what: None,
            text: None,
            estimate: None,
        }
    }
}

fn continues(state: State) -> &'static str {
    match state {
        State::Accepted => "the platform is processing it",
        State::Publishing | State::Unresolved => "its publish request was not answered: finding out",
        State::Partial => "some of its parts are live: the others follow",
        State::Editing => "its edit has begun",
        State::Deleting => "its deletion has begun",
        _ => "goes on where it stopped",
    }
}

#[cfg(test)]
mod tests;
