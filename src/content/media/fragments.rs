//! Fragmented MP4: samples are listed in a `moof` before each piece of media, and `moov` may know of none.

use std::io::{Read, Seek};

use super::ProbeError;
use super::mp4::{Atom, Atoms, Time, Track, find};
use super::source::{Source, Span};

/// Samples and time of the track in the whole file.
pub(super) fn add_up<R: Read + Seek>(
    src: &mut Source<R>,
    moov: Span,
    track: &Track,
) -> Result<(u64, Time), ProbeError> {
    let mut total =
        Total { track: track.id, default_ticks: default_ticks(src, moov, track.id)?, samples: 0, ticks: 0 };
    // With no samples in `moov`, a duration there is that of the whole file, if anything.
    if track.samples > 0 {
        (total.samples, total.ticks) = (track.samples, track.duration.ticks);
    }
    let mut atoms = Atoms::top_level(src);
    while let Some(atom) = atoms.next(src)? {
        if &atom.name == b"moof" {
            total.add_fragment(src, atom)?;
        }
    }
    Ok((total.samples, Time { ticks: total.ticks, scale: track.duration.scale }))
}

/// The sample duration that `moov` sets for fragments of the track.
fn default_ticks<R: Read + Seek>(src: &mut Source<R>, moov: Span, track: u32) -> Result<u32, ProbeError> {
    let Some(mvex) = find(src, moov, &[b"mvex"])? else {
        return Ok(0);
    };
    let mut atoms = Atoms::inside(mvex);
    while let Some(atom) = atoms.next(src)? {
        if &atom.name == b"trex" && src.u32(atom.body, 4)? == track {
            return src.u32(atom.body, 12);
        }
    }
    Ok(0)
}

struct Total {
    track: u32,
    default_ticks: u32,
    samples: u64,
    ticks: u64,
}

impl Total {
    fn add_fragment<R: Read + Seek>(&mut self, src: &mut Source<R>, moof: Atom) -> Result<(), ProbeError> {
        let mut atoms = Atoms::inside(moof.body);
        while let Some(atom) = atoms.next(src)? {
            if &atom.name == b"traf" {
                self.add_track_fragment(src, atom.body)?;
            }
        }
        Ok(())
    }

    fn add_track_fragment<R: Read + Seek>(
        &mut self,
        src: &mut Source<R>,
        traf: Span,
    ) -> Result<(), ProbeError> {
        let Some(tfhd) = find(src, traf, &[b"tfhd"])? else {
            return Ok(());
        };
        if src.u32(tfhd, 4)? != self.track {
            return Ok(());
        }
        let flags = src.u32(tfhd, 0)?;
        // Optional fields in order: base offset (8 bytes), description index (4), sample duration.
        let before = 8 + if flags & 0x1 != 0 { 8 } else { 0 } + if flags & 0x2 != 0 { 4 } else { 0 };
        let default = if flags & 0x8 != 0 { src.u32(tfhd, before)? } else { self.default_ticks };
        let mut atoms = Atoms::inside(traf);
        while let Some(atom) = atoms.next(src)? {
            if &atom.name == b"trun" {
                self.add_run(src, atom.body, default)?;
            }
        }
        Ok(())
    }

    /// A run of samples: a count, and for each sample up to four numbers of which the first may be its duration.
    fn add_run<R: Read + Seek>(
        &mut self,
        src: &mut Source<R>,
        trun: Span,
        default: u32,
    ) -> Result<(), ProbeError> {
        let (flags, count) = (src.u32(trun, 0)?, u64::from(src.u32(trun, 4)?));
        let stride = 4 * u64::from((flags & 0xF00).count_ones());
        let entries = trun.skip(8 + 4 * u64::from((flags & 0x5).count_ones()));
        if count * stride > entries.len() {
            return Err(ProbeError::Overrun { part: "sample run".into(), at: trun.start });
        }
        self.samples = self.samples.saturating_add(count);
        if flags & 0x100 == 0 {
            self.ticks = self.ticks.saturating_add(count * u64::from(default));
            return Ok(());
        }
        for index in 0..count {
            src.step()?;
            self.ticks = self.ticks.saturating_add(src.u32(entries, index * stride)?.into());
        }
        Ok(())
    }
}
