//! Carries letters of one hook from the outbox to where they go, beside everything else.
//!
//! # Flow
//!
//! The next letter is read without the ledger's lock and sent; then how it fared is recorded, under the lock, for which
//! nobody is kept waiting: while another holds it, the courier keeps what it knows and sends other letters. If the
//! process dies before it is recorded that a letter was taken, the letter is sent again, with the same id.
//!
//! After a failure the whole hook rests, longer each time. How long is not remembered beyond the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{ATTEMPTS_MAX, Hook, oldest};
use crate::clock::Clock;
use crate::crash::{self, Point};
use crate::domain::retry::backoff;
use crate::ledger::{self, Holder, Ledger, Letter};

/// How long the courier waits before it asks for the lock again.
const LOCKED_WAIT: Duration = Duration::from_millis(200);
/// After an error of the ledger.
const LEDGER_WAIT: Duration = Duration::from_secs(60);
/// Attempts in a row that fail before a run that ends leaves the rest to the next one, which may be days away.
const END_TRIES: u32 = 3;
/// Attempts that are not recorded yet. With more, the courier waits for the lock.
const UNRECORDED_MAX: usize = 100;

/// The outbox: where the ledger is, and who opens it.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub ledger: PathBuf,
    pub holder: Holder,
    pub clock: Clock,
}

/// What a courier is told.
#[derive(Debug, Clone)]
pub struct Signs {
    /// Changes when there may be a letter.
    pub letters: watch::Receiver<u64>,
    /// Set when it is to end: once nothing is left to send or nobody takes it, and then at the latest.
    pub end: watch::Receiver<Option<Instant>>,
}

/// Tells people.
type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// One for each hook.
pub struct Courier {
    hook: Hook,
    outbox: Outbox,
    tell: Tell,
    /// How letters fared, as long as it is not recorded: `true` was taken.
    fared: Vec<(String, bool)>,
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
    /// The ledger's error that was told last.
    told: String,
}

/// What follows on a round.
#[derive(Debug, PartialEq)]
enum Step {
    Again,
    /// Another process has the ledger.
    Locked,
    Rest(Duration),
    /// There is no letter.
    Idle,
}

impl Courier {
    pub fn new(hook: Hook, outbox: Outbox, tell: Tell) -> Courier {
        let (fared, told) = (Vec::new(), String::new());
        Courier { hook, outbox, tell, fared, failures: 0, rests_until: None, told }
    }

    /// Works until it is to end. What is in flight then is cut off, and sent again by the next run.
    pub async fn run(mut self, mut signs: Signs) {
        loop {
            signs.letters.borrow_and_update();
            let is_last = signs.end.borrow_and_update().is_some();
            let mut end = signs.end.clone();
            let step = tokio::select! {
                step = self.round() => step,
                () = ended(&mut end) => break,
            };
            let wait = match step {
                Step::Again => continue,
                Step::Locked => LOCKED_WAIT,
                Step::Idle if is_last => break,
                Step::Rest(_) if is_last && !(1..END_TRIES).contains(&self.failures) => break,
                Step::Rest(wait) => wait,
                Step::Idle => Duration::MAX,
            };
            let until = Instant::now().checked_add(wait);
            tokio::select! {
                () = sleep_until(until) => {}
                changed = signs.letters.changed() => if changed.is_err() { break },
                changed = signs.end.changed() => if changed.is_err() { break },
            }
        }
        if !self.fared.is_empty() {
            // If this fails, what was taken is sent again.
            let _ = self.record().await;
        }
    }

    async fn round(&mut self) -> Step {
        if !self.fared.is_empty() {
            match self.record().await {
                Err(ledger::Error::Locked { .. }) if self.fared.len() < UNRECORDED_MAX => {}
                Err(error) => return self.hindered(&error),
                Ok(()) => {}
            }
        }
        let rest = self.rests_until.and_then(|until| until.checked_duration_since(Instant::now()));
        if let Some(rest) = rest {
            return if self.fared.is_empty() { Step::Rest(rest) } else { Step::Locked };
        }
        let letter = match self.next().await {
            Ok(Some(letter)) => letter,
            Ok(None) if self.fared.is_empty() => return Step::Idle,
            Ok(None) => return Step::Locked,
            Err(error) => return self.hindered(&error),
        };
        if letter.attempts >= ATTEMPTS_MAX || letter.at < oldest(self.outbox.clock.now()) {
            return match self.record().await {
                Ok(()) => Step::Again,
                Err(error) => self.hindered(&error),
            };
        }
        crash::at(Point::BeforeRequest);
        let delivered = self.hook.deliver(&letter).await;
        crash::at(Point::AfterAnswer);
        self.fared.push((letter.id, delivered.is_ok()));
        match delivered {
            Ok(()) if self.failures > 0 => {
                (self.failures, self.rests_until) = (0, None);
                (self.tell)(&format!("{} takes messages again", self.hook.place()));
            }
            Ok(()) => {}
            Err(fault) => {
                if self.failures == 0 {
                    let place = self.hook.place();
                    (self.tell)(&format!(
                        "{place} did not take a message ({}); it is tried again",
                        fault.message
                    ));
                }
                let random = getrandom::u32().unwrap_or(u32::MAX / 2);
                let rest = backoff(self.failures, fault.retry_after, random);
                self.rests_until = Instant::now().checked_add(rest);
                self.failures = self.failures.saturating_add(1);
            }
        }
        Step::Again
    }

    /// What an error of the ledger leads to.
    fn hindered(&mut self, error: &ledger::Error) -> Step {
        match error {
            ledger::Error::Locked { .. } | ledger::Error::Busy => Step::Locked,
            // It comes with the first pass, which tells what is wrong if it does not.
            ledger::Error::Missing { .. } | ledger::Error::Older { .. } => Step::Idle,
            error => {
                let told = error.to_string();
                if self.told != told {
                    (self.tell)(&format!("messages to {} wait: {told}", self.hook.place()));
                    self.told = told;
                }
                Step::Rest(LEDGER_WAIT)
            }
        }
    }

    async fn next(&self) -> Result<Option<Letter>, ledger::Error> {
        let (path, hook) = (self.outbox.ledger.clone(), self.hook.name());
        let taken: Vec<_> = self.fared.iter().filter(|(_, taken)| *taken).map(|(id, _)| id.clone()).collect();
        blocking(move || Ledger::open_read(&path)?.next_letter(hook, &taken)).await
    }

    /// Records how letters fared, unless another has the ledger, and gives up what is too old or was tried too often.
    async fn record(&mut self) -> Result<(), ledger::Error> {
        let (outbox, hook, fared) = (self.outbox.clone(), self.hook.name(), self.fared.clone());
        let bounds = (ATTEMPTS_MAX, oldest(outbox.clock.now()));
        let dropped = blocking(move || {
            let mut ledger = Ledger::open_write(&outbox.ledger, Duration::ZERO, &outbox.holder)?;
            ledger.settle_letters(hook, &fared, bounds)
        })
        .await?;
        self.fared.clear();
        if dropped > 0 {
            (self.tell)(&format!("{dropped} message(s) to {} were given up", self.hook.place()));
        }
        Ok(())
    }
}

/// The ledger waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ledger::Error> + Send + 'static,
) -> Result<T, ledger::Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ledger::Error::Busy))
}

/// Once the end has come.
async fn ended(end: &mut watch::Receiver<Option<Instant>>) {
    loop {
        let at = *end.borrow_and_update();
        if let Some(at) = at {
            return tokio::time::sleep_until(at).await;
        }
        if end.changed().await.is_err() {
            return;
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
