//! A company that releases several apps: three weeks of its life, told from the beginning, with releases in every stage and
//! the troubles that people know. Pictures, accessibility and sizes are tested on it.

use crate::driver::{Browser, Screen, Script};
use crate::house::{Desk, House, Team, settings, tasks, text};
use chrono::TimeDelta;
use delivr_app::usecases::access::Role;
use serde_json::{Value, json};

pub(crate) const ADA: &str = "ada.lindqvist@acme.example";
const BEN: &str = "ben.okafor@acme.example";
const CHLOE: &str = "chloe.martin@acme.example";
const DIEGO: &str = "diego.alvarez@acme.example";

const BOTH: &[&str] = &["IOS_APP_STORE", "ANDROID_PLAY_STORE"];
const IOS: &[&str] = &["IOS_APP_STORE"];
const ANDROID: &[&str] = &["ANDROID_PLAY_STORE"];

/// The company, and the releases that have something to show.
pub(crate) struct Organisation {
    pub(crate) house: House,
    /// Ships: a rollout at 20 % and a phased release.
    pub(crate) shipping: String,
    /// Rejected by its store.
    pub(crate) rejected: String,
    /// Between regression cycles.
    pub(crate) testing: String,
    /// A task of it failed.
    pub(crate) failed: String,
    pub(crate) failed_task: String,
    /// Waits for approvals.
    pub(crate) gated: String,
    /// Planned.
    pub(crate) planned: String,
    /// Done.
    pub(crate) done: String,
    task: String,
    /// A build of the one between cycles.
    build: String,
    token: String,
    /// A link to a status page: its id, and its address.
    link: (String, String),
    /// A view that was saved of the table.
    view: String,
    service: String,
    profile: String,
    pipeline: String,
    /// Category and id.
    integration: String,
}

fn days(count: i64) -> TimeDelta {
    TimeDelta::days(count)
}

fn hours(count: i64) -> TimeDelta {
    TimeDelta::hours(count)
}

/// The id of the first thing of a list.
async fn first(house: &House, list: &str) -> String {
    text(&house.get(&format!("{list}?limit=1")).await, "/items/0/id")
}

struct Story {
    house: House,
    desk: Desk,
    ben: String,
    chloe: String,
}

impl Story {
    async fn pass(&self, span: TimeDelta) {
        self.house.pass(span, hours(4)).await;
    }

    async fn act(&self, release: &str, action: &str, body: &Value) {
        self.house
            .post(&format!("/releases/{release}/{action}"), body)
            .await;
    }

    async fn approve(&self, release: &str, stage: &str, comment: &str) {
        for (who, comment) in [
            (&self.ben, comment),
            (&self.chloe, "Store listing and notes are checked."),
        ] {
            let body = json!({"stage": stage, "decision": "APPROVED", "comment": comment});
            self.house
                .post_as(who, &format!("/releases/{release}/approvals"), &body)
                .await;
        }
    }

    /// Does in the stores what people do, until a condition holds.
    async fn through_pre_release(&self, release: &str) {
        self.house.phase(release, "AWAITING_PRE_RELEASE").await;
        self.pass(hours(3)).await;
        self.approve(release, "PRE_RELEASE", "All blocker bugs are closed.")
            .await;
        self.act(release, "trigger-pre-release", &json!({})).await;
        self.house.phase(release, "AWAITING_DISTRIBUTION").await;
        self.house
            .vendor(&json!({"vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done"}));
        self.pass(hours(2)).await;
        self.approve(release, "DISTRIBUTION", "Go.").await;
        self.act(release, "trigger-distribution", &json!({})).await;
    }

    async fn distribution(&self, release: &str) -> Vec<Value> {
        let read = self.house.get(&format!("/releases/{release}/distribution")).await;
        read["targets"].as_array().unwrap().clone()
    }

    /// Releases what is approved to users, and raises what is rolled out so often.
    async fn ship(&self, release: &str, raises: usize, reason: &str) {
        let mut raised = 0;
        for _ in 0..600 {
            let mut asked = false;
            for target in self.distribution(release).await {
                let submission = target["submissions"]
                    .as_array()
                    .and_then(|all| all.last())
                    .cloned();
                let submission = submission.unwrap_or(Value::Null);
                if submission["status"] == "APPROVED" && submission["releaseAsked"] == false {
                    let path = format!("/submissions/{}/release", text(&submission, "/id"));
                    self.house.post(&path, &json!({})).await;
                    asked = true;
                }
                let rollout = &target["rollout"];
                if rollout["status"] == "ACTIVE"
                    && target["target"] == "ANDROID_PLAY_STORE"
                    && raised < raises
                {
                    let path = format!("/rollouts/{}/advance", text(rollout, "/id"));
                    self.house.post(&path, &json!({"reason": reason})).await;
                    raised += 1;
                    self.house.pass(hours(20), hours(4)).await;
                    asked = true;
                }
            }
            let live = self.distribution(release).await.iter().all(|it| {
                !it["rollout"].is_null() && (it["target"] != "ANDROID_PLAY_STORE" || raised == raises)
            });
            if live && !asked {
                return;
            }
            self.house
                .pass(TimeDelta::minutes(10), TimeDelta::minutes(10))
                .await;
        }
        panic!("{release} does not ship: {:#?}", self.distribution(release).await);
    }

    async fn finish(&self, release: &str) {
        for target in self.distribution(release).await {
            let rollout = &target["rollout"];
            if rollout["status"] == "ACTIVE" {
                let path = format!("/rollouts/{}/complete", text(rollout, "/id"));
                let body = json!({"reason": "Crash-free sessions are above 99.8 % for three days."});
                self.house.post(&path, &body).await;
            }
        }
        self.house.phase(release, "COMPLETED").await;
    }

    async fn releasing(&self, team: &Team, version: &str, more: &Value) -> String {
        self.house.release(&self.desk, team, version, more).await
    }
}

impl Organisation {
    /// Tells the three weeks. Takes some seconds.
    pub(crate) async fn tell() -> Self {
        let house = House::told(9).await;
        let desk = house.desk().await;
        let minutes = 60_000;
        house.auto("*", 9 * minutes);
        let two = json!({"quorum": {"PRE_RELEASE": 1, "DISTRIBUTION": 2}});
        // One team has default notes for its stores, and the others have none.
        let mut spoken = settings(&two);
        spoken["storeNotes"] = json!({
            "default": "Bug fixes and performance improvements.",
            "de-DE": "Fehler behoben, alles etwas schneller.",
        });
        let (shop, shop_code) = house.team(&desk, ("shop", "Shop"), BOTH, &spoken).await;
        let (rider, _) = house
            .team(&desk, ("rider", "Rider"), ANDROID, &settings(&two))
            .await;
        let (lite, _) = house
            .team(&desk, ("shop-lite", "Shop Lite"), IOS, &settings(&two))
            .await;
        let story = Story {
            ben: house.token(BEN, Role::Admin).await,
            chloe: house.token(CHLOE, Role::Member).await,
            house,
            desk,
        };
        let house = &story.house;
        let _viewer = house.token(DIEGO, Role::Viewer).await;

        // A release of the recent past, from the beginning to everybody.
        let done = story
            .releasing(
                &shop,
                "5.3.0",
                &json!({
                    "type": "MINOR", "title": "Gift cards", "pilot": BEN, "priority": "MEDIUM",
                    "description": "Gift cards can be bought, sent and redeemed.",
                    "slots": [{"at": house.at(hours(3))}], "targetDate": house.at(days(8)),
                }),
            )
            .await;
        house
            .until(&done, "is tested", |it| it["phase"] == "AWAITING_PRE_RELEASE")
            .await;
        story.through_pre_release(&done).await;
        story.ship(&done, 3, "No new crashes at this share.").await;
        story.finish(&done).await;
        story.pass(days(1)).await;

        // The one that ships now: three cycles, the last of them good.
        let shipping = story.releasing(&shop, "5.4.0", &json!({
            "type": "MINOR", "title": "Wish lists and faster checkout", "pilot": ADA, "priority": "HIGH",
            "description": "Wish lists that can be shared, checkout in one step, and prices in the buyer's currency.",
            "slots": [{"at": house.at(hours(4))}, {"at": house.at(hours(28))}, {"at": house.at(hours(52))}],
            "targetDate": house.at(days(9)),
        })).await;
        for (at, (file, change)) in [
            ("pay.txt", "one step"),
            ("yen.txt", "round yen"),
            ("last.txt", "last words"),
        ]
        .into_iter()
        .enumerate()
        {
            let number = u64::try_from(at + 1).unwrap();
            let over = house
                .until(&shipping, "a cycle is over", |it| {
                    it["cycles"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|cycle| cycle["number"] == number && cycle["status"] == "DONE")
                })
                .await;
            if at < 2 {
                let branch = text(&over, "/branchRelease");
                shop_code.commit(&branch, file, change);
            }
        }
        story.through_pre_release(&shipping).await;
        story
            .ship(&shipping, 2, "Crash-free sessions 99.9 %, no new ANRs.")
            .await;

        // A hotfix of another app waits for its approvals.
        let gated = story.releasing(&rider, "3.7.1", &json!({
            "type": "HOTFIX", "title": "Map does not load offline", "pilot": CHLOE, "priority": "CRITICAL",
            "slots": [{"at": house.at(hours(1))}], "targetDate": house.at(days(2)),
        })).await;
        house.phase(&gated, "AWAITING_PRE_RELEASE").await;

        // Reviewers read by themselves now.
        house.vendor(&json!({"vendor": "appstore", "action": "auto", "on": false}));
        let rejected = story
            .releasing(
                &lite,
                "2.1.0",
                &json!({
                    "type": "MINOR", "title": "Sign in with a passkey", "pilot": BEN, "priority": "HIGH",
                    "slots": [{"at": house.at(hours(1))}], "targetDate": house.at(days(4)),
                }),
            )
            .await;
        let rejected_now = house.phase(&rejected, "AWAITING_PRE_RELEASE").await;
        assert_eq!(rejected_now["phase"], "AWAITING_PRE_RELEASE");

        // Regression goes on: one cycle is over, two are planned.
        let testing = story.releasing(&rider, "3.8.0", &json!({
            "type": "MINOR", "title": "Live courier tracking", "pilot": DIEGO, "priority": "MEDIUM",
            "description": "Riders and customers see each other on one map.",
            "slots": [{"at": house.at(hours(1))}, {"at": house.at(hours(20))}, {"at": house.at(hours(72))}],
            "targetDate": house.at(days(6)),
        })).await;
        house
            .until(&testing, "a cycle is over", |it| {
                it["cycles"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|cycle| cycle["status"] == "DONE")
            })
            .await;

        // A build fails.
        house.vendor(&json!({"vendor": "jenkins", "action": "auto", "on": false}));
        let failed = story
            .releasing(
                &shop,
                "5.5.0",
                &json!({
                    "type": "MINOR", "title": "Search by photo", "pilot": ADA, "priority": "MEDIUM",
                    "slots": [{"at": house.at(TimeDelta::minutes(20))}], "targetDate": house.at(days(10)),
                }),
            )
            .await;
        let building = |it: &Value| {
            tasks(it, "TRIGGER_REGRESSION_BUILDS")
                .iter()
                .any(|task| task["status"] == "AWAITING_CALLBACK")
        };
        house.until(&failed, "builds", building).await;
        house.vendor(&json!({
            "vendor": "jenkins", "action": "finish", "job": "android-regression", "number": "all", "result": "FAILURE",
        }));
        house.vendor(&json!({
            "vendor": "jenkins", "action": "finish", "job": "ios-regression", "number": "all", "result": "SUCCESS",
        }));
        let broken = house
            .until(&failed, "has failed", |it| {
                tasks(it, "TRIGGER_REGRESSION_BUILDS")
                    .iter()
                    .any(|task| task["status"] == "FAILED")
            })
            .await;
        let failed_task = tasks(&broken, "TRIGGER_REGRESSION_BUILDS")
            .iter()
            .find(|task| task["status"] == "FAILED")
            .map(|task| text(task, "/id"))
            .unwrap();

        // And what is still to come.
        let planned = story.releasing(&shop, "5.6.0", &json!({
            "type": "MINOR", "title": "Loyalty points", "pilot": CHLOE, "priority": "MEDIUM",
            "kickoffAt": house.at(days(5)),
            "slots": [{"at": house.at(days(6))}, {"at": house.at(days(7))}], "targetDate": house.at(days(14)),
        })).await;
        let paused = story
            .releasing(
                &rider,
                "3.9.0",
                &json!({
                    "type": "MINOR", "title": "Tips for couriers", "pilot": DIEGO, "priority": "LOW",
                    "kickoffAt": house.at(days(9)), "targetDate": house.at(days(18)),
                }),
            )
            .await;
        story
            .act(
                &paused,
                "pause",
                &json!({"note": "Legal looks at the terms until Thursday."}),
            )
            .await;
        let given_up = story.releasing(&lite, "2.0.9", &json!({
            "type": "HOTFIX", "title": "Wrong splash screen", "pilot": BEN, "kickoffAt": house.at(days(1)),
        })).await;
        story
            .act(&given_up, "archive", &json!({"reason": "It ships with 2.1.0."}))
            .await;
        story
            .act(
                &gated,
                "block",
                &json!({
                    "reason": "The map provider has not confirmed the new key.", "scope": "PRODUCTION",
                }),
            )
            .await;

        let shown = house.get(&format!("/releases/{shipping}?include=tasks")).await;
        let task = tasks(&shown, "FORK_BRANCH")
            .first()
            .map(|task| text(task, "/id"))
            .unwrap();
        let built = house.get(&format!("/releases/{testing}?include=builds")).await;
        let token = text(&house.get("/tokens?limit=1").await, "/items/0/id");
        let service = first(house, "/services").await;
        let profile = first(house, "/profiles").await;
        let pipeline = first(house, "/integrations/pipelines").await;
        let integration = format!("ci-cd/{}", first(house, "/integrations/ci-cd").await);
        let link = house
            .post(
                "/status-links",
                &json!({"name": "Marketing", "releaseId": shipping}),
            )
            .await;
        let view = json!({
            "name": "Due soon", "shared": true, "filter": {"open": true, "sort": "targetDate"},
            "columns": ["serviceSlug", "version", "status", "targetDate"],
        });
        let view = house.post("/views", &view).await;
        house.flow();
        house.app.store.beat("worker").await.unwrap();
        Self {
            build: text(&built, "/builds/0/id"),
            link: (text(&link, "/id"), text(&link, "/url")),
            view: text(&view, "/id"),
            shipping,
            rejected,
            testing,
            failed,
            failed_task,
            gated,
            planned,
            done,
            task,
            token,
            service,
            profile,
            pipeline,
            integration,
            house: story.house,
        }
    }

    /// Every page that can be looked at, under a short name. A route that is missing here fails a test.
    pub(crate) fn pages(&self) -> Vec<(&'static str, String)> {
        let release = |key: &str| format!("/releases/{key}");
        vec![
            ("dashboard", "/".to_owned()),
            ("board", "/board".to_owned()),
            ("board-grouped", "/board?group=service".to_owned()),
            ("board-none", "/board?q=no+such+release".to_owned()),
            ("move", format!("/releases/{}/move?to=DEPLOYED", self.gated)),
            ("queues", "/queues".to_owned()),
            ("timeline", "/timeline".to_owned()),
            ("timeline-empty", "/timeline?weeks=-52".to_owned()),
            ("calendar-links", "/timeline/links".to_owned()),
            ("activity", "/activity?q=release".to_owned()),
            ("activity-none", "/activity?q=no+such+thing".to_owned()),
            ("releases", "/releases".to_owned()),
            (
                "releases-view",
                format!("/releases?view={}&q=1&sort=targetDate", self.view),
            ),
            ("views", "/releases/views".to_owned()),
            ("view", format!("/releases/views/{}", self.view)),
            ("view-delete", format!("/releases/views/{}/delete", self.view)),
            ("releases-none", "/releases?q=no+such+release".to_owned()),
            ("release-shipping", release(&self.shipping)),
            ("release-testing", release(&self.testing)),
            ("release-failed", release(&self.failed)),
            ("release-gated", release(&self.gated)),
            ("release-planned", release(&self.planned)),
            ("release-done", release(&self.done)),
            ("release-rejected", release(&self.rejected)),
            ("release-edit", format!("/releases/{}/edit", self.planned)),
            ("release-slots", format!("/releases/{}/slots", self.planned)),
            ("release-plan", format!("/releases/{}/plan", self.planned)),
            ("release-targets", format!("/releases/{}/targets", self.planned)),
            (
                "release-verdict",
                format!("/releases/{}/cycles/1/verdict", self.testing),
            ),
            ("release-build", format!("/releases/{}/builds/new", self.testing)),
            (
                "release-file",
                format!("/releases/{}/builds/{}/file", self.testing, self.build),
            ),
            ("task", format!("/releases/{}/tasks/{}", self.shipping, self.task)),
            (
                "task-failed",
                format!("/releases/{}/tasks/{}", self.failed, self.failed_task),
            ),
            (
                "act-retry",
                format!("/releases/{}/do/retry?of={}", self.failed, self.failed_task),
            ),
            ("act-archive", format!("/releases/{}/do/archive", self.testing)),
            (
                "act-approve",
                format!("/releases/{}/do/approve?of=PRE_RELEASE", self.gated),
            ),
            ("integration", format!("/integrations/{}", self.integration)),
            (
                "integration-edit",
                format!("/integrations/{}/edit", self.integration),
            ),
            (
                "integration-secrets",
                format!("/integrations/{}/secrets", self.integration),
            ),
            (
                "integration-remove",
                format!("/integrations/{}/remove", self.integration),
            ),
            ("integration-new", "/integrations/scm/new".to_owned()),
            ("release-form", format!("/releases/new?service={}", self.service)),
            ("service", format!("/services/{}", self.service)),
            ("service-edit", format!("/services/{}/edit", self.service)),
            ("service-remove", format!("/services/{}/remove", self.service)),
            ("profile-page", format!("/profiles/{}", self.profile)),
            ("profile-edit", format!("/profiles/{}/edit", self.profile)),
            ("profile-diff", format!("/profiles/{}/diff", self.profile)),
            ("pipeline", format!("/pipelines/{}", self.pipeline)),
            ("pipeline-edit", format!("/pipelines/{}/edit", self.pipeline)),
            ("pipeline-remove", format!("/pipelines/{}/remove", self.pipeline)),
            ("profile", "/profile".to_owned()),
            ("token-revoke", format!("/profile/tokens/{}/revoke", self.token)),
            ("changes", format!("/releases/{}/changes", self.shipping)),
            ("store-notes", format!("/releases/{}/store-notes", self.testing)),
            (
                "store-notes-take",
                format!("/releases/{}/store-notes?take=ANDROID_PLAY_STORE", self.testing),
            ),
            (
                "store-notes-closed",
                format!("/releases/{}/store-notes", self.shipping),
            ),
            ("status", self.link.1.clone()),
            ("link-revoke", format!("/settings/links/{}/revoke", self.link.0)),
            ("missing", "/releases/REL-999".to_owned()),
        ]
    }

    /// Somebody who is signed in; none where the machine has no browser.
    pub(crate) async fn visitor(&self, script: Script, screen: Screen) -> Option<Browser> {
        let browser = Browser::open(script, screen).await?;
        browser.sign_in(&self.house.root, self.house.owner()).await;
        Some(browser)
    }
}
