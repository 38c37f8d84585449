//! Sealing tokens, so that a copied ledger gives nobody an account.
//!
//! XChaCha20-Poly1305 with a key that is not in the ledger. What is sealed is bound to the ledger's lineage, the
//! account and the generation: moved to another place, it does not open.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::open::{owner_only, sync_folder};
use crate::domain::event::GrantChange;
use crate::domain::grant::{Grant, GrantRecord};
use crate::domain::ids::{AccountName, hex, unhex};
use crate::secret::Secret;

/// The environment variable that a key may come from.
pub const KEY_VARIABLE: &str = "GITCAST_KEY";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// First byte of what is sealed: tells how it was sealed.
const FORMAT: u8 = 1;
/// More than a key file ever holds.
const KEY_FILE_BYTES_MAX: u64 = 1024;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("there is no key to open the stored tokens with: neither {KEY_VARIABLE} nor `{}`", file.display())]
    NoKey { file: PathBuf },
    #[error("the key in {0} must be 64 hexadecimal digits")]
    InvalidKey(KeySource),
    #[error("the key file `{}` can be read by others (mode {mode:04o}); allow only its owner: chmod 600", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "the stored tokens of {account} cannot be opened with the key in {key}: \
         it is another key, or the ledger was changed"
    )]
    NotDecryptable { account: AccountName, key: KeySource },
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

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

/// What seals tokens. Wiped from memory when dropped; has no way to print itself.
pub struct Key {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    source: KeySource,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(from {})", self.source)
    }
}

impl Key {
    /// The key from the variable's value if it is set, else from the file.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoKey`] when there is neither.
    pub fn load(variable: Option<&Secret>, file: &Path) -> Result<Key, VaultError> {
        match variable {
            Some(digits) => Key::parse(digits.expose(), KeySource::Variable),
            None => Key::from_file(file),
        }
    }

    /// As [`load`](Self::load), and makes the file when there is neither. The caller holds the ledger's lock.
    pub fn load_or_create(variable: Option<&Secret>, file: &Path) -> Result<Key, VaultError> {
        match Key::load(variable, file) {
            Err(VaultError::NoKey { .. }) => Key::create(file),
            other => other,
        }
    }

    pub fn source(&self) -> &KeySource {
        &self.source
    }

    fn parse(digits: &str, source: KeySource) -> Result<Key, VaultError> {
        let bytes = unhex(digits.trim()).map(Zeroizing::new).filter(|bytes| bytes.len() == KEY_BYTES);
        let Some(found) = bytes else { return Err(VaultError::InvalidKey(source)) };
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(&found);
        Ok(Key { bytes, source })
    }

    fn from_file(path: &Path) -> Result<Key, VaultError> {
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

    fn create(path: &Path) -> Result<Key, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(VaultError::Random)?;
        let text = Zeroizing::new(hex(bytes.as_ref()) + "\n");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        owner_only(&mut options);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| io(path, error))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        sync_folder(folder.unwrap_or(Path::new(".")))
            .map_err(|error| io(path, std::io::Error::other(error)))?;
        Ok(Key { bytes, source: KeySource::File(path.to_owned()) })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

/// Both tokens of a grant.
#[derive(Serialize, Deserialize)]
struct Tokens<T> {
    access: T,
    refresh: Option<T>,
}

/// Seals and opens the logins of one ledger.
#[derive(Debug)]
pub struct Vault {
    key: Key,
    lineage: String,
}

impl Vault {
    pub fn new(key: Key, lineage: impl Into<String>) -> Vault {
        Vault { key, lineage: lineage.into() }
    }

    /// The tokens of a recorded grant.
    ///
    /// # Errors
    ///
    /// [`VaultError::NotDecryptable`] for another key, or a record that was moved or changed.
    pub fn open(&self, record: &GrantRecord) -> Result<Grant, VaultError> {
        let place = self.place(&record.account, record.generation);
        let (access, refresh) = open(&self.key, place, &record.sealed)?;
        Ok(Grant {
            access,
            refresh,
            expires_at: record.expires_at,
            refresh_expires_at: record.refresh_expires_at,
            scopes: record.scopes.clone(),
            subject: record.subject.clone(),
        })
    }

    /// What to record of a grant: its tokens sealed for this account and generation.
    pub fn stored(
        &self,
        account: &AccountName,
        generation: u64,
        grant: &Grant,
        origin: String,
        how: &str,
    ) -> Result<GrantChange, VaultError> {
        let sealed = seal(&self.key, self.place(account, generation), &grant.access, grant.refresh.as_ref())?;
        Ok(GrantChange::Stored {
            generation,
            sealed,
            origin,
            scopes: grant.scopes.clone(),
            subject: grant.subject.clone(),
            expires_at: grant.expires_at,
            refresh_expires_at: grant.refresh_expires_at,
            how: how.to_owned(),
        })
    }

    fn place<'a>(&'a self, account: &'a AccountName, generation: u64) -> Place<'a> {
        Place { lineage: &self.lineage, account, generation }
    }
}

/// What sealed tokens belong to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub lineage: &'a str,
    pub account: &'a AccountName,
    pub generation: u64,
}

impl Place<'_> {
    /// As JSON, in which no two places look the same.
    fn bytes(&self) -> Vec<u8> {
        let place = ("gitcast tokens", self.lineage, self.account.as_str(), self.generation);
        serde_json::to_vec(&place).expect("texts and a number")
    }
}

/// Ciphertext of both tokens, in hexadecimal digits: format, nonce, sealed bytes.
pub fn seal(
    key: &Key,
    place: Place<'_>,
    access: &Secret,
    refresh: Option<&Secret>,
) -> Result<String, VaultError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(VaultError::Random)?;
    let tokens = Tokens { access: access.expose(), refresh: refresh.map(Secret::expose) };
    let text = Zeroizing::new(serde_json::to_vec(&tokens).expect("texts"));
    let sealed = key
        .cipher()
        .encrypt(&XNonce::from(nonce), Payload { msg: &text, aad: &place.bytes() })
        .expect("tokens are far below the cipher's limit of 256 GiB");
    Ok(hex(&[&[FORMAT], nonce.as_slice(), &sealed].concat()))
}

/// The tokens again, access and refresh.
///
/// # Errors
///
/// [`VaultError::NotDecryptable`] for another key, another place, or a changed byte.
pub fn open(key: &Key, place: Place<'_>, sealed: &str) -> Result<(Secret, Option<Secret>), VaultError> {
    try_open(key, place, sealed)
        .ok_or_else(|| VaultError::NotDecryptable { account: place.account.clone(), key: key.source.clone() })
}

fn try_open(key: &Key, place: Place<'_>, sealed: &str) -> Option<(Secret, Option<Secret>)> {
    let bytes = unhex(sealed)?;
    let (&FORMAT, rest) = bytes.split_first()? else { return None };
    let (nonce, msg) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let text = key.cipher().decrypt(&XNonce::from(*nonce), Payload { msg, aad: &place.bytes() }).ok()?;
    let text = Zeroizing::new(text);
    let tokens: Tokens<String> = serde_json::from_slice(&text).ok()?;
    Some((Secret::new(tokens.access), tokens.refresh.map(Secret::new)))
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
