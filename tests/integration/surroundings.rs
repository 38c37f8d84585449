//! Disk, clock and other processes at their worst: a disk that is full at any moment, files that may not grow, a folder
//! that cannot be written, a suspended process. Never twice, never lost, and a message that says what to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gitcast::rehearsal::{AccountSetup, Action, Fault, Options, system_clock};

use crate::support::{Project, REACHED_MAX, Run, Server, fixture_path, send, wait_until};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
/// What SQLite and the disk count in.
const PAGE: u64 = 4096;
/// Most of the time a case waits.
const WORKERS: usize = 6;

/// A disk of its own under `state/`, with so much room; then the room is back. Arguments: bytes, the program.
const FULL_DISK: &str = r#"
mkdir saved && cp -p state/* saved/ || exit 90
mount -t tmpfs -o size=8m tmpfs state && cp -p saved/* state/ || exit 91
free=$(($(stat -f -c '%a * %S' state)))
head -c $((free - $1)) /dev/zero > state/filler || exit 92
"$2" apply --auto-approve 2> first.err > first.out; echo "first $?"
"$2" status --json > status.json 2> /dev/null; echo "status $?"
rm state/filler
cp -p state/* saved/
"#;

/// No file may grow beyond so many bytes, and the signal that says so is ignored, as it often is where programs are
/// started by others. Arguments: bytes, the program.
const SIZE_LIMIT: &str = r#"
trap '' XFSZ
(ulimit -f $(($1 / 512)) && exec "$2" apply --auto-approve 2> first.err > first.out); echo "first $?"
"$2" status --json > status.json 2> /dev/null; echo "status $?"
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Draft,
    Direct,
    Photos,
    Refresh,
}

impl Flow {
    fn account(self) -> &'static str {
        match self {
            Flow::Draft | Flow::Refresh => "drafts",
            Flow::Direct | Flow::Photos => "direct",
        }
    }

    fn write(self, project: &Project, server: &Server) {
        match self {
            Flow::Draft | Flow::Refresh => project.draft("one"),
            Flow::Direct => project.direct("one"),
            Flow::Photos => project.write(
                "content/one.yaml",
                format!(
                    "id: one\ntext: a photo\nmedia:\n  - url: {}/content/a.jpg\nto:\n  direct:\n    privacy: self_only\n",
                    server.url()
                ),
            ),
        };
        if self == Flow::Refresh {
            server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
        }
    }
}

/// Runs `script` in the project, in a mount namespace of its own where it mounts something.
fn scripted(project: &Project, script: &str, bytes: u64) -> String {
    let program = env!("CARGO_BIN_EXE_gitcast");
    let shell = ["sh", "-c", script, "sh", &bytes.to_string(), program];
    let mut command = if script.contains("mount ") {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]).args(shell);
        command
    } else {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]);
        command
    };
    command.envs(project.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(project.path("")).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    said
}

fn can_mount() -> bool {
    let mount = ["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    Command::new("unshare").args(mount).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What the first run came to, and how often.
type Tally = Mutex<BTreeMap<(Flow, i32, String), u32>>;

/// One case: the disk gives way after so many bytes, once. Then there is room again.
fn give_way(flow: Flow, script: &str, bytes: u64, photos: &Path, tally: &Tally) {
    let what = format!("{flow:?} with {bytes} bytes");
    let server = Server::start_as(Options {
        accounts: vec![AccountSetup::new("drafts"), AccountSetup::new("direct")],
        content: Some(photos.to_owned()),
        processing: Duration::from_millis(50),
        ..Options::default()
    });
    let project = server.project_of(&[flow.account()]);
    flow.write(&project, &server);
    let said = scripted(&project, script, bytes);
    let told = std::fs::read_to_string(project.path("first.err")).expect("stderr");
    let code: i32 =
        said.lines().find_map(|line| line.strip_prefix("first ")).expect("a code").parse().expect("a number");
    assert!(server.count() <= 1, "{what}");
    if code != 0 {
        assert_eq!(code, 5, "{what}: {told}");
        assert!(told.contains("disk") && told.contains("help: make room"), "{what}: {told}");
    }
    let status = std::fs::read_to_string(project.path("status.json")).expect("status");
    let status: serde_json::Value = serde_json::from_str(&status).expect("a document");
    // Reading takes room as well where a writer died of the lack of it: SQLite's shared memory.
    assert!(said.contains("status 0") || status["exit_code"] == 5, "{what}: {said} {status}");
    let state = status["publications"][0]["state"].as_str().unwrap_or("nothing").to_owned();
    // The disk of the namespace is gone; what was on it goes on here.
    if project.path("saved").exists() {
        std::fs::remove_dir_all(project.path("state")).expect("old");
        std::fs::rename(project.path("saved"), project.path("state")).expect("new");
    }
    settle(&what, flow, &server, &project);
    *tally.lock().expect("lock").entry((flow, code, state)).or_default() += 1;
}

/// Runs until all is settled; a person looks where the platform cannot tell.
fn settle(what: &str, flow: Flow, server: &Server, project: &Project) {
    let mut told = Vec::new();
    for _ in 0..6 {
        let run = project.run(&APPLY);
        let code = run.code;
        told.push(run);
        match code {
            0 => break,
            5 => {}
            4 => {
                assert_eq!(flow, Flow::Photos, "{what}: {told:?}");
                let there =
                    ["resolve", "one", "direct", "--published", "https://www.tiktok.com/@direct/photo/1"];
                let not_there = ["resolve", "one", "direct", "--not-published"];
                project.run(if server.count() == 1 { &there } else { &not_there }).expect(0);
            }
            _ => panic!("{what}: {told:?}"),
        }
    }
    assert_eq!(told.last().map(|run| run.code), Some(0), "{what}: {told:?}");
    assert_eq!(server.count(), 1, "{what}: {told:?}");
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{what}: {doctor:?}");
}

/// Every `step` pages up to `pages`, for each flow.
fn run_all(script: &str, (first, pages, step): (u64, u64, usize)) -> BTreeMap<(Flow, i32, String), u32> {
    let photos = tempfile::tempdir().expect("temporary folder");
    std::fs::copy(fixture_path("good.jpg"), photos.path().join("a.jpg")).expect("photo");
    let flows = [Flow::Draft, Flow::Direct, Flow::Photos, Flow::Refresh];
    let step = std::env::var("GITCAST_TEST_PAGES").ok().and_then(|step| step.parse().ok()).unwrap_or(step);
    // Each flow begins at another page, so that together they meet more of them.
    let cases = (0..)
        .zip(flows)
        .flat_map(|(shift, flow)| (first + shift..=pages).step_by(step).map(move |page| (flow, page)));
    let (cases, tally) = (Mutex::new(cases), Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((flow, page)) = { cases.lock().expect("lock").next() } {
                    give_way(flow, script, page * PAGE, photos.path(), &tally);
                }
            });
        }
    });
    tally.into_inner().expect("nobody panicked")
}

/// The first run failed with the ledger in each of these states, and with the most room it went well.
fn assert_met(tally: &BTreeMap<(Flow, i32, String), u32>, states: &[&str]) {
    for state in states {
        assert!(tally.keys().any(|(_, code, met)| *code == 5 && met == state), "{state}: {tally:?}");
    }
    assert!(tally.keys().any(|(_, code, _)| *code == 0), "{tally:?}");
}

#[test]
fn a_disk_that_is_full_at_any_moment_costs_time_only() {
    if !can_mount() {
        // The test of files that may not grow shows the same on such a machine.
        let mut stderr = std::io::stderr().lock();
        let _ =
            std::io::Write::write_all(&mut stderr, b"no user namespaces here: a full disk is not tested\n");
        return;
    }
    let tally = run_all(FULL_DISK, (0, 60, 6));
    assert_met(&tally, &["nothing", "staging", "publishing"]);
    report("full disk", &tally);
}

#[test]
fn files_that_may_not_grow_cost_time_only() {
    let tally = run_all(SIZE_LIMIT, (1, 56, 6));
    assert_met(&tally, &["nothing", "staging", "publishing"]);
    report("size limit", &tally);
}

/// For whoever asks for the figures.
fn report(what: &str, tally: &BTreeMap<(Flow, i32, String), u32>) {
    if std::env::var_os("GITCAST_TEST_PAGES").is_some() {
        let told = format!("{what}: {} cases, {tally:?}\n", tally.values().sum::<u32>());
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), told.as_bytes());
    }
}

/// Long enough to be suspended in, short enough to wait for.
const SLOW: Action = Action::Delay { ms: 700 };

/// A process that is suspended while this request is answered.
fn suspended(server: &Server, project: &Project, operation: &str) -> Child {
    server.rehearsal.faults().add(Fault::next(operation, SLOW));
    let child = project.spawn(&APPLY);
    wait_until(operation, || server.requests(operation) == 1);
    send("-STOP", &child);
    child
}

fn woken(child: Child) -> Run {
    send("-CONT", &child);
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn a_suspended_process_that_was_robbed_of_its_lock_does_not_post_again() {
    for (flow, operations) in [
        (Flow::Draft, &["inbox_init", "upload", "status"][..]),
        (Flow::Direct, &["creator_info", "video_init", "upload", "status"]),
    ] {
        for operation in operations {
            let what = format!("{flow:?} {operation}");
            let server = Server::start();
            let project = server.project_of(&[flow.account()]);
            flow.write(&project, &server);
            let first = suspended(&server, &project, operation);
            let run = project.run(&["apply", "--auto-approve", "--lock-timeout", "1s"]).expect(11);
            assert!(run.stderr.contains(&format!("process {}", first.id())), "{what}: {run:?}");
            // What a person might do who is tired of waiting.
            std::fs::remove_file(project.path("state/lock")).expect("lock");
            // While the first one is in the middle of the only chunk, nobody can tell what becomes of it.
            let second = project.run(&APPLY);
            assert!(second.code == 0 || *operation == "upload" && second.code == 4, "{what}: {second:?}");
            let run = woken(first);
            assert_eq!(run.code, 11, "{what}: {run:?}");
            assert!(run.stderr.contains("behind our back"), "{what}: {run:?}");
            if second.code == 4 {
                wait_until("the chunk arrives", || {
                    server.rehearsal.publications().iter().any(|p| p.is_live())
                });
                let url = "https://www.tiktok.com/@direct/video/1";
                project.run(&["resolve", "one", flow.account(), "--published", url]).expect(0);
            }
            settle(&what, flow, &server, &project);
        }
    }
}

/// A server whose clock goes ahead by so many hours while the process sleeps; ours stays where it is.
fn upload_beside_a_clock_that_goes_ahead(flow: Flow, hours: i64) {
    let what = format!("{flow:?} {hours} h");
    let ahead = Arc::new(AtomicI64::new(0));
    let (shown, system) = (Arc::clone(&ahead), system_clock());
    let server = Server::start_as(Options {
        accounts: vec![AccountSetup::new("drafts"), AccountSetup::new("direct")],
        clock: Arc::new(move || system() + shown.load(Ordering::Relaxed)),
        processing: Duration::from_millis(50),
        ..Options::default()
    });
    let project = server.project_of(&[flow.account()]);
    flow.write(&project, &server);
    server.rehearsal.faults().add(Fault::next("upload", SLOW));
    // Far more than the few times that the address is tried take.
    let child = project.spawn(&["apply", "--auto-approve", "--max-wait", "50s"]);
    wait_until(&what, || server.requests("upload") == 1);
    send("-STOP", &child);
    ahead.store(hours * 3_600_000, Ordering::Relaxed);
    let run = woken(child);
    assert_eq!(run.code, 0, "{what}: {run:?}");
    assert!(server.requests("upload") <= 6, "{what}: {} chunks", server.requests("upload"));
    settle(&what, flow, &server, &project);
}

#[test]
fn an_upload_whose_address_only_the_platform_takes_for_expired_begins_anew() {
    std::thread::scope(|scope| {
        for flow in [Flow::Draft, Flow::Direct] {
            for hours in [2, 30] {
                scope.spawn(move || upload_beside_a_clock_that_goes_ahead(flow, hours));
            }
        }
    });
}

/// SQLite's own lock on the project's ledger, as another program may hold it.
fn database_in_use(project: &Project) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(project.path("state/ledger.db")).expect("ledger");
    db.busy_timeout(REACHED_MAX).expect("patience");
    db.execute_batch("BEGIN IMMEDIATE").expect("lock");
    db
}

fn apply_beside_a_database_in_use(operation: Option<&str>, held: Duration, code: i32) {
    let what = format!("{operation:?} {held:?}");
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.draft("one");
    let (child, db) = match operation {
        None => {
            let db = database_in_use(&project);
            (project.spawn(&APPLY), db)
        }
        Some(operation) => {
            server.rehearsal.faults().add(Fault::next(operation, SLOW));
            let child = project.spawn(&APPLY);
            wait_until(&what, || server.requests(operation) == 1);
            (child, database_in_use(&project))
        }
    };
    let run: Run = std::thread::scope(|scope| {
        let ended = scope.spawn(|| child.wait_with_output().expect("it ends").into());
        let begun = Instant::now();
        while begun.elapsed() < held && !ended.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        db.execute_batch("ROLLBACK").expect("let go");
        ended.join().expect("it ends")
    });
    assert_eq!(run.code, code, "{what}: {run:?}");
    if code == 5 {
        assert!(run.stderr.contains("the ledger is busy"), "{what}: {run:?}");
        let reached = if operation.is_none() { 0 } else { 1 };
        assert_eq!(server.requests("inbox_init"), reached, "{what}: nothing leaves without a commit");
        let doctor = project.run(&["doctor"]);
        assert_eq!(doctor.code, 0, "{what}: {doctor:?}");
    }
    settle(&what, Flow::Draft, &server, &project);
}

#[test]
fn a_database_in_use_is_waited_for_a_while_and_then_costs_time_only() {
    let (short, long) = (Duration::from_millis(1_500), REACHED_MAX);
    std::thread::scope(|scope| {
        for operation in [None, Some("inbox_init"), Some("upload")] {
            for (held, code) in [(short, 0), (long, 5)] {
                scope.spawn(move || apply_beside_a_database_in_use(operation, held, code));
            }
        }
    });
}

#[test]
fn whoever_waits_takes_over_when_the_holder_is_killed() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.draft("one");
    let mut first = suspended(&server, &project, "upload");
    let second = project.spawn(&APPLY);
    first.kill().expect("SIGKILL");
    first.wait().expect("dead");
    let second: Run = second.wait_with_output().expect("it ends").into();
    second.expect(0);
    settle("takes over", Flow::Draft, &server, &project);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.draft("one");
    if !can_mount() {
        return;
    }
    let script = r#"
mount --bind state state && mount -o remount,bind,ro state || exit 91
"$2" apply --auto-approve 2> first.err > first.out; echo "first $?"
"$2" status > /dev/null 2>&1; echo "status $?"
"$2" plan > /dev/null 2>&1; echo "plan $?"
"#;
    let said = scripted(&project, script, 0);
    let told = std::fs::read_to_string(project.path("first.err")).expect("stderr");
    assert_eq!(said, "first 1\nstatus 0\nplan 0\n", "{told}");
    assert!(told.contains("help: let this user write"), "{told}");
    assert_eq!(server.rehearsal.requests().len(), 0);
    settle("read only", Flow::Draft, &server, &project);
}
