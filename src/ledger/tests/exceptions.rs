//! Pauses, decisions and the past, folded from events.

use super::*;
use crate::domain::pause::{Pause, Scope};

fn scope() -> Scope {
    Scope::Account { account: "acme".parse().expect("name") }
}

fn paused(why: &str) -> Event {
    Event::Paused { scope: scope(), why: why.into(), until: Some(time(90)) }
}

#[test]
fn a_pause_is_replaced_by_the_next_of_its_scope_and_ends_when_resumed() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "ann", &[paused("one")]).expect("append");
    ledger.append(time(2), "ben", &[paused("two")]).expect("append");
    let pause =
        Pause { scope: scope(), why: "two".into(), until: Some(time(90)), by: "ben".into(), at: time(2) };
    assert_eq!(ledger.pauses().expect("pauses"), [pause]);
    let digest = ContentDigest::of(b"decision");
    let decided = Event::Decided { post: None, digest, place: "a.yaml:1".into(), moot: None };
    let resumed = Event::Resumed { scope: scope(), why: String::new() };
    ledger.append(time(3), "cat", &[resumed, decided.clone(), decided]).expect("append");
    assert!(ledger.pauses().expect("pauses").is_empty());
    assert_eq!(ledger.decisions().expect("decisions"), [digest]);
    assert_eq!(ledger.verify().expect("verify"), []);
    ledger.refold().expect("refold");
    assert_eq!(ledger.decisions().expect("decisions"), [digest]);
}

#[test]
fn the_past_is_what_the_events_until_then_say() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(10), "t", &published("one")).expect("append");
    ledger.append(time(20), "t", &[paused("later")]).expect("append");
    // The clock went back: what was recorded after it still follows what was recorded before.
    ledger.append(time(15), "t", &published("two")).expect("append");
    drop(ledger);
    let ledger = folder.read();
    let at = |second| {
        let (publications, pauses) = ledger.at(time(second)).expect("the past");
        let posts: Vec<_> = publications.iter().map(|p| p.post.to_string()).collect();
        (posts.join(" "), pauses.len())
    };
    assert_eq!(at(-1), (String::new(), 0));
    assert_eq!(at(9), (String::new(), 0));
    assert_eq!(at(10), ("one".to_owned(), 0));
    assert_eq!(at(15), ("one two".to_owned(), 1));
    assert_eq!(at(99), ("one two".to_owned(), 1));
    assert_eq!(ledger.at(time(99)).expect("now").0, ledger.publications().expect("now"));
}
