//! Where the Markdown goes: a file of the user's choosing, anywhere but where gitcast keeps what it reads and records.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::error::Failure;
use crate::cli::workspace::Workspace;

/// A file that may be written.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    folder: PathBuf,
    name: String,
}

impl Target {
    /// The file that `path` names, from the project's folder.
    ///
    /// # Errors
    /// Wrong usage if its folder does not exist, or lies in `content/` or `state/`, however it is named.
    pub(in crate::cli) fn of(workspace: &Workspace, path: &Path) -> Result<Target, Failure> {
        let path = workspace.root.join(path);
        let name =
            path.file_name().ok_or_else(|| Failure::usage(format!("{} names no file", path.display())))?;
        let name = name.to_string_lossy().into_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(|error| {
            let failure = Failure::usage(format!("{} cannot be written", path.display())).cause(&error);
            failure.hint("make its folder first, or name another file")
        })?;
        for own in [&workspace.content, &workspace.state] {
            if own.canonicalize().is_ok_and(|own| folder.starts_with(own)) {
                let message = format!(
                    "{} lies in {}, where only posts or records belong",
                    path.display(),
                    own.display()
                );
                return Err(Failure::usage(message).hint("name a file elsewhere"));
            }
        }
        Ok(Target { folder, name })
    }

    /// Puts `text` there in the place of what was there; nobody sees half of it.
    ///
    /// # Errors
    /// Those of the filesystem; what was there before is there still.
    pub(in crate::cli) fn write(&self, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(&self.name);
        let unfinished = self.folder.join(format!(".{}.{}.tmp", self.name, std::process::id()));
        let written = create(&unfinished, text).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            Failure::error(format!("{} was not written", path.display())).cause(&error)
        })
    }
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
