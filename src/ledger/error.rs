//! What goes wrong with a ledger, sorted by what a caller does about it.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::Head;
use super::lock::Holder;
use crate::domain::grant::IllegalGrantChange;
use crate::domain::publication::IllegalTransition;
use crate::domain::recipient::IllegalRecipients;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no ledger at `{}`", path.display())]
    Missing { path: PathBuf },
    #[error("there is a ledger at `{}` already", path.display())]
    Exists { path: PathBuf },
    #[error("`{}` is no ledger of gitcast: it {found}", path.display())]
    Foreign { path: PathBuf, found: Foreign },
    #[error("the ledger belongs to the lineage `{found}`, and this project is `{expected}`")]
    OtherLineage { expected: String, found: String },
    #[error("the ledger is not the latest one that was used here: {why}")]
    NotTheLatest { why: String },
    #[error("the ledger was written by a newer gitcast (its version is {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("the ledger was written by an older gitcast; any command that writes to it brings it up to date")]
    Older { found: i64, known: i64 },
    #[error("the ledger is locked by {}", holder.as_ref().map_or("another process".into(), ToString::to_string))]
    Locked { holder: Option<Box<Holder>> },
    /// Another process keeps SQLite itself waiting for longer than [`BUSY_TIMEOUT`](super::open::BUSY_TIMEOUT).
    #[error("the ledger is busy")]
    Busy,
    #[error("the ledger is damaged: {0}")]
    Corrupt(String),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    #[error(transparent)]
    IllegalGrant(#[from] IllegalGrantChange),
    #[error(transparent)]
    IllegalRecipients(#[from] IllegalRecipients),
    /// Somebody wrote without the lock.
    #[error("the ledger changed behind our back: expected entry {}, found {}", expected.seq, found.seq)]
    HeadMoved { expected: Head, found: Head },
    /// Nothing was recorded that counts: what the other one wrote must be read first.
    #[error("another run has written to the shared ledger ({place}) meanwhile")]
    Moved { place: String },
    #[error("the shared ledger ({place}) cannot be reached: {why}")]
    Unreachable { place: String, why: String },
    /// The ref does not go on from what was there.
    #[error("the shared ledger ({place}) is not the one that this machine knows: {why}")]
    Rewritten { place: String, why: String },
    #[error("the ledger here was never shared, and {place} does not hold it")]
    NotShared { place: String },
    /// Git cannot use the repository that it is asked in.
    #[error("git cannot work in `{}`: {why}", folder.display())]
    Repository { folder: PathBuf, why: String },
    /// No room on the disk, or a quota, or a limit to the size of files.
    #[error("the disk takes no more: it is full, or a quota or a limit to the size of files is reached")]
    FullDisk,
    #[error("the ledger can only be read")]
    ReadOnly,
    #[error("the ledger's database says: {0}")]
    Sqlite(rusqlite::Error),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// What lies where a ledger should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    Directory,
    Empty,
    NotSqlite,
    /// A SQLite database of another program, with this application id.
    Application(i64),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Directory => f.write_str("is a directory"),
            Foreign::Empty => f.write_str("is an empty file"),
            Foreign::NotSqlite => f.write_str("is not a SQLite database"),
            Foreign::Application(id) => {
                write!(f, "is a SQLite database of another program (application id {id})")
            }
        }
    }
}

impl Error {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Error {
        match source.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => Error::FullDisk,
            std::io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly,
            _ => Error::Io { path: path.to_owned(), source },
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        use rusqlite::Error as Rusqlite;
        match error {
            Rusqlite::FromSqlConversionFailure(..)
            | Rusqlite::InvalidColumnType(..)
            | Rusqlite::IntegralValueOutOfRange(..) => Error::Corrupt(error.to_string()),
            _ => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Error::FullDisk,
                Some(ErrorCode::SystemIoFailure) if could_not_grow(&error) => Error::FullDisk,
                Some(ErrorCode::ReadOnly) => Error::ReadOnly,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Error::Corrupt(error.to_string())
                }
                _ => Error::Sqlite(error),
            },
        }
    }
}

/// SQLite calls a disk full only where the system says just that. A quota, a limit to the size of files, and no room
/// for the memory that its processes share come as these.
fn could_not_grow(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_WRITE))
}
