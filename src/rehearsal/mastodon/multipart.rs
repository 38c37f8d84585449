//! `multipart/form-data` (RFC 7578). As it arrives, one part after the other, no more than a frame of it is in memory.

use std::io;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};

/// The headers of one part.
const HEAD_MAX: usize = 8 * 1_024;
const BOUNDARY_MAX: usize = 200;

pub(super) struct Multipart<'a> {
    body: &'a mut Incoming,
    buffer: BytesMut,
    /// With the line break and the dashes before it.
    delimiter: Vec<u8>,
}

/// What a part says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) is_file: bool,
    pub(super) has_type: bool,
}

impl<'a> Multipart<'a> {
    /// Nothing if the headers do not announce a multipart body.
    pub(super) fn of(headers: &HeaderMap, body: &'a mut Incoming) -> Option<Multipart<'a>> {
        let delimiter = delimiter(headers)?;
        // The first delimiter has no line break before it; this one stands for it.
        Some(Multipart { body, buffer: BytesMut::from(&b"\r\n"[..]), delimiter })
    }

    /// The next part, once what was left of the one before has been read; nothing at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Part>> {
        while self.chunk().await?.is_some() {}
        self.fill(self.delimiter.len() + 2).await?;
        let _ = self.buffer.split_to(self.delimiter.len());
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end + 4);
                return Ok(Some(part(&String::from_utf8_lossy(&head))));
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(io::Error::other("the head of a part is too large"));
            }
            self.read().await?;
        }
    }

    /// Some more of the part; nothing at its end.
    pub(super) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let (ready, is_end) = match find(&self.buffer, &self.delimiter) {
                Some(at) => (at, true),
                // What may be the beginning of the delimiter waits.
                None => (self.buffer.len().saturating_sub(self.delimiter.len()), false),
            };
            if ready > 0 {
                return Ok(Some(self.buffer.split_to(ready).freeze()));
            }
            if is_end {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<()> {
        let frame = self.body.frame().await.ok_or(io::ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
        if let Some(data) = frame.data_ref() {
            self.buffer.extend_from_slice(data);
        }
        Ok(())
    }
}

/// What parts the parts, with the line break before it; nothing if the headers announce no multipart body.
fn delimiter(headers: &HeaderMap) -> Option<Vec<u8>> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, rest) = kind.split_once(';')?;
    let boundary = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let is_good = kind.trim().eq_ignore_ascii_case("multipart/form-data")
        && (1..=BOUNDARY_MAX).contains(&boundary.len());
    is_good.then(|| [b"\r\n--", boundary.as_bytes()].concat())
}

/// The texts of a body that is there as a whole, each with its name.
pub(super) fn texts(headers: &HeaderMap, body: &[u8]) -> Vec<(String, String)> {
    let Some(delimiter) = delimiter(headers) else { return Vec::new() };
    let (mut rest, mut texts) = (body, Vec::new());
    while let Some(end) = find(rest, &delimiter) {
        texts.extend(text_of(&rest[..end]));
        rest = &rest[end + delimiter.len()..];
    }
    texts
}

fn text_of(bytes: &[u8]) -> Option<(String, String)> {
    let end = find(bytes, b"\r\n\r\n")?;
    let part = part(&String::from_utf8_lossy(&bytes[..end]));
    (!part.is_file).then(|| (part.name, String::from_utf8_lossy(&bytes[end + 4..]).into_owned()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == wanted[0]) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn part(head: &str) -> Part {
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let field = |name: &str| {
        let found = disposition.split(';').find_map(|field| field.trim().strip_prefix(&format!("{name}=")));
        found.map(|value| value.trim_matches('"').to_owned())
    };
    Part {
        name: field("name").unwrap_or_default(),
        is_file: field("filename").or(field("filename*")).is_some(),
        has_type: header("content-type").is_some_and(|kind| kind.contains('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_known_by_its_head() {
        let head = "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n";
        assert_eq!(part(head), Part { name: "file".to_owned(), is_file: true, has_type: true });
        let head = "\r\nContent-Disposition: form-data; name=description\r\n\r\n";
        assert_eq!(part(head), Part { name: "description".to_owned(), is_file: false, has_type: false });
        assert_eq!(find(b"ab\r\r\n--xy", b"\r\n--x"), Some(3));
        assert_eq!(find(b"ab\r\n-", b"\r\n--x"), None);
    }
}
