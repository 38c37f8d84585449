//! What an account may do, asked of the stand-in.

use super::support::{account, adapter, start};
use crate::domain::capability::{Allow, Capabilities, Privacy};
use crate::domain::grant::Grant;
use crate::domain::project::Mode::{Direct, Draft};
use crate::domain::retry::ErrorKind;
use crate::platform::inquiry::{Answer, Inquiry};
use crate::platform::tiktok::Tiktok;
use crate::platform::{Error, Platform, RequestLog};
use crate::rehearsal::{AccountSetup, Options, Rehearsal};
use crate::secret::Secret;

async fn ask(setup: AccountSetup) -> (Result<Answer, Error>, Vec<String>) {
    let options = Options { accounts: vec![setup], ..Options::default() };
    let rehearsal = Rehearsal::start(options).await.expect("a stand-in");
    let tiktok = adapter(account(Direct, true, Some(rehearsal.base_url())));
    let reply = rehearsal.issue_grant("brand").expect("a grant");
    let grant = tiktok.read_grant(&reply, start()).expect("a readable grant");
    let answer = ask_with(&tiktok, &grant).await;
    rehearsal.stop().await;
    answer
}

async fn ask_with(tiktok: &Tiktok, grant: &Grant) -> (Result<Answer, Error>, Vec<String>) {
    let log = RequestLog::default();
    let answer = tiktok.inquiry().capabilities(grant, &log).await;
    let sent: Vec<_> = log.take().into_iter().map(|request| request.operation).collect();
    (answer, sent)
}

fn brand() -> AccountSetup {
    let (username, nickname) = ("brand.tok".to_owned(), "The \u{202e}Brand\n🎉".to_owned());
    AccountSetup { username, nickname, duet_disabled: true, ..AccountSetup::audited("brand") }
}

fn granted(scopes: &[&str]) -> AccountSetup {
    AccountSetup { scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(), ..brand() }
}

#[tokio::test]
async fn each_scope_tells_its_part() {
    let (answer, sent) = ask(brand()).await;
    let answer = answer.expect("an answer");
    assert_eq!(sent, ["user/info", "creator_info/query"]);
    let scopes = crate::rehearsal::SCOPES.map(str::to_owned).into();
    let whole = Capabilities {
        username: Some("brand.tok".into()),
        nickname: Some("The Brand 🎉".into()),
        scopes: Some(scopes),
        privacy: Some([Privacy::Public, Privacy::Friends, Privacy::SelfOnly].into()),
        disabled: Some([Allow::Duet].into()),
        video_seconds_max: Some(600),
        ..Capabilities::default()
    };
    assert_eq!(answer, Answer { capabilities: whole, bars: None });

    let (answer, sent) = ask(granted(&["user.info.basic", "video.upload"])).await;
    let facts = answer.expect("an answer").capabilities;
    assert_eq!(sent, ["user/info"]);
    assert_eq!((facts.username, facts.nickname.as_deref()), (None, Some("The Brand 🎉")));
    assert_eq!((facts.privacy, facts.disabled, facts.video_seconds_max), (None, None, None));

    let (answer, sent) = ask(granted(&["video.publish"])).await;
    assert_eq!(sent, ["creator_info/query"]);
    assert_eq!(answer.expect("an answer").capabilities.username.as_deref(), Some("brand.tok"));

    let (answer, sent) = ask(granted(&["video.upload"])).await;
    assert!(sent.is_empty());
    let only = Some(["video.upload".to_owned()].into());
    assert_eq!(answer.expect("an answer").capabilities, Capabilities { scopes: only, ..Default::default() });
}

#[tokio::test]
async fn a_barred_creator_is_an_answer_and_a_bad_token_is_none() {
    let barred = AccountSetup { barred: Some("spam_risk_too_many_posts".into()), ..brand() };
    let (answer, sent) = ask(barred).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.bars.map(|error| error.code).as_deref(), Some("spam_risk_too_many_posts"));
    assert_eq!(
        (answer.capabilities.privacy, answer.capabilities.username.as_deref()),
        (None, Some("brand.tok"))
    );
    assert_eq!(sent.len(), 2);

    let rehearsal = Rehearsal::start(Options::default()).await.expect("a stand-in");
    let tiktok = adapter(account(Draft, true, Some(rehearsal.base_url())));
    let grant = Grant { access: Secret::new("act.nobody"), ..super::support::grant() };
    let (answer, _) = ask_with(&tiktok, &grant).await;
    assert_eq!(answer.expect_err("no answer").kind, ErrorKind::Auth);
    rehearsal.stop().await;
}

#[test]
fn the_audit_is_told_with_sources_and_their_dates() {
    let tiktok = adapter(account(Direct, false, None));
    for (audited, says) in [(false, &["SELF_ONLY", "private", "5 users", "Drafts"][..]), (true, &["offers"])]
    {
        let claims = tiktok.audit_means(audited);
        let text: Vec<_> = claims.iter().map(|claim| claim.text.as_str()).collect();
        let text = text.join("\n");
        for says in [says, &["15 times in 24 hours", "5 drafts"]].concat() {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(claims.iter().all(|claim| claim.source.contains("2026-")), "{claims:?}");
        assert!(claims.len() * 2 < 24, "it fits one screen");
    }
}
