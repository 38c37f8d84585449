//! Other posts, as authors name them: by the id that the account's server gave them, or by their address there.

use serde_json::Value;

/// The longest id that is taken: Mastodon's have 18 digits, others up to 42 characters.
const ID_BYTES_MAX: usize = 128;

/// Whether a server could have given this id. It becomes part of an address.
pub(super) fn is_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The id under `name`: texts, and on some servers numbers.
pub(super) fn id_of(value: &Value, name: &str) -> Option<String> {
    let id = match &value[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    is_id(&id).then_some(id)
}

/// The id in `ID`, or in `https://HOST/@user/ID` and what else ends in one, where `HOST` is one of the account's own.
pub(super) fn parse(text: &str, hosts: &[&str]) -> Option<String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return is_id(text).then(|| text.to_owned());
    };
    let path = rest.split(['?', '#']).next()?.trim_end_matches('/');
    let (host, path) = path.split_once('/')?;
    let is_own = hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
    let last = path.rsplit('/').next()?;
    (matches!(scheme, "https" | "http") && is_own && path.contains('/') && is_id(last))
        .then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_named_by_its_id_or_its_address_at_the_own_server() {
        let hosts = ["example.social", "127.0.0.1:4010"];
        for (text, expected) in [
            ("109372843234", Some("109372843234")),
            ("01HABC-x_y", Some("01HABC-x_y")),
            ("https://example.social/@alice/109", Some("109")),
            ("https://Example.social/@bob@remote.example/109?x#y", Some("109")),
            ("https://example.social/@alice/statuses/01HABC/", Some("01HABC")),
            ("http://127.0.0.1:4010/@alice/109", Some("109")),
            ("https://remote.example/@bob/109", None),
            ("https://example.social/109", None),
            ("https://example.social/@alice/", None),
            ("https://example.social/@alice/..", None),
            ("ftp://example.social/@alice/1", None),
            ("..", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(parse(text, &hosts).as_deref(), expected, "{text}");
        }
        let value = serde_json::json!({ "a": "1", "b": 2, "c": "../x", "d": null });
        let read = ["a", "b", "c", "d", "e"].map(|name| id_of(&value, name));
        assert_eq!(read, [Some("1".to_owned()), Some("2".to_owned()), None, None, None]);
    }
}
