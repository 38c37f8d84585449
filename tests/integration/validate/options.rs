//! TikTok's options and texts.

use super::{Case, manifest};

pub(super) fn cases() -> Vec<Case> {
    [drafts(), videos(), photos(), privacy(), lengths()].into_iter().flatten().collect()
}

/// A post of one medium with options, which begin on line 6.
fn post(account: &str, medium: &str, options: &[&str], expected: &[&str]) -> Case {
    let options: String = options.iter().map(|option| format!("    {option}\n")).collect();
    manifest(format!("id: bad\nmedia:\n  - file: {medium}\nto:\n  {account}:\n{options}"), expected)
}

fn drafts() -> Vec<Case> {
    let draft = |option: &str, expected: &[&str]| post("drafts", "good.mp4", &[option], expected);
    vec![
        draft("privacy: self_only", &["option-without-effect 6:5"]),
        draft("allow: [comment]", &["option-without-effect 6:5"]),
        draft("disclosure: [own_brand]", &["option-without-effect 6:5"]),
        draft("ai_generated: true", &["option-without-effect 6:5"]),
        draft("cover_ms: 100", &["option-without-effect 6:5"]),
        draft("title: A title", &["option-without-effect 6:5"]),
        draft("privacy: no", &["invalid-value 6:14"]),
        post(
            "drafts",
            "good.mp4",
            &["privacy: public", "allow: [duet]", "disclosure: []", "colour: red"],
            &[
                "option-without-effect 6:5",
                "option-without-effect 7:5",
                "option-without-effect 8:5",
                "unknown-key 9:5",
            ],
        ),
        post("drafts", "good.jpg", &["auto_music: true"], &["option-without-effect 6:5"]),
    ]
}

fn videos() -> Vec<Case> {
    let video = |option: &str, expected: &[&str]| {
        post("direct", "good.mp4", &["privacy: self_only", option], expected)
    };
    vec![
        video("cover: 0", &["option-without-effect 7:5"]),
        video("cover: 9", &["option-without-effect 7:5"]),
        video("title: A title", &["option-without-effect 7:5"]),
        video("auto_music: true", &["option-without-effect 7:5"]),
        video("cover_ms: 2001", &["cover-out-of-range 7:15"]),
        video("cover_ms: 2000", &[]).passes(),
        video("cover_ms: 1e3", &["invalid-type 7:15"]),
        video("cover_ms: 017", &["invalid-type 7:15"]),
        video("cover_ms: -1", &["invalid-type 7:15"]),
        video("cover_ms: 600001", &["invalid-value 7:15"]),
        video("ai_generated: no", &["invalid-type 7:19"]),
        video("ai_generated: 'true'", &["invalid-type 7:19"]),
        video("allow: comment", &["invalid-type 7:12"]),
        video("allow: [comment, comments]", &["invalid-value 7:22"]),
        video("allow: [comment, duet, comment]", &["invalid-value 7:28"]),
        video("privcay: public", &["unknown-key 7:5"]),
    ]
}

fn photos() -> Vec<Case> {
    let photo = |option: &str, expected: &[&str]| {
        post("direct", "good.jpg", &["privacy: self_only", option], expected)
    };
    vec![
        photo("cover_ms: 100", &["option-without-effect 7:5"]),
        photo("allow: [duet]", &["option-without-effect 7:13"]),
        photo("allow: [comment, stitch]", &["option-without-effect 7:22"]),
        photo("cover: 1", &["cover-out-of-range 7:12"]),
        photo("cover: 35", &["invalid-value 7:12"]),
        photo("auto_music: 1", &["invalid-type 7:17"]),
    ]
}

fn privacy() -> Vec<Case> {
    let partner = "disclosure: [paid_partnership]";
    let missing = ["missing-key 5:3"];
    vec![
        post("direct", "good.mp4", &[], &missing),
        post("direct", "good.mp4", &["allow: [comment]"], &missing),
        post("direct", "good.mp4", &["privacy: SELF_ONLY"], &["invalid-value 6:14"]),
        post("direct", "good.mp4", &["privacy: everyone"], &["invalid-value 6:14"]),
        post("direct", "good.mp4", &["privacy:"], &["invalid-type 6:12"]),
        post("direct", "good.mp4", &["privacy: public"], &["unaudited-self-only 6:14"]).passes(),
        post("public", "good.mp4", &["privacy: public"], &[]).passes(),
        post("direct", "good.mp4", &["privacy: self_only", partner], &["disclosure-needs-audience 7:18"]),
        post(
            "direct",
            "good.mp4",
            &["privacy: public", partner],
            &["unaudited-self-only 6:14", "disclosure-needs-audience 7:18"],
        ),
        post("public", "good.mp4", &["privacy: self_only", partner], &["disclosure-needs-audience 7:18"]),
        post("public", "good.mp4", &["privacy: friends", partner], &[]).passes(),
    ]
}

/// In UTF-16 units, as TikTok counts: most letters are one, an emoji is a pair or more.
fn lengths() -> Vec<Case> {
    let caption = |text: String, expected: &[&str]| {
        let text = format!("text: \"{text}\"");
        post("public", "good.mp4", &["privacy: public", &text], expected)
    };
    let description = |text: String, expected: &[&str]| {
        let text = format!("text: \"{text}\"");
        post("public", "good.jpg", &["privacy: public", &text], expected)
    };
    let title = |text: String, expected: &[&str]| {
        post("drafts", "good.jpg", &[&format!("title: \"{text}\"")], expected)
    };
    vec![
        caption("x".repeat(2_200), &[]).passes(),
        caption("x".repeat(2_201), &["text-too-long 7:11"]),
        caption("🎉".repeat(1_100), &[]).passes(),
        caption(format!("{}x", "🎉".repeat(1_100)), &["text-too-long 7:11"]),
        // Escapes count as what they stand for.
        caption("\\ud83c\\udf89".repeat(1_100), &[]).passes(),
        caption("\\U0001F389".repeat(1_101), &["text-too-long 7:11"]),
        title("é".repeat(90), &[]).passes(),
        title("é".repeat(91), &["title-too-long 6:12"]),
        title("🎉".repeat(45), &[]).passes(),
        title("🎉".repeat(46), &["title-too-long 6:12"]),
        description("🎉".repeat(2_000), &[]).passes(),
        description(format!("{}x", "🎉".repeat(2_000)), &["text-too-long 7:11"]),
        // The text of all accounts, where it stands.
        manifest(
            format!(
                "id: bad\ntext: {}\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n  public:\n    privacy: public\n",
                "x".repeat(2_201)
            ),
            &["text-too-long 2:7"],
        ),
    ]
}
