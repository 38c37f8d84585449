//! Decisions of people that are committed as files: what the entries of `content/resolutions/*.yaml` say, and what
//! they come to.
//!
//! # Flow
//!
//! [`read`] decodes a file. [`decide`] holds each entry that was not yet taken note of against what is recorded, and
//! gives the events that carry it out. Pure: `plan` shows what `apply` records.
//!
//! # Guarantees
//!
//! An entry counts once, by the digest of what it says. One that cannot be carried out is taken note of as moot: left
//! open, it would wait for the next outcome that happens to fit, months later. Two wait none the less: what is under
//! way may yet need the decision, and an adoption whose manifest is missing keeps a post from being sent.
//! What an entry with an error may be about is paused, since nobody knows what it was to say.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use super::diagnostic::Diagnostic;
use super::event::Event;
use super::ids::{AccountName, ContentDigest, PlatformId, PostId};
use super::manifest::DesiredState;
use super::manifest::decode::{Mapping, boolean, one_of, text};
use super::manifest::node::{Node, Value};
use super::manifest::post::name;
use super::manifest::report::{DIAGNOSTICS_MAX, Report, quote};
use super::manifest::time::instant;
use super::pause::{Pause, Scope};
use super::payload::canonical;
use super::plan::Desired;
use super::publication::{Change, Publication, Reason, Remote, Settlement, State};
use super::span::{Located, Span};
use super::url;

/// The most entries in one file.
pub const ENTRIES_MAX: usize = 1000;
/// The longest reason, in characters.
pub const WHY_CHARS_MAX: usize = 1000;
/// The longest id that a platform gives a post, in bytes.
pub const REMOTE_ID_BYTES_MAX: usize = 128;
/// Code of what was decided by a file.
const CODE: &str = "decided-in-content";
/// The keys of which an entry has one.
const KEYS: &str = "published, not_published, abandon, retry, adopt, forget, pause, pause_until or resume";

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    Published { remote: Remote },
    NotPublished,
    Abandon,
    Retry,
    Adopt { remote: Remote },
    Forget,
    Pause { until: Option<Timestamp> },
    Resume,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    pub scope: Scope,
    pub decision: Decision,
    pub why: String,
    /// Relative to the project's root.
    pub path: String,
    pub span: Span,
}

impl Resolution {
    /// Of what it says, wherever it stands.
    pub fn digest(&self) -> ContentDigest {
        let whole = json!({ "scope": self.scope, "decision": self.decision, "why": self.why });
        ContentDigest::of(canonical(&whole).as_bytes())
    }

    pub fn place(&self) -> String {
        format!("{}:{}", self.path, self.span.line)
    }
}

/// What a file says.
#[derive(Debug, Default)]
pub struct File {
    pub resolutions: Vec<Resolution>,
    /// What entries with errors may be about, and where they stand.
    pub doubtful: Vec<(Scope, String)>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the tree of one file.
pub fn read(node: &Node, path: &str, zone: &TimeZone) -> File {
    let mut file = File::default();
    let report = Report::new(path);
    match &node.value {
        Value::Null => {}
        Value::Sequence(entries) if entries.len() > ENTRIES_MAX => {
            let span = entries[ENTRIES_MAX].span;
            let found =
                report.error("invalid-value", span, format!("more than {ENTRIES_MAX} entries in one file"));
            found.help("begin another file");
        }
        Value::Sequence(entries) => entries.iter().for_each(|entry| file.entry(entry, path, zone)),
        _ => {
            let found =
                report.error("invalid-type", node.span, format!("expected a list, found {}", node.kind()));
            found.help("each entry begins with `- post: ID`");
        }
    }
    file.diagnostics.extend(report.into_diagnostics());
    file.diagnostics.truncate(DIAGNOSTICS_MAX);
    file
}

impl File {
    fn entry(&mut self, node: &Node, path: &str, zone: &TimeZone) {
        let report = Report::new(path);
        let (scope, rest) = entry(node, zone, &report);
        match (scope, rest) {
            (Some(scope), Some((decision, why))) if !report.has_errors() => {
                self.resolutions.push(Resolution {
                    scope,
                    decision,
                    why,
                    path: path.to_owned(),
                    span: node.span,
                });
            }
            (Some(scope), _) => self.doubtful.push((scope, format!("{path}:{}", node.span.line))),
            (None, _) => {}
        }
        self.diagnostics.extend(report.into_diagnostics());
    }
}

fn entry(node: &Node, zone: &TimeZone, report: &Report) -> (Option<Scope>, Option<(Decision, String)>) {
    let Some(mut m) = Mapping::new(node, report) else { return (None, None) };
    let post = m.optional("post", name::<PostId>("post id")).map(|post| post.value);
    let account = m.optional("account", name::<AccountName>("account name")).map(|account| account.value);
    let platform = m.optional("platform", one_of::<PlatformId>).map(|platform| platform.value);
    let why = m.optional("why", why).unwrap_or_default();
    let decision = decision(&mut m, node.span, zone, report);
    m.finish();
    let scope = Scope::of(post, account, platform);
    match (&scope, &decision) {
        (None, _) => {
            let found = report.error("missing-key", node.span, "nobody can tell what this is about");
            found.help("write `post:`, `account:`, both, or `platform:` alone");
        }
        (Some(Scope::Publication { .. }), _)
        | (_, None | Some(Decision::Pause { .. } | Decision::Resume)) => {}
        (Some(_), Some(_)) => {
            let found =
                report.error("missing-key", node.span, "this decision is about one post on one account");
            found.help("write both `post:` and `account:`");
        }
    }
    (scope, decision.map(|decision| (decision, why)))
}

fn decision(m: &mut Mapping<'_>, place: Span, zone: &TimeZone, report: &Report) -> Option<Decision> {
    let id = m.optional("remote_id", remote_id);
    let remote = |url: Option<String>| Remote { id: id.clone(), url };
    let mut found: Vec<(Span, Option<Decision>)> = Vec::new();
    for (key, make) in [
        ("published", (|remote| Decision::Published { remote }) as fn(Remote) -> Decision),
        ("adopt", |remote| Decision::Adopt { remote }),
    ] {
        if let Some((key, node)) = m.entry(key) {
            found.push((key.span, page(node, report).map(|url| make(remote(Some(url))))));
        }
    }
    for (key, decision) in [
        ("not_published", Decision::NotPublished),
        ("abandon", Decision::Abandon),
        ("retry", Decision::Retry),
        ("forget", Decision::Forget),
        ("pause", Decision::Pause { until: None }),
        ("resume", Decision::Resume),
    ] {
        if let Some((key, node)) = m.entry(key) {
            found.push((key.span, yes(node, report).map(|()| decision)));
        }
    }
    if let Some((key, node)) = m.entry("pause_until") {
        let until = instant(zone)(node, report).map(|until| Decision::Pause { until: Some(until.value) });
        found.push((key.span, until));
    }
    found.sort_by_key(|(span, _)| span.start);
    match found.as_slice() {
        [] => {
            report.error("missing-key", place, "nothing is decided here").help(format!("write {KEYS}"));
            None
        }
        [(_, decision)] => decision.clone(),
        [(first, _), (second, _), ..] => {
            let finding = report.error("invalid-value", *second, "an entry holds one decision");
            finding.help("begin another entry with `-`").related("the first is here", *first);
            None
        }
    }
}

fn yes(node: &Node, report: &Report) -> Option<()> {
    let written = boolean(node, report)?;
    if !written.value {
        report.error("invalid-value", written.span, "this can only be `true`").help("or remove the entry");
    }
    written.value.then_some(())
}

fn page(node: &Node, report: &Report) -> Option<String> {
    let Located { value: address, span } = text(node, report)?;
    match url::check_page(&address) {
        Ok(()) => Some(address),
        Err(why) => {
            let finding = report.error("invalid-url", span, format!("{} {why}", quote(&address)));
            finding.help("write the address of the live post: https://…");
            None
        }
    }
}

fn remote_id(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    if is_remote_id(&written.value) {
        return Some(written.value);
    }
    let found =
        report.error("invalid-value", written.span, format!("{} is no id of a post", quote(&written.value)));
    found.help("write the platform's own id, as its address of the post shows it");
    None
}

/// Whether a platform could have given this as a post's id.
pub fn is_remote_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= REMOTE_ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic())
}

fn why(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    if written.value.chars().count() > WHY_CHARS_MAX {
        let found =
            report.error("invalid-value", written.span, format!("longer than {WHY_CHARS_MAX} characters"));
        found.help("shorten it");
        return None;
    }
    Some(written.value)
}

/// What decisions are held against.
#[derive(Debug)]
pub struct Input<'a> {
    pub resolutions: &'a [Resolution],
    pub doubtful: &'a [(Scope, String)],
    /// Digests of the decisions that were taken note of.
    pub known: BTreeSet<ContentDigest>,
    pub recorded: Vec<Publication>,
    pub pauses: Vec<Pause>,
    pub desired: &'a [Desired],
    pub actor: &'a str,
    pub now: Timestamp,
}

/// What decisions come to.
#[derive(Debug)]
pub struct Decided {
    /// What is recorded once they are carried out.
    pub recorded: Vec<Publication>,
    pub pauses: Vec<Pause>,
    /// To be recorded together.
    pub events: Vec<Event>,
    pub notes: Vec<Note>,
    pub diagnostics: Vec<Diagnostic>,
}

/// One decision, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    pub place: String,
    #[serde(flatten)]
    pub scope: Scope,
    /// What was decided.
    pub says: String,
    /// `carried-out`, `moot` or `waiting`.
    pub outcome: &'static str,
    /// Why it is moot or waits.
    pub because: Option<String>,
}

enum Outcome {
    Event(Event),
    Moot(String),
    Waiting(String),
    /// It waits, and somebody must mend the content.
    Wrong(String),
}

/// Decides entry by entry, each on what the ones before it left.
pub fn decide(input: Input<'_>) -> Decided {
    let Input { resolutions, doubtful, mut known, recorded, pauses, desired, actor, now } = input;
    let mut decided =
        Decided { recorded, pauses, events: Vec::new(), notes: Vec::new(), diagnostics: Vec::new() };
    for resolution in resolutions.iter().filter(|r| known.insert(r.digest())) {
        let outcome = decided.outcome(resolution, desired, now);
        decided.take(resolution, outcome, (now, actor));
    }
    decided.pauses.extend(doubtful.iter().map(|(scope, place)| Pause {
        scope: scope.clone(),
        why: "what it was to say is not known".to_owned(),
        until: None,
        by: format!("the decision at {place} holds an error"),
        at: now,
    }));
    decided
}

impl Decided {
    fn take(&mut self, resolution: &Resolution, outcome: Outcome, (now, actor): (Timestamp, &str)) {
        let (outcome, because, event) = match outcome {
            Outcome::Event(event) => ("carried-out", None, Some(event)),
            Outcome::Moot(why) => {
                let message = format!("this decision comes to nothing: {why}");
                let found = Diagnostic::warning("decision-moot", &resolution.path, resolution.span, message);
                self.diagnostics.push(found.help("remove it; it is not looked at again"));
                ("moot", Some(why), None)
            }
            Outcome::Waiting(why) => ("waiting", Some(why), None),
            Outcome::Wrong(why) => {
                let found =
                    Diagnostic::error("decision-impossible", &resolution.path, resolution.span, why.clone());
                self.diagnostics.push(found.help("mend the manifest, or remove this decision"));
                ("waiting", Some(why), None)
            }
        };
        if outcome != "waiting" {
            if let Some(event) = &event {
                self.simulate(event, now, actor);
            }
            self.events.extend(event);
            let post = match &resolution.scope {
                Scope::Publication { post, .. } | Scope::Post { post } => Some(post.clone()),
                Scope::Account { .. } | Scope::Platform { .. } => None,
            };
            let (digest, place) = (resolution.digest(), resolution.place());
            self.events.push(Event::Decided { post, digest, place, moot: because.clone() });
        }
        let (place, scope, says) = (resolution.place(), resolution.scope.clone(), says(&resolution.decision));
        self.notes.push(Note { place, scope, says, outcome, because });
    }

    fn simulate(&mut self, event: &Event, now: Timestamp, actor: &str) {
        match event {
            Event::Paused { scope, why, until } => {
                self.pauses.retain(|pause| pause.scope != *scope);
                let (scope, why, by) = (scope.clone(), why.clone(), actor.to_owned());
                self.pauses.push(Pause { scope, why, until: *until, by, at: now });
            }
            Event::Resumed { scope, .. } => self.pauses.retain(|pause| pause.scope != *scope),
            Event::Publication { post, account, change } => {
                let index = self.recorded.iter().position(|p| p.post == *post && p.account == *account);
                let before = index.map(|index| &self.recorded[index]);
                let Ok((after, _)) = Publication::apply(before, (post, account), change, now) else { return };
                match index {
                    Some(index) => self.recorded[index] = after,
                    None => self.recorded.push(after),
                }
            }
            _ => {}
        }
    }

    fn outcome(&self, resolution: &Resolution, desired: &[Desired], now: Timestamp) -> Outcome {
        let scope = resolution.scope.clone();
        let why = resolution.why.clone();
        match (&resolution.decision, &resolution.scope) {
            (Decision::Pause { until: Some(until) }, _) if *until <= now => {
                Outcome::Moot(format!("the pause was over at {until}"))
            }
            (Decision::Pause { until }, _) => Outcome::Event(Event::Paused { scope, why, until: *until }),
            (Decision::Resume, _) if self.pauses.iter().any(|pause| pause.scope == scope) => {
                Outcome::Event(Event::Resumed { scope, why })
            }
            (Decision::Resume, _) => Outcome::Moot(format!("{scope} is not paused")),
            (_, Scope::Publication { post, account }) => {
                self.of_publication(resolution, (post, account), desired, now)
            }
            _ => Outcome::Moot("it is not about one post on one account".to_owned()),
        }
    }

    fn of_publication(
        &self,
        resolution: &Resolution,
        (post, account): (&PostId, &AccountName),
        desired: &[Desired],
        now: Timestamp,
    ) -> Outcome {
        let before = self.recorded.iter().find(|p| p.post == *post && p.account == *account);
        let state = before.map(|p| p.state);
        if let Some(state @ (State::Publishing | State::Accepted)) = state {
            return Outcome::Waiting(format!("it is {state}: what becomes of it is found out first"));
        }
        let reason = resolution.reason();
        let settled = |settlement| Change::Settled { settlement, reason: reason.clone() };
        let change = match &resolution.decision {
            Decision::Published { .. } if state == Some(State::Published) => {
                return Outcome::Moot("it is published already".to_owned());
            }
            Decision::Published { remote } if matches!(state, Some(State::Unresolved | State::Held)) => {
                settled(Settlement::Published { remote: remote.clone() })
            }
            // Nothing is recorded that the address could settle, and still somebody says that it is live.
            Decision::Published { remote } | Decision::Adopt { remote } => {
                let wanted = desired.iter().find(|d| d.post == *post && d.account == *account);
                match adoption(wanted, remote, reason.clone(), &self.recorded) {
                    Ok(change) => change,
                    Err(why) => return Outcome::Wrong(why),
                }
            }
            Decision::NotPublished => settled(Settlement::NotPublished),
            Decision::Abandon => settled(Settlement::Abandoned),
            Decision::Retry => Change::Retried { reason },
            Decision::Forget => Change::Forgotten { forced: false, reason, again: false },
            Decision::Pause { .. } | Decision::Resume => return Outcome::Moot(String::new()),
        };
        match Publication::apply(before, (post, account), &change, now) {
            Ok(_) => {
                let (post, account) = (post.clone(), account.clone());
                Outcome::Event(Event::Publication { post, account, change })
            }
            Err(_) => Outcome::Moot(match state {
                Some(state) => format!("{post} on {account} is {state}"),
                None => format!("nothing is recorded of {post} on {account}"),
            }),
        }
    }
}

impl Resolution {
    fn reason(&self) -> Reason {
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        Reason::new(CODE, format!("{}: {}{why}", self.place(), says(&self.decision)))
    }
}

/// Binds what is desired to a live post.
///
/// # Errors
///
/// Why that cannot be, for people.
pub fn adoption(
    desired: Option<&Desired>,
    remote: &Remote,
    reason: Reason,
    recorded: &[Publication],
) -> Result<Change, String> {
    let desired = desired.ok_or("there is no valid manifest of this post for this account")?;
    if desired.state == DesiredState::Deleted {
        return Err("its manifest says `state: deleted`".to_owned());
    }
    let same = |mine: &Option<String>, other: &Option<String>| mine.is_some() && mine == other;
    let is_other = |p: &&Publication| {
        p.account == desired.account
            && p.post != desired.post
            && (same(&p.remote.id, &remote.id) || same(&p.remote.url, &remote.url))
    };
    if let Some(other) = recorded.iter().find(is_other) {
        return Err(format!("this live post belongs to {} already", other.post));
    }
    Ok(Change::Adopted {
        platform: desired.platform,
        digest: desired.digest,
        revision: desired.revision,
        path: desired.path.clone(),
        remote: remote.clone(),
        reason,
        payload: desired.payload.clone().map(Box::new),
    })
}

fn says(decision: &Decision) -> String {
    let address = |remote: &Remote| remote.url.clone().or_else(|| remote.id.clone()).unwrap_or_default();
    match decision {
        Decision::Published { remote } => format!("it is published at {}", address(remote)),
        Decision::NotPublished => "it is not published".to_owned(),
        Decision::Abandon => "it is abandoned".to_owned(),
        Decision::Retry => "try again".to_owned(),
        Decision::Adopt { remote } => format!("it is the live post {}", address(remote)),
        Decision::Forget => "what is recorded does not count".to_owned(),
        Decision::Pause { until: Some(until) } => format!("paused until {until}"),
        Decision::Pause { until: None } => "paused until resumed".to_owned(),
        Decision::Resume => "resumed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
