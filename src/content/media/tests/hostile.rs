//! Files made to hurt: whatever the bytes, an answer comes soon, in little memory, and without a panic.

use super::*;

const VIDEOS: [&str; 10] = [
    "good.mp4",
    "moov-at-end.mp4",
    "quicktime.mov",
    "fragmented.mp4",
    "fragmented-vfr.mp4",
    "rotated-90.mp4",
    "vp9.webm",
    "vp8.webm",
    "live.webm",
    "h264.mkv",
];
const PHOTOS: [&str; 6] =
    ["rotated-exif.jpg", "good.webp", "lossless.webp", "animated.webp", "photo.png", "picture.gif"];

#[test]
fn a_video_cut_anywhere_is_never_taken_for_whole() {
    for name in VIDEOS {
        let file = fixture(name);
        // Between two fragments, or two clusters of a live recording, there is nothing to notice.
        let may_end = name.starts_with("fragmented") || name == "live.webm";
        let head = file.len().min(3000);
        let lengths =
            (1..head).step_by(3).chain((head..file.len()).step_by(97)).chain(file.len() - 20..file.len());
        for length in lengths {
            match probe_bytes(&file[..length]) {
                Ok(Probe::Video(_)) if !may_end => panic!("{name} cut to {length} bytes passes"),
                Ok(Probe::Image(_)) => panic!("{name} cut to {length} bytes is a photo"),
                _ => {}
            }
        }
    }
}

/// xorshift64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn two_thousand_mutations_of_each_file_do_no_harm() {
    const EXTREMES: [u8; 5] = [0x00, 0x01, 0x7F, 0x80, 0xFF];
    for name in VIDEOS.iter().chain(&PHOTOS) {
        let original = fixture(name);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        // Headers are where a change matters; they stand at the front or at the end.
        let near = original.len().min(2048);
        for _ in 0..2000 {
            let mut file = original.clone();
            for _ in 0..=random.below(6) {
                let at = match random.below(3) {
                    0 => random.below(near),
                    1 => original.len() - 1 - random.below(near),
                    _ => random.below(original.len()),
                };
                file[at] =
                    if random.below(2) == 0 { EXTREMES[random.below(5)] } else { random.below(256) as u8 };
            }
            let _ = probe_bytes(&file);
        }
    }
}

#[test]
fn random_bytes_behind_each_magic_do_no_harm() {
    let magics: [&[u8]; 6] = [
        b"\0\0\0\x0cftypisom",
        b"\x1A\x45\xDF\xA3",
        b"\xFF\xD8\xFF",
        b"RIFF\xF8\x07\0\0WEBP",
        b"\x89PNG\r\n\x1A\n",
        b"GIF89a",
    ];
    let mut random = Random(42);
    for magic in magics {
        for _ in 0..500 {
            let noise = (0..2048).map(|_| random.below(256) as u8);
            let _ = probe_bytes(&magic.iter().copied().chain(noise).collect::<Vec<_>>());
        }
    }
}

/// An MP4 around the given `moov` content.
fn movie(moov: &[u8]) -> Vec<u8> {
    [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"moov", moov), boxed(b"mdat", b"frames")].concat()
}

/// A video track whose sample size table claims `count` samples and holds none.
fn track_claiming(count: u32) -> Vec<u8> {
    let stsz = [[0; 8].as_slice(), &count.to_be_bytes()].concat();
    let stbl = boxed(b"stbl", &[boxed(b"stsd", &[0; 100]), boxed(b"stsz", &stsz)].concat());
    let hdlr = boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide");
    boxed(b"trak", &boxed(b"mdia", &[hdlr, boxed(b"minf", &stbl)].concat()))
}

#[test]
fn sample_tables_are_believed_as_far_as_they_reach() {
    assert!(matches!(probe_bytes(&movie(&track_claiming(0))), Ok(Probe::Video(_))));
    for count in [1, 1000, u32::MAX] {
        let result = probe_bytes(&movie(&track_claiming(count)));
        assert!(matches!(result, Err(ProbeError::Overrun { .. })), "{count}: {result:?}");
    }
}

#[test]
fn a_moov_that_claims_four_gigabytes() {
    let mut file = fixture("good.mp4");
    let moov = position(&file, b"moov");
    file[moov - 4..moov].fill(0xFF);
    assert!(matches!(probe_bytes(&file), Err(ProbeError::Truncated { part, .. }) if part == "moov"));

    // And one that claims all there is, in 64 bits.
    let huge = [b"\0\0\0\x01moov".as_slice(), &[0xFF; 8], &[0; 100]].concat();
    assert!(matches!(probe_bytes(&huge), Err(ProbeError::Truncated { .. })));
}

#[test]
fn boxes_nested_a_hundred_thousand_deep() {
    const DEPTH: u32 = 100_000;
    for name in [b"moov", b"trak", b"mdia", b"stbl"] {
        let nested: Vec<u8> =
            (1..=DEPTH).rev().flat_map(|n| [(8 * n).to_be_bytes(), *name].concat()).collect();
        assert!(matches!(probe_bytes(&movie(&nested)), Err(ProbeError::NoVideoTrack { audio: false })));
    }
    // EBML masters of unknown size inside each other.
    let mut groups = fixture("live.webm");
    groups.extend([0xA0, 0xFF].repeat(DEPTH as usize));
    assert!(matches!(probe_bytes(&groups), Ok(Probe::Video(_))));
}

#[test]
fn a_box_larger_than_its_parent() {
    let trak = [&u32::MAX.to_be_bytes(), b"trak".as_slice(), &[0; 50]].concat();
    assert!(matches!(probe_bytes(&movie(&trak)), Err(ProbeError::Overrun { part, .. }) if part == "trak"));
}

#[test]
fn a_file_of_nothing_but_tiny_boxes_is_given_up() {
    let head = boxed(b"ftyp", b"isom\0\0\0\0");
    let boxes = boxed(b"free", b"").repeat(source::MAX_STEPS as usize);
    assert!(matches!(probe_bytes(&[head, boxes].concat()), Err(ProbeError::TooManyParts)));
}

#[test]
fn an_endless_run_of_samples_is_given_up() {
    // A fragment for track 0 whose samples each carry a duration, more of them than the budget has steps.
    let count = source::MAX_STEPS;
    let trun =
        [&0x100u32.to_be_bytes(), &count.to_be_bytes(), vec![0; 4 * count as usize].as_slice()].concat();
    let moof = boxed(b"moof", &boxed(b"traf", &[boxed(b"tfhd", &[0; 8]), boxed(b"trun", &trun)].concat()));
    let file = [movie(&track_claiming(0)), moof].concat();
    assert!(matches!(probe_bytes(&file), Err(ProbeError::TooManyParts)));
}
