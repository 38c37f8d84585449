//! What happens when the network or the process fails: never twice, never lost.

use std::time::{Duration, Instant};

use gitcast::rehearsal::{Action, Fault};

use crate::support::{Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

fn photos(project: &Project, id: &str) {
    project.write(
        &format!("content/{id}.yaml"),
        format!("id: {id}\ntext: photos of {id}\nmedia:\n  - url: https://media.example.com/{id}.jpg\nto:\n  direct:\n    privacy: self_only\n"),
    );
}

#[test]
fn every_fault_at_every_request_of_a_draft_ends_in_one_draft() {
    let actions = [
        Action::Status { code: 500, body: None },
        Action::CutBeforeRead,
        Action::EffectThenCut,
        Action::EffectThenStatus { code: 502, body: None },
        Action::GarbageBody,
    ];
    for operation in ["inbox_init", "upload", "status"] {
        for action in &actions {
            let server = Server::start();
            let project = server.project();
            project.draft("one");
            server.rehearsal.faults().add(Fault::next(operation, action.clone()));
            let run = project.run(&APPLY);
            assert_eq!(run.code, 0, "{operation} {action:?}\n{}\n{}", run.stdout, run.stderr);
            assert_eq!(server.count(), 1, "{operation} {action:?}");
            assert_eq!(project.states(&[]), ["one@drafts delivered"], "{operation} {action:?}");
        }
    }
}

#[test]
fn a_photo_post_whose_answer_is_lost_is_held_and_a_person_settles_it() {
    for (settle, state, count) in [
        (
            &["resolve", "one", "direct", "--published", "https://www.tiktok.com/@direct/photo/1"][..],
            "published",
            1,
        ),
        (&["resolve", "one", "direct", "--abandon"], "failed", 1),
    ] {
        let server = Server::start();
        let project = server.project();
        photos(&project, "one");
        // The stand-in refuses the address only after it was asked; the answer that counts is the one that got lost.
        server.rehearsal.faults().add(Fault::next("content_init", Action::CutMidRequestBody { after: 1 }));
        let run = project.run(&APPLY).expect(4);
        assert!(run.stdout.contains("gitcast resolve one direct --not-published"), "{}", run.stdout);
        project.run(&APPLY).expect(4);
        assert_eq!(server.requests("content_init"), count, "a held post is not sent again");
        project.run(settle).expect(0);
        assert_eq!(project.states(&[]), [format!("one@direct {state}")]);
        project.run(&APPLY);
        assert_eq!(server.requests("content_init"), count, "what is settled is final");
        project.run(settle).expect(1);
    }
}

#[test]
fn what_a_person_says_is_not_there_may_be_published() {
    let server = Server::start();
    let project = server.project();
    photos(&project, "one");
    server.rehearsal.faults().add(Fault::next("content_init", Action::CutBeforeRead));
    project.run(&APPLY).expect(4);
    project.run(&["resolve", "one", "direct", "--not-published", "--why", "looked in the app"]).expect(0);
    project.run(&APPLY);
    assert_eq!(server.requests("content_init"), 2);
    let log = project.run(&["log", "one"]).expect(0).stdout;
    assert!(log.contains("looked in the app"), "{log}");
}

#[test]
fn an_upload_that_was_killed_goes_on_where_the_platform_says() {
    let server = Server::start();
    let project = server.project();
    const SIZE: u64 = 70_000_000;
    project.large_draft("large", SIZE);
    // The fourth chunk waits long enough to be killed in.
    server.rehearsal.faults().add(Fault::nth("upload", 4, Action::Delay { ms: 20_000 }));
    let mut child = project.spawn(&APPLY);
    let begun = Instant::now();
    while server.requests("upload") < 4 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "no fourth chunk: {:?}",
            server.rehearsal.requests()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("dead");
    assert_eq!(project.states(&[]), ["large@drafts staging"]);
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("inbox_init")), (1, 1));
    assert!(server.requests("upload") <= 8, "7 chunks, at most one of them twice");
    let arrived = std::fs::read(&server.rehearsal.publications()[0].media[0].path).expect("arrived");
    assert!(arrived == std::fs::read(project.path("content/large.mp4")).expect("file"));
}

#[test]
fn a_process_that_dies_while_publishing_finds_out_before_it_does_anything() {
    let server = Server::start();
    let project = server.project();
    project.direct("one");
    // The only chunk is the publish request: its effect happens, and nobody is left to hear of it.
    server.rehearsal.faults().add(Fault::next("upload", Action::EffectThenCut));
    server.rehearsal.faults().add(Fault::next("status", Action::Delay { ms: 20_000 }));
    let mut child = project.spawn(&APPLY);
    while server.requests("status") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("dead");
    assert_eq!(project.states(&[]), ["one@direct unresolved"]);
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("upload")), (1, 1));
    assert_eq!(project.states(&[]), ["one@direct published"]);
}

#[test]
fn what_the_platform_refuses_fails_with_its_reason_and_is_not_sent_again() {
    let server = Server::start();
    let project = server.project();
    project.direct("one");
    let body = r#"{"data":{},"error":{"code":"privacy_level_option_mismatch","message":"see the guidelines","log_id":"20261123"}}"#;
    let refuse = Action::Status { code: 403, body: Some(body.to_owned()) };
    server.rehearsal.faults().add(Fault::next("video_init", refuse));
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("20261123"), "{}", run.stdout);
    project.run(&APPLY).expect(3);
    assert_eq!((server.count(), server.requests("video_init")), (0, 1));
    project.run(&["retry", "one", "direct"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn waiting_for_the_platform_ends_and_the_next_run_goes_on() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    let down = Action::Status { code: 503, body: None };
    server.rehearsal.faults().add(Fault { times: 100, ..Fault::next("status", down) });
    let run = project.run(&["apply", "--auto-approve", "--max-wait", "2s"]).expect(5);
    assert!(run.stdout.contains("run again"), "{}", run.stdout);
    let status = project.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["publications"][0]["state"], "accepted");
    assert!(status["publications"][0]["next_at"].is_string());
    server.rehearsal.faults().clear();
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}

#[cfg(unix)]
#[test]
fn a_stop_is_heard_within_seconds_and_loses_nothing() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    server.rehearsal.faults().add(Fault::next("upload", Action::Delay { ms: 30_000 }));
    let child = project.spawn(&APPLY);
    while server.requests("upload") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let run: crate::support::Run = child.wait_with_output().expect("ends").into();
    assert_eq!(run.code, 130, "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(project.states(&[]), ["one@drafts publishing"]);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}
