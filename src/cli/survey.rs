//! `--refresh` of `status` and `insights`: looks at what was published, before it is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use super::caretaker;
use super::error::Failure;
use super::exit::Exit;
use super::plan::{self, zone};
use super::ui::Reporter;
use super::workspace::{Book, Workspace};
use super::{runtime, text, ui};
use crate::domain::drift::OnMissing;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::plan::Plan;
use crate::domain::publication::Publication;
use crate::domain::retry::ErrorKind;
use crate::platform::{Error, Platform};
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::{self, Engine, Until};
use crate::reconcile::lane::Platforms;
use crate::reconcile::survey::{Surveyed, late, live, look};

/// How looking went on each account that has something to look at.
#[derive(Debug, Default)]
pub(super) struct Refreshed {
    pub(super) accounts: Vec<Account>,
    exits: Vec<Exit>,
}

#[derive(Debug, Serialize)]
pub(super) struct Account {
    account: AccountName,
    /// Posts that the platform answered for, and those of them that differ.
    compared: usize,
    differing: usize,
    /// Why not all were looked at.
    error: Option<String>,
}

impl Refreshed {
    /// How the asking went: what it found changes no exit code.
    pub(super) fn exit(&self) -> Exit {
        Exit::of(self.exits.iter().copied())
    }

    fn add(&mut self, account: &AccountName, surveyed: &Surveyed, failure: Option<Failure>) {
        let error = failure.map(|failure| {
            let why = [&[failure.message][..], &failure.causes, &failure.hints].concat().join("; ");
            let why = text::one_line(&why, 600);
            ui::tell(&format!("{account}: {why}"));
            self.exits.push(failure.exit);
            why
        });
        let Surveyed { posts: compared, differing, .. } = *surveyed;
        self.accounts.push(Account { account: account.clone(), compared, differing, error });
    }
}

impl Account {
    pub(super) fn line(&self) -> String {
        let s = if self.compared == 1 { "" } else { "s" };
        let rest = if self.error.is_some() { ", the rest is as it was recorded" } else { "" };
        let Account { account, compared, differing, .. } = self;
        format!("{account}: compared {compared} live post{s}, {differing} not as recorded{rest}")
    }
}

/// Looks at what the selectors choose, or at one post, and records what is found.
pub(super) fn refresh(
    workspace: &Workspace,
    command: &str,
    post: Option<&PostId>,
) -> Result<Refreshed, Failure> {
    workspace.refuse_now()?;
    let loaded = workspace.project();
    let project = loaded.project.as_ref();
    if project.is_none() {
        plan::report_diagnostics(workspace, &loaded)?;
        return Err(Failure::error("without a valid gitcast.yaml there are no accounts to ask for"));
    }
    let mut refreshed = Refreshed::default();
    if workspace.read_ledger(Book::Real, project)?.is_none() {
        return Ok(refreshed);
    }
    let ledger = workspace.existing_ledger(Book::Real, project, command)?;
    let is_chosen = |p: &Publication| {
        post.is_none_or(|post| *post == p.post) && workspace.selects(&p.post, &p.account, p.platform, &p.path)
    };
    let (publications, now) = (ledger.publications()?, workspace.clock.now());
    let mut platforms = Platforms::new();
    let mut looks = BTreeSet::new();
    for (name, platform) in &loaded.platforms {
        let Some(survey) = platform.survey() else { continue };
        let late = late(&ledger, survey, (name, &publications), now, is_chosen)?;
        if late.is_empty() && live(&ledger, survey, (name, &publications), (now, 1), is_chosen)?.is_empty() {
            continue;
        }
        looks.extend(late);
        let record = ledger.grant(name)?;
        let failure = match record {
            Some(record) if !record.is_logged_out() => {
                (!workspace.may_send(&loaded, name)).then(|| workspace.endpoint_refused(name, &loaded))
            }
            _ => Some(not_asked("no login").hint(format!("run `gitcast auth login {name}`"))),
        };
        match failure {
            Some(failure) => refreshed.add(name, &Surveyed::default(), Some(failure)),
            None => drop(platforms.insert(name.clone(), Arc::clone(platform))),
        }
    }
    if platforms.is_empty() {
        return Ok(refreshed);
    }
    let mut engine = caretaker::engine(workspace, ledger, command, platforms)?;
    engine.hints.looks = looks;
    runtime::start()?.block_on(ask_all(workspace, &loaded, &mut engine, &is_chosen, &mut refreshed))?;
    Ok(refreshed)
}

/// Not an error: what is recorded is told all the same.
fn not_asked(why: impl Into<String>) -> Failure {
    Failure::new(Exit::Converged, why)
}

/// Refreshes the logins that are due and looks for public ids that are still to come, then asks for one account after the
/// other.
async fn ask_all(
    workspace: &Workspace,
    loaded: &Loaded,
    engine: &mut Engine,
    is_chosen: &dyn Fn(&Publication) -> bool,
    refreshed: &mut Refreshed,
) -> Result<(), Failure> {
    let stop = runtime::listen_for_stop();
    let on_missing = loaded.project.as_ref().map(|project| project.policy.on_missing).unwrap_or_default();
    let until = Until::settled(Timestamp::MIN, stop.clone());
    let mut reporter = Reporter::new(workspace.palette, zone(loaded));
    execute::renew(engine, false, until.clone(), &mut |notice| reporter.notice(&notice)).await?;
    if !engine.hints.looks.is_empty() {
        let nothing = Plan { changes: Vec::new() };
        execute::execute(engine, &nothing, &[], until, &mut |notice| reporter.notice(&notice)).await?;
    }
    for (name, platform) in engine.platforms.clone() {
        match ask(engine, (&name, &*platform), is_chosen, (on_missing, &stop)).await {
            Ok(surveyed) if surveyed.interrupted => {
                refreshed.add(&name, &surveyed, Some(Failure::new(Exit::Interrupted, "stopped")));
                break;
            }
            Ok(surveyed) => {
                let failure = surveyed.error.as_ref().map(|error| refused(&name, error));
                refreshed.add(&name, &surveyed, failure);
            }
            Err(failure) => refreshed.add(&name, &Surveyed::default(), Some(failure)),
        }
    }
    Ok(())
}

async fn ask(
    engine: &mut Engine,
    (name, platform): (&AccountName, &dyn Platform),
    is_chosen: &dyn Fn(&Publication) -> bool,
    (on_missing, stop): (OnMissing, &watch::Receiver<bool>),
) -> Result<Surveyed, Failure> {
    let Some(survey) = platform.survey() else { return Ok(Surveyed::default()) };
    let now = engine.clock.now();
    let grant = caretaker::live_grant(engine, name, platform, now)?;
    if let Some(scope) = survey.lacks(&grant) {
        return Err(not_asked(format!("the login was not granted `{scope}`, which looking takes"))
            .hint(format!("log in again and grant it: gitcast auth login {name}")));
    }
    let publications = engine.ledger.publications()?;
    let live = live(&engine.ledger, survey, (name, &publications), (now, usize::MAX), is_chosen)?;
    Ok(look(engine, (platform, survey), (name, &grant), &live, (on_missing, stop), &mut |_| ()).await?)
}

fn refused(name: &AccountName, error: &Error) -> Failure {
    let failure = |exit| Failure::new(exit, "the platform did not tell how the posts are").cause(error);
    match error.kind {
        ErrorKind::Auth => failure(Exit::LoginNeeded)
            .hint(format!("run `gitcast auth refresh --force {name}`, then this again; else log in again")),
        ErrorKind::RateLimited | ErrorKind::Transient => failure(Exit::Temporary).hint("run again later"),
        _ => failure(Exit::Error),
    }
}
