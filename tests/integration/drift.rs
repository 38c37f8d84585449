//! Live posts that are not as recorded any more: told by a look, and never posted again.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gitcast::crash::{Point, VARIABLE};
use gitcast::rehearsal::{AccountSetup, Action, Fault, Options, Rehearsal, SCOPES, system_clock};
use serde_json::Value;

use crate::pages::Serving;
use crate::support::{Project, Run, Server};

const REFRESH: [&str; 3] = ["status", "--refresh", "--json"];

pub(crate) fn server() -> Server {
    let at_once = AccountSetup { moderation_ms: 0, ..AccountSetup::audited("direct") };
    Server::start_with(vec![AccountSetup::new("drafts"), at_once])
}

/// A public video with a text, live, and its name at TikTok.
pub(crate) fn live(server: &Server) -> (Project, String) {
    let project = server.project_of(&["direct"]);
    project.run(&["auth", "audit", "direct", "audited"]).expect(0);
    manifest(&project, "clip");
    project.run(&["apply", "--auto-approve"]).expect(0);
    let id = server.rehearsal.publications()[0].publish_id.clone();
    (project, id)
}

fn manifest(project: &Project, id: &str) {
    project.direct(id);
    let path = format!("content/{id}.yaml");
    let text = std::fs::read_to_string(project.path(&path)).expect("written");
    project.write(&path, text.replace("self_only", "public"));
}

fn publication(run: &Run) -> Value {
    run.json()["publications"][0].clone()
}

fn noticed(project: &Project) -> usize {
    project.run(&["log"]).expect(0).stdout.matches("noticed").count()
}

fn entries(project: &Project) -> usize {
    let log = project.run(&["log", "--json", "--requests", "--limit", "10000"]).expect(0).json();
    log["entries"].as_array().expect("a list").len()
}

#[test]
fn what_becomes_of_a_live_post_is_told_once_and_taken_back_when_it_is_as_recorded_again() {
    let server = server();
    let (project, id) = live(&server);
    let before = publication(&project.run(&["status", "--json"]).expect(0));
    assert_eq!((&before["state"], &before["reason"]), (&"published".into(), &Value::Null));
    let mut recorded = 0;
    let mut look = |expected: Option<&str>, news: usize| {
        for times in [news, 0] {
            let asked = server.requests("video_query");
            let run = project.run(&REFRESH).expect(0);
            let found = publication(&run);
            assert_eq!((found["reason"].as_str(), &found["state"]), (expected, &before["state"]));
            assert_eq!(found["remote_url"], before["remote_url"], "where it was is not forgotten");
            let account = &run.json()["refreshed"][0];
            let differing = usize::from(expected.is_some());
            assert_eq!((&account["compared"], &account["differing"]), (&1.into(), &differing.into()));
            assert_eq!(server.requests("video_query"), asked + 1);
            recorded += times;
            assert_eq!(noticed(&project), recorded, "{expected:?}");
        }
    };
    look(None, 0);
    assert!(server.rehearsal.hide(&id));
    look(Some("missing"), 1);
    let serving = Serving::start(&project, &[]);
    for (what, text) in [
        ("show", project.run(&["show", "clip"]).expect(0).stdout),
        ("log", project.run(&["log"]).expect(0).stdout),
        ("status", project.run(&["status"]).expect(0).stdout),
        ("page", serving.get("/post-clip.html")),
    ] {
        assert!(text.contains("deleted, made private or taken down"), "{what}: {text}");
    }
    drop(serving);
    assert!(server.rehearsal.show(&id));
    look(None, 1);
    assert!(server.rehearsal.reword(&id, "Another \u{202e}text\u{1b}[31m"));
    look(Some("caption-differs"), 1);
    let told = project.run(&["status"]).expect(0).stdout;
    assert!(told.contains("\"Another text[31m\"") && !told.contains('\u{1b}'), "{told}");
    assert!(server.rehearsal.reword(&id, "The text  of clip\n"));
    look(None, 1);
    // It is never posted again for it, nor planned to be.
    assert!(server.rehearsal.hide(&id));
    look(Some("missing"), 1);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!((server.count(), server.requests("video_init")), (1, 1));
    project.run(&["doctor"]).expect(0);
}

#[test]
fn an_answer_that_is_not_whole_says_nothing_about_posts() {
    let server = server();
    let (project, _) = live(&server);
    let ok = |data: &str| format!(r#"{{"data":{data},"error":{{"code":"ok","message":"","log_id":"L"}}}}"#);
    let other = r#"{"videos":[{"id":"1","title":"x"}]}"#;
    for (what, action, exit) in [
        ("no list", Action::EffectThenStatus { code: 200, body: Some(ok("{}")) }, 1),
        ("null", Action::EffectThenStatus { code: 200, body: Some(ok(r#"{"videos":null}"#)) }, 1),
        ("another's", Action::EffectThenStatus { code: 200, body: Some(ok(other)) }, 1),
        ("garbage", Action::GarbageBody, 1),
        ("cut", Action::CutBeforeRead, 5),
        ("busy", Action::Status { code: 503, body: None }, 5),
        ("too many", Action::Status { code: 429, body: None }, 5),
        ("expired", Action::ExpireAccessToken, 6),
    ] {
        server.rehearsal.faults().add(Fault::next("video_query", action));
        let before = entries(&project);
        let run = project.run(&REFRESH).expect(exit);
        assert_eq!(publication(&run)["reason"], Value::Null, "{what}");
        let account = &run.json()["refreshed"][0];
        assert_eq!(account["compared"], 0, "{what}");
        assert!(account["error"].is_string() && run.stderr.contains("direct: "), "{what}: {run:?}");
        assert_eq!((noticed(&project), entries(&project)), (0, before + 1), "{what}: the request alone");
    }
}

#[test]
fn many_posts_are_a_few_requests_and_unnamed_ones_are_left_alone() {
    let server = server();
    let project = server.project_of(&["direct"]);
    for n in 0..21 {
        let id = format!("p{n}");
        manifest(&project, &id);
        project.run(&["adopt", &id, "direct", "--remote-id", &format!("75{n:017}")]).expect(0);
    }
    let run = project.run(&[&REFRESH[..], &["--only", "p1*"]].concat()).expect(0);
    assert_eq!(run.json()["refreshed"][0]["compared"], 11);
    assert_eq!((server.requests("video_query"), noticed(&project)), (1, 11));
    let run = project.run(&REFRESH).expect(0);
    assert_eq!(run.json()["refreshed"][0]["differing"], 21);
    assert_eq!((server.requests("video_query"), noticed(&project)), (3, 21));
}

#[test]
fn who_cannot_be_asked_is_told_and_the_others_are_asked() {
    let scopes = SCOPES.iter().filter(|scope| **scope != "video.list").map(|scope| (*scope).to_owned());
    let server = Server::start_with(vec![
        AccountSetup { scopes: scopes.collect(), ..AccountSetup::audited("drafts") },
        AccountSetup::audited("direct"),
    ]);
    let project = server.project();
    project.draft("one").direct("two");
    project.run(&["adopt", "one", "drafts", "--remote-id", "7"]).expect(0);
    project.run(&["adopt", "two", "direct", "--remote-id", "8"]).expect(0);
    let run = project.run(&["status", "--refresh"]).expect(0);
    assert!(run.stderr.contains("drafts: the login was not granted `video.list`"), "{}", run.stderr);
    assert!(run.stdout.contains("direct: compared 1 live post, 1 not as recorded"), "{}", run.stdout);
    project.run(&["auth", "logout", "drafts"]).expect(0);
    let run = project.run(&["status", "--refresh"]).expect(0);
    assert!(run.stderr.contains("drafts: no login; run `gitcast auth login drafts`"), "{}", run.stderr);
    assert_eq!(server.requests("video_query"), 2);
    project.run(&["status", "--refresh", "--rehearse"]).expect(64);
    project.run(&["--now", "2027-01-01T00:00Z", "status", "--refresh"]).expect(64);
    let nothing = Project::new();
    assert!(nothing.run(&["status", "--refresh"]).expect(0).stdout.contains("Nothing is recorded yet."));
    assert!(!nothing.path("state").exists(), "asking for nothing leaves nothing behind");
}

/// Does something to the first clip of a rehearsal, which is not running.
fn with_clip(project: &Project, act: impl FnOnce(&Rehearsal, &str)) -> usize {
    let options = Options {
        dir: Some(project.path("state/rehearsal")),
        accounts: vec![AccountSetup::audited("brand")],
        ..Options::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let stand_in = runtime.block_on(Rehearsal::start(options)).expect("it starts");
    let all = stand_in.publications();
    act(&stand_in, &all.iter().find(|p| p.title == "Clip a").expect("it is there").publish_id);
    runtime.block_on(stand_in.stop());
    all.len()
}

/// Three clips of one account, rehearsed a day and more; the first of them is taken back in between. The states that
/// plans come to afterwards.
fn rehearsed(on_missing: &str) -> (Project, Vec<String>) {
    let yaml = "version: 1\npolicy: { on_missing: ON_MISSING }\naccounts:\n  brand: { platform: tiktok, mode: direct, audited: true }\n";
    let project = Project::with(&yaml.replace("ON_MISSING", on_missing));
    for id in ["a", "b", "c"] {
        let at = "publish_at: 2027-01-01T07:30:00Z\n";
        let media = format!("text: Clip {id}\nmedia:\n  - file: {id}.mp4\n");
        let manifest = format!("id: {id}\n{at}{media}to:\n  brand:\n    privacy: public\n");
        project
            .write(&format!("content/{id}.yaml"), manifest)
            .medium("good.mp4", &format!("content/{id}.mp4"));
    }
    let now = |at: &str, command: &[&str]| {
        project.run(&[&["--now", &format!("2027-01-{at}Z")], command].concat()).expect(0)
    };
    let _ = now("01T08:00", &["apply", "--rehearse", "--auto-approve"]);
    let _ = now("01T08:30", &["watch", "--rehearse", "--once"]);
    with_clip(&project, |stand_in, clip| assert!(stand_in.hide(clip)));
    for at in ["01T09:10", "02T09:00"] {
        now(at, &["watch", "--rehearse", "--once"]);
        now(at, &["plan", "--rehearse", "--detailed-exitcode"]);
    }
    let said = now("02T22:00", &["watch", "--rehearse", "--once"]).stderr;
    let plan = project.run(&["--now", "2027-01-02T22:01Z", "plan", "--rehearse", "--json"]).json();
    let actions = plan["changes"].as_array().expect("a list").iter();
    let told = actions.map(|change| format!("{} {}", change["post"], change["action"]).replace('"', ""));
    let told = told.chain([said.contains("a → brand: forgotten").to_string()]).collect();
    (project, told)
}

#[test]
fn what_is_gone_is_published_again_where_the_project_asks_for_it_and_once() {
    let unchanged = ["b unchanged", "c unchanged"];
    for (on_missing, first, forgotten) in
        [("report", "a unchanged", "false"), ("forget", "a refuse", "true"), ("repost", "a publish", "true")]
    {
        let (project, told) = rehearsed(on_missing);
        assert_eq!(told, [&[first], &unchanged[..], &[forgotten]].concat(), "{on_missing}");
        if on_missing != "repost" {
            continue;
        }
        for at in ["2027-01-02T22:05Z", "2027-01-02T23:30Z", "2027-01-05T09:00Z"] {
            project.run(&["--now", at, "apply", "--rehearse", "--auto-approve"]).expect(0);
            project.run(&["--now", at, "watch", "--rehearse", "--once"]).expect(0);
        }
        let log = project.run(&["log", "--rehearse", "--limit", "1000", "--json"]).expect(0).json();
        let started = log["entries"].as_array().expect("a list").iter();
        let started = started.filter(|entry| entry["event"]["change"] == "started").count();
        assert_eq!(started, 4, "three, and one of them once more");
        assert_eq!(
            project.states(&["--rehearse"]),
            ["a@brand published", "b@brand published", "c@brand published"]
        );
    }
}

#[test]
fn what_has_come_back_is_not_published_again() {
    for (on_missing, planned) in [("repost", "a publish"), ("forget", "a refuse")] {
        let (project, told) = rehearsed(on_missing);
        assert_eq!(told[0], planned);
        with_clip(&project, |stand_in, clip| assert!(stand_in.show(clip)));
        let apply = ["--now", "2027-01-02T22:05Z", "apply", "--rehearse", "--auto-approve", "--publish-late"];
        let run = project.run(&apply).expect(3);
        assert!(run.stdout.contains("the account shows a post with this text"), "{on_missing}: {run:?}");
        assert_eq!(project.states(&["--rehearse"])[0], "a@brand failed");
        assert_eq!(with_clip(&project, |_, _| ()), 3, "nothing was made");
    }
}

#[test]
fn an_id_that_comes_an_hour_late_is_filled_in() {
    let late = Arc::new(AtomicI64::new(0));
    let passed = Arc::clone(&late);
    let clock = Arc::new(move || system_clock()() + passed.load(Ordering::Relaxed));
    let slow = AccountSetup { moderation_ms: 3_600_000, ..AccountSetup::audited("direct") };
    let accounts = vec![AccountSetup::new("drafts"), slow];
    let server = Server::start_as(Options { accounts, clock, ..Options::default() });
    let (project, _) = live(&server);
    let status = || publication(&project.run(&REFRESH).expect(0));
    for _ in 0..2 {
        let found = status();
        assert_eq!((&found["state"], &found["remote_url"]), (&"published".into(), &Value::Null));
    }
    assert_eq!(server.requests("video_query"), 0, "there is nothing to ask for yet");
    assert!(project.run(&["show", "clip"]).expect(0).stdout.contains("it may be in moderation"));
    assert!(project.run(&["status"]).expect(0).stdout.contains("without a public link"));
    late.store(3_600_000, Ordering::Relaxed);
    let found = status();
    assert!(found["remote_url"].as_str().is_some_and(|url| url.contains("/@direct/video/75")), "{found}");
    assert_eq!(server.requests("video_query"), 1, "and it is looked at the same time");
    let log = project.run(&["log"]).expect(0).stdout;
    assert!(log.contains("looked") && log.contains("/@direct/video/75"), "{log}");
    let serving = Serving::start(&project, &[]);
    assert!(serving.get("/post-clip.html").contains("/@direct/video/75"));
}

#[test]
fn two_posts_of_one_draft_are_one_publication_of_which_one_may_be_missing() {
    let at_once = AccountSetup { moderation_ms: 0, ..AccountSetup::audited("drafts") };
    let server = Server::start_with(vec![at_once]);
    let project = server.project_of(&["drafts"]);
    project.draft("clip");
    project.run(&["apply", "--auto-approve"]).expect(0);
    let id = server.rehearsal.publications()[0].publish_id.clone();
    assert!(!server.rehearsal.finish_draft_again(&id).expect("stored"), "there is none yet");
    assert!(server.rehearsal.finish_draft(&id));
    assert!(server.rehearsal.finish_draft_again(&id).expect("stored"));
    assert!(server.rehearsal.watch(&id, 100));
    let other = server.rehearsal.publications()[1].publish_id.clone();
    assert!(server.rehearsal.watch(&other, 11));
    let found = publication(&project.run(&REFRESH).expect(0));
    assert_eq!((&found["state"], &found["reason"]), (&"published".into(), &Value::Null));
    let told = project.run(&["insights", "--json"]).expect(0).json();
    assert_eq!(told["posts"][0]["latest"]["views"], 111, "of both");
    assert!(server.rehearsal.hide(&other));
    let found = publication(&project.run(&REFRESH).expect(0));
    assert_eq!(found["reason"], "partly-missing");
    for text in [
        project.run(&["status"]).expect(0).stdout,
        project.run(&["log"]).expect(0).stdout,
        Serving::start(&project, &[]).get("/post-clip.html"),
    ] {
        assert!(text.contains("lists 1 of its 2 posts"), "{text}");
    }
    assert!(server.rehearsal.hide(&id));
    assert_eq!(publication(&project.run(&REFRESH).expect(0))["reason"], "missing");
}

#[test]
fn a_look_dies_anywhere_and_the_next_one_tells_it_once() {
    for point in Point::ALL {
        let mut killed = 0;
        for nth in 1..20 {
            let server = server();
            let (project, id) = live(&server);
            assert!(server.rehearsal.hide(&id));
            let mut command = project.command(&REFRESH);
            let output =
                command.env(VARIABLE, format!("{}:{nth}", point.as_str())).output().expect("it starts");
            let has_died = output.status.signal() == Some(9);
            let what = format!("{point:?} passing {nth}: {output:?}");
            assert!(has_died || output.status.code() == Some(0), "{what}");
            assert_eq!(publication(&project.run(&REFRESH).expect(0))["reason"], "missing", "{what}");
            assert_eq!(noticed(&project), 1, "{what}");
            project.run(&["doctor"]).expect(0);
            if !has_died {
                break;
            }
            killed += 1;
        }
        assert!((1..19).contains(&killed), "{point:?}: {killed}");
    }
}
