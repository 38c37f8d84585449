//! Accounts: how their logins stand, what of their caps is used, what goes there.

use maud::{Markup, html};

use super::text::{time, visible};
use super::{Account, Lane, Login, Site, actions};
use crate::domain::project::Mode;

pub(super) fn accounts(site: &Site) -> Markup {
    html! {
        h1 { "Accounts" }
        @if site.accounts.is_empty() { p.empty { "There are no accounts yet." } }
        div.accounts {
            @for account in &site.accounts { section.account { (one(site, account)) } }
        }
    }
}

fn one(site: &Site, account: &Account) -> Markup {
    let count = |lane: Lane| {
        site.items.iter().filter(|i| i.change.account == account.name && i.lane() == lane).count()
    };
    let lanes: Vec<(Lane, usize)> =
        Lane::ALL.map(|lane| (lane, count(lane))).into_iter().filter(|(_, n)| *n > 0).collect();
    let mode = account.mode.map(|mode| match mode {
        Mode::Draft => "put into the creator's inbox",
        Mode::Direct => "published by gitcast",
    });
    html! {
        h2 { (account.name) " " span.quiet { (account.platform) } }
        dl.facts {
            @if let Some(handle) = &account.handle { div { dt { "Name there" } dd { "@" (visible(handle)) } } }
            @if let Some(mode) = mode { div { dt { "Posts are" } dd { (mode) } } }
            div { dt { "Login" } dd { (login(site, account)) } }
            @if let Some(why) = &account.pause { div { dt { "Paused" } dd.bad { (visible(why)) } } }
            @for (name, used, max) in &account.caps {
                div {
                    dt { (name.replace('-', " ")) }
                    dd { (used) " of " (max) " " meter min="0" max=(max) value=(used) aria-label=(name) {} }
                }
            }
            @if let Some(day) = account.read_on { div { dt { "Facts read on" } dd { time datetime=(day) { (day) } } } }
        }
        (actions::of(site, account))
        @if !lanes.is_empty() {
            ul.counts { @for (lane, n) in lanes { li { span.mark.(lane.class()) {} " " (n) " " (lane.title().to_lowercase()) } } }
        }
    }
}

fn login(site: &Site, account: &Account) -> Markup {
    let command = html! { code { "gitcast auth login " (account.name) } };
    match &account.login {
        Login::Unknown => html! { span.quiet { "not known here" } },
        Login::Missing => html! { span.bad { "not logged in: " } (command) },
        Login::Needed(reason) => html! { span.bad { (visible(reason)) "; log in again: " } (command) },
        Login::Good { until, ends_soon, renewal_at } => html! {
            @match until {
                Some(until) => span.bad[*ends_soon] { "good until " (time(*until, site)) },
                None => "good",
            }
            @if *ends_soon { "; log in before that: " (command) }
            br; span.quiet { "renewed from " (time(*renewal_at, site)) " on" }
        },
    }
}
