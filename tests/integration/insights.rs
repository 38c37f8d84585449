//! How live posts do: read, recorded with its history, and told.

use gitcast::rehearsal::{Action, Fault};
use serde_json::{Value, json};

use crate::drift::{live, server};
use crate::pages::Serving;
use crate::support::Project;

const REFRESH: [&str; 3] = ["insights", "--refresh", "--json"];

fn readings(project: &Project) -> Vec<Value> {
    let told = project.run(&["insights", "--json"]).expect(0).json();
    let readings = told["posts"][0]["readings"].as_array().cloned().unwrap_or_default();
    let counts = |r: &Value| json!([r["views"], r["likes"], r["comments"], r["shares"]]);
    readings.iter().map(counts).collect()
}

#[test]
fn counts_are_read_with_their_history_and_told_in_four_forms() {
    let server = server();
    let (project, id) = live(&server);
    let run = project.run(&["insights"]).expect(0);
    assert!(run.stdout.is_empty() && run.stderr.contains("insights --refresh"), "{run:?}");
    project.run(&REFRESH).expect(0);
    assert!(server.rehearsal.watch(&id, 1_204));
    let told = project.run(&REFRESH).expect(0).json();
    assert_eq!(told["refreshed"][0]["compared"], 1);
    assert_eq!(told["posts"][0]["latest"]["views"], 1_204);
    assert!(server.rehearsal.watch(&id, 3_000));
    // One look tells both how it is and how it does.
    project.run(&["status", "--refresh"]).expect(0);
    assert_eq!(
        readings(&project),
        [json!([0, 0, 0, 0]), json!([1204, 120, 12, 24]), json!([4204, 420, 42, 84])]
    );
    assert_eq!(server.requests("video_query"), 3);

    let table = project.run(&["insights"]).expect(0).stdout;
    assert!(table.contains("clip") && table.contains("4.2K") && table.contains('█'), "{table}");
    let post = project.run(&["insights", "clip"]).expect(0).stdout;
    assert!(post.contains("4204") && post.contains("1204") && post.contains("/@direct/video/"), "{post}");
    let csv = project.run(&["insights", "--csv"]).expect(0).stdout;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "post,account,remote_id,live_since,at,views,likes,comments,shares");
    assert!(
        lines.len() == 4 && lines[3].starts_with("clip,direct,\"75") && lines[3].ends_with(",4204,420,42,84")
    );

    let page = Serving::start(&project, &[]).get("/post-clip.html");
    assert!(page.contains("4204 views, 420 likes, 42 comments, 84 shares"), "{page}");

    // What happened is not hidden behind what was looked at.
    assert!(!project.run(&["log"]).expect(0).stdout.contains("4204 views"));
    assert!(project.run(&["log", "--requests"]).expect(0).stdout.contains("4204 views, 420 likes"));
    project.run(&["doctor"]).expect(0);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);

    // A post that is not shown any more keeps what was read of it; another revision begins anew.
    assert!(server.rehearsal.hide(&id));
    let told = project.run(&REFRESH).expect(0).json();
    assert_eq!(
        (&told["posts"][0]["finding"], &told["posts"][0]["latest"]["views"]),
        (&"missing".into(), &4_204.into())
    );
    project.run(&["forget", "clip", "direct"]).expect(0);
    assert_eq!(readings(&project), Vec::<Value>::new());
    assert!(!Serving::start(&project, &[]).get("/post-clip.html").contains("4204 views"));
}

#[test]
fn counts_come_in_other_shapes_too_and_what_is_none_is_not_told() {
    let server = server();
    let (project, _) = live(&server);
    let id = project.run(&["status", "--json"]).expect(0).json()["publications"][0]["remote_id"].clone();
    let counted = |counts: &str| {
        let id = id.as_str().expect("an id");
        let body = format!(
            r#"{{"data":{{"videos":[{{"id":"{id}",{counts}"new_field":{{}}}}],"more":1}},"error":{{"code":"ok","message":"","log_id":"L"}}}}"#
        );
        let action = Action::EffectThenStatus { code: 200, body: Some(body) };
        server.rehearsal.faults().add(Fault::next("video_query", action));
        project.run(&REFRESH).expect(0);
        readings(&project).pop()
    };
    assert_eq!(counted(""), None, "looked at, and nothing is told");
    let all = r#""view_count":"9007199254740993","like_count":-5,"comment_count":null,"share_count":7.0,"#;
    assert_eq!(counted(all), Some(json!([9_007_199_254_740_993_u64, null, null, 7])));
    let odd = r#""view_count":{"a":1},"like_count":true,"comment_count":1e300,"share_count":"many","#;
    assert_eq!(
        counted(odd),
        Some(json!([9_007_199_254_740_993_u64, null, null, 7])),
        "the last that was told"
    );
}

#[test]
fn a_watch_reads_them_when_it_is_time() {
    let project =
        Project::with("version: 1\naccounts:\n  brand: { platform: tiktok, mode: direct, audited: true }\n");
    let manifest = "id: clip\ntext: Clip\nmedia:\n  - file: clip.mp4\nto:\n  brand:\n    privacy: public\n";
    project.write("content/clip.yaml", manifest).medium("good.mp4", "content/clip.mp4");
    let now = |at: &str, command: &[&str]| {
        let at = format!("2027-01-01T{at}Z");
        project.run(&[&["--now", &at], command].concat()).expect(0)
    };
    let read = || {
        let told = project.run(&["insights", "--rehearse", "--json"]).expect(0).json();
        told["posts"][0]["readings"].as_array().map_or(0, Vec::len)
    };
    now("08:00", &["apply", "--rehearse", "--auto-approve"]);
    for (at, readings) in [("08:30", 0), ("09:10", 1), ("09:40", 1), ("10:20", 2)] {
        now(at, &["watch", "--rehearse", "--once"]);
        assert_eq!(read(), readings, "{at}");
    }
}

#[test]
fn what_cannot_be_told_is_said() {
    let server = server();
    let (project, _) = live(&server);
    for (arguments, code, says) in [
        (&["insights", "--csv", "--json"][..], 64, "--csv"),
        (&["insights", "--refresh", "--rehearse"], 64, "--refresh"),
        (&["insights", "clip"], 1, "nothing has been read of clip"),
        (&["insights", "other"], 1, "insights other --refresh"),
        (&["--now", "2027-01-01T00:00Z", "insights", "--refresh"], 64, "--now"),
    ] {
        let run = project.run(arguments).expect(code);
        assert!(run.stderr.contains(says), "{arguments:?}: {run:?}");
    }
    server.rehearsal.faults().add(Fault::next("video_query", Action::Status { code: 503, body: None }));
    let run = project.run(&["insights", "--refresh"]).expect(5);
    assert!(run.stderr.contains("run again later"), "{run:?}");
}
