//! What the API answers, as far as pages show it. What a page does not know of an answer it does not show.

use crate::api::Reply;
use crate::shown::{brief, percent, web_address, words};
use chrono::{DateTime, Utc};
use delivr_domain::key::TargetKey;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// A list with the place of its next page.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

/// An address that a browser may be sent to; anything else (`javascript:`, `s3:`) is none.
fn address<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(value)?.filter(|text| web_address(text)))
}

/// A refusal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Problem {
    /// Stable word.
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) instance: Option<String>,
    pub(crate) blockers: Vec<Blocker>,
    pub(crate) errors: Vec<FieldError>,
}

/// One wrong place of a request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FieldError {
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl Problem {
    /// The refusal that an answer is.
    pub(crate) fn of(reply: &Reply) -> Self {
        Self::from_value(reply.document())
    }
    /// A refusal of the pages themselves.
    pub(crate) fn saying(why: &str) -> Self {
        Self {
            detail: why.to_owned(),
            ..Self::default()
        }
    }
    pub(crate) fn from_value(value: Value) -> Self {
        let mut problem: Self = serde_json::from_value(value).unwrap_or_default();
        if problem.detail.is_empty() {
            "the request was refused".clone_into(&mut problem.detail);
        }
        // A mistake in the whole body has no place; its sentence stands above already.
        let above = problem.detail.clone();
        problem
            .errors
            .retain(|error| !error.pointer.is_empty() || error.detail != above);
        problem
    }
}

/// What keeps a gate closed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blocker {
    /// Stable word.
    #[serde(default)]
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) cleared_by: String,
}

impl Blocker {
    /// Who can clear it, as a sentence.
    pub(crate) fn who(&self) -> &'static str {
        match self.cleared_by.as_str() {
            "MEMBER" => "Any member can clear this.",
            "ADMIN" => "An admin can clear this.",
            "TIME" => "This clears by itself with time.",
            "VENDOR" => "This clears at the vendor.",
            _ => "",
        }
    }
}

/// A release.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Release {
    pub(crate) key: String,
    pub(crate) version: String,
    /// What guards against lost updates: a change names the one it has seen.
    #[serde(default)]
    pub(crate) revision: u64,
    pub(crate) status: String,
    pub(crate) phase: String,
    /// When it came to its stage.
    #[serde(default)]
    pub(crate) stage_since: Option<DateTime<Utc>>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) priority: String,
    pub(crate) pilot: Option<String>,
    pub(crate) service_slug: String,
    #[serde(default)]
    pub(crate) profile_id: Option<String>,
    #[serde(default)]
    pub(crate) profile_revision: Option<u32>,
    pub(crate) base_branch: String,
    pub(crate) branch_release: Option<String>,
    pub(crate) base_sha: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) kickoff_at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) kickoff_reminder_at: Option<DateTime<Utc>>,
    pub(crate) target_date: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) targets: Vec<Target>,
    pub(crate) holds: Vec<Hold>,
    #[serde(default)]
    pub(crate) left_behind: Vec<Left>,
    pub(crate) orchestration: Orchestration,
    #[serde(default)]
    pub(crate) tasks: Vec<Task>,
    #[serde(default)]
    pub(crate) cycles: Vec<Cycle>,
    #[serde(default)]
    pub(crate) builds: Vec<Build>,
    #[serde(default)]
    pub(crate) slots: Vec<Slot>,
    #[serde(default)]
    pub(crate) approvals: Vec<Approval>,
    #[serde(default)]
    pub(crate) blockers: Vec<Blocker>,
}

impl Release {
    /// How its targets stand in their stores, while it ships: its status says no more than that not everybody has it.
    pub(crate) fn in_stores(&self) -> Option<String> {
        if self.phase != "DISTRIBUTION" {
            return None;
        }
        let stores: Vec<String> = self.targets.iter().filter_map(Target::in_store).collect();
        (!stores.is_empty()).then(|| format!("In stores: {}", stores.join(", ")))
    }
    /// Whether a store tells its users about it.
    pub(crate) fn has_store(&self) -> bool {
        let known = |it: &Target| it.target.parse().is_ok_and(TargetKey::is_store);
        self.targets.iter().any(known)
    }
}

/// What a release that was given up has left at a vendor.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    pub(crate) kind: String,
    pub(crate) id: String,
    #[serde(deserialize_with = "address", default)]
    pub(crate) url: Option<String>,
    pub(crate) target: Option<String>,
}

/// How the machine stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Orchestration {
    pub(crate) next_wake_at: Option<DateTime<Utc>>,
    pub(crate) under_way: usize,
}

/// One target of a release.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) target: String,
    pub(crate) version: String,
    /// PIPELINE or MANUAL.
    #[serde(default)]
    pub(crate) builds: String,
    /// PENDING until it is submitted, then the submission's or rollout's word.
    #[serde(default)]
    pub(crate) status: String,
    /// Users who get it, in basis points.
    #[serde(default)]
    pub(crate) exposure: u16,
}

impl Target {
    /// How it stands in its store, in a few words; nothing before it has come there.
    fn in_store(&self) -> Option<String> {
        let known: TargetKey = self.target.parse().ok()?;
        if !known.is_store() || matches!(self.status.as_str(), "" | "PENDING") {
            return None;
        }
        let name = brief(&self.target);
        let word = words(&self.status).to_lowercase();
        Some(if self.exposure == 0 {
            format!("{name} {word}")
        } else {
            // A share is read as one word.
            format!("{name} {word} {}", percent(self.exposure).replace(' ', "\u{a0}"))
        })
    }
}

/// Why a release does not advance.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    pub(crate) hold: String,
    pub(crate) detail: String,
    pub(crate) lifted_by: String,
    pub(crate) task_id: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) submission_id: Option<String>,
    pub(crate) rollout_id: Option<String>,
}

/// A task.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) stage: String,
    pub(crate) status: String,
    pub(crate) target: Option<String>,
    pub(crate) cycle: Option<u16>,
    pub(crate) detail: Option<String>,
    pub(crate) cause: Option<Cause>,
    pub(crate) held: bool,
    pub(crate) external_id: Option<String>,
    #[serde(deserialize_with = "address", default)]
    pub(crate) external_url: Option<String>,
    pub(crate) generation: u16,
    pub(crate) steps_done: usize,
    pub(crate) steps: usize,
    pub(crate) after: Vec<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) deadline: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) surplus: Vec<Surplus>,
    #[serde(default)]
    pub(crate) effects: Vec<Effect>,
}

/// Something at a vendor that nobody waits for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Surplus {
    pub(crate) id: String,
    #[serde(deserialize_with = "address", default)]
    pub(crate) url: Option<String>,
}

/// Why a task failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cause {
    pub(crate) detail: String,
    pub(crate) class: String,
    pub(crate) outcome: String,
    pub(crate) vendor: Option<String>,
}

/// One durable piece of work of a task.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effect {
    pub(crate) id: String,
    pub(crate) effect: String,
    pub(crate) does: String,
    pub(crate) correlation: Option<String>,
    pub(crate) status: String,
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) trouble: Option<String>,
    pub(crate) attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    pub(crate) attempt: u32,
    pub(crate) outcome: String,
    pub(crate) reference: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) exchanges_left_out: u32,
}

/// One request to a vendor and what came of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    pub(crate) method: String,
    pub(crate) address: String,
    pub(crate) sent: Option<Said>,
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<String>,
    pub(crate) headers: Vec<Header>,
    pub(crate) received: Option<Said>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) took_ms: u64,
}

/// A body.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    pub(crate) content_type: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) cut: bool,
    /// Whether its text is left out of the page, which shows so much and no more.
    #[serde(skip)]
    pub(crate) withheld: bool,
}

/// A header of an answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A planned regression cycle.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Slot {
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) builds: String,
    pub(crate) automation: String,
    pub(crate) missed: String,
}

/// An executed regression cycle.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cycle {
    pub(crate) number: u16,
    pub(crate) status: String,
    pub(crate) verdict: String,
    pub(crate) verdict_note: Option<String>,
    pub(crate) sha: Option<String>,
    pub(crate) tag: Option<String>,
    #[serde(default)]
    pub(crate) tests: Option<Tests>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// Counts of test cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Tests {
    pub(crate) total: u32,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) untested: u32,
}

/// An artifact.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Build {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) target: String,
    pub(crate) cycle: Option<u16>,
    pub(crate) build_number: Option<String>,
    #[serde(deserialize_with = "address", default)]
    pub(crate) build_url: Option<String>,
    #[serde(default)]
    pub(crate) lacks_file: bool,
    pub(crate) build_status: String,
    pub(crate) sha: Option<String>,
    pub(crate) sha_origin: String,
    pub(crate) at: DateTime<Utc>,
}

/// A decision at a gate.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Approval {
    pub(crate) stage: String,
    pub(crate) by: String,
    pub(crate) decision: String,
    pub(crate) sha: Option<String>,
    pub(crate) comment: Option<String>,
    pub(crate) at: DateTime<Utc>,
}

/// The stores' view of a release.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) status: String,
    pub(crate) targets: Vec<Lane>,
}

/// One target with its tries.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lane {
    pub(crate) target: String,
    pub(crate) status: String,
    pub(crate) submissions: Vec<Submission>,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) in_the_way: Option<InTheWay>,
}

/// A release whose version is under way where another one wants to go.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InTheWay {
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) exposure: u16,
}

impl InTheWay {
    /// How far it has come.
    pub(crate) fn reach(&self) -> String {
        match self.exposure {
            0 => "which the same store has in hand".to_owned(),
            bps => format!("which {} of the users have", percent(bps)),
        }
    }
}

/// A try at a store.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Submission {
    pub(crate) id: String,
    pub(crate) attempt: u16,
    pub(crate) version: String,
    pub(crate) build_number: Option<String>,
    pub(crate) status: String,
    pub(crate) store_word: Option<String>,
    pub(crate) explanation: Option<String>,
    pub(crate) submit: String,
    pub(crate) submit_asked: bool,
    pub(crate) release_asked: bool,
    pub(crate) tasks: Vec<Step>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A task of a submission or rollout.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) detail: Option<String>,
}

/// How a version reaches its users.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) exposure: u16,
    pub(crate) final_exposure: u16,
    pub(crate) steps: Vec<u16>,
    pub(crate) step_minutes: Option<u32>,
    pub(crate) step_at: DateTime<Utc>,
    pub(crate) drift: Option<String>,
    pub(crate) store_word: Option<String>,
    pub(crate) tasks: Vec<Step>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Rollout {
    /// What raises it next; nothing where everybody has it.
    pub(crate) fn pace(&self, target: &str) -> String {
        match (target, self.status.as_str(), self.step_minutes) {
            (_, "COMPLETED", _) => String::new(),
            ("IOS_APP_STORE", _, _) => "; Apple raises it day by day".to_owned(),
            (_, _, Some(minutes)) => format!("; a step lasts {minutes} min"),
            (_, _, None) => "; a person advances it".to_owned(),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Activity {
    pub(crate) of: String,
    pub(crate) owner_id: String,
    pub(crate) release: Option<Named>,
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) actor: String,
    pub(crate) at: DateTime<Utc>,
}

/// A release by its name.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Named {
    pub(crate) key: String,
    pub(crate) title: String,
}

/// A service.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// A token.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) person: Option<String>,
    pub(crate) role: String,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) token: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    pub(crate) name: String,
    pub(crate) person: Option<String>,
    pub(crate) token_id: String,
    pub(crate) tenant_id: String,
    pub(crate) tenant_slug: String,
    pub(crate) scopes: Vec<String>,
}

/// What a command would do, or what stops it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Explanation {
    pub(crate) allowed: bool,
    pub(crate) events: Vec<ExplainedEvent>,
    pub(crate) effects: Vec<ExplainedEffect>,
    pub(crate) dropped: Vec<ExplainedEffect>,
    pub(crate) problem: Option<Value>,
}

/// Something that would be recorded.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ExplainedEvent {
    pub(crate) summary: String,
}

/// Something that would be sent or read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ExplainedEffect {
    pub(crate) does: String,
    pub(crate) target: Option<String>,
    /// Texts for users of a store that it takes along, by language.
    #[serde(default)]
    pub(crate) notes: Option<BTreeMap<String, String>>,
    pub(crate) provider: Option<String>,
}

/// A ticket for a live stream.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) url: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_of_the_web_is_not_followed() {
        let build = |url: &str| {
            let text = serde_json::json!({
                "target": "ANDROID_PLAY_STORE", "buildStatus": "AVAILABLE", "shaOrigin": "DECLARED",
                "at": "2026-03-04T05:06:07Z", "buildUrl": url,
            });
            serde_json::from_value::<Build>(text).unwrap().build_url
        };
        assert_eq!(
            build("https://ci.example/7").as_deref(),
            Some("https://ci.example/7")
        );
        for url in ["javascript:alert(1)", "data:text/html,x", "s3://builds/7.aab"] {
            assert_eq!(build(url), None, "{url}");
        }
    }

    #[test]
    fn a_release_that_ships_says_how_far_it_is_in_each_store() {
        let at = "2026-03-04T05:06:07Z";
        let said = |phase: &str, android: (&str, u16), ios: (&str, u16)| {
            let target = |name: &str, (status, exposure): (&str, u16)| serde_json::json!({"target": name, "version": "1.2.0", "status": status, "exposure": exposure});
            let release = serde_json::json!({
                "key": "REL-1", "version": "1.2.0", "status": "READY_PRODUCTION", "phase": phase, "type": "MINOR",
                "title": "x", "priority": "LOW", "serviceSlug": "shop", "baseBranch": "main", "kickoffAt": at,
                "createdAt": at, "updatedAt": at, "holds": [], "orchestration": {"underWay": 0},
                "targets": [target("IOS_APP_STORE", ios), target("ANDROID_PLAY_STORE", android)],
            });
            serde_json::from_value::<Release>(release).unwrap().in_stores()
        };
        assert_eq!(
            said("DISTRIBUTION", ("LIVE", 5_000), ("LIVE", 10_000)).as_deref(),
            Some("In stores: iOS live 100\u{a0}%, Android live 50\u{a0}%")
        );
        assert_eq!(
            said("DISTRIBUTION", ("HALTED", 2_000), ("IN_REVIEW", 0)).as_deref(),
            Some("In stores: iOS in review, Android halted 20\u{a0}%")
        );
        assert_eq!(
            said("DISTRIBUTION", ("PAUSED", 50), ("PENDING", 0)).as_deref(),
            Some("In stores: Android paused 0.50\u{a0}%")
        );
        assert_eq!(said("DISTRIBUTION", ("PENDING", 0), ("PENDING", 0)), None);
        assert_eq!(said("COMPLETED", ("LIVE", 10_000), ("LIVE", 10_000)), None);
    }

    #[test]
    fn a_refusal_always_says_something() {
        for body in [
            Value::Null,
            serde_json::json!({"detail": ""}),
            serde_json::json!([1]),
        ] {
            assert!(!Problem::from_value(body).detail.is_empty());
        }
    }
}
