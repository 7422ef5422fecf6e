//! Every test this machine can run, and by name whatever it cannot.
//!
//! A test that lacks something (a database server, a vendor's credential, a browser) passes, and says so by appending a
//! line `SKIPPED: <what>: <why>` to the file named by `DELIVR_SKIP_LOG`; those lines are shown here at the end, each
//! once. Lines `CHECKED: <what>` in the same file say what was compared with an outside description, and are shown too.
//! Nothing is tried twice.

use crate::chaos;
use crate::postgres::Postgres;
use crate::shell::{cargo, check, root, say, shown, works};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// Runs them.
///
/// # Errors
/// When the code does not compile or a test fails.
pub(crate) fn run() -> Result<()> {
    run_with(Vec::new())
}

/// The same, with skips that an earlier step already knows of.
pub(crate) fn run_with(mut skipped: Vec<String>) -> Result<()> {
    let scratch = tempfile::tempdir().context("could not make a temporary folder")?;
    let log = scratch.path().join("skipped");
    let mut environment = vec![("DELIVR_SKIP_LOG", log.clone().into_os_string())];

    let postgres = if std::env::var_os("DELIVR_TEST_POSTGRES_URL").is_some() {
        None
    } else {
        match Postgres::start() {
            Ok(server) => Some(server),
            Err(error) => {
                skipped.push(format!("PostgreSQL: {error:#}"));
                None
            }
        }
    };
    if let Some(server) = &postgres {
        environment.push(("DELIVR_TEST_POSTGRES_URL", server.url().into()));
    }
    let specs = specifications()?;
    let described = specs.is_some();
    if let Some(specs) = specs {
        environment.push(("DELIVR_SPECS", specs));
    } else {
        skipped.push("vendors' API descriptions: none found (DELIVR_SPECS names their folder)".to_owned());
    }
    match crate::screens::rules() {
        Ok(rules) => environment.push(("DELIVR_AXE", rules.into_os_string())),
        Err(error) => skipped.push(format!("accessibility of the pages: {error:#}")),
    }

    let mut total = Tally::default();
    let mut broken = Vec::new();
    let commands = if works(cargo(["nextest", "--version"])?) {
        let nextest = [
            "nextest",
            "run",
            "--workspace",
            "--success-output",
            "never",
            "--status-level",
            "slow",
        ];
        vec![cargo(nextest)?, cargo(["test", "--workspace", "--doc"])?]
    } else {
        skipped.push("cargo-nextest: not installed, cargo test ran the tests instead".to_owned());
        vec![cargo(["test", "--workspace", "--no-fail-fast"])?]
    };
    for mut command in commands {
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let (passed, tally) = counted(&mut command)?;
        total.add(tally);
        if !passed {
            broken.push(format!("`{}`", shown(&command)));
        }
    }
    let server = postgres.is_some();
    drop(postgres);
    chaos(server, &mut skipped, &mut total, &mut broken)?;

    let checked = report(&log, skipped, total)?;
    if described && !checked.iter().any(|line| line.contains(PUBLISHED)) {
        broken.push(
            "the comparison with the vendors' descriptions, which are here and were not used,".to_owned(),
        );
    }
    if !broken.is_empty() {
        bail!("{} failed", broken.join(" and "));
    }
    if total.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// The fixed set of whole systems under blows; each counts as one test.
fn chaos(server: bool, skipped: &mut Vec<String>, total: &mut Tally, broken: &mut Vec<String>) -> Result<()> {
    // The programs lie there already, made for the tests of their own packages. Built by themselves they would have other
    // features, and most of what they are made of would be compiled once more.
    check(&mut cargo(["test", "--workspace", "--no-run", "--quiet"])?)?;
    for fixed in chaos::FIXED {
        // It strikes its server down, so that it cannot be one that was named to us.
        if fixed.needs_server() && !server {
            skipped.push(format!("{}: no PostgreSQL server of our own", fixed.name));
            continue;
        }
        say(format!("$ {}", fixed.name));
        match fixed.run() {
            Ok(()) => total.passed += 1,
            Err(error) => {
                say(format!("FAILED: {}: {error:#}", fixed.name));
                total.failed += 1;
                broken.push(fixed.name.to_owned());
            }
        }
    }
    Ok(())
}

/// Folder of the vendors' published descriptions, which are test input and no part of the repository.
fn specifications() -> Result<Option<OsString>> {
    if let Some(named) = std::env::var_os("DELIVR_SPECS") {
        return Ok(Some(named));
    }
    let root = root()?;
    let beside = root.parent().map(|parent| parent.join("shared").join("specs"));
    Ok(beside.filter(|folder| folder.is_dir()).map(Into::into))
}

/// What a line says of exchanges that were held against a vendor's own description.
const PUBLISHED: &str = " against the published ";

/// What the log says, each line once, then the closing line; gives what was checked.
fn report(log: &Path, mut skipped: Vec<String>, total: Tally) -> Result<BTreeSet<String>> {
    let text = match std::fs::read_to_string(log) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).context("could not read what the tests skipped"),
    };
    let (said, checked) = sorted_log(&text);
    for line in said {
        if !skipped.contains(&line) {
            skipped.push(line);
        }
    }
    say("");
    for line in &checked {
        say(format!("CHECKED: {line}"));
    }
    for line in &skipped {
        say(format!("SKIPPED: {line}"));
    }
    say(format!(
        "{} passed, {} failed, {} skipped",
        total.passed,
        total.failed,
        skipped.len()
    ));
    Ok(checked)
}

/// The log's skips and checks, each once and in order.
fn sorted_log(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut skipped = BTreeSet::new();
    let mut checked = BTreeSet::new();
    // Many tests say how much they compared with one description: what counts is all of it.
    let mut exchanges: BTreeMap<&str, u64> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(what) = line.strip_prefix("CHECKED:") {
            match counted_exchanges(what.trim()) {
                Some((count, of)) => *exchanges.entry(of).or_default() += count,
                None => drop(checked.insert(what.trim().to_owned())),
            }
        } else {
            skipped.insert(line.strip_prefix("SKIPPED:").unwrap_or(line).trim().to_owned());
        }
    }
    let sums = exchanges.into_iter();
    checked.extend(sums.map(|(of, count)| format!("{count} exchanges, {of}")));
    (skipped, checked)
}

/// The parts of `<n> exchanges, <description>`.
fn counted_exchanges(what: &str) -> Option<(u64, &str)> {
    let (count, of) = what.split_once(" exchanges, ")?;
    Some((count.parse().ok()?, of))
}

/// How many tests ran, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
    /// The counts in a runner's summary line; none in any other line.
    fn of(line: &str) -> Option<Self> {
        let counts = if line.trim_start().starts_with("Summary [") {
            line.split_once("run: ")?.1
        } else {
            // Not indented: nextest shows what a failed test has written, its own count among it.
            line.strip_prefix("test result: ")?.split_once(". ")?.1
        };
        let mut tally = Self::default();
        for part in counts.split([',', ';']) {
            let mut words = part.split_whitespace();
            let Some(Ok(count)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match words.next() {
                Some("passed") => tally.passed += count,
                // nextest's other bad ends are "timed out" and "exec failed".
                Some("failed" | "timed" | "exec") => tally.failed += count,
                Some(_) | None => {}
            }
        }
        Some(tally)
    }
}

/// Runs a test command, passing its output on, and adds up what its summaries say.
fn counted(command: &mut Command) -> Result<(bool, Tally)> {
    say(format!("$ {}", shown(command)));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    let out = child
        .stdout
        .take()
        .map(|pipe| thread::spawn(move || pass_on(pipe, std::io::stdout())));
    let err = child
        .stderr
        .take()
        .map(|pipe| thread::spawn(move || pass_on(pipe, std::io::stderr())));
    let status = child.wait().context("could not wait for the tests")?;
    let mut tally = Tally::default();
    for reader in [out, err].into_iter().flatten() {
        // A reader only fails to join when it panicked, and then its counts are lost, not wrong.
        tally.add(reader.join().unwrap_or_default());
    }
    Ok((status.success(), tally))
}

fn pass_on(pipe: impl Read, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let _ = to.write_all(&line);
        if let Some(found) = Tally::of(&String::from_utf8_lossy(&line)) {
            tally.add(found);
        }
        line.clear();
    }
    let _ = to.flush();
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nextest_summary_is_counted() {
        let line = "     Summary [   3.207s] 45/46 tests run: 41 passed (2 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(
            Tally::of(line),
            Some(Tally {
                passed: 41,
                failed: 4
            })
        );
    }

    #[test]
    fn a_libtest_summary_is_counted() {
        let line = "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(Tally::of(line), Some(Tally { passed: 7, failed: 2 }));
    }

    #[test]
    fn other_lines_are_not_counted() {
        assert_eq!(
            Tally::of("        PASS [   0.004s] delivr-domain names::tests::a"),
            None
        );
        assert_eq!(Tally::of("12 passed"), None);
        let shown = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 0.54s";
        assert_eq!(Tally::of(shown), None, "of a failed test that nextest shows");
    }

    #[test]
    fn output_is_passed_on_unchanged_and_added_up() {
        let text =
            "a\u{ff}b\ntest result: ok. 1 passed; 0 failed;\ntest result: ok. 2 passed; 0 failed;\nno end"
                .as_bytes()
                .to_vec();
        let mut copy = Vec::new();
        let tally = pass_on(text.as_slice(), &mut copy);
        assert_eq!(copy, text);
        assert_eq!(tally, Tally { passed: 3, failed: 0 });
    }

    #[test]
    fn skips_are_shown_once() {
        let (skipped, checked) = sorted_log(
            "SKIPPED: Jira: no token\n\nCHECKED: 12 exchanges, GitHub\nSKIPPED: Jira: no token\nbare\n",
        );
        assert_eq!(
            skipped.into_iter().collect::<Vec<_>>(),
            ["Jira: no token", "bare"]
        );
        assert_eq!(checked.into_iter().collect::<Vec<_>>(), ["12 exchanges, GitHub"]);
    }

    #[test]
    fn what_many_tests_checked_is_one_sum() {
        let log = "CHECKED: 2 exchanges, slack\nCHECKED: 40 exchanges, slack\nCHECKED: contract with x\nSKIPPED: y\n";
        let (skipped, checked) = sorted_log(log);
        assert_eq!(skipped.into_iter().collect::<Vec<_>>(), ["y"]);
        assert_eq!(
            checked.into_iter().collect::<Vec<_>>(),
            ["42 exchanges, slack", "contract with x"]
        );
    }
}
