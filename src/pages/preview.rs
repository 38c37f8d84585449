//! A post as its platform would show it, as near as plain HTML comes.

use maud::{Markup, html};

use super::media::{Picture, Source, facts, picture};
use super::text::{link, plain, visible};
use super::{Account, Shown};
use crate::domain::media::Medium;
use crate::domain::preview::{Card, Preview, Run, Shape};
use crate::domain::url;

pub(super) fn preview(shown: &Shown, account: Option<&Account>) -> Markup {
    let author = account.and_then(|a| a.handle.as_deref()).unwrap_or(shown.account.as_str());
    html! {
        figure.preview aria-label={ "Preview of the post on " (shown.account) } {
            @match shown.preview.shape {
                Shape::Portrait => (portrait(shown, author)),
                Shape::Feed => (feed(shown, author)),
            }
            (beside(&shown.preview, &shown.media))
        }
    }
}

/// What is told to those who cannot see a medium: the author's words, else which one it is.
fn alt(preview: &Preview, n: usize, medium: &Medium) -> String {
    let written = preview.alts.get(n).filter(|alt| !alt.is_empty());
    let kind = if matches!(Picture::of(medium), Some((Picture::Video, ..))) { "Video" } else { "Picture" };
    written.cloned().unwrap_or_else(|| format!("{kind} {}", n + 1))
}

/// One tall picture, or several beside each other, the caption over its foot.
fn portrait(shown: &Shown, author: &str) -> Markup {
    let preview = &shown.preview;
    html! {
        div.portrait {
            div.strip tabindex="0" role="group" aria-label="Media" {
                @for (n, (medium, source)) in shown.media.iter().enumerate() {
                    div.slide {
                        (picture(medium, source, &alt(preview, n, medium)))
                        @if shown.media.len() > 1 { span.number { (n + 1) " / " (shown.media.len()) } }
                    }
                }
            }
            div.caption tabindex="0" role="group" aria-label="Caption" {
                p.author { "@" (visible(author)) }
                @if let Some(title) = &preview.title { p.heading-text dir="auto" { (visible(title)) } }
                @for part in &preview.parts { p.text dir="auto" { (runs(part)) } }
                (badges(&preview.badges))
            }
        }
    }
}

/// Text, then pictures; further posts of a thread below.
fn feed(shown: &Shown, author: &str) -> Markup {
    let preview = &shown.preview;
    let count = preview.parts.len().max(1);
    let initial: String = author.chars().take(1).flat_map(char::to_uppercase).collect();
    html! {
        ol.feed.thread[count > 1] {
            @for n in 0..count {
                li.post-card {
                    div.byline {
                        span.avatar aria-hidden="true" { (plain(&initial)) }
                        p.author { "@" (visible(author)) @if count > 1 { " " span.quiet { (n + 1) "/" (count) } } }
                        @if n == 0 { (badges(&preview.badges)) }
                    }
                    @if let Some(warning) = &preview.warning { p.warning { "Content warning: " (visible(warning)) } }
                    @if let Some(title) = preview.title.as_ref().filter(|_| n == 0) { p.heading-text dir="auto" { (visible(title)) } }
                    @if let Some(part) = preview.parts.get(n) { p.text dir="auto" { (runs(part)) } }
                    @if n == 0 {
                        @match &preview.card {
                            Some(own) => (card(own, shown)),
                            None => (grid(shown)),
                        }
                        @if !preview.poll.is_empty() {
                            ul.poll { @for answer in &preview.poll { li dir="auto" { (visible(answer)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn grid(shown: &Shown) -> Markup {
    let class = match shown.media.len() {
        1 => "one",
        2 => "two",
        3 => "three",
        _ => "four",
    };
    html! {
        @if !shown.media.is_empty() {
            div.grid.(class) {
                @for (n, (medium, source)) in shown.media.iter().enumerate() {
                    div.cell {
                        (picture(medium, source, &alt(&shown.preview, n, medium)))
                        @if shown.preview.alts.get(n).is_some_and(|alt| !alt.is_empty()) { span.alt aria-hidden="true" { "ALT" } }
                    }
                }
            }
        }
    }
}

fn card(card: &Card, shown: &Shown) -> Markup {
    let site = url::site(&card.url).unwrap_or_default();
    let host = site.split("://").nth(1).unwrap_or_default().trim_end_matches('/');
    html! {
        div.link-card {
            @if let Some((medium, source)) = shown.media.first().filter(|_| card.has_picture) { (picture(medium, source, "")) }
            p.heading-text dir="auto" { (link(&card.url, &card.title)) }
            @if !card.description.is_empty() { p dir="auto" { (visible(&card.description)) } }
            p.quiet { (visible(host)) }
        }
    }
}

fn badges(badges: &[String]) -> Markup {
    html! {
        @if !badges.is_empty() {
            ul.badges { @for badge in badges { li { (visible(badge)) } } }
        }
    }
}

fn runs(runs: &[Run]) -> Markup {
    html! {
        @for run in runs {
            @match run {
                Run::Plain(text) => (visible(text)),
                Run::Name(name) => span.mention { (visible(name)) },
                Run::Link(shown, address) => (link(address, shown)),
            }
        }
    }
}

/// What readers do not see at a glance: alternative texts, files, and the rest.
fn beside(preview: &Preview, media: &[(Medium, Source)]) -> Markup {
    html! {
        figcaption {
            @if !media.is_empty() {
                ol.media {
                    @for (n, (medium, _)) in media.iter().enumerate() {
                        li {
                            (facts(medium))
                            @if let Some(alt) = preview.alts.get(n) {
                                @if alt.is_empty() { p.missing { "without an alternative text" } }
                                @else { p dir="auto" { "“" (visible(alt)) "”" } }
                            }
                        }
                    }
                }
            }
            @if !preview.notes.is_empty() {
                dl { @for note in &preview.notes { div { dt { (note.name) } dd dir="auto" { (link(&note.text, &note.text)) } } } }
            }
        }
    }
}
