//! What was performed, for tests, for the feed and for `GET /rehearsal/publications`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Server;
use super::random;
use super::tiktok::{Phase, Publication, Source};
use super::{bluesky, mastodon};

/// Read at once while hashing.
const HASH_BUFFER: usize = 128 * 1024;

#[derive(Clone, Debug, Serialize)]
pub struct PerformedPublication {
    /// Counts from 1 on each platform, in the order of the inits.
    pub number: u64,
    pub platform: &'static str,
    pub publish_id: String,
    pub account: String,
    pub username: String,
    /// `direct` or `inbox`.
    pub mode: &'static str,
    /// `video` or `photo`.
    pub kind: &'static str,
    /// A video's caption, or the title of photos.
    pub title: String,
    /// Photos only.
    pub description: String,
    pub privacy: Option<String>,
    pub toggles: BTreeMap<String, bool>,
    pub cover: Option<i64>,
    /// As `status/fetch` says it.
    pub status: &'static str,
    pub fail_reason: Option<String>,
    /// All that were given, whether or not they can be seen already.
    pub post_ids: Vec<i64>,
    pub media: Vec<PerformedMedia>,
    /// Where the media were pulled from, if they were.
    pub urls: Vec<String>,
    /// The post itself, where it is a record.
    pub record: Option<serde_json::Value>,
    pub created_at: i64,
    pub published_at: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PerformedMedia {
    pub path: PathBuf,
    pub content_type: String,
    pub size: u64,
    /// Where the feed shows it.
    pub href: String,
}

/// An upload that has not got all its bytes.
#[derive(Clone, Debug, Serialize)]
pub struct UploadInProgress {
    pub publish_id: String,
    pub account: String,
    pub received: u64,
    pub size: u64,
}

impl PerformedPublication {
    /// Published, or delivered to the creator's inbox.
    pub fn is_live(&self) -> bool {
        matches!(self.status, "PUBLISH_COMPLETE" | "SEND_TO_USER_INBOX")
    }
}

impl PerformedMedia {
    /// SHA-256 of the bytes that arrived, in hexadecimal. Reads the file each time, so not for an async thread.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self) -> io::Result<String> {
        let mut file = std::fs::File::open(&self.path)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; HASH_BUFFER]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(random::to_hex(&hash.finalize())),
                read => hash.update(&buffer[..read]),
            }
        }
    }
}

pub(super) fn performed(server: &Server) -> Vec<PerformedPublication> {
    let model = server.model();
    let done = model.publications().iter().filter(|publication| publication.phase != Phase::Receiving);
    let mut all: Vec<_> =
        done.map(|publication| view(server, model.username(&publication.account), publication)).collect();
    drop(model);
    all.extend(bluesky::performed(server));
    all.extend(mastodon::performed(server));
    all.sort_by_key(|publication| publication.created_at);
    all
}

pub(super) fn uploads(server: &Server) -> Vec<UploadInProgress> {
    let model = server.model();
    let receiving = model.publications().iter().filter(|publication| publication.phase == Phase::Receiving);
    receiving
        .map(|publication| UploadInProgress {
            publish_id: publication.publish_id.clone(),
            account: publication.account.clone(),
            received: publication.bytes_so_far(),
            size: publication.size(),
        })
        .collect()
}

fn view(server: &Server, username: String, publication: &Publication) -> PerformedPublication {
    let media = publication.media.iter().enumerate().map(|(index, media)| PerformedMedia {
        path: server.store.media_path(&media.file),
        content_type: media.content_type.clone(),
        size: media.size,
        href: format!("/media/{}/{index}", publication.number),
    });
    PerformedPublication {
        number: publication.number,
        platform: "tiktok",
        publish_id: publication.publish_id.clone(),
        account: publication.account.clone(),
        username,
        mode: publication.mode.as_str(),
        kind: publication.kind.as_str(),
        title: publication.post.title.clone(),
        description: publication.post.description.clone(),
        privacy: publication.post.privacy.clone(),
        toggles: publication.post.toggles.clone(),
        cover: publication.post.cover,
        status: publication.status(),
        fail_reason: publication.fail_reason.clone(),
        post_ids: publication.post_id.into_iter().collect(),
        media: media.collect(),
        urls: match &publication.source {
            Source::Pull { urls, .. } => urls.clone(),
            Source::Upload { .. } => Vec::new(),
        },
        record: None,
        created_at: publication.created_at,
        published_at: publication.published_at,
    }
}
