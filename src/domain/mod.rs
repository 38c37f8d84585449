//! The pure core: words, rules and decisions. Synchronous; knows no clock, no file, no network, no database.

pub mod capability;
pub mod commit;
pub mod diagnostic;
pub mod event;
pub mod grant;
pub mod history;
pub mod ids;
pub mod limits;
pub mod manifest;
pub mod media;
pub mod news;
pub mod pause;
pub mod payload;
pub mod plan;
pub mod preview;
pub mod project;
pub mod publication;
pub mod quiet;
pub mod recipient;
pub mod resolution;
pub mod retry;
pub mod schema;
pub mod span;
pub mod telling;
pub mod unseen;
pub mod url;
