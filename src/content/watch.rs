//! Tells that something below a folder has changed, and no more: what it was, the next scan finds out. An event that is
//! lost costs time, never anything else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// Where git keeps its own things: a commit is no change of content.
const GIT: &str = ".git";

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    _watcher: RecommendedWatcher,
    folder: PathBuf,
    /// Device and inode: a folder that was put in the other's place is another one.
    identity: Option<(u64, u64)>,
}

impl Watch {
    /// Calls `changed` after each change below `folder`, from a thread of its own.
    ///
    /// # Errors
    ///
    /// When the system watches no more, or the folder is not there; for people.
    pub fn start(folder: &Path, changed: impl Fn() + Send + 'static) -> Result<Watch, String> {
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may stand for events that are lost.
            if event.as_ref().map_or(true, is_change) {
                changed();
            }
        })
        .map_err(|error| error.to_string())?;
        let identity = identity(folder);
        watcher.watch(folder, RecursiveMode::Recursive).map_err(|error| error.to_string())?;
        Ok(Watch { _watcher: watcher, folder: folder.to_owned(), identity })
    }

    /// As [`start`](Self::start), for folders in which git keeps what branches point at; each tells whether what is below it
    /// counts too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn of_branches(
        places: &[(PathBuf, bool)],
        changed: impl Fn() + Send + 'static,
    ) -> Result<Watch, String> {
        let (folder, _) = places.first().ok_or("git does not say where it keeps its branches")?;
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, |event| !matches!(event.kind, EventKind::Access(_))) {
                changed();
            }
        })
        .map_err(|error| error.to_string())?;
        for (place, is_deep) in places {
            let mode = if *is_deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            watcher.watch(place, mode).map_err(|error| error.to_string())?;
        }
        Ok(Watch { _watcher: watcher, folder: folder.clone(), identity: identity(folder) })
    }

    /// Whether the folder that is watched is still the one that is there.
    pub fn is_current(&self) -> bool {
        self.identity.is_some() && self.identity == identity(&self.folder)
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Reading is no change; inotify tells of it all the same, and a scan would wake itself.
fn is_change(event: &notify::Event) -> bool {
    let is_git = |path: &PathBuf| path.components().any(|part| part.as_os_str() == GIT);
    !matches!(event.kind, EventKind::Access(_)) && (event.paths.is_empty() || !event.paths.iter().all(is_git))
}

/// The file that git makes while it changes the work tree that `folder` is in. Where there is none, nothing is being
/// changed, or it is no work tree.
pub fn git_lock(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let found = folder.ancestors().map(|ancestor| ancestor.join(GIT)).find(|git| git.exists())?;
    let git = match found.is_dir() {
        true => found,
        // A work tree beside the repository, or a submodule: `gitdir: PATH`.
        false => {
            let text = fs::read_to_string(&found).ok()?;
            let path = text.strip_prefix("gitdir:")?.trim();
            found.parent()?.join(path)
        }
    };
    Some(git.join("index.lock")).filter(|lock| lock.exists())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    /// Long enough on any machine; a test that waits this long has failed.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// What comes later than this after a change was not about it.
    const QUIET: Duration = Duration::from_millis(300);

    async fn is_told(changed: &Notify, within: Duration) -> bool {
        tokio::time::timeout(within, changed.notified()).await.is_ok()
    }

    /// No more is coming.
    async fn drain(changed: &Notify) {
        while is_told(changed, QUIET).await {}
    }

    #[tokio::test]
    async fn changes_are_told_in_folders_old_and_new_and_reading_is_none() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("old/.git")).expect("folders");
        fs::write(path("old/a.yaml"), "a").expect("write");
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let watch = Watch::start(folder.path(), move || told.notify_one()).expect("watched");
        drain(&changed).await;
        fs::read(path("old/a.yaml")).expect("read");
        fs::read_dir(path("old")).expect("list").for_each(drop);
        fs::write(path("old/.git/index"), "x").expect("write");
        assert!(!is_told(&changed, QUIET).await, "nothing has changed");
        fs::create_dir_all(path("new/deep")).expect("folders");
        drain(&changed).await;
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(path("new/deep/b.yaml"), "b").expect("write"),
            &|| fs::rename(path("new/deep/b.yaml"), path("old/a.yaml")).expect("rename"),
            &|| fs::remove_file(path("old/a.yaml")).expect("remove"),
            &|| fs::rename(path("new"), path("newer")).expect("rename"),
            &|| fs::write(path("newer/deep/c.yaml"), "c").expect("write"),
        ];
        for (n, change) in changes.iter().enumerate() {
            change();
            assert!(is_told(&changed, PATIENCE).await, "change {n}");
            drain(&changed).await;
        }
        assert!(watch.is_current());
    }

    #[tokio::test]
    async fn a_folder_in_the_place_of_the_watched_one_is_noticed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (content, other) = (folder.path().join("content"), folder.path().join("other"));
        fs::create_dir_all(&content).expect("folder");
        fs::create_dir_all(&other).expect("folder");
        let watch = Watch::start(&content, || ()).expect("watched");
        fs::rename(&content, folder.path().join("before")).expect("rename");
        assert!(!watch.is_current());
        fs::rename(&other, &content).expect("rename");
        assert!(!watch.is_current());
        assert!(Watch::start(&folder.path().join("none"), || ()).is_err());
    }

    #[test]
    fn git_at_work_is_seen_in_a_repository_and_in_a_work_tree_beside_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("repository/.git/worktrees/two")).expect("folders");
        fs::create_dir_all(path("repository/content")).expect("folders");
        fs::create_dir_all(path("two/content")).expect("folders");
        fs::write(path("two/.git"), "gitdir: ../repository/.git/worktrees/two\n").expect("write");
        for (content, lock) in [
            ("repository/content", "repository/.git/index.lock"),
            ("two/content", "repository/.git/worktrees/two/index.lock"),
        ] {
            assert_eq!(git_lock(&path(content)), None, "{content}");
            fs::write(path(lock), "").expect("write");
            assert!(git_lock(&path(content)).is_some(), "{content}");
            fs::remove_file(path(lock)).expect("remove");
        }
        assert_eq!(git_lock(&path("none")), None);
    }
}
