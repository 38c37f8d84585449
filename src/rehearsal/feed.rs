//! The feed: what was published, for a person to look at. Plain HTML and CSS; nothing is loaded from elsewhere.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::http::{self, Reply, not_found};
use super::publication::{self, PerformedPublication};
use super::{Server, bluesky, files, mastodon};

pub(super) const STYLE: &str = include_str!("feed.css");
/// The newest ones; a page with more is no use to anybody.
const SHOWN_MAX: usize = 100;

/// `/`, `/@username`, or one post at `/@username/video/ID`; on Mastodon `/@username/ID`; on Bluesky `/profile/WHO` and `/profile/WHO/post/KEY`.
pub(super) fn page(server: &Server, path: &str) -> Reply {
    let mut parts = path.trim_matches('/').splitn(3, '/');
    let username = parts.next().and_then(|part| part.strip_prefix('@'));
    // On Mastodon nothing stands between the name and the id.
    let id = parts.last().filter(|_| username.is_some());
    let mut shown = publication::performed(server);
    let (sky, key) = sky_path(path);
    shown.retain(|post| sky.is_none_or(|who| post.platform == "bluesky" && is_by(post, who)));
    shown.retain(|post| key.is_none_or(|key| post.publish_id.rsplit('/').next() == Some(key)));
    shown.retain(|post| username.is_none_or(|name| name == post.username));
    shown.retain(|post| id.is_none_or(|id| post.post_ids.iter().any(|known| known.to_string() == id)));
    if shown.is_empty() && (username.is_some() || sky.is_some()) {
        return not_found();
    }
    let total = shown.len();
    shown.reverse();
    shown.truncate(SHOWN_MAX);
    http::page(StatusCode::OK, "'none'", |nonce| render(&shown, total, nonce).into_string())
}

/// Of `/profile/WHO/post/KEY`, the two names.
fn sky_path(path: &str) -> (Option<&str>, Option<&str>) {
    let mut parts = path.strip_prefix("/profile/").unwrap_or_default().split('/');
    let who = parts.next().filter(|who| !who.is_empty());
    (who, parts.nth(1).filter(|key| !key.is_empty()))
}

/// Whether `who` is the author's handle or DID.
fn is_by(post: &PerformedPublication, who: &str) -> bool {
    post.username == who
        || post.publish_id.strip_prefix("at://").is_some_and(|uri| uri.split('/').next() == Some(who))
}

/// A medium by publication number and index: no path from outside touches the disk.
pub(super) async fn media(server: &Server, headers: &HeaderMap, path: &str) -> Reply {
    if let Some(cid) = path.strip_prefix("bluesky/") {
        return bluesky::serve_blob(server, headers, cid).await;
    }
    if let Some(id) = path.strip_prefix("mastodon/") {
        return mastodon::serve_media(server, headers, id).await;
    }
    let found = path.split_once('/').and_then(|(number, index)| {
        let index: usize = index.parse().ok()?;
        let number: u64 = number.parse().ok()?;
        let model = server.model();
        let publication = model.publications().iter().find(|publication| publication.number == number)?;
        publication.media.get(index).cloned()
    });
    match found {
        Some(media) => {
            files::serve(&server.store.media_path(&media.file), &media.content_type, headers).await
        }
        None => not_found(),
    }
}

fn render(shown: &[PerformedPublication], total: usize, nonce: &str) -> Markup {
    let with =
        |statuses: &[&str]| shown.iter().filter(|post| statuses.contains(&post.status)).collect::<Vec<_>>();
    let posts = with(&["PUBLISH_COMPLETE"]);
    let drafts = with(&["SEND_TO_USER_INBOX"]);
    let working = with(&["PROCESSING_UPLOAD", "PROCESSING_DOWNLOAD"]);
    let failed = with(&["FAILED"]);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Rehearsal feed" }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Rehearsal" }
                    p.quiet { (summary(posts.len(), drafts.len(), failed.len())) }
                }
                main {
                    @if shown.is_empty() {
                        p.empty { "Nothing has been published yet." }
                    }
                    (section("Being processed", &working))
                    (section("Published", &posts))
                    (section("Drafts in the inbox", &drafts))
                    (section("Scheduled", &with(&["SCHEDULED"])))
                    (section("Failed", &failed))
                    (section("Deleted", &with(&["DELETED"])))
                    @if total > shown.len() {
                        p.quiet { "The newest " (shown.len()) " of " (total) "." }
                    }
                }
            }
        }
    }
}

fn summary(posts: usize, drafts: usize, failed: usize) -> String {
    let mut parts = vec![format!("{posts} published"), format!("{drafts} in the inbox")];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    parts.join(" · ")
}

fn section(title: &str, posts: &[&PerformedPublication]) -> Markup {
    html! {
        @if !posts.is_empty() {
            section {
                h2 { (title) }
                @for post in posts { (card(post)) }
            }
        }
    }
}

fn card(post: &PerformedPublication) -> Markup {
    html! {
        article id={ "post-" (post.platform) "-" (post.number) } {
            div.byline {
                span.avatar aria-hidden="true" { (post.username.chars().next().unwrap_or('?').to_uppercase()) }
                div {
                    a.account href=(profile(post)) { "@" (post.username) }
                    div.quiet { (time(post.published_at.unwrap_or(post.created_at))) (edits(post)) }
                }
                (badge(post))
            }
            (pictures(post))
            @if !post.title.is_empty() { p.caption { (post.title) } }
            @if !post.description.is_empty() { p.caption { (post.description) } }
            @if let Some(reason) = &post.fail_reason { p.reason { (reason) } }
            @if let Some(link) = permalink(post) { p { a.quiet href=(link) { "Open this post" } } }
        }
    }
}

fn badge(post: &PerformedPublication) -> Markup {
    let privacy = match post.privacy.as_deref() {
        Some("PUBLIC_TO_EVERYONE") => "Everyone",
        Some("MUTUAL_FOLLOW_FRIENDS") => "Friends",
        Some("FOLLOWER_OF_CREATOR") => "Followers",
        Some("UNLISTED") => "Unlisted",
        Some("MENTIONED") => "Mentioned people",
        _ => "Only me",
    };
    html! {
        @if post.mode == "inbox" && post.status != "PUBLISH_COMPLETE" { span.badge.draft { "Draft" } }
        @else { span.badge { (privacy) } }
    }
}

fn pictures(post: &PerformedPublication) -> Markup {
    let address = |index: usize| post.media[index].href.as_str();
    let alt = |index: usize| alt_of(post, index).unwrap_or_else(|| format!("Photo {}", index + 1));
    html! {
        @if post.media.is_empty() || post.status == "FAILED" {}
        @else if post.kind == "video" {
            video controls playsinline preload="metadata" src=(address(0)) {}
        }
        @else {
            div.strip tabindex="0" role="group" aria-label={ (post.media.len()) " photos" } {
                @for index in 0..post.media.len() {
                    figure {
                        img src=(address(index)) alt=(alt(index)) loading="lazy";
                        figcaption { (index + 1) " / " (post.media.len()) }
                    }
                }
            }
        }
    }
}

/// What the post itself says of a picture.
fn alt_of(post: &PerformedPublication, index: usize) -> Option<String> {
    let record = post.record.as_ref()?;
    let embed = &record["embed"];
    let images = [&embed["images"], &embed["media"]["images"], &record["media_attachments"]];
    let image = images.into_iter().find_map(|images| images.get(index))?;
    image["alt"].as_str().or(image["description"].as_str()).filter(|alt| !alt.is_empty()).map(str::to_owned)
}

fn profile(post: &PerformedPublication) -> String {
    let prefix = if post.platform == "bluesky" { "/profile/" } else { "/@" };
    format!("{prefix}{}", post.username)
}

fn permalink(post: &PerformedPublication) -> Option<String> {
    if let Some((who, key)) = post.publish_id.strip_prefix("at://").and_then(|uri| uri.split_once('/')) {
        return Some(format!("/profile/{who}/post/{}", key.rsplit('/').next()?));
    }
    let id = post.post_ids.first()?;
    if post.platform == "mastodon" {
        return Some(format!("/@{}/{id}", post.username));
    }
    Some(format!("/@{}/{}/{id}", post.username, post.kind))
}

/// How often the text was changed, where that can happen.
fn edits(post: &PerformedPublication) -> String {
    let versions = post.record.as_ref().and_then(|record| record["history"].as_array()).map_or(0, Vec::len);
    match versions {
        0 | 1 => String::new(),
        2 => " · edited".to_owned(),
        versions => format!(" · edited {} times", versions - 1),
    }
}

fn time(at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
