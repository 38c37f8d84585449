//! `apply` against a server, as against TikTok itself: gates, approval, logins, locks, exit codes.

use std::fs;
use std::time::{Duration, Instant};

use gitcast::rehearsal::AccountSetup;

use crate::support::{ACCOUNTS, Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

#[test]
fn drafts_and_direct_posts_arrive_once_and_byte_for_byte() {
    let server = Server::start();
    let project = server.project();
    project.draft("one").direct("two");
    let run = project.run(&APPLY).expect(0);
    assert!(run.stdout.contains("1 published, 1 delivered."), "{}", run.stdout);
    project.run(&APPLY).expect(0);
    let performed = server.rehearsal.publications();
    assert_eq!(performed.len(), 2);
    for publication in &performed {
        let name = if publication.mode == "inbox" { "one" } else { "two" };
        let sent = fs::read(&publication.media[0].path).expect("arrived");
        assert!(sent == fs::read(project.path(&format!("content/{name}.mp4"))).expect("file"), "{name}");
    }
    let direct = performed.iter().find(|p| p.mode == "direct").expect("direct");
    assert_eq!(direct.title, "The text of two");
    assert_eq!(direct.privacy.as_deref(), Some("SELF_ONLY"));
    assert_eq!((direct.toggles["disable_duet"], direct.toggles["disable_comment"]), (true, true));
}

#[test]
fn a_public_post_of_an_audited_app_gets_its_link() {
    let server = Server::start_with(vec![AccountSetup::audited("drafts"), AccountSetup::audited("direct")]);
    let project = server.project();
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write(
        "content/gitcast.yaml",
        yaml.replace("    mode: direct", "    audited: true\n    mode: direct"),
    );
    project.direct("one");
    let manifest = fs::read_to_string(project.path("content/one.yaml")).expect("yaml");
    project.write("content/one.yaml", manifest.replace("self_only", "public"));
    project.run(&APPLY).expect(0);
    // The id comes after moderation; a later run finds it.
    for _ in 0..50 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        project.run(&APPLY).expect(0);
        let status = project.run(&["status", "--json"]).expect(0).json();
        let publication = &status["publications"][0];
        if let Some(url) = publication["remote_url"].as_str() {
            assert!(url.contains("/@direct/video/"), "{url}");
            assert_eq!(server.count(), 1);
            return;
        }
    }
    panic!("no link: {:?}", server.rehearsal.publications());
}

/// All of `state/` from before a post went out: nothing on this machine can show that something is missing.
#[test]
fn a_state_that_was_put_back_as_a_whole_does_not_publish_again_what_the_account_shows() {
    let audited = || AccountSetup { moderation_ms: 0, ..AccountSetup::audited("direct") };
    let server = Server::start_with(vec![audited()]);
    let project = server.project_of(&["direct"]);
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write(
        "content/gitcast.yaml",
        yaml.replace("    mode: direct", "    audited: true\n    mode: direct"),
    );
    project.direct("one");
    let manifest =
        fs::read_to_string(project.path("content/one.yaml")).expect("yaml").replace("self_only", "public");
    project.write("content/one.yaml", &manifest);
    let before: Vec<_> =
        project.files().into_iter().filter(|(path, _)| path.starts_with(project.path("state"))).collect();
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.requests("video_list")), (1, 1), "looked once, found nothing");
    project.run(&APPLY).expect(0);
    assert_eq!(server.requests("video_list"), 1);

    let put_back = || {
        fs::remove_dir_all(project.path("state")).expect("removed");
        for (path, bytes) in &before {
            fs::create_dir_all(path.parent().expect("has one")).expect("folder");
            fs::write(path, bytes).expect("file");
            #[cfg(unix)]
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode");
        }
    };
    put_back();
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("gitcast adopt") && run.stdout.contains("/@direct/video/"), "{run:?}");
    assert_eq!(server.count(), 1);
    project.run(&["retry", "one", "direct"]).expect(0);
    project.run(&APPLY).expect(3);
    assert_eq!(server.count(), 1);
    let url = server.rehearsal.publications()[0]
        .post_ids
        .first()
        .map(|id| format!("https://www.tiktok.com/@direct/video/{id}"));
    project.run(&["adopt", "one", "direct", "--published", &url.expect("an id")]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);

    // Whoever means it can have it twice.
    put_back();
    project.run(&[&APPLY[..], &["--allow-duplicates"]].concat()).expect(0);
    assert_eq!(server.count(), 2);
}

#[test]
fn nobody_there_to_approve_means_that_nothing_is_sent() {
    let server = Server::start();
    let project = server.project();
    project.run(&["apply"]).expect(0);
    project.draft("one");
    let run = project.run(&["apply"]).expect(64);
    assert!(run.stderr.contains("--auto-approve"), "{}", run.stderr);
    assert_eq!(server.count(), 0);
    let digest = project.run(&["plan", "--json", "--out", "plan.json"]).expect(0).json()["digest"].clone();
    project.draft("two");
    project.run(&["apply", "--expect", digest.as_str().expect("digest")]).expect(10);
    assert_eq!(server.count(), 0);
    // A plan file stands for each of its changes: what came since makes it no worse, and is not done.
    project.run(&["apply", "--plan", "plan.json"]).expect(0);
    assert_eq!(server.count(), 1);
    let stale = project.run(&["apply", "--plan", "plan.json"]).expect(10);
    assert!(stale.stderr.contains("one on drafts: the plan says publish"), "{}", stale.stderr);
    let text = fs::read_to_string(project.path("plan.json")).expect("a plan");
    project.write("forged.json", text.replace("\"one\"", "\"two\""));
    let forged = project.run(&["apply", "--plan", "forged.json"]).expect(1);
    assert!(forged.stderr.contains("has been changed"), "{}", forged.stderr);
    let digest = project.run(&["plan", "--json"]).expect(0).json()["digest"].clone();
    project.run(&["apply", "--expect", digest.as_str().expect("digest")]).expect(0);
    assert_eq!(server.count(), 2);
}

#[test]
fn a_bad_manifest_never_hinders_or_prunes_the_good_ones() {
    let server = Server::start();
    let project = server.project();
    project.draft("good").draft("later-bad");
    project.run(&APPLY).expect(0);
    project.write("content/later-bad.yaml", "id: later-bad\nmedia: [").draft("fresh");
    project.write("content/bad.yaml", "id: bad\nnonsense: true\nto: {drafts: }\n");
    let run = project.run(&APPLY).expect(1);
    assert!(run.stdout.contains("1 delivered."), "{}", run.stdout);
    assert_eq!(server.count(), 3);
    assert_eq!(
        project.states(&[]),
        ["fresh@drafts delivered", "good@drafts delivered", "later-bad@drafts delivered"]
    );
}

#[test]
fn gates_refuse_name_their_setting_and_can_be_opened() {
    let server = Server::start();
    let project = server.project();
    for id in ["a", "b", "c"] {
        project.direct(id);
    }
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write("content/gitcast.yaml", yaml.clone() + "policy:\n  max_new_posts: 2\n");
    let run = project.run(&APPLY).expect(7);
    assert!(
        run.stdout.contains("policy.max_new_posts") && run.stdout.contains("--max-new-posts 3"),
        "{}",
        run.stdout
    );
    assert_eq!(server.count(), 0);
    project.run(&["apply", "--auto-approve", "--max-new-posts", "3"]).expect(0);
    assert_eq!(server.count(), 3);

    project.write("content/gitcast.yaml", yaml).direct("old");
    let old = fs::read_to_string(project.path("content/old.yaml")).expect("yaml");
    project.write("content/old.yaml", format!("{old}publish_at: 2020-01-01T00:00Z\n"));
    let run = project.run(&APPLY).expect(7);
    assert!(run.stdout.contains("policy.max_age"), "{}", run.stdout);

    project.write(
        "content/old.yaml",
        fs::read_to_string(project.path("content/a.yaml")).expect("yaml").replace("id: a", "id: old"),
    );
    let run = project.run(&APPLY).expect(7);
    assert!(run.stdout.contains("--allow-duplicates"), "{}", run.stdout);
    assert_eq!(server.count(), 3);
}

#[test]
fn an_account_without_a_login_blocks_itself_only() {
    let server = Server::start();
    let mut project = server.project();
    fs::remove_dir_all(project.path("state")).expect("forget");
    server.log_in(&project, "drafts").expect(0);
    project.draft("one").direct("two");
    let run = project.run(&APPLY).expect(6);
    assert!(run.stdout.contains("gitcast auth import direct"), "{}", run.stdout);
    assert_eq!(project.states(&[]), ["one@drafts delivered"]);
    // Another key cannot open the stored logins.
    project.variable("GITCAST_KEY", &"ab".repeat(32));
    project.draft("three");
    let run = project.run(&APPLY).expect(12);
    assert!(run.stderr.contains("GITCAST_KEY"), "{}", run.stderr);
    assert!(project.run(&["auth", "status"]).expect(12).stdout.contains("cannot be opened"));
    project.run(&["doctor"]).expect(12);
    assert_eq!(server.count(), 1);
}

#[test]
fn tokens_are_refreshed_when_due_and_the_new_pair_is_stored_before_use() {
    let short = |name: &str| AccountSetup { access_life_s: 30, ..AccountSetup::new(name) };
    let server = Server::start_with(vec![short("drafts"), short("direct")]);
    let project = server.project();
    project.draft("one");
    project.run(&APPLY).expect(0);
    assert_eq!(server.requests("token"), 0, "not due yet");
    server.log_in(&project, "drafts").expect(0);
    // An access token that the platform turns down is refreshed at once, and the post goes out.
    use gitcast::rehearsal::{Action, Fault};
    server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
    project.draft("two");
    project.run(&APPLY).expect(0);
    assert_eq!((server.requests("token"), server.count()), (1, 2));
    let log = project.run(&["log", "--json"]).expect(0).json();
    let generations: Vec<_> = log["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|e| e["event"]["event"] == "grant" && e["event"]["account"] == "drafts")
        .map(|e| {
            format!("{} {}", e["event"]["change"].as_str().unwrap_or_default(), e["event"]["generation"])
        })
        .collect();
    assert_eq!(generations, ["stored 1", "stored 2", "presented 2", "stored 3"]);
}

#[test]
fn a_refused_refresh_token_asks_for_a_login_and_stays_asking() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    use gitcast::rehearsal::{Action, Fault};
    let refused = r#"{"error":"invalid_grant","error_description":"no","log_id":"1"}"#.to_owned();
    server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
    server.rehearsal.faults().add(Fault::next("token", Action::Status { code: 200, body: Some(refused) }));
    project.run(&APPLY).expect(6);
    project.run(&APPLY).expect(6);
    assert_eq!((server.requests("token"), server.count()), (1, 0), "a dead token is not presented again");
    assert!(project.run(&["auth", "status"]).expect(6).stdout.contains("log in again"));
    server.log_in(&project, "drafts").expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn a_lost_ledger_refuses_to_publish_everything_again() {
    let server = Server::start();
    let project = server.project();
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    let status = project.run(&["status", "--json"]).expect(0);
    assert_eq!(status.json()["publications"].as_array().map(Vec::len), Some(0));
    project.draft("one");
    project.run(&APPLY).expect(0);
    project.write("content/gitcast.yaml", format!("{yaml}lineage: another\n"));
    project.run(&APPLY).expect(12);
    fs::rename(project.path("state"), project.path("elsewhere")).expect("lost");
    for command in [&APPLY[..], &["plan"], &["status"]] {
        let run = project.run(command).expect(12);
        assert!(run.stderr.contains("lineage"), "{}", run.stderr);
    }
    project.write("state/ledger.db", "not a database at all, but long enough to look at");
    project.run(&APPLY).expect(12);
    assert_eq!(server.count(), 1);
}

#[test]
fn a_locked_ledger_tells_who_holds_it() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    use gitcast::rehearsal::{Action, Fault};
    server.rehearsal.faults().add(Fault::next("inbox_init", Action::Delay { ms: 5_000 }));
    let mut first = project.spawn(&APPLY);
    while server.requests("inbox_init") == 0 {
        std::thread::yield_now();
    }
    let second = project.run(&["apply", "--auto-approve", "--lock-timeout", "1s"]).expect(11);
    assert!(second.stderr.contains(&format!("process {}", first.id())), "{}", second.stderr);
    project.run(&["status"]).expect(0);
    project.run(&["plan"]).expect(0);
    assert!(first.wait().expect("ends").success());
    assert_eq!(server.count(), 1);
}

#[test]
fn tokens_go_to_other_hosts_only_where_a_person_allowed_it() {
    let project = Project::with(
        &ACCOUNTS.replace("    mode:", "    endpoint: https://collector.example.org\n    mode:"),
    );
    project.draft("one");
    let reply = r#"{"access_token":"act.canary","expires_in":7200,"open_id":"o","refresh_token":"rft.canary","refresh_expires_in":99999,"scope":"video.upload","token_type":"Bearer"}"#;
    let run = project.run_with_input(&["auth", "import", "drafts", "-"], reply).expect(7);
    assert!(run.stderr.contains("--allow-endpoint"), "{}", run.stderr);
    let run = project.run(&APPLY).expect(7);
    assert!(run.stdout.contains("collector.example.org"), "{}", run.stdout);
    let allow = ["--allow-endpoint", "collector.example.org"];
    project.run_with_input(&[&["auth", "import", "drafts", "-"][..], &allow].concat(), reply).expect(0);
    // A login belongs to the host that it was granted for.
    project.write("content/gitcast.yaml", ACCOUNTS);
    let run = project.run(&APPLY).expect(6);
    assert!(run.stdout.contains("granted for https://collector.example.org"), "{}", run.stdout);
}

#[test]
fn a_plan_and_a_validation_write_nothing_and_need_no_secret() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    project.run(&APPLY).expect(0);
    project.draft("two");
    let before = project.files();
    for command in [
        &["plan"][..],
        &["plan", "--json"],
        &["validate"],
        &["status"],
        &["log"],
        &["show", "one"],
        &["doctor"],
    ] {
        let mut command = project.command(command);
        command.env_remove("TIKTOK_CLIENT_KEY").env_remove("TIKTOK_CLIENT_SECRET");
        assert!(command.output().expect("runs").status.success());
        assert!(before == project.files());
    }
}

#[test]
fn tokens_that_are_dead_on_arrival_do_not_make_a_loop() {
    let dead = |name: &str| AccountSetup { access_life_s: 0, ..AccountSetup::new(name) };
    let server = Server::start_with(vec![dead("drafts"), dead("direct")]);
    let project = server.project();
    project.draft("one");
    project.run(&APPLY).expect(6);
    assert!((1..=3).contains(&server.requests("token")), "{}", server.requests("token"));
    assert_eq!(server.count(), 0);
}

#[test]
fn a_plan_that_still_holds_is_said_again_until_anything_changes() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    project.run(&APPLY).expect(0);
    let said = project.run(&["plan"]).expect(0).stdout;
    assert!(said.starts_with("Nothing to do"), "{said}");
    // Files that were touched just now are not trusted to be unchanged, so it takes a moment.
    let note = || {
        project.run(&["plan"]).expect(0);
        let files = fs::read_dir(project.path("home/.cache/gitcast")).expect("a cache");
        let mut paths = files.map(|file| file.expect("entry").path());
        paths.find(|path| path.extension().is_some_and(|extension| extension == "note"))
    };
    let begun = Instant::now();
    let note = loop {
        match note() {
            Some(note) => break note,
            None => assert!(begun.elapsed() < Duration::from_secs(30), "no note"),
        }
    };
    assert_eq!(project.run(&["plan"]).expect(0).stdout, said);
    let kept = fs::read_to_string(&note).expect("a note");
    fs::write(&note, kept.replace(&said, "From the note.\n")).expect("written");
    assert_eq!(project.run(&["plan"]).expect(0).stdout, "From the note.\n");
    for other in [&["plan", "--json"][..], &["plan", "--rehearse"], &["plan", "--color", "always"]] {
        assert!(!project.run(other).expect(0).stdout.contains("From the note"), "{other:?}");
    }
    let manifest = fs::read_to_string(project.path("content/one.yaml")).expect("manifest");
    project.write("content/one.yaml", format!("{manifest}revision: 2\n"));
    let changed = project.run(&["plan"]).expect(0).stdout;
    assert!(changed.contains("revision 2 follows"), "{changed}");
}
