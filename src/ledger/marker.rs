//! The marker: a file beside the ledger that tells which entry was the last one when a writer closed it.
//!
//! A ledger that was put back from a backup is whole and of the right lineage, and has forgotten what was published
//! since. The marker shows it, as long as it is not put back with it. It may lag behind the ledger, since a process
//! that dies leaves none: an entry that the marker names must be there, and what follows it does not matter.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::open::{beside, owner_only};
use super::{Error, Head, Ledger, lock, rows};
use crate::domain::ids::hex;

/// More than a marker ever holds.
const BYTES_MAX: u64 = 4096;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    lineage: String,
    seq: u64,
    /// In hexadecimal digits.
    hash: String,
}

impl Marker {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("it has only text keys")
    }
}

/// Where the marker of the ledger at `ledger` lies: `head` beside `ledger.db`, `NAME.head` beside any other.
pub(super) fn path(ledger: &Path) -> PathBuf {
    let lock = lock::path(ledger);
    match lock.extension() {
        Some(_) => lock.with_extension("head"),
        None => lock.with_file_name("head"),
    }
}

impl Ledger {
    /// Where the marker of the ledger at `ledger` lies.
    pub fn marker_path(ledger: &Path) -> PathBuf {
        path(ledger)
    }

    /// What the marker says once this ledger is closed.
    pub fn marker(&self) -> Result<String, Error> {
        Ok(self.marker_of(self.head()?).text())
    }

    fn marker_of(&self, head: Head) -> Marker {
        Marker { lineage: self.lineage.clone(), seq: head.seq, hash: hex(&head.hash) }
    }

    /// Whether a ledger was written at `ledger` before, even if none is there now.
    pub fn was_seen(ledger: &Path) -> bool {
        path(ledger).exists()
    }

    /// Refuses a ledger that is not the one last written at `ledger`, or an older state of it, unless `accept` allows
    /// it. From then on, closing a ledger that was opened for writing leaves the marker anew.
    pub fn expect_latest(&mut self, ledger: &Path, accept: bool) -> Result<(), Error> {
        let marker = path(ledger);
        if !accept && let Some(why) = self.disagreement(&marker)? {
            return Err(Error::NotTheLatest { why });
        }
        self.marker = Some(marker);
        Ok(())
    }

    fn disagreement(&self, marker: &Path) -> Result<Option<String>, Error> {
        let marker = match read(marker) {
            Ok(Some(marker)) => marker,
            Ok(None) => return Ok(None),
            Err(why) => return Ok(Some(format!("`{}` cannot be read: {why}", marker.display()))),
        };
        if marker.lineage != self.lineage {
            return Ok(Some(format!("the last one was of the lineage `{}`", marker.lineage)));
        }
        let last = self.head()?.seq;
        if last < marker.seq {
            return Ok(Some(format!(
                "it ends with entry {last}, and entry {} was recorded before",
                marker.seq
            )));
        }
        let same = rows::find_entry(&self.db, marker.seq)?.is_some_and(|e| hex(&e.hash) == marker.hash);
        Ok((!same).then(|| format!("its entry {} is another one than was recorded before", marker.seq)))
    }

    /// For whoever opens the ledger next. A failure only makes the marker lag behind.
    pub(super) fn leave_marker(&self, head: Head) {
        let Some(path) = &self.marker else { return };
        let marker = self.marker_of(head);
        if read(path).ok().flatten().as_ref() != Some(&marker) {
            let _ = write(path, &marker);
        }
    }
}

fn read(path: &Path) -> Result<Option<Marker>, String> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| error.to_string())?,
    };
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map(Some).map_err(|error| error.to_string())
}

/// Whole or not at all.
fn write(path: &Path, marker: &Marker) -> std::io::Result<()> {
    let half = beside(path, ".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    owner_only(&mut options);
    let mut file = options.open(&half)?;
    file.write_all(marker.text().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(half, path)
}
