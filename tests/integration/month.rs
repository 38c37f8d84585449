//! A month of a watch in some seconds: the clock jumps from one appointment to the next. Every post leaves in its minute,
//! or the plan said why not; the process dies now and then; none is there twice.
//!
//! `GITCAST_MONTH_POSTS=1000` for a full month.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gitcast::clock::Clock;
use gitcast::content::scan::Threads;
use gitcast::domain::plan::{self, Action, Overrides, Plan};
use gitcast::domain::publication::State;
use gitcast::ledger::vault::{Key, Vault};
use gitcast::ledger::{Holder, Ledger};
use gitcast::platform::http::Http;
use gitcast::reconcile::desired::{self, Loaded, Source};
use gitcast::reconcile::execute::{Engine, Until, execute};
use gitcast::reconcile::wake::wake_at;
use gitcast::rehearsal::{AccountSetup, Options, Rehearsal};
use gitcast::secret::Secret;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::support::Project;

const ZONE: &str = "Europe/Berlin";
/// Summer time ends on 2026-10-25.
const BEGIN: &str = "2026-10-10T00:00:00Z";
const DAYS: u64 = 30;
const ACCOUNTS: u64 = 20;
/// Every second account is on TikTok, which takes 15 posts a day.
const CAP: usize = 15;
/// More posts than that, on one day of one account.
const BURST: u64 = 20;
/// The account with quiet hours.
const QUIET: u64 = 3;
const PASSES_MAX: u32 = 200_000;
const RESYNC: SignedDuration = SignedDuration::from_hours(6);
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Seven in the morning, for what is written for the hours before.
fn after_the_night(local: DateTime) -> DateTime {
    match local.hour() {
        0..7 => local.date().at(7, 0, 0, 0),
        7..22 => local,
        _ => local.date().tomorrow().expect("in range").at(7, 0, 0, 0),
    }
}

struct Month {
    project: Project,
    rehearsal: Rehearsal,
    now_ms: Arc<AtomicI64>,
    due: BTreeMap<String, Timestamp>,
}

impl Month {
    async fn new(posts: u64) -> Month {
        let begin: Timestamp = BEGIN.parse().expect("a time");
        let now_ms = Arc::new(AtomicI64::new(begin.as_millisecond()));
        let shown = Arc::clone(&now_ms);
        let name = |n: u64| format!("account-{n}");
        let setup = |n| {
            let account = match n % 2 {
                0 => AccountSetup::audited(&name(n)),
                _ => AccountSetup::bluesky(&name(n), &format!("{}.example", name(n))),
            };
            // A pass for each refresh: a few are enough here.
            AccountSetup { access_life_s: 3 * 24 * 60 * 60, ..account }
        };
        let options = Options {
            accounts: (0..ACCOUNTS).map(setup).collect(),
            clock: Arc::new(move || shown.load(Ordering::SeqCst)),
            ..Options::default()
        };
        let rehearsal = Rehearsal::start(options).await.expect("the stand-in starts");
        let url = rehearsal.base_url().to_owned();
        let account = |n: u64| {
            let own = match n % 2 {
                0 => "platform: tiktok\n    mode: direct\n    audited: true".to_owned(),
                _ => format!("platform: bluesky\n    handle: {}.example", name(n)),
            };
            let quiet = if n == QUIET { "    quiet_hours: { from: 22:00, to: 7:00 }\n" } else { "" };
            format!("  {}:\n    {own}\n    endpoint: {url}\n{quiet}", name(n))
        };
        let accounts: String = (0..ACCOUNTS).map(account).collect();
        let project = Project::with(&format!(
            "version: 1\ntimezone: {ZONE}\npolicy:\n  max_new_posts: 100\n  late: {{ grace: 2h, then: publish }}\naccounts:\n{accounts}"
        ));
        let video = std::fs::read(crate::support::fixture_path("good.mp4")).expect("fixture");
        let (mut random, mut due) = (Random(7), BTreeMap::new());
        for n in 0..posts + BURST {
            let (id, is_burst) = (format!("post-{n}"), n >= posts);
            let to = if is_burst { 0 } else { n % ACCOUNTS };
            let local = local_time(&mut random, is_burst);
            let open = if to == QUIET { after_the_night(local) } else { local };
            due.insert(
                id.clone(),
                open.to_zoned(TimeZone::get(ZONE).expect("a zone")).expect("once").timestamp(),
            );
            let mut manifest = format!("id: {id}\npublish_at: {local}\ntext: The text of {id}\n");
            if to % 2 == 0 {
                // A box of its own at the end: another file, the same video.
                let size = u32::try_from(id.len() + 8).expect("short").to_be_bytes();
                project.write(
                    &format!("content/{id}.mp4"),
                    [&video[..], &size, b"free", id.as_bytes()].concat(),
                );
                manifest += &format!("media:\n  - file: {id}.mp4\n");
            }
            let options = if to % 2 == 0 { "\n    privacy: public" } else { "" };
            project
                .write(&format!("content/{id}.yaml"), format!("{manifest}to:\n  {}:{options}\n", name(to)));
        }
        let month = Month { project, rehearsal, now_ms, due };
        month.log_in();
        month
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms.load(Ordering::SeqCst)).expect("in range")
    }

    fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Clock::from_fn(move || Timestamp::from_millisecond(now_ms.load(Ordering::SeqCst)).expect("in range"))
    }

    fn vault(&self) -> Vault {
        let file = self.project.path("state/key");
        Vault::new(Key::from_file(&file).or_else(|_| Key::create(&file)).expect("a key"), "month")
    }

    fn ledger(&self) -> Ledger {
        let (path, holder) =
            (self.project.path("state/ledger.db"), Holder::this_process("month", self.now(), |_| None));
        let wait = Duration::from_secs(5);
        match path.exists() {
            true => Ledger::open_write(&path, wait, &holder).expect("it opens"),
            false => {
                std::fs::create_dir_all(self.project.path("state")).expect("a folder");
                Ledger::create(&path, "month", (self.now(), "month"), wait, &holder).expect("a ledger")
            }
        }
    }

    fn load(&self) -> Loaded {
        let (root, content) = (self.project.path("."), self.project.path("content"));
        let keys = Arc::new(|name: &str| {
            let value = if name.ends_with("SECRET") { "rehearsal-secret" } else { "rehearsal-key" };
            Some(Secret::new(value))
        });
        let source =
            Source { root: &root, content: &content, stand_in: None, threads: Threads::One, held: None };
        let loaded = desired::load(&source, None, &Http::new(self.clock()), &(keys as _));
        assert!(!loaded.diagnostics.iter().any(|d| d.is_error()), "{:?}", loaded.diagnostics);
        loaded
    }

    fn log_in(&self) {
        let (mut ledger, loaded) = (self.ledger(), self.load());
        for (account, platform) in &loaded.platforms {
            let reply = self.rehearsal.issue_grant(account.as_str()).expect("a grant");
            let grant = platform.read_grant(&reply, self.now()).expect("a grant");
            let change =
                self.vault().stored(account, 1, &grant, platform.origin(), "import").expect("sealed");
            let event = gitcast::domain::event::Event::Grant { account: account.clone(), change };
            ledger.append(self.now(), "month", &[event]).expect("recorded");
        }
    }
}

/// A time on some day of the month; of a burst, within one afternoon. Never in the hour that comes twice.
fn local_time(random: &mut Random, is_burst: bool) -> DateTime {
    let begin: DateTime = "2026-10-10T02:00:00".parse().expect("a time");
    let minutes = match is_burst {
        true => 5 * 24 * 60 + 10 * 60 + random.below(6 * 60),
        false => random.below((DAYS - 2) * 24 * 60),
    };
    let local = begin + SignedDuration::from_mins(i64::try_from(minutes).expect("small"));
    let is_twice = (local.month(), local.day(), local.hour()) == (10, 25, 2);
    if is_twice { local + SignedDuration::from_hours(1) } else { local }
}

fn make(ledger: &Ledger, loaded: &Loaded, now: Timestamp) -> Plan {
    plan::plan(&plan::Input {
        desired: &loaded.desired,
        recorded: &ledger.publications().expect("publications"),
        broken: &BTreeSet::new(),
        complete: true,
        caps: &loaded.caps,
        spent: &loaded.spent(ledger, now).expect("what was sent"),
        policy: loaded.project.as_ref().expect("a project").policy,
        overrides: Overrides::default(),
        pauses: &[],
        now,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_post_of_a_month_leaves_in_its_minute_or_slips_for_a_reason() {
    let posts = std::env::var("GITCAST_MONTH_POSTS").ok().and_then(|n| n.parse().ok()).unwrap_or(160);
    let month = Month::new(posts).await;
    let end = month.now() + SignedDuration::from_hours(i64::try_from(DAYS * 24).expect("small"));
    let (mut random, mut slipped, mut restarts) = (Random(11), BTreeMap::new(), 0);
    let (mut loaded, mut ledger) = (month.load(), Some(month.ledger()));
    let mut passes = 0;
    while month.now() < end {
        passes += 1;
        assert!(passes < PASSES_MAX, "no end");
        // Another process goes on, with what the ledger has.
        if random.below(20) == 0 {
            drop(ledger.take());
            loaded = month.load();
            restarts += 1;
        }
        let open = ledger.take().unwrap_or_else(|| month.ledger());
        let plan = make(&open, &loaded, month.now());
        for change in plan.changes.iter().filter(|c| month.due[c.post.as_str()] <= month.now()) {
            if change.action == Action::Wait {
                slipped.insert(change.post.to_string(), change.reason.clone());
            }
            assert!(!matches!(change.action, Action::Refuse | Action::Hold | Action::Failed), "{change:?}");
        }
        let platforms = loaded.platforms.iter().map(|(name, platform)| (name.clone(), Arc::clone(platform)));
        let mut engine = Engine {
            ledger: open,
            vault: month.vault(),
            clock: month.clock(),
            actor: "month".into(),
            content: month.project.path("content"),
            look_back: Some(SignedDuration::from_hours(24 * 7)),
            pauses: Vec::new(),
            platforms: platforms.collect(),
            hints: gitcast::reconcile::news::Hints::default(),
            commits: BTreeMap::new(),
        };
        let until = Until::settled(month.now(), tokio::sync::watch::channel(false).1);
        let summary = execute(&mut engine, &plan, &loaded.desired, until, &mut |_| {}).await;
        let summary = summary.expect("the ledger is fine");
        let recorded = engine.ledger.publications().expect("publications");
        let mut grants = BTreeMap::new();
        for (account, platform) in &loaded.platforms {
            let grant = engine.ledger.grant(account).expect("grants").expect("it is logged in");
            grants.insert(account.clone(), (grant, platform.token_care()));
        }
        let next = wake_at(month.now(), (&plan, &recorded), &grants, month.now() + RESYNC);
        let next = summary.next_at.map_or(next, |at| next.min(at));
        ledger = Some(engine.ledger);
        month.now_ms.store(next.as_millisecond(), Ordering::SeqCst);
    }
    let ledger = ledger.expect("open");
    let recorded = ledger.publications().expect("publications");
    assert_eq!(recorded.len(), month.due.len());
    let mut late = BTreeSet::new();
    for publication in &recorded {
        assert_eq!(publication.state, State::Published, "{publication:?}");
        let left = publication
            .intended_at
            .expect("it was sent")
            .duration_since(month.due[publication.post.as_str()]);
        assert!(left >= SignedDuration::ZERO, "{} left before its time", publication.post);
        if left >= MINUTE {
            late.insert(publication.post.to_string());
        }
    }
    let unexplained: Vec<_> = late.iter().filter(|post| !slipped.contains_key(*post)).collect();
    assert!(unexplained.is_empty(), "late without a reason: {unexplained:?}");
    assert!(slipped.values().all(|reason| reason == "cap"), "{slipped:?}");
    assert!(late.len() >= usize::try_from(BURST).expect("small") - CAP, "{late:?}");
    // Each is at the platform once, by its text.
    let made = month.rehearsal.publications();
    let texts: BTreeSet<_> = made.iter().map(|publication| &publication.title).collect();
    assert_eq!((made.len(), texts.len()), (month.due.len(), month.due.len()));
    assert!(restarts > 10, "{restarts}");
    assert_eq!(ledger.verify().expect("readable"), []);
}
