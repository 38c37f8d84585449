//! The schema of what `gitcast plan --json` prints, for programs that read it.

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

use super::{NAME, visit};
use crate::domain::diagnostic::Severity;
use crate::domain::ids::PlatformId;
use crate::domain::plan::Action;
use crate::domain::publication::State;

const DIGEST: &str = "^sha256:[0-9a-f]{64}$";

/// What would happen, and why. Further keys may be added without a change of `format_version`. Where there is no plan, as
/// the command failed, the document has `error` and `exit_code` instead.
#[derive(JsonSchema)]
#[schemars(title = "gitcast plan")]
#[expect(dead_code, reason = "only its shape matters")]
struct Plan {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    format_version: u64,
    /// Of what `apply` would send: the value for `apply --expect`.
    #[schemars(extend("pattern" = DIGEST))]
    digest: String,
    /// Each post on each account, in the order of execution.
    changes: Vec<Change>,
    /// The same with what is recorded of each.
    publications: Vec<Publication>,
    /// What the files of content/resolutions/ come to.
    decisions: Vec<Decision>,
    /// Logins that end, or have ended.
    logins: Vec<Login>,
    diagnostics: Vec<Diagnostic>,
    /// Hashtags of TikTok posts that were trending when somebody asked last; with --with-trends only.
    trending: Option<Trending>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Trending {
    /// Two letters.
    country: String,
    /// When the oldest list was asked for; null where none is kept.
    #[schemars(extend("format" = "date-time"))]
    asked_at: Option<String>,
    /// Those with such hashtags, if they may still be sent.
    posts: Vec<TrendingPost>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct TrendingPost {
    #[schemars(extend("pattern" = NAME))]
    post: String,
    #[schemars(extend("pattern" = NAME))]
    account: String,
    hashtags: Vec<TrendingHashtag>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct TrendingHashtag {
    /// Without its `#`.
    name: String,
    /// From 1.
    rank: u64,
    period_days: u64,
    /// Of whose list the rank is; null: of the overall list.
    industry: Option<String>,
    #[schemars(extend("enum" = ["creative-center", "business"]))]
    source: String,
}

/// One item of the plan.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Change {
    #[schemars(extend("pattern" = NAME))]
    post: String,
    #[schemars(extend("pattern" = NAME))]
    account: String,
    platform: PlatformId,
    action: Action,
    /// Stable code: why this action.
    reason: String,
    /// The same for people.
    message: String,
    /// Of the text, options and media for this account.
    #[schemars(extend("pattern" = DIGEST))]
    digest: String,
    revision: u64,
    /// Of the manifest.
    path: String,
    /// When it is due, where that is in the future.
    #[schemars(extend("format" = "date-time"))]
    next_at: Option<String>,
    /// The kind of post, for people.
    what: Option<String>,
    text: Option<String>,
    estimate: Option<Estimate>,
}

/// What publishing will cost.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Estimate {
    /// Polls not counted.
    requests: u64,
    /// That leave this machine.
    bytes: u64,
    chunks: Option<Chunks>,
}

/// How an upload is cut, in bytes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Chunks {
    size: u64,
    count: u64,
    last: u64,
}

/// A post on an account, as recorded and as planned.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Publication {
    #[schemars(extend("pattern" = NAME))]
    post: String,
    #[schemars(extend("pattern" = NAME))]
    account: String,
    platform: PlatformId,
    state: State,
    /// Stable code.
    reason: String,
    message: String,
    #[schemars(extend("pattern" = DIGEST))]
    digest: String,
    /// The platform's own.
    remote_id: Option<String>,
    remote_url: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    next_at: Option<String>,
    attempts: u64,
    path: String,
}

/// A decision of a person, committed as a file. It is about a post, an account, both, or a platform.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Decision {
    /// Path and line.
    place: String,
    #[schemars(extend("enum" = ["publication", "post", "account", "platform"]))]
    scope: String,
    post: Option<String>,
    account: Option<String>,
    platform: Option<PlatformId>,
    /// What was decided.
    says: String,
    #[schemars(extend("enum" = ["carried-out", "moot", "waiting"]))]
    outcome: String,
    /// Why it is moot or waits.
    because: Option<String>,
}

/// What the owner of a login should be told.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Login {
    account: String,
    message: String,
    /// Nothing is published there until somebody logs in.
    is_blocking: bool,
    #[schemars(extend("format" = "date-time"))]
    ends_at: Option<String>,
}

/// A problem in content.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Diagnostic {
    severity: Severity,
    /// Stable.
    code: String,
    message: String,
    /// From the project's root.
    path: String,
    line: Option<u64>,
    column: Option<u64>,
    end_line: Option<u64>,
    end_column: Option<u64>,
    /// What to do about it.
    help: Option<String>,
}

/// The schema of the document of `plan --json`. What has no value is `null`, and there all the same.
pub fn plan() -> Value {
    let mut schema = schema_for!(Plan).to_value();
    visit(&mut schema, &mut |object| {
        if let Some(Value::Object(properties)) = object.get("properties") {
            let keys: Vec<&String> = properties.keys().collect();
            let keys = json!(keys);
            object.insert("required".to_owned(), keys);
        }
    });
    schema["$defs"]["Decision"]["required"] = json!(["place", "scope", "says", "outcome", "because"]);
    schema
}
