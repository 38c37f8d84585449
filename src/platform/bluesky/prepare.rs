//! A post on a Bluesky account, judged offline: its options, its text and its media against Bluesky's limits.

use unicode_segmentation::UnicodeSegmentation;

use super::body::{Body, Kind, Link, VERSION};
use super::limits::*;
use super::options::{self, LinkCard, Options};
use super::{facets, media};
use crate::domain::ids::PlatformId;
use crate::domain::limits::Counts;
use crate::domain::manifest::report::Report;
use crate::domain::manifest::{Post, Target};
use crate::domain::media::{Medium, Probe};
use crate::domain::payload::{Estimate, Payload};
use crate::domain::project::Account;
use crate::domain::span::{Located, Span};
use crate::platform::Prepared;

/// What the rules look at.
struct Draft<'a> {
    account: &'a Account,
    post: &'a Post,
    target: &'a Target,
    media: &'a [Medium],
    options: Options,
    report: &'a Report,
}

pub(super) fn prepare(account: &Account, (post, target): (&Post, &Target), media: &[Medium]) -> Prepared {
    let report = Report::new(&post.path);
    let options = options::read(&target.options, &report);
    let draft = Draft { account, post, target, media, options, report: &report };
    let body = draft.body();
    let payload = body.filter(|_| !report.has_errors()).map(|body| draft.payload(&body));
    Prepared { payload, diagnostics: report.into_diagnostics() }
}

impl Draft<'_> {
    fn place(&self) -> Span {
        self.target.account.span
    }

    fn span_of(&self, medium: usize) -> Span {
        self.post.media.get(medium).map_or(self.place(), |item| item.source.span())
    }

    /// Without a kind there is no body, but what can be judged still is.
    fn body(&self) -> Option<Body> {
        let (text, kind) = (self.text(), self.kind());
        let is_full = !text.is_empty() || !self.post.media.is_empty();
        if !is_full && self.options.link.is_none() && self.options.quote.is_none() {
            let finding =
                self.report.error("text-missing", self.place(), "there is nothing to post on Bluesky");
            finding.help("add `text:`, `media:` or `link:`");
        }
        self.check_reply();
        let mut labels: Vec<_> = self.options.labels.iter().map(|label| label.value).collect();
        labels.sort_unstable();
        let replies = self.options.replies.as_ref().map(|(_, rules)| {
            let mut rules: Vec<_> = rules.iter().map(|rule| rule.value).collect();
            rules.sort_unstable();
            rules
        });
        let owned = |text: &Located<String>| text.value.trim().to_owned();
        Some(Body {
            v: VERSION,
            kind: kind?,
            text,
            parts: self.parts(),
            alts: self.alts(),
            langs: self.options.langs.iter().map(|lang| lang.value.clone()).collect(),
            labels,
            link: self.options.link.as_ref().map(|link| Link {
                url: link.url.value.clone(),
                title: owned(&link.title),
                description: link.description.as_ref().map(owned).unwrap_or_default(),
            }),
            quote: self.options.quote.as_ref().map(|quote| quote.value.clone()),
            reply: self.options.reply.as_ref().map(|reply| reply.value.clone()),
            replies,
            quotes: self.options.quotes.as_ref().is_none_or(|quotes| quotes.value),
        })
    }

    /// The text as it is sent.
    fn text(&self) -> String {
        self.target.text(self.post).map(|written| self.checked(written)).unwrap_or_default()
    }

    fn parts(&self) -> Vec<String> {
        let part = |written: &Located<String>| {
            let text = self.checked(written);
            if text.is_empty() {
                let finding =
                    self.report.error("text-missing", written.span, "this post of the thread is empty");
                finding.help("write its text, or remove it");
            }
            text
        };
        self.options.parts.iter().map(part).collect()
    }

    fn checked(&self, written: &Located<String>) -> String {
        let text = written.value.trim_end();
        let (graphemes, bytes) = (text.graphemes(true).count(), text.len());
        let error = |message: String, help: String| {
            self.report.error("text-too-long", written.span, message).help(help);
        };
        if graphemes > TEXT_GRAPHEMES_MAX {
            let message = format!(
                "the text has {graphemes} characters (graphemes), Bluesky takes {TEXT_GRAPHEMES_MAX}"
            );
            let over = graphemes - TEXT_GRAPHEMES_MAX;
            error(message, format!("make it shorter by {over}, or write a `text:` just for this account"));
        } else if bytes > TEXT_BYTES_MAX {
            let message = format!("the text has {bytes} bytes in UTF-8, Bluesky takes {TEXT_BYTES_MAX}");
            error(message, "use fewer emoji that are made of several".to_owned());
        }
        text.to_owned()
    }

    /// A threadgate belongs to the post that a thread begins with (lexicon `app.bsky.feed.threadgate`).
    fn check_reply(&self) {
        if let (Some(_), Some((key, _))) = (&self.options.reply, &self.options.replies) {
            let message = "`replies` has no effect on a reply: the first post of the thread decides";
            self.report.error("option-without-effect", *key, message).help("remove it");
        }
    }

    /// Nothing, images, or one video; with a link card its picture alone.
    fn kind(&self) -> Option<Kind> {
        if let Some(link) = &self.options.link {
            return self.link_media(link);
        }
        let mut kinds = Vec::new();
        for n in 0..self.media.len() {
            kinds.push(self.kind_of(n, IMAGE_BYTES_MAX));
        }
        if self.post.media.is_empty() {
            return Some(Kind::Text);
        }
        let kinds: Vec<Kind> = kinds.into_iter().collect::<Option<_>>()?;
        let first = *kinds.first()?;
        if let Some(other) = kinds.iter().position(|kind| *kind != first) {
            let message = "images and videos cannot go into one post";
            let finding = self.report.error("media-mixed", self.span_of(other), message);
            finding.related("the first medium is of the other kind", self.span_of(0)).help("make two posts");
            return None;
        }
        let (many, what) = match first {
            Kind::Video => (1, "one video"),
            _ => (IMAGES_MAX, "4 images"),
        };
        if kinds.len() > many {
            let message = format!("Bluesky takes at most {what} in a post, this has {}", kinds.len());
            self.report.error("media-too-many", self.span_of(many), message).help("make several posts");
        }
        Some(first)
    }

    fn link_media(&self, link: &LinkCard) -> Option<Kind> {
        let thumb = link.thumb.as_ref().map(|thumb| (thumb.span, usize::try_from(thumb.value)));
        if let Some((span, at)) = &thumb
            && !at.is_ok_and(|at| at < self.post.media.len())
        {
            let finding = self.report.error("thumb-out-of-range", *span, "there is no such medium");
            finding.help("name one of the post's media, counted from 0");
            return None;
        }
        let at = thumb.and_then(|(_, at)| at.ok());
        if let Some(other) = (0..self.post.media.len()).find(|n| Some(*n) != at) {
            let message = "a post has a link card, or media of its own";
            let finding = self.report.error("media-mixed", self.span_of(other), message);
            finding
                .related("the link card", link.span)
                .help("remove one of the two; `thumb: 0` makes the first medium the card's picture");
            return None;
        }
        let at = at.filter(|at| *at < self.media.len());
        if let Some(at) = at
            && self.kind_of(at, THUMB_BYTES_MAX)? == Kind::Video
        {
            let message = "the picture of a link card is an image";
            self.report.error("media-format", self.span_of(at), message).help("use JPEG, PNG or WebP");
            return None;
        }
        Some(Kind::Text)
    }

    fn kind_of(&self, n: usize, image_bytes_max: u64) -> Option<Kind> {
        let span = self.span_of(n);
        match &self.media[n] {
            Medium::File { size, probe: Probe::Image(image), .. } => {
                media::check_image(self.report, span, *size, image, image_bytes_max);
                Some(Kind::Images)
            }
            Medium::File { size, probe: Probe::Video(video), .. } => {
                media::check_video(self.report, span, *size, video, self.account.endpoint.is_some());
                Some(Kind::Video)
            }
            Medium::File { probe: Probe::Unknown { looks_like }, .. } => {
                let is = looks_like.as_ref().map_or_else(
                    || "this is no image and no video that Bluesky takes".to_owned(),
                    |kind| format!("this looks like {kind}, which Bluesky does not take"),
                );
                let help = match looks_like.as_ref().is_some_and(|kind| kind.contains("Git LFS")) {
                    true => {
                        "fetch the file itself with `git lfs pull`; a commit has the pointer only, whatever was fetched"
                    }
                    false => "use JPEG, PNG or WebP for images, MP4 for a video",
                };
                self.report.error("media-format", span, is).help(help);
                None
            }
            Medium::Url { .. } => {
                let finding = self.report.error("media-not-a-file", span, "Bluesky fetches no media");
                finding.help("keep the file in content/ and name it with `file:`");
                None
            }
        }
    }

    /// What is told to those who cannot see it. A link card's picture needs none.
    fn alts(&self) -> Vec<String> {
        if self.options.link.is_some() {
            return Vec::new();
        }
        let mut alts = Vec::new();
        for (n, item) in self.post.media.iter().enumerate() {
            let alt = item.alt.as_ref().map(|alt| alt.value.trim().to_owned()).unwrap_or_default();
            if alt.is_empty() {
                let message = "this has no `alt`, so some people will not know what it shows";
                self.report
                    .warning("alt-missing", self.span_of(n), message)
                    .help("add `alt:` with a short description");
            }
            alts.push(alt);
        }
        alts
    }

    fn payload(&self, body: &Body) -> Payload {
        let bytes = self.media.iter().map(size).sum();
        Payload {
            platform: PlatformId::Bluesky,
            body: serde_json::to_value(body).expect("a body is made of texts, flags and lists").into(),
            media: self.media.to_vec(),
            what: what(body, self.media.len()),
            text: Some(body.texts().collect::<Vec<_>>().join("\n\n")).filter(|text| !text.is_empty()),
            counts: Counts::Posts,
            estimate: Estimate { requests: requests(body, self.media.len()), bytes, chunks: None },
            // Records can be replaced, but the app shows posts as they were first written.
            fixed: None,
        }
    }
}

fn size(medium: &Medium) -> u64 {
    if let Medium::File { size, .. } = medium { *size } else { 0 }
}

/// For people: `2 images, quote`.
fn what(body: &Body, media: usize) -> String {
    let mut what = vec![match (body.kind, media) {
        (Kind::Text, _) if body.link.is_some() => "link card".to_owned(),
        (Kind::Text, _) => "text".to_owned(),
        (Kind::Images, 1) => "1 image".to_owned(),
        (Kind::Images, _) => format!("{media} images"),
        (Kind::Video, _) => "video".to_owned(),
    }];
    what.extend(Some(body.parts.len() + 1).filter(|n| *n > 1).map(|n| format!("thread of {n} posts")));
    what.extend(body.reply.as_ref().map(|_| "reply".to_owned()));
    what.extend(body.quote.as_ref().map(|_| "quote".to_owned()));
    what.join(", ")
}

/// Those that are known beforehand: media, people, posts, and the post itself.
fn requests(body: &Body, media: usize) -> u32 {
    let others = [&body.quote, &body.reply].into_iter().flatten();
    let looked_up = others.map(|other| 1 + usize::from(other.handle().is_some())).sum::<usize>();
    let mentioned: usize = body.texts().map(|text| facets::mentions(text).len()).sum();
    // By way of the video service; as a plain blob it takes one.
    let by_service = if body.kind == Kind::Video { 3 } else { 0 };
    let all = media + by_service + mentioned + looked_up + 1;
    u32::try_from(all).unwrap_or(u32::MAX)
}
