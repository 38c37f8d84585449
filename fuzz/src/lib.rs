//! What must hold for any bytes whatever. Each function takes an input of one kind and panics where something does not
//! hold. The fuzzer searches for such inputs; `cargo test` feeds the ones in `corpus/`, each to its function.

mod ledger;
mod manifest;
mod media;
mod replies;

pub use ledger::ledger;
pub use manifest::manifest;
pub use media::media;
pub use replies::replies;

use gitcast::cli::text;

/// Holds where a text goes to the terminal as it is: no escape, nothing unseen, no command to a CI system.
pub fn assert_harmless(text: &str) {
    assert_eq!(text::terminal(text), text, "a terminal would act on this");
}

/// Holds where a text is one of several on a line, cut and folded by the edge anyway.
pub fn assert_plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters in {text:?}");
}
