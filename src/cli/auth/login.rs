//! `gitcast auth login`: asks an account's owner for a login, in one of four ways.
//!
//! - A browser on this machine: it comes back to a port on loopback.
//! - A browser anywhere: the owner pastes the address that it ends at.
//! - A phone: it scans a code.
//! - A password that the owner made for this program alone: typed, or read from standard input, and never stored.
//!
//! What is granted is compared with what was asked for, and stored as the account's login.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::loopback::{Listener, Verdict};
use super::status::{describe, document};
use super::{account, facts, store};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::plan::{FORMAT_VERSION, zone};
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{runtime, text, ui};
use crate::domain::grant::{Grant, GrantRecord};
use crate::domain::ids::AccountName;
use crate::ledger::Ledger;
use crate::platform::oauth::{Asked, BrowserLogin, Login, PasswordLogin, QrAnswer, Scope, missing};
use crate::platform::{Error, Platform, RequestLog};
use crate::reconcile::desired::Loaded;
use crate::secret::Secret;

/// Tries at pasting the right address.
const PASTES_MAX: u32 = 3;
/// Polls in a row that may fail before the owner is let go.
const FAILED_POLLS_MAX: u32 = 5;
/// How often a ledger that is in use is waited for, each time for `--lock-timeout`: the login was granted, and is lost
/// if it is not stored.
const STORE_TRIES_MAX: u32 = 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The account, as gitcast.yaml names it
    account: AccountName,
    /// Take the address that the browser ends at, or the code that the platform shows, from the keyboard: for web apps,
    /// and over SSH
    #[arg(long, conflicts_with = "qr")]
    paste: bool,
    /// Show a code to scan with a phone
    #[arg(long)]
    qr: bool,
    /// Open no browser, only print the address
    #[arg(long, conflicts_with = "qr")]
    print_url: bool,
    /// The redirect address that is registered at the platform, for --paste
    #[arg(long, value_name = "URL", requires = "paste")]
    redirect_uri: Option<String>,
    /// Port to listen on; any free one unless given
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// How long to wait for the owner
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = crate::cli::duration)]
    timeout: Duration,
    /// Ask for these scopes instead of what the account's mode needs
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Take the login although it is another owner's than before
    #[arg(long)]
    other_owner: bool,
    /// Do nothing, successfully, where the app's keys are missing
    #[arg(long)]
    if_configured: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = workspace.project();
    let name = &arguments.account;
    let platform = &**account(workspace, &loaded, name)?;
    let login = platform.login();
    if let Err(error) = login.check_keys() {
        return without_keys(arguments, login, &error);
    }
    let before = recorded(workspace, &loaded, name)?;
    let scopes = wanted(login, arguments);
    let runtime = runtime::start()?;
    let granted = runtime.block_on(async {
        let mut stop = runtime::listen_for_stop();
        tokio::select! {
            granted = ask_owner(workspace, arguments, login, scopes) => granted.map(Some),
            _ = stop.changed() => Ok(None),
        }
    })?;
    let Some((grant, verdict)) = granted else { return Ok(Exit::Interrupted) };
    let stored = accept(workspace, arguments, &loaded, &grant, before.as_ref());
    if let Some(verdict) = verdict {
        runtime.block_on(verdict.tell(stored.as_ref().map(drop).map_err(|f| f.message.as_str())));
    }
    let stored = stored?;
    // The login is stored whatever comes of this.
    let introduced = runtime.block_on(facts::introduce(workspace, &loaded, name, &grant));
    let introduced = introduced.unwrap_or_else(|failure| vec![failure.message]);
    report(workspace, &loaded, platform, &grant, stored, &introduced)
}

/// Setup, step by step: the keys are the first thing that a newcomer lacks.
fn without_keys(arguments: &Arguments, login: &dyn Login, error: &Error) -> Result<Exit, Failure> {
    if arguments.if_configured {
        ui::tell(&format!("Skipped: {}.", error.message));
        return Ok(Exit::Converged);
    }
    let redirect = match (&arguments.redirect_uri, arguments.port) {
        (Some(uri), _) => uri.clone(),
        (None, 0) => "http://127.0.0.1:*/callback/".to_owned(),
        (None, port) => format!("http://127.0.0.1:{port}/callback/"),
    };
    let failure =
        Failure::error(format!("{} has no app to log in with: {}", arguments.account, error.message));
    let steps = login.setup(&redirect).into_iter().enumerate();
    Err(steps.fold(failure, |failure, (n, step)| failure.hint(format!("{}. {step}", n + 1))))
}

/// The login that is there already. Refuses before anybody is asked where the new one could not be stored.
fn recorded(
    workspace: &Workspace,
    loaded: &Loaded,
    name: &AccountName,
) -> Result<Option<GrantRecord>, Failure> {
    let Some(mut ledger) = workspace.read_ledger(Book::Real, loaded.project.as_ref())? else {
        workspace.refuse_lost_ledger(Book::Real)?;
        return Ok(None);
    };
    workspace.expect_latest(Book::Real, &mut ledger)?;
    if ledger.grants()?.iter().any(GrantRecord::has_tokens) {
        workspace.existing_vault(Book::Real, &ledger)?;
    }
    Ok(Ledger::grant(&ledger, name)?)
}

fn wanted(login: &dyn Login, arguments: &Arguments) -> Vec<String> {
    match &arguments.scopes[..] {
        [] => login.scopes().iter().map(|scope| scope.name.to_owned()).collect(),
        given => given.to_vec(),
    }
}

/// Where the owner waits for the outcome, if at a browser.
type Answered = (Grant, Option<Verdict>);

async fn ask_owner(
    workspace: &Workspace,
    arguments: &Arguments,
    login: &dyn Login,
    scopes: Vec<String>,
) -> Result<Answered, Failure> {
    let end = Instant::now() + arguments.timeout;
    if arguments.qr {
        return by_phone(login, scopes, end).await.map(|grant| (grant, None));
    }
    if let Some(password) = login.by_password() {
        return by_password(password, end).await.map(|grant| (grant, None));
    }
    let Some(login) = login.by_browser() else {
        return Err(Failure::usage("this platform has no login in a browser"));
    };
    let log = RequestLog::default();
    if arguments.paste {
        let asked = match (&arguments.redirect_uri, login.shows_code_at()) {
            (Some(uri), _) => Asked::new(uri, scopes),
            (None, Some(uri)) => Asked::out_of_band(uri, scopes),
            (None, None) => return Err(Failure::usage("--paste needs --redirect-uri on this platform")),
        };
        let mut asked = asked.map_err(failed)?;
        asked.app = login.register(&asked, &log).await.map_err(failed)?;
        let code = by_paste(workspace, login, &asked, arguments.redirect_uri.is_none(), end).await?;
        let grant = login.exchange(&code, &asked, &log).await.map_err(failed)?;
        return Ok((grant, None));
    }
    let listener = Listener::bind(arguments.port).await?;
    let mut asked = Asked::new(&listener.redirect_uri(), scopes).map_err(failed)?;
    asked.app = login.register(&asked, &log).await.map_err(failed)?;
    show(workspace, arguments, &login.authorize_url(&asked).map_err(failed)?);
    let (code, verdict) = timeout_at(end, listener.wait(&asked)).await.map_err(|_| too_late())??;
    match login.exchange(&code, &asked, &log).await {
        Ok(grant) => Ok((grant, Some(verdict))),
        Err(error) => {
            verdict.tell(Err(&error.message)).await;
            Err(failed(error))
        }
    }
}

/// Opens the owner's browser, or says where to go.
fn show(workspace: &Workspace, arguments: &Arguments, url: &str) {
    let is_watched = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    let opened = is_watched && !arguments.print_url && webbrowser::open(url).is_ok();
    let url = text::terminal(url);
    match opened {
        true => ui::tell("Your browser shows the platform's page. If it does not, open this address:"),
        false => ui::tell("Open this address in a browser on this machine:"),
    }
    match workspace.global.json || opened {
        true => ui::tell(&url),
        false => ui::print(&format!("{url}\n")),
    }
    ui::tell("Waiting for the answer …");
}

/// Takes the address at which the browser ended, or the code that it shows. A wrong one may be pasted again.
async fn by_paste(
    workspace: &Workspace,
    login: &dyn BrowserLogin,
    asked: &Asked,
    is_code: bool,
    end: Instant,
) -> Result<Secret, Failure> {
    ui::tell("Open this address in any browser, and grant what it asks for:");
    let url = text::terminal(&login.authorize_url(asked).map_err(failed)?).into_owned();
    if workspace.global.json {
        ui::tell(&url);
    } else {
        ui::print(&format!("{url}\n"));
    }
    for _ in 0..PASTES_MAX {
        ui::tell(match is_code {
            true => "The browser then shows a code. Paste it here:",
            false => "The browser then shows a page of your own site. Paste its whole address here:",
        });
        let line = Secret::new(timeout_at(end, runtime::ask()).await.map_err(|_| too_late())??);
        if line.is_empty() {
            return Err(Failure::error("the input ended before the answer came"));
        }
        let line = line.expose().trim();
        match if is_code { asked.read_code(line) } else { asked.read_callback(line) } {
            Ok(code) => return Ok(code),
            Err(error) if ["other-address", "other-state"].contains(&error.code.as_str()) || is_code => {
                ui::tell(&format!("Not this one: {}.", error.message));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Failure::error(format!("none out of {PASTES_MAX} was the right one")))
}

/// Takes the password from the keyboard, without showing it, or from what standard input is connected to.
async fn by_password(login: &dyn PasswordLogin, end: Instant) -> Result<Grant, Failure> {
    let question = format!("App password of {}:", text::terminal(&login.owner()));
    let line = match std::io::stdin().is_terminal() {
        true => timeout_at(end, runtime::ask_hidden(&question)).await,
        false => {
            ui::tell(&question);
            ui::tell("(standard input is no terminal: its first line is taken)");
            timeout_at(end, runtime::ask()).await
        }
    };
    let line = Secret::new(line.map_err(|_| too_late())??);
    let password = Secret::new(line.expose().trim());
    if password.is_empty() {
        return Err(Failure::error("the input ended before the password came"));
    }
    login.exchange(&password, &RequestLog::default()).await.map_err(failed)
}

/// Shows a code and asks how far the phone has come.
async fn by_phone(login: &dyn Login, scopes: Vec<String>, end: Instant) -> Result<Grant, Failure> {
    let Some(qr) = login.by_qr() else {
        return Err(Failure::usage("this platform has no login by a code"));
    };
    // No browser comes back: the address is nobody's.
    let asked = Asked::new("https://localhost/", scopes).map_err(failed)?;
    let log = RequestLog::default();
    let shown = qr.ask(&asked, &log).await.map_err(failed)?;
    ui::tell(&code_of(&shown.url)?);
    ui::tell("Scan this code with your phone, or open this address on it:");
    ui::tell(&text::terminal(&shown.url));
    let (mut told, mut failures) = (false, 0);
    loop {
        match timeout_at(end, qr.poll(&shown, &log)).await.map_err(|_| too_late())? {
            Ok(QrAnswer::Waiting) => failures = 0,
            Ok(QrAnswer::Scanned) => {
                failures = 0;
                if !std::mem::replace(&mut told, true) {
                    ui::tell("Scanned. Grant it on the phone …");
                }
            }
            Ok(QrAnswer::Confirmed(confirmed)) => {
                return qr.exchange(&confirmed, &log).await.map_err(failed);
            }
            Ok(QrAnswer::Expired) => {
                return Err(
                    Failure::new(Exit::Temporary, "the code has expired, or was refused").hint("run again")
                );
            }
            Err(error) => {
                failures += 1;
                if failures == FAILED_POLLS_MAX {
                    return Err(failed(error));
                }
            }
        }
        timeout_at(end, sleep(qr.pace())).await.map_err(|_| too_late())?;
    }
}

/// A QR code of half-height characters, dark on light whatever the terminal's colours are.
fn code_of(url: &str) -> Result<String, Failure> {
    use qrcode::render::unicode::Dense1x2;
    let code = qrcode::QrCode::new(url.as_bytes())
        .map_err(|error| Failure::error("the address does not fit into a code").cause(&error))?;
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Ok(drawn)
}

/// Stores the login, unless it is not the one that it should be.
fn accept(
    workspace: &Workspace,
    arguments: &Arguments,
    loaded: &Loaded,
    grant: &Grant,
    before: Option<&GrantRecord>,
) -> Result<Option<GrantRecord>, Failure> {
    let name = &arguments.account;
    let is_other = before.is_some_and(|record| {
        !record.subject.is_empty() && !grant.subject.is_empty() && record.subject != grant.subject
    });
    if is_other && !arguments.other_owner {
        let message =
            format!("this is not the owner who was logged in as {name} before; the login was not stored");
        return Err(Failure::error(message)
            .hint("log out at the platform's page and log in as the right one")
            .hint("if the account is to change hands: `--other-owner`"));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match store(workspace, loaded, name, grant, "login") {
            Err(failure) if failure.exit == Exit::Locked && tries < STORE_TRIES_MAX => {
                ui::tell(
                    "The ledger is in use by another process; the login is stored when that has finished.",
                );
            }
            other => return other,
        }
    }
}

/// What the account can do now, and what not.
fn report(
    workspace: &Workspace,
    loaded: &Loaded,
    platform: &dyn Platform,
    grant: &Grant,
    record: Option<GrantRecord>,
    introduced: &[String],
) -> Result<Exit, Failure> {
    let (now, scopes) = (workspace.clock.now(), platform.login().scopes());
    if let Some(record) = &record {
        ui::tell(&format!("Logged in: {}", record.account));
        ui::tell(&format!("  {}", text::one_line(&describe(record, now, &zone(loaded)), 400)));
        introduced.iter().for_each(|line| ui::tell(&format!("  {}", text::one_line(line, 400))));
        if workspace.global.json {
            let account = document(&record.account, &platform.origin(), Some(record), now, true);
            ui::print_json(&json!({ "format_version": FORMAT_VERSION, "accounts": [account] }));
        }
    }
    let missing = missing(&scopes, &grant.scopes);
    missing.iter().for_each(|scope| ui::tell(&format!("  not granted: {} (no {})", scope.name, scope.gives)));
    let lacks = |scope: &&&Scope| scope.is_needed;
    match missing.iter().find(lacks) {
        None => Ok(Exit::Converged),
        Some(scope) => {
            ui::tell(&format!("Without {} nothing can be posted: log in again and grant it.", scope.name));
            Ok(Exit::LoginNeeded)
        }
    }
}

fn too_late() -> Failure {
    Failure::new(Exit::Temporary, "nobody answered in time; nothing was stored")
        .hint("run again, and allow more time with --timeout")
}

fn failed(error: Error) -> Failure {
    Failure::error("the login came to nothing").cause(&error)
}
