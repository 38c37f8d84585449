//! What the platforms are to the suite: one row each, and no other place that names one.

use gitcast::domain::ids::PlatformId;
use gitcast::rehearsal::{AccountSetup, Action, Fault, MastodonSetup, Options, Replay};
use jiff::{SignedDuration, Timestamp};

use super::World;

/// A platform, or a kind of server that speaks its language.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) platform: PlatformId,
    /// The stand-in, with the account `me`.
    pub(super) stand_in: fn() -> Options,
    /// How `gitcast.yaml` declares the account, without its endpoint.
    pub(super) declared: &'static str,
    /// The account's options in each manifest.
    pub(super) options: &'static str,
    /// The one that takes most requests last.
    pub(super) posts: &'static [Post],
    pub(super) refresh: Option<Refresh>,
    pub(super) limits: &'static [Limit],
    pub(super) refusals: &'static [Refusal],
    /// Replies with values of a kind that nobody has documented: the kind of post, the request, the body.
    pub(super) novelties: &'static [(&'static str, &'static str, &'static str)],
    /// The requests that change a live post and take it away, where there are any.
    pub(super) edit: Option<&'static str>,
    pub(super) delete: Option<&'static str>,
    /// The request with which threads are published, and how many of them one of two posts takes.
    pub(super) thread: Option<(&'static str, u32)>,
}

/// A post with everything that it takes there. Operations go by the stand-in's names.
pub(super) struct Post {
    /// As the stand-in tells it.
    pub(super) kind: &'static str,
    /// Of the manifest; `{url}` is where the stand-in is.
    pub(super) body: &'static str,
    /// The request that may make it public.
    pub(super) publish: &'static str,
    /// A request with the access token that comes early, and one that comes late.
    pub(super) bearers: [&'static str; 2],
    /// Nobody can prove that it is not there: the request that makes it public also makes its id.
    pub(super) may_be_held: bool,
}

/// How tokens are renewed; they rotate wherever they are.
#[derive(Clone, Copy)]
pub(super) struct Refresh {
    pub(super) operation: &'static str,
    /// The answer to a refresh token that has ended.
    pub(super) refusal: (u16, &'static str),
}

/// A "too much" in the platform's own words.
pub(super) struct Limit {
    /// The kind of post, and the request.
    pub(super) at: (&'static str, &'static str),
    pub(super) answer: Answer,
    pub(super) wait: Wait,
}

pub(super) enum Answer {
    /// Status and body, where the stand-in's own limit cannot be set.
    Given(u16, &'static str),
    /// The stand-in's own, with its own headers, once it is set so.
    Own(fn(&World)),
}

/// Where it is said how long.
pub(super) enum Wait {
    /// In headers, for the given seconds from now.
    Told(fn(Timestamp, u32) -> Vec<(&'static str, String)>),
    /// In the stand-in's own header: the end of a window of this length, counted from the epoch.
    Window(SignedDuration),
    /// In the documentation of the code.
    Fixed(SignedDuration),
}

/// The platform's own no to a medium, until it is lifted.
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) arrange: fn(&World),
    pub(super) lift: fn(&World),
    pub(super) words: &'static str,
}

pub(super) static ROWS: [Row; 4] = [TIKTOK, BLUESKY, MASTODON, KEYLESS];

const FILM: &str = "text: A film\nmedia:\n  - file: a.mp4\n    alt: A clip\n";
const PICTURE: &str = "text: A picture\nmedia:\n  - file: a.jpg\n    alt: A sea\n";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn status(world: &World, operation: &str, code: u16, body: &str) {
    world.fault(Fault::next(operation, Action::Status { code, body: Some(body.to_owned()) }));
}

/// A creator's account that everybody sees, as only those get links. Its photos are fetched, at once and in the one
/// request that publishes them.
const TIKTOK: Row = Row {
    name: "tiktok",
    platform: PlatformId::Tiktok,
    stand_in: || Options {
        accounts: vec![AccountSetup { moderation_ms: 0, ..AccountSetup::audited("me") }],
        ..Options::default()
    },
    declared: "platform: tiktok\n    mode: direct\n    audited: true",
    options: "    privacy: public\n",
    posts: &[
        Post {
            kind: "photo",
            body: "text: A picture\nmedia:\n  - url: {url}/content/a.jpg\n    alt: A sea\n",
            publish: "content_init",
            bearers: ["creator_info", "content_init"],
            may_be_held: true,
        },
        Post {
            kind: "video",
            body: FILM,
            publish: "upload",
            bearers: ["creator_info", "status"],
            may_be_held: false,
        },
    ],
    refresh: Some(Refresh {
        operation: "token",
        refusal: (400, r#"{"error":"invalid_grant","error_description":"it has ended","log_id":"1"}"#),
    }),
    limits: &[
        Limit { at: ("video", "video_init"), answer: TIKTOK_RATE, wait: Wait::Fixed(MINUTE) },
        Limit { at: ("photo", "content_init"), answer: TIKTOK_RATE, wait: Wait::Fixed(MINUTE) },
        Limit {
            at: ("video", "creator_info"),
            answer: Answer::Own(|world| world.account(|account| account.posts_per_day = 0)),
            wait: Wait::Fixed(DAY),
        },
    ],
    refusals: &[
        Refusal {
            kind: "video",
            arrange: |world| {
                world.account(|account| account.fail_reason = Some("frame_rate_check_failed".into()))
            },
            lift: |world| world.account(|account| account.fail_reason = None),
            words: "frame_rate_check_failed",
        },
        Refusal {
            kind: "photo",
            arrange: |world| {
                world.account(|account| account.fail_reason = Some("picture_size_check_failed".into()))
            },
            lift: |world| world.account(|account| account.fail_reason = None),
            words: "picture_size_check_failed",
        },
    ],
    novelties: &[(
        "video",
        "status",
        r#"{"data":{"status":"PROCESSING_DREAMS","fail_reason":"","uploaded_bytes":1},"error":{"code":"ok"}}"#,
    )],
    edit: None,
    delete: None,
    thread: None,
};

const TIKTOK_RATE: Answer =
    Answer::Given(429, r#"{"data":{},"error":{"code":"rate_limit_exceeded","message":"x","log_id":"1"}}"#);

const BLUESKY: Row = Row {
    name: "bluesky",
    platform: PlatformId::Bluesky,
    stand_in: || Options { accounts: vec![AccountSetup::bluesky("me", "me.example")], ..Options::default() },
    declared: "platform: bluesky\n    handle: me.example",
    options: "",
    posts: &[
        Post {
            kind: "text",
            body: "text: A text\n",
            publish: "putRecord",
            bearers: ["putRecord", "putRecord"],
            may_be_held: false,
        },
        Post {
            kind: "photo",
            body: PICTURE,
            publish: "putRecord",
            bearers: ["uploadBlob", "putRecord"],
            may_be_held: false,
        },
        Post {
            kind: "video",
            body: FILM,
            publish: "putRecord",
            bearers: ["getServiceAuth", "putRecord"],
            may_be_held: false,
        },
    ],
    refresh: Some(Refresh {
        operation: "refreshSession",
        refusal: (400, r#"{"error":"ExpiredToken","message":"Token has expired"}"#),
    }),
    limits: &[
        Limit { at: ("text", "putRecord"), answer: BLUESKY_RATE, wait: Wait::Told(reset_epoch) },
        Limit { at: ("photo", "uploadBlob"), answer: BLUESKY_RATE, wait: Wait::Told(reset_epoch) },
        Limit { at: ("text", "putRecord"), answer: BLUESKY_RATE, wait: Wait::Told(retry_after) },
    ],
    refusals: &[
        Refusal {
            kind: "photo",
            arrange: |world| {
                let body = r#"{"error":"InvalidMimeType","message":"a picture that is none"}"#;
                status(world, "uploadBlob", 400, body);
            },
            lift: |_| {},
            words: "a picture that is none",
        },
        Refusal {
            kind: "video",
            arrange: |world| {
                let body =
                    r#"{"jobStatus":{"jobId":"j","state":"JOB_STATE_FAILED","error":"encoding_failure"}}"#;
                status(world, "getJobStatus", 200, body);
            },
            lift: |_| {},
            words: "encoding_failure",
        },
    ],
    novelties: &[
        (
            "video",
            "getJobStatus",
            r#"{"jobStatus":{"jobId":"j","state":"JOB_STATE_DREAMING","progress":101}}"#,
        ),
        (
            "text",
            "listRecords",
            r#"{"records":[{"uri":7,"value":{"$type":"app.bsky.feed.post","text":["A text"]}},null]}"#,
        ),
    ],
    edit: None,
    delete: Some("deleteRecord"),
    thread: Some(("applyWrites", 1)),
};

const BLUESKY_RATE: Answer =
    Answer::Given(429, r#"{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}"#);

/// In seconds of the epoch.
fn reset_epoch(now: Timestamp, seconds: u32) -> Vec<(&'static str, String)> {
    vec![("ratelimit-reset", (now.as_second() + i64::from(seconds)).to_string())]
}

/// Beside a window that is over already, or the server's clock is behind.
fn retry_after(now: Timestamp, seconds: u32) -> Vec<(&'static str, String)> {
    vec![("ratelimit-reset", now.as_second().to_string()), ("retry-after", seconds.to_string())]
}

const MASTODON: Row = Row {
    name: "mastodon",
    platform: PlatformId::Mastodon,
    stand_in: || Options { accounts: vec![AccountSetup::mastodon("me", "me")], ..Options::default() },
    declared: "platform: mastodon\n    handle: '@me@example.social'",
    options: "",
    posts: &[
        Post {
            kind: "text",
            body: "text: A text\n",
            publish: "status_create",
            bearers: ["verify_credentials", "status_create"],
            may_be_held: false,
        },
        Post {
            kind: "photo",
            body: PICTURE,
            publish: "status_create",
            bearers: ["media_upload", "status_create"],
            may_be_held: false,
        },
        Post {
            kind: "video",
            body: FILM,
            publish: "status_create",
            bearers: ["media_get", "status_create"],
            may_be_held: false,
        },
    ],
    refresh: None,
    limits: &[
        Limit { at: ("text", "status_create"), answer: MASTODON_RATE, wait: Wait::Told(reset_date) },
        Limit { at: ("photo", "media_upload"), answer: MASTODON_RATE, wait: Wait::Told(reset_date) },
        Limit {
            at: ("text", "status_create"),
            answer: Answer::Own(|world| world.server.rehearsal.update_mastodon(|setup| setup.posts_max = 0)),
            wait: Wait::Window(SignedDuration::from_hours(3)),
        },
    ],
    refusals: &[
        Refusal {
            kind: "photo",
            arrange: |world| world.server.rehearsal.update_mastodon(|setup| setup.mime_types.clear()),
            lift: |world| {
                let types = MastodonSetup::default().mime_types;
                world.server.rehearsal.update_mastodon(|setup| setup.mime_types = types);
            },
            words: "File content type is invalid",
        },
        Refusal {
            kind: "video",
            arrange: |world| world.account(|account| account.fail_reason = Some("no film".into())),
            lift: |world| world.account(|account| account.fail_reason = None),
            words: "cannot process a medium",
        },
    ],
    novelties: &[(
        "text",
        "account_statuses",
        r#"[{"id":"1","visibility":"dreamt","content":{},"media_attachments":[{"id":{},"type":"scent"}]},null]"#,
    )],
    edit: Some("status_edit"),
    delete: Some("status_delete"),
    thread: Some(("status_create", 2)),
};

const MASTODON_RATE: Answer = Answer::Given(429, r#"{"error":"Too many requests"}"#);

/// As a date, and no `Retry-After`.
fn reset_date(now: Timestamp, seconds: u32) -> Vec<(&'static str, String)> {
    let at = now + SignedDuration::from_secs(i64::from(seconds));
    vec![("x-ratelimit-reset", at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())]
}

/// A server that publishes again whatever comes again.
const KEYLESS: Row = Row {
    name: "mastodon without keys",
    stand_in: || Options {
        mastodon: MastodonSetup { replay: Replay::Ignored, ..MastodonSetup::default() },
        ..(MASTODON.stand_in)()
    },
    ..MASTODON
};
