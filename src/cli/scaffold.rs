//! What `gitcast init` writes: a project that validates as it is. Nothing that exists is overwritten.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf, absolute};

const PROJECT: &str = include_str!("scaffold/gitcast.yaml");
const MANIFEST: &str = include_str!("scaffold/hello.yaml");
const GITHUB: &str = include_str!("scaffold/github.yml");
const GITLAB: &str = include_str!("scaffold/gitlab.yml");
/// Two seconds of H.264 and AAC, 540 by 960, made with ffmpeg the way `content/hello.yaml` tells.
pub(super) const VIDEO: &[u8] = include_bytes!("scaffold/hello.mp4");

/// A CI service, whose pipeline is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ci {
    Github,
    Gitlab,
}

impl Ci {
    /// Where it expects its pipeline, and what that is.
    fn pipeline(self) -> (&'static str, &'static str) {
        match self {
            Ci::Github => (".github/workflows/gitcast.yml", GITHUB),
            Ci::Gitlab => (".gitlab-ci.yml", GITLAB),
        }
    }
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    /// It was there already and was left alone.
    Kept,
    /// Lines were added at its end.
    Appended,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Kept => "kept",
            Outcome::Appended => "appended",
        }
    }
}

/// Writes a new project under `root`; `content` and `state` are its two folders, inside `root` as a rule, and named
/// from the working directory like `root` itself. The paths in the answer are relative to `root` where they can be.
///
/// # Errors
/// Those of the filesystem. What was written before stays; running it again completes it.
pub fn scaffold(
    root: &Path,
    content: &Path,
    state: &Path,
    lineage: &str,
    ci: Ci,
) -> io::Result<Vec<(PathBuf, Outcome)>> {
    let (root, content, state) = (&absolute(root)?, &absolute(content)?, &absolute(state)?);
    let project = PROJECT.replace("@LINEAGE@", lineage);
    let mut outcomes = Vec::new();
    let mut done = |path: &Path, outcome| outcomes.push((relative(root, path), outcome));

    let is_new = !content.join("gitcast.yaml").exists();
    // The first post names the account of the first project file: beside another one it would not validate.
    if is_new {
        for (name, bytes) in [("hello.yaml", MANIFEST.as_bytes()), ("hello.mp4", VIDEO)] {
            let path = content.join(name);
            done(&path, create(&path, bytes)?);
        }
    }
    // Last in its folder: a run that was cut off before is told by its absence, and begins again.
    let path = content.join("gitcast.yaml");
    done(&path, create(&path, project.as_bytes())?);
    private_folder(state)?;
    let path = state.join(".gitkeep");
    done(&path, create(&path, b"")?);
    let path = root.join(".gitignore");
    done(&path, append_lines(&path, &ignored(root, state))?);
    let (path, pipeline) = ci.pipeline();
    let path = root.join(path);
    done(&path, create(&path, pipeline.as_bytes())?);
    Ok(outcomes)
}

fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

fn slashes(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/").trim_matches('/').to_owned()
}

/// The ledger, its key and the app's keys stay out of git. A state folder elsewhere is not this repository's.
fn ignored(root: &Path, state: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(inside) = state.strip_prefix(root) {
        let name = slashes(inside);
        lines.extend([format!("/{name}/*"), format!("!/{name}/.gitkeep")]);
    }
    lines.push("keys.env".to_owned());
    lines
}

/// Others need not see which accounts there are.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Creates the file with its folders, unless something of that name exists: a dangling link does, too.
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<Outcome> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(bytes).map(|()| Outcome::Created),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Outcome::Kept),
        Err(error) => Err(error),
    }
}

/// Adds the lines that the file does not have.
fn append_lines(path: &Path, lines: &[String]) -> io::Result<Outcome> {
    let before = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return create(path, (lines.join("\n") + "\n").as_bytes());
        }
        Err(error) => return Err(error),
    };
    let missing: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| !before.lines().any(|have| have.trim() == *line))
        .collect();
    if missing.is_empty() {
        return Ok(Outcome::Kept);
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let text = format!("{gap}{}\n", missing.join("\n"));
    OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?;
    Ok(Outcome::Appended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(root: &Path) -> Vec<(String, Outcome)> {
        let outcomes = scaffold(root, &root.join("content"), &root.join("state"), "0123abcd", Ci::Github)
            .expect("written");
        outcomes.into_iter().map(|(path, outcome)| (slashes(&path), outcome)).collect()
    }

    fn text(root: &Path, path: &str) -> String {
        fs::read_to_string(root.join(path)).expect("a file")
    }

    #[test]
    fn an_empty_folder_becomes_a_project_and_stays_one() {
        let root = tempfile::tempdir().expect("a folder");
        let first = run(root.path());
        let paths: Vec<&str> = first.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "content/hello.yaml",
                "content/hello.mp4",
                "content/gitcast.yaml",
                "state/.gitkeep",
                ".gitignore",
                ".github/workflows/gitcast.yml"
            ]
        );
        assert!(first.iter().all(|(_, outcome)| *outcome == Outcome::Created));
        assert!(text(root.path(), "content/gitcast.yaml").contains("\nlineage: 0123abcd\n"));
        assert_eq!(text(root.path(), ".gitignore"), "/state/*\n!/state/.gitkeep\nkeys.env\n");
        let again = run(root.path());
        assert!(again.iter().all(|(_, outcome)| *outcome == Outcome::Kept), "{again:?}");
    }

    #[test]
    fn what_is_there_is_kept_and_ignored_lines_are_added() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("content")).expect("a folder");
        fs::write(root.path().join("content/gitcast.yaml"), "mine").expect("a file");
        fs::write(root.path().join(".gitignore"), "target\nkeys.env").expect("a file");
        let outcomes = run(root.path());
        assert_eq!(text(root.path(), "content/gitcast.yaml"), "mine");
        assert_eq!(text(root.path(), ".gitignore"), "target\nkeys.env\n/state/*\n!/state/.gitkeep\n");
        assert!(outcomes.contains(&("content/gitcast.yaml".into(), Outcome::Kept)));
        assert!(outcomes.contains(&(".gitignore".into(), Outcome::Appended)));
        assert!(!root.path().join("content/hello.yaml").exists());
    }

    #[test]
    fn a_state_folder_elsewhere_is_not_ignored_here() {
        let (root, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        scaffold(root.path(), &root.path().join("posts"), other.path(), "x", Ci::Gitlab).expect("written");
        assert_eq!(text(root.path(), ".gitignore"), "keys.env\n");
        assert!(root.path().join(".gitlab-ci.yml").exists() && !root.path().join(".github").exists());
        assert!(root.path().join("posts/hello.mp4").exists() && other.path().join(".gitkeep").exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_dangling_link() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("content")).expect("a folder");
        let outside = root.path().join("outside");
        std::os::unix::fs::symlink(&outside, root.path().join("content/hello.yaml")).expect("a link");
        assert!(run(root.path()).contains(&("content/hello.yaml".into(), Outcome::Kept)));
        assert!(!outside.exists());
    }
}
