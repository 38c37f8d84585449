//! A text that has no way to print itself.

use zeroize::Zeroize;

/// A credential. Wiped from memory when dropped; `Debug` shows nothing of it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself: for the request that needs it and for sealing, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Wipes every text of a document that held credentials.
pub fn wipe(document: &mut serde_json::Value) {
    use serde_json::Value;
    match document {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_text_is_left_in_a_wiped_document() {
        let mut document = serde_json::json!({"a": "secret", "b": [{"c": "secret"}, 1, null], "d": true});
        super::wipe(&mut document);
        assert_eq!(document, serde_json::json!({"a": "", "b": [{"c": ""}, 1, null], "d": true}));
    }
}
