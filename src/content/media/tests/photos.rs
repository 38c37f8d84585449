use super::*;

#[test]
fn facts_of_photos() {
    let expected = [
        ("good.jpg", "JPEG 1080x1350 o1 still"),
        ("rotated-exif.jpg", "JPEG 640x480 o6 still"),
        ("too-large-side.jpg", "JPEG 1254x1254 o1 still"),
        ("good.webp", "WebP 1080x1350 o1 still"),
        ("lossless.webp", "WebP 360x640 o1 still"),
        ("animated.webp", "WebP 120x160 o1 moves"),
        ("photo.png", "PNG 360x640 o1 still"),
        ("picture.gif", "GIF 80x60 o1 still"),
    ];
    for (name, facts) in expected {
        assert_eq!(line(probe(&path(name))), facts, "{name}");
    }
}

#[test]
fn orientation_turns_the_displayed_size() {
    let Ok(Probe::Image(image)) = probe(&path("rotated-exif.jpg")) else { panic!("a photo") };
    assert_eq!(image.displayed_size(), (480, 640));
    assert_eq!(Image { orientation: 3, ..image }.displayed_size(), (640, 480));
}

#[test]
fn progressive_and_four_colour_jpegs() {
    let baseline = fixture("good.jpg");
    let frame = position(&baseline, &[0xFF, 0xC0]);
    let mut progressive = baseline.clone();
    progressive[frame + 1] = 0xC2;
    assert_eq!(line_of(&progressive), "JPEG 1080x1350 o1 still");

    // A fourth component: three more bytes in the frame header.
    let mut cmyk = baseline;
    (cmyk[frame + 3], cmyk[frame + 9]) = (20, 4);
    cmyk.splice(frame + 19..frame + 19, [4, 0x11, 0]);
    assert_eq!(line_of(&cmyk), "JPEG 1080x1350 o1 still");
}

/// A TIFF block with one entry, the orientation.
fn tiff(big: bool, value: u16) -> Vec<u8> {
    let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let long = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let head: &[u8; 4] = if big { b"MM\0*" } else { b"II*\0" };
    let entry = [short(0x112), short(3)].concat();
    [head.to_vec(), long(8).into(), short(1).into(), entry, long(1).into(), short(value).into(), vec![0; 6]]
        .concat()
}

fn jpeg_with(app1: &[u8]) -> Vec<u8> {
    let plain = fixture("good.jpg");
    let length = (app1.len() as u16 + 2).to_be_bytes();
    [&plain[..2], &[0xFF, 0xFF, 0xE1], &length, app1, &plain[2..]].concat()
}

#[test]
fn every_orientation_in_either_byte_order() {
    for value in 1..=8 {
        for big in [true, false] {
            let exif = [b"Exif\0\0".as_slice(), &tiff(big, value)].concat();
            assert_eq!(line_of(&jpeg_with(&exif)), format!("JPEG 1080x1350 o{value} still"));
        }
    }
}

#[test]
fn broken_exif_counts_as_upright() {
    let good = [b"Exif\0\0".as_slice(), &tiff(true, 6)].concat();
    for length in 0..24 {
        assert_eq!(line_of(&jpeg_with(&good[..length])), "JPEG 1080x1350 o1 still", "{length}");
    }
    for value in [0, 9, 65535] {
        let exif = [b"Exif\0\0".as_slice(), &tiff(false, value)].concat();
        assert_eq!(line_of(&jpeg_with(&exif)), "JPEG 1080x1350 o1 still");
    }
    let mut far = good.clone();
    far[10..14].fill(0xFF);
    assert_eq!(line_of(&jpeg_with(&far)), "JPEG 1080x1350 o1 still");
    assert_eq!(line_of(&jpeg_with(b"http://ns.adobe.com/xap/1.0/\0")), "JPEG 1080x1350 o1 still");
}

#[test]
fn orientation_in_a_webp_chunk() {
    for prefix in [b"".as_slice(), b"Exif\0\0"] {
        let exif = [prefix, &tiff(false, 8)].concat();
        let mut file = fixture("good.webp");
        file.extend([b"EXIF".as_slice(), &(exif.len() as u32).to_le_bytes(), &exif].concat());
        let size = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        assert_eq!(line_of(&file), "WebP 1080x1350 o8 still");
    }
}

#[test]
fn a_photo_cut_anywhere_is_noticed() {
    for name in ["good.jpg", "rotated-exif.jpg", "good.webp", "animated.webp", "photo.png"] {
        let file = fixture(name);
        for length in (12..file.len()).step_by(7).chain(file.len() - 12..file.len()) {
            let result = probe_bytes(&file[..length]);
            assert!(result.is_err(), "{name} cut to {length} bytes: {result:?}");
        }
    }
}

#[test]
fn what_cameras_append_does_not_matter() {
    let appended = [fixture("good.jpg"), vec![0; 10_000]].concat();
    assert_eq!(line_of(&appended), "JPEG 1080x1350 o1 still");
}

#[test]
fn the_end_marker_is_found_across_a_window_border() {
    // 4096 bytes are read at a time; the picture data begin behind the scan header.
    let file = fixture("good.jpg");
    let scan = position(&file, &[0xFF, 0xDA]);
    let data = scan + 2 + usize::from(u16::from_be_bytes([file[scan + 2], file[scan + 3]]));
    for length in 4080..4100 {
        let picture = [&file[..data], &vec![0x55; length], &[0xFF, 0xD9]].concat();
        assert_eq!(line_of(&picture), "JPEG 1080x1350 o1 still", "{length}");
        assert!(probe_bytes(&picture[..picture.len() - 1]).is_err());
    }
}

#[test]
fn pictures_without_size_are_refused() {
    let mut flat = fixture("photo.png");
    flat[16..20].fill(0);
    assert!(matches!(probe_bytes(&flat), Err(ProbeError::Malformed { .. })));
    let mut thin = fixture("good.jpg");
    let frame = position(&thin, &[0xFF, 0xC0]);
    thin[frame + 5..frame + 7].fill(0);
    assert!(matches!(probe_bytes(&thin), Err(ProbeError::Malformed { .. })));
}
