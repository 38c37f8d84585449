//! A project in a temporary directory, an account at a scripted server, and a clock that is set.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::domain::capability::Knowledge;
use crate::domain::grant::Grant;
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::manifest::post::post;
use crate::domain::manifest::report::Report;
use crate::domain::manifest::{Post, parse::parse};
use crate::domain::media::{Container, FileStamp, Image, ImageFormat, Medium, Probe, Video, VideoCodec};
use crate::domain::payload::Payload;
use crate::domain::project::{Account, Mode};
use crate::domain::publication::Checkpoint;
use crate::domain::span::{Located, Span};
use crate::platform::http::Http;
use crate::platform::testing::{Answer, Server};
use crate::platform::tiktok::Tiktok;
use crate::platform::{Job, Keys, Platform, Prepared};
use crate::secret::Secret;

pub(super) fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("timestamp")
}

pub(super) fn located<T>(value: T) -> Located<T> {
    Located::new(value, Span::default())
}

pub(in crate::platform::tiktok) fn account(mode: Mode, audited: bool, endpoint: Option<&str>) -> Account {
    Account {
        name: located("brand".parse().expect("name")),
        platform: PlatformId::Tiktok,
        handle: None,
        server: None,
        audited: Some(located(audited)),
        known: Knowledge::Nothing,
        mode: located(mode),
        endpoint: endpoint.map(|url| located(url.to_owned())),
        client_key_env: None,
        client_secret_env: Some("OTHER_SECRET".into()),
        business_id: None,
        business_token_env: None,
        quiet: None,
        span: Span::default(),
    }
}

pub(in crate::platform::tiktok) fn adapter(account: Account) -> Tiktok {
    let keys: Keys = Arc::new(|name| match name {
        "TIKTOK_CLIENT_KEY" => Some(Secret::new("app-key")),
        "OTHER_SECRET" => Some(Secret::new("app-secret")),
        _ => None,
    });
    Tiktok::new(account, Http::default(), keys)
}

pub(super) fn grant() -> Grant {
    Grant {
        access: Secret::new("act.canary"),
        refresh: Some(Secret::new("rft.canary")),
        app: None,
        expires_at: start() + SignedDuration::from_hours(2),
        refresh_expires_at: None,
        scopes: ["video.publish", "video.upload", "video.list"].map(str::to_owned).to_vec(),
        subject: "open-id".into(),
    }
}

/// A good video, before a test spoils it.
pub(super) fn video() -> Video {
    Video {
        container: Container::Mp4,
        codec: VideoCodec::H264,
        width: 1_080,
        height: 1_920,
        rotation: 0,
        duration_ms: Some(10_000),
        frames_per_1000_s: Some(29_970),
        audio: None,
        moov_at_front: Some(true),
    }
}

/// A good photo, likewise.
pub(super) fn image() -> Image {
    Image { format: ImageFormat::Jpeg, width: 1_080, height: 1_920, orientation: 1, animated: false }
}

pub(super) fn file(probe: Probe, size: u64, url: Option<&str>) -> Medium {
    let stamp = FileStamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };
    let digest = ContentDigest([0; 32]);
    Medium::File { path: "a".into(), size, digest, stamp, probe, url: url.map(str::to_owned) }
}

pub(super) fn manifest(yaml: &str) -> Post {
    let report = Report::new("content/a.yaml");
    let node = parse(yaml.as_bytes(), &report).expect("YAML");
    let decoded = post(&node, &TimeZone::UTC, &report);
    decoded.post.unwrap_or_else(|| panic!("no post: {:?}", report.into_diagnostics()))
}

pub(super) fn prepare(account: Account, yaml: &str, media: &[Medium]) -> Prepared {
    let post = manifest(yaml);
    adapter(account).prepare(&post, &post.targets[0], media)
}

/// Everything that a step needs, with the state that the steps before left behind.
pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) tiktok: Tiktok,
    pub(super) job: Job,
    _content: tempfile::TempDir,
}

impl Scene {
    /// A post as `yaml` describes it, with one medium: a video file of `size` bytes, or what `media` says.
    pub(super) async fn new(mode: Mode, yaml: &str, media: Media) -> Scene {
        let server = Server::start([]).await;
        let content = tempfile::tempdir().expect("a directory");
        let media = match media {
            Media::Upload(size) => vec![written(content.path().join("a.mp4"), size)],
            Media::Pull => vec![Medium::Url { url: "https://media.example.com/a.mp4".into() }],
            Media::Photos => {
                vec![file(Probe::Image(image()), 9, Some("https://media.example.com/1.jpg"))]
            }
        };
        let account = account(mode, true, Some(&server.endpoint));
        let payload = prepare(account.clone(), yaml, &media).payload.expect("a payload");
        let job = job(payload, content.path().to_owned());
        Scene { server, tiktok: adapter(account), job, _content: content }
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.job.now += SignedDuration::from_secs(seconds);
    }

    /// So much time passes on every clock, those that nobody sets included.
    pub(super) async fn pass(&mut self, seconds: u64) {
        pass_steadily(Duration::from_secs(seconds)).await;
        self.wait(seconds.cast_signed());
    }

    /// The publish request leaves now.
    pub(super) fn intend(&mut self) {
        self.job.intended_at = Some(self.job.now);
    }

    pub(super) fn keep(&mut self, checkpoint: &Checkpoint) {
        self.job.checkpoint = Some(checkpoint.clone());
    }

    /// Another process: all that is known is what is recorded.
    pub(super) fn restart(&mut self) {
        self.tiktok = adapter(account(Mode::Direct, true, Some(&self.server.endpoint)));
    }

    /// What the requests so far were for.
    pub(super) fn requests(&self) -> Vec<String> {
        self.server.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }
}

/// So much time passes on the clock that nobody sets.
pub(super) async fn pass_steadily(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(super) enum Media {
    Upload(usize),
    Pull,
    Photos,
}

fn written(path: PathBuf, size: usize) -> Medium {
    let block: Vec<u8> = (0..9_973).map(|n| (n % 251) as u8).collect();
    let mut bytes = block.repeat(size / block.len() + 1);
    bytes.truncate(size);
    std::fs::write(&path, &bytes).expect("write");
    let metadata = std::fs::metadata(&path).expect("metadata");
    Medium::File {
        path: "a.mp4".into(),
        size: size as u64,
        digest: ContentDigest([0; 32]),
        stamp: crate::platform::upload::stamp_of(&metadata),
        probe: Probe::Video(video()),
        url: None,
    }
}

fn job(payload: Payload, content: PathBuf) -> Job {
    Job {
        payload: Arc::new(payload),
        content,
        checkpoint: None,
        key: crate::domain::ids::ContentDigest([7; 32]),
        remote: Default::default(),
        publish_at: None,
        now: start(),
        intended_at: None,
        taken: Arc::default(),
        look_back_to: None,
        reason: None,
        progress: Default::default(),
        log: Default::default(),
    }
}

pub(super) fn ok(data: Value) -> Answer {
    Answer::Json(200, json!({ "data": data, "error": { "code": "ok", "message": "", "log_id": "L" } }))
}

pub(super) fn refused(status: u16, code: &str) -> Answer {
    Answer::Json(status, json!({ "data": {}, "error": { "code": code, "message": "m", "log_id": "L" } }))
}

pub(super) fn creator() -> Answer {
    ok(json!({
        "creator_username": "brand.official", "creator_nickname": "Brand", "max_video_post_duration_sec": 300,
        "privacy_level_options": ["PUBLIC_TO_EVERYONE", "SELF_ONLY"],
    }))
}

impl Scene {
    pub(super) fn init(&self, publish_id: &str) -> Answer {
        let url = format!("{}/upload/?upload_id=1&upload_token=canary", self.server.endpoint);
        ok(json!({ "publish_id": publish_id, "upload_url": url }))
    }
}

pub(super) fn status(status: &str, more: Value) -> Answer {
    let mut data = json!({ "status": status });
    for (key, value) in more.as_object().expect("an object") {
        data[key] = value.clone();
    }
    ok(data)
}

pub(super) fn chunk(status: u16) -> Answer {
    Answer::Plain(status, "", String::new())
}
