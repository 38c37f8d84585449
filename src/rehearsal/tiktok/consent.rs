//! The authorize page: who logs in, and what they allow (TikTok docs `lkw`, `lkd`, read 2026-11-22).

use std::fmt::Write;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LOCATION};
use hyper::http::request::Parts;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::Server;
use super::super::feed::STYLE;
use super::super::http::{self, Reply};
use super::super::settings::{AccountSetup, SCOPES};
use super::oauth::{Code, give_code};
use super::{field, form_pairs, page_error};

/// TikTok docs `lkd`: a redirect address is shorter than this.
const REDIRECT_URI_MAX: usize = 512;
/// Repeated in the form, so that the decision carries the whole request.
const PARAMETERS: [&str; 7] = [
    "client_key",
    "response_type",
    "scope",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
];

type Pairs = Vec<(String, String)>;

pub(super) fn show(server: &Server, parts: &Parts) -> Reply {
    let request = form_pairs(parts.uri.query().unwrap_or_default());
    if let Err(message) = check(server, &request) {
        return page_error(message);
    }
    let accounts = server.model().accounts().to_vec();
    // A browser applies this to the redirect after the form, too.
    let form_action = "'self' http://127.0.0.1:* http://localhost:* https:";
    let hidden = PARAMETERS.map(|name| (name, field(&request, name)));
    let scopes: Vec<_> = field(&request, "scope").split(',').collect();
    http::page(StatusCode::OK, form_action, |nonce| {
        page("/v2/auth/authorize/", &hidden, &scopes, &accounts, nonce).into_string()
    })
}

/// Why the request cannot go to the creator at all. None of these may redirect: the address is not trusted yet.
fn check(server: &Server, request: &Pairs) -> Result<(), &'static str> {
    let redirect = field(request, "redirect_uri");
    if field(request, "client_key") != server.client_key {
        return Err("Something went wrong: please correct: client_key");
    }
    if !is_registered(server, redirect) {
        return Err("Something went wrong: please correct: redirect_uri");
    }
    if field(request, "response_type") != "code" {
        return Err("Something went wrong: please correct: response_type");
    }
    if field(request, "state").is_empty() {
        return Err("Something went wrong: please correct: state");
    }
    if !are_scopes(field(request, "scope")) {
        return Err("Something went wrong: please correct: scope");
    }
    let pkce = (field(request, "code_challenge"), field(request, "code_challenge_method"));
    if is_loopback(redirect) && (pkce.0.is_empty() || pkce.1 != "S256") {
        return Err("Something went wrong: errCode=10007 error_type=code_challenge");
    }
    Ok(())
}

/// Whether this is a list of known scopes.
pub(super) fn are_scopes(list: &str) -> bool {
    list.split(',').all(|scope| SCOPES.contains(&scope))
}

/// Absolute and static, with a port on loopback, and registered; `*` in a registered port stands for any.
fn is_registered(server: &Server, redirect: &str) -> bool {
    if redirect.len() >= REDIRECT_URI_MAX || redirect.contains(['?', '#']) {
        return false;
    }
    server.redirect_uris.iter().any(|registered| match registered.split_once('*') {
        None => registered == redirect,
        Some((before, after)) => {
            let port = redirect.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        }
    })
}

fn is_loopback(redirect: &str) -> bool {
    let host = redirect.split_once("://").map_or("", |(_, rest)| rest);
    host.starts_with("127.0.0.1") || host.starts_with("localhost")
}

/// Who logs in, and what they allow. `hidden` comes back with the decision, which goes to `action`.
pub(super) fn page(
    action: &str,
    hidden: &[(&str, &str)],
    scopes: &[&str],
    accounts: &[AccountSetup],
    nonce: &str,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Log in · Rehearsal" }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                main.consent {
                    h1 { "An app asks for access" }
                    p.quiet { "This is a rehearsal: nothing here leaves your machine." }
                    form method="post" action=(action) {
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
                        fieldset {
                            legend { "Allow" }
                            @for scope in scopes {
                                label { input type="checkbox" name="allow" value=(scope) checked; " " (scope) }
                            }
                        }
                        button name="decision" value="allow" { "Continue" }
                        button.plain name="decision" value="deny" { "Cancel" }
                    }
                }
            }
        }
    }
}

pub(super) async fn decide(server: &Arc<Server>, body: &mut Incoming) -> Reply {
    let body = http::collect(body).await.unwrap_or_default();
    let form = form_pairs(&String::from_utf8_lossy(&body));
    if let Err(message) = check(server, &form) {
        return page_error(message);
    }
    let state = field(&form, "state");
    if field(&form, "decision") != "allow" {
        let answer = [
            ("error", "access_denied"),
            ("error_description", "The user denied the request"),
            ("state", state),
        ];
        return redirect(field(&form, "redirect_uri"), &answer);
    }
    match grant_code(server, &form) {
        Some((code, scopes)) => {
            let answer = [("code", code.as_str()), ("scopes", &scopes), ("state", state)];
            redirect(field(&form, "redirect_uri"), &answer)
        }
        None => page_error("Something went wrong: no such account"),
    }
}

fn grant_code(server: &Server, form: &Pairs) -> Option<(String, String)> {
    let mut model = server.model();
    let account = model.account(field(form, "account"))?.clone();
    let scopes = granted(form, field(form, "scope"), &account);
    let joined = scopes.join(",");
    let redirect_uri = field(form, "redirect_uri").to_owned();
    let challenge = is_loopback(&redirect_uri).then(|| field(form, "code_challenge").to_owned());
    let code =
        Code { sha256: String::new(), account: account.name, scopes, redirect_uri, challenge, expires_at: 0 };
    Some((give_code(&mut model, server.now(), code).ok()?, joined))
}

/// The scopes that were asked for, that the app is approved for, and that the creator left ticked.
pub(super) fn granted(form: &Pairs, asked: &str, account: &AccountSetup) -> Vec<String> {
    let ticked = |scope: &&str| form.iter().any(|(key, value)| key == "allow" && value == scope);
    let approved = |scope: &&str| account.scopes.iter().any(|approved| approved == scope);
    asked.split(',').filter(ticked).filter(approved).map(str::to_owned).collect()
}

/// `to` with `answer` as its query.
pub(in crate::rehearsal) fn redirect_query(to: &str, answer: &[(&str, &str)]) -> String {
    let query: Vec<_> =
        answer.iter().map(|(key, value)| format!("{key}={}", percent_encode(value))).collect();
    format!("{to}?{}", query.join("&"))
}

fn redirect(to: &str, answer: &[(&str, &str)]) -> Reply {
    let mut reply = http::text(StatusCode::FOUND, "");
    match HeaderValue::try_from(redirect_query(to, answer)) {
        Ok(location) => drop(reply.headers_mut().insert(LOCATION, location)),
        Err(_) => return page_error("Something went wrong: please correct: redirect_uri"),
    }
    reply
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
        encoded
    })
}
