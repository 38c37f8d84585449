//! A model test of the publish protocol: random manifests, edits, renames, deletions, clock jumps, faults and crashes,
//! against the invariants. The judge is the stand-in's own list of posts, held against the ledger.
//!
//! A case is a list of operations ([`ops`]). It runs inside this process, through the library's own scan, planner and
//! engine, against the stand-in over real HTTP, on a paused clock; a crash is the engine dropped where it stands. What
//! only a killed process shows, such as a ledger whose log was not put away, is the matter of `recover.rs`.
//!
//! # Running it longer, and replaying
//!
//! Seeds count up from `GITCAST_MODEL_SEED` (0), one case each, `GITCAST_MODEL_CASES` in all:
//!
//! ```text
//! GITCAST_MODEL_CASES=20000 cargo test --test integration -- model::random   # longer
//! GITCAST_MODEL_SEED=1234 GITCAST_MODEL_CASES=1 cargo test …                 # the case that failed
//! ```
//!
//! A case that fails is shrunk, and printed with its seed, its operations and what happened. Its operations become a
//! test of their own below, as they are printed. Jitter, and how long the stand-in takes to fetch a photo, are not under the
//! seed's control: what depends on them may need a few runs to show again.

mod content;
mod judge;
mod ops;
mod watch;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::ops::Op;
use self::world::{Tally, World};

const CASES: u64 = 60;
/// Tens of megabytes each, which takes seconds in an unoptimized build.
const LARGE_CASES: u64 = 2;
/// Cases at once; most of their time is the disk's and the loopback's.
const WORKERS: usize = 3;
/// A failing case is made smaller in so many steps, and for so long, at most.
const SHRINKS_MAX: u32 = 300;
const SHRINK_MS_MAX: u32 = 60_000;

/// One case, on a paused clock of its own. What went wrong, with what happened until then.
fn run(ops: &[Op]) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut world = World::new().await;
        let verdict = judge::run(&mut world, ops).await;
        verdict.map(|()| world.tally).map_err(|wrong| format!("{wrong}\n{}", world.story.join("\n")))
    })
}

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// The case of one seed; if it fails, the smallest that fails too.
fn try_seed(seed: u64, strategy: &impl Strategy<Value = Vec<Op>>) -> Result<Tally, String> {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: SHRINKS_MAX,
        max_shrink_time: SHRINK_MS_MAX,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let (tally, last) = (Mutex::new(Tally::default()), Mutex::new(String::new()));
    let result = TestRunner::new_with_rng(config, rng).run(strategy, |ops| {
        let told = run(&ops).map_err(|wrong| {
            *last.lock().expect("lock") = wrong.clone();
            TestCaseError::fail(wrong.lines().next().unwrap_or_default().to_owned())
        });
        *tally.lock().expect("lock") = told?;
        Ok(())
    });
    match result {
        Ok(()) => Ok(tally.into_inner().expect("nobody panicked")),
        Err(TestError::Fail(reason, ops)) => {
            let told = run(&ops).err().unwrap_or_else(|| last.lock().expect("lock").clone());
            Err(format!("GITCAST_MODEL_SEED={seed}: {reason}\n{ops:#?}\n{told}"))
        }
        Err(error) => Err(format!("GITCAST_MODEL_SEED={seed}: {error}")),
    }
}

/// Seeds from the first on, until all are through or one has failed.
fn try_seeds<S: Strategy<Value = Vec<Op>>>(cases: u64, strategy: impl Fn() -> S + Sync) -> Tally {
    let first = variable("GITCAST_MODEL_SEED", 0);
    let end = first + variable("GITCAST_MODEL_CASES", cases);
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while failed.lock().expect("lock").is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    match try_seed(seed, &strategy()) {
                        Ok(of_one) => tally.lock().expect("lock").add(&of_one),
                        Err(told) => failed.lock().expect("lock").push(told),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panicked");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    tally.into_inner().expect("nobody panicked")
}

#[test]
fn random_histories_publish_each_post_once() {
    let tally = try_seeds(CASES, ops::ops);
    // A model in which nothing goes wrong tests nothing. Whoever asks for few cases knows.
    let enough = tally.deaths > 60 && tally.posts > tally.cases;
    let enough = enough && tally.settled_by_hand > 2 && tally.logins > 2 && tally.retries > 2;
    assert!(enough || tally.cases < 60, "{tally:?}");
}

#[test]
fn random_interruptions_of_a_large_upload_publish_it_once() {
    try_seeds(LARGE_CASES, ops::large);
}
