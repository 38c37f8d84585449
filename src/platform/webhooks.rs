//! What platforms tell on their own, over HTTP: the trait behind which each keeps its signature and its events.
//!
//! # Guarantees
//!
//! Nothing of a delivery is read before its signature has been found good, over the bytes as they came.

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::domain::news::News;
use crate::domain::publication::Checkpoint;

/// A request to the webhook, with its body as it came.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Not signed by the platform for this account's app, or too old; or there is no key to tell by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery is not authentic")]
pub struct NotAuthentic;

/// What a platform tells about an account.
pub trait Webhooks: Send + Sync {
    /// What the delivery says. `None`: nothing that is known here, or nothing of interest.
    ///
    /// # Errors
    ///
    /// [`NotAuthentic`], in a time that does not depend on where signatures differ.
    fn hear(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<Option<News>, NotAuthentic>;

    /// The platform's name of the post with this checkpoint, as [`News`] gives it.
    fn name_of(&self, checkpoint: &Checkpoint) -> Option<String>;
}
