//! What was published, for tests and for the feed: every status there ever was, and what is about to be one.

use std::collections::BTreeMap;

use super::super::Server;
use super::super::publication::{PerformedMedia, PerformedPublication};
use super::status::{Draft, Status, View};
use super::upload::Kind;

pub(in crate::rehearsal) fn performed(server: &Server) -> Vec<PerformedPublication> {
    let now = server.now();
    let model = server.mastodon();
    let view = View { model: &model, base_url: &server.base_url, now };
    let statuses = model.kept.statuses.iter().map(|status| published(server, &view, status));
    let waiting = model.kept.scheduled.iter().map(|entry| {
        let record = view.scheduled(entry);
        PerformedPublication {
            publish_id: format!("scheduled-{}", entry.id),
            status: "SCHEDULED",
            created_at: entry.created_at,
            record: Some(record),
            ..described(server, &view, &entry.draft)
        }
    });
    let dropped = model.kept.dropped.iter().map(|(entry, reason)| PerformedPublication {
        publish_id: format!("scheduled-{}", entry.id),
        status: "FAILED",
        fail_reason: Some(reason.clone()),
        created_at: entry.created_at,
        ..described(server, &view, &entry.draft)
    });
    let mut all: Vec<_> = statuses.chain(waiting).chain(dropped).collect();
    all.sort_by_key(|publication| publication.created_at);
    for (number, publication) in (1..).zip(&mut all) {
        publication.number = number;
    }
    all
}

/// The status as it would be answered, with all its versions.
fn published(server: &Server, view: &View, status: &Status) -> PerformedPublication {
    let mut record = view.status(status);
    record["history"] = view.history(status).into();
    record["deleted_at"] = status.deleted_at.map(super::time).into();
    record["in_reply_to_id"] = status.draft.in_reply_to.map(|id| id.to_string()).into();
    PerformedPublication {
        publish_id: status.id.to_string(),
        status: if status.deleted_at.is_some() { "DELETED" } else { "PUBLISH_COMPLETE" },
        post_ids: vec![status.id],
        created_at: status.created_at,
        published_at: Some(status.created_at),
        record: Some(record),
        ..described(server, view, &status.draft)
    }
}

/// What can be told before it is published.
fn described(server: &Server, view: &View, draft: &Draft) -> PerformedPublication {
    let media: Vec<_> = draft.body.media.iter().filter_map(|id| view.model.kept.media.get(id)).collect();
    let kind = match media.first().map(|media| media.kind) {
        Some(Kind::Image) => "photo",
        Some(Kind::Video | Kind::Gifv | Kind::Audio) => "video",
        None => "text",
    };
    let shown = media.iter().map(|media| PerformedMedia {
        path: server.store.media_path(&media.file()),
        content_type: media.mime_type.clone(),
        size: media.size,
        href: format!("/media/mastodon/{}", media.id),
    });
    PerformedPublication {
        number: 0,
        platform: "mastodon",
        publish_id: String::new(),
        account: draft.account.clone(),
        username: view.model.account(&draft.account).map_or_else(String::new, |a| a.username.clone()),
        mode: "direct",
        kind,
        title: draft.body.text.clone(),
        description: draft.body.spoiler_text.clone(),
        privacy: Some(privacy(&draft.visibility).to_owned()),
        toggles: BTreeMap::from([("sensitive".to_owned(), draft.body.sensitive)]),
        cover: None,
        status: "",
        fail_reason: None,
        post_ids: Vec::new(),
        media: shown.collect(),
        urls: Vec::new(),
        record: None,
        created_at: 0,
        published_at: None,
    }
}

/// In the feed's words.
fn privacy(visibility: &str) -> &'static str {
    match visibility {
        "public" => "PUBLIC_TO_EVERYONE",
        "unlisted" => "UNLISTED",
        "private" => "FOLLOWER_OF_CREATOR",
        _ => "MENTIONED",
    }
}
