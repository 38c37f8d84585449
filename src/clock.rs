//! The time of day: the system's, or one that is set.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// Tells the time. Cloned freely; all clones agree.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn system() -> Clock {
        Clock(Arc::new(Timestamp::now))
    }

    /// A clock that reads `start` now and goes on from there at the pace of the system's.
    pub fn starting_at(start: Timestamp) -> Clock {
        let begun = std::time::Instant::now();
        Clock(Arc::new(move || {
            let elapsed = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
            start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
        }))
    }

    /// A clock that asks `read` each time: for tests.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(read))
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
