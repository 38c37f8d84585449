//! WebM and Matroska (RFC 9559), as much of it as tells what the video is.

use std::io::{Read, Seek};

use super::ProbeError;
use super::ebml::{Element, enter, float, next, string, unsigned};
use super::source::{Source, Span, ratio};
use crate::domain::media::{Container, Video, VideoCodec};

const DOC_TYPE: u32 = 0x4282;
pub(super) const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_NUMBER: u32 = 0xD7;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const DEFAULT_DURATION: u32 = 0x23_E383;
const VIDEO: u32 = 0xE0;
const PIXEL_WIDTH: u32 = 0xB0;
const PIXEL_HEIGHT: u32 = 0xBA;
pub(super) const CLUSTER: u32 = 0x1F43_B675;
const CLUSTER_TIMESTAMP: u32 = 0xE7;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
pub(super) const SIMPLE_BLOCK: u32 = 0xA3;

const TYPE_VIDEO: u64 = 1;
const TYPE_AUDIO: u64 = 2;

pub(super) fn probe<R: Read + Seek>(src: &mut Source<R>) -> Result<Video, ProbeError> {
    let mut rest = src.whole();
    let mut container = Container::Matroska;
    while let Some(element) = next(src, &mut rest)? {
        if element.id == SEGMENT {
            return read_segment(src, element.body)?.video(container);
        }
        if element.id == super::sniff::EBML && is_webm(src, element.body)? {
            container = Container::WebM;
        }
    }
    Err(ProbeError::NoMediaData)
}

fn is_webm<R: Read + Seek>(src: &mut Source<R>, mut header: Span) -> Result<bool, ProbeError> {
    while let Some(element) = next(src, &mut header)? {
        if element.id == DOC_TYPE {
            return Ok(string(src, element.body)? == "webm");
        }
    }
    Ok(false)
}

struct Segment {
    /// Nanoseconds in a unit of the file's timestamps.
    scale: u64,
    duration: Option<f64>,
    video: Option<Track>,
    audio: Option<String>,
    clusters: u64,
    frames: Frames,
}

#[derive(Default)]
struct Track {
    number: u64,
    kind: u64,
    codec: String,
    frame_ns: u64,
    width: u64,
    height: u64,
}

/// The frames of the video track, seen only if the headers leave a question open.
#[derive(Default)]
struct Frames {
    cluster: u64,
    count: u64,
    first: Option<i128>,
    last: i128,
}

/// Segment, clusters and block groups are entered, not nested: a live muxer leaves their sizes unknown, and what
/// ends them is only the next element that cannot be inside.
fn read_segment<R: Read + Seek>(src: &mut Source<R>, mut rest: Span) -> Result<Segment, ProbeError> {
    let mut segment = Segment {
        scale: 1_000_000,
        duration: None,
        video: None,
        audio: None,
        clusters: 0,
        frames: Frames::default(),
    };
    while let Some(element) = enter(src, &mut rest)? {
        let inside = match element.id {
            CLUSTER => {
                segment.clusters += 1;
                !element.sized || segment.needs_frames()
            }
            BLOCK_GROUP => true,
            _ if !element.sized => {
                return Err(ProbeError::Malformed { at: element.start, what: "an element of unknown size" });
            }
            _ => {
                segment.read_part(src, &element)?;
                false
            }
        };
        if !inside {
            rest.start = element.body.end;
        }
    }
    Ok(segment)
}

impl Segment {
    fn read_part<R: Read + Seek>(&mut self, src: &mut Source<R>, part: &Element) -> Result<(), ProbeError> {
        match part.id {
            INFO => self.read_info(src, part.body)?,
            TRACKS => self.read_tracks(src, part.body)?,
            CLUSTER_TIMESTAMP => self.frames.cluster = unsigned(src, part.body)?,
            SIMPLE_BLOCK | BLOCK => self.see_block(src, part.body)?,
            _ => {}
        }
        Ok(())
    }

    fn read_info<R: Read + Seek>(&mut self, src: &mut Source<R>, mut info: Span) -> Result<(), ProbeError> {
        while let Some(element) = next(src, &mut info)? {
            match element.id {
                TIMESTAMP_SCALE => self.scale = unsigned(src, element.body)?,
                DURATION => {
                    self.duration = Some(float(src, element.body)?).filter(|d| d.is_finite() && *d > 0.0)
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_tracks<R: Read + Seek>(
        &mut self,
        src: &mut Source<R>,
        mut tracks: Span,
    ) -> Result<(), ProbeError> {
        while let Some(element) = next(src, &mut tracks)? {
            if element.id != TRACK_ENTRY {
                continue;
            }
            let track = Track::read(src, element.body)?;
            match track.kind {
                TYPE_VIDEO if self.video.is_none() => self.video = Some(track),
                TYPE_AUDIO if self.audio.is_none() => self.audio = Some(audio_codec(&track.codec)),
                _ => {}
            }
        }
        Ok(())
    }

    fn needs_frames(&self) -> bool {
        self.duration.is_none() || self.video.as_ref().is_some_and(|track| track.frame_ns == 0)
    }

    /// A block begins with its track's number and its time relative to the cluster.
    fn see_block<R: Read + Seek>(&mut self, src: &mut Source<R>, block: Span) -> Result<(), ProbeError> {
        let first = src.u8(block, 0)?;
        let Some(video) = &self.video else {
            return Ok(());
        };
        // Numbers above 126 take more bytes; no file has so many tracks.
        if first & 0x80 != 0 && u64::from(first & 0x7F) == video.number {
            let relative = i128::from(src.u16(block, 1)? as i16);
            self.frames.see(i128::from(self.frames.cluster) + relative);
        }
        Ok(())
    }

    fn video(self, container: Container) -> Result<Video, ProbeError> {
        let Some(track) = &self.video else {
            return Err(ProbeError::NoVideoTrack { audio: self.audio.is_some() });
        };
        if self.clusters == 0 {
            return Err(ProbeError::NoMediaData);
        }
        Ok(Video {
            container,
            codec: video_codec(&track.codec),
            width: u32::try_from(track.width).unwrap_or(u32::MAX),
            height: u32::try_from(track.height).unwrap_or(u32::MAX),
            rotation: 0,
            duration_ms: self.duration_ms(),
            frames_per_1000_s: self.rate(track),
            audio: self.audio.clone(),
            moov_at_front: None,
        })
    }

    fn duration_ms(&self) -> Option<u64> {
        match self.duration {
            // Saturates: a cast from a float never wraps.
            Some(duration) => Some((duration * self.scale as f64 / 1e6).round() as u64),
            // Up to the last frame, and one more frame's length.
            None => {
                let (intervals, span) = self.frames.intervals()?;
                ratio(span.checked_add(span / intervals)?, self.scale, 1_000_000)
            }
        }
        .filter(|&ms| ms > 0)
    }

    fn rate(&self, track: &Track) -> Option<u64> {
        const NS_IN_1000_S: u64 = 1_000_000_000_000;
        match track.frame_ns {
            0 => {
                let (intervals, span) = self.frames.intervals()?;
                ratio(intervals, NS_IN_1000_S, span.checked_mul(self.scale)?)
            }
            frame_ns => ratio(1, NS_IN_1000_S, frame_ns),
        }
    }
}

impl Frames {
    fn see(&mut self, time: i128) {
        self.count += 1;
        let first = *self.first.get_or_insert(time);
        self.first = Some(first.min(time));
        self.last = self.last.max(time);
    }

    /// How many intervals lie between the first and last frame, and how long they are together.
    fn intervals(&self) -> Option<(u64, u64)> {
        let span = u64::try_from(self.last - self.first?).ok()?;
        (self.count >= 2 && span > 0).then(|| (self.count - 1, span))
    }
}

impl Track {
    fn read<R: Read + Seek>(src: &mut Source<R>, mut entry: Span) -> Result<Track, ProbeError> {
        let mut track = Track::default();
        while let Some(element) = next(src, &mut entry)? {
            match element.id {
                TRACK_NUMBER => track.number = unsigned(src, element.body)?,
                TRACK_TYPE => track.kind = unsigned(src, element.body)?,
                CODEC_ID => track.codec = string(src, element.body)?,
                DEFAULT_DURATION => track.frame_ns = unsigned(src, element.body)?,
                VIDEO => track.read_picture(src, element.body)?,
                _ => {}
            }
        }
        Ok(track)
    }

    fn read_picture<R: Read + Seek>(
        &mut self,
        src: &mut Source<R>,
        mut video: Span,
    ) -> Result<(), ProbeError> {
        while let Some(element) = next(src, &mut video)? {
            match element.id {
                PIXEL_WIDTH => self.width = unsigned(src, element.body)?,
                PIXEL_HEIGHT => self.height = unsigned(src, element.body)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn video_codec(id: &str) -> VideoCodec {
    match id {
        "V_MPEG4/ISO/AVC" => VideoCodec::H264,
        "V_MPEGH/ISO/HEVC" => VideoCodec::H265,
        "V_VP8" => VideoCodec::Vp8,
        "V_VP9" => VideoCodec::Vp9,
        "V_AV1" => VideoCodec::Av1,
        _ => VideoCodec::Other(id.to_owned()),
    }
}

/// `A_OPUS` is opus, `A_AAC/MPEG4/LC` is aac.
fn audio_codec(id: &str) -> String {
    let name = id.strip_prefix("A_").unwrap_or(id);
    name.split('/').next().unwrap_or(name).to_ascii_lowercase()
}
