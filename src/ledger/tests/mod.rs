//! What the ledger promises, and what a test needs to see it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::domain::event::{GrantChange, Request};
use crate::domain::ids::PlatformId;
use crate::domain::limits::Counts;
use crate::domain::payload::Estimate;
use crate::domain::publication::{Reason, Remote, State};

mod exceptions;
mod figures;
mod marker;
#[cfg(target_os = "linux")]
mod memory;
mod opening;
mod outbox;
mod power;
mod processes;
mod recipients;
mod tampering;
mod vault;

/// Long enough for a slow machine, and no test waits for its end.
const PATIENCE: Duration = Duration::from_secs(30);

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("temporary folder"))
    }

    fn ledger(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    fn create(&self) -> Ledger {
        create(&self.ledger()).expect("create")
    }

    fn write(&self) -> Ledger {
        Ledger::open_write(&self.ledger(), PATIENCE, &holder()).expect("open for writing")
    }

    fn read(&self) -> Ledger {
        Ledger::open_read(&self.ledger()).expect("open for reading")
    }
}

fn create(path: &Path) -> Result<Ledger, Error> {
    Ledger::create(path, "line", (time(0), "test"), PATIENCE, &holder())
}

fn holder() -> Holder {
    Holder::this_process("gitcast test", time(0), |_| None)
}

fn time(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn post(name: &str) -> PostId {
    name.parse().expect("id")
}

fn account() -> AccountName {
    "brand".parse().expect("name")
}

fn change(name: &str, change: Change) -> Event {
    Event::Publication { post: post(name), account: account(), change }
}

fn sample_payload() -> Payload {
    Payload {
        platform: PlatformId::Tiktok,
        body: json!({ "v": 1 }).into(),
        media: Vec::new(),
        what: "video".into(),
        text: Some("text".into()),
        counts: Counts::Drafts,
        estimate: Estimate::default(),
        fixed: None,
    }
}

fn started(name: &str) -> Event {
    let payload = Box::new(sample_payload());
    let (digest, path) = (payload.digest(), format!("content/{name}.yaml"));
    let platform = PlatformId::Tiktok;
    change(name, Change::Started { platform, digest, revision: 1, path, commit: None, payload })
}

fn stepped(name: &str, step: u32) -> Event {
    change(name, Change::Stepped { checkpoint: json!({ "step": step }), next_at: None })
}

fn published(name: &str) -> [Event; 4] {
    let remote = Remote { id: Some("7".into()), url: Some("https://example.com/7".into()) };
    [
        started(name),
        change(name, Change::Staged { checkpoint: json!(1) }),
        change(name, Change::Intended { checkpoint: json!(2) }),
        change(name, Change::Published { checkpoint: None, remote, next_at: None }),
    ]
}

fn stored(generation: u64) -> Event {
    let change = GrantChange::Stored {
        generation,
        sealed: "00ff".into(),
        origin: "https://example.com".into(),
        scopes: vec!["a".into(), "b".into()],
        subject: "me".into(),
        expires_at: time(100),
        refresh_expires_at: Some(time(1_000)),
        how: "import".into(),
    };
    Event::Grant { account: account(), change }
}

fn request(operation: &str, sent_at: Timestamp) -> Event {
    let request = Request {
        operation: operation.into(),
        sent_at,
        millis: 5,
        status: Some(200),
        error: None,
        code: None,
        log_id: None,
    };
    Event::Request { account: account(), post: None, request }
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let folder = Folder::new();
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

#[test]
fn an_event_that_cannot_follow_takes_its_whole_transaction_with_it() {
    let folder = Folder::new();
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

#[test]
fn entries_can_be_read_by_post() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    for name in ["one", "two"] {
        ledger.append(time(1), "t", &published(name)).expect("append");
    }
    let of_two = ledger.read(Some(&post("two")), 6, 2).expect("read");
    assert_eq!(of_two.iter().map(|e| e.seq).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(ledger.read(Some(&post("three")), 0, u32::MAX).expect("read"), []);
}

#[test]
fn a_new_attempt_has_its_own_payload_and_no_checkpoint() {
    let folder = Folder::new();
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

#[test]
fn a_remote_id_stays_taken_when_a_higher_revision_starts() {
    let folder = Folder::new();
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

#[test]
fn grants_keep_what_is_known_of_them() {
    let folder = Folder::new();
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

#[test]
fn requests_and_intents_are_counted_by_time_and_forgotten_after_two_days() {
    let folder = Folder::new();
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

#[test]
fn folding_anew_gives_the_same_views() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    ledger.append(time(2), "t", &[started("two"), stored(1), request("init", time(2))]).expect("append");
    let before = (ledger.publications().expect("read"), ledger.grants().expect("read"));
    ledger.refold().expect("refold");
    assert_eq!((ledger.publications().expect("read"), ledger.grants().expect("read")), before);
    assert_eq!(ledger.verify().expect("verify"), []);
}

#[test]
fn an_attempt_that_proved_absent_takes_no_room_of_the_limits() {
    let folder = Folder::new();
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
