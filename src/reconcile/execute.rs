//! Executes a plan: advances one publication by one step at a time, records each result before the next request.
//!
//! # Flow
//!
//! Each account is a lane. A lane runs at most one request at a time; lanes run beside each other. This task alone
//! owns the ledger; requests run as spawned tasks and hand their results back.
//!
//! # Guarantees
//!
//! `publishing` is committed before the request that could make something public leaves. A result is committed before
//! the next request of that lane leaves. What a previous process left in `publishing` is treated as unanswered.
//!
//! # Assumptions
//!
//! The caller holds the ledger's lock: no other process works on the same publications or tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::credentials::Access;
use super::lane::{Lane, Platforms, lanes, renewals, starts, undeclared};
use super::news::Hints;
use super::outcome::{self, Moment, Outcome};
use super::pace::room_at;
use super::{random, wait_between};
use crate::clock::Clock;
use crate::crash::{self, Point};
use crate::domain::commit::Commit;
use crate::domain::event::Event;
use crate::domain::grant::Grant;
use crate::domain::ids::{AccountName, ContentDigest, PostId};
use crate::domain::insight::READ_FOR;
use crate::domain::pause::{Pause, pause_of};
use crate::domain::plan::{Action, Desired, Plan};
use crate::domain::publication::{Change, Checkpoint, Publication, Reason, State, Work};
use crate::ledger::vault::Vault;
use crate::ledger::{self, Ledger};
use crate::platform::{Deleted, Edited, Error, Job, Observation, Progress, RequestLog, Sent, Staged};

mod logins;

/// How long a request in flight may go on after a stop was asked for; then it is left to the next run. As long as the
/// five seconds within which a stop is promised allow: a refresh that is cut off can cost the login.
const STOP_GRACE: Duration = Duration::from_millis(4_500);

/// A clock that is kept right by slowing it down falls back by less than this between two looks.
const DRIFT_MAX: SignedDuration = SignedDuration::from_secs(1);

/// All that executing needs.
pub struct Engine {
    pub ledger: Ledger,
    pub vault: Vault,
    pub clock: Clock,
    /// Who does it, for the record.
    pub actor: String,
    /// `content/`, where payloads' files lie.
    pub content: PathBuf,
    /// How far back an account's posts are looked through for what is about to be published, unknown to the ledger.
    /// `None`: not at all.
    pub look_back: Option<SignedDuration>,
    /// What people have paused: it is found out what became of it, and nothing is staged or published.
    pub pauses: Vec<Pause>,
    pub platforms: Platforms,
    /// What platforms told meanwhile.
    pub hints: Hints,
    /// The commit of each manifest by its path, for the record.
    pub commits: BTreeMap<String, Commit>,
}

/// Something that a person may want to see while it happens.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A publication changed.
    Changed { publication: &'a Publication, change: &'a Change },
    /// A publication is being worked on; `progress` counts its bytes.
    Working { post: &'a PostId, account: &'a AccountName, bytes: u64, progress: &'a Progress },
    /// A limit of the platform makes the account wait.
    Paced { account: &'a AccountName, operation: &'a str, until: Timestamp },
    /// Something about the account's login.
    Login { account: &'a AccountName, message: &'a str },
}

/// How a run ended, beside what the ledger now says.
#[derive(Debug, Default)]
pub struct Summary {
    /// What was worked on.
    pub touched: Vec<(PostId, AccountName)>,
    /// Accounts that cannot work, and why.
    pub blocked: BTreeMap<AccountName, String>,
    pub interrupted: bool,
    /// When there is room for what waits beyond the deadline.
    pub next_at: Option<Timestamp>,
}

/// When to give up waiting, and the signs to end sooner.
#[derive(Debug, Clone)]
pub struct Until {
    pub deadline: Timestamp,
    /// End at once: what is in flight has some seconds.
    pub stop: watch::Receiver<bool>,
    /// Start nothing more, and end when what is in flight is answered: there is another plan to make.
    pub enough: watch::Receiver<bool>,
}

impl Until {
    /// Nothing but the deadline and a stop ends it.
    pub fn settled(deadline: Timestamp, stop: watch::Receiver<bool>) -> Until {
        Until { deadline, stop, enough: watch::channel(false).1 }
    }
}

/// Works on everything that the plan acts on until it is settled, or only waiting beyond the deadline is left.
pub async fn execute(
    engine: &mut Engine,
    plan: &Plan,
    desired: &[Desired],
    until: Until,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<Summary, ledger::Error> {
    let now = engine.clock.now();
    let lanes = lanes(&engine.ledger, &engine.platforms, plan, desired, (&engine.hints, now))?;
    let summary = Summary { blocked: undeclared(&engine.platforms, plan), ..Summary::default() };
    let run = Run { engine, lanes, tasks: JoinSet::new(), summary, notify };
    run.until_settled(until).await
}

/// Refreshes the logins of the engine's accounts: those that are due, or all of them. One try each.
pub async fn renew(
    engine: &mut Engine,
    force: bool,
    until: Until,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<Summary, ledger::Error> {
    let lanes = renewals(&engine.ledger, &engine.platforms, force)?;
    let run = Run { engine, lanes, tasks: JoinSet::new(), summary: Summary::default(), notify };
    run.until_settled(until).await
}

/// A task's result, on its way back to the ledger.
struct Finished {
    account: AccountName,
    post: Option<PostId>,
    log: RequestLog,
    done: Done,
}

enum Done {
    Staged(Result<Staged, Error>),
    Sent(Checkpoint, Result<Sent, Error>),
    Observed(Result<Observation, Error>),
    Edited(Result<Edited, Error>),
    Deleted(Result<Deleted, Error>),
    Refreshed(Result<Grant, Error>),
}

struct Run<'a> {
    engine: &'a mut Engine,
    lanes: Vec<Lane>,
    tasks: JoinSet<Finished>,
    summary: Summary,
    notify: &'a mut (dyn FnMut(Notice<'_>) + Send),
}

/// The time of day beside a clock that nobody can set, to notice when the former is put back.
struct Pace {
    wall: Timestamp,
    steady: tokio::time::Instant,
}

impl Pace {
    fn begin(wall: Timestamp) -> Pace {
        Pace { wall, steady: tokio::time::Instant::now() }
    }

    /// By how much the clock was put back since it was last asked, if that is more than it drifts.
    fn put_back(&mut self, now: Timestamp) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(self.steady.elapsed()).unwrap_or(SignedDuration::MAX);
        let expected = self.wall.saturating_add(passed).unwrap_or(Timestamp::MAX);
        *self = Pace::begin(now);
        Some(expected.duration_since(now)).filter(|back| *back > DRIFT_MAX)
    }
}

impl Run<'_> {
    async fn until_settled(mut self, mut until: Until) -> Result<Summary, ledger::Error> {
        let (mut listening, mut may_be_enough) = (true, true);
        let mut pace = Pace::begin(self.engine.clock.now());
        while !*until.stop.borrow() {
            if let Some(back) = pace.put_back(self.engine.clock.now()) {
                self.move_appointments(back);
                until.deadline = until.deadline.saturating_sub(back).unwrap_or(Timestamp::MIN);
            }
            let wake = if *until.enough.borrow() { None } else { self.start_all()? };
            let now = self.engine.clock.now();
            if self.tasks.is_empty() && wake.is_none_or(|at| at > until.deadline) {
                return Ok(Summary { next_at: wake, ..self.summary });
            }
            let sleep = wait_between(now, wake.unwrap_or(now));
            let renewal = self.engine.ledger.renewal(now);
            tokio::select! {
                Some(finished) = self.tasks.join_next() => self.finish(finished)?,
                () = tokio::time::sleep(sleep), if wake.is_some() => {}
                // An upload may take longer than other runs wait for a sign of life.
                () = tokio::time::sleep(renewal.unwrap_or_default()), if renewal.is_some() => {
                    self.engine.ledger.renew(self.engine.clock.now())?;
                }
                // Once nobody is left who could ask for a stop, there is nothing to listen to.
                changed = until.stop.changed(), if listening => listening = changed.is_ok(),
                changed = until.enough.changed(), if may_be_enough => may_be_enough = changed.is_ok(),
            }
        }
        self.stop().await
    }

    /// A clock that was put back makes no wait longer than it was meant to be.
    fn move_appointments(&mut self, back: SignedDuration) {
        let earlier = |at: Timestamp| at.saturating_sub(back).unwrap_or(Timestamp::MIN);
        for lane in &mut self.lanes {
            lane.paced_until = lane.paced_until.map(earlier);
            lane.items.iter_mut().for_each(|item| item.ready_at = earlier(item.ready_at));
        }
    }

    /// Lets requests in flight reach the ledger, within the grace. A publish request that gets no answer in time
    /// stays in `publishing`: the next run treats it as unanswered.
    async fn stop(mut self) -> Result<Summary, ledger::Error> {
        let end = tokio::time::Instant::now() + STOP_GRACE;
        while let Ok(Some(finished)) = tokio::time::timeout_at(end, self.tasks.join_next()).await {
            self.finish(finished)?;
        }
        self.summary.interrupted = true;
        Ok(self.summary)
    }

    /// Starts what can be started, and tells when the next thing can.
    fn start_all(&mut self) -> Result<Option<Timestamp>, ledger::Error> {
        let mut wake: Option<Timestamp> = None;
        for index in 0..self.lanes.len() {
            while let Some(at) = self.start(index)? {
                let now = self.engine.clock.now();
                if at > now {
                    wake = Some(wake.map_or(at, |earlier| earlier.min(at)));
                    break;
                }
            }
        }
        Ok(wake)
    }

    /// Starts the lane's next request. Tells when to try again if there is something to do and nothing was started.
    fn start(&mut self, index: usize) -> Result<Option<Timestamp>, ledger::Error> {
        let now = self.engine.clock.now();
        let lane = &mut self.lanes[index];
        if lane.busy {
            return Ok(None);
        }
        let Some((item, ready_at)) = lane.next(now) else {
            return if lane.credentials.is_due(now) || lane.is_asked {
                self.authorize(index)
            } else {
                Ok(None)
            };
        };
        if ready_at > now {
            return Ok(Some(ready_at));
        }
        match lane.credentials.access(&self.engine.vault, now) {
            Access::Ready(grant) => self.step(index, item, grant),
            _ => self.authorize(index),
        }
    }

    /// Sends the item's next request, if the platform's limits have room for it.
    fn step(
        &mut self,
        index: usize,
        item: usize,
        grant: Arc<Grant>,
    ) -> Result<Option<Timestamp>, ledger::Error> {
        let now = self.engine.clock.now();
        let Some((publication, work)) = self.begin(index, item)? else {
            self.lanes[index].items[item].done = true;
            return Ok(Some(now));
        };
        if publication.state == State::Publishing {
            let reason = Reason::new("interrupted", "the process ended before the platform answered");
            let change = outcome::unanswered(reason, Moment { now, random: random() });
            self.record(index, item, vec![change], Vec::new())?;
            return Ok(Some(now));
        }
        let due = self.lanes[index].items[item].opens_at(publication.state, now);
        if let (State::Staged | State::Partial, Some(due)) = (publication.state, due) {
            self.lanes[index].items[item].ready_at = due;
            return Ok(Some(now));
        }
        let job = self.job(index, item, &publication, work)?;
        let operation = self.lanes[index].platform.next_operation(&publication, &job);
        if let Some(at) = self.paced(index, operation, now)? {
            let lane = &mut self.lanes[index];
            lane.items[item].ready_at = at;
            let told = lane.paced_until.replace(at).is_some_and(|told| told > now);
            if !told {
                (self.notify)(Notice::Paced { account: &lane.account, operation, until: at });
            }
            return Ok(Some(now));
        }
        self.spawn(index, item, publication.state, job, grant)?;
        Ok(None)
    }

    /// The publication and what it takes to go on, after an attempt was begun where the plan says so.
    fn begin(&mut self, index: usize, item: usize) -> Result<Option<(Publication, Work)>, ledger::Error> {
        let lane = &mut self.lanes[index];
        let account = lane.account.clone();
        let (post, action) = (lane.items[item].post.clone(), lane.items[item].action);
        if matches!(action, Action::Publish | Action::Replace | Action::Edit | Action::Delete) {
            lane.items[item].action = Action::Continue;
            let changes = starts(action, lane.items[item].desired.as_ref(), &self.engine.commits);
            self.record(index, item, changes, Vec::new())?;
        }
        let Some(publication) = self.engine.ledger.publication(&post, &account)? else { return Ok(None) };
        let Some(mut work) = self.engine.ledger.work(&post, &account)? else { return Ok(None) };
        if let Some(payload) = self.lanes[index].items[item].current_payload(&publication) {
            work.payload = Box::new(payload.clone());
        }
        Ok(Some((publication, work)))
    }

    fn job(
        &self,
        index: usize,
        item: usize,
        publication: &Publication,
        work: Work,
    ) -> Result<Job, ledger::Error> {
        // Who raises the revision asks for the same once more.
        let look_back = self.engine.look_back.filter(|_| publication.revision == 1);
        // What had gone and is to be published again may have come back meanwhile, however old it is.
        let has_gone = publication.due_again.is_some();
        let look_back = look_back.map(|back| if has_gone { back.max(READ_FOR) } else { back });
        // What was lost after its request had left begins anew with a checkpoint.
        let has_left = publication.intended_at.is_some();
        let begins = publication.state == State::Staging && (work.checkpoint.is_none() || has_left);
        let mut taken = match publication.state {
            State::Unresolved => self.engine.ledger.remote_ids(&publication.account)?,
            State::Staging if begins && look_back.is_some() => {
                self.engine.ledger.remote_ids_of_content(&publication.account)?
            }
            _ => Vec::new(),
        };
        if has_gone && publication.state == State::Staging {
            let own = self.engine.ledger.remote_ids_of_post(&publication.post, &publication.account)?;
            taken.retain(|id| !own.contains(id));
        }
        let now = self.engine.clock.now();
        Ok(Job {
            payload: Arc::from(work.payload),
            content: self.engine.content.clone(),
            checkpoint: work.checkpoint,
            key: key_of(publication),
            remote: publication.remote.clone(),
            now,
            publish_at: self.lanes[index].items[item].opens_at(publication.state, now),
            reason: publication.reason.as_ref().map(|reason| reason.code.clone()),
            intended_at: publication.intended_at,
            taken: Arc::new(taken),
            look_back_to: look_back.map(|back| now.saturating_sub(back).unwrap_or(Timestamp::MIN)),
            progress: self.lanes[index].items[item].progress.clone(),
            log: RequestLog::default(),
        })
    }

    /// When there is room for the operation, if there is none now.
    fn paced(
        &self,
        index: usize,
        operation: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ledger::Error> {
        let lane = &self.lanes[index];
        room_at(&self.engine.ledger, lane.platform.rates(), &lane.account, operation, now)
    }

    fn spawn(
        &mut self,
        index: usize,
        item: usize,
        state: State,
        job: Job,
        grant: Arc<Grant>,
    ) -> Result<(), ledger::Error> {
        let intent = match (state, &job.checkpoint) {
            (State::Staged | State::Partial, Some(checkpoint)) => Some(checkpoint.clone()),
            _ => None,
        };
        if let Some(checkpoint) = &intent {
            let change = Change::Intended { checkpoint: checkpoint.clone() };
            self.record(index, item, vec![change], Vec::new())?;
        }
        let lane = &mut self.lanes[index];
        lane.busy = true;
        let (account, platform) = (lane.account.clone(), lane.platform.clone());
        let post = lane.items[item].post.clone();
        (self.notify)(Notice::Working {
            post: &post,
            account: &account,
            bytes: job.payload.estimate.bytes,
            progress: &job.progress,
        });
        self.tasks.spawn(async move {
            crash::at(Point::BeforeRequest);
            let done = match (state, intent) {
                (_, Some(checkpoint)) => Done::Sent(checkpoint, platform.publish(&job, &grant).await),
                (State::Staging | State::Staged, None) => Done::Staged(platform.stage(&job, &grant).await),
                (State::Editing, None) => Done::Edited(match platform.edits() {
                    Some(edits) => edits.edit(&job, &grant).await,
                    None => Err(outcome::unsupported("edit")),
                }),
                (State::Deleting, None) => Done::Deleted(match platform.deletes() {
                    Some(deletes) => deletes.delete(&job, &grant).await,
                    None => Err(outcome::unsupported("delete")),
                }),
                _ => Done::Observed(platform.observe(&job, &grant).await),
            };
            crash::at(Point::AfterAnswer);
            Finished { account, post: Some(post), log: job.log, done }
        });
        Ok(())
    }

    fn finish(&mut self, finished: Result<Finished, tokio::task::JoinError>) -> Result<(), ledger::Error> {
        // A task that panicked is a bug; its publication stays where it was recorded last, and the lane stays busy.
        let Ok(finished) = finished else {
            tracing::error!("a step ended without a result");
            return Ok(());
        };
        let Some(index) = self.lanes.iter().position(|lane| lane.account == finished.account) else {
            return Ok(());
        };
        self.lanes[index].busy = false;
        let requests = requests(&finished);
        let Some(post) = finished.post else {
            return self.finish_refresh(index, finished.done, requests);
        };
        let Some(item) = self.lanes[index].items.iter().position(|item| item.post == post) else {
            return Ok(());
        };
        let Some(publication) = self.engine.ledger.publication(&post, &finished.account)? else {
            return Ok(());
        };
        let moment = Moment { now: self.engine.clock.now(), random: random() };
        let outcome = match finished.done {
            Done::Staged(result) => outcome::after_stage(&publication, result, moment),
            Done::Sent(checkpoint, result) => {
                outcome::after_publish(&publication, checkpoint, result, moment)
            }
            Done::Observed(result) => outcome::after_observe(&publication, result, moment),
            Done::Edited(result) => outcome::after_edit(&publication, result, moment),
            Done::Deleted(result) => outcome::after_delete(&publication, result, moment),
            Done::Refreshed(_) => Outcome { changes: Vec::new(), unauthorized: false },
        };
        self.record(index, item, outcome.changes, requests)?;
        let lane = &mut self.lanes[index];
        if !outcome.unauthorized {
            lane.credentials.accepted();
        } else if let Some(change) = lane.credentials.turned_down() {
            let account = lane.account.clone();
            self.record_grant(&account, change, Vec::new())?;
        }
        Ok(())
    }

    /// Commits changes of one publication together with the requests that led to them, and tells what is next.
    fn record(
        &mut self,
        index: usize,
        item: usize,
        changes: Vec<Change>,
        mut events: Vec<Event>,
    ) -> Result<(), ledger::Error> {
        let account = self.lanes[index].account.clone();
        let post = self.lanes[index].items[item].post.clone();
        events.extend(changes.iter().map(|change| Event::Publication {
            post: post.clone(),
            account: account.clone(),
            change: change.clone(),
        }));
        self.append(events)?;
        let Some(publication) = self.engine.ledger.publication(&post, &account)? else { return Ok(()) };
        for change in &changes {
            (self.notify)(Notice::Changed { publication: &publication, change });
        }
        let key = (post, account);
        if !self.summary.touched.contains(&key) {
            self.summary.touched.push(key);
        }
        let place = (&publication.post, &publication.account, publication.platform);
        let is_paused = pause_of(&self.engine.pauses, place, self.engine.clock.now()).is_some()
            && !matches!(publication.state, State::Publishing | State::Accepted | State::Unresolved);
        let item = &mut self.lanes[index].items[item];
        item.done = is_paused || !publication.state.is_in_flight() || !item.may_go_on(&publication);
        item.ready_at = publication.next_at.unwrap_or(self.engine.clock.now());
        Ok(())
    }

    fn append(&mut self, events: Vec<Event>) -> Result<(), ledger::Error> {
        if events.is_empty() {
            return Ok(());
        }
        self.engine.ledger.append(self.engine.clock.now(), &self.engine.actor, &events)?;
        Ok(())
    }
}

/// An attempt's own: after a person has another one made, the platform must not take it for this one.
fn key_of(publication: &Publication) -> ContentDigest {
    let Publication { post, account, revision, attempts, digest, .. } = publication;
    ContentDigest::of(format!("{post} {account} {revision} {attempts} {digest}").as_bytes())
}

fn requests(finished: &Finished) -> Vec<Event> {
    let account = &finished.account;
    let event = |request| Event::Request { account: account.clone(), post: finished.post.clone(), request };
    finished.log.take().into_iter().map(event).collect()
}

#[cfg(test)]
mod tests;
