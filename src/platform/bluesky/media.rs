//! Media files against Bluesky's limits, and how they are named in a request.

use super::limits::*;
use crate::domain::manifest::report::Report;
use crate::domain::media::{Container, Image, ImageFormat, Medium, Probe, Video};
use crate::domain::span::Span;

/// The real type of what is uploaded, by its content: the server keeps it, and the record must name the same.
pub(super) fn content_type(medium: &Medium) -> &'static str {
    match medium {
        Medium::File { probe: Probe::Image(image), .. } => match image.format {
            ImageFormat::Jpeg => "image/jpeg",
            ImageFormat::WebP => "image/webp",
            ImageFormat::Png => "image/png",
            ImageFormat::Gif => "image/gif",
        },
        Medium::File { probe: Probe::Video(_), .. } => "video/mp4",
        _ => "application/octet-stream",
    }
}

/// Width and height as they will be seen, for the space that an app leaves before the picture is there.
pub(super) fn aspect_ratio(medium: &Medium) -> Option<(u32, u32)> {
    let (width, height) = match medium {
        Medium::File { probe: Probe::Image(image), .. } => image.displayed_size(),
        Medium::File { probe: Probe::Video(video), .. } => (video.width, video.height),
        _ => return None,
    };
    (width > 0 && height > 0).then_some((width, height))
}

/// An image of a post, or a link card's picture, which may be half as large.
pub(super) fn check_image(report: &Report, span: Span, size: u64, image: &Image, bytes_max: u64) {
    if size > bytes_max {
        let message = format!("the image has {size} bytes, Bluesky takes {bytes_max} here");
        report
            .error("media-too-large", span, message)
            .help("save it smaller, or at a lower quality; 2,000 pixels a side are enough");
    }
    if image.animated || image.format == ImageFormat::Gif {
        let message = "Bluesky shows a moving picture as a still one";
        report.warning("media-still", span, message).help("use a video to have it move");
    }
}

/// `is_own_server`: the account has an endpoint, whose limit nobody knows here.
pub(super) fn check_video(report: &Report, span: Span, size: u64, video: &Video, is_own_server: bool) {
    if video.container != Container::Mp4 {
        let message = format!("Bluesky takes MP4, this is {}", video.container);
        report
            .error("media-container", span, message)
            .help("re-write it with `ffmpeg -i IN -c copy OUT.mp4`, or encode it as H.264");
    }
    let smaller = "encode it at a lower bit rate";
    if size > VIDEO_BYTES_MAX {
        let message = format!("the video has {size} bytes, Bluesky takes {VIDEO_BYTES_MAX}");
        report.error("media-too-large", span, message).help(smaller);
    } else if size > BLOB_BYTES_MAX && is_own_server {
        let message = format!("the video has {size} bytes; most servers take {BLOB_BYTES_MAX} at most");
        report.warning("media-too-large", span, message).help(smaller);
    }
    if let Some(duration_ms) = video.duration_ms.filter(|ms| *ms > VIDEO_DURATION_MS_MAX) {
        let message =
            format!("the video lasts {} s, Bluesky's app takes at most 600 s", duration_ms.div_ceil(1_000));
        report.error("media-too-long", span, message).help("cut it");
    }
}
