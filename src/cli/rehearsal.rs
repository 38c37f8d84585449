//! `gitcast rehearse`, and the stand-in behind `--rehearse`: the whole of gitcast without credentials or network.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::error::Failure;
use super::exit::Exit;
use super::ui;
use super::workspace::Workspace;
use crate::clock::Clock;
use crate::domain::event::Event;
use crate::domain::ids::PlatformId;
use crate::domain::project::Project;
use crate::ledger::vault::Vault;
use crate::ledger::{self, Holder, Ledger, Lock};
use crate::platform::tiktok::business;
use crate::reconcile::desired::{Loaded, StandIn};
use crate::rehearsal::trends::BUSINESS_TOKEN;
use crate::rehearsal::{AccountSetup, Options, Rehearsal};
use crate::secret::Secret;

/// The app's keys at the stand-in; no secret, since the stand-in is only reached from this machine.
const CLIENT_KEY: &str = "rehearsal-key";
const CLIENT_SECRET: &str = "rehearsal-secret";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen; loopback only [default: where the last rehearsal was, else 127.0.0.1:4010]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Where the stand-in listens unless that is taken, so that links stay good from one run to the next.
const PORT: u16 = 4010;

/// Names a holder of the lock that does not end by itself.
const SERVES: &str = "gitcast rehearse";

/// A stand-in that lives as long as one run.
pub(super) struct Rehearsing {
    server: Rehearsal,
    /// Two processes with one memory would spoil it.
    _lock: Lock,
}

impl Rehearsing {
    pub(super) async fn start(workspace: &Workspace) -> Result<Rehearsing, Failure> {
        let project = workspace.project().project;
        let dir = directory(workspace);
        let lock = lock(workspace, "apply --rehearse")?;
        let start = |port| {
            let mut options = options(workspace, project.as_ref(), local(port));
            // Whoever tries gitcast for the first time sees links at once.
            options.accounts.iter_mut().for_each(|account| account.moderation_ms = 0);
            options
        };
        // The same port as last time, so that what was interrupted finds its addresses again; any other if it is taken.
        let server = match Rehearsal::start(start(remembered_port(&dir))).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Rehearsal::start(start(0)).await,
            started => started,
        };
        let server = server.map_err(|error| Failure::error("the rehearsal cannot start").cause(&error))?;
        if let Some(port) = server.base_url().rsplit(':').next() {
            // Losing it costs an interrupted rehearsal its uploads, nothing else.
            let _ = std::fs::write(dir.join("port"), port);
        }
        Ok(Rehearsing { server, _lock: lock })
    }

    /// How to look at what was published.
    pub(super) fn way_to_the_feed(&self) -> String {
        format!("To look at the feed: `gitcast rehearse`, then open {}/", self.server.base_url())
    }

    pub(super) fn stand_in(&self) -> StandIn {
        stand_in(self.server.base_url())
    }

    /// Gives every account a fresh login, as if its owner had just granted it.
    pub(super) fn log_in(
        &self,
        ledger: &mut Ledger,
        vault: &Vault,
        loaded: &Loaded,
        now: Timestamp,
        actor: &str,
    ) -> Result<(), Failure> {
        let mut events = Vec::new();
        for (account, platform) in &loaded.platforms {
            let reply = self.server.issue_grant(account.as_str())?;
            let grant = platform
                .read_grant(&reply, now)
                .map_err(|error| Failure::error("the stand-in's login cannot be used").cause(&error))?;
            let generation = ledger.grant(account)?.map_or(0, |grant| grant.generation) + 1;
            let change = vault.stored(account, generation, &grant, platform.origin(), "rehearsal")?;
            events.push(Event::Grant { account: account.clone(), change });
        }
        if !events.is_empty() {
            ledger.append(now, actor, &events)?;
        }
        Ok(())
    }

    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}

impl Workspace {
    /// The stand-in as a plan sees it, without one that listens: no address is part of a plan.
    pub(super) fn planned_stand_in(&self) -> StandIn {
        stand_in("http://127.0.0.1:4010")
    }
}

fn stand_in(origin: &str) -> StandIn {
    StandIn {
        origin: origin.to_owned(),
        client_key: Secret::new(CLIENT_KEY),
        client_secret: Secret::new(CLIENT_SECRET),
        keys: vec![(business::TOKEN_VARIABLE, Secret::new(BUSINESS_TOKEN))],
    }
}

fn directory(workspace: &Workspace) -> PathBuf {
    workspace.state.join("rehearsal")
}

fn remembered_port(dir: &std::path::Path) -> u16 {
    std::fs::read_to_string(dir.join("port")).ok().and_then(|port| port.trim().parse().ok()).unwrap_or(PORT)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Waits for another run as the ledger does, but not for a `gitcast rehearse`: that one goes on until it is stopped.
fn lock(workspace: &Workspace, command: &str) -> Result<Lock, Failure> {
    let dir = directory(workspace);
    std::fs::create_dir_all(&dir)?;
    let (path, holder) = (dir.join("stand-in.db"), workspace.holder(command));
    let serves = |holder: &Holder| holder.command == SERVES;
    match Lock::acquire(&path, Duration::ZERO, &holder) {
        Err(ledger::Error::Locked { holder: Some(other) }) if serves(&other) => {
            Err(Failure::new(Exit::Locked, format!("the stand-in of this project is in use by {other}"))
                .hint("stop it first; what it has published stays"))
        }
        Err(ledger::Error::Locked { .. }) => {
            Ok(Lock::acquire(&path, workspace.global.lock_timeout, &holder)?)
        }
        other => Ok(other?),
    }
}

fn options(workspace: &Workspace, project: Option<&Project>, listen: SocketAddr) -> Options {
    let accounts = project.map_or(&[][..], |project| &project.accounts);
    let is_audited = |account: &crate::domain::project::Account| account.is_audited().unwrap_or(false);
    let setup = |account: &crate::domain::project::Account| {
        let (name, handle) = (account.name.value.as_str(), account.handle.as_ref());
        let handle = handle.map_or("", |handle| handle.value.as_str());
        match (account.platform, is_audited(account)) {
            (PlatformId::Bluesky, _) => AccountSetup::bluesky(name, handle),
            (PlatformId::Mastodon, _) => {
                AccountSetup::mastodon(name, handle.split('@').next().unwrap_or_default())
            }
            (PlatformId::Tiktok, true) => AccountSetup::audited(name),
            (PlatformId::Tiktok, false) => AccountSetup::new(name),
        }
    };
    Options {
        dir: Some(directory(workspace)),
        listen,
        content: Some(workspace.place().1.to_owned()).filter(|content| content.is_dir()),
        clock: millis(workspace.clock.clone()),
        accounts: accounts.iter().map(setup).collect(),
        client_key: CLIENT_KEY.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        ..Options::default()
    }
}

fn millis(clock: Clock) -> Arc<dyn Fn() -> i64 + Send + Sync> {
    Arc::new(move || clock.now().as_millisecond())
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let project = workspace.project().project;
    let _lock = lock(workspace, "rehearse")?;
    let listen = arguments.listen.unwrap_or_else(|| local(remembered_port(&directory(workspace))));
    super::runtime::start()?.block_on(async {
        let mut stop = super::runtime::listen_for_stop();
        let server = Rehearsal::start(options(workspace, project.as_ref(), listen))
            .await
            .map_err(|error| Failure::error("the rehearsal cannot start").cause(&error))?;
        let url = server.base_url().to_owned();
        if workspace.global.json {
            ui::print_json(&serde_json::json!({ "format_version": super::plan::FORMAT_VERSION, "url": url }));
        } else {
            ui::print(&format!("{url}\n"));
        }
        ui::tell(&format!("The stand-in platforms and their feed are at {url}/ until you stop them."));
        ui::tell(&format!("To use it: `endpoint: {url}` on an account, TIKTOK_CLIENT_KEY={CLIENT_KEY}, TIKTOK_CLIENT_SECRET={CLIENT_SECRET},"));
        ui::tell(&format!("and a login: curl -X POST {url}/rehearsal/grants/ACCOUNT | gitcast auth import ACCOUNT -"));
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.changed().await;
        server.stop().await;
        Ok(Exit::Converged)
    })
}
