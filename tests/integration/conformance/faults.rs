//! Answers that are none, come late, say too much or say no.

use std::collections::BTreeSet;

use gitcast::rehearsal::{Action, Fault, Outcome};
use jiff::{SignedDuration, Timestamp};

use super::rows::{Answer, Limit, Post, Row, Wait};
use super::{APPLY, APPLY_NOW, ROWS, World, each_post, each_row};

/// What can become of a request, and whether it took effect.
fn losses() -> [(Action, bool); 9] {
    [
        (Action::CutBeforeRead, false),
        (Action::CutMidRequestBody { after: 5 }, false),
        (Action::Status { code: 503, body: None }, false),
        (Action::Status { code: 504, body: Some("<html>".into()) }, false),
        (Action::EffectThenCut, true),
        (Action::EffectThenStatus { code: 500, body: None }, true),
        (Action::EffectThenStatus { code: 504, body: Some("<html>".into()) }, true),
        (Action::GarbageBody, true),
        (Action::Delay { ms: 20 }, true),
    ]
}

/// The program's own time-out is a minute, and `platform/http` has it end where a cut connection does. What this waits
/// for is the gateway's, a 504.
#[test]
fn whatever_becomes_of_the_publish_request_there_is_one_post() {
    std::thread::scope(|scope| {
        for row in &ROWS {
            for post in row.posts {
                scope.spawn(move || {
                    losses().iter().for_each(|(action, is_done)| lost(row, post, action, *is_done))
                });
            }
        }
    });
}

fn lost(row: &'static Row, post: &'static Post, action: &Action, is_done: bool) {
    let world = World::with(post, row, format!("{action:?}"));
    world.fault(Fault::next(post.publish, action.clone()));
    if post.may_be_held && !is_done {
        world.run(&APPLY, 4);
        world.met();
        world.run(&APPLY, 4);
        assert_eq!(world.server.requests(post.publish), 1, "{}: what is held is not sent", world.what);
        world.run(&["resolve", "one", "me", "--not-published"], 0);
    }
    world.run(&APPLY, 0);
    world.met();
    world.only();
    assert_eq!(world.server.requests(post.publish), if is_done { 1 } else { 2 }, "{}", world.what);
    assert_eq!(world.state(), "published", "{}", world.what);
}

/// Every request of a post but the one that publishes it, and, after a lost answer to that one, the look for it.
#[test]
fn whatever_becomes_of_any_other_request_there_is_one_post() {
    each_row(|row| {
        // What an earlier kind of post has asked for as well is not gone through again.
        let mut known = BTreeSet::new();
        for post in row.posts.iter().rev() {
            for after_a_loss in [false, true] {
                let mut requests = other_requests(row, post, after_a_loss);
                requests.retain(|(operation, _)| known.insert((*operation, after_a_loss)));
                std::thread::scope(|scope| {
                    for request in requests {
                        scope.spawn(move || other(row, post, request, after_a_loss));
                    }
                });
            }
        }
    });
}

/// The operations, each with the number of its request that counts: a look before the post may go by the same name as
/// the one after it.
fn other_requests(row: &'static Row, post: &'static Post, after_a_loss: bool) -> Vec<(&'static str, u32)> {
    let world = World::with(post, row, "undisturbed");
    lose_the_answer(&world, post, after_a_loss);
    world.run(&APPLY, 0);
    let seen = world.operations();
    let published = seen.iter().position(|operation| *operation == post.publish).expect("published");
    let (before, after) = seen.split_at(published);
    let of_interest: BTreeSet<_> = if after_a_loss { after } else { &seen[..] }.iter().copied().collect();
    let others = of_interest.into_iter().filter(|operation| *operation != post.publish);
    let numbered = others.map(|operation| {
        let earlier = before.iter().filter(|name| **name == operation && after_a_loss).count();
        (operation, u32::try_from(earlier).expect("few") + 1)
    });
    numbered.collect()
}

fn lose_the_answer(world: &World, post: &Post, is_lost: bool) {
    if is_lost {
        world.fault(Fault::next(post.publish, Action::EffectThenCut));
    }
}

fn other(row: &'static Row, post: &'static Post, (operation, nth): (&str, u32), after_a_loss: bool) {
    for action in [
        Action::CutBeforeRead,
        Action::EffectThenCut,
        Action::Status { code: 503, body: None },
        Action::GarbageBody,
    ] {
        let world = World::with(post, row, format!("{operation} {action:?}, answer lost: {after_a_loss}"));
        lose_the_answer(&world, post, after_a_loss);
        world.fault(Fault::nth(operation, nth, action));
        world.run(&APPLY, 0);
        world.met();
        world.only();
        assert_eq!(world.server.requests(post.publish), 1, "{}", world.what);
    }
}

#[test]
fn a_rate_limit_lasts_as_long_as_the_platform_says() {
    each_row(|row| {
        for limit in row.limits {
            kept_away(row, limit);
            if let Wait::Told(headers) = limit.wait {
                waited_out(row, limit, headers);
            }
        }
    });
}

fn limited(row: &'static Row, limit: &Limit, headers: Vec<(&'static str, String)>) -> World {
    let (kind, operation) = limit.at;
    let world = World::with(row.post(kind), row, format!("{operation} is limited {headers:?}"));
    match limit.answer {
        Answer::Own(arrange) => arrange(&world),
        Answer::Given(code, body) => {
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let action = Action::Status { code, body: Some(body.to_owned()) };
            world.fault(Fault { headers, ..Fault::next(operation, action) });
        }
    }
    world
}

/// A wait that no test sits out: nothing is asked before it is over.
fn kept_away(row: &'static Row, limit: &Limit) {
    const TOLD_S: u32 = 900;
    let begun = Timestamp::now();
    let headers = match limit.wait {
        Wait::Told(headers) => headers(begun, TOLD_S),
        Wait::Fixed(_) | Wait::Window(_) => Vec::new(),
    };
    let over = |from: Timestamp| match limit.wait {
        Wait::Told(_) => begun + SignedDuration::from_secs(i64::from(TOLD_S)),
        Wait::Fixed(wait) => from + wait,
        Wait::Window(window) => {
            let past = from.as_second() % window.as_secs();
            from + SignedDuration::from_secs(window.as_secs() - past)
        }
    };
    let world = limited(row, limit, headers);
    world.run(&APPLY_NOW, 5);
    world.met();
    assert_eq!(world.server.requests(limit.at.1), 1, "{}", world.what);
    let recorded = world.recorded();
    let next_at: Timestamp = recorded["next_at"].as_str().expect("a time").parse().expect("a time");
    // A second for the header's precision, and two for the jitter behind it.
    let second = SignedDuration::from_secs(1);
    let expected = over(begun) - second..=over(Timestamp::now()) + second * 2;
    assert!(expected.contains(&next_at), "{}: {expected:?} {recorded}", world.what);
    let seen = world.requests();
    world.run(&APPLY_NOW, 5);
    assert_eq!(world.requests(), seen, "{}: asked although it is too soon", world.what);
    assert!(world.live().is_empty() && world.state() != "failed", "{}", world.what);
}

/// A short one: the same run goes on by itself.
fn waited_out(row: &'static Row, limit: &Limit, headers: fn(Timestamp, u32) -> Vec<(&'static str, String)>) {
    /// More than the program would wait by itself, which is a second at most.
    const TOLD_S: u32 = 3;
    let world = limited(row, limit, headers(Timestamp::now() + SignedDuration::from_secs(1), TOLD_S));
    world.run(&APPLY, 0);
    world.met();
    world.only();
    let requests = world.server.rehearsal.requests();
    let refused = requests.iter().position(|request| request.outcome == Outcome::Replied(429));
    let refused = refused.expect("the limit");
    let (first, next) = (&requests[refused], &requests[refused + 1]);
    assert_eq!((first.operation, next.operation), (limit.at.1, limit.at.1), "{}", world.what);
    assert!(next.at - first.at >= i64::from(TOLD_S - 1) * 1_000, "{}: {first:?} {next:?}", world.what);
}

#[test]
fn a_medium_that_the_platform_refuses_fails_in_its_words_and_is_not_tried_again() {
    each_row(|row| {
        for refusal in row.refusals {
            let world = World::with(row.post(refusal.kind), row, refusal.words);
            (refusal.arrange)(&world);
            let run = world.run(&APPLY, 3);
            world.met();
            assert!(run.stdout.contains(refusal.words), "{}: {}", world.what, run.stdout);
            assert_eq!((world.state().as_str(), world.live().len()), ("failed", 0), "{}", world.what);
            let seen = world.requests();
            world.run(&APPLY, 3);
            assert_eq!(world.requests(), seen, "{}", world.what);
            (refusal.lift)(&world);
            world.run(&["retry", "one", "me"], 0);
            world.run(&APPLY, 0);
            assert_eq!(world.live().len(), 1, "{}", world.what);
        }
    });
}

/// In the replies to every request, looks and questions of the owner included.
#[test]
fn fields_that_nobody_has_documented_change_nothing() {
    each_post(|row, post| {
        let world = World::with(post, row, "unknown fields");
        lose_the_answer(&world, post, true);
        world.fault(Fault { times: 1_000, ..Fault::next("*", Action::UnknownFields) });
        world.run(&APPLY, 0);
        assert_eq!(world.server.rehearsal.faults().pending().len(), 1, "{}: no answer was lost", world.what);
        world.only();
        assert_eq!(world.state(), "published", "{}", world.what);
        if row.refresh.is_some() {
            let run = world.run(&["auth", "refresh", "--force"], 0);
            assert!(run.stdout.contains("refreshed"), "{}: {}", world.what, run.stdout);
        }
        let seen = world.requests();
        world.run(&["auth", "status", "--write"], 0);
        assert!(world.requests() > seen, "{}: nobody was asked", world.what);
        world.run(&["doctor"], 0);
    });
}

#[test]
fn values_that_nobody_has_documented_stop_nothing() {
    each_row(|row| {
        for (kind, operation, body) in row.novelties {
            let world = World::with(row.post(kind), row, *body);
            let action = Action::EffectThenStatus { code: 200, body: Some((*body).to_owned()) };
            world.fault(Fault::next(operation, action));
            world.run(&APPLY, 0);
            world.met();
            world.only();
        }
    });
}
