//! What other processes see, and what is left when one is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::*;

const LEDGER_VARIABLE: &str = "GITCAST_TEST_LEDGER";
/// Set when the other process opens the ledger anew for each append.
const REOPEN_VARIABLE: &str = "GITCAST_TEST_REOPEN";
const ROUNDS: u32 = 20;

/// The other process: this very test, with the variable set. It appends until it is killed and tells each entry.
#[test]
fn appends_until_killed() {
    let Some(path) = std::env::var_os(LEDGER_VARIABLE) else { return };
    let reopen = std::env::var_os(REOPEN_VARIABLE).is_some();
    let open = || Ledger::open_write(Path::new(&path), PATIENCE, &holder()).expect("open");
    let mut out = std::io::stdout().lock();
    let mut tell = |seq: u64| writeln!(out, "seq {seq}").and_then(|()| out.flush());
    let mut ledger = open();
    tell(ledger.head().expect("head").seq).expect("parent");
    for n in 0.. {
        let name = format!("p{}-{n}", std::process::id());
        let head = ledger.append(time(n), "child", &published(&name)).expect("append");
        if tell(head.seq).is_err() {
            return;
        }
        if reopen {
            drop(ledger);
            ledger = open();
        }
    }
}

pub(super) struct Writer {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Writer {
    fn start(ledger: &Path, reopen: bool) -> Writer {
        let reopen = reopen.then_some((REOPEN_VARIABLE, Path::new("1")));
        let variables = [(LEDGER_VARIABLE, ledger)].into_iter().chain(reopen);
        Writer::of("ledger::tests::processes::appends_until_killed", variables)
    }

    /// The test `name` of this program, in a process of its own.
    pub(super) fn of<'a>(name: &str, variables: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Writer {
        let mut command = Command::new(std::env::current_exe().expect("this test's program"));
        command
            .args(["--exact", name, "--nocapture"])
            .envs(variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("start");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Writer { child, out }
    }

    /// The next entry that the process tells of.
    pub(super) fn seq(&mut self) -> u64 {
        let mut line = String::new();
        while self.out.read_line(&mut line).expect("read") > 0 {
            if let Some(seq) = last_seq(&line) {
                return seq;
            }
            line.clear();
        }
        panic!("the process ended by itself");
    }

    /// Kills it after one of the first `entries` that it tells of, and not at the moment of telling, but somewhere on
    /// the way to the next, which takes about so many microseconds.
    pub(super) fn kill_somewhere(mut self, numbers: &mut Numbers, (entries, micros): (u64, u64)) -> u64 {
        let mut told = self.seq();
        for _ in 0..numbers.below(entries) {
            told = self.seq();
        }
        let until = Instant::now() + Duration::from_micros(numbers.below(micros));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        self.kill(told)
    }

    /// Kills it and gives the last entry it told of.
    pub(super) fn kill(mut self, told: u64) -> u64 {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("read");
        // The last line may be cut short.
        let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter_map(last_seq).next_back().unwrap_or(told)
    }
}

/// The harness may print in front of what the test prints.
fn last_seq(line: &str) -> Option<u64> {
    line.trim_end().rsplit_once("seq ")?.1.parse().ok()
}

/// Small numbers that look random, the same in every run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % end
    }
}

/// Starts a writer, kills it at some moment, and gives the last entry that it told of.
pub(super) fn write_and_kill(folder: &Folder, numbers: &mut Numbers, reopen: bool) -> u64 {
    let writer = Writer::start(&folder.ledger(), reopen);
    writer.kill_somewhere(numbers, (12, if reopen { 12_000 } else { 2_000 }))
}

fn check(ledger: &Ledger, told: u64, round: u32) {
    let seq = ledger.head().expect("head").seq;
    assert!(seq >= told, "round {round}: entry {told} is lost");
    assert_eq!(seq % 4, 1, "round {round}: half an append");
    assert_eq!(ledger.verify().expect("verify"), [], "round {round}");
}

#[test]
fn whatever_was_told_survives_a_kill_and_the_chain_verifies() {
    let folder = Folder::new();
    drop(folder.create());
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for round in 0..ROUNDS {
        let told = write_and_kill(&folder, &mut numbers, false);
        let before = opening::contents(folder.0.path());
        check(&folder.read(), told, round);
        let after = opening::contents(folder.0.path());
        assert!(before.keys().eq(after.keys()), "round {round}: {:?}", after.keys());
        // The log's index is SQLite's memory between processes; it is set up anew after a crash.
        let lasting = |path: &&PathBuf| !path.as_os_str().to_string_lossy().ends_with("-shm");
        for path in before.keys().filter(lasting) {
            assert!(before[path] == after[path], "round {round}: a reader changed {path:?}");
        }
    }
    folder.write().append(time(1), "t", &[started("last")]).expect("append after all that");
}

#[test]
fn a_kill_while_opening_or_closing_loses_nothing_either() {
    let folder = Folder::new();
    drop(folder.create());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..ROUNDS {
        let told = write_and_kill(&folder, &mut numbers, true);
        check(&folder.read(), told, round);
    }
    check(&folder.write(), 0, ROUNDS);
}

#[test]
fn the_lock_tells_its_holder_and_falls_with_its_process() {
    let folder = Folder::new();
    drop(folder.create());
    let mut writer = Writer::start(&folder.ledger(), false);
    let told = writer.seq();
    let refused = Ledger::open_write(&folder.ledger(), Duration::ZERO, &holder());
    let Err(Error::Locked { holder: Some(found) }) = &refused else { panic!("{refused:?}") };
    assert_eq!((found.pid, found.command.as_str()), (writer.child.id(), "gitcast test"));
    assert!(refused.expect_err("locked").to_string().contains(&format!("process {}", writer.child.id())));
    assert!(folder.read().head().expect("reading takes no lock").seq >= told);
    writer.kill(told);
    drop(Ledger::open_write(&folder.ledger(), Duration::ZERO, &holder()).expect("the kernel released it"));
}

#[test]
fn whoever_waits_gets_the_lock_when_it_is_released() {
    let folder = Folder::new();
    let first = folder.create();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| folder.write().head().expect("head").seq);
        drop(first);
        assert_eq!(waiting.join().expect("waiting"), 1);
    });
}

#[test]
fn ledgers_side_by_side_do_not_wait_for_each_other() {
    let folder = Folder::new();
    let one = folder.create();
    let rehearsal = create(&folder.0.path().join("rehearsal.db")).expect("another ledger");
    assert!(matches!(
        Ledger::open_write(&folder.ledger(), Duration::ZERO, &holder()),
        Err(Error::Locked { .. })
    ));
    drop((one, rehearsal));
}
