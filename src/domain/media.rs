//! What is known of a medium: facts read from its headers, its digest, and where it lies.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::ContentDigest;

/// What the headers of a file say. The type is decided by content, never by the file's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Probe {
    Video(Video),
    Image(Image),
    /// Neither, as far as we can tell; `looks_like` names a well-known kind of file, to say more than "no".
    Unknown {
        looks_like: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    pub container: Container,
    pub codec: VideoCodec,
    /// Pixels as displayed: after `rotation`.
    pub width: u32,
    pub height: u32,
    /// Degrees clockwise by which a player turns the coded picture: 0, 90, 180 or 270.
    pub rotation: u16,
    pub duration_ms: Option<u64>,
    /// Average frame rate times 1000, so 29.97 fps is 29970. An integer, so that facts can be compared.
    pub frames_per_1000_s: Option<u64>,
    /// The first audio track's codec.
    pub audio: Option<String>,
    /// Whether a player can start before it has everything. Only MP4 and MOV have this question.
    pub moov_at_front: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    Mp4,
    Mov,
    WebM,
    Matroska,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
    /// The container's own name for it, printable ASCII.
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub format: ImageFormat,
    /// Pixels as stored: before `orientation`.
    pub width: u32,
    pub height: u32,
    /// EXIF orientation, 1 (upright) to 8.
    pub orientation: u8,
    /// Told for WebP and PNG; not looked for in GIF.
    pub animated: bool,
}

impl Image {
    /// Width and height as a viewer that honours the orientation shows them.
    pub fn displayed_size(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    Jpeg,
    WebP,
    Png,
    Gif,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Mp4 => "MP4",
            Container::Mov => "MOV",
            Container::WebM => "WebM",
            Container::Matroska => "Matroska",
        })
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VideoCodec::H264 => "H.264",
            VideoCodec::H265 => "H.265",
            VideoCodec::Vp8 => "VP8",
            VideoCodec::Vp9 => "VP9",
            VideoCodec::Av1 => "AV1",
            VideoCodec::Other(name) => name,
        })
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ImageFormat::Jpeg => "JPEG",
            ImageFormat::WebP => "WebP",
            ImageFormat::Png => "PNG",
            ImageFormat::Gif => "GIF",
        })
    }
}

/// What tells whether a file is still the one that was looked at, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileStamp {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
    pub device: u64,
}

impl FileStamp {
    /// Times as the operating system gives them: seconds and nanoseconds.
    pub fn new(size: u64, mtime: (i64, i64), ctime: (i64, i64), inode: u64, device: u64) -> FileStamp {
        let nanoseconds = |(s, ns): (i64, i64)| s.saturating_mul(1_000_000_000).saturating_add(ns);
        FileStamp { size, mtime_ns: nanoseconds(mtime), ctime_ns: nanoseconds(ctime), inode, device }
    }
}

/// A medium of a post, resolved: what a platform's adapter gets to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum Medium {
    File {
        /// Relative to `content/`, with `/`.
        path: String,
        size: u64,
        digest: ContentDigest,
        stamp: FileStamp,
        probe: Probe,
        /// Where the platform can pull it, if `media_base_url` makes it reachable.
        url: Option<String>,
    },
    Url {
        url: String,
    },
}

impl Medium {
    /// What stands for the medium in a payload's digest: the bytes of a file, whatever its name; the address of a URL.
    pub fn identity(&self) -> String {
        match self {
            Medium::File { digest, .. } => digest.to_string(),
            Medium::Url { url } => url.clone(),
        }
    }
}
