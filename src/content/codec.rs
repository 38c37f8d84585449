//! The cache's binary form. Compact and quick to read, because a warm plan reads all of it; nothing else depends on it.
//! Reading damaged bytes gives `None`, never a panic.

use jiff::Timestamp;

use crate::domain::ids::{AccountName, ContentDigest, PostId};
use crate::domain::manifest::node::{Node, Value};
use crate::domain::manifest::parse::NESTING_MAX;
use crate::domain::manifest::{DesiredState, MediaItem, MediaSource, Post, Target};
use crate::domain::media::FileStamp;
use crate::domain::span::{Located, Span};

/// The most items that memory is asked for before they are read.
const RESERVED_MAX: usize = 16;

/// Bytes being read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many nodes deep we are.
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, depth: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn number<N: TryFrom<u64>>(&mut self) -> Option<N> {
        N::try_from(self.varint()?).ok()
    }

    /// Seven bits a byte, low ones first.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A length and that many bytes.
    pub(super) fn slice(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }
}

pub(super) fn put_number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_slice(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A value with a binary form: `get` reads what `put` wrote.
pub(super) trait Codec: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(from: &mut Reader<'_>) -> Option<Self>;
}

impl Codec for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(u64::from(*self), out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.number()
    }
}

impl Codec for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }
}

impl Codec for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_slice(self.as_bytes(), out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.text().map(str::to_owned)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match from.take(1)? {
            [0] => Some(None),
            [1] => T::get(from).map(Some),
            _ => None,
        }
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(self.len() as u64, out);
        self.iter().for_each(|item| item.put(out));
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        let length: usize = from.number()?;
        // A damaged length must not ask for memory.
        let mut items = Vec::with_capacity(length.min(RESERVED_MAX));
        for _ in 0..length {
            items.push(T::get(from)?);
        }
        Some(items)
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        Some((A::get(from)?, B::get(from)?))
    }
}

impl Codec for Span {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(self.start as u64, out);
        put_number(self.end as u64, out);
        [self.line, self.column, self.end_line, self.end_column].iter().for_each(|n| n.put(out));
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        Some(Span {
            start: from.number()?,
            end: from.number()?,
            line: from.number()?,
            column: from.number()?,
            end_line: from.number()?,
            end_column: from.number()?,
        })
    }
}

impl<T: Codec> Codec for Located<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.value.put(out);
        self.span.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        Some(Located::new(T::get(from)?, Span::get(from)?))
    }
}

impl Codec for Value {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.push(0),
            Value::Plain(text) => {
                out.push(1);
                text.put(out);
            }
            Value::Text(text) => {
                out.push(2);
                text.put(out);
            }
            Value::Sequence(items) => {
                out.push(3);
                items.put(out);
            }
            Value::Mapping(entries) => {
                out.push(4);
                entries.put(out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        if from.depth > NESTING_MAX {
            return None;
        }
        from.depth += 1;
        let value = match from.take(1)? {
            [0] => Value::Null,
            [1] => Value::Plain(String::get(from)?),
            [2] => Value::Text(String::get(from)?),
            [3] => Value::Sequence(Vec::get(from)?),
            [4] => Value::Mapping(Vec::<(Located<String>, Node)>::get(from)?),
            _ => return None,
        };
        from.depth -= 1;
        Some(value)
    }
}

macro_rules! by_text {
    ($($name:ident),*) => {$(
        impl Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                put_slice(self.as_str().as_bytes(), out);
            }

            fn get(from: &mut Reader<'_>) -> Option<Self> {
                from.text()?.parse().ok()
            }
        }
    )*};
}

by_text!(PostId, AccountName);

/// A struct's fields, in the order given.
macro_rules! by_field {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn get(from: &mut Reader<'_>) -> Option<Self> {
                $(let $field = Codec::get(from)?;)*
                Some($name { $($field),* })
            }
        }
    )*};
}

by_field! {
    Post { path, id, publish_at, text, media, targets, state, revision }
    MediaItem { source, alt, span }
    Target { account, text, options }
}

impl Codec for MediaSource {
    fn put(&self, out: &mut Vec<u8>) {
        let (kind, text) = match self {
            MediaSource::File(text) => (0, text),
            MediaSource::Url(text) => (1, text),
        };
        out.push(kind);
        text.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match from.take(1)? {
            [0] => Codec::get(from).map(MediaSource::File),
            [1] => Codec::get(from).map(MediaSource::Url),
            _ => None,
        }
    }
}

impl Codec for DesiredState {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            DesiredState::Present => 0,
            DesiredState::Deleted => 1,
            DesiredState::Adopted => 2,
        });
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match from.take(1)? {
            [0] => Some(DesiredState::Present),
            [1] => Some(DesiredState::Deleted),
            [2] => Some(DesiredState::Adopted),
            _ => None,
        }
    }
}

impl Codec for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_second().put(out);
        i64::from(self.subsec_nanosecond()).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        let (seconds, nanoseconds) = (i64::get(from)?, i64::get(from)?);
        Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
    }
}

impl Codec for ContentDigest {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.take(32)?.try_into().ok().map(ContentDigest)
    }
}

impl Codec for FileStamp {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(self.size, out);
        self.mtime_ns.put(out);
        self.ctime_ns.put(out);
        put_number(self.inode, out);
        put_number(self.device, out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        Some(FileStamp {
            size: from.number()?,
            mtime_ns: i64::get(from)?,
            ctime_ns: i64::get(from)?,
            inode: from.number()?,
            device: from.number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Node> {
        Codec::get(&mut Reader::new(bytes))
    }

    #[test]
    fn damaged_values_are_nothing() {
        let mut node = Node::empty(Span::default());
        for _ in 0..NESTING_MAX {
            node = Located::new(Value::Sequence(vec![node]), Span::default());
        }
        let mut bytes = Vec::new();
        node.put(&mut bytes);
        assert_eq!(read(&bytes), Some(node.clone()));
        for at in 0..bytes.len() {
            for damage in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= damage;
                let _ = read(&bytes);
            }
            assert_eq!(read(&bytes[..at]), None);
        }
        let deep: Vec<u8> = [3, 1].repeat(1_000_000);
        assert_eq!(read(&deep), None);
    }
}
