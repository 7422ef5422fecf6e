//! The processes, the database, the vendors and the repository of one test.

use crate::http::{Http, text};
use crate::repository::Repository;
use delivr_sandbox::{Running as Vendors, Sandbox};
use delivr_testkit::postgres::NoServer;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Where the data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The API's own process.
    Embedded,
    /// This many processes of `delivr-worker`.
    Separate(usize),
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Everything that runs. Processes end before the folder goes.
pub struct Stage {
    pub http: Http,
    pub vendors: Vendors,
    pub repository: Repository,
    api: Option<Process>,
    workers: Vec<Process>,
    settings: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

/// Names what a test does without.
pub fn skip(what: &str) {
    if let Some(log) = std::env::var_os("DELIVR_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        file.write_all(format!("SKIPPED: {what}\n").as_bytes()).unwrap();
    } else {
        eprintln!("SKIPPED: {what}");
    }
}

fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DELIVR_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn api_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_delivr-api"))
}

/// The worker's program lies beside the API's; cargo builds it here when only this crate was built.
fn worker_program() -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let path = api_program().with_file_name("delivr-worker");
    let _one_at_a_time = BUILDING.lock().unwrap();
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "-p", "delivr-worker"])
            .status()
            .unwrap();
        assert!(built.success());
    }
    path
}

fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The database's address; none where there is no server.
fn address(database: Database, folder: &Path) -> Option<String> {
    match database {
        Database::Sqlite => Some(format!(
            "sqlite://{}?mode=rwc",
            folder.join("delivr.db").display()
        )),
        Database::Postgres => match delivr_testkit::postgres::server() {
            Ok(server) => Some(server.fresh().unwrap()),
            Err(NoServer::NotFound(why)) => {
                skip(&format!("the whole system on PostgreSQL: {why}"));
                None
            }
            Err(NoServer::Broken(why)) => panic!("PostgreSQL is here but does not work: {why}"),
        },
    }
}

impl Stage {
    /// Everything started, nothing set up; none where the machine lacks the database.
    pub async fn open(database: Database, work: Work) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let database = address(database, folder.path())?;
        let repository = Repository::make(folder.path());
        let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let mut generate = bare(&api_program());
        generate.args(["keys", "generate"]);
        let hosts = vendors.url().trim_start_matches("http://").to_owned();
        let settings = [
            ("DELIVR_DATABASE_URL", database),
            ("DELIVR_LISTEN", "127.0.0.1:0".to_owned()),
            ("DELIVR_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("DELIVR_MASTER_KEY", printed(generate)),
            ("DELIVR_ALLOWED_HOSTS", hosts),
            ("DELIVR_GIT_FILE_ROOT", repository.root().display().to_string()),
            (
                "DELIVR_CACHE_DIR",
                folder.path().join("cache").display().to_string(),
            ),
            (
                "DELIVR_STORAGE_URL",
                format!("file://{}", folder.path().join("artifacts").display()),
            ),
            // A killed worker's leases run out soon.
            ("DELIVR_LEASE_SECONDS", "3".to_owned()),
            (
                "DELIVR_WORKER",
                if work == Work::Embedded {
                    "embedded"
                } else {
                    "none"
                }
                .to_owned(),
            ),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let mut stage = Self {
            http: Http::new("", ""),
            vendors,
            repository,
            api: None,
            workers: Vec::new(),
            settings,
            folder,
        };
        let base = stage.start_api();
        stage.http = Http::new(&base, &stage.token("acme", "OWNER"));
        if let Work::Separate(workers) = work {
            for _ in 0..workers {
                stage.start_worker();
            }
        }
        Some(stage)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = bare(program);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    fn log(&self, name: &str) -> std::fs::File {
        let path = self.folder.path().join(name);
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
    }

    /// What the processes have logged, for a failing test's message.
    pub fn logs(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("--- api\n{}\n--- worker\n{}", read("api.log"), read("worker.log"))
    }

    fn start_api(&mut self) -> String {
        let mut child = self
            .command(&api_program())
            .stdout(Stdio::piped())
            .stderr(self.log("api.log"))
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.api = Some(Process(child));
        let base = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("the API ended: {}", self.logs()))
                .unwrap();
            if let Some(address) = line.strip_prefix("listening on ") {
                break format!("{}/api/v1", address.trim_end_matches('/'));
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        base
    }

    /// Starts one more worker process.
    pub fn start_worker(&mut self) {
        let child = self
            .command(&worker_program())
            .env_remove("DELIVR_METRICS_LISTEN")
            .stdout(Stdio::null())
            .stderr(self.log("worker.log"))
            .spawn()
            .unwrap();
        self.workers.push(Process(child));
    }

    /// Kills every worker process, without a word of warning.
    pub fn kill_workers(&mut self) {
        self.workers.clear();
    }

    /// Copies the database while everything runs.
    pub fn back_up(&self) -> PathBuf {
        let file = self.folder.path().join("the.backup");
        let mut command = self.command(&api_program());
        command.arg("backup").arg(&file);
        printed(command);
        file
    }

    /// The bad day: everything dies, the database is lost, and the backup is put into a new one, on which everything
    /// starts again.
    pub fn restore(&mut self, database: Database, file: &Path) {
        let workers = self.workers.len();
        self.kill_workers();
        self.api = None;
        let folder = self.folder.path().join("restored");
        std::fs::create_dir_all(&folder).unwrap();
        let fresh = address(database, &folder).unwrap();
        for (name, value) in &mut self.settings {
            if name == "DELIVR_DATABASE_URL" {
                value.clone_from(&fresh);
            }
        }
        let mut command = self.command(&api_program());
        // Everything was killed before, and the vendors here show at once what they have.
        command.arg("restore").arg(file).args(["--quiet-seconds", "3"]);
        printed(command);
        let base = self.start_api();
        self.http.base = base;
        for _ in 0..workers {
            self.start_worker();
        }
    }

    /// A token of a person of a tenant, which is made if it is new: a service token decides nothing.
    pub fn token(&self, tenant: &str, role: &str) -> String {
        let mut command = self.command(&api_program());
        command.args([
            "token",
            "create",
            "--tenant",
            tenant,
            "--role",
            role,
            "--name",
            &format!("{tenant} {role}"),
            "--person",
            &format!("{}@{tenant}.example", role.to_lowercase()),
        ]);
        printed(command)
    }

    /// Lets vendors finish by themselves what takes time there.
    pub fn auto(&self) {
        let auto = json!({ "vendor": "*", "action": "auto", "on": true, "afterMs": 150, "dayMs": 3_600_000 });
        self.vendors.advance(&auto).unwrap();
    }

    /// Moves a vendor.
    pub fn advance(&self, body: &Value) -> Value {
        self.vendors.advance(body).unwrap()
    }

    /// Waits until the probe answers, looking often; the test fails with `what` after two minutes.
    pub async fn until<T>(&self, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..1_200 {
            beat.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
        panic!("not within two minutes: {what}\n{}", self.logs());
    }

    /// What vendors and git saw done twice, by natural subject.
    pub fn duplicates(&self) -> Vec<String> {
        let journal = self.vendors.journal();
        let mut found: Vec<String> = journal["duplicates"]
            .as_array()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        for (name, count) in self.repository.created() {
            if count > 1 {
                found.push(format!("{name} was made {count} times"));
            }
        }
        found
    }

    /// How often a vendor performed an operation.
    pub fn performed(&self, vendor: &str, operation: &str) -> usize {
        let journal = self.vendors.journal();
        let effects = journal["effects"].as_array().unwrap();
        effects
            .iter()
            .filter(|it| text(it, "/vendor") == vendor && text(it, "/operation") == operation)
            .count()
    }
}
