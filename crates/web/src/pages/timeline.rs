//! A line of time, drawn on the server: rounds as bars, what is planned as marks.

use crate::model::Release;
use chrono::{DateTime, Utc};

/// Width of the drawing, in its own units.
const WIDTH: i64 = 1_000;
/// Space at its ends, so that a mark there is whole.
const EDGE: i64 = 20;

/// A round that ran or runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) x: i64,
    pub(crate) width: i64,
    pub(crate) number: u16,
    pub(crate) tone: &'static str,
    pub(crate) title: String,
}

/// A point of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) x: i64,
    /// `slot`, `start`, `target` or `now`.
    pub(crate) kind: &'static str,
    pub(crate) title: String,
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
                x,
                // A short round is still one that can be seen.
                width: end.saturating_sub(x).max(14),
                number: cycle.number,
                tone: match (cycle.status.as_str(), cycle.verdict.as_str()) {
                    ("ABANDONED", _) => "plain",
                    (_, "PASSED") => "good",
                    (_, "FAILED") => "bad",
                    ("IN_PROGRESS", _) => "busy",
                    (_, _) => "warn",
                },
                title: format!("Round {}, begun {}", cycle.number, said(cycle.started_at)),
            }
        })
        .collect();
    let mark = |at: DateTime<Utc>, kind, label: &str| Mark {
        x: scale.x(at),
        kind,
        title: format!("{label}: {}", said(at)),
    };
    let mut marks = vec![mark(release.kickoff_at, "start", "Kickoff")];
    marks.extend(release.slots.iter().map(|slot| mark(slot.at, "slot", "Slot")));
    marks.extend(release.target_date.map(|at| mark(at, "target", "Target")));
    marks.push(mark(now, "now", "Now"));
    let summary = format!(
        "{} regression round(s) so far, {} slot(s) still planned",
        bars.len(),
        release.slots.len()
    );
    Some(Timeline { bars, marks, summary })
}

#[cfg(test)]
mod tests {
    use super::Scale;
    use chrono::DateTime;

    #[test]
    fn every_instant_lies_on_the_drawing() {
        let scale = Scale {
            from: 100,
            length: 50,
        };
        let x = |seconds| scale.x(DateTime::from_timestamp(seconds, 0).unwrap());
        assert_eq!((x(100), x(125), x(150)), (20, 500, 980));
        assert_eq!((x(0), x(1_000)), (20, 980));
    }
}
