//! How fast Delivr reacts: from a webhook to the look at the vendor, and from `POST /releases` to the end of KICKOFF.
//!
//! On PostgreSQL API and worker are two processes, on SQLite one.

use crate::Bench;
use crate::database::{Database, Kind};
use crate::figure::{Figure, Goal, quantile};
use crate::http::Client;
use crate::node::{Program, Role, micros};
use crate::vendor::{Calls, KEY};
use crate::world::{LIVE, Providers, Shape, World, both, integration, scm_of, service};
use anyhow::{Context as _, Result};
use delivr_domain::effect::{Effect, Watched};
use delivr_domain::ports::store::{Page, ReleaseFilter};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const REACTION: &str = "reaction";
const KICKOFF: &str = "kickoff";
/// Longest time for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The processes of an installation.
struct Installation {
    api: Program,
    /// The worker's process where it is one of its own.
    worker: Option<Program>,
}

impl Installation {
    async fn start(database: &Database) -> Result<Self> {
        Ok(match database.kind {
            Kind::Sqlite => Self {
                api: Program::node(Role::Both, &database.url).await?,
                worker: None,
            },
            Kind::Postgres => Self {
                api: Program::node(Role::Api, &database.url).await?,
                worker: Some(Program::node(Role::Worker, &database.url).await?),
            },
        })
    }
    fn worker(&mut self) -> &mut Program {
        self.worker.as_mut().unwrap_or(&mut self.api)
    }
}

/// Measures the way from a webhook to the look it prompts.
///
/// # Errors
/// When something does not work.
pub(crate) async fn webhooks(bench: &Bench) -> Result<()> {
    for kind in both(bench.database) {
        let database = Database::fresh(kind, bench.server()).await?;
        let world = World::furnish(&database, Providers::Instant, &Calls::silent()).await?;
        let shape = Shape {
            builds_every: Some(36_000),
            ..Shape::starting()
        };
        for number in 1..=10 {
            world.create(number, &shape).await?;
        }
        let mut installation = Installation::start(&database).await?;
        let live = format!("{LIVE} and kind <> 'WATCH'");
        database.until_zero("the builds", &live, PATIENCE).await?;
        let runs = runs(&world).await?;
        let mut client = Client::connect(&installation.api.address, &world.token).await?;
        let path = format!("/webhooks/{KEY}/{}", integration("ci"));
        let mut took = Vec::new();
        for turn in 0..10 * bench.scale.max(1) {
            for correlation in &runs {
                let body =
                    json!({ "delivery": format!("{turn}-{correlation}"), "correlations": [correlation] });
                let sent = micros();
                client.post(&path, &body).await?.json()?;
                // Each run was looked at once when its watch began; only what comes after the webhook counts.
                let at = loop {
                    let (of, at) = installation.worker().look().await?;
                    if of == *correlation && at >= sent {
                        break at;
                    }
                };
                took.push(Duration::from_micros(u64::try_from(at - sent)?).as_secs_f64() * 1_000.0);
                // Not in step with anything the worker does by itself.
                tokio::time::sleep(Duration::from_micros(7_300)).await;
            }
        }
        let case = match kind {
            Kind::Sqlite => "one process with its embedded worker",
            Kind::Postgres => "API and worker as processes",
        };
        for (what, share, goal) in [("p50", 0.5, 20.0), ("p99", 0.99, 100.0)] {
            Figure::new(
                REACTION,
                kind,
                case,
                format!("webhook to look, {what}"),
                quantile(&took, share),
                "ms",
            )
            .goal(Goal::AtMost(goal))
            .tell();
        }
        drop(installation);
        drop(world);
        database.drop().await?;
    }
    Ok(())
}

/// Correlation keys of all runs that are waited for.
async fn runs(world: &World) -> Result<Vec<String>> {
    let page = Page {
        limit: 200,
        cursor: None,
    };
    let releases = world
        .app
        .store
        .releases(world.tenant, &ReleaseFilter::default(), &page)
        .await?;
    let mut runs = Vec::new();
    for release in releases.items {
        for row in world.app.store.rows(release.id, false).await? {
            if let Effect::Watch {
                watched: Watched::Run { run },
                ..
            } = row.effect
            {
                runs.push(run.correlation);
            }
        }
    }
    Ok(runs)
}

/// The body that creates a release with branch, two tickets and two test runs.
pub(crate) fn body(of: u32, version: &str) -> Value {
    json!({
        "serviceId": service(of).to_string(),
        "version": version,
        "scmIntegrationId": integration(&scm_of(of)).to_string(),
        "ticketId": integration("tracker").to_string(),
        "testManagementId": integration("tests").to_string(),
        "targets": [
            { "target": "ANDROID_PLAY_STORE", "storeIntegrationId": integration("play").to_string() },
            { "target": "IOS_APP_STORE", "storeIntegrationId": integration("appstore").to_string() },
        ],
        "settings": { "autoStart": [] },
    })
}

/// Measures the way from `POST /releases` to the end of KICKOFF.
///
/// # Errors
/// When something does not work.
pub(crate) async fn kickoff(bench: &Bench) -> Result<()> {
    for kind in both(bench.database) {
        let database = Database::fresh(kind, bench.server()).await?;
        let world = World::furnish(&database, Providers::Instant, &Calls::silent()).await?;
        let installation = Installation::start(&database).await?;
        let mut client = Client::connect(&installation.api.address, &world.token).await?;
        let mut took = Vec::new();
        for number in 1..=20 * bench.scale.max(1) {
            let began = Instant::now();
            let made = client
                .post("/releases", &body(0, &format!("1.{number}.0")))
                .await?
                .json()?;
            let id = made
                .get("id")
                .and_then(Value::as_str)
                .context("an id")?
                .to_owned();
            loop {
                let now = client.get(&format!("/releases/{id}")).await?.json()?;
                let phase = now.get("phase").and_then(Value::as_str).unwrap_or_default();
                if phase != "NOT_STARTED" && phase != "KICKOFF" {
                    break;
                }
                anyhow::ensure!(began.elapsed() < PATIENCE, "the kickoff does not end: {now}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
            let case = "branch, 2 tickets, 2 test runs";
            let what = format!("POST to KICKOFF complete, {what}");
            Figure::new(KICKOFF, kind, case, what, quantile(&took, share), "ms")
                .goal(Goal::AtMost(1_000.0))
                .tell();
        }
        drop(installation);
        drop(world);
        database.drop().await?;
    }
    Ok(())
}
