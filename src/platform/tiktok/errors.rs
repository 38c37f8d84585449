//! TikTok's error codes and fail reasons: what each means for us, and what to do about it.
//!
//! Codes are matched exactly: many contain each other.

use std::time::Duration;

use crate::domain::publication::Reason;
use crate::domain::retry::ErrorKind::{self, *};
use crate::platform::error::{Error, foreign};
use crate::platform::http::Effect;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A documented code: the kind of error, the least wait, what to do.
struct Code(&'static str, ErrorKind, Option<Duration>, &'static str);

/// TikTok docs `ci`, `dp`, `up`, `ph`, `st`, `eh`, read 2026-11-22. `invalid_params` is what the servers send where the
/// documentation says `invalid_param`.
const CODES: &[Code] = &[
    Code("invalid_param", Rejected, None, "the request was found wrong; see the message"),
    Code("invalid_params", Rejected, None, "the request was found wrong; see the message"),
    Code("invalid_file_upload", Rejected, None, "the file does not meet TikTok's specification"),
    Code(
        "app_version_check_failed",
        Permission,
        None,
        "photo drafts need TikTok 31.8 or newer on the creator's phone",
    ),
    Code("invalid_publish_id", Rejected, None, "TikTok does not know this upload (any more)"),
    Code(
        "token_not_authorized_for_specified_publish_id",
        Rejected,
        None,
        "the upload belongs to another login or app",
    ),
    Code("publish_not_cancellable", Rejected, None, "too late, or not a pull"),
    Code(
        "scope_permission_missed",
        Permission,
        None,
        "log in again and grant the scope that the message names",
    ),
    Code("access_token_invalid", Auth, None, "the login is not valid any more"),
    Code(
        "scope_not_authorized",
        Permission,
        None,
        "the app lacks the scope, or the login did not grant it: log in again and grant it",
    ),
    Code(
        "spam_risk_too_many_posts",
        RateLimited,
        Some(DAY),
        "the creator's daily number of posts is used up, over all apps",
    ),
    Code(
        "spam_risk_user_banned_from_posting",
        Permission,
        None,
        "TikTok has barred the account from posting",
    ),
    Code("spam_risk_user_banned", Permission, None, "TikTok has barred the account from posting"),
    Code(
        "spam_risk_too_many_pending_share",
        RateLimited,
        Some(HOUR),
        "five drafts wait in the creator's inbox: finish or discard some",
    ),
    Code("reached_active_user_cap", RateLimited, Some(DAY), "the app's daily number of creators is used up"),
    Code(
        "unaudited_client_can_only_post_to_private_accounts",
        Permission,
        None,
        "TikTok has not audited the app: set the account to private in TikTok's app, or use `mode: draft`",
    ),
    Code(
        "url_ownership_unverified",
        Permission,
        None,
        "verify the domain of the media's address in TikTok's developer portal",
    ),
    Code(
        "privacy_level_option_mismatch",
        Rejected,
        None,
        "the account does not offer this `privacy` at present",
    ),
    Code("rate_limit_exceeded", RateLimited, Some(MINUTE), "too many requests in a minute"),
    Code("internal_error", Transient, None, "a fault at TikTok's"),
];

/// Why TikTok did not publish what it had accepted (TikTok docs `st`, read 2026-11-22; the last one was seen in public
/// client code only).
const FAIL_REASONS: &[(&str, &str)] = &[
    ("file_format_check_failed", "use MP4 with H.264 video and AAC audio"),
    ("duration_check_failed", "the video is shorter or longer than the account may post"),
    ("frame_rate_check_failed", "use a constant frame rate between 23 and 60"),
    (
        "picture_size_check_failed",
        "for videos, sides of 360 to 4096 pixels; for photos, at most 1080 by 1920",
    ),
    ("internal", "a fault at TikTok's; `gitcast retry` makes a new attempt"),
    (
        "video_pull_failed",
        "TikTok could not fetch the media: its address must answer fast, over https, without redirects",
    ),
    (
        "photo_pull_failed",
        "TikTok could not fetch the media: its address must answer fast, over https, without redirects",
    ),
    ("publish_cancelled", "it was cancelled"),
    ("auth_removed", "the creator disconnected the app meanwhile: log in again"),
    ("spam_risk_too_many_posts", "the creator's daily number of posts is used up: `gitcast retry` tomorrow"),
    ("spam_risk_user_banned_from_posting", "TikTok has barred the account from posting"),
    ("spam_risk", "TikTok takes it for spam"),
    ("spam_risk_text", "TikTok takes the text for spam: change it"),
    ("privacy_level_not_authorized", "the account may not use this `privacy`"),
];

/// What an error reply comes to. A request that may publish is ambiguous unless the code is documented to mean that
/// nothing happened.
pub(super) fn classify(
    operation: &'static str,
    effect: Effect,
    status: u16,
    code: &str,
    message: &str,
    log_id: Option<String>,
) -> Error {
    let known = CODES.iter().find(|entry| entry.0 == code);
    let known = known.filter(|entry| effect == Effect::Harmless || entry.1 != Transient && status < 500);
    let (kind, retry_after, advice) = match known {
        Some(Code(_, kind, retry_after, advice)) => (*kind, *retry_after, Some(*advice)),
        None if effect == Effect::Once => (Ambiguous, None, None),
        None => (unlisted(status, code), (status == 429).then_some(MINUTE), None),
    };
    let code = match foreign(code) {
        code if code.is_empty() || code == "ok" => format!("http-{status}"),
        code => code,
    };
    let message = [advice.unwrap_or("an answer that TikTok does not document"), &foreign(message)].join(": ");
    let message = format!("{} (HTTP {status}, {code})", message.trim_end_matches([':', ' ']));
    Error { retry_after, log_id, ..Error::new(operation, kind, code, message) }
}

fn unlisted(status: u16, code: &str) -> ErrorKind {
    match status {
        500.. => Transient,
        429 => RateLimited,
        401 => Auth,
        400..=499 if !code.is_empty() => Rejected,
        _ => Protocol,
    }
}

/// Why TikTok refused what it had.
pub(super) fn fail_reason(reason: &str) -> Reason {
    let advice = FAIL_REASONS.iter().find(|(code, _)| *code == reason).map(|(_, advice)| *advice);
    let advice = advice.unwrap_or("a reason that TikTok does not document");
    match foreign(reason) {
        code if code.is_empty() => Reason::new("failed", "TikTok gave no reason"),
        code => Reason::new(&code, format!("{advice} ({code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_code_has_its_kind() {
        let table = [
            ("invalid_param", 400, Rejected),
            ("invalid_params", 400, Rejected),
            ("app_version_check_failed", 400, Permission),
            ("invalid_publish_id", 400, Rejected),
            ("token_not_authorized_for_specified_publish_id", 400, Rejected),
            ("publish_not_cancellable", 400, Rejected),
            ("invalid_file_upload", 400, Rejected),
            ("scope_permission_missed", 400, Permission),
            ("access_token_invalid", 401, Auth),
            ("scope_not_authorized", 401, Permission),
            ("spam_risk_too_many_posts", 403, RateLimited),
            ("spam_risk_user_banned_from_posting", 403, Permission),
            ("spam_risk_user_banned", 403, Permission),
            ("spam_risk_too_many_pending_share", 403, RateLimited),
            ("reached_active_user_cap", 403, RateLimited),
            ("unaudited_client_can_only_post_to_private_accounts", 403, Permission),
            ("url_ownership_unverified", 403, Permission),
            ("privacy_level_option_mismatch", 403, Rejected),
            ("rate_limit_exceeded", 429, RateLimited),
        ];
        assert_eq!(table.len() + 1, CODES.len(), "all but internal_error");
        for (code, status, kind) in table {
            for effect in [Effect::Harmless, Effect::Once] {
                let error = classify("op", effect, status, code, "", None);
                assert_eq!((error.kind, error.code.as_str()), (kind, code));
                assert_eq!(error.retry_after.is_some(), kind == RateLimited, "{code}");
            }
        }
        assert_eq!(classify("op", Effect::Harmless, 500, "internal_error", "", None).kind, Transient);
        assert_eq!(classify("op", Effect::Once, 500, "internal_error", "", None).kind, Ambiguous);
    }

    #[test]
    fn codes_that_contain_a_documented_one_are_not_that_one() {
        let error = classify("op", Effect::Once, 403, "spam_risk_too_many_posts_2", "", None);
        assert_eq!(error.kind, Ambiguous);
    }

    #[test]
    fn caps_wait_for_a_day_and_rates_for_a_minute() {
        let wait = |code| classify("op", Effect::Harmless, 200, code, "", None).retry_after;
        assert_eq!(wait("spam_risk_too_many_posts"), Some(DAY));
        assert_eq!(wait("reached_active_user_cap"), Some(DAY));
        assert_eq!(wait("rate_limit_exceeded"), Some(MINUTE));
    }

    #[test]
    fn what_the_platform_says_is_harmless_in_a_message() {
        let error =
            classify("op", Effect::Harmless, 400, "x\u{1b}[2J", "::error::\n\u{7}boo", Some("L".into()));
        assert!(!error.to_string().contains(|c: char| c.is_control()), "{error}");
        assert!(error.to_string().contains("::error:: boo"));
    }

    #[test]
    fn each_documented_fail_reason_says_what_to_do() {
        for (code, advice) in FAIL_REASONS {
            let reason = fail_reason(code);
            assert_eq!(reason.code, *code);
            assert!(reason.message.starts_with(advice));
        }
        assert_eq!(fail_reason("brand_new").code, "brand_new");
        assert_eq!(fail_reason("").code, "failed");
    }
}
