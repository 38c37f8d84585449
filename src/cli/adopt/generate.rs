//! `gitcast adopt --generate`: manifests for what an account had before, and a record of each as live.
//!
//! # Flow
//!
//! The account's posts are read page by page, newest first. What the ledger knows is passed over. For the rest of a page
//! manifests are written, and then all of them are recorded at once.
//!
//! # Guarantees
//!
//! What is written says `state: adopted`, by which nothing is ever sent: a run may die anywhere without a manifest that
//! would be published. The next run finds the manifests that were not recorded yet, and records them. A manifest is there
//! whole or not at all, is on the disk before it is recorded, and takes no other file's place. What a person has removed
//! afterwards is not written again, as it is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::cli::auth::{self, no_login};
use crate::cli::caretaker::{self, live_grant};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::files::create_whole;
use crate::cli::plan::{self, FORMAT_VERSION};
use crate::cli::resolve::because;
use crate::cli::ui::Reporter;
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{runtime, text, ui};
use crate::domain::event::Event;
use crate::domain::ids::{AccountName, ContentDigest, PlatformId, PostId};
use crate::domain::manifest::{DesiredState, write};
use crate::domain::plan::Desired;
use crate::domain::publication::{Change, Reason, Remote, State};
use crate::domain::retry::ErrorKind;
use crate::platform::listing::{Listed, Listing};
use crate::platform::{Error, Platform};
use crate::reconcile::desired::Loaded;
use crate::reconcile::execute::{self, Engine, Until};
use crate::reconcile::lane::Platforms;
use crate::reconcile::listing::{in_doubt, known, page};

const COMMAND: &str = "adopt --generate";
/// Below `content/`.
const FOLDER: &str = "adopted";
/// Pages that one run reads. Less than TikTok allows in a minute, so that a second run never waits behind the first one
/// for what it has to read again.
const PAGES_MAX: u32 = 500;

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    adopted: Vec<Adopted>,
    /// Posts that the ledger knew.
    known: usize,
    left_out: Vec<LeftOut>,
    pages: u32,
    /// Whether the last of the account's posts was reached.
    complete: bool,
    /// Why it ended before.
    failure: Option<Failure>,
}

#[derive(Debug, Serialize)]
struct Adopted {
    post: PostId,
    path: String,
    url: Option<String>,
}

/// A post that needs a person.
#[derive(Debug, Serialize)]
struct LeftOut {
    remote_id: String,
    because: String,
}

pub(super) fn run(
    workspace: &Workspace,
    name: &AccountName,
    limit: Option<u32>,
    why: &str,
) -> Result<Exit, Failure> {
    if !workspace.global.only.is_empty() || !workspace.global.exclude.is_empty() {
        return Err(Failure::usage(
            "--only and --exclude choose among manifests, of which there are none yet",
        ));
    }
    let loaded = workspace.load(None)?;
    if loaded.project.is_none() {
        plan::report_diagnostics(workspace, &loaded)?;
        return Err(Failure::error("without a valid gitcast.yaml there are no accounts"));
    }
    let platform = Arc::clone(auth::account(workspace, &loaded, name)?);
    let id =
        loaded.project.as_ref().and_then(|project| project.account(name)).map(|account| account.platform);
    let (Some(listing), Some(id)) = (platform.listing(), id) else {
        let message = format!("gitcast does not ask the platform of {name} which posts an account has");
        return Err(Failure::error(message)
            .hint("write a manifest and bind it: `gitcast adopt ID ACCOUNT --published URL`"));
    };
    if workspace.read_ledger(Book::Real, loaded.project.as_ref())?.is_none() {
        return Err(Failure::new(Exit::LoginNeeded, format!("{name}: {}", no_login(name))));
    }
    let ledger = workspace.existing_ledger(Book::Real, loaded.project.as_ref(), COMMAND)?;
    let platforms = Platforms::from([(name.clone(), Arc::clone(&platform))]);
    let mut run = Run {
        engine: caretaker::engine(workspace, ledger, COMMAND, platforms)?,
        desired: loaded.desired.iter().map(|desired| (&desired.post, desired)).collect(),
        loaded: &loaded,
        folder: workspace.content.join(FOLDER),
        account: (name, id),
        limit: limit.map_or(usize::MAX, |limit| limit as usize),
        why,
        known: BTreeSet::new(),
        recorded: BTreeMap::new(),
        outcome: Outcome::default(),
    };
    let ended = runtime::start()?.block_on(run.all(workspace, platform.as_ref(), listing));
    run.outcome.failure = ended.err();
    Ok(report(workspace, name, run.outcome))
}

struct Run<'a> {
    engine: Engine,
    loaded: &'a Loaded,
    desired: BTreeMap<&'a PostId, &'a Desired>,
    folder: PathBuf,
    account: (&'a AccountName, PlatformId),
    limit: usize,
    why: &'a str,
    /// Ids at the platform.
    known: BTreeSet<String>,
    /// What is recorded of posts on the account.
    recorded: BTreeMap<PostId, State>,
    outcome: Outcome,
}

impl Run<'_> {
    async fn all(
        &mut self,
        workspace: &Workspace,
        platform: &dyn Platform,
        listing: &dyn Listing,
    ) -> Result<(), Failure> {
        let name = self.account.0;
        if self.engine.ledger.grant(name)?.is_none_or(|record| record.is_logged_out()) {
            return Err(Failure::new(Exit::LoginNeeded, no_login(name)));
        }
        self.look_at_ledger()?;
        let stop = runtime::listen_for_stop();
        let until = Until::settled(Timestamp::MIN, stop.clone());
        let mut reporter = Reporter::new(workspace.palette, plan::zone(self.loaded));
        execute::renew(&mut self.engine, false, until, &mut |notice| reporter.notice(&notice)).await?;
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            if *stop.borrow() {
                return Err(Failure::new(Exit::Interrupted, "interrupted").hint("run again: it goes on"));
            }
            let now = self.engine.clock.now();
            let grant = live_grant(&self.engine, name, platform, now)?;
            let actor = self.engine.actor.clone();
            let (whose, cursor_of) = ((name, grant.as_ref()), cursor.as_deref());
            let ledger = &mut self.engine.ledger;
            let found = page(ledger, (listing, platform.rates()), whose, cursor_of, (now, &actor)).await?;
            let found = found.map_err(|error| refused(name, &error))?;
            self.outcome.pages += 1;
            if !self.take(found.posts, now)? {
                return Ok(());
            }
            cursor = found.next;
            if cursor.is_none() {
                self.outcome.complete = true;
                return Ok(());
            }
        }
        let message =
            format!("the account has more than {PAGES_MAX} pages of posts, and the older ones were not read");
        Err(Failure::error(message).hint("bind those by hand: `gitcast adopt ID ACCOUNT --published URL`"))
    }

    /// What is known already, unless something is under way that the account may show already.
    fn look_at_ledger(&mut self) -> Result<(), Failure> {
        let (name, platform) = self.account;
        let ledger = &self.engine.ledger;
        let publications = ledger.publications()?;
        self.recorded =
            publications.iter().filter(|p| p.account == *name).map(|p| (p.post.clone(), p.state)).collect();
        let mut accounts: Vec<_> =
            publications.iter().filter(|p| p.platform == platform).map(|p| p.account.clone()).collect();
        accounts.push(name.clone());
        accounts.sort();
        accounts.dedup();
        self.known = known(ledger, &accounts)?;
        // Two accounts here may be one there.
        let subject = |account: &AccountName| -> Result<_, Failure> {
            Ok(ledger.grant(account)?.map(|record| record.subject))
        };
        let own = subject(name)?;
        let mut same = Vec::new();
        for account in accounts {
            if subject(&account)?.is_none_or(|subject| Some(subject) == own) {
                same.push(account);
            }
        }
        let Some(other) = in_doubt(&publications, &same) else { return Ok(()) };
        let message = format!(
            "{} on {} is {}, and which post that is on the account is not known yet: it could be adopted twice",
            other.post, other.account, other.state
        );
        Err(match other.state {
            State::Held => Failure::new(Exit::Unknown, message)
                .hint(format!("settle it first: `gitcast show {}` tells how", other.post)),
            _ => Failure::new(Exit::Temporary, message).hint("run `gitcast apply`, then this again"),
        })
    }

    /// Adopts what is new on a page. `false`: no more is wanted.
    fn take(&mut self, posts: Vec<Listed>, now: Timestamp) -> Result<bool, Failure> {
        let (mut events, mut adopted, mut is_enough) = (Vec::new(), Vec::new(), false);
        let mut has_written = false;
        for post in posts {
            if self.known.contains(&post.id) {
                self.outcome.known += 1;
                continue;
            }
            is_enough = self.outcome.adopted.len() + adopted.len() >= self.limit;
            if is_enough {
                break;
            }
            match self.manifest(&post)? {
                Ok((id, path, is_new)) => {
                    has_written |= is_new;
                    events.push(self.event(&id, &path, &post));
                    adopted.push(Adopted { post: id, path, url: post.url });
                }
                Err(because) => {
                    self.outcome.left_out.push(LeftOut { remote_id: post.id.clone(), because });
                }
            }
            // A list may tell of a post twice.
            self.known.insert(post.id);
        }
        if has_written {
            // The names, too, are on the disk before they are recorded.
            File::open(&self.folder)?.sync_all()?;
        }
        if !events.is_empty() {
            let actor = self.engine.actor.clone();
            self.engine.ledger.append(now, &actor, &events)?;
        }
        self.outcome.adopted.extend(adopted);
        Ok(!is_enough)
    }

    /// The post's id, its manifest's path, and whether that was written now; or why there is none.
    fn manifest(&self, post: &Listed) -> Result<Result<(PostId, String, bool), String>, Failure> {
        let (account, platform) = self.account;
        let Ok(id) = format!("{platform}-{}", post.id).parse::<PostId>() else {
            return Ok(Err("its id makes no name of a manifest".to_owned()));
        };
        if let Some(state) = self.recorded.get(&id) {
            return Ok(Err(format!("{id} is recorded as {state}: see `gitcast show {id}`")));
        }
        if self.loaded.broken.contains(&id) {
            return Ok(Err(format!("the manifest of {id} has an error: see `gitcast validate`")));
        }
        match self.desired.get(&id) {
            // An earlier run died before it was recorded.
            Some(desired) if desired.state == DesiredState::Adopted && desired.account == *account => {
                return Ok(Ok((id, desired.path.clone(), false)));
            }
            Some(desired) => {
                let path = &desired.path;
                return Ok(Err(format!(
                    "{path} has the id {id}, and is about something else: change its id"
                )));
            }
            None => {}
        }
        let path = format!("content/{FOLDER}/{id}.yaml");
        let text = write::adopted(&write::Adopted { id: &id, account, at: post.at, text: &post.text });
        let is_new = create_whole(&self.folder, &format!("{id}.yaml"), text.as_bytes()).map_err(|error| {
            Failure::error(format!("{path} cannot be written"))
                .cause(&error)
                .hint("then run again: it goes on")
        })?;
        Ok(match is_new {
            true => Ok((id, path, true)),
            false => Err(format!("{path} is there already, and is no manifest of it: move that file")),
        })
    }

    fn event(&self, id: &PostId, path: &str, post: &Listed) -> Event {
        let (account, platform) = self.account;
        // The same for all, so that they are told of as one.
        let message = format!("{}: found among the account's posts{}", self.engine.actor, because(self.why));
        let change = Change::Adopted {
            platform,
            digest: ContentDigest::of_nothing(),
            revision: 1,
            path: path.to_owned(),
            remote: Remote { id: Some(post.id.clone()), url: post.url.clone() },
            reason: Reason::new("adopted-from-account", message),
            payload: None,
        };
        Event::Publication { post: id.clone(), account: account.clone(), change }
    }
}

fn refused(name: &AccountName, error: &Error) -> Failure {
    let failure = |exit| Failure::new(exit, "the platform does not tell which posts there are").cause(error);
    match error.kind {
        ErrorKind::Auth => failure(Exit::LoginNeeded)
            .hint(format!("run `gitcast auth refresh --force {name}`, then this again; else log in again")),
        ErrorKind::Permission => failure(Exit::LoginNeeded)
            .hint(format!("log in again, and grant it: `gitcast auth login {name}`")),
        ErrorKind::RateLimited | ErrorKind::Transient => {
            failure(Exit::Temporary).hint("run again later: it goes on")
        }
        _ => failure(Exit::Error),
    }
}

fn report(workspace: &Workspace, name: &AccountName, outcome: Outcome) -> Exit {
    let Outcome { adopted, known, left_out, pages, complete, failure } = outcome;
    let why = |failure: &Failure| {
        [&[failure.message.clone()][..], &failure.causes, &failure.hints].concat().join("; ")
    };
    let error = failure.as_ref().map(why);
    let exit = failure.as_ref().map(|failure| failure.exit);
    if workspace.global.json {
        ui::print_json(&json!({
            "format_version": FORMAT_VERSION,
            "account": name,
            "adopted": adopted,
            "known": known,
            "left_out": left_out,
            "pages": pages,
            "complete": complete,
            "error": error,
        }));
    } else {
        let count = adopted.len();
        let line = format!("{name}: {count} adopted, {known} known already, {} left out.\n", left_out.len());
        ui::print(&line);
        for LeftOut { remote_id, because } in &left_out {
            ui::tell(&format!("  {remote_id}: {}", text::one_line(because, 400)));
        }
        if !adopted.is_empty() {
            let folder = workspace.content.join(FOLDER);
            ui::tell(&format!("The manifests are in {}: commit them.", folder.display()));
        }
        if !complete && error.is_none() {
            ui::tell("There may be more: run again.");
        }
    }
    if let Some(error) = error {
        ui::tell(&format!("{name}: {}", text::one_line(&error, 600)));
    }
    let left_out = (!left_out.is_empty()).then_some(Exit::Error);
    Exit::of(exit.into_iter().chain(left_out))
}
