//! `gitcast new`: what it writes is valid at once, and nothing is written over.

use std::fs;

use crate::support::{ACCOUNTS, Project, Server};

const ALL: &str = "version: 1
accounts:
  drafts:
    platform: tiktok
  direct:
    platform: tiktok
    mode: direct
  sky:
    platform: bluesky
    handle: brand.bsky.social
  toot:
    platform: mastodon
    handle: \"@brand@example.social\"
";

fn read(project: &Project, path: &str) -> String {
    fs::read_to_string(project.path(path)).expect("a file")
}

#[test]
fn a_new_post_is_valid_on_each_account_and_goes_nowhere_yet() {
    for (arguments, accounts, has_media) in [
        (&[][..], 4, true),
        (&["--account", "drafts"], 1, true),
        (&["--account", "direct"], 1, true),
        (&["--account", "sky"], 1, false),
        (&["--account", "toot", "--account", "sky", "--account", "toot"], 2, false),
        (&["--account", "toot", "--account", "direct"], 2, true),
    ] {
        let project = Project::with(ALL);
        project.run(&[&["new", "launch"], arguments].concat()).expect(0);
        project.run(&["validate", "--deny-warnings"]).expect(0);
        assert_eq!(project.path("content/launch.mp4").exists(), has_media, "{arguments:?}");
        let plan = project.run(&["plan", "--json", "--detailed-exitcode"]).expect(0).json();
        let changes = plan["changes"].as_array().expect("a list");
        assert_eq!(changes.len(), accounts, "{arguments:?}");
        assert!(changes.iter().all(|change| change["action"] == "wait"), "{plan}");
        let schema = project.run(&["schema"]).expect(0).stdout;
        assert!(
            read(&project, "content/launch.yaml")
                .starts_with("# yaml-language-server: $schema=.schema/manifest.json\n")
        );
        assert_eq!(read(&project, "content/.schema/manifest.json"), schema);
    }
}

#[test]
fn a_time_is_checked_and_kept_as_it_was_written() {
    let project = Project::new();
    for (id, at) in
        [("a", "2098-12-01T09:00"), ("b", "2098-12-01T09:00+02:00"), ("c", "2098-12-01T09:00[Europe/Berlin]")]
    {
        project.run(&["new", id, "--at", at]).expect(0);
        assert!(read(&project, &format!("content/{id}.yaml")).contains(&format!("\npublish_at: {at}\n")));
    }
    project.run(&["validate"]).expect(0);
    let before = project.files();
    // Neither a time that the clocks skip, nor more YAML, is a time.
    for at in ["tomorrow", "2098-03-30T02:30", "2098-12-01T09:00\nstate: deleted", ""] {
        let run = project.run(&["new", "d", "--at", at]).expect(64);
        assert!(run.stderr.contains("--at"), "{}", run.stderr);
    }
    assert_eq!(project.files(), before);
}

#[test]
fn nothing_is_written_over_and_no_id_is_taken_twice() {
    let server = Server::start();
    let project = server.project();
    project
        .draft("one")
        .draft("gone")
        .write("content/taken.yaml", "id: other\n")
        .medium("good.mp4", "content/mine.mp4");
    project.write("content/broken.yaml", "id: broken\nnonsense: true\n");
    project.run(&["apply", "--auto-approve"]);
    fs::remove_file(project.path("content/gone.yaml")).expect("there");
    let before = project.files();
    for (id, why) in [
        ("one", "already, in content/one.yaml"),
        ("gone", "recorded from content/gone.yaml"),
        ("taken", "was left as it is"),
        ("broken", "already"),
        ("gitcast", "was left as it is"),
        ("accounts.lock", "a file of another kind"),
        ("../x", ""),
        ("a/b", ""),
    ] {
        let run = project.run(&["new", id]).expect(64);
        assert!(run.stderr.contains(why), "{id}: {}", run.stderr);
    }
    project.run(&["new", "two", "--account", "nobody"]).expect(64);
    assert_eq!(project.files(), before);
    // A video that was there is the post's.
    let video = fs::read(project.path("content/mine.mp4")).expect("a file");
    let written = project.run(&["new", "mine", "--json"]).expect(0).json();
    assert_eq!(written["files"][1]["outcome"], "kept");
    assert_eq!(fs::read(project.path("content/mine.mp4")).expect("a file"), video);
    let nowhere = Project::empty();
    assert!(nowhere.run(&["new", "one"]).expect(1).stderr.contains("gitcast init"));
    assert!(nowhere.files().is_empty());
}

#[test]
fn names_that_mean_something_to_yaml_are_names() {
    let project = Project::with(&ACCOUNTS.replace("  drafts:", "  \"null\":"));
    for id in ["null", "true", "1e3", "017", "NULL", "no"] {
        project.run(&["new", id, "--account", "null"]).expect(0);
        let plan = project.run(&["plan", "--json", "--only", id]).expect(0).json();
        assert_eq!(plan["changes"][0]["post"], id, "{plan}");
    }
    // What is there is there, whatever becomes of it.
    project.write("content/video.mp4", "no video");
    assert!(
        project.run(&["new", "video", "--account", "null"]).expect(1).stderr.contains("content/video.yaml")
    );
}
