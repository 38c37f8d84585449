//! The documented limits of a post, as pure checks.

/// The stricter reading of "4 GB" is not known; a plan of 4 GiB has been accepted (TikTok docs `mt`, read 2026-11-22).
pub(super) const VIDEO_SIZE_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// 5 MB in its larger reading.
const CHUNK_MIN: u64 = 5 * 1024 * 1024;
/// 64 MB in its smaller reading.
const CHUNK_MAX: u64 = 64_000_000;
const CHUNKS_MAX: u64 = 1_000;
/// 20 MB in its smaller reading.
pub(super) const PHOTO_SIZE_MAX: u64 = 20_000_000;
pub(super) const PHOTOS_MAX: usize = 35;
/// "1080p": photos with a larger shorter side were refused in practice, and so were longer sides beyond 1920.
const PHOTO_SIDES_MAX: (usize, usize) = (1_080, 1_920);

pub(super) const VIDEO_TITLE_MAX: usize = 2_200;
pub(super) const PHOTO_TITLE_MAX: usize = 90;
pub(super) const PHOTO_DESCRIPTION_MAX: usize = 4_000;

pub(super) fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Strict under both readings of MB, and as strict as the server has been since August 2026: a single chunk is
/// exactly the video. The final chunk is always below twice the chunk size, so below its own limit of 128 MB.
pub(super) fn check_chunks(size: u64, chunk_size: u64, count: u64) -> Result<(), &'static str> {
    if size == 0 || size > VIDEO_SIZE_MAX {
        return Err("The video size is invalid");
    }
    if count == 0 || count > CHUNKS_MAX {
        return Err("The total chunk count is invalid");
    }
    let single = count == 1;
    let chunk_fits = if single { chunk_size == size } else { chunk_size >= CHUNK_MIN };
    if !chunk_fits || chunk_size > CHUNK_MAX {
        return Err("The chunk size is invalid");
    }
    if count != size / chunk_size {
        return Err("The total chunk count is invalid");
    }
    Ok(())
}

/// The bounds of the chunk that begins at `first`: each is exactly `chunk_size`, the last takes what remains.
pub(super) fn chunk_end(size: u64, chunk_size: u64, count: u64, first: u64) -> u64 {
    let index = first / chunk_size.max(1);
    if index + 1 >= count { size } else { first + chunk_size }
}

/// What the start of a video file must look like: an ISO media file (MP4, MOV) or WebM.
pub(super) fn is_video(start: &[u8]) -> bool {
    let boxes: [&[u8]; 5] = [b"ftyp", b"moov", b"mdat", b"wide", b"free"];
    start.get(4..8).is_some_and(|name| boxes.contains(&name)) || start.starts_with(&[0x1A, 0x45, 0xDF, 0xA3])
}

/// JPEG or WebP; TikTok takes no PNG.
pub(super) fn photo_type(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some("image/jpeg")
    } else if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

pub(super) fn photo_sides_fit(width: usize, height: usize) -> bool {
    let (shorter, longer) = PHOTO_SIDES_MAX;
    width.min(height) <= shorter && width.max(height) <= longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_plans() {
        for (size, chunk, count) in [
            (1, 1, 1),
            (5_242_879, 5_242_879, 1),
            (64_000_000, 64_000_000, 1),
            (64_000_001, 10_000_000, 6),
            (67_108_864, 10_000_000, 6),
            (50_000_123, 10_000_000, 5),
            (158_008_374, 10_000_000, 15),
            (158_008_374, 5_242_880, 30),
            (1_073_741_824, 10_000_000, 107),
            (4_294_967_296, 10_000_000, 429),
        ] {
            assert_eq!(check_chunks(size, chunk, count), Ok(()), "{size}/{chunk}x{count}");
        }
    }

    #[test]
    fn chunk_plans_refused() {
        for (size, chunk, count, about) in [
            (0, 0, 1, "video size"),
            (4_294_967_297, 10_000_000, 429, "video size"),
            (64_000_001, 10_000_000, 7, "chunk count"),
            (64_000_001, 10_000_000, 0, "chunk count"),
            (4_294_967_296, 4_200_000, 1_022, "chunk count"),
            (64_000_001, 64_000_001, 1, "chunk size"),
            (15_000_000, 10_000_000, 1, "chunk size"),
            (3_000_000, 5_242_880, 1, "chunk size"),
            (50_000_000, 5_000_000, 10, "chunk size"),
            (134_217_728, 67_108_864, 2, "chunk size"),
            (10, 0, 2, "chunk size"),
        ] {
            let refused = check_chunks(size, chunk, count).expect_err("must be refused");
            assert!(refused.contains(about), "{size}/{chunk}x{count}: {refused}");
        }
    }

    #[test]
    fn final_chunk_takes_the_remainder() {
        assert_eq!(chunk_end(25_000_001, 10_000_000, 2, 0), 10_000_000);
        assert_eq!(chunk_end(25_000_001, 10_000_000, 2, 10_000_000), 25_000_001);
        assert_eq!(chunk_end(7, 7, 1, 0), 7);
    }

    #[test]
    fn photo_sides() {
        assert!(photo_sides_fit(1080, 1920) && photo_sides_fit(1920, 1080));
        assert!(!photo_sides_fit(1086, 1448) && !photo_sides_fit(1254, 1254) && !photo_sides_fit(1000, 1921));
    }
}
