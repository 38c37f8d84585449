//! What a platform answers.

use gitcast::domain::retry::ErrorKind;
use gitcast::platform::http::{Effect, Reply};
use gitcast::platform::tiktok::replies::{Asked, read};

/// Of any status that a server may send.
const STATUSES: [u16; 14] = [200, 201, 204, 206, 302, 400, 401, 403, 404, 416, 429, 500, 502, 599];
/// More than any message of ours: foreign text is cut.
const CHARS_MAX: usize = 2_000;

/// The first byte tells the status, and whether a line with a `Content-Range` stands before the body.
pub fn replies(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let status = STATUSES[usize::from(first & 0x7f) % STATUSES.len()];
    let newline = rest.iter().position(|byte| *byte == b'\n').filter(|_| first & 0x80 != 0);
    let (range, body) = newline.map_or((None, rest), |at| (Some(&rest[..at]), &rest[at + 1..]));
    let content_range = range.map(|range| String::from_utf8_lossy(range).into_owned());
    let reply = Reply { status, content_range, retry_after: None, body: body.to_vec() };
    for asked in Asked::ALL {
        for effect in [Effect::Harmless, Effect::Once] {
            judge(asked, effect, &reply);
        }
    }
}

fn judge(asked: Asked, effect: Effect, reply: &Reply) {
    let decoded = read(asked, effect, reply);
    super::assert_plain(decoded.log_id.as_deref().unwrap_or_default());
    let Err(error) = decoded.result else {
        let fine = (200..300).contains(&reply.status);
        // To a chunk some refusals are answers: where the upload stands is asked then.
        assert!(fine || asked == Asked::Chunk, "HTTP {} is no success of {asked:?}", reply.status);
        return;
    };
    let shown = error.to_string();
    super::assert_plain(&shown);
    super::assert_plain(&error.code);
    assert!(shown.chars().count() < CHARS_MAX, "{} characters", shown.chars().count());
    assert!(!error.code.is_empty() && error.code.chars().count() < CHARS_MAX);
    // No answer is never taken for a no: a fault of the server says nothing about what was to be done once.
    if effect == Effect::Once && asked != Asked::Token {
        assert!(error.kind != ErrorKind::Transient, "{asked:?}, HTTP {}: {error:?}", reply.status);
        assert!(reply.status < 500 || error.kind == ErrorKind::Ambiguous, "{asked:?}: {error:?}");
    }
}
