//! What is known of accounts: read from the platform, committed, and used by everybody without a login.

use std::fs;
use std::path::Path;

use gitcast::rehearsal::{AccountSetup, SCOPES};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::accounts::{HOUR, log_in_since};
use crate::support::{Project, Run, Server};

const LOCK: &str = "content/accounts.lock.yaml";

/// The account in direct mode is limited, the one in draft mode lacks the scope for drafts.
fn limited() -> Server {
    let scopes = SCOPES.iter().filter(|scope| **scope != "video.upload").map(|scope| (*scope).to_owned());
    Server::start_with(vec![
        AccountSetup { scopes: scopes.collect(), ..AccountSetup::new("drafts") },
        AccountSetup {
            nickname: "The \u{202e}Brand 🎉".into(),
            max_video_post_duration_sec: 1,
            duet_disabled: true,
            ..AccountSetup::audited("direct")
        },
    ])
}

/// Content and nothing else, as a pull request's check has it.
fn checkout(project: &Project) -> Project {
    let copy = Project::empty();
    let content = project.path("content");
    for (path, bytes) in project.files() {
        if let Ok(below) = path.strip_prefix(&content) {
            copy.write(&Path::new("content").join(below).to_string_lossy(), bytes);
        }
    }
    copy
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `code path:line` of each.
fn found(run: &Run) -> Vec<String> {
    let rows = run.json()["diagnostics"].as_array().expect("a list").clone();
    rows.iter().map(|d| format!("{} {}:{}", text(&d["code"]), text(&d["path"]), d["line"])).collect()
}

fn lock(project: &Project) -> String {
    fs::read_to_string(project.path(LOCK)).expect("written")
}

#[test]
fn what_the_platform_says_is_committed_and_warns_offline() {
    let server = limited();
    let project = server.project();
    project.draft("one").direct("two");
    project.write(
        "content/two.yaml",
        "id: two\nmedia:\n  - file: two.mp4\nto:\n  direct:\n    privacy: followers\n    allow: [comment, duet]\n",
    );
    project.run(&["validate", "--deny-warnings"]).expect(1);
    project.run(&["auth", "audit", "direct", "audited"]).expect(0);
    assert!(!lock(&project).contains("read_on"), "nothing was asked");
    project.run(&["validate", "--deny-warnings"]).expect(0);
    project.run(&["auth", "status", "--write"]).expect(0);
    let written = lock(&project);
    for line in
        ["    audited: true", "      - duet", "    video_seconds_max: 1", "    nickname: \"The Brand 🎉\""]
    {
        assert!(written.lines().any(|l| l == line), "{line}\n{written}");
    }

    let copy = checkout(&project);
    let before = copy.files();
    for command in ["validate", "plan"] {
        let run = copy.run(&[command, "--json"]).expect(0);
        let expected = [
            "account-scope-missing content/one.yaml:5",
            "account-video-too-long content/two.yaml:3",
            "account-privacy-not-offered content/two.yaml:6",
            "account-allow-disabled content/two.yaml:7",
        ];
        assert_eq!(found(&run), expected, "{command}");
    }
    assert!(copy.files() == before, "nothing was written");
    let shown = copy.run(&["validate"]).expect(0).stdout;
    assert!(shown.contains("content/accounts.lock.yaml:") && shown.contains("privacy:"), "{shown}");
    copy.run(&["validate", "--deny-warnings"]).expect(1);

    // The same facts are the same bytes, and a person's own lines stay.
    project.run(&["auth", "status", "--write"]).expect(0);
    assert_eq!(lock(&project), written);
    project.write(
        LOCK,
        written.replace("  direct:\n", "  direct:\n    media_prefixes: ['https://cdn.example/']\n"),
    );
    project.run(&["auth", "status", "--write"]).expect(0);
    assert!(lock(&project).contains("      - https://cdn.example/\n"), "{}", lock(&project));
    assert_eq!(fs::read_dir(project.path("content")).expect("content").count(), 6, "no other file is left");
}

#[test]
fn asking_is_told_recorded_and_limited() {
    let server = limited();
    let project = server.project_of(&["direct"]);
    let plain = project.run(&["auth", "status", "--json"]).expect(6).json();
    assert_eq!((server.requests("creator_info"), server.requests("user_info")), (0, 0), "it is offline");
    assert_eq!(
        (&plain["accounts"][1]["capabilities"], &plain["accounts"][1]["audited"]),
        (&Value::Null, &Value::Bool(false))
    );
    // An account without a login is left out, and still said to lack one.
    let document = project.run(&["auth", "status", "--write", "--json"]).expect(6).json();
    let direct = document["accounts"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|a| a["account"] == "direct")
        .expect("it");
    assert_eq!(direct["capabilities"]["privacy"], serde_json::json!(["public", "friends", "self_only"]));
    assert!(!lock(&project).contains("drafts"));
    assert_eq!((server.requests("creator_info"), server.requests("user_info")), (1, 1));
    let log = project.run(&["log", "--requests"]).expect(0).stdout;
    assert!(log.contains("creator_info/query") && log.contains("user/info"), "{log}");
    let shown = project.run(&["auth", "status"]).expect(6).stdout;
    assert!(shown.contains("@direct") && shown.contains("turned off: duet"), "{shown}");
    // Twenty a minute: what was asked in this minute counts.
    for _ in 0..19 {
        project.run(&["auth", "status", "--write"]).expect(6);
    }
    let refused = project.run(&["auth", "status", "--write"]).expect(6);
    assert!(refused.stderr.contains("rate limit"), "{}", refused.stderr);
    assert_eq!(server.requests("creator_info"), 20);
}

#[test]
fn a_creator_who_cannot_post_now_keeps_what_was_known() {
    let barred =
        AccountSetup { barred: Some("spam_risk_too_many_posts".into()), ..AccountSetup::new("direct") };
    let server = Server::start_with(vec![AccountSetup::new("drafts"), barred]);
    let project = server.project();
    project
        .write(LOCK, "version: 1\naccounts:\n  direct:\n    read_on: 2026-11-01\n    privacy: [friends]\n");
    let run = project.run(&["auth", "status", "--write", "--json"]).expect(0).json();
    let cannot: Vec<_> = (0..2).map(|n| text(&run["accounts"][n]["cannot_post"])).collect();
    assert!(cannot[0].contains("spam_risk_too_many_posts") && cannot[1].is_empty(), "{run}");
    let shown = project.run(&["auth", "status", "--write"]).expect(0).stdout;
    assert!(shown.contains("cannot post at present: creator_info/query"), "{shown}");
    let written = lock(&project);
    let direct = written.split("  drafts:").next().expect("first");
    assert!(direct.contains("read_on: 2026-11-01\n") && direct.contains("- friends"), "{written}");
    assert!(direct.contains("- video.publish"), "{written}");
}

#[test]
fn a_login_that_has_expired_or_is_refused_is_named() {
    let server = limited();
    let project = server.project_of(&["direct"]);
    project.run_with_input(
        &["auth", "import", "drafts", "-"],
        r#"{"access_token":"act.nobody","expires_in":7200,"refresh_token":"rft.nobody","scope":"user.info.basic"}"#,
    )
    .expect(0);
    let run = project.run(&["auth", "status", "--write"]).expect(6);
    assert!(run.stderr.contains("gitcast auth refresh --force drafts"), "{}", run.stderr);
    let written = lock(&project);
    assert!(written.contains("direct:") && !written.contains("drafts:"), "{written}");
}

#[test]
fn what_is_due_is_refreshed_first_and_who_is_logged_out_is_left_alone() {
    let server = limited();
    let project = server.project_of(&["drafts"]);
    log_in_since(&server, &project, "direct", HOUR * 3);
    project.run(&["auth", "logout", "drafts"]).expect(0);
    project.run(&["auth", "status", "--write"]).expect(6);
    assert_eq!((server.requests("token"), server.requests("creator_info")), (1, 1));
    let written = lock(&project);
    assert!(written.contains("  direct:\n") && !written.contains("  drafts:\n"), "{written}");
}

#[test]
fn addresses_that_were_pulled_from_are_known_to_be_verified() {
    let media = Project::empty();
    media.medium("good.jpg", "a.jpg").medium("good.webp", "b.jpg");
    let server = Server::start_as(gitcast::rehearsal::Options {
        content: Some(media.path("")),
        accounts: vec![AccountSetup::new("drafts"), AccountSetup::new("direct")],
        ..Default::default()
    });
    let project = server.project();
    project.medium("good.jpg", "content/a.jpg").medium("good.webp", "content/b.jpg");
    let photo = |id: &str| format!("id: {id}\nmedia:\n  - file: {id}.jpg\nto:\n  drafts:\n");
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("there");
    let base = format!("{}/content/", server.url());
    project.write("content/gitcast.yaml", yaml.replace("https://media.example.com/", &base));
    project.write("content/a.yaml", photo("a"));
    project.run(&["apply", "--auto-approve"]).expect(0);
    project.run(&["auth", "status", "--write"]).expect(0);
    assert!(lock(&project).contains(&format!("- \"{base}\"\n")), "{}", lock(&project));
    project.run(&["validate", "--deny-warnings"]).expect(0);
    project.write("content/gitcast.yaml", yaml);
    project.write("content/b.yaml", photo("b"));
    let expected = ["account-media-unverified content/a.yaml:3", "account-media-unverified content/b.yaml:3"];
    assert_eq!(found(&project.run(&["validate", "--json"]).expect(0)), expected);
    // In a rehearsal the stand-in serves them.
    assert_eq!(found(&project.run(&["plan", "--rehearse", "--json"]).expect(0)), [""; 0]);
}

#[test]
fn the_audit_is_noted_and_explained() {
    let server = Server::start();
    let project = server.project();
    let run = project.run(&["auth", "audit", "direct", "unaudited"]).expect(0);
    for says in ["SELF_ONLY", "must be private", "5 users", "Drafts work", "2026-08-04"] {
        assert!(run.stdout.contains(says), "{says}: {}", run.stdout);
    }
    assert!(run.stdout.lines().count() <= 24, "one screen: {}", run.stdout);
    project.run(&["auth", "audit", "nobody", "audited"]).expect(1);
    project.run(&["auth", "audit", "direct", "yes"]).expect(64);

    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("there");
    project.write("content/gitcast.yaml", yaml.replace("mode: direct", "mode: direct\n    audited: false"));
    let run = project.run(&["auth", "audit", "direct", "audited", "--json"]).expect(0);
    assert!(run.stderr.contains("`audited: false`") && run.stderr.contains("in line 12"), "{}", run.stderr);
    assert_eq!(
        (run.json()["recorded"].as_bool(), run.json()["audited"].as_bool()),
        (Some(true), Some(false))
    );
}

#[test]
fn the_short_way_of_plan_misses_neither_a_change_nor_the_end_of_freshness() {
    let server = Server::start();
    let project = server.project();
    // Without a manifest: one that is younger than two seconds would take the long way.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let known = |more: &str| format!("version: 1\naccounts:\n  drafts:\n    read_on: {today}\n{more}");
    project.write(LOCK, known(""));
    let plan = || project.run(&["plan"]).expect(0).stderr;
    assert_eq!((plan(), plan()), (String::new(), String::new()));
    let notes: Vec<_> = project.cached("note");
    let until = notes.iter().find_map(|note| note.lines().nth(1)?.parse::<Timestamp>().ok());
    let old_from = today.saturating_add(91.days()).to_zoned(TimeZone::UTC).expect("a day").timestamp();
    assert_eq!(until, Some(old_from), "{notes:?}");
    project.write(LOCK, known("  other: {audited: true}\n"));
    assert!(plan().contains("unknown-account"));
    project.write(LOCK, known(""));
    assert_eq!(plan(), "");
    fs::remove_file(project.path(LOCK)).expect("removed");
    assert_eq!(plan(), "");
    project.write(LOCK, "");
    assert!(project.run(&["plan"]).expect(1).stderr.contains("empty-file"));
}

#[test]
fn old_facts_are_told_at_their_day() {
    let project = Project::new();
    project.write(LOCK, "version: 1\naccounts:\n  drafts:\n    read_on: 2026-11-01\n");
    let old = ["account-facts-old content/accounts.lock.yaml:4"];
    for (now, expected) in [("2027-01-30T23:59Z", &[][..]), ("2027-01-31T00:00Z", &old)] {
        assert_eq!(found(&project.run(&["plan", "--json", "--now", now]).expect(0)), expected, "{now}");
    }
}

#[test]
fn a_hostile_file_is_harmless_and_is_not_written_over() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    let long = format!("version: 1\n# {}\n", "x".repeat(1 << 20));
    let deep = format!("version: 1\naccounts: {}", "[".repeat(5_000));
    let hostile: [&[u8]; 6] = [
        b"version: 1\naccounts:\n  drafts:\n    nickname: \"\\e[31m\\e]0;x\\a\\u202e::error::pwned\"\n",
        b"version: 1\naccounts:\n  \"\\e[2J\": {}\n  ::error::x: 1\n",
        b"\x7fELF\x00\x01\xff\xfe",
        long.as_bytes(),
        deep.as_bytes(),
        b"<<<<<<< HEAD\nversion: 1\n=======\n>>>>>>> other\n",
    ];
    for bytes in hostile {
        project.write(LOCK, bytes);
        for (command, code) in [
            (&["validate"][..], 1),
            (&["validate", "--format", "github"], 1),
            (&["plan"], 1),
            (&["auth", "status"], 0),
            (&["auth", "status", "--write"], 1),
            (&["auth", "audit", "drafts", "audited"], 1),
        ] {
            let run = project.run(command).expect(code);
            for text in [&run.stdout, &run.stderr] {
                assert!(
                    !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'),
                    "{text:?}"
                );
                let commands = text.lines().filter(|line| line.trim_start().starts_with("::"));
                assert!(commands.into_iter().all(|line| line.starts_with("::error file=content/")), "{text}");
            }
        }
        assert_eq!(fs::read(project.path(LOCK)).expect("there"), bytes);
        // A draft needs no fact: it is planned all the same.
        assert_eq!(project.run(&["plan", "--json"]).expect(1).json()["changes"][0]["post"], "one");
    }
    // A name that only looks dangerous is a name.
    project.write(
        LOCK,
        "version: 1\naccounts:\n  drafts:\n    read_on: 2026-11-01\n    nickname: \"a\\u202eb ::error::\"\n",
    );
    let shown = project.run(&["auth", "status"]).expect(0).stdout;
    assert!(shown.contains("\\u{202e}"), "{shown}");
}

#[test]
fn no_token_is_in_the_file() {
    let server = Server::start();
    let project = server.project();
    let grant = server.rehearsal.issue_grant("direct").expect("a grant");
    project.run_with_input(&["auth", "import", "direct", "-"], &grant.to_string()).expect(0);
    let run = project.run(&["-vv", "auth", "status", "--write"]).expect(0);
    for secret in ["access_token", "refresh_token", "open_id"] {
        let secret = text(&grant[secret]);
        assert!(!secret.is_empty() && !lock(&project).contains(&secret), "{secret}");
    }
    for secret in ["access_token", "refresh_token"] {
        assert!(!(run.stdout.clone() + &run.stderr).contains(&text(&grant[secret])));
    }
}
