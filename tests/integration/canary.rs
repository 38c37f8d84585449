//! No secret byte in anything that the program prints, writes or is started with.
//!
//! Every token of the stand-in begins with `act.` or `rft.` and goes on in hexadecimal digits, so that each can be told
//! apart from everything else without knowing it.

use std::fs;

use gitcast::rehearsal::{Action, Fault};

use crate::support::{Answer, HOOK_SECRET, Project, Receiver, Server};

const CODES: &str = "code=";

/// The tokens and keys in `bytes`, cut short.
fn secrets(bytes: &[u8], key: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let token = |prefix: &str| {
        let rest = |at: usize| text[at + prefix.len()..].chars().take_while(char::is_ascii_hexdigit).count();
        text.match_indices(prefix)
            .filter(|(at, _)| rest(*at) >= 8)
            .map(|_| prefix.to_owned())
            .collect::<Vec<_>>()
    };
    let mut found = [token("act."), token("rft.")].concat();
    found.extend(
        ["rehearsal-secret", HOOK_SECRET, "canary-", key]
            .into_iter()
            .filter(|secret| text.contains(secret))
            .map(str::to_owned),
    );
    found
}

#[test]
fn a_secret_would_be_found() {
    let found = secrets(
        b"x act.0123456789abcdef!1 rft.0123456789 exact.match rehearsal-secret http://x/hooks/canary-path KEY",
        "KEY",
    );
    assert_eq!(found, ["act.", "rft.", "rehearsal-secret", "canary-", "KEY"]);
}

#[test]
fn no_secret_leaves_the_vault() {
    let server = Server::start();
    let mut project = server.project();
    project.variable("XDG_CACHE_HOME", project.path("cache").to_str().expect("text"));
    project.draft("one").direct("two");
    // The address of a hook is a secret too: whoever knows it can post there.
    let receiver = Receiver::start();
    project.variable("GITCAST_HOOK_URL", receiver.url()).variable("GITCAST_HOOK_SECRET", HOOK_SECRET);
    receiver.will_answer(&[Answer::Status(500), Answer::Redirect]);
    let hook = project.script("hook", "env; cat >&2");
    project.variable("GITCAST_HOOK_COMMAND", hook.to_str().expect("text"));
    let key = fs::read_to_string(project.path("state/key")).expect("a key").trim().to_owned();
    // Faults on the way: errors are where secrets are told by mistake.
    for (operation, action) in [
        ("token", Action::GarbageBody),
        ("inbox_init", Action::ExpireAccessToken),
        ("upload", Action::EffectThenCut),
        ("video_init", Action::Status { code: 400, body: None }),
        ("status", Action::GarbageBody),
    ] {
        server.rehearsal.faults().add(Fault::next(operation, action));
    }
    let look = |what: &str, bytes: &[u8]| {
        let found = secrets(bytes, &key);
        assert!(found.is_empty(), "{what} holds {found:?}: {}", String::from_utf8_lossy(bytes));
    };
    let commands: &[&[&str]] = &[
        &["auth", "status"],
        &["auth", "status", "--write"],
        &["auth", "refresh", "--force"],
        &["auth", "refresh", "--force"],
        &["plan", "--out", "plan.json", "--markdown-into", "plan.md"],
        &["apply", "--auto-approve"],
        &["apply", "--auto-approve"],
        &["status"],
        &["log", "--requests"],
        &["show", "one"],
        &["doctor"],
        &["validate"],
        &["preview", "--out", "pages"],
        &["auth", "login", "drafts", "--timeout", "1s", "--print-url"],
        &["auth", "login", "drafts", "--timeout", "1s", "--qr"],
        &["auth", "logout", "direct"],
    ];
    for command in commands {
        for flags in [&["-vv"][..], &["-vv", "--json", "--log-format", "json"]] {
            let run = project.run(&[command, flags].concat());
            look(&format!("{command:?}"), (run.stdout.clone() + &run.stderr).as_bytes());
            assert!(!run.stderr.contains(CODES), "{run:?}");
        }
    }
    for path in ["/", "/rehearsal/requests", "/rehearsal/publications"] {
        look(path, server.page(path).as_bytes());
    }
    let told = receiver.deliveries();
    assert!(!told.is_empty(), "the hooks were told");
    told.iter().for_each(|delivery| look("a message", delivery.text.as_bytes()));
    for (path, bytes) in files(&project) {
        if !path.ends_with("state/key") {
            look(&path, &bytes);
        }
    }
    assert!(files(&project).len() > 10, "the ledger, the cache and the plan are among them");
}

fn files(project: &Project) -> Vec<(String, Vec<u8>)> {
    project.files().into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)).collect()
}

/// Others on this machine can read what a process was started with.
#[test]
fn a_login_is_not_passed_on_in_arguments() {
    let server = Server::start();
    let project = server.project();
    let mut login = project.spawn(&["auth", "login", "drafts", "--print-url", "--timeout", "1s"]);
    let started = fs::read(format!("/proc/{}/cmdline", login.id()));
    login.wait().expect("it ends");
    if let Ok(arguments) = started {
        assert_eq!(secrets(&arguments, "(no key)"), [""; 0]);
    }
}
