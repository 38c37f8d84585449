//! Rate limits (docs api/rate-limits, rack_attack.rb, rate_limiter.rb; read 2026-11-22). Several count at once; the headers
//! tell the one with the least left, and when it starts anew as a date. There is no `Retry-After`.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::super::Server;
use super::bearer_digest;
use super::model::{Model, Window};

const MINUTE_MS: i64 = 60_000;
/// All tokens of a user together, in 5 minutes.
const USER_MAX: u32 = 1_500;
/// New apps from an address, in 10 minutes.
const APPS_MAX: u32 = 5;
const POSTS_WINDOW_MS: i64 = 180 * MINUTE_MS;

/// Counts a request everywhere; the window that forbids it, or else the closest. Nothing outside of `/api/`.
pub(super) fn take(server: &Server, operation: &str, parts: &Parts) -> Option<Window> {
    if !parts.uri.path().starts_with("/api/") {
        return None;
    }
    let now = server.now();
    let mut model = server.mastodon();
    let setup = model.setup.clone();
    let digest = bearer_digest(&parts.headers);
    let user = user(&model, digest.as_deref());
    let mut counted: Vec<(String, u32, i64)> = Vec::new();
    match (&digest, &user) {
        (Some(digest), Some(user)) => {
            counted.push((format!("token {digest}"), setup.requests_max, 5));
            counted.push((format!("user {user}"), USER_MAX.max(setup.requests_max), 5));
        }
        _ => counted.push(("address".to_owned(), setup.requests_max, 5)),
    }
    let who = user.unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let is_page = query
        .split('&')
        .any(|pair| ["max_id=", "min_id=", "since_id="].iter().any(|id| pair.starts_with(id)));
    for (applies, name, max, minutes) in [
        (operation == "media_upload", "uploads", setup.uploads_max, 30),
        (operation == "status_delete", "deletions", setup.deletions_max, 30),
        (is_page, "pages", setup.pages_max, 15),
        (operation == "app_register", "apps", APPS_MAX, 10),
    ] {
        if applies {
            counted.push((format!("{name} {who}"), max, minutes));
        }
    }
    let windows = counted.iter().map(|(name, max, minutes)| model.take(name, *max, minutes * MINUTE_MS, now));
    windows.min_by_key(|window| (window.is_allowed, window.left))
}

fn user(model: &Model, digest: Option<&str>) -> Option<String> {
    let token = model.kept.tokens.iter().find(|token| Some(token.sha256.as_str()) == digest)?;
    token.account.clone()
}

/// Counts a new post or an edit. False when there were too many.
pub(super) fn take_post(model: &mut Model, account: &str, now: i64) -> bool {
    let max = model.setup.posts_max;
    model.take(&posts(account), max, POSTS_WINDOW_MS, now).is_allowed
}

fn posts(account: &str) -> String {
    format!("posts {account}")
}

/// Where posts are written, theirs may be the closest.
pub(super) fn closest(
    server: &Server,
    operation: &str,
    parts: &Parts,
    limited: Option<Window>,
) -> Option<Window> {
    if !matches!(operation, "status_create" | "status_edit") {
        return limited;
    }
    let model = server.mastodon();
    let user = user(&model, bearer_digest(&parts.headers).as_deref());
    let own =
        user.map(|user| model.look(&posts(&user), model.setup.posts_max, POSTS_WINDOW_MS, server.now()));
    own.into_iter().chain(limited).min_by_key(|window| window.left)
}

pub(super) fn show(window: Window, headers: &mut HeaderMap) {
    let reset = jiff::Timestamp::from_millisecond(window.reset).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    for (name, value) in [
        ("x-ratelimit-limit", window.limit.to_string()),
        ("x-ratelimit-remaining", window.left.to_string()),
        ("x-ratelimit-reset", reset.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()),
    ] {
        let value = HeaderValue::try_from(value).expect("digits and dashes are a header value");
        headers.insert(HeaderName::from_static(name), value);
    }
}
