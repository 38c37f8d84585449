//! What is judged offline: one row for each rule.

use serde_json::json;

use super::support::*;
use crate::domain::media::{Container, ImageFormat, Medium, Probe};
use crate::platform::Prepared;

fn codes(prepared: &Prepared) -> Vec<&str> {
    prepared.diagnostics.iter().map(|found| found.code.as_str()).collect()
}

fn text_of(text: &str, options: &str) -> String {
    format!("id: a\ntext: {}\nto:\n  sky:\n{options}", json!(text))
}

#[test]
fn a_text_is_counted_in_graphemes_and_in_bytes() {
    let family = "👩‍👩‍👧‍👦";
    for (text, expected) in [
        ("a".repeat(300), None),
        (format!("{}\n\n", "a".repeat(300)), None),
        ("a".repeat(301), Some("has 301 characters (graphemes), Bluesky takes 300")),
        ("e\u{301}".repeat(300), None),
        ("e\u{301}".repeat(301), Some("has 301 characters")),
        ("שלום עולם ".repeat(30).trim_end().to_owned(), None),
        ("🇩🇪".repeat(300), None),
        (family.repeat(120), None),
        (family.repeat(121), Some("has 3025 bytes in UTF-8, Bluesky takes 3000")),
    ] {
        let prepared = prepare(None, &text_of(&text, ""), &[]);
        let message = prepared.diagnostics.first().map(|found| found.message.clone());
        let is_right = match (expected, &message) {
            (None, None) => prepared.payload.is_some(),
            (Some(part), Some(message)) => message.contains(part) && prepared.payload.is_none(),
            _ => false,
        };
        assert!(is_right, "{} bytes: {message:?}, not {expected:?}", text.len());
    }
}

#[test]
fn options_are_checked_strictly() {
    for (options, expected) in [
        ("    langs: [en, pt-BR, zh-Hant-TW]\n", &[][..]),
        ("    langs: [en, de, fr, it]\n", &["invalid-value"]),
        ("    langs: [english]\n", &["invalid-value"]),
        ("    labels: [porn, graphic-media]\n", &[]),
        ("    labels: [spoiler]\n", &["invalid-value"]),
        ("    quote: https://bsky.app/profile/a.example/post/3k2\n", &[]),
        ("    quote: https://example.com/3k2\n", &["invalid-value"]),
        ("    reply: at://did:plc:a/app.bsky.feed.post/3k2\n    replies: []\n", &["option-without-effect"]),
        ("    replies: [mentioned, following, followers]\n    quotes: false\n", &[]),
        ("    replies: nobody\n", &["invalid-type"]),
        ("    link: { url: https://a.example/, title: T }\n", &[]),
        ("    link: { url: a.example, title: T }\n", &["invalid-url"]),
        ("    link: { url: https://a.example/ }\n", &["missing-key"]),
        ("    link: { url: https://a.example/, title: T, thumb: 0 }\n", &["thumb-out-of-range"]),
        ("    parts: [two, three]\n", &[]),
        ("    parts: [two, ' ']\n", &["text-missing"]),
        ("    privacy: public\n", &["unknown-key"]),
    ] {
        assert_eq!(codes(&prepare(None, &text_of("x", options), &[])), expected, "{options}");
    }
    assert_eq!(codes(&prepare(None, &text_of("  ", ""), &[])), ["text-missing"]);
    let parts =
        |count: usize, length: usize| format!("    parts: {}\n", json!(vec!["a".repeat(length); count]));
    for (options, expected) in [
        (parts(24, 300), &[][..]),
        (parts(25, 1), &["invalid-value"]),
        (parts(2, 301), &["text-too-long", "text-too-long"]),
    ] {
        assert_eq!(codes(&prepare(None, &text_of("x", &options), &[])), expected, "{options}");
    }
}

#[test]
fn media_keep_to_the_limits_of_their_place() {
    let jpeg = |size| image(ImageFormat::Jpeg, size);
    let mp4 = |size, seconds| video(Container::Mp4, size, seconds);
    let own = Some("https://pds.example");
    let unknown = file(Probe::Unknown { looks_like: Some("a PDF document".into()) }, 9);
    for (endpoint, media, expected) in [
        (None, vec![jpeg(2_000_000); 4], &[][..]),
        (None, vec![jpeg(1); 5], &["media-too-many"]),
        (None, vec![jpeg(2_000_001)], &["media-too-large"]),
        (None, vec![image(ImageFormat::Png, 1), image(ImageFormat::WebP, 1)], &[]),
        (None, vec![image(ImageFormat::Gif, 1)], &["media-still"]),
        (None, vec![mp4(300_000_000, 600)], &[]),
        (None, vec![mp4(300_000_001, 60)], &["media-too-large"]),
        (own, vec![mp4(52_428_800, 60)], &[]),
        (own, vec![mp4(52_428_801, 60)], &["media-too-large"]),
        (own, vec![mp4(300_000_001, 60)], &["media-too-large"]),
        (None, vec![mp4(1, 601)], &["media-too-long"]),
        (None, vec![video(Container::Mov, 1, 1)], &["media-container"]),
        (None, vec![mp4(1, 1); 2], &["media-too-many"]),
        (None, vec![jpeg(1), mp4(1, 1)], &["media-mixed"]),
        (None, vec![unknown], &["media-format"]),
        (None, vec![Medium::Url { url: "https://a.example/a.jpg".into() }], &["media-not-a-file"]),
    ] {
        let items: String = (0..media.len()).map(|n| format!("  - file: {n}.x\n    alt: A\n")).collect();
        let prepared = prepare(endpoint, &format!("id: a\nmedia:\n{items}to:\n  sky:\n"), &media);
        assert_eq!(codes(&prepared), expected, "{} of {:?}", media.len(), media[0]);
    }
    // On a server of one's own the larger video is a warning.
    let yaml = "id: a\nmedia:\n  - file: a\n    alt: A\nto:\n  sky:\n";
    assert!(prepare(own, yaml, &[mp4(52_428_801, 60)]).payload.is_some());
}

#[test]
fn a_card_has_a_picture_or_none_and_nothing_else() {
    let card = |thumb: &str, files: &str| {
        format!(
            "id: a\nmedia:\n{files}to:\n  sky:\n    link: {{ url: https://a.example/, title: T{thumb} }}\n"
        )
    };
    let (one, two) = ("  - file: 0.x\n", "  - file: 0.x\n  - file: 1.x\n");
    let jpeg = |size| image(ImageFormat::Jpeg, size);
    for (yaml, media, expected) in [
        (card(", thumb: 0", one), vec![jpeg(1_000_000)], &[][..]),
        (card(", thumb: 0", one), vec![jpeg(1_000_001)], &["media-too-large"]),
        (card(", thumb: 0", one), vec![video(Container::Mp4, 1, 1)], &["media-format"]),
        (card(", thumb: 1", two), vec![jpeg(1), jpeg(1)], &["media-mixed"]),
        (card("", one), vec![jpeg(1)], &["media-mixed"]),
        (card(", thumb: 1", one), vec![jpeg(1)], &["thumb-out-of-range"]),
    ] {
        assert_eq!(codes(&prepare(None, &yaml, &media)), expected, "{yaml}");
    }
}

#[test]
fn the_digest_follows_what_is_seen_and_nothing_else() {
    let digest = |yaml: &str| prepare(None, yaml, &[]).payload.expect("a payload").digest();
    let plain = digest("id: a\ntext: x\nto:\n  sky:\n");
    assert_eq!(plain, digest("id: b\ntext: \"x\\n\"\nto:\n  sky:\n    quotes: true\n"));
    for other in ["    quotes: false\n", "    replies: []\n", "    langs: [en]\n", "    labels: [porn]\n"] {
        assert_ne!(plain, digest(&format!("id: a\ntext: x\nto:\n  sky:\n{other}")), "{other}");
    }
    let body = prepare(None, "id: a\ntext: x\nto:\n  sky:\n", &[]).payload.expect("a payload").body.value();
    assert_eq!(body, json!({ "v": 1, "kind": "text", "text": "x" }), "defaults are left out");
}
