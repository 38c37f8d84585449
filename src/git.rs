//! Asks git, and never trusts it.
//!
//! # Guarantees
//!
//! Git is run without a shell and without a terminal: it cannot ask anything, start a pager, verify a signature, run a
//! hook or a filter, or begin to tidy up. It takes no folder of `content/` for a repository, whose settings could name
//! a command. All of it ends. With [`Reach::Here`] it fetches nothing, not even what is missing, and sees no variable of
//! the environment but those that it needs to find itself and its settings, so no secret. With [`Reach::Remote`] it
//! also sees what leads to a server and its login, and speaks the usual protocols, none of which runs a command that
//! an address names.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
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

/// Beyond that, what it needs to get at a server: proxies, certificates, settings and helpers of the user's own.
const KEPT_FOR_REMOTES: [&str; 24] = [
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "USER",
    "LOGNAME",
    "TMPDIR",
    // What `gh auth git-credential` and CI services' helpers read.
    "GH_TOKEN",
    "GITHUB_TOKEN",
];
/// As many settings as are taken over from `GIT_CONFIG_KEY_0` and the like.
const CONFIG_COUNT_MAX: usize = 64;

/// What an address may begin with. `ext` and others that run a command are not among them.
const PROTOCOLS: [&str; 5] = ["https", "http", "ssh", "git", "file"];

/// Settings that could make git run something, with harmless values.
const SETTINGS: [&str; 8] = [
    // A folder of `content/` that looks like a repository is none.
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "log.showSignature=false",
    "protocol.allow=never",
    // Tidying up would go on behind our back.
    "gc.auto=0",
    // What a ref is made to point at is on the disk before the ref is, whatever the power does: by default git leaves
    // that to chance for single objects (git-config, `core.fsync`, read 2026-11-26).
    "core.fsync=all",
    "maintenance.auto=false",
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

/// How far git may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No further than the repository.
    Here,
    /// To its remotes.
    Remote,
}

/// Where git is asked, and how long and how much its answers may be.
pub struct Git<'a> {
    pub folder: &'a Path,
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub reach: Reach,
    pub deadline: Instant,
    pub answer_bytes_max: u64,
}

impl Git<'_> {
    /// What git says, if it succeeds in time.
    pub fn answer(&self, arguments: &[&str], paths: &[&str]) -> Result<Vec<u8>, GitError> {
        self.run(self.command(arguments, paths), Vec::new())
    }

    /// The same, where it is given something to read.
    pub fn answer_about(&self, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let mut command = self.command(arguments, &[]);
        command.stdin(Stdio::piped());
        self.run(command, input)
    }

    /// What git says, and where it fails what it complains about: for commands that tell more than that they failed.
    pub fn answer_anyway(&self, arguments: &[&str]) -> Result<(Vec<u8>, Option<String>), GitError> {
        self.attempt(self.command(arguments, &[]), Vec::new())
    }

    fn run(&self, command: Command, input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        match self.attempt(command, input)? {
            (answer, None) => Ok(answer),
            (_, Some(complaint)) => Err(GitError::Refused(complaint)),
        }
    }

    fn attempt(&self, mut command: Command, input: Vec<u8>) -> Result<(Vec<u8>, Option<String>), GitError> {
        let mut child = command.spawn().map_err(GitError::Start)?;
        if let Some(mut to) = child.stdin.take() {
            // Git reads when it likes, and what it says must be read meanwhile. Where git ends early, so does this.
            std::thread::spawn(move || to.write_all(&input));
        }
        let complaint = child.stderr.take().map(complaint);
        let answer = self.read(&mut child);
        let ended = self.ended(&mut child);
        // Both may fail where it has ended already.
        let _ = child.kill();
        let _ = child.wait();
        match ended {
            Some(true) => Ok((answer?, None)),
            Some(false) => Ok((answer.unwrap_or_default(), Some(said(complaint)))),
            None => answer.and(Err(GitError::Late)),
        }
    }

    pub fn command(&self, arguments: &[&str], paths: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in KEPT {
            command.envs((self.variable)(name).map(|value| (name, absolute(name, &value))));
        }
        if self.reach == Reach::Remote {
            let pairs = (0..CONFIG_COUNT_MAX)
                .flat_map(|n| [format!("GIT_CONFIG_KEY_{n}"), format!("GIT_CONFIG_VALUE_{n}")]);
            for name in KEPT_FOR_REMOTES.into_iter().map(str::to_owned).chain(pairs) {
                command.envs((self.variable)(&name).map(|value| (name, value)));
            }
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1");
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_LITERAL_PATHSPECS", "1").env("LC_ALL", "C");
        command.arg("--no-pager").arg("-C").arg(self.folder);
        SETTINGS.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        if self.reach == Reach::Remote {
            for protocol in PROTOCOLS {
                command.arg("-c").arg(format!("protocol.{protocol}.allow=always"));
            }
        }
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
pub fn complaint(mut from: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What cannot be read is no complaint.
        let _ = from.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut bytes);
        let _ = io::copy(&mut from, &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Its first line, without what git puts before it.
pub fn said(complaint: Option<JoinHandle<String>>) -> String {
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
