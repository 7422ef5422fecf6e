//! What the practice organisation works with: its connections to every vendor, its pipelines, its service, its profile.

use super::office::{Office, id, is};
use anyhow::{Context as _, bail};
use delivr_app::usecases::access::Principal;
use serde_json::{Value, json};

/// Jobs of Jenkins, which builds for Android, and workflows of GitHub, which builds for iOS.
const PIPELINES: &[(&str, &str, &str, &str, bool)] = &[
    (
        "iOS regression build",
        "IOS",
        "REGRESSION_BUILD",
        "ios-regression.yml",
        true,
    ),
    ("iOS automation", "IOS", "AUTOMATION", "automation.yml", true),
    (
        "TestFlight build",
        "IOS",
        "TEST_FLIGHT_BUILD",
        "ios-release.yml",
        false,
    ),
    (
        "Android regression build",
        "ANDROID",
        "REGRESSION_BUILD",
        "android-regression",
        true,
    ),
    ("Android automation", "ANDROID", "AUTOMATION", "automation", true),
    ("Play bundle", "ANDROID", "AAB_BUILD", "android-prod", false),
];

/// What the releases of the shop are made with: everything a release says of it.
pub(super) struct Team {
    /// The parts of every release's request.
    pub(super) parts: Value,
    pub(super) profile: String,
}

/// How the team releases. A share is raised by a person, or by itself where minutes are named.
pub(super) fn settings(step_minutes: Option<u32>) -> Value {
    let mut play = json!({
        "submit": "AUTO", "timing": "AFTER_APPROVAL", "steps": [100, 500, 2000, 5000, 10000], "pollSeconds": 15,
    });
    if let (Some(play), Some(minutes)) = (play.as_object_mut(), step_minutes) {
        play.insert("stepMinutes".to_owned(), json!(minutes));
    }
    json!({
        "scm": {"baseBranch": "main"},
        "testing": {"passThreshold": 95},
        "autoStart": ["REGRESSION"],
        "quorum": {"DISTRIBUTION": 1},
        "deadlines": {"pollSeconds": 5},
        "storeNotes": {"default": "Bug fixes and performance improvements."},
        "stores": {
            "IOS_APP_STORE": {"submit": "AUTO", "timing": "MANUAL", "phased": true, "pollSeconds": 15},
            "ANDROID_PLAY_STORE": play,
        },
    })
}

/// Somebody who sets the organisation up.
pub(super) struct Admin<'a> {
    pub(super) office: &'a Office<'a>,
    pub(super) who: &'a Principal,
}

impl Admin<'_> {
    /// Connects a vendor and has the connection verified, as a person does.
    async fn connect(&self, category: &str, name: &str, entry: &Value) -> anyhow::Result<String> {
        let body = json!({
            "provider": entry.get("key"), "name": name,
            "config": entry.get("config"), "credentials": entry.get("credentials"),
        });
        let list = format!("/integrations/{category}");
        let made = id(&self.office.post(self.who, &list, body).await?)?;
        let verified = self
            .office
            .post(self.who, &format!("{list}/{made}/verify"), json!({}))
            .await?;
        if !is(&verified, "/verificationStatus", "VALID") {
            bail!("{name} does not work: {verified}");
        }
        Ok(made)
    }

    /// Connects everything, and says what releases are made with.
    ///
    /// # Errors
    /// When anything is refused, or does not work.
    pub(super) async fn set_up(&self) -> anyhow::Result<Team> {
        let offered = self.office.offered();
        let of = |path: &str| {
            let found = offered.pointer(path).cloned();
            found.with_context(|| format!("there is no vendor {path}"))
        };
        let scm = self.connect("scm", "acme/shop", &of("/github")?).await?;
        let actions = self
            .connect("ci-cd", "GitHub Actions", &of("/github/actions")?)
            .await?;
        let jenkins = self.connect("ci-cd", "Build farm", &of("/jenkins")?).await?;
        let tickets = self.connect("project-management", "Jira", &of("/jira")?).await?;
        // Its channels are the routes of the messages: releases, builds, regression, what is critical.
        let chat = self.connect("communication", "Slack", &of("/slack")?).await?;
        let tests = self
            .connect("test-management", "Checkmate", &of("/checkmate")?)
            .await?;
        let apple = self.connect("stores", "App Store", &of("/appstore")?).await?;
        let play = self.connect("stores", "Google Play", &of("/playstore")?).await?;
        let mut pipelines = Vec::new();
        for (name, platform, purpose, job, of_a_cycle) in PIPELINES {
            let github = *platform == "IOS";
            let ci = if github { &actions } else { &jenkins };
            let names = ["VERSION", "BRANCH", "TAG", "SHA", "PLATFORM", "CYCLE"];
            let parameters: serde_json::Map<String, Value> = names
                .into_iter()
                .filter(|name| *of_a_cycle || *name != "CYCLE")
                .map(|name| {
                    let low = name.to_lowercase();
                    let value = json!(format!("{{{low}}}"));
                    (if github { low } else { name.to_owned() }, value)
                })
                .collect();
            let body = json!({
                "name": name, "integrationId": ci, "scmIntegrationId": scm, "platform": platform,
                "purpose": purpose, "job": job, "parameters": parameters,
            });
            let made = self
                .office
                .post(self.who, "/integrations/pipelines", body)
                .await?;
            pipelines.push(id(&made)?);
        }
        let service = json!({"slug": "shop", "name": "Shop", "kind": "MOBILE", "scmIntegrationId": scm});
        let service = id(&self.office.post(self.who, "/services", service).await?)?;
        let profile = json!({"name": "Shop, weekly", "serviceId": service, "settings": settings(None)});
        let profile = id(&self.office.post(self.who, "/profiles", profile).await?)?;
        Ok(Team {
            parts: json!({
                "serviceId": service, "profileId": profile, "type": "MINOR",
                "targets": [
                    {"target": "IOS_APP_STORE", "storeIntegrationId": apple},
                    {"target": "ANDROID_PLAY_STORE", "storeIntegrationId": play},
                ],
                "scmIntegrationId": scm, "pipelines": pipelines, "ticketId": tickets,
                "communicationId": chat, "testManagementId": tests,
            }),
            profile,
        })
    }
}
