//! Manifests, `gitcast.yaml` and decisions: from bytes to what a person is shown.

use std::sync::{Arc, LazyLock};

use gitcast::cli::render::{self, Format};
use gitcast::clock::Clock;
use gitcast::domain::diagnostic::Diagnostic;
use gitcast::domain::ids::{AccountName, ContentDigest};
use gitcast::domain::manifest::parse::{parse, tree};
use gitcast::domain::manifest::post::{check_accounts, post};
use gitcast::domain::manifest::report::Report;
use gitcast::domain::manifest::{MediaSource, Post};
use gitcast::domain::media::{Container, FileStamp, Medium, Probe, Video, VideoCodec};
use gitcast::domain::project::{Project, decode};
use gitcast::domain::resolution;
use gitcast::domain::span::Span;
use gitcast::platform::http::Http;
use gitcast::platform::{self, Platform};
use jiff::Timestamp;
use jiff::tz::TimeZone;

const PATH: &str = "content/p.yaml";
const PROJECT: &str = "version: 1
timezone: Europe/Berlin
accounts:
  drafts: {platform: tiktok, mode: draft}
  direct: {platform: tiktok, mode: direct}
  audited: {platform: tiktok, mode: direct, audited: true}
media_base_url: https://media.example.com/
";

struct World {
    project: Project,
    zone: TimeZone,
    platforms: Vec<(AccountName, Box<dyn Platform>)>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let report = Report::new("content/gitcast.yaml");
    let project = parse(PROJECT.as_bytes(), &report).and_then(|node| decode::project(&node, &report));
    let project = project.expect("a good project");
    let http = Http::new(Clock::from_fn(|| Timestamp::UNIX_EPOCH));
    let build = |account| platform::build(account, &http, &(Arc::new(|_: &str| None) as platform::Keys));
    let platforms = project.accounts.iter().map(|account| (account.name.value.clone(), build(account)));
    World { zone: project.timezone.clone(), platforms: platforms.collect(), project }
});

pub fn manifest(bytes: &[u8]) {
    let report = Report::new(PATH);
    let decoded = parse(bytes, &report).map(|node| post(&node, &WORLD.zone, &report));
    let mut found = Vec::new();
    if let Some(post) =
        decoded.as_ref().and_then(|decoded| decoded.post.as_ref().or(decoded.suspect.as_ref()))
    {
        found.extend(check_accounts(post, &WORLD.project));
        found.extend(judge(post));
    }
    let is_good = decoded.is_some_and(|decoded| decoded.post.is_some());
    assert!(is_good != report.has_errors(), "a manifest is good, or it is said why not");
    found.extend(report.into_diagnostics());
    told(bytes, &found);

    let report = Report::new(PATH);
    let project = parse(bytes, &report).and_then(|node| decode::project(&node, &report));
    assert!(project.is_some() != report.has_errors(), "a project is good, or it is said why not");
    told(bytes, &report.into_diagnostics());

    let report = Report::new(PATH);
    let file = tree(bytes, &report).map(|node| resolution::read(&node, PATH, &WORLD.zone));
    let file = file.unwrap_or_default();
    for resolution in &file.resolutions {
        within(bytes, resolution.span);
        let _ = (resolution.digest(), resolution.place());
    }
    told(bytes, &[report.into_diagnostics(), file.diagnostics].concat());
}

/// The post in a manifest that has no error.
pub(crate) fn post_of(bytes: &[u8]) -> Option<Post> {
    let report = Report::new(PATH);
    post(&parse(bytes, &report)?, &WORLD.zone, &report).post
}

/// What the platforms say of a post whose media are fine.
fn judge(post: &Post) -> Vec<Diagnostic> {
    let media: Vec<_> = post.media.iter().map(|item| medium(&item.source)).collect();
    [judge_one(post, &media), judge_one(post, &[])].concat()
}

pub(crate) fn judge_one(post: &Post, media: &[Medium]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for target in &post.targets {
        let Some((_, platform)) = WORLD.platforms.iter().find(|(name, _)| *name == target.account.value)
        else {
            continue;
        };
        let prepared = platform.prepare(post, target, media);
        let is_bad = prepared.diagnostics.iter().any(Diagnostic::is_error);
        assert!(
            prepared.payload.is_some() || is_bad || media.is_empty(),
            "there is a payload, or it is said why not"
        );
        if let Some(payload) = prepared.payload {
            assert_eq!(payload.digest(), payload.digest());
            super::assert_plain(&payload.what);
        }
        found.extend(prepared.diagnostics);
    }
    found
}

fn medium(source: &MediaSource) -> Medium {
    let path = match source {
        MediaSource::Url(url) => return Medium::Url { url: url.value.clone() },
        MediaSource::File(path) => path.value.clone(),
    };
    let video = Video {
        container: Container::Mp4,
        codec: VideoCodec::H264,
        width: 1080,
        height: 1920,
        rotation: 0,
        duration_ms: Some(10_000),
        frames_per_1000_s: Some(30_000),
        audio: None,
        moov_at_front: Some(true),
    };
    Medium::File {
        path,
        size: 1_000_000,
        digest: ContentDigest::of(b"a"),
        stamp: FileStamp { size: 1_000_000, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 },
        probe: Probe::Video(video),
        url: Some("https://media.example.com/a.mp4".into()),
    }
}

/// Spans lie inside the text and say where they are; every format can be written, and is harmless to whoever reads it.
fn told(bytes: &[u8], found: &[Diagnostic]) {
    for diagnostic in found {
        diagnostic.span.iter().for_each(|span| within(bytes, *span));
        diagnostic.related.iter().for_each(|related| within(bytes, related.span));
        assert!(!diagnostic.code.is_empty() && !diagnostic.message.is_empty());
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    // The file may have changed since it was read, or be gone.
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    let shifted = format!("ä{text}");
    for source in [Some(text), Some(half), Some(shifted), None] {
        let shown = written(Format::Text, found, source.as_deref(), false);
        super::assert_harmless(&shown);
        written(Format::Text, found, source.as_deref(), true);
    }
    for format in [Format::Json, Format::Sarif] {
        let document = written(format, found, None, false);
        super::assert_harmless(&document);
        serde_json::from_str::<serde_json::Value>(&document).expect("a JSON document");
    }
    let commands = written(Format::Github, found, None, false);
    let lines: Vec<_> = commands.lines().collect();
    assert!(lines.len() == found.len(), "one command for each: {commands:?}");
    for line in lines {
        assert!(line.starts_with("::error ") || line.starts_with("::warning "), "{line:?}");
        super::assert_plain(line);
    }
}

fn written(format: Format, found: &[Diagnostic], source: Option<&str>, color: bool) -> String {
    let mut out = Vec::new();
    let sources = |_: &str| source.map(str::to_owned);
    render::diagnostics(format, found, &sources, color, &mut out).expect("a vector can be written to");
    String::from_utf8(out).expect("the output is UTF-8")
}

fn within(bytes: &[u8], span: Span) {
    assert!(span.start <= span.end && span.end <= bytes.len(), "{span:?} of {} bytes", bytes.len());
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(
            Span::locate(text, span.start, span.end),
            span,
            "the span is at characters, and lines agree"
        );
    }
}
