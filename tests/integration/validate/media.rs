//! Media that are not there, are somewhere else, or are not what TikTok takes.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Case, manifest};
use crate::support::fixture_path;

pub(super) fn cases() -> Vec<Case> {
    [paths(), videos(), photos(), mixtures(), files()].into_iter().flatten().collect()
}

/// A post of media, the first of which stands on line 3.
fn media(names: &[&str], expected: &[&str]) -> Case {
    let items: String = names.iter().map(|name| format!("  - file: {name}\n")).collect();
    manifest(format!("id: bad\nmedia:\n{items}to:\n  drafts:\n"), expected)
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixture_path(name)).expect("fixture")
}

fn paths() -> Vec<Case> {
    let escape = ["path-escape 3:11"];
    vec![
        media(&["../outside.mp4"], &escape).set_up(|project| {
            project.medium("good.mp4", "outside.mp4");
        }),
        media(&["sub/../../outside.mp4"], &escape),
        media(&["/etc/passwd"], &escape),
        media(&["link.mp4"], &escape).set_up(|project| {
            project.medium("good.mp4", "outside.mp4");
            symlink("../outside.mp4", project.path("content/link.mp4")).expect("link");
        }),
        media(&["linked/good-video.mp4"], &["path-escape 3:11", "symlink linked"]).set_up(|project| {
            project.medium("good.mp4", "outside/good-video.mp4");
            symlink("../outside", project.path("content/linked")).expect("link");
        }),
        media(&["lost.mp4"], &["file-missing 3:11"]),
        media(&["dangling.mp4"], &["file-missing 3:11"]).set_up(|project| {
            symlink("nowhere.mp4", project.path("content/dangling.mp4")).expect("link");
        }),
        media(&["folder"], &["not-a-file 3:11"]).set_up(|project| {
            fs::create_dir(project.path("content/folder")).expect("folder");
        }),
        media(&["''"], &["invalid-value 3:11"]),
    ]
}

fn videos() -> Vec<Case> {
    let spoilt = |name: &str, bytes: Vec<u8>, expected: &[&str]| media(&[name], expected).file(name, bytes);
    let mut cut = fixture("good.mp4");
    cut.truncate(cut.len() / 2);
    let mut index_lost = fixture("moov-at-end.mp4");
    index_lost.truncate(30_000);
    vec![
        media(&["slow-5fps.mp4"], &["media-frame-rate 3:11"]),
        media(&["small-100x100.mp4"], &["media-dimensions 3:11"]),
        media(&["av1.mp4"], &["media-codec 3:11", "media-index-at-end 3:11"]),
        media(&["av1.webm"], &["media-codec 3:11"]),
        media(&["h264.mkv"], &["media-container 3:11"]),
        media(&["audio-only.mp4"], &["media-unreadable 3:11"]),
        media(&["moov-at-end.mp4"], &["media-index-at-end 3:11"]).passes(),
        spoilt("cut.mp4", cut, &["media-unreadable 3:11"]),
        spoilt("cut.mp4", index_lost, &["media-unreadable 3:11"]),
        spoilt("empty.mp4", vec![], &["media-empty 3:11"]),
        spoilt("words.mp4", b"These are words, and no video at all.".to_vec(), &["media-format 3:11"]),
        spoilt(
            "lfs.mp4",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n".to_vec(),
            &["media-format 3:11"],
        ),
        spoilt("renamed.mp4", fixture("photo.png"), &["media-format 3:11"]),
    ]
}

fn photos() -> Vec<Case> {
    let mut heavy = fixture("good.jpg");
    heavy.resize(20_000_001, 0);
    vec![
        media(&["photo.png"], &["media-format 3:11"]),
        media(&["picture.gif"], &["media-format 3:11"]),
        media(&["animated.webp"], &["media-format 3:11"]),
        media(&["too-large-side.jpg"], &["media-dimensions 3:11"]),
        media(&["rotated-exif.jpg"], &["media-orientation 3:11"]).passes(),
        media(&["heavy.jpg"], &["media-too-large 3:11"]).file("heavy.jpg", heavy),
    ]
}

fn mixtures() -> Vec<Case> {
    let url = |url: &str, expected: &[&str]| {
        manifest(format!("id: bad\nmedia:\n  - url: {url}\nto:\n  drafts:\n"), expected)
    };
    vec![
        media(&["good.jpg", "good.mp4"], &["media-mixed 4:11"]),
        media(&["good.mp4", "no-audio.mp4"], &["media-too-many 4:11"]),
        media(&["good.jpg"; 36], &["media-too-many 38:11"]),
        media(&["good.jpg"; 35], &[]).passes(),
        media(&["good.jpg"; 101], &["invalid-value 103:5"]),
        // What is wrong besides is told in the same run.
        manifest(
            "id: bad\nmedia:\n  - file: lost.mp4\nto:\n  direct:\n    allow: [all]\n",
            &["file-missing 3:11", "missing-key 5:3", "invalid-value 6:13"],
        ),
        // Each bad one, not just the first.
        media(&["lost.jpg", "picture.gif", "photo.png"], &["file-missing 3:11"]),
        media(&["picture.gif", "good.jpg", "photo.png"], &["media-format 3:11", "media-format 5:11"]),
        manifest("id: bad\ntext: Words alone\nto:\n  drafts:\n", &["media-missing 4:3"]),
        manifest("id: bad\ntext: Words alone\nmedia: []\nto:\n  drafts:\n", &["media-missing 5:3"]),
        url("https://media.example.com/a", &["media-format 3:10"]),
        url("https://media.example.com/a.png", &["media-format 3:10"]),
    ]
}

/// Files that are manifests by their names alone.
fn files() -> Vec<Case> {
    vec![
        Case::new("a manifest that is a symbolic link", &["symlink bad.yaml"]).set_up(|project| {
            project.write("outside.yaml", "id: bad\ntext: t\nto:\n  drafts:\n");
            symlink("../outside.yaml", project.path("content/bad.yaml")).expect("link");
        }),
        Case::new("a manifest that is a link to itself", &["symlink bad.yaml"]).set_up(|project| {
            symlink("bad.yaml", project.path("content/bad.yaml")).expect("link");
        }),
    ]
}
