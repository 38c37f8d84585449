//! Manifests whose values are wrong, whatever the platform.

use super::{Case, manifest};

pub(super) fn cases() -> Vec<Case> {
    [ids(), targets(), times(), values(), addresses()].into_iter().flatten().collect()
}

/// A manifest in which one line varies; it stands on line 3.
fn line(line: &str, expected: &[&str]) -> Case {
    let media = if line.starts_with("media") { "" } else { "media:\n  - file: good.mp4\n" };
    manifest(format!("id: bad\ntext: t\n{line}\n{media}to:\n  drafts:\n"), expected)
}

fn ids() -> Vec<Case> {
    let id = |id: &str, expected: &[&str]| {
        manifest(format!("id: {id}\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n"), expected)
    };
    vec![
        id("..", &["invalid-value 1:5"]),
        id("a..b", &["invalid-value 1:5"]),
        id("a/b", &["invalid-value 1:5"]),
        id("-a", &["invalid-value 1:5"]),
        id("''", &["invalid-value 1:5"]),
        id("läunch", &["invalid-value 1:5"]),
        id(&"x".repeat(129), &["invalid-value 1:5"]),
        id("[bad]", &["invalid-type 1:5"]),
        id("", &["invalid-type 1:3"]),
        // Neither of two is published: which one is meant, nobody knows.
        manifest("id: twice\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n", &["duplicate-id more.yaml:1:5"])
            .file("more.yaml", "id: twice\nmedia:\n  - file: no-audio.mp4\nto:\n  drafts:\n"),
        // An id counts even where the rest of its manifest is broken.
        manifest(
            "id: twice\ntext: [a]\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n",
            &["invalid-type 2:7", "duplicate-id more.yaml:1:5"],
        )
        .file("more.yaml", "id: twice\nmedia:\n  - file: no-audio.mp4\nto:\n  drafts:\n"),
    ]
}

fn targets() -> Vec<Case> {
    let to = |to: &str, expected: &[&str]| {
        manifest(format!("id: bad\nmedia:\n  - file: good.mp4\nto:{to}\n"), expected)
    };
    vec![
        to("\n  draft:", &["unknown-account 5:3"]),
        to("\n  drafts:\n  nobody:", &["unknown-account 6:3"]),
        to(" {}", &["invalid-value 4:5"]),
        to("", &["invalid-type 4:3"]),
        to(" drafts", &["invalid-type 4:5"]),
        to(" [drafts]", &["invalid-type 4:5"]),
        to("\n  ../x:", &["invalid-value 5:3"]),
        to("\n  drafts: yes", &["invalid-type 5:11"]),
    ]
}

fn times() -> Vec<Case> {
    vec![
        line("publish_at: 2026-03-29T02:30", &["nonexistent-time 3:13"]),
        line("publish_at: 2026-10-25T02:30", &["ambiguous-time 3:13"]),
        line("publish_at: 2026-11-01T01:30[America/New_York]", &["ambiguous-time 3:13"]),
        line("publish_at: tomorrow", &["invalid-time 3:13"]),
        line("publish_at: 2026-12-01", &["invalid-time 3:13"]),
        line("publish_at: 2026-02-30T09:00", &["invalid-time 3:13"]),
        line("publish_at: 2026-12-01T09:00[Mars/Olympus]", &["invalid-time 3:13"]),
        line("publish_at: 2026-12-01T09:00+05:00[Europe/Berlin]", &["invalid-time 3:13"]),
        line("publish_at: [2026-12-01T09:00]", &["invalid-type 3:13"]),
    ]
}

fn values() -> Vec<Case> {
    vec![
        line("state: gone", &["invalid-value 3:8"]),
        line("state: no", &["invalid-value 3:8"]),
        line("revision: 017", &["invalid-type 3:11"]),
        line("revision: 1e3", &["invalid-type 3:11"]),
        line("revision: '2'", &["invalid-type 3:11"]),
        line("revision: 0", &["invalid-value 3:11"]),
        line("revision: 99999999999999999999", &["invalid-value 3:11"]),
        line("revision:", &["invalid-type 3:9"]),
        line("media: good.mp4", &["invalid-type 3:8"]),
        line("media: [good.mp4]", &["invalid-type 3:9"]),
        line("media: ~", &["invalid-type 3:8"]),
        manifest(
            "id: bad\ntext: [a, b]\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n",
            &["invalid-type 2:7"],
        ),
        manifest("id: bad\ntext: null\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n", &["invalid-type 2:7"]),
        // All at once, in the order of the file: what every platform minds, and what this one does.
        manifest(
            "id: bad\nmedia:\n  - file: good.jpg\n  - file: good.mp4\nrevison: 2\nto:\n  nobody:\n  drafts:\n    allow: [duet]\n  direct:\n    cover: 0\n",
            &[
                "media-mixed 4:11",
                "unknown-key 5:1",
                "unknown-account 7:3",
                "option-without-effect 9:5",
                "missing-key 10:3",
            ],
        ),
        manifest(
            "id: a b\nstate: gone\nrevison: 2\nto: {}\npublish_at: soon\nmedia: []\n",
            &[
                "invalid-value 1:5",
                "invalid-value 2:8",
                "unknown-key 3:1",
                "invalid-value 4:5",
                "invalid-time 5:13",
            ],
        ),
    ]
}

fn addresses() -> Vec<Case> {
    let url = |url: &str, expected: &[&str]| {
        manifest(format!("id: bad\nmedia:\n  - url: {url}\nto:\n  drafts:\n"), expected)
    };
    vec![
        url("http://media.example.com/a.mp4", &["invalid-url 3:10"]),
        url("https://93.184.216.34/a.mp4", &["invalid-url 3:10"]),
        url("https://2130706433/a.mp4", &["invalid-url 3:10"]),
        url("https://user:word@media.example.com/a.mp4", &["invalid-url 3:10"]),
        url("file:///etc/passwd", &["invalid-url 3:10"]),
        url("media.example.com/a.mp4", &["invalid-url 3:10"]),
        // Of use to accounts whose server is on this machine, and to no other.
        url("http://127.0.0.1:4010/a.mp4", &["invalid-url 3:10"]),
        url("https://localhost/a.jpg", &["invalid-url 3:10"]),
        manifest(
            "id: bad\nmedia:\n  - file: good.mp4\n    url: https://media.example.com/a.mp4\nto:\n  drafts:\n",
            &["invalid-value 4:5"],
        ),
    ]
}
