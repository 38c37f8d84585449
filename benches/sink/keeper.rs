//! A server that keeps an upload as TikTok does: whole chunks, in order, and nothing of a chunk that was cut off.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use sha2::{Digest, Sha256};

/// What has arrived, and where the client is to be killed.
#[derive(Default)]
pub(crate) struct Keeper {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: u64,
    /// Bytes of whole chunks.
    whole: u64,
    hash: Sha256,
    /// Bytes that came in, those of lost chunks included.
    received: u64,
    cut: Option<(u64, Sender<Sender<()>>)>,
}

impl Keeper {
    pub(crate) fn new(total: u64) -> Keeper {
        Keeper { state: Mutex::new(State { total, ..State::default() }) }
    }

    /// Once all bytes before `at` have come, nothing more is read and nothing is answered, until what this gives is
    /// dropped.
    pub(crate) fn cut_at(&self, at: u64) -> Receiver<Sender<()>> {
        let (sender, receiver) = channel();
        self.state().cut = Some((at, sender));
        receiver
    }

    pub(crate) fn received(&self) -> u64 {
        self.state().received
    }

    pub(crate) fn whole(&self) -> u64 {
        self.state().whole
    }

    /// Of all that is kept.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.state().hash.clone().finalize().into()
    }

    /// The answer to a status request.
    pub(crate) fn status(&self) -> String {
        let (whole, total) = (self.whole(), self.state().total);
        let status = if whole == total { "SEND_TO_USER_INBOX" } else { "PROCESSING_UPLOAD" };
        format!(
            r#"{{"data":{{"status":"{status}","uploaded_bytes":{whole}}},"error":{{"code":"ok","message":"","log_id":"1"}}}}"#
        )
    }

    /// Takes a chunk that begins at `first`. Whether all of it came.
    pub(crate) fn take(
        &self,
        reader: &mut impl Read,
        (first, length): (u64, u64),
        buffer: &mut [u8],
    ) -> bool {
        assert_eq!(first, self.whole(), "an upload goes on where it stands");
        let (mut hash, mut came) = (self.state().hash.clone(), 0);
        while came < length {
            let most = usize::try_from(length - came).unwrap_or(usize::MAX).min(buffer.len());
            let Ok(read @ 1..) = reader.read(&mut buffer[..most]) else { return false };
            hash.update(&buffer[..read]);
            came += read as u64;
            self.state().received += read as u64;
            // What the system still holds of a killed client's chunk is lost with its connection.
            if came < length && self.wait_at(first + came) {
                return false;
            }
        }
        (self.state().whole, self.state().hash) = (first + length, hash);
        self.wait_at(first + length);
        true
    }

    /// Whether the client was killed meanwhile.
    fn wait_at(&self, at: u64) -> bool {
        let Some((_, reached)) = self.state().cut.take_if(|(cut, _)| at >= *cut) else { return false };
        let (go_on, wait) = channel();
        reached.send(go_on).expect("somebody waits for it");
        // Ends when the other side is dropped.
        let _ = wait.recv();
        true
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics")
    }
}
