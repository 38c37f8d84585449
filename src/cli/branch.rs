//! `watch --git-ref`: content is what a branch points at, whatever the work tree holds.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Failure;
use super::exit::Exit;
use super::text;
use super::ui;
use super::workspace::Workspace;
use crate::content::tree::{Repository, TreeError};
use crate::content::trees::{self, Trees, TreesError};
use crate::domain::commit::{Commit, CommitId, Standing};

/// Below `state/`.
const TREES: &str = "trees";
/// How much of a hash and of a subject is told.
const ID_CHARS: usize = 12;
const SUBJECT_CHARS: usize = 72;

/// The tree of a commit, where content is read. Clones are the same tree.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub root: PathBuf,
    pub content: PathBuf,
    /// Its commit. Whoever reads holds it, so that it does not become another one meanwhile.
    commit: Arc<Mutex<Option<Commit>>>,
}

impl Tree {
    pub(super) fn hold(&self) -> MutexGuard<'_, Option<Commit>> {
        self.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that points at a commit, now at this one and then at that.
#[derive(Debug, Clone)]
pub(super) struct Pointer {
    content: PathBuf,
    name: String,
}

impl Pointer {
    /// Whether it points at another commit than `known`. That it cannot be told is news as well.
    pub(super) fn has_left(&self, known: Option<&CommitId>) -> bool {
        let now =
            Repository::of(&self.content, &variable).and_then(|repository| repository.commit(&self.name));
        now.ok().as_ref() != known
    }
}

/// The branch that a watch follows.
pub(super) struct Branch {
    pub pointer: Pointer,
    pub tree: Tree,
    trees: Trees,
}

impl Branch {
    /// Takes the trees of this project, and makes sure that the name points at something.
    pub(super) fn open(workspace: &Workspace, name: &str) -> Result<Branch, Failure> {
        let below = below(workspace)?;
        let repository = Repository::of(&workspace.content, &variable).map_err(|error| failure(&error))?;
        repository.commit(name).map_err(|error| failure(&error))?;
        let trees = Trees::open(workspace.state.join(TREES), &below).map_err(trees_failure)?;
        let tree = Tree { root: trees.root(), content: trees.content(), commit: Arc::default() };
        let pointer = Pointer { content: workspace.content.clone(), name: name.to_owned() };
        Ok(Branch { pointer, tree, trees })
    }

    /// Makes the tree that of the commit that the branch points at now. `go_on` is asked now and then. Tells whether
    /// it is another one.
    pub(super) fn turn(&mut self, go_on: &dyn Fn() -> bool) -> Result<bool, Failure> {
        let repository = Repository::of(&self.pointer.content, &variable).map_err(|error| failure(&error))?;
        let id = repository.commit(&self.pointer.name).map_err(|error| failure(&error))?;
        let mut head = self.tree.hold();
        if head.as_ref().is_some_and(|head| head.id == id) {
            return Ok(false);
        }
        // Half a tree is nobody's content.
        *head = None;
        self.trees.turn_to(&repository, &id, go_on).map_err(trees_failure)?;
        let nameless = || Commit {
            id: id.clone(),
            author: String::new(),
            subject: String::new(),
            manifest: Standing::Committed,
        };
        let commit = repository.described(&id).unwrap_or_else(nameless);
        ui::tell(&format!(
            "{} is at {}: {}",
            text::one_line(&self.pointer.name, SUBJECT_CHARS),
            &commit.id.as_str()[..ID_CHARS],
            text::one_line(&commit.subject, SUBJECT_CHARS)
        ));
        *head = Some(Commit { manifest: Standing::Committed, ..commit });
        Ok(true)
    }

    /// Where git notes what the name points at, and whether below that folder too.
    pub(super) fn places(&self) -> Vec<(PathBuf, bool)> {
        // Without, a pass is made now and then.
        let repository = Repository::of(&self.pointer.content, &variable);
        repository.and_then(|repository| repository.places()).unwrap_or_default()
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Where `content/` lies below the project's folder.
pub(super) fn below(workspace: &Workspace) -> Result<PathBuf, Failure> {
    trees::below(&workspace.root, &workspace.content).ok_or_else(|| {
        Failure::usage(format!(
            "{} is not below {}, so that no commit's tree can stand for it",
            workspace.content.display(),
            workspace.root.display()
        ))
        .hint("point -C at a folder that holds it")
    })
}

pub(super) fn trees_failure(error: TreesError) -> Failure {
    match error {
        TreesError::Tree(error) => failure(&error),
        TreesError::Busy(folder) => Failure::new(
            Exit::Locked,
            format!("another `gitcast watch --git-ref` works on {}", folder.display()),
        )
        .hint("stop that one, or give this one another --state"),
        error @ TreesError::Io { .. } => Failure::error("the commit's files cannot be written").cause(&error),
    }
}

pub(super) fn failure(error: &TreeError) -> Failure {
    let failure = Failure::error("the commit cannot be read").cause(error);
    match error {
        TreeError::NoCommit(_) => failure.hint("`git branch --all` and `git tag` list what there is"),
        TreeError::NoBase(..) => {
            failure.hint("a shallow clone does not reach back that far: `git fetch --unshallow`")
        }
        TreeError::NoContent { .. } => failure.hint("`-C DIR` or `--content DIR` says where content is"),
        TreeError::Object { .. } => failure.hint(
            "gitcast fetches nothing: complete the clone, such as by `git fetch --refetch --no-filter`",
        ),
        TreeError::Git(_) => failure.hint("run `git status` in this folder to see what git says"),
        TreeError::Write { .. } => failure.hint("make room, or rename the file if its name is the trouble"),
        TreeError::TooMany | TreeError::TooLarge(_) => {
            failure.hint("keep in content/ what is to be published")
        }
        TreeError::Name(_) => failure.hint("such a tree is made to do harm: find out where it came from"),
        TreeError::Stopped => failure,
    }
}
