//! Sessions (lexicons `com.atproto.server.*`, packages/pds): an access token of two hours, and a refresh token of 90 days
//! that is good for one use, and for two hours after it once more, with the same successor.

use std::io;

use hyper::header::HeaderMap;
use serde_json::{Value, json};

use super::super::Server;
use super::super::random;
use super::super::settings::AccountSetup;
use super::model::{Model, RefreshToken};
use super::{Answer, MINUTE_MS, Query, Refusal, bearer, id, jwt, required};

pub(super) const SERVER_DID: &str = "did:web:localhost";
/// What every account's owner has made for gitcast.
pub(super) const APP_PASSWORD: &str = "abcd-efgh-ijkl-mnop";
const ACCESS_SCOPE: &str = "com.atproto.appPass";
const REFRESH_SCOPE: &str = "com.atproto.refresh";
/// How long a used refresh token stays good (packages/pds).
const GRACE_MS: i64 = 120 * MINUTE_MS;
/// Logins of an account (docs.bsky.app, rate limits).
const LOGINS_MAX: u32 = 30;
const LOGINS_WINDOW_MS: i64 = 5 * MINUTE_MS;

/// Logs an account in, as if its owner had just typed the app password.
pub(in crate::rehearsal) fn issue_grant(server: &Server, account: &str) -> Option<io::Result<Value>> {
    let mut model = server.bluesky();
    let account = model.account(account).cloned()?;
    Some(open(server, &mut model, &account))
}

pub(super) fn create(server: &Server, input: &Value) -> Answer {
    let (who, password) = (required(input, "identifier")?, required(input, "password")?);
    let mut model = server.bluesky();
    let account = model.find(who).cloned();
    let now = server.now();
    if !model.take(&format!("login {who}"), 1, LOGINS_MAX, LOGINS_WINDOW_MS, now).0 {
        return Err(Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded"));
    }
    let account = account
        .filter(|_| password == APP_PASSWORD)
        .ok_or_else(|| Refusal::new(401, "AuthenticationRequired", "Invalid identifier or password"))?;
    Ok(open(server, &mut model, &account)?)
}

fn open(server: &Server, model: &mut Model, account: &AccountSetup) -> io::Result<Value> {
    let id = random::hex(16)?;
    add(model, account, &id, server.now());
    model.save(&server.store)?;
    Ok(pair(server, model, account, &id))
}

fn add(model: &mut Model, account: &AccountSetup, id: &str, now: i64) {
    model.kept.refresh_tokens.push(RefreshToken {
        id: id.to_owned(),
        account: account.name.clone(),
        issued_at: now,
        expires_at: now + account.refresh_life_s * 1_000,
        next: None,
    });
}

/// The reply with both tokens. The refresh token follows from its id, so that it is the same each time.
fn pair(server: &Server, model: &Model, account: &AccountSetup, id: &str) -> Value {
    let (did, now) = (id::did(&account.name), server.now());
    let token = model.kept.refresh_tokens.iter().find(|token| token.id == id);
    let (issued_at, expires_at) = token.map_or((now, now), |token| (token.issued_at, token.expires_at));
    let access = json!({
        "scope": ACCESS_SCOPE, "sub": did, "iat": now / 1_000, "exp": now / 1_000 + account.access_life_s,
        "aud": SERVER_DID, "jti": random::hex(8).unwrap_or_default(),
    });
    let refresh = json!({
        "scope": REFRESH_SCOPE, "sub": did, "aud": SERVER_DID, "jti": id, "iat": issued_at / 1_000,
        "exp": expires_at / 1_000,
    });
    let mut reply = who_is(server, account);
    reply["accessJwt"] = jwt::issue(&model.kept.key, "at+jwt", &access).into();
    reply["refreshJwt"] = jwt::issue(&model.kept.key, "refresh+jwt", &refresh).into();
    reply
}

fn who_is(server: &Server, account: &AccountSetup) -> Value {
    let did = id::did(&account.name);
    json!({
        "did": did, "handle": account.username, "email": "owner@example.com", "emailConfirmed": true, "active": true,
        "didDoc": { "id": did, "alsoKnownAs": [format!("at://{}", account.username)], "service": [{
            "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": server.base_url,
        }] },
    })
}

pub(super) fn refresh(server: &Server, headers: &HeaderMap) -> Answer {
    let mut model = server.bluesky();
    let (account, old) = refresh_token(server, &model, headers)?;
    let now = server.now();
    if let Some(reason) = &account.barred {
        return Err(Refusal::new(401, reason, "The account is barred"));
    }
    let next = match &model.kept.refresh_tokens[old].next {
        Some(next) => next.clone(),
        None => {
            let next = random::hex(16)?;
            add(&mut model, &account, &next, now);
            let token = &mut model.kept.refresh_tokens[old];
            token.next = Some(next.clone());
            token.expires_at = token.expires_at.min(now + GRACE_MS);
            next
        }
    };
    model.save(&server.store)?;
    Ok(pair(server, &model, &account, &next))
}

pub(super) fn delete(server: &Server, headers: &HeaderMap) -> Answer {
    let mut model = server.bluesky();
    let (_, at) = refresh_token(server, &model, headers)?;
    model.kept.refresh_tokens.remove(at);
    model.save(&server.store)?;
    Ok(json!({}))
}

/// Whose refresh token it is, and where it stands.
fn refresh_token(
    server: &Server,
    model: &Model,
    headers: &HeaderMap,
) -> Result<(AccountSetup, usize), Refusal> {
    let invalid = || Refusal::new(400, "InvalidToken", "Token could not be verified");
    let expired = || Refusal::new(400, "ExpiredToken", "Token has been revoked");
    let claims = jwt::verify(&model.kept.key, bearer(headers)?).ok_or_else(invalid)?;
    if claims["scope"] != REFRESH_SCOPE {
        return Err(invalid());
    }
    let at = model.kept.refresh_tokens.iter().position(|token| claims["jti"] == token.id.as_str());
    let at = at.ok_or_else(expired)?;
    let token = &model.kept.refresh_tokens[at];
    if server.now() >= token.expires_at {
        return Err(expired());
    }
    let account = model.account(&token.account).cloned().ok_or_else(invalid)?;
    Ok((account, at))
}

/// Whose access token it is.
pub(super) fn admit(server: &Server, headers: &HeaderMap) -> Result<AccountSetup, Refusal> {
    let model = server.bluesky();
    let token = bearer(headers)?;
    let invalid = || Refusal::new(400, "InvalidToken", "Token could not be verified");
    let claims = jwt::verify(&model.kept.key, token).ok_or_else(invalid)?;
    let account = model.by_did(claims["sub"].as_str().unwrap_or_default()).cloned().ok_or_else(invalid)?;
    let ends_at = claims["exp"].as_i64().unwrap_or_default().saturating_mul(1_000);
    if claims["scope"] != ACCESS_SCOPE {
        return Err(Refusal::new(400, "InvalidToken", "Bad token scope"));
    }
    if server.now() >= ends_at || model.is_expired(token) {
        return Err(Refusal::new(400, "ExpiredToken", "Token has expired"));
    }
    match &account.barred {
        Some(reason) => Err(Refusal::new(401, reason, "The account is barred")),
        None => Ok(account),
    }
}

pub(super) fn who(server: &Server, headers: &HeaderMap) -> Answer {
    admit(server, headers).map(|account| who_is(server, &account))
}

pub(super) fn resolve(server: &Server, query: &Query) -> Answer {
    let handle = query.required("handle")?;
    let model = server.bluesky();
    let account = model.find(handle).filter(|account| account.username.eq_ignore_ascii_case(handle));
    let unknown = || Refusal::invalid("Unable to resolve handle");
    account.map(|account| json!({ "did": id::did(&account.name) })).ok_or_else(unknown)
}
