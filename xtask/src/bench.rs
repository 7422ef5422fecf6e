//! `cargo xtask bench`: builds the programs for release, starts a PostgreSQL server that keeps its promises (fsync on),
//! lets `delivr-bench` measure, and with `--write` keeps the figures in `docs/performance.md`.

use crate::postgres::Postgres;
use crate::shell::{cargo, check, root, say};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the figures are kept.
const DOCUMENT: &str = "docs/performance.md";
/// Groups of figures in the order of the document, with their headings.
const GROUPS: [(&str, &str); 7] = [
    ("throughput", "Throughput"),
    ("reaction", "Reaction"),
    ("kickoff", "Kickoff"),
    ("idle", "Waiting"),
    ("api", "API"),
    ("growth", "Growth"),
    ("pages", "Pages"),
];

/// Options of the benchmark.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this: throughput, reaction, kickoff, idle, api or pages.
    #[arg(long)]
    only: Option<String>,
    /// So many times the usual number of releases and requests.
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// Releases stored for the figures that depend on it.
    #[arg(long, default_value_t = 100_000)]
    stored: u32,
    /// Only on this database: sqlite or postgres.
    #[arg(long)]
    database: Option<String>,
    /// Keep the figures in docs/performance.md; groups that were not measured stay as they are.
    #[arg(long)]
    write: bool,
}

/// Measures.
///
/// # Errors
/// When something does not work. A missed goal is a figure, not an error.
pub(crate) fn run(args: &Args) -> Result<()> {
    check(&mut cargo([
        "build",
        "--release",
        "--locked",
        "-p",
        "delivr-api",
        "-p",
        "delivr-worker",
        "-p",
        "delivr-bench",
    ])?)?;
    let server = if args.database.as_deref() == Some("sqlite") {
        None
    } else {
        start()
    };
    if server.is_none() && args.database.as_deref() == Some("postgres") {
        bail!("there is no PostgreSQL server to measure on");
    }
    let programs = programs()?;
    let mut command = Command::new(programs.join(format!("delivr-bench{}", std::env::consts::EXE_SUFFIX)));
    command
        .arg("run")
        .arg("--programs")
        .arg(&programs)
        .args(["--scale", &args.scale.to_string()])
        .args(["--stored", &args.stored.to_string()]);
    if let Some(only) = &args.only {
        command.args(["--only", only]);
    }
    if let Some(database) = &args.database {
        command.args(["--database", database]);
    }
    if let Some(server) = &server {
        command.args(["--server", &server.url()]);
    }
    let told = listen(command)?;
    if args.write {
        write(&told)?;
    }
    Ok(())
}

/// A server that survives a power cut like any real one, and counts its statements where it can.
fn start() -> Option<Postgres> {
    const DURABLE: &str = "-c fsync=on -c max_connections=300 -c shared_buffers=512MB -c max_wal_size=4GB";
    const COUNTING: &str = "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.max=10000";
    let counting = Postgres::start_with(&format!("{DURABLE} {COUNTING}"));
    let server = counting.or_else(|_without| {
        say("PostgreSQL has no pg_stat_statements here: statements and commits are not counted");
        Postgres::start_with(DURABLE)
    });
    match server {
        Ok(server) => Some(server),
        Err(error) => {
            say(format!("PostgreSQL is left out: {error:#}"));
            None
        }
    }
}

fn programs() -> Result<PathBuf> {
    let folder = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => root()?.join("target"),
    };
    Ok(folder.join("release"))
}

/// What the benchmark told.
struct Told {
    machine: String,
    warned: bool,
    figures: Vec<Value>,
}

/// Runs it; its words go to the terminal as they come.
fn listen(mut command: Command) -> Result<Told> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start delivr-bench")?;
    let output = child.stdout.take().context("a piped output is there")?;
    let mut told = Told {
        machine: String::new(),
        warned: false,
        figures: Vec::new(),
    };
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(machine) = line.strip_prefix("machine: ") {
            machine.clone_into(&mut told.machine);
        }
        told.warned |= line.starts_with("warning: ");
        if line.starts_with('{') {
            told.figures.push(serde_json::from_str(&line)?);
        }
        say(line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("delivr-bench ended with {status}");
    }
    Ok(told)
}

/// Puts the tables of the measured groups between their markers.
fn write(told: &Told) -> Result<()> {
    let path = root()?.join(DOCUMENT);
    let mut document = std::fs::read_to_string(&path).context(DOCUMENT)?;
    let mut shown = format!("{}, {}", chrono::Utc::now().format("%Y-%m-%d"), told.machine);
    if told.warned {
        shown.push_str("; **other work ran on it**, so times are too long and rates too low");
    }
    for (group, heading) in GROUPS {
        let rows: Vec<&Value> = told
            .figures
            .iter()
            .filter(|figure| text(figure, "group") == group)
            .collect();
        if !rows.is_empty() {
            document = replaced(&document, group, &table(heading, &shown, &rows))?;
        }
    }
    std::fs::write(&path, document)?;
    say(format!("kept in {DOCUMENT}"));
    Ok(())
}

fn text<'a>(figure: &'a Value, name: &str) -> &'a str {
    figure.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn table(heading: &str, shown: &str, rows: &[&Value]) -> String {
    let mut table = format!(
        "{heading}, measured {shown}:\n\n| Database | Case | Figure | Value | Goal | |\n|---|---|---|---:|---|---|\n"
    );
    for row in rows {
        let met = match row.get("met").and_then(Value::as_bool) {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let line = format!(
            "| {} | {} | {} | {} {} | {} | {met} |\n",
            text(row, "database"),
            text(row, "case"),
            text(row, "what"),
            text(row, "value"),
            text(row, "unit"),
            text(row, "goal"),
        );
        table.push_str(&line);
    }
    table
}

/// The document with what stands between the group's markers replaced.
fn replaced(document: &str, group: &str, table: &str) -> Result<String> {
    let (open, close) = (format!("<!-- bench: {group} -->\n"), "<!-- end -->");
    let missing = || format!("{DOCUMENT} has no markers for {group}");
    let (before, rest) = document.split_once(&open).with_context(missing)?;
    let (_old, after) = rest.split_once(close).with_context(missing)?;
    Ok(format!("{before}{open}{table}{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_before_and_nothing_else() {
        let document = "a\n<!-- bench: idle -->\nold\n<!-- end -->\nb\n<!-- bench: api -->\n<!-- end -->\n";
        let new = replaced(document, "idle", "new\n").unwrap();
        assert_eq!(
            new,
            "a\n<!-- bench: idle -->\nnew\n<!-- end -->\nb\n<!-- bench: api -->\n<!-- end -->\n"
        );
        assert!(replaced(document, "growth", "").is_err());
    }

    #[test]
    fn the_document_has_a_place_for_every_group() {
        let document = std::fs::read_to_string(root().unwrap().join(DOCUMENT)).unwrap();
        for (group, _) in GROUPS {
            replaced(&document, group, "").unwrap();
        }
    }
}
