//! What a TikTok payload holds, frozen when an attempt starts, and the requests that are made of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::checkpoint::Creator;
use super::media;
use super::options::{Allow, Disclosure, Privacy};
use crate::domain::media::Medium;
use crate::domain::payload::Payload;
use crate::domain::project::Mode;
use crate::platform::{Error, stored};

/// The form of [`Body`]; another one gets another number.
pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Video,
    Photos,
}

/// All that TikTok gets to see but the media. Its JSON form decides whether a post has changed: what is at its default
/// is left out, and a video draft holds no text, since TikTok takes none (TikTok docs `up`, read 2026-11-22).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) v: u32,
    pub(super) mode: Mode,
    pub(super) kind: Kind,
    /// There in direct mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) privacy: Option<Privacy>,
    /// A video's caption, a photo post's description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) title: String,
    /// Sorted, each once; `disclosure` likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) allow: Vec<Allow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) disclosure: Vec<Disclosure>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) ai_generated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cover_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) cover: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) auto_music: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Body {
    /// The body of a payload from the ledger.
    pub(super) fn read(payload: &Payload) -> Result<Body, Error> {
        stored::body(payload, VERSION)
    }

    pub(super) fn is_direct(&self) -> bool {
        self.mode == Mode::Direct
    }

    pub(super) fn is_public(&self) -> bool {
        self.privacy == Some(Privacy::Public)
    }

    /// What `video/init` (direct mode) or `inbox/video/init` is asked for (TikTok docs `dp`, `up`, read 2026-11-22).
    pub(super) fn video_request(&self, medium: &Medium, creator: Option<&Creator>) -> Value {
        let source = match medium {
            Medium::Url { url } => json!({ "source": "PULL_FROM_URL", "video_url": url }),
            Medium::File { size, .. } => {
                let chunks = media::chunks(*size);
                json!({ "source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunks.size,
                        "total_chunk_count": chunks.count })
            }
        };
        match self.is_direct() {
            false => json!({ "source_info": source }),
            true => json!({ "post_info": self.video_info(creator), "source_info": source }),
        }
    }

    fn video_info(&self, creator: Option<&Creator>) -> Value {
        let mut info = self.common_info(creator);
        info["title"] = self.text.as_str().into();
        info["disable_duet"] = self.disables(Allow::Duet, creator.is_some_and(|c| c.duet_disabled)).into();
        info["disable_stitch"] =
            self.disables(Allow::Stitch, creator.is_some_and(|c| c.stitch_disabled)).into();
        info["is_aigc"] = self.ai_generated.into();
        if let Some(ms) = self.cover_ms {
            info["video_cover_timestamp_ms"] = ms.into();
        }
        info
    }

    /// The toggles are sent even when off: one table of the documentation calls them required.
    fn common_info(&self, creator: Option<&Creator>) -> Value {
        json!({
            "privacy_level": self.privacy.unwrap_or(Privacy::SelfOnly).level(),
            "disable_comment": self.disables(Allow::Comment, creator.is_some_and(|c| c.comment_disabled)),
            "brand_content_toggle": self.disclosure.contains(&Disclosure::PaidPartnership),
            "brand_organic_toggle": self.disclosure.contains(&Disclosure::OwnBrand),
        })
    }

    fn disables(&self, what: Allow, by_creator: bool) -> bool {
        by_creator || !self.allow.contains(&what)
    }

    /// What `content/init` is asked for (TikTok docs `ph`, read 2026-11-22).
    pub(super) fn photo_request(&self, urls: &[&str], creator: Option<&Creator>) -> Value {
        let mut info = if self.is_direct() { self.common_info(creator) } else { json!({}) };
        if self.is_direct() {
            info["auto_add_music"] = self.auto_music.into();
        }
        if !self.title.is_empty() {
            info["title"] = self.title.as_str().into();
        }
        if !self.text.is_empty() {
            info["description"] = self.text.as_str().into();
        }
        let mut request = json!({
            "media_type": "PHOTO",
            "post_mode": if self.is_direct() { "DIRECT_POST" } else { "MEDIA_UPLOAD" },
            "post_info": info,
            "source_info": { "source": "PULL_FROM_URL", "photo_images": urls, "photo_cover_index": self.cover },
        });
        // Documented on one copy of the page only, so it is sent only when it is wanted.
        if self.ai_generated {
            request["is_aigc"] = true.into();
        }
        request
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn video(mode: Mode) -> Body {
        Body {
            v: VERSION,
            mode,
            kind: Kind::Video,
            privacy: (mode == Mode::Direct).then_some(Privacy::SelfOnly),
            text: String::new(),
            title: String::new(),
            allow: Vec::new(),
            disclosure: Vec::new(),
            ai_generated: false,
            cover_ms: None,
            cover: 0,
            auto_music: false,
        }
    }

    fn url() -> Medium {
        Medium::Url { url: "https://media.example.com/a.mp4".into() }
    }

    #[test]
    fn options_at_their_default_leave_no_trace_in_the_digest() {
        assert_eq!(
            serde_json::to_string(&video(Mode::Draft)).expect("json"),
            r#"{"v":1,"mode":"draft","kind":"video"}"#
        );
    }

    #[test]
    fn a_draft_is_asked_for_without_post_info() {
        let request = video(Mode::Draft).video_request(&url(), None);
        assert_eq!(
            request,
            json!({ "source_info": { "source": "PULL_FROM_URL", "video_url": "https://media.example.com/a.mp4" } })
        );
    }

    #[test]
    fn what_is_not_allowed_is_turned_off_and_the_creators_own_settings_win() {
        let mut body = Body { cover_ms: Some(1_200), text: "Hi #tag".into(), ..video(Mode::Direct) };
        let creator = Creator { duet_disabled: true, ..Creator::default() };
        body.allow = vec![Allow::Comment, Allow::Duet];
        body.disclosure = vec![Disclosure::OwnBrand];
        let request = body.video_request(&url(), Some(&creator));
        assert_eq!(
            request["post_info"],
            json!({
                "title": "Hi #tag", "privacy_level": "SELF_ONLY", "disable_comment": false, "disable_duet": true,
                "disable_stitch": true, "brand_content_toggle": false, "brand_organic_toggle": true,
                "is_aigc": false, "video_cover_timestamp_ms": 1200
            })
        );
    }

    #[test]
    fn photos_of_both_modes_are_asked_for_as_documented() {
        let body =
            Body { kind: Kind::Photos, title: "T".into(), text: "D".into(), cover: 1, ..video(Mode::Direct) };
        let urls = ["https://m.example/1.jpg", "https://m.example/2.jpg"];
        let source = json!({ "source": "PULL_FROM_URL", "photo_images": urls, "photo_cover_index": 1 });
        assert_eq!(
            body.photo_request(&urls, None),
            json!({
                "media_type": "PHOTO", "post_mode": "DIRECT_POST", "source_info": source,
                "post_info": { "title": "T", "description": "D", "privacy_level": "SELF_ONLY", "disable_comment": true,
                    "brand_content_toggle": false, "brand_organic_toggle": false, "auto_add_music": false }
            })
        );
        let draft = Body { mode: Mode::Draft, privacy: None, ..body };
        assert_eq!(
            draft.photo_request(&urls, None),
            json!({
                "media_type": "PHOTO", "post_mode": "MEDIA_UPLOAD", "source_info": source,
                "post_info": { "title": "T", "description": "D" }
            })
        );
    }
}
