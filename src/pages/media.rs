//! Media of a post: what they are in words, and where a page finds them.

use maud::{Markup, html};

use super::text::{link, plain, visible};
use crate::domain::media::{Medium, Probe};
use crate::domain::telling;

/// Where a page finds a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// At this name beside the pages.
    Here(String),
    /// Not here: it is named only.
    Named,
}

/// What there is to show of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    Photo,
    Video,
}

impl Picture {
    /// What a medium is, the extension of a file that holds it, and its type. `None`: nothing that can be shown, or not here.
    pub fn of(medium: &Medium) -> Option<(Picture, &'static str, &'static str)> {
        use crate::domain::media::{Container, ImageFormat};
        let Medium::File { probe, .. } = medium else { return None };
        Some(match probe {
            Probe::Image(image) => match image.format {
                ImageFormat::Jpeg => (Picture::Photo, "jpg", "image/jpeg"),
                ImageFormat::WebP => (Picture::Photo, "webp", "image/webp"),
                ImageFormat::Png => (Picture::Photo, "png", "image/png"),
                ImageFormat::Gif => (Picture::Photo, "gif", "image/gif"),
            },
            Probe::Video(video) => match video.container {
                Container::Mp4 => (Picture::Video, "mp4", "video/mp4"),
                Container::Mov => (Picture::Video, "mov", "video/quicktime"),
                Container::WebM => (Picture::Video, "webm", "video/webm"),
                Container::Matroska => (Picture::Video, "mkv", "video/x-matroska"),
            },
            Probe::Unknown { .. } => return None,
        })
    }
}

/// The picture, or what stands for one that is not here. `alt` is told to those who cannot see it.
pub(super) fn picture(medium: &Medium, source: &Source, alt: &str) -> Markup {
    match (source, Picture::of(medium)) {
        (Source::Here(name), Some((Picture::Photo, ..))) => {
            html! { img src=(name) alt=(plain(alt)); }
        }
        (Source::Here(name), Some((Picture::Video, ..))) => {
            html! { video src=(name) controls playsinline preload="metadata" aria-label=(plain(alt)) {} }
        }
        (_, what) => {
            let sign = if matches!(what, Some((Picture::Photo, ..))) { "▧" } else { "▷" };
            html! {
                div.absent {
                    span.sign aria-hidden="true" { (sign) }
                    span { (facts(medium)) }
                }
            }
        }
    }
}

/// `hello.mp4: MP4, 720 × 1280, 3.0 s, 118 kB`.
pub(super) fn facts(medium: &Medium) -> Markup {
    match medium {
        Medium::Url { url } => link(url, url),
        Medium::File { path, .. } => {
            html! { span.file { (visible(path)) } " " span.quiet { (telling::facts(medium)) } }
        }
    }
}
