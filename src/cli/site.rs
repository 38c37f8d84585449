//! What pages show of a project: content and ledger, read and never written.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::branch::Tree;
use super::error::Failure;
use super::plan::{self, Gates};
use super::trends::known::Trending;
use super::workspace::{Book, Workspace};
use super::{decisions, log, render};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Entry;
use crate::domain::ids::{AccountName, ContentDigest, PostId};
use crate::domain::limits::Counts;
use crate::domain::media::Medium;
use crate::domain::pause::{Pause, Scope};
use crate::domain::payload::Payload;
use crate::domain::plan::{Desired, Planned, Spent};
use crate::domain::preview::{Note, Preview};
use crate::domain::project;
use crate::domain::publication::State;
use crate::ledger::Ledger;
use crate::pages::{Account, Finding, Item, Login, Picture, Shown, Site, Source};
use crate::reconcile::desired::{Loaded, StandIn};

/// Entries in the log.
const LOG_ENTRIES: u32 = 200;
/// Findings shown with their lines; files are read for it.
const EXCERPTS_MAX: usize = 500;

/// What is to be shown.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub book: Book,
    pub stand_in: Option<StandIn>,
    pub gates: Gates,
    pub is_live: bool,
    /// Where content is read, if not in the work tree.
    pub tree: Option<Tree>,
    /// What forms carry, where people may act.
    pub form_key: Option<String>,
}

/// A site, and what the pages of posts are made from.
pub(super) struct View {
    pub site: Site,
    pub loaded: Loaded,
    pub ledger: Option<Ledger>,
    desired: HashMap<(PostId, AccountName), usize>,
    trending: Option<Trending>,
}

impl View {
    /// Reads everything. A ledger that is not there is no failure: there may be none in a checkout.
    pub(super) fn read(workspace: &Workspace, wanted: &Wanted) -> Result<View, Failure> {
        let (now, book) = (workspace.clock.now(), wanted.book);
        let mut loaded = workspace.load(wanted.stand_in.clone())?;
        workspace.check_selectors(&loaded, book)?;
        let ledger = match workspace.ledger_path(book).exists() {
            true => workspace.read_ledger(book, loaded.project.as_ref())?,
            false => None,
        };
        let decided =
            decisions::make(workspace, &mut loaded, ledger.as_ref(), (now, &workspace.actor("watch")))?;
        let plan = plan::make(workspace, &loaded, ledger.as_ref(), &decided, &wanted.gates)?;
        let key = |post: &PostId, account: &AccountName| (post.clone(), account.clone());
        let desired: HashMap<_, _> =
            loaded.desired.iter().enumerate().map(|(n, d)| (key(&d.post, &d.account), n)).collect();
        let recorded: HashMap<_, _> =
            decided.recorded.iter().map(|p| (key(&p.post, &p.account), p)).collect();
        let accounts = accounts(&loaded, ledger.as_ref(), &decided.pauses, (book, now))?;
        let mut items: Vec<Item> = Vec::with_capacity(plan.changes.len());
        for change in plan.changes {
            let place = key(&change.post, &change.account);
            let recorded = recorded.get(&place).map(|p| (*p).clone());
            let due = desired.get(&place).and_then(|n| loaded.desired[*n].due());
            let settled = recorded.as_ref().filter(|p| p.state.is_success() || p.state == State::Deleted);
            let sent = recorded.as_ref().and_then(|p| p.intended_at).or(settled.map(|p| p.updated_at));
            let hindrance = hindrance(&change, &accounts);
            items.push(Item { at: sent.or(due), change, recorded, hindrance });
        }
        items.sort_by(|a, b| (&a.change.post, &a.change.account).cmp(&(&b.change.post, &b.change.account)));
        let log = match &ledger {
            Some(ledger) => {
                ledger.read(None, ledger.head()?.seq.saturating_sub(LOG_ENTRIES.into()), LOG_ENTRIES)?
            }
            None => Vec::new(),
        };
        let site = Site {
            now,
            zone: plan::zone(&loaded),
            name: name(workspace),
            is_live: wanted.is_live,
            form_key: wanted.form_key.clone(),
            paused: decided
                .pauses
                .iter()
                .filter(|pause| pause.is_on(now))
                .map(|pause| pause.scope.clone())
                .collect(),
            notes: notes(book, ledger.as_ref()),
            items,
            findings: findings(workspace, &loaded.diagnostics),
            accounts,
            log,
        };
        Ok(View { site, loaded, ledger, desired, trending: None })
    }

    /// Pages tell from now on which hashtags were trending.
    pub(super) fn tell_trends(&mut self, trending: Trending) {
        self.site.notes.push(format!("Trends: {}.", trending.origin()));
        self.trending = Some(trending);
    }

    fn desired(&self, post: &PostId, account: &AccountName) -> Option<&Desired> {
        self.desired.get(&(post.clone(), account.clone())).map(|n| &self.loaded.desired[*n])
    }

    /// The post's page; `source` tells where media are found.
    pub(super) fn post(
        &self,
        id: &PostId,
        mut source: impl FnMut(&Medium) -> Source,
    ) -> Result<Option<String>, Failure> {
        let mut shown = Vec::new();
        for item in self.site.of_post(id) {
            let account = &item.change.account;
            let wanted = self.desired(id, account).and_then(|desired| desired.payload.clone());
            let recorded = || self.ledger.as_ref().map(|ledger| ledger.work(id, account)).transpose();
            let payload = match wanted {
                Some(payload) => Some(payload),
                None => recorded()?.flatten().map(|work| *work.payload),
            };
            shown.extend(payload.map(|payload| Shown {
                account: account.clone(),
                preview: self.preview(&item.change, &payload),
                media: payload.media.iter().map(|medium| (medium.clone(), source(medium))).collect(),
            }));
        }
        let entries: Vec<Entry> = log::of_post(self.ledger.as_ref(), id)?;
        Ok(self.site.render_post(id, &shown, &entries))
    }

    fn preview(&self, change: &Planned, payload: &Payload) -> Preview {
        let platform = self.loaded.platforms.get(&change.account);
        let mut preview =
            platform.map_or_else(|| Preview::plain(payload), |platform| platform.preview(payload));
        let text = payload.text.as_deref().unwrap_or_default();
        let trending = self.trending.as_ref().and_then(|trending| trending.of_post(change, text));
        preview.notes.extend(trending.map(|text| Note { name: "Trending", text }));
        preview
    }

    /// For each post that had a time and was sent: seconds from the one to the other.
    pub(super) fn published_lags(&self) -> Vec<f64> {
        let lag = |item: &Item| {
            let sent = item.recorded.as_ref()?.intended_at?;
            let due = self.desired(&item.change.post, &item.change.account)?.due()?;
            Some(sent.duration_since(due).as_secs_f64().max(0.0))
        };
        self.site.items.iter().filter_map(lag).collect()
    }

    /// The medium of this name beside the pages, if a post wants it.
    pub(super) fn medium(&self, name: &str) -> Option<&Medium> {
        let (digest, _) = name.strip_prefix("media/")?.split_once('.')?;
        let wanted: ContentDigest = format!("sha256:{digest}").parse().ok()?;
        let payloads = self.loaded.desired.iter().filter_map(|desired| desired.payload.as_ref());
        let mut media = payloads.flat_map(|payload| &payload.media);
        media.find(|medium| {
            matches!(medium, Medium::File { digest, .. } if *digest == wanted)
                && media_name(medium).is_some_and(|own| own == name)
        })
    }
}

/// The name that a medium has beside the pages, if it can be shown: it tells nothing of where the file lies.
pub(super) fn media_name(medium: &Medium) -> Option<String> {
    let Medium::File { digest, .. } = medium else { return None };
    let (_, extension, _) = Picture::of(medium)?;
    Some(format!("media/{}.{extension}", crate::domain::ids::hex(&digest.0)))
}

fn name(workspace: &Workspace) -> String {
    let root = workspace.root.canonicalize().ok();
    let name = root.as_ref().and_then(|root| root.file_name()).and_then(|name| name.to_str());
    name.unwrap_or("gitcast").to_owned()
}

fn notes(book: Book, ledger: Option<&Ledger>) -> Vec<String> {
    let rehearsal = "A rehearsal: stand-in platforms, with a ledger of their own. Nothing here is public.";
    let missing = "There is no ledger here, so nobody knows what was published before: each post is shown as if none had been.";
    let all = [(book == Book::Rehearsal, rehearsal), (ledger.is_none(), missing)];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note.to_owned()).collect()
}

fn findings(workspace: &Workspace, diagnostics: &[Diagnostic]) -> Vec<Finding> {
    let excerpt = |(n, found): (usize, &Diagnostic)| Finding {
        diagnostic: found.clone(),
        excerpt: if n < EXCERPTS_MAX { excerpt(workspace, found) } else { String::new() },
    };
    diagnostics.iter().enumerate().map(excerpt).collect()
}

/// The lines that a finding is about, as `validate` shows them.
fn excerpt(workspace: &Workspace, found: &Diagnostic) -> String {
    let mut out = Vec::new();
    let one = std::slice::from_ref(found);
    // Memory takes all that is written.
    let _ = render::diagnostics(render::Format::Text, one, &workspace.source(), false, &mut out);
    // A line begins with its number or with a bar, and holds more than that.
    let is_source = |line: &&str| {
        let line = line.trim();
        line.starts_with(|c: char| c == '|' || c.is_ascii_digit()) && line != "|"
    };
    let text = String::from_utf8_lossy(&out);
    text.lines().skip(1).filter(is_source).collect::<Vec<_>>().join("\n")
}

fn accounts(
    loaded: &Loaded,
    ledger: Option<&Ledger>,
    pauses: &[Pause],
    (book, now): (Book, Timestamp),
) -> Result<Vec<Account>, Failure> {
    let spent = ledger.map(|ledger| loaded.spent(ledger, now)).transpose()?.unwrap_or_default();
    let declared = loaded.project.as_ref().map_or(&[][..], |project| &project.accounts);
    let mut accounts = Vec::new();
    for account in declared {
        let name = &account.name.value;
        let caps = loaded.caps.get(name).map_or(&[][..], Vec::as_slice);
        let facts = account.known.known().map(|known| &known.facts);
        let handle = account.handle.as_ref().map(|handle| handle.value.clone());
        let has_drafts = caps.iter().any(|cap| cap.counts == Counts::Drafts);
        accounts.push(Account {
            name: name.clone(),
            platform: account.platform,
            handle: handle.or_else(|| facts.and_then(|facts| facts.username.clone())),
            mode: has_drafts.then_some(account.mode.value),
            login: login(loaded, ledger.filter(|_| book == Book::Real), account, now)?,
            caps: caps.iter().map(|cap| (cap.name, used(&spent, name, cap, now), cap.max)).collect(),
            read_on: facts.and_then(|facts| facts.read_on),
            pause: pauses
                .iter()
                .filter(|pause| pause.is_on(now))
                .find_map(|pause| pauses_all(pause, account)),
        });
    }
    Ok(accounts)
}

/// Why nothing is sent, though the plan would.
fn hindrance(change: &Planned, accounts: &[Account]) -> Option<String> {
    let account = accounts.iter().find(|account| account.name == change.account)?;
    let is_needed = matches!(account.login, Login::Missing | Login::Needed(_));
    (is_needed && change.action.acts())
        .then(|| format!("nothing, until somebody logs in: gitcast auth login {}", account.name))
}

fn used(spent: &[Spent], account: &AccountName, cap: &crate::domain::limits::Cap, now: Timestamp) -> u32 {
    let window = SignedDuration::try_from(cap.window).unwrap_or(SignedDuration::MAX);
    let counts =
        |s: &&Spent| s.account == *account && s.counts == cap.counts && now.duration_since(s.at) < window;
    u32::try_from(spent.iter().filter(counts).count()).unwrap_or(u32::MAX)
}

fn pauses_all(pause: &Pause, account: &project::Account) -> Option<String> {
    let covers = match &pause.scope {
        Scope::Account { account: name } => *name == account.name.value,
        Scope::Platform { platform } => *platform == account.platform,
        Scope::Publication { .. } | Scope::Post { .. } => false,
    };
    covers.then(|| pause.describe())
}

fn login(
    loaded: &Loaded,
    ledger: Option<&Ledger>,
    account: &project::Account,
    now: Timestamp,
) -> Result<Login, Failure> {
    let name = &account.name.value;
    let Some((ledger, platform)) = ledger.zip(loaded.platforms.get(name)) else { return Ok(Login::Unknown) };
    let Some(grant) = ledger.grant(name)? else { return Ok(Login::Missing) };
    Ok(match grant.needs_login(now) {
        Some(reason) => Login::Needed(reason),
        None => Login::Good {
            until: grant.refresh_expires_at,
            ends_soon: grant.ends_soon(now).is_some(),
            renewal_at: grant.refresh_due_at(&platform.token_care()),
        },
    })
}
