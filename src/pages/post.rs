//! One post: on each account how it will look, where it is, why, what comes next, and how it came there.

use jiff::Timestamp;
use maud::{Markup, html};

use super::calendar::chip;
use super::preview::preview;
use super::text::{link, short, time, visible};
use super::{Item, Shown, Site, actions, log, problems};
use crate::domain::event::{Entry, Event};
use crate::domain::history::{Attempt, History, histories};
use crate::domain::ids::{AccountName, PostId};
use crate::domain::insight::Insight;
use crate::domain::plan::{Action, Planned};
use crate::domain::publication::{Change, Publication, State};
use crate::domain::telling;

/// Attempts shown on each account, the latest; and what is shown of each.
const ATTEMPTS_MAX: usize = 20;
const LINES_MAX: usize = 200;
const LINE_CHARS: usize = 500;

pub(super) fn post(site: &Site, id: &PostId, shown: &[Shown], entries: &[Entry]) -> Option<Markup> {
    let items = site.of_post(id);
    let first = items.first()?;
    let (histories, notes) = histories(entries);
    let findings: Vec<_> = site.findings.iter().filter(|f| f.diagnostic.path == first.change.path).collect();
    Some(html! {
        h1 { (id) }
        p.quiet { (visible(&first.change.path)) }
        @if !findings.is_empty() {
            section { h2.hidden { "Problems" } @for finding in findings { (problems::finding(finding)) } }
        }
        @for item in items {
            section.publication id={ "on-" (item.change.account) } {
                h2 { (item.change.account) " " span.quiet { (item.change.platform) } " " (chip(item)) }
                div.sides {
                    @if let Some(shown) = shown.iter().find(|shown| shown.account == item.change.account) {
                        (preview(shown, site.accounts.iter().find(|account| account.name == shown.account)))
                    }
                    div.facts {
                        (facts(site, item, entries))
                        @for history in histories.iter().filter(|history| *history.account == item.change.account) {
                            (told(site, history))
                        }
                    }
                }
            }
        }
        @if !notes.is_empty() {
            section {
                h2 { "Decisions" }
                (log::table(site, notes.into_iter().rev().take(LINES_MAX)))
            }
        }
    })
}

fn facts(site: &Site, item: &Item, entries: &[Entry]) -> Markup {
    let (change, recorded) = (&item.change, item.recorded.as_ref());
    html! {
        dl.facts {
            @let next = item.hindrance.clone().unwrap_or_else(|| telling::next(recorded, change, &site.zone));
            (fact("Next", html! { strong { (visible(&next)) } }))
            (fact("Why", why(change, recorded)))
            @if let Some(at) = item.at {
                (fact(if recorded.is_some_and(|p| p.intended_at.is_some()) { "Sent" } else { "Due" }, time(at, site)))
            }
            @if let Some(url) = recorded.and_then(|p| p.remote.url.as_deref()) { (fact("Link", link(url, url))) }
            @if let Some(id) = recorded.and_then(|p| p.remote.id.as_deref()) { (fact("Id there", visible(id))) }
            @if let Some((at, insight)) = insight(entries, &change.account) {
                (fact("Readers", html! { (telling::insight(insight)) " " span.quiet { "as of " (time(at, site)) } }))
            }
            @if let Some(what) = &change.what { (fact("What", visible(what))) }
            (fact("Content", html! { code title=(change.digest) { (change.digest.short()) } ", revision " (change.revision) }))
            @if let Some(attempts) = recorded.map(|p| p.attempts).filter(|n| *n > 0) { (fact("Attempts", html! { (attempts) })) }
        }
        (actions::of_item(site, item))
        @if change.action == Action::Hold || recorded.is_some_and(|p| p.state == State::Held) { (ways_out(change)) }
    }
}

/// What was last read of the live post, and when.
fn insight<'a>(entries: &'a [Entry], account: &AccountName) -> Option<(Timestamp, &'a Insight)> {
    let of_it = entries.iter().rev().filter_map(|entry| match &entry.event {
        Event::Insight { account: of, insight, .. } if of == account => Some(Some((entry.at, insight))),
        // Of the post that was there before.
        Event::Publication {
            account: of, change: Change::Started { .. } | Change::Forgotten { .. }, ..
        } if of == account => Some(None),
        _ => None,
    });
    of_it.map_while(|found| found).find(|(_, insight)| !insight.tells_nothing())
}

fn fact(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn why(change: &Planned, recorded: Option<&Publication>) -> Markup {
    let reason = recorded.and_then(|p| p.reason.as_ref()).filter(|reason| reason.message != change.message);
    // Times in messages are as the ledger writes them; the page has them beside it.
    let message = match (change.action, change.reason.as_str()) {
        (Action::Wait, "scheduled") => "its time has not come",
        _ => change.message.as_str(),
    };
    html! {
        (short(message, LINE_CHARS))
        @if message != change.reason { " " code { (visible(&change.reason)) } }
        @if let Some(reason) = reason { br; (short(&reason.message, LINE_CHARS)) " " code { (visible(&reason.code)) } }
    }
}

/// The commands that settle what nobody could find out.
fn ways_out(change: &Planned) -> Markup {
    let command = format!("gitcast resolve {} {}", change.post, change.account);
    html! {
        div.note {
            p { "A person decides. Look at the platform, then run one of these:" }
            ul {
                li { "It is there: " code { (command) " --published URL" } }
                li { "It is not there: " code { (command) " --not-published" } }
                li { "Leave it: " code { (command) " --abandon" } }
            }
        }
    }
}

fn told(site: &Site, history: &History) -> Markup {
    let earlier = history.attempts.len().saturating_sub(ATTEMPTS_MAX);
    html! {
        h3 { "How it came here" }
        @if earlier > 0 { p.quiet { (earlier) " earlier attempts are in the log." } }
        @for (n, attempt) in history.attempts.iter().enumerate().skip(earlier) {
            @let is_last = n + 1 == history.attempts.len();
            details.attempt id={ "attempt-" (history.account) "-" (attempt.number) } open[is_last] {
                summary { @if attempt.number == 0 { "Without an attempt" } @else { "Attempt " (attempt.number) } }
                (begun(attempt))
                ol.steps {
                    @for line in lines(site, attempt).into_iter().take(LINES_MAX) { (line) }
                }
            }
        }
    }
}

fn begun(attempt: &Attempt) -> Markup {
    let Some((entry, Change::Started { path, commit, .. })) = attempt.start() else { return html! {} };
    html! {
        p.quiet {
            (visible(&telling::manifest(path, commit.as_ref()))) br;
            @if let Some(commit) = commit { "“" (visible(&commit.subject)) "” by " (visible(&commit.author)) br; }
            "by " (visible(&entry.actor))
        }
    }
}

fn lines(site: &Site, attempt: &Attempt) -> Vec<Markup> {
    let begun_by = attempt.start().map(|(entry, _)| entry.actor.as_str());
    let mut lines = Vec::new();
    for steps in attempt.alike() {
        let times = |n: usize| if n > 1 { format!(", {n} times") } else { String::new() };
        let shown = if steps.len() == 1 { steps[0].requests.len() } else { 1 };
        let (first, last) = (steps.first(), steps.last());
        for (entry, request) in first.into_iter().flat_map(|step| &step.requests).take(shown) {
            lines.push(line(
                site,
                entry,
                &format!("{}{}", telling::request(request), times(steps.len())),
                "request",
            ));
        }
        if let Some((entry, change)) = last.and_then(|step| step.change) {
            let by = if begun_by == Some(entry.actor.as_str()) {
                String::new()
            } else {
                format!(" [{}]", entry.actor)
            };
            lines.push(line(
                site,
                entry,
                &format!("{}{}{by}", telling::step(change), times(steps.len())),
                "change",
            ));
        }
    }
    lines
}

fn line(site: &Site, entry: &Entry, what: &str, class: &str) -> Markup {
    html! { li.(class) { (moment(site, entry)) " " span { (short(what, LINE_CHARS)) } } }
}

/// To the second.
pub(super) fn moment(site: &Site, entry: &Entry) -> Markup {
    let at = entry.at.to_zoned(site.zone.clone());
    html! { time datetime=(entry.at) { (at.strftime("%Y-%m-%d %H:%M:%S")) } }
}
