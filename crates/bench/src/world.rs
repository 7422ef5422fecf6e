//! What is measured in: an application on a database, a tenant with its integrations and services, and its releases.

use crate::database::{Database, Kind};
use crate::vendor::{self, Calls};
use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use delivr_app::usecases::access::{self, NewToken, Role};
use delivr_app::usecases::{callbacks, keys};
use delivr_app::vault::Vault;
use delivr_app::{App, apply, connections};
use delivr_bootstrap::entropy::SystemEntropy;
use delivr_bootstrap::wire;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::effect::ReleaseTiming;
use delivr_domain::ids::{InstallId, IntegrationId, PipelineId, ReleaseId, ServiceId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::plan::{
    BuildMode, Deadlines, Plan, PlannedPipeline, Purpose, ScmPlan, ShaOrigin, StoreSettings, SubmitMode,
    TargetPlan, TestingPlan, TrackerPlan,
};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Integration, Service, VerificationStatus};
use delivr_domain::release::state::Draft;
use delivr_domain::time::Timestamp;
use delivr_domain::version::{Bump, Version};
use delivr_persistence::{Options, SqlStore};
use delivr_provider_kit::SystemClock;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Services of the tenant; releases are spread over them.
pub(crate) const SERVICES: u32 = 32;
/// A key that seals nothing but empty credentials of databases that are thrown away.
pub(crate) const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Connections of one process, as by default.
pub(crate) const CONNECTIONS: u32 = 10;

/// The integrations beside source control, of which each service has its own.
const SHARED: [(&str, Port); 5] = [
    ("ci", Port::Cicd),
    ("tracker", Port::ProjectManagement),
    ("tests", Port::TestManagement),
    ("play", Port::Stores),
    ("appstore", Port::Stores),
];

/// Both app stores: what most releases ship to.
pub(crate) const APPS: &[TargetKey] = &[TargetKey::AndroidPlayStore, TargetKey::IosAppStore];

/// The id of an integration.
pub(crate) fn integration(name: &str) -> IntegrationId {
    IntegrationId::derived(&[name.as_bytes()])
}

/// The id of a service.
pub(crate) fn service(number: u32) -> ServiceId {
    ServiceId::derived(&[format!("service-{number}").as_bytes()])
}

/// The name of a service's source control.
pub(crate) fn scm_of(number: u32) -> String {
    format!("git-{number}")
}

/// The application on a database, with the vendor that answers at once.
///
/// # Errors
/// When the database cannot be opened.
pub(crate) async fn app(url: &str, connections: u32, calls: &Calls) -> Result<App> {
    wire::install_tls();
    let mut options = Options::new(Arc::new(SystemClock));
    options.max_connections = connections;
    let store: SqlStore = delivr_persistence::connect(url, options).await?;
    store.migrate().await?;
    let app = App {
        store: Arc::new(store),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::new()),
        registry: Arc::new(vendor::registry(calls)?),
        vault: Arc::new(Vault::new(&SecretString::from(MASTER_KEY))?),
        connections: connections::cache(),
    };
    keys::check(&app).await?;
    callbacks::prepare(&app).await?;
    Ok(app)
}

/// Which providers the integrations name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Providers {
    /// The one that answers at once.
    Instant,
    /// The product's own, which are never called.
    Real,
}

impl Providers {
    fn of(self, name: &str, port: Port) -> &'static str {
        match (self, port) {
            (Self::Instant, _) => vendor::KEY,
            (Self::Real, Port::Scm) => "git",
            (Self::Real, Port::Cicd) => "jenkins",
            (Self::Real, Port::ProjectManagement) => "jira",
            (Self::Real, Port::TestManagement) => "checkmate",
            (Self::Real, Port::Communication) => "slack",
            (Self::Real, Port::Stores) if name == "play" => "playstore",
            (Self::Real, Port::Stores) => "appstore",
        }
    }
}

/// A furnished database.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) tenant: TenantId,
    pub(crate) install: InstallId,
    /// A token that may do everything.
    pub(crate) token: String,
}

impl World {
    /// Migrates and furnishes the database.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn furnish(database: &Database, providers: Providers, calls: &Calls) -> Result<Self> {
        let app = app(&database.url, CONNECTIONS, calls).await?;
        let tenant = access::ensure_tenant(&app, "acme").await?.id;
        let token = access::issue(
            &app,
            tenant,
            app.entropy.uuid(),
            &NewToken {
                name: "bench",
                role: Role::Owner,
                expires_at: None,
                person: None,
            },
        )
        .await?;
        let now = app.clock.now();
        let scms = (0..SERVICES).map(|number| (scm_of(number), Port::Scm));
        let shared = SHARED.iter().map(|(name, port)| ((*name).to_owned(), *port));
        for (name, port) in scms.chain(shared) {
            let id = integration(&name);
            let row = Integration {
                id,
                tenant,
                port,
                provider: providers.of(&name, port).to_owned(),
                config: json!({ "url": "https://vendor.example/repository", "defaultBranch": "main" }),
                sealed: app
                    .vault
                    .seal(app.entropy.as_ref(), tenant, id, &BTreeMap::new())?,
                name,
                hints: BTreeMap::new(),
                status: VerificationStatus::Valid,
                status_detail: None,
                verified_at: Some(now),
                version: 1,
                created_at: now,
                updated_at: now,
            };
            app.store.insert_integration(&row).await?;
        }
        for number in 0..SERVICES {
            let row = Service {
                id: service(number),
                tenant,
                slug: format!("service-{number}"),
                name: format!("Service {number}"),
                detail: json!({ "kind": "MOBILE", "scmIntegrationId": integration(&scm_of(number)).to_string() }),
                version: 1,
                created_at: now,
            };
            app.store.insert_service(&row).await?;
        }
        let install = app.store.install().await?;
        Ok(Self {
            token: token.secret.expose_secret().to_owned(),
            app,
            tenant,
            install,
        })
    }

    /// Creates a release as the product does, without the checks of its form.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn create(&self, number: u32, shape: &Shape) -> Result<Aggregate> {
        let draft = self.draft(number, shape);
        apply::create(
            self.app.store.as_ref(),
            self.app.clock.as_ref(),
            draft,
            "bench",
            None,
        )
        .await
        .context("creating a release")
    }

    fn draft(&self, number: u32, shape: &Shape) -> Draft {
        let of = number % SERVICES;
        let version = Version::new(1, number, 0);
        let store = |target: TargetKey| match target {
            TargetKey::AndroidPlayStore => Some(integration("play")),
            TargetKey::IosAppStore => Some(integration("appstore")),
            TargetKey::WebEnvironment | TargetKey::ServiceEnvironment => None,
        };
        let targets = shape.targets.iter().map(|target| {
            let plan = TargetPlan {
                version,
                store: store(*target),
                settings: StoreSettings {
                    submit: SubmitMode::ByPerson,
                    timing: ReleaseTiming::Manual,
                    steps: vec![500, 5_000, 10_000],
                    step_minutes: None,
                    phased: true,
                    poll_seconds: 180,
                },
                pipelines: BTreeMap::from([
                    (Purpose::PreRegressionBuild, pipeline("pre")),
                    (Purpose::RegressionBuild, pipeline("regression")),
                ]),
                builds: BuildMode::Pipeline,
                notes: BTreeMap::new(),
            };
            (*target, plan)
        });
        let plan = Plan {
            profile: None,
            scm: ScmPlan {
                integration: integration(&scm_of(of)),
                base: known("main"),
                branch: known("release/{version}"),
                rc_tag: known("v{version}-rc.{cycle}"),
                release_tag: known("v{version}"),
                existing_branch: None,
                previous_tag: None,
                publishes_releases: true,
                merge_back: true,
            },
            tracker: Some(TrackerPlan {
                integration: integration("tracker"),
                gate_on_approval: true,
                close_tickets: true,
            }),
            testing: Some(TestingPlan {
                integration: integration("tests"),
                pass_threshold: 100,
            }),
            chat: None,
            targets: targets.collect(),
            pre_regression_builds: shape.builds_every.is_some(),
            automation: false,
            auto_start: BTreeSet::new(),
            quorum: BTreeMap::new(),
            allow_zero_cycles: false,
            sha_origins: BTreeSet::from([ShaOrigin::Observed]),
            deadlines: Deadlines {
                pipeline_minutes: 600,
                automation_minutes: 600,
                store_minutes: 600,
                poll_seconds: shape.builds_every.unwrap_or(30),
            },
            left_out: BTreeMap::new(),
        };
        Draft {
            id: ReleaseId::from_uuid(self.app.entropy.uuid()),
            tenant: self.tenant,
            install: self.install,
            number: 0,
            service: service(of),
            service_slug: format!("service-{of}"),
            bump: Bump::Minor,
            title: format!("Service {of} 1.{number}.0"),
            description: Some("What is measured.".to_owned()),
            priority: "MEDIUM".to_owned(),
            pilot: None,
            plan,
            kickoff_at: shape.kickoff_at,
            kickoff_reminder_at: None,
            target_date: None,
            slots: Vec::new(),
        }
    }
}

/// What a release looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// What it ships to.
    pub(crate) targets: &'static [TargetKey],
    /// When it starts.
    pub(crate) kickoff_at: Timestamp,
    /// Whether builds run at the kickoff, and how many seconds apart they are looked at.
    pub(crate) builds_every: Option<u32>,
}

impl Shape {
    /// Branch, two tickets, two test runs; starts at once.
    pub(crate) fn starting() -> Self {
        Self {
            targets: APPS,
            kickoff_at: SystemClock.now(),
            builds_every: None,
        }
    }
    /// The same, starting in a year.
    pub(crate) fn waiting() -> Self {
        Self {
            kickoff_at: in_a_year(),
            ..Self::starting()
        }
    }
}

/// A date that does not come while something is measured; cut to seconds.
pub(crate) fn in_a_year() -> Timestamp {
    let at = SystemClock.now() + TimeDelta::days(365);
    Timestamp::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

fn pipeline(job: &str) -> PlannedPipeline {
    PlannedPipeline {
        pipeline: PipelineId::derived(&[job.as_bytes()]),
        integration: integration("ci"),
        job: job.to_owned(),
        parameters: BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]),
    }
}

#[expect(
    clippy::expect_used,
    reason = "the names above are valid: nothing is measured without them"
)]
fn known<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a valid name")
}

/// What is live on an installation that has done its work.
pub(crate) const LIVE: &str = "select count(*) from effects where state in ('READY', 'CLAIMED')";

/// The `--database` of a figure.
pub(crate) fn both(only: Option<Kind>) -> Vec<Kind> {
    only.map_or_else(|| vec![Kind::Sqlite, Kind::Postgres], |kind| vec![kind])
}
