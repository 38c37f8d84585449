//! Replies in TikTok's envelope, and the refusals that go into it.

use std::io;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::http::{self, Reply};
use super::super::random;

/// A refusal: HTTP status, code and message. The code decides the status (TikTok docs `dp`, `st`, `eh`, read 2026-11-22).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: &str, message: &str) -> Refusal {
        Refusal { code: code.to_owned(), message: message.to_owned() }
    }

    /// The documentation says `invalid_param`; servers answer `invalid_params`.
    pub(super) fn params(message: &str) -> Refusal {
        Refusal::new("invalid_params", message)
    }

    fn status(&self) -> StatusCode {
        match self.code.as_str() {
            "access_token_invalid" | "scope_not_authorized" => StatusCode::UNAUTHORIZED,
            "rate_limit_exceeded" => StatusCode::TOO_MANY_REQUESTS,
            "internal_error" => StatusCode::INTERNAL_SERVER_ERROR,
            "reached_active_user_cap"
            | "unaudited_client_can_only_post_to_private_accounts"
            | "url_ownership_unverified"
            | "privacy_level_option_mismatch" => StatusCode::FORBIDDEN,
            code if code.starts_with("spam_risk") => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn reply(&self) -> Reply {
        error(self.status(), &self.code, &self.message)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        tracing::warn!(%error, "rehearsal state was not stored");
        Refusal::new("internal_error", "the rehearsal could not store its state")
    }
}

pub(super) fn ok(data: &Value) -> Reply {
    http::json(StatusCode::OK, &json!({ "data": data, "error": envelope("ok", "") }))
}

/// Success that has nothing to say, as `cancel` answers it.
pub(super) fn ok_empty() -> Reply {
    http::json(StatusCode::OK, &json!({ "error": envelope("ok", "") }))
}

pub(in crate::rehearsal) fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    http::json(status, &json!({ "data": {}, "error": envelope(code, message) }))
}

fn envelope(code: &str, message: &str) -> Value {
    json!({ "code": code, "message": message, "log_id": log_id() })
}

/// Names one request in a conversation with the platform's support.
pub(super) fn log_id() -> String {
    random::hex(16).unwrap_or_default().to_uppercase()
}
