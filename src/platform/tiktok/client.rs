//! TikTok's endpoints, one method each, without policy. Paths keep their trailing slashes: TikTok requires them.

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::oauth;
use super::types::{self, CreatorInfo, Found, Init, Status, User, UserInfo, Video, Videos};
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::platform::error::Error;
use crate::platform::http::{Body, Call, Decoded, Effect, Http, Reply, Token};
use crate::platform::{RequestLog, upload};

/// Names of the operations, as rate limits and the log know them.
pub(super) mod operation {
    pub(in crate::platform::tiktok) const CREATOR_INFO: &str = "creator_info/query";
    pub(in crate::platform::tiktok) const VIDEO_INIT: &str = "video/init";
    pub(in crate::platform::tiktok) const INBOX_INIT: &str = "inbox/video/init";
    pub(in crate::platform::tiktok) const CONTENT_INIT: &str = "content/init";
    pub(in crate::platform::tiktok) const STATUS: &str = "status/fetch";
    pub(in crate::platform::tiktok) const CANCEL: &str = "cancel";
    pub(in crate::platform::tiktok) const UPLOAD: &str = "upload";
    pub(in crate::platform::tiktok) const USER_INFO: &str = "user/info";
    pub(in crate::platform::tiktok) const VIDEO_LIST: &str = "video/list";
    pub(in crate::platform::tiktok) const VIDEO_QUERY: &str = "video/query";
    pub(in crate::platform::tiktok) const TOKEN: &str = "oauth/token";
    pub(in crate::platform::tiktok) const REVOKE: &str = "oauth/revoke";
    pub(in crate::platform::tiktok) const QR_ASK: &str = "oauth/get_qrcode";
    pub(in crate::platform::tiktok) const QR_CHECK: &str = "oauth/check_qrcode";
    /// No request at all.
    pub(in crate::platform::tiktok) const NOTHING: &str = "nothing";
}

/// Of all calls but uploads and the authorize page (TikTok docs `oget`, `dp`, read 2026-11-22).
pub(super) const ORIGIN: &str = "https://open.tiktokapis.com";
/// Of the authorize page alone (TikTok docs `lkw`, read 2026-11-22).
const AUTHORIZE_ORIGIN: &str = "https://www.tiktok.com";
/// The domain of upload URLs (TikTok docs `mt`, read 2026-11-22, name three hosts under it).
const UPLOAD_DOMAIN: &str = "tiktokapis.com";
/// TikTok announces at most 256 bytes for an upload URL and 64 for a publish id (TikTok docs `dp`, read 2026-11-22);
/// what is longer than this is nothing to store.
const URL_BYTES_MAX: usize = 4_096;
const ID_BYTES_MAX: usize = 1_024;
/// Items on a page of `video/list`, and ids in a `video/query` (TikTok docs `vl`, `vq`, read 2026-11-22).
pub(super) const PAGE_MAX: usize = 20;

const USER_FIELDS_BASIC: &str = "open_id,display_name";
const USER_FIELDS_PROFILE: &str = "open_id,display_name,username";
const VIDEO_FIELDS: &str = "id,create_time,share_url,video_description,title";
const COUNTED_FIELDS: &str =
    "id,create_time,share_url,video_description,title,view_count,like_count,comment_count,share_count";

pub(super) struct Client {
    http: Http,
    base: Result<Url, String>,
    /// Whether `base` is the account's own choice.
    replaced: bool,
}

/// Whose request it is, and where it is written down.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) grant: &'a Grant,
    pub(super) log: &'a RequestLog,
}

impl Client {
    pub(super) fn new(http: Http, endpoint: Option<&str>) -> Client {
        let text = endpoint.unwrap_or(ORIGIN);
        let base = Url::parse(text).map_err(|why| format!("the account's endpoint is no URL: {why}"));
        Client { http, base, replaced: endpoint.is_some() }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// Whether an endpoint takes the place of TikTok's hosts.
    pub(super) fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// Scheme, host and port, without a trailing slash.
    pub(super) fn origin(&self) -> String {
        self.base.as_ref().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.base.as_ref().is_ok_and(crate::platform::http::is_loopback)
    }

    pub(super) async fn creator_info(&self, session: Session<'_>) -> Result<CreatorInfo, Error> {
        let (operation, path) = (operation::CREATOR_INFO, "/v2/post/publish/creator_info/query/");
        self.post(session, operation, path, &[], json!({}), Effect::Harmless).await
    }

    /// `video/init` or `inbox/video/init`. One with a file upload makes nothing public; one with a URL may.
    pub(super) async fn video_init(
        &self,
        session: Session<'_>,
        operation: &'static str,
        body: Value,
        effect: Effect,
    ) -> Result<Init, Error> {
        let path = match operation {
            operation::INBOX_INIT => "/v2/post/publish/inbox/video/init/",
            _ => "/v2/post/publish/video/init/",
        };
        self.init(session, operation, path, body, effect).await
    }

    /// Photos: TikTok pulls them and publishes.
    pub(super) async fn content_init(&self, session: Session<'_>, body: Value) -> Result<Init, Error> {
        let (operation, path) = (operation::CONTENT_INIT, "/v2/post/publish/content/init/");
        self.init(session, operation, path, body, Effect::Once).await
    }

    async fn init(
        &self,
        session: Session<'_>,
        operation: &'static str,
        path: &str,
        body: Value,
        effect: Effect,
    ) -> Result<Init, Error> {
        let url = self.url(operation, path, &[])?;
        let call = Call {
            operation,
            effect,
            method: Method::POST,
            url,
            token: Some(Token::Bearer(&session.grant.access)),
            body: Body::Json(body),
        };
        let decode = |reply: &Reply| {
            let Decoded { result, log_id } = types::decode::<Init>(operation, effect, reply);
            let result = result.and_then(|init| match init.publish_id.is_empty() {
                false if init.publish_id.len() <= ID_BYTES_MAX => Ok(init),
                _ => Err(types::unreadable(operation, effect, "it lacks a usable publish_id")),
            });
            Decoded { result, log_id }
        };
        self.http.send(call, session.log, decode).await
    }

    pub(super) async fn status(&self, session: Session<'_>, publish_id: &str) -> Result<Status, Error> {
        let body = json!({ "publish_id": publish_id });
        let path = "/v2/post/publish/status/fetch/";
        self.post(session, operation::STATUS, path, &[], body, Effect::Harmless).await
    }

    /// Best effort, and only while TikTok pulls (TikTok's page on cancelling, copy read 2026-11-22).
    pub(super) async fn cancel(&self, session: Session<'_>, publish_id: &str) -> Result<(), Error> {
        let body = json!({ "publish_id": publish_id });
        let path = "/v2/post/publish/cancel/";
        let done: Result<Value, Error> =
            self.post(session, operation::CANCEL, path, &[], body, Effect::Harmless).await;
        done.map(|_| ())
    }

    /// The account's owner. The username needs the scope `user.info.profile`, which is asked for only where granted.
    pub(super) async fn user_info(&self, session: Session<'_>) -> Result<User, Error> {
        let operation = operation::USER_INFO;
        let profile = session.grant.scopes.iter().any(|scope| scope == "user.info.profile");
        let fields = if profile { USER_FIELDS_PROFILE } else { USER_FIELDS_BASIC };
        let call = Call {
            operation,
            effect: Effect::Harmless,
            method: Method::GET,
            url: self.url(operation, "/v2/user/info/", &[("fields", fields)])?,
            token: Some(Token::Bearer(&session.grant.access)),
            body: Body::None,
        };
        let decode = |reply: &Reply| types::decode::<UserInfo>(operation, Effect::Harmless, reply);
        self.http.send(call, session.log, decode).await.map(|info| info.user)
    }

    /// One page of the creator's public posts, newest first.
    pub(super) async fn video_list(
        &self,
        session: Session<'_>,
        cursor: Option<i64>,
    ) -> Result<Videos, Error> {
        let mut body = json!({ "max_count": PAGE_MAX });
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let query = [("fields", VIDEO_FIELDS)];
        self.post(session, operation::VIDEO_LIST, "/v2/video/list/", &query, body, Effect::Harmless).await
    }

    /// At most [`PAGE_MAX`] posts by their ids; those that are not public are left out. What is no whole answer to just
    /// these ids is an error: that a post is left out of it would mean nothing.
    pub(super) async fn video_query(
        &self,
        session: Session<'_>,
        ids: &[String],
    ) -> Result<Vec<Video>, Error> {
        let body = json!({ "filters": { "video_ids": &ids[..ids.len().min(PAGE_MAX)] } });
        let (path, query) = ("/v2/video/query/", [("fields", COUNTED_FIELDS)]);
        let operation = operation::VIDEO_QUERY;
        let found: Found = self.post(session, operation, path, &query, body, Effect::Harmless).await?;
        let unreadable = |what| types::unreadable(operation, Effect::Harmless, what);
        let videos = found.videos.ok_or_else(|| unreadable("it lacks the list of videos"))?;
        match videos.iter().all(|video| ids.contains(&video.id)) {
            true => Ok(videos),
            false => Err(unreadable("it holds a video that was not asked for")),
        }
    }

    /// The page on which a creator grants, with `query` (TikTok docs `lkw`, read 2026-11-22).
    pub(super) fn authorize_page(&self, query: &[(&str, &str)]) -> Result<Url, Error> {
        let page = if self.replaced { None } else { Url::parse(AUTHORIZE_ORIGIN).ok() };
        self.url_at(page.as_ref(), "authorize", "/v2/auth/authorize/", query)
    }

    /// An OAuth endpoint; its replies are flat. With [`Effect::Once`] it may use up a token or a code.
    pub(super) async fn oauth(
        &self,
        (operation, effect): (&'static str, Effect),
        form: Vec<(&'static str, &str)>,
        log: &RequestLog,
    ) -> Result<Value, Error> {
        let path = match operation {
            operation::REVOKE => "/v2/oauth/revoke/",
            operation::QR_ASK => "/v2/oauth/get_qrcode/",
            operation::QR_CHECK => "/v2/oauth/check_qrcode/",
            _ => "/v2/oauth/token/",
        };
        let url = self.url(operation, path, &[])?;
        let call = Call { operation, effect, method: Method::POST, url, token: None, body: Body::Form(form) };
        self.http.send(call, log, |reply| oauth::decode(operation, effect, reply)).await
    }

    /// One chunk, to an address that [`check_upload_url`](Self::check_upload_url) let pass. No bearer token: the
    /// address is the permission (TikTok docs `mt`, read 2026-11-22). Returns the reply whatever its status.
    pub(super) async fn put(
        &self,
        url: Url,
        part: upload::Part,
        (content_type, content_range): (&'static str, String),
        effect: Effect,
        log: &RequestLog,
        judge: impl FnOnce(&Reply) -> Result<super::media::Stored, Error>,
    ) -> Result<super::media::Stored, Error> {
        let body = Body::Upload { part, content_type, content_range: Some(content_range) };
        let call = Call { operation: operation::UPLOAD, effect, method: Method::PUT, url, token: None, body };
        self.http.send(call, log, |reply| Decoded { result: judge(reply), log_id: None }).await
    }

    /// An upload URL comes from a reply: bytes go only to TikTok's own hosts, or to the endpoint's own.
    pub(super) fn check_upload_url(&self, text: &str) -> Result<Url, Error> {
        let refuse = |host: &str| {
            let host = crate::platform::error::foreign(host);
            let message = format!("TikTok named an upload host that is not its own: {host}");
            Err(Error::new(operation::UPLOAD, ErrorKind::Protocol, "foreign-upload-host", message))
        };
        let url = (text.len() <= URL_BYTES_MAX).then(|| Url::parse(text).ok()).flatten();
        let Some(url) = url else { return refuse("(no URL)") };
        let host = url.host_str().unwrap_or_default();
        let inside =
            host == UPLOAD_DOMAIN || host.strip_suffix(UPLOAD_DOMAIN).is_some_and(|h| h.ends_with('.'));
        let tiktoks = url.scheme() == "https" && inside && url.port_or_known_default() == Some(443);
        let own = self.replaced && self.base.as_ref().is_ok_and(|base| base.origin() == url.origin());
        let anonymous = url.username().is_empty() && url.password().is_none();
        if anonymous && (tiktoks || own) { Ok(url) } else { refuse(host) }
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        session: Session<'_>,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
        body: Value,
        effect: Effect,
    ) -> Result<T, Error> {
        let call = Call {
            operation,
            effect,
            method: Method::POST,
            url: self.url(operation, path, query)?,
            token: Some(Token::Bearer(&session.grant.access)),
            body: Body::Json(body),
        };
        let decode = |reply: &Reply| types::decode(operation, effect, reply);
        self.http.send(call, session.log, decode).await
    }

    pub(super) fn url(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Url, Error> {
        self.url_at(None, operation, path, query)
    }

    /// `path` with `query` at `base`, or at the origin of all calls.
    pub(super) fn url_at(
        &self,
        base: Option<&Url>,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Url, Error> {
        let base = base.map_or(self.base.as_ref(), Ok);
        let mut url =
            base.map_err(|why| Error::new(operation, ErrorKind::Local, "bad-endpoint", why))?.clone();
        url.set_path(path);
        url.set_query(None);
        url.set_fragment(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_only_to_tiktoks_hosts_or_the_endpoints_own() {
        let real = Client::new(Http::default(), None);
        let local = Client::new(Http::default(), Some("http://127.0.0.1:4010"));
        let table = [
            ("https://open-upload.tiktokapis.com/video/?upload_id=1&upload_token=t", true, true),
            ("https://upload.us.tiktokapis.com/video/", true, true),
            ("https://tiktokapis.com/x", true, true),
            ("http://open-upload.tiktokapis.com/video/", false, false),
            ("https://open-upload.tiktokapis.com:8443/video/", false, false),
            ("https://tiktokapis.com.evil.example/", false, false),
            ("https://eviltiktokapis.com/", false, false),
            ("https://evil.example/?h=.tiktokapis.com", false, false),
            ("https://tiktokapis.com@evil.example/", false, false),
            ("https://user@open-upload.tiktokapis.com/", false, false),
            ("http://127.0.0.1:4010/upload/1", false, true),
            ("http://127.0.0.1:4011/upload/1", false, false),
            ("http://localhost:4010/upload/1", false, false),
            ("not a url", false, false),
        ];
        for (url, by_real, by_local) in table {
            assert_eq!(real.check_upload_url(url).is_ok(), by_real, "{url}");
            assert_eq!(local.check_upload_url(url).is_ok(), by_local, "{url} with an endpoint");
        }
        let error = real.check_upload_url("https://evil.example/?upload_token=secret").expect_err("foreign");
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn an_endpoint_replaces_scheme_and_host_only() {
        let client = Client::new(Http::default(), Some("http://127.0.0.1:4010/ignored?x=1"));
        let url = client.url("user/info", "/v2/user/info/", &[("fields", "a,b")]).expect("url");
        assert_eq!(url.as_str(), "http://127.0.0.1:4010/v2/user/info/?fields=a%2Cb");
        assert_eq!(client.origin(), "http://127.0.0.1:4010");
        assert_eq!(Client::new(Http::default(), None).origin(), ORIGIN);
    }
}
