//! The post as a record of the account's repository (lexicons `app.bsky.feed.*` and `app.bsky.embed.*`, read 2026-11-22).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::body::{Body, Kind};
use super::checkpoint::{Checkpoint, Frozen, Parents, Part};
use super::reference::{POST, Strong, uri};
use super::{cid, facets, media, tid};
use crate::domain::media::Medium;

pub(super) const THREADGATE: &str = "app.bsky.feed.threadgate";
pub(super) const POSTGATE: &str = "app.bsky.feed.postgate";

/// Each post of a thread is so much later than the one before, as the official app has it.
const PART_AFTER: SignedDuration = SignedDuration::from_millis(1);

/// Fixes the post, its key and its time. Nothing about it changes from here on. None where a record's identifier cannot be
/// computed.
pub(super) fn freeze(
    body: &Body,
    media: &[Medium],
    checkpoint: &Checkpoint,
    did: &str,
    (at, clock): (Timestamp, u16),
) -> Option<Frozen> {
    let rkey = tid::tid(at, clock);
    let record = first(body, media, checkpoint, at);
    let mut parts: Vec<Part> = Vec::new();
    if !body.parts.is_empty() {
        let this = Strong { uri: uri(did, &rkey), cid: cid::of(&record)? };
        let root = checkpoint.reply.as_ref().map_or(this.clone(), |reply| reply.root.clone());
        let (mut parent, mut at) = (this, at);
        for text in &body.parts {
            at = at.saturating_add(PART_AFTER).unwrap_or(at);
            let mut record = plain(text, body, checkpoint, at);
            record["reply"] = json!({ "root": root, "parent": parent });
            let rkey = tid::tid(at, clock);
            parent = Strong { uri: uri(did, &rkey), cid: cid::of(&record)? };
            parts.push(Part { rkey, record });
        }
    }
    let gates = gates(body, &uri(did, &rkey), at);
    Some(Frozen { did: did.to_owned(), rkey, at, record, parts, gates })
}

/// A post of text alone.
fn plain(text: &str, body: &Body, checkpoint: &Checkpoint, at: Timestamp) -> Value {
    let mut record = json!({ "$type": POST, "text": text, "createdAt": time(at) });
    let facets = facets::facets(text, |handle| checkpoint.people.get(handle).cloned().flatten());
    if !facets.is_empty() {
        record["facets"] = facets.into();
    }
    if !body.langs.is_empty() {
        record["langs"] = json!(body.langs);
    }
    record
}

fn first(body: &Body, media: &[Medium], checkpoint: &Checkpoint, at: Timestamp) -> Value {
    let mut record = plain(&body.text, body, checkpoint, at);
    if !body.labels.is_empty() {
        let values: Vec<_> = body.labels.iter().map(|label| json!({ "val": label })).collect();
        record["labels"] = json!({ "$type": "com.atproto.label.defs#selfLabels", "values": values });
    }
    if let Some(Parents { root, parent }) = &checkpoint.reply {
        record["reply"] = json!({ "root": root, "parent": parent });
    }
    if let Some(embed) = embed(body, media, checkpoint) {
        record["embed"] = embed;
    }
    record
}

/// RFC 3339 in milliseconds, as the official apps write it.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Media, a card, a quotation, or a quotation with one of the others.
fn embed(body: &Body, media: &[Medium], checkpoint: &Checkpoint) -> Option<Value> {
    let own = own_embed(body, media, &checkpoint.blobs);
    let Some(quote) = &checkpoint.quote else { return own };
    let record = json!({ "$type": "app.bsky.embed.record", "record": quote });
    Some(match own {
        None => record,
        Some(own) => json!({ "$type": "app.bsky.embed.recordWithMedia", "record": record, "media": own }),
    })
}

fn own_embed(body: &Body, media: &[Medium], blobs: &[Value]) -> Option<Value> {
    if let Some(link) = &body.link {
        let mut external = json!({ "uri": link.url, "title": link.title, "description": link.description });
        if let Some(thumb) = blobs.first() {
            external["thumb"] = thumb.clone();
        }
        return Some(json!({ "$type": "app.bsky.embed.external", "external": external }));
    }
    let alt = |n: usize| body.alts.get(n).map_or("", String::as_str);
    match body.kind {
        Kind::Text => None,
        Kind::Images => {
            let image = |(n, (medium, blob)): (usize, (&Medium, &Value))| {
                sized(json!({ "image": blob, "alt": alt(n) }), medium)
            };
            let images: Vec<_> = media.iter().zip(blobs).enumerate().map(image).collect();
            Some(json!({ "$type": "app.bsky.embed.images", "images": images }))
        }
        Kind::Video => {
            let (medium, blob) = (media.first()?, blobs.first()?);
            let mut video = json!({ "$type": "app.bsky.embed.video", "video": blob });
            if !alt(0).is_empty() {
                video["alt"] = alt(0).into();
            }
            Some(sized(video, medium))
        }
    }
}

fn sized(mut embed: Value, medium: &Medium) -> Value {
    if let Some((width, height)) = media::aspect_ratio(medium) {
        embed["aspectRatio"] = json!({ "width": width, "height": height });
    }
    embed
}

fn gates(body: &Body, post: &str, at: Timestamp) -> Vec<Value> {
    let mut gates = Vec::new();
    if let Some(rules) = &body.replies {
        let allow: Vec<_> = rules.iter().map(|rule| json!({ "$type": rule.type_name() })).collect();
        gates.push(json!({ "$type": THREADGATE, "post": post, "allow": allow, "createdAt": time(at) }));
    }
    if !body.quotes {
        let rules = [json!({ "$type": "app.bsky.feed.postgate#disableRule" })];
        gates
            .push(json!({ "$type": POSTGATE, "post": post, "embeddingRules": rules, "createdAt": time(at) }));
    }
    gates
}
