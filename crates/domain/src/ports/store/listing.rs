//! Lists of releases: what narrows one, in which order it stands, and where a page of it ends.
//!
//! A page is continued from a value, not from a count: after the last release of the page before, by the value it was
//! sorted by and its number. A release that keeps its value is therefore never left out and never seen twice, whatever
//! others do meanwhile. One whose value changes while somebody pages moves to its new place: it is seen again when that
//! lies ahead, and not seen any more when it lies behind.

use super::Projection;
use crate::ids::{ServiceId, derive_uuid};
use crate::key::{UnknownWord, words};
use crate::release::view::Status;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

words! {
    /// What releases are sorted by. What has none of it (no target date) stands at the end, whichever way.
    SortBy ("sort of releases") {
        /// The number of the key: the order in which they were made.
        Key = "key",
        /// The slug of the service.
        Service = "serviceSlug",
        /// Board status, in the order in which a release passes through them.
        Status = "status",
        /// Kickoff.
        Kickoff = "kickoffAt",
        /// Target date.
        Target = "targetDate",
        /// When the last event happened.
        Changed = "updatedAt",
        /// Whose turn it is: the critical ones first, and of those what has not changed for the longest time.
        Priority = "priority",
    }
}

words! {
    /// Whether somebody is needed.
    Attention ("attention") {
        /// Nobody: it goes on by itself.
        Nobody = "NONE",
        /// A person's decision is waited for: an approval, or a regression cycle.
        Waiting = "WAITING",
        /// Something failed, or somebody stopped it.
        Stopped = "STOPPED",
    }
}

words! {
    /// How the target date of a release that is not shipped stands.
    Due ("due") {
        /// It has passed.
        Late = "LATE",
        /// It is to come.
        Upcoming = "UPCOMING",
    }
}

impl Attention {
    /// The number it is stored as; more of them means more trouble.
    #[must_use]
    pub const fn rank(self) -> i64 {
        match self {
            Self::Nobody => 0,
            Self::Waiting => 1,
            Self::Stopped => 2,
        }
    }
    /// The one of a stored number; one that is not known is somebody's to look at.
    #[must_use]
    pub const fn of_rank(rank: i64) -> Self {
        match rank {
            0 => Self::Nobody,
            1 => Self::Waiting,
            _ => Self::Stopped,
        }
    }
}

/// What a release is listed by, beside the columns that every aggregate has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Slug of its service; empty where there is none.
    pub service: String,
    /// Who pilots it, in small letters.
    pub pilot: Option<String>,
    /// Whether somebody is needed.
    pub attention: Attention,
    /// When the last event happened.
    pub changed_at: Option<Timestamp>,
    /// Whose turn it is: see [`SortBy::Priority`] and [`turn`].
    pub turn: Option<i64>,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            service: String::new(),
            pilot: None,
            attention: Attention::Nobody,
            changed_at: None,
            turn: None,
        }
    }
}

/// Microseconds between two priorities: more than there are until the year 9999.
const CLASS: i64 = 1_000_000_000_000_000_000;

/// Where a release stands in a queue: by its priority, and then by its last change.
#[must_use]
pub fn turn(priority: &str, changed_at: Timestamp) -> i64 {
    let class = match priority {
        "CRITICAL" => 0,
        "HIGH" => 1,
        "MEDIUM" => 2,
        _ => 3,
    };
    let at = changed_at.timestamp_micros().clamp(0, CLASS - 1);
    CLASS * class + at
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// The highest first.
    pub descending: bool,
}

impl Default for Sort {
    /// The newest first.
    fn default() -> Self {
        Self {
            by: SortBy::Key,
            descending: true,
        }
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.by)
    }
}

impl FromStr for Sort {
    type Err = UnknownWord;
    /// A field's name; with a hyphen before it, the highest first.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        Ok(Self {
            by: name.parse()?,
            descending,
        })
    }
}

/// What a list of releases is narrowed to, and its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFilter {
    /// Board status word.
    pub status: Option<String>,
    /// Phase word.
    pub phase: Option<String>,
    /// Service.
    pub service: Option<ServiceId>,
    /// Beginnings of words of key, title, version, branch or tag: see [`super::search`].
    pub text: Option<String>,
    /// Who pilots it, in small letters.
    pub pilot: Option<String>,
    /// One of these; empty is any.
    pub attention: Vec<Attention>,
    /// Only those that are not over.
    pub open: bool,
    /// Only those that are on their way to users, with a target date so, seen from an instant.
    pub due: Option<(Due, Timestamp)>,
    /// The order.
    pub sort: Sort,
}

impl ReleaseFilter {
    /// A short name of filters and order, so that a page is continued in the list it belongs to and in no other.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let service = self
            .service
            .map_or_else(String::new, |service| service.uuid().to_string());
        let attention: Vec<&str> = self.attention.iter().map(|it| it.word()).collect();
        let mark = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("={text}"));
        let parts = [
            mark(&self.status),
            mark(&self.phase),
            service,
            mark(&self.text),
            mark(&self.pilot),
            attention.join(","),
            self.open.to_string(),
            self.sort.to_string(),
        ];
        let mut parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        // The instant is the moment of asking: a list goes on while time does.
        parts.extend(self.due.map(|(due, _)| due.word().as_bytes()));
        let whole = derive_uuid(&parts);
        whole.as_fields().0
    }

    /// Whether a release is of the list, as far as its columns say; the text is looked for by whoever has the words.
    #[must_use]
    pub fn fits(&self, it: &Projection) -> bool {
        self.status.as_ref().is_none_or(|status| it.status == *status)
            && self.phase.as_ref().is_none_or(|phase| it.phase == *phase)
            && self
                .service
                .is_none_or(|service| it.parent == Some(service.uuid()))
            && self
                .pilot
                .as_ref()
                .is_none_or(|pilot| it.listing.pilot.as_ref() == Some(pilot))
            && (self.attention.is_empty() || self.attention.contains(&it.listing.attention))
            && !(self.open && it.terminal)
            && self.due.is_none_or(|(due, now)| {
                let shipped = it.status.parse().is_ok_and(Status::over);
                let fits = |target: Timestamp| match due {
                    Due::Late => target < now,
                    Due::Upcoming => target >= now,
                };
                !it.terminal && !shipped && it.target_date.is_some_and(fits)
            })
    }
}

/// The value that a release is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A number: of a key, of an instant in microseconds, of a status in its order.
    Number(i64),
    /// A text, in the order of its bytes.
    Text(String),
}

/// The place of a status on the way of a release; none of a word that this build does not know.
#[must_use]
pub fn rank_of(status: &str) -> Option<usize> {
    Status::ALL.iter().position(|it| it.word() == status)
}

/// The value of a release in a sort; none stands at the end.
#[must_use]
pub fn place(it: &Projection, by: SortBy) -> Option<Place> {
    let micros = |at: Option<Timestamp>| at.map(|at| Place::Number(at.timestamp_micros()));
    match by {
        SortBy::Key => Some(Place::Number(it.number)),
        SortBy::Service => {
            let slug = &it.listing.service;
            (!slug.is_empty()).then(|| Place::Text(slug.clone()))
        }
        SortBy::Status => rank_of(&it.status)
            .and_then(|rank| i64::try_from(rank).ok())
            .map(Place::Number),
        SortBy::Kickoff => micros(it.kickoff_at),
        SortBy::Target => micros(it.target_date),
        SortBy::Changed => micros(it.listing.changed_at),
        SortBy::Priority => it.listing.turn.map(Place::Number),
    }
}

/// The last release of a page: the next one begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// Its value in the sort.
    pub place: Option<Place>,
    /// Its number.
    pub number: i64,
}

impl After {
    /// The end of a page.
    #[must_use]
    pub fn of(it: &Projection, sort: Sort) -> Self {
        Self {
            place: place(it, sort.by),
            number: it.number,
        }
    }

    /// As a cursor of the list.
    #[must_use]
    pub fn cursor(&self, filter: &ReleaseFilter) -> String {
        let place = match &self.place {
            None => String::new(),
            Some(Place::Number(number)) => format!(".n{number}"),
            Some(Place::Text(text)) => format!(".t{text}"),
        };
        format!("{:08x}.{}{place}", filter.fingerprint(), self.number)
    }

    /// What a cursor says; none of one that this list has not given out.
    #[must_use]
    pub fn read(cursor: &str, filter: &ReleaseFilter) -> Option<Self> {
        let (of, rest) = cursor.split_once('.')?;
        if of != format!("{:08x}", filter.fingerprint()) {
            return None;
        }
        let (number, place) = match rest.split_once('.') {
            None => (rest, None),
            Some((number, place)) => (number, Some(place)),
        };
        let place = match place {
            None => None,
            Some(text) => Some(match (text.strip_prefix('n'), text.strip_prefix('t')) {
                (Some(number), _) => Place::Number(number.parse().ok()?),
                (None, Some(text)) => Place::Text(text.to_owned()),
                (None, None) => return None,
            }),
        };
        let texts = filter.sort.by == SortBy::Service;
        let suits = match &place {
            None => filter.sort.by != SortBy::Key,
            Some(Place::Number(_)) => !texts,
            Some(Place::Text(_)) => texts,
        };
        suits.then_some(Self {
            place,
            number: number.parse().ok()?,
        })
    }

    /// Whether a release comes after this one.
    #[must_use]
    pub fn precedes(&self, it: &Projection, sort: Sort) -> bool {
        order(
            &(place(it, sort.by), it.number),
            &(self.place.clone(), self.number),
            sort,
        )
        .is_gt()
    }
}

/// Which of two releases comes first.
fn order(one: &(Option<Place>, i64), other: &(Option<Place>, i64), sort: Sort) -> std::cmp::Ordering {
    // Without a value at the end, whichever way.
    let placed = one.0.is_none().cmp(&other.0.is_none());
    let values = one.cmp(other);
    placed.then(if sort.descending { values.reverse() } else { values })
}

/// Sorts releases as a list of the sort has them.
pub fn arrange<T>(all: &mut [T], sort: Sort, of: impl Fn(&T) -> &Projection) {
    all.sort_by(|one, other| {
        let (one, other) = (of(one), of(other));
        order(
            &(place(one, sort.by), one.number),
            &(place(other, sort.by), other.number),
            sort,
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn release(number: i64, target: Option<i64>) -> Projection {
        Projection {
            number,
            target_date: target.and_then(DateTime::from_timestamp_micros),
            ..Projection::default()
        }
    }

    fn sort(text: &str) -> Sort {
        text.parse().unwrap()
    }

    #[test]
    fn what_has_no_value_stands_at_the_end_whichever_way() {
        for (text, expected) in [("targetDate", [2, 3, 1, 4]), ("-targetDate", [3, 2, 4, 1])] {
            let mut all = vec![
                release(1, None),
                release(2, Some(5)),
                release(3, Some(9)),
                release(4, None),
            ];
            arrange(&mut all, sort(text), |it| it);
            let numbers: Vec<i64> = all.iter().map(|it| it.number).collect();
            assert_eq!(numbers, expected, "{text}");
            for (at, it) in all.iter().enumerate() {
                let after = After::of(it, sort(text));
                let rest = all.iter().filter(|it| after.precedes(it, sort(text))).count();
                assert_eq!(rest, all.len() - at - 1);
            }
        }
    }

    #[test]
    fn a_cursor_is_read_by_the_list_that_gave_it_out_and_by_no_other() {
        let of = |text: &str| ReleaseFilter {
            sort: sort(text),
            ..ReleaseFilter::default()
        };
        let filter = of("targetDate");
        for it in [release(7, None), release(7, Some(-5))] {
            let after = After::of(&it, filter.sort);
            let cursor = after.cursor(&filter);
            assert_eq!(After::read(&cursor, &filter), Some(after), "{cursor}");
            for other in [
                of("-targetDate"),
                of("kickoffAt"),
                ReleaseFilter {
                    open: true,
                    ..filter.clone()
                },
                ReleaseFilter {
                    text: Some(String::new()),
                    ..filter.clone()
                },
            ] {
                assert_eq!(After::read(&cursor, &other), None, "{other:?}");
            }
        }
        let mark = format!("{:08x}", filter.fingerprint());
        for wrong in [
            "",
            "7",
            "x.7",
            &mark,
            &format!("{mark}.x"),
            &format!("{mark}.7.5"),
            &format!("{mark}.7.tx"),
        ] {
            assert_eq!(After::read(wrong, &filter), None, "{wrong}");
        }
    }

    #[test]
    fn the_critical_come_first_and_then_what_waits_longest() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let order = [
            turn("CRITICAL", at(9)),
            turn("HIGH", at(2)),
            turn("HIGH", at(9)),
            turn("LOW", at(1)),
        ];
        assert!(order.is_sorted());
    }

    #[test]
    fn a_sort_is_written_as_it_is_read() {
        for text in ["key", "-key", "-updatedAt", "priority"] {
            assert_eq!(sort(text).to_string(), text);
        }
        for text in ["", "-", "--key", "KEY", "+key", "key,status"] {
            assert!(text.parse::<Sort>().is_err(), "{text}");
        }
    }
}
