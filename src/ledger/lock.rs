//! One writer at a time: a lock of the operating system on a file beside the ledger.
//!
//! The kernel releases it however the process dies. The file itself stays; while the lock is held it tells, as JSON,
//! who holds it. `ledger.db` is guarded by `lock`, any other `NAME.db` by `NAME.lock`.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Error;

/// How often a waiting process tries again.
const POLL: Duration = Duration::from_millis(50);

/// More than any holder writes about itself.
const HOLDER_BYTES_MAX: u64 = 16 * 1024;

/// Who holds the lock, for whoever waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    pub started_at: Timestamp,
    /// `gitcast apply`
    pub command: String,
    /// Where the CI run can be looked at.
    pub run_url: Option<String>,
}

impl Holder {
    /// This process. `variable` reads the environment.
    pub fn this_process(
        command: impl Into<String>,
        started_at: Timestamp,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Holder {
        Holder {
            pid: std::process::id(),
            host: host(&variable),
            started_at,
            command: command.into(),
            run_url: run_url(&variable),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { pid, host, started_at, command, run_url } = self;
        write!(f, "`{command}` (process {pid} on {host}, since {started_at:.0}")?;
        run_url.as_ref().map_or(Ok(()), |url| write!(f, ", {url}"))?;
        f.write_str(")")
    }
}

fn host(variable: &impl Fn(&str) -> Option<String>) -> String {
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = kernel().or_else(|| variable("HOSTNAME")).or_else(|| variable("COMPUTERNAME"));
    named.map_or_else(|| "an unknown host".into(), |name| name.trim().to_owned())
}

/// The page of the CI run that this process belongs to, as the usual services announce it.
fn run_url(variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let github = || {
        let server = variable("GITHUB_SERVER_URL")?;
        let repository = variable("GITHUB_REPOSITORY")?;
        Some(format!("{server}/{repository}/actions/runs/{}", variable("GITHUB_RUN_ID")?))
    };
    // GitLab, Jenkins, Buildkite, CircleCI.
    let others = ["CI_JOB_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL"];
    github().or_else(|| others.into_iter().find_map(variable))
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Waits up to `timeout` for the lock that guards the ledger at `ledger`.
    pub fn acquire(ledger: &Path, timeout: Duration, holder: &Holder) -> Result<Lock, Error> {
        let path = path(ledger);
        let mut file = open(&path).map_err(|error| Error::io(&path, error))?;
        let deadline = Instant::now() + timeout;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(Error::io(&path, error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Locked { holder: read_holder(&mut file).map(Box::new) });
            }
            std::thread::sleep(left.min(POLL));
        }
        // For people only: what cannot be written, on a full disk for one, must not stop anything.
        let _ = write_holder(&mut file, Some(holder));
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = write_holder(&mut self.0, None);
    }
}

/// The file whose lock guards the ledger at `ledger`.
pub(super) fn path(ledger: &Path) -> PathBuf {
    match ledger.file_stem() {
        Some(stem) if stem != "ledger" => ledger.with_file_name(stem).with_added_extension("lock"),
        _ => ledger.with_file_name("lock"),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    super::open::owner_only(&mut options);
    options.open(path)
}

fn write_holder(file: &mut File, holder: Option<&Holder>) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    match holder {
        Some(holder) => file.write_all(&serde_json::to_vec(holder)?),
        None => Ok(()),
    }
}

/// Absent while the holder writes it.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ledger_has_a_lock_of_its_own() {
        for (ledger, lock) in [
            ("state/ledger.db", "state/lock"),
            ("state/rehearsal.db", "state/rehearsal.lock"),
            ("state/a.b.db", "state/a.b.lock"),
        ] {
            assert_eq!(path(Path::new(ledger)), Path::new(lock));
        }
    }

    #[test]
    fn the_holder_names_the_run() {
        let github = |name: &str| match name {
            "GITHUB_SERVER_URL" => Some("https://github.com".to_owned()),
            "GITHUB_REPOSITORY" => Some("o/r".to_owned()),
            "GITHUB_RUN_ID" => Some("7".to_owned()),
            _ => None,
        };
        let holder = Holder::this_process("gitcast apply", Timestamp::UNIX_EPOCH, github);
        assert_eq!(holder.run_url.as_deref(), Some("https://github.com/o/r/actions/runs/7"));
        let shown = Holder { pid: 5, host: "h".into(), ..holder }.to_string();
        assert_eq!(
            shown,
            "`gitcast apply` (process 5 on h, since 1970-01-01T00:00:00Z, https://github.com/o/r/actions/runs/7)"
        );
    }
}
