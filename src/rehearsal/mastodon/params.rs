//! What a request says, from its query and its body: JSON, or a form of either kind with `a[b][]` for what is nested, as Rails reads it.

use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};

use super::super::files::percent_decode;
use super::{Refusal, multipart};

/// Pairs of a query or a form; more are not read.
const PAIRS_MAX: usize = 1_000;
/// How deep the names of a form lead; no parameter is deeper than three.
const NAMES_MAX: usize = 4;

pub(super) struct Params(Value);

impl Params {
    /// # Errors
    /// 400 when the body says that it is JSON and is not.
    pub(super) fn of(query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Params, Refusal> {
        let mut params = Value::Object(Map::new());
        read_pairs(query.unwrap_or_default(), &mut params);
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" if !body.is_empty() => {
                let fields: Map<String, Value> = serde_json::from_slice(body)
                    .map_err(|_| Refusal::new(400, "There was a problem in the JSON you submitted"))?;
                if let Value::Object(params) = &mut params {
                    params.extend(fields);
                }
            }
            "application/x-www-form-urlencoded" => {
                read_pairs(std::str::from_utf8(body).unwrap_or_default(), &mut params);
            }
            "multipart/form-data" => {
                for (name, value) in multipart::texts(headers, body).into_iter().take(PAIRS_MAX) {
                    read_pair(&name, value, &mut params);
                }
            }
            _ => {}
        }
        Ok(Params(params))
    }

    /// Of the inner object of this name.
    pub(super) fn inner(&self, name: &str) -> Option<Params> {
        let inner = &self.0[name];
        inner.as_object().filter(|fields| !fields.is_empty()).map(|_| Params(inner.clone()))
    }

    /// The texts in an array. Something else in its place does not count, so ids joined by commas are lost.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.0[name].as_array()?;
        Some(items.iter().filter_map(text).collect())
    }

    pub(super) fn objects(&self, name: &str) -> Vec<Params> {
        let items = self.0[name].as_array().map_or(&[][..], Vec::as_slice);
        items.iter().filter(|item| item.is_object()).map(|item| Params(item.clone())).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        text(&self.0[name])
    }

    /// A text that is more than blanks.
    pub(super) fn present(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    pub(super) fn is_true(&self, name: &str) -> Option<bool> {
        self.present(name)
            .map(|text| !matches!(text.as_str(), "false" | "0" | "f" | "F" | "FALSE" | "off" | "OFF"))
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is_true) => Some(is_true.to_string()),
        _ => None,
    }
}

fn read_pairs(text: &str, into: &mut Value) {
    let decode = |part: &str| percent_decode(&part.replace('+', " ")).unwrap_or_default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()).take(PAIRS_MAX) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        read_pair(&decode(key), decode(value), into);
    }
}

fn read_pair(key: &str, value: String, into: &mut Value) {
    let mut names = key.split('[').map(|name| name.trim_end_matches(']')).take(NAMES_MAX);
    let first = names.next().unwrap_or_default();
    insert(into, first, &names.collect::<Vec<_>>(), value);
}

/// Puts `value` where `name`, and the names inside of it, lead; an empty name is the next place of an array.
fn insert(into: &mut Value, name: &str, inner: &[&str], value: String) {
    let Value::Object(fields) = into else { return };
    let place = fields.entry(name).or_insert(Value::Null);
    match inner {
        [] => *place = value.into(),
        [""] => array(place).push(value.into()),
        ["", rest @ ..] => {
            // A name that an object of the array has already begins the next object.
            let items = array(place);
            if items.last().is_none_or(|last| last.get(rest[0]).is_some()) {
                items.push(Value::Object(Map::new()));
            }
            if let Some(last) = items.last_mut() {
                insert(last, rest[0], &rest[1..], value);
            }
        }
        [next, rest @ ..] => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            insert(place, next, rest, value);
        }
    }
}

fn array(place: &mut Value) -> &mut Vec<Value> {
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    match place {
        Value::Array(items) => items,
        _ => unreachable!("it was made an array"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_nest_as_in_rails() {
        let mut params = Value::Object(Map::new());
        read_pairs(
            "status=a+b%26&media_ids[]=1&media_ids[]=2&poll[options][]=x&poll[options][]=y&poll[expires_in]=300\
             &media_attributes[][id]=1&media_attributes[][description]=d&media_attributes%5B%5D%5Bid%5D=2",
            &mut params,
        );
        let expected = serde_json::json!({
            "status": "a b&", "media_ids": ["1", "2"], "poll": { "options": ["x", "y"], "expires_in": "300" },
            "media_attributes": [{ "id": "1", "description": "d" }, { "id": "2" }],
        });
        assert_eq!(params, expected);
        read_pairs("&&=&[]=&a[=b&status[][]=c", &mut params);
        read_pairs(&format!("a{}=b", "[a]".repeat(100_000)), &mut params);
        assert!(params.is_object(), "nothing panics");
    }
}
