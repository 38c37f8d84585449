mod hostile;
mod photos;
mod videos;

use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::domain::media::Image;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// Probes, and checks of every file in these tests that no more than a window of it is held.
fn probe_bytes(bytes: &[u8]) -> Result<Probe, ProbeError> {
    let src = &mut Source::new(Cursor::new(bytes), bytes.len() as u64);
    let result = probe_source(src);
    assert!(src.bytes_held() <= 8192, "{} bytes held", src.bytes_held());
    result
}

/// Facts or error in a line, so that a table of them can be read.
fn line(result: Result<Probe, ProbeError>) -> String {
    let known = |value: Option<u64>| value.map_or("?".into(), |v| v.to_string());
    match result {
        Ok(Probe::Video(v)) => format!(
            "{} {} {}x{} r{} {} ms {} mHz {} {:?}",
            v.container,
            v.codec,
            v.width,
            v.height,
            v.rotation,
            known(v.duration_ms),
            known(v.frames_per_1000_s),
            v.audio.as_deref().unwrap_or("silent"),
            v.moov_at_front,
        ),
        Ok(Probe::Image(i)) => {
            format!(
                "{} {}x{} o{} {}",
                i.format,
                i.width,
                i.height,
                i.orientation,
                if i.animated { "moves" } else { "still" }
            )
        }
        Ok(Probe::Unknown { looks_like }) => format!("unknown {}", looks_like.unwrap_or_default()),
        Err(error) => error.to_string(),
    }
}

fn line_of(bytes: &[u8]) -> String {
    line(probe_bytes(bytes))
}

fn position(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).expect("the fixture has it")
}

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), name.as_slice(), body].concat()
}

#[test]
fn what_is_neither_video_nor_photo_is_unknown_and_named_if_well_known() {
    assert_eq!(line_of(b"hello"), "unknown ");
    assert_eq!(line_of(b"x"), "unknown ");
    assert_eq!(line_of(&[0; 1000]), "unknown ");
    assert_eq!(line_of(b"%PDF-1.7 ..."), "unknown PDF document");
    assert_eq!(line_of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "unknown HEIC image");
    assert_eq!(line_of(b"RIFF\x10\0\0\0AVI LIST"), "unknown AVI video");
    assert!(
        line_of(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n").contains("Git LFS pointer")
    );
    let mut transport_stream = [0u8; 376];
    (transport_stream[0], transport_stream[188]) = (0x47, 0x47);
    assert_eq!(line_of(&transport_stream), "unknown MPEG transport stream");
    assert_eq!(line_of(&[b"G".as_slice(), &[0; 375]].concat()), "unknown ");
}

#[test]
fn the_file_name_means_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let disguised = dir.path().join("photo.jpg");
    fs::copy(path("good.mp4"), &disguised).unwrap();
    assert!(matches!(probe(&disguised), Ok(Probe::Video(_))));
}

#[test]
fn only_regular_files_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.mp4");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let empty = dir.path().join("empty.mp4");
    fs::write(&empty, b"").unwrap();

    assert!(matches!(probe(&pipe), Err(ProbeError::NotAFile)));
    assert!(matches!(digest(&pipe), Err(ProbeError::NotAFile)));
    assert!(matches!(probe(dir.path()), Err(ProbeError::NotAFile)));
    assert!(matches!(probe(&empty), Err(ProbeError::Empty)));
    assert!(matches!(probe(&dir.path().join("absent")), Err(ProbeError::Io(_))));
}

#[test]
fn digest_is_the_sha_256_of_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("abc");
    let of = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        crate::domain::ids::hex(&digest(&file).unwrap())
    };
    assert_eq!(of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // The last of FIPS 180-2's examples; longer than the buffer.
    assert_eq!(of(&[b'a'; 1_000_000]), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

#[test]
fn a_stamp_changes_with_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"one").unwrap();
    let stamp = |file: &tempfile::NamedTempFile| file::stamp(&file.as_file().metadata().unwrap());
    let before = stamp(&file);
    assert_eq!(before, stamp(&file));

    file.write_all(b"two").unwrap();
    assert_ne!(before, stamp(&file));
    assert_eq!(stamp(&file).size, 6);

    let other = tempfile::NamedTempFile::new().unwrap();
    assert_ne!(stamp(&file).inode, stamp(&other).inode);
}

#[test]
fn facts_hold_digest_and_probe_and_survive_serialization() {
    for name in ["good.mp4", "vp9.webm", "rotated-exif.jpg", "make.sh"] {
        let facts = examine(&path(name)).unwrap();
        assert_eq!(facts.stamp.size, fixture(name).len() as u64);
        assert_eq!(facts.digest, ContentDigest(digest(&path(name)).unwrap()));
        assert_eq!(facts.probe, probe(&path(name)).unwrap());

        let json = serde_json::to_string(&facts.probe).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&json).unwrap(), facts.probe);
    }
}
