//! How a live post is explained: from the commit to its link. And what was recorded at an earlier time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{Project, Server};

/// Git in the project's folder, with no settings but these.
fn git(project: &Project, arguments: &[&str]) -> String {
    let user =
        ["-c", "user.name=Ann Author", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    command.args(user).args(arguments).current_dir(project.path("")).env_clear();
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", project.path("home"));
    let output = command.output().expect("git starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn commit_all(project: &Project, subject: &str) -> String {
    project.write(".gitignore", "/state/\n/home\n/bin/\n");
    git(project, &["init", "--quiet"]);
    git(project, &["add", "."]);
    git(project, &["commit", "--quiet", "--message", subject]);
    git(project, &["rev-parse", "HEAD"])
}

/// The commit that is recorded of a post's last attempt.
fn recorded(project: &Project, id: &str) -> Value {
    let log = project.run(&["log", id, "--json"]).expect(0).json();
    let attempts = log["history"][0]["attempts"].as_array().expect("attempts").clone();
    attempts.last().expect("an attempt")["commit"].clone()
}

/// A program of the name `git` that comes before the real one.
fn fake_git(project: &mut Project, script: &str) {
    let path = project.path("bin/git");
    project.write("bin/git", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    let folder = project.path("bin").display().to_string();
    project.variable("PATH", &format!("{folder}:/usr/bin:/bin"));
}

fn real_git() -> PathBuf {
    let candidates = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let found =
        std::env::split_paths(&candidates).map(|folder| folder.join("git")).find(|path| path.exists());
    found.expect("git is installed")
}

#[test]
fn a_live_post_is_traced_back_to_its_commit() {
    let server = Server::start();
    let mut project = server.project();
    project.direct("launch");
    project.variable("GIT_AUTHOR_NAME", "Ben");
    let commit = commit_all(&project, "launch: say it");
    project.run(&["apply", "--auto-approve"]).expect(0);
    for command in ["log", "show"] {
        let told = project.run(&[command, "launch"]).expect(0).stdout;
        let chain = [
            "launch → direct",
            "attempt 1, revision 1",
            &format!("content/launch.yaml, as committed in {commit}"),
            "\"launch: say it\" by Ann Author <ann@example.com>",
            "apply by Ben",
            "started: video",
            "video/init → 200",
            "(log id ",
            "intended: ",
            "status/fetch → 200",
            "published",
        ];
        let mut rest = told.as_str();
        for link in chain {
            let at = rest.find(link).unwrap_or_else(|| panic!("{link} is missing or too early in\n{told}"));
            rest = &rest[at + link.len()..];
        }
    }
    let document = project.run(&["log", "launch", "--json"]).expect(0).json();
    let attempt = &document["history"][0]["attempts"][0];
    assert_eq!((attempt["number"].as_u64(), attempt["actor"].as_str()), (Some(1), Some("apply by Ben")));
    assert_eq!(attempt["commit"]["id"], commit);
    assert_eq!(attempt["commit"]["manifest"], "committed");
    let steps = attempt["steps"].as_array().expect("steps");
    let changes: Vec<_> = steps.iter().map(|step| step["change"].as_str().unwrap_or_default()).collect();
    assert_eq!((changes.first(), changes.last()), (Some(&"started"), Some(&"published")));
    let sent: Vec<_> = steps.iter().flat_map(|step| step["requests"].as_array().expect("a list")).collect();
    assert!(sent.iter().any(|request| request["log_id"].is_string()), "{sent:?}");
    // Each request of the whole log is in the chain, once.
    let log = project.run(&["log", "--json", "--requests"]).expect(0).json();
    let all = log["entries"].as_array().expect("entries").iter();
    let all = all.filter(|entry| entry["event"]["event"] == "request" && entry["event"]["post"] == "launch");
    assert_eq!(all.count(), sent.len());
    assert!(project.run(&["doctor"]).expect(0).stdout.contains("chain and views verified"));
}

#[test]
fn a_manifest_that_is_not_as_committed_is_told_from_one_that_is() {
    let server = Server::start();
    let project = server.project();
    project.draft("same").draft("changed").draft("staged");
    git(&project, &["init", "--quiet"]);
    let commit = commit_all(&project, "three");
    let text = fs::read_to_string(project.path("content/changed.yaml")).expect("manifest");
    project.write("content/changed.yaml", format!("{text}# later\n")).draft("new").draft("added");
    git(&project, &["add", "content/added.yaml"]);
    let touched = fs::File::options().append(true).open(project.path("content/same.yaml")).expect("manifest");
    touched.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).expect("touched");
    let index = fs::read(project.path(".git/index")).expect("index");
    project.run(&["apply", "--auto-approve"]).expect(0);
    for (id, standing) in [
        ("same", "committed"),
        ("staged", "committed"),
        ("changed", "changed"),
        ("new", "untracked"),
        ("added", "untracked"),
    ] {
        let recorded = recorded(&project, id);
        assert_eq!(
            (recorded["id"].as_str(), &recorded["manifest"]),
            (Some(&*commit), &standing.into()),
            "{id}"
        );
    }
    assert!(fs::read(project.path(".git/index")).expect("index") == index, "the repository is only read");
}

#[test]
fn git_is_asked_only_when_an_attempt_starts_and_learns_no_secret() {
    let server = Server::start();
    let mut project = server.project();
    project.draft("one");
    let commit = commit_all(&project, "one");
    let calls = project.path("bin/calls").display().to_string();
    let real = real_git().display().to_string();
    fake_git(&mut project, &format!("echo called \"$@\" >> {calls}; env >> {calls}; exec {real} \"$@\""));
    for command in
        [&["plan"][..], &["validate"], &["status"], &["apply", "--auto-approve", "--only", "direct"]]
    {
        project.run(command).expect(0);
        assert!(!Path::new(&calls).exists(), "{command:?}");
    }
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(recorded(&project, "one")["id"], commit);
    let asked = fs::read_to_string(&calls).expect("git was asked");
    assert!(!asked.contains("rehearsal-secret") && !asked.contains("rehearsal-key"), "{asked}");
    assert!(asked.contains("GIT_TERMINAL_PROMPT=0") && asked.contains("--no-pager"), "{asked}");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(fs::read_to_string(&calls).expect("calls"), asked, "nothing is to be done");
}

#[test]
fn without_a_commit_there_is_none_and_no_error() {
    let server = Server::start();
    let mut project = server.project();
    project.draft("bare");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(recorded(&project, "bare"), Value::Null, "no repository");
    git(&project, &["init", "--quiet"]);
    project.draft("unborn");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(recorded(&project, "unborn"), Value::Null, "no commit");
    commit_all(&project, "all");
    project.variable("PATH", "/nowhere").draft("missing");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(recorded(&project, "missing"), Value::Null, "no git");
    assert_eq!(server.count(), 3);
}

#[test]
fn a_git_that_lies_or_fails_is_no_error() {
    let server = Server::start();
    let mut project = server.project();
    commit_all(&project, "all");
    let real = real_git().display().to_string();
    for (id, script) in [
        ("lies", "printf 'HEAD\\0\\033[31mred\\0x\\0'"),
        ("fails", "exit 1"),
        ("floods", "cat /dev/zero"),
        ("half", &format!("case \"$*\" in *' log '*) exec {real} \"$@\";; esac; exit 1")),
    ] {
        fake_git(&mut project, script);
        project.draft(id);
        project.run(&["apply", "--auto-approve"]).expect(0);
        assert_eq!(recorded(&project, id), Value::Null, "{id}");
    }
    assert_eq!(server.count(), 4);
}

#[test]
fn a_git_that_hangs_delays_a_run_by_seconds_at_most() {
    let server = Server::start();
    let mut project = server.project();
    project.draft("one");
    // What it starts keeps its output open after it was killed.
    fake_git(&mut project, "sleep 50 & wait");
    let begun = Instant::now();
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(recorded(&project, "one"), Value::Null);
}

#[test]
fn no_folder_of_content_is_taken_for_a_repository() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    git(&project, &["init", "--quiet", "--bare", "content"]);
    let witness = project.path("content/pwned");
    let command = format!("touch {}", witness.display());
    for setting in ["core.fsmonitor", "core.pager", "gpg.program", "filter.x.clean", "diff.external"] {
        git(&project, &["--git-dir", "content", "config", setting, &command]);
    }
    git(&project, &["--git-dir", "content", "config", "log.showSignature", "true"]);
    project.write("content/.gitattributes", "*.yaml filter=x\n");
    let tree = git(&project, &["--git-dir", "content", "mktree"]);
    let commit = git(&project, &["--git-dir", "content", "commit-tree", &tree, "-m", "bait"]);
    git(&project, &["--git-dir", "content", "update-ref", "HEAD", &commit]);
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert!(!witness.exists());
    assert_eq!(recorded(&project, "one"), Value::Null);
    assert_eq!(server.count(), 1);
}

#[test]
fn the_chunks_of_an_upload_are_told_as_one() {
    let server = Server::start();
    let project = server.project();
    project.large_draft("big", 70_000_000);
    project.run(&["apply", "--auto-approve"]).expect(0);
    let told = project.run(&["log", "big"]).expect(0).stdout;
    let uploads: Vec<_> = told.lines().filter(|line| line.contains(" upload → ")).collect();
    // Seven chunks: five that differ in nothing, the one that completes the staging, the one that publishes.
    assert!(uploads.len() == 3 && uploads[0].contains("upload → 206, 5 times"), "{told}");
    assert!(told.contains("stepped, 5 times"), "{told}");
}

#[test]
fn what_git_says_cannot_reach_the_terminal() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    commit_all(&project, "\u{1b}[31mred ::error::pwned \u{202e}");
    project.run(&["apply", "--auto-approve"]).expect(0);
    for command in [&["log", "one"][..], &["show", "one"], &["log", "one", "--json"], &["log", "--json"]] {
        let out = project.run(command).expect(0).stdout;
        assert!(out.contains("red") && !out.contains(['\u{1b}', '\u{202e}']), "{command:?}: {out}");
    }
}

#[test]
fn the_past_is_what_was_recorded_then() {
    let server = Server::start();
    let project = server.project();
    project.draft("one").draft("two");
    project.run(&["apply", "--auto-approve", "--only", "one"]).expect(0);
    project.run(&["pause", "two", "--why", "wait"]).expect(0);
    project.run(&["resume", "two"]).expect(0);
    project.run(&["apply", "--auto-approve", "--only", "two"]).expect(0);
    let log = project.run(&["log", "--json"]).expect(0).json();
    let at = |wanted: &dyn Fn(&Value) -> bool| -> Timestamp {
        let entries = log["entries"].as_array().expect("entries");
        let entry = entries.iter().find(|entry| wanted(&entry["event"])).expect("an entry");
        entry["at"].as_str().expect("a time").parse().expect("a time")
    };
    let of = |post: &str, change: &str| at(&|event| event["post"] == post && event["change"] == change);
    let first = at(&|event| event["event"] == "created");
    let paused = at(&|event| event["event"] == "paused");
    let instant = SignedDuration::from_nanos(1);
    for (time, states, pauses) in [
        (first - SignedDuration::from_secs(1), &[][..], 0),
        (of("one", "started") - instant, &[], 0),
        (of("one", "delivered") - instant, &["one@drafts accepted"], 0),
        (of("one", "delivered"), &["one@drafts delivered"], 0),
        (paused, &["one@drafts delivered"], 1),
        (of("two", "started") - instant, &["one@drafts delivered"], 0),
        (of("two", "delivered"), &["one@drafts delivered", "two@drafts delivered"], 0),
        (
            Timestamp::now() + SignedDuration::from_hours(1),
            &["one@drafts delivered", "two@drafts delivered"],
            0,
        ),
    ] {
        let time = time.to_string();
        assert_eq!(project.states(&["--at", &time]), states, "{time}");
        let document = project.run(&["status", "--json", "--at", &time]).expect(0).json();
        assert_eq!(document["pauses"].as_array().map(Vec::len), Some(pauses), "{time}");
    }
    assert!(project.run(&["status", "--at", &first.to_string()]).expect(0).stdout.contains("Nothing"));
    project.run(&["status", "--at", "then"]).expect(64);
}
