//! Uploads, and files that change under them.

use std::io::Write;

use reqwest::{Method, Url};

use super::*;
use crate::platform::RequestLog;
use crate::platform::http::{Body, Call, Decoded, Effect, Http, Reply};
use crate::platform::multipart::Form;
use crate::platform::testing::{Answer, Server};

struct Fixture {
    dir: tempfile::TempDir,
    bytes: Vec<u8>,
    digest: ContentDigest,
    files: Files,
    progress: Progress,
}

impl Fixture {
    fn new(size: usize) -> Fixture {
        let dir = tempfile::tempdir().expect("a directory");
        let bytes: Vec<u8> = (0..size).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect();
        std::fs::write(dir.path().join("a.mp4"), &bytes).expect("write");
        Fixture {
            dir,
            digest: ContentDigest::of(&bytes[..bytes.len().min(1_000)]),
            bytes,
            files: Files::default(),
            progress: Progress::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("a.mp4")
    }

    fn expected(&self) -> Expected {
        let stamp = stamp_of(&std::fs::metadata(self.path()).expect("metadata"));
        Expected { path: self.path(), stamp, digest: self.digest }
    }

    async fn open(&self, expected: Expected, range: (u64, u64)) -> Result<Part, Error> {
        self.files.open("upload", expected, range, self.progress.clone()).await
    }

    async fn send(&self, part: Part, server: &Server) -> Result<u16, Error> {
        let content_range = Some("bytes 0-0/1".into());
        self.send_body(Body::Upload { part, content_type: "video/mp4", content_range }, server).await
    }

    async fn send_form(&self, part: Part, server: &Server) -> Result<u16, Error> {
        let form = Form {
            fields: vec![("description", "Größe\r\n\"x\"".to_owned())],
            name: "file",
            file_name: "ab12.mp4".to_owned(),
            content_type: "video/mp4",
            part,
        };
        self.send_body(Body::Multipart(form), server).await
    }

    async fn send_body(&self, body: Body<'_>, server: &Server) -> Result<u16, Error> {
        let call = Call {
            operation: "upload",
            effect: Effect::Once,
            method: Method::PUT,
            url: Url::parse(&server.endpoint).expect("url"),
            token: None,
            body,
        };
        let decode = |reply: &Reply| Decoded { result: Ok(reply.status), log_id: None };
        Http::default().send(call, &RequestLog::default(), decode).await
    }
}

fn stored() -> Answer {
    Answer::Plain(201, "", String::new())
}

#[tokio::test]
async fn a_range_arrives_byte_for_byte() {
    let fixture = Fixture::new(3 * BUFFER_BYTES + 17);
    let size = fixture.bytes.len() as u64;
    for (first, length) in [(0, size), (0, 1), (5, BUFFER_BYTES as u64), (size - 1, 1), (7, size - 7)] {
        let server = Server::start([stored()]).await;
        let part = fixture.open(fixture.expected(), (first, length)).await.expect("open");
        assert_eq!(fixture.send(part, &server).await, Ok(201));
        let seen = &server.seen()[0];
        assert_eq!(seen.header("content-length"), Some(length.to_string().as_str()));
        assert!(seen.header("transfer-encoding").is_none() && seen.header("authorization").is_none());
        assert!(seen.body == fixture.bytes[first as usize..(first + length) as usize], "{first} {length}");
        assert_eq!(fixture.progress.get(), first + length);
    }
}

#[tokio::test]
async fn a_form_carries_the_file_between_its_texts() {
    for size in [0, 1, 3 * BUFFER_BYTES + 17] {
        let fixture = Fixture::new(size);
        let server = Server::start([stored()]).await;
        let part = fixture.open(fixture.expected(), (0, size as u64)).await.expect("open");
        assert_eq!(fixture.send_form(part, &server).await, Ok(201));
        let seen = &server.seen()[0];
        let content_type = seen.header("content-type").expect("a type");
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
        assert!(seen.header("transfer-encoding").is_none());
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nGröße\r\n\"x\"\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"ab12.mp4\"\r\nContent-Type: video/mp4\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let expected = [head.as_bytes(), &fixture.bytes, tail.as_bytes()].concat();
        assert!(seen.body == expected, "{size}");
    }
}

#[tokio::test]
async fn another_file_is_not_even_begun() {
    let fixture = Fixture::new(1_000);
    let expected = fixture.expected();
    std::fs::write(fixture.path(), vec![0; 1_000]).expect("write");
    let error = fixture.open(expected.clone(), (0, 1_000)).await.expect_err("changed");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Local, "media-changed"));
    std::fs::remove_file(fixture.path()).expect("remove");
    let error = fixture.open(expected, (0, 1_000)).await.expect_err("gone");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Local, "media-unreadable"));
}

#[tokio::test]
async fn the_same_bytes_in_another_file_are_the_same() {
    let fixture = Fixture::new(1_000);
    let expected = fixture.expected();
    std::fs::remove_file(fixture.path()).expect("remove");
    std::fs::write(fixture.path(), &fixture.bytes).expect("write");
    fixture.open(expected.clone(), (0, 1_000)).await.expect("the same content");
    assert_eq!(fixture.files.lock().len(), 1);
    std::fs::write(fixture.path(), vec![0; 1_000]).expect("write");
    assert!(fixture.open(expected, (0, 1_000)).await.is_err(), "what was verified is not trusted for ever");
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_is_never_completed() {
    for truncate in [false, true] {
        let fixture = Fixture::new(64 * BUFFER_BYTES);
        let size = fixture.bytes.len();
        let part = fixture.open(fixture.expected(), (0, size as u64)).await.expect("open");
        let mut file = File::options().write(true).open(fixture.path()).expect("open");
        if truncate {
            file.set_len(10).expect("truncate");
        }
        file.write_all(b"other").expect("write");
        let server = Server::start([stored()]).await;
        let error = fixture.send(part, &server).await.expect_err("changed");
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Local, "media-changed"), "{truncate}");
        assert!(server.seen().is_empty(), "the request was never complete");
    }
    let fixture = Fixture::new(64 * BUFFER_BYTES);
    let part = fixture.open(fixture.expected(), (0, fixture.bytes.len() as u64)).await.expect("open");
    std::fs::write(fixture.path(), b"other").expect("write");
    let server = Server::start([stored()]).await;
    let error = fixture.send_form(part, &server).await.expect_err("changed");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Local, "media-changed"));
    assert!(server.seen().is_empty(), "a form without its end is no form");
}

/// From a server that closes as it should. One that resets the connection at once may win the race against our
/// reading; then the reply is lost, and the adapter asks how far the upload got.
#[tokio::test]
async fn an_early_reply_is_read_though_bytes_are_left() {
    let fixture = Fixture::new(16_000_000);
    for status in [403, 404, 413, 416] {
        let server = Server::start([Answer::Early(status)]).await;
        let part = fixture.open(fixture.expected(), (0, 16_000_000)).await.expect("open");
        assert_eq!(fixture.send(part, &server).await, Ok(status));
    }
}

#[tokio::test]
async fn a_cut_upload_is_unknown() {
    let fixture = Fixture::new(10_000_000);
    let server = Server::start([Answer::CutAfter(5_000_000)]).await;
    let part = fixture.open(fixture.expected(), (0, 10_000_000)).await.expect("open");
    let error = fixture.send(part, &server).await.expect_err("cut");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Ambiguous, "connection-lost"));
    assert_eq!(server.seen().len(), 1);
}
