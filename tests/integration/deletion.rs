//! Tombstones: a live post is taken away where the platform can, where the run allows it, and by nothing else.

use gitcast::rehearsal::{AccountSetup, Action, Fault};

use crate::support::{Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
const DELETE: [&str; 3] = ["apply", "--auto-approve", "--allow-delete"];
const TEXT: &str = "text: Hello\nto:\n  sky:\n";

fn server() -> Server {
    Server::start_with(vec![AccountSetup::bluesky("sky", "brand.example")])
}

/// A project whose account is logged in, with this post published.
fn published(server: &Server, rest: &str) -> Project {
    let yaml = format!(
        "version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.example\n    endpoint: {}\n",
        server.url()
    );
    let project = Project::with(&yaml);
    server.log_in(&project, "sky").expect(0);
    post(&project, rest);
    project.run(&APPLY).expect(0);
    project
}

fn post(project: &Project, rest: &str) {
    project.write("content/one.yaml", format!("id: one\n{rest}"));
}

fn tombstone(project: &Project, rest: &str) {
    post(project, &format!("state: deleted\n{rest}"));
}

/// How many posts can be seen, of how many ever made.
fn seen(server: &Server) -> (usize, usize) {
    let performed = server.rehearsal.publications();
    (performed.iter().filter(|publication| publication.is_live()).count(), performed.len())
}

#[test]
fn a_tombstone_needs_leave_and_is_carried_out_once() {
    let server = server();
    let project = published(&server, TEXT);
    tombstone(&project, TEXT);
    let plan = project.run(&["plan"]).expect(7);
    assert!(plan.stdout.contains("--allow-delete"), "{}", plan.stdout);
    project.run(&APPLY).expect(7);
    assert_eq!((seen(&server), server.requests("deleteRecord")), ((1, 1), 0));
    let plan = project.run(&["plan", "--allow-delete"]).expect(0);
    assert!(plan.stdout.contains("∅ one") && plan.stdout.contains("1 to delete"), "{}", plan.stdout);
    let applied = project.run(&DELETE).expect(0);
    assert!(applied.stdout.contains("1 deleted"), "{}", applied.stdout);
    assert_eq!((seen(&server), project.states(&[])), ((0, 1), vec!["one@sky deleted".to_owned()]));
    let again = project.run(&DELETE).expect(0);
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
    assert_eq!(server.requests("deleteRecord"), 1);
    let log = project.run(&["log", "one"]).expect(0).stdout;
    assert!(
        log.contains("deleting, as content/one.yaml says") && log.contains("deleteRecord → 200"),
        "{log}"
    );
    assert!(!log.contains("live "), "{log}");
    // The manifest wants it back: not by itself.
    post(&project, TEXT);
    let skipped = project.run(&APPLY).expect(0);
    assert!(skipped.stdout.contains("raise `revision:`"), "{}", skipped.stdout);
    post(&project, &format!("revision: 2\n{TEXT}"));
    project.run(&APPLY).expect(0);
    assert_eq!((seen(&server), project.states(&[])), ((1, 2), vec!["one@sky published".to_owned()]));
    project.run(&["doctor"]).expect(0);
}

#[test]
fn a_removed_manifest_deletes_nothing_whatever_is_allowed() {
    let server = server();
    let project = published(&server, TEXT);
    std::fs::remove_file(project.path("content/one.yaml")).expect("removed");
    project.run(&DELETE).expect(0);
    assert_eq!((seen(&server), server.requests("deleteRecord")), ((1, 1), 0));
}

#[test]
fn a_thread_goes_from_its_end_with_its_gates_and_an_answer_that_is_lost_is_asked_for_again() {
    let server = server();
    let thread = "text: One\nto:\n  sky:\n    replies: []\n    quotes: false\n    parts: [Two, Three]\n";
    let project = published(&server, thread);
    assert_eq!(seen(&server), (3, 3));
    tombstone(&project, thread);
    let faults = server.rehearsal.faults();
    faults.add(Fault::next("deleteRecord", Action::EffectThenCut));
    faults.add(Fault { nth: 3, ..Fault::next("deleteRecord", Action::Status { code: 500, body: None }) });
    project.run(&DELETE).expect(0);
    assert_eq!((seen(&server), project.states(&[])), ((0, 3), vec!["one@sky deleted".to_owned()]));
    // Three posts and two gates, and two answers that were none.
    assert_eq!(server.requests("deleteRecord"), 7);
    for collection in ["app.bsky.feed.post", "app.bsky.feed.threadgate", "app.bsky.feed.postgate"] {
        let listed = server
            .page(&format!("/xrpc/com.atproto.repo.listRecords?repo=brand.example&collection={collection}"));
        assert!(listed.contains(r#""records":[]"#), "{listed}");
    }
}

#[test]
fn what_the_platform_does_not_delete_is_told_once_and_tried_again_by_a_person_only() {
    let server = server();
    let project = published(&server, TEXT);
    tombstone(&project, TEXT);
    let body = Some(r#"{"error":"InvalidRequest","message":"not today"}"#.to_owned());
    server.rehearsal.faults().add(Fault::next("deleteRecord", Action::Status { code: 400, body }));
    let refused = project.run(&DELETE).expect(3);
    assert!(refused.stdout.contains("turned down") && refused.stdout.contains("not today"), "{refused:?}");
    let again = project.run(&DELETE).expect(3);
    assert!(again.stdout.contains("delete-refused"), "{}", again.stdout);
    assert_eq!((seen(&server), server.requests("deleteRecord")), ((1, 1), 1));
    project.run(&["retry", "one", "sky"]).expect(0);
    project.run(&DELETE).expect(0);
    assert_eq!(seen(&server), (0, 1));
}

#[test]
fn a_post_that_was_adopted_is_deleted_too_if_it_is_the_accounts_own() {
    let server = server();
    let project = published(&server, TEXT);
    let status = project.run(&["status", "--json"]).expect(0).json();
    let uri = status["publications"][0]["remote_id"].as_str().expect("an id").to_owned();
    let adopt = |id: &str, uri: &str| {
        project.write(&format!("content/{id}.yaml"), format!("id: {id}\ntext: {id}\nto:\n  sky:\n"));
        project.run(&["adopt", id, "sky", "--remote-id", uri]).expect(0);
        project.write(
            &format!("content/{id}.yaml"),
            format!("id: {id}\nstate: deleted\ntext: {id}\nto:\n  sky:\n"),
        );
    };
    project.run(&["forget", "one", "sky"]).expect(0);
    std::fs::remove_file(project.path("content/one.yaml")).expect("removed");
    adopt("own", &uri);
    adopt("foreign", "at://did:plc:somebodyelse/app.bsky.feed.post/3kabcdefghijk");
    let run = project.run(&DELETE).expect(3);
    assert!(run.stdout.contains("no post of this account"), "{}", run.stdout);
    assert_eq!((seen(&server), server.requests("deleteRecord")), ((0, 1), 1));
    let states = project.states(&[]);
    assert!(states.contains(&"own@sky deleted".to_owned()), "{states:?}");
    assert!(states.contains(&"foreign@sky published".to_owned()), "{states:?}");
}

#[test]
fn what_is_paused_is_not_deleted() {
    let server = server();
    let project = published(&server, TEXT);
    tombstone(&project, TEXT);
    project.run(&["pause", "one", "--why", "legal"]).expect(0);
    project.run(&DELETE).expect(0);
    assert_eq!(seen(&server), (1, 1));
    project.run(&["resume", "one"]).expect(0);
    project.run(&DELETE).expect(0);
    assert_eq!(seen(&server), (0, 1));
}
