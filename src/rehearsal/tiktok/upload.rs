//! Receiving a video: sequential PUTs to the upload address (TikTok docs `mt`, read 2026-11-22).
//!
//! A chunk counts when all of its bytes have arrived; one that breaks off leaves the offset where it was.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use hyper::http::request::Parts;
use tokio::sync::{OwnedMutexGuard, mpsc};

use super::super::Server;
use super::super::http::{self, Reply};
use super::super::random;
use super::model::{Media, Model, Phase, Source};
use super::{field, form_pairs, rules};

/// Frames between the socket and the disk.
const FRAMES_IN_FLIGHT: usize = 4;
/// How long a chunk waits for the one before it to be let go of, after its connection broke.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Enough of a file to tell what it is.
pub(super) const START: usize = 32;

/// Status and explanation of a refusal; a 416 also tells how far the upload is.
struct Refused(u16, &'static str, Option<(u64, u64)>);

fn refuse<T>(status: u16, message: &'static str) -> Result<T, Refused> {
    Err(Refused(status, message, None))
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        tracing::debug!(%error, "rehearsal upload broke off");
        Refused(500, "the chunk could not be stored", None)
    }
}

struct Chunk {
    first: u64,
    length: u64,
    total: u64,
    content_type: String,
}

/// Where a chunk belongs.
struct Slot {
    number: u64,
    file: String,
    lock: Arc<tokio::sync::Mutex<()>>,
}

pub(super) async fn put(server: &Arc<Server>, parts: &Parts, body: &mut Incoming) -> Reply {
    let (status, message, progress) = match receive(server, parts, body).await {
        Ok((uploaded, total)) if uploaded == total => (StatusCode::CREATED, "", Some((uploaded, total))),
        Ok(progress) => (StatusCode::PARTIAL_CONTENT, "", Some(progress)),
        Err(Refused(status, message, progress)) => {
            http::drain_refused(body).await;
            (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), message, progress)
        }
    };
    let mut reply = http::text(status, message);
    if let Some((uploaded, total)) = progress {
        let range =
            HeaderValue::try_from(format!("bytes 0-{uploaded}/{total}")).expect("digits are a header value");
        reply.headers_mut().insert(CONTENT_RANGE, range);
    }
    reply
}

async fn receive(server: &Arc<Server>, parts: &Parts, body: &mut Incoming) -> Result<(u64, u64), Refused> {
    let query = form_pairs(parts.uri.query().unwrap_or_default());
    let slot = admit(server, &query, &parts.headers)?;
    let waited = tokio::time::timeout(WAIT_MAX, Arc::clone(&slot.lock).lock_owned()).await;
    let guard = waited.map_err(|_| Refused(500, "another chunk is being received", None))?;
    // While this one waited, the other may have moved the offset.
    let slot = admit(server, &query, &parts.headers)?;
    let chunk = chunk_of(&parts.headers)?;
    let path = server.store.media_path(&slot.file);
    // Held until the offset has moved, or the next in line would find it where it was.
    let (written, _guard) = write(body, path.clone(), chunk.first, guard).await?;
    if written != chunk.length {
        return refuse(400, "the body is not as long as announced");
    }
    commit(server, &slot, &chunk, &path)
}

/// Everything that can be said before the body: the address, the headers, the place in the plan.
fn admit(server: &Server, query: &[(String, String)], headers: &HeaderMap) -> Result<Slot, Refused> {
    let mut model = server.model();
    let number = find(&mut model, query)?;
    let publication = model.by_number(number).expect("it was just found");
    let Source::Upload { size, chunk_size, chunk_count, expires_at, received, .. } = publication.source
    else {
        return refuse(404, "unknown upload task");
    };
    if server.now() > expires_at {
        return refuse(403, "the upload address has expired");
    }
    if headers.contains_key(AUTHORIZATION) {
        return refuse(400, "an upload carries no access token");
    }
    let chunk = chunk_of(headers)?;
    if chunk.total != size {
        return refuse(400, "the total is not the video size");
    }
    if chunk.first != received || publication.phase != Phase::Receiving {
        return Err(Refused(416, "the range does not follow what was received", Some((received, size))));
    }
    if chunk.first + chunk.length != rules::chunk_end(size, chunk_size, chunk_count, chunk.first) {
        return refuse(400, "the chunk is not as large as planned");
    }
    let extension = extension(&chunk.content_type);
    Ok(Slot { number, file: format!("{number:06}.{extension}"), lock: model.receiving_lock(number) })
}

fn find(model: &mut Model, query: &[(String, String)]) -> Result<u64, Refused> {
    let digest = random::sha256_hex(field(query, "upload_token"));
    let number = field(query, "upload_id").parse().unwrap_or_default();
    let known = model.by_number(number).is_some_and(|publication| {
        matches!(&publication.source, Source::Upload { token_sha256, .. } if *token_sha256 == digest)
    });
    if known { Ok(number) } else { refuse(404, "unknown upload task") }
}

fn extension(content_type: &str) -> &'static str {
    match content_type {
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        _ => "mp4",
    }
}

fn chunk_of(headers: &HeaderMap) -> Result<Chunk, Refused> {
    let header =
        |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = header(CONTENT_TYPE);
    if !["video/mp4", "video/quicktime", "video/webm"].contains(&content_type) {
        return refuse(400, "the content type is not one of a video");
    }
    let length: Option<u64> = header(CONTENT_LENGTH).parse().ok();
    let range = parse_content_range(header(CONTENT_RANGE));
    let (Some(length), Some((first, last, total))) = (length, range) else {
        return refuse(400, "content length or content range is missing or malformed");
    };
    if length != last - first + 1 {
        return refuse(400, "content length and content range disagree");
    }
    Ok(Chunk { first, length, total, content_type: content_type.to_owned() })
}

/// `bytes 0-9/10`, bounds inclusive.
fn parse_content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (bounds, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = bounds.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first <= last && last < total).then_some((first, last, total))
}

/// Streams the body to its place in the file; the number of bytes. The lock goes to the writer and back, so that it
/// is held until the last byte of a broken connection has been written.
async fn write(
    body: &mut Incoming,
    path: PathBuf,
    first: u64,
    guard: OwnedMutexGuard<()>,
) -> io::Result<(u64, OwnedMutexGuard<()>)> {
    let (frames, queue) = mpsc::channel(FRAMES_IN_FLIGHT);
    let writer = tokio::task::spawn_blocking(move || (write_frames(&path, first, queue), guard));
    let received = forward(body, frames).await;
    let (written, guard) = writer.await.map_err(io::Error::other)?;
    received?;
    Ok((written?, guard))
}

async fn forward(body: &mut Incoming, frames: mpsc::Sender<Bytes>) -> io::Result<()> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data()
            && frames.send(data).await.is_err()
        {
            // The writer has failed and says why.
            break;
        }
    }
    Ok(())
}

fn write_frames(path: &Path, first: u64, mut queue: mpsc::Receiver<Bytes>) -> io::Result<u64> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.seek(SeekFrom::Start(first))?;
    let mut written = 0;
    while let Some(data) = queue.blocking_recv() {
        file.write_all(&data)?;
        written += data.len() as u64;
    }
    Ok(written)
}

fn commit(server: &Server, slot: &Slot, chunk: &Chunk, path: &Path) -> Result<(u64, u64), Refused> {
    let uploaded = chunk.first + chunk.length;
    let whole = uploaded == chunk.total;
    let verdict = if whole { check_video(path)? } else { None };
    let mut model = server.model();
    let publication = model.by_number(slot.number).expect("publications are never removed");
    if let Source::Upload { received, .. } = &mut publication.source {
        *received = uploaded;
    }
    if whole {
        let (file, content_type) = (slot.file.clone(), chunk.content_type.clone());
        publication.media = vec![Media { file, content_type, size: chunk.total }];
        publication.received(server.now(), verdict);
    }
    publication.save(&server.store)?;
    if whole {
        model.receiving_done(slot.number);
    }
    Ok((uploaded, chunk.total))
}

/// What is wrong with the file, as a fail reason.
pub(super) fn check_video(path: &Path) -> io::Result<Option<&'static str>> {
    Ok((!rules::is_video(&start_of(path)?)).then_some("file_format_check_failed"))
}

pub(super) fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START);
    std::fs::File::open(path)?.take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}
