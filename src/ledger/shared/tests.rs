//! Copies of one ledger, a real git, and a bare repository between them.

use std::path::PathBuf;
use std::process::Command;

use jiff::SignedDuration;
use serde_json::json;

use super::copy::ASIDE;
use super::*;
use crate::domain::event::{Event, GrantChange};
use crate::domain::insight::Insight;
use crate::domain::publication::{Change, Reason, Remote, State};
use crate::ledger::tests::{account, change, request, started, stepped, time};

const PATIENCE: Duration = Duration::from_secs(30);
/// A lock may be held for as long as another test takes to start a program.
const A_MOMENT: Duration = Duration::from_millis(300);

/// A bare repository, and clones of it with a copy of the ledger each.
struct World(tempfile::TempDir);

impl World {
    fn new() -> World {
        let world = World(tempfile::tempdir().expect("temporary folder"));
        git(world.0.path(), &["init", "-q", "--bare", "hub.git"]);
        world
    }

    fn hub(&self) -> PathBuf {
        self.0.path().join("hub.git")
    }

    /// A clone of this name; made when it is first asked for.
    fn clone(&self, name: &str) -> Clone<'_> {
        let folder = self.0.path().join(name);
        if !folder.exists() {
            git(self.0.path(), &["init", "-q", name]);
            git(&folder, &["remote", "add", "origin", "../hub.git"]);
        }
        Clone { world: self, folder, host: name.to_owned() }
    }

    /// A program that git runs in the hub.
    fn hook(&self, name: &str, text: &str) {
        let path = self.hub().join("hooks").join(name);
        let write =
            "mkdir -p \"$(dirname \"$0\")\"; printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\"; chmod 700 \"$0\"";
        let status = Command::new("sh").args(["-c", write]).arg(path).arg(text).status();
        assert!(status.expect("sh").success());
    }

    fn tip(&self) -> String {
        git(&self.hub(), &["rev-parse", "refs/gitcast/ledger"])
    }
}

struct Clone<'w> {
    world: &'w World,
    folder: PathBuf,
    host: String,
}

impl Clone<'_> {
    fn path(&self) -> PathBuf {
        self.folder.join("state/ledger.db")
    }

    fn place(&self) -> Place {
        Place {
            folder: self.folder.clone(),
            remote: "origin".into(),
            reference: "refs/gitcast/ledger".into(),
            lease: SignedDuration::from_mins(5),
            variable: |name| std::env::var_os(name),
        }
    }

    fn holder(&self, at: i64) -> Holder {
        Holder {
            pid: 1,
            host: self.host.clone(),
            started_at: time(at),
            command: "gitcast test".into(),
            run_url: None,
        }
    }

    fn create(&self) -> Ledger {
        let holder = self.holder(0);
        Ledger::create_shared(&self.path(), &self.place(), "line", (time(0), "test"), (PATIENCE, &holder))
            .expect("create")
    }

    fn try_open(&self, at: i64) -> Result<Ledger, Error> {
        Ledger::open_shared(&self.path(), &self.place(), A_MOMENT, &self.holder(at))
    }

    fn open(&self, at: i64) -> Ledger {
        self.try_open(at).expect("open")
    }

    /// The same, whoever works with it.
    fn pull(&self) -> Ledger {
        Ledger::pull(&self.path(), &self.place(), PATIENCE, &self.holder(0)).expect("pull")
    }

    /// What a process leaves that dies at once: another machine has it in a folder of another name.
    fn dead(&self, name: &str) -> Self {
        let copy = self.world.clone(name);
        std::fs::create_dir_all(copy.folder.join("state")).expect("folder");
        for suffix in ["", "-wal"] {
            let from = open::beside(&self.path(), suffix);
            if from.exists() {
                std::fs::copy(from, open::beside(&copy.path(), suffix)).expect("copy");
            }
        }
        Clone { world: self.world, folder: copy.folder, host: self.host.clone() }
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

fn intended(post: &str) -> [Event; 2] {
    [
        change(post, Change::Staged { checkpoint: json!({ "ready": true }) }),
        change(post, Change::Intended { checkpoint: json!({ "sent": true }) }),
    ]
}

fn published(post: &str) -> Event {
    let remote = Remote { id: Some(format!("7{post}")), url: None };
    change(post, Change::Published { checkpoint: None, remote, next_at: None })
}

fn insight(post: &str) -> Event {
    let insight = Insight { views: Some(7), ..Insight::default() };
    Event::Insight { post: post.parse().expect("id"), account: account(), insight }
}

/// What leads to a request that cannot be taken back, and what nobody could find out.
#[test]
fn claims_logins_and_decisions_never_wait() {
    let login = |change| Event::Grant { account: account(), change };
    let staged = |post| intended(post)[0].clone();
    for (event, may_wait) in [
        (started("one"), false),
        (intended("one")[1].clone(), false),
        (
            change("one", Change::Forgotten { forced: false, reason: Reason::new("a", "b"), again: false }),
            false,
        ),
        (login(GrantChange::Presented { generation: 1 }), false),
        (login(GrantChange::LoggedOut { generation: 1, at_platform: true }), false),
        (Event::Created { lineage: "line".into() }, false),
        (request("video/list", time(0)), true),
        (staged("one"), true),
        (published("one"), true),
        (insight("one"), true),
        (change("one", Change::Noticed { reason: Reason::new("a", "b") }), true),
    ] {
        assert_eq!(urgency::may_wait(&event, false), may_wait, "{event:?}");
    }
    assert!(!urgency::may_wait(&stepped("one", 1), false) && urgency::may_wait(&stepped("one", 1), true));
}

fn states(ledger: &Ledger) -> Vec<(String, State)> {
    let publications = ledger.publications().expect("publications");
    publications.into_iter().map(|p| (p.post.to_string(), p.state)).collect()
}

/// Entries that are here and not there.
fn waiting(ledger: &Ledger) -> u64 {
    let standing = ledger.standing().expect("standing").expect("a copy");
    standing.recorded - standing.shared
}

#[test]
fn what_one_records_the_next_knows() {
    let world = World::new();
    assert!(matches!(world.clone("a").try_open(0), Err(Error::Missing { .. })));
    let mut ledger = world.clone("a").create();
    ledger.append(time(1), "a", &[started("one")]).expect("append");
    ledger.append(time(2), "a", &[stepped("one", 1)]).expect("append");
    assert_eq!(waiting(&ledger), 0, "an upload's address");
    ledger.append(time(3), "a", &[stepped("one", 2)]).expect("append");
    assert_eq!(waiting(&ledger), 1, "how far an upload is");
    ledger.append(time(3), "a", &intended("one")).expect("append");
    assert_eq!(waiting(&ledger), 0, "an intent takes along what waits");
    ledger.append(time(4), "a", &[published("one")]).expect("append");
    assert_eq!(waiting(&ledger), 1, "an outcome");
    drop(ledger);

    let ledger = world.clone("b").open(5);
    assert_eq!(states(&ledger), [("one".to_owned(), State::Published)]);
    assert_eq!(ledger.verify().expect("verify"), []);
    assert_eq!(ledger.lease(), None);
    drop(ledger);
    let before = world.tip();
    drop(world.clone("a").open(6));
    assert_eq!(world.tip(), before, "who has nothing to say leaves no trace");
    assert_eq!(world.clone("c").place().verify().expect("verify").expect("a head").seq, 7);
}

#[test]
fn only_one_of_two_records() {
    let world = World::new();
    drop(world.clone("a").create());
    // The lease is not looked at: what holds must hold without.
    let (mut a, mut b) = (world.clone("a").pull(), world.clone("b").pull());
    a.append(time(1), "a", &[started("one")]).expect("append");
    let error = b.append(time(1), "b", &[started("one")]).expect_err("somebody was faster");
    assert!(matches!(error, Error::Moved { .. }), "{error}");
    assert_eq!(states(&b), [], "nothing is recorded");
    assert!(matches!(b.append(time(1), "b", &[started("two")]), Err(Error::Moved { .. })));
    a.append(time(2), "a", &intended("one")).expect("append");
    b.append(time(2), "b", &[request("video/list", time(0))]).expect("append");
    b.leave().expect("what the other one wrote is taken over");
    let aside = std::fs::read_to_string(open::beside(&world.clone("b").path(), ASIDE)).expect("put aside");
    assert!(aside.contains("video/list"), "{aside}");
    assert_eq!(states(&b), [("one".to_owned(), State::Publishing)]);
    drop((a, b));
    assert_eq!(states(&world.clone("b").pull()), [("one".to_owned(), State::Publishing)]);
}

#[test]
fn a_lease_keeps_others_waiting_until_it_is_over() {
    let world = World::new();
    drop(world.clone("a").create());
    let a = world.clone("a");
    let mut ledger = a.open(0);
    ledger.append(time(0), "a", &[started("one")]).expect("append");
    match world.clone("b").try_open(299) {
        Err(Error::Locked { holder: Some(holder) }) => assert_eq!(holder.host, "a"),
        other => panic!("{other:?}"),
    }
    // A long upload records that it lives.
    ledger.append(time(200), "a", &[stepped("one", 1)]).expect("append");
    ledger.append(time(400), "a", &[stepped("one", 2)]).expect("append");
    assert!(matches!(world.clone("b").try_open(600), Err(Error::Locked { .. })));
    // It dies, and its own machine goes on at once; another waits for the end.
    let dead = a.dead("dead");
    assert!(matches!(world.clone("b").try_open(699), Err(Error::Locked { .. })));
    assert_eq!(waiting(&dead.open(500)), 0);
    let mut b = world.clone("b").open(701);
    b.append(time(701), "b", &intended("one")).expect("append");
    assert_eq!(b.lease().map(|lease| lease.holder.host.as_str()), Some("b"));
    // The first one was not dead after all.
    let error = ledger.append(time(702), "a", &intended("one")).expect_err("b has it");
    assert!(matches!(error, Error::Moved { .. }), "{error}");
    // A person knows better than the clock.
    let mut c = world.clone("c").pull();
    c.unlock().expect("unlock");
    assert_eq!(c.lease(), None);
}

#[test]
fn a_run_that_records_nothing_renews_its_lease() {
    let world = World::new();
    drop(world.clone("a").create());
    let mut ledger = world.clone("a").open(0);
    assert_eq!(ledger.renewal(time(0)), None, "nobody is kept waiting");
    ledger.append(time(0), "a", &[started("one")]).expect("append");
    assert_eq!(ledger.renewal(time(100)), Some(Duration::from_secs(50)));
    // Away for a moment, it is asked again, and not without a pause.
    let away = world.0.path().join("away");
    std::fs::rename(world.hub(), &away).expect("rename");
    ledger.renew(time(160)).expect("no reason to end");
    assert_eq!(ledger.renewal(time(160)), Some(Duration::from_millis(37_500)));
    std::fs::rename(&away, world.hub()).expect("rename");
    ledger.renew(time(160)).expect("renewed");
    assert!(matches!(world.clone("b").try_open(450), Err(Error::Locked { .. })));
    let mut c = world.clone("c").pull();
    c.unlock().expect("unlock");
    assert!(matches!(ledger.renew(time(320)), Err(Error::Moved { .. })), "another run may work");
}

#[test]
fn what_waits_is_put_aside_where_others_have_gone_on() {
    let world = World::new();
    let a = world.clone("a");
    let mut ledger = a.create();
    ledger.append(time(1), "a", &[&[started("one")], &intended("one")[..]].concat()).expect("append");
    ledger.append(time(2), "a", &[published("one")]).expect("append");
    assert_eq!(waiting(&ledger), 1);
    let (dead, gone) = (a.dead("dead"), a.dead("gone"));
    // It dies, and the same machine sends what it had not.
    let mut lives = dead.open(3);
    assert_eq!(waiting(&lives), 1);
    lives.leave().expect("leave");
    drop(lives);
    // Another copy of it comes later, with the same entry: that is the same.
    let same = gone.open(4);
    assert_eq!((waiting(&same), states(&same)), (0, vec![("one".to_owned(), State::Published)]));
    drop(same);
    assert!(!open::beside(&gone.path(), ASIDE).exists());

    let mut ledger = world.clone("b").open(10);
    ledger.append(time(10), "b", &[started("two")]).expect("append");
    ledger.append(time(11), "b", &[stepped("two", 1)]).expect("append");
    ledger.append(time(12), "b", &[stepped("two", 2)]).expect("append");
    let late = world.clone("b").dead("late");
    let mut c = world.clone("c").pull();
    c.unlock().expect("unlock");
    c.append(time(14), "c", &intended("two")).expect("append");
    drop(c);
    let ledger = late.open(15);
    assert_eq!(states(&ledger)[1], ("two".to_owned(), State::Publishing));
    assert_eq!((waiting(&ledger), ledger.verify().expect("verify")), (0, vec![]));
    let aside = std::fs::read_to_string(open::beside(&late.path(), ASIDE)).expect("put aside");
    assert!(aside.contains(r#""step":2"#) && aside.lines().count() == 1, "{aside}");
}

#[test]
fn a_ref_that_does_not_go_on_from_what_was_there_is_refused() {
    let world = World::new();
    let a = world.clone("a");
    let mut ledger = a.create();
    let first = world.tip();
    ledger.append(time(1), "a", &[started("one")]).expect("append");
    drop(ledger);
    let good = world.tip();
    let set = |to: &str| git(&world.hub(), &["update-ref", "refs/gitcast/ledger", to]);
    let refused = |why: &str| match a.try_open(2) {
        Err(error @ Error::Rewritten { .. }) => assert!(error.to_string().contains(why), "{error}"),
        other => panic!("{why}: {other:?}"),
    };
    set(&first);
    refused("entry 2 was there before");
    // Another history of the same length.
    let mut other = world.clone("b").open(400);
    other.append(time(400), "b", &[started("other")]).expect("append");
    drop(other);
    refused("entry 2 is another one");
    git(&world.hub(), &["update-ref", "-d", "refs/gitcast/ledger"]);
    refused("is gone");
    // No ledger at all.
    let tree = git(&world.hub(), &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let who = ["-c", "user.name=x", "-c", "user.email=x@localhost"];
    let commit = git(&world.hub(), &[&who[..], &["commit-tree", &tree, "-m", "x"]].concat());
    set(&commit);
    refused("no ledger");
    set(&good);
    assert_eq!(states(&a.open(3)), [("one".to_owned(), State::Staging)]);
    // Entries that were meddled with.
    let text = git(&world.hub(), &["show", &format!("{good}:events-0000000002-0000000002.jsonl")]);
    let forged = text.replace("content/one.yaml", "content/two.yaml");
    std::fs::write(world.hub().join("forged"), forged + "\n").expect("file");
    let blob = git(&world.hub(), &["hash-object", "-w", "forged"]);
    let list = git(&world.hub(), &["ls-tree", &good]);
    let list = list.lines().map(|line| match line.split_once('\t') {
        Some((_, name)) if name.ends_with("02-0000000002.jsonl") => format!("100644 blob {blob}\t{name}\n"),
        _ => format!("{line}\n"),
    });
    std::fs::write(world.hub().join("list"), list.collect::<String>()).expect("file");
    let tree = git(&world.hub(), &["-c", "core.quotePath=true", "hash-object", "-t", "blob", "list"]);
    assert!(!tree.is_empty());
    let script = format!("git mktree < list > tree && git {} commit-tree $(cat tree) -m x", who.join(" "));
    let output = Command::new("sh").args(["-c", &script]).current_dir(world.hub()).output().expect("sh");
    set(String::from_utf8_lossy(&output.stdout).trim_end());
    let verified = world.clone("fresh").place().verify();
    assert!(matches!(verified, Err(Error::Rewritten { .. })), "{verified:?}");
    let fresh = world.clone("fresh").try_open(4);
    assert!(matches!(fresh, Err(Error::Rewritten { .. })), "{fresh:?}");
    assert!(!world.clone("fresh").path().exists(), "half a copy");
}

#[test]
fn an_object_that_is_lost_here_is_fetched_again() {
    let world = World::new();
    let a = world.clone("a");
    let mut ledger = a.create();
    ledger.append(time(1), "a", &[started("one")]).expect("append");
    drop(ledger);
    std::fs::remove_file(a.path()).expect("the copy");
    let tip = world.tip();
    for name in [tip.clone(), format!("{tip}:head.json"), format!("{tip}:events-0000000002-0000000002.jsonl")]
    {
        let id = git(&a.folder, &["rev-parse", &name]);
        let object = a.folder.join(".git/objects").join(&id[..2]).join(&id[2..]);
        std::fs::remove_file(object).expect("a loose object");
        let ledger = a.open(2);
        assert_eq!(states(&ledger), [("one".to_owned(), State::Staging)], "{name}");
        drop(ledger);
        std::fs::remove_file(a.path()).expect("the copy");
    }
}

#[test]
fn an_answer_that_is_lost_is_found_out() {
    let world = World::new();
    let a = world.clone("a");
    let mut ledger = a.create();
    // The hub dies when all is done.
    world.hook("post-receive", "kill -9 $PPID");
    ledger.append(time(1), "a", &[started("one")]).expect("it is there");
    // It refuses.
    world.hook("post-receive", "exit 0");
    world.hook("pre-receive", "echo no >&2; exit 1");
    let error = ledger.append(time(2), "a", &intended("one")).expect_err("refused");
    assert!(error.to_string().contains("pre-receive hook declined"), "{error}");
    assert_eq!(states(&ledger), [("one".to_owned(), State::Staging)], "what is not there is not here");
    drop(ledger);
    // It is away.
    std::fs::rename(world.hub(), world.0.path().join("away")).expect("rename");
    let error = a.try_open(3).expect_err("away");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    std::fs::rename(world.0.path().join("away"), world.hub()).expect("rename");
    world.hook("pre-receive", "exit 0");
    let mut ledger = a.open(4);
    ledger.append(time(4), "a", &intended("one")).expect("append");
    drop(ledger);
    assert_eq!(states(&world.clone("b").open(5)), [("one".to_owned(), State::Publishing)]);
}

#[test]
fn a_ledger_of_one_machine_is_shared_and_taken_back() {
    let world = World::new();
    let a = world.clone("a");
    let mut ledger =
        Ledger::create(&a.path(), "line", (time(0), "test"), PATIENCE, &a.holder(0)).expect("create");
    for post in ["one", "two"] {
        ledger
            .append(time(1), "a", &[&[started(post)], &intended(post)[..], &[published(post)]].concat())
            .expect("append");
    }
    drop(ledger);
    assert!(matches!(a.try_open(2), Err(Error::NotShared { .. })));
    let migrate = || Ledger::migrate(&a.path(), &a.place(), time(2), (PATIENCE, &a.holder(2)));
    drop(migrate().expect("migrate"));
    assert_eq!(states(&world.clone("b").open(3)).len(), 2);
    // The ref is lost, and put there anew.
    git(&world.hub(), &["update-ref", "-d", "refs/gitcast/ledger"]);
    assert!(matches!(a.try_open(4), Err(Error::Rewritten { .. })));
    drop(migrate().expect("migrate"));
    assert_eq!(world.clone("b").open(5).head().expect("head").seq, 9);
    // Another ledger is none of ours, whatever its length.
    let c = world.clone("c");
    drop(Ledger::create(&c.path(), "other", (time(0), "test"), PATIENCE, &c.holder(0)).expect("create"));
    assert!(matches!(c.try_open(6), Err(Error::OtherLineage { .. })));
    let d = world.clone("d");
    let mut ledger =
        Ledger::create(&d.path(), "line", (time(9), "test"), PATIENCE, &d.holder(0)).expect("create");
    ledger.append(time(9), "d", &[started("three")]).expect("append");
    drop(ledger);
    let other = d.try_open(10);
    assert!(matches!(other, Err(Error::NotShared { .. })), "{other:?}");
    let mut ledger = a.open(11);
    ledger.unshare().expect("unshare");
    drop(ledger);
    assert_eq!(
        world.clone("e").try_open(12).map(drop).map_err(|e| matches!(e, Error::Missing { .. })),
        Err(true)
    );
    let ledger = Ledger::open_write(&a.path(), PATIENCE, &a.holder(13)).expect("open");
    assert_eq!((ledger.standing().expect("standing"), ledger.head().expect("head").seq), (None, 9));
}

/// Whatever is shared in whatever portions: the tree stays small, and every copy is the same.
#[test]
fn many_entries_are_a_few_files() {
    let world = World::new();
    let a = world.clone("a");
    let mut ledger = a.create();
    for n in 0..40 {
        ledger.append(time(n), "a", &[started(&format!("p{n}"))]).expect("append");
    }
    let seq = ledger.head().expect("head").seq;
    drop(ledger);
    let files = git(&world.hub(), &["ls-tree", "--name-only", "refs/gitcast/ledger"]);
    assert!(files.lines().count() < 14, "{files}");
    let b = world.clone("b").open(100);
    assert_eq!((b.head().expect("head").seq, b.verify().expect("verify")), (seq, vec![]));
    assert_eq!(b.head().expect("head"), a.open(100).head().expect("head"));
}
