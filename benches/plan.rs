//! `gitcast plan` where nothing is to be done, against `git status` on the same tree: whole processes, warm.
//!
//! `cargo bench --bench plan`; other numbers of manifests than 10, 10,000 and 100,000 as arguments after `--`.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod compare;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gitcast::content::scan::Threads;
use gitcast::domain::event::Event;
use gitcast::domain::plan::Desired;
use gitcast::domain::publication::{Change, Remote};
use gitcast::ledger::{Holder, Ledger};
use gitcast::platform::http::Http;
use gitcast::reconcile::desired::{Source, load};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use compare::{compare, peak_kib, wall};

const RUNS: usize = 11;
/// Above that, the files of a commit are too many to unpack again and again.
const COMPARED_MAX: usize = 10_000;
/// Posts that a proposal adds.
const PROPOSED: usize = 5;
/// Distinct videos; each is used by many manifests.
const VIDEOS: usize = 300;
const MANIFESTS_PER_FOLDER: usize = 100;
/// Files younger than this are not remembered by the scan's cache.
const RACY: Duration = Duration::from_millis(2_100);
const LONG_AGO: SignedDuration = SignedDuration::from_hours(24 * 30);

const PROJECT: &str = "version: 1
timezone: Europe/Berlin
accounts:
  direct:
    platform: tiktok
    mode: direct
";

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    for manifests in if asked.is_empty() { vec![10, 10_000, 100_000] } else { asked } {
        let tree = Tree::new(manifests);
        tree.warm_up();
        let name = format!("{manifests} manifests, nothing to do");
        compare(
            &name,
            RUNS,
            ("gitcast plan", &mut || wall(&mut tree.plan())),
            ("git status", &mut || wall(&mut tree.git(&["status"]))),
        );
        println!("{name}: gitcast plan has a peak of {} KiB", peak_kib(&mut tree.plan()));
        let cold = || {
            let _ = fs::remove_dir_all(tree.path("home/.cache"));
            wall(&mut tree.plan())
        };
        let mut cold: Vec<Duration> = (0..3).map(|_| cold()).collect();
        cold.sort_unstable();
        println!("{name}: without a cache gitcast plan takes {:.1?}", cold[1]);
        if manifests > COMPARED_MAX {
            continue;
        }
        tree.propose();
        compare(
            &format!("{manifests} manifests, {PROPOSED} new"),
            RUNS,
            ("gitcast plan --base HEAD^1", &mut || wall(&mut tree.compare())),
            ("git diff --stat HEAD^1", &mut || wall(&mut tree.git(&["diff", "--stat", "HEAD^1"]))),
        );
    }
}

/// A project in a git repository whose posts are all published.
struct Tree {
    dir: TempDir,
}

impl Tree {
    fn new(manifests: usize) -> Tree {
        let tree = Tree { dir: tempfile::tempdir().expect("temporary folder") };
        tree.write("content/gitcast.yaml", PROJECT.as_bytes());
        let video = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media/good.mp4"));
        let video = video.expect("fixture");
        for n in 0..VIDEOS.min(manifests) {
            // A `free` box at the end: another file, the same video.
            let number = u32::try_from(n).expect("few").to_be_bytes();
            let bytes = [&video[..], &12_u32.to_be_bytes(), b"free", &number].concat();
            tree.write(&format!("content/media/{n}.mp4"), &bytes);
        }
        for n in 0..manifests {
            let (folder, video) = (n / MANIFESTS_PER_FOLDER, n % VIDEOS);
            let manifest = format!(
                "id: post-{n}\ntext: |\n  The text of post {n}, which says a little about what can be seen.\n  #one #two\nmedia:\n  - file: ../media/{video}.mp4\nto:\n  direct:\n    privacy: self_only\n"
            );
            tree.write(&format!("content/{folder:04}/post-{n}.yaml"), manifest.as_bytes());
        }
        tree.publish();
        tree.write(".gitignore", b"state/\nhome/\n");
        for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "content"]] {
            wall(&mut tree.git(arguments));
        }
        tree
    }

    /// A commit with a few more posts.
    fn propose(&self) {
        for n in 0..PROPOSED {
            let manifest = format!(
                "id: new-{n}\nmedia:\n  - file: media/{n}.mp4\nto:\n  direct:\n    privacy: self_only\n"
            );
            self.write(&format!("content/new-{n}.yaml"), manifest.as_bytes());
        }
        for arguments in [&["add", "."][..], &["commit", "-q", "-m", "proposal"]] {
            wall(&mut self.git(arguments));
        }
    }

    /// Records every post as published.
    fn publish(&self) {
        let (root, content) = (self.dir.path().to_owned(), self.path("content"));
        let source =
            Source { root: &root, content: &content, stand_in: None, threads: Threads::Many, held: None };
        let loaded = load(&source, None, &Http::default(), &(Arc::new(|_: &str| None) as _));
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics.first());
        // What was published lately counts against the platform's caps, and is never this much.
        let then = Timestamp::now() - LONG_AGO;
        let holder = Holder {
            pid: std::process::id(),
            host: String::new(),
            started_at: then,
            command: "bench".into(),
            run_url: None,
        };
        let created = Ledger::create(
            &self.path("state/ledger.db"),
            "bench",
            (then, "bench"),
            Duration::from_secs(1),
            &holder,
        );
        let events: Vec<Event> = loaded.desired.into_iter().flat_map(published).collect();
        created.expect("a ledger").append(then, "bench", &events).expect("legal changes");
    }

    /// Until the cache and git's index both know every file.
    fn warm_up(&self) {
        std::thread::sleep(RACY);
        for _ in 0..2 {
            wall(&mut self.plan());
            wall(&mut self.git(&["status"]));
        }
    }

    fn plan(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitcast"));
        command.arg("plan").current_dir(self.dir.path()).env_clear().env("HOME", self.path("home"));
        command
    }

    fn compare(&self) -> Command {
        let mut command = self.plan();
        command.args(["--base", "HEAD^1"]).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=bench", "-c", "user.email=bench@example.com"]).args(arguments);
        command.current_dir(self.dir.path()).env("HOME", self.path("home"));
        command
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn write(&self, relative: &str, bytes: &[u8]) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        fs::write(path, bytes).expect("file");
    }
}

fn published(desired: Desired) -> Vec<Event> {
    let Desired { post, account, platform, path, revision, digest, payload, .. } = desired;
    let remote = Remote { id: Some(format!("id-{post}")), url: Some(format!("https://example.com/{post}")) };
    let payload = Box::new(payload.expect("not a tombstone"));
    let checkpoint = serde_json::Value::Null;
    let changes = [
        Change::Started { platform, digest, revision, path, commit: None, payload },
        Change::Staged { checkpoint: checkpoint.clone() },
        Change::Intended { checkpoint },
        Change::Published { checkpoint: None, remote, next_at: None },
    ];
    let event = |change| Event::Publication { post: post.clone(), account: account.clone(), change };
    changes.into_iter().map(event).collect()
}
