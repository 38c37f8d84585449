//! What the server says of itself (docs methods/instance, entities/Instance; nodeinfo.diaspora.software; read 2026-11-22).

use serde_json::{Value, json};

use super::{Answer, Call, MastodonSetup};

/// Where the server tells what software it is.
pub(super) fn links(call: &Call) -> Answer {
    let rel = "http://nodeinfo.diaspora.software/ns/schema/2.0";
    Ok(json!({ "links": [{ "rel": rel, "href": format!("{}/nodeinfo/2.0", call.server.base_url) }] }).into())
}

pub(super) fn software(call: &Call) -> Answer {
    let model = call.model();
    let posts = model.kept.statuses.iter().filter(|status| status.deleted_at.is_none()).count();
    Ok(json!({
        "version": "2.0", "protocols": ["activitypub"], "services": { "outbound": [], "inbound": [] },
        "software": { "name": model.setup.software, "version": model.setup.version },
        "usage": { "users": { "total": model.accounts.len() }, "localPosts": posts },
        "openRegistrations": false, "metadata": {},
    })
    .into())
}

pub(super) fn show(call: &Call) -> Answer {
    let model = call.model();
    let setup = &model.setup;
    let base_url = &call.server.base_url;
    let host = base_url.split_once("://").map_or("", |(_, host)| host);
    Ok(json!({
        "domain": host, "title": "Rehearsal", "version": setup.version, "description": "A rehearsal",
        "source_url": "https://github.com/mastodon/mastodon", "languages": ["en"], "rules": [], "icon": [],
        "usage": { "users": { "active_month": model.accounts.len() } },
        "thumbnail": { "url": format!("{base_url}/packs/media/images/preview.png") },
        "api_versions": setup.api_version.map(|number| json!({ "mastodon": number })),
        "configuration": configuration(setup, base_url),
        "registrations": { "enabled": false, "approval_required": false, "message": null, "url": null },
        "contact": { "email": "", "account": null },
    })
    .into())
}

/// The older form, by which older clients tell what the server can.
pub(super) fn show_v1(call: &Call) -> Answer {
    let model = call.model();
    let base_url = &call.server.base_url;
    let host = base_url.split_once("://").map_or("", |(_, host)| host);
    Ok(json!({
        "uri": host, "title": "Rehearsal", "short_description": "A rehearsal", "description": "A rehearsal", "email": "",
        "version": model.setup.version, "languages": ["en"], "registrations": false, "approval_required": false,
        "invites_enabled": false, "urls": { "streaming_api": base_url },
        "configuration": configuration(&model.setup, base_url), "contact_account": null, "rules": [],
        "stats": {
            "user_count": model.accounts.len(), "status_count": model.kept.statuses.len(), "domain_count": 0,
        },
    })
    .into())
}

fn configuration(setup: &MastodonSetup, base_url: &str) -> Value {
    json!({
        "urls": { "streaming": base_url, "status": null, "about": null },
        "accounts": { "max_featured_tags": 10, "max_pinned_statuses": 5 },
        "statuses": {
            "max_characters": setup.max_characters,
            "max_media_attachments": setup.max_media_attachments,
            "characters_reserved_per_url": setup.characters_reserved_per_url,
        },
        "media_attachments": {
            "supported_mime_types": setup.mime_types,
            "description_limit": setup.description_limit,
            "image_size_limit": setup.image_size_limit, "image_matrix_limit": 33_177_600,
            "video_size_limit": setup.video_size_limit, "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
        },
        "polls": {
            "max_options": setup.poll_options,
            "max_characters_per_option": setup.poll_option_characters,
            "min_expiration": setup.poll_min_expiration, "max_expiration": setup.poll_max_expiration,
        },
        "translation": { "enabled": false },
    })
}
