//! One case's project, ledger, platform and clock; and the wiring of `plan` and `apply` over them.
//!
//! Time is paused and goes on by itself while the engine waits, and only then; the stand-in, which answers from another
//! thread, reads the same clock. So hours of waiting cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use gitcast::clock::Clock;
use gitcast::content::cache::Cache;
use gitcast::content::scan::Threads;
use gitcast::domain::event::Event;
use gitcast::domain::ids::{AccountName, PostId};
use gitcast::domain::pause::Scope;
use gitcast::domain::plan::{self, Overrides, Plan};
use gitcast::domain::publication::{Change, Publication, Reason, Remote, Settlement, State};
use gitcast::domain::resolution::{self, Decided};
use gitcast::ledger::vault::{Key, Vault};
use gitcast::ledger::{Holder, Ledger};
use gitcast::platform::http::Http;
use gitcast::platform::{Keys, Platform};
use gitcast::reconcile::desired::{self, Loaded, Source};
use gitcast::reconcile::execute::{Engine, Notice, Summary, Until, execute};
use gitcast::rehearsal::{AccountSetup, Fault, Options, PerformedPublication, Rehearsal};
use gitcast::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::content::{Content, id};
use super::ops::{Op, Place};
use super::watch::{Watch, Watched};

const LINEAGE: &str = "model-lineage";
pub(super) const ACCOUNTS: [&str; 3] = ["drafts", "direct", "public"];
/// What `--max-wait` is by default.
const MAX_WAIT: SignedDuration = SignedDuration::from_mins(10);
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a post is processed, and than looks are apart: what nobody heard of is looked for before it is there.
const MODERATION_MS: i64 = 900;
/// Looks at the stand-in until it has fetched everything, each a millisecond of real time apart.
const FETCHES_MAX: u32 = 5_000;

pub(super) fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("a time")
}

/// What went wrong, in words.
pub(super) type Verdict<T = ()> = Result<T, String>;

/// The platform's clock and, beside it, ours.
struct Time {
    begun: Instant,
    passed_ms: AtomicI64,
    skew_ms: AtomicI64,
    /// What the platform's clock showed last: its thread cannot read the paused one.
    true_ms: AtomicI64,
}

impl Time {
    fn tick(&self) -> i64 {
        let elapsed = i64::try_from(self.begun.elapsed().as_millis()).expect("short");
        let now = start().as_millisecond() + self.passed_ms.load(Ordering::Relaxed) + elapsed;
        self.true_ms.fetch_max(now, Ordering::Relaxed);
        now
    }

    fn ours(&self) -> Timestamp {
        let now = self.tick() + self.skew_ms.load(Ordering::Relaxed);
        Timestamp::from_millisecond(now).expect("in range")
    }
}

/// How often what happened, so that a test can tell whether it tests anything.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) cases: u32,
    pub(super) applies: u32,
    pub(super) deaths: u32,
    pub(super) settled_by_hand: u32,
    pub(super) retries: u32,
    pub(super) logins: u32,
    pub(super) posts: u32,
    pub(super) revisions: u32,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Tally) {
        self.cases += 1;
        self.applies += other.applies;
        self.deaths += other.deaths;
        self.settled_by_hand += other.settled_by_hand;
        self.retries += other.retries;
        self.logins += other.logins;
        self.posts += other.posts;
        self.revisions += other.revisions;
    }
}

/// How an apply ended.
#[derive(Debug)]
pub(super) enum Applied {
    Died,
    Done(Summary),
}

pub(super) struct World {
    pub(super) rehearsal: Rehearsal,
    pub(super) content: Content,
    dir: TempDir,
    time: Arc<Time>,
    watch: Arc<Watch>,
    /// Accounts that the last apply could not work with.
    blocked: BTreeSet<AccountName>,
    /// What happened, for whoever reads a failure.
    pub(super) story: Vec<String>,
    pub(super) tally: Tally,
}

/// Serves the stand-ins of all cases, in real time.
fn servers() -> &'static Runtime {
    static SERVERS: OnceLock<Runtime> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    })
}

impl World {
    /// On a paused clock, with every account logged in and an empty ledger.
    pub(super) async fn new() -> World {
        let dir = folder();
        let time = Arc::new(Time {
            begun: Instant::now(),
            passed_ms: AtomicI64::new(0),
            skew_ms: AtomicI64::new(0),
            true_ms: AtomicI64::new(start().as_millisecond()),
        });
        let shown = Arc::clone(&time);
        let content = dir.path().join("content");
        std::fs::create_dir(&content).expect("a folder");
        let options = Options {
            dir: Some(dir.path().join("platform")),
            content: Some(content.clone()),
            clock: Arc::new(move || shown.true_ms.load(Ordering::Relaxed)),
            accounts: vec![
                AccountSetup::new("drafts"),
                AccountSetup::new("direct"),
                AccountSetup { moderation_ms: MODERATION_MS, ..AccountSetup::audited("public") },
            ],
            ..Options::default()
        };
        let started = servers().spawn(Rehearsal::start(options)).await.expect("no panic");
        let rehearsal = started.expect("the stand-in starts");
        let content = Content::new(&content, rehearsal.base_url(), LINEAGE);
        let path = dir.path().join("state/ledger.db");
        let at = (time.ours(), "init");
        drop(Ledger::create(&path, LINEAGE, at, LOCK_TIMEOUT, &holder(at.0)).expect("a ledger"));
        let watch = Arc::new(Watch::new(path, vault(dir.path())));
        let blocked = BTreeSet::new();
        let mut world = World {
            rehearsal,
            content,
            dir,
            time,
            watch,
            blocked,
            story: Vec::new(),
            tally: Tally::default(),
        };
        for account in ACCOUNTS {
            world.log_in(&account.parse().expect("a name"));
        }
        world
    }

    pub(super) async fn perform(&mut self, op: &Op) -> Verdict {
        match op {
            Op::Write { post, kind, due_h } => {
                let due = (*due_h > 0).then(|| SignedDuration::from_hours((*due_h).into()));
                self.content.write(*post, *kind, due, start());
            }
            Op::Text { post, version } => self.content.text(*post, *version),
            Op::Media { post, version } => self.content.media(*post, *version),
            Op::Rename { post } => self.content.rename(*post),
            Op::Delete { post } => self.content.delete(*post),
            Op::Retire { post, deleted } => self.content.retire(*post, *deleted),
            Op::Revise { post } => self.content.revise(*post),
            Op::Break { post } => self.content.set_broken(*post, true),
            Op::Mend { post } => self.content.set_broken(*post, false),
            Op::Pass { minutes } => self.pass(SignedDuration::from_mins((*minutes).into())),
            Op::Skew { minutes } => {
                let by = SignedDuration::from_mins((*minutes).into()).as_millis() as i64;
                self.time.skew_ms.fetch_add(by, Ordering::Relaxed);
            }
            Op::Fault { operation, nth, times, action } => {
                let fault = Fault { times: *times, ..Fault::nth(operation, *nth, action.clone()) };
                assert!(self.rehearsal.faults().add(fault), "there is room for a case's faults");
            }
            Op::Moderate { account, refuses } => self.moderate(account, *refuses),
            Op::Pause { post } => self.pause(*post),
            Op::Resume => self.resume_all(),
            Op::Plan => drop(self.plan()?),
            Op::Apply { waits } => drop(self.apply(None, *waits).await?),
            Op::Crash { place, nth } => drop(self.apply(Some((*place, *nth)), true).await?),
            Op::Attend => self.attend().await?,
        }
        Ok(())
    }

    pub(super) fn pass(&self, by: SignedDuration) {
        self.time.passed_ms.fetch_add(by.as_millis() as i64, Ordering::Relaxed);
        self.time.tick();
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time.ours()
    }

    pub(super) fn moderate(&self, account: &str, refuses: bool) {
        let reason = refuses.then(|| "spam_risk".to_owned());
        assert!(self.rehearsal.update_account(account, |setup| setup.fail_reason = reason), "it is there");
    }

    fn pause(&mut self, post: Option<usize>) {
        let scope = match post {
            Some(post) => Scope::Post { post: post_id(post) },
            None => Scope::Platform { platform: gitcast::domain::ids::PlatformId::Tiktok },
        };
        self.record(Event::Paused { scope, why: String::new(), until: None });
    }

    pub(super) fn resume_all(&mut self) {
        for pause in self.ledger().pauses().expect("pauses") {
            self.record(Event::Resumed { scope: pause.scope, why: String::new() });
        }
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger::open_read(&self.ledger_path()).expect("the ledger opens")
    }

    fn ledger_path(&self) -> PathBuf {
        self.dir.path().join("state/ledger.db")
    }

    pub(super) fn recorded(&self) -> Vec<Publication> {
        self.ledger().publications().expect("publications")
    }

    fn writing(&self) -> Ledger {
        let mut ledger = Ledger::open_write(&self.ledger_path(), LOCK_TIMEOUT, &holder(self.now()))
            .expect("the ledger opens");
        ledger.expect_lineage(LINEAGE).expect("its lineage");
        ledger.expect_latest(&self.ledger_path(), false).expect("the latest");
        ledger
    }

    fn record(&mut self, event: Event) {
        self.writing().append(self.now(), "a person", &[event]).expect("recorded");
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.watch.wrong()
    }

    fn load(&self) -> Loaded {
        let root = self.dir.path();
        let content = root.join("content");
        let cache = Cache::open(root.join("cache"));
        let clock = Arc::clone(&self.time);
        let http = Http::new(Clock::from_fn(move || clock.ours()));
        let keys: Keys = Arc::new(|name| {
            let value = if name.ends_with("SECRET") { "rehearsal-secret" } else { "rehearsal-key" };
            Some(Secret::new(value))
        });
        desired::load(
            &Source { root, content: &content, stand_in: None, threads: Threads::One, held: None },
            Some(&cache),
            &http,
            &keys,
        )
    }

    /// As `gitcast plan`: twice, with the same bytes, and nothing is written.
    pub(super) fn plan(&self) -> Verdict<Plan> {
        let before = self.files();
        let now = self.now();
        let plans: Vec<Plan> = [false, true]
            .into_iter()
            .map(|turned| {
                let (ledger, mut loaded) = (self.ledger(), self.load());
                let mut decided = decided(&ledger, &loaded, now);
                if turned {
                    // The order in which files and rows are read is no input.
                    loaded.desired.reverse();
                    decided.recorded.reverse();
                }
                make(&ledger, &loaded, &decided, now)
            })
            .collect();
        if self.files() != before {
            return Err("planning wrote a file".to_owned());
        }
        let bytes = |plan: &Plan| serde_json::to_string(plan).expect("text");
        if bytes(&plans[0]) != bytes(&plans[1]) {
            return Err(format!("two plans differ: {} and {}", bytes(&plans[0]), bytes(&plans[1])));
        }
        Ok(plans.into_iter().next().expect("two"))
    }

    fn files(&self) -> BTreeMap<PathBuf, (u64, SystemTime)> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.dir.path().join("content")]);
        folders.push(self.dir.path().join("state"));
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                let meta = entry.metadata().expect("metadata");
                if meta.is_dir() {
                    folders.push(entry.path());
                } else {
                    files.insert(entry.path(), (meta.len(), meta.modified().expect("a time")));
                }
            }
        }
        files
    }

    /// As `gitcast apply --auto-approve`. `death` is where the process dies, and at which passing.
    pub(super) async fn apply(&mut self, death: Option<(Place, u32)>, waits: bool) -> Verdict<Applied> {
        let loaded = self.load();
        let mut ledger = self.writing();
        let now = self.now();
        let decided = decided(&ledger, &loaded, now);
        let plan = make(&ledger, &loaded, &decided, now);
        ledger.append(now, "apply", &decided.events).map_err(|error| error.to_string())?;
        self.watch.begin(death);
        self.tally.applies += 1;
        let watched = |(name, platform): (&AccountName, &Arc<dyn Platform>)| {
            let (account, inner, watch) = (name.clone(), Arc::clone(platform), Arc::clone(&self.watch));
            (name.clone(), Arc::new(Watched { account, inner, watch }) as Arc<dyn Platform>)
        };
        let clock = Arc::clone(&self.time);
        let mut engine = Engine {
            ledger,
            vault: vault(self.dir.path()),
            clock: Clock::from_fn(move || clock.ours()),
            actor: "apply".to_owned(),
            content: self.dir.path().join("content"),
            hints: gitcast::reconcile::news::Hints::default(),
            commits: BTreeMap::new(),
            look_back: loaded.project.as_ref().map(|project| project.policy.max_age),
            pauses: decided.pauses.clone(),
            platforms: loaded.platforms.iter().map(watched).collect(),
        };
        // A moment for what needs no waiting, as when a CI job is not given any time.
        let max_wait = if waits { MAX_WAIT } else { SignedDuration::ZERO };
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        let until = Until::settled(self.now() + max_wait, stopped);
        let watch = Arc::clone(&self.watch);
        let mut notify = |notice: Notice<'_>| {
            if matches!(notice, Notice::Changed { .. }) && watch.passes(Place::AfterCommit) {
                // Unlike a panic, it tells nobody.
                std::panic::resume_unwind(Box::new(Place::AfterCommit));
            }
        };
        let run = AssertUnwindSafe(execute(&mut engine, &plan, &loaded.desired, until, &mut notify));
        let ended = tokio::select! {
            biased;
            () = self.watch.death() => None,
            ended = run.catch_unwind() => Some(ended),
        };
        drop(engine);
        let summary = match ended {
            None => None,
            Some(Ok(result)) => Some(result.map_err(|error| format!("the ledger failed: {error}"))?),
            Some(Err(payload)) if payload.is::<Place>() => None,
            Some(Err(payload)) => std::panic::resume_unwind(payload),
        };
        let acts: Vec<_> = plan.acting().map(|c| format!("{} {}@{}", c.reason, c.post, c.account)).collect();
        self.story.push(format!("  planned [{}], then {:?}", acts.join(", "), summary));
        let Some(summary) = summary else {
            self.watch.forget_unrecorded();
            self.tally.deaths += 1;
            return Ok(Applied::Died);
        };
        self.blocked = summary.blocked.keys().cloned().collect();
        Ok(Applied::Done(summary))
    }

    /// What a person does who looks at the outcomes and at the platform, and tells the truth.
    pub(super) async fn attend(&mut self) -> Verdict {
        self.let_the_platform_finish().await;
        let needs_login = |account: &AccountName| {
            let grant = self.ledger().grant(account).expect("grants");
            grant.is_none_or(|grant| grant.needs_login(self.now()).is_some())
        };
        let accounts = ACCOUNTS.map(|name| name.parse::<AccountName>().expect("a name"));
        for account in
            accounts.into_iter().filter(|a| self.blocked.contains(a) || needs_login(a)).collect::<Vec<_>>()
        {
            self.log_in(&account);
            self.tally.logins += 1;
            self.story.push(format!("  logged in {account}"));
        }
        self.blocked.clear();
        for publication in self.recorded() {
            let there = self.there(&publication.post, &publication.account)?;
            let known = self.successes(&publication).len();
            let reason = |code: &str| Reason::new(code, "a person: as it is");
            let change = match publication.state {
                State::Held if there > known => {
                    let remote =
                        Remote { id: None, url: Some("https://www.tiktok.com/@someone/video/1".to_owned()) };
                    let settlement = Settlement::Published { remote };
                    Change::Settled { settlement, reason: reason("settled-by-hand") }
                }
                State::Held => Change::Settled {
                    settlement: Settlement::NotPublished,
                    reason: reason("settled-by-hand"),
                },
                State::Failed if there > known => {
                    return Err(format!(
                        "{} on {} is recorded as failed ({:?}), and it is there",
                        publication.post, publication.account, publication.reason
                    ));
                }
                State::Failed => Change::Retried { reason: reason("retried-by-hand") },
                _ => continue,
            };
            match change {
                Change::Retried { .. } => self.tally.retries += 1,
                _ => self.tally.settled_by_hand += 1,
            }
            self.story.push(format!("  {} on {}: {}", publication.post, publication.account, change.name()));
            let (post, account) = (publication.post, publication.account);
            self.record(Event::Publication { post, account, change });
        }
        Ok(())
    }

    /// Until everything at the platform is what it will be.
    pub(super) async fn let_the_platform_finish(&self) {
        for _ in 0..FETCHES_MAX {
            self.pass(SignedDuration::from_secs(1));
            let working = |p: &PerformedPublication| p.status.starts_with("PROCESSING");
            if !self.rehearsal.publications().iter().any(working) {
                return;
            }
            // What is fetched takes real time, on the stand-in's own thread.
            let pause = servers().spawn(tokio::time::sleep(Duration::from_millis(1)));
            pause.await.expect("no panic");
        }
        panic!("the stand-in does not finish: {:?}", self.rehearsal.publications());
    }

    pub(super) fn log_in(&mut self, account: &AccountName) {
        let reply = self.rehearsal.issue_grant(account.as_str()).expect("a grant");
        let platform = self.load().platforms.get(account).cloned().expect("it is declared");
        let grant = platform.read_grant(&reply, self.now()).expect("a grant");
        let generation =
            self.ledger().grant(account).expect("grants").map_or(0, |record| record.generation) + 1;
        let stored = vault(self.dir.path()).stored(account, generation, &grant, platform.origin(), "import");
        self.record(Event::Grant { account: account.clone(), change: stored.expect("sealed") });
    }

    /// How many posts the platform really has of this one on this account.
    pub(super) fn there(&self, post: &PostId, account: &AccountName) -> Verdict<usize> {
        let mut count = 0;
        for performed in self.rehearsal.publications() {
            let ours = performed.account == account.as_str() && performed.status != "FAILED";
            count += usize::from(ours && owner(&performed)? == post.as_str());
        }
        Ok(count)
    }

    /// The revisions that are recorded as successful.
    pub(super) fn successes(&self, publication: &Publication) -> BTreeSet<u32> {
        let is_success = |change: &Change| {
            matches!(
                change,
                Change::Published { .. }
                    | Change::Delivered { .. }
                    | Change::Settled { settlement: Settlement::Published { .. }, .. }
            )
        };
        self.revisions(&publication.post, &publication.account, is_success)
    }

    /// The revisions in whose attempts something like this happened.
    pub(super) fn revisions(
        &self,
        post: &PostId,
        account: &AccountName,
        what: impl Fn(&Change) -> bool,
    ) -> BTreeSet<u32> {
        let (mut current, mut found) = (0, BTreeSet::new());
        for entry in self.ledger().read(Some(post), 0, u32::MAX).expect("events") {
            let Event::Publication { account: of, change, .. } = entry.event else { continue };
            if of != *account {
                continue;
            }
            if let Change::Started { revision, .. } = &change {
                current = *revision;
            }
            if what(&change) {
                found.insert(current);
            }
        }
        found
    }
}

/// Whose post this is, from what arrived: the end of its medium, or the address that it was fetched from.
fn owner(performed: &PerformedPublication) -> Verdict<String> {
    if let Some(url) = performed.urls.first() {
        let name = url.rsplit('/').next().unwrap_or_default();
        return Ok(name.split('-').next().unwrap_or_default().to_owned());
    }
    let media = performed.media.first().ok_or_else(|| format!("a post without media: {performed:?}"))?;
    let tag = tail(&media.path, 7).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&tag).split(':').next().unwrap_or_default().to_owned())
}

fn tail(path: &Path, bytes: u64) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::End(-i64::try_from(bytes).expect("small")))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

/// In memory where the system offers that: no power is cut here, and syncing to a disk would be most of the time.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("gitcast-model-").tempdir_in(parent).expect("temporary folder")
}

fn post_id(post: usize) -> PostId {
    id(post).parse().expect("an id")
}

fn vault(dir: &Path) -> Vault {
    let file = dir.join("state/key");
    Vault::new(Key::from_file(&file).or_else(|_| Key::create(&file)).expect("a key"), LINEAGE)
}

fn holder(now: Timestamp) -> Holder {
    Holder::this_process("model", now, |_| None)
}

fn decided(ledger: &Ledger, loaded: &Loaded, now: Timestamp) -> Decided {
    resolution::decide(resolution::Input {
        resolutions: &loaded.resolutions,
        doubtful: &loaded.doubtful,
        known: ledger.decisions().expect("decisions").into_iter().collect(),
        recorded: ledger.publications().expect("publications"),
        pauses: ledger.pauses().expect("pauses"),
        desired: &loaded.desired,
        actor: "apply",
        now,
    })
}

/// As `cli/plan.rs` makes it, with everything selected.
fn make(ledger: &Ledger, loaded: &Loaded, decided: &Decided, now: Timestamp) -> Plan {
    let by_path =
        decided.recorded.iter().filter(|p| loaded.broken_paths.contains(&p.path)).map(|p| p.post.clone());
    plan::plan(&plan::Input {
        desired: &loaded.desired,
        recorded: &decided.recorded,
        broken: &loaded.broken.iter().cloned().chain(by_path).collect(),
        complete: loaded.complete,
        caps: &loaded.caps,
        spent: &loaded.spent(ledger, now).expect("what was sent"),
        policy: loaded.project.as_ref().expect("a project").policy,
        overrides: Overrides::default(),
        pauses: &decided.pauses,
        now,
    })
}
