//! A watch that goes on: what is saved is published, what is due is published in time, people's commands get through,
//! and it can be stopped or killed at any moment.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gitcast::rehearsal::{AccountSetup, Action, Fault};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Project, Run, Server, send, wait_until};

pub(crate) fn server() -> Server {
    Server::start_with(vec![AccountSetup::bluesky("sky", "brand.example"), AccountSetup::new("drafts")])
}

/// A project whose accounts are logged in.
pub(crate) fn project(server: &Server) -> Project {
    let url = server.url();
    let project = Project::with(&format!(
        "version: 1\npolicy:\n  max_new_posts: 1000\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.example\n    endpoint: {url}\n  drafts:\n    platform: tiktok\n    endpoint: {url}\n",
    ));
    for account in ["sky", "drafts"] {
        server.log_in(&project, account).expect(0);
    }
    project
}

fn manifest(id: &str) -> String {
    format!("id: {id}\ntext: The text of {id}\nto:\n  sky:\n")
}

pub(crate) fn save(project: &Project, id: &str) {
    project.write(&format!("content/{id}.yaml"), manifest(id));
}

/// A watch, which is stopped at the end whatever happens.
pub(crate) struct Watching(Option<Child>);

impl Watching {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Watching {
        let mut command = project.command(&[&["watch"], arguments].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Watching(Some(child.expect("it starts")))
    }

    pub(crate) fn child(&self) -> &Child {
        self.0.as_ref().expect("it runs")
    }

    /// Asks it to end, and gives what it said.
    pub(crate) fn stop(mut self) -> Run {
        let child = self.0.take().expect("it runs");
        send("-TERM", &child);
        Run::from(child.wait_with_output().expect("it ends"))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // A test that has failed already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn texts(server: &Server) -> Vec<String> {
    server.rehearsal.publications().into_iter().map(|publication| publication.title).collect()
}

#[test]
fn what_is_saved_is_published_however_it_is_saved() {
    let server = server();
    let project = project(&server);
    save(&project, "first");
    let watching = Watching::start(&project, &["--events", "events.jsonl"]);
    wait_until("the first", || server.count() == 1);
    std::fs::rename(project.path("events.jsonl"), project.path("rotated.jsonl")).expect("moved");
    save(&project, "second");
    wait_until("the second", || server.count() == 2);
    // As editors save, in a folder that is new.
    project.write("content/new/.third.tmp", manifest("third"));
    std::fs::rename(project.path("content/new/.third.tmp"), project.path("content/new/third.yaml"))
        .expect("renamed");
    wait_until("the third", || server.count() == 3);
    // A bad one is told, hinders nobody, and goes out when it is good.
    project.write("content/fourth.yaml", "id: fourth\ntext: [\n");
    save(&project, "fifth");
    wait_until("the fifth", || server.count() == 4);
    save(&project, "fourth");
    wait_until("the fourth", || server.count() == 5);
    // Renamed, nothing happens; changed, it is told.
    std::fs::rename(project.path("content/first.yaml"), project.path("content/renamed.yaml"))
        .expect("renamed");
    project.write("content/second.yaml", manifest("second").replace("text of", "other text of"));
    save(&project, "last");
    wait_until("the last", || server.count() == 6);
    let run = watching.stop().expect(0);
    assert!(run.stderr.contains("content/fourth.yaml:"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("raise `revision:`").count(), 1, "{}", run.stderr);
    assert_eq!(server.count(), 6, "{:?}", texts(&server));
    let mut events = Vec::new();
    for file in ["rotated.jsonl", "events.jsonl"] {
        let text = std::fs::read_to_string(project.path(file)).expect("events");
        events
            .extend(text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")));
    }
    let published: Vec<_> = events.iter().filter(|event| event["change"] == "published").collect();
    assert_eq!(published.len(), 6);
    assert!(published.iter().all(|event| event["event"] == "changed" && event["state"] == "published"));
    assert!(published.iter().all(|event| event["remote_url"].is_string() && event["at"].is_string()));
    assert!(events.iter().all(|event| event["format_version"] == 1 && event.get("payload").is_none()));
    project.run(&["doctor"]).expect(0);
}

#[test]
fn what_is_due_is_published_then_and_a_wait_for_a_platform_is_kept() {
    let server = server();
    let project = project(&server);
    let due = Timestamp::now() + SignedDuration::from_millis(2_500);
    project.write("content/due.yaml", format!("publish_at: {due}\n{}", manifest("due")));
    let busy = Fault {
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
        ..Fault::next("putRecord", Action::Status { code: 429, body: None })
    };
    server.rehearsal.faults().add(busy);
    save(&project, "now");
    let watching = Watching::start(&project, &[]);
    wait_until("both", || server.count() == 2);
    let made = server.rehearsal.publications();
    assert_eq!(made[1].title, "The text of due", "{made:?}");
    let at = made[1].created_at - due.as_millisecond();
    assert!((0..10_000).contains(&at), "{at} ms after it was due");
    watching.stop().expect(0);
}

#[test]
fn what_may_be_staged_ahead_is_uploaded_before_its_time_and_published_at_it() {
    let server = server();
    let project = project(&server);
    let yaml = std::fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write("content/gitcast.yaml", yaml.replace("policy:\n", "policy:\n  stage_ahead: 1m\n"));
    let due = Timestamp::now() + SignedDuration::from_secs(8);
    project.medium("good.jpg", "content/a.jpg");
    let media = "media:\n  - file: a.jpg\n    alt: A\n";
    project.write("content/due.yaml", format!("publish_at: {due}\n{media}{}", manifest("due")));
    // Its time does not come within this one, which has done all it can.
    project.run(&["apply", "--auto-approve", "--max-wait", "0s"]).expect(0);
    assert_eq!((server.requests("uploadBlob"), server.requests("putRecord")), (1, 0));
    assert_eq!(project.states(&[]), ["due@sky staged"]);
    project.run(&["apply", "--auto-approve", "--max-wait", "1m"]).expect(0);
    let made = server.rehearsal.publications();
    assert!(made[0].created_at >= due.as_millisecond(), "{made:?}");
    let created: Timestamp = made[0].record.as_ref().expect("a record")["createdAt"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("one");
    assert_eq!(created.as_second(), due.as_second(), "it bears its own time");
    assert_eq!(server.requests("uploadBlob"), 1);
    project.write("content/gitcast.yaml", yaml.replace("policy:\n", "policy:\n  stage_ahead: 2h\n"));
    project.run(&["validate"]).expect(1);
}

#[test]
fn peoples_commands_get_through_and_wake_it() {
    let server = server();
    let project = project(&server);
    project.run(&["auth", "logout", "sky", "--local"]).expect(0);
    save(&project, "one");
    let watching = Watching::start(&project, &["--resync", "1h"]);
    wait_until("a pass", || project.run(&["status", "--json"]).stdout.contains("one") || server.count() == 0);
    // Logged in, it goes out: what another process records is seen.
    server.log_in(&project, "sky").expect(0);
    wait_until("the first", || server.count() == 1);
    project.run(&["pause", "--account", "sky", "--why", "holidays"]).expect(0);
    save(&project, "two");
    save(&project, "mark");
    project.write("content/mark.yaml", "id: mark\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    project.medium("good.mp4", "content/a.mp4");
    wait_until("the draft", || server.count() == 2);
    project.run(&["resume", "--account", "sky"]).expect(0);
    wait_until("what was paused", || server.count() == 3);
    // A hangup asks for a pass, and ends nothing; so does a file.
    send("-HUP", watching.child());
    project.write("state/reconcile-now", "");
    wait_until("the file was seen", || !project.path("state/reconcile-now").exists());
    save(&project, "three");
    wait_until("the third", || server.count() == 4);
    let run = watching.stop().expect(0);
    assert!(run.stderr.contains("sky"), "{}", run.stderr);
}

#[test]
fn peoples_commands_wake_a_rehearsal_too() {
    let project = Project::with(
        "version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.example\n  sea:\n    platform: bluesky\n    handle: sea.example\n",
    );
    save(&project, "one");
    let watching = Watching::start(&project, &["--rehearse", "--resync", "1h"]);
    let published = || {
        let status = project.run(&["status", "--rehearse", "--json"]).stdout;
        status.matches("\"state\": \"published\"").count() + status.matches("\"state\":\"published\"").count()
    };
    wait_until("the first", || published() == 1);
    project.run(&["pause", "--account", "sky", "--rehearse"]).expect(0);
    save(&project, "two");
    project.write("content/mark.yaml", "id: mark\ntext: Seen\nto:\n  sea:\n");
    wait_until("what is not paused", || published() == 2);
    project.run(&["resume", "--account", "sky", "--rehearse"]).expect(0);
    wait_until("what was paused", || published() == 3);
    watching.stop().expect(0);
}

#[test]
fn a_medium_that_is_being_written_waits_until_it_is_whole() {
    let server = server();
    let project = project(&server);
    let watching = Watching::start(&project, &[]);
    let whole = std::fs::read(crate::support::fixture_path("good.mp4")).expect("fixture");
    // A box of no interest at its end: each state of the file is a good video.
    let grown = |size: u32| [&whole[..], &size.to_be_bytes(), b"free", &vec![0; size as usize - 8]].concat();
    project.write("content/a.yaml", "id: a\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    for size in [100, 1_000, 10_000, 100_000] {
        project.write("content/a.mp4", grown(size));
        std::thread::sleep(Duration::from_millis(400));
    }
    wait_until("it is out", || server.count() == 1);
    let media = server.rehearsal.publications()[0].media[0].size;
    assert_eq!(media, whole.len() as u64 + 100_000);
    watching.stop().expect(0);
}

#[test]
fn a_checkout_is_seen_as_a_whole() {
    let server = server();
    let project = project(&server);
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(project.path("."))
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "-q"]);
    project.write(".gitignore", "state/\nhome/\n");
    git(&["add", "."]);
    git(&["commit", "-qm", "empty"]);
    git(&["checkout", "-qb", "full"]);
    for n in 0..100 {
        save(&project, &format!("post-{n}"));
    }
    git(&["add", "."]);
    git(&["commit", "-qm", "full"]);
    git(&["checkout", "-q", "main"]);
    let watching = Watching::start(&project, &[]);
    save(&project, "ready");
    wait_until("it watches", || server.count() == 1);
    git(&["checkout", "-q", "full"]);
    wait_until("all of them", || server.count() == 101);
    let run = watching.stop().expect(0);
    let plans: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("Plan: ")).collect();
    assert!(plans.iter().any(|plan| plan.contains("100 to publish")), "{plans:?}");
}

/// Waits until the process hears SIGTERM.
fn wait_until_it_listens(child: &Child) {
    wait_until("it listens for signals", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        caught & (1 << (15 - 1)) != 0
    });
}

/// What is promised is five seconds; the rest is for a machine that has other things to do.
const SOON: Duration = Duration::from_millis(6_500);

#[test]
fn a_stop_waits_neither_for_git_nor_for_another_process() {
    let server = server();
    let project = project(&server);
    project.write(".git/index.lock", "");
    save(&project, "first");
    let watching = Watching::start(&project, &[]);
    // Nothing has changed since it began, so that this is content as it is.
    wait_until("the first", || server.count() == 1);
    save(&project, "second");
    wait_until_it_listens(watching.child());
    let begun = std::time::Instant::now();
    watching.stop().expect(0);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(server.count(), 1, "git is not done");
    std::fs::remove_file(project.path(".git/index.lock")).expect("removed");
    // Another process has the ledger, and its request hangs.
    server.rehearsal.faults().add(Fault::next("putRecord", Action::Delay { ms: 40_000 }));
    let mut other = project.command(&["apply", "--auto-approve"]);
    let mut other = other.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("it hangs", || server.requests("putRecord") == 2);
    let watching = Watching::start(&project, &[]);
    wait_until_it_listens(watching.child());
    let begun = std::time::Instant::now();
    let run = watching.stop().expect(0);
    assert!(begun.elapsed() < SOON, "{:?}: {}", begun.elapsed(), run.stderr);
    other.kill().expect("killed");
    other.wait().expect("it is dead");
}

#[test]
fn killed_again_and_again_it_posts_each_once() {
    let server = server();
    let project = project(&server);
    for n in 0..12 {
        save(&project, &format!("post-{n}"));
    }
    let mut pause = 40;
    while server.count() < 12 && pause < 4_000 {
        let mut watching = Watching::start(&project, &["--lock-timeout", "5s"]);
        std::thread::sleep(Duration::from_millis(pause));
        let mut child = watching.0.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("it is dead");
        pause += 35;
    }
    let watching = Watching::start(&project, &[]);
    wait_until("all of them", || {
        project.states(&[]).iter().filter(|s| s.ends_with("published")).count() == 12
    });
    watching.stop().expect(0);
    let mut texts = texts(&server);
    texts.sort();
    texts.dedup();
    assert_eq!((server.count(), texts.len()), (12, 12));
    project.run(&["doctor"]).expect(0);
}

#[test]
fn a_service_manager_is_told() {
    let server = server();
    let mut project = project(&server);
    save(&project, "one");
    let path = project.path("notify");
    let socket = UnixDatagram::bind(&path).expect("bound");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    project.variable("NOTIFY_SOCKET", path.to_str().expect("UTF-8")).variable("WATCHDOG_USEC", "200000");
    let watching = Watching::start(&project, &[]);
    let next = || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut heard = Vec::new();
    while heard.iter().filter(|message| *message == "WATCHDOG=1").count() < 3
        || !heard.contains(&"READY=1".into())
    {
        heard.push(next());
    }
    assert_eq!(heard.iter().filter(|message| *message == "READY=1").count(), 1, "{heard:?}");
    assert_eq!(server.count(), 1, "ready once the first pass is done");
    watching.stop().expect(0);
    while next() != "STOPPING=1" {}
}

#[test]
fn once_is_one_pass_and_what_cannot_help_ends_it() {
    let server = server();
    let project = project(&server);
    save(&project, "one");
    project.run(&["watch", "--once"]).expect(0);
    assert_eq!(server.count(), 1);
    project.write("content/two.yaml", "id: two\n");
    project.run(&["watch", "--once"]).expect(1);
    std::fs::remove_file(project.path("state/ledger.db")).expect("removed");
    let lost = project.run(&["watch"]).expect(12);
    assert!(lost.stderr.contains("ledger"), "{}", lost.stderr);
    assert_eq!(server.count(), 1);
}
