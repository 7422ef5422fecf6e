//! How many tasks a second go through claim, run and report, and what each of them costs the database.
//!
//! The vendor answers at once, so that what is left is Delivr's own. Beside it the raw rate: see [`crate::raw`].

use crate::Bench;
use crate::database::{Counted, Database, Kind};
use crate::figure::{Figure, Goal, float, ratio};
use crate::raw;
use crate::vendor::Calls;
use crate::world::{CONNECTIONS, LIVE, Providers, Shape, World, app, both};
use anyhow::Result;
use delivr_domain::key::TargetKey;
use delivr_worker::{Worker, WorkerSettings};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const GROUP: &str = "throughput";
/// Longest time a run may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a run came to.
struct Run {
    /// Effects that were claimed, run and reported.
    tasks: i64,
    took: Duration,
    counted: Option<Counted>,
}

impl Run {
    fn rate(&self) -> f64 {
        ratio(float(self.tasks), self.took.as_secs_f64())
    }
}

/// Workers under way.
pub(crate) struct Workers(Vec<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>);

impl Workers {
    /// Starts workers: on PostgreSQL each with connections of its own, as if it were a process; on SQLite all of one
    /// process, with its one writer.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub(crate) async fn start(database: &Database, count: u32, calls: &Calls) -> Result<Self> {
        let mut workers = Vec::new();
        let shared = app(&database.url, CONNECTIONS, calls).await?;
        for number in 0..count {
            let own = match database.kind {
                Kind::Sqlite => shared.clone(),
                Kind::Postgres => app(&database.url, CONNECTIONS, calls).await?,
            };
            let settings = WorkerSettings {
                name: format!("bench-{number}"),
                ..WorkerSettings::default()
            };
            let (stop, stopped) = oneshot::channel();
            let running = tokio::spawn(async move {
                Worker::new(own, settings)
                    .run(async {
                        let _either = stopped.await;
                    })
                    .await;
            });
            workers.push((stop, running));
        }
        Ok(Self(workers))
    }

    /// Stops them.
    ///
    /// # Errors
    /// When one has panicked.
    pub(crate) async fn stop(self) -> Result<()> {
        for (stop, running) in self.0 {
            let _ended = stop.send(());
            running.await?;
        }
        Ok(())
    }
}

/// A database with so many releases that have just started, and the number of tasks that are ready.
async fn started(bench: &Bench, kind: Kind, releases: u32, shape: &Shape) -> Result<Database> {
    let database = Database::fresh(kind, bench.server()).await?;
    let world = World::furnish(&database, Providers::Instant, &Calls::silent()).await?;
    for number in 1..=releases {
        world.create(number, shape).await?;
    }
    database.analyze().await?;
    Ok(database)
}

/// Runs all there is to do.
async fn run(bench: &Bench, kind: Kind, workers: u32, releases: u32, shape: &Shape) -> Result<Run> {
    let database = started(bench, kind, releases, shape).await?;
    let counting = database.count().await;
    let began = Instant::now();
    let running = Workers::start(&database, workers, &Calls::silent()).await?;
    database.until_zero("the tasks", LIVE, PATIENCE).await?;
    let took = began.elapsed();
    let counted = match counting {
        Some(counting) => Some(database.counted(counting).await?),
        None => None,
    };
    running.stop().await?;
    let tasks = database
        .number("select count(*) from effects where state = 'DONE'")
        .await?;
    database.drop().await?;
    Ok(Run { tasks, took, counted })
}

/// The same statements without the product, on the same data and connections.
async fn raw_rate(bench: &Bench, kind: Kind, workers: u32, releases: u32, shape: &Shape) -> Result<f64> {
    let database = started(bench, kind, releases, shape).await?;
    let began = Instant::now();
    let tasks = raw::run(&database.url, kind, workers).await?;
    let rate = ratio(float(tasks), began.elapsed().as_secs_f64());
    database.drop().await?;
    Ok(rate)
}

/// Measures.
///
/// # Errors
/// When something does not work.
pub(crate) async fn measure(bench: &Bench) -> Result<()> {
    let releases = 128 * bench.scale;
    for kind in both(bench.database) {
        for workers in [1, 2, 4] {
            let shape = Shape::starting();
            let case = format!("{releases} releases, {workers} worker(s)");
            let one = run(bench, kind, workers, releases, &shape).await?;
            tell(kind, &case, &one);
            let raw = raw_rate(bench, kind, workers, releases, &shape).await?;
            Figure::new(GROUP, kind, &case, "raw rate", raw, "tasks/s").tell();
            Figure::new(
                GROUP,
                kind,
                &case,
                "share of the raw rate",
                100.0 * ratio(one.rate(), raw),
                "%",
            )
            .goal(Goal::AtLeast(70.0))
            .tell();
        }
        // The widest release there is: all targets, with tickets, test runs and builds for each.
        let shape = Shape {
            targets: TargetKey::ALL,
            builds_every: Some(3_600),
            ..Shape::starting()
        };
        for workers in [1, 4] {
            let case = format!(
                "1 release of {} targets, {workers} worker(s)",
                TargetKey::ALL.len()
            );
            let one = widest(bench, kind, workers, &shape).await?;
            Figure::new(GROUP, kind, &case, "rate", one.rate(), "tasks/s").tell();
        }
        polls(bench, kind).await?;
    }
    Ok(())
}

fn tell(kind: Kind, case: &str, one: &Run) {
    Figure::new(GROUP, kind, case, "rate", one.rate(), "tasks/s").tell();
    if let Some(counted) = one.counted {
        let tasks = float(one.tasks);
        Figure::new(
            GROUP,
            kind,
            case,
            "commits",
            ratio(float(counted.commits), tasks),
            "per task",
        )
        .goal(Goal::AtMost(2.0))
        .tell();
        Figure::new(
            GROUP,
            kind,
            case,
            "statements",
            ratio(float(counted.statements), tasks),
            "per task",
        )
        .tell();
    }
}

/// One release whose tasks all start at once. Its watches stay, so that what is waited for are its writes.
async fn widest(bench: &Bench, kind: Kind, workers: u32, shape: &Shape) -> Result<Run> {
    let database = started(bench, kind, 1, shape).await?;
    let began = Instant::now();
    let running = Workers::start(&database, workers, &Calls::silent()).await?;
    let live = format!("{LIVE} and kind <> 'WATCH'");
    database.until_zero("the widest release", &live, PATIENCE).await?;
    let took = began.elapsed();
    running.stop().await?;
    let tasks = database
        .number("select count(*) from effects where state = 'DONE'")
        .await?;
    database.drop().await?;
    Ok(Run {
        tasks,
        took,
        counted: None,
    })
}

/// What a look at a run that has nothing new costs.
async fn polls(bench: &Bench, kind: Kind) -> Result<()> {
    let shape = Shape {
        builds_every: Some(1),
        ..Shape::starting()
    };
    let database = started(bench, kind, 64, &shape).await?;
    let calls = Calls::silent();
    let running = Workers::start(&database, 1, &calls).await?;
    let live = format!("{LIVE} and kind <> 'WATCH'");
    database.until_zero("the builds", &live, PATIENCE).await?;
    let counting = database.count().await;
    let before = calls.looks.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let looks = calls.looks.load(Ordering::Relaxed) - before;
    let counted = match counting {
        Some(counting) => Some(database.counted(counting).await?),
        None => None,
    };
    running.stop().await?;
    if let Some(counted) = counted {
        let looks = float(i64::try_from(looks)?);
        let case = "128 runs looked at each second";
        Figure::new(
            GROUP,
            kind,
            case,
            "commits",
            ratio(float(counted.commits), looks),
            "per look",
        )
        .goal(Goal::AtMost(1.0))
        .tell();
        Figure::new(
            GROUP,
            kind,
            case,
            "statements",
            ratio(float(counted.statements), looks),
            "per look",
        )
        .tell();
    }
    database.drop().await
}
