//! What all pages have in common: head, navigation, notes, foot.

use maud::{DOCTYPE, Markup, html};

use super::text::{plain, time, visible};
use super::{ICON, Page, SCRIPT, STYLE, Site, actions};

/// For pages that are files: no script runs in them, whatever they hold.
const POLICY: &str = "script-src 'none'; connect-src 'none'; frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'";

pub(super) fn document(site: &Site, page: &Page, main: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                @if !site.is_live { meta http-equiv="Content-Security-Policy" content=(POLICY); }
                title { (title(page)) " · " (plain(&site.name)) }
                link rel="icon" href=(ICON.0);
                link rel="stylesheet" href=(STYLE.0);
                @if site.is_live { script src=(SCRIPT.0) defer {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.brand { (visible(&site.name)) }
                    (navigation(site, page))
                }
                main id="main" tabindex="-1" {
                    @for note in &site.notes { p.note { (visible(note)) } }
                    (main)
                }
                footer {
                    p { "As of " (time(site.now, site)) }
                    (actions::reconcile(site))
                    @if site.is_live { p id="live" role="status" {} }
                }
            }
        }
    }
}

fn title(page: &Page) -> String {
    match page {
        Page::Index => "Calendar".to_owned(),
        Page::Month(first) => first.strftime("%B %Y").to_string(),
        Page::Week(monday) => format!("Week {}", monday.strftime("%V of %G")),
        Page::Board => "Board".to_owned(),
        Page::Post(id) => id.to_string(),
        Page::Accounts => "Accounts".to_owned(),
        Page::Log => "Log".to_owned(),
        Page::Problems => "Problems".to_owned(),
    }
}

fn navigation(site: &Site, page: &Page) -> Markup {
    let links = [
        (Page::Index, "Calendar"),
        (Page::Board, "Board"),
        (Page::Accounts, "Accounts"),
        (Page::Log, "Log"),
        (Page::Problems, "Problems"),
    ];
    let is_here = |link: &Page| match page {
        Page::Month(_) | Page::Week(_) => *link == Page::Index,
        page => page == link,
    };
    html! {
        nav aria-label="Pages" {
            @for (link, name) in links {
                a href=(link.name()) aria-current=[is_here(&link).then_some("page")] {
                    (name)
                    @if link == Page::Problems && !site.findings.is_empty() {
                        " " span.count.bad[site.errors() > 0] { (site.findings.len()) }
                    }
                }
            }
        }
    }
}

/// A page that says one thing, such as that there is none: a heading, a sentence, and where to go on by itself, if so.
pub fn notice(heading: &str, sentence: &str, goes_on_to: Option<&str>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(next) = goes_on_to { meta http-equiv="refresh" content={ "0; url=" (next) }; }
                title { (heading) }
                link rel="icon" href=(ICON.0);
                link rel="stylesheet" href=(STYLE.0);
            }
            body {
                main.notice {
                    h1 { (heading) }
                    p { (visible(sentence)) }
                    p { a href=(goes_on_to.unwrap_or("index.html")) { "Go on" } }
                }
            }
        }
    };
    page.into_string()
}
