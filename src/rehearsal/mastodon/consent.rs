//! The authorize page: who logs in, and whether they allow it (docs methods/oauth, Doorkeeper; read 2026-11-22).

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::Server;
use super::super::feed::STYLE;
use super::super::http::{self, Reply};
use super::super::settings::AccountSetup;
use super::super::tiktok::redirect_query;
use super::oauth::{self, Code, OOB};
use super::params::Params;

/// Repeated in the form, so that the decision carries the whole request.
const PARAMETERS: [&str; 7] = [
    "client_id",
    "response_type",
    "scope",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
];
const DENIED: &str = "The resource owner or authorization server denied the request.";

/// Why a request is refused.
enum Refused {
    /// On a page, since the address to go back to is not to be trusted.
    Here(&'static str),
    /// Where the app waits: the error and what it means.
    There(&'static str, &'static str),
}

pub(super) fn show(server: &Server, parts: &Parts) -> Reply {
    let Ok(params) = Params::of(parts.uri.query(), &HeaderMap::new(), &[]) else {
        return refused("The request cannot be read");
    };
    let text = |name: &str| params.text(name).unwrap_or_default();
    match check(server, &params) {
        Err(Refused::Here(message)) => return refused(message),
        Err(Refused::There(error, description)) => return back(&params, error, description),
        Ok(()) => {}
    }
    let model = server.mastodon();
    let app = model.app(&text("client_id")).map_or("An app", |app| app.name.as_str());
    let scopes = oauth::scopes(params.present("scope").as_deref());
    let hidden = PARAMETERS.map(|name| (name, text(name)));
    // A browser applies this to the redirect after the form, too.
    let form_action = "'self' http://127.0.0.1:* http://localhost:* https:";
    http::page(StatusCode::OK, form_action, |nonce| {
        page(app, &hidden, &scopes, &model.accounts, nonce).into_string()
    })
}

fn check(server: &Server, params: &Params) -> Result<(), Refused> {
    let model = server.mastodon();
    let text = |name: &str| params.text(name).unwrap_or_default();
    let app = model.app(&text("client_id"));
    let app = app.ok_or(Refused::Here("Client authentication failed due to unknown client."))?;
    let redirect = text("redirect_uri");
    if !app.redirect_uris.iter().any(|registered| matches(registered, &redirect)) {
        return Err(Refused::Here("The redirect URI included is not valid."));
    }
    if text("response_type") != "code" {
        let description = "The authorization server does not support this response type.";
        return Err(Refused::There("unsupported_response_type", description));
    }
    if !oauth::scopes(params.present("scope").as_deref()).iter().all(|scope| app.scopes.contains(scope)) {
        return Err(Refused::There("invalid_scope", oauth::INVALID_SCOPE));
    }
    let is_plain = params.present("code_challenge").is_some() && text("code_challenge_method") != "S256";
    if is_plain {
        return Err(Refused::There(
            "invalid_code_challenge_method",
            "The code challenge method must be S256.",
        ));
    }
    Ok(())
}

/// The same address; only the port of a loopback address may differ (Doorkeeper, after RFC 8252, section 7.3).
fn matches(registered: &str, given: &str) -> bool {
    registered == given || {
        let (registered, given) = (without_port(registered), without_port(given));
        registered.is_some() && registered == given
    }
}

/// Of a loopback address, what is left without its port.
fn without_port(address: &str) -> Option<(&str, &str)> {
    let host = ["http://127.0.0.1", "http://[::1]"].into_iter().find(|host| address.starts_with(host))?;
    let rest = &address[host.len()..];
    let path = match rest.strip_prefix(':') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    (path.is_empty() || path.starts_with('/')).then_some((host, path))
}

fn page(
    app: &str,
    hidden: &[(&str, String)],
    scopes: &[String],
    accounts: &[AccountSetup],
    nonce: &str,
) -> Markup {
    let form = html! {
        h1 { (app) " asks for access" }
        p.quiet { "This is a rehearsal: nothing here leaves your machine." }
        form method="post" action="/oauth/authorize" {
            @for (name, value) in hidden {
                input type="hidden" name=(name) value=(value);
            }
            fieldset {
                legend { "Log in as" }
                @for (index, account) in accounts.iter().enumerate() {
                    label {
                        input type="radio" name="account" value=(account.name) checked[index == 0];
                        " @" (account.username)
                    }
                }
            }
            p { "It may: " (scopes.join(", ")) }
            button name="decision" value="allow" { "Authorize" }
            button.plain name="decision" value="deny" { "Deny" }
        }
    };
    document(&form, nonce)
}

fn document(content: &Markup, nonce: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Authorize · Rehearsal" }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body { main.consent { (content) } }
        }
    }
}

pub(super) async fn decide(server: &Arc<Server>, body: &mut Incoming) -> Reply {
    let body = http::collect(body).await.unwrap_or_default();
    let form = HeaderMap::from_iter([(
        hyper::header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    )]);
    let Ok(params) = Params::of(None, &form, &body) else { return refused("The request cannot be read") };
    match check(server, &params) {
        Err(Refused::Here(message)) => return refused(message),
        Err(Refused::There(error, description)) => return back(&params, error, description),
        Ok(()) => {}
    }
    if params.text("decision").as_deref() != Some("allow") {
        return back(&params, "access_denied", DENIED);
    }
    match give_code(server, &params) {
        Some(code) if params.text("redirect_uri").as_deref() == Some(OOB) => shown(&code),
        Some(code) => redirect(&params, &[("code", &code)]),
        None => refused("There is no such account"),
    }
}

fn give_code(server: &Server, params: &Params) -> Option<String> {
    let mut model = server.mastodon();
    let account = model.account(&params.text("account")?)?.name.clone();
    let code = Code {
        sha256: String::new(),
        account,
        client_id: params.text("client_id")?,
        scopes: oauth::scopes(params.present("scope").as_deref()),
        redirect_uri: params.text("redirect_uri")?,
        challenge: params.present("code_challenge"),
        expires_at: 0,
    };
    oauth::give_code(&mut model, server.now(), code).ok()
}

/// For whoever types the code into a terminal.
fn shown(code: &str) -> Reply {
    let content = html! {
        h1 { "Copy this code and paste it to the app." }
        p { input.oauth-code type="text" value=(code) readonly; }
    };
    http::page(StatusCode::OK, "'none'", |nonce| document(&content, nonce).into_string())
}

fn back(params: &Params, error: &str, description: &str) -> Reply {
    match params.text("redirect_uri").as_deref() {
        Some(OOB) => refused(description),
        _ => redirect(params, &[("error", error), ("error_description", description)]),
    }
}

fn redirect(params: &Params, answer: &[(&str, &str)]) -> Reply {
    let state = params.text("state");
    let state = state.as_deref().map(|state| ("state", state));
    let answer: Vec<_> = answer.iter().copied().chain(state).collect();
    let to = params.text("redirect_uri").unwrap_or_default();
    let mut reply = http::text(StatusCode::FOUND, "");
    let location = match to.contains('?') {
        true => redirect_query("", &answer).replacen('?', &format!("{to}&"), 1),
        false => redirect_query(&to, &answer),
    };
    match HeaderValue::try_from(location) {
        Ok(location) => drop(reply.headers_mut().insert(LOCATION, location)),
        Err(_) => return refused("The redirect URI included is not valid."),
    }
    reply
}

fn refused(message: &str) -> Reply {
    http::text(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        for (registered, given, expected) in [
            ("http://127.0.0.1/callback/", "http://127.0.0.1:4321/callback/", true),
            ("http://127.0.0.1:1/callback/", "http://127.0.0.1:2/callback/", true),
            ("http://127.0.0.1/callback/", "http://127.0.0.1:4321/other/", false),
            ("http://127.0.0.1/", "http://127.0.0.1.evil.example/", false),
            ("http://127.0.0.1/", "http://127.0.0.1:1@evil.example/", false),
            ("http://localhost/callback/", "http://localhost:4321/callback/", false),
            ("https://app.example/cb", "https://app.example/cb", true),
            ("https://app.example/cb", "https://app.example/cb?x=1", false),
            (OOB, OOB, true),
        ] {
            assert_eq!(matches(registered, given), expected, "{registered} {given}");
        }
    }
}
