//! Times as people read them: the day and hour with their zone, and how far away that is.

use askama::filters::HtmlSafe;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use std::fmt;

/// An instant, however many references a template puts in front of it.
pub(crate) trait Instant {
    /// The instant.
    fn instant(&self) -> DateTime<Utc>;
}

impl Instant for DateTime<Utc> {
    fn instant(&self) -> DateTime<Utc> {
        *self
    }
}

impl<T: Instant + ?Sized> Instant for &T {
    fn instant(&self) -> DateTime<Utc> {
        (**self).instant()
    }
}

/// An instant as an element of a page, seen from another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Both,
    /// Both, for where there is little room: how far away it is stands first, and this year's days have no year.
    Short,
}

impl When {
    pub(crate) const fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            at,
            now,
            how: How::Both,
        }
    }
    /// The same for where there is little room.
    pub(crate) const fn short(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            at,
            now,
            how: How::Short,
        }
    }
}

// Nothing of it comes from outside: it is made of numbers and our own words.
impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let text = self.at.format("%-d %b %Y, %H:%M UTC");
        let far = distance(self.at - self.now);
        match self.how {
            How::Both => write!(
                f,
                "<time datetime=\"{iso}\">{text} <span class=\"ago\">({far})</span></time>"
            ),
            How::Short => {
                let form = if self.at.year() == self.now.year() {
                    "%-d %b, %H:%M UTC"
                } else {
                    "%-d %b %Y, %H:%M UTC"
                };
                let day = self.at.format(form);
                write!(
                    f,
                    "<time datetime=\"{iso}\"><span class=\"ago\">{far}</span> <span class=\"day\">({day})</span></time>"
                )
            }
        }
    }
}

/// How far away an instant is, in the largest unit that says enough.
pub(crate) fn distance(delta: TimeDelta) -> String {
    let seconds = delta.num_seconds();
    let away = seconds.unsigned_abs();
    let (count, unit) = match away {
        0..=44 => return if seconds > 0 { "in a moment" } else { "just now" }.to_owned(),
        45..=5_399 => (away.saturating_add(30) / 60, "min"),
        5_400..=129_599 => (away.saturating_add(1_800) / 3_600, "h"),
        _ => (away.saturating_add(43_200) / 86_400, "d"),
    };
    if seconds > 0 {
        format!("in {count} {unit}")
    } else {
        format!("{count} {unit} ago")
    }
}

/// How long something takes or has lasted, in the unit that says enough.
pub(crate) fn lasting(delta: TimeDelta) -> String {
    let seconds = delta.num_seconds().max(0).unsigned_abs();
    match seconds {
        0..=59 => "less than a minute".to_owned(),
        60..=5_399 => format!("{} min", (seconds + 30) / 60),
        5_400..=129_599 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// How long something took, in its two largest units.
pub(crate) fn span(delta: TimeDelta) -> String {
    let seconds = delta.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", seconds % 60),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_told_in_the_unit_that_fits() {
        for (seconds, text) in [
            (0, "just now"),
            (-44, "just now"),
            (30, "in a moment"),
            (-60, "1 min ago"),
            (-3_600, "60 min ago"),
            (7_200, "in 2 h"),
            (-86_400 * 3, "3 d ago"),
            (129_600, "in 2 d"),
        ] {
            assert_eq!(distance(TimeDelta::seconds(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn what_lasts_is_told_in_one_unit() {
        for (seconds, text) in [
            (-1, "less than a minute"),
            (59, "less than a minute"),
            (60, "1 min"),
            (5_399, "90 min"),
            (5_400, "2 h"),
            (129_600, "2 d"),
            (259_200, "3 d"),
        ] {
            assert_eq!(lasting(TimeDelta::seconds(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn an_instant_shows_its_zone_and_its_distance() {
        let at: DateTime<Utc> = "2026-03-04T05:06:07Z".parse().unwrap();
        let shown = When::new(at, at + TimeDelta::hours(2)).to_string();
        assert_eq!(
            shown,
            "<time datetime=\"2026-03-04T05:06:07Z\">4 Mar 2026, 05:06 UTC <span class=\"ago\">(2 h ago)</span></time>"
        );
    }

    #[test]
    fn with_little_room_an_instant_shows_its_zone_and_distance_too() {
        let at: DateTime<Utc> = "2026-03-04T05:06:07Z".parse().unwrap();
        let shown = |later: TimeDelta| When::short(at, at + later).to_string();
        assert_eq!(
            shown(TimeDelta::hours(2)),
            "<time datetime=\"2026-03-04T05:06:07Z\"><span class=\"ago\">2 h ago</span> <span class=\"day\">(4 Mar, 05:06 UTC)</span></time>"
        );
        assert!(shown(TimeDelta::days(365)).contains("4 Mar 2026, 05:06 UTC"));
    }

    #[test]
    fn a_span_is_told_in_two_units_at_most() {
        for (seconds, text) in [
            (-5, "0 s"),
            (41, "41 s"),
            (599, "9 min"),
            (3_600, "1 h"),
            (5_400, "1 h 30 min"),
            (86_400, "1 d"),
            (183_600, "2 d 3 h"),
        ] {
            assert_eq!(span(TimeDelta::seconds(seconds)), text, "{seconds}");
        }
    }
}
