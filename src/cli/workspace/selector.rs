//! What `--only` and `--exclude` name.

use std::sync::atomic::AtomicBool;

use globset::{Glob, GlobMatcher};

use crate::cli::error::Failure;
use crate::domain::ids::{AccountName, PlatformId, PostId};

/// One value of `--only` or `--exclude`.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) text: String,
    pub(super) glob: GlobMatcher,
    /// Whether it has matched something in `content/`.
    pub(super) found: AtomicBool,
}

impl Selector {
    pub(super) fn all(texts: &[String]) -> Result<Vec<Selector>, Failure> {
        texts.iter().map(|text| Selector::new(text)).collect()
    }

    pub(super) fn new(text: &str) -> Result<Selector, Failure> {
        let glob = Glob::new(text)
            .map_err(|error| Failure::usage("a selector is not a valid glob").cause(&error))?;
        Ok(Selector { text: text.to_owned(), glob: glob.compile_matcher(), found: AtomicBool::new(false) })
    }

    pub(super) fn is_pattern(&self) -> bool {
        self.text.contains(['*', '?', '[', '{'])
    }

    pub(super) fn matches(
        &self,
        post: &PostId,
        account: &AccountName,
        platform: PlatformId,
        path: &str,
    ) -> bool {
        [post.as_str(), account.as_str(), platform.as_str()].contains(&self.text.as_str())
            || self.glob.is_match(path)
            || path.strip_prefix("content/").is_some_and(|below| self.glob.is_match(below))
    }
}
