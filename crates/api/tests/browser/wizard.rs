//! From nothing to a finished release, by clicks alone: everything is connected by the forms that follow from what the
//! providers say of themselves, tried, planned and shipped.

use crate::driver::{Browser, DESK, Script};
use crate::house::House;
use crate::repository::Repository;
use serde_json::{Value, json};

/// What is typed for a value.
fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(typed).collect::<Vec<_>>().join("\n"),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other.to_string(),
    }
}

struct Wizard {
    house: House,
    browser: Browser,
}

impl Wizard {
    async fn tick(&self, name: &str, wanted: bool) {
        let css = format!("input[name=\"{name}\"]");
        let is = self.browser.attribute(&css, "checked").await.is_some();
        if is != wanted {
            self.browser.pick(&css).await;
        }
    }

    /// Puts a value into the field of its pointer, whatever the field looks like.
    async fn enter(&self, pointer: &str, value: &Value) {
        let named = format!("[name=\"{pointer}\"]");
        let has = async |what: &str| self.browser.has(&format!("{what}{named}")).await;
        if has("select").await {
            let option = format!("select{named} option[value=\"{}\"]", typed(value));
            self.browser.pick(&option).await;
        } else if has("[type=checkbox]").await {
            self.tick(pointer, value == &json!(true)).await;
        } else if has("").await {
            let line = |(name, value): (&String, &Value)| format!("{name}={}", typed(value));
            let pairs = |pairs: &serde_json::Map<String, Value>| pairs.iter().map(line).collect::<Vec<_>>();
            let text = value
                .as_object()
                .map_or_else(|| typed(value), |it| pairs(it).join("\n"));
            self.browser.clear(&named).await;
            self.browser.fill(&named, &text).await;
        } else {
            let members = value.as_object();
            let members = members.unwrap_or_else(|| panic!("the form has no field for {pointer}"));
            for (name, value) in members {
                Box::pin(self.enter(&format!("{pointer}/{name}"), value)).await;
            }
        }
    }

    async fn fill(&self, values: &Value) {
        for (pointer, value) in values.as_object().unwrap() {
            self.enter(pointer, value).await;
        }
    }

    /// Goes on from where the set-up stands.
    async fn step(&self, label: &str) {
        self.browser.go(&format!("{}/start", self.house.root)).await;
        self.browser.follow(label).await;
    }

    async fn connect(&self, category: &str, label: &str, entry: &Value, name: &str) {
        self.step(&format!("Connect: {label}")).await;
        let provider = entry["key"].as_str().unwrap();
        let choice = format!("a[href=\"/integrations/{category}/new?provider={provider}\"]");
        // With one provider there is nothing to choose.
        if self.browser.has(&choice).await {
            self.browser.follow_at(&choice).await;
        }
        self.fill(&json!({
            "/name": name, "/config": entry["config"], "/credentials": entry["credentials"],
        }))
        .await;
        self.browser.follow("Save and try it").await;
        self.browser.reads("It is connected.").await;
        let title = self.browser.text("h1").await;
        assert!(title.contains("Works"), "{}", self.browser.text("main").await);
    }

    /// Opens the release anew until it says something; what has no script does not change by itself.
    async fn says(&self, page: &str, words: &str) {
        self.browser
            .until(&format!("the release says {words}"), async || {
                self.browser.go(page).await;
                self.browser.text("main").await.contains(words)
            })
            .await;
    }

    /// Presses a control, reads what it would do, and does it.
    async fn act(&self, label: &str, reason: &str) {
        self.browser.follow(label).await;
        if !reason.is_empty() {
            self.browser.fill("#reason", reason).await;
        }
        self.browser.follow(label).await;
    }
}

async fn from_nothing(script: Script) {
    let house = House::live().await;
    house.auto("*", 150);
    let Some(browser) = Browser::open(script, DESK).await else {
        return;
    };
    browser.sign_in(&house.root, house.owner()).await;
    let repository = Repository::make(house.folder.path());
    let offered = house.offered().await;
    let wizard = Wizard { house, browser };
    let browser = &wizard.browser;
    // Nothing is there, and the first page says where to begin.
    browser.follow("Getting started").await;
    assert!(
        browser.text("main").await.contains("0 of "),
        "{}",
        browser.text("main").await
    );

    let git = json!({
        "key": "git", "config": {"url": repository.url(), "defaultBranch": "main"}, "credentials": {},
    });
    wizard
        .connect("scm", "Connect your source control", &git, "acme/shop")
        .await;
    for (category, label, vendor, name) in [
        ("stores", "Connect your stores", "playstore", "Google Play"),
        ("ci-cd", "Connect your CI/CD", "jenkins", "Build farm"),
        ("communication", "Connect your chat", "slack", "Slack"),
        ("project-management", "Connect your tickets", "jira", "Jira"),
        (
            "test-management",
            "Connect your test management",
            "checkmate",
            "Checkmate",
        ),
    ] {
        wizard.connect(category, label, &offered[vendor], name).await;
    }
    for (name, purpose, job) in [
        ("Regression", "REGRESSION_BUILD", "android-regression"),
        ("Automation", "AUTOMATION", "automation"),
        ("Bundle", "AAB_BUILD", "android-prod"),
    ] {
        wizard
            .step("Make a pipeline: Say which jobs build and deploy")
            .await;
        let mut given = json!({
            "VERSION": "{version}", "BRANCH": "{branch}", "TAG": "{tag}", "SHA": "{sha}", "PLATFORM": "{platform}",
        });
        // The builds for the stores belong to no cycle.
        if purpose != "AAB_BUILD" {
            given["CYCLE"] = json!("{cycle}");
        }
        wizard
            .fill(&json!({
                "/name": name, "/job": job, "/platform": "ANDROID", "/purpose": purpose, "/parameters": given,
            }))
            .await;
        browser.follow("Make the pipeline").await;
        browser.reads("It is saved.").await;
        browser.follow("Test it").await;
        browser.reads("A release could start it").await;
    }
    wizard.step("Make a service: Make a service").await;
    wizard
        .fill(&json!({"/name": "Shop", "/slug": "shop", "/kind": "MOBILE"}))
        .await;
    browser.follow("Make the service").await;
    browser.reads("It is saved.").await;
    wizard.step("Make a profile: Say how you release").await;
    wizard
        .fill(&json!({
            "/name": "Weekly", "/settings/scm/baseBranch": "main", "/settings/testing/passThreshold": 95,
            "/settings/deadlines/pollSeconds": 1,
            "/settings/stores/ANDROID_PLAY_STORE/submit": "AUTO",
            "/settings/stores/ANDROID_PLAY_STORE/timing": "AFTER_APPROVAL",
            "/settings/stores/ANDROID_PLAY_STORE/steps": [500, 2000, 10000],
            "/settings/stores/ANDROID_PLAY_STORE/pollSeconds": 1,
        }))
        .await;
    wizard.tick("/settings/autoStart=REGRESSION", true).await;
    browser.follow("Make the profile").await;
    browser.reads("It is saved.").await;
    // What a worker's process says of itself.
    wizard.house.app.store.beat("worker").await.unwrap();
    wizard.step("Ask the doctor: Let the doctor try everything").await;
    browser.follow("Try everything now").await;
    browser.reads("Releases can be made").await;

    let profile = wizard.house.get("/profiles").await["items"][0]["id"].clone();
    // The whole plan first, and nothing stored by it.
    wizard.step("New release: Plan the first release").await;
    wizard
        .fill(&json!({"/version": "1.1.0", "/title": "Wish lists", "/profileId": profile}))
        .await;
    wizard.tick("/ship/ANDROID_PLAY_STORE/on", true).await;
    browser.follow("Show the whole plan").await;
    browser.reads("What it would be and do").await;
    let plan = browser.text("main").await;
    assert!(
        plan.contains("release/1.1.0") && plan.contains("v1.1.0"),
        "{plan}"
    );
    assert_eq!(wizard.house.get("/releases").await["items"], json!([]));
    browser.follow("Create the release").await;
    browser.reads("The release is planned.").await;
    let made = wizard.house.get("/releases").await;
    let key = made["items"][0]["key"].as_str().unwrap().to_owned();
    let page = format!("{}/releases/{key}", wizard.house.root);

    // And through its stages, each begun by the button that stands there.
    wizard.says(&page, "Start a regression cycle").await;
    wizard.act("Start a regression cycle", "").await;
    browser.reads("The regression cycle has begun.").await;
    wizard.says(&page, "Awaiting pre-release").await;
    browser.follow("Read the gate's facts again").await;
    wizard.act("Start the next stage", "").await;
    browser.reads("The stage has started.").await;
    wizard.says(&page, "Awaiting distribution").await;
    let done = json!({"vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done"});
    wizard.house.vendor(&done);
    browser.follow("Read the gate's facts again").await;
    wizard.act("Start the next stage", "").await;
    wizard.says(&page, "Halt").await;
    wizard.act("Give it to everybody", "Nothing crashed.").await;
    wizard.says(&page, "Completed").await;
    let now = wizard.house.get(&format!("/releases/{key}")).await;
    assert_eq!(
        (&now["phase"], &now["status"]),
        (&json!("COMPLETED"), &json!("DEPLOYED"))
    );
    // What is left of the set-up is optional.
    browser.go(&format!("{}/start", wizard.house.root)).await;
    browser.reads("You are set up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_set_up_and_ships_with_scripts() {
    from_nothing(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_set_up_and_ships_without_scripts() {
    from_nothing(Script::Off).await;
}
