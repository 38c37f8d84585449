//! Scans of small trees, good and bad.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::cache::Cache;
use super::held::{Held, is_plain};
use super::media::stamp;
use super::scan::{Scan, Threads, scan, scan_at, scan_with};
use super::unchanged::unchanged;
use crate::domain::diagnostic::Severity;
use crate::domain::ids::ContentDigest;
use crate::domain::media::Medium;

const PROJECT: &str = "version: 1\ntimezone: Europe/Berlin\naccounts: {b: {platform: tiktok}}\nmedia_base_url: https://m.example/\n";

/// A project in a directory of its own, with `content/outside` lying beside `content/`.
struct Tree(TempDir);

impl Tree {
    fn new() -> Tree {
        let tree = Tree(TempDir::new().expect("a temporary directory"));
        tree.write("gitcast.yaml", PROJECT).write("a.mp4", "film");
        fs::write(tree.root().join("secret.mp4"), "secret").expect("written");
        tree
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn content(&self) -> PathBuf {
        self.root().join("content")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Tree {
        let path = self.content().join(path);
        fs::create_dir_all(path.parent().expect("under content")).expect("made");
        fs::write(path, text).expect("written");
        self
    }

    /// A manifest with one medium.
    fn post(&self, path: &str, id: &str, file: &str) -> &Tree {
        self.write(path, format!("id: {id}\nmedia:\n  - file: {file}\nto: {{b: }}\n"))
    }

    fn link(&self, target: &str, path: &str) -> &Tree {
        symlink(target, self.content().join(path)).expect("linked");
        self
    }

    fn scan(&self) -> Scan {
        scan(self.root(), &self.content(), None, Threads::One)
    }

    /// With the cache at `file`, long enough after everything was written that it is to be remembered.
    fn scan_with(&self, file: &Path) -> Scan {
        let later = SystemTime::now() + Duration::from_secs(60);
        scan_at(
            self.root(),
            &self.content(),
            (&Held::default(), Some(&Cache::open(file.to_owned())), Threads::Many),
            later,
        )
    }

    /// Every file and link with what is in it and when it was changed.
    fn snapshot(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        fn visit(directory: &Path, found: &mut BTreeMap<PathBuf, (Vec<u8>, SystemTime)>) {
            let changed =
                |path: &Path| fs::symlink_metadata(path).and_then(|m| m.modified()).expect("metadata");
            found.insert(directory.to_owned(), (Vec::new(), changed(directory)));
            for entry in fs::read_dir(directory).expect("read").map(|entry| entry.expect("entry").path()) {
                match entry.is_dir() && !entry.is_symlink() {
                    true => visit(&entry, found),
                    false => drop(
                        found.insert(entry.clone(), (fs::read(&entry).unwrap_or_default(), changed(&entry))),
                    ),
                }
            }
        }
        let mut found = BTreeMap::new();
        visit(self.root(), &mut found);
        found
    }
}

fn ids(scan: &Scan) -> Vec<&str> {
    scan.posts.iter().map(|post| post.post.id.value.as_str()).collect()
}

/// `path:line:column code` of every diagnostic.
fn found(scan: &Scan) -> Vec<String> {
    let place = |span: Option<crate::domain::span::Span>| {
        span.map(|s| format!(":{}:{}", s.line, s.column)).unwrap_or_default()
    };
    scan.diagnostics.iter().map(|d| format!("{}{} {}", d.path, place(d.span), d.code)).collect()
}

#[test]
fn a_good_tree_is_read_in_the_order_of_paths() {
    let tree = Tree::new();
    tree.post("z.yaml", "last", "./a.mp4")
        .post("b/c/d.yml", "deep", "../../a.mp4")
        .write("b/note.txt", "no manifest");
    tree.write("t.yaml", "id: gone\nstate: deleted\nmedia: [{file: lost.mp4}]\nto: {b: }\n");
    tree.write(".git/x.yaml", "hidden: [")
        .write("resolutions/r.yaml", "reserved: [")
        .write(".x.yaml", "hidden: [");
    let scan = tree.scan();
    assert_eq!(found(&scan), [""; 0]);
    assert_eq!(ids(&scan), ["deep", "gone", "last"]);
    assert!(scan.complete && scan.project.is_some() && !scan.has_errors());
    assert_eq!(scan.posts[0].post.path, "content/b/c/d.yml");
    let Medium::File { path, size, digest, url, .. } = &scan.posts[0].media[0] else { panic!("a file") };
    assert_eq!((path.as_str(), *size, *digest), ("a.mp4", 4, ContentDigest::of(b"film")));
    assert_eq!(url.as_deref(), Some("https://m.example/a.mp4"));
    assert_eq!(scan.posts[1].media, []);
}

#[test]
fn a_bad_manifest_hinders_no_other_and_is_not_taken_for_removed() {
    let tree = Tree::new();
    tree.post("a.yaml", "good", "a.mp4").post("c.yaml", "media", "lost.mp4");
    tree.write("b.yaml", "id: known\ntext: [x]\nto: {b: }\n")
        .write("d.yaml", "id: [\n")
        .write("e.yaml", b"\xff");
    tree.write("f.yaml", "id: account\ntext: t\nto: {unknown: }\n");
    let scan = tree.scan();
    assert_eq!(ids(&scan), ["good"]);
    assert_eq!(
        found(&scan),
        [
            "content/b.yaml:2:7 invalid-type",
            "content/c.yaml:3:11 file-missing",
            "content/d.yaml:1:5 yaml-syntax",
            "content/e.yaml:1:1 not-utf8",
            "content/f.yaml:3:6 unknown-account",
        ]
    );
    let unreadable: Vec<_> = scan.unreadable_ids.iter().map(|id| id.as_str()).collect();
    assert_eq!(unreadable, ["account", "known", "media"]);
    assert_eq!(scan.unreadable_paths.len(), 5);
    assert!(scan.complete);
}

#[test]
fn an_id_that_is_there_twice_is_published_from_neither() {
    let tree = Tree::new();
    tree.post("a.yaml", "same", "a.mp4").post("b.yaml", "same", "a.mp4").post("c.yaml", "other", "a.mp4");
    let scan = tree.scan();
    assert_eq!(ids(&scan), ["other"]);
    assert_eq!(found(&scan), ["content/b.yaml:1:5 duplicate-id"]);
    let related = &scan.diagnostics[0].related[0];
    assert_eq!((related.path.as_str(), related.span.line), ("content/a.yaml", 1));
    assert_eq!(scan.unreadable_paths, ["content/a.yaml", "content/b.yaml"]);
}

#[test]
fn media_stay_inside_content() {
    let tree = Tree::new();
    tree.write("cut.mp4", b"\0\0\0\x18ftypisom\0\0")
        .write("sub/b.mp4", "b")
        .write("empty.mp4", "")
        .write("dir.mp4/x", "x");
    tree.link("../secret.mp4", "out.mp4").link("..", "up").link("/etc/hostname", "host.mp4");
    tree.link("sub/b.mp4", "in.mp4")
        .link("sub", "alias")
        .link("nowhere", "broken.mp4")
        .link("loop.mp4", "loop.mp4");
    let _socket = UnixListener::bind(tree.content().join("socket.mp4")).expect("bound");
    let cases = [
        ("../secret.mp4", Some("path-escape")),
        ("sub/../../secret.mp4", Some("path-escape")),
        ("../content/a.mp4", Some("path-escape")),
        ("/etc/hostname", Some("path-escape")),
        ("out.mp4", Some("path-escape")),
        ("host.mp4", Some("path-escape")),
        ("up/secret.mp4", Some("path-escape")),
        ("in.mp4", None),
        ("alias/b.mp4", None),
        ("sub/../a.mp4", None),
        ("broken.mp4", Some("file-missing")),
        ("loop.mp4", Some("media-unreadable")),
        ("a.mp4/x", Some("file-missing")),
        ("lost/x.mp4", Some("file-missing")),
        ("A.mp4", Some("file-missing")),
        ("dir.mp4", Some("not-a-file")),
        (".", Some("not-a-file")),
        ("socket.mp4", Some("not-a-file")),
        ("empty.mp4", Some("media-empty")),
        ("cut.mp4", Some("media-unreadable")),
    ];
    for (file, code) in cases {
        tree.post("p.yaml", "p", file);
        let expected: Vec<_> = code.iter().map(|code| format!("content/p.yaml:3:11 {code}")).collect();
        let scan = tree.scan();
        let errors: Vec<_> = found(&scan).into_iter().filter(|d| d.starts_with("content/p.yaml")).collect();
        assert_eq!(errors, expected, "{file}");
        assert_eq!(ids(&scan).is_empty(), code.is_some(), "{file}");
    }
    tree.post("p.yaml", "p", "a.mp5");
    let help = tree.scan().diagnostics.into_iter().find(|d| d.code == "file-missing").and_then(|d| d.help);
    assert_eq!(help.as_deref(), Some("did you mean \"a.mp4\"? the path is relative to the manifest"));
}

#[test]
fn manifests_are_regular_files() {
    let tree = Tree::new();
    tree.post("real.txt", "linked", "a.mp4")
        .link("real.txt", "link.yaml")
        .write("sub/gitcast.yaml", "x: 1\n");
    tree.link("sub", "linked");
    let _socket = UnixListener::bind(tree.content().join("socket.yaml")).expect("bound");
    fs::create_dir(tree.content().join("dir.yaml")).expect("made");
    let scan = tree.scan();
    assert_eq!(
        found(&scan),
        [
            "content/link.yaml symlink",
            "content/linked symlink",
            "content/socket.yaml not-a-file",
            "content/sub/gitcast.yaml:1:1 missing-key",
            "content/sub/gitcast.yaml:1:1 missing-key",
            "content/sub/gitcast.yaml:1:1 missing-key",
            "content/sub/gitcast.yaml:1:1 unknown-key",
        ]
    );
    assert_eq!(scan.diagnostics[1].severity, Severity::Warning);
    assert_eq!(
        scan.unreadable_paths,
        ["content/link.yaml", "content/socket.yaml", "content/sub/gitcast.yaml"]
    );
}

#[test]
fn what_is_missing_has_a_way_out() {
    let empty = TempDir::new().expect("a temporary directory");
    let nothing = scan(empty.path(), &empty.path().join("content"), None, Threads::Many);
    assert_eq!(found(&nothing), ["content no-content"]);
    assert!(
        !nothing.complete && nothing.diagnostics[0].help.as_ref().is_some_and(|h| h.contains("gitcast init"))
    );
    let tree = Tree::new();
    tree.post("a.yaml", "a", "../secret.mp4");
    fs::remove_file(tree.content().join("gitcast.yaml")).expect("removed");
    let scan = tree.scan();
    assert_eq!(found(&scan), ["content/a.yaml:3:11 path-escape", "content/gitcast.yaml no-project"]);
    assert!(scan.project.is_none());
}

#[test]
fn a_bad_project_still_shows_what_is_wrong_with_posts() {
    let tree = Tree::new();
    tree.write("gitcast.yaml", "version: 3\n").write("a.yaml", "id: a\n");
    let found = found(&tree.scan());
    assert!(found.contains(&"content/gitcast.yaml:1:10 invalid-value".to_owned()), "{found:?}");
    assert!(found.contains(&"content/a.yaml:1:1 missing-key".to_owned()), "{found:?}");
}

#[test]
fn a_tree_that_is_too_deep_is_not_complete() {
    let tree = Tree::new();
    tree.post("a.yaml", "a", "a.mp4").write(&format!("{}x.yaml", "d/".repeat(40)), "id: deep\n");
    let scan = tree.scan();
    assert_eq!(ids(&scan), ["a"]);
    assert!(!scan.complete && scan.diagnostics[0].code == "too-deep");
}

#[test]
fn names_that_cannot_be_shown_are_refused() {
    let tree = Tree::new();
    tree.post("a\u{1b}[2J.yaml", "a", "a.mp4");
    let scan = tree.scan();
    assert_eq!(found(&scan), ["content invalid-path"]);
    assert!(!scan.complete && !scan.diagnostics[0].message.contains('\u{1b}'));
}

#[test]
fn a_scan_writes_nothing() {
    let tree = Tree::new();
    let cache = TempDir::new().expect("a temporary directory");
    tree.post("a.yaml", "a", "a.mp4").post("b.yaml", "b", "lost.mp4").write("c.yaml", b"\xff");
    let before = tree.snapshot();
    tree.scan();
    tree.scan_with(&cache.path().join("gitcast/x"));
    assert_eq!(tree.snapshot(), before);
}

#[test]
fn what_the_cache_remembers_is_what_a_scan_finds() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("gitcast/x");
    tree.post("a.yaml", "a", "a.mp4").post("bad.yaml", "b", "lost.mp4").write("c.yaml", WHOLE);
    let cold = tree.scan_with(&file);
    let cache = Cache::open(file.clone());
    for post in &cold.posts {
        let metadata = fs::metadata(tree.root().join(&post.post.path)).expect("there");
        let remembered = cache.post(&post.post.path, &stamp(&metadata), "Europe/Berlin");
        assert_eq!(remembered.as_ref(), Some(&post.post));
        assert_eq!(cache.post(&post.post.path, &stamp(&metadata), "Europe/Paris"), None);
    }
    let medium = stamp(&fs::metadata(tree.content().join("a.mp4")).expect("there"));
    assert_eq!(cache.facts("a.mp4", &medium).map(|facts| facts.digest), Some(ContentDigest::of(b"film")));
    let bytes = fs::read(&file).expect("written");
    let warm = tree.scan_with(&file);
    assert_eq!((&warm.posts, &warm.diagnostics), (&cold.posts, &cold.diagnostics));
    assert_eq!(fs::read(&file).expect("still there"), bytes);
}

const WHOLE: &str = "id: c\npublish_at: 2026-12-01T09:00\ntext: |\n  ü\nmedia:\n  - {url: 'https://m.example/x', alt: y}\n\
                     to:\n  b: {text: t, allow: [x, 'y'], deep: {a: ~}}\nrevision: 4\n";

#[test]
fn what_changed_is_read_again() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("x");
    tree.post("a.yaml", "a", "a.mp4");
    tree.scan_with(&file);
    tree.post("a.yaml", "renamed", "a.mp4").write("a.mp4", "FILM");
    let scan = tree.scan_with(&file);
    assert_eq!(ids(&scan), ["renamed"]);
    let Medium::File { digest, .. } = &scan.posts[0].media[0] else { panic!("a file") };
    assert_eq!(*digest, ContentDigest::of(b"FILM"));
    tree.write("gitcast.yaml", PROJECT.replace("Berlin", "Paris"));
    tree.write("t.yaml", "id: t\ntext: t\npublish_at: 2026-12-01T09:00\nto: {b: }\n");
    assert_eq!(ids(&tree.scan_with(&file)), ["renamed", "t"]);
}

#[test]
fn a_file_that_may_still_be_changing_is_not_remembered() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("x");
    tree.post("a.yaml", "a", "a.mp4");
    let cache = Cache::open(file.clone());
    scan_at(tree.root(), &tree.content(), (&Held::default(), Some(&cache), Threads::Many), SystemTime::now());
    let metadata = fs::metadata(tree.content().join("a.yaml")).expect("there");
    assert_eq!(Cache::open(file).post("content/a.yaml", &stamp(&metadata), "Europe/Berlin"), None);
}

#[test]
fn a_damaged_cache_is_no_cache() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("x");
    tree.post("a.yaml", "a", "a.mp4").write("c.yaml", WHOLE);
    let cold = tree.scan_with(&file);
    let whole = fs::read(&file).expect("written");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        if at % 3 == 0 {
            bytes.truncate(at)
        } else {
            bytes[at] ^= 0x55
        }
        fs::write(&file, bytes).expect("written");
        let scan = scan(tree.root(), &tree.content(), Some(&Cache::open(file.clone())), Threads::Many);
        assert_eq!(scan.posts, cold.posts);
    }
}

#[test]
fn the_cache_is_beside_content_and_never_inside() {
    let tree = Tree::new();
    let locate = |name: &str, value: PathBuf| {
        Cache::locate(&tree.content(), |n| (n == name).then(|| value.clone().into()))
    };
    let home = locate("HOME", "/somebody".into()).expect("a place");
    assert!(home.starts_with("/somebody/.cache/gitcast"));
    assert!(locate("XDG_CACHE_HOME", "/cache".into()).expect("a place").starts_with("/cache/gitcast"));
    assert_eq!(locate("XDG_CACHE_HOME", "relative".into()), None);
    assert_eq!(locate("XDG_CACHE_HOME", tree.content().canonicalize().expect("there")), None);
    assert_eq!(locate("OTHER", "/x".into()), None);
}

#[test]
fn an_unchanged_tree_is_known_by_its_stamps_and_any_change_is_seen() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("x");
    let look = || unchanged(tree.root(), &tree.content(), &Cache::open(file.clone()));
    tree.post("sub/a.yaml", "a", "../a.mp4").write("c.yaml", WHOLE);
    assert_eq!(look(), None);
    tree.scan_with(&file);
    let first = look();
    assert!(first.is_some() && look() == first);
    tree.write("gitcast.yaml", PROJECT.replace("m.example", "n.example"));
    assert!(look().is_some() && look() != first);
    tree.write("gitcast.yaml", PROJECT);
    assert_eq!(look(), first);
    let mut seen = vec![look()];
    for known in ["", "version: 1\naccounts: {}\n", "version: 1\naccounts: {b: {audited: true}}\n"] {
        tree.write("accounts.lock.yaml", known);
        assert!(look().is_some() && !seen.contains(&look()), "{known}");
        seen.push(look());
    }
    fs::remove_file(tree.content().join("accounts.lock.yaml")).expect("removed");
    assert_eq!(look(), first);
    type Change<'a> = &'a dyn Fn();
    let changes: [Change<'_>; 6] = [
        &|| {
            tree.write("c.yaml", WHOLE.replace("id: c", "id: d"));
        },
        &|| {
            tree.write("a.mp4", "FILM");
        },
        &|| {
            tree.post("new.yaml", "new", "a.mp4");
        },
        &|| fs::remove_file(tree.content().join("new.yaml")).expect("removed"),
        &|| fs::rename(tree.content().join("c.yaml"), tree.content().join("d.yaml")).expect("renamed"),
        &|| {
            tree.link("d.yaml", "link.yaml");
        },
    ];
    for (n, change) in changes.into_iter().enumerate() {
        change();
        assert_eq!(look(), None, "change {n}");
        tree.scan_with(&file);
        assert_eq!(look().is_some(), n < 5, "change {n}");
    }
}

#[test]
fn what_is_known_of_accounts_is_no_manifest_and_belongs_to_the_project() {
    let tree = Tree::new();
    tree.write("accounts.lock.yaml", "version: 1\naccounts:\n  b: {audited: true}\n  c: {audited: true}\n");
    tree.post("sub/accounts.lock.yaml", "a", "../a.mp4");
    let audited = |scan: &Scan| scan.project.as_ref().expect("a project").accounts[0].is_audited();
    for scan in [tree.scan(), super::scan::project(tree.root(), &tree.content())] {
        assert_eq!(audited(&scan), Some(true));
        let found: Vec<_> = scan.diagnostics.iter().map(|d| (d.path.as_str(), d.code.as_str())).collect();
        assert_eq!(found, [("content/accounts.lock.yaml", "unknown-account")]);
    }
    assert_eq!(ids(&tree.scan()), ["a"], "the name is kept at the top alone");
    let bad: [&[u8]; 6] = [b"", b"\xff\xfe\0", b"version: 1", b"- a", &[b'#'; (1 << 20) + 1], b"a: &a [*a]"];
    for bytes in bad {
        tree.write("accounts.lock.yaml", bytes);
        let scan = tree.scan();
        assert!(scan.diagnostics.iter().any(|d| d.is_error() && d.path == "content/accounts.lock.yaml"));
        assert_eq!((audited(&scan), ids(&scan)), (None, vec!["a"]), "posts that need no fact stay good");
    }
    fs::remove_file(tree.content().join("accounts.lock.yaml")).expect("removed");
    tree.link("../secret.mp4", "accounts.lock.yaml");
    assert_eq!(tree.scan().diagnostics[0].code, "file-unreadable");
}

#[test]
fn a_pipe_in_place_of_the_project_is_not_waited_for() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("x");
    tree.scan_with(&file);
    let project = tree.content().join("gitcast.yaml");
    fs::remove_file(&project).expect("removed");
    assert!(std::process::Command::new("mkfifo").arg(&project).status().expect("mkfifo").success());
    assert_eq!(unchanged(tree.root(), &tree.content(), &Cache::open(file)), None);
}

#[test]
fn a_tree_with_a_problem_is_never_called_unchanged() {
    let tree = Tree::new();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("x");
    for bad in ["id: [", "id: a\nmedia: [{file: lost.mp4}]\nto: {b: }\n"] {
        tree.write("a.yaml", bad);
        tree.scan_with(&file);
        assert_eq!(unchanged(tree.root(), &tree.content(), &Cache::open(file.clone())), None, "{bad}");
    }
}

/// Where a manifest is makes no difference to what is said of it.
#[test]
fn manifests_in_memory_are_read_as_those_on_the_disk() {
    let tree = Tree::new();
    tree.post("a.yaml", "one", "a.mp4").post("deep/er/b.yaml", "two", "../../a.mp4");
    tree.post("c.yaml", "one", "a.mp4").post("d.yaml", "gone", "none.mp4").post(
        "e.yaml",
        "out",
        "../secret.mp4",
    );
    tree.write("bad.yaml", "id: [").write("latin.yaml", b"id: \xff").write(".hidden.yaml", "id: h");
    tree.write("resolutions/x.yaml", "[]").link("a.yaml", "link.yaml");
    let said = |scan: &Scan| {
        let posts: Vec<_> = scan.posts.iter().map(|p| format!("{:?} {:?}", p.post, p.media)).collect();
        let found: Vec<_> = scan.diagnostics.iter().map(|d| format!("{d:?}")).collect();
        let unreadable = (scan.unreadable_ids.clone(), scan.unreadable_paths.clone());
        (posts, found, unreadable, scan.complete, scan.suspects.len())
    };
    let on_disk = said(&tree.scan());
    let mut held = Held::default();
    for (path, (bytes, _)) in tree.snapshot() {
        let Ok(name) = path.strip_prefix(tree.content()) else { continue };
        let name = name.to_str().expect("UTF-8");
        if is_plain(name, bytes.len() as u64) && !path.is_symlink() {
            held.put(name, bytes);
            fs::remove_file(&path).expect("removed");
        }
    }
    assert_eq!(held.len(), 7);
    assert_eq!(said(&scan_with(tree.root(), &tree.content(), &held, Threads::Many)), on_disk);
}
