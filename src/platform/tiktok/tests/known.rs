//! What is known of the account warns, and changes nothing.

use super::support::{account, file, image, prepare, video};
use crate::domain::capability::{Knowledge, decode};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::AccountName;
use crate::domain::manifest::parse::parse;
use crate::domain::manifest::report::Report;
use crate::domain::media::{Medium, Probe, Video};
use crate::domain::project::Account;
use crate::domain::project::Mode::{self, Direct, Draft};

const LOCK: &str = "content/accounts.lock.yaml";

/// What the file says, each line of it from line 5 on.
fn knowing(account: Account, lines: &[&str]) -> Account {
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    let text = format!("version: 1\naccounts:\n  brand:\n    read_on: 2026-11-26\n{lines}");
    let report = Report::new(LOCK);
    let node = parse(text.as_bytes(), &report).expect("a tree");
    let mut file = decode::read(&node, &report).unwrap_or_else(|| panic!("{:?}", report.into_diagnostics()));
    let brand: AccountName = "brand".parse().expect("a name");
    let known = file.accounts.remove(&brand).expect("the account");
    Account { known: Knowledge::Facts(Box::new(known)), ..account }
}

/// The account's name stands in line 5, the options from line 6 on.
fn yaml(options: &[&str]) -> String {
    let options: String = options.iter().map(|line| format!("    {line}\n")).collect();
    let options = if options.is_empty() { "    {}\n".to_owned() } else { options };
    format!("id: p\nmedia:\n  - file: a.mp4\nto:\n  brand:\n{options}text: Hello\n")
}

fn a_video(seconds: u64) -> Medium {
    let video = Video { duration_ms: Some(seconds * 1_000), ..video() };
    file(Probe::Video(video), 1_000, Some("https://other.example/a.mp4"))
}

fn a_photo(url: &str) -> Medium {
    file(Probe::Image(image()), 1_000, Some(url))
}

/// Mode, what is known, options, the medium, what is warned of: code, its line, and the line in the file of facts.
type Case<'a> = (Mode, &'a [&'a str], &'a [&'a str], Medium, &'a [(&'a str, u32, u32)]);

#[test]
fn what_would_be_refused_is_warned_of_where_it_stands() {
    let public = &["privacy: public"][..];
    let scopes = &["scopes: [user.info.basic, video.publish]"][..];
    let below = &["media_prefixes: [https://m.example/x/]"][..];
    let table: &[Case<'_>] = &[
        (Direct, &[], public, a_video(10), &[]),
        (Direct, &["privacy: [public, self_only]"], public, a_video(10), &[]),
        (Direct, &["privacy: [self_only]"], public, a_video(10), &[("account-privacy-not-offered", 6, 5)]),
        (Direct, &["privacy: []"], public, a_video(10), &[("account-privacy-not-offered", 6, 5)]),
        (Draft, &["privacy: [self_only]"], &[], a_video(10), &[]),
        (
            Direct,
            &["disabled: [duet, stitch]"],
            &["privacy: public", "allow: [comment, duet]"],
            a_video(10),
            &[("account-allow-disabled", 7, 5)],
        ),
        (Direct, &["disabled: []"], &["privacy: public", "allow: [duet]"], a_video(10), &[]),
        (Direct, &["video_seconds_max: 60"], public, a_video(60), &[]),
        (Direct, &["video_seconds_max: 60"], public, a_video(61), &[("account-video-too-long", 3, 5)]),
        (Draft, &["video_seconds_max: 60"], &[], a_video(61), &[("account-video-too-long", 3, 5)]),
        (Direct, scopes, public, a_video(10), &[]),
        (Draft, scopes, &[], a_video(10), &[("account-scope-missing", 5, 5)]),
        (Draft, &["scopes: []"], &[], a_video(10), &[("account-scope-missing", 5, 5)]),
        (Draft, below, &[], a_photo("https://m.example/x/1.jpg"), &[]),
        (Draft, below, &[], a_photo("https://m.example/y/1.jpg"), &[("account-media-unverified", 3, 5)]),
        (
            Draft,
            below,
            &[],
            Medium::Url { url: "https://n.example/1.mp4".into() },
            &[("account-media-unverified", 3, 5)],
        ),
        // Its bytes are sent: where it is served does not matter.
        (Draft, below, &[], a_video(10), &[]),
        (
            Direct,
            &["privacy: [self_only]", "disabled: [comment]", "video_seconds_max: 5", "scopes: []"],
            &["privacy: friends", "allow: [comment]"],
            a_video(10),
            &[
                ("account-video-too-long", 3, 7),
                ("account-scope-missing", 5, 8),
                ("account-privacy-not-offered", 6, 5),
                ("account-allow-disabled", 7, 6),
            ],
        ),
    ];
    for (mode, known, options, medium, expected) in table {
        let plain = prepare(account(*mode, true, None), &yaml(options), std::slice::from_ref(medium));
        let account = knowing(account(*mode, true, None), known);
        let prepared = prepare(account, &yaml(options), std::slice::from_ref(medium));
        let place = |d: &Diagnostic| {
            assert!(!d.is_error() && d.path == "content/a.yaml" && d.related.len() == 1, "{d:?}");
            assert!(d.message.ends_with("(read on 2026-11-26)"), "{}", d.message);
            assert!(d.help.as_ref().is_some_and(|help| help.contains("`gitcast auth status --write`")));
            assert_eq!(d.related[0].path, LOCK);
            (d.code.clone(), d.span.map_or(0, |s| s.line), d.related[0].span.line)
        };
        let found: Vec<_> = prepared.diagnostics.iter().map(place).collect();
        let expected: Vec<_> =
            expected.iter().map(|(c, line, known)| ((*c).to_owned(), *line, *known)).collect();
        assert_eq!(found, expected, "{mode:?} {known:?} {options:?}");
        let (plain, prepared) = (plain.payload.expect("a payload"), prepared.payload.expect("a payload"));
        assert_eq!((plain.digest(), &plain), (prepared.digest(), &prepared), "it changes nothing");
    }
}

#[test]
fn the_audit_counts_from_gitcast_yaml_then_from_what_is_known() {
    let unwritten = || Account { audited: None, ..account(Direct, false, None) };
    let unreadable = || Account { known: Knowledge::Unreadable, ..unwritten() };
    let codes = |account: Account, privacy: &str| {
        let prepared = prepare(account, &yaml(&[privacy]), &[a_video(10)]);
        prepared.diagnostics.into_iter().map(|d| (d.code, d.span.map_or(0, |s| s.line))).collect::<Vec<_>>()
    };
    let none: [(String, u32); 0] = [];
    let self_only = [("unaudited-self-only".to_owned(), 6)];
    assert_eq!(codes(unwritten(), "privacy: public"), self_only);
    assert_eq!(codes(knowing(unwritten(), &["audited: true"]), "privacy: public"), none);
    assert_eq!(codes(knowing(unwritten(), &["audited: false"]), "privacy: public"), self_only);
    assert_eq!(codes(knowing(account(Direct, true, None), &["audited: false"]), "privacy: public"), none);
    assert_eq!(
        codes(knowing(account(Direct, false, None), &["audited: true"]), "privacy: public"),
        self_only
    );
    // It cannot be taken back, so it is not guessed.
    assert_eq!(codes(unreadable(), "privacy: public"), [("audit-unknown".to_owned(), 6)]);
    assert_eq!(codes(unreadable(), "privacy: self_only"), none);
    // What goes out is what has to be offered.
    let offered = ["audited: false", "privacy: [self_only]"];
    assert_eq!(codes(knowing(unwritten(), &offered), "privacy: public"), self_only);
}
