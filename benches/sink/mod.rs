//! A server that does as little as possible: it answers as TikTok does where an upload goes well, and forgets the bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keeper::Keeper;

pub(crate) mod keeper;

/// For reading what is thrown away: large, so that the server is not what is measured.
const BUFFER_BYTES: usize = 512 * 1024;
const DRAFT_IS_THERE: &str =
    r#"{"data":{"status":"SEND_TO_USER_INBOX"},"error":{"code":"ok","message":"","log_id":"1"}}"#;

pub(crate) struct Sink {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    first: Option<Instant>,
    last: Option<Instant>,
    bytes: u64,
}

impl Sink {
    pub(crate) fn start() -> Sink {
        Sink::start_with(None)
    }

    /// One that keeps what comes.
    pub(crate) fn keeping(keeper: Arc<Keeper>) -> Sink {
        Sink::start_with(Some(keeper))
    }

    fn start_with(keeper: Option<Arc<Keeper>>) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::default());
        let (shared, base) = (Arc::clone(&seen), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, base, keeper) = (Arc::clone(&shared), base.clone(), keeper.clone());
                std::thread::spawn(move || {
                    serve(stream.expect("a connection"), &base, &seen, keeper.as_deref())
                });
            }
        });
        Sink { url, seen }
    }

    /// How long the chunks took, from the first one's head to the last one's answer; then forgets them.
    pub(crate) fn take(&self, bytes: u64) -> Duration {
        let seen = std::mem::take(&mut *self.seen.lock().expect("no thread panics"));
        assert_eq!(seen.bytes, bytes, "all bytes arrive");
        seen.last.expect("a chunk") - seen.first.expect("a chunk")
    }
}

/// Until the client closes the connection.
fn serve(stream: TcpStream, base: &str, seen: &Mutex<Seen>, keeper: Option<&Keeper>) {
    stream.set_nodelay(true).expect("a socket option");
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, stream.try_clone().expect("a handle"));
    let (mut writer, mut buffer) = (stream, vec![0; BUFFER_BYTES]);
    while let Some(head) = head(&mut reader) {
        let is_chunk = head.starts_with("PUT ");
        if is_chunk {
            seen.lock().expect("no thread panics").first.get_or_insert_with(Instant::now);
        }
        let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        match keeper.filter(|_| is_chunk) {
            None => swallow(&mut reader, length, &mut buffer),
            Some(keeper) => {
                let range = field(&head, "content-range").unwrap_or_default();
                if !keeper.take(&mut reader, (first(range), length), &mut buffer) {
                    return;
                }
            }
        }
        let reply = match head.split(' ').nth(1).unwrap_or_default() {
            _ if is_chunk => stored(field(&head, "content-range").unwrap_or_default()),
            path if path.contains("init") => {
                let data = format!(r#"{{"publish_id":"v_inbox_file~1","upload_url":"{base}/upload"}}"#);
                json(&format!(r#"{{"data":{data},"error":{{"code":"ok","message":"","log_id":"1"}}}}"#))
            }
            _ => json(&keeper.map_or(DRAFT_IS_THERE.to_owned(), Keeper::status)),
        };
        if is_chunk {
            let mut seen = seen.lock().expect("no thread panics");
            seen.bytes += length;
            seen.last = Some(Instant::now());
        }
        if writer.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// The head of the next request, or nothing if there is none.
fn head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn swallow(reader: &mut impl Read, length: u64, buffer: &mut [u8]) {
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match reader.read(&mut buffer[..most]) {
            Ok(0) | Err(_) => return,
            Ok(read) => left -= read as u64,
        }
    }
}

/// `bytes 10-19/30` → 10.
fn first(range: &str) -> u64 {
    let first = range.trim_start_matches("bytes ").split('-').next();
    first.and_then(|first| first.parse().ok()).expect("a range")
}

/// `bytes 0-9/30` → 206, `bytes 20-29/30` → 201.
fn stored(range: &str) -> String {
    let (bounds, total) = range.split_once('/').unwrap_or_default();
    let last: u64 = bounds.rsplit('-').next().and_then(|last| last.parse().ok()).unwrap_or_default();
    let status = if (last + 1).to_string() == total { "201 Created" } else { "206 Partial Content" };
    format!("HTTP/1.1 {status}\r\nContent-Range: bytes 0-{last}/{total}\r\nContent-Length: 0\r\n\r\n")
}

fn json(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}
