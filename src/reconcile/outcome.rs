//! What a step's result means for the publication: the error policy, in one place and pure.
//!
//! Every kind of error is named in every arm: a new kind must be decided here before the crate compiles.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::publication::{Change, Checkpoint, Publication, Reason, State};
use crate::domain::retry::{ErrorKind, SENDS_MAX, TRIES_MAX, backoff};
use crate::platform::{Deleted, Edited, Error, Observation, Sent, Staged};

/// The first look after a publish request that nobody answered.
pub const FIRST_LOOK_AFTER: Duration = Duration::from_secs(1);

/// Looks at what nobody answered that lead nowhere, in all processes together, before a person must decide. Many more
/// than one process needs for the longest grace: it is for runs that are given too little time to see one through.
pub const LOOKS_MAX: u32 = 100;

/// What to record, and whether the account's access token was turned down.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub changes: Vec<Change>,
    pub unauthorized: bool,
}

impl Outcome {
    fn of(changes: Vec<Change>) -> Outcome {
        Outcome { changes, unauthorized: false }
    }
}

/// Now, and a random number for the jitter.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: Timestamp,
    pub random: u32,
}

impl Moment {
    fn after(&self, wait: Duration) -> Timestamp {
        self.now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    fn backoff(&self, publication: &Publication, error: &Error) -> Timestamp {
        self.after(backoff(publication.tries, error.retry_after, self.random))
    }

    fn delayed(&self, publication: &Publication, error: &Error) -> Change {
        Change::Delayed {
            kind: error.kind,
            reason: error.reason(),
            next_at: self.backoff(publication, error),
        }
    }
}

/// A step of staging: nothing is public whatever happened.
pub fn after_stage(publication: &Publication, result: Result<Staged, Error>, moment: Moment) -> Outcome {
    let error = match result {
        Ok(Staged::More(checkpoint)) => {
            return Outcome::of(vec![Change::Stepped { checkpoint, next_at: None }]);
        }
        Ok(Staged::Wait(checkpoint, wait)) => {
            return Outcome::of(vec![Change::Stepped { checkpoint, next_at: Some(moment.after(wait)) }]);
        }
        Ok(Staged::Ready(checkpoint)) => return Outcome::of(vec![Change::Staged { checkpoint }]),
        Err(error) => error,
    };
    match error.kind {
        ErrorKind::Auth => unauthorized(Vec::new()),
        ErrorKind::Permission | ErrorKind::Rejected => refused(&error),
        ErrorKind::Protocol if publication.tries >= TRIES_MAX => refused(&error),
        ErrorKind::RateLimited | ErrorKind::Transient | ErrorKind::Ambiguous | ErrorKind::Protocol => {
            Outcome::of(vec![moment.delayed(publication, &error)])
        }
        ErrorKind::Local => Outcome::of(vec![Change::Superseded { reason: error.reason() }]),
    }
}

/// The one request that may make it public. `checkpoint` is the one it left with.
pub fn after_publish(
    publication: &Publication,
    checkpoint: Checkpoint,
    result: Result<Sent, Error>,
    moment: Moment,
) -> Outcome {
    let error = match result {
        Ok(Sent::Accepted(checkpoint, wait)) => {
            return Outcome::of(vec![Change::Accepted { checkpoint, next_at: moment.after(wait) }]);
        }
        Ok(Sent::Published(remote, checkpoint)) => {
            return Outcome::of(vec![Change::Published { checkpoint, remote, next_at: None }]);
        }
        Ok(Sent::Partly(remote, checkpoint)) => {
            return Outcome::of(vec![Change::Advanced { checkpoint, remote }]);
        }
        Ok(Sent::Stale(_, reason)) if publication.is_partly_live() => return held(reason),
        Ok(Sent::Stale(checkpoint, reason)) => return Outcome::of(begin_anew(checkpoint, reason)),
        Err(error) => error,
    };
    let is_final = matches!(error.kind, ErrorKind::Permission | ErrorKind::Rejected | ErrorKind::Local);
    if is_final && publication.is_partly_live() {
        return held(error.reason());
    }
    let absent = |checkpoint| Change::Absent { checkpoint, reason: error.reason() };
    match error.kind {
        ErrorKind::Auth => unauthorized(vec![absent(Some(checkpoint))]),
        ErrorKind::Permission | ErrorKind::Rejected => refused(&error),
        ErrorKind::RateLimited | ErrorKind::Transient => {
            Outcome::of(vec![absent(Some(checkpoint)), moment.delayed(publication, &error)])
        }
        ErrorKind::Local => Outcome::of(vec![absent(None), Change::Superseded { reason: error.reason() }]),
        ErrorKind::Ambiguous | ErrorKind::Protocol => Outcome::of(vec![unanswered(error.reason(), moment)]),
    }
}

/// One step of an edit: the live post is there whatever happened.
pub fn after_edit(publication: &Publication, result: Result<Edited, Error>, moment: Moment) -> Outcome {
    match result {
        Ok(Edited::More(checkpoint)) => Outcome::of(vec![Change::Stepped { checkpoint, next_at: None }]),
        Ok(Edited::Wait(checkpoint, wait)) => {
            Outcome::of(vec![Change::Stepped { checkpoint, next_at: Some(moment.after(wait)) }])
        }
        Ok(Edited::Done(remote, checkpoint)) => Outcome::of(vec![Change::Edited { checkpoint, remote }]),
        Err(error) => not_amended(publication, &error, moment),
    }
}

/// One step of a deletion.
pub fn after_delete(publication: &Publication, result: Result<Deleted, Error>, moment: Moment) -> Outcome {
    match result {
        Ok(Deleted::More(checkpoint)) => Outcome::of(vec![Change::Stepped { checkpoint, next_at: None }]),
        Ok(Deleted::Done) => Outcome::of(vec![Change::Deleted]),
        Err(error) => not_amended(publication, &error, moment),
    }
}

fn not_amended(publication: &Publication, error: &Error, moment: Moment) -> Outcome {
    let turned_down = || Outcome::of(vec![Change::TurnedDown { reason: error.reason() }]);
    match error.kind {
        ErrorKind::Auth => unauthorized(Vec::new()),
        ErrorKind::Permission | ErrorKind::Rejected | ErrorKind::Local => turned_down(),
        ErrorKind::Protocol if publication.tries >= TRIES_MAX => turned_down(),
        ErrorKind::RateLimited | ErrorKind::Transient | ErrorKind::Ambiguous | ErrorKind::Protocol => {
            Outcome::of(vec![moment.delayed(publication, error)])
        }
    }
}

/// What was asked for by an earlier version, and this one has no way to do.
pub fn unsupported(operation: &'static str) -> Error {
    Error::new(operation, ErrorKind::Rejected, "unsupported", "this platform offers no way to do it")
}

/// Provably nothing happened, and nothing that was staged is left; what was tried is remembered.
fn begin_anew(checkpoint: Checkpoint, reason: Reason) -> Vec<Change> {
    vec![Change::Absent { checkpoint: None, reason }, Change::Stepped { checkpoint, next_at: None }]
}

/// A publish request that nobody answered.
pub fn unanswered(reason: Reason, moment: Moment) -> Change {
    Change::Unanswered { reason, next_at: moment.after(FIRST_LOOK_AFTER) }
}

/// A look at the platform. An error here says nothing about the post.
pub fn after_observe(
    publication: &Publication,
    result: Result<Observation, Error>,
    moment: Moment,
) -> Outcome {
    match result {
        Ok(Observation::Lost(_, reason)) if publication.is_partly_live() => held(reason),
        Ok(Observation::Lost(checkpoint, reason)) if !publication.state.is_success() => {
            Outcome::of(begin_anew(checkpoint, reason))
        }
        Ok(observation) => Outcome::of(vec![observed(publication, observation, moment)]),
        Err(error) => match error.kind {
            ErrorKind::Auth => unauthorized(Vec::new()),
            ErrorKind::Permission | ErrorKind::Rejected if gives_up(publication) => {
                Outcome::of(vec![Change::Held { reason: error.reason() }])
            }
            ErrorKind::Permission
            | ErrorKind::Rejected
            | ErrorKind::RateLimited
            | ErrorKind::Transient
            | ErrorKind::Ambiguous
            | ErrorKind::Protocol
            | ErrorKind::Local => Outcome::of(vec![moment.delayed(publication, &error)]),
        },
    }
}

fn observed(publication: &Publication, observation: Observation, moment: Moment) -> Change {
    let settled = publication.state.is_success();
    let again = |wait: Option<Duration>| wait.map(|wait| moment.after(wait));
    let looked = |checkpoint, wait| Change::Looked {
        checkpoint,
        remote: publication.remote.clone(),
        next_at: again(wait),
    };
    match observation {
        Observation::Published { remote, checkpoint, again: wait }
            if publication.state == State::Published =>
        {
            Change::Looked { checkpoint, remote, next_at: again(wait) }
        }
        Observation::Published { remote, checkpoint, again: wait } => {
            Change::Published { checkpoint, remote, next_at: again(wait) }
        }
        Observation::Partly(_, _) if settled => looked(None, None),
        Observation::Partly(remote, checkpoint) => Change::Advanced { checkpoint, remote },
        Observation::Delivered { checkpoint, again: wait } if settled => looked(checkpoint, wait),
        Observation::Delivered { checkpoint, again: wait } => {
            Change::Delivered { checkpoint, next_at: again(wait) }
        }
        // What is published stays so, whatever a later look shows.
        Observation::Working(_, wait) | Observation::Unknown(wait) if settled => looked(None, Some(wait)),
        Observation::Absent(..)
        | Observation::Lost(..)
        | Observation::Rejected(_)
        | Observation::CannotTell(_)
            if settled =>
        {
            looked(None, None)
        }
        Observation::Working(checkpoint, wait) => {
            Change::Accepted { checkpoint, next_at: moment.after(wait) }
        }
        Observation::Unknown(_)
            if publication.state == State::Unresolved && publication.tries >= LOOKS_MAX =>
        {
            Change::Held { reason: Reason::new("not-known", "many looks did not show what became of it") }
        }
        Observation::Unknown(wait) => Change::Delayed {
            kind: ErrorKind::Ambiguous,
            reason: publication.reason.clone().unwrap_or_else(|| Reason::new("unknown", "not known yet")),
            next_at: moment.after(wait),
        },
        Observation::Absent(_, reason) if publication.sends >= SENDS_MAX => Change::Held {
            reason: Reason::new(
                "not-taken",
                format!("sent {} times, and never there: {}", publication.sends, reason.message),
            ),
        },
        Observation::Absent(None, reason) | Observation::Rejected(reason) if publication.is_partly_live() => {
            Change::Held { reason }
        }
        Observation::Absent(checkpoint, reason) => Change::Absent { checkpoint, reason },
        Observation::Lost(_, reason) => Change::Absent { checkpoint: None, reason },
        Observation::Rejected(reason) => Change::Refused { reason },
        Observation::CannotTell(reason)
            if publication.state == State::Unresolved || gives_up(publication) =>
        {
            Change::Held { reason }
        }
        Observation::CannotTell(reason) => Change::Delayed {
            kind: ErrorKind::Ambiguous,
            reason,
            next_at: moment.after(backoff(publication.tries, None, moment.random)),
        },
    }
}

/// Whether looking has led nowhere so often that a person must decide.
fn gives_up(publication: &Publication) -> bool {
    matches!(publication.state, State::Unresolved | State::Accepted) && publication.tries >= TRIES_MAX
}

fn refused(error: &Error) -> Outcome {
    Outcome::of(vec![Change::Refused { reason: error.reason() }])
}

fn held(reason: Reason) -> Outcome {
    Outcome::of(vec![Change::Held { reason }])
}

fn unauthorized(changes: Vec<Change>) -> Outcome {
    Outcome { changes, unauthorized: true }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::publication::Remote;

    const KINDS: [ErrorKind; 8] = [
        ErrorKind::Auth,
        ErrorKind::Permission,
        ErrorKind::RateLimited,
        ErrorKind::Rejected,
        ErrorKind::Transient,
        ErrorKind::Ambiguous,
        ErrorKind::Protocol,
        ErrorKind::Local,
    ];

    fn publication(state: State) -> Publication {
        Publication {
            post: "p".parse().expect("id"),
            account: "a".parse().expect("name"),
            platform: crate::domain::ids::PlatformId::Tiktok,
            state,
            digest: crate::domain::ids::ContentDigest::of(b""),
            revision: 1,
            attempts: 1,
            tries: 0,
            sends: 0,
            remote: Remote::default(),
            reason: None,
            next_at: None,
            intended_at: None,
            updated_at: Timestamp::UNIX_EPOCH,
            path: String::new(),
            fixed: None,
            due_again: None,
            amendment: None,
        }
    }

    fn moment() -> Moment {
        Moment { now: Timestamp::UNIX_EPOCH, random: u32::MAX }
    }

    fn error(kind: ErrorKind) -> Error {
        Error::new("op", kind, "code", "message")
    }

    fn names(outcome: &Outcome) -> String {
        let names: Vec<_> = outcome.changes.iter().map(Change::name).collect();
        if outcome.unauthorized { format!("{} unauthorized", names.join(" ")) } else { names.join(" ") }
    }

    /// Every change an outcome asks for must be legal, in its order, from the state it was made for.
    fn lands_in(state: State, outcome: &Outcome) -> State {
        let mut now = publication(state);
        for change in &outcome.changes {
            let key = (&now.post.clone(), &now.account.clone());
            now = Publication::apply(Some(&now), key, change, Timestamp::UNIX_EPOCH).expect("legal").0;
        }
        now.state
    }

    #[test]
    fn an_error_while_staging_publishes_nothing_and_loses_nothing() {
        let expected =
            ["unauthorized", "refused", "delayed", "refused", "delayed", "delayed", "delayed", "superseded"];
        for (kind, expected) in KINDS.into_iter().zip(expected) {
            let outcome = after_stage(&publication(State::Staging), Err(error(kind)), moment());
            assert_eq!(names(&outcome).trim(), expected, "{kind:?}");
            let state = lands_in(State::Staging, &outcome);
            assert!(!state.is_beyond_recall(), "{kind:?} leads to {state}");
        }
    }

    #[test]
    fn only_a_clear_no_brings_a_publish_request_back() {
        let expected = [
            (ErrorKind::Auth, "absent unauthorized", State::Staged),
            (ErrorKind::Permission, "refused", State::Failed),
            (ErrorKind::RateLimited, "absent delayed", State::Staged),
            (ErrorKind::Rejected, "refused", State::Failed),
            (ErrorKind::Transient, "absent delayed", State::Staged),
            (ErrorKind::Ambiguous, "unanswered", State::Unresolved),
            (ErrorKind::Protocol, "unanswered", State::Unresolved),
            (ErrorKind::Local, "absent superseded", State::Planned),
        ];
        assert_eq!(expected.map(|(kind, ..)| kind), KINDS);
        for (kind, changes, state) in expected {
            let outcome =
                after_publish(&publication(State::Publishing), json!(1), Err(error(kind)), moment());
            assert_eq!(names(&outcome), changes, "{kind:?}");
            assert_eq!(lands_in(State::Publishing, &outcome), state, "{kind:?}");
        }
    }

    #[test]
    fn an_error_while_looking_says_nothing_about_the_post() {
        for state in [State::Accepted, State::Unresolved, State::Published, State::Delivered] {
            for kind in KINDS {
                let outcome = after_observe(&publication(state), Err(error(kind)), moment());
                assert_eq!(lands_in(state, &outcome), state, "{state} {kind:?}");
            }
        }
    }

    #[test]
    fn each_observation_leads_where_it_should_and_never_back_from_success() {
        use State::*;
        let wait = Duration::from_secs(1);
        let reason = || Reason::new("code", "message");
        let observations = || {
            [
                Observation::Published { remote: Remote::default(), checkpoint: None, again: None },
                Observation::Delivered { checkpoint: None, again: None },
                Observation::Working(json!(2), wait),
                Observation::Unknown(wait),
                Observation::Absent(Some(json!(3)), reason()),
                Observation::Lost(json!(3), reason()),
                Observation::Rejected(reason()),
                Observation::CannotTell(reason()),
                Observation::Partly(Remote::default(), json!(4)),
            ]
        };
        for (state, expected) in [
            (
                Unresolved,
                [Published, Delivered, Accepted, Unresolved, Staged, Staging, Failed, Held, Partial],
            ),
            (
                Accepted,
                [Published, Delivered, Accepted, Accepted, Staged, Staging, Failed, Accepted, Partial],
            ),
            (
                Delivered,
                [
                    Published, Delivered, Delivered, Delivered, Delivered, Delivered, Delivered, Delivered,
                    Delivered,
                ],
            ),
            (Published, [Published; 9]),
        ] {
            for (observation, expected) in observations().into_iter().zip(expected) {
                let shown = format!("{state} {observation:?}");
                let outcome = after_observe(&publication(state), Ok(observation), moment());
                assert_eq!(lands_in(state, &outcome), expected, "{shown}");
            }
        }
    }

    #[test]
    fn an_edit_or_a_deletion_is_repeated_until_it_is_answered_and_leaves_the_post_when_it_is_turned_down() {
        use State::*;
        let wait = Duration::from_secs(1);
        let states = [Editing, Published, Editing, Published, Editing, Editing, Editing, Published];
        for (kind, expected) in KINDS.into_iter().zip(states) {
            let edited = after_edit(&publication(Editing), Err(error(kind)), moment());
            assert_eq!(lands_in(Editing, &edited), expected, "{kind:?}");
            let deleted = after_delete(&publication(Deleting), Err(error(kind)), moment());
            let expected = if expected == Editing { Deleting } else { expected };
            assert_eq!(lands_in(Deleting, &deleted), expected, "{kind:?}");
            assert_eq!(edited.unauthorized, kind == ErrorKind::Auth);
        }
        for (result, expected) in [
            (Edited::More(json!(1)), Editing),
            (Edited::Wait(json!(1), wait), Editing),
            (Edited::Done(Remote::default(), None), Published),
        ] {
            let outcome = after_edit(&publication(Editing), Ok(result), moment());
            assert_eq!(lands_in(Editing, &outcome), expected);
        }
        use crate::platform::Deleted as Step;
        for (result, expected) in [(Step::More(json!(1)), Deleting), (Step::Done, Deleted)] {
            let outcome = after_delete(&publication(Deleting), Ok(result), moment());
            assert_eq!(lands_in(Deleting, &outcome), expected);
        }
        let tired = Publication { tries: TRIES_MAX, ..publication(Editing) };
        let outcome = after_edit(&tired, Err(error(ErrorKind::Protocol)), moment());
        assert_eq!(lands_in(Editing, &outcome), Published, "a reply that is never readable");
    }

    #[test]
    fn what_is_partly_live_is_held_wherever_it_cannot_go_on() {
        use State::*;
        let first = Remote { id: Some("7".into()), url: None };
        let partly = |state| Publication { remote: first.clone(), ..publication(state) };
        let lands = |state, outcome: &Outcome| {
            let mut now = partly(state);
            for change in &outcome.changes {
                let key = (&now.post.clone(), &now.account.clone());
                now = Publication::apply(Some(&now), key, change, Timestamp::UNIX_EPOCH).expect("legal").0;
            }
            now.state
        };
        let states = [Partial, Held, Partial, Held, Partial, Unresolved, Unresolved, Held];
        for (kind, expected) in KINDS.into_iter().zip(states) {
            let outcome = after_publish(&partly(Publishing), json!(1), Err(error(kind)), moment());
            assert_eq!(lands(Publishing, &outcome), expected, "{kind:?}");
        }
        let reason = || Reason::new("code", "message");
        for (sent, expected) in [
            (Sent::Partly(first.clone(), json!(2)), Partial),
            (Sent::Published(first.clone(), None), Published),
            (Sent::Stale(json!(2), reason()), Held),
        ] {
            let outcome = after_publish(&partly(Publishing), json!(1), Ok(sent), moment());
            assert_eq!(lands(Publishing, &outcome), expected);
        }
        for (observation, expected) in [
            (Observation::Partly(first.clone(), json!(2)), Partial),
            (Observation::Absent(Some(json!(1)), reason()), Partial),
            (Observation::Absent(None, reason()), Held),
            (Observation::Lost(json!(1), reason()), Held),
            (Observation::Rejected(reason()), Held),
        ] {
            let outcome = after_observe(&partly(Unresolved), Ok(observation), moment());
            assert_eq!(lands(Unresolved, &outcome), expected);
        }
    }

    #[test]
    fn what_the_platform_has_forgotten_is_held_in_the_end() {
        for state in [State::Accepted, State::Unresolved] {
            let tired = Publication { tries: TRIES_MAX, ..publication(state) };
            let forgotten = Ok(Observation::CannotTell(Reason::new("code", "message")));
            assert_eq!(lands_in(state, &after_observe(&tired, forgotten, moment())), State::Held);
            let outcome = after_observe(&tired, Err(error(ErrorKind::Permission)), moment());
            assert_eq!(lands_in(state, &outcome), State::Held);
            let outcome = after_observe(&tired, Err(error(ErrorKind::Transient)), moment());
            assert_eq!(lands_in(state, &outcome), state, "a platform that is down says nothing");
        }
    }

    #[test]
    fn what_is_never_known_is_held_in_the_end() {
        let unknown = || Ok(Observation::Unknown(Duration::from_secs(1)));
        for (tries, state) in [(TRIES_MAX, State::Unresolved), (LOOKS_MAX, State::Held)] {
            let tired = Publication { tries, ..publication(State::Unresolved) };
            assert_eq!(lands_in(State::Unresolved, &after_observe(&tired, unknown(), moment())), state);
        }
    }

    #[test]
    fn what_the_platform_asks_for_is_the_least_wait() {
        let late = Error { retry_after: Some(Duration::from_secs(90)), ..error(ErrorKind::RateLimited) };
        let outcome = after_stage(&publication(State::Staging), Err(late), moment());
        let Change::Delayed { next_at, .. } = &outcome.changes[0] else { panic!("{outcome:?}") };
        assert!(next_at.as_second() >= 90);
    }
}
