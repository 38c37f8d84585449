//! What TikTok allows: data, each with its source and the day it was read.

use std::time::Duration;

use crate::domain::limits::{Cap, Counts, RateLimit};

/// UTF-16 code units of a video's caption (TikTok docs `dp`, read 2026-11-22).
pub(super) const CAPTION_UNITS_MAX: usize = 2_200;
/// UTF-16 code units of a photo post's title (TikTok docs `ph`, read 2026-11-22).
pub(super) const TITLE_UNITS_MAX: usize = 90;
/// UTF-16 code units of a photo post's description (TikTok docs `ph`, read 2026-11-22).
pub(super) const DESCRIPTION_UNITS_MAX: usize = 4_000;

/// Photos in one post (TikTok docs `ph`, read 2026-11-22).
pub(super) const PHOTOS_MAX: usize = 35;
/// Bytes of one photo (TikTok docs `mt`, read 2026-11-22).
pub(super) const PHOTO_BYTES_MAX: u64 = 20_000_000;
/// Pixels. "1080p" is the documented maximum (TikTok docs `mt`, read 2026-11-22); which side it means is not said.
/// Photos of 1086 by 1448 and of 1254 by 1254 were refused, 1080 by 1920 is accepted (public reports, 2026).
pub(super) const PHOTO_SHORT_SIDE_MAX: u32 = 1_080;
pub(super) const PHOTO_LONG_SIDE_MAX: u32 = 1_920;

/// Bytes of a video (TikTok docs `mt`, read 2026-11-22); the smaller reading of "4 GB".
pub(super) const VIDEO_BYTES_MAX: u64 = 4_000_000_000;
/// By the API; a creator's own maximum may be lower (TikTok docs `mt`, `ci`, read 2026-11-22).
pub(super) const VIDEO_DURATION_MS_MAX: u64 = 10 * 60 * 1_000;
/// Pixels of each side (TikTok docs `mt`, read 2026-11-22).
pub(super) const VIDEO_SIDE_MIN: u32 = 360;
pub(super) const VIDEO_SIDE_MAX: u32 = 4_096;
/// Frames in 1,000 seconds: 23 to 60 a second (TikTok docs `mt`, read 2026-11-22), and one in a hundred more to either
/// side, since the average of a phone's 60, or of times in whole milliseconds, is a hair off.
pub(super) const VIDEO_FRAMES_PER_1000_S_MIN: u64 = 22_770;
pub(super) const VIDEO_FRAMES_PER_1000_S_MAX: u64 = 60_600;

/// An upload URL's life (TikTok docs `dp`, read 2026-11-22).
pub(super) const UPLOAD_URL_LIFE: Duration = Duration::from_secs(60 * 60);

/// How long before an access token's end it should be refreshed, at most; a token of two hours (TikTok docs `oat`,
/// 2026-11-05) is refreshed at two thirds of its life.
pub(super) const REFRESH_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Per user and endpoint (TikTok docs `dp`, `up`, `ph`, `ci`, `st`, `rl`, read 2026-11-22).
pub(super) const RATES: &[RateLimit] = &[
    RateLimit { operations: &["video/init"], max: 6, window: MINUTE },
    RateLimit { operations: &["inbox/video/init"], max: 6, window: MINUTE },
    RateLimit { operations: &["content/init"], max: 6, window: MINUTE },
    RateLimit { operations: &["creator_info/query"], max: 20, window: MINUTE },
    RateLimit { operations: &["status/fetch"], max: 30, window: MINUTE },
    RateLimit { operations: &["user/info"], max: 600, window: MINUTE },
    RateLimit { operations: &["video/list"], max: 600, window: MINUTE },
    RateLimit { operations: &["video/query"], max: 600, window: MINUTE },
    // Ours: TikTok's API for Business tells none, and that many answers at once are taken for spam and hidden.
    RateLimit { operations: &["comment/list", "comment/reply/list"], max: 60, window: MINUTE },
    RateLimit { operations: &["comment/reply/create"], max: 6, window: MINUTE },
    // TikTok docs `about-research-api`, read 2026-11-22.
    RateLimit { operations: &["research/video/comment/list"], max: 1_000, window: DAY },
];

/// "About 15 posts" a day and creator over all apps (TikTok docs `csg`, 2026-08-04), 5 pending drafts (TikTok docs `up`,
/// read 2026-11-22).
pub(super) const CAPS: &[Cap] = &[
    Cap { name: "posts-per-day", counts: Counts::Posts, max: 15, window: DAY },
    Cap { name: "drafts-per-day", counts: Counts::Drafts, max: 5, window: DAY },
    // Ours as well.
    Cap { name: "answers-per-day", counts: Counts::Replies, max: 50, window: DAY },
];

/// What TikTok's documentation says, for people.
pub(super) struct Said {
    pub(super) text: &'static str,
    pub(super) source: &'static str,
}

/// While TikTok has not audited the app.
pub(super) const UNAUDITED: &[Said] = &[
    Said {
        text: "Drafts work: the creator finishes them in TikTok's app, and chooses there who may see them.",
        source: "content-posting-api-reference-upload-video, read 2026-11-22, which asks for no audit",
    },
    Said {
        text: "Direct posts are SELF_ONLY: nobody but their owner sees them, whatever the manifest says.",
        source: "content-sharing-guidelines, revised 2026-08-04",
    },
    Said {
        text: "The account must be private while gitcast posts directly; TikTok refuses it otherwise, SELF_ONLY or not.",
        source: "content-sharing-guidelines, revised 2026-08-04; two public reports, 2026",
    },
    Said {
        text: "To show such a post, its owner makes the account public, then changes the post's privacy in TikTok's app.",
        source: "content-sharing-guidelines, revised 2026-08-04",
    },
    Said {
        text: "At most 5 users of the app may post in 24 hours.",
        source: "content-sharing-guidelines, revised 2026-08-04",
    },
];

/// Once it has.
pub(super) const AUDITED: &[Said] = &[
    Said {
        text: "Direct posts may be seen by whomever the account offers: `gitcast auth status --write` asks for that.",
        source: "content-posting-api-reference-query-creator-info, read 2026-11-22",
    },
    Said {
        text: "How many users of the app may post in a day follows from the estimate in the audit's form.",
        source: "content-sharing-guidelines, revised 2026-08-04",
    },
];

/// In both cases.
pub(super) const EITHER: &[Said] = &[
    Said {
        text: "The audit is of the app, with its keys: all of its accounts have the same state.",
        source: "content-sharing-guidelines, revised 2026-08-04",
    },
    Said {
        text: "A paid partnership cannot be SELF_ONLY.",
        source: "content-sharing-guidelines, revised 2026-08-04",
    },
];
