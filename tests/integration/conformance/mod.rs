//! What holds on every platform: one suite over a table of them, through the real program and against the stand-ins.
//!
//! A new platform needs a row in `rows.rs` and nothing here. Each case asserts that the fault it is about was met.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gitcast::domain::ids::PlatformId;
use gitcast::rehearsal::{AccountSetup, Fault, Options, PerformedPublication, system_clock};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Project, Run, Server, fixture_path};

mod faults;
mod live;
mod logins;
mod rows;

use rows::{Post, ROWS, Row};

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--max-wait", "30s"];
/// As far as it goes without waiting.
const APPLY_NOW: [&str; 4] = ["apply", "--auto-approve", "--max-wait", "0s"];
const DELETE: [&str; 5] = ["apply", "--auto-approve", "--allow-delete", "--max-wait", "30s"];

/// A stand-in of one platform, and a project whose account `me` is logged in there.
struct World {
    row: &'static Row,
    server: Server,
    project: Project,
    /// How far the stand-in's clock is ahead.
    ahead_ms: Arc<AtomicI64>,
    /// What the platform may fetch.
    _served: TempDir,
    what: String,
}

impl World {
    fn new(row: &'static Row, what: impl Into<String>) -> World {
        let served = tempfile::tempdir().expect("temporary folder");
        fs::copy(fixture_path("good.jpg"), served.path().join("a.jpg")).expect("photo");
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let (system, ahead) = (system_clock(), Arc::clone(&ahead_ms));
        let server = Server::start_as(Options {
            content: Some(served.path().to_owned()),
            clock: Arc::new(move || system() + ahead.load(Ordering::Relaxed)),
            processing: Duration::from_millis(50),
            ..(row.stand_in)()
        });
        let yaml =
            format!("version: 1\naccounts:\n  me:\n    {}\n    endpoint: {}\n", row.declared, server.url());
        let mut project = Project::with(&yaml);
        project.variable("TIKTOK_CLIENT_KEY", "rehearsal-key");
        project.variable("TIKTOK_CLIENT_SECRET", "rehearsal-secret");
        project.medium("good.jpg", "content/a.jpg").medium("good.mp4", "content/a.mp4");
        let what = format!("{}: {}", row.name, what.into());
        let world = World { row, server, project, ahead_ms, _served: served, what };
        world.log_in();
        world
    }

    fn with(post: &Post, row: &'static Row, what: impl Into<String>) -> World {
        let world = World::new(row, format!("{} {}", post.kind, what.into()));
        world.write(post.body, "");
        world
    }

    /// The manifest `one`: what comes before `to:`, and more options of the account.
    fn write(&self, body: &str, options: &str) {
        let body = body.replace("{url}", self.server.url());
        let manifest = format!("id: one\n{body}to:\n  me:\n{}{options}", self.row.options);
        self.project.write("content/one.yaml", manifest);
    }

    fn log_in(&self) {
        self.server.log_in(&self.project, "me").expect(0);
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Run {
        let run = self.project.run(arguments);
        assert_eq!(run.code, code, "{} {arguments:?}\n{}\n{}", self.what, run.stdout, run.stderr);
        run
    }

    fn fault(&self, fault: Fault) {
        assert!(self.server.rehearsal.faults().add(fault));
    }

    /// Nothing that was asked for is left.
    #[track_caller]
    fn met(&self) {
        let pending = self.server.rehearsal.faults().pending();
        assert!(pending.is_empty(), "{}: never met: {pending:?}", self.what);
    }

    fn account(&self, change: impl FnOnce(&mut AccountSetup)) {
        assert!(self.server.rehearsal.update_account("me", change));
    }

    /// Time goes by at the platform.
    fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).expect("short");
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// What can be seen, of all that was ever made.
    fn live(&self) -> Vec<PerformedPublication> {
        let made = self.server.rehearsal.publications();
        made.into_iter().filter(PerformedPublication::is_live).collect()
    }

    /// The one post that there is, and that was ever made.
    #[track_caller]
    fn only(&self) -> PerformedPublication {
        let mut made = self.server.rehearsal.publications();
        assert!(made.len() == 1 && made[0].is_live(), "{}: {made:?}", self.what);
        made.remove(0)
    }

    fn requests(&self) -> usize {
        self.server.rehearsal.requests().len()
    }

    /// The operations that were asked for, in order. What the platform itself fetches is none of ours.
    fn operations(&self) -> Vec<&'static str> {
        let requests = self.server.rehearsal.requests();
        requests.iter().map(|request| request.operation).filter(|name| *name != "content").collect()
    }

    /// What `status --json` says of the post.
    fn recorded(&self) -> Value {
        self.run(&["status", "--json"], 0).json()["publications"][0].clone()
    }

    fn state(&self) -> String {
        self.recorded()["state"].as_str().unwrap_or_default().to_owned()
    }

    /// What `plan --json` says will be done about the post.
    fn action(&self, arguments: &[&str]) -> String {
        let plan = self.project.run(&[&["plan", "--json"], arguments].concat()).json();
        plan["changes"][0]["action"].as_str().unwrap_or_else(|| panic!("{}: {plan}", self.what)).to_owned()
    }
}

impl Row {
    fn post(&self, kind: &str) -> &'static Post {
        self.posts.iter().find(|post| post.kind == kind).expect("the row has such a post")
    }

    /// The post that takes most requests.
    fn richest(&self) -> &'static Post {
        self.posts.last().expect("a row has posts")
    }
}

/// Every row at once: most of the time a case waits.
fn each_row(case: impl Fn(&'static Row) + Sync) {
    std::thread::scope(|scope| {
        for row in &ROWS {
            scope.spawn(|| case(row));
        }
    });
}

fn each_post(case: impl Fn(&'static Row, &'static Post) + Sync) {
    each_row(|row| row.posts.iter().for_each(|post| case(row, post)));
}

#[test]
fn every_platform_has_a_row() {
    for platform in PlatformId::ALL {
        assert!(ROWS.iter().any(|row| row.platform == platform), "{platform:?}");
    }
}

#[test]
fn what_a_platform_takes_is_published_once_with_a_link() {
    each_post(|row, post| {
        let world = World::with(post, row, "");
        world.run(&["validate", "--deny-warnings"], 0);
        world.run(&APPLY, 0);
        let made = world.only();
        assert_eq!(made.kind, post.kind, "{}", world.what);
        assert_eq!(made.media.len(), usize::from(post.kind != "text"), "{}", world.what);
        for medium in &made.media {
            let original = if post.kind == "video" { "good.mp4" } else { "good.jpg" };
            let arrived = fs::read(&medium.path).expect("it arrived");
            assert!(arrived == fs::read(fixture_path(original)).expect("fixture"), "{}", world.what);
        }
        let recorded = world.recorded();
        assert_eq!(recorded["state"], "published", "{}", world.what);
        assert!(recorded["remote_id"].is_string(), "{}: {recorded}", world.what);
        let link = recorded["remote_url"].as_str().expect("a link").to_owned();
        let page = world.server.page(link.strip_prefix(world.server.url()).expect("on this machine"));
        assert!(page.starts_with("HTTP/1.1 200"), "{}: {link}\n{page}", world.what);
        assert_eq!(world.server.requests(post.publish), 1, "{}", world.what);
        let seen = world.requests() - 1;
        let again = world.run(&APPLY, 0);
        assert!(again.stdout.contains("Nothing to do"), "{}: {}", world.what, again.stdout);
        assert_eq!(world.requests() - 1, seen, "{}: a run without work asks nobody", world.what);
        world.run(&["plan", "--detailed-exitcode"], 0);
        world.run(&["doctor"], 0);
    });
}
