//! Manifests that are in memory and not on the disk: those of a commit, which are read once and never written.

use std::collections::BTreeMap;
use std::path::Path;

use super::walk::{DEPTH_MAX, PROJECT_FILE, RESOLUTIONS, is_manifest};
use crate::domain::capability;
use crate::domain::manifest::parse::FILE_BYTES_MAX;

/// The most bytes that are held; what is more is written to a file.
pub(super) const HELD_BYTES_MAX: u64 = 64 << 20;

/// By their paths below `content/`.
#[derive(Debug, Default)]
pub struct Held(BTreeMap<String, Vec<u8>>);

impl Held {
    pub(super) fn put(&mut self, path: &str, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), bytes);
    }

    pub(super) fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of one of them, for what diagnostics point at.
    pub fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.get(path)?.to_vec()).ok()
    }
}

/// Whether a walk would take a regular file of this name and size for a manifest, without a word. Whatever is odd is
/// for the walk to see.
pub(super) fn is_plain(path: &str, bytes: u64) -> bool {
    let is_hidden = |part: &str| part.is_empty() || part.starts_with('.');
    is_manifest(Path::new(path))
        && bytes <= FILE_BYTES_MAX as u64
        && !path.chars().any(char::is_control)
        && !path.split('/').any(is_hidden)
        && path.split('/').count() <= DEPTH_MAX
        && ![PROJECT_FILE, capability::FILE].contains(&path)
        && path.split('/').next() != Some(RESOLUTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_walk_takes_without_a_word_is_held() {
        for good in ["a.yaml", "d/e/a.yaml", "ä b.yaml", "d/gitcast.yaml"] {
            assert!(is_plain(good, 10), "{good}");
        }
        let deep = format!("{}a.yaml", "d/".repeat(DEPTH_MAX));
        for odd in [
            "a.mp4",
            "gitcast.yaml",
            "accounts.lock.yaml",
            "resolutions/a.yaml",
            ".a.yaml",
            ".d/a.yaml",
            "d/../a.yaml",
            "d//a.yaml",
            "a\u{1b}.yaml",
            &deep,
        ] {
            assert!(!is_plain(odd, 10), "{odd}");
        }
        assert!(!is_plain("a.yaml", FILE_BYTES_MAX as u64 + 1));
    }
}
