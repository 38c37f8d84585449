//! A temporary project, the program run in it with a clean environment, and a stand-in TikTok to run it against.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

mod child;
mod clone;
mod hub;
mod receiver;
mod server;

pub(crate) use child::{REACHED_MAX, send, wait_until};
pub(crate) use hub::Hub;
pub(crate) use receiver::{Answer, HOOK_SECRET, Receiver};
pub(crate) use server::Server;

/// A project in a folder of its own.
pub(crate) struct Project {
    dir: TempDir,
    variables: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Run {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// One account in draft mode and one in direct mode, both unaudited.
pub(crate) const ACCOUNTS: &str = "version: 1
timezone: Europe/Berlin
accounts:
  drafts:
    platform: tiktok
    mode: draft
  direct:
    platform: tiktok
    mode: direct
media_base_url: https://media.example.com/
";

impl Project {
    /// With [`ACCOUNTS`] and nothing else.
    pub(crate) fn new() -> Project {
        Project::with(ACCOUNTS)
    }

    pub(crate) fn with(gitcast_yaml: &str) -> Project {
        let dir = tempfile::Builder::new().prefix("gitcast-").tempdir().expect("temporary folder");
        let project = Project { dir, variables: BTreeMap::new() };
        project.write("content/gitcast.yaml", gitcast_yaml);
        project
    }

    /// A folder with nothing in it.
    pub(crate) fn empty() -> Project {
        let dir = tempfile::Builder::new().prefix("gitcast-").tempdir().expect("temporary folder");
        Project { dir, variables: BTreeMap::new() }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> &Project {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        fs::write(path, content).expect("file");
        self
    }

    /// Copies a file of `tests/fixtures/media`.
    pub(crate) fn medium(&self, fixture: &str, relative: &str) -> &Project {
        self.write(relative, fs::read(fixture_path(fixture)).expect("fixture"))
    }

    /// A manifest of a video on the account in draft mode, with its own bytes.
    pub(crate) fn draft(&self, id: &str) -> &Project {
        self.video_of(id);
        self.write(
            &format!("content/{id}.yaml"),
            format!("id: {id}\nmedia:\n  - file: {id}.mp4\nto:\n  drafts:\n"),
        )
    }

    /// A manifest of a video on the account in direct mode, with its own bytes.
    pub(crate) fn direct(&self, id: &str) -> &Project {
        self.video_of(id);
        let manifest = format!(
            "id: {id}\ntext: The text of {id}\nmedia:\n  - file: {id}.mp4\nto:\n  direct:\n    privacy: self_only\n"
        );
        self.write(&format!("content/{id}.yaml"), manifest)
    }

    /// As [`draft`](Self::draft), and large. Sparse, so that it costs no disk: a good video and a `free` box of the rest.
    pub(crate) fn large_draft(&self, id: &str, size: u64) -> &Project {
        self.draft(id);
        let path = self.path(&format!("content/{id}.mp4"));
        let mut file = fs::OpenOptions::new().append(true).open(path).expect("video");
        let end = file.metadata().expect("metadata").len();
        file.write_all(&u32::try_from(size - end).expect("below 4 GB").to_be_bytes()).expect("size");
        file.write_all(b"free").expect("type");
        file.set_len(size).expect("length");
        self
    }

    /// A program of `sh` that only its owner can run. It is written by another process: what this one has open for writing
    /// is inherited by whatever another test starts meanwhile, and could not be run.
    pub(crate) fn script(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path(relative);
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\"; chmod 700 \"$0\"";
        let written = Command::new("sh").args(["-c", write]).arg(&path).arg(text).status();
        assert!(written.expect("sh runs").success());
        path
    }

    fn video_of(&self, id: &str) {
        let mut bytes = fs::read(fixture_path("good.mp4")).expect("fixture");
        // A `free` box at the end: another file, the same video.
        let size = u32::try_from(id.len() + 8).expect("short");
        bytes.extend(size.to_be_bytes());
        bytes.extend(b"free");
        bytes.extend(id.as_bytes());
        self.write(&format!("content/{id}.mp4"), bytes);
    }

    pub(crate) fn variable(&mut self, name: &str, value: &str) -> &mut Project {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitcast"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().expect("the program starts").into()
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = self.spawn_with(self.command(arguments).stdin(Stdio::piped()));
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("input is read");
        child.wait_with_output().expect("the program ends").into()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.spawn_with(&mut self.command(arguments))
    }

    fn spawn_with(&self, command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// `status --json`, as `post@account state` by line.
    pub(crate) fn states(&self, arguments: &[&str]) -> Vec<String> {
        let status = self.run(&[&["status", "--json"], arguments].concat()).expect(0).json();
        let publications = status["publications"].as_array().expect("a list").clone();
        let field = |p: &Value, name: &str| p[name].as_str().unwrap_or_default().to_owned();
        publications
            .iter()
            .map(|p| format!("{}@{} {}", field(p, "post"), field(p, "account"), field(p, "state")))
            .collect()
    }

    /// Every file under the project but the home folder, with its bytes.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.dir.path(), &mut files);
        files.retain(|path, _| !path.starts_with(self.path("home")));
        files
    }

    /// What the program's cache holds under this extension.
    pub(crate) fn cached(&self, extension: &str) -> Vec<String> {
        let mut files = BTreeMap::new();
        collect(&self.path("home"), &mut files);
        files.retain(|path, _| path.extension().is_some_and(|found| found == extension));
        files.into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("entry").path();
        if path.is_symlink() || !path.is_dir() {
            files.insert(path.clone(), fs::read(&path).unwrap_or_default());
        } else {
            collect(&path, files);
        }
    }
}

pub(crate) fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}
