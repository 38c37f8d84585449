//! Tokens that end, tokens that rotate.

use std::time::Duration;

use gitcast::rehearsal::{Action, Fault};

use super::{APPLY, World, each_post, each_row};

#[test]
fn an_access_token_that_ends_is_renewed_once_or_its_owner_is_asked() {
    each_post(|row, post| {
        for bearer in post.bearers {
            let world = World::with(post, row, bearer);
            world.fault(Fault::next(bearer, Action::ExpireAccessToken));
            match row.refresh {
                Some(refresh) => {
                    world.run(&APPLY, 0);
                    assert_eq!(world.server.requests(refresh.operation), 1, "{}", world.what);
                }
                None => {
                    world.run(&APPLY, 6);
                    assert!(world.live().is_empty() && world.state() != "failed", "{}", world.what);
                    world.run(&["auth", "status"], 6);
                    let seen = world.requests();
                    world.run(&APPLY, 6);
                    assert_eq!(
                        world.requests(),
                        seen,
                        "{}: a token that was refused is not tried again",
                        world.what
                    );
                    world.log_in();
                    world.run(&APPLY, 0);
                }
            }
            world.only();
            world.met();
        }
    });
}

#[test]
fn a_login_that_has_ended_loses_nothing() {
    each_row(|row| {
        let Some(refresh) = row.refresh else { return };
        let (code, body) = refresh.refusal;
        for bearer in row.richest().bearers {
            let world = World::with(row.richest(), row, format!("{bearer} without a refresh"));
            world.fault(Fault::next(bearer, Action::ExpireAccessToken));
            let refused = Action::Status { code, body: Some(body.to_owned()) };
            world.fault(Fault::next(refresh.operation, refused));
            world.run(&APPLY, 6);
            world.met();
            let seen = world.requests();
            world.run(&APPLY, 6);
            assert_eq!(world.requests(), seen, "{}: what was refused is not shown again", world.what);
            assert_ne!(world.state(), "failed", "{}", world.what);
            world.log_in();
            world.run(&APPLY, 0);
            world.only();
        }
    });
}

/// The stand-in's clock goes on by more than any grace in which a used token is still good there: shown once more, it
/// would be refused.
#[test]
fn a_refresh_token_that_was_used_is_never_shown_again() {
    const BEYOND_GRACE: Duration = Duration::from_secs(3 * 60 * 60);
    const REFRESHES: usize = 3;
    each_row(|row| {
        let world = World::with(&row.posts[0], row, "rotation");
        let force = ["auth", "refresh", "--force"];
        let Some(refresh) = row.refresh else {
            world.run(&force, 0);
            assert_eq!(world.requests(), 0, "{}: there is nothing to refresh with", world.what);
            return;
        };
        for n in 1..=REFRESHES {
            let run = world.run(&force, 0);
            assert!(run.stdout.contains("refreshed"), "{}: {}", world.what, run.stdout);
            assert_eq!(world.server.requests(refresh.operation), n, "{}", world.what);
            world.pass(BEYOND_GRACE);
        }
        // The access token has ended meanwhile, so that a run shows the last refresh token.
        world.run(&APPLY, 0);
        assert_eq!(world.server.requests(refresh.operation), REFRESHES + 1, "{}", world.what);
        world.only();
    });
}
