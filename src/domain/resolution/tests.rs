use jiff::SignedDuration;

use super::*;
use crate::domain::manifest::parse::tree;

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().expect("time")
}

fn file(yaml: &str) -> File {
    let report = Report::new("content/resolutions/a.yaml");
    let node = tree(yaml.as_bytes(), &report).expect("yaml");
    read(&node, "content/resolutions/a.yaml", &TimeZone::UTC)
}

fn recorded(state: State) -> Publication {
    Publication {
        post: "p".parse().expect("id"),
        account: "acme".parse().expect("name"),
        platform: PlatformId::Tiktok,
        state,
        digest: ContentDigest::of(b"x"),
        revision: 1,
        attempts: 1,
        tries: 0,
        sends: 0,
        remote: Remote::default(),
        reason: None,
        next_at: None,
        intended_at: None,
        updated_at: now(),
        path: "content/p.yaml".into(),
        fixed: None,
        due_again: None,
        amendment: None,
    }
}

fn desired() -> Desired {
    Desired {
        post: "p".parse().expect("id"),
        account: "acme".parse().expect("name"),
        platform: PlatformId::Tiktok,
        path: "content/p.yaml".into(),
        state: DesiredState::Present,
        revision: 1,
        publish_at: None,
        quiet: None,
        digest: ContentDigest::of(b"x"),
        payload: None,
        can_delete: false,
    }
}

fn decided(file: &File, recorded: Vec<Publication>, known: BTreeSet<ContentDigest>) -> Decided {
    decide(Input {
        resolutions: &file.resolutions,
        doubtful: &file.doubtful,
        known,
        recorded,
        pauses: Vec::new(),
        desired: &[desired()],
        actor: "test",
        now: now(),
    })
}

#[test]
fn each_decision_in_each_state_is_carried_out_moot_or_waits() {
    use State::*;
    let url = "https://www.tiktok.com/@acme/video/7";
    // Carried out and where to, `moot`, or `waits`.
    for (decision, table) in [
        (
            format!("published: {url}"),
            [
                (Held, "published"),
                (Unresolved, "published"),
                (Published, "moot"),
                (Failed, "published"),
                (Delivered, "published"),
                (Accepted, "waits"),
                (Publishing, "waits"),
                (Staged, "published"),
            ],
        ),
        (
            "not_published: true".into(),
            [
                (Held, "planned"),
                (Unresolved, "planned"),
                (Published, "moot"),
                (Failed, "moot"),
                (Delivered, "moot"),
                (Accepted, "waits"),
                (Publishing, "waits"),
                (Staged, "moot"),
            ],
        ),
        (
            "abandon: true".into(),
            [
                (Held, "failed"),
                (Unresolved, "failed"),
                (Published, "moot"),
                (Failed, "moot"),
                (Delivered, "moot"),
                (Accepted, "waits"),
                (Publishing, "waits"),
                (Staged, "moot"),
            ],
        ),
        (
            "retry: true".into(),
            [
                (Held, "moot"),
                (Unresolved, "moot"),
                (Published, "moot"),
                (Failed, "planned"),
                (Delivered, "moot"),
                (Accepted, "waits"),
                (Publishing, "waits"),
                (Staged, "moot"),
            ],
        ),
        (
            "forget: true".into(),
            [
                (Held, "moot"),
                (Unresolved, "moot"),
                (Published, "planned"),
                (Failed, "planned"),
                (Delivered, "planned"),
                (Accepted, "waits"),
                (Publishing, "waits"),
                (Staged, "moot"),
            ],
        ),
        (
            format!("adopt: {url}"),
            [
                (Held, "published"),
                (Unresolved, "published"),
                (Published, "published"),
                (Failed, "published"),
                (Delivered, "published"),
                (Accepted, "waits"),
                (Publishing, "waits"),
                (Staged, "published"),
            ],
        ),
    ] {
        let file = file(&format!("- post: p\n  account: acme\n  {decision}\n"));
        assert!(file.diagnostics.is_empty(), "{:?}", file.diagnostics);
        for (state, expected) in table {
            let decided = decided(&file, vec![recorded(state)], BTreeSet::new());
            let found = match decided.notes[0].outcome {
                "carried-out" => decided.recorded[0].state.to_string(),
                "waiting" => "waits".to_owned(),
                other => other.to_owned(),
            };
            assert_eq!(found, expected, "{decision} in {state}");
            let noted = decided.events.iter().filter(|e| matches!(e, Event::Decided { .. })).count();
            assert_eq!(noted, usize::from(expected != "waits"), "{decision} in {state}");
        }
    }
}

#[test]
fn what_was_taken_note_of_is_not_looked_at_again_wherever_it_stands() {
    let one = file("- post: p\n  account: acme\n  not_published: true\n  why: looked\n");
    let moved = file("# a comment\n- {why: looked, not_published: true, account: acme, post: p}\n");
    assert_eq!(one.resolutions[0].digest(), moved.resolutions[0].digest());
    let known = BTreeSet::from([one.resolutions[0].digest()]);
    assert!(decided(&moved, vec![recorded(State::Held)], known.clone()).events.is_empty());
    let other = file("- post: p\n  account: acme\n  not_published: true\n  why: looked again\n");
    assert_eq!(decided(&other, vec![recorded(State::Held)], known).events.len(), 2);
    let twice = file(
        "- &a {post: p, account: acme, abandon: true}\n- {post: p, account: acme, abandon: true}\n"
            .replace("&a ", "")
            .as_str(),
    );
    assert_eq!(decided(&twice, vec![recorded(State::Held)], BTreeSet::new()).notes.len(), 1);
}

#[test]
fn pauses_come_and_go_and_an_entry_in_doubt_is_one() {
    let file = file(
        "- {platform: tiktok, pause: true}\n\
         - {account: acme, pause_until: 2026-12-02T09:00}\n\
         - {post: p, pause_until: 2026-11-01T09:00}\n\
         - {platform: tiktok, resume: true}\n\
         - {post: q, resume: true}\n\
         - {post: r, pause_untill: 2026-12-02T09:00}\n",
    );
    let codes: Vec<_> = file.diagnostics.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert!(file.diagnostics.iter().all(|d| d.span.is_some_and(|span| span.line == 6)));
    let decided = decided(&file, Vec::new(), BTreeSet::new());
    let outcomes: Vec<_> = decided.notes.iter().map(|note| note.outcome).collect();
    assert_eq!(outcomes, ["carried-out", "carried-out", "moot", "carried-out", "moot"]);
    let paused: Vec<_> = decided.pauses.iter().map(|p| (p.scope.to_string(), p.until)).collect();
    let until = now() + SignedDuration::from_hours(21);
    assert_eq!(paused, [("account acme".to_owned(), Some(until)), ("post r".to_owned(), None)]);
    assert!(decided.pauses[1].by.contains("content/resolutions/a.yaml:6"));
}

#[test]
fn what_cannot_be_adopted_waits_and_is_an_error() {
    let file = file("- {post: gone, account: acme, adopt: 'https://t.example/7', remote_id: '7'}\n");
    let decided = decided(&file, Vec::new(), BTreeSet::new());
    assert_eq!((decided.notes[0].outcome, decided.events.len()), ("waiting", 0));
    assert!(decided.diagnostics[0].is_error() && decided.diagnostics[0].help.is_some());
    let taken = Publication {
        post: "other".parse().expect("id"),
        remote: Remote { id: Some("7".into()), url: None },
        ..recorded(State::Published)
    };
    let remote = Remote { id: Some("7".into()), url: Some("https://t.example/7".into()) };
    let reason = Reason::new("c", "m");
    assert!(
        adoption(Some(&desired()), &remote, reason.clone(), &[taken]).is_err_and(|e| e.contains("other"))
    );
    let tombstone = Desired { state: DesiredState::Deleted, ..desired() };
    assert!(adoption(Some(&tombstone), &remote, reason, &[]).is_err());
}

#[test]
fn entries_are_checked_strictly() {
    for (yaml, code, line) in [
        ("post: p\n", "invalid-type", 1),
        ("- post: p\n  account: a\n", "missing-key", 1),
        ("- post: p\n  abandon: true\n", "missing-key", 1),
        ("- post: p\n  account: a\n  abandon: false\n", "invalid-value", 3),
        ("- post: p\n  account: a\n  abandon: true\n  retry: true\n", "invalid-value", 4),
        ("- post: p\n  account: a\n  published: javascript:alert(1)\n", "invalid-url", 3),
        ("- post: p\n  account: a\n  adopt: \"https://a.example/\\u001b[31m\"\n", "invalid-url", 3),
        ("- post: ../x\n  account: a\n  abandon: true\n", "invalid-value", 1),
        ("- pause: true\n", "missing-key", 1),
        ("- post: p\n  platform: tiktok\n  pause: true\n", "missing-key", 1),
        ("- post: p\n  pause_until: tomorrow\n", "invalid-time", 2),
        ("- post: p\n  account: a\n  adopt: https://a.example/\n  remote_id: a b\n", "invalid-value", 4),
    ] {
        let file = file(yaml);
        assert!(file.resolutions.is_empty(), "{yaml}");
        let found: Vec<_> =
            file.diagnostics.iter().map(|d| (d.code.as_str(), d.span.map_or(0, |s| s.line))).collect();
        assert!(found.contains(&(code, line)), "{yaml}: {found:?}");
        assert!(file.diagnostics.iter().all(|d| d.help.is_some()), "{yaml}: no way out");
    }
}
