use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::comparison::{Difference, Kind};
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::limits::Counts;
use crate::domain::manifest::DesiredState;
use crate::domain::media::{Container, FileStamp, Medium, Probe, Video, VideoCodec};
use crate::domain::payload::{Chunks, Estimate, Payload};
use crate::domain::plan::Desired;
use crate::domain::span::Span;

/// In every hostile text, so that a test sees whether any of it got out of the code that it stands in.
const CANARY: &str = "zzz";

struct Given {
    plan: Plan,
    loaded: Loaded,
}

impl Given {
    fn new() -> Given {
        let loaded = Loaded {
            project: None,
            manifests: 1,
            desired: Vec::new(),
            diagnostics: Vec::new(),
            resolutions: Vec::new(),
            doubtful: Vec::new(),
            broken: BTreeSet::new(),
            broken_paths: Vec::new(),
            complete: true,
            platforms: BTreeMap::new(),
            caps: BTreeMap::new(),
        };
        Given { plan: Plan { changes: Vec::new() }, loaded }
    }

    /// A post that says `text` wherever somebody else's words can stand.
    fn post(mut self, action: Action, text: &str) -> Given {
        let post = format!("post-{}", self.plan.changes.len()).parse().expect("an id");
        let account: crate::domain::ids::AccountName = "brand".parse().expect("a name");
        let estimate = Estimate {
            requests: 7,
            bytes: 25_000_000,
            chunks: Some(Chunks { size: 10_000_000, count: 2, last: 15_000_000 }),
        };
        let video = Video {
            container: Container::Mp4,
            codec: VideoCodec::H264,
            width: 720,
            height: 1280,
            rotation: 0,
            duration_ms: Some(3_040),
            frames_per_1000_s: None,
            audio: None,
            moov_at_front: None,
        };
        let file = Medium::File {
            path: format!("{text}.mp4"),
            size: 25_000_000,
            digest: ContentDigest::of(b"a"),
            stamp: FileStamp::new(25_000_000, (0, 0), (0, 0), 0, 0),
            probe: Probe::Video(video),
            url: None,
        };
        let payload = Payload {
            platform: PlatformId::Tiktok,
            body: Value::Null.into(),
            media: vec![file, Medium::Url { url: text.to_owned() }],
            what: format!("video {text}"),
            text: Some(text.to_owned()),
            counts: Counts::Posts,
            estimate: estimate.clone(),
            fixed: None,
        };
        let digest = payload.digest();
        self.plan.changes.push(Planned {
            post,
            account: account.clone(),
            platform: PlatformId::Tiktok,
            action,
            reason: "cap".into(),
            message: format!("five in a day: {text}"),
            digest,
            revision: 1,
            path: format!("content/{text}.yaml"),
            next_at: (action == Action::Wait).then_some(Timestamp::UNIX_EPOCH),
            what: Some(payload.what.clone()),
            text: payload.text.clone(),
            estimate: Some(estimate),
        });
        self.loaded.desired.push(Desired {
            post: self.plan.changes.last().expect("pushed").post.clone(),
            account,
            platform: PlatformId::Tiktok,
            path: String::new(),
            state: DesiredState::Present,
            revision: 1,
            publish_at: None,
            quiet: None,
            digest,
            payload: Some(payload),
            can_delete: false,
        });
        self
    }

    fn problem(mut self, text: &str) -> Given {
        let span = Span { line: 3, column: 7, ..Span::default() };
        let found =
            Diagnostic::error("bad", &format!("content/{text}.yaml"), span, format!("unknown key {text}"));
        self.loaded.diagnostics.push(found.help(format!("possible here: {text}")));
        self
    }

    fn text(&self) -> String {
        let (plan, loaded) = (&self.plan, &self.loaded);
        super::plan(&Source { plan, loaded, decisions: &[], logins: &[], apply: "gitcast apply" })
    }

    /// The same as what somebody proposes, each post in a way of its own.
    fn proposed(&self) -> String {
        let kinds = [Kind::New, Kind::Changed, Kind::Broken, Kind::Tombstoned, Kind::Renamed];
        let differences: Vec<Difference> = self
            .plan
            .changes
            .iter()
            .zip(kinds.iter().cycle())
            .map(|(c, kind)| Difference {
                post: c.post.clone(),
                account: c.account.clone(),
                platform: c.platform,
                change: *kind,
                fields: if *kind == Kind::Changed { vec![c.message.clone()] } else { vec![] },
                action: c.action,
                reason: c.reason.to_string(),
                message: c.message.clone(),
                path: c.path.clone(),
                path_before: (*kind == Kind::Renamed).then(|| c.path.clone()),
                next_at: c.next_at,
                what: c.what.clone(),
            })
            .collect();
        let (new, known) = self.loaded.diagnostics.split_at(self.loaded.diagnostics.len().min(1));
        super::proposal(&Proposal {
            differences: &differences,
            plan: &self.plan,
            loaded: &self.loaded,
            new,
            known,
            commits: ("0123456789ab", "ba9876543210"),
            totals: "5 different",
        })
    }
}

/// A reader of Markdown, as far as this page needs one: what stands in fences, and what is left of the lines outside of
/// them once code spans and our own tags are taken away.
fn read(markdown: &str) -> (Vec<String>, String) {
    let (mut fences, mut outside, mut open): (Vec<String>, _, Option<usize>) =
        (Vec::new(), String::new(), None);
    for line in markdown.lines() {
        let marks = line.trim_start_matches(' ');
        let indent = line.len() - marks.len();
        let ticks = marks.len() - marks.trim_start_matches('`').len();
        let rest = &marks[ticks..];
        let is_mark = indent <= 3 && ticks >= 3;
        match open {
            Some(length) if is_mark && ticks >= length && rest.trim().is_empty() => open = None,
            Some(_) => {
                let fence = fences.last_mut().expect("one is open");
                *fence += line;
                fence.push('\n');
            }
            None if is_mark && !rest.contains('`') => {
                assert_eq!(rest, "text", "{line}");
                assert!(ticks <= 255, "longer than it is counted");
                open = Some(ticks);
                fences.push(String::new());
            }
            None => {
                if line.starts_with('|') {
                    // Of a plan, of a proposal.
                    assert!([7, 8].contains(&cells(line)), "{line}");
                }
                outside += &without_spans(&line.replace("\\|", "¦"));
                outside.push('\n');
            }
        }
    }
    assert_eq!(open, None, "a fence that nothing closes");
    for tag in [MARKER, "<details><summary>", "</summary>", "</details>", "<code>", "</code>"] {
        outside = outside.replace(tag, "");
    }
    (fences, outside)
}

/// As GitHub splits a row: at each bar without a backslash before it.
fn cells(row: &str) -> usize {
    row.replace("\\|", "").split('|').count()
}

fn without_spans(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(start) = rest.find('`') {
        out += &rest[..start];
        let after = rest[start..].trim_start_matches('`');
        let length = rest.len() - start - after.len();
        assert!(length <= 80, "a longer mark is none: {line}");
        let mut at = after;
        rest = loop {
            let next = at.find('`').unwrap_or_else(|| panic!("a code span that nothing closes: {line}"));
            let behind = at[next..].trim_start_matches('`');
            if at.len() - next - behind.len() == length {
                break behind;
            }
            at = behind;
        };
    }
    out + rest
}

#[track_caller]
fn assert_harmless(markdown: &str) {
    let (_, outside) = read(markdown);
    for sign in ["@", "<", ">", "&", "://", "www.", "!", "[", "]", "$", "\\", "*_", "GH-", CANARY] {
        assert!(!outside.contains(sign), "{sign:?} in {outside}\nof {markdown}");
    }
    let hash = |line: &&str| line.trim_start_matches('#').contains('#');
    assert_eq!(outside.lines().find(hash), None, "{markdown}");
    assert!(markdown.starts_with(&format!("{MARKER}\n## gitcast: ")), "{markdown}");
    assert!(page::units(markdown) <= UNITS_MAX, "{}", page::units(markdown));
}

#[test]
fn a_plan_reads_well() {
    let given = Given::new().post(Action::Publish, "Hello").post(Action::Wait, "Later").problem("x");
    insta::assert_snapshot!(given.text(), @r"
    <!-- gitcast -->
    ## gitcast: 1 to publish, 1 waiting

    Content: 1 error.

    ### To publish

    | post | account | what | why | when |
    | --- | --- | --- | --- | --- |
    | `post-0` | `brand` (tiktok) | `video Hello` | `cap` `five in a day: Hello` |  |

    ### Waiting

    | post | account | what | why | when |
    | --- | --- | --- | --- | --- |
    | `post-1` | `brand` (tiktok) | `video Later` | `cap` `five in a day: Later` | 1970-01-01 00:00 UTC |

    ### Problems

    - **error** `content/x.yaml:3:7` `bad`: `unknown key x`; help: `possible here: x`

    ### Posts

    `post-0` on `brand`

    ```text
    Hello
    ```

    - manifest: `content/Hello.yaml`
    - `Hello.mp4`: MP4, 720 × 1280, 3.0 s, 25 MB
    - `Hello`
    - to send: 25 MB, 2 chunks of 10 MB, the last 15 MB, 7 requests

    `post-1` on `brand`

    ```text
    Later
    ```

    - manifest: `content/Later.yaml`
    - `Later.mp4`: MP4, 720 × 1280, 3.0 s, 25 MB
    - `Later`
    - to send: 25 MB, 2 chunks of 10 MB, the last 15 MB, 7 requests


    Digest of this plan: `sha256:e05ff229b8363db8ac273281858a67971c4c5ad4f68d074d02f9f99d124abef2`. To carry out this one and no other:

    ```text
    gitcast apply --expect sha256:e05ff229b8363db8ac273281858a67971c4c5ad4f68d074d02f9f99d124abef2
    ```
    ");
}

#[test]
fn what_others_wrote_stays_in_code() {
    for hostile in [
        "@everyone @org/team",
        "#1 GH-1 owner/repo#1 5d41402abc4b2a76b9719d911017c592aabbccdd a@5d41402abc",
        "https://evil.example www.evil.example a@evil.example",
        "![x](https://evil.example/pixel.png) <img src=https://evil.example> <!-- -->",
        "$x$ $$\n\\text{x}\n$$ $`x`$",
        ":tada: &#64;everyone &lt;b&gt;",
        "``` \n@everyone\n```\n~~~\n```text",
        "</details></summary><script>",
        "| a | b |\n| --- | --- |\n\\| c",
        "\n\n# heading\n\n---\n\n- list\n> quote",
        "`@everyone` ``@everyone``",
        "<!-- gitcast -->",
        "/close\n/assign @somebody",
        "\u{202e}@everyone\u{0}\r\n```\r@everyone",
    ] {
        let text = format!("{hostile} {CANARY} {hostile}");
        let given = Given::new().post(Action::Publish, &text).post(Action::Hold, &text).problem(&text);
        assert_harmless(&given.text());
        assert_harmless(&check(&given.loaded));
        assert_harmless(&(0..4).fold(given, |given, _| given.post(Action::Publish, &text)).proposed());
    }
}

#[test]
fn a_proposal_reads_well() {
    let given =
        (0..5).fold(Given::new().problem("x").problem("y"), |given, _| given.post(Action::Publish, "Hello"));
    insta::assert_snapshot!(given.proposed(), @r"
    <!-- gitcast -->
    ## gitcast: 5 different

    Content: 2 errors.

    ### New

    | post | account | what | why | when | manifest |
    | --- | --- | --- | --- | --- | --- |
    | `post-0` | `brand` (tiktok) | `video Hello` | `cap` `five in a day: Hello` |  | `content/Hello.yaml` |

    ### Changed

    | post | account | what | why | when | manifest |
    | --- | --- | --- | --- | --- | --- |
    | `post-1` | `brand` (tiktok) | `five in a day: Hello` | `cap` `five in a day: Hello` |  | `content/Hello.yaml` |

    ### Broken

    | post | account | what | why | when | manifest |
    | --- | --- | --- | --- | --- | --- |
    | `post-2` | `brand` (tiktok) | `video Hello` | `cap` `five in a day: Hello` |  | `content/Hello.yaml` |

    ### To be deleted

    | post | account | what | why | when | manifest |
    | --- | --- | --- | --- | --- | --- |
    | `post-3` | `brand` (tiktok) | `video Hello` | `cap` `five in a day: Hello` |  | `content/Hello.yaml` |

    ### Renamed: no effect

    | post | account | what | why | when | manifest |
    | --- | --- | --- | --- | --- | --- |
    | `post-4` | `brand` (tiktok) | `video Hello` | `cap` `five in a day: Hello` |  | `content/Hello.yaml`, before `content/Hello.yaml` |

    ### Problems that are new

    - **error** `content/x.yaml:3:7` `bad`: `unknown key x`; help: `possible here: x`

    ### Problems that were there before

    - **error** `content/y.yaml:3:7` `bad`: `unknown key y`; help: `possible here: y`

    ### Posts

    `post-0` on `brand`

    ```text
    Hello
    ```

    - manifest: `content/Hello.yaml`
    - `Hello.mp4`: MP4, 720 × 1280, 3.0 s, 25 MB
    - `Hello`
    - to send: 25 MB, 2 chunks of 10 MB, the last 15 MB, 7 requests

    `post-1` on `brand`

    ```text
    Hello
    ```

    - manifest: `content/Hello.yaml`
    - `Hello.mp4`: MP4, 720 × 1280, 3.0 s, 25 MB
    - `Hello`
    - to send: 25 MB, 2 chunks of 10 MB, the last 15 MB, 7 requests


    Compared: `0123456789ab` with `ba9876543210`, without a ledger: what the base has and is due counts as published.
    ");
}

#[test]
fn a_long_text_is_folded_and_cut_between_characters() {
    let given = Given::new().post(Action::Publish, &"🎉".repeat(9_000));
    let text = given.text();
    assert!(text.contains("<details>") && text.contains("… and 1000 more characters."), "{text}");
    assert_eq!(read(&text).0[0].trim_end(), "🎉".repeat(8_000));
}

#[test]
fn what_does_not_fit_is_counted() {
    let long = format!("{}\n", "ü`\\|".repeat(100)).repeat(9);
    let given = (0..500).fold(Given::new(), |given, _| given.post(Action::Publish, &long).problem(&long));
    let text = given.text();
    let (_, outside) = read(&text);
    let left_out = outside.lines().find(|line| line.starts_with("Left out")).expect("told");
    let shown = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    let told: Vec<usize> = left_out.split([' ', '.', ',']).filter_map(|word| word.parse().ok()).collect();
    let there = [shown("| `post-"), shown("- **error**"), shown("<details>")];
    assert!(there.iter().all(|&n| n > 2), "{there:?}");
    assert_eq!(told, there.map(|n| 500 - n), "{left_out}");
    assert!(page::units(&text) <= UNITS_MAX && page::units(&text) > UNITS_MAX * 9 / 10);
    let digest = given.plan.digest();
    assert!(text.ends_with(&format!("```text\ngitcast apply --expect {digest}\n```\n")), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_text_no_fence_ends_early_and_nothing_gets_out(
        tokens in prop::collection::vec(
            prop_oneof![
                "`{1,100}", "~{3,9}", "\n{1,3}", " {1,8}", "\\PC{0,20}", "[@#$!<>|\\\\&:/\\[\\]()*_-]{1,6}",
                Just("\t".to_owned()), Just("\r".to_owned()), Just("\n```\n".to_owned()), Just("\\|".to_owned()),
                Just("`".repeat(300)), Just("\u{2028}".to_owned()), Just(CANARY.to_owned()),
            ],
            0..60,
        ),
        posts in 1..40_usize,
    ) {
        let text = tokens.concat();
        let given = (0..posts).fold(Given::new().problem(&text), |given, _| given.post(Action::Publish, &text));
        let markdown = given.text();
        assert_harmless(&markdown);
        let last = read(&markdown).0.pop().expect("the command");
        prop_assert_eq!(last, format!("gitcast apply --expect {}\n", given.plan.digest()));
        let (fences, _) = read(&markdown);
        let lines = super::super::text::terminal(text.trim_end_matches('\n')).lines().count();
        for fence in &fences[..fences.len() - 1] {
            prop_assert_eq!(fence.lines().count(), lines.max(1), "a fence ended early: {}", &markdown);
        }
    }
}
