//! What an account has that the ledger does not know, its posts and the comments below them: asks within the rate limits, and
//! tells which posts are known.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::inquiry::ask;
use crate::domain::grant::Grant;
use crate::domain::ids::AccountName;
use crate::domain::limits::RateLimit;
use crate::domain::publication::{Publication, State};
use crate::ledger::{self, Ledger};
use crate::platform::comments::Comments;
use crate::platform::listing::{Listing, Page};
use crate::platform::{Error, comments};

/// One page of the account's posts, after its request was recorded.
pub async fn page(
    ledger: &mut Ledger,
    (listing, rates): (&dyn Listing, &[RateLimit]),
    (account, grant): (&AccountName, &Grant),
    cursor: Option<&str>,
    moment: (Timestamp, &str),
) -> Result<Result<Page, Error>, ledger::Error> {
    let whose = (account, listing.operation());
    ask(ledger, rates, whose, moment, async |log| listing.page(cursor, grant, log).await).await
}

/// One page of the comments below a post, likewise.
pub async fn comments(
    ledger: &mut Ledger,
    (comments, rates): (&dyn Comments, &[RateLimit]),
    (account, post): (&AccountName, &str),
    cursor: Option<&str>,
    moment: (Timestamp, &str),
) -> Result<Result<comments::Page, Error>, ledger::Error> {
    let whose = (account, comments.operation());
    ask(ledger, rates, whose, moment, async |log| comments.page(post, cursor, log).await).await
}

/// The platform's ids of all posts that these accounts are known to have or to have had.
pub fn known(ledger: &Ledger, accounts: &[AccountName]) -> Result<BTreeSet<String>, ledger::Error> {
    let mut known = BTreeSet::new();
    for account in accounts {
        known.extend(ledger.remote_ids(account)?);
    }
    // Whoever settled or adopted a post by hand may have given its address alone, which ends in the id.
    let publications = ledger.publications()?;
    let of_these = publications.iter().filter(|p| accounts.contains(&p.account));
    known.extend(of_these.filter_map(|p| last_segment(p.remote.url.as_deref()?)).map(str::to_owned));
    Ok(known)
}

fn last_segment(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next()?.trim_end_matches('/');
    path.rsplit('/').next().filter(|segment| !segment.is_empty())
}

/// The publication whose post may be among the listed ones without its id being known. Under another name it could not
/// be found any more: whoever looks for it would take it for absent, and publish it again.
pub fn in_doubt<'a>(publications: &'a [Publication], accounts: &[AccountName]) -> Option<&'a Publication> {
    use State::*;
    publications.iter().find(|p| {
        let may_be_there = match p.state {
            Publishing | Partial | Accepted | Unresolved | Held => true,
            // Its id is still looked for.
            Published | Delivered => p.next_at.is_some(),
            Planned | Staging | Staged | Editing | Deleting | Deleted | Failed => false,
        };
        may_be_there && p.remote.id.is_none() && accounts.contains(&p.account)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::event::Request;
    use crate::domain::retry::ErrorKind;
    use crate::ledger::Holder;
    use crate::platform::{BoxFuture, RequestLog};

    const RATES: &[RateLimit] =
        &[RateLimit { operations: &["list"], max: 2, window: Duration::from_secs(60) }];

    /// A list without an end, whose requests leave at this time.
    struct Endless(Timestamp);

    impl Listing for Endless {
        fn operation(&self) -> &'static str {
            "list"
        }

        fn page<'a>(
            &'a self,
            _: Option<&'a str>,
            _: &'a Grant,
            log: &'a RequestLog,
        ) -> BoxFuture<'a, Result<Page, Error>> {
            log.push(Request {
                operation: "list".into(),
                sent_at: self.0,
                millis: 1,
                status: Some(200),
                error: None,
                code: None,
                log_id: None,
            });
            Box::pin(async { Ok(Page { posts: Vec::new(), next: Some("more".into()) }) })
        }
    }

    #[tokio::test]
    async fn requests_are_recorded_and_stop_at_the_rate_limit_until_there_is_room() {
        let folder = tempfile::tempdir().expect("folder");
        let start: Timestamp = "2026-11-26T10:00:00Z".parse().expect("time");
        let holder = Holder::this_process("test", start, |_| None);
        let path = folder.path().join("ledger.db");
        let mut ledger =
            Ledger::create(&path, "line", (start, "test"), Duration::ZERO, &holder).expect("ledger");
        let account: AccountName = "a".parse().expect("name");
        let grant = Grant {
            access: crate::secret::Secret::new("token"),
            refresh: None,
            app: None,
            expires_at: Timestamp::MAX,
            refresh_expires_at: None,
            scopes: Vec::new(),
            subject: "subject".into(),
        };
        for (seconds, sent, leaves) in
            [(0, 0, true), (1, 1, true), (2, 2, false), (59, 2, false), (61, 2, true)]
        {
            let now = start + jiff::SignedDuration::from_secs(seconds);
            let before = ledger.requests_since(&account, &["list"], start).expect("read").len();
            assert_eq!(before, sent, "{seconds} s");
            let list = Endless(now);
            let found = page(&mut ledger, (&list, RATES), (&account, &grant), None, (now, "test")).await;
            let found = found.expect("recorded");
            assert_eq!(found.is_ok(), leaves, "{seconds} s");
            if let Err(error) = found {
                assert_eq!((error.kind, error.retry_after.is_some()), (ErrorKind::RateLimited, true));
            }
            let after = ledger.requests_since(&account, &["list"], start).expect("read").len();
            assert_eq!(after, sent + usize::from(leaves), "{seconds} s");
        }
    }

    #[test]
    fn an_address_ends_in_the_id() {
        for (url, id) in [
            ("https://www.tiktok.com/@a/video/7", Some("7")),
            ("https://www.tiktok.com/@a/video/7/?utm=8#9", Some("7")),
            ("", None),
        ] {
            assert_eq!(last_segment(url), id, "{url}");
        }
    }
}
