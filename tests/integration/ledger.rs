//! A ledger that lives in git: machines without a disk of their own, over real transports.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gitcast::crash::{Point, VARIABLE};
use gitcast::rehearsal::{AccountSetup, Action, Fault};

use crate::support::{Hub, Project, Run, Server, send, wait_until};

const APPLY: [&str; 5] = ["apply", "--auto-approve", "--lock-timeout", "60s", "--max-wait=60s"];
/// Nothing passes a place more often.
const PASSES_MAX: u32 = 40;
const RUNS_MAX: u32 = 6;
/// What is promised is five seconds; the rest is for a machine that has other things to do.
const SOON: Duration = Duration::from_millis(6_500);
/// Most of the time a case waits.
const WORKERS: usize = 6;

/// A hub with a project whose ledger is there, and the machine that set it up.
struct World {
    server: Server,
    hub: Hub,
    keys: BTreeMap<String, String>,
}

impl World {
    fn new(hub: Hub, accounts: &[&str]) -> World {
        let server = Server::start_with(vec![
            AccountSetup::new("drafts"),
            AccountSetup::new("direct"),
            AccountSetup::mastodon("toot", "toot"),
        ]);
        let keys = [("TIKTOK_CLIENT_KEY", "rehearsal-key"), ("TIKTOK_CLIENT_SECRET", "rehearsal-secret")];
        let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let world = World { server, hub, keys };
        let author = world.machine();
        let url = world.server.url();
        let yaml = format!(
            "version: 1\nledger: {{ store: git, lease: 1s }}\naccounts:\n  drafts: {{ platform: tiktok, mode: draft, endpoint: {url} }}\n  toot: {{ platform: mastodon, handle: toot@example.social, endpoint: {url} }}\n"
        );
        author.write("content/gitcast.yaml", &yaml).write(".gitignore", "/state/\nhome\n");
        for account in accounts {
            world.server.log_in(&author, account).expect(0);
        }
        let lineage = author.run(&["ledger", "status", "--json"]).expect(0).json()["lineage"].clone();
        let pinned = format!("{yaml}lineage: {}\n", lineage.as_str().expect("a lineage"));
        author.write("content/gitcast.yaml", pinned);
        author.publish("a project");
        world
    }

    /// A fresh clone, with nothing else.
    fn machine(&self) -> Project {
        self.hub.clone(&self.keys)
    }

    fn count(&self) -> usize {
        self.server.count()
    }
}

fn apply(machine: &Project) -> Run {
    machine.run(&APPLY)
}

#[test]
fn a_project_is_reviewed_merged_and_published_by_machines_that_forget() {
    let world = World::new(Hub::http(), &["drafts", "toot"]);
    // Somebody proposes a post; whoever reviews it needs no key and no ledger.
    let author = world.machine();
    author.git(&["switch", "-q", "-c", "launch"]);
    author.draft("launch");
    author.write("content/hello.yaml", "id: hello\ntext: Hello\nto:\n  toot:\n");
    author.git(&["add", "-A"]);
    author.git(&["commit", "-q", "-m", "launch"]);
    author.git(&["push", "-q", "origin", "launch"]);
    let mut fork = world.hub.clone(&BTreeMap::new());
    fork.variable("GITCAST_KEY", "");
    let base = fork.run(&["plan", "--base", "origin/main", "--head", "origin/launch"]).expect(0);
    assert!(base.stdout.contains("launch") && base.stdout.contains("hello"), "{}", base.stdout);
    let unknown = fork.run(&["plan"]).expect(12);
    assert!(unknown.stderr.contains("gitcast ledger pull"), "{}", unknown.stderr);

    // It is merged, planned, and applied as it was looked at.
    author.git(&["push", "-q", "origin", "HEAD:main"]);
    let first = world.machine();
    first.run(&["ledger", "pull"]).expect(0);
    let plan = first.run(&["plan", "--json"]).expect(0).json();
    let digest = plan["digest"].as_str().expect("a digest").to_owned();
    let second = world.machine();
    second.run(&["apply", "--expect", &digest]).expect(0);
    assert_eq!(world.count(), 2);

    // The next one finds nothing to do.
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 2);
    first.run(&["apply", "--expect", &digest]).expect(10);

    // Renamed: the same post. Edited: the live one is changed. A tombstone takes it away.
    author.git(&["mv", "content/hello.yaml", "content/greeting.yaml"]);
    author.publish("rename");
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 2);
    author.write("content/greeting.yaml", "id: hello\ntext: Good morning\nto:\n  toot:\n");
    author.publish("edit");
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 2);
    let shown = world.machine();
    shown.run(&["ledger", "pull"]).expect(0);
    let edited = shown.run(&["log", "hello"]).expect(0);
    assert!(edited.stdout.contains("edited"), "{}", edited.stdout);
    author.write("content/greeting.yaml", "id: hello\nstate: deleted\ntext: Good morning\nto:\n  toot:\n");
    author.publish("take it away");
    let last = world.machine();
    last.run(&[&APPLY[..], &["--allow-delete"]].concat()).expect(0);
    assert!(last.states(&[]).contains(&"hello@toot deleted".to_owned()), "{:?}", last.states(&[]));
    last.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn two_machines_at_once_publish_once() {
    let world = World::new(Hub::http(), &["drafts", "toot"]);
    let author = world.machine();
    for n in 0..3 {
        author.write(&format!("content/p{n}.yaml"), format!("id: p{n}\ntext: Number {n}\nto:\n  toot:\n"));
    }
    author.draft("video");
    author.publish("posts");
    let machines: Vec<Project> = (0..3).map(|_| world.machine()).collect();
    let running: Vec<_> = machines.iter().map(|machine| machine.spawn(&APPLY)).collect();
    for child in running {
        Run::from(child.wait_with_output().expect("it ends")).expect(0);
    }
    assert_eq!(world.count(), 4);
    assert!(machines[0].run(&["ledger", "lock", "--list"]).expect(0).stdout.contains("nobody"));
}

/// A refresh token is good for one use, and its successor is nowhere but in the ledger.
#[test]
fn a_login_survives_ten_machines() {
    let world = World::new(Hub::http(), &["drafts"]);
    let before = world.server.requests("token");
    for _ in 0..10 {
        world.machine().run(&["auth", "refresh", "--force"]).expect(0);
    }
    assert_eq!(world.server.requests("token") - before, 10);
    let author = world.machine();
    author.draft("one").publish("a post");
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 1);
    let tree = world.hub.git(&["ls-tree", "--name-only", "refs/gitcast/ledger"]);
    assert!(!tree.contains("lease.json"), "{tree}");
    // Whoever reads the repository reads no login.
    let grant = world.server.rehearsal.issue_grant("drafts").expect("a grant");
    let secrets =
        ["access_token", "refresh_token"].map(|name| grant[name].as_str().expect("a token").to_owned());
    let author = world.machine();
    author.run_with_input(&["auth", "import", "drafts", "-"], &grant.to_string()).expect(0);
    let all = world.hub.git(&["cat-file", "--batch", "--batch-all-objects"]);
    assert!(all.contains("\"sealed\""), "the logins are there");
    assert!(secrets.iter().all(|secret| !all.contains(secret)), "a login can be read");
}

/// As CI services clone: the last commit alone, and what it takes to check it out.
#[test]
fn a_clone_that_holds_little_will_do() {
    let world = World::new(Hub::http(), &["drafts"]);
    for n in 1..=2 {
        world.machine().draft(&format!("p{n}")).publish("a post");
        let machine = world.hub.clone_as(&world.keys, &["--depth=1", "--filter=blob:none"]);
        apply(&machine).expect(0);
        assert_eq!(world.count(), n);
        machine.run(&["ledger", "verify"]).expect(0);
        assert_eq!(machine.git(&["rev-list", "--count", "HEAD"]), "1", "the clone is as it was");
    }
}

#[test]
fn an_answer_to_a_push_may_be_lost() {
    let world = World::new(Hub::http(), &["drafts"]);
    world.machine().draft("one").publish("a post");
    world.hub.lose(3);
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 1);
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 1);
}

#[test]
fn a_ledger_moves_to_git_and_back() {
    let server = Server::start();
    let hub = Hub::folder();
    let mut project = server.project();
    project.variable("PATH", &std::env::var("PATH").expect("a path"));
    project.draft("one").run(&APPLY).expect(0);
    project.git(&["init", "-q", "-b", "main"]);
    project.git(&["remote", "add", "origin", &hub.url()]);
    let yaml = std::fs::read_to_string(project.path("content/gitcast.yaml")).expect("gitcast.yaml");
    project.run(&["ledger", "migrate", "--to", "git"]).expect(64);
    project.write("content/gitcast.yaml", format!("{yaml}ledger: git\n"));
    let refused = project.run(&APPLY).expect(12);
    assert!(refused.stderr.contains("ledger migrate --to git"), "{}", refused.stderr);
    project.run(&["ledger", "migrate", "--to", "git"]).expect(0);
    project.draft("two").run(&APPLY).expect(0);
    let status = project.run(&["ledger", "status", "--json"]).expect(0).json();
    assert_eq!(status["remote"]["entries"], status["entries"]);

    // Content alone, which anybody may propose, cannot make the copy a ledger of its own.
    project.write("content/gitcast.yaml", &yaml);
    let refused = project.draft("three").run(&APPLY).expect(12);
    assert!(refused.stderr.contains("copy"), "{}", refused.stderr);
    assert_eq!(server.count(), 2);
    project.write("content/gitcast.yaml", format!("{yaml}ledger: git\n"));
    project.run(&["ledger", "migrate", "--to", "sqlite"]).expect(0);
    assert_eq!(hub.tip("refs/gitcast/ledger"), "");
    project.write("content/gitcast.yaml", &yaml);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 3);
}

/// A machine that dies at one place, and then dies no more; another goes on.
fn dies(point: Point, nth: u32) -> bool {
    let what = format!("{point:?} passing {nth}");
    let world = World::new(Hub::folder(), &["drafts", "toot"]);
    let author = world.machine();
    author.draft("video");
    author.write("content/hello.yaml", "id: hello\ntext: Hello\nto:\n  toot:\n");
    author.publish("posts");
    let dying = world.machine();
    let mut command = dying.command(&APPLY);
    let output = command.env(VARIABLE, format!("{}:{nth}", point.as_str())).output().expect("it starts");
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.code() == Some(0), "{what}: {output:?}");
    drop(dying);
    let mut code = -1;
    for _ in 0..RUNS_MAX {
        let run = apply(&world.machine());
        code = run.code;
        if code == 0 {
            break;
        }
        assert!([5, 11].contains(&code), "{what}: {run:?}");
    }
    assert_eq!(code, 0, "{what}");
    assert_eq!(world.count(), 2, "{what}: {:?}", world.server.rehearsal.publications());
    let last = world.machine();
    last.run(&["ledger", "pull"]).expect(0);
    last.run(&["ledger", "verify"]).expect(0);
    killed
}

#[test]
fn a_machine_dies_anywhere_and_another_goes_on() {
    let left: Mutex<VecDeque<Point>> = Mutex::new(Point::SHARED.into());
    let deaths = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(point) = { left.lock().expect("lock").pop_front() } {
                    let killed = (1..=PASSES_MAX).take_while(|nth| dies(point, *nth)).count();
                    deaths.lock().expect("lock").insert(point.as_str(), killed);
                }
            });
        }
    });
    let deaths: BTreeMap<&str, usize> = deaths.into_inner().expect("lock");
    report(&deaths);
    assert!(deaths.len() == Point::SHARED.len() && deaths.values().all(|killed| *killed >= 2), "{deaths:?}");
}

/// `cargo test -- --nocapture` shows it.
#[expect(clippy::print_stdout, reason = "the size of the matrix is a figure that people ask for")]
fn report(deaths: &BTreeMap<&str, usize>) {
    println!("machines that died, by the place: {deaths:?}; 0 posts twice, 0 lost");
}

/// As a CI service cancels a job: a signal, and some seconds later the end.
#[test]
fn a_cancelled_machine_leaves_nothing_that_the_next_one_cannot_go_on_with() {
    let world = World::new(Hub::http(), &["drafts"]);
    world.machine().draft("one").publish("a post");
    world.server.rehearsal.faults().add(Fault::next("upload", Action::Delay { ms: 40_000 }));
    let cancelled = world.machine();
    let child = cancelled.spawn(&APPLY);
    wait_until("the upload", || world.server.requests("upload") > 0);
    let begun = Instant::now();
    send("-INT", &child);
    let run = Run::from(child.wait_with_output().expect("it ends")).expect(130);
    assert!(begun.elapsed() < SOON, "{:?}: {run:?}", begun.elapsed());
    drop(cancelled);
    // It let go of the ledger as well.
    let next = world.machine();
    assert!(next.run(&["ledger", "lock", "--list"]).expect(0).stdout.contains("nobody"));
    apply(&next).expect(0);
    assert_eq!((world.count(), world.server.requests("inbox_init")), (1, 1));
}

/// A long upload says nothing for longer than the lease lasts.
#[test]
fn a_machine_that_uploads_is_not_taken_for_dead() {
    let world = World::new(Hub::http(), &["drafts"]);
    let author = world.machine();
    // A machine that has much to do besides must be able to renew it.
    let yaml = std::fs::read_to_string(author.path("content/gitcast.yaml")).expect("gitcast.yaml");
    author.write("content/gitcast.yaml", yaml.replace("lease: 1s", "lease: 4s")).draft("one");
    author.publish("a post");
    world.server.rehearsal.faults().add(Fault::next("upload", Action::Delay { ms: 9_000 }));
    let (first, second) = (world.machine(), world.machine());
    let uploading = first.spawn(&APPLY);
    wait_until("the upload", || world.server.requests("upload") > 0);
    let waited = apply(&second).expect(0);
    assert!(!waited.stderr.contains("no answer"), "{}", waited.stderr);
    let run = Run::from(uploading.wait_with_output().expect("it ends")).expect(0);
    assert!(!run.stderr.contains("planning anew"), "{}", run.stderr);
    assert_eq!((world.count(), world.server.requests("upload")), (1, 1));
}

/// A person looks who works, and ends the lease of a run that is gone.
#[test]
fn a_lease_is_shown_with_its_run_and_ended_by_hand() {
    let world = World::new(Hub::folder(), &["drafts"]);
    let author = world.machine();
    let yaml = std::fs::read_to_string(author.path("content/gitcast.yaml")).expect("gitcast.yaml");
    author.write("content/gitcast.yaml", yaml.replace("lease: 1s", "lease: 6h")).draft("one");
    author.publish("a post");
    let dying = world.machine();
    let mut command = dying.command(&APPLY);
    command.env(VARIABLE, "before-request:2").env("GITHUB_SERVER_URL", "https://github.example");
    command.env("GITHUB_REPOSITORY", "o/r").env("GITHUB_RUN_ID", "7");
    assert_eq!(command.output().expect("it starts").status.signal(), Some(9));
    drop(dying);
    let next = world.machine();
    let barred = next.run(&["apply", "--auto-approve", "--lock-timeout", "1s"]).expect(11);
    assert!(barred.stderr.contains("https://github.example/o/r/actions/runs/7"), "{}", barred.stderr);
    let leases = next.run(&["ledger", "lock", "--list", "--json"]).expect(0).json();
    assert_eq!(leases["leases"][0]["holder"]["run_url"], "https://github.example/o/r/actions/runs/7");
    next.run(&["ledger", "unlock", "0123"]).expect(1);
    next.run(&["ledger", "unlock", leases["leases"][0]["id"].as_str().expect("an id")]).expect(0);
    assert!(next.run(&["ledger", "push"]).expect(0).stdout.contains("everything was there"));
    apply(&next).expect(0);
    assert_eq!(world.count(), 1);
}

#[test]
fn an_upload_goes_on_on_another_machine() {
    let world = World::new(Hub::http(), &["drafts"]);
    let author = world.machine();
    author.large_draft("film", 70_000_000).publish("a film");
    let uploads = || world.server.requests("upload");
    let dying = world.machine();
    let mut command = dying.command(&APPLY);
    // After the second of its parts.
    let output = command.env(VARIABLE, "after-answer:4").output().expect("it starts");
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
    let sent = uploads();
    assert!(sent > 0, "it died too soon");
    drop(dying);
    apply(&world.machine()).expect(0);
    assert_eq!(world.count(), 1);
    assert_eq!(world.server.requests("inbox_init"), 1, "the upload was begun anew");
}
