//! The other commands, and the agreement of help, README and behaviour.

use std::fs;

use serde_json::Value;

use crate::support::{Project, Server};

#[test]
fn a_project_made_by_init_validates_and_rehearses() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    let yaml = fs::read_to_string(project.path("content/gitcast.yaml")).expect("written");
    assert!(yaml.lines().any(|line| line.starts_with("lineage: ")), "{yaml}");
    project.run(&["validate", "--deny-warnings"]).expect(0);
    assert!(project.path("state/ledger.db").exists());
    project.run(&["apply", "--rehearse", "--auto-approve"]).expect(0);
    assert_eq!(project.states(&["--rehearse"]).len(), 1);
    assert_eq!(project.states(&[]).len(), 0);
    let before = project.files();
    project.run(&["init"]).expect(0);
    assert!(before == project.files(), "a second init changes nothing");
}

#[test]
fn the_schema_is_json_and_knows_every_documented_key() {
    let project = Project::new();
    let manifest = project.run(&["schema"]).expect(0).json().to_string();
    for key in [
        "publish_at",
        "revision",
        "privacy",
        "allow",
        "disclosure",
        "ai_generated",
        "cover_ms",
        "auto_music",
        "alt",
    ] {
        assert!(manifest.contains(&format!("\"{key}\"")), "{key}");
    }
    let gitcast = project.run(&["schema", "project"]).expect(0).json().to_string();
    for key in [
        "timezone",
        "audited",
        "endpoint",
        "media_base_url",
        "max_age",
        "max_new_posts",
        "client_key_env",
        "lineage",
    ] {
        assert!(gitcast.contains(&format!("\"{key}\"")), "{key}");
    }
    let accounts = project.run(&["schema", "accounts"]).expect(0).json().to_string();
    for key in ["read_on", "scopes", "privacy", "disabled", "video_seconds_max", "audited", "media_prefixes"]
    {
        assert!(accounts.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn the_doctor_finds_a_changed_entry() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert!(project.run(&["doctor"]).expect(0).stdout.contains("chain and views verified"));
    let path = project.path("state/ledger.db");
    let bytes = fs::read(&path).expect("ledger");
    let text = b"\"delivered\"";
    let at = bytes.windows(text.len()).position(|window| window == text).expect("an event");
    let mut changed = bytes;
    changed[at + 1..at + 10].copy_from_slice(b"published");
    fs::write(&path, changed).expect("tampered");
    let doctor = project.run(&["doctor"]).expect(12);
    assert!(doctor.stdout.contains("bad"), "{}", doctor.stdout);
}

#[test]
fn documents_carry_the_promised_names() {
    let server = Server::start();
    let project = server.project();
    project.draft("one").draft("two");
    project.run(&["apply", "--auto-approve", "--only", "one"]).expect(0);
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    for key in ["format_version", "digest", "changes", "publications", "diagnostics"] {
        assert!(!plan[key].is_null(), "{key}");
    }
    let status = project.run(&["status", "--json"]).expect(0).json();
    let named = |document: &Value| {
        for publication in document["publications"].as_array().expect("a list") {
            for key in [
                "post",
                "account",
                "platform",
                "state",
                "reason",
                "digest",
                "remote_id",
                "remote_url",
                "next_at",
                "attempts",
            ] {
                assert!(
                    publication.as_object().expect("an object").contains_key(key),
                    "{key}: {publication}"
                );
            }
        }
    };
    named(&plan);
    named(&status);
    assert_eq!(
        (plan["publications"].as_array().map(Vec::len), status["publications"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );
    project.write("content/bad.yaml", "id: x\nwhat: 1\n");
    let validate = project.run(&["validate", "--format", "json"]).expect(1).json();
    let diagnostic = validate["diagnostics"][0].as_object().expect("one");
    for key in ["severity", "code", "message", "path", "line", "column", "end_line", "end_column", "help"] {
        assert!(diagnostic.contains_key(key), "{key}");
    }
}

#[test]
fn selecting_narrows_what_is_done() {
    let server = Server::start();
    let project = server.project();
    project.draft("one").draft("two").direct("three");
    let ids = |arguments: &[&str]| {
        let plan = project.run(&[&["plan", "--json"], arguments].concat()).expect(0).json();
        let changes = plan["changes"].as_array().expect("a list").clone();
        changes
            .iter()
            .map(|c| c["post"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(ids(&["--only", "one"]), "one");
    assert_eq!(ids(&["--only", "direct"]), "three");
    assert_eq!(ids(&["--exclude", "drafts"]), "three");
    assert_eq!(ids(&["--only", "t*.yaml"]), "three two");
    assert_eq!(ids(&["--only", "content/two.yaml", "--only", "one"]), "one two");
    assert_eq!(ids(&["--only", "tiktok", "--exclude", "one"]), "three two");
}

#[test]
fn wrong_usage_is_64_and_help_is_not() {
    let project = Project::new();
    project.run(&["aply"]).expect(64);
    project.run(&["apply", "--nonsense"]).expect(64);
    project.run(&["apply", "--now", "2026-01-01T00:00:00Z"]).expect(64);
    project.run(&["--help"]).expect(0);
    project.run(&["--version"]).expect(0);
    project.run(&["completions", "bash"]).expect(0);
}

/// Where there is systemd, it has no complaint.
#[test]
fn the_readmes_service_is_one_that_systemd_takes() {
    let readme = include_str!("../../README.md");
    let unit = readme.split_once("```ini\n").and_then(|(_, rest)| rest.split_once("```")).expect("a unit").0;
    assert!(unit.contains("Type=notify") && unit.contains("WatchdogSec="), "{unit}");
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("gitcast.service");
    // The program need not be installed for this.
    let unit = unit.replace("/usr/local/bin/gitcast", env!("CARGO_BIN_EXE_gitcast"));
    std::fs::write(&path, unit).expect("unit");
    let Ok(output) = std::process::Command::new("systemd-analyze").arg("verify").arg(&path).output() else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints: Vec<_> = said.lines().filter(|line| line.contains("gitcast.service")).collect();
    assert!(complaints.is_empty(), "{said}");
}

#[test]
fn the_readme_names_every_command_and_every_command_has_help() {
    let project = Project::new();
    let readme = include_str!("../../README.md");
    let help = project.run(&["--help"]).expect(0).stdout;
    let commands =
        help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    let names: Vec<_> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 14, "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("`{name}")), "the README does not name {name}");
        let help = project.run(&[name, "--help"]).expect(0).stdout;
        assert!(help.contains("Usage:"), "{help}");
    }
    for command in ["cargo run --release -- apply --rehearse --auto-approve", "cargo test"] {
        assert!(readme.contains(command), "{command}");
    }
}
