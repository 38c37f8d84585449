//! TikTok's API for Business: the one interface by which comments below an account's own videos are read and answered.
//! TikTok's interface for developers has none (TikTok docs `sc`, read 2026-11-22), and the Research API is for approved
//! researchers, who may not use it for a brand (TikTok docs `about-research-api`, read 2026-11-22).
//!
//! Its documentation is shown to those who are logged in only. Requests and replies are as clients have them which quote it
//! (bububa/tiktok-business, `model/business/comment`, at 5789ccb, and three others, read 2026-11-26): header `Access-Token`,
//! `business_id` is the `open_id` of the login there; `GET /business/comment/list/` and `/business/comment/reply/list/` tell
//! 30 a page at most, perhaps fewer while `has_more`, as moderation takes some out; `POST /business/comment/reply/create/`
//! takes no key by which a second one could be told from the first. One of the four calls `sort_order` `sort_type`, so that the
//! order is not to be relied on. HTTP 200 with a `code` that is not 0 is an error. An
//! access token lasts for a day.

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::observe::is_id;
use super::types::{flag, number, text};
use crate::domain::retry::ErrorKind::{self, *};
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Body, Call, Decoded, Effect, Reply, Token};
use crate::platform::{Keys, RequestLog, comments};
use crate::secret::Secret;

/// Where its access token comes from, unless the account says otherwise.
pub const TOKEN_VARIABLE: &str = "TIKTOK_BUSINESS_ACCESS_TOKEN";

pub(super) mod operation {
    pub(in crate::platform::tiktok) const COMMENTS: &str = "comment/list";
    pub(in crate::platform::tiktok) const REPLIES: &str = "comment/reply/list";
    pub(in crate::platform::tiktok) const REPLY: &str = "comment/reply/create";
}

const ORIGIN: &str = "https://business-api.tiktok.com";
/// Below an account's endpoint the host becomes a part of the path.
const HOST: &str = "business-api.tiktok.com";
const VERSION: &str = "open_api/v1.3";
const PAGE_MAX: &str = "30";

/// Codes that say that nothing happened (a vendor's list of 2026 and two public clients, read 2026-11-26; whether 40100
/// is about requests or about the token is told both ways, and in both nothing happened).
const CODES: &[(i64, ErrorKind, &str)] = &[
    (40_001, Permission, "the app or its token may not do this for the account"),
    (40_002, Rejected, "the request was found wrong; see the message"),
    (40_007, Rejected, "there is no such video or comment"),
    (40_100, RateLimited, "too many requests, or a token that has expired"),
    (40_102, Permission, "the access token has expired: it lasts for a day"),
    (40_104, Permission, "the access token is missing"),
    (40_105, Permission, "the access token is wrong, or was revoked"),
];

/// Who asks, and where it is written down.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) token: &'a Secret,
    pub(super) business_id: &'a str,
    pub(super) log: &'a RequestLog,
}

/// A comment or an answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Comment {
    #[serde(deserialize_with = "text")]
    pub(super) comment_id: String,
    #[serde(deserialize_with = "text")]
    pub(super) text: String,
    #[serde(deserialize_with = "text")]
    pub(super) username: String,
    #[serde(deserialize_with = "text")]
    pub(super) display_name: String,
    /// Unix seconds.
    #[serde(deserialize_with = "number")]
    pub(super) create_time: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) likes: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) replies: Option<i64>,
    /// Whether it is by the account that the video belongs to.
    #[serde(deserialize_with = "flag")]
    pub(super) owner: bool,
    #[serde(deserialize_with = "text")]
    pub(super) status: String,
}

/// A page; without its list it is none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    pub(super) comments: Option<Vec<Comment>>,
    #[serde(deserialize_with = "number")]
    pub(super) cursor: Option<i64>,
    #[serde(deserialize_with = "flag")]
    pub(super) has_more: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Created {
    #[serde(deserialize_with = "text")]
    comment_id: String,
}

/// The token from the environment variable.
pub(super) fn token(keys: &Keys, variable: Option<&str>, operation: &'static str) -> Result<Secret, Error> {
    let variable = variable.unwrap_or(TOKEN_VARIABLE);
    keys(variable).filter(|token| !token.is_empty()).ok_or_else(|| {
        let variable = foreign(variable);
        let message =
            format!("set {variable}: comments go through TikTok's API for Business, with a login of its own");
        Error::new(operation, Permission, "business-token-missing", message)
    })
}

impl Client {
    /// The comments below a video, or the answers to one of them.
    pub(super) async fn comments(
        &self,
        session: Session<'_>,
        video: &str,
        parent: Option<&str>,
        cursor: Option<i64>,
    ) -> Result<Page, Error> {
        let (operation, path) = match parent {
            None => (operation::COMMENTS, "business/comment/list/"),
            Some(_) => (operation::REPLIES, "business/comment/reply/list/"),
        };
        let cursor = cursor.map(|cursor| cursor.to_string());
        let mut query = vec![("business_id", session.business_id), ("video_id", video), ("status", "ALL")];
        // The newest first, where it is heeded: in no order else.
        query.extend([("sort_field", "create_time"), ("sort_order", "desc"), ("max_count", PAGE_MAX)]);
        query.extend(parent.map(|parent| ("comment_id", parent)));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let url = self.business_url(operation, path, &query)?;
        let page: Page =
            self.ask_business(session, (operation, Effect::Harmless), (Method::GET, url), Body::None).await?;
        match &page.comments {
            Some(_) => Ok(page),
            None => {
                Err(super::types::unreadable(operation, Effect::Harmless, "it lacks the list of comments"))
            }
        }
    }

    /// Answers a comment, once. The id of the answer.
    pub(super) async fn reply(
        &self,
        session: Session<'_>,
        (video, comment): (&str, &str),
        text: &str,
    ) -> Result<String, Error> {
        let (operation, effect) = (operation::REPLY, Effect::Once);
        let url = self.business_url(operation, "business/comment/reply/create/", &[])?;
        let body = json!({
            "business_id": session.business_id,
            "video_id": video,
            "comment_id": comment,
            "text": text,
        });
        let how = (Method::POST, url);
        let created: Created = self.ask_business(session, (operation, effect), how, Body::Json(body)).await?;
        match is_id(&created.comment_id) {
            true => Ok(created.comment_id),
            false => Err(super::types::unreadable(operation, effect, "it lacks the answer's id")),
        }
    }

    fn business_url(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Url, Error> {
        let path = format!("{VERSION}/{path}");
        match self.is_replaced() {
            true => self.url(operation, &format!("/{HOST}/{path}"), query),
            false => self.url_at(Url::parse(ORIGIN).ok().as_ref(), operation, &format!("/{path}"), query),
        }
    }

    async fn ask_business<T: serde::de::DeserializeOwned>(
        &self,
        session: Session<'_>,
        (operation, effect): (&'static str, Effect),
        (method, url): (Method, Url),
        body: Body<'_>,
    ) -> Result<T, Error> {
        let token = Some(Token::Header("access-token", session.token));
        let call = Call { operation, effect, method, url, token, body };
        self.http().send(call, session.log, |reply| decode(operation, effect, reply)).await
    }
}

/// Reads a reply of the form `{"code": 0, "message": "OK", "request_id": …, "data": …}`.
pub(super) fn decode<T: serde::de::DeserializeOwned>(
    operation: &'static str,
    effect: Effect,
    reply: &Reply,
) -> Decoded<T> {
    let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    let log_id = body["request_id"].as_str().map(foreign).filter(|id| !id.is_empty());
    let code = super::types::number_of(&body["code"]);
    let result = match code {
        Some(0) if reply.status < 300 => serde_json::from_value(body["data"].clone())
            .map_err(|why| super::types::unreadable(operation, effect, &why.to_string())),
        code => Err(refused(
            (operation, effect),
            reply.status,
            code,
            body["message"].as_str().unwrap_or_default(),
        )),
    };
    Decoded { result: result.map_err(|error| Error { log_id: log_id.clone(), ..error }), log_id }
}

/// A request that may publish is ambiguous unless the code says that nothing happened.
fn refused(
    (operation, effect): (&'static str, Effect),
    status: u16,
    code: Option<i64>,
    message: &str,
) -> Error {
    let known = CODES.iter().find(|(known, ..)| Some(*known) == code).filter(|_| status < 500);
    let (kind, advice) = match known {
        Some((_, kind, advice)) => (*kind, *advice),
        None if effect == Effect::Once => (Ambiguous, "an answer that is not documented"),
        None if status == 429 => (RateLimited, "too many requests"),
        None if status >= 500 || code.is_some_and(|code| code >= 50_000) => {
            (Transient, "a fault at TikTok's")
        }
        None => (Protocol, "an answer that is not documented"),
    };
    let code = code.map_or(format!("http-{status}"), |code| code.to_string());
    let message = format!("{advice}: {}", foreign(message));
    let message = format!("{} (HTTP {status}, code {code})", message.trim_end_matches([':', ' ']));
    Error::new(operation, kind, code, message)
}

/// For people, and for whoever answers.
pub(super) fn listed(page: Page) -> comments::Page {
    let next = page.cursor.filter(|_| page.has_more).map(|cursor| cursor.to_string());
    let known = page.comments.unwrap_or_default().into_iter().filter(|comment| is_id(&comment.comment_id));
    let count = |count: Option<i64>| u64::try_from(count?).ok();
    let comment = |comment: Comment| comments::Comment {
        id: comment.comment_id,
        text: comments::cut(&comment.text),
        by: [comment.username, comment.display_name]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
        at: comments::moment(comment.create_time),
        likes: count(comment.likes),
        replies: count(comment.replies),
        is_own: comment.owner,
        is_hidden: !matches!(comment.status.as_str(), "" | "PUBLIC"),
    };
    comments::Page { comments: known.map(comment).collect(), next }
}

#[cfg(test)]
mod tests;
