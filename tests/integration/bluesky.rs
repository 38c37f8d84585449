//! Bluesky, from a manifest to the record: against the stand-in, with every answer that a server can give.

use std::time::Duration;

use gitcast::rehearsal::{AccountSetup, Action, Fault, PerformedPublication};
use serde_json::{Value, json};

use crate::support::{Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
const APP_PASSWORD: &str = "abcd-efgh-ijkl-mnop";

fn server() -> Server {
    Server::start_with(vec![
        AccountSetup::bluesky("sky", "brand.example"),
        AccountSetup::bluesky("other", "friend.example"),
    ])
}

fn yaml(server: &Server) -> String {
    format!(
        "version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: Brand.example\n    endpoint: {}\n",
        server.url()
    )
}

/// A project whose account is logged in.
fn project(server: &Server) -> Project {
    let project = Project::with(&yaml(server));
    server.log_in(&project, "sky").expect(0);
    project
}

fn post(project: &Project, id: &str, rest: &str) {
    project.write(&format!("content/{id}.yaml"), format!("id: {id}\n{rest}"));
}

fn only(server: &Server) -> PerformedPublication {
    let performed = server.rehearsal.publications();
    assert_eq!(performed.len(), 1, "{performed:?}");
    performed.into_iter().next().expect("one")
}

fn record(server: &Server) -> Value {
    only(server).record.expect("a record")
}

#[test]
fn a_text_becomes_a_record_with_facets_in_bytes_and_a_link_to_it() {
    let server = server();
    let project = project(&server);
    let text = "🎉 Größe שלום @friend.example @nobody.example #rust, see https://a.example/x.";
    post(
        &project,
        "one",
        &format!("text: |\n  {text}\nto:\n  sky:\n    langs: [en, de]\n    labels: [nudity]\n"),
    );
    project.run(&APPLY).expect(0);
    let record = record(&server);
    assert_eq!(record["text"], text);
    assert_eq!(record["langs"], json!(["en", "de"]));
    assert_eq!(record["labels"]["values"], json!([{ "val": "nudity" }]));
    let facets = record["facets"].as_array().expect("facets");
    let shown: Vec<_> = facets
        .iter()
        .map(|facet| {
            let at = |name: &str| {
                usize::try_from(facet["index"][name].as_u64().expect("an offset")).expect("small")
            };
            &text[at("byteStart")..at("byteEnd")]
        })
        .collect();
    assert_eq!(shown, ["@friend.example", "#rust", "https://a.example/x"]);
    let status = project.run(&["status", "--json"]).expect(0).json();
    let url = status["publications"][0]["remote_url"].as_str().expect("a URL").to_owned();
    assert!(status["publications"][0]["remote_id"].as_str().expect("an id").starts_with("at://did:plc:"));
    let page = server.page(url.strip_prefix(server.url()).expect("on this machine"));
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Größe"), "{page}");
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("createSession"), server.requests("putRecord")), (1, 0, 1));
}

#[test]
fn images_go_up_with_their_real_type_alt_text_and_shape() {
    let server = server();
    let project = project(&server);
    project.medium("good.jpg", "content/a.jpg").medium("photo.png", "content/b.jpg");
    let media = "media:\n  - file: a.jpg\n    alt: A sea\n  - file: b.jpg\n";
    post(&project, "one", &format!("text: Two\n{media}to:\n  sky:\n"));
    let validated = project.run(&["validate"]).expect(0);
    assert_eq!(validated.stdout.matches("alt-missing").count(), 1, "{}", validated.stdout);
    project.run(&APPLY).expect(0);
    let images = record(&server)["embed"]["images"].clone();
    assert_eq!(images[0]["alt"], "A sea");
    assert_eq!(
        (&images[0]["image"]["mimeType"], &images[1]["image"]["mimeType"]),
        (&json!("image/jpeg"), &json!("image/png"))
    );
    assert!(images[1]["aspectRatio"]["width"].is_u64() && images[1]["alt"] == "");
    let page = server.page("/profile/brand.example");
    assert!(page.contains("alt=\"A sea\"") && page.contains("/media/bluesky/bafkrei"), "{page}");
}

const VIDEO: &str = "media:\n  - file: a.mp4\n    alt: A clip\nto:\n  sky:\n";

#[test]
fn a_video_goes_by_way_of_the_service_and_a_card_has_a_picture() {
    let server = server();
    let project = project(&server);
    project.medium("good.mp4", "content/a.mp4").medium("good.jpg", "content/a.jpg");
    post(&project, "video", VIDEO);
    let link = "link:\n      url: https://example.com/n\n      title: News\n      thumb: 0\n";
    post(&project, "card", &format!("text: Read\nmedia:\n  - file: a.jpg\nto:\n  sky:\n    {link}"));
    project.run(&APPLY).expect(0);
    let records: Vec<_> = server.rehearsal.publications().into_iter().filter_map(|p| p.record).collect();
    let of = |kind: &str| records.iter().find(|r| r["embed"]["$type"] == kind).expect("a record").clone();
    let video = of("app.bsky.embed.video");
    assert_eq!(
        (&video["embed"]["video"]["mimeType"], &video["embed"]["alt"]),
        (&json!("video/mp4"), &json!("A clip"))
    );
    let card = of("app.bsky.embed.external");
    assert_eq!(card["embed"]["external"]["title"], "News");
    assert_eq!(card["embed"]["external"]["thumb"]["mimeType"], "image/jpeg");
    let asked = ["getServiceAuth", "getUploadLimits", "uploadVideo", "uploadBlob"];
    assert_eq!(asked.map(|operation| server.requests(operation)), [2, 1, 1, 1]);
    assert!(server.requests("getJobStatus") > 0);
    // The same film again is the same job, and no second upload of it is waited for.
    post(&project, "again", &format!("text: Again\n{VIDEO}"));
    let looks = server.requests("getJobStatus");
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("getJobStatus")), (3, looks));
}

#[test]
fn a_video_is_a_plain_blob_where_there_is_no_service() {
    for (code, body) in [
        (501, r#"{"error":"MethodNotImplemented","message":"Method Not Implemented"}"#),
        (502, r#"{"error":"UpstreamFailure","message":"pipethrough network error"}"#),
        (400, r#"{"error":"InvalidToken","message":"Token could not be verified"}"#),
    ] {
        let server = server();
        let project = project(&server);
        project.medium("good.mp4", "content/a.mp4");
        post(&project, "video", VIDEO);
        let action = Action::Status { code, body: Some(body.to_owned()) };
        server.rehearsal.faults().add(Fault::next("getUploadLimits", action));
        project.run(&APPLY).expect(0);
        assert_eq!(record(&server)["embed"]["$type"], "app.bsky.embed.video");
        assert_eq!((server.requests("uploadBlob"), server.requests("uploadVideo")), (1, 0));
    }
}

#[test]
fn a_video_that_the_service_does_not_take_is_refused_and_one_too_many_waits() {
    let server = server();
    let project = project(&server);
    project.medium("good.mp4", "content/a.mp4");
    post(&project, "video", VIDEO);
    let failed = r#"{"jobStatus":{"jobId":"j","state":"JOB_STATE_FAILED","error":"encoding_failure"}}"#;
    let action = Action::EffectThenStatus { code: 200, body: Some(failed.to_owned()) };
    server.rehearsal.faults().add(Fault::next("getJobStatus", action));
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("encoding_failure"), "{}", run.stdout);
    project.run(&["retry", "video", "sky"]).expect(0);
    let full = r#"{"canUpload":false,"error":"daily_limit_reached","message":"no more today"}"#;
    let action = Action::Status { code: 200, body: Some(full.to_owned()) };
    server.rehearsal.faults().add(Fault::next("getUploadLimits", action));
    let run = project.run(&["apply", "--auto-approve", "--max-wait", "0s"]).expect(5);
    assert!(run.stdout.contains("no more today"), "{}", run.stdout);
    assert_eq!(server.count(), 0);
    project.run(&["apply", "--auto-approve", "--max-wait", "30s"]).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn a_reply_names_the_root_a_quotation_its_post_and_gates_come_with_the_post() {
    let server = server();
    let project = project(&server);
    post(
        &project,
        "root",
        "text: First\nto:\n  sky:\n    replies: [following, mentioned]\n    quotes: false\n",
    );
    project.run(&APPLY).expect(0);
    let root = only(&server).publish_id;
    let rkey = root.rsplit('/').next().expect("a key").to_owned();
    assert_eq!((server.requests("applyWrites"), server.requests("putRecord")), (1, 0));
    let address = format!("https://bsky.app/profile/brand.example/post/{rkey}");
    post(&project, "answer", &format!("text: Second\nto:\n  sky:\n    reply: {address}\n"));
    project.run(&APPLY).expect(0);
    let answer = server.rehearsal.publications()[1].clone();
    let third = format!("text: Third\nto:\n  sky:\n    reply: {}\n    quote: {root}\n", answer.publish_id);
    post(&project, "third", &third);
    project.run(&APPLY).expect(0);
    let third = server.rehearsal.publications()[2].record.clone().expect("a record");
    assert_eq!(third["reply"]["root"]["uri"], root.as_str());
    assert_eq!(third["reply"]["parent"]["uri"], answer.publish_id.as_str());
    assert_eq!(third["embed"]["record"]["uri"], root.as_str());
    post(
        &project,
        "lost",
        "text: Lost\nto:\n  sky:\n    quote: at://nobody.example/app.bsky.feed.post/3kabc\n",
    );
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("nobody.example"), "{}", run.stdout);
}

#[test]
fn a_thread_comes_at_once_and_each_post_names_the_one_before() {
    let server = server();
    let project = project(&server);
    let parts = "    parts:\n      - 'Second @friend.example'\n      - |\n        Third #end\n";
    post(&project, "one", &format!("text: First\nto:\n  sky:\n    langs: [en]\n    replies: []\n{parts}"));
    // Its answer is lost: the first post tells of all of them.
    server.rehearsal.faults().add(Fault::next("applyWrites", Action::EffectThenCut));
    project.run(&["apply", "--auto-approve", "--max-wait", "30s"]).expect(0);
    let posts = server.rehearsal.publications();
    let texts: Vec<_> = posts.iter().map(|post| post.title.as_str()).collect();
    assert_eq!(texts, ["First", "Second @friend.example", "Third #end"]);
    assert_eq!((server.requests("applyWrites"), server.requests("putRecord")), (1, 0));
    let records: Vec<_> = posts.iter().map(|post| post.record.clone().expect("a record")).collect();
    for (n, record) in records.iter().enumerate().skip(1) {
        assert_eq!(record["reply"]["root"]["uri"], posts[0].publish_id.as_str());
        assert_eq!(record["reply"]["parent"], named(&server, &posts[n - 1].publish_id), "post {n}");
        assert!(record["facets"].is_array() && record["langs"] == json!(["en"]));
        assert!(records[n - 1]["createdAt"].as_str() < record["createdAt"].as_str());
    }
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 3);
}

/// A record's address and identifier, as the server tells them.
fn named(server: &Server, uri: &str) -> Value {
    let parts: Vec<_> = uri.trim_start_matches("at://").split('/').collect();
    let path = format!(
        "/xrpc/com.atproto.repo.getRecord?repo={}&collection={}&rkey={}",
        parts[0], parts[1], parts[2]
    );
    let page = server.page(&path);
    let body = page.split("\r\n\r\n").nth(1).expect("a body");
    let read: Value = serde_json::from_str(body).expect("JSON");
    json!({ "uri": read["uri"], "cid": read["cid"] })
}

/// Bluesky's own answers to every request of a post with a mention and an image, and every answer to the question for
/// whoever is mentioned. `conformance` has the rest.
#[test]
fn whatever_the_server_answers_the_post_is_there_once() {
    let named = |code: u16, name: &str| Action::Status {
        code,
        body: Some(format!(r#"{{"error":"{name}","message":"m"}}"#)),
    };
    let own = [
        named(400, "ExpiredToken"),
        named(400, "SomethingNew"),
        named(429, "RateLimitExceeded"),
        Action::ExpireAccessToken,
    ];
    let all = [
        Action::CutBeforeRead,
        Action::CutMidRequestBody { after: 10 },
        Action::EffectThenCut,
        Action::EffectThenStatus { code: 502, body: None },
        Action::EffectThenStatus { code: 500, body: Some("<html>".into()) },
        Action::GarbageBody,
        Action::Status { code: 503, body: None },
        Action::Delay { ms: 20 },
    ];
    // Most of a case's time is waiting.
    std::thread::scope(|scope| {
        for operation in ["listRecords", "resolveHandle", "uploadBlob", "putRecord", "getRecord"] {
            let own = &own;
            scope.spawn(move || own.iter().for_each(|action| answered(operation, action)));
        }
        scope.spawn(|| all.iter().for_each(|action| answered("resolveHandle", action)));
    });
}

fn answered(operation: &str, action: &Action) {
    let (server, what) = (server(), format!("{operation} {action:?}"));
    let project = project(&server);
    project.medium("good.jpg", "content/a.jpg");
    let media = "media:\n  - file: a.jpg\n    alt: A sea\n";
    post(&project, "one", &format!("text: Hello @friend.example\n{media}to:\n  sky:\n"));
    // A question after the post comes only if its answer was lost.
    if operation == "getRecord" {
        server.rehearsal.faults().add(Fault::next("putRecord", Action::EffectThenCut));
    }
    let mut fault = Fault::next(operation, action.clone());
    fault.headers.insert("retry-after".into(), "1".into());
    server.rehearsal.faults().add(fault);
    project.run(&["apply", "--auto-approve", "--max-wait", "30s"]).expect(0);
    let published = only(&server);
    assert_eq!(published.record.expect("a record")["embed"]["images"][0]["alt"], "A sea", "{what}");
    assert!(server.rehearsal.faults().pending().is_empty(), "{what}: it never fired");
}

#[test]
fn a_key_that_somebody_else_took_is_held_and_nothing_is_overwritten() {
    let server = server();
    let project = project(&server);
    post(&project, "one", "text: Mine\nto:\n  sky:\n");
    // The answer is lost, and before anybody looks, the record is another one.
    server.rehearsal.faults().add(Fault::next("putRecord", Action::EffectThenCut));
    let other = json!({ "uri": "at://x", "cid": "bafyreix", "value": { "$type": "app.bsky.feed.post", "text": "Theirs" } });
    let body = Some(other.to_string());
    server.rehearsal.faults().add(Fault::next("getRecord", Action::EffectThenStatus { code: 200, body }));
    let run = project.run(&APPLY).expect(4);
    assert!(run.stdout.contains("another record"), "{}", run.stdout);
    assert_eq!((server.count(), server.requests("putRecord")), (1, 1));
    project.run(&APPLY).expect(4);
    assert_eq!((server.count(), server.requests("putRecord")), (1, 1));
}

#[test]
fn a_post_is_refused_where_the_server_says_so_and_said_why() {
    let server = server();
    let project = project(&server);
    post(&project, "one", "text: Hello\nto:\n  sky:\n");
    let body = Some(r#"{"error":"InvalidRequest","message":"Invalid record"}"#.to_owned());
    server.rehearsal.faults().add(Fault::next("putRecord", Action::Status { code: 400, body }));
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("Invalid record"), "{}", run.stdout);
    assert_eq!(server.count(), 0);
    project.run(&["retry", "one", "sky"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn an_owner_logs_in_with_an_app_password_from_standard_input_and_out_again() {
    let server = server();
    let project = Project::with(&yaml(&server));
    let login = ["auth", "login", "sky"];
    let run = project.run_with_input(&login, "hunter2hunter2\n").expect(1);
    assert!(run.stderr.contains("no app password"), "{}", run.stderr);
    assert_eq!(server.requests("createSession"), 0);
    let run = project.run_with_input(&login, "aaaa-bbbb-cccc-dddd\n").expect(1);
    assert!(run.stderr.contains("do not fit"), "{}", run.stderr);
    assert_eq!(server.requests("createSession"), 1);
    let run = project.run_with_input(&login, &format!("{APP_PASSWORD}\n")).expect(0);
    assert!(run.stderr.contains("App password of brand.example at http://127.0.0.1:"), "{}", run.stderr);
    assert!(!format!("{run:?}").contains(APP_PASSWORD));
    for file in project.files() {
        let holds = file.1.windows(APP_PASSWORD.len()).any(|part| part == APP_PASSWORD.as_bytes());
        assert!(!holds, "{:?}", file.0);
    }
    let status = project.run(&["auth", "status", "--json"]).expect(0).json();
    assert!(status["accounts"][0]["subject"].as_str().expect("a DID").starts_with("did:plc:"));
    post(&project, "one", "text: Hello\nto:\n  sky:\n");
    project.run(&APPLY).expect(0);
    assert_eq!(server.requests("createSession"), 2);
    project.run(&["auth", "refresh", "--force"]).expect(0);
    project.run(&["auth", "logout", "sky"]).expect(0);
    assert_eq!(server.requests("deleteSession"), 1);
    let run = project.run(&["auth", "login", "sky", "--qr"]).expect(64);
    assert!(run.stderr.contains("no login by a code"), "{}", run.stderr);
}

#[test]
fn a_refresh_whose_answer_was_lost_is_made_up_for_within_the_grace() {
    let server = server();
    let project = project(&server);
    server.rehearsal.faults().add(Fault::next("refreshSession", Action::EffectThenCut));
    project.run(&["auth", "refresh", "--force"]).expect(5);
    std::thread::sleep(Duration::from_millis(1));
    project.run(&["auth", "refresh", "--force"]).expect(0);
    post(&project, "one", "text: Hello\nto:\n  sky:\n");
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("refreshSession")), (1, 2));
}

#[test]
fn accounts_of_both_platforms_rehearse_together() {
    let project = Project::with(
        "version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.bsky.social\n  tok:\n    platform: tiktok\n    mode: draft\n",
    );
    project.medium("good.mp4", "content/a.mp4");
    post(&project, "one", "text: Both\nmedia:\n  - file: a.mp4\n    alt: A clip\nto:\n  sky:\n  tok:\n");
    let run = project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert!(run.stdout.contains("/profile/did:plc:"), "{}", run.stdout);
    assert_eq!(project.states(&["--rehearse"]), ["one@sky published", "one@tok delivered"]);
    let again = project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
}

#[test]
fn what_an_account_lacks_or_has_too_much_of_is_said_at_its_place() {
    for (account, code, words) in [
        ("platform: bluesky", "missing-key", "`handle`"),
        ("platform: bluesky\n    handle: alice", "invalid-value", "is no handle"),
        (
            "platform: bluesky\n    handle: a.example\n    mode: draft",
            "invalid-value",
            "bluesky has no drafts",
        ),
        ("platform: bluesky\n    handle: a.example\n    audited: true", "unknown-key", "audited"),
        ("platform: tiktok\n    handle: a.example", "unknown-key", "handle"),
    ] {
        let project = Project::with(&format!("version: 1\naccounts:\n  a:\n    {account}\n"));
        let run = project.run(&["validate"]).expect(1);
        assert!(run.stdout.contains(code) && run.stdout.contains(words), "{account}: {}", run.stdout);
    }
    let direct =
        "version: 1\naccounts:\n  a:\n    platform: bluesky\n    handle: '@A.example'\n    mode: direct\n";
    Project::with(direct).run(&["validate"]).expect(0);
}

#[test]
fn a_blob_that_is_gone_when_the_post_is_made_is_uploaded_again() {
    let server = server();
    let project = project(&server);
    project.medium("good.jpg", "content/a.jpg");
    post(&project, "one", "media:\n  - file: a.jpg\n    alt: A\nto:\n  sky:\n");
    let body = Some(r#"{"error":"BlobNotFound","message":"Could not find blob"}"#.to_owned());
    server.rehearsal.faults().add(Fault::next("putRecord", Action::Status { code: 400, body }));
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("uploadBlob"), server.requests("putRecord")), (1, 2, 2));
    // It is the record that was sent before, with the time that it had.
    let log = project.run(&["log", "--json"]).expect(0).stdout;
    assert!(log.contains("BlobNotFound"), "{log}");
}
