//! Content is untrusted: whatever a post says, no output does harm. And secrets are in none.

use std::process::Command;

use crate::support::{Project, Run, Server};

const TEXT: &str = "\\e[31mred\\e]0;title\\a\\u202eevil\\u2028::error::pwned\\n::error file=x::pwned\\n  ::add-mask::x\\n##[command]y @everyone <script>alert(1)</script> ``` | `x`";

fn hostile(project: &Project) {
    project.write(
        "content/hostile.yaml",
        format!("id: hostile\ntext: \"{TEXT}\"\nmedia:\n  - file: hostile.mp4\nto:\n  direct:\n    privacy: self_only\n    text: \"{TEXT} 2\"\n"),
    );
    project.medium("good.mp4", "content/hostile.mp4");
    project.write(
        "content/broken.yaml",
        format!("id: broken\n\"{TEXT}\": 1\ntext: \"{TEXT}\"\nto:\n  \"{TEXT}\":\n"),
    );
}

fn harmless(what: &str, run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let bad = |c: char| {
            (c.is_control() && c != '\n')
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || matches!(c, '\u{2028}' | '\u{2029}')
        };
        assert!(!text.contains(bad), "{what}: {text:?}");
        for line in text.lines() {
            let line = line.trim_start();
            let ours = what.contains("github") && line.starts_with("::error file=content/");
            assert!(ours || !line.starts_with("::"), "{what}: {line}");
            assert!(!line.contains("##["), "{what}: {line}");
        }
    }
}

#[test]
fn hostile_text_is_harmless_in_every_output() {
    let server = Server::start();
    let project = server.project();
    hostile(&project);
    for command in [
        &["validate"][..],
        &["validate", "--format", "json"],
        &["validate", "--format", "github"],
        &["validate", "--format", "sarif"],
        &["plan"],
        &["plan", "--json"],
        &["apply", "--auto-approve"],
        &["status"],
        &["status", "--json"],
        &["log", "--requests"],
        &["log", "--json"],
        &["show", "hostile"],
        &["show", "hostile", "--json"],
        &["auth", "status"],
        &["doctor"],
    ] {
        let run = project.run(command);
        assert!([0, 1].contains(&run.code), "{command:?} {run:?}");
        harmless(&command.join(" "), &run);
    }
    assert_eq!(server.count(), 1);
    let feed = server.page("/");
    assert!(feed.contains("pwned"), "{feed}");
    assert!(!feed.contains("<script>alert"), "{feed}");
}

#[test]
fn no_secret_is_in_any_output_or_file() {
    let server = Server::start();
    let project = server.project();
    project.draft("one").direct("two");
    let secrets = {
        let grant = server.rehearsal.issue_grant("drafts").expect("grant");
        project.run_with_input(&["auth", "import", "drafts", "-"], &grant.to_string()).expect(0);
        let text = |key: &str| grant[key].as_str().expect("a token").to_owned();
        [text("access_token"), text("refresh_token"), "rehearsal-secret".to_owned()]
    };
    let mut outputs = Vec::new();
    for command in [
        &["-vv", "apply", "--auto-approve"][..],
        &["plan", "--json", "--out", "plan.json"],
        &["status", "--json"],
        &["log", "--json", "--requests"],
        &["log"],
        &["show", "one", "--json"],
        &["auth", "status", "--json"],
        &["doctor"],
    ] {
        let run = project.run(command).expect(0);
        assert!(
            !run.stdout.contains("upload_url") && !run.stdout.contains("sealed"),
            "{command:?}: {}",
            run.stdout
        );
        outputs.push((format!("{command:?}"), (run.stdout + &run.stderr).into_bytes()));
    }
    let key = std::fs::read_to_string(project.path("state/key")).expect("key");
    let files = project.files().into_iter().map(|(path, bytes)| (path.display().to_string(), bytes));
    for (name, bytes) in outputs.into_iter().chain(files) {
        for secret in secrets.iter().map(String::as_str).chain([key.trim()]) {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found || (name.ends_with("state/key") && secret == key.trim()), "{secret} is in {name}");
        }
    }
}

/// Far longer than a run takes, in seconds.
const PATIENCE: &str = "30";

#[test]
fn a_pipe_in_place_of_a_file_keeps_nobody_waiting() {
    for pipe in ["content/pipe.yaml", "content/gitcast.yaml"] {
        let project = Project::new();
        let path = project.path(pipe);
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        for arguments in [&["validate"][..], &["validate", "--json"], &["plan"]] {
            let program = project.command(arguments);
            let bounded = Command::new("timeout")
                .arg(PATIENCE)
                .arg(program.get_program())
                .args(arguments)
                .current_dir(project.path(""))
                .env("HOME", project.path("home"))
                .output();
            let run = Run::from(bounded.expect("the program starts"));
            assert_eq!(run.code, 1, "{pipe} {arguments:?} {run:?}");
        }
    }
}
