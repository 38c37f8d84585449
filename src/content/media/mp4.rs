//! MP4 and MOV: ISO 14496-12 boxes, and the QuickTime atoms they come from.
//!
//! The walk seeks from header to header. Only boxes with a meaning for us are entered, each at its fixed place, so
//! nesting cannot run deep and no table is read into memory, whatever its size.

use std::io::{Read, Seek};

use super::source::{Source, Span, printable, ratio};
use super::{ProbeError, fragments};
use crate::domain::media::{Container, Video, VideoCodec};

/// A box: 32-bit size and name; size 1 means that a 64-bit size follows, 0 that it reaches to the end of the file.
#[derive(Clone, Copy)]
pub(super) struct Atom {
    pub(super) name: [u8; 4],
    start: u64,
    pub(super) body: Span,
}

/// The boxes in a range, one after the other.
pub(super) struct Atoms {
    rest: Span,
    top_level: bool,
}

impl Atoms {
    pub(super) fn top_level<R: Read + Seek>(src: &Source<R>) -> Self {
        Atoms { rest: src.whole(), top_level: true }
    }

    pub(super) fn inside(span: Span) -> Self {
        Atoms { rest: span, top_level: false }
    }

    pub(super) fn next<R: Read + Seek>(&mut self, src: &mut Source<R>) -> Result<Option<Atom>, ProbeError> {
        src.step()?;
        let (start, available) = (self.rest.start, self.rest.len());
        // QuickTime ends some lists with four zero bytes, cameras pad.
        if available < 8 {
            return Ok(None);
        }
        let name = src.array(self.rest, 4)?;
        let (header, size) = match src.u32(self.rest, 0)? {
            0 if self.top_level => (8, available),
            0 => return Ok(None),
            1 if available < 16 => return Err(self.too_large(name)),
            1 => (16, src.u64(self.rest, 8)?),
            size => (8, u64::from(size)),
        };
        if size < header {
            return Err(ProbeError::Malformed { at: start, what: "a box smaller than its header" });
        }
        if size > available {
            return Err(self.too_large(name));
        }
        self.rest = self.rest.skip(size);
        Ok(Some(Atom { name, start, body: Span { start: start + header, end: start + size } }))
    }

    fn too_large(&self, name: [u8; 4]) -> ProbeError {
        let (part, at) = (printable(&name), self.rest.start);
        if self.top_level { ProbeError::Truncated { part, at } } else { ProbeError::Overrun { part, at } }
    }
}

/// The first box of that name along a path of names.
pub(super) fn find<R: Read + Seek>(
    src: &mut Source<R>,
    within: Span,
    path: &[&[u8; 4]],
) -> Result<Option<Span>, ProbeError> {
    let Some((first, deeper)) = path.split_first() else {
        return Ok(Some(within));
    };
    let mut atoms = Atoms::inside(within);
    while let Some(atom) = atoms.next(src)? {
        if atom.name == **first {
            return find(src, atom.body, deeper);
        }
    }
    Ok(None)
}

pub(super) fn probe<R: Read + Seek>(src: &mut Source<R>) -> Result<Video, ProbeError> {
    let file = survey(src)?;
    let moov = file.moov.ok_or(ProbeError::MoovMissing)?;
    let media = file.media.ok_or(ProbeError::NoMediaData)?;
    let movie = read_movie(src, moov.body)?;
    let track = movie.video.ok_or(ProbeError::NoVideoTrack { audio: movie.audio.is_some() })?;
    // The movie's duration is the longest track's, edits included; in fragments it is often left open.
    let (samples, in_track, in_movie) = if file.fragmented {
        let (samples, time) = fragments::add_up(src, moov.body, &track)?;
        (samples, time, time)
    } else {
        (track.samples, track.duration, movie.duration)
    };
    let turned = track.rotation % 180 == 90;
    Ok(Video {
        container: file.container,
        codec: codec(track.codec),
        width: if turned { track.height } else { track.width },
        height: if turned { track.width } else { track.height },
        rotation: track.rotation,
        duration_ms: in_movie.milliseconds().or(in_track.milliseconds()).or(movie.duration.milliseconds()),
        frames_per_1000_s: in_track.rate(samples),
        audio: movie.audio,
        moov_at_front: Some(moov.start < media),
    })
}

struct Survey {
    container: Container,
    moov: Option<Atom>,
    /// Where the first frames may be.
    media: Option<u64>,
    fragmented: bool,
}

/// One look at every top-level box: what is where, and whether the file reaches to its own end.
fn survey<R: Read + Seek>(src: &mut Source<R>) -> Result<Survey, ProbeError> {
    let mut found = Survey { container: Container::Mov, moov: None, media: None, fragmented: false };
    let mut atoms = Atoms::top_level(src);
    while let Some(atom) = atoms.next(src)? {
        match &atom.name {
            // Without this box, it is a QuickTime file older than the box.
            b"ftyp" if &src.array::<4>(atom.body, 0)? != b"qt  " => found.container = Container::Mp4,
            b"moov" if found.moov.is_none() => found.moov = Some(atom),
            b"mdat" if found.media.is_none() => found.media = Some(atom.start),
            b"moof" => found.fragmented = true,
            _ => {}
        }
    }
    Ok(found)
}

/// A length of time in units of the file's own choice.
#[derive(Clone, Copy, Default)]
pub(super) struct Time {
    pub(super) ticks: u64,
    /// Ticks a second; 0 is a defect and makes everything derived from it unknown.
    pub(super) scale: u32,
}

impl Time {
    fn milliseconds(self) -> Option<u64> {
        ratio(self.ticks, 1000, self.scale.into()).filter(|_| self.ticks > 0)
    }

    /// Frames in 1000 s, if there are so many in this time.
    fn rate(self, frames: u64) -> Option<u64> {
        let scale = u64::from(self.scale);
        ratio(frames, scale * 1000, self.ticks).filter(|_| frames > 0 && scale > 0)
    }
}

#[derive(Default)]
struct Movie {
    duration: Time,
    video: Option<Track>,
    audio: Option<String>,
}

#[derive(Default)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) duration: Time,
    pub(super) samples: u64,
    codec: [u8; 4],
    width: u32,
    height: u32,
    rotation: u16,
}

fn read_movie<R: Read + Seek>(src: &mut Source<R>, moov: Span) -> Result<Movie, ProbeError> {
    let mut movie = Movie::default();
    let mut atoms = Atoms::inside(moov);
    while let Some(atom) = atoms.next(src)? {
        match &atom.name {
            b"mvhd" => movie.duration = time(src, atom.body)?,
            b"trak" => read_track(src, atom.body, &mut movie)?,
            _ => {}
        }
    }
    Ok(movie)
}

/// The first track of a kind counts; players do the same.
fn read_track<R: Read + Seek>(src: &mut Source<R>, trak: Span, movie: &mut Movie) -> Result<(), ProbeError> {
    let Some(hdlr) = find(src, trak, &[b"mdia", b"hdlr"])? else {
        return Ok(());
    };
    match &src.array::<4>(hdlr, 8)? {
        b"vide" if movie.video.is_none() => movie.video = Some(video_track(src, trak)?),
        b"soun" if movie.audio.is_none() => {
            let entry = sample_entry(src, trak)?;
            movie.audio = Some(audio_codec(src.array(entry, 4)?));
        }
        _ => {}
    }
    Ok(())
}

fn video_track<R: Read + Seek>(src: &mut Source<R>, trak: Span) -> Result<Track, ProbeError> {
    let mut track = Track { samples: sample_count(src, trak)?, ..Track::default() };
    if let Some(mdhd) = find(src, trak, &[b"mdia", b"mdhd"])? {
        track.duration = time(src, mdhd)?;
    }
    if let Some(tkhd) = find(src, trak, &[b"tkhd"])? {
        // The fields before the matrix hold three times, 32 or 64 bits wide.
        let (id, matrix) = if src.u8(tkhd, 0)? == 0 { (12, 40) } else { (20, 52) };
        track.id = src.u32(tkhd, id)?;
        track.rotation = rotation(src.u32(tkhd, matrix)? as i32, src.u32(tkhd, matrix + 4)? as i32);
    }
    let entry = sample_entry(src, trak)?;
    track.codec = src.array(entry, 4)?;
    (track.width, track.height) = (src.u16(entry, 32)?.into(), src.u16(entry, 34)?.into());
    Ok(track)
}

/// The first sample description: size, name and, for pictures, the coded size.
fn sample_entry<R: Read + Seek>(src: &mut Source<R>, trak: Span) -> Result<Span, ProbeError> {
    match find(src, trak, &[b"mdia", b"minf", b"stbl", b"stsd"])? {
        Some(stsd) => Ok(stsd.skip(8)),
        None => Err(ProbeError::Malformed { at: trak.start, what: "a track without a sample description" }),
    }
}

/// How many samples the tables in `moov` list. The count is believed only as far as the table reaches.
fn sample_count<R: Read + Seek>(src: &mut Source<R>, trak: Span) -> Result<u64, ProbeError> {
    let Some(stbl) = find(src, trak, &[b"mdia", b"minf", b"stbl"])? else {
        return Ok(0);
    };
    let (table, bits) = if let Some(stsz) = find(src, stbl, &[b"stsz"])? {
        // A size common to all samples needs no table.
        (stsz, if src.u32(stsz, 4)? == 0 { 32 } else { 0 })
    } else if let Some(stz2) = find(src, stbl, &[b"stz2"])? {
        (stz2, u64::from(src.u8(stz2, 7)?))
    } else {
        return Ok(0);
    };
    let count = u64::from(src.u32(table, 8)?);
    if (count * bits).div_ceil(8) > table.len().saturating_sub(12) {
        return Err(ProbeError::Overrun { part: "sample size table".into(), at: table.start });
    }
    Ok(count)
}

/// Time scale and duration, at the same place in `mvhd` and `mdhd`. All bits set means "unknown".
fn time<R: Read + Seek>(src: &mut Source<R>, header: Span) -> Result<Time, ProbeError> {
    let (scale, ticks) = match src.u8(header, 0)? {
        0 => {
            (src.u32(header, 12)?, Some(src.u32(header, 16)?).filter(|&t| t != u32::MAX).map_or(0, u64::from))
        }
        _ => (src.u32(header, 20)?, Some(src.u64(header, 24)?).filter(|&t| t != u64::MAX).unwrap_or(0)),
    };
    Ok(Time { ticks, scale })
}

/// Clockwise degrees from the first row of the matrix. Players turn by quarters only.
fn rotation(a: i32, b: i32) -> u16 {
    match (a.signum(), b.signum()) {
        (0, 1) => 90,
        (-1, 0) => 180,
        (0, -1) => 270,
        _ => 0,
    }
}

fn codec(name: [u8; 4]) -> VideoCodec {
    match &name {
        b"avc1" | b"avc3" => VideoCodec::H264,
        b"hvc1" | b"hev1" => VideoCodec::H265,
        b"vp08" => VideoCodec::Vp8,
        b"vp09" => VideoCodec::Vp9,
        b"av01" => VideoCodec::Av1,
        _ => VideoCodec::Other(printable(&name)),
    }
}

/// `mp4a` is AAC in all but very old files; no rule we know of tells them apart.
fn audio_codec(name: [u8; 4]) -> String {
    match &name {
        b"mp4a" => "aac".into(),
        b"Opus" => "opus".into(),
        b".mp3" => "mp3".into(),
        _ => printable(&name),
    }
}
