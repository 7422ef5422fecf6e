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
const APART: i64 = 900;

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
    let bars: Vec<Bar> = release
        .cycles
        .iter()
        .map(|cycle| {
            let x = scale.x(cycle.started_at);
            let end = scale.x(cycle.ended_at.unwrap_or(now));
            Bar {
                x: Part(x),
                // A short cycle is still one that can be seen.
                width: Part(end.saturating_sub(x).max(120)),
                number: cycle.number,
                tone: outcome(cycle).1,
                title: format!("Cycle {}, begun {}", cycle.number, said(cycle.started_at)),
            }
        })
        .collect();
    let mark = |at: DateTime<Utc>, kind, label: &'static str| Mark {
        x: Part(scale.x(at)),
        kind,
        title: format!("{label}: {}", said(at)),
        label,
        anchor: "middle",
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
    let mut taken: Vec<i64> = Vec::new();
    for (_, x, at) in order {
        let Some(mark) = marks.get_mut(at) else { continue };
        if taken.iter().any(|other| (other - x).abs() < APART) {
            mark.label = "";
        } else {
            taken.push(x);
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
    use super::{Part, Scale};
    use chrono::DateTime;

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
