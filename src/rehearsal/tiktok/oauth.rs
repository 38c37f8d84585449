//! The token endpoint and revocation (TikTok docs `oget`, `oref`, `oat`, `oerr`, revised November 2026).
//!
//! Refresh tokens rotate and are good for one use. A refresh ends the access token before it, too, and does not
//! prolong the refresh token's 180 days: the documentation is silent on both, and this is the stricter reading.

use std::io;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::super::Server;
use super::super::http::{self, Reply};
use super::super::random;
use super::comments::RESEARCH_TOKEN;
use super::model::{Grant, Model};
use super::reply::log_id;
use super::{field, form_pairs, has_type};

/// Not documented; codes are meant to be exchanged at once.
const CODE_LIFE_MS: i64 = 5 * 60_000;
const CODES_MAX: usize = 100;

/// An authorization code that was given out.
pub(super) struct Code {
    pub(super) sha256: String,
    pub(super) account: String,
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: String,
    /// Where PKCE is required, that is with loopback redirects.
    pub(super) challenge: Option<String>,
    pub(super) expires_at: i64,
}

/// A flat OAuth error.
pub(super) struct OauthError(pub(super) &'static str, pub(super) &'static str);

impl From<io::Error> for OauthError {
    fn from(_: io::Error) -> OauthError {
        OauthError("server_error", "The rehearsal could not store its state.")
    }
}

type Form = Vec<(String, String)>;

pub(super) async fn token(server: &Arc<Server>, parts: &Parts, body: &mut Incoming) -> Reply {
    let granted = match client_form(server, parts, body).await {
        Ok(form) => exchange(server, &form),
        Err(error) => Err(error),
    };
    match granted {
        Ok(grant) => {
            let mut reply = http::json(StatusCode::OK, &grant);
            reply.headers_mut().insert("cache-control", hyper::header::HeaderValue::from_static("no-store"));
            reply
        }
        Err(error) => refuse(server, &error),
    }
}

/// The access token's whole family ends. Success has an empty body.
pub(super) async fn revoke(server: &Arc<Server>, parts: &Parts, body: &mut Incoming) -> Reply {
    let revoked = match client_form(server, parts, body).await {
        Ok(form) => revoke_family(server, field(&form, "token")),
        Err(error) => Err(error),
    };
    match revoked {
        Ok(()) => http::text(StatusCode::OK, ""),
        Err(error) => refuse(server, &error),
    }
}

pub(super) fn refuse(server: &Server, OauthError(error, description): &OauthError) -> Reply {
    let status = match *error {
        _ if server.oauth_errors_with_200 => StatusCode::OK,
        "invalid_client" => StatusCode::UNAUTHORIZED,
        "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    http::json(status, &json!({ "error": error, "error_description": description, "log_id": log_id() }))
}

/// The form, once its content type is right.
pub(super) async fn form(parts: &Parts, body: &mut Incoming) -> Result<Form, OauthError> {
    let body = http::collect(body).await;
    let text = body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
    if !has_type(&parts.headers, "application/x-www-form-urlencoded") {
        return Err(OauthError(
            "invalid_request",
            "The content type must be application/x-www-form-urlencoded.",
        ));
    }
    Ok(form_pairs(text.ok_or(OauthError("invalid_request", "The body cannot be read."))?))
}

/// The form, once the client is right too.
pub(super) async fn client_form(
    server: &Server,
    parts: &Parts,
    body: &mut Incoming,
) -> Result<Form, OauthError> {
    let form = form(parts, body).await?;
    let client = (field(&form, "client_key"), field(&form, "client_secret"));
    if client.0.is_empty() || client.1.is_empty() {
        return Err(OauthError("invalid_request", "Client key or secret is missing."));
    }
    if client != (server.client_key.as_str(), server.client_secret.as_str()) {
        return Err(OauthError("invalid_client", "Client key or secret is incorrect."));
    }
    Ok(form)
}

fn exchange(server: &Server, form: &Form) -> Result<Value, OauthError> {
    match field(form, "grant_type") {
        "authorization_code" => exchange_code(server, form),
        "refresh_token" => refresh(server, field(form, "refresh_token")),
        // Of the app itself, for the Research API.
        "client_credentials" => {
            Ok(json!({ "access_token": RESEARCH_TOKEN, "expires_in": 7_200, "token_type": "Bearer" }))
        }
        "" => Err(OauthError("invalid_request", "The grant type is missing.")),
        _ => Err(OauthError("unsupported_grant_type", "The grant type is not supported.")),
    }
}

fn exchange_code(server: &Server, form: &Form) -> Result<Value, OauthError> {
    let now = server.now();
    let mut model = server.model();
    let digest = random::sha256_hex(field(form, "code"));
    let found = model.codes.iter().position(|code| code.sha256 == digest);
    // Whoever presents a code uses it up, with whatever result.
    let code = found.map(|index| model.codes.remove(index)).filter(|code| now < code.expires_at);
    let code = code.ok_or(OauthError("invalid_grant", "Authorization code is expired, used or unknown."))?;
    if code.redirect_uri != field(form, "redirect_uri") {
        return Err(OauthError(
            "invalid_grant",
            "Redirect_uri is not matched with the uri when requesting code.",
        ));
    }
    let verified = |challenge: &String| *challenge == random::sha256_hex(field(form, "code_verifier"));
    if !code.challenge.as_ref().is_none_or(verified) {
        return Err(OauthError("invalid_request", "Code verifier or code challenge is invalid."));
    }
    Ok(new_family(server, &mut model, &code.account, code.scopes)?)
}

pub(super) fn give_code(model: &mut Model, now: i64, mut code: Code) -> io::Result<String> {
    let text = format!("{}*1!{}", random::hex(24)?, random::hex(2)?);
    code.sha256 = random::sha256_hex(&text);
    code.expires_at = now + CODE_LIFE_MS;
    if model.codes.len() == CODES_MAX {
        model.codes.remove(0);
    }
    model.codes.push(code);
    Ok(text)
}

pub(in crate::rehearsal) fn issue_grant(server: &Server, account: &str) -> io::Result<Value> {
    let mut model = server.model();
    let setup = model.account(account).ok_or_else(|| io::Error::other(format!("no account {account:?}")))?;
    let scopes = setup.scopes.clone();
    new_family(server, &mut model, account, scopes)
}

fn new_family(server: &Server, model: &mut Model, account: &str, scopes: Vec<String>) -> io::Result<Value> {
    let life = model.account(account).map_or(0, |setup| setup.refresh_life_s);
    let family = model.grants.last().map_or(1, |grant| grant.family + 1);
    model.grants.push(Grant {
        family,
        account: account.to_owned(),
        scopes,
        access_sha256: String::new(),
        access_expires_at: 0,
        refresh_sha256: String::new(),
        refresh_expires_at: server.now() + life * 1_000,
        revoked: false,
    });
    let index = model.grants.len() - 1;
    rotate(server, model, index)
}

fn refresh(server: &Server, token: &str) -> Result<Value, OauthError> {
    let now = server.now();
    let mut model = server.model();
    let digest = random::sha256_hex(token);
    let live =
        |grant: &Grant| !grant.revoked && grant.refresh_sha256 == digest && now < grant.refresh_expires_at;
    let index = model.grants.iter().position(live);
    let index = index.ok_or(OauthError("invalid_grant", "Refresh token is invalid or expired."))?;
    Ok(rotate(server, &mut model, index)?)
}

/// A new pair for the grant; the one before is dead. Stored before anybody learns of it.
fn rotate(server: &Server, model: &mut Model, index: usize) -> io::Result<Value> {
    let now = server.now();
    let (access, refresh) = (format!("act.{}!1", random::hex(32)?), format!("rft.{}*1", random::hex(32)?));
    let account = model.grants[index].account.clone();
    let life = model.account(&account).map_or(0, |setup| setup.access_life_s);
    let grant = &mut model.grants[index];
    grant.access_sha256 = random::sha256_hex(&access);
    grant.refresh_sha256 = random::sha256_hex(&refresh);
    grant.access_expires_at = now + life * 1_000;
    let reply = json!({
        "access_token": access,
        "expires_in": life,
        "open_id": open_id(&account),
        "refresh_token": refresh,
        "refresh_expires_in": (grant.refresh_expires_at - now) / 1_000,
        "scope": grant.scopes.join(","),
        "token_type": "Bearer",
    });
    model.save_grants(&server.store)?;
    Ok(reply)
}

/// The same for one account each time, with dashes, as the real ones are.
pub(super) fn open_id(account: &str) -> String {
    let digest = random::sha256_hex(account);
    format!("-000{}-{}", &digest[..16], &digest[16..32])
}

fn revoke_family(server: &Server, token: &str) -> Result<(), OauthError> {
    let digest = random::sha256_hex(token);
    let mut model = server.model();
    for grant in model.grants.iter_mut().filter(|grant| grant.access_sha256 == digest) {
        grant.revoked = true;
    }
    Ok(model.save_grants(&server.store)?)
}
