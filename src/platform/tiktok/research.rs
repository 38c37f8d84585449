//! TikTok's Research API, which shows the comments below any public video: to approved researchers, and for nothing
//! commercial (TikTok docs `about-research-api`, read 2026-11-22). It has no authors, and answers nobody (TikTok docs `rvc`,
//! revised 2026-09-01).

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, operation as common};
use super::observe::is_id;
use super::types::{self, flag, number, number_of, text};
use crate::platform::error::Error;
use crate::platform::http::{Body, Call, Effect, Reply, Token};
use crate::platform::{Keys, RequestLog, comments};
use crate::secret::Secret;

/// Where the researcher's own client comes from.
pub(super) const KEY_VARIABLE: &str = "TIKTOK_RESEARCH_CLIENT_KEY";
pub(super) const SECRET_VARIABLE: &str = "TIKTOK_RESEARCH_CLIENT_SECRET";

pub(super) const OPERATION: &str = "research/video/comment/list";
const FIELDS: &str = "id,text,like_count,reply_count,parent_comment_id,create_time";
/// Comments on a page, and those that are shown of a video in all (TikTok docs `rvc`, revised 2026-09-01).
const PAGE_MAX: i64 = 100;
const SHOWN_MAX: i64 = 1_000;
/// An access token with less life left is not used.
const LIFE_MIN: SignedDuration = SignedDuration::from_secs(60);

/// The researcher's client.
pub(super) struct App {
    key: Secret,
    secret: Secret,
}

/// An access token and when it ends.
#[derive(Debug, Clone)]
pub(super) struct Access {
    token: Secret,
    ends_at: Timestamp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    pub(super) comments: Option<Vec<Comment>>,
    #[serde(deserialize_with = "number")]
    pub(super) cursor: Option<i64>,
    #[serde(deserialize_with = "flag")]
    has_more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Comment {
    #[serde(deserialize_with = "text")]
    id: String,
    #[serde(deserialize_with = "text")]
    text: String,
    /// Unix seconds.
    #[serde(deserialize_with = "number")]
    create_time: Option<i64>,
    #[serde(deserialize_with = "number")]
    like_count: Option<i64>,
    #[serde(deserialize_with = "number")]
    reply_count: Option<i64>,
}

impl App {
    /// `None`: nobody here is a researcher.
    pub(super) fn of(keys: &Keys) -> Option<App> {
        let find = |name| keys(name).filter(|key| !key.is_empty());
        Some(App { key: find(KEY_VARIABLE)?, secret: find(SECRET_VARIABLE)? })
    }
}

impl Access {
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        self.ends_at.duration_since(now) > LIFE_MIN
    }
}

impl Client {
    /// A client's own access token: nobody has logged in for it (TikTok docs `rvc`, revised 2026-09-01).
    pub(super) async fn research_access(
        &self,
        app: &App,
        now: Timestamp,
        log: &RequestLog,
    ) -> Result<Access, Error> {
        let form = vec![
            ("client_key", app.key.expose()),
            ("client_secret", app.secret.expose()),
            ("grant_type", "client_credentials"),
        ];
        let reply = self.oauth((common::TOKEN, Effect::Harmless), form, log).await?;
        let token = reply["access_token"].as_str().filter(|token| !token.is_empty());
        let life = number_of(&reply["expires_in"]).and_then(|life| u32::try_from(life).ok());
        match token.zip(life) {
            Some((token, life)) => Ok(Access {
                token: Secret::new(token),
                ends_at: now.saturating_add(SignedDuration::from_secs(life.into())).unwrap_or(now),
            }),
            None => Err(types::unreadable(common::TOKEN, Effect::Harmless, "it lacks the token or its life")),
        }
    }

    /// The comments below a video, from `cursor` on.
    pub(super) async fn research_comments(
        &self,
        access: &Access,
        video: &str,
        cursor: i64,
        log: &RequestLog,
    ) -> Result<comments::Page, Error> {
        let unreadable = |what| types::unreadable(OPERATION, Effect::Harmless, what);
        let video: u64 = video.parse().map_err(|_| unreadable("the post's id is no number"))?;
        let count = (SHOWN_MAX - cursor).clamp(1, PAGE_MAX);
        let call = Call {
            operation: OPERATION,
            effect: Effect::Harmless,
            method: Method::POST,
            url: self.url(OPERATION, "/v2/research/video/comment/list/", &[("fields", FIELDS)])?,
            token: Some(Token::Bearer(&access.token)),
            body: Body::Json(json!({ "video_id": video, "max_count": count, "cursor": cursor })),
        };
        let decode = |reply: &Reply| types::decode::<Page>(OPERATION, Effect::Harmless, reply);
        let page = self.http().send(call, log, decode).await?;
        match page.comments {
            Some(found) => Ok(listed(found, page.cursor.filter(|_| page.has_more))),
            None => Err(unreadable("it lacks the list of comments")),
        }
    }
}

pub(super) fn listed(found: Vec<Comment>, next: Option<i64>) -> comments::Page {
    let count = |count: Option<i64>| u64::try_from(count?).ok();
    let comment = |comment: Comment| comments::Comment {
        id: comment.id,
        text: comments::cut(&comment.text),
        at: comments::moment(comment.create_time),
        likes: count(comment.like_count),
        replies: count(comment.reply_count),
        ..comments::Comment::default()
    };
    let known = found.into_iter().filter(|comment| is_id(&comment.id));
    let next = next.filter(|next| (1..SHOWN_MAX).contains(next)).map(|next| next.to_string());
    comments::Page { comments: known.map(comment).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_shape_is_read_and_the_end_of_what_is_shown_is_the_end() {
        let body = r#"{"comments":[
            {"text":"AWE","video_id":1234563451201523412,"create_time":1671491598,"id":7178997441201524010,"like_count":50,
             "parent_comment_id":1234561201524010,"reply_count":10},
            {"id":"8","create_time":0,"like_count":-1,"unknown":{}},{"id":"../9"},{}],"has_more":true,"cursor":300}"#;
        let page: Page = serde_json::from_str(body).expect("readable");
        let found = listed(page.comments.expect("a list"), page.cursor);
        assert_eq!(found.comments.len(), 2);
        let first = &found.comments[0];
        assert_eq!(
            (first.id.as_str(), first.likes, first.replies),
            ("7178997441201524010", Some(50), Some(10))
        );
        assert_eq!(first.at.map(|at| at.as_second()), Some(1_671_491_598));
        assert_eq!(found.comments[1], comments::Comment { id: "8".into(), ..comments::Comment::default() });
        assert_eq!(found.next.as_deref(), Some("300"));
        for end in [-1, 0, SHOWN_MAX, i64::MAX] {
            assert_eq!(listed(Vec::new(), Some(end)).next, None);
        }
    }
}
