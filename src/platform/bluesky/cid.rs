//! The content identifier of a record, as the server will compute it: SHA-256 of its DAG-CBOR (IPLD's specification of
//! DAG-CBOR, atproto.com/specs/data-model, read 2026-11-22). With it a thread can name its own posts before they exist.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// CIDv1, DAG-CBOR, SHA-256 of 32 bytes (multicodec table).
const PREFIX: [u8; 4] = [0x01, 0x71, 0x12, 0x20];
/// The tag of a link.
const LINK: u64 = 42;

/// Of a record that is made of texts, whole numbers, flags, lists and maps; none where it holds anything else.
pub(super) fn of(record: &Value) -> Option<String> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes)?;
    let mut cid = PREFIX.to_vec();
    cid.extend_from_slice(&Sha256::digest(&bytes));
    Some(format!("b{}", base32(&cid)))
}

fn encode(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(flag) => out.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(0, number, out),
            (None, Some(number)) => head(1, number.unsigned_abs() - 1, out),
            (None, None) => return None,
        },
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            items.iter().try_for_each(|item| encode(item, out))?;
        }
        Value::Object(fields) => match fields.get("$link") {
            Some(link) if fields.len() == 1 => encode_link(link.as_str()?, out)?,
            _ => encode_map(fields, out)?,
        },
    }
    Some(())
}

/// Shorter keys come first, then the lesser ones.
fn encode_map(fields: &Map<String, Value>, out: &mut Vec<u8>) -> Option<()> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| (key.len(), key.as_bytes()));
    head(5, fields.len() as u64, out);
    for (key, value) in fields {
        head(3, key.len() as u64, out);
        out.extend_from_slice(key.as_bytes());
        encode(value, out)?;
    }
    Some(())
}

/// The CID's bytes behind a zero, which stands for its binary form.
fn encode_link(cid: &str, out: &mut Vec<u8>) -> Option<()> {
    let bytes = unbase32(cid.strip_prefix('b')?)?;
    head(6, LINK, out);
    head(2, bytes.len() as u64 + 1, out);
    out.push(0);
    out.extend_from_slice(&bytes);
    Some(())
}

/// A kind and a number, in as few bytes as it takes.
fn head(kind: u8, number: u64, out: &mut Vec<u8>) {
    let kind = kind << 5;
    match number {
        0..24 => out.push(kind | number as u8),
        24..0x100 => out.extend_from_slice(&[kind | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(kind | 25);
            out.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(kind | 26);
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            out.push(kind | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// RFC 4648 in small letters, without padding.
fn base32(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_u64, |bits, b| bits << 8 | u64::from(*b)) << (8 * (5 - group.len()));
        let digits = (group.len() * 8).div_ceil(5);
        (0..digits).map(move |n| char::from(BASE32[(bits >> (35 - 5 * n)) as usize & 31]))
    };
    bytes.chunks(5).flat_map(group).collect()
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes() {
        let value = BASE32.iter().position(|known| *known == digit)?;
        bits = (bits << 5 | u32::try_from(value).ok()?) & 0xfff;
        count += 5;
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
    use serde_json::json;

    /// Computed with @ipld/dag-cbor 9 and multiformats 13, which the reference server uses.
    #[test]
    fn records_have_the_identifiers_that_the_reference_computes() {
        let long = "x".repeat(300);
        let numbers = json!([
            true,
            false,
            null,
            -1,
            -300,
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            4_294_967_295_u64,
            4_294_967_296_u64,
            9_007_199_254_740_991_u64
        ]);
        let link = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        let blob =
            json!({ "$type": "blob", "ref": { "$link": link }, "mimeType": "image/png", "size": 1_234_567 });
        let image = json!({ "alt": "", "image": blob, "aspectRatio": { "width": 3, "height": 2 } });
        for (record, cid) in [
            (json!({}), "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"),
            (
                json!({ "$type": "app.bsky.feed.post", "text": "Grüße 🎉", "createdAt": "2026-11-22T10:00:00.000Z" }),
                "bafyreifk56ht7blcba2ufcgujvoi2pwj4m55o3kosxj5kdvpsqvn7lwp3m",
            ),
            (
                json!({ "b": 1, "a": numbers, "aa": { "z": "", "y": long } }),
                "bafyreifjr55x5yinbiznsdy2q7xmke5h6vt4iodnbehvil24cjwtahzwbm",
            ),
            (
                json!({ "embed": { "$type": "app.bsky.embed.images", "images": [image] }, "langs": ["en"] }),
                "bafyreighdq6lutjzzfjj7jxb2rb6bmiq5ckf2h4ro43tz4zygyq7oxvdeu",
            ),
        ] {
            assert_eq!(of(&record).as_deref(), Some(cid), "{record}");
        }
        assert_eq!(of(&json!({ "a": 1.5 })), None, "the data model has no fractions");
        assert_eq!(of(&json!({ "a": { "$link": "Qm" } })), None);
    }
}
