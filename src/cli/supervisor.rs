//! The service manager that has started this process, if one has: it is told when work has begun and ended, and now and
//! then that the process is alive (sd_notify(3), systemd 252, read 2026-11-22).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where messages go, and how often they are waited for.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// Half of what the manager waits for.
    alive_every: Option<Duration>,
    is_ready: bool,
}

impl Supervisor {
    /// Nobody, unless the environment names a socket.
    pub(super) fn of_environment() -> Supervisor {
        let variable = |name: &str| std::env::var_os(name);
        let micros = variable("WATCHDOG_USEC").and_then(|text| text.to_str()?.parse::<u64>().ok());
        let is_meant =
            variable("WATCHDOG_PID").is_none_or(|pid| pid == *std::process::id().to_string().as_str());
        Supervisor {
            socket: variable("NOTIFY_SOCKET").and_then(|path| connect(path.as_bytes())),
            alive_every: micros.filter(|_| is_meant).map(|micros| Duration::from_micros(micros / 2)),
            is_ready: false,
        }
    }

    /// Once: the first pass is done.
    pub(super) fn ready(&mut self) {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.send("READY=1");
        }
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Waits, at most until the next sign of life, which it gives.
    pub(super) async fn pause(&self, wait: Duration) {
        let wait = self.alive_every.map_or(wait, |every| wait.min(every));
        tokio::time::sleep(wait.min(Duration::from_secs(24 * 60 * 60))).await;
        if self.alive_every.is_some() {
            self.send("WATCHDOG=1");
        }
    }

    /// A manager that does not listen is nobody's concern here.
    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// A path, or a name without one behind `@`.
fn connect(path: &[u8]) -> Option<UnixDatagram> {
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    Some(socket)
}
