//! Finds the manifests under `content/`, in the same order every time.

use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::capability;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::manifest::report::quote;

/// The project's own file, at the top of `content/`.
pub(super) const PROJECT_FILE: &str = "gitcast.yaml";

/// Kept for decisions of people about publications; holds no manifests.
pub(super) const RESOLUTIONS: &str = "resolutions";

/// How deep directories are followed.
pub(super) const DEPTH_MAX: usize = 32;

/// The most manifests in one project: twice what the budget is measured at.
pub(super) const MANIFESTS_MAX: usize = 200_000;

/// The most directory entries looked at, media included.
pub(super) const ENTRIES_MAX: usize = 2_000_000;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Manifests relative to `content/`, with `/`, sorted.
    pub(super) manifests: Vec<String>,
    /// Manifests that are there and will not be read, likewise.
    pub(super) refused: Vec<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Some directory could not be read to its end: what was not found may still be there.
    pub(super) incomplete: bool,
    entries: usize,
}

/// Walks `content`, which `prefix` names in diagnostics.
pub(super) fn walk(content: &Path, prefix: &str) -> Walk {
    let mut walk = Walk::default();
    walk.directory(content, "", prefix, 0);
    walk.manifests.sort_unstable();
    walk.refused.sort_unstable();
    walk
}

impl Walk {
    fn directory(&mut self, directory: &Path, relative: &str, prefix: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return self.give_up("too-deep", &shown(prefix, relative), "directories are nested too deep");
        }
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(&shown(prefix, relative), &error),
        };
        for entry in entries {
            self.entries += 1;
            if self.entries > ENTRIES_MAX || self.manifests.len() >= MANIFESTS_MAX {
                return self.give_up("too-many-files", prefix, "there are too many files");
            }
            match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
                Ok((kind, entry)) => self.entry(&entry, kind, relative, prefix, depth),
                Err(error) => self.unreadable(&shown(prefix, relative), &error),
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry, kind: FileType, relative: &str, prefix: &str, depth: usize) {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else {
            return self.bad_name(&entry.path(), relative, prefix);
        };
        let path = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
        if name.starts_with('.') || [RESOLUTIONS, PROJECT_FILE, capability::FILE].contains(&path.as_str()) {
            return;
        }
        if kind.is_dir() {
            return self.directory(&entry.path(), &path, prefix, depth + 1);
        }
        match (is_manifest(Path::new(name)), kind.is_symlink()) {
            (true, true) => self.refuse("symlink", path, prefix, "a manifest must not be a symbolic link"),
            (true, false) if kind.is_file() => self.manifests.push(path),
            (true, false) => self.refuse("not-a-file", path, prefix, "this is not a regular file"),
            (false, true) if fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) => {
                let message = "symbolic links to directories are not followed";
                let help = "if it holds manifests, put the directory itself there";
                self.diagnostics
                    .push(Diagnostic::warning("symlink", &shown(prefix, &path), None, message).help(help));
            }
            (false, _) => {}
        }
    }

    /// A name that cannot be shown as it is. It only matters for manifests and directories.
    fn bad_name(&mut self, path: &Path, relative: &str, prefix: &str) {
        if path.is_dir() || is_manifest(path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let message = format!("the file name {} is not UTF-8 or holds control characters", quote(&name));
            let found = Diagnostic::error("invalid-path", &shown(prefix, relative), None, message);
            self.diagnostics.push(found.help("rename it"));
            self.incomplete = true;
        }
    }

    fn refuse(&mut self, code: &'static str, path: String, prefix: &str, message: &str) {
        let found = Diagnostic::error(code, &shown(prefix, &path), None, message);
        self.diagnostics.push(found.help("put the file itself there"));
        self.refused.push(path);
    }

    fn unreadable(&mut self, path: &str, error: &io::Error) {
        self.give_up("unreadable-directory", path, &format!("the directory cannot be read: {error}"));
    }

    /// One diagnostic for each place is enough.
    fn give_up(&mut self, code: &'static str, path: &str, message: &str) {
        self.incomplete = true;
        if !self.diagnostics.iter().any(|d| d.code == code && d.path == path) {
            self.diagnostics.push(Diagnostic::error(code, path, None, message));
        }
    }
}

pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// A path relative to `content/` as people see it.
pub(super) fn shown(prefix: &str, relative: &str) -> String {
    match (prefix, relative) {
        ("", path) => path.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}/{path}"),
    }
}

/// How `content` is called in diagnostics: relative to the project's root where it lies inside.
pub(super) fn prefix(root: &Path, content: &Path) -> String {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let relative: PathBuf = match content.strip_prefix(root) {
        Ok(relative) => relative.to_owned(),
        Err(_) => real(content).strip_prefix(real(root)).map_or_else(|_| content.to_owned(), Path::to_owned),
    };
    relative.to_string_lossy().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
