//! A post as its author wrote it: the typed manifest, with the place of each value.

use jiff::Timestamp;

use super::ids::{AccountName, PostId};
use super::span::{Located, Span};

pub mod decode;
pub mod node;
pub mod parse;
pub mod post;
pub mod report;
#[cfg(test)]
mod tests;
pub mod time;
pub mod write;

use node::Node;

/// One manifest. Values that a rule may later reject know where they stand.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Post {
    /// Relative to the project's root, with `/`: `content/launch.yaml`.
    pub path: String,
    pub id: Located<PostId>,
    /// Absent: as soon as applied.
    pub publish_at: Option<Located<Timestamp>>,
    pub text: Option<Located<String>>,
    pub media: Vec<MediaItem>,
    pub targets: Vec<Target>,
    pub state: DesiredState,
    /// Raised by the author to publish a changed post again; 1 unless written.
    pub revision: u32,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MediaItem {
    pub source: MediaSource,
    pub alt: Option<Located<String>>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MediaSource {
    /// As written: relative to the manifest.
    File(Located<String>),
    Url(Located<String>),
}

impl MediaSource {
    pub fn span(&self) -> Span {
        match self {
            MediaSource::File(path) => path.span,
            MediaSource::Url(url) => url.span,
        }
    }
}

/// One account that a post is meant for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Target {
    pub account: Located<AccountName>,
    /// The text just for this account; it replaces the post's.
    pub text: Option<Located<String>>,
    /// The other options, a mapping that only the account's platform can judge.
    pub options: Node,
}

impl Target {
    /// The text that counts for this account.
    pub fn text<'a>(&'a self, post: &'a Post) -> Option<&'a Located<String>> {
        self.text.as_ref().or(post.text.as_ref())
    }
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DesiredState {
    #[default]
    Present,
    Deleted,
    /// It was live before gitcast knew of it: it is recorded, and nothing is ever sent for it.
    Adopted,
}
