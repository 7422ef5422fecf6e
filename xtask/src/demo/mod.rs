//! `cargo xtask demo`: the main job, end to end, on this machine alone.
//!
//! A real git repository, the product with its embedded worker on SQLite, and the vendors' sandbox. A release goes from
//! kickoff through two regression cycles and pre-release into both stores. Of Delivr only the public HTTP API is used, as
//! by any client; the vendors are moved by the sandbox's control routes.

mod story;
mod summary;

use crate::shell::say;
use crate::system::client::Client;
use crate::system::programs::{self, Running, printed, program, start};
use crate::system::repository::Repository;
use crate::system::team::{Lane, Office, Team};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Options of the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End when the release has ended; the last line is one JSON object.
    #[arg(long)]
    headless: bool,
    /// Run the programs as they were built last.
    #[arg(long)]
    no_build: bool,
    /// Seed of the sandbox.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Everything that runs. Programs stop when it is dropped, before their folder goes.
struct Stage {
    delivr: Running,
    sandbox: Running,
    repository: Repository,
    api: Client,
    vendors: Client,
    token: String,
    folder: tempfile::TempDir,
}

/// The demo as the pipeline runs it.
///
/// # Errors
/// When anything does not go as told.
pub(crate) fn headless() -> Result<()> {
    run(&Args {
        headless: true,
        no_build: false,
        seed: 1,
    })
}

/// Runs the demo.
///
/// # Errors
/// When anything does not go as told; the programs' logs are named then.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.no_build {
        programs::build(&["delivr-api", "delivr-sandbox"])?;
    }
    let mut stage = Stage::open(args.seed)?;
    say(format!(
        "Delivr   {}  (API; interactive documentation at /docs)",
        stage.delivr.address
    ));
    say(format!(
        "vendors  {}  (simulated; what they really did is at /_journal)",
        stage.sandbox.address
    ));
    say(format!("git      {}", stage.repository.url()));
    if !args.headless {
        say(format!("token    {}", stage.token));
    }
    let told = story::tell(&mut stage).and_then(|release| summary::of(&stage, &release));
    let summary = match told {
        Ok(summary) => summary,
        Err(error) => {
            let kept = stage.keep_logs();
            return Err(error).context(format!("the demo did not come to its end; logs: {kept}"));
        }
    };
    if args.headless {
        drop(stage);
        say(summary.to_string());
        return Ok(());
    }
    say(summary.to_string());
    say("Everything stays up until you press Ctrl-C.");
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

impl Stage {
    fn open(seed: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("delivr-demo-").tempdir()?;
        let repository = Repository::make(folder.path(), "shop")?;
        let mut command = program("delivr-sandbox")?;
        command.args(["--listen", "127.0.0.1:0", "--seed", &seed.to_string()]);
        let sandbox = start("delivr-sandbox", command, &folder.path().join("sandbox.log"))?;

        let mut command = program("delivr-api")?;
        command.args(["keys", "generate"]);
        let settings = Settings {
            folder: folder.path(),
            key: printed(command)?,
            vendors: sandbox.address.trim_start_matches("http://").to_owned(),
            repositories: repository.root(),
        };
        // The first start makes the schema, which the token needs.
        let delivr = start(
            "delivr-api",
            settings.apply(program("delivr-api")?),
            &folder.path().join("delivr.log"),
        )?;
        let mut command = settings.apply(program("delivr-api")?);
        command.args([
            "token",
            "create",
            "--tenant",
            "demo",
            "--role",
            "OWNER",
            "--person",
            "ada@example.org",
        ]);
        let token = printed(command)?;
        let api = Client::new(format!("{}/api/v1", delivr.address), Some(token.clone()));
        let vendors = Client::new(sandbox.address.clone(), None);
        Ok(Self {
            delivr,
            sandbox,
            repository,
            api,
            vendors,
            token,
            folder,
        })
    }

    /// Connects the team's systems.
    fn set_up(&self) -> Result<Team> {
        let office = Office {
            api: &self.api,
            vendors: &self.vendors,
            tell: &|line| say(line),
        };
        let lane = Lane {
            slug: "shop",
            apple: true,
            play: true,
            settings: settings(),
        };
        office.lane(&office.desk()?, &self.repository, &lane)
    }

    /// Leaves the folder behind and names it.
    fn keep_logs(self) -> String {
        let Self { folder, .. } = self;
        folder.keep().display().to_string()
    }
}

/// What the product is started with.
struct Settings<'a> {
    folder: &'a Path,
    key: String,
    vendors: String,
    repositories: &'a Path,
}

impl Settings<'_> {
    fn apply(&self, mut command: std::process::Command) -> std::process::Command {
        let database = self.folder.join("delivr.db");
        command
            .env(
                "DELIVR_DATABASE_URL",
                format!("sqlite://{}?mode=rwc", database.display()),
            )
            .env("DELIVR_LISTEN", "127.0.0.1:0")
            .env("DELIVR_METRICS_LISTEN", "127.0.0.1:0")
            .env("DELIVR_MASTER_KEY", &self.key)
            .env("DELIVR_ALLOWED_HOSTS", &self.vendors)
            .env("DELIVR_GIT_FILE_ROOT", self.repositories)
            .env("DELIVR_CACHE_DIR", self.folder.join("cache"));
        command
    }
}

/// How the team releases: seconds where a real team waits minutes, everything else as anybody would set it.
fn settings() -> Value {
    json!({
        "scm": { "baseBranch": "main" },
        "testing": { "passThreshold": 95 },
        "autoStart": ["REGRESSION"],
        "deadlines": { "pollSeconds": 1 },
        "stores": {
            "IOS_APP_STORE": { "submit": "BY_PERSON", "timing": "MANUAL", "phased": true, "pollSeconds": 1 },
            "ANDROID_PLAY_STORE": { "submit": "BY_PERSON", "timing": "AFTER_APPROVAL", "steps": [500, 2000, 10000], "pollSeconds": 1 },
        },
    })
}
