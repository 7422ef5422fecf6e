//! What was shipped and how long it takes, as the API counts it; and how long a release has been where it is, beside that.

use super::stats::Count;
use super::timeline::Part;
use crate::model::Release;
use crate::shown::words;
use crate::when::lasting;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

/// How many were shipped in a span.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Span {
    pub(crate) from: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) count: Count,
}

/// What is usual; nothing, where too few tell it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usual {
    /// Told from so many releases.
    pub(crate) releases: usize,
    median_seconds: Option<i64>,
    ninetieth_seconds: Option<i64>,
}

fn spelled(seconds: Option<i64>) -> Option<String> {
    seconds.and_then(TimeDelta::try_seconds).map(lasting)
}

impl Usual {
    /// Half of them took no longer.
    pub(crate) fn median(&self) -> Option<String> {
        spelled(self.median_seconds)
    }
    /// Nine of ten took no longer.
    pub(crate) fn ninetieth(&self) -> Option<String> {
        spelled(self.ninetieth_seconds)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct StageUsual {
    stage: String,
    #[serde(flatten)]
    usual: Usual,
}

#[derive(Debug, Clone, Deserialize)]
struct PhaseUsual {
    phase: String,
    #[serde(flatten)]
    usual: Usual,
}

/// How many were out when they should be.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Punctual {
    pub(crate) releases: usize,
    pub(crate) met: usize,
}

/// The figures of the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    pub(crate) zone: String,
    pub(crate) this_month: Span,
    pub(crate) last_month: Span,
    weeks: Vec<Span>,
    pub(crate) shipped: Span,
    pub(crate) lead_time: Usual,
    stages: Vec<StageUsual>,
    phases: Vec<PhaseUsual>,
    pub(crate) on_time: Punctual,
    pub(crate) late: Count,
    pub(crate) settling: bool,
}

/// A week as it is drawn.
pub(crate) struct Week {
    pub(crate) x: Part,
    pub(crate) width: Part,
    /// Where its number and its name stand.
    pub(crate) middle: Part,
    pub(crate) top: i64,
    pub(crate) height: i64,
    pub(crate) count: Count,
    /// The day it began, of every other one.
    pub(crate) label: String,
    /// It is under way.
    pub(crate) now: bool,
}

/// A stage as it is drawn.
pub(crate) struct Pace {
    pub(crate) name: String,
    pub(crate) releases: usize,
    /// How long half of them took, how long nine of ten.
    pub(crate) usual: Option<(String, String)>,
    /// How long the bar is.
    pub(crate) width: Part,
}

/// The space of the bars, in pixels, and what lies above it for their numbers.
const HIGH: i64 = 72;
const ABOVE: i64 = 16;
/// The whole width, in hundredths of a percent.
const WHOLE: i64 = 10_000;

impl Delivery {
    /// The shipped ones by week, as bars.
    pub(crate) fn drawn(&self) -> Vec<Week> {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / WHOLE);
        let most = self
            .weeks
            .iter()
            .map(|week| number(week.count.count))
            .max()
            .unwrap_or(0)
            .max(1);
        let each = WHOLE / number(self.weeks.len()).max(1);
        let bar = |(at, week): (usize, &Span)| {
            let found = number(week.count.count);
            // Where there is one at all, it is seen.
            let height = match found {
                0 => 0,
                found => (found * HIGH / most).max(2),
            };
            let left = number(at) * each;
            Week {
                x: Part(left + each / 8),
                width: Part(each * 3 / 4),
                middle: Part(left + each / 2),
                top: ABOVE + HIGH - height,
                height,
                count: week.count,
                label: if at % 2 == 1 {
                    week.from.format("%-d %b").to_string()
                } else {
                    String::new()
                },
                now: at + 1 == self.weeks.len(),
            }
        };
        self.weeks.iter().enumerate().map(bar).collect()
    }

    /// The same in words, for who does not see the drawing.
    pub(crate) fn told(&self) -> String {
        let each: Vec<String> = self
            .weeks
            .iter()
            .map(|week| format!("{} from {}", week.count, week.from.format("%-d %b")))
            .collect();
        format!("Shipped by week: {}", each.join(", "))
    }

    /// The stages with what is usual in each.
    pub(crate) fn paces(&self) -> Vec<Pace> {
        let seconds = |it: &StageUsual| it.usual.median_seconds.unwrap_or(0).max(0);
        let longest = self.stages.iter().map(seconds).max().unwrap_or(0).max(1);
        let pace = |it: &StageUsual| Pace {
            name: words(&it.stage),
            releases: it.usual.releases,
            usual: it.usual.median().zip(it.usual.ninetieth()),
            width: Part(seconds(it).saturating_mul(WHOLE) / longest),
        };
        self.stages.iter().map(pace).collect()
    }

    /// More were shipped lately than figures are told from.
    pub(crate) fn more(&self) -> bool {
        self.shipped.count.exceeds(self.lead_time.releases)
    }

    /// Nothing was shipped as far as is told here.
    pub(crate) fn nothing(&self) -> bool {
        self.shipped.count.none() && self.last_month.count.none()
    }
}

/// How long a release has been where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Age {
    /// `Regression for 3 d`.
    pub(crate) said: String,
    /// Since then.
    pub(crate) since: DateTime<Utc>,
    /// That is longer than usual: nine of ten took no longer than this.
    pub(crate) beyond: Option<String>,
}

/// What ages are seen beside.
pub(crate) struct Ages {
    phases: Vec<PhaseUsual>,
    now: DateTime<Utc>,
}

impl Ages {
    pub(crate) fn of(delivery: &Delivery, now: DateTime<Utc>) -> Self {
        Self {
            phases: delivery.phases.clone(),
            now,
        }
    }

    /// The age of a release in its stage; none of one that has not begun, is out, or is over, and where it is not known.
    pub(crate) fn age(&self, release: &Release) -> Option<Age> {
        if release.status == "DEPLOYED" {
            return None;
        }
        let usual = &self.phases.iter().find(|it| it.phase == release.phase)?.usual;
        let since = release.stage_since?;
        let lasted = self.now - since;
        let beyond = usual
            .ninetieth_seconds
            .filter(|most| lasted.num_seconds() > *most);
        Some(Age {
            said: format!("{} for {}", words(&release.phase), lasting(lasted)),
            since,
            beyond: spelled(beyond),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn figures(counts: [usize; 12], stages: &Value) -> Delivery {
        let span = |from: DateTime<Utc>, count: usize| json!({"from": from, "to": from + TimeDelta::days(7), "count": count, "more": false});
        let first: DateTime<Utc> = "2026-08-31T00:00:00Z".parse().unwrap();
        let weeks: Vec<Value> = (0..)
            .zip(counts)
            .map(|(week, count)| span(first + TimeDelta::days(7 * week), count))
            .collect();
        let phases = json!([{
            "phase": "REGRESSION", "releases": 3, "medianSeconds": 3_600, "ninetiethSeconds": 172_800,
        }, {
            "phase": "KICKOFF", "releases": 1, "medianSeconds": null, "ninetiethSeconds": null,
        }]);
        serde_json::from_value(json!({
            "zone": "UTC", "thisMonth": span(first, 0), "lastMonth": span(first, 0), "weeks": weeks,
            "shipped": span(first, 0), "leadTime": {"releases": 0, "medianSeconds": null, "ninetiethSeconds": null},
            "stages": stages, "phases": phases, "onTime": {"releases": 0, "met": 0},
            "late": {"count": 0, "more": false}, "settling": false,
        }))
        .unwrap()
    }

    #[test]
    fn weeks_are_drawn_as_high_as_their_numbers() {
        let drawn = figures([0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1_000], &json!([])).drawn();
        let heights: Vec<i64> = drawn.iter().map(|it| it.height).collect();
        assert_eq!(heights[..4], [0, 2, 2, 0], "what is there is seen");
        assert_eq!((heights[11], drawn[11].top), (HIGH, ABOVE));
        assert!(drawn[11].now && !drawn[10].now);
        assert_eq!((drawn[0].label.as_str(), drawn[1].label.as_str()), ("", "7 Sep"));
        assert!(
            drawn
                .iter()
                .all(|it| it.x.0 + it.width.0 <= WHOLE && it.top + it.height == ABOVE + HIGH)
        );
        let nothing = figures([0; 12], &json!([]));
        assert!(nothing.drawn().iter().all(|it| it.height == 0) && nothing.nothing());
        assert!(nothing.told().ends_with("0 from 9 Nov, 0 from 16 Nov"));
    }

    #[test]
    fn a_stage_is_as_long_as_its_median() {
        let stages = json!([
            {"stage": "KICKOFF", "releases": 4, "medianSeconds": 3_600, "ninetiethSeconds": 7_200},
            {"stage": "PRE_RELEASE", "releases": 4, "medianSeconds": 14_400, "ninetiethSeconds": 172_800},
            {"stage": "DISTRIBUTION", "releases": 2, "medianSeconds": null, "ninetiethSeconds": null},
        ]);
        let paces = figures([0; 12], &stages).paces();
        let widths: Vec<i64> = paces.iter().map(|it| it.width.0).collect();
        assert_eq!(widths, [WHOLE / 4, WHOLE, 0]);
        assert_eq!(paces[1].name, "Pre-release");
        assert_eq!(paces[1].usual, Some(("4 h".to_owned(), "2 d".to_owned())));
        assert_eq!((paces[2].releases, &paces[2].usual), (2, &None));
    }

    #[test]
    fn an_age_beyond_what_is_usual_says_so() {
        let now: DateTime<Utc> = "2026-11-18T12:00:00Z".parse().unwrap();
        let ages = Ages::of(&figures([0; 12], &json!([])), now);
        let age = |phase: &str, status: &str, hours: Option<i64>| {
            let release: Release = serde_json::from_value(json!({
                "key": "REL-1", "version": "1.0.0", "status": status, "phase": phase, "type": "MINOR",
                "title": "One", "description": null, "priority": "LOW", "pilot": null, "serviceSlug": "shop",
                "baseBranch": "main", "branchRelease": null, "baseSha": null, "tag": null, "notes": null,
                "kickoffAt": now, "targetDate": null, "createdAt": now, "updatedAt": now, "targets": [],
                "holds": [], "stageSince": hours.map(|hours| now - TimeDelta::hours(hours)),
                "orchestration": {"lastSweepAt": null, "nextWakeAt": null, "underWay": 0},
            }))
            .unwrap();
            ages.age(&release).map(|it| (it.said, it.beyond))
        };
        let said = |text: &str, beyond: Option<&str>| Some((text.to_owned(), beyond.map(ToOwned::to_owned)));
        let staging = "IN_STAGING";
        assert_eq!(
            age("REGRESSION", staging, Some(48)),
            said("Regression for 2 d", None)
        );
        assert_eq!(
            age("REGRESSION", staging, Some(72)),
            said("Regression for 3 d", Some("2 d"))
        );
        assert_eq!(
            age("KICKOFF", "IN_DEVELOPMENT", Some(999)),
            said("Kickoff for 42 d", None),
            "one tells nothing of what is usual"
        );
        assert_eq!(age("REGRESSION", staging, None), None);
        assert_eq!(age("REGRESSION", "DEPLOYED", Some(72)), None, "it is out");
        assert_eq!(age("NOT_STARTED", "PLANNING", Some(72)), None);
    }
}
