//! Media files against TikTok's limits.

use super::limits::*;
use crate::domain::manifest::report::Report;
use crate::domain::media::{Container, Image, ImageFormat, Video, VideoCodec};
use crate::domain::span::Span;

const ENCODE_H264: &str =
    "encode it as H.264 with `ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p -c:a aac OUT.mp4`";
const ENCODE_SMALLER: &str = "encode it at a lower bit rate";

/// A video file against TikTok's limits.
pub(super) fn check_video(report: &Report, span: Span, size: u64, video: &Video) {
    let error = |code, message: String, help: &str| {
        report.error(code, span, message).help(help);
    };
    match &video.codec {
        VideoCodec::H264 | VideoCodec::H265 | VideoCodec::Vp8 | VideoCodec::Vp9 => {}
        VideoCodec::Av1 => error("media-codec", "TikTok takes no AV1".into(), ENCODE_H264),
        VideoCodec::Other(name) => {
            let name = crate::platform::error::foreign(name);
            error("media-codec", format!("TikTok does not take the video codec {name}"), ENCODE_H264);
        }
    }
    if size > VIDEO_BYTES_MAX {
        error(
            "media-too-large",
            format!("the video has {size} bytes, TikTok takes {VIDEO_BYTES_MAX}"),
            ENCODE_SMALLER,
        );
    }
    if video.container == Container::Matroska {
        error("media-container", "TikTok takes no Matroska file".into(), ENCODE_H264);
    }
    if video.duration_ms.is_none() {
        let message = "the file does not tell how long it is; TikTok takes at most 600 s";
        report.warning("media-duration-unknown", span, message).help("make sure of it");
    }
    if let Some(duration_ms) = video.duration_ms.filter(|ms| *ms > VIDEO_DURATION_MS_MAX) {
        let message =
            format!("the video lasts {} s, TikTok takes at most 600 s", duration_ms.div_ceil(1_000));
        error("media-too-long", message, "cut it; an account's own maximum may be lower still");
    }
    let sides = [video.width, video.height];
    if sides.iter().any(|side| !(VIDEO_SIDE_MIN..=VIDEO_SIDE_MAX).contains(side)) {
        let message =
            format!("the video is {} by {} pixels; TikTok takes sides of 360 to 4096", sides[0], sides[1]);
        error("media-dimensions", message, "scale it");
    }
    check_frames(report, span, video);
    if video.moov_at_front == Some(false) {
        let message = "the video's index stands at its end: TikTok has to have all of it before it can begin";
        report
            .warning("media-index-at-end", span, message)
            .help("re-write it with `ffmpeg -i IN -c copy -movflags +faststart OUT`");
    }
}

fn check_frames(report: &Report, span: Span, video: &Video) {
    let Some(frames) = video.frames_per_1000_s else {
        let message = "the file does not tell its frame rate; TikTok takes 23 to 60 frames a second";
        report.warning("media-frame-rate-unknown", span, message).help("make sure of it");
        return;
    };
    if !(VIDEO_FRAMES_PER_1000_S_MIN..=VIDEO_FRAMES_PER_1000_S_MAX).contains(&frames) {
        let message = format!(
            "the video has {}.{:03} frames a second, TikTok takes 23 to 60",
            frames / 1_000,
            frames % 1_000
        );
        report.error("media-frame-rate", span, message).help("encode it at 30 frames a second");
    }
}

/// A photo file, likewise.
pub(super) fn check_photo(report: &Report, span: Span, size: u64, image: &Image) {
    let error = |code, message: String, help: &str| {
        report.error(code, span, message).help(help);
    };
    match image.format {
        ImageFormat::Jpeg | ImageFormat::WebP => {}
        ImageFormat::Png => error("media-format", "TikTok takes no PNG".into(), "use JPEG or WebP"),
        ImageFormat::Gif => error("media-format", "TikTok takes no GIF".into(), "use JPEG or WebP"),
    }
    if image.animated {
        error(
            "media-format",
            "TikTok takes no moving picture as a photo".into(),
            "use a still one, or a video",
        );
    }
    if size > PHOTO_BYTES_MAX {
        let message = format!("the photo has {size} bytes, TikTok takes {PHOTO_BYTES_MAX}");
        error("media-too-large", message, "save it at a lower quality");
    }
    let (short, long) = (image.width.min(image.height), image.width.max(image.height));
    if short > PHOTO_SHORT_SIDE_MAX || long > PHOTO_LONG_SIDE_MAX {
        let message = format!(
            "the photo is {} by {} pixels, TikTok takes 1080 by 1920 at most",
            image.width, image.height
        );
        error("media-dimensions", message, "scale it down; one such photo fails the whole post");
    }
    if image.orientation != 1 {
        let message = "the photo is stored turned, and TikTok may show it so";
        report.warning("media-orientation", span, message).help("save it upright, without EXIF orientation");
    }
}
