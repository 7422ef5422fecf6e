//! What waiting costs: processor time, queries and memory of a worker that has nothing to do.

use crate::Bench;
use crate::bulk;
use crate::database::{Database, Kind};
use crate::figure::{Figure, float};
use crate::machine;
use crate::node::Program;
use crate::vendor::Calls;
use crate::world::{Providers, World, both};
use anyhow::Result;
use std::time::{Duration, Instant};

const GROUP: &str = "idle";
/// What a start costs is over by then.
const SETTLED: Duration = Duration::from_secs(4);
/// How long it is looked at.
const LOOKED: Duration = Duration::from_secs(12);

/// Measures.
///
/// # Errors
/// When something does not work.
pub(crate) async fn measure(bench: &Bench) -> Result<()> {
    for kind in both(bench.database) {
        for waiting in [10, bench.stored] {
            let database = Database::fresh(kind, bench.server()).await?;
            let world = World::furnish(&database, Providers::Real, &Calls::silent()).await?;
            bulk::fill(&database, &world, waiting).await?;
            drop(world);
            let (name, case) = match kind {
                Kind::Sqlite => (
                    "delivr-api",
                    format!("{waiting} waiting, delivr-api with its worker"),
                ),
                Kind::Postgres => ("delivr-worker", format!("{waiting} waiting, delivr-worker")),
            };
            let program = Program::product(&bench.programs, name, &database.url, &[]).await?;
            tokio::time::sleep(SETTLED).await;
            let counting = database.count().await;
            let process = program.process()?;
            let (began, before) = (Instant::now(), machine::cpu(process)?);
            tokio::time::sleep(LOOKED).await;
            let used = machine::cpu(process)?.saturating_sub(before);
            let took = began.elapsed().as_secs_f64();
            let share = 100.0 * used.as_secs_f64() / took;
            Figure::new(GROUP, kind, &case, "processor", share, "% of a core").tell();
            if let Some(counting) = counting {
                let rate = float(database.counted(counting).await?.statements) / took;
                Figure::new(GROUP, kind, &case, "queries", rate, "per second").tell();
            }
            let memory = machine::memory(process, "VmRSS")?;
            Figure::new(GROUP, kind, &case, "resident memory", memory, "MiB").tell();
            drop(program);
            database.drop().await?;
        }
    }
    Ok(())
}
