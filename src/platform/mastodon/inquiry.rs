//! What a Mastodon server says about an account and about itself. Nobody audits apps there, and it pulls nothing.

use serde_json::Value;

use super::Mastodon;
use super::client::operation;
use super::types::{NOT_FOUND, nodeinfo_path};
use crate::domain::capability::decode::{LISTED_MAX, NAME_CHARS_MAX, is_scope};
use crate::domain::capability::{Capabilities, ServerFacts};
use crate::domain::grant::Grant;
use crate::domain::payload::Payload;
use crate::platform::error::{Error, foreign};
use crate::platform::inquiry::{Answer, Claim, Inquiry};
use crate::platform::{BoxFuture, RequestLog};

impl Inquiry for Mastodon {
    fn operations(&self, _grant: &Grant) -> Vec<&'static str> {
        vec![operation::VERIFY, operation::INSTANCE, operation::NODEINFO]
    }

    fn capabilities<'a>(
        &'a self,
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let account = self.client.verify(&grant.access, log).await?;
            let server = self.describe(log).await?;
            let scopes = grant.scopes.iter().filter(|scope| is_scope(scope)).take(LISTED_MAX).cloned();
            let capabilities = Capabilities {
                username: name(&account, "acct"),
                nickname: name(&account, "display_name"),
                scopes: Some(scopes.collect()),
                server: Some(server),
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

impl Mastodon {
    /// The server's own limits. Servers before 4.0, and some others, know the older call alone.
    async fn describe(&self, log: &RequestLog) -> Result<ServerFacts, Error> {
        let reply = match self.client.instance("v2", log).await {
            Err(error) if error.code == NOT_FOUND => self.client.instance("v1", log).await?,
            reply => reply?,
        };
        let facts = facts(&reply);
        // The version that a server tells is often the one that it is like: what it is stands elsewhere.
        let told = self.software(log).await.unwrap_or_default();
        let software = told.0.or_else(|| software_of(&facts.version.clone().unwrap_or_default()));
        Ok(ServerFacts { software, version: told.1.or(facts.version.clone()), ..facts }.bounded())
    }

    /// Name and version, as the server tells anybody. Best effort.
    async fn software(&self, log: &RequestLog) -> Result<(Option<String>, Option<String>), Error> {
        let links = self.client.nodeinfo(&[".well-known", "nodeinfo"], log).await?;
        let Some(path) = nodeinfo_path(&links) else { return Ok((None, None)) };
        let path: Vec<&str> = path.split('/').collect();
        let reply = self.client.nodeinfo(&path, log).await?;
        let software = &reply["software"];
        Ok((name(software, "name").map(|name| name.to_ascii_lowercase()), name(software, "version")))
    }
}

fn name(value: &Value, key: &str) -> Option<String> {
    let name: String = foreign(value[key].as_str()?).chars().take(NAME_CHARS_MAX).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The name in `2.7.2 (compatible; Akkoma 3.10.4)`.
fn software_of(version: &str) -> Option<String> {
    let name = version.split_once("(compatible; ")?.1.split([' ', ')']).next()?;
    Some(name.to_ascii_lowercase()).filter(|name| !name.is_empty())
}

/// Of either form of the call (docs.joinmastodon.org, entities/Instance and V1_Instance, read 2026-11-22).
fn facts(reply: &Value) -> ServerFacts {
    let (all, number) = (&reply["configuration"], Value::as_u64);
    let (statuses, media, polls) = (&all["statuses"], &all["media_attachments"], &all["polls"]);
    let types = media["supported_mime_types"].as_array();
    ServerFacts {
        software: None,
        version: name(reply, "version"),
        text_chars_max: number(&statuses["max_characters"]),
        link_chars: number(&statuses["characters_reserved_per_url"]),
        media_max: number(&statuses["max_media_attachments"]),
        media_types: types.map(|types| types.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        image_bytes_max: number(&media["image_size_limit"]),
        video_bytes_max: number(&media["video_size_limit"]),
        alt_chars_max: number(&media["description_limit"]),
        poll_options_max: number(&polls["max_options"]),
        poll_option_chars_max: number(&polls["max_characters_per_option"]),
        poll_seconds_min: number(&polls["min_expiration"]),
        poll_seconds_max: number(&polls["max_expiration"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_read_where_they_are_told_and_hostile_ones_are_left_out() {
        let reply = json!({
            "version": "2.7.2 (compatible; Akkoma 3.10.4)\u{1b}",
            "configuration": {
                "statuses": { "max_characters": 5000, "max_media_attachments": 0, "characters_reserved_per_url": -1 },
                "media_attachments": {
                    "supported_mime_types": ["image/png", "x", 7, "a/b\n"], "image_size_limit": u64::MAX,
                    "description_limit": "1500"
                },
                "polls": { "max_expiration": 2629746 },
            },
        });
        let facts = facts(&reply).bounded();
        assert_eq!(facts.version.as_deref(), Some("2.7.2 (compatible; Akkoma 3.10.4)"));
        assert_eq!(software_of(facts.version.as_deref().unwrap_or_default()).as_deref(), Some("akkoma"));
        assert_eq!((facts.text_chars_max, facts.media_max, facts.link_chars), (Some(5_000), None, None));
        assert_eq!(facts.media_types, Some(["image/png".to_owned()].into()));
        assert_eq!((facts.image_bytes_max, facts.alt_chars_max), (None, None));
        assert_eq!(facts.poll_seconds_max, Some(2_629_746));
        for version in ["4.3.2", "", "x (compatible; )", "(compatible; "] {
            assert_eq!(software_of(version), None, "{version}");
        }
    }
}
