//! What a record must be like (lexicons `app.bsky.feed.*`, `app.bsky.embed.*`, `app.bsky.richtext.facet`,
//! `com.atproto.label.defs`, read 2026-11-22). What is not named there is refused, as the stricter reading.

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use super::model::Model;
use super::{Refusal, id};

pub(super) const POST: &str = "app.bsky.feed.post";
const THREADGATE: &str = "app.bsky.feed.threadgate";
const POSTGATE: &str = "app.bsky.feed.postgate";

const TEXT_GRAPHEMES_MAX: usize = 300;
const TEXT_BYTES_MAX: usize = 3_000;
const IMAGE_BYTES_MAX: u64 = 2_000_000;
const THUMB_BYTES_MAX: u64 = 1_000_000;
const VIDEO_BYTES_MAX: u64 = 300_000_000;
const LABELS: [&str; 4] = ["porn", "sexual", "nudity", "graphic-media"];

/// The record, if the lexicon of its collection allows it under this key.
pub(super) fn checked(
    model: &Model,
    did: &str,
    (collection, rkey): (&str, &str),
    record: &Value,
) -> Result<Value, Refusal> {
    let wrong = |what: &str| Refusal::invalid(&format!("Invalid {collection} record: {what}"));
    if record["$type"] != collection {
        return Err(wrong("$type is not the collection"));
    }
    if !id::is_tid(rkey) {
        return Err(Refusal::invalid("Invalid record key: expected a TID"));
    }
    match collection {
        POST => post(model, record),
        THREADGATE | POSTGATE => gate(did, (collection, rkey), record).map_err(wrong),
        _ => Err(wrong("this collection is not modelled")),
    }?;
    Ok(record.clone())
}

fn post(model: &Model, record: &Value) -> Result<(), Refusal> {
    let wrong = |what: &str| Refusal::invalid(&format!("Invalid {POST} record: {what}"));
    let known = ["$type", "text", "createdAt", "facets", "langs", "labels", "reply", "embed", "tags"];
    only(record, &known).map_err(wrong)?;
    let text = record["text"].as_str().ok_or_else(|| wrong("text must be a string"))?;
    if text.len() > TEXT_BYTES_MAX || text.graphemes(true).count() > TEXT_GRAPHEMES_MAX {
        return Err(wrong("text must not be longer than 300 graphemes"));
    }
    time(record).map_err(wrong)?;
    facets(text, &record["facets"]).map_err(wrong)?;
    languages(&record["langs"]).map_err(wrong)?;
    labels(&record["labels"]).map_err(wrong)?;
    match &record["reply"] {
        Value::Null => {}
        reply => {
            only(reply, &["root", "parent"]).map_err(wrong)?;
            strong(&reply["root"]).and(strong(&reply["parent"])).map_err(wrong)?;
        }
    }
    if !record["embed"].is_null() {
        embed(model, &record["embed"])?;
    }
    Ok(())
}

fn only(value: &Value, known: &[&str]) -> Result<(), &'static str> {
    let fields = value.as_object().ok_or("expected an object")?;
    if fields.values().any(Value::is_null) {
        return Err("a field is null");
    }
    if fields.keys().all(|key| known.contains(&key.as_str())) { Ok(()) } else { Err("an unknown field") }
}

/// RFC 3339 with a zone.
fn time(record: &Value) -> Result<(), &'static str> {
    let text = record["createdAt"].as_str().unwrap_or_default();
    match text.parse::<jiff::Timestamp>() {
        Ok(_) if text.contains('T') => Ok(()),
        _ => Err("createdAt must be a datetime with a zone"),
    }
}

/// In bytes, on characters, and without overlap, which the real server does not check.
fn facets(text: &str, facets: &Value) -> Result<(), &'static str> {
    if facets.is_null() {
        return Ok(());
    }
    let mut end = 0;
    for facet in facets.as_array().ok_or("facets must be an array")? {
        let offset = |name: &str| facet["index"][name].as_u64().and_then(|n| usize::try_from(n).ok());
        let (Some(start), Some(stop)) = (offset("byteStart"), offset("byteEnd")) else {
            return Err("a facet lacks its index");
        };
        if start < end || start >= stop || text.get(start..stop).is_none() {
            return Err("a facet is out of place");
        }
        end = stop;
        for feature in facet["features"].as_array().ok_or("a facet lacks its features")? {
            let field = |name: &str| feature[name].as_str().unwrap_or_default();
            let is_good = match field("$type") {
                "app.bsky.richtext.facet#mention" => field("did").starts_with("did:"),
                "app.bsky.richtext.facet#link" => field("uri").contains(':'),
                "app.bsky.richtext.facet#tag" => {
                    let tag = field("tag");
                    !tag.is_empty() && !tag.starts_with('#') && tag.graphemes(true).count() <= 64
                }
                _ => false,
            };
            if !is_good {
                return Err("a facet's feature is wrong");
            }
        }
    }
    Ok(())
}

fn languages(langs: &Value) -> Result<(), &'static str> {
    match langs {
        Value::Null => Ok(()),
        Value::Array(langs) if langs.len() <= 3 && langs.iter().all(Value::is_string) => Ok(()),
        _ => Err("langs must be at most 3 languages"),
    }
}

fn labels(labels: &Value) -> Result<(), &'static str> {
    if labels.is_null() {
        return Ok(());
    }
    let values = labels["values"].as_array().ok_or("labels lack their values")?;
    let is_known = |label: &Value| label["val"].as_str().is_some_and(|val| LABELS.contains(&val));
    match labels["$type"] == "com.atproto.label.defs#selfLabels" && values.iter().all(is_known) {
        true => Ok(()),
        false => Err("labels are wrong"),
    }
}

/// A reference to one version of a record.
fn strong(value: &Value) -> Result<(), &'static str> {
    only(value, &["uri", "cid"])?;
    let starts = |name: &str, with: &str| value[name].as_str().is_some_and(|text| text.starts_with(with));
    if starts("uri", "at://did:") && starts("cid", "baf") {
        Ok(())
    } else {
        Err("a reference lacks uri or cid")
    }
}

fn embed(model: &Model, embed: &Value) -> Result<(), Refusal> {
    let wrong = |what: &str| Refusal::invalid(&format!("Invalid {POST} record: {what}"));
    match embed["$type"].as_str().unwrap_or_default() {
        "app.bsky.embed.images" => {
            only(embed, &["$type", "images"]).map_err(wrong)?;
            let images = embed["images"].as_array().filter(|images| (1..=4).contains(&images.len()));
            for image in images.ok_or_else(|| wrong("embed/images must not have more than 4 elements"))? {
                only(image, &["image", "alt", "aspectRatio"]).map_err(wrong)?;
                if !image["alt"].is_string() {
                    return Err(wrong("an image must have the property \"alt\""));
                }
                aspect(&image["aspectRatio"]).map_err(wrong)?;
                blob(model, &image["image"], "image/", IMAGE_BYTES_MAX)?;
            }
            Ok(())
        }
        "app.bsky.embed.video" => {
            only(embed, &["$type", "video", "alt", "aspectRatio", "captions", "presentation"])
                .map_err(wrong)?;
            aspect(&embed["aspectRatio"]).map_err(wrong)?;
            blob(model, &embed["video"], "video/mp4", VIDEO_BYTES_MAX)
        }
        "app.bsky.embed.external" => {
            only(embed, &["$type", "external"]).map_err(wrong)?;
            let card = &embed["external"];
            only(card, &["uri", "title", "description", "thumb"]).map_err(wrong)?;
            if ["uri", "title", "description"].iter().any(|name| !card[name].is_string()) {
                return Err(wrong("external must have uri, title and description"));
            }
            match &card["thumb"] {
                Value::Null => Ok(()),
                thumb => blob(model, thumb, "image/", THUMB_BYTES_MAX),
            }
        }
        "app.bsky.embed.record" => {
            only(embed, &["$type", "record"]).and(strong(&embed["record"])).map_err(wrong)
        }
        "app.bsky.embed.recordWithMedia" => {
            only(embed, &["$type", "record", "media"]).map_err(wrong)?;
            strong(&embed["record"]["record"]).map_err(wrong)?;
            match embed["media"]["$type"].as_str() {
                Some("app.bsky.embed.images" | "app.bsky.embed.video" | "app.bsky.embed.external") => {
                    self::embed(model, &embed["media"])
                }
                _ => Err(wrong("media must be images, a video or a card")),
            }
        }
        _ => Err(wrong("an unknown embed")),
    }
}

fn aspect(ratio: &Value) -> Result<(), &'static str> {
    let side = |name: &str| ratio[name].as_u64().is_some_and(|side| side > 0);
    if ratio.is_null() || (side("width") && side("height")) { Ok(()) } else { Err("aspectRatio is wrong") }
}

/// It must have been uploaded, and be described to the letter as the server did.
fn blob(model: &Model, blob: &Value, mime_type: &str, bytes_max: u64) -> Result<(), Refusal> {
    let cid = blob["ref"]["$link"].as_str().unwrap_or_default();
    let not_found = || Refusal::new(400, "BlobNotFound", &format!("Could not find blob: {cid}"));
    let known = model.kept.blobs.get(cid).ok_or_else(not_found)?;
    if blob["$type"] != "blob" || blob["mimeType"] != known.mime_type.as_str() {
        return Err(Refusal::new(400, "InvalidMimeType", "Referenced Mimetype does not match stored blob"));
    }
    if !known.mime_type.starts_with(mime_type) {
        return Err(Refusal::new(400, "InvalidMimeType", "Blob does not have an accepted mimeType"));
    }
    if blob["size"] != known.size || known.size > bytes_max {
        return Err(Refusal::new(400, "InvalidSize", "Blob is too large, or not of the size that it says"));
    }
    Ok(())
}

/// A gate belongs to the post under the same key.
fn gate(did: &str, (collection, rkey): (&str, &str), record: &Value) -> Result<(), &'static str> {
    only(record, &["$type", "post", "createdAt", "allow", "embeddingRules"])?;
    time(record)?;
    if record["post"] != format!("at://{did}/{POST}/{rkey}").as_str() {
        return Err("a gate must have the key of its post");
    }
    let rules = match collection {
        THREADGATE => &record["allow"],
        _ => &record["embeddingRules"],
    };
    let is_known = |rule: &Value| {
        rule["$type"]
            .as_str()
            .is_some_and(|name| name.starts_with(&format!("{collection}#")) && name.ends_with("Rule"))
    };
    match rules.as_array() {
        Some(rules) if rules.len() <= 5 && rules.iter().all(is_known) => Ok(()),
        _ => Err("a gate's rules are wrong"),
    }
}
