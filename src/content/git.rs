//! Asks git, and never trusts it.
//!
//! # Guarantees
//!
//! Git is run without a shell, without a terminal, and only to read: it cannot ask anything, start a pager, fetch
//! what is missing, verify a signature, run a hook or a filter, or write to the repository. It sees no variable of the
//! environment but those that it needs to find itself and its settings, so no secret. It takes no folder of `content/`
//! for a repository, whose settings could name a command. All of it ends.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked whether git has ended, once it has said all.
const GIT_POLL: Duration = Duration::from_millis(1);
/// The most that is kept of what git complains about, in bytes.
const COMPLAINT_BYTES_MAX: u64 = 1_000;

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

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("git cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("git took too long")]
    Late,
    #[error("git said more than is read")]
    TooMuch,
    /// With what it complained about: untrusted text.
    #[error("git said no: {0}")]
    Refused(String),
}

/// Where git is asked, and how long and how much its answers may be.
pub(super) struct Git<'a> {
    pub(super) folder: &'a Path,
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) deadline: Instant,
    pub(super) answer_bytes_max: u64,
}

impl Git<'_> {
    /// What git says, if it succeeds in time.
    pub(super) fn answer(&self, arguments: &[&str], paths: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut child = self.command(arguments, paths).spawn().map_err(GitError::Start)?;
        let complaint = child.stderr.take().map(complaint);
        let answer = self.read(&mut child);
        let ended = self.ended(&mut child);
        // Both may fail where it has ended already.
        let _ = child.kill();
        let _ = child.wait();
        match ended {
            Some(true) => answer,
            Some(false) => Err(GitError::Refused(said(complaint))),
            None => answer.and(Err(GitError::Late)),
        }
    }

    pub(super) fn command(&self, arguments: &[&str], paths: &[&str]) -> Command {
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
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// All of its output, unless that takes too long or is too much. Where something holds the output open, the thread
    /// that reads is left behind.
    fn read(&self, child: &mut Child) -> Result<Vec<u8>, GitError> {
        let out = child.stdout.take().ok_or(GitError::Late)?;
        let (sender, answer) = mpsc::channel();
        let most = self.answer_bytes_max;
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = out.take(most + 1).read_to_end(&mut bytes);
            // Nobody listens any more after the deadline.
            let _ = sender.send(read.map(|_| bytes));
        });
        let answer = answer.recv_timeout(self.left()).map_err(|_| GitError::Late)?;
        let bytes = answer.map_err(GitError::Start)?;
        if bytes.len() as u64 <= most { Ok(bytes) } else { Err(GitError::TooMuch) }
    }

    /// Whether it succeeded, if it ends before the deadline.
    fn ended(&self, child: &mut Child) -> Option<bool> {
        while !self.left().is_zero() {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status.success()),
                Ok(None) => std::thread::sleep(GIT_POLL),
                Err(_) => return None,
            }
        }
        None
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The first of what git complains about, read on a thread of its own, so that git never waits for its being read.
pub(super) fn complaint(mut from: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What cannot be read is no complaint.
        let _ = from.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut bytes);
        let _ = io::copy(&mut from, &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Its first line, without what git puts before it.
pub(super) fn said(complaint: Option<JoinHandle<String>>) -> String {
    // Where something holds the other end open, nobody waits for it.
    let ended = complaint.filter(|thread| {
        let end = Instant::now() + Duration::from_millis(100);
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(GIT_POLL);
        }
        thread.is_finished()
    });
    let text = ended.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("fatal: ").or_else(|| line.strip_prefix("error: ")).unwrap_or(line);
    if line.is_empty() { "no reason given".to_owned() } else { line.to_owned() }
}

/// A search path without its relative folders: a program must not be found in `content/`.
fn absolute(name: &str, value: &OsStr) -> OsString {
    if name != "PATH" {
        return value.to_owned();
    }
    let folders = std::env::split_paths(value).filter(|folder| folder.is_absolute());
    std::env::join_paths(folders).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_program_is_found_by_a_relative_path() {
        assert_eq!(absolute("PATH", OsStr::new("/a:.:bin::/b")), "/a:/b");
        assert_eq!(absolute("HOME", OsStr::new("home")), "home");
    }
}
