//! A PostgreSQL server for tests: one per test process, one fresh database per test.
//!
//! `DELIVR_TEST_POSTGRES_URL` names a server to use instead (a URL whose user may create databases). Otherwise the
//! server is started from the programs found on the path or under `/usr/lib/postgresql/*/bin`, with its own data
//! directory, port and socket directory. It is a child of a small shell that watches a pipe from this process: when the
//! process ends, however it ends, the pipe closes, the server is stopped and its directory is removed.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// URL without database name, ending in `/`.
    base: String,
    /// Database to connect to when another one is to be created.
    admin: String,
    /// The program that runs a statement.
    psql: PathBuf,
    /// Kept for its standard input: the server lives as long as the pipe.
    _keeper: Option<Child>,
}

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoServer {
    /// This machine has no PostgreSQL: tests that need one are skipped and say so.
    NotFound(String),
    /// It has one that does not come up: a failure, not a reason to skip.
    Broken(String),
}

/// The server of this process, started at the first call.
///
/// # Errors
/// What is missing or went wrong.
pub fn server() -> Result<&'static Server, NoServer> {
    static SERVER: OnceLock<Result<Server, NoServer>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Server {
    /// Creates an empty database and tells its URL.
    ///
    /// # Errors
    /// What the server said.
    pub fn fresh(&self) -> Result<String, String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("delivr_test_{}_{number}", std::process::id());
        self.run(&self.admin, &format!("create database {name}"))?;
        Ok(format!("{}{name}", self.base))
    }

    /// Runs a statement in the database of the URL.
    ///
    /// # Errors
    /// What the server said.
    pub fn run(&self, url: &str, statement: &str) -> Result<(), String> {
        let mut psql = Command::new(&self.psql);
        succeed(psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement])).map(drop)
    }
}

fn succeed(command: &mut Command) -> Result<Output, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

/// The directory that holds the program: on the path, or where Debian puts the server's programs (newest first).
fn find(program: &str) -> Option<PathBuf> {
    let on_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    versions.reverse();
    on_path
        .into_iter()
        .chain(versions)
        .find(|directory| directory.join(program).is_file())
}

fn missing(program: &str) -> NoServer {
    NoServer::NotFound(format!("no {program} on the path or under /usr/lib/postgresql"))
}

fn start() -> Result<Server, NoServer> {
    let psql = find("psql").ok_or_else(|| missing("psql"))?.join("psql");
    if let Ok(url) = env::var("DELIVR_TEST_POSTGRES_URL") {
        let bare = url.split('?').next().unwrap_or(&url);
        let (base, _database) = bare
            .rsplit_once('/')
            .filter(|(base, _)| !base.ends_with('/'))
            .ok_or_else(|| NoServer::Broken("DELIVR_TEST_POSTGRES_URL must name a database".to_owned()))?;
        return Ok(Server {
            base: format!("{base}/"),
            admin: url.clone(),
            psql,
            _keeper: None,
        });
    }
    let programs = find("initdb").ok_or_else(|| missing("initdb"))?;
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| NoServer::Broken(format!("no free port: {error}")))?
        .port();
    let home = env::temp_dir().join(format!("delivr-postgres-{}-{port}", std::process::id()));
    fs::create_dir_all(&home).map_err(|error| NoServer::Broken(format!("{}: {error}", home.display())))?;
    let keeper = spawn(&programs, &home, port).map_err(NoServer::Broken)?;
    let base = format!("postgres://postgres@127.0.0.1:{port}/");
    let server = Server {
        admin: format!("{base}postgres"),
        base,
        psql,
        _keeper: Some(keeper),
    };
    let began = Instant::now();
    loop {
        match server.run(&server.admin, "select 1") {
            Ok(()) => return Ok(server),
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(NoServer::Broken(format!("the server did not come up: {error}")));
            }
            Err(_not_yet) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Starts the shell that makes the data directory, runs the server and ends both with the pipe. The server refuses to
/// run as root, so root runs it as the user `postgres`. It keeps nothing it could lose: durability is switched off.
fn spawn(programs: &Path, home: &Path, port: u16) -> Result<Child, String> {
    let (programs, directory) = (programs.display(), home.display());
    let script = format!(
        "cd '{directory}' && '{programs}/initdb' -D data -U postgres -A trust -E UTF8 --no-sync >log 2>&1 || exit 1
        '{programs}/postgres' -D data -p {port} -k '{directory}' -c listen_addresses=127.0.0.1 -c fsync=off \
            -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 >>log 2>&1 &
        server=$!
        read -r _until_the_pipe_closes
        kill -INT $server
        wait $server
        cd / && rm -rf '{directory}'"
    );
    let root = succeed(Command::new("id").arg("-u")).is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    let mut command = if root {
        succeed(Command::new("chown").arg("postgres").arg(home))?;
        let mut command = Command::new("su");
        command.args(["-s", "/bin/sh", "postgres", "-c", &script]);
        command
    } else {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        command
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the server cannot be started: {error}"))
}
