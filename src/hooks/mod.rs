//! Hooks: others are told what has happened, by a webhook, by a program, or by both.
//!
//! # Flow
//!
//! ```text
//! entries after the last one told ─┐
//!                                  ├─ message (pure) ─▶ letter in the outbox ─▶ courier ─▶ webhook or program
//! what stands in the way ──────────┘   one transaction                          taken: out of the outbox
//! ```
//!
//! # Guarantees
//!
//! Each transition is in one letter of each hook, and each letter is sent until it is taken, with the same id: at least
//! once, and a receiver that notes ids has it once. A letter is given up after [`ATTEMPTS_MAX`] attempts or [`AGE_MAX`].
//! Sending holds up no pass and no lock, and how it ends changes nothing of what is published.
//!
//! # Errors
//!
//! [`Fault`] for an attempt that failed. It is told to people once, until one succeeds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::{ContentDigest, hex};
use crate::ledger::{self, Ledger, Letter, Told};

pub mod command;
mod courier;
pub mod message;
pub mod webhook;

pub use courier::{Courier, Outbox, Signs};

use command::Command;
use message::{Envelope, Happened, Present, Standing};
use webhook::Webhook;

/// Attempts at one letter; at the longest wait between them, more than [`AGE_MAX`].
pub const ATTEMPTS_MAX: u32 = 3_000;
/// What is older is no news, and is not told any more.
pub const AGE_MAX: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long one attempt may take. (The specification of webhooks recommends 15 to 30 seconds.)
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// How many entries are read at once.
const PAGE: u32 = 1_000;

/// Where letters go.
#[derive(Debug)]
pub enum Hook {
    Webhook(Webhook),
    Command(Command),
}

impl Hook {
    /// Its name in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Hook::Webhook(_) => "webhook",
            Hook::Command(_) => "command",
        }
    }

    /// The same for people. Of an address it is scheme and host, as the rest may be a secret.
    pub fn place(&self) -> String {
        match self {
            Hook::Webhook(webhook) => format!("the webhook at {}", webhook.site()),
            Hook::Command(command) => format!("the hook command {}", command.path.display()),
        }
    }

    async fn deliver(&self, letter: &Letter) -> Result<(), Fault> {
        match self {
            Hook::Webhook(webhook) => webhook.send(letter).await,
            Hook::Command(command) => command.run(letter).await,
        }
    }
}

/// Why a letter was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A sentence for people; holds no secret.
    message: String,
    /// How long the receiver wants to be left alone, if it says so.
    retry_after: Option<Duration>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), retry_after: None }
    }
}

/// Before which time something is too old to be told.
fn oldest(now: Timestamp) -> Timestamp {
    now.saturating_sub(AGE_MAX).unwrap_or(Timestamp::MIN)
}

/// Gives up what is too old, also of hooks that nobody asks for any more.
///
/// # Errors
///
/// The ledger's.
pub fn give_up_old(ledger: &mut Ledger, now: Timestamp) -> Result<(), ledger::Error> {
    let oldest = oldest(now);
    for waiting in ledger.waiting()? {
        if waiting.oldest.is_some_and(|at| at < oldest) {
            ledger.settle_letters(&waiting.hook, &[], (ATTEMPTS_MAX, oldest))?;
        }
    }
    Ok(())
}

/// Puts a letter about all that is new to `hook` into the outbox, if anything is. `hook` has begun to be told.
///
/// # Errors
///
/// The ledger's. Nothing is noted as told then.
pub fn write_letter(
    ledger: &mut Ledger,
    hook: &str,
    present: &Present<'_>,
    is_rehearsal: bool,
) -> Result<(), ledger::Error> {
    let told = ledger.begin_telling(hook)?;
    let (mut happened, mut seq) = (Happened::default(), told.seq);
    let oldest = oldest(present.now);
    // Ends, as the ledger is locked and grows no more.
    loop {
        let entries = ledger.read(None, seq, PAGE)?;
        let Some(last) = entries.last() else { break };
        seq = last.seq;
        entries.into_iter().filter(|entry| entry.at >= oldest).for_each(|entry| happened.note(entry));
    }
    let recorded = if happened.is_empty() { Vec::new() } else { ledger.publications()? };
    let happened = happened.news(&recorded);
    // What an earlier version remembered, and this one cannot read, is told again.
    let before: Vec<Standing> = serde_json::from_str(&told.standing).unwrap_or_default();
    let (mut news, standing) = present.news(&before, &happened);
    news.extend(happened);
    let standing = serde_json::to_string(&standing).expect("it has only text keys");
    if seq == told.seq && standing == told.standing {
        return Ok(());
    }
    let told = Told { seq, standing };
    let letter = (!news.is_empty()).then(|| {
        let id = id_of(hook, ledger.lineage(), &told, present.now);
        let envelope = Envelope { id: &id, at: present.now, lineage: ledger.lineage(), is_rehearsal };
        let body = message::document(&envelope, &news);
        Letter { id, at: present.now, body, attempts: 0 }
    });
    ledger.tell(hook, &told, letter.as_ref())
}

/// Tells letters apart for receivers, by what they tell of. No full stop is in it, as the signature needs.
fn id_of(hook: &str, lineage: &str, told: &Told, at: Timestamp) -> String {
    let all = serde_json::json!([hook, lineage, told.seq, told.standing, at]);
    format!("msg_{}", hex(&ContentDigest::of(all.to_string().as_bytes()).0[..16]))
}

#[cfg(test)]
mod tests;
