//! TikTok's developer API: OAuth, Content Posting, Display, uploads (TikTok docs, read 2026-11-22).
//!
//! Where the documentation leaves a choice, the stricter reading is modelled: what passes here should pass there.

mod comments;
mod consent;
mod display;
mod init;
mod model;
mod oauth;
mod pull;
mod qr;
mod reply;
mod rules;
mod status;
#[cfg(test)]
mod tests;
mod upload;
mod webhooks;

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

pub use self::comments::Answer;
use self::reply::Refusal;
use super::http::{self, Reply};
use super::settings::AccountSetup;
use super::{Server, feed, files, random};

pub(super) use self::consent::redirect_query;
pub(super) use self::model::{Mode, Model, Phase, Publication, Source};
pub(super) use self::oauth::issue_grant;
pub(super) use self::pull::resume_pulls;
pub(super) use self::reply::error as error_reply;
pub(super) use self::webhooks::{deliver_to, signature};

/// The operation's name, which faults and the list of requests go by. Paths end in a slash, as documented; the
/// upload address has none, or `curl -T` would add the name of its file.
pub(super) fn operation(method: &Method, path: &str) -> &'static str {
    match (method.as_str(), path) {
        ("GET", "/v2/auth/authorize/") => "authorize",
        ("POST", "/v2/auth/authorize/") => "consent",
        ("POST", "/v2/oauth/token/") => "token",
        ("POST", "/v2/oauth/revoke/") => "revoke",
        ("POST", "/v2/oauth/get_qrcode/") => "qr_ask",
        ("POST", "/v2/oauth/check_qrcode/") => "qr_check",
        ("GET", "/v2/auth/qrcode/") => "qr_scan",
        ("POST", "/v2/auth/qrcode/") => "qr_consent",
        ("POST", "/v2/post/publish/creator_info/query/") => "creator_info",
        ("POST", "/v2/post/publish/video/init/") => "video_init",
        ("POST", "/v2/post/publish/inbox/video/init/") => "inbox_init",
        ("POST", "/v2/post/publish/content/init/") => "content_init",
        ("POST", "/v2/post/publish/status/fetch/") => "status",
        ("POST", "/v2/post/publish/cancel/") => "cancel",
        ("GET", "/v2/user/info/") => "user_info",
        ("POST", "/v2/video/list/") => "video_list",
        ("POST", "/v2/video/query/") => "video_query",
        (method, path) if path.starts_with(comments::PREFIX) => {
            match (method, &path[comments::PREFIX.len()..]) {
                ("GET", "list/") => "comment_list",
                ("GET", "reply/list/") => "comment_reply_list",
                ("POST", "reply/create/") => "comment_reply_create",
                _ => "unknown",
            }
        }
        ("POST", "/v2/research/video/comment/list/") => "research_comments",
        ("PUT", "/upload") => "upload",
        ("GET", path) if path.starts_with("/content/") => "content",
        ("GET", path) if path.starts_with("/media/") => "media",
        ("GET", path) if path == "/" || path.starts_with("/@") || path.starts_with("/profile/") => "feed",
        _ => "unknown",
    }
}

pub(super) async fn handle(
    server: &Arc<Server>,
    operation: &'static str,
    parts: &Parts,
    body: &mut Incoming,
) -> Reply {
    let path = parts.uri.path();
    match operation {
        "authorize" => consent::show(server, parts),
        "consent" => consent::decide(server, body).await,
        "token" => oauth::token(server, parts, body).await,
        "revoke" => oauth::revoke(server, parts, body).await,
        "qr_ask" => qr::ask(server, parts, body).await,
        "qr_check" => qr::check(server, parts, body).await,
        "qr_scan" => qr::show(server, parts),
        "qr_consent" => qr::decide(server, body).await,
        "upload" => upload::put(server, parts, body).await,
        "content" => files::content(server, &parts.headers, &path["/content/".len()..]).await,
        "media" => feed::media(server, &parts.headers, &path["/media/".len()..]).await,
        "feed" => feed::page(server, path),
        "comment_list" | "comment_reply_list" | "comment_reply_create" => {
            comments::handle(server, operation, parts, body).await
        }
        "research_comments" => comments::research(server, parts, body).await,
        "unknown" => http::not_found(),
        _ => api(server, operation, parts, body).await.unwrap_or_else(|refusal| refusal.reply()),
    }
}

async fn api(
    server: &Arc<Server>,
    operation: &'static str,
    parts: &Parts,
    body: &mut Incoming,
) -> Result<Reply, Refusal> {
    let body = http::collect(body).await;
    let caller = Caller::admit(server, operation, &parts.headers)?;
    let body = body.ok_or_else(|| Refusal::params("The request body is too large or incomplete"))?;
    let call = Call { server, caller, query: parts.uri.query(), body: parse_body(&parts.headers, &body)? };
    match operation {
        "creator_info" => status::creator_info(&call),
        "video_init" => init::video(&call, Mode::Direct),
        "inbox_init" => init::video(&call, Mode::Inbox),
        "content_init" => init::photos(&call),
        "status" => status::fetch(&call),
        "cancel" => status::cancel(&call),
        "user_info" => display::user_info(&call),
        "video_list" => display::video_list(&call),
        _ => display::video_query(&call),
    }
}

/// A request whose token was good.
struct Call<'a> {
    server: &'a Arc<Server>,
    caller: Caller,
    query: Option<&'a str>,
    body: Map<String, Value>,
}

struct Caller {
    account: AccountSetup,
    family: u64,
    scopes: Vec<String>,
}

impl Caller {
    /// Token, then scope, then rate limit.
    fn admit(server: &Server, operation: &'static str, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let now = server.now();
        let invalid = || Refusal::new("access_token_invalid", "The access token is invalid or not found");
        let digest = bearer_digest(headers).ok_or_else(invalid)?;
        let mut model = server.model();
        let live = |grant: &&model::Grant| {
            !grant.revoked && grant.access_sha256 == digest && now < grant.access_expires_at
        };
        let grant = model.grants.iter().find(live).cloned().ok_or_else(invalid)?;
        let account = model.account(&grant.account).cloned().ok_or_else(invalid)?;
        let caller = Caller { account, family: grant.family, scopes: grant.scopes };
        if !scopes_for(operation).is_empty() && !scopes_for(operation).iter().any(|scope| caller.has(scope)) {
            return Err(caller.refuse_scope());
        }
        if !model.take(caller.family, operation, limit_per_minute(operation), now) {
            return Err(Refusal::new("rate_limit_exceeded", "The API rate limit was exceeded"));
        }
        Ok(caller)
    }

    fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    fn refuse_scope(&self) -> Refusal {
        Refusal::new(
            "scope_not_authorized",
            "The user did not authorize the scope required for completing this request",
        )
    }
}

/// One of these is needed (TikTok docs `sc`). Photos depend on the mode, so they are checked there.
fn scopes_for(operation: &str) -> &'static [&'static str] {
    match operation {
        "creator_info" | "video_init" => &["video.publish"],
        "inbox_init" => &["video.upload"],
        "content_init" | "status" | "cancel" => &["video.publish", "video.upload"],
        "user_info" => &["user.info.basic", "user.info.profile", "user.info.stats"],
        _ => &["video.list"],
    }
}

/// TikTok docs `dp`, `up`, `ph`, `ci`, `st`, `rl`. For `cancel` none is documented; it gets that of `status`.
fn limit_per_minute(operation: &str) -> usize {
    match operation {
        "video_init" | "inbox_init" | "content_init" => 6,
        "creator_info" => 20,
        "status" | "cancel" => 30,
        _ => 600,
    }
}

fn bearer_digest(headers: &HeaderMap) -> Option<String> {
    let token = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    Some(random::sha256_hex(token))
}

fn parse_body(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    if !has_type(headers, "application/json") {
        return Err(Refusal::params("The content type must be application/json"));
    }
    serde_json::from_slice(body).map_err(|_| Refusal::params("The request body is not a JSON object"))
}

fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(expected))
}

pub(super) fn expire_access_token(server: &Server, parts: &Parts) {
    let (now, digest) = (server.now(), bearer_digest(&parts.headers));
    let mut model = server.model();
    for grant in model.grants.iter_mut().filter(|grant| Some(&grant.access_sha256) == digest.as_ref()) {
        grant.access_expires_at = now;
    }
    if let Err(error) = model.save_grants(&server.store) {
        tracing::warn!(%error, "rehearsal state was not stored");
    }
}

pub(super) fn finish_draft(server: &Server, publish_id: &str) -> bool {
    server.model().finish_draft(&server.store, publish_id, server.now())
}

/// Answers to comments, in the order in which they came.
pub(super) fn answers(server: &Server) -> Vec<Answer> {
    server.model().answers.all().to_vec()
}

/// The creator makes another post of a draft.
pub(super) fn finish_draft_again(server: &Server, publish_id: &str) -> io::Result<bool> {
    server.model().finish_draft_again(&server.store, publish_id, server.now())
}

/// The creator posts a public video without us.
pub(super) fn post_in_app(server: &Server, account: &str, text: &str, at: i64) -> io::Result<i64> {
    server.model().post_in_app(&server.store, account, text, at)
}

/// The creator takes a public post back. False when it is not public.
pub(super) fn hide(server: &Server, publish_id: &str) -> bool {
    server.model().change(&server.store, publish_id, |post| post.hidden = true)
}

/// The creator makes it public again. False when it never was.
pub(super) fn show(server: &Server, publish_id: &str) -> bool {
    server.model().change(&server.store, publish_id, |post| post.hidden = false)
}

/// So many more people watch a post that has been public. False when there is none.
pub(super) fn watch(server: &Server, publish_id: &str, views: u64) -> bool {
    server.model().change(&server.store, publish_id, |post| post.views = post.views.saturating_add(views))
}

/// The creator writes another caption below a post that has been public. False when there is none.
pub(super) fn reword(server: &Server, publish_id: &str, text: &str) -> bool {
    server.model().change(&server.store, publish_id, |post| post.post.title = text.to_owned())
}

/// The creator takes all of the account's logins back, in the app's settings.
pub(super) fn disconnect(server: &Server, account: &str) -> io::Result<()> {
    let mut model = server.model();
    model.grants.iter_mut().filter(|grant| grant.account == account).for_each(|grant| grant.revoked = true);
    model.save_grants(&server.store)
}

/// Pairs of a query or a form body, decoded once.
fn form_pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| files::percent_decode(&part.replace('+', " ")).unwrap_or_default();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

fn field<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// An HTTP error of the browser's side, as a page for a person.
fn page_error(message: &str) -> Reply {
    http::text(StatusCode::BAD_REQUEST, message)
}
