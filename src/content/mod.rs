//! The filesystem: what `content/` holds.

pub mod accounts;
pub mod cache;
mod codec;
pub mod commit;
pub mod held;
pub mod media;
pub mod resolutions;
mod resolve;
pub mod scan;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod trees;
pub mod unchanged;
mod walk;
pub mod watch;
