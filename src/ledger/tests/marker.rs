//! A ledger that is older than what was seen here.

use super::*;
use crate::domain::pause::Scope;

fn opened(folder: &Folder, accept: bool) -> Result<Ledger, Error> {
    let mut ledger = folder.write();
    ledger.expect_latest(&folder.ledger(), accept).map(|()| ledger)
}

fn paused(post: &str) -> Event {
    let scope = Scope::Post { post: post.parse().expect("id") };
    Event::Paused { scope, why: String::new(), until: None }
}

fn add(folder: &Folder, post: &str) {
    opened(folder, false).expect("the latest").append(time(1), "test", &[paused(post)]).expect("append");
}

#[test]
fn a_ledger_from_a_backup_is_refused_until_a_person_accepts_it() {
    let folder = Folder::new();
    drop(folder.create());
    assert!(!Ledger::was_seen(&folder.ledger()));
    add(&folder, "a");
    assert!(Ledger::was_seen(&folder.ledger()));
    let backup = std::fs::read(folder.ledger()).expect("backup");
    add(&folder, "b");
    std::fs::write(folder.ledger(), backup).expect("restore");
    for _ in 0..2 {
        let refused = opened(&folder, false).expect_err("older");
        assert!(refused.to_string().contains("ends with entry 2, and entry 3"), "{refused}");
    }
    let refused = folder.read().expect_latest(&folder.ledger(), false);
    assert!(matches!(refused, Err(Error::NotTheLatest { .. })), "readers are told too");
    drop(opened(&folder, true).expect("accepted"));
    add(&folder, "c");
}

#[test]
fn another_history_of_the_same_length_and_another_lineage_are_refused() {
    let (folder, other) = (Folder::new(), Folder::new());
    drop(folder.create());
    let backup = std::fs::read(folder.ledger()).expect("backup");
    add(&folder, "a");
    std::fs::write(other.ledger(), backup).expect("copy");
    add(&other, "b");
    std::fs::copy(other.ledger(), folder.ledger()).expect("swap");
    let refused = opened(&folder, false).expect_err("another history");
    assert!(refused.to_string().contains("entry 2 is another one"), "{refused}");
    std::fs::remove_file(folder.ledger()).expect("remove");
    drop(Ledger::create(&folder.ledger(), "other", (time(0), "test"), PATIENCE, &holder()).expect("create"));
    assert!(opened(&folder, false).expect_err("lineage").to_string().contains("lineage `line`"));
}

#[test]
fn a_marker_that_lags_behind_is_fine_and_a_damaged_one_is_not() {
    let folder = Folder::new();
    drop(folder.create());
    add(&folder, "a");
    folder.write().append(time(2), "test", &[paused("b")]).expect("a process that left no marker");
    add(&folder, "c");
    let marker = folder.ledger().with_file_name("head");
    for damaged in ["", "{}", "\u{1b}[31m"] {
        std::fs::write(&marker, damaged).expect("damage");
        assert!(matches!(opened(&folder, false), Err(Error::NotTheLatest { .. })), "{damaged:?}");
    }
    std::fs::remove_file(&marker).expect("remove");
    add(&folder, "d");
}
