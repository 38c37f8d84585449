//! What Bluesky says about an account. Nobody audits apps there, and it pulls nothing.

use super::Bluesky;
use super::client::operation;
use super::types::text;
use crate::domain::capability::Capabilities;
use crate::domain::capability::decode::{NAME_CHARS_MAX, is_scope};
use crate::domain::grant::Grant;
use crate::domain::payload::Payload;
use crate::platform::error::{Error, foreign};
use crate::platform::http::Effect;
use crate::platform::inquiry::{Answer, Claim, Inquiry};
use crate::platform::{BoxFuture, RequestLog};

impl Inquiry for Bluesky {
    fn operations(&self, _grant: &Grant) -> Vec<&'static str> {
        vec![operation::GET_SESSION]
    }

    fn capabilities<'a>(
        &'a self,
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let reply = self.client.get_session(&grant.access, log).await?;
            let handle = foreign(text(operation::GET_SESSION, Effect::Harmless, &reply, "handle")?);
            let scopes = grant.scopes.iter().filter(|scope| is_scope(scope)).cloned().collect();
            let capabilities = Capabilities {
                username: Some(handle.chars().take(NAME_CHARS_MAX).collect()),
                scopes: Some(scopes),
                ..Capabilities::default()
            };
            Ok(Answer { capabilities, bars: None })
        })
    }

    fn pulled<'a>(&self, _payload: &'a Payload) -> Vec<&'a str> {
        Vec::new()
    }

    fn audit_means(&self, _is_audited: bool) -> Vec<Claim> {
        Vec::new()
    }
}
