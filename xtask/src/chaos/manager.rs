//! A release manager in the middle of it: follows one release through the public API, asks for what must be asked for,
//! has whims, mends what failed, and repeats a request under its own key until it is answered, as a careful client does.

use super::plan::{Deed, ReleasePlan};
use super::world::{LaneWorld, TenantWorld, World};
use crate::system::client::{Answer, Client, fresh_key};
use crate::system::{list, text, word};
use anyhow::{Context, Result, bail};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the release is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a person waits before asking for the same thing again.
const AGAIN: Duration = Duration::from_secs(6);
/// Phases in which nothing more happens by itself.
pub(crate) const ENDS: [&str; 3] = ["COMPLETED", "ARCHIVED", "ROLLED_BACK"];

/// A release as its manager saw it to its end.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) tenant: &'static str,
    pub(crate) lane: &'static str,
    pub(crate) version: String,
    pub(crate) id: String,
    /// What was accepted, by the history's word for it.
    pub(crate) accepted: BTreeMap<&'static str, u64>,
    /// Why it did not end; none if it did.
    pub(crate) stuck: Option<String>,
    /// Failed tasks that were tried again.
    pub(crate) retries: u64,
}

struct Manager<'a> {
    world: &'a World<'a>,
    tenant: &'a TenantWorld,
    lane: &'a LaneWorld,
    plan: &'a ReleasePlan,
    followed: Followed,
    /// Whims that were followed.
    done: Vec<bool>,
    /// When what was last asked for.
    asked: BTreeMap<String, Instant>,
    phase: String,
}

/// An instant so many milliseconds from now.
fn soon(ms: i64) -> String {
    (Utc::now() + TimeDelta::milliseconds(ms)).to_rfc3339()
}

/// Asks until there is an answer that is no plea to come again.
fn insist(world: &World<'_>, api: &Client, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    let key = fresh_key();
    let named = (method == "POST").then_some(key.as_str());
    loop {
        match api.ask(method, path, body, named) {
            Ok(answer) if answer.status < 500 && answer.status != 429 => return Ok(answer),
            Ok(_) | Err(_) if world.late() => bail!("{method} {path}: no answer before the run's end"),
            Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(150)),
        }
    }
}

/// Takes a release from its creation to its end.
///
/// # Errors
/// When it cannot even be created.
pub(crate) fn follow(
    world: &World<'_>,
    tenant: &TenantWorld,
    lane: &LaneWorld,
    plan: &ReleasePlan,
) -> Result<Followed> {
    let mut answer = insist(world, &tenant.api, "POST", "/releases", Some(&body(lane, plan)))?;
    // While the API was down the slot has come nearer than the kickoff: a person names a later one. That is another
    // request, and what the killed one reserved runs out first.
    let again = |it: &Answer| {
        let code = it.document();
        let code = word(&code, "code");
        code == "being_created" || (it.status == 422 && it.text.contains("/slots/0/at"))
    };
    while again(&answer) && !world.late() {
        std::thread::sleep(LOOK);
        answer = insist(world, &tenant.api, "POST", "/releases", Some(&body(lane, plan)))?;
    }
    if answer.status != 201 {
        bail!("{} could not be created: {}", plan.version, answer.text);
    }
    let mut manager = Manager {
        world,
        tenant,
        lane,
        plan,
        followed: Followed {
            tenant: tenant.slug,
            lane: lane.plan.slug,
            version: plan.version.clone(),
            id: text(&answer.document(), "/id")?,
            accepted: BTreeMap::new(),
            stuck: None,
            retries: 0,
        },
        done: vec![false; plan.whims.len()],
        asked: BTreeMap::new(),
        phase: String::new(),
    };
    manager.note(format!("created as {}", manager.followed.id));
    loop {
        match manager.look() {
            Ok(true) => return Ok(manager.followed),
            Ok(false) => {}
            // The API may be down just now; whoever is late says what was last seen.
            Err(error) => manager.note(format!("{error:#}")),
        }
        if world.late() {
            manager.followed.stuck = Some(manager.last_words());
            return Ok(manager.followed);
        }
        std::thread::sleep(LOOK);
    }
}

fn body(lane: &LaneWorld, plan: &ReleasePlan) -> Value {
    let team = &lane.team;
    let mut targets = Vec::new();
    if lane.plan.apple {
        targets.push(json!({ "target": "IOS_APP_STORE", "storeIntegrationId": team.app_store }));
    }
    if lane.plan.play {
        targets.push(json!({ "target": "ANDROID_PLAY_STORE", "storeIntegrationId": team.play_store }));
    }
    json!({
        "serviceId": team.service, "profileId": team.profile, "type": "MINOR",
        "title": format!("Chaos {}", plan.version), "version": plan.version, "targets": targets,
        "scmIntegrationId": team.scm, "ticketId": team.desk.tickets, "communicationId": team.desk.chat,
        "testManagementId": team.desk.tests, "pipelines": team.pipelines, "slots": [{ "at": soon(2_000) }],
    })
}

impl Manager<'_> {
    fn note(&self, line: impl AsRef<str>) {
        let it = &self.followed;
        self.world.note(format!(
            "{} {} {}: {}",
            it.tenant,
            it.lane,
            it.version,
            line.as_ref()
        ));
    }

    fn path(&self, rest: &str) -> String {
        format!("/releases/{}{rest}", self.followed.id)
    }

    fn insist(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let answer = insist(self.world, &self.tenant.api, method, path, Some(body))?;
        let said = if answer.accepted() {
            String::new()
        } else {
            format!(" {}", word(&answer.document(), "detail"))
        };
        self.note(format!("{method} {path} -> {}{said}", answer.status));
        Ok(answer)
    }

    /// Asks for something that shows in the history as one event each time it is accepted.
    fn counted(&mut self, event: &'static str, path: &str, body: &Value) -> Result<Answer> {
        let answer = self.insist("POST", path, body)?;
        if answer.accepted() {
            *self.followed.accepted.entry(event).or_insert(0) += 1;
        }
        Ok(answer)
    }

    /// Whether it is time to ask for this (again).
    fn may_ask(&mut self, what: &str) -> bool {
        let now = Instant::now();
        let due = self.asked.get(what).is_none_or(|at| now - *at > AGAIN);
        if due {
            self.asked.insert(what.to_owned(), now);
        }
        due
    }

    /// Looks and does what comes next; true when the release has ended.
    fn look(&mut self) -> Result<bool> {
        let release = self.tenant.api.get(&self.path(""))?;
        let phase = word(&release, "phase").to_owned();
        if phase != self.phase {
            self.note(format!("phase {phase}"));
            self.phase = phase.clone();
        }
        if ENDS.contains(&phase.as_str()) {
            return Ok(true);
        }
        self.mend()?;
        self.whims(&phase, &release)?;
        match phase.as_str() {
            "AWAITING_REGRESSION" => self.trigger("trigger-regression-testing")?,
            // A planned cycle comes by itself.
            "REGRESSION_AWAITING_NEXT_CYCLE" if list(&release, "slots").is_empty() => self.new_cycle()?,
            "AWAITING_PRE_RELEASE" => self.trigger("trigger-pre-release")?,
            "AWAITING_DISTRIBUTION" => {
                let approve =
                    json!({ "vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done" });
                self.tenant.vendors.post("/_advance", &approve)?;
                self.trigger("trigger-distribution")?;
            }
            "DISTRIBUTION" => self.ship()?,
            _ => {}
        }
        Ok(false)
    }

    fn new_cycle(&mut self) -> Result<()> {
        if self.may_ask("cycle") {
            self.insist("POST", &self.path("/cycles"), &json!({}))?;
        }
        Ok(())
    }

    fn trigger(&mut self, action: &str) -> Result<()> {
        if !self.may_ask(action) {
            return Ok(());
        }
        let path = self.path(&format!("/{action}"));
        let twice = self.plan.whims.iter().any(|it| it.deed == Deed::DoubleClick);
        let answer = if twice {
            let (first, second) = std::thread::scope(|scope| {
                let other = scope.spawn(|| self.insist("POST", &path, &json!({})));
                let this = self.insist("POST", &path, &json!({}));
                (this, other.join())
            });
            // Either may be the one that counts; a lost race is answered, not an error.
            let second = second.map_err(|_| anyhow::anyhow!("a click went wrong"))??;
            let first = first?;
            if first.accepted() { first } else { second }
        } else {
            self.insist("POST", &path, &json!({}))?
        };
        let document = answer.document();
        let untested = |it: &Value| {
            matches!(
                word(it, "code"),
                "untested_commits" | "verdict_failed" | "verdict_unknown"
            )
        };
        if list(&document, "blockers").iter().any(untested) {
            self.new_cycle()?;
        }
        Ok(())
    }

    /// Follows whims whose phase has come.
    fn whims(&mut self, phase: &str, release: &Value) -> Result<()> {
        for (at, whim) in self.plan.whims.iter().enumerate() {
            let due = whim.phase == phase && self.done.get(at) == Some(&false);
            if !due {
                continue;
            }
            let followed = self.follow_whim(whim.deed, release)?;
            if let Some(done) = self.done.get_mut(at) {
                *done = followed;
            }
        }
        Ok(())
    }

    /// Does the deed; false when it is too early for it.
    fn follow_whim(&mut self, deed: Deed, release: &Value) -> Result<bool> {
        match deed {
            Deed::Pause(ms) => {
                self.insist("POST", &self.path("/pause"), &json!({ "note": "lunch" }))?;
                self.wait(ms);
                self.insist("POST", &self.path("/resume"), &json!({}))?;
            }
            Deed::Block(ms) => {
                let body = json!({ "reason": "a doubt", "scope": "EVERYTHING" });
                self.insist("POST", &self.path("/block"), &body)?;
                self.wait(ms);
                self.insist("POST", &self.path("/unblock"), &json!({}))?;
            }
            Deed::StopLine(ms) => {
                let stop = json!({ "stopped": true, "reason": "an incident" });
                self.insist("POST", "/line/stop", &stop)?;
                self.wait(ms);
                self.insist("POST", "/line/stop", &json!({ "stopped": false }))?;
            }
            Deed::AddSlot => {
                self.counted("SLOT_ADDED", &self.path("/slots"), &json!({ "at": soon(1_500) }))?;
            }
            Deed::MoveSlot => {
                if let Some(slot) = self.far_slot()? {
                    let path = self.path(&format!("/slots/{slot}"));
                    // Changed by the machine meanwhile: read again and repeat, until it is there or gone.
                    loop {
                        let answer = self.insist("PATCH", &path, &json!({ "at": soon(1_000) }))?;
                        if answer.status != 412 && word(&answer.document(), "code") != "changed_meanwhile" {
                            break;
                        }
                    }
                }
            }
            Deed::DropSlot => {
                if let Some(slot) = self.far_slot()? {
                    self.insist("DELETE", &self.path(&format!("/slots/{slot}")), &Value::Null)?;
                }
            }
            Deed::NewCycle => {
                self.insist("POST", &self.path("/cycles"), &json!({}))?;
            }
            Deed::Commit => {
                let branch = word(release, "branchRelease");
                if branch.is_empty() {
                    return Ok(false);
                }
                let told = format!("Round yen in {}.\n", self.plan.version);
                self.lane
                    .repository
                    .commit(branch, "pay.txt", &told, "fix: Round yen correctly")?;
                self.note("committed a fix");
            }
            // Looked at where a trigger is used.
            Deed::DoubleClick => {}
            Deed::PauseRollout => return self.shake_rollout("pause"),
            Deed::HaltRollout => return self.shake_rollout("halt"),
            Deed::Archive => {
                let body =
                    json!({ "reason": "not this quarter", "closeTickets": true, "deleteBranch": true });
                self.insist("POST", &self.path("/archive"), &body)?;
            }
        }
        Ok(true)
    }

    /// Plans a regression cycle an hour from now.
    fn far_slot(&mut self) -> Result<Option<String>> {
        let path = self.path("/slots");
        let answer = self.counted("SLOT_ADDED", &path, &json!({ "at": soon(3_600_000) }))?;
        Ok(answer
            .accepted()
            .then(|| word(&answer.document(), "id").to_owned()))
    }

    fn wait(&self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    /// Pauses or halts the rollout in Google Play and resumes it.
    fn shake_rollout(&mut self, action: &str) -> Result<bool> {
        let Some(rollout) = self.play_rollout()? else {
            return Ok(false);
        };
        if word(&rollout, "status") != "ACTIVE" {
            return Ok(false);
        }
        let path = format!("/rollouts/{}", word(&rollout, "id"));
        let why = json!({ "reason": "a crash was reported" });
        self.insist("POST", &format!("{path}/{action}"), &why)?;
        let still = if action == "halt" { "HALTED" } else { "PAUSED" };
        loop {
            // A person resumes what they have seen standing still.
            let seen = self.tenant.api.get(&path);
            if seen.is_ok_and(|it| word(&it, "status") == still) || self.world.late() {
                break;
            }
            self.mend_stores().unwrap_or_default();
            self.wait(250);
        }
        self.insist("POST", &format!("{path}/resume"), &why)?;
        Ok(true)
    }

    fn targets(&self) -> Result<Vec<Value>> {
        let read = self.tenant.api.get(&self.path("/distribution"))?;
        Ok(list(&read, "targets").to_vec())
    }

    fn play_rollout(&self) -> Result<Option<Value>> {
        let targets = self.targets()?;
        let play = targets
            .iter()
            .find(|it| word(it, "target") == "ANDROID_PLAY_STORE");
        Ok(play
            .and_then(|it| it.get("rollout"))
            .filter(|it| !it.is_null())
            .cloned())
    }

    /// Does in the stores what a person must.
    fn ship(&mut self) -> Result<()> {
        for target in self.targets()? {
            let none = Value::Null;
            let submission = list(&target, "submissions").last().unwrap_or(&none);
            let rollout = target.get("rollout").unwrap_or(&none);
            let exposure = rollout.get("exposure").and_then(Value::as_u64).unwrap_or(0);
            let play = word(&target, "target") == "ANDROID_PLAY_STORE";
            let (kind, child, verb) = match (word(submission, "status"), word(rollout, "status")) {
                (_, "ACTIVE") if play && exposure < 2_000 => ("rollouts", rollout, "advance"),
                (_, "ACTIVE") => ("rollouts", rollout, "complete"),
                ("PREPARING", "") if play && submission.get("submitAsked") == Some(&Value::Bool(false)) => {
                    ("submissions", submission, "submit")
                }
                ("APPROVED", "") => ("submissions", submission, "release"),
                (_, _) => continue,
            };
            let path = format!("/{kind}/{}/{verb}", word(child, "id"));
            let body = if kind == "rollouts" {
                json!({ "reason": "all is well" })
            } else {
                json!({})
            };
            if self.may_ask(&path) {
                self.insist("POST", &path, &body)?;
            }
        }
        Ok(())
    }

    /// Has failed tasks tried again, and what cannot be reached verified anew.
    fn mend(&mut self) -> Result<()> {
        let tasks = self.tenant.api.get(&self.path("/tasks?limit=200"))?;
        for task in list(&tasks, "items") {
            if word(task, "status") != "FAILED" {
                continue;
            }
            let id = word(task, "id");
            if !self.may_ask(id) {
                continue;
            }
            self.note(format!("{} failed: {}", word(task, "key"), word(task, "detail")));
            let cause = task.get("cause").unwrap_or(&Value::Null);
            match cause.get("integrationId").and_then(Value::as_str) {
                Some(integration) => self.verify(integration)?,
                None => {
                    self.followed.retries += 1;
                    let path = self.path(&format!("/tasks/{id}"));
                    self.insist("PUT", &path, &json!({ "action": "RETRY" }))?;
                }
            }
        }
        if self.phase == "DISTRIBUTION" {
            self.mend_stores()?;
        }
        Ok(())
    }

    fn verify(&self, integration: &str) -> Result<()> {
        let team = &self.lane.team;
        let category = [
            (&team.desk.ci, "ci-cd"),
            (&team.desk.tickets, "project-management"),
            (&team.desk.chat, "communication"),
            (&team.desk.tests, "test-management"),
            (&team.scm, "scm"),
            (&team.app_store, "stores"),
            (&team.play_store, "stores"),
        ]
        .into_iter()
        .find(|(id, _)| id.as_str() == integration)
        .map(|(_, category)| category)
        .context("an integration of nobody")?;
        let path = format!("/integrations/{category}/{integration}/verify");
        self.insist("POST", &path, &json!({}))?;
        Ok(())
    }

    /// The same in submissions and rollouts.
    fn mend_stores(&mut self) -> Result<()> {
        for target in self.targets()? {
            let mut children: Vec<(&str, &Value)> = list(&target, "submissions")
                .iter()
                .map(|it| ("submissions", it))
                .collect();
            children.extend(
                target
                    .get("rollout")
                    .filter(|it| !it.is_null())
                    .map(|it| ("rollouts", it)),
            );
            for (kind, child) in children {
                for task in list(child, "tasks") {
                    let key = word(task, "key");
                    let path = format!("/{kind}/{}/retry", word(child, "id"));
                    if word(task, "status") == "FAILED" && self.may_ask(&format!("{path} {key}")) {
                        self.note(format!("{key} failed: {}", word(task, "detail")));
                        self.followed.retries += 1;
                        let body = json!({ "task": key });
                        let answer = self.insist("POST", &path, &body)?;
                        if !answer.accepted() {
                            // What no retry mends may be an integration that must be verified.
                            self.verify(word(child, "integrationId"))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What is known of a release that did not end.
    fn last_words(&self) -> String {
        let read = |rest: &str| self.tenant.api.get(&self.path(rest)).unwrap_or(Value::Null);
        let open: Vec<String> = list(&read("/tasks?limit=200"), "items")
            .iter()
            .filter(|it| !matches!(word(it, "status"), "COMPLETED" | "SKIPPED" | "CANCELLED"))
            .map(|it| {
                format!(
                    "{} {} {}",
                    word(it, "key"),
                    word(it, "status"),
                    word(it, "detail")
                )
            })
            .collect();
        let holds = read("");
        let holds: Vec<&str> = list(&holds, "holds").iter().map(|it| word(it, "hold")).collect();
        format!("phase {}, holds {holds:?}, open tasks {open:?}", self.phase)
    }
}
