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

mod conformance;
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

/// Where a ledger is, and the repository that it is shared by, if it is.
struct Folder(tempfile::TempDir, Option<Place>);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("temporary folder"), None)
    }

    fn shared() -> Folder {
        let folder = tempfile::tempdir().expect("temporary folder");
        for arguments in [
            &["init", "-q", "--bare", "hub.git"][..],
            &["init", "-q", "clone"],
            &["-C", "clone", "remote", "add", "origin", "../hub.git"],
        ] {
            let status =
                std::process::Command::new("git").args(arguments).current_dir(folder.path()).status();
            assert!(status.expect("git").success(), "{arguments:?}");
        }
        let place = Place {
            folder: folder.path().join("clone"),
            remote: "origin".into(),
            reference: "refs/gitcast/ledger".into(),
            lease: SignedDuration::from_mins(5),
            variable: |name| std::env::var_os(name),
        };
        Folder(folder, Some(place))
    }

    fn ledger(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    fn create(&self) -> Ledger {
        match &self.1 {
            None => create(&self.ledger()),
            Some(place) => {
                Ledger::create_shared(&self.ledger(), place, "line", (time(0), "test"), (PATIENCE, &holder()))
            }
        }
        .expect("create")
    }

    fn write(&self) -> Ledger {
        Ledger::open_write(&self.ledger(), PATIENCE, &holder()).expect("open for writing")
    }

    /// Of a shared one, a copy that knows nothing but what is there.
    fn read(&self) -> Ledger {
        if let Some(place) = &self.1 {
            std::fs::remove_file(self.ledger()).expect("a copy");
            drop(Ledger::pull(&self.ledger(), place, PATIENCE, &holder()).expect("pull"));
        }
        Ledger::open_read(&self.ledger()).expect("open for reading")
    }
}

fn create(path: &Path) -> Result<Ledger, Error> {
    Ledger::create(path, "line", (time(0), "test"), PATIENCE, &holder())
}

fn holder() -> Holder {
    Holder::this_process("gitcast test", time(0), |_| None)
}

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn post(name: &str) -> PostId {
    name.parse().expect("id")
}

pub(super) fn account() -> AccountName {
    "brand".parse().expect("name")
}

pub(super) fn change(name: &str, change: Change) -> Event {
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

pub(super) fn started(name: &str) -> Event {
    let payload = Box::new(sample_payload());
    let (digest, path) = (payload.digest(), format!("content/{name}.yaml"));
    let platform = PlatformId::Tiktok;
    change(name, Change::Started { platform, digest, revision: 1, path, commit: None, payload })
}

pub(super) fn stepped(name: &str, step: u32) -> Event {
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

pub(super) fn request(operation: &str, sent_at: Timestamp) -> Event {
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
