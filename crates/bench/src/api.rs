//! The API over many stored releases: create, read, list and search, by 1, 16 and 32 clients; and what memory it takes.

use crate::Bench;
use crate::bulk;
use crate::ceiling;
use crate::database::{Database, Kind, Pool};
use crate::figure::{Figure, Goal, float, quantile, ratio, say};
use crate::http::Client;
use crate::machine;
use crate::node::Program;
use crate::reaction::body;
use crate::vendor::Calls;
use crate::world::{Providers, World, both};
use anyhow::{Context as _, Result, ensure};
use chrono::SecondsFormat;
use delivr_domain::ports::store::listing::Place;
use delivr_domain::ports::store::{After, ReleaseFilter};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const GROUP: &str = "api";
const GROWTH: &str = "growth";
/// How long each operation is asked for.
const ASKED: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Read,
    List,
    Deep,
    Sorted,
    Narrowed,
    Search,
    Rare,
    Create,
}

impl Ask {
    const ALL: [Self; 8] = [
        Self::Read,
        Self::List,
        Self::Deep,
        Self::Sorted,
        Self::Narrowed,
        Self::Search,
        Self::Rare,
        Self::Create,
    ];
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list, first page of 50",
            Self::Deep => "list, a page in the middle",
            Self::Sorted => "list, what changed last first",
            Self::Narrowed => "list, of a status that all have, by kickoff",
            Self::Search => "search, one found by its key",
            Self::Rare => "search, nothing found",
            Self::Create => "create",
        }
    }
    /// Milliseconds that 99 of 100 take at most, for one client.
    const fn goal(self) -> Option<f64> {
        match self {
            Self::Read => Some(5.0),
            Self::List | Self::Deep | Self::Sorted | Self::Narrowed | Self::Search | Self::Rare => Some(20.0),
            Self::Create => None,
        }
    }
}

/// What the clients share.
struct Asked {
    address: String,
    token: String,
    /// Some of the stored ids.
    ids: Vec<Uuid>,
    stored: u32,
    next: AtomicU64,
}

impl Asked {
    /// One request of a client; the number makes it differ from the others.
    async fn once(&self, client: &mut Client, of: u32, ask: Ask) -> Result<Duration> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Jumps through the stored ones, so that no two in a row lie together.
        let place = number.wrapping_mul(7_919);
        let wrap = |count: u64| place % count.max(1);
        let answer = match ask {
            Ask::Read => {
                let id = self
                    .ids
                    .get(usize::try_from(wrap(u64::try_from(self.ids.len())?))?)
                    .context("a stored id")?;
                client.get(&format!("/releases/{id}")).await?
            }
            Ask::List => client.get("/releases").await?,
            Ask::Deep => {
                let before = 51 + wrap(u64::from(self.stored.saturating_sub(50)));
                let number = i64::try_from(before)?;
                let after = After {
                    place: Some(Place::Number(number)),
                    number,
                };
                let cursor = after.cursor(&ReleaseFilter::default());
                client.get(&format!("/releases?cursor={cursor}")).await?
            }
            Ask::Sorted => client.get("/releases?sort=-updatedAt").await?,
            Ask::Narrowed => client.get("/releases?status=PLANNING&sort=kickoffAt").await?,
            Ask::Search => {
                let one = 1 + wrap(u64::from(self.stored));
                client.get(&format!("/releases?q=REL-{one}")).await?
            }
            Ask::Rare => client.get(&format!("/releases?q=nothing-{number}")).await?,
            Ask::Create => {
                let mut body = body(of, &format!("1.{}.0", 10_000_000 + number));
                if let Some(fields) = body.as_object_mut() {
                    let date = crate::world::in_a_year().to_rfc3339_opts(SecondsFormat::Secs, true);
                    fields.insert("kickoffAt".to_owned(), json!(date));
                }
                client.post("/releases", &body).await?
            }
        };
        let expected = if ask == Ask::Create { 201 } else { 200 };
        ensure!(
            answer.status == expected,
            "{} answered {}: {}",
            ask.word(),
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(answer.took)
    }

    /// Lets clients ask at the same time; how long each answer took, in milliseconds, and answers per second.
    async fn clients(self: &Arc<Self>, count: u32, ask: Ask) -> Result<(Vec<f64>, f64)> {
        let began = Instant::now();
        let clients = (0..count).map(|of| {
            let asked = Arc::clone(self);
            tokio::spawn(async move {
                let mut client = Client::connect(&asked.address, &asked.token).await?;
                let mut took = Vec::new();
                while took.is_empty() || began.elapsed() < ASKED {
                    took.push(asked.once(&mut client, of, ask).await?.as_secs_f64() * 1_000.0);
                }
                Ok::<Vec<f64>, anyhow::Error>(took)
            })
        });
        let mut all = Vec::new();
        for took in try_join_all(clients).await? {
            all.extend(took?);
        }
        let rate = ratio(float(i64::try_from(all.len())?), began.elapsed().as_secs_f64());
        Ok((all, rate))
    }
}

async fn ids(database: &Database) -> Result<Vec<Uuid>> {
    let text = "select id from releases order by number limit 20000";
    Ok(match &database.pool {
        Pool::Sqlite(pool) => sqlx::query_scalar(text).fetch_all(pool).await?,
        Pool::Postgres(pool) => sqlx::query_scalar(text).fetch_all(pool).await?,
    })
}

/// Measures.
///
/// # Errors
/// When something does not work.
pub(crate) async fn measure(bench: &Bench) -> Result<()> {
    for kind in both(bench.database) {
        for stored in [bench.stored / 100, bench.stored / 10, bench.stored] {
            let began = Instant::now();
            let database = Database::fresh(kind, bench.server()).await?;
            let world = World::furnish(&database, Providers::Real, &Calls::silent()).await?;
            bulk::fill(&database, &world, stored).await?;
            say(&format!(
                "{stored} releases stored on {kind} in {} s",
                began.elapsed().as_secs()
            ));
            let token = world.token.clone();
            drop(world);
            one_size(bench, &database, stored, token).await?;
            database.drop().await?;
        }
    }
    Ok(())
}

async fn one_size(bench: &Bench, database: &Database, stored: u32, token: String) -> Result<()> {
    let kind = database.kind;
    let settings: &[(&str, &str)] = match kind {
        Kind::Sqlite => &[],
        Kind::Postgres => &[("DELIVR_WORKER", "none")],
    };
    let api = Program::product(&bench.programs, "delivr-api", &database.url, settings).await?;
    let worker = match kind {
        Kind::Sqlite => None,
        Kind::Postgres => Some(Program::product(&bench.programs, "delivr-worker", &database.url, &[]).await?),
    };
    let asked = Arc::new(Asked {
        address: api.address.clone(),
        token,
        ids: ids(database).await?,
        stored,
        next: AtomicU64::new(0),
    });
    let full = stored == bench.stored;
    let case = format!("{stored} stored");
    let mut client = Client::connect(&asked.address, &asked.token).await?;
    let _first: Value = client.get("/releases?limit=1").await?.json()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    if full {
        memory(kind, &case, "at rest", "VmRSS", &api, worker.as_ref(), Some(64.0))?;
    }
    for ask in Ask::ALL {
        for clients in if full { vec![1, 16, 32] } else { vec![1] } {
            let (took, rate) = asked.clients(clients, ask).await?;
            let group = if full { GROUP } else { GROWTH };
            let case = format!("{case}, {clients} client(s), {}", ask.word());
            Figure::new(group, kind, &case, "p50", quantile(&took, 0.5), "ms").tell();
            let p99 = Figure::new(group, kind, &case, "p99", quantile(&took, 0.99), "ms");
            match ask.goal().filter(|_goal| clients == 1) {
                Some(goal) => p99.goal(Goal::AtMost(goal)).tell(),
                None => p99.tell(),
            }
            if full {
                let rate = Figure::new(group, kind, &case, "rate", rate, "per second");
                if ask == Ask::Create && clients == 16 && kind == Kind::Postgres {
                    rate.goal(Goal::AtLeast(1_000.0)).tell();
                    let raw = ceiling::creations(&database.url, clients, ASKED).await?;
                    Figure::new(
                        group,
                        kind,
                        &case,
                        "the same rows, written by hand",
                        raw,
                        "per second",
                    )
                    .tell();
                } else {
                    rate.tell();
                }
            }
        }
    }
    if full {
        memory(
            kind,
            &case,
            "peak under load",
            "VmHWM",
            &api,
            worker.as_ref(),
            None,
        )?;
    }
    Ok(())
}

fn memory(
    kind: Kind,
    case: &str,
    when: &str,
    line: &str,
    api: &Program,
    worker: Option<&Program>,
    goal: Option<f64>,
) -> Result<()> {
    let programs = [("delivr-api", Some(api)), ("delivr-worker", worker)];
    for (name, program) in programs {
        if let Some(program) = program {
            let used = machine::memory(program.process()?, line)?;
            let figure = Figure::new(
                GROUP,
                kind,
                case,
                format!("memory of {name}, {when}"),
                used,
                "MiB",
            );
            match goal {
                Some(goal) => figure.goal(Goal::AtMost(goal)).tell(),
                None => figure.tell(),
            }
        }
    }
    Ok(())
}
