//! What a status may be, how it is edited and how it goes.

use super::*;

#[tokio::test]
async fn a_status_is_answered_whole() {
    let world = world().await;
    let form = [
        ("status", "Hi @other and @who@else.example, see https://a.example/x #Rust <b>"),
        ("visibility", "unlisted"),
        ("spoiler_text", "cw"),
        ("language", "de-DE"),
        ("poll[options][]", "a"),
        ("poll[options][]", "b"),
        ("poll[expires_in]", "300"),
    ];
    let (status, body) = world.send(world.request("POST", "/api/v1/statuses").form(&form)).await;
    assert_eq!(status, 200, "{body}");
    let id = id(&body);
    assert_eq!(id.parse::<i64>().unwrap() >> 16, START, "made from the time");
    for (name, expected) in [
        ("visibility", json!("unlisted")),
        ("spoiler_text", json!("cw")),
        ("sensitive", json!(true)),
        ("language", json!("de")),
        ("application", json!({ "name": "gitcast", "website": null })),
        ("edited_at", Value::Null),
        ("in_reply_to_id", Value::Null),
        ("url", json!(format!("{}/@brand_name/{id}", world.rehearsal.base_url()))),
        ("created_at", json!(super::super::time(START))),
    ] {
        assert_eq!(body[name], expected, "{name}");
    }
    let html = body["content"].as_str().unwrap();
    assert!(html.contains("&lt;b&gt;") && html.contains(">#<span>Rust</span>"), "{html}");
    assert!(html.contains("@<span>other</span>") && html.contains("@who@else.example"), "{html}");
    assert_eq!((&body["mentions"][0]["acct"], &body["tags"][0]["name"]), (&json!("other"), &json!("rust")));
    assert_eq!(body["poll"]["options"][1], json!({ "title": "b", "votes_count": 0 }));
    let path = format!("/api/v1/statuses/{id}");
    assert_eq!(world.get(&path).await, (200, body));
    let source = world.get(&format!("{path}/source")).await.1;
    assert_eq!((&source["text"], &source["spoiler_text"]), (&json!(form[0].1), &json!("cw")));
    assert_eq!(error(&world.get("/api/v1/statuses/1").await), (404, "Record not found"));
    let media = world.picture().await;
    let parts = [("status", "in parts"), ("media_ids[]", media.as_str()), ("visibility", "private")];
    let body = super::form(b"a file that nobody asked for", &parts);
    let request = world.request("POST", "/api/v1/statuses");
    let request = request.header("content-type", "multipart/form-data; boundary=\"XX\"");
    let (status, body) = world.send(request.body(body)).await;
    assert_eq!(
        (status, &body["content"], &body["visibility"]),
        (200, &json!("<p>in parts</p>"), &json!("private"))
    );
    assert_eq!(ids(&body["media_attachments"]), [media]);
}

#[tokio::test]
async fn what_the_rules_do_not_allow_is_refused() {
    let world = world().await;
    let long = "a".repeat(501);
    let poll = |options: Value, expires_in: i64| json!({ "status": "a", "poll": { "options": options, "expires_in": expires_in } });
    let media = world.picture().await;
    for (body, expected) in [
        (json!({ "status": long }), "Validation failed: Text character limit of 500 exceeded"),
        (
            json!({ "status": "a".repeat(400), "spoiler_text": "b".repeat(101) }),
            "Validation failed: Text character limit of 500 exceeded",
        ),
        (
            json!({ "status": "-http://".repeat(100_000) }),
            "Validation failed: Text character limit of 500 exceeded",
        ),
        (json!({ "status": " " }), "Validation failed: Text can't be blank"),
        (
            json!({ "status": "a", "visibility": "secret" }),
            "Validation failed: Visibility is not included in the list",
        ),
        (poll(json!(["a", " "]), 300), "Validation failed: Poll options must have more than one item"),
        (
            poll(json!(["a", "b", "c", "d", "e"]), 300),
            "Validation failed: Poll options can't contain more than 4 items",
        ),
        (
            poll(json!(["a", "b".repeat(51)]), 300),
            "Validation failed: Poll options cannot be longer than 50 characters each",
        ),
        (poll(json!(["a", "a"]), 300), "Validation failed: Poll options contain duplicate items"),
        (poll(json!(["a", "b"]), 299), "Validation failed: Poll expires at is too soon"),
        (poll(json!(["a", "b"]), 2_629_747), "Validation failed: Poll expires at is too far into the future"),
        (
            json!({ "status": "a", "media_ids": [media], "poll": { "options": ["a", "b"], "expires_in": 300 } }),
            "Cannot attach more than 4 files",
        ),
        (json!({ "status": "a", "media_ids": ["1", "2", "3", "4", "5"] }), "Cannot attach more than 4 files"),
        (
            json!({ "status": "a", "media_ids": [media, "7"] }),
            "Media 7 not found or already attached to another post",
        ),
        (json!({ "status": "a", "scheduled_at": "soon" }), "Record invalid"),
        (
            json!({ "status": "hi @other", "allowed_mentions": [] }),
            "Post would be sent to unexpected accounts",
        ),
    ] {
        assert_eq!(error(&world.post(body.clone()).await), (422, expected), "{body}");
    }
    for (name, expected) in [
        ("in_reply_to_id", "The post you are trying to reply to does not appear to exist."),
        ("quoted_status_id", "The post you are trying to quote does not appear to exist."),
    ] {
        assert_eq!(error(&world.post(json!({ "status": "a", name: "1" })).await), (404, expected));
    }
    assert_eq!(world.publications().len(), 0, "nothing was left behind");
    for body in [
        json!({ "status": format!("{} https://a.example/{long}", "a".repeat(476)) }),
        json!({ "status": format!("{} @other@{}.example", "a".repeat(493), "h".repeat(60)) }),
        json!({ "status": "", "media_ids": [media] }),
        json!({ "status": "hi @other", "allowed_mentions": [account_id("other")] }),
    ] {
        assert_eq!(world.post(body.clone()).await.0, 200, "{body}");
    }
    // A warning alone becomes the text.
    let (_, body) = world.post(json!({ "spoiler_text": "cw" })).await;
    assert_eq!(
        (&body["content"], &body["spoiler_text"], &body["sensitive"]),
        (&json!("<p>cw</p>"), &json!(""), &json!(true))
    );
}

#[tokio::test]
async fn an_edit_replaces_everything() {
    let world = world().await;
    let (media, more) = (world.picture().await, world.picture().await);
    let body = json!({ "status": "a", "media_ids": [media, more], "spoiler_text": "cw", "language": "fr" });
    let (_, first) = world.post(body).await;
    let path = format!("/api/v1/statuses/{}", id(&first));
    world.pass(MINUTE);
    let whole = json!({
        "status": "b", "media_ids": [more, media], "spoiler_text": "cw", "sensitive": true,
        "media_attributes": [{ "id": media, "description": "new", "focus": "0.5,-1" }],
    });
    let (status, edited) = world.put(&path, whole.clone()).await;
    assert_eq!((status, &edited["edited_at"]), (200, &json!(super::super::time(world.now()))));
    assert_eq!(ids(&edited["media_attachments"]), [more.clone(), media.clone()]);
    assert_eq!(edited["media_attachments"][1]["description"], "new");
    assert_eq!((&edited["language"], &edited["id"]), (&json!("fr"), &first["id"]));
    world.pass(MINUTE);
    assert_eq!(world.put(&path, whole).await.1["edited_at"], edited["edited_at"], "the same changes nothing");
    let (_, stripped) = world.put(&path, json!({ "status": "c" })).await;
    assert_eq!(stripped["media_attachments"], json!([]));
    assert_eq!((&stripped["spoiler_text"], &stripped["sensitive"]), (&json!(""), &json!(false)));
    // What was taken off stays with it: nobody else gets it, and a later edit takes it back.
    assert_eq!(world.get(&format!("/api/v1/media/{media}")).await.0, 404);
    assert_eq!(world.post(json!({ "status": "x", "media_ids": [media] })).await.0, 422);
    assert_eq!(world.put(&path, json!({ "status": "c", "media_ids": [media] })).await.0, 200);
    assert_eq!(world.put(&path, json!({ "status": "" })).await.0, 422, "neither text nor media");
    let (_, history) = world.get(&format!("{path}/history")).await;
    let texts: Vec<_> = history.as_array().unwrap().iter().map(|v| v["content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["<p>a</p>", "<p>b</p>", "<p>c</p>", "<p>c</p>"]);
    assert_eq!(history[0]["media_attachments"][0]["description"], Value::Null);
    let performed = world.publications();
    assert_eq!((performed.len(), performed[0].title.as_str()), (1, "c"));
    assert_eq!(performed[0].record.as_ref().unwrap()["history"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn an_edit_without_the_poll_deletes_it() {
    let world = world().await;
    let poll = json!({ "options": ["a", "b"], "expires_in": 300 });
    let (_, first) = world.post(json!({ "status": "a", "poll": poll })).await;
    let path = format!("/api/v1/statuses/{}", id(&first));
    world.pass(MINUTE);
    let (_, kept) = world.put(&path, json!({ "status": "a", "poll": poll })).await;
    assert_eq!(kept["poll"]["id"], first["poll"]["id"]);
    assert_ne!(kept["poll"]["expires_at"], first["poll"]["expires_at"], "it starts anew");
    assert_eq!(world.put(&path, json!({ "status": "a" })).await.1["poll"], Value::Null);
}

#[tokio::test]
async fn only_its_author_edits_and_deletes_and_the_second_time_nothing_is_there() {
    let mut world = world().await;
    let media = world.picture().await;
    let (_, first) = world.post(json!({ "status": "a #b", "media_ids": [media] })).await;
    let path = format!("/api/v1/statuses/{}", id(&first));
    let own = std::mem::replace(&mut world.token, token_of(&world.rehearsal, "other"));
    assert_eq!(world.delete(&path).await.0, 404);
    assert_eq!(world.put(&path, json!({ "status": "b" })).await.0, 404);
    world.token = own;
    let (status, deleted) = world.delete(&path).await;
    assert_eq!((status, &deleted["text"], deleted.get("content")), (200, &json!("a #b"), None));
    assert_eq!(error(&world.delete(&path).await), (404, "Record not found"));
    assert_eq!(world.get(&path).await.0, 404);
    assert_eq!(world.put(&path, json!({ "status": "b" })).await.0, 404);
    let performed = world.publications();
    assert_eq!((performed.len(), performed[0].status, performed[0].is_live()), (1, "DELETED", false));
    // The media wait for another try, unless they were to go, too.
    let (status, again) = world.post(json!({ "status": "a", "media_ids": [media] })).await;
    assert_eq!(status, 200);
    world.delete(&format!("/api/v1/statuses/{}?delete_media=true", id(&again))).await;
    assert_eq!(world.get(&format!("/api/v1/media/{media}")).await.0, 404);
    let performed = world.publications();
    assert_eq!(performed.len(), 2);
    assert_eq!(std::fs::read(&performed[1].media[0].path).unwrap(), PNG, "the feed shows it still");
}

#[tokio::test]
async fn a_silenced_account_posts_unlisted_without_a_word() {
    let world = world_as(MastodonSetup { silenced: true, ..MastodonSetup::default() }).await;
    for (asked, given) in [(None, "unlisted"), (Some("public"), "unlisted"), (Some("private"), "private")] {
        let (status, body) = world.post(json!({ "status": "a", "visibility": asked })).await;
        assert_eq!((status, &body["visibility"]), (200, &json!(given)));
    }
}

#[tokio::test]
async fn the_limits_are_those_that_the_server_tells() {
    let setup = MastodonSetup {
        max_characters: 10,
        characters_reserved_per_url: 5,
        max_media_attachments: 1,
        ..MastodonSetup::default()
    };
    let world = world_as(setup).await;
    let (_, instance) = world.get("/api/v2/instance").await;
    assert_eq!((&instance["version"], &instance["api_versions"]["mastodon"]), (&json!("4.6.3"), &json!(7)));
    let (_, older) = world.get("/api/v1/instance").await;
    assert_eq!(
        (&older["version"], &older["configuration"]),
        (&instance["version"], &instance["configuration"])
    );
    let (_, links) = world.get("/.well-known/nodeinfo").await;
    let path = links["links"][0]["href"].as_str().unwrap().strip_prefix(world.rehearsal.base_url()).unwrap();
    let software = json!({ "name": "mastodon", "version": "4.6.3" });
    assert_eq!(world.get(path).await.1["software"], software);
    let told = &instance["configuration"];
    assert_eq!((&told["statuses"]["max_characters"], &told["polls"]["max_options"]), (&json!(10), &json!(4)));
    assert_eq!(told["media_attachments"]["description_limit"], 10_000);
    assert_eq!(world.post(json!({ "status": "a".repeat(11) })).await.0, 422);
    assert_eq!(world.post(json!({ "status": "aaaa https://a.example/b" })).await.0, 200);
    let media = [world.picture().await, world.picture().await];
    assert_eq!(
        error(&world.post(json!({ "media_ids": media })).await),
        (422, "Cannot attach more than 1 files")
    );
    // An administrator changes his mind.
    world.rehearsal.update_mastodon(|setup| setup.max_characters = 20);
    assert_eq!(world.post(json!({ "status": "a".repeat(11) })).await.0, 200);
}
