//! What the creator may do, how a publication is doing, and cancelling it (TikTok docs `ci`, `st`, read 2026-11-22).

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::http::Reply;
use super::super::settings::IdStyle;
use super::Call;
use super::init::{privacy_options, text};
use super::model::{Model, Phase, Publication, Source};
use super::reply::{Refusal, error, ok, ok_empty};

/// A creator who may not post at present gets HTTP 200 with an error code, on purpose (TikTok docs `ci`).
pub(super) fn creator_info(call: &Call<'_>) -> Result<Reply, Refusal> {
    let account = &call.caller.account;
    let capped = {
        let model = call.server.model();
        model.posts_today(&account.name, call.server.now()) >= account.posts_per_day
    };
    let capped = capped.then(|| "spam_risk_too_many_posts".to_owned());
    if let Some(code) = account.barred.clone().or(capped) {
        return Ok(error(StatusCode::OK, &code, "The creator cannot post at present"));
    }
    Ok(ok(&json!({
        "creator_avatar_url": format!("{}/@{}/avatar", call.server.base_url, account.username),
        "creator_username": account.username,
        "creator_nickname": account.nickname,
        "privacy_level_options": privacy_options(account),
        "comment_disabled": account.comment_disabled,
        "duet_disabled": account.duet_disabled,
        "stitch_disabled": account.stitch_disabled,
        "max_video_post_duration_sec": account.max_video_post_duration_sec,
    })))
}

pub(super) fn fetch(call: &Call<'_>) -> Result<Reply, Refusal> {
    let model = call.server.model();
    let publication = asked_for(call, &model)?;
    let mut data = json!({ "status": publication.status() });
    if let Some(reason) = &publication.fail_reason {
        data["fail_reason"] = reason.as_str().into();
    }
    let progress = match publication.source {
        Source::Upload { .. } => "uploaded_bytes",
        Source::Pull { .. } => "downloaded_bytes",
    };
    data[progress] = publication.bytes_so_far().into();
    let ids = model.public_ids(publication, call.server.now());
    if let Some(first) = ids.first() {
        // The platform's own spelling.
        data["publicaly_available_post_id"] = styled(*first, &ids, call.caller.account.id_style);
    }
    Ok(ok(&data))
}

fn styled(first: i64, ids: &[i64], style: IdStyle) -> Value {
    match style {
        IdStyle::Integers => json!(ids),
        IdStyle::Strings => ids.iter().map(i64::to_string).collect(),
        IdStyle::Integer => json!(first),
        IdStyle::String => json!(first.to_string()),
    }
}

/// Only a download in progress can be cancelled.
pub(super) fn cancel(call: &Call<'_>) -> Result<Reply, Refusal> {
    let mut model = call.server.model();
    let publication = asked_for(call, &model)?;
    if publication.phase != Phase::Downloading {
        return Err(Refusal::new("publish_not_cancellable", "The publish cannot be cancelled any more"));
    }
    let number = publication.number;
    if let Some(publication) = model.by_number(number) {
        publication.fail("publish_cancelled");
        publication.save(&call.server.store)?;
    }
    Ok(ok_empty())
}

fn asked_for<'a>(call: &Call<'_>, model: &'a Model) -> Result<&'a Publication, Refusal> {
    let id = text(&call.body, "publish_id")?.ok_or_else(|| Refusal::params("The publish id is missing"))?;
    let publication =
        model.find(id).ok_or_else(|| Refusal::new("invalid_publish_id", "The publish id does not exist"))?;
    if publication.account != call.caller.account.name {
        let message = "The token is not authorized for this publish id";
        return Err(Refusal::new("token_not_authorized_for_specified_publish_id", message));
    }
    Ok(publication)
}
