//! The process dies at every commit and around every request, whatever the platform answers: in the end the stand-in's
//! own list shows each post once, and the ledger is whole.
//!
//! A case is a flow, at most one fault of the platform, a place to die and which passing of it. Cases of one kind go on
//! from the first passing until the process lives to its end, so that none is left out.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use gitcast::crash::{Point, VARIABLE};
use gitcast::rehearsal::{AccountSetup, Action, Fault, MastodonSetup, Options, Replay};

use crate::support::{Project, Server, fixture_path};

/// `--max-wait` is longer than anything that the stand-in does.
const APPLY: [&str; 4] = ["apply", "--auto-approve", "--max-wait", "30s"];
const DELETE: [&str; 5] = ["apply", "--auto-approve", "--max-wait", "30s", "--allow-delete"];
/// Nothing passes a place more often.
const PASSES_MAX: u32 = 40;
/// Runs until everything is settled, at most.
const RUNS_MAX: u32 = 8;
/// Most of the time a case waits.
const WORKERS: usize = 8;
const LARGE_BYTES: u64 = 70_000_000;

const TOOT: &str =
    "id: one\ntext: One\nmedia:\n  - file: a.jpg\n    alt: A\nto:\n  toot:\n    parts: [Two]\n";

/// A way to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Draft,
    Direct,
    Photos,
    /// A draft whose access token ends before its first request.
    Refresh,
    /// A draft, once `auth refresh` has died.
    Renew,
    /// A draft in several chunks.
    Large,
    /// A text on Bluesky that mentions somebody.
    SkyText,
    /// Two images on Bluesky, with gates.
    SkyImages,
    /// A video on Bluesky, by way of its service.
    SkyVideo,
    /// A thread on Bluesky, which is taken away.
    SkyDelete,
    /// A thread on Mastodon that begins with a video. Its server knows no keys.
    TootThread,
    /// One that begins with an image, with another text and another image.
    TootEdit,
    /// The same one, taken away.
    TootDelete,
}

impl Flow {
    fn account(self) -> &'static str {
        match self {
            Flow::Draft | Flow::Refresh | Flow::Renew | Flow::Large => "drafts",
            Flow::Direct | Flow::Photos => "direct",
            Flow::SkyText | Flow::SkyImages | Flow::SkyVideo | Flow::SkyDelete => "sky",
            Flow::TootThread | Flow::TootEdit | Flow::TootDelete => "toot",
        }
    }

    /// The stand-in's names of its requests.
    fn operations(self) -> &'static [&'static str] {
        match self {
            Flow::Draft => &["inbox_init", "upload", "status"],
            Flow::Direct => &["creator_info", "video_init", "upload", "status"],
            Flow::Photos => &["creator_info", "content_init", "status"],
            Flow::Refresh | Flow::Renew => &["token"],
            Flow::Large => &["upload"],
            Flow::SkyText => &["resolveHandle", "putRecord", "getRecord"],
            Flow::SkyImages => &["uploadBlob", "applyWrites", "getRecord"],
            Flow::SkyVideo => &["getServiceAuth", "getUploadLimits", "uploadVideo", "getJobStatus"],
            Flow::SkyDelete => &["deleteRecord"],
            Flow::TootThread => &["media_upload", "media_get", "status_create", "account_statuses"],
            Flow::TootEdit => &["media_upload", "status_edit"],
            Flow::TootDelete => &["status_delete"],
        }
    }

    /// What dies.
    fn command(self) -> &'static [&'static str] {
        match self {
            Flow::Renew => &["auth", "refresh", "--force"],
            Flow::Draft | Flow::Direct | Flow::Photos | Flow::Refresh | Flow::Large => &APPLY,
            Flow::SkyText | Flow::SkyImages | Flow::SkyVideo => &APPLY,
            Flow::TootThread | Flow::TootEdit => &APPLY,
            Flow::SkyDelete | Flow::TootDelete => &DELETE,
        }
    }

    /// What there is in the end: posts that can be seen, and posts that were ever made.
    fn outcome(self) -> (usize, usize) {
        match self {
            Flow::SkyDelete | Flow::TootDelete => (0, 2),
            Flow::TootThread | Flow::TootEdit => (2, 2),
            _ => (1, 1),
        }
    }

    fn write(self, project: &Project, server: &Server) {
        match self {
            Flow::Draft | Flow::Refresh | Flow::Renew => project.draft("one"),
            Flow::Direct => project.direct("one"),
            Flow::Large => project.large_draft("one", LARGE_BYTES),
            Flow::SkyText => {
                project.write("content/one.yaml", "id: one\ntext: Hello @sky.example\nto:\n  sky:\n")
            }
            Flow::SkyImages => project.medium("good.jpg", "content/a.jpg").medium("photo.png", "content/b.png").write(
                "content/one.yaml",
                "id: one\nmedia:\n  - file: a.jpg\n    alt: A\n  - file: b.png\n    alt: B\nto:\n  sky:\n    replies: []\n",
            ),
            Flow::SkyVideo => {
                let video = "id: one\nmedia:\n  - file: a.mp4\n    alt: A\nto:\n  sky:\n";
                project.medium("good.mp4", "content/a.mp4").write("content/one.yaml", video)
            }
            Flow::SkyDelete => {
                let thread = "id: one\ntext: One\nto:\n  sky:\n    quotes: false\n    parts: [Two]\n";
                project.write("content/one.yaml", thread).run(&APPLY).expect(0);
                project.write("content/one.yaml", format!("state: deleted\n{thread}"))
            }
            Flow::TootThread => {
                let film = TOOT.replace("a.jpg", "a.mp4");
                project.medium("good.mp4", "content/a.mp4").write("content/one.yaml", film)
            }
            Flow::TootEdit | Flow::TootDelete => {
                project.medium("good.jpg", "content/a.jpg").medium("photo.png", "content/b.png");
                project.write("content/one.yaml", TOOT).run(&APPLY).expect(0);
                match self {
                    Flow::TootEdit => {
                        let edited = TOOT.replace("One", "Uno").replace("Two", "Dos").replace("a.jpg", "b.png");
                        project.write("content/one.yaml", edited)
                    }
                    _ => project.write("content/one.yaml", format!("state: deleted\n{TOOT}")),
                }
            }
            Flow::Photos => project.write(
                "content/one.yaml",
                format!(
                    "id: one\ntext: two photos\nmedia:\n  - url: {0}/content/a.jpg\n  - url: {0}/content/b.jpg\nto:\n  direct:\n    privacy: self_only\n",
                    server.url()
                ),
            ),
        };
    }
}

/// What a case is, but for the passing of the place.
#[derive(Debug, Clone)]
struct Kind {
    flow: Flow,
    fault: Option<Fault>,
    point: Point,
    /// The power goes as well: what is left of the last commit.
    torn: Option<Torn>,
}

/// How much of its last commit the log has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Torn {
    Nothing,
    /// All but the half of its last page.
    Most,
}

/// How often what happened.
#[derive(Debug, Default)]
struct Tally {
    cases: u32,
    killed: u32,
    held: u32,
    logins: u32,
    by_flow: BTreeMap<Flow, u32>,
}

impl Tally {
    /// `cargo test -- --nocapture` shows it. Twice and lost are 0, or the case has failed.
    #[expect(clippy::print_stdout, reason = "the size of the matrix is a figure that people ask for")]
    fn report(&self) {
        let Tally { cases, killed, held, logins, by_flow } = self;
        println!(
            "{cases} cases, {killed} killed, {held} held, {logins} logins; by flow {by_flow:?}; 0 twice, 0 lost"
        );
    }
}

fn refusal(operation: &str) -> Action {
    let (code, body) = match operation {
        "resolveHandle" | "uploadBlob" | "putRecord" | "applyWrites" | "deleteRecord" | "uploadVideo" => {
            (400, r#"{"error":"InvalidRequest","message":"no"}"#)
        }
        "media_upload" | "status_create" | "status_edit" | "status_delete" => (422, r#"{"error":"no"}"#),
        "token" => (400, r#"{"error":"invalid_grant","error_description":"no","log_id":"1"}"#),
        "upload" => (400, ""),
        _ => (400, r#"{"error":{"code":"invalid_params","message":"no","log_id":"1"}}"#),
    };
    Action::Status { code, body: Some(body.to_owned()) }
}

/// What tells one answer from another here: whether it took effect, and whether it says no. The many ways of saying
/// nothing lead to the same entry in the ledger; `conformance` goes through them without a death.
fn answers(operation: &str) -> Vec<Action> {
    let mut answers = vec![Action::CutBeforeRead, Action::EffectThenCut];
    // Questions change nothing, so that one answer is as bad as another.
    const QUESTIONS: [&str; 8] = [
        "status",
        "creator_info",
        "getRecord",
        "getServiceAuth",
        "getUploadLimits",
        "getJobStatus",
        "account_statuses",
        "media_get",
    ];
    if QUESTIONS.contains(&operation) {
        answers.truncate(1);
    } else {
        answers.push(refusal(operation));
    }
    answers
}

fn kinds(flows: &[Flow]) -> VecDeque<Kind> {
    let mut kinds = VecDeque::new();
    for &flow in flows {
        kinds.extend(Point::ALL.map(|point| Kind { flow, fault: None, point, torn: None }));
        for &operation in flow.operations() {
            for action in answers(operation) {
                // Between the other places ledger and platform do not change.
                for point in [Point::AfterAnswer, Point::AfterCommit] {
                    let fault = Some(Fault::next(operation, action.clone()));
                    kinds.push_back(Kind { flow, fault, point, torn: None });
                }
            }
        }
    }
    kinds
}

/// SQLite's log: its header, and each page of it behind a header of its own.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + 4096;

/// Takes the log's last commit back, as if the power had gone before it was on the disk. The index of the log, which
/// is memory, goes in any case.
fn tear(what: &str, project: &Project, torn: Torn) {
    let path = project.path("state/ledger.db-wal");
    let mut log = std::fs::read(&path).unwrap_or_else(|error| panic!("{what}: no log: {error}"));
    let commits = commits(&log);
    let end = *commits.last().unwrap_or_else(|| panic!("{what}: no commit in the log"));
    let before = commits.iter().rev().nth(1).copied().unwrap_or(LOG_HEADER);
    log.truncate(match torn {
        Torn::Nothing => before,
        Torn::Most => end - FRAME / 2,
    });
    std::fs::write(&path, log).expect("log");
    std::fs::remove_file(project.path("state/ledger.db-shm")).expect("index");
}

/// Where the commits of a log end. A frame counts if it bears the log's own salt; the last one of a commit tells how
/// large the database is (SQLite's file format).
fn commits(log: &[u8]) -> Vec<usize> {
    let is_own = |frame: &[u8]| frame[8..16] == log[16..24];
    let frames = log.get(LOG_HEADER..).unwrap_or_default().chunks_exact(FRAME).take_while(|f| is_own(f));
    let ends = frames.enumerate().filter(|(_, frame)| frame[4..8] != [0; 4]);
    ends.map(|(n, _)| LOG_HEADER + (n + 1) * FRAME).collect()
}

fn server(photos: &Path) -> Server {
    Server::start_as(Options {
        accounts: vec![
            AccountSetup::new("drafts"),
            AccountSetup::new("direct"),
            AccountSetup::bluesky("sky", "sky.example"),
            AccountSetup::mastodon("toot", "toot"),
        ],
        mastodon: MastodonSetup { replay: Replay::Ignored, ..MastodonSetup::default() },
        content: Some(photos.to_owned()),
        processing: Duration::from_millis(50),
        ..Options::default()
    })
}

/// One case, to its end. Whether the process died.
fn case(kind: &Kind, nth: u32, photos: &Path, tally: &Mutex<Tally>) -> bool {
    let (server, what) = (server(photos), format!("{kind:?} passing {nth}"));
    let project = server.project_of(&[kind.flow.account()]);
    kind.flow.write(&project, &server);
    if kind.flow == Flow::Refresh {
        server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
    }
    // A question after the post comes only if its answer was lost.
    if kind.fault.as_ref().is_some_and(|fault| fault.operation == "getRecord") {
        let publish = if kind.flow == Flow::SkyText { "putRecord" } else { "applyWrites" };
        server.rehearsal.faults().add(Fault::next(publish, Action::EffectThenCut));
    }
    if let Some(fault) = &kind.fault {
        server.rehearsal.faults().add(fault.clone());
    }
    let mut command = project.command(kind.flow.command());
    let output = command.env(VARIABLE, format!("{}:{nth}", kind.point.as_str())).output().expect("it starts");
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.code().is_some(), "{what}: {output:?}");
    let made = server.rehearsal.publications();
    assert!(made.len() <= kind.flow.outcome().1, "{what}: {made:?}");
    if let Some(torn) = kind.torn.filter(|_| killed) {
        tear(&what, &project, torn);
    }
    settle(kind, &what, &server, &project, tally);
    judge(kind.flow, &what, &server, &project);
    // A process that died may have left nothing to ask: a refresh that is not due yet, a photo post that a person settled.
    let is_met = server.rehearsal.faults().pending().is_empty();
    assert!(killed || is_met, "{what}: the fault was never met");
    let mut tally = tally.lock().expect("lock");
    tally.cases += 1;
    tally.killed += u32::from(killed);
    *tally.by_flow.entry(kind.flow).or_default() += 1;
    killed
}

/// Runs again, and does what the exit code asks a person to do, until there is nothing to do.
fn settle(kind: &Kind, what: &str, server: &Server, project: &Project, tally: &Mutex<Tally>) {
    let account = kind.flow.account();
    let mut told = Vec::new();
    for _ in 0..RUNS_MAX {
        let deletes = matches!(kind.flow, Flow::SkyDelete | Flow::TootDelete);
        let run = project.run(if deletes { &DELETE } else { &APPLY });
        let code = run.code;
        told.push(run);
        match code {
            0 => return,
            5 => continue,
            // The platform said no; whatever it was is gone meanwhile.
            3 => drop(project.run(&["retry", "one", account]).expect(0)),
            // Only where nobody can tell: the answer to the request with which TikTok takes photos is lost.
            4 => {
                assert_eq!(kind.flow, Flow::Photos, "{what}: {told:?}");
                let there =
                    ["resolve", "one", account, "--published", "https://www.tiktok.com/@direct/photo/1"];
                let not_there = ["resolve", "one", account, "--not-published"];
                project.run(if server.count() == 1 { &there } else { &not_there }).expect(0);
                tally.lock().expect("lock").held += 1;
            }
            // Only where a refresh token was used up and its answer lost, or it was refused.
            6 => {
                assert!(matches!(kind.flow, Flow::Refresh | Flow::Renew), "{what}: {told:?}");
                server.log_in(project, account).expect(0);
                tally.lock().expect("lock").logins += 1;
            }
            _ => panic!("{what}: {told:?}"),
        }
    }
    panic!("{what}: not settled: {told:?}");
}

fn judge(flow: Flow, what: &str, server: &Server, project: &Project) {
    let performed = server.rehearsal.publications();
    let live = performed.iter().filter(|publication| publication.is_live()).count();
    assert_eq!((live, performed.len()), flow.outcome(), "{what}: {performed:?}");
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{what}: {doctor:?}");
}

fn run_all(kinds: VecDeque<Kind>) -> Tally {
    let photos = tempfile::tempdir().expect("temporary folder");
    for name in ["a.jpg", "b.jpg"] {
        std::fs::copy(fixture_path("good.jpg"), photos.path().join(name)).expect("photo");
    }
    let (kinds, tally) = (Mutex::new(kinds), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(kind) = { kinds.lock().expect("lock").pop_front() } {
                    let died =
                        (1..=PASSES_MAX).take_while(|&nth| case(&kind, nth, photos.path(), &tally)).count();
                    assert!(died > 0, "{kind:?}: the place is never passed");
                    assert!(died < PASSES_MAX as usize, "{kind:?}: no end");
                }
            });
        }
    });
    let tally = tally.into_inner().expect("nobody panicked");
    tally.report();
    tally
}

#[test]
fn wherever_the_process_dies_each_post_is_there_once() {
    let tally = run_all(kinds(&[Flow::Draft, Flow::Direct, Flow::Photos, Flow::Refresh, Flow::Renew]));
    assert!(tally.cases > 300 && tally.held > 0 && tally.logins > 0, "{tally:?}");
}

/// What a command is killed in, what it is, and what it must have led to once it was run again.
type Decision = (&'static [&'static str], fn(&Project) -> bool);

/// People's own commands commit as well, and so does whatever starts a ledger.
#[test]
fn a_command_that_died_can_be_run_again() {
    let state = |project: &Project, state: &str| project.states(&[]) == [format!("one@drafts {state}")];
    let decisions: &[Decision] = &[
        (&["forget", "one", "drafts"], |p| p.states(&[]) == ["one@drafts planned"]),
        (&["adopt", "one", "drafts", "--remote-id", "7"], |p| p.states(&[]) == ["one@drafts published"]),
        (&["pause", "one"], is_paused),
        (&["resume", "one"], |p| !is_paused(p)),
        (&["auth", "logout", "drafts"], |p| p.run(&["auth", "status"]).stdout.contains("logged out")),
    ];
    for (command, is_done) in decisions {
        for point in [Point::BeforeCommit, Point::AfterCommit] {
            let server = Server::start();
            let project = server.project_of(&["drafts"]);
            project.draft("one");
            project.run(&APPLY).expect(0);
            if command[0] == "resume" {
                project.run(&["pause", "one"]).expect(0);
            }
            let what = format!("{command:?} {point:?}");
            kill(&project, command, &format!("{}:1", point.as_str()), &what);
            assert_eq!(is_done(&project), point == Point::AfterCommit, "{what}");
            project.run(&["doctor"]).expect(0);
            // Some say that it is done already.
            let again = project.run(command);
            assert!(again.code == 0 || point == Point::AfterCommit, "{what}: {again:?}");
            assert!(is_done(&project), "{what}");
            assert_eq!(server.count(), 1, "{what}");
        }
    }
    // The first login starts the ledger and then is stored.
    for order in ["before-commit:1", "after-commit:1", "before-commit:2", "after-commit:2"] {
        let server = Server::start();
        let project = server.project_of(&[]);
        project.draft("one");
        let grant = server.rehearsal.issue_grant("drafts").expect("a grant").to_string();
        project.write("reply.json", &grant);
        kill(&project, &["auth", "import", "drafts", "reply.json"], order, order);
        project.run(&["auth", "import", "drafts", "reply.json"]).expect(0);
        project.run(&["doctor"]).expect(0);
        project.run(&APPLY).expect(0);
        assert!(state(&project, "delivered") && server.count() == 1, "{order}");
    }
}

fn is_paused(project: &Project) -> bool {
    let status = project.run(&["status", "--json"]).expect(0).json();
    !status["pauses"].as_array().expect("a list").is_empty()
}

#[track_caller]
fn kill(project: &Project, command: &[&str], order: &str, what: &str) {
    let output = project.command(command).env(VARIABLE, order).output().expect("it starts");
    assert_eq!(output.status.signal(), Some(9), "{what}: the place is never passed: {output:?}");
}

/// The power goes while a commit is written. With `synchronous=FULL` a commit is on the disk before the next thing
/// happens, so an honest disk loses one commit at most, the last, from which nothing has followed: dying right after
/// it and taking it back is just that. An intent that is lost has let no request out, so it costs nothing. An answer
/// that is lost leaves the intent: for a video the platform is asked by the publish id, and only for photos, whose id
/// was in that answer, a person must look. An init that is lost leaves an upload that nobody finishes.
#[test]
fn a_commit_that_the_power_cut_took_back_costs_no_second_post() {
    let flows = [Flow::Draft, Flow::Direct, Flow::Photos];
    let torn =
        |torn| flows.map(|flow| Kind { flow, fault: None, point: Point::AfterCommit, torn: Some(torn) });
    let tally = run_all([Torn::Nothing, Torn::Most].into_iter().flat_map(torn).collect());
    // The answer to the photos' init, once for each way to tear.
    assert!(tally.killed >= 24 && tally.held >= 2 && tally.logins == 0, "{tally:?}");
}

/// The key of a record is ours, so that nobody is ever asked.
#[test]
fn a_record_with_a_key_of_ours_is_never_lost_doubled_or_held() {
    let tally = run_all(kinds(&[Flow::SkyText, Flow::SkyImages, Flow::SkyVideo]));
    assert!(tally.cases > 200 && tally.killed > 150 && tally.held + tally.logins == 0, "{tally:?}");
}

/// A deletion is asked for again until it is answered, and nothing comes back.
#[test]
fn a_deletion_that_died_is_finished() {
    let tally = run_all(kinds(&[Flow::SkyDelete]));
    assert!(tally.cases > 40 && tally.killed > 30 && tally.held + tally.logins == 0, "{tally:?}");
}

/// Without keys that count, a look decides: after a death as well as after a lost answer.
#[test]
fn a_thread_on_a_server_without_keys_is_there_once_and_changes_as_a_whole() {
    let tally = run_all(kinds(&[Flow::TootThread, Flow::TootEdit, Flow::TootDelete]));
    assert!(tally.cases > 200 && tally.killed > 150 && tally.held + tally.logins == 0, "{tally:?}");
}

#[test]
fn a_post_that_could_not_begin_in_time_is_not_taken_for_converged() {
    let server = Server::start();
    let project = server.project();
    project.draft("one");
    let fault = |operation, action| Fault { times: 100, ..Fault::next(operation, action) };
    // The login is refreshed before anything begins, and nobody answers.
    server.rehearsal.faults().add(Fault::next("inbox_init", Action::ExpireAccessToken));
    server.rehearsal.faults().add(fault("token", Action::Status { code: 503, body: None }));
    let apply = ["apply", "--auto-approve", "--max-wait", "1s"];
    project.run(&apply).expect(5);
    project.draft("two");
    project.run(&apply).expect(5);
}

#[test]
fn a_large_upload_survives_the_process_too() {
    let points = [Point::AfterAnswer, Point::AfterCommit];
    let kind = |point| Kind { flow: Flow::Large, fault: None, point, torn: None };
    let tally = run_all(points.map(kind).into());
    assert!(tally.killed >= 15 && tally.held + tally.logins == 0, "{tally:?}");
}
