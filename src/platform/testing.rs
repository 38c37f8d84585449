//! A server for tests that answers, or fails to, exactly as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// Status, further header lines, body.
    Plain(u16, &'static str, String),
    /// The connection ends once the request has been read.
    Cut,
    /// The connection ends once so many bytes of the body have been read.
    CutAfter(usize),
    /// The answer comes before the body is read; what still comes is thrown away (RFC 9112, section 9.6).
    Early(u16),
    /// Nothing, ever.
    Hang,
}

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Connections before this one.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Seen>>,
}

impl Server {
    /// Answers one request after the other; any more are answered with status 599.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let endpoint = format!("http://{}", listener.local_addr().expect("address"));
        let state =
            Arc::new(State { answers: Mutex::new(answers.into_iter().collect()), ..State::default() });
        let server = Server { endpoint, state: state.clone() };
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, connection, state.clone()));
            }
        });
        server
    }

    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.answers.lock().expect("lock").extend(answers);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("lock").clone()
    }
}

async fn serve(stream: TcpStream, connection: usize, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    while let Some((mut seen, length)) = head(&mut stream, connection).await {
        let answer = state.answers.lock().expect("lock").pop_front();
        let answer = answer.unwrap_or(Answer::Plain(599, "", "no answer was prepared".into()));
        let read = match answer {
            Answer::CutAfter(bytes) => bytes.min(length),
            Answer::Early(_) => 0,
            _ => length,
        };
        seen.body = vec![0; read];
        if stream.read_exact(&mut seen.body).await.is_err() {
            return;
        }
        state.seen.lock().expect("lock").push(seen);
        let (status, headers, body, ends) = match answer.clone() {
            Answer::Json(status, value) => (status, "", value.to_string(), false),
            Answer::Plain(status, headers, body) => (status, headers, body, false),
            Answer::Early(status) => (status, "connection: close\r\n", String::new(), true),
            Answer::Cut | Answer::CutAfter(_) => return,
            Answer::Hang => std::future::pending().await,
        };
        let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
        let written = stream.write_all(reply.as_bytes()).await.is_ok();
        if matches!(answer, Answer::Early(_)) {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        if !written || ends {
            return;
        }
    }
}

async fn head(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<(Seen, usize)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).expect("a head in ASCII");
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let seen = Seen { method, target, headers, connection, ..Seen::default() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    Some((seen, length))
}
