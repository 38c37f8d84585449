//! DIDs, content identifiers and record keys.

use serde_json::{Value, json};
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

/// A blob as records name it.
pub(super) fn blob(cid: &str, mime_type: &str, size: u64) -> Value {
    json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": mime_type, "size": size })
}

/// Of a record, as everybody computes it.
pub(super) fn record_cid(record: &Value) -> String {
    let mut bytes = Vec::new();
    cbor(record, &mut bytes);
    format!("b{}", base32(&[&DAG_CBOR, &Sha256::digest(&bytes)[..]].concat()))
}

/// DAG-CBOR (IPLD's specification, read 2026-11-22): the shortest heads, and keys by length and then by bytes.
fn cbor(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        // The data model has whole numbers only.
        Value::Number(number) => match number.as_i64().unwrap_or_default() {
            negative @ ..0 => cbor_head(0x20, (-1 - negative).unsigned_abs(), out),
            number => cbor_head(0x00, number.unsigned_abs(), out),
        },
        Value::String(text) => cbor_text(text, out),
        Value::Array(items) => {
            cbor_head(0x80, items.len() as u64, out);
            items.iter().for_each(|item| cbor(item, out));
        }
        Value::Object(fields) => {
            if let Some(link) = fields.get("$link").and_then(Value::as_str) {
                // Tag 42, and the bytes of the CID behind a zero.
                let bytes = [vec![0], from_base32(link)].concat();
                out.extend([0xd8, 0x2a]);
                cbor_head(0x40, bytes.len() as u64, out);
                out.extend(bytes);
                return;
            }
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
            cbor_head(0xa0, keys.len() as u64, out);
            for key in keys {
                cbor_text(key, out);
                cbor(&fields[key], out);
            }
        }
    }
}

fn cbor_text(text: &str, out: &mut Vec<u8>) {
    cbor_head(0x60, text.len() as u64, out);
    out.extend(text.as_bytes());
}

fn cbor_head(kind: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (more, from) = match number {
        0..=23 => return out.push(kind + bytes[7]),
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    out.push(kind + more);
    out.extend(&bytes[from..]);
}

/// The bytes behind a `b`; what is no base 32 ends them.
fn from_base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes().skip(1) {
        let Some(value) = BASE32.iter().position(|digit| *digit == letter) else { break };
        bits = ((bits << 5) | value as u32) & 0x1fff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
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
        let post = serde_json::json!({ "$type": "app.bsky.feed.post", "text": "Grüße 🎉", "createdAt": "2026-11-22T10:00:00.000Z" });
        // By @ipld/dag-cbor, which the reference server uses.
        assert_eq!(record_cid(&post), "bafyreifk56ht7blcba2ufcgujvoi2pwj4m55o3kosxj5kdvpsqvn7lwp3m");
        let blob = serde_json::json!({ "$type": "blob", "ref": { "$link": empty }, "mimeType": "image/png", "size": 1_234_567 });
        let image =
            serde_json::json!({ "alt": "", "image": blob, "aspectRatio": { "width": 3, "height": 2 } });
        let post = serde_json::json!({ "embed": { "$type": "app.bsky.embed.images", "images": [image] }, "langs": ["en"] });
        assert_eq!(record_cid(&post), "bafyreighdq6lutjzzfjj7jxb2rb6bmiq5ckf2h4ro43tz4zygyq7oxvdeu");
        assert_eq!(did("brand").len(), "did:plc:".len() + 24);
        assert!(is_tid(&tid(1_700_000_000_000, 5)) && is_tid("3jzfcijpj2z2a") && is_tid("7777777777777"));
        for bad in
            ["3jzfcijpj2z21", "0000000000000", "3JZFCIJPJ2Z2A", "3jzfcijpj2z2aa", "222", "zzzzzzzzzzzzz"]
        {
            assert!(!is_tid(bad), "{bad}");
        }
    }
}
