//! Live posts looked at: which, in how many requests, and what is written down.

use super::*;
use crate::domain::drift::{MISSING, OnMissing};
use crate::domain::insight::Insight;
use crate::platform::survey::{Recorded, Seen, Survey};
use crate::reconcile::survey::{Rounds, Surveyed, live, look};

const RATE: &[RateLimit] = &[RateLimit { operations: &["look"], max: 2, window: Duration::from_secs(60) }];

/// Two ids fit a request, and a post's id says how many it has: `1`, `2`. Nothing is there any more, but for `1 shown`.
impl Survey for Fake {
    fn lacks(&self, _: &Grant) -> Option<&'static str> {
        None
    }

    fn operation(&self) -> &'static str {
        "look"
    }

    fn ids(&self, recorded: &Recorded) -> Vec<String> {
        let count = recorded.remote.id.as_ref().and_then(|id| id.split(' ').next()?.parse().ok());
        vec![String::new(); count.unwrap_or_default()]
    }

    fn is_late(&self, _: &Recorded) -> bool {
        false
    }

    fn ids_max(&self) -> usize {
        2
    }

    fn look<'a>(
        &'a self,
        recorded: &'a [Recorded],
        _: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Vec<Seen>, Error>> {
        Box::pin(async move {
            self.request("look", None, log).await;
            Fake::next(&self.looks).unwrap_or(Ok(()))?;
            let seen = |recorded: &Recorded| match recorded
                .remote
                .id
                .as_ref()
                .is_some_and(|id| id.ends_with("shown"))
            {
                true => Seen { insight: Insight { views: Some(1), ..Insight::default() }, ..Seen::default() },
                false => Seen { difference: Some(Reason::new(MISSING, "gone")), ..Seen::default() },
            };
            Ok(recorded.iter().map(seen).collect())
        })
    }
}

impl World {
    /// Published at the same time, each with so many ids.
    fn published(rates: &'static [RateLimit], ids: &[usize]) -> World {
        let ids: Vec<_> = ids.iter().map(|ids| (*ids > 0).then(|| ids.to_string())).collect();
        World::with_posts(rates, &ids)
    }

    fn with_posts(rates: &'static [RateLimit], ids: &[Option<String>]) -> World {
        let world = World::new([("a", Fake { rates, ..Fake::default() })]);
        for (n, id) in ids.iter().enumerate() {
            let remote = Remote { id: id.clone(), url: None };
            let live = Change::Published { checkpoint: None, remote, next_at: None };
            world.record(&desired("a", &format!("p{n}"), ""), intended().into_iter().chain([live]));
        }
        world
    }

    async fn survey(&self, stop: &watch::Receiver<bool>) -> Surveyed {
        let mut engine = self.engine();
        let publications = engine.ledger.publications().expect("publications");
        let (account, fake, now) = (name("a"), Arc::clone(&self.fakes[&name("a")]), self.clock.now());
        let live = live(&engine.ledger, &*fake, (&account, &publications), (now, usize::MAX), |_| true)
            .expect("the ledger is fine");
        let grant = grant(now);
        let (whose, mut notify) = ((&account, &grant), |_: Notice<'_>| ());
        look(&mut engine, (&*fake, &*fake), whose, &live, (OnMissing::Report, stop), &mut notify)
            .await
            .expect("the ledger is fine")
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
        let surveyed = world.survey(&watch::channel(false).1).await;
        let posts = ids.iter().filter(|ids| **ids > 0).count();
        assert_eq!((surveyed.posts, surveyed.differing), (posts, posts), "{ids:?}");
        assert_eq!((world.fake("a").seen().len(), world.findings()), (requests, posts), "{ids:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_a_failure_and_a_stop_end_it_and_keep_what_was_found() {
    let world = World::published(RATE, &[2, 2, 2]);
    let none = watch::channel(false).1;
    let surveyed = world.survey(&none).await;
    let code = |surveyed: &Surveyed| surveyed.error.as_ref().map(|error| error.kind);
    assert_eq!((surveyed.posts, code(&surveyed)), (2, Some(ErrorKind::RateLimited)));
    assert_eq!((world.fake("a").seen().len(), world.findings()), (2, 2));
    assert_eq!(code(&world.survey(&none).await), Some(ErrorKind::RateLimited), "counted in the ledger");
    assert_eq!(world.fake("a").seen().len(), 2);
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.fake("a").looks.lock().expect("lock").push_back(Err(error(ErrorKind::Transient)));
    let surveyed = world.survey(&none).await;
    assert_eq!((surveyed.posts, code(&surveyed)), (0, Some(ErrorKind::Transient)));
    assert_eq!(world.findings(), 2, "what could not be asked stays as it was");
    let stopped = world.survey(&watch::channel(true).1).await;
    assert!(stopped.interrupted && stopped.posts == 0);
    assert_eq!(world.fake("a").seen().len(), 3);
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.survey(&none).await;
    assert_eq!(world.findings(), 2, "two requests a minute, of which the first two posts take both");
}

#[tokio::test(start_paused = true)]
async fn what_went_out_three_months_ago_is_left_alone() {
    let world = World::published(&[], &[1]);
    tokio::time::sleep(Duration::from_secs(90 * 86_400 - 60)).await;
    assert_eq!(world.survey(&watch::channel(false).1).await.posts, 1);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.survey(&watch::channel(false).1).await.posts, 0);
}

impl World {
    /// A pass, and how often live posts have been looked at so far.
    async fn round(&self, rounds: &mut Rounds, notify: &mut (dyn FnMut(Notice<'_>) + Send)) -> usize {
        self.round_as(rounds, OnMissing::Report, notify).await
    }

    async fn round_as(
        &self,
        rounds: &mut Rounds,
        on_missing: OnMissing,
        notify: &mut (dyn FnMut(Notice<'_>) + Send),
    ) -> usize {
        let (mut engine, none) = (self.engine(), watch::channel(false).1);
        let until = Until::settled(self.clock.now(), none.clone());
        super::super::renew(&mut engine, false, until, &mut |_| ()).await.expect("the ledger is fine");
        rounds.make(&mut engine, (on_missing, &none), notify).await.expect("the ledger is fine");
        self.fake("a").seen().iter().filter(|what| what.contains("look")).count()
    }
}

#[tokio::test(start_paused = true)]
async fn rounds_come_an_hour_after_a_post_and_then_ever_more_seldom() {
    let world = World::published(&[], &[1, 1, 0]);
    let (mut rounds, mut hours) = (Rounds::default(), Vec::new());
    for hour in 0..120 {
        let looks = world.round(&mut rounds, &mut |_| ()).await;
        if looks > hours.len() {
            hours.push(hour);
        }
        assert_eq!(looks, hours.len(), "both posts in one request");
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
    assert_eq!(hours, [1, 2, 4, 7, 11, 17, 26, 40, 61, 92]);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_fails_is_left_alone_for_an_hour() {
    let world = World::published(&[], &[1]);
    world.fake("a").looks.lock().expect("lock").push_back(Err(error(ErrorKind::Transient)));
    let (mut rounds, mut told) = (Rounds::default(), 0);
    for (seconds, looks) in [(3_601, 1), (60, 1), (3_000, 1), (600, 2), (60, 2)] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let mut notify = |notice: Notice<'_>| told += usize::from(matches!(notice, Notice::Changed { .. }));
        assert_eq!(world.round(&mut rounds, &mut notify).await, looks, "{seconds} s later");
    }
    assert_eq!((told, world.findings()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_for_a_day_is_forgotten_where_the_project_asks_for_it() {
    for (posts, on_missing, expected) in [
        (["1", "1 shown", "1 shown"], OnMissing::Report, "published"),
        (["1", "1 shown", "1 shown"], OnMissing::Forget, "planned"),
        (["1", "1 shown", "1 shown"], OnMissing::Repost, "planned again"),
        // It looks as if the account had been made private.
        (["1", "1", "1 shown"], OnMissing::Repost, "published"),
        (["1", "1", "1"], OnMissing::Repost, "published"),
    ] {
        let world = World::with_posts(&[], &posts.map(|id| Some(id.to_owned())));
        let (mut rounds, mut forgotten) = (Rounds::default(), Vec::new());
        for hour in 0..60 {
            let mut notify = |notice: Notice<'_>| {
                let Notice::Changed { change: Change::Forgotten { .. }, publication } = notice else {
                    return;
                };
                forgotten.push((hour, publication.post.to_string()));
            };
            world.round_as(&mut rounds, on_missing, &mut notify).await;
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        let ledger = Ledger::open_read(&world.path()).expect("ledger");
        let found = ledger.publication(&"p0".parse().expect("id"), &name("a")).expect("read").expect("there");
        let again = if found.due_again > Some(Timestamp::UNIX_EPOCH) { " again" } else { "" };
        assert_eq!(format!("{}{again}", found.state), expected, "{posts:?} {on_missing:?}");
        // At the first look that is a day after the first that missed it.
        let gone = if expected == "published" { vec![] } else { vec![(26, "p0".to_owned())] };
        assert_eq!(forgotten, gone, "{posts:?} {on_missing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_posts_some_are_looked_at_in_an_hour_and_the_others_in_the_next() {
    let world = World::published(&[], &[1; 501]);
    let mut rounds = Rounds::default();
    let mut found = Vec::new();
    for _ in 0..3 {
        world.round(&mut rounds, &mut |_| ()).await;
        found.push(world.findings());
        tokio::time::sleep(Duration::from_secs(3_601)).await;
    }
    assert_eq!(found, [0, 500, 501]);
}
