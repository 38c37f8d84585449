//! Finding again what was posted.

use super::*;

#[tokio::test]
async fn pages_are_newest_first_and_min_id_begins_at_the_oldest() {
    let mut world = world().await;
    let mut posted = Vec::new();
    for text in ["1", "2", "3", "4", "5"] {
        world.pass(1_000);
        posted.push(world.posted(text).await);
    }
    let at = |n: usize| posted[n - 1].clone();
    let snowflake = ((START + 1_500) << 16).to_string();
    for (query, expected) in [
        ("".to_owned(), vec![at(5), at(4), at(3), at(2), at(1)]),
        ("?limit=2".to_owned(), vec![at(5), at(4)]),
        (format!("?limit=2&max_id={}", at(4)), vec![at(3), at(2)]),
        (format!("?limit=2&since_id={}", at(1)), vec![at(5), at(4)]),
        (format!("?limit=2&min_id={}", at(1)), vec![at(3), at(2)]),
        (format!("?limit=2&min_id={snowflake}"), vec![at(3), at(2)]),
        (format!("?min_id={}&max_id={}", at(2), at(4)), vec![at(3)]),
        ("?only_media=true".to_owned(), vec![]),
        ("?exclude_reblogs=true&exclude_replies=1".to_owned(), vec![at(5), at(4), at(3), at(2), at(1)]),
    ] {
        let (status, page) = world.get(&format!("{}{query}", world.statuses_of_brand())).await;
        assert_eq!((status, ids(&page)), (200, expected), "{query}");
    }
    let reply = world.request("GET", &format!("{}?limit=2", world.statuses_of_brand())).send().await.unwrap();
    let link = reply.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains(&format!("?max_id={}>; rel=\"next\"", at(4))), "{link}");
    assert_eq!(world.get("/api/v1/accounts/1/statuses").await.0, 404);
    // At most 40, whatever is asked for.
    for _ in 0..40 {
        world.pass(1);
        world.posted("x").await;
    }
    assert_eq!(ids(&world.get(&format!("{}?limit=80", world.statuses_of_brand())).await.1).len(), 40);
    world.token = token_of(&world.rehearsal, "other");
    assert_eq!(ids(&world.get(&world.statuses_of_brand()).await.1).len(), 20);
}

#[tokio::test]
async fn what_is_private_is_for_its_author() {
    let world = world().await;
    for visibility in ["public", "unlisted", "private", "direct"] {
        let (_, body) = world.post(json!({ "status": "a", "visibility": visibility })).await;
        let path = format!("/api/v1/statuses/{}", id(&body));
        let expected = if matches!(visibility, "public" | "unlisted") { 200 } else { 404 };
        assert_eq!(world.send(world.http.get(world.url(&path))).await.0, expected, "{visibility}");
        assert_eq!(world.get(&path).await.0, 200);
    }
    assert_eq!(ids(&world.get(&world.statuses_of_brand()).await.1).len(), 4);
    let public = world.send(world.http.get(world.url(&world.statuses_of_brand()))).await;
    assert_eq!(ids(&public.1).len(), 2);
}

#[tokio::test]
async fn a_thread_holds_together() {
    let mut world = world().await;
    let first = world.posted("1").await;
    let answer = |to: &str, text: &str| json!({ "status": text, "in_reply_to_id": to });
    let (_, second) = world.post(answer(&first, "2")).await;
    let (_, third) = world.post(answer(&id(&second), "3")).await;
    assert_eq!(
        (&second["in_reply_to_id"], &second["in_reply_to_account_id"]),
        (&json!(first), &json!(account_id("brand")))
    );
    let (_, context) = world.get(&format!("/api/v1/statuses/{}/context", id(&second))).await;
    assert_eq!(
        (ids(&context["ancestors"]), ids(&context["descendants"])),
        (vec![first.clone()], vec![id(&third)])
    );
    // Answers to oneself are no replies; answers to others are.
    let own = std::mem::replace(&mut world.token, token_of(&world.rehearsal, "other"));
    let others = world.posted("other").await;
    world.token = own;
    world.post(answer(&others, "reply")).await;
    let path = world.statuses_of_brand();
    assert_eq!(ids(&world.get(&format!("{path}?exclude_replies=true")).await.1).len(), 3);
    assert_eq!(ids(&world.get(&path).await.1).len(), 4);
    // Without its parent an answer stands alone.
    world.delete(&format!("/api/v1/statuses/{first}")).await;
    let (_, second) = world.get(&format!("/api/v1/statuses/{}", id(&second))).await;
    assert_eq!(second["in_reply_to_id"], Value::Null);
}
