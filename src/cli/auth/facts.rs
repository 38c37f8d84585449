//! What is known of accounts: asked for, written to `content/accounts.lock.yaml`, and shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::ui::Reporter;
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{caretaker, plan, runtime, text, ui};
use crate::content::accounts::accounts;
use crate::domain::capability::{Capabilities, FILE, Knowledge, Known, Read, write};
use crate::domain::grant::{Grant, GrantRecord};
use crate::domain::ids::AccountName;
use crate::domain::project::Account;
use crate::domain::retry::ErrorKind;
use crate::ledger::Ledger;
use crate::platform::inquiry::Answer;
use crate::platform::oauth::missing;
use crate::platform::{Error, Platform};
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::{self, Engine, Until};
use crate::reconcile::inquiry::{inquire, proven_prefixes, renewed};
use crate::reconcile::lane::Platforms;

const COMMAND: &str = "auth status --write";

pub(super) type Facts = BTreeMap<AccountName, Capabilities>;

/// What the file says now. Where it has an error it is not to be written over: people write there too.
pub(super) fn read(workspace: &Workspace, loaded: &Loaded) -> Result<Facts, Failure> {
    match accounts(&workspace.root, &workspace.content).0 {
        Read::Missing => Ok(Facts::new()),
        Read::File(file) => Ok(file.accounts.into_iter().map(|(name, known)| (name, known.facts)).collect()),
        Read::Unreadable => {
            plan::report_diagnostics(workspace, loaded)?;
            let path = workspace.content.join(FILE);
            let message = format!("{} has an error, and is not written over", path.display());
            Err(Failure::error(message).hint("mend it, or remove it"))
        }
    }
}

/// Writes the file, whole or not at all; it is left alone where it says the same.
pub(super) fn save(workspace: &Workspace, facts: &Facts) -> Result<(), Failure> {
    let (path, text) = (workspace.content.join(FILE), write(facts));
    if std::fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes()) {
        return Ok(());
    }
    let temporary = workspace.content.join(format!(".{FILE}.{}.tmp", std::process::id()));
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, &path));
    written.map_err(|error| {
        // It is of no use, and hidden from scans, should it stay.
        let _ = std::fs::remove_file(&temporary);
        Failure::error(format!("{} cannot be written", path.display())).cause(&error)
    })
}

/// How asking went.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    pub(super) exits: Vec<Exit>,
    /// Accounts that cannot post at present, and why.
    pub(super) barred: BTreeMap<AccountName, String>,
}

/// Asks for each account that is logged in, and writes down what is answered.
pub(super) fn renew(workspace: &Workspace) -> Result<Renewed, Failure> {
    let loaded = workspace.project();
    let project = loaded.project.as_ref();
    read(workspace, &loaded)?;
    if project.is_none() || workspace.read_ledger(Book::Real, project)?.is_none() {
        return Ok(Renewed::default());
    }
    let ledger = workspace.existing_ledger(Book::Real, project, COMMAND)?;
    let mut result = Renewed::default();
    let platforms = logged_in(workspace, &loaded, &ledger, &mut result)?;
    if platforms.is_empty() {
        return Ok(result);
    }
    let mut engine = caretaker::engine(workspace, ledger, COMMAND, platforms)?;
    let answers = runtime::start()?.block_on(ask_all(workspace, &loaded, &mut engine, &mut result))?;
    // Read again: somebody may have written there while the platforms were asked.
    let mut facts = read(workspace, &loaded)?;
    for (name, Answered { answer, proven }) in answers {
        let known = facts.entry(name.clone()).or_default();
        *known = renewed(known, &answer, proven, workspace.clock.now());
        result.barred.extend(answer.bars.map(|bars| (name, bars.to_string())));
    }
    save(workspace, &facts)?;
    Ok(result)
}

/// The accounts that can be asked about; those that may not be are told.
fn logged_in(
    workspace: &Workspace,
    loaded: &Loaded,
    ledger: &Ledger,
    result: &mut Renewed,
) -> Result<Platforms, Failure> {
    let mut platforms = Platforms::new();
    for (name, platform) in &loaded.platforms {
        if ledger.grant(name)?.is_none_or(|record| record.is_logged_out()) {
            continue;
        }
        match workspace.may_send(loaded, name) {
            true => drop(platforms.insert(name.clone(), Arc::clone(platform))),
            false => result.failed(name, workspace.endpoint_refused(name, loaded)),
        }
    }
    Ok(platforms)
}

impl Renewed {
    fn failed(&mut self, name: &AccountName, failure: Failure) {
        let why = [&[failure.message][..], &failure.causes, &failure.hints].concat().join("; ");
        ui::tell(&format!("{name}: {}", text::one_line(&why, 600)));
        self.exits.push(failure.exit);
    }
}

/// What an account's platform told, and what the ledger proves.
struct Answered {
    answer: Answer,
    proven: BTreeSet<String>,
}

/// Refreshes what is due, then asks for one account after the other: each is a request or two.
async fn ask_all(
    workspace: &Workspace,
    loaded: &Loaded,
    engine: &mut Engine,
    result: &mut Renewed,
) -> Result<Vec<(AccountName, Answered)>, Failure> {
    let stop = runtime::listen_for_stop();
    let until = Until::settled(Timestamp::MIN, stop.clone());
    let mut reporter = Reporter::new(workspace.palette, plan::zone(loaded));
    execute::renew(engine, false, until, &mut |notice| reporter.notice(&notice)).await?;
    let base = loaded.project.as_ref().and_then(|project| project.media_base_url.as_ref());
    let base = base.map(|base| base.value.as_str());
    let mut answers = Vec::new();
    for (name, platform) in engine.platforms.clone() {
        if *stop.borrow() {
            result.exits.push(Exit::Interrupted);
            break;
        }
        match ask(engine, &name, platform.as_ref(), base).await {
            Ok(answer) => answers.push((name, answer)),
            Err(failure) => result.failed(&name, failure),
        }
    }
    Ok(answers)
}

async fn ask(
    engine: &mut Engine,
    name: &AccountName,
    platform: &dyn Platform,
    base: Option<&str>,
) -> Result<Answered, Failure> {
    let now = engine.clock.now();
    let grant = caretaker::live_grant(engine, name, platform, now)?;
    let moment = (now, engine.actor.as_str());
    let answer = inquire(&mut engine.ledger, platform, (name, &grant), moment).await?;
    let answer = answer.map_err(|error| refused(name, &error))?;
    let proven = proven_prefixes(&engine.ledger, platform, name, base)?;
    Ok(Answered { answer, proven })
}

/// Who has just logged in, and what the platform says they may do.
pub(super) async fn introduce(
    workspace: &Workspace,
    loaded: &Loaded,
    name: &AccountName,
    grant: &Grant,
) -> Result<Vec<String>, Failure> {
    let Some(platform) = loaded.platforms.get(name) else { return Ok(Vec::new()) };
    let mut ledger = workspace.existing_ledger(Book::Real, loaded.project.as_ref(), "auth login")?;
    let (now, actor) = (workspace.clock.now(), workspace.actor("auth login"));
    let answer = inquire(&mut ledger, &**platform, (name, grant), (now, &actor)).await?;
    let answer = answer.map_err(|error| refused(name, &error))?;
    let account = loaded.project.as_ref().and_then(|project| project.account(name));
    let mut lines = vec![facts(&answer.capabilities, account.and_then(audited))];
    lines.extend(answer.bars.map(|bars| format!("cannot post at present: {bars}")));
    Ok(lines)
}

fn refused(name: &AccountName, error: &Error) -> Failure {
    let failure = |exit| Failure::new(exit, "the platform did not tell what the account may do").cause(error);
    match error.kind {
        ErrorKind::Auth => failure(Exit::LoginNeeded)
            .hint(format!("run `gitcast auth refresh --force {name}`, then this again; else log in again")),
        ErrorKind::RateLimited | ErrorKind::Transient => failure(Exit::Temporary).hint("run again later"),
        _ => failure(Exit::Error),
    }
}

fn known<'a>(loaded: &'a Loaded, name: &AccountName) -> Option<&'a Known> {
    loaded.project.as_ref()?.account(name)?.known.known()
}

/// Adds what is known to an account's document.
pub(super) fn add(mut document: Value, loaded: &Loaded, name: &AccountName, renewed: &Renewed) -> Value {
    let account = loaded.project.as_ref().and_then(|project| project.account(name));
    document["audited"] = json!(account.and_then(|account| account.is_audited()));
    document["cannot_post"] = json!(renewed.barred.get(name));
    document["capabilities"] = json!(known(loaded, name).map(|known| &known.facts));
    document
}

/// Lines about what the account may do.
pub(super) fn describe(loaded: &Loaded, name: &AccountName, record: Option<&GrantRecord>) -> Vec<String> {
    let mut lines = Vec::new();
    let platform = loaded.platforms.get(name);
    if let (Some(record), Some(platform)) = (record, platform) {
        let scopes = platform.login().scopes();
        let lacks = missing(&scopes, &record.scopes);
        let lacks: Vec<_> = lacks.iter().map(|scope| format!("{} ({})", scope.name, scope.gives)).collect();
        if !lacks.is_empty() {
            lines.push(format!("not granted: {}", lacks.join(", ")));
        }
    }
    let Some(account) = loaded.project.as_ref().and_then(|project| project.account(name)) else {
        return lines;
    };
    match &account.known {
        Knowledge::Facts(known) => {
            lines.push(format!("{}: {}", known.when(), facts(&known.facts, audited(account))));
        }
        Knowledge::Unreadable => lines.push(format!("{FILE} has an error: see `gitcast validate`")),
        Knowledge::Nothing => {}
    }
    lines
}

/// Whether the platform has audited the app, on platforms that audit any.
fn audited(account: &Account) -> Option<bool> {
    account.platform.has_apps().then(|| account.is_audited()).flatten()
}

fn facts(facts: &Capabilities, is_audited: Option<bool>) -> String {
    let mut parts = Vec::new();
    let name = [facts.nickname.clone(), facts.username.as_ref().map(|name| format!("@{name}"))];
    let name: Vec<_> = name.into_iter().flatten().collect();
    if !name.is_empty() {
        parts.push(name.join(" "));
    }
    if let Some(privacy) = &facts.privacy {
        let words: Vec<_> = privacy.iter().map(|privacy| privacy.word()).collect();
        parts.push(format!("privacy {}", words.join(", ")));
    }
    if let Some(disabled) = facts.disabled.as_ref().filter(|disabled| !disabled.is_empty()) {
        let words: Vec<_> = disabled.iter().map(|allow| allow.word()).collect();
        parts.push(format!("turned off: {}", words.join(", ")));
    }
    parts.extend(facts.video_seconds_max.map(|seconds| format!("videos up to {seconds} s")));
    if let Some(server) = &facts.server {
        let software = [&server.software, &server.version].map(|name| name.clone().unwrap_or_default());
        parts.push(software.join(" ").trim().to_owned());
        parts.extend(server.text_chars_max.map(|chars| format!("texts up to {chars} characters")));
        parts.extend(server.media_max.map(|media| format!("{media} media")));
    }
    let audited = |is_audited| if is_audited { "app audited" } else { "app not audited" };
    parts.extend(is_audited.map(audited).map(str::to_owned));
    if !facts.media_prefixes.is_empty() {
        let prefixes: Vec<_> = facts.media_prefixes.iter().map(String::as_str).collect();
        parts.push(format!("media from {}", prefixes.join(", ")));
    }
    parts.join("; ")
}
