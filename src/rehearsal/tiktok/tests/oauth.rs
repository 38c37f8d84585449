//! TikTok docs `lkw`, `lkd`, `oget`, `oref`, `oat`, `oerr`.

use super::*;

const VERIFIER: &str = "gaeCq5mVvbhA8Ce6w5O9XBVIKMkySgv-_9A-rnhm9Ns";
const CHALLENGE: &str = "e6a178b120743d08509508f269652b0bdf91e29332921bc9e9744fd3dd41bfef";
const REDIRECT: &str = "http://127.0.0.1:5555/callback/";

impl World {
    /// What the browser sends when the creator decides.
    async fn consent(&self, changes: &[(&str, &str)]) -> reqwest::Response {
        let mut fields = vec![
            ("client_key", "rehearsal-key"),
            ("response_type", "code"),
            ("scope", "user.info.basic,video.upload"),
            ("redirect_uri", REDIRECT),
            ("state", "s t&1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("account", "brand"),
            ("allow", "user.info.basic"),
            ("decision", "allow"),
        ];
        for (name, value) in changes {
            fields.retain(|(key, _)| key != name || *name == "allow");
            fields.push((name, value));
        }
        self.http.post(self.url("/v2/auth/authorize/")).form(&fields).send().await.unwrap()
    }

    async fn code(&self, changes: &[(&str, &str)]) -> String {
        let reply = self.consent(changes).await;
        assert_eq!(reply.status(), 302);
        callback(&reply)["code"].as_str().unwrap().to_owned()
    }

    async fn exchange(&self, code: &str, verifier: &str, redirect: &str) -> Answer {
        let fields = [
            ("client_key", "rehearsal-key"),
            ("client_secret", "rehearsal-secret"),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        self.form("/v2/oauth/token/", &fields).await
    }
}

fn callback(reply: &reqwest::Response) -> Value {
    let location = reqwest::Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
    location
        .query_pairs()
        .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn oauth_error((status, body): &Answer) -> (u16, &str) {
    assert!(body["error_description"].is_string() && body["log_id"].is_string(), "{body}");
    (*status, body["error"].as_str().unwrap())
}

#[tokio::test]
async fn code_is_exchanged_with_the_hex_challenge() {
    let world = world(private()).await;
    for (verifier, challenge) in [
        (VERIFIER, CHALLENGE),
        (
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3",
        ),
    ] {
        let code = world.code(&[("code_challenge", challenge)]).await;
        let (status, grant) = world.exchange(&code, verifier, REDIRECT).await;
        assert_eq!(status, 200, "{grant}");
        assert_eq!(grant["scope"], "user.info.basic");
        assert_eq!((&grant["expires_in"], &grant["refresh_expires_in"]), (&json!(7200), &json!(15_552_000)));
        assert_eq!(grant["token_type"], "Bearer");
    }
}

#[tokio::test]
async fn base64url_challenge_is_refused_at_the_exchange() {
    let world = world(private()).await;
    let code = world.code(&[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")]).await;
    let answer = world.exchange(&code, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", REDIRECT).await;
    assert_eq!(oauth_error(&answer), (400, "invalid_request"));
}

#[tokio::test]
async fn code_is_good_for_one_exchange_with_its_own_redirect() {
    let world = world(private()).await;
    let code = world.code(&[]).await;
    assert!(code.contains('*') && code.contains('!'));
    assert_eq!(world.exchange(&code, VERIFIER, REDIRECT).await.0, 200);
    assert_eq!(oauth_error(&world.exchange(&code, VERIFIER, REDIRECT).await), (400, "invalid_grant"));
    let code = world.code(&[]).await;
    let other = world.exchange(&code, VERIFIER, "http://127.0.0.1:5556/callback/").await;
    assert_eq!(oauth_error(&other), (400, "invalid_grant"));
}

#[tokio::test]
async fn callback_carries_state_and_the_scopes_left_ticked() {
    let world = world(private()).await;
    let answered = callback(&world.consent(&[("allow", "video.upload")]).await);
    assert_eq!(
        (&answered["state"], &answered["scopes"]),
        (&json!("s t&1"), &json!("user.info.basic,video.upload"))
    );
    let denied = callback(&world.consent(&[("decision", "deny")]).await);
    assert_eq!((&denied["error"], &denied["state"]), (&json!("access_denied"), &json!("s t&1")));
}

#[tokio::test]
async fn authorize_refuses_what_is_not_documented() {
    let world = world(private()).await;
    for (name, value, about) in [
        ("client_key", "sandbox", "client_key"),
        ("redirect_uri", "http://127.0.0.1/callback/", "redirect_uri"),
        ("redirect_uri", "http://127.0.0.1:1/callback", "redirect_uri"),
        ("redirect_uri", "http://127.0.0.1:1/callback/?x=1", "redirect_uri"),
        ("redirect_uri", "https://evil.example/callback/", "redirect_uri"),
        ("redirect_uri", "http://127.0.0.1:1@evil.example/callback/", "redirect_uri"),
        ("scope", "user.info.basic video.upload", "scope"),
        ("scope", "video.create", "scope"),
        ("state", "", "state"),
        ("response_type", "token", "response_type"),
        ("code_challenge", "", "10007"),
        ("code_challenge_method", "plain", "10007"),
    ] {
        let reply = world.consent(&[(name, value)]).await;
        assert_eq!(reply.status(), 400, "{name}={value}");
        let text = reply.text().await.unwrap();
        assert!(text.contains(about), "{name}={value}: {text}");
    }
}

#[tokio::test]
async fn consent_page_escapes_and_loads_nothing() {
    let world = world(private()).await;
    let query = [
        ("client_key", "rehearsal-key"),
        ("response_type", "code"),
        ("scope", "video.upload"),
        ("redirect_uri", REDIRECT),
        ("state", "\"><script>alert(1)</script>"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let reply = world.http.get(world.url("/v2/auth/authorize/")).query(&query).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = reply.text().await.unwrap();
    assert!(page.contains("@brand") && !page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn refresh_rotates_and_a_replay_is_refused() {
    let world = world(private()).await;
    let first = world.rehearsal.issue_grant("brand").unwrap();
    world.pass(1_000);
    let (status, second) = world.refresh(first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!((&second["expires_in"], &second["refresh_expires_in"]), (&json!(7200), &json!(15_551_999)));
    let replayed = world.refresh(first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(oauth_error(&replayed), (400, "invalid_grant"));
    assert_eq!(world.refresh(second["refresh_token"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn tokens_expire_by_the_clock() {
    let world = world(private()).await;
    let refresh = world.rehearsal.issue_grant("brand").unwrap()["refresh_token"].as_str().unwrap().to_owned();
    let info = "/v2/post/publish/creator_info/query/";
    assert_eq!(refusal(&world.post(info, json!({})).await), (200, "ok"));
    world.pass(7_200_000);
    assert_eq!(refusal(&world.post(info, json!({})).await), (401, "access_token_invalid"));
    world.pass(15_552_000_000);
    assert_eq!(oauth_error(&world.refresh(&refresh).await), (400, "invalid_grant"));
}

#[tokio::test]
async fn token_endpoint_refuses_wrong_clients_and_forms() {
    let world = world(private()).await;
    for (fields, expected) in [
        (
            vec![("client_key", "x"), ("client_secret", "y"), ("grant_type", "refresh_token")],
            "invalid_client",
        ),
        (vec![("client_key", "rehearsal-key"), ("grant_type", "refresh_token")], "invalid_request"),
        (
            vec![
                ("client_key", "rehearsal-key"),
                ("client_secret", "rehearsal-secret"),
                ("grant_type", "password"),
            ],
            "unsupported_grant_type",
        ),
        (vec![("client_key", "rehearsal-key"), ("client_secret", "rehearsal-secret")], "invalid_request"),
    ] {
        assert_eq!(oauth_error(&world.form("/v2/oauth/token/", &fields).await).1, expected);
    }
    let json = world.http.post(world.url("/v2/oauth/token/")).json(&json!({})).send().await.unwrap();
    assert_eq!(oauth_error(&answer(json).await), (400, "invalid_request"));
    let no_slash = world.http.post(world.url("/v2/oauth/token")).form(&[("a", "b")]).send().await.unwrap();
    assert_eq!(no_slash.status(), 404);
}

#[tokio::test]
async fn oauth_errors_may_come_with_200() {
    let options = Options { accounts: vec![private()], oauth_errors_with_200: true, ..Options::default() };
    let world = world_with(options).await;
    assert_eq!(oauth_error(&world.refresh("rft.unknown").await), (200, "invalid_grant"));
}

#[tokio::test]
async fn revoke_ends_both_tokens_and_what_is_processing() {
    let world = world(private()).await;
    let grant = world.rehearsal.issue_grant("brand").unwrap();
    let publish_id = world.post_video(self_only()).await;
    for token in [world.token.as_str(), grant["access_token"].as_str().unwrap()] {
        let fields =
            [("client_key", "rehearsal-key"), ("client_secret", "rehearsal-secret"), ("token", token)];
        assert_eq!(world.form("/v2/oauth/revoke/", &fields).await, (200, json!("")));
    }
    assert_eq!(refusal(&world.status(&publish_id).await), (401, "access_token_invalid"));
    assert_eq!(
        oauth_error(&world.refresh(grant["refresh_token"].as_str().unwrap()).await),
        (400, "invalid_grant")
    );
    assert_eq!(world.settled(&publish_id).await["fail_reason"], "auth_removed");
}

impl World {
    async fn scan(&self) -> (String, String) {
        let fields =
            [("client_key", "rehearsal-key"), ("scope", "user.info.basic,video.upload"), ("state", "s")];
        let (status, asked) = self.form("/v2/oauth/get_qrcode/", &fields).await;
        assert_eq!(status, 200, "{asked}");
        let url = asked["scan_qrcode_url"].as_str().unwrap().replace("tobefilled", "ticket");
        (url, asked["token"].as_str().unwrap().to_owned())
    }

    async fn progress(&self, token: &str) -> Value {
        let fields =
            [("client_key", "rehearsal-key"), ("client_secret", "rehearsal-secret"), ("token", token)];
        self.form("/v2/oauth/check_qrcode/", &fields).await.1
    }
}

#[tokio::test]
async fn a_scan_goes_from_new_to_confirmed_and_is_used_once() {
    let world = world(private()).await;
    let (url, token) = world.scan().await;
    assert_eq!(world.progress(&token).await["status"], "new");
    let unfilled = url.replace("=ticket", "=tobefilled");
    assert_eq!(world.http.get(unfilled).send().await.unwrap().status(), 400);
    assert_eq!(world.http.get(&url).send().await.unwrap().status(), 200);
    assert_eq!(world.progress(&token).await, json!({"status": "scanned", "client_ticket": "ticket"}));
    let form =
        [("token", token.as_str()), ("account", "brand"), ("allow", "video.upload"), ("decision", "allow")];
    let granted = world.http.post(world.url("/v2/auth/qrcode/")).form(&form).send().await.unwrap();
    assert_eq!(granted.status(), 200);
    let confirmed = world.progress(&token).await;
    assert_eq!(confirmed["status"], "confirmed");
    let address = reqwest::Url::parse(confirmed["redirect_uri"].as_str().unwrap()).unwrap();
    let code = address.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned();
    let (status, grant) = world.exchange(&code, "", "http://127.0.0.1:80/callback/").await;
    assert_eq!((status, &grant["scope"]), (200, &json!("video.upload")), "{grant}");
    assert_eq!(world.progress(&token).await["status"], "utilised");
}

#[tokio::test]
async fn a_scan_expires_and_can_be_denied() {
    let world = world(private()).await;
    let (url, token) = world.scan().await;
    world.pass(5 * 60_000);
    assert_eq!(world.progress(&token).await["status"], "expired");
    assert_eq!(world.http.get(&url).send().await.unwrap().status(), 400);
    let (url, token) = world.scan().await;
    world.http.get(&url).send().await.unwrap();
    let form = [("token", token.as_str()), ("account", "brand"), ("decision", "deny")];
    world.http.post(world.url("/v2/auth/qrcode/")).form(&form).send().await.unwrap();
    assert_eq!(world.progress(&token).await["status"], "expired");
    assert_eq!(world.progress("unknown").await["error"], "invalid_request");
}
