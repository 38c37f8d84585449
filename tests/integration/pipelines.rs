//! The pipelines that `init` writes and the action beside the sources: their form, and what their shell does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Project, Run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).expect("a file")).expect("YAML")
}

fn action() -> Value {
    yaml(&Path::new(ROOT).join("action.yml"))
}

/// A project as `init` leaves it, with the program on the PATH of its shells; `apply` rehearses there.
struct Machine {
    project: Project,
}

impl Machine {
    fn new(ci: &str) -> Machine {
        let project = Project::empty();
        project.run(&["init", "--ci", ci]).expect(0);
        let program = env!("CARGO_BIN_EXE_gitcast");
        let script = format!(
            "#!/bin/sh\nfor word; do if [ \"$word\" = apply ]; then exec '{program}' \"$@\" --rehearse; fi; done\nexec '{program}' \"$@\"\n"
        );
        project.write("bin/gitcast", script);
        fs::set_permissions(project.path("bin/gitcast"), fs::Permissions::from_mode(0o755))
            .expect("executable");
        project.write("temp/x", "");
        // What is proposed: all of content.
        for command in [
            &["init", "-q"][..],
            &["commit", "-q", "--allow-empty", "-m", "before"],
            &["add", "content"],
            &["commit", "-q", "-m", "proposal"],
        ] {
            project.git(&[&["-c", "user.name=Ann", "-c", "user.email=a@example.com"], command].concat());
        }
        Machine { project }
    }

    /// Somebody proposes more.
    fn propose(&self, path: &str, text: &str) {
        self.project.write(path, text).git(&["add", "content"]);
        let who = ["-c", "user.name=Ann", "-c", "user.email=a@example.com"];
        self.project.git(&[&who[..], &["commit", "-q", "-m", "more"]].concat());
    }

    fn shell(&self, script: &str, variables: &[(&str, &str)]) -> Run {
        let path = |name: &str| self.project.path(name).to_str().expect("UTF-8").to_owned();
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .current_dir(self.project.path(""));
        command.env_clear().env("HOME", path("home"));
        command.env("PATH", format!("{}:/usr/bin:/bin", path("bin")));
        for (name, file) in
            [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary"), ("RUNNER_TEMP", "temp")]
        {
            command.env(name, path(file));
        }
        command.envs(variables.iter().copied()).output().expect("bash starts").into()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.project.path(path)).unwrap_or_default()
    }
}

fn steps(job: &Value) -> &Vec<Value> {
    job["steps"].as_array().expect("a list")
}

fn step<'a>(job: &'a Value, key: &str, name: &str) -> &'a Value {
    steps(job).iter().find(|step| step[key] == name).unwrap_or_else(|| panic!("no step {name}"))
}

fn script(step: &Value) -> &str {
    step["run"].as_str().expect("a script")
}

/// What nobody may find in a workflow: text that is put into a script, and an action that may change under us.
fn assert_pinned_and_not_interpolated(steps: &[Value]) {
    for step in steps {
        for script in [&step["run"], &step["with"]["script"]].into_iter().filter_map(Value::as_str) {
            assert!(!script.contains("${{"), "{script}");
        }
        if let Some(uses) = step["uses"].as_str().filter(|uses| *uses != "./.gitcast") {
            let commit = uses.split('@').nth(1).expect("a version");
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{uses}");
            assert!(uses.starts_with("actions/"), "{uses} is not GitHub's own");
        }
    }
}

#[test]
fn the_workflow_gives_away_nothing() {
    let machine = Machine::new("github");
    let workflow = yaml(&machine.project.path(".github/workflows/gitcast.yml"));
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    let events: Vec<&String> = workflow["on"].as_object().expect("events").keys().collect();
    // Not pull_request_target, which would run what a stranger wrote with our secrets.
    assert_eq!(events, ["pull_request", "push", "schedule", "workflow_dispatch"]);
    let (plan, apply) = (&workflow["jobs"]["plan"], &workflow["jobs"]["apply"]);
    assert_pinned_and_not_interpolated(steps(plan));
    assert_pinned_and_not_interpolated(steps(apply));
    assert_pinned_and_not_interpolated(action()["runs"]["steps"].as_array().expect("a list"));
    assert_eq!(plan["permissions"], serde_json::json!({ "contents": "read", "pull-requests": "write" }));
    // The ledger is pushed.
    assert_eq!(apply["permissions"], serde_json::json!({ "contents": "write" }));
    assert!(!plan.to_string().contains("secrets."), "{plan}");
    assert_eq!(apply["concurrency"]["cancel-in-progress"], false);
    let given = step(apply, "name", "Apply")["env"].as_object().expect("variables");
    let secrets: Vec<&String> = given.keys().collect();
    assert_eq!(secrets, ["TIKTOK_CLIENT_KEY", "TIKTOK_CLIENT_SECRET", "GITCAST_KEY"]);
}

#[test]
fn the_workflow_plans_and_applies() {
    let machine = Machine::new("github");
    let workflow = yaml(&machine.project.path(".github/workflows/gitcast.yml"));
    let (plan, apply) = (&workflow["jobs"]["plan"], &workflow["jobs"]["apply"]);
    let source = script(step(plan, "name", "Know where gitcast comes from"));
    machine.shell(source, &[("GITCAST_SOURCE", "a/b"), ("GITCAST_VERSION", "v1")]).expect(0);
    assert!(machine.shell(source, &[("GITCAST_SOURCE", "")]).expect(1).stdout.starts_with("::error file="));
    for name in ["Validate", "Plan", "Preview"] {
        machine.shell(script(step(plan, "name", name)), &[]).expect(0);
    }
    let comment = machine.read("temp/plan.md");
    assert!(comment.starts_with("<!-- gitcast -->\n## gitcast: 1 new\n"), "{comment}");
    assert!(
        comment.contains("| `hello` | `my-tiktok` (tiktok) |") && comment.contains("hello.mp4"),
        "{comment}"
    );
    assert!(
        machine.read("summary").contains(&comment)
            && machine.project.path("temp/preview/index.html").exists()
    );
    assert!(machine.read("output").contains("has-changes<<"));
    let run = machine.shell(script(step(apply, "name", "Apply")), &[]).expect(0);
    assert!(run.stdout.contains("1 delivered"), "{}", run.stdout);
    // An error in content is in the comment, and the check fails.
    machine.propose("content/bad.yaml", "id: bad\nnonsense: true\n");
    machine.shell(script(step(plan, "name", "Plan")), &[]).expect(1);
    assert!(machine.read("temp/plan.md").contains("content/bad.yaml:2:1"));
}

#[test]
fn the_action_runs_its_command_with_its_arguments() {
    let machine = Machine::new("github");
    let action = action();
    let run = script(step(&action["runs"], "id", "run"));
    let markdown = machine.project.path("temp/gitcast-plan.md");
    let with = |command: &str, arguments: &str| {
        let _ = fs::remove_file(machine.project.path("output"));
        let markdown = markdown.to_str().expect("UTF-8");
        machine.shell(run, &[("COMMAND", command), ("ARGUMENTS", arguments), ("MARKDOWN", markdown)])
    };
    with("validate", "").expect(0);
    with("plan", "--rehearse\n--only\nhello").expect(0);
    assert!(
        machine.read("temp/gitcast-plan.md").contains("gitcast apply --rehearse --only 'hello' --expect")
    );
    // One line is one argument, whatever it says.
    let run = with("plan", "--rehearse\n--only\n$(touch pwned); touch pwned").expect(64);
    assert!(
        run.stderr.contains("$(touch pwned)") && !machine.project.path("pwned").exists(),
        "{}",
        run.stderr
    );
    with("apply", "").expect(0);
    assert_eq!(machine.read("output"), "exit-code=0\n");
    with("apply", "--max-new-posts\nmany").expect(64);
    assert_eq!(machine.read("output"), "exit-code=64\n");
    assert!(with("appply", "").expect(64).stdout.starts_with("::error::"));

    let source = step(&action["runs"], "id", "source");
    let _ = fs::remove_file(machine.project.path("output"));
    machine.project.write("bin/rustc", "#!/bin/sh\necho rustc 1.95.0\n");
    fs::set_permissions(machine.project.path("bin/rustc"), fs::Permissions::from_mode(0o755))
        .expect("executable");
    machine.shell(script(source), &[("SOURCE", ROOT)]).expect(0);
    let output = machine.read("output");
    let key = output.lines().find_map(|line| line.strip_prefix("key=")).expect("a key");
    assert!(key.len() == 81 && key.split('-').all(|part| part.len() == 40), "{output}");
    let named: Vec<&str> =
        output.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert_eq!(named, ["key", "root", "markdown"]);
}

#[test]
fn the_pipeline_for_gitlab_plans_and_applies() {
    let machine = Machine::new("gitlab");
    assert!(!machine.project.path(".github").exists());
    let pipeline = yaml(&machine.project.path(".gitlab-ci.yml"));
    let (plan, apply) = (&pipeline["gitcast-plan"], &pipeline["gitcast-apply"]);
    let lines = |list: &Value| -> String {
        list.as_array()
            .expect("a list")
            .iter()
            .map(|line| format!("{}\n", line.as_str().expect("text")))
            .collect()
    };
    let base = ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "HEAD~1");
    machine.shell(&lines(&plan["script"]), &[base]).expect(0);
    assert!(machine.read("plan.md").starts_with("<!-- gitcast -->\n## gitcast: 1 new\n"));
    assert!(machine.project.path("preview/index.html").exists());
    let run = machine.shell(&lines(&apply["script"]), &[]).expect(0);
    assert!(run.stdout.contains("1 delivered"), "{}", run.stdout);
    assert_eq!((&apply["resource_group"], &apply["interruptible"]), (&"gitcast-apply".into(), &false.into()));
    // What merge requests run is told to install gitcast first, and fails with content.
    assert!(machine.shell(&lines(&plan["before_script"]), &[]).expect(1).stdout.contains("GITCAST_SOURCE"));
    machine.propose("content/bad.yaml", "id: bad\nnonsense: true\n");
    machine.shell(&lines(&plan["script"]), &[base]).expect(1);
    assert!(machine.read("plan.md").contains("content/bad.yaml:2:1"));
}

#[test]
fn the_hook_of_pre_commit_runs_what_there_is() {
    let hooks = yaml(&Path::new(ROOT).join(".pre-commit-hooks.yaml"));
    let [hook] = &hooks.as_array().expect("a list")[..] else { panic!("{hooks}") };
    let machine = Machine::new("github");
    machine.shell(hook["entry"].as_str().expect("a command"), &[]).expect(0);
    machine.project.write("content/bad.yaml", "id: bad\n");
    machine.shell(hook["entry"].as_str().expect("a command"), &[]).expect(1);
    assert_eq!((&hook["language"], &hook["pass_filenames"]), (&"rust".into(), &false.into()));
}
