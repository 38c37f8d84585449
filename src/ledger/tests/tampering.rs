//! Whatever is changed in the file without gitcast is found.

use rusqlite::Connection;

use super::*;

/// What `doctor` finds after `sql` was run on a ledger of nine entries.
fn found(sql: &str) -> Vec<Problem> {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "apply", &published("one")).expect("append");
    ledger.append(time(2), "apply", &[started("two"), stepped("two", 1), stored(1)]).expect("append");
    ledger.append(time(3), "apply", &[request("init", time(3))]).expect("append");
    assert_eq!(ledger.verify().expect("verify"), []);
    drop(ledger);
    let db = Connection::open(folder.ledger()).expect("open");
    db.execute_batch(&format!("DROP TRIGGER events_never_change; DROP TRIGGER events_never_go; {sql}"))
        .expect("tamper");
    drop(db);
    folder.read().verify().expect("verify")
}

#[test]
fn a_changed_entry_breaks_the_chain_where_it_is() {
    for sql in [
        "UPDATE events SET event = replace(event, 'content/one', 'content/0ne') WHERE seq = 2",
        "UPDATE events SET event = event || ' ' WHERE seq = 2",
        "UPDATE events SET at = '1999-01-01T00:00:00.000000000Z' WHERE seq = 2",
        "UPDATE events SET actor = 'nobody' WHERE seq = 2",
    ] {
        assert!(found(sql).contains(&Problem::Chain { seq: 2 }), "{sql}");
    }
}

#[test]
fn a_changed_hash_is_found_at_its_entry() {
    let problems = found("UPDATE events SET hash = zeroblob(32) WHERE seq = 3");
    assert!(problems.contains(&Problem::Chain { seq: 3 }), "{problems:?}");
}

#[test]
fn entries_that_are_gone_moved_or_added_are_found() {
    assert!(found("DELETE FROM events WHERE seq = 4").contains(&Problem::Gap { before: 5 }));
    assert!(found("DELETE FROM events WHERE seq IN (2, 3, 5)").contains(&Problem::Gap { before: 4 }));
    let swapped = found(
        "UPDATE events SET seq = -1 WHERE seq = 7; UPDATE events SET seq = 7 WHERE seq = 6;
         UPDATE events SET seq = 6 WHERE seq = -1",
    );
    assert!(swapped.contains(&Problem::Chain { seq: 6 }), "{swapped:?}");
    let added = found(
        "INSERT INTO events (seq, at, actor, event, hash) SELECT 10, at, actor, event, hash
                       FROM events WHERE seq = 9",
    );
    assert!(added.contains(&Problem::Chain { seq: 10 }), "{added:?}");
}

#[test]
fn the_last_entry_is_missed_by_the_views() {
    assert_eq!(found("DELETE FROM events WHERE seq = 9"), [Problem::View { name: "requests" }]);
}

#[test]
fn a_changed_view_is_found() {
    for (sql, name) in [
        ("UPDATE publications SET state = 'planned' WHERE post = 'one'", "publications"),
        ("DELETE FROM publications WHERE post = 'two'", "publications"),
        ("UPDATE work SET checkpoint = NULL", "work"),
        ("UPDATE grants SET origin = 'https://evil.example'", "grants"),
        ("DELETE FROM requests", "requests"),
        ("UPDATE intents SET at = '2000'", "intents"),
        ("DELETE FROM remotes", "remotes"),
        ("ALTER TABLE grants ADD COLUMN note TEXT", "grants"),
    ] {
        assert_eq!(found(sql), [Problem::View { name }], "{sql}");
    }
}

#[test]
fn the_triggers_stop_our_own_mistakes() {
    let folder = Folder::new();
    let ledger = folder.create();
    for sql in ["DELETE FROM events", "UPDATE events SET actor = ''"] {
        ledger.db.execute(sql, []).expect_err(sql);
    }
}

#[test]
fn a_rebuilt_view_agrees_again() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    ledger.db.execute_batch("DELETE FROM publications").expect("damage");
    assert_eq!(ledger.verify().expect("verify"), [Problem::View { name: "publications" }]);
    ledger.refold().expect("refold");
    assert_eq!(ledger.verify().expect("verify"), []);
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_a_problem_or_changes_nothing() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "apply", &published("one")).expect("append");
    let entries = ledger.read(None, 0, 100).expect("read");
    let publications = ledger.publications().expect("read");
    drop(ledger);
    let whole = std::fs::read(folder.ledger()).expect("read");
    for place in (100..whole.len()).step_by(331) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        std::fs::write(folder.ledger(), &bytes).expect("write");
        let Ok(ledger) = Ledger::open_read(&folder.ledger()) else { continue };
        if ledger.verify().is_ok_and(|problems| problems.is_empty()) {
            assert_eq!(ledger.read(None, 0, 100).expect("read"), entries, "byte {place}");
            assert_eq!(ledger.publications().expect("read"), publications, "byte {place}");
        }
    }
}
