//! What Mastodon allows: data, each with its source and the day it was read. These are the defaults of the software; each
//! server may set its own, which `auth status --write` notes.
//!
//! Sources: docs.joinmastodon.org (entities/Instance, methods, api/rate-limits) and the server's own code (mastodon 4.x),
//! read 2026-11-22.

use std::time::Duration;

use jiff::SignedDuration;

use super::client::operation;
use crate::domain::limits::RateLimit;

/// Grapheme clusters of a warning and its text together, and how many each link counts for (entities/Instance).
pub(super) const TEXT_CHARS_MAX: u64 = 500;
pub(super) const LINK_CHARS: u64 = 23;
/// Posts of a thread behind the first. Ours: each is a request that people wait for.
pub(super) const PARTS_MAX: usize = 24;

/// Media of a post (media_attachment.rs); videos come alone.
pub(super) const MEDIA_MAX: u64 = 4;
pub(super) const IMAGE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
pub(super) const VIDEO_BYTES_MAX: u64 = 99 * 1_024 * 1_024;
/// Pixels of an image and of a video's picture, and pictures in a second (entities/Instance).
pub(super) const IMAGE_PIXELS_MAX: u64 = 33_177_600;
pub(super) const VIDEO_PIXELS_MAX: u64 = 8_294_400;
pub(super) const FRAMES_PER_1000_S_MAX: u64 = 120_000;
/// Characters of a description: 1,500 until 4.6, which takes 10,000 (release notes).
pub(super) const ALT_CHARS_MAX: u64 = 1_500;

/// Answers of a poll, characters of each, and how long it may be open (entities/Instance).
pub(super) const POLL_OPTIONS_MIN: usize = 2;
pub(super) const POLL_OPTIONS_MAX: u64 = 4;
pub(super) const POLL_OPTION_CHARS_MAX: u64 = 50;
pub(super) const POLL_SECONDS_MIN: u64 = 300;
pub(super) const POLL_SECONDS_MAX: u64 = 2_629_746;

/// Media that no post names are thrown away after about a day (media_attachment.rs); earlier than that they are uploaded
/// again.
pub(super) const MEDIA_LIFE: SignedDuration = SignedDuration::from_hours(20);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Of docs.joinmastodon.org, api/rate-limits: 300 requests in five minutes with one token; 30 uploads and 30 deletions in
/// half an hour; 300 pages in a quarter of an hour; and 300 posts in three hours (rate_limiter.rb). An account gets all of
/// each, as tokens do.
pub(super) const RATES: &[RateLimit] = &[
    RateLimit {
        operations: &[
            operation::VERIFY,
            operation::INSTANCE,
            operation::LIST,
            operation::HOME,
            operation::STATUS,
            operation::UPLOAD,
            operation::MEDIA,
            operation::POST,
            operation::EDIT,
            operation::DELETE,
            operation::SOURCE,
        ],
        max: 300,
        window: MINUTE.saturating_mul(5),
    },
    RateLimit { operations: &[operation::UPLOAD], max: 30, window: MINUTE.saturating_mul(30) },
    RateLimit { operations: &[operation::DELETE], max: 30, window: MINUTE.saturating_mul(30) },
    RateLimit {
        operations: &[operation::LIST, operation::HOME],
        max: 300,
        window: MINUTE.saturating_mul(15),
    },
    RateLimit { operations: &[operation::POST], max: 300, window: HOUR.saturating_mul(3) },
];
