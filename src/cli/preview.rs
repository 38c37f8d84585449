//! `gitcast preview`: the pages as files, to look at before anything is merged. Needs no network, no login, no ledger.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::error::Failure;
use super::exit::Exit;
use super::plan::{FORMAT_VERSION, Gates};
use super::site::{View, Wanted, media_name};
use super::workspace::{Book, Workspace};
use super::{trends, ui};
use crate::domain::ids::ContentDigest;
use crate::domain::media::Medium;
use crate::pages::{ICON, Page, Picture, STYLE, Source};

/// A larger picture is named, not copied.
const COPY_BYTES_MAX: u64 = 2_000_000;
/// All copies together.
const COPIES_BYTES_MAX: u64 = 100_000_000;
/// Lists what was written, so that the next time it may be replaced, and nothing else.
const MARKER: &str = ".gitcast-preview";
const MARKER_BYTES_MAX: u64 = 64 << 20;
const MEDIA: &str = "media";
const ASSETS: [(&str, &str); 2] = [STYLE, ICON];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder for the pages: a new or an empty one, or one that this command has made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// As a rehearsal would have it, with its ledger
    #[arg(long)]
    rehearse: bool,
    #[command(flatten)]
    trends: trends::known::Wanted,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = workspace.root.join(&arguments.out);
    let wanted = Wanted {
        book: Book::of(arguments.rehearse),
        stand_in: arguments.rehearse.then(|| workspace.planned_stand_in()),
        gates: Gates::default(),
        is_live: false,
        tree: None,
        form_key: None,
    };
    let mut view = View::read(workspace, &wanted)?;
    if let Some(trending) = arguments.trends.read(workspace)? {
        view.tell_trends(trending);
    }
    let mut out = Out::open(&folder)?;
    for (name, text) in ASSETS {
        out.write(name, text.as_bytes())?;
    }
    for page in view.site.pages() {
        let text = match &page {
            Page::Post(id) => view.post(id, |medium| out.copy(&workspace.content, medium))?,
            page => view.site.render(page),
        };
        if let Some(text) = text {
            out.write(&page.name(), text.as_bytes())?;
        }
    }
    let (pages, media) = (out.pages, out.written.len() - out.pages);
    if let Some(error) = out.failed.take() {
        return Err(error.into());
    }
    out.finish()?;
    let index = folder.join(Page::Index.name());
    if workspace.global.json {
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "index": arguments.out.join(Page::Index.name()),
            "pages": pages,
            "problems": view.site.findings.len(),
        }));
    } else {
        ui::print(&format!("{}\n", index.display()));
        ui::tell(&format!("{pages} pages and {media} other files, {} problems.", view.site.findings.len()));
    }
    Ok(workspace.verdict(&view.loaded.diagnostics))
}

/// A folder of pages that is written, and what has been written to it.
struct Out {
    folder: PathBuf,
    /// Made the last time.
    before: BTreeSet<String>,
    written: BTreeSet<String>,
    pages: usize,
    copied: u64,
    failed: Option<io::Error>,
}

impl Out {
    fn open(folder: &Path) -> Result<Out, Failure> {
        fs::create_dir_all(folder)?;
        let is_empty = fs::read_dir(folder)?.next().is_none();
        let before = match read_marker(&folder.join(MARKER)) {
            Ok(text) => text.lines().filter(|name| is_ours(name)).map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_empty => BTreeSet::new(),
            Err(_) => {
                let message =
                    format!("{} is not empty, and no earlier preview: nothing was written", folder.display());
                return Err(Failure::usage(message).hint("name another folder by --out, or empty this one"));
            }
        };
        let out = Out {
            folder: folder.to_owned(),
            before,
            written: BTreeSet::new(),
            pages: 0,
            copied: 0,
            failed: None,
        };
        // From now on the folder is known to be ours, whatever happens.
        out.mark(&out.before)?;
        Ok(out)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        put(&self.folder, name, bytes)?;
        self.pages += usize::from(name.ends_with(".html"));
        self.written.insert(name.to_owned());
        Ok(())
    }

    /// Copies a picture, if it is one and there is room.
    fn copy(&mut self, content: &Path, medium: &Medium) -> Source {
        let (Some(name), Some((Picture::Photo, ..)), Medium::File { path, size, digest, .. }) =
            (media_name(medium), Picture::of(medium), medium)
        else {
            return Source::Named;
        };
        if self.written.contains(&name) {
            return Source::Here(name);
        }
        if *size > COPY_BYTES_MAX || self.copied.saturating_add(*size) > COPIES_BYTES_MAX {
            return Source::Named;
        }
        // A file that is another one by now is not what the manifest was judged by.
        let Some(bytes) = read_whole(&content.join(path), digest) else { return Source::Named };
        let written = self.folder_of_media().and_then(|()| put(&self.folder, &name, &bytes));
        if let Err(error) = written {
            self.failed.get_or_insert(error);
            return Source::Named;
        }
        self.copied += *size;
        self.written.insert(name.clone());
        Source::Here(name)
    }

    /// Makes it, if need be. One that leads elsewhere is not ours.
    fn folder_of_media(&self) -> io::Result<()> {
        let folder = self.folder.join(MEDIA);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(io::Error::other(format!("{} is no folder", folder.display()))),
            Err(_) => fs::create_dir(&folder),
        }
    }

    /// Removes what was made before and is not there any more.
    fn finish(self) -> Result<(), Failure> {
        for name in self.before.difference(&self.written) {
            if self.folder_of_media().is_ok() {
                // What somebody has removed already is gone.
                let _ = fs::remove_file(self.folder.join(name));
            }
        }
        if !self.written.iter().any(|name| name.starts_with(MEDIA)) {
            // Stays where somebody has put something.
            let _ = fs::remove_dir(self.folder.join(MEDIA));
        }
        self.mark(&self.written)
    }

    fn mark(&self, names: &BTreeSet<String>) -> Result<(), Failure> {
        let list: String = names.iter().map(|name| format!("{name}\n")).collect();
        Ok(put(&self.folder, MARKER, list.as_bytes())?)
    }
}

/// Whether this command writes files of this name. The marker may have come with a checkout: it names nothing else.
fn is_ours(name: &str) -> bool {
    let is_medium = |rest: &str| {
        rest.split_once('.').is_some_and(|(digest, extension)| {
            digest.len() == 64
                && digest.bytes().all(|b| b.is_ascii_hexdigit())
                && extension.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    ASSETS.iter().any(|(asset, _)| *asset == name)
        || Page::named(name).is_some()
        || name.strip_prefix("media/").is_some_and(is_medium)
}

fn read_marker(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)?.take(MARKER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Puts a whole file in the place of whatever had its name: a link that was there is replaced, not followed.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    // Left over from a run that was cut off.
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&part)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&part, folder.join(name))
}

/// The bytes, if they are the ones of this digest.
fn read_whole(path: &Path, digest: &ContentDigest) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(COPY_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    (ContentDigest::of(&bytes) == *digest).then_some(bytes)
}
