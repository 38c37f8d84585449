//! Entries as lines of text, and the files that hold them.
//!
//! A segment holds consecutive entries, one JSON object a line. Its name tells which, so that reading needs no index:
//! together the segments hold every entry once. Small ones are put together as they grow in number, so that a ledger of
//! any length is a few files and each entry is sent again only a few times.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::ids::{hex, unhex};
use crate::ledger::Error;
use crate::ledger::chain::{Hash, Link};

/// As many segments of about one size become one.
const FAN: usize = 16;
/// What is this large is left alone, in bytes: hosts take files of some ten megabytes and more.
const FULL_BYTES: u64 = 4 << 20;
const PREFIX: &str = "events-";
const SUFFIX: &str = ".jsonl";

/// A file of entries: the first and the last of them, and the object that holds the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) id: String,
    pub(super) bytes: u64,
}

impl Segment {
    /// `None`: this is the name of something else.
    pub(super) fn named(name: &str, id: &str, bytes: u64) -> Option<Segment> {
        let (first, last) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        let segment = Segment { first, last, id: id.to_owned(), bytes };
        (0 < first && first <= last && segment.name() == name).then_some(segment)
    }

    pub(super) fn name(&self) -> String {
        format!("{PREFIX}{:010}-{:010}{SUFFIX}", self.first, self.last)
    }

    fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// How often it was put together, about.
    fn level(&self) -> u32 {
        self.count().ilog(FAN as u64)
    }
}

/// Whether these hold each entry once, in order.
pub(super) fn are_whole(segments: &[Segment]) -> bool {
    let mut next = 1;
    segments.iter().all(|segment| std::mem::replace(&mut next, segment.last + 1) == segment.first)
}

/// How many of the last of `segments` are put together with `new`, which follows them. Those that are full never are.
pub(super) fn merged(segments: &[Segment], new: &Segment) -> usize {
    let (mut taken, mut whole) = (0, new.clone());
    loop {
        let rest = &segments[..segments.len() - taken];
        let level = whole.level();
        let like = rest.iter().rev().take_while(|s| s.level() <= level && s.bytes < FULL_BYTES);
        let like: Vec<&Segment> = like.collect();
        let bytes: u64 = whole.bytes + like.iter().map(|s| s.bytes).sum::<u64>();
        if like.len() + 1 < FAN || bytes >= 2 * FULL_BYTES {
            return taken;
        }
        taken += like.len();
        whole = Segment { first: like[like.len() - 1].first, bytes, ..whole };
    }
}

/// An entry as a line. The event stands in it as it was recorded, since the hash covers its bytes.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    seq: u64,
    at: String,
    actor: String,
    hash: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

pub(super) fn write_line(out: &mut Vec<u8>, link: Link<'_>, hash: &Hash) -> Result<(), Error> {
    let event = serde_json::from_str(link.event)
        .map_err(|error| Error::Corrupt(format!("entry {} cannot be read: {error}", link.seq)))?;
    let (at, actor) = (link.at.to_owned(), link.actor.to_owned());
    let line = Line { seq: link.seq, at, actor, hash: hex(hash), event };
    serde_json::to_writer(&mut *out, &line).expect("a line has only text keys");
    out.push(b'\n');
    Ok(())
}

/// Reads the lines of `segment`, and hands over each entry with its hash, which is not checked here.
pub(super) fn read_lines(
    segment: &Segment,
    text: &[u8],
    mut take: impl FnMut(Link<'_>, Hash) -> Result<(), Error>,
) -> Result<(), Error> {
    let bad = |why: &dyn std::fmt::Display| Error::Corrupt(format!("{}: {why}", segment.name()));
    let text = std::str::from_utf8(text).map_err(|error| bad(&error))?;
    let mut next = segment.first;
    for line in text.lines() {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| bad(&error))?;
        if line.seq != next || line.seq > segment.last {
            return Err(bad(&format!("entry {} where entry {next} belongs", line.seq)));
        }
        let hash = unhex(&line.hash).and_then(|hash| Hash::try_from(hash).ok());
        let hash = hash.ok_or_else(|| bad(&"an entry's hash is none"))?;
        let link = Link { seq: line.seq, at: &line.at, actor: &line.actor, event: line.event.get() };
        take(link, hash)?;
        next += 1;
    }
    if next == segment.last + 1 { Ok(()) } else { Err(bad(&format!("entry {next} is missing"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first: u64, last: u64, bytes: u64) -> Segment {
        Segment { first, last, id: String::new(), bytes }
    }

    #[test]
    fn a_name_tells_which_entries() {
        let one = segment(1, 16, 5);
        assert_eq!(one.name(), "events-0000000001-0000000016.jsonl");
        assert_eq!(Segment::named(&one.name(), "", 5), Some(one));
        for bad in [
            "head.json",
            "events-1-2.jsonl",
            "events-0000000002-0000000001.jsonl",
            "events-0000000000-0000000001.jsonl",
            "events-0000000001-0000000002.json",
            "events-0000000001.jsonl",
        ] {
            assert_eq!(Segment::named(bad, "", 0), None, "{bad}");
        }
        assert!(are_whole(&[]) && are_whole(&[segment(1, 2, 0), segment(3, 3, 0)]));
        assert!(!are_whole(&[segment(2, 2, 0)]) && !are_whole(&[segment(1, 2, 0), segment(4, 4, 0)]));
        assert!(!are_whole(&[segment(1, 2, 0), segment(2, 4, 0)]));
    }

    /// However a ledger grows: few files, and few bytes are sent again.
    #[test]
    fn segments_stay_few() {
        const ENTRY_BYTES: u64 = 500;
        let (mut segments, mut seq, mut sent, mut most) = (Vec::<Segment>::new(), 0, 0, 0);
        for turn in 0_u64..100_000 {
            let count = 1 + turn % 3;
            let new = segment(seq + 1, seq + count, count * ENTRY_BYTES);
            seq += count;
            let taken = segments.split_off(segments.len() - merged(&segments, &new));
            let first = taken.first().map_or(new.first, |s| s.first);
            segments.push(segment(first, seq, (seq - first + 1) * ENTRY_BYTES));
            assert!(are_whole(&segments));
            sent += segments[segments.len() - 1].bytes;
            most = most.max(segments.len());
        }
        assert!(segments.iter().all(|s| s.bytes < 2 * FULL_BYTES));
        assert!(most < 100, "{most} files");
        assert!(sent < 6 * seq * ENTRY_BYTES, "{sent} bytes sent for {}", seq * ENTRY_BYTES);
    }

    #[test]
    fn an_entry_comes_back_byte_by_byte_and_nothing_else_does() {
        let events = [r#"{"event":"created","lineage":"a\n\u00e4 ä"}"#, r#"{ "b":1.0,"a" : 1e3 }"#];
        let (mut text, mut expected) = (Vec::new(), Vec::new());
        for (seq, event) in (1..).zip(events) {
            let link = Link { seq, at: "now", actor: "apply by \"Ann\"\n", event };
            write_line(&mut text, link, &[7; 32]).expect("writes");
            expected.push((seq, "now".to_owned(), link.actor.to_owned(), event.to_owned(), [7; 32]));
        }
        let read = |text: &[u8], last| {
            let mut found = Vec::new();
            read_lines(&segment(1, last, 0), text, |link, hash| {
                found.push((
                    link.seq,
                    link.at.to_owned(),
                    link.actor.to_owned(),
                    link.event.to_owned(),
                    hash,
                ));
                Ok(())
            })
            .map(|()| found)
        };
        assert_eq!(read(&text, 2).expect("reads"), expected);
        let cut = &text[..text.len() - 10];
        let doubled = [&text[..], &text[..]].concat();
        let upper = String::from_utf8_lossy(&text).replace("07", "0z").into_bytes();
        let cases: [(&[u8], u64); 7] =
            [(&text, 1), (&text, 3), (cut, 2), (&doubled, 2), (&upper, 2), (b"\xff", 1), (b"{}", 1)];
        for (text, last) in cases {
            assert!(matches!(read(text, last), Err(Error::Corrupt(_))), "{}", String::from_utf8_lossy(text));
        }
    }
}
