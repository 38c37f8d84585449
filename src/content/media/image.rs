//! WebP, PNG and GIF; JPEG has a file of its own.

use std::io::{Read, Seek};

use super::source::{Source, Span, printable};
use super::{ProbeError, exif};
use crate::domain::media::{Image, ImageFormat};

pub(super) fn checked(
    format: ImageFormat,
    (width, height): (u32, u32),
    orientation: u8,
    animated: bool,
) -> Result<Image, ProbeError> {
    if width == 0 || height == 0 {
        return Err(ProbeError::Malformed { at: 0, what: "a picture without width or height" });
    }
    Ok(Image { format, width, height, orientation, animated })
}

/// A RIFF file: chunks of name, little-endian length and content, padded to even.
pub(super) fn webp<R: Read + Seek>(src: &mut Source<R>) -> Result<Image, ProbeError> {
    let riff = Span { start: 8, end: 8 + u64::from(u32::from_le_bytes(src.array(src.whole(), 4)?)) };
    if riff.end > src.whole().end {
        return Err(ProbeError::Truncated { part: "RIFF".into(), at: 0 });
    }
    let (mut size, mut orientation, mut animated) = (None, 1, false);
    let mut rest = riff.skip(4);
    while rest.len() >= 8 {
        src.step()?;
        let name = src.array::<4>(rest, 0)?;
        let length = u64::from(u32::from_le_bytes(src.array(rest, 4)?));
        if length > rest.len() - 8 {
            return Err(ProbeError::Overrun { part: printable(&name), at: rest.start });
        }
        let body = Span { start: rest.start + 8, end: rest.start + 8 + length };
        match &name {
            b"VP8X" => {
                animated = src.u8(body, 0)? & 0x02 != 0;
                size = Some(canvas(src, body)?);
            }
            b"VP8 " if size.is_none() => size = Some(lossy(src, body)?),
            b"VP8L" if size.is_none() => size = Some(lossless(src, body)?),
            b"EXIF" => orientation = exif_chunk(src, body)?,
            _ => {}
        }
        rest = rest.skip(8 + length + length % 2);
    }
    let size = size.ok_or(ProbeError::Malformed { at: 12, what: "a WebP without a picture" })?;
    checked(ImageFormat::WebP, size, orientation, animated)
}

fn canvas<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<(u32, u32), ProbeError> {
    let [a, b, c, d, e, f] = src.array(body, 4)?;
    Ok((u32::from_le_bytes([a, b, c, 0]) + 1, u32::from_le_bytes([d, e, f, 0]) + 1))
}

/// VP8: three bytes of tag, a start code, then 14 bits for each side under two of scaling.
fn lossy<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<(u32, u32), ProbeError> {
    if src.array(body, 3)? != [0x9D, 0x01, 0x2A] {
        return Err(ProbeError::Malformed { at: body.start, what: "a VP8 picture without a start code" });
    }
    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3FFF);
    Ok((side(src.array(body, 6)?), side(src.array(body, 8)?)))
}

/// VP8L: a signature byte, then 14 bits for each side less one.
fn lossless<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<(u32, u32), ProbeError> {
    if src.u8(body, 0)? != 0x2F {
        return Err(ProbeError::Malformed { at: body.start, what: "a VP8L picture without its signature" });
    }
    let bits = u32::from_le_bytes(src.array(body, 1)?);
    Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
}

/// Some writers keep the JPEG prefix in front of the TIFF block.
fn exif_chunk<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<u8, ProbeError> {
    let prefixed = body.len() >= 6 && &src.array::<6>(body, 0)? == b"Exif\0\0";
    exif::orientation(src, body.skip(if prefixed { 6 } else { 0 }))
}

/// Chunks of length, name, content and check sum, up to `IEND`.
pub(super) fn png<R: Read + Seek>(src: &mut Source<R>) -> Result<Image, ProbeError> {
    let (mut size, mut orientation, mut animated) = (None, 1, false);
    let mut rest = src.whole().skip(8);
    loop {
        src.step()?;
        if rest.len() < 12 {
            return Err(ProbeError::Truncated { part: "PNG chunk".into(), at: rest.start });
        }
        let length = u64::from(src.u32(rest, 0)?);
        let name = src.array::<4>(rest, 4)?;
        if length > rest.len() - 12 {
            return Err(ProbeError::Truncated { part: printable(&name), at: rest.start });
        }
        let body = Span { start: rest.start + 8, end: rest.start + 8 + length };
        match &name {
            b"IHDR" => size = Some((src.u32(body, 0)?, src.u32(body, 4)?)),
            b"eXIf" => orientation = exif::orientation(src, body)?,
            b"acTL" => animated = true,
            b"IEND" => break,
            _ => {}
        }
        rest = rest.skip(12 + length);
    }
    let size = size.ok_or(ProbeError::Malformed { at: 8, what: "a PNG without a header" })?;
    checked(ImageFormat::Png, size, orientation, animated)
}

pub(super) fn gif<R: Read + Seek>(src: &mut Source<R>) -> Result<Image, ProbeError> {
    let whole = src.whole();
    let side = |bytes| u32::from(u16::from_le_bytes(bytes));
    checked(ImageFormat::Gif, (side(src.array(whole, 6)?), side(src.array(whole, 8)?)), 1, false)
}
