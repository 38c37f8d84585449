//! Logging in and out, and what a server says of itself.

use serde_json::json;

use super::support::*;
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::platform::oauth::{Asked, Login};
use crate::platform::testing::{Answer, Seen};
use crate::platform::{Error, Platform, RequestLog};
use crate::secret::Secret;

const TEXT: &str = "id: a\ntext: Hello\nto:\n  toot:\n";

fn form(seen: &Seen) -> Vec<(String, String)> {
    let url = format!("http://x/?{}", String::from_utf8_lossy(&seen.body));
    let pairs = reqwest::Url::parse(&url).expect("a form");
    pairs.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn value(fields: &[(String, String)], name: &str) -> String {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn log_in(scene: &Scene, asked: &mut Asked, answers: Vec<Answer>) -> Result<Grant, Error> {
    let log = RequestLog::default();
    scene.server.then(answers);
    let login = scene.toot.by_browser().expect("a browser");
    asked.app = login.register(asked, &log).await?;
    login.exchange(&Secret::new("code.canary"), asked, &log).await
}

fn asked(scene: &Scene) -> Asked {
    let scopes = scene.toot.scopes().iter().map(|scope| scope.name.to_owned()).collect();
    Asked::new("http://127.0.0.1:5555/callback/", scopes).expect("asked")
}

fn app() -> Answer {
    ok(json!({ "id": "1", "client_id": "id.canary", "client_secret": "secret.canary" }))
}

#[tokio::test]
async fn each_login_registers_an_app_and_keeps_its_keys() {
    let knows = ok(json!({ "scopes_supported": ["read", "write", "profile"] }));
    let token =
        |scope: &str| ok(json!({ "access_token": "token.canary", "token_type": "Bearer", "scope": scope }));
    let me = || ok(json!({ "id": "42", "username": "Brand", "acct": "Brand" }));
    for (discovered, first) in
        [(knows, "profile"), (Answer::Plain(404, "", "<html>".into()), "read:accounts")]
    {
        let scene = Scene::new(TEXT, &[], None).await;
        let mut asked = asked(&scene);
        let scope = format!("{first} read:statuses write:statuses write:media");
        let grant =
            log_in(&scene, &mut asked, vec![discovered, app(), token(&scope), me()]).await.expect("a login");
        assert_eq!((grant.subject.as_str(), grant.access.expose()), ("42", "token.canary"));
        assert!(
            ["profile", "read:statuses", "write:statuses", "write:media"]
                .iter()
                .all(|s| grant.scopes.iter().any(|g| g == s))
        );
        let seen = scene.server.seen();
        let registered = form(&seen[1]);
        assert_eq!(value(&registered, "scopes"), scope);
        assert_eq!(
            (value(&registered, "client_name"), value(&registered, "redirect_uris")),
            ("gitcast".into(), asked.redirect_uri.clone())
        );
        let exchanged = form(&seen[2]);
        for (name, expected) in [
            ("grant_type", "authorization_code"),
            ("code", "code.canary"),
            ("client_id", "id.canary"),
            ("client_secret", "secret.canary"),
            ("redirect_uri", &asked.redirect_uri),
            ("code_verifier", asked.verifier.expose()),
        ] {
            assert_eq!(value(&exchanged, name), expected, "{name}");
        }
        let url =
            reqwest::Url::parse(&scene.toot.by_browser().expect("one").authorize_url(&asked).expect("url"));
        let url = url.expect("a URL");
        let query: Vec<_> = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        assert_eq!((url.path(), value(&query, "scope")), ("/oauth/authorize", scope));
        assert_eq!(
            (value(&query, "state"), value(&query, "code_challenge_method")),
            (asked.state.clone(), "S256".into())
        );
        assert_eq!(value(&query, "client_id"), "id.canary");
        // Ended with the same keys.
        scene.server.then([ok(json!({}))]);
        scene.toot.revoke(&grant, &RequestLog::default()).await.expect("revoked");
        let revoked = form(scene.server.seen().last().expect("a request"));
        assert_eq!(
            (value(&revoked, "token"), value(&revoked, "client_secret")),
            ("token.canary".into(), "secret.canary".into())
        );
        assert!(!format!("{grant:?} {asked:?}").contains("canary"));
    }
}

#[tokio::test]
async fn somebody_elses_login_is_ended_and_not_kept() {
    let scene = Scene::new(TEXT, &[], None).await;
    let mut asked = asked(&scene);
    let answers = vec![
        refused(404, "x"),
        app(),
        ok(json!({ "access_token": "token.canary" })),
        ok(json!({ "id": "43", "username": "other" })),
        ok(json!({})),
    ];
    let error = log_in(&scene, &mut asked, answers).await.expect_err("another's");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Permission, "other-handle"));
    assert!(error.message.contains("@other") && error.message.contains("@brand@example.social"), "{error}");
    assert_eq!(scene.asked().last().map(String::as_str), Some("POST /oauth/revoke"));
}

#[tokio::test]
async fn a_login_that_is_refused_says_why_and_shows_no_secret() {
    for (answers, kind) in [
        (vec![refused(404, "x"), refused(422, "Validation failed")], ErrorKind::Permission),
        (vec![refused(404, "x"), ok(json!({ "client_id": "only" }))], ErrorKind::Protocol),
        (vec![refused(404, "x"), refused(429, "too many")], ErrorKind::RateLimited),
        (vec![refused(404, "x"), app(), refused(400, "invalid_grant")], ErrorKind::Permission),
        (vec![refused(404, "x"), app(), Answer::Cut], ErrorKind::Ambiguous),
        (vec![refused(404, "x"), app(), ok(json!({}))], ErrorKind::Protocol),
    ] {
        let scene = Scene::new(TEXT, &[], None).await;
        let error = log_in(&scene, &mut asked(&scene), answers).await.expect_err("refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    // An imported login's app is not known.
    let scene = Scene::new(TEXT, &[], None).await;
    let grant = Grant { app: None, ..grant() };
    assert_eq!(scene.toot.revoke(&grant, &RequestLog::default()).await.expect_err("no app").code, "no-app");
    let error = scene.toot.refresh(&grant, &RequestLog::default()).await.expect_err("never");
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(scene.server.seen().is_empty());
}

#[tokio::test]
async fn a_server_is_asked_what_it_is_and_what_it_takes() {
    let me = || ok(json!({ "id": "42", "username": "brand", "acct": "brand", "display_name": "The Brand" }));
    let instance = || {
        ok(
            json!({ "version": "4.0.0 (not true)", "configuration": { "statuses": { "max_characters": 640 } } }),
        )
    };
    let links = || {
        let rel = "http://nodeinfo.diaspora.software/ns/schema/2.0";
        ok(json!({ "links": [{ "rel": rel, "href": "https://elsewhere.example/nodeinfo_2_0" }] }))
    };
    let node = || ok(json!({ "software": { "name": "Snac", "version": "2.75" } }));
    for (answers, software, version) in [
        (vec![me(), instance(), links(), node()], Some("snac"), "2.75"),
        (vec![me(), refused(404, "x"), instance(), links(), node()], Some("snac"), "2.75"),
        (vec![me(), instance(), refused(404, "x")], None, "4.0.0 (not true)"),
        (vec![me(), instance(), links(), refused(500, "x")], None, "4.0.0 (not true)"),
    ] {
        let scene = Scene::new(TEXT, &[], None).await;
        scene.server.then(answers);
        let answer =
            scene.toot.inquiry().capabilities(&scene.grant, &RequestLog::default()).await.expect("facts");
        let server = answer.capabilities.server.expect("a server");
        assert_eq!((server.software.as_deref(), server.version.as_deref()), (software, Some(version)));
        assert_eq!(server.text_chars_max, Some(640));
        assert_eq!(answer.capabilities.nickname.as_deref(), Some("The Brand"));
        // Whoever may be asked without a token is.
        let seen = scene.server.seen();
        assert!(seen[1..].iter().all(|seen| seen.header("authorization").is_none()));
    }
}
