//! Faults that can be asked for: what goes wrong, at which request.
//!
//! A fault waits for the nth request to its operation, counted from when it was added, fires a number of times and
//! is gone. Several faults may fire at one request, in the order in which they were added.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::lock;

/// More pending faults than this are refused, whoever asks.
const FAULTS_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// An operation's name, such as `video_init`, or `*` for all of them.
    pub operation: String,
    /// The request to fire at, the next one being 1.
    #[serde(default = "one")]
    pub nth: u32,
    /// At how many requests in a row.
    #[serde(default = "one")]
    pub times: u32,
    pub action: Action,
    /// Set on the reply, over what it had.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Nothing but the header overrides.
    Pass,
    /// This status instead of the effect.
    Status { code: u16, body: Option<String> },
    /// The connection is closed before the effect.
    CutBeforeRead,
    /// The connection is closed, without effect, once so many bytes of the request's body were read.
    CutMidRequestBody { after: u64 },
    /// The effect happens and nobody hears of it.
    EffectThenCut,
    /// The effect happens and the reply says something else.
    EffectThenStatus { code: u16, body: Option<String> },
    /// The request waits before anything else happens.
    Delay { ms: u64 },
    /// The effect happens; the reply is a 200 that nobody can parse.
    GarbageBody,
    /// The effect happens; the reply's objects hold one more field each, which nobody has documented.
    UnknownFields,
    /// The caller's access token is expired from now on, this request included.
    ExpireAccessToken,
}

impl Fault {
    /// At the next request to `operation`, once.
    pub fn next(operation: &str, action: Action) -> Fault {
        Fault { operation: operation.to_owned(), nth: 1, times: 1, action, headers: BTreeMap::new() }
    }

    /// At the `nth` request to `operation` from now, once.
    pub fn nth(operation: &str, nth: u32, action: Action) -> Fault {
        Fault { nth, ..Fault::next(operation, action) }
    }

    fn matches(&self, operation: &str) -> bool {
        self.operation == "*" || self.operation == operation
    }
}

/// The faults still to come.
#[derive(Default)]
pub struct Faults {
    pending: Mutex<Vec<Fault>>,
}

impl Faults {
    /// False when there are too many already.
    pub fn add(&self, fault: Fault) -> bool {
        let mut pending = lock(&self.pending);
        let room = pending.len() < FAULTS_MAX;
        if room {
            pending.push(fault);
        }
        room
    }

    pub fn clear(&self) {
        lock(&self.pending).clear();
    }

    pub fn pending(&self) -> Vec<Fault> {
        lock(&self.pending).clone()
    }

    /// Counts a request to `operation`; the faults that fire at it.
    pub(super) fn fire(&self, operation: &str) -> Vec<Fault> {
        let mut fired = Vec::new();
        lock(&self.pending).retain_mut(|fault| {
            if !fault.matches(operation) {
                return true;
            }
            if fault.nth > 1 {
                fault.nth -= 1;
                return true;
            }
            fired.push(fault.clone());
            fault.times = fault.times.saturating_sub(1);
            fault.times > 0
        });
        fired
    }
}

fn one() -> u32 {
    1
}
