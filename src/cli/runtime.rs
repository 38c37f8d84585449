//! What runs asynchronous commands, and how they are stopped.

use tokio::sync::watch;

use super::error::Failure;
use super::exit::Exit;
use super::ui;

/// Each upload holds one thread that reads, and in a rehearsal one that writes: with too few, the readers of many
/// accounts would wait for writers that cannot start.
const BLOCKING_THREADS_MAX: usize = 256;

/// Few threads: the work is waiting, and each thread costs memory.
pub(super) fn start() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()?)
}

/// The sign to stop: set by the first SIGINT or SIGTERM; the second ends the process at once, which the ledger allows.
pub(super) fn listen_for_stop() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        ui::tell("Stopping: letting the request in flight finish. Once more to stop at once.");
        let _ = sender.send(true);
        wait_for_signal().await;
        #[expect(
            clippy::exit,
            reason = "a second signal asks for exactly this; every step is recorded before it is taken"
        )]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    receiver
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

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
