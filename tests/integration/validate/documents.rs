//! Files that are no manifests: bytes, YAML that is broken or does too much, keys.

use super::{Case, manifest};

pub(super) fn cases() -> Vec<Case> {
    [bytes(), structure(), powers(), keys()].into_iter().flatten().collect()
}

fn bytes() -> Vec<Case> {
    vec![
        manifest("", &["empty-file 1:1"]),
        manifest("# nothing but a comment\n", &["empty-file 1:1"]),
        manifest(b"id: bad\ntext: \xc3\xbc\xff\n", &["not-utf8 2:8"]),
        manifest(b"\xff\xfei\0d\0:\0", &["not-utf8 1:1"]),
        manifest("id: bad\ntext: a\u{1}b\n", &["control-character 2:8"]),
        manifest("id: bad\ntext: a\0b\n", &["control-character 2:8"]),
        manifest(format!("id: bad\ntext: {}\n", "x".repeat(1 << 20)), &["file-too-large bad.yaml"]),
    ]
}

fn structure() -> Vec<Case> {
    vec![
        manifest("- id: bad\n", &["invalid-type 1:3"]),
        manifest("id: bad\ntext: t\nto:\n  drafts:\n---\nid: other\n", &["multiple-documents 5:1"]),
        manifest("id: bad\n\ttext: t\n", &["yaml-syntax 2:1"]),
        manifest("id: bad\nto:\n\tdrafts:\n", &["yaml-syntax 3:1"]),
        manifest("id: bad\nmedia: [\n", &["yaml-syntax 2:8"]),
        manifest("id: bad\ntext: \"never closed\n", &["yaml-syntax 2:7"]),
        manifest("id: bad\ntext: Today: news\n", &["yaml-syntax 2:12"]),
        manifest("id: bad\ntext: @everyone\n", &["yaml-syntax 2:7"]),
        manifest("id: bad\ntext: `quoted`\n", &["yaml-syntax 2:7"]),
        manifest("id: bad\ntext: t\n  to: x\n", &["yaml-syntax 3:5"]),
    ]
}

/// What YAML can, and a manifest must not.
fn powers() -> Vec<Case> {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nid: bad\n";
    let flow = format!("id: bad\ntext: {}", "[".repeat(100_000));
    let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    vec![
        manifest(bomb, &["alias 1:4", "alias 2:4", "alias 2:8", "alias 2:12"]),
        manifest("id: bad\ntext: *bold*\nto:\n  drafts:\n", &["alias 2:7"]),
        manifest("id: bad\n<<: {text: t}\nto:\n  drafts:\n", &["alias 2:1"]),
        manifest("id: !name bad\ntext: t\nto:\n  drafts:\n", &["tag 1:5"]),
        manifest("%YAML 1.1\n---\nid: bad\n", &["yaml-syntax 1:1"]),
        manifest(flow, &["nesting-too-deep 2:39"]),
        manifest(block, &["nesting-too-deep 33:33"]),
    ]
}

fn keys() -> Vec<Case> {
    vec![
        manifest(
            "id: bad\ntext: t\nid: worse\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n",
            &["duplicate-key 3:1"],
        ),
        manifest(
            "id: bad\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n  \"drafts\":\n",
            &["duplicate-key 6:3"],
        ),
        manifest(
            "id: bad\ntext: t\nmedia: [{file: good.mp4, file: b}]\n",
            &["missing-key 1:1", "duplicate-key 3:26"],
        ),
        manifest("id: bad\ntxet: t\nmedia:\n  - file: good.mp4\nto:\n  drafts:\n", &["unknown-key 2:1"]),
        manifest(
            "id: bad\ntext: t\nmedia:\n  - fiel: good.mp4\nto:\n  drafts:\n",
            &["missing-key 4:5", "unknown-key 4:5"],
        ),
        manifest("id: bad\ntext: t\n[x]: y\nto:\n  drafts:\n", &["invalid-key 3:1"]),
        manifest("text: t\n", &["missing-key 1:1", "missing-key 1:1"]),
        manifest("id: bad\nto:\n  drafts:\n", &["missing-key 1:5"]),
    ]
}
