//! Streaming a range of a file from disk into a request: flat in memory, and never the bytes of another file.
//!
//! A blocking thread reads ahead into a few buffers that go round; the request's body hands them to the socket.
//! Nothing is hashed on the way: the file is known by its stamp. Only where the stamp differs, as after a fresh
//! checkout, is the file hashed, once per process.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc as std_mpsc};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::error::Error;
use super::{Progress, error};
use crate::domain::ids::ContentDigest;
use crate::domain::media::FileStamp;
use crate::domain::retry::ErrorKind;

/// Big enough that system calls do not matter, small enough to stay in the processor's cache.
const BUFFER_BYTES: usize = 128 * 1024;
/// Buffers per upload: one being read, one or two in the socket's queue, one in between.
const BUFFERS: usize = 4;
/// As read for hashing; larger is slower.
const HASH_BUFFER_BYTES: usize = 64 * 1024;
/// Files remembered as verified; when there are more, they are hashed again.
const VERIFIED_MAX: usize = 1_024;

/// A file as the payload knows it.
#[derive(Debug, Clone)]
pub struct Expected {
    pub path: PathBuf,
    pub stamp: FileStamp,
    pub digest: ContentDigest,
}

/// The files of this process's uploads.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Stamps, other than the payload's, of files whose digest was found to be right.
    verified: Arc<Mutex<HashMap<PathBuf, (FileStamp, ContentDigest)>>>,
}

/// A range of an open file that is the expected one.
#[derive(Debug)]
pub struct Part {
    file: File,
    stamp: FileStamp,
    first: u64,
    length: u64,
    progress: Progress,
}

impl Files {
    /// Opens `length` bytes from `first` on, if the file is still the expected one.
    pub async fn open(
        &self,
        operation: &'static str,
        expected: Expected,
        (first, length): (u64, u64),
        progress: Progress,
    ) -> Result<Part, Error> {
        let files = self.clone();
        let opened = tokio::task::spawn_blocking(move || files.open_blocking(&expected));
        let (file, stamp) = opened
            .await
            .map_err(|_| local(operation, "media-unreadable", "read the file: the reader stopped"))?
            .map_err(|fault| fault.error(operation))?;
        Ok(Part { file, stamp, first, length, progress })
    }

    fn open_blocking(&self, expected: &Expected) -> Result<(File, FileStamp), Fault> {
        let file = File::open(&expected.path).map_err(|e| Fault::unreadable(&expected.path, &e))?;
        let metadata = file.metadata().map_err(|e| Fault::unreadable(&expected.path, &e))?;
        let stamp = stamp_of(&metadata);
        let same = stamp == expected.stamp || self.verify(&file, &metadata, stamp, expected)?;
        if same { Ok((file, stamp)) } else { Err(Fault::Changed) }
    }

    fn verify(
        &self,
        file: &File,
        metadata: &Metadata,
        stamp: FileStamp,
        expected: &Expected,
    ) -> Result<bool, Fault> {
        if !metadata.is_file() || stamp.size != expected.stamp.size {
            return Ok(false);
        }
        let known = (stamp, expected.digest);
        if self.lock().get(&expected.path) == Some(&known) {
            return Ok(true);
        }
        let same = hash(file).map_err(|e| Fault::unreadable(&expected.path, &e))? == expected.digest;
        if same {
            let mut verified = self.lock();
            if verified.len() >= VERIFIED_MAX {
                verified.clear();
            }
            verified.insert(expected.path.clone(), known);
        }
        Ok(same)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (FileStamp, ContentDigest)>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(mut file: &File) -> io::Result<ContentDigest> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; HASH_BUFFER_BYTES]);
    file.rewind()?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(ContentDigest(hasher.finalize().into())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// The stamp of an open file, as the scan of `content/` takes it.
pub(crate) fn stamp_of(metadata: &Metadata) -> FileStamp {
    let (mtime, ctime) =
        ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    FileStamp::new(metadata.len(), mtime, ctime, metadata.ino(), metadata.dev())
}

/// What was wrong with the file, if anything was, once its request has failed.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<OnceLock<Fault>>);

impl Watch {
    pub fn take(&self, operation: &'static str) -> Option<Error> {
        self.0.get().map(|fault| fault.error(operation))
    }
}

#[derive(Debug, Clone)]
enum Fault {
    Changed,
    Unreadable(String),
}

impl Fault {
    fn unreadable(path: &Path, error: &io::Error) -> Fault {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Fault::Unreadable(error::foreign(&format!("{name}: {error}")))
    }

    fn error(&self, operation: &'static str) -> Error {
        match self {
            Fault::Changed => local(
                operation,
                "media-changed",
                "the file changed since it was planned; its upload stops before the last byte, so nothing is published",
            ),
            Fault::Unreadable(why) => local(operation, "media-unreadable", &format!("read {why}")),
        }
    }
}

fn local(operation: &'static str, code: &str, message: &str) -> Error {
    Error::new(operation, ErrorKind::Local, code, message)
}

impl Part {
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The range as a request's body. `Watch` tells whether the file was to blame when the request fails: if it
    /// turns out to have changed, the last buffer is never handed over.
    pub fn stream(self) -> (reqwest::Body, Watch) {
        let (body, watch) = self.body();
        (reqwest::Body::wrap(body), watch)
    }

    /// The same, to be put into another body.
    pub(super) fn body(self) -> (FileBody, Watch) {
        let (watch, progress) = (Watch::default(), self.progress.clone());
        let (sender, receiver) = mpsc::unbounded_channel();
        let (first, length) = (self.first, self.length);
        progress.set(first);
        let reader_watch = watch.clone();
        tokio::task::spawn_blocking(move || self.read(&sender, &reader_watch));
        (FileBody { receiver, first, length, sent: 0, progress }, watch)
    }

    /// Runs on a thread of its own until all is read or the body is dropped.
    fn read(mut self, sender: &mpsc::UnboundedSender<Sent>, watch: &Watch) {
        let (home, idle) = std_mpsc::channel();
        let fail = |fault: Fault| {
            let _ = watch.0.set(fault);
            let _ = sender.send(Err(io::Error::other("the file is not the one that was planned")));
        };
        if let Err(error) = self.file.seek(SeekFrom::Start(self.first)) {
            return fail(Fault::Unreadable(error::foreign(&error.to_string())));
        }
        let (mut left, mut made) = (self.length, 0);
        while left > 0 {
            let Some(mut bytes) = next_buffer(&idle, &mut made) else { return };
            let n = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER_BYTES);
            if let Err(error) = self.file.read_exact(&mut bytes[..n]) {
                return fail(match error.kind() {
                    io::ErrorKind::UnexpectedEof => Fault::Changed,
                    _ => Fault::Unreadable(error::foreign(&error.to_string())),
                });
            }
            left -= n as u64;
            if left == 0 && !self.is_unchanged() {
                return fail(Fault::Changed);
            }
            let buffer = Buffer { bytes, filled: n, home: home.clone() };
            if sender.send(Ok(Bytes::from_owner(buffer))).is_err() {
                return;
            }
        }
    }

    fn is_unchanged(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| stamp_of(&metadata) == self.stamp)
    }
}

type Sent = Result<Bytes, io::Error>;

/// A buffer that has come back, or a new one while there are fewer than `BUFFERS`. Waiting for one is what keeps
/// the reader from running ahead; a dropped body gives all of them back, so the wait ends.
fn next_buffer(idle: &std_mpsc::Receiver<Vec<u8>>, made: &mut usize) -> Option<Vec<u8>> {
    if let Ok(bytes) = idle.try_recv() {
        return Some(bytes);
    }
    if *made < BUFFERS {
        *made += 1;
        return Some(vec![0; BUFFER_BYTES]);
    }
    idle.recv().ok()
}

/// Goes home when the socket is done with it.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    home: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let _ = self.home.send(std::mem::take(&mut self.bytes));
    }
}

pub(super) struct FileBody {
    receiver: mpsc::UnboundedReceiver<Sent>,
    first: u64,
    length: u64,
    sent: u64,
    progress: Progress,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.receiver.poll_recv(ctx).map(|next| {
            next.map(|sent| {
                let bytes = sent?;
                self.sent += bytes.len() as u64;
                self.progress.set(self.first + self.sent);
                Ok(Frame::data(bytes))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.sent)
    }
}

#[cfg(test)]
mod tests;
