use std::io::{Read, Seek};

use super::source::{Source, Span};
use super::{ProbeError, exif, image};
use crate::domain::media::{Image, ImageFormat};

/// How far the end marker is looked for. Platforms take photos of some 20 MB.
const MAX_SCAN: u64 = 64 << 20;

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
const APP1: u8 = 0xE1;

struct Segment {
    marker: u8,
    start: u64,
    body: Span,
}

/// Size from the frame header, orientation from the Exif segment, and whether the picture is all there.
pub(super) fn probe<R: Read + Seek>(src: &mut Source<R>) -> Result<Image, ProbeError> {
    let (mut size, mut orientation, mut at) = (None, None, 2);
    loop {
        let segment = segment(src, at)?;
        at = segment.body.end;
        match segment.marker {
            APP1 if orientation.is_none() => orientation = exif_segment(src, segment.body)?,
            // Baseline, progressive and the rest; C4, C8 and CC in their midst are not frame headers.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                size = Some((src.u16(segment.body, 3)?.into(), src.u16(segment.body, 1)?.into()));
            }
            START_OF_SCAN => {
                find_end(src, segment.start, at)?;
                let size =
                    size.ok_or(ProbeError::Malformed { at, what: "a picture without a frame header" })?;
                return image::checked(ImageFormat::Jpeg, size, orientation.unwrap_or(1), false);
            }
            _ => {}
        }
    }
}

fn segment<R: Read + Seek>(src: &mut Source<R>, start: u64) -> Result<Segment, ProbeError> {
    let truncated = |part: &str| ProbeError::Truncated { part: part.into(), at: start };
    let mut at = start;
    let marker = loop {
        src.step()?;
        let rest = src.whole().skip(at);
        if rest.len() < 2 {
            return Err(truncated("marker"));
        }
        match src.array(rest, 0)? {
            // A marker may be padded by any number of FF bytes.
            [0xFF, 0xFF] => at += 1,
            [0xFF, marker] => break marker,
            _ => return Err(ProbeError::Malformed { at, what: "no JPEG marker where one should be" }),
        }
    };
    let rest = src.whole().skip(at + 2);
    if matches!(marker, 0x01 | 0xD0..=0xD8) {
        return Ok(Segment { marker, start, body: Span { start: rest.start, end: rest.start } });
    }
    if marker == END_OF_IMAGE {
        return Err(ProbeError::Malformed { at, what: "the picture ends before it begins" });
    }
    if rest.len() < 2 {
        return Err(truncated("segment"));
    }
    let length = u64::from(src.u16(rest, 0)?);
    match length {
        0 | 1 => Err(ProbeError::Malformed { at, what: "a segment smaller than its header" }),
        _ if length > rest.len() => Err(truncated("segment")),
        _ => Ok(Segment { marker, start, body: Span { start: rest.start + 2, end: rest.start + length } }),
    }
}

fn exif_segment<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<Option<u8>, ProbeError> {
    if body.len() < 6 || &src.array::<6>(body, 0)? != b"Exif\0\0" {
        return Ok(None);
    }
    exif::orientation(src, body.skip(6)).map(Some)
}

/// Inside picture data an FF is always followed by 00 or a restart marker, so the first FF D9 is the end of the
/// picture; without it, the file was cut short. What cameras append behind it does not matter.
fn find_end<R: Read + Seek>(src: &mut Source<R>, start: u64, mut at: u64) -> Result<(), ProbeError> {
    let (limit, mut after_ff) = (at + MAX_SCAN, false);
    while at < limit {
        let chunk = src.chunk(at)?;
        if chunk.is_empty() {
            return Err(ProbeError::Truncated { part: "picture data".into(), at: start });
        }
        if after_ff && chunk[0] == END_OF_IMAGE || chunk.windows(2).any(|pair| pair == [0xFF, END_OF_IMAGE]) {
            return Ok(());
        }
        after_ff = chunk.last() == Some(&0xFF);
        at += chunk.len() as u64;
    }
    Err(ProbeError::Malformed { at: start, what: "picture data without an end" })
}
