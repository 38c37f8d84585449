//! The rehearsal's own endpoints, for programs that run it as a child process. They are not TikTok's, take no token,
//! are not recorded and meet no faults.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /rehearsal/grants/ACCOUNT` | logs in; answers a token reply |
//! | `POST /rehearsal/accounts/ACCOUNT` | changes fields of the account's setup |
//! | `POST /rehearsal/mastodon` | changes fields of the Mastodon server's setup |
//! | `POST /rehearsal/drafts/PUBLISH_ID` | the creator posts a delivered draft |
//! | `GET, POST, DELETE /rehearsal/faults` | lists, adds one, removes all |
//! | `GET /rehearsal/publications` | publications and uploads; `?digests=1` adds the SHA-256 of each medium |
//! | `GET /rehearsal/requests` | the latest requests |

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::http::{Reply, bad_request, collect, json, not_found};
use super::publication::PerformedPublication;
use super::settings::AccountSetup;
use super::{Server, files, publication, tiktok};

pub(super) const PREFIX: &str = "/rehearsal/";

pub(super) async fn handle(server: &Arc<Server>, parts: &Parts, mut body: Incoming) -> Reply {
    let path = files::percent_decode(&parts.uri.path()[PREFIX.len()..]).unwrap_or_default();
    let (what, name) = path.split_once('/').unwrap_or((&path, ""));
    match (&parts.method, what) {
        (&Method::GET, "publications") => publications(server, parts.uri.query() == Some("digests=1")).await,
        (&Method::GET, "requests") => json(StatusCode::OK, &json!({ "requests": server.requests.list() })),
        (&Method::GET, "faults") => json(StatusCode::OK, &json!({ "faults": server.faults.pending() })),
        (&Method::DELETE, "faults") => {
            server.faults.clear();
            done(true, "")
        }
        (&Method::POST, "faults") => match parse(&mut body).await {
            Ok(fault) => done(server.faults.add(fault), "too many faults"),
            Err(message) => bad_request(&message),
        },
        (&Method::POST, "grants") => match server.issue_grant(name) {
            Ok(grant) => json(StatusCode::OK, &grant),
            Err(error) => bad_request(&error.to_string()),
        },
        (&Method::POST, "accounts") => match parse(&mut body).await {
            Ok(changes) => done(update(server, name, &changes), "no such account or field"),
            Err(message) => bad_request(&message),
        },
        (&Method::POST, "mastodon") => match parse(&mut body).await {
            Ok(changes) => done(set_up(server, &changes), "no such field"),
            Err(message) => bad_request(&message),
        },
        (&Method::POST, "drafts") => done(tiktok::finish_draft(server, name), "no such draft in the inbox"),
        _ => not_found(),
    }
}

async fn parse<T: DeserializeOwned>(body: &mut Incoming) -> Result<T, String> {
    let bytes = collect(body).await.ok_or("the body is too large or incomplete")?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn done(success: bool, otherwise: &str) -> Reply {
    if success { json(StatusCode::OK, &json!({ "done": true })) } else { bad_request(otherwise) }
}

fn update(server: &Server, name: &str, changes: &Value) -> bool {
    let change = |account: &mut AccountSetup| {
        let changed = overlay(account, changes);
        changed.map(|changed| *account = changed).is_some()
    };
    if let Some(account) = server.bluesky().account_mut(name) {
        return change(account);
    }
    if let Some(account) = server.mastodon().account_mut(name) {
        return change(account);
    }
    server.model().account_mut(name).is_some_and(change)
}

fn set_up(server: &Server, changes: &Value) -> bool {
    let mut model = server.mastodon();
    let changed = overlay(model.setup_mut(), changes);
    changed.map(|changed| *model.setup_mut() = changed).is_some()
}

fn overlay<T: Serialize + DeserializeOwned>(setup: &T, changes: &Value) -> Option<T> {
    let mut fields = serde_json::to_value(setup).ok()?;
    fields.as_object_mut()?.extend(changes.as_object()?.clone());
    serde_json::from_value(fields).ok()
}

async fn publications(server: &Arc<Server>, digests: bool) -> Reply {
    let performed = publication::performed(server);
    let uploads = publication::uploads(server);
    let listed = tokio::task::spawn_blocking(move || list(&performed, digests)).await;
    match listed.map_err(io::Error::other).flatten() {
        Ok(listed) => json(StatusCode::OK, &json!({ "publications": listed, "uploads": uploads })),
        Err(error) => bad_request(&error.to_string()),
    }
}

fn list(performed: &[PerformedPublication], digests: bool) -> io::Result<Vec<Value>> {
    let mut listed = Vec::with_capacity(performed.len());
    for publication in performed {
        let mut value = serde_json::to_value(publication)?;
        if digests {
            for (index, media) in publication.media.iter().enumerate() {
                value["media"][index]["sha256"] = media.digest()?.into();
            }
        }
        listed.push(value);
    }
    Ok(listed)
}
