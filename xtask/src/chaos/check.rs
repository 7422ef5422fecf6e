//! What must hold when a run has ended, read from the vendors' journals, git's receive hook and the database.

use super::database::{Columns, Reader};
use super::manager::Followed;
use super::world::{LaneWorld, TenantWorld, World, lock};
use crate::system::{list, word};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

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

/// A release as the database holds it.
struct Stored {
    id: String,
    tenant: String,
    version: String,
    phase: String,
    revision: u64,
    wakes: bool,
    state: Value,
}

/// An effect's row.
struct Row {
    id: String,
    owner: String,
    owner_kind: String,
    kind: String,
    correlation: String,
    state: String,
    effect: Value,
}

impl Row {
    fn live(&self) -> bool {
        matches!(self.state.as_str(), "READY" | "CLAIMED" | "PARKED")
    }
    fn task(&self) -> &str {
        self.effect
            .pointer("/key/task")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
    /// Everything a vendor may be shown as its key.
    fn keys(&self) -> Vec<String> {
        let mut keys = vec![self.id.clone(), self.correlation.clone()];
        let at = |pointer: &str| self.effect.pointer(pointer);
        if let (Some(install), Some(owner), Some(task), Some(generation), Some(step)) = (
            at("/key/install").and_then(Value::as_str),
            at("/key/owner/id").and_then(Value::as_str),
            at("/key/task").and_then(Value::as_str),
            at("/key/generation"),
            at("/key/step"),
        ) {
            keys.push(format!("{install}/{owner}/{task}/g{generation}/s{step}"));
        }
        keys
    }
}

fn column(row: &Columns, at: usize) -> String {
    row.get(at).cloned().unwrap_or_default()
}

fn number(row: &Columns, at: usize) -> u64 {
    row.get(at).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn document(row: &Columns, at: usize) -> Value {
    row.get(at)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

fn releases(reader: &mut Reader) -> Result<Vec<Stored>> {
    let rows = reader.rows(
        "select {hex:r.id}, t.slug, r.version_text, r.phase, {text:r.version}, {text:r.wake_at}, {text:r.state} \
         from releases r join tenants t on t.id = r.tenant_id order by r.number",
    )?;
    let read = |row: &Columns| Stored {
        id: column(row, 0),
        tenant: column(row, 1),
        version: column(row, 2),
        phase: column(row, 3),
        revision: number(row, 4),
        wakes: !column(row, 5).is_empty(),
        state: document(row, 6),
    };
    Ok(rows.iter().map(read).collect())
}

fn effects(reader: &mut Reader) -> Result<Vec<Row>> {
    let rows = reader.rows(
        "select {hex:id}, {hex:owner_id}, owner_kind, kind, correlation, state, {text:effect} from effects",
    )?;
    let read = |row: &Columns| Row {
        id: column(row, 0),
        owner: column(row, 1),
        owner_kind: column(row, 2),
        kind: column(row, 3),
        correlation: column(row, 4),
        state: column(row, 5),
        effect: document(row, 6),
    };
    Ok(rows.iter().map(read).collect())
}

/// Which release a submission or rollout belongs to.
fn parents(reader: &mut Reader) -> Result<BTreeMap<String, String>> {
    let rows = reader.rows(
        "select {hex:id}, {hex:parent_id} from submissions union all select {hex:id}, {hex:parent_id} from rollouts",
    )?;
    Ok(rows.iter().map(|row| (column(row, 0), column(row, 1))).collect())
}

fn plain(id: &str) -> String {
    id.replace('-', "")
}

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
    let stored = releases(&mut reader)?;
    let rows = effects(&mut reader)?;
    let parents = parents(&mut reader)?;
    history(&mut reader, &stored, followed, &mut found)?;
    born_once(&stored, followed, &mut found);
    for release in &stored {
        ended(release, &rows, &parents, &mut found);
    }
    for tenant in &world.tenants {
        vendors(tenant, &stored, &rows, &parents, &mut found)?;
        for lane in &tenant.lanes {
            git(tenant, lane, &stored, &mut found)?;
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
    for row in rows.iter().filter(belongs).filter(|row| row.live()) {
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
    if release.wakes {
        found.illegal.push(format!("{name}, but a wake-up is still set"));
    }
}

fn tasks(state: &Value) -> Vec<(&str, &Value)> {
    state
        .pointer("/board/tasks")
        .and_then(Value::as_object)
        .map(|tasks| tasks.iter().map(|(key, task)| (key.as_str(), task)).collect())
        .unwrap_or_default()
}

fn state_word(task: &Value) -> &str {
    task.pointer("/state/state")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What a tenant's vendors did: nothing twice, nothing for others, everything that the database says was done.
fn vendors(
    tenant: &TenantWorld,
    stored: &[Stored],
    rows: &[Row],
    parents: &BTreeMap<String, String>,
    found: &mut Findings,
) -> Result<()> {
    let journal = tenant.vendors.get("/_journal")?;
    found.duplicates.extend(twice(tenant.slug, &journal));
    let done = list(&journal, "effects");
    found.effects += u64::try_from(done.len())?;
    let ours: Vec<&Stored> = stored.iter().filter(|it| it.tenant == tenant.slug).collect();
    let release_of = |owner: &str| {
        let id = parents.get(owner).map_or(owner, String::as_str);
        ours.iter().find(|it| it.id == id)
    };
    let mut owners: BTreeMap<String, &Row> = BTreeMap::new();
    for row in rows {
        for key in row.keys().into_iter().filter(|key| !key.is_empty()) {
            // A run's watch carries the key of the write that started it.
            let write = matches!(row.kind.as_str(), "PERFORM" | "MESSAGE");
            if write || !owners.contains_key(&key) {
                owners.insert(key, row);
            }
        }
    }
    let mut seen = BTreeSet::new();
    for effect in done {
        let Some(key) = effect.get("key").and_then(Value::as_str) else {
            continue;
        };
        seen.insert(key.to_owned());
        let what = format!(
            "{} {} {}",
            word(effect, "vendor"),
            word(effect, "operation"),
            word(effect, "subject")
        );
        match owners.get(key).and_then(|row| release_of(&row.owner)) {
            None => found.illegal.push(format!(
                "{} did for nobody of its tenant: {what}, key {key}",
                tenant.slug
            )),
            Some(release) if !word(effect, "subject").contains(&release.version) => {
                found.illegal.push(format!(
                    "{} did under a key of {}: {what}",
                    tenant.slug, release.version
                ));
            }
            Some(_) => {}
        }
    }
    for row in rows {
        let Some(release) = release_of(&row.owner) else {
            continue;
        };
        let marked = row.kind == "MESSAGE"
            || matches!(
                row.effect
                    .pointer("/operation/write")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                "CREATE_TICKET" | "CREATE_RUN" | "TRIGGER_RUN"
            );
        if marked && row.state == "DONE" && !row.keys().iter().any(|key| seen.contains(key)) {
            found.lost.push(format!(
                "{} {}: {} {} {} is done, but no vendor knows of it",
                tenant.slug,
                release.version,
                row.kind,
                row.task(),
                row.effect.pointer("/note/title").unwrap_or(&Value::Null),
            ));
        }
    }
    for lane in &tenant.lanes {
        for release in &ours {
            let of_lane = lane.plan.releases.iter().any(|it| it.version == release.version);
            if of_lane && release.phase == "COMPLETED" {
                for missing in missing(lane, release, done) {
                    found
                        .lost
                        .push(format!("{} {}: {missing}", tenant.slug, release.version));
                }
            }
        }
    }
    Ok(())
}

/// What a journal says was done twice, a line for each surplus. The same words in a channel are a duplicate when they
/// are the same message: a task that fails twice is told twice.
fn twice(who: &str, journal: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = BTreeSet::new();
    for effect in list(journal, "effects") {
        let message = (word(effect, "subject"), word(effect, "key"));
        if word(effect, "operation") == "post_message" && !told.insert(message) {
            lines.push(format!("{who}: told twice: {}", message.0));
        }
    }
    let silent = |entry: &&Value| word(entry, "operation") != "post_message";
    for entry in list(journal, "duplicates").iter().filter(silent) {
        let count = entry.get("count").and_then(Value::as_u64).unwrap_or(1);
        for _ in 0..count {
            lines.push(format!(
                "{who}: {} {} {}",
                word(entry, "vendor"),
                word(entry, "operation"),
                word(entry, "subject")
            ));
        }
    }
    lines
}

/// What a release that is out must have left at its vendors, and has not.
fn missing(lane: &LaneWorld, release: &Stored, done: &[Value]) -> Vec<String> {
    let version = &release.version;
    let mut missing = Vec::new();
    let mut expect = |operation: &str, parts: &[String]| {
        let fits = |it: &&Value| {
            word(it, "operation") == operation && parts.iter().all(|part| holds(word(it, "subject"), part))
        };
        if !done.iter().any(|it| fits(&it)) {
            missing.push(format!("no {operation} of {}", parts.join(" ")));
        }
    };
    let platforms = [
        (lane.plan.apple, "IOS", "ios-regression", "ios-prod"),
        (lane.plan.play, "ANDROID", "android-regression", "android-prod"),
    ];
    for (_, platform, regression, production) in platforms.into_iter().filter(|it| it.0) {
        let of = |more: &[&str]| -> Vec<String> {
            more.iter()
                .map(|it| (*it).to_owned())
                .chain([format!("VERSION={version}"), format!("PLATFORM={platform}")])
                .collect()
        };
        for cycle in list(&release.state, "cycles") {
            if word(cycle, "state") != "DONE" {
                continue;
            }
            let number = cycle.get("number").and_then(Value::as_u64).unwrap_or(0);
            let number = format!("CYCLE={number}");
            if word(cycle, "builds") == "BUILD" {
                expect("trigger", &of(&[regression, &number]));
            }
            if word(cycle, "automation") == "RUN" {
                expect("trigger", &of(&["automation", &number]));
            }
        }
        expect("trigger", &of(&[production]));
        expect(
            "create_issue",
            &[format!("{} {version} ({platform})", lane.plan.slug)],
        );
        expect(
            "create_run",
            &[format!("{} {version} {platform}", lane.plan.slug)],
        );
    }
    if lane.plan.apple {
        let apple = format!("com.example.shop,IOS,{version}");
        for operation in ["create_version", "attach_build", "add_item", "submit", "release"] {
            expect(operation, std::slice::from_ref(&apple));
        }
        expect("set_phased", &[format!("{apple},COMPLETE")]);
    }
    if lane.plan.play {
        let code = list(&release.state, "builds")
            .iter()
            .rfind(|it| word(it, "task").starts_with("CREATE_AAB_BUILD/"))
            .map(|it| word(it, "build_number").to_owned())
            .unwrap_or_default();
        expect(
            "commit",
            &[format!("com.example.shop,production,{code},completed")],
        );
    }
    missing
}

/// Whether a part stands in the subject as a whole word: `CYCLE=1` is not in `CYCLE=12`.
fn holds(subject: &str, part: &str) -> bool {
    subject.match_indices(part).any(|(at, found)| {
        let after = subject
            .get(at + found.len()..)
            .and_then(|rest| rest.chars().next());
        !after.is_some_and(|next| next.is_ascii_alphanumeric() || next == '.')
    })
}

/// What git's server accepted: no ref made twice, every ref of a release that is out, tags of the tested commit.
fn git(tenant: &TenantWorld, lane: &LaneWorld, stored: &[Stored], found: &mut Findings) -> Result<()> {
    let created = lane.repository.created()?;
    let ours: Vec<(&String, &u64)> = created
        .iter()
        .filter(|(name, _)| *name != "refs/heads/main" && *name != "refs/tags/v1.0.0")
        .collect();
    for (name, count) in &ours {
        found.effects += **count;
        for _ in 1..**count {
            found
                .duplicates
                .push(format!("{} {}: {name}", tenant.slug, lane.plan.slug));
        }
    }
    for release in stored.iter().filter(|it| it.tenant == tenant.slug) {
        let of_lane = lane.plan.releases.iter().any(|it| it.version == release.version);
        if !of_lane || release.phase != "COMPLETED" {
            continue;
        }
        let mut wanted = vec![format!("refs/heads/{}", word(&release.state, "branch"))];
        let tag = format!("refs/tags/{}", word(&release.state, "tag"));
        for cycle in list(&release.state, "cycles") {
            if word(cycle, "state") != "DONE" {
                continue;
            }
            let name = format!("refs/tags/{}", word(cycle, "tag"));
            let sha = lane.repository.commit_of(&name).unwrap_or_default();
            if sha != word(cycle, "sha") {
                found.illegal.push(format!(
                    "{} {}: {name} is at {sha}, its cycle at {}",
                    tenant.slug,
                    release.version,
                    word(cycle, "sha")
                ));
            }
            wanted.push(name);
        }
        let judged = list(&release.state, "cycles")
            .iter()
            .rfind(|it| word(it, "state") != "ABANDONED")
            .map_or("", |it| word(it, "sha"));
        let shipped = lane.repository.commit_of(&tag).unwrap_or_default();
        if shipped != judged {
            found.illegal.push(format!(
                "{} {}: {tag} is at {shipped}, tested was {judged}",
                tenant.slug, release.version
            ));
        }
        wanted.push(tag);
        for name in wanted {
            if created.get(&name).is_none_or(|count| *count == 0) {
                found
                    .lost
                    .push(format!("{} {}: no {name}", tenant.slug, release.version));
            }
        }
    }
    Ok(())
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

/// What must hold at every moment: each task that runs has exactly the one row that carries it on.
///
/// # Errors
/// When the database does not answer, as while it is down.
pub(crate) fn at_this_moment(reader: &mut Reader) -> Result<Vec<String>> {
    // One statement, so that both sides are of the same moment.
    let rows = reader.rows(
        "select 'STATE', {hex:id}, 'RELEASE', key, {text:state} from releases \
         union all select 'STATE', {hex:id}, 'SUBMISSION', key, {text:state} from submissions \
         union all select 'STATE', {hex:id}, 'ROLLOUT', key, {text:state} from rollouts \
         union all select kind, {hex:owner_id}, owner_kind, state, {text:effect} from effects \
         where state in ('READY', 'CLAIMED', 'PARKED') and kind in ('PERFORM', 'RESOLVE', 'WATCH')",
    )?;
    Ok(without_their_rows(&rows))
}

/// Tasks under way that are not carried on by exactly one row.
fn without_their_rows(rows: &[Columns]) -> Vec<String> {
    let mut carried: BTreeMap<(String, String, bool), u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| column(row, 0) != "STATE") {
        let task = document(row, 4);
        let task = task
            .pointer("/key/task")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let watch = column(row, 0) == "WATCH";
        let parked = column(row, 3) == "PARKED";
        if !parked {
            *carried
                .entry((column(row, 1), task.to_owned(), watch))
                .or_insert(0) += 1;
        }
    }
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| column(row, 0) == "STATE") {
        let state = document(row, 4);
        for (key, task) in tasks(&state) {
            let watch = match state_word(task) {
                "RUNNING" => false,
                "AWAITING_CALLBACK" => true,
                _ => continue,
            };
            let count = carried
                .get(&(column(row, 1), key.to_owned(), watch))
                .copied()
                .unwrap_or(0);
            if count != 1 {
                wrong.push(format!(
                    "{} {}: task {key} is {} with {count} rows",
                    column(row, 2),
                    column(row, 3),
                    state_word(task)
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_found_as_a_whole_word_only() {
        assert!(holds("automation,CYCLE=1", "CYCLE=1"));
        assert!(!holds("automation,CYCLE=12", "CYCLE=1"));
        assert!(!holds("VERSION=1.1.0.4", "VERSION=1.1.0"));
        assert!(holds("VERSION=1.1.0,SHA=a", "VERSION=1.1.0"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_duplicate_planted_at_a_vendor_is_seen_once() {
        use crate::system::client::Client;
        use delivr_sandbox::Sandbox;
        let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let found = tokio::task::block_in_place(|| {
            let jira = Client::new(vendors.url(), Some("sandbox-dc-token".to_owned()));
            let fields = json!({
                "project": { "key": "REL" }, "issuetype": { "name": "Task" }, "summary": "shop 1.1.0 (IOS)",
            });
            for key in ["one", "another"] {
                let property = json!({ "key": "delivr_key", "value": key });
                let body = json!({ "fields": fields, "properties": [property] });
                jira.post("/jira/rest/api/2/issue", &body).unwrap();
            }
            twice("acme", &jira.get("/_journal").unwrap())
        });
        assert_eq!(found, ["acme: jira create_issue REL shop 1.1.0 (IOS)"]);
        vendors.stop().await;
    }

    #[test]
    fn a_task_without_its_row_is_seen() {
        let state = json!({ "board": { "tasks": {
            "FORK_BRANCH/-/-": { "state": { "state": "RUNNING", "step": 0 } },
            "AUTOMATION_RUNS/IOS_APP_STORE/1": { "state": { "state": "AWAITING_CALLBACK" } },
            "MERGE_BACK/-/-": { "state": { "state": "PENDING" } },
        } } })
        .to_string();
        let row = |kind: &str, state: &str, task: &str| -> Columns {
            let effect = json!({ "key": { "task": task } }).to_string();
            [kind, "a1", "RELEASE", state, &effect].map(str::to_owned).into()
        };
        let release: Columns = ["STATE", "a1", "RELEASE", "REL-1", &state]
            .map(str::to_owned)
            .into();
        let run = row("PERFORM", "CLAIMED", "FORK_BRANCH/-/-");
        let wait = row("WATCH", "READY", "AUTOMATION_RUNS/IOS_APP_STORE/1");
        let all = [release.clone(), run.clone(), wait.clone()];
        assert_eq!(without_their_rows(&all), Vec::<String>::new());
        assert_eq!(
            without_their_rows(&[release.clone(), wait.clone()]),
            ["RELEASE REL-1: task FORK_BRANCH/-/- is RUNNING with 0 rows"]
        );
        // Parked is not carried on; and one row too many is as wrong as none.
        let parked = row("PERFORM", "PARKED", "FORK_BRANCH/-/-");
        assert_eq!(
            without_their_rows(&[release.clone(), parked, wait.clone()]).len(),
            1
        );
        assert_eq!(without_their_rows(&[release, run.clone(), run, wait]).len(), 1);
    }

    #[test]
    fn a_planted_duplicate_is_one_line() {
        let journal = json!({ "duplicates": [
            { "vendor": "jira", "operation": "create_issue", "subject": "REL shop 1.1.0 (IOS)", "count": 1 },
            { "vendor": "slack", "operation": "post_message", "subject": "releases: held", "count": 2 },
        ], "effects": [
            { "operation": "post_message", "subject": "releases: held", "key": "a" },
            { "operation": "post_message", "subject": "releases: held", "key": "b" },
            { "operation": "post_message", "subject": "releases: held", "key": "b" },
        ] });
        assert_eq!(
            twice("acme", &journal),
            [
                "acme: told twice: releases: held",
                "acme: jira create_issue REL shop 1.1.0 (IOS)"
            ]
        );
    }
}
