//! The three inits: direct video, video to the inbox, photos (TikTok docs `dp`, `up`, `ph`, read 2026-11-22).

use std::collections::BTreeMap;

use hyper::http::Uri;
use serde_json::{Map, Value, json};

use super::super::Server;
use super::super::http::Reply;
use super::super::random;
use super::super::settings::AccountSetup;
use super::model::{Kind, Mode, Phase, Post, Publication, Source, publish_id};
use super::reply::{Refusal, ok};
use super::rules;
use super::{Call, pull};

/// An upload address is good for an hour (TikTok docs `mt`).
const UPLOAD_LIFE_MS: i64 = 60 * 60 * 1_000;
/// TikTok docs `up`.
const DRAFTS_PENDING_MAX: usize = 5;
/// An unaudited app has this many posting users in 24 hours (TikTok docs `csg`, 2026-08-04).
const UNAUDITED_USERS_MAX: usize = 5;
const POST_INFO: &str = "The request post info is empty or incorrect";
const SOURCE_INFO: &str = "The request source info is empty or incorrect";

type Object = Map<String, Value>;

pub(super) fn video(call: &Call<'_>, mode: Mode) -> Result<Reply, Refusal> {
    let source = object(&call.body, "source_info").ok_or_else(|| Refusal::params(SOURCE_INFO))?;
    let post = match mode {
        Mode::Direct => video_post(call)?,
        Mode::Inbox => Post::default(),
    };
    let source = video_source(call.server, source)?;
    begin(call, mode, Kind::Video, post, source)
}

pub(super) fn photos(call: &Call<'_>) -> Result<Reply, Refusal> {
    let mode = match (text(&call.body, "media_type")?, text(&call.body, "post_mode")?) {
        (Some("PHOTO"), Some("DIRECT_POST")) => Mode::Direct,
        (Some("PHOTO"), Some("MEDIA_UPLOAD")) => Mode::Inbox,
        _ => return Err(Refusal::params("The media type or post mode is invalid")),
    };
    let scope = if mode == Mode::Direct { "video.publish" } else { "video.upload" };
    if !call.caller.has(scope) {
        return Err(call.caller.refuse_scope());
    }
    let post = photo_post(call, mode)?;
    let source = object(&call.body, "source_info").ok_or_else(|| Refusal::params(SOURCE_INFO))?;
    let (urls, cover) = photo_source(call.server, source)?;
    if mode == Mode::Inbox && call.caller.account.app_outdated {
        return Err(Refusal::new(
            "app_version_check_failed",
            "The user's app is too old: 31.8 or higher is needed",
        ));
    }
    let post = Post { cover: Some(cover), ..post };
    begin(call, mode, Kind::Photo, post, Source::Pull { urls, downloaded: 0 })
}

fn video_post(call: &Call<'_>) -> Result<Post, Refusal> {
    let info = object(&call.body, "post_info").ok_or_else(|| Refusal::params(POST_INFO))?;
    let flags = [
        "disable_duet",
        "disable_stitch",
        "disable_comment",
        "brand_content_toggle",
        "brand_organic_toggle",
        "is_aigc",
    ];
    let post = Post {
        title: limited(info, "title", rules::VIDEO_TITLE_MAX)?,
        privacy: Some(privacy(info)?),
        toggles: toggles(info, &flags)?,
        cover: integer(info, "video_cover_timestamp_ms")?,
        ..Post::default()
    };
    check_direct(&call.caller.account, &post)?;
    Ok(post)
}

fn photo_post(call: &Call<'_>, mode: Mode) -> Result<Post, Refusal> {
    let empty = Object::new();
    let info = match (object(&call.body, "post_info"), mode) {
        (Some(info), _) => info,
        (None, Mode::Inbox) => &empty,
        (None, Mode::Direct) => return Err(Refusal::params(POST_INFO)),
    };
    let mut post = Post {
        title: limited(info, "title", rules::PHOTO_TITLE_MAX)?,
        description: limited(info, "description", rules::PHOTO_DESCRIPTION_MAX)?,
        ..Post::default()
    };
    if mode == Mode::Direct {
        let flags = ["disable_comment", "auto_add_music", "brand_content_toggle", "brand_organic_toggle"];
        post.privacy = Some(privacy(info)?);
        post.toggles = toggles(info, &flags)?;
        post.toggles.extend(toggles(&call.body, &["is_aigc"])?);
        check_direct(&call.caller.account, &post)?;
    }
    Ok(post)
}

/// What depends on the account. For branded content that only its creator sees, the code is not documented.
fn check_direct(account: &AccountSetup, post: &Post) -> Result<(), Refusal> {
    let privacy = post.privacy.as_deref().unwrap_or_default();
    if !account.audited && (!account.private || privacy != "SELF_ONLY") {
        let message = "Unaudited clients can only post to private accounts, with SELF_ONLY";
        return Err(Refusal::new("unaudited_client_can_only_post_to_private_accounts", message));
    }
    if !privacy_options(account).contains(&privacy) {
        return Err(Refusal::new(
            "privacy_level_option_mismatch",
            "The privacy level is not among the creator's options",
        ));
    }
    if privacy == "SELF_ONLY" && post.toggles.get("brand_content_toggle") == Some(&true) {
        return Err(Refusal::params("Branded content cannot be SELF_ONLY"));
    }
    Ok(())
}

/// TikTok docs `ci`.
pub(super) fn privacy_options(account: &AccountSetup) -> [&'static str; 3] {
    let widest = if account.private { "FOLLOWER_OF_CREATOR" } else { "PUBLIC_TO_EVERYONE" };
    [widest, "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
}

fn video_source(server: &Server, source: &Object) -> Result<Source, Refusal> {
    match text(source, "source")? {
        Some("FILE_UPLOAD") => file_upload(server, source),
        Some("PULL_FROM_URL") => {
            let url =
                text(source, "video_url")?.ok_or_else(|| Refusal::params("The video url is missing"))?;
            check_ownership(server, url)?;
            Ok(Source::Pull { urls: vec![url.to_owned()], downloaded: 0 })
        }
        _ => Err(Refusal::params(SOURCE_INFO)),
    }
}

fn file_upload(server: &Server, source: &Object) -> Result<Source, Refusal> {
    let number = |name| source.get(name).and_then(Value::as_u64).ok_or_else(|| Refusal::params(SOURCE_INFO));
    let (size, chunk_size, chunk_count) =
        (number("video_size")?, number("chunk_size")?, number("total_chunk_count")?);
    rules::check_chunks(size, chunk_size, chunk_count).map_err(Refusal::params)?;
    let expires_at = server.now() + UPLOAD_LIFE_MS;
    Ok(Source::Upload { size, chunk_size, chunk_count, token_sha256: String::new(), expires_at, received: 0 })
}

fn photo_source(server: &Server, source: &Object) -> Result<(Vec<String>, i64), Refusal> {
    if text(source, "source")? != Some("PULL_FROM_URL") {
        return Err(Refusal::params("Photos can only be pulled from a URL"));
    }
    let images =
        source.get("photo_images").and_then(Value::as_array).ok_or_else(|| Refusal::params(SOURCE_INFO))?;
    let urls: Option<Vec<_>> = images.iter().map(|url| url.as_str().map(str::to_owned)).collect();
    let urls = urls.filter(|urls| (1..=rules::PHOTOS_MAX).contains(&urls.len()));
    let urls = urls.ok_or_else(|| Refusal::params("The number of photos is invalid"))?;
    let cover =
        integer(source, "photo_cover_index")?.ok_or_else(|| Refusal::params("The cover index is missing"))?;
    if !usize::try_from(cover).is_ok_and(|cover| cover < urls.len()) {
        return Err(Refusal::params("The cover index is invalid"));
    }
    urls.iter().try_for_each(|url| check_ownership(server, url))?;
    Ok((urls, cover))
}

/// Only the rehearsal's own media host is verified; nothing else is ever contacted.
fn check_ownership(server: &Server, url: &str) -> Result<(), Refusal> {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    let own = host.is_some_and(|host| server.base_url.strip_prefix("http://") == Some(host.as_str()));
    let path = url.strip_prefix(server.base_url.as_str()).unwrap_or_default();
    if own && path.starts_with("/content/") && !path.split('/').any(|part| part == "..") {
        return Ok(());
    }
    Err(Refusal::new("url_ownership_unverified", "The URL's domain or prefix is not verified"))
}

fn begin(call: &Call<'_>, mode: Mode, kind: Kind, post: Post, mut source: Source) -> Result<Reply, Refusal> {
    let (server, now) = (call.server, call.server.now());
    let mut model = server.model();
    check_caps(call, &model, mode, now)?;
    let number =
        model.number_next().ok_or_else(|| Refusal::new("internal_error", "The rehearsal is full"))?;
    let publish_id = publish_id(mode, kind, matches!(source, Source::Pull { .. }))?;
    let mut data = json!({ "publish_id": publish_id });
    let phase = match &mut source {
        Source::Pull { .. } => Phase::Downloading,
        Source::Upload { token_sha256, .. } => {
            let token = random::hex(24)?;
            *token_sha256 = random::sha256_hex(&token);
            let url = format!("{}/upload?upload_id={number}&upload_token={token}", server.base_url);
            data["upload_url"] = url.into();
            Phase::Receiving
        }
    };
    let publication = Publication {
        number,
        publish_id,
        account: call.caller.account.name.clone(),
        family: call.caller.family,
        mode,
        kind,
        post,
        source,
        media: Vec::new(),
        phase,
        fail_reason: None,
        verdict: None,
        created_at: now,
        received_at: None,
        published_at: None,
        post_id: None,
        hidden: false,
        views: 0,
        draft: None,
    };
    model.insert(&server.store, publication)?;
    drop(model);
    if phase == Phase::Downloading {
        pull::begin(server, number);
    }
    Ok(ok(&data))
}

fn check_caps(call: &Call<'_>, model: &super::Model, mode: Mode, now: i64) -> Result<(), Refusal> {
    let account = &call.caller.account;
    if let Some(code) = &account.barred {
        return Err(Refusal::new(code, "The creator cannot post at present"));
    }
    if mode == Mode::Inbox {
        let full = model.drafts_pending(&account.name, now) >= DRAFTS_PENDING_MAX;
        let refusal = || Refusal::new("spam_risk_too_many_pending_share", "Too many drafts are pending");
        return if full { Err(refusal()) } else { Ok(()) };
    }
    if model.posts_today(&account.name, now) >= account.posts_per_day {
        return Err(Refusal::new("spam_risk_too_many_posts", "The creator's daily cap is reached"));
    }
    if !account.audited && model.other_creators_today(&account.name, now) >= UNAUDITED_USERS_MAX {
        return Err(Refusal::new("reached_active_user_cap", "The app's daily number of creators is reached"));
    }
    Ok(())
}

fn object<'a>(from: &'a Object, name: &str) -> Option<&'a Object> {
    from.get(name)?.as_object().filter(|object| !object.is_empty())
}

fn wrong_type(name: &str) -> Refusal {
    Refusal::params(&format!("The type of {name} is incorrect"))
}

pub(super) fn text<'a>(from: &'a Object, name: &str) -> Result<Option<&'a str>, Refusal> {
    from.get(name).map(|value| value.as_str().ok_or_else(|| wrong_type(name))).transpose()
}

pub(super) fn integer(from: &Object, name: &str) -> Result<Option<i64>, Refusal> {
    from.get(name).map(|value| value.as_i64().ok_or_else(|| wrong_type(name))).transpose()
}

fn limited(from: &Object, name: &str, limit: usize) -> Result<String, Refusal> {
    let text = text(from, name)?.unwrap_or_default();
    if rules::utf16_length(text) > limit {
        return Err(Refusal::params(&format!("The {name} is too long")));
    }
    Ok(text.to_owned())
}

fn privacy(info: &Object) -> Result<String, Refusal> {
    text(info, "privacy_level")?.map(str::to_owned).ok_or_else(|| Refusal::params(POST_INFO))
}

fn toggles(from: &Object, names: &[&str]) -> Result<BTreeMap<String, bool>, Refusal> {
    let given = names.iter().filter_map(|name| from.get(*name).map(|value| (*name, value)));
    given
        .map(|(name, value)| Ok((name.to_owned(), value.as_bool().ok_or_else(|| wrong_type(name))?)))
        .collect()
}
