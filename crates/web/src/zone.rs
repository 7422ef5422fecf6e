//! Time zones by the names of their places: what somebody means by a day and hour, summer time included.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

/// What a form offers, one of each offset and rule that many people live by, from west to east.
pub(crate) const OFFERED: &[&str] = &[
    "UTC",
    "Pacific/Honolulu",
    "America/Anchorage",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Denver",
    "America/Mexico_City",
    "America/Chicago",
    "America/Bogota",
    "America/Lima",
    "America/New_York",
    "America/Toronto",
    "America/Caracas",
    "America/Halifax",
    "America/Santiago",
    "America/St_Johns",
    "America/Argentina/Buenos_Aires",
    "America/Sao_Paulo",
    "Atlantic/Azores",
    "Africa/Casablanca",
    "Africa/Lagos",
    "Europe/Lisbon",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Madrid",
    "Europe/Paris",
    "Europe/Amsterdam",
    "Europe/Berlin",
    "Europe/Zurich",
    "Europe/Rome",
    "Europe/Vienna",
    "Europe/Prague",
    "Europe/Warsaw",
    "Europe/Stockholm",
    "Africa/Johannesburg",
    "Europe/Athens",
    "Europe/Bucharest",
    "Europe/Helsinki",
    "Europe/Kyiv",
    "Africa/Cairo",
    "Asia/Jerusalem",
    "Europe/Istanbul",
    "Asia/Riyadh",
    "Africa/Nairobi",
    "Europe/Moscow",
    "Asia/Tehran",
    "Asia/Dubai",
    "Asia/Kabul",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Colombo",
    "Asia/Kathmandu",
    "Asia/Dhaka",
    "Asia/Yangon",
    "Asia/Bangkok",
    "Asia/Ho_Chi_Minh",
    "Asia/Jakarta",
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Manila",
    "Asia/Singapore",
    "Asia/Taipei",
    "Australia/Perth",
    "Asia/Seoul",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Apia",
];

/// Why a day and hour is no instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is not written like one.
    Shape,
    /// Nobody knows the zone.
    Zone,
    /// Clocks of the zone skip it: summer time begins there.
    Skipped,
}

impl Wrong {
    /// What is to be put right.
    pub(crate) fn sentence(&self, text: &str, zone: &str) -> String {
        match self {
            Self::Shape => format!("`{text}` must look like 2026-12-01 10:00"),
            Self::Zone => format!("`{zone}` is no time zone"),
            Self::Skipped => {
                format!("`{text}` does not exist in {zone}: clocks are put forward over it that day")
            }
        }
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

/// A day and hour as they are read in a zone. What clocks show twice, when summer time ends, is the first of the two.
pub(crate) fn instant(text: &str, name: &str) -> Result<DateTime<FixedOffset>, Wrong> {
    let text = text.trim().replace(' ', "T");
    let read = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S"))
        .map_err(|_ignored| Wrong::Shape)?;
    let civil: civil::DateTime = read
        .format("%Y-%m-%dT%H:%M:%S")
        .to_string()
        .parse()
        .map_err(|_ignored| Wrong::Shape)?;
    let zone = zone(name).ok_or(Wrong::Zone)?;
    let offset = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset,
        AmbiguousOffset::Gap { .. } => return Err(Wrong::Skipped),
    };
    FixedOffset::east_opt(offset.seconds())
        .and_then(|offset| read.and_local_timezone(offset).single())
        .ok_or(Wrong::Shape)
}

/// An instant as clocks of the zone show it, the way a field for a day and hour takes it; none where nobody knows the zone.
pub(crate) fn shown(at: DateTime<Utc>, name: &str) -> Option<String> {
    let zone = zone(name)?;
    let instant = jiff::Timestamp::from_second(at.timestamp()).ok()?;
    let offset = FixedOffset::east_opt(zone.to_offset(instant).seconds())?;
    Some(at.with_timezone(&offset).format("%Y-%m-%dT%H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str) -> Result<String, Wrong> {
        instant(text, zone).map(|it| it.to_rfc3339())
    }

    #[test]
    fn a_day_and_hour_is_what_clocks_of_the_place_show() {
        for (text, zone, instant) in [
            ("2026-12-01T10:00", "UTC", "2026-12-01T10:00:00+00:00"),
            ("2026-12-01 10:00", "Europe/Berlin", "2026-12-01T10:00:00+01:00"),
            ("2026-07-01 10:00", "Europe/Berlin", "2026-07-01T10:00:00+02:00"),
            (
                "2026-12-01 10:00",
                "America/Los_Angeles",
                "2026-12-01T10:00:00-08:00",
            ),
            ("2026-12-01 10:00:30", "Asia/Kolkata", "2026-12-01T10:00:30+05:30"),
            // Shown twice: the first of the two is in summer time.
            ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25T02:30:00+02:00"),
        ] {
            assert_eq!(at(text, zone).as_deref(), Ok(instant), "{text} {zone}");
        }
    }

    #[test]
    fn an_instant_is_shown_as_it_would_be_read() {
        for (text, name) in [
            ("2026-12-01T10:00", "UTC"),
            ("2026-12-01T10:00", "Europe/Berlin"),
            ("2026-07-01T10:00", "Europe/Berlin"),
            ("2026-07-01T23:30", "Asia/Kathmandu"),
        ] {
            let at = instant(text, name).unwrap().to_utc();
            assert_eq!(shown(at, name).as_deref(), Some(text), "{name}");
        }
        assert_eq!(shown(DateTime::UNIX_EPOCH, "Mars/Base"), None);
    }

    #[test]
    fn what_is_no_instant_is_told_as_such() {
        assert_eq!(at("2026-03-29 02:30", "Europe/Berlin"), Err(Wrong::Skipped));
        for text in ["tomorrow", "2026-13-01 10:00", "10:00", ""] {
            assert_eq!(at(text, "UTC"), Err(Wrong::Shape), "{text}");
        }
        for zone in ["Mars/Base", "", "+02:00;x", "../../etc/passwd"] {
            assert_eq!(at("2026-12-01 10:00", zone), Err(Wrong::Zone), "{zone}");
        }
    }

    #[test]
    fn every_zone_that_is_offered_is_known() {
        for name in OFFERED {
            assert!(zone(name).is_some(), "{name}");
        }
    }
}
