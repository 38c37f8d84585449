//! What is told: each transition once, grouped by cause, within bounds, whatever others wrote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::message::{Envelope, Happened, Item, Kind, Present, Standing, document};
use super::{Courier, Hook, Outbox, Signs, command};
use crate::clock::Clock;
use crate::domain::event::{Entry, Event};
use crate::domain::ids::{AccountName, ContentDigest, PlatformId, PostId};
use crate::domain::plan::{Action, Plan, Planned};
use crate::domain::publication::{Change, Reason, Remote, Settlement};
use crate::ledger::{Holder, Ledger, Letter};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn post(name: &str) -> PostId {
    name.parse().expect("id")
}

fn account(name: &str) -> AccountName {
    name.parse().expect("name")
}

fn planned(name: &str, action: Action, reason: &str) -> Planned {
    Planned {
        post: post(name),
        account: account("brand"),
        platform: PlatformId::Tiktok,
        action,
        reason: reason.into(),
        message: format!("the message of {reason}"),
        digest: ContentDigest::of(b"x"),
        revision: 1,
        path: format!("content/{name}.yaml"),
        next_at: None,
        what: None,
        text: None,
        estimate: None,
    }
}

fn news(kind: Kind, name: &str, code: &str) -> Item {
    Item {
        kind,
        cause: Some(Reason::new(code, format!("the message of {code}"))),
        account: account("brand"),
        platform: PlatformId::Tiktok,
        post: Some(post(name)),
        at: NOW,
        url: None,
    }
}

/// What is told one pass after another, each as `kind post code`.
#[derive(Default)]
struct Told {
    standing: Vec<Standing>,
    login: Option<String>,
    is_partial: bool,
}

impl Told {
    fn pass(&mut self, changes: Vec<Planned>, happened: &[Item]) -> Vec<String> {
        let plan = Plan { changes };
        let logins = BTreeMap::from([(account("brand"), (PlatformId::Tiktok, self.login.clone()))]);
        let present = Present { plan: &plan, is_whole: !self.is_partial, logins: &logins, now: NOW };
        let (news, standing) = present.news(&self.standing, happened);
        // As it comes back from the ledger.
        let text = serde_json::to_string(&standing).expect("text");
        self.standing = serde_json::from_str(&text).expect("the same");
        assert_eq!(self.standing, standing);
        let word = |kind: Kind| json!(kind).as_str().expect("a word").to_owned();
        let line = |item: &Item| {
            let post = item.post.as_ref().map_or("-", PostId::as_str);
            format!("{} {post} {}", word(item.kind), item.cause.as_ref().map_or("-", |c| &*c.code))
        };
        news.iter().map(line).collect()
    }
}

#[test]
fn what_stands_in_the_way_is_told_when_it_begins_and_when_it_ends() {
    use Action::*;
    let mut told = Told::default();
    let refused = || planned("a", Refuse, "too-many");
    let diverged = || planned("b", Diverged, "changed");
    assert_eq!(told.pass(vec![refused(), diverged()], &[]), ["refused a too-many", "diverged b changed"]);
    assert_eq!(told.pass(vec![diverged(), refused()], &[]), [""; 0], "in whatever order");
    assert_eq!(told.pass(vec![planned("a", Refuse, "max-age"), diverged()], &[]), ["refused a max-age"]);
    // Nobody looked at what the manifests want.
    for reason in ["manifest-broken", "scan-incomplete", "paused"] {
        let unseen = vec![planned("a", Wait, reason), planned("b", Unchanged, reason)];
        assert_eq!(told.pass(unseen, &[]), [""; 0], "{reason}");
    }
    told.is_partial = true;
    assert_eq!(told.pass(Vec::new(), &[]), [""; 0]);
    told.is_partial = false;
    assert_eq!(told.pass(vec![refused(), diverged()], &[]), ["refused a too-many"]);
    // What was published in the same pass has plainly recovered.
    let published = [news(Kind::Published, "a", "x")];
    let both = vec![planned("a", Publish, "new"), planned("b", Unchanged, "same")];
    assert_eq!(told.pass(both, &published), ["recovered b changed"]);
    assert_eq!(told.pass(vec![planned("c", Undeletable, "no-way")], &[]), ["undeletable c no-way"]);
    assert_eq!(told.pass(Vec::new(), &[]), [""; 0], "its manifest is gone");
    assert_eq!(told.standing, []);
}

#[test]
fn a_login_that_is_over_is_told_once_and_so_is_that_there_is_one_again() {
    let mut told = Told::default();
    assert_eq!(told.pass(Vec::new(), &[]), [""; 0]);
    told.login = Some("it expired".into());
    assert_eq!(told.pass(Vec::new(), &[]), ["login-needed - login-needed"]);
    told.login = Some("it expired a minute earlier".into());
    assert_eq!(told.pass(Vec::new(), &[]), [""; 0]);
    told.login = None;
    assert_eq!(told.pass(Vec::new(), &[]), ["recovered - login-needed"]);
    assert_eq!(told.pass(Vec::new(), &[]), [""; 0]);
}

fn entry(seq: u64, name: &str, change: Change) -> Entry {
    let event = Event::Publication { post: post(name), account: account("brand"), change };
    Entry { seq, at: NOW, actor: "t".into(), event, hash: [0; 32] }
}

#[test]
fn entries_are_told_by_what_they_come_to() {
    let (reason, remote) = (|| Reason::new("code", "why"), Remote::default);
    let settled = |settlement| Change::Settled { settlement, reason: reason() };
    let published = || Change::Published { checkpoint: None, remote: remote(), next_at: None };
    for (change, told) in [
        (published(), Some(Kind::Published)),
        (Change::Delivered { checkpoint: None, next_at: None }, Some(Kind::Delivered)),
        (Change::Edited { checkpoint: None, remote: remote() }, Some(Kind::Edited)),
        (Change::Deleted, Some(Kind::Deleted)),
        (Change::Refused { reason: reason() }, Some(Kind::Failed)),
        (Change::TurnedDown { reason: reason() }, Some(Kind::TurnedDown)),
        (Change::Held { reason: reason() }, Some(Kind::Held)),
        (settled(Settlement::Published { remote: remote() }), Some(Kind::Published)),
        (settled(Settlement::NotPublished), Some(Kind::Settled)),
        (settled(Settlement::Abandoned), Some(Kind::Settled)),
        (Change::Looked { checkpoint: None, remote: remote(), next_at: None }, None),
        (Change::Noticed { reason: reason() }, Some(Kind::Noticed)),
        (Change::Unanswered { reason: reason(), next_at: NOW }, None),
        (Change::Retried { reason: reason() }, None),
    ] {
        let name = change.name();
        let mut happened = Happened::default();
        happened.note(entry(1, "a", change));
        assert_eq!(happened.kinds().collect::<Vec<_>>(), told.into_iter().collect::<Vec<_>>(), "{name}");
    }
    let mut happened = Happened::default();
    happened.note(entry(1, "a", Change::Refused { reason: reason() }));
    happened.note(entry(2, "a", published()));
    assert_eq!(happened.kinds().count(), 2, "neither hides the other");
}

fn told(news: &[Item]) -> Value {
    let envelope = Envelope { id: "msg_1", at: NOW, lineage: "line", is_rehearsal: false };
    let text = document(&envelope, news);
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn one_cause_is_one_group_and_what_needs_somebody_comes_first() {
    let url = |url: &str| Some(url.to_owned());
    let published = Item { cause: None, url: url("https://example.com/1"), ..news(Kind::Published, "c", "") };
    let told = told(&[
        published,
        news(Kind::Failed, "a", "spam"),
        Item { account: account("other"), ..news(Kind::Failed, "b", "spam") },
        news(Kind::Failed, "d", "too-long"),
    ]);
    let groups = told["groups"].as_array().expect("groups");
    let line = |group: &Value| {
        format!("{} {} {}", group["kind"], group["code"], group["posts"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(
        groups.iter().map(line).collect::<Vec<_>>(),
        ["\"failed\" \"spam\" 2", "\"failed\" \"too-long\" 1", "\"published\" null 1"]
    );
    assert_eq!(groups[0]["accounts"], json!(["brand", "other"]));
    assert_eq!(groups[0]["message"], "the message of spam");
    assert_eq!(
        groups[2]["posts"][0],
        json!({"post": "c", "account": "brand", "platform": "tiktok", "at": "1970-01-01T00:00:00Z", "remote_url": "https://example.com/1"})
    );
    for (field, value) in [
        ("format_version", json!(1)),
        ("type", json!("gitcast.transitions")),
        ("id", json!("msg_1")),
        ("timestamp", json!("1970-01-01T00:00:00Z")),
        ("lineage", json!("line")),
        ("rehearsal", json!(false)),
        ("more_groups", json!(0)),
    ] {
        assert_eq!(told[field], value, "{field}");
    }
}

#[test]
fn what_others_wrote_stays_within_bounds() {
    let hostile = |n: usize| Item {
        cause: Some(Reason::new(
            format!("{n:03}{}", "\u{1f4a3}".repeat(10_000)),
            "\u{202e}\u{1b}[31m \"\\\u{1f4a3}".repeat(10_000),
        )),
        url: Some(format!("https://example.com/{}", "a".repeat(450))),
        account: account(&format!("{}{n}", "a".repeat(120))),
        ..news(Kind::Failed, &format!("{}{n}", "p".repeat(120)), "x")
    };
    let many: Vec<_> = (0..200).map(hostile).collect();
    let document = told(&many);
    assert_eq!(document["groups"].as_array().expect("groups").len(), 10);
    assert_eq!(document["more_groups"], 190);
    let message = document["groups"][0]["message"].as_str().expect("a message");
    assert!(message.chars().count() <= 301 && !message.contains(['\u{202e}', '\u{1b}']), "{message}");
    // The same cause many times.
    let same: Vec<_> =
        many.iter().map(|item| Item { cause: many[0].cause.clone(), ..item.clone() }).collect();
    let group = &told(&same)["groups"][0];
    let count = |field: &str| group[field].as_array().expect("a list").len();
    assert_eq!((count("posts"), &group["more_posts"]), (30, &json!(170)));
    assert_eq!((count("accounts"), &group["more_accounts"]), (10, &json!(190)));
    for (url, is_told) in [
        ("https://example.com/1", true),
        ("javascript:alert(1)", false),
        ("https://exa mple.com", false),
        (&*format!("https://example.com/{}", "a".repeat(600)), false),
    ] {
        let document = told(&[Item { url: Some(url.into()), ..news(Kind::Published, "a", "x") }]);
        assert_eq!(document["groups"][0]["posts"][0]["remote_url"].is_string(), is_told, "{url}");
    }
}

/// How long what is waited for may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_courier_goes_on_while_another_has_the_ledger_and_sends_nothing_twice() {
    let folder = tempfile::tempdir().expect("folder");
    let (path, clock) = (folder.path().join("ledger.db"), Clock::system());
    let holder = Holder::this_process("gitcast test", clock.now(), |_| None);
    let mut ledger = Ledger::create(&path, "line", (clock.now(), "t"), PATIENCE, &holder).expect("create");
    let told = ledger.begin_telling("command").expect("begin");
    for (id, at) in [("a", clock.now()), ("b", clock.now()), ("old", NOW)] {
        let letter = Letter { id: id.into(), at, body: id.into(), attempts: 0 };
        ledger.tell("command", &told, Some(&letter)).expect("tell");
    }
    let hook = Hook::Command(command::tests::command(folder.path(), "cat >> got"));
    let said = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let said = Arc::clone(&said);
        Arc::new(move |line: &str| said.lock().expect("lines").push(line.to_owned()))
    };
    let outbox = Outbox { ledger: path.clone(), holder: holder.clone(), clock };
    let (letters, end) = (watch::channel(0).0, watch::channel(None).0);
    let signs = Signs { letters: letters.subscribe(), end: end.subscribe() };
    let courier = tokio::spawn(Courier::new(hook, outbox, tell).run(signs));
    let got = || std::fs::read_to_string(folder.path().join("got")).unwrap_or_default();
    let begun = Instant::now();
    while got() != "ab" {
        assert!(begun.elapsed() < PATIENCE, "not both were sent, each once: {}", got());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ledger.waiting().expect("waiting")[0].letters, 3);
    end.send_replace(Instant::now().checked_add(PATIENCE));
    drop(ledger);
    courier.await.expect("it ends");
    let waiting = Ledger::open_read(&path).and_then(|ledger| ledger.waiting()).expect("waiting");
    assert_eq!((got().as_str(), waiting[0].letters, waiting[0].dropped), ("ab", 0, 1));
    let said = said.lock().expect("lines").join(", ");
    assert!(
        said.starts_with("1 message(s) to the hook command") && said.ends_with("were given up"),
        "{said}"
    );
}
