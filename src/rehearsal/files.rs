//! Files over HTTP: the media host under `/content/`, which the platform pulls from, and the media of the feed.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use hyper::{Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Server;
pub(crate) use super::http::Reply;
use super::http::{Body, not_found};

/// Read and sent at once.
const FRAME: usize = 128 * 1024;

/// A file below `content`, if it is a medium. Manifests next to it are nobody's business.
pub(super) async fn content(server: &Server, headers: &HeaderMap, path: &str) -> Reply {
    match content_path(server.content.as_deref(), path) {
        Some((file, content_type)) => serve(&file, content_type, headers).await,
        None => not_found(),
    }
}

fn content_path(root: Option<&Path>, path: &str) -> Option<(PathBuf, &'static str)> {
    let root = root?;
    let relative = percent_decode(path)?;
    let strange = |part: &str| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0']);
    if relative.split('/').any(strange) {
        return None;
    }
    // Follows symbolic links, so what is compared is where the file really is.
    let file = root.join(&relative).canonicalize().ok()?;
    let content_type = media_type(&file)?;
    (file.starts_with(root) && file.is_file()).then_some((file, content_type))
}

fn media_type(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        "png" => Some("image/png"),
        "mp4" => Some("video/mp4"),
        "mov" => Some("video/quicktime"),
        "webm" => Some("video/webm"),
        _ => None,
    }
}

/// The file, or the one range of it that was asked for: a browser needs that to seek in a video.
pub(crate) async fn serve(path: &Path, content_type: &str, headers: &HeaderMap) -> Reply {
    match open(path).await {
        Ok((file, size)) => ranged(file, size, content_type, headers).await.unwrap_or_else(|_| not_found()),
        Err(_) => not_found(),
    }
}

async fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path).await?;
    let size = file.metadata().await?.len();
    Ok((file, size))
}

async fn ranged(mut file: File, size: u64, content_type: &str, headers: &HeaderMap) -> io::Result<Reply> {
    let asked = headers
        .get(RANGE)
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes="));
    let (status, first, length, range) = match asked.map(|asked| parse_range(asked, size)) {
        None => (StatusCode::OK, 0, size, None),
        Some(Some((first, last))) => (
            StatusCode::PARTIAL_CONTENT,
            first,
            last - first + 1,
            Some(format!("bytes {first}-{last}/{size}")),
        ),
        Some(None) => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0, Some(format!("bytes */{size}"))),
    };
    file.seek(SeekFrom::Start(first)).await?;
    let mut reply = Response::new(streamed(file, length));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(content_type).map_err(io::Error::other)?);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if let Some(range) = range {
        headers.insert(CONTENT_RANGE, HeaderValue::try_from(range).map_err(io::Error::other)?);
    }
    Ok(reply)
}

/// `0-99`, `100-` or `-100`; the inclusive bounds inside a file of `size`.
fn parse_range(asked: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = asked.trim().split_once('-')?;
    let end = size.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", suffix) => (size - suffix.parse::<u64>().ok()?.min(size), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, last.parse::<u64>().ok()?.min(end)),
    };
    (first <= last && first < size).then_some((first, last))
}

fn streamed(file: File, length: u64) -> Body {
    let frames = stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut buffer = BytesMut::with_capacity(FRAME.min(usize::try_from(left).unwrap_or(FRAME)));
        let read = file.read_buf(&mut buffer).await? as u64;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        buffer.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        Ok(Some((Frame::data(buffer.freeze()), (file, left.saturating_sub(read)))))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Decodes `%41`; `None` where that is malformed or not UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (asked, expected) in [
            ("0-0", Some((0, 0))),
            ("2-4", Some((2, 4))),
            ("5-", Some((5, 9))),
            ("5-99", Some((5, 9))),
            ("-3", Some((7, 9))),
            ("-99", Some((0, 9))),
            ("10-", None),
            ("4-2", None),
            ("-0", None),
            ("x-y", None),
            ("", None),
        ] {
            assert_eq!(parse_range(asked, 10), expected, "{asked}");
        }
        assert_eq!(parse_range("0-", 0), None);
    }

    #[test]
    fn content_stays_inside() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("content");
        std::fs::create_dir_all(root.join("a b")).unwrap();
        for file in ["content/a b/x.jpg", "content/post.yaml", "content/.x.jpg", "out.jpg"] {
            std::fs::write(outer.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(outer.path().join("out.jpg"), root.join("link.jpg")).unwrap();
        let root = root.canonicalize().unwrap();
        let found = |path: &str| content_path(Some(&root), path).is_some();
        assert!(found("a%20b/x.jpg"));
        let outside = ["../out.jpg", "%2e%2e/out.jpg", "a b/../../out.jpg", "link.jpg", "/out.jpg", "%"];
        for path in outside.into_iter().chain(["post.yaml", ".x.jpg", "a b", "", "missing.jpg"]) {
            assert!(!found(path), "{path}");
        }
    }
}
