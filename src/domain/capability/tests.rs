//! What is written is read back, what is bad is named at its place, and what it comes to for a project.

use proptest::collection::btree_set;
use proptest::prelude::*;
use proptest::{option, sample};

use super::*;
use crate::domain::manifest::parse::parse;
use crate::domain::manifest::report::Report;
use crate::domain::project;

const PATH: &str = "content/accounts.lock.yaml";

fn read(text: &str) -> (Option<AccountsFile>, Vec<Diagnostic>) {
    let report = Report::new(PATH);
    let file = parse(text.as_bytes(), &report).and_then(|node| decode::read(&node, &report));
    (file, report.into_diagnostics())
}

fn good(text: &str) -> AccountsFile {
    let (file, found) = read(text);
    file.unwrap_or_else(|| panic!("{found:?}\n{text}"))
}

fn facts(file: AccountsFile) -> BTreeMap<AccountName, Capabilities> {
    file.accounts.into_iter().map(|(name, known)| (name, known.facts)).collect()
}

fn name(text: &str) -> AccountName {
    text.parse().expect("a name")
}

fn whole() -> Capabilities {
    Capabilities {
        read_on: Some("2026-11-26".parse().expect("a day")),
        username: Some("brand".into()),
        nickname: Some("Brand “Ünï” \\ \"x\": #1 🎉\u{202e}".into()),
        scopes: Some(["video.upload", "https://example.com/auth/x:y"].map(str::to_owned).into()),
        privacy: Some([Privacy::SelfOnly, Privacy::Public].into()),
        disabled: Some(BTreeSet::new()),
        video_seconds_max: Some(600),
        server: Some(ServerFacts {
            software: Some("mastodon".into()),
            version: Some("4.3.2+glitch".into()),
            text_chars_max: Some(500),
            media_types: Some(["image/png", "image/svg+xml"].map(str::to_owned).into()),
            poll_seconds_max: Some(2_629_746),
            ..ServerFacts::default()
        }),
        audited: Some(false),
        media_prefixes: ["https://media.example.com/".to_owned()].into(),
    }
}

#[test]
fn the_file_has_one_line_for_each_fact() {
    let accounts = [(name("brand"), whole()), (name("empty"), Capabilities::default())];
    insta::assert_snapshot!(write(&accounts.into()), @r#"
    # What platforms say about this project's accounts. It holds no secret: commit it.
    # Written by `gitcast auth status --write` and `gitcast auth audit`; `validate` and `plan` read it, offline.
    # Addresses that you have verified with a platform belong under `media_prefixes`: they are kept.
    version: 1
    accounts:
      brand:
        read_on: 2026-11-26
        username: "brand"
        nickname: "Brand “Ünï” \\ \"x\": #1 🎉\U0000202E"
        audited: false
        video_seconds_max: 600
        privacy:
          - public
          - self_only
        disabled: []
        scopes:
          - "https://example.com/auth/x:y"
          - video.upload
        media_prefixes:
          - https://media.example.com/
        server:
          software: "mastodon"
          version: "4.3.2+glitch"
          text_chars_max: 500
          poll_seconds_max: 2629746
          media_types:
            - image/png
            - "image/svg+xml"
    "#);
    assert_eq!(facts(good(&write(&BTreeMap::new()))), BTreeMap::new());
}

fn any_name() -> impl Strategy<Value = AccountName> {
    let hard = sample::select(vec!["null", "true", "1e3", "017", "a.b-c_d", "0x1F", "2026-11-26", "no"]);
    let text = prop_oneof![hard.prop_map(str::to_owned), "[A-Za-z0-9][A-Za-z0-9_-]{0,20}"];
    text.prop_map(|text| text.parse().expect("a name"))
}

fn any_person() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[-:#&*!|>'\"%@`{}\\[\\],? ~\\\\\u{200d}\u{85}\u{2028}\u{feff}a]{1,20}"]
        .prop_map(|text| text.chars().filter(|c| !c.is_control()).take(decode::NAME_CHARS_MAX).collect())
        .prop_filter("a name", |text: &String| !text.is_empty())
}

fn any_facts() -> impl Strategy<Value = Capabilities> {
    let scope = prop_oneof![Just("null".to_owned()), "[!-~]{1,40}"];
    let prefix = prop_oneof![
        "https://[a-z]{1,5}\\.example(:[1-9][0-9]{3})?/([a-z%~:@!$&'()*+,;=-]{1,9}/){0,2}",
        Just("http://127.0.0.1:4010/content/".to_owned()),
    ];
    let server = (
        (option::of(any_person()), option::of(any_person())),
        option::of(btree_set("[a-z]{1,6}/[a-z0-9.+_-]{1,9}", 0..4)),
        proptest::array::uniform10(option::of(1..=server::NUMBER_MAX)),
    );
    let server =
        server.prop_map(|((software, version), media_types, [a, b, c, d, e, f, g, h, i, j])| ServerFacts {
            software,
            version,
            text_chars_max: a,
            link_chars: b,
            media_max: c,
            media_types,
            image_bytes_max: d,
            video_bytes_max: e,
            alt_chars_max: f,
            poll_options_max: g,
            poll_option_chars_max: h,
            poll_seconds_min: i,
            poll_seconds_max: j,
        });
    let read = (
        (0..40_000_i64).prop_map(|day| Date::constant(1970, 1, 1).saturating_add(day.days())),
        (option::of(any_person()), option::of(any_person())),
        option::of(btree_set(scope, 0..5)),
        option::of(btree_set(sample::select(Privacy::ALL.to_vec()), 0..5)),
        option::of(btree_set(sample::select(Allow::ALL.to_vec()), 0..4)),
        (option::of(1..=decode::VIDEO_SECONDS_MAX), option::of(server)),
    );
    (option::of(read), any::<Option<bool>>(), btree_set(prefix, 0..3)).prop_map(
        |(read, audited, media_prefixes)| {
            let said = Capabilities { audited, media_prefixes, ..Capabilities::default() };
            let Some((day, (username, nickname), scopes, privacy, disabled, (video_seconds_max, server))) =
                read
            else {
                return said;
            };
            Capabilities {
                read_on: Some(day),
                username,
                nickname,
                scopes,
                privacy,
                disabled,
                video_seconds_max,
                server,
                ..said
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(accounts in proptest::collection::btree_map(any_name(), any_facts(), 0..4)) {
        let text = write(&accounts);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        let mut known = accounts;
        known.retain(|_, facts| facts.has_facts());
        prop_assert_eq!(write(&known), text.clone());
        prop_assert_eq!(facts(good(&text)), known);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
        for bytes in [bytes, text.into_bytes()] {
            let report = Report::new(PATH);
            let file = parse(&bytes, &report).and_then(|node| decode::read(&node, &report));
            prop_assert_eq!(file.is_none(), report.has_errors());
        }
    }
}

#[test]
fn what_is_bad_is_named_at_its_place() {
    let table = [
        ("version: 2\naccounts: {}\n", "invalid-value", 1, 10),
        ("version: 1\n", "missing-key", 1, 1),
        ("version: 1\naccounts: []\n", "invalid-type", 2, 11),
        ("version: 1\naccounts: {}\ntokens: {}\n", "unknown-key", 3, 1),
        ("version: 1\naccounts:\n  a/b:\n    audited: true\n", "invalid-value", 3, 3),
        ("version: 1\naccounts:\n  a: []\n", "invalid-type", 3, 6),
        ("version: 1\naccounts:\n  a:\n    access_token: x\n", "unknown-key", 4, 5),
        ("version: 1\naccounts:\n  a:\n    audited: yes\n", "invalid-type", 4, 14),
        ("version: 1\naccounts:\n  a:\n    username: u\n", "missing-key", 3, 3),
        ("version: 1\naccounts:\n  a:\n    read_on: today\n", "invalid-value", 4, 14),
        ("version: 1\naccounts:\n  a:\n    read_on: 2026-02-30\n", "invalid-value", 4, 14),
        ("version: 1\naccounts:\n  a:\n    read_on: 2026-11-26T10:00:00\n", "invalid-value", 4, 14),
        ("version: 1\naccounts:\n  a:\n    media_prefixes: [http://m.example/]\n", "invalid-url", 4, 22),
        ("version: 1\naccounts:\n  a:\n    media_prefixes: https://m.example/\n", "invalid-type", 4, 21),
        ("version: 1\naccounts:\n  a:\n    audited: true\n    audited: true\n", "duplicate-key", 5, 5),
        ("", "empty-file", 1, 1),
        ("accounts: [", "yaml-syntax", 1, 11),
    ];
    let dated = |line: &str| format!("version: 1\naccounts:\n  a:\n    read_on: 2026-11-26\n    {line}\n");
    let lines = [
        ("privacy: [public, everyone]", "invalid-value", 5, 23),
        ("privacy: [public, public]", "invalid-value", 5, 23),
        ("privacy: public", "invalid-type", 5, 14),
        ("disabled: [like]", "invalid-value", 5, 16),
        ("scopes: ['a b']", "invalid-value", 5, 14),
        ("scopes: [\"\\e[31m\"]", "invalid-value", 5, 14),
        ("nickname: \"\\e[31mred\"", "invalid-value", 5, 15),
        ("nickname: ''", "invalid-value", 5, 15),
        ("video_seconds_max: 0", "invalid-value", 5, 24),
        ("video_seconds_max: 86401", "invalid-value", 5, 24),
        ("video_seconds_max: 1m", "invalid-type", 5, 24),
        ("server: {text_chars_max: 0}", "invalid-value", 5, 30),
        ("server: {media_types: [png]}", "invalid-value", 5, 28),
        ("server: {unheardof: 1}", "unknown-key", 5, 14),
    ];
    let texts = table.into_iter().map(|(text, code, line, column)| (text.to_owned(), code, line, column));
    let lines = lines.into_iter().map(|(text, code, line, column)| (dated(text), code, line, column));
    for (text, code, line, column) in texts.chain(lines) {
        let (file, found) = read(&text);
        assert_eq!(file, None, "{text}");
        let place = |d: &Diagnostic| (d.code.clone(), d.span.map(|span| (span.line, span.column)));
        assert_eq!(
            found.iter().map(place).collect::<Vec<_>>(),
            [(code.to_owned(), Some((line, column)))],
            "{text}"
        );
        assert!(found.iter().all(|d| d.help.is_some() && d.is_error()), "{found:?}");
    }
    let many = |n: usize| {
        dated(&format!("scopes: [{}]", (0..n).map(|n| format!("s{n}")).collect::<Vec<_>>().join(", ")))
    };
    assert!(read(&many(decode::LISTED_MAX)).0.is_some());
    assert!(read(&many(decode::LISTED_MAX + 1)).0.is_none());
}

fn a_project() -> Project {
    let report = Report::new("content/gitcast.yaml");
    let yaml =
        "version: 1\naccounts:\n  brand: {platform: tiktok}\n  other: {platform: tiktok, audited: false}\n";
    let node = parse(yaml.as_bytes(), &report).expect("a tree");
    project::decode::project(&node, &report).expect("a project")
}

#[test]
fn accounts_learn_what_the_file_says_and_others_are_warned_of() {
    let mut project = a_project();
    let text = "version: 1\naccounts:\n  brand: {audited: true}\n  other: {audited: true}\n  brnad: {audited: true}\n";
    let found = join(&mut project, Read::File(good(text)));
    let audited: Vec<_> = project.accounts.iter().map(project::Account::is_audited).collect();
    assert_eq!(audited, [Some(true), Some(false)], "gitcast.yaml goes first");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code.as_str(), found[0].span.map(|span| span.line)), ("unknown-account", Some(5)));
    assert!(
        !found[0].is_error()
            && found[0].help.as_ref().is_some_and(|help| help.contains("did you mean `brand`"))
    );

    let mut project = a_project();
    assert_eq!(join(&mut project, Read::Missing), []);
    assert_eq!(
        project.accounts.iter().map(project::Account::is_audited).collect::<Vec<_>>(),
        [Some(false); 2]
    );
    assert_eq!(join(&mut project, Read::Unreadable), []);
    let audited: Vec<_> = project.accounts.iter().map(project::Account::is_audited).collect();
    assert_eq!(audited, [None, Some(false)], "nobody can tell, unless gitcast.yaml does");
}

#[test]
fn old_facts_are_told_from_the_day_after_the_ninetieth() {
    let mut project = a_project();
    assert_eq!(fresh_until(&project), Timestamp::MAX);
    join(&mut project, Read::File(good("version: 1\naccounts:\n  brand: {read_on: 2026-08-01}\n")));
    let told = |at: &str| {
        let found = old_facts(&project, at.parse().expect("an instant"));
        found.into_iter().map(|d| (d.code, d.message, d.span.map(|s| (s.line, s.column)))).collect::<Vec<_>>()
    };
    assert_eq!(fresh_until(&project), "2026-10-31T00:00:00Z".parse().expect("an instant"));
    for fresh in ["2026-10-30T23:59:59Z", "2026-08-01T00:00:00Z", "2026-07-31T00:00:00Z"] {
        assert_eq!(told(fresh), [], "{fresh}");
    }
    let message = "what is known of \"brand\" was read 91 days ago".to_owned();
    assert_eq!(told("2026-10-31T00:00:00Z"), [("account-facts-old".to_owned(), message, Some((3, 20)))]);
    assert_eq!(told("2026-07-30T23:00:00Z")[0].1, "2026-08-01 is in the future");
}

#[test]
fn a_new_reading_keeps_what_people_said() {
    let read = Capabilities {
        read_on: Some("2026-12-01".parse().expect("a day")),
        username: Some("new".into()),
        scopes: Some(["video.publish".to_owned()].into()),
        media_prefixes: ["https://a.example/".to_owned()].into(),
        ..Capabilities::default()
    };
    let renewed = whole().renewed(read.clone(), false);
    let both = ["https://a.example/", "https://media.example.com/"].map(str::to_owned);
    let expected = Capabilities { audited: Some(false), media_prefixes: both.clone().into(), ..read.clone() };
    assert_eq!(renewed, expected);
    // Posting is barred: names and scopes are new, what posts may be is not.
    let barred = whole().renewed(read.clone(), true);
    assert_eq!((barred.username.as_deref(), barred.scopes), (Some("new"), read.scopes.clone()));
    assert_eq!((barred.read_on, barred.privacy), (whole().read_on, whole().privacy));
    assert_eq!((barred.disabled, barred.video_seconds_max), (whole().disabled, whole().video_seconds_max));
    assert_eq!(Capabilities::default().renewed(read.clone(), true), read, "nothing was known");
}
