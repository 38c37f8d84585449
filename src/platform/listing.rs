//! The posts that an account has, whoever published them. Nothing here changes anything there.

use jiff::Timestamp;

use super::error::Error;
use super::{BoxFuture, RequestLog};
use crate::domain::grant::Grant;

/// An account's posts, newest first, page by page.
pub trait Listing: Send + Sync {
    /// The operation of the one request that a page costs: it must fit its rate limit.
    fn operation(&self) -> &'static str;

    /// The page at `cursor`, or the first one.
    ///
    /// # Errors
    /// Of kind `Permission` where the login may not see the posts.
    fn page<'a>(
        &'a self,
        cursor: Option<&'a str>,
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Page, Error>>;
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub posts: Vec<Listed>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<String>,
}

/// A post as its platform lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The platform's own: letters and digits, at most 64.
    pub id: String,
    /// Perhaps cut by the platform; it may hold anything.
    pub text: String,
    pub at: Option<Timestamp>,
    /// An address of a page.
    pub url: Option<String>,
}
