//! What platforms tell on their own: looks come sooner, nothing else does.

use super::*;
use crate::domain::drift::NO_LONGER_PUBLIC;
use crate::domain::news::News;
use crate::platform::webhooks::{Delivery, NotAuthentic, Webhooks};
use crate::reconcile::news::{Hints, Told, take_in};

const HOUR: Duration = Duration::from_secs(3_600);

impl Webhooks for Fake {
    fn hear(&self, _: Delivery<'_>, _: Timestamp) -> Result<Option<News>, NotAuthentic> {
        Err(NotAuthentic)
    }

    fn name_of(&self, checkpoint: &Checkpoint) -> Option<String> {
        checkpoint.as_str().map(str::to_owned)
    }
}

impl World {
    /// As a pass of a watch does. Whether it is done with.
    async fn told(&self, accounts: &[&str], news: News) -> bool {
        let mut engine = self.engine();
        let told = Told { accounts: accounts.iter().map(|account| name(account)).collect(), news };
        let (mut hints, now) = (Hints::default(), self.clock.now());
        let target = (&mut engine.ledger, &engine.platforms);
        let is_done = take_in(&told, &mut hints, target, (now, "test"), &mut |_| {}).expect("recorded");
        engine.hints = hints;
        let plan = self.plan(&engine);
        let until = Until::settled(now + SignedDuration::from_mins(1), watch::channel(false).1);
        execute(&mut engine, &plan, &self.desired, until, &mut |_| {}).await.expect("the ledger is fine");
        is_done
    }

    fn reason(&self) -> Option<String> {
        let ledger = Ledger::open_read(&self.path()).expect("ledger");
        ledger.publications().expect("publications")[0].reason.as_ref().map(|reason| reason.code.clone())
    }

    fn head(&self) -> u64 {
        Ledger::open_read(&self.path()).expect("ledger").head().expect("a head").seq
    }
}

fn accepted() -> Fake {
    let fake = Fake::default();
    fake.publish.lock().expect("lock").push_back(Ok(Sent::Accepted(json!("p~1"), HOUR)));
    fake
}

fn moved(name: &str) -> News {
    News::Moved { name: name.into() }
}

#[tokio::test(start_paused = true)]
async fn a_hint_brings_the_look_that_would_come_in_an_hour() {
    let world = World::one(accepted());
    world.run(1).await;
    for (accounts, news) in [
        (vec!["a"], moved("p~2")),
        (vec![], moved("p~1")),
        (vec!["b"], moved("p~1")),
        (vec!["a"], News::LoginEnded { subject: "somebody".into() }),
    ] {
        assert!(world.told(&accounts, news.clone()).await);
        assert_eq!(world.states(), ["p accepted"], "{accounts:?} {news:?}");
    }
    assert!(world.told(&["a"], moved("p~1")).await);
    assert_eq!(world.states(), ["p published"]);
    assert_eq!(world.fake("a").seen(), ["stage p", "publish p", "observe p"]);
    assert!(world.fake("a").seconds("observe")[0] < 600);
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_said_when_is_not_asked_before() {
    let fake = accepted();
    let busy = Error { retry_after: Some(HOUR), ..error(ErrorKind::RateLimited) };
    fake.observe.lock().expect("lock").push_back(Err(busy));
    let world = World::one(fake);
    world.run(1).await;
    world.told(&["a"], moved("p~1")).await;
    world.told(&["a"], moved("p~1")).await;
    assert_eq!(world.fake("a").seconds("observe").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_hidden_is_recorded_once_it_was_seen_to_be_live_and_never_sent_again() {
    let hidden = || News::Hidden { name: "p~1".into(), at: start() };
    let fake = accepted();
    fake.observe.lock().expect("lock").push_back(Ok(Observation::Working(json!("p~1"), HOUR)));
    let world = World::one(fake);
    world.run(1).await;
    assert!(!world.told(&["a"], hidden()).await, "its own outcome is not known: to be told again");
    assert_eq!((world.states(), world.reason()), (vec!["p accepted".to_owned()], None));
    world.told(&["a"], moved("p~1")).await;
    assert_eq!((world.states(), world.reason()), (vec!["p published".to_owned()], None));
    assert!(world.told(&["a"], hidden()).await);
    assert_eq!(world.reason().as_deref(), Some(NO_LONGER_PUBLIC), "a look does not undo it");
    let notices = |world: &World| {
        let ledger = Ledger::open_read(&world.path()).expect("ledger");
        let entries = ledger.read(None, 0, 1_000).expect("entries");
        let is_notice =
            |event: &Event| matches!(event, Event::Publication { change: Change::Noticed { .. }, .. });
        entries.iter().filter(|entry| is_notice(&entry.event)).count()
    };
    for _ in 0..3 {
        assert!(world.told(&["a"], hidden()).await);
    }
    assert_eq!(notices(&world), 1);
    world.run(10_000).await;
    assert_eq!(world.fake("a").seconds("publish").len(), 1);
    assert_eq!(world.states(), ["p published"]);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_may_have_ended_is_tried_and_believed_to_have_only_by_the_answer() {
    let ended = || News::LoginEnded { subject: String::new() };
    let world = World::one(Fake::default());
    world.run(1).await;
    assert!(world.told(&["a"], ended()).await);
    let grant = |world: &World| {
        let ledger = Ledger::open_read(&world.path()).expect("ledger");
        ledger.grant(&name("a")).expect("readable").expect("there")
    };
    assert_eq!(grant(&world).generation, 2, "refreshed, and good");
    world.fake("a").refresh.lock().expect("lock").push_back(Err(error(ErrorKind::Auth)));
    world.told(&["a"], ended()).await;
    assert!(grant(&world).needs_login(world.clock.now()).is_some());
    let head = world.head();
    world.told(&["a"], ended()).await;
    assert_eq!(world.head(), head, "told again, nothing is tried again");
}
