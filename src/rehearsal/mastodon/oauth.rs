//! Apps, codes and tokens (docs methods/apps, methods/oauth; Doorkeeper; read 2026-11-22). A token does not expire, and
//! there is nothing to refresh it with.

use std::io;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::Server;
use super::super::random::{self, base64url};
use super::model::{App, Model, Token};
use super::{Answer, Call, Refusal};

/// Every scope the stand-in knows.
pub(super) const SCOPES: [&str; 10] = [
    "profile",
    "read",
    "read:accounts",
    "read:statuses",
    "write",
    "write:accounts",
    "write:media",
    "write:statuses",
    "follow",
    "push",
];
/// For whoever asks for none.
pub(super) const SCOPE_DEFAULT: &str = "read";
/// The page shows the code, and its reader types it in.
pub(super) const OOB: &str = "urn:ietf:wg:oauth:2.0:oob";
/// Doorkeeper's default.
const CODE_LIFE_MS: i64 = 10 * 60_000;
const CODES_MAX: usize = 100;
const UNKNOWN_CLIENT: &str = "Client authentication failed due to unknown client, no client authentication included, or \
                              unsupported authentication method.";
const INVALID_GRANT: &str = "The provided authorization grant is invalid, expired, revoked, does not match the redirection \
                             URI used in the authorization request, or was issued to another client.";
const UNSUPPORTED: &str = "The authorization grant type is not supported by the authorization server.";
pub(super) const INVALID_SCOPE: &str = "The requested scope is invalid, unknown, or malformed.";

/// An authorization code that was given out.
pub(super) struct Code {
    pub(super) sha256: String,
    pub(super) account: String,
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) expires_at: i64,
}

pub(super) fn discover(call: &Call) -> Answer {
    if !call.model().setup.discovery {
        return Err(Refusal::not_found());
    }
    let base_url = &call.server.base_url;
    Ok(json!({
        "issuer": format!("{base_url}/"),
        "service_documentation": "https://docs.joinmastodon.org/",
        "authorization_endpoint": format!("{base_url}/oauth/authorize"),
        "token_endpoint": format!("{base_url}/oauth/token"),
        "revocation_endpoint": format!("{base_url}/oauth/revoke"),
        "userinfo_endpoint": format!("{base_url}/oauth/userinfo"),
        "app_registration_endpoint": format!("{base_url}/api/v1/apps"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
    })
    .into())
}

pub(super) fn register(call: &Call) -> Answer {
    let params = &call.params;
    let name = params.present("client_name").ok_or_else(|| Refusal::invalid("Name can't be blank"))?;
    let lines = |text: String| text.split_whitespace().map(str::to_owned).collect();
    let redirect_uris: Vec<String> =
        params.texts("redirect_uris").or(params.text("redirect_uris").map(lines)).unwrap_or_default();
    let is_absolute = |uri: &String| {
        uri == OOB || uri.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !uri.contains('#'))
    };
    if redirect_uris.is_empty() {
        return Err(Refusal::invalid("Redirect URI can't be blank"));
    }
    if !redirect_uris.iter().all(is_absolute) {
        return Err(Refusal::invalid("Redirect URI must be an absolute URI."));
    }
    let scopes = scopes(params.present("scopes").as_deref());
    if !scopes.iter().all(|scope| SCOPES.contains(&scope.as_str())) {
        return Err(Refusal::invalid("Scopes doesn't match configured on the server."));
    }
    let (client_id, secret) = (base64url(&seed()?), base64url(&seed()?));
    let mut model = call.model();
    let app = App {
        client_id: client_id.clone(),
        secret_sha256: random::sha256_hex(&secret),
        name: name.clone(),
        website: params.present("website"),
        redirect_uris: redirect_uris.clone(),
        scopes: scopes.clone(),
    };
    let answer = json!({
        "id": model.count().to_string(), "name": name, "website": app.website, "scopes": scopes,
        "redirect_uris": redirect_uris, "redirect_uri": redirect_uris.join("\n"),
        "client_id": client_id, "client_secret": secret, "client_secret_expires_at": 0,
    });
    model.kept.apps.push(app);
    model.save(&call.server.store)?;
    Ok(answer.into())
}

pub(super) fn scopes(text: Option<&str>) -> Vec<String> {
    text.unwrap_or(SCOPE_DEFAULT).split_whitespace().map(str::to_owned).collect()
}

fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// The app of a request, if its secret is right. It comes in the body; in a header it is not modelled.
fn client<'m>(model: &'m Model, call: &Call) -> Option<&'m App> {
    let app = model.app(&call.params.present("client_id")?)?;
    let secret = call.params.present("client_secret")?;
    (app.secret_sha256 == random::sha256_hex(&secret)).then_some(app)
}

pub(super) fn token(call: &Call) -> Answer {
    let params = &call.params;
    let mut model = call.model();
    let app = client(&model, call).cloned().ok_or_else(|| refuse(401, "invalid_client", UNKNOWN_CLIENT))?;
    let (account, scopes) = match params.present("grant_type").as_deref() {
        Some("authorization_code") => {
            let at =
                find_code(&model, call, &app).ok_or_else(|| refuse(400, "invalid_grant", INVALID_GRANT))?;
            let code = model.codes.remove(at);
            (Some(code.account), code.scopes)
        }
        Some("client_credentials") => (None, scopes(params.present("scope").as_deref())),
        Some(_) => return Err(refuse(400, "unsupported_grant_type", UNSUPPORTED)),
        None => {
            return Err(refuse(400, "invalid_request", "Missing required parameter: grant_type."));
        }
    };
    if !scopes.iter().all(|scope| app.scopes.contains(scope)) {
        return Err(refuse(400, "invalid_scope", INVALID_SCOPE));
    }
    Ok(issue(call.server.as_ref(), &mut model, account, &app.client_id, scopes)?.into())
}

/// Where the code stands, if all is as it was when it was given out.
fn find_code(model: &Model, call: &Call, app: &App) -> Option<usize> {
    let text = |name: &str| call.params.text(name).unwrap_or_default();
    let (digest, redirect_uri, verifier) =
        (random::sha256_hex(&text("code")), text("redirect_uri"), text("code_verifier"));
    let is_verified = |code: &Code| match &code.challenge {
        Some(challenge) => *challenge == base64url(&Sha256::digest(verifier.as_bytes())),
        None => true,
    };
    model.codes.iter().position(|code| {
        code.sha256 == digest
            && code.client_id == app.client_id
            && code.redirect_uri == redirect_uri
            && call.now() < code.expires_at
            && is_verified(code)
    })
}

/// A token that is unknown is revoked already.
pub(super) fn revoke(call: &Call) -> Answer {
    let mut model = call.model();
    let forbidden = || refuse(403, "unauthorized_client", "You are not authorized to revoke this token");
    let client_id = client(&model, call).ok_or_else(forbidden)?.client_id.clone();
    let digest = random::sha256_hex(&call.params.text("token").unwrap_or_default());
    if let Some(token) = model.kept.tokens.iter_mut().find(|token| token.sha256 == digest) {
        if token.client_id != client_id {
            return Err(forbidden());
        }
        token.is_revoked = true;
        model.save(&call.server.store)?;
    }
    Ok(json!({}).into())
}

pub(super) fn give_code(model: &mut Model, now: i64, mut code: Code) -> io::Result<String> {
    let text = base64url(&seed()?);
    code.sha256 = random::sha256_hex(&text);
    code.expires_at = now + CODE_LIFE_MS;
    if model.codes.len() == CODES_MAX {
        model.codes.remove(0);
    }
    model.codes.push(code);
    Ok(text)
}

/// Logs an account in, as if its owner had just allowed the rehearsal's own app all that it asks for.
pub(in crate::rehearsal) fn issue_grant(server: &Server, account: &str) -> Option<io::Result<Value>> {
    let mut model = server.mastodon();
    let setup = model.account(account)?;
    let (account, scopes) = (setup.name.clone(), setup.scopes.clone());
    let client_id = model.built_in.client_id.clone();
    Some(issue(server, &mut model, Some(account), &client_id, scopes))
}

fn issue(
    server: &Server,
    model: &mut Model,
    account: Option<String>,
    client_id: &str,
    scopes: Vec<String>,
) -> io::Result<Value> {
    let token = base64url(&seed()?);
    let answer = json!({
        "access_token": token, "token_type": "Bearer", "scope": scopes.join(" "),
        "created_at": server.now() / 1_000,
    });
    let sha256 = random::sha256_hex(&token);
    model.kept.tokens.push(Token {
        sha256,
        account,
        client_id: client_id.to_owned(),
        scopes,
        is_revoked: false,
    });
    model.save(&server.store)?;
    Ok(answer)
}

fn refuse(status: u16, error: &str, description: &str) -> Refusal {
    Refusal::new(status, error).with("error_description", description.into())
}
