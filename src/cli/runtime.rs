//! What runs asynchronous commands, and how they are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::error::Failure;
use super::exit::Exit;
use super::ui::{self, Palette};
use super::workspace::Workspace;

/// Each upload holds one thread that reads, and in a rehearsal one that writes: with too few, the readers of many
/// accounts would wait for writers that cannot start.
const BLOCKING_THREADS_MAX: usize = 256;

/// How long threads that block may go on at the end. A look-up of a name or a read of a dead disk would hold the
/// process for as long as it takes; what they do is of no use any more.
const THREADS_GRACE: Duration = Duration::from_millis(250);

/// Runs asynchronous work, and ends with it.
pub(super) struct Runtime(Option<tokio::runtime::Runtime>);

/// Few threads: the work is waiting, and each thread costs memory.
pub(super) fn start() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()?;
    Ok(Runtime(Some(runtime)))
}

impl Runtime {
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.0.as_ref().expect("it is taken by `drop` alone").block_on(work)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(THREADS_GRACE);
        }
    }
}

/// The sign to stop.
pub(super) struct Stop {
    sign: watch::Receiver<bool>,
    is_under_way: Arc<AtomicBool>,
}

impl Stop {
    /// From here on there is something to finish: a first signal sets the sign and no more.
    pub(super) fn begin_work(&self) -> watch::Receiver<bool> {
        self.is_under_way.store(true, Ordering::SeqCst);
        self.sign.clone()
    }
}

/// The sign to stop: set by the first SIGINT or SIGTERM; the second ends the process at once, which the ledger allows.
pub(super) fn listen_for_stop() -> watch::Receiver<bool> {
    listen(None).begin_work()
}

/// As [`listen_for_stop`], but until [`Stop::begin_work`] the first signal ends the process at once: reading content
/// and waiting for a lock leave nothing to finish, and may take long.
pub(super) fn listen_while_preparing(workspace: &Workspace) -> Stop {
    listen(Some((workspace.palette, workspace.global.json)))
}

fn listen(preparing: Option<(Palette, bool)>) -> Stop {
    let (sender, sign) = watch::channel(false);
    let is_under_way = Arc::new(AtomicBool::new(false));
    let stop = Stop { sign, is_under_way: Arc::clone(&is_under_way) };
    // Kept from the first signal to the second: one that comes in between must not be missed.
    let signals = Signals::listen();
    tokio::spawn(async move {
        // Without signals nobody asks for a stop; a sender that is gone would be taken for one.
        let Some(mut signals) = signals else { return sender.closed().await };
        signals.next().await;
        if let Some((palette, json)) = preparing.filter(|_| !is_under_way.load(Ordering::SeqCst)) {
            let stopped = Failure::new(Exit::Interrupted, "stopped before anything was sent");
            // On a thread of its own: whoever does not read what is printed must not hold it up.
            std::thread::spawn(move || {
                stopped.report(palette, json);
                exit();
            });
            signals.next().await;
            exit();
        }
        let _ = sender.send(true);
        std::thread::spawn(|| {
            ui::tell("Stopping: letting the request in flight finish. Once more to stop at once.");
        });
        signals.next().await;
        exit();
    });
    stop
}

#[expect(clippy::exit, reason = "a signal asks for exactly this; every step is recorded before it is taken")]
fn exit() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Option<Signals> {
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        Some(Signals { interrupt, terminate: signal(SignalKind::terminate()).ok()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A line from standard input, read on a thread of its own: a person who types Ctrl-C instead must not be waited for.
pub(super) async fn ask() -> Result<String, Failure> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Nobody listens any more after a stop.
        let _ = sender.send(read.map(|_| line));
    });
    Ok(answer.await.unwrap_or_else(|_| Ok(String::new()))?)
}

/// The same from the terminal, without showing what is typed as an answer to `question`.
pub(super) async fn ask_hidden(question: &str) -> Result<String, Failure> {
    let _silent = Silent::start().map_err(std::io::Error::from)?;
    ui::tell(question);
    let line = ask().await?;
    // The line's own end was not shown either.
    ui::tell("");
    Ok(line)
}

/// A terminal that shows nothing of what is typed, until dropped: also when nobody waits for the line any more.
struct Silent(Termios);

impl Silent {
    fn start() -> rustix::io::Result<Silent> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Silent(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
