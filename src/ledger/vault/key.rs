//! A holder's key: 32 bytes, from the environment or from a file that only its owner can read.
//!
//! It is used in two ways, by ledgers of two kinds: without recipients it seals the tokens itself; with recipients it
//! is the X25519 key that opens the data key.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyBytes, VaultError, wrap};
use crate::domain::recipient::{Member, PublicKey, Recipients};
use crate::ledger::open::{beside, make_folder, owner_only, sync_folder};
use crate::secret::Secret;

/// The environment variable that a key may come from.
pub const KEY_VARIABLE: &str = "GITCAST_KEY";

/// More than a key file ever holds.
const KEY_FILE_BYTES_MAX: u64 = 1024;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    Variable,
    File(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Variable => f.write_str(KEY_VARIABLE),
            KeySource::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

/// What opens the logins. Wiped from memory when dropped; has no way to print itself.
pub struct Key {
    bytes: KeyBytes,
    source: KeySource,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(from {})", self.source)
    }
}

impl Key {
    /// A key file's content, or the variable's.
    ///
    /// # Errors
    ///
    /// [`VaultError::InvalidKey`], which does not repeat the text.
    pub fn parse(digits: &str, source: KeySource) -> Result<Key, VaultError> {
        match read_digits(digits.trim()) {
            Some(bytes) => Ok(Key { bytes, source }),
            None => Err(VaultError::InvalidKey(source)),
        }
    }

    /// The key in a file that only its owner can read.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoKey`] when there is no file, [`VaultError::Exposed`] when others may read or write it.
    pub fn from_file(path: &Path) -> Result<Key, VaultError> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize));
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(VaultError::NoKey { file: path.to_owned() });
            }
            other => other.map_err(|error| io(path, error))?,
        };
        refuse_exposed(path, &file)?;
        match file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text) {
            Err(error) if error.kind() != std::io::ErrorKind::InvalidData => Err(io(path, error)),
            _ => Key::parse(&text, KeySource::File(path.to_owned())),
        }
    }

    /// A new key in a new file, which survives a power cut from the moment that this returns.
    ///
    /// # Errors
    ///
    /// [`VaultError::Taken`] when there is anything at `path`; it is left alone.
    pub fn create(path: &Path) -> Result<Key, VaultError> {
        let bytes = KeyBytes::random()?;
        make_folder(folder_of(path)).map_err(|error| io(path, std::io::Error::other(error)))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        owner_only(&mut options);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => VaultError::Taken { path: path.to_owned() },
            _ => io(path, error),
        })?;
        let written = file.write_all(&digits(&bytes)).and_then(|()| file.sync_all());
        written.map_err(|error| io(path, error))?;
        sync_beside(path)?;
        Ok(Key { bytes, source: KeySource::File(path.to_owned()) })
    }

    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// The half that may be shown.
    pub fn public(&self) -> PublicKey {
        wrap::public(&self.bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

/// Where the key of this process is looked for.
#[derive(Debug)]
pub struct KeyPlace {
    /// The variable's value; then the file does not count.
    pub variable: Option<Secret>,
    pub file: PathBuf,
}

impl KeyPlace {
    /// The key in force. A `rekey` that died between recording the new key and moving it to its place has left it
    /// beside the old one; which of the two counts is what the ledger says, not what happens to open.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoKey`] when there is neither variable nor file.
    pub fn load(&self, recipients: Option<&Recipients>) -> Result<Key, VaultError> {
        if let Some(digits) = &self.variable {
            return Key::parse(digits.expose(), KeySource::Variable);
        }
        let key = Key::from_file(&self.file);
        let Some(recipients) = recipients else { return key };
        let counts = |key: &Result<Key, VaultError>| {
            key.as_ref().is_ok_and(|key| recipients.find(&key.public()).is_some())
        };
        if counts(&key) {
            return key;
        }
        let next = Key::from_file(&self.next());
        if counts(&next) { next } else { key }
    }

    /// As [`load`](Self::load); moves a new key to its place, and makes one where there is none yet. The caller holds
    /// the ledger's lock.
    pub fn load_or_create(&self, recipients: Option<&Recipients>) -> Result<Key, VaultError> {
        match self.load(recipients) {
            // Where there are recipients, a new key would be none of them.
            Err(VaultError::NoKey { .. }) if recipients.is_none() => Key::create(&self.file),
            Ok(key) => self.settled(key),
            other => other,
        }
    }

    /// A new key beside the one in force, to be moved to its place when the ledger names it. The caller holds the
    /// ledger's lock and has the key in force, so that what lies there is a leftover, unless it opens the logins too.
    ///
    /// # Errors
    ///
    /// [`VaultError::Taken`] when it does.
    pub fn prepare_next(&self, members: &[Member]) -> Result<Key, VaultError> {
        let next = self.next();
        if Key::from_file(&next).is_ok_and(|key| members.iter().any(|m| m.key == key.public())) {
            return Err(VaultError::Taken { path: next });
        }
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&next, error)),
            _ => Key::create(&next),
        }
    }

    /// Moves the new key to its place, if `key` is it.
    pub fn settled(&self, key: Key) -> Result<Key, VaultError> {
        let next = self.next();
        if key.source != KeySource::File(next.clone()) {
            return Ok(key);
        }
        std::fs::rename(&next, &self.file).map_err(|error| io(&self.file, error))?;
        sync_beside(&self.file)?;
        Ok(Key { source: KeySource::File(self.file.clone()), ..key })
    }

    fn next(&self) -> PathBuf {
        beside(&self.file, ".next")
    }
}

/// A key as a file holds it, made in place so that no copy stays behind.
fn digits(bytes: &[u8; KEY_BYTES]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(vec![b'\n'; KEY_BYTES * 2 + 1]);
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    text
}

/// The key that 64 digits stand for, read into place likewise.
fn read_digits(text: &str) -> Option<KeyBytes> {
    let mut bytes = KeyBytes::zero();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != KEY_BYTES || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(bytes)
}

fn sync_beside(path: &Path) -> Result<(), VaultError> {
    sync_folder(folder_of(path)).map_err(|error| io(path, std::io::Error::other(error)))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn io(path: &Path, source: std::io::Error) -> VaultError {
    VaultError::Io { path: path.to_owned(), source }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), VaultError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(|error| io(path, error))?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(VaultError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), VaultError> {
    Ok(())
}
