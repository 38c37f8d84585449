//! The log: the latest that happened, newest first.

use maud::{Markup, html};

use super::post::moment;
use super::text::{short, visible};
use super::{Page, Site};
use crate::domain::event::{Entry, Event};
use crate::domain::ids::PostId;
use crate::domain::pause::Scope;
use crate::domain::telling;

const WHAT_CHARS: usize = 500;

pub(super) fn log(site: &Site) -> Markup {
    html! {
        h1 { "Log" }
        @if site.log.is_empty() { p.empty { "Nothing has been recorded yet." } }
        @else { p.quiet { "The latest " (site.log.len()) " entries, newest first." } (table(site, site.log.iter().rev())) }
    }
}

pub(super) fn table<'a>(site: &Site, entries: impl Iterator<Item = &'a Entry>) -> Markup {
    html! {
        table.log {
            thead { tr { th scope="col" { "When" } th scope="col" { "What about" } th scope="col" { "What happened" } th scope="col" { "Who" } } }
            tbody { @for entry in entries { (row(site, entry)) } }
        }
    }
}

fn row(site: &Site, entry: &Entry) -> Markup {
    let (subject, what) = telling::event(&entry.event, &site.zone);
    let known = post_of(&entry.event).filter(|id| !site.of_post(id).is_empty());
    html! {
        tr.request[entry.event.is_detail()] {
            td { (moment(site, entry)) }
            td {
                @match known {
                    Some(id) => a href=(Page::Post(id.clone()).name()) { (visible(&subject)) },
                    None => (visible(&subject)),
                }
            }
            td { (short(&what, WHAT_CHARS)) }
            td.quiet { (short(&entry.actor, WHAT_CHARS)) }
        }
    }
}

fn post_of(event: &Event) -> Option<&PostId> {
    match event {
        Event::Publication { post, .. } | Event::Insight { post, .. } => Some(post),
        Event::Request { post, .. } | Event::Decided { post, .. } => post.as_ref(),
        Event::Paused { scope, .. } | Event::Resumed { scope, .. } => match scope {
            Scope::Publication { post, .. } | Scope::Post { post } => Some(post),
            Scope::Account { .. } | Scope::Platform { .. } => None,
        },
        Event::Created { .. } | Event::Grant { .. } | Event::Recipients(_) => None,
    }
}
