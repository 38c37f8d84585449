//! Comments below public videos, as TikTok's API for Business shows them and takes answers. As clients have seen it (see
//! `platform/tiktok/business`): errors that come with HTTP 200, ids and times as strings, fewer on a page than were asked
//! for, an answer for each request that asks for one.

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::http::{self, Reply};
use super::super::trends::BUSINESS_TOKEN;
use super::super::{Server, store::Store};
use super::reply::ok;
use super::{error_reply, field, form_pairs};

/// Where the host has become a part of the path.
pub(super) const PREFIX: &str = "/business-api.tiktok.com/open_api/v1.3/business/comment/";
/// What the stand-in gives to apps of its key and secret.
pub(super) const RESEARCH_TOKEN: &str = "clt.rehearsal";
/// Comments by others below each video.
const COMMENTS: u64 = 25;
/// On a page, however many are asked for.
const PAGE: usize = 20;
const ASKED_MAX: u64 = 30;
const TEXT_UNITS_MAX: usize = 150;
const ANSWERS_MAX: usize = 10_000;
const FILE: &str = "answers.json";
/// What people write.
const TEXTS: [&str; 5] = [
    "Love this!",
    "How did you make it?",
    "\u{1b}[31mred\u{1b}[0m \u{202e}tfel",
    "<b>bold</b>\nand more",
    "👏👏👏",
];

/// An answer of the account's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: String,
    pub video: String,
    pub comment: String,
    pub text: String,
    /// Unix milliseconds.
    pub at: i64,
}

#[derive(Debug, Default)]
pub(super) struct Answers(Vec<Answer>);

impl Answers {
    pub(super) fn load(store: &Store) -> std::io::Result<Answers> {
        Ok(Answers(store.load(FILE)?.unwrap_or_default()))
    }

    pub(super) fn all(&self) -> &[Answer] {
        &self.0
    }
}

pub(super) async fn handle(server: &Server, operation: &str, parts: &Parts, body: &mut Incoming) -> Reply {
    let bytes = http::collect(body).await.unwrap_or_default();
    let is_ours = |token: &hyper::header::HeaderValue| token.as_bytes() == BUSINESS_TOKEN.as_bytes();
    if !parts.headers.get("access-token").is_some_and(is_ours) {
        return said(40_105, "Access token is incorrect or has been revoked.", json!({}));
    }
    match operation {
        "comment_list" | "comment_reply_list" => {
            list(server, &form_pairs(parts.uri.query().unwrap_or_default()))
        }
        _ => create(server, &serde_json::from_slice(&bytes).unwrap_or_default()),
    }
}

/// As the Research API shows them: numbers where the API for Business has strings, and nobody's name.
pub(super) async fn research(server: &Server, parts: &Parts, body: &mut Incoming) -> Reply {
    let asked: Value =
        serde_json::from_slice(&http::collect(body).await.unwrap_or_default()).unwrap_or_default();
    let is_ours = |token: &hyper::header::HeaderValue| {
        token.as_bytes() == format!("Bearer {RESEARCH_TOKEN}").as_bytes()
    };
    if !parts.headers.get(hyper::header::AUTHORIZATION).is_some_and(is_ours) {
        return error_reply(StatusCode::UNAUTHORIZED, "access_token_invalid", "The access token is invalid");
    }
    let video = asked["video_id"].as_i64().and_then(|id| video(server, &id.to_string()));
    let (from, count) =
        (asked["cursor"].as_u64().unwrap_or_default(), asked["max_count"].as_u64().unwrap_or(10));
    let (Some(video), true) = (video, (1..=100).contains(&count) && from + count <= 1_000) else {
        return error_reply(StatusCode::BAD_REQUEST, "invalid_params", "The parameters are invalid");
    };
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    let view = |comment: &Value| {
        json!({
            "id": number(&comment["comment_id"]), "video_id": video, "parent_comment_id": video, "text": comment["text"],
            "create_time": number(&comment["create_time"]), "like_count": comment["likes"], "reply_count": comment["replies"],
        })
    };
    let (all, from) = (comments(video), usize::try_from(from).unwrap_or(usize::MAX));
    let page: Vec<_> = all.iter().skip(from).take(PAGE).map(view).collect();
    let next = from.saturating_add(page.len());
    ok(&json!({ "comments": page, "cursor": next, "has_more": next < all.len() }))
}

fn said(code: u32, message: &str, data: Value) -> Reply {
    let reply = json!({ "code": code, "message": message, "request_id": "2026112600000000", "data": data });
    http::json(StatusCode::OK, &reply)
}

/// The public video with this id.
fn video(server: &Server, id: &str) -> Option<i64> {
    let (model, now) = (server.model(), server.now());
    let id: i64 = id.parse().ok()?;
    model.publications().iter().find_map(|p| model.public_id(p, now).filter(|public| *public == id))
}

fn comment_id(video: i64, n: u64) -> String {
    format!("76{:014}{n:03}", video % 100_000_000_000_000)
}

fn list(server: &Server, query: &[(String, String)]) -> Reply {
    let Some(video) = video(server, field(query, "video_id")) else {
        return said(40_007, "The video does not exist.", json!({}));
    };
    let asked = field(query, "max_count").parse().unwrap_or(20);
    if field(query, "business_id").is_empty() || !(1..=ASKED_MAX).contains(&asked) {
        return said(40_002, "Invalid parameter.", json!({}));
    }
    let all = match field(query, "comment_id") {
        "" => comments(video),
        parent if !(0..COMMENTS).any(|n| comment_id(video, n) == parent) => {
            return said(40_007, "The comment does not exist.", json!({}));
        }
        parent => answers(server, parent),
    };
    let from: usize = field(query, "cursor").parse().unwrap_or_default();
    let page: Vec<_> = all.iter().skip(from).take(PAGE).collect();
    let next = from + page.len();
    said(0, "OK", json!({ "comments": page, "cursor": next, "has_more": next < all.len() }))
}

fn comments(video: i64) -> Vec<Value> {
    let comment = |n: u64| {
        json!({
            "comment_id": comment_id(video, n), "video_id": video.to_string(),
            "create_time": (1_790_000_000 + n).to_string(), "text": TEXTS[n as usize % TEXTS.len()],
            "likes": n * 3, "replies": 0, "owner": false, "liked": false, "pinned": n == 0,
            "status": if n == 7 { "HIDDEN" } else { "PUBLIC" },
            "username": format!("reader{n}"), "display_name": format!("Reader {n}"),
            "unique_identifier": format!("+{n}"), "user_id": format!("u{n}"),
        })
    };
    (0..COMMENTS).rev().map(comment).collect()
}

/// The newest first.
fn answers(server: &Server, parent: &str) -> Vec<Value> {
    let model = server.model();
    let of_it = model.answers.all().iter().rev().filter(|answer| answer.comment == parent);
    of_it.map(|answer| view(answer, &model.username("brand"))).collect()
}

fn view(answer: &Answer, username: &str) -> Value {
    json!({
        "comment_id": answer.id, "video_id": answer.video, "parent_comment_id": answer.comment,
        "create_time": (answer.at / 1_000).to_string(), "text": answer.text, "likes": 0, "replies": 0,
        "owner": true, "liked": false, "pinned": false, "status": "PUBLIC", "username": username,
    })
}

fn create(server: &Server, body: &Value) -> Reply {
    let text_of = |name: &str| body[name].as_str().unwrap_or_default();
    let Some(video) = video(server, text_of("video_id")) else {
        return said(40_007, "The video does not exist.", json!({}));
    };
    let (comment, text) = (text_of("comment_id"), text_of("text"));
    if !(0..COMMENTS).any(|n| comment_id(video, n) == comment) {
        return said(40_007, "The comment does not exist.", json!({}));
    }
    let fits = (1..=TEXT_UNITS_MAX).contains(&text.encode_utf16().count());
    if text_of("business_id").is_empty() || !fits {
        return said(40_002, "Invalid parameter.", json!({}));
    }
    let mut model = server.model();
    if model.answers.0.len() >= ANSWERS_MAX {
        return said(50_000, "System error", json!({}));
    }
    let answer = Answer {
        id: format!("77{:017}", model.answers.0.len()),
        video: video.to_string(),
        comment: comment.to_owned(),
        text: text.to_owned(),
        at: server.now(),
    };
    let reply = view(&answer, "");
    model.answers.0.push(answer);
    match server.store.save(FILE, &model.answers.0) {
        Ok(()) => said(0, "OK", reply),
        Err(_) => said(50_000, "System error", json!({})),
    }
}
