//! The inputs that the fuzzer found worth keeping, each fed to its function again.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library of its own for the fuzzer")]
mod harness;

/// A target's name, and what it holds for any bytes.
type Target = (&'static str, fn(&[u8]));

/// Many times what any input takes, in a debug build on a busy machine.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);
/// The corpus is for reading by people too, and for every run of the tests.
const CORPUS_BYTES_MAX: u64 = 64 * 1024;

#[test]
fn what_must_hold_for_any_bytes_holds_for_the_corpus() {
    let targets: [Target; 4] = [
        ("manifest", harness::manifest),
        ("media", harness::media),
        ("replies", harness::replies),
        ("ledger", harness::ledger),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut bytes = 0;
    for (name, target) in targets {
        assert!(root.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
        let mut inputs: Vec<_> = fs::read_dir(root.join("corpus").join(name)).expect("a corpus").collect();
        inputs.sort_unstable_by_key(|entry| entry.as_ref().expect("an entry").file_name());
        assert!(inputs.len() >= 8, "{name} has a corpus");
        for input in inputs {
            let path = input.expect("an entry").path();
            let input = fs::read(&path).expect("an input");
            bytes += input.len() as u64;
            let begun = Instant::now();
            let held = std::panic::catch_unwind(|| target(&input));
            assert!(held.is_ok(), "{}", path.display());
            assert!(begun.elapsed() < INPUT_TIME_MAX, "{} took {:?}", path.display(), begun.elapsed());
        }
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}

/// The properties themselves: each is violated by something.
#[test]
fn a_violation_is_noticed() {
    let harmless = std::panic::catch_unwind(|| harness::assert_harmless("\u{1b}[31m"));
    let plain = std::panic::catch_unwind(|| harness::assert_plain("a\nb"));
    assert!(harmless.is_err() && plain.is_err());
}
