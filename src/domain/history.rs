//! The story of a post, put together from its entries: on each account, attempt by attempt, what led to what.

use super::event::{Entry, Event, Request};
use super::ids::{AccountName, PostId};
use super::publication::{Change, Remote, Settlement};

/// What became of a post on one account.
#[derive(Debug, Clone, PartialEq)]
pub struct History<'a> {
    pub post: &'a PostId,
    pub account: &'a AccountName,
    pub attempts: Vec<Attempt<'a>>,
}

/// From where an attempt begins until the next one does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt<'a> {
    /// Counted from 1, over all revisions. 0: what was recorded before any attempt, as when a live post is adopted.
    pub number: u32,
    pub steps: Vec<Step<'a>>,
}

/// A change, and the requests that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<'a> {
    pub requests: Vec<(&'a Entry, &'a Request)>,
    /// Absent where the last requests led to none.
    pub change: Option<(&'a Entry, &'a Change)>,
}

/// The histories in these entries of one post, by account in the order in which they began; and the entries that are
/// about no publication in particular.
pub fn histories(entries: &[Entry]) -> (Vec<History<'_>>, Vec<&Entry>) {
    let (mut histories, mut notes) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.event {
            Event::Publication { post, account, change } => {
                history(&mut histories, post, account).change(entry, change);
            }
            Event::Request { post: Some(post), account, request } => {
                history(&mut histories, post, account).open().requests.push((entry, request));
            }
            Event::Insight { .. } => {}
            _ => notes.push(entry),
        }
    }
    (histories, notes)
}

fn history<'h, 'a>(
    histories: &'h mut Vec<History<'a>>,
    post: &'a PostId,
    account: &'a AccountName,
) -> &'h mut History<'a> {
    let known = histories.iter().position(|h| (h.post, h.account) == (post, account));
    let index = known.unwrap_or_else(|| {
        histories.push(History { post, account, attempts: Vec::new() });
        histories.len() - 1
    });
    &mut histories[index]
}

impl<'a> History<'a> {
    fn change(&mut self, entry: &'a Entry, change: &'a Change) {
        if matches!(change, Change::Started { .. }) {
            let number = self.attempts.last().map_or(0, |attempt| attempt.number) + 1;
            self.attempts.push(Attempt { number, steps: Vec::new() });
        }
        self.open().change = Some((entry, change));
    }

    /// The step that has no change yet.
    fn open(&mut self) -> &mut Step<'a> {
        if self.attempts.is_empty() {
            self.attempts.push(Attempt::default());
        }
        let last = self.attempts.len() - 1;
        let steps = &mut self.attempts[last].steps;
        if steps.last().is_none_or(|step| step.change.is_some()) {
            steps.push(Step { requests: Vec::new(), change: None });
        }
        let last = steps.len() - 1;
        &mut steps[last]
    }
}

impl<'a> Attempt<'a> {
    /// The steps, with those that differ in nothing but their time together, such as the chunks of an upload.
    pub fn alike(&self) -> Vec<&[Step<'a>]> {
        self.steps.chunk_by(is_alike).collect()
    }

    /// The entry that it begins with.
    pub fn start(&self) -> Option<(&'a Entry, &'a Change)> {
        self.steps.first()?.change.filter(|(_, change)| matches!(change, Change::Started { .. }))
    }

    /// The live post that it led to, as far as it is known and counts.
    pub fn remote(&self) -> Option<&'a Remote> {
        let changes = self.steps.iter().filter_map(|step| step.change.map(|(_, change)| change));
        changes.fold(None, |remote, change| match change {
            Change::Published { remote, .. } | Change::Looked { remote, .. } => Some(remote),
            Change::Adopted { remote, .. } | Change::Advanced { remote, .. } => Some(remote),
            Change::Edited { remote, .. } => Some(remote),
            Change::Settled { settlement: Settlement::Published { remote }, .. } => Some(remote),
            Change::Forgotten { .. } | Change::Deleted => None,
            _ => remote,
        })
    }
}

/// One chunk or one look after another: the same single request, well answered, and the same change.
fn is_alike(a: &Step, b: &Step) -> bool {
    let of = |step: &Step| match (step.requests.as_slice(), step.change) {
        ([(_, request)], Some((entry, change @ (Change::Stepped { .. } | Change::Accepted { .. }))))
            if request.error.is_none() =>
        {
            Some((request.operation.clone(), request.status, change.name(), entry.actor.clone()))
        }
        _ => None,
    };
    of(a).is_some_and(|first| Some(first) == of(b))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::publication::Reason;

    fn entries(events: Vec<Event>) -> Vec<Entry> {
        let entry = |(seq, event)| Entry {
            seq,
            at: Timestamp::UNIX_EPOCH,
            actor: "test".into(),
            event,
            hash: [0; 32],
        };
        (1..).zip(events).map(entry).collect()
    }

    fn change(account: &str, change: Change) -> Event {
        Event::Publication { post: "p".parse().expect("id"), account: account.parse().expect("name"), change }
    }

    fn started(account: &str) -> Event {
        let text = json!({
            "event": "publication", "post": "p", "account": account, "change": "started", "platform": "tiktok",
            "digest": crate::domain::ids::ContentDigest::of(b""), "revision": 1, "path": "p.yaml",
            "payload": {
                "platform": "tiktok", "body": 1, "media": [], "what": "video", "text": null, "counts": "drafts",
                "estimate": { "requests": 1, "bytes": 2, "chunks": null },
            },
        });
        serde_json::from_value(text).expect("an event")
    }

    fn request(account: &str, operation: &str) -> Event {
        let request = Request {
            operation: operation.into(),
            sent_at: Timestamp::UNIX_EPOCH,
            millis: 1,
            status: Some(200),
            error: None,
            code: None,
            log_id: None,
        };
        Event::Request {
            account: account.parse().expect("name"),
            post: Some("p".parse().expect("id")),
            request,
        }
    }

    fn told(histories: &[History]) -> Vec<String> {
        let step = |step: &Step| {
            let requests: Vec<_> = step.requests.iter().map(|(_, r)| r.operation.as_str()).collect();
            format!("{}>{}", requests.join("+"), step.change.map_or("", |(_, change)| change.name()))
        };
        let attempts = histories.iter().flat_map(|h| h.attempts.iter().map(move |a| (h.account, a)));
        attempts
            .map(|(account, attempt)| {
                let steps: Vec<_> = attempt.steps.iter().map(step).collect();
                format!("{account} {}: {}", attempt.number, steps.join(" "))
            })
            .collect()
    }

    #[test]
    fn requests_go_with_the_change_that_they_led_to() {
        let reason = Reason::new("c", "m");
        let remote = Remote { id: None, url: Some("u".into()) };
        let entries = entries(vec![
            started("a"),
            started("b"),
            request("a", "init"),
            request("b", "init"),
            change("a", Change::Stepped { checkpoint: json!(1), next_at: None }),
            change("b", Change::Refused { reason: reason.clone() }),
            request("a", "chunk"),
            request("a", "chunk"),
            change("a", Change::Published { checkpoint: None, remote: remote.clone(), next_at: None }),
            change("b", Change::Retried { reason: reason.clone() }),
            Event::Created { lineage: "l".into() },
            started("b"),
            request("b", "init"),
        ]);
        let (histories, notes) = histories(&entries);
        assert_eq!(
            told(&histories),
            [
                "a 1: >started init>stepped chunk+chunk>published",
                "b 1: >started init>refused >retried",
                "b 2: >started init>",
            ]
        );
        assert_eq!(notes.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [11]);
        assert_eq!(histories[0].attempts[0].remote(), Some(&remote));
        assert_eq!(histories[1].attempts[0].remote(), None);
        assert_eq!(histories[1].attempts[1].start().map(|(entry, _)| entry.seq), Some(12));
    }

    #[test]
    fn what_needs_no_attempt_is_told_too_and_what_is_forgotten_is_not_live() {
        let digest = crate::domain::ids::ContentDigest::of(b"");
        let adopted = Change::Adopted {
            platform: crate::domain::ids::PlatformId::Tiktok,
            digest,
            revision: 1,
            path: "p.yaml".into(),
            remote: Remote { id: Some("7".into()), url: None },
            reason: Reason::new("adopted", "by hand"),
            payload: None,
        };
        let forgotten = Change::Forgotten { forced: false, reason: Reason::new("c", "m"), again: false };
        let both = entries(vec![change("a", adopted), change("a", forgotten)]);
        let (all, _) = histories(&both);
        assert_eq!(told(&all), ["a 0: >adopted >forgotten"]);
        assert_eq!(all[0].attempts[0].remote(), None);
        let (before, _) = histories(&both[..1]);
        assert_eq!(before[0].attempts[0].remote().and_then(|remote| remote.id.as_deref()), Some("7"));
    }
}
