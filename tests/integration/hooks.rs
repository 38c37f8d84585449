//! Hooks: others are told of each transition at least once, under one id, and nothing waits for them.

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use gitcast::rehearsal::{Action, Fault};

use crate::support::{Answer, HOOK_SECRET, Project, Receiver, Run, Server, send, wait_until};
use crate::watch::{Watching, project, save, server};

const CRASH: &str = "GITCAST_CRASH_AT";

fn set(project: &mut Project, receiver: &Receiver) {
    project.variable("GITCAST_HOOK_URL", receiver.url()).variable("GITCAST_HOOK_SECRET", HOOK_SECRET);
}

fn apply(project: &Project) -> Run {
    project.run(&["apply", "--auto-approve"])
}

#[test]
fn a_receiver_that_fails_first_is_told_of_each_transition_once() {
    let (server, receiver) = (server(), Receiver::start());
    let mut project = project(&server);
    save(&project, "before");
    apply(&project).expect(0);
    set(&mut project, &receiver);
    receiver.will_answer(&[Answer::Status(500), Answer::Redirect, Answer::Status(503)]);
    save(&project, "first");
    let watching = Watching::start(&project, &[]);
    wait_until("the first is told", || receiver.count() == 4);
    let body = Some(r#"{"error":"InvalidRequest","message":"no\u001b[31m \u202ethank you"}"#.to_owned());
    server.rehearsal.faults().add(Fault::next("putRecord", Action::Status { code: 400, body }));
    save(&project, "second");
    wait_until("that the second failed is told", || receiver.told().len() == 2);
    project.run(&["auth", "logout", "drafts", "--local"]).expect(0);
    wait_until("that a login is needed is told", || receiver.told().len() == 3);
    server.log_in(&project, "drafts").expect(0);
    wait_until("that there is a login again is told", || receiver.told().len() == 4);
    let run = watching.stop().expect(0);
    assert_eq!(run.stderr.matches("did not take a message").count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("takes messages again").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("HTTP 500"), "{}", run.stderr);
    // Another process tells none of it again, and what it finds as it was left is no news.
    project.run(&["watch", "--once"]).expect(0);
    let told = ["published first@sky", "failed second@sky", "login-needed drafts", "recovered drafts"];
    assert_eq!(receiver.told(), told);
    let deliveries = receiver.deliveries();
    assert!(deliveries.iter().all(|d| d.is_signed && d.path == "/hooks/canary-path"), "{deliveries:?}");
    assert!(deliveries[..4].iter().all(|d| d.id == deliveries[0].id), "{deliveries:?}");
    assert_eq!(deliveries.len(), 7, "{deliveries:?}");
    let first = deliveries[0].json();
    assert!(first["groups"][0]["posts"][0]["remote_url"].is_string(), "{first}");
    assert_eq!((&first["id"], &first["rehearsal"]), (&deliveries[0].id.as_str().into(), &false.into()));
    let failed = &deliveries[4].json()["groups"][0];
    assert_eq!(failed["code"], "InvalidRequest", "{failed}");
    assert!(failed["message"].as_str().is_some_and(|message| message.contains("found wrong")), "{failed}");
    project.run(&["doctor"]).expect(0);
}

/// Nobody knows whether it was taken: it is told again, and the receiver can see that it is the same.
#[test]
fn what_was_under_way_when_the_process_died_is_told_again_under_the_same_id() {
    let (server, receiver) = (server(), Receiver::start());
    let mut project = project(&server);
    set(&mut project, &receiver);
    receiver.will_answer(&[Answer::Silence]);
    save(&project, "first");
    let watching = Watching::start(&project, &[]);
    wait_until("the first is being told", || receiver.count() == 1);
    // Meanwhile the ledger is free, and the next one is published.
    project.run(&["pause", "drafts", "--why", "test", "--lock-timeout", "10s"]).expect(0);
    save(&project, "second");
    wait_until("the second is published", || server.count() == 2);
    send("-KILL", watching.child());
    drop(watching);
    apply(&project).expect(0);
    let deliveries = receiver.deliveries();
    assert!(deliveries.iter().filter(|d| d.id == deliveries[0].id).count() == 2, "{deliveries:?}");
    assert_eq!(receiver.told(), ["published first@sky", "published second@sky"]);
}

#[test]
fn a_stop_waits_for_no_receiver_and_leaves_no_program_behind() {
    let (server, receiver) = (server(), Receiver::start());
    let mut project = project(&server);
    set(&mut project, &receiver);
    receiver.will_answer(&[Answer::Silence]);
    // All of the program's group hold the pipe open.
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let hook = project.script("hook", &format!("exec 3>'{}'; sleep 1000 & sleep 1000", pipe.display()));
    project.variable("GITCAST_HOOK_COMMAND", hook.to_str().expect("text"));
    save(&project, "first");
    let watching = Watching::start(&project, &[]);
    let mut held = std::fs::File::open(&pipe).expect("the program runs");
    wait_until("the first is being told", || receiver.count() == 1);
    let asked = Instant::now();
    watching.stop().expect(0);
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "an attempt alone may take longer: {:?}",
        asked.elapsed()
    );
    assert_eq!(held.read(&mut [0]).expect("nobody holds it any more"), 0);
}

#[test]
fn wherever_the_process_dies_each_transition_is_told_once() {
    let mut has_ended = false;
    for nth in 1..=40 {
        let (server, receiver) = (server(), Receiver::start());
        let mut project = project(&server);
        set(&mut project, &receiver);
        save(&project, "first");
        project.variable(CRASH, &format!("after-commit:{nth}"));
        has_ended = apply(&project).code == 0;
        project.variable(CRASH, "");
        // What is unanswered is looked for first, and may take another run.
        wait_until("it is published", || apply(&project).code == 0 && server.count() == 1);
        assert_eq!(receiver.told(), ["published first@sky"], "killed after commit {nth}");
        if has_ended {
            break;
        }
    }
    assert!(has_ended, "the last one died no more");
}

#[test]
fn what_apply_could_not_tell_is_left_to_the_next_run_and_changes_no_exit_code() {
    let (server, receiver) = (server(), Receiver::start());
    let mut project = project(&server);
    set(&mut project, &receiver);
    receiver.will_answer(&[Answer::Status(404); 3]);
    save(&project, "first");
    let run = apply(&project).expect(0);
    assert!(run.stderr.contains("the webhook at http://127.0.0.1:"), "{}", run.stderr);
    let doctor = project.run(&["doctor"]).expect(0);
    assert!(doctor.stdout.contains("`webhook`: 1 waiting"), "{}", doctor.stdout);
    apply(&project).expect(0);
    assert_eq!(receiver.told(), ["published first@sky"]);
    assert_eq!(receiver.count(), 4);
    assert!(!project.run(&["doctor"]).expect(0).stdout.contains("waiting"));
    // With nothing new nothing is said.
    apply(&project).expect(0);
    assert_eq!(receiver.count(), 4);
}

#[test]
fn what_a_plan_refuses_is_told_once_in_one_group() {
    let (server, receiver) = (server(), Receiver::start());
    let mut project = project(&server);
    set(&mut project, &receiver);
    for id in ["a", "b", "c"] {
        save(&project, id);
    }
    for _ in 0..2 {
        project.run(&["apply", "--auto-approve", "--max-new-posts", "0"]).expect(7);
    }
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    let groups = deliveries[0].json()["groups"].as_array().expect("groups").clone();
    assert_eq!((groups.len(), groups[0]["posts"].as_array().map(Vec::len)), (1, Some(3)), "{groups:?}");
    apply(&project).expect(0);
    assert_eq!(receiver.told()[3..], ["published a@sky", "published b@sky", "published c@sky"]);
}

#[test]
fn a_command_gets_the_message_and_no_secret_of_ours() {
    let server = server();
    let mut project = project(&server);
    let folder = project.path("").display().to_string();
    let hook = project
        .script("hook", &format!("cat >> '{folder}got'; env > '{folder}env'; test -e '{folder}ready'"));
    let hook = hook.to_str().expect("text").to_owned();
    project.variable("GITCAST_HOOK_COMMAND", &hook).variable("SLACK_TOKEN", "of its own");
    project.variable("TIKTOK_CLIENT_SECRET", "canary-app").variable("GITCAST_HOOK_SECRET", HOOK_SECRET);
    let text = "$(touch oops) `touch oops`; touch oops";
    project.write("content/first.yaml", format!("id: first\ntext: '{text}'\nto:\n  sky:\n"));
    let run = apply(&project).expect(0);
    assert!(run.stderr.contains(&format!("the hook command {hook}")), "{}", run.stderr);
    project.write("ready", "");
    apply(&project).expect(0);
    let got = std::fs::read_to_string(project.path("got")).expect("it was told");
    let messages: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&got).into_iter().collect::<Result<_, _>>().expect("JSON");
    assert_eq!(messages.len(), 4, "three times in the first run, and no more once it is taken: {got}");
    assert!(messages.iter().all(|message| message == &messages[0]), "{got}");
    assert_eq!(messages[0]["groups"][0]["posts"][0]["post"], "first");
    let environment = std::fs::read_to_string(project.path("env")).expect("an environment");
    assert!(environment.contains("SLACK_TOKEN=of its own"), "{environment}");
    for secret in ["GITCAST_", "CLIENT_SECRET", "canary"] {
        assert!(!environment.contains(secret), "{environment}");
    }
    // A relative path could be one that content decides.
    for path in ["hook", "content/hook"] {
        project.variable("GITCAST_HOOK_COMMAND", path);
        apply(&project).expect(64);
    }
}

#[test]
fn a_rehearsal_tells_too_and_says_that_it_is_one() {
    let receiver = Receiver::start();
    let mut project = Project::new();
    set(&mut project, &receiver);
    project.draft("one");
    project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert_eq!(receiver.told(), ["delivered one@drafts"]);
    assert_eq!(receiver.deliveries()[0].json()["rehearsal"], true);
}

#[test]
fn an_address_or_a_secret_that_cannot_be_used_is_refused_and_not_shown() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    for (url, secret) in [
        ("http://example.com/canary", HOOK_SECRET),
        ("https://user:canary@example.com/", HOOK_SECRET),
        ("canary", HOOK_SECRET),
        ("https://example.com/", "canary"),
    ] {
        for command in [&["apply", "--auto-approve"][..], &["watch", "--once"]] {
            let run: Run = project
                .command(&[command, &["-vv", "--hook-url", url]].concat())
                .env("GITCAST_HOOK_SECRET", secret)
                .output()
                .expect("it starts")
                .into();
            let run = run.expect(64);
            assert!(!run.stderr.contains("canary"), "{}", run.stderr);
        }
    }
    assert_eq!(server.count(), 0);
    let help = project.command(&["apply", "--help"]).env("GITCAST_HOOK_URL", "https://canary").output();
    let help: Run = help.expect("it starts").into();
    assert!(help.stdout.contains("GITCAST_HOOK_URL") && !help.stdout.contains("canary"), "{}", help.stdout);
}
