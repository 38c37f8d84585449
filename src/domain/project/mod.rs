//! `gitcast.yaml`: accounts and policy.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::domain::capability::Knowledge;
use crate::domain::drift::OnMissing;
use crate::domain::ids::{AccountName, PlatformId};
use crate::domain::quiet::QuietHours;
use crate::domain::span::{Located, Span};

pub mod decode;
pub mod store;

/// The whole of `content/gitcast.yaml`.
#[derive(Debug, Clone)]
pub struct Project {
    /// Relative to the project's root: `content/gitcast.yaml`.
    pub path: String,
    /// Ties the repository to its ledger.
    pub lineage: Option<String>,
    /// For times written without an offset; UTC unless written.
    pub timezone: TimeZone,
    pub accounts: Vec<Account>,
    /// Where `content/` is served publicly, with a trailing slash.
    pub media_base_url: Option<Located<String>>,
    pub policy: Policy,
    pub store: store::Store,
}

impl Project {
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name.value == *name)
    }
}

/// One login on one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub name: Located<AccountName>,
    pub platform: PlatformId,
    /// The account's name at the platform, on platforms that log in by it.
    pub handle: Option<Located<String>>,
    /// Scheme and host of the server, where the handle's host is not it.
    pub server: Option<Located<String>>,
    /// Whether the platform has audited the app, where this file says it.
    pub audited: Option<Located<bool>>,
    /// What `accounts.lock.yaml` says about the account.
    pub known: Knowledge,
    pub mode: Located<Mode>,
    /// Scheme and host (and port) that replace those of every call to the platform.
    pub endpoint: Option<Located<String>>,
    /// Names of the environment variables that hold the app's keys, where they differ from the platform's default.
    pub client_key_env: Option<String>,
    pub client_secret_env: Option<String>,
    /// The account's own id at TikTok's API for Business, through which its comments are read and answered.
    pub business_id: Option<String>,
    /// The name of the environment variable that holds its access token there, where it differs from the default.
    pub business_token_env: Option<String>,
    /// When nothing new becomes public there: its own hours, else those of the policy.
    pub quiet: Option<QuietHours>,
    pub span: Span,
}

impl Account {
    /// Whether the platform has audited the app: by `gitcast.yaml`, else by what is known, else not. `None`: nobody can
    /// tell, as the file that may say it has an error.
    pub fn is_audited(&self) -> Option<bool> {
        match (&self.audited, &self.known) {
            (Some(written), _) => Some(written.value),
            (None, Knowledge::Facts(known)) => Some(known.facts.audited.unwrap_or(false)),
            (None, Knowledge::Nothing) => Some(false),
            (None, Knowledge::Unreadable) => None,
        }
    }
}

/// How a post reaches the public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Into the creator's inbox, to be finished in the platform's app.
    #[default]
    Draft,
    /// Published by gitcast.
    Direct,
}

/// What stops a plan, and what happens to late posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub late_grace: SignedDuration,
    pub late_then: Late,
    /// A post due longer ago than this is never published.
    pub max_age: SignedDuration,
    /// Per account and run.
    pub max_new_posts: u32,
    /// How long before its time a post may be staged.
    pub stage_ahead: SignedDuration,
    pub on_missing: OnMissing,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            late_grace: SignedDuration::from_hours(2),
            late_then: Late::Ask,
            max_age: SignedDuration::from_hours(7 * 24),
            stage_ahead: SignedDuration::ZERO,
            max_new_posts: 10,
            on_missing: OnMissing::Report,
        }
    }
}

/// What to do with a post that is later than the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    Publish,
    Skip,
    #[default]
    Ask,
}
