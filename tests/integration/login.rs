//! `auth login` in its three ways: a browser that comes back to this machine, a pasted address, a phone. Those that ask
//! a person at a terminal do so in a real one, which `script` makes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use gitcast::rehearsal::{AccountSetup, Options};
use reqwest::Url;
use tokio::runtime::Runtime;

use crate::support::{Project, Run, Server};

const REDIRECT: &str = "https://example.com/callback";
/// Lines that a prompt is looked for in.
const LINES_MAX: usize = 200;

fn server() -> Server {
    let mut options = Options::default();
    options.redirect_uris.push(REDIRECT.to_owned());
    options.accounts = vec![AccountSetup::new("drafts"), AccountSetup::new("direct")];
    Server::start_as(options)
}

/// What an owner's browser does.
struct Browser(Runtime, reqwest::Client);

impl Browser {
    fn new() -> Browser {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().redirect(redirects).build().expect("client");
        Browser(Runtime::new().expect("runtime"), client)
    }

    fn get(&self, url: &str) -> (u16, String) {
        self.0.block_on(async {
            let reply = self.1.get(url).send().await.expect("an answer");
            (reply.status().as_u16(), reply.text().await.expect("a page"))
        })
    }

    fn post(&self, url: &str, form: &[(String, String)]) -> (u16, Option<String>) {
        self.0.block_on(async {
            let reply = self.1.post(url).form(form).send().await.expect("an answer");
            let location = reply.headers().get("location").map(|to| to.to_str().expect("ascii").to_owned());
            (reply.status().as_u16(), location)
        })
    }

    /// Grants what the authorize page asks for, but for `unticked`; where it leads to.
    fn grant(&self, url: &str, account: &str, unticked: &str) -> String {
        assert_eq!(self.get(url).0, 200, "{url}");
        let asked = Url::parse(url).expect("an address");
        let form = consent(&asked, account, unticked, "allow");
        self.post(&origin(&asked, "/v2/auth/authorize/"), &form).1.expect("a redirect")
    }

    fn deny(&self, url: &str) -> String {
        let asked = Url::parse(url).expect("an address");
        let form = consent(&asked, "drafts", "", "deny");
        self.post(&origin(&asked, "/v2/auth/authorize/"), &form).1.expect("a redirect")
    }
}

/// A Mastodon account and its project, which is not logged in.
fn elephant() -> (Server, Project) {
    let accounts = vec![AccountSetup::mastodon("toot", "brand"), AccountSetup::mastodon("friend", "friend")];
    let server = Server::start_as(Options { accounts, ..Options::default() });
    let project = Project::with(&format!(
        "version: 1\naccounts:\n  toot:\n    platform: mastodon\n    handle: '@brand@example.social'\n    endpoint: {}\n",
        server.url()
    ));
    (server, project)
}

/// The form of Mastodon's page at `asked`, filled in.
fn authorize(asked: &Url, account: &str) -> Vec<(String, String)> {
    let mut form: Vec<_> = asked.query_pairs().into_owned().collect();
    form.push(("account".to_owned(), account.to_owned()));
    form.push(("decision".to_owned(), "allow".to_owned()));
    form
}

fn origin(url: &Url, path: &str) -> String {
    format!("{}{path}", url.origin().ascii_serialization())
}

/// The form of the page at `asked`, filled in.
fn consent(asked: &Url, account: &str, unticked: &str, decision: &str) -> Vec<(String, String)> {
    let mut form: Vec<_> = asked.query_pairs().into_owned().collect();
    let scopes = form.iter().find(|(key, _)| key == "scope").map(|(_, value)| value.clone());
    let scopes = scopes.unwrap_or_else(|| "user.info.basic,user.info.profile,video.list,video.upload".into());
    let ticked = scopes.split(',').filter(|scope| *scope != unticked);
    form.extend(ticked.map(|scope| ("allow".to_owned(), scope.to_owned())));
    form.push(("account".to_owned(), account.to_owned()));
    form.push(("decision".to_owned(), decision.to_owned()));
    form
}

/// A login that goes on while the test plays the owner.
struct Login {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    input: Option<ChildStdin>,
    told: String,
}

impl Login {
    /// The address goes to stdout alone.
    fn start(project: &Project, arguments: &[&str]) -> Login {
        let mut command = project.command(&[&["auth", "login"], arguments].concat());
        Login::spawn(command.stdin(Stdio::null()))
    }

    /// At a terminal of its own.
    fn at_terminal(project: &Project, arguments: &[&str]) -> Login {
        let program = project.command(&[&["auth", "login"], arguments].concat());
        let words: Vec<_> = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| format!("'{}'", word.to_str().expect("text")))
            .collect();
        let mut command = Command::new("script");
        command.args(["-qefc", &words.join(" "), "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin");
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(project.path("."));
        Login::spawn(command.stdin(Stdio::piped()))
    }

    fn spawn(command: &mut Command) -> Login {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (lines, input) = (BufReader::new(child.stdout.take().expect("piped")), child.stdin.take());
        Login { child, lines, input, told: String::new() }
    }

    /// The next line that holds `what`.
    #[track_caller]
    fn line_with(&mut self, what: &str) -> String {
        for _ in 0..LINES_MAX {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("text") == 0 {
                break;
            }
            self.told += &line;
            if line.contains(what) {
                return line.trim().to_owned();
            }
        }
        panic!("no line with {what:?}: {}", self.told);
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("a terminal"), "{line}").expect("it reads");
    }

    fn end(mut self) -> Run {
        self.lines.read_to_string(&mut self.told).expect("text");
        let mut stderr = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
        let code = self.child.wait().expect("it ends").code().unwrap_or(-1);
        Run { code, stdout: self.told, stderr }
    }
}

fn state(project: &Project, account: &str) -> String {
    let status = project.run(&["auth", "status", "--json"]).json();
    let accounts = status["accounts"].as_array().expect("a list").clone();
    let found = accounts.iter().find(|a| a["account"] == account).expect("the account");
    found["state"].as_str().expect("a state").to_owned()
}

#[test]
fn a_browser_on_this_machine_comes_back_with_the_code() {
    let (server, browser) = (server(), Browser::new());
    let project = server.project_of(&[]);
    let mut login = Login::start(&project, &["drafts", "--print-url"]);
    let url = login.line_with("/v2/auth/authorize/");
    let callback = browser.grant(&url, "drafts", "");
    // Any page may send a request to the port; only the right answer counts.
    let port = Url::parse(&callback).expect("an address");
    assert_eq!(browser.get(&origin(&port, "/callback/?code=evil&state=guessed")).0, 400);
    assert_eq!(browser.get(&origin(&port, "/favicon.ico")).0, 404);
    assert_eq!(browser.get(&callback.replace("127.0.0.1", "localhost")).0, 404, "under another name");
    let (status, page) = browser.get(&callback);
    assert!(status == 200 && page.contains("You are logged in"), "{page}");
    let run = login.end().expect(0);
    assert_eq!(run.stdout.trim(), url, "stdout carries data only");
    assert!(run.stderr.contains("Logged in: drafts"), "{run:?}");
    assert!(run.stderr.contains("drafts @drafts; app not audited"), "whose account it is: {run:?}");
    assert_eq!(state(&project, "drafts"), "ready");
    project.draft("one");
    project.run(&["apply", "--auto-approve"]).expect(0);
    assert_eq!(server.count(), 1);
}

#[test]
fn the_owner_may_refuse_and_untick() {
    let (server, browser) = (server(), Browser::new());
    let project = server.project_of(&[]);
    let mut login = Login::start(&project, &["drafts", "--print-url"]);
    let denied = browser.deny(&login.line_with("/v2/auth/authorize/"));
    let (status, page) = browser.get(&denied);
    assert!(status == 400 && page.contains("came to nothing"), "{page}");
    let run = login.end().expect(1);
    assert!(run.stderr.contains("access_denied"), "{run:?}");
    assert_eq!(state(&project, "drafts"), "missing");

    for (unticked, code, told) in
        [("video.list", 0, "no finding a post"), ("video.upload", 6, "nothing can be posted")]
    {
        let mut login = Login::start(&project, &["drafts", "--print-url"]);
        let callback = browser.grant(&login.line_with("/v2/auth/authorize/"), "drafts", unticked);
        browser.get(&callback);
        let run = login.end().expect(code);
        assert!(run.stderr.contains(told), "{run:?}");
    }
}

#[test]
fn another_owners_login_is_not_taken_by_mistake() {
    let (server, browser) = (server(), Browser::new());
    let project = server.project_of(&["drafts"]);
    let mut login = Login::start(&project, &["drafts", "--print-url"]);
    let callback = browser.grant(&login.line_with("/v2/auth/authorize/"), "direct", "");
    let (status, page) = browser.get(&callback);
    assert!(status == 400 && page.contains("not the owner"), "{page}");
    login.end().expect(1);
    let generation = |project: &Project| {
        project.run(&["auth", "status", "--json"]).json()["accounts"][1]["generation"].clone()
    };
    assert_eq!(generation(&project), 1);
    let mut login = Login::start(&project, &["drafts", "--print-url", "--other-owner"]);
    browser.get(&browser.grant(&login.line_with("/v2/auth/authorize/"), "direct", ""));
    login.end().expect(0);
    assert_eq!(generation(&project), 2);
}

#[test]
fn over_ssh_the_address_is_pasted_at_a_terminal() {
    let (server, browser) = (server(), Browser::new());
    let project = server.project_of(&[]);
    let mut login = Login::at_terminal(&project, &["drafts", "--paste", "--redirect-uri", REDIRECT]);
    let url = login.line_with("/v2/auth/authorize/");
    assert!(!url.contains("code_challenge"), "web apps send none");
    let callback = browser.grant(&url, "drafts", "");
    login.line_with("Paste its whole address");
    login.type_line("https://example.com/");
    login.line_with("Not this one");
    login.type_line(&callback);
    let run = login.end().expect(0);
    assert!(run.stdout.contains("Logged in: drafts"), "{run:?}");
    assert_eq!(state(&project, "drafts"), "ready");
}

#[test]
fn a_phone_scans_a_code_at_a_terminal() {
    let (server, browser) = (server(), Browser::new());
    let project = server.project_of(&[]);
    let mut login = Login::at_terminal(&project, &["drafts", "--qr"]);
    let url = login.line_with("/v2/auth/qrcode/");
    assert!(login.told.contains('█') || login.told.contains('▀'), "{}", login.told);
    assert_eq!(browser.get(&url).0, 200);
    login.line_with("Scanned");
    let asked = Url::parse(&url).expect("an address");
    let form = consent(&asked, "drafts", "", "allow");
    assert_eq!(browser.post(&origin(&asked, "/v2/auth/qrcode/"), &form).0, 200);
    let run = login.end().expect(0);
    assert!(run.stdout.contains("Logged in: drafts"), "{run:?}");
    assert_eq!(state(&project, "drafts"), "ready");
}

#[test]
fn without_keys_there_are_instructions_or_nothing() {
    let project = Project::new();
    let run = project.run(&["auth", "login", "drafts"]).expect(1);
    for step in [
        "1. ",
        "Content Posting API",
        "video.upload",
        "http://127.0.0.1:*/callback/",
        "TIKTOK_CLIENT_KEY",
        "keys.env",
    ] {
        assert!(run.stderr.contains(step), "{step}: {}", run.stderr);
    }
    assert_eq!(run.stderr.matches("error:").count(), 1);
    let run = project.run(&["auth", "login", "direct", "--paste", "--redirect-uri", REDIRECT]).expect(1);
    assert!(run.stderr.contains(REDIRECT) && run.stderr.contains("video.publish"), "{}", run.stderr);
    project.run(&["auth", "login", "drafts", "--if-configured"]).expect(0);
}

#[test]
fn nobody_is_waited_for_longer_than_told() {
    let server = server();
    let project = server.project_of(&[]);
    for way in [&["--print-url"][..], &["--qr"]] {
        let arguments = [&["auth", "login", "drafts", "--timeout", "1s"], way].concat();
        let run = project.run(&arguments).expect(5);
        assert!(run.stderr.contains("nobody answered in time"), "{run:?}");
    }
    let paste = ["auth", "login", "drafts", "--paste", "--redirect-uri", REDIRECT];
    project.run(&paste).expect(1);
    assert_eq!(state(&project, "drafts"), "missing");
}

#[test]
fn an_app_password_is_typed_unseen_and_the_terminal_shows_again_afterwards() {
    let server = Server::start_with(vec![AccountSetup::bluesky("sky", "sky.example")]);
    let project = Project::with(&format!(
        "version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: sky.example\n    endpoint: {}\n",
        server.url()
    ));
    let mut login = Login::at_terminal(&project, &["sky"]);
    login.line_with("App password of sky.example");
    login.type_line("abcd-efgh-ijkl-mnop");
    let run = login.end().expect(0);
    assert!(run.stdout.contains("Logged in") && !run.stdout.contains("abcd-efgh"), "{run:?}");
    // Nobody answers: the terminal must not stay silent.
    let shell = format!("'{}' auth login sky --timeout 1s; stty -a", env!("CARGO_BIN_EXE_gitcast"));
    let command = project.command(&[]);
    let mut script = Command::new("script");
    script.args(["-qec", &shell, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin");
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut login = Login::spawn(script.current_dir(project.path(".")).stdin(Stdio::piped()));
    login.line_with("App password of");
    let run = login.end();
    let shows = run.stdout.split_whitespace().any(|mode| mode == "echo");
    assert!(run.stdout.contains("nobody answered in time") && shows, "{run:?}");
}

#[test]
fn at_mastodon_each_login_registers_an_app_of_its_own() {
    let ((server, project), browser) = (elephant(), Browser::new());
    let mut login = Login::start(&project, &["toot", "--print-url"]);
    let url = Url::parse(&login.line_with("/oauth/authorize")).expect("an address");
    assert_eq!(browser.get(url.as_str()).0, 200);
    let callback = browser.post(&origin(&url, "/oauth/authorize"), &authorize(&url, "toot")).1;
    let (status, page) = browser.get(&callback.expect("a redirect"));
    assert!(status == 200 && page.contains("You are logged in"), "{page}");
    let run = login.end().expect(0);
    assert!(run.stderr.contains("Logged in: toot") && !run.stderr.contains("not granted"), "{run:?}");
    assert_eq!((server.requests("app_register"), state(&project, "toot")), (1, "ready".to_owned()));
    let account = project.run(&["auth", "status", "--json"]).json()["accounts"][0].clone();
    assert!(account["subject"].as_str().is_some_and(|id| !id.is_empty()), "{account}");
    project.write("content/one.yaml", "id: one\ntext: Hello\nto:\n  toot:\n");
    project.run(&["apply", "--auto-approve"]).expect(0);
    // Whose login it is was found out once and for all.
    assert_eq!((server.count(), server.requests("verify_credentials")), (1, 2));
    // Ended with the keys of the app that was registered.
    project.run(&["auth", "logout", "toot"]).expect(0);
    assert_eq!((server.requests("oauth_revoke"), state(&project, "toot")), (1, "logged-out".to_owned()));
}

#[test]
fn at_mastodon_another_persons_login_is_ended_at_once() {
    let ((server, project), browser) = (elephant(), Browser::new());
    let mut login = Login::start(&project, &["toot", "--print-url"]);
    let url = Url::parse(&login.line_with("/oauth/authorize")).expect("an address");
    let callback = browser.post(&origin(&url, "/oauth/authorize"), &authorize(&url, "friend")).1;
    assert_eq!(browser.get(&callback.expect("a redirect")).0, 400);
    let run = login.end().expect(1);
    assert!(run.stderr.contains("@friend") && run.stderr.contains("@brand@example.social"), "{run:?}");
    assert_eq!((server.requests("oauth_revoke"), state(&project, "toot")), (1, "missing".to_owned()));
}

#[test]
fn at_mastodon_the_code_can_be_copied_from_the_page() {
    let ((_server, project), browser) = (elephant(), Browser::new());
    let mut login = Login::at_terminal(&project, &["toot", "--paste"]);
    let url = Url::parse(&login.line_with("/oauth/authorize")).expect("an address");
    let page = browser.0.block_on(async {
        let form = authorize(&url, "toot");
        let reply = browser.1.post(origin(&url, "/oauth/authorize")).form(&form).send().await;
        reply.expect("an answer").text().await.expect("a page")
    });
    let code = page.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a code");
    login.line_with("shows a code");
    login.type_line("not a code");
    login.line_with("Not this one");
    login.type_line(code);
    let run = login.end().expect(0);
    assert!(run.stdout.contains("Logged in: toot"), "{run:?}");
    assert_eq!(state(&project, "toot"), "ready");
    // Elsewhere the platform shows none.
    let server = server();
    let run = server.project_of(&[]).run(&["auth", "login", "drafts", "--paste"]).expect(64);
    assert!(run.stderr.contains("--redirect-uri"), "{run:?}");
}
