//! iCalendar (RFC 5545): events as lines that calendar programmes read.

use chrono::{DateTime, Datelike as _, Utc};

/// A line is no longer than so many octets; a longer one goes on behind a space (RFC 5545, 3.1).
const WIDTH: usize = 75;

/// Something that happens at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The same for the same thing in every answer.
    pub(super) uid: String,
    pub(super) at: DateTime<Utc>,
    pub(super) summary: String,
    /// When it was last changed.
    pub(super) changed: DateTime<Utc>,
    /// Where there is more, for people who may sign in.
    pub(super) url: Option<String>,
}

/// The calendar with its name.
pub(super) fn calendar(name: &str, events: &[Event]) -> String {
    let mut lines = Lines::default();
    for (property, value) in [
        ("BEGIN", "VCALENDAR"),
        ("VERSION", "2.0"),
        ("PRODID", "-//Delivr//Releases//EN"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        lines.raw(property, value);
    }
    // The first is of RFC 7986, the second is what programmes read that are older.
    lines.text("NAME", name);
    lines.text("X-WR-CALNAME", name);
    lines.raw("REFRESH-INTERVAL;VALUE=DURATION", "PT1H");
    lines.raw("X-PUBLISHED-TTL", "PT1H");
    for event in events {
        let (Some(at), Some(changed)) = (instant(event.at), instant(event.changed)) else {
            continue;
        };
        lines.raw("BEGIN", "VEVENT");
        lines.text("UID", &event.uid);
        lines.raw("DTSTAMP", &changed);
        lines.raw("LAST-MODIFIED", &changed);
        lines.raw("DTSTART", &at);
        lines.raw("DURATION", "PT30M");
        lines.text("SUMMARY", &event.summary);
        // Nobody is busy because of it.
        lines.raw("TRANSP", "TRANSPARENT");
        if let Some(url) = &event.url {
            lines.raw("URL", url);
        }
        lines.raw("END", "VEVENT");
    }
    lines.raw("END", "VCALENDAR");
    lines.0
}

/// An instant; none of a year that the format cannot say.
fn instant(at: DateTime<Utc>) -> Option<String> {
    (1..=9_999)
        .contains(&at.year())
        .then(|| at.format("%Y%m%dT%H%M%SZ").to_string())
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A property whose value is no free text.
    fn raw(&mut self, property: &str, value: &str) {
        let line = format!("{property}:{value}");
        let mut room = WIDTH;
        for letter in line.chars().filter(|letter| !letter.is_control()) {
            if letter.len_utf8() > room {
                self.0.push_str("\r\n ");
                room = WIDTH - 1;
            }
            room = room.saturating_sub(letter.len_utf8());
            self.0.push(letter);
        }
        self.0.push_str("\r\n");
    }
    /// A property whose value is a text (RFC 5545, 3.3.11).
    fn text(&mut self, property: &str, value: &str) {
        let mut written = String::with_capacity(value.len());
        for letter in value.chars() {
            match letter {
                '\\' | ';' | ',' => written.extend(['\\', letter]),
                '\n' => written.push_str("\\n"),
                _ => written.push(letter),
            }
        }
        self.raw(property, &written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(summary: &str, at: &str) -> Event {
        Event {
            uid: "7-kickoff@delivr".to_owned(),
            at: at.parse().unwrap(),
            summary: summary.to_owned(),
            changed: "2026-03-01T00:00:00Z".parse().unwrap(),
            url: None,
        }
    }

    #[test]
    fn a_text_stays_in_its_line() {
        let text = calendar(
            "a;b",
            &[event("x, y\\\r\nEND:VEVENT\r\nSUMMARY:z", "2026-03-04T05:06:07Z")],
        );
        assert!(
            text.contains("\r\nSUMMARY:x\\, y\\\\\\nEND:VEVENT\\nSUMMARY:z\r\n"),
            "{text}"
        );
        assert!(
            text.contains("\r\nX-WR-CALNAME:a\\;b\r\n") && text.contains("\r\nDTSTART:20260304T050607Z\r\n")
        );
        assert_eq!(text.matches("\r\nEND:VEVENT\r\n").count(), 1);
        assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("\r\nEND:VCALENDAR\r\n"));
    }

    #[test]
    fn long_lines_are_folded_between_letters() {
        let long = "\u{fc}".repeat(100);
        let text = calendar("a", &[event(&long, "2026-03-04T05:06:07Z")]);
        assert!(text.split("\r\n").all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.replace("\r\n ", "").contains(&format!("SUMMARY:{long}\r\n")));
    }

    #[test]
    fn a_year_that_nobody_can_write_is_left_out() {
        let text = calendar("a", &[event("x", "+262142-01-01T00:00:00Z")]);
        assert!(!text.contains("VEVENT"), "{text}");
    }
}
