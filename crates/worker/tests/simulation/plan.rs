//! What a seed's releases look like, and the tenant they belong to.

use crate::shared::Shared;
use crate::time::{Dice, Thrown, epoch};
use delivr_app::vault::Vault;
use delivr_domain::effect::{ReleaseTiming, Topic};
use delivr_domain::ids::{InstallId, IntegrationId, PipelineId, ReleaseId, ServiceId, SlotId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::plan::{
    BuildMode, ChatPlan, Deadlines, GatedStage, MissedSlot, Plan, PlannedPipeline, Purpose, ScmPlan,
    ShaOrigin, StoreSettings, SubmitMode, TargetPlan, TestingPlan, TrackerPlan,
};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Directory as _, Integration, Service, Tenant, VerificationStatus};
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, Draft, Slot};
use delivr_domain::time::Span;
use delivr_domain::version::{Bump, Version};
use delivr_testkit::memory::MemoryStore;
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

pub fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(1))
}
/// Everybody in a run. They use the same vendors, through integrations of their own.
pub fn tenants() -> [TenantId; 2] {
    [tenant(), TenantId::from_uuid(Uuid::from_u128(3))]
}
fn service(of: TenantId) -> ServiceId {
    if of == tenant() {
        ServiceId::from_uuid(Uuid::from_u128(2))
    } else {
        ServiceId::derived(&[of.uuid().as_bytes()])
    }
}

/// Name, port and target of each vendor.
pub const VENDORS: [(&str, Port, Option<TargetKey>); 7] = [
    ("git", Port::Scm, None),
    ("ci", Port::Cicd, None),
    ("tracker", Port::ProjectManagement, None),
    ("tests", Port::TestManagement, None),
    ("chat", Port::Communication, None),
    ("play", Port::Stores, Some(TargetKey::AndroidPlayStore)),
    ("appstore", Port::Stores, Some(TargetKey::IosAppStore)),
];

pub fn integration(name: &str) -> IntegrationId {
    integration_of(tenant(), name)
}
pub fn integration_of(of: TenantId, name: &str) -> IntegrationId {
    if of == tenant() {
        IntegrationId::derived(&[name.as_bytes()])
    } else {
        IntegrationId::derived(&[of.uuid().as_bytes(), name.as_bytes()])
    }
}

pub fn vault() -> Arc<Vault> {
    // 32 zero bytes: these credentials open nothing.
    Arc::new(
        Vault::new(&SecretString::from(
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ))
        .unwrap(),
    )
}

/// The tenant with its service and integrations.
pub async fn furnish(store: &MemoryStore, shared: &Shared, vault: &Vault) {
    furnish_one(store, shared, vault, tenant(), "acme").await;
}

pub async fn furnish_one(store: &MemoryStore, shared: &Shared, vault: &Vault, of: TenantId, slug: &str) {
    store
        .insert_tenant(&Tenant {
            id: of,
            slug: slug.to_owned(),
            name: slug.to_owned(),
        })
        .await
        .unwrap();
    store
        .insert_service(&Service {
            id: service(of),
            tenant: of,
            slug: "shop".to_owned(),
            name: "Shop".to_owned(),
            detail: serde_json::json!({}),
            version: 1,
            created_at: epoch(),
        })
        .await
        .unwrap();
    for (name, port, target) in VENDORS {
        let id = integration_of(of, name);
        let sealed = vault
            .seal(&Thrown(shared.dice.clone()), of, id, &BTreeMap::new())
            .unwrap();
        let row = Integration {
            id,
            tenant: of,
            port,
            provider: "sim".to_owned(),
            name: name.to_owned(),
            config: serde_json::json!({"name": name, "target": target.map(TargetKey::word)}),
            sealed,
            hints: BTreeMap::new(),
            status: VerificationStatus::Valid,
            status_detail: None,
            verified_at: None,
            version: 1,
            created_at: epoch(),
            updated_at: epoch(),
        };
        store.insert_integration(&row).await.unwrap();
    }
}

fn pipeline(of: TenantId, job: &str) -> PlannedPipeline {
    PlannedPipeline {
        pipeline: PipelineId::derived(&[job.as_bytes()]),
        integration: integration_of(of, "ci"),
        job: job.to_owned(),
        parameters: BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]),
    }
}

fn target(of: TenantId, key: TargetKey, version: Version, dice: &mut Dice) -> TargetPlan {
    let mut pipelines = BTreeMap::from([
        (Purpose::RegressionBuild, pipeline(of, "regression")),
        (Purpose::PreRegressionBuild, pipeline(of, "pre")),
    ]);
    if !dice.chance(200) {
        pipelines.insert(Purpose::Automation, pipeline(of, "automation"));
    }
    let last = if key == TargetKey::IosAppStore {
        Purpose::TestFlightBuild
    } else {
        Purpose::AabBuild
    };
    if !dice.chance(150) {
        pipelines.insert(last, pipeline(of, "store"));
    }
    let store = if key == TargetKey::IosAppStore {
        "appstore"
    } else {
        "play"
    };
    TargetPlan {
        version,
        store: Some(integration_of(of, store)),
        settings: StoreSettings {
            submit: if dice.chance(600) {
                SubmitMode::Auto
            } else {
                SubmitMode::ByPerson
            },
            timing: if dice.chance(500) {
                ReleaseTiming::AfterApproval
            } else {
                ReleaseTiming::Manual
            },
            steps: vec![500, 5_000, 10_000],
            step_minutes: dice.chance(500).then_some(30),
            phased: dice.chance(600),
            poll_seconds: if dice.chance(300) { 180 } else { 700 },
        },
        pipelines,
        builds: if dice.chance(120) {
            BuildMode::Manual
        } else {
            BuildMode::Pipeline
        },
        notes: BTreeMap::new(),
    }
}

fn plan(of: TenantId, version: Version, dice: &mut Dice) -> Plan {
    let (ios, android) = match dice.between(0, 4) {
        0 => (true, false),
        1 => (false, true),
        _ => (true, true),
    };
    let mut targets = BTreeMap::new();
    for (key, wanted) in [
        (TargetKey::IosAppStore, ios),
        (TargetKey::AndroidPlayStore, android),
    ] {
        if wanted {
            targets.insert(key, target(of, key, version, dice));
        }
    }
    let stages = GatedStage::ALL.iter().copied();
    let auto_start: BTreeSet<GatedStage> = stages.filter(|_| dice.chance(600)).collect();
    let stages = [GatedStage::PreRelease, GatedStage::Distribution].into_iter();
    let quorum = stages
        .filter_map(|stage| dice.chance(300).then_some((stage, 2)))
        .collect();
    Plan {
        profile: None,
        scm: ScmPlan {
            integration: integration_of(of, "git"),
            base: "main".parse().unwrap(),
            branch: "release/{version}".parse().unwrap(),
            rc_tag: "v{version}-rc.{cycle}".parse().unwrap(),
            release_tag: "v{version}".parse().unwrap(),
            existing_branch: None,
            previous_tag: None,
            publishes_releases: dice.chance(700),
            merge_back: dice.chance(700),
        },
        tracker: dice.chance(750).then(|| TrackerPlan {
            integration: integration_of(of, "tracker"),
            gate_on_approval: dice.chance(500),
            close_tickets: dice.chance(700),
        }),
        testing: dice.chance(700).then(|| TestingPlan {
            integration: integration_of(of, "tests"),
            pass_threshold: 90,
        }),
        chat: dice.chance(600).then(|| ChatPlan {
            integration: integration_of(of, "chat"),
            topics: Topic::ALL.iter().copied().collect(),
        }),
        targets,
        pre_regression_builds: dice.chance(500),
        automation: dice.chance(700),
        auto_start,
        quorum,
        allow_zero_cycles: false,
        sha_origins: BTreeSet::from([ShaOrigin::Observed, ShaOrigin::Declared]),
        deadlines: Deadlines {
            pipeline_minutes: 30,
            automation_minutes: 30,
            store_minutes: 600,
            // Where we look seldom, webhooks matter.
            poll_seconds: if dice.chance(700) { 30 } else { 400 },
        },
        left_out: BTreeMap::new(),
    }
}

pub fn slot(id: u128, after: Span, missed: MissedSlot, dice: &mut Dice) -> Slot {
    Slot {
        id: SlotId::from_uuid(Uuid::from_u128(id)),
        at: epoch() + after,
        builds: if dice.chance(800) {
            BuildsWanted::Build
        } else {
            BuildsWanted::NoBuild
        },
        automation: if dice.chance(800) {
            AutomationWanted::Run
        } else {
            AutomationWanted::NoRun
        },
        missed,
    }
}

/// The n-th release of a run.
pub fn draft(n: u32, install: InstallId, dice: &mut Dice) -> Draft {
    draft_of(tenant(), n, install, dice)
}

/// The same, of any tenant. No two releases of a run have the same n.
pub fn draft_of(of: TenantId, n: u32, install: InstallId, dice: &mut Dice) -> Draft {
    let plan = plan(of, Version::new(1, 4 + n, 0), dice);
    let kickoff = i64::try_from(dice.between(5, 60)).unwrap();
    let mut at = kickoff;
    let mut slots = Vec::new();
    for ordinal in 0..dice.between(1, 4) {
        at += i64::try_from(dice.between(5, 150)).unwrap();
        let missed = if dice.chance(250) {
            MissedSlot::Skip
        } else {
            MissedSlot::RunLate
        };
        let id = 1_000 * u128::from(n) + u128::from(ordinal);
        slots.push(slot(id, Span::minutes(at), missed, dice));
    }
    Draft {
        id: ReleaseId::from_uuid(Uuid::from_u128(100 + u128::from(n))),
        tenant: of,
        install,
        number: 0,
        service: service(of),
        service_slug: "shop".to_owned(),
        bump: Bump::Minor,
        title: format!("Shop 1.{}", 4 + n),
        description: None,
        priority: "MEDIUM".to_owned(),
        pilot: None,
        plan,
        kickoff_at: epoch() + Span::minutes(kickoff),
        kickoff_reminder_at: dice.chance(500).then(|| epoch() + Span::minutes(kickoff / 2)),
        target_date: None,
        slots,
    }
}
