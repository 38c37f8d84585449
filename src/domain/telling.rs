//! What is recorded and planned, in words for people: the same on a terminal and on a page. Whoever shows them makes them
//! harmless there, as they quote what others wrote.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::commit::{Commit, Standing};
use super::event::{Event, GrantChange, Request};
use super::insight::Insight;
use super::media::{Medium, Probe};
use super::payload::Estimate;
use super::plan::{Action, Planned};
use super::publication::{Change, Publication, State};

/// An instant in the project's zone, to the minute.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// Bytes for people, decimal as platforms and disks count.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut divisor = 1u64;
    while count / divisor >= 1000 && unit + 1 < UNITS.len() {
        divisor *= 1000;
        unit += 1;
    }
    if unit == 0 {
        return format!("{count} B");
    }
    let tenths = count.saturating_mul(10) / divisor;
    if tenths >= 100 || tenths.is_multiple_of(10) {
        format!("{} {}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

/// What a medium is: `MP4, 720 × 1280, 3.0 s, 118 kB`. Of one that is only an address, nothing is known.
pub fn facts(medium: &Medium) -> String {
    let Medium::File { size, probe, .. } = medium else { return String::new() };
    let mut facts = match probe {
        Probe::Image(image) => {
            let (width, height) = image.displayed_size();
            vec![image.format.to_string(), format!("{width} × {height}")]
        }
        Probe::Video(video) => {
            let mut facts = vec![video.container.to_string(), format!("{} × {}", video.width, video.height)];
            facts.extend(video.duration_ms.map(|ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)));
            facts
        }
        Probe::Unknown { .. } => Vec::new(),
    };
    facts.push(bytes(*size));
    facts.join(", ")
}

/// What publishing will cost: bytes, how they are cut, requests.
pub fn cost(estimate: &Estimate) -> Vec<String> {
    let mut cost = Vec::new();
    if estimate.bytes > 0 {
        cost.push(bytes(estimate.bytes));
    }
    let chunks = estimate.chunks.filter(|chunks| chunks.count > 1);
    cost.extend(
        chunks.map(|c| format!("{} chunks of {}, the last {}", c.count, bytes(c.size), bytes(c.last))),
    );
    let s = if estimate.requests == 1 { "" } else { "s" };
    cost.push(format!("{} request{s}", estimate.requests));
    cost
}

/// What an event is about, and what happened.
pub fn event(event: &Event, zone: &TimeZone) -> (String, String) {
    match event {
        Event::Created { lineage } => ("ledger".to_owned(), format!("created, lineage {lineage}")),
        Event::Publication { post, account, change } => (format!("{post} → {account}"), self::change(change)),
        Event::Grant { account, change } => (account.to_string(), grant(change, zone)),
        Event::Recipients(list) => {
            let names: Vec<_> = list.recipients.iter().map(|r| r.name.as_str()).collect();
            let what = format!("with data key {} they open for {}", list.epoch, names.join(", "));
            ("logins".to_owned(), what)
        }
        Event::Paused { scope, why, until } => {
            let until = until.map_or("until resumed".to_owned(), |at| format!("until {}", time(at, zone)));
            (scope.to_string(), because(format!("paused {until}"), why))
        }
        Event::Resumed { scope, why } => (scope.to_string(), because("resumed".to_owned(), why)),
        Event::Decided { post, place, moot, .. } => {
            let subject = post.as_ref().map_or("decision".to_owned(), ToString::to_string);
            let how =
                moot.as_ref().map_or("was carried out".to_owned(), |why| format!("came to nothing: {why}"));
            (subject, format!("the decision at {place} {how}"))
        }
        Event::Request { account, post, request } => {
            let subject = post.as_ref().map_or(account.to_string(), |post| format!("{post} → {account}"));
            (subject, self::request(request))
        }
        Event::Insight { post, account, insight } => (format!("{post} → {account}"), self::insight(insight)),
    }
}

fn because(what: String, why: &str) -> String {
    if why.is_empty() { what } else { format!("{what}: {why}") }
}

/// What readers have done with a post.
pub fn insight(insight: &Insight) -> String {
    let counts = insight.counts().into_iter().filter_map(|(name, count)| Some(format!("{} {name}", count?)));
    let told: Vec<_> = counts.collect();
    if told.is_empty() { "looked at, no counts".to_owned() } else { told.join(", ") }
}

/// What happened to a publication.
pub fn change(change: &Change) -> String {
    match change {
        Change::Started { digest, revision, path, payload, .. } => {
            format!("started from {path}, revision {revision}, {} ({})", digest.short(), payload.what)
        }
        Change::EditStarted { digest, path, payload, .. } => {
            format!("editing, from {path}, {} ({})", digest.short(), payload.what)
        }
        Change::DeleteStarted { path, .. } => format!("deleting, as {path} says"),
        Change::Published { remote, .. }
        | Change::Looked { remote, .. }
        | Change::Advanced { remote, .. }
        | Change::Edited { remote, .. } => {
            let url = remote.url.as_deref().or(remote.id.as_deref()).unwrap_or("without a public link");
            format!("{} {url}", change.name())
        }
        Change::Adopted { remote, reason, .. } => {
            let live = remote.url.as_deref().or(remote.id.as_deref()).unwrap_or("a live post");
            format!("adopted {live}: {} ({})", reason.message, reason.code)
        }
        Change::Refused { reason }
        | Change::Unanswered { reason, .. }
        | Change::Absent { reason, .. }
        | Change::Held { reason }
        | Change::TurnedDown { reason }
        | Change::Noticed { reason }
        | Change::Delayed { reason, .. }
        | Change::Superseded { reason }
        | Change::Retried { reason }
        | Change::Forgotten { reason, .. }
        | Change::Settled { reason, .. } => {
            format!("{}: {} ({})", change.name(), reason.message, reason.code)
        }
        Change::Stepped { .. }
        | Change::Staged { .. }
        | Change::Intended { .. }
        | Change::Accepted { .. }
        | Change::Deleted
        | Change::Delivered { .. } => change.name().to_owned(),
    }
}

fn grant(change: &GrantChange, zone: &TimeZone) -> String {
    match change {
        GrantChange::Stored { generation, how, expires_at, .. } => {
            format!(
                "login stored by {how}, generation {generation}, access until {}",
                time(*expires_at, zone)
            )
        }
        GrantChange::Resealed { generation, .. } => format!("login sealed anew, generation {generation}"),
        GrantChange::Presented { generation } => format!("refreshing the login, generation {generation}"),
        GrantChange::Refused { generation, reason } => {
            format!("login refused, generation {generation}: {reason}")
        }
        GrantChange::LoggedOut { generation, at_platform: true } => {
            format!("logged out, generation {generation}")
        }
        GrantChange::LoggedOut { generation, at_platform: false } => {
            format!("login forgotten here only, generation {generation}")
        }
    }
}

/// One request and its answer.
pub fn request(request: &Request) -> String {
    let log_id = request.log_id.as_deref().map(|id| format!(" (log id {id})")).unwrap_or_default();
    format!("{} → {}, {} ms{log_id}", request.operation, answer(request), request.millis)
}

/// How it was answered.
pub fn answer(request: &Request) -> String {
    let status = request.status.map_or("no answer".to_owned(), |status| status.to_string());
    request.code.as_deref().map_or(status.clone(), |code| format!("{status} {code}"))
}

/// The same as a step of an attempt, whose beginning tells the rest.
pub fn step(change: &Change) -> String {
    match change {
        Change::Started { payload, .. } => format!("started: {}", payload.what),
        Change::Stepped { .. } => "stepped".to_owned(),
        Change::Staged { .. } => "staged: all is in place".to_owned(),
        Change::Intended { .. } => {
            "intended: the next request may make it public, and is sent once".to_owned()
        }
        Change::Advanced { .. } => "advanced: one part is live, the next one follows".to_owned(),
        Change::Accepted { .. } => "accepted: the platform works on it".to_owned(),
        Change::Delivered { .. } => "delivered to the creator's inbox".to_owned(),
        other => self::change(other),
    }
}

/// A manifest and how it stood to its commit.
pub fn manifest(path: &str, commit: Option<&Commit>) -> String {
    let Some(commit) = commit else { return path.to_owned() };
    match commit.manifest {
        Standing::Committed => format!("{path}, as committed in {}", commit.id),
        Standing::Changed => format!("{path}, changed since {}", commit.id),
        Standing::Untracked => format!("{path}, not in {}", commit.id),
    }
}

/// What gitcast does about it next, and when.
pub fn next(publication: Option<&Publication>, change: &Planned, zone: &TimeZone) -> String {
    let Some(p) = publication else { return upcoming(change, zone) };
    let at = p.next_at.map_or("in the next run".to_owned(), |at| format!("at {}", time(at, zone)));
    match p.state {
        _ if change.action.acts() && change.action != Action::Continue => upcoming(change, zone),
        _ if matches!(change.action, Action::Wait | Action::Refuse) => upcoming(change, zone),
        State::Planned => "nothing: its manifest does not want it any more".to_owned(),
        State::Staging | State::Staged => format!("it goes on {at}"),
        State::Partial if change.action == Action::Continue => format!("its next part is published {at}"),
        State::Partial => "nothing: the rest of it waits for its manifest".to_owned(),
        State::Editing => format!("its edit goes on {at}"),
        State::Deleting => format!("its deletion goes on {at}"),
        State::Published if change.action == Action::Failed => {
            "nothing, until its manifest changes or `gitcast retry` is run".to_owned()
        }
        State::Publishing | State::Unresolved => format!("the platform is asked what became of it {at}"),
        State::Accepted => format!("the platform is asked whether it is done {at}"),
        State::Published if p.next_at.is_some() => {
            format!("nothing; it may be in moderation: its public link is looked for {at}")
        }
        State::Delivered if p.next_at.is_some() => {
            format!("its owner finishes it in the app; whether it was published is looked for {at}")
        }
        State::Published | State::Delivered | State::Deleted => "nothing".to_owned(),
        State::Failed => "nothing, until its manifest changes or `gitcast retry` is run".to_owned(),
        State::Held => "a person decides:".to_owned(),
    }
}

fn upcoming(change: &Planned, zone: &TimeZone) -> String {
    match (change.action, change.next_at) {
        (Action::Edit, _) => "it is edited in the next run".to_owned(),
        (Action::Delete, _) => "it is deleted in the next run".to_owned(),
        (Action::Wait, Some(at)) => {
            format!("it is published by the first run from {} on", time(at, zone))
        }
        (action, _) if action.acts() => "it is published in the next run".to_owned(),
        (Action::Refuse, _) => "nothing, until the gate is opened".to_owned(),
        _ => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_people_write_them() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (1_500, "1.5 kB"),
            (158_008_374, "158 MB"),
            (4_294_967_296, "4.2 GB"),
            (u64::MAX, "1844674 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
