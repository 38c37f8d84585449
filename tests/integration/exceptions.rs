//! Deliberate exceptions: pauses, adoption, forgetting, decisions from files, an older ledger, and the past.

use std::fs;

use gitcast::rehearsal::{Action, Fault};
use serde_json::Value;

use crate::support::{Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
const URL: &str = "https://www.tiktok.com/@direct/video/7";

/// The plan's `action reason next_at` of one publication.
fn planned(project: &Project, post: &str) -> (String, String, Value) {
    let plan = project.run(&["plan", "--json"]).json();
    let changes = plan["changes"].as_array().expect("a list").clone();
    let change = changes.iter().find(|c| c["post"] == post).unwrap_or_else(|| panic!("{plan}"));
    let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
    (text("action"), text("reason"), change["next_at"].clone())
}

fn photos(project: &Project, id: &str) {
    project.write(
        &format!("content/{id}.yaml"),
        format!("id: {id}\ntext: photos of {id}\nmedia:\n  - url: https://media.example.com/{id}.jpg\nto:\n  direct:\n    privacy: self_only\n"),
    );
}

/// A publication that nobody knows the outcome of.
fn held(server: &Server) -> Project {
    let project = server.project();
    photos(&project, "one");
    server.rehearsal.faults().add(Fault::next("content_init", Action::CutBeforeRead));
    project.run(&APPLY).expect(4);
    project
}

#[test]
fn what_is_paused_is_not_sent_is_shown_everywhere_and_goes_on_when_resumed() {
    let server = Server::start();
    let mut project = server.project();
    project.variable("GIT_AUTHOR_NAME", "Ann").variable("GIT_AUTHOR_EMAIL", "ann@example.com");
    project.draft("one").direct("two");
    let until = "2099-01-01T00:00:00Z";
    project.run(&["pause", "one", "--why", "legal \u{1b}[31mlooks", "--until", until]).expect(0);
    project.run(&["pause", "--account", "direct"]).expect(0);
    assert_eq!(planned(&project, "one"), ("wait".into(), "paused".into(), until.into()));
    assert_eq!(planned(&project, "two"), ("wait".into(), "paused".into(), Value::Null));
    let run = project.run(&APPLY).expect(0);
    assert!(run.stdout.contains("paused") && run.stdout.contains("Ann <ann@example.com>"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
    assert_eq!((server.count(), server.requests("inbox_init")), (0, 0));

    let status = project.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["pauses"].as_array().map(Vec::len), Some(2), "{status}");
    let pause = status["pauses"].as_array().expect("pauses").iter().find(|p| p["scope"] == "post");
    let pause = pause.expect("of the post");
    assert_eq!((&pause["post"], &pause["until"]), (&"one".into(), &until.into()));
    assert!(pause["by"].as_str().is_some_and(|by| by == "pause by Ann <ann@example.com>"), "{pause}");
    let status = project.run(&["status"]).expect(0).stdout;
    assert!(status.contains("post one is paused") && status.contains("account direct is paused"), "{status}");
    let log = project.run(&["log"]).expect(0).stdout;
    assert!(log.contains("paused until 2099-01-01") && log.contains("looks"), "{log}");

    project.run(&["resume", "one", "direct"]).expect(1);
    project.run(&["resume", "one", "--why", "cleared"]).expect(0);
    project.run(&["resume", "one"]).expect(1);
    project.run(&APPLY).expect(0);
    assert_eq!(project.states(&[]), ["one@drafts delivered"]);
    project.run(&["resume", "--account", "direct"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 2);
    let log = project.run(&["log"]).expect(0).stdout;
    assert!(log.contains("resumed: cleared"), "{log}");
}

#[test]
fn a_pause_says_what_it_is_about_and_until_when() {
    let project = Project::new();
    for wrong in [
        &["pause"][..],
        &["pause", "--platform", "myspace"],
        &["pause", "one", "--platform", "tiktok"],
        &["pause", "one", "--until", "tomorrow"],
        &["pause", "one", "--until", "2020-01-01T00:00Z"],
        &["pause", "../one"],
    ] {
        project.run(wrong).expect(64);
    }
    for scope in [&["one"][..], &["one", "drafts"], &["--post", "one"], &["--platform", "tiktok"]] {
        project.run(&[&["pause"], scope].concat()).expect(0);
    }
    let status = project.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["pauses"].as_array().map(Vec::len), Some(3), "a pause replaces the one of its scope");
}

#[test]
fn a_pause_does_not_stop_finding_out_and_stops_what_would_follow() {
    let server = Server::start();
    let project = server.project();
    project.direct("one");
    // Nobody answers the request that makes it public; the pause comes before anyone has looked.
    server.rehearsal.faults().add(Fault::next("upload", Action::Status { code: 500, body: None }));
    project.run(&["apply", "--auto-approve", "--max-wait", "0s"]).expect(5);
    project.run(&["pause", "one"]).expect(0);
    assert_eq!(project.states(&[]), ["one@direct unresolved"]);
    let before = server.requests("upload");
    project.run(&APPLY).expect(0);
    assert_eq!(
        (project.states(&[]), server.requests("upload")),
        (vec!["one@direct staged".to_owned()], before)
    );
    let show = project.run(&["show", "one"]).expect(0).stdout;
    assert!(show.contains("post one is paused"), "{show}");
    project.run(&["resume", "one"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!((project.states(&[]), server.count()), (vec!["one@direct published".to_owned()], 1));

    // In the creator's inbox or at work: the platform is asked, paused or not.
    project.draft("two");
    let processing = Fault::next("status", Action::Status { code: 500, body: None });
    server.rehearsal.faults().add(processing);
    project.run(&["apply", "--auto-approve", "--max-wait", "0s"]).expect(5);
    project.run(&["pause", "--platform", "tiktok"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(project.states(&[])[1], "two@drafts delivered");
}

#[test]
fn what_is_live_already_is_adopted_and_not_sent() {
    let server = Server::start();
    let project = server.project();
    project.run(&["adopt", "one", "direct", "--published", URL]).expect(1);
    project.direct("one").draft("two");
    project.run(&["adopt", "one", "direct"]).expect(64);
    project.run(&["adopt", "one", "direct", "--published", "javascript:alert(1)"]).expect(64);
    project.run(&["adopt", "one", "drafts", "--published", URL]).expect(1);
    project
        .run(&["adopt", "one", "direct", "--published", URL, "--remote-id", "7", "--why", "by hand"])
        .expect(0);
    let status = project.run(&["status", "--json"]).expect(0).json();
    let publication = &status["publications"][0];
    assert_eq!(publication["state"], "published");
    assert_eq!((&publication["remote_url"], &publication["remote_id"]), (&URL.into(), &"7".into()));
    assert_eq!(planned(&project, "one").0, "unchanged");
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("video_init")), (1, 0), "only the other one was sent");
    project.run(&["adopt", "two", "drafts", "--remote-id", "7"]).expect(0);
    let yaml = fs::read_to_string(project.path("content/one.yaml")).expect("yaml");
    project.write("content/one.yaml", yaml.replace("The text of one", "Another text"));
    assert_eq!(planned(&project, "one").0, "diverged");
    project.run(&["adopt", "one", "direct", "--published", URL]).expect(0);
    assert_eq!(planned(&project, "one").0, "unchanged");
    project.direct("three");
    let taken = project.run(&["adopt", "three", "direct", "--published", URL]).expect(1);
    assert!(taken.stderr.contains("belongs to one already"), "{}", taken.stderr);
    let log = project.run(&["log", "one"]).expect(0).stdout;
    assert!(log.contains("adopted") && log.contains("by hand"), "{log}");
}

#[test]
fn what_is_forgotten_is_published_anew_and_its_history_stays() {
    let server = Server::start();
    let project = server.project();
    project.direct("one");
    project.run(&APPLY).expect(0);
    let run = project.run(&["forget", "one", "direct", "--why", "deleted in the app"]).expect(0);
    assert!(run.stderr.contains("publishes it again"), "{}", run.stderr);
    project.run(&["forget", "one", "direct"]).expect(1);
    assert_eq!(planned(&project, "one").0, "publish");
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), project.states(&[])), (2, vec!["one@direct published".to_owned()]));
    let log = project.run(&["log", "one"]).expect(0).stdout;
    assert!(log.matches("started").count() == 2 && log.contains("deleted in the app"), "{log}");
    assert!(project.run(&["doctor"]).expect(0).stdout.contains("chain and views verified"));
}

#[test]
fn an_unknown_outcome_is_forgotten_only_by_force() {
    let server = Server::start();
    let project = held(&server);
    let run = project.run(&["forget", "one", "direct"]).expect(1);
    assert!(run.stderr.contains("--force") && run.stderr.contains("twice"), "{}", run.stderr);
    assert_eq!(project.states(&[]), ["one@direct held"]);
    project.run(&["forget", "one", "direct", "--force"]).expect(0);
    assert_eq!(planned(&project, "one").0, "publish");
}

#[test]
fn a_committed_decision_is_shown_by_plan_and_carried_out_once() {
    let server = Server::start();
    let project = held(&server);
    let decision = format!("- post: one\n  account: direct\n  published: {URL}\n  why: seen in the app\n");
    project.write("content/resolutions/first.yaml", &decision);
    project.run(&["validate", "--deny-warnings"]).expect(0);
    let before = project.files();
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    let note = &plan["decisions"][0];
    assert_eq!(
        (&note["outcome"], &note["place"]),
        (&"carried-out".into(), &"content/resolutions/first.yaml:1".into())
    );
    assert_eq!(plan["publications"][0]["state"], "published");
    assert!(before == project.files(), "plan writes nothing");
    project.run(&["plan", "--detailed-exitcode"]).expect(2);
    project.run(&APPLY).expect(0);
    assert_eq!(project.states(&[]), ["one@direct published"]);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
    let log = project.run(&["log", "one"]).expect(0).stdout;
    assert!(log.contains("seen in the app") && log.contains("content/resolutions/first.yaml:1"), "{log}");
    // Again, elsewhere, and after it would fit once more: it counts once.
    project.run(&["forget", "one", "direct"]).expect(0);
    fs::rename(project.path("content/resolutions/first.yaml"), project.path("content/resolutions/z.yaml"))
        .expect("rename");
    assert_eq!(planned(&project, "one").0, "publish");
    assert_eq!(server.requests("content_init"), 1);
}

#[test]
fn a_decision_that_fits_nothing_is_told_once_and_never_waits_for_its_chance() {
    let server = Server::start();
    let project = server.project();
    photos(&project, "one");
    project.write("content/resolutions/a.yaml", "- {post: one, account: direct, not_published: true}\n");
    server.rehearsal.faults().add(Fault::next("content_init", Action::CutBeforeRead));
    let run = project.run(&APPLY).expect(4);
    assert!(run.stderr.contains("decision-moot") && run.stderr.contains("a.yaml:1"), "{}", run.stderr);
    let run = project.run(&APPLY).expect(4);
    assert!(!run.stderr.contains("decision-moot"), "{}", run.stderr);
    assert_eq!(server.requests("content_init"), 1, "the outcome came after the decision");
}

#[test]
fn pauses_adoptions_and_mistakes_can_be_committed() {
    let server = Server::start();
    let project = server.project();
    project.direct("one").direct("two").draft("three").draft("four");
    project.write(
        "content/resolutions/now.yaml",
        format!("- post: one\n  account: direct\n  adopt: {URL}\n- post: two\n  pause_until: 2099-01-01T00:00Z\n  why: embargo\n"),
    );
    project.write("content/resolutions/bad.yaml", "- post: three\n  pause_untill: 2099-01-01T00:00Z\n");
    let run = project.run(&APPLY).expect(1);
    assert!(run.stderr.contains("bad.yaml:2:3") && run.stderr.contains("pause_until"), "{}", run.stderr);
    assert_eq!(project.states(&[]), ["four@drafts delivered", "one@direct published"]);
    assert_eq!(server.count(), 1, "what a decision with an error is about is not sent");
    assert_eq!(planned(&project, "two").1, "paused");
    assert_eq!(planned(&project, "three").1, "paused");
    project.write(
        "content/resolutions/bad.yaml",
        "- {post: three, pause: true}\n- {post: three, resume: true}\n",
    );
    project.write("content/resolutions/zz.yaml", "- {post: two, resume: true}\n");
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 3);
    let hostile = "- {post: one, account: direct, published: \"https://a.example/\\e[31m\", why: \"::error::x\\e[2J\"}\n";
    project.write("content/resolutions/hostile.yaml", hostile);
    let run = project.run(&["plan"]).expect(1);
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run:?}");
    assert!(run.stderr.contains("hostile.yaml:1:"), "{}", run.stderr);
}

#[test]
fn a_decision_is_not_carried_out_by_a_plan_that_is_refused() {
    let server = Server::start();
    let project = held(&server);
    project.draft("two");
    project.write("content/resolutions/a.yaml", "- {post: one, account: direct, abandon: true}\n");
    let wrong = format!("sha256:{}", "0".repeat(64));
    project.run(&["apply", "--expect", &wrong]).expect(10);
    assert_eq!(project.states(&[]), ["one@direct held"]);
    let digest = project.run(&["plan", "--json"]).expect(0).json()["digest"].clone();
    project.run(&["apply", "--expect", digest.as_str().expect("digest")]);
    assert_eq!(project.states(&[]), ["one@direct failed", "two@drafts delivered"]);
}

#[test]
fn a_ledger_from_a_backup_publishes_nothing_unless_it_is_accepted() {
    let server = Server::start();
    let project = server.project();
    let backup = fs::read(project.path("state/ledger.db")).expect("backup");
    project.draft("one");
    project.run(&APPLY).expect(0);
    fs::write(project.path("state/ledger.db"), backup).expect("restore");
    for command in [&APPLY[..], &["plan"], &["pause", "one"]] {
        let run = project.run(command).expect(12);
        assert!(run.stderr.contains("--accept-older-ledger"), "{}", run.stderr);
    }
    assert_eq!(server.count(), 1);
    project.run(&["status"]).expect(0);
    project.run(&["adopt", "one", "drafts", "--remote-id", "1", "--accept-older-ledger"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
    fs::remove_file(project.path("state/ledger.db")).expect("lose");
    let run = project.run(&APPLY).expect(12);
    assert!(run.stderr.contains("--new-ledger"), "{}", run.stderr);
    project.run(&["plan"]).expect(12);
    assert_eq!(server.count(), 1);
}

#[test]
fn status_replays_the_past() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    project.run(&["pause", "one"]).expect(0);
    let log = |project: &Project| project.run(&["log", "--json"]).expect(0).json()["entries"].clone();
    let paused_at =
        log(&project).as_array().and_then(|all| all.last().cloned()).expect("an entry")["at"].clone();
    project.run(&["resume", "one"]).expect(0);
    project.run(&APPLY).expect(0);
    let at = |time: &str| project.run(&["status", "--json", "--at", time]).expect(0).json();
    let then = at(paused_at.as_str().expect("a time"));
    assert_eq!(
        (then["publications"].as_array().map(Vec::len), then["pauses"].as_array().map(Vec::len)),
        (Some(0), Some(1))
    );
    let now = at("2099-01-01T00:00");
    assert_eq!(
        (now["publications"][0]["state"].as_str(), now["pauses"].as_array().map(Vec::len)),
        (Some("delivered"), Some(0))
    );
    assert_eq!(at("2000-01-01T00:00Z")["publications"].as_array().map(Vec::len), Some(0));
    let entries = log(&project);
    let started = entries.as_array().expect("a list").iter().find(|e| e["event"]["change"] == "started");
    let then = at(started.expect("started")["at"].as_str().expect("a time"));
    assert_eq!(then["publications"][0]["state"], "staging");
    project.run(&["status", "--at", "yesterday"]).expect(64);
}
