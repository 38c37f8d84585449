//! Looking at live posts: how they differ from what is recorded, and how they do. Nothing here changes anything there.

use super::error::Error;
use super::{BoxFuture, RequestLog};
use crate::domain::grant::Grant;
use crate::domain::insight::Insight;
use crate::domain::publication::{Reason, Remote, Work};

/// A published post, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub remote: Remote,
    /// Absent for what was adopted without its manifest.
    pub work: Option<Work>,
}

/// A published post, as it is at the platform.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// How it differs from what is recorded, in a code of [`drift`](crate::domain::drift); `None`: in nothing that can be
    /// compared.
    pub difference: Option<Reason>,
    pub insight: Insight,
}

/// Looks at live posts.
pub trait Survey: Send + Sync {
    /// The scope that it takes and the grant lacks.
    fn lacks(&self, grant: &Grant) -> Option<&'static str>;

    /// The operation of a request: it must fit its rate limit.
    fn operation(&self) -> &'static str;

    /// The post's public ids, at most [`ids_max`](Self::ids_max). None where there is nothing to look at.
    fn ids(&self, recorded: &Recorded) -> Vec<String>;

    /// How many ids fit a request.
    fn ids_max(&self) -> usize;

    /// Whether a post without a public id may still get one: moderation is not through with it, or its creator has not made
    /// it public yet.
    fn is_late(&self, recorded: &Recorded) -> bool;

    /// How each of them is, in their order. One request; all their ids must fit it. That a post is gone is said only where
    /// the platform answered in full.
    fn look<'a>(
        &'a self,
        recorded: &'a [Recorded],
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Vec<Seen>, Error>>;
}
