//! gitcast: posts as code. You commit a manifest; gitcast makes the platforms agree with it, exactly once.
//!
//! `content/` is what should be, `state/` is what has been done, the platforms are what is. A run scans the content,
//! reads the ledger, plans (a pure function of the two), executes one step, records it, and goes on to the next:
//!
//! ```text
//! content/ ──scan──▶ manifests ─┐
//!                               ├─ plan (pure) ─▶ changes ─▶ one step ─▶ record ─▶ next
//! state/ledger.db ──read────────┘                               │
//!                                                        platform adapter
//! ```
//!
//! - [`domain`]: words, rules and decisions. Pure: it waits for nothing, reads no clock and no file, and knows a
//!   platform by its identifier only.
//! - [`content`]: the files of `content/`. It writes nothing there.
//! - [`ledger`]: the events of `state/ledger.db` and what is folded from them; the lock; the sealed logins.
//! - [`git`]: runs git, and never trusts it.
//! - [`platform`]: the trait that all platforms fulfil, and their adapters. An adapter keeps nothing on disk and
//!   sends nothing twice.
//! - [`reconcile`]: carries a plan out. It owns the ledger and knows adapters by their trait.
//! - [`rehearsal`]: stand-ins for the platforms, written from their documentation alone. They share no type with
//!   the adapters, so that a misreading on one side shows.
//! - [`hooks`]: tells others what has happened, from the ledger's outbox, and never in the way of publishing.
//! - [`pages`]: what people look at in a browser, from words of the domain to HTML. Pure.
//! - [`trends`]: what is trending, asked of others when a person wants to know. Publishing knows nothing of it.
//! - [`cli`]: the only part that prints, and the only one that reads the environment (but for [`crash`], which tests use).
//!
//! What holds everywhere: a publish request is announced in the ledger before it leaves and is sent once; no answer is
//! never taken for a no; nothing that is missing is taken for removed; a secret has no way to be printed. The test
//! `tidy` keeps the direction of the modules.

pub mod cli;
pub mod clock;
pub mod content;
pub mod crash;
pub mod domain;
pub mod git;
pub mod hooks;
pub mod ledger;
pub mod pages;
pub mod platform;
pub mod reconcile;
pub mod rehearsal;
pub mod secret;
pub mod trends;
