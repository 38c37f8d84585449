//! Media files against a server's limits, and how they go up.

use super::Mastodon;
use super::checkpoint::Uploaded;
use super::client::Session;
use super::limits::*;
use super::types;
use crate::domain::capability::ServerFacts;
use crate::domain::ids::hex;
use crate::domain::manifest::report::Report;
use crate::domain::media::{Container, Image, ImageFormat, Medium, Probe, Video};
use crate::domain::retry::ErrorKind;
use crate::domain::span::Span;
use crate::platform::http::Effect;
use crate::platform::multipart::Form;
use crate::platform::upload::Expected;
use crate::platform::{Error, Job};

use super::client::operation;

/// The status of an answer to an upload that is still processed (methods/media, read 2026-11-22).
const ACCEPTED: u16 = 202;

/// The real type of a file, by its content, and the ending that goes with it.
pub(super) fn kind_of(medium: &Medium) -> Option<(&'static str, &'static str)> {
    match medium {
        Medium::File { probe: Probe::Image(image), .. } => Some(match image.format {
            ImageFormat::Jpeg => ("image/jpeg", "jpg"),
            ImageFormat::WebP => ("image/webp", "webp"),
            ImageFormat::Png => ("image/png", "png"),
            ImageFormat::Gif => ("image/gif", "gif"),
        }),
        Medium::File { probe: Probe::Video(video), .. } => match video.container {
            Container::Mp4 => Some(("video/mp4", "mp4")),
            Container::Mov => Some(("video/quicktime", "mov")),
            Container::WebM => Some(("video/webm", "webm")),
            Container::Matroska => None,
        },
        _ => None,
    }
}

/// What is wrong with a file, and how the server's own limits come to be known.
pub(super) struct Rules<'a> {
    pub(super) report: &'a Report,
    pub(super) facts: Option<&'a ServerFacts>,
    /// What goes behind the way out where the limit is only the software's default.
    pub(super) hint: &'a str,
}

impl Rules<'_> {
    fn limit(&self, known: impl Fn(&ServerFacts) -> Option<u64>, default: u64) -> u64 {
        self.facts.and_then(known).unwrap_or(default)
    }

    pub(super) fn check_type(&self, span: Span, content_type: &str) {
        let types = self.facts.and_then(|facts| facts.media_types.as_ref());
        if types.is_some_and(|types| !types.is_empty() && !types.contains(content_type)) {
            let message = format!("the server does not take {content_type}");
            self.report
                .error("media-format", span, message)
                .help("use JPEG or PNG for images, MP4 for a video");
        }
    }

    pub(super) fn check_image(&self, span: Span, size: u64, image: &Image) {
        let max = self.limit(|facts| facts.image_bytes_max, IMAGE_BYTES_MAX);
        if size > max {
            let message = format!("the image has {size} bytes, the server takes {max}");
            let help = format!("save it smaller, or at a lower quality{}", self.hint);
            self.report.error("media-too-large", span, message).help(help);
        }
        let pixels = u64::from(image.width) * u64::from(image.height);
        if pixels > IMAGE_PIXELS_MAX {
            let message = format!("the image has {pixels} pixels, Mastodon takes {IMAGE_PIXELS_MAX}");
            self.report
                .error("media-too-large", span, message)
                .help("scale it down: 4,000 pixels a side are enough");
        }
    }

    pub(super) fn check_video(&self, span: Span, size: u64, video: &Video) {
        let max = self.limit(|facts| facts.video_bytes_max, VIDEO_BYTES_MAX);
        if size > max {
            let message = format!("the video has {size} bytes, the server takes {max}");
            let help = format!("encode it at a lower bit rate{}", self.hint);
            self.report.error("media-too-large", span, message).help(help);
        }
        let pixels = u64::from(video.width) * u64::from(video.height);
        if pixels > VIDEO_PIXELS_MAX {
            let message =
                format!("the video's picture has {pixels} pixels, Mastodon takes {VIDEO_PIXELS_MAX}");
            self.report.error("media-too-large", span, message).help("scale it to 3840 × 2160 or less");
        }
        if let Some(rate) = video.frames_per_1000_s.filter(|rate| *rate > FRAMES_PER_1000_S_MAX) {
            let message =
                format!("the video has {} pictures in a second, Mastodon takes 120", rate.div_ceil(1_000));
            self.report.error("media-frame-rate", span, message).help("encode it with 60 or fewer");
        }
    }
}

impl Mastodon {
    /// Sends a file. Its name tells nothing and is its own: there are servers that keep media by their names.
    pub(super) async fn upload(
        &self,
        job: &Job,
        session: Session<'_>,
        (n, alt): (usize, &str),
    ) -> Result<Uploaded, Error> {
        let (operation, medium) = (operation::UPLOAD, job.payload.media.get(n));
        let (Some(Medium::File { path, size, digest, stamp, .. }), Some((content_type, ending))) =
            (medium, medium.and_then(kind_of))
        else {
            let message = "the payload's medium is no file that a server takes";
            return Err(Error::new(operation, ErrorKind::Local, "foreign-payload", message));
        };
        let expected = Expected { path: job.content.join(path), stamp: *stamp, digest: *digest };
        let part = self.files.open(operation, expected, (0, *size), job.progress.clone()).await?;
        let form = Form {
            fields: Some(("description", alt.to_owned())).filter(|_| !alt.is_empty()).into_iter().collect(),
            name: "file",
            file_name: format!("{}.{ending}", hex(&digest.0)),
            content_type,
            part,
        };
        let answer = self.client.upload(session, form).await?;
        let id = types::id(operation, Effect::Harmless, &answer.body)?;
        Ok(Uploaded { id, digest: *digest, at: job.now, is_ready: answer.status != ACCEPTED })
    }
}
