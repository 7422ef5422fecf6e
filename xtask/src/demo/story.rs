//! One release from kickoff to both stores, told as it happens.

use super::Stage;
use crate::shell::say;
use crate::system::team::Team;
use crate::system::text;
use anyhow::{Context, Result, bail};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Nothing in the demo takes longer than this without any change.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the release is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A release that is followed.
struct Followed {
    id: String,
    /// Last told state of each task, and of the release.
    told: BTreeMap<String, String>,
}

/// Tells the whole story; returns the release's id.
///
/// # Errors
/// When it does not go as it should.
pub(crate) fn tell(stage: &mut Stage) -> Result<String> {
    say("\nA team connects its systems.");
    let team = stage.set_up()?;
    // Builds, tests, processing and reviews succeed by themselves from here on; a day of Apple's takes a while.
    let auto = json!({ "vendor": "*", "action": "auto", "on": true, "afterMs": 500, "dayMs": 3_600_000 });
    stage.vendors.post("/_advance", &auto)?;

    say("\nRelease 1.1.0 starts: branch, tickets, test runs.");
    let release = stage.api.post("/releases", &body(&team))?;
    let mut it = Followed {
        id: text(&release, "/id")?,
        told: BTreeMap::new(),
    };
    it.follow(stage, "the first regression cycle is over", |release| {
        phase(release) == "AWAITING_PRE_RELEASE"
    })?;

    say("\nA fix is cherry-picked onto the release branch: what was tested is no longer what would ship.");
    let branch = text(&it.read(stage)?, "/branchRelease")?;
    stage.repository.commit(
        &branch,
        "pay.txt",
        "Pay by card, in every currency.\n",
        "fix: Round yen correctly",
    )?;
    let refusal = stage
        .api
        .refused(&it.path("/trigger-pre-release"), &json!({}), 409)?;
    say(format!("  refused: {}", text(&refusal, "/detail")?));

    say("\nSo there is a second cycle.");
    stage.api.post(&it.path("/cycles"), &json!({}))?;
    it.follow(stage, "the second regression cycle is over", |release| {
        phase(release) == "AWAITING_PRE_RELEASE"
    })?;

    say("\nThe tested commit is tagged, noted and built for the stores.");
    stage.api.post(&it.path("/trigger-pre-release"), &json!({}))?;
    it.follow(stage, "pre-release is over", |release| {
        phase(release) == "AWAITING_DISTRIBUTION"
    })?;

    let refusal = stage
        .api
        .refused(&it.path("/trigger-distribution"), &json!({}), 409)?;
    say(format!("  refused: {}", text(&refusal, "/detail")?));
    say("\nThe tickets are approved, and the versions go into the stores.");
    stage.vendors.post(
        "/_advance",
        &json!({ "vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done" }),
    )?;
    stage.api.post(&it.path("/trigger-distribution"), &json!({}))?;
    it.ship(stage)?;
    it.follow(stage, "the release is out", |release| {
        phase(release) == "COMPLETED"
    })?;
    Ok(it.id)
}

fn body(team: &Team) -> Value {
    let soon = (Utc::now() + TimeDelta::seconds(3)).to_rfc3339();
    json!({
        "serviceId": team.service, "profileId": team.profile, "type": "MINOR", "title": "Wish list and currencies",
        "version": "1.1.0",
        "targets": [
            { "target": "IOS_APP_STORE", "storeIntegrationId": team.app_store },
            { "target": "ANDROID_PLAY_STORE", "storeIntegrationId": team.play_store },
        ],
        "scmIntegrationId": team.scm, "ticketId": team.desk.tickets, "communicationId": team.desk.chat,
        "testManagementId": team.desk.tests, "pipelines": team.pipelines,
        "slots": [{ "at": soon }],
    })
}

fn phase(release: &Value) -> &str {
    release.get("phase").and_then(Value::as_str).unwrap_or_default()
}

fn items(list: &Value) -> &[Value] {
    list.get("items")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

impl Followed {
    fn path(&self, rest: &str) -> String {
        format!("/releases/{}{rest}", self.id)
    }

    fn read(&self, stage: &Stage) -> Result<Value> {
        stage.api.get(&self.path(""))
    }

    /// Tells what changes until the condition holds.
    fn follow(&mut self, stage: &mut Stage, what: &str, done: impl Fn(&Value) -> bool) -> Result<()> {
        let mut changed = Instant::now();
        loop {
            stage.delivr.alive()?;
            stage.sandbox.alive()?;
            let release = self.read(stage)?;
            if self.look(stage, &release)? {
                changed = Instant::now();
            }
            if done(&release) {
                return Ok(());
            }
            if changed.elapsed() > PATIENCE {
                bail!(
                    "nothing has changed for {} s, but not yet: {what}; the release is {release}",
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Tells changed tasks and phases; says whether there were any.
    fn look(&mut self, stage: &Stage, release: &Value) -> Result<bool> {
        let mut changed = false;
        let tasks = stage.api.get(&self.path("/tasks?limit=200"))?;
        for task in items(&tasks) {
            let (key, status) = (text(task, "/key")?, text(task, "/status")?);
            if status == "FAILED" {
                bail!("{key} failed: {task}");
            }
            let quiet = status == "PENDING" || status == "RUNNING";
            if self.told.insert(key.clone(), status.clone()).as_ref() != Some(&status) {
                changed = true;
                if !quiet {
                    let made = task.get("externalId").and_then(Value::as_str).unwrap_or_default();
                    say(format!("  {status:<18} {key} {made}").trim_end());
                }
            }
        }
        let phase = phase(release).to_owned();
        if self.told.insert(String::new(), phase.clone()).as_ref() != Some(&phase) {
            changed = true;
            say(format!("  phase {phase}"));
        }
        Ok(changed)
    }

    /// Does what a release manager does in distribution: submits, releases what is approved, raises and completes rollouts.
    fn ship(&mut self, stage: &mut Stage) -> Result<()> {
        let mut asked = BTreeSet::new();
        let mut changed = Instant::now();
        loop {
            stage.delivr.alive()?;
            let release = self.read(stage)?;
            if self.look(stage, &release)? {
                changed = Instant::now();
            }
            if phase(&release) != "DISTRIBUTION" {
                return Ok(());
            }
            let distribution = stage.api.get(&self.path("/distribution"))?;
            for target in distribution
                .get("targets")
                .and_then(Value::as_array)
                .context("targets")?
            {
                if let Some(action) = next_action(target)? {
                    // Each wish is uttered once; what it leads to is the machine's business.
                    if asked.insert(action.path.clone()) {
                        stage.api.post(&action.path, &action.body)?;
                        say(format!("  asked: {}", action.told));
                        changed = Instant::now();
                    }
                }
            }
            if changed.elapsed() > PATIENCE {
                bail!(
                    "nothing has changed for {} s in the stores: {distribution}",
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Something a release manager asks for.
struct Action {
    path: String,
    body: Value,
    told: String,
}

/// What comes next for a target, if that is a person's to say.
fn next_action(target: &Value) -> Result<Option<Action>> {
    let name = text(target, "/target")?;
    let none = Value::Null;
    // The last submission is the one in force.
    let submission = target
        .get("submissions")
        .and_then(Value::as_array)
        .and_then(|all| all.last());
    let submission = submission.unwrap_or(&none);
    let rollout = target.get("rollout").unwrap_or(&none);
    let status = |child: &Value| {
        child
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let exposure = rollout.get("exposure").and_then(Value::as_u64).unwrap_or(0);
    let why = |reason: &str| json!({ "reason": reason });
    let (kind, child, verb, body) = match (status(submission).as_str(), status(rollout).as_str()) {
        (_, "ACTIVE") if name == "ANDROID_PLAY_STORE" && exposure < 2_000 => (
            "rollout",
            rollout,
            "advance",
            why("no crashes among the first users"),
        ),
        (_, "ACTIVE") => ("rollout", rollout, "complete", why("all is well")),
        ("PREPARING", "") => ("submission", submission, "submit", json!({})),
        ("APPROVED", "") => ("submission", submission, "release", json!({})),
        (_, _) => return Ok(None),
    };
    let id = text(child, "/id")?;
    Ok(Some(Action {
        path: format!("/{kind}s/{id}/{verb}"),
        body,
        told: format!("{verb} the {kind} for {name}"),
    }))
}
