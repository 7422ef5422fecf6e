//! The engine's simulation over many seeds: built with optimisation, one process per core, added up here.
//!
//! `--proofs` leaves each rule of the engine out in turn and shows the seed that notices. Rules inside the machine can
//! be left out only in a build with `--cfg delivr_sim`, which lies in a folder of its own.

use crate::shell::{cargo, say, shown};
use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The test that runs seeds.
const SEEDS: &str = "seeds::no_seed_breaks_the_engine";
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    runs: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// One seed only.
    #[arg(long, conflicts_with_all = ["runs", "first", "proofs"])]
    seed: Option<u64>,
    /// In the weather in which the proofs leave rules out: more stalls, more of what is rare.
    #[arg(long, conflicts_with = "proofs")]
    harsh: bool,
    /// On so many cores; all by default.
    #[arg(long, conflicts_with_all = ["seed", "proofs"])]
    cores: Option<u64>,
    /// Write the whole trace while it runs.
    #[arg(long)]
    loud: bool,
    /// Leave each rule of the engine out in turn: the simulation must notice.
    #[arg(long, conflicts_with_all = ["runs", "first", "loud"])]
    proofs: bool,
}

/// Runs them; the last line is one JSON object.
///
/// # Errors
/// When it does not compile, or a seed (or a proof) fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = build(args.proofs)?;
    if args.proofs {
        return proofs(&program);
    }
    let first = args.seed.unwrap_or(args.first);
    let runs = if args.seed.is_some() { 1 } else { args.runs };
    let began = Instant::now();
    let (lines, heard) = channel();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = args
        .cores
        .unwrap_or(u64::try_from(cores).unwrap_or(1))
        .clamp(1, runs.max(1));
    let mut children = Vec::new();
    for core in 0..cores {
        let share = Share {
            first: first.saturating_add(core),
            step: cores,
            seeds: runs.saturating_sub(core).div_ceil(cores),
        };
        children.push(start(&program, &share, args, lines.clone())?);
    }
    drop(lines);
    let mut tally = Tally {
        weather: if args.harsh { " --harsh" } else { "" },
        ..Tally::default()
    };
    // Who runs many seeds wants to know which fail; who runs one wants to know how.
    let everything = args.loud || args.seed.is_some();
    listen(&heard, runs, began, everything, &mut tally);
    for mut child in children {
        // A failed seed fails its process; what failed has been said.
        child.wait().context("could not wait for a simulation")?;
    }
    tally.close(runs, began)
}

/// Builds the simulation and returns its program.
fn build(proofs: bool) -> Result<PathBuf> {
    let profile = if proofs { "proofs" } else { "simulation" };
    let mut command = cargo([
        "test",
        "--locked",
        "--package",
        "delivr-worker",
        "--no-default-features",
        "--test",
        "simulation",
        "--profile",
        profile,
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ])?;
    if proofs {
        let asked = std::env::var("RUSTFLAGS").unwrap_or_default();
        command.env("RUSTFLAGS", format!("{asked} --cfg delivr_sim"));
    }
    say(format!("$ {}", shown(&command)));
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    if !output.status.success() {
        bail!("the simulation does not compile");
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = messages.filter_map(|message| {
        let ours = message.pointer("/target/name")?.as_str()? == "simulation";
        let path = message.get("executable")?.as_str()?;
        ours.then(|| PathBuf::from(path))
    });
    built.next_back().context("cargo names no program")
}

/// The seeds of one process.
struct Share {
    first: u64,
    step: u64,
    seeds: u64,
}

fn start(program: &Path, share: &Share, args: &Args, lines: Sender<String>) -> Result<Child> {
    let mut command = Command::new(program);
    command
        .args(["--exact", SEEDS, "--nocapture"])
        .env("DELIVR_SIM_FIRST", share.first.to_string())
        .env("DELIVR_SIM_STEP", share.step.to_string())
        .env("DELIVR_SIM_SEEDS", share.seeds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if args.loud {
        command.env("DELIVR_SIM_LOUD", "1");
    }
    if args.harsh {
        command.env("DELIVR_SIM_HARSH", "1");
    }
    let mut child = command.spawn().context("could not start a simulation")?;
    let said = child.stderr.take().context("a simulation says nothing")?;
    thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    Ok(child)
}

#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    completed: u64,
    crashes: u64,
    effects: u64,
    duplicates: u64,
    lost: u64,
    illegal: u64,
    failing: Vec<u64>,
    met: BTreeMap<String, u64>,
    /// What repeats the weather of a seed.
    weather: &'static str,
}

fn listen(heard: &Receiver<String>, runs: u64, began: Instant, everything: bool, tally: &mut Tally) {
    let mut told_at = Instant::now();
    loop {
        match heard.recv_timeout(TOLD_EVERY) {
            Ok(line) => match line.strip_prefix("SEED ").map(serde_json::from_str::<Value>) {
                Some(Ok(ended)) => tally.add(&ended),
                Some(Err(_)) | None => {
                    if everything {
                        say(line);
                    }
                }
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if told_at.elapsed() >= TOLD_EVERY {
            told_at = Instant::now();
            let (seconds, failing) = (began.elapsed().as_secs(), tally.failing.len());
            say(format!(
                "{} of {runs} seeds after {seconds} s, {failing} failing",
                tally.seeds
            ));
        }
    }
}

impl Tally {
    fn add(&mut self, ended: &Value) {
        let number = |name: &str| ended.get(name).and_then(Value::as_u64).unwrap_or_default();
        let faults = number("duplicates") + number("lost") + number("illegal");
        self.seeds += 1;
        self.completed += number("completed");
        self.crashes += number("crashes");
        self.effects += number("effects");
        self.duplicates += number("duplicates");
        self.lost += number("lost");
        self.illegal += number("illegal");
        if faults > 0 {
            let seed = number("seed");
            self.failing.push(seed);
            let wrong = ended.get("wrong").and_then(Value::as_str).unwrap_or_default();
            let weather = self.weather;
            say(format!(
                "seed {seed} fails: {wrong}\n  again: cargo xtask simulate --seed {seed} --loud{weather}"
            ));
        }
        for (kind, times) in ended.get("met").and_then(Value::as_object).into_iter().flatten() {
            *self.met.entry(kind.clone()).or_default() += times.as_u64().unwrap_or_default();
        }
    }

    fn close(mut self, runs: u64, began: Instant) -> Result<()> {
        for (kind, times) in &self.met {
            say(format!("{times:>9} {kind}"));
        }
        self.failing.sort_unstable();
        if !self.failing.is_empty() {
            say(format!("failing seeds: {:?}", self.failing));
        }
        let seconds = began.elapsed().as_secs_f64();
        let last = json!({
            "seeds": self.seeds,
            "completed": self.completed,
            "crashes": self.crashes,
            "effects": self.effects,
            "duplicates": self.duplicates,
            "lost": self.lost,
            "illegal": self.illegal,
            "seconds": (seconds * 10.0).round() / 10.0,
        });
        say(last.to_string());
        if !self.failing.is_empty() {
            bail!("{} of {runs} seeds fail", self.failing.len());
        }
        if self.seeds < runs {
            bail!("only {} of {runs} seeds came to their end", self.seeds);
        }
        Ok(())
    }
}

/// Leaves each rule out; every proof names itself and the seed that noticed.
fn proofs(program: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command
        .args(["without::", "rules::", "--nocapture"])
        .stdin(Stdio::null());
    let status = command.status().context("could not start the proofs")?;
    if !status.success() {
        bail!("a rule can be left out and nothing notices");
    }
    Ok(())
}
