//! What scripts rely on, beyond single commands: one document on stdout, exit codes in combination, odd replies.

use std::fs;

use gitcast::rehearsal::{AccountSetup, Action, Fault};
use serde_json::Value;

use crate::support::{ACCOUNTS, Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

#[test]
fn every_command_prints_one_document_even_when_it_fails() {
    let server = Server::start();
    let project = server.project();
    project.direct("one");
    project.run(&APPLY).expect(0);
    let nowhere = Project::empty();
    let cases: [(&Project, &[&str], i32); 21] = [
        (&project, &["init"], 0),
        (&project, &["plan"], 0),
        (&project, &["apply"], 0),
        (&project, &["status"], 0),
        (&project, &["log"], 0),
        (&project, &["show", "one"], 0),
        (&project, &["show", "two"], 1),
        (&project, &["auth", "status"], 0),
        (&project, &["doctor"], 0),
        (&project, &["retry", "one", "direct"], 1),
        (&project, &["adopt", "one", "direct", "--remote-id", "7"], 0),
        (&project, &["forget", "one", "direct"], 0),
        (&project, &["pause", "one"], 0),
        (&project, &["resume", "one"], 0),
        (&project, &["resume", "one"], 1),
        (&project, &["plan", "--only", "nobody"], 64),
        (&nowhere, &["apply"], 1),
        (&nowhere, &["auth", "status"], 1),
        (&nowhere, &["retry", "one", "direct"], 12),
        (&nowhere, &["pause", "one"], 1),
        (&nowhere, &["adopt", "one", "direct", "--remote-id", "7"], 1),
    ];
    for (project, arguments, code) in cases {
        let document = project.run(&[arguments, &["--json"]].concat()).expect(code).json();
        assert_eq!(document["format_version"], 1, "{arguments:?}");
    }
    assert!(nowhere.files().is_empty(), "{:?}", nowhere.files().keys());
    let empty = Project::empty();
    let init = empty.run(&["init", "--json"]).expect(0).json();
    let yaml = fs::read_to_string(empty.path("content/gitcast.yaml")).expect("yaml");
    assert!(yaml.contains(init["lineage"].as_str().expect("a lineage")), "{init}");
    let grant = server.rehearsal.issue_grant("direct").expect("grant").to_string();
    let import = project.run_with_input(&["auth", "import", "direct", "-", "--json"], &grant).expect(0);
    assert_eq!(import.json()["accounts"][0]["state"], "ready");
}

#[test]
fn init_pins_the_lineage_of_a_project_that_has_none() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    let pinned = |project: &Project| {
        let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
        yaml.lines().find_map(|line| line.strip_prefix("lineage: ").map(str::to_owned))
    };
    project.run(&APPLY).expect(0);
    project.run(&["init"]).expect(0);
    let lineage = pinned(&project).expect("pinned");
    assert!(project.run(&["log"]).expect(0).stdout.contains(&lineage));
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
    // Where there is no ledger either, init starts the one that it names.
    let fresh = Project::new();
    fresh.run(&["init"]).expect(0);
    assert!(fresh.run(&["log"]).expect(0).stdout.contains(&pinned(&fresh).expect("pinned")));
    // A ledger that was lost is not replaced.
    fs::remove_dir_all(fresh.path("state")).expect("lost");
    fresh.run(&["init"]).expect(0);
    fresh.run(&["plan"]).expect(12);
}

#[test]
fn a_name_that_selects_nothing_is_wrong_usage() {
    let project = Project::new();
    project.draft("one").write("content/bad.yaml", "id: bad\nnonsense: true\nto: {drafts: }\n");
    for option in ["--only", "--exclude"] {
        let run = project.run(&["plan", option, "onee"]).expect(64);
        assert!(run.stderr.contains("onee"), "{}", run.stderr);
        for known in
            ["one", "drafts", "direct", "tiktok", "bad", "one.yaml", "content/one.yaml", "gone/*.yaml"]
        {
            project.run(&["plan", option, known]).expect(1);
        }
    }
    project.run(&["apply", "--rehearse", "--auto-approve", "--only", "onee"]).expect(64);
}

#[test]
fn a_post_that_waits_for_its_account_is_temporary_and_not_converged() {
    let server = Server::start_with(vec![
        AccountSetup { access_life_s: 1, ..AccountSetup::new("drafts") },
        AccountSetup::new("direct"),
    ]);
    let project = server.project();
    project.draft("one").direct("two");
    server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
    let down = Action::Status { code: 503, body: None };
    server.rehearsal.faults().add(Fault { times: 20, ..Fault::next("token", down) });
    let run = project.run(&["apply", "--auto-approve", "--max-wait", "1s"]).expect(5);
    assert!(run.stdout.contains("1 published"), "{}", run.stdout);
}

#[test]
fn limits_of_the_platform_wait_and_say_until_when() {
    let server = Server::start();
    let project = server.project();
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        project.draft(id);
    }
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    let waiting: Vec<&Value> =
        plan["publications"].as_array().expect("a list").iter().filter(|p| p["reason"] == "cap").collect();
    assert_eq!(waiting.len(), 2);
    assert!(waiting.iter().all(|p| p["next_at"].is_string()), "{waiting:?}");
    let run = project.run(&APPLY).expect(5);
    assert!(run.stdout.contains("5 delivered"), "{}", run.stdout);
    // In another process, nothing is sent beyond the cap either.
    project.run(&APPLY).expect(5);
    assert_eq!(server.count(), 5);
}

#[test]
fn a_full_minute_delays_what_needs_it_and_nothing_else() {
    let server = Server::start();
    let project = server.project();
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        project.direct(id);
    }
    let run = project.run(&["apply", "--auto-approve", "--max-wait", "8s"]).expect(5);
    assert!(run.stdout.contains("6 published"), "{}", run.stdout);
    assert!(run.stderr.contains("video/init is reached"), "{}", run.stderr);
    // The budget survives the restart.
    project.run(&["apply", "--auto-approve", "--max-wait", "1s"]).expect(5);
    assert_eq!(server.count(), 6);
}

#[test]
fn show_tells_of_a_post_that_nothing_was_done_for() {
    let project = Project::new();
    project.draft("later");
    let yaml = fs::read_to_string(project.path("content/later.yaml")).expect("yaml");
    project.write("content/later.yaml", format!("{yaml}publish_at: 2099-01-01T09:00\n"));
    let shown = project.run(&["show", "later"]).expect(0).stdout;
    assert!(shown.contains("2099-01-01 09:00 CET") && shown.contains("planned"), "{shown}");
    let document = project.run(&["show", "later", "--json"]).expect(0).json();
    assert_eq!(document["publications"][0]["next_at"], "2099-01-01T08:00:00Z");
    assert!(project.run(&["show", "nobody"]).expect(1).stderr.contains("no manifest"));
}

#[test]
fn files_are_named_from_the_folder_of_dash_c() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    let folder = project.path("");
    let folder = folder.to_str().expect("UTF-8");
    let elsewhere = Project::empty();
    elsewhere.run(&["-C", folder, "plan", "--out", "plan.json"]).expect(0);
    assert!(project.path("plan.json").exists());
    project.write("reply.json", server.rehearsal.issue_grant("drafts").expect("grant").to_string());
    elsewhere.run(&["-C", folder, "auth", "import", "drafts", "reply.json"]).expect(0);
    let mut apply = elsewhere.command(&["-C", folder, "apply", "--plan", "plan.json"]);
    apply.envs([("TIKTOK_CLIENT_KEY", "rehearsal-key"), ("TIKTOK_CLIENT_SECRET", "rehearsal-secret")]);
    assert!(apply.output().expect("runs").status.success());
    assert_eq!(server.count(), 1);
}

#[test]
fn auth_status_says_6_where_apply_would() {
    let server = Server::start();
    let project = server.project();
    project.run(&["auth", "status"]).expect(0);
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write("content/gitcast.yaml", yaml.replace("127.0.0.1", "localhost"));
    project.run(&["auth", "status"]).expect(6);
    let nobody = Project::with(ACCOUNTS);
    assert!(nobody.run(&["auth", "status"]).expect(6).stdout.contains("no login"));
}

#[test]
fn a_token_reply_of_any_shape_is_taken_or_refused_and_never_shown() {
    let project = Project::new();
    let good = [
        r#"{"access_token":"act.canary","expires_in":"7200","open_id":"o","refresh_token":"rft.canary","refresh_expires_in":"99999","scope":"video.upload"}"#,
        r#"{"access_token":"act.canary","expires_in":7200.0,"scope":["video.upload"]}"#,
        r#"{"data":{"access_token":"act.canary","expires_in":7200,"refresh_token":"rft.canary"},"message":"success"}"#,
    ];
    let bad = [
        "",
        "[]",
        "<html>rft.canary</html>",
        r#"{"access_token":"act.canary""#,
        r#"{"access_token":{"rft.canary":1},"expires_in":7200}"#,
        r#"{"error":"invalid_grant","error_description":"Refresh token is expired"}"#,
        r#"{"data":{"description":"rft.canary expired","error_code":10010},"message":"error"}"#,
    ];
    for (replies, code) in [(&good[..], 0), (&bad[..], 1)] {
        for reply in replies {
            for arguments in
                [&["auth", "import", "drafts", "-"][..], &["auth", "import", "drafts", "-", "--json"]]
            {
                let run = project.run_with_input(arguments, reply).expect(code);
                assert!(!format!("{run:?}").contains("canary"), "{run:?}");
            }
        }
    }
}

#[test]
fn two_rehearsals_of_one_project_keep_out_of_each_others_way() {
    use std::io::{BufRead, BufReader};
    let project = Project::new();
    project.draft("one");
    let mut serving = project.spawn(&["rehearse", "--listen", "127.0.0.1:0"]);
    let mut url = String::new();
    BufReader::new(serving.stdout.take().expect("piped")).read_line(&mut url).expect("the address");
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    for second in [&["rehearse", "--listen", "127.0.0.1:0"][..], &["apply", "--rehearse", "--auto-approve"]] {
        let run = project.run(second).expect(11);
        assert!(run.stderr.contains(&format!("process {}", serving.id())), "{}", run.stderr);
    }
    serving.kill().expect("killed");
    serving.wait().expect("ended");
    project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_what_is_in_state() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    let mode = |path: &str| fs::metadata(project.path(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/key"), mode("state/ledger.db")), (0o700, 0o600, 0o600));
}

#[test]
fn the_present_can_be_told_in_the_projects_own_zone() {
    let project = Project::new();
    project.draft("later");
    let yaml = fs::read_to_string(project.path("content/later.yaml")).expect("yaml");
    project.write("content/later.yaml", format!("{yaml}publish_at: 2026-12-01T09:00\n"));
    for (now, code) in [
        ("2026-12-01T08:59", 0),
        ("2026-12-01T09:00", 2),
        ("2026-12-01T07:59:59Z", 0),
        ("2026-12-01T08:00Z", 2),
        ("2026-12-01T09:00:00+01:00", 2),
        ("2026-03-29T02:30", 64),
        ("2026-13-01T00:00", 64),
        ("soon", 64),
    ] {
        project.run(&["plan", "--detailed-exitcode", "--now", now]).expect(code);
    }
}

#[test]
fn what_is_late_is_told_in_words_that_can_be_read() {
    let project = Project::new();
    project.draft("old");
    let yaml = fs::read_to_string(project.path("content/old.yaml")).expect("yaml");
    project.write("content/old.yaml", format!("{yaml}publish_at: 2026-12-01T09:00Z\n"));
    let plan = project.run(&["plan", "--now", "2026-12-01T12:30:00.123456789Z"]).expect(7).stdout;
    assert!(plan.contains("due 3h 30m ago, later than `policy.late.grace` (2h)"), "{plan}");
}

#[test]
fn quiet_hours_are_told_where_the_time_is_written_and_in_the_plan() {
    let project = Project::new();
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    let quiet = "policy:\n  quiet_hours: { from: 22:00, to: 07:00, timezone: Europe/Berlin }\n";
    project.write("content/gitcast.yaml", format!("{yaml}{quiet}"));
    project.draft("early");
    let yaml = fs::read_to_string(project.path("content/early.yaml")).expect("yaml");
    project.write("content/early.yaml", format!("{yaml}publish_at: 2040-12-01T03:00Z\n"));
    let line = yaml.lines().count() + 1;
    let run = project.run(&["validate"]).expect(0);
    let place = format!("content/early.yaml:{line}:13");
    assert!(run.stdout.contains(&place) && run.stdout.contains("quiet-hours"), "{}", run.stdout);
    assert!(run.stdout.contains("it will be published at 2040-12-01T07:00"), "{}", run.stdout);
    project.run(&["validate", "--deny-warnings"]).expect(1);
    let plan = project.run(&["plan", "--now", "2040-12-01T02:30Z"]).expect(0);
    let told = "quiet hours (22:00 to 07:00 Europe/Berlin): due at 2040-12-01T06:00:00Z";
    assert!(plan.stdout.contains(told), "{}", plan.stdout);
    // What has passed is of no interest.
    project.write("content/early.yaml", format!("{yaml}publish_at: 2020-12-01T03:00Z\n"));
    project.run(&["validate", "--deny-warnings"]).expect(0);
}
