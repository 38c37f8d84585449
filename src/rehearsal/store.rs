//! Where a rehearsal keeps things: one small JSON file for each publication, one for the grants, one file for each
//! medium. A JSON file is written whole and renamed, so a dying process leaves the old one or the new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::random;

pub(super) struct Store {
    root: PathBuf,
    temporary: bool,
}

impl Store {
    pub(super) fn open(dir: Option<&Path>) -> io::Result<Store> {
        let temporary = dir.is_none();
        let root = match dir {
            Some(dir) => dir.to_owned(),
            None => std::env::temp_dir().join(format!("gitcast-rehearsal-{}", random::hex(8)?)),
        };
        create_private(&root)?;
        fs::create_dir_all(root.join("publications"))?;
        fs::create_dir_all(root.join("media"))?;
        Ok(Store { root, temporary })
    }

    pub(super) fn media_path(&self, file: &str) -> PathBuf {
        self.root.join("media").join(file)
    }

    /// Replaces `name` as a whole. Not synced to disk: it has to outlive the process, not the machine.
    pub(super) fn save(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let path = self.root.join(name);
        let unfinished = path.with_extension("tmp");
        fs::write(&unfinished, serde_json::to_vec(value)?)?;
        fs::rename(&unfinished, &path)
    }

    pub(super) fn load<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Everything saved under `folder`, by file name.
    pub(super) fn load_all<T: DeserializeOwned>(&self, folder: &str) -> io::Result<Vec<T>> {
        let mut names: Vec<_> = fs::read_dir(self.root.join(folder))?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        names.sort();
        names.iter().map(|path| Ok(serde_json::from_slice(&fs::read(path)?)?)).collect()
    }

    /// Removes what was only there for the time being.
    pub(super) fn discard(&self) {
        if self.temporary {
            // Nothing depends on it; the system clears its temporary directory some day anyway.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// The media are somebody's unpublished content: for their owner's eyes only.
fn create_private(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}
