//! Room for a new login in case the ledger cannot take it.
//!
//! A refresh token is good for one use: once a platform has answered with a new pair, the old one is dead, and a ledger
//! that cannot be written at that moment, for want of disk say, would lose the account. So room is made before the
//! refresh token is sent, on disk and in full; what the ledger does not take goes there, sealed as it is, and the next
//! writer takes it up.
//!
//! # Guarantees
//!
//! [`Rescue::keep`] needs no further room on file systems that write in place. What was kept is recorded once, and only
//! as the generation that follows the recorded one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::open::{beside, owner_only, sync_folder};
use super::{Error, Ledger};
use crate::domain::event::{Event, GrantChange};
use crate::domain::ids::AccountName;

/// More than a sealed login takes: two tokens of some hundred bytes, sealed for a few keys, in hexadecimal digits.
const BYTES: usize = 32 * 1024;
/// What is larger than this is no rescued login.
const BYTES_MAX: u64 = 1 << 20;
/// Behind the name of the ledger, before that of the account.
const SUFFIX: &str = ".rescue.";

/// Room that was made. It goes away with this value, unless something was kept in it.
#[derive(Debug)]
pub struct Rescue {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Rescue {
    /// Puts `change` there, to survive this process and a power cut.
    pub fn keep(mut self, change: &GrantChange) -> Result<PathBuf, Error> {
        let text = serde_json::to_string(change).expect("a change has only text keys");
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        // Even what could not be written whole stays for a person to look at.
        self.is_kept = true;
        written.map_err(|error| Error::io(&self.path, error))?;
        Ok(self.path.clone())
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        if !self.is_kept {
            // Room that stays behind is found empty by the next writer.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Ledger {
    /// Makes room for the next login of `account`.
    ///
    /// # Errors
    ///
    /// [`Error::FullDisk`] and the like: then the refresh token had better not be sent.
    pub fn make_room(&self, account: &AccountName) -> Result<Rescue, Error> {
        let path = beside(self.path()?, &format!("{SUFFIX}{account}"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        owner_only(&mut options);
        let made = options.open(&path).and_then(|mut file| {
            file.write_all(&vec![b' '; BYTES])?;
            file.sync_all()?;
            std::io::Seek::rewind(&mut file)?;
            Ok(file)
        });
        let file = made.map_err(|error| {
            let _ = std::fs::remove_file(&path);
            Error::io(&path, error)
        })?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Rescue { path, file, is_kept: false })
    }

    /// Records the logins that an earlier process could not, and tells whose they are. What is out of date goes away;
    /// what cannot be read, or is newer than this ledger knows of, stays where it is.
    pub fn take_rescued(&mut self, at: Timestamp, actor: &str) -> Result<Vec<AccountName>, Error> {
        let mut taken = Vec::new();
        for (account, path) in self.rescue_files()? {
            let kept = match read(&path) {
                Ok(kept) => kept,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a rescued login cannot be read");
                    continue;
                }
            };
            let next = self.grant(&account)?.map_or(0, |grant| grant.generation) + 1;
            match kept {
                Some(GrantChange::Stored { generation, .. }) if generation > next => continue,
                Some(change @ GrantChange::Stored { generation, .. }) if generation == next => {
                    self.append(at, actor, &[Event::Grant { account: account.clone(), change }])?;
                    taken.push(account);
                }
                _ => {}
            }
            std::fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
        }
        Ok(taken)
    }

    fn rescue_files(&self) -> Result<Vec<(AccountName, PathBuf)>, Error> {
        let path = self.path()?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
        let prefix = format!("{}{SUFFIX}", name.to_string_lossy());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
            let entry = entry.map_err(|error| Error::io(folder, error))?;
            let name = entry.file_name();
            let account = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse().ok());
            files.extend(account.map(|account| (account, entry.path())));
        }
        files.sort();
        Ok(files)
    }

    fn path(&self) -> Result<&Path, Error> {
        self.db.path().map(Path::new).ok_or(Error::ReadOnly)
    }
}

/// What was kept; `None` where there is only room.
fn read(path: &Path) -> std::io::Result<Option<GrantChange>> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    match text.trim() {
        "" => Ok(None),
        kept => Ok(Some(serde_json::from_str(kept)?)),
    }
}
