//! Asking a platform what an account may do, and telling what its audit means. Nothing here changes anything there.

use super::error::Error;
use super::{BoxFuture, RequestLog};
use crate::domain::capability::Capabilities;
use crate::domain::grant::Grant;
use crate::domain::payload::Payload;

/// What an account may do, in the platform's own words and by its documentation.
pub trait Inquiry: Send + Sync {
    /// The operations that [`capabilities`](Self::capabilities) sends with this grant, each once: they must fit their
    /// rate limits.
    fn operations(&self, grant: &Grant) -> Vec<&'static str>;

    /// What the platform says the account may do. Harmless requests, as far as the granted scopes allow.
    fn capabilities<'a>(
        &'a self,
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Answer, Error>>;

    /// The addresses from which the platform pulls what this payload publishes; none where bytes are sent.
    fn pulled<'a>(&self, payload: &'a Payload) -> Vec<&'a str>;

    /// What it means for the account that the platform has, or has not, audited the app.
    fn audit_means(&self, is_audited: bool) -> Vec<Claim>;
}

/// What a platform answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Without what people say, and without the day.
    pub capabilities: Capabilities,
    /// Why the account cannot post at present.
    pub bars: Option<Error>,
}

/// Something that a platform's documentation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// A sentence.
    pub text: String,
    /// Where it is said, and when that was read or revised.
    pub source: &'static str,
}
