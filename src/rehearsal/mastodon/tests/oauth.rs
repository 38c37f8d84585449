//! From an app that registers to a token that is revoked.

use super::*;

const REDIRECT: &str = "http://127.0.0.1/callback/";
const WITH_QUERY: &str = "https://a.example/cb?from=here";
const OOB: &str = "urn:ietf:wg:oauth:2.0:oob";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct App {
    id: String,
    secret: String,
}

impl World {
    async fn app(&self) -> App {
        let body = json!({ "client_name": "My app", "redirect_uris": [REDIRECT, OOB, WITH_QUERY], "scopes": "profile write:statuses", "website": "https://a.example" });
        let (status, body) = self.send(self.http.post(self.url("/api/v1/apps")).json(&body)).await;
        assert_eq!((status, &body["client_secret_expires_at"]), (200, &json!(0)));
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        App { id: text("client_id"), secret: text("client_secret") }
    }

    /// What the page leads to once `account` has decided: the status, and where to.
    async fn decide(&self, fields: &[(&str, &str)]) -> (u16, String, String) {
        let reply = self.http.post(self.url("/oauth/authorize")).form(fields).send().await.unwrap();
        let location = reply.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (reply.status().as_u16(), location.unwrap_or_default(), reply.text().await.unwrap())
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.send(self.http.post(self.url("/oauth/token")).form(fields)).await
    }
}

fn asked<'a>(app: &'a App, redirect: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", &app.id),
        ("response_type", "code"),
        ("scope", "profile write:statuses"),
        ("redirect_uri", redirect),
        ("state", "s&1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

fn set<'a>(fields: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = fields.iter().copied().filter(|(key, _)| *key != name);
    others.chain([(name, value)]).collect()
}

fn parameter<'a>(location: &'a str, name: &str) -> &'a str {
    let query = location.split_once('?').unwrap().1;
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or_default()
}

#[tokio::test]
async fn an_app_registers_and_gets_a_token_for_a_code_once() {
    let mut world = world().await;
    let (_, found) = world.send(world.http.get(world.url("/.well-known/oauth-authorization-server"))).await;
    assert_eq!(found["token_endpoint"], world.url("/oauth/token"));
    assert_eq!(found["code_challenge_methods_supported"], json!(["S256"]));
    let app = world.app().await;
    // The port of a loopback address is whatever was free.
    let redirect = "http://127.0.0.1:4321/callback/";
    let page =
        world.http.get(world.url("/oauth/authorize")).query(&asked(&app, redirect)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("My app") && page.contains("@brand_name") && page.contains("name=\"code_challenge\""),
        "{page}"
    );
    let allowed = [asked(&app, redirect), vec![("account", "brand"), ("decision", "allow")]].concat();
    let (status, location, _) = world.decide(&allowed).await;
    assert_eq!((status, parameter(&location, "state")), (302, "s%261"));
    assert!(location.starts_with(redirect));
    let code = parameter(&location, "code").to_owned();
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("client_id", &app.id),
        ("client_secret", &app.secret),
        ("redirect_uri", redirect),
        ("code_verifier", VERIFIER),
    ];
    for (name, value, expected) in [
        ("client_secret", "wrong", (401, "invalid_client")),
        ("client_id", "wrong", (401, "invalid_client")),
        ("code_verifier", "wrong", (400, "invalid_grant")),
        ("code", "wrong", (400, "invalid_grant")),
        ("redirect_uri", REDIRECT, (400, "invalid_grant")),
        ("grant_type", "refresh_token", (400, "unsupported_grant_type")),
        ("grant_type", "", (400, "invalid_request")),
    ] {
        assert_eq!(error(&world.token(&set(&exchange, name, value)).await), expected, "{name}");
    }
    let (status, token) = world.token(&exchange).await;
    assert_eq!(
        (status, &token["token_type"], &token["scope"]),
        (200, &json!("Bearer"), &json!("profile write:statuses"))
    );
    assert_eq!((&token["created_at"], token.get("expires_in")), (&json!(START / 1_000), None));
    assert_eq!(error(&world.token(&exchange).await), (400, "invalid_grant"), "good for one use");
    world.token = token["access_token"].as_str().unwrap().to_owned();
    let (_, who) = world.get("/api/v1/accounts/verify_credentials").await;
    assert_eq!((&who["username"], &who["id"]), (&json!("brand_name"), &json!(account_id("brand"))));
    assert_eq!(who["source"]["privacy"], "public");
    let (_, status) = world.post(json!({ "status": "a" })).await;
    assert_eq!(status["application"], json!({ "name": "My app", "website": "https://a.example" }));
    let revoke = |secret: &str, token: &str| {
        let form = [("client_id", app.id.as_str()), ("client_secret", secret), ("token", token)];
        world.send(world.http.post(world.url("/oauth/revoke")).form(&form))
    };
    assert_eq!(error(&revoke("wrong", &world.token).await), (403, "unauthorized_client"));
    let others = token_of(&world.rehearsal, "brand");
    assert_eq!(error(&revoke(&app.secret, &others).await), (403, "unauthorized_client"), "of another app");
    for _ in 0..2 {
        assert_eq!(revoke(&app.secret, &world.token).await, (200, json!({})));
    }
    assert_eq!(error(&world.post(json!({ "status": "a" })).await), (401, "The access token was revoked"));
}

#[tokio::test]
async fn a_code_is_shown_to_whoever_types_it_in() {
    let world = world().await;
    let app = world.app().await;
    let allowed = [asked(&app, OOB), vec![("account", "brand"), ("decision", "allow")]].concat();
    let (status, _, page) = world.decide(&allowed).await;
    assert_eq!(status, 200);
    let code = page.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let exchange = |client: &App| {
        let fields = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("client_id", client.id.clone()),
            ("client_secret", client.secret.clone()),
            ("redirect_uri", OOB.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        world.send(world.http.post(world.url("/oauth/token")).form(&fields))
    };
    assert_eq!(error(&exchange(&world.app().await).await), (400, "invalid_grant"), "another app");
    world.pass(10 * MINUTE - 1);
    assert_eq!(exchange(&app).await.0, 200);
}

#[tokio::test]
async fn a_code_ends_after_ten_minutes() {
    let world = world().await;
    let app = world.app().await;
    let allowed = [asked(&app, REDIRECT), vec![("account", "brand"), ("decision", "allow")]].concat();
    let (_, location, _) = world.decide(&allowed).await;
    world.pass(10 * MINUTE);
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", parameter(&location, "code")),
        ("client_id", &app.id),
        ("client_secret", &app.secret),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(error(&world.token(&exchange).await), (400, "invalid_grant"));
}

#[tokio::test]
async fn what_cannot_be_authorized_is_refused_here_or_there() {
    let world = world().await;
    let app = world.app().await;
    let asked = asked(&app, REDIRECT);
    for (name, value) in
        [("client_id", "unknown"), ("redirect_uri", "http://127.0.0.1.evil.example/"), ("redirect_uri", "")]
    {
        let wrong = set(&asked, name, value);
        let page = world.http.get(world.url("/oauth/authorize")).query(&wrong).send().await.unwrap();
        assert_eq!(page.status(), 400, "{name}");
        let (status, location, _) =
            world.decide(&[wrong, vec![("account", "brand"), ("decision", "allow")]].concat()).await;
        assert_eq!((status, location.as_str()), (400, ""), "{name}");
    }
    let denied = [set(&asked, "redirect_uri", WITH_QUERY), vec![("decision", "deny")]].concat();
    assert!(world.decide(&denied).await.1.starts_with(&format!("{WITH_QUERY}&error=access_denied&")));
    for (name, value, expected) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "profile write:media", "invalid_scope"),
        ("scope", "write", "invalid_scope"),
        ("code_challenge_method", "plain", "invalid_code_challenge_method"),
        ("decision", "deny", "access_denied"),
    ] {
        let fields = [asked.clone(), vec![("account", "brand"), ("decision", "allow")]].concat();
        let (status, location, _) = world.decide(&set(&fields, name, value)).await;
        assert_eq!(
            (status, parameter(&location, "error"), parameter(&location, "state")),
            (302, expected, "s%261")
        );
    }
}

#[tokio::test]
async fn an_app_says_what_it_needs() {
    let world = world().await;
    let form = [("client_name", "app"), ("redirect_uris", "https://a.example/ https://b.example/")];
    let (status, app) = world.send(world.http.post(world.url("/api/v1/apps")).form(&form)).await;
    assert_eq!(
        (status, &app["scopes"], &app["redirect_uris"]),
        (200, &json!(["read"]), &json!(["https://a.example/", "https://b.example/"]))
    );
    for body in [
        json!({ "redirect_uris": "https://a.example/" }),
        json!({ "client_name": "app" }),
        json!({ "client_name": "app", "redirect_uris": "a.example" }),
        json!({ "client_name": "app", "redirect_uris": "https://a.example/", "scopes": "everything" }),
    ] {
        assert_eq!(world.send(world.http.post(world.url("/api/v1/apps")).json(&body)).await.0, 422, "{body}");
    }
    // An app's own token is nobody's.
    let (id, secret) = (app["client_id"].as_str().unwrap(), app["client_secret"].as_str().unwrap());
    let own = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let (status, token) = world.token(&own).await;
    assert_eq!(status, 200);
    let request = world.http.get(world.url("/api/v1/accounts/verify_credentials"));
    let answer = world.send(request.bearer_auth(token["access_token"].as_str().unwrap())).await;
    assert_eq!(error(&answer), (422, "This method requires an authenticated user"));
    assert_eq!(error(&world.token(&set(&own, "scope", "write")).await), (400, "invalid_scope"));
}

#[tokio::test]
async fn an_older_server_is_not_discovered() {
    let world = world_as(MastodonSetup { discovery: false, ..MastodonSetup::default() }).await;
    assert_eq!(world.send(world.http.get(world.url("/.well-known/oauth-authorization-server"))).await.0, 404);
}
