//! `gitcast watch` over many manifests: from a saved file to the first request, and what it costs while nothing happens.
//!
//! `cargo bench --bench watch`; other numbers of manifests than 10,000, and of saves than 50, as arguments after `--`.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitcast::rehearsal::{AccountSetup, Options, Rehearsal, system_clock};
use tempfile::TempDir;

/// What is waited for takes no longer, or the benchmark has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Between saves, so that each finds the watch asleep.
const PAUSE: Duration = Duration::from_millis(400);
const IDLE: Duration = Duration::from_secs(30);

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (manifests, saves) = (asked.first().copied().unwrap_or(10_000), asked.get(1).copied().unwrap_or(50));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options =
        Options { accounts: vec![AccountSetup::bluesky("sky", "brand.example")], ..Options::default() };
    let rehearsal = runtime.block_on(Rehearsal::start(options)).expect("the stand-in starts");
    let project = Project::new(manifests, &rehearsal);
    let mut watch = project.watch();
    // What waits for its time needs no request; the first save shows that it has read all of it.
    project.save("warm-up");
    wait_for("the first post", || !rehearsal.publications().is_empty());
    let mut took: Vec<i64> = (0..saves).map(|n| project.latency(&rehearsal, n)).collect();
    took.sort_unstable();
    let (median, worst) = (took[saves / 2], took[saves - 1]);
    println!(
        "{manifests} manifests, {saves} saves: {median} ms to the first request (median), {worst} ms at worst"
    );
    std::thread::sleep(PAUSE * 5);
    let (before, requests) = (Cost::of(&watch), rehearsal.requests().len());
    std::thread::sleep(IDLE);
    let after = Cost::of(&watch);
    let seconds = IDLE.as_secs_f64();
    println!(
        "idle for {seconds} s: {} ms of CPU, {:.2} wake-ups a second, {} requests, {} KiB resident",
        after.cpu_ms - before.cpu_ms,
        (after.wakes - before.wakes) as f64 / seconds,
        rehearsal.requests().len() - requests,
        after.resident_kib,
    );
    watch.kill().expect("killed");
    watch.wait().expect("it is dead");
}

/// Manifests that are due in years, on an account that is logged in.
struct Project {
    dir: TempDir,
}

impl Project {
    fn new(manifests: usize, rehearsal: &Rehearsal) -> Project {
        let project = Project { dir: tempfile::tempdir().expect("temporary folder") };
        let url = rehearsal.base_url();
        project.write(
            "content/gitcast.yaml",
            &format!("version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.example\n    endpoint: {url}\n"),
        );
        for n in 0..manifests {
            let manifest = format!(
                "id: post-{n}\npublish_at: 2040-01-01T00:00:00Z\ntext: |\n  The text of post {n}, which says a little.\nto:\n  sky:\n"
            );
            project.write(&format!("content/{:04}/post-{n}.yaml", n / 100), &manifest);
        }
        project.write("grant.json", &rehearsal.issue_grant("sky").expect("a grant").to_string());
        let status = project.command(&["auth", "import", "sky", "grant.json"]).status().expect("it starts");
        assert!(status.success(), "the login is imported");
        project
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitcast"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().env("HOME", self.path("home"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn watch(&self) -> Child {
        self.command(&["watch", "--resync", "1h"]).spawn().expect("it starts")
    }

    fn save(&self, id: &str) {
        self.write(&format!("content/{id}.yaml"), &format!("id: {id}\ntext: '{id}'\nto:\n  sky:\n"));
    }

    /// Milliseconds from the save to the first request that follows it.
    fn latency(&self, rehearsal: &Rehearsal, n: usize) -> i64 {
        std::thread::sleep(PAUSE);
        let (posts, last) = (rehearsal.publications().len(), last_request(rehearsal));
        let saved_at = system_clock()();
        self.save(&format!("saved-{n}"));
        wait_for("the post", || rehearsal.publications().len() > posts);
        let first = rehearsal.requests().into_iter().find(|request| request.number > last);
        first.expect("a request").at - saved_at
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        fs::write(path, text).expect("file");
    }
}

fn last_request(rehearsal: &Rehearsal) -> u64 {
    rehearsal.requests().last().map_or(0, |request| request.number)
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What a process has used so far, by /proc: its threads' time, their voluntary switches, and its memory.
struct Cost {
    cpu_ms: u64,
    wakes: u64,
    resident_kib: u64,
}

impl Cost {
    fn of(child: &Child) -> Cost {
        let process = Path::new("/proc").join(child.id().to_string());
        let tasks = fs::read_dir(process.join("task")).expect("its threads");
        let wakes =
            tasks.map(|task| field(&task.expect("a thread").path(), "voluntary_ctxt_switches:")).sum();
        let stat = fs::read_to_string(process.join("stat")).expect("its figures");
        // Behind the name, which may hold anything: user and system time are the 12th and 13th field, in hundredths.
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks = |n: usize| fields[n].parse::<u64>().expect("a number");
        Cost { cpu_ms: (ticks(11) + ticks(12)) * 10, wakes, resident_kib: field(&process, "VmRSS:") }
    }
}

fn field(process: &Path, name: &str) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
