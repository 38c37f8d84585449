use std::io::{Read, Seek};

use super::ProbeError;
use super::source::{Source, Span};

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;
/// Cameras write about 15 entries in the first directory.
const MAX_ENTRIES: u16 = 256;
const UPRIGHT: u8 = 1;

/// The orientation that a TIFF block states. A broken block counts as upright, as viewers take it.
pub(super) fn orientation<R: Read + Seek>(src: &mut Source<R>, tiff: Span) -> Result<u8, ProbeError> {
    match read(src, tiff) {
        Ok(Some(value @ 1..=8)) => Ok(value as u8),
        Ok(_) | Err(ProbeError::Malformed { .. }) => Ok(UPRIGHT),
        Err(other) => Err(other),
    }
}

fn read<R: Read + Seek>(src: &mut Source<R>, tiff: Span) -> Result<Option<u16>, ProbeError> {
    let big = match &src.array::<4>(tiff, 0)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return Ok(None),
    };
    let short = |bytes: [u8; 2]| if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
    let long = |bytes: [u8; 4]| if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };

    let directory = u64::from(long(src.array(tiff, 4)?));
    let entries = short(src.array(tiff, directory)?).min(MAX_ENTRIES);
    for entry in (0..u64::from(entries)).map(|index| directory + 2 + 12 * index) {
        if short(src.array(tiff, entry)?) == ORIENTATION && short(src.array(tiff, entry + 2)?) == SHORT {
            return Ok(Some(short(src.array(tiff, entry + 8)?)));
        }
    }
    Ok(None)
}
