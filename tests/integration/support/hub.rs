//! A git server: a bare repository, reached as a folder or through git's own `http-backend`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) struct Hub {
    dir: TempDir,
    /// By HTTP, if it is served so.
    url: Option<String>,
    /// How many answers to pushes are still to be lost.
    lose: Arc<AtomicU32>,
    runtime: Option<Runtime>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Hub {
    /// Reached as a folder.
    pub(crate) fn folder() -> Hub {
        let dir = tempfile::tempdir().expect("temporary folder");
        let hub = Hub { dir, url: None, lose: Arc::default(), runtime: None };
        git(&hub.path(), &["init", "-q", "--bare", "-b", "main", "hub.git"]);
        git(&hub.path().join("hub.git"), &["config", "http.receivepack", "true"]);
        git(&hub.path().join("hub.git"), &["config", "uploadpack.allowFilter", "true"]);
        hub
    }

    /// Reached by HTTP.
    pub(crate) fn http() -> Hub {
        let mut hub = Hub::folder();
        let runtime = Runtime::new().expect("runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (root, lose) = (hub.path(), Arc::clone(&hub.lose));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (root, lose) = (root.clone(), Arc::clone(&lose));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let (root, lose) = (root.clone(), Arc::clone(&lose));
                        async move { answer(root, &lose, request).await.ok_or(Lost) }
                    });
                    // A client that goes away is no failure of the server's.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        hub.url = Some(format!("http://{address}/hub.git"));
        hub.runtime = Some(runtime);
        hub
    }

    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone().unwrap_or_else(|| self.path().join("hub.git").to_str().expect("UTF-8").to_owned())
    }

    /// The answers to the next pushes are lost, after they were carried out.
    pub(crate) fn lose(&self, answers: u32) {
        self.lose.store(answers, Ordering::SeqCst);
    }

    /// What a ref points at; nothing if it is not there.
    pub(crate) fn tip(&self, name: &str) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path().join("hub.git")).args(["rev-parse", "--verify", "--quiet", name]);
        let output = command.output().expect("git");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path().join("hub.git"), arguments)
    }
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lost")
    }
}

impl std::error::Error for Lost {}

/// Hands a request to git's CGI program (RFC 3875) and its answer back.
async fn answer(
    root: PathBuf,
    lose: &AtomicU32,
    request: Request<Incoming>,
) -> Option<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("git");
    let mut input = child.stdin.take().expect("piped");
    let writing = tokio::spawn(async move { input.write_all(&body).await });
    let output = child.wait_with_output().await.expect("git ends");
    // Git need not read all of it.
    let _ = writing.await;
    let is_push = parts.method == "POST" && parts.uri.path().ends_with("/git-receive-pack");
    let one_less = |left: u32| left.checked_sub(1);
    if is_push && lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
        return None;
    }
    let end = output.stdout.windows(4).position(|w| w == b"\r\n\r\n").expect("headers end");
    let (headers, body) = (String::from_utf8_lossy(&output.stdout[..end]), &output.stdout[end + 4..]);
    let mut response = Response::builder();
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().expect("a status")),
            _ => response.header(name, value),
        };
    }
    Some(response.body(Full::new(Bytes::copy_from_slice(body))).expect("a response"))
}
