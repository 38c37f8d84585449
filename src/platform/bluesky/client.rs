//! The calls to a Bluesky server (XRPC), and which hosts they may go to.
//!
//! Logins go to the account's origin: Bluesky's entryway, or the account's `endpoint`. Everything else goes to the
//! server that holds the account's posts. With an `endpoint` that is the same; otherwise the entryway names it, in the
//! account's DID document, to whoever shows it the account's token.

use jiff::Timestamp;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::types;
use super::video::{self, VideoJob};
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Body, Call, Effect, Http, Token};
use crate::platform::{RequestLog, upload};
use crate::secret::Secret;

/// Names of the operations, as rate limits and the log know them.
pub(super) mod operation {
    pub(in crate::platform::bluesky) const CREATE_SESSION: &str = "createSession";
    pub(in crate::platform::bluesky) const REFRESH_SESSION: &str = "refreshSession";
    pub(in crate::platform::bluesky) const DELETE_SESSION: &str = "deleteSession";
    pub(in crate::platform::bluesky) const GET_SESSION: &str = "getSession";
    pub(in crate::platform::bluesky) const RESOLVE_HANDLE: &str = "resolveHandle";
    pub(in crate::platform::bluesky) const UPLOAD_BLOB: &str = "uploadBlob";
    pub(in crate::platform::bluesky) const GET_RECORD: &str = "getRecord";
    pub(in crate::platform::bluesky) const LIST_RECORDS: &str = "listRecords";
    pub(in crate::platform::bluesky) const PUT_RECORD: &str = "putRecord";
    pub(in crate::platform::bluesky) const APPLY_WRITES: &str = "applyWrites";
    pub(in crate::platform::bluesky) const GET_SERVICE_AUTH: &str = "getServiceAuth";
    pub(in crate::platform::bluesky) const GET_UPLOAD_LIMITS: &str = "getUploadLimits";
    pub(in crate::platform::bluesky) const UPLOAD_VIDEO: &str = "uploadVideo";
    pub(in crate::platform::bluesky) const GET_JOB_STATUS: &str = "getJobStatus";
    pub(in crate::platform::bluesky) const DELETE_RECORD: &str = "deleteRecord";
    /// No request at all.
    pub(in crate::platform::bluesky) const NOTHING: &str = "nothing";
}

/// Bluesky's entryway, where all accounts on its own servers log in (atproto.com, docs.bsky.app, read 2026-11-22).
pub(super) const ORIGIN: &str = "https://bsky.social";
/// Where people look at posts.
const APP: &str = "https://bsky.app";
/// A server's address in a DID document is not longer than this.
const ORIGIN_BYTES_MAX: usize = 512;
/// Records on a page of `listRecords`, at most (its lexicon).
const PAGE_MAX: &str = "100";
/// Services in a DID document that are looked at.
const SERVICES_MAX: usize = 32;

pub(super) struct Client {
    http: Http,
    base: Result<Url, String>,
    /// Whether `base` is the account's own choice.
    replaced: bool,
}

/// Whose request it is, which server it goes to, and where it is written down.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) grant: &'a Grant,
    /// As [`Client::server_of`] read it; none where the account's origin is the server.
    pub(super) server: Option<&'a str>,
    pub(super) log: &'a RequestLog,
}

impl Client {
    pub(super) fn new(http: Http, endpoint: Option<&str>) -> Client {
        let base = Url::parse(endpoint.unwrap_or(ORIGIN))
            .map_err(|why| format!("the account's endpoint is no URL: {why}"));
        Client { http, base, replaced: endpoint.is_some() }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// Scheme, host and port, without a trailing slash.
    pub(super) fn origin(&self) -> String {
        self.base.as_ref().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Whether the server that holds the posts has to be asked for.
    pub(super) fn has_entryway(&self) -> bool {
        !self.replaced
    }

    pub(super) fn is_local(&self) -> bool {
        self.base.as_ref().is_ok_and(crate::platform::http::is_loopback)
    }

    /// Where a post can be looked at. A server on this machine shows its own.
    pub(super) fn post_url(&self, did: &str, rkey: &str) -> String {
        let app = if self.is_local() { self.origin() } else { APP.to_owned() };
        format!("{app}/profile/{did}/post/{rkey}")
    }

    /// A session for an app password. Each counts: 30 in five minutes, and as few as ten a day in reports
    /// (docs.bsky.app, rate limits, read 2026-11-22).
    pub(super) async fn create_session(
        &self,
        handle: &str,
        password: &Secret,
        log: &RequestLog,
    ) -> Result<Value, Error> {
        let body = Body::Json(json!({ "identifier": handle, "password": password.expose() }));
        self.session(operation::CREATE_SESSION, Method::POST, None, body, log).await
    }

    /// New tokens for the refresh token.
    pub(super) async fn refresh_session(&self, refresh: &Secret, log: &RequestLog) -> Result<Value, Error> {
        self.session(operation::REFRESH_SESSION, Method::POST, Some(refresh), Body::None, log).await
    }

    /// Ends the session of the refresh token.
    pub(super) async fn delete_session(&self, refresh: &Secret, log: &RequestLog) -> Result<(), Error> {
        self.session(operation::DELETE_SESSION, Method::POST, Some(refresh), Body::None, log).await.map(drop)
    }

    /// Who is logged in, with the DID document.
    pub(super) async fn get_session(&self, access: &Secret, log: &RequestLog) -> Result<Value, Error> {
        self.session(operation::GET_SESSION, Method::GET, Some(access), Body::None, log).await
    }

    async fn session(
        &self,
        operation: &'static str,
        method: Method,
        bearer: Option<&Secret>,
        body: Body<'_>,
        log: &RequestLog,
    ) -> Result<Value, Error> {
        let effect = match operation {
            operation::GET_SESSION | operation::DELETE_SESSION => Effect::Harmless,
            _ => Effect::Once,
        };
        let url = self.url(None, operation, &format!("com.atproto.server.{operation}"), &[])?;
        let token = bearer.map(Token::Bearer);
        let call = Call { operation, effect, method, url, token, body };
        self.http.send(call, log, |reply| types::decode(operation, effect, reply)).await
    }

    /// Whom a handle belongs to.
    pub(super) async fn resolve_handle(&self, session: Session<'_>, handle: &str) -> Result<Value, Error> {
        let (operation, method) = (operation::RESOLVE_HANDLE, "com.atproto.identity.resolveHandle");
        self.ask(session, operation, method, &[("handle", handle)]).await
    }

    /// A record as it now is. Everybody may ask.
    pub(super) async fn get_record(
        &self,
        session: Session<'_>,
        (repo, collection, rkey): (&str, &str, &str),
    ) -> Result<Value, Error> {
        let query = [("repo", repo), ("collection", collection), ("rkey", rkey)];
        self.ask(session, operation::GET_RECORD, "com.atproto.repo.getRecord", &query).await
    }

    /// The newest records of a collection, by their keys. Everybody may ask.
    pub(super) async fn list_records(
        &self,
        session: Session<'_>,
        (repo, collection): (&str, &str),
    ) -> Result<Value, Error> {
        let query = [("repo", repo), ("collection", collection), ("limit", PAGE_MAX)];
        self.ask(session, operation::LIST_RECORDS, "com.atproto.repo.listRecords", &query).await
    }

    /// A question that needs no token.
    async fn ask(
        &self,
        session: Session<'_>,
        operation: &'static str,
        method: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let url = self.url(session.server, operation, method, query)?;
        let effect = Effect::Harmless;
        let call = Call { operation, effect, method: Method::GET, url, token: None, body: Body::None };
        self.http.send(call, session.log, |reply| types::decode(operation, effect, reply)).await
    }

    /// Stores a file; the same bytes twice are the same blob.
    pub(super) async fn upload_blob(
        &self,
        session: Session<'_>,
        part: upload::Part,
        content_type: &'static str,
    ) -> Result<Value, Error> {
        let body = Body::Upload { part, content_type, content_range: None };
        self.write(session, operation::UPLOAD_BLOB, Effect::Harmless, body).await
    }

    /// The DID of the account's server, where it is known.
    pub(super) fn audience(&self, server: Option<&str>) -> Option<String> {
        let named = server.and_then(|server| Url::parse(server).ok());
        let own = || self.base.clone().ok().filter(|_| self.replaced);
        video::did_of_server(&named.or_else(own)?)
    }

    /// A ticket for one method at one audience.
    pub(super) async fn get_service_auth(
        &self,
        session: Session<'_>,
        (audience, method): (&str, &str),
        until: Timestamp,
    ) -> Result<Value, Error> {
        let operation = operation::GET_SERVICE_AUTH;
        let exp = until.as_second().to_string();
        let query = [("aud", audience), ("lxm", method), ("exp", exp.as_str())];
        let url = self.url(session.server, operation, "com.atproto.server.getServiceAuth", &query)?;
        let (effect, bearer) = (Effect::Harmless, Some(&session.grant.access));
        let call = Call {
            operation,
            effect,
            method: Method::GET,
            url,
            token: bearer.map(Token::Bearer),
            body: Body::None,
        };
        self.http.send(call, session.log, |reply| types::decode(operation, effect, reply)).await
    }

    /// Whether the video service takes more of the account's videos.
    pub(super) async fn get_upload_limits(
        &self,
        session: Session<'_>,
        ticket: &Secret,
    ) -> Result<Value, Error> {
        let (operation, effect) = (operation::GET_UPLOAD_LIMITS, Effect::Harmless);
        let url = self.video_url(operation, &[])?;
        let call = Call {
            operation,
            effect,
            method: Method::GET,
            url,
            token: Some(Token::Bearer(ticket)),
            body: Body::None,
        };
        self.http.send(call, session.log, |reply| types::decode(operation, effect, reply)).await
    }

    pub(super) async fn upload_video(
        &self,
        session: Session<'_>,
        ticket: &Secret,
        (did, name): (&str, &str),
        part: upload::Part,
    ) -> Result<VideoJob, Error> {
        let (operation, effect) = (operation::UPLOAD_VIDEO, Effect::Harmless);
        let url = self.video_url(operation, &[("did", did), ("name", name)])?;
        let body = Body::Upload { part, content_type: "video/mp4", content_range: None };
        let call =
            Call { operation, effect, method: Method::POST, url, token: Some(Token::Bearer(ticket)), body };
        self.http.send(call, session.log, |reply| video::decode(operation, reply)).await
    }

    /// Everybody may ask.
    pub(super) async fn get_job_status(&self, session: Session<'_>, job: &str) -> Result<VideoJob, Error> {
        let (operation, effect) = (operation::GET_JOB_STATUS, Effect::Harmless);
        let url = self.video_url(operation, &[("jobId", job)])?;
        let call = Call { operation, effect, method: Method::GET, url, token: None, body: Body::None };
        self.http.send(call, session.log, |reply| video::decode(operation, reply)).await
    }

    /// At the video service; at the account's endpoint where it has one.
    fn video_url(&self, operation: &'static str, query: &[(&str, &str)]) -> Result<Url, Error> {
        let service = (!self.replaced).then_some(video::SERVICE);
        self.url(service, operation, &format!("app.bsky.video.{operation}"), query)
    }

    /// One of the two requests that make a post public.
    pub(super) async fn publish(
        &self,
        session: Session<'_>,
        operation: &'static str,
        body: Value,
    ) -> Result<Value, Error> {
        self.write(session, operation, Effect::Once, Body::Json(body)).await
    }

    /// Takes a record away; one that is not there is gone already.
    pub(super) async fn delete_record(
        &self,
        session: Session<'_>,
        (repo, collection, rkey): (&str, &str, &str),
    ) -> Result<Value, Error> {
        let body = Body::Json(json!({ "repo": repo, "collection": collection, "rkey": rkey }));
        self.write(session, operation::DELETE_RECORD, Effect::Harmless, body).await
    }

    async fn write(
        &self,
        session: Session<'_>,
        operation: &'static str,
        effect: Effect,
        body: Body<'_>,
    ) -> Result<Value, Error> {
        let url = self.url(session.server, operation, &format!("com.atproto.repo.{operation}"), &[])?;
        let token = Some(Token::Bearer(&session.grant.access));
        let call = Call { operation, effect, method: Method::POST, url, token, body };
        self.http.send(call, session.log, |reply| types::decode(operation, effect, reply)).await
    }

    fn url(
        &self,
        server: Option<&str>,
        operation: &'static str,
        method: &str,
        query: &[(&str, &str)],
    ) -> Result<Url, Error> {
        let bad = |why: &str| Error::new(operation, ErrorKind::Local, "bad-endpoint", why);
        let mut url = match server {
            Some(server) => Url::parse(server).map_err(|why| bad(&why.to_string()))?,
            None => self.base.clone().map_err(|why| bad(&why))?,
        };
        url.set_path(&format!("/xrpc/{method}"));
        url.set_query(None);
        url.set_fragment(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// The server that a session reply's DID document names (atproto.com/specs/did, read 2026-11-22); none where the reply
/// has no document, as the entryway then passes calls on.
///
/// # Errors
///
/// `Protocol` for an address that no token may go to: only https, to a host with a name, is good enough.
pub(super) fn server_of(reply: &Value) -> Result<Option<String>, Error> {
    let Some(services) = reply["didDoc"]["service"].as_array() else { return Ok(None) };
    let is_pds = |service: &&Value| {
        service["id"].as_str().is_some_and(|id| id.ends_with("#atproto_pds"))
            && service["type"] == "AtprotoPersonalDataServer"
    };
    let Some(service) = services.iter().take(SERVICES_MAX).find(is_pds) else { return Ok(None) };
    let address = service["serviceEndpoint"].as_str().unwrap_or_default();
    let url = Url::parse(address).ok().filter(|url| {
        let has_name = url.domain().is_some_and(|host| host.contains('.'));
        address.len() <= ORIGIN_BYTES_MAX
            && url.scheme() == "https"
            && has_name
            && url.username().is_empty()
            && url.password().is_none()
    });
    match url {
        Some(url) => Ok(Some(url.origin().ascii_serialization())),
        None => {
            let message =
                format!("the account's server has an address that is not used: {}", foreign(address));
            Err(Error::new(operation::GET_SESSION, ErrorKind::Protocol, "foreign-server", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_a_named_host_over_https_only() {
        let reply = |endpoint: &str| {
            json!({ "didDoc": { "service": [
                { "id": "#other", "type": "Other", "serviceEndpoint": "https://other.example" },
                { "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint },
            ] } })
        };
        for (endpoint, expected) in [
            ("https://morel.us-east.host.bsky.network", Some("https://morel.us-east.host.bsky.network")),
            ("https://pds.example:8443/path?x", Some("https://pds.example:8443")),
            ("http://pds.example", None),
            ("https://127.0.0.1", None),
            ("https://2130706433", None),
            ("https://[::1]", None),
            ("https://localhost", None),
            ("https://user@pds.example", None),
            ("", None),
        ] {
            let read = server_of(&reply(endpoint));
            assert_eq!(read.ok().flatten().as_deref(), expected, "{endpoint}");
        }
        assert_eq!(server_of(&json!({ "did": "did:plc:a" })), Ok(None));
        assert!(server_of(&reply("http://pds.example")).is_err());
    }

    #[test]
    fn an_endpoint_replaces_the_entryway() {
        let local = Client::new(Http::default(), Some("http://127.0.0.1:4010/ignored"));
        assert_eq!((local.origin().as_str(), local.has_entryway()), ("http://127.0.0.1:4010", false));
        let url = local.url(None, "op", "com.example.m", &[("a", "b c")]).expect("url");
        assert_eq!(url.as_str(), "http://127.0.0.1:4010/xrpc/com.example.m?a=b+c");
        assert_eq!(local.post_url("did:plc:a", "k"), "http://127.0.0.1:4010/profile/did:plc:a/post/k");
        let real = Client::new(Http::default(), None);
        assert_eq!((real.origin().as_str(), real.has_entryway()), (ORIGIN, true));
        let url = real.url(Some("https://pds.example"), "op", "com.example.m", &[]).expect("url");
        assert_eq!(url.as_str(), "https://pds.example/xrpc/com.example.m");
        assert_eq!(real.post_url("did:plc:a", "k"), "https://bsky.app/profile/did:plc:a/post/k");
    }
}
