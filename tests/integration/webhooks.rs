//! What TikTok tells on its own, heard by a watch: looks come at once, and who is not TikTok is not heard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use gitcast::rehearsal::AccountSetup;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::pages::Serving;
use crate::support::{Project, Server, wait_until};

const PATH: &str = "/webhooks/tiktok";
const FLAGS: [&str; 3] = ["--webhooks", "--resync", "1h"];

/// A draft that lies in the creator's inbox, and that nobody looks at any more.
fn delivered() -> (Server, Project, String) {
    let server = Server::start_with(vec![AccountSetup::audited("drafts")]);
    let project = server.project_of(&["drafts"]);
    project.draft("clip");
    project.run(&["apply", "--auto-approve"]).expect(0);
    wait_until("nothing more is looked for", || {
        project.run(&["apply", "--auto-approve"]).expect(0);
        publication(&project)["next_at"].is_null()
    });
    assert_eq!(publication(&project)["state"], "delivered");
    let id = server.rehearsal.publications()[0].publish_id.clone();
    (server, project, id)
}

fn publication(project: &Project) -> Value {
    project.run(&["status", "--json"]).expect(0).json()["publications"][0].clone()
}

/// How many entries the ledger has.
fn entries(project: &Project) -> usize {
    let log = project.run(&["log", "--json", "--limit", "10000"]).expect(0).json();
    log["entries"].as_array().expect("a list").len()
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn body(event: &str, content: &Value) -> String {
    let content = content.to_string();
    json!({ "client_key": "rehearsal-key", "event": event, "create_time": now(), "user_openid": "u", "content": content })
        .to_string()
}

fn request(method: &str, host: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {PATH} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn status(reply: &str) -> &str {
    reply.get(9..12).unwrap_or(reply)
}

#[test]
fn what_tiktok_tells_is_looked_at_long_before_its_appointment_and_recorded_once() {
    let (server, project, id) = delivered();
    let serving = Serving::start(&project, &FLAGS);
    server.deliver_to(&format!("http://{}{PATH}", serving.address));
    assert!(server.rehearsal.finish_draft(&id));
    wait_until("it is seen to be published", || {
        let found = publication(&project);
        found["state"] == "published" && found["remote_url"].is_string()
    });
    let live = publication(&project);
    assert!(server.rehearsal.hide(&id));
    wait_until("it is seen to be hidden", || publication(&project)["reason"] == "no-longer-public");
    let hidden = publication(&project);
    assert_eq!((&hidden["state"], &hidden["remote_url"]), (&live["state"], &live["remote_url"]));
    for (what, text) in [
        ("show", project.run(&["show", "clip"]).expect(0).stdout),
        ("log", project.run(&["log"]).expect(0).stdout),
        ("status", project.run(&["status"]).expect(0).stdout),
        ("page", serving.get("/post-clip.html")),
    ] {
        assert!(text.contains("no longer public"), "{what}: {text}");
    }
    // Told again, in other words, nothing more is recorded, and nothing is posted again.
    let before = entries(&project);
    let content = json!({ "publish_id": id, "post_id": "7", "publish_type": "INBOX_SHARE" });
    let again = body("post.publish.no_longer_publicaly_available", &content);
    for (signed_at, expected) in [(now() - 299, "200"), (now() - 310, "401")] {
        let signature = format!("TikTok-Signature: {}\r\n", server.rehearsal.signature(signed_at, &again));
        let reply = serving.ask(&request("POST", "hooks.example.com", &signature, &again));
        assert_eq!(status(&reply), expected, "{reply}");
    }
    let noticed = |run: &str| run.matches("noticed").count();
    assert_eq!(noticed(&project.run(&["log"]).expect(0).stdout), 1);
    assert!(entries(&project) <= before + 2, "a look and its request at most");
    assert_eq!(server.count(), 1);
    // The owner takes the login back: it is tried, and found out.
    server.rehearsal.disconnect("drafts").expect("stored");
    wait_until("the login is seen to be gone", || {
        project.run(&["log"]).expect(0).stdout.contains("login refused")
    });
    project.run(&["doctor"]).expect(0);
}

#[test]
fn who_is_not_tiktok_is_not_heard_and_opens_nothing() {
    let (server, mut project, id) = delivered();
    project.run(&["watch", "--webhooks"]).expect(64);
    project.variable("GITCAST_PAGES_TOKEN", "0123456789abcdef0123456789abcdef");
    let serving = Serving::start(&project, &FLAGS);
    let before = entries(&project);
    let sent = body("post.publish.complete", &json!({ "publish_id": id }));
    let sign =
        |at: i64, body: &str| format!("TikTok-Signature: {}\r\n", server.rehearsal.signature(at, body));
    let good = sign(now(), &sent);
    let large = "x".repeat(64 * 1024);
    let chunked = format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\n{good}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n10000\r\n{large}\r\n0\r\n\r\n"
    );
    let unknown = body("some.new.event", &json!({}));
    for (what, request, expected) in [
        ("unsigned", request("POST", "a", "", &sent), "401"),
        ("signed for another body", request("POST", "a", &good, &sent.replace("complete", "failed")), "401"),
        ("stale", request("POST", "a", &sign(now() - 301, &sent), &sent), "401"),
        ("signed twice", request("POST", "a", &format!("{good}{good}"), &sent), "401"),
        (
            "forged",
            request("POST", "a", &format!("TikTok-Signature: t={},s={}\r\n", now(), "ab".repeat(32)), &sent),
            "401",
        ),
        ("empty", request("POST", "a", "", ""), "401"),
        ("oversized", request("POST", "a", &sign(now(), &large), &large), "413"),
        ("oversized in pieces", chunked, "413"),
        ("a look", request("GET", "a", &good, ""), "405"),
        ("unknown and signed", request("POST", "a", &sign(now(), &unknown), &unknown), "200"),
        ("signed and no JSON", request("POST", "a", &sign(now(), "{"), "{"), "200"),
        (
            "of no post here",
            request("POST", "a", &sign(now(), &sent.replace(&id, "x")), &sent.replace(&id, "x")),
            "200",
        ),
        (
            "another platform",
            request("POST", "a", &good, &sent).replace("tiktok HTTP", "bluesky HTTP"),
            "401",
        ),
        // A name that is not the server's opens this one path and no other.
        ("a path below", request("POST", "a", &good, &sent).replace("tiktok HTTP", "tiktok/x HTTP"), "421"),
        ("the pages by that name", request("GET", "a", "", "").replace(PATH, "/"), "421"),
        ("the pages without a token", request("GET", &serving.address, "", "").replace(PATH, "/"), "401"),
        ("a page, posted", request("POST", &serving.address, &good, &sent).replace(PATH, "/"), "405"),
    ] {
        let reply = serving.ask(&request);
        assert_eq!(status(&reply), expected, "{what}: {reply}");
        assert!(!reply.contains("set-cookie"), "{what}: {reply}");
        let (_, said) = reply.split_once("\r\n\r\n").unwrap_or_default();
        assert!(expected == "421" || !request.contains(PATH) || said.is_empty(), "{what}: {reply}");
    }
    assert_eq!(entries(&project), before);
    assert_eq!(publication(&project)["state"], "delivered");
    let off = Serving::start(&project, &[]);
    assert_eq!(status(&off.ask(&request("POST", &off.address, &good, &sent))), "405");
}

/// Resident memory, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn ten_thousand_forgeries_leave_memory_as_it_was() {
    let server = Server::start();
    let project = server.project();
    let serving = Serving::start(&project, &FLAGS);
    let stream = TcpStream::connect(&serving.address).expect("it listens");
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    let mut knock = |number: usize| {
        let body = format!("{number:0>2000}");
        let signature = format!("TikTok-Signature: t={},s={number:0>64x}\r\n", now());
        let request = request("POST", "a", &signature, &body).replace("Connection: close\r\n", "");
        (&stream).write_all(request.as_bytes()).expect("sent");
        let (mut line, mut length) = (String::new(), 0);
        reader.read_line(&mut line).expect("a reply");
        assert!(line.starts_with("HTTP/1.1 401"), "{line}");
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).expect("a header");
            length =
                line.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().expect("length"));
        }
        let mut said = vec![0; length];
        reader.read_exact(&mut said).expect("a body");
    };
    (0..1_000).for_each(&mut knock);
    let before = resident(serving.child.id());
    (1_000..10_000).for_each(&mut knock);
    let after = resident(serving.child.id());
    assert!(after < before + 4 * 1024, "{before} KiB, then {after} KiB");
}
