//! Everything that runs in one run of chaos, and the hand that starts again what has fallen.
//!
//! Vendors and git stand firm: what falls is Delivr, its workers and its database.

use super::database;
use super::plan::{LanePlan, Plan};
use crate::postgres::Postgres;
use crate::system::client::Client;
use crate::system::programs::{self, Running};
use crate::system::repository::Repository;
use crate::system::team::{Lane, Office, Team, WEBHOOK_SECRET};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shortest lease the product takes: a killed worker's work is taken over soon.
const LEASE_SECONDS: &str = "3";
/// A process that ends by itself this soon after its start had no database yet, or no free port.
const STARTING: Duration = Duration::from_secs(10);

/// One process and what is planned for it.
#[derive(Debug, Default)]
struct Slot {
    running: Option<Running>,
    since: Option<Instant>,
    /// When it comes back.
    back_at: Option<Instant>,
    /// When it may go on.
    stalled_until: Option<Instant>,
}

/// A lane with its team and repository.
pub(crate) struct LaneWorld {
    pub(crate) plan: LanePlan,
    pub(crate) team: Team,
    pub(crate) repository: Repository,
}

/// A tenant with its own vendors.
pub(crate) struct TenantWorld {
    pub(crate) slug: &'static str,
    pub(crate) api: Client,
    pub(crate) vendors: Client,
    pub(crate) lanes: Vec<LaneWorld>,
    _sandbox: Running,
}

/// How often what was done to the processes.
#[derive(Debug, Default)]
pub(crate) struct Blows {
    pub(crate) kills: AtomicU64,
    pub(crate) stalls: AtomicU64,
    pub(crate) restarts: AtomicU64,
}

/// One run's world. Processes end before their folder goes.
pub(crate) struct World<'a> {
    pub(crate) tenants: Vec<TenantWorld>,
    api: Mutex<Slot>,
    workers: Vec<Mutex<Slot>>,
    settings: Vec<(String, String)>,
    programs: Programs,
    pub(crate) database: String,
    /// Whether the API's process works too.
    pub(crate) embedded: bool,
    server: Option<&'a Mutex<Postgres>>,
    /// When the database was last down.
    outage: Mutex<Option<Instant>>,
    /// Processes that ended although nobody struck them.
    pub(crate) deaths: Mutex<Vec<String>>,
    pub(crate) blows: Blows,
    pub(crate) until: Instant,
    pub(crate) over: AtomicBool,
    began: Instant,
    diary: Mutex<Vec<String>>,
    folder: tempfile::TempDir,
}

/// Copies of the programs, so that a build beside us cannot change them under us.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    api: PathBuf,
    worker: PathBuf,
    sandbox: PathBuf,
}

impl Programs {
    /// Keeps the programs as they were built last in the folder.
    ///
    /// # Errors
    /// When one is missing.
    pub(crate) fn keep(folder: &Path) -> Result<Self> {
        let kept = |name: &str| -> Result<PathBuf> {
            let (from, to) = (programs::built(name)?, folder.join(name));
            // A link costs nothing; another file system needs a copy.
            if std::fs::hard_link(&from, &to).is_err() {
                std::fs::copy(&from, &to).with_context(|| format!("the program {}", from.display()))?;
            }
            Ok(to)
        };
        Ok(Self {
            api: kept("delivr-api")?,
            worker: kept("delivr-worker")?,
            sandbox: kept("delivr-sandbox")?,
        })
    }
}

/// A panicking thread must not hide what the others know.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that is free now and that the system does not hand out by itself, so that it is free again after a kill.
fn quiet_port() -> Result<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 5_000)? * 2;
    (first..32_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port")
}

/// What a world is made of besides its plan.
pub(crate) struct Made<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) server: Option<&'a Mutex<Postgres>>,
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) patience: Duration,
}

impl<'a> World<'a> {
    /// Starts everything and sets all teams up; nothing is struck before this is done.
    ///
    /// # Errors
    /// When anything does not start or is refused.
    pub(crate) fn open(plan: &Plan, made: &Made<'a>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("delivr-chaos-").tempdir()?;
        let mut sandboxes = Vec::new();
        for tenant in &plan.tenants {
            let mut command = programs::bare(&made.programs.sandbox);
            command.args(["--listen", "127.0.0.1:0", "--seed", &made.seed.to_string()]);
            let log = folder.path().join(format!("sandbox-{}.log", tenant.slug));
            sandboxes.push(programs::start("delivr-sandbox", command, &log)?);
        }
        let database = match made.server {
            Some(server) => database::fresh(
                &lock(server).url(),
                &format!("chaos_{}_{}", std::process::id(), unique()),
            )?,
            None => database::in_file(&folder.path().join("delivr.db")),
        };
        let port = quiet_port()?;
        let base = format!("http://127.0.0.1:{port}");
        let mut key = programs::bare(&made.programs.api);
        key.args(["keys", "generate"]);
        let hosts: Vec<&str> = sandboxes
            .iter()
            .map(|it| it.address.trim_start_matches("http://"))
            .collect();
        let embedded = if plan.embedded { "embedded" } else { "none" };
        let settings = [
            ("DELIVR_DATABASE_URL", database.clone()),
            ("DELIVR_LISTEN", format!("127.0.0.1:{port}")),
            ("DELIVR_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("DELIVR_PUBLIC_URL", base.clone()),
            ("DELIVR_MASTER_KEY", programs::printed(key)?),
            ("DELIVR_ALLOWED_HOSTS", hosts.join(",")),
            (
                "DELIVR_GIT_FILE_ROOT",
                folder.path().join("repositories").display().to_string(),
            ),
            (
                "DELIVR_CACHE_DIR",
                folder.path().join("cache").display().to_string(),
            ),
            (
                "DELIVR_STORAGE_URL",
                format!("file://{}", folder.path().join("artifacts").display()),
            ),
            ("DELIVR_LEASE_SECONDS", LEASE_SECONDS.to_owned()),
            ("DELIVR_WORKER", embedded.to_owned()),
        ];
        let mut world = Self {
            tenants: Vec::new(),
            api: Mutex::default(),
            workers: (0..made.workers).map(|_| Mutex::default()).collect(),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
            programs: made.programs.clone(),
            database,
            embedded: plan.embedded,
            server: made.server,
            outage: Mutex::default(),
            deaths: Mutex::default(),
            blows: Blows::default(),
            until: Instant::now() + made.patience,
            over: AtomicBool::new(false),
            began: Instant::now(),
            diary: Mutex::default(),
            folder,
        };
        world.start_api(&mut lock(&world.api))?;
        world.answers(&base)?;
        for (tenant, sandbox) in plan.tenants.iter().zip(sandboxes) {
            let made = world.tenant(tenant.slug, &base, &tenant.lanes, sandbox)?;
            world.tenants.push(made);
        }
        for number in 0..world.workers.len() {
            world.start_worker(number)?;
        }
        // Only now may vendors be difficult.
        for (tenant, plan) in world.tenants.iter().zip(&plan.tenants) {
            for fault in &plan.faults {
                tenant.vendors.post("/_faults", fault)?;
            }
        }
        Ok(world)
    }

    fn tenant(
        &self,
        slug: &'static str,
        base: &str,
        lanes: &[LanePlan],
        sandbox: Running,
    ) -> Result<TenantWorld> {
        let mut command = self.command(&self.programs.api);
        command.args(["token", "create", "--tenant", slug, "--role", "OWNER"]);
        // A person's: what decides at gates must be one.
        command.args(["--person", "ada@example.org"]);
        let token = programs::printed(command)?;
        let patience = Duration::from_secs(15);
        let api = Client::patient(format!("{base}/api/v1"), Some(token), patience);
        let vendors = Client::new(sandbox.address.clone(), None);
        let auto = json!({ "vendor": "*", "action": "auto", "on": true, "afterMs": 300, "dayMs": 3_600_000 });
        vendors.post("/_advance", &auto)?;
        let office = Office {
            api: &api,
            vendors: &vendors,
            tell: &|_line| {},
        };
        let desk = office.desk()?;
        let hook = |vendor: &str, id: &str| {
            let url = format!("{base}/api/v1/webhooks/{vendor}/{id}");
            let body = json!({ "vendor": vendor, "url": url, "secret": WEBHOOK_SECRET });
            vendors.post("/_webhooks", &body)
        };
        hook("jenkins", &desk.ci)?;
        let mut worlds = Vec::new();
        for plan in lanes {
            let repository = Repository::make(self.folder.path(), &format!("{slug}-{}", plan.slug))?;
            let lane = Lane {
                slug: plan.slug,
                apple: plan.apple,
                play: plan.play,
                settings: settings(),
            };
            let team = office.lane(&desk, &repository, &lane)?;
            if plan.apple {
                hook("appstore", &team.app_store)?;
            }
            worlds.push(LaneWorld {
                plan: plan.clone(),
                team,
                repository,
            });
        }
        Ok(TenantWorld {
            slug,
            api,
            vendors,
            lanes: worlds,
            _sandbox: sandbox,
        })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = programs::bare(program);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    fn start_api(&self, slot: &mut Slot) -> Result<()> {
        let log = self.folder.path().join("api.log");
        slot.running = Some(programs::launch(
            "delivr-api",
            self.command(&self.programs.api),
            &log,
        )?);
        slot.since = Some(Instant::now());
        Ok(())
    }

    fn start_worker(&self, number: usize) -> Result<()> {
        let Some(slot) = self.workers.get(number) else {
            bail!("there is no worker {number}");
        };
        self.start_in(number, &mut lock(slot))
    }

    fn start_in(&self, number: usize, slot: &mut Slot) -> Result<()> {
        let log = self.folder.path().join(format!("worker-{number}.log"));
        let mut command = self.command(&self.programs.worker);
        command.env_remove("DELIVR_METRICS_LISTEN");
        slot.running = Some(programs::launch("delivr-worker", command, &log)?);
        slot.since = Some(Instant::now());
        Ok(())
    }

    /// Waits until the API answers for the first time.
    fn answers(&self, base: &str) -> Result<()> {
        let client = Client::patient(base, None, Duration::from_secs(5));
        while !client
            .ask("GET", "/api/v1/ready", None, None)
            .is_ok_and(|it| it.accepted())
        {
            if Instant::now() > self.until {
                bail!("the API does not answer; see api.log");
            }
            self.tend();
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Writes into the run's diary, which stands beside the logs.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        let at = self.began.elapsed().as_secs_f64();
        let line = format!("{at:8.3} {}", line.as_ref());
        lock(&self.diary).push(line);
    }

    /// How long ago everything was started.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// The folder with databases, logs and repositories.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the run has taken too long.
    pub(crate) fn late(&self) -> bool {
        Instant::now() > self.until
    }

    /// kill -9 of a worker; it comes back after the time.
    pub(crate) fn kill_worker(&self, number: usize, down: Duration) {
        if let Some(slot) = self.workers.get(number) {
            self.kill(&mut lock(slot), down, &format!("worker {number}"));
        }
    }

    /// kill -9 of the API.
    pub(crate) fn kill_api(&self, down: Duration) {
        self.kill(&mut lock(&self.api), down, "API");
    }

    /// kill -9 of every worker.
    pub(crate) fn kill_workers(&self, down: Duration) {
        for number in 0..self.workers.len() {
            self.kill_worker(number, down);
        }
    }

    fn kill(&self, slot: &mut Slot, down: Duration, who: &str) {
        let Some(running) = slot.running.take() else {
            return;
        };
        drop(running);
        slot.stalled_until = None;
        slot.back_at = Some(Instant::now() + down);
        self.blows.kills.fetch_add(1, Ordering::Relaxed);
        self.note(format!("kill -9 {who}, back in {} ms", down.as_millis()));
    }

    /// Lets a worker stand still.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub(crate) fn stall_worker(&self, number: usize, time: Duration) -> Result<()> {
        let Some(slot) = self.workers.get(number) else {
            return Ok(());
        };
        let mut slot = lock(slot);
        let Some(running) = &slot.running else {
            return Ok(());
        };
        running.signal("STOP")?;
        slot.stalled_until = Some(Instant::now() + time);
        self.blows.stalls.fetch_add(1, Ordering::Relaxed);
        self.note(format!("stall worker {number} for {} ms", time.as_millis()));
        Ok(())
    }

    /// Shuts the database server down at once, without any farewell, and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub(crate) fn restart_database(&self) -> Result<()> {
        let Some(server) = self.server else {
            return Ok(());
        };
        self.note("the database goes down");
        *lock(&self.outage) = Some(Instant::now());
        lock(server).restart()?;
        *lock(&self.outage) = Some(Instant::now());
        self.blows.restarts.fetch_add(1, Ordering::Relaxed);
        self.note("the database is back");
        Ok(())
    }

    /// Starts what is due to come back, lets go on what stood still long enough, and notices what fell by itself.
    pub(crate) fn tend(&self) {
        self.tend_one("API", &mut lock(&self.api), |slot| self.start_api(slot));
        for (number, slot) in self.workers.iter().enumerate() {
            self.tend_one(&format!("worker {number}"), &mut lock(slot), |slot| {
                self.start_in(number, slot)
            });
        }
    }

    fn tend_one(&self, who: &str, slot: &mut Slot, start: impl Fn(&mut Slot) -> Result<()>) {
        let now = Instant::now();
        if slot.stalled_until.is_some_and(|at| at <= now) {
            slot.stalled_until = None;
            if let Some(Err(error)) = slot.running.as_ref().map(|it| it.signal("CONT")) {
                self.note(format!("{who} cannot go on: {error:#}"));
            }
            self.note(format!("{who} goes on"));
        }
        if let Some(Ok(Some(status))) = slot.running.as_mut().map(Running::ended) {
            slot.running = None;
            // As a service manager does it.
            slot.back_at = Some(now + Duration::from_millis(500));
            let starting = slot.since.is_some_and(|at| at.elapsed() < STARTING);
            let outage = lock(&self.outage).is_some_and(|at| at.elapsed() < STARTING);
            let line = format!("{who} ended by itself with {status}");
            self.note(&line);
            if !(starting || outage) {
                lock(&self.deaths).push(line);
            }
        }
        if slot.running.is_none() && slot.back_at.is_none_or(|at| at <= now) {
            slot.back_at = None;
            if let Err(error) = start(slot) {
                self.note(format!("{who} cannot be started: {error:#}"));
                slot.back_at = Some(now + Duration::from_millis(500));
            }
        }
    }

    /// Keeps the logs, with the diary among them, and names their folder.
    pub(crate) fn keep(self) -> String {
        self.write_diary();
        let Self { folder, .. } = self;
        folder.keep().display().to_string()
    }

    fn write_diary(&self) {
        let text = lock(&self.diary).join("\n");
        // The folder is shown either way.
        let _missing = std::fs::write(self.folder.path().join("diary.log"), text + "\n");
    }
}

/// A number of this process's own.
fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How the teams release: seconds where a real one waits minutes.
fn settings() -> Value {
    json!({
        "scm": { "baseBranch": "main" },
        "testing": { "passThreshold": 95 },
        "autoStart": ["REGRESSION"],
        "deadlines": { "pollSeconds": 2 },
        "stores": {
            "IOS_APP_STORE": { "submit": "AUTO", "timing": "MANUAL", "phased": true, "pollSeconds": 2 },
            "ANDROID_PLAY_STORE": {
                "submit": "BY_PERSON", "timing": "AFTER_APPROVAL", "steps": [500, 2000, 10000], "pollSeconds": 2,
            },
        },
    })
}
