//! Logins: refreshed once however many processes ask, ended where their owner ends them, never lost on the way.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use gitcast::clock::Clock;
use gitcast::domain::event::Event;
use gitcast::domain::grant::Grant;
use gitcast::ledger::vault::{Key, Vault};
use gitcast::ledger::{Holder, Ledger};
use gitcast::rehearsal::{AccountSetup, Action, Fault};
use gitcast::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{Project, Server};

const PROCESSES: usize = 30;
pub(crate) const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Logs in as of `age` ago, with tokens whose lives count from then.
pub(crate) fn log_in_since(server: &Server, project: &Project, account: &str, age: SignedDuration) {
    let reply = server.rehearsal.issue_grant(account).expect("a grant");
    let at = Timestamp::now() - age;
    let text = |name: &str| reply[name].as_str().expect("a text").to_owned();
    let end = |name: &str| at + SignedDuration::from_secs(reply[name].as_i64().expect("a number"));
    let grant = Grant {
        access: Secret::new(text("access_token")),
        refresh: Some(Secret::new(text("refresh_token"))),
        app: None,
        expires_at: end("expires_in"),
        refresh_expires_at: Some(end("refresh_expires_in")),
        scopes: text("scope").split(',').map(str::to_owned).collect(),
        subject: text("open_id"),
    };
    let mut ledger = writer(project);
    let file = project.path("state/key");
    let key = Key::from_file(&file).or_else(|_| Key::create(&file)).expect("a key");
    let name = account.parse().expect("a name");
    let generation = ledger.grant(&name).expect("readable").map_or(0, |record| record.generation) + 1;
    let vault = Vault::new(key, ledger.lineage());
    let change = vault.stored(&name, generation, &grant, server.url().to_owned(), "test").expect("sealed");
    ledger.append(at, "test", &[Event::Grant { account: name, change }]).expect("recorded");
}

fn writer(project: &Project) -> Ledger {
    let (path, wait) = (project.path("state/ledger.db"), Duration::from_secs(10));
    let holder = Holder::this_process("test", Clock::system().now(), |_: &str| None);
    if path.exists() {
        return Ledger::open_write(&path, wait, &holder).expect("a ledger");
    }
    Ledger::create(&path, "test", (Timestamp::UNIX_EPOCH, "test"), wait, &holder).expect("a new ledger")
}

/// `auth status --json` of one account.
fn login(project: &Project, account: &str) -> Value {
    let run = project.run(&["auth", "status", "--json"]);
    let accounts = run.json()["accounts"].as_array().expect("a list").clone();
    accounts.into_iter().find(|a| a["account"] == account).expect("the account")
}

#[test]
fn of_thirty_processes_one_refreshes_and_all_succeed() {
    let server = Server::start();
    let project = server.project_of(&[]);
    log_in_since(&server, &project, "drafts", HOUR * 3);
    let children: Vec<Child> =
        (0..PROCESSES).map(|_| project.spawn(&["auth", "refresh", "drafts"])).collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(server.requests("token"), 1);
    assert_eq!(login(&project, "drafts")["generation"], 2);
    project.draft("one");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!((server.count(), server.requests("token")), (1, 1));
}

#[test]
fn a_login_is_refreshed_when_due_or_when_told_to() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    log_in_since(&server, &project, "direct", HOUR * 3);
    let run = project.run(&["auth", "refresh"]).expect(0);
    assert!(run.stdout.contains("direct: refreshed") && run.stdout.contains("drafts: not due"), "{run:?}");
    assert_eq!(server.requests("token"), 1);
    let run = project.run(&["auth", "refresh", "drafts", "--force"]).expect(0);
    assert!(run.stdout.contains("drafts: refreshed"), "{run:?}");
    assert_eq!((server.requests("token"), &login(&project, "drafts")["generation"]), (2, &2.into()));
    project.run(&["auth", "refresh", "nobody"]).expect(1);
}

#[test]
fn a_refresh_that_nobody_answers_leaves_the_login_as_it_is() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    for action in [Action::CutBeforeRead, Action::Status { code: 503, body: None }] {
        server.rehearsal.faults().add(Fault::next("token", action));
        let run = project.run(&["auth", "refresh", "--force"]).expect(5);
        assert!(run.stdout.contains("no answer"), "{run:?}");
        assert_eq!(login(&project, "drafts")["state"], "ready");
    }
    project.run(&["auth", "refresh", "--force"]).expect(0);
    assert_eq!(login(&project, "drafts")["generation"], 2);
    // A refusal is the platform's last word, under whatever status it comes.
    let refusal = r#"{"error":"invalid_grant","error_description":"gone","log_id":"1"}"#;
    let refused = Action::Status { code: 200, body: Some(refusal.to_owned()) };
    server.rehearsal.faults().add(Fault::next("token", refused));
    project.run(&["auth", "refresh", "--force"]).expect(6);
    assert_eq!(login(&project, "drafts")["state"], "needs-login");
    project.draft("one");
    let run = project.run(&["apply", "--auto-approve"]).expect(6);
    assert!(run.stderr.contains("invalid_grant"), "{run:?}");
    server.log_in(&project, "drafts").expect(0);
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn logging_out_ends_the_login_at_the_platform() {
    let server = Server::start();
    let project = server.project_of(&["drafts", "direct"]);
    server.rehearsal.faults().add(Fault::next("revoke", Action::Status { code: 500, body: None }));
    project.run(&["auth", "logout", "drafts"]).expect(5);
    assert_eq!(login(&project, "drafts")["state"], "ready");
    project.run(&["auth", "logout", "drafts"]).expect(0);
    assert_eq!(server.requests("revoke"), 2);
    assert_eq!(login(&project, "drafts")["state"], "logged-out");
    // Again is no error, and asks nobody.
    project.run(&["auth", "logout", "drafts"]).expect(0);
    assert_eq!(server.requests("revoke"), 2);
    project.draft("one");
    let run = project.run(&["apply", "--auto-approve"]).expect(6);
    assert!(run.stderr.contains("it is logged out"), "{run:?}");
    project.run(&["doctor"]).expect(0);
    project.run(&["auth", "logout", "direct", "--local"]).expect(0);
    assert_eq!(server.requests("revoke"), 2);
    server.log_in(&project, "drafts").expect(0);
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert!(project.run(&["log"]).expect(0).stdout.contains("logged out, generation 1"));
}

#[test]
fn nothing_is_left_where_a_new_login_could_have_been_rescued() {
    let server = Server::start();
    let project = server.project_of(&["drafts"]);
    project.run(&["auth", "refresh", "--force"]).expect(0);
    let left: Vec<_> = project.files().into_keys().filter(|path| is_rescue(path)).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn is_rescue(path: &Path) -> bool {
    path.to_string_lossy().contains(".rescue.")
}

#[test]
fn owners_are_told_before_a_login_ends_and_when_it_has() {
    let day = 24 * 3_600;
    let ends_in = |days: i64| {
        let setup = AccountSetup { refresh_life_s: days * day - 60, ..AccountSetup::new("drafts") };
        let server = Server::start_with(vec![setup]);
        let project = server.project_of(&["drafts"]);
        (server, project)
    };
    for (days, told) in
        [(8, None), (7, Some("within 7 days")), (3, Some("within 3 days")), (1, Some("within a day"))]
    {
        let (_server, project) = ends_in(days);
        project.draft("one");
        for (arguments, code) in
            [(&["plan"][..], 0), (&["status"], 0), (&["apply", "--auto-approve"], 0), (&["plan"], 0)]
        {
            let run = project.run(arguments).expect(code);
            let said = (run.stdout.clone() + &run.stderr).matches("the login ends").count();
            assert_eq!(said, usize::from(told.is_some()), "{arguments:?} {days}: {run:?}");
            assert!(told.is_none_or(|told| (run.stdout.clone() + &run.stderr).contains(told)), "{run:?}");
        }
        let logins = project.run(&["status", "--json"]).expect(0).json()["logins"].clone();
        assert_eq!(logins.as_array().expect("a list").len(), usize::from(told.is_some()), "{logins}");
    }
    // It has ended: a plan says so before anybody waits for it, and nothing to do needs no login.
    let server = Server::start();
    let project = server.project_of(&[]);
    log_in_since(&server, &project, "drafts", HOUR * 24 * 200);
    assert!(project.run(&["plan"]).expect(0).stderr.contains("log in again"));
    project.draft("one");
    let run = project.run(&["plan", "--json"]).expect(6).json();
    assert_eq!(
        (&run["logins"][0]["account"], &run["logins"][0]["is_blocking"]),
        (&"drafts".into(), &true.into())
    );
    assert!(run["changes"][0]["post"] == "one", "the plan is told all the same");
}
