//! What every ledger promises, wherever it is kept: on this machine alone, or shared by way of git.

use super::*;
use crate::domain::insight::Insight;

/// Each of these, of both kinds.
macro_rules! conformance {
    ($($name:ident)*) => {
        mod file {
            $(#[test] fn $name() { super::$name(&super::Folder::new()); })*
        }
        mod git {
            $(#[test] fn $name() {
                let folder = super::Folder::shared();
                super::$name(&folder);
                super::is_all_there(&folder);
            })*
        }
    };
}

conformance! {
    what_was_appended_is_there_after_reopening
    an_event_that_cannot_follow_takes_its_whole_transaction_with_it
    entries_can_be_read_by_post
    a_new_attempt_has_its_own_payload_and_no_checkpoint
    a_remote_id_stays_taken_when_a_higher_revision_starts
    a_post_that_was_live_before_may_be_what_is_about_to_be_published
    what_was_read_of_a_post_is_kept_until_another_attempt_begins
    grants_keep_what_is_known_of_them
    requests_and_intents_are_counted_by_time_and_forgotten_after_two_days
    folding_anew_gives_the_same_views
    an_attempt_that_proved_absent_takes_no_room_of_the_limits
}

/// A copy that is made anew says the same.
fn is_all_there(folder: &Folder) {
    let before = Ledger::open_read(&folder.ledger()).and_then(|ledger| ledger.head()).expect("a head");
    let fresh = folder.read();
    assert_eq!((fresh.head().expect("a head"), fresh.verify().expect("verify")), (before, vec![]));
}

fn what_was_appended_is_there_after_reopening(folder: &Folder) {
    let mut ledger = folder.create();
    let at: Timestamp = "2026-12-01T09:00:00.123456789Z".parse().expect("time");
    let head = ledger.append(at, "apply", &published("one")).expect("append");
    assert_eq!(head.seq, 5);
    drop(ledger);

    let ledger = folder.read();
    assert_eq!((ledger.lineage(), ledger.head().expect("head")), ("line", head));
    let publication = ledger.publication(&post("one"), &account()).expect("read").expect("there");
    assert_eq!(publication.state, State::Published);
    assert_eq!((publication.updated_at, publication.intended_at), (at, Some(at)));
    assert_eq!(publication.remote.url.as_deref(), Some("https://example.com/7"));
    assert_eq!(publication.digest, sample_payload().digest());
    assert_eq!(ledger.publications().expect("read"), [publication]);
    let work = ledger.work(&post("one"), &account()).expect("read").expect("there");
    assert_eq!((*work.payload, work.checkpoint), (sample_payload(), Some(json!(2))));
    assert_eq!(ledger.work(&post("two"), &account()).expect("read"), None);

    let entries = ledger.read(None, 1, 2).expect("read");
    assert_eq!(entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((entries[0].at, entries[0].actor.as_str()), (at, "apply"));
    assert_eq!(entries[0].event, started("one"));
    assert_eq!(ledger.verify().expect("verify"), []);
}

fn an_event_that_cannot_follow_takes_its_whole_transaction_with_it(folder: &Folder) {
    let mut ledger = folder.create();
    let head = ledger.head().expect("head");
    let refused = ledger.append(time(1), "t", &[started("one"), stored(1), stepped("two", 1)]);
    assert!(matches!(refused, Err(Error::Illegal(_))), "{refused:?}");
    let refused = ledger.append(time(1), "t", &[started("one"), stored(2)]);
    assert!(matches!(refused, Err(Error::IllegalGrant(_))), "{refused:?}");
    let again = Event::Created { lineage: "other".into() };
    assert!(matches!(ledger.append(time(1), "t", &[again]), Err(Error::Corrupt(_))));
    assert_eq!(ledger.head().expect("head"), head);
    assert_eq!(ledger.publications().expect("read"), []);
    assert_eq!(ledger.grants().expect("read"), []);
    ledger.append(time(1), "t", &[started("one")]).expect("the ledger is not the worse for it");
}

fn entries_can_be_read_by_post(folder: &Folder) {
    let mut ledger = folder.create();
    for name in ["one", "two"] {
        ledger.append(time(1), "t", &published(name)).expect("append");
    }
    let of_two = ledger.read(Some(&post("two")), 6, 2).expect("read");
    assert_eq!(of_two.iter().map(|e| e.seq).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(ledger.read(Some(&post("three")), 0, u32::MAX).expect("read"), []);
}

fn a_new_attempt_has_its_own_payload_and_no_checkpoint(folder: &Folder) {
    let mut ledger = folder.create();
    let superseded = change("one", Change::Superseded { reason: Reason::new("newer", "commit") });
    let events = [started("one"), stepped("one", 1), superseded, started("one")];
    ledger.append(time(1), "t", &events[..2]).expect("append");
    let work = |ledger: &Ledger| ledger.work(&post("one"), &account()).expect("read").expect("there");
    assert_eq!(work(&ledger).checkpoint, Some(json!({ "step": 1 })));
    ledger.append(time(1), "t", &events[2..]).expect("append");
    assert_eq!(work(&ledger).checkpoint, None);
    let publication = ledger.publication(&post("one"), &account()).expect("read").expect("there");
    assert_eq!((publication.attempts, publication.state), (2, State::Staging));
}

fn a_remote_id_stays_taken_when_a_higher_revision_starts(folder: &Folder) {
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    let Event::Publication { change: Change::Started { platform, digest, path, payload, .. }, .. } =
        started("one")
    else {
        unreachable!("started")
    };
    let again = change("one", Change::Started { platform, digest, revision: 2, path, commit: None, payload });
    ledger.append(time(2), "t", &[again]).expect("append");
    let publication = ledger.publication(&post("one"), &account()).expect("read").expect("there");
    assert_eq!(publication.remote, Remote::default());
    assert_eq!(ledger.remote_ids(&account()).expect("read"), ["7"]);
    assert_eq!(ledger.remote_ids(&"other".parse().expect("name")).expect("read"), Vec::<String>::new());
}

fn a_post_that_was_live_before_may_be_what_is_about_to_be_published(folder: &Folder) {
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    let adopted = |id: &str, digest| Change::Adopted {
        platform: PlatformId::Tiktok,
        digest,
        revision: 1,
        path: "content/a.yaml".into(),
        remote: Remote { id: Some(id.into()), url: None },
        reason: Reason::new("adopted", "why"),
        payload: None,
    };
    let events = [
        change("before", adopted("8", ContentDigest::of_nothing())),
        change("bound", adopted("9", ContentDigest::of(b"content"))),
    ];
    ledger.append(time(2), "t", &events).expect("append");
    assert_eq!(ledger.remote_ids(&account()).expect("read"), ["7", "8", "9"]);
    assert_eq!(ledger.remote_ids_of_content(&account()).expect("read"), ["7", "9"]);
}

fn what_was_read_of_a_post_is_kept_until_another_attempt_begins(folder: &Folder) {
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    let read = |views| {
        let insight = Insight { views, likes: views.map(|views| views / 2), ..Insight::default() };
        Event::Insight { post: "one".parse().expect("id"), account: account(), insight }
    };
    for (at, views) in [(2, Some(8)), (3, None), (4, Some(i64::MAX as u64)), (5, Some(u64::MAX))] {
        ledger.append(time(at), "t", &[read(views)]).expect("append");
    }
    let key = ("one".parse().expect("id"), account());
    let views = |ledger: &Ledger| -> Vec<_> {
        let insights = ledger.insights().expect("read");
        insights.get(&key).into_iter().flatten().map(|reading| reading.insight.views).collect()
    };
    let most = Some(i64::MAX as u64);
    assert_eq!(views(&ledger), [Some(8), None, most, most], "what is beyond SQLite's numbers is the largest");
    assert_eq!(ledger.last_looks(&account()).expect("read").get(&key.0), Some(&time(5)));
    assert_eq!(ledger.last_shown(&account()).expect("read").get(&key.0), Some(&time(5)));
    let forgotten = Change::Forgotten { forced: false, reason: Reason::new("a", "b"), again: true };
    ledger.append(time(6), "t", &[change("one", forgotten)]).expect("append");
    assert!(views(&ledger).is_empty());
    assert_eq!(ledger.publications().expect("read")[0].due_again, Some(time(6)));
    assert_eq!(ledger.verify().expect("read"), []);
}

fn grants_keep_what_is_known_of_them(folder: &Folder) {
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &[stored(1)]).expect("append");
    let presented = GrantChange::Presented { generation: 1 };
    ledger.append(time(2), "t", &[Event::Grant { account: account(), change: presented }]).expect("append");
    let grant = ledger.grant(&account()).expect("read").expect("there");
    assert_eq!((grant.generation, grant.presented_at), (1, Some(time(2))));
    assert_eq!((grant.scopes.as_slice(), grant.sealed.as_str()), (&["a".into(), "b".into()][..], "00ff"));
    assert_eq!(grant.refresh_expires_at, Some(time(1_000)));
    ledger.append(time(3), "t", &[stored(2)]).expect("append");
    let grant = ledger.grant(&account()).expect("read").expect("there");
    assert_eq!((grant.generation, grant.presented_at, grant.stored_at), (2, None, time(3)));
    assert_eq!(ledger.grants().expect("read"), [grant]);
}

fn requests_and_intents_are_counted_by_time_and_forgotten_after_two_days(folder: &Folder) {
    let mut ledger = folder.create();
    let two_days = fold::REMEMBERED.as_secs();
    for (operation, second) in [("init", 0), ("status", 1), ("init", 2)] {
        ledger.append(time(second), "t", &[request(operation, time(second))]).expect("append");
    }
    let since = |ledger: &Ledger, second, operations: &[&str]| {
        ledger.requests_since(&account(), operations, time(second)).expect("read")
    };
    assert_eq!(since(&ledger, 0, &["init"]), [time(0), time(2)]);
    assert_eq!(since(&ledger, 1, &["init", "status"]), [time(1), time(2)]);
    ledger.append(time(9), "t", &[request("init", time(two_days + 2))]).expect("append");
    assert_eq!(since(&ledger, 0, &["init", "status"]), [time(2), time(two_days + 2)]);

    ledger.append(time(10), "t", &published("one")).expect("append");
    ledger.append(time(20), "t", &published("two")).expect("append");
    let intents = ledger.intents_since(&account(), time(11)).expect("read");
    assert_eq!(intents.len(), 1);
    assert_eq!((&intents[0].post, intents[0].at), (&post("two"), time(20)));
    assert_eq!(*intents[0].payload, sample_payload());
    ledger.append(time(two_days + 11), "t", &published("three")).expect("append");
    assert_eq!(ledger.intents_since(&account(), time(0)).expect("read").len(), 2);
    assert_eq!(ledger.verify().expect("verify"), []);
}

fn folding_anew_gives_the_same_views(folder: &Folder) {
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    ledger.append(time(2), "t", &[started("two"), stored(1), request("init", time(2))]).expect("append");
    let before = (ledger.publications().expect("read"), ledger.grants().expect("read"));
    ledger.refold().expect("refold");
    assert_eq!((ledger.publications().expect("read"), ledger.grants().expect("read")), before);
    assert_eq!(ledger.verify().expect("verify"), []);
}

fn an_attempt_that_proved_absent_takes_no_room_of_the_limits(folder: &Folder) {
    let mut ledger = folder.create();
    let changes = published("one");
    let is_intended =
        |event: &Event| matches!(event, Event::Publication { change: Change::Intended { .. }, .. });
    let intended = changes.iter().position(is_intended).expect("it is announced");
    let reason = Reason::new("code", "message");
    let absent = |checkpoint| Event::Publication {
        post: post("one"),
        account: account(),
        change: Change::Absent { checkpoint, reason: reason.clone() },
    };
    let count = |ledger: &Ledger| ledger.intents_since(&account(), time(0)).expect("read").len();
    ledger.append(time(1), "t", &changes[..=intended]).expect("append");
    assert_eq!(count(&ledger), 1);
    ledger.append(time(2), "t", &[absent(Some(serde_json::json!(1)))]).expect("append");
    assert_eq!(count(&ledger), 0);
    ledger.append(time(3), "t", &changes[intended..=intended]).expect("append");
    assert_eq!(count(&ledger), 1, "the next attempt counts");
    ledger.append(time(4), "t", &[absent(None)]).expect("append");
    ledger.append(time(5), "t", &[absent(None)]).expect("append");
    assert_eq!((count(&ledger), ledger.verify().expect("readable").len()), (0, 0));
}
