//! A line of time, drawn on the server: cycles as bars, what is planned as marks.

use super::cycles::outcome;
use crate::model::Release;
use chrono::{DateTime, Utc};
use std::fmt;

/// Width of the drawing, in hundredths of a percent.
const WIDTH: i64 = 10_000;
/// Space at its ends, so that a mark there is whole.
const EDGE: i64 = 100;
/// Two names need so much space between them.
const APART: i64 = 1_000;
/// And so much on a phone.
const APART_THERE: i64 = 2_200;

/// A place on the drawing, written in percent: it is as wide as the page, and letters stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part(pub(crate) i64);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// A cycle that ran or runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) x: Part,
    pub(crate) width: Part,
    pub(crate) number: u16,
    pub(crate) tone: &'static str,
    pub(crate) title: String,
    /// Its name, where there is space for it.
    pub(crate) label: String,
    /// Where its name stands.
    pub(crate) label_x: Part,
    /// The name begins there, or ends.
    pub(crate) anchor: &'static str,
    /// On a phone there is no space for the name.
    pub(crate) crowded: bool,
}

/// A point of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) x: Part,
    /// `slot`, `start`, `target` or `now`.
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    /// Its name, where there is space for it.
    pub(crate) label: &'static str,
    /// Where its name stands: `start`, `middle` or `end` of it.
    pub(crate) anchor: &'static str,
    /// On a phone there is no space for the name.
    pub(crate) crowded: bool,
    /// How high it reaches.
    pub(crate) top: u8,
}

/// The drawing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timeline {
    pub(crate) bars: Vec<Bar>,
    pub(crate) marks: Vec<Mark>,
    /// What the drawing says, for whom it is not drawn.
    pub(crate) summary: String,
}

struct Scale {
    from: i64,
    length: i64,
}

impl Scale {
    fn x(&self, at: DateTime<Utc>) -> i64 {
        let part = at.timestamp().saturating_sub(self.from).clamp(0, self.length);
        let inner = WIDTH - 2 * EDGE;
        EDGE + part.saturating_mul(inner) / self.length
    }
}

fn said(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y, %H:%M UTC").to_string()
}

/// The line of a release; none when there is nothing on it but its kickoff.
pub(crate) fn timeline(release: &Release, now: DateTime<Utc>) -> Option<Timeline> {
    if release.cycles.is_empty() && release.slots.is_empty() && release.target_date.is_none() {
        return None;
    }
    let mut instants = vec![release.kickoff_at, now];
    instants.extend(release.target_date);
    instants.extend(release.slots.iter().map(|slot| slot.at));
    instants.extend(release.cycles.iter().map(|cycle| cycle.started_at));
    instants.extend(release.cycles.iter().filter_map(|cycle| cycle.ended_at));
    let from = instants.iter().min()?.timestamp();
    let to = instants.iter().max()?.timestamp();
    let scale = Scale {
        from,
        length: to.saturating_sub(from).max(1),
    };
    let mut bars: Vec<Bar> = release
        .cycles
        .iter()
        .map(|cycle| {
            let x = scale.x(cycle.started_at);
            let end = scale.x(cycle.ended_at.unwrap_or(now));
            // A short cycle is still one that can be seen.
            let width = end.saturating_sub(x).max(120);
            let last = x > WIDTH - APART;
            Bar {
                x: Part(x),
                width: Part(width),
                label: format!("Cycle {}", cycle.number),
                label_x: Part(if last { (x + width).min(WIDTH) } else { x }),
                anchor: if last { "end" } else { "start" },
                crowded: false,
                number: cycle.number,
                tone: outcome(cycle).1,
                title: format!("Cycle {}, begun {}", cycle.number, said(cycle.started_at)),
            }
        })
        .collect();
    named(&mut bars);
    let mark = |at: DateTime<Utc>, kind, label: &'static str| Mark {
        x: Part(scale.x(at)),
        kind,
        title: format!("{label}: {}", said(at)),
        label,
        anchor: "middle",
        crowded: false,
        top: if kind == "slot" { 40 } else { 36 },
    };
    let mut marks = vec![mark(release.kickoff_at, "start", "Kickoff")];
    marks.extend(release.slots.iter().map(|slot| mark(slot.at, "slot", "Slot")));
    marks.extend(release.target_date.map(|at| mark(at, "target", "Target")));
    marks.push(mark(now, "now", "Now"));
    spaced(&mut marks);
    let summary = format!(
        "Regression cycles so far: {}. Slots still planned: {}.",
        bars.len(),
        release.slots.len()
    );
    Some(Timeline { bars, marks, summary })
}

/// Where there is space for a name.
enum Space {
    Everywhere,
    /// On a screen as wide as a desk's.
    Wide,
    Nowhere,
}

/// Where names stand already, on every screen and on a wide one.
#[derive(Default)]
struct Taken {
    everywhere: Vec<i64>,
    wide: Vec<i64>,
}

impl Taken {
    /// Takes the place, as far as it is free.
    fn at(&mut self, x: i64) -> Space {
        let near = |of: &[i64], apart: i64| of.iter().any(|other| (other - x).abs() < apart);
        if near(&self.wide, APART) {
            return Space::Nowhere;
        }
        self.wide.push(x);
        if near(&self.everywhere, APART_THERE) {
            return Space::Wide;
        }
        self.everywhere.push(x);
        Space::Everywhere
    }
}

/// Names of cycles that would lie on each other are left away; the newest counts most.
fn named(bars: &mut [Bar]) {
    let mut taken = Taken::default();
    let mut order: Vec<&mut Bar> = bars.iter_mut().collect();
    order.sort_unstable_by_key(|bar| std::cmp::Reverse(bar.number));
    for bar in order {
        // A name that ends at its place is to the left of it.
        let x = if bar.anchor == "end" {
            bar.label_x.0 - APART
        } else {
            bar.label_x.0
        };
        match taken.at(x) {
            Space::Nowhere => bar.label.clear(),
            Space::Wide => bar.crowded = true,
            Space::Everywhere => {}
        }
    }
}

/// Names that would lie on each other are left away: today's counts most, a slot's least.
fn spaced(marks: &mut [Mark]) {
    let weight = |kind: &str| match kind {
        "now" => 0,
        "target" => 1,
        "start" => 2,
        _ => 3,
    };
    let mut order: Vec<(u8, i64, usize)> = marks
        .iter()
        .enumerate()
        .map(|(at, mark)| (weight(mark.kind), mark.x.0, at))
        .collect();
    order.sort_unstable();
    let mut taken = Taken::default();
    for (_, x, at) in order {
        let Some(mark) = marks.get_mut(at) else { continue };
        match taken.at(x) {
            Space::Nowhere => mark.label = "",
            Space::Wide => mark.crowded = true,
            Space::Everywhere => {}
        }
        if x < APART / 2 {
            mark.anchor = "start";
        } else if x > WIDTH - APART / 2 {
            mark.anchor = "end";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{APART, APART_THERE, Bar, Mark, Part, Scale, named, spaced};
    use chrono::DateTime;

    #[test]
    fn no_name_lies_on_another() {
        let mark = |x: i64, kind, label| Mark {
            x: Part(x),
            kind,
            title: String::new(),
            label,
            anchor: "middle",
            crowded: false,
            top: 36,
        };
        let mut marks = vec![
            mark(100, "start", "Kickoff"),
            mark(600, "slot", "Slot"),
            mark(1_900, "now", "Now"),
            mark(9_900, "target", "Target"),
        ];
        spaced(&mut marks);
        let said: Vec<(&str, bool)> = marks.iter().map(|it| (it.label, it.crowded)).collect();
        // On a phone the kickoff would lie on today.
        assert_eq!(
            said,
            [("Kickoff", true), ("", false), ("Now", false), ("Target", false)]
        );
        let bar = |number: u16, x: i64| Bar {
            x: Part(x),
            width: Part(120),
            number,
            tone: "good",
            title: String::new(),
            label: format!("Cycle {number}"),
            label_x: Part(x),
            anchor: "start",
            crowded: false,
        };
        let mut bars = vec![bar(1, 100), bar(2, 300), bar(3, 300 + APART), bar(4, 5_000)];
        named(&mut bars);
        let said: Vec<(&str, bool)> = bars.iter().map(|it| (it.label.as_str(), it.crowded)).collect();
        assert_eq!(
            said,
            [
                ("", false),
                ("Cycle 2", true),
                ("Cycle 3", false),
                ("Cycle 4", false)
            ]
        );
        const { assert!(APART < APART_THERE) }
    }

    #[test]
    fn every_instant_lies_on_the_drawing() {
        let scale = Scale {
            from: 100,
            length: 50,
        };
        let x = |seconds| scale.x(DateTime::from_timestamp(seconds, 0).unwrap());
        assert_eq!((x(100), x(125), x(150)), (100, 5_000, 9_900));
        assert_eq!((x(0), x(1_000)), (100, 9_900));
        assert_eq!(Part(x(125)).to_string(), "50.00");
    }
}
