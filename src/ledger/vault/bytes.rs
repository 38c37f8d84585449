//! The bytes of a key, in one place of memory from first to last.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

use super::{KEY_BYTES, VaultError};

/// On the heap, because each move of an array leaves a copy on the stack. Wiped when dropped.
pub(super) struct KeyBytes(Box<[u8; KEY_BYTES]>);

impl KeyBytes {
    /// To be filled in place.
    pub(super) fn zero() -> KeyBytes {
        KeyBytes(Box::new([0; KEY_BYTES]))
    }

    pub(super) fn random() -> Result<KeyBytes, VaultError> {
        let mut bytes = KeyBytes::zero();
        getrandom::fill(bytes.as_mut_slice()).map_err(VaultError::Random)?;
        Ok(bytes)
    }
}

impl Deref for KeyBytes {
    type Target = [u8; KEY_BYTES];

    fn deref(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl DerefMut for KeyBytes {
    fn deref_mut(&mut self) -> &mut [u8; KEY_BYTES] {
        &mut self.0
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
