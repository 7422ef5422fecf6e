//! Releases of a track, and what each write makes of them. Pure: what is sent follows from what was read.

use delivr_domain::effect::{Reference, RolloutChange};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fractions closer than this are one; Play's is a double (vendor-apis 21.4).
const TOLERANCE: f64 = 1e-6;
/// Everybody, in basis points.
pub(crate) const ALL: u16 = 10_000;

/// Text in a language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// A release. Fields we do not steer are kept as they came, since a PUT replaces the whole list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Release {
    #[serde(default)]
    pub(crate) version_codes: Vec<String>,
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_fraction: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) release_notes: Vec<Note>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl Release {
    fn has(&self, code: i64) -> bool {
        self.codes().any(|it| it == code)
    }
    fn codes(&self) -> impl Iterator<Item = i64> {
        self.version_codes.iter().filter_map(|it| it.parse().ok())
    }
    /// Highest version code.
    pub(crate) fn highest(&self) -> i64 {
        self.codes().max().unwrap_or(0)
    }
    /// Its name, for people.
    pub(crate) fn name(&self) -> &str {
        self.rest.get("name").and_then(Value::as_str).unwrap_or_default()
    }
    /// Users who get it, in basis points.
    pub(crate) fn bps(&self) -> u16 {
        match (self.status.as_str(), self.user_fraction) {
            ("completed", _) | ("halted", None) => ALL,
            ("inProgress" | "halted", Some(fraction)) => bps_of(fraction),
            _ => 0,
        }
    }
    /// What tells it to others.
    pub(crate) fn reference(&self, code: i64, package: &str, track: &str) -> Reference {
        Reference::id(code.to_string())
            .with("package", package)
            .with("track", track)
            .with("status", &self.status)
            .with("exposureBps", self.bps().to_string())
    }
}

/// A fraction of users in basis points.
fn bps_of(fraction: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=10000, which a u16 holds"
    )]
    let bps = (fraction.clamp(0.0, 1.0) * f64::from(ALL)).round() as u16;
    bps
}

/// Basis points as Play's fraction.
fn fraction_of(bps: u16) -> f64 {
    f64::from(bps) / f64::from(ALL)
}

/// What the track says about a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// It is so.
    Done,
    /// It is not so; this list of releases makes it so.
    Open(Vec<Release>),
    /// It was so and its review refused it; this list of releases hands it in anew.
    Refused(Vec<Release>),
    /// Something stands in the way that is not ours to change.
    Foreign(String),
}

/// The release of a version code.
pub(crate) fn of(releases: &[Release], code: i64) -> Option<&Release> {
    releases.iter().find(|it| it.has(code))
}

/// A release as it is to come onto the track.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) code: i64,
    /// To so many users, in basis points.
    pub(crate) bps: u16,
    pub(crate) notes: &'a [Note],
    /// What else a new release gets by the integration's settings.
    pub(crate) settings: &'a Map<String, Value>,
    /// Version codes whose review has refused them. The track goes on showing them as if they were out.
    pub(crate) refused: &'a [i64],
}

/// Submitting a version code to a share of the users.
pub(crate) fn submit(releases: &[Release], wanted: &Wanted<'_>) -> State {
    let Wanted {
        code,
        bps,
        notes,
        settings,
        refused,
    } = *wanted;
    let is_refused = |it: &Release| it.status != "draft" && it.codes().any(|one| refused.contains(&one));
    let ours = of(releases, code);
    let anew = ours.is_some_and(is_refused);
    if !anew && ours.is_some_and(|it| matches!(it.status.as_str(), "completed" | "inProgress" | "halted")) {
        return State::Done;
    }
    let others = || releases.iter().filter(|it| !it.has(code));
    if let Some(higher) = others().find(|it| it.status != "draft" && it.highest() > code) {
        return State::Foreign(format!(
            "Version code {} is on the track already ({}); ship a build with a higher version code than that.",
            higher.highest(),
            higher.status
        ));
    }
    if let Some(running) = others().find(|it| it.status == "inProgress" && !is_refused(it)) {
        return State::Foreign(format!(
            "The rollout of version code {} is under way at {:.2} per cent; complete or halt it first.",
            running.highest(),
            f64::from(running.bps()) / 100.0
        ));
    }
    let full = bps >= ALL;
    // A draft of ours that a person prepared keeps its name, countries and priority; so does one that was refused.
    let mut new = ours.cloned().unwrap_or_else(|| Release {
        version_codes: vec![code.to_string()],
        status: String::new(),
        user_fraction: None,
        release_notes: Vec::new(),
        rest: Map::new(),
    });
    new.status = if full { "completed" } else { "inProgress" }.to_owned();
    new.user_fraction = (!full).then(|| fraction_of(bps));
    if !notes.is_empty() {
        new.release_notes = notes.to_vec();
    }
    for (name, value) in settings {
        new.rest.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let mut list = vec![new];
    // A halted or refused release is superseded by ours, a completed one only by a full release of ours.
    let stays = |it: &&Release| match it.status.as_str() {
        _ if is_refused(it) => false,
        "halted" => false,
        "completed" => !full,
        _ => true,
    };
    list.extend(others().filter(stays).cloned());
    if anew {
        State::Refused(list)
    } else {
        State::Open(list)
    }
}

/// Changing the rollout of a version code.
pub(crate) fn change(releases: &[Release], code: i64, change: RolloutChange) -> State {
    let Some(ours) = of(releases, code) else {
        return State::Foreign(format!(
            "Version code {code} is not on the track (any more); somebody replaced or removed it in Play Console."
        ));
    };
    let with = |status: &str, fraction: Option<f64>| {
        let changed = Release {
            status: status.to_owned(),
            user_fraction: fraction,
            ..ours.clone()
        };
        // What goes to everybody supersedes the completed release before it.
        let stays = |it: &&Release| status != "completed" || it.has(code) || it.status != "completed";
        let list = releases.iter().filter(stays);
        State::Open(
            list.map(|it| if it.has(code) { changed.clone() } else { it.clone() })
                .collect(),
        )
    };
    let halted = || {
        State::Foreign(format!(
            "The rollout of version code {code} is halted in Google Play; resume it first."
        ))
    };
    let wanted = match change {
        RolloutChange::SetExposure { bps } if bps >= ALL => RolloutChange::Complete,
        RolloutChange::SetExposure { .. }
        | RolloutChange::Pause
        | RolloutChange::Resume
        | RolloutChange::Halt
        | RolloutChange::Complete => change,
    };
    // Somebody else's release that is out beside ours, or over it, is not to be touched, and leaves nothing to raise.
    let rival = releases.iter().find(|it| {
        let out = it.status == "inProgress" || (it.status == "completed" && it.highest() > code);
        !it.has(code) && out
    });
    let forward = |state: State| match (rival, &state) {
        (Some(other), State::Open(_) | State::Refused(_)) => State::Foreign(format!(
            "Version code {} is on the track too ({}), which nobody decided here; version code {code} cannot be raised \
             beside it. Look in Play Console which of the two is meant.",
            other.highest(),
            other.status
        )),
        (_, _) => state,
    };
    match (wanted, ours.status.as_str()) {
        (RolloutChange::SetExposure { bps }, "inProgress") => {
            let (now, wanted) = (ours.user_fraction.unwrap_or(0.0), fraction_of(bps));
            if (now - wanted).abs() <= TOLERANCE {
                State::Done
            } else if now < wanted {
                forward(with("inProgress", Some(wanted)))
            } else {
                lower(code, ours.bps())
            }
        }
        (RolloutChange::SetExposure { .. }, "completed") => lower(code, ALL),
        (RolloutChange::SetExposure { .. } | RolloutChange::Complete, "halted") => halted(),
        (RolloutChange::Halt, "halted")
        | (RolloutChange::Resume, "inProgress" | "completed")
        | (RolloutChange::Complete, "completed") => State::Done,
        (RolloutChange::Halt, "inProgress" | "completed") => with("halted", ours.user_fraction),
        // A full release that was halted has no fraction to go back to.
        (RolloutChange::Resume, "halted") => match ours.user_fraction {
            Some(fraction) => forward(with("inProgress", Some(fraction))),
            None => forward(with("completed", None)),
        },
        (RolloutChange::Complete, "inProgress") => forward(with("completed", None)),
        (_, status) => State::Foreign(format!(
            "The release of version code {code} is in state {status} in Google Play, from which this is not possible."
        )),
    }
}

fn lower(code: i64, bps: u16) -> State {
    State::Foreign(format!(
        "Version code {code} goes to {:.2} per cent of the users already, and Google Play cannot lower that; halt the \
         rollout instead.",
        f64::from(bps) / 100.0
    ))
}

#[cfg(test)]
mod tests;
