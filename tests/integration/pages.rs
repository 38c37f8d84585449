//! Pages as files and over HTTP, of real runs of the program.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use gitcast::rehearsal::{Action, Fault};

use crate::support::{Project, Server, send, wait_until};

const ACCOUNTS: &str = "version: 1\ntimezone: Europe/Berlin\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.example\n  drafts:\n    platform: tiktok\nmedia_base_url: https://media.example.com/\n";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const NOW: [&str; 2] = ["--now", "2026-11-26T08:00Z"];

fn project() -> Project {
    let project = Project::with(ACCOUNTS);
    project.medium("good.jpg", "content/a.jpg").medium("good.mp4", "content/a.mp4");
    project.write(
        "content/photo.yaml",
        "id: photo\npublish_at: 2026-12-01T09:00\ntext: See https://example.com/ now\nmedia:\n  - file: a.jpg\n    alt: A <b>photo</b>\nto:\n  sky:\n",
    );
    project.write("content/video.yaml", "id: video\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    project
}

/// A watch that serves pages, and the address it has printed. It is killed at the end, whatever happens.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Serving {
        let mut command = project.command(&[&["watch", "--listen", "127.0.0.1:0"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("an address");
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let serving = Serving { child, address };
        wait_until("ready", || serving.get("/readyz").starts_with("HTTP/1.1 200"));
        serving
    }

    /// The whole reply to a request.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("a reply");
        String::from_utf8_lossy(&reply).into_owned()
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.get_with(path, "")
    }

    pub(crate) fn get_with(&self, path: &str, headers: &str) -> String {
        let host = &self.address;
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n"))
    }

    pub(crate) fn status(&self, path: &str, headers: &str) -> String {
        self.get_with(path, headers).chars().skip(9).take(3).collect()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A test that has failed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(project: &Project, name: &str) -> BTreeMap<String, Vec<u8>> {
    let root = project.path(name);
    let files = project.files().into_iter().filter_map(|(path, bytes)| {
        let name = path.strip_prefix(&root).ok()?.to_str()?.to_owned();
        Some((name, bytes))
    });
    files.collect()
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(files.get(name).unwrap_or_else(|| panic!("{name}: {:?}", files.keys())).clone())
        .expect("text")
}

#[test]
fn a_preview_needs_nothing_but_content_and_is_the_same_each_time() {
    let project = project();
    let before = project.files();
    let run = project.run(&[&NOW[..], &["preview", "--out", "out"]].concat()).expect(0);
    assert!(run.stdout.trim().ends_with("out/index.html"), "{run:?}");
    let first = folder(&project, "out");
    let kept = |path: &std::path::PathBuf| !path.starts_with(project.path("out"));
    assert!(project.files().into_iter().filter(|(path, _)| kept(path)).eq(before), "it writes elsewhere too");
    let photo = text(&first, "post-photo.html");
    let medium = first.keys().find(|name| name.starts_with("media/")).expect("the photo is copied");
    assert!(photo.contains(medium) && photo.contains("A &lt;b&gt;photo&lt;/b&gt;"), "{photo}");
    assert!(photo.contains("href=\"https://example.com/\""), "{photo}");
    assert!(text(&first, "post-video.html").contains("a.mp4"), "a video is named");
    assert!(!photo.contains("<script"), "a file needs no script");
    assert!(text(&first, "index.html").contains("There is no ledger here"));
    project.run(&[&NOW[..], &["preview", "--out", "again"]].concat()).expect(0);
    assert!(first == folder(&project, "again"), "the same content, the same bytes");
    // What is not there any more goes, what others put there stays.
    project.write("out/notes.txt", "mine").write("out/media/own.jpg", "mine");
    fs::remove_file(project.path("content/photo.yaml")).expect("removed");
    project.run(&["preview", "--out", "out", "--rehearse"]).expect(0);
    let after = folder(&project, "out");
    assert!(after.contains_key("notes.txt") && after.contains_key("media/own.jpg"));
    assert!(!after.contains_key("post-photo.html") && !after.contains_key(medium), "{:?}", after.keys());
    let listed = project.run(&["preview", "--out", "out", "--json"]).expect(0).json();
    assert_eq!(listed["index"], "out/index.html");
}

#[test]
fn a_preview_shows_what_is_wrong_at_its_place() {
    let project = project();
    project.write("content/bad.yaml", "id: bad\ntext: Hi\nmedia:\n  - file: none.mp4\nto:\n  sky:\n");
    project.run(&["preview", "--out", "out"]).expect(1);
    let files = folder(&project, "out");
    let problems = text(&files, "problems.html");
    assert!(
        problems.contains("content/bad.yaml:4:11") && problems.contains("- file: none.mp4"),
        "{problems}"
    );
    assert!(text(&files, "board.html").contains("problems.html"));
    assert!(files.contains_key("post-photo.html"), "the others are shown");
}

#[test]
fn a_preview_writes_over_nothing_of_others() {
    let project = project();
    project.write("full/a.txt", "mine");
    let refused = project.run(&["preview", "--out", "full"]).expect(64);
    assert!(refused.stderr.contains("nothing was written"), "{refused:?}");
    assert_eq!(folder(&project, "full").len(), 1);
    // A marker that came from elsewhere names no file but such as are written here, and a link is replaced, not followed.
    project
        .write("mine.txt", "mine")
        .write("trap/.gitcast-preview", "../mine.txt\nboard.html\nmedia/../../mine.txt\n");
    std::os::unix::fs::symlink(project.path("mine.txt"), project.path("trap/index.html")).expect("linked");
    project.run(&["preview", "--out", "trap"]).expect(0);
    assert_eq!(fs::read_to_string(project.path("mine.txt")).expect("there"), "mine");
    assert!(text(&folder(&project, "trap"), "index.html").contains("<!DOCTYPE html>"));
    std::os::unix::fs::symlink(project.path("full"), project.path("trap/.m")).expect("linked");
    fs::remove_dir_all(project.path("trap/media")).expect("removed");
    fs::rename(project.path("trap/.m"), project.path("trap/media")).expect("renamed");
    project.run(&["preview", "--out", "trap"]).expect(1);
    assert_eq!(folder(&project, "full").len(), 1, "nothing is written through a link");
}

#[test]
fn pages_are_served_and_change_with_content_and_ledger() {
    let server = Server::start_with(vec![gitcast::rehearsal::AccountSetup::bluesky("sky", "brand.example")]);
    let yaml = ACCOUNTS.replace("  drafts", &format!("    endpoint: {}\n  drafts", server.url()));
    let project = Project::with(&yaml);
    server.log_in(&project, "sky").expect(0);
    project.write("content/one.yaml", "id: one\ntext: The first\nto:\n  sky:\n");
    // Nobody is logged in there, so nothing leaves for it.
    project.medium("good.mp4", "content/a.mp4");
    project.write("content/barred.yaml", "id: barred\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n");
    let serving = Serving::start(&project, &[]);
    wait_until("the post is live", || serving.get("/post-one.html").contains("chip live"));
    let version =
        |serving: &Serving| serving.get("/version").rsplit("\r\n").next().unwrap_or_default().to_owned();
    let before = version(&serving);
    project
        .write("content/two.yaml", "id: two\npublish_at: 2035-01-01T09:00\ntext: The second\nto:\n  sky:\n");
    wait_until("the second", || serving.get("/post-two.html").contains("The second"));
    assert_ne!(version(&serving), before);
    for page in [
        "/",
        "/board.html",
        "/accounts.html",
        "/log.html",
        "/problems.html",
        "/month-2035-01.html",
        "/style.css",
    ] {
        assert_eq!(serving.status(page, ""), "200", "{page}");
    }
    let barred = serving.get("/post-barred.html");
    assert!(barred.contains("until somebody logs in: gitcast auth login drafts"), "{barred}");
    let history = serving.get("/post-one.html");
    assert!(history.contains("putRecord → 200") && history.contains("at://"), "{history}");
    let metrics = serving.get("/metrics");
    for line in [
        "content-type: text/plain; version=0.0.4; charset=utf-8",
        "# TYPE gitcast_publications gauge",
        "gitcast_publications{account=\"sky\",platform=\"bluesky\",state=\"published\"} 1",
        "gitcast_published_total{account=\"sky\"} 1",
        "gitcast_login_needed{account=\"drafts\"} 1",
        "gitcast_passes_total{outcome=\"failed\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let secret = fs::read_to_string(project.path("state/key")).expect("a key");
    for page in ["/metrics", "/log.html", "/accounts.html", "/post-one.html"] {
        let text = serving.get(page);
        assert!(!text.contains(secret.trim()) && !text.contains("act.") && !text.contains("rft."), "{page}");
    }
    send("-TERM", &serving.child);
}

#[test]
fn the_server_takes_only_what_is_meant_for_it() {
    let project = project();
    project.write("secret.txt", "mine").medium("good.jpg", "content/b.jpg");
    project.write(
        "content/post-x.html.yaml",
        "id: x\ntext: x\npublish_at: 2035-01-01T09:00\nmedia:\n  - file: a.mp4\nto:\n  drafts:\n",
    );
    let serving = Serving::start(&project, &["--rehearse"]);
    let host = &serving.address;
    let page = serving.get("/");
    for header in [
        "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self';",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(page.contains(header), "{header}: {page}");
    }
    assert!(!page.contains("unsafe-inline"), "{page}");
    for path in [
        "/../secret.txt",
        "/secret.txt",
        "/media/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/content/a.jpg",
        "/media/a.jpg",
        "/post-none.html",
        "/month-2026-13.html",
        "/login?token=x",
        "/index.html/x",
        "//etc/passwd",
        "/media/0000000000000000000000000000000000000000000000000000000000000000.jpg",
    ] {
        assert_eq!(serving.status(path, ""), "404", "{path}");
    }
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(), "421"),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), "421"),
        ("GET / HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n".to_owned(), "200"),
        (format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), "405"),
        (format!("DELETE /board.html HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), "405"),
        (format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), "200"),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024)), "431"),
    ] {
        let reply = serving.ask(&request);
        assert_eq!(reply.get(9..12), Some(status), "{}: {reply}", &request[..40.min(request.len())]);
        let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(!request.starts_with("HEAD") || body.is_empty());
    }
    // A video in pieces, as browsers ask for it.
    let post = serving.get("/post-x.html");
    let video = post.split("src=\"media/").nth(1).and_then(|rest| rest.split('"').next()).expect("a video");
    let piece = serving.get_with(&format!("/media/{video}"), "Range: bytes=4-7\r\n");
    assert!(
        piece.starts_with("HTTP/1.1 206") && piece.ends_with("ftyp") && piece.contains("video/mp4"),
        "{piece}"
    );
    assert!(piece.contains("no-store"), "{piece}");
}

/// A form, as a browser sends it.
fn send_form(serving: &Serving, headers: &str, form: &str) -> String {
    let (host, length) = (&serving.address, form.len());
    serving.ask(&format!(
        "POST /act HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{form}"
    ))
}

#[test]
fn people_act_from_the_pages_where_they_may() {
    let server = Server::start_with(vec![gitcast::rehearsal::AccountSetup::bluesky("sky", "brand.example")]);
    let yaml = ACCOUNTS.replace("  drafts", &format!("    endpoint: {}\n  drafts", server.url()));
    let mut project = Project::with(&yaml);
    server.log_in(&project, "sky").expect(0);
    let manifest = |id: &str| format!("id: {id}\ntext: The text of {id}\nto:\n  sky:\n");
    server.rehearsal.faults().add(Fault::next(
        "putRecord",
        Action::Status { code: 400, body: Some(r#"{"error":"InvalidRequest","message":"no"}"#.into()) },
    ));
    project.write("content/one.yaml", manifest("one"));
    let refused = project.run(&["watch", "--listen", "127.0.0.1:0", "--allow-actions"]).expect(64);
    assert!(refused.stderr.contains("GITCAST_PAGES_TOKEN"), "{}", refused.stderr);
    project.variable("GITCAST_PAGES_TOKEN", TOKEN);
    let serving = Serving::start(&project, &["--allow-actions", "--resync", "1h"]);
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let page = |path: &str| serving.get_with(path, &token);
    wait_until("the refusal", || page("/post-one.html").contains("value=\"retry\""));
    assert!(page("/").contains("form-action 'self'"));
    let shown = page("/post-one.html");
    let key = shown.split("name=\"key\" value=\"").nth(1).expect("a form").split('"').next().expect("a key");
    let form = |rest: &str| format!("key={key}&{rest}");
    let status = |reply: &str| reply.chars().skip(9).take(3).collect::<String>();

    // Nobody else does anything, and nothing but what the page offers.
    let seen =
        shown.split("name=\"seen\" value=\"").nth(1).expect("a form").split('"').next().expect("a time");
    let retry = form(&format!("do=retry&post=one&account=sky&seen={seen}"));
    let evil = format!("{token}Origin: http://evil.example\r\n");
    let cross = format!("{token}Sec-Fetch-Site: cross-site\r\n");
    let other = format!("key={}&do=retry&post=one&account=sky", "0".repeat(64));
    let long = form(&format!("do=retry&post={}&account=sky", "a".repeat(9_000)));
    let before = project.run(&["log", "--json"]).stdout;
    for (headers, sent, expected) in [
        ("", &retry, "401"),
        (&evil, &retry, "403"),
        (&cross, &retry, "403"),
        (&token, &other, "403"),
        (&token, &long, "403"),
        (&token, &form("do=publish&post=one&account=sky"), "403"),
        (&token, &form("do=resume&post=one&account=sky"), "409"),
        (&token, &form("do=retry&post=nobody&account=sky"), "409"),
        (&token, &form("do=pause&post=one"), "409"),
        (&token, &form("do=retry&post=one&account=sky&seen=1"), "409"),
    ] {
        let reply = send_form(&serving, headers, sent);
        assert_eq!(status(&reply), expected, "{sent}: {reply}");
    }
    assert_eq!(serving.status("/act", &token), "404");
    assert_eq!(project.run(&["log", "--json"]).stdout, before);
    assert_eq!(server.count(), 0);

    // What the page offers is done at once, and recorded with who did it.
    let reply =
        send_form(&serving, &format!("{token}Origin: null\r\nSec-Fetch-Site: same-origin\r\n"), &retry);
    assert!(status(&reply) == "303" && reply.contains("location: post-one.html#on-sky"), "{reply}");
    wait_until("the second try", || server.count() == 1);
    assert!(project.run(&["log", "one"]).expect(0).stdout.contains("pages"));
    // Out of date: it is live by now.
    assert_eq!(status(&send_form(&serving, &token, &retry)), "409");

    assert_eq!(status(&send_form(&serving, &token, &form("do=pause&account=sky"))), "303");
    assert!(page("/accounts.html").contains("value=\"resume\""), "the page that follows shows it");
    project.write("content/two.yaml", manifest("two"));
    wait_until("it waits", || page("/post-two.html").contains("paused"));
    assert_eq!(server.count(), 1);
    assert_eq!(status(&send_form(&serving, &token, &form("do=resume&account=sky"))), "303");
    wait_until("it goes out", || server.count() == 2);
    assert_eq!(status(&send_form(&serving, &token, &form("do=reconcile"))), "303");
    // A pass that waits for the platform has the ledger, and gives way.
    server.rehearsal.faults().add(Fault::next("putRecord", Action::Delay { ms: 3_000 }));
    let asked = server.requests("putRecord");
    project.write("content/three.yaml", manifest("three"));
    wait_until("the request", || server.requests("putRecord") > asked);
    assert_eq!(status(&send_form(&serving, &token, &form("do=pause&account=sky"))), "303");
    drop(serving);

    // Without the flag there is no form, and nothing takes one.
    let serving = Serving::start(&project, &[]);
    let page = serving.get_with("/", &token);
    assert!(!page.contains("<form") && page.contains("form-action 'none'"), "{page}");
    assert_eq!(status(&send_form(&serving, &token, &retry)), "405");
}

#[test]
fn with_a_token_the_pages_open_by_it_alone() {
    let mut project = project();
    project.run(&["watch", "--listen", "0.0.0.0:0"]).expect(64);
    project.run(&["watch", "--listen", "here"]).expect(64);
    project.run(&["watch", "--listen", "127.0.0.1:0", "--once"]).expect(64);
    project.variable("GITCAST_PAGES_TOKEN", "tiny-secret");
    let short = project.run(&["watch", "--listen", "127.0.0.1:0"]).expect(64);
    assert!(!short.stderr.contains("tiny-secret"), "{short:?}");
    project.variable("GITCAST_PAGES_TOKEN", TOKEN);
    let serving = Serving::start(&project, &["--rehearse"]);
    for path in [
        "/",
        "/board.html",
        "/metrics",
        "/version",
        "/live.js",
        "/login",
        "/login?token=wrong",
        "/post-x.html",
    ] {
        assert_eq!(serving.status(path, ""), "401", "{path}");
    }
    for path in ["/healthz", "/readyz", "/style.css"] {
        assert_eq!(serving.status(path, ""), "200", "{path}");
    }
    assert_eq!(serving.status("/metrics", &format!("Authorization: Bearer {TOKEN}\r\n")), "200");
    let login = serving.get(&format!("/login?token={TOKEN}"));
    let cookie =
        login.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next()).expect("a cookie");
    assert!(login.contains("HttpOnly; SameSite=Strict") && !login.contains(TOKEN), "{login}");
    assert_eq!(serving.status("/", &format!("Cookie: {cookie}\r\n")), "200");
    assert_eq!(serving.status("/", "Cookie: gitcast_pages=x\r\n"), "401");
}
