/// The identifier of the header element.
pub(super) const EBML: u32 = 0x1A45_DFA3;

/// Which parser a file gets, from its first bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Format {
    IsoMedia,
    Ebml,
    Jpeg,
    WebP,
    Png,
    Gif,
    /// With the name of what it looks like.
    Unknown(Option<&'static str>),
}

/// Boxes with which MP4 and MOV files begin; MOV files from before 2001 have no `ftyp`.
const FIRST_BOXES: [&[u8; 4]; 11] =
    [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof", b"uuid"];

/// Files that people put where a video or photo should be.
const OTHERS: [(usize, &[u8], &str); 17] = [
    (0, b"version https://git-lfs.github.com/", "a Git LFS pointer"),
    (8, b"AVI ", "AVI video"),
    (8, b"WAVE", "WAV audio"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "Windows Media"),
    (0, b"\x00\x00\x01\xBA", "MPEG program stream"),
    (188, b"\x47", "MPEG transport stream"),
    (0, b"OggS", "Ogg"),
    (0, b"ID3", "MP3 audio"),
    (0, b"fLaC", "FLAC audio"),
    (0, b"BM", "BMP image"),
    (0, b"II*\0", "TIFF image"),
    (0, b"MM\0*", "TIFF image"),
    (0, b"%PDF", "PDF document"),
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"<svg", "SVG image"),
    (0, b"<?xml", "XML document"),
];

pub(super) fn sniff(head: &[u8]) -> Format {
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    match head {
        _ if has(0, b"\xFF\xD8\xFF") => Format::Jpeg,
        _ if has(0, b"\x89PNG\r\n\x1A\n") => Format::Png,
        _ if has(0, b"GIF87a") || has(0, b"GIF89a") => Format::Gif,
        _ if has(0, b"RIFF") && has(8, b"WEBP") => Format::WebP,
        _ if has(0, &EBML.to_be_bytes()) => Format::Ebml,
        _ if has(4, b"ftyp") => {
            still_image(head).map_or(Format::IsoMedia, |name| Format::Unknown(Some(name)))
        }
        _ if FIRST_BOXES.iter().any(|name| has(4, *name)) => Format::IsoMedia,
        _ => Format::Unknown(other(head)),
    }
}

/// Phones store photos in the same boxes as videos, under brands of their own.
fn still_image(head: &[u8]) -> Option<&'static str> {
    match head.get(8..12)? {
        b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" | b"msf1" | b"hevc" | b"hevx" => Some("HEIC image"),
        b"avif" | b"avis" => Some("AVIF image"),
        _ => None,
    }
}

fn other(head: &[u8]) -> Option<&'static str> {
    let matches =
        |&&(at, magic, _): &&(usize, &[u8], &str)| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    // A transport stream's packets all begin with the same byte; one of them could be chance.
    OTHERS
        .iter()
        .filter(|&&(at, ..)| at != 188 || head.first() == Some(&0x47))
        .find(matches)
        .map(|&(_, _, name)| name)
}
