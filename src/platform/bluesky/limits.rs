//! What Bluesky allows: data, each with its source and the day it was read.
//!
//! Sources: the lexicons of the AT Protocol (`app.bsky.feed.post`, `app.bsky.embed.*`, `app.bsky.richtext.facet`,
//! `com.atproto.label.defs`), the reference server (packages/pds) and docs.bsky.app, all read 2026-11-22.

use std::time::Duration;

use jiff::SignedDuration;

use super::client::operation;
use crate::domain::limits::RateLimit;

/// Grapheme clusters of a text, and bytes of it in UTF-8 (lexicon `app.bsky.feed.post`).
pub(super) const TEXT_GRAPHEMES_MAX: usize = 300;
pub(super) const TEXT_BYTES_MAX: usize = 3_000;
/// Grapheme clusters of a hashtag (lexicon `app.bsky.richtext.facet`).
pub(super) const TAG_GRAPHEMES_MAX: usize = 64;
/// Posts of a thread behind the first. Ours: a thread is one commit, which may hold 200 records and 2 MB (packages/pds).
pub(super) const PARTS_MAX: usize = 24;
/// Languages of a post (lexicon `app.bsky.feed.post`).
pub(super) const LANGS_MAX: usize = 3;

/// Images in a post, and bytes of each (lexicon `app.bsky.embed.images`; 1,000,000 until 2026).
pub(super) const IMAGES_MAX: usize = 4;
pub(super) const IMAGE_BYTES_MAX: u64 = 2_000_000;
/// Bytes of a link card's picture (lexicon `app.bsky.embed.external`).
pub(super) const THUMB_BYTES_MAX: u64 = 1_000_000;
/// Bytes of a video (lexicon `app.bsky.embed.video`).
pub(super) const VIDEO_BYTES_MAX: u64 = 300_000_000;
/// Bytes of a blob on Bluesky's own servers; a server of one's own may take more, or less: 5 MiB is what the reference
/// server begins with (packages/pds).
pub(super) const BLOB_BYTES_MAX: u64 = 50 * 1_024 * 1_024;
/// What Bluesky's app takes (reports of August 2026); the lexicon has no limit.
pub(super) const VIDEO_DURATION_MS_MAX: u64 = 10 * 60 * 1_000;

/// A blob that no record names is kept for an hour at least (atproto.com, blob specification). A record that has waited
/// longer is made anew, unless it was sent already; its time would lie in the past, too.
pub(super) const FROZEN_LIFE: SignedDuration = SignedDuration::from_mins(50);

/// How long before an access token's end it should be refreshed, at most; one of two hours (packages/pds) is refreshed
/// at two thirds of its life.
pub(super) const REFRESH_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// No life that a token announces is believed beyond these: two hours and 90 days at present (packages/pds).
pub(super) const ACCESS_LIFE_MAX: SignedDuration = SignedDuration::from_hours(24);
pub(super) const REFRESH_LIFE_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// 5,000 points an hour and 35,000 a day, of which a new record costs three, a post with both gates nine, a deletion one
/// (docs.bsky.app, rate limits); 1,000 blobs a day (packages/pds); 3,000 requests in five minutes and address, of which an account gets
/// a tenth.
pub(super) const RATES: &[RateLimit] = &[
    RateLimit { operations: &[operation::PUT_RECORD], max: 1_666, window: HOUR },
    RateLimit { operations: &[operation::PUT_RECORD], max: 11_666, window: DAY },
    RateLimit { operations: &[operation::APPLY_WRITES], max: 555, window: HOUR },
    RateLimit { operations: &[operation::APPLY_WRITES], max: 3_888, window: DAY },
    RateLimit { operations: &[operation::DELETE_RECORD], max: 5_000, window: HOUR },
    RateLimit { operations: &[operation::DELETE_RECORD], max: 35_000, window: DAY },
    RateLimit { operations: &[operation::UPLOAD_BLOB], max: 1_000, window: DAY },
    RateLimit {
        operations: &[
            operation::GET_SESSION,
            operation::RESOLVE_HANDLE,
            operation::GET_RECORD,
            operation::LIST_RECORDS,
            operation::UPLOAD_BLOB,
            operation::GET_SERVICE_AUTH,
            operation::GET_UPLOAD_LIMITS,
            operation::UPLOAD_VIDEO,
            operation::GET_JOB_STATUS,
        ],
        max: 300,
        window: MINUTE.saturating_mul(5),
    },
];
