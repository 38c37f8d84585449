//! What a platform tells on its own. Only a hint to look: nothing of it leads to a step that could make something public.

use jiff::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something became of the post that the platform knows by this name. What, a look finds out.
    Moved { name: String },
    /// That post is not public any more, the platform says. No look would show it.
    Hidden { name: String, at: Timestamp },
    /// The owner with this id at the platform may have ended the login.
    LoginEnded { subject: String },
}

impl News {
    /// Whether it would be lost if it were not recorded. The rest comes out at the next look or refresh anyway.
    pub fn must_be_kept(&self) -> bool {
        matches!(self, News::Hidden { .. })
    }
}
