//! The calls to a Mastodon server: one method for each endpoint (docs.joinmastodon.org/methods, read 2026-11-22).
//!
//! All of them go to the account's own server: the handle's host, or the account's `server` or `endpoint`.

use reqwest::{Method, Url};
use serde_json::Value;

use super::types::{self, Answer};
use crate::domain::grant::Grant;
use crate::domain::project::Account;
use crate::domain::retry::ErrorKind;
use crate::platform::RequestLog;
use crate::platform::error::Error;
use crate::platform::http::{Body, Call, Effect, Http, Token, is_loopback};
use crate::platform::multipart::Form;
use crate::secret::Secret;

/// Names of the operations, as rate limits and the log know them.
pub(super) mod operation {
    pub(in crate::platform::mastodon) const DISCOVER: &str = "oauth-authorization-server";
    pub(in crate::platform::mastodon) const REGISTER: &str = "apps";
    pub(in crate::platform::mastodon) const TOKEN: &str = "oauth/token";
    pub(in crate::platform::mastodon) const REVOKE: &str = "oauth/revoke";
    pub(in crate::platform::mastodon) const VERIFY: &str = "verify_credentials";
    pub(in crate::platform::mastodon) const INSTANCE: &str = "instance";
    pub(in crate::platform::mastodon) const NODEINFO: &str = "nodeinfo";
    pub(in crate::platform::mastodon) const UPLOAD: &str = "media";
    pub(in crate::platform::mastodon) const MEDIA: &str = "media/state";
    pub(in crate::platform::mastodon) const LIST: &str = "accounts/statuses";
    pub(in crate::platform::mastodon) const HOME: &str = "timelines/home";
    pub(in crate::platform::mastodon) const STATUS: &str = "statuses/get";
    pub(in crate::platform::mastodon) const SOURCE: &str = "statuses/source";
    pub(in crate::platform::mastodon) const POST: &str = "statuses";
    pub(in crate::platform::mastodon) const EDIT: &str = "statuses/edit";
    pub(in crate::platform::mastodon) const DELETE: &str = "statuses/delete";
    /// No request at all.
    pub(in crate::platform::mastodon) const NOTHING: &str = "nothing";
}

/// Posts on a page of an account's posts, at most (methods/accounts).
pub(super) const PAGE_MAX: &str = "40";

pub(super) struct Client {
    http: Http,
    base: Result<Url, String>,
}

/// Whose request it is, and where it is written down.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) grant: &'a Grant,
    pub(super) log: &'a RequestLog,
}

/// Where a request goes, below the server.
type Path<'a> = &'a [&'a str];

impl Client {
    pub(super) fn new(http: Http, account: &Account) -> Client {
        let host = account.handle.as_ref().and_then(|handle| handle.value.split_once('@'));
        let host = host.map_or_else(String::new, |(_, host)| format!("https://{host}"));
        let address =
            account.endpoint.as_ref().or(account.server.as_ref()).map_or(host, |url| url.value.clone());
        let base = Url::parse(&address).map_err(|why| format!("the account's server is no URL: {why}"));
        Client { http, base }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// Scheme, host and port, without a trailing slash.
    pub(super) fn origin(&self) -> String {
        self.base.as_ref().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Host, with the port where there is one.
    pub(super) fn host(&self) -> String {
        self.origin().split_once("://").map_or_else(String::new, |(_, host)| host.to_owned())
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.base.as_ref().is_ok_and(is_loopback)
    }

    /// What the server says of its logins: since 4.3.
    pub(super) async fn discover(&self, log: &RequestLog) -> Result<Value, Error> {
        let path: Path<'_> = &[".well-known", "oauth-authorization-server"];
        self.ask(None, log, operation::DISCOVER, path, &[]).await
    }

    /// Makes an app known. Five in ten minutes from one address (rack_attack.rb).
    pub(super) async fn register(
        &self,
        fields: Vec<(&'static str, &str)>,
        log: &RequestLog,
    ) -> Result<Value, Error> {
        let path: Path<'_> = &["api", "v1", "apps"];
        self.form(operation::REGISTER, Effect::Harmless, path, fields, log).await
    }

    /// A token for a code, which is good for one use.
    pub(super) async fn token(
        &self,
        fields: Vec<(&'static str, &str)>,
        log: &RequestLog,
    ) -> Result<Value, Error> {
        self.form(operation::TOKEN, Effect::Once, &["oauth", "token"], fields, log).await
    }

    pub(super) async fn revoke(
        &self,
        fields: Vec<(&'static str, &str)>,
        log: &RequestLog,
    ) -> Result<(), Error> {
        self.form(operation::REVOKE, Effect::Harmless, &["oauth", "revoke"], fields, log).await.map(drop)
    }

    /// Where the owner grants.
    pub(super) fn authorize_url(&self, fields: &[(&str, &str)]) -> Result<String, Error> {
        self.url("authorize", &["oauth", "authorize"], fields).map(String::from)
    }

    /// Whose token it is.
    pub(super) async fn verify(&self, token: &Secret, log: &RequestLog) -> Result<Value, Error> {
        let path: Path<'_> = &["api", "v1", "accounts", "verify_credentials"];
        self.ask(Some(token), log, operation::VERIFY, path, &[]).await
    }

    /// What the server says of itself, in the given version of the call.
    pub(super) async fn instance(&self, version: &str, log: &RequestLog) -> Result<Value, Error> {
        self.ask(None, log, operation::INSTANCE, &["api", version, "instance"], &[]).await
    }

    /// What the server says it is, at the path that `/.well-known/nodeinfo` names.
    pub(super) async fn nodeinfo(&self, path: Path<'_>, log: &RequestLog) -> Result<Value, Error> {
        self.ask(None, log, operation::NODEINFO, path, &[]).await
    }

    /// Stores a file that no post names yet.
    pub(super) async fn upload(&self, session: Session<'_>, form: Form) -> Result<Answer, Error> {
        let url = self.url(operation::UPLOAD, &["api", "v2", "media"], &[])?;
        let (method, effect) = (Method::POST, Effect::Harmless);
        self.send(session, operation::UPLOAD, (method, effect), url, Body::Multipart(form)).await
    }

    /// Whether a medium has been processed; only while no post names it.
    pub(super) async fn media_state(&self, session: Session<'_>, id: &str) -> Result<Answer, Error> {
        let url = self.url(operation::MEDIA, &["api", "v1", "media", id], &[])?;
        self.send(session, operation::MEDIA, (Method::GET, Effect::Harmless), url, Body::None).await
    }

    /// The account's own posts, newest first; those before `max_id`.
    pub(super) async fn list(
        &self,
        session: Session<'_>,
        account: &str,
        max_id: Option<&str>,
    ) -> Result<Value, Error> {
        let path: Path<'_> = &["api", "v1", "accounts", account, "statuses"];
        let mut query = vec![("limit", PAGE_MAX), ("exclude_reblogs", "true")];
        query.extend(max_id.map(|id| ("max_id", id)));
        self.ask(Some(&session.grant.access), session.log, operation::LIST, path, &query).await
    }

    /// What the account sees, its own posts included, newest first; what was before `max_id`.
    pub(super) async fn home(&self, session: Session<'_>, max_id: Option<&str>) -> Result<Value, Error> {
        let path: Path<'_> = &["api", "v1", "timelines", "home"];
        let mut query = vec![("limit", PAGE_MAX)];
        query.extend(max_id.map(|id| ("max_id", id)));
        self.ask(Some(&session.grant.access), session.log, operation::HOME, path, &query).await
    }

    pub(super) async fn status(&self, session: Session<'_>, id: &str) -> Result<Value, Error> {
        let path: Path<'_> = &["api", "v1", "statuses", id];
        self.ask(Some(&session.grant.access), session.log, operation::STATUS, path, &[]).await
    }

    /// A post's text as it was written.
    pub(super) async fn source(&self, session: Session<'_>, id: &str) -> Result<Value, Error> {
        let path: Path<'_> = &["api", "v1", "statuses", id, "source"];
        self.ask(Some(&session.grant.access), session.log, operation::SOURCE, path, &[]).await
    }

    /// The request that makes a post. As JSON: of a form that was cut off, servers may publish a half.
    pub(super) async fn post(&self, session: Session<'_>, body: Value, key: &str) -> Result<Value, Error> {
        let url = self.url(operation::POST, &["api", "v1", "statuses"], &[])?;
        let how = (Method::POST, Effect::Once);
        self.send(session, operation::POST, how, url, Body::Keyed(body, key)).await.map(|answer| answer.body)
    }

    /// Replaces a whole post, so that it may be repeated.
    pub(super) async fn edit(&self, session: Session<'_>, id: &str, body: Value) -> Result<Value, Error> {
        let url = self.url(operation::EDIT, &["api", "v1", "statuses", id], &[])?;
        let how = (Method::PUT, Effect::Harmless);
        self.send(session, operation::EDIT, how, url, Body::Json(body)).await.map(|answer| answer.body)
    }

    /// Takes a post away, and its media with it.
    pub(super) async fn delete(&self, session: Session<'_>, id: &str) -> Result<(), Error> {
        let query = [("delete_media", "true")];
        let url = self.url(operation::DELETE, &["api", "v1", "statuses", id], &query)?;
        let how = (Method::DELETE, Effect::Harmless);
        self.send(session, operation::DELETE, how, url, Body::None).await.map(drop)
    }

    async fn ask(
        &self,
        bearer: Option<&Secret>,
        log: &RequestLog,
        operation: &'static str,
        path: Path<'_>,
        query: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let (url, effect) = (self.url(operation, path, query)?, Effect::Harmless);
        let call = Call {
            operation,
            effect,
            method: Method::GET,
            url,
            token: bearer.map(Token::Bearer),
            body: Body::None,
        };
        let answer = self.http.send(call, log, |reply| types::decode(operation, effect, reply)).await?;
        Ok(answer.body)
    }

    async fn form(
        &self,
        operation: &'static str,
        effect: Effect,
        path: Path<'_>,
        fields: Vec<(&'static str, &str)>,
        log: &RequestLog,
    ) -> Result<Value, Error> {
        let (url, body) = (self.url(operation, path, &[])?, Body::Form(fields));
        let call = Call { operation, effect, method: Method::POST, url, token: None, body };
        let answer = self.http.send(call, log, |reply| types::decode(operation, effect, reply)).await?;
        Ok(answer.body)
    }

    async fn send(
        &self,
        session: Session<'_>,
        operation: &'static str,
        (method, effect): (Method, Effect),
        url: Url,
        body: Body<'_>,
    ) -> Result<Answer, Error> {
        let token = Some(Token::Bearer(&session.grant.access));
        let call = Call { operation, effect, method, url, token, body };
        self.http.send(call, session.log, |reply| types::decode(operation, effect, reply)).await
    }

    fn url(&self, operation: &'static str, path: Path<'_>, query: &[(&str, &str)]) -> Result<Url, Error> {
        let bad = |why: &str| Error::new(operation, ErrorKind::Local, "bad-endpoint", why);
        let mut url = self.base.clone().map_err(|why| bad(&why))?;
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| bad("the account's server is no web address"))?
            .clear()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}
