//! How long an upload whose last chunk was cut off has been seen to lack it.
//!
//! The time of day since the request left proves nothing: it may have been set, the request may have taken any part of
//! it until it was cut, and while this machine slept the bytes in its buffers slept too. So the time is counted from a
//! look of this process, by a clock that nobody sets and that stands still with the machine. Another process begins
//! anew: an earlier one leaves nothing that could be trusted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Uploads in doubt that are remembered; where there are more, all wait anew.
const DOUBTS_MAX: usize = 1_024;

/// By publish id: the bytes that the platform had, and since when it has had no more.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<HashMap<String, (u64, Instant)>>);

impl Doubts {
    /// For how long this upload has stood at `received` bytes. What still arrives shows that more may.
    pub(super) fn standing(&self, id: &str, received: u64) -> Duration {
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

    /// Its bytes are about to be sent again.
    pub(super) fn end(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
