//! What makes an unfinished post resumable: written to the ledger as JSON, read by this adapter only.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::limits::UPLOAD_URL_LIFE;
use super::media;
use super::options::Privacy;
use super::types::CreatorInfo;
use crate::domain::publication::Checkpoint as Stored;
use crate::platform::{Error, stored};

const VERSION: u32 = 1;

/// A direct post needs a fresh creator_info right before it (TikTok docs `csg`, 2026-08-04).
const CREATOR_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// An upload URL this near to its end is not used any more.
const UPLOAD_URL_MARGIN: SignedDuration = SignedDuration::from_mins(3);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoint {
    pub(super) v: u32,
    /// Whether the account was looked through for this very post before anything was sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) looked_back: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) creator: Option<Creator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) publish_id: Option<String>,
    /// There while bytes are to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<Upload>,
    /// Inits so far in this attempt, and corrections of the offset since the last one: both have a bound.
    pub(super) inits: u32,
    pub(super) resyncs: u32,
    /// How often the last chunk of this upload was found not to have arrived, and is sent again: it has a bound.
    pub(super) resends: u32,
    /// Whether the platform has all of it, by its own word.
    pub(super) accepted: bool,
    /// How far it was seen to get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Seen>,
    /// All public ids, of which there may be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) post_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Seen {
    Inbox,
    Complete,
}

/// A snapshot of creator_info.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Creator {
    pub(super) username: String,
    pub(super) nickname: String,
    pub(super) privacy_levels: Vec<String>,
    pub(super) comment_disabled: bool,
    pub(super) duet_disabled: bool,
    pub(super) stitch_disabled: bool,
    pub(super) duration_s_max: Option<i64>,
    pub(super) queried_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) url: UploadUrl,
    pub(super) issued_at: Timestamp,
    pub(super) total: u64,
    /// Where the next chunk begins.
    pub(super) offset: u64,
}

/// Whoever has it may upload: it is kept in the ledger and shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct UploadUrl(pub(super) String);

impl fmt::Debug for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadUrl(…)")
    }
}

impl Default for Checkpoint {
    fn default() -> Checkpoint {
        Checkpoint {
            v: VERSION,
            looked_back: false,
            creator: None,
            publish_id: None,
            upload: None,
            inits: 0,
            resyncs: 0,
            resends: 0,
            accepted: false,
            seen: None,
            post_ids: Vec::new(),
            url: None,
        }
    }
}

impl Checkpoint {
    pub(super) fn read(from: Option<&Stored>) -> Result<Checkpoint, Error> {
        stored::checkpoint(from, VERSION)
    }

    pub(super) fn store(&self) -> Stored {
        serde_json::to_value(self).expect("a checkpoint is made of texts, numbers and lists")
    }

    /// The creator's settings, if they were asked for just now.
    pub(super) fn fresh_creator(&self, now: Timestamp) -> Option<&Creator> {
        self.creator.as_ref().filter(|creator| now.duration_since(creator.queried_at).abs() < CREATOR_LIFE)
    }

    /// The upload, if its URL is still good.
    pub(super) fn live_upload(&self, now: Timestamp) -> Option<(&str, &Upload)> {
        let id = self.publish_id.as_deref()?;
        self.upload.as_ref().filter(|upload| upload.is_live(now)).map(|upload| (id, upload))
    }

    /// What is left when all that was staged is of no use any more.
    pub(super) fn anew(&self) -> Checkpoint {
        Checkpoint { inits: self.inits, ..Checkpoint::default() }
    }

    /// Forgets an upload that can never be completed any more.
    pub(super) fn without_upload(self) -> Checkpoint {
        Checkpoint { publish_id: None, upload: None, resyncs: 0, resends: 0, ..self }
    }

    pub(super) fn at_offset(self, offset: u64) -> Checkpoint {
        Checkpoint { upload: self.upload.map(|upload| Upload { offset, ..upload }), ..self }
    }
}

impl Upload {
    fn is_live(&self, now: Timestamp) -> bool {
        let life = SignedDuration::try_from(UPLOAD_URL_LIFE).unwrap_or(SignedDuration::ZERO);
        now.duration_since(self.issued_at) < life - UPLOAD_URL_MARGIN
    }

    /// Whether the next chunk is the last one, which publishes.
    pub(super) fn is_at_last(&self) -> bool {
        self.offset >= media::last_start(self.total)
    }
}

impl Creator {
    pub(super) fn new(info: CreatorInfo, queried_at: Timestamp) -> Creator {
        Creator {
            username: info.creator_username,
            nickname: info.creator_nickname,
            privacy_levels: info.privacy_level_options,
            comment_disabled: info.comment_disabled,
            duet_disabled: info.duet_disabled,
            stitch_disabled: info.stitch_disabled,
            duration_s_max: info.max_video_post_duration_sec,
            queried_at,
        }
    }

    /// The privacy that the account offers, in the words that authors write.
    pub(super) fn privacy_words(&self) -> String {
        let word = |level: &String| match Privacy::from_level(level) {
            Some(privacy) => privacy.word().to_owned(),
            None => crate::platform::error::foreign(level),
        };
        self.privacy_levels.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Checkpoint {
        let at = "2026-11-22T10:00:00Z".parse().expect("timestamp");
        Checkpoint {
            creator: Some(Creator { queried_at: at, ..Creator::default() }),
            publish_id: Some("v_pub_file~1".into()),
            upload: Some(Upload {
                url: UploadUrl("https://x?upload_token=t".into()),
                issued_at: at,
                total: 9,
                offset: 0,
            }),
            ..Checkpoint::default()
        }
    }

    #[test]
    fn checkpoints_survive_storage_and_show_no_upload_url() {
        let checkpoint = full();
        assert_eq!(Checkpoint::read(Some(&checkpoint.store())).expect("read"), checkpoint);
        assert!(!format!("{checkpoint:?}").contains("upload_token"));
        let mut other = checkpoint.store();
        other["v"] = 2.into();
        assert_eq!(Checkpoint::read(Some(&other)).expect_err("version").code, "foreign-checkpoint");
        other["upload"] = "https://x?upload_token=t".into();
        assert!(!Checkpoint::read(Some(&other)).expect_err("form").to_string().contains("upload_token"));
    }

    #[test]
    fn creator_info_lasts_minutes_and_an_upload_url_less_than_an_hour() {
        let checkpoint = full();
        let start: Timestamp = "2026-11-22T10:00:00Z".parse().expect("timestamp");
        for (minutes, creator, upload) in
            [(0, true, true), (4, true, true), (5, false, true), (56, false, true), (57, false, false)]
        {
            let now = start + SignedDuration::from_mins(minutes);
            assert_eq!(checkpoint.fresh_creator(now).is_some(), creator, "{minutes}");
            assert_eq!(checkpoint.live_upload(now).is_some(), upload, "{minutes}");
        }
    }
}
