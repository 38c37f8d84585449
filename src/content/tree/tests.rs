//! With the real git, and repositories that mean harm.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::content::trees::{Trees, TreesError};

struct Repo(TempDir);

impl Repo {
    fn new() -> Repo {
        let repo = Repo(tempfile::tempdir().expect("temporary folder"));
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Repo {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, bytes).expect("write");
        self
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.git_with(arguments, b"")
    }

    fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let user = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
        let mut command = Command::new("git");
        command.args(user).args(arguments).current_dir(self.0.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("git starts");
        child.stdin.take().expect("piped").write_all(input).expect("input is read");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    fn commit(&self) -> CommitId {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a subject"]);
        self.git(&["rev-parse", "HEAD"]).parse().expect("a hash")
    }

    /// An object that git itself would not make.
    fn raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend(format!("{mode} ").bytes().chain(name.iter().copied()).chain([0]));
            bytes.extend((0..40).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex")));
        }
        self.git_with(&["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &bytes)
    }

    fn blob(&self, text: &str) -> String {
        self.git_with(&["hash-object", "-w", "--stdin"], text.as_bytes())
    }
}

fn variable(name: &str) -> Option<OsString> {
    match name {
        "PATH" => std::env::var_os("PATH"),
        "GIT_CONFIG_NOSYSTEM" => Some("1".into()),
        "GIT_CONFIG_GLOBAL" => Some("/dev/null".into()),
        _ => None,
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("entry").path();
        if path.is_symlink() {
            files.insert(
                path.clone(),
                fs::read_link(&path).expect("link").into_os_string().into_encoded_bytes(),
            );
        } else if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("file"));
        }
    }
    files
}

#[test]
fn a_tree_is_what_was_committed_and_nothing_of_the_repository_runs() {
    let repo = Repo::new();
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let long = vec![b'#'; FILE_BYTES_MAX + 5_000];
    repo.write("content/a.yaml", "id: a\n").write("content/b/large.mp4", &large);
    repo.write("content/long.yaml", &long).write("content/--upload-pack=x.yaml", "id: x\n");
    repo.write("content/new\nline.yaml", "id: n\n")
        .write("content/.gitattributes", "* filter=evil diff=evil\n*.yaml text\n");
    repo.write("elsewhere.yaml", "id: e\n");
    std::os::unix::fs::symlink("/etc/passwd", repo.path("content/link.yaml")).expect("link");
    let head = repo.commit();
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},content/module")]);
    let head = {
        repo.git(&["commit", "--quiet", "--message", "a submodule"]);
        repo.git(&["rev-parse", "HEAD"]).parse::<CommitId>().expect("a hash")
    };
    let marker = repo.path("ran");
    let run = format!("touch {}", marker.display());
    for key in [
        "filter.evil.smudge",
        "filter.evil.clean",
        "filter.evil.process",
        "diff.evil.command",
        "diff.evil.textconv",
        "diff.external",
        "core.pager",
        "core.sshCommand",
        "core.editor",
        "gpg.program",
    ] {
        repo.git(&["config", key, &run]);
    }
    repo.write("hooks/post-checkout", format!("#!/bin/sh\n{run}\n"));
    repo.write("hooks/post-index-change", format!("#!/bin/sh\n{run}\n"));
    repo.write("hooks/monitor", format!("#!/bin/sh\n{run}\n"));
    for hook in ["post-checkout", "post-index-change", "monitor"] {
        fs::set_permissions(repo.path(&format!("hooks/{hook}")), fs::Permissions::from_mode(0o755))
            .expect("executable");
    }
    repo.git(&["config", "core.autocrlf", "true"]);
    repo.git(&["config", "core.hooksPath", &repo.path("hooks").display().to_string()]);
    repo.git(&["config", "core.fsmonitor", &repo.path("hooks/monitor").display().to_string()]);
    // The work tree says something else, or nothing at all.
    fs::remove_dir_all(repo.path("content")).expect("removed");
    let repository = Repository::of(&repo.path("content"), &variable).expect("a repository");
    assert_eq!(repository.commit("main").expect("a commit"), head);
    let listing = repository.listing(&head).expect("a listing");
    let out = tempfile::tempdir().expect("temporary folder");
    repository.update(&out.path().join("t"), (&Listing::default(), &listing), &|| true).expect("written");
    let written = files(&out.path().join("t"));
    let expected: BTreeMap<PathBuf, Vec<u8>> = [
        ("a.yaml", b"id: a\n".to_vec()),
        ("b/large.mp4", large),
        ("long.yaml", long[..FILE_BYTES_MAX + 1].to_vec()),
        ("--upload-pack=x.yaml", b"id: x\n".to_vec()),
        ("new\nline.yaml", b"id: n\n".to_vec()),
        (".gitattributes", b"* filter=evil diff=evil\n*.yaml text\n".to_vec()),
        ("link.yaml", b"/etc/passwd".to_vec()),
    ]
    .into_iter()
    .map(|(name, bytes)| (out.path().join("t").join(name), bytes))
    .collect();
    assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(written == expected, "a file has other bytes");
    for path in written.keys().filter(|path| !path.is_symlink()) {
        assert_eq!(fs::metadata(path).expect("metadata").mode() & 0o777, 0o600, "{path:?}");
    }
    assert_eq!(repository.described(&head).expect("a commit").subject, "a submodule");
    assert!(!marker.exists(), "something of the repository ran");
}

#[test]
fn a_tree_that_would_lead_elsewhere_is_refused_and_nothing_is_written_there() {
    let repo = Repo::new();
    repo.write("content/a.yaml", "id: a\n").commit();
    let blob = repo.blob("id: evil\n");
    let up = repo.blob("..");
    let inner = repo.raw_tree(&[("100644", b"evil.yaml", &blob)]);
    let trees = [
        ("up", repo.raw_tree(&[("40000", b"..", &inner)])),
        ("here", repo.raw_tree(&[("40000", b".", &inner)])),
        ("git", repo.raw_tree(&[("40000", b".GIT", &inner)])),
        ("slash", repo.raw_tree(&[("100644", b"../evil.yaml", &blob)])),
        ("absolute", repo.raw_tree(&[("100644", b"/evil.yaml", &blob)])),
        ("twice", repo.raw_tree(&[("120000", b"a", &up), ("40000", b"a", &inner)])),
        ("file", repo.raw_tree(&[("100644", b"a", &blob), ("40000", b"a", &inner)])),
        ("long", repo.raw_tree(&[("100644", &[b'x'; 300], &blob)])),
        ("gone", repo.raw_tree(&[("100644", b"a.yaml", "00112233445566778899aabbccddeeff00112233")])),
    ];
    let repository = Repository::of(&repo.path("content"), &variable).expect("a repository");
    for (what, tree) in trees {
        let top = repo.raw_tree(&[("40000", b"content", &tree)]);
        let commit = repo.git(&["commit-tree", "-m", what, &top]).parse().expect("a hash");
        let out = tempfile::tempdir().expect("temporary folder");
        let folder = out.path().join("deep/t");
        let written = repository
            .listing(&commit)
            .and_then(|listing| repository.update(&folder, (&Listing::default(), &listing), &|| true));
        assert!(written.is_err(), "{what} was written: {:?}", files(out.path()));
        let outside: Vec<_> =
            files(out.path()).into_keys().filter(|path| !path.starts_with(&folder)).collect();
        assert_eq!(outside, [] as [PathBuf; 0], "{what}");
    }
    // A link that is there already is not a way out either.
    let first = repo.raw_tree(&[("120000", b"a", &up)]);
    let then = repo.raw_tree(&[("120000", b"a", &up), ("40000", b"a", &inner)]);
    let list = |tree: &str| {
        let told = repository.git().answer(&["ls-tree", "-r", "-z", "-l", "--full-tree", tree], &[]);
        listing(&told.expect("git")).expect("a listing")
    };
    let out = tempfile::tempdir().expect("temporary folder");
    let folder = out.path().join("t");
    repository.update(&folder, (&Listing::default(), &list(&first)), &|| true).expect("written");
    assert!(repository.update(&folder, (&list(&first), &list(&then)), &|| true).is_err());
    assert!(!out.path().join("evil.yaml").exists());
}

#[test]
fn a_name_is_a_commit_or_nothing() {
    let repo = Repo::new();
    let head = repo.write("content/a.yaml", "id: a\n").commit();
    repo.git(&["tag", "v1"]);
    // Git itself would not make it, and it may be there all the same.
    repo.write(".git/refs/heads/--upload-pack=x", format!("{head}\n"));
    let repository = Repository::of(&repo.path("content"), &variable).expect("a repository");
    for name in ["main", "refs/heads/main", "HEAD", "v1", head.as_str(), "refs/heads/--upload-pack=x"] {
        assert_eq!(repository.commit(name).expect(name), head, "{name}");
    }
    for name in
        ["", "-", "--upload-pack=x", "--all", "main\n", "a b", "nothing", "main:content", "..", "--output=x"]
    {
        assert!(matches!(repository.commit(name), Err(TreeError::NoCommit(_))), "{name}");
    }
    assert!(!repo.path("x").exists());
    // A folder that is a link is not followed.
    fs::remove_dir_all(repo.path("content")).expect("removed");
    std::os::unix::fs::symlink("/etc", repo.path("content")).expect("link");
    let linked = repo.commit();
    let repository = Repository::of(&repo.path("content"), &variable).expect("a repository");
    assert!(matches!(repository.listing(&linked), Err(TreeError::NoContent { .. })));
    let outside = tempfile::tempdir().expect("temporary folder");
    assert!(matches!(Repository::of(&outside.path().join("content"), &variable), Err(TreeError::Git(_))));
}

#[test]
fn a_tree_becomes_that_of_the_next_commit_and_what_is_the_same_stays() {
    let repo = Repo::new();
    repo.write("content/same.mp4", "same")
        .write("content/a.yaml", "1")
        .write("content/b/c/gone.yaml", "gone");
    let first = repo.commit();
    repo.write("content/a.yaml", "2").write("content/new/d.yaml", "new").write("content/b.mp4", "media");
    fs::remove_dir_all(repo.path("content/b")).expect("removed");
    let second = repo.commit();
    let repository = Repository::of(&repo.path("content"), &variable).expect("a repository");
    let state = tempfile::tempdir().expect("temporary folder");
    let folder = state.path().join("trees");
    let open = || Trees::open(folder.clone(), Path::new("content"));
    // What another test starts holds the lock from its fork to its exec.
    let open_again = || {
        let tries = (0..1_000).map(|_| std::thread::sleep(std::time::Duration::from_millis(5)));
        tries.map(|()| open()).find(|trees| !matches!(trees, Err(TreesError::Busy(_)))).expect("free")
    };
    let mut trees = open().expect("trees");
    assert!(matches!(open(), Err(TreesError::Busy(_))));
    let names = |trees: &Trees| -> Vec<String> {
        let content = trees.content();
        files(&content)
            .into_keys()
            .map(|path| path.strip_prefix(&content).expect("below").display().to_string())
            .collect()
    };
    let stamp = |trees: &Trees, name: &str| {
        let metadata = fs::metadata(trees.content().join(name)).expect("metadata");
        (metadata.ino(), metadata.mtime_nsec(), metadata.ctime_nsec(), metadata.ctime())
    };
    trees.turn_to(&repository, &first, &|| true).expect("the first");
    assert_eq!(names(&trees), ["a.yaml", "b/c/gone.yaml", "same.mp4"]);
    let before = stamp(&trees, "same.mp4");
    trees.turn_to(&repository, &second, &|| true).expect("the second");
    assert_eq!(names(&trees), ["a.yaml", "b.mp4", "new/d.yaml", "same.mp4"]);
    assert!(!trees.content().join("b").exists(), "an empty folder is left");
    assert_eq!(fs::read(trees.content().join("a.yaml")).expect("read"), b"2");
    assert_eq!(stamp(&trees, "same.mp4"), before, "it was written again");
    // The next process goes on from it; one that was cut short begins anew.
    drop(trees);
    let mut trees = open_again().expect("trees");
    trees.turn_to(&repository, &first, &|| true).expect("back");
    assert_eq!(names(&trees), ["a.yaml", "b/c/gone.yaml", "same.mp4"]);
    assert_eq!(stamp(&trees, "same.mp4"), before, "it was written again");
    assert!(trees.turn_to(&repository, &second, &|| false).is_err());
    fs::write(trees.content().join("half.yaml"), "half").expect("write");
    drop(trees);
    let mut trees = open_again().expect("trees");
    trees.turn_to(&repository, &second, &|| true).expect("whole");
    assert_eq!(names(&trees), ["a.yaml", "b.mp4", "new/d.yaml", "same.mp4"]);
}
