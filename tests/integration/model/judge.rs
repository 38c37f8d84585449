//! What must hold after every operation, and what must hold in the end.

use std::collections::BTreeSet;

use gitcast::domain::ids::{AccountName, PostId};
use gitcast::domain::plan::{Action, Plan, Planned};
use gitcast::domain::publication::Change;
use gitcast::rehearsal::Outcome;
use jiff::SignedDuration;

use super::ops::Op;
use super::world::{ACCOUNTS, Applied, Verdict, World};

/// Rounds of looking after things until all is settled: time enough for a day's caps and for what is due later.
const ROUNDS_MAX: u32 = 60;
/// How long a round waits, at most.
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(25);

/// Performs the operations, judges after each, and sees to it that everything comes to its end.
pub(super) async fn run(world: &mut World, ops: &[Op]) -> Verdict {
    for op in ops {
        world.story.push(format!("{op:?}"));
        world.perform(op).await?;
        judge(world)?;
    }
    settle(world).await?;
    judge_end(world).await
}

/// At most once, at any time.
fn judge(world: &World) -> Verdict {
    let problems = world.ledger().verify().map_err(|error| error.to_string())?;
    ensure(problems.is_empty(), || format!("the ledger is not whole: {problems:?}"))?;
    for (post, account) in pairs(world) {
        let there = world.there(&post, &account)?;
        let asked =
            world.revisions(&post, &account, |change| matches!(change, Change::Intended { .. })).len();
        ensure(there <= asked, || format!("{post} on {account}: {there} posts of {asked} revisions"))?;
    }
    ensure(world.rehearsal.publications().iter().all(|p| ACCOUNTS.contains(&p.account.as_str())), || {
        "a post on an unknown account".to_owned()
    })?;
    let lost =
        |r: &gitcast::rehearsal::RequestSeen| r.operation == "upload" && r.outcome == Outcome::Replied(416);
    ensure(!world.rehearsal.requests().iter().any(lost), || {
        "a chunk was sent that the platform has, or that does not follow: the offset was forgotten".to_owned()
    })?;
    ensure(!world.rehearsal.requests().iter().any(|r| r.operation == "cancel"), || {
        "something was cancelled".to_owned()
    })?;
    let wrong = world.wrong();
    ensure(wrong.is_empty(), || wrong.join("; "))
}

/// Every publication that is recorded or performed.
fn pairs(world: &World) -> BTreeSet<(PostId, AccountName)> {
    let recorded = world.recorded().into_iter().map(|p| (p.post, p.account));
    recorded.collect()
}

/// No more faults and nothing paused: apply, attend, wait, until nothing is left to do.
async fn settle(world: &mut World) -> Verdict {
    world.rehearsal.faults().clear();
    ACCOUNTS.iter().for_each(|account| world.moderate(account, false));
    world.resume_all();
    world.content.mend_all();
    for round in 0..ROUNDS_MAX {
        world.story.push(format!("settling, round {round}"));
        world.attend().await?;
        judge(world)?;
        let applied = world.apply(None, true).await?;
        judge(world)?;
        let Applied::Done(summary) = applied else { return Err("it died untold".to_owned()) };
        let plan = world.plan()?;
        if summary.blocked.is_empty() && plan.changes.iter().all(|change| is_settled(change.action)) {
            return Ok(());
        }
        world.pass(wait(world, &plan));
    }
    let left: Vec<_> = world.plan()?.changes;
    Err(format!("not settled: {left:?}"))
}

fn is_settled(action: Action) -> bool {
    !action.acts() && !matches!(action, Action::Wait | Action::Hold | Action::Failed)
}

/// Until the next thing is due.
fn wait(world: &World, plan: &Plan) -> SignedDuration {
    let now = world.now();
    let waits = |change: &&Planned| change.action == Action::Wait || change.action.acts();
    let next = plan.changes.iter().filter(waits).filter_map(|change| change.next_at).min();
    let until = next.map_or(SignedDuration::ZERO, |at| at.duration_since(now));
    until.clamp(SignedDuration::from_secs(1), WAIT_MAX)
}

/// Exactly once, and nothing more to do.
async fn judge_end(world: &mut World) -> Verdict {
    world.let_the_platform_finish().await;
    let plan = world.plan()?;
    for change in &plan.changes {
        let (post, account) = (&change.post, &change.account);
        let there = world.there(post, account)?;
        let recorded = world.recorded().into_iter().find(|p| p.post == *post && p.account == *account);
        let known = recorded.as_ref().map(|p| world.successes(p)).unwrap_or_default();
        let tell = |what: &str| {
            format!("{post} on {account} ({}): {what}; there: {there}, known: {known:?}", change.reason)
        };
        ensure(there == known.len(), || tell("ledger and platform do not agree"))?;
        world.tally.posts += u32::from(there > 0);
        world.tally.revisions += u32::from(there > 1);
        match change.action {
            Action::Unchanged | Action::Diverged | Action::Undeletable => {
                let wanted = recorded.as_ref().is_some_and(|p| known.contains(&p.revision));
                ensure(wanted, || tell("taken for published"))?;
            }
            Action::Refuse => ensure(change.reason == "too-old", || tell("refused"))?,
            Action::Skip => ensure(change.reason == "deleted", || tell("skipped"))?,
            Action::Orphaned => {}
            action => return Err(tell(&format!("{action:?} after everything was settled"))),
        }
    }
    judge_again(world, &plan).await
}

/// Applying twice is applying once.
async fn judge_again(world: &mut World, plan: &Plan) -> Verdict {
    let publishing = ["upload", "video_init", "inbox_init", "content_init"];
    let sent = |world: &World| {
        world.rehearsal.requests().iter().filter(|r| publishing.contains(&r.operation)).count()
    };
    let before = (world.rehearsal.publications().len(), sent(world));
    world.apply(None, true).await?;
    ensure((world.rehearsal.publications().len(), sent(world)) == before, || {
        "applying again sent something".to_owned()
    })?;
    let again = world.plan()?;
    let actions = |plan: &Plan| plan.changes.iter().map(|c| (c.post.clone(), c.action)).collect::<Vec<_>>();
    ensure(actions(plan) == actions(&again), || "applying again led to another plan".to_owned())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
