//! What is judged offline.

use super::support::*;
use crate::domain::media::Medium;
use crate::domain::media::{Container, ImageFormat, Probe};
use crate::platform::Prepared;

fn codes(prepared: &Prepared) -> Vec<&str> {
    prepared.diagnostics.iter().map(|d| d.code.as_str()).collect()
}

fn manifest(text: &str, options: &str) -> String {
    let options: String = options.lines().map(|line| format!("    {line}\n")).collect();
    format!("id: a\ntext: {text}\nto:\n  toot:\n{options}")
}

fn with_media(n: usize, options: &str) -> String {
    let media: String = (0..n).map(|_| "  - file: a.png\n    alt: A\n").collect();
    let options: String = options.lines().map(|line| format!("    {line}\n")).collect();
    format!("id: a\ntext: x\nmedia:\n{media}to:\n  toot:\n{options}")
}

#[test]
fn a_text_is_counted_as_the_server_does() {
    let link = format!("https://example.com/{}", "a".repeat(600));
    for (text, options, code) in [
        ("a".repeat(500), "", None),
        ("a".repeat(501), "", Some("text-too-long")),
        (format!("{} {link}", "a".repeat(476)), "", None),
        (format!("{} {link}", "a".repeat(477)), "", Some("text-too-long")),
        ("a".repeat(490), "warning: '0123456789'", None),
        ("a".repeat(491), "warning: '0123456789'", Some("text-too-long")),
        (format!("\"{} @friend@remote.example\"", "a".repeat(492)), "", None),
    ] {
        let prepared = prepare(account(None, None), &manifest(&text, options), &[]);
        assert_eq!(codes(&prepared), Vec::from_iter(code), "{} {options}", text.len());
        assert_eq!(prepared.payload.is_some(), code.is_none());
        let helps =
            prepared.diagnostics.iter().all(|d| d.help.as_ref().is_some_and(|h| h.contains("--write")));
        assert!(helps, "{:?}", prepared.diagnostics);
    }
    let facts = || Some(known("{text_chars_max: 5000, link_chars: 600}"));
    let prepared = prepare(account(None, facts()), &manifest(&"a".repeat(5_000), ""), &[]);
    assert_eq!(codes(&prepared), [""; 0]);
    let prepared =
        prepare(account(None, facts()), &manifest(&format!("{} {link}", "a".repeat(4_400)), ""), &[]);
    assert_eq!(codes(&prepared), ["text-too-long"]);
    let help = prepared.diagnostics[0].help.as_deref().unwrap_or_default();
    assert!(!help.contains("--write"), "the server's own limits are known: {help}");
}

#[test]
fn options_are_checked_at_their_places() {
    for (options, code) in [
        ("visibility: direct", None),
        ("visibility: followers", Some("invalid-value")),
        ("language: de", None),
        ("language: German", Some("invalid-value")),
        ("warning: ''", Some("option-without-effect")),
        ("sensitive: true", Some("option-without-effect")),
        ("reply: '109'", None),
        ("reply: https://example.social/@bob@remote.example/109", None),
        ("reply: https://remote.example/@bob/109", Some("invalid-value")),
        ("quote: https://example.social/@bob/109", None),
        ("quote: 'a b'", Some("invalid-value")),
        ("scheduled_at: 2027-01-01T00:00", Some("unknown-key")),
        ("parts: ['two', 'three']", None),
        ("parts: ['  ']", Some("text-missing")),
        ("poll: {options: [a, b], expires_in: 1d}", None),
        ("poll: {options: [a, b], expires_in: 1d, multiple: true, hide_totals: true}", None),
        ("poll: {options: [a], expires_in: 1d}", Some("invalid-value")),
        ("poll: {options: [a, ' a ', b], expires_in: 1d}", Some("invalid-value")),
        ("poll: {options: [a, b, c, d, e], expires_in: 1d}", Some("poll-too-many")),
        ("poll: {options: [a, b], expires_in: 1m}", Some("poll-time")),
        ("poll: {options: [a, b], expires_in: 60d}", Some("poll-time")),
        ("poll: {options: [a, b]}", Some("missing-key")),
        (
            "poll: {options: [a, 012345678901234567890123456789012345678901234567890], expires_in: 1d}",
            Some("poll-too-long"),
        ),
    ] {
        let prepared = prepare(account(None, None), &manifest("x", options), &[]);
        assert_eq!(codes(&prepared), Vec::from_iter(code), "{options}");
        assert!(prepared.diagnostics.iter().all(|d| d.span.is_some() && d.help.is_some()), "{options}");
    }
    let facts = known("{poll_options_max: 8, poll_option_chars_max: 60, poll_seconds_min: 10}");
    let poll = "poll: {options: [a, b, c, d, e, 012345678901234567890123456789012345678901234567890], expires_in: 1m}";
    assert_eq!(codes(&prepare(account(None, Some(facts)), &manifest("x", poll), &[])), [""; 0]);
}

#[test]
fn media_are_checked_against_the_servers_limits() {
    let (png, mib) = (|size| image(ImageFormat::Png, size), 1_024 * 1_024);
    let mp4 = |size| video(Container::Mp4, size, (1_920, 1_080));
    let unknown = || file(Probe::Unknown { looks_like: Some("PDF".into()) }, 1);
    let url = || Medium::Url { url: "https://a.example/x.png".into() };
    for (media, facts, code) in [
        (vec![png(16 * mib)], "{}", None),
        (vec![png(16 * mib + 1)], "{}", Some("media-too-large")),
        (vec![png(16 * mib + 1)], "{image_bytes_max: 99000000}", None),
        (vec![png(1); 4], "{}", None),
        (vec![png(1); 5], "{}", Some("media-too-many")),
        (vec![png(1); 5], "{media_max: 6}", None),
        (vec![mp4(99 * mib)], "{}", None),
        (vec![mp4(99 * mib + 1)], "{}", Some("media-too-large")),
        (vec![video(Container::Mp4, 1, (4_096, 2_304))], "{}", Some("media-too-large")),
        (vec![video(Container::Matroska, 1, (10, 10))], "{}", Some("media-format")),
        (vec![video(Container::WebM, 1, (10, 10))], "{media_types: [video/mp4]}", Some("media-format")),
        (vec![png(1), mp4(1)], "{}", Some("media-mixed")),
        (vec![png(1), mp4(1)], "{software: mastodon}", Some("media-mixed")),
        (vec![png(1), mp4(1)], "{software: gotosocial}", None),
        (vec![unknown()], "{}", Some("media-format")),
        (vec![url()], "{}", Some("media-not-a-file")),
    ] {
        let prepared = prepare(account(None, Some(known(facts))), &with_media(media.len(), ""), &media);
        assert_eq!(codes(&prepared), Vec::from_iter(code), "{media:?} {facts}");
    }
    for (options, code) in [
        ("sensitive: true", None),
        ("warning: cw", None),
        ("warning: cw\nsensitive: false", Some("option-without-effect")),
        ("poll: {options: [a, b], expires_in: 1d}", Some("media-mixed")),
    ] {
        let prepared = prepare(account(None, None), &with_media(1, options), &[png(1)]);
        assert_eq!(codes(&prepared), Vec::from_iter(code), "{options}");
    }
    let silent = "id: a\nmedia:\n  - file: a.png\nto:\n  toot:\n    warning: cw\n";
    assert_eq!(
        codes(&prepare(account(None, None), silent, &[png(1)])),
        ["alt-missing", "option-without-effect"]
    );
    let long = with_media(1, "").replace("alt: A", &format!("alt: {}", "a".repeat(1_501)));
    assert_eq!(codes(&prepare(account(None, None), &long, &[png(1)])), ["alt-too-long"]);
}

#[test]
fn a_payload_says_what_it_is_and_what_an_edit_cannot_change() {
    let payload =
        |options: &str| prepare(account(None, None), &manifest("x", options), &[]).payload.expect("one");
    let plain = payload("");
    assert_eq!((plain.what.as_str(), plain.text.as_deref()), ("text", Some("x")));
    assert_eq!(plain.body.value(), serde_json::json!({ "v": 1, "text": "x" }), "defaults are left out");
    let whole = payload(
        "visibility: unlisted\nwarning: cw\nreply: '1'\nparts: [y]\npoll: {options: [a, b], expires_in: 1d}",
    );
    assert_eq!(whole.what, "poll, thread of 2 posts, reply, behind a warning, unlisted");
    assert_eq!(whole.text.as_deref(), Some("[cw]\n\nx\n\n○ a\n○ b\n\ny"));
    for (options, is_same) in [
        ("warning: cw", true),
        ("language: en", true),
        ("text: other", true),
        ("visibility: unlisted", false),
        ("reply: '1'", false),
        ("quote: '1'", false),
        ("parts: [y]", false),
        ("poll: {options: [a, b], expires_in: 1d}", false),
    ] {
        assert_eq!(payload(options).fixed == plain.fixed, is_same, "{options}");
        assert_ne!(payload(options).digest(), plain.digest(), "{options}");
    }
}
