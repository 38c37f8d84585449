//! Reads a reply from its bytes alone, as a request's answer is read: so that tests can feed it anything without a
//! server. Everything here leads to the functions that requests use.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::client::{Client, operation};
use super::types::{self, CreatorInfo, Found, Init, Status, UserInfo, Videos};
use super::{business, media, oauth, research};
use crate::platform::http::{Decoded, Effect, Http, Reply};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    CreatorInfo,
    /// Any of the inits, and the address that it names for an upload.
    Init,
    Status,
    UserInfo,
    Videos,
    /// Live posts by their ids.
    Found,
    Token,
    Chunk,
    /// Below a video, by the API for Business, and what became of an answer there.
    Comments,
    Answer,
    /// Likewise, by the Research API.
    Research,
}

impl Asked {
    pub const ALL: [Asked; 11] = [
        Asked::CreatorInfo,
        Asked::Init,
        Asked::Status,
        Asked::UserInfo,
        Asked::Videos,
        Asked::Found,
        Asked::Token,
        Asked::Chunk,
        Asked::Comments,
        Asked::Answer,
        Asked::Research,
    ];
}

/// Whether the reply is a good one, and the platform's id of the request.
pub fn read(asked: Asked, effect: Effect, reply: &Reply) -> Decoded<()> {
    match asked {
        Asked::CreatorInfo => api::<CreatorInfo>(operation::CREATOR_INFO, effect, reply, |_| Ok(())),
        Asked::Init => api::<Init>(operation::VIDEO_INIT, effect, reply, |init| match init.upload_url {
            Some(url) => TIKTOK.check_upload_url(&url).map(drop),
            None => Ok(()),
        }),
        Asked::Status => api::<Status>(operation::STATUS, effect, reply, |status| {
            let _ = (status.progress(), status.uploaded());
            Ok(())
        }),
        Asked::UserInfo => api::<UserInfo>(operation::USER_INFO, effect, reply, |_| Ok(())),
        Asked::Videos => api::<Videos>(operation::VIDEO_LIST, effect, reply, |_| Ok(())),
        Asked::Found => api::<Found>(operation::VIDEO_QUERY, effect, reply, |_| Ok(())),
        Asked::Token => {
            let Decoded { result, log_id } = oauth::decode(operation::TOKEN, effect, reply);
            let result = result.and_then(|body| oauth::read_grant(&body, Timestamp::UNIX_EPOCH));
            Decoded { result: result.map(drop), log_id }
        }
        Asked::Comments => {
            let Decoded { result, log_id } = business::decode(business::operation::COMMENTS, effect, reply);
            Decoded { result: result.map(|page| drop(business::listed(page))), log_id }
        }
        Asked::Answer => {
            let Decoded { result, log_id } =
                business::decode::<business::Created>(business::operation::REPLY, effect, reply);
            Decoded { result: result.map(drop), log_id }
        }
        Asked::Research => api::<research::Page>(research::OPERATION, effect, reply, |page| {
            drop(research::listed(page.comments.unwrap_or_default(), page.cursor));
            Ok(())
        }),
        Asked::Chunk => Decoded { result: media::judge(effect, reply).map(drop), log_id: None },
    }
}

static TIKTOK: LazyLock<Client> = LazyLock::new(|| Client::new(Http::default(), None));

fn api<T: serde::de::DeserializeOwned>(
    operation: &'static str,
    effect: Effect,
    reply: &Reply,
    use_it: impl FnOnce(T) -> Result<(), crate::platform::Error>,
) -> Decoded<()> {
    let Decoded { result, log_id } = types::decode::<T>(operation, effect, reply);
    Decoded { result: result.and_then(use_it), log_id }
}
