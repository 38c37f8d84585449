//! A message as the standard input of a program that the user has named.
//!
//! # Guarantees
//!
//! The program is run itself, by an absolute path and without a shell; nothing of a message comes into its arguments or
//! its environment, and no secret of ours does. What it prints is thrown away. It ends within [`ATTEMPT_TIMEOUT`], or it is
//! killed with its process group: so is it when gitcast ends before. (A program that leaves its group stays.)

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;

use super::{ATTEMPT_TIMEOUT, Fault};
use crate::ledger::Letter;

/// Which program is run.
#[derive(Debug)]
pub struct Command {
    pub(super) path: PathBuf,
    /// Variables of the environment that it does not get.
    withheld: Vec<OsString>,
    timeout: Duration,
}

/// The service manager's, and what pays for lists of trends.
const WITHHELD: [&str; 4] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "ENSEMBLEDATA_TOKEN"];
/// What stands somewhere in the names of variables that a project may choose for keys of its accounts.
const KEYS: [&str; 3] = ["CLIENT_SECRET", "CLIENT_KEY", "BUSINESS_ACCESS_TOKEN"];

/// Whether a variable of the environment is ours or an app's key, or speaks to our service manager.
pub fn is_withheld(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.starts_with("GITCAST_") || KEYS.iter().any(|key| name.contains(key)) || WITHHELD.contains(&&*name)
}

impl Command {
    /// The program at `path`, with the present environment but for what [`is_withheld`] of `names`, which are all of it.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, as a fragment that completes "it".
    pub fn new(
        path: &Path,
        content: &Path,
        names: impl Iterator<Item = OsString>,
    ) -> Result<Command, String> {
        if !path.is_absolute() {
            return Err("must be an absolute path of a program; arguments go into a script".to_owned());
        }
        let found = path.canonicalize().map_err(|error| format!("cannot be found: {error}"))?;
        if !found.is_file() {
            return Err("is no file".to_owned());
        }
        // Whoever proposes content must not decide what is run.
        if content.canonicalize().is_ok_and(|content| found.starts_with(content)) {
            return Err("must not lie in the folder of manifests".to_owned());
        }
        let withheld = names.filter(|name| is_withheld(name)).collect();
        Ok(Command { path: path.to_owned(), withheld, timeout: ATTEMPT_TIMEOUT })
    }

    /// Runs it once. The letter is taken if it ends with 0.
    pub(super) async fn run(&self, letter: &Letter) -> Result<(), Fault> {
        let mut command = tokio::process::Command::new(&self.path);
        self.withheld.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|error| Fault::new(format!("it cannot be started: {error}")))?;
        let mut group = Group::of(&child);
        let stdin = child.stdin.take();
        let work = async {
            if let Some(mut stdin) = stdin {
                // One that does not read all of it may be content all the same: how it ends decides.
                let _ = stdin.write_all(letter.body.as_bytes()).await;
            }
            child.wait().await
        };
        let ended = tokio::time::timeout(self.timeout, work).await;
        let status = match ended {
            Ok(status) => {
                status.map_err(|error| Fault::new(format!("how it ended is not known: {error}")))?
            }
            Err(_) => {
                return Err(Fault::new(format!(
                    "it took longer than {} s and was killed",
                    self.timeout.as_secs()
                )));
            }
        };
        // Its number may be another's from here on.
        group.0 = None;
        if status.success() { Ok(()) } else { Err(Fault::new(format!("it ended with {status}"))) }
    }
}

/// The program's process group, killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Group {
        Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails where all of it has ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jiff::Timestamp;

    use super::*;

    fn letter() -> Letter {
        let body = "{\"a\":\"$(touch oops) `x` ; \\u0000\"}".to_owned();
        Letter { id: "msg_1".into(), at: Timestamp::UNIX_EPOCH, body, attempts: 0 }
    }

    /// A script that runs in `folder`.
    pub(in crate::hooks) fn command(folder: &Path, script: &str) -> Command {
        let path = folder.join("hook");
        // By another process: a file that this one has open for writing would be inherited by what it starts meanwhile,
        // and could not be run.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\"; chmod 700 \"$0\"";
        let script = format!("cd '{}'\n{script}", folder.display());
        let written = std::process::Command::new("sh").args(["-c", write]).arg(&path).arg(script).status();
        assert!(written.expect("sh runs").success());
        let names = ["GITCAST_KEY", "PATH"].map(OsString::from);
        Command::new(&path, &folder.join("content"), names.into_iter()).expect("a command")
    }

    #[test]
    fn what_a_program_must_not_know_is_withheld() {
        for name in [
            "GITCAST_KEY",
            "GITCAST_HOOK_SECRET",
            "GITCAST_HOOK_URL",
            "gitcast_pages_token",
            "TIKTOK_CLIENT_SECRET",
            "TIKTOK_CLIENT_KEY",
            "CLIENT_SECRET_OF_BRAND",
            "TIKTOK_RESEARCH_CLIENT_SECRET",
            "TIKTOK_BUSINESS_ACCESS_TOKEN",
            "BRAND_BUSINESS_ACCESS_TOKEN",
            "EnsembleData_Token",
            "NOTIFY_SOCKET",
        ] {
            assert!(is_withheld(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HOME", "SLACK_TOKEN", "LANG"] {
            assert!(!is_withheld(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn only_an_absolute_path_outside_of_content_is_run() {
        let folder = tempfile::tempdir().expect("folder");
        let content = folder.path().join("content");
        std::fs::create_dir(&content).expect("content");
        std::fs::write(content.join("hook"), "").expect("file");
        std::os::unix::fs::symlink(content.join("hook"), folder.path().join("link")).expect("link");
        for path in [
            PathBuf::from("hook"),
            "./hook".into(),
            folder.path().join("missing"),
            folder.path().to_owned(),
            content.join("hook"),
            folder.path().join("link"),
        ] {
            Command::new(&path, &content, std::iter::empty()).expect_err(&path.display().to_string());
        }
    }

    #[tokio::test]
    async fn the_program_gets_the_body_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        command(folder.path(), "cat > got; echo \"$#\" >> got").run(&letter()).await.expect("taken");
        let got = std::fs::read_to_string(folder.path().join("got")).expect("got");
        assert_eq!(got, letter().body + "0\n");
        assert!(!folder.path().join("oops").exists());
    }

    #[tokio::test]
    async fn how_it_ends_decides() {
        let folder = tempfile::tempdir().expect("folder");
        command(folder.path(), "exec <&-; exit 0").run(&letter()).await.expect("taken unread");
        let fault = command(folder.path(), "exit 3").run(&letter()).await.expect_err("3");
        assert!(fault.message.contains("3"), "{fault:?}");
        let broken = folder.path().join("hook");
        std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let command = Command::new(&broken, folder.path(), std::iter::empty());
        assert!(command.is_err(), "in the folder of manifests");
        let command =
            Command::new(&broken, &folder.path().join("content"), std::iter::empty()).expect("a command");
        command.run(&letter()).await.expect_err("not executable");
    }

    /// The pipe that all of the group hold open tells when the last one is gone.
    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_its_group() {
        let folder = tempfile::tempdir().expect("folder");
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
        assert!(made.expect("mkfifo runs").success());
        let mut command = command(folder.path(), "exec 3>pipe; sleep 1000 & sleep 1000");
        command.timeout = Duration::from_secs(1);
        let pipe = folder.path().join("pipe");
        let held = tokio::task::spawn_blocking(move || std::fs::read(pipe));
        let fault = command.run(&letter()).await.expect_err("too long");
        assert!(fault.message.contains("1 s"), "{fault:?}");
        assert_eq!(held.await.expect("a thread").expect("closed"), b"");
    }
}
