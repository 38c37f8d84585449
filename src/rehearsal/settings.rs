//! What a rehearsal is started with: where it listens and keeps things, its clock, the app's keys and its accounts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::mastodon::MastodonSetup;

/// Milliseconds since the Unix epoch. It must tick, or nothing that is being processed ever gets ready.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Every scope the stand-in knows (TikTok docs `sc`, read 2026-11-22).
pub const SCOPES: [&str; 6] = [
    "user.info.basic",
    "user.info.profile",
    "user.info.stats",
    "video.list",
    "video.publish",
    "video.upload",
];

const PROCESSING_DEFAULT: Duration = Duration::from_millis(300);
const MODERATION_DEFAULT_MS: i64 = 500;
/// Life of an access token, in seconds (TikTok docs `oat`, 2026-11-05).
const ACCESS_LIFE_S: i64 = 7_200;
/// Life of a refresh token, in seconds (TikTok docs `oat`, 2026-11-05).
const REFRESH_LIFE_S: i64 = 15_552_000;
/// The same on Bluesky: 90 days (packages/pds, read 2026-11-22).
const BLUESKY_REFRESH_LIFE_S: i64 = 90 * 24 * 60 * 60;
/// What a client that publishes on Mastodon needs (its documentation, api/oauth-scopes, read 2026-11-22).
const MASTODON_SCOPES: [&str; 4] = ["profile", "read:statuses", "write:media", "write:statuses"];
/// "About 15 posts" in 24 hours (TikTok docs `csg`, 2026-08-04).
const POSTS_PER_DAY: usize = 15;
/// Ten minutes, the API's maximum (TikTok docs `mt`, read 2026-11-22).
const DURATION_MAX_S: i64 = 600;

/// How to start a rehearsal. [`Options::default`] is a good one: loopback, a free port, the system clock, no accounts.
pub struct Options {
    /// Where publications, grants and media are kept across restarts. Without it they live in a temporary
    /// directory that goes away when the rehearsal stops.
    pub dir: Option<PathBuf>,
    /// Loopback only; anything else is refused.
    pub listen: SocketAddr,
    /// Served read-only at `/content/`, as the media host that the platform pulls from.
    pub content: Option<PathBuf>,
    pub clock: Clock,
    pub accounts: Vec<AccountSetup>,
    /// How long a post is processed after its last byte has arrived.
    pub processing: Duration,
    pub client_key: String,
    pub client_secret: String,
    /// Registered redirect addresses; a port of `*` stands for any (TikTok docs `lkd`, read 2026-11-22).
    pub redirect_uris: Vec<String>,
    /// Answer OAuth errors with HTTP 200, as the real endpoint sometimes does.
    pub oauth_errors_with_200: bool,
    /// How the Mastodon server is configured.
    pub mastodon: MastodonSetup,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            dir: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            content: None,
            clock: system_clock(),
            accounts: Vec::new(),
            processing: PROCESSING_DEFAULT,
            client_key: "rehearsal-key".to_owned(),
            client_secret: "rehearsal-secret".to_owned(),
            redirect_uris: ["http://127.0.0.1:*/callback/", "http://localhost:*/callback/"]
                .map(str::to_owned)
                .to_vec(),
            oauth_errors_with_200: false,
            mastodon: MastodonSetup::default(),
        }
    }
}

/// The wall clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// One creator, and how the platform treats them. The default is what a newcomer has: an app that was not audited
/// and a private account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSetup {
    /// The name that our side uses, for [`issue_grant`](super::Rehearsal::issue_grant) and on the feed.
    pub name: String,
    #[serde(default)]
    pub network: Network,
    /// On Bluesky the handle, on Mastodon the name without the host.
    pub username: String,
    pub nickname: String,
    pub private: bool,
    /// Whether the app passed the audit for direct posts.
    pub audited: bool,
    /// What the app is approved for and the creator grants.
    pub scopes: Vec<String>,
    pub comment_disabled: bool,
    pub duet_disabled: bool,
    pub stitch_disabled: bool,
    pub max_video_post_duration_sec: i64,
    /// An error code such as `spam_risk_too_many_posts` that bars the creator from posting at present.
    pub barred: Option<String>,
    /// Each post fails with this reason after processing.
    pub fail_reason: Option<String>,
    /// The creator's app is older than 31.8, too old for photo drafts.
    pub app_outdated: bool,
    pub posts_per_day: usize,
    pub access_life_s: i64,
    pub refresh_life_s: i64,
    /// From "published" to the public post id.
    pub moderation_ms: i64,
    pub id_style: IdStyle,
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    #[default]
    Tiktok,
    Bluesky,
    Mastodon,
}

/// In which of the shapes seen so far `publicaly_available_post_id` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdStyle {
    Integers,
    Strings,
    Integer,
    String,
}

impl AccountSetup {
    pub fn new(name: &str) -> Self {
        AccountSetup {
            name: name.to_owned(),
            network: Network::Tiktok,
            username: name.replace('-', "_"),
            nickname: name.to_owned(),
            private: true,
            audited: false,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            comment_disabled: false,
            duet_disabled: false,
            stitch_disabled: false,
            max_video_post_duration_sec: DURATION_MAX_S,
            barred: None,
            fail_reason: None,
            app_outdated: false,
            posts_per_day: POSTS_PER_DAY,
            access_life_s: ACCESS_LIFE_S,
            refresh_life_s: REFRESH_LIFE_S,
            moderation_ms: MODERATION_DEFAULT_MS,
            id_style: IdStyle::Integers,
        }
    }

    /// A public account whose app was audited: everything is allowed.
    pub fn audited(name: &str) -> Self {
        AccountSetup { private: false, audited: true, ..AccountSetup::new(name) }
    }

    /// An account on Bluesky.
    pub fn bluesky(name: &str, handle: &str) -> Self {
        AccountSetup {
            network: Network::Bluesky,
            username: handle.to_owned(),
            private: false,
            refresh_life_s: BLUESKY_REFRESH_LIFE_S,
            ..AccountSetup::new(name)
        }
    }

    /// An account on Mastodon. `fail_reason` lets its videos fail, and `barred` is a suspension.
    pub fn mastodon(name: &str, username: &str) -> Self {
        AccountSetup {
            network: Network::Mastodon,
            username: username.to_owned(),
            private: false,
            scopes: MASTODON_SCOPES.map(str::to_owned).to_vec(),
            ..AccountSetup::new(name)
        }
    }
}
