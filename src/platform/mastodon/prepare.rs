//! A post on a Mastodon account, judged offline: its options, its text and its media against the server's limits, where
//! they are known, else against those that the software begins with.

use unicode_segmentation::UnicodeSegmentation;

use super::body::{Body, Poll, VERSION};
use super::limits::*;
use super::media::{self, Rules};
use super::options::{self, Options, Visibility, WrittenPoll};
use super::{reference, text};
use crate::domain::capability::{RENEW, ServerFacts};
use crate::domain::ids::PlatformId;
use crate::domain::limits::Counts;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::{Post, Target};
use crate::domain::media::{Medium, Probe};
use crate::domain::payload::{Estimate, Payload};
use crate::domain::project::Account;
use crate::domain::span::{Located, Span};
use crate::platform::Prepared;

/// What the rules look at.
struct Draft<'a> {
    account: &'a Account,
    /// Of the account's server, under which posts have addresses.
    hosts: &'a [&'a str],
    post: &'a Post,
    target: &'a Target,
    media: &'a [Medium],
    options: Options,
    report: &'a Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Video,
}

pub(super) fn prepare(
    account: &Account,
    hosts: &[&str],
    (post, target): (&Post, &Target),
    media: &[Medium],
) -> Prepared {
    let report = Report::new(&post.path);
    let options = options::read(&target.options, &report);
    let draft = Draft { account, hosts, post, target, media, options, report: &report };
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

    fn facts(&self) -> Option<&ServerFacts> {
        self.account.known.known()?.facts.server.as_ref()
    }

    fn limit(&self, known: impl Fn(&ServerFacts) -> Option<u64>, default: u64) -> u64 {
        self.facts().and_then(known).unwrap_or(default)
    }

    /// Behind a way out: how the server's own limits come to count.
    fn hint(&self) -> String {
        match self.facts() {
            Some(_) => String::new(),
            None => format!("; if your server takes more, {RENEW} notes its limits"),
        }
    }

    /// Without readable media there is no body, but what can be judged still is.
    fn body(&self) -> Option<Body> {
        let warning = self.options.warning.as_ref().map(|w| w.value.trim()).unwrap_or_default().to_owned();
        let written = self.target.text(self.post);
        let text = written.map(|written| self.checked(written, &warning)).unwrap_or_default();
        if text.is_empty() && self.post.media.is_empty() {
            let finding =
                self.report.error("text-missing", self.place(), "there is nothing to post on Mastodon");
            finding.help("add `text:` or `media:`");
        }
        self.check_flags(&text, &warning);
        let media = self.check_media();
        let body = Body {
            v: VERSION,
            parts: self.parts(&warning),
            alts: self.alts(),
            visibility: self.options.visibility.as_ref().map(|v| v.value).unwrap_or_default(),
            language: self.options.language.as_ref().map(|language| language.value.clone()),
            sensitive: self.options.sensitive.as_ref().is_some_and(|(_, flag)| flag.value),
            poll: self.options.poll.as_ref().map(|poll| self.poll(poll)),
            reply: self.reference(self.options.reply.as_ref()),
            quote: self.reference(self.options.quote.as_ref()),
            text,
            warning,
        };
        media.map(|()| body)
    }

    /// A warning and its text count together.
    fn checked(&self, written: &Located<String>, warning: &str) -> String {
        let text = written.value.trim_end();
        let link_chars = self.limit(|facts| facts.link_chars, LINK_CHARS);
        let chars = text::count(text, link_chars).saturating_add(warning.graphemes(true).count() as u64);
        let max = self.limit(|facts| facts.text_chars_max, TEXT_CHARS_MAX);
        if chars > max {
            let whose = if warning.is_empty() { "the text has" } else { "warning and text have" };
            let message = format!("{whose} {chars} characters, the server takes {max}");
            let over = chars - max;
            let help =
                format!("make it shorter by {over}, or write a `text:` just for this account{}", self.hint());
            self.report.error("text-too-long", written.span, message).help(help);
        }
        text.to_owned()
    }

    fn parts(&self, warning: &str) -> Vec<String> {
        let part = |written: &Located<String>| {
            let text = self.checked(written, warning);
            if text.is_empty() {
                let finding =
                    self.report.error("text-missing", written.span, "this post of the thread is empty");
                finding.help("write its text, or remove it");
            }
            text
        };
        self.options.parts.iter().map(part).collect()
    }

    fn check_flags(&self, text: &str, warning: &str) {
        let without_effect = |span: Span, message: &str, help: &str| {
            self.report.error("option-without-effect", span, message).help(help);
        };
        if let Some(written) = &self.options.warning {
            if warning.is_empty() {
                without_effect(written.span, "the warning is empty", "write it, or remove it");
            } else if text.is_empty() {
                // post_status_service.rb, read 2026-11-22.
                let message = "without a text, servers make the warning the text";
                without_effect(written.span, message, "write a text, or use `sensitive: true` to hide media");
            }
        }
        if let Some((key, flag)) = &self.options.sensitive {
            if self.post.media.is_empty() {
                without_effect(*key, "`sensitive` hides media, and there are none", "remove it");
            } else if !flag.value && !warning.is_empty() {
                without_effect(flag.span, "media behind a warning are hidden anyway", "remove it");
            }
        }
    }

    fn poll(&self, poll: &WrittenPoll) -> Poll {
        if !self.post.media.is_empty() {
            let finding = self.report.error("media-mixed", poll.span, "a post has a poll or media, not both");
            finding.related("the first medium", self.span_of(0)).help("make two posts");
        }
        if self.target.text(self.post).is_none_or(|text| text.value.trim().is_empty()) {
            let finding = self.report.error("text-missing", poll.span, "a poll needs a text to ask");
            finding.help("add `text:`");
        }
        let options_max = self.limit(|facts| facts.poll_options_max, POLL_OPTIONS_MAX);
        let extra = usize::try_from(options_max).ok().and_then(|max| poll.options.get(max));
        if let Some(extra) = extra {
            let message = format!("the server takes {options_max} answers, this has {}", poll.options.len());
            let help = format!("remove some{}", self.hint());
            self.report.error("poll-too-many", extra.span, message).help(help);
        }
        let chars_max = self.limit(|facts| facts.poll_option_chars_max, POLL_OPTION_CHARS_MAX);
        for option in &poll.options {
            let chars = option.value.trim().graphemes(true).count() as u64;
            if chars > chars_max {
                let message = format!("the answer has {chars} characters, the server takes {chars_max}");
                let help = format!("make it shorter by {}{}", chars - chars_max, self.hint());
                self.report.error("poll-too-long", option.span, message).help(help);
            }
        }
        let (life, span) = poll.expires_in;
        let seconds = u64::try_from(life.as_secs()).unwrap_or_default();
        let least = self.limit(|facts| facts.poll_seconds_min, POLL_SECONDS_MIN);
        let most = self.limit(|facts| facts.poll_seconds_max, POLL_SECONDS_MAX);
        if !(least..=most).contains(&seconds) {
            let message = format!("the server takes polls of {least} to {most} seconds, this has {seconds}");
            self.report.error("poll-time", span, message).help(format!("change it{}", self.hint()));
        }
        Poll {
            options: poll.options.iter().map(|option| option.value.trim().to_owned()).collect(),
            expires_in: seconds,
            multiple: poll.multiple,
            hide_totals: poll.hide_totals,
        }
    }

    fn reference(&self, written: Option<&Located<String>>) -> Option<String> {
        let written = written?;
        let id = reference::parse(&written.value, self.hosts);
        if id.is_none() {
            let message = format!("{} is no post of the account's own server", quote(&written.value));
            let own = self.hosts.first().copied().unwrap_or_default();
            let help = format!(
                "look the post up on the account's server, and write its address there: https://{own}/@NAME/ID"
            );
            self.report.error("invalid-value", written.span, message).help(help);
        }
        id
    }

    fn check_media(&self) -> Option<()> {
        let max = self.limit(|facts| facts.media_max, MEDIA_MAX);
        let count = self.post.media.len();
        if let Some(extra) = usize::try_from(max).ok().filter(|max| count > *max) {
            let message = format!("the server takes at most {max} media in a post, this has {count}");
            let help = format!("make several posts{}", self.hint());
            self.report.error("media-too-many", self.span_of(extra), message).help(help);
        }
        let kinds: Vec<Option<Kind>> = (0..self.media.len()).map(|n| self.kind_of(n)).collect();
        let kinds: Vec<Kind> = kinds.into_iter().collect::<Option<_>>()?;
        // Whatever Mastodon says; other software is less strict.
        let is_strict = self.facts().and_then(|facts| facts.software.as_deref()).is_none_or(is_mastodon);
        if let Some(video) = kinds.iter().position(|kind| *kind == Kind::Video)
            && kinds.len() > 1
            && is_strict
        {
            let message = "a video is the only medium of its post";
            self.report.error("media-mixed", self.span_of(video), message).help("make two posts");
        }
        Some(())
    }

    fn kind_of(&self, n: usize) -> Option<Kind> {
        let (span, medium, hint) = (self.span_of(n), &self.media[n], self.hint());
        let rules = Rules { report: self.report, facts: self.facts(), hint: &hint };
        let content_type = media::kind_of(medium).map(|(content_type, _)| content_type);
        match (medium, content_type) {
            (Medium::Url { .. }, _) => {
                let finding = self.report.error("media-not-a-file", span, "Mastodon fetches no media");
                finding.help("keep the file in content/ and name it with `file:`");
                None
            }
            (Medium::File { size, probe: Probe::Image(image), .. }, Some(content_type)) => {
                rules.check_type(span, content_type);
                rules.check_image(span, *size, image);
                Some(Kind::Image)
            }
            (Medium::File { size, probe: Probe::Video(video), .. }, Some(content_type)) => {
                rules.check_type(span, content_type);
                rules.check_video(span, *size, video);
                Some(Kind::Video)
            }
            (Medium::File { probe, .. }, _) => {
                self.report_format(span, probe);
                None
            }
        }
    }

    fn report_format(&self, span: Span, probe: &Probe) {
        let looks_like = match probe {
            Probe::Unknown { looks_like } => looks_like.clone(),
            Probe::Video(video) => Some(video.container.to_string()),
            Probe::Image(image) => Some(image.format.to_string()),
        };
        let message = looks_like.as_ref().map_or_else(
            || "this is no image and no video that Mastodon takes".to_owned(),
            |kind| format!("this looks like {kind}, which Mastodon does not take"),
        );
        let help = match looks_like.as_ref().is_some_and(|kind| kind.contains("Git LFS")) {
            true => {
                "fetch the file itself with `git lfs pull`; a commit has the pointer only, whatever was fetched"
            }
            false => "use JPEG, PNG, GIF or WebP for images, MP4, MOV or WebM for a video",
        };
        self.report.error("media-format", span, message).help(help);
    }

    /// What is told to those who cannot see it.
    fn alts(&self) -> Vec<String> {
        let max = self.limit(|facts| facts.alt_chars_max, ALT_CHARS_MAX);
        let mut alts = Vec::new();
        for (n, item) in self.post.media.iter().enumerate() {
            let alt = item.alt.as_ref().map(|alt| alt.value.trim().to_owned()).unwrap_or_default();
            let chars = alt.graphemes(true).count() as u64;
            if alt.is_empty() {
                let message = "this has no `alt`, so some people will not know what it shows";
                self.report
                    .warning("alt-missing", self.span_of(n), message)
                    .help("add `alt:` with a short description");
            } else if chars > max {
                let span = item.alt.as_ref().map_or(self.span_of(n), |alt| alt.span);
                let message = format!("the description has {chars} characters, the server takes {max}");
                let help = format!("make it shorter by {}{}", chars - max, self.hint());
                self.report.error("alt-too-long", span, message).help(help);
            }
            alts.push(alt);
        }
        alts
    }

    fn payload(&self, body: &Body) -> Payload {
        let size = |medium: &Medium| if let Medium::File { size, .. } = medium { *size } else { 0 };
        Payload {
            platform: PlatformId::Mastodon,
            body: serde_json::to_value(body).expect("a body is made of texts, flags and lists").into(),
            media: self.media.to_vec(),
            what: what(body, self.media),
            text: Some(shown(body)).filter(|text| !text.is_empty()),
            counts: Counts::Posts,
            estimate: Estimate {
                requests: requests(body, self.media.len()),
                bytes: self.media.iter().map(size).sum(),
                chunks: None,
            },
            fixed: Some(body.fixed()),
        }
    }
}

/// The software itself, and its forks that keep to its rules.
pub(super) fn is_mastodon(software: &str) -> bool {
    matches!(software, "mastodon" | "glitch-soc" | "hometown")
}

/// As readers see it: the warning, the texts, the answers of a poll.
fn shown(body: &Body) -> String {
    let warning = Some(format!("[{}]", body.warning)).filter(|_| !body.warning.is_empty());
    let poll = body.poll.iter().flat_map(|poll| &poll.options).map(|option| format!("○ {option}"));
    let poll: Vec<_> = poll.collect();
    let mut texts = body.texts().map(str::to_owned);
    let first = texts.next().filter(|text| !text.is_empty());
    let poll = Some(poll.join("\n")).filter(|poll| !poll.is_empty());
    warning.into_iter().chain(first).chain(poll).chain(texts).collect::<Vec<_>>().join("\n\n")
}

/// For people: `2 images, reply, unlisted`.
fn what(body: &Body, media: &[Medium]) -> String {
    let is_video = |medium: &&Medium| matches!(medium, Medium::File { probe: Probe::Video(_), .. });
    let videos = media.iter().filter(is_video).count();
    let counted = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(one.to_owned()),
        n => Some(format!("{n} {many}")),
    };
    let mut what: Vec<String> = counted(media.len() - videos, "1 image", "images").into_iter().collect();
    what.extend(counted(videos, "video", "videos"));
    what.extend(body.poll.as_ref().map(|_| "poll".to_owned()));
    if what.is_empty() {
        what.push("text".to_owned());
    }
    what.extend(Some(body.parts.len() + 1).filter(|n| *n > 1).map(|n| format!("thread of {n} posts")));
    what.extend(body.reply.as_ref().map(|_| "reply".to_owned()));
    what.extend(body.quote.as_ref().map(|_| "quote".to_owned()));
    what.extend(Some(&body.warning).filter(|w| !w.is_empty()).map(|_| "behind a warning".to_owned()));
    what.extend(Some(body.visibility).filter(|v| *v != Visibility::Public).map(|v| v.word().to_owned()));
    what.join(", ")
}

/// Those that are known beforehand: media, the posts that are answered and quoted, and each post of the thread.
fn requests(body: &Body, media: usize) -> u32 {
    let others = [&body.reply, &body.quote].into_iter().flatten().count();
    // Once whether the server tells of media at all.
    let probe = usize::from(media > 0);
    u32::try_from(media + probe + others + 1 + body.parts.len()).unwrap_or(u32::MAX)
}
