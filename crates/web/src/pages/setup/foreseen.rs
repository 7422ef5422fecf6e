//! The dry run of a new release for people: by stage and lane, messages below the step they follow, times where there
//! are any.

use crate::pages::users_read::{self, ReadRow};
use crate::shown::{told, words};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a release would be and do.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Foreseen {
    pub(super) title: String,
    pub(super) version: String,
    pub(super) targets: Vec<ForeseenTarget>,
    pub(super) branch: String,
    pub(super) rc_tag: String,
    pub(super) release_tag: String,
    pub(super) kickoff_at: DateTime<Utc>,
    pub(super) target_date: Option<DateTime<Utc>>,
    pub(super) ends_in: String,
    steps: Vec<Step>,
    pub(super) left_out: Vec<LeftOut>,
    #[serde(default)]
    pub(super) warnings: Vec<Warning>,
}

/// One target of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ForeseenTarget {
    pub(super) target: String,
    pub(super) version: String,
    pub(super) builds: String,
    /// Default texts for users of the store, by language.
    #[serde(default)]
    store_notes: BTreeMap<String, String>,
}

impl ForeseenTarget {
    /// What users read where nobody writes notes of the release.
    pub(super) fn reads(&self) -> Vec<ReadRow> {
        users_read::sent(&self.store_notes, None)
    }
}

/// One step, as the API tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    does: String,
    by: String,
    target: Option<String>,
    provider: Option<String>,
    cycle: Option<u16>,
    not_before: DateTime<Utc>,
    #[serde(default)]
    stage: String,
}

/// Something that is not done.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LeftOut {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) reason: String,
}

/// Something that is likely a mistake.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Warning {
    pub(super) pointer: String,
    pub(super) detail: String,
}

impl Warning {
    /// What it is, for people. Names that somebody filled in stay as they are.
    pub(super) fn said(&self) -> String {
        match self.pointer.as_str() {
            "/profileId" => told(&self.detail),
            _ => self.detail.clone(),
        }
    }
    /// The field that it is about, on the page.
    pub(super) fn field(&self) -> String {
        format!("f{}", self.pointer.replace('/', "-"))
    }
}

/// The steps of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StageSteps {
    pub(super) title: String,
    pub(super) lanes: Vec<LaneSteps>,
    /// Steps, without messages.
    pub(super) count: usize,
}

/// The steps of one target in a stage, or of the whole release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LaneSteps {
    pub(super) target: Option<String>,
    pub(super) steps: Vec<StepRow>,
}

/// One step, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepRow {
    pub(super) does: String,
    pub(super) person: bool,
    pub(super) provider: Option<String>,
    /// When at the earliest, where a clock says so.
    pub(super) at: Option<DateTime<Utc>>,
    /// What it waits for, whose length nobody foresees.
    pub(super) after: Option<&'static str>,
    /// What chat is told then.
    pub(super) messages: Vec<String>,
}

impl StepRow {
    fn plain(does: String) -> Self {
        Self {
            does,
            person: false,
            provider: None,
            at: None,
            after: None,
            messages: Vec::new(),
        }
    }
}

/// The stage under whose heading a phase is shown.
fn heading(phase: &str) -> &'static str {
    match phase {
        "NOT_STARTED" => "Before the kickoff",
        "KICKOFF" => "Kickoff",
        "AWAITING_REGRESSION" | "REGRESSION" | "REGRESSION_AWAITING_NEXT_CYCLE" => "Regression",
        "AWAITING_PRE_RELEASE" | "PRE_RELEASE" => "Pre-release",
        "AWAITING_DISTRIBUTION" | "DISTRIBUTION" => "Distribution",
        _ => "At the end",
    }
}

/// What the steps after this one wait for, where it takes as long as somebody else likes.
fn wait_of(step: &Step) -> Option<&'static str> {
    match step.by.as_str() {
        "PERSON" => Some("after that person"),
        "WATCH" if step.does.starts_with("follow the review") => Some("after review"),
        "WATCH" if step.does.starts_with("follow the rollout") => Some("after the rollout"),
        "WATCH" => Some("after the run"),
        _ => None,
    }
}

/// How a submission or rollout stands, as messages name it.
const STANDS: &[&str] = &[
    "PREPARING",
    "SUBMITTED",
    "IN_REVIEW",
    "APPROVED",
    "LIVE",
    "PAUSED",
    "COMPLETED",
];

/// A message without where it goes.
fn message(does: &str) -> String {
    let text = does.strip_prefix("post to ").unwrap_or(does);
    let text = text.split_once(": ").map_or(text, |(_, title)| title);
    let told = told(&text.replace(".00 %", " %"));
    let words = told.split(' ').map(|it| match STANDS.contains(&it) {
        true => words(it).to_lowercase(),
        false => it.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Where a row stands: stage, lane, step.
type Place = (usize, usize, usize);

/// Puts a row into its stage and lane, and tells where.
fn put(stages: &mut Vec<StageSteps>, title: &str, target: Option<&String>, row: StepRow) -> Place {
    let name = target.map(|it| words(it));
    let stage = stages.iter().position(|it| it.title == title).unwrap_or_else(|| {
        stages.push(StageSteps {
            title: title.to_owned(),
            lanes: Vec::new(),
            count: 0,
        });
        stages.len().saturating_sub(1)
    });
    let (mut lane, mut at) = (0, 0);
    if let Some(stage) = stages.get_mut(stage) {
        stage.count = stage.count.saturating_add(1);
        lane = stage
            .lanes
            .iter()
            .position(|it| it.target == name)
            .unwrap_or_else(|| {
                stage.lanes.push(LaneSteps {
                    target: name,
                    steps: Vec::new(),
                });
                stage.lanes.len().saturating_sub(1)
            });
        if let Some(lane) = stage.lanes.get_mut(lane) {
            at = lane.steps.len();
            lane.steps.push(row);
        }
    }
    (stage, lane, at)
}

impl Foreseen {
    /// Steps, without messages.
    pub(super) fn count(&self) -> usize {
        self.steps.iter().filter(|it| it.by != "MESSAGE").count()
    }

    /// The steps under their headings. A time is told where a clock gives it, once; behind what takes as long as
    /// somebody likes it is told what is waited for.
    pub(super) fn stages(&self) -> Vec<StageSteps> {
        let mut stages: Vec<StageSteps> = Vec::new();
        let mut latest: Option<DateTime<Utc>> = None;
        let mut waits: BTreeMap<Option<&String>, &'static str> = BTreeMap::new();
        let mut last: Option<Place> = None;
        for step in &self.steps {
            let target = step.target.as_ref();
            if step.by == "MESSAGE" {
                // It follows from the step before, whichever lane that is in.
                let place = *last.get_or_insert_with(|| {
                    let row = StepRow::plain("Chat is told".to_owned());
                    put(&mut stages, heading(&step.stage), None, row)
                });
                let row = stages
                    .get_mut(place.0)
                    .and_then(|it| it.lanes.get_mut(place.1))
                    .and_then(|it| it.steps.get_mut(place.2));
                if let Some(row) = row {
                    row.messages.push(message(&step.does));
                }
                continue;
            }
            let clock = latest.is_none_or(|it| step.not_before > it);
            if clock {
                latest = Some(step.not_before);
                waits.clear();
            }
            let mine = waits.remove(&target);
            let after = match target {
                Some(_) => mine.or_else(|| waits.remove(&None)),
                // What is done for the whole release waits for every lane.
                None => mine.or_else(|| waits.values().next_back().copied()),
            };
            if target.is_none() {
                waits.clear();
            }
            if let Some(wait) = wait_of(step) {
                waits.insert(target, wait);
            }
            let mut does = told(&step.does);
            if let Some(cycle) = step.cycle.filter(|it| *it > 1) {
                does.push_str(&format!(" (cycle {cycle})"));
            }
            let row = StepRow {
                person: step.by == "PERSON",
                provider: step.provider.clone(),
                at: clock.then_some(step.not_before),
                after: after.filter(|_| !clock),
                ..StepRow::plain(does)
            };
            last = Some(put(&mut stages, heading(&step.stage), target, row));
        }
        for stage in &mut stages {
            stage.lanes.sort_by(|one, other| one.target.cmp(&other.target));
        }
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(steps: &[(&str, &str, Option<&str>, &str, u32)]) -> Vec<StageSteps> {
        let steps: Vec<_> = steps
            .iter()
            .map(|(does, by, target, stage, hour)| {
                json!({"does": does, "by": by, "target": target, "provider": null, "cycle": null, "stage": stage,
                    "notBefore": format!("2026-12-01T{hour:02}:00:00Z")})
            })
            .collect();
        let whole = json!({"title": "", "version": "", "targets": [], "branch": "", "rcTag": "", "releaseTag": "",
            "kickoffAt": "2026-12-01T08:00:00Z", "targetDate": null, "endsIn": "COMPLETED", "steps": steps,
            "leftOut": []});
        let whole: Foreseen = serde_json::from_value(whole).unwrap();
        whole.stages()
    }

    #[test]
    fn steps_stand_by_stage_and_lane_with_their_messages_below() {
        let (android, ios) = (Some("ANDROID_PLAY_STORE"), Some("IOS_APP_STORE"));
        let stages = seen(&[
            ("create the branch `r`", "PERFORM", None, "KICKOFF", 8),
            (
                "post to releases: came to PRE_RELEASE",
                "MESSAGE",
                None,
                "KICKOFF",
                8,
            ),
            (
                "post to releases: X is LIVE at 0.00 %",
                "MESSAGE",
                None,
                "KICKOFF",
                8,
            ),
            ("let REGRESSION start", "PERSON", None, "AWAITING_REGRESSION", 8),
            ("create the tag `t`", "PERFORM", None, "REGRESSION", 8),
            ("follow the review of 1", "WATCH", android, "DISTRIBUTION", 10),
            ("make version 1 in the store", "PERFORM", ios, "DISTRIBUTION", 10),
            (
                "raise the rollout of 1 to 5 %",
                "PERFORM",
                android,
                "DISTRIBUTION",
                10,
            ),
        ]);
        let titles: Vec<&str> = stages.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(titles, ["Kickoff", "Regression", "Distribution"]);
        let first = &stages[0].lanes[0].steps[0];
        assert_eq!(first.messages, ["Came to Pre-release", "X is live at 0 %"]);
        assert!(first.at.is_some() && first.after.is_none());
        let steps = &stages[1].lanes[0].steps;
        assert!(steps[0].person && steps[0].does == "Let Regression start" && steps[0].at.is_none());
        assert_eq!(steps[1].after, Some("after that person"));
        // Each lane waits for its own.
        let [android, ios] = &stages[2].lanes[..] else {
            panic!("{stages:?}");
        };
        assert_eq!(
            (android.steps[1].after, ios.steps[0].after),
            (Some("after review"), None)
        );
        assert!(android.steps[0].at.is_some() && android.steps[1].at.is_none());
        assert_eq!(stages[2].count, 3);
    }

    #[test]
    fn a_message_that_nothing_leads_to_is_shown_all_the_same() {
        let stages = seen(&[("post to releases: soon", "MESSAGE", None, "NOT_STARTED", 8)]);
        assert_eq!(stages[0].title, "Before the kickoff");
        assert_eq!(stages[0].lanes[0].steps[0].messages, ["Soon"]);
    }
}
