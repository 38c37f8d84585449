//! `gitcast apply` of a 1 GB video, against `curl` sending the same chunks to the same server on loopback.
//!
//! `cargo bench --bench upload`. Both are whole processes, run in turn. One `curl` sends all chunks over one connection,
//! with the same headers; it reads each from a file of its own, since it cannot read a part of one. The server reads
//! and forgets. Two figures are compared: the time that the server sees, from the first chunk's head to the last
//! answer, and the time that the whole process takes, where gitcast also plans, records each chunk on disk and asks
//! for the status. Its scan's cache knows the video already, as `gitcast plan` has been run.
//!
//! Then an upload is killed, in truth by SIGKILL, and carried on by another process: what is sent again is counted.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod compare;
mod sink;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use compare::{compare, peak_kib, report, silent, wall};
use sink::Sink;
use sink::keeper::Keeper;

const RUNS: usize = 7;
const SIZE: u64 = 1_000_000_000;
/// As the adapter cuts it.
const CHUNK: u64 = 10_000_000;
/// How long half of the upload may take.
const KILL_TIMEOUT: Duration = Duration::from_secs(120);
const SIGKILL: i32 = 9;
/// The state folder that is killed upon.
const STATE: &str = "state-killed";
/// Files younger than this are not remembered by the scan's cache.
const RACY: Duration = Duration::from_millis(2_100);
/// Any that has not expired: the server does not look at it.
const LOGIN: &str = r#"{"access_token":"a","refresh_token":"r","expires_in":86400,"refresh_expires_in":31536000,"open_id":"o","scope":"user.info.basic,video.upload","token_type":"Bearer"}"#;

fn main() {
    // `cargo bench --bench upload -- killed` leaves the comparisons out.
    if !std::env::args().any(|argument| argument == "killed") {
        compared();
    }
    killed();
}

fn compared() {
    let sink = Sink::start();
    let project = Project::new(&sink);
    let (mut ours, mut theirs, mut runs) = (Vec::new(), Vec::new(), 0..);
    let mut apply = || {
        let took = wall(&mut project.apply(runs.next().unwrap_or_default()));
        ours.push(sink.take(SIZE));
        took
    };
    let mut curl = || {
        let took = wall(&mut project.curl());
        theirs.push(sink.take(SIZE));
        took
    };
    compare("1 GB, whole process", RUNS, ("gitcast apply", &mut apply), ("curl", &mut curl));
    report("1 GB, chunks alone", ("gitcast", &mut ours), ("curl", &mut theirs));
    println!("1 GB: gitcast apply has a peak of {} KiB", peak_kib(&mut project.apply(RUNS)));
    sink.take(SIZE);
}

/// An upload that is killed twice, in the middle of a chunk and when a chunk was sent and not answered, and carried on
/// each time by another process.
///
/// # Panics
/// If more than one chunk is sent again for a kill, or something else arrived than the file.
fn killed() {
    let keeper = Arc::new(Keeper::new(SIZE));
    let sink = Sink::keeping(Arc::clone(&keeper));
    let project = Project::new(&sink);
    project.fresh_state(STATE);
    let mut lost = Vec::new();
    for cut in [SIZE / 2 + CHUNK / 2, SIZE / 4 * 3] {
        let reached = keeper.cut_at(cut);
        let mut child = silent(&mut project.again(STATE)).spawn().expect("the command starts");
        let go_on = reached.recv_timeout(KILL_TIMEOUT).expect("the upload comes so far");
        lost.push(not_kept(&keeper));
        child.kill().expect("a child can be killed");
        let status = child.wait().expect("a child can be waited for");
        assert_eq!(status.signal(), Some(SIGKILL), "it was killed, and did not end by itself");
        drop(go_on);
    }
    wall(&mut project.again(STATE));
    lost.push(not_kept(&keeper));
    assert_eq!(keeper.whole(), SIZE, "all of it has arrived");
    assert!(keeper.digest() == digest(&project.path("content/large.mp4")), "what arrived is the file");
    // The second kill and the end are at the end of a chunk: what is not kept then was sent in vain before.
    let again = [lost[1], lost[2] - lost[1]];
    for (bytes, kill) in again.into_iter().zip(1..) {
        println!("1 GB: kill {kill}: {bytes} bytes sent again, {:.2} chunks", chunks(bytes));
        assert!(bytes <= CHUNK, "at most one chunk is sent again");
    }
}

/// Bytes that came and are not in a whole chunk.
fn not_kept(keeper: &Keeper) -> u64 {
    let (received, whole) = (keeper.received(), keeper.whole());
    println!("1 GB: {received} bytes received, {whole} in whole chunks");
    received - whole
}

#[expect(clippy::cast_precision_loss, reason = "it is for people")]
fn chunks(bytes: u64) -> f64 {
    bytes as f64 / CHUNK as f64
}

fn digest(path: &Path) -> [u8; 32] {
    let (mut file, mut hash) = (fs::File::open(path).expect("video"), Sha256::new());
    let mut block = vec![0; 1 << 20];
    while let read @ 1.. = file.read(&mut block).expect("read") {
        hash.update(&block[..read]);
    }
    hash.finalize().into()
}

/// A project with one draft of a video, and the same bytes cut for `curl`.
struct Project {
    dir: TempDir,
}

impl Project {
    fn new(sink: &Sink) -> Project {
        let project = Project { dir: tempfile::tempdir().expect("temporary folder") };
        for folder in ["content", "chunks", "home"] {
            fs::create_dir(project.path(folder)).expect("folder");
        }
        let url = &sink.url;
        project.write(
            "content/gitcast.yaml",
            &format!("version: 1\ntimezone: Europe/Berlin\naccounts:\n  drafts:\n    platform: tiktok\n    mode: draft\n    endpoint: {url}\n"),
        );
        project.write("content/large.yaml", "id: large\nmedia:\n  - file: large.mp4\nto:\n  drafts:\n");
        project.write("login.json", LOGIN);
        project.make_video();
        project.cut(url);
        std::thread::sleep(RACY);
        wall(&mut project.gitcast("state", &["plan"]));
        wall(&mut project.gitcast("state", &["auth", "import", "drafts", "login.json"]));
        project
    }

    /// A good video and a `free` box of the rest, written out, so that no side reads holes.
    fn make_video(&self) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media/good.mp4");
        let mut video = fs::read(fixture).expect("fixture");
        let rest = u32::try_from(SIZE - video.len() as u64).expect("below 4 GB");
        video.extend(rest.to_be_bytes());
        video.extend(b"free");
        let mut file = fs::File::create(self.path("content/large.mp4")).expect("video");
        file.write_all(&video).expect("written");
        let block = vec![0x5a; 1 << 20];
        let mut left = SIZE - video.len() as u64;
        while left > 0 {
            let n = left.min(block.len() as u64);
            file.write_all(&block[..usize::try_from(n).expect("small")]).expect("written");
            left -= n;
        }
    }

    fn cut(&self, url: &str) {
        let mut video = fs::File::open(self.path("content/large.mp4")).expect("video");
        let mut config = String::new();
        for first in (0..SIZE).step_by(usize::try_from(CHUNK).expect("small")) {
            let (name, last) = (format!("chunks/{first}"), (first + CHUNK).min(SIZE) - 1);
            let mut chunk = Vec::new();
            (&mut video).take(CHUNK).read_to_end(&mut chunk).expect("read");
            fs::write(self.path(&name), chunk).expect("written");
            let next = if first == 0 { "" } else { "next\n" };
            config += &format!(
                "{next}url = \"{url}/upload\"\nsilent\nfail\nupload-file = \"{name}\"\nheader = \"Content-Type: video/mp4\"\nheader = \"Content-Range: bytes {first}-{last}/{SIZE}\"\nheader = \"Expect:\"\noutput = \"/dev/null\"\n"
            );
        }
        self.write("curl.conf", &config);
    }

    fn curl(&self) -> Command {
        let mut command = Command::new("curl");
        command.args(["--disable", "--config", "curl.conf"]).current_dir(self.dir.path());
        command
    }

    /// With a ledger in which nothing is published yet, of its own.
    fn apply(&self, run: usize) -> Command {
        let state = format!("state-{run}");
        self.fresh_state(&state);
        self.again(&state)
    }

    fn fresh_state(&self, state: &str) {
        fs::create_dir(self.path(state)).expect("folder");
        for file in fs::read_dir(self.path("state")).expect("folder").map(|entry| entry.expect("entry")) {
            fs::copy(file.path(), self.path(state).join(file.file_name())).expect("copied");
        }
    }

    /// With what earlier runs left there.
    fn again(&self, state: &str) -> Command {
        self.gitcast(state, &["apply", "--auto-approve"])
    }

    fn gitcast(&self, state: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitcast"));
        command.args(["--state", state]).args(arguments).current_dir(self.dir.path());
        command.env_clear().env("HOME", self.path("home")).stdin(Stdio::null());
        command.env("TIKTOK_CLIENT_KEY", "key").env("TIKTOK_CLIENT_SECRET", "secret");
        command
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) {
        fs::write(self.path(relative), text).expect("file");
    }
}
