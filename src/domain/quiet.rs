//! Quiet hours: the part of each day in which nothing new becomes public.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Disambiguation, TimeZone};

/// From one time of day to another, over midnight where the end is the earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// Quiet from here on.
    pub from: Time,
    /// Not quiet any more. Never the same as `from`.
    pub to: Time,
    pub zone: TimeZone,
}

impl QuietHours {
    /// When they end, if `at` lies within them.
    pub fn end_of(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.to_zoned(self.zone.clone()).datetime();
        let (time, date) = (local.time(), local.date());
        let end = match self.from < self.to {
            true => (self.from <= time && time < self.to).then_some(date),
            false if time < self.to => Some(date),
            false if self.from <= time => date.tomorrow().ok(),
            false => None,
        };
        self.instant(end?, self.to).filter(|end| *end > at)
    }

    /// The first instant from `at` on that is not quiet.
    pub fn after(&self, at: Timestamp) -> Timestamp {
        self.end_of(at).unwrap_or(at)
    }

    /// Beginning and end of the last ones that had begun at `now`.
    pub fn last(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let today = now.to_zoned(self.zone.clone()).date();
        let days = [Some(today), today.yesterday().ok()];
        let begun =
            |date| self.instant(date, self.from).filter(|began| *began <= now).map(|began| (date, began));
        let (first, began) = days.into_iter().flatten().find_map(begun)?;
        let last = if self.from < self.to { first } else { first.tomorrow().ok()? };
        Some((began, self.instant(last, self.to)?))
    }

    /// The last of the instants at which clocks show `time`, or the first after those that they skip.
    fn instant(&self, date: Date, time: Time) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
        ambiguous.disambiguate(Disambiguation::Later).ok()
    }
}

impl std::fmt::Display for QuietHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "{} to {} {zone}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str) -> QuietHours {
        let time = |written: &str| written.parse().expect("a time");
        QuietHours { from: time(from), to: time(to), zone: TimeZone::get("Europe/Berlin").expect("a zone") }
    }

    fn at(written: &str) -> Timestamp {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        match written.parse() {
            Ok(instant) => instant,
            Err(_) => {
                let local: jiff::civil::DateTime = written.parse().expect("a time");
                local.to_zoned(berlin).expect("it exists").timestamp()
            }
        }
    }

    #[test]
    fn what_lies_within_them_waits_for_their_end() {
        let night = ("22:00", "07:00");
        let noon = ("12:00", "13:30");
        for ((from, to), asked, expected) in [
            (night, "2026-11-26T21:59:59", None),
            (night, "2026-11-26T22:00", Some("2026-11-27T07:00")),
            (night, "2026-11-26T23:59", Some("2026-11-27T07:00")),
            (night, "2026-11-27T00:00", Some("2026-11-27T07:00")),
            (night, "2026-11-27T06:59:59", Some("2026-11-27T07:00")),
            (night, "2026-11-27T07:00", None),
            (noon, "2026-11-26T11:59", None),
            (noon, "2026-11-26T12:00", Some("2026-11-26T13:30")),
            (noon, "2026-11-26T13:30", None),
            // The night in which summer time begins is an hour shorter, the one in which it ends an hour longer.
            (night, "2027-03-27T23:00", Some("2027-03-28T05:00Z")),
            (night, "2026-10-24T23:00", Some("2026-10-25T06:00Z")),
            // An end that clocks skip is the first instant behind it; one that comes twice is the second.
            (("22:00", "02:30"), "2027-03-28T01:30", Some("2027-03-28T01:30Z")),
            (("22:00", "02:30"), "2026-10-25T00:10Z", Some("2026-10-25T01:30Z")),
            (("22:00", "02:30"), "2026-10-25T01:10Z", Some("2026-10-25T01:30Z")),
        ] {
            let found = hours(from, to).end_of(at(asked));
            assert_eq!(found, expected.map(at), "{asked} in {from} to {to}");
        }
    }

    #[test]
    fn after_them_it_is_not_quiet_for_every_minute_of_two_days_with_a_change_of_clocks() {
        for (from, to) in [("22:00", "07:00"), ("00:00", "02:30"), ("02:15", "02:45"), ("01:00", "00:59")] {
            let quiet = hours(from, to);
            for start in ["2027-03-27T12:00Z", "2026-10-24T12:00Z"] {
                for minute in 0..2_880 {
                    let now = at(start) + jiff::SignedDuration::from_mins(minute);
                    let open = quiet.after(now);
                    assert!(open >= now);
                    assert_eq!(quiet.end_of(open), None, "{now} in {quiet}");
                }
            }
        }
    }

    #[test]
    fn the_last_ones_have_begun() {
        for ((from, to), now, expected) in [
            (("22:00", "07:00"), "2026-11-26T07:00", ("2026-11-25T22:00", "2026-11-26T07:00")),
            (("22:00", "07:00"), "2026-11-26T22:00", ("2026-11-26T22:00", "2026-11-27T07:00")),
            (("22:00", "07:00"), "2026-11-26T06:00", ("2026-11-25T22:00", "2026-11-26T07:00")),
            (("12:00", "13:00"), "2026-11-26T11:30", ("2026-11-25T12:00", "2026-11-25T13:00")),
            (("12:00", "13:00"), "2026-11-26T12:30", ("2026-11-26T12:00", "2026-11-26T13:00")),
        ] {
            assert_eq!(hours(from, to).last(at(now)), Some((at(expected.0), at(expected.1))), "{now}");
        }
        assert_eq!(hours("22:00", "07:00").last(Timestamp::MIN), None);
        assert_eq!(hours("22:00", "07:00").end_of(Timestamp::MAX), None);
    }
}
