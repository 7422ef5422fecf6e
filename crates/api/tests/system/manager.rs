//! A release manager: sets a team up, asks for things, and follows a release as people do, through the API alone.

use crate::http::{Http, items, text};
use crate::stage::Stage;
use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Both stores.
pub const BOTH: &[&str] = &["IOS_APP_STORE", "ANDROID_PLAY_STORE"];

/// A team's things by name.
#[derive(Debug, Clone, Default)]
pub struct Team {
    ids: BTreeMap<String, String>,
    /// Platform and id.
    pipelines: Vec<(String, String)>,
}

impl Team {
    pub fn id(&self, name: &str) -> &str {
        self.ids
            .get(name)
            .unwrap_or_else(|| panic!("the team has no {name}"))
    }
}

/// An instant so many seconds from now.
pub fn in_seconds(seconds: i64) -> String {
    (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339()
}

async fn connect(http: &Http, category: &str, body: &Value) -> String {
    let id = text(
        &http.post(&format!("/integrations/{category}"), body).await,
        "/id",
    );
    let verified = http
        .post(&format!("/integrations/{category}/{id}/verify"), &json!({}))
        .await;
    assert_eq!(verified["verificationStatus"], "VALID", "{body} {verified}");
    id
}

/// Who keeps the source and runs the builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosting {
    /// A git server of the team's own, and Jenkins.
    GitAndJenkins,
    /// GitHub and its Actions.
    GitHub,
}

impl Hosting {
    /// What is called so in Jenkins.
    fn job(self, jenkins: &str) -> String {
        match self {
            Self::GitAndJenkins => jenkins.to_owned(),
            Self::GitHub => format!("{}.yml", jenkins.replace("-prod", "-release")),
        }
    }
    fn parameter(self, jenkins: &str) -> String {
        match self {
            Self::GitAndJenkins => jenkins.to_owned(),
            Self::GitHub => jenkins.to_lowercase(),
        }
    }
}

/// Connects everything; the settings are laid over those of the team.
pub async fn set_up(stage: &Stage, settings: &Value) -> Team {
    set_up_at(stage, settings, Hosting::GitAndJenkins).await
}

/// The same for a team whose source and builds are elsewhere.
pub async fn set_up_at(stage: &Stage, settings: &Value, hosting: Hosting) -> Team {
    let http = &stage.http;
    let mut team = Team::default();
    let offered = credentials(stage).await;
    let of = |entry: &Value, name: &str| {
        json!({
            "provider": entry["key"], "name": name, "config": entry["config"], "credentials": entry["credentials"],
        })
    };
    let (scm, ci) = match hosting {
        Hosting::GitAndJenkins => {
            let config = json!({ "url": stage.repository.url(), "defaultBranch": "main" });
            let git = json!({ "key": "git", "config": config, "credentials": {} });
            (of(&git, "git"), of(&offered["jenkins"], "jenkins"))
        }
        Hosting::GitHub => (
            of(&offered["github"], "github"),
            of(&offered["github"]["actions"], "actions"),
        ),
    };
    team.ids
        .insert("scm".to_owned(), connect(http, "scm", &scm).await);
    team.ids
        .insert("ci".to_owned(), connect(http, "ci-cd", &ci).await);
    for (category, vendor) in [
        ("project-management", "jira"),
        ("communication", "slack"),
        ("test-management", "checkmate"),
        ("stores", "appstore"),
        ("stores", "playstore"),
    ] {
        let body = of(&offered[vendor], vendor);
        team.ids
            .insert(vendor.to_owned(), connect(http, category, &body).await);
    }
    for (name, platform, purpose, job) in [
        ("ios regression", "IOS", "REGRESSION_BUILD", "ios-regression"),
        (
            "android regression",
            "ANDROID",
            "REGRESSION_BUILD",
            "android-regression",
        ),
        ("ios automation", "IOS", "AUTOMATION", "automation"),
        ("android automation", "ANDROID", "AUTOMATION", "automation"),
        ("testflight", "IOS", "TEST_FLIGHT_BUILD", "ios-prod"),
        ("bundle", "ANDROID", "AAB_BUILD", "android-prod"),
    ] {
        let mut parameters = json!({});
        for name in ["VERSION", "BRANCH", "TAG", "SHA", "PLATFORM", "CYCLE"] {
            // The builds for the stores belong to no cycle.
            if name != "CYCLE" || !job.ends_with("-prod") {
                parameters[hosting.parameter(name)] = json!(format!("{{{}}}", name.to_lowercase()));
            }
        }
        let body = json!({
            "name": name, "integrationId": team.id("ci"), "scmIntegrationId": team.id("scm"),
            "platform": platform, "purpose": purpose, "job": hosting.job(job), "parameters": parameters,
        });
        let id = text(&http.post("/integrations/pipelines", &body).await, "/id");
        team.pipelines.push((platform.to_owned(), id));
    }
    let service =
        json!({ "slug": "shop", "name": "Shop", "kind": "MOBILE", "scmIntegrationId": team.id("scm") });
    team.ids.insert(
        "service".to_owned(),
        text(&http.post("/services", &service).await, "/id"),
    );
    let profile = json!({ "name": "Shop", "serviceId": team.id("service"), "settings": settled(settings) });
    team.ids.insert(
        "profile".to_owned(),
        text(&http.post("/profiles", &profile).await, "/id"),
    );
    team
}

async fn credentials(stage: &Stage) -> Value {
    let url = format!("{}/_credentials", stage.vendors.url());
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

fn settled(over: &Value) -> Value {
    let mut settings = json!({
        "scm": { "baseBranch": "main" },
        "testing": { "passThreshold": 95 },
        "autoStart": ["REGRESSION"],
        "deadlines": { "pollSeconds": 1 },
        "stores": {
            "IOS_APP_STORE": { "submit": "AUTO", "timing": "MANUAL", "phased": true, "pollSeconds": 1 },
            "ANDROID_PLAY_STORE": {
                "submit": "AUTO", "timing": "AFTER_APPROVAL", "steps": [500, 2000, 10000], "pollSeconds": 1,
            },
        },
    });
    merge(&mut settings, over);
    settings
}

fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}

/// The body that asks for a release of these targets.
pub fn wanted(team: &Team, version: &str, targets: &[&str], more: &Value) -> Value {
    let store = |target: &str| {
        if target == "IOS_APP_STORE" {
            "appstore"
        } else {
            "playstore"
        }
    };
    let platforms: Vec<&str> = targets
        .iter()
        .map(|target| {
            if *target == "IOS_APP_STORE" {
                "IOS"
            } else {
                "ANDROID"
            }
        })
        .collect();
    let pipelines = team
        .pipelines
        .iter()
        .filter(|(platform, _)| platforms.contains(&platform.as_str()));
    let pipelines: Vec<&String> = pipelines.map(|(_, id)| id).collect();
    let targets: Vec<Value> = targets
        .iter()
        .map(|target| json!({ "target": target, "storeIntegrationId": team.id(store(target)) }))
        .collect();
    let mut body = json!({
        "serviceId": team.id("service"), "profileId": team.id("profile"), "type": "MINOR", "title": "A release",
        "version": version, "targets": targets, "scmIntegrationId": team.id("scm"), "ticketId": team.id("jira"),
        "communicationId": team.id("slack"), "testManagementId": team.id("checkmate"),
        "pipelines": pipelines, "slots": [{ "at": in_seconds(2) }],
    });
    merge(&mut body, more);
    body
}

/// A release that is followed.
#[derive(Debug, Clone)]
pub struct Followed {
    pub id: String,
}

impl Followed {
    pub async fn create(stage: &Stage, body: &Value) -> Self {
        Self {
            id: text(&stage.http.post("/releases", body).await, "/id"),
        }
    }
    pub fn path(&self, rest: &str) -> String {
        format!("/releases/{}{rest}", self.id)
    }
    pub async fn read(&self, stage: &Stage) -> Value {
        stage.http.get(&self.path("")).await
    }
    pub async fn tasks(&self, stage: &Stage) -> Vec<Value> {
        items(&stage.http.get(&self.path("/tasks?limit=200")).await)
    }
    /// The task of a kind, target and cycle.
    pub async fn task(&self, stage: &Stage, key: &str) -> Value {
        let tasks = self.tasks(stage).await;
        let found = tasks.iter().find(|task| task["key"] == key).cloned();
        found.unwrap_or_else(|| {
            panic!(
                "no task {key} in {:?}",
                tasks.iter().map(|it| &it["key"]).collect::<Vec<_>>()
            )
        })
    }
    /// Waits for a phase. A failed task ends the wait, since nothing would follow.
    pub async fn phase(&self, stage: &Stage, phase: &str) -> Value {
        stage
            .until(&format!("{} is {phase}", self.id), async || {
                let release = stage.http.try_ask("GET", &self.path(""), None).await?.body;
                if release["phase"] == phase {
                    return Some(release);
                }
                let failed: Vec<Value> = match stage
                    .http
                    .try_ask("GET", &self.path("/tasks?limit=200"), None)
                    .await
                {
                    Some(tasks) => items(&tasks.body)
                        .into_iter()
                        .filter(|it| it["status"] == "FAILED")
                        .collect(),
                    None => Vec::new(),
                };
                assert!(failed.is_empty(), "waiting for {phase}: {failed:?}");
                None
            })
            .await
    }
    /// Waits until a task has a status.
    pub async fn task_is(&self, stage: &Stage, key: &str, status: &str) -> Value {
        stage
            .until(&format!("{key} is {status}"), async || {
                let tasks = stage
                    .http
                    .try_ask("GET", &self.path("/tasks?limit=200"), None)
                    .await?;
                items(&tasks.body)
                    .into_iter()
                    .find(|task| task["key"] == key && task["status"] == status)
            })
            .await
    }
    pub async fn action(&self, stage: &Stage, action: &str, body: &Value) -> Value {
        stage.http.post(&self.path(&format!("/{action}")), body).await
    }
    /// Approves every ticket of the release at the vendor.
    pub fn approve_tickets(stage: &Stage) {
        stage
            .advance(&json!({ "vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done" }));
    }
    /// Target rows of the distribution.
    pub async fn distribution(&self, stage: &Stage) -> Vec<Value> {
        let read = stage.http.get(&self.path("/distribution")).await;
        read["targets"]
            .as_array()
            .unwrap_or_else(|| panic!("no targets: {read}"))
            .clone()
    }
    /// Does in the stores what a release manager does, until the release has another phase.
    pub async fn ship(&self, stage: &Stage) {
        let mut asked = BTreeSet::new();
        let asked = std::cell::RefCell::new(&mut asked);
        stage
            .until("everything is in the stores", async || {
                let release = stage.http.try_ask("GET", &self.path(""), None).await?.body;
                if release["phase"] != "DISTRIBUTION" {
                    return Some(());
                }
                for target in self.distribution(stage).await {
                    if let Some(path) = next_wish(&target)
                        && asked.borrow_mut().insert(path.clone())
                    {
                        let body = if path.starts_with("/rollouts/") {
                            json!({ "reason": "all is well" })
                        } else {
                            json!({})
                        };
                        stage.http.post(&path, &body).await;
                    }
                }
                None
            })
            .await;
    }
    /// From a fresh release to COMPLETED, in the plainest way.
    pub async fn to_the_end(&self, stage: &Stage) -> Value {
        self.phase(stage, "AWAITING_PRE_RELEASE").await;
        self.action(stage, "trigger-pre-release", &json!({})).await;
        self.phase(stage, "AWAITING_DISTRIBUTION").await;
        Self::approve_tickets(stage);
        self.action(stage, "trigger-distribution", &json!({})).await;
        self.ship(stage).await;
        self.phase(stage, "COMPLETED").await
    }
    /// Tag, tested commit, shipped builds: one commit. And nothing was done twice.
    pub async fn assert_right(&self, stage: &Stage, targets: usize) {
        self.assert_one_commit(stage, targets).await;
        assert_eq!(stage.duplicates(), Vec::<String>::new());
    }
    /// Tag, tested commit, shipped builds: one commit.
    pub async fn assert_one_commit(&self, stage: &Stage, targets: usize) {
        let release = self.read(stage).await;
        let tagged = stage
            .repository
            .commit_of(&format!("refs/tags/{}", text(&release, "/tag")));
        let cycles = release["cycles"].as_array().unwrap().clone();
        let tested = cycles
            .iter()
            .rev()
            .find(|cycle| cycle["status"] != "ABANDONED")
            .unwrap();
        assert_eq!(
            tested["sha"],
            tagged.as_str(),
            "the tag is not of the tested commit"
        );
        let builds = items(&stage.http.get(&self.path("/builds?limit=200")).await);
        let shipped: Vec<&Value> = builds.iter().filter(|build| build["cycle"].is_null()).collect();
        assert_eq!(shipped.len(), targets, "{builds:?}");
        for build in shipped {
            assert_eq!(
                build["sha"],
                tagged.as_str(),
                "a store build is not of the tested commit: {build}"
            );
        }
    }
}

/// The submission in force, and its rollout.
pub fn children(target: &Value) -> (Value, Value) {
    let submission = target["submissions"]
        .as_array()
        .and_then(|all| all.last())
        .cloned();
    (submission.unwrap_or(Value::Null), target["rollout"].clone())
}

/// What a person asks for next of a target, if anything.
fn next_wish(target: &Value) -> Option<String> {
    let (submission, rollout) = children(target);
    let (kind, child, verb) = match (submission["status"].as_str(), rollout["status"].as_str()) {
        (_, Some("ACTIVE")) => ("rollout", rollout, "complete"),
        (Some("APPROVED"), None) => ("submission", submission, "release"),
        (_, _) => return None,
    };
    Some(format!("/{kind}s/{}/{verb}", text(&child, "/id")))
}

/// A JSON object of nothing.
pub fn nothing() -> Value {
    Value::Object(Map::new())
}
