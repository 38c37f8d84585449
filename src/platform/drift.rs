//! Comparing live posts with what is recorded of them. Nothing here changes anything there.

use super::error::Error;
use super::{BoxFuture, RequestLog};
use crate::domain::grant::Grant;
use crate::domain::publication::{Reason, Remote, Work};

/// A published post, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub remote: Remote,
    /// Absent for what was adopted without its manifest.
    pub work: Option<Work>,
}

/// Looks at live posts.
pub trait Drift: Send + Sync {
    /// The scope that it takes and the grant lacks.
    fn lacks(&self, grant: &Grant) -> Option<&'static str>;

    /// The operation of a request: it must fit its rate limit.
    fn operation(&self) -> &'static str;

    /// The post's public ids, at most [`ids_max`](Self::ids_max). None where there is nothing to compare.
    fn ids(&self, recorded: &Recorded) -> Vec<String>;

    /// How many ids fit a request.
    fn ids_max(&self) -> usize;

    /// How each of them differs from what is recorded, in a code of [`drift`](crate::domain::drift); `None`: in nothing that
    /// can be compared. One request; all their ids must fit it. That a post is gone is said only where the platform answered
    /// in full.
    fn compare<'a>(
        &'a self,
        recorded: &'a [Recorded],
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Vec<Option<Reason>>, Error>>;
}
