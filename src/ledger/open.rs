//! Opening: what is at the path, may it be written, and how to read without leaving a trace.
//!
//! # Flow
//!
//! A writer turns write-ahead logging on when it opens and off when it closes. So a ledger at rest is one file, which
//! SQLite reads under its own locks without creating another; and while there is a writer, its log lies there already.
//!
//! # Guarantees
//!
//! Opening for reading creates no file. Two rare cases beside the flow above: the file says that it has a log, and
//! there is none (a copy of the file alone): it is read as immutable. A process died while it turned the log on or
//! off and left a journal: SQLite rolls it back, under its own locks.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::migrations::{self, MIGRATIONS};
use super::{Error, error::Foreign};
use crate::crash::{self, Point};

/// `gcst`, in the file's header.
pub(super) const APPLICATION_ID: i64 = 0x6763_7374;

/// How long a statement waits for another process's statement. The lock keeps writers apart; what remains is short.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long closing waits for readers before it leaves the log where it is, for the next writer to put away.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// A log that has grown beyond this shrinks again.
const LOG_BYTES_MAX: i64 = 4 << 20;

/// Room for every statement that there is.
const STATEMENTS_MAX: usize = 32;

/// A connection that cannot write, to a ledger of the version that we know.
pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    let path = existing(path)?;
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_ONLY;
    let opened = if is_without_its_log(&path) {
        let name = immutable(&path);
        connect(&path, Path::new(&name), flags | OpenFlags::SQLITE_OPEN_URI)
    } else {
        connect(&path, &path, flags)
    };
    let db = match opened {
        Err(Error::ReadOnly) => connect(&path, &path, read_write())?,
        other => other?,
    };
    db.pragma_update(None, "query_only", true)?;
    match (migrations::version(&db)?, MIGRATIONS.len() as i64) {
        (found, known) if found < known => Err(Error::Older { found, known }),
        _ => Ok(db),
    }
}

/// A connection for the one writer, brought up to date.
pub(super) fn writer(path: &Path) -> Result<Connection, Error> {
    let path = existing(path)?;
    let mut db = connect(&path, &path, read_write())?;
    // A change of the journal does not wait for a connection that writes. Beginning to write does.
    drop(db.transaction_with_behavior(TransactionBehavior::Immediate)?);
    // Where the file system has no shared memory, SQLite stays with its journal: slower and as safe.
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    migrations::migrate(&mut db, MIGRATIONS)?;
    Ok(db)
}

/// Back to one file. With a reader in the way, the log stays until the next writer closes.
pub(super) fn put_away(db: &Connection) -> Result<(), Error> {
    db.busy_timeout(CLOSE_TIMEOUT)?;
    match db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(Error::from) {
        Err(Error::Busy) => Ok(()),
        other => other,
    }
}

/// A new ledger at `path` with what `fill` puts into it: under another name until it is whole, so that nobody meets
/// half a ledger, even after a crash.
pub(super) fn whole(path: &Path, fill: impl FnOnce(&Connection) -> Result<(), Error>) -> Result<(), Error> {
    let half = beside(path, ".new");
    for leftover in [half.clone(), beside(&half, "-journal")] {
        let _ = std::fs::remove_file(leftover);
    }
    let mut db = blank(&half)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    fill(&transaction)?;
    crash::at(Point::BeforeCommit);
    transaction.commit()?;
    crash::at(Point::AfterCommit);
    db.close().map_err(|(_, error)| error)?;
    std::fs::rename(&half, path).map_err(|error| Error::io(path, error))?;
    sync_folder(path.parent().unwrap_or(path))
}

/// An empty ledger in a new file.
fn blank(path: &Path) -> Result<Connection, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    owner_only(&mut options);
    options.open(path).map_err(|error| Error::io(path, error))?;
    let mut db = Connection::open_with_flags(path, read_write())?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    migrations::migrate(&mut db, MIGRATIONS)?;
    Ok(db)
}

fn read_write() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE
}

fn connect(path: &Path, name: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(name, flags).map_err(|error| cannot_open(path, error))?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let id: i64 = db
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|error| cannot_open(path, error))?;
    if id != APPLICATION_ID {
        return Err(Error::Foreign { path: path.to_owned(), found: Foreign::Application(id) });
    }
    db.pragma_update(None, "trusted_schema", false)?;
    match (migrations::version(&db)?, MIGRATIONS.len() as i64) {
        (found, known) if found > known => Err(Error::Newer { found, known }),
        _ => Ok(db),
    }
}

fn cannot_open(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::Foreign { path, found: Foreign::NotSqlite },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::Io { path, source: std::io::Error::other(error) }
        }
        _ => error.into(),
    }
}

/// The absolute path, if a file with something in it is there. Absolute, because SQLite reads `file:…` as an address.
fn existing(path: &Path) -> Result<PathBuf, Error> {
    let path = std::path::absolute(path).map_err(|error| Error::io(path, error))?;
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::Missing { path }),
        Err(error) => Err(Error::io(&path, error)),
        Ok(found) if found.is_dir() => Err(Error::Foreign { path, found: Foreign::Directory }),
        Ok(found) if found.len() == 0 => Err(Error::Foreign { path, found: Foreign::Empty }),
        Ok(_) => Ok(path),
    }
}

/// Whether the file's header says that there is a log (SQLite's file format: byte 19, the read version, is 2) and
/// there is none. The header is read only where there is no log, hence no writer: closing a file that this very
/// process has open through SQLite would drop SQLite's locks.
fn is_without_its_log(path: &Path) -> bool {
    let mut header = [0; 20];
    !beside(path, "-wal").exists()
        && File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok()
        && header[19] == 2
}

/// SQLite's address of a file that nobody changes.
fn immutable(path: &Path) -> String {
    let escaped = path.as_os_str().as_encoded_bytes().iter().fold(String::new(), |mut text, &byte| {
        use std::fmt::Write;
        let _ = match byte {
            b'/' | b'.' | b'-' | b'_' => write!(text, "{}", byte as char),
            _ if byte.is_ascii_alphanumeric() => write!(text, "{}", byte as char),
            _ => write!(text, "%{byte:02x}"),
        };
        text
    });
    format!("file:{escaped}?immutable=1")
}

/// The file's name with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file made with these can be read and written by its owner only.
pub(super) fn owner_only(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Makes the folder, for its owner only, unless it is there.
pub(super) fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Error::io(folder, error))
}

/// Makes sure that a name given to a file in `folder` survives a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::io(folder, error))
}
