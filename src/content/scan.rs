//! Reads `content/`: the project, its posts with their media, and everything that is wrong. Writes nothing there.
//!
//! Blocks; call it on a thread that may. One bad manifest never hinders the others, and never looks like a removed one:
//! whatever could not be read is listed in [`Scan::unreadable_ids`] and [`Scan::unreadable_paths`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use jiff::tz::TimeZone;

use super::accounts::accounts_in;
use super::cache::{Cache, Seen, encode_post};
use super::held::Held;
use super::media::stamp;
use super::resolve::Resolver;
use super::walk::{PROJECT_FILE, Walk, prefix, shown, walk};
use crate::domain::capability;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::PostId;
use crate::domain::manifest::node::Node;
use crate::domain::manifest::parse::{FILE_BYTES_MAX, parse};
use crate::domain::manifest::post::{Decoded, check_accounts, post};
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::{DesiredState, Post};
use crate::domain::media::{FileStamp, Medium};
use crate::domain::project::{Project, decode};
use crate::domain::span::{Located, Span};

/// The most threads that read manifests; more would wait for the disk.
const THREADS_MAX: usize = 8;

/// How many threads may read manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// As many as are of use.
    #[default]
    Many,
    /// This one alone: what another one allocates, the process keeps.
    One,
}

/// In how many portions each thread reads its share: few, so that it costs nothing; several, so that one large medium
/// does not leave the other threads idle.
const STEPS: usize = 16;

/// Everything that `content/` says.
#[derive(Debug, Default)]
pub struct Scan {
    /// Absent when `gitcast.yaml` is missing or has an error.
    pub project: Option<Project>,
    /// Manifests without an error, in the order of their paths.
    pub posts: Vec<ScannedPost>,
    /// What could be read of manifests with an error, so that all that is wrong with them is told in one run. Not for
    /// publishing.
    pub suspects: Vec<ScannedPost>,
    /// Ids of manifests with an error, as far as they could be read.
    pub unreadable_ids: BTreeSet<PostId>,
    /// Paths of manifests with an error, whether or not their id is known.
    pub unreadable_paths: Vec<String>,
    /// In the order of paths and, in a file, of places.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether every directory was seen to its end. If not, an id that is missing here may still be there.
    pub complete: bool,
}

/// A post and what its media are. A tombstone's media are not looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct ScannedPost {
    pub post: Post,
    /// One for each of `post.media`; none at all for a suspect, one of whose media is bad.
    pub media: Vec<Medium>,
}

/// Reads the project in `content`. Paths in the result are relative to `root`. What `cache` remembers is not read
/// again; afterwards it is written anew, and a failure of that is of no consequence.
pub fn scan(root: &Path, content: &Path, cache: Option<&Cache>, threads: Threads) -> Scan {
    scan_at(root, content, (&Held::default(), cache, threads), SystemTime::now())
}

/// The same, where manifests of `content` are in memory.
pub fn scan_with(root: &Path, content: &Path, held: &Held, threads: Threads) -> Scan {
    scan_at(root, content, (held, None, threads), SystemTime::now())
}

/// Reads `gitcast.yaml`, and what is known of its accounts, alone.
pub fn project(root: &Path, content: &Path) -> Scan {
    let mut scan = Scan::default();
    scan.read_project(content, &prefix(root, content));
    scan
}

pub(super) fn scan_at(
    root: &Path,
    content: &Path,
    (held, cache, threads): (&Held, Option<&Cache>, Threads),
    started: SystemTime,
) -> Scan {
    let prefix = prefix(root, content);
    let mut scan = Scan::default();
    if !content.is_dir() {
        let found = Diagnostic::error("no-content", &prefix, None, "there is no content directory here");
        scan.diagnostics
            .push(found.help("`gitcast init` makes one; `-C DIR` or `--content DIR` says where it is"));
        return scan;
    }
    scan.read_project(content, &prefix);
    let nothing = Cache::default();
    scan.read_manifests(content, &prefix, (held, cache.unwrap_or(&nothing), threads), started);
    scan.diagnostics
        .sort_by(|a, b| (&a.path, a.span.map(|s| s.start)).cmp(&(&b.path, b.span.map(|s| s.start))));
    scan
}

impl Scan {
    /// Whether anything is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    fn read_project(&mut self, content: &Path, prefix: &str) {
        let report = Report::new(shown(prefix, PROJECT_FILE));
        match read(&content.join(PROJECT_FILE)) {
            Ok((_, bytes)) => {
                self.project = parse(&bytes, &report).and_then(|node| decode::project(&node, &report));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let finding = report.error("no-project", None, "this file is missing");
                finding.help(match content.join("gitcast.yml").exists() {
                    true => "rename `gitcast.yml` to `gitcast.yaml`",
                    false => "`gitcast init` writes one; it names the accounts",
                });
            }
            Err(error) => unreadable(&error, &report),
        }
        self.diagnostics.extend(report.into_diagnostics());
        let (known, found) = accounts_in(content, prefix);
        self.diagnostics.extend(found);
        if let Some(project) = &mut self.project {
            self.diagnostics.extend(capability::join(project, known));
        }
    }

    fn read_manifests(
        &mut self,
        content: &Path,
        prefix: &str,
        (held, cache, threads): (&Held, &Cache, Threads),
        started: SystemTime,
    ) {
        let Walk { mut manifests, refused, diagnostics, incomplete, .. } = walk(content, prefix);
        manifests.extend(held.paths().cloned());
        manifests.sort_unstable();
        self.diagnostics.extend(diagnostics);
        self.unreadable_paths.extend(refused.iter().map(|path| shown(prefix, path)));
        let base = self.project.as_ref().and_then(|project| project.media_base_url.as_ref());
        let base = base.map(|base| base.value.clone());
        let Ok(resolver) = Resolver::new(content, base.as_deref(), cache) else { return };
        self.complete = !incomplete;
        let zone = self.project.as_ref().map_or(TimeZone::UTC, |project| project.timezone.clone());
        let project = self.project.as_ref();
        let reader = Reader { content, prefix, held, cache, threads, resolver, zone, project };
        let mut read = reader.all(&manifests);
        let (zone, resolver) = (reader.zone, reader.resolver);
        let seen = take_seen(&mut read);
        // The cache is a convenience: what cannot be written is read again next time.
        let _ = cache.update(zone.iana_name().unwrap_or_default(), &seen, &resolver.into_seen(), started);
        self.collect(read);
    }

    fn collect(&mut self, read: Vec<Manifest>) {
        let (twice, found) = duplicates(&read);
        self.diagnostics.extend(found);
        self.posts.reserve_exact(read.len());
        for manifest in read {
            self.diagnostics.extend(manifest.diagnostics);
            match manifest.post {
                Some(post) if manifest.good && !twice.contains(&post.post.id.value) => self.posts.push(*post),
                suspect => {
                    self.suspects.extend(suspect.map(|post| *post));
                    self.unreadable_ids.extend(manifest.id.map(|id| id.value));
                    self.unreadable_paths.push(manifest.path);
                }
            }
        }
        self.unreadable_paths.sort_unstable();
    }
}

/// One manifest, read.
struct Manifest {
    path: String,
    id: Option<Located<PostId>>,
    /// Boxed, as it is large and moved from hand to hand.
    post: Option<Box<ScannedPost>>,
    /// Whether it has no error.
    good: bool,
    diagnostics: Vec<Diagnostic>,
    /// What the cache is to remember.
    seen: Option<Seen>,
}

/// Reads manifests. Shared by the threads of a scan.
struct Reader<'a> {
    content: &'a Path,
    prefix: &'a str,
    held: &'a Held,
    cache: &'a Cache,
    threads: Threads,
    resolver: Resolver<'a>,
    zone: TimeZone,
    project: Option<&'a Project>,
}

impl Reader<'_> {
    /// All of `paths`, in their order.
    fn all(&self, paths: &[String]) -> Vec<Manifest> {
        let threads = match self.threads {
            Threads::One => 1,
            Threads::Many => thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX),
        };
        let threads = threads.min(paths.len());
        let step = (paths.len() / (threads.max(1) * STEPS)).max(1);
        let next = AtomicUsize::new(0);
        let work = || -> Vec<(usize, Vec<Manifest>)> {
            let take =
                || paths.get(next.fetch_add(step, Ordering::Relaxed)..).filter(|rest| !rest.is_empty());
            let read = |rest: &[String]| rest.iter().take(step).map(|path| self.manifest(path)).collect();
            std::iter::from_fn(take).map(|rest| (rest.len(), read(rest))).collect()
        };
        let mut read = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut read = work();
            for other in others {
                read.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            read
        });
        read.sort_unstable_by_key(|(rest, _)| std::cmp::Reverse(*rest));
        let mut manifests = Vec::with_capacity(paths.len());
        read.into_iter().for_each(|(_, portion)| manifests.extend(portion));
        manifests
    }

    fn manifest(&self, path: &str) -> Manifest {
        let report = Report::new(shown(self.prefix, path));
        let (decoded, seen) = self.decode(path, &report);
        let is_read = decoded.post.is_some();
        let post = decoded.post.or(decoded.suspect);
        let media = post.as_ref().and_then(|post| self.media(post, path, &report));
        // What is remembered is good as long as its files are the same; what is bad may be mended from elsewhere.
        let seen = seen.filter(|_| media.is_some() && report.is_empty());
        let mut diagnostics = match (&post, self.project) {
            (Some(post), Some(project)) => check_accounts(post, project),
            _ => Vec::new(),
        };
        let good = is_read && media.is_some() && diagnostics.is_empty();
        let path = report.path().to_owned();
        diagnostics.extend(report.into_diagnostics());
        let post = post.map(|post| Box::new(ScannedPost { post, media: media.unwrap_or_default() }));
        Manifest { path, id: decoded.id, post, good, diagnostics, seen }
    }

    fn decode(&self, path: &str, report: &Report) -> (Decoded, Option<Seen>) {
        if let Some(bytes) = self.held.get(path) {
            return (self.read(bytes, report), None);
        }
        let full = self.content.join(path);
        let zone = self.zone.iana_name().unwrap_or_default();
        let seen = |stamp, new| Some(Seen { path: report.path().to_owned(), stamp, new });
        let known = fs::symlink_metadata(&full).ok().filter(fs::Metadata::is_file).map(|meta| stamp(&meta));
        if let Some(stamp) = known
            && let Some(post) = self.cache.post(report.path(), &stamp, zone)
        {
            let decoded = Decoded { id: Some(post.id.clone()), post: Some(post), suspect: None };
            return (decoded, seen(stamp, None));
        }
        let (stamp, bytes) = match read(&full) {
            Ok(read) => read,
            Err(error) => {
                unreadable(&error, report);
                return (Decoded::nothing(), None);
            }
        };
        let decoded = self.read(&bytes, report);
        let new = decoded.post.as_ref().map(encode_post);
        (decoded, seen(stamp, new))
    }

    fn read(&self, bytes: &[u8], report: &Report) -> Decoded {
        let node: Option<Node> = parse(bytes, report);
        node.map_or_else(Decoded::nothing, |node| post(&node, &self.zone, report))
    }

    /// All media, or none if one of them is bad.
    fn media(&self, post: &Post, path: &str, report: &Report) -> Option<Vec<Medium>> {
        if post.state != DesiredState::Present {
            return Some(Vec::new());
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let media: Vec<_> =
            post.media.iter().map(|item| self.resolver.medium(item, directory, report)).collect();
        media.into_iter().collect()
    }
}

/// The bytes of a regular file, one more than allowed at the most, and the stamp it had before they were read.
pub(super) fn read(path: &Path) -> io::Result<(FileStamp, Vec<u8>)> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok((stamp(&metadata), bytes))
}

pub(super) fn unreadable(error: &io::Error, report: &Report) {
    report.error("file-unreadable", None, format!("the file cannot be read: {error}"));
}

fn take_seen(read: &mut [Manifest]) -> Vec<Seen> {
    read.iter_mut().filter_map(|manifest| manifest.seen.take()).collect()
}

/// The ids that more than one manifest has, and a diagnostic at each but the first.
fn duplicates(read: &[Manifest]) -> (HashSet<PostId>, Vec<Diagnostic>) {
    let mut first: HashMap<&PostId, (&str, Span)> = HashMap::with_capacity(read.len());
    let mut twice = HashSet::new();
    let mut found = Vec::new();
    for (path, id) in read.iter().filter_map(|manifest| Some((&manifest.path, manifest.id.as_ref()?))) {
        let Some((first_path, first_span)) = first.get(&id.value) else {
            first.insert(&id.value, (path, id.span));
            continue;
        };
        twice.insert(id.value.clone());
        let message = format!("the id {} belongs to {first_path} already", quote(id.value.as_str()));
        let diagnostic = Diagnostic::error("duplicate-id", path, id.span, message);
        let help = "give one of them another id; neither is published until then";
        found.push(diagnostic.help(help).related("it stands here first", first_path, *first_span));
    }
    (twice, found)
}
