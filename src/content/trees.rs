//! The trees that a watch of a branch works on, below `state/trees/`.
//!
//! # Flow
//!
//! `whole/` is the content of one commit. It is made into that of the next one by writing what differs, so that what
//! earlier scans learned of the other files still holds, and a large medium is written once. A note beside it names
//! the commit; it is taken away before anything is changed, and put back once all is there. A tree without its note is
//! written anew.
//!
//! # Guarantees
//!
//! Whoever reads between two calls of [`Trees::turn_to`] sees one commit, whole. One process at a time has the trees.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::cache::cache_home;
use super::held::Held;
use super::tree::{Entry, Listing, Repository, TreeError, make_folder};
use super::walk::{PROJECT_FILE, RESOLUTIONS, is_manifest, prefix};
use crate::domain::capability;
use crate::domain::commit::CommitId;

/// Folder of the tree that a pass works on.
const WHOLE: &str = "whole";
/// Names the commit that `whole` holds.
const NOTE: &str = "whole.commit";
const LOCK: &str = "lock";
/// Changes when the machine starts: files may be lost then, that were written and not synced.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What all posts depend on.
const FOR_ALL: [&str; 2] = [PROJECT_FILE, capability::FILE];
/// How folders begin that last as long as a process.
const SCRATCH: &str = "compare-";
/// A process that is killed leaves its folder. None runs this long.
const SCRATCH_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why there are no trees.
#[derive(Debug, thiserror::Error)]
pub enum TreesError {
    #[error("another process works on {0}")]
    Busy(PathBuf),
    #[error("{path} cannot be used")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Where `content` lies below the project's `root`, if it does.
pub fn below(root: &Path, content: &Path) -> Option<PathBuf> {
    let below = PathBuf::from(prefix(root, content));
    below.components().all(|part| matches!(part, Component::Normal(_))).then_some(below)
}

pub struct Trees {
    folder: PathBuf,
    /// From a tree's top to its `content/`.
    below: PathBuf,
    current: Option<(CommitId, Listing)>,
    _lock: File,
}

impl Trees {
    /// Opens the trees in `folder`. `below` is where `content/` lies in the project.
    ///
    /// # Errors
    ///
    /// Another process has them, or the folder cannot be written.
    pub fn open(folder: PathBuf, below: &Path) -> Result<Trees, TreesError> {
        let io = |source| TreesError::Io { path: folder.clone(), source };
        make_folder(&folder).map_err(io)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(folder.join(LOCK)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Trees { folder, below: below.to_owned(), current: None, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(TreesError::Busy(folder)),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Stands for the project's root.
    pub fn root(&self) -> PathBuf {
        self.folder.join(WHOLE)
    }

    /// Stands for `content/`.
    pub fn content(&self) -> PathBuf {
        self.root().join(&self.below)
    }

    /// Makes `whole` hold this commit. `go_on` is asked now and then.
    ///
    /// # Errors
    ///
    /// The commit cannot be read or written whole. The next call begins anew.
    pub fn turn_to(
        &mut self,
        repository: &Repository,
        commit: &CommitId,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), TreesError> {
        if self.current.as_ref().is_some_and(|(current, _)| current == commit) {
            return Ok(());
        }
        let after = repository.listing(commit)?;
        let before = self.current.take().map(|(_, listing)| listing).or_else(|| self.noted(repository));
        self.forget_note()?;
        let before = match before {
            Some(before) => before,
            None => {
                remove_all(&self.root()).map_err(|source| self.io(source))?;
                Listing::default()
            }
        };
        repository.update(&self.content(), (&before, &after), go_on)?;
        let note = format!("{commit}\n{}", boot_id());
        self.write_note(&note).map_err(|source| self.io(source))?;
        self.current = Some((commit.clone(), after));
        Ok(())
    }

    /// What `whole` holds from an earlier process.
    fn noted(&self, repository: &Repository) -> Option<Listing> {
        let note = fs::read_to_string(self.folder.join(NOTE)).ok()?;
        let (commit, boot) = note.split_once('\n')?;
        let mut listing = repository.listing(&commit.parse().ok()?).ok()?;
        if boot.is_empty() || boot != boot_id() {
            listing.0.iter_mut().filter(|(path, _)| is_manifest(Path::new(path))).for_each(|(_, entry)| {
                *entry = Entry::unknown();
            });
        }
        Some(listing)
    }

    fn forget_note(&self) -> Result<(), TreesError> {
        match fs::remove_file(self.folder.join(NOTE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io(error)),
            _ => Ok(()),
        }
    }

    fn write_note(&self, note: &str) -> io::Result<()> {
        let temporary = self.folder.join("whole.commit.tmp");
        fs::write(&temporary, note)?;
        fs::rename(temporary, self.folder.join(NOTE))
    }

    fn io(&self, source: io::Error) -> TreesError {
        TreesError::Io { path: self.folder.clone(), source }
    }
}

fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default()
}

/// Files of a commit in a folder of their own, but for manifests that are in memory.
pub struct Sheet {
    folder: PathBuf,
    below: PathBuf,
    pub held: Held,
}

impl Sheet {
    /// Writes these files of a commit to `folder`, which is new. What `like` has as well is linked, and costs no room.
    ///
    /// # Errors
    ///
    /// They cannot be read or written.
    pub fn write(
        repository: &Repository,
        files: &Listing,
        folder: PathBuf,
        below: &Path,
        like: Option<(&Sheet, &Listing)>,
    ) -> Result<Sheet, TreesError> {
        let (held, files) = repository.hold(files)?;
        let sheet = Sheet { below: below.to_owned(), folder, held };
        let io = |source| TreesError::Io { path: sheet.folder.clone(), source };
        make_folder(&sheet.content()).map_err(io)?;
        let mut there = Listing::default();
        if let Some((other, listing)) = like {
            there = files.only(|path| {
                files.is_same(listing, path) && link(&other.content(), &sheet.content(), path).is_ok()
            });
        }
        repository.update(&sheet.content(), (&there, &files), &|| true)?;
        Ok(sheet)
    }

    pub fn root(&self) -> &Path {
        &self.folder
    }

    pub fn content(&self) -> PathBuf {
        self.folder.join(&self.below)
    }
}

/// The same file in another folder, which is new and holds no links to folders.
fn link(from: &Path, to: &Path, path: &OsStr) -> io::Result<()> {
    let (from, to) = (from.join(path), to.join(path));
    if let Some(parent) = to.parent() {
        make_folder(parent)?;
    }
    fs::hard_link(from, to)
}

/// A folder for a while, gone when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A later run sweeps up what stays.
        let _ = remove_all(&self.0);
    }
}

/// A folder of this process in the user's cache, if `variable` (the environment) knows where that is. What runs have left
/// there that were killed is taken away.
pub fn scratch(variable: impl Fn(&str) -> Option<OsString>) -> Option<Scratch> {
    let home = cache_home(variable)?.join("gitcast");
    let is_left = |entry: &fs::DirEntry| {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(SCRATCH));
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        is_ours && changed.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > SCRATCH_AGE_MAX)
    };
    for entry in fs::read_dir(&home).into_iter().flatten().flatten().filter(is_left) {
        // It is tried again another time.
        let _ = remove_all(&entry.path());
    }
    let folder = home.join(format!("{SCRATCH}{}", std::process::id()));
    // Of an earlier process of this number.
    let _ = remove_all(&folder);
    Some(Scratch(folder))
}

/// Paths at which two commits differ.
pub fn differing<'a>(before: &'a Listing, after: &'a Listing) -> BTreeSet<&'a OsStr> {
    before.differing(after)
}

/// The manifests among these paths.
pub fn manifests_of(paths: &BTreeSet<&OsStr>) -> BTreeSet<OsString> {
    let is_post = |path: &&&OsStr| {
        let is_other = FOR_ALL.iter().any(|name| **path == OsStr::new(name));
        is_manifest(Path::new(path)) && !is_other && !Path::new(path).starts_with(RESOLUTIONS)
    };
    paths.iter().filter(is_post).map(|path| (*path).to_owned()).collect()
}

/// Whether one of these files is one that all posts depend on.
pub fn is_for_all(paths: &BTreeSet<&OsStr>) -> bool {
    FOR_ALL.iter().any(|name| paths.contains(OsStr::new(name)))
}

fn remove_all(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
