//! Tables of manifests, good and bad. Every bad one is asserted with all its codes, lines and columns.

use jiff::tz::TimeZone;

use super::parse::{FILE_BYTES_MAX, NESTING_MAX, parse};
use super::post::{check_accounts, post};
use super::report::Report;
use super::*;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::project::decode::project;
use crate::domain::project::{Late, Mode, Project};

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("in the database")
}

fn read(bytes: &[u8]) -> (Option<Post>, Vec<Diagnostic>) {
    let report = Report::new("content/a.yaml");
    let post = parse(bytes, &report).and_then(|node| post(&node, &berlin(), &report).post);
    (post, report.into_diagnostics())
}

fn good(text: &str) -> Post {
    let (post, diagnostics) = read(text.as_bytes());
    assert_eq!(diagnostics, [], "{text}");
    post.expect("no diagnostics, so a post")
}

fn places(diagnostics: &[Diagnostic]) -> Vec<(&str, u32, u32)> {
    let place = |d: &Diagnostic| d.span.map_or((0, 0), |span| (span.line, span.column));
    diagnostics.iter().map(|d| (d.code.as_str(), place(d).0, place(d).1)).collect()
}

/// A manifest in which only `line` varies; it stands on line 3.
fn with(line: &str) -> String {
    format!("id: a\ntext: t\n{line}\nto: {{b: }}\n")
}

/// Two ways lead to a place: the parser's, and counting. They agree whatever ends a line or cannot be seen.
#[test]
fn lines_and_columns_agree_with_offsets() {
    for unseen in ["\u{feff}", "\r", "\r\n", "\u{85}", "\u{2028}", "\t", "\u{a0}"] {
        for text in [
            format!("{unseen}id: a\nwhat: 1\n"),
            format!("id: a{unseen}what: 1{unseen}odd: 1\n"),
            format!("id: a\n{unseen}what: 1\n"),
            format!("text: |{unseen} a{unseen} b\nwhat: {unseen} 1"),
            format!("{unseen}id: x\twhat:\r\n"),
        ] {
            for found in read(text.as_bytes()).1 {
                let Some(span) = found.span else { continue };
                assert_eq!(
                    crate::domain::span::Span::locate(&text, span.start, span.end),
                    span,
                    "{text:?} {found:?}"
                );
            }
        }
    }
}

type Expected = &'static [(&'static str, u32, u32)];

#[test]
fn bad_manifests_are_reported_where_they_are_bad() {
    let cases: &[(&str, Expected)] = &[
        // The document
        ("", &[("empty-file", 1, 1)]),
        ("# nothing\n", &[("empty-file", 1, 1)]),
        ("---\n", &[("empty-file", 1, 1)]),
        ("- id: a\n", &[("invalid-type", 1, 3)]),
        ("just text\n", &[("invalid-type", 1, 1)]),
        ("id: a\ntext: t\nto: {b: }\n---\nid: c\n", &[("multiple-documents", 4, 1)]),
        ("id: a\ntext: t\nto: {b: }\n---\n", &[("multiple-documents", 4, 1)]),
        ("%YAML 1.1\n---\nid: a\n", &[("yaml-syntax", 1, 1)]),
        ("id: a\n\ttext: t\n", &[("yaml-syntax", 2, 1)]),
        ("id: a\ntext: \"open\n", &[("yaml-syntax", 2, 7)]),
        ("id: a\ntext: a: b\n", &[("yaml-syntax", 2, 8)]),
        ("id: a\ntext: @everyone\n", &[("yaml-syntax", 2, 7)]),
        ("id: a\nto: [b\n", &[("yaml-syntax", 2, 5)]),
        ("id: a\ntext: x\u{1}y\n", &[("control-character", 2, 8)]),
        ("id: a\ntext: \u{0}\n", &[("control-character", 2, 7)]),
        ("id: ü\u{7f}\n", &[("control-character", 1, 6)]),
        ("id: a # fine\rrevision: 2\n", &[("control-character", 1, 13)]),
        // What YAML can and a manifest must not
        ("id: &x a\ntext: *x\nto: {b: }\n", &[("alias", 1, 5), ("alias", 2, 7)]),
        ("id: a\ntext: *bold\nto: {b: }\n", &[("alias", 2, 7)]),
        ("id: !custom a\ntext: !!str t\nto: {b: }\n", &[("tag", 1, 5), ("tag", 2, 7)]),
        ("id: a\n<<: {text: t}\nto: {b: }\n", &[("alias", 2, 1)]),
        (
            "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
            &[
                ("alias", 1, 4),
                ("alias", 2, 4),
                ("alias", 2, 8),
                ("alias", 2, 11),
                ("alias", 3, 5),
                ("alias", 3, 8),
            ],
        ),
        // Keys
        ("id: a\ntext: t\nid: b\nto: {b: }\ntext: u\n", &[("duplicate-key", 3, 1), ("duplicate-key", 5, 1)]),
        ("id: a\ntext: t\nto: {b: , c: , b: }\n", &[("duplicate-key", 3, 16)]),
        ("id: a\ntext: t\nto: {b: {x: 1, \"x\": 2}}\n", &[("duplicate-key", 3, 16)]),
        ("id: a\ntext: t\nto: {b: }\n[x]: y\n", &[("invalid-key", 4, 1)]),
        ("id: a\ntext: t\nto: {b: }\n? {x: y}\n: z\n", &[("invalid-key", 4, 3)]),
        ("id: a\ntext: t\nto: {b: }\n: z\n", &[("invalid-key", 4, 1)]),
        ("id: a\ntxt: t\ntext: t\nto: {b: }\n", &[("unknown-key", 2, 1)]),
        ("text: t\n", &[("missing-key", 1, 1), ("missing-key", 1, 1)]),
        ("id: a\nto: {b: }\n", &[("missing-key", 1, 5)]),
        // Several at once, in the order of the file
        (
            "id: a b\nstate: gone\nto: {}\ntext: t\nrevison: 2\n",
            &[
                ("invalid-value", 1, 5),
                ("invalid-value", 2, 8),
                ("invalid-value", 3, 5),
                ("unknown-key", 5, 1),
            ],
        ),
        // Ids and accounts
        ("id: -a\ntext: t\nto: {b: }\n", &[("invalid-value", 1, 5)]),
        ("id: ../a\ntext: t\nto: {b: }\n", &[("invalid-value", 1, 5)]),
        ("id: a..b\ntext: t\nto: {b: }\n", &[("invalid-value", 1, 5)]),
        ("id: ''\ntext: t\nto: {b: }\n", &[("invalid-value", 1, 5)]),
        ("id: [a]\ntext: t\nto: {b: }\n", &[("invalid-type", 1, 5)]),
        ("id:\ntext: t\nto: {b: }\n", &[("invalid-type", 1, 3)]),
        ("id: a\ntext: t\nto: {b c: }\n", &[("invalid-value", 3, 6)]),
        ("id: a\ntext: t\nto: [b]\n", &[("invalid-type", 3, 5)]),
        ("id: a\ntext: t\nto: b\n", &[("invalid-type", 3, 5)]),
        ("id: a\ntext: t\nto:\n", &[("invalid-type", 3, 3)]),
        ("id: a\ntext: t\nto: {b: [x]}\n", &[("invalid-type", 3, 9)]),
        ("id: a\ntext: t\nto:\n  b:\n    text: [x]\n", &[("invalid-type", 5, 11)]),
        // Text
        ("id: a\ntext: [t]\nto: {b: }\n", &[("invalid-type", 2, 7)]),
        ("id: a\ntext:\nto: {b: }\n", &[("invalid-type", 2, 5)]),
        ("id: a\ntext: ~\nto: {b: }\n", &[("invalid-type", 2, 7)]),
    ];
    for (text, expected) in cases {
        let (post, diagnostics) = read(text.as_bytes());
        assert_eq!(places(&diagnostics), *expected, "{text}\n{diagnostics:#?}");
        assert_eq!(post, None, "{text}");
        assert!(diagnostics.iter().all(|d| !d.message.contains(char::is_control)), "{text}");
    }
}

#[test]
fn bad_values_are_reported_where_they_stand() {
    let cases: &[(&str, Expected)] = &[
        // Times
        ("publish_at: tomorrow", &[("invalid-time", 3, 13)]),
        ("publish_at: 2026-12-01", &[("invalid-time", 3, 13)]),
        ("publish_at: 2026-02-30T09:00", &[("invalid-time", 3, 13)]),
        ("publish_at: 2026-12-01T25:00", &[("invalid-time", 3, 13)]),
        ("publish_at: 2026-12-01T09:00[Mars/Olympus]", &[("invalid-time", 3, 13)]),
        ("publish_at: 2026-12-01T09:00+02:00[Europe/Berlin]", &[("invalid-time", 3, 13)]),
        ("publish_at: 9999-12-31T23:59:59-12:00", &[("invalid-time", 3, 13)]),
        ("publish_at: 2026-03-29T02:30", &[("nonexistent-time", 3, 13)]),
        ("publish_at: 2026-10-25T02:30", &[("ambiguous-time", 3, 13)]),
        ("publish_at: 2026-11-01T01:30[America/New_York]", &[("ambiguous-time", 3, 13)]),
        ("publish_at: 2026-03-08T02:30[America/New_York]", &[("nonexistent-time", 3, 13)]),
        ("publish_at: [2026-12-01T09:00]", &[("invalid-type", 3, 13)]),
        // Numbers and words
        ("revision: two", &[("invalid-type", 3, 11)]),
        ("revision: '2'", &[("invalid-type", 3, 11)]),
        ("revision: 017", &[("invalid-type", 3, 11)]),
        ("revision: 1_000", &[("invalid-type", 3, 11)]),
        ("revision: 1e3", &[("invalid-type", 3, 11)]),
        ("revision: -1", &[("invalid-type", 3, 11)]),
        ("revision: 0", &[("invalid-value", 3, 11)]),
        ("revision: 99999999999999999999999", &[("invalid-value", 3, 11)]),
        ("state: Present", &[("invalid-value", 3, 8)]),
        ("state: true", &[("invalid-value", 3, 8)]),
        // Media
        ("media: a.mp4", &[("invalid-type", 3, 8)]),
        ("media: {file: a.mp4}", &[("invalid-type", 3, 8)]),
        ("media: [a.mp4]", &[("invalid-type", 3, 9)]),
        ("media: [{alt: x}]", &[("missing-key", 3, 9)]),
        ("media: [{file: a, url: 'https://a.example/b'}]", &[("invalid-value", 3, 19)]),
        ("media: [{file: ''}]", &[("invalid-value", 3, 16)]),
        ("media: [{file: \"a\\0b\"}]", &[("invalid-value", 3, 16)]),
        (
            "media: [{file: a, Alt: x}, {fil: b}]",
            &[("unknown-key", 3, 19), ("missing-key", 3, 28), ("unknown-key", 3, 29)],
        ),
        ("media: [{url: 'http://a.example/b'}]", &[("invalid-url", 3, 15)]),
        ("media: [{url: 'https://10.0.0.1/b'}]", &[("invalid-url", 3, 15)]),
        ("media: [{url: 'https://u:p@a.example/b'}]", &[("invalid-url", 3, 15)]),
        ("media: [{url: 'file:///etc/passwd'}]", &[("invalid-url", 3, 15)]),
    ];
    for (line, expected) in cases {
        let (post, diagnostics) = read(with(line).as_bytes());
        assert_eq!(places(&diagnostics), *expected, "{line}\n{diagnostics:#?}");
        assert_eq!(post, None, "{line}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_found() {
    let (post, diagnostics) = read(b"id: a\ntext: \xc3\xbc\xff\n");
    assert_eq!((post, places(&diagnostics)), (None, vec![("not-utf8", 2, 8)]));
    let (post, diagnostics) = read(b"\xff\xfei\0d\0");
    assert_eq!((post, places(&diagnostics)), (None, vec![("not-utf8", 1, 1)]));
}

#[test]
fn nesting_and_size_are_bounded() {
    let flow = format!("id: {}", "[".repeat(100_000));
    let (_, diagnostics) = read(flow.as_bytes());
    assert_eq!(
        places(&diagnostics),
        [("nesting-too-deep", 1, 5 + u32::try_from(NESTING_MAX).expect("small"))]
    );
    let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let (_, diagnostics) = read(block.as_bytes());
    assert_eq!(diagnostics[0].code, "nesting-too-deep");
    let large = format!("text: {}", "x".repeat(FILE_BYTES_MAX));
    assert_eq!(places(&read(large.as_bytes()).1), [("file-too-large", 0, 0)]);
}

#[test]
fn a_flood_of_problems_is_cut() {
    let flood = format!("id: a\n{}", "id: b\n".repeat(100_000));
    let (post, diagnostics) = read(flood.as_bytes());
    assert_eq!((post, diagnostics.len()), (None, report::DIAGNOSTICS_MAX));
}

#[test]
fn a_duplicate_key_shows_the_first_place() {
    let (_, diagnostics) = read(b"id: a\ntext: t\nid: b\nto: {b: }\n");
    let related = &diagnostics[0].related[0];
    assert_eq!((related.span.line, related.span.column, related.path.as_str()), (1, 1, "content/a.yaml"));
}

#[test]
fn gap_and_fold_tell_both_readings() {
    let help = |line: &str| read(with(line).as_bytes()).1[0].help.clone().expect("help");
    assert_eq!(
        help("publish_at: 2026-10-25T02:30"),
        "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"
    );
    assert_eq!(
        help("publish_at: 2026-03-29T02:30"),
        "write 2026-03-29T03:30:00+02:00 or 2026-03-29T01:30:00+01:00"
    );
}

#[test]
fn help_says_what_was_probably_meant() {
    let help = |line: &str| read(with(line).as_bytes()).1[0].help.clone().expect("help");
    assert_eq!(
        help("publish-at: 2026-12-01T09:00"),
        "did you mean `publish_at`? possible here: id, media, publish_at, revision, state, text, to"
    );
    assert_eq!(help("state: delete"), "did you mean `deleted`? possible here: adopted, deleted, present");
}

#[test]
fn instants_are_read_in_every_form() {
    for (written, instant) in [
        ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01 09:00", "2026-12-01T08:00:00Z"),
        ("2026-07-01T09:00:30", "2026-07-01T07:00:30Z"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T09:00-05:00", "2026-12-01T14:00:00Z"),
        ("2026-12-01T09:00[America/New_York]", "2026-12-01T14:00:00Z"),
        ("2026-10-25T02:30+01:00[Europe/Berlin]", "2026-10-25T01:30:00Z"),
        ("2026-12-01T09:00Z[Europe/Berlin]", "2026-12-01T09:00:00Z"),
    ] {
        let post = good(&with(&format!("publish_at: {written}")));
        assert_eq!(post.publish_at.expect("written").value, instant.parse().expect("instant"), "{written}");
    }
}

#[test]
fn text_keeps_its_letters() {
    for (written, read) in [
        ("no", "no"),
        ("off", "off"),
        ("true", "true"),
        ("1e3", "1e3"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2026-12-01", "2026-12-01"),
        ("12:30:45", "12:30:45"),
        (".inf", ".inf"),
        ("=", "="),
        ("'null'", "null"),
        ("\"\"", ""),
        ("\"\\ud83c\\udf89\"", "🎉"),
        ("'it''s'", "it's"),
        ("|\n  a\n   b\n", "a\n b\n"),
        ("|-\n  #tag\n", "#tag"),
        (">\n  a\n  b\n", "a b\n"),
        ("a\n  b", "a b"),
    ] {
        let post = good(&format!("id: a\nto: {{b: }}\ntext: {written}\n"));
        assert_eq!(post.text.expect("written").value, read, "{written}");
    }
}

#[test]
fn line_ends_and_byte_order_marks_make_no_difference() {
    let unix = "id: é\nto: {b: }\ntext: |\n  a\n  b\nx: 1\n";
    let (_, expected) = read(unix.as_bytes());
    let (_, windows) = read(unix.replace('\n', "\r\n").as_bytes());
    let (_, marked) = read(format!("\u{feff}{unix}").as_bytes());
    assert_eq!(places(&expected), [("invalid-value", 1, 5), ("unknown-key", 6, 1)]);
    assert_eq!((places(&windows), places(&marked)), (places(&expected), places(&expected)));
    assert_eq!(marked[1].span.expect("span").start, expected[1].span.expect("span").start + 3);
    let post = good(&"id: a\nto: {b: }\ntext: |\n  a\n  b\n".replace('\n', "\r\n"));
    assert_eq!(post.text.expect("written").value, "a\nb\n");
}

#[test]
fn spans_are_exact() {
    let text = "id: läunch # ü\ntext: 'ü'\nto:\n  b:\n    allow: [x, y]\n    cover: 3\n";
    let report = Report::new("a.yaml");
    let node = parse(text.as_bytes(), &report).expect("good");
    let letters = |node: &Node| &text[node.span.start..node.span.end];
    assert_eq!(letters(node.get("id").expect("id")), "läunch");
    assert_eq!(letters(node.get("text").expect("text")), "'ü'");
    let options = node.get("to").and_then(|to| to.get("b")).expect("b");
    assert_eq!(letters(options), "allow: [x, y]\n    cover: 3");
    assert_eq!(letters(options.get("allow").expect("allow")), "[x, y]");
    let span = options.span;
    assert_eq!((span.line, span.column, span.end_line, span.end_column), (5, 5, 6, 13));
}

#[test]
fn a_whole_post_is_read() {
    let post = good(
        "id: launch-2026\npublish_at: 2026-12-01T09:00\ntext: t\nmedia:\n  - file: a.mp4\n    alt: A\n  - url: https://m.example/b.jpg\n\
         to:\n  brand-tiktok:\n    privacy: self_only\n    text: no\n  other:\nrevision: 3\n",
    );
    assert_eq!(
        (post.id.value.as_str(), post.revision, post.state),
        ("launch-2026", 3, DesiredState::Present)
    );
    assert_eq!(post.media.len(), 2);
    assert_eq!(post.targets[0].text(&post).expect("text").value, "no");
    assert!(
        post.targets[0].options.get("text").is_none() && post.targets[0].options.get("privacy").is_some()
    );
    assert_eq!(post.targets[1].text(&post).expect("text").value, "t");
    assert_eq!(post.targets[1].options.value, node::Value::Mapping(vec![]));
}

#[test]
fn what_is_not_to_be_published_needs_neither_text_nor_media() {
    assert_eq!(good("id: a\nstate: deleted\nto: {b: }\n").state, DesiredState::Deleted);
    assert_eq!(good("id: a\nstate: adopted\nto: {b: }\n").state, DesiredState::Adopted);
}

#[test]
fn the_id_of_a_bad_manifest_is_known() {
    let report = Report::new("content/a.yaml");
    let node = parse(b"id: a\ntext: [t]\n", &report).expect("a tree");
    let decoded = post(&node, &TimeZone::UTC, &report);
    assert_eq!((decoded.id.map(|id| id.value.to_string()), decoded.post), (Some("a".to_owned()), None));
}

fn read_project(text: &str) -> (Option<Project>, Vec<Diagnostic>) {
    let report = Report::new("content/gitcast.yaml");
    let project = parse(text.as_bytes(), &report).and_then(|node| project(&node, &report));
    (project, report.into_diagnostics())
}

const PROJECT: &str = "version: 1
lineage: 0198-abc
timezone: Europe/Berlin
accounts:
  brand-tiktok:
    platform: tiktok
    audited: true
    mode: direct
    endpoint: http://127.0.0.1:4010/
    client_key_env: BRAND_CLIENT_KEY
  no:
    platform: tiktok
media_base_url: https://media.example.com
policy:
  late: { grace: 90s, then: skip }
  max_age: 2w
  max_new_posts: 3
";

#[test]
fn a_whole_project_is_read() {
    let (project, diagnostics) = read_project(PROJECT);
    assert_eq!(diagnostics, []);
    let project = project.expect("good");
    assert_eq!(project.timezone, berlin());
    assert_eq!(project.lineage.as_deref(), Some("0198-abc"));
    let [brand, no] = &project.accounts[..] else { panic!("two accounts") };
    assert_eq!((brand.is_audited(), brand.mode.value), (Some(true), Mode::Direct));
    assert_eq!(brand.endpoint.as_ref().expect("written").value, "http://127.0.0.1:4010");
    assert_eq!((no.name.value.as_str(), no.is_audited(), no.mode.value), ("no", Some(false), Mode::Draft));
    assert_eq!(project.media_base_url.expect("written").value, "https://media.example.com/");
    let policy = project.policy;
    assert_eq!((policy.late_grace.as_secs(), policy.late_then), (90, Late::Skip));
    assert_eq!((policy.max_age.as_secs(), policy.max_new_posts), (14 * 86_400, 3));
}

#[test]
fn an_account_has_its_own_quiet_hours_or_those_of_the_policy() {
    let policy = "  max_new_posts: 3\n  quiet_hours: { from: 22:00, to: 7:00 }\n";
    let text = PROJECT.replace("  max_new_posts: 3\n", policy);
    for (own, expected) in [
        ("", Some("22:00 to 07:00 Europe/Berlin")),
        ("    quiet_hours: none\n", None),
        (
            "    quiet_hours: { from: 12:00, to: 13:30, timezone: Asia/Tokyo }\n",
            Some("12:00 to 13:30 Asia/Tokyo"),
        ),
    ] {
        let (project, diagnostics) =
            read_project(&text.replace("    mode: direct\n", &format!("    mode: direct\n{own}")));
        assert_eq!(diagnostics, []);
        let found = project.expect("good").accounts[0].quiet.as_ref().map(ToString::to_string);
        assert_eq!(found.as_deref(), expected);
    }
}

#[test]
fn bad_projects_are_reported_where_they_are_bad() {
    let cases: &[(&str, &str, Expected)] = &[
        ("version: 1", "version: 2", &[("invalid-value", 1, 10)]),
        ("version: 1", "version: one", &[("invalid-type", 1, 10)]),
        ("version: 1\n", "", &[("missing-key", 1, 1)]),
        ("lineage: 0198-abc", "lineage: ../x", &[("invalid-value", 2, 10)]),
        ("Europe/Berlin", "Europe/Brelin", &[("invalid-value", 3, 11)]),
        ("accounts:\n", "acounts:\n", &[("missing-key", 1, 1), ("unknown-key", 4, 1)]),
        ("platform: tiktok", "platform: tictoc", &[("invalid-value", 6, 15), ("invalid-value", 12, 15)]),
        ("    platform: tiktok\n    audited: true", "    audited: true", &[("missing-key", 5, 3)]),
        ("audited: true", "audited: yes", &[("invalid-type", 7, 14)]),
        ("audited: true", "audited: 'true'", &[("invalid-type", 7, 14)]),
        ("mode: direct", "mode: live", &[("invalid-value", 8, 11)]),
        ("4010/", "4010/v2", &[("invalid-url", 9, 15)]),
        ("http://127", "http://user@127", &[("invalid-url", 9, 15)]),
        ("BRAND_CLIENT_KEY", "brand-client-key", &[("invalid-value", 10, 21)]),
        ("BRAND_CLIENT_KEY", "AWS_SECRET_ACCESS_KEY", &[("invalid-value", 10, 21)]),
        ("client_key_env: BRAND", "client_secret_env: BRAND", &[("invalid-value", 10, 24)]),
        ("https://media", "http://media", &[("invalid-url", 13, 17)]),
        ("90s", "soon", &[("invalid-value", 15, 18)]),
        ("90s", "-2h", &[("invalid-value", 15, 18)]),
        ("90s", "2ü", &[("invalid-value", 15, 18)]),
        ("90s", "''", &[("invalid-value", 15, 18)]),
        ("2w", "99999999999999999w", &[("invalid-value", 16, 12)]),
        ("then: skip", "then: wait", &[("invalid-value", 15, 29)]),
        ("max_new_posts: 3", "max_new_posts: many", &[("invalid-type", 17, 18)]),
        ("max_new_posts: 3", "max_posts: 3", &[("unknown-key", 17, 3)]),
        ("max_new_posts: 3", "quiet_hours: none", &[("invalid-type", 17, 16)]),
        ("max_new_posts: 3", "quiet_hours: { from: 22:00 }", &[("missing-key", 17, 18)]),
        ("max_new_posts: 3", "quiet_hours: { from: 22:00, to: 24:00 }", &[("invalid-value", 17, 35)]),
        ("max_new_posts: 3", "quiet_hours: { from: 7, to: 8:00 }", &[("invalid-value", 17, 24)]),
        ("max_new_posts: 3", "quiet_hours: { from: 22:00, to: 22:00 }", &[("invalid-value", 17, 16)]),
        ("mode: direct", "quiet_hours: { from: +1:00, to: 2:00 }", &[("invalid-value", 8, 26)]),
        ("mode: direct", "quiet_hours: never", &[("invalid-type", 8, 18)]),
        ("mode: direct", "business_id: 'a b'", &[("invalid-value", 8, 18)]),
        ("mode: direct", "business_token_env: AWS_TOKEN", &[("invalid-value", 8, 25)]),
        ("  no:\n", "  brand-tiktok:\n", &[("duplicate-key", 11, 3)]),
        ("  no:\n", "  -no:\n", &[("invalid-value", 11, 3)]),
    ];
    for (from, to, expected) in cases {
        let (project, diagnostics) = read_project(&PROJECT.replace(from, to));
        assert_eq!(places(&diagnostics), *expected, "{from} -> {to}\n{diagnostics:#?}");
        assert!(project.is_none(), "{from} -> {to}");
    }
}

#[test]
fn unknown_platforms_and_accounts_list_the_known_ones() {
    let (_, diagnostics) = read_project(&PROJECT.replace("platform: tiktok", "platform: vine"));
    assert_eq!(diagnostics[0].help.as_deref(), Some("possible here: bluesky, mastodon, tiktok"));
    let project = read_project(PROJECT).0.expect("good");
    let post = good("id: a\ntext: t\nto:\n  no:\n  brand-tictok:\n");
    let diagnostics = check_accounts(&post, &project);
    assert_eq!(places(&diagnostics), [("unknown-account", 5, 3)]);
    assert_eq!(
        diagnostics[0].help.as_deref(),
        Some("did you mean `brand-tiktok`? possible here: brand-tiktok, no")
    );
}

/// A generator good enough to damage files with, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// What damage is made of.
const PIECES: &[&[u8]] = &[
    b"\t",
    b"\n",
    b"- ",
    b": ",
    b"? ",
    b"&a ",
    b"*a",
    b"!x ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"|",
    b">",
    b"#",
    b"%",
    b"---\n",
    b"\xff",
    b"\0",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"<<: ",
];

/// `whole` with a few of its bytes replaced.
fn damaged(whole: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + random.below(6)).min(bytes.len());
        bytes.splice(at..end, PIECES[random.below(PIECES.len())].iter().copied());
    }
    bytes
}

#[test]
fn damaged_manifests_never_panic_and_yield_a_post_or_an_error() {
    let whole = "id: launch\npublish_at: 2026-12-01T09:00[Europe/Berlin]\ntext: |\n  Grüße #a\nmedia:\n  - file: \"a.mp4\"\n    alt: 'x'\n\
                 to:\n  b: {allow: [comment], privacy: self_only}\n  c:\nstate: present\nrevision: 2\n";
    let mut random = Random(7);
    for _ in 0..5_000 {
        let bytes = damaged(whole, &mut random);
        let (post, diagnostics) = read(&bytes);
        assert_eq!(post.is_none(), diagnostics.iter().any(Diagnostic::is_error), "{}", bytes.escape_ascii());
        for span in diagnostics.iter().filter_map(|d| d.span) {
            assert!(span.start <= span.end && span.end <= bytes.len() && span.line > 0 && span.column > 0);
        }
        assert!(diagnostics.iter().all(|d| d.help.is_some()), "{diagnostics:#?}");
    }
}

#[test]
fn damaged_projects_never_panic_and_yield_a_project_or_an_error() {
    let mut random = Random(11);
    for _ in 0..5_000 {
        let bytes = damaged(PROJECT, &mut random);
        let report = Report::new("content/gitcast.yaml");
        let project = parse(&bytes, &report).and_then(|node| project(&node, &report));
        let diagnostics = report.into_diagnostics();
        assert_eq!(
            project.is_none(),
            diagnostics.iter().any(Diagnostic::is_error),
            "{}",
            bytes.escape_ascii()
        );
        assert!(diagnostics.iter().all(|d| d.help.is_some()), "{diagnostics:#?}");
    }
}

#[test]
fn a_bad_manifest_is_looked_at_further_only_where_nothing_would_be_made_up() {
    let suspect = |text: &str| {
        let report = Report::new("content/a.yaml");
        parse(text.as_bytes(), &report).and_then(|node| post(&node, &berlin(), &report).suspect).is_some()
    };
    assert!(suspect("id: a\nrevison: 2\nmedia: [{file: a}]\nto: {b: }\n"));
    assert!(suspect("id: a\ntext: [t]\nto: {b: }\n"));
    for text in [
        "id: a\ntext: t\nto: {b: }\n",
        "id: -a\ntext: t\nto: {b: }\n",
        "id: a\nto: {b: }\n",
        "id: a\nmedia: a.mp4\nto: {b: }\n",
        "id: a\nmedia: [{file: a}, {fil: b}]\nto: {b: }\n",
        "id: a\ntext: t\nstate: delted\nto: {b: }\n",
    ] {
        assert!(!suspect(text), "{text}");
    }
}

/// Files of a shape that parsers have been slow on. Each is read in a time that grows with its size alone: a quadratic
/// one would be noticed here by whoever waits.
#[test]
fn hostile_shapes_are_refused() {
    let n = 1 << 13;
    for text in [
        "a: 1\n".repeat(n),
        (0..n).map(|i| format!("k{i}: 1\n")).collect(),
        format!("a: [{}]", "x,".repeat(n)),
        format!("a: {{{}}}", "x,".repeat(n)),
        format!("a: {{{}}}", "? x : y,".repeat(n)),
        format!("to: {{{}}}", (0..n).map(|i| format!("k{i}: ,")).collect::<String>()),
        "- ".repeat(n),
        "? ".repeat(n),
        ": ".repeat(n),
        "[]".repeat(n),
        "!".repeat(n),
        "'".repeat(n),
        "\n".repeat(n),
        "\u{feff}".repeat(n),
        "---\n".repeat(n),
        format!("a: {}", "x\n ".repeat(n)),
        format!("b: &a x\na: [{}]", "*a,".repeat(n)),
        format!("a: [{}]", "!t x,".repeat(n)),
    ] {
        let (post, diagnostics) = read(text.as_bytes());
        assert!(post.is_none() && (1..=report::DIAGNOSTICS_MAX).contains(&diagnostics.len()), "{:.20}", text);
    }
}
