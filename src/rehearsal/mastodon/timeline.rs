//! Accounts and what they wrote (docs methods/accounts, account_statuses_filter.rb; read 2026-11-22).

use serde_json::{Value, json};

use super::model::account_id;
use super::status::Status;
use super::statuses::{view, visible};
use super::{Answer, Call, Refusal, Success};

const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 40;

pub(super) fn who(call: &Call) -> Answer {
    let account = &call.caller()?.account;
    let model = call.model();
    let mut answer = view(&model, call).account(account);
    answer["source"] = json!({
        "privacy": "public", "sensitive": false, "language": "en", "note": "", "fields": [],
        "follow_requests_count": 0,
    });
    Ok(answer.into())
}

/// Newest first. `max_id` and `since_id` give the newest that fit, `min_id` the oldest after it; an id need not exist.
pub(super) fn of_account(call: &Call) -> Answer {
    let model = call.model();
    let author = model.accounts.iter().find(|account| account_id(&account.name) == call.id);
    let author = author.ok_or_else(Refusal::not_found)?.name.as_str();
    let caller = call.caller.as_ref().map(|caller| caller.account.name.as_str());
    let params = &call.params;
    let is_set = |name: &str| params.is_true(name).unwrap_or_default();
    let number = |name: &str| params.number(name);
    let limit = number("limit").map(|limit| usize::try_from(limit.unsigned_abs()).unwrap_or(PAGE_MAX));
    let limit = limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
    // An answer to one's own status is part of a thread, not a reply.
    let is_reply = |status: &Status| {
        let parent = status.draft.in_reply_to.and_then(|id| model.status(id));
        parent.is_some_and(|parent| parent.draft.account != status.draft.account)
    };
    let mut found: Vec<&Status> = model
        .kept
        .statuses
        .iter()
        .filter(|status| status.draft.account == author && status.deleted_at.is_none())
        .filter(|status| status.is_visible_to(caller))
        .filter(|status| number("max_id").is_none_or(|below| status.id < below))
        .filter(|status| number("min_id").or(number("since_id")).is_none_or(|above| status.id > above))
        .filter(|status| !is_set("only_media") || !status.draft.body.media.is_empty())
        .filter(|status| !is_set("exclude_replies") || !is_reply(status))
        .filter(|_| !is_set("pinned"))
        .collect();
    found.sort_by_key(|status| status.id);
    match number("min_id") {
        Some(_) => found.truncate(limit),
        None => drop(found.drain(..found.len().saturating_sub(limit))),
    }
    found.reverse();
    let link = found.first().zip(found.last()).map(|(newest, oldest)| {
        let address = format!("{}/api/v1/accounts/{}/statuses", call.server.base_url, call.id);
        let (newest, oldest) = (newest.id, oldest.id);
        format!("<{address}?max_id={oldest}>; rel=\"next\", <{address}?min_id={newest}>; rel=\"prev\"")
    });
    let shown: Vec<Value> = found.iter().map(|status| view(&model, call).status(status)).collect();
    Ok(Success { link, ..Value::from(shown).into() })
}

/// What a status answers, oldest first, and what answers it.
pub(super) fn context(call: &Call) -> Answer {
    let model = call.model();
    let status = visible(&model, call)?;
    let caller = call.caller.as_ref().map(|caller| caller.account.name.as_str());
    let mut ancestors = Vec::new();
    let mut parent = status.draft.in_reply_to;
    // Each was there before the one that answers it, so that this ends.
    while let Some(found) = parent.and_then(|id| model.status(id)) {
        ancestors.push(found);
        parent = found.draft.in_reply_to;
    }
    ancestors.reverse();
    let mut all: Vec<_> = model.kept.statuses.iter().filter(|found| found.deleted_at.is_none()).collect();
    all.sort_by_key(|found| found.id);
    let (mut descendants, mut ids) = (Vec::new(), vec![status.id]);
    for found in all {
        if found.draft.in_reply_to.is_some_and(|id| ids.contains(&id)) {
            ids.push(found.id);
            descendants.push(found);
        }
    }
    let view = view(&model, call);
    let shown = |statuses: Vec<&Status>| -> Vec<Value> {
        let visible = statuses.into_iter().filter(|status| status.is_visible_to(caller));
        visible.map(|status| view.status(status)).collect()
    };
    Ok(json!({ "ancestors": shown(ancestors), "descendants": shown(descendants) }).into())
}
