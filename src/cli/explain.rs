//! A post's history for people and for scripts: from the commit, through requests and answers, to what is live.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::log;
use super::text;
use super::ui::Palette;
use crate::domain::event::Entry;
use crate::domain::history::{Attempt, History, Step, histories};
use crate::domain::publication::{Change, Remote};
use crate::domain::telling;

/// What is known of a post, as text. At most `attempts_max` attempts on each account, the latest.
pub(super) fn describe(entries: &[Entry], attempts_max: usize, palette: Palette, zone: &TimeZone) -> String {
    let (histories, notes) = histories(entries);
    let mut out: String = notes.iter().map(|entry| log::line(entry, palette, zone)).collect();
    for history in &histories {
        let place = format!("{} → {}", history.post, history.account);
        out += &format!("{}\n", palette.strong(&place));
        for attempt in latest(history, attempts_max) {
            out += &Teller { palette, zone }.attempt(attempt);
        }
    }
    out
}

fn latest<'h, 'a>(history: &'h History<'a>, attempts_max: usize) -> &'h [Attempt<'a>] {
    &history.attempts[history.attempts.len().saturating_sub(attempts_max)..]
}

struct Teller<'a> {
    palette: Palette,
    zone: &'a TimeZone,
}

impl Teller<'_> {
    fn attempt(&self, attempt: &Attempt) -> String {
        let mut out = String::new();
        let begun_by = attempt.start().map(|(entry, _)| entry.actor.as_str());
        if let Some((entry, Change::Started { path, commit, revision, digest, .. })) = attempt.start() {
            out +=
                &format!("  attempt {}, revision {revision}, content {}\n", attempt.number, digest.short());
            out += &fact("manifest", &telling::manifest(path, commit.as_ref()));
            if let Some(commit) = commit {
                out += &fact("commit", &format!("{} by {}", quoted(&commit.subject), commit.author));
            }
            out += &fact("by", &entry.actor);
        } else {
            out += "  without an attempt\n";
        }
        for steps in attempt.alike() {
            out += &self.steps(steps, begun_by);
        }
        if let Some(live) = attempt.remote().and_then(shown) {
            out += &fact("live", live);
        }
        out
    }

    /// Steps that differ in nothing but their time, such as the chunks of an upload, are told as one, at its last one's.
    fn steps(&self, steps: &[Step], begun_by: Option<&str>) -> String {
        let Some(first) = steps.first() else { return String::new() };
        let requests = match steps.len() {
            1 => first
                .requests
                .iter()
                .map(|(entry, request)| self.line(entry, &telling::request(request)))
                .collect(),
            _ => self.many(steps),
        };
        let Some((entry, change)) = steps.last().and_then(|step| step.change) else { return requests };
        let times = if steps.len() > 1 { format!(", {} times", steps.len()) } else { String::new() };
        let actor = Some(entry.actor.as_str()).filter(|actor| Some(*actor) != begun_by);
        let actor = actor.map(|actor| format!(" [{actor}]")).unwrap_or_default();
        requests + &self.line(entry, &format!("{}{times}{actor}", telling::step(change)))
    }

    fn many(&self, steps: &[Step]) -> String {
        let requests: Vec<_> = steps.iter().flat_map(|step| &step.requests).collect();
        let (Some((_, first)), Some((entry, last))) = (requests.first(), requests.last()) else {
            return String::new();
        };
        let millis = requests.iter().fold(0u64, |sum, (_, r)| sum.saturating_add(r.millis));
        let ids = [first, last].map(|r| r.log_id.as_deref());
        let ids = match ids {
            [Some(first), Some(last)] => format!(" (log ids {first} to {last})"),
            _ => String::new(),
        };
        let what = format!(
            "{} → {}, {} times, {millis} ms{ids}",
            first.operation,
            telling::answer(first),
            requests.len()
        );
        self.line(entry, &what)
    }

    fn line(&self, entry: &Entry, what: &str) -> String {
        let at = format!("{:>9} {}", entry.seq, moment(entry.at, self.zone));
        format!("{}  {}\n", self.palette.faint(&at), text::one_line(what, 500))
    }
}

fn fact(label: &str, value: &str) -> String {
    format!("    {label:<9} {}\n", text::one_line(value, 500))
}

fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn quoted(subject: &str) -> String {
    format!("\"{subject}\"")
}

fn shown(remote: &Remote) -> Option<&str> {
    remote.url.as_deref().or(remote.id.as_deref())
}

/// What is known of a post, as scripts see it.
pub(super) fn document(entries: &[Entry], attempts_max: usize) -> Vec<Value> {
    let (histories, _) = histories(entries);
    let of = |history: &History| {
        let attempts: Vec<_> = latest(history, attempts_max).iter().map(attempt).collect();
        json!({ "post": history.post, "account": history.account, "attempts": attempts })
    };
    histories.iter().map(of).collect()
}

fn attempt(attempt: &Attempt) -> Value {
    let intended =
        |(entry, change): (&Entry, &Change)| matches!(change, Change::Intended { .. }).then_some(entry.at);
    let intended_at = attempt.steps.iter().rev().find_map(|step| step.change.and_then(intended));
    let mut document = json!({
        "number": attempt.number,
        "intended_at": intended_at,
        "remote_id": attempt.remote().and_then(|remote| remote.id.as_deref()),
        "remote_url": attempt.remote().and_then(|remote| remote.url.as_deref()),
        "steps": attempt.steps.iter().map(step).collect::<Vec<_>>(),
    });
    if let Some((entry, Change::Started { path, commit, revision, digest, .. })) = attempt.start() {
        document["path"] = json!(path);
        document["commit"] = json!(commit);
        document["revision"] = json!(revision);
        document["digest"] = json!(digest);
        document["actor"] = json!(entry.actor);
        document["started_at"] = json!(entry.at);
    }
    document
}

fn step(step: &Step) -> Value {
    let requests: Vec<_> = step.requests.iter().map(|(_, request)| request).collect();
    let (entry, change) = step.change.unzip();
    json!({
        "seq": entry.map(|entry| entry.seq),
        "at": entry.map(|entry| entry.at),
        "actor": entry.map(|entry| &entry.actor),
        "change": change.map(Change::name),
        "requests": requests,
    })
}
