//! Live posts compared with what is recorded: which, in how many requests, and what is written down.

use super::*;
use crate::domain::drift::MISSING;
use crate::platform::drift::{Drift, Recorded};
use crate::reconcile::drift::{Compared, compare, live};

const RATE: &[RateLimit] = &[RateLimit { operations: &["compare"], max: 2, window: Duration::from_secs(60) }];

/// Two ids fit a request, and a post's id says how many it has: `1`, `2`. Nothing is there any more.
impl Drift for Fake {
    fn lacks(&self, _: &Grant) -> Option<&'static str> {
        None
    }

    fn operation(&self) -> &'static str {
        "compare"
    }

    fn ids(&self, recorded: &Recorded) -> Vec<String> {
        let count = recorded.remote.id.as_ref().map_or(0, |id| id.parse().expect("a number"));
        vec![String::new(); count]
    }

    fn ids_max(&self) -> usize {
        2
    }

    fn compare<'a>(
        &'a self,
        recorded: &'a [Recorded],
        _: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Vec<Option<Reason>>, Error>> {
        Box::pin(async move {
            self.request("compare", None, log).await;
            Fake::next(&self.compare).unwrap_or(Ok(()))?;
            Ok(recorded.iter().map(|_| Some(Reason::new(MISSING, "gone"))).collect())
        })
    }
}

impl World {
    /// Published at the same time, each with so many ids.
    fn published(rates: &'static [RateLimit], ids: &[usize]) -> World {
        let world = World::new([("a", Fake { rates, ..Fake::default() })]);
        for (n, ids) in ids.iter().enumerate() {
            let remote = if *ids == 0 { Remote::default() } else { remote(&ids.to_string()) };
            let live = Change::Published { checkpoint: None, remote, next_at: None };
            world.record(&desired("a", &format!("p{n}"), ""), intended().into_iter().chain([live]));
        }
        world
    }

    async fn compare(&self, stop: &watch::Receiver<bool>) -> Compared {
        let mut engine = self.engine();
        let publications = engine.ledger.publications().expect("publications");
        let (account, fake, now) = (name("a"), Arc::clone(&self.fakes[&name("a")]), self.clock.now());
        let live = live(&engine.ledger, &*fake, (&account, &publications), now).expect("the ledger is fine");
        let grant = grant(now);
        let asked = compare(&mut engine, (&*fake, &*fake), (&account, &grant), &live, stop);
        asked.await.expect("the ledger is fine")
    }

    fn findings(&self) -> usize {
        let ledger = Ledger::open_read(&self.path()).expect("ledger");
        assert_eq!(ledger.verify().expect("readable"), []);
        ledger.publications().expect("publications").iter().filter(|p| p.finding().is_some()).count()
    }
}

#[tokio::test(start_paused = true)]
async fn posts_go_together_as_their_ids_fit_and_those_without_one_are_left_out() {
    for (ids, requests) in [
        (&[][..], 0),
        (&[0, 0], 0),
        (&[1], 1),
        (&[1, 1], 1),
        (&[1, 0, 1], 1),
        (&[1, 1, 1], 2),
        (&[1, 2, 1], 3),
        // An adapter that says more than fits must not stop the rest.
        (&[3, 1], 2),
    ] {
        let world = World::published(&[], ids);
        let compared = world.compare(&watch::channel(false).1).await;
        let posts = ids.iter().filter(|ids| **ids > 0).count();
        assert_eq!((compared.posts, compared.differing), (posts, posts), "{ids:?}");
        assert_eq!((world.fake("a").seen().len(), world.findings()), (requests, posts), "{ids:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_a_failure_and_a_stop_end_it_and_keep_what_was_found() {
    let world = World::published(RATE, &[2, 2, 2]);
    let none = watch::channel(false).1;
    let compared = world.compare(&none).await;
    let code = |compared: &Compared| compared.error.as_ref().map(|error| error.kind);
    assert_eq!((compared.posts, code(&compared)), (2, Some(ErrorKind::RateLimited)));
    assert_eq!((world.fake("a").seen().len(), world.findings()), (2, 2));
    assert_eq!(code(&world.compare(&none).await), Some(ErrorKind::RateLimited), "counted in the ledger");
    assert_eq!(world.fake("a").seen().len(), 2);
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.fake("a").compare.lock().expect("lock").push_back(Err(error(ErrorKind::Transient)));
    let compared = world.compare(&none).await;
    assert_eq!((compared.posts, code(&compared)), (0, Some(ErrorKind::Transient)));
    assert_eq!(world.findings(), 2, "what could not be asked stays as it was");
    let stopped = world.compare(&watch::channel(true).1).await;
    assert!(stopped.interrupted && stopped.posts == 0);
    assert_eq!(world.fake("a").seen().len(), 3);
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.compare(&none).await;
    assert_eq!(world.findings(), 2, "two requests a minute, of which the first two posts take both");
}

#[tokio::test(start_paused = true)]
async fn what_went_out_three_months_ago_is_left_alone() {
    let world = World::published(&[], &[1]);
    tokio::time::sleep(Duration::from_secs(90 * 86_400 - 60)).await;
    assert_eq!(world.compare(&watch::channel(false).1).await.posts, 1);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.compare(&watch::channel(false).1).await.posts, 0);
}
