//! Hooks of `apply` and `watch`: who is to be told, from options and environment, and the couriers that run beside the
//! work. Whatever goes wrong here is a warning: it changes neither what is published nor the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::Failure;
use super::workspace::{Book, Workspace};
use super::{text, ui};
use crate::domain::ids::{AccountName, PlatformId};
use crate::domain::plan::Plan;
use crate::hooks::command::Command;
use crate::hooks::message::Present;
use crate::hooks::webhook::{SigningKey, Webhook};
use crate::hooks::{Courier, Hook, Outbox, Signs, give_up_old, write_letter};
use crate::ledger::{self, Ledger};
use crate::reconcile::desired::Loaded;
use crate::secret::Secret;

/// Holds what a webhook is signed with.
const SECRET_VARIABLE: &str = "GITCAST_HOOK_SECRET";

/// How long a run that ends waits for receivers: for one attempt that takes as long as it may, and a bit.
pub(super) const END_MAX: Duration = Duration::from_secs(20);
/// The same after a stop, which is promised within five seconds.
pub(super) const STOP_MAX: Duration = Duration::from_millis(400);

#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Tell this address what has happened, by POST of JSON, signed if GITCAST_HOOK_SECRET is set
    #[arg(long, value_name = "URL", env = "GITCAST_HOOK_URL", hide_env_values = true, value_parser = secret)]
    hook_url: Option<Secret>,
    /// Run this program with the same JSON on its standard input
    #[arg(long, value_name = "PROGRAM", env = "GITCAST_HOOK_COMMAND", hide_env_values = true)]
    hook_command: Option<PathBuf>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Who is told.
pub(super) struct Hooks {
    hooks: Vec<&'static str>,
    is_rehearsal: bool,
    couriers: JoinSet<()>,
    letters: watch::Sender<u64>,
    end: watch::Sender<Option<Instant>>,
    palette: ui::Palette,
}

impl Hooks {
    /// Starts a courier for each hook.
    pub(super) fn start(workspace: &Workspace, to: Vec<Hook>, (book, command): (Book, &str)) -> Hooks {
        let outbox = Outbox {
            ledger: workspace.ledger_path(book),
            holder: workspace.holder(command),
            clock: workspace.clock.clone(),
        };
        let (letters, end) = (watch::channel(0).0, watch::channel(None).0);
        let (mut couriers, mut hooks, palette) = (JoinSet::new(), Vec::new(), workspace.palette);
        for hook in to {
            hooks.push(hook.name());
            let courier = Courier::new(hook, outbox.clone(), Arc::new(move |line| warn(palette, line)));
            couriers.spawn(courier.run(Signs { letters: letters.subscribe(), end: end.subscribe() }));
        }
        Hooks { hooks, is_rehearsal: book == Book::Rehearsal, couriers, letters, end, palette }
    }

    /// Before anything is recorded: where hooks are new, what follows is what they are told.
    pub(super) fn begin(&self, workspace: &Workspace, ledger: &mut Ledger) {
        let begun = give_up_old(ledger, workspace.clock.now())
            .and_then(|()| self.hooks.iter().try_for_each(|hook| ledger.begin_telling(hook).map(drop)));
        if let Err(error) = begun {
            self.untold(&error);
        }
    }

    /// Puts into the outbox what is new after a pass, and lets the couriers know.
    pub(super) fn note(&self, workspace: &Workspace, ledger: &mut Ledger, loaded: &Loaded, plan: &Plan) {
        if self.hooks.is_empty() {
            return;
        }
        let now = workspace.clock.now();
        let selects_all = workspace.global.only.is_empty() && workspace.global.exclude.is_empty();
        let written = logins(ledger, loaded, plan, now).and_then(|logins| {
            let is_whole = selects_all && loaded.complete && loaded.broken_paths.is_empty();
            let present = Present { plan, is_whole, logins: &logins, now };
            let mut hooks = self.hooks.iter();
            hooks.try_for_each(|hook| write_letter(ledger, hook, &present, self.is_rehearsal))
        });
        match written {
            Ok(()) => self.letters.send_modify(|count| *count += 1),
            Err(error) => self.untold(&error),
        }
    }

    fn untold(&self, error: &ledger::Error) {
        warn(self.palette, &format!("what has happened cannot be told at present: {error}"));
    }

    /// Delivers what is in the outbox, for `bound` at most or until a stop. What is left is for the next run.
    pub(super) async fn finish(mut self, bound: Duration, stop: &mut watch::Receiver<bool>) {
        self.end.send_replace(Instant::now().checked_add(bound));
        let stopped = async {
            // Without a sender nobody asks for a stop.
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let all = async { while self.couriers.join_next().await.is_some() {} };
        tokio::select! {
            () = all => {}
            () = stopped => {}
        }
    }
}

impl Options {
    /// The hooks that are asked for.
    ///
    /// # Errors
    ///
    /// Usage, for an address, a secret or a program that cannot be used. Nothing of the first two is told.
    pub(super) fn hooks(&self, content: &Path) -> Result<Vec<Hook>, Failure> {
        let mut hooks = Vec::new();
        if let Some(url) = self.hook_url.as_ref().filter(|url| !url.is_empty()) {
            // What is no text is no base64 either: it must not be taken for nothing, and messages go out unsigned.
            let key = std::env::var_os(SECRET_VARIABLE).map(|key| Secret::new(key.to_string_lossy()));
            let key = key.filter(|key| !key.is_empty()).map(|key| SigningKey::read(&key)).transpose();
            let key = key.map_err(|why| {
                Failure::usage(format!("{SECRET_VARIABLE} cannot sign: it {why}"))
                    .hint("make one: echo \"whsec_$(openssl rand -base64 32)\"")
            })?;
            let webhook = Webhook::new(url.clone(), key)
                .map_err(|why| Failure::usage(format!("the address of the hook cannot be used: it {why}")))?;
            hooks.push(Hook::Webhook(webhook));
        }
        if let Some(path) = self.hook_command.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            let names = std::env::vars_os().map(|(name, _)| name);
            let command = Command::new(path, content, names).map_err(|why| {
                Failure::usage(format!("the hook command {} cannot be used: it {why}", path.display()))
            })?;
            hooks.push(Hook::Command(command));
        }
        Ok(hooks)
    }
}

/// The declared accounts that have a login or need one, and why somebody must log in.
fn logins(
    ledger: &Ledger,
    loaded: &Loaded,
    plan: &Plan,
    now: jiff::Timestamp,
) -> Result<BTreeMap<AccountName, (PlatformId, Option<String>)>, ledger::Error> {
    let mut logins = BTreeMap::new();
    let accounts = loaded.project.iter().flat_map(|project| &project.accounts);
    for account in accounts {
        let name = &account.name.value;
        let is_needed = || plan.acting().any(|change| change.account == *name);
        let why = match ledger.grant(name)? {
            Some(grant) => grant.needs_login(now),
            None if is_needed() => Some("it has no login yet".to_owned()),
            None => continue,
        };
        logins.insert(name.clone(), (account.platform, why));
    }
    Ok(logins)
}

fn warn(palette: ui::Palette, line: &str) {
    ui::tell(&format!("{} {}", palette.notable("warning:"), text::one_line(line, 400)));
}
