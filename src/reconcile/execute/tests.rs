//! The executor with a platform that does as it is told, on paused time: hours pass at once.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::domain::event::{GrantChange, Request};
use crate::domain::grant::{TokenCare, TokenModel};
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::limits::{Cap, Counts, RateLimit};
use crate::domain::manifest::{DesiredState, Post, Target};
use crate::domain::media::Medium;
use crate::domain::payload::Estimate;
use crate::domain::payload::Payload;
use crate::domain::plan::{self, Input, Overrides};
use crate::domain::project::Policy;
use crate::domain::publication::Remote;
use crate::domain::quiet::QuietHours;
use crate::domain::retry::{BACKOFF_MAX, ErrorKind, SENDS_MAX};
use crate::ledger::Holder;
use crate::ledger::vault::KeyPlace;
use crate::platform::{BoxFuture, Deletes, Edits, Platform, Prepared};
use crate::secret::Secret;

mod survey;
mod told;

/// More requests than any test needs: a loop ends here and not never.
const SEEN_MAX: usize = 2_000;
/// What every request takes.
const TAKES: Duration = Duration::from_secs(1);
const LIFE: SignedDuration = SignedDuration::from_hours(3);
const RATES: &[RateLimit] = &[
    RateLimit { operations: &["stage"], max: 2, window: Duration::from_secs(60) },
    RateLimit { operations: &["observe"], max: 3, window: Duration::from_secs(60) },
];

fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("time")
}

/// Answers from a script, else well; writes down who asked for what, and when.
#[derive(Default)]
struct Fake {
    stage: Mutex<VecDeque<Result<Staged, Error>>>,
    publish: Mutex<VecDeque<Result<Sent, Error>>>,
    observe: Mutex<VecDeque<Result<Observation, Error>>>,
    edit: Mutex<VecDeque<Result<Edited, Error>>>,
    delete: Mutex<VecDeque<Result<Deleted, Error>>>,
    refresh: Mutex<VecDeque<Result<(), Error>>>,
    looks: Mutex<VecDeque<Result<(), Error>>>,
    rates: &'static [RateLimit],
    /// Second, and what.
    seen: Mutex<Vec<(i64, String)>>,
    in_flight: Mutex<(u32, u32)>,
    panics: bool,
    /// From the answer to a refresh on, the ledger takes no more entries.
    spoils_ledger: bool,
    clock: Option<Clock>,
    ledger: PathBuf,
}

impl Fake {
    fn next<T>(script: &Mutex<VecDeque<T>>) -> Option<T> {
        script.lock().expect("lock").pop_front()
    }

    async fn request(&self, operation: &str, job: Option<&Job>, log: &RequestLog) {
        let now = self.clock.as_ref().expect("set").now();
        let body = job.map(|job| job.payload.body.value()).unwrap_or_default();
        let post = body.as_str().unwrap_or_default();
        let second = now.duration_since(start()).as_secs();
        let seen = {
            let mut seen = self.seen.lock().expect("lock");
            seen.push((second, format!("{operation} {post}").trim().to_owned()));
            seen.len()
        };
        assert!(seen < SEEN_MAX, "requests without an end");
        {
            let mut in_flight = self.in_flight.lock().expect("lock");
            in_flight.0 += 1;
            in_flight.1 = in_flight.1.max(in_flight.0);
        }
        assert!(!self.panics, "as told");
        tokio::time::sleep(TAKES).await;
        self.in_flight.lock().expect("lock").0 -= 1;
        log.push(Request {
            operation: operation.to_owned(),
            sent_at: now,
            millis: 1,
            status: Some(200),
            error: None,
            code: None,
            log_id: None,
        });
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("lock").iter().map(|(_, what)| what.clone()).collect()
    }

    fn seconds(&self, of: &str) -> Vec<i64> {
        self.seen.lock().expect("lock").iter().filter(|(_, what)| what.starts_with(of)).map(|s| s.0).collect()
    }
}

impl Platform for Fake {
    fn token_care(&self) -> TokenCare {
        TokenCare { model: TokenModel::Rotating, window: Duration::from_secs(86_400) }
    }
    fn rates(&self) -> &'static [RateLimit] {
        self.rates
    }
    fn caps(&self) -> &'static [Cap] {
        &[]
    }
    fn origin(&self) -> String {
        "https://example.com".into()
    }
    fn prepare(&self, _: &Post, _: &Target, _: &[Medium]) -> Prepared {
        Prepared { payload: None, diagnostics: Vec::new() }
    }
    fn read_grant(&self, _: &Value, _: Timestamp) -> Result<Grant, Error> {
        Err(error(ErrorKind::Local))
    }
    fn refresh<'a>(&'a self, _: &'a Grant, log: &'a RequestLog) -> BoxFuture<'a, Result<Grant, Error>> {
        Box::pin(async move {
            self.request("refresh", None, log).await;
            if self.spoils_ledger {
                let db = rusqlite::Connection::open(&self.ledger).expect("ledger");
                let full =
                    "CREATE TRIGGER spoilt BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'spoilt'); END";
                db.execute_batch(full).expect("spoilt");
            }
            let now = self.clock.as_ref().expect("set").now();
            Fake::next(&self.refresh).unwrap_or(Ok(())).map(|()| grant(now))
        })
    }
    fn login(&self) -> &dyn crate::platform::oauth::Login {
        unreachable!("a run logs nobody in or out")
    }
    fn inquiry(&self) -> &dyn crate::platform::inquiry::Inquiry {
        unreachable!("a run asks nothing about accounts")
    }
    fn edits(&self) -> Option<&dyn Edits> {
        Some(self)
    }
    fn deletes(&self) -> Option<&dyn Deletes> {
        Some(self)
    }
    fn webhooks(&self) -> Option<&dyn crate::platform::webhooks::Webhooks> {
        Some(self)
    }
    fn survey(&self) -> Option<&dyn crate::platform::survey::Survey> {
        Some(self)
    }
    fn next_operation(&self, publication: &Publication, _: &Job) -> &'static str {
        match publication.state {
            State::Staging => "stage",
            State::Staged | State::Partial => "publish",
            State::Editing => "edit",
            State::Deleting => "delete",
            _ => "observe",
        }
    }
    fn stage<'a>(&'a self, job: &'a Job, _: &'a Grant) -> BoxFuture<'a, Result<Staged, Error>> {
        Box::pin(async move {
            self.request("stage", Some(job), &job.log).await;
            Fake::next(&self.stage).unwrap_or(Ok(Staged::Ready(json!(1))))
        })
    }
    fn publish<'a>(&'a self, job: &'a Job, _: &'a Grant) -> BoxFuture<'a, Result<Sent, Error>> {
        Box::pin(async move {
            let ledger = Ledger::open_read(&self.ledger).expect("ledger");
            let states = ledger.publications().expect("publications").into_iter().map(|p| p.state);
            assert!(states.into_iter().any(|state| state == State::Publishing), "intended before it is sent");
            self.request("publish", Some(job), &job.log).await;
            Fake::next(&self.publish).unwrap_or(Ok(Sent::Published(Remote::default(), None)))
        })
    }
    fn observe<'a>(&'a self, job: &'a Job, _: &'a Grant) -> BoxFuture<'a, Result<Observation, Error>> {
        Box::pin(async move {
            self.request("observe", Some(job), &job.log).await;
            Fake::next(&self.observe).unwrap_or(Ok(published()))
        })
    }
}

impl Edits for Fake {
    fn edit<'a>(&'a self, job: &'a Job, _: &'a Grant) -> BoxFuture<'a, Result<Edited, Error>> {
        Box::pin(async move {
            self.request("edit", Some(job), &job.log).await;
            Fake::next(&self.edit).unwrap_or(Ok(Edited::Done(job.remote.clone(), None)))
        })
    }
}

impl Deletes for Fake {
    fn delete<'a>(&'a self, job: &'a Job, _: &'a Grant) -> BoxFuture<'a, Result<Deleted, Error>> {
        Box::pin(async move {
            self.request("delete", Some(job), &job.log).await;
            Fake::next(&self.delete).unwrap_or(Ok(Deleted::Done))
        })
    }
}

fn published() -> Observation {
    Observation::Published { remote: Remote::default(), checkpoint: None, again: None }
}

fn error(kind: ErrorKind) -> Error {
    Error::new("op", kind, "code", "message")
}

fn grant(now: Timestamp) -> Grant {
    Grant {
        access: Secret::new("access"),
        refresh: Some(Secret::new("refresh")),
        app: None,
        expires_at: now + LIFE,
        refresh_expires_at: None,
        scopes: Vec::new(),
        subject: String::new(),
    }
}

fn name(account: &str) -> AccountName {
    account.parse().expect("name")
}

fn desired(account: &str, post: &str, content: &str) -> Desired {
    let payload = Payload {
        platform: PlatformId::Tiktok,
        body: json!(format!("{post}{content}")).into(),
        media: Vec::new(),
        what: String::new(),
        text: None,
        counts: Counts::Posts,
        estimate: Estimate::default(),
        fixed: Some(ContentDigest::of(post.as_bytes())),
    };
    Desired {
        post: post.parse().expect("id"),
        account: name(account),
        platform: PlatformId::Tiktok,
        path: String::new(),
        state: DesiredState::Present,
        revision: 1,
        publish_at: None,
        quiet: None,
        digest: payload.digest(),
        payload: Some(payload),
        can_delete: true,
    }
}

/// A ledger with accounts that are logged in, and content.
struct World {
    folder: tempfile::TempDir,
    fakes: BTreeMap<AccountName, Arc<Fake>>,
    desired: Vec<Desired>,
    allow_delete: bool,
    stage_ahead: SignedDuration,
    clock: Clock,
}

impl World {
    fn new(fakes: impl IntoIterator<Item = (&'static str, Fake)>) -> World {
        let begun = Instant::now();
        World::with_clock(
            fakes,
            Clock::from_fn(move || start() + SignedDuration::try_from(begun.elapsed()).expect("short")),
        )
    }

    fn with_clock(fakes: impl IntoIterator<Item = (&'static str, Fake)>, clock: Clock) -> World {
        let folder = tempfile::tempdir().expect("temporary folder");
        let ledger = folder.path().join("ledger.db");
        let with_clock = |fake| Arc::new(Fake { clock: Some(clock.clone()), ledger: ledger.clone(), ..fake });
        let fakes: BTreeMap<_, _> =
            fakes.into_iter().map(|(account, fake)| (name(account), with_clock(fake))).collect();
        let world = World {
            folder,
            fakes,
            desired: Vec::new(),
            allow_delete: false,
            stage_ahead: SignedDuration::ZERO,
            clock,
        };
        let holder = Holder::this_process("test", start(), |_| None);
        let path = world.path();
        let mut ledger = Ledger::create(&path, "line", (start(), "test"), TAKES, &holder).expect("ledger");
        for account in world.fakes.keys() {
            let change =
                world.vault().stored(account, 1, &grant(start()), "https://example.com".into(), "import");
            let event = Event::Grant { account: account.clone(), change: change.expect("sealed") };
            ledger.append(start(), "test", &[event]).expect("stored");
        }
        world
    }

    fn one(fake: Fake) -> World {
        World { desired: vec![desired("a", "p", "")], ..World::new([("a", fake)]) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn vault(&self) -> Vault {
        let place = KeyPlace { variable: None, file: self.folder.path().join("key") };
        Vault::new(place.load_or_create(None).expect("key"), "line")
    }

    fn fake(&self, account: &str) -> &Fake {
        &self.fakes[&name(account)]
    }

    fn engine(&self) -> Engine {
        let holder = Holder::this_process("test", start(), |_| None);
        let platforms =
            self.fakes.iter().map(|(name, fake)| (name.clone(), Arc::clone(fake) as Arc<dyn Platform>));
        Engine {
            look_back: None,
            pauses: Vec::new(),
            ledger: Ledger::open_write(&self.path(), TAKES, &holder).expect("ledger"),
            vault: self.vault(),
            clock: self.clock.clone(),
            actor: "test".into(),
            content: Path::new("content").into(),
            platforms: platforms.collect(),
            hints: crate::reconcile::news::Hints::default(),
            commits: BTreeMap::new(),
        }
    }

    fn plan(&self, engine: &Engine) -> Plan {
        plan::plan(&Input {
            pauses: &[],
            desired: &self.desired,
            recorded: &engine.ledger.publications().expect("publications"),
            broken: &BTreeSet::new(),
            complete: true,
            caps: &BTreeMap::new(),
            spent: &[],
            policy: Policy { stage_ahead: self.stage_ahead, ..Policy::default() },
            overrides: Overrides { allow_delete: self.allow_delete, ..Overrides::default() },
            now: self.clock.now(),
        })
    }

    /// Plans and executes, as one process does.
    async fn run(&self, minutes: i64) -> Summary {
        self.run_until(minutes, watch::channel(false).1).await.expect("the ledger is fine")
    }

    async fn run_until(&self, minutes: i64, stop: watch::Receiver<bool>) -> Result<Summary, ledger::Error> {
        let mut engine = self.engine();
        let plan = self.plan(&engine);
        let deadline = self.clock.now() + SignedDuration::from_mins(minutes);
        execute(&mut engine, &plan, &self.desired, Until::settled(deadline, stop), &mut |_| {}).await
    }

    /// `post state`, by post.
    fn states(&self) -> Vec<String> {
        let ledger = Ledger::open_read(&self.path()).expect("ledger");
        assert_eq!(ledger.verify().expect("readable"), []);
        let publications = ledger.publications().expect("publications");
        publications.iter().map(|p| format!("{} {}", p.post, p.state)).collect()
    }

    /// Records what an earlier process did.
    fn record(&self, desired: &Desired, changes: impl IntoIterator<Item = Change>) {
        let mut engine = self.engine();
        let event = |change| Event::Publication {
            post: desired.post.clone(),
            account: desired.account.clone(),
            change,
        };
        let started = starts(Action::Publish, Some(desired), &BTreeMap::new()).into_iter();
        let events: Vec<_> = started.chain(changes).map(event).collect();
        engine.ledger.append(self.clock.now(), "before", &events).expect("legal");
    }
}

fn intended() -> [Change; 2] {
    [Change::Staged { checkpoint: json!(1) }, Change::Intended { checkpoint: json!(1) }]
}

#[tokio::test(start_paused = true)]
async fn accounts_work_beside_each_other_and_each_has_one_request_in_flight() {
    let mut world = World::new([("a", Fake::default()), ("b", Fake::default())]);
    world.desired =
        ["p", "q", "r"].into_iter().flat_map(|p| [desired("a", p, "a"), desired("b", p, "b")]).collect();
    let begun = Instant::now();
    world.run(10).await;
    assert_eq!(begun.elapsed(), TAKES * 6, "three posts of two requests, on both accounts at once");
    for account in ["a", "b"] {
        assert_eq!(world.fake(account).in_flight.lock().expect("lock").1, 1);
        let one_by_one = ["stage p", "publish p", "stage q", "publish q", "stage r", "publish r"];
        assert_eq!(world.fake(account).seen(), one_by_one.map(|what| format!("{what}{account}")));
    }
    assert_eq!(world.run(10).await.touched, []);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_kept_across_processes_and_holds_up_nothing_else() {
    let fake = Fake { rates: RATES, ..Fake::default() };
    let mut world = World::new([("a", fake)]);
    world.desired = ["p", "q"].map(|post| desired("a", post, "")).to_vec();
    world.run(10).await;
    world.desired.extend(["r", "s"].map(|post| desired("a", post, "")));
    // An attempt of an earlier process, which is only to be looked at.
    let earlier = desired("a", "x", "");
    world.record(
        &earlier,
        intended().into_iter().chain([Change::Accepted {
            checkpoint: json!(1),
            next_at: start() + SignedDuration::from_secs(10),
        }]),
    );
    world.desired.push(earlier);
    world.run(10).await;
    let stages = world.fake("a").seconds("stage");
    assert_eq!(stages.len(), 4);
    for window in stages.windows(3) {
        assert!(window[2] - window[0] >= 60, "{stages:?}");
    }
    let looks = world.fake("a").seconds("observe");
    assert!(looks[0] < 15, "a look does not wait for room to stage: {looks:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_goes_before_what_has_not() {
    let mut world = World::new([("a", Fake::default())]);
    let late = desired("a", "z", "");
    world.record(&late, [Change::Stepped { checkpoint: json!(1), next_at: None }]);
    world.desired = vec![desired("a", "b", ""), late];
    world.run(10).await;
    assert_eq!(world.fake("a").seen(), ["stage z", "publish z", "stage b", "publish b"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_waits_longer_each_time_up_to_a_bound() {
    let fake = Fake::default();
    fake.stage.lock().expect("lock").extend((0..30).map(|_| Err(error(ErrorKind::Transient))));
    let world = World::one(fake);
    world.run(24 * 60).await;
    let tries = world.fake("a").seconds("stage");
    assert_eq!(tries.len(), 31);
    let longest = i64::try_from(BACKOFF_MAX.as_secs()).expect("short") + 2;
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= longest), "{tries:?}");
    assert!(tries[30] - tries[0] > longest * 5, "{tries:?}");
    assert_eq!(world.states(), ["p published"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_the_deadline_and_the_next_run_keeps_the_appointment() {
    let fake = Fake::default();
    let wait = Duration::from_secs(3_600);
    fake.publish.lock().expect("lock").push_back(Ok(Sent::Accepted(json!(2), wait)));
    let world = World::one(fake);
    let begun = Instant::now();
    let summary = world.run(10).await;
    assert_eq!(begun.elapsed(), TAKES * 2, "nothing to wait for within the deadline");
    let waits = summary.next_at.expect("an appointment").duration_since(world.clock.now());
    assert_eq!(waits, SignedDuration::try_from(wait).expect("short"));
    world.run(10).await;
    assert_eq!(world.fake("a").seconds("observe"), [0; 0]);
    world.run(90).await;
    assert_eq!(world.fake("a").seconds("observe"), [3_602]);
    assert_eq!(world.states(), ["p published"]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_request_without_an_answer_is_looked_for_and_never_repeated() {
    for kind in [ErrorKind::Ambiguous, ErrorKind::Protocol] {
        let fake = Fake::default();
        fake.publish.lock().expect("lock").push_back(Err(error(kind)));
        fake.observe.lock().expect("lock").push_back(Err(error(ErrorKind::Transient)));
        fake.observe.lock().expect("lock").push_back(Ok(Observation::Unknown(TAKES)));
        let world = World::one(fake);
        world.run(10).await;
        assert_eq!(world.fake("a").seen(), ["stage p", "publish p", "observe p", "observe p", "observe p"]);
        assert_eq!(world.states(), ["p published"]);
    }
}

fn remote(id: &str) -> Remote {
    Remote { id: Some(id.into()), url: None }
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_thread_are_sent_one_by_one_each_with_an_intent_of_its_own() {
    let fake = Fake::default();
    let sent = |n| Ok(Sent::Partly(remote("1"), json!(n)));
    let limited = Err(error(ErrorKind::RateLimited));
    fake.publish.lock().expect("lock").extend([sent(2), Err(error(ErrorKind::Ambiguous)), limited]);
    fake.publish.lock().expect("lock").push_back(Ok(Sent::Published(remote("1"), Some(json!(4)))));
    fake.observe.lock().expect("lock").push_back(Ok(Observation::Partly(remote("1"), json!(3))));
    let world = World::one(fake);
    world.run(10).await;
    let expected = ["stage p", "publish p", "publish p", "observe p", "publish p", "publish p"];
    assert_eq!(world.fake("a").seen(), expected);
    assert_eq!(world.states(), ["p published"]);
    let engine = world.engine();
    let work = engine.ledger.work(&"p".parse().expect("id"), &name("a")).expect("ledger").expect("work");
    assert_eq!(work.checkpoint, Some(json!(4)));
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_thread_waits_where_its_author_wants_it_no_more() {
    let fake = Fake::default();
    fake.publish.lock().expect("lock").push_back(Err(error(ErrorKind::Ambiguous)));
    fake.observe.lock().expect("lock").push_back(Ok(Observation::Partly(remote("1"), json!(3))));
    let mut world = World::one(fake);
    let thread = world.desired[0].clone();
    world.record(&thread, intended());
    world.desired[0].state = DesiredState::Deleted;
    world.desired[0].payload = None;
    world.run(10).await;
    assert_eq!(world.fake("a").seen(), ["observe p"], "it is found out, and no more");
    assert_eq!(world.states(), ["p partial"]);
    world.allow_delete = true;
    world.run(10).await;
    assert_eq!(world.states(), ["p deleted"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_post_is_edited_and_an_edit_without_an_answer_is_sent_again() {
    let fake = Fake::default();
    let world = World::one(fake);
    world.run(10).await;
    let mut world = World { desired: vec![desired("a", "p", "changed")], ..world };
    world.fake("a").edit.lock().expect("lock").extend([
        Ok(Edited::More(json!(7))),
        Err(error(ErrorKind::Ambiguous)),
        Ok(Edited::Wait(json!(8), TAKES)),
    ]);
    world.run(10).await;
    let edits = world.fake("a").seconds("edit");
    assert_eq!((edits.len(), world.states()), (4, vec!["p published".to_owned()]));
    assert_eq!(world.run(10).await.touched, [], "it is what the manifest says");
    // Turned down: told once, and not tried again until the manifest changes or a person asks for it.
    world.desired = vec![desired("a", "p", "too long")];
    world.fake("a").edit.lock().expect("lock").push_back(Err(error(ErrorKind::Rejected)));
    world.run(10).await;
    world.run(10).await;
    assert_eq!((world.fake("a").seconds("edit").len(), world.states()), (5, vec!["p published".to_owned()]));
    world.desired = vec![desired("a", "p", "shorter")];
    world.run(10).await;
    assert_eq!(world.fake("a").seconds("edit").len(), 6);
    assert_eq!(world.run(10).await.touched, []);
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_takes_the_post_away_step_by_step() {
    let mut world = World::one(Fake::default());
    world.run(10).await;
    world.desired[0].state = DesiredState::Deleted;
    world.desired[0].payload = None;
    world.run(10).await;
    assert_eq!(world.states(), ["p published"], "not without leave");
    world.allow_delete = true;
    let answers = [Ok(Deleted::More(json!(1))), Err(error(ErrorKind::Ambiguous))];
    world.fake("a").delete.lock().expect("lock").extend(answers);
    world.run(10).await;
    assert_eq!((world.fake("a").seconds("delete").len(), world.states()), (3, vec!["p deleted".to_owned()]));
    assert_eq!(world.run(10).await.touched, []);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_done_enough_ends_with_what_is_in_flight() {
    let mut world = World::new([("a", Fake::default()), ("b", Fake::default())]);
    world.desired = vec![desired("a", "p", ""), desired("b", "q", "")];
    let (enough, sign) = watch::channel(false);
    tokio::spawn(async move {
        tokio::time::sleep(TAKES / 2).await;
        enough.send(true).expect("listened to");
    });
    let mut engine = world.engine();
    let plan = world.plan(&engine);
    let until = Until { enough: sign, ..Until::settled(start() + LIFE, watch::channel(false).1) };
    let summary = execute(&mut engine, &plan, &world.desired, until, &mut |_| {}).await.expect("fine");
    drop(engine);
    assert!(!summary.interrupted);
    assert_eq!(
        world.states(),
        ["p staged", "q staged"],
        "each answer is recorded, and nothing else is begun"
    );
    world.run(10).await;
    assert_eq!(world.states(), ["p published", "q published"]);
    assert_eq!(world.fake("a").seen(), ["stage p", "publish p"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_ahead_is_published_at_its_time_and_holds_up_nothing() {
    let mut world = World::one(Fake::default());
    let due = start() + SignedDuration::from_mins(20);
    world.stage_ahead = SignedDuration::from_mins(30);
    world.desired[0].publish_at = Some(due);
    world.desired.push(desired("a", "q", ""));
    world.run(10).await;
    assert_eq!(world.fake("a").seen(), ["stage q", "publish q", "stage p"]);
    assert_eq!(world.states(), ["p staged", "q published"]);
    world.run(30).await;
    assert_eq!(world.fake("a").seconds("publish p"), [20 * 60]);
    assert_eq!(world.states(), ["p published", "q published"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_when_quiet_hours_begin_waits_for_their_end() {
    let mut world = World::one(Fake::default());
    let time = |seconds| (start() + SignedDuration::from_secs(seconds)).to_zoned(TimeZone::UTC).time();
    world.desired[0].quiet = Some(QuietHours { from: time(1), to: time(600), zone: TimeZone::UTC });
    world.run(1).await;
    assert_eq!(world.states(), ["p staged"]);
    world.run(1).await;
    world.run(60).await;
    assert_eq!(world.fake("a").seen(), ["stage p"], "the plan waits, and apply with it");
    let until_the_end =
        Duration::try_from((start() + SignedDuration::from_secs(600)).duration_since(world.clock.now()));
    tokio::time::advance(until_the_end.expect("in the future")).await;
    world.run(1).await;
    assert_eq!(world.states(), ["p published"]);
}

#[tokio::test(start_paused = true)]
async fn what_never_arrives_is_not_sent_for_ever() {
    let fake = Fake::default();
    let absent = || Ok(Observation::Absent(Some(json!(1)), Reason::new("absent", "not there")));
    for _ in 0..100 {
        fake.publish.lock().expect("lock").push_back(Err(error(ErrorKind::Ambiguous)));
        fake.observe.lock().expect("lock").push_back(absent());
    }
    let world = World::one(fake);
    world.run(24 * 60).await;
    assert_eq!(world.fake("a").seconds("publish").len(), SENDS_MAX as usize);
    assert_eq!(world.states(), ["p held"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_in_publishing_is_looked_for_first() {
    let world = World::one(Fake::default());
    world.record(&world.desired[0], intended());
    world.run(10).await;
    assert_eq!(world.fake("a").seen(), ["observe p"]);
}

#[tokio::test(start_paused = true)]
async fn what_proves_absent_is_not_published_against_the_authors_will() {
    let absent = || Ok(Observation::Absent(Some(json!(1)), Reason::new("absent", "it is not there")));
    let old = desired("a", "p", "old");
    let tombstone = Desired { state: DesiredState::Deleted, payload: None, ..old.clone() };
    for (what, now) in
        [("removed", None), ("deleted", Some(tombstone)), ("changed", Some(desired("a", "p", "new")))]
    {
        let mut world = World::new([("a", Fake::default())]);
        world.fake("a").observe.lock().expect("lock").push_back(absent());
        world.record(&old, intended());
        world.desired = now.into_iter().collect();
        world.run(10).await;
        assert_eq!(world.fake("a").seen(), ["observe pold"], "{what}");
        world.run(10).await;
        let expected = if what == "changed" {
            vec!["observe pold", "stage pnew", "publish pnew"]
        } else {
            vec!["observe pold"]
        };
        assert_eq!(world.fake("a").seen(), expected, "{what}");
    }
    let world = World::one(Fake::default());
    world.fake("a").observe.lock().expect("lock").push_back(absent());
    world.record(&world.desired[0], intended());
    world.run(10).await;
    assert_eq!(world.fake("a").seen(), ["observe p", "publish p"], "still wanted as it was");
}

#[tokio::test(start_paused = true)]
async fn a_post_in_flight_on_an_account_that_is_gone_is_spoken_of() {
    let mut world = World::one(Fake::default());
    world.record(&world.desired[0], intended());
    world.desired.clear();
    world.fakes.clear();
    let summary = world.run(10).await;
    assert!(summary.blocked[&name("a")].contains("gitcast.yaml"), "{summary:?}");
}

#[tokio::test(start_paused = true)]
async fn a_due_refresh_comes_first_once_and_is_recorded_as_presented_before() {
    let world = World::one(Fake::default());
    tokio::time::advance(Duration::from_secs(2 * 3_600 + 1)).await;
    world.run(10).await;
    assert_eq!(world.fake("a").seen(), ["refresh", "stage p", "publish p"]);
    let engine = world.engine();
    let entries = engine.ledger.read(None, 0, 100).expect("entries");
    let grants: Vec<_> = entries.iter().filter(|e| matches!(e.event, Event::Grant { .. })).collect();
    let presented = grants[1];
    let presents =
        matches!(presented.event, Event::Grant { change: GrantChange::Presented { generation: 1 }, .. });
    assert!(presents && presented.at < grants[2].at, "{grants:?}");
    assert_eq!(engine.ledger.grant(&name("a")).expect("grant").expect("there").generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_without_an_answer_keeps_the_grant_and_is_tried_again() {
    let fake = Fake::default();
    let kinds = [ErrorKind::Transient, ErrorKind::Ambiguous, ErrorKind::Protocol, ErrorKind::RateLimited];
    fake.refresh.lock().expect("lock").extend(kinds.map(|kind| Err(error(kind))));
    let world = World::one(fake);
    tokio::time::advance(Duration::from_secs(4 * 3_600)).await;
    let summary = world.run(60).await;
    assert_eq!(world.fake("a").seconds("refresh").len(), 5);
    assert_eq!((world.states(), summary.blocked.len()), (vec!["p published".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_new_login_that_the_ledger_cannot_take_is_kept_and_taken_up() {
    let world = World::one(Fake { spoils_ledger: true, ..Fake::default() });
    tokio::time::advance(Duration::from_secs(2 * 3_600 + 1)).await;
    let (mut engine, told) = (world.engine(), Mutex::new(String::new()));
    let until = Until::settled(world.clock.now(), watch::channel(false).1);
    let mut tell = |notice: Notice<'_>| {
        if let Notice::Login { message, .. } = notice {
            told.lock().expect("lock").push_str(message);
        }
    };
    assert!(renew(&mut engine, false, until, &mut tell).await.is_err());
    assert!(told.into_inner().expect("lock").contains("the new login is kept, sealed"));
    let kept = world.folder.path().join("ledger.db.rescue.a");
    assert!(!std::fs::read_to_string(&kept).expect("kept").contains("\"access\""), "in the clear");
    assert_eq!(engine.ledger.grant(&name("a")).expect("readable").expect("a grant").generation, 1);
    drop(engine);

    let db = rusqlite::Connection::open(world.path()).expect("ledger");
    db.execute_batch("DROP TRIGGER spoilt").expect("mended");
    drop(db);
    let mut engine = world.engine();
    let taken = engine.ledger.take_rescued(world.clock.now(), "next").expect("recorded");
    assert_eq!((taken, kept.exists()), (vec![name("a")], false));
    assert_eq!(engine.ledger.take_rescued(world.clock.now(), "next").expect("nothing left"), []);
    let record = engine.ledger.grant(&name("a")).expect("readable").expect("a grant");
    assert_eq!((record.generation, record.presented_at), (2, None));
    assert!(world.vault().open(&record).is_ok());
    assert_eq!(world.fake("a").seconds("refresh").len(), 1, "the dead token is not sent again");
}

#[tokio::test(start_paused = true)]
async fn without_room_for_the_new_login_the_refresh_token_is_not_sent() {
    let world = World::one(Fake::default());
    tokio::time::advance(Duration::from_secs(2 * 3_600 + 1)).await;
    // A folder in the way of the file.
    std::fs::create_dir(world.folder.path().join("ledger.db.rescue.a")).expect("folder");
    let mut engine = world.engine();
    let until = Until::settled(world.clock.now(), watch::channel(false).1);
    assert!(renew(&mut engine, false, until, &mut |_| {}).await.is_err());
    assert!(world.fake("a").seconds("refresh").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_turned_down_twice_asks_for_a_login_and_once_is_refreshed() {
    for (times, expected) in [(1, "p published"), (2, "p staging")] {
        let fake = Fake::default();
        fake.stage.lock().expect("lock").extend((0..times).map(|_| Err(error(ErrorKind::Auth))));
        let world = World::one(fake);
        let summary = world.run(10).await;
        assert_eq!(world.fake("a").seconds("refresh").len(), 1);
        assert_eq!(world.states(), [expected]);
        assert_eq!(summary.blocked.len(), times - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn looking_for_a_late_id_changes_nothing_else() {
    let mut world = World::one(Fake::default());
    let again = Some(start());
    let live = Change::Published { checkpoint: None, remote: Remote::default(), next_at: again };
    world.record(&world.desired[0], intended().into_iter().chain([live]));
    for result in [Err(error(ErrorKind::Rejected)), Ok(Observation::Absent(None, Reason::new("x", "y")))] {
        world.fake("a").observe.lock().expect("lock").push_back(result);
    }
    // A higher revision at the same time: the look back must not get in its way.
    world.run(10).await;
    world.run(10).await;
    assert_eq!(world.states(), ["p published"]);
    let live = Change::Looked { checkpoint: None, remote: Remote::default(), next_at: again };
    let mut engine = world.engine();
    let event = Event::Publication { post: world.desired[0].post.clone(), account: name("a"), change: live };
    engine.ledger.append(world.clock.now(), "test", &[event]).expect("legal");
    drop(engine);
    world.desired[0] = Desired { revision: 2, ..desired("a", "p", "2") };
    let before = world.fake("a").seen().len();
    world.run(10).await;
    assert_eq!(world.fake("a").seen()[before..], ["stage p2", "publish p2"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panics_stops_its_account_and_nothing_hangs() {
    let mut world = World::new([("a", Fake { panics: true, ..Fake::default() }), ("b", Fake::default())]);
    world.desired = vec![desired("a", "p", ""), desired("b", "q", "")];
    world.run(10).await;
    assert_eq!(world.states(), ["p staging", "q published"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_request_in_flight_end_and_starts_no_other() {
    let world = World::one(Fake::default());
    let (sender, stop) = watch::channel(false);
    let stopping = async move {
        tokio::time::sleep(TAKES / 2).await;
        sender.send(true).expect("somebody listens");
    };
    let (summary, ()) = tokio::join!(world.run_until(10, stop), stopping);
    assert!(summary.expect("fine").interrupted);
    assert_eq!(
        (world.fake("a").seen(), world.states()),
        (vec!["stage p".to_owned()], vec!["p staged".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_commit_nothing_is_sent() {
    let world = World::one(Fake::default());
    let mut engine = world.engine();
    let plan = world.plan(&engine);
    engine.ledger = Ledger::open_read(&world.path()).expect("ledger");
    let deadline = world.clock.now() + SignedDuration::from_mins(10);
    let until = Until::settled(deadline, watch::channel(false).1);
    let result = execute(&mut engine, &plan, &world.desired, until, &mut |_| {}).await;
    assert!(matches!(result, Err(ledger::Error::ReadOnly)), "{result:?}");
    tokio::time::sleep(TAKES * 100).await;
    assert_eq!(world.fake("a").seen(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_went_back_makes_no_wait_longer() {
    let hour = SignedDuration::from_hours(1);
    let back = Arc::new(Mutex::new(hour));
    let (begun, shared) = (Instant::now(), Arc::clone(&back));
    let clock = Clock::from_fn(move || {
        start() + SignedDuration::try_from(begun.elapsed()).expect("short") + *shared.lock().expect("lock")
    });
    let fake = Fake { rates: RATES, ..Fake::default() };
    fake.publish.lock().expect("lock").push_back(Ok(Sent::Accepted(json!(2), Duration::from_secs(300))));
    let mut world = World::with_clock([("a", fake)], clock);
    world.desired = ["p", "q"].map(|post| desired("a", post, "")).to_vec();
    world.run(1).await;
    *back.lock().expect("lock") = SignedDuration::ZERO;
    world.desired.push(desired("a", "r", ""));
    let begun = Instant::now();
    world.run(20).await;
    assert!(begun.elapsed() <= Duration::from_secs(400), "{:?}", begun.elapsed());
    assert_eq!(world.states(), ["p published", "q published", "r published"]);
}

/// A clock that is set to another time so many seconds after the start.
fn set_after(seconds: i64, by: SignedDuration) -> Clock {
    let begun = Instant::now();
    Clock::from_fn(move || {
        let now = start() + SignedDuration::try_from(begun.elapsed()).expect("short");
        let is_set = now.duration_since(start()) >= SignedDuration::from_secs(seconds);
        if is_set { now.saturating_add(by).expect("in range") } else { now }
    })
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_in_mid_run_neither_repeats_nor_holds_up() {
    let hours = [-24 * 365 * 5, -24, -3, 3, 24, 24 * 365 * 5];
    for by in hours.map(SignedDuration::from_hours) {
        for seconds in 0..8 {
            let fake = Fake::default();
            fake.publish.lock().expect("lock").push_back(Err(error(ErrorKind::Ambiguous)));
            fake.observe.lock().expect("lock").push_back(Ok(Observation::Working(json!(2), TAKES)));
            let mut world = World::with_clock([("a", fake)], set_after(seconds, by));
            world.desired = vec![desired("a", "p", "")];
            let (begun, what) = (Instant::now(), format!("by {by} after {seconds} s"));
            world.run(10).await;
            assert!(begun.elapsed() < Duration::from_secs(11 * 60), "{what}: {:?}", begun.elapsed());
            world.run(10).await;
            assert_eq!(world.fake("a").seconds("publish").len(), 1, "{what}: {:?}", world.fake("a").seen());
            // Only a token whose life is over according to the new time may be in the way.
            if by < LIFE {
                assert_eq!(world.states(), ["p published"], "{what}: {:?}", world.fake("a").seen());
            }
        }
    }
}
