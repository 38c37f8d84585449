//! What is live already: changed, taken away, and threads of it.

use gitcast::rehearsal::{Action, Fault};

use super::{APPLY, DELETE, World, each_row};

/// An answer that is lost is asked for again.
#[test]
fn a_changed_manifest_changes_the_post_or_is_told() {
    each_row(|row| {
        let post = &row.posts[0];
        let world = World::with(post, row, "changed");
        world.run(&APPLY, 0);
        let before = world.only().title;
        world.write(&post.body.replace("text: A ", "text: Another "), "");
        match row.edit {
            Some(operation) => {
                assert_eq!(world.action(&[]), "edit", "{}", world.what);
                world.fault(Fault::next(operation, Action::EffectThenCut));
                world.run(&APPLY, 0);
                world.met();
                assert!(world.only().title.starts_with("Another "), "{}", world.what);
                let seen = world.requests();
                world.run(&APPLY, 0);
                assert_eq!(world.requests(), seen, "{}", world.what);
            }
            None => {
                assert_eq!(world.action(&[]), "diverged", "{}", world.what);
                let seen = world.requests();
                world.run(&APPLY, 0);
                assert_eq!((world.requests(), world.only().title), (seen, before), "{}", world.what);
            }
        }
        assert_eq!(world.server.requests(post.publish), 1, "{}", world.what);
    });
}

#[test]
fn a_tombstone_takes_the_post_away_or_is_told() {
    each_row(|row| {
        let post = row.richest();
        let world = World::with(post, row, "tombstone");
        world.run(&APPLY, 0);
        world.write(&format!("state: deleted\n{}", post.body), "");
        match row.delete {
            Some(operation) => {
                world.run(&APPLY, 7);
                world.only();
                world.fault(Fault::next(operation, Action::EffectThenCut));
                world.run(&DELETE, 0);
                world.met();
                assert_eq!((world.live().len(), world.state().as_str()), (0, "deleted"), "{}", world.what);
            }
            None => {
                assert_eq!(world.action(&["--allow-delete"]), "undeletable", "{}", world.what);
            }
        }
        let seen = world.requests();
        world.run(&DELETE, 0);
        assert_eq!(world.requests(), seen, "{}", world.what);
        let made = world.server.rehearsal.publications();
        assert_eq!(made.len(), 1, "{}: {made:?}", world.what);
    });
}

/// Whichever of the answers is lost.
#[test]
fn a_thread_is_there_once_and_in_order_or_is_no_option() {
    const PARTS: &str = "    parts: [Two]\n";
    each_row(|row| {
        let post = &row.posts[0];
        let Some((operation, requests)) = row.thread else {
            let world = World::new(row, "thread");
            world.write(post.body, PARTS);
            let run = world.run(&["validate"], 1);
            assert!(run.stdout.contains("parts"), "{}: {}", world.what, run.stdout);
            return;
        };
        for nth in 1..=requests {
            for action in [Action::CutBeforeRead, Action::EffectThenCut, Action::GarbageBody] {
                let world = World::new(row, format!("thread, request {nth} {action:?}"));
                world.write(post.body, PARTS);
                world.fault(Fault::nth(operation, nth, action));
                world.run(&APPLY, 0);
                world.met();
                let titles: Vec<_> = world.live().into_iter().map(|made| made.title).collect();
                assert_eq!(titles, ["A text", "Two"], "{}", world.what);
                assert_eq!(world.server.rehearsal.publications().len(), 2, "{}", world.what);
            }
        }
    });
}
