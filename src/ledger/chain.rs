//! The chain of hashes: each entry's covers the one before it, so that no recorded byte changes unnoticed.

use sha2::{Digest, Sha256};

pub(super) type Hash = [u8; 32];

/// What the first entry's hash builds on.
pub(super) const GENESIS: Hash = [0; 32];

/// The bytes of an entry that its hash covers, as they are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) seq: u64,
    pub(super) at: &'a str,
    pub(super) actor: &'a str,
    pub(super) event: &'a str,
}

/// SHA-256 of the previous hash, the number, and each text behind its length: two entries that differ anywhere
/// differ in what is hashed.
pub(super) fn hash(previous: &Hash, link: Link<'_>) -> Hash {
    let mut sha = Sha256::new();
    sha.update(previous);
    sha.update(link.seq.to_be_bytes());
    for text in [link.at, link.actor, link.event] {
        sha.update((text.len() as u64).to_be_bytes());
        sha.update(text);
    }
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_entry_counts_and_none_runs_into_the_next() {
        let link = Link { seq: 1, at: "ab", actor: "c", event: "d" };
        let all = [
            hash(&GENESIS, link),
            hash(&[1; 32], link),
            hash(&GENESIS, Link { seq: 2, ..link }),
            hash(&GENESIS, Link { at: "a", actor: "bc", ..link }),
            hash(&GENESIS, Link { actor: "", event: "cd", ..link }),
            hash(&GENESIS, Link { event: "D", ..link }),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
