//! Logging in with a phone: the app shows a code, the phone opens its address, the app asks how far it has come (TikTok
//! docs `lkq`, read 2026-11-22).
//!
//! The documentation does not say how long a scan is good for, nor which redirect address its code belongs to: here
//! five minutes, and the first that is registered.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::super::Server;
use super::super::http::{self, Reply};
use super::super::random;
use super::consent::{self, redirect_query};
use super::oauth::{Code, OauthError, client_form, form, give_code, refuse};
use super::{field, form_pairs, page_error};

const SCAN_LIFE_MS: i64 = 5 * 60_000;
const SCANS_MAX: usize = 100;
/// Where the client's own ticket goes.
const TICKET_PLACE: &str = "tobefilled";

/// A code that is shown somewhere.
pub(super) struct Scan {
    token_sha256: String,
    scopes: Vec<String>,
    state: String,
    ticket: String,
    progress: Progress,
    expires_at: i64,
}

enum Progress {
    New,
    Scanned,
    /// With the address that a browser would be sent to.
    Confirmed(String),
    Used,
}

type Pairs = Vec<(String, String)>;

pub(super) async fn ask(server: &Arc<Server>, parts: &Parts, body: &mut Incoming) -> Reply {
    let asked = match form(parts, body).await {
        Ok(form) => begin(server, &form),
        Err(error) => Err(error),
    };
    answer(server, asked)
}

pub(super) async fn check(server: &Arc<Server>, parts: &Parts, body: &mut Incoming) -> Reply {
    let checked = match client_form(server, parts, body).await {
        Ok(form) => progress(server, &form),
        Err(error) => Err(error),
    };
    answer(server, checked)
}

fn answer(server: &Server, result: Result<Value, OauthError>) -> Reply {
    match result {
        Ok(value) => http::json(StatusCode::OK, &value),
        Err(error) => refuse(server, &error),
    }
}

fn begin(server: &Server, form: &Pairs) -> Result<Value, OauthError> {
    if field(form, "client_key") != server.client_key {
        return Err(OauthError("invalid_client", "Client key is incorrect."));
    }
    let scopes: Vec<_> = field(form, "scope").split(',').map(str::to_owned).collect();
    if !consent::are_scopes(field(form, "scope")) {
        return Err(OauthError("invalid_scope", "The scope is unknown."));
    }
    let state = field(form, "state").to_owned();
    if state.is_empty() {
        return Err(OauthError("invalid_request", "The state is missing."));
    }
    let (token, now) = (random::hex(24)?, server.now());
    let mut model = server.model();
    if model.scans.len() == SCANS_MAX {
        model.scans.remove(0);
    }
    model.scans.push(Scan {
        token_sha256: random::sha256_hex(&token),
        scopes,
        state,
        ticket: String::new(),
        progress: Progress::New,
        expires_at: now + SCAN_LIFE_MS,
    });
    let url = format!("{}/v2/auth/qrcode/?token={token}&client_ticket={TICKET_PLACE}", server.base_url);
    Ok(json!({ "scan_qrcode_url": url, "token": token }))
}

fn progress(server: &Server, form: &Pairs) -> Result<Value, OauthError> {
    let (now, digest) = (server.now(), random::sha256_hex(field(form, "token")));
    let mut model = server.model();
    let scan = model.scans.iter_mut().find(|scan| scan.token_sha256 == digest);
    let scan = scan.ok_or(OauthError("invalid_request", "The token is unknown."))?;
    if now >= scan.expires_at {
        return Ok(json!({ "status": "expired" }));
    }
    Ok(match &scan.progress {
        Progress::New => json!({ "status": "new" }),
        Progress::Scanned => json!({ "status": "scanned", "client_ticket": scan.ticket }),
        Progress::Used => json!({ "status": "utilised" }),
        Progress::Confirmed(address) => {
            let reply =
                json!({ "status": "confirmed", "client_ticket": scan.ticket, "redirect_uri": address });
            scan.progress = Progress::Used;
            reply
        }
    })
}

/// What the phone shows after the scan.
pub(super) fn show(server: &Server, parts: &Parts) -> Reply {
    let query = form_pairs(parts.uri.query().unwrap_or_default());
    let ticket = field(&query, "client_ticket").to_owned();
    if ticket.is_empty() || ticket == TICKET_PLACE {
        return page_error("Something went wrong: please correct: client_ticket");
    }
    let (now, digest) = (server.now(), random::sha256_hex(field(&query, "token")));
    let mut model = server.model();
    let accounts = model.accounts().to_vec();
    let scan = model.scans.iter_mut().find(|scan| scan.token_sha256 == digest && now < scan.expires_at);
    let Some(scan) = scan.filter(|scan| matches!(scan.progress, Progress::New | Progress::Scanned)) else {
        return page_error("This code has expired");
    };
    scan.progress = Progress::Scanned;
    scan.ticket = ticket;
    let hidden = [("token", field(&query, "token")), ("client_ticket", &scan.ticket)];
    let scopes: Vec<_> = scan.scopes.iter().map(String::as_str).collect();
    http::page(StatusCode::OK, "'self'", |nonce| {
        consent::page("/v2/auth/qrcode/", &hidden, &scopes, &accounts, nonce).into_string()
    })
}

pub(super) async fn decide(server: &Arc<Server>, body: &mut Incoming) -> Reply {
    let body = http::collect(body).await.unwrap_or_default();
    let form = form_pairs(&String::from_utf8_lossy(&body));
    match confirm(server, &form) {
        Some(message) => http::text(StatusCode::OK, message),
        None => page_error("This code has expired"),
    }
}

fn confirm(server: &Server, form: &Pairs) -> Option<&'static str> {
    let (now, digest) = (server.now(), random::sha256_hex(field(form, "token")));
    let mut model = server.model();
    let live = |scan: &Scan| {
        let is_scanned = matches!(scan.progress, Progress::Scanned);
        is_scanned && scan.token_sha256 == digest && now < scan.expires_at
    };
    let index = model.scans.iter().position(live)?;
    if field(form, "decision") != "allow" {
        model.scans[index].expires_at = now;
        return Some("Nothing was granted. You can close this page.");
    }
    let account = model.account(field(form, "account"))?.clone();
    let (asked, state) = (model.scans[index].scopes.join(","), model.scans[index].state.clone());
    let scopes = consent::granted(form, &asked, &account);
    let redirect_uri = server.redirect_uris.first().cloned().unwrap_or_default().replace('*', "80");
    let joined = scopes.join(",");
    let code = Code {
        sha256: String::new(),
        account: account.name,
        scopes,
        redirect_uri: redirect_uri.clone(),
        challenge: None,
        expires_at: 0,
    };
    let code = give_code(&mut model, now, code).ok()?;
    let answer = [("code", code.as_str()), ("scopes", &joined), ("state", &state)];
    model.scans[index].progress = Progress::Confirmed(redirect_query(&redirect_uri, &answer));
    Some("Granted. You can close this page.")
}
