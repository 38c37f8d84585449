//! A program that goes on beside the test: waiting until it has come so far, and sending it signals.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long what is waited for may take, on a machine that has other things to do.
pub(crate) const REACHED_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < REACHED_MAX, "never reached: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

pub(crate) fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success(), "{signal}");
}
