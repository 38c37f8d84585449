//! Where everything is: folders, clock, keys, the ledger and the content of one project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::branch::Tree;
use super::error::Failure;
use super::exit::Exit;
use super::ui::Palette;
use super::{Global, Instant, ui};
use crate::clock::Clock;
use crate::content::cache::Cache;
use crate::content::scan::Threads;
use crate::domain::commit::Commit;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::{AccountName, PlatformId, PostId};
use crate::domain::manifest::parse::FILE_BYTES_MAX;
use crate::domain::plan::{Desired, Plan};
use crate::domain::url;
use crate::ledger::{Holder, Ledger};
use crate::platform::Keys;
use crate::platform::http::Http;
use crate::reconcile::desired::{self, Loaded, Source, StandIn};
use crate::secret::Secret;

mod ledgers;
mod selector;

pub(super) use ledgers::{check_lineage, fresh_lineage};
use selector::Selector;

/// The file of app keys, beside `content/`; git ignores it.
const KEYS_FILE: &str = "keys.env";

#[derive(Debug)]
pub(super) struct Workspace {
    pub global: Global,
    pub root: PathBuf,
    pub content: PathBuf,
    pub state: PathBuf,
    pub clock: Clock,
    pub palette: Palette,
    pub threads: Threads,
    /// Whether it was told who else can get at the ledger.
    told_exposures: AtomicBool,
    /// Where content is read, if not in the work tree.
    tree: OnceLock<Tree>,
    only: Vec<Selector>,
    exclude: Vec<Selector>,
}

/// Which of a project's two ledgers: its own, or that of the rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Book {
    Real,
    Rehearsal,
}

impl Book {
    pub(super) fn of(rehearse: bool) -> Book {
        if rehearse { Book::Rehearsal } else { Book::Real }
    }
}

impl Workspace {
    pub(super) fn new(global: &Global) -> Result<Workspace, Failure> {
        let root = global.directory.clone();
        if !root.is_dir() {
            return Err(Failure::usage(format!("there is no folder {}", root.display())));
        }
        let under =
            |given: &Option<PathBuf>, name: &str| root.join(given.as_deref().unwrap_or(Path::new(name)));
        let mut workspace = Workspace {
            content: under(&global.content, "content"),
            state: under(&global.state, "state"),
            clock: Clock::system(),
            palette: ui::color(global.color),
            threads: Threads::Many,
            told_exposures: AtomicBool::new(false),
            tree: OnceLock::new(),
            only: Selector::all(&global.only)?,
            exclude: Selector::all(&global.exclude)?,
            root,
            global: global.clone(),
        };
        if let Some(now) = global.now {
            workspace.clock = Clock::starting_at(workspace.instant(now)?);
        }
        Ok(workspace)
    }

    fn instant(&self, now: Instant) -> Result<Timestamp, Failure> {
        let local = match now {
            Instant::Exact(at) => return Ok(at),
            Instant::Local(local) => local,
        };
        let zone = self.project().project.map_or(TimeZone::UTC, |project| project.timezone);
        let at = zone.to_ambiguous_timestamp(local).unambiguous();
        at.map_err(|error| Failure::usage("--now is no time in the project's time zone").cause(&error))
    }

    /// `--now` makes no sense where real platforms are asked or real time is recorded.
    pub(super) fn refuse_now(&self) -> Result<(), Failure> {
        match self.global.now {
            None => Ok(()),
            Some(_) => Err(Failure::usage("--now is for `plan` and for `--rehearse` only")),
        }
    }

    /// Content is read there from now on. Only the first call counts.
    pub(super) fn read_from(&self, tree: Tree) {
        let _ = self.tree.set(tree);
    }

    /// The root that paths are told from, and `content/` below it, where content is read.
    pub(super) fn place(&self) -> (&Path, &Path) {
        self.tree.get().map_or((&self.root, &self.content), |tree| (&tree.root, &tree.content))
    }

    /// The commit that content is read from, if it is not the work tree.
    pub(super) fn commit(&self) -> Option<Commit> {
        self.tree.get().and_then(|tree| tree.hold().clone())
    }

    /// What earlier scans learned.
    pub(super) fn cache(&self) -> Option<Cache> {
        Cache::locate(self.place().1, |name| std::env::var_os(name)).map(Cache::open)
    }

    pub(super) fn load(&self, stand_in: Option<StandIn>) -> Result<Loaded, Failure> {
        self.load_with(self.cache().as_ref(), stand_in)
    }

    pub(super) fn load_with(
        &self,
        cache: Option<&Cache>,
        stand_in: Option<StandIn>,
    ) -> Result<Loaded, Failure> {
        let (root, content) = self.place();
        let source = Source { root, content, stand_in, threads: self.threads, held: None };
        let held = self.tree.get().map(Tree::hold);
        if held.as_ref().is_some_and(|commit| commit.is_none()) {
            return Err(
                Failure::error("there is no whole tree of a commit yet").hint("wait for the next pass")
            );
        }
        let mut loaded = desired::load(&source, cache, &Http::new(self.clock.clone()), &self.keys());
        drop(held);
        for selector in self.only.iter().chain(&self.exclude) {
            let hit = |d: &Desired| selector.matches(&d.post, &d.account, d.platform, &d.path);
            selector.found.fetch_or(loaded.desired.iter().any(hit), Ordering::Relaxed);
        }
        loaded.desired.retain(|d| self.selects(&d.post, &d.account, d.platform, &d.path));
        Ok(loaded)
    }

    /// Refuses a selector that names nothing: a typing error must neither publish what should have been excluded nor
    /// look like "nothing to do". A glob may match nothing.
    pub(super) fn check_selectors(&self, loaded: &Loaded, book: Book) -> Result<(), Failure> {
        let recorded = Ledger::open_read(&self.ledger_path(book)).and_then(|ledger| ledger.publications());
        let recorded = recorded.unwrap_or_default();
        let known = |selector: &Selector| {
            let text = selector.text.as_str();
            selector.found.load(Ordering::Relaxed)
                || selector.is_pattern()
                || recorded.iter().any(|p| selector.matches(&p.post, &p.account, p.platform, &p.path))
                || loaded.broken.iter().any(|id| id.as_str() == text)
                || loaded.broken_paths.iter().any(|path| selector.glob.is_match(path))
                || loaded.project.as_ref().is_some_and(|project| {
                    project
                        .accounts
                        .iter()
                        .any(|a| a.name.value.as_str() == text || a.platform.as_str() == text)
                })
        };
        match self.only.iter().chain(&self.exclude).find(|selector| !known(selector)) {
            None => Ok(()),
            Some(unknown) => Err(Failure::usage(format!("nothing is named {}", unknown.text)).hint(
                "--only and --exclude take a post's id, an account, a platform, or a glob of manifest paths",
            )),
        }
    }

    /// `gitcast.yaml` alone: accounts and policy, no manifests.
    pub(super) fn project(&self) -> Loaded {
        let (root, content) = self.place();
        let source = Source { root, content, stand_in: None, threads: self.threads, held: None };
        desired::load_project(&source, &Http::new(self.clock.clone()), &self.keys())
    }

    /// Whether an account's tokens may go where it points: to its platform, to this machine, or to a host that the
    /// user has allowed. Content alone, which a pull request may change, cannot send them elsewhere.
    pub(super) fn may_send(&self, loaded: &Loaded, name: &AccountName) -> bool {
        let Some(account) = loaded.project.as_ref().and_then(|project| project.account(name)) else {
            return false;
        };
        account.endpoint.as_ref().is_none_or(|endpoint| {
            url::is_loopback(&endpoint.value)
                || self.global.allow_endpoint.iter().any(|allowed| names_host(allowed, &endpoint.value))
        })
    }

    /// The accounts that the plan needs and that point where nobody allowed.
    pub(super) fn refused_endpoints(&self, loaded: &Loaded, plan: &Plan) -> BTreeMap<AccountName, String> {
        let refused = plan.acting().map(|c| &c.account).filter(|name| !self.may_send(loaded, name));
        refused.map(|name| (name.clone(), self.endpoint_refused(name, loaded).message)).collect()
    }

    pub(super) fn endpoint_refused(&self, name: &AccountName, loaded: &Loaded) -> Failure {
        let origin = loaded.platforms.get(name).map_or_else(String::new, |platform| platform.origin());
        Failure::new(
            Exit::Refused,
            format!(
                "{name} would send its tokens to {origin}, which is not this machine; if that is meant, allow it by --allow-endpoint or GITCAST_ALLOW_ENDPOINT"
            ),
        )
    }

    /// Reads the sources that diagnostics point at.
    pub(super) fn source(&self) -> impl Fn(&str) -> Option<String> {
        let (root, content) = self.place();
        source_of(root, content)
    }

    /// What diagnostics come to: an error, or nothing to speak of.
    pub(super) fn verdict(&self, diagnostics: &[Diagnostic]) -> Exit {
        let bad = |d: &Diagnostic| d.is_error() || self.global.deny_warnings;
        if diagnostics.iter().any(bad) { Exit::Error } else { Exit::Converged }
    }

    pub(super) fn selects(
        &self,
        post: &PostId,
        account: &AccountName,
        platform: PlatformId,
        path: &str,
    ) -> bool {
        let hit = |selector: &Selector| selector.matches(post, account, platform, path);
        (self.only.is_empty() || self.only.iter().any(hit)) && !self.exclude.iter().any(hit)
    }

    /// Who acts, for the record: the command, the person as git or the CI service names them, and the CI run.
    pub(super) fn actor(&self, command: &str) -> String {
        match who(self.holder(command).run_url, variable) {
            Some(who) => format!("{command} by {who}"),
            None => command.to_owned(),
        }
    }

    pub(super) fn holder(&self, command: &str) -> Holder {
        Holder::this_process(format!("gitcast {command}"), self.clock.now(), variable)
    }

    /// App keys: from the environment, else from `keys.env` beside `content/`.
    pub(super) fn keys(&self) -> Keys {
        let file = self.content.parent().unwrap_or(&self.root).join(KEYS_FILE);
        Arc::new(move |name: &str| {
            variable(name).or_else(|| read_key(&std::fs::read_to_string(&file).ok()?, name)).map(Secret::new)
        })
    }
}

/// The text of files that diagnostics name, below this root.
pub(super) fn source_of(root: &Path, content: &Path) -> impl Fn(&str) -> Option<String> + use<> {
    let (root, content) = (root.to_owned(), content.to_owned());
    move |path: &str| {
        let path = path.strip_prefix("content/").map_or_else(|| root.join(path), |below| content.join(below));
        // Opening a pipe would wait for whoever writes to it; what is too large was not read as content either.
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        let is_readable = metadata.is_file() && metadata.len() <= FILE_BYTES_MAX as u64;
        is_readable.then(|| std::fs::read_to_string(path).ok())?
    }
}

/// A person and a CI run, as far as the environment tells. Git is not asked: that would be another program's start.
fn who(run_url: Option<String>, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let git = || match (variable("GIT_AUTHOR_NAME"), variable("GIT_AUTHOR_EMAIL")) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (name, email) => name.or(email),
    };
    // GitHub, GitLab, Buildkite; else the login name, which is nobody's on a CI machine.
    let service = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR"];
    let person = git()
        .or_else(|| service.into_iter().find_map(&variable))
        .or_else(|| run_url.is_none().then(|| variable("USER"))?);
    match (person, run_url) {
        (Some(person), Some(url)) => Some(format!("{person}, {url}")),
        (person, url) => person.or(url),
    }
}

/// An environment variable that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of `name` in lines of the form `NAME=value`, with comments, quotes and `export` as shells have them.
fn read_key(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    let value = pairs.find(|(key, _)| key.trim() == name)?.1.trim();
    let unquoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
    Some(unquoted.unwrap_or(value).to_owned()).filter(|value| !value.is_empty())
}

/// Whether `allowed` (a host, with or without port, or an origin) names the endpoint's host.
fn names_host(allowed: &str, endpoint: &str) -> bool {
    let host_and_port = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host_and_port.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let allowed = allowed.trim().trim_end_matches('/').to_ascii_lowercase();
    allowed == endpoint || allowed == host_and_port || host.is_some_and(|(host, _)| allowed == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acts_is_a_person_and_a_run() {
        let who = |url: Option<&str>, set: &[(&str, &str)]| {
            let set: BTreeMap<_, _> = set.iter().copied().collect();
            who(url.map(str::to_owned), |name| set.get(name).map(|value| (*value).to_owned()))
        };
        let ann = [("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com"), ("USER", "root")];
        assert_eq!(who(None, &ann).as_deref(), Some("Ann <ann@example.com>"));
        assert_eq!(who(Some("https://ci/1"), &ann[1..]).as_deref(), Some("ann@example.com, https://ci/1"));
        assert_eq!(who(Some("https://ci/1"), &ann[2..]).as_deref(), Some("https://ci/1"));
        assert_eq!(who(Some("u"), &[("GITHUB_ACTOR", "ben")]).as_deref(), Some("ben, u"));
        assert_eq!(who(None, &ann[2..]).as_deref(), Some("root"));
        assert_eq!(who(None, &[]), None);
    }

    #[test]
    fn keys_are_read_as_a_shell_would() {
        let text = "# comment\nexport A=\"one two\"\nB = 'x=y' \n#C=no\nD=\n";
        assert_eq!(read_key(text, "A").as_deref(), Some("one two"));
        assert_eq!(read_key(text, "B").as_deref(), Some("x=y"));
        assert_eq!(read_key(text, "C"), None);
        assert_eq!(read_key(text, "D"), None);
    }
}
