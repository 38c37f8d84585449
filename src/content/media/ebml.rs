//! EBML elements (RFC 8794): an identifier, a length and content, nested.

use std::io::{Read, Seek};

use super::ProbeError;
use super::source::{Source, Span, printable};

pub(super) struct Element {
    pub(super) id: u32,
    pub(super) start: u64,
    /// Without a known size: all that is left of what contains it.
    pub(super) body: Span,
    pub(super) sized: bool,
}

/// The next element in `rest`, which is left where the element's content begins.
pub(super) fn enter<R: Read + Seek>(
    src: &mut Source<R>,
    rest: &mut Span,
) -> Result<Option<Element>, ProbeError> {
    src.step()?;
    if rest.len() == 0 {
        return Ok(None);
    }
    let start = rest.start;
    let (id, id_length) = number(src, *rest)?;
    let (marked, size_length) = number(src, rest.skip(id_length))?;
    let body = rest.skip(id_length + size_length);
    let id = u32::try_from(id)
        .map_err(|_| ProbeError::Malformed { at: start, what: "no element where one should be" })?;
    // The length's own marker bit goes; all other bits set means that the length is unknown.
    let marker = 1u64 << (7 * size_length);
    let size = marked - marker;
    *rest = body;
    if size == marker - 1 {
        return Ok(Some(Element { id, start, body, sized: false }));
    }
    if size > body.len() {
        let part = name(id);
        let at_end = body.end == src.whole().end;
        return Err(match at_end {
            true => ProbeError::Truncated { part, at: start },
            false => ProbeError::Overrun { part, at: start },
        });
    }
    let body = Span { start: body.start, end: body.start + size };
    Ok(Some(Element { id, start, body, sized: true }))
}

/// The next element in `rest`, which is left behind it.
pub(super) fn next<R: Read + Seek>(
    src: &mut Source<R>,
    rest: &mut Span,
) -> Result<Option<Element>, ProbeError> {
    let element = enter(src, rest)?;
    if let Some(element) = &element {
        rest.start = element.body.end;
    }
    Ok(element)
}

/// A number whose first set bit tells its length; the bit stays in, as it does in written identifiers.
fn number<R: Read + Seek>(src: &mut Source<R>, span: Span) -> Result<(u64, u64), ProbeError> {
    let truncated = ProbeError::Truncated { part: "element header".into(), at: span.start };
    if span.len() == 0 {
        return Err(truncated);
    }
    let length = u64::from(src.u8(span, 0)?.leading_zeros()) + 1;
    match length {
        9.. => Err(ProbeError::Malformed { at: span.start, what: "no element where one should be" }),
        _ if length > span.len() => Err(truncated),
        _ => Ok((big_endian(src, span, length)?, length)),
    }
}

fn big_endian<R: Read + Seek>(src: &mut Source<R>, span: Span, length: u64) -> Result<u64, ProbeError> {
    (0..length).try_fold(0, |value, offset| Ok(value << 8 | u64::from(src.u8(span, offset)?)))
}

pub(super) fn unsigned<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<u64, ProbeError> {
    match body.len() {
        length @ 0..=8 => big_endian(src, body, length),
        _ => Err(ProbeError::Malformed { at: body.start, what: "an integer longer than 8 bytes" }),
    }
}

pub(super) fn float<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<f64, ProbeError> {
    match body.len() {
        0 => Ok(0.0),
        4 => Ok(f32::from_be_bytes(src.array(body, 0)?).into()),
        8 => Ok(f64::from_be_bytes(src.array(body, 0)?)),
        _ => Err(ProbeError::Malformed { at: body.start, what: "a float of an unknown size" }),
    }
}

/// Printable ASCII; names in these files are short.
pub(super) fn string<R: Read + Seek>(src: &mut Source<R>, body: Span) -> Result<String, ProbeError> {
    let bytes: Result<Vec<u8>, _> = (0..body.len().min(32)).map(|offset| src.u8(body, offset)).collect();
    Ok(printable(bytes?.split(|&b| b == 0).next().unwrap_or_default()))
}

fn name(id: u32) -> String {
    match id {
        super::webm::SEGMENT => "Segment".into(),
        super::webm::CLUSTER => "Cluster".into(),
        super::webm::SIMPLE_BLOCK => "SimpleBlock".into(),
        _ => format!("element {id:X}"),
    }
}
