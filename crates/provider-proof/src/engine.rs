//! The engine around one effect: the real `run_effect` and `apply`, the store in memory, a clock turned by hand, and a
//! release with nothing but the one step.

use crate::bench::plain;
use crate::enrol::Work;
use crate::side::Side;
use crate::spy::Spy;
use delivr_app::run_effect::{CallLimits, Ran, run};
use delivr_app::vault::Vault;
use delivr_app::{App, Entropy, connections};
use delivr_domain::aggregate::Aggregate;
use delivr_domain::board::{Lane, Step, StepKind, Task, TaskState};
use delivr_domain::effect::Effect;
use delivr_domain::ids::{InstallId, IntegrationId, ReleaseId, ServiceId, TenantId};
use delivr_domain::key::{EffectId, EffectKey, Generation, TaskKey, TaskKind};
use delivr_domain::plan::{Deadlines, Plan, ScmPlan};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::exchange::Exchange;
use delivr_domain::ports::provider::{Descriptor, Registry};
use delivr_domain::ports::store::{
    AggregateRow, ClaimRequest, Claimed, Directory as _, EffectRow, Integration, Queue as _, Rooms, RowState,
    Service, Store as _, Tenant, VerificationStatus,
};
use delivr_domain::release::Release;
use delivr_domain::release::state::{Draft, Stage};
use delivr_domain::report::Cause;
use delivr_domain::time::Timestamp;
use delivr_domain::version::Bump;
use delivr_provider_kit::exchange::Ears;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long a claim is held.
pub const LEASE: Duration = Duration::from_secs(60);
/// A lease is taken over this long after its end.
pub const MARGIN: Duration = Duration::from_secs(2);
/// Total time-out of one vendor call.
pub const CALL: Duration = Duration::from_secs(20);

/// Ids are not needed and jitter is in the middle, so that a proof takes the same way each time.
struct Even;

impl Entropy for Even {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(77)
    }
    fn fraction(&self) -> f64 {
        0.5
    }
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// The step whose key the write under proof has; `number` keeps several apart.
#[must_use]
pub fn step(number: u128) -> EffectKey {
    let release = ReleaseId::from_uuid(Uuid::from_u128(number));
    EffectKey {
        install: InstallId::from_uuid(Uuid::from_u128(1)),
        owner: delivr_domain::key::AggregateId {
            kind: delivr_domain::key::AggregateKind::Release,
            id: release.uuid(),
        },
        task: TaskKey::once(TaskKind::ForkBranch),
        generation: Generation(0),
        step: 0,
    }
}

/// How the effect ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its row.
    pub row: EffectRow,
    /// Words of its attempts, in order: `created`, `adopted`, `unknown`, `not_done`, `failed`, ...
    pub attempts: Vec<String>,
    /// What its attempts said, in order.
    pub details: Vec<String>,
    /// Why its task failed, where it has one and it did.
    pub cause: Option<Cause>,
    /// What its attempts exchanged with the vendor, in order.
    pub exchanges: Vec<Exchange>,
}

/// Store and clock with one effect in it.
pub struct Engine {
    /// The clock that everybody reads; the database's follows it.
    pub clock: Arc<FakeClock>,
    store: MemoryStore,
    registry: Arc<Registry>,
    /// What nothing that is written down may contain.
    secrets: Vec<String>,
    tenant: TenantId,
    vault: Arc<Vault>,
    effect: EffectId,
    key: EffectKey,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

/// A worker process: what it has opened is its own.
#[derive(Debug)]
pub struct Worker {
    app: App,
    name: String,
    clock: Arc<FakeClock>,
}

impl Worker {
    /// Claims the effect if it can be claimed now.
    pub async fn claim(&self) -> Option<Claimed> {
        let request = ClaimRequest {
            worker: self.name.clone(),
            limit: 1,
            lease: LEASE,
            margin: MARGIN,
            call_timeout: CALL,
            started: self.clock.monotonic(),
            rooms: Rooms::default(),
        };
        self.app.store.claim(&request).await.unwrap().pop()
    }
    /// Runs a claimed effect to its report.
    pub async fn run(&self, claimed: Claimed) -> Ran {
        run(&self.app, claimed, CallLimits { call_timeout: CALL }).await
    }
}

impl Engine {
    /// An engine that has to do this work through this provider.
    pub async fn with(
        descriptor: Descriptor,
        spy: &Arc<Spy>,
        side: &dyn Side,
        clock: Arc<FakeClock>,
        work: Work,
    ) -> Self {
        let store = MemoryStore::new(clock.clone());
        let vault = Arc::new(
            Vault::new(&SecretString::from(
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ))
            .unwrap(),
        );
        let key = step(2);
        let (tenant, integration) = (
            TenantId::derived(&[b"proof"]),
            IntegrationId::derived(&[b"proof"]),
        );
        furnish(
            &store,
            &vault,
            tenant,
            integration,
            &descriptor,
            side,
            clock.now(),
        )
        .await;
        let secrets = secrets_of(&descriptor, side);
        let registry = Registry::new([spy.on(descriptor)])
            .unwrap()
            .heard_by(Arc::new(Ears));
        let registry = Arc::new(registry);
        let effect = match work {
            Work::Write(operation) => Effect::Perform {
                key,
                integration,
                operation,
            },
            Work::Message(topic, note) => Effect::Message {
                from: key.owner,
                ordinal: (1, 0),
                integration,
                topic,
                note,
            },
        };
        let state = Aggregate::Release(Box::new(release(tenant, integration, &key, clock.now())));
        let row = AggregateRow {
            id: state.id(),
            tenant,
            version: state.version(),
            wake_at: None,
            state: serde_json::to_value(&state).unwrap().into(),
            projection: state.projection().into(),
        };
        let mut unit = store.begin().await.unwrap();
        unit.save(&row, None).await.unwrap();
        unit.enqueue(tenant, &effect, Duration::ZERO, Duration::from_secs(86_400))
            .await
            .unwrap();
        unit.commit().await.unwrap();
        Self {
            clock,
            store,
            registry,
            vault,
            secrets,
            tenant,
            effect: effect.id(),
            key,
        }
    }

    /// A fresh worker process.
    #[must_use]
    pub fn worker(&self, name: &str) -> Worker {
        Worker {
            app: App {
                store: Arc::new(self.store.clone()),
                clock: self.clock.clone(),
                entropy: Arc::new(Even),
                registry: self.registry.clone(),
                vault: self.vault.clone(),
                connections: connections::cache(),
            },
            name: name.to_owned(),
            clock: self.clock.clone(),
        }
    }

    /// The effect's row.
    pub async fn row(&self) -> EffectRow {
        let rows = self.store.rows(self.key.owner, true).await.unwrap();
        rows.into_iter().find(|row| row.id == self.effect).unwrap()
    }

    /// Time passes for us and for the vendor, in whole seconds.
    pub fn pass(&self, side: &dyn Side, span: Duration) {
        let span = Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0));
        self.clock.advance(span);
        side.pass(span);
    }

    /// Until the claim that is held can be taken over.
    pub fn outlast(&self, side: &dyn Side) {
        self.pass(side, LEASE + MARGIN + Duration::from_secs(1));
    }

    /// The worker works until the effect has ended, time passing as it must.
    ///
    /// # Errors
    /// When it has not ended after a hundred tries.
    pub async fn drive(&self, worker: &Worker, side: &dyn Side) -> Result<Ended, String> {
        for _ in 0..100 {
            if let Some(claimed) = worker.claim().await {
                worker.run(claimed).await;
            } else {
                let row = self.row().await;
                if matches!(row.state, RowState::Done | RowState::Dead | RowState::Parked) {
                    return Ok(self.ended().await);
                }
                let next = match row.state {
                    RowState::Claimed => row.lease_until.unwrap_or(row.due_at),
                    RowState::Ready | RowState::Parked | RowState::Done | RowState::Dead => row.due_at,
                };
                let wait = (next - self.clock.now()).to_std().unwrap_or_default();
                self.pass(side, wait + MARGIN + Duration::from_millis(1));
            }
        }
        Err(format!(
            "the effect does not come to its end: {:?}",
            self.ended().await
        ))
    }

    /// How it stands.
    pub async fn ended(&self) -> Ended {
        let attempts = self.store.attempts(self.key.owner).await.unwrap();
        let state = self.store.peek(self.key.owner).await.unwrap().unwrap();
        let state: Aggregate = serde_json::from_value(state.state.into_inner()).unwrap();
        let cause = match state.owner().board().find(&self.key.task).map(|task| &task.state) {
            Some(TaskState::Failed { cause, .. }) => Some(cause.clone()),
            _ => None,
        };
        let mut heard = self
            .store
            .exchanges(self.tenant, &[self.effect], 1000)
            .await
            .unwrap();
        heard.reverse();
        let written = format!("{attempts:?} {heard:?}");
        for secret in &self.secrets {
            assert!(
                !written.contains(secret),
                "a credential is written down: {written}"
            );
        }
        let exchanges = heard.into_iter().flat_map(|it| it.exchanges.list).collect();
        Ended {
            exchanges,
            row: self.row().await,
            attempts: attempts.iter().map(|it| it.outcome.clone()).collect(),
            details: attempts.into_iter().filter_map(|it| it.detail).collect(),
            cause,
        }
    }
}

/// What of an integration's credentials is secret: whole, and the lines of those that have several.
fn secrets_of(descriptor: &Descriptor, side: &dyn Side) -> Vec<String> {
    let (_, credentials) = side.settings();
    let fields = &descriptor.credentials_schema["properties"];
    let secret = |name: &str| fields[name]["writeOnly"] == true;
    plain(&credentials)
        .into_iter()
        .filter(|(name, value)| secret(name) && value.len() >= 4)
        .flat_map(|(_, value)| {
            let lines: Vec<String> = value
                .lines()
                .filter(|it| it.len() >= 40)
                .map(str::to_owned)
                .collect();
            lines.into_iter().chain([value])
        })
        .collect()
}

async fn furnish(
    store: &MemoryStore,
    vault: &Vault,
    tenant: TenantId,
    id: IntegrationId,
    descriptor: &Descriptor,
    side: &dyn Side,
    at: Timestamp,
) {
    let row = Tenant {
        id: tenant,
        slug: "proof".to_owned(),
        name: "Proof".to_owned(),
    };
    store.insert_tenant(&row).await.unwrap();
    let service = Service {
        id: ServiceId::derived(&[b"proof"]),
        tenant,
        slug: "shop".to_owned(),
        name: "Shop".to_owned(),
        detail: serde_json::json!({}),
        version: 1,
        created_at: at,
    };
    store.insert_service(&service).await.unwrap();
    let (config, credentials) = side.settings();
    let secrets: BTreeMap<String, SecretString> = plain(&credentials)
        .into_iter()
        .map(|(name, value)| (name, SecretString::from(value)))
        .collect();
    let integration = Integration {
        id,
        tenant,
        port: descriptor.port,
        provider: descriptor.key.to_owned(),
        name: "proof".to_owned(),
        config,
        sealed: vault.seal(&Even, tenant, id, &secrets).unwrap(),
        hints: BTreeMap::new(),
        status: VerificationStatus::Valid,
        status_detail: None,
        verified_at: Some(at),
        version: 1,
        created_at: at,
        updated_at: at,
    };
    store.insert_integration(&integration).await.unwrap();
}

/// An archived release with one clean-up task under way: nothing else of it moves by itself.
fn release(tenant: TenantId, integration: IntegrationId, key: &EffectKey, at: Timestamp) -> Release {
    let plan = Plan {
        profile: None,
        scm: ScmPlan {
            integration,
            base: "main".parse().unwrap(),
            branch: "release/{version}".parse().unwrap(),
            rc_tag: "v{version}-rc.{cycle}".parse().unwrap(),
            release_tag: "v{version}".parse().unwrap(),
            existing_branch: None,
            previous_tag: None,
            publishes_releases: false,
            merge_back: false,
        },
        tracker: None,
        testing: None,
        chat: None,
        targets: BTreeMap::new(),
        pre_regression_builds: false,
        automation: false,
        auto_start: BTreeSet::new(),
        quorum: BTreeMap::new(),
        allow_zero_cycles: false,
        sha_origins: BTreeSet::new(),
        deadlines: Deadlines::default(),
        left_out: BTreeMap::new(),
    };
    let draft = Draft {
        id: ReleaseId::from_uuid(key.owner.id),
        tenant,
        install: key.install,
        number: 1,
        service: ServiceId::derived(&[b"proof"]),
        service_slug: "shop".to_owned(),
        bump: Bump::Minor,
        title: "Proof".to_owned(),
        description: None,
        priority: "MEDIUM".to_owned(),
        pilot: None,
        plan,
        kickoff_at: at,
        kickoff_reminder_at: None,
        target_date: None,
        slots: Vec::new(),
    };
    let task = Task {
        key: key.task,
        lane: Lane::CleanUp,
        state: TaskState::Running { step: 0 },
        generation: key.generation,
        steps: vec![Step::new(StepKind::Perform)],
        next_step: 0,
        done: Vec::new(),
        after: BTreeSet::new(),
        parked: false,
        skip_after_look_up: None,
        after_look_up: None,
        started_at: Some(at),
        ended_at: None,
    };
    let mut release = Release::born(draft, at);
    release.stage = Stage::Archived;
    let tasks = serde_json::json!({"tasks": {key.task.to_string(): task}, "late": []});
    release.board = serde_json::from_value(tasks).unwrap();
    release
}
