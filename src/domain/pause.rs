//! A pause: a person stops what would be sent, for a while or until they resume it.
//!
//! It stops staging and publishing. It never stops finding out what became of a request that has left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, PlatformId, PostId};

/// What a pause covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// A post on one account.
    Publication { post: PostId, account: AccountName },
    /// A post on all of its accounts.
    Post { post: PostId },
    /// All posts on an account.
    Account { account: AccountName },
    /// All accounts of a platform.
    Platform { platform: PlatformId },
}

impl Scope {
    /// The scope that these name together, if they name one.
    pub fn of(
        post: Option<PostId>,
        account: Option<AccountName>,
        platform: Option<PlatformId>,
    ) -> Option<Scope> {
        match (post, account, platform) {
            (Some(post), Some(account), None) => Some(Scope::Publication { post, account }),
            (Some(post), None, None) => Some(Scope::Post { post }),
            (None, Some(account), None) => Some(Scope::Account { account }),
            (None, None, Some(platform)) => Some(Scope::Platform { platform }),
            _ => None,
        }
    }

    pub fn covers(&self, post: &PostId, account: &AccountName, platform: PlatformId) -> bool {
        match self {
            Scope::Publication { post: p, account: a } => p == post && a == account,
            Scope::Post { post: p } => p == post,
            Scope::Account { account: a } => a == account,
            Scope::Platform { platform: p } => *p == platform,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Publication { post, account } => write!(f, "{post} → {account}"),
            Scope::Post { post } => write!(f, "post {post}"),
            Scope::Account { account } => write!(f, "account {account}"),
            Scope::Platform { platform } => write!(f, "platform {}", platform.as_str()),
        }
    }
}

/// A pause as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    #[serde(flatten)]
    pub scope: Scope,
    /// Why, for people; may be empty.
    pub why: String,
    /// Its end; without one it lasts until it is resumed.
    pub until: Option<Timestamp>,
    /// Who paused.
    pub by: String,
    pub at: Timestamp,
}

impl Pause {
    /// Whether it still counts.
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// Who and why, for a message. When it ends is told beside it.
    pub fn describe(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
        format!("{} is paused ({}){why}", self.scope, self.by)
    }
}

/// The pause of this publication that ends last, if one counts now.
pub fn pause_of<'a>(
    pauses: &'a [Pause],
    (post, account, platform): (&PostId, &AccountName, PlatformId),
    now: Timestamp,
) -> Option<&'a Pause> {
    let on = pauses.iter().filter(|p| p.is_on(now) && p.scope.covers(post, account, platform));
    on.max_by_key(|p| p.until.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().expect("time")
    }

    fn pause(scope: Scope, hours: Option<i64>) -> Pause {
        let until = hours.map(|h| now() + SignedDuration::from_hours(h));
        Pause { scope, why: String::new(), until, by: "test".into(), at: now() }
    }

    #[test]
    fn a_pause_covers_what_it_names_until_its_end() {
        let (post, account): (PostId, AccountName) = ("p".parse().expect("id"), "a".parse().expect("name"));
        let (other_post, other): (PostId, AccountName) =
            ("q".parse().expect("id"), "b".parse().expect("name"));
        let covers = |scope: &Scope| {
            [(&post, &account), (&post, &other), (&other_post, &account), (&other_post, &other)]
                .map(|(p, a)| scope.covers(p, a, PlatformId::Tiktok))
        };
        let of = |p: Option<&PostId>, a: Option<&AccountName>, platform| {
            Scope::of(p.cloned(), a.cloned(), platform).expect("a scope")
        };
        let of_both = of(Some(&post), Some(&account), None);
        assert_eq!(covers(&of_both), [true, false, false, false]);
        assert_eq!(covers(&of(Some(&post), None, None)), [true, true, false, false]);
        assert_eq!(covers(&of(None, Some(&account), None)), [true, false, true, false]);
        assert_eq!(covers(&of(None, None, Some(PlatformId::Tiktok))), [true; 4]);
        assert_eq!(Scope::of(None, None, None), None);
        assert_eq!(Scope::of(Some(post.clone()), None, Some(PlatformId::Tiktok)), None);
        let pauses = [pause(of_both.clone(), Some(2)), pause(of(Some(&post), None, None), Some(1))];
        let until = |at: i64| {
            let at = now() + SignedDuration::from_hours(at);
            pause_of(&pauses, (&post, &account, PlatformId::Tiktok), at).and_then(|p| p.until)
        };
        assert_eq!((until(0), until(1), until(2)), (pauses[0].until, pauses[0].until, None));
        let forever = [pause(of_both, None), pauses[1].clone()];
        let found = pause_of(&forever, (&post, &account, PlatformId::Tiktok), now()).expect("on");
        assert_eq!(found.until, None);
    }
}
