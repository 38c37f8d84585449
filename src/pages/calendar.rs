//! The calendar: a month as a table of days, a week as a list of days.

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use maud::{Markup, html};

use super::text::{short, visible};
use super::{Item, Lane, Page, Site};
use crate::domain::ids::PostId;

/// What fits into a day of the month; the week shows more.
const DAY_MAX: usize = 6;
/// What a week shows of one day, and of what has no date.
const LIST_MAX: usize = 200;
const EXCERPT_CHARS: usize = 160;
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn first_of_month(day: Date) -> Date {
    day.first_of_month()
}

pub(super) fn monday(day: Date) -> Date {
    let back = i64::from(day.weekday().to_monday_zero_offset());
    day.checked_sub(back.days()).unwrap_or(day)
}

/// Of `2026-W48`.
pub(super) fn monday_of(week: &str) -> Option<Date> {
    let (year, week) = week.split_once("-W")?;
    ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok().map(|week| week.date())
}

/// What a page of the calendar shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    Month,
    Week,
}

impl Span {
    fn word(self) -> &'static str {
        match self {
            Span::Month => "Month",
            Span::Week => "Week",
        }
    }

    fn first_of(self, day: Date) -> Date {
        match self {
            Span::Month => first_of_month(day),
            Span::Week => monday(day),
        }
    }

    fn next(self, first: Date) -> Date {
        let next = match self {
            Span::Month => first.checked_add(1.month()),
            Span::Week => first.checked_add(1.week()),
        };
        next.unwrap_or(Date::MAX)
    }

    fn page(self, first: Date) -> Page {
        match self {
            Span::Month => Page::Month(first),
            Span::Week => Page::Week(first),
        }
    }

    fn shown(self, first: Date) -> String {
        let format = match self {
            Span::Month => "%B %Y",
            Span::Week => "week %V",
        };
        first.strftime(format).to_string()
    }

    /// Those that have pages.
    fn all(self, site: &Site) -> Vec<Date> {
        match self {
            Span::Month => site.spans(first_of_month),
            Span::Week => site.spans(monday),
        }
    }
}

/// A post on a day, with all of its accounts.
struct Group<'a> {
    post: &'a PostId,
    at: Option<Timestamp>,
    items: Vec<&'a Item>,
}

/// What is in `from..to`; without bounds, what has no date.
fn groups(site: &Site, days: Option<(Date, Date)>) -> Vec<Group<'_>> {
    let is_in = |item: &&Item| match (item.at, days) {
        (Some(at), Some((from, to))) => (from..to).contains(&site.day(at)),
        (None, None) => item.lane() != Lane::Over,
        _ => false,
    };
    let mut found: Vec<&Item> = site.items.iter().filter(is_in).collect();
    found.sort_by_key(|item| (item.at, &item.change.post, &item.change.account));
    let mut groups: Vec<Group> = Vec::new();
    for item in found {
        let day = |at: Option<Timestamp>| at.map(|at| site.day(at));
        let same = groups
            .iter_mut()
            .rev()
            .take_while(|group| day(group.at) == day(item.at))
            .find(|group| group.post == &item.change.post);
        match same {
            Some(group) => group.items.push(item),
            None => groups.push(Group { post: &item.change.post, at: item.at, items: vec![item] }),
        }
    }
    groups
}

pub(super) fn month(site: &Site, first: Date) -> Markup {
    let next = Span::Month.next(first);
    let paged = Span::Week.all(site);
    let groups = groups(site, Some((first, next)));
    let start = monday(first);
    let weeks: Vec<Date> =
        (0..6i64).filter_map(|n| start.checked_add(n.weeks()).ok()).filter(|monday| *monday < next).collect();
    html! {
        (heading(site, &Span::Month.shown(first), first, Span::Month))
        table.month {
            thead { tr { th.week scope="col" { span.hidden { "Week" } } @for day in WEEKDAYS { th scope="col" { abbr title=(day) { (&day[..3]) } } } } }
            tbody {
                @for monday in &weeks {
                    tr {
                        th.week scope="row" {
                            @let number = html! { span.hidden { "Week " } (monday.strftime("%V")) };
                            @if paged.contains(monday) { a href=(Page::Week(*monday).name()) { (number) } }
                            @else { (number) }
                        }
                        @for n in 0..7i64 {
                            @if let Ok(day) = monday.checked_add(n.days()) { (cell(site, day, first, &groups)) }
                        }
                    }
                }
            }
        }
        @if groups.is_empty() { p.empty { "Nothing in this month." } }
        (undated(site))
    }
}

fn cell(site: &Site, day: Date, first: Date, groups: &[Group]) -> Markup {
    if day.first_of_month() != first {
        return html! { td.other {} };
    }
    let here: Vec<&Group> =
        groups.iter().filter(|group| group.at.is_some_and(|at| site.day(at) == day)).collect();
    html! {
        td.today[day == site.today()].free[here.is_empty()] {
            p.day {
                time datetime=(day) aria-current=[(day == site.today()).then_some("date")] {
                    span.long { (day.strftime("%A ")) } (day.strftime("%-d")) span.long { (day.strftime(" %B")) }
                }
            }
            @if !here.is_empty() {
                ul.day {
                    @for group in here.iter().take(DAY_MAX) { li { (brief(site, group)) } }
                    @if here.len() > DAY_MAX {
                        li { a.more href=(Page::Week(monday(day)).name()) { (here.len() - DAY_MAX) " more" } }
                    }
                }
            }
        }
    }
}

/// Time, marks and name; the name leads to the post.
fn brief(site: &Site, group: &Group) -> Markup {
    html! {
        a.entry href=(Page::Post(group.post.clone()).name()) {
            @if let Some(at) = group.at { time datetime=(at) { (at.to_zoned(site.zone.clone()).strftime("%H:%M")) } " " }
            span.marks { @for item in &group.items { (mark(item)) } }
            " " span.name { (group.post) }
        }
    }
}

/// A dot in the colour of the state, and the state in words for those who cannot tell the colour.
pub(super) fn mark(item: &Item) -> Markup {
    let says = format!("{} on {}", item.word(), item.change.account);
    html! { span.mark.(item.lane().class()) title=(says) { span.hidden { (says) } } }
}

pub(super) fn chip(item: &Item) -> Markup {
    html! { span.chip.(item.lane().class()) { (item.word()) } }
}

pub(super) fn week(site: &Site, monday: Date) -> Markup {
    let next = Span::Week.next(monday);
    let groups = groups(site, Some((monday, next)));
    let title = format!("Week {}", monday.strftime("%V of %G"));
    html! {
        (heading(site, &title, monday, Span::Week))
        @for n in 0..7i64 {
            @if let Ok(day) = monday.checked_add(n.days()) {
                section.weekday.today[day == site.today()] {
                    h2 { time datetime=(day) { (day.strftime("%A, %-d %B")) } }
                    (list(site, groups.iter().filter(|group| group.at.is_some_and(|at| site.day(at) == day)).collect(), "Nothing."))
                }
            }
        }
        (undated(site))
    }
}

/// What has no date.
fn undated(site: &Site) -> Markup {
    let groups = groups(site, None);
    html! {
        @if !groups.is_empty() {
            section.undated {
                h2 { "As soon as it is applied" }
                (list(site, groups.iter().collect(), ""))
            }
        }
    }
}

fn list(site: &Site, groups: Vec<&Group>, empty: &str) -> Markup {
    html! {
        @if groups.is_empty() { p.quiet { (empty) } }
        @else {
            ul.list {
                @for group in groups.iter().take(LIST_MAX) {
                    li {
                        p { (brief(site, group)) }
                        @if let Some(text) = group.items.iter().find_map(|item| item.change.text.as_deref()) {
                            p.excerpt dir="auto" { (short(text, EXCERPT_CHARS)) }
                        }
                        p.quiet {
                            @for item in &group.items {
                                span.where { (item.change.account) " " (chip(item)) } " "
                            }
                            @if let Some(what) = group.items.iter().find_map(|item| item.change.what.as_deref()) { (visible(what)) }
                        }
                    }
                }
                @if groups.len() > LIST_MAX { li.quiet { "and " (groups.len() - LIST_MAX) " more" } }
            }
        }
    }
}

/// The title between the spans before and after in which something happens.
fn heading(site: &Site, title: &str, first: Date, span: Span) -> Markup {
    let spans = span.all(site);
    let before = spans.iter().rev().find(|day| **day < first).copied();
    let after = spans.iter().find(|day| **day > first).copied();
    let is_now = span.first_of(site.today()) == first;
    let other = |other: Span| match span == other {
        true => span.page(first),
        // Another span that something happens in, and that shares a day with this one; else the one of now.
        false => {
            let shares = |day: &Date| other.next(*day) > first && *day < span.next(first);
            let now = other.first_of(site.today());
            let shared = other.all(site).into_iter().filter(shares);
            let shared: Vec<Date> = shared.collect();
            let found = if is_now && shared.contains(&now) { Some(now) } else { shared.first().copied() };
            other.page(found.unwrap_or(now))
        }
    };
    html! {
        div.heading {
            h1 { (title) }
            nav aria-label="Calendar" {
                @if let Some(day) = before { a rel="prev" href=(span.page(day).name()) { "← " (span.shown(day)) } }
                @if !is_now { a href=(span.page(span.first_of(site.today())).name()) { "Today" } }
                @if let Some(day) = after { a rel="next" href=(span.page(day).name()) { (span.shown(day)) " →" } }
                span.switch {
                    @for one in [Span::Month, Span::Week] {
                        a href=(other(one).name()) aria-current=[(span == one).then_some("true")] { (one.word()) }
                    }
                }
            }
        }
    }
}
