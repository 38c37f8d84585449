//! Bad input, a table: what `validate` finds and where, that nothing is written, and that a good manifest beside it
//! stays good.

use std::fs;
use std::thread;

use serde_json::Value;

use crate::support::{Project, Run, fixture_path};

mod content;
mod documents;
mod media;
mod options;
mod projects;

/// Three accounts: a draft, an unaudited direct one and an audited direct one.
const ACCOUNTS: &str = "version: 1
timezone: Europe/Berlin
accounts:
  drafts:
    platform: tiktok
  direct:
    platform: tiktok
    mode: direct
  public:
    platform: tiktok
    mode: direct
    audited: true
media_base_url: https://media.example.com/
";

/// Programs that run at once.
const THREADS: usize = 4;

/// A small project with something wrong in it.
struct Case {
    what: String,
    gitcast: Option<String>,
    /// Relative to `content/`, with their bytes.
    files: Vec<(String, Vec<u8>)>,
    set_up: Option<fn(&Project)>,
    /// `code path:line:column` of each diagnostic in order, without `content/`; a place alone is one in `bad.yaml`.
    expected: Vec<String>,
    /// Exit code of `validate`, and whether the post `bad` is planned.
    passes: bool,
    /// Whether the manifest `good` is planned: always, unless the project itself cannot be read.
    good_stays: bool,
}

impl Case {
    fn new(what: &str, expected: &[&str]) -> Case {
        Case {
            what: what.to_owned(),
            gitcast: Some(ACCOUNTS.to_owned()),
            files: Vec::new(),
            set_up: None,
            expected: expected.iter().map(|line| in_bad(line)).collect(),
            passes: false,
            good_stays: true,
        }
    }

    fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Case {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    fn set_up(mut self, set_up: fn(&Project)) -> Case {
        self.set_up = Some(set_up);
        self
    }

    /// Nothing but warnings, if that: the post goes out.
    fn passes(mut self) -> Case {
        self.passes = true;
        self
    }
}

/// A project whose `bad.yaml` is this.
fn manifest(yaml: impl Into<Vec<u8>>, expected: &[&str]) -> Case {
    let yaml = yaml.into();
    let what = String::from_utf8_lossy(&yaml).chars().take(400).collect::<String>();
    Case::new(&what, expected).file("bad.yaml", yaml)
}

/// `code 3:1` is `code bad.yaml:3:1`.
fn in_bad(line: &str) -> String {
    match line.split_once(' ') {
        Some((code, place)) if place.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{code} bad.yaml:{place}")
        }
        _ => line.to_owned(),
    }
}

fn project(case: &Case) -> Project {
    let project = Project::empty();
    if let Some(gitcast) = &case.gitcast {
        project.write("content/gitcast.yaml", gitcast);
    }
    project.draft("good");
    for (path, bytes) in &case.files {
        project.write(&format!("content/{path}"), bytes);
    }
    // The fixtures that a manifest names lie beside it.
    for fixture in fs::read_dir(fixture_path("")).expect("fixtures") {
        let name = fixture.expect("entry").file_name().into_string().expect("a name");
        if case.files.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&format!(": {name}"))) {
            project.medium(&name, &format!("content/{name}"));
        }
    }
    if let Some(set_up) = case.set_up {
        set_up(&project);
    }
    project
}

fn places(run: &Run) -> Vec<String> {
    let place = |d: &Value| match d["line"].as_u64() {
        Some(line) => format!("{}:{line}:{}", text(&d["path"]), d["column"]),
        None => text(&d["path"]),
    };
    let rows = run.json()["diagnostics"].as_array().expect("a list").clone();
    let line = |d: &Value| format!("{} {}", text(&d["code"]), place(d).replacen("content/", "", 1));
    rows.iter().map(line).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The posts that `plan --json` would publish.
fn planned(run: &Run) -> Vec<String> {
    run.json()["changes"].as_array().expect("a list").iter().map(|change| text(&change["post"])).collect()
}

/// What is not as it should be.
fn judge(case: &Case) -> Vec<String> {
    let project = project(case);
    let before = project.files();
    let validated = project.run(&["validate", "--json"]);
    let plan = project.run(&["plan", "--json"]);
    let (found, planned) = (places(&validated), planned(&plan));
    let exit = i32::from(!case.passes);
    let posts = [("bad", case.passes), ("good", case.good_stays)];
    let to_be_planned: Vec<&str> =
        posts.iter().filter(|(_, planned)| *planned).map(|(post, _)| *post).collect();
    // Where there is an error, warnings make no difference.
    let denied = case.passes.then(|| project.run(&["--deny-warnings", "validate"]).code);
    let to_be_denied = case.passes.then_some(i32::from(!found.is_empty()));
    let unhelpful = |d: &&Value| text(&d["help"]).is_empty();
    let rows = validated.json()["diagnostics"].as_array().cloned().unwrap_or_default();
    let helpless: Vec<String> = rows.iter().filter(unhelpful).map(|d| text(&d["message"])).collect();
    let checks = [
        (found == case.expected, format!("expected {:#?}, found {found:#?}", case.expected)),
        (validated.code == exit, format!("validate: exit {}", validated.code)),
        (plan.code == exit, format!("plan: exit {}", plan.code)),
        (planned == to_be_planned, format!("planned: {planned:?}")),
        (project.files() == before && !project.path("state").exists(), "something was written".to_owned()),
        (helpless.is_empty(), format!("without help: {helpless:?}")),
        (denied == to_be_denied, format!("with --deny-warnings: {denied:?}")),
    ];
    checks.into_iter().filter(|(fine, _)| !fine).map(|(_, why)| why).collect()
}

#[test]
fn bad_input_is_named_at_its_place_writes_nothing_and_hinders_nobody() {
    let cases: Vec<Case> =
        [documents::cases(), content::cases(), options::cases(), media::cases(), projects::cases()]
            .into_iter()
            .flatten()
            .collect();
    assert!(cases.len() >= 60, "{}", cases.len());
    let judged = |case: &Case| {
        Some(judge(case)).filter(|wrong| !wrong.is_empty()).map(|wrong| (case.what.clone(), wrong))
    };
    let share = cases.len().div_ceil(THREADS);
    let wrong: Vec<(String, Vec<String>)> = thread::scope(|scope| {
        let shares: Vec<_> = cases
            .chunks(share)
            .map(|cases| scope.spawn(move || cases.iter().filter_map(judged).collect::<Vec<_>>()))
            .collect();
        shares.into_iter().flat_map(|share| share.join().expect("judged")).collect()
    });
    let told: Vec<String> =
        wrong.iter().map(|(what, why)| format!("--- {what}\n{}\n", why.join("\n"))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), told.join("\n"));
}

#[test]
fn plain_scalars_keep_their_letters_as_text() {
    for written in ["no", "017", "1e3", "0x1F", "1_000", "12:30:45", "2026-12-01", "True", "null and void"] {
        let project = Project::with(ACCOUNTS);
        project.direct("one");
        project.write(
            "content/one.yaml",
            format!("id: one\ntext: {written}\nmedia:\n  - file: one.mp4\nto:\n  direct:\n    privacy: self_only\n"),
        );
        let plan = project.run(&["plan", "--json"]).expect(0).json();
        assert_eq!(plan["changes"][0]["text"], written);
    }
}

#[test]
fn help_leads_out() {
    let video = "id: one\nmedia:\n  - file: one.mp4\n";
    for (yaml, help) in [
        (format!("{video}to:\n  drafts:\ntxet: t\n"), "did you mean `text`?"),
        (format!("{video}to: drafts\n"), "each as `ACCOUNT:`"),
        (format!("{video}to:\n  drafts:\n    colour: red\n"), "privacy, reply_to, text, title"),
        ("id: one\nmedia: one.mp4\nto:\n  drafts:\n".to_owned(), "`- file: NAME`"),
        ("id: one\nmedia: [one.mp4]\nto:\n  drafts:\n".to_owned(), "`file: NAME`"),
        ("id: one\nmedia:\n  - file: oen.mp4\nto:\n  drafts:\n".to_owned(), "did you mean \"one.mp4\"?"),
        ("id: one\nmedia:\n  - file: lfs.mp4\nto:\n  drafts:\n".to_owned(), "git lfs pull"),
        ("id: one\ntext: Today: news\n".to_owned(), "in quotes"),
    ] {
        let project = Project::with(ACCOUNTS);
        project.write("content/lfs.mp4", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n");
        project.draft("one").write("content/one.yaml", &yaml);
        let found = project.run(&["validate", "--json"]).expect(1).json();
        let told = text(&found["diagnostics"][0]["help"]);
        assert!(told.contains(help), "{yaml}\n{told}");
    }
}
