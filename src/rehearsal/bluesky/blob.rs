//! Blobs, known by their content: the same bytes twice are one blob (lexicon `com.atproto.repo.uploadBlob`, packages/pds).

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};
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
    let text = |value: Option<&hyper::header::HeaderValue>| {
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mime_type = text(headers.get(CONTENT_TYPE));
    if !mime_type.contains('/') {
        return Err(Refusal::invalid("Request encoding (Content-Type) required but not provided"));
    }
    let too_large = || Refusal::new(413, "PayloadTooLarge", "request entity too large");
    let announced: Option<u64> = text(headers.get(CONTENT_LENGTH)).parse().ok();
    if announced.is_some_and(|length| length > BYTES_MAX) {
        return Err(too_large());
    }
    let name = format!("uploads {}", account.name);
    if !server.bluesky().take(&name, 1, UPLOADS_MAX, UPLOADS_WINDOW_MS, server.now()).0 {
        return Err(Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded"));
    }
    let unfinished = server.store.media_path(&format!("{}.part", random::hex(8)?));
    let (digest, size) = match receive(body, &unfinished).await {
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
    model.kept.blobs.insert(cid.clone(), Blob { mime_type: mime_type.clone(), size });
    model.save(&server.store)?;
    Ok(json!({ "blob": described(&cid, &mime_type, size) }))
}

fn described(cid: &str, mime_type: &str, size: u64) -> Value {
    json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": mime_type, "size": size })
}

/// To disk as it arrives. An error of any kind means that nothing was received.
async fn receive(body: &mut Incoming, path: &std::path::Path) -> std::io::Result<(Vec<u8>, u64)> {
    let mut file = tokio::fs::File::create(path).await?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        let Some(data) = frame.data_ref() else { continue };
        size += data.len() as u64;
        if size > BYTES_MAX {
            return Err(std::io::Error::other("too large"));
        }
        hash.update(data);
        file.write_all(data).await?;
    }
    file.flush().await?;
    Ok((hash.finalize().to_vec(), size))
}

/// A blob for the feed, by its CID: no path from outside touches the disk.
pub(in crate::rehearsal) async fn serve(server: &Server, headers: &HeaderMap, cid: &str) -> Reply {
    let found = server.bluesky().kept.blobs.get(cid).cloned();
    match found {
        Some(blob) => files::serve(&server.store.media_path(cid), &blob.mime_type, headers).await,
        None => not_found(),
    }
}
