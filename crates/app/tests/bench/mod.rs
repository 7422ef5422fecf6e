//! A store in memory, a clock to turn, and vendors that do as they are told.

use async_trait::async_trait;
use delivr_app::apply::{self, Delivery, Wish};
use delivr_app::connections::Connections;
use delivr_app::run_effect::{self, CallLimits, Ran};
use delivr_app::vault::Vault;
use delivr_app::{App, Entropy};
use delivr_domain::aggregate::{Aggregate, Command as Any};
use delivr_domain::effect::{
    CicdWrite, Effect, OperationKind, Reference, RunRef, ScmWrite, TestingWrite, TrackerWrite,
};
use delivr_domain::ids::{InstallId, IntegrationId, PipelineId, ReleaseId, ServiceId, TenantId};
use delivr_domain::key::{AggregateId, EffectKey, TargetKey, TaskKey, TaskKind};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::plan::{
    BuildMode, Deadlines, GatedStage, Plan, PlannedPipeline, Purpose, ScmPlan, ShaOrigin, StoreSettings,
    TargetPlan, TrackerPlan,
};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port, Registry};
use delivr_domain::ports::store::{
    ClaimRequest, Claimed, Directory as _, EffectRow, Integration, Queue as _, Rooms, Service, Tenant,
    VerificationStatus,
};
use delivr_domain::ports::vendor::{
    Chat, ChatMessage, Cicd, Commit, Declared, JobParameter, Lookup, Recognition, Scm, Tracker, Verification,
    Writes,
};
use delivr_domain::release::command::Command;
use delivr_domain::release::state::{Draft, Release};
use delivr_domain::report::{Report, RunState};
use delivr_domain::time::{Span, Timestamp};
use delivr_domain::version::{Bump, Version};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use futures_util::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

pub const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
pub const LEASE: Duration = Duration::from_secs(60);
pub const LIMITS: CallLimits = CallLimits {
    call_timeout: Duration::from_secs(20),
};

pub fn begin() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The store's and the vendors' futures are ready at once: nothing here waits for anything.
pub fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap()
}

pub fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(101))
}

pub fn integration(port: Port) -> IntegrationId {
    IntegrationId::derived(&[port.word().as_bytes()])
}

/// Numbers that follow each other.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1_000)
    }
    fn fraction(&self) -> f64 {
        0.5
    }
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = u8::try_from(self.0.fetch_add(1, Ordering::Relaxed) % 251).unwrap();
        }
    }
}

/// How a create ends.
#[derive(Debug, Clone)]
pub enum Then {
    /// Made, and said so.
    Made,
    /// Made; the answer is lost.
    MadeUnsaid,
    /// Not made, with the error in the vendor's words.
    Refused(String),
}

/// What the vendors have, and what they will do.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Objects by key.
    pub made: Vec<(String, Reference)>,
    /// What was asked for, as text.
    pub asked: Vec<String>,
    /// How the next creates end; made, when empty.
    pub next: VecDeque<Then>,
    /// Look-ups see nothing that was made while this is set.
    pub blind: bool,
    /// One that is over stands under every name; nobody says whose it was.
    pub over: bool,
    /// The chat's history is too short to say that something is not in it.
    pub forgotten: bool,
    /// What is done is known by a state that others change: in doubt a person is asked.
    pub careful: bool,
    /// Calls take their time: each gives way once.
    pub slow: bool,
    /// Calls under way, now and at most.
    pub inside: (u32, u32),
}

#[derive(Clone, Default)]
pub struct Vendor(pub Arc<Mutex<Shelf>>);

impl Vendor {
    /// A call begins, and gives way where calls take their time.
    async fn called(&self) {
        let slow = {
            let mut shelf = self.0.lock().unwrap();
            let now = shelf.inside.0 + 1;
            shelf.inside = (now, shelf.inside.1.max(now));
            shelf.slow
        };
        let mut waited = !slow;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        self.0.lock().unwrap().inside.0 -= 1;
    }
    fn find(&self, key: &EffectKey) -> Lookup {
        let shelf = self.0.lock().unwrap();
        let short = key.short();
        if shelf.over {
            return Lookup::Over(Reference::id("refused"));
        }
        let of_key = shelf.made.iter().filter(|(of, _)| *of == short && !shelf.blind);
        Lookup::Found(of_key.map(|(_, reference)| reference.clone()).collect())
    }
    fn create(&self, key: &EffectKey, asked: &str) -> Result<Reference, ProviderError> {
        self.send(&key.short(), asked)
    }
    fn send(&self, key: &str, asked: &str) -> Result<Reference, ProviderError> {
        let mut shelf = self.0.lock().unwrap();
        shelf.asked.push(asked.to_owned());
        let reference = Reference::id(format!("object-{}", shelf.made.len()));
        match shelf.next.pop_front().unwrap_or(Then::Made) {
            Then::Made => {
                shelf.made.push((key.to_owned(), reference.clone()));
                Ok(reference)
            }
            Then::MadeUnsaid => {
                shelf.made.push((key.to_owned(), reference));
                let kind = ProviderErrorKind::Unavailable;
                Err(ProviderError::new("bench", "create", kind, "gone quiet"))
            }
            Then::Refused(words) => {
                let sentence = format!("refused what was sent: {asked}");
                let error = ProviderError::new("bench", "create", ProviderErrorKind::Invalid, sentence);
                Err(error
                    .certain(Certainty::NotDone)
                    .vendor(format!("{words}: {asked}")))
            }
        }
    }
    /// One more object under the key of one that is there.
    pub fn double(&self) -> Reference {
        let mut shelf = self.0.lock().unwrap();
        let (key, _) = shelf.made.last().unwrap().clone();
        let reference = Reference::id("its-double");
        shelf.made.push((key, reference.clone()));
        reference
    }
}

const MARK: Declared = Declared::new(Recognition::ByMarker {
    visible_after: Duration::from_secs(30),
});

macro_rules! writes {
    ($($of:ty),*) => {$(
        #[async_trait]
        impl Writes<$of> for Vendor {
            fn declared(&self, _operation: OperationKind) -> Declared {
                if self.0.lock().unwrap().careful {
                    return Declared::new(Recognition::ByState).asking_in_doubt();
                }
                MARK
            }
            async fn find(&self, key: &EffectKey, _write: &$of) -> Result<Lookup, ProviderError> {
                self.called().await;
                Ok(Self::find(self, key))
            }
            async fn create(&self, key: &EffectKey, write: &$of) -> Result<Reference, ProviderError> {
                self.called().await;
                Self::create(self, key, &format!("{write:?}"))
            }
        }
    )*};
}

writes!(TrackerWrite, CicdWrite, ScmWrite, TestingWrite);

#[async_trait]
impl Chat for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        unreachable!("nobody asks")
    }
    fn declared(&self) -> Declared {
        MARK
    }
    async fn find(&self, key: &str, _message: &ChatMessage) -> Result<Lookup, ProviderError> {
        let shelf = self.0.lock().unwrap();
        let of_key = shelf.made.iter().filter(|(of, _)| of == key);
        let found: Vec<Reference> = of_key.map(|(_, reference)| reference.clone()).collect();
        Ok(if found.is_empty() && shelf.forgotten {
            Lookup::Unsure
        } else {
            Lookup::Found(found)
        })
    }
    async fn post(&self, key: &str, message: &ChatMessage) -> Result<Reference, ProviderError> {
        self.send(key, &format!("post {}", message.topic.word()))
    }
}

#[async_trait]
impl Tracker for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        unreachable!("nobody asks")
    }
    async fn approvals(&self, _tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        unreachable!("nobody asks")
    }
}

#[async_trait]
impl Cicd for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        unreachable!("nobody asks")
    }
    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        unreachable!("nobody asks")
    }
    async fn job_parameters(&self, _job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        unreachable!("nobody asks")
    }
    async fn run_state(&self, _run: &RunRef) -> Result<RunState, ProviderError> {
        Ok(RunState::Running)
    }
    async fn cancel(&self, _run: &RunRef) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[async_trait]
impl Scm for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        unreachable!("nobody asks")
    }
    async fn resolve(&self, _name: &RefName) -> Result<Option<Sha>, ProviderError> {
        Ok("a".repeat(40).parse().ok())
    }
    async fn compare(&self, _base: Option<&RefName>, _head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        Ok(Vec::new())
    }
    async fn release_notes(
        &self,
        _previous: Option<&RefName>,
        _current: &RefName,
    ) -> Result<String, ProviderError> {
        Ok("- a change".to_owned())
    }
    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
    fn publishes_releases(&self) -> bool {
        true
    }
    fn has_pull_requests(&self) -> bool {
        true
    }
}

/// A plan whose kickoff names an existing branch, opens a ticket and starts a build.
pub fn plan() -> Plan {
    let pipeline = PlannedPipeline {
        pipeline: PipelineId::from_uuid(Uuid::from_u128(50)),
        integration: integration(Port::Cicd),
        job: "pre".to_owned(),
        parameters: BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]),
    };
    let target = TargetPlan {
        version: Version::new(1, 4, 0),
        store: None,
        settings: StoreSettings::default(),
        pipelines: BTreeMap::from([(Purpose::PreRegressionBuild, pipeline)]),
        builds: BuildMode::Pipeline,
        notes: BTreeMap::new(),
    };
    Plan {
        profile: None,
        scm: ScmPlan {
            integration: integration(Port::Scm),
            base: "main".parse().unwrap(),
            branch: "release/{version}".parse().unwrap(),
            rc_tag: "v{version}-rc.{cycle}".parse().unwrap(),
            release_tag: "v{version}".parse().unwrap(),
            existing_branch: "release/by-hand".parse().ok(),
            previous_tag: None,
            publishes_releases: true,
            merge_back: false,
        },
        tracker: Some(TrackerPlan {
            integration: integration(Port::ProjectManagement),
            gate_on_approval: false,
            close_tickets: false,
        }),
        testing: None,
        chat: None,
        targets: BTreeMap::from([(ANDROID, target)]),
        pre_regression_builds: true,
        automation: false,
        auto_start: BTreeSet::from([GatedStage::Regression]),
        quorum: BTreeMap::new(),
        allow_zero_cycles: false,
        sha_origins: BTreeSet::from([ShaOrigin::Observed]),
        deadlines: Deadlines::default(),
        left_out: BTreeMap::new(),
    }
}

pub fn draft(plan: Plan) -> Draft {
    Draft {
        id: ReleaseId::from_uuid(Uuid::from_u128(100)),
        tenant: tenant(),
        install: InstallId::derived(&[b"bench"]),
        number: 0,
        service: ServiceId::from_uuid(Uuid::from_u128(103)),
        service_slug: "shop".to_owned(),
        bump: Bump::Minor,
        title: "Shop 1.4".to_owned(),
        description: None,
        priority: "MEDIUM".to_owned(),
        pilot: None,
        plan,
        kickoff_at: begin(),
        kickoff_reminder_at: None,
        target_date: None,
        slots: Vec::new(),
    }
}

pub struct Bench {
    pub app: App,
    pub clock: Arc<FakeClock>,
    pub store: MemoryStore,
    pub vendor: Vendor,
    pub release: AggregateId,
}

impl Bench {
    pub fn new(plan: Plan, connections: Arc<Connections>) -> Self {
        let clock = Arc::new(FakeClock::at(begin()));
        let store = MemoryStore::new(clock.clone());
        let vendor = Vendor::default();
        let vault = Vault::new(&"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned().into()).unwrap();
        let entropy = Counting::default();
        now(furnish(&store, &vault, &entropy));
        let descriptor = |port: Port, connection: Connection| Descriptor {
            key: "bench",
            port,
            display_name: "Bench",
            config_schema: serde_json::json!({}),
            credentials_schema: serde_json::json!({}),
            capabilities: serde_json::json!({}),
            connect: Arc::new(move |_config, _credentials| Ok(connection.clone())),
            webhook: None,
        };
        let registry = Registry::new([
            descriptor(Port::Scm, Connection::Scm(Arc::new(vendor.clone()))),
            descriptor(Port::Cicd, Connection::Cicd(Arc::new(vendor.clone()))),
            descriptor(
                Port::ProjectManagement,
                Connection::Tracker(Arc::new(vendor.clone())),
            ),
            descriptor(Port::Communication, Connection::Chat(Arc::new(vendor.clone()))),
        ])
        .unwrap();
        let made = now(apply::create(&store, clock.as_ref(), draft(plan), "pilot", None)).unwrap();
        let app = App {
            store: Arc::new(store.clone()),
            clock: clock.clone(),
            entropy: Arc::new(entropy),
            registry: Arc::new(registry),
            vault: Arc::new(vault),
            connections,
        };
        Self {
            app,
            clock,
            store,
            vendor,
            release: made.id(),
        }
    }

    pub fn state(&self) -> Box<Release> {
        let row = now(self.store.peek(self.release)).unwrap().unwrap();
        match delivr_app::stored::read_state(&row).unwrap() {
            Aggregate::Release(release) => release,
            other => panic!("not a release: {other:?}"),
        }
    }

    pub fn command(&self, command: Command) {
        let wish = Wish {
            tenant: tenant(),
            command: &Any::Release(command),
            actor: "pat",
            expected: None,
            remember: None,
        };
        now(apply::command(
            &self.store,
            self.clock.as_ref(),
            self.release,
            &wish,
        ))
        .unwrap();
    }

    pub fn tick(&self) {
        let tick = Delivery {
            to: self.release,
            report: &Report::Tick,
            claim: None,
            fact: None,
            tenant: None,
        };
        now(apply::report(&self.store, self.clock.as_ref(), &tick)).unwrap();
    }

    /// Claims what is due.
    pub fn claim(&self) -> Vec<Claimed> {
        let request = ClaimRequest {
            worker: "bench".to_owned(),
            limit: 16,
            lease: LEASE,
            margin: Duration::from_secs(2),
            call_timeout: LIMITS.call_timeout,
            started: self.clock.monotonic(),
            rooms: Rooms::default(),
        };
        now(self.store.claim(&request)).unwrap()
    }

    pub fn run(&self, claimed: Claimed) -> Ran {
        now(run_effect::run(&self.app, claimed, LIMITS))
    }

    /// Runs what is due until nothing is; a wait is looked at once in each round.
    pub fn work(&self) {
        for _ in 0..20 {
            let claimed = self.claim();
            if claimed
                .iter()
                .all(|it| matches!(it.row.effect, Effect::Watch { .. } | Effect::Probe { .. }))
            {
                for one in claimed {
                    self.run(one);
                }
                return;
            }
            for one in claimed {
                self.run(one);
            }
        }
    }

    pub fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.tick();
    }

    /// Every row there ever was.
    pub fn rows(&self) -> Vec<EffectRow> {
        now(self.store.rows(self.release, true)).unwrap()
    }

    /// The row of the task's write.
    pub fn write_of(&self, kind: TaskKind) -> EffectRow {
        let of_kind = |row: &EffectRow| match &row.effect {
            Effect::Perform { key, .. } => key.task.kind == kind,
            _ => false,
        };
        self.rows().into_iter().find(of_kind).expect("a row of the write")
    }

    pub fn task(&self, kind: TaskKind) -> TaskKey {
        let release = self.state();
        let task = release.board.iter().find(|task| task.key.kind == kind);
        task.expect("the task is planned").key
    }
}

async fn furnish(store: &MemoryStore, vault: &Vault, entropy: &Counting) {
    let tenant_row = Tenant {
        id: tenant(),
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
    };
    store.insert_tenant(&tenant_row).await.unwrap();
    let service = Service {
        id: ServiceId::from_uuid(Uuid::from_u128(103)),
        tenant: tenant(),
        slug: "shop".to_owned(),
        name: "Shop".to_owned(),
        detail: serde_json::json!({}),
        version: 1,
        created_at: begin() - Span::days(1),
    };
    store.insert_service(&service).await.unwrap();
    for port in [
        Port::Scm,
        Port::Cicd,
        Port::ProjectManagement,
        Port::Communication,
    ] {
        let id = integration(port);
        let row = Integration {
            id,
            tenant: tenant(),
            port,
            provider: "bench".to_owned(),
            name: port.word().to_owned(),
            config: serde_json::json!({}),
            sealed: vault.seal(entropy, tenant(), id, &BTreeMap::new()).unwrap(),
            hints: BTreeMap::new(),
            status: VerificationStatus::Valid,
            status_detail: None,
            verified_at: None,
            version: 1,
            created_at: begin(),
            updated_at: begin(),
        };
        store.insert_integration(&row).await.unwrap();
    }
}
