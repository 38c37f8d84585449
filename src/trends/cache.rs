//! What a source was asked lately: one small file for each question in `state/trends/`, so that nobody is asked twice in half
//! an hour. A file that is old, foreign or broken counts as none. Losing all of it costs requests.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::query::Query;
use super::{Found, SourceId};
use crate::domain::ids::ContentDigest;

/// How long an answer is used.
pub const FRESH: SignedDuration = SignedDuration::from_mins(30);
/// The oldest go when there are more.
const FILES_MAX: usize = 64;
/// A larger answer is not kept, and a larger file not read.
const FILE_BYTES_MAX: u64 = 512 * 1024;
/// Of what a file holds; another one is foreign.
const FORMAT: u32 = 1;
const EXTENSION: &str = "json";
/// Characters of a file's name: enough of a digest that no two questions share them.
const NAME_CHARS: usize = 32;

/// The folder of answers.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// The server that was asked, if not the real ones: its answers are its own.
    base: Option<String>,
}

/// All that an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    format: u32,
    /// The question in full, so that a file that was renamed is not taken for another one's.
    question: String,
    base: Option<String>,
    asked_at: Timestamp,
    found: Found,
}

/// The key of a question to a source. The keyword is a part of it only where the source is asked for it.
pub(super) fn key(source: SourceId, query: &Query, searches: bool) -> Key {
    let keyword = query.keyword.as_deref().filter(|_| searches);
    let (kind, country, days) = (query.kind.as_str(), query.country.as_str(), query.period.days());
    Key(format!("{source:?} {kind} {country} {days} {:?} {keyword:?}", query.scope.as_str()))
}

impl Cache {
    /// `base` is the server that stands in for all sources, if one does.
    pub fn new(folder: PathBuf, base: Option<&str>) -> Cache {
        Cache { folder, base: base.map(str::to_owned) }
    }

    /// An answer that is younger than `age_max` at `now`, and when it was given.
    pub(super) fn get(
        &self,
        key: &Key,
        now: Timestamp,
        age_max: SignedDuration,
    ) -> Option<(Timestamp, Found)> {
        let path = self.path(key);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let age = now.duration_since(entry.asked_at);
        let is_fresh = !age.is_negative() && age < age_max;
        let is_ours = entry.format == FORMAT && entry.question == key.0 && entry.base == self.base;
        (is_fresh && is_ours).then_some((entry.asked_at, entry.found))
    }

    /// Keeps an answer, whole or not at all, and lets the oldest go.
    ///
    /// # Errors
    /// Those of the filesystem.
    pub(super) fn put(&self, key: &Key, asked_at: Timestamp, found: &Found) -> io::Result<()> {
        let entry = Entry {
            format: FORMAT,
            question: key.0.clone(),
            base: self.base.clone(),
            asked_at,
            found: found.clone(),
        };
        let bytes = serde_json::to_vec(&entry)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.path(key);
        let half = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write(&half, &bytes).and_then(|()| fs::rename(&half, &path));
        if written.is_err() {
            let _ = fs::remove_file(&half);
        }
        written.and_then(|()| self.bound())
    }

    fn path(&self, key: &Key) -> PathBuf {
        let digest = ContentDigest::of(format!("{} {:?}", key.0, self.base).as_bytes()).to_string();
        let digits = digest.rsplit(':').next().unwrap_or(&digest);
        self.folder.join(&digits[..digits.len().min(NAME_CHARS)]).with_extension(EXTENSION)
    }

    /// Removes the oldest of our files while there are too many; whatever else lies there stays.
    fn bound(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may remove it meanwhile.
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if let (true, Ok(modified)) = (is_ours(&entry.path()), modified) {
                files.push((modified, entry.path()));
            }
        }
        files.sort();
        let surplus = files.iter().take(files.len().saturating_sub(FILES_MAX));
        surplus.map(|(_, path)| fs::remove_file(path)).find(is_failure).unwrap_or(Ok(()))
    }
}

fn is_failure(removed: &io::Result<()>) -> bool {
    removed.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
}

/// Whether a file has a name as answers have, or as one that was cut off in writing.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (digits, rest) = name.split_once('.').unwrap_or((name, ""));
    let is_digest = digits.len() == NAME_CHARS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest && (rest == EXTENSION || rest.ends_with(".tmp"))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::query::{Country, Kind, Period, Scope};
    use super::super::{Trend, industry};
    use super::*;

    fn query() -> Query {
        Query {
            kind: Kind::Hashtags,
            country: Country::read("US").expect("a country"),
            period: Period::Week,
            scope: Scope::Whole,
            keyword: None,
        }
    }

    fn found(name: &str) -> Found {
        Found { trends: vec![Trend { name: name.to_owned(), ..Trend::default() }], ..Found::default() }
    }

    #[test]
    fn an_answer_counts_for_half_an_hour() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().join("state/trends"), None);
        let key = key(SourceId::Business, &query(), false);
        let at: Timestamp = "2026-11-26T10:00:00Z".parse().expect("a time");
        assert_eq!(cache.get(&key, at, FRESH), None);
        cache.put(&key, at, &found("one")).expect("kept");
        for (minutes, is_there) in [(0, true), (29, true), (30, false), (-1, false)] {
            let now = at + SignedDuration::from_mins(minutes);
            assert_eq!(cache.get(&key, now, FRESH).is_some(), is_there, "{minutes}");
        }
        cache.put(&key, at, &found("two")).expect("kept");
        assert_eq!(cache.get(&key, at, FRESH), Some((at, found("two"))));
    }

    #[test]
    fn questions_that_differ_have_answers_of_their_own() {
        let pets = Scope::One(&industry::of(Kind::Hashtags)[9]);
        let other = |change: fn(&mut Query)| {
            let mut query = query();
            change(&mut query);
            query
        };
        let keys = [
            key(SourceId::Business, &query(), false),
            key(SourceId::CreativeCenter, &query(), false),
            key(SourceId::CreativeCenter, &other(|q| q.kind = Kind::Videos), false),
            key(SourceId::CreativeCenter, &other(|q| q.period = Period::Month), false),
            key(SourceId::CreativeCenter, &other(|q| q.country = Country::read("DE").expect("one")), false),
            key(SourceId::CreativeCenter, &other(|q| q.scope = Scope::Each), false),
            key(SourceId::CreativeCenter, &Query { scope: pets, ..query() }, false),
            key(SourceId::EnsembleData, &other(|q| q.keyword = Some("a".into())), true),
            key(SourceId::EnsembleData, &other(|q| q.keyword = Some("b".into())), true),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{key:?}");
        }
        let with_word = other(|q| q.keyword = Some("a".into()));
        assert_eq!(key(SourceId::Business, &with_word, false), keys[0], "it is not asked for the word");
    }

    #[test]
    fn what_is_not_ours_is_no_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned(), None);
        let (key, at) = (key(SourceId::Business, &query(), false), Timestamp::UNIX_EPOCH);
        cache.put(&key, at, &found("one")).expect("kept");
        let path = cache.path(&key);
        let good = fs::read_to_string(&path).expect("a file");
        for (name, bad) in [
            ("empty", String::new()),
            ("cut", good[..good.len() / 2].to_owned()),
            ("another question", good.replace("Business", "Creative")),
            ("another server", good.replace("\"base\":null", "\"base\":\"http://127.0.0.1:1/\"")),
            ("another format", good.replace("\"format\":1", "\"format\":2")),
            ("large", format!("{}{good}", " ".repeat(600_000))),
        ] {
            fs::write(&path, &bad).expect("written");
            assert_eq!(cache.get(&key, at, FRESH), None, "{name}");
        }
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        assert_eq!(cache.get(&key, at, FRESH), None, "a link");
        cache.put(&key, at, &found("one")).expect("put in its place");
        assert_eq!(cache.get(&key, at, FRESH), Some((at, found("one"))));
    }

    #[test]
    fn there_are_never_many_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned(), None);
        fs::write(folder.path().join("notes.txt"), "mine").expect("written");
        let old = folder.path().join(format!("{}.123.tmp", "0".repeat(NAME_CHARS)));
        fs::write(&old, "half").expect("written");
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        File::options().write(true).open(&old).expect("a file").set_modified(long_ago).expect("an old file");
        for at in 0..FILES_MAX + 3 {
            cache.put(&Key(at.to_string()), Timestamp::UNIX_EPOCH, &found("one")).expect("kept");
        }
        let count = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(count, FILES_MAX + 1, "and what is not ours");
        assert!(folder.path().join("notes.txt").exists() && !old.exists());
        assert!(cache.get(&Key((FILES_MAX + 2).to_string()), Timestamp::UNIX_EPOCH, FRESH).is_some());
    }
}
