//! Content that is read from commits: a watch that follows a branch, and a plan between two commits.

use std::fs;
use std::process::Command;

use gitcast::rehearsal::{AccountSetup, Action, Fault};
use serde_json::Value;

use crate::pages::Serving;
use crate::support::{Project, Server, wait_until};
use crate::watch::Watching;

/// Git in the project's folder, with no settings but these.
fn git(project: &Project, arguments: &[&str]) -> String {
    let user =
        ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.args(user).args(arguments).current_dir(project.path("")).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", project.path("home"));
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().expect("git starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn commit(project: &Project, subject: &str) -> String {
    if !project.path(".git").exists() {
        project.write(".gitignore", "/state/\n/home\n*.jsonl\n");
        git(project, &["init", "--quiet", "--initial-branch=main"]);
    }
    git(project, &["add", "--all"]);
    git(project, &["commit", "--quiet", "--message", subject]);
    git(project, &["rev-parse", "HEAD"])
}

fn server() -> Server {
    Server::start_with(vec![AccountSetup::bluesky("sky", "brand.example"), AccountSetup::new("drafts")])
}

fn settings(server: &Server) -> String {
    let url = server.url();
    format!(
        "version: 1\npolicy:\n  max_new_posts: 1000\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.example\n    endpoint: {url}\n  drafts:\n    platform: tiktok\n    endpoint: {url}\n",
    )
}

fn project(server: &Server) -> Project {
    let mut project = Project::with(&settings(server));
    if let Some(path) = std::env::var_os("PATH") {
        project.variable("PATH", path.to_str().expect("UTF-8"));
    }
    for account in ["sky", "drafts"] {
        server.log_in(&project, account).expect(0);
    }
    project
}

fn manifest(id: &str) -> String {
    format!("id: {id}\ntext: The text of {id}\nto:\n  sky:\n")
}

fn save(project: &Project, id: &str) {
    project.write(&format!("content/{id}.yaml"), manifest(id));
}

fn recorded(project: &Project, id: &str) -> Value {
    let log = project.run(&["log", id, "--json"]).expect(0).json();
    let attempts = log["history"][0]["attempts"].as_array().expect("attempts").clone();
    attempts.last().expect("an attempt")["commit"].clone()
}

#[test]
fn a_watch_of_a_branch_publishes_what_is_committed_there_and_nothing_else() {
    let server = server();
    let project = project(&server);
    save(&project, "one");
    let first = commit(&project, "the first");
    // None of this is committed, and the branch that is checked out is another one.
    git(&project, &["checkout", "--quiet", "-b", "work"]);
    save(&project, "draft");
    project.write("content/one.yaml", manifest("one").replace("text of", "other text of"));
    project.write("content/gitcast.yaml", "accounts: [\n");
    project
        .write("content/resolutions/a.yaml", "- post: one\n  account: sky\n  pause: true\n  why: holidays\n");
    let watching =
        Watching::start(&project, &["--git-ref", "main", "--events", "events.jsonl", "--resync", "1h"]);
    wait_until("the first", || server.count() == 1);
    save(&project, "another-draft");
    fs::remove_file(project.path("content/one.yaml")).expect("removed");
    // A commit elsewhere is none here.
    let elsewhere = commit(&project, "elsewhere");
    git(&project, &["checkout", "--quiet", "--force", "main"]);
    save(&project, "two");
    let second = commit(&project, "the second");
    wait_until("the second", || server.count() == 2);
    // Fetched, and never checked out.
    git(&project, &["update-ref", "refs/heads/main", &elsewhere]);
    git(&project, &["update-ref", "refs/heads/main", &second]);
    let run = watching.stop().expect(0);
    assert!(run.stderr.contains(&format!("main is at {}: the first", &first[..12])), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("main is at {}: the second", &second[..12])), "{}", run.stderr);
    let texts: Vec<_> = server.rehearsal.publications().into_iter().map(|made| made.title).collect();
    assert_eq!(texts, ["The text of one", "The text of two"]);
    for (id, commit, subject) in [("one", &first, "the first"), ("two", &second, "the second")] {
        let recorded = recorded(&project, id);
        assert_eq!(
            (&recorded["id"], &recorded["manifest"]),
            (&Value::from(commit.as_str()), &"committed".into())
        );
        assert_eq!(
            (&recorded["subject"], &recorded["author"]),
            (&subject.into(), &"Ann <ann@example.com>".into())
        );
    }
    project.run(&["doctor"]).expect(0);
}

#[test]
fn what_is_wrong_with_a_branch_is_told_where_it_stands_and_a_name_that_is_none_ends_it() {
    let server = server();
    let project = project(&server);
    project.write("content/bad.yaml", "id: bad\ntext: [\nto:\n  sky:\n");
    std::os::unix::fs::symlink("gitcast.yaml", project.path("content/link.yaml")).expect("link");
    project.write("content/lfs.yaml", "id: lfs\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    project.write("content/a.mp4", pointer);
    save(&project, "good");
    commit(&project, "the first");
    fs::remove_dir_all(project.path("content")).expect("removed");
    let run = project.run(&["watch", "--once", "--git-ref", "main"]).expect(1);
    for told in
        ["content/bad.yaml:", "content/link.yaml", "content/lfs.yaml:3:11", "Git LFS pointer", "git lfs"]
    {
        assert!(run.stderr.contains(told), "{told} is missing in {}", run.stderr);
    }
    assert!(!run.stderr.contains("trees"), "{}", run.stderr);
    assert_eq!(server.count(), 1);
    for name in ["--upload-pack=x", "nothing", "main:content", ""] {
        let run = project.run(&["watch", "--once", &format!("--git-ref={name}")]).expect(1);
        assert!(run.stderr.contains("is no name of a commit"), "{}", run.stderr);
    }
    let mut other = Project::with(&settings(&server));
    other.variable("PATH", &std::env::var("PATH").expect("a path"));
    let run = other.run(&["watch", "--once", "--git-ref", "main"]).expect(1);
    assert!(run.stderr.contains("git said no"), "{}", run.stderr);
}

#[test]
fn an_upload_that_began_in_one_commit_goes_on_though_the_next_one_has_its_file_elsewhere() {
    let server = server();
    let project = project(&server);
    project.medium("good.jpg", "content/a.jpg");
    let post = |file: &str| format!("{}media:\n  - file: {file}\n    alt: A\n", manifest("a"));
    project.write("content/a.yaml", post("a.jpg"));
    let first = commit(&project, "the first");
    let busy = Fault {
        headers: [("retry-after".to_owned(), "4".to_owned())].into(),
        ..Fault::next("uploadBlob", Action::Status { code: 429, body: None })
    };
    server.rehearsal.faults().add(busy);
    let run = project.run(&["watch", "--once", "--git-ref", "main"]);
    assert_eq!(project.states(&[]), ["a@sky staging"], "{}", run.stderr);
    git(&project, &["mv", "content/a.jpg", "content/b.jpg"]);
    project.write("content/a.yaml", post("b.jpg"));
    commit(&project, "moved");
    let watching = Watching::start(&project, &["--git-ref", "main"]);
    wait_until("it is out", || server.count() == 1);
    let run = watching.stop().expect(0);
    assert_eq!(server.requests("uploadBlob"), 2, "{}", run.stderr);
    assert_eq!(project.states(&[]), ["a@sky published"]);
    assert_eq!(recorded(&project, "a")["id"], first);
}

#[test]
fn a_plan_between_commits_tells_what_a_change_comes_to() {
    let server = server();
    let project = project(&server);
    for id in ["same", "edited", "gone", "moved", "buried", "mended"] {
        save(&project, id);
    }
    project.write("content/mended.yaml", "id: mended\ntext: [\n");
    project.write("content/old.yaml", "id: old\ntext: a\nto:\n  nobody:\n");
    project.medium("good.mp4", "content/a.mp4");
    project.write("content/film.yaml", "id: film\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    commit(&project, "base");
    git(&project, &["checkout", "--quiet", "-b", "proposal"]);
    project.write("content/edited.yaml", manifest("edited").replace("text of", "other text of"));
    fs::remove_file(project.path("content/gone.yaml")).expect("removed");
    fs::create_dir_all(project.path("content/b")).expect("folder");
    fs::rename(project.path("content/moved.yaml"), project.path("content/b/moved.yaml")).expect("renamed");
    project.write("content/buried.yaml", format!("{}state: deleted\n", manifest("buried")));
    save(&project, "mended");
    save(&project, "new");
    project.write("content/wrong.yaml", "id: wrong\ntext: a\nto:\n  nowhere:\n");
    project.medium("hevc.mp4", "content/a.mp4");
    let head = commit(&project, "proposal");
    // What the base gets meanwhile is no change of the proposal's.
    git(&project, &["checkout", "--quiet", "main"]);
    save(&project, "meanwhile");
    commit(&project, "meanwhile");
    let (before, asked) = (project.files(), server.rehearsal.requests().len());
    let run = project.run(&["plan", "--base", "main", "--head", "proposal", "--json"]).expect(7);
    let document = run.json();
    let field = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let changes = document["changes"].as_array().expect("changes");
    let told: Vec<_> = changes
        .iter()
        .map(|c| {
            [
                field(c, "post"),
                field(c, "change"),
                field(c, "action"),
                field(c, "reason"),
                c["fields"].to_string(),
            ]
            .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "buried tombstoned refuse delete-not-allowed []",
            "edited changed diverged diverged [\"text\"]",
            "film changed diverged diverged [\"media\"]",
            "gone removed orphaned manifest-removed []",
            "mended mended publish new []",
            "moved renamed unchanged published []",
            "new new publish new []",
        ],
        "{}",
        run.stderr
    );
    assert_eq!(document["head"], head);
    let problems: Vec<_> = document["diagnostics"]
        .as_array()
        .expect("diagnostics")
        .iter()
        .map(|d| (field(d, "path"), field(d, "code"), d["new"].as_bool().expect("a bool")))
        .collect();
    let is_new = |path: &str| problems.iter().find(|p| p.0 == path).map(|p| p.2);
    assert_eq!(is_new("content/old.yaml"), Some(false), "{problems:?}");
    assert_eq!(is_new("content/wrong.yaml"), Some(true), "{problems:?}");
    let run =
        project.run(&["plan", "--base=main", "--head=proposal", "--only=edited", "--only=moved"]).expect(1);
    for told in [
        "edited  changed (text)",
        "raise `revision:`",
        "content/b/moved.yaml, before content/moved.yaml",
        "1 changed, 1 renamed; ",
    ] {
        assert!(run.stdout.contains(told), "{told} is missing in {}", run.stdout);
    }
    // The same for a comment, and for a step.
    let (output, summary) = (project.path("home/output"), project.path("home/summary"));
    let mut command = project.command(&[
        "plan",
        "--base=main",
        "--head=proposal",
        "--github",
        "--markdown-into=home/plan.md",
    ]);
    command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
    assert_eq!(command.output().expect("it starts").status.code(), Some(7));
    let comment = fs::read_to_string(project.path("home/plan.md")).expect("a comment");
    for told in [
        "## gitcast: 1 new, 2 changed, 1 mended, 1 renamed, 1 tombstoned, 1 removed\n",
        "### Changed\n\n| post |",
        "| `edited` | `sky` (bluesky) | `text` | `diverged` ",
        "`content/b/moved.yaml`, before `content/moved.yaml`",
        "### Problems that are new\n\n- **error** `content/wrong.yaml:4:3`",
        "### Problems that were there before\n",
    ] {
        assert!(comment.contains(told), "{told} is missing in {comment}");
    }
    assert_eq!(fs::read_to_string(summary).expect("a summary").trim_end(), comment.trim_end());
    assert!(fs::read_to_string(output).expect("outputs").contains("has-changes<<"));
    let run = project.run(&["plan", "--base", "proposal", "--head", "proposal", "--only", "same"]).expect(1);
    assert!(run.stdout.contains("No post differs"), "{}", run.stdout);
    // It has written nothing, needs no ledger, and has cleaned up.
    assert!(project.files() == before, "a file has changed");
    fs::remove_dir_all(project.path("state")).expect("removed");
    project.run(&["plan", "--base", "main", "--head", "proposal", "--allow-delete"]).expect(1);
    let left: Vec<_> = fs::read_dir(project.path("home/.cache/gitcast")).expect("a cache").collect();
    assert!(
        left.iter().all(|e| !e.as_ref().expect("entry").file_name().to_string_lossy().starts_with("compare"))
    );
    for (base, head) in [("nothing", "HEAD"), ("main", "--output=x"), ("-x", "main")] {
        let run = project.run(&["plan", &format!("--base={base}"), &format!("--head={head}")]).expect(1);
        assert!(run.stderr.contains("is no name of a commit"), "{}", run.stderr);
    }
    assert_eq!((server.rehearsal.requests().len(), server.count()), (asked, 0));
}

#[test]
fn pages_show_what_the_branch_holds() {
    let server = server();
    let project = project(&server);
    save(&project, "one");
    commit(&project, "the first");
    git(&project, &["checkout", "--quiet", "-b", "work"]);
    save(&project, "draft");
    project.write("content/one.yaml", manifest("one").replace("text of", "other text of"));
    let serving = Serving::start(&project, &["--git-ref", "main", "--resync", "1h"]);
    wait_until("it is live", || serving.get("/post-one.html").contains("chip live"));
    let page = serving.get("/post-one.html");
    assert!(page.contains("The text of one") && !page.contains("other text"), "{page}");
    assert_eq!(serving.status("/post-draft.html", ""), "404");
    // What is merged is shown.
    commit(&project, "the draft");
    git(&project, &["branch", "--force", "main", "work"]);
    wait_until("the draft", || serving.get("/post-draft.html").contains("chip live"));
    assert_eq!(server.count(), 2);
}

#[test]
fn a_change_of_what_all_posts_depend_on_is_a_change_of_each() {
    let server = server();
    let project = project(&server);
    project.medium("good.mp4", "content/a.mp4");
    project.write("content/film.yaml", "id: film\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    save(&project, "post");
    commit(&project, "base");
    let yaml = settings(&server).replace("version: 1\n", "version: 1\ntimezone: Europe/Berlin\n");
    let sky = "  sky:\n    platform: bluesky\n    handle: brand.example\n";
    project.write(
        "content/gitcast.yaml",
        yaml.replace(sky, "  other:\n    platform: bluesky\n    handle: other.example\n"),
    );
    commit(&project, "another account");
    let document = project.run(&["plan", "--base", "HEAD~1", "--json"]).expect(1).json();
    let changes = document["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((&changes[0]["post"], &changes[0]["change"]), (&"post".into(), &"broken".into()));
    assert_eq!(document["diagnostics"][0]["new"], true);
}

#[test]
fn a_checkout_during_a_watch_leads_to_one_pass_that_sees_the_new_tree_whole() {
    const POSTS: usize = 400;
    let server = server();
    let project = project(&server);
    // Neither tree publishes anything: each post is due in years, and a plan tells how many there are.
    let write = |folder: &str| {
        for n in 0..POSTS {
            let text = manifest(&format!("{folder}-{n}"));
            project.write(
                &format!("content/{folder}/{n}.yaml"),
                format!("publish_at: 2099-01-01T00:00:00Z\n{text}"),
            );
        }
    };
    write("old");
    commit(&project, "old");
    git(&project, &["checkout", "--quiet", "-b", "new"]);
    fs::remove_dir_all(project.path("content/old")).expect("removed");
    write("new");
    write("more");
    commit(&project, "new");
    git(&project, &["checkout", "--quiet", "main"]);
    save(&project, "ready");
    let watching = Watching::start(&project, &["--resync", "1h"]);
    wait_until("it watches", || server.count() == 1);
    git(&project, &["checkout", "--quiet", "new"]);
    save(&project, "seen");
    wait_until("it has seen it", || server.count() == 2);
    let run = watching.stop().expect(0);
    let told: Vec<_> =
        run.stderr.lines().filter_map(|line| line.split_once(" waiting").map(|(before, _)| before)).collect();
    let counts: std::collections::BTreeSet<_> =
        told.iter().filter_map(|before| before.rsplit(' ').next()?.parse::<usize>().ok()).collect();
    assert!(counts.is_subset(&[POSTS, 2 * POSTS].into()), "half a tree: {}", run.stderr);
    assert!(counts.contains(&(2 * POSTS)), "{}", run.stderr);
}
