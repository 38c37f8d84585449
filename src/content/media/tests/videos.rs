use super::*;

/// What ffprobe says of the same files (`make.sh` has how they were made).
#[test]
fn facts_of_videos_made_by_ffmpeg() {
    let expected = [
        ("good.mp4", "MP4 H.264 540x960 r0 2000 ms 30000 mHz aac Some(true)"),
        ("moov-at-end.mp4", "MP4 H.264 540x960 r0 2000 ms 30000 mHz aac Some(false)"),
        ("slow-5fps.mp4", "MP4 H.264 360x640 r0 1000 ms 5000 mHz aac Some(true)"),
        ("small-100x100.mp4", "MP4 H.264 100x100 r0 1000 ms 30000 mHz aac Some(true)"),
        ("no-audio.mp4", "MP4 H.264 360x640 r0 1000 ms 30000 mHz silent Some(true)"),
        ("audio-only.mp4", "there is no video track, only audio"),
        ("rotated-90.mp4", "MP4 H.264 640x360 r90 1000 ms 30000 mHz silent Some(false)"),
        ("rotated-180.mp4", "MP4 H.264 360x640 r180 1000 ms 30000 mHz silent Some(false)"),
        ("rotated-270.mp4", "MP4 H.264 640x360 r270 1000 ms 30000 mHz silent Some(false)"),
        ("hevc.mp4", "MP4 H.265 360x640 r0 1000 ms 30000 mHz silent Some(true)"),
        ("hevc-hev1.mp4", "MP4 H.265 360x640 r0 1000 ms 30000 mHz silent Some(false)"),
        ("av1.mp4", "MP4 AV1 360x640 r0 1000 ms 30000 mHz silent Some(false)"),
        ("vp9.mp4", "MP4 VP9 360x640 r0 1000 ms 30000 mHz silent Some(false)"),
        ("quicktime.mov", "MOV H.264 360x640 r0 1000 ms 25000 mHz aac Some(false)"),
        ("fragmented.mp4", "MP4 H.264 360x640 r0 1000 ms 30000 mHz aac Some(true)"),
        ("fragmented-hybrid.mp4", "MP4 H.264 360x640 r0 1000 ms 30000 mHz silent Some(true)"),
        ("fragmented-vfr.mp4", "MP4 H.264 360x640 r0 967 ms 20690 mHz silent Some(true)"),
        ("vp9.webm", "WebM VP9 360x640 r0 1008 ms 30000 mHz opus None"),
        ("vp8.webm", "WebM VP8 360x640 r0 1003 ms 24000 mHz vorbis None"),
        ("av1.webm", "WebM AV1 360x640 r0 1000 ms 30000 mHz silent None"),
        ("live.webm", "WebM VP9 360x640 r0 1000 ms 30000 mHz opus None"),
        ("h264.mkv", "Matroska H.264 360x640 r0 1000 ms 30000 mHz silent None"),
    ];
    for (name, facts) in expected {
        assert_eq!(line(probe(&path(name))), facts, "{name}");
    }
}

/// The boxes before the first one of that name, itself, and those behind it.
fn split_at_box<'a>(bytes: &'a [u8], name: &[u8; 4]) -> (&'a [u8], &'a [u8], &'a [u8]) {
    let start = position(bytes, name) - 4;
    let size = u32::from_be_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
    (&bytes[..start], &bytes[start..start + size], &bytes[start + size..])
}

#[test]
fn quicktime_from_before_ftyp() {
    let file = fixture("quicktime.mov");
    let (_, _, behind) = split_at_box(&file, b"ftyp");
    assert_eq!(line_of(behind), "MOV H.264 360x640 r0 1000 ms 25000 mHz aac Some(false)");
}

#[test]
fn sizes_of_64_bits_and_up_to_the_end_of_the_file() {
    let file = fixture("good.mp4");
    let (before, mdat, behind) = split_at_box(&file, b"mdat");
    assert!(behind.is_empty());
    let wide_size = (mdat.len() as u64 + 8).to_be_bytes();
    let wide = [before, &[0, 0, 0, 1], b"mdat", &wide_size, &mdat[8..]].concat();
    assert_eq!(line_of(&wide), line_of(&file));
    assert!(line_of(&wide[..wide.len() - 1]).starts_with("the file ends early, inside `mdat`"));

    let open = [before, &[0; 4], &mdat[4..]].concat();
    assert_eq!(line_of(&open), line_of(&file));
}

#[test]
fn padding_behind_the_last_box_is_no_defect() {
    let mut file = fixture("good.mp4");
    for _ in 0..20 {
        file.push(0);
        assert!(matches!(probe_bytes(&file), Ok(Probe::Video(_))), "{}", line_of(&file));
    }
}

#[test]
fn a_part_that_is_missing_is_named() {
    let file = fixture("good.mp4");
    let (before, moov, behind) = split_at_box(&file, b"moov");
    assert!(matches!(probe_bytes(&[before, behind].concat()), Err(ProbeError::MoovMissing)));
    assert!(matches!(probe_bytes(&[before, moov].concat()), Err(ProbeError::NoMediaData)));
    let empty = [before, &boxed(b"moov", b""), behind].concat();
    assert!(matches!(probe_bytes(&empty), Err(ProbeError::NoVideoTrack { audio: false })));
}

/// Overwrites bytes at an offset behind the first occurrence of a name.
fn patched(name: &str, mark: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = fixture(name);
    let at = position(&file, mark) + mark.len() + offset;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn a_zero_time_scale_leaves_time_unknown() {
    let mut file = patched("no-audio.mp4", b"mvhd", 12, &[0; 4]);
    assert_eq!(line_of(&file), "MP4 H.264 360x640 r0 1000 ms 30000 mHz silent Some(true)");
    let mdhd = position(&file, b"mdhd") + 4;
    file[mdhd + 12..mdhd + 16].fill(0);
    assert_eq!(line_of(&file), "MP4 H.264 360x640 r0 ? ms ? mHz silent Some(true)");
}

#[test]
fn a_codec_we_do_not_know_keeps_a_printable_name() {
    let strange = patched("no-audio.mp4", b"stsd", 12, b"a\x1b[m");
    assert!(line_of(&strange).starts_with("MP4 a.[m 360x640"), "{}", line_of(&strange));
}

#[test]
fn frame_rate_is_counted_where_webm_does_not_state_it() {
    // The header's default duration becomes an element nobody knows.
    let mut file = fixture("vp9.webm");
    let at = position(&file, &[0x23, 0xE3, 0x83]);
    file[at..at + 3].copy_from_slice(&[0x23, 0xE3, 0x80]);
    // 29 intervals in 967 ms: WebM's timestamps are whole milliseconds.
    assert_eq!(line_of(&file), "WebM VP9 360x640 r0 1008 ms 29990 mHz opus None");

    let mut live = fixture("live.webm");
    let at = position(&live, &[0x23, 0xE3, 0x83]);
    live[at..at + 3].copy_from_slice(&[0x23, 0xE3, 0x80]);
    assert_eq!(line_of(&live), "WebM VP9 360x640 r0 1000 ms 29990 mHz opus None");
}

#[test]
fn webm_without_a_picture_or_without_media() {
    let file = fixture("vp9.webm");
    let cluster = position(&file, &[0x1F, 0x43, 0xB6, 0x75]);
    assert!(line_of(&file[..cluster]).starts_with("the file ends early, inside `Segment`"));

    let live = fixture("live.webm");
    let cluster = position(&live, &[0x1F, 0x43, 0xB6, 0x75]);
    assert!(matches!(probe_bytes(&live[..cluster]), Err(ProbeError::NoMediaData)));
    // The track type of the video becomes "subtitle".
    let mut unseen = live.clone();
    let video = position(&unseen, &[0x83, 0x81, 0x01]);
    unseen[video + 2] = 0x11;
    assert!(matches!(probe_bytes(&unseen), Err(ProbeError::NoVideoTrack { audio: true })));
}

#[test]
fn a_huge_file_is_probed_in_a_few_reads() {
    let mut file = tempfile::tempfile().unwrap();
    let bytes = fixture("good.mp4");
    let (before, mdat, _) = split_at_box(&bytes, b"mdat");
    const HUGE: u64 = 1 << 36;
    let size = (HUGE - before.len() as u64).to_be_bytes();
    file.write_all(&[before, &[0, 0, 0, 1], b"mdat", &size, &mdat[8..]].concat()).unwrap();
    file.set_len(HUGE).unwrap();

    let src = &mut Source::new(&file, HUGE);
    let video = mp4::probe(src).unwrap();
    assert_eq!(video.duration_ms, Some(2000));
    assert!(src.bytes_read() < 100_000, "{} bytes read", src.bytes_read());
}
