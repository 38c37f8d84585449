//! A YAML document as a tree in which everything knows where it stands.

use serde::{Deserialize, Serialize};

use crate::domain::span::{Located, Span};

/// A value and its span. The span of a mapping or sequence runs from its first to its last entry.
pub type Node = Located<Value>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing at all, `~` or `null`.
    Null,
    /// A plain (unquoted) scalar, letters as written: `no`, `017`, `1e3`. What it means depends on what is expected.
    Plain(String),
    /// A quoted or block scalar: always text.
    Text(String),
    Sequence(Vec<Node>),
    /// In the order of the document, keys unique.
    Mapping(Vec<(Located<String>, Node)>),
}

impl Node {
    /// What it is, for a message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Plain(_) | Value::Text(_) => "a scalar",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// An empty mapping that stands at `span`.
    pub fn empty(span: Span) -> Node {
        Located::new(Value::Mapping(Vec::new()), span)
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.value == key).map(|(_, v)| v),
            _ => None,
        }
    }
}
