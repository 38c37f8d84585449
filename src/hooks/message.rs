//! What others are told, from words of the domain to one document. Pure.
//!
//! # Flow
//!
//! What happened comes from entries of the ledger, each of which is told once. What stands in the way (a gate, a live
//! post that no edit makes right, a login that is over) is no event: it is told when it begins, remembered as
//! [`Standing`], and told again when it is over, as `recovered`. Both are grouped by cause: what failed for one reason is
//! one group, however many posts it is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::event::{Entry, Event};
use crate::domain::ids::{AccountName, PlatformId, PostId};
use crate::domain::plan::{Action, PAUSED, Plan};
use crate::domain::publication::{Change, Publication, Reason, Settlement};
use crate::domain::unseen::is_hidden;
use crate::domain::url;

/// Version of the document.
const FORMAT_VERSION: u32 = 1;
/// The form of the document, for receivers that get others too.
const TYPE: &str = "gitcast.transitions";
/// What of a message is listed; the rest is counted.
const GROUPS_MAX: usize = 10;
const POSTS_MAX: usize = 30;
const ACCOUNTS_MAX: usize = 10;
/// The longest text of a reason, in characters, and the longest address, in bytes; a longer one is left out.
const TEXT_CHARS_MAX: usize = 300;
const URL_BYTES_MAX: usize = 500;

/// What there is to tell of a publication or an account. In the order in which it is told: first what needs somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The platform said no.
    Failed,
    /// A person must decide what became of it.
    Held,
    /// The platform does not edit or delete the live post.
    TurnedDown,
    /// Stopped by a gate of the plan.
    Refused,
    /// Published, and changed since in a way that cannot be edited.
    Diverged,
    /// Published, no longer wanted, and the platform offers no deletion.
    Undeletable,
    /// Nothing is published on the account until somebody logs in.
    LoginNeeded,
    /// A live post is not as recorded, or is so again.
    Noticed,
    /// What was told as refused, diverged, undeletable or in need of a login is so no more.
    Recovered,
    /// A person has settled it, in another way than as published.
    Settled,
    Published,
    Delivered,
    Edited,
    Deleted,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub kind: Kind,
    pub cause: Option<Reason>,
    pub account: AccountName,
    pub platform: PlatformId,
    /// Absent where it is about the account.
    pub post: Option<PostId>,
    /// When it happened or was found.
    pub at: Timestamp,
    pub url: Option<String>,
}

/// What stands in the way at present and is no event.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    pub kind: Kind,
    pub cause: Reason,
    pub account: AccountName,
    pub platform: PlatformId,
    pub post: Option<PostId>,
}

/// A trouble that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    kind: Kind,
    code: String,
    account: AccountName,
    platform: PlatformId,
    post: Option<PostId>,
}

/// What is known of something that stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// It was looked at.
    Seen,
    /// It was not, and nothing follows from that.
    Unseen,
    /// There is no such thing any more.
    Gone,
}

/// What a plan and the logins say at present.
#[derive(Debug)]
pub struct Present<'a> {
    pub plan: &'a Plan,
    /// Whether the plan is of all of `content/`.
    pub is_whole: bool,
    /// The declared accounts, each with why somebody must log in there, if that is so.
    pub logins: &'a BTreeMap<AccountName, (PlatformId, Option<String>)>,
    pub now: Timestamp,
}

impl Present<'_> {
    /// What stands in the way.
    fn troubles(&self) -> Vec<Trouble> {
        let logins = self.logins.iter().filter_map(|(account, (platform, why))| {
            let cause = Reason::new("login-needed", why.as_ref()?);
            let (account, platform) = (account.clone(), *platform);
            Some(Trouble { kind: Kind::LoginNeeded, cause, account, platform, post: None })
        });
        let planned = self.plan.changes.iter().filter_map(|change| {
            let kind = match change.action {
                Action::Refuse => Kind::Refused,
                Action::Diverged => Kind::Diverged,
                Action::Undeletable => Kind::Undeletable,
                _ => return None,
            };
            let cause = Reason::new(&change.reason, &change.message);
            let (account, post) = (change.account.clone(), Some(change.post.clone()));
            Some(Trouble { kind, cause, account, platform: change.platform, post })
        });
        logins.chain(planned).collect()
    }

    /// What is new beside `happened`, and what is to be remembered of it, in a settled order.
    pub fn news(&self, before: &[Standing], happened: &[Item]) -> (Vec<Item>, Vec<Standing>) {
        let told: BTreeSet<_> = before.iter().map(Standing::key).collect();
        let (mut news, mut standing) = (Vec::new(), Vec::new());
        for trouble in self.troubles() {
            let now = Standing::of(&trouble);
            if !told.contains(&now.key()) {
                let Trouble { kind, cause, account, platform, post } = trouble;
                news.push(Item {
                    kind,
                    cause: Some(cause),
                    account,
                    platform,
                    post,
                    at: self.now,
                    url: None,
                });
            }
            standing.push(now);
        }
        let still: BTreeSet<_> = standing.iter().map(|now| (&now.account, &now.post)).collect();
        // That it was published says as much as that it has recovered.
        let moved: BTreeSet<_> = happened.iter().map(|item| (&item.account, &item.post)).collect();
        let planned: BTreeMap<_, _> =
            self.plan.changes.iter().map(|c| ((&c.account, &c.post), &*c.reason)).collect();
        let mut kept = Vec::new();
        for was in before.iter().filter(|was| !still.contains(&(&was.account, &was.post))) {
            match self.sight(was, &planned) {
                Sight::Unseen => kept.push(was.clone()),
                Sight::Seen if !moved.contains(&(&was.account, &was.post)) => {
                    news.push(was.recovered(self.now))
                }
                Sight::Seen | Sight::Gone => {}
            }
        }
        standing.extend(kept);
        standing.sort_by(|a, b| a.key().cmp(&b.key()));
        (news, standing)
    }

    fn sight(&self, of: &Standing, planned: &BTreeMap<(&AccountName, &PostId), &str>) -> Sight {
        let Some(post) = &of.post else {
            return if self.logins.contains_key(&of.account) { Sight::Seen } else { Sight::Gone };
        };
        match planned.get(&(&of.account, post)) {
            // The plan says so without having looked at what the manifest wants.
            Some(&("manifest-broken" | "scan-incomplete" | PAUSED)) => Sight::Unseen,
            Some(_) => Sight::Seen,
            None if self.is_whole => Sight::Gone,
            None => Sight::Unseen,
        }
    }
}

impl Standing {
    fn of(trouble: &Trouble) -> Standing {
        Standing {
            kind: trouble.kind,
            code: trouble.cause.code.clone(),
            account: trouble.account.clone(),
            platform: trouble.platform,
            post: trouble.post.clone(),
        }
    }

    fn recovered(&self, at: Timestamp) -> Item {
        Item {
            kind: Kind::Recovered,
            cause: Some(Reason::new(&self.code, "")),
            account: self.account.clone(),
            platform: self.platform,
            post: self.post.clone(),
            at,
            url: None,
        }
    }

    fn key(&self) -> (Kind, &str, &AccountName, &Option<PostId>) {
        (self.kind, &self.code, &self.account, &self.post)
    }
}

/// What entries tell, each kind of thing once for a publication: the last.
#[derive(Debug, Default)]
pub struct Happened(BTreeMap<(PostId, AccountName, Kind), (Timestamp, Option<Reason>)>);

impl Happened {
    pub fn note(&mut self, entry: Entry) {
        let Event::Publication { post, account, change } = entry.event else { return };
        let (kind, cause) = match change {
            Change::Published { .. } => (Kind::Published, None),
            Change::Settled { settlement: Settlement::Published { .. }, .. } => (Kind::Published, None),
            Change::Settled { reason, .. } | Change::Adopted { reason, .. } => (Kind::Settled, Some(reason)),
            Change::Delivered { .. } => (Kind::Delivered, None),
            Change::Edited { .. } => (Kind::Edited, None),
            Change::Deleted => (Kind::Deleted, None),
            Change::Refused { reason } => (Kind::Failed, Some(reason)),
            Change::TurnedDown { reason } => (Kind::TurnedDown, Some(reason)),
            Change::Held { reason } => (Kind::Held, Some(reason)),
            Change::Noticed { reason } => (Kind::Noticed, Some(reason)),
            Change::Started { .. }
            | Change::Stepped { .. }
            | Change::Staged { .. }
            | Change::Intended { .. }
            | Change::Accepted { .. }
            | Change::Looked { .. }
            | Change::Unanswered { .. }
            | Change::Absent { .. }
            | Change::Advanced { .. }
            | Change::EditStarted { .. }
            | Change::DeleteStarted { .. }
            | Change::Delayed { .. }
            | Change::Superseded { .. }
            | Change::Retried { .. }
            | Change::Forgotten { .. } => return,
        };
        self.0.insert((post, account, kind), (entry.at, cause));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.0.keys().map(|(_, _, kind)| *kind)
    }

    /// With what is recorded of the publications now: an address that came later is among it.
    pub fn news(self, recorded: &[Publication]) -> Vec<Item> {
        let recorded: BTreeMap<_, _> = recorded.iter().map(|p| ((&p.post, &p.account), p)).collect();
        let news = self.0.into_iter().filter_map(|((post, account, kind), (at, cause))| {
            let publication = recorded.get(&(&post, &account))?;
            let (platform, url) = (publication.platform, publication.remote.url.clone());
            Some(Item { kind, cause, account, platform, post: Some(post), at, url })
        });
        news.collect()
    }
}

/// What a message says of itself.
#[derive(Debug)]
pub struct Envelope<'a> {
    pub id: &'a str,
    pub at: Timestamp,
    pub lineage: &'a str,
    /// Whether it is only a rehearsal.
    pub is_rehearsal: bool,
}

/// The document: at most 64 KiB, whatever it tells of.
pub fn document(envelope: &Envelope<'_>, news: &[Item]) -> String {
    let mut groups: BTreeMap<(Kind, Option<&str>), Vec<&Item>> = BTreeMap::new();
    for item in news {
        groups.entry((item.kind, item.cause.as_ref().map(|c| &*c.code))).or_default().push(item);
    }
    let mut room = POSTS_MAX;
    let shown: Vec<_> = groups
        .iter()
        .take(GROUPS_MAX)
        .map(|((kind, code), items)| group(*kind, *code, items, &mut room))
        .collect();
    let document = json!({
        "format_version": FORMAT_VERSION,
        "type": TYPE,
        "id": envelope.id,
        "timestamp": envelope.at,
        "lineage": envelope.lineage,
        "rehearsal": envelope.is_rehearsal,
        "groups": shown,
        "more_groups": groups.len() - shown.len(),
    });
    document.to_string()
}

/// `room` is how many posts may still be listed.
fn group(kind: Kind, code: Option<&str>, items: &[&Item], room: &mut usize) -> Value {
    let accounts: BTreeSet<_> = items.iter().map(|item| &item.account).collect();
    let posts: Vec<_> = items.iter().filter(|item| item.post.is_some()).collect();
    let listed = posts.len().min(*room);
    *room -= listed;
    let message = items.iter().find_map(|item| Some(plain(&item.cause.as_ref()?.message)));
    json!({
        "kind": kind,
        "code": code.map(plain),
        "message": message.filter(|message| !message.is_empty()),
        "accounts": accounts.iter().take(ACCOUNTS_MAX).collect::<Vec<_>>(),
        "more_accounts": accounts.len().saturating_sub(ACCOUNTS_MAX),
        "posts": posts[..listed].iter().map(|item| post(item)).collect::<Vec<_>>(),
        "more_posts": posts.len() - listed,
    })
}

fn post(item: &Item) -> Value {
    let url = item.url.as_deref().filter(|url| url.len() <= URL_BYTES_MAX && url::check_page(url).is_ok());
    json!({
        "post": item.post, "account": item.account, "platform": item.platform, "at": item.at, "remote_url": url,
    })
}

/// A text from outside on one line, cut, without characters that are not seen.
fn plain(text: &str) -> String {
    let folded: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let neighbour = |at: Option<usize>| at.and_then(|at| folded.get(at)).copied().unwrap_or('\n');
    let seen =
        |at: &usize| !is_hidden(neighbour(at.checked_sub(1)), folded[*at], neighbour(at.checked_add(1)));
    let mut kept = (0..folded.len()).filter(seen).map(|at| folded[at]);
    let mut out: String = kept.by_ref().take(TEXT_CHARS_MAX).collect();
    if kept.next().is_some() {
        out.push('…');
    }
    out
}
