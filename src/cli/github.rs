//! What a step of GitHub Actions leaves for those after it: the summary of its run, and its outputs.
//!
//! (Files and forms: docs.github.com, "Workflow commands for GitHub Actions"; what the runner does with them:
//! `FileCommandManager.cs` of actions/runner. Both read 2026-11-26.)

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::Failure;
use super::exit::Exit;
use super::ui;
use crate::domain::ids::hex;

const OUTPUT: &str = "GITHUB_OUTPUT";
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// The runner drops the whole summary of a step that is larger: "supports content up to a size of 1024k".
const SUMMARY_BYTES_MAX: u64 = 1 << 20;

/// The files of this step.
#[derive(Debug)]
pub(super) struct Step {
    output: PathBuf,
    summary: PathBuf,
}

impl Step {
    /// # Errors
    /// Wrong usage where no runner has named them.
    pub(super) fn of(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Step, Failure> {
        let named = |name: &str| {
            variable(name).filter(|path| !path.is_empty()).map(PathBuf::from).ok_or_else(|| {
                Failure::usage(format!(
                    "--github needs {name}, which names a file of the step, and it is not set"
                ))
                .hint("GitHub Actions sets it in each step; elsewhere leave --github out")
            })
        };
        Ok(Step { output: named(OUTPUT)?, summary: named(SUMMARY)? })
    }

    /// Adds to the summary of the step. Where it would get too large, it stays as it is: the rest of it would be lost.
    ///
    /// # Errors
    /// Those of the filesystem.
    pub(super) fn summarize(&self, markdown: &str) -> Result<(), Failure> {
        let before = fs::metadata(&self.summary).map_or(0, |metadata| metadata.len());
        if before.saturating_add(markdown.len() as u64 + 1) > SUMMARY_BYTES_MAX {
            ui::tell("The summary of this step is full; the plan was not added to it.");
            return Ok(());
        }
        append(&self.summary, &format!("{markdown}\n"))
    }

    /// Sets outputs of the step.
    ///
    /// # Errors
    /// Those of the filesystem, and of the source of randomness.
    pub(super) fn set(&self, outputs: &[(&str, String)]) -> Result<(), Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        append(&self.output, &assigned(outputs, &format!("gitcast_{}", hex(&bytes))))
    }

    /// The code that a run ends with, however it ends.
    pub(super) fn note_exit(&self, result: &Result<Exit, Failure>) -> Result<(), Failure> {
        let exit = result.as_ref().map_or_else(|failure| failure.exit, |exit| *exit);
        self.set(&[("exit-code", exit.code().to_string())])
    }
}

/// Each value between two lines of `delimiter`, which nobody knew when the values were made.
fn assigned(outputs: &[(&str, String)], delimiter: &str) -> String {
    outputs.iter().map(|(name, value)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")).collect()
}

fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::error(format!(
            "{} cannot be written, which GitHub Actions reads after this step",
            path.display()
        ))
        .cause(&error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the runner makes of the file: for each name the lines up to its delimiter.
    fn read(text: &str) -> Vec<(String, String)> {
        let (mut lines, mut read) = (text.lines(), Vec::new());
        while let Some(line) = lines.next() {
            let (name, delimiter) = line.split_once("<<").expect("a name and a delimiter");
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            read.push((name.to_owned(), value.join("\n")));
        }
        read
    }

    #[test]
    fn a_value_sets_no_other_output() {
        for value in ["", "7", "a\nexit-code=0", "x\nEOF\nchanges<<EOF\n0", "a\n\nb<<c"] {
            let outputs = [("digest", value.to_owned()), ("changes", "1".to_owned())];
            let text = assigned(&outputs, "gitcast_0123");
            assert_eq!(read(&text), outputs.map(|(name, value)| (name.to_owned(), value)), "{text}");
        }
    }

    #[test]
    fn a_summary_that_is_full_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("summary");
        let step = Step { output: folder.path().join("output"), summary: path.clone() };
        fs::write(&path, vec![b'x'; (1 << 20) - 3]).expect("a file");
        step.summarize("abc").expect("told");
        assert_eq!(fs::metadata(&path).expect("a file").len(), (1 << 20) - 3);
        step.summarize("ab").expect("written");
        assert_eq!(fs::metadata(&path).expect("a file").len(), 1 << 20);
    }

    #[test]
    fn delimiters_differ() {
        let folder = tempfile::tempdir().expect("a folder");
        let step = Step { output: folder.path().join("output"), summary: folder.path().join("summary") };
        for _ in 0..2 {
            step.set(&[("changes", "1".into())]).expect("written");
        }
        let text = fs::read_to_string(&step.output).expect("text");
        let first: Vec<&str> = text.lines().filter(|line| line.contains("<<")).collect();
        assert!(first.len() == 2 && first[0] != first[1], "{text}");
    }
}
