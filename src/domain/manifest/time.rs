//! Instants and durations as people write them.

use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::decode::{closest, text};
use super::node::Node;
use super::report::{Report, quote};
use crate::domain::span::{Located, Span};

static PARSER: DateTimeParser = DateTimeParser::new();

/// The longest duration that can be written: ten years.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(24 * 3660);

const HOW: &str = "write it like 2026-12-01T09:00 (in the project's time zone), 2026-12-01T09:00+01:00 or \
                   2026-12-01T09:00[Europe/Berlin]";

/// An instant: RFC 3339 with offset, or local time in `zone`, or in the zone that is written behind it in brackets.
/// A local time that the clocks skip or show twice is an error: the author has to say what is meant.
pub fn instant(zone: &TimeZone) -> impl FnOnce(&Node, &Report) -> Option<Located<Timestamp>> {
    move |node, report| {
        let written = text(node, report)?;
        let instant = read(&written, zone, report)?;
        Some(Located::new(instant, written.span))
    }
}

fn read(written: &Located<String>, zone: &TimeZone, report: &Report) -> Option<Timestamp> {
    let invalid = |message: String| report.error("invalid-time", written.span, message).help(HOW);
    let Ok(pieces) = PARSER.parse_pieces(&written.value) else {
        invalid(format!("{} is no time", quote(&written.value)));
        return None;
    };
    let Some(time) = pieces.time() else {
        invalid(format!("{} is a date without a time of day", quote(&written.value)));
        return None;
    };
    let local = DateTime::from_parts(pieces.date(), time);
    let Ok(annotated) = pieces.to_time_zone() else {
        invalid(format!("unknown time zone in {}", quote(&written.value)));
        return None;
    };
    let Some(offset) = pieces.to_numeric_offset() else {
        return resolve(local, annotated.as_ref().unwrap_or(zone), written.span, report);
    };
    let instant = offset.to_timestamp(local).ok();
    let agrees = |instant: &Timestamp| {
        annotated.as_ref().is_none_or(|zone| is_zulu(&pieces) || zone.to_offset(*instant) == offset)
    };
    match instant {
        Some(instant) if agrees(&instant) => Some(instant),
        Some(_) => {
            invalid(format!("offset and time zone disagree in {}", quote(&written.value)));
            None
        }
        None => {
            invalid(format!("{} is out of range", quote(&written.value)));
            None
        }
    }
}

/// `Z` says when it is, and nothing about the local offset: it agrees with any zone (RFC 9557, section 2).
fn is_zulu(pieces: &Pieces<'_>) -> bool {
    matches!(pieces.offset(), Some(jiff::fmt::temporal::PiecesOffset::Zulu))
}

fn resolve(local: DateTime, zone: &TimeZone, span: Span, report: &Report) -> Option<Timestamp> {
    let name = zone.iana_name().unwrap_or("this time zone");
    let (code, what, before, after) = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            let instant = offset.to_timestamp(local).ok();
            if instant.is_none() {
                report.error("invalid-time", span, "the time is out of range").help(HOW);
            }
            return instant;
        }
        AmbiguousOffset::Gap { before, after } => {
            ("nonexistent-time", "does not exist: the clocks are put forward over it", before, after)
        }
        AmbiguousOffset::Fold { before, after } => {
            ("ambiguous-time", "comes twice: the clocks are put back over it", before, after)
        }
    };
    let readings = format!("write {} or {}", reading(local, before, zone), reading(local, after, zone));
    report.error(code, span, format!("the local time {local} in {name} {what}")).help(readings);
    None
}

/// The instant that `local` is at `offset`, as a clock in `zone` shows it.
fn reading(local: DateTime, offset: Offset, zone: &TimeZone) -> String {
    let Ok(instant) = offset.to_timestamp(local) else { return local.to_string() };
    let shown = instant.to_zoned(zone.clone());
    PARSER_PRINTER.timestamp_with_offset_to_string(&instant, shown.offset())
}

static PARSER_PRINTER: jiff::fmt::temporal::DateTimePrinter = jiff::fmt::temporal::DateTimePrinter::new();

/// An IANA time zone, from the database that comes with the program.
pub fn zone(node: &Node, report: &Report) -> Option<TimeZone> {
    let name = text(node, report)?;
    if let Ok(zone) = TimeZone::get(&name.value) {
        return Some(zone);
    }
    let finding =
        report.error("invalid-value", name.span, format!("unknown time zone {}", quote(&name.value)));
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let close =
        closest(&name.value, &known).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
    finding.help(format!("{close}a name of the IANA database is expected, such as Europe/Berlin"));
    None
}

/// `07:00`: hour and minute, with or without the first zero.
pub fn time_of_day(node: &Node, report: &Report) -> Option<Time> {
    let written = text(node, report)?;
    let time = read_time_of_day(&written.value);
    if time.is_none() {
        let message = format!("{} is no time of day", quote(&written.value));
        report
            .error("invalid-value", written.span, message)
            .help("write hour and minute, such as 07:00 or 22:30");
    }
    time
}

fn read_time_of_day(written: &str) -> Option<Time> {
    let (hour, minute) = written.split_once(':')?;
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i8>().ok())?;
    if hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// `30m`, `2h`, `7d`: a whole number and a unit.
pub fn duration(node: &Node, report: &Report) -> Option<SignedDuration> {
    let written = text(node, report)?;
    let duration = read_duration(&written.value);
    if duration.is_none() {
        let finding =
            report.error("invalid-value", written.span, format!("{} is no duration", quote(&written.value)));
        finding.help(
            "write a whole number and a unit (s, m, h, d, w), such as 30m, 2h or 7d; at most ten years",
        );
    }
    duration
}

/// Reads `30s`, `10m`, `2h`, `7d`.
pub fn read_duration(written: &str) -> Option<SignedDuration> {
    let (number, unit) = written.split_at_checked(written.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let number: i64 = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())??;
    let duration = SignedDuration::from_secs(number.checked_mul(seconds)?);
    (duration <= DURATION_MAX).then_some(duration)
}
