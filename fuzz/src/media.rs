//! Headers of media.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::LazyLock;

use gitcast::content::media::{ProbeError, probe_reader};
use gitcast::domain::ids::ContentDigest;
use gitcast::domain::media::{FileStamp, Medium, Probe};

use super::manifest::{judge_one, post_of};

/// As many bytes as there are, or that many and zeros up to a length that the last byte tells: files may be sparse, and
/// what a header claims may really be there.
struct Stretched<'a> {
    bytes: &'a [u8],
    len: u64,
    at: u64,
}

impl Read for Stretched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.at).min(buffer.len() as u64) as usize;
        let there = usize::try_from(self.at).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let (copied, zeros) = buffer[..left].split_at_mut(there.len().min(left));
        copied.copy_from_slice(&there[..copied.len()]);
        zeros.fill(0);
        self.at += left as u64;
        Ok(left)
    }
}

impl Seek for Stretched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at;
        Ok(at)
    }
}

pub fn media(input: &[u8]) {
    let Some((&last, bytes)) = input.split_last() else { return };
    let len = bytes.len() as u64;
    // Seldom, since what reads all of it takes its whole budget of steps.
    let stretched = last.checked_sub(250).and_then(|nth| [16, 20, 31, 32, 33, 62].get(usize::from(nth)));
    let len = stretched.map_or(len, |bits| len.max(1 << bits));
    match probe_reader(Stretched { bytes, len, at: 0 }, len) {
        Ok(probe) => judged(probe, len),
        Err(error) => {
            assert!(!matches!(error, ProbeError::Io(_)), "no read fails: {error}");
            super::assert_harmless(&error.to_string());
        }
    }
}

/// What a platform says of such a medium.
fn judged(probe: Probe, size: u64) {
    static POSTS: LazyLock<[gitcast::domain::manifest::Post; 2]> = LazyLock::new(|| {
        let of = |account| {
            let text = format!("id: p\nmedia:\n  - file: a.mp4\nto:\n  {account}\n");
            post_of(text.as_bytes()).expect("a good manifest")
        };
        [of("drafts:"), of("direct: {privacy: self_only, cover_ms: 1200}")]
    });
    if let Probe::Video(video) = &probe {
        assert!([0, 90, 180, 270].contains(&video.rotation), "{video:?}");
        super::assert_harmless(&video.codec.to_string());
        super::assert_harmless(video.audio.as_deref().unwrap_or_default());
    }
    let medium = Medium::File {
        path: "a.mp4".into(),
        size,
        digest: ContentDigest::of(b"a"),
        stamp: FileStamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 },
        probe,
        url: Some("https://media.example.com/a.mp4".into()),
    };
    for post in POSTS.iter() {
        judge_one(post, std::slice::from_ref(&medium));
    }
}
