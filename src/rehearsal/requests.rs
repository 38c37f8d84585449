//! The requests seen lately, without bodies, queries or tokens: enough to count them and to see their order.

use std::collections::VecDeque;
use std::sync::Mutex;

use hyper::http::request::Parts;
use serde::Serialize;

use super::lock;

/// How many are remembered; a 4 GB upload is about 430.
const REQUESTS_MAX: usize = 4_096;

#[derive(Clone, Debug, Serialize)]
pub struct RequestSeen {
    /// Counts from 1 and goes on when older requests are forgotten.
    pub number: u64,
    pub operation: &'static str,
    pub method: String,
    pub path: String,
    pub at: i64,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pending,
    Replied(u16),
    Cut,
}

#[derive(Default)]
pub(super) struct Requests {
    seen: Mutex<(u64, VecDeque<RequestSeen>)>,
}

impl Requests {
    pub(super) fn begin(&self, operation: &'static str, parts: &Parts, at: i64) -> u64 {
        let (last, ring) = &mut *lock(&self.seen);
        *last += 1;
        if ring.len() == REQUESTS_MAX {
            ring.pop_front();
        }
        let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
        ring.push_back(RequestSeen { number: *last, operation, method, path, at, outcome: Outcome::Pending });
        *last
    }

    pub(super) fn end(&self, number: u64, outcome: Outcome) {
        let (_, ring) = &mut *lock(&self.seen);
        if let Some(seen) = ring.iter_mut().rev().find(|seen| seen.number == number) {
            seen.outcome = outcome;
        }
    }

    pub(super) fn list(&self) -> Vec<RequestSeen> {
        lock(&self.seen).1.iter().cloned().collect()
    }
}
