use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::ProbeError;
use crate::domain::media::FileStamp;

/// The size that hashed fastest: larger ones leave the processor's cache.
const DIGEST_BUFFER: usize = 64 * 1024;

/// The identity of a file's content as far as the file system tells it: while the stamp is the same, so is the digest.
/// `ctime` is in it because `mtime` can be set back by anyone and `ctime` cannot.
pub fn stamp(meta: &Metadata) -> FileStamp {
    let (mtime, ctime) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    FileStamp::new(meta.len(), mtime, ctime, meta.ino(), meta.dev())
}

/// SHA-256 of the whole file, streamed.
pub fn digest(path: &Path) -> Result<[u8; 32], ProbeError> {
    Ok(digest_reader(&mut open_regular(path)?.0)?)
}

pub(super) fn digest_reader(reader: &mut impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; DIGEST_BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Looks before it opens: opening a pipe would wait for a writer.
pub(super) fn open_regular(path: &Path) -> Result<(File, Metadata), ProbeError> {
    if !fs::metadata(path)?.is_file() {
        return Err(ProbeError::NotAFile);
    }
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta)) } else { Err(ProbeError::NotAFile) }
}
