//! The platform's caps on posts: what is spent of them, and when there is room again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Desired, Input, Spent};
use crate::domain::ids::AccountName;
use crate::domain::limits::Cap;

/// The posts of each account that count against its caps, and the ones that this plan adds.
pub(super) struct Slots {
    caps: BTreeMap<AccountName, Vec<Cap>>,
    spent: Vec<Spent>,
}

impl Slots {
    pub(super) fn new(input: &Input) -> Slots {
        Slots { caps: input.caps.clone(), spent: input.spent.to_vec() }
    }

    /// Takes a slot now, or tells which cap is in the way and when it has room again.
    pub(super) fn take(&mut self, desired: &Desired, now: Timestamp) -> Option<(&'static str, Timestamp)> {
        let counts = desired.payload.as_ref()?.counts;
        let caps = self.caps.get(&desired.account).map_or(&[][..], Vec::as_slice);
        for cap in caps.iter().filter(|cap| cap.counts == counts) {
            let window = SignedDuration::try_from(cap.window).unwrap_or(SignedDuration::MAX);
            let mut ends: Vec<Timestamp> = self
                .spent
                .iter()
                .filter(|s| s.account == desired.account && s.counts == counts)
                .filter_map(|s| s.at.checked_add(window).ok())
                .filter(|end| *end > now)
                .collect();
            ends.sort();
            let max = usize::try_from(cap.max).unwrap_or(usize::MAX);
            if ends.len() >= max {
                let free_at = ends[ends.len() - max];
                self.spent.push(Spent { account: desired.account.clone(), counts, at: free_at });
                return Some((cap.name, free_at));
            }
        }
        self.spent.push(Spent { account: desired.account.clone(), counts, at: now });
        None
    }
}
