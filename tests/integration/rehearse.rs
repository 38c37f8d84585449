//! The newcomer's first minutes: the example content against the stand-in, without credentials or network.

use std::fs;
use std::path::Path;

use crate::support::Project;

/// The repository's own `content/`.
fn example() -> Project {
    let project = Project::empty();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("content"), &project.path("content"));
    project
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    for entry in fs::read_dir(from).expect("readable") {
        let path = entry.expect("entry").path();
        let target = to.join(path.file_name().expect("named"));
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).expect("copied") }
    }
}

const APPLY: [&str; 3] = ["apply", "--rehearse", "--auto-approve"];

#[test]
fn the_first_command_publishes_the_example_and_the_second_run_has_nothing_to_do() {
    let project = example();
    let first = project.run(&APPLY).expect(0);
    assert!(first.stdout.contains("3 published, 1 delivered."), "{}", first.stdout);
    assert_eq!(first.stdout.matches("/@demo_public/").count(), 2, "links: {}", first.stdout);
    assert!(first.stderr.contains("`gitcast rehearse`, then open http://127.0.0.1:"), "{}", first.stderr);
    assert_eq!(
        project.states(&["--rehearse"]),
        [
            "hello@demo-public published",
            "how-it-works@demo-direct published",
            "how-it-works@demo-public published",
            "teaser@demo-drafts delivered"
        ]
    );
    let second = project.run(&APPLY).expect(0);
    assert!(second.stdout.contains("Nothing to do: 1 waiting, 4 unchanged."), "{}", second.stdout);
    let plan = project.run(&["plan", "--rehearse", "--detailed-exitcode"]).expect(0);
    assert!(plan.stdout.contains("Nothing to do"), "{}", plan.stdout);
}

#[test]
fn after_publication_nothing_but_a_revision_sends_again() {
    let project = example();
    project.run(&APPLY).expect(0);
    let path = project.path("content/hello.yaml");
    let original = fs::read_to_string(&path).expect("manifest");

    fs::write(&path, original.replace("Hello from a pull request", "Hello again")).expect("edit");
    let edited = project.run(&APPLY).expect(0);
    assert!(edited.stdout.contains("diverged"), "{}", edited.stdout);
    assert!(!edited.stdout.contains("published hello"), "{}", edited.stdout);

    fs::write(&path, &original).expect("undo");
    fs::rename(&path, project.path("content/other-name.yaml")).expect("rename");
    let renamed = project.run(&APPLY).expect(0);
    assert!(renamed.stdout.contains("Nothing to do: 1 waiting, 4 unchanged."), "{}", renamed.stdout);

    fs::remove_file(project.path("content/other-name.yaml")).expect("delete");
    let deleted = project.run(&APPLY).expect(0);
    assert!(deleted.stdout.contains("Nothing to do: 1 waiting, 4 unchanged."), "{}", deleted.stdout);

    let again = original.replace("Hello from", "Hello again from") + "revision: 2\n";
    fs::write(&path, again).expect("revision");
    let again = project.run(&APPLY).expect(0);
    assert!(again.stdout.contains("1 published."), "{}", again.stdout);
    assert_eq!(
        project.run(&["show", "hello", "--rehearse", "--json"]).expect(0).json()["publications"][0]["attempts"],
        2
    );
}

#[test]
fn a_scheduled_post_goes_out_when_its_time_has_come() {
    let project = example();
    project.run(&APPLY).expect(0);
    let now = ["--now", "2035-01-01T08:30:00Z"];
    let planned = project.run(&[&["plan", "--rehearse", "--detailed-exitcode"][..], &now].concat()).expect(2);
    assert!(planned.stdout.contains("new-year-2035"), "{}", planned.stdout);
    let applied = project.run(&[&APPLY[..], &now].concat()).expect(0);
    assert!(applied.stdout.contains("published new-year-2035"), "{}", applied.stdout);
}
