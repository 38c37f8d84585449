//! An account at a scripted server, and what its steps need.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::domain::capability::decode;
use crate::domain::capability::{Knowledge, Known};
use crate::domain::grant::Grant;
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::manifest::parse::parse;
use crate::domain::manifest::post::post;
use crate::domain::manifest::report::Report;
use crate::domain::media::{Container, FileStamp, Image, ImageFormat, Medium, Probe, Video, VideoCodec};
use crate::domain::project::{Account, Mode};
use crate::domain::span::{Located, Span};
use crate::platform::http::Http;
use crate::platform::mastodon::Mastodon;
use crate::platform::testing::{Answer, Server};
use crate::platform::upload::stamp_of;
use crate::platform::{Error, Job, Platform, Prepared, Sent, Staged};
use crate::secret::Secret;

pub(super) const OWNER: &str = "42";

pub(super) fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("timestamp")
}

pub(super) fn account(endpoint: Option<&str>, known: Option<Known>) -> Account {
    let located = |text: &str| Located::new(text.to_owned(), Span::default());
    Account {
        name: Located::new("toot".parse().expect("name"), Span::default()),
        platform: PlatformId::Mastodon,
        handle: Some(located("brand@example.social")),
        server: None,
        audited: None,
        known: known.map_or(Knowledge::Nothing, |known| Knowledge::Facts(Box::new(known))),
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

/// What `accounts.lock.yaml` says of the account's server: `{software: mastodon}`.
pub(super) fn known(server: &str) -> Known {
    let text = format!("version: 1\naccounts: {{toot: {{read_on: 2026-11-22, server: {server}}}}}\n");
    let report = Report::new("content/accounts.lock.yaml");
    let file = parse(text.as_bytes(), &report).and_then(|node| decode::read(&node, &report));
    file.expect("good facts").accounts.into_values().next().expect("one")
}

pub(super) fn grant() -> Grant {
    Grant {
        access: Secret::new("access.canary"),
        refresh: None,
        app: Some(Secret::new(r#"{"client_id":"id.canary","client_secret":"secret.canary"}"#)),
        expires_at: Timestamp::MAX,
        refresh_expires_at: None,
        scopes: Vec::new(),
        subject: OWNER.into(),
    }
}

pub(super) fn image(format: ImageFormat, size: u64) -> Medium {
    file(Probe::Image(Image { format, width: 3_000, height: 2_000, orientation: 1, animated: false }), size)
}

pub(super) fn video(container: Container, size: u64, (width, height): (u32, u32)) -> Medium {
    let video = Video {
        container,
        codec: VideoCodec::H264,
        width,
        height,
        rotation: 0,
        duration_ms: Some(1_000),
        frames_per_1000_s: Some(60_000),
        audio: None,
        moov_at_front: None,
    };
    file(Probe::Video(video), size)
}

pub(super) fn file(probe: Probe, size: u64) -> Medium {
    let stamp = FileStamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };
    Medium::File { path: "a".into(), size, digest: ContentDigest([0; 32]), stamp, probe, url: None }
}

pub(super) fn prepare(account: Account, yaml: &str, media: &[Medium]) -> Prepared {
    let report = Report::new("content/a.yaml");
    let node = parse(yaml.as_bytes(), &report).expect("YAML");
    let decoded = post(&node, &TimeZone::UTC, &report);
    let post = decoded.post.unwrap_or_else(|| panic!("no post: {:?}", report.into_diagnostics()));
    Mastodon::new(account, Http::default()).prepare(&post, &post.targets[0], media)
}

/// A post and its account, with the state that the steps before left behind.
pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) toot: Mastodon,
    pub(super) job: Job,
    pub(super) grant: Grant,
    folder: tempfile::TempDir,
}

impl Scene {
    /// `files`: the bytes of the post's images.
    pub(super) async fn new(yaml: &str, files: &[&str], known: Option<Known>) -> Scene {
        let server = Server::start([]).await;
        let folder = tempfile::tempdir().expect("a directory");
        let account = account(Some(&server.endpoint), known);
        let media = media(folder.path(), files);
        let payload = prepare(account.clone(), yaml, &media).payload.expect("a payload");
        let job = Job {
            payload: Arc::new(payload),
            content: folder.path().to_owned(),
            checkpoint: None,
            key: ContentDigest([7; 32]),
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
        Scene { server, toot: Mastodon::new(account, Http::default()), job, grant: grant(), folder }
    }

    /// Another payload for the same post.
    pub(super) fn rewrite(&mut self, yaml: &str, files: &[&str]) {
        let account = account(Some(&self.server.endpoint), None);
        let payload = prepare(account, yaml, &media(self.folder.path(), files)).payload;
        self.job.payload = Arc::new(payload.expect("a payload"));
    }

    pub(super) async fn stage(&mut self) -> Result<Staged, Error> {
        let staged = self.toot.stage(&self.job, &self.grant).await?;
        let (Staged::More(checkpoint) | Staged::Wait(checkpoint, _) | Staged::Ready(checkpoint)) = &staged;
        self.job.checkpoint = Some(checkpoint.clone());
        Ok(staged)
    }

    /// Every step, until the next request is the one that publishes.
    pub(super) async fn staged(&mut self, answers: Vec<Answer>) {
        self.server.then(answers);
        for _ in 0..50 {
            if let Staged::Ready(_) = self.stage().await.expect("a step") {
                return;
            }
        }
        panic!("never ready");
    }

    pub(super) async fn publish(&mut self) -> Result<Sent, Error> {
        self.job.intended_at = Some(self.job.now);
        let sent = self.toot.publish(&self.job, &self.grant).await?;
        match &sent {
            Sent::Published(_, Some(checkpoint))
            | Sent::Partly(_, checkpoint)
            | Sent::Stale(checkpoint, _)
            | Sent::Accepted(checkpoint, _) => self.job.checkpoint = Some(checkpoint.clone()),
            Sent::Published(_, None) => {}
        }
        Ok(sent)
    }

    pub(super) fn saved(&self) -> &Value {
        self.job.checkpoint.as_ref().expect("a checkpoint")
    }

    /// `METHOD path` of each request so far.
    pub(super) fn asked(&self) -> Vec<String> {
        let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
        self.server.seen().iter().map(|seen| format!("{} {}", seen.method, path(&seen.target))).collect()
    }
}

/// Files with these bytes, taken for images.
fn media(folder: &std::path::Path, files: &[&str]) -> Vec<Medium> {
    let medium = |bytes: &&str| {
        let name = format!("{}.png", bytes.len());
        std::fs::write(folder.join(&name), bytes).expect("write");
        let stamp = stamp_of(&std::fs::metadata(folder.join(&name)).expect("metadata"));
        let image =
            Image { format: ImageFormat::Png, width: 10, height: 10, orientation: 1, animated: false };
        Medium::File {
            path: name,
            size: bytes.len() as u64,
            digest: ContentDigest::of(bytes.as_bytes()),
            stamp,
            probe: Probe::Image(image),
            url: None,
        }
    };
    files.iter().map(medium).collect()
}

pub(super) fn refused(status: u16, error: &str) -> Answer {
    Answer::Json(status, json!({ "error": error }))
}

pub(super) fn ok(value: Value) -> Answer {
    Answer::Json(200, value)
}

/// A public post of text.
pub(super) fn status(id: &str, text: &str) -> Value {
    json!({
        "id": id, "url": format!("https://example.social/@brand/{id}"), "created_at": "2026-11-22T10:00:01.000Z",
        "visibility": "public", "spoiler_text": "", "content": format!("<p>{text}</p>"), "in_reply_to_id": null,
        "media_attachments": [], "application": { "name": "gitcast" }, "reblog": null,
    })
}

/// The same with other fields.
pub(super) fn with(mut status: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("fields") {
        status[name] = value.clone();
    }
    status
}
