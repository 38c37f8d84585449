//! The Display API: the user and their public videos (TikTok docs `ui`, `vl`, `vq`, `vo`, read 2026-11-22).

use serde_json::{Map, Value, json};

use super::super::http::Reply;
use super::init::integer;
use super::model::{Model, Publication};
use super::oauth::open_id;
use super::reply::{Refusal, ok};
use super::{Call, field, form_pairs};

const PAGE_DEFAULT: i64 = 10;
const PAGE_MAX: i64 = 20;
const VIEWS_FOR_A_LIKE: u64 = 10;
const VIEWS_FOR_A_COMMENT: u64 = 100;
const VIEWS_FOR_A_SHARE: u64 = 50;
/// Titles and descriptions are cut here.
const TEXT_MAX: usize = 150;
const VIDEO_FIELDS: [&str; 15] = [
    "id",
    "create_time",
    "cover_image_url",
    "share_url",
    "video_description",
    "duration",
    "height",
    "width",
    "title",
    "embed_html",
    "embed_link",
    "like_count",
    "comment_count",
    "share_count",
    "view_count",
];

pub(super) fn user_info(call: &Call<'_>) -> Result<Reply, Refusal> {
    let mut user = Map::new();
    for name in fields(call)? {
        let (scope, value) = user_field(call, &name).ok_or_else(|| unknown(&name))?;
        if !call.caller.has(scope) {
            return Err(Refusal::new("scope_permission_missed", &format!("{name} needs the scope {scope}")));
        }
        user.insert(name, value);
    }
    Ok(ok(&json!({ "user": user })))
}

fn user_field(call: &Call<'_>, name: &str) -> Option<(&'static str, Value)> {
    let (account, base) = (&call.caller.account, &call.server.base_url);
    let avatar = || json!(format!("{base}/@{}/avatar", account.username));
    let videos = || visible(&call.server.model(), call).len();
    Some(match name {
        "open_id" => ("user.info.basic", json!(open_id(&account.name))),
        "union_id" => ("user.info.basic", json!(open_id(&format!("union {}", account.name)))),
        "avatar_url" | "avatar_url_100" | "avatar_large_url" => ("user.info.basic", avatar()),
        "display_name" => ("user.info.basic", json!(account.nickname)),
        "bio_description" => ("user.info.profile", json!("")),
        "profile_deep_link" => ("user.info.profile", json!(format!("{base}/@{}", account.username))),
        "is_verified" => ("user.info.profile", json!(false)),
        "username" => ("user.info.profile", json!(account.username)),
        "follower_count" | "following_count" | "likes_count" => ("user.info.stats", json!(0)),
        "video_count" => ("user.info.stats", json!(videos())),
        _ => return None,
    })
}

/// Newest first. The cursor is a time in milliseconds: the page begins before it.
pub(super) fn video_list(call: &Call<'_>) -> Result<Reply, Refusal> {
    let fields = video_fields(call)?;
    let count = integer(&call.body, "max_count")?.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&count) {
        return Err(Refusal::params("max_count is invalid"));
    }
    let before = integer(&call.body, "cursor")?.filter(|&cursor| cursor > 0).unwrap_or(i64::MAX);
    let model = call.server.model();
    let mut older = visible(&model, call);
    older.retain(|publication| publication.published_at.is_some_and(|at| at < before));
    older.sort_by_key(|publication| std::cmp::Reverse(publication.published_at));
    let page = &older[..older.len().min(usize::try_from(count).unwrap_or_default())];
    let cursor = page.last().and_then(|publication| publication.published_at).unwrap_or_default();
    let videos: Vec<_> = page.iter().map(|publication| video(call, publication, &fields)).collect();
    Ok(ok(&json!({ "videos": videos, "cursor": cursor, "has_more": page.len() < older.len() })))
}

pub(super) fn video_query(call: &Call<'_>) -> Result<Reply, Refusal> {
    let fields = video_fields(call)?;
    let ids = call.body.get("filters").and_then(|filters| filters["video_ids"].as_array());
    let ids: Option<Vec<_>> = ids.and_then(|ids| ids.iter().map(Value::as_str).collect());
    let ids = ids
        .filter(|ids| (1..=20).contains(&ids.len()))
        .ok_or_else(|| Refusal::params("video_ids are invalid"))?;
    let model = call.server.model();
    let mut found = visible(&model, call);
    found.retain(|publication| publication.post_id.is_some_and(|id| ids.contains(&id.to_string().as_str())));
    let videos: Vec<_> = found.into_iter().map(|publication| video(call, publication, &fields)).collect();
    Ok(ok(&json!({ "videos": videos })))
}

/// The caller's posts that moderation has let through.
fn visible<'a>(model: &'a Model, call: &Call<'_>) -> Vec<&'a Publication> {
    let now = call.server.now();
    let own =
        model.publications().iter().filter(|publication| publication.account == call.caller.account.name);
    own.filter(|publication| model.public_id(publication, now).is_some()).collect()
}

fn video(call: &Call<'_>, publication: &Publication, fields: &[String]) -> Value {
    let value = |name: &str| video_field(call, publication, name);
    fields.iter().map(|name| (name.clone(), value(name))).collect::<Map<_, _>>().into()
}

fn video_field(call: &Call<'_>, publication: &Publication, name: &str) -> Value {
    let (base, username) = (&call.server.base_url, &call.caller.account.username);
    let id = publication.post_id.unwrap_or_default();
    let kind = publication.kind.as_str();
    let cut = |text: &str| json!(text.chars().take(TEXT_MAX).collect::<String>());
    match name {
        "id" => json!(id.to_string()),
        "create_time" => json!(publication.published_at.unwrap_or_default() / 1_000),
        "cover_image_url" => json!(format!("{base}/media/{}/0", publication.number)),
        "share_url" => json!(format!("{base}/@{username}/{kind}/{id}")),
        "embed_link" => json!(format!("{base}/embed/v2/{id}")),
        "title" => cut(&publication.post.title),
        "video_description" if publication.post.description.is_empty() => cut(&publication.post.title),
        "video_description" => cut(&publication.post.description),
        "embed_html" => json!(""),
        "view_count" => json!(publication.views),
        "like_count" => json!(publication.views / VIEWS_FOR_A_LIKE),
        "comment_count" => json!(publication.views / VIEWS_FOR_A_COMMENT),
        "share_count" => json!(publication.views / VIEWS_FOR_A_SHARE),
        _ => json!(0),
    }
}

fn video_fields(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let fields = fields(call)?;
    match fields.iter().find(|name| !VIDEO_FIELDS.contains(&name.as_str())) {
        Some(name) => Err(unknown(name)),
        None => Ok(fields),
    }
}

fn fields(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let query = form_pairs(call.query.unwrap_or_default());
    let fields: Vec<_> =
        field(&query, "fields").split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if fields.is_empty() { Err(Refusal::params("Fields is required")) } else { Ok(fields) }
}

fn unknown(name: &str) -> Refusal {
    Refusal::params(&format!("The field {name} does not exist"))
}
