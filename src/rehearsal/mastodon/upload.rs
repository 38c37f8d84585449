//! Media: taken in as they arrive, processed, described, and attached once (docs methods/media, media_controller.rb,
//! media_attachment.rb; read 2026-11-22).

use std::path::Path;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::super::http::{Reply, not_found};
use super::super::store::Store;
use super::super::{Server, files, random};
use super::model::{MEDIA_MAX, full};
use super::multipart::Multipart;
use super::params::Params;
use super::setup::MastodonSetup;
use super::{Answer, Call, Caller, Refusal, Success};

/// What a file is known by; an animation says so within it.
const START_MAX: usize = 1_024;
/// A description in bytes, four for each character.
const FIELD_MAX: usize = 64 * 1_024;
const PARTS_MAX: usize = 16;
/// What a body has beside the file.
const ENVELOPE_MAX: u64 = 1_024 * 1_024;
const FILE_TYPE: &str = "File type of uploaded media could not be verified";
const PROCESSING: &str = "Error processing thumbnail for uploaded media";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Media {
    pub(super) id: i64,
    pub(super) account: String,
    pub(super) kind: Kind,
    pub(super) mime_type: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// SHA-256 of the picture that stands for it.
    pub(super) thumbnail: Option<String>,
    pub(super) description: String,
    /// From the left and the bottom, -1 to 1.
    pub(super) focus: Option<(f64, f64)>,
    pub(super) created_at: i64,
    pub(super) ready_at: i64,
    pub(super) has_failed: bool,
    pub(super) status: Option<i64>,
    pub(super) scheduled: Option<i64>,
    /// Since when it belongs to nothing, in milliseconds.
    pub(super) unattached_since: i64,
    /// Deleted, by whomever.
    pub(super) is_gone: bool,
    /// The feed shows it still.
    pub(super) was_published: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Image,
    Gifv,
    Video,
    Audio,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Gifv => "gifv",
            Kind::Video => "video",
            Kind::Audio => "audio",
        }
    }

    pub(super) fn stands_alone(self) -> bool {
        matches!(self, Kind::Video | Kind::Audio)
    }
}

impl Media {
    pub(super) fn is_ready(&self, now: i64) -> bool {
        self.ready_at <= now && !self.has_failed
    }

    /// The name of its file in the store.
    pub(super) fn file(&self) -> String {
        format!("mastodon-{}", self.id)
    }

    /// What nobody has seen leaves the disk, too.
    pub(super) fn discard(&mut self, store: &Store) {
        self.is_gone = true;
        if !self.was_published {
            // That it could not be removed harms nobody.
            let _ = std::fs::remove_file(store.media_path(&self.file()));
        }
    }

    pub(super) fn view(&self, base_url: &str, now: i64) -> Value {
        let url = format!("{base_url}/media/mastodon/{}", self.id);
        let is_ready = self.ready_at <= now;
        let meta = self.focus.map_or_else(|| json!({}), |(x, y)| json!({ "focus": { "x": x, "y": y } }));
        json!({
            "id": self.id.to_string(), "type": self.kind.as_str(), "url": is_ready.then_some(&url),
            "preview_url": is_ready.then_some(&url), "remote_url": null, "preview_remote_url": null,
            "text_url": null, "meta": meta, "blurhash": null,
            "description": Some(&self.description).filter(|text| !text.is_empty()),
        })
    }

    /// With what the parameters change; they leave alone what they do not name.
    pub(super) fn described(&self, setup: &MastodonSetup, params: &Params) -> Result<Media, Refusal> {
        let mut media = self.clone();
        if let Some(description) = params.text("description") {
            media.description = checked_description(setup, &description)?;
        }
        if let Some(focus) = params.present("focus") {
            media.focus = Some(checked_focus(&focus)?);
        }
        Ok(media)
    }
}

fn checked_description(setup: &MastodonSetup, text: &str) -> Result<String, Refusal> {
    let (text, max) = (text.trim(), setup.description_limit);
    match text.chars().count() > max {
        true => Err(Refusal::invalid(&format!("Description is too long (maximum is {max} characters)"))),
        false => Ok(text.to_owned()),
    }
}

/// `x,y`, each from -1 to 1, which the real server does not check.
fn checked_focus(text: &str) -> Result<(f64, f64), Refusal> {
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| (-1.0..=1.0).contains(number));
    let found = text.split_once(',').and_then(|(x, y)| Some((number(x)?, number(y)?)));
    found.ok_or_else(|| Refusal::invalid("Focus is invalid"))
}

/// What arrived.
#[derive(Default)]
struct Received {
    start: Vec<u8>,
    size: u64,
    sha256: String,
    has_file: bool,
    thumbnail: Option<String>,
    description: String,
    focus: Option<String>,
}

pub(super) async fn create(
    server: &Arc<Server>,
    caller: &Caller,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Answer {
    let setup = server.mastodon().setup.clone();
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > setup.video_size_limit.saturating_add(ENVELOPE_MAX)) {
        return Err(Refusal::new(413, "Payload Too Large"));
    }
    let unfinished = server.store.media_path(&format!("{}.part", random::hex(8)?));
    let taken = match Multipart::of(headers, body) {
        Some(parts) => receive(parts, &setup, &unfinished).await,
        None => Err(Refusal::invalid("File can't be blank")),
    };
    let kept = taken.and_then(|received| keep(server, caller, &setup, &received));
    match kept {
        Ok((id, answer)) => {
            let file = server.store.media_path(&format!("mastodon-{id}"));
            tokio::fs::rename(&unfinished, file).await?;
            Ok(answer)
        }
        Err(refusal) => {
            // Half a file is of no use; that it could not be removed harms nobody.
            let _ = tokio::fs::remove_file(&unfinished).await;
            Err(refusal)
        }
    }
}

async fn receive(mut parts: Multipart<'_>, setup: &MastodonSetup, path: &Path) -> Result<Received, Refusal> {
    let mut received = Received::default();
    for _ in 0..PARTS_MAX {
        let Some(part) = parts.next().await.map_err(broken)? else { return Ok(received) };
        match part.name.as_str() {
            // Without a name or a type it is a text like others, which is no file.
            "file" if part.is_file && part.has_type => {
                take_file(&mut parts, setup.video_size_limit, path, &mut received).await?;
            }
            "thumbnail" if part.is_file => {
                let mut hash = Sha256::new();
                while let Some(data) = parts.chunk().await.map_err(broken)? {
                    hash.update(&data);
                }
                received.thumbnail = Some(random::to_hex(&hash.finalize()));
            }
            name => {
                let mut text = Vec::new();
                while let Some(data) = parts.chunk().await.map_err(broken)? {
                    let room = FIELD_MAX.saturating_sub(text.len());
                    text.extend_from_slice(&data[..data.len().min(room)]);
                }
                let text = String::from_utf8_lossy(&text).into_owned();
                match name {
                    "description" => received.description = text,
                    "focus" => received.focus = Some(text),
                    _ => {}
                }
            }
        }
    }
    Err(Refusal::new(400, "too many parts"))
}

fn broken(_: std::io::Error) -> Refusal {
    Refusal::new(400, "the body broke off, or is no multipart form")
}

/// To disk as it arrives. What is beyond the limit is read and not kept.
async fn take_file(
    parts: &mut Multipart<'_>,
    bytes_max: u64,
    path: &Path,
    received: &mut Received,
) -> Result<(), Refusal> {
    let mut file = tokio::fs::File::create(path).await?;
    let mut hash = Sha256::new();
    (received.start, received.size, received.has_file) = (Vec::new(), 0, true);
    while let Some(data) = parts.chunk().await.map_err(broken)? {
        let room = START_MAX.saturating_sub(received.start.len());
        received.start.extend_from_slice(&data[..data.len().min(room)]);
        received.size += data.len() as u64;
        if received.size <= bytes_max {
            hash.update(&data);
            file.write_all(&data).await?;
        }
    }
    file.flush().await?;
    received.sha256 = random::to_hex(&hash.finalize());
    Ok(())
}

fn keep(
    server: &Server,
    caller: &Caller,
    setup: &MastodonSetup,
    received: &Received,
) -> Result<(i64, Success), Refusal> {
    if !received.has_file || received.size == 0 {
        return Err(Refusal::invalid("File can't be blank"));
    }
    let (kind, mime_type) = sniffed(&received.start).ok_or_else(|| Refusal::new(422, FILE_TYPE))?;
    if !setup.mime_types.iter().any(|known| known == mime_type) {
        return Err(Refusal::invalid("File content type is invalid, File is invalid"));
    }
    // An animation is a picture until it has been processed.
    let limit = if kind.stands_alone() { setup.video_size_limit } else { setup.image_size_limit };
    if received.size >= limit {
        let most = format!("must be less than {} MB", limit / (1_024 * 1_024));
        return Err(Refusal::invalid(&format!("File file size {most}, File {most}")));
    }
    if received.thumbnail.is_some() && !kind.stands_alone() {
        return Err(Refusal::invalid("Thumbnail must be blank"));
    }
    let description = checked_description(setup, &received.description)?;
    let focus = received.focus.as_deref().filter(|text| !text.is_empty()).map(checked_focus).transpose()?;
    let now = server.now();
    let mut model = server.mastodon();
    if model.kept.media.len() >= MEDIA_MAX {
        return Err(full().into());
    }
    let id = model.snowflake(now);
    let is_at_once = kind == Kind::Image;
    let media = Media {
        id,
        account: caller.account.name.clone(),
        kind,
        mime_type: mime_type.to_owned(),
        size: received.size,
        sha256: received.sha256.clone(),
        thumbnail: received.thumbnail.clone(),
        description,
        focus,
        created_at: now,
        ready_at: if is_at_once { now } else { now.saturating_add(server.processing_ms) },
        has_failed: !is_at_once && caller.account.fail_reason.is_some(),
        status: None,
        scheduled: None,
        unattached_since: now,
        is_gone: false,
        was_published: false,
    };
    let status = if is_at_once { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut body = media.view(&server.base_url, now);
    if !is_at_once {
        // However short the processing is, it has not happened yet.
        body["url"] = Value::Null;
    }
    model.kept.media.insert(id, media);
    model.save(&server.store)?;
    Ok((id, Success { status, body, link: None }))
}

/// What the first bytes say, whatever the request says.
fn sniffed(start: &[u8]) -> Option<(Kind, &'static str)> {
    let brand = (start.get(4..8) == Some(b"ftyp")).then(|| start.get(8..12)).flatten();
    let riff = start.starts_with(b"RIFF").then(|| start.get(8..12)).flatten();
    let is_animated = || start.windows(11).any(|window| window == b"NETSCAPE2.0");
    match (brand, riff) {
        (Some(b"avif" | b"avis"), _) => Some((Kind::Image, "image/avif")),
        (Some(b"heic" | b"heix" | b"mif1" | b"heif"), _) => Some((Kind::Image, "image/heic")),
        (Some(b"qt  "), _) => Some((Kind::Video, "video/quicktime")),
        (Some(_), _) => Some((Kind::Video, "video/mp4")),
        (_, Some(b"WEBP")) => Some((Kind::Image, "image/webp")),
        (_, Some(b"WAVE")) => Some((Kind::Audio, "audio/wav")),
        _ if start.starts_with(&[0xFF, 0xD8, 0xFF]) => Some((Kind::Image, "image/jpeg")),
        _ if start.starts_with(b"\x89PNG\r\n\x1a\n") => Some((Kind::Image, "image/png")),
        _ if start.starts_with(b"GIF8") && is_animated() => Some((Kind::Gifv, "image/gif")),
        _ if start.starts_with(b"GIF8") => Some((Kind::Image, "image/gif")),
        _ if start.starts_with(&[0x1A, 0x45, 0xDF, 0xA3]) => Some((Kind::Video, "video/webm")),
        _ if start.starts_with(b"ID3") || start.starts_with(&[0xFF, 0xFB]) => {
            Some((Kind::Audio, "audio/mpeg"))
        }
        _ if start.starts_with(b"OggS") => Some((Kind::Audio, "audio/ogg")),
        _ if start.starts_with(b"fLaC") => Some((Kind::Audio, "audio/flac")),
        _ => None,
    }
}

/// One of the caller's own that is attached to nothing; what waits with a scheduled status counts as that.
fn own(call: &Call) -> Result<Media, Refusal> {
    let account = &call.caller()?.account.name;
    let model = call.model();
    let media = model.medium(account, call.id()?).filter(|media| media.status.is_none());
    let media = media.ok_or_else(Refusal::not_found)?;
    match media.has_failed && media.ready_at <= call.now() {
        true => Err(Refusal::new(422, PROCESSING)),
        false => Ok(media.clone()),
    }
}

fn answer(call: &Call, media: &Media) -> Success {
    let is_ready = media.ready_at <= call.now();
    let status = if is_ready { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    Success { status, body: media.view(&call.server.base_url, call.now()), link: None }
}

pub(super) fn get(call: &Call) -> Answer {
    Ok(answer(call, &own(call)?))
}

pub(super) fn update(call: &Call) -> Answer {
    let media = own(call)?;
    let mut model = call.model();
    let media = media.described(&model.setup, &call.params)?;
    model.kept.media.insert(media.id, media.clone());
    model.save(&call.server.store)?;
    Ok(answer(call, &media))
}

pub(super) fn delete(call: &Call) -> Answer {
    let (account, id) = (&call.caller()?.account.name, call.id()?);
    let mut model = call.model();
    if model.medium(account, id).ok_or_else(Refusal::not_found)?.status.is_some() {
        return Err(Refusal::new(422, "Media attachment is currently used by a status"));
    }
    if let Some(media) = model.kept.media.get_mut(&id) {
        media.discard(&call.server.store);
    }
    model.save(&call.server.store)?;
    Ok(json!({}).into())
}

/// A medium for the feed and for whoever has its address, by its id: no path from outside touches the disk.
pub(in crate::rehearsal) async fn serve(server: &Server, headers: &HeaderMap, id: &str) -> Reply {
    let id: i64 = id.parse().unwrap_or_default();
    let found = server.mastodon().kept.media.get(&id).cloned();
    match found {
        Some(media) => files::serve(&server.store.media_path(&media.file()), &media.mime_type, headers).await,
        None => not_found(),
    }
}
