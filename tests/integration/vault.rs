//! Keys through the program: several that open one ledger, one that takes the place of another, and what may be seen
//! of them.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Project, Run};

/// Two tokens that would be found anywhere.
const ACCESS: &str = "act.canary-access";
const REFRESH: &str = "rft.canary-refresh";
const KILLS: u32 = 16;

fn log_in(project: &Project, account: &str) -> Run {
    let reply = json!({
        "access_token": ACCESS, "expires_in": 86400, "open_id": "o",
        "refresh_token": REFRESH, "refresh_expires_in": 31536000, "scope": "video.upload,video.publish",
    });
    project.run_with_input(&["auth", "import", account, "-"], &reply.to_string())
}

/// Both accounts logged in, with a key in `state/key`.
fn logged_in() -> Project {
    let project = Project::new();
    log_in(&project, "drafts").expect(0);
    log_in(&project, "direct").expect(0);
    project
}

fn key_file(project: &Project, name: &str) -> String {
    fs::read_to_string(project.path(name)).expect("key file").trim().to_owned()
}

/// Makes a key file and gives the public half that is printed.
fn new_key(project: &Project, name: &str) -> String {
    let run = project.run(&["auth", "key", "--new", name]).expect(0);
    let public = run.stdout.trim().to_owned();
    assert!(public.starts_with("gitcast-key:") && public.len() == 76, "{run:?}");
    assert!(!format!("{run:?}").contains(&key_file(project, name)), "{run:?}");
    public
}

#[track_caller]
fn all_open(project: &Project) {
    let document = project.run(&["auth", "status", "--json"]).expect(0).json();
    let states: Vec<_> =
        document["accounts"].as_array().expect("a list").iter().map(|a| a["state"].clone()).collect();
    assert_eq!(states, ["ready", "ready"]);
    let doctor = project.run(&["doctor"]).expect(0).stdout;
    assert!(doctor.contains("every stored login opens"), "{doctor}");
}

/// The same project, for whoever has another key.
fn with_key(project: &Project, digits: &str, arguments: &[&str]) -> Run {
    project.command(arguments).env("GITCAST_KEY", digits).output().expect("the program starts").into()
}

#[test]
fn a_ci_key_and_a_persons_key_both_open_the_ledger() {
    let project = logged_in();
    let own = project.run(&["auth", "key"]).expect(0).stdout.trim().to_owned();
    let ci = new_key(&project, "ci.key");
    let ci_digits = key_file(&project, "ci.key");
    let list = project.run(&["auth", "recipients"]).expect(0);
    assert!(list.stdout.is_empty() && list.stderr.contains("no recipients"), "{list:?}");
    // It opens nothing yet.
    with_key(&project, &ci_digits, &["auth", "status"]).expect(12);

    project.run(&["auth", "recipients", "add", "ci", &ci]).expect(0);
    let list = project.run(&["auth", "recipients"]).expect(0).stdout;
    assert_eq!(list, format!("owner  {own}  (in use here)\nci  {ci}\n"));
    all_open(&project);
    let by_ci = with_key(&project, &ci_digits, &["auth", "recipients", "--json"]).expect(0).json();
    assert_eq!((&by_ci["public_key"], &by_ci["recipients"][1]["in_use"]), (&json!(ci), &json!(true)));
    assert_eq!(by_ci["recipients"][0], json!({ "name": "owner", "public_key": own, "in_use": false }));
    with_key(&project, &ci_digits, &["auth", "status"]).expect(0);
    with_key(&project, &ci_digits, &["doctor"]).expect(0);

    for (arguments, code, told) in [
        (&["auth", "recipients", "add", "ci", own.as_str()][..], 1, "already"),
        (&["auth", "recipients", "add", "other", &own], 1, "owner is a recipient with this very key"),
        (&["auth", "recipients", "add", "x", "gitcast-key:00"], 64, "64 hexadecimal digits"),
        (&["auth", "recipients", "add", "-x", &ci], 64, ""),
        (&["auth", "recipients", "remove", "nobody"], 1, "no recipient nobody"),
        (&["auth", "recipients", "remove", "owner"], 1, "auth rekey"),
    ] {
        let run = project.run(arguments).expect(code);
        assert!(run.stderr.contains(told), "{arguments:?}: {}", run.stderr);
    }
    let before = fs::read(project.path("state/ledger.db")).expect("ledger");
    project.run(&["auth", "recipients", "remove", "ci"]).expect(0);
    assert_ne!(fs::read(project.path("state/ledger.db")).expect("ledger"), before);
    all_open(&project);
    let refused = with_key(&project, &ci_digits, &["doctor"]).expect(12).stdout;
    assert!(refused.contains("GITCAST_KEY") && refused.contains("owner"), "{refused}");
    let alone = project.run(&["auth", "recipients", "remove", "owner"]).expect(1);
    assert!(alone.stderr.contains("at least one"), "{}", alone.stderr);
}

#[test]
fn a_wrong_key_says_which_and_whose_there_are() {
    let project = logged_in();
    let ci = new_key(&project, "ci.key");
    new_key(&project, "wrong.key");
    project.run(&["auth", "recipients", "add", "ci", &ci]).expect(0);
    let wrong = key_file(&project, "wrong.key");
    let public = with_key(&project, &wrong, &["auth", "key"]).expect(0).stdout;
    for arguments in [
        &["apply", "--auto-approve"][..],
        &["auth", "recipients", "add", "wrong", public.trim()],
        &["auth", "recipients", "remove", "ci"],
        &["auth", "rekey", "--write-key", "new.key"],
    ] {
        let run = with_key(&project, &wrong, arguments).expect(12);
        for part in ["GITCAST_KEY", &public[..28], "owner", "ci", &ci[..28]] {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
        assert!(!format!("{run:?}").contains(&wrong), "{run:?}");
    }
    assert!(!project.path("new.key").exists());
    // Somebody else's key file is not replaced by one that opens nothing.
    fs::remove_file(project.path("state/key")).expect("lost");
    project.run(&["apply", "--auto-approve"]).expect(12);
    assert!(!project.path("state/key").exists());
    all_open_with(&project, "ci.key");
}

#[track_caller]
fn all_open_with(project: &Project, name: &str) {
    with_key(project, &key_file(project, name), &["auth", "status"]).expect(0);
}

#[test]
fn a_key_can_be_made_where_there_is_nothing_yet() {
    let project = Project::empty();
    let missing = project.run(&["auth", "key"]).expect(12).stderr;
    assert!(missing.contains("auth key --new"), "{missing}");
    assert!(project.files().is_empty());
    let public = new_key(&project, "state/key");
    assert_eq!(project.run(&["auth", "key"]).expect(0).stdout.trim(), public);
    let document = project.run(&["auth", "key", "--json"]).expect(0).json();
    assert_eq!(document["public_key"], public.as_str());
    assert!(document["source"].as_str().expect("a text").ends_with("state/key"), "{document}");
}

#[test]
fn a_secret_key_given_for_a_public_one_is_not_repeated() {
    let project = logged_in();
    new_key(&project, "ci.key");
    let secret = key_file(&project, "ci.key");
    let run = project.run(&["auth", "recipients", "add", "ci", &secret]).expect(64);
    assert!(!format!("{run:?}").contains(&secret), "{run:?}");
    assert!(run.stderr.contains("it has been seen"), "{}", run.stderr);
}

#[test]
fn rekey_replaces_the_key_and_the_old_one_opens_nothing_more() {
    let project = logged_in();
    let ci = new_key(&project, "ci.key");
    project.run(&["auth", "recipients", "add", "ci", &ci]).expect(0);
    let old = key_file(&project, "state/key");
    let run = project.run(&["auth", "rekey"]).expect(0);
    assert!(run.stderr.contains("2 login(s)") && run.stderr.contains("history"), "{}", run.stderr);
    assert!(!project.path("state/key.next").exists());
    let new = key_file(&project, "state/key");
    assert_ne!(new, old);
    all_open(&project);
    all_open_with(&project, "ci.key");
    with_key(&project, &old, &["auth", "status"]).expect(12);
    let usage = project.run(&["auth", "rekey", "--write-key", "x"]).expect(64).stderr;
    assert!(usage.contains("state/key"), "{usage}");
    let log = project.run(&["log"]).expect(0).stdout;
    assert!(log.contains("with data key 2 they open for owner, ci"), "{log}");
    assert!(log.contains("login sealed anew, generation 1"), "{log}");
}

#[test]
fn rekey_of_a_key_from_the_environment_writes_the_new_one_to_a_file() {
    let mut project = Project::new();
    let first = "0123456789abcdef".repeat(4);
    project.variable("GITCAST_KEY", &first);
    log_in(&project, "drafts").expect(0);
    log_in(&project, "direct").expect(0);
    let usage = project.run(&["auth", "rekey"]).expect(64).stderr;
    assert!(usage.contains("--write-key"), "{usage}");
    project.write("there.key", "precious");
    let taken = project.run(&["auth", "rekey", "--write-key", "there.key"]).expect(1).stderr;
    assert!(taken.contains("there.key"), "{taken}");
    assert_eq!(fs::read_to_string(project.path("there.key")).expect("left alone"), "precious");
    all_open(&project);
    let run = project.run(&["auth", "rekey", "--write-key", "new.key"]).expect(0);
    assert!(run.stderr.contains("GITCAST_KEY"), "{}", run.stderr);
    project.run(&["auth", "status"]).expect(12);
    let new = key_file(&project, "new.key");
    assert!(!format!("{run:?}").contains(&new), "{run:?}");
    project.variable("GITCAST_KEY", &new);
    all_open(&project);
    assert!(!project.path("state/key").exists());
}

#[cfg(unix)]
#[test]
fn key_files_are_for_their_owner_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let project = logged_in();
    new_key(&project, "ci.key");
    let mode = |name: &str| fs::metadata(project.path(name)).expect("there").permissions().mode() & 0o777;
    let before = key_file(&project, "ci.key");
    project.run(&["auth", "key", "--new", "ci.key"]).expect(1);
    assert_eq!((key_file(&project, "ci.key"), mode("ci.key")), (before, 0o600));
    project.run(&["auth", "rekey"]).expect(0);
    assert_eq!(mode("state/key"), 0o600);
    fs::set_permissions(project.path("state/key"), fs::Permissions::from_mode(0o640)).expect("chmod");
    let refused = project.run(&["auth", "rekey"]).expect(12).stderr;
    assert!(refused.contains("0640"), "{refused}");
}

/// A copy of `from`'s state in a project of its own.
fn copy_of(from: &Project) -> Project {
    let copy = Project::new();
    for (path, bytes) in from.files() {
        let relative = path.strip_prefix(from.path("")).expect("inside").to_str().expect("UTF-8").to_owned();
        copy.write(&relative, bytes);
        restrict(&copy.path(&relative));
    }
    copy
}

fn restrict(path: &Path) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    #[cfg(not(unix))]
    let _ = path;
}

#[test]
fn rekey_may_die_between_any_two_of_its_steps() {
    let project = logged_in();
    let before = copy_of(&project);
    project.run(&["auth", "rekey"]).expect(0);
    let (old, new) = (key_file(&before, "state/key"), key_file(&project, "state/key"));

    // The new key was written, and the ledger does not know.
    for leftover in [new.as_str(), "", "half"] {
        let died = copy_of(&before);
        died.write("state/key.next", leftover);
        restrict(&died.path("state/key.next"));
        let untouched = died.files();
        all_open(&died);
        assert!(died.files() == untouched, "reading leaves no trace");
        assert!(died.run(&["auth", "key"]).expect(0).stdout.starts_with("gitcast-key:"));
        died.run(&["auth", "rekey"]).expect(0);
        all_open(&died);
        assert!(![old.as_str(), new.as_str()].contains(&key_file(&died, "state/key").as_str()));
    }
    // The ledger knows, and the new key has not been moved.
    let died = copy_of(&project);
    died.write("state/key.next", &new).write("state/key", &old);
    restrict(&died.path("state/key.next"));
    let untouched = died.files();
    all_open(&died);
    let used = died.run(&["auth", "recipients"]).expect(0).stdout;
    assert!(used.contains("in use here"), "{used}");
    assert!(died.files() == untouched, "reading leaves no trace");
    // Whoever writes next finishes it.
    log_in(&died, "drafts").expect(0);
    assert_eq!(key_file(&died, "state/key"), new);
    assert!(!died.path("state/key.next").exists());
    all_open(&died);
}

#[test]
fn rekey_may_be_killed_at_any_moment() {
    let project = logged_in();
    let started = Instant::now();
    project.run(&["auth", "rekey"]).expect(0);
    let whole = started.elapsed();
    let (mut died, mut epochs) = (0, Vec::new());
    for round in 0..KILLS {
        let mut child = project
            .command(&["auth", "rekey"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // From before anything happened to after everything did.
        let until = Instant::now() + whole.mul_f64(f64::from(round) / f64::from(KILLS) * 1.2);
        while Instant::now() < until {
            std::thread::sleep(Duration::from_micros(100));
        }
        // The last one lives to its end: on a busy machine each may take longer than the first did.
        if round + 1 < KILLS {
            child.kill().expect("killed, or over");
        }
        died += u32::from(!child.wait().expect("ended").success());
        all_open(&project);
        let log = project.run(&["log", "--json"]).expect(0).json();
        let last = log["entries"].as_array().expect("a list").iter().rev();
        epochs.extend(last.filter_map(|e| e["event"]["epoch"].as_u64()).max());
    }
    assert!(died > 0, "none was killed in time");
    assert!(epochs.is_sorted() && epochs.last() > epochs.first(), "{epochs:?}");
    log_in(&project, "drafts").expect(0);
    all_open(&project);
}

/// Every command's output and arguments, and every byte that is left, are searched for keys and tokens.
#[test]
fn neither_keys_nor_tokens_are_to_be_seen_anywhere() {
    let project = Project::new();
    let mut runs = vec![log_in(&project, "drafts").expect(0), log_in(&project, "direct").expect(0)];
    let mut secrets = vec![key_file(&project, "state/key"), ACCESS.to_owned(), REFRESH.to_owned()];
    let ci = new_key(&project, "ci.key");
    secrets.push(key_file(&project, "ci.key"));
    for arguments in [
        &["auth", "recipients", "add", "ci", ci.as_str()][..],
        &["auth", "recipients"],
        &["auth", "key"],
        &["auth", "rekey"],
        &["auth", "recipients", "remove", "ci"],
        &["auth", "recipients", "add", "ci", &ci],
        &["auth", "status"],
        &["log"],
        &["doctor"],
        &["plan"],
        &["status"],
    ] {
        runs.push(project.run(arguments).expect(0));
        let json = project.run(&[arguments, &["--json", "-vv"]].concat());
        runs.push(json);
        secrets.push(key_file(&project, "state/key"));
    }
    secrets.dedup();
    assert!(secrets.len() >= 5, "rekey made new ones");
    for run in &runs {
        for secret in &secrets {
            assert!(!format!("{run:?}").contains(secret), "{run:?}");
        }
        assert!(!run.stdout.contains("\"wrapped\"") && !run.stdout.contains("\"sealed\":"), "{run:?}");
    }
    let key_files = ["state/key", "ci.key"].map(|name| project.path(name));
    let raw: Vec<Vec<u8>> = secrets.iter().map(|secret| unhexed(secret)).collect();
    for (path, bytes) in project.files() {
        for secret in secrets.iter().map(String::as_bytes).chain(raw.iter().map(Vec::as_slice)) {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found || key_files.contains(&path), "{path:?}");
        }
    }
}

/// The bytes that hexadecimal digits stand for; other text as it is.
fn unhexed(text: &str) -> Vec<u8> {
    let pair = |i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
    bytes.unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(target_os = "linux")]
#[test]
fn a_running_process_leaves_no_core_dump() {
    use std::io::{BufRead, BufReader};
    let project = Project::new();
    let mut serving = project.spawn(&["rehearse", "--listen", "127.0.0.1:0"]);
    let mut url = String::new();
    BufReader::new(serving.stdout.take().expect("piped")).read_line(&mut url).expect("the address");
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.id()));
    serving.kill().expect("killed");
    serving.wait().expect("ended");
    let limits = limits.expect("readable");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[cfg(unix)]
#[test]
fn a_state_that_others_can_get_at_is_warned_of_once() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new();
    log_in(&project, "drafts").expect(0);
    let chmod = |path: &str, mode| {
        fs::set_permissions(project.path(path), fs::Permissions::from_mode(mode)).expect("chmod");
    };
    let warnings = |run: &Run| run.stderr.lines().filter(|line| line.starts_with("warning: ")).count();
    // As a checkout makes it.
    chmod("state", 0o755);
    assert_eq!(warnings(&log_in(&project, "direct").expect(0)), 0);
    chmod("state", 0o757);
    chmod("state/ledger.db", 0o604);
    let run = log_in(&project, "direct").expect(0);
    assert_eq!(warnings(&run), 2, "{}", run.stderr);
    assert!(run.stderr.contains("0757") && run.stderr.contains("0604"), "{}", run.stderr);
    assert_eq!(warnings(&project.run(&["auth", "status"]).expect(0)), 0, "it writes nothing");
    let doctor = project.run(&["doctor"]).expect(0).stdout;
    assert_eq!(doctor.lines().filter(|line| line.starts_with("bad")).count(), 2, "{doctor}");
    project.run(&["doctor", "--deny-warnings"]).expect(1);
    let checks = project.run(&["doctor", "--json"]).expect(0).json();
    let bad = checks["checks"].as_array().expect("a list").iter().filter(|c| c["ok"] == Value::Bool(false));
    assert_eq!(bad.count(), 2);
}
