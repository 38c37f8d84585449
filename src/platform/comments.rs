//! Comments below a live post. Reading them changes nothing; an answer is a post of its own kind.

use jiff::Timestamp;

use super::error::Error;
use super::{BoxFuture, RequestLog};

/// Reads comments.
pub trait Comments: Send + Sync {
    /// The operation of the one request that a page costs: it must fit its rate limit.
    fn operation(&self) -> &'static str;

    /// The page at `cursor`, or the first one, of the comments below the post with this id.
    ///
    /// # Errors
    /// Of kind `Permission` where nothing is set up through which they can be read; the message says what there is.
    fn page<'a>(
        &'a self,
        post: &'a str,
        cursor: Option<&'a str>,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Page, Error>>;

    /// The option of a target that makes a post an answer to the comment: its key, and its lines below it.
    fn reply_to(&self, post: &str, comment: &str) -> (&'static str, Vec<String>);
}

/// The longest text that is kept of a comment, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// A text, as far as it is kept.
pub fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// Unix seconds, where they say when.
pub fn moment(seconds: Option<i64>) -> Option<Timestamp> {
    seconds.filter(|at| *at > 0).and_then(|at| Timestamp::from_second(at).ok())
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub comments: Vec<Comment>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<String>,
}

/// A comment as its platform tells it: texts may hold anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comment {
    /// Letters and digits, at most 64.
    pub id: String,
    pub text: String,
    /// The name that readers see; empty where it is not told.
    pub by: String,
    pub at: Option<Timestamp>,
    pub likes: Option<u64>,
    pub replies: Option<u64>,
    /// By the account itself.
    pub is_own: bool,
    /// Hidden by the account, or by the platform.
    pub is_hidden: bool,
}
