//! The board: every publication in the column of where it is.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::calendar::chip;
use super::text::{short, time, visible};
use super::{Item, Lane, Page, Site};

/// What a column shows.
const LANE_MAX: usize = 50;
const WHY_CHARS: usize = 140;

pub(super) fn board(site: &Site) -> Markup {
    html! {
        h1 { "Board" }
        @let broken = broken(site);
        @if !broken.is_empty() {
            p.note {
                (broken.len()) @if broken.len() == 1 { " file" } @else { " files" }
                " with errors: what stands there is not published. " a href=(Page::Problems.name()) { "See the problems" }
            }
        }
        @if site.items.is_empty() && broken.is_empty() { p.empty { "There are no posts yet." } }
        div.board {
            @for lane in Lane::ALL {
                @let items = lane_of(site, lane);
                @if !items.is_empty() {
                    section.lane {
                        h2 { span.mark.(lane.class()) {} " " (lane.title()) " " span.count { (items.len()) } }
                        ul {
                            @for item in items.iter().take(LANE_MAX) { li { (card(site, item, lane)) } }
                        }
                        @if items.len() > LANE_MAX { p.quiet { "and " (items.len() - LANE_MAX) " more" } }
                    }
                }
            }
        }
    }
}

/// Files with errors.
fn broken(site: &Site) -> BTreeSet<&str> {
    let errors = site.findings.iter().map(|finding| &finding.diagnostic).filter(|found| found.is_error());
    errors.map(|found| found.path.as_str()).collect()
}

/// What is to come, soonest first; what is over, latest first.
fn lane_of(site: &Site, lane: Lane) -> Vec<&Item> {
    let mut items: Vec<&Item> = site.items.iter().filter(|item| item.lane() == lane).collect();
    let when = |item: &Item| item.at.or(item.recorded.as_ref().map(|p| p.updated_at));
    items.sort_by_key(|item| (when(item), &item.change.post, &item.change.account));
    if matches!(lane, Lane::Live | Lane::Over) {
        items.reverse();
    }
    items
}

fn card(site: &Site, item: &Item, lane: Lane) -> Markup {
    let change = &item.change;
    html! {
        a.title href=(Page::Post(change.post.clone()).name()) { (change.post) }
        p.quiet { (change.account) " (" (change.platform) ")" }
        p {
            (chip(item))
            @if let Some(at) = item.at { " " span.quiet { (time(at, site)) } }
        }
        @if lane == Lane::Attention || lane == Lane::Underway {
            p.why { (short(item.hindrance.as_ref().unwrap_or(&change.message), WHY_CHARS)) }
        } @else if let Some(what) = &change.what {
            p.quiet { (visible(what)) }
        }
    }
}
