//! What happens, as lines of JSON in a file, for whoever watches a run: one document a line, as soon as it is recorded.
//!
//! The file is opened for each line, so that it may be moved away and cut at any time. It holds no payload, no token and no
//! address of an upload.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::FORMAT_VERSION;
use super::ui;
use crate::domain::publication::{Change, Publication};
use crate::reconcile::execute::Notice;

/// Where lines go, if anywhere.
#[derive(Debug, Default)]
pub(super) struct Events {
    file: Option<PathBuf>,
    /// Whether it was told that they do not.
    has_failed: AtomicBool,
}

impl Events {
    pub(super) fn to(file: Option<PathBuf>) -> Events {
        Events { file, has_failed: AtomicBool::new(false) }
    }

    pub(super) fn note(&self, notice: &Notice<'_>, now: Timestamp) {
        let event = match notice {
            Notice::Changed { publication, change } => changed(publication, change),
            Notice::Paced { account, operation, until } => {
                json!({ "event": "paced", "account": account, "operation": operation, "until": until })
            }
            Notice::Login { account, message } => {
                json!({ "event": "login", "account": account, "message": message })
            }
            Notice::Working { .. } => return,
        };
        self.write(event, now);
    }

    fn write(&self, mut event: Value, now: Timestamp) {
        let Some(file) = &self.file else { return };
        event["format_version"] = FORMAT_VERSION.into();
        event["at"] = json!(now);
        let line = format!("{event}\n");
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        // What is recorded is recorded: that nobody hears of it stops nothing.
        match written {
            Ok(()) => self.has_failed.store(false, Ordering::Relaxed),
            Err(error) if !self.has_failed.swap(true, Ordering::Relaxed) => {
                ui::tell(&format!("warning: no events can be written to {}: {error}", file.display()));
            }
            Err(_) => {}
        }
    }
}

fn changed(publication: &Publication, change: &Change) -> Value {
    json!({
        "event": "changed", "change": change.name(), "state": publication.state,
        "post": publication.post, "account": publication.account, "platform": publication.platform,
        "revision": publication.revision, "digest": publication.digest, "attempts": publication.attempts,
        "reason": publication.reason, "remote_id": publication.remote.id, "remote_url": publication.remote.url,
        "next_at": publication.next_at, "path": publication.path,
    })
}
