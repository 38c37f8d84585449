//! `adopt --generate`: an account's posts become manifests, and nothing is ever sent for them.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use gitcast::crash::{Point, VARIABLE};
use gitcast::domain::manifest::parse::parse;
use gitcast::domain::manifest::post::post;
use gitcast::domain::manifest::report::Report;
use gitcast::domain::manifest::{DesiredState, Post};
use gitcast::rehearsal::{AccountSetup, Action, Fault};
use jiff::tz::TimeZone;

use crate::support::{Project, Server};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
const GENERATE: [&str; 4] = ["adopt", "--generate", "direct", "--json"];
/// On a page of `video/list`.
const PAGE: usize = 20;
/// Unix milliseconds of the oldest post: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;
/// Nothing passes a place more often.
const PASSES_MAX: u32 = 40;

/// An audited creator, whose public posts are listed at once.
fn creator() -> Server {
    let audited = AccountSetup { moderation_ms: 0, ..AccountSetup::audited("direct") };
    Server::start_with(vec![audited, AccountSetup::new("drafts")])
}

fn project(server: &Server) -> Project {
    let project = server.project_of(&["direct"]);
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("yaml");
    project.write(
        "content/gitcast.yaml",
        yaml.replace("    mode: direct", "    audited: true\n    mode: direct"),
    );
    project
}

/// Posts made in the app, an hour apart. Their ids, oldest first.
fn had(server: &Server, count: usize) -> Vec<String> {
    let made = (0..count).map(|n| {
        let at = START + i64::try_from(n).expect("few") * 3_600_000;
        server.rehearsal.post_in_app("direct", &format!("Post {n}"), at).expect("made").to_string()
    });
    made.collect()
}

fn path(project: &Project, id: &str) -> PathBuf {
    project.path(&format!("content/adopted/tiktok-{id}.yaml"))
}

fn read(project: &Project, id: &str) -> Post {
    let bytes = fs::read(path(project, id)).expect("a manifest");
    let report = Report::new("content/a.yaml");
    let found = parse(&bytes, &report).and_then(|node| post(&node, &TimeZone::UTC, &report).post);
    found.unwrap_or_else(|| panic!("{id}: {:?}", report.into_diagnostics()))
}

/// Nothing is wrong, nothing is planned, and an apply sends nothing.
#[track_caller]
fn is_settled(server: &Server, project: &Project) {
    let (posts, requests) = (server.count(), server.rehearsal.requests().len());
    project.run(&["validate", "--deny-warnings"]).expect(0);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
    project.run(&APPLY).expect(0);
    assert_eq!((server.count(), server.rehearsal.requests().len()), (posts, requests));
}

#[test]
fn five_hundred_posts_become_manifests_and_the_plan_is_empty() {
    let server = creator();
    let project = project(&server);
    let ids = had(&server, 500);
    let made = project.run(&GENERATE).expect(0).json();
    assert_eq!(server.requests("video_list"), ids.len().div_ceil(PAGE));
    assert_eq!(server.rehearsal.requests().len(), server.requests("video_list"), "nothing else is asked for");
    assert_eq!(made["adopted"].as_array().map(Vec::len), Some(ids.len()), "{made}");
    assert_eq!((&made["known"], &made["complete"], &made["error"]), (&0.into(), &true.into(), &().into()));
    let states = project.states(&[]);
    assert_eq!(states.len(), ids.len());
    assert!(states.iter().all(|line| line.ends_with("@direct published")), "{states:?}");
    for (n, id) in ids.iter().enumerate() {
        let post = read(&project, id);
        assert_eq!((post.id.value.as_str(), post.state), (&*format!("tiktok-{id}"), DesiredState::Adopted));
        assert_eq!(post.text.map(|text| text.value), Some(format!("Post {n}")));
        let hours = START / 1_000 + i64::try_from(n).expect("few") * 3_600;
        assert_eq!(post.publish_at.map(|at| at.value.as_second()), Some(hours));
    }
    is_settled(&server, &project);
    let link = format!("/@direct/video/{}", ids[0]);
    let id = format!("tiktok-{}", ids[0]);
    assert!(project.run(&["show", &id]).expect(0).stdout.contains(&link));

    project.run(&["preview", "--out", "site"]).expect(0);
    let page = fs::read_dir(project.path("site")).expect("pages").filter_map(Result::ok);
    assert!(page.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains(&id)));

    // Who takes it over has not asked for it to be published once more.
    let taken = fs::read_to_string(path(&project, &ids[2])).expect("yaml");
    project.medium("good.mp4", "content/adopted/a.mp4");
    let own = taken
        .replace("state: adopted", "media:\n  - file: a.mp4")
        .replace("direct:", "direct:\n    privacy: public");
    fs::write(path(&project, &ids[2]), own).expect("written");
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    let id = format!("tiktok-{}", ids[2]);
    let change = plan["changes"].as_array().expect("a list").iter().find(|change| change["post"] == *id);
    assert_eq!(change.expect("planned")["action"], "diverged");
    project.run(&APPLY).expect(0);
    assert_eq!(server.count(), ids.len());
    fs::write(path(&project, &ids[2]), taken).expect("written");

    // Once more, nothing is new; what a person has removed stays away.
    fs::remove_file(path(&project, &ids[1])).expect("removed");
    let before = project.files();
    let again = project.run(&GENERATE).expect(0).json();
    assert_eq!((&again["adopted"], &again["known"]), (&serde_json::json!([]), &500.into()));
    let content = |files: &std::collections::BTreeMap<PathBuf, Vec<u8>>| {
        let mut files = files.clone();
        files.retain(|path, _| path.starts_with(project.path("content")));
        files
    };
    assert_eq!(content(&before), content(&project.files()));
    is_settled(&server, &project);
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let server = creator();
    let project = project(&server);
    let ids = had(&server, 45);
    let some = project.run(&["adopt", "--generate", "direct", "--limit", "5", "--json"]).expect(0).json();
    assert_eq!((some["adopted"].as_array().map(Vec::len), &some["complete"]), (Some(5), &false.into()));
    assert!(path(&project, &ids[44]).exists() && !path(&project, &ids[39]).exists(), "the newest first");
    for (action, code) in [
        (Action::Status { code: 429, body: None }, 5),
        (Action::Status { code: 503, body: None }, 5),
        (Action::CutBeforeRead, 5),
        (Action::ExpireAccessToken, 6),
    ] {
        let fault = Fault { nth: 2, ..Fault::next("video_list", action) };
        server.rehearsal.faults().add(fault);
        let run = project.run(&GENERATE).expect(code);
        let made = run.json();
        assert_eq!((&made["pages"], &made["complete"]), (&1.into(), &false.into()), "{made}");
        assert!(made["error"].as_str().is_some_and(|error| error.contains("again")), "{made}");
        project.run(&["plan", "--detailed-exitcode"]).expect(0);
    }
    project.run(&["auth", "refresh", "--force", "direct"]).expect(0);
    let rest = project.run(&GENERATE).expect(0).json();
    assert_eq!((&rest["known"], &rest["complete"]), (&20.into(), &true.into()), "{rest}");
    assert_eq!(project.states(&[]).len(), ids.len());
    is_settled(&server, &project);
}

/// A run that dies at one place, and the next one. Whether it died.
fn dies(point: Point, nth: u32) -> bool {
    let what = format!("{point:?} passing {nth}");
    let server = creator();
    let project = project(&server);
    let ids = had(&server, 45);
    let mut command = project.command(&GENERATE);
    let output = command.env(VARIABLE, format!("{}:{nth}", point.as_str())).output().expect("it starts");
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.code() == Some(0), "{what}: {output:?}");
    // Whatever was written and not recorded, or the other way round: nobody would publish it.
    is_settled(&server, &project);
    let rest = project.run(&GENERATE).expect(0).json();
    assert_eq!(rest["left_out"], serde_json::json!([]), "{what}: {rest}");
    assert_eq!(project.states(&[]).len(), ids.len(), "{what}");
    assert!(ids.iter().all(|id| read(&project, id).state == DesiredState::Adopted), "{what}");
    is_settled(&server, &project);
    killed
}

#[test]
fn a_run_dies_anywhere_and_nothing_is_published() {
    for point in Point::ALL {
        let killed = (1..=PASSES_MAX).take_while(|nth| dies(point, *nth)).count();
        // Each of three pages is a request, and two commits.
        let passes = if matches!(point, Point::BeforeRequest | Point::AfterAnswer) { 3 } else { 6 };
        assert_eq!(killed, passes, "{point:?}");
    }
}

#[test]
fn a_hostile_caption_is_only_a_text() {
    let server = creator();
    let project = project(&server);
    let captions = [
        "\"\nstate: present\nto: {drafts: }\n#",
        "'\n---\nid: other\nto: {direct: {privacy: public}}",
        "\u{1b}[2J\u{202e}\u{0}\u{feff}\u{85}\u{2028}",
        "a\r\nb\r- c: [",
        "&a *b !!python/object <<: {{ ${HOME} }} % @ `",
        "null",
        "",
        &"\\\"\n".repeat(200),
    ];
    let ids: Vec<_> = captions
        .iter()
        .zip(0..)
        .map(|(text, n)| server.rehearsal.post_in_app("direct", text, START + n).expect("made").to_string())
        .collect();
    let run = project.run(&["adopt", "--generate", "direct", "--why", "we \u{1b}[31mbegin"]).expect(0);
    assert!(run.stdout.contains("8 adopted") && !run.stdout.contains('\u{1b}'), "{run:?}");
    for (caption, id) in captions.iter().zip(&ids) {
        let post = read(&project, id);
        // TikTok tells no more than that.
        let told: String = caption.chars().take(150).collect();
        assert_eq!(post.text.map(|text| text.value).unwrap_or_default(), told);
        let accounts: Vec<_> = post.targets.iter().map(|target| target.account.value.as_str()).collect();
        assert_eq!((accounts, post.state), (vec!["direct"], DesiredState::Adopted));
    }
    assert_eq!(fs::read_dir(project.path("content/adopted")).expect("folder").count(), captions.len());
    is_settled(&server, &project);
    let log = project.run(&["log"]).expect(0).stdout;
    assert!(log.contains("found among the account's posts") && !log.contains('\u{1b}'), "{log}");
}

/// A public post of ours.
fn public(project: &Project, id: &str, text: &str) {
    project.direct(id);
    let yaml = fs::read_to_string(project.path(&format!("content/{id}.yaml"))).expect("yaml");
    let yaml = yaml.replace("self_only", "public").replace(&format!("The text of {id}"), text);
    project.write(&format!("content/{id}.yaml"), yaml);
}

#[test]
fn what_the_ledger_knows_is_not_adopted_and_what_is_adopted_is_not_published_once_more() {
    let server = creator();
    let project = project(&server);
    let ids = had(&server, 3);
    public(&project, "ours", "Ours");
    project.run(&APPLY).expect(0);
    // Bound by its address alone.
    public(&project, "bound", "Post 0");
    let url = format!("https://www.tiktok.com/@direct/video/{}?x=1", ids[0]);
    project.run(&["adopt", "bound", "direct", "--published", &url]).expect(0);
    let made = project.run(&GENERATE).expect(0).json();
    assert_eq!((made["adopted"].as_array().map(Vec::len), &made["known"]), (Some(2), &2.into()), "{made}");
    is_settled(&server, &project);

    // The creator has just posted this; it is adopted, and then somebody writes a manifest of the same.
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("small");
    server.rehearsal.post_in_app("direct", "Launch day", now - 60_000).expect("made");
    project.run(&GENERATE).expect(0);
    public(&project, "launch", "Launch day");
    let count = server.count();
    let run = project.run(&APPLY).expect(3);
    assert!(run.stdout.contains("was not published from here"), "{run:?}");
    assert_eq!(server.count(), count);
}

#[test]
fn nothing_is_adopted_while_a_post_of_ours_may_be_among_them() {
    let server = creator();
    let project = project(&server);
    project.write(
        "content/one.yaml",
        "id: one\ntext: One\nmedia:\n  - url: https://media.example.com/a.jpg\nto:\n  direct:\n    privacy: public\n",
    );
    // It is there, and nobody knows.
    server.rehearsal.faults().add(Fault::next("content_init", Action::EffectThenCut));
    project.run(&["apply", "--auto-approve", "--max-wait", "0s"]).expect(5);
    assert_eq!(project.states(&[]), ["one@direct unresolved"]);
    let made = project.run(&GENERATE).expect(5).json();
    assert_eq!((&made["pages"], &made["adopted"]), (&0.into(), &serde_json::json!([])), "{made}");
    assert!(made["error"].as_str().is_some_and(|error| error.contains("gitcast apply")), "{made}");
    assert!(!project.path("content/adopted").exists());
}

#[test]
fn other_files_and_other_posts_are_left_as_they_are() {
    let server = creator();
    let project = project(&server);
    let ids = had(&server, 4);
    project.write(
        &format!("content/adopted/tiktok-{}.yaml", ids[0]),
        "id: mine\ntext: t\nto: {direct: }\nstate: adopted\n",
    );
    project.write("content/other.yaml", format!("id: tiktok-{}\nstate: deleted\nto: {{direct: }}\n", ids[1]));
    project.write("content/broken.yaml", format!("id: tiktok-{}\nnonsense: true\n", ids[2]));
    // Left behind by a run that died.
    project.write(&format!("content/adopted/.tiktok-{}.yaml.tmp", ids[3]), "id: tik");
    let made = project.run(&GENERATE).expect(1).json();
    assert_eq!(made["adopted"].as_array().map(Vec::len), Some(1), "{made}");
    assert_eq!(made["left_out"].as_array().map(Vec::len), Some(3), "{made}");
    assert_eq!(read(&project, &ids[3]).text.map(|text| text.value).as_deref(), Some("Post 3"));
    let left: Vec<_> = fs::read_dir(project.path("content/adopted")).expect("folder").collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(fs::read_to_string(path(&project, &ids[0])).expect("file").starts_with("id: mine"));

    // Nothing is written by way of a link.
    let elsewhere = project.path("elsewhere");
    fs::remove_dir_all(project.path("content/adopted")).expect("removed");
    fs::create_dir(&elsewhere).expect("folder");
    std::os::unix::fs::symlink(&elsewhere, project.path("content/adopted")).expect("link");
    had(&server, 1);
    let run = project.run(&["adopt", "--generate", "direct"]).expect(1);
    assert!(run.stderr.contains("cannot be written"), "{run:?}");
    assert_eq!(fs::read_dir(&elsewhere).expect("folder").count(), 0);
}

#[test]
fn what_cannot_be_asked_for_is_said_before_anything_is_asked() {
    let unlisted = AccountSetup {
        scopes: vec!["user.info.basic".into(), "video.publish".into()],
        ..AccountSetup::audited("direct")
    };
    let sky = AccountSetup::bluesky("sky", "sky.example");
    let server = Server::start_with(vec![unlisted, AccountSetup::new("drafts"), sky]);
    let project = server.project_of(&["direct", "sky"]);
    for (arguments, code, says) in [
        (&["adopt", "--generate", "direct"][..], 6, "video.list"),
        (&["adopt", "--generate", "drafts"], 6, "auth login drafts"),
        (&["adopt", "--generate", "sky"], 1, "gitcast adopt ID ACCOUNT"),
        (&["adopt", "--generate", "nobody"], 1, "no account nobody"),
        (&["adopt", "--generate", "direct", "--only", "x"], 64, "--only"),
        (&["adopt", "--generate", "direct", "--limit", "0"], 64, "--limit"),
        (&["adopt", "--generate", "direct", "--rehearse"], 64, "--rehearse"),
        (&["adopt", "--generate", "direct", "one", "direct"], 64, "--generate"),
        (&["adopt", "--limit", "3", "one", "direct", "--remote-id", "7"], 64, "--limit"),
        (&["adopt"], 64, "--generate"),
    ] {
        let run = project.run(arguments).expect(code);
        assert!(run.stderr.contains(says), "{arguments:?}: {run:?}");
    }
    assert_eq!(server.rehearsal.requests().len(), 0);
    let nowhere = Project::new();
    nowhere.run(&GENERATE).expect(6);
    assert!(!nowhere.path("state").exists() && !nowhere.path("content/adopted").exists());
}
