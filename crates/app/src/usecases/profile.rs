//! A release profile's settings: the document the API keeps, with its defaults and everything that is refused of it.
//!
//! Settings are plain wishes. What a provider cannot do, and which integration serves them, is decided when a release is
//! planned (`super::plan`).

mod notes;

use super::services::SCM_OF_SERVICE;
use crate::App;
use delivr_domain::effect::{ReleaseTiming, Topic};
use delivr_domain::ids::{ServiceId, TenantId};
use delivr_domain::key::{Channel, TargetKey};
use delivr_domain::names::{NameTemplate, RefName};
use delivr_domain::plan::{BuildMode, Deadlines, GatedStage, ShaOrigin, StoreSettings, SubmitMode};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Service;
use delivr_domain::release::store_notes::Texts;
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Settings of a profile; everything may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Source control.
    pub scm: ScmSettings,
    /// Tickets.
    pub tickets: TicketSettings,
    /// Test management.
    pub testing: TestingSettings,
    /// Chat.
    pub chat: ChatSettings,
    /// Whether builds are made at kickoff, before the first regression cycle.
    pub pre_regression_builds: bool,
    /// Whether regression cycles run automation (where a pipeline for it exists).
    pub automation: bool,
    /// Stages that start by themselves when their gate is open.
    pub auto_start: BTreeSet<GatedStage>,
    /// Approvals a stage needs; a stage that is left out needs its trigger only.
    pub quorum: BTreeMap<GatedStage, u8>,
    /// Whether PRE_RELEASE may start without a regression cycle.
    pub allow_zero_cycles: bool,
    /// Where a build's commit may be known from.
    pub sha_origins: BTreeSet<ShaOrigin>,
    /// Waits and their ends.
    pub deadlines: DeadlineSettings,
    /// How store targets ship.
    pub stores: BTreeMap<TargetKey, StoreOptions>,
    /// Where a target's builds come from; a target that is left out has them made by pipelines.
    pub builds: BTreeMap<TargetKey, BuildMode>,
    /// What users read in every store where nobody writes notes for a release, by language (`de-DE`) or `default`.
    #[serde(deserialize_with = "notes::once")]
    pub store_notes: Texts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scm: ScmSettings::default(),
            tickets: TicketSettings::default(),
            testing: TestingSettings::default(),
            chat: ChatSettings::default(),
            pre_regression_builds: false,
            automation: true,
            auto_start: BTreeSet::from([GatedStage::Regression]),
            quorum: BTreeMap::new(),
            allow_zero_cycles: false,
            sha_origins: BTreeSet::from([ShaOrigin::Observed, ShaOrigin::Declared]),
            deadlines: DeadlineSettings::default(),
            stores: BTreeMap::new(),
            builds: BTreeMap::new(),
            store_notes: Texts::new(),
        }
    }
}

/// Source control.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScmSettings {
    /// Branch that releases fork from; left out, the integration's default branch.
    pub base_branch: Option<RefName>,
    /// Template of the release branch; left out, `release/{version}`, with the service's slug in front of the version
    /// where several services share the repository.
    pub branch_template: Option<NameTemplate>,
    /// Template of a cycle's tag; left out, `v{version}-rc.{cycle}`, or the same with the slug.
    pub rc_tag_template: Option<NameTemplate>,
    /// Template of the release tag; left out, `v{version}`, or the same with the slug.
    pub release_tag_template: Option<NameTemplate>,
    /// Whether a pull request back to the base branch is opened at the end.
    pub merge_back: bool,
}

/// Tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TicketSettings {
    /// Whether the gate into DISTRIBUTION asks for approved tickets.
    pub gate_on_approval: bool,
    /// Whether tickets are closed when the release is out.
    pub close: bool,
}

impl Default for TicketSettings {
    fn default() -> Self {
        Self {
            gate_on_approval: true,
            close: true,
        }
    }
}

/// Test management.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TestingSettings {
    /// Percentage of all cases that must pass, 0 to 100.
    pub pass_threshold: u8,
}

impl Default for TestingSettings {
    fn default() -> Self {
        Self { pass_threshold: 100 }
    }
}

/// Chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChatSettings {
    /// Topics that are sent; none sends nothing.
    pub topics: BTreeSet<Topic>,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self {
            topics: Topic::ALL.iter().copied().collect(),
        }
    }
}

/// Waits and their ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeadlineSettings {
    /// Minutes a pipeline may take.
    pub pipeline_minutes: u32,
    /// Minutes automation may take.
    pub automation_minutes: u32,
    /// Minutes a store may take.
    pub store_minutes: u32,
    /// Seconds between two looks at a run.
    pub poll_seconds: u32,
}

impl Default for DeadlineSettings {
    fn default() -> Self {
        let deadlines = Deadlines::default();
        Self {
            pipeline_minutes: deadlines.pipeline_minutes,
            automation_minutes: deadlines.automation_minutes,
            store_minutes: deadlines.store_minutes,
            poll_seconds: deadlines.poll_seconds,
        }
    }
}

impl From<&DeadlineSettings> for Deadlines {
    fn from(settings: &DeadlineSettings) -> Self {
        Self {
            pipeline_minutes: settings.pipeline_minutes,
            automation_minutes: settings.automation_minutes,
            store_minutes: settings.store_minutes,
            poll_seconds: settings.poll_seconds,
        }
    }
}

/// How a store target ships.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StoreOptions {
    /// Who hands a prepared version to the store: `BY_PERSON` or `AUTO`.
    pub submit: SubmitMode,
    /// When an approved version is released: `AFTER_APPROVAL`, `MANUAL` or `{"at": INSTANT}`.
    pub timing: Timing,
    /// Rollout steps in basis points, rising; the last is the accepted final exposure. Play only.
    pub steps: Vec<u16>,
    /// Minutes at a step before it is raised by itself; left out, a person raises it.
    pub step_minutes: Option<u32>,
    /// App Store: Apple's seven-day phased release.
    pub phased: bool,
    /// Seconds between two looks at the store.
    pub poll_seconds: u32,
    /// Default notes of this store alone, by language: they stand in the place of those for every store.
    #[serde(deserialize_with = "notes::once")]
    pub notes: Texts,
}

impl Default for StoreOptions {
    fn default() -> Self {
        let settings = StoreSettings::default();
        Self {
            submit: settings.submit,
            timing: Timing(settings.timing),
            steps: settings.steps,
            step_minutes: settings.step_minutes,
            phased: settings.phased,
            poll_seconds: settings.poll_seconds,
            notes: Texts::new(),
        }
    }
}

impl From<&StoreOptions> for StoreSettings {
    fn from(options: &StoreOptions) -> Self {
        Self {
            submit: options.submit,
            timing: options.timing.0.clone(),
            steps: options.steps.clone(),
            step_minutes: options.step_minutes,
            phased: options.phased,
            poll_seconds: options.poll_seconds,
        }
    }
}

/// When an approved version is released, as the API writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing(pub ReleaseTiming);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    at: Timestamp,
}

impl Serialize for Timing {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            ReleaseTiming::AfterApproval => to.serialize_str("AFTER_APPROVAL"),
            ReleaseTiming::Manual => to.serialize_str("MANUAL"),
            ReleaseTiming::At { at } => At { at: *at }.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Timing {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const EXPECTED: &str =
            "must be AFTER_APPROVAL, MANUAL or {\"at\": an instant like 2026-11-21T12:00:00Z}";
        let value = Value::deserialize(from)?;
        match value.as_str() {
            Some("AFTER_APPROVAL") => Ok(Self(ReleaseTiming::AfterApproval)),
            Some("MANUAL") => Ok(Self(ReleaseTiming::Manual)),
            Some(_) => Err(serde::de::Error::custom(EXPECTED)),
            None => At::deserialize(value)
                .map(|it| Self(ReleaseTiming::At { at: it.at }))
                .map_err(|_ignored| serde::de::Error::custom(EXPECTED)),
        }
    }
}

/// One wrong place of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the settings, e.g. `/stores/ANDROID_PLAY_STORE/steps`.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

fn fault(pointer: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault {
        pointer: pointer.into(),
        detail: detail.into(),
    }
}

/// Longest wait that can be set, in minutes (30 days): a wait must have an end somebody lives to see.
const LONGEST_WAIT: u32 = 43_200;
/// Longest pause between two looks, in seconds.
const LONGEST_POLL: u32 = 3_600;

impl Settings {
    /// Everything that is wrong with the settings by themselves; empty when nothing is.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        self.scm.check(&mut found);
        if self.testing.pass_threshold > 100 {
            found.push(fault("/testing/passThreshold", "must be 0 to 100 (percent)"));
        }
        for (stage, needed) in &self.quorum {
            if !(1..=20).contains(needed) {
                let detail = "must be 1 to 20 approvals; leave the stage out if it needs none";
                found.push(fault(format!("/quorum/{stage}"), detail));
            }
        }
        if self.sha_origins.is_empty() {
            found.push(fault(
                "/shaOrigins",
                "must name at least one of OBSERVED, DECLARED, ABSENT",
            ));
        }
        self.deadlines.check(&mut found);
        for (target, options) in &self.stores {
            check_store(*target, options, &mut found);
        }
        found
    }

    /// How a store target ships.
    #[must_use]
    pub fn store(&self, target: TargetKey) -> StoreOptions {
        self.stores.get(&target).cloned().unwrap_or_default()
    }
}

impl ScmSettings {
    fn check(&self, found: &mut Vec<Fault>) {
        let rules: [(&str, &Option<NameTemplate>, bool); 3] = [
            ("/scm/branchTemplate", &self.branch_template, false),
            ("/scm/rcTagTemplate", &self.rc_tag_template, true),
            ("/scm/releaseTagTemplate", &self.release_tag_template, false),
        ];
        for (pointer, template, per_cycle) in rules {
            let Some(template) = template else { continue };
            if !template.names("version") {
                let detail = "must contain {version}: without it two releases would get the same name";
                found.push(fault(pointer, detail));
            }
            if per_cycle && !template.names("cycle") {
                let detail = "must contain {cycle}: without it two regression cycles would get the same tag";
                found.push(fault(pointer, detail));
            }
            if !per_cycle && template.names("cycle") {
                found.push(fault(
                    pointer,
                    "must not contain {cycle}: only a cycle's tag knows it",
                ));
            }
            if template.names("target") {
                let detail =
                    "must not contain {target}: a release has one branch and one tag for all its targets";
                found.push(fault(pointer, detail));
            }
        }
        if let (Some(rc), Some(release)) = (&self.rc_tag_template, &self.release_tag_template)
            && rc == release
        {
            found.push(fault(
                "/scm/rcTagTemplate",
                "must differ from the release tag's template",
            ));
        }
    }

    /// Templates that are set and do not name the service.
    fn without_service(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("/scm/branchTemplate", &self.branch_template),
            ("/scm/rcTagTemplate", &self.rc_tag_template),
            ("/scm/releaseTagTemplate", &self.release_tag_template),
        ];
        all.into_iter()
            .filter(|(_, template)| template.as_ref().is_some_and(|it| !it.names("service")))
            .map(|(pointer, _)| pointer)
    }
}

impl DeadlineSettings {
    fn check(&self, found: &mut Vec<Fault>) {
        let waits = [
            ("/deadlines/pipelineMinutes", self.pipeline_minutes),
            ("/deadlines/automationMinutes", self.automation_minutes),
            ("/deadlines/storeMinutes", self.store_minutes),
        ];
        for (pointer, minutes) in waits {
            if !(1..=LONGEST_WAIT).contains(&minutes) {
                found.push(fault(pointer, format!("must be 1 to {LONGEST_WAIT} minutes")));
            }
        }
        if !(1..=LONGEST_POLL).contains(&self.poll_seconds) {
            let detail = format!("must be 1 to {LONGEST_POLL} seconds");
            found.push(fault("/deadlines/pollSeconds", detail));
        }
    }
}

fn check_store(target: TargetKey, options: &StoreOptions, found: &mut Vec<Fault>) {
    let at = |field: &str| format!("/stores/{target}/{field}");
    if !target.is_store() {
        let detail = "only store targets have store settings: ANDROID_PLAY_STORE, IOS_APP_STORE";
        found.push(fault(format!("/stores/{target}"), detail));
        return;
    }
    let rising = options
        .steps
        .iter()
        .zip(options.steps.iter().skip(1))
        .all(|(lower, higher)| lower < higher);
    let within = options.steps.iter().all(|step| (1..=10_000).contains(step));
    if options.steps.is_empty() || options.steps.len() > 50 || !rising || !within {
        let detail = "must be 1 to 50 rising steps in basis points, each 1 to 10000 (10000 is everybody)";
        found.push(fault(at("steps"), detail));
    }
    if options
        .step_minutes
        .is_some_and(|it| !(1..=LONGEST_WAIT).contains(&it))
    {
        found.push(fault(
            at("stepMinutes"),
            format!("must be 1 to {LONGEST_WAIT} minutes"),
        ));
    }
    if !(1..=LONGEST_POLL).contains(&options.poll_seconds) {
        found.push(fault(
            at("pollSeconds"),
            format!("must be 1 to {LONGEST_POLL} seconds"),
        ));
    }
    if target.channel() == Channel::PlayStore && matches!(options.timing.0, ReleaseTiming::At { .. }) {
        let detail = "Google Play cannot release at a set time; use AFTER_APPROVAL or MANUAL";
        found.push(fault(at("timing"), detail));
    }
}

/// The document `over` laid over `base`: objects are merged, everything else is replaced.
#[must_use]
pub fn layered(base: Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (name, value) in over {
                let below = base.remove(name).unwrap_or(Value::Null);
                base.insert(name.clone(), layered(below, value));
            }
            Value::Object(base)
        }
        (_, over) => over.clone(),
    }
}

/// Whether services share the service's repository: their integration of source control is the same one.
#[must_use]
pub fn shares_repository(services: &[Service], service: &Service) -> bool {
    let scm = service.detail.get(SCM_OF_SERVICE).filter(|it| !it.is_null());
    let same = |it: &&Service| it.id != service.id && it.detail.get(SCM_OF_SERVICE) == scm;
    scm.is_some() && services.iter().any(|it| same(&it))
}

/// Templates of the settings by which two services of one repository could get the same branch or tag. To be asked when
/// a profile is saved: for the service it is for, or for all of the tenant's.
///
/// # Errors
/// When the store fails.
pub async fn collisions(
    app: &App,
    tenant: TenantId,
    service: Option<ServiceId>,
    settings: &Settings,
) -> Result<Vec<Fault>, StoreError> {
    if settings.scm.without_service().next().is_none() {
        return Ok(Vec::new());
    }
    let services = app.store.services(tenant).await?;
    let shared = services
        .iter()
        .filter(|it| service.is_none_or(|id| it.id == id))
        .find(|it| shares_repository(&services, it));
    let Some(shared) = shared else {
        return Ok(Vec::new());
    };
    let detail = format!(
        "must contain {{service}}: `{}` shares its repository with another service, and the same version of both would \
         get the same name",
        shared.slug
    );
    Ok(settings
        .scm
        .without_service()
        .map(|pointer| fault(pointer, detail.clone()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(document: Value) -> Vec<String> {
        let settings: Settings = serde_json::from_value(document).unwrap();
        settings.faults().into_iter().map(|it| it.pointer).collect()
    }

    #[test]
    fn an_empty_document_is_the_default_and_the_default_has_no_fault() {
        let settings: Settings = serde_json::from_value(json!({})).unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.faults().is_empty());
        let again: Settings = serde_json::from_value(serde_json::to_value(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn unknown_words_are_refused() {
        for document in [
            json!({"surprise": 1}),
            json!({"scm": {"branch": "x"}}),
            json!({"autoStart": ["KICKOFF"]}),
            json!({"quorum": {"PRE_RELEASE": -1}}),
            json!({"stores": {"WINDOWS": {}}}),
            json!({"stores": {"IOS_APP_STORE": {"timing": "SOMETIME"}}}),
            json!({"stores": {"IOS_APP_STORE": {"timing": {"at": "soon"}}}}),
            json!({"builds": {"IOS_APP_STORE": "MAGIC"}}),
            json!({"scm": {"branchTemplate": "release/{sha}"}}),
            json!({"scm": {"baseBranch": "a..b"}}),
            json!({"testing": {"passThreshold": 300}}),
        ] {
            assert!(
                serde_json::from_value::<Settings>(document.clone()).is_err(),
                "{document}"
            );
        }
    }

    #[test]
    fn every_rule_names_its_place() {
        for (document, pointer) in [
            (
                json!({"scm": {"branchTemplate": "release/{date}"}}),
                "/scm/branchTemplate",
            ),
            (
                json!({"scm": {"branchTemplate": "r/{version}/{cycle}"}}),
                "/scm/branchTemplate",
            ),
            (
                json!({"scm": {"rcTagTemplate": "v{version}-rc"}}),
                "/scm/rcTagTemplate",
            ),
            (
                json!({"scm": {"releaseTagTemplate": "latest"}}),
                "/scm/releaseTagTemplate",
            ),
            (
                json!({"scm": {"releaseTagTemplate": "v{version}-{target}"}}),
                "/scm/releaseTagTemplate",
            ),
            (
                json!({"testing": {"passThreshold": 101}}),
                "/testing/passThreshold",
            ),
            (json!({"quorum": {"PRE_RELEASE": 0}}), "/quorum/PRE_RELEASE"),
            (json!({"shaOrigins": []}), "/shaOrigins"),
            (
                json!({"deadlines": {"pipelineMinutes": 0}}),
                "/deadlines/pipelineMinutes",
            ),
            (json!({"deadlines": {"pollSeconds": 0}}), "/deadlines/pollSeconds"),
            (
                json!({"stores": {"ANDROID_PLAY_STORE": {"steps": [100, 100]}}}),
                "/stores/ANDROID_PLAY_STORE/steps",
            ),
            (
                json!({"stores": {"ANDROID_PLAY_STORE": {"steps": [100, 10001]}}}),
                "/stores/ANDROID_PLAY_STORE/steps",
            ),
            (
                json!({"stores": {"ANDROID_PLAY_STORE": {"steps": []}}}),
                "/stores/ANDROID_PLAY_STORE/steps",
            ),
            (
                json!({"stores": {"ANDROID_PLAY_STORE": {"timing": {"at": "2026-12-01T00:00:00Z"}}}}),
                "/stores/ANDROID_PLAY_STORE/timing",
            ),
            (
                json!({"stores": {"WEB_ENVIRONMENT": {}}}),
                "/stores/WEB_ENVIRONMENT",
            ),
        ] {
            assert_eq!(pointers(document.clone()), [pointer], "{document}");
        }
    }

    #[test]
    fn inline_settings_lie_over_those_of_the_profile() {
        let profile = json!({"testing": {"passThreshold": 90}, "quorum": {"PRE_RELEASE": 2}, "autoStart": ["REGRESSION"]});
        let over = json!({"testing": {"passThreshold": 95}, "autoStart": []});
        let both = layered(profile, &over);
        assert_eq!(
            both,
            json!({"testing": {"passThreshold": 95}, "quorum": {"PRE_RELEASE": 2}, "autoStart": []})
        );
    }
}
