//! DIDs, content identifiers and record keys.

use serde_json::Value;
use sha2::{Digest, Sha256};

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE32_SORTABLE: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
/// CIDv1 prefixes with SHA-256 of 32 bytes: raw bytes, and DAG-CBOR (multicodec table).
const RAW: [u8; 4] = [0x01, 0x55, 0x12, 0x20];
const DAG_CBOR: [u8; 4] = [0x01, 0x71, 0x12, 0x20];

/// The account's DID: 24 characters of its name's digest, as a real one has of its creation's.
pub(super) fn did(account: &str) -> String {
    format!("did:plc:{}", &base32(&Sha256::digest(account.as_bytes()))[..24])
}

/// Of a blob, by the SHA-256 of its bytes: as everybody computes it.
pub(super) fn blob_cid(sha256: &[u8]) -> String {
    format!("b{}", base32(&[&RAW, sha256].concat()))
}

/// Of a record: of its JSON with sorted keys. Real ones are of its DAG-CBOR, which nobody compares with these.
pub(super) fn record_cid(record: &Value) -> String {
    let digest = Sha256::digest(sorted(record).to_string().as_bytes());
    format!("b{}", base32(&[&DAG_CBOR, &digest[..]].concat()))
}

/// The same with the keys of each object in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// 13 characters, of which the first is below `k` (atproto.com/specs/tid).
pub(super) fn is_tid(text: &str) -> bool {
    text.len() == 13
        && text.bytes().all(|b| BASE32_SORTABLE.contains(&b))
        && BASE32_SORTABLE[..16].contains(&text.as_bytes()[0])
}

/// A key for whoever brings none.
pub(super) fn tid(now_ms: i64, count: u64) -> String {
    let number = (u64::try_from(now_ms).unwrap_or_default() * 1_000) << 10 | count & 1_023;
    (0..13).map(|n| char::from(BASE32_SORTABLE[(number >> (60 - 5 * n)) as usize & 31])).collect()
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(BASE32[(bits >> count) as usize & 31]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(BASE32[(bits << (5 - count)) as usize & 31]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_form_of_real_ones() {
        // The CID of the empty file, as every IPFS tool prints it.
        let empty = blob_cid(&Sha256::digest(b""));
        assert_eq!(empty, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
        let record: Value = serde_json::from_str(r#"{"b":1,"a":{"d":2,"c":3}}"#).expect("json");
        let same: Value = serde_json::from_str(r#"{"a":{"c":3,"d":2},"b":1}"#).expect("json");
        assert_eq!(record_cid(&record), record_cid(&same));
        assert!(record_cid(&record).starts_with("bafyrei") && record_cid(&record).len() == empty.len());
        assert_eq!(did("brand").len(), "did:plc:".len() + 24);
        assert!(is_tid(&tid(1_700_000_000_000, 5)) && is_tid("3jzfcijpj2z2a") && is_tid("7777777777777"));
        for bad in
            ["3jzfcijpj2z21", "0000000000000", "3JZFCIJPJ2Z2A", "3jzfcijpj2z2aa", "222", "zzzzzzzzzzzzz"]
        {
            assert!(!is_tid(bad), "{bad}");
        }
    }
}
