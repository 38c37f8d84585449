//! What the stand-in asks of others: one GET over loopback, straight to a file, for PULL_FROM_URL; one POST for a webhook.
//! No redirects, no TLS, no reuse.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Status line and headers together.
const HEAD_MAX: u64 = 16 * 1024;

/// Stores what `http://authority/path` answers; the number of bytes.
///
/// # Errors
/// When the host is not reachable, answers anything but a 200 with a length, breaks off, or sends more than `limit`.
pub(super) async fn to_file(url: &str, limit: u64, path: &Path) -> io::Result<u64> {
    let (authority, target) = split(url).ok_or_else(|| io::Error::other("not a URL of the media host"))?;
    let stream = TcpStream::connect(authority).await?;
    let mut stream = BufReader::new(stream);
    let request = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let length = read_head(&mut stream).await?;
    if length > limit {
        return Err(io::Error::other("larger than the platform takes"));
    }
    let mut file = File::create(path).await?;
    let copied = tokio::io::copy_buf(&mut stream.take(length), &mut file).await?;
    file.flush().await?;
    if copied < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(copied) }
}

/// Sends `body` to `http://authority/path`; the status that is answered.
///
/// # Errors
/// When the host is not an address of this machine, is not reachable, or does not answer with one.
pub(super) async fn post(url: &str, headers: &[(&str, &str)], body: &str) -> io::Result<u16> {
    let is_here = |host: &str| host.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    let (authority, target) = split(url)
        .filter(|(authority, _)| is_here(authority))
        .ok_or_else(|| io::Error::other("not an http URL of this machine"))?;
    let mut stream = BufReader::new(TcpStream::connect(authority).await?);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {authority}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    stream.take(HEAD_MAX).read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("no status"))
}

fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/')?;
    let clean = !rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#');
    clean.then(|| rest.split_at(slash))
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<u64> {
    let mut head = stream.take(HEAD_MAX);
    let mut line = String::new();
    head.read_line(&mut line).await?;
    if line.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other("the media host did not answer 200"));
    }
    let mut length = None;
    loop {
        line.clear();
        head.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()
            }
            Some(_) => {}
            None => return length.ok_or_else(|| io::Error::other("no content length")),
        }
    }
}
