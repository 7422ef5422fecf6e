//! The pages over many stored releases: how long each takes for somebody who is signed in, and how much of it goes over the
//! wire, packed.

use crate::Bench;
use crate::bulk;
use crate::database::{Database, Kind};
use crate::figure::{Figure, Goal, quantile, say};
use crate::http::Client;
use crate::node::Program;
use crate::vendor::Calls;
use crate::world::{Providers, World, both};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const GROUP: &str = "pages";
/// How long a page is asked for, at most.
const ASKED: Duration = Duration::from_secs(3);
/// How often, at most.
const TIMES: usize = 150;
/// Milliseconds that 99 of 100 take at most.
const TIME: f64 = 50.0;
/// Kilobytes over the wire at most, with the style and the script that every page needs once.
const SIZE: f64 = 150.0;

/// A page in the middle of the stored ones is called so.
const MIDDLE: &str = "{middle}";

/// Every page that shows releases or what belongs to them, and those that are looked at most.
const PAGES: [(&str, &str); 26] = [
    ("dashboard", "/"),
    ("board", "/board"),
    ("board, by service", "/board?group=service"),
    ("queues", "/queues"),
    ("table", "/releases"),
    ("table, what changed last first", "/releases?sort=-updatedAt"),
    ("table, the soonest target first", "/releases?sort=targetDate"),
    (
        "table, of a status, by kickoff",
        "/releases?status=PLANNING&sort=kickoffAt",
    ),
    (
        "table, of a status that none has",
        "/releases?status=IN_STAGING&sort=-kickoffAt",
    ),
    ("table, of a phase that none has", "/releases?phase=COMPLETED"),
    (
        "table, of a pilot that none has",
        "/releases?pilot=me&open=true&sort=priority",
    ),
    ("table, found by a word that all have", "/releases?q=service"),
    ("a release", "/releases/REL-{middle}"),
    ("moving it", "/releases/REL-{middle}/move"),
    ("new release", "/releases/new"),
    ("timeline", "/timeline"),
    ("timeline, a year ahead", "/timeline?weeks=50"),
    ("calendar links", "/timeline/links"),
    ("activity", "/activity"),
    ("activity, of releases", "/activity?of=RELEASE"),
    ("services", "/services"),
    ("integrations", "/integrations"),
    ("profiles", "/profiles"),
    ("operations", "/operations"),
    ("settings", "/settings"),
    ("profile", "/profile"),
];

/// Measures.
///
/// # Errors
/// When something does not work, or a page is none.
pub(crate) async fn measure(bench: &Bench) -> Result<()> {
    for kind in both(bench.database) {
        for stored in [bench.stored / 100, bench.stored] {
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
            one_size(bench, &database, stored, &token).await?;
            database.drop().await?;
        }
    }
    Ok(())
}

/// Where style and script are, as a page names them.
fn assets(page: &str) -> Vec<String> {
    let mut found: Vec<String> = page
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

fn kilobytes(bytes: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes of pages")]
    let bytes = bytes as f64;
    bytes / 1_000.0
}

async fn one_size(bench: &Bench, database: &Database, stored: u32, token: &str) -> Result<()> {
    let kind = database.kind;
    let settings: &[(&str, &str)] = match kind {
        Kind::Sqlite => &[],
        Kind::Postgres => &[("DELIVR_WORKER", "none")],
    };
    let api = Program::product(&bench.programs, "delivr-api", &database.url, settings).await?;
    let mut client = Client::connect(&api.address, token).await?;
    client.sign_in().await?;
    let plain = client.page("/", false).await?;
    let mut shared = 0;
    for asset in assets(&String::from_utf8_lossy(&plain.body)) {
        let answer = client.page(&asset, true).await?;
        ensure!(answer.status == 200, "{asset} answered {}", answer.status);
        shared += answer.body.len();
    }
    ensure!(shared > 0, "pages have a style and a script");
    let middle = (stored / 2).to_string();
    let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, path) in PAGES {
        let path = path.replace(MIDDLE, &middle);
        let mut took = Vec::new();
        let mut size = 0;
        let began = Instant::now();
        while took.is_empty() || (took.len() < TIMES && began.elapsed() < ASKED) {
            let answer = client.page(&path, true).await?;
            ensure!(answer.status == 200, "{path} answered {}", answer.status);
            size = size.max(answer.body.len());
            took.push(answer.took.as_secs_f64() * 1_000.0);
        }
        sizes.insert(name, kilobytes(size + shared));
        let case = format!("{stored} stored, {name}");
        Figure::new(GROUP, kind, &case, "p50", quantile(&took, 0.5), "ms").tell();
        let p99 = Figure::new(GROUP, kind, &case, "p99", quantile(&took, 0.99), "ms");
        p99.goal(Goal::AtMost(TIME)).tell();
    }
    let (name, largest) = sizes
        .iter()
        .max_by(|one, other| one.1.total_cmp(other.1))
        .context("there are pages")?;
    let case = format!("{stored} stored, the largest page ({name})");
    let size = Figure::new(
        GROUP,
        kind,
        case,
        "over the wire, with style and script",
        *largest,
        "kB",
    );
    size.goal(Goal::AtMost(SIZE)).tell();
    Ok(())
}
