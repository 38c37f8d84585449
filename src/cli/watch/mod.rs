//! `gitcast watch`: `apply` for ever. A pass after each change of content, at each appointment, and now and then; between
//! passes nothing is asked, read or held, so that other commands get at the ledger.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::watch::{self, Receiver, Sender};

use super::branch::Branch;
use super::error::Failure;
use super::events::Events;
use super::exit::Exit;
use super::hooks::{self, Hooks};
use super::news::News;
use super::pass::Pass;
use super::plan::{self, Gates};
use super::rehearsal::Rehearsing;
use super::runtime;
use super::serve::{self, Actions, Serving};
use super::site::Wanted;
use super::supervisor::Supervisor;
use super::ui::Reporter;
use super::workspace::{Book, Workspace};
use crate::content::scan::Threads;
use crate::content::watch::Watch;
use crate::domain::plan::Plan;
use crate::ledger::Ledger;
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::{Notice, Until, execute};
use crate::reconcile::news::Hints;
use crate::reconcile::survey::Rounds;
use crate::reconcile::wait_between;
use crate::reconcile::wake::wake_at;

mod telling;
mod unsettled;
mod waiting;

use telling::Told;
use unsettled::leave_unsettled;
use waiting::{Marks, RECONCILE_NOW, interrupt, left};

/// Waits for a platform that are shorter than this keep the ledger open.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// After a pass that failed.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// While another process has the ledger: how long a pass waits for it, so that a stop is heard, and then the next one.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const LOCKED_RETRY_AFTER: Duration = Duration::from_secs(3);
/// As the main thread has it.
const STACK_BYTES: usize = 8 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run against the stand-in platforms, with accounts logged in and a ledger of its own
    #[arg(long)]
    rehearse: bool,
    /// Make one pass and end
    #[arg(long)]
    once: bool,
    /// Add a line of JSON for each thing that happens to this file
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Serve pages to look at here, such as 127.0.0.1:8080; port 0 takes any that is free. Beyond this machine only with
    /// a token in GITCAST_PAGES_TOKEN
    #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
    listen: Option<SocketAddr>,
    /// Take TikTok's own webhooks, at POST /webhooks/tiktok where --listen listens, and look at its posts at once
    #[arg(long, requires = "listen")]
    webhooks: bool,
    /// Let whoever has the token act from the pages: go on at once, pause, resume, retry
    #[arg(long, requires = "listen")]
    allow_actions: bool,
    /// Take content from the commit that this branch or tag points at, such as main or origin/main, whatever is checked out
    #[arg(long, value_name = "REF")]
    git_ref: Option<String>,
    /// A pass at least this often, whether or not anything seems to have changed
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = super::duration)]
    resync: Duration,
    #[command(flatten)]
    hooks: hooks::Options,
    #[command(flatten)]
    gates: Gates,
}

/// What goes on for months waits for nobody and spares memory.
pub(super) fn adapt(workspace: &mut Workspace) {
    workspace.global.lock_timeout = workspace.global.lock_timeout.min(LOCK_WAIT_MAX);
    workspace.threads = Threads::One;
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    if !arguments.rehearse {
        workspace.refuse_now()?;
    }
    let hooks = arguments.hooks.hooks(&workspace.content)?;
    let runtime = runtime::start()?;
    runtime.block_on(async {
        let stop = runtime::listen_for_stop();
        let mut branch = arguments.git_ref.as_ref().map(|name| Branch::open(workspace, name)).transpose()?;
        if let Some(branch) = &mut branch {
            workspace.read_from(branch.tree.clone());
            // A name that is no branch is a slip of the pen; later, it may be a branch that is being replaced.
            match tokio::task::block_in_place(|| branch.turn(&|| !*stop.borrow())) {
                Err(_) if *stop.borrow() => return Ok(Exit::Converged),
                turned => turned?,
            };
        }
        let rehearsing = match arguments.rehearse {
            true => Some(Rehearsing::start(workspace).await?),
            false => None,
        };
        let book = Book::of(arguments.rehearse);
        let hooks = Hooks::start(workspace, hooks, (book, "watch"));
        let mut watching = Watching::new(workspace, arguments, rehearsing.as_ref(), (branch, stop, hooks));
        watching.serve().await?;
        let exit = watching.until_stopped().await;
        watching.tell_the_rest().await;
        if let Some(rehearsing) = rehearsing {
            rehearsing.stop().await;
        }
        exit
    })
}

/// Counts what happens; whoever waits sees that the number is another one.
type Count = (Sender<u64>, Receiver<u64>);

struct Watching<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    rehearsing: Option<&'a Rehearsing>,
    /// What content is read from, if not the work tree.
    branch: Option<Branch>,
    stop: Receiver<bool>,
    /// Git has noted something; mostly about what nobody here has asked for.
    refs: Count,
    /// Content has changed, or somebody asks for a pass.
    content: Count,
    /// Something below `state/` has changed.
    state: Count,
    watches: Vec<Watch>,
    /// The ledger's marker, to tell what others record.
    marks: Marks,
    /// The stand-in's accounts are logged in once.
    is_logged_in: bool,
    told: Told,
    events: Events,
    hooks: Hooks,
    supervisor: Supervisor,
    serving: Option<Serving>,
    /// What platforms tell, until a pass takes it.
    news: Option<News>,
    /// When live posts are looked at again.
    rounds: Rounds,
}

/// How a pass ended.
struct Passed {
    /// When there is something to do again.
    next_at: Timestamp,
    exit: Exit,
    /// Whether there was a project to work on.
    is_whole: bool,
}

impl<'a> Watching<'a> {
    fn new(
        workspace: &'a Workspace,
        arguments: &'a Arguments,
        rehearsing: Option<&'a Rehearsing>,
        (branch, stop, hooks): (Option<Branch>, Receiver<bool>, Hooks),
    ) -> Watching<'a> {
        Watching {
            workspace,
            arguments,
            rehearsing,
            branch,
            stop,
            refs: watch::channel(0),
            content: watch::channel(0),
            state: watch::channel(0),
            watches: Vec::new(),
            marks: Marks::default(),
            is_logged_in: false,
            told: Told::default(),
            events: Events::to(arguments.events.as_ref().map(|file| workspace.root.join(file))),
            hooks,
            supervisor: Supervisor::of_environment(),
            serving: None,
            news: None,
            rounds: Rounds::default(),
        }
    }

    /// Serves pages, if they are asked for.
    async fn serve(&mut self) -> Result<(), Failure> {
        let Some(address) = self.arguments.listen else { return Ok(()) };
        let actions = self.actions()?.map(Arc::new);
        let wanted = Wanted {
            book: Book::of(self.arguments.rehearse),
            stand_in: self.rehearsing.map(Rehearsing::stand_in),
            gates: self.arguments.gates.clone(),
            is_live: true,
            form_key: actions.as_ref().map(|actions| actions.key().to_owned()),
            tree: self.branch.as_ref().map(|branch| branch.tree.clone()),
        };
        let events = vec![self.content.0.subscribe(), self.state.0.subscribe()];
        if self.arguments.webhooks {
            self.news = Some(News::new(self.workspace, self.content.0.clone()));
        }
        let webhooks = self.news.as_ref().map(News::webhooks);
        let how = (address, serve::token(), self.arguments.resync);
        self.serving = Some(serve::start(self.workspace, wanted, how, (webhooks, actions), events).await?);
        Ok(())
    }

    /// What people have done from the pages, if they may.
    fn actions(&self) -> Result<Option<Actions>, Failure> {
        if !self.arguments.allow_actions {
            return Ok(None);
        }
        if serve::token().is_none() {
            return Err(Failure::usage(
                "--allow-actions lets whoever has the token act, and there is no GITCAST_PAGES_TOKEN",
            )
            .hint("for example: GITCAST_PAGES_TOKEN=$(openssl rand -hex 24)"));
        }
        let workspace = Workspace::new(&self.workspace.global)?;
        if let Some(branch) = &self.branch {
            workspace.read_from(branch.tree.clone());
        }
        Ok(Some(Actions::new(workspace, Book::of(self.arguments.rehearse), self.content.0.clone())?))
    }

    async fn until_stopped(&mut self) -> Result<Exit, Failure> {
        self.listen_for_hangup();
        let mut exit = Exit::Converged;
        while !*self.stop.borrow() {
            self.watch_folders();
            self.refs.1.borrow_and_update();
            let turned = self.turn();
            self.content.1.borrow_and_update();
            // It was asked for before this pass, which is what was asked for.
            let _ = std::fs::remove_file(self.workspace.state.join(RECONCILE_NOW));
            let now = self.workspace.clock.now();
            self.marks = Marks { before: self.read_marker(), left: None };
            let passed = match turned {
                Ok(()) => self.pass_apart(),
                // Half a tree is written, and nobody waits for the rest.
                Err(_) if *self.stop.borrow() => break,
                Err(failure) => Err(failure),
            };
            let next_at = match passed {
                Ok(passed) => {
                    self.told.failure.clear();
                    if let Some(serving) = &self.serving {
                        serving.pulse.passed(passed.is_whole.then(|| self.workspace.clock.now()));
                    }
                    exit = passed.exit;
                    passed.next_at
                }
                Err(failure) if self.arguments.once || failure.is_final() => return Err(failure),
                Err(failure) if failure.exit == Exit::Locked => {
                    self.tell_failure(&failure, LOCKED_RETRY_AFTER);
                    later(now, LOCKED_RETRY_AFTER)
                }
                Err(failure) => {
                    self.serving.iter().for_each(|serving| serving.pulse.passed(None));
                    self.tell_failure(&failure, RETRY_AFTER);
                    later(now, RETRY_AFTER)
                }
            };
            // A pass that failed may have recorded something.
            self.marks.left = self.marks.left.take().or_else(|| self.read_marker());
            self.supervisor.ready();
            if self.arguments.once {
                return Ok(exit);
            }
            self.wait(next_at).await;
        }
        self.supervisor.stopping();
        // It was asked to end, and has left nothing behind.
        Ok(Exit::Converged)
    }

    /// What hooks have not been told yet: after a stop there is little time for it.
    async fn tell_the_rest(self) {
        let is_stopped = *self.stop.borrow();
        let bound = if is_stopped { hooks::STOP_MAX } else { hooks::END_MAX };
        // A second signal ends the process by itself.
        let mut stop = if is_stopped { watch::channel(false).1 } else { self.stop };
        self.hooks.finish(bound, &mut stop).await;
    }

    /// Makes content that of the commit that the branch points at. It stays so for the whole pass.
    fn turn(&mut self) -> Result<(), Failure> {
        let Some(branch) = &mut self.branch else { return Ok(()) };
        let stop = self.stop.clone();
        if tokio::task::block_in_place(|| branch.turn(&|| !*stop.borrow()))? {
            // Pages are others now.
            self.content.0.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// A pass in a thread of its own. All posts of a project are in memory during a pass; allocators give that back when
    /// the thread ends that has used it, and by chance otherwise.
    fn pass_apart(&mut self) -> Result<Passed, Failure> {
        let runtime = Handle::current();
        let apart = thread::Builder::new().name("pass".to_owned()).stack_size(STACK_BYTES);
        thread::scope(|scope| {
            let pass = apart.spawn_scoped(scope, || runtime.block_on(self.pass()))?;
            pass.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    async fn pass(&mut self) -> Result<Passed, Failure> {
        let (workspace, arguments) = (self.workspace, self.arguments);
        let book = Book::of(arguments.rehearse);
        let stand_in = self.rehearsing.map(Rehearsing::stand_in);
        let mut loaded = tokio::task::block_in_place(|| workspace.load(stand_in))?;
        self.tell_diagnostics(&loaded)?;
        let latest = later(workspace.clock.now(), arguments.resync);
        let verdict = workspace.verdict(&loaded.diagnostics);
        let Some(project) = &loaded.project else {
            return Ok(Passed { next_at: latest, exit: verdict, is_whole: false });
        };
        let on_missing = project.policy.on_missing;
        if let Some(news) = &mut self.news {
            news.listen_for(workspace, project, &loaded.platforms);
        }
        workspace.check_selectors(&loaded, book)?;
        let mut ledger = workspace.write_ledger(book, loaded.project.as_ref(), "watch", false)?;
        self.hooks.begin(workspace, &mut ledger);
        let hints = match &mut self.news {
            Some(news) => news.take(workspace, (&mut ledger, &loaded), &self.events)?,
            None => Hints::default(),
        };
        let gates = &arguments.gates;
        let newcomers = self.rehearsing.filter(|_| !std::mem::replace(&mut self.is_logged_in, true));
        let mut pass = Pass::plan(workspace, &mut loaded, (ledger, book), ("watch", gates), newcomers)?;
        let planned_at = pass.now;
        self.tell_plan(&pass, &loaded)?;
        // A commit is whole.
        let unsettled = if self.branch.is_some() { None } else { leave_unsettled(&mut pass.plan, &loaded) };
        let commits = tokio::task::block_in_place(|| pass.commits(workspace));
        let refused = plan::gates(&pass.plan);
        let (mut engine, plan, _) = pass.begin(workspace, &loaded, gates, commits)?;
        engine.hints = hints;
        let zone = plan::zone(&loaded);
        let mut reporter = Reporter::new(workspace.palette, zone);
        let (sender, enough) = watch::channel(false);
        let until = Until {
            deadline: later(workspace.clock.now(), WAIT_MAX),
            stop: self.stop.clone(),
            enough: enough.clone(),
        };
        let changes = self.content.1.clone();
        let due_at = wake_at(planned_at, (&plan, &[]), &BTreeMap::new(), Timestamp::MAX);
        let left = left(self.branch.as_ref(), self.refs.1.clone());
        let interruption = interrupt(sender, (changes, left), wait_between(workspace.clock.now(), due_at));
        let summary = {
            let (clock, events) = (workspace.clock.clone(), &self.events);
            let mut notify = |notice: Notice<'_>| {
                events.note(&notice, clock.now());
                reporter.notice(&notice);
            };
            let work = execute(&mut engine, &plan, &loaded.desired, until, &mut notify);
            tokio::pin!(work);
            tokio::pin!(interruption);
            let mut is_interrupted = false;
            loop {
                tokio::select! {
                    summary = &mut work => break summary?,
                    () = &mut interruption, if !is_interrupted => is_interrupted = true,
                    // Uploads take longer than a supervisor waits for a sign of life.
                    () = self.supervisor.pause(Duration::MAX) => {}
                }
            }
        };
        if !*enough.borrow() {
            let (clock, events) = (workspace.clock.clone(), &self.events);
            let mut notify = |notice: Notice<'_>| {
                events.note(&notice, clock.now());
                reporter.notice(&notice);
            };
            self.rounds.make(&mut engine, (on_missing, &self.stop), &mut notify).await?;
        }
        drop(reporter);
        self.hooks.note(workspace, &mut engine.ledger, &loaded, &plan);
        let next_at = match *enough.borrow() {
            true => planned_at,
            false => self.next_at(planned_at, &engine.ledger, &plan, &loaded, latest)?,
        };
        self.marks.left = Some(engine.ledger.marker()?.into_bytes());
        let next_at = unsettled.into_iter().chain(summary.next_at).fold(next_at, Timestamp::min);
        let blocked = if summary.blocked.is_empty() { Exit::Converged } else { Exit::LoginNeeded };
        Ok(Passed { next_at, exit: Exit::of([verdict, refused, blocked]), is_whole: true })
    }

    fn next_at(
        &self,
        planned_at: Timestamp,
        ledger: &Ledger,
        plan: &Plan,
        loaded: &Loaded,
        latest: Timestamp,
    ) -> Result<Timestamp, Failure> {
        let mut grants = BTreeMap::new();
        for (account, platform) in &loaded.platforms {
            if let Some(grant) = ledger.grant(account)?.filter(|grant| grant.has_tokens()) {
                grants.insert(account.clone(), (grant, platform.token_care()));
            }
        }
        Ok(wake_at(planned_at, (plan, &ledger.publications()?), &grants, latest))
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
