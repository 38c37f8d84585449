//! Places where the process can be made to die, for the tests of what a power cut leaves behind.
//!
//! [`VARIABLE`] names a place and which passing of it is meant: `after-commit:3`. Only whoever sets the process's
//! environment can do that, and could as well kill it; content cannot.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub const VARIABLE: &str = "GITCAST_CRASH_AT";

/// What the ledger and the platform may disagree about is decided between these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The platform has answered; the ledger does not know.
    BeforeCommit,
    /// The ledger knows; nothing has followed yet.
    AfterCommit,
    /// Entries of a shared ledger are about to be sent; nobody knows of them.
    BeforePush,
    /// Others know of them; the ledger here does not.
    AfterPush,
    /// The request is about to leave.
    BeforeRequest,
    /// The answer has arrived, or it is certain that none will.
    AfterAnswer,
}

impl Point {
    /// Those of every ledger.
    pub const ALL: [Point; 4] =
        [Point::BeforeCommit, Point::AfterCommit, Point::BeforeRequest, Point::AfterAnswer];
    /// Those of a shared one.
    pub const SHARED: [Point; 6] = [
        Point::BeforePush,
        Point::AfterPush,
        Point::BeforeCommit,
        Point::AfterCommit,
        Point::BeforeRequest,
        Point::AfterAnswer,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Point::BeforeCommit => "before-commit",
            Point::AfterCommit => "after-commit",
            Point::BeforePush => "before-push",
            Point::AfterPush => "after-push",
            Point::BeforeRequest => "before-request",
            Point::AfterAnswer => "after-answer",
        }
    }
}

/// Where to die, and how often that place is passed before.
#[derive(Debug)]
struct Order {
    point: Point,
    passes: AtomicU32,
}

impl FromStr for Order {
    type Err = ();

    fn from_str(text: &str) -> Result<Order, ()> {
        let (name, nth) = text.split_once(':').ok_or(())?;
        let point = Point::SHARED.into_iter().find(|point| point.as_str() == name).ok_or(())?;
        let nth: u32 = nth.parse().map_err(|_| ())?;
        Ok(Order { point, passes: nth.checked_sub(1).ok_or(())?.into() })
    }
}

impl Order {
    /// Whether this passing is the one.
    fn is_due(&self, point: Point) -> bool {
        let left = |passes: u32| Some(passes.wrapping_sub(1));
        point == self.point && self.passes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(0)
    }
}

/// Dies here, if the environment says so.
pub fn at(point: Point) {
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    let order = ORDER.get_or_init(|| std::env::var(VARIABLE).ok()?.parse().ok());
    if order.as_ref().is_some_and(|order| order.is_due(point)) {
        die();
    }
}

/// SIGKILL, as by a power cut: nothing of this process runs any more.
fn die() -> ! {
    let killed = std::process::Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    // Where there is no `kill`, this comes nearest to it.
    tracing::debug!(?killed, "still here");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_due_once_at_its_place() {
        let order: Order = "after-commit:2".parse().expect("order");
        assert!(!order.is_due(Point::AfterCommit));
        assert!(!order.is_due(Point::AfterAnswer));
        assert!(order.is_due(Point::AfterCommit));
        assert!(!order.is_due(Point::AfterCommit));
        for text in ["", "after-commit", "after-commit:0", "after-commit:x", "elsewhere:1"] {
            assert!(text.parse::<Order>().is_err(), "{text}");
        }
    }
}
