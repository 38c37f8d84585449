//! Media preflight without ffmpeg: what a file is, judged by its content and never by its name.
//!
//! [`probe`] reads headers only and seeks past everything else, so memory and time do not grow with the file, however
//! hostile: one window of 4 KiB, one budget of steps, no recursion, no table ever held in memory.
//! [`digest`] reads all of it, streamed. [`FileStamp`] tells whether what was learned still holds.
//! All of it blocks; call it on a thread that may.

mod ebml;
mod error;
mod exif;
mod file;
mod fragments;
mod image;
mod jpeg;
mod mp4;
mod sniff;
mod source;
#[cfg(test)]
mod tests;
mod webm;

use std::io::{Read, Seek};
use std::path::Path;

use crate::domain::ids::ContentDigest;
use crate::domain::media::{FileStamp, Probe};

pub use error::ProbeError;
pub use file::{digest, stamp};

use sniff::Format;
use source::Source;

/// All that is known about a media file, and the stamp under which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFacts {
    pub stamp: FileStamp,
    pub digest: ContentDigest,
    pub probe: Probe,
}

/// Reads the headers of the file.
pub fn probe(path: &Path) -> Result<Probe, ProbeError> {
    let (file, meta) = file::open_regular(path)?;
    probe_reader(file, meta.len())
}

/// Digest and headers of one and the same content: a file that changes meanwhile is an error.
pub fn examine(path: &Path) -> Result<MediaFacts, ProbeError> {
    let (mut file, meta) = file::open_regular(path)?;
    let stamp = file::stamp(&meta);
    let probe = probe_reader(&file, stamp.size)?;
    file.rewind()?;
    let digest = ContentDigest(file::digest_reader(&mut file)?);
    if file::stamp(&file.metadata()?) != stamp {
        return Err(ProbeError::Changed);
    }
    Ok(MediaFacts { stamp, digest, probe })
}

/// As [`probe`], of `len` bytes that lie anywhere: so that tests can feed it anything without a file.
pub fn probe_reader<R: Read + Seek>(reader: R, len: u64) -> Result<Probe, ProbeError> {
    if len == 0 {
        return Err(ProbeError::Empty);
    }
    probe_source(&mut Source::new(reader, len))
}

fn probe_source<R: Read + Seek>(src: &mut Source<R>) -> Result<Probe, ProbeError> {
    match sniff::sniff(src.head()?) {
        Format::IsoMedia => mp4::probe(src).map(Probe::Video),
        Format::Ebml => webm::probe(src).map(Probe::Video),
        Format::Jpeg => jpeg::probe(src).map(Probe::Image),
        Format::WebP => image::webp(src).map(Probe::Image),
        Format::Png => image::png(src).map(Probe::Image),
        Format::Gif => image::gif(src).map(Probe::Image),
        Format::Unknown(hint) => Ok(Probe::Unknown { looks_like: hint.map(str::to_owned) }),
    }
}
