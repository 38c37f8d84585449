//! `content/` of a commit, read through git's objects: the work tree is neither looked at nor touched.
//!
//! # Guarantees
//!
//! What is written is written below the folder that was given, and nowhere else, whatever the tree's names and links
//! are: no link is followed, nothing is written over, and files are readable by the user alone. No filter runs, so that
//! a medium in Git LFS is the pointer that was committed. Submodules are left out. Media are streamed.
//!
//! # Errors
//!
//! [`TreeError`]. What was written until then is of no use.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::held::{HELD_BYTES_MAX, Held, is_plain};
use super::walk::{ENTRIES_MAX, MANIFESTS_MAX, is_manifest};
use crate::domain::commit::{Commit, CommitId};
use crate::domain::manifest::parse::FILE_BYTES_MAX;
use crate::git::{Git, GitError, Reach, complaint, said};

/// How long git may take to say what a tree holds. A disk that sleeps takes longer than git does.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// The most that is read of a list: names of usual length for [`ENTRIES_MAX`] files.
const LIST_BYTES_MAX: u64 = 256 << 20;
/// The most that is written of one commit, as no disk is to be filled by a small pack of zeros.
pub const TREE_BYTES_MAX: u64 = 64 << 30;
/// How long git may be silent while it gives out objects.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes held of an object.
const BUFFER_BYTES: usize = 64 << 10;
/// The longest header of an object: its hash, its type and its size.
const HEADER_BYTES_MAX: u64 = 200;
/// The target of a symbolic link: the most that Linux takes.
const LINK_BYTES_MAX: u64 = 4096;

/// Why the tree of a commit cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("{0:?} is no name of a commit")]
    NoCommit(String),
    #[error("{0} and {1} have no commit in common")]
    NoBase(String, String),
    #[error("{commit} holds no folder {path:?}")]
    NoContent { commit: CommitId, path: String },
    #[error("the tree holds more than {ENTRIES_MAX} files")]
    TooMany,
    #[error("the tree holds {0} bytes, more than {TREE_BYTES_MAX}")]
    TooLarge(u64),
    #[error("the tree names a file {0:?}, which is no name below a folder")]
    Name(String),
    #[error("git gave no object {id} for {path:?}")]
    Object { id: String, path: String },
    #[error("{path:?} cannot be written")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("stopped")]
    Stopped,
}

impl TreeError {
    fn write(path: &OsStr, source: io::Error) -> TreeError {
        TreeError::Write { path: path.to_string_lossy().into_owned(), source }
    }
}

/// A file of a tree, or a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    id: String,
    size: u64,
    is_link: bool,
}

impl Entry {
    /// Of a file whose bytes are not known: it differs from all others.
    pub(super) fn unknown() -> Entry {
        Entry { id: String::new(), size: 0, is_link: false }
    }
}

/// The files of `content/` in a commit, by their paths below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing(pub(super) BTreeMap<OsString, Entry>);

impl Listing {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both have the same bytes at `path`, or neither has a file there.
    pub fn is_same(&self, other: &Listing, path: &OsStr) -> bool {
        self.0.get(path) == other.0.get(path)
    }

    /// Paths at which the two are different.
    pub fn differing<'a>(&'a self, other: &'a Listing) -> BTreeSet<&'a OsStr> {
        let changed = self.0.iter().filter(|(path, entry)| other.0.get(*path) != Some(*entry));
        let gone = other.0.keys().filter(|path| !self.0.contains_key(*path));
        changed.map(|(path, _)| path).chain(gone).map(OsString::as_os_str).collect()
    }

    /// Those files alone.
    pub fn only(&self, keep: impl Fn(&OsStr) -> bool) -> Listing {
        let kept = self.0.iter().filter(|(path, _)| keep(path));
        Listing(kept.map(|(path, entry)| (path.clone(), entry.clone())).collect())
    }
}

/// The repository that `content/` belongs to.
pub struct Repository<'a> {
    /// Git is asked here.
    folder: PathBuf,
    /// `content/` from the top of the repository, without a slash at the end; empty if it is the top.
    path: String,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Repository<'_> {
    /// # Errors
    ///
    /// Git is missing, or there is no repository here that the user trusts.
    pub fn of<'a>(
        content: &Path,
        variable: &'a dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Repository<'a>, TreeError> {
        let absolute = std::path::absolute(content).map_err(GitError::Start)?;
        // The folder itself need not be checked out.
        let is_folder = fs::symlink_metadata(&absolute).is_ok_and(|metadata| metadata.is_dir());
        let (folder, name) = match (absolute.parent(), absolute.file_name()) {
            (Some(parent), Some(name)) if !is_folder => (parent.to_owned(), name.to_str()),
            _ => (absolute.clone(), Some("")),
        };
        let name = name.ok_or_else(|| TreeError::Name(content.to_string_lossy().into_owned()))?.to_owned();
        let repository = Repository { folder, path: name, variable };
        let prefix = repository.ask(&["rev-parse", "--show-prefix"])?;
        let prefix = prefix.strip_suffix('\n').unwrap_or(&prefix);
        let path = format!("{prefix}{}", repository.path);
        Ok(Repository { path: path.trim_end_matches('/').to_owned(), ..repository })
    }

    /// The commit that `name` means now: of a branch, a tag, or a commit itself.
    ///
    /// # Errors
    ///
    /// Nothing is named so.
    pub fn commit(&self, name: &str) -> Result<CommitId, TreeError> {
        let unknown = || TreeError::NoCommit(name.to_owned());
        // Git would take it for an option, and has been told not to; this is the second lock on that door.
        if name.is_empty() || name.starts_with('-') || name.chars().any(char::is_control) {
            return Err(unknown());
        }
        let wanted = format!("{name}^{{commit}}");
        let found = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]);
        match found {
            Ok(id) => id.trim_end().parse().map_err(|_| unknown()),
            Err(TreeError::Git(GitError::Refused(_))) => Err(unknown()),
            Err(other) => Err(other),
        }
    }

    /// The last commit that both come from.
    ///
    /// # Errors
    ///
    /// There is none, or a shallow clone does not reach back to it.
    pub fn merge_base(&self, one: &CommitId, other: &CommitId) -> Result<CommitId, TreeError> {
        let none = || TreeError::NoBase(one.to_string(), other.to_string());
        match self.ask(&["merge-base", one.as_str(), other.as_str()]) {
            Ok(id) => id.trim_end().parse().map_err(|_| none()),
            Err(TreeError::Git(GitError::Refused(_))) => Err(none()),
            Err(error) => Err(error),
        }
    }

    /// The commit with its author and subject. Nothing is said about a manifest.
    pub fn described(&self, id: &CommitId) -> Option<Commit> {
        self.git().described(id.as_str())
    }

    /// Where git notes what branches mean, and whether below that folder too.
    ///
    /// # Errors
    ///
    /// Those of git.
    pub fn places(&self) -> Result<Vec<(PathBuf, bool)>, TreeError> {
        let told = self.ask(&["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir"])?;
        let mut places = Vec::new();
        for folder in told.lines().map(PathBuf::from) {
            places.push((folder.join("refs"), true));
            places.push((folder.join("reftable"), false));
            places.push((folder, false));
        }
        places.sort();
        places.dedup();
        places.retain(|(folder, _)| folder.is_dir());
        Ok(places)
    }

    /// What `content/` holds in this commit.
    ///
    /// # Errors
    ///
    /// The commit has no such folder, or it is too large.
    pub fn listing(&self, commit: &CommitId) -> Result<Listing, TreeError> {
        let absent = || TreeError::NoContent { commit: commit.clone(), path: self.path.clone() };
        let name = format!("{commit}:{}", self.path);
        let tree = match self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]) {
            Ok(id) => id.trim_end().parse::<CommitId>().map_err(|_| absent())?,
            Err(TreeError::Git(GitError::Refused(_))) => return Err(absent()),
            Err(error) => return Err(error),
        };
        // It may be a link, which is not followed.
        if self.ask(&["cat-file", "-t", tree.as_str()])?.trim_end() != "tree" {
            return Err(absent());
        }
        let told = self.git().answer(&["ls-tree", "-r", "-z", "-l", "--full-tree", tree.as_str()], &[])?;
        listing(&told)
    }

    fn git(&self) -> Git<'_> {
        Git {
            folder: &self.folder,
            variable: self.variable,
            reach: Reach::Here,
            deadline: Instant::now() + LIST_TIMEOUT,
            answer_bytes_max: LIST_BYTES_MAX,
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, TreeError> {
        Ok(String::from_utf8_lossy(&self.git().answer(arguments, &[])?).into_owned())
    }

    /// Makes `folder`, which holds what `before` says, hold what `after` says. `go_on` is asked now and then.
    pub(super) fn update(
        &self,
        folder: &Path,
        (before, after): (&Listing, &Listing),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), TreeError> {
        for (path, _) in before.0.iter().filter(|(path, entry)| after.0.get(*path) != Some(*entry)) {
            remove(folder, path)?;
        }
        let new = after.0.iter().filter(|(path, entry)| before.0.get(*path) != Some(*entry));
        // Links come last, so that nothing can be written by way of them.
        let (links, files): (Vec<_>, Vec<_>) = new.partition(|(_, entry)| entry.is_link);
        let bytes = files.iter().fold(0, |sum: u64, (_, entry)| sum.saturating_add(entry.size));
        if bytes > TREE_BYTES_MAX {
            return Err(TreeError::TooLarge(bytes));
        }
        let mut writer = Writer { folder, known: BTreeSet::new(), go_on };
        make_folder(folder).map_err(|error| TreeError::write(folder.as_os_str(), error))?;
        self.objects(files.into_iter().chain(links), &mut writer)
    }

    /// Reads those files of `files` into memory that a scan would take for manifests without a word, as far as there is
    /// room, and gives them with the listing of all others.
    pub(super) fn hold(&self, files: &Listing) -> Result<(Held, Listing), TreeError> {
        let mut left = HELD_BYTES_MAX;
        let mut is_held = |path: &OsStr, entry: &Entry| {
            let fits = !entry.is_link && path.to_str().is_some_and(|path| is_plain(path, entry.size));
            fits && left.checked_sub(entry.size).map(|less| left = less).is_some()
        };
        let (plain, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = files
            .0
            .iter()
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .partition(|(p, e)| is_held(p, e));
        if plain.len() > MANIFESTS_MAX {
            return Ok((Held::default(), files.clone()));
        }
        let mut held = Held::default();
        self.objects(plain.iter(), &mut held)?;
        Ok((held, Listing(rest)))
    }

    /// Has git give out these objects, one after another.
    fn objects<'e>(
        &self,
        entries: impl Iterator<Item = (&'e OsString, &'e Entry)>,
        taker: &mut dyn Take,
    ) -> Result<(), TreeError> {
        let entries: Vec<_> = entries.collect();
        if entries.is_empty() {
            return Ok(());
        }
        let mut command = self.git().command(&["cat-file", "--batch", "--buffer"], &[]);
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(GitError::Start)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let complaint = child.stderr.take().map(complaint);
        let (Some(mut input), Some(output)) = (input, output) else { return Err(GitError::Late.into()) };
        let asked: String = entries.iter().flat_map(|(_, entry)| [&entry.id, "\n"]).collect();
        std::thread::spawn(move || {
            // Where git has ended, its output says so.
            let _ = input.write_all(asked.as_bytes());
        });
        let progress = AtomicU64::new(0);
        let child = Mutex::new(child);
        std::thread::scope(|scope| {
            let (done, over) = mpsc::channel::<()>();
            scope.spawn(|| watch_over(&child, &progress, over));
            let mut output = BufReader::with_capacity(BUFFER_BYTES, output);
            let written = entries
                .iter()
                .try_for_each(|(path, entry)| object(&mut output, path, entry, taker, &progress));
            drop(done);
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            // Both may fail where it has ended already.
            let _ = child.kill();
            let _ = child.wait();
            written
        })
        .map_err(|error| match error {
            TreeError::Git(GitError::Late) => GitError::Refused(said(complaint)).into(),
            other => other,
        })
    }
}

/// Ends git where it gives out nothing for too long.
fn watch_over(child: &Mutex<Child>, progress: &AtomicU64, over: mpsc::Receiver<()>) {
    let mut before = 0;
    while over.recv_timeout(SILENCE_MAX) == Err(RecvTimeoutError::Timeout) {
        let now = progress.load(Ordering::Relaxed);
        if now == before {
            // It may have ended just now.
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
            return;
        }
        before = now;
    }
}

/// Takes the objects that git gives out.
trait Take {
    /// All of `object`, which is no longer than the entry's size. What is not read is passed over.
    fn take(
        &mut self,
        object: &mut dyn Read,
        path: &OsStr,
        entry: &Entry,
        progress: &AtomicU64,
    ) -> Result<(), TreeError>;
}

/// The next object, which must be this one.
fn object(
    from: &mut impl BufRead,
    path: &OsStr,
    entry: &Entry,
    taker: &mut dyn Take,
    progress: &AtomicU64,
) -> Result<(), TreeError> {
    let missing = || TreeError::Object { id: entry.id.clone(), path: path.to_string_lossy().into_owned() };
    let mut header = String::new();
    let read = from.by_ref().take(HEADER_BYTES_MAX).read_line(&mut header);
    // Git has ended before it was done.
    if read.is_err() || header.is_empty() {
        return Err(GitError::Late.into());
    }
    let expected = format!("{} blob ", entry.id);
    let size = header.trim_end().strip_prefix(&expected).and_then(|size| size.parse::<u64>().ok());
    let size = size.filter(|size| *size == entry.size).ok_or_else(missing)?;
    let mut object = from.by_ref().take(size);
    taker.take(&mut object, path, entry, progress)?;
    io::copy(&mut object, &mut io::sink()).map_err(GitError::Start)?;
    let mut end = [0];
    from.read_exact(&mut end).map_err(|_| missing())?;
    progress.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Holds manifests in memory.
impl Take for Held {
    fn take(
        &mut self,
        object: &mut dyn Read,
        path: &OsStr,
        entry: &Entry,
        _: &AtomicU64,
    ) -> Result<(), TreeError> {
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
        object.read_to_end(&mut bytes).map_err(GitError::Start)?;
        self.put(&path.to_string_lossy(), bytes);
        Ok(())
    }
}

/// Writes objects below a folder.
struct Writer<'a> {
    folder: &'a Path,
    /// Folders that are known to be ones, and no links.
    known: BTreeSet<PathBuf>,
    go_on: &'a dyn Fn() -> bool,
}

impl Take for Writer<'_> {
    fn take(
        &mut self,
        object: &mut dyn Read,
        path: &OsStr,
        entry: &Entry,
        progress: &AtomicU64,
    ) -> Result<(), TreeError> {
        if !(self.go_on)() {
            return Err(TreeError::Stopped);
        }
        let full = self.place(path).map_err(|error| TreeError::write(path, error))?;
        match entry.is_link {
            true => link(object, &full).map_err(|error| TreeError::write(path, error)),
            false => self.file(object, &full, path, progress),
        }
    }
}

impl Writer<'_> {
    /// A manifest that is too large is written as far as it takes to see that.
    fn file(
        &self,
        object: &mut dyn Read,
        full: &Path,
        path: &OsStr,
        progress: &AtomicU64,
    ) -> Result<(), TreeError> {
        let is_text = is_manifest(Path::new(path));
        let most = if is_text { FILE_BYTES_MAX as u64 + 1 } else { u64::MAX };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(full)
            .map_err(|error| TreeError::write(path, error))?;
        let mut object = object.take(most);
        let mut buffer = [0; BUFFER_BYTES];
        loop {
            let read = object.read(&mut buffer).map_err(GitError::Start)?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(|error| TreeError::write(path, error))?;
            progress.fetch_add(1, Ordering::Relaxed);
            if !(self.go_on)() {
                return Err(TreeError::Stopped);
            }
        }
        // Media are not written anew after the machine went down.
        if is_text { Ok(()) } else { file.sync_data().map_err(|error| TreeError::write(path, error)) }
    }

    /// Where the file belongs, in a folder that is really there.
    fn place(&mut self, path: &OsStr) -> io::Result<PathBuf> {
        let full = self.folder.join(path);
        let parent = full.parent().ok_or(io::ErrorKind::InvalidInput)?;
        if !self.known.contains(parent) {
            let mut folder = self.folder.to_owned();
            let below = parent.strip_prefix(self.folder).map_err(|_| io::ErrorKind::InvalidInput)?;
            for part in below.components() {
                folder.push(part);
                match fs::symlink_metadata(&folder) {
                    Ok(metadata) if metadata.is_dir() => {}
                    // A tree that has two entries of this name.
                    Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
                    Err(_) => DirBuilder::new().mode(0o700).create(&folder)?,
                }
            }
            self.known.insert(parent.to_owned());
        }
        Ok(full)
    }
}

/// The link as it was committed: it is for the scan to refuse.
fn link(object: &mut dyn Read, full: &Path) -> io::Result<()> {
    let mut target = Vec::new();
    object.take(LINK_BYTES_MAX).read_to_end(&mut target)?;
    std::os::unix::fs::symlink(OsStr::from_bytes(&target), full)
}

/// With everything above it, for the user alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Takes the file away, and the folders that are empty then.
fn remove(folder: &Path, path: &OsStr) -> Result<(), TreeError> {
    let full = folder.join(path);
    match fs::remove_file(&full) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(TreeError::write(path, error)),
        _ => {}
    }
    let above = full.ancestors().skip(1).take_while(|above| *above != folder);
    // The first that holds something else ends it.
    let _ = above.map(fs::remove_dir).take_while(Result::is_ok).count();
    Ok(())
}

/// The entries of `100644 blob HASH    SIZE<tab>PATH`.
fn listing(told: &[u8]) -> Result<Listing, TreeError> {
    let mut entries = BTreeMap::new();
    for line in told.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
        let about = String::from_utf8_lossy(&line[..tab]).into_owned();
        let mut about = about.split_ascii_whitespace();
        let (mode, kind, id, size) = (about.next(), about.next(), about.next(), about.next());
        let (Some(mode), Some("blob"), Some(id), Some(size)) = (mode, kind, id, size) else {
            // A submodule.
            continue;
        };
        let path = OsStr::from_bytes(&line[tab + 1..]);
        if !is_below(path) {
            return Err(TreeError::Name(path.to_string_lossy().into_owned()));
        }
        if entries.len() >= ENTRIES_MAX {
            return Err(TreeError::TooMany);
        }
        let missing = |_| TreeError::Object { id: id.to_owned(), path: path.to_string_lossy().into_owned() };
        let size = size.parse().map_err(missing)?;
        entries.insert(path.to_owned(), Entry { id: id.to_owned(), size, is_link: mode == "120000" });
    }
    Ok(Listing(entries))
}

/// Whether the path leads nowhere but down, and not into anything that git would take for its own.
fn is_below(path: &OsStr) -> bool {
    let parts = path.as_bytes().split(|byte| *byte == b'/');
    let is_name = |part: &[u8]| {
        !part.is_empty() && part != b"." && part != b".." && !part.eq_ignore_ascii_case(b".git")
    };
    parts.into_iter().all(is_name)
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
