//! What a CI service gets: a plan as Markdown, outputs of a step.

use std::fs;

use crate::support::Project;

/// A project whose texts and names would like to be more than text.
fn hostile() -> Project {
    let project = Project::new();
    project.medium("good.mp4", "content/@team `#1` & co.mp4");
    project.write(
        "content/one.yaml",
        "id: one\ntext: |\n  ```\n  @everyone GH-1 <img src=x>\n  </details>\nmedia:\n  - file: '@team `#1` & co.mp4'\nto:\n  direct:\n    privacy: self_only\n",
    );
    project.write("content/bad.yaml", "id: bad\nnonsense: true\nto:\n  drafts:\n");
    project
}

fn read(project: &Project, path: &str) -> String {
    fs::read_to_string(project.path(path)).unwrap_or_default()
}

#[test]
fn a_plan_goes_into_a_file_beside_what_is_printed() {
    let project = hostile();
    project.write("plan.md", "an older one");
    let document = project.run(&["plan", "--json", "--markdown-into", "plan.md"]).expect(1).json();
    let markdown = read(&project, "plan.md");
    let digest = document["digest"].as_str().expect("a digest");
    assert!(markdown.starts_with("<!-- gitcast -->\n## gitcast: 1 to publish\n"), "{markdown}");
    assert!(markdown.ends_with(&format!("```text\ngitcast apply --expect {digest}\n```\n")), "{markdown}");
    for part in [
        "````text\n```\n@everyone GH-1 <img src=x>\n</details>\n````\n",
        "- ``@team `#1` & co.mp4``: MP4, ",
        "`content/bad.yaml:2:1` `unknown-key`",
    ] {
        assert!(markdown.contains(part), "{part} in {markdown}");
    }
    let again =
        project.run(&["plan", "--rehearse", "--allow-delete", "--only", "one", "--markdown-into", "plan.md"]);
    assert!(again.expect(1).stdout.contains("one"));
    let rehearsed = read(&project, "plan.md");
    assert!(
        rehearsed.contains("\ngitcast apply --rehearse --allow-delete --only 'one' --expect sha256:"),
        "{rehearsed}"
    );
    let leftovers = project.files().into_keys().filter(|path| path.to_string_lossy().ends_with(".tmp"));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_plan_ends_with_the_command_that_carries_it_out() {
    let project = Project::new();
    project.direct("one").draft("two");
    project.run(&["plan", "--rehearse", "--max-new-posts", "5", "--markdown-into", "plan.md"]).expect(0);
    let markdown = read(&project, "plan.md");
    let command = markdown.lines().rfind(|line| line.starts_with("gitcast ")).expect("a command");
    let command: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(project.run(&command).expect(0).stdout.contains("1 published"));
    // Another one is not carried out by it.
    project.direct("three");
    project.run(&command).expect(10);
}

#[test]
fn a_plan_tells_of_decisions_and_logins() {
    let project = Project::new();
    project.draft("one");
    let reply = r#"{"access_token":"act.x","expires_in":60,"refresh_token":"rft.x","refresh_expires_in":61,"open_id":"o","scope":"video.upload"}"#;
    project.write("reply.json", reply);
    project.run(&["auth", "import", "drafts", "reply.json"]).expect(0);
    project.write(
        "content/resolutions/@org.yaml",
        "- post: one\n  account: drafts\n  pause: true\n  why: '@everyone, see #1'\n- post: one\n  account: drafts\n  retry: true\n",
    );
    project.run(&["plan", "--markdown-into", "plan.md"]);
    let markdown = read(&project, "plan.md");
    assert!(markdown.contains("\n### Logins\n\n- `drafts`: `"), "{markdown}");
    let decision = "\n### Decisions\n\n- `content/resolutions/@org.yaml:1` `one → drafts`: `paused until resumed` (carried-out)\n";
    assert!(markdown.contains(decision), "{markdown}");
    let in_code = |(at, _): (usize, &str)| {
        let line = markdown[..at].rfind('\n').map_or(0, |start| start + 1);
        markdown[line..at].matches('`').count() % 2 == 1
    };
    assert!(
        markdown.match_indices('@').count() > 3 && markdown.match_indices('@').all(in_code),
        "{markdown}"
    );
}

#[test]
fn a_plan_is_written_to_no_place_of_gitcasts_own() {
    let project = Project::new();
    project.draft("one").write("state/.gitkeep", "").write("elsewhere/x", "");
    std::os::unix::fs::symlink(project.path("content"), project.path("linked")).expect("a link");
    let before = project.files();
    for path in [
        "content/plan.md",
        "state/plan.md",
        "linked/one.yaml",
        "elsewhere/../content/plan.md",
        "gone/plan.md",
        "..",
    ] {
        let run = project.run(&["plan", "--markdown-into", path]).expect(64);
        assert!(run.stdout.is_empty(), "{path}: {}", run.stdout);
    }
    assert_eq!(project.files(), before);
    project.run(&["plan", "--markdown-into", "elsewhere/plan.md"]).expect(0);
    assert!(project.path("elsewhere/plan.md").exists());
}

#[test]
fn a_step_has_a_summary_and_outputs() {
    let mut project = hostile();
    let missing = project.run(&["plan", "--github"]).expect(64);
    assert!(missing.stderr.contains("GITHUB_OUTPUT"), "{}", missing.stderr);
    let (output, summary) = (project.path("output"), project.path("summary"));
    project.variable("GITHUB_OUTPUT", output.to_str().expect("UTF-8"));
    project.run(&["validate", "--github"]).expect(64);
    project.variable("GITHUB_STEP_SUMMARY", summary.to_str().expect("UTF-8"));
    project.write("summary", "what was there\n");

    let plan = project.run(&["plan", "--github", "--json", "--markdown-into", "plan.md"]).expect(1).json();
    let digest = plan["digest"].as_str().expect("a digest").to_owned();
    let outputs = outputs(&read(&project, "output"));
    let expected =
        [("changes", "1"), ("has-changes", "true"), ("digest", digest.as_str()), ("exit-code", "1")];
    assert_eq!(outputs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let markdown = read(&project, "plan.md");
    assert_eq!(read(&project, "summary"), format!("what was there\n{markdown}\n"));

    // What validate says is about content alone, and its annotations stay what they were.
    let run = project.run(&["validate", "--github", "--format", "github"]).expect(1);
    assert!(run.stdout.starts_with("::error file=content/bad.yaml,line=1,"), "{}", run.stdout);
    assert!(read(&project, "summary").contains("## gitcast: 2 manifests\n"), "{}", read(&project, "summary"));

    // However a run ends, its code is told.
    fs::remove_file(project.path("output")).expect("there");
    project.run(&["plan", "--github", "--only", "nobody"]).expect(64);
    assert_eq!(self::outputs(&read(&project, "output")), [("exit-code".to_owned(), "64".to_owned())]);
}

/// As the runner reads them: the lines between a name's two delimiters.
fn outputs(text: &str) -> Vec<(String, String)> {
    let (mut lines, mut outputs) = (text.lines(), Vec::new());
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").expect("a name and a delimiter");
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.push((name.to_owned(), value.join("\n")));
    }
    outputs
}
