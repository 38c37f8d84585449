//! JSON Schema (2020-12) of what people write, for editors to complete and check, and of plans. The words of enumerations come from
//! the types that the decoder reads; that the keys are the decoder's too is what the tests show.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value, json};

use super::capability::decode::{LISTED_MAX, NAME_CHARS_MAX, VIDEO_SECONDS_MAX};
use super::capability::server::NUMBER_MAX;
use super::capability::{Allow, Privacy};
use super::drift::OnMissing;
use super::ids::{NAME_LENGTH_MAX, PlatformId};
use super::manifest::DesiredState;
use super::manifest::post::{MEDIA_MAX, REVISION_MAX};
use super::project::decode::{BUSINESS_ID_BYTES_MAX, NEW_POSTS_MAX};
use super::project::store::Kind;
use super::project::{Late, Mode};
use super::resolution::{ENTRIES_MAX, REMOTE_ID_BYTES_MAX, WHY_CHARS_MAX};

mod plan;

pub use plan::plan;

/// A post: what is published, where and when.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gitcast manifest")]
#[expect(dead_code, reason = "only its shape matters")]
struct Manifest {
    /// The post's permanent name, unique under content/. The file may be renamed, the id may not.
    #[schemars(extend("pattern" = NAME), length(max = NAME_LENGTH_MAX))]
    id: String,
    /// When it is published: 2026-12-01T09:00 in the project's time zone, or with an offset, or with [Area/City].
    /// Without it: as soon as applied.
    publish_at: Option<String>,
    /// The text on every account that has none of its own.
    text: Option<String>,
    /// Videos or photos, in order.
    #[schemars(length(max = MEDIA_MAX))]
    media: Option<Vec<MediaItem>>,
    /// The accounts, by their names in gitcast.yaml, each with options of its platform.
    #[schemars(extend("minProperties" = 1, "propertyNames" = { "pattern": NAME }))]
    to: BTreeMap<String, Value>,
    /// deleted is the tombstone; removing the file deletes nothing. adopted: it was live before, and nothing is sent.
    state: Option<DesiredState>,
    /// Raised by one to publish a changed post again.
    #[schemars(range(min = 1, max = REVISION_MAX))]
    revision: Option<u64>,
}

/// One video or photo: a file, or an address that the platform fetches it from.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["file"] }, { "required": ["url"] }]))]
#[expect(dead_code, reason = "only its shape matters")]
struct MediaItem {
    /// Relative to the manifest, inside content/.
    file: Option<String>,
    /// https, with a host name.
    url: Option<String>,
    /// What can be seen, for those who cannot see it.
    alt: Option<String>,
}

/// Accounts and policy of a project.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gitcast.yaml")]
#[expect(dead_code, reason = "only its shape matters")]
struct Project {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u64,
    /// Ties the repository to its ledger; written by `gitcast init`.
    #[schemars(extend("pattern" = NAME))]
    lineage: Option<String>,
    /// IANA name, for times written without an offset; UTC unless written.
    timezone: Option<String>,
    /// Logins on platforms, under names of your choosing.
    #[schemars(extend("propertyNames" = { "pattern": NAME }))]
    accounts: BTreeMap<String, Account>,
    /// Where content/ is served publicly, for platforms that only pull URLs.
    media_base_url: Option<String>,
    policy: Option<Policy>,
    /// Where the ledger is kept: in state/ alone unless written.
    ledger: Option<Ledger>,
}

/// `git` for a ref of the repository, or the same with particulars.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape matters")]
enum Ledger {
    Kind(Kind),
    Store(LedgerStore),
}

/// Where the ledger is kept.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct LedgerStore {
    store: Kind,
    /// A remote as `git remote` lists it: origin unless written.
    remote: Option<String>,
    /// In full, below refs/gitcast/ or refs/heads/gitcast/: refs/gitcast/ledger unless written.
    #[schemars(extend("pattern" = "^refs/(heads/)?gitcast/"))]
    r#ref: Option<String>,
    /// How long a run that is not heard of any more keeps others waiting: 5m unless written.
    #[schemars(extend("pattern" = DURATION))]
    lease: Option<String>,
}

/// One login on one platform.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Account {
    platform: PlatformId,
    /// The account's handle, such as alice.bsky.social or @alice@example.social; for platforms that log in by it.
    handle: Option<String>,
    /// Scheme and host of a Mastodon account's server, where it is not the handle's host.
    server: Option<String>,
    /// Whether the platform has audited the app; false unless written.
    audited: Option<bool>,
    /// draft goes to the creator's inbox, direct is published by gitcast; draft unless written.
    mode: Option<Mode>,
    /// Scheme, host and port that replace those of every call to the platform.
    endpoint: Option<String>,
    /// The environment variable that holds the app's key; CLIENT_KEY is part of its name, so that content cannot have
    /// another secret sent.
    #[schemars(extend("pattern" = KEY_VARIABLE))]
    client_key_env: Option<String>,
    /// The environment variable that holds the app's secret; CLIENT_SECRET is part of its name, likewise.
    #[schemars(extend("pattern" = SECRET_VARIABLE))]
    client_secret_env: Option<String>,
    /// TikTok: the account's open_id at the API for Business, through which its comments are read and answered.
    #[schemars(length(min = 1, max = BUSINESS_ID_BYTES_MAX))]
    business_id: Option<String>,
    /// The environment variable that holds its access token there; BUSINESS_ACCESS_TOKEN is part of its name, likewise.
    #[schemars(extend("pattern" = TOKEN_VARIABLE))]
    business_token_env: Option<String>,
    /// When nothing new becomes public there, instead of what the policy says; or `none`.
    quiet_hours: Option<OwnQuietHours>,
}

/// Those of an account.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape matters")]
enum OwnQuietHours {
    Hours(QuietHours),
    No(#[schemars(extend("const" = "none"))] String),
}

/// A part of each day in which nothing new becomes public: what falls into it waits for its end.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct QuietHours {
    /// Quiet from this time of day on: `22:00`.
    #[schemars(extend("pattern" = TIME_OF_DAY))]
    from: String,
    /// Not quiet any more: `07:00`. Before `from`: over midnight.
    #[schemars(extend("pattern" = TIME_OF_DAY))]
    to: String,
    /// IANA name: the project's unless written.
    timezone: Option<String>,
}

/// What stops a plan, and what happens to late posts.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Policy {
    late: Option<LatePolicy>,
    /// A post due longer ago than this is never published: 7d unless written.
    #[schemars(extend("pattern" = DURATION))]
    max_age: Option<String>,
    /// How long before its time a post is uploaded, at most 45m: `30m`. Not at all unless written
    stage_ahead: Option<String>,
    /// When nothing new becomes public.
    quiet_hours: Option<QuietHours>,
    /// What follows when a live post has been missing for a day: report unless written.
    on_missing: Option<OnMissing>,
    /// The most new posts for each account in one run: 10 unless written.
    #[schemars(range(min = 0, max = NEW_POSTS_MAX))]
    max_new_posts: Option<u64>,
}

/// What happens to a post that is late.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct LatePolicy {
    /// How late is late: 2h unless written.
    #[schemars(extend("pattern" = DURATION))]
    grace: Option<String>,
    then: Option<Late>,
}

/// A decision about a publication: what it is about, one decision, and why.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = DECISIONS.map(|key| json!({ "required": [key] }))))]
#[expect(dead_code, reason = "only its shape matters")]
struct Resolution {
    /// The post's id.
    #[schemars(extend("pattern" = NAME), length(max = NAME_LENGTH_MAX))]
    post: Option<String>,
    /// The account; with a post: that post on it.
    #[schemars(extend("pattern" = NAME), length(max = NAME_LENGTH_MAX))]
    account: Option<String>,
    /// All accounts of this platform; for a pause.
    platform: Option<PlatformId>,
    /// It is live at this address.
    published: Option<String>,
    /// It is not live; it may be published.
    #[schemars(extend("const" = true))]
    not_published: Option<bool>,
    /// Leave it, whether or not it is live.
    #[schemars(extend("const" = true))]
    abandon: Option<bool>,
    /// Try again what the platform refused.
    #[schemars(extend("const" = true))]
    retry: Option<bool>,
    /// The manifest stands for the live post at this address; nothing is sent.
    adopt: Option<String>,
    /// The platform's own id of the live post.
    #[schemars(length(max = REMOTE_ID_BYTES_MAX))]
    remote_id: Option<String>,
    /// What is recorded does not count any more; it may be published anew.
    #[schemars(extend("const" = true))]
    forget: Option<bool>,
    /// Nothing is sent until resumed.
    #[schemars(extend("const" = true))]
    pause: Option<bool>,
    /// Nothing is sent until then.
    pause_until: Option<String>,
    /// What was paused goes on.
    #[schemars(extend("const" = true))]
    resume: Option<bool>,
    /// Why, for the record.
    #[schemars(length(max = WHY_CHARS_MAX))]
    why: Option<String>,
}

/// What platforms said about accounts; written by `gitcast auth status --write` and `gitcast auth audit`.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gitcast accounts.lock.yaml")]
#[expect(dead_code, reason = "only its shape matters")]
struct Accounts {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u64,
    /// By their names in gitcast.yaml.
    #[schemars(extend("propertyNames" = { "pattern": NAME }))]
    accounts: BTreeMap<String, Known>,
}

/// What is known of one account.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {
    "username": ["read_on"], "nickname": ["read_on"], "scopes": ["read_on"], "privacy": ["read_on"],
    "disabled": ["read_on"], "video_seconds_max": ["read_on"], "server": ["read_on"],
}))]
#[expect(dead_code, reason = "only its shape matters")]
struct Known {
    /// The day, in UTC, on which the platform was asked.
    #[schemars(extend("format" = "date"))]
    read_on: Option<String>,
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    username: Option<String>,
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    nickname: Option<String>,
    /// What the login was granted.
    #[schemars(length(max = LISTED_MAX))]
    scopes: Option<BTreeSet<String>>,
    /// Who may be let see a post.
    privacy: Option<BTreeSet<Privacy>>,
    /// What the creator has turned off for all posts.
    disabled: Option<BTreeSet<Allow>>,
    /// The longest video, in seconds.
    #[schemars(range(min = 1, max = VIDEO_SECONDS_MAX))]
    video_seconds_max: Option<u64>,
    /// What the account's server says of itself, on platforms that are made of many.
    server: Option<Server>,
    /// Whether the platform has audited the app; counts where gitcast.yaml does not say it.
    audited: Option<bool>,
    /// Addresses that the platform has verified, with a slash at their ends. Add yours: they are kept.
    #[schemars(length(max = LISTED_MAX))]
    media_prefixes: Option<BTreeSet<String>>,
}

/// What a server says of itself.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Server {
    /// Its own name, such as mastodon.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    software: Option<String>,
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    version: Option<String>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    text_chars_max: Option<u64>,
    /// What any link counts for.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    link_chars: Option<u64>,
    /// Media in a post.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    media_max: Option<u64>,
    /// Such as image/png.
    #[schemars(length(max = LISTED_MAX))]
    media_types: Option<BTreeSet<String>>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    image_bytes_max: Option<u64>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    video_bytes_max: Option<u64>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    alt_chars_max: Option<u64>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    poll_options_max: Option<u64>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    poll_option_chars_max: Option<u64>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    poll_seconds_min: Option<u64>,
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    poll_seconds_max: Option<u64>,
}

/// The keys of which an entry of a resolution file has exactly one.
const DECISIONS: [&str; 9] =
    ["published", "not_published", "abandon", "retry", "adopt", "forget", "pause", "pause_until", "resume"];

const NAME: &str = r"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]*$";
const KEY_VARIABLE: &str = "^(?=.*CLIENT_KEY)[A-Z][A-Z0-9_]*$";
const SECRET_VARIABLE: &str = "^(?=.*CLIENT_SECRET)[A-Z][A-Z0-9_]*$";
const TOKEN_VARIABLE: &str = "^(?=.*BUSINESS_ACCESS_TOKEN)[A-Z][A-Z0-9_]*$";
const DURATION: &str = "^[0-9]+[smhdw]$";
const TIME_OF_DAY: &str = "^([01]?[0-9]|2[0-3]):[0-5][0-9]$";

/// The schema of manifests. `platforms` are the schemas of the options that each platform takes under an account.
pub fn manifest(platforms: Vec<(PlatformId, Schema)>) -> Value {
    let mut schema = without_null(schema_for!(Manifest));
    schema["anyOf"] = json!([
        { "required": ["text"] },
        { "required": ["media"] },
        { "required": ["state"], "properties": { "state": { "enum": ["deleted", "adopted"] } } },
    ]);
    let mut options = Vec::new();
    for (platform, platform_schema) in platforms {
        let (name, definitions) = hoist(platform, without_null(platform_schema));
        merge(&mut schema, definitions);
        options.push(json!({ "$ref": format!("#/$defs/{name}") }));
    }
    options.push(json!({ "type": "null" }));
    schema["properties"]["to"]["additionalProperties"] = json!({ "anyOf": options });
    schema
}

/// The schema of the files of `content/resolutions/`.
pub fn resolutions() -> Value {
    let mut entry = without_null(schema_for!(Resolution));
    let object = entry.as_object_mut();
    let (schema, definitions) = object.map(|o| (o.remove("$schema"), o.remove("$defs"))).unwrap_or_default();
    json!({
        "$schema": schema,
        "title": "gitcast resolutions",
        "type": "array",
        "items": entry,
        "$defs": definitions,
        "maxItems": ENTRIES_MAX,
    })
}

/// The schema of `accounts.lock.yaml`.
pub fn accounts() -> Value {
    without_null(schema_for!(Accounts))
}

/// The schema of `gitcast.yaml`.
pub fn project() -> Value {
    without_null(schema_for!(Project))
}

/// A platform's schema as definitions of the whole, under names that begin with the platform's.
fn hoist(platform: PlatformId, mut schema: Value) -> (String, Map<String, Value>) {
    let own = match schema.as_object_mut() {
        Some(object) => {
            object.remove("$schema");
            object.remove("$defs")
        }
        None => None,
    };
    let target_text = json!({ "type": "string", "description": "The text just for this account." });
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.entry("text").or_insert(target_text);
    }
    let mut definitions = Map::from_iter([(platform.to_string(), schema)]);
    if let Some(Value::Object(own)) = own {
        definitions.extend(own.into_iter().map(|(name, schema)| (format!("{platform}.{name}"), schema)));
    }
    definitions.values_mut().for_each(|schema| {
        visit(schema, &mut |object| {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", &format!("#/$defs/{platform}."));
            }
        });
    });
    (platform.to_string(), definitions)
}

fn merge(schema: &mut Value, definitions: Map<String, Value>) {
    for (name, definition) in definitions {
        schema["$defs"][name] = definition;
    }
}

/// A key that may be left out is optional; one that is written has a value. `Option` stands for the former alone.
fn without_null(schema: Schema) -> Value {
    let mut schema = schema.to_value();
    visit(&mut schema, &mut |object| {
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = &types[..] {
                object["type"] = only.clone();
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|choice| *choice != json!({ "type": "null" }));
            if let [Value::Object(only)] = &choices[..] {
                let only = only.clone();
                object.remove("anyOf");
                object.extend(only);
            }
        }
    });
    schema
}

fn visit(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| visit(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::diagnostic::Diagnostic;
    use crate::domain::manifest::parse::{parse, tree};
    use crate::domain::manifest::post::post;
    use crate::domain::manifest::report::Report;
    use crate::domain::project::decode;
    use crate::domain::resolution;

    fn diagnostics(text: &str, is_project: bool) -> Vec<Diagnostic> {
        let report = Report::new("a.yaml");
        let node = parse(text.as_bytes(), &report).expect("a tree");
        match is_project {
            true => drop(decode::project(&node, &report)),
            false => drop(post(&node, &TimeZone::UTC, &report)),
        }
        report.into_diagnostics()
    }

    /// The words that the decoder lists when it meets an unknown one; the text has `?` where that stands.
    fn listed(text: &str, is_project: bool, code: &str) -> Vec<String> {
        let text = text.replace('?', "unheardof");
        let found =
            diagnostics(&text, is_project).into_iter().find(|d| d.code == code).expect("a diagnostic");
        let help = found.help.expect("help");
        let list = help.split("possible here: ").nth(1).expect("a list");
        list.split(", ").map(str::to_owned).collect()
    }

    fn sorted(words: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut words: Vec<String> = words.into_iter().collect();
        words.sort();
        words
    }

    fn strings(value: &Value) -> Vec<String> {
        sorted(
            value.as_array().expect("an array").iter().map(|word| word.as_str().expect("a word").to_owned()),
        )
    }

    /// The words of an enumeration, whether or not each has a description.
    fn words(value: &Value) -> Vec<String> {
        match value.get("oneOf") {
            Some(Value::Array(choices)) => sorted(choices.iter().flat_map(words)),
            _ if value.get("const").is_some() => vec![value["const"].as_str().expect("a word").to_owned()],
            _ => strings(&value["enum"]),
        }
    }

    #[test]
    fn schema_and_decoder_know_the_same_keys() {
        let (manifest, project) = (manifest(vec![]), project());
        for (schema, text, is_project) in [
            (&manifest, "?: x", false),
            (&manifest["$defs"]["MediaItem"], "media: [{?: x}]", false),
            (&project, "?: x", true),
            (&project["$defs"]["Account"], "accounts: {a: {?: x}}", true),
            (&project["$defs"]["Policy"], "policy: {?: x}", true),
            (&project["$defs"]["LatePolicy"], "policy: {late: {?: x}}", true),
            (&project["$defs"]["LedgerStore"], "ledger: {store: git, ?: x}", true),
            (&project["$defs"]["QuietHours"], "policy: {quiet_hours: {?: x}}", true),
            (&project["$defs"]["QuietHours"], "accounts: {a: {quiet_hours: {?: x}}}", true),
        ] {
            let keys = sorted(schema["properties"].as_object().expect("properties").keys().cloned());
            assert_eq!(keys, listed(text, is_project, "unknown-key"), "{text}");
            assert_eq!(schema["additionalProperties"], false, "{text}");
        }
    }

    #[test]
    fn schema_and_decoder_know_the_same_keys_of_a_decision() {
        let schema = resolutions();
        let keys = sorted(schema["items"]["properties"].as_object().expect("properties").keys().cloned());
        let report = Report::new("a.yaml");
        let node = tree(b"[{unheardof: x}]", &report).expect("a tree");
        let read = resolution::read(&node, "a.yaml", &TimeZone::UTC);
        let found = read.diagnostics.into_iter().find(|d| d.code == "unknown-key").expect("a diagnostic");
        let help = found.help.expect("help");
        let list = help.split("possible here: ").nth(1).expect("a list");
        assert_eq!(keys, list.split(", ").collect::<Vec<_>>());
        assert_eq!(schema["items"]["oneOf"].as_array().map(Vec::len), Some(DECISIONS.len()));
    }

    #[test]
    fn schema_and_decoder_know_the_same_of_accounts() {
        let schema = accounts();
        let known = &schema["$defs"]["Known"];
        let help = |text: &str, code: &str| {
            let report = Report::new("a.yaml");
            let node = parse(text.as_bytes(), &report).expect("a tree");
            drop(crate::domain::capability::decode::read(&node, &report));
            let found = report.into_diagnostics().into_iter().find(|d| d.code == code).expect("a diagnostic");
            let help = found.help.expect("help");
            let list = help.split("possible here: ").nth(1).expect("a list");
            list.split(", ").map(str::to_owned).collect::<Vec<_>>()
        };
        let server = &schema["$defs"]["Server"];
        for (schema, text) in [
            (&schema, "?: x"),
            (known, "accounts: {a: {?: x}}"),
            (server, "accounts: {a: {read_on: 2026-11-26, server: {?: x}}}"),
        ] {
            let keys = sorted(schema["properties"].as_object().expect("properties").keys().cloned());
            assert_eq!(keys, help(&text.replace('?', "unheardof"), "unknown-key"), "{text}");
            assert_eq!(schema["additionalProperties"], false, "{text}");
        }
        for (name, key) in [("Privacy", "privacy"), ("Allow", "disabled")] {
            let text = format!("accounts: {{a: {{{key}: [unheardof]}}}}");
            assert_eq!(words(&schema["$defs"][name]), help(&text, "invalid-value"), "{key}");
        }
        assert_eq!(strings(&schema["required"]), ["accounts", "version"]);
    }

    #[test]
    fn schema_and_decoder_know_the_same_words() {
        let (manifest, project) = (manifest(vec![]), project());
        for (schema, text, is_project) in [
            (&manifest["$defs"]["DesiredState"], "state: ?", false),
            (&project["$defs"]["PlatformId"], "accounts: {a: {platform: ?}}", true),
            (&project["$defs"]["Mode"], "accounts: {a: {mode: ?}}", true),
            (&project["$defs"]["Late"], "policy: {late: {then: ?}}", true),
        ] {
            assert_eq!(words(schema), listed(text, is_project, "invalid-value"), "{text}");
        }
    }

    #[test]
    fn schema_and_decoder_require_the_same_keys() {
        let (manifest, project) = (manifest(vec![]), project());
        for (schema, text, is_project) in [
            (&manifest, "text: t", false),
            (&project, "timezone: UTC", true),
            (&project["$defs"]["Account"], "{version: 1, accounts: {a: {audited: true}}}", true),
            (
                &project["$defs"]["QuietHours"],
                "{version: 1, accounts: {}, policy: {quiet_hours: {timezone: UTC}}}",
                true,
            ),
        ] {
            let missing = diagnostics(text, is_project).into_iter().filter(|d| d.code == "missing-key");
            let missing = sorted(missing.map(|d| d.message.split('`').nth(1).expect("a key").to_owned()));
            assert_eq!(missing, strings(&schema["required"]), "{text}");
        }
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Options {
        late: Option<Late>,
    }

    #[test]
    fn options_of_a_platform_are_definitions_of_their_own() {
        let schema = manifest(vec![(PlatformId::Tiktok, schema_for!(Options))]);
        let expected = json!({ "anyOf": [{ "$ref": "#/$defs/tiktok" }, { "type": "null" }] });
        assert_eq!(schema["properties"]["to"]["additionalProperties"], expected);
        assert_eq!(schema["$defs"]["tiktok"]["properties"]["late"]["$ref"], "#/$defs/tiktok.Late");
        assert_eq!(words(&schema["$defs"]["tiktok.Late"]), ["ask", "publish", "skip"]);
        assert_eq!(schema["$defs"]["tiktok"]["properties"]["text"]["type"], "string");
        assert!(!schema.to_string().replace(r#"{"type":"null"}"#, "").contains("null"));
    }
}
