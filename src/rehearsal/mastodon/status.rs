//! A status, its versions, and what waits to become one; and how they look from outside (docs entities/Status,
//! ScheduledStatus, StatusSource, StatusEdit, Poll; read 2026-11-22).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::settings::AccountSetup;
use super::html;
use super::model::{Model, account_id};
use super::time;

/// What can be changed later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) text: String,
    pub(super) spoiler_text: String,
    pub(super) sensitive: bool,
    pub(super) language: String,
    /// In the order in which they were named.
    pub(super) media: Vec<i64>,
    pub(super) poll: Option<Poll>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Poll {
    pub(super) options: Vec<String>,
    /// Seconds.
    pub(super) expires_in: i64,
    pub(super) multiple: bool,
    pub(super) hide_totals: bool,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Draft {
    pub(super) account: String,
    pub(super) client_id: String,
    pub(super) body: Body,
    pub(super) visibility: String,
    pub(super) in_reply_to: Option<i64>,
    pub(super) quoted: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) id: i64,
    pub(super) draft: Draft,
    pub(super) poll_id: Option<i64>,
    /// In milliseconds, as all times here.
    pub(super) poll_ends_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) edited_at: Option<i64>,
    pub(super) deleted_at: Option<i64>,
    /// Empty until the first edit, which adds what was there before it.
    pub(super) versions: Vec<Version>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) body: Body,
    pub(super) descriptions: Vec<String>,
    pub(super) at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Scheduled {
    pub(super) id: i64,
    pub(super) draft: Draft,
    pub(super) at: i64,
    pub(super) created_at: i64,
}

impl Status {
    pub(super) fn new(id: i64, poll_id: Option<i64>, draft: Draft, at: i64) -> Status {
        let poll_ends_at = draft.body.poll.as_ref().map(|poll| at.saturating_add(poll.expires_in * 1_000));
        let (edited_at, deleted_at) = (None, None);
        Status {
            id,
            draft,
            poll_id,
            poll_ends_at,
            created_at: at,
            edited_at,
            deleted_at,
            versions: Vec::new(),
        }
    }

    /// Who may see it: its author all, others what is not private.
    pub(super) fn is_visible_to(&self, account: Option<&str>) -> bool {
        account == Some(&self.draft.account)
            || matches!(self.draft.visibility.as_str(), "public" | "unlisted")
    }
}

/// A model that answers, and under which address.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) model: &'a Model,
    pub(super) base_url: &'a str,
    pub(super) now: i64,
}

impl View<'_> {
    pub(super) fn status(&self, status: &Status) -> Value {
        let (model, base_url, draft) = (self.model, self.base_url, &status.draft);
        let body = &draft.body;
        let author = model.account(&draft.account);
        let username = author.map_or("", |author| author.username.as_str());
        let app = model.app(&draft.client_id);
        let parent = draft.in_reply_to.and_then(|id| model.status(id));
        let quoted = draft.quoted.and_then(|id| model.status(id));
        let replies = model.kept.statuses.iter().filter(|reply| reply.draft.in_reply_to == Some(status.id));
        json!({
            "id": status.id.to_string(),
            "created_at": time(status.created_at),
            "in_reply_to_id": parent.map(|parent| parent.id.to_string()),
            "in_reply_to_account_id": parent.map(|parent| account_id(&parent.draft.account)),
            "sensitive": body.sensitive,
            "spoiler_text": body.spoiler_text,
            "visibility": draft.visibility,
            "language": body.language,
            "uri": format!("{base_url}/users/{username}/statuses/{}", status.id),
            "url": format!("{base_url}/@{username}/{}", status.id),
            "replies_count": replies.filter(|reply| reply.deleted_at.is_none()).count(),
            "reblogs_count": 0, "favourites_count": 0, "quotes_count": 0,
            "edited_at": status.edited_at.map(time),
            "favourited": false, "reblogged": false, "muted": false, "bookmarked": false, "pinned": false,
            "content": self.content(&body.text),
            "filtered": [],
            "reblog": null,
            "quote": quoted.map(|quoted| json!({ "state": "accepted", "quoted_status_id": quoted.id.to_string() })),
            "application": app.map(|app| json!({ "name": app.name, "website": app.website })),
            "account": author.map(|author| self.account(author)),
            "media_attachments": self.media(&body.media),
            "mentions": self.mentions(&body.text),
            "tags": self.tags(&body.text),
            "emojis": [],
            "card": null,
            "poll": self.poll(status),
        })
    }

    fn content(&self, text: &str) -> String {
        let address = |name: &str| self.model.by_username(name).map(|account| self.profile(account));
        html::render(text, self.base_url, address)
    }

    fn profile(&self, account: &AccountSetup) -> String {
        format!("{}/@{}", self.base_url, account.username)
    }

    fn pieces<'t>(&self, text: &'t str, kind: html::Kind) -> Vec<&'t str> {
        let found = html::entities(text).into_iter().filter(|found| found.kind == kind);
        found.map(|found| &text[found.start + 1..found.end]).collect()
    }

    /// Only those who live here can be found.
    fn mentions(&self, text: &str) -> Vec<Value> {
        let mut accounts: Vec<_> = self.mentioned(text);
        accounts.dedup_by_key(|account| account.name.clone());
        let shown = accounts.iter().map(|account| {
            let (name, url) = (&account.username, self.profile(account));
            json!({ "id": account_id(&account.name), "username": name, "acct": name, "url": url })
        });
        shown.collect()
    }

    pub(super) fn mentioned(&self, text: &str) -> Vec<&AccountSetup> {
        let names = self.pieces(text, html::Kind::Mention).into_iter();
        names.filter_map(|name| self.model.by_username(name)).collect()
    }

    fn tags(&self, text: &str) -> Vec<Value> {
        let mut names: Vec<String> =
            self.pieces(text, html::Kind::Hashtag).iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names.dedup();
        let base_url = self.base_url;
        names.iter().map(|name| json!({ "name": name, "url": format!("{base_url}/tags/{name}") })).collect()
    }

    fn media(&self, ids: &[i64]) -> Vec<Value> {
        let found = ids.iter().filter_map(|id| self.model.kept.media.get(id));
        found.map(|media| media.view(self.base_url, self.now)).collect()
    }

    fn poll(&self, status: &Status) -> Value {
        let (Some(poll), Some(id)) = (&status.draft.body.poll, status.poll_id) else { return Value::Null };
        let is_over = status.poll_ends_at.is_some_and(|end| end <= self.now);
        let votes = (is_over || !poll.hide_totals).then_some(0);
        let options = poll.options.iter().map(|title| json!({ "title": title, "votes_count": votes }));
        json!({
            "id": id.to_string(), "expires_at": status.poll_ends_at.map(time), "expired": is_over,
            "multiple": poll.multiple, "votes_count": 0, "voters_count": 0, "voted": true, "own_votes": [],
            "options": options.collect::<Vec<_>>(), "emojis": [],
        })
    }

    pub(super) fn account(&self, account: &AccountSetup) -> Value {
        let own = self.model.kept.statuses.iter().filter(|status| status.draft.account == account.name);
        json!({
            "id": account_id(&account.name), "username": account.username, "acct": account.username,
            "display_name": account.nickname, "locked": false, "bot": false, "group": false, "note": "",
            "url": self.profile(account), "uri": format!("{}/users/{}", self.base_url, account.username),
            "avatar": format!("{}/avatars/original/missing.png", self.base_url),
            "followers_count": 0, "following_count": 0,
            "statuses_count": own.filter(|status| status.deleted_at.is_none()).count(),
            "emojis": [], "fields": [],
        })
    }

    /// Whoever asked for a deletion, or for an edit, gets the text as it was written.
    pub(super) fn source(&self, status: &Status) -> Value {
        let body = &status.draft.body;
        json!({ "id": status.id.to_string(), "text": body.text, "spoiler_text": body.spoiler_text })
    }

    /// Oldest first; a status that was never edited has one version.
    pub(super) fn history(&self, status: &Status) -> Vec<Value> {
        let body = status.draft.body.clone();
        let first = Version { body, descriptions: Vec::new(), at: status.created_at };
        let versions =
            if status.versions.is_empty() { std::slice::from_ref(&first) } else { &status.versions[..] };
        let author = self.model.account(&status.draft.account).map(|author| self.account(author));
        let shown = versions.iter().map(|version| {
            let body = &version.body;
            let mut media = self.media(&body.media);
            for (media, description) in media.iter_mut().zip(&version.descriptions) {
                media["description"] = Some(description).filter(|text| !text.is_empty()).cloned().into();
            }
            let options = body.poll.as_ref().map(|poll| {
                let titles = poll.options.iter().map(|title| json!({ "title": title }));
                json!({ "options": titles.collect::<Vec<_>>() })
            });
            json!({
                "content": self.content(&body.text), "spoiler_text": body.spoiler_text, "sensitive": body.sensitive,
                "created_at": time(version.at), "account": author, "media_attachments": media, "emojis": [],
                "poll": options,
            })
        });
        shown.collect()
    }

    pub(super) fn scheduled(&self, scheduled: &Scheduled) -> Value {
        let (draft, body) = (&scheduled.draft, &scheduled.draft.body);
        let ids = |id: Option<i64>| id.map(|id| id.to_string());
        let poll = body.poll.as_ref().map(|poll| {
            json!({
                "options": poll.options, "expires_in": poll.expires_in.to_string(), "multiple": poll.multiple,
                "hide_totals": poll.hide_totals,
            })
        });
        let media: Vec<_> = body.media.iter().map(i64::to_string).collect();
        json!({
            "id": scheduled.id.to_string(),
            "scheduled_at": time(scheduled.at),
            "params": {
                "text": body.text, "spoiler_text": body.spoiler_text, "sensitive": body.sensitive,
                "language": body.language, "visibility": draft.visibility, "poll": poll,
                "media_ids": if media.is_empty() { Value::Null } else { media.into() },
                "in_reply_to_id": ids(draft.in_reply_to), "quoted_status_id": ids(draft.quoted),
                "scheduled_at": null, "idempotency": null, "with_rate_limit": false,
            },
            "media_attachments": self.media(&body.media),
        })
    }
}
