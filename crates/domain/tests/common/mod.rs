//! A release to test with, and a queue that keeps the engine's rules about rows.

pub mod shop;

use delivr_domain::aggregate::{Aggregate, Event, Input, Stepped};
use delivr_domain::board::Reaction;
use delivr_domain::effect::{Effect, FactKind, Reference, Watched};
use delivr_domain::ids::{InstallId, IntegrationId, PipelineId, ReleaseId, ServiceId, SlotId, TenantId};
use delivr_domain::key::{EffectId, TargetKey};
use delivr_domain::plan::{
    BuildMode, Deadlines, GatedStage, MissedSlot, Plan, PlannedPipeline, Purpose, ScmPlan, ShaOrigin,
    StoreSettings, SubmitMode, TargetPlan, TestingPlan, TrackerPlan,
};
use delivr_domain::ports::store::Fact;
use delivr_domain::release::gate::Context;
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, Draft, Slot};
use delivr_domain::report::{
    Exposure, ExposureWord, Finding, Performed, Report, Resolved, ReviewState, ReviewWord, RunProduct,
    RunResult, RunState, Sighting, StoreBuild, TestTotals,
};
use delivr_domain::time::{Span, Timestamp};
use delivr_domain::version::{Bump, Version};
use std::collections::{BTreeMap, BTreeSet};

pub fn start() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

fn id<T>(make: fn(uuid::Uuid) -> T, n: u128) -> T {
    make(uuid::Uuid::from_u128(n))
}

fn pipeline(job: &str) -> PlannedPipeline {
    PlannedPipeline {
        pipeline: id(PipelineId::from_uuid, 50),
        integration: id(IntegrationId::from_uuid, 2),
        job: job.to_owned(),
        parameters: BTreeMap::from([
            ("VERSION".to_owned(), "{version}".to_owned()),
            ("BRANCH".to_owned(), "{branch}".to_owned()),
        ]),
    }
}

pub fn plan(targets: &[TargetKey]) -> Plan {
    let target = |key: TargetKey| {
        let mut pipelines = BTreeMap::from([
            (Purpose::RegressionBuild, pipeline("regression")),
            (Purpose::PreRegressionBuild, pipeline("pre")),
            (Purpose::Automation, pipeline("automation")),
        ]);
        let last = if key == TargetKey::IosAppStore {
            Purpose::TestFlightBuild
        } else {
            Purpose::AabBuild
        };
        pipelines.insert(last, pipeline("store"));
        pipelines.insert(Purpose::Deploy, pipeline("deploy"));
        let settings = StoreSettings {
            submit: SubmitMode::Auto,
            ..StoreSettings::default()
        };
        let store = key.is_store().then(|| id(IntegrationId::from_uuid, 5));
        (
            key,
            TargetPlan {
                version: Version::new(1, 4, 0),
                store,
                settings,
                pipelines,
                builds: BuildMode::Pipeline,
                notes: BTreeMap::new(),
            },
        )
    };
    Plan {
        profile: None,
        scm: ScmPlan {
            integration: id(IntegrationId::from_uuid, 1),
            base: "main".parse().unwrap(),
            branch: "release/{version}".parse().unwrap(),
            rc_tag: "v{version}-rc.{cycle}".parse().unwrap(),
            release_tag: "v{version}".parse().unwrap(),
            existing_branch: None,
            previous_tag: None,
            publishes_releases: true,
            merge_back: true,
        },
        tracker: Some(TrackerPlan {
            integration: id(IntegrationId::from_uuid, 3),
            gate_on_approval: true,
            close_tickets: true,
        }),
        testing: Some(TestingPlan {
            integration: id(IntegrationId::from_uuid, 4),
            pass_threshold: 90,
        }),
        chat: None,
        targets: targets.iter().copied().map(target).collect(),
        pre_regression_builds: true,
        automation: true,
        auto_start: BTreeSet::from([
            GatedStage::Regression,
            GatedStage::PreRelease,
            GatedStage::Distribution,
        ]),
        quorum: BTreeMap::new(),
        allow_zero_cycles: false,
        sha_origins: BTreeSet::from([ShaOrigin::Observed, ShaOrigin::Declared]),
        deadlines: Deadlines::default(),
        left_out: BTreeMap::new(),
    }
}

pub fn slot(n: u128, at: Timestamp) -> Slot {
    Slot {
        id: id(SlotId::from_uuid, n),
        at,
        builds: BuildsWanted::Build,
        automation: AutomationWanted::Run,
        missed: MissedSlot::RunLate,
    }
}

pub fn draft(plan: Plan) -> Draft {
    Draft {
        id: id(ReleaseId::from_uuid, 100),
        tenant: id(TenantId::from_uuid, 101),
        install: id(InstallId::from_uuid, 102),
        number: 7,
        service: id(ServiceId::from_uuid, 103),
        service_slug: "shop".to_owned(),
        bump: Bump::Minor,
        title: "Shop 1.4".to_owned(),
        description: None,
        priority: "MEDIUM".to_owned(),
        pilot: None,
        plan,
        kickoff_at: start(),
        kickoff_reminder_at: None,
        target_date: None,
        slots: vec![
            slot(200, start() + Span::hours(1)),
            slot(201, start() + Span::hours(2)),
        ],
    }
}

/// A world of one release with its children and the rows they stand for.
#[derive(Clone)]
pub struct World {
    pub now: Timestamp,
    pub aggregates: BTreeMap<delivr_domain::key::AggregateId, Aggregate>,
    pub history: BTreeMap<delivr_domain::key::AggregateId, Vec<(Event, Timestamp)>>,
    pub live: BTreeMap<EffectId, Effect>,
    pub facts: BTreeMap<FactKind, Fact>,
    pub made: BTreeMap<String, u32>,
    pub release: delivr_domain::key::AggregateId,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        Self::of(draft(plan))
    }

    /// A release nobody planned a regression cycle for.
    pub fn without_slots(plan: Plan) -> Self {
        Self::of(Draft {
            slots: Vec::new(),
            ..draft(plan)
        })
    }

    pub fn of(draft: Draft) -> Self {
        let facts = BTreeMap::new();
        let cx = Context {
            now: start(),
            actor: "pat",
            facts: &facts,
        };
        let stepped = Aggregate::create(draft, &cx);
        let release = stepped.state.id();
        let mut world = Self {
            now: start(),
            aggregates: BTreeMap::new(),
            history: BTreeMap::new(),
            live: BTreeMap::new(),
            facts,
            made: BTreeMap::new(),
            release,
        };
        world.keep(stepped);
        world
    }

    pub fn release(&self) -> &delivr_domain::release::Release {
        match &self.aggregates[&self.release] {
            Aggregate::Release(release) => release,
            _ => panic!("the release is a release"),
        }
    }

    fn keep(&mut self, stepped: Stepped) {
        let id = stepped.state.id();
        let now = self.now;
        self.history
            .entry(id)
            .or_default()
            .extend(stepped.events.into_iter().map(|event| (event, now)));
        for reaction in stepped.reactions {
            match reaction {
                Reaction::Enqueue(effect) => {
                    self.live.entry(effect.id()).or_insert(effect);
                }
                Reaction::End(effect) => {
                    self.live.remove(&effect);
                }
            }
        }
        self.aggregates.insert(id, stepped.state);
    }

    /// One input with the row it ends, if any.
    pub fn input(
        &mut self,
        to: delivr_domain::key::AggregateId,
        input: Input<'_>,
        ends: Option<EffectId>,
    ) -> bool {
        if let Some(row) = ends {
            self.live.remove(&row);
        }
        let facts = self.facts.clone();
        let cx = Context {
            now: self.now,
            actor: "pat",
            facts: &facts,
        };
        let stepped = match self.aggregates.get(&to) {
            Some(state) => match state.clone().step(input, &cx) {
                Ok(stepped) => stepped,
                Err(_) => return false,
            },
            None => match input {
                Input::Report(report) => match Aggregate::birth(report, &cx) {
                    Some(stepped) => stepped,
                    None => return false,
                },
                Input::Command(_) => return false,
            },
        };
        self.keep(stepped);
        // One input changes one aggregate.
        self.check_one(&to, &self.aggregates[&to]);
        true
    }

    pub fn command(&mut self, command: delivr_domain::release::Command) -> bool {
        let release = self.release;
        self.input(
            release,
            Input::Command(&delivr_domain::aggregate::Command::Release(command)),
            None,
        )
    }

    pub fn tick(&mut self) {
        let due: Vec<_> = self
            .aggregates
            .iter()
            .filter(|(_, it)| it.wake_at().is_some_and(|at| at <= self.now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.input(id, Input::Report(&Report::Tick), None);
            let wake = self.aggregates[&id].wake_at();
            assert!(
                wake.is_none_or(|at| at > self.now),
                "a tick must not leave {wake:?} behind at {}",
                self.now
            );
        }
    }

    /// The properties of the engine, after every input.
    pub fn check(&self) {
        for (id, state) in &self.aggregates {
            self.check_one(id, state);
        }
    }

    fn check_one(&self, id: &delivr_domain::key::AggregateId, state: &Aggregate) {
        let cx = Context {
            now: self.now,
            actor: "pat",
            facts: &self.facts,
        };
        assert!(state.settled(&cx), "{id} has more to say");
        let folded = Aggregate::fold(&self.history[id]).expect("a history");
        assert_eq!(&folded, state, "the fold of the events is the state");
        let outstanding: BTreeSet<String> = state.outstanding().iter().map(named).collect();
        let live: BTreeSet<String> = self
            .live
            .iter()
            .filter(|(_, effect)| {
                effect.owner() == *id
                    && !matches!(
                        effect,
                        Effect::Tell { .. } | Effect::Message { .. } | Effect::CancelRun { .. }
                    )
            })
            .map(|(_, effect)| named(effect))
            .collect();
        assert_eq!(outstanding, live, "{id}: rows are what the state has outstanding");
    }

    pub fn next_wake(&self) -> Option<Timestamp> {
        self.aggregates.values().filter_map(Aggregate::wake_at).min()
    }
}

/// What a well-behaved vendor answers to a row; none for a row that has nothing to say now.
pub fn answer(effect: &Effect) -> Option<(delivr_domain::key::AggregateId, Report)> {
    let sha = || "a".repeat(40).parse().unwrap();
    match effect {
        Effect::Perform { key, operation, .. } => {
            let id = match operation {
                delivr_domain::effect::Operation::Scm(
                    delivr_domain::effect::ScmWrite::CreateBranch { name, .. }
                    | delivr_domain::effect::ScmWrite::CreateTag { name, .. },
                ) => name.to_string(),
                _ => key.short(),
            };
            Some((
                key.owner,
                Report::Performed {
                    key: *key,
                    performed: Performed::Done {
                        reference: Reference::id(id),
                    },
                },
            ))
        }
        Effect::Resolve { key, reading, .. } => {
            use delivr_domain::effect::Reading;
            let finding = match reading {
                Reading::RefHead { .. } => Finding::Head { sha: sha() },
                Reading::Notes { .. } => Finding::Notes {
                    text: "- a change".to_owned(),
                },
                Reading::TestTotals { .. } => Finding::Totals {
                    totals: TestTotals {
                        total: 10,
                        passed: 10,
                        failed: 0,
                        untested: 0,
                    },
                },
                Reading::StoreBuild { build_number, .. } => Finding::StoreBuild {
                    build: StoreBuild {
                        build_number: build_number.clone().unwrap_or_else(|| "1".to_owned()),
                        reference: Reference::id("b"),
                    },
                },
                Reading::Exposure { .. } => Finding::Exposure {
                    exposure: Exposure {
                        word: ExposureWord::Completed,
                        bps: 10_000,
                        store_word: "completed".to_owned(),
                    },
                },
            };
            Some((
                key.owner,
                Report::Resolved {
                    key: *key,
                    resolved: Resolved::Found { finding },
                },
            ))
        }
        Effect::Watch { key, watched, .. } => {
            let sighting = match watched {
                Watched::Run { .. } => Sighting::Run {
                    state: RunState::Ended {
                        result: RunResult::Succeeded,
                        product: RunProduct {
                            number: Some("41".to_owned()),
                            sha: Some(sha()),
                            ..RunProduct::default()
                        },
                    },
                },
                Watched::Review { .. } => Sighting::Review {
                    state: ReviewState {
                        word: ReviewWord::Live,
                        store_word: "LIVE".to_owned(),
                        explanation: None,
                    },
                },
                Watched::Rollout { .. } => Sighting::Rollout {
                    exposure: Exposure {
                        word: ExposureWord::Completed,
                        bps: 10_000,
                        store_word: "completed".to_owned(),
                    },
                },
            };
            Some((key.owner, Report::Seen { key: *key, sighting }))
        }
        Effect::Tell { to, report, .. } => Some((*to, report.as_ref().clone())),
        Effect::Probe { .. } | Effect::CancelRun { .. } | Effect::Message { .. } => None,
    }
}

/// A row as people read it in a failed assertion.
fn named(effect: &Effect) -> String {
    effect.key().map_or_else(
        || effect.word().to_owned(),
        |key| format!("{} {key}", effect.word()),
    )
}

/// Gates' facts as they are when all is well, read just now.
pub fn fresh_facts(world: &mut World) {
    let now = world.now;
    for (kind, value) in [
        (FactKind::BranchHead, "a".repeat(40)),
        (FactKind::TicketsApproved, "approved".to_owned()),
    ] {
        world.facts.insert(
            kind,
            Fact {
                value,
                observed_at: now,
            },
        );
    }
}

/// Answers the row and ends it, as the worker would.
pub fn run_row(world: &mut World, row: EffectId) {
    let effect = world.live[&row].clone();
    if let Effect::Probe { .. } = effect {
        // A probe's row is re-armed while it is wanted: it stays.
        fresh_facts(world);
        let release = world.release;
        world.input(release, Input::Report(&Report::Tick), None);
        return;
    }
    let Some((to, report)) = answer(&effect) else {
        world.live.remove(&row);
        return;
    };
    let ends = (!matches!(effect, Effect::Watch { .. })).then_some(row);
    if matches!(effect, Effect::Perform { .. }) {
        *world.made.entry(row.to_string()).or_default() += 1;
    }
    world.input(to, Input::Report(&report), ends);
}
