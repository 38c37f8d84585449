//! A failure as the user gets it: what, why, what to do, and the exit code.

use std::error::Error as StdError;

use super::exit::Exit;
use super::ui::Palette;
use super::{text, ui};
use crate::domain::recipient::IllegalRecipients;
use crate::ledger;

/// Why a command did not do its work.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub message: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
    /// Another run was faster: what it wrote is to be read, and the work planned anew.
    pub is_beaten: bool,
    /// There is no ledger.
    pub is_missing: bool,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            is_beaten: false,
            is_missing: false,
        }
    }

    pub(super) fn error(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Error, message)
    }

    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// Whether trying again cannot help: a person has to do something first.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.exit, Exit::Ledger | Exit::Usage)
    }

    pub(super) fn cause(mut self, error: &dyn StdError) -> Failure {
        let mut next = Some(error);
        while let Some(error) = next {
            let line = error.to_string();
            if self.causes.last() != Some(&line) {
                self.causes.push(line);
            }
            next = error.source();
        }
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    #[expect(clippy::print_stderr, reason = "the edge's report")]
    pub(super) fn report(&self, color: Palette, json: bool) -> Exit {
        if json {
            ui::print_json(&self.document());
        }
        eprintln!("{} {}", color.bad("error:"), text::terminal(&self.message));
        for cause in &self.causes {
            eprintln!("  because: {}", text::terminal(cause));
        }
        for hint in &self.hints {
            eprintln!("  {} {}", color.good("help:"), text::terminal(hint));
        }
        self.exit
    }

    /// In place of the command's own document, so that with `--json` there always is one.
    fn document(&self) -> serde_json::Value {
        serde_json::json!({
            "format_version": super::plan::FORMAT_VERSION,
            "error": { "message": self.message, "causes": self.causes, "help": self.hints },
            "exit_code": self.exit.code(),
        })
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Failure {
        use ledger::Error as E;
        let (exit, hint) = match &error {
            E::Missing { .. } | E::Foreign { .. } | E::Newer { .. } | E::Corrupt(_) => {
                (Exit::Ledger, Some("restore the ledger from a backup, or see `gitcast doctor`"))
            }
            E::NotTheLatest { .. } => {
                let failure = Failure::new(Exit::Ledger, "the ledger cannot be used").cause(&error);
                return failure
                    .hint("put the latest ledger back: this one does not know what was published since")
                    .hint(
                        "if it is to count all the same: --accept-older-ledger, after a look at the platform",
                    );
            }
            E::Moved { .. } => {
                let failure = Failure::new(Exit::Locked, "the ledger cannot be used").cause(&error);
                return Failure { is_beaten: true, ..failure }
                    .hint("run again: it reads what the other run wrote first");
            }
            E::Rewritten { .. } => {
                let failure = Failure::new(Exit::Ledger, "the ledger cannot be used").cause(&error);
                return failure
                    .hint("find out who changed it, and put it back: nothing is published from a ledger that has forgotten something")
                    .hint("if the ref is gone and this copy is the latest one: `gitcast ledger migrate --to git` puts it there anew");
            }
            E::NotShared { .. } => (
                Exit::Ledger,
                Some("`gitcast ledger migrate --to git` puts the ledger of this machine there"),
            ),
            E::Unreachable { .. } => (
                Exit::Temporary,
                Some("run again; `git ls-remote` in this repository shows whether git gets there"),
            ),
            E::Repository { .. } => (
                Exit::Error,
                Some("`ledger: git` needs content/ to be in a git repository that this user may write to"),
            ),
            E::OtherLineage { .. } => (Exit::Ledger, Some("point --state at this project's ledger")),
            E::Older { .. } => {
                (Exit::Ledger, Some("run `gitcast apply` once: it brings the ledger up to date"))
            }
            E::Locked { .. } => (Exit::Locked, Some("wait until it has finished, or raise --lock-timeout")),
            E::HeadMoved { .. } => {
                (Exit::Locked, Some("wait until the other one has finished, then run again"))
            }
            E::Busy => (Exit::Temporary, Some("run again")),
            E::FullDisk => (Exit::Temporary, Some("make room, then run again: nothing is sent twice")),
            E::ReadOnly => (Exit::Error, Some("let this user write to the ledger and its folder")),
            _ => (Exit::Error, None),
        };
        let is_missing = matches!(error, E::Missing { .. });
        let failure = Failure { is_missing, ..Failure::new(exit, "the ledger cannot be used").cause(&error) };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ledger::vault::VaultError> for Failure {
    fn from(error: ledger::vault::VaultError) -> Failure {
        use ledger::vault::VaultError as V;
        let hint = match &error {
            V::NotARecipient { .. } => {
                "give one of these keys by GITCAST_KEY or state/key, or have its holder add yours: `gitcast auth recipients add NAME PUBLIC-KEY`"
            }
            V::NotDecryptable { .. } => "restore the key that sealed them, or log that account in again",
            V::ListChanged { .. } => "restore the ledger from a backup, or log in again",
            V::Taken { .. } => return Failure::error("the key cannot be written").cause(&error),
            V::UnusableKey { .. } => return Failure::error("the public key cannot be used").cause(&error),
            _ => return Failure::new(Exit::Ledger, "the stored logins cannot be used").cause(&error),
        };
        Failure::new(Exit::Ledger, "the stored logins cannot be used").cause(&error).hint(hint)
    }
}

impl From<IllegalRecipients> for Failure {
    fn from(error: IllegalRecipients) -> Failure {
        Failure::error("the recipients cannot be changed so").cause(&error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::error("input or output failed").cause(&error)
    }
}
