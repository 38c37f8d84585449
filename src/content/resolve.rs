//! From a medium as written in a manifest to the file it means, which is never one outside `content/`.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::cache::{Cache, Facts, Seen, encode_facts};
use super::media::{self, ProbeError, stamp};
use crate::domain::manifest::decode::closest;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::{MediaItem, MediaSource};
use crate::domain::media::{FileStamp, Medium};
use crate::domain::span::Located;
use crate::domain::url;

/// How many names of a directory are looked at to guess what a missing file was meant to be.
const GUESSES_MAX: usize = 1_000;

/// Resolves the media of one scan. Shared by its threads; each file is looked at once.
pub(super) struct Resolver<'a> {
    content: &'a Path,
    /// `content` without symbolic links.
    canonical: PathBuf,
    media_base_url: Option<&'a str>,
    cache: &'a Cache,
    directories: Mutex<HashMap<PathBuf, Place>>,
    files: Mutex<HashMap<String, Known>>,
}

/// Where a directory really is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Inside,
    Outside,
    Missing,
}

#[derive(Clone)]
struct Known {
    stamp: FileStamp,
    facts: Facts,
    /// Not from the cache.
    new: bool,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        content: &'a Path,
        media_base_url: Option<&'a str>,
        cache: &'a Cache,
    ) -> io::Result<Resolver<'a>> {
        let canonical = content.canonicalize()?;
        Ok(Resolver {
            content,
            canonical,
            media_base_url,
            cache,
            directories: Mutex::default(),
            files: Mutex::default(),
        })
    }

    /// The medium that `item` of a manifest in `directory` (relative to `content/`) means.
    pub(super) fn medium(&self, item: &MediaItem, directory: &str, report: &Report) -> Option<Medium> {
        let written = match &item.source {
            MediaSource::Url(url) => return Some(Medium::Url { url: url.value.clone() }),
            MediaSource::File(written) => written,
        };
        let path = match normalize(directory, &written.value) {
            Some(path) => path,
            None => return escape(written, report),
        };
        let known = self.known(&path).or_else(|| self.learn(&path, written, report))?;
        Some(Medium::File {
            url: self.media_base_url.map(|base| url::join(base, &path)),
            size: known.stamp.size,
            digest: known.facts.digest,
            stamp: known.stamp,
            probe: known.facts.probe,
            path,
        })
    }

    /// The file's metadata, if it is a file, is inside and is not empty. Nothing is opened: opening a pipe would wait.
    fn look(&self, path: &str, written: &Located<String>, report: &Report) -> Option<Metadata> {
        let full = self.content.join(path);
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        match self.place(&self.content.join(directory)) {
            Place::Inside => {}
            Place::Outside => return escape(written, report),
            Place::Missing => return missing(&full, written, report),
        }
        let metadata = match fs::symlink_metadata(&full) {
            Ok(metadata) if metadata.is_symlink() => match full.canonicalize() {
                Ok(target) if !target.starts_with(&self.canonical) => return escape(written, report),
                Ok(target) => fs::metadata(target),
                Err(error) => Err(error),
            },
            other => other,
        };
        let (code, error) = match metadata {
            Ok(metadata) if !metadata.is_file() => ("not-a-file", ProbeError::NotAFile),
            Ok(metadata) if metadata.len() == 0 => ("media-empty", ProbeError::Empty),
            Ok(metadata) => return Some(metadata),
            Err(error) if is_missing(&error) => return missing(&full, written, report),
            Err(error) => return no_medium(written, &error.into(), report),
        };
        let message = format!("{} is no usable medium: {error}", quote(&written.value));
        report.error(code, written.span, message).help(error.help());
        None
    }

    /// Where `directory` really is. Few directories hold many files, so each is resolved once.
    fn place(&self, directory: &Path) -> Place {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = directories.get(directory) {
            return *place;
        }
        let place = match directory.canonicalize() {
            Ok(real) if real.starts_with(&self.canonical) => Place::Inside,
            Ok(_) => Place::Outside,
            Err(_) => Place::Missing,
        };
        directories.insert(directory.to_owned(), place);
        place
    }

    /// What another manifest's thread has found out in this scan.
    fn known(&self, path: &str) -> Option<Known> {
        self.files().get(path).cloned()
    }

    fn learn(&self, path: &str, written: &Located<String>, report: &Report) -> Option<Known> {
        let stamp = stamp(&self.look(path, written, report)?);
        let remembered = self.cache.facts(path, &stamp).map(|facts| Known { stamp, facts, new: false });
        let known = match remembered.map_or_else(|| examine(&self.content.join(path)), Ok) {
            Ok(known) => known,
            Err(error) => return no_medium(written, &error, report),
        };
        self.files().insert(path.to_owned(), known.clone());
        Some(known)
    }

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the cache is to remember, in the order of paths.
    pub(super) fn into_seen(self) -> Vec<Seen> {
        let files = self.files.into_inner().unwrap_or_else(PoisonError::into_inner);
        let seen = |(path, known): (String, Known)| Seen {
            path,
            stamp: known.stamp,
            new: known.new.then(|| encode_facts(&known.facts)),
        };
        let mut seen: Vec<_> = files.into_iter().map(seen).collect();
        seen.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        seen
    }
}

/// `file` as seen from `directory`, both relative to `content/`, without `.` and `..`; nothing if that is outside.
fn normalize(directory: &str, file: &str) -> Option<String> {
    if file.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(file.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn escape<T>(written: &Located<String>, report: &Report) -> Option<T> {
    let message = format!("{} is outside the content directory", quote(&written.value));
    report
        .error("path-escape", written.span, message)
        .help("move or copy the file into the content directory");
    None
}

/// Not there, or below something that is no directory.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn missing<T>(full: &Path, written: &Located<String>, report: &Report) -> Option<T> {
    let finding =
        report.error("file-missing", written.span, format!("there is no file {}", quote(&written.value)));
    let help = match neighbour(full) {
        _ if full.is_symlink() => "it is a symbolic link, and what it points to is not there".to_owned(),
        Some(name) => format!("did you mean {}? the path is relative to the manifest", quote(&name)),
        None => "the path is relative to the manifest".to_owned(),
    };
    finding.help(help);
    None
}

/// A file in the same directory with almost the same name.
fn neighbour(full: &Path) -> Option<String> {
    let wanted = full.file_name()?.to_str()?;
    let entries = fs::read_dir(full.parent()?).ok()?.take(GUESSES_MAX);
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    closest(wanted, &names.iter().map(String::as_str).collect::<Vec<_>>()).map(str::to_owned)
}

/// The error may quote the file, and so anything.
fn no_medium<T>(written: &Located<String>, error: &ProbeError, report: &Report) -> Option<T> {
    let why: String =
        error.to_string().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let message = format!("{} is no usable medium: {why}", quote(&written.value));
    report.error("media-unreadable", written.span, message).help(error.help());
    None
}

fn examine(path: &Path) -> Result<Known, ProbeError> {
    let facts = media::examine(path)?;
    Ok(Known { stamp: facts.stamp, facts: Facts { digest: facts.digest, probe: facts.probe }, new: true })
}
