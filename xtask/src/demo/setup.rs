//! What a team sets up once: its systems, its pipelines, the thing it releases, and how it releases it.

use super::Stage;
use crate::shell::say;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Ids of what was set up.
pub(crate) struct Team {
    pub(crate) service: String,
    pub(crate) profile: String,
    pub(crate) scm: String,
    pub(crate) tickets: String,
    pub(crate) chat: String,
    pub(crate) tests: String,
    pub(crate) app_store: String,
    pub(crate) play_store: String,
    pub(crate) pipelines: Vec<String>,
}

/// The text at a JSON pointer.
///
/// # Errors
/// When there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(ToOwned::to_owned)
        .with_context(|| format!("no text at {pointer} in {value}"))
}

impl Stage {
    /// Connects a system and has it verified.
    fn connect(
        &self,
        category: &str,
        provider: &str,
        name: &str,
        config: &Value,
        credentials: &Value,
    ) -> Result<String> {
        let body =
            json!({ "provider": provider, "name": name, "config": config, "credentials": credentials });
        let made = self.api.post(&format!("/integrations/{category}"), &body)?;
        let id = text(&made, "/id")?;
        let verified = self
            .api
            .post(&format!("/integrations/{category}/{id}/verify"), &json!({}))?;
        if verified.pointer("/verificationStatus").and_then(Value::as_str) != Some("VALID") {
            bail!("{name} does not work: {verified}");
        }
        say(format!("  connected {name}"));
        Ok(id)
    }

    /// Connects a simulated vendor, by what the sandbox says it takes.
    fn connect_vendor(&self, category: &str, vendor: &str, name: &str, more: &Value) -> Result<String> {
        let offered = self.vendors.get("/_credentials")?;
        let entry = offered
            .get(vendor)
            .with_context(|| format!("the sandbox has no {vendor}"))?;
        let mut config = entry.get("config").cloned().unwrap_or_else(|| json!({}));
        if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
            config.extend(more.clone());
        }
        let credentials = entry.get("credentials").cloned().unwrap_or_else(|| json!({}));
        self.connect(category, &text(entry, "/key")?, name, &config, &credentials)
    }

    fn pipeline(
        &self,
        ci: &str,
        scm: &str,
        name: &str,
        platform: &str,
        purpose: &str,
        job: &str,
    ) -> Result<String> {
        let body = json!({
            "name": name, "integrationId": ci, "scmIntegrationId": scm, "platform": platform, "purpose": purpose,
            "job": job, "parameters": parameters(job),
        });
        text(&self.api.post("/integrations/pipelines", &body)?, "/id")
    }

    /// Sets everything up.
    ///
    /// # Errors
    /// When anything is refused.
    pub(crate) fn set_up(&self) -> Result<Team> {
        let repository = json!({ "url": self.repository.url(), "defaultBranch": "main" });
        let scm = self.connect("scm", "git", "shop.git", &repository, &json!({}))?;
        let ci = self.connect_vendor("ci-cd", "jenkins", "Jenkins", &json!({}))?;
        let tickets = self.connect_vendor("project-management", "jira", "Jira", &json!({}))?;
        let chat = self.connect_vendor("communication", "slack", "Slack", &json!({}))?;
        let tests = self.connect_vendor("test-management", "checkmate", "Checkmate", &json!({}))?;
        let app_store = self.connect_vendor("stores", "appstore", "App Store", &json!({}))?;
        let play_store = self.connect_vendor("stores", "playstore", "Google Play", &json!({}))?;
        let mut pipelines = Vec::new();
        for (name, platform, purpose, job) in [
            (
                "iOS regression build",
                "IOS",
                "REGRESSION_BUILD",
                "ios-regression",
            ),
            (
                "Android regression build",
                "ANDROID",
                "REGRESSION_BUILD",
                "android-regression",
            ),
            ("iOS automation", "IOS", "AUTOMATION", "automation"),
            ("Android automation", "ANDROID", "AUTOMATION", "automation"),
            ("TestFlight build", "IOS", "TEST_FLIGHT_BUILD", "ios-prod"),
            ("Play bundle", "ANDROID", "AAB_BUILD", "android-prod"),
        ] {
            pipelines.push(self.pipeline(&ci, &scm, name, platform, purpose, job)?);
        }
        let service = json!({ "slug": "shop", "name": "Shop", "kind": "MOBILE", "scmIntegrationId": scm });
        let service = text(&self.api.post("/services", &service)?, "/id")?;
        let profile = json!({ "name": "Shop releases", "serviceId": service, "settings": settings() });
        let profile = text(&self.api.post("/profiles", &profile)?, "/id")?;
        Ok(Team {
            service,
            profile,
            scm,
            tickets,
            chat,
            tests,
            app_store,
            play_store,
            pipelines,
        })
    }
}

/// What the jobs are started with.
fn parameters(job: &str) -> Value {
    let mut parameters = json!({
        "VERSION": "{version}", "BRANCH": "{branch}", "TAG": "{tag}", "SHA": "{sha}", "PLATFORM": "{platform}",
    });
    if let Some(map) = parameters.as_object_mut()
        && !job.ends_with("-prod")
    {
        map.insert("CYCLE".to_owned(), json!("{cycle}"));
    }
    parameters
}

/// How the team releases: seconds where a real team waits minutes, everything else as anybody would set it.
fn settings() -> Value {
    json!({
        "scm": { "baseBranch": "main" },
        "testing": { "passThreshold": 95 },
        "autoStart": ["REGRESSION"],
        "deadlines": { "pollSeconds": 1 },
        "stores": {
            "IOS_APP_STORE": { "submit": "BY_PERSON", "timing": "MANUAL", "phased": true, "pollSeconds": 1 },
            "ANDROID_PLAY_STORE": { "submit": "BY_PERSON", "timing": "AFTER_APPROVAL", "steps": [500, 2000, 10000], "pollSeconds": 1 },
        },
    })
}
