//! What is judged offline.

use serde_json::json;

use super::support::{account, file, image, prepare, video};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::media::{Container, Image, ImageFormat, Medium, Probe, Video, VideoCodec};
use crate::domain::payload::{Chunks, Estimate};
use crate::domain::project::Mode::{self, Direct, Draft};
use crate::platform::Prepared;

const MEDIA: &str = "media:\n  - file: a.mp4\n";

/// One line an option, from line 6 on.
fn yaml(options: &[&str]) -> String {
    let options: String = options.iter().map(|line| format!("    {line}\n")).collect();
    let options = if options.is_empty() { "    {}\n".to_owned() } else { options };
    format!("id: p\n{MEDIA}to:\n  brand:\n{options}text: Hello\n")
}

fn codes(prepared: &Prepared) -> Vec<(String, u32)> {
    let place = |d: &Diagnostic| (d.code.clone(), d.span.map_or(0, |span| span.line));
    assert!(
        prepared.diagnostics.iter().all(|d| d.help.is_some() && d.path == "content/a.yaml"),
        "{prepared:?}"
    );
    assert_eq!(prepared.payload.is_some(), !prepared.diagnostics.iter().any(|d| d.is_error()));
    prepared.diagnostics.iter().map(place).collect()
}

fn a_video() -> Vec<Medium> {
    vec![file(Probe::Video(video()), 1_000, None)]
}

fn photos(n: usize) -> Vec<Medium> {
    vec![file(Probe::Image(image()), 1_000, Some("https://m.example/1.jpg")); n]
}

/// Mode, audited, options, photos in place of a video, what comes of it.
type Case<'a> = (Mode, bool, &'a [&'a str], bool, &'a [(&'a str, u32)]);

#[test]
fn options_are_read_strictly_and_must_have_an_effect() {
    let none = "option-without-effect";
    let table: &[Case<'_>] = &[
        (Direct, true, &["privacy: public", "allow: [comment, duet, stitch]", "cover_ms: 1200"], false, &[]),
        (
            Direct,
            true,
            &["privacy: self_only", "auto_music: true", "cover: 1", "title: T", "allow: [comment]"],
            true,
            &[],
        ),
        (Draft, true, &[], false, &[]),
        (Draft, true, &["title: T", "cover: 1"], true, &[]),
        (Direct, true, &[], false, &[("missing-key", 5)]),
        (Direct, true, &["privacy: SELF_ONLY"], false, &[("invalid-value", 6)]),
        (Direct, true, &["privcy: public"], false, &[("missing-key", 5), ("unknown-key", 6)]),
        (Direct, true, &["privacy: public", "allow: [comment, comment]"], false, &[("invalid-value", 7)]),
        (Direct, true, &["privacy: public", "ai_generated: yes"], false, &[("invalid-type", 7)]),
        (Direct, true, &["privacy: public", "cover_ms: 017"], false, &[("invalid-type", 7)]),
        (
            Draft,
            true,
            &["privacy: public", "allow: [duet]", "disclosure: [own_brand]"],
            false,
            &[(none, 6), (none, 7), (none, 8)],
        ),
        (Draft, true, &["ai_generated: true", "cover_ms: 1"], false, &[(none, 6), (none, 7)]),
        (Draft, true, &["auto_music: true", "ai_generated: true"], true, &[(none, 6), (none, 7)]),
        (
            Direct,
            true,
            &["privacy: public", "cover: 0", "title: T", "auto_music: true"],
            false,
            &[(none, 7), (none, 8), (none, 9)],
        ),
        (
            Direct,
            true,
            &["privacy: public", "cover_ms: 1", "allow: [duet, stitch]"],
            true,
            &[(none, 7), (none, 8), (none, 8)],
        ),
        (Direct, true, &["privacy: public", "cover_ms: 10001"], false, &[("cover-out-of-range", 7)]),
        (Direct, true, &["privacy: public", "cover: 2"], true, &[("cover-out-of-range", 7)]),
        (Direct, false, &["privacy: public"], false, &[("unaudited-self-only", 6)]),
        (Direct, false, &["privacy: self_only"], false, &[]),
        (
            Direct,
            false,
            &["privacy: public", "disclosure: [own_brand]"],
            false,
            &[("unaudited-self-only", 6)],
        ),
        (
            Direct,
            false,
            &["privacy: public", "disclosure: [paid_partnership]"],
            false,
            &[("unaudited-self-only", 6), ("disclosure-needs-audience", 7)],
        ),
        (
            Direct,
            true,
            &["privacy: self_only", "disclosure: [paid_partnership]"],
            false,
            &[("disclosure-needs-audience", 7)],
        ),
        (Direct, true, &["privacy: friends", "disclosure: [paid_partnership]"], false, &[]),
    ];
    for (mode, audited, options, as_photos, expected) in table {
        let media = if *as_photos { photos(2) } else { a_video() };
        let prepared = prepare(account(*mode, *audited, None), &yaml(options), &media);
        let expected: Vec<_> = expected.iter().map(|(code, line)| ((*code).to_owned(), *line)).collect();
        assert_eq!(codes(&prepared), expected, "{mode:?} {options:?}");
    }
}

#[test]
fn an_unaudited_app_posts_for_the_creators_eyes_only() {
    let prepared = prepare(account(Direct, false, None), &yaml(&["privacy: public"]), &a_video());
    assert_eq!(prepared.payload.expect("a payload").body.value()["privacy"], "self_only");
}

#[test]
fn texts_are_measured_in_utf_16() {
    let direct = |text: &str, media: &[Medium]| {
        let yaml = format!("id: p\n{MEDIA}to:\n  brand:\n    privacy: public\ntext: \"{text}\"\n");
        codes(&prepare(account(Direct, true, None), &yaml, media))
    };
    let too_long = vec![("text-too-long".to_owned(), 7)];
    // U+1F389 is two units.
    for (text, media, fits) in [
        ("x".repeat(2_200), a_video(), true),
        ("x".repeat(2_201), a_video(), false),
        ("🎉".repeat(1_100), a_video(), true),
        (format!("{}x", "🎉".repeat(1_100)), a_video(), false),
        ("é".repeat(4_000), photos(1), true),
        ("é".repeat(4_001), photos(1), false),
    ] {
        assert_eq!(direct(&text, &media), if fits { vec![] } else { too_long.clone() }, "{}", text.len());
    }
    for (n, fits) in [(90, true), (91, false)] {
        let title = format!("title: {}", "x".repeat(n));
        let prepared = prepare(account(Draft, true, None), &yaml(&[&title]), &photos(1));
        assert_eq!(codes(&prepared), if fits { vec![] } else { vec![("title-too-long".to_owned(), 6)] });
    }
    // A draft's text stays here, so its length is nobody's business.
    let yaml = format!("id: p\n{MEDIA}to:\n  brand: {{}}\ntext: {}\n", "x".repeat(5_000));
    assert_eq!(codes(&prepare(account(Draft, true, None), &yaml, &a_video())), []);
}

#[test]
fn media_are_held_against_the_limits() {
    let video = |spoil: fn(&mut Video)| {
        let mut video = video();
        spoil(&mut video);
        vec![file(Probe::Video(video), 1_000, None)]
    };
    let photo = |spoil: fn(&mut Image)| {
        let mut image = image();
        spoil(&mut image);
        vec![file(Probe::Image(image), 1_000, Some("https://m.example/1.jpg"))]
    };
    let url = |address: &str| vec![Medium::Url { url: address.into() }];
    let mixed = || [a_video(), photos(1)].concat();
    let table = [
        (video(|v| v.codec = VideoCodec::H265), ""),
        (video(|v| v.container = Container::WebM), ""),
        (video(|v| v.codec = VideoCodec::Av1), "media-codec"),
        (video(|v| v.codec = VideoCodec::Other("mp4v".into())), "media-codec"),
        (video(|v| v.duration_ms = Some(600_000)), ""),
        (video(|v| v.duration_ms = Some(600_001)), "media-too-long"),
        (video(|v| v.duration_ms = None), "media-duration-unknown"),
        (video(|v| v.container = Container::Matroska), "media-container"),
        (video(|v| v.width = 360), ""),
        (video(|v| v.width = 359), "media-dimensions"),
        (video(|v| v.height = 4_096), ""),
        (video(|v| v.height = 4_097), "media-dimensions"),
        (video(|v| v.frames_per_1000_s = Some(23_976)), ""),
        (video(|v| v.frames_per_1000_s = Some(22_700)), "media-frame-rate"),
        (video(|v| v.frames_per_1000_s = Some(60_000)), ""),
        (video(|v| v.frames_per_1000_s = Some(61_000)), "media-frame-rate"),
        (video(|v| v.frames_per_1000_s = None), "media-frame-rate-unknown"),
        (video(|v| v.moov_at_front = Some(false)), "media-index-at-end"),
        (vec![file(Probe::Video(super::support::video()), 4_000_000_000, None)], ""),
        (vec![file(Probe::Video(super::support::video()), 4_000_000_001, None)], "media-too-large"),
        (photo(|p| p.format = ImageFormat::WebP), ""),
        (photo(|p| p.format = ImageFormat::Png), "media-format"),
        (photo(|p| p.format = ImageFormat::Gif), "media-format"),
        (photo(|p| (p.width, p.height) = (1_920, 1_080)), ""),
        (photo(|p| (p.width, p.height) = (1_086, 1_448)), "media-dimensions"),
        (photo(|p| (p.width, p.height) = (1_000, 1_921)), "media-dimensions"),
        (photo(|p| p.animated = true), "media-format"),
        (photo(|p| p.orientation = 6), "media-orientation"),
        (vec![file(Probe::Image(image()), 20_000_001, Some("https://m.example/1.jpg"))], "media-too-large"),
        (vec![file(Probe::Image(image()), 9, None)], "media-unreachable"),
        (vec![file(Probe::Unknown { looks_like: None }, 9, None)], "media-format"),
        (url("https://m.example/a.MP4?x=.png"), ""),
        (url("https://m.example/a.webp"), ""),
        (url("https://m.example/a.png"), "media-format"),
        (url("https://m.example/a"), "media-format"),
        (mixed(), "media-mixed"),
        (vec![], "media-missing"),
        ([a_video(), a_video()].concat(), "media-too-many"),
        (photos(35), ""),
        (photos(36), "media-too-many"),
    ];
    for (media, code) in table {
        let items = if media.is_empty() {
            " []\n".to_owned()
        } else {
            format!("\n{}", "  - file: x\n".repeat(media.len()))
        };
        let yaml = format!("id: p\nmedia:{items}to:\n  brand:\n    privacy: public\n");
        let prepared = prepare(account(Direct, true, None), &yaml, &media);
        let found: Vec<_> = codes(&prepared).into_iter().map(|(code, _)| code).collect();
        assert_eq!(found, if code.is_empty() { vec![] } else { vec![code] }, "{media:?}");
    }
}

#[test]
fn all_problems_are_found_in_one_run() {
    let yaml = "id: p\nmedia:\n  - file: a\n  - file: b\nto:\n  brand:\n    allow: [comments]\n    title: T\n    colour: red\n";
    let media = [a_video(), photos(1)].concat();
    let expected = [("media-mixed", 4), ("missing-key", 6), ("invalid-value", 7), ("unknown-key", 9)];
    let expected = expected.map(|(code, line)| (code.to_owned(), line));
    assert_eq!(codes(&prepare(account(Direct, true, None), yaml, &media)), expected);
}

#[test]
fn the_second_medium_is_the_one_too_many() {
    let yaml = "id: p\nmedia:\n  - file: a.mp4\n  - file: b.mp4\nto:\n  brand: {}\n";
    let media = [a_video(), a_video()].concat();
    assert_eq!(codes(&prepare(account(Draft, true, None), yaml, &media)), [("media-too-many".to_owned(), 4)]);
}

#[test]
fn photos_need_no_address_where_the_server_is_on_this_machine() {
    let media = [file(Probe::Image(image()), 9, None)];
    let local = account(Draft, true, Some("http://127.0.0.1:4010"));
    assert_eq!(codes(&prepare(local, &yaml(&[]), &media)), []);
}

#[test]
fn this_machine_serves_media_to_a_server_on_this_machine_alone() {
    let local = Some("http://127.0.0.1:4010");
    for (endpoint, address, good) in [
        (local, "http://127.0.0.1:4010/content/1.jpg", true),
        (local, "https://media.example.com/1.jpg", true),
        (None, "http://127.0.0.1:4010/content/1.jpg", false),
        (None, "https://localhost/1.jpg", false),
        (Some("https://open.example.com"), "http://127.0.0.1/1.jpg", false),
        (local, "http://media.example.com/1.jpg", false),
    ] {
        let expected = if good { vec![] } else { vec![("invalid-url".to_owned(), 3)] };
        for medium in [Medium::Url { url: address.to_owned() }, file(Probe::Image(image()), 9, Some(address))]
        {
            let prepared = prepare(account(Draft, true, endpoint), &yaml(&[]), &[medium]);
            assert_eq!(codes(&prepared), expected, "{address} {endpoint:?}");
        }
    }
}

#[test]
fn the_payload_holds_what_tiktok_sees_and_what_it_costs() {
    let media = [file(Probe::Video(video()), 70_000_000, None)];
    let options = ["privacy: self_only", "allow: [stitch, comment]", "text: Other"];
    let direct = prepare(account(Direct, true, None), &yaml(&options), &media).payload.expect("a payload");
    assert_eq!(
        direct.body.value(),
        json!({ "v": 1, "mode": "direct", "kind": "video", "privacy": "self_only", "text": "Other",
                "allow": ["comment", "stitch"] })
    );
    let chunks = Chunks { size: 10_000_000, count: 7, last: 10_000_000 };
    assert_eq!(direct.estimate, Estimate { requests: 9, bytes: 70_000_000, chunks: Some(chunks) });
    assert_eq!((direct.what.as_str(), direct.text.as_deref()), ("video, self_only", Some("Other")));

    let draft = prepare(account(Draft, true, None), &yaml(&[]), &media).payload.expect("a payload");
    assert_eq!(draft.body.value(), json!({ "v": 1, "mode": "draft", "kind": "video" }));
    assert_eq!((draft.estimate.requests, draft.text), (8, None));
    assert_eq!(draft.what, "video, draft in the inbox");

    let photo =
        prepare(account(Draft, true, None), &yaml(&["title: T"]), &photos(2)).payload.expect("a payload");
    assert_eq!(
        photo.body.value(),
        json!({ "v": 1, "mode": "draft", "kind": "photos", "text": "Hello", "title": "T" })
    );
    assert_eq!((photo.estimate.requests, photo.text.as_deref()), (1, Some("T\nHello")));
}
