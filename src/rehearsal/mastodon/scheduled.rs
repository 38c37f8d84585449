//! What waits to be published (docs methods/scheduled_statuses, scheduled_status.rb; read 2026-11-22).

use serde_json::{Value, json};

use super::model::Model;
use super::params::Params;
use super::status::Scheduled;
use super::statuses::view;
use super::{Answer, Call, Refusal};

const OFFSET_MIN_MS: i64 = 5 * 60_000;
/// Of an account, altogether and on one day.
const TOTAL_MAX: usize = 300;
const DAY_MAX: usize = 25;
const DAY_MS: i64 = 24 * 60 * 60_000;
const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 40;

/// When it should be published, in milliseconds. A time without a zone is UTC.
pub(super) fn time(params: &Params) -> Result<Option<i64>, Refusal> {
    let Some(text) = params.present("scheduled_at") else { return Ok(None) };
    let with_zone = text.parse::<jiff::Timestamp>().ok();
    let civil = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let at = with_zone.or_else(|| civil().map(|zoned| zoned.timestamp()));
    at.map(|at| Some(at.as_millisecond())).ok_or_else(|| Refusal::new(422, "Record invalid"))
}

pub(super) fn check_time(at: i64, now: i64) -> Result<(), Refusal> {
    match at > now + OFFSET_MIN_MS {
        true => Ok(()),
        false => Err(Refusal::invalid("Scheduled at date must be in the future")),
    }
}

pub(super) fn check_caps(model: &Model, account: &str, at: i64) -> Result<(), Refusal> {
    let own: Vec<_> = model.kept.scheduled.iter().filter(|entry| entry.draft.account == account).collect();
    if own.len() >= TOTAL_MAX {
        return Err(Refusal::invalid(&format!("You have exceeded the limit of {TOTAL_MAX} scheduled posts")));
    }
    let day = |at: i64| at.div_euclid(DAY_MS);
    if own.iter().filter(|entry| day(entry.at) == day(at)).count() >= DAY_MAX {
        return Err(Refusal::invalid(&format!(
            "You have exceeded the limit of {DAY_MAX} scheduled posts for today"
        )));
    }
    Ok(())
}

/// Newest first.
pub(super) fn list(call: &Call) -> Answer {
    let account = &call.caller()?.account.name;
    let model = call.model();
    let limit = call.params.number("limit").and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
    let (below, above) = (call.params.number("max_id"), call.params.number("since_id"));
    let mut own: Vec<_> = model
        .kept
        .scheduled
        .iter()
        .filter(|entry| entry.draft.account == *account)
        .filter(|entry| {
            below.is_none_or(|below| entry.id < below) && above.is_none_or(|above| entry.id > above)
        })
        .collect();
    own.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    own.truncate(limit);
    let shown: Vec<Value> = own.iter().map(|entry| view(&model, call).scheduled(entry)).collect();
    Ok(Value::from(shown).into())
}

fn own(model: &Model, call: &Call) -> Result<usize, Refusal> {
    let (account, id) = (&call.caller()?.account.name, call.id()?);
    let is_it = |entry: &Scheduled| entry.id == id && entry.draft.account == *account;
    model.kept.scheduled.iter().position(is_it).ok_or_else(Refusal::not_found)
}

pub(super) fn get(call: &Call) -> Answer {
    let model = call.model();
    let at = own(&model, call)?;
    Ok(view(&model, call).scheduled(&model.kept.scheduled[at]).into())
}

/// Only the time can be changed.
pub(super) fn reschedule(call: &Call) -> Answer {
    let mut model = call.model();
    let at = own(&model, call)?;
    let time = time(&call.params)?.ok_or_else(|| Refusal::invalid("Scheduled at can't be blank"))?;
    check_time(time, call.now())?;
    // It counts itself, so that a full day is left by nobody but for another one.
    check_caps(&model, &model.kept.scheduled[at].draft.account, time)?;
    model.kept.scheduled[at].at = time;
    model.save(&call.server.store)?;
    Ok(view(&model, call).scheduled(&model.kept.scheduled[at]).into())
}

/// Its media are free again.
pub(super) fn cancel(call: &Call) -> Answer {
    let mut model = call.model();
    let at = own(&model, call)?;
    let entry = model.kept.scheduled.remove(at);
    for media in model.kept.media.values_mut().filter(|media| media.scheduled == Some(entry.id)) {
        (media.scheduled, media.unattached_since) = (None, call.now());
    }
    model.save(&call.server.store)?;
    Ok(json!({}).into())
}
