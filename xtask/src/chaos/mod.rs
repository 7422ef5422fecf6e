//! `cargo xtask chaos`: the whole system under blows, with real processes, real databases, git and HTTP.
//!
//! Each run starts everything anew, takes some releases of two tenants to their ends through the public API, and
//! meanwhile kills workers and the API, lets them stand still past their leases, restarts the database and has vendors
//! lose answers. What must hold is read afterwards where it shows: in the vendors' journals, in git's receive hook, in
//! the database. A seed plans the same run every time; what the machine makes of it may differ.

mod check;
mod database;
mod killer;
mod manager;
mod plan;
mod world;

use crate::postgres::Postgres;
use crate::shell::say;
use crate::system::programs;
use anyhow::{Context, Result, bail};
use check::Findings;
use database::Reader;
use manager::Followed;
use plan::{Plan, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::{Made, Programs, World};

/// Where the data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// Who is struck when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Workers, API and database at random moments, while vendors misbehave.
    Random,
    /// The workers, once in each run, one step later each time, until a run ends before its step comes.
    Steps,
}

/// Options of chaos.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where the data lies.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Database,
    /// Worker processes; with 0 the API's own process works.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Runs, at most.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Seed of the first run; the next run takes the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Releases in each run.
    #[arg(long, default_value_t = 3)]
    releases: u64,
    /// Who is struck when.
    #[arg(long, value_enum, default_value = "random")]
    mode: Mode,
    /// First step that is struck (with `--mode steps`).
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Every how many steps (with `--mode steps`).
    #[arg(long, default_value_t = 1)]
    every: u64,
    /// Calls in a hundred to a vendor that go wrong (with `--mode random`).
    #[arg(long, default_value_t = 8)]
    faults: u64,
    /// Seconds after which a run has failed.
    #[arg(long, default_value_t = 300)]
    patience: u64,
    /// Keep the folder of every run, not only of failed ones.
    #[arg(long)]
    keep: bool,
    /// Run the programs as they were built last.
    #[arg(long)]
    no_build: bool,
}

/// All runs together.
#[derive(Debug, Default)]
struct Total {
    runs: u64,
    releases: u64,
    findings: Findings,
    kills: u64,
    stalls: u64,
    restarts: u64,
    retries: u64,
}

/// Runs chaos; the last line is one JSON object.
///
/// # Errors
/// When anything was done twice, lost or illegal, or a run could not be made.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.no_build {
        programs::build(&["delivr-api", "delivr-worker", "delivr-sandbox"])?;
    }
    let total = all(args)?;
    say(total.summary(args).to_string());
    if !total.findings.clean() {
        bail!("chaos found something");
    }
    Ok(())
}

/// What is run with the tests: on each database a few releases under every kind of blow, and workers struck at a few of
/// all steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed {
    pub(crate) name: &'static str,
    database: Database,
    mode: Mode,
    workers: usize,
    seed: u64,
    /// Runs, and how many steps lie between them.
    runs: u64,
    every: u64,
}

/// The fixed set.
pub(crate) const FIXED: [Fixed; 3] = [
    Fixed {
        name: "chaos at random on SQLite",
        database: Database::Sqlite,
        mode: Mode::Random,
        workers: 2,
        seed: 1,
        runs: 1,
        every: 1,
    },
    Fixed {
        name: "chaos at random on PostgreSQL",
        database: Database::Postgres,
        mode: Mode::Random,
        workers: 2,
        seed: 3,
        runs: 1,
        every: 1,
    },
    Fixed {
        name: "chaos at a step on SQLite",
        database: Database::Sqlite,
        mode: Mode::Steps,
        workers: 1,
        seed: 1,
        runs: 1,
        every: 1,
    },
];

impl Fixed {
    /// Whether it needs a database server of its own.
    pub(crate) fn needs_server(&self) -> bool {
        self.database == Database::Postgres
    }

    /// Runs it with the programs as they were built last.
    ///
    /// # Errors
    /// When it finds anything.
    pub(crate) fn run(&self) -> Result<()> {
        run(&Args {
            database: self.database,
            workers: self.workers,
            runs: self.runs,
            seed: self.seed,
            releases: 2,
            mode: self.mode,
            // In the midst of a trigger, where an effect without its answer costs most.
            from: 60,
            every: self.every,
            faults: 8,
            patience: 180,
            keep: false,
            no_build: true,
        })
    }
}

/// All runs that are asked for.
fn all(args: &Args) -> Result<Total> {
    let server = match args.database {
        Database::Sqlite => None,
        Database::Postgres => Some(Mutex::new(Postgres::start()?)),
    };
    let folder = tempfile::Builder::new()
        .prefix("delivr-chaos-programs-")
        .tempdir()?;
    let kept = Programs::keep(folder.path())?;
    let mut total = Total::default();
    for number in 0..args.runs {
        if one(args, number, &kept, server.as_ref(), &mut total)? {
            break;
        }
    }
    Ok(total)
}

impl Total {
    fn summary(&self, args: &Args) -> Value {
        json!({
            "database": word_of(args.database), "workers": args.workers, "seed": args.seed,
            "runs": self.runs, "releases": self.releases, "effects": self.findings.effects,
            "duplicates": self.findings.duplicates.len(), "lost": self.findings.lost.len(),
            "illegal": self.findings.illegal.len(),
            "kills": self.kills, "stalls": self.stalls, "restarts": self.restarts, "retries": self.retries,
        })
    }
}

fn word_of(database: Database) -> &'static str {
    match database {
        Database::Sqlite => "sqlite",
        Database::Postgres => "postgres",
    }
}

/// One run; true when none must follow.
fn one(
    args: &Args,
    number: u64,
    programs: &Programs,
    server: Option<&Mutex<Postgres>>,
    total: &mut Total,
) -> Result<bool> {
    let seed = args.seed.wrapping_add(number);
    let step = args.from + number * args.every;
    let wanted = Wanted {
        releases: args.releases,
        workers: args.workers,
        faults: args.faults,
        server: server.is_some(),
    };
    let plan = match args.mode {
        Mode::Random => Plan::random(seed, wanted),
        Mode::Steps => Plan::slow(wanted),
    };
    let made = Made {
        programs,
        server,
        workers: args.workers,
        seed,
        patience: Duration::from_secs(args.patience),
    };
    let replay = match args.mode {
        Mode::Random => format!("--seed {seed}"),
        Mode::Steps => format!("--mode steps --from {step}"),
    };
    let replay = format!(
        "cargo xtask chaos --database {} --workers {} --releases {} --faults {} {replay}",
        word_of(args.database),
        args.workers,
        args.releases,
        args.faults
    );
    let world = World::open(&plan, &made).with_context(|| format!("starting the run: {replay}"))?;
    let lived = live(&world, args.mode, &plan, step);
    let (followed, struck, moments) = match lived {
        Ok(lived) => lived,
        Err(error) => {
            return Err(error).context(format!("replay: {replay}; logs: {}", world.keep()));
        }
    };
    let mut found =
        check::at_the_end(&world, &followed).with_context(|| format!("checking the run: {replay}"))?;
    found.illegal.extend(moments);
    total.runs += 1;
    total.releases += u64::try_from(followed.len())?;
    let load = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
    let (kills, stalls) = (load(&world.blows.kills), load(&world.blows.stalls));
    let restarts = load(&world.blows.restarts);
    let retries: u64 = followed.iter().map(|it| it.retries).sum();
    total.kills += kills;
    total.stalls += stalls;
    total.restarts += restarts;
    total.retries += retries;
    let what = match args.mode {
        Mode::Random => format!("seed {seed}"),
        Mode::Steps if struck => format!("step {step}"),
        Mode::Steps => format!("step {step} never came"),
    };
    say(format!(
        "run {}: {what}: {} releases, {} effects, {kills} kills, {stalls} stalls, {restarts} restarts, {retries} \
         retries, {:.0} s",
        total.runs,
        followed.len(),
        found.effects,
        world.age().as_secs_f64(),
    ));
    if !found.clean() {
        let lines = found.lines();
        for line in &lines {
            world.note(line);
        }
        for line in lines.iter().take(SHOWN) {
            say(format!("  {line}"));
        }
        if lines.len() > SHOWN {
            say(format!("  and {} more, in diary.log", lines.len() - SHOWN));
        }
        say(format!("  replay: {replay}"));
        say(format!("  logs: {}", world.keep()));
    } else if args.keep {
        say(format!("  logs: {}", world.keep()));
    }
    total.findings.add(found);
    Ok(args.mode == Mode::Steps && !struck)
}

/// Findings of a run that are shown; all stand in its diary.
const SHOWN: usize = 30;

/// What the releases came to, whether the planned step was struck, and what was wrong in between.
type Lived = (Vec<Followed>, bool, Vec<String>);

/// Lets everybody do their part until all releases have ended or time is up.
fn live(world: &World<'_>, mode: Mode, plan: &Plan, step: u64) -> Result<Lived> {
    std::thread::scope(|scope| {
        let nurse = scope.spawn(|| {
            while !world.over.load(Ordering::Relaxed) {
                world.tend();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let killer = scope.spawn(|| match mode {
            Mode::Random => {
                killer::at_random(world, &plan.blows);
                Ok(true)
            }
            Mode::Steps => killer::at_step(world, step),
        });
        let watcher = scope.spawn(|| watch(world));
        let followed = killer::everybody(world);
        // Whoever still stands still goes on, whoever is down comes back: the rest must find its end.
        world.over.store(true, Ordering::Relaxed);
        let gone = |_| anyhow::anyhow!("a thread of chaos itself panicked");
        let struck = killer.join().map_err(gone)??;
        let moments = watcher.join().map_err(gone)??;
        nurse.join().map_err(gone)?;
        Ok((followed?, struck, moments))
    })
}

/// Looks twice a second whether what must always hold does.
fn watch(world: &World<'_>) -> Result<Vec<String>> {
    let mut reader = Reader::new(&world.database)?;
    let mut wrong: BTreeMap<String, ()> = BTreeMap::new();
    while !world.over.load(Ordering::Relaxed) {
        // While the database is down there is nothing to see.
        for line in check::at_this_moment(&mut reader).unwrap_or_default() {
            world.note(format!("ILLEGAL {line}"));
            wrong.insert(line, ());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(wrong.into_keys().collect())
}

impl Findings {
    fn add(&mut self, other: Self) {
        self.effects += other.effects;
        self.duplicates.extend(other.duplicates);
        self.lost.extend(other.lost);
        self.illegal.extend(other.illegal);
    }
}
