//! What others are to be told is neither lost nor told twice, and nothing of it counts for the events.

use super::*;

fn letter(id: &str, second: i64) -> Letter {
    Letter { id: id.into(), at: time(second), body: format!("body of {id}"), attempts: 0 }
}

const BOUNDS: (u32, Timestamp) = (3, Timestamp::UNIX_EPOCH);

#[test]
fn a_channel_begins_at_the_present_and_is_told_in_one_transaction_with_its_letter() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    let told = ledger.begin_telling("webhook").expect("begin");
    assert_eq!((told.seq, told.standing.as_str()), (5, ""));
    ledger.append(time(2), "t", &published("two")).expect("append");
    assert_eq!(ledger.begin_telling("webhook").expect("again"), told, "it begins once");
    let told = Told { seq: 9, standing: "held".into() };
    ledger.tell("webhook", &told, Some(&letter("a", 1))).expect("tell");
    drop(ledger);
    let mut ledger = folder.write();
    assert_eq!(ledger.begin_telling("webhook").expect("begin"), told);
    assert_eq!(ledger.next_letter("webhook", &[]).expect("read"), Some(letter("a", 1)));
    assert_eq!(ledger.next_letter("command", &[]).expect("read"), None);
    ledger.refold().expect("refold");
    assert_eq!(ledger.next_letter("webhook", &[]).expect("read"), Some(letter("a", 1)));
    assert_eq!(ledger.begin_telling("webhook").expect("begin"), told);
    assert_eq!(ledger.verify().expect("verify"), []);
}

#[test]
fn a_letter_that_is_never_taken_holds_up_no_other_and_is_given_up() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let told = ledger.begin_telling("webhook").expect("begin");
    for id in ["a", "b"] {
        ledger.tell("webhook", &told, Some(&letter(id, 7))).expect("tell");
    }
    let next = |ledger: &Ledger| ledger.next_letter("webhook", &[]).expect("read").map(|letter| letter.id);
    assert_eq!(next(&ledger).as_deref(), Some("a"));
    assert_eq!(ledger.next_letter("webhook", &["a".into()]).expect("read"), Some(letter("b", 7)));
    assert_eq!(ledger.settle_letters("webhook", &[("a".into(), false)], BOUNDS).expect("settle"), 0);
    assert_eq!(next(&ledger).as_deref(), Some("b"));
    assert_eq!(ledger.settle_letters("webhook", &[("b".into(), true)], BOUNDS).expect("settle"), 0);
    for dropped in [0, 1] {
        let fared = [("a".into(), false)];
        assert_eq!(ledger.settle_letters("webhook", &fared, BOUNDS).expect("settle"), dropped);
    }
    assert_eq!(next(&ledger), None);
    ledger.tell("webhook", &told, Some(&letter("old", 8))).expect("tell");
    let waiting = |letters, oldest, dropped| Waiting { hook: "webhook".into(), letters, oldest, dropped };
    assert_eq!(ledger.waiting().expect("waiting"), [waiting(1, Some(time(8)), 1)]);
    assert_eq!(ledger.settle_letters("webhook", &[], (3, time(9))).expect("settle"), 1);
    assert_eq!(ledger.waiting().expect("waiting"), [waiting(0, None, 2)]);
}

#[test]
fn an_outbox_does_not_grow_without_end() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let told = ledger.begin_telling("command").expect("begin");
    for n in 0..1_002 {
        ledger.tell("command", &told, Some(&letter(&n.to_string(), n))).expect("tell");
    }
    let waiting = ledger.waiting().expect("waiting");
    assert_eq!((waiting[0].letters, waiting[0].oldest, waiting[0].dropped), (1_000, Some(time(2)), 2));
}
