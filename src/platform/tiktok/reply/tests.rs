use super::super::tests::support::{account, adapter};
use super::*;
use crate::domain::project::Mode;
use crate::platform::Platform;

fn payload(text: &str, comment: &str) -> Payload {
    let reply_to = ReplyTo { video: "7".into(), comment: comment.into() };
    let reply = Reply { v: VERSION, kind: Kind::Reply, reply_to, text: text.into() };
    Payload {
        platform: PlatformId::Tiktok,
        body: serde_json::to_value(reply).expect("json").into(),
        media: Vec::new(),
        what: "answer".into(),
        text: Some(text.into()),
        estimate: Estimate::default(),
        counts: Counts::Replies,
        fixed: None,
    }
}

#[test]
fn an_answer_differs_by_its_text_and_its_comment() {
    let digest = |text, comment| payload(text, comment).digest();
    assert_eq!(digest("a", "8"), digest("a", "8"));
    assert_ne!(digest("a", "8"), digest("b", "8"));
    assert_ne!(digest("a", "8"), digest("a", "9"));
    // The form is in ledgers: it does not change.
    let body = serde_json::to_string(&payload("a", "8").body.value()).expect("json");
    assert_eq!(body, r#"{"kind":"reply","reply_to":{"comment":"8","video":"7"},"text":"a","v":1}"#);
}

#[test]
fn posts_are_no_answers_and_answers_are_no_posts() {
    use super::super::body::{Body, tests::video};
    let post =
        Payload { body: serde_json::to_value(video(Mode::Direct)).expect("json").into(), ..payload("", "8") };
    assert_eq!(Reply::read(&post), None);
    assert!(Reply::read(&payload("a", "8")).is_some() && Body::read(&payload("a", "8")).is_err());
}

#[test]
fn what_is_missing_is_told_before_anything_is_announced() {
    let tiktok = adapter(account(Mode::Direct, true, None));
    let error = tiktok.business(operation::REPLY).expect_err("no account there");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Permission, "no-comments"));
    let with_id = adapter(Account { business_id: Some("b".into()), ..account(Mode::Direct, true, None) });
    let error = with_id.business(operation::REPLY).expect_err("no token");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Permission, "business-token-missing"));
    assert!(tiktok.comments().is_some());
}
