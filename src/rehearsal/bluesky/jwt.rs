//! Tokens in the form of JSON Web Tokens. Signed by a digest with a secret before it, which is good enough on loopback.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::random::{DIGITS, base64url};

pub(super) fn issue(key: &str, kind: &str, claims: &Value) -> String {
    let head = base64url(json!({ "typ": kind, "alg": "HS256" }).to_string().as_bytes());
    let signed = format!("{head}.{}", base64url(claims.to_string().as_bytes()));
    format!("{signed}.{}", signature(key, &signed))
}

/// The claims of a token that was issued with this key.
pub(super) fn verify(key: &str, token: &str) -> Option<Value> {
    let (signed, given) = token.rsplit_once('.')?;
    let claims = signed.split('.').nth(1)?;
    (signature(key, signed) == given).then(|| serde_json::from_slice(&decode(claims)?).ok()).flatten()
}

fn signature(key: &str, signed: &str) -> String {
    base64url(&Sha256::digest(format!("{key}.{signed}").as_bytes()))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let value = DIGITS.iter().position(|digit| *digit == byte)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_by_whoever_issued_it() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar"] {
            assert_eq!(decode(&base64url(text.as_bytes())).as_deref(), Some(text.as_bytes()), "{text}");
        }
        assert_eq!(base64url(b"foob"), "Zm9vYg");
        let claims = json!({ "sub": "did:plc:a", "exp": 1 });
        let token = issue("key", "at+jwt", &claims);
        assert_eq!(verify("key", &token), Some(claims));
        assert_eq!(verify("other", &token), None);
        assert_eq!(verify("key", "a.b"), None);
    }
}
