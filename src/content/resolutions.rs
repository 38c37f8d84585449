//! Reads `content/resolutions/*.yaml`: decisions of people about publications.

use std::fs;
use std::io;
use std::path::Path;

use jiff::tz::TimeZone;

use super::scan::{read, unreadable};
use super::walk::{RESOLUTIONS, is_manifest, prefix, shown};
use crate::domain::manifest::parse::tree;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::resolution::{self, File};

/// The most files.
const FILES_MAX: usize = 1000;

/// All decisions, file by file in the order of their names. Paths in the result are relative to `root`.
pub fn resolutions(root: &Path, content: &Path, zone: &TimeZone) -> File {
    let folder = shown(&prefix(root, content), RESOLUTIONS);
    let mut all = File::default();
    let report = Report::new(&folder);
    for name in names(&content.join(RESOLUTIONS), &report) {
        let file = one(&content.join(RESOLUTIONS).join(&name), &shown(&folder, &name), zone);
        all.resolutions.extend(file.resolutions);
        all.doubtful.extend(file.doubtful);
        all.diagnostics.extend(file.diagnostics);
    }
    all.diagnostics.extend(report.into_diagnostics());
    all
}

fn one(full: &Path, path: &str, zone: &TimeZone) -> File {
    let report = Report::new(path);
    let node = match read(full) {
        Ok((_, bytes)) => tree(&bytes, &report),
        Err(error) => {
            unreadable(&error, &report);
            None
        }
    };
    let mut file = node.map(|node| resolution::read(&node, path, zone)).unwrap_or_default();
    file.diagnostics.extend(report.into_diagnostics());
    file
}

fn names(folder: &Path, report: &Report) -> Vec<String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let message = format!("the directory cannot be read: {error}");
            report.error("unreadable-directory", None, message).help("let gitcast read it");
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for entry in entries.take(FILES_MAX + 1) {
        let Ok(entry) = entry else {
            let message = "the directory cannot be read to its end";
            report.error("unreadable-directory", None, message).help("let gitcast read it");
            break;
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_manifest(Path::new(&name)) || name.starts_with('.') {
            continue;
        }
        if name.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            let message = format!("the file name {} is not UTF-8 or holds control characters", quote(&name));
            report.error("invalid-path", None, message).help("rename it");
            continue;
        }
        names.push(name);
    }
    if names.len() > FILES_MAX {
        let message = format!("more than {FILES_MAX} files");
        report.error("too-many-files", None, message).help("remove the ones that were carried out");
    }
    names.sort_unstable();
    names
}
