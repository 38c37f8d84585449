//! From the tree of `gitcast.yaml` to the project.

use jiff::tz::TimeZone;

use super::store::store;
use super::{Account, Late, Mode, Policy, Project};
use crate::domain::capability::Knowledge;
use crate::domain::drift::OnMissing;
use crate::domain::ids::{AccountName, PlatformId, is_handle, is_handle_at_server};
use crate::domain::manifest::decode::{Mapping, boolean, integer, one_of, text};
use crate::domain::manifest::node::{Node, Value};
use crate::domain::manifest::post::{account_name, name};
use crate::domain::manifest::report::{Report, quote};
use crate::domain::manifest::time::{self, duration, time_of_day};
use crate::domain::quiet::QuietHours;
use crate::domain::span::{Located, Span};
use crate::domain::url;

/// The version of the file's format.
const VERSION: u64 = 1;

/// The most accounts in one project.
pub const ACCOUNTS_MAX: usize = 1000;

/// The largest number that `max_new_posts` can be.
pub const NEW_POSTS_MAX: u64 = 1_000_000;
pub const BUSINESS_ID_BYTES_MAX: usize = 128;

/// What is staged must last until it is published: an upload's address lives for an hour at TikTok, a file that no record
/// names as long at Bluesky.
pub const STAGE_AHEAD_MAX: jiff::SignedDuration = jiff::SignedDuration::from_mins(45);

/// The project, unless `report` says why not.
pub fn project(node: &Node, report: &Report) -> Option<Project> {
    let mut m = Mapping::new(node, report)?;
    m.required("version", version);
    let lineage = m.optional("lineage", lineage);
    let timezone = m.optional("timezone", time::zone).unwrap_or(TimeZone::UTC);
    let (policy, quiet) = m.optional("policy", policy(&timezone)).unwrap_or_default();
    let accounts = m.required("accounts", |node, report| accounts(node, report, (&timezone, &quiet)));
    let accounts = accounts.unwrap_or_default();
    let media_base_url = m.optional("media_base_url", media_base_url);
    let store = m.optional("ledger", store).unwrap_or_default();
    m.finish();
    let path = report.path().to_owned();
    let project = Project { path, lineage, timezone, accounts, media_base_url, policy, store };
    (!report.has_errors()).then_some(project)
}

/// Of this file, and of the one that is written about its accounts.
pub(in crate::domain) fn version(node: &Node, report: &Report) -> Option<()> {
    let version = integer(0..=u64::MAX)(node, report)?;
    if version.value != VERSION {
        let message = format!("version {} of the format is unknown", version.value);
        report
            .error("invalid-value", version.span, message)
            .help("write `version: 1`, or use a newer gitcast");
    }
    Some(())
}

/// Written by `init`; any word that is a good name.
fn lineage(node: &Node, report: &Report) -> Option<String> {
    name::<AccountName>("lineage")(node, report).map(|name| name.value.to_string())
}

fn media_base_url(node: &Node, report: &Report) -> Option<Located<String>> {
    checked(
        node,
        report,
        url::media_base,
        "write the address under which `content/` is served, such as https://media.example.com/",
    )
}

fn endpoint(node: &Node, report: &Report) -> Option<Located<String>> {
    checked(node, report, url::origin, "write scheme, host and port alone, such as http://127.0.0.1:4010")
}

fn checked(
    node: &Node,
    report: &Report,
    check: fn(&str) -> Result<String, url::InvalidUrl>,
    help: &str,
) -> Option<Located<String>> {
    let written = text(node, report)?;
    match check(&written.value) {
        Ok(url) => Some(Located::new(url, written.span)),
        Err(why) => {
            report.error("invalid-url", written.span, format!("{} {why}", quote(&written.value))).help(help);
            None
        }
    }
}

/// `zone` is the project's, `quiet` what the policy says.
type Defaults<'a> = (&'a TimeZone, &'a Option<QuietHours>);

fn accounts(node: &Node, report: &Report, defaults: Defaults<'_>) -> Option<Vec<Account>> {
    if node.value == Value::Null {
        return Some(Vec::new());
    }
    Mapping::new(node, report)?;
    let Value::Mapping(entries) = &node.value else { return None };
    if entries.len() > ACCOUNTS_MAX {
        report
            .error("invalid-value", node.span, format!("more than {ACCOUNTS_MAX} accounts"))
            .help("remove those that are not needed");
        return None;
    }
    Some(entries.iter().filter_map(|(key, node)| account(key, node, report, defaults)).collect())
}

fn account(
    key: &Located<String>,
    node: &Node,
    report: &Report,
    (zone, quiet): Defaults<'_>,
) -> Option<Account> {
    let name = account_name(key, report);
    let mut m = Mapping::new(node, report)?.at(key.span);
    let platform = m.required("platform", one_of::<PlatformId>);
    let endpoint = m.optional("endpoint", endpoint);
    let mode = m.optional("mode", one_of::<Mode>);
    let quiet = m.optional("quiet_hours", own_quiet_hours(zone)).unwrap_or_else(|| quiet.clone());
    let (mut audited, mut client_key_env, mut client_secret_env) = (None, None, None);
    let (mut handle, mut server) = (None, None);
    let (mut business_id, mut business_token_env) = (None, None);
    // Without a platform, no key is too much.
    let has_apps = platform.as_ref().is_none_or(|platform| platform.value.has_apps());
    if has_apps {
        audited = m.optional("audited", boolean);
        client_key_env = m.optional("client_key_env", variable("CLIENT_KEY"));
        client_secret_env = m.optional("client_secret_env", variable("CLIENT_SECRET"));
    }
    match platform.as_ref().map(|platform| platform.value) {
        None => {
            m.take("handle");
            m.take("server");
            m.take("business_id");
            m.take("business_token_env");
        }
        Some(PlatformId::Tiktok) => {
            business_id = m.optional("business_id", self::business_id);
            business_token_env = m.optional("business_token_env", variable("BUSINESS_ACCESS_TOKEN"));
        }
        Some(platform) if platform.has_servers() => {
            handle = m.required("handle", handle_at_server);
            server = m.optional("server", server_address);
        }
        Some(_) if !has_apps => handle = m.required("handle", handle_name),
        Some(_) => {}
    }
    m.finish();
    let (platform, span) = (platform?.value, node.span);
    let mode = mode_of(platform, mode, key.span, report);
    Some(Account {
        name: name?,
        platform,
        handle,
        server,
        audited,
        known: Knowledge::Nothing,
        mode,
        endpoint,
        client_key_env,
        client_secret_env,
        business_id,
        business_token_env,
        quiet,
        span,
    })
}

/// No secret: it is of no use without its token.
fn business_id(node: &Node, report: &Report) -> Option<String> {
    let written = text(node, report)?;
    let length = written.value.len();
    if (1..=BUSINESS_ID_BYTES_MAX).contains(&length) && written.value.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(written.value);
    }
    report
        .error("invalid-value", written.span, format!("{} is no id of an account", quote(&written.value)))
        .help("write the `open_id` that TikTok's API for Business gave for the account with its token");
    None
}

fn mode_of(
    platform: PlatformId,
    written: Option<Located<Mode>>,
    place: Span,
    report: &Report,
) -> Located<Mode> {
    if platform.has_drafts() {
        return written.unwrap_or(Located::new(Mode::default(), place));
    }
    if let Some(mode) = written.filter(|mode| mode.value == Mode::Draft) {
        let finding = report.error("invalid-value", mode.span, format!("{platform} has no drafts"));
        finding.help("remove `mode`: posts are published directly");
    }
    Located::new(Mode::Direct, place)
}

/// A domain name of at least two labels, with or without the `@` that people write before it.
fn handle_name(node: &Node, report: &Report) -> Option<Located<String>> {
    let written = text(node, report)?;
    let name = written.value.strip_prefix('@').unwrap_or(&written.value).to_ascii_lowercase();
    if is_handle(&name) {
        return Some(Located::new(name, written.span));
    }
    report
        .error("invalid-value", written.span, format!("{} is no handle", quote(&written.value)))
        .help("write the account's full handle, such as alice.bsky.social");
    None
}

/// `alice@example.social`, with or without the `@` that people write before it.
fn handle_at_server(node: &Node, report: &Report) -> Option<Located<String>> {
    let written = text(node, report)?;
    let name = written.value.strip_prefix('@').unwrap_or(&written.value).to_ascii_lowercase();
    if is_handle_at_server(&name) {
        return Some(Located::new(name, written.span));
    }
    report
        .error("invalid-value", written.span, format!("{} is no handle", quote(&written.value)))
        .help("write the account's full handle in quotes, such as \"@alice@example.social\"");
    None
}

/// Tokens go there: only https, to a host with a name. An `endpoint` may be anything that people allow.
fn server_address(node: &Node, report: &Report) -> Option<Located<String>> {
    let only_https = |address: &str| url::check_media(address).and_then(|()| url::origin(address));
    let help = "write scheme and host alone, such as https://social.example.com";
    let server = checked(node, report, only_https, help)?;
    if url::is_loopback(&server.value) {
        let finding = report.error("invalid-url", server.span, "a server on this machine is an `endpoint`");
        finding.help("write `endpoint:` instead of `server:`");
        return None;
    }
    Some(server)
}

/// The longest name of an environment variable.
const VARIABLE_LENGTH_MAX: usize = 128;

/// The name of an environment variable, with `word` in it: content, which a pull request may change, must not choose
/// just any secret of the environment to be sent to a server.
fn variable(word: &'static str) -> impl FnOnce(&Node, &Report) -> Option<String> {
    move |node, report| {
        let written = text(node, report)?;
        let why = match written.value.as_str() {
            name if !is_variable(name) => "is no name of an environment variable".to_owned(),
            name if !name.contains(word) => format!("does not contain {word}, so it may hold another secret"),
            _ => return Some(written.value),
        };
        let finding = report.error("invalid-value", written.span, format!("{} {why}", quote(&written.value)));
        finding.help(format!("name a variable such as BRAND_{word}; never write the key itself here"));
        None
    }
}

fn is_variable(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= VARIABLE_LENGTH_MAX
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(allowed)
}

fn policy(zone: &TimeZone) -> impl FnOnce(&Node, &Report) -> Option<(Policy, Option<QuietHours>)> {
    move |node, report| {
        let default = Policy::default();
        let mut m = Mapping::new(node, report)?;
        let (late_grace, late_then) =
            m.optional("late", late).unwrap_or((default.late_grace, default.late_then));
        let max_age = m.optional("max_age", duration).unwrap_or(default.max_age);
        let max_new_posts = m.optional("max_new_posts", integer(0..=NEW_POSTS_MAX));
        let stage_ahead = m.optional("stage_ahead", ahead).unwrap_or(default.stage_ahead);
        let quiet = m.optional("quiet_hours", quiet_hours(zone));
        let on_missing = m.optional("on_missing", one_of::<OnMissing>).map(|on_missing| on_missing.value);
        m.finish();
        let max_new_posts =
            max_new_posts.and_then(|n| u32::try_from(n.value).ok()).unwrap_or(default.max_new_posts);
        let on_missing = on_missing.unwrap_or_default();
        Some((Policy { late_grace, late_then, max_age, max_new_posts, stage_ahead, on_missing }, quiet))
    }
}

/// An account's: `none` where those of the policy do not count.
fn own_quiet_hours(zone: &TimeZone) -> impl FnOnce(&Node, &Report) -> Option<Option<QuietHours>> {
    move |node, report| match &node.value {
        Value::Plain(written) | Value::Text(written) if written == "none" => Some(None),
        _ => quiet_hours(zone)(node, report).map(Some),
    }
}

fn quiet_hours(zone: &TimeZone) -> impl FnOnce(&Node, &Report) -> Option<QuietHours> {
    move |node, report| {
        let mut m = Mapping::new(node, report)?;
        let from = m.required("from", time_of_day);
        let to = m.required("to", time_of_day);
        let zone = m.optional("timezone", time::zone).unwrap_or_else(|| zone.clone());
        m.finish();
        let (from, to) = (from?, to?);
        if from == to {
            let message = "quiet hours that end when they begin would be all day or never";
            report
                .error("invalid-value", node.span, message)
                .help("write two times, or leave `quiet_hours` out");
            return None;
        }
        Some(QuietHours { from, to, zone })
    }
}

fn ahead(node: &Node, report: &Report) -> Option<jiff::SignedDuration> {
    let ahead = duration(node, report)?;
    if ahead > STAGE_AHEAD_MAX {
        let message = "what is staged is kept for an hour at some platforms: at most 45m";
        report.error("out-of-range", node.span, message);
        return None;
    }
    Some(ahead)
}

fn late(node: &Node, report: &Report) -> Option<(jiff::SignedDuration, Late)> {
    let default = Policy::default();
    let mut m = Mapping::new(node, report)?;
    let grace = m.optional("grace", duration).unwrap_or(default.late_grace);
    let then = m.optional("then", one_of::<Late>).map_or(default.late_then, |then| then.value);
    m.finish();
    Some((grace, then))
}
