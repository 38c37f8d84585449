//! The data key, wrapped for each recipient: HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305, in its
//! authenticated mode.
//!
//! # Guarantees
//!
//! What is wrapped opens with the recipient's secret key only, and shows that whoever made the list holds the secret
//! key that the list names as its author's. It is bound to the lineage, the epoch and the whole list, so that a name or
//! a public key that is put into a recorded list, for the next data key to be wrapped for, is noticed by all.

use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng, utils};
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, KeyBytes, VaultError};
use crate::domain::ids::{hex, unhex};
use crate::domain::recipient::{Member, PublicKey, Recipient, Recipients};

type Kem = X25519HkdfSha256;
type HpkePublic = <Kem as hpke::Kem>::PublicKey;
type HpkeSecret = <Kem as hpke::Kem>::PrivateKey;

/// Bytes of the sender's half of the exchange, in front of the wrapped key.
const ENCAPPED_BYTES: usize = 32;

pub(super) fn public(secret: &[u8; KEY_BYTES]) -> PublicKey {
    PublicKey(Kem::sk_to_pk(&secret_key(secret)).to_bytes().into())
}

/// The list of `members`, made by `author`, each with the data key.
pub(super) fn wrap(
    data: &KeyBytes,
    author: &Key,
    lineage: &str,
    epoch: u64,
    members: &[Member],
) -> Result<Recipients, VaultError> {
    let info = info(lineage, epoch, members);
    let mode = OpModeS::Auth((secret_key(author.bytes()), public_key(&author.public())));
    let wrapped = |member: &Member| {
        let mut random = SystemRandom { failed: None };
        let sealed = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &mode,
            &public_key(&member.key),
            &info,
            data.as_slice(),
            &place(member),
            &mut random,
        );
        random.failed.map_or(Ok(()), |error| Err(VaultError::Random(error)))?;
        let (encapped, sealed) = sealed.map_err(|_| VaultError::UnusableKey { name: member.name.clone() })?;
        let wrapped = hex(&[&encapped.to_bytes(), sealed.as_slice()].concat());
        Ok(Recipient { name: member.name.clone(), public_key: member.key, wrapped })
    };
    let recipients = members.iter().map(wrapped).collect::<Result<_, VaultError>>()?;
    Ok(Recipients { epoch, by: author.public(), recipients })
}

/// The data key, for a key that is one of the recipients'. `None`: the list is not as its author made it.
pub(super) fn unwrap(
    key: &Key,
    lineage: &str,
    recipients: &Recipients,
    recipient: &Recipient,
) -> Option<KeyBytes> {
    let bytes = unhex(&recipient.wrapped)?;
    let (encapped, sealed) = bytes.split_first_chunk::<ENCAPPED_BYTES>()?;
    let encapped = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapped).ok()?;
    let members = recipients.members();
    let member = Member { name: recipient.name.clone(), key: recipient.public_key };
    let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Auth(public_key(&recipients.by)),
        &secret_key(key.bytes()),
        &encapped,
        &info(lineage, recipients.epoch, &members),
        sealed,
        &place(&member),
    );
    let opened = Zeroizing::new(opened.ok()?);
    let mut data = KeyBytes::zero();
    (opened.len() == KEY_BYTES).then(|| data.copy_from_slice(&opened))?;
    Some(data)
}

/// As JSON, in which no two lists look the same.
fn info(lineage: &str, epoch: u64, members: &[Member]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.key)).collect();
    serde_json::to_vec(&("gitcast data key", lineage, epoch, members)).expect("texts and numbers")
}

fn place(member: &Member) -> Vec<u8> {
    serde_json::to_vec(&(member.name.as_str(), member.key)).expect("texts")
}

fn secret_key(bytes: &[u8; KEY_BYTES]) -> HpkeSecret {
    HpkeSecret::from_bytes(bytes).expect("X25519 takes any 32 bytes")
}

fn public_key(key: &PublicKey) -> HpkePublic {
    HpkePublic::from_bytes(&key.0).expect("X25519 takes any 32 bytes")
}

/// The operating system's random numbers. HPKE cannot be told that there are none, so the failure is kept for the
/// caller, who throws away what was made without them.
struct SystemRandom {
    failed: Option<getrandom::Error>,
}

impl TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.failed = self.failed.take().or(getrandom::fill(bytes).err());
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhexed<const N: usize>(text: &str) -> [u8; N] {
        unhex(text).expect("digits").try_into().expect("length")
    }

    /// RFC 7748, section 6.1: the key of Bob.
    #[test]
    fn the_public_half_is_that_of_x25519() {
        let secret = unhexed("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let shown = unhexed("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        assert_eq!(public(&secret), PublicKey(shown));
    }

    #[test]
    fn random_numbers_are_drawn_and_a_failure_would_be_kept() {
        let mut random = SystemRandom { failed: None };
        let mut drawn = [[0; KEY_BYTES]; 2];
        for bytes in &mut drawn {
            let Ok(()) = random.try_fill_bytes(bytes);
        }
        assert!(random.failed.is_none() && drawn[0] != drawn[1]);
        let mut failing = SystemRandom { failed: Some(getrandom::Error::UNSUPPORTED) };
        let Ok(()) = failing.try_fill_bytes(&mut drawn[0]);
        assert_eq!(failing.failed, Some(getrandom::Error::UNSUPPORTED), "a later success hides nothing");
    }
}
