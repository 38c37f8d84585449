//! How long what a cut request should have done has been seen to be missing.
//!
//! The time of day since the request left proves nothing: it may have been set, the request may have taken any part of
//! it until it was cut, and while this machine slept the bytes in its buffers slept too. So the time is counted from a
//! look of this process, by a clock that nobody sets and that stands still with the machine. Another process begins
//! anew: an earlier one leaves nothing that could be trusted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Requests in doubt that are remembered; where there are more, all wait anew.
const DOUBTS_MAX: usize = 1_024;

/// By the platform's or our own name of the request: how much of it the platform had (bytes, where it counts them), and
/// since when it has had no more.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<HashMap<String, (u64, Instant)>>);

impl Doubts {
    /// For how long this request has stood at `received`. What still arrives shows that more may.
    pub fn standing(&self, id: &str, received: u64) -> Duration {
        let mut doubts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if doubts.len() >= DOUBTS_MAX && !doubts.contains_key(id) {
            doubts.clear();
        }
        let (at, since) = doubts.entry(id.to_owned()).or_insert_with(|| (received, Instant::now()));
        if *at != received {
            (*at, *since) = (received, Instant::now());
        }
        since.elapsed()
    }

    /// It is about to be sent again.
    pub fn end(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
