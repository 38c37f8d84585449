//! Ledgers: files that are none, files that were changed, and events of any kind.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use gitcast::cli::text::one_line;
use gitcast::domain::event::Event;
use gitcast::domain::history::histories;
use gitcast::ledger::{Holder, Ledger};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// Entries read at once; no input makes more.
const ENTRIES_MAX: u32 = 10_000;
/// Events appended for one input.
const EVENTS_MAX: usize = 64;
/// As `doctor` cuts a message.
const MESSAGE_CHARS: usize = 400;
/// Nobody else has the lock.
const LOCK: Duration = Duration::from_secs(1);

/// The first byte tells what the rest is.
pub fn ledger(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    match first % 4 {
        0 => {
            fs::write(&path, rest).expect("written");
            use_it(&path);
        }
        1 => {
            fs::write(&path, changed(&SAMPLE, rest)).expect("written");
            use_it(&path);
        }
        2 => {
            fs::write(&path, &*SAMPLE).expect("written");
            fs::write(folder.path().join("head"), rest).expect("written");
            fs::write(folder.path().join("lock"), rest).expect("written");
            use_it(&path);
        }
        _ => drop(appended(&path, rest)),
    }
}

/// Reads and writes all that there is, whatever it is. Errors are fine, and one line each.
fn use_it(path: &Path) {
    // It may quote what is in the file; whoever prints it makes it harmless.
    let told =
        |error: gitcast::ledger::Error| super::assert_harmless(&one_line(&error.to_string(), MESSAGE_CHARS));
    match Ledger::open_read(path) {
        Ok(ledger) => read_all(&ledger),
        Err(error) => told(error),
    }
    match Ledger::open_write(path, LOCK, &holder()) {
        Ok(mut ledger) => {
            let _ = ledger.expect_latest(path, false).map_err(told);
            let _ = ledger.refold().map_err(told);
            let paused = r#"{"event":"paused","scope":"account","account":"a","why":"w","until":null}"#;
            let paused: Event = serde_json::from_str(paused).expect("an event");
            let _ = ledger.append(Timestamp::UNIX_EPOCH, "fuzz", &[paused]).map_err(told);
            read_all(&ledger);
        }
        Err(error) => told(error),
    }
}

fn read_all(ledger: &Ledger) {
    let _ = (ledger.head(), ledger.pauses(), ledger.decisions(), ledger.grants(), ledger.insights());
    let day = SignedDuration::from_hours(24);
    for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + day, Timestamp::MAX] {
        let _ = ledger.at(at);
    }
    for problem in ledger.verify().unwrap_or_default() {
        super::assert_harmless(&one_line(&problem.to_string(), MESSAGE_CHARS));
    }
    for entry in ledger.read(None, 0, ENTRIES_MAX).unwrap_or_default() {
        let _ = serde_json::to_string(&entry.event).expect("an event is JSON");
    }
    for publication in ledger.publications().unwrap_or_default() {
        let (post, account) = (&publication.post, &publication.account);
        let _ = (ledger.work(post, account), ledger.publication(post, account), ledger.remote_ids(account));
        let _ = (ledger.last_looks(account), ledger.last_shown(account));
        let _ = ledger.requests_since(account, &["video/init"], Timestamp::MIN);
        let _ = ledger.intents_since(account, Timestamp::MIN);
        let _ = publication.ready_at(Timestamp::MAX);
        let entries = ledger.read(Some(post), 0, ENTRIES_MAX).unwrap_or_default();
        let (histories, _) = histories(&entries);
        let steps = histories.iter().flat_map(|history| &history.attempts).map(|attempt| attempt.steps.len());
        assert!(steps.sum::<usize>() <= entries.len(), "no step without an entry");
    }
}

/// Bytes put elsewhere, three for each: where (16 bits, in steps that reach the end) and what.
fn changed(sample: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for edit in edits.chunks_exact(4) {
        let at = usize::from(edit[0]) << 16 | usize::from(edit[1]) << 8 | usize::from(edit[2]);
        let length = bytes.len();
        bytes[at % length] = edit[3];
    }
    bytes
}

/// Events in any order, one a line. What cannot follow is refused and leaves no trace; what is recorded verifies, and
/// reads back as it was.
fn appended(path: &Path, lines: &[u8]) -> Vec<Event> {
    let mut ledger =
        Ledger::create(path, "line", (Timestamp::UNIX_EPOCH, "fuzz"), LOCK, &holder()).expect("a ledger");
    let mut recorded = Vec::new();
    let events =
        lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok());
    for (event, second) in events.take(EVENTS_MAX).zip(1..) {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        match ledger.append(at, "fuzz", std::slice::from_ref(&event)) {
            Ok(_) => recorded.push(event),
            Err(error) => super::assert_plain(&error.to_string()),
        }
    }
    assert_eq!(ledger.verify().expect("it can be read"), [], "what was recorded verifies");
    let read: Vec<_> =
        ledger.read(None, 1, ENTRIES_MAX).expect("it can be read").into_iter().map(|e| e.event).collect();
    assert_eq!(read, recorded);
    let now = ledger.publications().expect("publications");
    assert_eq!(ledger.at(Timestamp::MAX).expect("the past").0, now);
    read_all(&ledger);
    drop(ledger);
    let ledger = Ledger::open_read(path).expect("it opens again");
    assert_eq!(ledger.publications().expect("publications"), now);
    recorded
}

fn holder() -> Holder {
    Holder::this_process("fuzz", Timestamp::UNIX_EPOCH, |_| None)
}

/// A ledger in which something of each kind is recorded.
static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let lines = include_bytes!("sample.jsonl");
    let recorded = appended(&path, lines).len();
    assert_eq!(
        recorded,
        lines.iter().filter(|byte| **byte == b'\n').count(),
        "every event of the sample is legal"
    );
    fs::read(path).expect("the ledger")
});
