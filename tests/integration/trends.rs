//! `trends`: what people and scripts see of it, and what it leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use gitcast::rehearsal::trends::{ADVERTISER, BUSINESS_TOKEN, ENSEMBLE_TOKEN};
use gitcast::rehearsal::{Action, Fault};

use crate::support::{Project, Server};

const HASHTAGS: &str = "trends_hashtags";

/// A project whose sources are all at the stand-in; without keys.
fn project(server: &Server) -> Project {
    let mut project = Project::new();
    project.variable("GITCAST_TRENDS_ENDPOINT", server.url());
    project
}

fn with_keys(server: &Server) -> Project {
    let mut project = project(server);
    project
        .variable("TIKTOK_BUSINESS_ACCESS_TOKEN", BUSINESS_TOKEN)
        .variable("TIKTOK_BUSINESS_ADVERTISER_ID", ADVERTISER)
        .variable("ENSEMBLEDATA_TOKEN", ENSEMBLE_TOKEN);
    project
}

fn fail(server: &Server, operation: &str, code: u16) {
    let action = Action::Status { code, body: Some("{}".to_owned()) };
    assert!(server.rehearsal.faults().add(Fault::next(operation, action)));
}

#[test]
fn what_is_trending_is_shown_and_kept_for_a_while() {
    let server = Server::start();
    let project = project(&server);
    let first = project.run(&["trends", "hashtags"]).expect(0);
    assert!(first.stdout.starts_with("Trending hashtags in US, last 7 days\n"), "{}", first.stdout);
    assert!(first.stdout.contains("TikTok Creative Center, asked just now"), "{}", first.stdout);
    assert_eq!(first.stdout.lines().filter(|line| line.contains('█')).count(), 3, "{}", first.stdout);
    assert!(first.stderr.contains("--industry all"), "{}", first.stderr);
    let second = project.run(&["trends", "hashtags"]).expect(0);
    assert!(second.stdout.contains("asked less than a minute ago"), "{}", second.stdout);
    assert_eq!(server.requests(HASHTAGS), 1);
    project.run(&["trends", "hashtags", "--refresh"]).expect(0);
    assert_eq!(server.requests(HASHTAGS), 2);
    // Another question is another request.
    project.run(&["trends", "hashtags", "--country", "de", "--period", "30"]).expect(0);
    assert_eq!(server.requests(HASHTAGS), 3);
    let kept: Vec<_> = fs::read_dir(project.path("state/trends")).expect("a folder").flatten().collect();
    assert_eq!(kept.len(), 2);
    for file in kept {
        assert_eq!(file.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);
        fs::write(file.path(), "{\"half\":").expect("broken");
    }
    project.run(&["trends", "hashtags"]).expect(0);
    assert_eq!(server.requests(HASHTAGS), 4, "what is broken is asked anew");
    // Publishing knows nothing of it.
    project.run(&["plan"]).expect(0);
    assert_eq!(server.rehearsal.requests().len(), 4);
}

#[test]
fn scripts_get_everything_in_one_document() {
    let server = Server::start();
    let project = with_keys(&server);
    let list =
        |arguments: &[&str]| project.run(&[&["trends"], arguments, &["--json"]].concat()).expect(0).json();
    let business = list(&["hashtags", "--limit", "5"]);
    for key in [
        "format_version",
        "kind",
        "country",
        "period_days",
        "source",
        "asked_at",
        "age_seconds",
        "cached",
        "tried",
    ] {
        assert!(!business[key].is_null(), "{key}: {business}");
    }
    assert_eq!(
        (&business["source"], business["trends"].as_array().map(Vec::len)),
        (&"business".into(), Some(5))
    );
    assert_eq!(business["tried"][0]["outcome"], "declined");
    for key in
        ["rank", "name", "id", "author", "url", "posts", "views", "organic_views", "curve", "industries"]
    {
        assert!(business["trends"][0].as_object().expect("an entry").contains_key(key), "{key}");
    }
    assert_eq!(list(&["videos"])["source"], "creative-center");
    let word = list(&["hashtags", "--keyword", "#rust", "--source", "ensembledata"]);
    assert_eq!(
        (&word["source"], &word["units"], &word["keyword"]),
        (&"ensembledata".into(), &3.into(), &"rust".into())
    );
    assert_eq!(word["trends"][0]["name"], "rust");
    let again = list(&["hashtags", "--keyword", "rust"]);
    assert!(again["cached"] == true && again["units"].is_null(), "{again}");
    // One that fails is told, and the next one answers.
    fail(&server, "trends_business", 429);
    let next = list(&["hashtags", "--refresh"]);
    assert_eq!(
        (&next["tried"][1]["outcome"], &next["source"]),
        (&"failed".into(), &"creative-center".into())
    );
    assert_eq!(next["tried"][1]["fault"]["kind"], "temporary");
}

#[test]
fn a_failure_is_a_warning_unless_it_is_to_count() {
    let server = Server::start();
    let project = project(&server);
    for (code, strict) in [(429, 5), (503, 5), (403, 1), (200, 1)] {
        for (arguments, exit) in [(&[][..], 0), (&["--strict"], strict), (&["--deny-warnings"], 1)] {
            // With --deny-warnings something temporary is an error as well.
            fail(&server, HASHTAGS, code);
            let run = project.run(&[&["trends", "hashtags"], arguments].concat()).expect(exit);
            assert!(
                run.stdout.is_empty() && run.stderr.contains("warning: TikTok Creative Center "),
                "{run:?}"
            );
            assert!(run.stderr.contains("Nobody has answered."), "{run:?}");
        }
        fail(&server, HASHTAGS, code);
        let document = project.run(&["trends", "hashtags", "--json"]).expect(0).json();
        assert_eq!((document["trends"].as_array().map(Vec::len), &document["source"]), (Some(0), &().into()));
    }
    project.run(&["trends", "hashtags", "--strict"]).expect(0);
    let server_is_gone = "http://127.0.0.1:1";
    let mut project = Project::new();
    project.variable("GITCAST_TRENDS_ENDPOINT", server_is_gone);
    project.run(&["trends", "videos"]).expect(0);
    project.run(&["trends", "videos", "--strict"]).expect(5);
}

#[test]
fn what_cannot_be_asked_is_wrong_usage_and_nothing_is_sent() {
    let server = Server::start();
    let mut project = project(&server);
    for arguments in [
        &["trends"][..],
        &["trends", "songs"],
        &["trends", "hashtags", "--country", "USA"],
        &["trends", "hashtags", "--period", "120"],
        &["trends", "hashtags", "--industry", "nonsense"],
        &["trends", "videos", "--industry", "pets"],
        &["trends", "hashtags", "--keyword", " # "],
        &["trends", "hashtags", "--limit", "0"],
        &["trends", "hashtags", "--timeout", "2m"],
        &["trends", "hashtags", "--source", "business"],
        &["trends", "hashtags", "--source", "ensembledata"],
        &["trends", "hashtags", "--markdown", "--json"],
        &["trends", "hashtags", "--now", "2026-12-01T09:00Z"],
    ] {
        project.run(arguments).expect(64);
    }
    project.variable("ENSEMBLEDATA_TOKEN", ENSEMBLE_TOKEN);
    let run = project.run(&["trends", "hashtags", "--source", "ensembledata"]).expect(64);
    assert!(run.stderr.contains("--keyword"), "{}", run.stderr);
    project.variable("ENSEMBLEDATA_TOKEN", "canary&x");
    let run = project.run(&["trends", "hashtags"]).expect(64);
    assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    for elsewhere in ["https://example.com", "nothing"] {
        project.variable("ENSEMBLEDATA_TOKEN", "").variable("GITCAST_TRENDS_ENDPOINT", elsewhere);
        project.run(&["trends", "hashtags"]).expect(64);
    }
    assert_eq!(server.rehearsal.requests().len(), 0);
    assert!(!project.path("state").exists());
}

#[test]
fn a_rehearsal_needs_nothing_and_leaves_nothing() {
    let project = Project::empty();
    for arguments in [
        &["hashtags"][..],
        &["videos"],
        &["hashtags", "--keyword", "rust"],
        &["hashtags", "--industry", "all"],
    ] {
        let run = project.run(&[&["trends"], arguments, &["--rehearse", "--strict"]].concat()).expect(0);
        assert!(run.stdout.lines().count() > 5, "{}", run.stdout);
    }
    let markdown = project.run(&["trends", "hashtags", "--rehearse", "--markdown"]).expect(0).stdout;
    assert!(markdown.contains("| ---: | --- |") && markdown.contains("| 1 | `#"), "{markdown}");
    let now = ["--now", "2035-01-01T08:30:00Z", "--json"];
    let then = project.run(&[&["trends", "videos", "--rehearse"][..], &now].concat()).expect(0).json();
    assert!(then["asked_at"].as_str().expect("a time").starts_with("2035-01-01T08:30"), "{then}");
    assert_eq!(project.files().len(), 0);
    // Nor does anything come into a folder that is no project's.
    let server = Server::start();
    let mut stray = Project::empty();
    stray.variable("GITCAST_TRENDS_ENDPOINT", server.url());
    stray.run(&["trends", "hashtags"]).expect(0);
    assert_eq!(stray.files().len(), 0);
}

#[test]
fn keys_are_used_from_their_file_and_told_nowhere() {
    let server = Server::start();
    let project = project(&server);
    project.write("keys.env", format!(
        "TIKTOK_BUSINESS_ACCESS_TOKEN={BUSINESS_TOKEN}\nTIKTOK_BUSINESS_ADVERTISER_ID={ADVERTISER}\nENSEMBLEDATA_TOKEN={ENSEMBLE_TOKEN}\n"
    ));
    let echo = |token: &str| Action::Status {
        code: 200,
        body: Some(format!("{{\"code\":7,\"message\":\"{token}\",\"detail\":\"{token}\"}}")),
    };
    let arguments = ["trends", "hashtags", "--keyword", "rust", "-vv"];
    for (business, ensemble) in [
        (Action::Pass, Action::Pass),
        (echo(BUSINESS_TOKEN), echo(ENSEMBLE_TOKEN)),
        (Action::CutBeforeRead, Action::CutBeforeRead),
        (Action::GarbageBody, Action::GarbageBody),
        (Action::Status { code: 491, body: None }, Action::Status { code: 491, body: None }),
    ] {
        for json in [&[][..], &["--json"]] {
            server.rehearsal.faults().add(Fault::next("trends_business", business.clone()));
            server.rehearsal.faults().add(Fault::next("trends_keyword", ensemble.clone()));
            let run = project.run(&[&arguments[..], &["--refresh"], json].concat()).expect(0);
            let told = run.stdout + &run.stderr;
            assert!(!told.contains(BUSINESS_TOKEN) && !told.contains(ENSEMBLE_TOKEN), "{told}");
            server.rehearsal.faults().clear();
        }
    }
    assert!(server.requests("trends_business") > 0 && server.requests("trends_keyword") > 0);
    for (path, bytes) in project.files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(path.ends_with("keys.env") || !text.contains("-token"), "{}", path.display());
    }
}

#[test]
fn hostile_names_are_shown_harmlessly() {
    let server = Server::start();
    let project = project(&server);
    let name = r"\u001b[2J\u202e::set-output::@team|`<img>##[error]";
    let body =
        format!("{{\"BaseResp\":{{\"StatusCode\":0}},\"items\":[{{\"hashtagName\":\"{name}\",\"vv\":7}}]}}");
    for form in [&[][..], &["--json"], &["--markdown"]] {
        let action = Action::Status { code: 200, body: Some(body.clone()) };
        server.rehearsal.faults().add(Fault::next(HASHTAGS, action));
        let run = project.run(&[&["trends", "hashtags", "--refresh"], form].concat()).expect(0);
        assert!(
            !run.stdout.contains(['\u{1b}', '\u{202e}']) && !run.stdout.contains("##["),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn a_plan_and_pages_tell_what_was_trending_and_are_the_same_plan() {
    let server = Server::start();
    let project = project(&server);
    let plan = |arguments: &[&str]| project.run(&[&["plan"], arguments].concat()).expect(0);
    let digest = plan(&["--json"]).json()["digest"].clone();
    let none = plan(&["--with-trends"]);
    assert!(none.stdout.contains("`gitcast trends hashtags --country US` does"), "{}", none.stdout);
    assert!(!project.path("state").exists() && server.rehearsal.requests().is_empty());

    let list = project.run(&["trends", "hashtags", "--country", "JP", "--json"]).expect(0).json();
    let tag = list["trends"][1]["name"].as_str().expect("a name");
    project.direct("plain");
    project.write(
        "content/one.yaml",
        fs::read_to_string(project.path("content/plain.yaml"))
            .expect("a manifest")
            .replace("id: plain", "id: one")
            .replace("The text of plain", &format!("'Look #{} #unheard'", tag.to_uppercase())),
    );
    let sent = server.rehearsal.requests().len();
    let before = plan(&["--json"]).json();
    let after = plan(&["--json", "--with-trends", "--country", "JP"]).json();
    assert_eq!((&before["trending"], &before["digest"]), (&().into(), &after["digest"]));
    assert!(before["digest"] != digest && before["changes"] == after["changes"]);
    let told = &after["trending"];
    assert_eq!((&told["country"], told["posts"].as_array().map(Vec::len)), (&"JP".into(), Some(1)), "{told}");
    assert_eq!(
        (&told["posts"][0]["post"], &told["posts"][0]["hashtags"][0]["name"]),
        (&"one".into(), &tag.into())
    );
    let text = plan(&["--with-trends", "--country", "jp"]).stdout;
    assert!(text.contains(&format!("  one → direct: #{tag} (place 2, 7 days)")), "{text}");
    assert!(!plan(&["--with-trends"]).stdout.contains("one → direct: #"), "another country's");

    project.run(&["preview", "--out", "pages", "--with-trends", "--country", "JP"]).expect(0);
    let page = |name: &str| fs::read_to_string(project.path(&format!("pages/{name}"))).expect("a page");
    assert!(
        page("post-one.html").contains(&format!("#{tag} (place 2, 7 days)")),
        "{}",
        page("post-one.html")
    );
    assert!(!page("post-plain.html").contains("place 2"));
    assert_eq!(server.rehearsal.requests().len(), sent, "nobody is asked");
    // In a day it is old.
    project.run(&["plan", "--country", "JP"]).expect(64);
    project.run(&["plan", "--with-trends", "--base", "HEAD"]).expect(64);
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(25)).to_string();
    let later = plan(&["--with-trends", "--country", "JP", "--now", &later]).stdout;
    assert!(later.contains("was not asked for within a day") && !later.contains("place 2"), "{later}");
}
