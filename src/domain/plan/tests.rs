use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::timing::rounded;
use super::*;
use crate::domain::limits::{Cap, Counts};
use crate::domain::pause::Scope;
use crate::domain::project::Late;
use crate::domain::publication::{Publication, Reason, Remote, State};

const CAP: Cap =
    Cap { name: "posts-per-day", counts: Counts::Posts, max: 2, window: Duration::from_secs(86_400) };

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().expect("time")
}

fn hours(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

fn digest(text: &str) -> ContentDigest {
    ContentDigest::of(text.as_bytes())
}

fn desired(post: &str, content: &str) -> Desired {
    Desired {
        post: post.parse().expect("id"),
        account: "acme".parse().expect("name"),
        platform: PlatformId::Tiktok,
        path: format!("content/{post}.yaml"),
        state: DesiredState::Present,
        revision: 1,
        publish_at: None,
        quiet: None,
        digest: digest(content),
        payload: Some(Payload {
            platform: PlatformId::Tiktok,
            body: json!({ "content": content }).into(),
            media: Vec::new(),
            what: "video".into(),
            text: None,
            counts: Counts::Posts,
            estimate: Estimate::default(),
            fixed: None,
        }),
        can_delete: false,
    }
}

fn recorded(post: &str, content: &str, state: State) -> Publication {
    Publication {
        post: post.parse().expect("id"),
        account: "acme".parse().expect("name"),
        platform: PlatformId::Tiktok,
        state,
        digest: digest(content),
        revision: 1,
        attempts: 1,
        tries: 0,
        sends: 0,
        remote: Remote::default(),
        reason: Some(Reason::new("why", "because")),
        next_at: None,
        intended_at: None,
        updated_at: now(),
        path: format!("content/{post}.yaml"),
        fixed: None,
        due_again: None,
        amendment: None,
    }
}

/// A plan's inputs, to be changed by each test.
#[derive(Default)]
struct World {
    desired: Vec<Desired>,
    recorded: Vec<Publication>,
    broken: BTreeSet<PostId>,
    incomplete: bool,
    caps: BTreeMap<AccountName, Vec<Cap>>,
    spent: Vec<Spent>,
    policy: Policy,
    overrides: Overrides,
    pauses: Vec<Pause>,
}

impl World {
    fn plan(&self) -> Plan {
        self.plan_at(now())
    }

    fn plan_at(&self, now: Timestamp) -> Plan {
        plan(&Input {
            desired: &self.desired,
            recorded: &self.recorded,
            broken: &self.broken,
            complete: !self.incomplete,
            caps: &self.caps,
            spent: &self.spent,
            policy: self.policy,
            overrides: self.overrides,
            pauses: &self.pauses,
            now,
        })
    }

    /// `post action reason`, in the plan's order.
    fn lines(&self) -> Vec<String> {
        let line = |c: &Planned| format!("{} {:?} {}", c.post, c.action, c.reason);
        self.plan().changes.iter().map(line).collect()
    }
}

fn one(desired: Desired, recorded: Option<Publication>) -> String {
    let world =
        World { desired: vec![desired], recorded: recorded.into_iter().collect(), ..World::default() };
    world.lines().join("; ")
}

#[test]
fn each_recorded_state_of_the_same_content_has_its_action() {
    for (state, expected) in [
        (State::Planned, "a Publish again"),
        (State::Staging, "a Continue resume"),
        (State::Staged, "a Continue resume"),
        (State::Publishing, "a Continue unresolved"),
        (State::Unresolved, "a Continue unresolved"),
        (State::Accepted, "a Continue processing"),
        (State::Published, "a Unchanged published"),
        (State::Delivered, "a Unchanged delivered"),
        (State::Failed, "a Failed failed"),
        (State::Held, "a Hold held"),
        (State::Partial, "a Continue partial"),
        (State::Editing, "a Continue editing"),
        (State::Deleting, "a Continue deleting"),
        (State::Deleted, "a Skip deleted"),
    ] {
        assert_eq!(one(desired("a", "x"), Some(recorded("a", "x", state))), expected, "{state}");
    }
    assert_eq!(one(desired("a", "x"), None), "a Publish new");
}

#[test]
fn changed_content_is_sent_only_where_nothing_can_be_public() {
    for (state, expected) in [
        (State::Planned, "a Publish again"),
        (State::Staging, "a Replace changed"),
        (State::Staged, "a Replace changed"),
        (State::Publishing, "a Continue unresolved"),
        (State::Unresolved, "a Continue unresolved"),
        (State::Accepted, "a Continue processing"),
        (State::Published, "a Diverged diverged"),
        (State::Delivered, "a Diverged diverged"),
        (State::Failed, "a Publish changed"),
        (State::Held, "a Hold held"),
    ] {
        assert_eq!(one(desired("a", "new"), Some(recorded("a", "old", state))), expected, "{state}");
    }
}

/// Where the platform edits: what was published and what is desired are equal in what cannot be changed.
fn editable(mut desired: Desired, mut recorded: Publication) -> (Desired, Publication) {
    recorded.fixed = Some(digest("fixed"));
    if let Some(payload) = &mut desired.payload {
        payload.fixed = recorded.fixed;
    }
    (desired, recorded)
}

#[test]
fn changed_content_is_edited_where_the_platform_can() {
    use Amendment::*;
    let to = |content: &str| Some(Edit(digest(content)));
    for (state, amendment, content, expected) in [
        (State::Published, None, "new", "a Edit changed"),
        (State::Published, None, "old", "a Unchanged published"),
        (State::Published, to("new"), "new", "a Failed edit-refused"),
        (State::Published, to("new"), "newer", "a Edit changed"),
        // What was turned down in the end may have arrived in part.
        (State::Published, to("new"), "old", "a Edit changed"),
        (State::Published, Some(Delete), "old", "a Unchanged published"),
        (State::Editing, to("new"), "new", "a Continue editing"),
        (State::Editing, to("new"), "newer", "a Edit changed"),
        (State::Editing, to("new"), "old", "a Edit changed"),
        (State::Deleting, Some(Delete), "new", "a Continue deleting"),
        (State::Deleted, None, "new", "a Skip deleted"),
        (State::Delivered, None, "new", "a Diverged diverged"),
        (State::Partial, None, "new", "a Continue partial"),
        (State::Unresolved, None, "new", "a Continue unresolved"),
    ] {
        let recorded = Publication { amendment, ..recorded("a", "old", state) };
        let (desired, recorded) = editable(desired("a", content), recorded);
        let shown = format!("{state} {amendment:?} {content}");
        assert_eq!(one(desired.clone(), Some(recorded.clone())), expected, "{shown}");
        // A pause stops all that would be sent.
        if expected.contains("Edit") || expected.contains("Continue editing") {
            let pauses = vec![paused(of_post("a"), None)];
            let world =
                World { desired: vec![desired], recorded: vec![recorded], pauses, ..World::default() };
            assert_eq!(world.lines(), ["a Wait paused"], "{shown}");
        }
    }
    let (mut moved, recorded) = editable(desired("a", "new"), recorded("a", "old", State::Published));
    moved.revision = 2;
    assert_eq!(one(moved.clone(), Some(recorded.clone())), "a Publish revision");
    moved.revision = 1;
    moved.payload.as_mut().expect("a payload").fixed = Some(digest("something else"));
    assert_eq!(one(moved.clone(), Some(recorded.clone())), "a Diverged diverged");
    // An edit that has begun is finished before that is told.
    let editing = Publication { state: State::Editing, amendment: to("newer"), ..recorded };
    assert_eq!(one(moved, Some(editing)), "a Continue editing");
}

#[test]
fn a_tombstone_deletes_what_is_live_where_the_platform_can_and_the_run_allows_it() {
    for (state, amendment, refused, allowed) in [
        (State::Published, None, "a Refuse delete-not-allowed", "a Delete deleted"),
        (State::Published, Some(Amendment::Delete), "a Failed delete-refused", "a Failed delete-refused"),
        (State::Partial, None, "a Refuse delete-not-allowed", "a Delete deleted"),
        (State::Editing, None, "a Refuse delete-not-allowed", "a Delete deleted"),
        // It was allowed when it began.
        (State::Deleting, None, "a Continue deleting", "a Continue deleting"),
        (State::Deleted, None, "a Unchanged deleted", "a Unchanged deleted"),
        (State::Held, None, "a Hold held", "a Hold held"),
        (State::Unresolved, None, "a Continue deleted", "a Continue deleted"),
        (State::Delivered, None, "a Undeletable delete-unsupported", "a Undeletable delete-unsupported"),
    ] {
        let tombstone =
            Desired { state: DesiredState::Deleted, payload: None, can_delete: true, ..desired("a", "") };
        let recorded = Publication { amendment, ..recorded("a", "x", state) };
        let mut world = World { desired: vec![tombstone], recorded: vec![recorded], ..World::default() };
        assert_eq!(world.lines(), [refused], "{state}");
        world.overrides.allow_delete = true;
        assert_eq!(world.lines(), [allowed], "{state}");
        world.pauses = vec![paused(of_post("a"), None)];
        if allowed.contains("Delete ") || allowed.contains("deleting") {
            assert_eq!(world.lines(), ["a Wait paused"], "{state}");
        }
    }
}

#[test]
fn nothing_is_sent_for_what_was_adopted_whatever_is_recorded() {
    let live = Desired { state: DesiredState::Adopted, payload: None, can_delete: true, ..desired("a", "") };
    assert_eq!(one(live.clone(), None), "a Skip adopted");
    for state in State::ALL {
        let expected = match state {
            State::Published => "a Unchanged adopted",
            State::Delivered => "a Unchanged delivered",
            State::Deleted => "a Skip deleted",
            State::Planned | State::Failed | State::Staging | State::Staged => "a Skip adopted",
            // What the platform may have is asked for, and no more.
            State::Publishing | State::Accepted | State::Unresolved => "a Continue adopted",
            State::Partial | State::Editing | State::Deleting => "a Hold adopted",
            State::Held => "a Hold held",
        };
        // A higher revision is no way round it.
        for revision in [1, 2] {
            let live = Desired { revision, ..live.clone() };
            assert_eq!(one(live, Some(recorded("a", "x", state))), expected, "{state}");
        }
    }
    // Nor do many of them, or two that say the same, stop what is new.
    let many = (0..300).map(|n| Desired { post: format!("p{n}").parse().expect("id"), ..live.clone() });
    let world = World { desired: many.chain([desired("new", "y")]).collect(), ..World::default() };
    assert_eq!(world.lines().iter().filter(|line| *line == "new Publish new").count(), 1);
    assert_eq!(world.lines().iter().filter(|line| line.contains("Skip adopted")).count(), 300);
}

#[test]
fn what_was_deleted_is_published_again_by_a_higher_revision_only_and_blocks_nobody() {
    let gone = recorded("a", "x", State::Deleted);
    let again = Desired { revision: 2, ..desired("a", "x") };
    assert_eq!(one(again, Some(gone.clone())), "a Publish revision");
    assert_eq!(one(desired("b", "x"), Some(gone)), "b Publish new; a Orphaned manifest-removed");
}

#[test]
fn only_a_higher_revision_publishes_again() {
    let again = Desired { revision: 2, ..desired("a", "new") };
    assert_eq!(one(again.clone(), Some(recorded("a", "old", State::Published))), "a Publish revision");
    assert_eq!(one(again.clone(), Some(recorded("a", "new", State::Delivered))), "a Publish revision");
    let known = Publication { revision: 2, ..recorded("a", "new", State::Published) };
    assert_eq!(one(again, Some(known)), "a Unchanged published");
}

#[test]
fn what_a_person_gave_up_is_not_sent_again_by_an_edit() {
    let abandoned = Publication {
        reason: Some(Reason::new(crate::domain::publication::ABANDONED, "left")),
        ..recorded("a", "old", State::Failed)
    };
    assert_eq!(one(desired("a", "old"), Some(abandoned.clone())), "a Skip abandoned");
    assert_eq!(one(desired("a", "new"), Some(abandoned.clone())), "a Skip abandoned");
    assert_eq!(
        one(desired("b", "old"), Some(abandoned.clone())),
        "b Refuse duplicate-content; a Orphaned manifest-removed"
    );
    let again = Desired { revision: 2, ..desired("a", "new") };
    assert_eq!(one(again, Some(abandoned)), "a Publish changed");
}

#[test]
fn a_removed_manifest_changes_nothing() {
    for (state, expected) in [
        (State::Published, "a Orphaned manifest-removed"),
        (State::Staging, "a Orphaned manifest-removed"),
        (State::Held, "a Orphaned manifest-removed"),
        (State::Unresolved, "a Continue manifest-removed"),
        (State::Accepted, "a Continue manifest-removed"),
        (State::Editing, "a Continue manifest-removed"),
        (State::Deleting, "a Continue manifest-removed"),
        // The rest of a thread is not published for nobody.
        (State::Partial, "a Orphaned manifest-removed"),
    ] {
        let mut world = World { recorded: vec![recorded("a", "x", state)], ..World::default() };
        assert_eq!(world.lines(), [expected]);
        world.incomplete = true;
        // What the platform may have is found out about in any case.
        let action = expected.split(' ').nth(1).filter(|action| *action == "Continue").unwrap_or("Unchanged");
        assert_eq!(world.lines(), [format!("a {action} scan-incomplete")]);
        world.broken.insert("a".parse().expect("id"));
        assert_eq!(world.lines(), [format!("a {action} manifest-broken")]);
    }
}

#[test]
fn what_has_begun_keeps_to_its_time_too() {
    for (state, reason) in
        [(State::Staging, "resume"), (State::Staged, "resume"), (State::Partial, "partial")]
    {
        let on = format!("a Continue {reason}");
        for (due, expected) in [
            (hours(1), "a Wait scheduled"),
            (hours(-1), on.as_str()),
            // It began in time, so that it is late is no surprise.
            (hours(-3), on.as_str()),
            (hours(-24 * 7 - 1), "a Refuse too-old"),
        ] {
            let desired = Desired { publish_at: Some(due), ..desired("a", "x") };
            assert_eq!(one(desired, Some(recorded("a", "x", state))), expected, "{state} {due}");
        }
    }
    // What may be public already is found out about whatever the time.
    let desired = Desired { publish_at: Some(hours(1)), ..desired("a", "x") };
    assert_eq!(one(desired, Some(recorded("a", "x", State::Unresolved))), "a Continue unresolved");
}

#[test]
fn what_has_begun_keeps_the_same_content_from_another_post() {
    let mut world = World {
        desired: vec![desired("a", "x"), desired("b", "x")],
        recorded: vec![recorded("b", "x", State::Staging)],
        ..World::default()
    };
    assert_eq!(world.lines(), ["a Refuse duplicate-content", "b Continue resume"]);
    // Renamed before anything was published: what the old id had begun stands in nobody's way.
    world.desired.pop();
    assert_eq!(world.lines(), ["a Publish new", "b Orphaned manifest-removed"]);
}

#[test]
fn a_tombstone_deletes_nothing_that_was_never_published() {
    let tombstone = Desired { state: DesiredState::Deleted, payload: None, ..desired("a", "x") };
    assert_eq!(one(tombstone.clone(), None), "a Skip deleted");
    for (state, expected) in [
        (State::Staged, "a Skip deleted"),
        (State::Failed, "a Skip deleted"),
        (State::Unresolved, "a Continue deleted"),
        (State::Held, "a Hold held"),
        (State::Published, "a Undeletable delete-unsupported"),
    ] {
        assert_eq!(one(tombstone.clone(), Some(recorded("a", "x", state))), expected, "{state}");
    }
}

#[test]
fn what_is_to_be_published_again_is_late_by_its_new_time() {
    for (state, again, revision, expected) in [
        (State::Planned, None, 1, "a Refuse too-old"),
        (State::Planned, Some(0), 1, "a Publish again"),
        (State::Planned, Some(-1), 1, "a Publish again"),
        (State::Planned, Some(-3), 1, "a Refuse late"),
        (State::Planned, Some(-7 * 24 - 1), 1, "a Refuse too-old"),
        // Whoever raises the revision says a time as well.
        (State::Planned, Some(0), 2, "a Refuse too-old"),
        (State::Staging, Some(-3), 1, "a Continue resume"),
        (State::Staged, None, 1, "a Refuse too-old"),
    ] {
        let due_again = again.map(hours);
        let before = Publication { due_again, ..recorded("a", "x", state) };
        let wanted = Desired { publish_at: Some(hours(-24 * 30)), revision, ..desired("a", "x") };
        assert_eq!(one(wanted, Some(before)), expected, "{state} {again:?} {revision}");
    }
}

#[test]
fn time_decides_what_is_due_late_and_too_old() {
    let at = |hours_from_now| Desired { publish_at: Some(hours(hours_from_now)), ..desired("a", "x") };
    let late = |then, overrides| {
        let policy = Policy { late_then: then, ..Policy::default() };
        let world = World { desired: vec![at(-3)], policy, overrides, ..World::default() };
        world.lines().join("; ")
    };
    assert_eq!(one(at(1), None), "a Wait scheduled");
    assert_eq!(one(at(0), None), "a Publish new");
    assert_eq!(one(at(-2), None), "a Publish new");
    assert_eq!(one(at(-3), None), "a Refuse late");
    assert_eq!(late(Late::Publish, Overrides::default()), "a Publish new");
    assert_eq!(late(Late::Skip, Overrides::default()), "a Skip late");
    assert_eq!(late(Late::Ask, Overrides { publish_late: true, ..Overrides::default() }), "a Publish new");
    assert_eq!(one(at(-7 * 24), None), "a Refuse late");
    assert_eq!(one(at(-7 * 24 - 1), None), "a Refuse too-old");
    let overrides = Overrides { publish_late: true, ignore_max_age: true, ..Overrides::default() };
    let world = World { desired: vec![at(-1000)], overrides, ..World::default() };
    assert_eq!(world.lines(), ["a Publish new"]);
}

#[test]
fn what_may_be_staged_ahead_begins_before_its_time() {
    let policy = Policy { stage_ahead: SignedDuration::from_mins(30), ..Policy::default() };
    let at = |minutes| now() + SignedDuration::from_mins(minutes);
    for (minutes, state, expected) in [
        (31, None, "a Wait scheduled"),
        (30, None, "a Publish new"),
        (29, Some(State::Staging), "a Continue resume"),
        (1, Some(State::Staged), "a Continue resume"),
        (31, Some(State::Staged), "a Wait scheduled"),
        (0, Some(State::Staged), "a Continue resume"),
    ] {
        let desired = vec![Desired { publish_at: Some(at(minutes)), ..desired("a", "x") }];
        let recorded = state.map(|state| recorded("a", "x", state)).into_iter().collect();
        let world = World { desired, recorded, policy, ..World::default() };
        assert_eq!(world.lines(), [expected], "{minutes} {state:?}");
        let next_at = world.plan().changes[0].next_at;
        assert_eq!(next_at.is_some(), minutes > 0 && !expected.contains("Continue"), "{minutes}");
    }
}

/// From `from` to `to` hours after now.
fn quiet(from: i64, to: i64) -> Option<QuietHours> {
    let time = |hour| hours(hour).to_zoned(TimeZone::UTC).time();
    Some(QuietHours { from: time(from), to: time(to), zone: TimeZone::UTC })
}

#[test]
fn what_falls_into_quiet_hours_waits_for_their_end() {
    let at = |due: Option<i64>, quiet| Desired { publish_at: due.map(hours), quiet, ..desired("a", "x") };
    for (due, quiet, state, expected, next_at) in [
        // Before, within and after those of today.
        (Some(1), quiet(2, 8), None, "a Wait scheduled", Some(1)),
        (Some(2), quiet(2, 8), None, "a Wait quiet", Some(8)),
        (Some(7), quiet(2, 8), None, "a Wait quiet", Some(8)),
        (Some(8), quiet(2, 8), None, "a Wait scheduled", Some(8)),
        // It is quiet.
        (None, quiet(-1, 3), None, "a Wait quiet", Some(3)),
        (Some(0), quiet(-1, 3), None, "a Wait quiet", Some(3)),
        (None, quiet(0, 3), Some(State::Staging), "a Wait quiet", Some(3)),
        (None, quiet(0, 3), Some(State::Staged), "a Wait quiet", Some(3)),
        (None, quiet(-3, 0), None, "a Publish new", None),
        // What may be public, and a thread of which some is, go on.
        (None, quiet(-1, 3), Some(State::Partial), "a Continue partial", None),
        (None, quiet(-1, 3), Some(State::Unresolved), "a Continue unresolved", None),
        // In time when they began is in time; too late then is too late, and told at once.
        (Some(-2), quiet(-1, 3), None, "a Wait quiet", Some(3)),
        (Some(-4), quiet(-1, 3), None, "a Refuse late", None),
        (Some(-10), quiet(-9, 0), None, "a Publish new", None),
        (Some(-10), quiet(-9, -3), None, "a Refuse late", None),
        (Some(-12), quiet(-9, -1), None, "a Refuse late", None),
        (Some(-8), quiet(-9, -1), None, "a Publish new", None),
    ] {
        let desired = at(due, quiet);
        let recorded: Vec<_> = state.map(|state| recorded("a", "x", state)).into_iter().collect();
        let world = World { desired: vec![desired.clone()], recorded, ..World::default() };
        let what = format!("{due:?} {:?} {state:?}", desired.quiet);
        assert_eq!(world.lines(), [expected], "{what}");
        assert_eq!(world.plan().changes[0].next_at, next_at.map(hours), "{what}");
    }
    let policy = Policy { stage_ahead: SignedDuration::from_mins(30), ..Policy::default() };
    let ends_soon = Some(QuietHours {
        to: (now() + SignedDuration::from_mins(20)).to_zoned(TimeZone::UTC).time(),
        ..quiet(-1, 1).expect("hours")
    });
    let world = World { desired: vec![at(None, ends_soon)], policy, ..World::default() };
    assert_eq!(world.lines(), ["a Publish new"], "staged in quiet hours, for their end");
    assert_eq!(world.plan().changes[0].next_at, Some(now() + SignedDuration::from_mins(20)));
}

fn paused(scope: Scope, hours_from_now: Option<i64>) -> Pause {
    let until = hours_from_now.map(hours);
    Pause { scope, why: "legal looks at it".into(), until, by: "ann".into(), at: now() }
}

fn of_post(post: &str) -> Scope {
    Scope::Post { post: post.parse().expect("id") }
}

#[test]
fn a_pause_stops_what_would_be_sent_and_not_the_finding_out() {
    for (state, expected) in [
        (State::Planned, "a Wait paused"),
        (State::Staging, "a Wait paused"),
        (State::Staged, "a Wait paused"),
        (State::Publishing, "a Continue unresolved"),
        (State::Unresolved, "a Continue unresolved"),
        (State::Accepted, "a Continue processing"),
        (State::Published, "a Unchanged published"),
        (State::Delivered, "a Unchanged delivered"),
        (State::Failed, "a Failed failed"),
        (State::Held, "a Hold held"),
    ] {
        for content in ["x", "changed"] {
            let expected = match (content, state) {
                ("changed", State::Published | State::Delivered) => "a Diverged diverged",
                ("changed", State::Failed) => "a Wait paused",
                _ => expected,
            };
            let world = World {
                desired: vec![desired("a", content)],
                recorded: vec![recorded("a", "x", state)],
                pauses: vec![paused(of_post("a"), None)],
                ..World::default()
            };
            assert_eq!(world.lines(), [expected], "{state} {content}");
        }
    }
}

#[test]
fn a_pause_holds_what_it_covers_until_its_end_and_says_who_and_why() {
    let at = |post, h| Desired { publish_at: Some(hours(h)), ..desired(post, post) };
    let mut world = World {
        desired: vec![
            desired("now", "now"),
            at("soon", 1),
            at("later", 9),
            at("old", -100),
            desired("b", "b"),
        ],
        pauses: ["now", "soon", "later", "old"].map(|post| paused(of_post(post), Some(5))).to_vec(),
        ..World::default()
    };
    let plan = world.plan();
    let found: Vec<_> =
        plan.changes.iter().map(|c| (c.post.as_str(), c.action, c.reason.as_str(), c.next_at)).collect();
    assert_eq!(
        found,
        [
            ("b", Action::Publish, "new", None),
            ("now", Action::Wait, "paused", Some(hours(5))),
            ("old", Action::Wait, "paused", Some(hours(5))),
            ("soon", Action::Wait, "paused", Some(hours(5))),
            ("later", Action::Wait, "paused", Some(hours(9))),
        ]
    );
    assert!(plan.changes[1].message.contains("ann") && plan.changes[1].message.contains("legal looks at it"));
    world.pauses = vec![paused(of_post("now"), Some(0)), paused(of_post("b"), Some(-1))];
    assert_eq!(world.plan().acting().count(), 2, "a pause that is over is none");
    world.pauses = vec![paused(Scope::Account { account: "acme".parse().expect("name") }, None)];
    assert_eq!(world.plan().acting().count(), 0);
    world.pauses = vec![paused(Scope::Account { account: "other".parse().expect("name") }, None)];
    assert_eq!(world.plan().acting().count(), 2);
    world.pauses = vec![paused(Scope::Platform { platform: PlatformId::Tiktok }, None)];
    assert_eq!(world.plan().acting().count(), 0);
}

#[test]
fn the_same_content_does_not_go_to_an_account_twice() {
    let mut world = World { desired: vec![desired("a", "x"), desired("b", "x")], ..World::default() };
    assert_eq!(world.lines(), ["a Publish new", "b Refuse duplicate-content"]);
    world.recorded = vec![recorded("gone", "x", State::Published)];
    assert_eq!(
        world.lines(),
        ["a Refuse duplicate-content", "b Refuse duplicate-content", "gone Orphaned manifest-removed"]
    );
    world.recorded = vec![recorded("gone", "x", State::Failed)];
    assert_eq!(world.lines()[..2], ["a Publish new", "b Refuse duplicate-content"]);
    world.overrides.allow_duplicates = true;
    assert_eq!(world.lines()[..2], ["a Publish new", "b Publish new"]);
    world.overrides.allow_duplicates = false;
    world.desired[1].account = "other".parse().expect("name");
    assert_eq!(world.lines()[..2], ["a Publish new", "b Publish new"]);
}

#[test]
fn too_many_new_posts_stop_all_new_posts_of_the_account() {
    let mut world = World {
        desired: (0..11).map(|n| desired(&format!("p{n:02}"), &n.to_string())).collect(),
        ..World::default()
    };
    world.recorded = vec![recorded("p00", "0", State::Staging)];
    assert_eq!(world.plan().acting().count(), 11);
    world.recorded.clear();
    let plan = world.plan();
    assert_eq!(plan.acting().count(), 0);
    assert!(plan.changes.iter().all(|c| c.reason == "max-new-posts"));
    assert!(
        plan.changes[0].message.contains("11") && plan.changes[0].message.contains("policy.max_new_posts")
    );
    world.overrides.max_new_posts = Some(11);
    assert_eq!(world.plan().acting().count(), 11);
}

#[test]
fn a_cap_moves_posts_to_the_next_free_slot() {
    let mut world =
        World { desired: ["a", "b", "c", "d"].map(|p| desired(p, p)).to_vec(), ..World::default() };
    let account: AccountName = "acme".parse().expect("name");
    world.caps.insert(account.clone(), vec![CAP]);
    world.spent = vec![Spent { account, counts: Counts::Posts, at: hours(-20) }];
    let at = |c: &Planned| c.next_at.map(|at| at.duration_since(now()).as_hours());
    let slots: Vec<_> = world.plan().changes.iter().map(|c| (c.action, at(c))).collect();
    assert_eq!(
        slots,
        [
            (Action::Publish, None),
            (Action::Wait, Some(4)),
            (Action::Wait, Some(24)),
            (Action::Wait, Some(28))
        ]
    );
    world.spent[0].counts = Counts::Drafts;
    assert_eq!(world.plan().acting().count(), 2);
}

#[test]
fn due_posts_go_in_the_order_of_their_times() {
    let at = |post, h| Desired { publish_at: Some(hours(h)), ..desired(post, post) };
    let world = World {
        desired: vec![at("late", 2), at("b", -1), at("a", -1), desired("now", "now")],
        ..World::default()
    };
    assert_eq!(world.lines(), ["now Publish new", "a Publish new", "b Publish new", "late Wait scheduled"]);
}

#[test]
fn the_digest_covers_actions_and_nothing_else() {
    let world = |content: &str| World { desired: vec![desired("a", content)], ..World::default() };
    let first = world("x").plan().digest();
    assert_eq!(first, world("x").plan().digest());
    assert_ne!(first, world("y").plan().digest());
    let mut waiting = world("x");
    waiting.desired.push(Desired { publish_at: Some(hours(5)), ..desired("b", "b") });
    assert_eq!(first, waiting.plan().digest());
}

#[test]
fn a_plan_holds_while_nothing_in_it_depends_on_the_time() {
    let mut world = World { recorded: vec![recorded("a", "a", State::Published)], ..World::default() };
    world.desired = vec![desired("a", "a")];
    assert_eq!(world.plan().holds_until(), Some(Timestamp::MAX));
    for due in [7, 5] {
        let name = format!("at-{due}");
        world.desired.push(Desired { publish_at: Some(hours(due)), ..desired(&name, &name) });
        assert_eq!(world.plan().holds_until(), Some(hours(due)));
    }
    assert_eq!(world.plan_at(hours(5)).holds_until(), None);
    for late_then in [Late::Skip, Late::Ask] {
        world.policy.late_then = late_then;
        assert_eq!(world.plan_at(hours(20)).holds_until(), None, "{late_then:?}");
    }
}

fn any_desired() -> impl Strategy<Value = Desired> {
    ("[a-e]", "[x-z]", 1..3u32, prop::option::of(-300..50i64), any::<bool>()).prop_map(
        |(post, content, revision, at, deleted)| {
            let mut desired = Desired { revision, publish_at: at.map(hours), ..desired(&post, &content) };
            if deleted {
                desired.state = DesiredState::Deleted;
                desired.payload = None;
            }
            desired
        },
    )
}

fn any_recorded() -> impl Strategy<Value = Publication> {
    ("[a-g]", "[x-z]", 0..State::ALL.len(), 1..3u32).prop_map(|(post, content, state, revision)| {
        Publication { revision, ..recorded(&post, &content, State::ALL[state]) }
    })
}

fn unique<T, K: Ord>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let by_key: BTreeMap<K, T> = items.into_iter().map(|item| (key(&item), item)).collect();
    by_key.into_values().collect()
}

proptest! {
    #[test]
    fn whatever_the_input_a_plan_is_total_pure_and_never_sends_what_may_be_public(
        desired in prop::collection::vec(any_desired(), 0..8),
        recorded in prop::collection::vec(any_recorded(), 0..8),
    ) {
        let world = World {
            desired: unique(desired, |d| d.post.clone()),
            recorded: unique(recorded, |p| p.post.clone()),
            ..World::default()
        };
        let plan = world.plan();
        let again = World { desired: world.desired.iter().rev().cloned().collect(), ..World::default() };
        let again = World { recorded: world.recorded.iter().rev().cloned().collect(), ..again };
        prop_assert_eq!(&plan, &again.plan(), "the order of inputs makes no difference");
        let mut posts: Vec<_> = plan.changes.iter().map(|c| &c.post).collect();
        posts.sort();
        let mut all: Vec<_> = world.desired.iter().map(|d| &d.post).chain(world.recorded.iter().map(|p| &p.post)).collect();
        all.sort();
        all.dedup();
        prop_assert_eq!(posts, all, "everything is in the plan exactly once");
        if let Some(until) = plan.holds_until() {
            let last = until.min(hours(1_000)) - SignedDuration::from_nanos(1);
            prop_assert_eq!(&plan, &world.plan_at(last), "it holds until {}", until);
        }
        for change in &plan.changes {
            let before = world.recorded.iter().find(|p| p.post == change.post);
            let begins = matches!(change.action, Action::Publish | Action::Replace);
            if let Some(before) = before.filter(|p| begins && p.state.is_beyond_recall()) {
                prop_assert!(before.state.is_success() && change.revision > before.revision, "{change:?}");
            }
        }
    }
}

#[test]
fn durations_are_told_in_their_two_largest_units() {
    for (seconds, told) in
        [(0, "0s"), (59, "59s"), (5_400, "1h 30m"), (264_603, "3d 1h"), (172_800, "2d"), (86_401, "1d")]
    {
        assert_eq!(rounded(SignedDuration::from_secs(seconds)), told);
    }
}

#[test]
fn a_reviewed_change_stands_for_itself() {
    let of = |desired: &[Desired], recorded: &[Publication]| {
        let (desired, recorded) = (desired.to_vec(), recorded.to_vec());
        World { desired, recorded, ..World::default() }.plan()
    };
    let reviewed = of(&[desired("one", "a"), desired("two", "b")], &[]);
    // What came since is not done, and hinders nothing.
    let mut now = of(&[desired("one", "a"), desired("two", "b"), desired("three", "c")], &[]);
    now.narrow(&reviewed).expect("both are as they were");
    assert_eq!(now.acting().map(|c| c.post.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(now.digest(), reviewed.digest());
    for (mut now, why) in [
        (of(&[desired("one", "a")], &[]), "two on acme: the plan says publish, and now it is not there"),
        (of(&[desired("one", "a"), desired("two", "c")], &[]), "now it is of other content"),
        (
            of(&[desired("one", "a"), desired("two", "b")], &[recorded("two", "b", State::Published)]),
            "now it is unchanged (published)",
        ),
    ] {
        let stale = now.narrow(&reviewed).expect_err(why);
        assert!(stale.to_string().contains(why), "{stale}");
    }
}
