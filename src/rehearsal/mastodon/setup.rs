//! How the server is configured: what an administrator, or another kind of server, does differently. The defaults are
//! those of Mastodon 4.6 (its documentation at 2903485, its source; read 2026-11-22).

use serde::{Deserialize, Serialize};

const MINUTE_S: i64 = 60;
/// As Rails counts a month.
const MONTH_S: i64 = 2_629_746;
/// 7 brought quotes (4.5), and later ones only add.
const API_VERSION: u32 = 7;
const MEGABYTE: u64 = 1_024 * 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MastodonSetup {
    /// As nodeinfo names it, in small letters.
    pub software: String,
    /// Other software adds `(compatible; Name 1.2)`.
    pub version: String,
    /// The interface's own number; servers before 4.3 and other software tell none.
    pub api_version: Option<u32>,
    /// Whether there is a document for discovery, which servers before 4.3 do not have.
    pub discovery: bool,
    pub replay: Replay,
    /// How long the creation of a status takes. Whoever comes with the same key meanwhile is told to come later.
    pub creation_ms: u64,
    /// Whether moderators have silenced everybody: what should be public is unlisted, without a word.
    pub silenced: bool,
    /// Characters, as people see them.
    pub max_characters: usize,
    pub characters_reserved_per_url: usize,
    pub max_media_attachments: usize,
    pub mime_types: Vec<String>,
    /// Bytes.
    pub image_size_limit: u64,
    pub video_size_limit: u64,
    /// Characters.
    pub description_limit: usize,
    pub poll_options: usize,
    pub poll_option_characters: usize,
    /// Seconds.
    pub poll_min_expiration: i64,
    pub poll_max_expiration: i64,
    /// Requests with a token, or without one from an address, in 5 minutes.
    pub requests_max: u32,
    /// In 30 minutes.
    pub uploads_max: u32,
    pub deletions_max: u32,
    /// Requests for one page of a list, in 15 minutes.
    pub pages_max: u32,
    /// New posts and edits of an account in 3 hours.
    pub posts_max: u32,
}

/// What becomes of an `Idempotency-Key` that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// The status from before, for an hour, whatever the body says.
    Answered,
    /// Another status: the header is not known (GoToSocial, snac, Friendica).
    Ignored,
    /// HTTP 500, or 404 for what is scheduled, and no second status (Mastodon 4.6.0 to 4.7.1).
    Fails,
    /// HTTP 400 for an hour, also when the first try came to nothing (Pixelfed).
    Burned,
}

impl Default for MastodonSetup {
    fn default() -> Self {
        let images =
            ["jpeg", "png", "gif", "heic", "heif", "webp", "avif"].map(|name| format!("image/{name}"));
        let videos = ["webm", "mp4", "quicktime"].map(|name| format!("video/{name}"));
        let sounds = ["mpeg", "ogg", "wav", "flac"].map(|name| format!("audio/{name}"));
        MastodonSetup {
            software: "mastodon".to_owned(),
            version: "4.6.3".to_owned(),
            api_version: Some(API_VERSION),
            discovery: true,
            replay: Replay::Answered,
            creation_ms: 0,
            silenced: false,
            max_characters: 500,
            characters_reserved_per_url: 23,
            max_media_attachments: 4,
            mime_types: [&images[..], &videos, &sounds].concat(),
            image_size_limit: 16 * MEGABYTE,
            video_size_limit: 99 * MEGABYTE,
            description_limit: 10_000,
            poll_options: 4,
            poll_option_characters: 50,
            poll_min_expiration: 5 * MINUTE_S,
            poll_max_expiration: MONTH_S,
            requests_max: 300,
            uploads_max: 30,
            deletions_max: 30,
            pages_max: 300,
            posts_max: 300,
        }
    }
}
