//! Every state with every change, against a table; and what no sequence of changes may do.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::drift::MISSING;
use crate::domain::limits::Counts;
use crate::domain::payload::Estimate;

/// What follows each state (columns, `none` before the first attempt) after each change (rows); `-` is illegal.
const TABLE: &str = "
                   none       planned    staging    staged     publishing partial    accepted   published  delivered  editing    deleting   deleted    failed     unresolved held
started           staging    staging    -          -          -          -          -          -          -          -          -          -          staging    -          -
started-higher    staging    staging    -          -          -          -          -          staging    staging    -          -          staging    staging    -          -
stepped           -          -          staging    -          -          -          -          -          -          editing    deleting   -          -          -          -
staged            -          -          staged     -          -          -          -          -          -          -          -          -          -          -          -
intended          -          -          -          publishing -          publishing -          -          -          -          -          -          -          -          -
accepted          -          -          -          -          accepted   -          accepted   -          -          -          -          -          -          accepted   -
published         -          -          -          -          published  -          published  -          published  -          -          -          -          published  -
delivered         -          -          -          -          delivered  -          delivered  -          -          -          -          -          -          delivered  -
looked            -          -          -          -          -          -          -          published  delivered  -          -          -          -          -          -
refused           -          -          failed     failed     failed     -          failed     -          -          -          -          -          -          failed     -
unanswered        -          -          -          -          unresolved -          -          -          -          -          -          -          -          -          -
absent-ready      -          -          -          -          staged     -          staged     -          -          -          -          -          -          staged     -
absent-anew       -          -          staging    staging    staging    -          staging    -          -          -          -          -          -          staging    -
held              -          -          -          -          -          -          held       -          -          -          -          -          -          held       -
advanced          -          -          -          -          partial    -          partial    -          -          -          -          -          -          partial    -
edit-started      -          -          -          -          -          -          -          editing    -          editing    -          -          -          -          -
edited            -          -          -          -          -          -          -          -          -          published  -          -          -          -          -
delete-started    -          -          -          -          -          deleting   -          deleting   -          deleting   -          -          -          -          -
deleted           -          -          -          -          -          -          -          -          -          -          deleted    -          -          -          -
turned-down       -          -          -          -          -          -          -          -          -          published  published  -          -          -          -
noticed           -          -          -          -          -          -          -          published  delivered  -          -          -          -          -          -
delayed           -          -          staging    staged     -          partial    accepted   published  delivered  editing    deleting   -          -          unresolved -
superseded        -          -          planned    planned    -          -          -          -          -          -          -          -          planned    -          -
retried           -          -          -          -          -          -          -          -          -          -          -          -          planned    -          -
settled-published -          -          -          -          -          -          -          -          -          -          -          -          -          published  published
settled-not       -          -          -          -          -          -          -          -          -          -          -          -          -          planned    planned
settled-abandoned -          -          -          -          -          -          -          -          -          -          -          -          -          failed     failed
adopted           published  published  published  published  -          -          -          published  published  -          -          published  published  published  published
forgotten         -          -          -          -          -          -          -          planned    planned    -          -          planned    planned    -          -
forgotten-forced  -          -          planned    planned    planned    planned    planned    planned    planned    planned    planned    planned    planned    planned    planned
";

/// Revision of the publications that changes are applied to.
const REVISION: u32 = 3;

/// The row of a change. A new kind of change does not compile until it has a row.
fn row(change: &Change) -> &'static str {
    match change {
        Change::Started { revision, .. } if *revision > REVISION => "started-higher",
        Change::Absent { checkpoint: Some(_), .. } => "absent-ready",
        Change::Absent { checkpoint: None, .. } => "absent-anew",
        Change::Settled { settlement, .. } => match settlement {
            Settlement::Published { .. } => "settled-published",
            Settlement::NotPublished => "settled-not",
            Settlement::Abandoned => "settled-abandoned",
        },
        Change::Forgotten { forced: true, .. } => "forgotten-forced",
        Change::Started { .. }
        | Change::Stepped { .. }
        | Change::Staged { .. }
        | Change::Intended { .. }
        | Change::Accepted { .. }
        | Change::Published { .. }
        | Change::Delivered { .. }
        | Change::Looked { .. }
        | Change::Refused { .. }
        | Change::Unanswered { .. }
        | Change::Held { .. }
        | Change::Advanced { .. }
        | Change::EditStarted { .. }
        | Change::Edited { .. }
        | Change::DeleteStarted { .. }
        | Change::Deleted
        | Change::TurnedDown { .. }
        | Change::Noticed { .. }
        | Change::Delayed { .. }
        | Change::Superseded { .. }
        | Change::Retried { .. }
        | Change::Adopted { .. }
        | Change::Forgotten { forced: false, .. } => change.name(),
    }
}

fn started(revision: u32) -> Change {
    let payload = Payload {
        platform: PlatformId::Tiktok,
        body: json!(revision).into(),
        media: Vec::new(),
        what: String::new(),
        text: None,
        counts: Counts::Posts,
        estimate: Estimate::default(),
        fixed: None,
    };
    let (digest, payload) = (payload.digest(), Box::new(payload));
    Change::Started {
        platform: PlatformId::Tiktok,
        digest,
        revision,
        path: "p.yaml".into(),
        commit: None,
        payload,
    }
}

fn edit_started() -> Change {
    let Change::Started { payload, path, commit, .. } = started(REVISION) else { unreachable!("it is one") };
    Change::EditStarted { digest: ContentDigest::of(b"edited"), path, commit, payload }
}

/// One change for each row of the table, in its order.
fn changes() -> Vec<Change> {
    let (checkpoint, kind, next_at) = (json!({ "c": 1 }), ErrorKind::Transient, time(60));
    let reason = Reason::new("code", "message");
    let remote = Remote { id: Some("7".into()), url: None };
    let settled = |settlement| Change::Settled { settlement, reason: reason.clone() };
    vec![
        started(REVISION),
        started(REVISION + 1),
        Change::Stepped { checkpoint: checkpoint.clone(), next_at: Some(next_at) },
        Change::Staged { checkpoint: checkpoint.clone() },
        Change::Intended { checkpoint: checkpoint.clone() },
        Change::Accepted { checkpoint: checkpoint.clone(), next_at },
        Change::Published { checkpoint: None, remote: remote.clone(), next_at: None },
        Change::Delivered { checkpoint: None, next_at: None },
        Change::Looked { checkpoint: None, remote: remote.clone(), next_at: None },
        Change::Refused { reason: reason.clone() },
        Change::Unanswered { reason: reason.clone(), next_at },
        Change::Absent { checkpoint: Some(checkpoint.clone()), reason: reason.clone() },
        Change::Absent { checkpoint: None, reason: reason.clone() },
        Change::Held { reason: reason.clone() },
        Change::Advanced { checkpoint: checkpoint.clone(), remote: remote.clone() },
        edit_started(),
        Change::Edited { checkpoint: Some(checkpoint), remote: remote.clone() },
        Change::DeleteStarted { path: "p.yaml".into(), commit: None },
        Change::Deleted,
        Change::TurnedDown { reason: reason.clone() },
        Change::Noticed { reason: reason.clone() },
        Change::Delayed { kind, reason: reason.clone(), next_at },
        Change::Superseded { reason: reason.clone() },
        Change::Retried { reason: reason.clone() },
        settled(Settlement::Published { remote: remote.clone() }),
        settled(Settlement::NotPublished),
        settled(Settlement::Abandoned),
        Change::Adopted {
            platform: PlatformId::Tiktok,
            digest: ContentDigest::of(b"adopted"),
            revision: REVISION,
            path: "p.yaml".into(),
            remote,
            reason: reason.clone(),
            payload: None,
        },
        Change::Forgotten { forced: false, reason: reason.clone(), again: false },
        Change::Forgotten { forced: true, reason: reason.clone(), again: false },
    ]
}

fn time(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn name() -> (PostId, AccountName) {
    ("post".parse().expect("id"), "account".parse().expect("name"))
}

pub(in crate::domain) fn publication(state: State) -> Publication {
    let (post, account) = name();
    Publication {
        post,
        account,
        platform: PlatformId::Tiktok,
        state,
        digest: ContentDigest::of(b"before"),
        revision: REVISION,
        attempts: 2,
        tries: 1,
        sends: 0,
        remote: Remote::default(),
        reason: Some(Reason::new("old", "old")),
        next_at: Some(time(1)),
        intended_at: None,
        updated_at: time(1),
        path: "p.yaml".into(),
        fixed: None,
        due_again: None,
        amendment: match state {
            State::Editing => Some(Amendment::Edit(ContentDigest::of(b"edited"))),
            State::Deleting => Some(Amendment::Delete),
            _ => None,
        },
    }
}

fn apply(before: Option<&Publication>, change: &Change) -> Result<(Publication, Keep), IllegalTransition> {
    let (post, account) = name();
    Publication::apply(before, (&post, &account), change, time(2))
}

fn reach(state: State, change: &Change) -> Option<State> {
    apply(Some(&publication(state)), change).ok().map(|(after, _)| after.state)
}

#[test]
fn every_state_with_every_change_is_as_the_table_says() {
    let mut lines = TABLE.trim_start().lines();
    let columns: Vec<_> = lines.next().expect("head").split_whitespace().collect();
    let states: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(columns[0], "none");
    assert_eq!(columns[1..], states);
    let lines: Vec<Vec<_>> = lines.map(|line| line.split_whitespace().collect()).collect();
    let changes = changes();
    assert_eq!(changes.iter().map(row).collect::<Vec<_>>(), lines.iter().map(|l| l[0]).collect::<Vec<_>>());
    for (change, line) in changes.iter().zip(&lines) {
        assert_eq!(line.len(), columns.len() + 1, "{line:?}");
        for (column, expected) in columns.iter().zip(&line[1..]) {
            let state: Option<State> = column.parse().ok();
            let found = apply(state.map(publication).as_ref(), change);
            match expected.parse::<State>() {
                Ok(expected) => {
                    assert_eq!(found.map(|(after, _)| after.state), Ok(expected), "{column}, {change:?}");
                }
                Err(_) => {
                    let illegal = found.expect_err(&format!("{column}, {change:?}"));
                    assert_eq!((illegal.state, illegal.change), (state, change.name()));
                }
            }
        }
    }
}

#[test]
fn only_a_higher_revision_starts_again_after_success() {
    for state in [State::Published, State::Delivered, State::Deleted] {
        for (revision, expected) in
            [(0, None), (REVISION - 1, None), (REVISION, None), (REVISION + 1, Some(State::Staging))]
        {
            assert_eq!(reach(state, &started(revision)), expected, "{state}, revision {revision}");
        }
    }
}

/// All states that changes whose row is not in `without` lead to.
fn reachable(from: &[State], without: &[&str]) -> BTreeSet<State> {
    let changes: Vec<_> = changes().into_iter().filter(|change| !without.contains(&row(change))).collect();
    let mut found = BTreeSet::new();
    let mut open = from.to_vec();
    while let Some(state) = open.pop() {
        for after in changes.iter().filter_map(|change| reach(state, change)) {
            if found.insert(after) {
                open.push(after);
            }
        }
    }
    found
}

/// What says that nothing is, or will become, public: the platform's no, proof of absence, or a person.
const NOT_PUBLIC: [&str; 7] = [
    "refused",
    "absent-ready",
    "absent-anew",
    "settled-not",
    "settled-abandoned",
    "forgotten",
    "forgotten-forced",
];

/// What asks for a post again, although it succeeded.
const AGAIN: [&str; 3] = ["started-higher", "forgotten", "forgotten-forced"];

#[test]
fn nothing_that_may_be_public_is_sent_again_without_proof_or_a_person() {
    let mut without = NOT_PUBLIC.to_vec();
    without.push("started-higher");
    use State::*;
    // A next part is another request, and a deletion leads to nothing that is sent.
    without.push("advanced");
    let found = reachable(&[Publishing, Accepted, Unresolved, Held], &without);
    let expected = [Accepted, Published, Delivered, Editing, Deleting, Deleted, Unresolved, Held];
    assert_eq!(found, expected.into());
}

#[test]
fn success_is_final_but_for_a_higher_revision_or_a_person_who_has_it_forgotten() {
    use State::*;
    let found = reachable(&[Published, Delivered], &AGAIN);
    assert_eq!(found, [Published, Delivered, Editing, Deleting, Deleted].into());
}

#[test]
fn every_state_can_be_left_and_success_can_be_reached_from_it() {
    for state in State::ALL {
        let found = reachable(&[state], &["started-higher"]);
        assert!(found.contains(&State::Published), "{state}: {found:?}");
    }
}

#[test]
fn what_is_adopted_never_lowers_the_revision_and_what_is_forgotten_loses_its_link() {
    let adopted = |revision| Change::Adopted {
        platform: PlatformId::Tiktok,
        digest: ContentDigest::of(b"now"),
        revision,
        path: "q.yaml".into(),
        remote: Remote { id: Some("9".into()), url: None },
        reason: Reason::new("adopted", "why"),
        payload: None,
    };
    for (revision, expected) in [(REVISION - 1, REVISION), (REVISION + 1, REVISION + 1)] {
        let (after, keep) = apply(Some(&publication(State::Failed)), &adopted(revision)).expect("legal");
        assert_eq!((after.revision, after.digest), (expected, ContentDigest::of(b"now")));
        assert_eq!((after.remote.id.as_deref(), after.attempts, keep), (Some("9"), 2, Keep::Nothing));
    }
    let (live, _) = apply(None, &adopted(1)).expect("legal");
    let forget = Change::Forgotten { forced: false, reason: Reason::new("forgotten", "why"), again: false };
    let (after, _) = apply(Some(&live), &forget).expect("legal");
    assert_eq!((after.state, &after.remote), (State::Planned, &Remote::default()));
    assert_eq!(apply(Some(&after), &started(1)).map(|(after, _)| after.state), Ok(State::Staging));
}

#[test]
fn what_is_to_be_published_again_keeps_its_new_time_through_attempts_at_the_same_revision() {
    let forgotten = |again| Change::Forgotten { forced: false, reason: Reason::new("by-hand", "why"), again };
    let after = |before: &Publication, change: &Change| apply(Some(before), change).expect("legal").0;
    let again = after(&publication(State::Published), &forgotten(true));
    assert_eq!((again.state, again.due_again), (State::Planned, Some(time(2))));
    let begun = after(&again, &started(REVISION));
    let refused = after(&begun, &Change::Refused { reason: Reason::new("no", "no") });
    assert_eq!((begun.due_again, refused.due_again), (again.due_again, again.due_again));
    assert_eq!(after(&refused, &started(REVISION)).due_again, again.due_again);
    assert_eq!(after(&refused, &started(REVISION + 1)).due_again, None);
    assert_eq!(after(&refused, &forgotten(false)).due_again, None);
    let gone = Change::Forgotten { forced: false, reason: Reason::new(GONE, "why"), again: false };
    // It is looked for before it goes out again, and its time is what it was.
    assert_eq!(after(&publication(State::Published), &gone).due_again, Some(Timestamp::UNIX_EPOCH));
    let text = serde_json::to_string(&forgotten(false)).expect("serialize");
    assert!(!text.contains("again"), "as ledgers had it before: {text}");
}

#[test]
fn the_checkpoint_is_what_the_last_step_left() {
    use State::*;
    let kept = |state, row_name: &str| {
        let change = changes().into_iter().find(|change| row(change) == row_name).expect("row");
        apply(Some(&publication(state)), &change).expect("legal").1
    };
    let checkpoint = Keep::Checkpoint(json!({ "c": 1 }));
    for (state, row, expected) in [
        (Planned, "started", &Keep::Nothing),
        (Staging, "stepped", &checkpoint),
        (Staging, "staged", &checkpoint),
        (Staged, "intended", &checkpoint),
        (Publishing, "accepted", &checkpoint),
        (Publishing, "published", &Keep::Unchanged),
        (Publishing, "unanswered", &Keep::Unchanged),
        (Unresolved, "absent-ready", &checkpoint),
        (Unresolved, "absent-anew", &Keep::Nothing),
        (Staging, "delayed", &Keep::Unchanged),
        (Staged, "superseded", &Keep::Nothing),
        (Held, "settled-not", &Keep::Nothing),
        (Held, "settled-published", &Keep::Unchanged),
        (Publishing, "advanced", &checkpoint),
        (Published, "edit-started", &Keep::Unchanged),
        (Editing, "edited", &checkpoint),
        (Editing, "turned-down", &Keep::Unchanged),
        (Published, "delete-started", &Keep::Unchanged),
        (Deleting, "deleted", &Keep::Nothing),
    ] {
        assert_eq!(kept(state, row), *expected, "{state}, {row}");
    }
}

/// What is live of a thread is never sent again, and never forgotten.
#[test]
fn what_is_partly_live_goes_back_to_its_next_part_only() {
    use State::*;
    let first = Remote { id: Some("7".into()), url: None };
    for (state, row_name, expected) in [
        (Publishing, "refused", None),
        (Publishing, "held", Some(Held)),
        (Publishing, "absent-anew", None),
        (Publishing, "absent-ready", Some(Partial)),
        (Publishing, "unanswered", Some(Unresolved)),
        (Unresolved, "absent-ready", Some(Partial)),
        (Unresolved, "absent-anew", None),
        (Unresolved, "refused", None),
        (Unresolved, "advanced", Some(Partial)),
        (Unresolved, "published", Some(Published)),
        (Held, "settled-not", Some(Partial)),
        (Partial, "superseded", None),
        (Partial, "started-higher", None),
    ] {
        let before = Publication { remote: first.clone(), ..publication(state) };
        assert!(before.is_partly_live(), "{state}");
        let change = changes().into_iter().find(|change| row(change) == row_name).expect("row");
        let after = apply(Some(&before), &change).ok().map(|(after, _)| after);
        assert_eq!(after.as_ref().map(|after| after.state), expected, "{state}, {row_name}");
        assert!(after.is_none_or(|after| after.remote == first), "{state}, {row_name}");
    }
    assert!(!publication(Publishing).is_partly_live());
}

#[test]
fn an_edit_counts_once_it_is_done_and_what_is_turned_down_is_remembered_until_a_person_retries() {
    let edited = ContentDigest::of(b"edited");
    let after = |before: &Publication, change: &Change| apply(Some(before), change).expect("legal").0;
    let reason = Reason::new("code", "message");
    let editing = after(&publication(State::Published), &edit_started());
    assert_eq!(
        (editing.digest, editing.amendment),
        (ContentDigest::of(b"before"), Some(Amendment::Edit(edited)))
    );
    let done = after(&editing, &Change::Edited { checkpoint: None, remote: Remote::default() });
    assert_eq!((done.digest, done.amendment, done.is_turned_down()), (edited, None, false));
    let down = after(&editing, &Change::TurnedDown { reason: reason.clone() });
    assert_eq!(down.digest, ContentDigest::of(b"before"));
    assert!(down.is_turned_down() && down.reason.as_ref() == Some(&reason));
    let retried = after(&down, &Change::Retried { reason: reason.clone() });
    assert_eq!((retried.state, retried.amendment), (State::Published, None));
    assert!(apply(Some(&retried), &Change::Retried { reason }).is_err());
    for amendment in [Amendment::Delete, Amendment::Edit(edited)] {
        assert_eq!(amendment.to_string().parse(), Ok(amendment));
    }
    assert!("edit sha256:0".parse::<Amendment>().is_err());
}

proptest! {
    /// Any sequence of changes, illegal ones skipped as the ledger does.
    #[test]
    fn no_sequence_breaks_what_a_publication_promises(picks in prop::collection::vec(0..changes().len(), 0..200)) {
        let changes = changes();
        let mut before: Option<Publication> = None;
        let mut revision = REVISION;
        let mut may_be_public = false;
        for pick in picks {
            let change = match &changes[pick] {
                Change::Started { revision: wanted, .. } => started(revision + (wanted - REVISION)),
                other => other.clone(),
            };
            let Ok((after, _)) = apply(before.as_ref(), &change) else { continue };
            let (attempts, tries) = before.as_ref().map_or((0, 0), |p| (p.attempts, p.tries));
            match &change {
                Change::Started { revision: now, digest, .. } => {
                    prop_assert!(!may_be_public || *now > revision, "started while something may be public");
                    prop_assert_eq!((after.attempts, after.digest), (attempts + 1, *digest));
                    (revision, may_be_public) = (*now, false);
                }
                _ => prop_assert_eq!(after.attempts, attempts),
            }
            if let Change::Intended { .. } = change {
                prop_assert!(!may_be_public, "sent twice");
                prop_assert_eq!(after.intended_at, Some(time(2)));
                may_be_public = true;
            }
            // Answered: the next request is for the next part.
            may_be_public &= !matches!(change, Change::Advanced { .. } | Change::Deleted);
            may_be_public &= !NOT_PUBLIC.contains(&row(&change));
            let expected = match change {
                Change::Delayed { .. } => tries + 1,
                // Nothing was tried.
                Change::Noticed { .. } => tries,
                _ => 0,
            };
            prop_assert_eq!((after.tries, after.updated_at), (expected, time(2)));
            prop_assert!(!may_be_public || after.state.is_beyond_recall(), "{} forgets a request", after.state);
            before = Some(after);
        }
    }
}

#[test]
fn what_the_platform_told_stays_whatever_later_looks_come_to() {
    let after = |before: &Publication, change: &Change| apply(Some(before), change).expect("legal").0;
    for state in [State::Published, State::Delivered] {
        let noticed = Change::Noticed { reason: Reason::new(NO_LONGER_PUBLIC, "told") };
        let told = after(&publication(state), &noticed);
        assert!(told.is_no_longer_public() && told.next_at == Some(time(1)), "{told:?}");
        let looked = Change::Looked { checkpoint: None, remote: Remote::default(), next_at: None };
        let reason = Reason::new("timeout", "slow");
        let delayed = Change::Delayed { kind: ErrorKind::Transient, reason, next_at: time(9) };
        let later = after(&after(&told, &delayed), &looked);
        assert!(later.is_no_longer_public(), "{later:?}");
        assert_eq!((later.tries, later.next_at), (0, None));
        let other = after(&after(&publication(state), &delayed), &looked);
        assert_eq!(other.reason, None);
        assert!(
            !after(&told, &started(REVISION + 1)).is_no_longer_public(),
            "another attempt is another post"
        );
    }
}

#[test]
fn how_a_live_post_differs_stands_until_a_look_finds_it_as_recorded() {
    let after = |before: &Publication, change: &Change| apply(Some(before), change).expect("legal").0;
    let noticed = |code: &str| Change::Noticed { reason: Reason::new(code, "seen") };
    let delayed = Change::Delayed {
        kind: ErrorKind::Transient,
        reason: Reason::new("timeout", "slow"),
        next_at: time(9),
    };
    let differs = after(&after(&publication(State::Published), &noticed(MISSING)), &delayed);
    assert_eq!(differs.finding().map(|reason| reason.code.as_str()), Some(MISSING));
    let again = after(&differs, &noticed(AS_RECORDED));
    assert_eq!((again.state, again.finding(), &again.reason), (State::Published, None, &None));
    assert_eq!((again.tries, again.next_at), (differs.tries, Some(time(9))), "nothing was tried");
}
