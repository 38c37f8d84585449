//! From content to what is desired: each post on each of its accounts, judged offline by the account's platform.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::content::cache::Cache;
use crate::content::held::Held;
use crate::content::resolutions::resolutions;
use crate::content::scan::{self, Scan, ScannedPost, Threads};
use crate::domain::capability::{Knowledge, fresh_until, old_facts};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::{AccountName, ContentDigest, PostId};
use crate::domain::limits::Cap;
use crate::domain::manifest::DesiredState;
use crate::domain::media::Medium;
use crate::domain::pause::Scope;
use crate::domain::plan::{Desired, Spent};
use crate::domain::project::Project;
use crate::domain::resolution::Resolution;
use crate::domain::span::Located;
use crate::domain::url;
use crate::ledger::{self, Ledger};
use crate::platform::http::Http;
use crate::platform::{self, Keys, Platform};
use crate::secret::Secret;

/// Names under which a stand-in's keys are looked up; no environment variable can be named so.
const STAND_IN_KEY: &str = "=stand-in-key";
const STAND_IN_SECRET: &str = "=stand-in-secret";

/// Where content comes from, and the stand-in that replaces all platforms, if one does.
#[derive(Debug)]
pub struct Source<'a> {
    pub root: &'a Path,
    pub content: &'a Path,
    pub stand_in: Option<StandIn>,
    pub threads: Threads,
    /// Manifests that are in memory.
    pub held: Option<&'a Held>,
}

/// A server that stands in for every platform, and serves `content/` as media host.
#[derive(Debug, Clone)]
pub struct StandIn {
    pub origin: String,
    pub client_key: Secret,
    pub client_secret: Secret,
    /// Further keys, by the variables in which adapters look for them.
    pub keys: Vec<(&'static str, Secret)>,
}

/// All that content says, with an adapter for each account.
pub struct Loaded {
    pub project: Option<Project>,
    /// How many manifests were read.
    pub manifests: usize,
    pub desired: Vec<Desired>,
    pub diagnostics: Vec<Diagnostic>,
    /// Decisions of people about publications.
    pub resolutions: Vec<Resolution>,
    /// What decisions with errors may be about, and where they stand.
    pub doubtful: Vec<(Scope, String)>,
    /// Posts whose manifests hold errors, as far as their ids could be read.
    pub broken: BTreeSet<PostId>,
    /// Manifests with errors.
    pub broken_paths: Vec<String>,
    /// Whether all of `content/` could be read.
    pub complete: bool,
    pub platforms: BTreeMap<AccountName, Arc<dyn Platform>>,
    pub caps: BTreeMap<AccountName, Vec<Cap>>,
}

/// Reads and judges all of `content/`. Never fails: what is wrong is in the diagnostics.
pub fn load(source: &Source, cache: Option<&Cache>, http: &Http, keys: &Keys) -> Loaded {
    let scan = match source.held {
        Some(held) => scan::scan_with(source.root, source.content, held, source.threads),
        None => scan::scan(source.root, source.content, cache, source.threads),
    };
    let (mut loaded, posts, suspects) = judge(source, scan, http, keys);
    for (post, is_good) in
        posts.into_iter().map(|p| (p, true)).chain(suspects.into_iter().map(|p| (p, false)))
    {
        loaded.add(post, is_good, source.stand_in.as_ref(), http.clock().now());
    }
    loaded.add_resolutions(source);
    loaded.diagnostics.sort_by_cached_key(|d| (d.path.clone(), d.span.map(|span| span.start)));
    loaded
}

/// Reads `gitcast.yaml` alone.
pub fn load_project(source: &Source, http: &Http, keys: &Keys) -> Loaded {
    judge(source, scan::project(source.root, source.content), http, keys).0
}

fn judge(
    source: &Source,
    scan: Scan,
    http: &Http,
    keys: &Keys,
) -> (Loaded, Vec<ScannedPost>, Vec<ScannedPost>) {
    let mut project = scan.project;
    let mut keys = Arc::clone(keys);
    if let (Some(project), Some(stand_in)) = (&mut project, &source.stand_in) {
        keys = stand_in.take_over(project, keys);
    }
    let mut diagnostics = scan.diagnostics;
    diagnostics.extend(project.iter().flat_map(|project| old_facts(project, http.clock().now())));
    let accounts = project.as_ref().map_or(&[][..], |project| &project.accounts);
    let platforms: BTreeMap<AccountName, Arc<dyn Platform>> = accounts
        .iter()
        .map(|account| (account.name.value.clone(), Arc::from(platform::build(account, http, &keys))))
        .collect();
    let caps = platforms.iter().map(|(name, platform)| (name.clone(), platform.caps().to_vec())).collect();
    let loaded = Loaded {
        project,
        manifests: scan.posts.len() + scan.unreadable_paths.len(),
        desired: Vec::new(),
        diagnostics,
        resolutions: Vec::new(),
        doubtful: Vec::new(),
        broken: scan.unreadable_ids,
        broken_paths: scan.unreadable_paths,
        complete: scan.complete,
        platforms,
        caps,
    };
    (loaded, scan.posts, scan.suspects)
}

impl StandIn {
    /// Points every account at the stand-in, with its keys.
    fn take_over(&self, project: &mut Project, keys: Keys) -> Keys {
        for account in &mut project.accounts {
            account.endpoint = Some(Located::new(self.origin.clone(), account.span));
            account.client_key_env = Some(STAND_IN_KEY.to_owned());
            account.client_secret_env = Some(STAND_IN_SECRET.to_owned());
            account.business_token_env = None;
            // It serves the media itself.
            if let Knowledge::Facts(known) = &mut account.known {
                known.facts.media_prefixes.clear();
            }
        }
        let (key, secret) = (self.client_key.clone(), self.client_secret.clone());
        let own = self.keys.clone();
        Arc::new(move |name: &str| match name {
            STAND_IN_KEY => Some(key.clone()),
            STAND_IN_SECRET => Some(secret.clone()),
            other => match own.iter().find(|(name, _)| *name == other) {
                Some((_, key)) => Some(key.clone()),
                None => keys(other),
            },
        })
    }

    /// Lets the stand-in pull the file from its own media host.
    fn serve(&self, medium: &mut Medium) {
        if let Medium::File { path, url, .. } = medium {
            *url = Some(url::join(&format!("{}/content/", self.origin), path));
        }
    }
}

impl Loaded {
    /// Judges the post for each account, and desires it if it `is_good` and stays so.
    fn add(&mut self, scanned: ScannedPost, is_good: bool, stand_in: Option<&StandIn>, now: Timestamp) {
        let ScannedPost { post, mut media } = scanned;
        if let Some(stand_in) = stand_in {
            media.iter_mut().for_each(|medium| stand_in.serve(medium));
        }
        let (before, told) = (self.desired.len(), self.diagnostics.len());
        let mut good = is_good;
        for target in &post.targets {
            // An account that is not declared was reported by the scan.
            let account = self.project.as_ref().and_then(|project| project.account(&target.account.value));
            let Some((account, platform)) = account.zip(self.platforms.get(&target.account.value)) else {
                good = false;
                continue;
            };
            let mut desired = Desired {
                post: post.id.value.clone(),
                account: target.account.value.clone(),
                platform: account.platform,
                path: post.path.clone(),
                state: post.state,
                revision: post.revision,
                publish_at: post.publish_at.as_ref().map(|at| at.value),
                quiet: account.quiet.clone(),
                digest: ContentDigest::of_nothing(),
                payload: None,
                can_delete: platform.deletes().is_some(),
            };
            if post.state == DesiredState::Present {
                self.diagnostics.extend(in_quiet_hours(&desired, post.publish_at.as_ref(), now));
                let prepared = platform.prepare(&post, target, &media);
                good &= !prepared.diagnostics.iter().any(Diagnostic::is_error);
                // What a platform minds about the media, it minds on each of its accounts.
                for found in prepared.diagnostics {
                    if !self.diagnostics[told..].contains(&found) {
                        self.diagnostics.push(found);
                    }
                }
                let Some(payload) = prepared.payload else { continue };
                desired.digest = payload.digest();
                desired.payload = Some(payload);
            }
            self.desired.push(desired);
        }
        // A post with an error goes nowhere, not even where it would be fine: its author is not done with it.
        if !good {
            self.desired.truncate(before);
            self.broken.insert(post.id.value);
        }
    }

    /// Until when the diagnostics say the same, where nothing is changed.
    pub fn holds_until(&self) -> Timestamp {
        self.project.as_ref().map_or(Timestamp::MAX, fresh_until)
    }

    fn add_resolutions(&mut self, source: &Source) {
        let zone = self.project.as_ref().map_or(TimeZone::UTC, |project| project.timezone.clone());
        let read = resolutions(source.root, source.content, &zone);
        self.resolutions = read.resolutions;
        self.doubtful = read.doubtful;
        self.diagnostics.extend(read.diagnostics);
    }

    /// What counts against the caps: the publish requests that left within their windows.
    pub fn spent(&self, ledger: &Ledger, now: Timestamp) -> Result<Vec<Spent>, ledger::Error> {
        let mut spent = Vec::new();
        for (account, caps) in &self.caps {
            let window = caps.iter().map(|cap| cap.window).max().unwrap_or_default();
            let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
            let since = now.saturating_sub(window).unwrap_or(Timestamp::MIN);
            let intents = ledger.intents_since(account, since)?;
            spent.extend(intents.into_iter().map(|intent| Spent {
                account: account.clone(),
                counts: intent.payload.counts,
                at: intent.at,
            }));
        }
        Ok(spent)
    }
}

/// A time yet to come that lies in quiet hours is not the one at which it will be published.
fn in_quiet_hours(
    desired: &Desired,
    written: Option<&Located<Timestamp>>,
    now: Timestamp,
) -> Option<Diagnostic> {
    let (at, quiet) = written.filter(|at| at.value > now).zip(desired.quiet.as_ref())?;
    let end = quiet.end_of(at.value)?.to_zoned(quiet.zone.clone()).strftime("%Y-%m-%dT%H:%M");
    let message = format!("this time is in the quiet hours of {} ({quiet})", desired.account);
    let warning = Diagnostic::warning("quiet-hours", &desired.path, at.span, message);
    Some(warning.help(format!("it will be published at {end}; write that, or another time")))
}
