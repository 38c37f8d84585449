//! Comments are read, and answered by manifests: each answer is sent once, whatever dies and whatever is lost.

use std::os::unix::process::ExitStatusExt;

use gitcast::crash::{Point, VARIABLE};
use gitcast::rehearsal::trends::BUSINESS_TOKEN;
use gitcast::rehearsal::{AccountSetup, Action, Fault};
use serde_json::Value;

use crate::drift;
use crate::support::{Project, Run, Server};

const TOKEN: &str = "TIKTOK_BUSINESS_ACCESS_TOKEN";
const LIST: [&str; 4] = ["comments", "list", "clip", "--json"];
const APPLY: [&str; 4] = ["apply", "--auto-approve", "--max-wait", "30s"];
/// Passings of one place in an apply of one answer.
const PASSES_MAX: u32 = 30;

/// A live video of an account that has logged in to an app of TikTok's API for Business.
fn project(server: &Server) -> Project {
    let (mut project, _) = drift::live(server);
    let yaml = std::fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    let yaml = yaml.replace("    mode: direct", "    mode: direct\n    business_id: \"-000abc\"");
    project.write("content/gitcast.yaml", yaml);
    project.variable(TOKEN, BUSINESS_TOKEN);
    project
}

fn comments(project: &Project) -> Vec<Value> {
    project.run(&LIST).expect(0).json()["comments"].as_array().expect("a list").clone()
}

/// The manifest of an answer to the newest comment.
fn reply(project: &Project, id: &str, text: &str) -> Run {
    let comment = comments(project)[0]["id"].as_str().expect("an id").to_owned();
    project.run(&["comments", "reply", "clip", &comment, "--text", text, "--id", id])
}

fn state(project: &Project, id: &str) -> String {
    let states = project.states(&[]);
    states.iter().find_map(|line| line.strip_prefix(&format!("{id}@direct "))).unwrap_or("nothing").to_owned()
}

#[test]
fn comments_are_listed_page_by_page_whatever_they_hold() {
    let server = drift::server();
    let project = project(&server);
    let told = project.run(&LIST).expect(0).json();
    assert_eq!((told["comments"].as_array().map(Vec::len), &told["complete"]), (Some(25), &true.into()));
    assert_eq!(server.requests("comment_list"), 2);
    assert_eq!(told["comments"][0]["by"], "reader24");
    assert_eq!(told["comments"][17]["hidden"], true);
    let some = project.run(&["comments", "list", "clip", "-n", "3"]).expect(0);
    assert_eq!(some.stdout.lines().count(), 4, "{some:?}");
    assert!(some.stdout.contains("reader24") && !some.stdout.contains(['\u{1b}', '\u{202e}']), "{some:?}");
    // Nothing of it can be mistaken for anything else, and nobody has to log in for it.
    project.run(&["auth", "logout", "direct"]).expect(0);
    project.run(&LIST).expect(0);
    let log = project.run(&["log", "--requests", "--limit", "5000"]).expect(0).stdout;
    assert!(log.contains("comment/list → 200") && !log.contains(BUSINESS_TOKEN), "{log}");
}

#[test]
fn what_cannot_be_read_is_told_with_what_there_is() {
    let server = drift::server();
    let mut project = project(&server);
    for (action, code, says) in [
        (Action::Status { code: 503, body: None }, 5, "a fault at TikTok's"),
        (Action::CutBeforeRead, 5, "comment/list"),
        (Action::GarbageBody, 1, "not documented"),
        (
            Action::EffectThenStatus { code: 200, body: Some(r#"{"code":0,"data":{}}"#.into()) },
            1,
            "lacks the list",
        ),
        (
            Action::EffectThenStatus {
                code: 200,
                body: Some(r#"{"code":40100,"message":"slow \u001b[31mdown"}"#.into()),
            },
            5,
            "too many requests",
        ),
    ] {
        server.rehearsal.faults().add(Fault::next("comment_list", action));
        let run = project.run(&["comments", "list", "clip"]).expect(code);
        assert!(run.stderr.contains(says) && !run.stderr.contains('\u{1b}'), "{says}: {run:?}");
    }
    for (arguments, code, says) in [
        (&["comments", "list", "nothing"][..], 1, "nothing is recorded of nothing"),
        (&["comments", "list", "clip", "--account", "drafts"], 1, "nothing is recorded of clip"),
        (&["comments", "reply", "clip", "../x", "--text", "t"], 64, "no id of a comment"),
        (&["--now", "2027-01-01T00:00Z", "comments", "list", "clip"], 64, "--now"),
    ] {
        let run = project.run(arguments).expect(code);
        assert!(run.stderr.contains(says), "{arguments:?}: {run:?}");
    }
    project.variable(TOKEN, "another-token");
    let run = project.run(&["comments", "list", "clip"]).expect(1);
    assert!(run.stderr.contains("was revoked") && !run.stderr.contains("another-token"), "{run:?}");
    // Each account may have a token of its own.
    let yaml = std::fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    let named =
        yaml.replace("business_id:", "business_token_env: BRAND_BUSINESS_ACCESS_TOKEN\n    business_id:");
    project.write("content/gitcast.yaml", named);
    let run = project.run(&["comments", "list", "clip"]).expect(1);
    assert!(run.stderr.contains("set BRAND_BUSINESS_ACCESS_TOKEN"), "{run:?}");
    project.variable("BRAND_BUSINESS_ACCESS_TOKEN", BUSINESS_TOKEN);
    project.run(&["comments", "list", "clip"]).expect(0);
    project.write("content/gitcast.yaml", yaml);
    project.variable(TOKEN, "");
    let run = project.run(&["comments", "list", "clip"]).expect(1);
    assert!(run.stderr.contains(TOKEN), "{run:?}");
    let yaml = std::fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write("content/gitcast.yaml", yaml.replace("    business_id: \"-000abc\"\n", ""));
    let run = project.run(&["comments", "list", "clip"]).expect(1);
    for says in ["interface for developers offers no comments", "business_id", "Research API"] {
        assert!(run.stderr.contains(says), "{run:?}");
    }
}

#[test]
fn approved_researchers_read_them_and_nothing_more() {
    let server = drift::server();
    let (mut project, _) = drift::live(&server);
    project.variable("TIKTOK_RESEARCH_CLIENT_KEY", "rehearsal-key");
    project.variable("TIKTOK_RESEARCH_CLIENT_SECRET", "rehearsal-secret");
    let tokens = server.requests("token");
    let told = project.run(&LIST).expect(0).json();
    assert_eq!((told["comments"].as_array().map(Vec::len), &told["complete"]), (Some(25), &true.into()));
    assert_eq!(
        (told["comments"][0]["by"].as_str(), told["comments"][0]["likes"].as_u64()),
        (Some(""), Some(72))
    );
    assert_eq!((server.requests("token"), server.requests("research_comments")), (tokens + 1, 2));
    // Answering is another interface.
    let run = reply(&project, "answer", "Thank you!").expect(1);
    assert!(run.stdout.contains("business_id") || run.stderr.contains("business_id"), "{run:?}");
    for (operation, action, code) in [
        ("token", Action::Status { code: 503, body: None }, 5),
        ("research_comments", Action::Status { code: 429, body: None }, 5),
        ("research_comments", Action::GarbageBody, 1),
        ("token", Action::GarbageBody, 5),
    ] {
        let what = format!("{operation} {action:?}");
        server.rehearsal.faults().add(Fault::next(operation, action));
        let run = project.run(&LIST);
        assert_eq!(run.code, code, "{what}: {run:?}");
        assert!(!run.stderr.contains("rehearsal-secret"), "{what}");
    }
    project.variable("TIKTOK_RESEARCH_CLIENT_SECRET", "wrong");
    project.run(&LIST).expect(1);
}

#[test]
fn an_answer_is_planned_sent_once_and_recorded() {
    let server = drift::server();
    let project = project(&server);
    let text = "Thank you! \"We\" do: so #much";
    reply(&project, "answer", text).expect(0);
    assert_eq!((server.rehearsal.answers().len(), server.requests("comment_reply_create")), (0, 0));
    let yaml = std::fs::read_to_string(project.path("content/replies/answer.yaml")).expect("a manifest");
    assert!(yaml.contains("reply_to:") && !yaml.contains("media"), "{yaml}");
    project.run(&["validate", "--deny-warnings"]).expect(0);
    let plan = project.run(&["plan"]).expect(0).stdout;
    assert!(plan.contains("answer to comment 76"), "{plan}");
    project.run(&["preview", "--out", "site"]).expect(0);
    assert!(
        std::fs::read_to_string(project.path("site/post-answer.html")).expect("page").contains("Thank you!")
    );
    for _ in 0..2 {
        project.run(&APPLY).expect(0);
    }
    let answers = server.rehearsal.answers();
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].text.as_str(), state(&project, "answer").as_str()), (text, "published"));
    assert_eq!(server.requests("comment_reply_create"), 1);
    // It is no video: nobody looks for it among them.
    let told = project.run(&["status", "--refresh", "--json"]).expect(0).json();
    assert_eq!(
        (&told["refreshed"][0]["compared"], &told["refreshed"][0]["differing"]),
        (&1.into(), &0.into())
    );
    // The same once more is stopped; to another comment it is another answer.
    reply(&project, "again", text).expect(0);
    let plan = project.run(&["plan", "--json"]).json();
    let change = plan["changes"].as_array().expect("a list").iter().find(|change| change["post"] == "again");
    assert_eq!(change.expect("planned")["reason"], "duplicate-content");
    std::fs::remove_file(project.path("content/replies/again.yaml")).expect("removed");
    let other = comments(&project)[1]["id"].as_str().expect("an id").to_owned();
    project.run(&["comments", "reply", "clip", &other, "--text", text]).expect(0);
    let run = project.run(&["comments", "reply", "clip", &other, "--text", "more"]).expect(64);
    assert!(run.stderr.contains("there is a post reply-76"), "{run:?}");
    project.run(&APPLY).expect(0);
    assert_eq!(server.rehearsal.answers().len(), 2);
    // What has changed since is not sent again.
    project.write("content/replies/answer.yaml", yaml.replace("Thank you!", "Thanks!"));
    project.run(&APPLY);
    assert_eq!(server.rehearsal.answers().len(), 2);
    let all = project.run(&["log", "--json", "--requests", "--limit", "9999"]).expect(0).stdout;
    assert!(!all.contains(BUSINESS_TOKEN));
}

#[test]
fn an_answer_whose_request_got_none_is_found_or_a_person_decides() {
    for (action, code, expected) in [
        (Action::EffectThenCut, 0, "published"),
        (Action::EffectThenStatus { code: 500, body: None }, 0, "published"),
        (
            Action::EffectThenStatus { code: 200, body: Some("{\"code\":0,\"data\":{}}".into()) },
            0,
            "published",
        ),
        (Action::EffectThenStatus { code: 200, body: Some("{\"code\":51065}".into()) }, 0, "published"),
        (Action::GarbageBody, 0, "published"),
        // It is not in the list, which may leave some out.
        (Action::CutBeforeRead, 4, "held"),
        (Action::Status { code: 503, body: None }, 4, "held"),
        (Action::Status { code: 200, body: Some("{\"code\":40105,\"message\":\"no\"}".into()) }, 3, "failed"),
        (Action::Status { code: 200, body: Some("{\"code\":40100}".into()) }, 0, "published"),
    ] {
        let what = format!("{action:?}");
        let server = drift::server();
        let project = project(&server);
        reply(&project, "answer", "Thank you!").expect(0);
        server.rehearsal.faults().add(Fault::next("comment_reply_create", action));
        project.run(&APPLY).expect(code);
        assert_eq!(state(&project, "answer"), expected, "{what}");
        if expected != "published" {
            assert_eq!(server.rehearsal.answers().len(), 0, "{what}");
            let how = match expected {
                "held" => &["resolve", "answer", "direct", "--not-published"][..],
                _ => &["retry", "answer", "direct"],
            };
            project.run(how).expect(0);
            project.run(&APPLY).expect(0);
        }
        assert_eq!(
            (server.rehearsal.answers().len(), state(&project, "answer").as_str()),
            (1, "published"),
            "{what}"
        );
    }
}

/// An apply that dies at one place, and the next one. Whether it died.
fn dies(point: Point, nth: u32) -> bool {
    let what = format!("{point:?} passing {nth}");
    let server = drift::server();
    let project = project(&server);
    reply(&project, "answer", "Thank you!").expect(0);
    let mut command = project.command(&APPLY);
    let output = command.env(VARIABLE, format!("{}:{nth}", point.as_str())).output().expect("it starts");
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.code() == Some(0), "{what}: {output:?}");
    let run = project.run(&APPLY);
    let (answers, state) = (server.rehearsal.answers().len(), state(&project, "answer"));
    match run.code {
        0 => assert_eq!((answers, state.as_str()), (1, "published"), "{what}"),
        // Whether it has left nobody knows, and it has not.
        4 => assert_eq!((answers, state.as_str()), (0, "held"), "{what}"),
        _ => panic!("{what}: {run:?}"),
    }
    killed
}

#[test]
fn an_apply_dies_anywhere_and_the_answer_is_there_once_at_most() {
    for point in Point::ALL {
        let killed = (1..=PASSES_MAX).take_while(|nth| dies(point, *nth)).count();
        assert!((1..30).contains(&killed), "{point:?}: {killed}");
    }
}

#[test]
fn what_an_answer_cannot_be_is_told_by_validate() {
    let server = Server::start_with(vec![AccountSetup::new("drafts"), AccountSetup::new("direct")]);
    let project = server.project();
    let manifest = |rest: &str| format!("id: answer\ntext: Thanks\nto:\n  direct:\n    reply_to: {rest}\n");
    for (text, says) in [
        (manifest("{ video: \"7\", comment: \"8\" }"), "the account has no `business_id`"),
        (manifest("{ video: \"7\" }"), "the key `comment` is missing"),
        (manifest("{ video: \"../7\", comment: \"8\" }"), "is no id"),
        (manifest("{ video: \"7\", comment: \"8\" }\n    privacy: public"), "unknown key"),
        (
            manifest("{ video: \"7\", comment: \"8\" }").replace("Thanks", &"é".repeat(151)),
            "151 UTF-16 units",
        ),
        (manifest("{ video: \"7\", comment: \"8\" }").replace("text: Thanks", "text: ' '"), "needs a text"),
        (
            manifest("{ video: \"7\", comment: \"8\" }")
                .replace("\nto:", "\nmedia:\n  - url: https://example.com/a.mp4\nto:"),
            "a text alone",
        ),
    ] {
        project.write("content/answer.yaml", &text);
        let run = project.run(&["validate"]).expect(1);
        assert!(run.stdout.contains(says) || run.stderr.contains(says), "{text}: {run:?}");
    }
}

#[test]
fn a_rehearsal_answers_without_credentials() {
    let project = Project::with(
        "version: 1\naccounts:\n  brand: { platform: tiktok, mode: direct, audited: true, business_id: b1 }\n",
    );
    let manifest = "id: clip\ntext: Clip\nmedia:\n  - file: clip.mp4\nto:\n  brand:\n    privacy: public\n";
    project.write("content/clip.yaml", manifest).medium("good.mp4", "content/clip.mp4");
    project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    let live = project.run(&["status", "--rehearse", "--json"]).expect(0).json();
    let video = live["publications"][0]["remote_id"].as_str().expect("an id").to_owned();
    let number: i64 = video.parse().expect("a number");
    let comment = format!("76{:014}{:03}", number % 100_000_000_000_000, 3);
    let reply_to = format!("reply_to: {{ video: \"{video}\", comment: \"{comment}\" }}");
    project
        .write("content/answer.yaml", format!("id: answer\ntext: Thanks\nto:\n  brand:\n    {reply_to}\n"));
    project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert_eq!(project.states(&["--rehearse"]), ["answer@brand published", "clip@brand published"]);
}
