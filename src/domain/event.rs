//! The ledger's truth: what happened, in order. Everything else that the ledger knows is folded from these.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, ContentDigest, PostId};
use super::insight::Insight;
use super::pause::Scope;
use super::publication::Change;
use super::recipient::Recipients;
use super::retry::ErrorKind;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every ledger.
    Created { lineage: String },
    Publication {
        post: PostId,
        account: AccountName,
        #[serde(flatten)]
        change: Change,
    },
    Grant {
        account: AccountName,
        #[serde(flatten)]
        change: GrantChange,
    },
    /// Who can open the logins from now on, all of them.
    Recipients(Recipients),
    /// A person stops what would be sent; a later pause of the same scope replaces this one.
    Paused {
        #[serde(flatten)]
        scope: Scope,
        why: String,
        until: Option<Timestamp>,
    },
    /// A person lets it be sent again.
    Resumed {
        #[serde(flatten)]
        scope: Scope,
        why: String,
    },
    /// A decision from a file was taken note of, and will not be looked at again.
    Decided {
        post: Option<PostId>,
        /// Of what was decided, wherever it is written.
        digest: ContentDigest,
        /// Where it stood, for people: `content/resolutions/a.yaml:3`.
        place: String,
        /// Absent when it was carried out, by the events beside this one.
        moot: Option<String>,
    },
    /// One request to a platform, after its answer: for people, and for rate limits that survive a restart.
    Request {
        account: AccountName,
        post: Option<PostId>,
        #[serde(flatten)]
        request: Request,
    },
    /// A live post was looked at. Without a count: it is not shown, or the platform does not tell.
    Insight {
        post: PostId,
        account: AccountName,
        #[serde(flatten)]
        insight: Insight,
    },
}

impl Event {
    /// Whether it only tells what was asked and seen: nothing but rate limits and insights comes of it.
    pub fn is_detail(&self) -> bool {
        matches!(self, Event::Request { .. } | Event::Insight { .. })
    }
}

/// What happened to an account's grant. Secrets are sealed before they come here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum GrantChange {
    /// A new generation, stored before its first use.
    Stored {
        generation: u64,
        /// Ciphertext of both tokens, in hexadecimal digits.
        sealed: String,
        /// Scheme and host that the tokens were granted for; they are sent nowhere else.
        origin: String,
        scopes: Vec<String>,
        /// The platform's own id of the account.
        subject: String,
        expires_at: Timestamp,
        refresh_expires_at: Option<Timestamp>,
        /// `import`, `refresh`, `login`.
        how: String,
    },
    /// The tokens of this generation under another key; nothing else of them changed.
    Resealed { generation: u64, sealed: String },
    /// The refresh token of this generation is about to be sent.
    Presented { generation: u64 },
    /// The platform does not accept this generation any more: a person must log in.
    Refused { generation: u64, reason: String },
    /// Its owner ended it: at the platform too, or only here.
    LoggedOut { generation: u64, at_platform: bool },
}

/// A request and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The platform's name of it: `video/init`.
    pub operation: String,
    pub sent_at: Timestamp,
    pub millis: u64,
    /// HTTP status; absent when nobody answered.
    pub status: Option<u16>,
    /// Absent when it went well.
    pub error: Option<ErrorKind>,
    /// The platform's error code.
    pub code: Option<String>,
    /// The platform's own id of the request, for its support.
    pub log_id: Option<String>,
}

/// An event as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    /// Who or what did it: `apply`, `auth import`, with a person's or a CI run's name where there is one.
    pub actor: String,
    pub event: Event,
    /// SHA-256 over the previous entry's hash and this entry.
    pub hash: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::commit::{Commit, Standing};
    use crate::domain::ids::{ContentDigest, PlatformId};
    use crate::domain::media::{FileStamp, Medium, Probe};
    use crate::domain::payload::{Estimate, Payload};

    #[test]
    fn exceptions_survive_their_text_form() {
        let (post, account): (PostId, AccountName) = ("p".parse().expect("id"), "a".parse().expect("name"));
        let of = |p: Option<&PostId>, a: Option<&AccountName>, platform| {
            Scope::of(p.cloned(), a.cloned(), platform).expect("a scope")
        };
        for scope in [
            of(Some(&post), Some(&account), None),
            of(Some(&post), None, None),
            of(None, Some(&account), None),
            of(None, None, Some(PlatformId::Tiktok)),
        ] {
            let digest = ContentDigest::of(b"x");
            for event in [
                Event::Paused { scope: scope.clone(), why: "y".into(), until: Some(Timestamp::UNIX_EPOCH) },
                Event::Resumed { scope, why: String::new() },
                Event::Decided { post: Some(post.clone()), digest, place: "a:1".into(), moot: None },
            ] {
                let text = serde_json::to_string(&event).expect("serialize");
                assert_eq!(serde_json::from_str::<Event>(&text).expect("parse"), event, "{text}");
            }
        }
    }

    fn commit() -> Commit {
        let id = "0123456789abcdef0123456789abcdef01234567".parse().expect("a hash");
        Commit { id, author: "Ann".into(), subject: "launch".into(), manifest: Standing::Changed }
    }

    /// The entries of a ledger are hashed as they stand: what an earlier version wrote must also come out of this one.
    #[test]
    fn an_attempt_without_a_commit_reads_and_writes_as_before() {
        let digest = ContentDigest::of(b"x");
        let text = format!(
            r#"{{"event":"publication","post":"p","account":"a","change":"started","platform":"tiktok","digest":"{digest}","revision":1,"path":"p.yaml","payload":{{"platform":"tiktok","body":1,"media":[],"what":"video","text":null,"counts":"drafts","estimate":{{"requests":1,"bytes":2,"chunks":null}}}}}}"#
        );
        let event: Event = serde_json::from_str(&text).expect("reads");
        assert!(matches!(&event, Event::Publication { change: Change::Started { commit: None, .. }, .. }));
        assert_eq!(serde_json::to_string(&event).expect("writes"), text);
    }

    #[test]
    fn recipients_survive_their_text_form() {
        use crate::domain::recipient::{PublicKey, Recipient};
        let public_key = PublicKey([7; 32]);
        let recipient = Recipient { name: "ann".parse().expect("name"), public_key, wrapped: "00".into() };
        let list = Recipients { epoch: 1, by: public_key, recipients: vec![recipient] };
        let change = GrantChange::Resealed { generation: 3, sealed: "02".into() };
        for event in [Event::Recipients(list), Event::Grant { account: "a".parse().expect("name"), change }] {
            let text = serde_json::to_string(&event).expect("serialize");
            assert_eq!(serde_json::from_str::<Event>(&text).expect("parse"), event, "{text}");
        }
    }

    #[test]
    fn events_survive_their_text_form() {
        let medium = Medium::File {
            path: "a.mp4".into(),
            size: 1,
            digest: ContentDigest::of(b"a"),
            stamp: FileStamp { size: 1, mtime_ns: -1, ctime_ns: i64::MAX, inode: u64::MAX, device: 0 },
            probe: Probe::Unknown { looks_like: None },
            url: None,
        };
        let payload = Payload {
            platform: PlatformId::Tiktok,
            body: serde_json::json!({ "v": 1 }).into(),
            media: vec![medium],
            what: "video".into(),
            text: None,
            counts: crate::domain::limits::Counts::Posts,
            estimate: Estimate::default(),
            fixed: None,
        };
        let event = Event::Publication {
            post: "p".parse().expect("id"),
            account: "a".parse().expect("name"),
            change: Change::Started {
                platform: PlatformId::Tiktok,
                digest: payload.digest(),
                revision: 1,
                path: "content/p.yaml".into(),
                commit: Some(commit()),
                payload: Box::new(payload),
            },
        };
        let text = serde_json::to_string(&event).expect("serialize");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("parse"), event);
    }
}
