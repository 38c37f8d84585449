//! SIGINT and SIGTERM in each phase of a run: over within five seconds, nothing in flight that is not recorded, and the
//! next run ends with one post. Where there is nothing to finish, and at a second signal, the process ends at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gitcast::rehearsal::{AccountSetup, Action, Fault, Options};

use crate::support::{Project, Run, Server, fixture_path, send, wait_until};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
/// What is promised is five seconds; the rest is for a machine that has other things to do.
const SOON: Duration = Duration::from_millis(6_500);
/// "At once", on such a machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Longer than any stop waits.
const HANGS: Action = Action::Delay { ms: 40_000 };

/// How the process ends after the signal, and how long that takes.
fn stopped(signal: &str, child: Child) -> (Run, Duration) {
    let begun = Instant::now();
    send(signal, &child);
    let run = child.wait_with_output().expect("it ends").into();
    (run, begun.elapsed())
}

/// Whether the process has a file of this name open.
fn has_open(child: &Child, name: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    let target = |file: std::io::Result<std::fs::DirEntry>| std::fs::read_link(file.ok()?.path()).ok();
    files.filter_map(target).any(|path| path.ends_with(name))
}

/// Runs until all is settled; a person looks where the platform cannot tell, and logs in where a login was lost.
fn settle(what: &str, server: &Server, project: &Project, account: &str) -> Vec<i32> {
    let mut codes = Vec::new();
    for _ in 0..6 {
        let run = project.run(&APPLY);
        codes.push(run.code);
        match run.code {
            0 => break,
            5 => {}
            4 => {
                assert_eq!(server.count(), 0, "{what}: it is there and held: {run:?}");
                project.run(&["resolve", "one", account, "--not-published"]).expect(0);
            }
            _ => panic!("{what}: {run:?}"),
        }
    }
    assert_eq!(codes.last(), Some(&0), "{what}: {codes:?}");
    assert_eq!(server.count(), 1, "{what}: {codes:?}");
    assert_eq!(project.run(&["doctor"]).code, 0, "{what}");
    codes
}

/// A phase: what is published, the request that hangs, and what the ledger says after the stop.
struct Phase {
    what: &'static str,
    write: fn(&Project, &Server),
    account: &'static str,
    request: (&'static str, u32),
    after: &'static [&'static str],
}

fn photos(project: &Project, server: &Server) {
    let manifest = format!(
        "id: one\ntext: a photo\nmedia:\n  - url: {}/content/a.jpg\nto:\n  direct:\n    privacy: self_only\n",
        server.url()
    );
    project.write("content/one.yaml", manifest);
}

fn with_refresh(project: &Project, server: &Server) {
    project.draft("one");
    server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
}

const PHASES: &[Phase] = &[
    Phase {
        what: "a refresh",
        write: with_refresh,
        account: "drafts",
        request: ("token", 1),
        after: &["one@drafts staging"],
    },
    Phase {
        what: "the creator's settings",
        write: |project, _| {
            project.direct("one");
        },
        account: "direct",
        request: ("creator_info", 1),
        after: &["one@direct staging"],
    },
    Phase {
        what: "the start of an upload",
        write: |project, _| {
            project.direct("one");
        },
        account: "direct",
        request: ("video_init", 1),
        after: &["one@direct staging"],
    },
    Phase {
        what: "the middle of an upload",
        write: |project, _| {
            project.large_draft("one", 70_000_000);
        },
        account: "drafts",
        request: ("upload", 3),
        after: &["one@drafts staging"],
    },
    Phase {
        what: "the chunk that publishes",
        write: |project, _| {
            project.direct("one");
        },
        account: "direct",
        request: ("upload", 1),
        after: &["one@direct publishing"],
    },
    Phase {
        what: "the request that publishes photos",
        write: photos,
        account: "direct",
        request: ("content_init", 1),
        after: &["one@direct publishing"],
    },
    Phase {
        what: "a look at what the platform does",
        write: |project, _| {
            project.draft("one");
        },
        account: "drafts",
        request: ("status", 1),
        after: &["one@drafts accepted"],
    },
];

fn server(content: &Path) -> Server {
    std::fs::copy(fixture_path("good.jpg"), content.join("a.jpg")).expect("photo");
    Server::start_as(Options {
        accounts: vec![AccountSetup::new("drafts"), AccountSetup::new("direct")],
        content: Some(content.to_owned()),
        ..Options::default()
    })
}

fn stop_in(phase: &Phase, signal: &str) {
    let content = tempfile::tempdir().expect("temporary folder");
    let (server, what) = (server(content.path()), format!("{} {signal}", phase.what));
    let project = server.project_of(&[phase.account]);
    (phase.write)(&project, &server);
    let (operation, nth) = phase.request;
    server.rehearsal.faults().add(Fault::nth(operation, nth, HANGS));
    let child = project.spawn(&APPLY);
    wait_until(&what, || server.requests(operation) >= nth as usize);
    let (run, took) = stopped(signal, child);
    assert_eq!(run.code, 130, "{what}: {run:?}");
    assert!(took < SOON, "{what}: {took:?}");
    assert!(run.stderr.contains("Stopping"), "{what}: {run:?}");
    assert_eq!(project.states(&[]), phase.after, "{what}");
    assert!(server.count() <= 1, "{what}");
    settle(&what, &server, &project, phase.account);
}

#[test]
fn a_stop_in_any_phase_is_over_in_five_seconds_and_leaves_one_post() {
    std::thread::scope(|scope| {
        for phase in PHASES {
            for signal in ["-INT", "-TERM"] {
                scope.spawn(move || stop_in(phase, signal));
            }
        }
    });
}

#[test]
fn an_answer_that_comes_while_stopping_is_recorded() {
    let slow = Action::Delay { ms: 2_500 };
    for (operation, write, recorded) in [
        ("token", with_refresh as fn(&Project, &Server), "one@drafts staging"),
        (
            "upload",
            |project, _| {
                project.draft("one");
            },
            "one@drafts accepted",
        ),
    ] {
        let server = Server::start();
        let project = server.project_of(&["drafts"]);
        write(&project, &server);
        server.rehearsal.faults().add(Fault::next(operation, slow.clone()));
        let child = project.spawn(&APPLY);
        wait_until(operation, || server.requests(operation) == 1);
        let (run, took) = stopped("-TERM", child);
        assert_eq!(run.code, 130, "{operation}: {run:?}");
        assert!(took < SOON, "{operation}: {took:?}");
        assert_eq!(project.states(&[]), [recorded], "{operation}");
        assert_eq!(settle(operation, &server, &project, "drafts"), [0], "{operation}");
        assert_eq!(
            server.requests(operation),
            1,
            "{operation}: the answer was heard, so it is not asked again"
        );
    }
}

#[test]
fn a_second_signal_ends_a_process_that_hangs_at_once() {
    for (first, second) in [("-INT", "-INT"), ("-TERM", "-INT"), ("-INT", "-TERM")] {
        let server = Server::start();
        let project = server.project_of(&["drafts"]);
        project.draft("one");
        server.rehearsal.faults().add(Fault::next("upload", HANGS));
        let mut child = project.spawn(&APPLY);
        wait_until("upload", || server.requests("upload") == 1);
        send(first, &child);
        let stderr = child.stderr.take().expect("piped");
        let heard =
            BufReader::new(stderr).lines().map_while(Result::ok).any(|line| line.contains("Stopping"));
        assert!(heard, "the first signal is answered");
        let (run, took) = stopped(second, child);
        assert_eq!(run.code, 130, "{run:?}");
        assert!(took < AT_ONCE, "{took:?}");
        assert_eq!(project.states(&[]), ["one@drafts publishing"]);
        settle("second signal", &server, &project, "drafts");
    }
}

#[test]
fn while_a_large_file_is_read_the_first_signal_ends_it_at_once() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.large_draft("one", 3_900_000_000);
    for (signal, json) in [("-INT", false), ("-TERM", true)] {
        let arguments = if json { &["apply", "--auto-approve", "--json"][..] } else { &APPLY };
        let child = project.spawn(arguments);
        wait_until("the video is read", || has_open(&child, "one.mp4"));
        let (run, took) = stopped(signal, child);
        assert_eq!(run.code, 130, "{run:?}");
        assert!(took < AT_ONCE, "{took:?}");
        if json {
            assert_eq!(run.json()["exit_code"], 130);
        }
    }
    assert_eq!((server.requests("inbox_init"), project.states(&[]).len()), (0, 0));
}

#[test]
fn whoever_waits_for_the_lock_is_stopped_at_once() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.draft("one");
    server.rehearsal.faults().add(Fault::next("upload", HANGS));
    let first = project.spawn(&APPLY);
    wait_until("upload", || server.requests("upload") == 1);
    let second = project.spawn(&APPLY);
    wait_until("the second one waits", || has_open(&second, "state/lock"));
    let (run, took) = stopped("-INT", second);
    assert_eq!(run.code, 130, "{run:?}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(stopped("-TERM", first).0.code, 130);
    settle("lock", &server, &project, "drafts");
}

#[test]
fn a_stop_while_waiting_for_a_limit_of_the_platform_does_not_wait() {
    let server = Server::start();
    let project = server.project_of(&["direct"]);
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        project.direct(id);
    }
    let mut child = project.spawn(&APPLY);
    let stderr = child.stderr.take().expect("piped");
    let paced = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                paced.fetch_or(line.contains("limit"), Ordering::SeqCst);
            }
        });
        wait_until("the limit", || {
            let is_busy = |line: &String| line.ends_with("publishing") || line.ends_with("accepted");
            paced.load(Ordering::SeqCst) && !project.states(&[]).iter().any(is_busy)
        });
        let sent = server.requests("video_init");
        let (run, took) = stopped("-TERM", child);
        assert_eq!(run.code, 130, "{run:?}");
        assert!(took < AT_ONCE, "{took:?}");
        assert_eq!((server.requests("video_init"), server.count()), (sent, sent));
    });
}

/// On a terminal of its own, by `script`; Ctrl-C is typed there.
#[test]
fn whoever_is_asked_may_type_ctrl_c() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.draft("one");
    let apply = project.command(&["apply"]);
    let program = apply.get_program().to_str().expect("UTF-8").to_owned();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("{program} apply"), "/dev/null"]).current_dir(project.path(""));
    script.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.env_remove("CI");
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script(1) is installed");
    let mut shown = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    while !shown.contains("Type yes") {
        assert!(stdout.read_line(&mut shown).expect("readable") > 0, "{shown}");
    }
    let begun = Instant::now();
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(&[3]).expect("typed");
    let status = child.wait().expect("it ends");
    let took = begun.elapsed();
    stdout.read_to_string(&mut shown).expect("readable");
    assert_eq!(status.code(), Some(130), "{shown}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!((server.count(), project.states(&[]).len()), (0, 0));
}

#[test]
fn the_stand_in_stops_at_once_although_somebody_is_connected() {
    for signal in ["-TERM", "-INT"] {
        let project = Project::new();
        let mut child = project.spawn(&["rehearse", "--listen", "127.0.0.1:0"]);
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut url).expect("readable");
        let address = url.trim().trim_start_matches("http://").to_owned();
        let mut half = std::net::TcpStream::connect(&address).expect("it listens");
        half.write_all(b"POST /v2/oauth/token/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
            .expect("sent");
        let (run, took) = stopped(signal, child);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(took < AT_ONCE, "{took:?}");
    }
}
