//! Which commit manifests were taken from, as [`git`](crate::git) tells.
//!
//! # Errors
//!
//! None: where git is missing, too slow, or knows no commit, there is just no commit to tell of.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use super::walk::{prefix, shown};
use crate::domain::commit::{Commit, CommitId, NOTE_CHARS_MAX, Standing};
use crate::git::{Git, Reach};

/// How long all questions of a run may take together. A disk that sleeps takes longer than git does.
const GIT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most that is read of an answer.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Manifests asked about at once: their names fit into one command line.
const PATHS_MAX: usize = 200;

/// The commit of each of these manifests, as diagnostics name them, where git knows one.
pub fn commits(
    (root, content): (&Path, &Path),
    manifests: &[&str],
    variable: impl Fn(&str) -> Option<OsString>,
) -> BTreeMap<String, Commit> {
    let Ok(folder) = std::path::absolute(content) else { return BTreeMap::new() };
    let git = Git {
        folder: &folder,
        variable: &variable,
        reach: Reach::Here,
        deadline: Instant::now() + GIT_TIMEOUT,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    git.commits(&prefix(root, content), manifests).unwrap_or_default()
}

impl Git<'_> {
    fn commits(&self, prefix: &str, manifests: &[&str]) -> Option<BTreeMap<String, Commit>> {
        let head = self.described("HEAD")?;
        let mut commits = BTreeMap::new();
        for manifests in manifests.chunks(PATHS_MAX) {
            let paths: Vec<&str> = manifests.iter().filter_map(|path| below(prefix, path)).collect();
            let standings = self.standings(&head.id, &paths)?;
            commits.extend(
                standings
                    .into_iter()
                    .map(|(path, manifest)| (shown(prefix, path), Commit { manifest, ..head.clone() })),
            );
        }
        Some(commits)
    }

    /// The commit of this name, which must be a hash or `HEAD`. Nothing is said about a manifest.
    pub(super) fn described(&self, name: &str) -> Option<Commit> {
        let log = ["log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8", FORMAT, name, "--"];
        head(&self.answer(&log, &[]).ok()?)
    }

    /// Compares what the commit holds with what git would store of each file now.
    fn standings<'p>(&self, id: &CommitId, paths: &[&'p str]) -> Option<Vec<(&'p str, Standing)>> {
        let stored = blobs(&self.answer(&["ls-tree", "-z", id.as_str(), "--"], paths).ok()?);
        let (tracked, untracked): (Vec<_>, Vec<_>) =
            paths.iter().copied().partition(|path| stored.contains_key(*path));
        let mut standings: Vec<_> = untracked.into_iter().map(|path| (path, Standing::Untracked)).collect();
        if tracked.is_empty() {
            return Some(standings);
        }
        let hashes = String::from_utf8(self.answer(&["hash-object", "--"], &tracked).ok()?).ok()?;
        let hashes: Vec<&str> = hashes.lines().collect();
        if hashes.len() != tracked.len() {
            return None;
        }
        standings.extend(tracked.into_iter().zip(hashes).map(|(path, hash)| {
            let same = stored.get(path).is_some_and(|stored| stored == hash);
            (path, if same { Standing::Committed } else { Standing::Changed })
        }));
        Some(standings)
    }
}

/// The path below `content/` of what `shown` made of it.
fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    if prefix.is_empty() { Some(path) } else { path.strip_prefix(prefix)?.strip_prefix('/') }
}

/// Hash, author and subject, apart by what none of them can hold.
const FORMAT: &str = "--format=%H%x00%an <%ae>%x00%s%x00";

fn head(answer: &[u8]) -> Option<Commit> {
    let text = String::from_utf8_lossy(answer);
    let mut fields = text.split('\0');
    let id = fields.next()?.parse().ok()?;
    let mut note = || Some(fields.next()?.chars().take(NOTE_CHARS_MAX).collect());
    Some(Commit { id, author: note()?, subject: note()?, manifest: Standing::Untracked })
}

/// The regular files of a listing, by name: `100644 blob HASH<tab>NAME`.
fn blobs(listing: &[u8]) -> BTreeMap<String, String> {
    let entries = listing.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    let blob = |entry: &str| {
        let (about, name) = entry.split_once('\t')?;
        let mut about = about.split(' ');
        let (mode, kind, hash) = (about.next()?, about.next()?, about.next()?);
        (mode.starts_with("100") && kind == "blob").then(|| (name.to_owned(), hash.to_owned()))
    };
    entries.filter_map(blob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_checked() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let commit = head(format!("{id}\0Ann <a@b>\0subject\0\n").as_bytes()).expect("a commit");
        assert_eq!((commit.id.as_str(), &*commit.author, &*commit.subject), (id, "Ann <a@b>", "subject"));
        let long = head(format!("{id}\0\0{}\0\n", "ä".repeat(1_000)).as_bytes()).expect("a commit");
        assert_eq!(long.subject.chars().count(), NOTE_CHARS_MAX);
        for bad in ["", "HEAD\0a\0b\0", id, &format!("{id}\0only an author"), &format!("x{id}\0a\0b\0")] {
            assert_eq!(head(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(head(b"\xff\0\xff\0\xff\0"), None);
    }

    #[test]
    fn only_regular_files_are_manifests() {
        let listing = b"100644 blob aa\ta.yaml\x00100755 blob bb\td/b \xc3\xa4.yaml\x00120000 blob cc\tlink.yaml\x00040000 tree dd\td\x00garbage\x00100644 blob ee\t\xff\0";
        let found = blobs(listing);
        let found: Vec<_> = found.iter().map(|(name, hash)| (name.as_str(), hash.as_str())).collect();
        assert_eq!(found, [("a.yaml", "aa"), ("d/b ä.yaml", "bb")]);
    }
}
