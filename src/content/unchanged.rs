//! Whether `content/` is, to the byte, what the last scan saw: answered by names and stamps alone, decoding nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use super::cache::{Cache, Table};
use super::media::stamp;
use super::scan::read;
use super::walk::{PROJECT_FILE, RESOLUTIONS, shown, walk};
use crate::domain::capability;
use crate::domain::ids::ContentDigest;

/// Below this many files another thread costs more than it saves.
const FILES_PER_THREAD_MIN: usize = 1_000;

/// Stands for everything that a scan with this `cache` would find, provided that each manifest and each medium is the
/// one the cache remembers. `None` if anything was added, removed or changed, is not remembered (it had an error, or
/// was too young), or could not be looked at: then only a scan can tell.
///
/// Two equal answers of the same program mean two equal scans, so what was concluded from one holds for the other.
pub fn unchanged(root: &Path, content: &Path, cache: &Cache) -> Option<ContentDigest> {
    // Decisions are files too, and nothing of them is remembered.
    if content.join(RESOLUTIONS).symlink_metadata().is_ok() {
        return None;
    }
    let prefix = super::walk::prefix(root, content);
    let found = walk(content, &prefix);
    if found.incomplete || !found.diagnostics.is_empty() || !found.refused.is_empty() {
        return None;
    }
    let names = found.manifests.iter().map(|path| shown(&prefix, path));
    let same_names = found.manifests.len() == cache.manifests.len()
        && names.zip(cache.paths(&cache.manifests)).all(|(name, remembered)| name.as_bytes() == remembered);
    let inside = |path: &str| match prefix.is_empty() {
        true => content.join(path),
        false => content.join(path.get(prefix.len() + 1..).unwrap_or_default()),
    };
    let holds = same_names
        && all_hold(cache, &cache.manifests, |path| fs::symlink_metadata(inside(path)))
        && all_hold(cache, &cache.media, |path| fs::metadata(content.join(path)));
    let (_, project) = holds.then(|| read(&content.join(PROJECT_FILE)).ok())??;
    let project = ContentDigest::of(&project);
    // No file says less than an empty one: the latter is an error.
    let accounts = match read(&content.join(capability::FILE)) {
        Ok((_, bytes)) => ContentDigest::of(&bytes).0.to_vec(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(_) => return None,
    };
    Some(ContentDigest::of(&[&project.0[..], &accounts, cache.identity()].concat()))
}

fn all_hold(cache: &Cache, table: &Table, look: impl Fn(&str) -> io::Result<fs::Metadata> + Sync) -> bool {
    let holds = |entry| {
        let (path, remembered) = cache.entry(entry);
        let metadata = std::str::from_utf8(path).ok().and_then(|path| look(path).ok());
        metadata.is_some_and(|metadata| metadata.is_file() && stamp(&metadata) == *remembered)
    };
    let threads =
        thread::available_parallelism().map_or(1, usize::from).min(table.len() / FILES_PER_THREAD_MIN + 1);
    let share = table.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let shares: Vec<_> =
            table.chunks(share).map(|entries| scope.spawn(move || entries.iter().all(holds))).collect();
        shares.into_iter().all(|share| share.join().unwrap_or(false))
    })
}
