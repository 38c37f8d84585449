//! A post on a TikTok account, judged offline: its options, its text and its media against TikTok's limits.

use super::body::{Body, Kind, VERSION};
use super::limits::*;
use super::options::{self, Allow, Disclosure, Keyed, Options, Privacy};
use super::{media, rules};
use crate::domain::capability::FILE as LOCK_FILE;
use crate::domain::limits::Counts;
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::{Post, Target};
use crate::domain::media::{Medium, Probe, Video};
use crate::domain::payload::{Estimate, Payload};
use crate::domain::project::{Account, Mode};
use crate::domain::span::Span;
use crate::domain::{ids::PlatformId, span::Located, url};
use crate::platform::Prepared;

/// What the rules look at.
pub(super) struct Draft<'a> {
    pub(super) account: &'a Account,
    /// Whether the platform can reach files of this machine.
    local: bool,
    post: &'a Post,
    target: &'a Target,
    media: &'a [Medium],
    pub(super) options: Options,
    pub(super) report: &'a Report,
}

pub(super) fn prepare(
    account: &Account,
    local: bool,
    (post, target): (&Post, &Target),
    media: &[Medium],
) -> Prepared {
    let report = Report::new(&post.path);
    let options = options::read(&target.options, &report);
    let draft = Draft { account, local, post, target, media, options, report: &report };
    let body = draft.body(draft.kind());
    let payload = body.filter(|_| !report.has_errors()).map(|body| draft.payload(&body));
    Prepared { payload, diagnostics: report.into_diagnostics() }
}

impl Draft<'_> {
    pub(super) fn direct(&self) -> bool {
        self.account.mode.value == Mode::Direct
    }

    pub(super) fn place(&self) -> Span {
        self.target.account.span
    }

    /// Each medium with its place in the manifest.
    pub(super) fn items(&self) -> impl Iterator<Item = (Span, &Medium)> {
        self.media.iter().enumerate().map(|(n, medium)| {
            let item = self.post.media.get(n);
            (item.map_or(self.place(), |item| item.source.span()), medium)
        })
    }

    /// One video, or photos; never both.
    fn kind(&self) -> Option<Kind> {
        let kinds: Vec<_> = self.items().map(|(span, medium)| self.kind_of(medium, span)).collect();
        let Some(first) = kinds.first() else {
            if self.post.media.is_empty() {
                let finding =
                    self.report.error("media-missing", self.place(), "TikTok needs one video, or photos");
                finding.help("add `media:` with a `file:` or `url:`");
            }
            return None;
        };
        let kinds: Vec<Kind> = kinds.iter().copied().collect::<Option<_>>()?;
        let first = (*first)?;
        let spans: Vec<Span> = self.items().map(|(span, _)| span).collect();
        if let Some(other) = kinds.iter().position(|kind| *kind != first) {
            let finding =
                self.report.error("media-mixed", spans[other], "videos and photos cannot go into one post");
            finding.related("the first medium is of the other kind", spans[0]).help("make two posts");
            return None;
        }
        let (many, what) = match first {
            Kind::Video => (1, "one video"),
            Kind::Photos => (PHOTOS_MAX, "35 photos"),
        };
        if kinds.len() > many {
            let message = format!("TikTok takes at most {what} in a post, this has {}", kinds.len());
            self.report.error("media-too-many", spans[many], message).help("make several posts");
        }
        Some(first)
    }

    fn kind_of(&self, medium: &Medium, span: Span) -> Option<Kind> {
        let refuse = |message: &str, help: &str| {
            self.report.error("media-format", span, message).help(help);
            None
        };
        match medium {
            Medium::File { probe: Probe::Video(_), .. } => Some(Kind::Video),
            Medium::File { probe: Probe::Image(_), .. } => Some(Kind::Photos),
            Medium::File { probe: Probe::Unknown { looks_like }, .. } => {
                let is = looks_like.as_ref().map_or_else(
                    || "this is no video and no photo that TikTok takes".to_owned(),
                    |kind| format!("this looks like {kind}, which TikTok does not take"),
                );
                let help = match looks_like.as_ref().is_some_and(|kind| kind.contains("Git LFS")) {
                    true => {
                        "fetch the file itself with `git lfs pull`; a commit has the pointer only, whatever was fetched"
                    }
                    false => "use MP4, MOV or WebM for a video, JPEG or WebP for photos",
                };
                refuse(&is, help)
            }
            Medium::Url { url } => match extension(url).as_deref() {
                Some("mp4" | "mov" | "webm") => Some(Kind::Video),
                Some("jpg" | "jpeg" | "webp") => Some(Kind::Photos),
                Some("png") => refuse("TikTok takes no PNG", "use JPEG or WebP"),
                _ => refuse(
                    "the address does not tell whether this is a video or a photo",
                    "let its path end in .mp4, .mov, .webm, .jpg, .jpeg or .webp",
                ),
            },
        }
    }

    /// Without a kind there is no body, but what can be judged still is.
    fn body(&self, kind: Option<Kind>) -> Option<Body> {
        self.check_media();
        self.check_effects(kind);
        let privacy = self.privacy();
        let (text, title) = (self.text(kind), self.title(kind));
        let mut allow = values(&self.options.allow);
        let mut disclosure = values(&self.options.disclosure);
        allow.sort_unstable();
        disclosure.sort_unstable();
        self.check_disclosure(privacy);
        self.check_known(privacy);
        Some(Body {
            v: VERSION,
            mode: self.account.mode.value,
            kind: kind?,
            privacy,
            text,
            title,
            allow,
            disclosure,
            ai_generated: is_set(&self.options.ai_generated),
            cover_ms: self.options.cover_ms.as_ref().map(|ms| ms.value.value),
            cover: self.cover(kind),
            auto_music: is_set(&self.options.auto_music),
        })
    }

    /// Options that would do nothing in this mode, or for this kind of media.
    fn check_effects(&self, kind: Option<Kind>) {
        let o = &self.options;
        let (for_video, for_photos) = (kind != Some(Kind::Photos), kind != Some(Kind::Video));
        let keys = [
            ("privacy", key(&o.privacy), true, true),
            ("allow", key(&o.allow), true, true),
            ("disclosure", key(&o.disclosure), true, true),
            ("ai_generated", key(&o.ai_generated), true, true),
            ("cover_ms", key(&o.cover_ms), true, for_video),
            ("auto_music", key(&o.auto_music), true, for_photos),
            ("cover", key(&o.cover), false, for_photos),
            ("title", key(&o.title), false, for_photos),
        ];
        for (name, span, direct_only, fits) in keys {
            let Some(span) = span else { continue };
            let (why, help) = if !fits && for_video {
                ("for a video", "remove it; it belongs to photos")
            } else if !fits {
                ("for photos", "remove it; it belongs to videos")
            } else if direct_only && !self.direct() {
                (
                    "in a draft: the creator chooses it in TikTok's app",
                    "remove it, or set `mode: direct` on the account",
                )
            } else {
                continue;
            };
            self.report
                .error("option-without-effect", span, format!("`{name}` has no effect {why}"))
                .help(help);
        }
        let allowed = o.allow.iter().flat_map(|allow| &allow.value);
        for word in
            allowed.filter(|word| kind == Some(Kind::Photos) && self.direct() && word.value != Allow::Comment)
        {
            let message = "photos allow `comment` only";
            self.report.error("option-without-effect", word.span, message).help("remove it");
        }
    }

    /// Required for direct posts, without a default: TikTok's audit asks for that (TikTok docs `csg`, 2026-08-04).
    fn privacy(&self) -> Option<Privacy> {
        if !self.direct() {
            return None;
        }
        let Some(privacy) = &self.options.privacy else {
            if self.target.options.get("privacy").is_none() {
                let message = "a direct post needs `privacy`: TikTok allows no default";
                let finding = self.report.error("missing-key", self.place(), message);
                finding.help("add `privacy: self_only`, `friends`, `followers` or `public`");
            }
            return None;
        };
        let Located { value, span } = privacy.value;
        match self.account.is_audited() {
            _ if value == Privacy::SelfOnly => return Some(value),
            Some(true) => return Some(value),
            Some(false) => {}
            None => {
                let message = format!(
                    "whether TikTok has audited the app may stand in {LOCK_FILE}, which has an error"
                );
                let finding = self.report.error("audit-unknown", span, message);
                finding.help("mend that file, or write `audited:` on the account in gitcast.yaml");
                return Some(value);
            }
        }
        let message =
            format!("goes out as SELF_ONLY, not as `{}`: TikTok has not audited the app", value.word());
        let finding = self.report.warning("unaudited-self-only", span, message);
        let name = &self.account.name.value;
        finding.help(match &self.account.audited {
            Some(_) => {
                format!("set `audited: true` on the account `{name}` once TikTok has audited the app")
            }
            None => {
                format!("run `gitcast auth audit {name} audited` once TikTok has audited the app")
            }
        });
        Some(Privacy::SelfOnly)
    }

    /// Branded content cannot be private (TikTok docs `csg`, 2026-08-04).
    fn check_disclosure(&self, privacy: Option<Privacy>) {
        let words = self.options.disclosure.iter().flat_map(|disclosure| &disclosure.value);
        for word in words.filter(|word| word.value == Disclosure::PaidPartnership) {
            if self.direct() && privacy == Some(Privacy::SelfOnly) {
                let message = "a paid partnership cannot be SELF_ONLY";
                let help = match self.account.is_audited().unwrap_or(true) {
                    true => "choose another `privacy`",
                    false => {
                        "posts of an unaudited app are always SELF_ONLY: use `mode: draft` and disclose it in TikTok's app"
                    }
                };
                self.report.error("disclosure-needs-audience", word.span, message).help(help);
            }
        }
    }

    /// The text that TikTok gets. A video draft has none: it is kept for the preview.
    fn text(&self, kind: Option<Kind>) -> String {
        let Some(text) = self.target.text(self.post) else { return String::new() };
        let max = match kind {
            None => return String::new(),
            Some(Kind::Video) if !self.direct() => return String::new(),
            Some(Kind::Video) => CAPTION_UNITS_MAX,
            Some(Kind::Photos) => DESCRIPTION_UNITS_MAX,
        };
        self.check_length(text, max, "text-too-long", "the text");
        text.value.clone()
    }

    fn title(&self, kind: Option<Kind>) -> String {
        let Some(title) = self.options.title.as_ref().filter(|_| kind == Some(Kind::Photos)) else {
            return String::new();
        };
        self.check_length(&title.value, TITLE_UNITS_MAX, "title-too-long", "the title");
        title.value.value.clone()
    }

    fn check_length(&self, text: &Located<String>, max: usize, code: &'static str, what: &str) {
        let units = text.value.encode_utf16().count();
        if units > max {
            let message = format!("{what} has {units} UTF-16 units, TikTok takes {max}");
            let finding = self.report.error(code, text.span, message);
            finding.help(format!("make it shorter by {}; an emoji counts two or more", units - max));
        }
    }

    fn cover(&self, kind: Option<Kind>) -> u64 {
        let Some(cover) = self.options.cover.as_ref().filter(|_| kind == Some(Kind::Photos)) else {
            return 0;
        };
        let Located { value, span } = cover.value;
        let last = (self.media.len() as u64).saturating_sub(1);
        if value > last {
            let finding = self.report.error("cover-out-of-range", span, format!("there is no photo {value}"));
            finding.help(format!("photos are counted from 0; the last one is {last}"));
        }
        value
    }

    fn check_media(&self) {
        for (span, medium) in self.items() {
            match medium {
                Medium::Url { url } => self.check_pullable(span, url, "the platform fetches it from there"),
                Medium::File { size, probe: Probe::Video(video), .. } => {
                    rules::check_video(self.report, span, *size, video);
                    self.check_cover_ms(video);
                }
                Medium::File { size, probe: Probe::Image(image), url, .. } => {
                    rules::check_photo(self.report, span, *size, image);
                    self.check_served(span, url.as_deref());
                }
                Medium::File { probe: Probe::Unknown { .. }, .. } => {}
            }
        }
    }

    fn check_cover_ms(&self, video: &Video) {
        if let Some(cover) = &self.options.cover_ms
            && let Some(duration_ms) = video.duration_ms.filter(|ms| cover.value.value > *ms)
        {
            let message = format!("`cover_ms` is beyond the video's end at {duration_ms} ms");
            let finding = self.report.error("cover-out-of-range", cover.value.span, message);
            finding.help("name a time within the video; TikTok would silently take its first frame");
        }
    }

    fn check_served(&self, span: Span, url: Option<&str>) {
        match url {
            Some(url) => self.check_pullable(span, url, "that comes from `media_base_url` in gitcast.yaml"),
            None if self.local => {}
            None => {
                let message = "TikTok fetches photos itself, and nothing says where this file is served";
                let finding = self.report.error("media-unreachable", span, message);
                finding
                    .help("set `media_base_url` in gitcast.yaml to where content/ is served, or use `url:`");
            }
        }
    }

    /// The scan cannot judge this: the endpoint may be another account's, or a stand-in's.
    fn check_pullable(&self, span: Span, url: &str, origin: &str) {
        let endpoint = self.account.endpoint.as_ref().map(|endpoint| endpoint.value.as_str());
        if let Err(why) = url::check_pullable(url, endpoint) {
            let finding = self.report.error("invalid-url", span, format!("{} {why}", quote(url)));
            finding.help(format!("{origin}: https and a host name are needed"));
        }
    }

    fn payload(&self, body: &Body) -> Payload {
        let text = match body.kind {
            Kind::Video if !body.is_direct() => None,
            _ => [&body.title, &body.text].into_iter().find(|text| !text.is_empty()).map(|_| {
                [body.title.as_str(), body.text.as_str()]
                    .iter()
                    .filter(|t| !t.is_empty())
                    .copied()
                    .collect::<Vec<_>>()
                    .join("\n")
            }),
        };
        Payload {
            platform: PlatformId::Tiktok,
            body: serde_json::to_value(body).expect("a body is made of texts, numbers and lists").into(),
            media: self.media.to_vec(),
            what: what(body, self.media.len()),
            text,
            estimate: estimate(body, self.media),
            counts: if body.is_direct() { Counts::Posts } else { Counts::Drafts },
            fixed: None,
        }
    }
}

/// For people: `video, draft in the inbox`.
fn what(body: &Body, media: usize) -> String {
    let what = match body.kind {
        Kind::Video => "video".to_owned(),
        Kind::Photos if media == 1 => "1 photo".to_owned(),
        Kind::Photos => format!("{media} photos"),
    };
    match body.privacy {
        None => format!("{what}, draft in the inbox"),
        Some(privacy) => format!("{what}, {}", privacy.word()),
    }
}

fn estimate(body: &Body, media: &[Medium]) -> Estimate {
    let init = if body.is_direct() { 2 } else { 1 };
    match (body.kind, media.first()) {
        (Kind::Video, Some(Medium::File { size, .. })) => {
            let chunks = media::chunks(*size);
            let requests = init + u32::try_from(chunks.count).unwrap_or(u32::MAX - init);
            Estimate { requests, bytes: *size, chunks: Some(chunks) }
        }
        _ => Estimate { requests: init, bytes: 0, chunks: None },
    }
}

/// Of the last segment of a URL's path, in small letters.
fn extension(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

fn key<T>(option: &Option<Keyed<T>>) -> Option<Span> {
    option.as_ref().map(|keyed| keyed.key)
}

fn values<T: Copy>(option: &Option<Keyed<Vec<Located<T>>>>) -> Vec<T> {
    option.iter().flat_map(|keyed| &keyed.value).map(|located| located.value).collect()
}

fn is_set(option: &Option<Keyed<Located<bool>>>) -> bool {
    option.as_ref().is_some_and(|keyed| keyed.value.value)
}
