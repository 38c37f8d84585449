//! Which commit manifests were taken from. Git is asked, and never trusted.
//!
//! # Guarantees
//!
//! Git is run without a shell, without a terminal, and only to read: it cannot ask anything, start a pager, fetch
//! what is missing, verify a signature or write to the repository. It sees no variable of the environment but those that
//! it needs to find itself and its settings, so no secret. It takes no folder of `content/` for a repository, whose
//! settings could name a command. All of it ends within [`GIT_TIMEOUT`].
//!
//! # Errors
//!
//! None: where git is missing, too slow, or knows no commit, there is just no commit to tell of.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::walk::{prefix, shown};
use crate::domain::commit::{Commit, CommitId, NOTE_CHARS_MAX, Standing};

/// How long all questions of a run may take together. A disk that sleeps takes longer than git does.
const GIT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is looked whether git has ended, once it has said all.
const GIT_POLL: Duration = Duration::from_millis(1);
/// The most that is read of an answer.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Manifests asked about at once: their names fit into one command line.
const PATHS_MAX: usize = 200;

/// What git needs to find itself, the user's settings, and the folders that the user has declared safe.
const KEPT: [&str; 7] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
];

/// Settings that could make git run something, with harmless values.
const SETTINGS: [&str; 5] = [
    // A folder of `content/` that looks like a repository is none.
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "log.showSignature=false",
    "protocol.allow=never",
];

/// The commit of each of these manifests, as diagnostics name them, where git knows one.
pub fn commits(
    (root, content): (&Path, &Path),
    manifests: &[&str],
    variable: impl Fn(&str) -> Option<OsString>,
) -> BTreeMap<String, Commit> {
    let Ok(folder) = std::path::absolute(content) else { return BTreeMap::new() };
    let git = Git { folder: &folder, variable: &variable, deadline: Instant::now() + GIT_TIMEOUT };
    git.commits(&prefix(root, content), manifests).unwrap_or_default()
}

struct Git<'a> {
    folder: &'a Path,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    deadline: Instant,
}

impl Git<'_> {
    fn commits(&self, prefix: &str, manifests: &[&str]) -> Option<BTreeMap<String, Commit>> {
        let log =
            ["log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8", FORMAT, "HEAD", "--"];
        let head = head(&self.answer(&log, &[])?)?;
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

    /// Compares what the commit holds with what git would store of each file now.
    fn standings<'p>(&self, id: &CommitId, paths: &[&'p str]) -> Option<Vec<(&'p str, Standing)>> {
        let stored = blobs(&self.answer(&["ls-tree", "-z", id.as_str(), "--"], paths)?);
        let (tracked, untracked): (Vec<_>, Vec<_>) =
            paths.iter().copied().partition(|path| stored.contains_key(*path));
        let mut standings: Vec<_> = untracked.into_iter().map(|path| (path, Standing::Untracked)).collect();
        if tracked.is_empty() {
            return Some(standings);
        }
        let hashes = String::from_utf8(self.answer(&["hash-object", "--"], &tracked)?).ok()?;
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

    /// What git says, if it succeeds in time.
    fn answer(&self, arguments: &[&str], paths: &[&str]) -> Option<Vec<u8>> {
        let mut child = self.command(arguments, paths).spawn().ok()?;
        let answer = self.read(&mut child);
        let ended = self.ended(&mut child);
        // Both may fail where it has ended already.
        let _ = child.kill();
        let _ = child.wait();
        answer.filter(|_| ended)
    }

    fn command(&self, arguments: &[&str], paths: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in KEPT {
            command.envs((self.variable)(name).map(|value| (name, absolute(name, &value))));
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1");
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_LITERAL_PATHSPECS", "1").env("LC_ALL", "C");
        command.arg("--no-pager").arg("-C").arg(self.folder);
        SETTINGS.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        command.args(arguments).args(paths).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// All of its output, unless that takes too long or is too much. Where something holds the output open, the thread
    /// that reads is left behind.
    fn read(&self, child: &mut Child) -> Option<Vec<u8>> {
        let out = child.stdout.take()?;
        let (sender, answer) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = out.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
            // Nobody listens any more after the deadline.
            let _ = sender.send(read.ok().map(|_| bytes));
        });
        let bytes = answer.recv_timeout(self.left()).ok()??;
        (bytes.len() as u64 <= ANSWER_BYTES_MAX).then_some(bytes)
    }

    /// Whether it ends well before the deadline.
    fn ended(&self, child: &mut Child) -> bool {
        while !self.left().is_zero() {
            match child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => std::thread::sleep(GIT_POLL),
                Err(_) => return false,
            }
        }
        false
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The path below `content/` of what `shown` made of it.
fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    if prefix.is_empty() { Some(path) } else { path.strip_prefix(prefix)?.strip_prefix('/') }
}

/// A search path without its relative folders: a program must not be found in `content/`.
fn absolute(name: &str, value: &OsStr) -> OsString {
    if name != "PATH" {
        return value.to_owned();
    }
    let folders = std::env::split_paths(value).filter(|folder| folder.is_absolute());
    std::env::join_paths(folders).unwrap_or_default()
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

    #[test]
    fn no_program_is_found_by_a_relative_path() {
        assert_eq!(absolute("PATH", OsStr::new("/a:.:bin::/b")), "/a:/b");
        assert_eq!(absolute("HOME", OsStr::new("home")), "home");
    }
}
