//! An account at a scripted server, and what its steps need.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::domain::capability::Knowledge;
use crate::domain::grant::Grant;
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::manifest::parse::parse;
use crate::domain::manifest::post::post;
use crate::domain::manifest::report::Report;
use crate::domain::media::{Container, FileStamp, Image, ImageFormat, Medium, Probe, Video, VideoCodec};
use crate::domain::project::{Account, Mode};
use crate::domain::publication::Checkpoint;
use crate::domain::span::{Located, Span};
use crate::platform::bluesky::Bluesky;
use crate::platform::http::Http;
use crate::platform::testing::{Answer, Server};
use crate::platform::{Error, Job, Platform, Prepared, Sent, Staged};
use crate::secret::Secret;

pub(super) const DID: &str = "did:plc:abc";

pub(super) fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("timestamp")
}

pub(super) fn account(endpoint: Option<&str>) -> Account {
    let located = |text: &str| Located::new(text.to_owned(), Span::default());
    Account {
        name: Located::new("sky".parse().expect("name"), Span::default()),
        platform: PlatformId::Bluesky,
        handle: Some(located("brand.example")),
        server: None,
        audited: None,
        known: Knowledge::Nothing,
        mode: Located::new(Mode::Direct, Span::default()),
        endpoint: endpoint.map(located),
        client_key_env: None,
        client_secret_env: None,
        business_id: None,
        business_token_env: None,
        quiet: None,
        span: Span::default(),
    }
}

pub(super) fn grant() -> Grant {
    Grant {
        access: Secret::new("access.canary"),
        refresh: Some(Secret::new("refresh.canary")),
        app: None,
        expires_at: start() + SignedDuration::from_hours(2),
        refresh_expires_at: None,
        scopes: vec!["com.atproto.appPass".into()],
        subject: DID.into(),
    }
}

pub(super) fn image(format: ImageFormat, size: u64) -> Medium {
    file(Probe::Image(Image { format, width: 3_000, height: 2_000, orientation: 6, animated: false }), size)
}

pub(super) fn video(container: Container, size: u64, seconds: u64) -> Medium {
    let video = Video {
        container,
        codec: VideoCodec::H264,
        width: 1_080,
        height: 1_920,
        rotation: 0,
        duration_ms: Some(seconds * 1_000),
        frames_per_1000_s: None,
        audio: None,
        moov_at_front: None,
    };
    file(Probe::Video(video), size)
}

pub(super) fn file(probe: Probe, size: u64) -> Medium {
    let stamp = FileStamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };
    Medium::File { path: "a".into(), size, digest: ContentDigest([0; 32]), stamp, probe, url: None }
}

pub(super) fn prepare(endpoint: Option<&str>, yaml: &str, media: &[Medium]) -> Prepared {
    let report = Report::new("content/a.yaml");
    let node = parse(yaml.as_bytes(), &report).expect("YAML");
    let decoded = post(&node, &TimeZone::UTC, &report);
    let post = decoded.post.unwrap_or_else(|| panic!("no post: {:?}", report.into_diagnostics()));
    Bluesky::new(account(endpoint), Http::default()).prepare(&post, &post.targets[0], media)
}

/// A post and its account, with the state that the steps before left behind.
pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) sky: Bluesky,
    pub(super) job: Job,
    pub(super) grant: Grant,
}

impl Scene {
    pub(super) async fn new(yaml: &str) -> Scene {
        let server = Server::start([]).await;
        let payload = prepare(Some(&server.endpoint), yaml, &[]).payload.expect("a payload");
        let job = Job {
            payload: Arc::new(payload),
            content: std::path::PathBuf::new(),
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
        };
        let sky = Bluesky::new(account(Some(&server.endpoint)), Http::default());
        Scene { server, sky, job, grant: grant() }
    }

    pub(super) async fn stage(&mut self) -> Result<Staged, Error> {
        let staged = self.sky.stage(&self.job, &self.grant).await?;
        let (Staged::More(checkpoint) | Staged::Wait(checkpoint, _) | Staged::Ready(checkpoint)) = &staged;
        self.job.checkpoint = Some(checkpoint.clone());
        Ok(staged)
    }

    pub(super) async fn publish(&self) -> Result<Sent, Error> {
        self.sky.publish(&self.job, &self.grant).await
    }

    /// What is recorded before the request.
    pub(super) fn frozen(&self) -> Value {
        self.job
            .checkpoint
            .as_ref()
            .map_or(Value::Null, |checkpoint: &Checkpoint| checkpoint["frozen"].clone())
    }

    pub(super) fn uri(&self) -> String {
        format!("at://{DID}/app.bsky.feed.post/{}", self.frozen()["rkey"].as_str().expect("a key"))
    }
}

pub(super) fn refused(status: u16, name: &str) -> Answer {
    Answer::Json(status, json!({ "error": name, "message": "m" }))
}
