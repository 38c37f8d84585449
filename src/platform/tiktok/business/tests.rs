use super::*;

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, content_range: None, retry_after: None, body: body.as_bytes().to_vec() }
}

#[test]
fn errors_come_with_200_and_only_known_ones_say_that_nothing_happened() {
    for (status, body, harmless, once) in [
        (200, r#"{"code":40001,"message":"no"}"#, Permission, Permission),
        (200, r#"{"code":"40002","message":"no"}"#, Rejected, Rejected),
        (200, r#"{"code":40007}"#, Rejected, Rejected),
        (200, r#"{"code":40100}"#, RateLimited, RateLimited),
        (200, r#"{"code":40102}"#, Permission, Permission),
        (401, r#"{"code":40105}"#, Permission, Permission),
        (200, r#"{"code":50000,"message":"System error"}"#, Transient, Ambiguous),
        (200, r#"{"code":51065}"#, Transient, Ambiguous),
        (200, r#"{"code":49999}"#, Protocol, Ambiguous),
        // A fault on the way says nothing, whatever it says.
        (503, r#"{"code":40100}"#, Transient, Ambiguous),
        (429, "slow down", RateLimited, Ambiguous),
        (502, "<html>", Transient, Ambiguous),
        (200, "<html>", Protocol, Ambiguous),
        (200, "", Protocol, Ambiguous),
        (200, r#"{"data":{}}"#, Protocol, Ambiguous),
        (404, r#"{"code":0,"data":{"comments":[]}}"#, Protocol, Ambiguous),
    ] {
        for (effect, expected) in [(Effect::Harmless, harmless), (Effect::Once, once)] {
            let decoded = decode::<Page>(operation::REPLY, effect, &reply(status, body));
            let error = decoded.result.expect_err(body);
            assert_eq!(error.kind, expected, "{status} {body} {effect:?}: {error}");
        }
    }
    let hostile = r#"{"code":40002,"message":"a\u001b[31m\nb","request_id":"r\u001b1"}"#;
    let decoded = decode::<Page>(operation::REPLY, Effect::Once, &reply(200, hostile));
    assert_eq!(decoded.log_id.as_deref(), Some("r1"));
    assert!(!decoded.result.expect_err("refused").to_string().contains(['\u{1b}', '\n']));
}

fn page(body: &str) -> comments::Page {
    let body = format!(r#"{{"code":0,"message":"OK","data":{body}}}"#);
    listed(decode(operation::COMMENTS, Effect::Harmless, &reply(200, &body)).result.expect("a page"))
}

#[test]
fn comments_are_read_in_any_shape_that_has_an_id() {
    let found = page(
        r#"{"comments":[
            {"comment_id":"7600000000000000001","text":"Hi","username":"ann","display_name":"Ann","create_time":"1790000000","likes":"3","replies":2,"owner":true,"status":"PUBLIC","new_field":{"a":1}},
            {"comment_id":7600000000000000002,"display_name":"Bob","create_time":-4,"likes":-1,"owner":"no","status":"HIDDEN"},
            {"comment_id":"../x"},
            {"text":"without an id"},
            {"comment_id":"9","text":null,"username":{"a":1},"create_time":"soon","owner":null,"status":null}
        ],"cursor":"40","has_more":true}"#,
    );
    let ids: Vec<_> = found.comments.iter().map(|comment| comment.id.as_str()).collect();
    assert_eq!(ids, ["7600000000000000001", "7600000000000000002", "9"]);
    let [ann, bob, odd] = &found.comments[..] else { panic!("{found:?}") };
    assert_eq!(
        (ann.by.as_str(), ann.likes, ann.replies, ann.is_own, ann.is_hidden),
        ("ann", Some(3), Some(2), true, false)
    );
    assert_eq!(ann.at.map(|at| at.as_second()), Some(1_790_000_000));
    assert_eq!(
        (bob.by.as_str(), bob.at, bob.likes, bob.is_own, bob.is_hidden),
        ("Bob", None, None, false, true)
    );
    assert_eq!(*odd, comments::Comment { id: "9".into(), ..comments::Comment::default() });
    assert_eq!(found.next.as_deref(), Some("40"));
    assert_eq!(page(r#"{"comments":[],"cursor":7,"has_more":false}"#), comments::Page::default());
    // More, and not where: there is nothing to go on with.
    assert_eq!(page(r#"{"comments":[],"has_more":true}"#).next, None);
}

#[test]
fn requests_go_to_the_official_host_or_below_the_endpoint() {
    use crate::platform::http::Http;
    let url = |endpoint| {
        let client = Client::new(Http::default(), endpoint);
        client
            .business_url(operation::COMMENTS, "business/comment/list/", &[("a", "b c")])
            .expect("url")
            .to_string()
    };
    assert_eq!(url(None), "https://business-api.tiktok.com/open_api/v1.3/business/comment/list/?a=b+c");
    assert_eq!(
        url(Some("http://127.0.0.1:4010")),
        "http://127.0.0.1:4010/business-api.tiktok.com/open_api/v1.3/business/comment/list/?a=b+c"
    );
}
