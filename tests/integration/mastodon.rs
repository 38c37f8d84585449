//! Mastodon, from a manifest to the posts: against the stand-in, with every answer that a server can give.

use gitcast::rehearsal::{AccountSetup, Action, Fault, MastodonSetup, Options, PerformedPublication, Replay};
use serde_json::{Value, json};

use crate::support::{Project, Server};

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--max-wait", "30s"];
const DELETE: [&str; 5] = ["apply", "--auto-approve", "--allow-delete", "--max-wait", "30s"];

fn server_as(mastodon: MastodonSetup) -> Server {
    let accounts = vec![AccountSetup::mastodon("toot", "brand"), AccountSetup::mastodon("friend", "friend")];
    Server::start_as(Options { accounts, mastodon, ..Options::default() })
}

fn server() -> Server {
    server_as(MastodonSetup::default())
}

fn yaml(server: &Server) -> String {
    format!(
        "version: 1\naccounts:\n  toot:\n    platform: mastodon\n    handle: '@Brand@example.social'\n    endpoint: {}\n",
        server.url()
    )
}

/// A project whose account is logged in.
fn project(server: &Server) -> Project {
    let project = Project::with(&yaml(server));
    server.log_in(&project, "toot").expect(0);
    project
}

fn post(project: &Project, id: &str, rest: &str) {
    project.write(&format!("content/{id}.yaml"), format!("id: {id}\n{rest}"));
}

fn with_image(project: &Project) {
    project.medium("good.jpg", "content/a.jpg");
    post(project, "one", "text: Hello\nmedia:\n  - file: a.jpg\n    alt: A sea\nto:\n  toot:\n");
}

/// What is live, in order.
fn live(server: &Server) -> Vec<PerformedPublication> {
    let all = server.rehearsal.publications();
    all.into_iter().filter(|publication| publication.status == "PUBLISH_COMPLETE").collect()
}

fn records(server: &Server) -> Vec<Value> {
    live(server).into_iter().map(|publication| publication.record.expect("a record")).collect()
}

fn only(server: &Server) -> Value {
    let records = records(server);
    assert_eq!(records.len(), 1, "{records:?}");
    records.into_iter().next().expect("one")
}

#[test]
fn a_text_becomes_a_post_with_its_options_and_a_link_to_it() {
    let server = server();
    let project = project(&server);
    let options = "visibility: unlisted\n    language: de\n    warning: Spoiler";
    post(
        &project,
        "one",
        &format!("text: 'Grüße @friend #rust https://a.example/x'\nto:\n  toot:\n    {options}\n"),
    );
    project.run(&APPLY).expect(0);
    let record = only(&server);
    assert_eq!((&record["visibility"], &record["language"]), (&json!("unlisted"), &json!("de")));
    assert_eq!((&record["spoiler_text"], &record["sensitive"]), (&json!("Spoiler"), &json!(true)));
    assert_eq!(live(&server)[0].title, "Grüße @friend #rust https://a.example/x");
    let status = project.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["publications"][0]["remote_id"], record["id"]);
    let url = status["publications"][0]["remote_url"].as_str().expect("a URL").to_owned();
    let page = server.page(url.strip_prefix(server.url()).expect("on this machine"));
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Grüße"), "{page}");
    let again = project.run(&APPLY).expect(0);
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
    assert_eq!((server.requests("status_create"), server.requests("account_statuses")), (1, 1));
}

#[test]
fn images_and_a_video_are_waited_for_and_described() {
    let server = server();
    let project = project(&server);
    project.medium("good.jpg", "content/a.jpg").medium("photo.png", "content/b.jpg");
    project.medium("good.mp4", "content/c.mp4");
    let media = "media:\n  - file: a.jpg\n    alt: A sea\n  - file: b.jpg\n    alt: 'Größe: \"x\"'\n";
    post(&project, "one", &format!("text: Two\n{media}to:\n  toot:\n    sensitive: true\n"));
    post(&project, "video", "text: Clip\nmedia:\n  - file: c.mp4\n    alt: A clip\nto:\n  toot:\n");
    project.run(&APPLY).expect(0);
    let records = records(&server);
    let of = |text: &str| records.iter().find(|r| r["content"] == format!("<p>{text}</p>")).expect("one");
    let alts: Vec<_> = of("Two")["media_attachments"]
        .as_array()
        .expect("media")
        .iter()
        .map(|m| m["description"].clone())
        .collect();
    assert_eq!(alts, [json!("A sea"), json!("Größe: \"x\"")]);
    assert_eq!(of("Two")["sensitive"], true);
    assert_eq!(of("Clip")["media_attachments"][0]["type"], "video");
    assert!(server.requests("media_get") > 0, "the video was waited for");
    assert_eq!(server.requests("status_create"), 2);
}

#[test]
fn a_thread_comes_one_by_one_and_each_post_answers_the_one_before() {
    for replay in [Replay::Fails, Replay::Burned] {
        let server = server_as(MastodonSetup { replay, ..MastodonSetup::default() });
        let project = project(&server);
        post(&project, "one", "text: First\nto:\n  toot:\n    parts: [Second, Third, Fourth]\n");
        // Of one the answer is lost, and one does not arrive.
        server.rehearsal.faults().add(Fault::nth("status_create", 2, Action::EffectThenCut));
        server.rehearsal.faults().add(Fault::nth("status_create", 3, Action::CutBeforeRead));
        project.run(&APPLY).expect(0);
        let posts = live(&server);
        let texts: Vec<_> = posts.iter().map(|post| post.title.as_str()).collect();
        assert_eq!(texts, ["First", "Second", "Third", "Fourth"], "{replay:?}");
        for pair in posts.windows(2) {
            let reply_to = pair[1].record.as_ref().expect("a record")["in_reply_to_id"].clone();
            assert_eq!(reply_to, pair[0].publish_id.as_str(), "{replay:?}");
        }
        assert_eq!(server.requests("status_create"), 5, "{replay:?}");
        assert!(server.rehearsal.faults().pending().is_empty());
        project.run(&APPLY).expect(0);
        assert_eq!(server.count(), 4);
    }
}

#[test]
fn a_poll_and_an_answer() {
    let server = server();
    let project = project(&server);
    post(
        &project,
        "one",
        "text: Which?\nto:\n  toot:\n    poll:\n      options: [Tea, Coffee]\n      expires_in: 1d\n      multiple: true\n",
    );
    project.run(&APPLY).expect(0);
    let poll = only(&server);
    let titles: Vec<_> =
        poll["poll"]["options"].as_array().expect("options").iter().map(|o| o["title"].clone()).collect();
    assert_eq!((titles, &poll["poll"]["multiple"]), (vec![json!("Tea"), json!("Coffee")], &json!(true)));
    let id = poll["id"].as_str().expect("an id").to_owned();
    post(
        &project,
        "two",
        &format!("text: Tea\nto:\n  toot:\n    reply: https://example.social/@brand/{id}\n"),
    );
    project.run(&APPLY).expect(0);
    assert_eq!(records(&server)[1]["in_reply_to_id"], id.as_str());
    post(&project, "three", "text: Nobody\nto:\n  toot:\n    reply: '12345'\n");
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("12345"), "{}", run.stdout);
    assert_eq!(server.count(), 2);
}

/// Lost before and after it took effect, where a server makes of keys what the others do not (`conformance`).
#[test]
fn a_request_that_was_lost_makes_one_post() {
    std::thread::scope(|scope| {
        for replay in [Replay::Fails, Replay::Burned] {
            for (action, sends) in [
                (Action::CutBeforeRead, 2),
                (Action::CutMidRequestBody { after: 5 }, 2),
                (Action::Status { code: 503, body: None }, 2),
                (Action::EffectThenCut, 1),
                (Action::EffectThenStatus { code: 504, body: Some("<html>".into()) }, 1),
                (Action::GarbageBody, 1),
            ] {
                scope.spawn(move || lost(replay, &action, sends));
            }
        }
    });
}

fn lost(replay: Replay, action: &Action, sends: usize) {
    let server = server_as(MastodonSetup { replay, ..MastodonSetup::default() });
    let (project, what) = (project(&server), format!("{replay:?} {action:?}"));
    with_image(&project);
    server.rehearsal.faults().add(Fault::next("status_create", action.clone()));
    project.run(&APPLY).expect(0);
    let record = only(&server);
    assert_eq!(record["media_attachments"][0]["description"], "A sea", "{what}");
    assert_eq!(server.requests("status_create"), sends, "{what}");
    assert_eq!(server.requests("media_upload"), 1, "{what}");
    let status = project.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["publications"][0]["remote_id"], record["id"], "{what}");
}

/// Every answer to the question for a post that is answered, and to an upload after it.
#[test]
fn whatever_the_server_answers_the_post_is_there_once() {
    let said =
        |code: u16, text: &str| Action::Status { code, body: Some(json!({ "error": text }).to_string()) };
    let actions = [
        Action::CutBeforeRead,
        Action::CutMidRequestBody { after: 10 },
        Action::EffectThenCut,
        Action::EffectThenStatus { code: 502, body: None },
        Action::EffectThenStatus { code: 500, body: Some("<html>".into()) },
        Action::GarbageBody,
        Action::Status { code: 503, body: None },
        said(429, "Too many requests"),
        Action::Delay { ms: 20 },
    ];
    std::thread::scope(|scope| {
        for operation in ["status_get", "media_upload"] {
            for actions in actions.chunks(3) {
                scope.spawn(move || actions.iter().for_each(|action| answered(operation, action)));
            }
        }
    });
}

fn answered(operation: &str, action: &Action) {
    let (server, what) = (server(), format!("{operation} {action:?}"));
    let project = project(&server);
    post(&project, "root", "text: Root\nto:\n  toot:\n");
    project.run(&APPLY).expect(0);
    let root = only(&server)["id"].as_str().expect("an id").to_owned();
    project.medium("good.jpg", "content/a.jpg");
    let media = "media:\n  - file: a.jpg\n    alt: A sea\n";
    post(&project, "one", &format!("text: Hello\n{media}to:\n  toot:\n    reply: '{root}'\n"));
    let mut fault = Fault::next(operation, action.clone());
    fault.headers.insert("retry-after".into(), "1".into());
    server.rehearsal.faults().add(fault);
    project.run(&APPLY).expect(0);
    let records = records(&server);
    assert_eq!(records.len(), 2, "{what}: {records:?}");
    assert_eq!(records[1]["media_attachments"][0]["description"], "A sea", "{what}");
    assert_eq!(records[1]["in_reply_to_id"], root.as_str(), "{what}");
    assert!(server.rehearsal.faults().pending().is_empty(), "{what}: it never fired");
}

#[test]
fn two_posts_that_may_be_it_are_held() {
    let server = server();
    let project = project(&server);
    post(&project, "one", "text: Hello\nto:\n  toot:\n");
    server.rehearsal.faults().add(Fault::next("status_create", Action::EffectThenCut));
    // Before anybody looks, somebody posts the same by hand, with the same app.
    let status = |id: &str| {
        json!({
            "id": id, "created_at": "2999-01-01T00:00:00.000Z", "content": "<p>Hello</p>", "spoiler_text": "",
            "in_reply_to_id": null, "media_attachments": [], "reblog": null, "visibility": "public",
        })
    };
    let body = Some(json!([status("2"), status("1")]).to_string());
    server.rehearsal.faults().add(Fault::nth(
        "account_statuses",
        2,
        Action::EffectThenStatus { code: 200, body },
    ));
    let run = project.run(&APPLY).expect(4);
    assert!(run.stdout.contains("may be it"), "{}", run.stdout);
    assert_eq!((server.count(), server.requests("status_create")), (1, 1));
    project.run(&APPLY).expect(4);
    assert_eq!((server.count(), server.requests("status_create")), (1, 1));
}

/// Only of Mastodon it is known that its list shows such a post to its author.
#[test]
fn a_post_that_is_not_public_is_looked_for_where_the_list_shows_it() {
    let server = server();
    let project = project(&server);
    let manifest =
        |id: &str| post(&project, id, &format!("text: {id}\nto:\n  toot:\n    visibility: direct\n"));
    let cut = || server.rehearsal.faults().add(Fault::next("status_create", Action::CutBeforeRead));
    manifest("one");
    cut();
    let run = project.run(&APPLY).expect(4);
    assert!(run.stdout.contains("may list public posts only"), "{}", run.stdout);
    assert_eq!(server.count(), 0);
    project.run(&["resolve", "one", "toot", "--not-published"]).expect(0);
    project.run(&["auth", "status", "--write"]).expect(0);
    cut();
    project.run(&APPLY).expect(0);
    manifest("two");
    server.rehearsal.faults().add(Fault::next("status_create", Action::EffectThenCut));
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("status_create")), (2, 4));
    assert_eq!(project.states(&[]), ["one@toot published", "two@toot published"]);
    // There is nothing to refresh, and asking for it does no harm.
    project.run(&["auth", "refresh", "--force"]).expect(0);
    assert_eq!(server.requests("oauth_token"), 0);
}

#[test]
fn what_the_server_refuses_is_told_and_can_be_tried_again() {
    let server = server();
    let project = project(&server);
    post(&project, "one", "text: Hello\nto:\n  toot:\n");
    let body = Some(r#"{"error":"Validation failed: Text is rude"}"#.to_owned());
    server.rehearsal.faults().add(Fault::next("status_create", Action::Status { code: 422, body }));
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("Text is rude"), "{}", run.stdout);
    assert_eq!(server.count(), 0);
    project.run(&["retry", "one", "toot"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn an_edit_changes_the_live_post_and_its_thread() {
    let server = server();
    let project = project(&server);
    project.medium("good.jpg", "content/a.jpg").medium("photo.png", "content/b.png");
    let manifest = |text: &str, media: &str, options: &str| {
        post(&project, "one", &format!("text: {text}\nmedia:\n{media}to:\n  toot:\n{options}"));
    };
    let first = "  - file: a.jpg\n    alt: A sea\n";
    manifest("Hello", first, "    parts: [More]\n");
    project.run(&APPLY).expect(0);
    let before = records(&server);
    let second = "  - file: b.png\n    alt: A hill\n  - file: a.jpg\n    alt: The sea\n";
    manifest("Changed", second, "    parts: [Much more]\n    warning: Waves\n");
    let plan = project.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("changed after it was published"), "{}", plan.stdout);
    // Each request is repeated until it is answered.
    for operation in ["status_edit", "media_upload"] {
        server.rehearsal.faults().add(Fault::next(operation, Action::EffectThenCut));
    }
    project.run(&APPLY).expect(0);
    let after = records(&server);
    assert_eq!(after.len(), 2);
    assert_eq!((&after[0]["id"], &after[1]["id"]), (&before[0]["id"], &before[1]["id"]));
    assert_eq!(
        (&after[0]["content"], &after[1]["content"]),
        (&json!("<p>Changed</p>"), &json!("<p>Much more</p>"))
    );
    assert_eq!((&after[0]["spoiler_text"], &after[1]["spoiler_text"]), (&json!("Waves"), &json!("Waves")));
    let media = after[0]["media_attachments"].as_array().expect("media");
    let alts: Vec<_> = media.iter().map(|medium| medium["description"].clone()).collect();
    assert_eq!(alts, [json!("A hill"), json!("The sea")]);
    assert_eq!(media[1]["id"], before[0]["media_attachments"][0]["id"], "it was there already");
    assert_eq!(server.requests("status_create"), 2);
    project.run(&APPLY).expect(0);
    assert_eq!(project.states(&[]), ["one@toot published"]);
    // What cannot be edited is not.
    manifest("Changed", second, "    parts: [Much more]\n    warning: Waves\n    visibility: unlisted\n");
    let plan = project.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("cannot be edited"), "{}", plan.stdout);
    project.run(&APPLY).expect(0);
    assert_eq!(records(&server), after);
}

#[test]
fn a_tombstone_takes_the_whole_thread_away() {
    let server = server();
    let project = project(&server);
    post(&project, "one", "text: Hello\nto:\n  toot:\n    parts: [More]\n");
    post(&project, "two", "text: Stays\nto:\n  toot:\n");
    project.run(&APPLY).expect(0);
    assert_eq!(live(&server).len(), 3);
    post(&project, "one", "state: deleted\nto:\n  toot:\n");
    project.run(&APPLY).expect(7);
    assert_eq!(live(&server).len(), 3, "not without being told");
    server.rehearsal.faults().add(Fault::next("status_delete", Action::EffectThenCut));
    project.run(&DELETE).expect(0);
    assert_eq!(only(&server)["content"], "<p>Stays</p>");
    assert_eq!(project.states(&[]), ["one@toot deleted", "two@toot published"]);
    project.run(&DELETE).expect(0);
    assert_eq!(server.requests("status_delete"), 3);
}

/// As snac 2.75 answers, which knows no deletion.
#[test]
fn a_server_that_cannot_delete_is_not_taken_at_its_word() {
    let server = server();
    let project = project(&server);
    post(&project, "one", "text: Hello\nto:\n  toot:\n");
    project.run(&APPLY).expect(0);
    post(&project, "one", "state: deleted\nto:\n  toot:\n");
    let body = Some("<html>not found</html>".to_owned());
    server.rehearsal.faults().add(Fault::next("status_delete", Action::Status { code: 404, body }));
    let run = project.run(&DELETE).expect(3);
    assert!(run.stdout.contains("still shows it"), "{}", run.stdout);
    assert_eq!(project.states(&[]), ["one@toot published"]);
}

#[test]
fn a_servers_own_limits_count_once_they_are_noted() {
    let server = server_as(MastodonSetup { max_characters: 1_000, ..MastodonSetup::default() });
    let project = project(&server);
    post(&project, "one", &format!("text: {}\nto:\n  toot:\n", "a".repeat(900)));
    let run = project.run(&["validate"]).expect(1);
    assert!(
        run.stdout.contains("the server takes 500") && run.stdout.contains("auth status --write"),
        "{}",
        run.stdout
    );
    project.run(&["auth", "status", "--write"]).expect(0);
    project.run(&["validate"]).expect(0);
    let shown = project.run(&["auth", "status"]).expect(0);
    assert!(shown.stdout.contains("texts up to 1000 characters"), "{}", shown.stdout);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn a_silenced_account_is_told_in_the_log() {
    let server = server_as(MastodonSetup { silenced: true, ..MastodonSetup::default() });
    let project = project(&server);
    post(&project, "one", "text: Hello\nto:\n  toot:\n");
    let run = project.run(&APPLY).expect(0);
    assert!(run.stderr.contains("its visibility is unlisted, not public"), "{run:?}");
    assert_eq!(only(&server)["visibility"], "unlisted");
}

#[test]
fn accounts_of_all_platforms_rehearse_together() {
    let project = Project::with(
        "version: 1\naccounts:\n  toot:\n    platform: mastodon\n    handle: '@brand@example.social'\n  sky:\n    platform: bluesky\n    handle: brand.bsky.social\n",
    );
    post(&project, "one", "text: Both\nto:\n  sky:\n  toot:\n    parts: [More]\n");
    let run = project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert!(run.stdout.contains("/@brand/"), "{}", run.stdout);
    assert_eq!(project.states(&["--rehearse"]), ["one@sky published", "one@toot published"]);
    let again = project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
}

#[test]
fn what_an_account_lacks_or_has_too_much_of_is_said_at_its_place() {
    for (account, code, words) in [
        ("platform: mastodon", "missing-key", "`handle`"),
        ("platform: mastodon\n    handle: alice.example", "invalid-value", "is no handle"),
        ("platform: mastodon\n    handle: '@alice@localhost'", "invalid-value", "is no handle"),
        ("platform: mastodon\n    handle: '@a b@example.social'", "invalid-value", "is no handle"),
        (
            "platform: mastodon\n    handle: '@a@b.example'\n    mode: draft",
            "invalid-value",
            "mastodon has no drafts",
        ),
        ("platform: mastodon\n    handle: '@a@b.example'\n    audited: true", "unknown-key", "audited"),
        (
            "platform: mastodon\n    handle: '@a@b.example'\n    server: http://c.example",
            "invalid-url",
            "https://",
        ),
        (
            "platform: mastodon\n    handle: '@a@b.example'\n    server: https://10.0.0.1",
            "invalid-url",
            "IP address",
        ),
        (
            "platform: mastodon\n    handle: '@a@b.example'\n    server: http://127.0.0.1:1",
            "invalid-url",
            "`endpoint`",
        ),
        (
            "platform: mastodon\n    handle: '@a@b.example'\n    server: https://c.example/x",
            "invalid-url",
            "without path",
        ),
        ("platform: bluesky\n    handle: a.example\n    server: https://c.example", "unknown-key", "server"),
    ] {
        let project = Project::with(&format!("version: 1\naccounts:\n  a:\n    {account}\n"));
        let run = project.run(&["validate"]).expect(1);
        assert!(run.stdout.contains(code) && run.stdout.contains(words), "{account}: {}", run.stdout);
    }
    let good = "version: 1\naccounts:\n  a:\n    platform: mastodon\n    handle: Alice@Example.social\n    server: https://social.example\n    mode: direct\n";
    let project = Project::with(good);
    project.run(&["validate"]).expect(0);
    let status = project.run(&["auth", "status", "--json"]).json();
    assert_eq!(status["accounts"][0]["origin"], "https://social.example");
}
