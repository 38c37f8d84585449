//! What a status may be like (post_status_service.rb, update_status_service.rb, the validators; read 2026-11-22).

use unicode_segmentation::UnicodeSegmentation;

use super::html;
use super::model::Model;
use super::params::Params;
use super::setup::MastodonSetup;
use super::status::{Body, Draft, Poll};
use super::{Caller, Refusal};

const VISIBILITIES: [&str; 4] = ["public", "unlisted", "private", "direct"];
/// More than any text has bytes, however long its addresses are.
const TEXT_BYTES_MAX: usize = 64 * 1_024;
const LANGUAGE_DEFAULT: &str = "en";
/// The languages of which variants are told apart.
const VARIANTS: [&str; 5] = ["zh-CN", "zh-HK", "zh-TW", "zh-YUE", "pt-BR"];

/// What a request for a new status asks for. Nothing is checked yet.
pub(super) fn draft(model: &Model, caller: &Caller, params: &Params) -> Draft {
    let number = |name: &str| params.number(name);
    let mut visibility = params.present("visibility").unwrap_or_else(|| "public".to_owned());
    if visibility == "public" && model.setup.silenced {
        visibility = "unlisted".to_owned();
    }
    let mut body = body(params, LANGUAGE_DEFAULT);
    if body.text.trim().is_empty() && number("quoted_status_id").is_none() {
        // A warning alone becomes the text.
        body.text = std::mem::take(&mut body.spoiler_text);
    }
    Draft {
        account: caller.account.name.clone(),
        client_id: caller.client_id.clone(),
        body,
        visibility,
        in_reply_to: number("in_reply_to_id"),
        quoted: number("quoted_status_id"),
    }
}

/// What can be edited. Whatever is not there is empty: an edit replaces everything but the language.
pub(super) fn body(params: &Params, language: &str) -> Body {
    let spoiler_text = params.present("spoiler_text").unwrap_or_default();
    let mut media: Vec<i64> = Vec::new();
    for id in params.texts("media_ids").unwrap_or_default() {
        let id = id.parse().unwrap_or_default();
        if !media.contains(&id) {
            media.push(id);
        }
    }
    Body {
        text: params.text("status").unwrap_or_default(),
        sensitive: params.is_true("sensitive").unwrap_or_default() || !spoiler_text.is_empty(),
        spoiler_text,
        language: params
            .present("language")
            .and_then(|given| known(&given))
            .unwrap_or_else(|| language.to_owned()),
        media,
        poll: params.inner("poll").map(|poll| self::poll(&poll)),
    }
}

/// The tag of a language; what is none does not count.
fn known(given: &str) -> Option<String> {
    let variant = VARIANTS.iter().find(|variant| variant.eq_ignore_ascii_case(&given.replace('_', "-")));
    let main = given.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let is_tag = matches!(main.len(), 2 | 3) && main.bytes().all(|byte| byte.is_ascii_lowercase());
    variant.map(|variant| (*variant).to_owned()).or(is_tag.then_some(main))
}

/// Blank options do not count.
fn poll(params: &Params) -> Poll {
    let options = params.texts("options").unwrap_or_default();
    Poll {
        options: options.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect(),
        expires_in: params.number("expires_in").unwrap_or_default(),
        multiple: params.is_true("multiple").unwrap_or_default(),
        hide_totals: params.is_true("hide_totals").unwrap_or_default(),
    }
}

/// Whether a draft may become a status at `now`.
pub(super) fn check(model: &Model, draft: &Draft, now: i64) -> Result<(), Refusal> {
    media(model, &draft.account, &draft.body, None, now)?;
    text(&model.setup, &draft.body)?;
    if !VISIBILITIES.contains(&draft.visibility.as_str()) {
        return Err(Refusal::invalid("Visibility is not included in the list"));
    }
    Ok(())
}

/// Each must be there, be ready, and belong to nothing, or to the status that is edited.
pub(super) fn media(
    model: &Model,
    account: &str,
    body: &Body,
    edited: Option<i64>,
    now: i64,
) -> Result<(), Refusal> {
    let max = model.setup.max_media_attachments;
    if !body.media.is_empty() && (body.media.len() > max || body.poll.is_some()) {
        return Err(Refusal::new(422, &format!("Cannot attach more than {max} files")));
    }
    // What waits with a scheduled status can still be taken by another one, but not by an edit.
    let is_free = |id: i64| {
        let found = model.medium(account, id);
        found
            .filter(|media| media.status.is_none() || media.status == edited)
            .filter(|media| edited.is_none() || media.scheduled.is_none())
    };
    let lost: Vec<_> = body.media.iter().filter(|id| is_free(**id).is_none()).map(i64::to_string).collect();
    if !lost.is_empty() {
        let lost = lost.join(", ");
        return Err(Refusal::new(
            422,
            &format!("Media {lost} not found or already attached to another post"),
        ));
    }
    let found: Vec<_> = body.media.iter().filter_map(|id| is_free(*id)).collect();
    if found.len() > 1 && found.iter().any(|media| media.kind.stands_alone()) {
        return Err(Refusal::new(422, "Cannot attach a video to a post that already contains images"));
    }
    if found.iter().any(|media| !media.is_ready(now)) {
        return Err(Refusal::new(
            422,
            "Cannot attach files that have not finished processing. Try again in a moment!",
        ));
    }
    Ok(())
}

pub(super) fn text(setup: &MastodonSetup, body: &Body) -> Result<(), Refusal> {
    if body.text.trim().is_empty() && body.media.is_empty() {
        return Err(Refusal::invalid("Text can't be blank"));
    }
    let max = setup.max_characters;
    let is_long = body.text.len() + body.spoiler_text.len() > TEXT_BYTES_MAX
        || html::length(&body.spoiler_text, &body.text, setup.characters_reserved_per_url) > max;
    if is_long {
        return Err(Refusal::invalid(&format!("Text character limit of {max} exceeded")));
    }
    body.poll.as_ref().map_or(Ok(()), |poll| check_poll(setup, poll))
}

fn check_poll(setup: &MastodonSetup, poll: &Poll) -> Result<(), Refusal> {
    let (options, most) = (&poll.options, setup.poll_option_characters);
    let is_long = |option: &String| option.graphemes(true).count() > most;
    let is_twice = |(at, option): (usize, &String)| options[..at].contains(option);
    let wrong = if options.len() < 2 {
        "Poll options must have more than one item".to_owned()
    } else if options.len() > setup.poll_options {
        format!("Poll options can't contain more than {} items", setup.poll_options)
    } else if options.iter().any(is_long) {
        format!("Poll options cannot be longer than {most} characters each")
    } else if options.iter().enumerate().any(is_twice) {
        "Poll options contain duplicate items".to_owned()
    } else if poll.expires_in > setup.poll_max_expiration {
        "Poll expires at is too far into the future".to_owned()
    } else if poll.expires_in < setup.poll_min_expiration {
        "Poll expires at is too soon".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(&wrong))
}
