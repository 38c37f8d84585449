//! An entry of a shared ledger that others must know of, over HTTP to git's own server, against `git push` of one commit.
//!
//! `cargo bench --bench ledger`
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

#[expect(dead_code, reason = "other benchmarks use all of it")]
mod compare;
#[path = "../tests/integration/support/hub.rs"]
#[expect(dead_code, reason = "tests use all of it")]
mod hub;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gitcast::domain::event::Event;
use gitcast::domain::pause::Scope;
use gitcast::ledger::{Holder, Ledger, Place};
use jiff::{SignedDuration, Timestamp};

use compare::{compare, wall};
use hub::{Hub, git};

const RUNS: usize = 51;
const PATIENCE: Duration = Duration::from_secs(30);
const REF: &str = "refs/gitcast/ledger";

fn main() {
    let hub = Hub::http();
    let dir = tempfile::tempdir().expect("temporary folder");
    git(dir.path(), &["clone", "-q", &hub.url(), "."]);
    let holder = Holder {
        pid: std::process::id(),
        host: "bench".into(),
        started_at: Timestamp::now(),
        command: "bench".into(),
        run_url: None,
    };
    let place = Place {
        folder: dir.path().to_owned(),
        remote: "origin".into(),
        reference: REF.into(),
        lease: SignedDuration::from_mins(5),
        variable: |name| std::env::var_os(name),
    };
    let path = dir.path().join("state/ledger.db");
    let start = (Timestamp::now(), "bench");
    let created = Ledger::create_shared(&path, &place, "bench", start, (PATIENCE, &holder));
    let mut ledger = created.expect("a ledger");
    let mut append = || {
        let scope = Scope::of(None, Some("brand".parse().expect("a name")), None).expect("a scope");
        let pause = Event::Paused { scope, why: "bench".into(), until: None };
        let started = Instant::now();
        ledger.append(Timestamp::now(), "bench", &[pause]).expect("it is there");
        started.elapsed()
    };
    let mut push = || {
        let commit = empty_commit(dir.path());
        wall(
            Command::new("git")
                .arg("-C")
                .arg(dir.path())
                .args(["push", "-q", "-f", "origin"])
                .arg(format!("{commit}:refs/gitcast/bench")),
        )
    };
    compare("an entry that is shared", RUNS, ("append", &mut append), ("git push", &mut push));
    drop(ledger);
    let fresh = dir.path().join("fresh/ledger.db");
    let started = Instant::now();
    drop(Ledger::pull(&fresh, &place, PATIENCE, &holder).expect("a copy"));
    let files = hub.git(&["ls-tree", "--name-only", REF]).lines().count();
    println!("a copy made anew of {} entries in {files} files: {:.1?}", RUNS + 2, started.elapsed());
}

fn empty_commit(folder: &Path) -> String {
    let tree = git(folder, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    let message = format!("{:?}", Instant::now());
    git(folder, &[&who[..], &["commit-tree", &tree, "-m", &message]].concat())
}
