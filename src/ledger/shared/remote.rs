//! The ref of a repository that holds the shared ledger, by way of git.
//!
//! # Flow
//!
//! The tip of the ref is a commit, and its tree is the whole ledger: `head.json` (which entry is the last), segments, and
//! `lease.json` while somebody works. Each commit's parent is the one before it, so that `git log` of the ref tells who
//! wrote what when; nothing is read from it.
//!
//! # Guarantees
//!
//! A push replaces exactly the tip that was read, or nothing. Where no answer comes, the remote is asked what its tip is.
//! What a remote holds is checked, bounded, and never written to a file by its own name.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::lease::Lease;
use super::segment::{Segment, are_whole};
use crate::domain::commit::CommitId;
use crate::git::{Git, Reach};
use crate::ledger::Error;

/// How long a question to the remote, a fetch, and a push may take.
const REMOTE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long git may take over its own objects.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(30);
/// The most that git says about refs and trees.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// The largest segment that is read.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// The largest of the small files.
const NOTE_BYTES_MAX: u64 = 64 << 10;
/// How often a push is tried that failed without a word of why, and how long is waited after the first; then three times
/// as long each time, as a login that cannot be put there may be lost with this machine.
const PUSHES_MAX: u32 = 5;
const PUSH_PAUSE: Duration = Duration::from_millis(200);
/// Below this are our own refs: what each remote was last seen to hold.
const SEEN: &str = "refs/gitcast/seen";
const HEAD: &str = "head.json";
const LEASE: &str = "lease.json";
/// Who made the commits; the message tells who acted.
const AUTHOR: &str = "gitcast";

/// A ref of a remote.
#[derive(Debug, Clone)]
pub struct Place {
    /// Git is asked here: a folder of the repository that knows the remote, by its absolute path.
    pub folder: PathBuf,
    pub remote: String,
    /// In full.
    pub reference: String,
    /// How long a run that is not heard of any more keeps others waiting.
    pub lease: SignedDuration,
    /// Reads the environment.
    pub variable: fn(&str) -> Option<OsString>,
}

impl Place {
    /// As people know it.
    pub fn name(&self) -> String {
        format!("{} of {}", self.reference, self.remote)
    }
}

/// `head.json`: which entry is the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Of the ledger's schema, as [`migrations`](crate::ledger::migrations) count it.
    pub(super) version: i64,
    pub(super) lineage: String,
    pub(super) seq: u64,
    /// In hexadecimal digits.
    pub(super) hash: String,
}

/// What the ref pointed at when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) commit: CommitId,
    pub(super) note: Note,
    pub(super) lease: Option<Lease>,
    pub(super) segments: Vec<Segment>,
}

/// A tree to be: its small files, and the segments by their objects.
pub(super) struct Draft<'a> {
    pub(super) note: &'a Note,
    pub(super) lease: Option<&'a Lease>,
    pub(super) segments: &'a [Segment],
}

impl Place {
    /// The tip, with what it takes to read it. `None`: there is no such ref.
    pub(super) fn tip(&self) -> Result<Option<Tip>, Error> {
        let Some(commit) = self.asked()? else { return Ok(None) };
        if self.seen().as_ref() == Some(&commit) {
            if let Ok(tip) = self.read(commit) {
                return Ok(Some(tip));
            }
            // This repository may have lost an object since.
            self.forget();
        }
        self.fetch()?;
        // What was fetched, which may be newer than what was asked for.
        let commit = self.seen().ok_or_else(|| self.unreachable("it gave no commit"))?;
        self.read(commit).map(Some)
    }

    /// What the remote says that the ref points at now.
    pub(super) fn asked(&self) -> Result<Option<CommitId>, Error> {
        let told = self.git(Reach::Remote).answer(&["ls-remote", "--", &self.remote, &self.reference], &[]);
        let told = told.map_err(|error| self.unreachable(&error))?;
        let told = String::from_utf8_lossy(&told);
        let line = told.lines().find_map(|line| {
            let (id, name) = line.split_once('\t')?;
            (name == self.reference).then_some(id)
        });
        line.map(|id| id.parse().map_err(|_| self.unreachable("it named no commit"))).transpose()
    }

    fn fetch(&self) -> Result<(), Error> {
        let refspec = format!("+{}:{}", self.reference, self.seen_ref());
        let flags = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
        let more = ["--no-prune", "--no-filter", "--no-auto-maintenance", "--refmap=", "--"];
        let arguments: Vec<&str> =
            flags.into_iter().chain(more).chain([self.remote.as_str(), refspec.as_str()]).collect();
        self.git(Reach::Remote).answer(&arguments, &[]).map_err(|error| self.unreachable(&error))?;
        Ok(())
    }

    /// The last tip that was seen, without asking anybody.
    pub(super) fn seen(&self) -> Option<CommitId> {
        let name = self.seen_ref();
        let told = self
            .git(Reach::Here)
            .answer(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name], &[]);
        String::from_utf8(told.ok()?).ok()?.trim_end().parse().ok()
    }

    fn seen_ref(&self) -> String {
        let name = self.reference.strip_prefix("refs/").unwrap_or(&self.reference);
        format!("{SEEN}/{}/{name}", self.remote)
    }

    fn read(&self, commit: CommitId) -> Result<Tip, Error> {
        let told = self.here(&["ls-tree", "-z", "-l", "--full-tree", commit.as_str()])?;
        let (mut note, mut lease, mut segments) = (None, None, Vec::new());
        for entry in told.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let foreign = || self.foreign("its tree holds something else");
            let (name, id, bytes) = listed(entry).ok_or_else(foreign)?;
            match name {
                HEAD => note = Some(self.note(HEAD, id)?),
                LEASE => lease = Some(self.note(LEASE, id)?),
                _ => segments.push(Segment::named(name, id, bytes).ok_or_else(foreign)?),
            }
        }
        let note: Note = note.ok_or_else(|| self.foreign("it has no head.json"))?;
        segments.sort_by_key(|segment| segment.first);
        if !are_whole(&segments) || segments.last().map(|segment| segment.last) != Some(note.seq) {
            return Err(self.foreign("entries are missing"));
        }
        Ok(Tip { commit, note, lease, segments })
    }

    fn note<T: serde::de::DeserializeOwned>(&self, name: &str, id: &str) -> Result<T, Error> {
        let text = self.object(id, NOTE_BYTES_MAX)?;
        serde_json::from_slice(&text)
            .map_err(|error| self.foreign(&format!("{name} cannot be read: {error}")))
    }

    pub(super) fn segment(&self, segment: &Segment) -> Result<Vec<u8>, Error> {
        self.object(&segment.id, SEGMENT_BYTES_MAX)
    }

    fn object(&self, id: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let git = Git { answer_bytes_max: bytes_max, ..self.git(Reach::Here) };
        git.answer(&["cat-file", "blob", id], &[]).map_err(|error| self.broken(&error))
    }

    /// Puts a file into the repository and gives the object's name.
    pub(super) fn keep(&self, bytes: Vec<u8>) -> Result<String, Error> {
        let git = self.git(Reach::Here);
        let told = git.answer_about(&["hash-object", "-w", "--stdin", "-t", "blob"], bytes);
        let told = told.map_err(|error| self.broken(&error))?;
        Ok(self.name_of(told)?.as_str().to_owned())
    }

    /// A commit that follows `parent`.
    pub(super) fn commit(
        &self,
        draft: &Draft<'_>,
        parent: Option<&CommitId>,
        message: &str,
    ) -> Result<CommitId, Error> {
        let mut tree = String::new();
        let mut put = |name: &str, id: &str| tree += &format!("100644 blob {id}\t{name}\n");
        let json = |value: serde_json::Result<Vec<u8>>| value.expect("it has only text keys");
        put(HEAD, &self.keep(json(serde_json::to_vec_pretty(draft.note)))?);
        if let Some(lease) = draft.lease {
            put(LEASE, &self.keep(json(serde_json::to_vec_pretty(lease)))?);
        }
        draft.segments.iter().for_each(|segment| put(&segment.name(), &segment.id));
        let git = self.git(Reach::Here);
        let tree = git.answer_about(&["mktree"], tree.into_bytes()).map_err(|error| self.broken(&error))?;
        let tree = self.name_of(tree)?;
        let (name, mail) = (format!("user.name={AUTHOR}"), format!("user.email={AUTHOR}@localhost"));
        let mut arguments = vec!["-c", &name, "-c", &mail, "commit-tree", tree.as_str()];
        if let Some(parent) = parent {
            arguments.extend(["-p", parent.as_str()]);
        }
        let git = self.git(Reach::Here);
        let told = git.answer_about(&arguments, message.as_bytes().to_vec());
        self.name_of(told.map_err(|error| self.broken(&error))?)
    }

    /// Makes the ref point at `commit`, if it points at `expected` (`None`: if it is not there).
    ///
    /// # Errors
    ///
    /// [`Error::Moved`]: it points elsewhere, and nothing was done. [`Error::Unreachable`]: nothing was done, or nobody
    /// can tell; whoever reads the ref next finds out.
    pub(super) fn push(&self, commit: &CommitId, expected: Option<&CommitId>) -> Result<(), Error> {
        let lease = format!(
            "--force-with-lease={}:{}",
            self.reference,
            expected.map(CommitId::as_str).unwrap_or_default()
        );
        let refspec = format!("{commit}:{}", self.reference);
        let flags = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed"];
        let arguments: Vec<&str> = flags
            .into_iter()
            .chain(["--recurse-submodules=no", &lease, "--", &self.remote, &refspec])
            .collect();
        self.settle(&arguments, Some(commit), expected)
    }

    /// Removes the ref, if it points at `expected`.
    pub(super) fn remove(&self, expected: &CommitId) -> Result<(), Error> {
        let lease = format!("--force-with-lease={}:{expected}", self.reference);
        let refspec = format!(":{}", self.reference);
        let flags = ["push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"];
        let arguments: Vec<&str> =
            flags.into_iter().chain([lease.as_str(), "--", &self.remote, &refspec]).collect();
        self.settle(&arguments, None, Some(expected))
    }

    /// Pushes until it is known what came of it.
    fn settle(
        &self,
        arguments: &[&str],
        wanted: Option<&CommitId>,
        expected: Option<&CommitId>,
    ) -> Result<(), Error> {
        let mut pause = PUSH_PAUSE;
        for tries in 1.. {
            let why = match self.git(Reach::Remote).answer_anyway(arguments) {
                Ok((_, None)) => break,
                Ok((told, Some(complaint))) => {
                    refusal(&told).map_or(Failed::Somehow(complaint), Failed::Refused)
                }
                Err(error) => Failed::Somehow(error.to_string()),
            };
            // Whether it was refused or its answer was lost: what counts is where the ref points.
            match (self.asked(), why) {
                (Ok(found), _) if found.as_ref() == wanted => break,
                (Ok(found), _) if found.as_ref() != expected => {
                    return Err(Error::Moved { place: self.name() });
                }
                (Ok(_), Failed::Refused(why)) => return Err(self.unreachable(&why)),
                (_, why) if tries == PUSHES_MAX => return Err(self.unreachable(&why)),
                _ => {}
            }
            std::thread::sleep(pause);
            pause *= 3;
        }
        match wanted {
            Some(commit) => {
                let seen = self.seen_ref();
                // Only a note of ours: without it the next look fetches once more.
                let _ =
                    self.git(Reach::Here).answer(&["update-ref", "--no-deref", &seen, commit.as_str()], &[]);
            }
            None => self.forget(),
        }
        Ok(())
    }

    /// As if the ref had never been seen.
    fn forget(&self) {
        let seen = self.seen_ref();
        // Where it stays, fetching writes over it.
        let _ = self.git(Reach::Here).answer(&["update-ref", "--no-deref", "-d", &seen], &[]);
    }

    fn here(&self, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        self.git(Reach::Here).answer(arguments, &[]).map_err(|error| self.broken(&error))
    }

    fn git(&self, reach: Reach) -> Git<'_> {
        let timeout = match reach {
            Reach::Here => LOCAL_TIMEOUT,
            Reach::Remote => REMOTE_TIMEOUT,
        };
        Git {
            folder: &self.folder,
            variable: &self.variable,
            reach,
            deadline: Instant::now() + timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    fn name_of(&self, told: Vec<u8>) -> Result<CommitId, Error> {
        let text = String::from_utf8_lossy(&told);
        text.trim_end().parse().map_err(|_| self.broken(&"git named no object"))
    }

    pub(super) fn unreachable(&self, why: &(impl std::fmt::Display + ?Sized)) -> Error {
        Error::Unreachable { place: self.name(), why: why.to_string() }
    }

    fn foreign(&self, why: &str) -> Error {
        Error::Rewritten { place: self.name(), why: format!("it holds no ledger of gitcast: {why}") }
    }

    fn broken(&self, why: &(impl std::fmt::Display + ?Sized)) -> Error {
        Error::Repository { folder: self.folder.clone(), why: why.to_string() }
    }
}

/// Why a push came to nothing.
enum Failed {
    /// The server said no, and says it again.
    Refused(String),
    Somehow(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Failed::Refused(why) | Failed::Somehow(why)) = self;
        f.write_str(why)
    }
}

/// The reason in what `push --porcelain` tells of a ref: `!<tab>FROM:TO<tab>[remote rejected] (pre-receive hook declined)`.
fn refusal(told: &[u8]) -> Option<String> {
    let told = String::from_utf8_lossy(told);
    let line = told.lines().find_map(|line| line.strip_prefix("!\t"))?;
    Some(line.split_once('\t').map_or(line, |(_, why)| why).to_owned())
}

/// Name, object and size of a regular file: `100644 blob HASH    SIZE<tab>NAME`.
fn listed(entry: &[u8]) -> Option<(&str, &str, u64)> {
    let (about, name) = std::str::from_utf8(entry).ok()?.split_once('\t')?;
    let mut about = about.split(' ').filter(|word| !word.is_empty());
    let (mode, kind, id, bytes) = (about.next()?, about.next()?, about.next()?, about.next()?);
    let is_file = mode == "100644" && kind == "blob" && id.parse::<CommitId>().is_ok();
    is_file.then_some((name, id, bytes.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_reason() {
        let told =
            b"To http://host/x.git\n!\ta:refs/x\t[remote rejected] (pre-receive hook declined)\nDone\n";
        assert_eq!(refusal(told).as_deref(), Some("[remote rejected] (pre-receive hook declined)"));
        assert_eq!(refusal(b"To x\n \ta:b\t1..2\nDone\n"), None);
        assert_eq!(refusal(b""), None);
    }

    #[test]
    fn only_regular_files_are_listed() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let line = format!("100644 blob {id}     12\thead.json");
        assert_eq!(listed(line.as_bytes()), Some(("head.json", id, 12)));
        for bad in [
            format!("120000 blob {id}     12\tlink"),
            format!("040000 tree {id}      -\tfolder"),
            format!("160000 commit {id}      -\tmodule"),
            "100644 blob --help     12\tx".to_owned(),
            format!("100644 blob {id}\tx"),
        ] {
            assert_eq!(listed(bad.as_bytes()), None, "{bad}");
        }
    }
}
