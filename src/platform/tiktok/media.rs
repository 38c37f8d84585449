//! Chunks: how an upload is cut, where it goes on, and what the answers to them mean.

use crate::domain::media::{Container, Medium, Probe};
use crate::domain::payload::Chunks;
use crate::domain::retry::ErrorKind;
use crate::platform::error::{Error, foreign};
use crate::platform::http::{Effect, Reply};

use super::client::operation;

/// The largest file sent as one chunk: TikTok's 64 MB, whether decimal or binary, with `chunk_size` equal to the size
/// (TikTok docs `mt`, read 2026-11-22; since August 2026 servers refuse anything else).
pub(super) const WHOLE_BYTES_MAX: u64 = 64_000_000;
/// At least 5 MB and at most 64 MB under both readings, as in TikTok's own example; the last chunk takes the rest,
/// which is less than twice this and so below its 128 MB.
pub(super) const CHUNK_BYTES: u64 = 10_000_000;

/// The chunks of a file of `size` bytes: the count is rounded down, the last chunk takes the rest (TikTok docs `mt`, read
/// 2026-11-22).
pub(super) fn chunks(size: u64) -> Chunks {
    if size <= WHOLE_BYTES_MAX {
        return Chunks { size, count: 1, last: size };
    }
    let count = size / CHUNK_BYTES;
    Chunks { size: CHUNK_BYTES, count, last: size - (count - 1) * CHUNK_BYTES }
}

/// Where the last chunk begins: sending it publishes.
pub(super) fn last_start(size: u64) -> u64 {
    size - chunks(size).last
}

/// The chunk to go on with when the platform has `received` bytes: the one that holds the next byte. A chunk that is
/// there in part is sent again whole.
pub(super) fn resume_at(size: u64, received: u64) -> u64 {
    (received - received % chunks(size).size.max(1)).min(last_start(size))
}

/// First byte and length of the chunk at `offset`.
pub(super) fn range(size: u64, offset: u64) -> (u64, u64) {
    let length = if offset >= last_start(size) { size.saturating_sub(offset) } else { chunks(size).size };
    (offset, length)
}

/// `Content-Range` of a chunk (TikTok docs `mt`, read 2026-11-22): both ends are included.
pub(super) fn content_range(size: u64, (first, length): (u64, u64)) -> String {
    format!("bytes {first}-{}/{size}", (first + length).saturating_sub(1))
}

/// The type of the file's bytes (TikTok docs `mt`, read 2026-11-22).
pub(super) fn content_type(medium: &Medium) -> &'static str {
    match medium {
        Medium::File { probe: Probe::Video(video), .. } => match video.container {
            Container::Mp4 => "video/mp4",
            Container::Mov => "video/quicktime",
            Container::WebM | Container::Matroska => "video/webm",
        },
        _ => "video/mp4",
    }
}

/// What a reply to a chunk says about the upload (TikTok docs `mt`, read 2026-11-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// 206: it has bytes, up to this mark if it says so.
    Partly(Option<Mark>),
    /// 201; 200 counts as well, as other clients take it.
    Whole,
    /// 416: the platform's progress is another one.
    OutOfStep,
    /// 403, 404: the address has expired, or its upload is unknown.
    Gone,
}

/// The number in `bytes 0-{uploaded}/{total}` (TikTok docs `mt`, read 2026-11-22), which may be read as the count of bytes
/// or, as in other such headers, as the last one's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Mark {
    /// Whether all bytes before `end` have arrived, and no more, under either reading.
    pub(super) fn is_at(self, end: u64) -> bool {
        self.0 == end || self.0.checked_add(1) == Some(end)
    }
}

/// Sorts the reply to a chunk. `effect` is `Once` for the last one.
pub(super) fn judge(effect: Effect, reply: &Reply) -> Result<Stored, Error> {
    let error = |kind, code: String| {
        let text = foreign(&String::from_utf8_lossy(&reply.body));
        let message = format!("HTTP {} to a chunk: {text}", reply.status);
        Err(Error::new(operation::UPLOAD, kind, code, message.trim_end_matches([':', ' '])))
    };
    let status = reply.status;
    match status {
        200 | 201 => Ok(Stored::Whole),
        206 => Ok(Stored::Partly(reply.content_range.as_deref().and_then(received))),
        416 => Ok(Stored::OutOfStep),
        403 | 404 => Ok(Stored::Gone),
        400 => error(ErrorKind::Rejected, "chunk-refused".to_owned()),
        _ if effect == Effect::Once => error(ErrorKind::Ambiguous, format!("http-{status}")),
        429 => error(ErrorKind::RateLimited, format!("http-{status}")),
        500.. => error(ErrorKind::Transient, format!("http-{status}")),
        401..=499 => error(ErrorKind::Rejected, format!("http-{status}")),
        _ => error(ErrorKind::Protocol, format!("http-{status}")),
    }
}

fn received(content_range: &str) -> Option<Mark> {
    content_range.strip_prefix("bytes 0-")?.split('/').next()?.trim().parse().ok().map(Mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunk_plan_is_right_under_both_readings_of_mb() {
        // Size, chunk size, count, last chunk.
        let table = [
            (1, 1, 1, 1),
            (64_000_000, 64_000_000, 1, 64_000_000),
            (64_000_001, 10_000_000, 6, 14_000_001),
            (67_108_864, 10_000_000, 6, 17_108_864),
            (158_008_374, 10_000_000, 15, 18_008_374),
            (1_073_741_824, 10_000_000, 107, 13_741_824),
            (4_294_967_296, 10_000_000, 429, 14_967_296),
        ];
        for (bytes, size, count, last) in table {
            assert_eq!(chunks(bytes), Chunks { size, count, last }, "{bytes}");
        }
    }

    #[test]
    fn chunks_cover_the_file_without_gap_or_overlap_and_keep_to_the_bounds() {
        for size in [1, 4_999_999, 64_000_000, 64_000_001, 70_000_000, 79_999_999, 80_000_000, 4_000_000_000]
        {
            let (mut offset, mut count) = (0, 0);
            while offset < size {
                let (first, length) = range(size, offset);
                assert_eq!(resume_at(size, offset), offset, "{offset} of {size}");
                assert!(length < 128_000_000 && (length >= 5_242_880 || size < 5_242_880));
                (offset, count) = (first + length, count + 1);
            }
            assert_eq!((offset, count), (size, chunks(size).count), "{size}");
            assert!(count <= 1_000);
        }
    }

    #[test]
    fn an_upload_goes_on_with_the_chunk_that_holds_the_next_byte() {
        let size = 70_000_123;
        let table = [(0, 0), (1, 0), (9_999_999, 0), (10_000_000, 10_000_000), (59_999_999, 50_000_000)];
        for (received, offset) in table {
            assert_eq!(resume_at(size, received), offset, "{received}");
        }
        for received in [60_000_000, 70_000_000, size, u64::MAX] {
            assert_eq!(resume_at(size, received), last_start(size), "{received}");
        }
        assert_eq!(content_range(size, range(size, 60_000_000)), "bytes 60000000-70000122/70000123");
    }

    #[test]
    fn a_mark_may_be_a_count_or_a_position() {
        for (mark, at) in [(9, true), (10, true), (8, false), (11, false), (u64::MAX, false)] {
            assert_eq!(Mark(mark).is_at(10), at, "{mark}");
        }
    }

    #[test]
    fn each_status_of_a_chunk_has_its_meaning() {
        use ErrorKind::*;
        let reply = |status, range: Option<&str>| Reply {
            status,
            content_range: range.map(str::to_owned),
            retry_after: None,
            body: b"\x1b[31mno".to_vec(),
        };
        let fine = [
            (206, Some("bytes 0-9999999/70000000"), Stored::Partly(Some(Mark(9_999_999)))),
            (206, Some("bytes=0-1"), Stored::Partly(None)),
            (206, None, Stored::Partly(None)),
            (201, None, Stored::Whole),
            (200, None, Stored::Whole),
            (416, None, Stored::OutOfStep),
            (403, None, Stored::Gone),
            (404, None, Stored::Gone),
        ];
        for (status, range, stored) in fine {
            for effect in [Effect::Harmless, Effect::Once] {
                assert_eq!(judge(effect, &reply(status, range)), Ok(stored), "{status}");
            }
        }
        let bad = [
            (400, Rejected, Rejected),
            (413, Rejected, Ambiguous),
            (429, RateLimited, Ambiguous),
            (500, Transient, Ambiguous),
            (503, Transient, Ambiguous),
            (302, Protocol, Ambiguous),
        ];
        for (status, harmless, once) in bad {
            let kind = |effect| judge(effect, &reply(status, None)).expect_err("an error").kind;
            assert_eq!((kind(Effect::Harmless), kind(Effect::Once)), (harmless, once), "{status}");
        }
        let error = judge(Effect::Once, &reply(500, None)).expect_err("an error");
        assert!(!error.to_string().contains('\x1b'));
    }
}
