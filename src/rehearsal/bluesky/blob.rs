//! Blobs, known by their content: the same bytes twice are one blob (lexicon `com.atproto.repo.uploadBlob`, packages/pds).

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::super::http::{Reply, not_found};
use super::super::{Server, files, random};
use super::model::Blob;
use super::{Answer, MINUTE_MS, Refusal, id, session};

/// What Bluesky's own servers take (packages/pds, its distribution's default).
const BYTES_MAX: u64 = 50 * 1_024 * 1_024;
/// Uploads of an account in a day (packages/pds).
const UPLOADS_MAX: u32 = 1_000;
const UPLOADS_WINDOW_MS: i64 = 24 * 60 * MINUTE_MS;

pub(super) async fn upload(server: &Arc<Server>, headers: &HeaderMap, body: &mut Incoming) -> Answer {
    let account = session::admit(server, headers)?;
    let mime_type = text(headers.get(CONTENT_TYPE));
    if !mime_type.contains('/') {
        return Err(Refusal::invalid("Request encoding (Content-Type) required but not provided"));
    }
    let name = format!("uploads {}", account.name);
    if !server.bluesky().take(&name, 1, UPLOADS_MAX, UPLOADS_WINDOW_MS, server.now()).0 {
        return Err(Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded"));
    }
    let Received { cid, size, .. } = keep(server, (headers, mime_type), body, BYTES_MAX).await?;
    Ok(json!({ "blob": id::blob(&cid, mime_type, size) }))
}

fn text(value: Option<&hyper::header::HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A file that is there now.
pub(super) struct Received {
    pub(super) cid: String,
    pub(super) size: u64,
    /// By its first box.
    pub(super) is_mp4: bool,
}

/// Keeps the body under its content identifier.
pub(super) async fn keep(
    server: &Arc<Server>,
    (headers, mime_type): (&HeaderMap, &str),
    body: &mut Incoming,
    bytes_max: u64,
) -> Result<Received, Refusal> {
    let announced: Option<u64> = text(headers.get(CONTENT_LENGTH)).parse().ok();
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(Refusal::new(413, "PayloadTooLarge", "request entity too large"));
    }
    let unfinished = server.store.media_path(&format!("{}.part", random::hex(8)?));
    let (digest, size, is_mp4) = match receive(body, &unfinished, bytes_max).await {
        Ok(received) if announced.is_none_or(|length| length == received.1) => received,
        _ => {
            // Half a file is of no use; that it could not be removed harms nobody.
            let _ = tokio::fs::remove_file(&unfinished).await;
            return Err(Refusal::invalid("the body broke off, or is too large"));
        }
    };
    let cid = id::blob_cid(&digest);
    tokio::fs::rename(&unfinished, server.store.media_path(&cid)).await?;
    let mut model = server.bluesky();
    model.kept.blobs.insert(cid.clone(), Blob { mime_type: mime_type.to_owned(), size });
    model.save(&server.store)?;
    Ok(Received { cid, size, is_mp4 })
}

/// To disk as it arrives. An error of any kind means that nothing was received.
async fn receive(
    body: &mut Incoming,
    path: &std::path::Path,
    bytes_max: u64,
) -> std::io::Result<(Vec<u8>, u64, bool)> {
    let mut file = tokio::fs::File::create(path).await?;
    let (mut hash, mut size, mut is_mp4) = (Sha256::new(), 0, false);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        let Some(data) = frame.data_ref() else { continue };
        is_mp4 |= size == 0 && data.get(4..8) == Some(b"ftyp");
        size += data.len() as u64;
        if size > bytes_max {
            return Err(std::io::Error::other("too large"));
        }
        hash.update(data);
        file.write_all(data).await?;
    }
    file.flush().await?;
    Ok((hash.finalize().to_vec(), size, is_mp4))
}

/// A blob for the feed, by its CID: no path from outside touches the disk.
pub(in crate::rehearsal) async fn serve(server: &Server, headers: &HeaderMap, cid: &str) -> Reply {
    let found = server.bluesky().kept.blobs.get(cid).cloned();
    match found {
        Some(blob) => files::serve(&server.store.media_path(cid), &blob.mime_type, headers).await,
        None => not_found(),
    }
}
