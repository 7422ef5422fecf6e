//! What must hold when a run has ended, read from the vendors' journals, git's receive hook and the database.

mod moment;
mod stored;
mod vendors;

use super::database::Reader;
use super::manager::Followed;
use super::world::{World, lock};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use stored::{Row, Stored, column, number, plain, state_word, tasks};

pub(crate) use moment::at_this_moment;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Effects at vendors.
    pub(crate) effects: u64,
    /// What was done twice; one line for each surplus.
    pub(crate) duplicates: Vec<String>,
    /// What should have been done and was not, and releases that are stuck.
    pub(crate) lost: Vec<String>,
    /// What must never be.
    pub(crate) illegal: Vec<String>,
}

impl Findings {
    /// Whether all is well.
    pub(crate) fn clean(&self) -> bool {
        self.duplicates.is_empty() && self.lost.is_empty() && self.illegal.is_empty()
    }
    /// Every finding as a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let named = |kind: &str, lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| format!("{kind}: {line}")).collect()
        };
        [
            named("DUPLICATE", &self.duplicates),
            named("LOST", &self.lost),
            named("ILLEGAL", &self.illegal),
        ]
        .concat()
    }
}

/// How long messages and reports may take after the last release has ended.
const SETTLING: Duration = Duration::from_secs(60);

/// Everything that must hold at the end of a run.
///
/// # Errors
/// When journals or database cannot be read.
pub(crate) fn at_the_end(world: &World<'_>, followed: &[Followed]) -> Result<Findings> {
    let mut found = Findings::default();
    for it in followed {
        if let Some(why) = &it.stuck {
            found
                .lost
                .push(format!("{} {} is stuck: {why}", it.tenant, it.version));
        }
    }
    let mut reader = Reader::new(&world.database)?;
    settled(world, &mut reader, &mut found)?;
    let stored = stored::releases(&mut reader)?;
    let rows = stored::effects(&mut reader)?;
    let parents = stored::parents(&mut reader)?;
    history(&mut reader, &stored, followed, &mut found)?;
    born_once(&stored, followed, &mut found);
    for release in &stored {
        ended(release, &rows, &parents, &mut found);
    }
    for tenant in &world.tenants {
        vendors::vendors(world.folder(), tenant, &stored, &rows, &parents, &mut found)?;
        for lane in &tenant.lanes {
            vendors::git(tenant, lane, &stored, &mut found)?;
        }
    }
    found.illegal.extend(lock(&world.deaths).iter().cloned());
    found.illegal.extend(panics(world));
    Ok(found)
}

/// Waits until nothing of an ended release is under way any more: messages and late reports come after its end.
fn settled(world: &World<'_>, reader: &mut Reader, found: &mut Findings) -> Result<()> {
    let until = Instant::now() + SETTLING;
    let question = "select {text:count(*)} from effects where state in ('READY', 'CLAIMED', 'PARKED')";
    loop {
        world.tend();
        match reader.number(question) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(_) if Instant::now() < until && found.lost.is_empty() => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(_) => return Ok(()),
            Err(error) => return Err(error).context("the database at the end"),
        }
    }
}

/// Events of an aggregate are numbered without a gap and end at its version; what was accepted once is there once.
fn history(
    reader: &mut Reader,
    stored: &[Stored],
    followed: &[Followed],
    found: &mut Findings,
) -> Result<()> {
    let rows = reader.rows(
        "select {hex:owner_id}, owner_kind, {text:count(*)}, {text:min(sequence)}, {text:max(sequence)} \
         from state_history group by owner_id, owner_kind",
    )?;
    let mut versions: BTreeMap<String, u64> = stored.iter().map(|it| (it.id.clone(), it.revision)).collect();
    let children = reader.rows(
        "select {hex:id}, {text:version} from submissions union all select {hex:id}, {text:version} from rollouts",
    )?;
    versions.extend(children.iter().map(|row| (column(row, 0), number(row, 1))));
    for row in &rows {
        let (owner, kind) = (column(row, 0), column(row, 1));
        let (count, first, last) = (number(row, 2), number(row, 3), number(row, 4));
        let version = versions.remove(&owner);
        if first != 1 || last != count || version != Some(last) {
            found.illegal.push(format!(
                "history of {kind} {owner}: {count} events from {first} to {last} at version {version:?}"
            ));
        }
    }
    for (owner, version) in versions {
        found
            .illegal
            .push(format!("{owner} has version {version} and no history"));
    }
    let counted = reader.rows(
        "select {hex:owner_id}, kind, {text:count(*)} from state_history where owner_kind = 'RELEASE' \
         group by owner_id, kind",
    )?;
    for it in followed {
        for (event, accepted) in &it.accepted {
            let held = counted
                .iter()
                .find(|row| column(row, 0) == plain(&it.id) && column(row, 1) == *event)
                .map_or(0, |row| number(row, 2));
            if held != *accepted {
                found.illegal.push(format!(
                    "{} {}: {accepted} requests were accepted as {event}, the history holds {held}",
                    it.tenant, it.version
                ));
            }
        }
    }
    Ok(())
}

/// Each release that was asked for exists once, and no other.
fn born_once(stored: &[Stored], followed: &[Followed], found: &mut Findings) {
    let asked: BTreeSet<String> = followed.iter().map(|it| plain(&it.id)).collect();
    for release in stored.iter().filter(|it| !asked.contains(&it.id)) {
        found.illegal.push(format!(
            "{} {} exists and nobody was told of it",
            release.tenant, release.version
        ));
    }
    let held: BTreeSet<&str> = stored.iter().map(|it| it.id.as_str()).collect();
    for id in asked.iter().filter(|id| !held.contains(id.as_str())) {
        found
            .lost
            .push(format!("the release {id} was created and is gone"));
    }
}

/// Nothing of an ended release is under way: no row, no running task, no wake-up.
fn ended(release: &Stored, rows: &[Row], parents: &BTreeMap<String, String>, found: &mut Findings) {
    if !super::manager::ENDS.contains(&release.phase.as_str()) {
        return;
    }
    let name = format!("{} {} is {}", release.tenant, release.version, release.phase);
    let belongs = |row: &&Row| row.owner == release.id || parents.get(&row.owner) == Some(&release.id);
    let looks = |row: &&Row| row.kind == "PERFORM" && stored::looks_again(&release.state);
    for row in rows
        .iter()
        .filter(belongs)
        .filter(|row| row.live() && !looks(row))
    {
        found.illegal.push(format!(
            "{name}, but {} {} {} is {}",
            row.owner_kind,
            row.kind,
            row.task(),
            row.state
        ));
    }
    for (key, task) in tasks(&release.state) {
        let word = state_word(task);
        if matches!(word, "RUNNING" | "AWAITING_CALLBACK" | "AWAITING_CHILD") {
            found
                .illegal
                .push(format!("{name}, but its task {key} is {word}"));
        }
        if word == "PENDING" && release.phase == "COMPLETED" {
            found
                .lost
                .push(format!("{name}, but its task {key} was never done"));
        }
    }
    if release.wakes && !stored::looks_again(&release.state) {
        found.illegal.push(format!("{name}, but a wake-up is still set"));
    }
}

/// Lines of the logs that say that a program panicked.
fn panics(world: &World<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let entries = std::fs::read_dir(world.folder());
    for entry in entries.into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|it| it == "log") {
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let name = entry.file_name().to_string_lossy().into_owned();
            lines.extend(
                text.lines()
                    .filter(|line| line.contains("panicked at"))
                    .map(|line| format!("{name}: {line}")),
            );
        }
    }
    lines
}
