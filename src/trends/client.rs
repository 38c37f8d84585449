//! Requests of the sources: one at a time, with a pause between them and a bound on everything.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;
use tokio::time::Instant;

use super::{Fault, FaultKind};
use crate::platform::error::foreign;
use crate::platform::http;
use crate::secret::Secret;

/// Between the end of a request and the next one.
pub const PAUSE: Duration = Duration::from_secs(1);
/// Requests in one run: the overall list and one for each industry, with some room.
pub const REQUESTS_MAX: u32 = 24;
/// A list with its curves is some tens of kB; more is not read.
const REPLY_BYTES_MAX: usize = 1 << 20;
/// Names what an answer has cost (EnsembleData's SDK, read 2026-11-26).
const UNITS: &str = "units_charged";
/// A token shorter than this could stand in a reply by chance.
const TOKEN_BYTES_MIN: usize = 8;

/// What sends.
#[derive(Debug)]
pub struct Client {
    /// Another server in the place of all of them; a request's host is then the first part of its path.
    base: Option<Url>,
    timeout: Duration,
    pace: Pace,
    /// Built on first use: that loads the trusted roots.
    http: Option<reqwest::Client>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub host: &'static str,
    pub path: &'static str,
    pub query: Vec<(&'static str, String)>,
    pub headers: &'static [(&'static str, &'static str)],
    /// Makes a POST of it.
    pub body: Option<Value>,
    pub token: Option<Token<'a>>,
}

/// A secret, and where it goes.
#[derive(Debug)]
pub(super) enum Token<'a> {
    Header(&'static str, &'a Secret),
    Query(&'static str, &'a Secret),
}

/// A JSON document that came with success, and what it has cost.
#[derive(Debug)]
pub(super) struct Reply {
    pub body: Value,
    pub units: Option<u64>,
}

impl Client {
    /// `base` is for tests and rehearsals: another server on this machine, which needs no pause.
    ///
    /// # Errors
    /// What is wrong with the address, as a fragment that completes "it".
    pub fn new(base: Option<&str>, timeout: Duration) -> Result<Client, String> {
        let base = base.map(|base| Url::parse(base).map_err(|_| "is no address")).transpose()?;
        if base.as_ref().is_some_and(|base| !http::is_loopback(base)) {
            return Err("must be on this machine".to_owned());
        }
        let pause = if base.is_some() { Duration::ZERO } else { PAUSE };
        Ok(Client { base, timeout, pace: Pace { pause, ended: None, sent: 0 }, http: None })
    }

    /// The server that stands in for all sources, if one does.
    pub fn base(&self) -> Option<&str> {
        self.base.as_ref().map(Url::as_str)
    }

    /// Sends `call` when it is its turn.
    ///
    /// # Errors
    /// Why there is no JSON to look at. `explain` says what a status stands for at this source.
    pub(super) async fn send(
        &mut self,
        call: Call<'_>,
        explain: impl Fn(u16) -> Option<&'static str>,
    ) -> Result<Reply, Fault> {
        self.pace.turn().await?;
        let reply = self.exchange(call, explain).await;
        self.pace.ended = Some(Instant::now());
        reply
    }

    async fn exchange(
        &mut self,
        call: Call<'_>,
        explain: impl Fn(u16) -> Option<&'static str>,
    ) -> Result<Reply, Fault> {
        let secret = call.token.as_ref().map(|token| match token {
            Token::Header(_, secret) | Token::Query(_, secret) => *secret,
        });
        let mut response = self.request(&call)?.send().await.map_err(lost)?;
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let units = header(UNITS).and_then(|units| units.trim().parse().ok());
        let is_json = header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("json"));
        let content_type = foreign(header(CONTENT_TYPE.as_str()).unwrap_or("no content type"));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(Fault::unreadable(format!("answered more than {REPLY_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(refused(status, explain(status.as_u16())));
        }
        if !is_json {
            return Err(Fault::unreadable(format!("answered {content_type}, which is no JSON")));
        }
        let mut body = serde_json::from_slice(&bytes)
            .map_err(|_| Fault::unreadable("answered something that cannot be read as JSON"))?;
        if let Some(secret) = secret {
            take_out(&mut body, secret.expose());
        }
        Ok(Reply { body, units })
    }

    fn request(&mut self, call: &Call<'_>) -> Result<reqwest::RequestBuilder, Fault> {
        let mut url = self.address(call)?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        if let Some(Token::Query(name, secret)) = &call.token {
            url.query_pairs_mut().append_pair(name, secret.expose());
        }
        let http = match &self.http {
            Some(http) => http,
            None => {
                let built = http::client_to(&url);
                self.http.insert(built.map_err(|why| {
                    Fault::new(
                        FaultKind::Refused,
                        format!("cannot be asked, as HTTP cannot be set up: {why}"),
                    )
                })?)
            }
        };
        let method = if call.body.is_some() { Method::POST } else { Method::GET };
        let mut request = http.request(method, url).timeout(self.timeout);
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        if let Some(Token::Header(name, secret)) = &call.token {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| Fault::new(FaultKind::Refused, "cannot be asked with such a token"))?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        Ok(match &call.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        })
    }

    fn address(&self, call: &Call<'_>) -> Result<Url, Fault> {
        let (host, path) = (call.host, call.path);
        let address = match &self.base {
            Some(base) => format!("{}/{host}{path}", base.as_str().trim_end_matches('/')),
            None => format!("https://{host}{path}"),
        };
        Url::parse(&address).map_err(|_| Fault::new(FaultKind::Refused, "has an address that cannot be read"))
    }
}

/// When the next request may leave, and whether it may.
#[derive(Debug)]
struct Pace {
    pause: Duration,
    ended: Option<Instant>,
    sent: u32,
}

impl Pace {
    async fn turn(&mut self) -> Result<(), Fault> {
        if self.sent == REQUESTS_MAX {
            let message = format!("not asked further: {REQUESTS_MAX} requests are all that a run sends");
            return Err(Fault::new(FaultKind::Bound, message));
        }
        self.sent += 1;
        if let Some(ended) = self.ended {
            tokio::time::sleep_until(ended + self.pause).await;
        }
        Ok(())
    }
}

/// Whether a text can be a token: what every source's is made of.
pub fn is_token(secret: &Secret) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    secret.expose().len() >= TOKEN_BYTES_MIN && secret.expose().bytes().all(plain)
}

/// No answer, or only a part of one. The address is left out: it may hold a token.
fn lost(error: reqwest::Error) -> Fault {
    let message = match error.is_timeout() {
        true => "has not answered in time".to_owned(),
        false => format!("could not be asked: {}", http::describe(error)),
    };
    Fault::new(FaultKind::Temporary, message)
}

fn refused(status: StatusCode, meaning: Option<&'static str>) -> Fault {
    let kind = match status.as_u16() {
        408 | 429 | 500.. if meaning.is_none() => FaultKind::Temporary,
        _ => FaultKind::Refused,
    };
    let meaning = meaning.or(match status.as_u16() {
        300..=399 => Some("a redirect, which is not followed"),
        401 | 403 => Some("it lets nobody in, or not from here"),
        429 => Some("too many requests"),
        _ => None,
    });
    let why = meaning.map_or_else(String::new, |meaning| format!(": {meaning}"));
    Fault::new(kind, format!("answered HTTP {}{why}", status.as_u16()))
}

/// Takes `secret` out of every text of a reply that repeats it.
fn take_out(value: &mut Value, secret: &str) {
    match value {
        Value::String(text) if text.contains(secret) => *text = text.replace(secret, "…"),
        Value::Array(items) => items.iter_mut().for_each(|item| take_out(item, secret)),
        Value::Object(fields) => fields.values_mut().for_each(|value| take_out(value, secret)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_keep_a_distance_and_have_an_end() {
        let mut pace = Pace { pause: PAUSE, ended: None, sent: 0 };
        let begun = Instant::now();
        for _ in 0..REQUESTS_MAX {
            pace.turn().await.expect("a turn");
            pace.ended = Some(Instant::now());
        }
        assert_eq!(begun.elapsed().as_secs(), u64::from(REQUESTS_MAX - 1));
        assert_eq!(pace.turn().await.expect_err("the bound").kind, FaultKind::Bound);
    }

    #[test]
    fn the_base_is_on_this_machine_and_comes_before_the_host() {
        for base in ["https://example.com", "http://127.0.0.1.example.com/", "nothing"] {
            Client::new(Some(base), PAUSE).expect_err(base);
        }
        let call = Call {
            host: "ads.tiktok.com",
            path: "/a/b",
            query: Vec::new(),
            headers: &[],
            body: None,
            token: None,
        };
        for (base, address) in [
            (None, "https://ads.tiktok.com/a/b"),
            (Some("http://127.0.0.1:9"), "http://127.0.0.1:9/ads.tiktok.com/a/b"),
        ] {
            let client = Client::new(base, PAUSE).expect("a client");
            assert_eq!(client.address(&call).expect("an address").as_str(), address);
        }
    }

    #[test]
    fn a_token_is_plain_and_long_enough() {
        for (text, expected) in [
            ("abc123._-", true),
            ("short", false),
            ("", false),
            ("with space x", false),
            ("a&token=bbbb", false),
            ("ééééééé", false),
        ] {
            assert_eq!(is_token(&Secret::new(text)), expected, "{text}");
        }
    }
}
