//! What earlier scans learned, so that an unchanged tree needs only `stat` calls: the decoded post of each manifest that
//! had no diagnostics, digest and probe of each medium.
//!
//! Disposable: it lives in the user's cache directory, and whatever is wrong with it, the scan goes on without. An entry
//! holds for exactly one [`FileStamp`]. A file touched less than [`RACY`] before the scan began is not remembered, as
//! it may change again without its stamp showing it (git has the same rule for its index).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::codec::{Codec, Reader, put_number, put_slice};
use crate::domain::ids::{ContentDigest, hex};
use crate::domain::manifest::Post;
use crate::domain::media::{FileStamp, Probe};

/// Raised when the form of the file changes.
const FORMAT: &str = "gitcast scan cache 1";

/// How old a file's last change must be to be remembered. File systems count in up to two seconds.
const RACY: Duration = Duration::from_secs(2);

/// A larger file than this is not ours: 100,000 manifests take a quarter of it.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The file ends with a checksum.
const CHECKSUM_BYTES: usize = 8;

/// Facts about a medium's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub digest: ContentDigest,
    pub probe: Probe,
}

/// The cache of one content directory.
#[derive(Default)]
pub struct Cache {
    /// Where it is written; nowhere if absent.
    file: Option<PathBuf>,
    bytes: Vec<u8>,
    /// The time zone that the posts were decoded with.
    zone: Range<usize>,
    pub(super) manifests: Table,
    pub(super) media: Table,
}

/// Entries in the order of their paths.
pub(super) type Table = Vec<Entry>;

pub(super) struct Entry {
    path: Range<usize>,
    stamp: FileStamp,
    data: Range<usize>,
}

impl Cache {
    /// Where the cache of `content` belongs: `$XDG_CACHE_HOME/gitcast/…` or `~/.cache/gitcast/…`, if `variable` (the
    /// environment) knows either. `None` too if that would be inside `content` itself.
    pub fn locate(content: &Path, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
        let home = cache_home(variable)?;
        let content = content.canonicalize().ok()?;
        let name = &hex(&ContentDigest::of(content.as_os_str().as_bytes()).0)[..32];
        let file = home.join("gitcast").join(name);
        (!file.starts_with(&content)).then_some(file)
    }

    /// Reads `file`; an absent, foreign or damaged one is an empty cache that will be written there.
    pub fn open(file: PathBuf) -> Cache {
        let small = fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX);
        let bytes = small.then(|| fs::read(&file).ok()).flatten().unwrap_or_default();
        let mut cache = Cache::read(bytes).unwrap_or_default();
        cache.file = Some(file);
        cache
    }

    fn read(bytes: Vec<u8>) -> Option<Cache> {
        let body = bytes.len().checked_sub(CHECKSUM_BYTES)?;
        let mut from = Reader::new(&bytes[..body]);
        let same =
            from.take(header().len())? == header() && checksum(&bytes[..body]).to_le_bytes() == bytes[body..];
        let zone = same.then(|| range(&mut from))??;
        let (manifests, media) = (table(&mut from, &bytes)?, table(&mut from, &bytes)?);
        let complete = from.is_at_end();
        complete.then_some(Cache { file: None, bytes, zone, manifests, media })
    }

    /// The post that the manifest at `path` was decoded to, with `zone` as the project's time zone.
    pub fn post(&self, path: &str, stamp: &FileStamp, zone: &str) -> Option<Post> {
        let data = (self.bytes.get(self.zone.clone())? == zone.as_bytes())
            .then(|| self.find(&self.manifests, path, stamp))??;
        Post::get(&mut Reader::new(data))
    }

    /// What is known of the medium at `path`.
    pub fn facts(&self, path: &str, stamp: &FileStamp) -> Option<Facts> {
        Facts::get(&mut Reader::new(self.find(&self.media, path, stamp)?))
    }

    pub(super) fn paths<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a [u8]> {
        table.iter().map(|entry| self.entry(entry).0)
    }

    pub(super) fn entry<'a>(&'a self, entry: &'a Entry) -> (&'a [u8], &'a FileStamp) {
        (&self.bytes[entry.path.clone()], &entry.stamp)
    }

    /// Differs wherever the content of the cache does.
    pub(super) fn identity(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(CHECKSUM_BYTES)..]
    }

    fn find(&self, table: &Table, path: &str, stamp: &FileStamp) -> Option<&[u8]> {
        let name = |entry: &Entry| &self.bytes[entry.path.clone()];
        let at = table.binary_search_by(|entry| name(entry).cmp(path.as_bytes())).ok()?;
        (table[at].stamp == *stamp).then(|| &self.bytes[table[at].data.clone()])
    }

    /// Writes what this scan saw, if that differs from what is there. `manifests` and `media`, sorted by path, are
    /// everything that is to be remembered.
    ///
    /// # Errors
    /// The file cannot be written. The caller may ignore that: it costs time in the next scan, and nothing else.
    pub(super) fn update(
        &self,
        zone: &str,
        manifests: &[Seen],
        media: &[Seen],
        started: SystemTime,
    ) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let same = |table: &Table, seen: &[Seen]| {
            table.len() == seen.len() && seen.iter().all(|seen| seen.new.is_none())
        };
        let same_zone = self.bytes.get(self.zone.clone()) == Some(zone.as_bytes());
        if same_zone && same(&self.manifests, manifests) && same(&self.media, media) {
            return Ok(());
        }
        let settled = started.checked_sub(RACY).and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let settled = i64::try_from(settled.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX);
        let mut out = header();
        put_slice(zone.as_bytes(), &mut out);
        self.write_table(&self.manifests, manifests, settled, &mut out);
        self.write_table(&self.media, media, settled, &mut out);
        out.extend(checksum(&out).to_le_bytes());
        replace(file, &out)
    }

    /// Leaves out what was changed after the instant `settled`.
    fn write_table(&self, old: &Table, seen: &[Seen], settled: i64, out: &mut Vec<u8>) {
        let kept = |seen: &&Seen| seen.stamp.mtime_ns.max(seen.stamp.ctime_ns) < settled;
        put_number(seen.iter().filter(kept).count() as u64, out);
        for Seen { path, stamp, new } in seen.iter().filter(kept) {
            put_slice(path.as_bytes(), out);
            stamp.put(out);
            put_slice(new.as_deref().or_else(|| self.find(old, path, stamp)).unwrap_or_default(), out);
        }
    }
}

/// A file that a scan looked at.
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) stamp: FileStamp,
    /// What to remember of it. Absent: what the cache gave still holds.
    pub(super) new: Option<Vec<u8>>,
}

impl Facts {
    fn get(from: &mut Reader<'_>) -> Option<Facts> {
        Some(Facts { digest: ContentDigest::get(from)?, probe: serde_json::from_slice(from.slice()?).ok()? })
    }
}

/// A post as [`Cache::post`] gives it back.
pub(super) fn encode_post(post: &Post) -> Vec<u8> {
    let mut out = Vec::new();
    post.put(&mut out);
    out
}

/// Facts as [`Cache::facts`] gives them back.
pub(super) fn encode_facts(facts: &Facts) -> Vec<u8> {
    let mut out = Vec::new();
    facts.digest.put(&mut out);
    put_slice(&serde_json::to_vec(&facts.probe).unwrap_or_default(), &mut out);
    out
}

/// The user's cache directory: `$XDG_CACHE_HOME` or `~/.cache`, if `variable` (the environment) knows either.
pub(super) fn cache_home(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}

fn range(from: &mut Reader<'_>) -> Option<Range<usize>> {
    let length = from.slice()?.len();
    Some(from.position() - length..from.position())
}

fn table(from: &mut Reader<'_>, bytes: &[u8]) -> Option<Table> {
    let count: usize = from.number()?;
    let mut entries: Table = Vec::new();
    for _ in 0..count {
        let entry = Entry { path: range(from)?, stamp: FileStamp::get(from)?, data: range(from)? };
        if entries.last().is_some_and(|last| bytes[last.path.clone()] >= bytes[entry.path.clone()]) {
            return None;
        }
        entries.push(entry);
    }
    Some(entries)
}

/// What must agree for a file to be of use: its form, and the program that wrote it, since another build may decode
/// the same bytes to something else.
fn header() -> Vec<u8> {
    let build = std::env::current_exe().and_then(fs::metadata).map(|meta| super::media::stamp(&meta));
    let mut out = Vec::new();
    put_slice(FORMAT.as_bytes(), &mut out);
    put_slice(env!("CARGO_PKG_VERSION").as_bytes(), &mut out);
    if let Ok(build) = build {
        build.put(&mut out);
    }
    out
}

/// Tells accidents, not attacks: whoever can write here is the user.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    sum
}

/// Where a note is kept that was concluded from what the cache remembers.
const NOTE: &str = "note";
/// A note is text for people; a longer one is not worth keeping.
const NOTE_BYTES_MAX: u64 = 1 << 20;

impl Cache {
    /// The note that was kept about exactly this.
    pub fn note(&self, about: &ContentDigest) -> Option<String> {
        let file = self.file.as_ref()?.with_extension(NOTE);
        let small = fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= NOTE_BYTES_MAX);
        let note = small.then(|| fs::read_to_string(file).ok())??;
        note.strip_prefix(&format!("{about}\n")).map(str::to_owned)
    }

    /// Keeps `text` as the one note, about `about`.
    ///
    /// # Errors
    /// The file cannot be written. The caller may ignore that.
    pub fn keep_note(&self, about: &ContentDigest, text: &str) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        replace(&file.with_extension(NOTE), format!("{about}\n{text}").as_bytes())
    }
}

/// Readable by the user alone, as unpublished content may be secret; and never half written.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let done = written.and_then(|mut f| f.write_all(bytes)).and_then(|()| fs::rename(&temporary, file));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}
