//! New files of content.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes a new file, whole or not at all, and on the disk. `false`: something of that name is there.
pub(super) fn create_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "the folder is none, or a link")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(folder)?,
        Err(error) => return Err(error),
    }
    let path = folder.join(name);
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(false);
    }
    // Hidden from scans. One that a run left behind which died is made anew.
    let unfinished = folder.join(format!(".{name}.tmp"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // What somebody else makes of this name in this moment is lost; the ledger's lock keeps other runs out.
    fs::rename(&unfinished, &path)?;
    Ok(true)
}
