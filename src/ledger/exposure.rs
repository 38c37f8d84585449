//! Whether others can get at what lies in `state/`.
//!
//! The files are made for their owner only; a checkout, a backup or a careless `chmod` may have changed that. The key
//! is not looked at here: one that others can read is refused.

use std::fmt;
use std::path::{Path, PathBuf};

/// Files with these beginnings hold what is sealed, or what was published.
const GUARDED: &[&str] = &["ledger.db", "rehearsal.db", "rescue"];
/// More files than this are never beside a ledger.
const FILES_MAX: usize = 1_000;

/// Something that others can read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    pub path: PathBuf,
    /// The folder, or a file in it.
    pub is_folder: bool,
    pub mode: u32,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, mode) = (self.path.display(), self.mode);
        match self.is_folder {
            true => write!(f, "others can put files into `{path}` (mode {mode:04o}): chmod go-w"),
            false => write!(f, "`{path}` can be read or written by others (mode {mode:04o}): chmod 600"),
        }
    }
}

/// What others can get at. A folder that others can only list is nothing: checkouts make them so.
#[cfg(unix)]
pub fn exposures(state: &Path) -> Vec<Exposure> {
    let folder = exposed(state, true, 0o022);
    let entries = std::fs::read_dir(state).into_iter().flatten().take(FILES_MAX).flatten();
    let guarded = entries.filter(|entry| {
        let name = entry.file_name();
        GUARDED.iter().any(|beginning| name.as_encoded_bytes().starts_with(beginning.as_bytes()))
    });
    let mut files: Vec<_> = guarded.filter_map(|entry| exposed(&entry.path(), false, 0o066)).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    folder.into_iter().chain(files).collect()
}

#[cfg(not(unix))]
pub fn exposures(_: &Path) -> Vec<Exposure> {
    Vec::new()
}

#[cfg(unix)]
fn exposed(path: &Path, is_folder: bool, forbidden: u32) -> Option<Exposure> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    let mode = found.mode() & 0o7777;
    let open = mode & forbidden & others(found.uid(), found.gid());
    (open != 0).then(|| Exposure { path: path.to_owned(), is_folder, mode })
}

/// The bits of a mode that concern others. Many systems give each user a group of his own, with the same number, and
/// make files writable for the group: nobody else is in it.
#[cfg(unix)]
fn others(user: u32, group: u32) -> u32 {
    if user == group { 0o007 } else { 0o077 }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn what_others_can_get_at_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let state = folder.path();
        for name in ["ledger.db", "ledger.db-wal", "rehearsal.db", "lock", "head", ".gitkeep"] {
            fs::write(state.join(name), "x").expect("write");
            chmod(&state.join(name), 0o644);
        }
        let found = |mode| {
            chmod(state, mode);
            let names = |e: &Exposure| e.path.file_name().expect("a name").to_string_lossy().into_owned();
            let found = exposures(state);
            assert_eq!(found.iter().any(|e| e.is_folder && e.path == state), mode & 0o002 != 0);
            found.iter().filter(|e| !e.is_folder).map(names).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(0o755), "ledger.db ledger.db-wal rehearsal.db");
        for (mode, expected) in [(0o600, ""), (0o602, "ledger.db"), (0o604, "ledger.db"), (0o400, "")] {
            for name in ["ledger.db", "ledger.db-wal", "rehearsal.db"] {
                chmod(&state.join(name), if name == "ledger.db" { mode } else { 0o600 });
            }
            assert_eq!(found(0o757), expected, "{mode:o}");
            assert_eq!(found(0o700), expected, "{mode:o}");
        }
        assert_eq!(exposures(&state.join("nowhere")), []);
    }

    #[test]
    fn a_users_own_group_is_nobody_else() {
        assert_eq!((others(1000, 1000), others(1000, 100)), (0o007, 0o077));
    }
}
