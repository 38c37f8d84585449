//! Sealing tokens, so that a copied ledger gives nobody an account.
//!
//! # Flow
//!
//! Tokens are sealed with a key that is not in the ledger, and bound to the ledger's lineage, the account and the
//! generation: moved to another place, they do not open. In a ledger without recipients, that key is the holder's own.
//! With recipients it is a random data key; the ledger holds it wrapped for the key of each recipient.
//!
//! # Guarantees
//!
//! Which key counts is decided by comparing public keys with the ledger's list, never by trying. Who writes into the
//! ledger and holds no key that opens it changes nothing in the list unnoticed, neither to be let in nor to have the
//! next data key wrapped for a key of his own: the list's author vouches for all of it. A recipient who was removed
//! opens nothing that is sealed afterwards.
//!
//! # Assumptions
//!
//! The keys are secret. Who can write the ledger can put a list of his own making in the place of the recorded one,
//! with another author and another data key; then no login that is stored opens, and the error says why. What is in the
//! ledger's history stays open to the keys of its time.

use crate::domain::event::{Event, GrantChange};
use crate::domain::grant::{Grant, GrantRecord};
use crate::domain::ids::{AccountName, RecipientName};
use crate::domain::recipient::{Member, PublicKey, Recipients};

mod bytes;
mod key;
mod seal;
mod wrap;

use bytes::KeyBytes;
pub use key::{KEY_VARIABLE, Key, KeyPlace, KeySource};
pub(super) use seal::{Format, Place, Sealer, Tokens};

use std::path::PathBuf;

pub(super) const KEY_BYTES: usize = 32;

/// What the key is called that was there before there were recipients.
const FIRST_NAME: &str = "owner";

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("there is no key to open the stored tokens with: neither {KEY_VARIABLE} nor `{}`", file.display())]
    NoKey { file: PathBuf },
    #[error("the key in {0} must be 64 hexadecimal digits")]
    InvalidKey(KeySource),
    #[error("the key file `{}` can be read by others (mode {mode:04o}); allow only its owner: chmod 600", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("there is something at `{}` already; a key is never written over it", path.display())]
    Taken { path: PathBuf },
    #[error(
        "the key in {key} ({}) is none of those that open the stored logins: {}",
        public.short(),
        names(known)
    )]
    NotARecipient { key: KeySource, public: PublicKey, known: Vec<Member> },
    #[error("the list of recipients was changed after {} had made it", by.short())]
    ListChanged { by: PublicKey },
    #[error("nothing can be sealed for the public key of {name}")]
    UnusableKey { name: RecipientName },
    #[error("the stored tokens of {account} cannot be opened with the key in {key} ({}): {why}", public.short())]
    NotDecryptable { account: AccountName, key: KeySource, public: PublicKey, why: &'static str },
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

fn names(members: &[Member]) -> String {
    let names: Vec<_> = members.iter().map(|m| format!("{} ({})", m.name, m.key.short())).collect();
    names.join(", ")
}

/// Seals and opens the logins of one ledger.
pub struct Vault {
    key: Key,
    lineage: String,
    shared: Option<Shared>,
}

/// Where there are recipients.
struct Shared {
    data: KeyBytes,
    recipients: Recipients,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({:?})", self.key)
    }
}

impl Vault {
    /// Of a ledger without recipients.
    pub fn new(key: Key, lineage: impl Into<String>) -> Vault {
        Vault { key, lineage: lineage.into(), shared: None }
    }

    /// Of a ledger with these recipients, if any.
    ///
    /// # Errors
    ///
    /// [`VaultError::NotARecipient`] for the key of somebody else, [`VaultError::ListChanged`] for a list that is not
    /// as its author made it.
    pub fn of(
        key: Key,
        lineage: impl Into<String>,
        recipients: Option<Recipients>,
    ) -> Result<Vault, VaultError> {
        let mut vault = Vault::new(key, lineage);
        let Some(recipients) = recipients else { return Ok(vault) };
        let public = vault.key.public();
        let Some(own) = recipients.find(&public) else {
            let (key, known) = (vault.key.source().clone(), recipients.members());
            return Err(VaultError::NotARecipient { key, public, known });
        };
        let data = wrap::unwrap(&vault.key, &vault.lineage, &recipients, own)
            .ok_or(VaultError::ListChanged { by: recipients.by })?;
        vault.shared = Some(Shared { data, recipients });
        Ok(vault)
    }

    /// The tokens of a recorded grant.
    ///
    /// # Errors
    ///
    /// [`VaultError::NotDecryptable`] for another key, or a record that was moved or changed.
    pub fn open(&self, record: &GrantRecord) -> Result<Grant, VaultError> {
        let place = self.place(&record.account, record.generation);
        let Tokens { access, refresh, app } =
            self.sealer().open(place, &record.sealed).ok_or_else(|| self.not_decryptable(&record.account))?;
        Ok(Grant {
            access,
            refresh,
            app,
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
        Ok(GrantChange::Stored {
            generation,
            sealed: self.sealed(account, generation, grant)?,
            origin,
            scopes: grant.scopes.clone(),
            subject: grant.subject.clone(),
            expires_at: grant.expires_at,
            refresh_expires_at: grant.refresh_expires_at,
            how: how.to_owned(),
        })
    }

    /// The half of the key in use that may be shown.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    pub fn source(&self) -> &KeySource {
        self.key.source()
    }

    /// Who can open the logins: the recipients, or the holder of the one key.
    pub fn members(&self) -> Vec<Member> {
        let only = || vec![Member { name: first_name(), key: self.public() }];
        self.shared.as_ref().map_or_else(only, |shared| shared.recipients.members())
    }

    /// What to record so that `members`, more than before, can open the logins: the data key wrapped for each, or where
    /// there is none yet, as [`sealed_anew`](Self::sealed_anew).
    pub fn opened_to(&self, members: &[Member], grants: &[GrantRecord]) -> Result<Vec<Event>, VaultError> {
        let Some(Shared { data, recipients }) = &self.shared else {
            return self.sealed_anew(None, members, grants);
        };
        let list = wrap::wrap(data, &self.key, &self.lineage, recipients.epoch, members)?;
        Ok(vec![Event::Recipients(list)])
    }

    /// What to record so that `members` and nobody else can open the logins: a new data key, wrapped for each, and every
    /// login sealed anew. `new` takes the place of the key in use, if any does; it must be that of a member.
    ///
    /// # Errors
    ///
    /// [`VaultError::NotDecryptable`] when there is a login that cannot be opened, hence not be sealed anew.
    pub fn sealed_anew(
        &self,
        new: Option<&Key>,
        members: &[Member],
        grants: &[GrantRecord],
    ) -> Result<Vec<Event>, VaultError> {
        let data = KeyBytes::random()?;
        let epoch = self.shared.as_ref().map_or(0, |shared| shared.recipients.epoch) + 1;
        let author = new.unwrap_or(&self.key);
        let list = wrap::wrap(&data, author, &self.lineage, epoch, members)?;
        let sealer = Sealer { format: Format::DataKey, key: &data };
        let mut events = vec![Event::Recipients(list)];
        for record in grants {
            let grant = self.open(record)?;
            let (account, generation) = (record.account.clone(), record.generation);
            let place = self.place(&account, generation);
            let sealed = sealer.seal(place, Tokens::of(&grant))?;
            events.push(Event::Grant { account, change: GrantChange::Resealed { generation, sealed } });
        }
        Ok(events)
    }

    fn sealed(&self, account: &AccountName, generation: u64, grant: &Grant) -> Result<String, VaultError> {
        let place = self.place(account, generation);
        self.sealer().seal(place, Tokens::of(grant))
    }

    fn sealer(&self) -> Sealer<'_> {
        match &self.shared {
            Some(shared) => Sealer { format: Format::DataKey, key: &shared.data },
            None => Sealer { format: Format::OwnKey, key: self.key.bytes() },
        }
    }

    fn place<'a>(&'a self, account: &'a AccountName, generation: u64) -> Place<'a> {
        Place { lineage: &self.lineage, account, generation }
    }

    fn not_decryptable(&self, account: &AccountName) -> VaultError {
        VaultError::NotDecryptable {
            account: account.clone(),
            key: self.key.source().clone(),
            public: self.public(),
            why: match self.shared {
                Some(_) => "the key is right, so the ledger was changed",
                None => "it is another key, or the ledger was changed",
            },
        }
    }
}

fn first_name() -> RecipientName {
    FIRST_NAME.parse().expect("a name")
}
