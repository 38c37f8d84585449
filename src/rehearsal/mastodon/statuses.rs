//! Statuses: created once for each key, edited as a whole, deleted (docs methods/statuses, statuses_controller.rb,
//! post_status_service.rb, update_status_service.rb; read 2026-11-22).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Server, lock};
use super::model::{Model, VERSIONS_MAX, account_id, full};
use super::params::Params;
use super::setup::Replay;
use super::status::{Draft, Scheduled, Status, Version, View};
use super::upload::Media;
use super::{Answer, Call, Refusal, limits, rules, scheduled};

/// Somebody who comes with the same key while it is held is sent away.
struct KeyHeld {
    server: Arc<Server>,
    name: Option<String>,
}

impl Drop for KeyHeld {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            lock(&self.server.mastodon).in_flight.remove(name);
        }
    }
}

pub(super) async fn create(call: Call) -> Answer {
    let (held, pause) = {
        let mut model = call.model();
        relatives(&model, &call)?;
        let known = known(&mut model, &call)?;
        if let Some(known) = known {
            return Ok(known.into());
        }
        let name = call
            .key
            .as_ref()
            .map(|key| format!("{} {key}", call.caller.as_ref().map_or("", |c| &c.account.name)));
        model.in_flight.extend(name.clone());
        (KeyHeld { server: Arc::clone(&call.server), name }, Duration::from_millis(model.setup.creation_ms))
    };
    // It goes on when the client hangs up, as the real one does.
    let work = tokio::spawn(async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        perform(&call, &held)
    });
    work.await.unwrap_or_else(|_| Err(Refusal::new(500, "Internal Server Error")))
}

/// The statuses that this one speaks to must be there, also when the key is known.
fn relatives(model: &Model, call: &Call) -> Result<(), Refusal> {
    let account = call.caller()?.account.name.as_str();
    for (name, message) in [
        ("in_reply_to_id", "The post you are trying to reply to does not appear to exist."),
        ("quoted_status_id", "The post you are trying to quote does not appear to exist."),
    ] {
        let Some(id) = call.params.present(name) else { continue };
        let found = id.parse().ok().and_then(|id| model.status(id));
        if !found.is_some_and(|status| status.is_visible_to(Some(account))) {
            return Err(Refusal::new(404, message));
        }
    }
    Ok(())
}

/// What the key led to before; the body is not compared.
fn known(model: &mut Model, call: &Call) -> Result<Option<Value>, Refusal> {
    let replay = model.setup.replay;
    let Some(key) = call.key.as_ref().filter(|_| replay != Replay::Ignored) else { return Ok(None) };
    let (account, now) = (&call.caller()?.account.name, call.now());
    let used = model.key(account, key).cloned();
    match (used, replay) {
        (None, _) if model.in_flight.contains(&format!("{account} {key}")) => {
            Err(Refusal::new(503, "There was a temporary problem serving your request, please try again"))
        }
        (None, Replay::Burned) => {
            model.keep_key(account, key, None, now);
            model.save(&call.server.store)?;
            Ok(None)
        }
        (None, _) => Ok(None),
        (Some(_), Replay::Burned) => Err(Refusal::new(400, "Duplicate idempotency key.")),
        // It looks among the statuses, whatever it was (post_status_service.rb).
        (Some(used), Replay::Fails) if used.is_scheduled => Err(Refusal::not_found()),
        (Some(_), Replay::Fails) => Err(Refusal::new(500, "Internal Server Error")),
        // What was deleted meanwhile is looked for all the same, and not found.
        (Some(used), _) => {
            let view = view(model, call);
            let found = match used.is_scheduled {
                true => {
                    model.kept.scheduled.iter().find(|s| Some(s.id) == used.id).map(|s| view.scheduled(s))
                }
                false => used.id.and_then(|id| model.status(id)).map(|status| view.status(status)),
            };
            found.map(Some).ok_or_else(Refusal::not_found)
        }
    }
}

/// Everything at once: what was refused leaves nothing behind, neither a status nor the key.
fn perform(call: &Call, _held: &KeyHeld) -> Answer {
    let (caller, now) = (call.caller()?, call.now());
    let mut model = call.model();
    let draft = rules::draft(&model, caller, &call.params);
    let at = scheduled::time(&call.params)?.filter(|at| *at > now);
    rules::check(&model, &draft, now)?;
    let (id, answer) = match at {
        Some(at) => {
            scheduled::check_time(at, now)?;
            scheduled::check_caps(&model, &draft.account, at)?;
            let id = schedule(&mut model, draft, at, now);
            let entry = model.kept.scheduled.iter().find(|entry| entry.id == id);
            (id, entry.map(|entry| view(&model, call).scheduled(entry)))
        }
        None => {
            mentions(&view(&model, call), &draft, &call.params)?;
            if !limits::take_post(&mut model, &draft.account, now) {
                return Err(Refusal::new(429, "Too many requests"));
            }
            let id = model.publish(draft, now)?;
            (id, model.status(id).map(|status| view(&model, call).status(status)))
        }
    };
    if let Some(key) = &call.key {
        model.keep_key(&caller.account.name, key, Some((id, at.is_some())), now);
    }
    model.save(&call.server.store)?;
    Ok(answer.unwrap_or_default().into())
}

fn schedule(model: &mut Model, draft: Draft, at: i64, now: i64) -> i64 {
    let id = model.count();
    for media in &draft.body.media {
        if let Some(media) = model.kept.media.get_mut(media) {
            media.scheduled = Some(id);
        }
    }
    model.kept.scheduled.push(Scheduled { id, draft, at, created_at: now });
    id
}

/// Whoever says whom they mean to mention does not mention others by accident.
fn mentions(view: &View, draft: &Draft, params: &Params) -> Result<(), Refusal> {
    let Some(allowed) = params.texts("allowed_mentions") else { return Ok(()) };
    let mentioned = view.mentioned(&draft.body.text).into_iter();
    let mentioned = mentioned.map(|account| (account_id(&account.name), &account.username));
    let unexpected: Vec<_> = mentioned
        .filter(|(id, _)| !allowed.contains(id))
        .map(|(id, name)| json!({ "id": id, "acct": name }))
        .collect();
    if unexpected.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::new(422, "Post would be sent to unexpected accounts");
    Err(refusal.with("unexpected_accounts", unexpected.into()))
}

pub(super) fn view<'a>(model: &'a Model, call: &'a Call) -> View<'a> {
    View { model, base_url: &call.server.base_url, now: call.now() }
}

/// One that the caller may see.
pub(super) fn visible<'a>(model: &'a Model, call: &Call) -> Result<&'a Status, Refusal> {
    let account = call.caller.as_ref().map(|caller| caller.account.name.as_str());
    model.status(call.id()?).filter(|status| status.is_visible_to(account)).ok_or_else(Refusal::not_found)
}

/// One that the caller wrote.
fn own<'a>(model: &'a Model, call: &Call) -> Result<&'a Status, Refusal> {
    let account = &call.caller()?.account.name;
    model.status(call.id()?).filter(|status| status.draft.account == *account).ok_or_else(Refusal::not_found)
}

pub(super) fn get(call: &Call) -> Answer {
    let model = call.model();
    Ok(view(&model, call).status(visible(&model, call)?).into())
}

pub(super) fn source(call: &Call) -> Answer {
    let model = call.model();
    Ok(view(&model, call).source(visible(&model, call)?).into())
}

pub(super) fn history(call: &Call) -> Answer {
    let model = call.model();
    Ok(Value::from(view(&model, call).history(visible(&model, call)?)).into())
}

/// Replaces all that can be changed; what is not named is gone. The same again changes nothing.
pub(super) fn edit(call: &Call) -> Answer {
    let now = call.now();
    let mut model = call.model();
    let before = own(&model, call)?.clone();
    let mut body = rules::body(&call.params, &before.draft.body.language);
    rules::media(&model, &before.draft.account, &body, Some(before.id), now)?;
    if body.text.trim().is_empty() && !body.spoiler_text.is_empty() {
        // The warning moves into the text, and the one from before stays.
        body.text = std::mem::replace(&mut body.spoiler_text, before.draft.body.spoiler_text.clone());
    }
    rules::text(&model.setup, &body)?;
    let changes = described(&model, &call.params, &body.media)?;
    // A poll counts from now on, so that it is never the same.
    let is_changed = body != before.draft.body || !changes.is_empty() || body.poll.is_some();
    if is_changed {
        if !limits::take_post(&mut model, &before.draft.account, now) {
            return Err(Refusal::new(429, "Too many requests"));
        }
        if before.versions.len() >= VERSIONS_MAX {
            return Err(full().into());
        }
        let was = version(&model, &before);
        model.kept.media.extend(changes);
        for id in &body.media {
            if let Some(media) = model.kept.media.get_mut(id) {
                (media.status, media.was_published) = (Some(before.id), true);
            }
        }
        replace(&mut model, before, was, body, now);
        model.save(&call.server.store)?;
    }
    Ok(view(&model, call).status(own(&model, call)?).into())
}

/// The media whose description or focus changes with an edit, as they will be.
fn described(model: &Model, params: &Params, media: &[i64]) -> Result<Vec<(i64, Media)>, Refusal> {
    let mut changed = Vec::new();
    for attributes in params.objects("media_attributes") {
        let id = attributes.number("id").unwrap_or_default();
        let Some(known) = model.kept.media.get(&id).filter(|_| media.contains(&id)) else { continue };
        let after = known.described(&model.setup, &attributes)?;
        if (&after.description, after.focus) != (&known.description, known.focus) {
            changed.push((id, after));
        }
    }
    Ok(changed)
}

fn replace(model: &mut Model, before: Status, was: Version, body: super::status::Body, now: i64) {
    let poll_id = body.poll.as_ref().map(|_| before.poll_id.unwrap_or_else(|| model.count()));
    let poll_ends_at = body.poll.as_ref().map(|poll| now.saturating_add(poll.expires_in * 1_000));
    let mut after = Status { poll_id, poll_ends_at, edited_at: Some(now), ..before };
    if after.versions.is_empty() {
        after.versions.push(was);
    }
    after.draft.body = body;
    let is_now = Version { at: now, ..version(model, &after) };
    after.versions.push(is_now);
    if let Some(status) = model.status_mut(after.id) {
        *status = after;
    }
}

fn version(model: &Model, status: &Status) -> Version {
    let body = status.draft.body.clone();
    let media = body.media.iter().map(|id| model.kept.media.get(id));
    let descriptions = media.map(|media| media.map_or_else(String::new, |media| media.description.clone()));
    Version { descriptions: descriptions.collect(), body, at: status.created_at }
}

/// Its author gets the text back, and the media, for another try.
pub(super) fn delete(call: &Call) -> Answer {
    let now = call.now();
    let mut model = call.model();
    let status = own(&model, call)?;
    let id = status.id;
    let mut answer = view(&model, call).status(status);
    answer["text"] = status.draft.body.text.clone().into();
    if let Value::Object(fields) = &mut answer {
        fields.remove("content");
    }
    let goes_with_it = call.params.is_true("delete_media").unwrap_or_default();
    let media = model.kept.media.values_mut().filter(|media| media.status == Some(id));
    for media in media {
        (media.status, media.unattached_since) = (None, now);
        if goes_with_it {
            media.discard(&call.server.store);
        }
    }
    if let Some(status) = model.status_mut(id) {
        status.deleted_at = Some(now);
    }
    model.save(&call.server.store)?;
    Ok(answer.into())
}
