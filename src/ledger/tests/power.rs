//! What a power cut leaves: the files as they were at some moment, the end of the log torn or gone.
//!
//! With `synchronous=FULL` the log is on the disk before a commit is acknowledged, and before any of it moves into the
//! ledger itself. So an honest disk loses at most what was not acknowledged: the end of the log after its last commit.
//! The cases here cut deeper as well, as a disk that lies would; then what is left must be an earlier state.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;

use super::processes::{Numbers, Writer, write_and_kill};
use super::*;

/// The log's header, and what stands before each of its pages (SQLite's file format).
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 4096;
const FRAME: usize = FRAME_HEADER + PAGE;
/// Processes that are killed in each of the cases that do that.
const ROUNDS: u32 = 6;

/// The bytes of a ledger's files by what their names end with; the lock is no part of it.
#[derive(Debug, Clone, PartialEq)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// As they are at this moment. Nobody writes meanwhile.
    fn of(ledger: &Path) -> Files {
        let name = ledger.file_name().expect("a file").to_str().expect("UTF-8").to_owned();
        let entries = fs::read_dir(ledger.parent().expect("a folder")).expect("list");
        let files = entries.filter_map(|entry| {
            let path = entry.expect("entry").path();
            let suffix = path.file_name()?.to_str()?.strip_prefix(&name)?.to_owned();
            Some((suffix, fs::read(&path).expect("read")))
        });
        Files(files.collect())
    }

    fn log(&self) -> &[u8] {
        self.0.get("-wal").map_or(&[], Vec::as_slice)
    }

    fn with(&self, suffix: &str, bytes: impl Into<Vec<u8>>) -> Files {
        let mut files = self.clone();
        files.0.insert(suffix.to_owned(), bytes.into());
        files
    }

    fn without(&self, suffix: &str) -> Files {
        let mut files = self.clone();
        files.0.remove(suffix);
        files
    }

    /// The log ends after so many bytes, and nothing is left of its index.
    fn cut(&self, length: usize) -> Files {
        self.without("-shm").with("-wal", &self.log()[..length])
    }

    fn flipped(&self, at: usize) -> Files {
        let mut log = self.log().to_vec();
        log[at] ^= 0x40;
        self.without("-shm").with("-wal", log)
    }

    /// These files in a folder of their own.
    fn put(&self) -> Folder {
        let folder = Folder::new();
        for (suffix, bytes) in &self.0 {
            fs::write(open::beside(&folder.ledger(), suffix), bytes).expect("write");
        }
        folder
    }
}

/// Its head, once all of it was verified.
fn verified(ledger: &Ledger, what: &str) -> Head {
    assert_eq!(ledger.verify().unwrap_or_else(|error| panic!("{what}: {error}")), [], "{what}");
    ledger.head().expect("head")
}

/// Opens a copy for reading, and another one for writing, and goes on with it; both show the same.
fn opened(files: &Files, what: &str) -> Head {
    let folder = files.put();
    let reader = Ledger::open_read(&folder.ledger()).unwrap_or_else(|error| panic!("{what}, read: {error}"));
    let read = verified(&reader, what);
    drop(reader);
    // What a reader leaves behind is no hindrance to the writer, and neither are the files without a reader before.
    for folder in [folder, files.put()] {
        let opened = Ledger::open_write(&folder.ledger(), PATIENCE, &holder());
        let mut writer = opened.unwrap_or_else(|error| panic!("{what}, write: {error}"));
        assert_eq!(verified(&writer, what), read, "{what}");
        writer.append(time(9_000), "t", &published("after")).unwrap_or_else(|e| panic!("{what}: {e}"));
        drop(writer);
        assert_eq!(verified(&folder.read(), what).seq, read.seq + 4, "{what}");
    }
    read
}

/// A ledger that is being written, as it was after each of its commits.
struct Written {
    ledger: Ledger,
    folder: Folder,
    /// How long the log was after each commit, and the head then.
    commits: Vec<(usize, Head)>,
}

impl Written {
    fn new(appends: i64) -> Written {
        let folder = Folder::new();
        let mut ledger = folder.create();
        let mut commits = vec![(0, ledger.head().expect("head"))];
        for n in 0..appends {
            let head = ledger.append(time(n), "t", &published(&format!("p{n}"))).expect("append");
            commits.push((Files::of(&folder.ledger()).log().len(), head));
        }
        Written { folder, ledger, commits }
    }

    fn files(&self) -> Files {
        Files::of(&self.folder.ledger())
    }

    /// What a log says of which only so many bytes are good.
    fn head_at(&self, length: usize) -> Head {
        self.commits.iter().rev().find(|(end, _)| *end <= length).expect("the first is at 0").1
    }

    fn last(&self) -> Head {
        self.commits.last().expect("there is one").1
    }
}

#[test]
fn commits_are_on_the_disk_before_they_are_acknowledged() {
    let folder = Folder::new();
    drop(folder.create());
    let ledger = folder.write();
    let synchronous: i64 =
        ledger.db.pragma_query_value(None, "synchronous", |row| row.get(0)).expect("a pragma");
    assert_eq!(synchronous, 2, "FULL");
}

#[test]
fn a_log_that_is_cut_anywhere_leaves_the_commits_before_the_cut() {
    let written = Written::new(2);
    let files = written.files();
    let (whole, last) = (files.log().len(), written.last());
    assert_eq!((whole - LOG_HEADER) % FRAME, 0, "frames and nothing else");
    assert_eq!(opened(&files.without("-shm"), "untouched"), last);
    let frames = (0..=(whole - LOG_HEADER) / FRAME).map(|n| LOG_HEADER + n * FRAME);
    let cuts = frames.flat_map(|at| [at, at + FRAME_HEADER / 2, at + FRAME_HEADER + PAGE / 2]);
    for cut in [0, LOG_HEADER - 1].into_iter().chain(cuts).filter(|cut| *cut <= whole) {
        assert_eq!(opened(&files.cut(cut), &format!("cut at {cut} of {whole}")), written.head_at(cut));
    }
}

#[test]
fn a_log_with_a_wrong_byte_ends_before_it() {
    let written = Written::new(2);
    let files = written.files();
    let frames = (files.log().len() - LOG_HEADER) / FRAME;
    // The last frames in full, of the others a byte each.
    for frame in 0..frames {
        let start = LOG_HEADER + frame * FRAME;
        let bytes: &[usize] =
            if frame + 3 < frames { &[FRAME - 1] } else { &[0, 5, 9, 17, FRAME_HEADER, FRAME - 1] };
        for byte in bytes {
            let what = format!("byte {byte} of frame {frame} of {frames}");
            assert_eq!(opened(&files.flipped(start + byte), &what), written.head_at(start), "{what}");
        }
    }
    for byte in [0, 13, 20, LOG_HEADER - 1] {
        let what = format!("byte {byte} of the log's header");
        assert_eq!(opened(&files.flipped(byte), &what), written.head_at(0), "{what}");
    }
}

#[test]
fn what_follows_the_last_commit_counts_for_nothing() {
    let written = Written::new(2);
    let before = written.files();
    // A transaction that is larger than the memory it may take, so that part of it is in the log already.
    written.ledger.db.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").expect("pragmas");
    let transaction = written.ledger.db.unchecked_transaction().expect("begin");
    let large =
        "CREATE TABLE big AS WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n WHERE x < 200)
                 SELECT randomblob(1000) AS b FROM n";
    transaction.execute_batch(large).expect("a large transaction");
    let within = written.files();
    assert!(within.log().len() > before.log().len() + FRAME, "in mid-write");
    assert_eq!(opened(&within.without("-shm"), "in mid-write"), written.last());
    let torn = within.log().len() - PAGE / 3;
    assert_eq!(opened(&within.cut(torn), "in mid-write, torn"), written.last());
    drop(transaction);
    for garbage in [&[0; FRAME][..], &[0xa5; 100], &before.log()[LOG_HEADER..LOG_HEADER + FRAME]] {
        let log = [before.log(), garbage].concat();
        let what = format!("{} bytes more", garbage.len());
        assert_eq!(opened(&before.without("-shm").with("-wal", log), &what), written.last());
    }
}

#[test]
fn the_index_of_the_log_is_not_believed() {
    let first = Written::new(1);
    let mut written = Written::new(1);
    let old = written.files();
    let head = written.ledger.append(time(5), "t", &published("late")).expect("append");
    let files = written.files();
    let index = |of: &Files| of.0["-shm"].clone();
    let indices = [
        ("its own", index(&files)),
        ("an older one", index(&old)),
        ("another ledger's", index(&first.files())),
        ("an empty one", Vec::new()),
        ("a short one", index(&files)[..100].to_vec()),
        ("zeros", vec![0; 32_768]),
        ("garbage", vec![0xa5; 32_768]),
        ("much garbage", vec![0x5a; 98_304]),
    ];
    for (what, index) in indices {
        assert_eq!(opened(&files.with("-shm", index), what), head, "{what}");
    }
}

#[test]
fn a_log_that_is_gone_leaves_what_is_in_the_ledger_itself() {
    let written = Written::new(3);
    let files = written.files();
    let gone = files.without("-wal");
    assert_eq!(opened(&gone, "no log, and its index"), written.head_at(0));
    assert_eq!(opened(&gone.without("-shm"), "no log"), written.head_at(0));
}

/// A copy of what a killed process left is, untouched, all that it acknowledged; with its log cut it is a beginning of
/// that.
#[test]
fn a_copy_taken_at_any_moment_has_all_that_was_acknowledged() {
    let folder = Folder::new();
    drop(folder.create());
    let mut numbers = Numbers(0x6a09_e667_f3bc_c909);
    for round in 0..ROUNDS {
        let told = write_and_kill(&folder, &mut numbers, false);
        let files = Files::of(&folder.ledger()).without("-shm");
        let head = opened(&files, &format!("round {round}"));
        assert!(head.seq >= told && head.seq % 4 == 1, "round {round}: {told} told, {} there", head.seq);
        let entries = folder.read().read(None, 0, u32::MAX).expect("entries");
        for _ in 0..3 {
            let back = numbers.below(40 * FRAME as u64) as usize;
            let what = format!("round {round}, {back} bytes before the end");
            let cut = files.log().len().saturating_sub(back);
            let left = opened(&files.cut(cut), &what);
            let same = entries.iter().find(|entry| entry.seq == left.seq).expect("not beyond the end");
            assert_eq!((same.hash, left.seq % 4), (left.hash, 1), "{what}");
        }
        // Puts the log away, so that the next round begins with an empty one.
        drop(folder.write());
    }
}

#[test]
fn a_copy_taken_while_the_log_is_set_up_or_put_away_opens() {
    let folder = Folder::new();
    drop(folder.create());
    let mut numbers = Numbers(0xbb67_ae85_84ca_a73b);
    for round in 0..2 * ROUNDS {
        let told = write_and_kill(&folder, &mut numbers, true);
        let files = Files::of(&folder.ledger());
        let files = if round % 2 == 0 { files } else { files.without("-shm") };
        let names: Vec<_> = files.0.keys().cloned().collect();
        let what = format!("round {round}, {names:?}");
        let head = opened(&files, &what);
        assert!(head.seq >= told && head.seq % 4 == 1, "{what}: {told} told, {} there", head.seq);
        assert_eq!(folder.read().head().expect("head"), head, "{what}");
    }
}

const CREATE_VARIABLE: &str = "GITCAST_TEST_CREATE";

/// The other process: creates one ledger after the other, each in its own folder, until it is killed.
#[test]
fn creates_until_killed() {
    use std::io::Write;
    let Some(path) = std::env::var_os(CREATE_VARIABLE) else { return };
    let mut out = std::io::stdout().lock();
    for n in 0.. {
        let path = Path::new(&path).join(format!("{n}/ledger.db"));
        drop(create(&path).expect("create"));
        if writeln!(out, "seq {n}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

#[test]
fn a_ledger_is_there_whole_or_not_at_all_whenever_its_creation_is_cut() {
    let mut numbers = Numbers(0x3c6e_f372_fe94_f82b);
    let mut halves = 0;
    for round in 0..2 * ROUNDS {
        let folder = Folder::new();
        let variables = [(CREATE_VARIABLE, folder.0.path())];
        let writer = Writer::of("ledger::tests::power::creates_until_killed", variables);
        let told = writer.kill_somewhere(&mut numbers, (2, 40_000));
        let path = |n: u64| folder.0.path().join(format!("{n}/ledger.db"));
        assert_eq!(opened(&Files::of(&path(told)), &format!("round {round}, told")).seq, 1);
        let next = path(told + 1);
        if !next.parent().expect("a folder").exists() {
            continue;
        }
        let files = Files::of(&next);
        let what = format!("round {round}, {:?}", files.0.keys());
        if files.0.contains_key("") {
            assert_eq!(opened(&files, &what).seq, 1, "{what}");
            continue;
        }
        halves += u32::from(files.0.contains_key(".new"));
        let copy = files.put();
        for refused in [
            Ledger::open_read(&copy.ledger()).map(drop),
            Ledger::open_write(&copy.ledger(), PATIENCE, &holder()).map(drop),
        ] {
            assert!(matches!(refused, Err(Error::Missing { .. })), "{what}: {refused:?}");
        }
        assert_eq!(verified(&copy.create(), &what).seq, 1, "{what}");
    }
    assert!(halves > 0, "no creation was cut in the middle");
}

#[test]
fn opening_waits_for_another_hand_on_the_database_too() {
    let folder = Folder::new();
    drop(folder.create());
    for begin in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let other = Connection::open(folder.ledger()).expect("open");
        other.execute_batch(begin).expect("SQLite's own lock");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                other.execute_batch("COMMIT").expect("let go");
            });
            let opened = Ledger::open_write(&folder.ledger(), PATIENCE, &holder());
            assert!(opened.is_ok(), "{begin}: {opened:?}");
        });
    }
}

#[test]
fn another_hand_on_the_database_is_waited_for_a_while_and_then_told() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let other = Connection::open(folder.ledger()).expect("open");
    other.execute_batch("BEGIN IMMEDIATE").expect("SQLite's own lock");
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            other.execute_batch("COMMIT").expect("let go");
        });
        ledger.append(time(1), "t", &published("one")).expect("after a short wait");
    });
    assert!(begun.elapsed() < open::BUSY_TIMEOUT);

    let other = Connection::open(folder.ledger()).expect("open");
    other.execute_batch("BEGIN IMMEDIATE").expect("SQLite's own lock");
    let head = ledger.head().expect("a reader is not in the way");
    // The binary's test waits as long as users do.
    ledger.db.busy_timeout(Duration::from_millis(50)).expect("a short time");
    let refused = ledger.append(time(2), "t", &published("two"));
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(folder.read().head().expect("head"), head, "nothing is half written");
    other.execute_batch("ROLLBACK").expect("let go");
    ledger.append(time(3), "t", &published("two")).expect("append");
    assert_eq!(verified(&ledger, "after it").seq, head.seq + 4);
}
