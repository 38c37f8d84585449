//! What there is to do, account by account, and in which order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::credentials::Credentials;
use super::news::Hints;
use crate::domain::commit::Commit;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::payload::Payload;
use crate::domain::plan::{Action, Desired, Plan};
use crate::domain::publication::{Amendment, Change, Publication, Reason, State};
use crate::ledger::{self, Ledger, Rescue};
use crate::platform::{Platform, Progress};

/// The adapter of each account.
pub type Platforms = BTreeMap<AccountName, Arc<dyn Platform>>;

/// One account's work: at most one request at a time.
pub(super) struct Lane {
    pub(super) account: AccountName,
    pub(super) platform: Arc<dyn Platform>,
    pub(super) credentials: Credentials,
    pub(super) items: Vec<Item>,
    pub(super) busy: bool,
    /// Where a new login goes if the ledger cannot take it, while its refresh is under way.
    pub(super) rescue: Option<Rescue>,
    /// Somebody wants to know how it stands with the login, whether or not anything needs it.
    pub(super) is_asked: bool,
    /// Nothing that has not begun may begin before this, or it would begin to wait as well.
    pub(super) paced_until: Option<Timestamp>,
}

/// One publication to work on.
pub(super) struct Item {
    pub(super) post: PostId,
    pub(super) desired: Option<Desired>,
    pub(super) action: Action,
    pub(super) ready_at: Timestamp,
    pub(super) done: bool,
    pub(super) progress: Progress,
}

/// A lane for each account, with what the plan acts on.
pub(super) fn lanes(
    ledger: &Ledger,
    platforms: &Platforms,
    plan: &Plan,
    desired: &[Desired],
    (hints, now): (&Hints, Timestamp),
) -> Result<Vec<Lane>, ledger::Error> {
    let wanted: HashMap<_, _> = desired.iter().map(|d| ((&d.post, &d.account), d)).collect();
    let recorded = ledger.publications()?;
    let ready_at: HashMap<_, _> =
        recorded.iter().map(|p| ((&p.post, &p.account), hints.ready_at(p, now))).collect();
    let mut lanes = Vec::new();
    for (account, platform) in platforms {
        let mut items: Vec<Item> = plan
            .acting()
            .filter(|change| change.account == *account)
            .map(|change| Item {
                post: change.post.clone(),
                desired: wanted.get(&(&change.post, &change.account)).map(|d| (*d).clone()),
                action: change.action,
                ready_at: ready_at.get(&(&change.post, &change.account)).copied().flatten().unwrap_or(now),
                done: false,
                progress: Progress::default(),
            })
            .collect();
        items.extend(later_looks(ledger, plan, account, (hints, now))?);
        let mut lane = Lane { items, ..Lane::idle(ledger, account, platform)? };
        if hints.logins.contains(account) {
            lane.credentials.force();
        }
        lanes.push(lane);
    }
    Ok(lanes)
}

/// Lanes in which nothing is to be done but to refresh the logins: those that are due, or all of them.
pub(super) fn renewals(
    ledger: &Ledger,
    platforms: &Platforms,
    force: bool,
) -> Result<Vec<Lane>, ledger::Error> {
    let lane = |(account, platform)| {
        let mut lane = Lane { is_asked: true, ..Lane::idle(ledger, account, platform)? };
        if force {
            lane.credentials.force();
        }
        Ok(lane)
    };
    platforms.iter().map(lane).collect()
}

/// What is settled but may still gain a public id, or be published from the inbox, and is due for a look. Not what the
/// plan publishes again: one item works on a publication.
fn later_looks(
    ledger: &Ledger,
    plan: &Plan,
    account: &AccountName,
    (hints, now): (&Hints, Timestamp),
) -> Result<Vec<Item>, ledger::Error> {
    let acting: HashSet<_> = plan.acting().filter(|c| c.account == *account).map(|c| &c.post).collect();
    let due = |p: &Publication| {
        let looked_for = p.account == *account && p.state.is_success() && !acting.contains(&p.post);
        looked_for && hints.ready_at(p, now).is_some_and(|at| at <= now)
    };
    let publications = ledger.publications()?;
    Ok(publications
        .into_iter()
        .filter(due)
        .map(|p| Item {
            post: p.post,
            desired: None,
            action: Action::Unchanged,
            ready_at: now,
            done: false,
            progress: Progress::default(),
        })
        .collect())
}

/// Accounts that the plan needs and that nobody declares any more.
pub(super) fn undeclared(platforms: &Platforms, plan: &Plan) -> BTreeMap<AccountName, String> {
    let gone = plan.acting().map(|c| &c.account).filter(|name| !platforms.contains_key(*name));
    let says = |name: &AccountName| {
        format!(
            "gitcast.yaml does not declare it any more; put it back to find out what became of its posts, or settle each with `gitcast resolve ID {name}`"
        )
    };
    gone.map(|name| (name.clone(), says(name))).collect()
}

impl Lane {
    fn idle(
        ledger: &Ledger,
        account: &AccountName,
        platform: &Arc<dyn Platform>,
    ) -> Result<Lane, ledger::Error> {
        Ok(Lane {
            account: account.clone(),
            platform: platform.clone(),
            credentials: Credentials::new(
                account.clone(),
                (platform.token_care(), platform.origin()),
                ledger.grant(account)?,
            ),
            items: Vec::new(),
            busy: false,
            rescue: None,
            is_asked: false,
            paced_until: None,
        })
    }

    /// The item whose turn it is, and when. What has begun goes before what has not, so that an account uploads one
    /// thing at a time; what must wait does not keep the others waiting.
    pub(super) fn next(&self, now: Timestamp) -> Option<(usize, Timestamp)> {
        let open = self.items.iter().enumerate().filter(|(_, item)| !item.done);
        open.map(|(index, item)| {
            let fresh = item.action != Action::Continue;
            let paced_until = self.paced_until.filter(|_| fresh).unwrap_or(now);
            (item.ready_at.max(paced_until).max(now), fresh, item.ready_at, index)
        })
        .min()
        .map(|(ready_at, _, _, index)| (index, ready_at))
    }
}

impl Item {
    /// What may be public is found out about in any case. What turns out to be absent goes on only as long as the
    /// author wants exactly this, and the rest of what is partly live as long as it is wanted at all; the next plan
    /// decides about the rest.
    pub(super) fn may_go_on(&self, publication: &Publication) -> bool {
        let wanted = |d: &Desired| {
            let is_this = d.digest == publication.digest && d.revision <= publication.revision;
            d.payload.is_some() && (is_this || publication.state == State::Partial)
        };
        let is_found_out = publication.state.is_beyond_recall() && publication.state != State::Partial;
        is_found_out || self.desired.as_ref().is_some_and(wanted)
    }

    /// When its time comes, if it has not. A thread that has begun goes on in quiet hours.
    pub(super) fn opens_at(&self, state: State, now: Timestamp) -> Option<Timestamp> {
        let desired = self.desired.as_ref()?;
        let at = if state == State::Partial { desired.publish_at } else { Some(desired.opens_at(now)) };
        at.filter(|at| *at > now)
    }

    /// The payload as the content has it now, if it is the same post: files may have moved, addresses changed.
    pub(super) fn current_payload(&self, publication: &Publication) -> Option<&Payload> {
        let wanted = match (publication.state, publication.amendment) {
            (State::Editing, Some(Amendment::Edit(digest))) => Some(digest),
            (state, _) => (!state.is_beyond_recall()).then_some(publication.digest),
        };
        self.desired.as_ref().filter(|d| Some(d.digest) == wanted)?.payload.as_ref()
    }
}

/// The changes that an attempt, an edit or a deletion begins with.
pub(super) fn starts(
    action: Action,
    desired: Option<&Desired>,
    commits: &BTreeMap<String, Commit>,
) -> Vec<Change> {
    let Some(desired) = desired else { return Vec::new() };
    let (path, commit) = (desired.path.clone(), commits.get(&desired.path).cloned());
    let digest = desired.digest;
    let payload = desired.payload.clone().map(Box::new);
    match (action, payload) {
        (Action::Delete, _) => vec![Change::DeleteStarted { path, commit }],
        (Action::Edit, Some(payload)) => vec![Change::EditStarted { digest, path, commit, payload }],
        (Action::Publish | Action::Replace, Some(payload)) => {
            let reason = Reason::new("changed", "the manifest changed before it was published");
            let superseded = (action == Action::Replace).then_some(Change::Superseded { reason });
            let (platform, revision) = (desired.platform, desired.revision);
            let started = Change::Started { platform, digest, revision, path, commit, payload };
            superseded.into_iter().chain([started]).collect()
        }
        _ => Vec::new(),
    }
}
